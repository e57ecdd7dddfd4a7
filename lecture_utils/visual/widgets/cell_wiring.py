"""Two recurrent cells side by side: equations, wiring, number of weights, reach of the gradient.

Equations are lines such as `c_t = f_t * c_{t-1} + i_t * g_t`; `cell_graph` says how they are read.
With inputs as wide as the state, a cell of H units has squares H^2 + vectors H weights. T steps.
"""

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
import traitlets
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import NullLocator

from lecture_utils.visual.cell_graph import Layout, lay_out, letters, read_cell
from lecture_utils.visual.style import SERIES, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, bundle, counted, numbers, pack, unpack

LARGEST = 512
MOST = 40
LONGEST = 1000
SHARE = 0.01
FLOOR = 1e-12
SIDES = ("left", "right")


class Wiring(NamedTuple):
    """A cell: its equations; how many H x H matrices and vectors of H numbers it has; and, for
    k = 0, ..., T-1, the norm of the gradient of the last state with respect to the input k steps
    back, divided by that at k = 0."""

    equations: Sequence[str]
    squares: int
    vectors: int
    gradient: Sequence[float]


class CellWiring(LectureWidget):
    """Choose any two of the cells and see what differs.

    cells: name -> `Wiring`. hidden_size: 1 to 512.

    `left` and `right` (names) and `hidden_size` are shared with the browser.
    """

    _esm, _css = bundle("cell_wiring")

    cells = traitlets.List(traitlets.Dict()).tag(sync=True)
    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)
    hidden_size = traitlets.Int(32).tag(sync=True)

    def __init__(self, cells, left="LSTM", right="GRU", hidden_size=32):
        cells = _checked_cells(cells)
        hidden_size = checks.whole_number("hidden_size", hidden_size, 1, LARGEST)
        names = [cell["name"] for cell in cells]
        for side in (left, right):
            _check_name(side, names)
        super().__init__(cells=cells, left=left, right=right, hidden_size=hidden_size)

    def __repr__(self):
        counts = " and ".join(f"{self.parameters(name):,}" for name in (self.left, self.right))
        return (f"CellWiring({len(self.cells)} cells: {self.left} | {self.right}, H = "
                f"{self.hidden_size}: {counts} weights)")

    @traitlets.validate("left", "right")
    def _cell_is_known(self, proposal):
        _check_name(proposal["value"], [cell["name"] for cell in self.cells])
        return proposal["value"]

    @traitlets.validate("hidden_size")
    def _size_fits(self, proposal):
        return min(max(proposal["value"], 1), LARGEST)

    def _cell(self, name: str) -> dict:
        _check_name(name, [cell["name"] for cell in self.cells])
        return next(cell for cell in self.cells if cell["name"] == name)

    def parameters(self, name: str) -> int:
        """How many weights the cell has at the current hidden size, with D = H."""
        cell, H = self._cell(name), self.hidden_size
        return cell["squares"] * H**2 + cell["vectors"] * H

    def reach(self, name: str) -> int | None:
        """After how many steps a gradient is at 1 % or below for the first time; None if never."""
        return self._cell(name)["reach"]

    def roads(self, name: str) -> list[str]:
        """The states, such as "c", whose past reaches them past no matrix and no function."""
        return self._cell(name)["roads"]

    def differing(self, name: str, other: str) -> list[str]:
        """The equations of `name` that `other` does not have, as they were written."""
        theirs = [line["terms"] for line in self._cell(other)["lines"]]
        return [line["text"] for line in self._cell(name)["lines"] if line["terms"] not in theirs]

    def poster(self):
        names = [self.left, self.right]
        figure, axes = picture(8.4, 5.6, rows=2, columns=2, height_ratios=[1.7, 1])
        wide = max(len(self._cell(name)["gaps"]) for name in names)
        high = max(self._cell(name)["height"] for name in names)
        for ax, name, colour in zip(axes[0], names, SERIES):
            cell = self._cell(name)
            _draw(ax, cell, colour)
            ax.set(xlim=(-HALF - 0.1, wide + 2 * HALF + 0.2), ylim=(high + 8, -8))
            ax.axis("off")
            ax.set_title(f"{name}: {self._road_in_words(cell)}", fontsize=10, color=colour,
                         loc="left", parse_math=False)
        flow, bars = axes[1]
        for name, colour, style in zip(names, SERIES, ("-", "--")):
            gradient = np.maximum(unpack(self._cell(name)["gradient"]), FLOOR / 1e6)
            flow.semilogy(gradient, style, lw=2, color=colour)
        flow.set_ylim(bottom=max(FLOOR, flow.get_ylim()[0]))
        flow.axhline(SHARE, lw=0.8, color="#97a3ad")
        flow.yaxis.set_minor_locator(NullLocator())
        flow.set_title("gradient, relative to the last input; grey: 1 %", fontsize=9, loc="left")
        flow.set_xlabel("steps back", fontsize=9)
        counts = [self.parameters(name) for name in names]
        bars.barh([1, 0], counts, 0.4, color=SERIES[:2])
        bars.set_yticks([1, 0], [f"{count:,}" for count in counts])
        bars.set_xticks([])
        bars.set_ylim(-0.6, 1.6)
        bars.spines["bottom"].set_visible(False)
        bars.set_title(f"weights at H = {self.hidden_size}", fontsize=9, loc="left")
        return described(figure, f"Two cells side by side. {self._in_words(*names)} "
                         f"{self._in_words(*names[::-1])}")

    def _road_in_words(self, cell: dict) -> str:
        roads = " and ".join(cell["roads"])
        return f"additive road from {roads} to {roads}" if roads else "no additive road"

    def _in_words(self, name: str, other: str) -> str:
        cell, k = self._cell(name), self.reach(name)
        steps = cell["gradient"]["shape"][0] - 1
        matrices = sum(edge["matrix"] for edge in cell["routes"])
        far = (f"stays above 1 % for all {steps} steps" if k is None
               else f"falls to 1 % after {counted(k, 'step')}")
        return (f"{name}: {counted(len(cell['lines']), 'equation')}, "
                f"{len(self.differing(name, other))} of them not in {other}; "
                f"{counted(matrices, 'use')} of a quantity through a matrix; "
                f"{self._road_in_words(cell)}; {self.parameters(name):,} weights at H = "
                f"{self.hidden_size}; a gradient {far}.")


