"""The attention explorer: where a captioner looks as it says each word, in a picture to change.

For each word t of a caption, over the cells i of a grid that covers the picture:

    alpha_t = softmax(e_t)            where it looks: a map that adds up to 1
    z_t     = beta_t sum_i alpha_ti a_i   what it reads there, beta_t of it
    y_t                               the word that it says

    share   = sum of alpha_t inside the boxes of the things that the word speaks of
    chance  = area of these boxes / area of the picture: the share of an even map

The reader moves, recolours and deletes things; a function of the notebook paints the picture anew,
and captions it. K things, T words, END among them, H x W pixels; x to the right, y down.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import NamedTuple

import numpy as np
import traitlets
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from lecture_utils.visual.style import described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import (
    LectureWidget,
    attempt,
    bundle,
    counted,
    numbers,
    pack,
    unpack,
)

MOST_THINGS, MOST_COLOURS, MOST_WORDS, MOST_FACTS = 12, 12, 40, 24
SMALLEST, LARGEST = 8, 512  # pixels
FINEST = 32  # cells of a map
DARK, DARKNESS = (15 / 255, 20 / 255, 26 / 255), 0.82  # where it does not look; as in the browser
ROUNDING = 1e-3
ON_POSTER = 10  # words
BESIDE, UNDER = 0.12, 0.45  # inches between the small pictures, for the words below them


class Looked(NamedTuple):
    """What a captioner said of a picture, and where it looked: T words, END among them."""

    image: np.ndarray  # (H, W, 3), 0 to 255
    words: Sequence[str]
    probabilities: np.ndarray  # (T,), of each word given those before it
    maps: np.ndarray  # (T, rows, columns), the attention of each word: adds up to 1
    beta: np.ndarray | None  # (T,), 0 to 1; None if the captioner has none
    boxes: np.ndarray  # (K, 4), of each thing x0, y0, x1, y1 in whole pixels
    about: Sequence[tuple[int, ...]]  # for each word: the numbers of the things it speaks of
    facts: Sequence[tuple[str, bool | None]]  # what the caption tells; is it true, or not known?


class Share(NamedTuple):
    inside: float  # the share of a word's attention in the boxes of what it speaks of
    chance: float  # the share of the picture that they take


class AttentionExplorer(LectureWidget):
    """See where a captioner looks, and change what it looks at.

    things: 1 to 12 dicts or NamedTuples with x, y (the middle) and radius in pixels, shape and
    colour (names), and, where there are, name and size; what else they hold is kept. look(things)
    -> `Looked`: paints them and captions the picture. It gets things of the same kind, in the same
    order, with other places and colours, some left out. What it raises later is shown in place.
    palette: name of a colour -> the colour, for the buttons; `look` gets the names.

    Shared with the browser: `asked` (the arrangement that the reader wants), `seen` and `before`
    (what came of the last one that could be painted, and of the one before it), `refused` (why
    `asked` could not be), `step` (3 t for alpha_t, 3 t + 1 for z_t, 3 t + 2 for y_t, words counted
    from 0) and `shows` ("smooth", "cells" or "picture").
    """

    _esm, _css = bundle("attention_explorer")

    given = traitlets.Dict().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    """{"run": n, "things": [{"thing": its place in the given ones, "x", "y", "colour"}]}"""
    seen = traitlets.Dict().tag(sync=True)
    before = traitlets.Dict().tag(sync=True)
    refused = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    shows = traitlets.Enum(["smooth", "cells", "picture"], "smooth").tag(sync=True)

    def __init__(self, things, look, palette, title=""):
        if not callable(look):
            raise ValueError(f"look is {look!r}: give a function, things -> Looked")
        if not isinstance(title, str) or len(title) > 80:
            raise ValueError(f"title is {title!r}: give a text of at most 80 characters")
        palette = _checked_palette(palette)
        self._things, self._look = _checked_things(things, palette), look
        self._colours = list(palette)
        arrangement = [
            {"thing": k, **{name: _field(thing, name) for name in ("x", "y", "colour")}}
            for k, thing in enumerate(self._things)
        ]
        self._size = None
        seen = self._looking(0, arrangement)
        self._size = seen["image"]["shape"]
        super().__init__(
            given={
                "things": [
                    one | {"radius": float(_field(thing, "radius"))}
                    for one, thing in zip(seen["things"], self._things)
                ],
                "palette": [[name, colour] for name, colour in palette.items()],
                "title": title,
            },
            asked={"run": 0, "things": arrangement},
            seen=seen,
            step=3 * _first_content(seen["about"]) + 2,
        )

    def __repr__(self):
        there = counted(len(self.seen["things"]), "thing")
        return f"AttentionExplorer({there}: {' '.join(self.seen['words'])})"

    def share(self, word: int) -> Share | None:
        """Of the attention of a word, counted from 0; None if it speaks of no thing in sight."""
        last = len(self.seen["words"]) - 1
        return _share(self.seen, checks.whole_number("word", word, 0, last))

    # ---- what the browser may change -------------------------------------------------------------

    @traitlets.validate("step")
    def _step_fits(self, proposal):
        return min(max(proposal["value"], 0), 3 * len(self.seen["words"]) - 1)

    @traitlets.observe("asked")
    def _look_again(self, change):
        if not change["old"]:  # as it was made
            return
        answer = attempt(lambda: self._looking(**self.asked))
        with self.hold_sync():
            if "error" in answer:
                self.refused = answer | {"run": self.asked["run"]}
            else:
                self.refused, self.before, self.seen = {}, self.seen, answer
                self.step = self.step  # checked once more

    def _looking(self, run: int, things: list) -> dict:
        """What comes of an arrangement, packed."""
        if not things:
            raise ValueError("no thing is left: at least one must stay")
        made = [self._made(**one) for one in things]
        numbers_of = [one["thing"] for one in things]
        if len(set(numbers_of)) < len(things):
            raise ValueError(f"the arrangement holds a thing twice: {numbers_of}")
        looked = self._look(list(made))
        places = [one | {"name": _name(thing)} for one, thing in zip(things, made)]
        return {"run": run, "things": places} | _packed(looked, len(made), self._size)

    def _made(self, thing, x, y, colour):
        given = self._things[checks.whole_number("thing", thing, 0, len(self._things) - 1)]
        if colour not in self._colours:
            raise ValueError(f"colour is {colour!r}: choose one of {', '.join(self._colours)}")
        for name, value in (("x", x), ("y", y)):
            if not isinstance(value, Real) or not math.isfinite(value):
                raise ValueError(f"{name} is {value!r}: give pixels")
        changes = {"x": x, "y": y, "colour": colour}
        old = _field(given, "colour")
        name = _field(given, "name", None)
        if name is not None:
            changes["name"] = name.replace(old, colour)
        return {**given, **changes} if isinstance(given, Mapping) else given._replace(**changes)

    # ---- the still picture -----------------------------------------------------------------------

    def poster(self):
        seen = self.seen
        words, about = seen["words"], seen["about"]
        image = unpack(seen["image"]).astype(np.uint8)
        maps = unpack(seen["maps"])
        chosen = [t for t, those in enumerate(about) if those] or list(range(len(words)))
        chosen = chosen[:ON_POSTER]
        wide, tall, top = 8.0, 3.7, 0.75
        figure, axes = picture(wide, tall, columns=1 + len(chosen))
        figure.set_layout_engine("none")
        height, width = image.shape[:2]

        def put(ax, left, top, side):
            scale = side / max(height, width)
            ax.set_position([left / wide, 1 - (top + scale * height) / tall,
                             scale * width / wide, scale * height / tall])
            ax.imshow(image, extent=(0, width, height, 0), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)

        put(axes[0], 0.3, top, 2.7)
        for box in seen["boxes"]:
            _outline(axes[0], box)
        columns, side = _tiling(len(chosen), 4.45, tall - top)
        for k, (t, ax) in enumerate(zip(chosen, axes[1:])):
            row, column = divmod(k, columns)
            put(ax, 3.25 + column * (side + BESIDE), top + row * (side + UNDER), side)
            _darken(ax, maps[t], width, height)
            for thing in about[t]:
                _outline(ax, seen["boxes"][thing])
            share = _share(seen, t)
            inside = f"\n{share.inside:.0%} inside" if share else ""
            ax.set_xlabel(f"{words[t]}{inside}", fontsize=8.5, labelpad=3, parse_math=False)
        caption = " ".join(words)
        figure.text(0.3 / wide, 1 - 0.3 / tall, _shortened(caption, 76), fontsize=11,
                    fontweight="bold", parse_math=False)
        figure.text(0.3 / wide, 1 - 0.53 / tall, "Bright: where the captioner looked as it said "
                    "the word. Outlined: what the word speaks of.", fontsize=9, color="#5a6570")
        told = [f"{words[t]}: {share.inside:.0%} of its attention inside, chance {share.chance:.0%}"
                for t in chosen if (share := _share(seen, t))]
        names = ", ".join(one["name"] for one in seen["things"])
        return described(figure, f"A picture of {names}, captioned {caption!r}, and for "
                         f"{counted(len(chosen), 'word')} of it where the captioner looked. "
                         f"{'; '.join(told)}")


def _first_content(about) -> int:
    """The first word that speaks of a thing."""
    return next((t for t, those in enumerate(about) if those), 0)


def _share(seen: dict, t: int) -> Share | None:
    height, width = seen["image"]["shape"][:2]
    inside = np.zeros((height, width))
    for thing in seen["about"][t]:
        x0, y0, x1, y1 = seen["boxes"][thing]
        inside[y0:y1, x0:x1] = 1
    if not inside.any():
        return None
    attention = unpack(seen["maps"])[t]
    rows, columns = attention.shape
    per_pixel = _overlap(height, rows) @ attention @ _overlap(width, columns).T
    return Share(float((inside * per_pixel).sum()), float(inside.mean()))


def _overlap(pixels: int, cells: int) -> np.ndarray:
    """(pixels, cells): the share of each cell's length that lies in each pixel."""
    ends = np.arange(pixels + 1)[:, None] * cells / pixels - np.arange(cells)
    return np.diff(np.clip(ends, 0, 1), axis=0)


