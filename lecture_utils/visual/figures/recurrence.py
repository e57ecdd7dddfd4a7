"""Figures of lesson 01: one cell, unrolled and wired in five ways."""

import numpy as np
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch

from lecture_utils.visual.style import (
    COLOURS,
    MONO,
    SERIES,
    SIGNED,
    Picture,
    described,
    heat,
    picture,
    shades,
)

INPUT, STATE, OUTPUT = 0.0, 1.15, 2.3  # heights of the three rows of an unrolled graph


def loop_and_unrolled(steps: int = 4) -> Picture:
    """The box with a loop, and the same box once per step."""
    figure, (left, right) = picture(8, 2.9, 1, 2, width_ratios=[1, 3.2])
    _node(left, 0, INPUT, "$x$", "input")
    _node(left, 0, STATE, "RNN", "hidden", width=0.9)
    _node(left, 0, OUTPUT, "$y$", "output")
    _arrow(left, (0, INPUT), (0, STATE), "input")
    _arrow(left, (0, STATE), (0, OUTPUT), "output")
    left.add_patch(
        FancyArrowPatch(
            (0.47, STATE + 0.13),
            (0.47, STATE - 0.13),
            arrowstyle="-|>",
            mutation_scale=11,
            lw=1.6,
            connectionstyle="arc,angleA=0,angleB=0,armA=30,armB=30,rad=9",
            color=COLOURS["hidden"],
            shrinkA=0,
            shrinkB=0,
        )
    )
    left.text(0.98, STATE, "$h$", va="center", color=COLOURS["hidden"], fontsize=12)
    _bare(left, (-0.8, 1.4))
    _unrolled(
        right,
        [f"$x_{t}$" for t in range(1, steps + 1)],
        [f"$h_{t}$" for t in range(1, steps + 1)],
        [f"$y_{t}$" for t in range(1, steps + 1)],
        start="$h_0$",
        weights=True,
    )
    return described(
        figure,
        f"Left: a box named RNN with input x, output y and an arrow h from the "
        f"box back to itself. Right: the same box drawn {steps} times in a row; each "
        "copy gets the state of the one before, its own input, and the same W.",
    )


def wiring(
    title: str,
    xs: list,
    hs: np.ndarray,
    ys: list,
    *,
    start: str | None = None,
    feedback: bool = False,
    losses: bool = False,
    vector: int | None = None,
    image: np.ndarray | None = None,
) -> Picture:
    """The unrolled graph of one run. Inputs and outputs are texts, 1-D arrays or None.

    hs: the states (T, H), drawn as blocks of small squares. start: what sets the first state.
    feedback: draw each output going in again as the next input. losses: sum the outputs' losses.
    vector: ring this state, through which everything passes. image: shown whole, at the left.
    """
    width, height = min(9.5, 1.6 + 0.95 * len(hs)), 3.3 if losses else 2.9
    if image is None:
        figure, ax = picture(width, height)
    else:
        figure, (whole, ax) = picture(width, height, 1, 2, width_ratios=[1, 7])
        whole.imshow(image, cmap="Greys", vmin=0, vmax=1)
        whole.set_title("the image", fontsize=9)
        whole.axis("off")
    _unrolled(ax, xs, hs, ys, start=start, feedback=feedback, losses=losses)
    if vector is not None:
        ax.add_patch(Ellipse((vector, STATE), 0.86, 0.86, fill=False, lw=2, zorder=4))
        ax.text(vector, STATE + 0.52, "one vector", ha="center", va="bottom", fontsize=9)
    ax.set_title(title, fontsize=10, loc="left")
    entering = sum(x is not None for x in xs)
    leaving = sum(y is not None for y in ys)
    return described(
        figure,
        f"Unrolled graph, {title}: {len(hs)} states in a row, {entering} inputs "
        f"enter from below, {leaving} outputs leave above"
        f"{', each output is fed back as the next input' if feedback else ''}"
        f"{', one loss per output, summed to L' if losses else ''}.",
    )