# ---- the wiring on paper ------------------------------------------------------------------------

HALF = 0.21  # of a node's width, in columns


def _draw(ax, cell, colour) -> None:
    """The diagram of the browser: x in columns, y in pixels."""
    at = np.cumsum([0, *(2 * HALF + (1 - 2 * HALF) * np.array(cell["gaps"]))])
    for route in cell["routes"]:
        (first, y), *others = route["points"]
        code, vertices = [Path.MOVETO], [(at[first] + HALF, y)]
        for column, y in others:
            x, before = vertices[-1]
            end = at[column] - HALF if column < len(at) else at[-1] + 2 * HALF
            middle = (x + end) / 2
            vertices += [(middle, before), (middle, y), (end, y)]
            code += [Path.CURVE4] * 3
            if column < others[-1][0]:
                vertices.append((at[column] + HALF, y))
                code.append(Path.LINETO)
        style = {"ec": "#a3acb4", "lw": 0.9} if route["matrix"] else {"ec": "#1f2429", "lw": 1.2}
        if route["target"] is None:
            style = {"ec": "#1f2429", "lw": 0.9, "ls": (0, (1, 2))}
        if route["road"]:
            style = {"ec": colour, "lw": 4}
        ax.add_patch(PathPatch(Path(vertices, code), fill=False, capstyle="butt", **style))
        if route["target"] is not None and not route["road"]:
            face = "white" if not route["matrix"] and not route["open"] else style["ec"]
            ax.plot(end - 0.03, y, marker="s" if route["matrix"] else ">", ms=4.5, mfc=face,
                    mec=style["ec"], mew=0.8)
    for node in cell["nodes"]:
        x = at[node["column"]]
        box = FancyBboxPatch((x - HALF, node["top"]), 2 * HALF, node["tall"],
                             boxstyle="square,pad=0", fc="white", ec="#1f2429",
                             lw=1.8 if node["kind"] == "state" else 0.8, zorder=3)
        ax.add_patch(box)
        letter, index = node["letters"]
        letter = rf"\tilde{{{letter[0]}}}" if letter.endswith("\u0303") else letter
        ax.text(x, node["top"] + node["tall"] / 2, f"${letter}_{{{index}}}$",
                ha="center", va="center", fontsize=9, zorder=4)


# ---- checks -------------------------------------------------------------------------------------


def _check_name(name, names) -> None:
    if name not in names:
        raise ValueError(f"no cell is called {name!r}: use one of {', '.join(map(repr, names))}")


def _checked_cells(cells) -> list[dict]:
    checks.mapping("cells", cells, "name -> Wiring")
    if not 1 <= len(cells) <= MOST:
        raise ValueError(f"cells has {len(cells)} entries: give 1 to {MOST}")
    return [_checked_cell(name, wiring) for name, wiring in cells.items()]


