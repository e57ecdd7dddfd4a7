"""`unroll` and `Stack` with cells of both kinds of state; equality with nn.LSTM is in test_lstm."""

import pytest
import torch
from torch import nn

from lecture_utils.gradcheck import assert_causal, assert_close
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import Stack, hidden, unroll
from lecture_utils.models.rnn import RNNCell
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


def test_the_inputs_may_not_be_changed():
    xs = torch.randn(B, T, D)
    before = xs.clone()
    mixed().by_steps(xs)
    assert torch.equal(xs, before)


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
    ],
)
def test_bad_input_is_refused(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_stack_is_a_module_with_all_parameters():
    names = dict(mixed().named_parameters())
    assert {"cells.0.W_x", "cells.1.W", "cells.2.W_hh"} <= set(names)
    assert isinstance(mixed(), nn.Module)
