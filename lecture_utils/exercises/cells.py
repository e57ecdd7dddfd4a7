"""Exercises of lesson 05."""

import numpy as np
import torch
from torch import nn

from lecture_utils.exercises.by_what_it_does import ByWhatItDoes, Wrong, doing, form, takes
from lecture_utils.exercises.exercise import Exercise
from lecture_utils.models.recurrent import unroll
from lecture_utils.recipes.cells import FLOAT, train

_rng = np.random.default_rng(5)


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


def mut1_step(W_xz, b_z, W_xr, W_hr, b_r, W_hh, b_h, x, h):
    z = 1 / (1 + np.exp(-(W_xz @ x + b_z)))
    r = 1 / (1 + np.exp(-(W_xr @ x + W_hr @ h + b_r)))
    new = np.tanh(W_hh @ (r * h) + np.tanh(x) + b_h)
    return z * new + (1 - z) * h


def _mut1(
    z_of=_sigmoid,
    r_of=_sigmoid,
    out=np.tanh,
    x_of=lambda x, W_xz, W_xr: np.tanh(x),
    z_sees=lambda W_hr, W_hh, h: 0,
    r_sees_h=True,
    past=lambda W_hh, r, h: W_hh @ (r * h),
    biases=(1, 1, 1),
    mix=lambda z, r, new, h: z * new + (1 - z) * h,
    times=np.matmul,
):
    """mut1_step with one thing done another way."""

    def attempt(W_xz, b_z, W_xr, W_hr, b_r, W_hh, b_h, x, h):
        b_z, b_r, b_h = (keep * b for keep, b in zip(biases, (b_z, b_r, b_h)))
        z = z_of(times(W_xz, x) + z_sees(W_hr, W_hh, h) + b_z)
        r = r_of(times(W_xr, x) + times(W_hr, h) * r_sees_h + b_r)
        return mix(z, r, out(past(W_hh, r, h) + x_of(x, W_xz, W_xr) + b_h), h)

    return attempt


def _mut1_case(H):
    W_xz, W_xr, W_hr, W_hh = 1.5 * _rng.standard_normal((4, H, H))
    b_z, b_r, b_h, x = _rng.standard_normal((4, H))
    return W_xz, b_z, W_xr, W_hr, b_r, W_hh, b_h, x, _rng.uniform(-1, 1, H)


