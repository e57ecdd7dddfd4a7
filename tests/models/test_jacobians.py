"""The Jacobian of a step, its products, and the two ways to clip."""

import numpy as np
import pytest
import torch

from lecture_utils.gradcheck import assert_close
from lecture_utils.models import jacobians
from lecture_utils.models.rnn import rnn_forward, rnn_parameters

H, T = 5, 7


@pytest.fixture
def run():
    rng = np.random.default_rng(0)
    p = rnn_parameters(3, H, 2, rng)
    xs = rng.standard_normal((T, 3))
    return p, xs, rnn_forward(p, xs)[0]


def from_autograd(p, xs, h):
    """d h_T / d h by PyTorch, the rest of the sequence being xs."""
    W_xh, W_hh, b_h = (torch.tensor(w) for w in (p.W_xh, p.W_hh, p.b_h))

    def last(h):
        for x in torch.tensor(xs):
            h = torch.tanh(W_xh @ x + W_hh @ h + b_h)
        return h

    return torch.autograd.functional.jacobian(last, torch.tensor(h))


def test_one_step_equals_autograd(run):
    p, xs, hs = run
    assert_close(jacobians.step_jacobian(p.W_hh, hs[-1]), from_autograd(p, xs[-1:], hs[-2]), 1e-12)


def test_products_equal_autograd_and_end_in_the_identity(run):
    p, xs, hs = run
    products = jacobians.jacobian_products(p.W_hh, hs)
    assert products.shape == (T + 1, H, H)
    for k in range(T):
        assert_close(products[k], from_autograd(p, xs[k:], hs[k]), 1e-12)
    assert (products[T] == np.eye(H)).all()


def test_the_transposed_form_would_be_noticed(run):
    p, xs, hs = run
    wrong = p.W_hh * (1 - hs[-1] ** 2)  # the slope multiplies columns instead of rows
    with pytest.raises(AssertionError):
        assert_close(wrong, from_autograd(p, xs[-1:], hs[-2]), 1e-3)


def test_products_obey_the_bound(run):
    p, _, hs = run
    sigma = jacobians.singular_value(p.W_hh)
    for k, product in enumerate(jacobians.jacobian_products(p.W_hh, hs)):
        assert jacobians.singular_value(product) <= sigma ** (T - k) * (1 + 1e-12)


def test_without_non_linearity_the_product_is_a_power():
    W = np.random.default_rng(1).standard_normal((H, H))
    assert_close(jacobians.linear_products(W, 4)[0], np.linalg.matrix_power(W, 4), 1e-12)


def test_a_large_singular_value_does_not_make_it_explode():
    W = np.array([[0.5, 4.0], [0.0, 0.5]])
    assert jacobians.singular_value(W) > 1 > jacobians.spectral_radius(W) == 0.5
    assert jacobians.singular_value(jacobians.linear_products(W, 50)[0]) < 1e-10


def test_clipping_by_norm_keeps_the_direction_and_by_value_does_not():
    g = np.array([3.0, 4.0])
    assert jacobians.clip_by_norm(g, 1.0) == pytest.approx([0.6, 0.8])
    assert (jacobians.clip_by_norm(g, 5.0) == g).all()
    assert (jacobians.clip_by_value(g, 1.0) == [1.0, 1.0]).all()
    for clip in (jacobians.clip_by_norm, jacobians.clip_by_value):
        with pytest.raises(ValueError, match="limit is -1"):
            clip(g, -1.0)
