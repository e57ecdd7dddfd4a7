"""Exercises of lesson 04."""

import numpy as np

from lecture_utils.exercises.exercise import Exercise

_rng = np.random.default_rng(4)


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm_step(W, b, x, h, c):
    a_i, a_f, a_o, a_g = np.split(W @ np.concatenate([h, x]) + b, 4)
    i = 1 / (1 + np.exp(-a_i))
    f = 1 / (1 + np.exp(-a_f))
    o = 1 / (1 + np.exp(-a_o))
    g = np.tanh(a_g)
    c = f * c + i * g
    h = o * np.tanh(c)
    return h, c


def _step(
    order="ifog", stacked=lambda h, x: [h, x], g_of=np.tanh, bias=True, out=np.tanh, o_of=None
):
    """lstm_step with one thing done another way."""

    def attempt(W, b, x, h, c):
        parts = np.split(W @ np.concatenate(stacked(h, x)) + b * bias, 4)
        a = dict(zip(order, parts))
        i, f, o = (_sigmoid(a[name]) for name in "ifo")
        o = o if o_of is None else o_of(a["o"])
        c = f * c + i * g_of(a["g"])
        return o * out(c), c

    return attempt


def _old_cell_revealed(W, b, x, h, c):
    new_h, new_c = _step()(W, b, x, h, c)
    o = _sigmoid(np.split(W @ np.concatenate([h, x]) + b, 4)[2])
    return o * np.tanh(c), new_c


def _coupled(W, b, x, h, c):
    a_i, a_f, a_o, a_g = np.split(W @ np.concatenate([h, x]) + b, 4)
    f = _sigmoid(a_f)
    c = f * c + (1 - f) * np.tanh(a_g)
    return _sigmoid(a_o) * np.tanh(c), c


def _step_case(H, D):
    normal = _rng.standard_normal
    return normal((4 * H, H + D)), normal(4 * H), normal(D), _rng.uniform(-1, 1, H), normal(H)


lstm_step = Exercise(
    lstm_step,
    cases=[_step_case(1, 1), _step_case(3, 2), _step_case(2, 2)],
    values=("h", "c"),
    mistakes={
        "The blocks come in the order i, f, o, g: the third one is o, the fourth g.": _step("ifgo"),
        "The first two blocks are i, then f: yours are the other way round.": _step("fiog"),
        "g is the only one with tanh: it says what to write, from -1 to 1.": _step(g_of=_sigmoid),
        "The output gate is a gate: sigma, so that it lies between 0 and 1.": _step(o_of=np.tanh),
        "h is o times tanh(c), not o times c.": _step(out=lambda c: c),
        "The bias is missing: W [h; x] + b.": _step(bias=False),
        "h = o * tanh(c) uses the *new* c.": _old_cell_revealed,
        "The stacked vector is [h; x], h first: the first H columns of W belong to h.": _step(
            stacked=lambda h, x: [x, h]
        ),
        "That couples the gates: what is not kept is written. Here i is a gate of its own.": (
            _coupled
        ),
    },
    hints=(
        "One product for all four: W @ np.concatenate([h, x]) + b, then np.split(..., 4).",
        "sigma(a) = 1 / (1 + np.exp(-a)) for i, f and o; np.tanh for g.",
        "c = f * c + i * g, then h = o * np.tanh(c). Return h, c.",
    ),
)


def from_torch(weight_ih, weight_hh, bias_ih, bias_hh):
    W = np.concatenate([weight_hh, weight_ih], axis=1)
    b = bias_ih + bias_hh
    W_i, W_f, W_g, W_o = np.split(W, 4)
    b_i, b_f, b_g, b_o = np.split(b, 4)
    return np.concatenate([W_i, W_f, W_o, W_g]), np.concatenate([b_i, b_f, b_o, b_g])


def _translated(
    order=(0, 1, 3, 2), h_first=True, biases=lambda b_ih, b_hh: b_ih + b_hh, b_order=None
):
    def attempt(weight_ih, weight_hh, bias_ih, bias_hh):
        parts = [weight_hh, weight_ih] if h_first else [weight_ih, weight_hh]
        W, b = np.concatenate(parts, axis=1), biases(bias_ih, bias_hh)
        W = np.concatenate([np.split(W, 4)[k] for k in order])
        return W, np.concatenate([np.split(b, 4)[k] for k in b_order or order])

    return attempt


def _torch_case(H, D):
    normal = _rng.standard_normal
    return normal((4 * H, D)), normal((4 * H, H)), normal(4 * H), normal(4 * H)


from_torch = Exercise(
    from_torch,
    cases=[_torch_case(2, 3), _torch_case(3, 3)],
    values=("W", "b"),
    mistakes={
        "Still there: two blocks are swapped. Look the order up, or ask for "
        "ex.from_torch.hint().": _translated((0, 1, 2, 3)),
        "PyTorch's order is i, f, g, o: its third block is g, its fourth is o. The first two are "
        "as they should be.": _translated((1, 0, 3, 2)),
        "W is right. Its bias needs the same order of blocks.": _translated(b_order=(0, 1, 2, 3)),
        "PyTorch adds both biases: so does the translation.": _translated(
            biases=lambda b_ih, b_hh: b_ih
        ),
        "Both biases are added up, not averaged.": _translated(
            biases=lambda b_ih, b_hh: (b_ih + b_hh) / 2
        ),
        "The first H columns of W belong to h: weight_hh first.": _translated(h_first=False),
    },
    hints=(
        "Run PyTorch's cell and ours with only one block different from 0, and see who answers.",
        "PyTorch's blocks are i, f, g, o, from top to bottom; ours are i, f, o, g.",
        "Split into four, put the last two the other way round, for W and for b.",
    ),
)


