"""Figures of lesson 06: what a character model has learned, and what its cells know."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from lecture_utils.visual.style import COLOURS, SERIES, Picture, described, picture

GREY = "#555555"


def bits(groups: dict[str, dict[str, float]]) -> Picture:
    """Bits per character, a panel per corpus, a bar per model, the best at the bottom."""
    most = max(map(len, groups.values()))
    figure, axes = picture(9.0, 0.28 * most + 0.9, 1, len(groups), squeeze=False)
    said = []
    for ax, (corpus, values) in zip(axes[0], groups.items()):
        names = sorted(values, key=values.get, reverse=True)
        colours = [COLOURS["hidden" if _is_network(name) else "soft"] for name in names]
        ax.barh(names, [values[name] for name in names], color=colours, height=0.72)
        for name in names:
            ax.annotate(f"{values[name]:.2f}", (values[name], name), (3, 0), va="center",
                        textcoords="offset points", fontsize=8)  # fmt: skip
        ax.invert_yaxis()
        ax.set_title(corpus, fontsize=10)
        ax.set_xlabel("bits per character")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        said.append(f"{corpus}: " + ", ".join(f"{name} {values[name]:.2f}" for name in names))
    return described(figure, "Bits per character on test text. " + "; ".join(said) + ".")


def _is_network(name):
    return name.startswith(("LSTM", "RNN"))


def two_groups(
    values: np.ndarray, label: np.ndarray, feature: str, cell: int, auc: float
) -> Picture:
    """A cell's values where a feature holds and where it does not, as two histograms."""
    figure, ax = picture(7.5, 2.5)
    edges = np.linspace(values.min(), values.max(), 61)
    for name, here, colour in (
        (f"not {feature}", ~label, COLOURS["reference"]), (feature, label, COLOURS["cell"]),
    ):  # fmt: skip
        ax.hist(values[here], edges, density=True, color=colour, alpha=0.65, label=name)
    ax.set(xlabel=f"value of cell {cell}", ylabel="density", yticks=[])
    ax.legend(frameon=False, fontsize=9)
    return described(
        figure,
        f"Values of cell {cell}: where {feature}, their mean is {values[label].mean():.2f}, "
        f"elsewhere {values[~label].mean():.2f}; AUC {auc:.3f}.",
    )


def survey(rows: list[dict]) -> Picture:
    """For each feature the best cell's score on held-out text, its interval, beside its controls.

    One panel per kind of score, as an AUC says nothing at 0.5 and a correlation at 0.

    rows: dicts with feature, kind, score, low, high, control, untrained, from_character, all_cells,
    and a score among hard cases, `hard` or `in_story`, nan where there is none.
    """
    kinds = [kind for kind in ("AUC", "r") if any(row["kind"] == kind for row in rows)]
    parts = [[row for row in rows if row["kind"] == kind] for kind in kinds]
    figure, axes = picture(
        9.0, 0.36 * len(rows) + 0.9 * len(kinds), len(kinds), 1, squeeze=False,
        gridspec_kw={"height_ratios": [len(part) for part in parts]},
    )  # fmt: skip
    for ax, kind, part in zip(axes[:, 0], kinds, parts):
        _scores(ax, part, kind)
    *others, best = zip(*axes[0, 0].get_legend_handles_labels())  # an errorbar comes last
    figure.legend(*zip(best, *others), frameon=False, fontsize=9, loc="outside right center")
    said = [f"{r['feature']} {r['score']:.2f} (untrained {r['untrained']:.2f})" for r in rows]
    return described(figure, f"Scores of the best cell per feature: {', '.join(said)}.")


def _scores(ax, rows, kind):
    places = np.arange(len(rows))
    scores = np.array([row["score"] for row in rows])
    ends = np.array([[row["low"], row["high"]] for row in rows]).T
    of_code = not all(np.isnan(row.get("hard", np.nan)) for row in rows)
    for label, style, colour, size, name in (
        ("all cells together", "|", COLOURS["hidden"], 16, "all_cells"),
        ("best cell of an untrained network", "^", COLOURS["reference"], 7, "untrained"),
        ("what the character itself says", "s", "#C4CBD1", 6, "from_character"),
        ("chance (feature displaced)", "x", GREY, 6, "control"),
    ):
        ax.plot([row[name] for row in rows], places, style, color=colour, ms=size, mew=1.8,
                label=label)  # fmt: skip
    ax.plot([row["hard" if of_code else "in_story"] for row in rows], places, "D", ms=9, mfc="none",
            mec="black", mew=1.3, zorder=4,
            label=f"the same cell, {'hard cases' if of_code else 'the story'} only")  # fmt: skip
    ax.errorbar(scores, places, xerr=np.abs(ends - scores), fmt="o", ms=5, lw=1.8, zorder=5,
                color=COLOURS["cell"], label="best cell, 95 % interval")  # fmt: skip
    ax.set_yticks(places, [row["feature"] for row in rows], fontsize=9)
    nothing = 0.5 if kind == "AUC" else 0.0
    lowest = min(nothing, *(row[name] for row in rows for name in ("score", "low", "control")))
    ax.set(xlim=(lowest - 0.02, 1.015), ylim=(len(rows) - 0.5, -0.5))
    ax.set_xlabel("AUC on held-out text (0.5: a coin)" if kind == "AUC"
                  else "|r| on held-out text (0: nothing)", fontsize=9)  # fmt: skip
    ax.grid(axis="y", color="#EEEEEE")
    ax.set_axisbelow(True)