def _outline(ax, box) -> None:
    x0, y0, x1, y1 = box
    for ink, thick in (("black", 2.6), ("white", 1.2)):
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=ink, lw=thick))


def _darken(ax, attention, width: int, height: int) -> None:
    """Dark where it did not look. Bright is the map's own largest value."""
    overlay = np.empty((*attention.shape, 4))
    overlay[..., :3] = DARK
    overlay[..., 3] = DARKNESS * (1 - attention / attention.max())
    ax.imshow(overlay, extent=(0, width, height, 0), interpolation="bilinear")


def _tiling(count: int, width: float, height: float) -> tuple[int, float]:
    """How many columns let `count` squares with words below them be largest, and their side."""
    sides = {columns: min((width + BESIDE) / columns - BESIDE,
                          height / math.ceil(count / columns) - UNDER)
             for columns in range(1, count + 1)}
    columns = max(sides, key=sides.get)
    return columns, sides[columns]


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest - 2]} \u2026"


# ---- what is sent, and checked ------------------------------------------------------------------


def _field(thing, name: str, *default):
    """What a thing, a dict or a NamedTuple, holds under a name."""
    if isinstance(thing, Mapping):
        return thing.get(name, *default) if default else thing[name]
    return getattr(thing, name, *default)


def _name(thing) -> str:
    """small red heart: size, if it has one, and its own name, or else colour and shape."""
    name = _field(thing, "name", None)
    if name is None:
        name = f"{_field(thing, 'colour')} {_field(thing, 'shape')}"
    size = _field(thing, "size", None)
    return name if size is None else f"{size} {name}"


