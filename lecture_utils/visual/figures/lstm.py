"""Figures of lesson 04: what an LSTM is made of, which roads its gradient takes, depth and time."""

import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from lecture_utils.visual.style import COLOURS, SERIES, Picture, described, picture

GREY = "#555555"
GATES = {
    "f": ("keep", COLOURS["forget"]),
    "i": ("write", COLOURS["input"]),
    "g": ("what", COLOURS["loss"]),
    "o": ("reveal", COLOURS["output"]),
}


def block() -> Picture:
    """The cell as the lecture draws it: one product, four answers, the road of c."""
    figure, ax = picture(8.6, 3.7)
    road, gate_y, down = 3.0, 1.45, 0.0
    _box(ax, 0.0, down + 0.35, r"$h_{t-1}$", COLOURS["hidden"], 0.8, 0.55)
    _box(ax, 0.0, down - 0.2, r"$x_t$", COLOURS["input"], 0.8, 0.55)
    _box(ax, 1.3, down + 0.08, "W", GREY, 0.7, 1.1)
    _arrow(ax, (0.4, down + 0.08), (0.95, down + 0.08), GREY)
    xs = {"f": 2.4, "i": 3.7, "g": 5.0, "o": 7.2}
    ax.plot([1.65, xs["o"]], [down + 0.08, down + 0.08], color=GREY, lw=1.2, zorder=0)
    for name, x in xs.items():
        word, colour = GATES[name]
        squash = r"$\tanh$" if name == "g" else r"$\sigma$"
        _arrow(ax, (x, down + 0.08), (x, gate_y - 0.27), GREY)
        _box(ax, x, gate_y, squash, colour, 0.62, 0.54)
        ax.text(x + 0.12, gate_y - 0.48, f"{name}  {word}", va="center", fontsize=10)
    ax.text(-0.4, road, r"$c_{t-1}$", ha="right", va="center", fontsize=13, color="#8A5A00")
    _arrow(ax, (-0.3, road), (8.35, road), COLOURS["cell"], lw=2.6)
    ax.text(8.45, road, r"$c_t$", va="center", fontsize=13, color="#8A5A00")
    product = (xs["i"] + xs["g"]) / 2
    _arrow(ax, (xs["f"], gate_y + 0.27), (xs["f"], road - 0.2), GATES["f"][1])
    _node(ax, xs["f"], road, r"$\odot$")
    meet = 2.25
    _arrow(ax, (xs["i"], gate_y + 0.27), (product - 0.15, meet - 0.1), GATES["i"][1])
    _arrow(ax, (xs["g"], gate_y + 0.27), (product + 0.15, meet - 0.1), GATES["g"][1])
    _node(ax, product, meet, r"$\odot$")
    _arrow(ax, (product, meet + 0.2), (product, road - 0.2), GREY)
    _node(ax, product, road, "+")
    _box(ax, 6.3, 2.25, r"$\tanh$", COLOURS["cell"], 0.72, 0.5)
    _arrow(ax, (6.3, road), (6.3, 2.5), COLOURS["cell"])
    _arrow(ax, (6.66, 2.25), (xs["o"] - 0.2, 2.25), COLOURS["cell"])
    _node(ax, xs["o"], 2.25, r"$\odot$")
    _arrow(ax, (xs["o"], gate_y + 0.27), (xs["o"], 2.05), GATES["o"][1])
    _arrow(ax, (xs["o"] + 0.2, 2.25), (8.35, 2.25), COLOURS["hidden"])
    ax.text(8.45, 2.25, r"$h_t$", va="center", fontsize=13, color=COLOURS["hidden"])
    ax.set(xlim=(-1.1, 9.0), ylim=(-0.65, 3.4))
    ax.axis("off")
    return described(
        figure,
        "The stacked vector of h_{t-1} and x_t goes through W to four boxes: f, i and o with "
        "sigma, g with tanh. Above them runs the road of c: times f, plus i times g. From c_t, "
        "through tanh and times o, comes h_t.",
    )


