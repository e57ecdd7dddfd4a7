"""The pixel sight: what a pixel may see of an image, and what each model does see.

    may see    the pixels before it in raster order: the rows above, and the own row to the left
    sees       |d logits of the pixel / d other pixel| is not 0
    blind to   may be seen, but is exactly 0
    leak       may not be seen, and is not 0

H height, W width; a sight is (H, W, H, W): first the pixel that looks, then the one looked at.
"""

from collections.abc import Mapping
from numbers import Integral
from typing import NamedTuple

import numpy as np
import traitlets
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from lecture_utils.visual.style import COLOURS, HATCH, LATER, MAGNITUDE, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, bundle, counted, numbers, pack, unpack

MOST_MODELS = 4
LARGEST = 16
DECADES = 6
"""Strengths are told apart from the pixel's strongest down to a millionth of it."""
FAINTEST = 0.12
"""Where on the scale of colours the weakest begins: it must not look like nothing."""
BLIND, ALARM = COLOURS["cell"], COLOURS["output"]


class Count(NamedTuple):
    """Of the pixels that one pixel may see: how many it sees, and is blind to. leaks: others."""

    may_see: int
    sees: int
    blind: int
    leaks: int


class PixelSight(LectureWidget):
    """Choose a pixel and compare what up to four models let it see.

    sights: name -> number of layers -> (H, W, H, W) sizes of the derivatives, 0 where nothing is
    seen; H and W up to 16. may_see (H, W, H, W) truths: the raster order unless given. depth: the
    number of layers shown first, of those given; the largest unless given. A model that was not
    measured at a depth is shown at the next smaller one, or else at its smallest.

    `row`, `column` (of the pixel that looks) and `depth` are shared with the browser. Each row of a
    sight is relative to its largest value, and sent in bytes: within 3 % down to a millionth.
    """

    _esm, _css = bundle("pixel_sight")

    models = traitlets.List(traitlets.Dict()).tag(sync=True)
    may_see = traitlets.Dict().tag(sync=True)
    size = traitlets.List(traitlets.Int()).tag(sync=True)
    depth = traitlets.Int().tag(sync=True)
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)

    def __init__(self, sights, *, may_see=None, depth=None, row=None, column=None):
        sights, (H, W) = _checked_sights(sights)
        may_see = np.tri(H * W, k=-1) if may_see is None else _checked_may_see(may_see, H, W)
        depths = sorted({depth for by_depth in sights.values() for depth in by_depth})
        if depth is not None and depth not in depths:
            raise ValueError(f"depth is {depth!r}: choose one that was measured, "
                             f"{', '.join(map(str, depths))}")
        models = [{"name": name, "depths": sorted(by_depth),
                   "codes": [pack(_coded(by_depth[one]), "uint8") for one in sorted(by_depth)]}
                  for name, by_depth in sights.items()]
        super().__init__(
            models=models, may_see=pack(may_see, "uint8"), size=[H, W],
            depth=int(depths[-1] if depth is None else depth),
            row=checks.whole_number("row", 2 * H // 3 if row is None else row, 0, H - 1),
            column=checks.whole_number("column", W // 3 if column is None else column, 0, W - 1),
        )

    def __repr__(self):
        H, W = self.size
        return (f"PixelSight({', '.join(model['name'] for model in self.models)}; {H} x {W}, "
                f"pixel ({self.row}, {self.column}), depth {self.depth})")

    @traitlets.validate("row", "column")
    def _place_fits(self, proposal):
        length = self.size[proposal["trait"].name == "column"]
        return min(max(proposal["value"], 0), length - 1)

    @traitlets.validate("depth")
    def _depth_fits(self, proposal):
        depths = [depth for model in self.models for depth in model["depths"]]
        return min(max(proposal["value"], min(depths)), max(depths))

    def _shown(self, name: str) -> tuple[int, np.ndarray]:
        """The depth at which a model is shown, and the codes (H, W) of the pixel that looks."""
        model = next((one for one in self.models if one["name"] == name), None)
        if model is None:
            names = ", ".join(repr(one["name"]) for one in self.models)
            raise ValueError(f"no model is called {name!r}: use one of {names}")
        place = max(sum(depth <= self.depth for depth in model["depths"]) - 1, 0)
        return model["depths"][place], self._row_of(model["codes"][place])

    def _row_of(self, packed: dict) -> np.ndarray:
        H, W = self.size
        return unpack(packed)[self.row * W + self.column].reshape(H, W)

    def count(self, name: str) -> Count:
        """How much of what the pixel may see a model sees, at the depth shown."""
        sees, may = self._shown(name)[1] > 0, self._row_of(self.may_see) > 0
        return Count(*(int(x.sum()) for x in (may, may & sees, may & ~sees, ~may & sees)))

    def poster(self):
        H, W = self.size
        n = len(self.models)
        side, gap = (1.75 if n == 4 else 2.3), 0.25
        wide, tall = max(n * (side + gap) + gap, 5.4), side * H / W + 1.5
        left = (wide - n * (side + gap) + gap) / 2
        figure, axes = picture(wide, tall, columns=n + 1)
        figure.set_layout_engine("none")

        def write(x, y, text, **style):
            figure.text(x / wide, y / tall, text, parse_math=False, **style)

        for k, (ax, model) in enumerate(zip(axes, self.models)):
            x, name = left + k * (side + gap), model["name"]
            ax.set_position([x / wide, 0.95 / tall, side / wide, side * H / W / tall])
            depth, codes = self._shown(name)
            _draw(ax, codes, self._row_of(self.may_see) > 0, (self.row, self.column))
            write(x, tall - 0.22, name, fontsize=11, fontweight="bold")
            write(x, tall - 0.43, counted(depth, "layer"), fontsize=8.5, color="#5a6570")
            count = self.count(name)
            write(x, 0.74, f"sees {count.sees} of {count.may_see}, blind to {count.blind}",
                  fontsize=9)
            if count.leaks:
                leaks = f"leak: sees {count.leaks} that it must not"
                write(x, 0.57, leaks, fontsize=9, color=ALARM)
        bar, start = axes[-1], wide / 2 - 2.5
        bar.set_position([(start + 0.35) / wide, 0.25 / tall, 1.2 / wide, 0.12 / tall])
        bar.imshow(MAGNITUDE(np.linspace(FAINTEST, 1, 256))[None], aspect="auto")
        bar.axis("off")
        for x, anchor, end in ((start + 0.3, "right", f"10$^{{-{DECADES}}}$"),
                               (start + 1.6, "left", "1: strongest")):
            figure.text(x / wide, 0.31 / tall, end, ha=anchor, va="center", fontsize=8.5)
        for x, face, hatch, edge, text in ((2.6, BLIND, "xxxxx", "black", "blind"),
                                           (3.3, LATER, "/////", HATCH, "later"),
                                           (4.0, "white", "", "black", "the pixel")):
            figure.add_artist(Rectangle(((start + x) / wide, 0.24 / tall), 0.16 / wide, 0.14 / tall,
                                        fc=face, ec=edge, hatch=hatch, lw=0 if hatch else 1.5))
            write(start + x + 0.24, 0.31, text, va="center", fontsize=8.5)
        told = " ".join(self._in_words(model["name"]) for model in self.models)
        return described(figure, f"What pixel ({self.row}, {self.column}) of an image of {H} x {W} "
                         f"sees of the pixels before it, row and column counted from 0. {told}")

    def _in_words(self, name: str) -> str:
        count, depth = self.count(name), self._shown(name)[0]
        leaks = f", leaks from {count.leaks} that it must not see" if count.leaks else ""
        return (f"{name}, {counted(depth, 'layer')}: sees {count.sees} of {count.may_see}, blind "
                f"to {count.blind}{leaks}.")


def _draw(ax, codes: np.ndarray, may: np.ndarray, place: tuple[int, int]) -> None:
    """One grid as in the browser: colours, hatching behind, crosses and exclamation marks."""
    H, W = codes.shape
    colours = MAGNITUDE(FAINTEST + (1 - FAINTEST) * (codes - 1) / 254)
    colours[may & (codes == 0)] = to_rgba(BLIND)
    colours[~may & (codes > 0)] = to_rgba(ALARM)
    colours[~may & (codes == 0)] = 0  # transparent
    if not may[place] and codes[place] == 0:
        colours[place] = to_rgba("white")
    ax.patch.set(facecolor=LATER, edgecolor=HATCH, hatch="/////", linewidth=0)
    ax.imshow(colours, extent=(0, W, H, 0), aspect="auto", interpolation="nearest")
    lines = {"colors": "white", "linewidths": 1}
    ax.hlines(range(H + 1), 0, W, **lines)
    ax.vlines(range(W + 1), 0, H, **lines)
    inches = ax.get_position().width * ax.figure.get_figwidth() / W
    for marker, where, ink in (("x", may & (codes == 0), "black"),
                               ("$!$", ~may & (codes > 0), "white")):
        y, x = np.nonzero(where)
        ax.plot(x + 0.5, y + 0.5, ls="none", marker=marker, ms=0.36 * 72 * inches, mew=0.9,
                color=ink)
    row, column = place
    ax.add_patch(Rectangle((column, row), 1, 1, fill=False, ec=COLOURS["target"], lw=2.2,
                           clip_on=False, zorder=4))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


# ---- what is sent, and checked ------------------------------------------------------------------


def _coded(sight: np.ndarray) -> np.ndarray:
    """(H, W, H, W) -> (HW, HW) in 0 to 255: 0 for exactly 0, 255 for the strongest of a row, and
    254 / DECADES less for each tenth of it."""
    H, W = sight.shape[:2]
    sight = sight.reshape(H * W, H * W)
    strongest = sight.max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        codes = np.rint(255 + 254 / DECADES * np.log10(sight / strongest)).clip(1, 255)
    return np.where(sight == 0, 0, codes)


def _checked_sights(sights) -> tuple[dict[str, dict[int, np.ndarray]], tuple[int, int]]:
    checks.mapping("sights", sights, "name -> number of layers -> (H, W, H, W)")
    if not 1 <= len(sights) <= MOST_MODELS:
        raise ValueError(f"sights has {len(sights)} models: give 1 to {MOST_MODELS}")
    size, checked = None, {}
    for name, by_depth in sights.items():
        checks.label(name, "a model", 32)
        if not isinstance(by_depth, Mapping) or not by_depth:
            raise ValueError(f"sights[{name!r}] is not a dict with entries: give number of layers "
                             "-> (H, W, H, W), as {2: array}")
        checked[name] = {}
        for depth, sight in by_depth.items():
            here = f"sights[{name!r}][{depth!r}]"
            if not isinstance(depth, Integral) or depth < 1:
                raise ValueError(f"{here}: a number of layers is a whole number from 1")
            sight = numbers(here, sight)
            size = _checked_size(here, sight) if size is None else size
            if sight.shape != size * 2:
                raise ValueError(f"{here} has shape {sight.shape}, the first one {size * 2}: "
                                 "measure all on images of one size")
            checks.refuse(here, sight, ~(np.isfinite(sight) & (sight >= 0)),
                          "pass the sizes of derivatives, finite and not below 0")
            checked[name][int(depth)] = sight
    return checked, size


def _checked_size(here: str, sight: np.ndarray) -> tuple[int, int]:
    if sight.ndim != 4 or sight.shape[:2] != sight.shape[2:]:
        raise ValueError(f"{here} has shape {sight.shape}: it must be (H, W, H, W); of (H W, H W) "
                         "make it by .reshape(H, W, H, W)")
    H, W = sight.shape[:2]
    if not (2 <= H <= LARGEST and 2 <= W <= LARGEST):
        raise ValueError(f"{here} is of images of {H} x {W}: the widget shows 2 to {LARGEST} rows "
                         "and columns, so crop them")
    return H, W


def _checked_may_see(may_see, H: int, W: int) -> np.ndarray:
    may_see = numbers("may_see", may_see)
    checks.shape("may_see", may_see, (H, W, H, W), f"{(H, W, H, W)}, as the sights are")
    checks.refuse("may_see", may_see, ~np.isin(may_see, (0, 1)), "give truths, or 0 and 1")
    if not may_see.any():
        raise ValueError("may_see is 0 everywhere: then there is nothing to see")
    return may_see.reshape(H * W, H * W)