def _checked_palette(palette) -> dict[str, str]:
    checks.mapping("palette", palette, "name of a colour -> colour")
    if not 1 <= len(palette) <= MOST_COLOURS:
        raise ValueError(f"palette has {len(palette)} colours: give 1 to {MOST_COLOURS}")
    found = {}
    for name, colour in palette.items():
        checks.label(name, "a colour", 16)
        try:
            found[name] = to_hex(colour)
        except ValueError as error:
            raise ValueError(f"palette[{name!r}] is {colour!r}: give a colour such as '#d03020', "
                             "'red' or (r, g, b) from 0 to 1") from error
    return found


def _checked_things(things, palette) -> list:
    if isinstance(things, (str, Mapping)) or not isinstance(things, Sequence):
        raise ValueError(f"things is a {type(things).__name__}: give a list of dicts or "
                         "NamedTuples, one for each thing")
    if not 1 <= len(things) <= MOST_THINGS:
        raise ValueError(f"there are {len(things)} things: give 1 to {MOST_THINGS}")
    for k, thing in enumerate(things):
        where = f"things[{k}]"
        if not isinstance(thing, Mapping) and not hasattr(thing, "_replace"):
            raise ValueError(f"{where} is a {type(thing).__name__}: give a dict or a NamedTuple")
        for name in ("x", "y", "radius", "shape", "colour"):
            try:
                value = _field(thing, name)
            except (KeyError, AttributeError) as error:
                raise ValueError(f"{where} has no {name}: a thing needs x, y, radius, shape and "
                                 "colour") from error
            if name in ("shape", "colour"):
                checks.label(value, f"the {name} of {where}", 24)
            elif not isinstance(value, Real) or not math.isfinite(value):
                raise ValueError(f"{where}.{name} is {value!r}: give pixels")
        if _field(thing, "radius") <= 0:
            raise ValueError(f"{where}.radius is {_field(thing, 'radius')!r}: give more than 0")
        if _field(thing, "colour") not in palette:
            raise ValueError(f"{where}.colour is {_field(thing, 'colour')!r}, which the palette "
                             f"lacks: it has {', '.join(palette)}")
        checks.label(_name(thing), where, 48)
    return list(things)


