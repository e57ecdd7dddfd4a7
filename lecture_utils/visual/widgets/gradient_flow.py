"""Vanishing and exploding gradients: how long a gradient is at every state on its way back.

    h_k     = phi(a_k),   a_k = gain W h_{k-1} + input_k,   h_0 = 0
    dh_{k-1} = (gain W)^T (phi'(a_k) * dh_k),               |dh_T| = 1
    |dh_k|  <= (gamma sigma_1)^(T-k)                        gamma = max phi'

dh_k is dL/dh_k, sigma_1 the largest singular value of gain W. phi' is 1 - h^2 for tanh, 1 without
a non-linearity, h (1 - h) for the sigmoid. k runs from 0 to T; H hidden units.
"""

import math
from numbers import Integral, Real

import numpy as np
import traitlets
from matplotlib.ticker import MultipleLocator

from lecture_utils.visual.style import COLOURS, MAGNITUDE, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, bundle, numbers, pack, sigmoid, unpack

GAMMA = {"tanh": 1.0, "none": 1.0, "sigmoid": 0.25}
"""Non-linearity -> the largest slope it has anywhere."""

GAINS = (0.5, 2.0)
SHORTEST, LONGEST = 10, 200
LARGEST = 64
MATRICES = 6
# Twice this to the power of 200 is still a number, so that no gradient becomes infinite.
STEEPEST = 10.0
FAINT, STRONG = -8, 2