def minimal_pair(
    with_mark: np.ndarray, without: np.ndarray, lead: int, what: str, cell: int
) -> Picture:
    """A cell along the same words with and without one mark before them; mean, middle 80 %.

    with_mark, without: (pairs, lead + after) values; the mark has come just before place `lead`.
    """
    figure, ax = picture(7.5, 2.6)
    places = np.arange(with_mark.shape[1]) - lead + 1
    said = []
    for name, values, colour in (
        (f"with {what}", with_mark, COLOURS["cell"]), (f"without {what}", without, GREY),
    ):  # fmt: skip
        low, high = np.quantile(values, [0.1, 0.9], axis=0)
        ax.fill_between(places, low, high, color=colour, alpha=0.2, lw=0)
        ax.plot(places, values.mean(axis=0), color=colour, label=name)
        said.append(f"{name} {values[:, lead:].mean():.2f}")
    ax.axvline(0, color=GREY, lw=1, ls=":")
    ax.annotate("the mark", (0, 1), (-4, -2), textcoords="offset points", fontsize=9, color=GREY,
                xycoords=("data", "axes fraction"), ha="right", va="top")  # fmt: skip
    ax.set(xlabel="characters of the quotation read", ylabel=f"value of cell {cell}")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(figure, f"Cell {cell} inside the quotation, on average: {', '.join(said)}.")


def effects(rows: dict[str, tuple[float, np.ndarray, np.ndarray]], what: str, cell: str) -> Picture:
    """What holding one cell does, beside the same for others; a row per kind of character.

    rows: name -> (effect of the cell, effects of random cells, effects of the next best cells).
    """
    figure, ax = picture(8.0, 0.55 * len(rows) + 1.0)
    said = []
    for row, (name, (own, random, next_best)) in enumerate(rows.items()):
        for values, label, mark, colour in (
            (random, "random cells", "o", COLOURS["reference"]),
            (next_best, "next best cells", "^", COLOURS["hidden"]),
        ):
            jitter = row + np.linspace(-0.25, 0.25, len(values))
            ax.plot(values, jitter, mark, ms=5, color=colour, alpha=0.7, mec="none",
                    label=label if row == 0 else None)  # fmt: skip
        ax.plot(own, row, "D", ms=9, color=COLOURS["cell"], label=cell if row == 0 else None)
        others = np.concatenate([random, next_best])
        said.append(f"{name}: {own:+.2f}, other cells {others.min():+.2f} to {others.max():+.2f}")
    ax.axvline(0, color=GREY, lw=1)
    ax.set_yticks(range(len(rows)), rows, fontsize=9)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel(what)
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return described(figure, f"{what[0].upper()}{what[1:]}. {'; '.join(said)}.")


def by_position(
    edges: np.ndarray, curves: dict[str, np.ndarray], what: str, truth: np.ndarray | None = None
) -> Picture:
    """A mean for each stretch of the line, a curve per way of reading.

    edges: of the N stretches (N + 1,); curves: name -> (N,); truth: what really happens, as bars.
    """
    figure, ax = picture(7.5, 2.8)
    centres, said = (edges[1:] + edges[:-1]) / 2, []
    if truth is not None:
        ax.bar(centres, truth, width=0.9 * np.diff(edges), color=COLOURS["soft"], zorder=0,
               label="how often it is so")  # fmt: skip
    for (name, values), colour in zip(curves.items(), SERIES):
        ax.plot(centres, values, "o-", ms=4, color=colour, label=name)
        said.append(f"{name} from {values[0]:.2f} to {values[-1]:.2f}")
    ax.set(xlabel="position in the line", ylabel=what, ylim=(-0.02, 1.02))
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    said = f"{what[0].upper()}{what[1:]} along the line: {', '.join(said)}."
    return described(figure, said.replace("\n", " "))


