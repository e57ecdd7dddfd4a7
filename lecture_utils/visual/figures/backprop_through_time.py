"""Figures of lesson 02: where gradients come from, what truncation cuts, how a run goes."""

import numpy as np

from lecture_utils.visual.style import COLOURS, SERIES, Picture, described, picture, shades


def who_teaches_whom(flow, text: str, targets: str) -> Picture:
    """flow[t, k] = norm of d loss_t / d h_k as a triangle: row = loss, column = state."""
    T = len(flow)
    figure, ax = picture(5.6, 4.4)
    shown = np.ma.masked_where(np.triu(np.ones((T, T)), 1) > 0, flow)
    image = ax.imshow(shown, cmap=shades("gradient"), vmin=0)
    ax.set_xticks(range(T), [f"{c}\n{t + 1}" for t, c in enumerate(_shown(text))], fontsize=8)
    ax.set_yticks(range(T), [f"{t + 1} {c}" for t, c in enumerate(_shown(targets))], fontsize=8)
    ax.set(xlabel="state k, after reading", ylabel="loss t, for predicting")
    ax.spines[:].set_visible(False)
    figure.colorbar(image, ax=ax, shrink=0.8, label=r"$\|\partial L_t / \partial h_k\|$")
    far = [flow[t, t - 5] for t in range(5, T)]
    return described(
        figure,
        f"Lower triangle of {T} by {T} squares: how strongly the loss at step t "
        f"reaches the state at step k. On the diagonal the mean is "
        f"{np.diag(flow).mean():.2f}, five steps back {np.mean(far):.2f}.",
    )


def terms_of_the_sum(norms, label: str = "k = 1: the slide's term") -> Picture:
    """The norm of each step's term in d L_T / d W_hh; the first is the only one on the slide."""
    T = len(norms)
    figure, ax = picture(7.4, 2.7)
    colours = [COLOURS["output"]] + [COLOURS["gradient"]] * (T - 1)
    ax.bar(range(1, T + 1), norms, color=colours, width=0.75)
    ax.set(xlabel="step k", ylabel="norm of the term")
    ax.annotate(
        label,
        (1, norms[0]),
        xytext=(1.0, max(norms) * 0.55),
        fontsize=9,
        color=COLOURS["output"],
        arrowprops={"arrowstyle": "-", "color": COLOURS["output"]},
    )
    share = norms[0] / np.sum(norms)
    return described(
        figure,
        f"{T} bars, the terms of the gradient of the last loss by step. The last is the "
        f"largest; the first, the only one on the slide, holds {share:.1%} of the sum.",
    )


def truncation(chunks, cosine, size) -> Picture:
    """Direction and length of the truncated gradient against the full one."""
    figure, (left, right) = picture(8, 2.8, 1, 2)
    left.plot(chunks, cosine, "-o", color=COLOURS["gradient"], ms=5)
    left.set(ylabel="cosine to the full gradient")
    right.plot(chunks, size, "-o", color=COLOURS["gradient"], ms=5)
    right.set(ylabel="length / full length")
    for ax in (left, right):
        ax.axhline(1, color=COLOURS["reference"], ls="--", lw=1.2)
        ax.set(xscale="log", xlabel="chunk length", ylim=(0, 1.12))
        ax.set_xticks(chunks, [str(c) for c in chunks], fontsize=8)
        ax.minorticks_off()
    return described(
        figure,
        f"Two curves against chunk length. Cosine to the full gradient rises from "
        f"{cosine[0]:.2f} at {chunks[0]} to {cosine[-1]:.2f} at {chunks[-1]}; relative length "
        f"from {size[0]:.2f} to {size[-1]:.2f}.",
    )


def memory_and_time(lengths, full, truncated, chunk: int) -> Picture:
    """Peak memory and milliseconds of full and truncated BPTT; each argument (memory, time)."""
    figure, axes = picture(8, 2.7, 1, 2)
    for ax, k, unit in zip(axes, (0, 1), ("peak memory (MB)", "milliseconds")):
        ax.plot(lengths, full[k], "-o", color=COLOURS["hidden"], ms=5, label="full")
        ax.plot(
            lengths, truncated[k], "-o", color=COLOURS["output"], ms=5, label=f"chunks of {chunk}"
        )
        ax.set(xlabel="sequence length T", ylabel=unit)
        ax.set_ylim(bottom=0)
    axes[0].legend(frameon=False, fontsize=9)
    return described(
        figure,
        f"Peak memory and time against sequence length. Memory of full BPTT grows in a "
        f"straight line to {full[0][-1]:.1f} MB, that of chunks of {chunk} stays near "
        f"{truncated[0][-1]:.1f} MB. Time grows alike for both.",
    )