mut1_step = Exercise(
    mut1_step,
    cases=[_mut1_case(1), _mut1_case(3), _mut1_case(2)],
    values=("h_t",),
    mistakes={
        "z sees x_t only: there is no W_hz in MUT1. W_hr belongs to r.": _mut1(
            z_sees=lambda W_hr, W_hh, h: W_hr @ h
        ),
        "z sees x_t only: there is no W_hz in MUT1. W_hh belongs to the proposal.": _mut1(
            z_sees=lambda W_hr, W_hh, h: W_hh @ h
        ),
        "z and 1 - z are swapped: in MUT1 1 - z keeps the past, where the lecture's GRU keeps z of "
        "it.": _mut1(mix=lambda z, r, new, h: z * h + (1 - z) * new),
        "Here the reset comes after the product. MUT1 resets first: W_hh @ (r * h), not "
        "r * (W_hh @ h).": _mut1(past=lambda W_hh, r, h: r * (W_hh @ h)),
        "Nothing is reset: the proposal sees r * h, not h.": _mut1(
            past=lambda W_hh, r, h: W_hh @ h
        ),
        "z and r have changed places: r resets, z mixes the proposal with the past.": _mut1(
            mix=lambda z, r, new, h: r * new + (1 - r) * h
        ),
        "x enters the proposal without a matrix, but not bare: as tanh(x).": _mut1(
            x_of=lambda x, W_xz, W_xr: x
        ),
        "x enters the proposal without a matrix, as tanh(x). W_xr belongs to r.": _mut1(
            x_of=lambda x, W_xz, W_xr: W_xr @ x
        ),
        "x enters the proposal without a matrix, as tanh(x). W_xz belongs to z.": _mut1(
            x_of=lambda x, W_xz, W_xr: W_xz @ x
        ),
        "x enters the proposal as tanh(x), without W_xr, which belongs to r.": _mut1(
            x_of=lambda x, W_xz, W_xr: np.tanh(W_xr @ x)
        ),
        "x enters the proposal as tanh(x), without W_xz, which belongs to z.": _mut1(
            x_of=lambda x, W_xz, W_xr: np.tanh(W_xz @ x)
        ),
        "The proposal does not see x: tanh(x) is added to the product.": _mut1(
            x_of=lambda x, W_xz, W_xr: 0
        ),
        "r sees h_{t-1}, too: W_hr @ h is missing.": _mut1(r_sees_h=False),
        "The proposal has a tanh around the whole sum, beside the one around x.": _mut1(
            out=lambda a: a
        ),
        "The proposal needs tanh twice, around x and around the whole: yours has none.": _mut1(
            x_of=lambda x, W_xz, W_xr: x, out=lambda a: a
        ),
        "The proposal is no gate: tanh around it, not sigma.": _mut1(out=_sigmoid),
        "x enters the proposal as tanh(x), not as sigma(x).": _mut1(
            x_of=lambda x, W_xz, W_xr: _sigmoid(x)
        ),
        "z is a gate: sigma, so that it lies between 0 and 1. Yours has tanh.": _mut1(z_of=np.tanh),
        "r is a gate: sigma, so that it lies between 0 and 1. Yours has tanh.": _mut1(r_of=np.tanh),
        "z and r are gates: sigma, so that they lie between 0 and 1. Yours have tanh.": _mut1(
            z_of=np.tanh, r_of=np.tanh
        ),
        "sigma(a) is 1 / (1 + np.exp(-a)): the minus sign is missing.": _mut1(
            z_of=lambda a: _sigmoid(-a), r_of=lambda a: _sigmoid(-a)
        ),
        "b_z is missing in z.": _mut1(biases=(0, 1, 1)),
        "b_r is missing in r.": _mut1(biases=(1, 0, 1)),
        "b_h is missing in the proposal.": _mut1(biases=(1, 1, 0)),
        "The three biases are missing.": _mut1(biases=(0, 0, 0)),
        "That is the proposal. The new state mixes it with the old one: z * new + (1 - z) * h.": (
            _mut1(mix=lambda z, r, new, h: new)
        ),
        "The new state has two parts, and only z * new is there: (1 - z) * h keeps the rest.": (
            _mut1(mix=lambda z, r, new, h: z * new)
        ),
        "The matrices are transposed: x is one vector here, so W @ x. (With a batch in rows it is "
        "x @ W.T.)": _mut1(times=lambda W, v: v @ W, past=lambda W_hh, r, h: (r * h) @ W_hh),
        "W * x multiplies entry by entry. A matrix times a vector is W @ x.": _mut1(
            times=np.multiply, past=lambda W_hh, r, h: W_hh * (r * h)
        ),
    },
    hints=(
        "One line for each of the four equations. Which of them see h_{t-1}? All but the first.",
        "z = sigma(W_xz @ x + b_z), and r has W_hr @ h besides, with sigma(a) = "
        "1 / (1 + np.exp(-a)).",
        "new = np.tanh(W_hh @ (r * h) + np.tanh(x) + b_h); return z * new + (1 - z) * h",
    ),
)


def can_be_copied(W_hn, b_hn):
    diagonal = np.array_equal(W_hn, np.diag(np.diag(W_hn)))
    return diagonal and not b_hn.any()


class _YesOrNo(Exercise):
    """Shows the first matrix with the wrong answer: True for False alone says little."""

    def _known_mistake(self, answers):
        if known := super()._known_mistake(answers):
            return known
        if any(isinstance(answer, str) for answer in answers):
            return "It returns text. Return True or False themselves, without quotation marks."
        for answer, (W_hn, b_hn) in zip(answers, self.cases):
            right = self.reference(W_hn, b_hn)
            if isinstance(answer, bool | np.bool_) and answer != right:
                return (
                    f"For W_hn = {W_hn.tolist()} and b_hn = {b_hn.tolist()} the answer is {right}, "
                    f"yours is {answer}. Is r * (W_hn h + b_hn) = W_hn (r * h) there, for every r?"
                )
        return None


