"""The checkers themselves are checked: right where the answer is known, loud where it is not."""

import inspect
import math

import numpy as np
import pytest
import torch

from lecture_utils.gradcheck import (
    assert_causal,
    assert_close,
    numerical_gradient,
    relative_error,
)


def test_numerical_gradient_of_a_cube():
    x = np.random.default_rng(0).normal(size=(2, 3))
    before = x.copy()
    gradient = numerical_gradient(lambda: float((x**3).sum()), x)
    assert relative_error(gradient, 3 * x**2) < 1e-8
    assert np.array_equal(x, before)  # restored to the last bit


def test_numerical_gradient_sees_each_entry_alone():
    x = np.array([2.0, 3.0, 5.0])
    gradient = numerical_gradient(lambda: x[0] * x[1] + math.sin(x[2]), x)
    assert relative_error(gradient, np.array([3, 2, math.cos(5)])) < 1e-8


def test_numerical_gradient_refuses_float32():
    x = np.zeros(3, np.float32)
    with pytest.raises(TypeError, match="(?i)float64"):
        numerical_gradient(lambda: float(x.sum()), x)


def test_relative_error_on_known_values():
    assert relative_error(np.array([1.0, 4.0]), np.array([1.0, 5.0])) == 0.2
    assert relative_error(torch.tensor([0.0, -8.0]), np.array([2.0, -8.0])) == 0.25
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros((0, 2)), np.zeros((0, 2))) == 0
    assert relative_error(1.0, 1.0) == 0


def test_relative_error_does_not_broadcast():
    with pytest.raises(ValueError, match=r"\(3,\) and \(1, 3\)"):
        relative_error(np.zeros(3), np.zeros((1, 3)))


def test_assert_close_returns_the_error_and_names_what_differs():
    a = torch.ones(3, dtype=torch.float64, requires_grad=True)
    assert 0 < assert_close(a, a * (1 + 1e-12)) < 1e-11
    with pytest.raises(AssertionError, match="dW_hh differ: relative error"):
        assert_close(a, a * 1.001, name="dW_hh")


def test_assert_close_catches_what_is_not_a_number():
    a = np.array([1.0, math.nan])
    with pytest.raises(AssertionError, match="values differ"):
        assert_close(a, a.copy())


def test_equal_infinities_are_equal_and_others_are_not():
    a = np.array([2.0, math.inf, -math.inf])
    assert relative_error(a, a.copy()) == 0
    assert relative_error(a, a + [1, 0, 0]) == 1 / 3
    assert relative_error(a, -a) == math.inf
    assert relative_error(a, np.ones(3)) == math.inf


def test_relative_error_of_what_is_not_float64():
    assert relative_error(np.array([3, 4], np.uint8), np.array([4, 4], np.uint8)) == 0.25
    assert relative_error(np.array([True, False]), np.array([True, True])) == 1
    half = torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)
    assert relative_error(half, [1.0, 4.0]) == 0.5
    assert relative_error(np.array([1j]), np.array([1j])) == 0
    assert relative_error(torch.tensor([2j]), np.array([1j])) == 0.5
    with pytest.raises(TypeError, match="cannot be compared"):
        relative_error(np.array(["a"]), np.array(["a"]))


def test_numerical_gradient_restores_x_when_f_raises():
    x = np.ones(2)

    def fails():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        numerical_gradient(fails, x)
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize("x, remedy", [
    (torch.zeros(2, dtype=torch.float64), r"x is a Tensor.*x\.detach\(\)\.numpy\(\)"),
    ([1.0], r"x is a list.*np\.array"),
])
def test_numerical_gradient_says_what_to_pass_instead(x, remedy):
    with pytest.raises(TypeError, match=remedy):
        inspect.unwrap(numerical_gradient)(lambda: 0.0, x)


def x_of_shape(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3), (2, 5, 3, 7)])
def test_assert_causal_lets_the_past_through(shape):
    assert assert_causal(lambda x: x.cumsum(1).tanh(), x_of_shape(*shape)) is None


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3), (2, 5, 3, 7)])
def test_assert_causal_names_the_leak(shape):
    def leaks(x):
        y = x.cumsum(1)
        return torch.cat((y[:, :1] + x[:, 3:4], y[:, 1:]), 1)  # output 0 sees input 3

    with pytest.raises(AssertionError, match="output 0 depends on the later input 3"):
        assert_causal(leaks, x_of_shape(*shape))


def test_assert_causal_sees_a_leak_that_cancels_in_the_sum():
    """A softmax sums to 1 whatever it depends on."""
    with pytest.raises(AssertionError, match="output 0 depends on the later input 4"):
        assert_causal(lambda x: x.flip(1).softmax(-1), x_of_shape(2, 5, 3))


def test_assert_causal_does_not_take_nan_for_zero():
    with pytest.raises(AssertionError, match="output 0 depends on the later input"):
        assert_causal(lambda x: x + (x.flip(1) * 0).sqrt(), x_of_shape(2, 5, 3))


def tokens():
    return torch.randint(5, (2, 6), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("x", [tokens(), torch.zeros(2, 6, dtype=torch.long)], ids=["some", "one"])
def test_assert_causal_takes_token_ids_and_stays_in_the_vocabulary(x):
    table = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert_causal(lambda x: table[x].cumsum(1), x)
    with pytest.raises(AssertionError, match="output 2 depends on the later input 3"):
        assert_causal(lambda x: table[torch.cat((x[:, :2], x[:, 3:], x[:, :1]), 1)][:, :6], x)


def test_assert_causal_takes_truth_values():
    x = torch.zeros(2, 4, dtype=torch.bool)
    assert_causal(lambda x: x.cumsum(1), x)
    with pytest.raises(AssertionError, match="output 1 depends on the later input 2"):
        assert_causal(lambda x: x.flip(1), x)


LEAKS = {
    "argmax": lambda x: torch.zeros_like(x) + x.argmax(1, keepdim=True),
    "rank": lambda x: x.argsort(1).to(x.dtype) + 0 * x,
    "sign of the future": lambda x: x.cumsum(1) + (x.flip(1) > 0),
    "without gradient": lambda x: x.detach().flip(1),
}


@pytest.mark.parametrize("f", LEAKS.values(), ids=LEAKS)
def test_assert_causal_sees_leaks_that_have_no_gradient(f):
    with pytest.raises(AssertionError, match="depends on the later input"):
        assert_causal(f, x_of_shape(2, 5, 3))


@pytest.mark.parametrize("f, shape, said", [
    (lambda x: x, (2, 1, 3), r"\(2, 1, 3\).*T of 2 or more"),
    (lambda x: x, (2,), r"\(2,\)"),
    (lambda x: x[:, 1:], (2, 5), r"\(2, 4\), inputs \(2, 5\)"),
    (lambda x: x + torch.rand(()), (2, 5), r"model\.eval\(\)"),
])
def test_assert_causal_refuses_where_there_is_nothing_to_test(f, shape, said):
    with pytest.raises(ValueError, match=said):
        assert_causal(f, x_of_shape(*shape))