def learned_and_remembered(chunks, accuracy, lag: int, held, horizon: int) -> Picture:
    """Left: recall accuracy by training window. Right: is a bit still held after n steps?"""
    figure, (left, right) = picture(8.4, 2.9, 1, 2)
    accuracy = np.asarray(accuracy)  # (runs, chunks)
    for run in accuracy:
        left.plot(chunks, run, "o", color=COLOURS["hidden"], alpha=0.35, ms=5)
    left.plot(chunks, accuracy.mean(axis=0), "-", color=COLOURS["hidden"], lw=2)
    left.axhline(0.25, color=COLOURS["reference"], ls="--", lw=1.2)
    left.text(chunks[0], 0.22, "guessing", fontsize=9, color="#555555", va="top")
    left.axvline(lag + 1, color=COLOURS["gradient"], lw=1.2, ls=":")
    left.text(
        lag + 0.7,
        0.9,
        "window reaches\nthe symbol",
        fontsize=9,
        color=COLOURS["gradient"],
        ha="right",
        va="center",
    )
    left.set(
        xlabel="training window (steps)",
        ylabel="recall accuracy",
        ylim=(0, 1.06),
        title=f"what is learned (lag {lag})",
    )
    steps = np.arange(1, held.shape[-1] + 1)
    right.plot(steps, held.mean(axis=tuple(range(held.ndim - 1))), color=COLOURS["hidden"], lw=2)
    right.axvline(horizon, color=COLOURS["gradient"], lw=1.2, ls=":")
    right.text(
        horizon * 1.2,
        0.5,
        f"trained with gradients\nthrough {horizon} steps",
        fontsize=9,
        color=COLOURS["gradient"],
        va="center",
    )
    right.set(
        xscale="log",
        xlabel="steps since the bit was set",
        ylabel="bit still right",
        ylim=(0, 1.06),
        title="what is remembered",
    )
    for ax in (left, right):
        ax.title.set_fontsize(10)
    return described(
        figure,
        f"Left: recall over {lag} steps against the training window: mean accuracy "
        f"{accuracy.mean(axis=0)[0]:.0%} with a window of {chunks[0]}, "
        f"{accuracy.mean(axis=0)[-1]:.0%} with {chunks[-1]}. Right: a bit set once, by networks "
        f"trained through {horizon} steps, is right in {held[..., -1].mean():.0%} of cases "
        f"after {len(steps)} steps.",
    )


def run_among_seeds(curves, run, final_labels: tuple[str, str]) -> Picture:
    """This run's smooth loss over the band of shipped seeds; right, the final values as dots.

    curves: (iterations, (runs, points) losses). run: (iterations, losses).
    """
    iterations, losses = curves
    figure, (ax, dots) = picture(8.4, 3.2, 1, 2, width_ratios=[4, 1], sharey=True)
    low, middle, high = np.percentile(losses, [0, 50, 100], axis=0)
    ax.fill_between(
        iterations, low, high, color=COLOURS["soft"], lw=0, label=f"{len(losses)} shipped runs"
    )
    ax.plot(iterations, middle, color=COLOURS["reference"], lw=1.2, ls="--", label="their median")
    ax.plot(*run, color=COLOURS["loss"], lw=1.8, label="this run")
    ax.set(xlabel="iteration", ylabel="smooth loss\n(nats per 25 characters)")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=9)
    spread = np.random.default_rng(0).uniform(-0.2, 0.2, len(losses))
    dots.plot(spread, losses[:, -1], "o", color=COLOURS["reference"], ms=5, alpha=0.7)
    dots.plot(0, run[1][-1], "o", color=COLOURS["loss"], ms=7)
    dots.set(xlim=(-0.6, 0.6), xticks=[0], xticklabels=["at the end"])
    return described(
        figure,
        f"{final_labels[0]}: smooth loss over {iterations[-1]:,} iterations. This run ends "
        f"at {run[1][-1]:.1f}; {len(losses)} runs with other seeds end between "
        f"{losses[:, -1].min():.1f} and {losses[:, -1].max():.1f}. {final_labels[1]}",
    )


def parting_of_ways(differences: dict[str, np.ndarray]) -> Picture:
    """Relative difference of the loss between two runs, iteration by iteration, log scale."""
    figure, ax = picture(7.4, 2.9)
    ends = []
    for (label, values), colour in zip(differences.items(), SERIES):
        ax.plot(
            np.arange(1, len(values) + 1),
            np.maximum(values, 1e-17),
            color=colour,
            lw=1.4,
            label=label,
        )
        crossed = np.flatnonzero(values > 1e-6)
        ends.append(
            f"{label}: above one in a million from iteration "
            f"{crossed[0] + 1 if len(crossed) else 'never'}"
        )
    ax.axhline(1e-6, color=COLOURS["reference"], ls="--", lw=1)
    ax.set(yscale="log", xlabel="iteration", ylabel="relative difference of the loss")
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    return described(
        figure,
        "Differences between runs, growing from rounding error to order one. "
        + "; ".join(ends)
        + ".",
    )


def _shown(text):
    return ["␣" if c == " " else "⏎" if c == "\n" else c for c in text]