def _diagonal(W):
    return np.array_equal(W, np.diag(np.diag(W)))


def _copy_case(W_hn, b_hn=None):
    W_hn = np.array(W_hn, dtype=float)
    return W_hn, np.zeros(len(W_hn)) if b_hn is None else np.array(b_hn)


can_be_copied = _YesOrNo(
    can_be_copied,
    # A matrix that only permutes, and any with one entry in each column at most, is not asked for:
    # a GRU with *another* reset gate, r'_j = r_i for the entry i of column j, computes the same.
    cases=[
        _copy_case([[0.5, -1.2], [0.8, 0.3]]),
        _copy_case([[0.5, 0], [0, -1.2]]),
        _copy_case(np.eye(2)),
        _copy_case([[0.5, 0], [0, -1.2]], [0.0, 0.7]),
        _copy_case([[0.5, 0], [0, -1.2]], [0.6, -0.6]),
        _copy_case([[1, 0.5], [0.5, 2]]),
        _copy_case([[0.8]]),
        _copy_case([[0.8]], [0.4]),
        _copy_case(np.zeros((2, 2))),
        _copy_case(np.zeros((2, 2)), [1.0, -1.0]),
        _copy_case([[1, 0], [0.5, 2]]),
        _copy_case([[1, 0.5], [0, 2]]),
        _copy_case([[2, 0, 0], [0, 0, 0], [0, 0, -1]]),
        _copy_case([[1, 0, 0], [1, 0, 0], [0, 0, 0]]),
        _copy_case([[0, 1, -2], [-1, 0, 3], [2, -3, 0]]),
        _copy_case(_rng.standard_normal((3, 3)).round(1), [0.3, -0.2, 0.1]),
    ],
    values=("the answer",),
    mistakes={
        "Never? The question is whether r * (W h) = W (r * h) for every r and h. Try W = the "
        "identity.": lambda W, b: False,
        "Always? nn.GRU computes r * (W h), the lecture W (r * h). Try W = [[1, 1], [1, 1]], "
        "r = [1, 0] and h = [1, 2]: is r * (W h) = W (r * h)?": lambda W, b: True,
        "The other way round: True where it can be copied.": (
            lambda W, b: not (_diagonal(W) and not b.any())
        ),
        "The identity is not the only one. Try W = [[2, 0], [0, 3]] in r * (W h) = W (r * h).": (
            lambda W, b: np.array_equal(W, np.eye(len(W))) and not b.any()
        ),
        "Multiples of the identity are not the only ones. Try W = [[2, 0], [0, 3]] in "
        "r * (W h) = W (r * h).": (
            lambda W, b: np.array_equal(W, W[0, 0] * np.eye(len(W))) and not b.any()
        ),
        "Symmetric is not enough. Try W = [[1, 1], [1, 1]] and r = [1, 0]: is r * (W h) = "
        "W (r * h)?": lambda W, b: np.array_equal(W, W.T) and not b.any(),
        "Triangular is not enough. Try W = [[1, 1], [0, 1]] and r = [1, 0]: is r * (W h) = "
        "W (r * h)?": lambda W, b: (
            (np.array_equal(W, np.triu(W)) or np.array_equal(W, np.tril(W))) and not b.any()
        ),
        "Whether W_hn can be inverted does not matter: is r * (W h) = W (r * h) for every r?": (
            lambda W, b: np.linalg.det(W) != 0 and not b.any()
        ),
        "That is right for W_hn. And b_hn? In r * (W_hn h + b_hn) the reset gate scales it, and in "
        "the lecture's GRU it scales no bias.": lambda W, b: _diagonal(W),
        "b_hn = 0 is half of it. And W_hn: is r * (W h) = W (r * h) for every r?": (
            lambda W, b: not b.any()
        ),
        "Both are needed, the one for W_hn and the one for b_hn: `and`, not `or`.": (
            lambda W, b: _diagonal(W) or not b.any()
        ),
        "W_hn need not be 0. Try W = the identity in r * (W h) = W (r * h).": (
            lambda W, b: not W.any() and not b.any()
        ),
        "W_hn may be 0, but then b_hn still matters: r * b_hn changes with r, and the lecture's "
        "GRU has no bias that r scales.": lambda W, b: _diagonal(W) and not (b.any() and W.any()),
        "More than one unit is possible. Try W = the identity in r * (W h) = W (r * h).": (
            lambda W, b: len(W) == 1 and not b.any()
        ),
        "W may have several units, and b_hn matters for one unit, too: r scales it in nn.GRU.": (
            lambda W, b: len(W) == 1
        ),
    },
    hints=(
        "nn.GRU computes r * (W_hn h + b_hn), the lecture W_hh (r * h). Take W = [[1, 1], [1, 1]], "
        "r = [1, 0], and see whether they agree.",
        "Row i: r_i times the sum of W_ij h_j, against the sum of W_ij r_j h_j. Equal for every r "
        "and h only if W_ij (r_i - r_j) = 0. And what is left of b_hn where r = 0?",
        "True where W_hn is diagonal, np.array_equal(W_hn, np.diag(np.diag(W_hn))), and b_hn is 0.",
    ),
)


