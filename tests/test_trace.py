"""Watching changes nothing; what is seen is what was there."""

import sys

import numpy as np
import pytest
import torch

from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import Stack
from lecture_utils.trace import Log, note, trace


def tanh_steps(x, h, W):
    """h_t = tanh(x_t + W h_{t-1}), every h noted."""
    for x_t in x:
        h = torch.tanh(x_t + h @ W)
        note(h=h)
    return h


@pytest.fixture
def numbers():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 2, 3, generator=generator)
    W = torch.randn(3, 3, generator=generator, requires_grad=True)
    return x, torch.zeros(2, 3), W


def value_and_gradient(numbers):
    x, h, W = numbers
    out = tanh_steps(x, h, W)
    return out, torch.autograd.grad(out.sum(), W)[0]


@pytest.mark.parametrize("gradients", [False, True])
def test_tracing_changes_no_bit(numbers, gradients):
    plain = value_and_gradient(numbers)
    with trace(gradients=gradients) as log:
        traced = value_and_gradient(numbers)
    assert len(log["h"]) == 5
    for a, b in zip(plain, traced):
        assert torch.equal(a, b)


def test_note_without_a_trace_does_next_to_nothing(numbers):
    """Counted, not timed: `note` itself, a look at the open logs, and what it gives back."""
    h = numbers[0]
    calls = []

    def count(frame, event, argument):
        if event in ("call", "c_call"):
            calls.append(getattr(argument, "__name__", frame.f_code.co_name))

    note_unchecked = getattr(note, "__wrapped__", note)  # without the shape check of test runs
    sys.setprofile(count)
    try:
        note_unchecked(h=h)
    finally:
        sys.setprofile(None)
    calls.remove("setprofile")
    assert calls == ["note", "get", "len", "values"]


def test_values_are_collected_in_order(numbers):
    x, h, W = numbers
    with trace() as log:
        last = tanh_steps(x, h, W)
    assert log.names() == ["h"]
    assert "h" in log and "c" not in log
    assert torch.equal(log["h"][-1], last)
    assert log.stack("h").shape == (5, 2, 3)
    assert log.stack("h", dim=1).shape == (2, 5, 3)
    assert not any(value.requires_grad for value in log["h"])


def test_gradients_are_those_of_autograd(numbers):
    x, h, W = numbers
    with trace(gradients=True) as log:
        tanh_steps(x, h, W).square().sum().backward()

    states = [h]
    for x_t in x:
        states.append(torch.tanh(x_t + states[-1] @ W))
    expected = torch.autograd.grad(states[-1].square().sum(), states[1:])
    for ours, true in zip(log.grads("h"), expected, strict=True):
        assert torch.equal(ours, true)
    assert log.grads("h")[0].abs().sum() > 0


def test_a_value_that_the_loss_ignores_has_gradient_zero():
    w = torch.ones(3, requires_grad=True)
    with trace(gradients=True) as log:
        used, unused = w * 2, w * 3
        note(a=used)
        note(a=unused)
    used.sum().backward()
    used_grad, unused_grad = log.grads("a")
    assert torch.equal(used_grad, torch.ones(3))
    assert torch.equal(unused_grad, torch.zeros(3))


def test_nested_traces_each_see_what_happens_while_they_are_open():
    with trace() as outer:
        note(a=np.zeros(1))
        with trace() as inner:
            note(a=np.ones(1))
        note(a=np.full(1, 2.0))
    assert [v.item() for v in outer["a"]] == [0, 1, 2]
    assert [v.item() for v in inner["a"]] == [1]


def test_an_interrupted_block_is_closed():
    with pytest.raises(KeyboardInterrupt):
        with trace() as log:
            note(a=np.zeros(1))
            raise KeyboardInterrupt
    note(a=np.ones(1))
    assert len(log["a"]) == 1


@pytest.mark.parametrize("value", [np.zeros(3), torch.zeros(3)], ids=["numpy", "torch"])
def test_an_update_in_place_does_not_rewrite_history(value):
    with trace() as log:
        note(h=value)
        value += 1
        note(h=value)
    assert log["h"][0].sum() == 0
    assert log["h"][1].sum() == 3


def test_unknown_name_offers_the_near_one():
    with trace() as log:
        note(hidden=np.zeros(1))
    with pytest.raises(KeyError, match=r"'hiden'.*Did you mean 'hidden'\?"):
        log["hiden"]


def test_empty_log_asks_whether_a_model_ran():
    with pytest.raises(KeyError, match="did a model run"):
        Log()["h"]


def test_gradients_must_be_asked_for_and_must_have_arrived(numbers):
    with trace() as log:
        tanh_steps(*numbers)
    with pytest.raises(RuntimeError, match=r"trace\(gradients=True\)"):
        log.grads("h")
    with trace(gradients=True) as log:
        tanh_steps(*numbers)
    with pytest.raises(RuntimeError, match=r"'h'.*backward.*not the one the model goes on with"):
        log.grads("h")


def test_arrays_have_no_gradients():
    with trace(gradients=True) as log:
        note(h=np.zeros(3))
    with pytest.raises(RuntimeError, match="'h'"):
        log.grads("h")


class Deep(torch.nn.Module):
    """Two layers that note `h`; `h` of the second one twice a step."""

    def __init__(self):
        super().__init__()
        self.cells = torch.nn.ModuleList([Noting(), Noting()])

    def forward(self, x):
        note(x=x)
        for cell in self.cells:
            x = cell(x)
        return x


