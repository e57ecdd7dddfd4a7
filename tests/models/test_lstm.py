"""The LSTM cell: equal to PyTorch's, backward by hand equal to autograd, gates where they belong.

B, T, D, H = 2, 3, 5, 7: no two axes alike.
"""

import itertools

import pytest
import torch
from torch import nn

from lecture_utils.gradcheck import assert_causal, assert_close
from lecture_utils.models.lstm import LSTM1997Cell, LSTMCell, lstm_step, lstm_step_backward
from lecture_utils.models.recurrent import Stack, unroll
from lecture_utils.trace import trace
from tests.reference import lstm_blocks, torch_lstm

B, T, D, H = 2, 3, 5, 7


pytestmark = pytest.mark.usefixtures("float64")


def case(layers=1):
    """Cells, inputs and first states, all random; biases too, so that a lost one is seen."""
    cells = [LSTMCell(D if layer == 0 else H, H) for layer in range(layers)]
    for cell in cells:
        cell.b.data.normal_()
    xs = torch.randn(B, T, D, requires_grad=True)
    states = [tuple(torch.randn(B, H, requires_grad=True) for _ in "hc") for _ in cells]
    return cells, xs, states


def gradients(outputs, inputs):
    """Of a sum with uneven weights, so that nothing cancels."""
    loss = sum((v * torch.arange(v.numel()).cos().view_as(v)).sum() for v in outputs)
    return torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("way", ["by layers", "by steps"])
def test_equal_to_pytorch_in_values_and_all_gradients(layers, way):
    cells, xs, states = case(layers)
    stack, theirs = Stack(cells), torch_lstm(*cells)
    hs, ends = (stack if way == "by layers" else stack.by_steps)(xs, states)
    starts = tuple(torch.stack(parts) for parts in zip(*states))
    their_hs, (their_h, their_c) = theirs(xs, starts)
    for name, ours, wanted in [
        ("h", hs, their_hs),
        ("last h", torch.stack([h for h, _ in ends]), their_h),
        ("last c", torch.stack([c for _, c in ends]), their_c),
    ]:
        assert_close(ours, wanted, 1e-12, name)

    ours = [*stack.parameters(), xs, *itertools.chain(*states)]
    found = gradients([hs, *itertools.chain(*ends)], ours)
    names, weights = zip(*theirs.named_parameters())
    wanted = gradients(
        [their_hs, *itertools.chain(*zip(their_h, their_c))],
        [*weights, xs, *itertools.chain(*states)],
    )
    by_name = dict(zip(names, wanted))
    for depth in range(layers):
        dW, db = found[2 * depth : 2 * depth + 2]
        for name, block in lstm_blocks(dW, db).items():
            # Each of PyTorch's two biases gets the whole gradient of our one.
            whole = block * 2 if name.startswith("bias") else block
            assert_close(whole, by_name[f"{name}_l{depth}"], 1e-10, name)
    for mine, theirs in zip(found[2 * layers :], wanted[len(names) :]):
        assert_close(mine, theirs, 1e-10, "gradients of inputs and first states")


@pytest.mark.parametrize("swap", list(itertools.combinations(range(4), 2)))
def test_two_swapped_gates_are_noticed(swap):
    (cell,), xs, (state,) = case()
    wanted, _ = torch_lstm(cell)(xs, tuple(v[None] for v in state))
    order = list(range(4))
    order[swap[0]], order[swap[1]] = order[swap[1]], order[swap[0]]
    for p in (cell.W, cell.b):
        p.data = torch.cat([p.data.split(H)[gate] for gate in order])
    with pytest.raises(AssertionError):
        assert_close(unroll(cell, xs, state)[0], wanted, 1e-3)


def test_a_step_backward_by_hand_equals_autograd():
    (cell,), xs, ((h, c),) = case()
    x = xs[:, 0]
    h_new, c_new, gates = lstm_step(cell.W, cell.b, x, h, c)
    dh, dc = torch.randn(B, H), torch.randn(B, H)
    wanted = torch.autograd.grad(
        (dh * h_new).sum() + (dc * c_new).sum(), [cell.W, cell.b, xs, h, c]
    )
    found = lstm_step_backward(cell.W, x, h, c, c_new, gates, dh, dc)
    for name, mine, theirs in zip(found._fields, found, wanted):
        assert_close(mine, theirs[:, 0] if name == "x" else theirs, 1e-12, name)