def count_weights(input_size, hidden_size):
    D, H = input_size, hidden_size
    block = H * D + H * H + H
    gru = 3 * block
    peephole_lstm = 4 * block + 3 * H
    full_gate_recurrence = peephole_lstm + 9 * H * H
    return gru, peephole_lstm, full_gate_recurrence


def _counts(
    block=lambda D, H: H * (D + H + 1),
    blocks=(3, 4, 4),
    peepholes=lambda D, H: 3 * H,
    fgr_peepholes=None,
    gates=lambda D, H: 9 * H * H,
    swapped=False,
):
    """count_weights with one thing done another way."""

    def attempt(input_size, hidden_size):
        D, H = (hidden_size, input_size) if swapped else (input_size, hidden_size)
        gru, lstm, fgr = (n * block(D, H) for n in blocks)
        return gru, lstm + peepholes(D, H), fgr + (fgr_peepholes or peepholes)(D, H) + gates(D, H)

    return attempt


count_weights = Exercise(
    count_weights,
    cases=[(1, 2), (5, 3), (10, 4)],
    values=("GRU", "LSTM with peepholes", "full gate recurrence"),
    mistakes={
        "The biases are missing: one number for each row of a matrix, H in each block.": _counts(
            lambda D, H: H * (D + H)
        ),
        "PyTorch has two biases in each block. Here each block has one.": _counts(
            lambda D, H: H * (D + H + 2)
        ),
        "Right for the LSTMs. PyTorch's GRU has two biases in each block, the lecture's has one.": (
            lambda D, H: (3 * H * (D + H + 2), *_counts()(D, H)[1:])
        ),
        "A block has two matrices, and the one for h is missing: H x H.": _counts(
            lambda D, H: H * (D + 1)
        ),
        "A block has two matrices, and the one for x is missing: H x D.": _counts(
            lambda D, H: H * (H + 1)
        ),
        "D and H are swapped: W_x has H rows and D columns, W_h has H and H.": _counts(
            swapped=True
        ),
        "Right for the LSTMs. The GRU has three blocks, r, z and h~, not four.": _counts(
            blocks=(4, 4, 4)
        ),
        "Right for the LSTMs. The GRU has two gates and the proposal h~: three blocks.": _counts(
            blocks=(2, 4, 4)
        ),
        "An LSTM has three gates and g, what to write: four blocks.": _counts(blocks=(3, 3, 3)),
        "The proposals are missing: h~ in the GRU and g in the LSTMs have their weights, "
        "too.": _counts(blocks=(2, 3, 3)),
        "A peephole is a vector, p * c, one weight for each unit: 3 H in all, not 3 H^2.": _counts(
            peepholes=lambda D, H: 3 * H * H
        ),
        "The peepholes are missing: p_i, p_f and p_o, H numbers each.": _counts(
            peepholes=lambda D, H: 0
        ),
        "The first two are right. Full gate recurrence comes on top of the peepholes.": _counts(
            fgr_peepholes=lambda D, H: 0
        ),
        "The three peepholes are three vectors: H numbers each.": _counts(peepholes=lambda D, H: H),
        "Three gates see c, and g does not: three peepholes, not four.": _counts(
            peepholes=lambda D, H: 4 * H
        ),
        "The first two are right. In full gate recurrence each of three gates sees each of three "
        "gates: nine matrices, not three.": _counts(gates=lambda D, H: 3 * H * H),
        "The first two are right. A gate has H numbers and sees H numbers, not D: the nine "
        "matrices are H x H.": _counts(gates=lambda D, H: 9 * H * D),
        "The first two are right. Gates see gates through matrices, H x H, not through vectors as "
        "in peepholes.": _counts(gates=lambda D, H: 9 * H),
        "The first two are right. g is no gate, and full gate recurrence leaves it alone: three "
        "gates see three gates, nine matrices.": _counts(gates=lambda D, H: 12 * H * H),
        "The first two are right. g is no gate, neither sees nor is seen: nine matrices, not "
        "sixteen.": _counts(gates=lambda D, H: 16 * H * H),
        "The first two are right. Full gate recurrence adds nine matrices to the LSTM with "
        "peepholes: that one's weights are there, too.": (
            _counts(blocks=(3, 4, 0), fgr_peepholes=lambda D, H: 0)
        ),
        "The first two are right. The nine matrices of full gate recurrence are missing.": (
            _counts(gates=lambda D, H: 0)
        ),
    },
    hints=(
        "A block is W_x (H x D), W_h (H x H) and b (H): H (D + H + 1) numbers. How many blocks has "
        "each cell?",
        "GRU: r, z, h~. LSTM: i, f, o, g, and a vector of H numbers, a peephole, for each of the "
        "three gates. Full gate recurrence: nine more matrices, from three gates to three gates.",
        "block = H * (D + H + 1); 3 * block; 4 * block + 3 * H; 4 * block + 3 * H + 9 * H * H",
    ),
)


