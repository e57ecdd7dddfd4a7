"""The batched network by hand against autograd, and against the one-sequence network of `rnn`."""

import numpy as np
import pytest
import torch

from lecture_utils.gradcheck import assert_close, numerical_gradient
from lecture_utils.models import batch_rnn
from lecture_utils.models.rnn import cross_entropy, one_hot, rnn_forward, rnn_parameters

B, T, V, H, C = 2, 7, 3, 5, 4


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    return rnn_parameters(V, H, C, rng), rng.integers(0, V, (B, T)), rng.integers(0, C, B)


def by_autograd(p, symbols, answers):
    """Loss, gradients of the parameters and of each state, from a forward pass in PyTorch."""
    tensors = [torch.tensor(w, requires_grad=True) for w in p]
    W_xh, W_hh, W_hy, b_h, b_y = tensors
    h, hs = torch.zeros(B, H, dtype=torch.float64, requires_grad=True), []
    hs.append(h)
    for x in torch.eye(V, dtype=torch.float64)[torch.tensor(symbols)].unbind(1):
        h = torch.tanh(x @ W_xh.T + h @ W_hh.T + b_h)
        h.retain_grad()
        hs.append(h)
    loss = torch.nn.functional.cross_entropy(h @ W_hy.T + b_y, torch.tensor(answers))
    loss.backward()
    return loss.item(), [w.grad for w in tensors], torch.stack([h.grad for h in hs])


def test_values_and_all_gradients_equal_autograd(run):
    p, symbols, answers = run
    hs, logits = batch_rnn.forward(p, symbols)
    losses, dy = cross_entropy(logits, answers)
    gradient, dhs = batch_rnn.backward(p, symbols, hs, dy / B)
    loss, wanted, wanted_dhs = by_autograd(p, symbols, answers)
    assert losses.mean() == pytest.approx(loss, rel=1e-12)
    for name, mine, theirs in zip(p._fields, gradient, wanted):
        assert_close(mine, theirs, 1e-12, name)
    assert_close(dhs, wanted_dhs, 1e-12)


def test_one_gradient_against_finite_differences(run):
    p, symbols, answers = run

    def loss():
        return float(cross_entropy(batch_rnn.forward(p, symbols)[1], answers)[0].sum())

    hs, logits = batch_rnn.forward(p, symbols)
    gradient, _ = batch_rnn.backward(p, symbols, hs, cross_entropy(logits, answers)[1])
    assert_close(gradient.W_hh, numerical_gradient(loss, p.W_hh), 1e-7)


def test_each_sequence_is_that_of_the_network_for_one(run):
    p, symbols, _ = run
    hs, logits = batch_rnn.forward(p, symbols)
    for b in range(B):
        alone, ys = rnn_forward(p, one_hot(symbols[b], V))
        assert_close(hs[:, b], alone, 1e-14)
        assert_close(logits[b], ys[-1], 1e-14)


def test_bad_symbols_and_lengths_are_refused(run):
    p, symbols, _ = run
    symbols[1, 4] = V
    with pytest.raises(ValueError, match="symbol 3 at step 4 of sequence 1 .* 0..2"):
        batch_rnn.forward(p, symbols)
    with pytest.raises(ValueError, match="length 0"):
        batch_rnn.forward(p, np.zeros((B, 0), dtype=int))


def test_bad_shapes_are_named(run, as_a_reader_runs_it):
    p, symbols, _ = run
    with pytest.raises(ValueError, match=r"symbols have shape \(7,\): expected \(B, T\)"):
        batch_rnn.forward(p, symbols[0])
    hs, logits = batch_rnn.forward(p, symbols)
    for wrong, dy in ((symbols.T, logits), (symbols, logits.T)):
        with pytest.raises(ValueError, match=r"with these states they are \(2, 7\) and \(2, 4\)"):
            batch_rnn.backward(p, wrong, hs, dy)
