"""Figures of lesson 07: images, masks, what a pixel sees, and what the models cost and know.

Images are integers (N, C, H, W), levels 0..K-1, as arrays or tensors; C is 1 (0 is paper, K-1 ink)
or 3 (red, green, blue). Tables are lists of rows, dicts as in the experiment `pixel_models`.
"""

import math

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator
from torch import Tensor

from lecture_utils.visual.style import (
    COLOURS,
    HATCH,
    LATER,
    SERIES,
    Picture,
    described,
    picture,
    shades,
)
from lecture_utils.visual.widgets.pixel_film import PAPER_TO_INK

GREY = "#555555"
FRAME = to_rgb("#C3CBD2")
RGB = ("R", "G", "B")
Array = np.ndarray | Tensor


# Images ------------------------------------------------------------------------------------------

SIDE, LARGE, GAP = 0.82, 1.5, 0.08  # of a small image, a larger one, and between two, in inches


def gallery(rows: dict[str, Array], levels: int) -> Picture:
    """A row of images for each name, drawn above real; with more rows, numbers of the columns."""
    shown = {name: _pixels(images, levels, name) for name, images in rows.items()}
    longest = max(map(len, shown.values()))
    above, side = 0.2 if len(rows) > 1 else 0.05, _side(max(len(one[0]) for one in shown.values()))
    page = _Page(longest, len(rows), labels=rows, above=above, largest=side)
    for row, (name, images) in enumerate(shown.items()):
        page.label(row, name)
        for column, image in enumerate(images):
            page.paste(image, column, row)
    for column in range(longest * (len(rows) > 1)):
        page.write(column + 0.5, -0.1 / page.pitch, column + 1, fontsize=8, color=GREY)
    H, W = image.shape[:2]
    names = [" ".join(name.split()) for name in rows]
    counts = ", ".join(f"{len(images)} {name}" for images, name in zip(shown.values(), names))
    return described(
        page.figure, f"Images of {H} by {W} pixels, {levels} levels, a row for each kind: {counts}."
    )


def neighbours(samples: Array, nearest: Array, distances: Array, levels: int) -> Picture:
    """Above what a model drew, below the training image nearest to each, and how far it is."""
    above, below = _pixels(samples, levels, "samples"), _pixels(nearest, levels, "nearest")
    if not len(above) == len(below) == len(distances):
        raise ValueError(
            f"{len(above)} samples, {len(below)} nearest ones and {len(distances)} distances: give "
            "one of each for every sample"
        )
    distances = np.asarray(distances)
    labels = "drawn", "nearest in\ntraining", "distance,\nin levels"
    page = _Page(len(above), 2, labels, below=0.45)
    for row, label in enumerate(labels[:2]):
        page.label(row, label)
    page.label(1.62, labels[2], fontsize=8)
    for column, (one, other, distance) in enumerate(zip(above, below, distances)):
        page.paste(one, column, 0)
        page.paste(other, column, 1)
        page.write(column + 0.5, 2.12, f"{distance:.1f}", fontsize=9)
    return described(
        page.figure,
        f"{len(above)} images that were drawn, above the training image nearest to each; distances "
        f"{distances.min():.1f} to {distances.max():.1f} levels, mean {distances.mean():.1f}.",
    )


def completions(real: Array, completed: Array, rows_given: int, levels: int) -> Picture:
    """For each image its upper rows, what they were completed to, and the image itself.

    real (N, C, H, W); completed (N, S, C, H, W), S for each. rows_given: of each image.
    """
    whole, completed = _pixels(real, levels, "real"), np.asarray(completed)
    N, H, W, _ = whole.shape
    if completed.ndim != 5 or len(completed) != N:
        raise ValueError(
            f"completed has shape {completed.shape}: expected ({N}, S, C, {H}, {W}), S completions "
            "for each real image"
        )
    if not 0 < rows_given < H:
        raise ValueError(f"rows_given is {rows_given}: it has to lie between 0 and {H}")
    S, share = completed.shape[1], rows_given / H
    page = _Page(S + 2.4, N, above=0.25, largest=_side(H))
    for row, (one, several) in enumerate(zip(whole, completed)):
        page.paste(one, 0, row)
        page.box(0, row + share, 1, 1 - share, fc=LATER, ec=HATCH, lw=0, hatch="//////")
        for column, image in enumerate(_pixels(several, levels, "completed")):
            page.paste(image, 1.2 + column, row)
            page.box(1.2 + column, row, 1, share, fill=False, ec=COLOURS["output"], lw=1.6)
        page.paste(one, S + 1.4, row)
    for x, title in ((0.5, "given"), (1.2 + S / 2, "completed by the model"), (S + 1.9, "real")):
        page.write(x, -0.12, title, fontsize=9)
    return described(
        page.figure,
        f"{N} images of which the upper {rows_given} of {H} rows are given, {S} completions of "
        "each, and the real image.",
    )


