"""Figures of lesson 03: what happens to a gradient on its way back, and what helps."""

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from lecture_utils.visual.style import (
    COLOURS,
    MAGNITUDE,
    SERIES,
    Picture,
    described,
    heat,
    picture,
    shades,
)

GREY = "#555555"
METHODS = ["#777777", *SERIES]  # the first is the baseline


def two_roads(steps: int = 2) -> Picture:
    """What stands on the road from one state to the next, in a vanilla RNN and in an LSTM."""
    figure, axes = picture(8.8, 2.3, 2, 1)
    roads = (
        ("vanilla RNN", "h", "hidden", [r"$\times\,W_{hh}$", r"$+\,W_{xh}x$", r"$\tanh$"]),
        ("LSTM", "c", "cell", [r"$\odot\,f$", r"$+\,i\odot g$"]),
    )
    for ax, (name, letter, quantity, stations) in zip(axes, roads):
        stretch = 1.0 / (len(stations) + 1)
        for step in range(steps + 1):
            index = "t" if step == steps else f"t-{steps - step}"
            ax.text(step, 0, f"${letter}_{{{index}}}$", ha="center", va="center", fontsize=13,
                    color=COLOURS["hidden"] if letter == "h" else "#8A5A00")  # fmt: skip
            if step == steps:
                continue
            for place, station in enumerate(stations, 1):
                x = step + place * stretch
                ax.add_patch(
                    FancyBboxPatch(
                        (x - 0.085, -0.32), 0.17, 0.64, boxstyle="round,pad=0,rounding_size=0.04",
                        facecolor="white", edgecolor=COLOURS[quantity], lw=1.5, zorder=2,
                    )
                )  # fmt: skip
                ax.text(x, 0, station, ha="center", va="center", fontsize=10.5, zorder=3)
            ax.add_patch(
                FancyArrowPatch((step + 0.09, 0), (step + 0.92, 0), arrowstyle="-|>", zorder=1,
                                mutation_scale=10, color=COLOURS[quantity], shrinkA=0, shrinkB=0)
            )  # fmt: skip
        ax.text(-0.14, 0, name, ha="right", va="center", fontsize=10)
        ax.set(xlim=(-0.5, steps + 0.12), ylim=(-0.5, 0.5))
        ax.axis("off")
    return described(
        figure,
        f"Two roads over {steps} steps. Vanilla RNN: from each h to the next through a product "
        "with W_hh, a sum with the input, and a tanh. LSTM: from each c to the next through an "
        "element-wise product with f, and a sum with i times g: no matrix, no tanh.",
    )


def three_readings(true, rows, columns) -> Picture:
    """One Jacobian, and the two ways in which the slide's line can be read."""
    figure, axes = picture(8.6, 2.7, 1, 3)
    limit = float(max(np.abs(m).max() for m in (true, rows, columns)))
    titles = ("autograd", "rows times tanh′", "columns times tanh′")
    errors = [np.abs(m - true).max() for m in (true, rows, columns)]
    for ax, matrix, title, error in zip(axes, (true, rows, columns), titles, errors):
        heat(ax, matrix, limit, numbers="{:+.2f}")
        right = "" if matrix is true else " = right" if error < 1e-9 else f": off by {error:.2f}"
        ax.set_title(title + right, fontsize=10)
        ax.set_aspect("equal")
    return described(
        figure,
        f"Three {len(true)} by {len(true)} matrices. Multiplying the rows of W_hh by tanh′ gives "
        f"autograd's Jacobian (largest difference {errors[1]:.0e}); multiplying the columns "
        f"is off by up to {errors[2]:.2f}.",
    )


def three_views(norms, singular, powers) -> Picture:
    """Along one run: norm of d L / d h_k, singular values of the product, powers of W_hh.

    norms: (T + 1,). singular: (T + 1, H), largest first. powers: (T + 1,). All for k = 0 ... T.
    """
    steps, T = np.arange(len(norms)), len(norms) - 1
    figure, ax = picture(7.8, 3.6)
    ax.fill_between(steps, np.median(singular, axis=1), singular[:, 0], color=COLOURS["soft"],
                    lw=0, label="singular values of the product,\nmedian to largest")  # fmt: skip
    ax.plot(steps, powers, "--", color=COLOURS["hidden"], lw=1.6,
            label=r"without tanh: $\|W_{hh}^{\,T-k}\|$")  # fmt: skip
    ax.plot(steps, norms / norms[-1], color=COLOURS["gradient"], lw=2.2,
            label=r"$\|\partial L/\partial h_k\|\;/\;\|\partial L/\partial h_T\|$")  # fmt: skip
    ax.set(yscale="log", ylabel="length", ylim=(norms[0] / norms[-1] / 100, 30))
    _towards_the_loss(ax, T)
    ax.legend(frameon=False, fontsize=9, loc="upper left")
    return described(
        figure,
        f"Log plot over {T} steps. Going back, the gradient's length falls to "
        f"{norms[0] / norms[-1]:.1e} of what it was, the largest singular value of the product to "
        f"{singular[0, 0]:.1e}, the norm of the power of W_hh to {powers[0]:.1e}.",
    )