def test_steps_backward_in_a_loop_are_backpropagation_through_time():
    (cell,), xs, ((h, c),) = case()
    states, gates = [(h, c)], []
    for x in xs.unbind(1):
        h_t, c_t, g = lstm_step(cell.W, cell.b, x, *states[-1])
        states.append((h_t, c_t))
        gates.append(g)
    dhs = torch.randn(T, B, H)
    loss = sum((dh * h_t).sum() for dh, (h_t, _) in zip(dhs, states[1:]))
    wanted = torch.autograd.grad(loss, [cell.W, h, c])
    dW, dh, dc = 0, torch.zeros(B, H), torch.zeros(B, H)
    for t in reversed(range(T)):
        found = lstm_step_backward(
            cell.W, xs[:, t], *states[t], states[t + 1][1], gates[t], dh + dhs[t], dc
        )
        dW, dh, dc = dW + found.W, found.h, found.c
    for mine, theirs in zip((dW, dh, dc), wanted):
        assert_close(mine, theirs, 1e-12)


def test_along_c_the_gradient_is_the_forget_gate():
    """With h_{t-1} and x_t held fixed, d c_t / d c_{t-1} = f_t, to the bit."""
    (cell,), xs, ((h, c),) = case()
    _, c_new, gates = lstm_step(cell.W, cell.b, xs[:, 0], h, c)
    (found,) = torch.autograd.grad(c_new.sum(), c)
    assert torch.equal(found, gates.f)


def test_f_1_and_i_0_keep_c_to_the_bit():
    cell = LSTMCell(D, H)
    cell.W.data.zero_()
    cell.b.data[:H], cell.b.data[H : 2 * H] = -1e4, 1e4
    c = torch.randn(B, H)
    _, (_, kept) = unroll(cell, torch.randn(B, 1000, D), (torch.zeros(B, H), c))
    assert torch.equal(kept, c)


def test_the_forget_bias_is_where_it_belongs():
    cell = LSTMCell(D, H, forget_bias=2.0)
    assert cell.b.tolist() == [0.0] * H + [2.0] * H + [0.0] * 2 * H
    with trace() as log:
        cell(torch.zeros(1, D), cell.start(1))
    assert log["f"][0] == pytest.approx(torch.full((1, H), 0.880797), abs=1e-6)
    assert set(log.names()) == {"i", "f", "o", "g", "c", "h"}


def test_no_output_sees_a_later_input():
    cell = LSTMCell(D, H)
    assert_causal(lambda xs: unroll(cell, xs)[0], torch.randn(B, T, D))


# 1997 --------------------------------------------------------------------------------------------


def test_the_cell_of_1997_is_what_its_paper_says():
    """With scaled tanh in place of the paper's shifted sigmoids: 4 s(a) - 2 = 2 tanh(a / 2)."""
    cell, xs = LSTM1997Cell(D, H), torch.randn(B, T, D)
    cell.b.data.normal_()
    h, c = cell.start(B)
    wanted = []
    for x in xs.unbind(1):
        a_i, a_o, a_g = nn.functional.linear(torch.cat([h, x], 1), cell.W, cell.b).chunk(3, 1)
        c = c + torch.sigmoid(a_i) * 2 * torch.tanh(a_g / 2)
        h = torch.sigmoid(a_o) * torch.tanh(c / 2)
        wanted.append(h)
    assert_close(unroll(cell, xs)[0], torch.stack(wanted, 1), 1e-13)


def test_without_a_forget_gate_c_is_carried_on_whole():
    cell = LSTM1997Cell(D, H)
    h, c = torch.randn(B, H), torch.randn(B, H, requires_grad=True)
    _, c_new = cell(torch.randn(B, D), (h, c))
    (found,) = torch.autograd.grad(c_new.sum(), c)
    assert torch.equal(found, torch.ones(B, H))


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_type", [LSTMCell, LSTM1997Cell])
def test_sizes_below_one_are_refused(cell_type):
    with pytest.raises(ValueError, match="hidden_size is 0: it has to be at least 1"):
        cell_type(D, 0)


def h_only():
    return torch.zeros(B, H)


@pytest.mark.parametrize(
    "state, said",
    [
        (h_only, rf"form \({B}, {H}\): LSTMCell expects \(\({B}, {H}\), \({B}, {H}\)\)"),
        (lambda: (h_only(),), r"LSTMCell expects"),
        (lambda: (h_only(), torch.zeros(1, H)), r"\(1, 7\)"),
        (lambda: (h_only(), torch.zeros(B, H + 1)), r"\(2, 8\)"),
        (lambda: (h_only(), h_only(), h_only()), r"LSTMCell expects"),
        (lambda: (h_only(), None), r"NoneType"),
    ],
)
def test_a_state_of_the_wrong_form_is_refused(state, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        unroll(LSTMCell(D, H), torch.zeros(B, T, D), state())


def test_empty_or_broken_sequences_are_refused(as_a_reader_runs_it):
    cell = LSTMCell(D, H)
    with pytest.raises(ValueError, match="length 0: give at least one step"):
        unroll(cell, torch.zeros(B, 0, D))
    xs = torch.zeros(B, T, D)
    xs[1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="input nan in sequence 1 at step 2"):
        unroll(cell, xs)