def latch():
    W = np.zeros((4, 3))
    b = np.zeros(4)
    W[:, 2] = [12, -12, 0, 0]
    W[3, 1] = 10
    b[:] = [-6, 6, 6, 0]
    return W, b


def _held(attempt):
    """What a one-unit LSTM holds in c and says in h at each step: the sign, 0 if below 0.1.

    Many weights are right, so it is what they do that is compared. The signal lies in [-1, 1]; a
    marked value is at least 0.3 from 0.
    """
    W, b = _weights(attempt())
    rng = np.random.default_rng(11)
    values, marks = rng.uniform(-1, 1, (50, 60)), rng.random((50, 60)) < 0.1
    marks[:, 0] = True
    values[marks] = np.sign(values[marks]) * np.maximum(np.abs(values[marks]), 0.3)
    h, c, said = np.zeros(50), np.zeros(50), []
    with np.errstate(over="ignore"):
        for x, m in zip(values.T, marks.T):
            a_i, a_f, a_o, a_g = W @ np.stack([h, x, m]) + b[:, None]
            c = _sigmoid(a_f) * c + _sigmoid(a_i) * np.tanh(a_g)
            h = _sigmoid(a_o) * np.tanh(c)
            said.append([np.sign(v) * (np.abs(v) > 0.1) for v in (c, h)])
    return np.array(said).transpose(1, 0, 2)


def _weights(answer):
    """W and b as arrays; ValueError that says what they should be."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise ValueError("return two things: W, of shape (4, 3), and b, of shape (4,)")
    W, b = (np.asarray(part, dtype=float) for part in answer)
    if W.shape != (4, 3) or b.shape != (4,):
        raise ValueError(f"W has shape {W.shape} and b {b.shape}: return (4, 3) and (4,)")
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise ValueError("W and b should be finite numbers")
    return W, b


def _latch(write=12.0, erase=-12.0, closed=-6.0, keep=6.0, value=10.0, reveal=6.0, order="ifog"):
    def attempt():
        W, b = np.zeros((4, 3)), np.zeros(4)
        row = {gate: order.index(gate) for gate in "ifog"}
        W[row["i"], 2], W[row["f"], 2], W[row["g"], 1] = write, erase, value
        b[[row["i"], row["f"], row["o"]]] = closed, keep, reveal
        return W, b

    return attempt


def _columns(order):
    def attempt():
        W, b = _latch()()
        return W[:, order], b

    return attempt


latch = Exercise(
    latch,
    cases=[()],
    values=("sign held [in c or h, step, sequence], 0 if below 0.1",),
    use=_held,
    mistakes={
        "It writes at every step, so noise gets in: the write gate i should be open at a mark "
        "only.": _latch(write=0.0, closed=6.0),
        "It never forgets, so the first bits outweigh the later ones: at a mark the keep gate f "
        "should close.": _latch(erase=0.0),
        "It forgets at once: between marks the keep gate f should be near 1.": _latch(
            keep=-6.0, erase=0.0
        ),
        "Nothing is ever written: at a mark the write gate i should open.": _latch(write=0.0),
        "The bit comes out the wrong way round: what to write, g, should have the sign of the "
        "value.": _latch(value=-10.0),
        "c holds the bit, but h does not say so: open the output gate o.": _latch(reveal=-6.0),
        "The rows come in the order i, f, o, g: the third belongs to o, the fourth to g.": _latch(
            order="ifgo"
        ),
        "The columns come in the order h, x, m: the signal second, the mark third.": _columns(
            [0, 2, 1]
        ),
    },
    hints=(
        "Say first what each gate should do without a mark and at a mark: i 0 and 1, f 1 and 0.",
        "sigma(-6) is 0.002 and sigma(6) is 0.998: a bias of -6 closes a gate, +12 at a mark "
        "opens it.",
        "b = [-6, 6, 6, 0]; column 2 of W (the mark): [12, -12, 0, 0]; W[3, 1], value to g: 10.",
    ),
)


def half_life(bias):
    f = 1 / (1 + np.exp(-bias))
    return np.log(0.5) / np.log(f)


def _half_life_of_the_bias(bias):
    with np.errstate(divide="ignore"):
        return np.log(0.5) / np.log(bias)


half_life = Exercise(
    half_life,
    cases=[(0.0,), (1.0,), (4.6,)],
    values=("steps",),
    mistakes={
        "That is the share kept in one step. How many steps until half is left?": _sigmoid,
        "f^n = 1/2 gives n = log(1/2) / log(f), not the other way round.": (
            lambda bias: np.log(_sigmoid(bias)) / np.log(0.5)
        ),
        "f is sigma(bias), not the bias itself.": _half_life_of_the_bias,
        "That is how long it takes until 1/e, about 37 %, is left. Half comes sooner.": (
            lambda bias: -1 / np.log(_sigmoid(bias))
        ),
        "Each step multiplies by f, it does not subtract 1 - f.": (
            lambda bias: 0.5 / (1 - _sigmoid(bias))
        ),
    },
    hints=(
        "With x and h out of the way, c is multiplied by f = sigma(bias) at every step.",
        "After n steps f^n is left. Solve f^n = 1/2 for n.",
        "np.log(0.5) / np.log(f)",
    ),
)
