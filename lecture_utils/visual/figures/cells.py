"""Figures of lesson 05: many cells on one bench, and what searches find."""

import numpy as np
from matplotlib.colors import LogNorm

from lecture_utils.visual.style import COLOURS, MAGNITUDE, SERIES, Picture, described, picture

GREY = "#555555"


def reaches(curves: dict[str, np.ndarray], floor: float = 1e-6) -> Picture:
    """One row per cell: how much of a gradient is left, by steps back, farthest reach on top.

    curves: gradient norms relative to the last step's, nearest first (k = 0, 1, ...).
    """
    reach = {name: int((curve > 0.01).cumprod().sum()) for name, curve in curves.items()}
    names = sorted(curves, key=lambda name: (-reach[name], -curves[name][-1]))
    rows = np.clip([curves[name] for name in names], floor, 1)
    figure, ax = picture(8.6, 0.26 * len(names) + 1.0)
    image = ax.imshow(rows, aspect="auto", cmap=MAGNITUDE, norm=LogNorm(floor, 1))
    for row, name in enumerate(names):
        if reach[name] < rows.shape[1]:
            end = reach[name] - 0.5
            ax.plot([end, end], [row - 0.45, row + 0.45], color=COLOURS["output"], lw=2)
    ax.set_yticks(range(len(names)), names, fontsize=9)
    ax.set_xlabel("steps back")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    bar = figure.colorbar(image, ax=ax, pad=0.01, aspect=30)
    bar.set_label("gradient, relative to the last step", fontsize=9)
    bar.outline.set_visible(False)
    ax.plot([], [], color=COLOURS["output"], lw=2, label="down to 1 %")
    ax.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderpad=0)
    return described(
        figure,
        "Gradient against steps back, one row per cell; it falls to 1 % after "
        + ", ".join(f"{name} {reach[name]}" for name in names)
        + f" steps ({rows.shape[1]}: never).",
    )


def bench(
    scores: dict[str, dict[str, np.ndarray]],
    trivial: dict[str, float],
    bounded: tuple[str, ...] = (),
) -> Picture:
    """Task -> cell -> shares of right answers, a dot each; a bar at the mean; cells in given order.

    trivial: what an answer that ignores the past gets. bounded: cells whose state cannot add up,
    drawn in another colour.
    """
    cells = list(next(iter(scores.values())))
    figure, axes = picture(9.2, 0.27 * len(cells) + 1.2, columns=len(scores), sharey=True)
    said = []
    for ax, (task, found) in zip(np.ravel(axes), scores.items()):
        for row, name in enumerate(cells):
            colour = COLOURS["output"] if name in bounded else COLOURS["hidden"]
            ax.plot(found[name], [row] * len(found[name]), "o", ms=4, color=colour, alpha=0.45,
                    mec="none")  # fmt: skip
            ax.plot([found[name].mean()] * 2, [row - 0.38, row + 0.38], color=colour, lw=2)
        ax.set_title(f"{task}\n(without the past {trivial[task]:.0%})", fontsize=9, loc="left")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        ax.grid(axis="y", color="#EEEEEE", lw=0.8)
        ax.set_axisbelow(True)
        best = max(found, key=lambda name: found[name].mean())
        worst = min(found, key=lambda name: found[name].mean())
        said.append(
            f"{task}: {best} {found[best].mean():.1%}, {worst} {found[worst].mean():.1%}, "
            f"without the past {trivial[task]:.1%}"
        )
    first = np.ravel(axes)[0]
    first.set_yticks(range(len(cells)), cells, fontsize=9)
    first.invert_yaxis()
    for colour, label in (("hidden", "state can grow"), ("output", "state is bounded")):
        first.plot([], [], "o", ms=4, color=COLOURS[colour], label=label)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    figure.supxlabel("right answers on test sequences; dots: networks, bars: means", fontsize=9)
    return described(
        figure,
        f"{len(cells)} cells, one row each, one panel per task; best and worst mean. "
        f"{'; '.join(said)}.",
    )