def _packed(looked, K: int, size: list | None) -> dict:
    """What look returned, checked. size: (H, W, 3) of the pictures before, None for the first."""
    try:
        looked = Looked(*looked)
    except TypeError as error:
        raise ValueError(f"look returned a {type(looked).__name__}: return a Looked(image, words, "
                         "probabilities, maps, beta, boxes, about, facts)") from error
    image = _checked("image", looked.image, (None, None, 3), "(H, W, 3)")
    wrong = ~((image >= 0) & (image <= 255))
    checks.refuse("image", image, wrong, "give levels from 0 to 255")
    shape = list(image.shape)
    if not all(SMALLEST <= side <= LARGEST for side in shape[:2]):
        raise ValueError(f"image is {shape[0]} x {shape[1]}: the explorer shows {SMALLEST} to "
                         f"{LARGEST} pixels a side")
    if size is not None and shape != list(size):
        raise ValueError(f"image has shape {tuple(shape)}, the first one had {tuple(size)}: "
                         "return pictures of one size")
    words = list(looked.words)
    T = len(words)
    if not 1 <= T <= MOST_WORDS:
        raise ValueError(f"there are {T} words: return 1 to {MOST_WORDS}")
    for word in words:
        checks.label(word, "a word", 24)
    maps = _checked("maps", looked.maps, (T, None, None), f"({T}, rows, columns), one per word")
    if not all(1 <= cells <= FINEST for cells in maps.shape[1:]):
        raise ValueError(f"maps have {maps.shape[1]} x {maps.shape[2]} cells: give 1 to {FINEST} "
                         "a side")
    sums = maps.sum(axis=(1, 2))
    wrong = ~((maps >= 0).all(axis=(1, 2)) & (np.abs(sums - 1) < ROUNDING))  # true for nan, too
    if wrong.any():
        t = int(np.argmax(wrong))
        raise ValueError(f"the map of word {t}, {words[t]!r}, adds up to {sums[t]:.4g} and goes "
                         f"down to {maps[t].min():.4g}: give weights from 0 that add up to 1")
    beta = None
    if looked.beta is not None:
        beta = _probabilities("beta", looked.beta, T)
    return {
        "image": {"kind": "uint8", "shape": shape,
                  "data": np.rint(image).astype(np.uint8).tobytes()},
        "words": words,
        "p": _probabilities("probabilities", looked.probabilities, T),
        "maps": pack(maps),
        "beta": beta,
        "boxes": _checked_boxes(looked.boxes, K, shape),
        "about": _checked_about(looked.about, words, K),
        "facts": _checked_facts(looked.facts),
    }


def _checked(name: str, values, shape: tuple, in_words: str) -> np.ndarray:
    values = numbers(name, values)
    checks.shape(name, values, shape, in_words)
    return values


def _probabilities(name: str, values, T: int) -> list[float]:
    values = _checked(name, values, (T,), f"({T},), one number for each word")
    wrong = ~((values >= 0) & (values <= 1 + ROUNDING))
    checks.refuse(name, values, wrong, "give numbers from 0 to 1")
    return values.tolist()


def _checked_boxes(boxes, K: int, shape: list) -> list[list[int]]:
    boxes = _checked("boxes", boxes, (K, 4), f"({K}, 4): x0, y0, x1, y1 of each thing")
    height, width = shape[:2]
    low, high = boxes[:, :2], boxes[:, 2:]
    fits = ((low >= 0) & (low <= high) & (high <= (width, height))).all(axis=1)
    fits &= (boxes == np.rint(boxes)).all(axis=1)
    if not fits.all():
        k = int(np.argmin(fits))
        raise ValueError(f"boxes[{k}] is {boxes[k].tolist()}: give x0, y0, x1, y1 in whole pixels "
                         f"of the {width} x {height} picture, x0 <= x1 and y0 <= y1")
    return boxes.astype(int).tolist()


def _checked_about(about, words: list, K: int) -> list[list[int]]:
    about = [list(those) for those in about]
    if len(about) != len(words):
        raise ValueError(f"about has {len(about)} entries: give one for each of the {len(words)} "
                         "words, empty where a word speaks of no thing")
    return [[checks.whole_number(f"about[{t}]", thing, 0, K - 1) for thing in those]
            for t, those in enumerate(about)]


def _checked_facts(facts) -> list[list]:
    facts = [list(fact) for fact in facts]
    if len(facts) > MOST_FACTS:
        raise ValueError(f"there are {len(facts)} facts: return at most {MOST_FACTS}")
    for k, fact in enumerate(facts):
        if len(fact) != 2 or not (fact[1] is None or isinstance(fact[1], (bool, np.bool_))):
            raise ValueError(f"facts[{k}] is {tuple(fact)!r}: give (text, True, False or None)")
        checks.label(fact[0], "a fact", 80)
        fact[1] = None if fact[1] is None else bool(fact[1])
    return facts
