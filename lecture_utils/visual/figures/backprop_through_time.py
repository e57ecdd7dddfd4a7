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
    back = min(5, T - 1)
    far = [flow[t, t - back] for t in range(back, T)]
    return described(
        figure,
        f"Lower triangle of {T} by {T} squares: how strongly the loss at step t "
        f"reaches the state at step k. On the diagonal the mean is "
        f"{np.diag(flow).mean():.2f}, {back} steps back {np.mean(far):.2f}.",
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
        f"{T} bars, the terms of the gradient of the last loss by step. The largest is that of "
        f"step {int(np.argmax(norms)) + 1}; the first, the only one on the slide, holds "
        f"{share:.1%} of the sum.",
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
        f"Two curves against chunk length. Cosine to the full gradient goes from "
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
        f"Peak memory and time against sequence length. From T = {lengths[0]} to {lengths[-1]} "
        f"full BPTT goes from {full[0][0]:.1f} to {full[0][-1]:.1f} MB, chunks of {chunk} from "
        f"{truncated[0][0]:.1f} to {truncated[0][-1]:.1f} MB; times at the end {full[1][-1]:.0f} "
        f"and {truncated[1][-1]:.0f} ms.",
    )


def learned_and_remembered(recall: dict, lag: int, held: dict, horizon: int) -> Picture:
    """Left: recall accuracy by training window. Right: is a bit still held after n steps?

    recall: name -> (windows, accuracies (runs, windows)). held: name -> right or wrong, steps last.
    """
    figure, (left, right) = picture(8.6, 3.0, 1, 2)
    means = []
    for (name, (windows, accuracy)), colour in zip(recall.items(), SERIES):
        accuracy = np.asarray(accuracy)
        left.plot(windows, accuracy.T, "o", color=colour, alpha=0.4, ms=5)
        left.plot(windows, accuracy.mean(axis=0), "-", color=colour, lw=2, label=name)
        means.append(
            f"{name}, window {windows[0]} {accuracy.mean(axis=0)[0]:.0%}, "
            f"window {windows[-1]} {accuracy.mean(axis=0)[-1]:.0%}"
        )
    left.axhline(0.25, color=COLOURS["reference"], ls="--", lw=1.2)
    left.text(windows[-1], 0.22, "guessing", fontsize=9, color="#555555", va="top", ha="right")
    left.axvline(lag + 1, color=COLOURS["gradient"], lw=1.2, ls=":")
    left.set(
        xlabel="training window (steps)",
        ylabel="recall accuracy",
        ylim=(0, 1.5),  # room for the legend
        yticks=np.linspace(0, 1, 6),
        title=f"what is learned (lag {lag}; dotted: reaches it)",
    )
    left.legend(frameon=False, fontsize=9, loc="upper left")
    ends = []
    for (name, right_or_wrong), colour in zip(held.items(), SERIES):
        share = right_or_wrong.reshape(-1, right_or_wrong.shape[-1]).mean(axis=0)
        right.plot(np.arange(1, len(share) + 1), share, color=colour, lw=2, label=name)
        ends.append(f"{name} {share[-1]:.0%} after {len(share)} steps")
    right.axvline(horizon, color=COLOURS["gradient"], lw=1.2, ls=":")
    right.set(
        xscale="log",
        xlabel="steps since the switch was set",
        ylabel="still named right",
        ylim=(0, 1.06),
        title=f"what is remembered (dotted: horizon {horizon})",
    )
    right.legend(frameon=False, fontsize=9, loc="lower right")
    for ax in (left, right):
        ax.title.set_fontsize(10)
    return described(
        figure,
        f"Left: recall over {lag} steps against the training window: {'; '.join(means)}. Right: a "
        f"switch set once, horizon {horizon}: {'; '.join(ends)}.",
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
        when = f"from iteration {crossed[0] + 1}" if len(crossed) else "never"
        ends.append(f"{label}: above one in a million {when}")
    ax.axhline(1e-6, color=COLOURS["reference"], ls="--", lw=1)
    ax.text(len(values), 2e-6, "one in a million", fontsize=9, color="#555555", ha="right")
    ax.set(yscale="log", xlabel="iteration", ylabel="relative difference of the loss")
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    return described(
        figure,
        "Relative differences between runs, by iteration. " + "; ".join(ends) + ".",
    )


def _shown(text):
    return ["␣" if c == " " else "⏎" if c == "\n" else c for c in text]