def my_cell(input_size, hidden_size):
    class MinimalGatedUnit(nn.Module):  # Zhou et al. (2016)
        def __init__(self):
            super().__init__()
            self.forget = nn.Linear(hidden_size + input_size, hidden_size)
            self.propose = nn.Linear(hidden_size + input_size, hidden_size)

        def start(self, batch_size):
            return self.forget.bias.new_zeros(batch_size, hidden_size)

        def forward(self, x, h):
            f = torch.sigmoid(self.forget(torch.cat([h, x], dim=1)))
            new = torch.tanh(self.propose(torch.cat([f * h, x], dim=1)))
            return (1 - f) * h + f * new

    return MinimalGatedUnit()


# Any cell is right that does what a cell does. The checks below come in the order in which a reader
# would mend things, and the first that fails has the word.

_BATCH, _STEPS = 5, 6

_SUPER = "The first line of __init__ has to be super().__init__(): PyTorch keeps its lists there."
_SHARED = (
    "Two calls give the same weights, and the bench trains several networks side by side. Make "
    "the cell and its weights inside my_cell, anew at each call."
)
_NO_WEIGHTS = (
    "It has nothing to learn: no parameters. Make weights in __init__ and keep them in self, as "
    "nn.Linear(...) or nn.Parameter(...)."
)
_NO_START = (
    "It has no start: add `def start(self, batch_size)`, which gives the first state, such as "
    "zeros of shape (batch_size, hidden_size)."
)
_START = (
    "start is called with the number of sequences, as start(32), and has to take it: "
    "`def start(self, batch_size)`."
)
_DTYPE = (
    "start gives zeros of PyTorch's default dtype, and the bench computes in float32 whatever the "
    "default is. Zeros of the same dtype as a weight: self.W.new_zeros(batch_size, hidden_size)."
)
_FORWARD = (
    "forward is called with two things, x and the state: `def forward(self, x, state)`. A state of "
    "two parts is one tuple: h, c = state."
)
_NO_RETURN = "forward returns nothing: is `return h` missing?"
_IN_PLACE = (
    "forward changes the state that it is given, and others still need it: `h = h + ...` makes a "
    "new one, `h += ...` and `h[...] =` do not."
)
_ELSEWHERE = (
    "Stopped and continued from its state, it gives something else than in one go. All that it "
    "remembers has to be in the state, nothing in self, and it must not draw random numbers."
)
_MIXES = (
    "The sequences of a batch influence each other: a state changes when another sequence does. "
    "Rows are sequences, so means, softmax and the like go along dim=1, not dim=0; LayerNorm, not "
    "BatchNorm."
)
_DEAF = "It does not listen: with other inputs the states are the same. Use x in forward."
_FORGETS = (
    f"It has no memory: after {_STEPS} steps nothing is left of the first input. The new h has to "
    "depend on the old one, the state that forward is given."
)
_CUT = (
    "h remembers the first input, but no gradient gets back to it, so it cannot learn what to "
    "remember: no .detach(), .data, .numpy() or torch.no_grad() on the way."
)