def generations(
    kinds: dict[str, np.ndarray], marks: dict[str, float], fresh: dict[str, np.ndarray]
) -> Picture:
    """Best score so far (runs, children) of each kind of search, and the winners' second exam.

    marks: cells to know the height of. fresh: the winners' scores from new starts, (runs,).
    """
    figure, (ax, exam) = picture(8.6, 3.2, columns=2, sharey=True, width_ratios=[4, 1])
    said = []
    for place, ((name, best), colour) in enumerate(zip(kinds.items(), SERIES)):
        for run, line in enumerate(best):
            ax.plot(line, color=colour, lw=1.4, alpha=0.8, label=name if run == 0 else None)
        jitter = place + np.linspace(-0.15, 0.15, len(best))
        exam.plot(jitter, fresh[name], "D", ms=5, color=colour, alpha=0.8, mec="none")
        said.append(f"{name}: {best[:, -1].min():.0%} to {best[:, -1].max():.0%}, from new starts "
                    f"{fresh[name].min():.0%} to {fresh[name].max():.0%}")  # fmt: skip
    for name, height in marks.items():
        for each in (ax, exam):
            each.axhline(height, color=COLOURS["reference"], ls="--", lw=1, zorder=0)
        ax.annotate(name, (0.51, height), (0, -3), xycoords=("axes fraction", "data"), va="top",
                    textcoords="offset points", fontsize=8, color=GREY)  # fmt: skip
    ax.set_ylim(bottom=min(marks.values(), default=0.06) - 0.06)
    ax.set(xlabel="mutants tried", ylabel="best share of right answers so far")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.legend(frameon=False, fontsize=9, loc="center right", bbox_to_anchor=(1, 0.3))
    exam.set_xticks(range(len(kinds)), kinds, fontsize=8)
    exam.set_xlim(-0.6, len(kinds) - 0.4)
    exam.set_xlabel("the winners again,\nfrom new starts")
    return described(figure, f"Best score by mutants tried. {'; '.join(said)}.")


def tree(choices) -> Picture:
    """The ten choices of a cell of the controller, on the tree that they fill in.

    choices: s_0, F_0, s_1, F_1, s_2, F_2, s_3, F_3, new, into.
    """
    s_0, F_0, s_1, F_1, s_2, F_2, s_3, F_3, new, into = choices
    figure, ax = picture(8.2, 2.9)
    places = [(2.6, 0.5), (2.6, 2.1), (7.2, 1.3)]
    names = ["leaf 0", "leaf 1", "root"]
    inside = [(s_0, F_0), (s_1, F_1), (s_2, F_2)]
    taken = int(into)
    x, y = places[taken]
    inject = (x + 2.3, y)
    for k, ((px, py), name, (sign, function)) in enumerate(zip(places, names, inside)):
        _box(ax, px, py, f"$s_{k}$: {sign}    $F_{k}$: {function}", COLOURS["hidden"])
        ax.text(px, py + 0.36, name, ha="center", va="bottom", fontsize=8, color=GREY)
    _box(ax, *inject, f"$s_3$: {s_3}    $F_3$: {F_3}", COLOURS["cell"])
    for k in (0, 1):
        px, py = places[k]
        reads = f"$W_{k}x_t,\\; U_{k}h_{{t-1}}$"
        ax.text(px - 1.45, py, reads, ha="right", va="center", fontsize=10)
        _arrow(ax, (px - 1.4, py), (px - 0.95, py))
        start = inject if k == taken else (px, py)
        _arrow(ax, (start[0] + 0.95, start[1]), (6.25, 1.3))
    _arrow(ax, (x + 0.95, y), (inject[0] - 0.95, y))
    outside = y + (0.62 if taken else -0.62)
    ax.text(inject[0], outside, "$c_{t-1}$", ha="center", va="center", fontsize=11)
    _arrow(ax, (inject[0], outside - 0.18 * (1 if taken else -1)),
           (inject[0], y + (0.3 if taken else -0.3)))  # fmt: skip
    _arrow(ax, (8.15, 1.3), (8.65, 1.3))
    ax.text(8.7, 1.3, "$h_t$", ha="left", va="center", fontsize=12)
    nx, ny = places[int(new)]
    ax.annotate("$c_t$: before $F$", (nx, ny - 0.3), (nx, ny - 0.62), ha="center", va="top",
                fontsize=10, color=COLOURS["output"],
                arrowprops={"arrowstyle": "<-", "color": COLOURS["output"]})  # fmt: skip
    ax.set(xlim=(-0.6, 9.2), ylim=(-0.5, 3.0))
    ax.axis("off")
    return described(
        figure,
        f"A tree of two leaves and a root. Leaf 0: {s_0}, then {F_0}; leaf 1: {s_1}, then {F_1}; "
        f"the old cell state joins leaf {into} by {s_3}, then {F_3}; root: {s_2}, then {F_2}, is "
        f"h; the new cell state is that of {names[int(new)]}, before its function.",
    )


