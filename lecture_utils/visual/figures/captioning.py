"""Figures of lessons 08 and 09: scenes with what is said of them, scores, and where a model looked.

Images are uint8 (H, W, 3); captions are sequences of words.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from lecture_utils.visual.style import COLOURS, SERIES, Picture, described, picture

GREY = "#555555"
TRUE, FALSE = "#00704F", "#B03A00"  # dark enough to be read as text
Image = np.ndarray


def gallery(
    images: Sequence[Image],
    captions: Sequence[Sequence[Sequence[str]]],
    verdicts: Sequence[Sequence[bool | None]] | None = None,
    columns: int = 5,
    titles: Sequence[str] | None = None,
    boxes: Sequence[np.ndarray] | None = None,
) -> Picture:
    """Pictures, each with its captions below it.

    verdicts: for each caption true (a tick), false (a cross) or None (no mark). titles: above each
    picture. boxes: (K, 4) of each picture, x0, y0, x1, y1 in pixels.
    """
    if not len(images) == len(captions) or (verdicts is not None and len(verdicts) != len(images)):
        raise ValueError(
            f"{len(images)} pictures and captions for {len(captions)}: give each picture a list of "
            "captions, and a list of verdicts if any"
        )
    wrapped = []
    for k, said in enumerate(captions):
        lines = []
        for n, words in enumerate(said):
            verdict = verdicts[k][n] if verdicts is not None else None
            mark = {True: "✓ ", False: "✗ ", None: "• " if len(said) > 1 else ""}[verdict]
            ink = {True: TRUE, False: FALSE, None: "black"}[verdict]
            lines += [(line, ink) for line in textwrap.wrap(mark + " ".join(words), 30)]
        wrapped.append(lines)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    most = [max(map(len, wrapped[row * columns : (row + 1) * columns])) for row in range(rows)]
    side, line = 1.72, 0.155
    above = 0.24 if titles is not None else 0.06
    heights = [above + side + line * lines + 0.14 for lines in most]
    figure = Picture(figsize=(columns * (side + 0.15), sum(heights)))
    width, height = figure.get_size_inches()
    for k, image in enumerate(images):
        row, column = divmod(k, columns)
        left, top = column * (side + 0.15) + 0.075, sum(heights[:row]) + above
        ax = figure.add_axes(
            [left / width, 1 - (top + side) / height, side / width, side / height]
        )
        ax.imshow(image, interpolation="nearest")
        ax.set_axis_off()
        if titles is not None:
            figure.text(left / width, 1 - (top - 0.06) / height, titles[k], fontsize=9, color=GREY)
        for x0, y0, x1, y1 in boxes[k] if boxes is not None else ():
            ax.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, ec="white"))
        for n, (text, ink) in enumerate(wrapped[k]):
            down = top + side + 0.04 + line * n
            figure.text(left / width, 1 - down / height, text, fontsize=7.8, va="top", color=ink)
    said = "; ".join(" / ".join(" ".join(words) for words in own) for own in captions)
    return described(figure, f"{len(images)} pictures and what is said of them: {said}.")


def feature_maps(image: Image, layers: dict[str, np.ndarray], shown: int = 8) -> Picture:
    """What the layers of a network make of a picture: layer -> maps (C, H, W), the strongest."""
    figure, axes = picture(9.0, 1.2 * len(layers) + 0.1, len(layers), shown + 1)
    for ax in axes.flat:
        ax.set_axis_off()
    axes[0, 0].imshow(image, interpolation="nearest")
    for row, (name, maps) in zip(axes, layers.items()):
        row[1].set_title(name, fontsize=9, loc="left")
        order = np.argsort(-maps.mean(axis=(1, 2)))[:shown]
        for ax, k in zip(row[1:], order):
            ax.imshow(maps[k], cmap="gray", interpolation="nearest")
    sizes = ", ".join(f"{name} {maps.shape}" for name, maps in layers.items())
    return described(figure, f"The strongest maps of a picture, by layer: {sizes}.")


def courses(curves: dict[str, tuple], xlabel: str, ylabel: str, logx: bool = False) -> Picture:
    """Shares along training: name -> (x, shares from 0 to 1)."""
    figure, ax = picture(7.5, 3.0)
    for (name, (x, y)), colour in zip(curves.items(), SERIES):
        ax.plot(x, y, "o-", ms=4, color=colour, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(-0.02, 1.02), xscale="log" if logx else "linear")
    if logx:
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    said = [f"{name} from {y[0]:.2f} to {y[-1]:.2f}" for name, (_, y) in curves.items()]
    return described(figure, f"{ylabel.capitalize()} along {xlabel}: {'; '.join(said)}.")


def bars(
    groups: dict[str, dict[str, float]], xlabel: str, least: dict[str, float] | None = None
) -> Picture:
    """A group of bars for each name, one bar per series; least: a mark in each group (chance)."""
    names = list(next(iter(groups.values())))
    figure, ax = picture(8.0, 0.2 * len(groups) * (len(names) + 1) + 0.9)
    height = 0.8 / len(names)
    ticks = []
    for row, (group, values) in enumerate(groups.items()):
        for k, name in enumerate(names):
            y = row - 0.4 + (k + 0.5) * height
            ax.barh(y, values[name], height * 0.92, color=SERIES[k % len(SERIES)],
                    label=name if row == 0 else None)  # fmt: skip
            ax.annotate(f"{values[name]:.2f}", (values[name], y), (3, 0), va="center",
                        textcoords="offset points", fontsize=8)  # fmt: skip
        if least is not None:
            ax.plot([least[group]] * 2, [row - 0.42, row + 0.42], color="black", lw=1.6,
                    label="chance" if row == 0 else None)  # fmt: skip
        ticks.append(group)
    ax.set_yticks(range(len(ticks)), ticks, fontsize=9)
    ax.set_ylim(len(ticks) - 0.5, -0.5)
    ax.set_xlabel(xlabel)
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.02, 0.5))
    said = [f"{group}: " + ", ".join(f"{name} {value:.2f}" for name, value in values.items())
            for group, values in groups.items()]  # fmt: skip
    return described(figure, f"{xlabel.capitalize()}. {'; '.join(said)}.")


def attention(
    image: Image, words: Sequence[str], maps: np.ndarray, boxes: Sequence[np.ndarray],
    columns: int = 7,
) -> Picture:  # fmt: skip
    """For each word where the model looked: maps (T, rows, columns), bright where the weight is.

    boxes: (K, 4) for each word, of what it speaks of.
    """
    if not len(words) == len(maps) == len(boxes):
        raise ValueError(f"{len(words)} words, {len(maps)} maps, {len(boxes)} boxes: one for each")
    columns = min(columns, len(words) + 1)
    rows = -(-(len(words) + 1) // columns)
    figure, axes = picture(1.32 * columns, 1.52 * rows, rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    axes.flat[0].imshow(image, interpolation="nearest")
    axes.flat[0].set_title("picture", fontsize=9, color=GREY)
    H, W = image.shape[:2]
    for ax, word, weights, own in zip(axes.flat[1:], words, maps, boxes):
        ax.imshow(_shone(image, weights), interpolation="nearest")
        for x0, y0, x1, y1 in own:
            ax.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, ec="white",
                                   lw=1.2))  # fmt: skip
        ax.set_title(word, fontsize=9)
    return described(figure, "Where the model looked for each word of: " + " ".join(words) + ".")


def _shone(image: Image, weights: np.ndarray) -> Image:
    """The picture (H, W, 3), dark where the weights (rows, columns) are small; float 0 to 1."""
    H, W = image.shape[:2]
    rows, columns = weights.shape
    share = np.kron(weights, np.ones((H // rows, W // columns)))
    light = 0.18 + 0.82 * np.sqrt(share / max(share.max(), 1e-12))
    return image / 255 * light[..., None]


def by_ground(rows: dict[str, dict[str, float]], grounds: Sequence[str]) -> Picture:
    """Share of captions that say circle on each ground, a line per way of training."""
    figure, ax = picture(6.5, 0.42 * len(rows) + 0.95)
    for row, (_, values) in enumerate(rows.items()):
        ends = [values[ground] for ground in grounds]
        ax.plot(ends, [row, row], color="#C4CBD1", lw=3, zorder=1)
        for ground, value in zip(grounds, ends):
            colour = {"grass": COLOURS["input"], "sand": COLOURS["cell"]}.get(ground, to_rgb(GREY))
            ax.plot(value, row, "o" if ground == grounds[0] else "s", ms=9, color=colour,
                    label=f"on {ground}" if row == 0 else None)  # fmt: skip
    ax.axvline(0.5, color=GREY, lw=1, ls=":")
    ax.set_yticks(range(len(rows)), rows, fontsize=9)
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5),
           xlabel="share of the captions that say circle (half of the things are)")  # fmt: skip
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    said = [f"{name}: " + ", ".join(f"{ground} {values[ground]:.2f}" for ground in grounds)
            for name, values in rows.items()]  # fmt: skip
    return described(figure, f"Share of captions that say circle. {'; '.join(said)}.")
