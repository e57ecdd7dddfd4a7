"""The fast layers are the cells, in values and all gradients; and a broken factor would be seen."""

import pytest
import torch

from lecture_utils.gradcheck import assert_close
from lecture_utils.models import fast_layers
from lecture_utils.models.fast_layers import GRULayer, LSTMLayer
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import unroll

B, T, D, H = 2, 4, 5, 7
PAIRS = [(LSTMCell, LSTMLayer), (GRUCell, GRULayer)]
each_pair = pytest.mark.parametrize("cell_type, layer_type", PAIRS, ids=["LSTM", "GRU"])


pytestmark = pytest.mark.usefixtures("float64")


def parts(state):
    return list(state) if isinstance(state, tuple) else [state]


def pair(cell_type, layer_type):
    """A cell and the layer with its parameters, inputs, and a first state, all random."""
    cell, layer = cell_type(D, H), layer_type(D, H)
    for p in cell.parameters():
        p.data.normal_()
    layer.load_state_dict(cell.state_dict())
    xs = torch.randn(B, T, D, requires_grad=True)
    state = [torch.randn(B, H, requires_grad=True) for _ in parts(cell.start(B))]
    return cell, layer, xs, tuple(state) if len(state) == 2 else state[0]


def values_and_gradients(run, module, xs, state, of_last=True):
    hs, last = run(xs, state)
    outputs = [hs, *parts(last)] if of_last else [hs]
    loss = sum((v * torch.arange(v.numel()).cos().view_as(v)).sum() for v in outputs)
    return outputs, torch.autograd.grad(loss, [*module.parameters(), xs, *parts(state)])


@each_pair
@pytest.mark.parametrize("of_last", [True, False])
def test_equal_to_the_cell(cell_type, layer_type, of_last):
    cell, layer, xs, state = pair(cell_type, layer_type)
    slow = values_and_gradients(lambda x, s: unroll(cell, x, s), cell, xs, state, of_last)
    fast = values_and_gradients(layer, layer, xs, state, of_last)
    for ours, wanted in zip((*fast[0], *fast[1]), (*slow[0], *slow[1]), strict=True):
        assert_close(ours, wanted, 1e-12)


@each_pair
def test_one_step_and_no_state_given(cell_type, layer_type):
    cell, layer, xs, _ = pair(cell_type, layer_type)
    assert_close(layer(xs[:, :1])[0], unroll(cell, xs[:, :1])[0], 1e-13)
    loss = layer(xs.detach())[0].square().sum()  # inputs without a gradient
    loss.backward()
    assert all(p.grad is not None for p in layer.parameters())


@each_pair
def test_a_batch_of_one_leaves_the_incoming_gradient_alone(cell_type, layer_type):
    """(1, H) and (H, 1) share memory: work in place would reach the caller's gradient."""
    cell, layer, xs, state = pair(cell_type, layer_type)
    one = tuple(v[:1] for v in parts(state))
    one = one if len(one) == 2 else one[0]
    hs, last = layer(xs[:1], one)
    incoming = [torch.ones_like(v) for v in (hs, *parts(last))]
    torch.autograd.backward([hs, *parts(last)], incoming)
    assert all((g == 1).all() for g in incoming)


@each_pair
def test_chunks_with_the_state_carried_on_are_the_whole(cell_type, layer_type):
    _, layer, xs, state = pair(cell_type, layer_type)
    whole, _ = layer(xs, state)
    first, carried = layer(xs[:, :1], state)
    second, _ = layer(xs[:, 1:], carried)
    assert_close(torch.cat([first, second], 1), whole, 1e-13)
    (through,) = torch.autograd.grad(second.sum(), [parts(state)[0]])
    assert through.abs().max() > 0  # the gradient crosses the boundary


@each_pair
def test_gradcheck(cell_type, layer_type):
    _, layer, xs, state = pair(cell_type, layer_type)
    assert torch.autograd.gradcheck(
        lambda x, *s: layer(x, tuple(s) if len(s) == 2 else s[0])[0], (xs, *parts(state))
    )


