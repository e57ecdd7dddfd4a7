"""The vanilla RNN: equal to PyTorch's, its gradient equal by three roads, loud on bad input.

B, T, D, H = 2, 3, 5, 7: no two axes alike, so that none can stand in for another.
"""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy as torch_cross_entropy

from lecture_utils.gradcheck import (
    assert_causal,
    assert_close,
    numerical_gradient,
    relative_error,
)
from lecture_utils.models import recurrent
from lecture_utils.models.rnn import (
    RNNCell,
    RNNParameters,
    bptt,
    cross_entropy,
    gradient_flow,
    one_hot,
    rnn_backward,
    rnn_forward,
    rnn_parameters,
    rnn_step,
    truncated_bptt,
)
from lecture_utils.trace import trace
from tests.reference import torch_linear, torch_parameters, torch_rnn, torch_rnn_gradients

B, T, D, H, V = 2, 3, 5, 7, 11


def unroll(*arguments):
    """The states without the last one's second copy."""
    return recurrent.unroll(*arguments)[0]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parameters(seed=0, scale=None, sizes=(D, H, V)):
    """Random parameters whose biases are not 0, so that a lost bias is seen."""
    rng = np.random.default_rng(seed)
    p = rnn_parameters(*sizes, rng, scale)
    p.b_h[:] = rng.standard_normal(p.b_h.shape)
    p.b_y[:] = rng.standard_normal(p.b_y.shape)
    return p


def task(steps=T, seed=1, sizes=(D, H, V)):
    """(inputs, targets, first state) of one sequence."""
    rng = np.random.default_rng(seed)
    D, H, V = sizes
    return rng.standard_normal((steps, D)), rng.integers(0, V, steps), rng.uniform(-0.9, 0.9, H)


def cell_and_batch():
    torch.manual_seed(0)
    cell = RNNCell(D, H).double()
    with torch.no_grad():
        cell.b_h.copy_(torch.randn(H))
    xs = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    h0 = torch.randn(B, H, dtype=torch.float64, requires_grad=True)
    return cell, xs, h0


def loss_by_autograd(w, xs, targets, h):
    """The slide's equations in PyTorch, forward only; shares no code with the package."""
    loss, hs = 0.0, [h]
    for x, target in zip(torch.tensor(xs), targets):
        hs.append(torch.tanh(w["W_xh"] @ x + w["W_hh"] @ hs[-1] + w["b_h"]))
        loss = loss - torch.log_softmax(w["W_hy"] @ hs[-1] + w["b_y"], dim=0)[int(target)]
    return loss, hs


# Equality with PyTorch ---------------------------------------------------------------------------


def assert_equal_to_pytorch(unrolled):
    """Values and all gradients of unrolled(cell, xs, h0) against nn.RNN, relative error 1e-10."""
    cell, xs, h0 = cell_and_batch()
    theirs = torch_rnn(cell)
    same_xs, same_h0 = (v.detach().clone().requires_grad_() for v in (xs, h0))
    weight = torch.randn(B, T, H, dtype=torch.float64)  # uneven: in a sum swaps cancel

    hs = unrolled(cell, xs, h0)
    expected, _ = theirs(same_xs, same_h0[None])
    assert_close(hs, expected, name="states")
    (weight * hs).sum().backward()
    (weight * expected).sum().backward()
    for name, gradient in torch_rnn_gradients(theirs).items():
        assert_close(getattr(cell, name).grad, gradient, name=f"gradients of {name}")
    assert_close(xs.grad, same_xs.grad, name="gradients of xs")
    assert_close(h0.grad, same_h0.grad, name="gradients of h0")


def test_the_unrolled_cell_equals_pytorch_in_values_and_gradients():
    assert_equal_to_pytorch(unroll)


def loop(step):
    """Unroll `step(cell, x, h, h0)` along time."""

    def unrolled(cell, xs, h0):
        h, hs = h0, []
        for x in xs.unbind(1):
            h = step(cell, x, h, h0)
            hs.append(h)
        return torch.stack(hs, dim=1)

    return unrolled