def _list(method):
    return f"{method} gives a list. A state of several parts is a tuple: `return h, c`."


def _plain(name):
    return (
        f"self.{name} is a plain tensor, which nothing trains: weights are nn.Parameter(...). "
        "What is to stay as it is goes into self.register_buffer(name, tensor)."
    )


def _idle(name):
    return (
        f"No gradient reaches {name}, so it never learns: use it in forward, or leave it out. "
        "(Behind .detach(), .data, .round() or a comparison no gradient gets on.)"
    )


def _check(attempt, input_size, hidden_size):
    """Raises Wrong unless `attempt` makes a cell for `unroll` that can learn."""
    cell, second = (_made(attempt, input_size, hidden_size) for _ in range(2))
    _check_weights(cell, second)
    _check_start(cell, hidden_size)
    _check_step(cell, input_size)
    with torch.no_grad():  # weights that start at 0 are fine, if they need not stay there
        for weight in cell.parameters():
            weight += 0.1 * torch.randn_like(weight)
    _check_run(cell, input_size)
    _check_gradients(cell, input_size)
    _check_bench(attempt, hidden_size)


def _made(attempt, *sizes):
    if isinstance(attempt, nn.Module):
        raise Wrong("my_cell is a cell, and should be a function that makes one at each call.")
    if not takes(attempt, *sizes):
        raise Wrong("my_cell is called with two sizes and has to take them: input, then hidden.")
    try:
        cell = attempt(*sizes)
    except AttributeError as error:
        if "before Module.__init__" in str(error):
            raise Wrong(_SUPER) from None
        raise
    if cell is None:
        raise Wrong("It returns nothing: is `return Cell()` missing, after the class?")
    if isinstance(cell, type):
        raise Wrong(f"It returns a class. Return a cell, {cell.__name__}(...), with parentheses.")
    if not isinstance(cell, nn.Module):
        raise Wrong(f"It returns {form(cell)}. Return a cell, an nn.Module.")
    if "_parameters" not in vars(cell):
        raise Wrong(_SUPER)
    return cell


def _check_weights(cell, second):
    for module in cell.modules():
        if not type(module).__module__.startswith("torch."):
            for name in vars(module).keys() - vars(nn.Module()).keys():
                _check_attribute(name, vars(module)[name])
    if not list(cell.parameters()):
        raise Wrong(_NO_WEIGHTS)
    if cell is second or {*map(id, cell.parameters())} & {*map(id, second.parameters())}:
        raise Wrong(_SHARED)
    for name, weight in cell.named_parameters():
        if not weight.requires_grad:
            raise Wrong(
                f"{name} has requires_grad=False, so it does not learn. If it is to stay as it is, "
                "make it a buffer: self.register_buffer(name, tensor)."
            )


def _check_attribute(name, value):
    if torch.is_tensor(value) and value.is_floating_point():
        raise Wrong(_plain(name))
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, list | tuple | dict) and any(
        isinstance(part, nn.Module | torch.Tensor) for part in inner
    ):
        raise Wrong(
            f"PyTorch does not look into self.{name}, a {type(value).__name__}, so nothing in it "
            "is trained: nn.ModuleList([...]) for layers, nn.ParameterList([...]) for weights."
        )


