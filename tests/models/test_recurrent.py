"""`unroll` and `Stack` with cells of both kinds of state; equality with nn.LSTM is in test_lstm."""

import pytest
import torch
from torch import nn

from lecture_utils.gradcheck import assert_causal, assert_close
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTM1997Cell, LSTMCell
from lecture_utils.models.recurrent import Stack, hidden, input_gradients, reach, unroll
from lecture_utils.models.rnn import RNNCell
from lecture_utils.trace import trace
from tests.reference import torch_rnn

B, T, D, H = 2, 4, 5, 7
pytestmark = pytest.mark.usefixtures("float64")


def mixed():
    """Three layers of three kinds: states of both forms in one stack."""
    return Stack([GRUCell(D, H), LSTMCell(H, 3), RNNCell(3, 6)])


def test_both_orders_of_the_grid_agree_in_values_states_and_gradients():
    stack, xs = mixed(), torch.randn(B, T, D)
    hs, ends = stack(xs)
    assert hs.shape == (B, T, 6) and hidden(ends[1]).shape == (B, 3)
    for other_hs, other_ends in (stack.by_steps(xs), stack(xs, [None] * 3)):
        assert_close(other_hs, hs, 1e-14)
        for a, b in zip(ends, other_ends):
            assert_close(hidden(a), hidden(b), 1e-14)
    gradients = [
        torch.autograd.grad((run(xs)[0] * torch.arange(6)).sum(), list(stack.parameters()))
        for run in (stack, stack.by_steps)
    ]
    for a, b in zip(*gradients):
        assert_close(a, b, 1e-12)


def test_a_stack_can_be_stopped_and_taken_up_again():
    stack, xs = mixed(), torch.randn(B, T, D)
    whole, _ = stack(xs)
    first, states = stack.by_steps(xs[:, :1])
    rest, _ = stack(xs[:, 1:], states)
    assert_close(torch.cat([first, rest], 1), whole, 1e-14)


def test_the_last_state_is_that_of_the_last_step():
    for cell in (RNNCell(D, H), GRUCell(D, H), LSTMCell(D, H)):
        hs, end = unroll(cell, torch.randn(B, T, D))
        assert torch.equal(hidden(end), hs[:, -1])


def test_one_layer_is_nn_rnn():
    cell, xs = RNNCell(D, H), torch.randn(B, T, D)
    assert_close(Stack([cell])(xs)[0], torch_rnn(cell)(xs)[0], 1e-13)


def test_no_layer_sees_a_later_input():
    stack = mixed()
    for run in (stack, stack.by_steps):
        assert_causal(lambda xs, run=run: run(xs)[0], torch.randn(B, T, D))


def test_inputs_and_states_are_left_alone():
    stack, xs = mixed(), torch.randn(B, T, D)
    states = stack(xs)[1]
    before = [xs.clone(), *(hidden(state).clone() for state in states)]
    for run in (stack, stack.by_steps):
        run(xs, states)
        assert all(torch.equal(a, b) for a, b in zip((xs, *map(hidden, states)), before))


def test_a_layer_that_gives_nan_is_not_blamed_on_the_data():
    stack = mixed()
    stack.cells[0].W_x.data[0, 0] = torch.nan
    for run in (stack, stack.by_steps):
        assert run(torch.ones(B, T, D))[0].isnan().any()


CELLS = [RNNCell, GRUCell, LSTMCell, LSTM1997Cell]


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("wrong", ["x too wide", "one state for all", "no tuple", "x of one row"])
def test_one_step_refuses_what_it_would_stretch(cell_type, wrong, as_a_reader_runs_it):
    cell, x = cell_type(D, H), torch.zeros(B, D)
    state = cell.start(B)
    if wrong == "x too wide":
        x = torch.zeros(B, D + 1)
    elif wrong == "x of one row":
        x = torch.zeros(D)
    elif wrong == "one state for all":
        state = cell.start(1)
    else:
        state = hidden(state) if isinstance(state, tuple) else (state,)
    with pytest.raises(ValueError, match=rf"{cell_type.__name__} expects x \(B, 5\) and a state"):
        cell(x, state)


@pytest.mark.parametrize("cell_type", CELLS)
def test_cells_start_as_pytorch_does_and_show_what_they_computed(cell_type):
    cell = cell_type(D, 50)
    with trace() as log:
        cell(torch.randn(B, D), cell.start(B))
    assert "h" in log.names() and log["h"][0].shape == (B, 50)
    inner = {GRUCell: {"r", "z", "new"}, LSTMCell: set("ifogc"), LSTM1997Cell: set("iogc")}
    assert inner.get(cell_type, {"a"}) <= set(log.names())
    for weight in (w for w in cell.parameters() if w.ndim == 2):
        assert 0.9 * 50**-0.5 < weight.abs().max() <= 50**-0.5


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: Stack([]), "no cells: a stack has at least one layer"),
        (lambda: mixed()(torch.zeros(B, T, D), [None] * 2), "2 states for 3 layers"),
        (lambda: mixed().by_steps(torch.zeros(B, 0, D)), "length 0"),
        (
            lambda: mixed()(torch.zeros(B, T, D), [None, torch.zeros(B, 3), None]),
            r"LSTMCell expects \(\(2, 3\), \(2, 3\)\)",
        ),
        (lambda: mixed()(torch.full((B, T, D), torch.nan)), "input nan in sequence 0 at step 0"),
        (lambda: mixed()(torch.zeros(T, D)), r"shape \(4, 5\): expected \(B, T, D\); one sequence"),
        (lambda: mixed()(torch.zeros(B, T, dtype=int)), "token ids: one-hot first"),
        (lambda: mixed()(torch.zeros(B, T, D + 1)), r"GRUCell expects x \(B, 5\)"),
        (
            lambda: mixed().by_steps(torch.zeros(B, T, D), [torch.zeros(1, H), None, None]),
            r"GRUCell expects \(2, 7\)",
        ),
        (
            lambda: mixed()(torch.zeros(B, T, D), [torch.full((B, H), torch.inf), None, None]),
            "the state holds a number that is not finite",
        ),
    ],
)
def test_bad_input_is_refused(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_stack_is_a_module_with_all_parameters():
    names = dict(mixed().named_parameters())
    assert {"cells.0.W_x", "cells.1.W", "cells.2.W_hh"} <= set(names)
    assert isinstance(mixed(), nn.Module)


def test_input_gradients_are_those_of_autograd_and_nothing_is_changed():
    cell, xs, v = LSTMCell(3, 5).double(), torch.randn(2, 7, 3).double(), torch.randn(2, 5).double()
    found = input_gradients(cell, xs, v)
    J = torch.autograd.functional.jacobian(lambda xs: (v * unroll(cell, xs)[0][:, -1]).sum(), xs)
    assert_close(found, J.square().sum(2).mean(0).sqrt(), 1e-10)
    assert not xs.requires_grad and all(w.grad is None for w in cell.parameters())


@pytest.mark.parametrize(
    "gradients, steps", [((1, 1, 1), 2), ((0, 1, 1), 1), ((9, 0, 1), 0), ((1, 0.009, 0.02, 1), 1)]
)  # oldest input first
def test_reach_counts_the_steps_back_without_a_gap(gradients, steps):
    assert reach(torch.tensor(gradients, dtype=torch.float64)) == steps


def test_reach_wants_a_share():
    with pytest.raises(ValueError, match="share is 1: a number between 0 and 1"):
        reach(torch.ones(3), share=1)
