"""Lesson 05: the answers against independent witnesses, and what is said of learners' own cells."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils.exercises import cells as ex
from lecture_utils.models import cell_variants as variants
from lecture_utils.models.gru import GRUCell, from_torch
from lecture_utils.models.lstm import LSTM1997Cell, LSTMCell
from lecture_utils.models.recurrent import unroll
from lecture_utils.models.rnn import RNNCell


@pytest.fixture
def float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# The answers -------------------------------------------------------------------------------------


def mut1_of_the_package(W_xz, b_z, W_xr, W_hr, b_r, W_hh, b_h, x, h):
    cell = variants.MUT1Cell(len(x), len(h)).double()
    with torch.no_grad():
        cell.W_x.copy_(torch.tensor(np.concatenate([W_xz, W_xr])))
        cell.W_h.copy_(torch.tensor(np.concatenate([W_hr, W_hh])))
        cell.b.copy_(torch.tensor(np.concatenate([b_z, b_r, b_h])))
        return cell(torch.tensor(x)[None], torch.tensor(h)[None])[0].numpy()


def test_the_step_is_that_of_the_package():
    assert ex.mut1_step.judge(mut1_of_the_package) is None


def counted(input_size, hidden_size):
    made = (GRUCell, variants.PeepholeLSTMCell, variants.FullGateRecurrence)
    cells = [cell(input_size, hidden_size) for cell in made]
    return [sum(weight.numel() for weight in cell.parameters()) for cell in cells]


def test_the_counts_are_those_of_the_package():
    assert ex.count_weights.judge(counted) is None


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("case", range(len(ex.can_be_copied.cases)))
def test_what_can_be_copied_computes_the_same(case):
    """The gates' weights are random; those of the proposal are the case's."""
    W_hn, b_hn = map(torch.tensor, ex.can_be_copied.cases[case])
    D, H = 3, len(b_hn)
    theirs, cell = nn.GRU(D, H, batch_first=True), GRUCell(D, H)
    with torch.no_grad():
        theirs.weight_hh_l0[2 * H :] = W_hn
        theirs.bias_hh_l0[2 * H :] = b_hn
        cell.W_x.copy_(theirs.weight_ih_l0)
        cell.W_h.copy_(theirs.weight_hh_l0)
        cell.b.copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
        xs = torch.randn(4, 5, D)
        apart = (theirs(xs)[0] - unroll(cell, xs)[0]).abs().max()
    same = ex.can_be_copied(W_hn.numpy(), b_hn.numpy())
    assert apart < 1e-12 if same else apart > 1e-3
    if same:
        from_torch(theirs)
    else:
        with pytest.raises(ValueError):
            from_torch(theirs)


def test_no_case_asks_for_what_another_reset_gate_could_do():
    """With at most one entry in each column of W_hn, r'_j = r_i makes up for the other order."""
    for W_hn, b_hn in ex.can_be_copied.cases:
        one_in_each_column = (W_hn != 0).sum(axis=0).max() <= 1
        assert ex.can_be_copied(W_hn, b_hn) == (one_in_each_column and not b_hn.any())


def test_an_unknown_wrong_rule_is_shown_a_matrix_for_which_it_fails():
    verdict = ex.can_be_copied.judge(lambda W_hn, b_hn: ex._diagonal(W_hn) and b_hn.sum() == 0)
    assert "For W_hn = [[0.5, 0.0], [0.0, -1.2]] and b_hn = [0.6, -0.6] the answer is F" in verdict
    assert "quotation marks" in ex.can_be_copied.judge(lambda W_hn, b_hn: "True")


# Cells that are right ----------------------------------------------------------------------------