def _box(ax, x, y, text, colour):
    frame = {"boxstyle": "round,pad=0.45", "fc": "white", "ec": colour, "lw": 1.6}
    ax.text(x, y, text, ha="center", va="center", fontsize=10, bbox=frame)


def _arrow(ax, start, end):
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.2})


def searchers(
    scores: np.ndarray, known: dict[str, float], curves: dict[str, np.ndarray]
) -> Picture:
    """All cells of a search space, and how fast two searches find a good one in it.

    scores: of every cell. known: cells to compare with. curves: best so far (runs, cells tried).
    """
    figure, (ax, race) = picture(9.2, 3.3, columns=2)
    ax.hist(scores, bins=np.linspace(0, 1, 41), color=COLOURS["soft"], ec="white")
    for (name, score), height in zip(known.items(), np.linspace(0.94, 0.6, len(known))):
        ax.axvline(score, color=COLOURS["hidden"], lw=1.4)
        side = -1 if score > 0.5 else 1
        ax.annotate(name, (score, height), (4 * side, 0), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha="right" if side < 0 else "left", va="center",
                    fontsize=9, color=COLOURS["hidden"])  # fmt: skip
    ax.set(xlabel="share of right answers", ylabel="cells", yscale="log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_title(f"all {len(scores):,} cells", fontsize=10, loc="left")
    said = []
    for (name, best), colour in zip(curves.items(), SERIES[1:]):
        tried = np.arange(1, best.shape[1] + 1)
        low, middle, high = np.quantile(best, (0.25, 0.5, 0.75), axis=0)
        race.plot(tried, middle, color=colour, lw=2, label=name)
        race.fill_between(tried, low, high, color=colour, alpha=0.18, lw=0)
        said.append(f"{name}: median {middle[-1]:.0%}")
    race.axhline(scores.max(), color=COLOURS["reference"], ls="--", lw=1.2)
    race.annotate("the best there is", (1, scores.max()), (0, 3), textcoords="offset points",
                  fontsize=8, color=GREY)  # fmt: skip
    race.set(xlabel="cells tried", ylabel="best so far", xscale="log")
    race.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    race.set_title(f"{best.shape[0]} runs each: median and middle half", fontsize=10, loc="left")
    race.legend(frameon=False, fontsize=9, loc="lower right")
    others = ", ".join(f"{name} {score:.0%}" for name, score in known.items())
    return described(
        figure,
        f"Scores of {len(scores):,} cells: median {np.median(scores):.0%}, best "
        f"{scores.max():.0%}; {others}. Best found after {best.shape[1]} cells: {'; '.join(said)}.",
    )


def writing(rewards: np.ndarray, baselines: np.ndarray, width: int = 8) -> Picture:
    """Rewards of a controller's cells, one by one, and the average it compares them with."""
    figure, ax = picture(7.8, 2.8)
    ax.plot(np.arange(1, len(rewards) + 1), rewards, "o", ms=4, color=COLOURS["hidden"], alpha=0.6,
            mec="none", label="a cell's reward R")  # fmt: skip
    ax.plot(np.arange(1, len(rewards) + 1), baselines, color=COLOURS["output"], lw=2,
            label="moving average b")  # fmt: skip
    ax.set(xlabel="cells written", ylabel="share of right answers", ylim=(0, 1.03))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(
        figure,
        f"Rewards of {len(rewards)} cells written one after the other: mean of the first {width} "
        f"{rewards[:width].mean():.0%}, of the last {width} {rewards[-width:].mean():.0%}.",
    )
