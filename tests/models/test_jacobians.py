"""The Jacobian of a step, its products, and the two ways to clip."""

import numpy as np
import pytest
import torch

from lecture_utils.gradcheck import assert_close, numerical_gradient
from lecture_utils.models import jacobians
from lecture_utils.models.jacobians import step_jacobian
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


def test_an_orthogonal_matrix_keeps_lengths_and_uses_its_seed():
    G = np.random.default_rng(2).standard_normal((H, H))
    Q = jacobians.orthogonal(G)
    assert_close(Q.T @ Q, np.eye(H), 1e-14)
    assert_close(np.triu(Q.T @ G), Q.T @ G, 1e-12)  # G = QR with this Q ...
    assert (np.diag(Q.T @ G) > 0).all()  # ... and a positive diagonal
    x = np.random.default_rng(3).standard_normal(H)
    assert np.linalg.norm(Q @ x) == pytest.approx(np.linalg.norm(x), rel=1e-13)


def test_the_penalty_and_its_gradient():
    rng = np.random.default_rng(4)
    B = 2
    W, hs = rng.standard_normal((H, H)), np.tanh(rng.standard_normal((T + 1, B, H)))
    dhs = rng.standard_normal((T + 1, B, H))
    dhs[3, 1] = 1e-12  # no gradient arrives here: left out
    omega, dW = jacobians.norm_penalty(W, hs, dhs)

    wanted = []
    for t in range(1, T + 1):
        for b in range(B):
            if (t, b) != (3, 1):
                before = step_jacobian(W, hs[t, b]).T @ dhs[t, b]  # the length one step earlier
                ratio = np.linalg.norm(before) / np.linalg.norm(dhs[t, b])
                wanted.append((ratio - 1) ** 2)
    assert omega == pytest.approx(np.mean(wanted), rel=1e-12)
    number = numerical_gradient(lambda: jacobians.norm_penalty(W, hs, dhs)[0], W)
    assert_close(dW, number, 1e-7)


def test_the_penalty_is_0_where_lengths_are_kept_or_nothing_arrives():
    Q = jacobians.orthogonal(np.random.default_rng(5).standard_normal((H, H)))
    still, dhs = np.zeros((T + 1, 1, H)), np.random.default_rng(6).standard_normal((T + 1, 1, H))
    assert jacobians.norm_penalty(Q, still, dhs)[0] < 1e-28  # tanh' = 1 and Q: nothing is lost
    assert jacobians.norm_penalty(2 * Q, still, dhs)[0] == pytest.approx(1.0)  # (2 - 1)^2
    omega, dW = jacobians.norm_penalty(Q, still, np.zeros_like(dhs))
    assert omega == 0 and (dW == 0).all()


def test_clipping_by_norm_keeps_the_direction_and_by_value_does_not():
    g = [np.array([3.0]), np.array([[4.0]])]
    by_norm = jacobians.clip_by_norm(g, 1.0)
    assert by_norm[0] == pytest.approx(0.6) and by_norm[1] == pytest.approx(0.8)
    assert by_norm[1].shape == (1, 1)
    assert jacobians.clip_by_norm(g, 5.0) == g  # the limit itself is allowed
    assert [v.item() for v in jacobians.clip_by_value(g, 1.0)] == [1.0, 1.0]


def test_clipping_equals_pytorch():
    rng = np.random.default_rng(7)
    g = [rng.standard_normal((2, 3)), rng.standard_normal(5)]
    for mine, theirs in (
        (jacobians.clip_by_norm, torch.nn.utils.clip_grad_norm_),
        (jacobians.clip_by_value, torch.nn.utils.clip_grad_value_),
    ):
        parameters = [torch.nn.Parameter(torch.zeros(v.shape, dtype=torch.float64)) for v in g]
        for parameter, value in zip(parameters, g):
            parameter.grad = torch.tensor(value)
        theirs(parameters, 0.5)
        for parameter, value in zip(parameters, mine(g, 0.5)):
            assert_close(value, parameter.grad, 1e-5)  # PyTorch adds 1e-6 to the norm


@pytest.mark.parametrize("size, kind", [(1e200, np.float64), (1e20, np.float32), (1e-30, float)])
def test_a_really_exploded_gradient_keeps_its_direction(size, kind):
    """Its squares overflow, in float32 from 1e19 on."""
    g = [np.array([3 * size], kind), np.array([4 * size], kind)]
    clipped = jacobians.clip_by_norm(g, 1.0)
    expected = [0.6, 0.8] if size > 1 else [3 * size, 4 * size]
    assert [v.item() for v in clipped] == pytest.approx(expected, rel=1e-5)
    assert all(v.dtype == kind for v in clipped)
    assert jacobians.clip_by_norm([np.zeros(2)], 1.0)[0].tolist() == [0, 0]


def test_the_penalty_refuses_what_is_not_a_gradient(as_a_reader_runs_it):
    W, hs = np.eye(H), np.zeros((3, 1, H))
    with pytest.raises(ValueError, match="dhs holds a number that is not finite"):
        jacobians.norm_penalty(W, hs, np.full((3, 1, H), np.nan))
    with pytest.raises(ValueError, match=r"hs has shape \(3, 1, 5\) and dhs \(2, 1, 5\)"):
        jacobians.norm_penalty(W, hs, np.zeros((2, 1, H)))


@pytest.mark.parametrize("clip", [jacobians.clip_by_norm, jacobians.clip_by_value])
def test_clipping_refuses_a_bad_limit_and_a_broken_gradient(clip):
    g = np.ones(2)
    for limit in (-1.0, 0.0, float("nan")):
        with pytest.raises(ValueError, match=f"limit is {limit}"):
            clip([g], limit)
    with pytest.raises(ValueError, match="gradient 1 holds nan: .* learning rate"):
        clip([g, np.array([1.0, np.nan])], 1.0)