def _towards_the_loss(ax, T):
    """The step on the x axis, with the loss at the right: gradients travel from right to left."""
    ax.set(xlabel="state k   (the loss is at the right, the gradient goes left)", xlim=(0, T))


def slopes(fresh, trained) -> Picture:
    """How often tanh' takes which value, in a fresh and in a trained network."""
    figure, axes = picture(8.2, 2.6, 1, 2, sharey=True)
    edges = np.linspace(0, 1, 26)
    for ax, values, name in zip(axes, (fresh, trained), ("fresh", "trained")):
        values = np.ravel(values)
        ax.hist(values, edges, weights=np.full(values.size, 1 / values.size),
                color=COLOURS["hidden"])  # fmt: skip
        ax.axvline(values.mean(), color=COLOURS["gradient"], lw=1.6)
        ha, shift = ("left", 6) if values.mean() < 0.5 else ("right", -8)
        ax.annotate(f"mean {values.mean():.2f}", (values.mean(), 0.6), (shift, 0), ha=ha,
                    xycoords=("data", "axes fraction"), textcoords="offset points",
                    color=COLOURS["gradient"], fontsize=9)  # fmt: skip
        ax.set(xlabel="tanh′ = 1 − h²", title=name, xlim=(0, 1))
        ax.title.set_fontsize(10)
    axes[0].set_ylabel("share of units and steps")
    return described(
        figure,
        f"Histograms of tanh′. Fresh network: mean {np.mean(fresh):.2f}. Trained: mean "
        f"{np.mean(trained):.2f}, {np.mean(np.asarray(trained) < 0.1):.0%} of all below 0.1.",
    )


def gains(by_gain: dict[str, dict[float, np.ndarray]]) -> Picture:
    """Length of the gradient by step, one line per gain; one panel per non-linearity."""
    figure, axes = picture(8.8, 3.4, 1, len(by_gain), sharey=True)
    ends = []
    for ax, (name, curves) in zip(np.ravel(axes), by_gain.items()):
        for (gain, norms), shade in zip(curves.items(), np.linspace(0.35, 1, len(curves))):
            ax.plot(norms, color=shades("gradient")(shade), lw=1.8)
            ax.annotate(f"{gain:g}", (0, norms[0]), (-4, 0), textcoords="offset points",
                        ha="right", va="center", fontsize=8, color="#333333")  # fmt: skip
            ends.append(f"{name}, gain {gain:g}: {norms[0]:.0e}")
        T = len(norms) - 1
        ax.axhline(1, color=COLOURS["reference"], lw=1, ls="--")
        _towards_the_loss(ax, T)
        ax.set(yscale="log", title=name, xlabel="state k   (loss at the right)")
        ax.set_xlim(-0.12 * T, T)
        ax.set_xticks(range(0, T + 1, 10))
        ax.title.set_fontsize(10)
    np.ravel(axes)[0].set_ylabel(r"$\|\partial L/\partial h_k\|\;/\;\|\partial L/\partial h_T\|$")
    return described(
        figure, f"Length of the gradient after {T} steps back. " + "; ".join(ends) + "."
    )


def stretch_then_vanish(norms, sigma: float, rho: float) -> Picture:
    """|W^n| of a matrix with a large singular value and a small spectral radius."""
    steps = np.arange(len(norms))
    figure, ax = picture(7.2, 3.0)
    ax.plot(steps, sigma**steps, ":", color=COLOURS["reference"], lw=1.6)
    ax.plot(steps, rho**steps, "--", color=COLOURS["reference"], lw=1.6)
    ax.plot(steps, norms, color=COLOURS["gradient"], lw=2.2)
    top = 30 * max(norms)
    crossing = int(np.log(top) / np.log(sigma))
    ax.annotate(rf"$\sigma_1^n$, $\sigma_1$ = {sigma:.2f}", (crossing, sigma**crossing), (8, 0),
                textcoords="offset points", fontsize=9, color=GREY, va="top")  # fmt: skip
    place = len(steps) // 2
    ax.annotate(rf"$\rho^n$, $\rho$ = {rho:.2f}", (place, rho**place), (-6, -4), ha="right",
                va="top", textcoords="offset points", fontsize=9, color=GREY)  # fmt: skip
    ax.annotate(r"$\|W^n\|$", (place, norms[place]), (6, 4), textcoords="offset points",
                fontsize=10, color=COLOURS["gradient"])  # fmt: skip
    ax.set(yscale="log", xlabel="n", ylim=(rho ** steps[-1] / 3, top), xlim=(0, steps[-1]))
    return described(
        figure,
        f"The norm of W^n rises to {max(norms):.1f} at n = {int(np.argmax(norms))}, then falls, "
        f"to {norms[-1]:.0e} at n = {steps[-1]}, in parallel to {rho:.2f}^n and ever further below "
        f"{sigma:.2f}^n.",
    )


