"""Program an LSTM cell by hand: set its gates so that it latches a bit through noise.

    i_t = sigma(b_i + w_i m_t)    write?       x_t in [-1, 1]: the signal
    f_t = sigma(b_f + w_f m_t)    keep?        m_t: 1 at a mark, else 0
    o_t = sigma(b_o)              reveal?
    g_t = tanh(w_g x_t)           what to write
    c_t = f_t c_{t-1} + i_t g_t,  c_0 = 0
    h_t = o_t tanh(c_t)           target: the sign of the x that was last marked

One unit, and no weight from h_{t-1}, so that six numbers set everything. N sequences, T steps.
"""

from collections.abc import Mapping
from numbers import Real

import numpy as np
import traitlets

from lecture_utils.visual.style import COLOURS, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, bundle, numbers, pack, sigmoid, unpack

DEFAULTS = {"b_i": 0.0, "w_i": 0.0, "b_f": 0.0, "w_f": 0.0, "w_g": 1.0, "b_o": 0.0}
"""Each weight, and what it is unless given: every gate half open, and g about x."""

LIMIT = 12
MOST = 500
SHORTEST, LONGEST = 5, 120


class CellProgrammer(LectureWidget):
    """Six sliders, the run of the cell that they make, and the share of steps that it gets right.

    values (N, T): the signal, in [-1, 1]. markers (N, T): 1 where x is to be latched, else 0; the
    first step of every sequence is marked, so that there is a target from the start. N is at most
    500, T 5 to 120. weights: any of b_i, w_i, b_f, w_f, w_g, b_o, from -12 to 12; those not named
    are as in DEFAULTS.

    `weights` and `example` (the sequence that is drawn) are shared with the browser.
    """

    _esm, _css = bundle("cell_programmer")

    signal = traitlets.Dict().tag(sync=True)
    markers = traitlets.Dict().tag(sync=True)
    weights = traitlets.Dict().tag(sync=True)
    example = traitlets.Int(0).tag(sync=True)

    def __init__(self, values, markers, *, weights=None):
        values, markers = _checked_sequences(values, markers)
        super().__init__(
            signal=pack(values, "float64"), markers=pack(markers),
            weights=_checked_weights({} if weights is None else weights),
        )

    def __repr__(self):
        N, T = self.signal["shape"]
        return (f"CellProgrammer({N} sequence{'s' * (N > 1)} of {T} steps: right at "
                f"{self._percent()} of the steps)")

    @traitlets.validate("weights")
    def _weights_fit(self, proposal):
        return _checked_weights(proposal["value"])

    @traitlets.validate("example")
    def _example_fits(self, proposal):
        return min(max(proposal["value"], 0), self.signal["shape"][0] - 1)

    def run(self) -> dict[str, np.ndarray]:
        """i, f, o, g, c, h of every sequence with the current weights: (N, T) each."""
        w, x, m = self.weights, unpack(self.signal), unpack(self.markers)
        i = sigmoid(w["b_i"] + w["w_i"] * m)
        f = sigmoid(w["b_f"] + w["w_f"] * m)
        o = np.full_like(x, sigmoid(w["b_o"]))
        g = np.tanh(w["w_g"] * x)
        c = np.zeros_like(x)
        before = np.zeros(len(x))
        for t in range(x.shape[1]):
            before = c[:, t] = f[:, t] * before + i[:, t] * g[:, t]
        return {"i": i, "f": f, "o": o, "g": g, "c": c, "h": o * np.tanh(c)}

    def targets(self) -> np.ndarray:
        """-1 or 1 at every step: the sign of the x that was last marked. (N, T)"""
        x, m = unpack(self.signal), unpack(self.markers)
        last = np.maximum.accumulate(np.where(m == 1, np.arange(x.shape[1]), 0), axis=1)
        return np.sign(np.take_along_axis(x, last, axis=1))

    def score(self) -> float:
        """Share of all steps at which h has the target's sign; an h of 0 has none, so is wrong."""
        return float(self._right().mean())

    def margin(self) -> float:
        """Mean of h_t times target, from -1 to 1: how clearly the bit is held."""
        return float((self.run()["h"] * self.targets()).mean())

    def _right(self):
        return np.sign(self.run()["h"]) == self.targets()

    def _percent(self) -> str:
        """The score, rounded down: "100%" is said of no cell that errs."""
        right = self._right()
        return f"{1000 * int(right.sum()) // right.size / 10:g}%"

    def poster(self):
        n, w, run = self.example, self.weights, self.run()
        x, m, target = unpack(self.signal)[n], unpack(self.markers)[n] == 1, self.targets()[n]
        t = np.arange(1, len(x) + 1)
        wrong = ~self._right()[n]
        figure, (top, gates, cell, shown) = picture(
            8.0, 4.8, rows=4, sharex=True, height_ratios=[1.3, 0.9, 1, 1])
        top.vlines(t[~m], 0, x[~m], color="#97a3ad", lw=1)
        top.plot(t[~m], x[~m], "o", color="#97a3ad", ms=2.5)
        top.vlines(t[m], 0, x[m], color="black", lw=2.2)
        top.plot(t[m], x[m], "o", color="black", ms=5)
        top.plot(t[m], np.full(m.sum(), 1.35), "v", color="black", ms=6, clip_on=False)
        top.set_ylim(-1.1, 1.1)
        top.set_title("signal x: a triangle marks each value whose sign is to be held",
                      loc="left", fontsize=9, pad=14)
        gates.bar(t, run["i"][n], 0.9, bottom=1.25, color=COLOURS["input"])
        gates.bar(t, run["f"][n], 0.9, color=COLOURS["forget"])
        gates.set_yticks([0.5, 1.75], ["keep f", "write i"])
        gates.set_ylim(0, 2.3)
        cell.plot(t, run["c"][n], "-o", ms=2.5, lw=2, color=COLOURS["cell"])
        cell.set_ylabel("cell c", fontsize=9)
        shown.bar(t, target, 1.0, color=COLOURS["soft"])
        shown.plot(t, run["h"][n], "-o", ms=2.5, lw=2, color=COLOURS["hidden"])
        shown.set_ylim(-1.1, 1.1)
        shown.set_ylabel("h", fontsize=9)
        shown.set_xlabel("step t; grey: the side where h should be; hatched: h on the wrong side",
                         fontsize=9)
        shown.set_xlim(0.5, len(t) + 0.5)
        for ax in (cell, shown):
            ax.axhline(0, color="#97a3ad", lw=0.8, zorder=0)
            for place in t[wrong]:
                ax.axvspan(place - 0.5, place + 0.5, facecolor="none", edgecolor="#a3acb4",
                           hatch="////", lw=0)
        for ax in (gates, cell, shown):
            for place in t[m]:
                ax.axvline(place, color="black", lw=0.7, ls=":", zorder=0)
        settings = ", ".join(f"{name} {value:g}" for name, value in w.items())
        return described(figure, f"One run of an LSTM cell with {settings}, over {len(x)} steps: "
                         "the signal with its marks, the write and keep gates, the cell and its "
                         f"output h. Here h has the sign of the last marked value at "
                         f"{(~wrong).sum()} of {len(x)} steps; over all {len(run['h'])} sequences "
                         f"it is right at {self._percent()} of the steps, with a mean margin of "
                         f"{self.margin():.2f}.")