class Noting(torch.nn.Module):
    def forward(self, x):
        if bool((x > 100).any()):
            raise ValueError("too large")
        note(h=x + 1, f=x)
        return x + 1


def hooks_of(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def test_with_the_model_each_layer_has_its_own_list():
    model = Deep()
    with trace(model) as log:
        for _ in range(3):
            model(torch.zeros(2))
    assert log.names() == ["x", "h", "cells.0.h", "f", "cells.0.f", "cells.1.h", "cells.1.f"]
    assert [v[0].item() for v in log["h"]] == [1, 2] * 3
    assert [v[0].item() for v in log["cells.0.h"]] == [1] * 3
    assert all(a is b for a, b in zip(log["cells.1.h"], log["h"][1::2], strict=True))
    assert hooks_of(model) == 0


@pytest.mark.parametrize("gradients", [False, True])
def test_tracing_a_model_changes_no_output(gradients):
    model = Deep()
    x = torch.arange(3.0, requires_grad=True)
    plain = model(x)
    with trace(model, gradients=gradients) as log:
        traced = model(x)
        traced.sum().backward()
    assert torch.equal(plain, traced)
    if gradients:
        assert torch.equal(log.grads("x")[0], torch.ones(3))


def test_an_error_in_a_layer_leaves_no_hook_and_no_path():
    model = Deep()
    with trace(model) as log:
        with pytest.raises(ValueError, match="too large"):
            model(torch.full((2,), 100.0))  # in the second layer
        note(after=torch.zeros(1))
    assert "after" in log and log.names()[-1] == "after"
    assert hooks_of(model) == 0


@pytest.mark.parametrize("only", [{"h"}, ["h"], "h"])
def test_only_what_is_asked_for_is_kept(only):
    model = Deep()
    with trace(model, only=only) as log:
        model(torch.zeros(2))
    assert log.names() == ["h", "cells.0.h", "cells.1.h"]
    with pytest.raises(KeyError, match="keeps only h"):
        log["f"]


def test_with_gradients_what_needs_none_is_copied():
    value, w = torch.zeros(3), torch.ones(3, requires_grad=True)
    with trace(gradients=True) as log:
        note(h=value, w=w)
        value += 1
    assert log["h"][0].sum() == 0
    assert log["w"][0] is w  # a leaf is not copied: its gradient is the one asked for


def test_a_log_says_what_it_holds_without_an_address(numbers):
    with trace() as log:
        assert repr(log) == "Log: nothing noted"
        tanh_steps(*numbers)
    assert repr(log) == "Log: h (5)"


# Changing values on their way ---------------------------------------------------------------------


def counted(x, h, W):
    """h_t = note(tanh(x_t + W h_{t-1})): every h noted, and taken back."""
    hs = []
    for x_t in x:
        h = note(h=torch.tanh(x_t + h @ W))
        hs.append(h)
    return torch.stack(hs)


def without_unit_1(h):
    return h.index_fill(-1, torch.tensor([1]), 0)


def test_note_gives_back_a_value_alone_and_nothing_for_several():
    h = torch.ones(2)
    assert note(h=h) is h and note(h=h, c=h) is None
    with trace():
        assert note(h=h) is h and note(h=h, c=h) is None


def test_a_change_goes_on_through_time(numbers):
    x, h, W = numbers
    with trace(change={"h": without_unit_1}) as log:
        changed = counted(x, h, W)
    expected = []
    for x_t in x:
        h = torch.tanh(x_t + h @ W)
        h[:, 1] = 0
        expected.append(h)
    assert torch.equal(changed, torch.stack(expected))
    assert torch.equal(log.stack("h"), changed)  # the log has what the model went on with
    assert not torch.equal(changed, counted(*numbers))  # and it is over after the block


def test_a_change_by_path_meets_that_layer_only():
    torch.manual_seed(0)
    stack = Stack([LSTMCell(3, 5), LSTMCell(5, 5)])
    xs = torch.randn(2, 7, 3)
    with trace() as plain:
        stack.by_steps(xs)
    with trace(stack, change={"cells.1.c": without_unit_1}) as log:
        stack.by_steps(xs)
    assert torch.equal(torch.stack(plain["c"][::2]), log.stack("cells.0.c"))
    assert not log.stack("cells.1.c")[..., 1].any() and not log.stack("cells.1.h")[..., 1].any()
    assert log.stack("cells.1.c")[..., 0].all()


def test_changes_of_two_traces_follow_one_another(numbers):
    with trace(change={"h": lambda h: h + 1}) as outer:
        with trace(change={"h": lambda h: 2 * h}) as inner:
            assert note(h=torch.tensor([3.0])).item() == 8
    assert outer["h"][0].item() == inner["h"][0].item() == 8  # what the model goes on with


def test_a_change_that_cannot_be_is_refused(numbers):
    h = torch.ones(2, 3)
    with pytest.raises(ValueError, match="'i' cannot be changed: it is noted together with f"):
        with trace(change={"i": torch.zeros_like}):
            note(i=h, f=h)
    with pytest.raises(ValueError, match=r"'h' gives Tensor of shape .1, 3.: expected .*2, 3"):
        with trace(change={"h": lambda h: h[:1]}):
            note(h=h)
    with pytest.raises(ValueError, match="'h' gives NoneType: expected"):
        with trace(change={"h": lambda h: None}):
            note(h=h)
    with pytest.raises(ValueError, match="nothing was changed under d: noted were h"):
        with trace(change={"d": lambda h: h}):
            note(h=h)
    with pytest.raises(KeyError):  # an error inside the block is not hidden by that message
        with trace(change={"d": lambda h: h}):
            raise KeyError