def cliff(surface, walks: dict[str, np.ndarray]) -> Picture:
    """The loss of a one-unit network over (w, b), from the side and from above, with descents.

    surface: (ws, bs, losses (len bs, len ws)). walks: name -> (steps, 3), columns w, b, loss.
    """
    ws, bs, losses = surface
    figure = Picture(figsize=(9, 3.9), layout="constrained")
    grid = figure.add_gridspec(1, 2, width_ratios=[1.15, 1])
    side = figure.add_subplot(grid[0], projection="3d", computed_zorder=False)
    side.plot_surface(*np.meshgrid(ws, bs), losses, cmap=MAGNITUDE, rcount=160, ccount=160, lw=0,
                      antialiased=False, zorder=1, vmax=0.35)  # fmt: skip
    above = figure.add_subplot(grid[1])
    image = above.imshow(losses, origin="lower", extent=(ws[0], ws[-1], bs[0], bs[-1]),
                         aspect="auto", cmap=MAGNITUDE, vmax=0.35, vmin=0)  # fmt: skip
    figure.colorbar(image, ax=above, shrink=0.85, label="loss")
    ends = []
    for (name, walk), colour in zip(walks.items(), (COLOURS["output"], COLOURS["hidden"])):
        w, b, loss = walk.T
        inside = (w >= ws[0]) & (w <= ws[-1]) & (b >= bs[0]) & (b <= bs[-1])
        last = len(w) if inside.all() else int(np.argmin(inside))  # until it leaves the picture
        early = min(last, 100)  # the first meetings with the wall: all of them would be a blot
        side.plot(w[:early], b[:early], loss[:early] + 0.012, color=colour, lw=1.3, zorder=3)
        above.plot(w[: last + 1], b[: last + 1], color=colour, lw=1.4, label=name)
        if last == len(w):
            above.plot(w[-1], b[-1], "o", color=colour, ms=6, mec="white", zorder=4)
            above.annotate("end", (w[-1], b[-1]), (-6, 6), textcoords="offset points", fontsize=9,
                           ha="right", color=colour)  # fmt: skip
        else:
            label = f"{name}: thrown to\n({w[last]:.1f}, {b[last]:.1f})"
            above.annotate(label, (0.97, 0.97), xycoords="axes fraction", fontsize=9, ha="right",
                           va="top", color=colour)  # fmt: skip
        far = np.hypot(np.diff(w), np.diff(b)).max()
        ends.append(f"{name}: longest step {far:.2g}, loss at the end {loss[-1]:.1e}")
    start = next(iter(walks.values()))[0]
    above.plot(*start[:2], "o", color="black", ms=5, zorder=4)
    above.annotate("start", start[:2], (6, 2), textcoords="offset points", fontsize=9)
    side.plot(*start[:2], start[2] + 0.012, "o", color="black", ms=4, zorder=4)
    above.set(xlabel="w", ylabel="b", xlim=(ws[0], ws[-1]), ylim=(bs[0], bs[-1]))
    above.legend(fontsize=9, loc="lower left")
    above.tick_params(labelsize=9, color="#666666")
    side.set(xlabel="w", ylabel="b")
    side.view_init(elev=32, azim=52)
    side.tick_params(labelsize=8)
    for axis in (side.xaxis, side.yaxis, side.zaxis):
        axis.pane.set_alpha(0)
    return described(
        figure,
        "Loss of a one-unit network over weight and bias, as a surface and from above: two plains "
        f"with a steep wall between. {'; '.join(ends)}.",
    )