BROKEN = {
    "W_hh transposed": loop(
        lambda c, x, h, h0: torch.tanh(x @ c.W_xh.T + h @ c.W_hh + c.b_h)
    ),
    "bias dropped": loop(lambda c, x, h, h0: torch.tanh(x @ c.W_xh.T + h @ c.W_hh.T)),
    "state reset at each step": loop(
        lambda c, x, h, h0: torch.tanh(x @ c.W_xh.T + h0 @ c.W_hh.T + c.b_h)
    ),
    "outputs one step late": lambda c, xs, h0: torch.cat(
        [h0[:, None], unroll(c, xs, h0)[:, :-1]], dim=1
    ),
    "inputs read from the end": lambda c, xs, h0: unroll(c, xs.flip(1), h0),
    "first state ignored": lambda c, xs, h0: unroll(c, xs),
    "gradient cut after each step": loop(
        lambda c, x, h, h0: torch.tanh(x @ c.W_xh.T + h.detach() @ c.W_hh.T + c.b_h)
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_equality_test_would_notice(name):
    with pytest.raises(AssertionError, match="differ: relative error"):
        assert_equal_to_pytorch(BROKEN[name])


def test_a_right_loop_passes_the_same_helper():
    """So what BROKEN fails on is the planted error, not the way it is written."""
    assert_equal_to_pytorch(loop(lambda c, x, h, h0: c(x, h)))


def test_the_numpy_network_equals_pytorch_in_values_and_gradients():
    p, (xs, targets, h0) = parameters(), task()
    theirs, readout = torch_rnn(p), torch_linear(p.W_hy, p.b_y)
    start = torch.tensor(h0)[None, None].requires_grad_()
    states, _ = theirs(torch.tensor(xs)[None], start)
    logits = readout(states[0])
    loss = torch_cross_entropy(logits, torch.tensor(targets), reduction="sum")
    loss.backward()

    hs, ys = rnn_forward(p, xs, h0)
    losses, dys = cross_entropy(ys, targets)
    dp, dh0 = rnn_backward(p, xs, hs, dys)
    assert_close(hs[1:], states[0], name="states")
    assert_close(ys, logits, name="outputs")
    assert_close(losses.sum(), loss, name="loss")
    for name, gradient in torch_rnn_gradients(theirs).items():
        assert_close(getattr(dp, name), gradient, name=name)
    assert_close(dp.W_hy, readout.weight.grad, name="W_hy")
    assert_close(dp.b_y, readout.bias.grad, name="b_y")
    assert_close(dh0, start.grad[0, 0], name="h0")


def test_numpy_and_torch_cells_are_the_same_step():
    p = parameters()
    cell = RNNCell(D, H).double()
    with torch.no_grad():
        for name, w in cell.named_parameters():
            w.copy_(torch.tensor(getattr(p, name)))
    xs = normal(T, D)
    assert_close(unroll(cell, torch.tensor(xs)[None])[0], rnn_forward(p, xs)[0][1:])


# The gradient ------------------------------------------------------------------------------------


def test_by_hand_numerical_and_autograd_gradients_agree():
    p, (xs, targets, h0) = parameters(), task()
    loss, by_hand = bptt(p, xs, targets, h0)
    w = torch_parameters(p)
    true_loss, _ = loss_by_autograd(w, xs, targets, torch.tensor(h0))
    true_loss.backward()
    assert_close(loss, true_loss)
    for name, hand in by_hand._asdict().items():
        number = numerical_gradient(lambda: bptt(p, xs, targets, h0)[0], getattr(p, name))
        assert relative_error(hand, number) < 1e-6, name
        assert relative_error(hand, w[name].grad) <= 1e-10, name


@pytest.mark.parametrize(
    "spoil",
    [
        lambda dp: dp._replace(W_hh=dp.W_hh.T),
        lambda dp: dp._replace(W_hh=0.99 * dp.W_hh),
        lambda dp: dp._replace(b_h=-dp.b_h),
    ],
    ids=["transposed", "one per cent short", "wrong sign"],
)
def test_the_gradient_comparison_would_notice(spoil):
    p, (xs, targets, h0) = parameters(), task()
    _, dp = bptt(p, xs, targets, h0)
    errors = [relative_error(a, b) for a, b in zip(spoil(dp), dp)]
    assert max(errors) > 1e-3


def test_gradient_with_respect_to_the_first_state():
    p, (xs, targets, h0) = parameters(), task()

    def loss():
        return float(cross_entropy(rnn_forward(p, xs, h0)[1], targets)[0].sum())

    hs, ys = rnn_forward(p, xs, h0)
    _, dh0 = rnn_backward(p, xs, hs, cross_entropy(ys, targets)[1])
    assert relative_error(dh0, numerical_gradient(loss, h0)) < 1e-6
    start = torch.tensor(h0, requires_grad=True)
    loss_by_autograd(torch_parameters(p), xs, targets, start)[0].backward()
    assert_close(dh0, start.grad)


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_two_halves_with_dh_next_handed_over_are_the_whole(cut):
    p, (xs, targets, h0) = parameters(), task(steps=7)
    hs, ys = rnn_forward(p, xs, h0)
    _, dys = cross_entropy(ys, targets)
    whole, dh0 = rnn_backward(p, xs, hs, dys)
    late, dh_cut = rnn_backward(p, xs[cut:], hs[cut:], dys[cut:])
    early, dh_start = rnn_backward(p, xs[:cut], hs[: cut + 1], dys[:cut], dh_cut)
    for a, b, both in zip(early, late, whole):
        assert_close(a + b, both)
    assert_close(dh_start, dh0)
    forgotten, _ = rnn_backward(p, xs[:cut], hs[: cut + 1], dys[:cut])
    assert relative_error(forgotten.W_hh + late.W_hh, whole.W_hh) > 1e-3


def test_the_backward_pass_notes_dh_and_da_last_step_first():
    p, (xs, targets, h0) = parameters(), task()
    hs, ys = rnn_forward(p, xs, h0)
    with trace() as log:
        dp, _ = rnn_backward(p, xs, hs, cross_entropy(ys, targets)[1])
    start = torch.tensor(h0, requires_grad=True)
    loss, states = loss_by_autograd(torch_parameters(p), xs, targets, start)
    expected = torch.autograd.grad(loss, states[1:])
    assert len(log["dh"]) == len(log["da"]) == T
    for dh, true in zip(reversed(log["dh"]), expected):
        assert_close(dh, true)
    assert_close(sum(log["da"]), dp.b_h)


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_copies():
    p, (xs, targets, h0) = parameters(), task(steps=6)
    w = torch_parameters(p)
    copies = [w["W_hh"].detach().clone().requires_grad_() for _ in xs]
    h, loss = torch.tensor(h0), 0.0
    for x, target, copy in zip(torch.tensor(xs), targets, copies):
        h = torch.tanh(w["W_xh"] @ x + copy @ h + w["b_h"])
        loss = loss - torch.log_softmax(w["W_hy"] @ h + w["b_y"], dim=0)[int(target)]
    per_step = torch.autograd.grad(loss, copies)
    _, dp = bptt(p, xs, targets, h0)
    assert_close(sum(per_step), dp.W_hh)
    assert all(relative_error(one, dp.W_hh) > 1e-3 for one in per_step)


# Who teaches whom --------------------------------------------------------------------------------


def test_gradient_flow_is_the_norm_of_each_loss_on_each_state():
    steps = 6
    p, (xs, targets, h0) = parameters(), task(steps)
    hs, ys = rnn_forward(p, xs, h0)
    flow = gradient_flow(p, hs, cross_entropy(ys, targets)[1])
    w = torch_parameters(p)
    _, states = loss_by_autograd(w, xs, targets, torch.tensor(h0, requires_grad=True))
    for t in range(steps):
        logits = w["W_hy"] @ states[t + 1] + w["b_y"]
        loss = -torch.log_softmax(logits, dim=0)[int(targets[t])]
        grads = torch.autograd.grad(loss, states[1:], retain_graph=True, allow_unused=True)
        for k, grad in enumerate(grads):
            if k > t:
                assert grad is None or not bool(grad.any())
                assert flow[t, k] == 0
            else:
                assert_close(flow[t, k], grad.norm(), name=f"flow[{t}, {k}]")
    assert (np.diag(flow) > 0).all()


def test_no_state_depends_on_a_later_input():
    cell, xs, h0 = cell_and_batch()
    assert_causal(lambda x: unroll(cell, x, h0.detach()), xs)
    with pytest.raises(AssertionError, match="depends on the later input"):
        assert_causal(lambda x: unroll(cell, x.flip(1)), xs)


# Truncation --------------------------------------------------------------------------------------

LONG = 12


@pytest.mark.parametrize("chunk", [LONG, LONG + 1, 1000])
def test_one_chunk_is_the_full_gradient(chunk):
    p, (xs, targets, h0) = parameters(), task(LONG)
    loss, full = bptt(p, xs, targets, h0)
    cut_loss, cut = truncated_bptt(p, xs, targets, chunk, h0)
    assert_close(cut_loss, loss)
    for a, b in zip(cut, full):
        assert_close(a, b)


@pytest.mark.parametrize("chunk", range(1, LONG))
def test_the_loss_does_not_know_about_chunks(chunk):
    p, (xs, targets, h0) = parameters(), task(LONG)
    loss, full = bptt(p, xs, targets, h0)
    cut_loss, cut = truncated_bptt(p, xs, targets, chunk, h0)
    assert_close(cut_loss, loss, 1e-13)
    assert relative_error(cut.W_hh, full.W_hh) > 1e-6  # the gradient does
    assert_close(cut.W_hy, full.W_hy)  # but what is taught within a step is all there
    assert_close(cut.b_y, full.b_y)


def test_truncated_gradients_tend_to_the_full_one():
    steps = 40
    p, (xs, targets, h0) = parameters(scale=0.05), task(steps)
    _, full = bptt(p, xs, targets, h0)
    errors = [
        relative_error(truncated_bptt(p, xs, targets, chunk, h0)[1].W_xh, full.W_xh)
        for chunk in (1, 5, 20, steps)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.1 and errors[2] < errors[0] / 4 and errors[3] < 1e-12


def test_truncated_gradient_is_that_of_the_chunks_with_the_state_carried_over():
    p, (xs, targets, h0) = parameters(), task(5)
    middle = rnn_forward(p, xs[:2], h0)[0][-1]
    pieces = [bptt(p, xs[:2], targets[:2], h0), bptt(p, xs[2:], targets[2:], middle)]
    rest = rnn_forward(p, xs[2:4], middle)[0][-1]
    pieces[1:] = [bptt(p, xs[2:4], targets[2:4], middle), bptt(p, xs[4:], targets[4:], rest)]
    loss, dp = truncated_bptt(p, xs, targets, 2, h0)
    assert_close(loss, sum(piece[0] for piece in pieces))
    for k, whole in enumerate(dp):
        assert_close(whole, sum(piece[1][k] for piece in pieces))


def test_no_loss_teaches_anything_before_the_cut():
    """What the second chunk is asked for changes nothing for a symbol that only the first reads."""
    p = parameters(sizes=(5, 7, 11))
    xs = one_hot([3, 0, 1, 2, 0, 1], 5)  # symbol 3 occurs at the first step only
    targets = np.array([0, 1, 2, 3, 4, 5])
    others = np.array([0, 1, 2, 9, 8, 7])

    def column_of_3(gradient, targets):
        return gradient(targets)[1].W_xh[:, 3]

    cut = [column_of_3(lambda y: truncated_bptt(p, xs, y, 3), y) for y in (targets, others)]
    full = [column_of_3(lambda y: bptt(p, xs, y), y) for y in (targets, others)]
    assert np.array_equal(cut[0], cut[1])  # a gradient of exactly 0
    assert np.abs(cut[0]).max() > 0
    assert relative_error(full[0], full[1]) > 1e-4  # without the cut it arrives


# Forms of the same thing -------------------------------------------------------------------------


def test_one_stacked_matrix_gives_the_same_step():
    p, x, h = parameters(), normal(D, seed=1), normal(H, seed=2)
    W = np.hstack([p.W_hh, p.W_xh])
    assert W.shape == (H, H + D)
    expected = rnn_step(p, x, h)
    assert_close(np.tanh(W @ np.concatenate([h, x]) + p.b_h), expected)
    assert relative_error(np.tanh(np.hstack([p.W_xh, p.W_hh]) @ np.r_[h, x]), expected) > 1e-3


def test_a_batch_is_its_sequences_one_by_one():
    cell, xs, h0 = cell_and_batch()
    together = unroll(cell, xs, h0)
    for b in range(B):
        assert_close(unroll(cell, xs[b : b + 1], h0[b : b + 1])[0], together[b], 1e-13)


def test_the_first_state_is_zero_unless_given():
    p, (xs, _, h0) = parameters(), task()
    assert np.array_equal(rnn_forward(p, xs)[0], rnn_forward(p, xs, np.zeros(H))[0])
    assert np.array_equal(rnn_forward(p, xs, h0)[0][0], h0)
    cell, batch, _ = cell_and_batch()
    zero = torch.zeros(B, H, dtype=torch.float64)
    assert torch.equal(unroll(cell, batch), unroll(cell, batch, zero))


def test_each_step_notes_its_pre_activation_and_state():
    p, (xs, _, h0) = parameters(), task()
    with trace() as log:
        hs, _ = rnn_forward(p, xs, h0)
    assert np.array_equal(log.stack("h"), hs[1:])
    assert_close(np.arctanh(hs[1:]), log.stack("a"))
    cell, batch, start = cell_and_batch()
    with trace() as log:
        states = unroll(cell, batch, start)
    assert torch.equal(log.stack("h", dim=1), states)


def test_fresh_parameters():
    p = rnn_parameters(200, 300, 100, np.random.default_rng(0))
    shapes = [w.shape for w in p]
    assert shapes == [(300, 200), (300, 300), (100, 300), (300,), (100,)]
    assert all(w.dtype == np.float64 for w in p)
    for W in p[:3]:
        assert W.std() * 300**0.5 == pytest.approx(1, abs=0.02)
        assert abs(W.mean()) < 1e-3
    assert not p.b_h.any() and not p.b_y.any()
    assert rnn_parameters(200, 300, 100, np.random.default_rng(0), 0.01).W_hh.std() == (
        pytest.approx(0.01, rel=0.02)
    )
    again = rnn_parameters(200, 300, 100, np.random.default_rng(0))
    assert all(np.array_equal(a, b) for a, b in zip(p, again))


def test_a_fresh_cell_starts_within_one_over_root_h_with_zero_bias():
    torch.manual_seed(0)
    cell = RNNCell(30, 100)
    for W in (cell.W_xh, cell.W_hh):
        assert 0.095 < float(W.detach().abs().max()) <= 0.1
        assert abs(float(W.detach().mean())) < 0.005
    assert not bool(cell.b_h.any())


# The loss ----------------------------------------------------------------------------------------


def test_cross_entropy_equals_pytorch_and_its_gradient_is_p_minus_onehot():
    ys, targets = 3 * normal(T, V), np.array([0, 10, 4])
    losses, dys = cross_entropy(ys, targets)
    logits = torch.tensor(ys, requires_grad=True)
    expected = torch_cross_entropy(logits, torch.tensor(targets), reduction="none")
    expected.sum().backward()
    assert_close(losses, expected)
    assert_close(dys, logits.grad)
    assert np.abs(dys.sum(axis=1)).max() < 1e-15
    assert_close(dys, np.exp(ys) / np.exp(ys).sum(1, keepdims=True) - one_hot(targets, V))


def test_huge_logits_neither_overflow_nor_lose_the_loss():
    with np.errstate(all="raise", under="ignore"):
        losses, dys = cross_entropy(np.array([[0.0, 1000.0], [0.0, 1000.0]]), np.array([0, 1]))
    assert losses.tolist() == [1000, 0]
    assert dys.tolist() == [[-1, 1], [0, 0]]


def test_one_hot_rows_are_those_of_the_identity():
    assert one_hot([2, 0, 2], 4).tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]]


# Bad input: each message names the value and what was expected -----------------------------------


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda p: rnn_forward(p, np.zeros((0, D))), "length 0: give at least one step"),
        (lambda p: bptt(p, np.zeros((0, D)), np.zeros(0, int)), "length 0: give at least one"),
        (lambda p: truncated_bptt(p, np.zeros((0, D)), np.zeros(0, int), 2), "length 0: give"),
        (lambda p: rnn_forward(p, np.zeros((3, 4))), r"\(3, 4\): expected \(T, 5\), one row"),
        (lambda p: rnn_forward(p, np.zeros(5)), r"\(5,\): expected \(T, 5\), one row"),
        (lambda p: rnn_forward(p, [[[0.0] * 5]]), r"\(1, 1, 5\): expected \(T, 5\), one row"),
        (lambda p: rnn_forward(p, np.zeros((3, D)), np.zeros(4)), r"\(4,\): expected \(7,\)"),
        (lambda p: rnn_forward(p, np.zeros((3, D)), np.zeros((1, H))), r"\(1, 7\): expected \(7,"),
        (lambda p: bptt(p, np.zeros((1, D)), np.array([11])), r"target 11 at step 0 .* 0\.\.10"),
        (lambda p: bptt(p, np.zeros((1, D)), np.array([-1])), r"target -1 at step 0 .* 0\.\.10"),
        (lambda p: bptt(p, np.zeros((3, D)), np.array([1, 2])), "3 outputs but 2 targets"),
        (lambda p: rnn_forward(p, np.full((2, D), np.nan)), "input nan at step 0"),
        (lambda p: truncated_bptt(p, np.zeros((1, D)), np.array([0]), 0), "chunk is 0: .* least 1"),
        (lambda p: truncated_bptt(p, np.zeros((1, D)), np.array([0]), -2), "chunk is -2"),
        (lambda p: one_hot([0, 4, 5], 4), r"token 4 at step 1 is outside .* 0\.\.3"),
        (lambda p: one_hot([0, -1], 4), r"token -1 at step 1 is outside .* 0\.\.3"),
        (lambda p: rnn_parameters(0, 3, 4, np.random.default_rng()), "input_size is 0: .* least 1"),
        (lambda p: rnn_parameters(3, -1, 4, np.random.default_rng()), "hidden_size is -1"),
        (lambda p: rnn_parameters(3, 4, 0, np.random.default_rng()), "output_size is 0"),
        (lambda p: unroll(RNNCell(D, H), torch.zeros(B, 0, D)), "length 0: give at least one"),
    ],
)
def test_bad_input_is_named_with_its_remedy(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call(parameters())


def test_nothing_of_the_parameters_changes_in_a_failed_call(as_a_reader_runs_it):
    p = parameters()
    before = RNNParameters(*(w.copy() for w in p))
    with pytest.raises(ValueError, match="target 99"):
        bptt(p, np.zeros((2, D)), np.array([0, 99]))
    assert all(np.array_equal(a, b) for a, b in zip(p, before))


@pytest.mark.parametrize("shape", [(1, H), (H,), (B, H - 1), (B + 1, H)])
def test_unroll_refuses_a_state_of_the_wrong_shape(shape, as_a_reader_runs_it):
    """Adding would stretch (1, H) over the batch and say nothing."""
    cell = RNNCell(D, H)
    said = rf"{', '.join(map(str, shape))}.*expects \({B}, {H}\)"
    with pytest.raises(ValueError, match=said):
        unroll(cell, torch.zeros(B, T, D), torch.zeros(shape))


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (3, -1)])
def test_a_cell_refuses_sizes_below_one(sizes):
    with pytest.raises(ValueError, match=r"_size is (0|-1): it has to be at least 1"):
        RNNCell(*sizes)


def test_one_hot_refuses_what_is_no_whole_number(as_a_reader_runs_it):
    with pytest.raises(ValueError, match=r"1\.7"):
        one_hot([0, 1.7], 4)


def test_truncated_bptt_refuses_more_targets_than_steps(as_a_reader_runs_it):
    with pytest.raises(ValueError, match="4 .*5 targets"):
        truncated_bptt(parameters(), np.zeros((4, D)), np.zeros(5, int), 2)