def time_constants(steps: np.ndarray, layers: int, marked: dict[str, int]) -> Picture:
    """For how many characters each cell's gate keeps, sorted, a curve per layer; some by name.

    steps: (cells,) of all layers side by side. marked: name -> cell.
    """
    figure, ax = picture(7.5, 2.8)
    said, size = [], len(steps) // layers
    for layer, part in enumerate(np.split(steps, layers)):
        order = np.argsort(part)
        share = np.arange(1, size + 1) / size
        ax.plot(share, part[order], color=SERIES[layer], lw=2, label=f"layer {layer + 1}")
        said.append(f"layer {layer + 1}, middle {np.median(part):.1f}")
        for k, (name, cell) in enumerate(marked.items()):
            if cell // size == layer:
                at = share[np.flatnonzero(order == cell % size)[0]]
                ax.plot(at, steps[cell], "D", color=COLOURS["cell"], ms=8, zorder=3)
                aside, side = (((-9, 4), "right"), ((9, -12), "left"))[k % 2]
                ax.annotate(name, (at, steps[cell]), aside, textcoords="offset points",
                            fontsize=9, ha=side)  # fmt: skip
                said.append(f"{name} {steps[cell]:.1f}")
    ax.set(yscale="log", xlabel="share of the cells that keep for less long",
           ylabel="characters until\n63 % are forgotten")  # fmt: skip
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.legend(frameon=False, fontsize=9)
    return described(figure, f"Characters until 63 % are forgotten: {'; '.join(said)}.")


def saturation(gates: dict[str, np.ndarray], layers: int) -> Picture:
    """For each gate a panel: share of the time above 0.9 against share below 0.1, a dot per cell.

    gates: name -> (T, cells) of all layers side by side.
    """
    figure, axes = picture(9.0, 3.2, 1, len(gates), sharey=True)
    said = []
    for ax, (name, values) in zip(axes, gates.items()):
        left, right = (values < 0.1).mean(0), (values > 0.9).mean(0)
        for layer, (x, y) in enumerate(zip(np.split(right, layers), np.split(left, layers))):
            ax.plot(x, y, "o", ms=3, mec="none", color=SERIES[layer],
                    label=f"layer {layer + 1}")  # fmt: skip
            said.append(f"{name}, layer {layer + 1}: open {x.mean():.0%}, closed {y.mean():.0%}")
        ax.plot([0, 1], [1, 0], color="#CCCCCC", lw=1, zorder=0)
        ax.set(title=name, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="time open (above 0.9)")
        ax.title.set_fontsize(10)
    axes[0].set_ylabel("time closed (below 0.1)")
    axes[-1].legend(frameon=False, fontsize=9)
    return described(figure, "Gates and their extremes, means over cells. " + "; ".join(said) + ".")


def closing(curves: dict[str, dict[str, tuple]]) -> Picture:
    """Probability of the right closing mark against its distance: panel -> model -> (x, p)."""
    figure, axes = picture(9.0, 3.0, 1, len(curves), sharey=True, squeeze=False)
    said, names = [], dict.fromkeys(name for models in curves.values() for name in models)
    colours = dict(zip(names, SERIES))
    for ax, (panel, models) in zip(axes[0], curves.items()):
        for name, (x, p) in models.items():
            ax.plot(x, p, "o-", ms=4, color=colours[name], label=name)
            said.append(f"{panel}, {name}: {p[0]:.2f} at {x[0]}, {p[-1]:.2f} from {x[-1]}")
        ax.set(xscale="log", title=panel, ylim=(0, 1),
               xlabel="characters since the opening mark, at least")  # fmt: skip
        ax.title.set_fontsize(10)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes[0, 0].set_ylabel("probability of the\nright closing mark")
    figure.legend(handles=[Line2D([], [], marker="o", ms=4, color=colour, label=name)
                           for name, colour in colours.items()],
                  loc="outside right center", frameon=False, fontsize=9)  # fmt: skip
    return described(figure, f"Probability of the closing mark by distance. {'; '.join(said)}.")


def context(curves: dict[str, tuple]) -> Picture:
    """Bits of a character against how many characters before it were read: model -> (x, bits)."""
    figure, ax = picture(7.5, 3.0)
    for (name, (x, values)), colour in zip(curves.items(), SERIES):
        ax.plot(x, values, "o-", ms=4, color=colour, label=name)
    ax.set(xscale="log", yscale="log", xlabel="characters before that are the text's own",
           ylabel="bits per character")  # fmt: skip
    ax.set_yticks([1.5, 2, 3, 4, 6])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    ax.legend(frameon=False, fontsize=9)
    said = [f"{name}: {v[0]:.2f} after {x[0]}, {v[-1]:.2f} after {x[-1]}"
            for name, (x, v) in curves.items()]  # fmt: skip
    return described(figure, "Bits per character by length of context. " + "; ".join(said) + ".")
