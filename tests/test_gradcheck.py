"""The checkers themselves are checked: right where the answer is known, loud where it is not."""

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


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_assert_close_catches_what_is_not_a_number(bad):
    a = np.array([1.0, bad])
    with pytest.raises(AssertionError, match="values differ"), np.errstate(invalid="ignore"):
        assert_close(a, a.copy())


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
