"""The RNN stepper: walk through a text one character at a time, see every number, edit any weight.

    h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)      H hidden units
    y_t = W_hy h_t + b_y                           V characters
    p_t = softmax(y_t),   loss_t = -log p_t[target]   in nats

t runs from 1 to T as in the lecture; h_0 is zero.
"""

import numpy as np
import traitlets
from matplotlib.patches import Rectangle

from lecture_utils.visual.style import COLOURS, MAGNITUDE, described, heat, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, bundle, numbers, pack, unpack

NAMES = ("W_xh", "W_hh", "W_hy", "b_h", "b_y")
LARGEST = 8
LONGEST = 24


class RNNStepper(LectureWidget):
    """Step through `text` with a small tanh RNN.

    W_xh (H, V), W_hh (H, H), W_hy (V, H), b_h (H,), b_y (V,): NumPy arrays, H and V at most 8.
    alphabet: the V characters, in the order of the one-hot vector. targets: the character to be
    predicted at each step; "?" where it is not known.

    `step` (1 to T), `text`, `forget` (steps that start from h = 0) and the weights are shared with
    the browser: `weights()` returns what the learner made of them.
    """

    _esm, _css = bundle("rnn_stepper")

    alphabet = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    given_text = traitlets.Unicode().tag(sync=True)
    given_targets = traitlets.Unicode().tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)
    forget = traitlets.List(traitlets.Int()).tag(sync=True)
    given = traitlets.Dict().tag(sync=True)
    # Bytes from the browser arrive as a memoryview: a Dict takes them, a Bytes trait would not.
    edited = traitlets.Dict().tag(sync=True)

    def __init__(self, W_xh, W_hh, W_hy, b_h, b_y, alphabet="helo", text="hell", targets="ello"):
        arrays = _checked_weights(dict(zip(NAMES, (W_xh, W_hh, W_hy, b_h, b_y))), alphabet)
        checks.text("text", text, alphabet, LONGEST)
        if targets is None:
            targets = text[1:] + "?"
        checks.text("targets", targets, alphabet + "?", LONGEST)
        if len(targets) != len(text):
            raise ValueError(f"targets {targets!r} has {len(targets)} characters, text {text!r} "
                             f"has {len(text)}: give one per step, '?' where it is not known")
        packed = {name: pack(array, "float64") for name, array in arrays.items()}
        super().__init__(
            alphabet=alphabet, text=text, given_text=text, given_targets=targets,
            given=packed, edited=packed,
        )

    def __repr__(self):
        H, V = self.given["W_xh"]["shape"]
        return f"RNNStepper({H} hidden units, {V} characters, text {self.text!r})"

    @traitlets.validate("text")
    def _text_fits(self, proposal):
        checks.text("text", proposal["value"], self.alphabet, LONGEST)
        return proposal["value"]

    @traitlets.validate("step")
    def _step_fits(self, proposal):
        return min(max(proposal["value"], 1), len(self.text))

    @traitlets.observe("text")
    def _step_stays_inside(self, change):
        self.step = min(self.step, len(change["new"]) or 1)

    def weights(self) -> dict[str, np.ndarray]:
        """The weights as they are now, after the learner's edits."""
        return {name: unpack(self.edited[name]) for name in NAMES}

    def set_weights(self, **arrays) -> None:
        """Show other weights: `set_weights(W_hh=0 * W_hh)`. Those not named stay as they are."""
        unknown = sorted(set(arrays) - set(NAMES))
        if unknown:
            raise ValueError(f"no weight is called {unknown[0]!r}: use one of {', '.join(NAMES)}")
        checked = _checked_weights(self.weights() | arrays, self.alphabet)
        if checked["W_xh"].shape[0] != self.given["W_xh"]["shape"][0]:
            raise ValueError(f"{checked['W_xh'].shape[0]} hidden units where the widget was made "
                             f"with {self.given['W_xh']['shape'][0]}: make a new RNNStepper")
        self.edited = {name: pack(array, "float64") for name, array in checked.items()}

    def targets(self) -> str:
        """The target of each step: those given, else the next character, "?" where unknown."""
        return self.given_targets if self.text == self.given_text else self.text[1:] + "?"

    def forward(self) -> dict[str, np.ndarray]:
        """What the browser shows, computed here: h (T, H), y, p (T, V), loss (T,), nan for "?"."""
        w = self.weights()
        h = np.zeros(w["W_hh"].shape[0])
        hs, ys, ps, losses = [], [], [], []
        for t, (character, target) in enumerate(zip(self.text, self.targets()), start=1):
            if t in self.forget:
                h = np.zeros_like(h)
            h = np.tanh(w["W_xh"][:, self.alphabet.index(character)] + w["W_hh"] @ h + w["b_h"])
            y = w["W_hy"] @ h + w["b_y"]
            p = np.exp(y - y.max())
            p /= p.sum()
            hs.append(h)
            ys.append(y)
            ps.append(p)
            losses.append(np.nan if target == "?" else -np.log(p[self.alphabet.index(target)]))
        return {"h": np.array(hs), "y": np.array(ys), "p": np.array(ps), "loss": np.array(losses)}

    def poster(self):
        now, targets = self.forward(), self.targets()
        total = np.nansum(now["loss"])
        figure, (top, bottom) = picture(
            max(4.0, 1.6 + 0.62 * len(self.text)), 4.2, rows=2, sharex=True,
            height_ratios=[now["p"].shape[1], now["h"].shape[1]],
        )
        heat(top, now["p"].T, 1.0, MAGNITUDE, row_labels=list(self.alphabet))
        for (t, v), p in np.ndenumerate(now["p"]):
            top.text(t, v, f"{p:.2f}", ha="center", va="center", fontsize=8,
                     color="white" if p > 0.6 else "black")
            if self.alphabet[v] == targets[t]:
                top.add_patch(_box(t, v, COLOURS["target"]))
        top.set_title("predicted next character, target framed", loc="left", fontsize=10)
        heat(bottom, now["h"].T, 1.0, numbers="{:+.2f}",
             row_labels=[f"h[{i}]" for i in range(now["h"].shape[1])])
        bottom.set_xticks(range(len(self.text)), list(self.text), fontsize=12)
        bottom.set_xlabel("input character", fontsize=9)
        bottom.set_title("hidden state", loc="left", fontsize=10, color=COLOURS["hidden"])
        likely = "".join(self.alphabet[v] for v in now["p"].argmax(axis=1))
        return described(figure, f"A small RNN reads {self.text!r} one character at a time and "
                         f"predicts {likely!r}; the targets are {targets!r}. Total loss "
                         f"{total:.2f} nats. Below the predictions, the hidden state of each step.")