def _pixels(images, levels, name):
    """(N, C, H, W) levels -> (N, H, W, 3) red, green, blue from 0 to 1."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"{name} has shape {images.shape}: give images (N, C, H, W) with 1 or 3 channels"
        )
    if images.min() < 0 or images.max() >= levels:
        raise ValueError(
            f"{name} holds levels from {images.min()} to {images.max()}: expected 0 to {levels - 1}"
        )
    shares = np.moveaxis(images, 1, -1) / (levels - 1)
    return shares if images.shape[1] == 3 else PAPER_TO_INK(shares[..., 0])[..., :3]


def _side(height):
    """How large an image of so many rows of pixels may be drawn, in inches."""
    return SIDE if height <= 16 else LARGE


class _Page:
    """Room for columns x rows of square images. Places are counted in images, from the upper left.

    labels: those that stand left of the rows. above, below: inches of free space.
    """

    def __init__(self, columns, rows, labels=(), above=0.05, below=0.05, largest=SIDE):
        letters = max((len(line) for label in labels for line in label.split("\n")), default=0)
        left = 0.085 * letters + 0.15 if labels else 0.05
        side = min(largest, (9.3 - left) / columns - GAP, (4.9 - above - below) / rows - GAP)
        self.pitch, self.inner = side + GAP, side / (side + GAP)
        width = max(left + columns * self.pitch, 3.2)
        height = max(above + rows * self.pitch + below, 1.6)
        self.figure, self.ax = picture(width, height)
        self.figure.set_layout_engine("none")
        self.ax.set_position([0, 0, 1, 1])
        self.ax.axis("off")
        self.limits = (
            (-left / self.pitch, width / self.pitch - left / self.pitch),
            ((height - above) / self.pitch, -above / self.pitch),
        )
        self._keep()

    def _keep(self):
        """imshow changes both."""
        self.ax.set(xlim=self.limits[0], ylim=self.limits[1], aspect="auto")

    def paste(self, image, column, row):
        """An image (H, W, 3)."""
        extent = column, column + self.inner, row + self.inner, row
        self.ax.imshow(image, extent=extent, interpolation="nearest")
        self.box(column, row, 1, 1, fill=False, ec=FRAME, lw=1)
        self._keep()

    def box(self, column, row, width, height, **style):
        """A part of an image, from the upper left of its place; 1 is a whole image."""
        row = math.floor(row) + self.inner * (row % 1)
        size = self.inner * width, self.inner * height
        self.ax.add_patch(Rectangle((column, row), *size, **style))

    def label(self, row, text, fontsize=10):
        self.ax.text(-0.08, row + self.inner / 2, text, ha="right", va="center", fontsize=fontsize)

    def write(self, column, row, text, **style):
        """Text with its middle at a place."""
        middle = math.floor(column) + self.inner * (column % 1)
        self.ax.text(middle, row, text, ha="center", va="center", **style)


# Who may see whom, and who does ------------------------------------------------------------------


def skewing(image: Array, skewed: Array) -> Picture:
    """An image of numbers that are all different, not 0, and the same skewed, 0 where it is empty.

    Colours are the diagonals i + j of the image, in both. Arrows: what one pixel reads.
    """
    image, skewed = np.asarray(image), np.asarray(skewed)
    H, W = image.shape
    places = {value: place for place, value in np.ndenumerate(image)}
    if len(places) < image.size or 0 in places or H < 2 or W < 2:
        raise ValueError(
            f"the image {image.tolist()} cannot be followed: give at least 2 x 2 numbers, all "
            "different and none of them 0"
        )
    colours = shades("hidden")
    figure, (before, after) = picture(
        8.2, 0.42 * H + 1.0, columns=2, width_ratios=[W, skewed.shape[1]]
    )
    reader = image[H // 2, W // 2]
    reads = image[H // 2 - 1, W // 2], image[H // 2, W // 2 - 1]
    for ax, values, title in ((before, image, "the image"), (after, skewed, "skewed")):
        found = {value: place for place, value in np.ndenumerate(values) if value}
        for (i, j), value in np.ndenumerate(values):
            known = value in places
            strength = 0.1 + 0.9 * sum(places[value]) / (H + W - 2) if known else 0
            colour = colours(strength) if known else "white"
            ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fc=colour, ec="white" if known else
                                   "#DDDDDD", lw=1.5, ls="-" if known else ":"))  # fmt: skip
            if known:
                ax.text(j, i, f"{value:g}", ha="center", va="center", fontsize=9,
                        color="white" if strength > 0.9 else "black")  # fmt: skip
        for value in reads:
            (i, j), (k, m) = found[value], found[reader]
            style = {"arrowstyle": "-|>", "color": COLOURS["output"], "lw": 2,
                     "shrinkA": 0, "shrinkB": 0}  # fmt: skip
            ax.annotate("", (m + 0.26 * (j - m), k + 0.26 * (i - k)),
                        (j + 0.2 * (m - j), i + 0.2 * (k - i)), arrowprops=style)  # fmt: skip
        ax.set(xlim=(-0.6, values.shape[1] - 0.4), ylim=(H - 0.4, -0.6), aspect="equal", yticks=[])
        ax.set_xticks([])
        ax.spines[:].set_visible(False)
        ax.set_title(title, fontsize=10)
    after.set_xticks(range(skewed.shape[1]), [f"t={t}" for t in range(skewed.shape[1])], fontsize=8)
    after.tick_params(length=0)
    columns = {found[value][1] for value in reads}
    same = f"both in column {columns.pop()}" if len(columns) == 1 else "in different columns"
    return described(
        figure,
        f"An image of {H} by {W}, each diagonal in a colour of its own, and the same skewed to {H} "
        f"by {skewed.shape[1]}: pixel {reader:g} reads {reads[0]:g} above and {reads[1]:g} to the "
        f"left, {same}; it is in column {found[reader][1]}.",
    )


def masks(kinds: dict[str, Array]) -> Picture:
    """Name -> mask, (k, k) of one channel or (3, 3, k, k) of three: to whom, from whom."""
    kinds = {name: np.asarray(mask) for name, mask in kinds.items()}
    for name, mask in kinds.items():
        if mask.shape[:-2] not in ((), (3, 3)) or mask.shape[-1] != mask.shape[-2]:
            raise ValueError(
                f"mask {name!r} has shape {mask.shape}: give (k, k) for one channel, (3, 3, k, k) "
                "for three"
            )
    widths = [1.9 if mask.ndim == 2 else 2.9 for mask in kinds.values()]
    figure, axes = picture(
        min(9.4, max(sum(widths), 3.2)), 2.2 if max(widths) < 2 else 3.0, columns=len(kinds),
        squeeze=False, width_ratios=widths,
    )  # fmt: skip
    said = []
    for ax, (name, mask) in zip(axes[0], kinds.items()):
        k = mask.shape[-1]
        blocks = mask[None, None] if mask.ndim == 2 else mask
        pitch = k + 0.6
        for (to, source), block in zip(np.ndindex(blocks.shape[:2]), blocks.reshape(-1, k, k)):
            for (i, j), keep in np.ndenumerate(block):
                _weight(ax, source * pitch + j, to * pitch + i, keep, k)
            ax.add_patch(Rectangle((source * pitch + k // 2 - 0.5, to * pitch + k // 2 - 0.5), 1, 1,
                                   fill=False, ec=COLOURS["target"], lw=2, zorder=3))  # fmt: skip
        end = pitch * len(blocks) - 0.6
        ax.set(xlim=(-0.7, end - 0.3), ylim=(end - 0.3, -0.7), xticks=[], yticks=[])
        ax.set_aspect("equal", anchor="N")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        ax.set_title(name, fontsize=10)
        if mask.ndim == 4:
            middles = np.arange(3) * pitch + (k - 1) / 2
            ax.set_xticks(middles, [f"from {c}" for c in RGB], fontsize=9)
            ax.set_yticks(middles, [f"to {c}" for c in RGB], fontsize=9)
        said.append(f"{name} keeps {int(mask.sum())} of {mask.size} weights")
    return described(figure, f"Masks, 1 where a weight stays: {'; '.join(said)}.")


def _weight(ax, x, y, keep, k):
    colour = COLOURS["hidden"] if keep else "white"
    ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=colour, ec="#BBBBBB", lw=0.8))
    if k <= 5:
        ax.text(x, y, f"{keep:g}", ha="center", va="center", fontsize=8,
                color="white" if keep else "black")  # fmt: skip


# Numbers -----------------------------------------------------------------------------------------


def bits(rows: list[dict], levels: int) -> Picture:
    """Bits per dimension on test images, a bar for each model; a tick on those it learned from.

    rows: dicts with model, weights, train and test, one for each start of a model. Bars and ticks
    are means; where there are several starts, a line spans them.
    """
    starts = _by_model(rows)
    test, train = (
        {name: [row[part] for row in own] for name, own in starts.items()}
        for part in ("test", "train")
    )
    figure, ax = picture(8.2, 0.34 * len(starts) + 1.1)
    places, means = np.arange(len(starts)), {name: np.mean(test[name]) for name in starts}
    ax.barh(places, means.values(), height=0.66, color=COLOURS["hidden"], label="test images")
    ax.plot([np.mean(train[name]) for name in starts], places, "|", ms=15, mew=2.4,
            color=COLOURS["cell"], label="training images")  # fmt: skip
    for place, name in zip(places, starts):
        least, most = min(test[name]), max(test[name])
        if least < most:
            ax.plot([least, most], [place, place], "-", lw=2, color=COLOURS["target"])
        ax.annotate(f"{means[name]:.2f}", (max(most, *train[name]), place), (5, 0), va="center",
                    textcoords="offset points", fontsize=9)  # fmt: skip
    uniform = math.log2(levels)
    ax.axvline(uniform, color=COLOURS["target"], ls="--", lw=1.2)
    ax.annotate(f"knows nothing: log2 {levels} = {uniform:.2f}", (uniform, 1), (-4, 3), ha="right",
                xycoords=("data", "axes fraction"), textcoords="offset points",
                fontsize=8)  # fmt: skip
    ax.set_yticks(places, [f"{name}  ({own[0]['weights']:,} weights)"
                           for name, own in starts.items()])  # fmt: skip
    ax.set(xlabel="bits per dimension", xlim=(0, 1.04 * uniform), ylim=(len(starts) - 0.5, -0.5))
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ticks, bars = ax.get_legend_handles_labels()[0]
    figure.legend(handles=[bars, ticks], loc="outside lower right", ncols=2, frameon=False,
                  fontsize=9)  # fmt: skip
    said = ", ".join(f"{name} {means[name]:.2f} (training {np.mean(train[name]):.2f})"
                     for name in starts)  # fmt: skip
    return described(
        figure,
        f"Bits per dimension on test images: {said}. Whoever knows nothing needs {uniform:.2f}.",
    )


def learning(epochs: list[dict], level: float) -> Picture:
    """Bits per dimension on validation images by the CPU time of training, a line for each start.

    epochs: dicts with model, start, seconds and validation, in order. level: where a line is drawn
    to compare the times at which models cross it.
    """
    starts = _by_model(epochs)
    if len(starts) > len(SERIES):
        raise ValueError(f"{len(starts)} models: there are colours for {len(SERIES)}")
    figure, ax = picture(8.2, 3.3)
    for (name, rows), colour in zip(starts.items(), SERIES):
        for number, start in enumerate(dict.fromkeys(row["start"] for row in rows)):
            own = [row for row in rows if row["start"] == start]
            ax.plot([row["seconds"] for row in own], [row["validation"] for row in own], "-",
                    lw=1.4, alpha=0.85, color=colour,
                    label=name if number == 0 else None)  # fmt: skip
    ax.axhline(level, color=COLOURS["target"], ls="--", lw=1.2)
    lowest, top = min(row["validation"] for row in epochs), level + 0.25
    seconds = [row["seconds"] for row in epochs if row["validation"] <= top]
    ax.set(xscale="log", xlabel="seconds of training on one core (log scale)",
           ylabel="bits per dimension,\nvalidation images", ylim=(lowest - 0.02, top),
           xlim=(0.9 * min(seconds), 1.15 * max(seconds)))  # fmt: skip
    ax.annotate(f"{level:.2f}", (1, level), (4, 0), va="center", fontsize=9,
                xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(color="#EEEEEE")
    ax.set_axisbelow(True)
    ax.legend(frameon=False, fontsize=9, loc="upper right")
    said = [
        f"{name} ends at {np.mean([row['validation'] for row in _last(rows)]):.2f} after "
        f"{np.mean([row['seconds'] for row in _last(rows)]):.0f} s"
        for name, rows in starts.items()
    ]
    return described(
        figure,
        f"Validation bits by seconds of training, to be compared at {level:.2f}: "
        f"{'; '.join(said)} (means of the starts).",
    )


def _by_model(rows):
    return {name: [row for row in rows if row["model"] == name]
            for name in dict.fromkeys(row["model"] for row in rows)}  # fmt: skip


def _last(rows):
    """Of each start the last row."""
    return {row["start"]: row for row in rows}.values()