def _unrolled(ax, xs, hs, ys, start=None, weights=False, feedback=False, losses=False):
    last = len(hs) - 1
    if start:
        quantity = "hidden" if start.startswith("$h") else "input"
        _node(ax, -1, STATE, start, quantity)
        _arrow(ax, (-1, STATE), (0, STATE), quantity)
    for t, (x, h, y) in enumerate(zip(xs, hs, ys)):
        _node(ax, t, STATE, h, "hidden")
        if t < last:
            _arrow(ax, (t, STATE), (t + 1, STATE), "hidden")
        if x is not None:
            _node(ax, t, INPUT, x, "input")
            _arrow(ax, (t, INPUT), (t, STATE), "input")
        if y is not None:
            _node(ax, t, OUTPUT, y, "output")
            _arrow(ax, (t, STATE), (t, OUTPUT), "output")
            if feedback and t < last:
                ax.add_patch(
                    FancyArrowPatch(
                        (t + 0.3, OUTPUT - 0.1),
                        (t + 0.8, STATE + 0.27),
                        arrowstyle="-|>",
                        lw=1.3,
                        connectionstyle="arc3,rad=-0.25",
                        linestyle=(0, (4, 2)),
                        mutation_scale=10,
                        color=COLOURS["output"],
                        shrinkA=0,
                        shrinkB=0,
                        zorder=1,
                    )
                )
            if losses:
                ax.text(t, OUTPUT + 0.62, f"$L_{{{t + 1}}}$", ha="center", va="center", fontsize=10)
                _line(ax, (t, OUTPUT + 0.30), (t, OUTPUT + 0.46))
                _line(ax, (t, OUTPUT + 0.78), (last / 2, OUTPUT + 1.12))
    if losses:
        ax.text(last / 2, OUTPUT + 1.26, "$L = \\sum_t L_t$", ha="center", va="center", fontsize=11)
    if weights:
        for t in range(len(hs)):
            ax.text(t - 0.5, STATE + 0.2, "$W$", ha="center", fontsize=10, color="#555555")
    _bare(ax, (-1.5 if start else -0.55, last + 0.55), OUTPUT + (1.5 if losses else 0.4))


def _node(ax, x, y, content, quantity, width=0.56, height=0.48):
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="white",
            edgecolor=COLOURS[quantity],
            lw=1.6,
            zorder=2,
        )
    )
    if isinstance(content, str):
        ax.text(x, y, content, ha="center", va="center", fontsize=11, zorder=3)
        return
    values = np.asarray(content, dtype=float)
    limit = max(1.0, float(np.abs(values).max()))
    signed = quantity == "hidden"
    grid = values.reshape(-1, 8) if signed and len(values) % 8 == 0 else values[None]
    box = (x - width / 2 + 0.05, x + width / 2 - 0.05, y - height / 2 + 0.06, y + height / 2 - 0.06)
    ax.imshow(
        grid,
        extent=box,
        cmap=SIGNED if signed else "Greys",
        aspect="auto",
        vmin=-limit if signed else 0,
        vmax=limit,
        zorder=3,
        interpolation="nearest",
    )


def _arrow(ax, start, end, quantity):
    dx, dy = end[0] - start[0], end[1] - start[1]
    gap = 0.3 if dx else 0.26
    length = np.hypot(dx, dy)
    a = (start[0] + dx / length * gap, start[1] + dy / length * gap)
    b = (end[0] - dx / length * gap, end[1] - dy / length * gap)
    ax.add_patch(
        FancyArrowPatch(
            a,
            b,
            arrowstyle="-|>",
            mutation_scale=11,
            lw=1.5,
            color=COLOURS[quantity],
            shrinkA=0,
            shrinkB=0,
            zorder=1,
        )
    )


def _line(ax, a, b):
    ax.plot(*zip(a, b), color="#999999", lw=0.9, zorder=0)


def _bare(ax, x_limits, top=OUTPUT + 0.4):
    ax.set_xlim(*x_limits)
    ax.set_ylim(INPUT - 0.4, top)
    ax.axis("off")