def _check_start(cell, hidden_size):
    if not callable(getattr(cell, "start", None)):
        raise Wrong(_NO_START)
    if not takes(cell.start, _BATCH):
        raise Wrong(_START)
    for batch_size in (_BATCH, 1):
        shape = (batch_size, hidden_size)
        with doing(f"start({batch_size})"):
            state = cell.start(batch_size)
        if isinstance(state, list):
            raise Wrong(_list("start"))
        h = state[0] if isinstance(state, tuple) and state else state
        if not torch.is_tensor(h) or h.shape != shape:
            raise Wrong(
                f"start({batch_size}) gives {form(state)}, and should give a tensor of shape "
                f"{shape}, one row for each sequence, or a tuple that begins with one."
            )
        if not all(part.isfinite().all() for part in _tensors(state)):
            raise Wrong(
                "start gives numbers that are not finite: torch.zeros(...), not torch.empty(...)."
            )


def _check_step(cell, input_size):
    if not takes(cell.forward, None, None):
        raise Wrong(_FORWARD)
    x, state = _inputs(cell, input_size)[:, 0], cell.start(_BATCH)
    before = [part.clone() for part in _tensors(state)]
    with doing(f"forward(x, state), with {form(x)} and {form(state)},"):
        after = cell(x, state)
    if after is None:
        raise Wrong(_NO_RETURN)
    if isinstance(after, list):
        raise Wrong(_list("forward"))
    if form(after) != form(state):
        raise Wrong(
            f"forward gives {form(after)}, and start {form(state)}. A state keeps its form from "
            "step to step, so both should give the same."
        )
    if not all(map(torch.equal, before, _tensors(state))):
        raise Wrong(_IN_PLACE)
    if not all(part.isfinite().all() for part in _tensors(after)):
        raise Wrong("After one step the state holds numbers that are not finite (nan or inf).")


def _check_run(cell, input_size):
    xs, others = _inputs(cell, input_size), _inputs(cell, input_size)
    half = _STEPS // 2

    def run(xs, state=None):
        with doing(f"Running along {_STEPS} steps"):
            return unroll(cell, xs, state)

    with torch.no_grad():
        hs, _ = run(xs)
        if not hs.isfinite().all():
            raise Wrong(f"Within {_STEPS} steps its numbers are no longer finite (nan or inf).")
        first, state = run(xs[:, :half])
        if not _alike(hs, torch.cat([first, run(xs[:, half:], state)[0]], dim=1)):
            raise Wrong(_ELSEWHERE)
        if not _alike(hs[:1], run(torch.cat([xs[:1], others[1:]]))[0][:1]):
            raise Wrong(_MIXES)
        if torch.equal(hs, run(others)[0]):
            raise Wrong(_DEAF)
        if torch.equal(hs[:, -1], run(torch.cat([others[:, :1], xs[:, 1:]], dim=1))[0][:, -1]):
            raise Wrong(_FORGETS)


def _check_gradients(cell, input_size):
    xs = _inputs(cell, input_size).requires_grad_()
    hs, _ = unroll(cell, xs)
    weights = dict(cell.named_parameters())
    if not hs.requires_grad:
        raise Wrong(_CUT)
    with doing("The backward pass"):
        loss = (hs * torch.randn_like(hs)).sum()
        last = torch.autograd.grad(hs[:, -1].sum(), xs, retain_graph=True, allow_unused=True)[0]
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    for name, gradient in zip(weights, gradients):
        if gradient is None or not gradient.any():
            raise Wrong(_idle(name))
        if not gradient.isfinite().all():
            raise Wrong(f"The gradient of {name} is not finite, as that of sqrt or log at 0.")
    if last is None or not last[:, 0].any():
        raise Wrong(_CUT)


def _check_bench(attempt, hidden_size):
    cell = attempt(hidden_size, hidden_size).to(FLOAT)
    if any(part.is_floating_point() and part.dtype != FLOAT for part in _tensors(cell.start(1))):
        raise Wrong(_DTYPE)
    with doing(
        "It runs alone, but not in the bench, which trains several networks at once with "
        "torch.func.vmap: this",
        remedy="What vmap cannot do: `if`, .item() and NumPy on what is computed (torch.where "
        "chooses instead), writing into a part of a tensor (torch.cat or torch.stack instead), "
        "and PyTorch's own LSTMCell (write its equations).",
    ):
        train(attempt, "order", rates=[0.01], runs=range(2), updates=1, length=10,
              hidden_size=hidden_size, batch=2)  # fmt: skip