def two_clippings(raw, by_norm, by_value) -> Picture:
    """A gradient of two entries, and what is left of it after each way of clipping."""
    figure, ax = picture(5.2, 3.2)
    limit = 1.2 * max(np.abs(by_norm).max(), np.abs(by_value).max())
    unit, signs = raw / np.linalg.norm(raw), np.sign(raw)
    ax.plot([0, 3 * limit * unit[0]], [0, 3 * limit * unit[1]], color=COLOURS["reference"], lw=1.2,
            ls="--")  # fmt: skip
    left = "value" if by_value[0] < by_norm[0] else "norm"
    for vector, colour, name in (
        (by_norm, COLOURS["hidden"], "norm"),
        (by_value, COLOURS["output"], "value"),
    ):
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2.2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", vector, (0, 0), arrowprops=arrow)
        ha, shift = ("right", -7) if name == left else ("left", 7)
        ax.annotate(f"by {name}", vector, (shift, 0), textcoords="offset points", color=colour,
                    fontsize=10, ha=ha, va="center")  # fmt: skip
    cosines = [float(v @ unit / np.linalg.norm(v)) for v in (by_norm, by_value)]
    ax.set(xlim=sorted((-0.15 * limit * signs[0], 1.25 * limit * signs[0])),
           ylim=sorted((-0.15 * limit * signs[1], 1.25 * limit * signs[1])),
           xlabel=r"$\partial L/\partial w$", ylabel=r"$\partial L/\partial b$")  # fmt: skip
    ax.set_aspect("equal")
    return described(
        figure,
        f"A gradient of length {np.linalg.norm(raw):.0f}, its direction as a dashed line. Clipped "
        f"by norm it lies on the line (cosine {cosines[0]:.3f}), by value beside it "
        f"(cosine {cosines[1]:.3f}).",
    )


def learning(curves: dict[str, tuple], chance: float) -> Picture:
    """Accuracy against update for several methods; a dot where a method is done."""
    figure, ax = picture(8.4, 3.0)
    ends = []
    for (name, (steps, accuracy)), colour in zip(curves.items(), METHODS):
        wide = {"lw": 5, "alpha": 0.4} if not ends else {"lw": 1.8}  # seen below an equal one
        ax.plot(steps, accuracy, "-", color=colour, label=name, **wide)
        ax.plot(steps[-1], accuracy[-1], "o", color=colour, ms=5)
        ends.append(f"{name} {accuracy[-1]:.0%} after {steps[-1]:,}")
    ax.axhline(chance, color=COLOURS["reference"], ls="--", lw=1.2)
    ax.annotate("guessing", (1, chance), (-4, -4), xycoords=("axes fraction", "data"), ha="right",
                textcoords="offset points", va="top", fontsize=9, color=GREY)  # fmt: skip
    ax.set(xscale="log", xlabel="update", ylabel="accuracy", ylim=(0, 1.05))
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(figure, "Accuracy against update: " + "; ".join(ends) + ".")


def against_lag(
    lengths, results: dict[str, dict[str, np.ndarray]], levels: dict[str, dict[str, float]]
) -> Picture:
    """Accuracy against length: puzzle -> method -> (runs, lengths), one panel each.

    levels: puzzle -> what an answer is worth that knows less, by name; drawn as lines.
    """
    figure, axes = picture(9.2, 3.3, 1, len(results), sharey=True)
    said = []
    for ax, (puzzle, methods) in zip(axes, results.items()):
        for place, ((method, accuracy), colour) in enumerate(zip(methods.items(), METHODS)):
            shift = 1.03 ** (place - len(methods) / 2)  # so that equal dots stay visible
            ax.plot(np.array(lengths) * shift, accuracy.T, "o", color=colour, alpha=0.45, ms=4)
            ax.plot(np.array(lengths) * shift, accuracy.mean(axis=0), color=colour, lw=1.9,
                    label=method)  # fmt: skip
            said.append(f"{puzzle}, {method}: {_list(accuracy.mean(axis=0))}")
        for name, level in levels[puzzle].items():
            ax.axhline(level, color=COLOURS["reference"], ls="--", lw=1.1, zorder=0)
            ax.annotate(name, (0, level), (3, -2), xycoords=("axes fraction", "data"), va="top",
                        textcoords="offset points", fontsize=8, color=GREY)  # fmt: skip
        ax.set(xscale="log", xlabel="length of the sequence", title=puzzle, ylim=(0, 1.05))
        ax.set_xticks(lengths, [str(n) for n in lengths])
        ax.minorticks_off()
        ax.title.set_fontsize(10)
    axes[0].set_ylabel("accuracy")
    axes[-1].legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    lengths = ", ".join(map(str, lengths))
    return described(figure, f"Mean accuracy at {lengths} steps. " + "; ".join(said) + ".")


def _list(shares):
    return ", ".join(f"{share:.0%}" for share in shares)