def flows(norms: dict[str, np.ndarray]) -> Picture:
    """Length of the gradient at h_1 ... h_T, each relative to its end; the loss is at the right."""
    figure, ax = picture(8.2, 3.4)
    ends = []
    for (name, values), colour in zip(norms.items(), ["#777777", *SERIES]):
        relative = np.asarray(values) / values[-1]
        ax.plot(np.arange(1, len(relative) + 1), relative, color=colour, lw=2, label=name)
        ends.append(f"{name} {relative[0]:.0e}")
    ax.axhline(1, color=COLOURS["reference"], ls="--", lw=1)
    ax.set(yscale="log", xlabel="state k   (the loss is at the right, the gradient goes left)",
           ylabel=r"$\|\partial L/\partial h_k\|\;/\;\|\partial L/\partial h_T\|$",
           xlim=(1, len(relative)))  # fmt: skip
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(
        figure,
        f"Length of the gradient, {len(relative) - 1} steps back from the loss, relative to the "
        f"end: {', '.join(ends)}.",
    )


def roads(shares: dict[str, np.ndarray], text: str) -> Picture:
    """How the gradient of c_{t-1} is made up, step by step: one band per road, adding up to 1.

    shares: each (T - 1,), for the steps 2 ... T. text: the T characters that were read.
    """
    figure, ax = picture(9, 3.0)
    colours = [COLOURS["cell"], COLOURS["input"], COLOURS["forget"], COLOURS["output"], "#777777"]
    steps, below = np.arange(2, len(text) + 1), 0.0
    for (name, share), colour in zip(shares.items(), colours):
        ax.bar(steps, share, 0.94, bottom=below, color=colour, label=name)
        below = below + np.asarray(share)
    ax.set_xticks(steps, [c.replace(" ", "␣") for c in text[1:]], fontsize=8)
    for tick, character in zip(ax.get_xticklabels(), text[1:]):
        tick.set_fontweight("bold" if character == '"' else "normal")
    ax.set(xlabel="character read at step t", ylabel="share of the lengths", ylim=(0, 1),
           xlim=(1.5, len(text) + 0.5))  # fmt: skip
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[::-1], labels[::-1], frameon=False, fontsize=9, loc="center left",
              bbox_to_anchor=(1.0, 0.5))  # fmt: skip
    at = np.array([character == '"' for character in text[1:]])
    direct = np.asarray(next(iter(shares.values())))
    where = f"; at quotation marks {direct[at].mean():.0%}" if at.any() else ""
    means = ", ".join(f"{name} {np.mean(v):.0%}" for name, v in shares.items())
    return described(
        figure,
        f"Stacked bars for {len(steps)} steps of one text. On average: {means}. The first road "
        f"has {direct[~at].mean():.0%} where no quotation mark is read{where}.",
    )


def preserved(updates, curves: dict[str, np.ndarray]) -> Picture:
    """How much of a gradient still arrives at the first step, as training goes on."""
    figure, ax = picture(7.8, 3.0)
    ends = []
    for (name, values), colour in zip(curves.items(), SERIES):
        ax.plot(updates, values, color=colour, lw=2, label=name)
        ends.append(f"{name} from {values[0]:.0e} to {values[-1]:.0e}")
    ax.set(
        yscale="log",
        xlabel="update",
        ylabel=r"$\|\partial L/\partial h_1\|\;/\;\|\partial L/\partial h_T\|$",
    )
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(figure, f"Over {updates[-1]} updates: {'; '.join(ends)}.")