def _checked_cell(name, wiring) -> dict:
    """What the browser needs of a cell."""
    checks.label(name, "a cell", 32)
    here = f"cells[{name!r}]"
    try:
        wiring = Wiring(*wiring)
    except TypeError as error:
        raise ValueError(f"{here} is {wiring!r}: give Wiring(equations, squares, vectors, "
                         "gradient)") from error
    try:
        graph = read_cell(wiring.equations)
    except ValueError as error:
        raise ValueError(f"{here}: {error}") from error
    for field, weights in (("squares", "matrices"), ("vectors", "vectors")):
        count = getattr(wiring, field)
        found = {weight for line in graph.lines for weight in getattr(line, weights)}
        if not isinstance(count, Integral) or count != len(found):
            raise ValueError(f"{here}.{field} is {count!r}, but its equations have {len(found)} "
                             f"{weights} ({', '.join(sorted(found)) or 'none'}): count each once")
    if not wiring.squares + wiring.vectors:
        raise ValueError(f"{here} has no weights: there is nothing to compare")
    gradient = _checked_gradient(f"{here}.gradient", wiring.gradient)
    low = np.flatnonzero(gradient <= SHARE)
    plan: Layout = lay_out(graph)
    nodes = [place._asdict() | {"letters": letters(place.name), "kind": _kind(place.name, graph),
                                "says": _sentence(place.name, graph)} for place in plan.nodes]
    return {
        "name": name, "squares": int(wiring.squares), "vectors": int(wiring.vectors),
        "formula": _formula(wiring.squares, wiring.vectors),
        "gradient": pack(gradient, "float64"), "reach": int(low[0]) if len(low) else None,
        "lines": [{"text": line.text, "name": line.name, "terms": line.terms}
                  for line in graph.lines],
        "roads": graph.roads, "verdict": _verdict(graph.roads), "gaps": plan.gaps,
        "height": plan.height, "nodes": nodes, "routes": [route._asdict() for route in plan.routes],
    }


# Sentences for the browser are texts and [letter, index] pairs, as the terms of an equation are.


def _formula(squares: int, vectors: int) -> list:
    """8 H^2 + 4 H."""
    parts = [[f"{count} " if count > 1 else "", ["H", ""], power]
             for count, power in ((squares, "\u00b2"), (vectors, "")) if count]
    return [piece for k, part in enumerate(parts) for piece in ([" + "] if k else []) + part]


def _verdict(roads: list[str]) -> list:
    if not roads:
        return ["No additive road",
                ": every way to the next step passes a matrix or a squashing function."]
    ways = [[" and from " if k else " from ", letters(f"{state}_{{t-1}}"), " to ",
             letters(f"{state}_t")] for k, state in enumerate(roads)]
    return ["Additive road", *(piece for way in ways for piece in way),
            ": no matrix, no squashing."]


def _sentence(name: str, graph) -> list:
    """What a quantity is made of; of an input, what it goes into."""
    given = name in graph.inputs
    ways = [(edge.target if given else edge.source, edge) for edge in graph.edges
            if name == (edge.source if given else edge.target)]
    kinds = (("through a matrix", lambda edge: edge.matrix),
             ("element by element", lambda edge: not edge.matrix and edge.open),
             ("element by element, squashed", lambda edge: not edge.matrix and not edge.open))
    said = [letters(name), " goes into" if given else " takes"]
    for how, belongs in kinds:
        ends = [end for end, edge in ways if belongs(edge)]
        for k, end in enumerate(ends):
            joint = " " if k == 0 else " and " if k == len(ends) - 1 else ", "
            said += [joint, letters(end)]
        said += [f" {how};"] * bool(ends)
    return [*said[:-1], said[-1][:-1] + "."] if ways else [letters(name), " is a constant."]


def _kind(name: str, graph) -> str:
    if name in graph.inputs:
        return "input"
    return "state" if name.removesuffix("_t") in graph.states else "inner"


def _checked_gradient(here: str, values) -> np.ndarray:
    gradient = numbers(here, values)
    if gradient.ndim != 1 or not 2 <= len(gradient) <= LONGEST:
        raise ValueError(f"{here} has shape {gradient.shape}: it must be (T,), one norm per step "
                         f"back, with T from 2 to {LONGEST}")
    wrong = ~((gradient >= 0) & (gradient < np.inf))  # true for nan as well
    if wrong.any():
        k = int(wrong.argmax())
        raise ValueError(f"{here} holds {gradient[k]} at {k} steps back: norms are finite and not "
                         "negative")
    if abs(gradient[0] - 1) > 1e-6:
        raise ValueError(f"{here} begins with {gradient[0]:g}: divide it by its value at k = 0, "
                         "the last input, so that it begins with 1")
    return gradient
