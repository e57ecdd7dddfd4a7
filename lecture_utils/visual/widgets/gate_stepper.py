"""The gate stepper: type a text and see what the gates of a small LSTM do at every character.

    (a_i, a_f, a_o, a_g) = W [h_{t-1}; x_t] + b        W (4H, H + V), b (4H,)
    i, f, o = sigma(a_i), sigma(a_f), sigma(a_o)       write? keep? reveal?
    g = tanh(a_g)                                      what to write
    c_t = f * c_{t-1} + i * g
    h_t = o * tanh(c_t)

x_t is one-hot, h_0 = c_0 = 0, t runs from 1 to T. H hidden units, V characters.
"""

import numpy as np
import traitlets

from lecture_utils.visual.style import COLOURS, MONO, SIGNED, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import (
    LectureWidget,
    bundle,
    counted,
    numbers,
    pack,
    sigmoid,
    unpack,
)

LARGEST = 64
LONGEST = 120
SYMBOLS = 256
# Finite numbers, but larger ones could add up to infinity and cancel to nan.
STEEPEST = 1e6
ROWS = (("f", "keep", "forget"), ("i", "write", "input"), ("g", "what", "reference"),
        ("c", "memory", "cell"), ("o", "reveal", "output"), ("h", "shown", "hidden"))
MARKS = {" ": "\u2423", "\n": "\u23ce", "\t": "\u21e5"}