@each_pair
@pytest.mark.parametrize("batch", [1, 2])
def test_nothing_that_was_returned_changes_later(cell_type, layer_type, batch):
    """Results are copies: changing one in place must not spoil the backward pass."""
    _, layer, xs, state = pair(cell_type, layer_type)
    xs = xs[:batch].detach().requires_grad_()
    state = [part[:batch].detach().requires_grad_() for part in parts(state)]
    state = tuple(state) if len(state) == 2 else state[0]
    _, wanted = values_and_gradients(layer, layer, xs, state, of_last=False)
    hs, last = layer(xs, state)
    loss = (hs * torch.arange(hs.numel()).cos().view_as(hs)).sum()
    kept = hs.detach().clone()
    with torch.no_grad():
        for part in parts(last):
            part += 100
    assert torch.equal(hs, kept)
    found = torch.autograd.grad(loss, [*layer.parameters(), xs, *parts(state)])
    for ours, expected in zip(found, wanted):
        assert_close(ours, expected, 1e-13)


@each_pair
def test_a_wrong_factor_in_the_backward_pass_would_be_noticed(cell_type, layer_type, monkeypatch):
    cell, layer, xs, state = pair(cell_type, layer_type)
    wanted = values_and_gradients(lambda x, s: unroll(cell, x, s), cell, xs, state, of_last=False)
    hs, _ = layer(xs, state)
    loss = (hs * torch.arange(hs.numel()).cos().view_as(hs)).sum()
    module, name = (
        (fast_layers, "_add_product") if layer_type is LSTMLayer else (fast_layers.torch, "addmm")
    )
    right = getattr(module, name)
    monkeypatch.setattr(module, name, lambda a, b, c: right(a, b, 1.01 * c))
    found = torch.autograd.grad(loss, [*layer.parameters(), xs, *parts(state)])
    with pytest.raises(AssertionError):
        assert_close(found[0], wanted[1][0], 1e-6)


@each_pair
def test_mixed_precision_changes_little(cell_type, layer_type):
    """`fit` switches it on by itself where a CUDA chip has bfloat16."""
    cell, layer, xs, state = pair(cell_type, layer_type)
    cell, layer = cell.float(), layer.float()
    xs = xs.detach().float().requires_grad_()
    plain = layer(xs)[0]
    wanted = torch.autograd.grad(plain.square().sum(), list(layer.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = layer(xs.bfloat16())[0]
        found = torch.autograd.grad(mixed.square().sum(), list(layer.parameters()))
    assert mixed.dtype == torch.float32
    assert_close(mixed, plain, 0.02)
    for a, b in zip(found, wanted):
        assert_close(a, b, 0.1)


def test_under_autocast_the_products_of_the_lstm_are_in_its_precision_and_the_state_is_not(
    monkeypatch,
):
    """In both directions: `fit` leaves the autocast before it calls backward()."""
    cell, layer, xs, _ = pair(LSTMCell, LSTMLayer)
    layer, xs = layer.float(), xs.detach().float()
    right, seen = fast_layers._add_product, []

    def watched(a, A, B):
        seen.append((a.dtype, A.dtype))
        right(a, A, B)

    monkeypatch.setattr(fast_layers, "_add_product", watched)
    with torch.autocast("cpu", torch.bfloat16):
        hs, (h, c) = layer(xs)
    hs.sum().backward()
    assert hs.dtype == h.dtype == c.dtype == layer.W.grad.dtype == torch.float32
    assert len(seen) == 2 * T and set(seen) == {(torch.float32, torch.bfloat16)}
    seen.clear()
    layer(xs)[0].sum().backward()
    assert set(seen) == {(torch.float32, torch.float32)}


@each_pair
def test_bad_input_is_refused(cell_type, layer_type, as_a_reader_runs_it):
    _, layer, xs, _ = pair(cell_type, layer_type)
    with pytest.raises(ValueError, match="length 0"):
        layer(xs[:, :0])
    with pytest.raises(ValueError, match="expects"):
        layer(xs, torch.zeros(1, H))
    with pytest.raises(ValueError, match=r"expects x \(B, 5\)"):
        layer(torch.zeros(B, T, D + 1))
    xs = xs.detach().clone()
    xs[0, 1, 2] = float("inf")
    with pytest.raises(ValueError, match="input inf in sequence 0 at step 1"):
        layer(xs)