class Mine(nn.Module):
    """A learner's cell: one gate and a proposal. Others below change one thing in it."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.size = hidden_size
        self.gate = nn.Linear(input_size + hidden_size, hidden_size)
        self.new = nn.Linear(input_size + hidden_size, hidden_size)

    def start(self, batch_size):
        return torch.zeros(batch_size, self.size)

    def forward(self, x, h):
        both = torch.cat([x, h], dim=1)
        z = torch.sigmoid(self.gate(both))
        return z * h + (1 - z) * torch.tanh(self.new(both))


class LearnedStart(Mine):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.first = nn.Parameter(torch.zeros(self.size))

    def start(self, batch_size):
        return self.first.expand(batch_size, -1)


class Normed(Mine):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.norm = nn.LayerNorm(self.size)

    def forward(self, x, h):
        return self.norm(super().forward(x, h))


class Buffered(Mine):
    """What is to stay as it is stands in a buffer."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("share", torch.tensor(0.5))

    def forward(self, x, h):
        return self.share * (h + super().forward(x, h))


class Tied(Mine):
    """One matrix, known by two names."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.again = next(self.children())


class FromZero(Mine):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        for weight in self.parameters():
            nn.init.zeros_(weight)


class Late(Mine):
    """h says what c was one step before."""

    def start(self, batch_size):
        return super().start(batch_size), super().start(batch_size)

    def forward(self, x, state):
        _, c = state
        return torch.tanh(c), super().forward(x, c)


class Rectified(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.new = nn.Linear(input_size + hidden_size, hidden_size)

    def start(self, batch_size):
        return self.new.bias.new_zeros(batch_size, len(self.new.bias))

    def forward(self, x, h):
        return torch.relu(self.new(torch.cat([x, h], dim=1)))


RIGHT = [
    *(Mine, LearnedStart, Normed, Buffered, Tied, FromZero, Late, Rectified),
    *(RNNCell, GRUCell, LSTMCell, partial(LSTMCell, forget_bias=1), LSTM1997Cell),
    *(variants.MUT1Cell, variants.MUT3Cell, variants.FullGateRecurrence, variants.NASCell),
]


@pytest.mark.parametrize("cell", RIGHT, ids=lambda cell: getattr(cell, "__name__", "partial"))
def test_any_cell_that_does_what_a_cell_does_is_right(cell):
    assert ex.my_cell.judge(cell) is None


# Cells that are not ------------------------------------------------------------------------------


class NoSuper(Mine):
    def __init__(self, *sizes):
        self.gate = nn.Linear(*sizes)


class NoSuperNoWeights(Mine):
    def __init__(self, *sizes):
        self.size = 3


class NoWeights(Mine):
    def __init__(self, input_size, hidden_size):
        nn.Module.__init__(self)
        self.size = hidden_size


class InAList(NoWeights):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.layers = [nn.Linear(*sizes)]


class Frozen(Mine):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.scale = nn.Parameter(torch.ones(self.size), requires_grad=False)


class FixedBatch(Mine):
    def start(self, batch_size):
        return torch.zeros(32, self.size)


class StartsWithAList(Mine):
    def start(self, batch_size):
        return [torch.zeros(batch_size, self.size)] * 2


class StartsWithNothing(Mine):
    def start(self, batch_size):
        return ()


class StartsNowhere(Mine):
    def start(self, batch_size):
        return torch.full((batch_size, self.size), torch.nan)


class StartRaises(Mine):
    def start(self, batch_size):
        return torch.zeros(batch_size, hidden)  # noqa: F821


class TakesThree(Late):
    def forward(self, x, h, c):
        return h, c


class ForgetsC(Late):
    def forward(self, x, state):
        return state[0]


class AListOfParts(Late):
    def forward(self, x, state):
        return list(super().forward(x, state))


class WrongWidth(Mine):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gate = nn.Linear(input_size, hidden_size)


class Explodes(Mine):
    def forward(self, x, h):
        return 1e20 * (1 + h * h) + super().forward(x, h)


class InSelf(Mine):
    def start(self, batch_size):
        self.h = torch.zeros(batch_size, self.size)
        return self.h

    def forward(self, x, h):
        self.h = super().forward(x, self.h)
        return self.h


class CountsSteps(Mine):
    steps = 0

    def forward(self, x, h):
        self.steps += 1
        return super().forward(x, h) / self.steps


class AcrossTheBatch(Mine):
    def forward(self, x, h):
        return torch.softmax(super().forward(x, h), 0)


class ThroughNumPy(Mine):
    def forward(self, x, h):
        return torch.from_numpy(np.tanh(self.new(torch.cat([x, h], dim=1)).numpy()))


class NoGradient(Mine):
    def forward(self, x, h):
        with torch.no_grad():
            return super().forward(x, h)


class HardGate(Mine):
    def forward(self, x, h):
        both = torch.cat([x, h], dim=1)
        return torch.where(self.gate(both) > 0, h, torch.tanh(self.new(both)))


class AsksForAnItem(Mine):
    def forward(self, x, h):
        return super().forward(x, h) * (1 + self.new.bias[0].item())


class WritesInPlace(Mine):
    def forward(self, x, h):
        new = torch.zeros_like(h)
        new[:, :2] = super().forward(x, h)[:, :2]
        new[:, 2:] = super().forward(x, h)[:, 2:]
        return new


class PyTorchs(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.cell = nn.LSTMCell(*sizes)

    def start(self, batch_size):
        return (torch.zeros(batch_size, self.cell.hidden_size),) * 2

    def forward(self, x, state):
        return self.cell(x, state)


WRONG = {
    NoSuper: "super().__init__()",
    NoSuperNoWeights: "super().__init__()",
    NoWeights: "It has nothing to learn",
    InAList: "look into self.layers, a list, so nothing in it is trained: nn.ModuleList([...])",
    Frozen: "scale has requires_grad=False",
    FixedBatch: "start(5) gives a tensor of shape (32, 8), and should give a tensor of shape (5, 8",
    StartsWithAList: "start gives a list. A state of several parts is a tuple",
    StartsWithNothing: "start(5) gives a tuple of 0",
    StartsNowhere: "not torch.empty",
    StartRaises: "start(5) raises NameError: name 'hidden' is not defined.",
    TakesThree: "forward is called with two things, x and the state",
    ForgetsC: "forward gives a tensor of shape (5, 8), and start a tuple of 2",
    AListOfParts: "forward gives a list. A state of several parts is a tuple",
    WrongWidth: "shape (5, 8), raises RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    Explodes: "Within 6 steps its numbers are no longer finite",
    InSelf: "nothing in self",
    CountsSteps: "nothing in self",
    AcrossTheBatch: "not dim=0",
    ThroughNumPy: "raises RuntimeError: Can't call numpy() on Tensor that requires grad.",
    NoGradient: "no gradient gets back to it",
    HardGate: "No gradient reaches gate.weight",
    AsksForAnItem: ".item()",
    WritesInPlace: "writing into a part of a tensor",
    PyTorchs: "PyTorch's own LSTMCell (write its equations)",
}


@pytest.mark.parametrize("cell", WRONG, ids=lambda cell: cell.__name__)
def test_what_is_wrong_with_a_cell_is_said(cell):
    verdict = ex.my_cell.judge(cell)
    assert verdict.startswith("not yet. ") and WRONG[cell] in verdict, verdict


@pytest.mark.parametrize("answer, message", [
    (lambda D, H: print(end=""), "is `return Cell()` missing"),
    (lambda D, H: Mine, "It returns a class. Return a cell, Mine(...), with parentheses."),
    (lambda D, H: (Mine(D, H),), "It returns a tuple of 1"),
    (lambda D, H: {"h": 1}, "It returns something of type dict. Return a cell, an nn.Module."),
    (lambda H: Mine(H, H), "has to take them: input, then hidden"),
    (lambda D, H: Mine(8, 8), "start(5) gives a tensor of shape (5, 8), and should give a tensor"),
    (Mine(8, 8), "my_cell is a cell, and should be a function that makes one"),
])  # fmt: skip
def test_what_is_no_cell_is_told_so(answer, message):
    assert message in ex.my_cell.judge(answer)


@pytest.mark.usefixtures("float64")
def test_zeros_that_do_not_follow_the_weights_are_found_where_the_default_is_another():
    assert "self.W.new_zeros(" in ex.my_cell.judge(Mine)
    assert ex.my_cell.judge(Rectified) is None