def _numbers(name: str, values) -> np.ndarray:
    values = numbers(name, values)
    checks.shape(name, values, (None, None), "(N, T), one row per sequence")
    return values


def _checked_sequences(values, markers) -> tuple[np.ndarray, np.ndarray]:
    values, markers = _numbers("values", values), _numbers("markers", markers)
    if markers.shape != values.shape:
        raise ValueError(f"markers has shape {markers.shape}, values {values.shape}: give one "
                         "marker, 0 or 1, per value")
    N, T = values.shape
    if not 1 <= N <= MOST:
        raise ValueError(f"values has N = {N} sequences: the widget takes 1 to {MOST}")
    if not SHORTEST <= T <= LONGEST:
        raise ValueError(f"values has T = {T} steps: the widget takes {SHORTEST} to {LONGEST}")
    # "Not inside" rather than "outside", so that nan is caught too.
    outside = ~(np.abs(values) <= 1)
    checks.refuse("values", values, outside, "the signal lies in [-1, 1], so scale it")
    checks.refuse("markers", markers, ~np.isin(markers, (0, 1)), "write 1 at a mark, else 0")
    if not markers[:, 0].all():
        raise ValueError(f"sequence {int(markers[:, 0].argmin())} is not marked at its first step, "
                         "so that it has no target there: set markers[:, 0] = 1")
    checks.refuse("values", values, (markers == 1) & (values == 0),
                  "a marked value needs a sign to be held, so draw another one")
    return values, markers


def _checked_weights(weights) -> dict[str, float]:
    """All six weights, those not given as in DEFAULTS."""
    if not isinstance(weights, Mapping):
        raise ValueError(f"weights is {weights!r}: give a dict such as {{'b_f': 2.0}}")
    for name, value in weights.items():
        if name not in DEFAULTS:
            raise ValueError(f"no weight is called {name!r}: use one of {', '.join(DEFAULTS)}")
        if not isinstance(value, Real) or not -LIMIT <= value <= LIMIT:
            raise ValueError(f"{name} is {value!r}: choose a number from {-LIMIT} to {LIMIT}, "
                             "the range of its slider")
    return {name: float(weights.get(name, value)) for name, value in DEFAULTS.items()}