def learning(curves: dict[str, np.ndarray], trivial: float) -> Picture:
    """Squared error by update, smoothed over 20, beside the best answer that ignores the input."""
    figure, ax = picture(7.8, 3.0)
    ends = []
    for (name, errors), colour, width in zip(curves.items(), SERIES, (6, 4, 2, 1.8)):
        smooth = np.convolve(errors, np.full(20, 1 / 20), mode="valid")
        shown = {"lw": width, "alpha": 0.5 if width > 2 else 1}  # equal curves stay visible
        ax.plot(np.arange(20, len(errors) + 1), smooth, color=colour, label=name, **shown)
        ends.append(f"{name} ends at {smooth[-1]:.4f}")
    ax.axhline(trivial, color=COLOURS["reference"], ls="--", lw=1.2)
    ax.annotate("always answering 1", (1, trivial), (-4, 4), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", fontsize=9, color=GREY)  # fmt: skip
    ax.set(yscale="log", xlabel="update", ylabel="squared error,\nmean of 20 updates")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(
        figure,
        f"Squared error against update; the trivial one is {trivial:.3f}: {'; '.join(ends)}.",
    )


def grid(steps: int = 5, layers: int = 3) -> Picture:
    """Depth times time: who needs whom in a multilayer RNN."""
    figure, ax = picture(7.0, 3.1)
    for t in range(1, steps + 1):
        ax.text(t, 0, f"$x_{t}$", ha="center", va="center", fontsize=11, color=COLOURS["input"])
        for layer in range(1, layers + 1):
            _box(ax, t, layer, f"$h_{t}^{{({layer})}}$", COLOURS["hidden"], 0.62, 0.5, size=10)
            _arrow(ax, (t, layer - 0.72), (t, layer - 0.27), COLOURS["hidden"])
            if t > 1:
                _arrow(ax, (t - 0.67, layer), (t - 0.33, layer), COLOURS["cell"])
            ax.text(t + 0.36, layer + 0.28, str(t + layer - 1), fontsize=8, color=GREY, ha="center")
    ax.annotate("", (steps + 0.8, 0.3), (steps + 0.8, layers + 0.2),
                arrowprops={"arrowstyle": "<|-", "color": GREY})  # fmt: skip
    ax.text(
        steps + 0.9, layers / 2 + 0.3, "depth", rotation=90, va="center", fontsize=9, color=GREY
    )
    ax.annotate(
        "", (steps + 0.3, -0.42), (0.7, -0.42), arrowprops={"arrowstyle": "-|>", "color": GREY}
    )
    ax.text((steps + 1) / 2, -0.62, "time", ha="center", va="top", fontsize=9, color=GREY)
    ax.set(xlim=(0.4, steps + 1.2), ylim=(-0.9, layers + 0.45))
    ax.axis("off")
    return described(
        figure,
        f"A grid of {steps} steps by {layers} layers. Each node has an arrow from the node below "
        "and one from the node to its left, and the number of the earliest moment at which it can "
        f"be computed: from 1 at the lower left to {steps + layers - 1} at the upper right.",
    )


def depth(norms: dict[str, np.ndarray]) -> Picture:
    """Length of the gradient at each layer of deep networks; the loss is at the right."""
    figure, ax = picture(7.8, 3.0)
    ends = []
    for (name, values), colour in zip(norms.items(), SERIES):
        relative = np.asarray(values) / values[-1]
        ax.plot(relative, color=colour, lw=2, label=name)
        ends.append(f"{name} {relative[0]:.0e}")
    ax.axhline(1, color=COLOURS["reference"], ls="--", lw=1)
    ax.set(yscale="log", xlabel="layer   (the loss is at the right)", xlim=(0, len(relative) - 1),
           ylabel="length of the gradient,\nat the end 1")  # fmt: skip
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(
        figure, f"Gradient at the input of {len(relative) - 1} layers, relative to the end: "
        f"{', '.join(ends)}."
    )  # fmt: skip


def _box(ax, x, y, text, colour, width, height, size=12):
    ax.add_patch(
        FancyBboxPatch((x - width / 2, y - height / 2), width, height, facecolor="white", zorder=2,
                       boxstyle="round,pad=0,rounding_size=0.08", edgecolor=colour, lw=1.6)
    )  # fmt: skip
    ax.text(x, y, text, ha="center", va="center", fontsize=size, zorder=3)


def _node(ax, x, y, text):
    ax.add_patch(Circle((x, y), 0.2, facecolor="white", edgecolor=GREY, lw=1.4, zorder=2))
    ax.text(x, y - 0.01, text, ha="center", va="center", fontsize=12, zorder=3)


def _arrow(ax, start, end, colour, lw=1.4):
    ax.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, lw=lw, color=colour,
                        shrinkA=0, shrinkB=0, zorder=1)
    )  # fmt: skip