def _inputs(cell, input_size):
    weight = next(cell.parameters())
    return torch.randn(_BATCH, _STEPS, input_size, dtype=weight.dtype)


def _alike(a, b):
    return (a - b).abs().max() <= 1e-5 * (1 + a.abs().max())


def _tensors(state):
    parts = state if isinstance(state, tuple) else (state,)
    return [part for part in parts if torch.is_tensor(part)]


def _other_cell(forward=None, start=None, extra=None):
    """my_cell with a method done another way, or with one thing more in self."""

    def attempt(input_size, hidden_size):
        cell = my_cell(input_size, hidden_size)
        step = cell.forward
        if forward:
            cell.forward = lambda x, h: forward(step, x, h)
        if start:
            cell.start = start
        if extra is not None:
            cell.extra = extra(hidden_size)
        return cell

    return attempt


def _one_state_for_all(input_size, hidden_size):
    cell = my_cell(input_size, hidden_size)
    cell.start = lambda batch_size: torch.zeros(hidden_size)
    return cell


def _with_a_question(step, x, h):
    if x.isnan().any():
        raise ValueError("clean the data")
    return step(x, h)


def _the_same_each_time():
    made = {}

    def attempt(*sizes):
        return made.setdefault(sizes, my_cell(*sizes))

    return attempt


my_cell = ByWhatItDoes(
    my_cell,
    cases=[(8, 8), (12, 12)],
    values=("the cell",),
    use=_check,
    mistakes={
        _NO_START: nn.GRUCell,
        _START: _other_cell(start=lambda: torch.zeros(8)),
        "start gives one state for the whole batch. Each sequence has its own: a row for each, "
        "zeros of shape (batch_size, hidden_size).": _one_state_for_all,
        "forward gives 2 H numbers for each sequence, and start gives H: the new h has the shape "
        "of the old one.": _other_cell(lambda step, x, h: torch.cat([step(x, h), h], dim=1)),
        "forward gives a tuple with h in it, and start gives h alone: `return h`. (A comma after "
        "it makes the tuple.)": _other_cell(lambda step, x, h: (step(x, h),)),
        "forward gives two tensors, and start one. A cell gives the next state and no output "
        "beside it: `return h`. If c belongs to the state, start gives (h, c), too.": _other_cell(
            lambda step, x, h: (step(x, h), h)
        ),
        _NO_RETURN: _other_cell(lambda step, x, h: None),
        _IN_PLACE: _other_cell(lambda step, x, h: h.copy_(step(x, h))),
        _plain("extra"): _other_cell(extra=torch.ones),
        _idle("extra"): _other_cell(extra=lambda H: nn.Parameter(torch.ones(H))),
        _SHARED: _the_same_each_time(),
        _ELSEWHERE: _other_cell(lambda step, x, h: nn.functional.dropout(step(x, h))),
        _MIXES: _other_cell(lambda step, x, h: step(x, h - h.mean(0))),
        _DEAF: _other_cell(lambda step, x, h: step(0 * x, h)),
        _FORGETS: _other_cell(lambda step, x, h: step(x, 0 * h)),
        _CUT: _other_cell(lambda step, x, h: step(x, h.detach())),
        "It runs alone, but the bench trains several networks at once (torch.func.vmap), and there "
        "an `if` cannot ask for numbers of the batch: torch.where(condition, a, b) chooses entry "
        "by entry.": _other_cell(_with_a_question),
    },
    hints=(
        "Begin with a cell that you know, such as GRUCell in lecture_utils/models/gru.py, and "
        "change one thing: leave a gate out, or let one gate do two things.",
        "Three methods: __init__ makes layers, such as self.gate = nn.Linear(hidden_size + "
        "input_size, hidden_size); start(batch_size) gives the first h, such as "
        "self.gate.bias.new_zeros(batch_size, hidden_size); forward(x, h) gives the next h. "
        "torch.cat([h, x], dim=1) is [h; x] for a batch.",
        "One gate is enough (Zhou et al., 2016): f = sigma(W_f [h; x] + b_f), h~ = tanh(W_h "
        "[f * h; x] + b_h), and the next h is (1 - f) * h + f * h~.",
    ),
)