def stacked_product(W: np.ndarray, hx: np.ndarray, b: np.ndarray, hidden_size: int) -> Picture:
    """W [h; x] + b = a, with a line between the two halves of W and of the stacked vector."""
    figure, (matrix, vector, bias, result) = picture(
        7.6, 2.3, 1, 4, width_ratios=[W.shape[1], 1.2, 1.2, 1.2]
    )
    limit = float(np.abs(W).max())
    heat(matrix, W, limit, numbers="{:+.1f}")
    heat(vector, hx[:, None], 1.0, numbers="{:+.1f}")
    a = W @ hx + b
    heat(bias, b[:, None], limit, numbers="{:+.2f}")
    heat(result, a[:, None], float(np.abs(a).max()), numbers="{:+.2f}")
    bias.set_title("$+\\,b_h$", fontsize=10)
    matrix.axvline(hidden_size - 0.5, color="black", lw=2)
    matrix.set_title(
        f"$W = [\\,W_{{hh}}\\;|\\;W_{{xh}}\\,]$   ({W.shape[0]} x {W.shape[1]})", fontsize=10
    )
    vector.axhline(hidden_size - 0.5, color="black", lw=2)
    vector.set_title("$[h\\,;\\,x]$", fontsize=10)
    result.set_title("$= a$", fontsize=10)
    return described(
        figure,
        f"A {W.shape[0]} by {W.shape[1]} matrix whose first {hidden_size} columns "
        "are W_hh and the rest W_xh, times the stacked vector of h over x, plus b, gives "
        f"a = {', '.join(f'{v:+.2f}' for v in a)}.",
    )


def hello_table(text: str, targets: str, alphabet: str, hs, probabilities) -> Picture:
    """The lecture's slide with this network's numbers: one-hot, state, softmax, target."""
    T, V = len(text), len(alphabet)
    figure, axes = picture(7.8, 3.9, 3, T, height_ratios=[V, hs.shape[1], V])
    for t in range(T):
        p = probabilities[t][:, None]
        answer = alphabet.index(targets[t])
        heat(axes[0, t], p, 1.0, shades("output"), "{:.2f}", list(alphabet) if t == 0 else None)
        axes[0, t].add_patch(
            FancyBboxPatch(
                (-0.44, answer - 0.42),
                0.88,
                0.84,
                fill=False,
                lw=2.2,
                boxstyle="round,pad=0,rounding_size=0.1",
                edgecolor=COLOURS["target"],
            )
        )
        axes[0, t].set_title(f"target {targets[t]!r}", fontsize=9)
        heat(axes[1, t], hs[t][:, None], 1.0, numbers="{:+.2f}")
        x = np.eye(V)[alphabet.index(text[t])][:, None]
        heat(axes[2, t], x, 1.0, shades("input"), "{:.0f}", list(alphabet) if t == 0 else None)
        axes[2, t].set_xlabel(f"input {text[t]!r}", fontsize=9)
    for ax, label in zip(axes[:, 0], ["softmax", "state h", "one-hot x"]):
        ax.set_ylabel(label, fontsize=9)
    best = [alphabet[int(np.argmax(p))] for p in probabilities]
    return described(
        figure,
        f"Four columns, one per step, for the inputs {text!r}: one-hot input, state "
        f"and predicted distribution; the target letter is framed. Likeliest letters: "
        f"{''.join(best)!r}, targets {targets!r}.",
    )


def learning_hello(losses, bound: float, said: dict[int, str]) -> Picture:
    """Mean loss against training step, the memoryless bound, and what was said on the way."""
    figure, ax = picture(7.5, 3.2)
    ax.plot(np.arange(1, len(losses) + 1), losses, color=COLOURS["loss"], lw=2)
    ax.axhline(bound, color=COLOURS["reference"], ls="--", lw=1.3)
    ax.text(
        len(losses),
        bound * 1.06,
        f"best without memory: {bound:.3f}",
        ha="right",
        va="bottom",
        fontsize=9,
        color="#555555",
    )
    for step, word in said.items():
        ax.plot(step, losses[step - 1], "o", color=COLOURS["output"], ms=6, zorder=3)
        ax.annotate(
            word,
            (step, losses[step - 1]),
            xytext=(7, 7),
            textcoords="offset points",
            fontproperties=MONO,
            fontsize=10,
            color=COLOURS["output"],
        )
    ax.set(xlabel="training step", ylabel="loss (nats per letter)", yscale="log")
    ax.margins(x=0.03, y=0.14)
    words = ", ".join(f"{w} after {s}" for s, w in said.items())
    return described(
        figure,
        f"Loss per letter falls from {losses[0]:.2f} to {losses[-1]:.3f} nats, through "
        f"the memoryless bound of {bound:.3f}. The network says: {words} steps.",
    )


