"""The caption stepper: a caption word by word, and the tree of beam search.

    p(w_t | before)                  next_words(k, (w_1, ..., w_{t-1})), (V,)
    greedy       w_t = argmax p(. | before), until END
    log p(w)     = sum_t log p(w_t | before)

The reader says another word than the likeliest and sees how the caption goes on from there; or
changes the width of the beam and sees which captions were kept, dropped and found.
Codes 0, 1, 2, 3 are PAD, START, END, UNK. V words in the vocabulary; k is the number of an image.
"""

import base64
import io
import math
from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np
import traitlets
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from PIL import Image

from lecture_utils.visual.style import COLOURS, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, attempt, bundle, counted, numbers

SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")
PAD, START, END, UNK = range(4)
FATES = ("kept", "finished", "unfinished", "beaten", "dropped")
MOST_IMAGES = 12
MOST_WORDS = 20_000
WIDEST = 5
LONGEST = 20
"""Words of a caption, END among them; one that has not ended by then is cut off."""
LIKELIEST = 5
LARGEST_SIDE = 448
"""Pixels; an image with a longer side is sent smaller, it is only looked at."""
ROUNDING = 1e-3
QUIET, LINE = "#5a6570", "#97a3ad"


class CaptionStepper(LectureWidget):
    """Step through captions word by word, say other words, and look into beam search.

    images: 1 to 12 of (H, W, 3), uint8. words: the vocabulary by code, the special four first.
    tree_of: (k, width) -> the nodes of beam search on image k, as `beam_trees` of models/decoding
    gives them: attributes parent, depth, word, log_p, total, score, fate; parents before children,
    the better before the worse. next_words: (k, codes said after START) -> (V,) probabilities of
    the next word; what may not be said has 0. judge: (k, words) -> pairs (what the caption says,
    True, False or None), None for what cannot be told. width: of the beam, 1 to 5.
    What these functions raise is shown in the widget.

    Shared with the browser: `chosen` (the image), `prefix` (codes that are said whatever the model
    thinks; after them it is greedy), `step` (the word that is looked at, from 1), `beam` (is the
    tree shown?) and `width`. Any change of `chosen`, `prefix` or `width` asks the functions, once
    for each value; `answers` holds what they said.
    """

    _esm, _css = bundle("caption_stepper")

    images = traitlets.List(traitlets.Unicode()).tag(sync=True)
    pixels = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    """(width, height) of each image."""
    words = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    prefix = traitlets.List(traitlets.Int()).tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)
    beam = traitlets.Bool(False).tag(sync=True)
    width = traitlets.Int(3).tag(sync=True)
    answers = traitlets.Dict().tag(sync=True)
    """{"count", "captions": {"k:codes": …}, "trees": {"k:width": …}}, each an answer or {"error"}.
    A new one need not hold the old ones: the browser keeps what it was told."""

    def __init__(self, images, words, tree_of, next_words, judge=None, title="", width=3):
        images = _checked_images(images)
        words = _checked_words(words)
        for name, function in (("tree_of", tree_of), ("next_words", next_words)):
            if not callable(function):
                raise ValueError(f"{name} is {function!r}: give a function")
        checks.function("judge", judge)
        if not isinstance(title, str) or len(title) > 120:
            raise ValueError(f"title is {title!r}: give a text of at most 120 characters")
        width = checks.whole_number("width", width, 1, WIDEST)
        self._pictures = images
        self._tree_of, self._next_words, self._judge = tree_of, next_words, judge
        self._known, self._count = {}, 0
        super().__init__(
            images=[_data_url(image) for image in images],
            pixels=[[image.shape[1], image.shape[0]] for image in images],
            words=words, title=title, width=width,
        )
        self._answer()

    def __repr__(self):
        caption = self._caption()
        said = caption.get("error") or " ".join(self._in_words(caption["said"]))
        return (f"CaptionStepper({counted(len(self.images), 'image')}, {len(self.words)} words; "
                f"image {self.chosen}: {said!r}, width {self.width})")

    # ---- what the browser may change -------------------------------------------------------------

    @traitlets.validate("chosen")
    def _chosen_fits(self, proposal):
        return min(max(proposal["value"], 0), len(self.images) - 1)

    @traitlets.validate("step")
    def _step_fits(self, proposal):
        return min(max(proposal["value"], 1), LONGEST)

    @traitlets.validate("width")
    def _width_fits(self, proposal):
        return min(max(proposal["value"], 1), WIDEST)

    @traitlets.observe("chosen", "prefix", "width")
    def _answer(self, _=None):
        self._count += 1  # so that an answer that is the same once more arrives, too
        self.answers = self._answers([self.chosen], [self.width])

    def _answers(self, images, widths) -> dict:
        """Greedy captions and trees of these images, and the caption shown now."""
        captions = {f"{k}:": self._caption(k, ()) for k in images}
        captions[f"{self.chosen}:{','.join(map(str, self.prefix))}"] = self._caption()
        trees = {f"{k}:{width}": self._tree(k, width) for k in images for width in widths}
        return {"count": self._count, "captions": captions, "trees": trees}

    def _shared_state(self):
        """A page without kernel can ask nobody: it takes along all images and all widths."""
        everything = self._answers(range(len(self.images)), range(1, WIDEST + 1))
        return super()._shared_state() | {"answers": everything}

    # ---- asking the functions --------------------------------------------------------------------

    def _asked(self, key: tuple, make: Callable[[], dict]) -> dict:
        """What `make` returns, from memory if it was asked before; errors are not remembered."""
        if key not in self._known:
            answer = attempt(make)
            if "error" in answer:
                return answer
            self._known[key] = answer
        return self._known[key]

    def _caption(self, k: int | None = None, prefix: Sequence[int] | None = None) -> dict:
        """"said" codes, their "p", and for each the likeliest "codes" and their "shares"."""
        k = self.chosen if k is None else k
        prefix = tuple(self.prefix if prefix is None else prefix)
        return self._asked(("caption", k, prefix), lambda: self._spoken(k, prefix))

    def _spoken(self, k, prefix):
        V = len(self.words)
        if len(prefix) > LONGEST or END in prefix[:-1] or not all(0 <= w < V for w in prefix):
            raise ValueError(f"prefix is {list(prefix)}: give up to {LONGEST} codes from 0 to "
                             f"{V - 1}, END ({END}) only as the last")
        said, steps = [], []
        while len(said) < LONGEST and (not said or said[-1] != END):
            p = self._distribution(k, tuple(said))
            order = np.argsort(-p, kind="stable")[:LIKELIEST].tolist()
            code = prefix[len(said)] if len(said) < len(prefix) else order[0]
            if p[code] == 0:
                raise ValueError(f"prefix says {self.words[code]!r} as word {len(said) + 1}: it "
                                 "has probability 0 there, say another word")
            codes = order if code in order else [*order, code]
            said.append(code)
            steps.append({"p": float(p[code]), "codes": codes, "shares": p[codes].tolist()})
        return {"said": said, "steps": steps, "judged": self._judged(k, said)}

    def _distribution(self, k, said) -> np.ndarray:
        key = ("next", k, said)
        if key not in self._known:
            name, V = f"what next_words returned for image {k} after {list(said)}", len(self.words)
            p = numbers(name, self._next_words(k, said))
            checks.shape(name, p, (V,), f"({V},), one probability for each of the words")
            if not ((p >= 0).all() and abs(p.sum() - 1) < ROUNDING):  # false for nan, too
                raise ValueError(f"{name} adds up to {p.sum():.4g}, its least is {p.min():.4g}: "
                                 "give probabilities, such as logits.softmax(-1)")
            self._known[key] = p
        return self._known[key]

    def _tree(self, k: int, width: int) -> dict:
        """The nodes as columns, the "ranked" hypotheses, best first, and what was "judged"."""
        return self._asked(("tree", k, width), lambda: self._searched(k, width))

    def _searched(self, k, width):
        nodes = list(self._tree_of(k, width))
        _check_tree(nodes, len(self.words))
        ends = [i for i, node in enumerate(nodes) if node.fate in ("finished", "unfinished")]
        ends.sort(key=lambda i: (nodes[i].fate == "unfinished", -nodes[i].score))
        columns = {
            "parent": [int(node.parent) for node in nodes],
            "word": [int(node.word) for node in nodes],
            "log_p": [float(node.log_p) for node in nodes],
            "score": [float(node.score) for node in nodes],
            "fate": [node.fate for node in nodes],
        }
        judged = {str(i): self._judged(k, _path(nodes, i)) for i in ends}
        return columns | {"ranked": ends, "judged": judged}

    def _judged(self, k, codes) -> dict:
        return attempt(lambda: {"facts": self._facts(k, codes)})

    def _facts(self, k, codes) -> list:
        if self._judge is None:
            return []
        facts = []
        for fact in self._judge(k, self._in_words(codes)):
            if not (isinstance(fact, Sequence) and len(fact) == 2 and isinstance(fact[0], str)):
                raise ValueError(f"judge returned {fact!r}: return pairs such as "
                                 "('a red heart', True)")
            text, verdict = fact
            if verdict is not None and not isinstance(verdict, bool | np.bool_):
                raise ValueError(f"judge says {verdict!r} of {text!r}: say True, False or None")
            facts.append([text, verdict if verdict is None else bool(verdict)])
        return facts

    def _in_words(self, codes) -> list[str]:
        return [self.words[code] for code in codes if code != END]

    def caption(self) -> list[str]:
        """The words of the caption shown now, without END; ValueError if there is none."""
        return self._in_words(self._found()["said"])

    def log_p(self) -> float:
        """log p of the caption shown now, in nats, END among its words; ValueError without one."""
        return sum(math.log(step["p"]) for step in self._found()["steps"])

    def _found(self) -> dict:
        caption = self._caption()
        if "error" in caption:
            raise ValueError(f"image {self.chosen} has no caption: {caption['error']}")
        return caption

    # ---- the still picture -----------------------------------------------------------------------

    def poster(self):
        caption, tree = self._caption(), self._tree(self.chosen, self.width)
        deep = len(_rows(tree)[0]) if "error" not in tree else 1
        wide = min(max(8.0, 0.62 * deep + 0.4), 10.4)
        low = 0.0 if "error" in tree else _poster_height(tree)
        tall = 3.3 + low
        figure, (photo, bars, search) = picture(wide, tall, rows=3)
        figure.set_layout_engine("none")
        for ax, left, top, width, height in (
            (photo, 0.25, 0.3, 2.5, 2.5),
            (bars, 3.15, 1.05, wide - 3.4, 1.3),
            (search, 0.2, 3.25, wide - 0.4, max(low, 0.1)),
        ):
            ax.set_position([left / wide, 1 - (top + height) / tall, width / wide, height / tall])

        def write(x, y, text, **style):
            figure.text(x / wide, 1 - y / tall, text, parse_math=False, **style)

        image = self._pictures[self.chosen]
        photo.imshow(image, interpolation="nearest" if max(image.shape) < 128 else "auto")
        photo.set_anchor("N")
        photo.axis("off")
        write(3.15, 0.45, self.title or "A caption word by word", fontsize=12, fontweight="bold")
        alt = f"An image, number {self.chosen + 1} of {len(self.images)}. "
        if "error" in caption:
            bars.axis("off")
            told = f"No caption: {caption['error']}"
            write(3.15, 0.75, _clipped(told, 84), fontsize=9, color=QUIET)
            alt += f"No caption: {caption['error']}. "
        else:
            text, told = " ".join(self.caption()), _probability_in_words(self.log_p())
            write(3.15, 0.68, f"\u201c{_clipped(text, int(14 * (wide - 3.4)))}\u201d", fontsize=9.5)
            write(3.15, 0.88, told, fontsize=8.5, color=QUIET)
            self._draw_steps(bars, caption)
            chain = ", ".join(f"{self._label(code)} {step['p']:.2f}"
                              for code, step in zip(caption["said"], caption["steps"]))
            alt += (f"Its caption word by word: {text!r}. {told} Each word and its probability: "
                    f"{chain}. ")
        if "error" in tree:
            search.axis("off")
            write(0.25, 3.1, f"No tree: {_clipped(tree['error'], 100)}", fontsize=9, color=QUIET)
            alt += f"No tree: {tree['error']}."
        else:
            write(0.25, 3.1, f"Beam search, width {self.width}: log p on each word; orange the "
                  "caption found, grey what was dropped", fontsize=9, color=QUIET)
            self._draw_tree(search, tree, wide - 0.4, low)
            alt += f"Below it the tree of beam search of width {self.width}"
            if tree["ranked"]:
                best = _path_of(tree, tree["ranked"][0])
                alt += f"; it found {' '.join(self._in_words(best))!r}"
            alt += "."
        return described(figure, alt)

    def _label(self, code: int) -> str:
        return {START: "START", END: "end"}.get(code, self.words[code])

    def _draw_steps(self, ax, caption):
        """A bar for each word said; a black frame where another word was likelier."""
        said, steps = caption["said"], caption["steps"]
        shares = [step["p"] for step in steps]
        unlikely = [code != step["codes"][0] for code, step in zip(said, steps)]
        ax.bar(range(len(said)), shares, 0.7, color=COLOURS["output"], lw=1.8,
               edgecolor=[COLOURS["target"] if other else "none" for other in unlikely])
        for t, share in enumerate(shares):
            ax.text(t, share + 0.03, f"{share:.2f}", ha="center", fontsize=7)
        ax.set(xlim=(-0.7, max(len(said), 6) - 0.3), ylim=(0, 1.15), yticks=[0, 0.5, 1])
        labels = [_clipped(self._label(code), 14) for code in said]
        ax.set_xticks(range(len(said)), labels, rotation=35, ha="right", rotation_mode="anchor")
        ax.tick_params(length=0, labelsize=8)
        ax.spines["left"].set_visible(False)

    def _draw_tree(self, ax, tree, wide, tall):
        columns, place = _rows(tree)
        pitch = min(wide / len(columns), 1.05)
        box = pitch - 0.2
        longest = max(len(self._label(code)) for code in tree["word"])
        size = min(8.0, max(6.2, 72 * box / (0.62 * longest)))
        room = int(72 * box / (0.68 * size))  # so many characters
        winner = set(_ancestors(tree, tree["ranked"][0])) if tree["ranked"] else set()
        for i, (depth, y) in place.items():
            dropped, won = tree["fate"][i] == "dropped", i in winner
            ink = COLOURS["output"] if won else "#D3DAE0" if dropped else LINE
            left = depth * pitch
            ax.text(left + box / 2, y - (0.055 if i and not dropped else 0),
                    _clipped(self._label(tree["word"][i]), room), parse_math=False, ha="center",
                    va="center", fontsize=size - 0.5 * dropped, zorder=3,
                    color="#7b8690" if dropped else "black", fontweight="bold" if won else None)
            if not dropped:
                if i:
                    ax.text(left + box / 2, y + 0.08, _signed(tree["log_p"][i]), ha="center",
                            va="center", fontsize=size - 0.8, color=QUIET, zorder=3)
                ended = tree["word"][i] == END
                ax.add_patch(FancyBboxPatch(
                    (left, y - 0.14), box, 0.29, boxstyle="round,pad=0,rounding_size=0.05",
                    fc=COLOURS["soft"] if ended else "white", ec=ink, lw=1.6 if won else 0.8))
            parent = tree["parent"][i]
            if parent in place:
                start = (place[parent][0] * pitch + box, place[parent][1])
                middle = (start[0] + left) / 2
                curve = Path([start, (middle, start[1]), (middle, y), (left, y)],
                             [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
                ax.add_patch(PathPatch(curve, fc="none", ec=ink, zorder=2 if won else 1,
                                       lw=1.8 if won else 0.5 if dropped else 0.9))
        ax.set(xlim=(-0.05, wide), ylim=(tall, 0))
        ax.axis("off")


# ---- the tree -----------------------------------------------------------------------------------


def _check_tree(nodes: list, V: int) -> None:
    if not nodes:
        raise ValueError("tree_of returned no nodes: the first is START, with parent -1")
    for i, node in enumerate(nodes):
        here = f"what tree_of returned, node {i}"
        try:
            parent, word, fate = node.parent, node.word, node.fate
            sums = {name: float(getattr(node, name)) for name in ("log_p", "total", "score")}
            depth = node.depth
        except AttributeError as error:
            raise ValueError(f"{here}: {error}; give nodes as models.decoding.beam_trees returns "
                             "them, for one image") from error
        if not (parent == -1 if i == 0 else isinstance(parent, Integral) and 0 <= parent < i):
            raise ValueError(f"{here} has parent {parent!r}: START, the first, has -1, all others "
                             "the place of a node before them")
        if fate not in FATES:
            raise ValueError(f"{here} has fate {fate!r}: it is one of {', '.join(FATES)}")
        if not isinstance(word, Integral) or not 0 <= word < V:
            raise ValueError(f"{here} has word {word!r}: give a code from 0 to {V - 1}")
        if not all(map(math.isfinite, sums.values())):
            raise ValueError(f"{here} has {sums}: give finite numbers; what is never said is no "
                             "candidate")
        total, deeper = (nodes[parent].total, nodes[parent].depth + 1) if i else (0.0, 0)
        expected = total + sums["log_p"]
        if abs(sums["total"] - expected) > ROUNDING or depth != deeper:
            raise ValueError(f"{here} has depth {depth} and total {sums['total']:.6g}: with its "
                             f"parent's and its own log_p the total is {expected:.6g}, and a child "
                             "is one deeper than its parent")


def _path(nodes: list, i: int) -> list[int]:
    """The codes from the first word to node i."""
    codes = []
    while i > 0:
        codes.insert(0, int(nodes[i].word))
        i = nodes[i].parent
    return codes


def _ancestors(tree: dict, i: int) -> list[int]:
    """The places from START to i, both among them."""
    places = [i]
    while places[0] > 0:
        places.insert(0, tree["parent"][places[0]])
    return places


def _path_of(tree: dict, i: int) -> list[int]:
    return [tree["word"][place] for place in _ancestors(tree, i)[1:]]


POSTER_ROW, POSTER_DROPPED, POSTER_MOST_DROPPED = 0.4, 0.17, 3


def _rows(tree: dict) -> tuple[list[list[int]], dict[int, tuple[int, float]]]:
    """The places by depth, and of each that is drawn its depth and height, in inches from the top.

    The kept stand above, the better higher; under all of them the best of the dropped.
    """
    columns = []
    for i in range(len(tree["word"])):
        depth = len(_ancestors(tree, i)) - 1
        columns += [[]] if depth == len(columns) else []
        columns[depth].append(i)
    is_kept = [fate != "dropped" for fate in tree["fate"]]
    lowest = max(sum(is_kept[i] for i in column) for column in columns) * POSTER_ROW
    place = {}
    for depth, column in enumerate(columns):
        kept = [i for i in column if is_kept[i]]
        place |= {i: (depth, (row + 0.45) * POSTER_ROW) for row, i in enumerate(kept)}
        dropped = [i for i in column if not is_kept[i]]
        dropped = sorted(dropped, key=lambda i: -tree["score"][i])[:POSTER_MOST_DROPPED]
        place |= {i: (depth, lowest + (row + 0.6) * POSTER_DROPPED)
                  for row, i in enumerate(dropped)}
    return columns, place


def _poster_height(tree: dict) -> float:
    return max(y for _, y in _rows(tree)[1].values()) + 0.25


# ---- probabilities in plain words ---------------------------------------------------------------


def _probability_in_words(log_p: float) -> str:
    """This caption has probability 0.012: one in 83."""
    return f"This caption has probability {_two_digits(log_p)}: {_odds(log_p)}."


def _two_digits(log_p: float) -> str:
    """exp(log_p): 0.31, 0.0012, 1.2 × 10⁻⁷."""
    if log_p < -690:  # no float64 any more
        return f"10{_raised(round(log_p / math.log(10)))}"
    p = math.exp(log_p)
    if p < 1e-4:
        digits, exponent = f"{p:.1e}".split("e")
        return f"{digits} × 10{_raised(int(exponent))}"
    return f"{p:#.2g}"


def _odds(log_p: float) -> str:
    """one in 83."""
    if log_p < -math.log(999.5e6):
        return f"one in 10{_raised(round(-log_p / math.log(10)))}"
    n = math.exp(-log_p)
    if n < 1.05:
        return "as good as certain"
    if n < 9.95:
        return f"one in {n:.1f}"
    if n >= 999_500:
        return f"one in {float(f'{n / 1e6:.3g}'):g} million"
    return f"one in {math.floor(float(f'{n:.3g}') + 0.5):,}"


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _signed(value: float) -> str:
    """−0.31, and 0.00 without a sign."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "\u2212")


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest - 1].rstrip()}…"


# ---- arguments ----------------------------------------------------------------------------------


def _checked_images(images) -> list[np.ndarray]:
    try:
        images = list(images)
    except TypeError as error:
        kind = type(images).__name__
        raise ValueError(f"images is a {kind}: give a sequence of images") from error
    if not 1 <= len(images) <= MOST_IMAGES:
        raise ValueError(f"images holds {len(images)} images: give 1 to {MOST_IMAGES}")
    return [_checked_image(f"images[{k}]", image) for k, image in enumerate(images)]


def _checked_image(name: str, image) -> np.ndarray:
    if hasattr(image, "detach"):  # a tensor
        image = image.detach().cpu().numpy()
    image = np.array(image)  # a copy: the notebook may go on painting in its own
    remedy = "(H, W, 3)"
    if image.ndim == 3 and image.shape[0] == 3:
        remedy += "; colours come last here: x.transpose(1, 2, 0), of a tensor x.permute(1, 2, 0)"
    if not image.size:
        raise ValueError(f"{name} has shape {image.shape}: it has no pixels")
    checks.shape(name, image, (None, None, 3), remedy)
    if image.dtype != np.uint8:
        raise ValueError(f"{name} is of {image.dtype}: give uint8, 0 to 255, such as "
                         "(255 * x).round().astype('uint8') for x from 0 to 1")
    return image


def _checked_words(words) -> list[str]:
    if isinstance(words, str) or not isinstance(words, Sequence):
        raise ValueError(f"words is a {type(words).__name__}: give a list of words, by code")
    words = list(words)
    if tuple(words[:4]) != SPECIAL:
        raise ValueError(f"words begins with {words[:4]}: codes 0 to 3 are {', '.join(SPECIAL)}")
    if not 4 < len(words) <= MOST_WORDS:
        raise ValueError(f"words has {len(words)} entries: give 5 to {MOST_WORDS:,}")
    for word in words:
        checks.label(word, "a word", 40)
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise ValueError(f"words holds {twice!r} more than once: give each word one code")
    return words


def _data_url(image: np.ndarray) -> str:
    """The image as a PNG that a page can show without asking anybody."""
    picture = Image.fromarray(image)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