class GateStepper(LectureWidget):
    """Walk through `text` with a trained character LSTM, one hidden unit in full, all in a map.

    W (4H, H + V): gates in the order i, f, o, g; first the columns of h, then those of the one-hot
    input. b (4H,). alphabet: the V characters, in the order of the one-hot vector. text: 1 to 120
    of them. readout: (W_hy (V2, H), b_y (V2,), names of the V2 symbols) adds what the network
    expects next.

    `text`, `unit` (0 to H - 1) and `step` (1 to T) are shared with the browser.
    """

    _esm, _css = bundle("gate_stepper")

    weights = traitlets.Dict().tag(sync=True)
    readout = traitlets.Dict().tag(sync=True)
    alphabet = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)

    def __init__(self, W, b, *, alphabet, text, readout=None, unit=0):
        _check_alphabet(alphabet)
        W, b = _checked_weights(W, b, len(alphabet))
        H = len(W) // 4
        checks.text("text", text, alphabet, LONGEST)
        readout = {} if readout is None else _checked_readout(readout, H)
        super().__init__(
            weights={"W": _packed(W), "b": _packed(b)}, readout=readout,
            alphabet=alphabet, text=text, unit=checks.whole_number("unit", unit, 0, H - 1),
        )

    def __repr__(self):
        return (f"GateStepper({counted(self._units(), 'unit')}, "
                f"{counted(len(self.text), 'character')}, unit {self.unit})")

    @traitlets.validate("text")
    def _text_fits(self, proposal):
        checks.text("text", proposal["value"], self.alphabet, LONGEST)
        return proposal["value"]

    @traitlets.validate("unit")
    def _unit_fits(self, proposal):
        return min(max(proposal["value"], 0), self._units() - 1)

    @traitlets.validate("step")
    def _step_fits(self, proposal):
        return min(max(proposal["value"], 1), len(self.text))

    @traitlets.observe("text")
    def _step_stays_inside(self, change):
        self.step = min(self.step, len(change["new"]) or 1)

    def _units(self) -> int:
        return self.weights["b"]["shape"][0] // 4

    def run(self) -> dict[str, np.ndarray]:
        """What the browser shows, computed here: i, f, o, g, c, h of every unit, each (T, H)."""
        W, b = unpack(self.weights["W"]), unpack(self.weights["b"])
        c = h = np.zeros(self._units())
        steps = []
        for character in self.text:
            x = np.eye(len(self.alphabet))[self.alphabet.index(character)]
            a_i, a_f, a_o, a_g = np.split(W @ np.concatenate([h, x]) + b, 4)
            i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), np.tanh(a_g)
            c = f * c + i * g
            h = o * np.tanh(c)
            steps.append((i, f, o, g, c, h))
        return dict(zip("ifogch", np.array(steps).swapaxes(0, 1)))

    def probabilities(self) -> np.ndarray:
        """What the network expects after each character: (T, V2), rows sum to 1."""
        if not self.readout:
            raise ValueError("this GateStepper has no readout: give one, (W_hy, b_y, names)")
        y = self.run()["h"] @ unpack(self.readout["W"]).T + unpack(self.readout["b"])
        e = np.exp(y - y.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def poster(self):
        now = {name: values[:, self.unit] for name, values in self.run().items()}
        T, t = len(self.text), self.step - 1
        figure, axes = picture(8.0, 4.4, rows=len(ROWS), sharex=True,
                               height_ratios=[1, 1, 1.2, 1.6, 1, 1.2])
        edges = np.arange(T + 1) - 0.5
        for ax, (name, word, quantity) in zip(axes, ROWS):
            values, colour = now[name], COLOURS[quantity]
            low, high = (0, 1) if name in "fio" else (-1, 1)
            if name == "c":
                high = max(1.0, np.abs(values).max())
                low = -high
                ax.stairs(np.maximum(values, 0), edges, fill=True, color=SIGNED(1.0))
                ax.stairs(np.minimum(values, 0), edges, fill=True, color=SIGNED(0.0))
            else:
                ax.stairs(values, edges, fill=True, color=colour)
            ax.axhline(0, lw=0.8, color="#97a3ad")
            ax.axvspan(t - 0.5, t + 0.5, fill=False, lw=1.2, edgecolor=COLOURS["target"])
            ax.set(ylim=(low, high), xlim=(-0.5, T - 0.5), yticks=[low, high])
            ax.set_yticklabels([_tick(low), _tick(high)], fontsize=7)
            ax.set_ylabel(f"${name}$  {word}", rotation=0, ha="right", va="center", fontsize=10)
            ax.spines[:].set_visible(False)
            ax.set_facecolor("#f5f7f9")
            ax.tick_params(length=0)
        top = axes[0]
        top.tick_params(labeltop=True)
        axes[-1].tick_params(labelbottom=False)
        figure.align_ylabels(axes)
        # Not as a formula: two dollar signs in a text would make one.
        top.set_xticks(range(T), [MARKS.get(character, character) for character in self.text],
                       fontproperties=MONO, fontsize=min(11, 560 / T), color="black",
                       parse_math=False)
        before = now["c"][t - 1] if t else 0.0
        return described(figure, f"The gates of unit {self.unit} of {self._units()} while an LSTM "
                         f"reads {self.text!r}. f is {_span(now['f'])}, i {_span(now['i'])}, o "
                         f"{_span(now['o'])}; c goes from {now['c'].min():.2f} to "
                         f"{now['c'].max():.2f}. At step {self.step}, character "
                         f"{self.text[t]!r}: c = {now['f'][t]:.2f} * {before:.2f} + "
                         f"{now['i'][t]:.2f} * {now['g'][t]:.2f} = {now['c'][t]:.2f} and h = "
                         f"{now['o'][t]:.2f} * tanh(c) = {now['h'][t]:.2f}.")


def _tick(value) -> str:
    return f"{value:.2g}".replace("-", "\u2212")


def _span(values) -> str:
    return f"{values.mean():.2f} on average ({values.min():.2f} to {values.max():.2f})"


def _packed(array) -> dict:
    """In half the bytes where nothing is lost by it: weights are mostly trained in float32."""
    exact = (array == array.astype(np.float32)).all()
    return pack(array, "float32" if exact else "float64")


def _numbers(name: str, values) -> np.ndarray:
    values = numbers(name, values)
    wrong = ~(np.abs(values) <= STEEPEST)  # true for nan as well
    checks.refuse(name, values, wrong, f"pass finite numbers, at most {STEEPEST:g} in size")
    return values


def _check_alphabet(alphabet) -> None:
    if not isinstance(alphabet, str) or not alphabet:
        raise ValueError(f"alphabet is {alphabet!r}: give a text of different characters")
    twice = next((x for place, x in enumerate(alphabet) if x in alphabet[:place]), None)
    if twice is not None:
        raise ValueError(f"alphabet {alphabet!r} has {twice!r} more than once: name each character "
                         "once, in the order of the one-hot vector")
    if "\r" in alphabet:
        raise ValueError(f"alphabet {alphabet!r} has '\\r', which a text box turns into '\\n': use "
                         "'\\n' for the end of a line")


def _checked_weights(W, b, V: int) -> tuple[np.ndarray, np.ndarray]:
    W, b = _numbers("W", W), _numbers("b", b)
    H = len(W) // 4 if W.ndim == 2 else 0
    checks.shape("W", W, (4 * H, H + V), "(4H, H + V), gates i, f, o, g one below the other, with "
                 f"V = {V} from the alphabet")
    if not 1 <= H <= LARGEST:
        raise ValueError(f"W has H = {H} hidden units: the widget shows 1 to {LARGEST}")
    checks.shape("b", b, (4 * H,),
                 f"(4H,) = ({4 * H},), as W has H = {H}; add PyTorch's two biases")
    return W, b


def _checked_readout(readout, H: int) -> dict:
    try:
        W, b, names = readout
    except (TypeError, ValueError) as error:
        raise ValueError("readout must be three things: (W_hy, b_y, names)") from error
    W, b, names = _numbers("W_hy", W), _numbers("b_y", b), list(names)
    V = len(names)
    if not 1 <= V <= SYMBOLS:
        raise ValueError(f"readout has {V} names: give 1 to {SYMBOLS}, one per symbol")
    for name in names:
        checks.label(name, "a symbol", 8)
    for what, array, shape in (("W_hy", W, (V, H)), ("b_y", b, (V,))):
        checks.shape(f"{what} of the readout", array, shape,
                     f"{shape}, for {V} names and H = {H} hidden units")
    return {"W": _packed(W), "b": _packed(b), "names": names}