def drawn_digits(images, means) -> Picture:
    """What one-to-many draws for each class, above the average image of the class."""
    figure, axes = picture(8.2, 2.1, 2, len(images))
    for label, (drawn, mean) in enumerate(zip(images, means)):
        for ax, image in zip(axes[:, label], (drawn, mean)):
            ax.imshow(image, cmap="Greys", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        axes[0, label].set_title(str(label), fontsize=10)
    axes[0, 0].set_ylabel("drawn", fontsize=9)
    axes[1, 0].set_ylabel("average", fontsize=9)
    return described(
        figure,
        "Ten 8 by 8 images drawn row by row from the class alone, above the average "
        f"training image of each class; mean squared difference "
        f"{np.mean((np.asarray(images) - np.asarray(means)) ** 2):.4f}.",
    )


def accuracy_against(
    values,
    accuracy,
    *,
    label: str,
    chance: float,
    trained: float | None = None,
    trained_label: str = "trained up to here",
) -> Picture:
    """Accuracy against length, position or lag: one line per run; chance; the training range."""
    figure, ax = picture(7.2, 2.8)
    accuracy = np.atleast_2d(accuracy)
    for number, (run, colour) in enumerate(zip(accuracy, SERIES)):
        ax.plot(values, run, "-o", color=colour, lw=1.8, ms=5, label=f"run {number + 1}")
    if len(accuracy) > 1:
        ax.legend(frameon=False, fontsize=9)
    ax.axhline(chance, color=COLOURS["reference"], ls="--", lw=1.2)
    ax.text(values[0], chance + 0.02, "guessing", fontsize=9, color="#555555", va="bottom")
    if trained is not None:
        ax.axvspan(min(values[0], trained), trained, color=COLOURS["soft"], alpha=0.6, lw=0)
        ax.text(trained, 1.08, trained_label, fontsize=9, color="#555555", ha="right", va="bottom")
    ax.set(xlabel=label, ylabel="accuracy", ylim=(-0.03, 1.07))
    runs = "" if len(accuracy) == 1 else f", mean of {len(accuracy)} runs"
    mean = accuracy.mean(axis=0)
    return described(
        figure,
        f"Accuracy against {label}{runs}: {mean[0]:.0%} at {values[0]}, "
        f"{mean[-1]:.0%} at {values[-1]}; guessing gives {chance:.0%}.",
    )


def temperatures(logits, alphabet: str, temperatures=(0.3, 1.0, 3.0)) -> Picture:
    """softmax(logits / temperature) as bars, one panel per temperature."""
    figure, axes = picture(7.6, 2.5, 1, len(temperatures), sharey=True)
    tops = []
    for ax, temperature in zip(axes, temperatures):
        e = np.exp((logits - np.max(logits)) / temperature)
        p = e / e.sum()
        tops.append(p.max())
        bars = ax.bar(list(alphabet), p, color=COLOURS["output"], width=0.65)
        ax.bar_label(bars, [f"{v:.2f}" for v in p], fontsize=9, padding=2)
        ax.set_title(f"temperature {temperature:g}", fontsize=10)
        ax.set_ylim(0, 1.12)
    axes[0].set_ylabel("probability")
    return described(
        figure,
        "Bars of the same four logits through softmax at temperatures "
        + ", ".join(f"{t:g} (largest {p:.2f})" for t, p in zip(temperatures, tops))
        + ".",
    )


def cost_of_length(lengths, recurrent, product) -> Picture:
    """Milliseconds of a recurrence and of one matrix product with the same work, against T."""
    figure, ax = picture(6.8, 2.9)
    ax.plot(
        lengths,
        recurrent,
        "-o",
        color=COLOURS["hidden"],
        label="recurrence: one step after another",
    )
    ax.plot(
        lengths, product, "-o", color=COLOURS["reference"], label="same arithmetic in one product"
    )
    ax.set(xlabel="sequence length T", ylabel="milliseconds")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=9)
    return described(
        figure,
        f"Time against sequence length: the recurrence takes {recurrent[0]:.1f} ms at T = "
        f"{lengths[0]} and {recurrent[-1]:.1f} ms at {lengths[-1]}; one product of the same size "
        f"{product[0]:.2f} and {product[-1]:.2f} ms.",
    )