def _box(column, row, colour):
    return Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, edgecolor=colour, lw=1.6)


def _checked_weights(arrays: dict, alphabet: str) -> dict[str, np.ndarray]:
    if len(set(alphabet)) != len(alphabet) or not 2 <= len(alphabet) <= LARGEST:
        raise ValueError(f"alphabet is {alphabet!r}: give 2 to {LARGEST} different characters")
    if "?" in alphabet:
        raise ValueError("alphabet contains '?', which marks an unknown target: leave it out")
    arrays = {name: numbers(name, array) for name, array in arrays.items()}
    checks.shape("W_hh", arrays["W_hh"], (None, None), "(H, H)")
    H, V = arrays["W_hh"].shape[0], len(alphabet)
    if not 1 <= H <= LARGEST:
        raise ValueError(f"W_hh has {H} hidden units: the stepper shows 1 to {LARGEST}")
    shapes = {"W_xh": (H, V), "W_hh": (H, H), "W_hy": (V, H), "b_h": (H,), "b_y": (V,)}
    for name, shape in shapes.items():
        checks.shape(name, arrays[name], shape, f"{shape}, with H = {H} from W_hh and V = {V} from "
                     f"the alphabet {alphabet!r}")
        infinite = ~np.isfinite(arrays[name])
        checks.refuse(name, arrays[name], infinite, "train with a smaller step")
    return arrays