class GradientFlow(LectureWidget):
    """Send a gradient of length 1 into the last state and see what is left of it at every other.

    matrices: name -> (seeds, H, H), the recurrent matrix W before the gain, the same seeds and H
    under each name. inputs (seeds, T_max, H): what W_xh x_t + b adds at each step; the first
    `steps` are used. gradients (seeds, H): direction of dL/dh_T, of any length but 0.

    `matrix` (a name), `seed` (an index), `gain` (0.5 to 2), `steps` (10 to T_max) and
    `nonlinearity` ("tanh", "none" or "sigmoid") are shared with the browser.
    """

    _esm, _css = bundle("gradient_flow")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    matrices = traitlets.Dict().tag(sync=True)
    inputs = traitlets.Dict().tag(sync=True)
    gradients = traitlets.Dict().tag(sync=True)
    factors = traitlets.Dict().tag(sync=True)
    matrix = traitlets.Unicode().tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    gain = traitlets.Float(1.0).tag(sync=True)
    steps = traitlets.Int(SHORTEST).tag(sync=True)
    nonlinearity = traitlets.Unicode("tanh").tag(sync=True)

    def __init__(self, matrices, inputs, gradients, *, gain=1.0, steps=50, nonlinearity="tanh"):
        names, stacked = _checked_matrices(matrices)
        seeds, H = stacked.shape[1:3]
        inputs = _numbers("inputs", inputs)
        checks.shape("inputs", inputs, (seeds, None, H),
                     f"(seeds, T_max, H) with seeds = {seeds} and H = {H} from matrices")
        T_max = inputs.shape[1]
        if not SHORTEST <= T_max <= LONGEST:
            raise ValueError(f"inputs has T_max = {T_max} steps: the widget takes {SHORTEST} to "
                             f"{LONGEST}")
        gradients = _directions(gradients, seeds, H)
        _check_nonlinearity(nonlinearity)
        if not isinstance(gain, Real) or not GAINS[0] <= gain <= GAINS[1]:
            raise ValueError(f"gain is {gain!r}: choose a number from {GAINS[0]} to {GAINS[1]}")
        if not isinstance(steps, Integral) or not SHORTEST <= steps <= T_max:
            raise ValueError(f"steps is {steps!r}: choose a whole number from {SHORTEST} to "
                             f"T_max = {T_max}, or give longer inputs")
        sigma = np.linalg.svd(stacked, compute_uv=False)[..., 0]
        if (sigma > STEEPEST).any():
            name, seed = np.argwhere(sigma > STEEPEST)[0]
            raise ValueError(f"matrices[{names[name]!r}][{seed}] has the singular value "
                             f"{sigma[name, seed]:.3g}: divide it until all are at most "
                             f"{STEEPEST:g}, and use the gain")
        rho = np.abs(np.linalg.eigvals(stacked)).max(axis=-1)
        super().__init__(
            names=names, matrices=pack(stacked, "float64"), inputs=pack(inputs, "float64"),
            gradients=pack(gradients, "float64"),
            factors=pack(np.stack([sigma, rho], axis=-1), "float64"),
            matrix=names[0], gain=float(gain), steps=int(steps), nonlinearity=nonlinearity,
        )

    def __repr__(self):
        return (f"GradientFlow({self.nonlinearity}, gain {self.gain:.2f}, {self.steps} steps, "
                f"{self.matrix}, seed {self.seed}: {self.norms()[0]:.1e} at h_0)")

    @traitlets.validate("matrix")
    def _matrix_is_known(self, proposal):
        if proposal["value"] not in self.names:
            raise ValueError(f"no matrix is called {proposal['value']!r}: use one of "
                             f"{', '.join(map(repr, self.names))}")
        return proposal["value"]

    @traitlets.validate("nonlinearity")
    def _nonlinearity_is_known(self, proposal):
        _check_nonlinearity(proposal["value"])
        return proposal["value"]

    @traitlets.validate("gain")
    def _gain_fits(self, proposal):
        if math.isnan(proposal["value"]):
            raise ValueError(f"gain is nan: choose a number from {GAINS[0]} to {GAINS[1]}")
        return min(max(proposal["value"], GAINS[0]), GAINS[1])

    @traitlets.validate("steps")
    def _steps_fit(self, proposal):
        return min(max(proposal["value"], SHORTEST), self.inputs["shape"][1])

    @traitlets.validate("seed")
    def _seed_fits(self, proposal):
        return min(max(proposal["value"], 0), self.inputs["shape"][0] - 1)

    def norms(self) -> np.ndarray:
        """|dL/dh_k| for k = 0, ..., steps with the current settings; the last one is 1."""
        return _lengths(self._backward())

    def sigma(self) -> float:
        """The largest singular value of gain W."""
        return self.gain * self._factors()[0]

    def rho(self) -> float:
        """The spectral radius of gain W, its largest |eigenvalue|."""
        return self.gain * self._factors()[1]

    def bounds(self) -> np.ndarray:
        """(gamma sigma_1)^(T-k) for k = 0, ..., steps: no gradient can be longer."""
        return (GAMMA[self.nonlinearity] * self.sigma()) ** np.arange(self.steps, -1.0, -1.0)

    def _factors(self):
        return unpack(self.factors)[self.names.index(self.matrix), self.seed].tolist()

    def _W(self):
        return self.gain * unpack(self.matrices)[self.names.index(self.matrix), self.seed]

    def _slopes(self) -> np.ndarray:
        """phi'(a_k) for k = 1, ..., steps: (steps, H)."""
        W, inputs = self._W(), unpack(self.inputs)[self.seed, :self.steps]
        if self.nonlinearity == "none":
            return np.ones_like(inputs)  # whatever the states are, and they may overflow
        h, slopes = np.zeros(len(W)), []
        for added in inputs:
            a = W @ h + added
            if self.nonlinearity == "tanh":
                h = np.tanh(a)
                slopes.append(1 - h**2)
            else:
                with np.errstate(over="ignore"):  # exp may be infinite, then h is 0
                    h = sigmoid(a)
                slopes.append(h * (1 - h))
        return np.array(slopes)

    def _backward(self) -> np.ndarray:
        """dL/dh_k for k = 0, ..., steps: (steps + 1, H)."""
        W = self._W()
        flow = [unpack(self.gradients)[self.seed]]
        for slope in self._slopes()[::-1]:
            flow.append(W.T @ (slope * flow[-1]))
        return np.array(flow[::-1])

    def poster(self):
        flow, norms = self._backward(), self.norms()
        ks = np.arange(self.steps + 1)
        figure, (top, bottom) = picture(8.0, 4.4, rows=2, sharex=True, height_ratios=[1.6, 1])
        bound = r"bound $(\gamma\,\sigma_1)^{T-k}$"
        top.plot(ks, _log10(norms), lw=2.5, color=COLOURS["gradient"], label="gradient")
        top.plot(ks, _log10(self.bounds()), "--", lw=1.3, color=COLOURS["reference"], label=bound)
        if self.nonlinearity != "sigmoid":
            top.plot(ks, _log10(self.rho() ** (self.steps - ks)), ":", lw=1.6,
                     color=COLOURS["loss"], label=r"$\rho^{\,T-k}$")
        lowest, highest = _log10(norms).min(), _log10(norms).max()
        low, high = -12 if lowest >= -12 else -30, 8 if highest <= 8 else 30
        top.set_ylim(low, high)
        top.yaxis.set_major_locator(MultipleLocator(4 if high - low == 20 else 10))
        top.yaxis.set_major_formatter(lambda power, _: f"$10^{{{power:.0f}}}$")
        top.legend(frameon=False, fontsize=9, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
        top.set_title(f"{self.nonlinearity}, {self.matrix}, gain {self.gain:g}:\nlength of "
                      "$\\partial L/\\partial h_k$", loc="left", fontsize=10)
        image = bottom.imshow(_log10(np.abs(flow)).T, cmap=MAGNITUDE, vmin=FAINT, vmax=STRONG,
                              aspect="auto", interpolation="nearest")
        bottom.set_title("the same, unit by unit", loc="left", fontsize=10)
        bottom.set_ylabel("unit")
        bottom.set_yticks([])
        bottom.set_xlabel("state $h_k$: the gradient arrives at the right and travels left")
        bar = figure.colorbar(image, ax=[top, bottom], shrink=0.4, anchor=(0, 0), extend="both",
                              ticks=[FAINT, -4, 0, STRONG])
        bar.ax.yaxis.set_major_formatter(lambda power, _: f"$10^{{{power:.0f}}}$")
        bar.ax.tick_params(labelsize=8)
        return described(figure, f"A gradient of length 1 at state {self.steps} travels back "
                         f"through {self.steps} steps of an RNN ({self.nonlinearity}, matrix "
                         f"{self.matrix}, seed {self.seed}, gain {self.gain:.2f}) and has length "
                         f"{norms[0]:.1e} at state 0. The largest singular value is "
                         f"{self.sigma():.2f}, the spectral radius {self.rho():.2f}; the bound "
                         f"allows {self.bounds()[0]:.1e}. Below the curve, the size of every "
                         "unit's entry at every state.")


def _lengths(vectors) -> np.ndarray:
    """The norm of each row. The squares in an ordinary norm would underflow below 1e-160."""
    return np.array([math.hypot(*vector) for vector in vectors])


def _log10(values):
    return np.log10(np.maximum(values, 1e-300))


def _numbers(name: str, values) -> np.ndarray:
    values = numbers(name, values)
    checks.refuse(name, values, ~np.isfinite(values), "pass finite numbers only")
    return values


def _checked_matrices(matrices) -> tuple[list[str], np.ndarray]:
    """The names, and all matrices as one array (names, seeds, H, H)."""
    checks.mapping("matrices", matrices, "name -> array of shape (seeds, H, H)")
    if not 1 <= len(matrices) <= MATRICES:
        raise ValueError(f"matrices has {len(matrices)} entries: give 1 to {MATRICES}")
    arrays = {}
    for name, values in matrices.items():
        checks.label(name, "a matrix", 32)
        array = arrays[name] = _numbers(f"matrices[{name!r}]", values)
        if array.ndim != 3 or array.shape[1] != array.shape[2] or not len(array):
            raise ValueError(f"matrices[{name!r}] has shape {array.shape}: it must be (seeds, H, "
                             "H), with at least one seed")
        if not 2 <= array.shape[1] <= LARGEST:
            raise ValueError(f"matrices[{name!r}] has H = {array.shape[1]} hidden units: the "
                             f"widget shows 2 to {LARGEST}")
        first, shape = next((key, value.shape) for key, value in arrays.items())
        if array.shape != shape:
            raise ValueError(f"matrices[{name!r}] has shape {array.shape}, matrices[{first!r}] "
                             f"{shape}: give the same seeds and H under each name")
    return list(arrays), np.array(list(arrays.values()))


def _directions(gradients, seeds: int, H: int) -> np.ndarray:
    """The gradients, each made 1 long."""
    gradients = _numbers("gradients", gradients)
    checks.shape("gradients", gradients, (seeds, H),
                 f"(seeds, H) = ({seeds}, {H}), as in matrices")
    lengths = _lengths(gradients)
    if not lengths.all():
        raise ValueError(f"gradients[{lengths.argmin()}] is zero: it has no direction, and nothing "
                         "would travel back")
    return gradients / lengths[:, None]


def _check_nonlinearity(name) -> None:
    if name not in list(GAMMA):  # a list, because what is given may not be hashable
        raise ValueError(f"nonlinearity is {name!r}: use one of {', '.join(map(repr, GAMMA))}")
