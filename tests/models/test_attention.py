"""Additive attention: equal to a loop over its equations, a distribution, blind where masked."""

import pytest
import torch

from lecture_utils.gradcheck import assert_close
from lecture_utils.models.attention import (
    AdditiveAttention,
    additive_scores,
    attention_weights,
    weighted_sum,
)
from lecture_utils.trace import trace

B, L, D, H, A = 2, 3, 5, 7, 4


pytestmark = pytest.mark.usefixtures("float64")


def case():
    attention = AdditiveAttention(D, H, A)
    return attention, torch.randn(B, H).requires_grad_(), torch.randn(B, L, D).requires_grad_()


def by_loops(attention, query, values, mask=None, reader=True):
    """The equations, number by number. reader=False: with a slip, as a test that tests would."""
    zs, alphas = [], []
    for b in range(len(values)):
        scores = []
        for a in values[b]:
            inside = attention.W_a @ a + (attention.W_h @ query[b] if reader else 0)
            scores.append(attention.w @ torch.tanh(inside))
        allowed = [mask is None or bool(mask[b, i]) for i in range(len(scores))]
        weights = [torch.exp(e) if ok else e * 0 for e, ok in zip(scores, allowed)]
        alpha = torch.stack(weights) / sum(weights)
        alphas.append(alpha)
        zs.append(sum(weight * a for weight, a in zip(alpha, values[b])))
    return torch.stack(zs), torch.stack(alphas)


@pytest.mark.parametrize("masked", [False, True])
def test_equal_to_the_equations_in_values_and_gradients(masked):
    attention, query, values = case()
    mask = torch.tensor([[True, False, True], [False, False, True]]) if masked else None
    ours, wanted = attention(query, values, mask), by_loops(attention, query, values, mask)
    inputs = [query, values, *attention.parameters()]
    for mine, other in zip(ours, wanted):
        assert_close(mine, other, 1e-13)
        weight = torch.randn_like(mine)
        found = torch.autograd.grad((weight * mine).sum(), inputs, retain_graph=True)
        expected = torch.autograd.grad((weight * other).sum(), inputs, retain_graph=True)
        for g, w in zip(found, expected):
            assert_close(g, w, 1e-11)
    with pytest.raises(AssertionError):
        assert_close(ours[0], by_loops(attention, query, values, reader=False)[0], 1e-3)


def test_keys_computed_once_give_the_same_at_every_step():
    attention, _, values = case()
    keys = attention.keys(values)
    for query in torch.randn(6, B, H):
        alpha = attention.weights(query, keys)
        z, wanted = attention(query, values)
        assert torch.equal(alpha, wanted)
        assert torch.equal(weighted_sum(alpha, values), z)


def test_lines_one_by_one_are_the_whole():
    attention, query, values = case()
    e = additive_scores(attention.w, values @ attention.W_a.T, query @ attention.W_h.T)
    alpha = attention_weights(e)
    z = weighted_sum(alpha, values)
    with trace() as log:
        assert_close(attention(query, values)[0], z, 1e-14)
    assert log.names() == ["e", "attention"]
    assert_close(log["e"][0], e.detach(), 1e-14)
    assert_close(log["attention"][0], alpha.detach(), 1e-14)


def test_weights_are_a_distribution_that_no_common_number_changes():
    e = 10 * torch.randn(B, L)
    alpha = attention_weights(e)
    assert (alpha > 0).all()
    assert_close(alpha.sum(1), torch.ones(B), 1e-14)
    assert_close(attention_weights(e + 1000), alpha, 1e-12)


def test_z_stays_among_the_values_and_follows_their_order():
    attention, query, values = case()
    z, alpha = attention(query, values)
    assert (z >= values.amin(1)).all() and (z <= values.amax(1)).all()
    order = torch.tensor([2, 0, 1])
    moved_z, moved_alpha = attention(query, values[:, order])
    assert_close(moved_z, z, 1e-14)
    assert_close(moved_alpha, alpha[:, order], 1e-14)


def test_what_is_masked_is_not_looked_at_in_either_direction():
    attention, query, values = case()
    mask = torch.tensor([[True, False, True], [False, True, True]])
    z, alpha = attention(query, values, mask)
    assert alpha[~mask].tolist() == [0, 0]
    (gradient,) = torch.autograd.grad(z.square().sum(), values)
    assert (gradient[~mask] == 0).all() and (gradient[mask] != 0).all()
    only = attention(query[:1], values[:1, mask[0]])[0]  # as if the place were not there
    assert_close(z[:1], only, 1e-14)


def test_a_change_of_attention_changes_what_is_read():
    attention, query, values = case()
    keys = attention.keys(values)
    first = torch.tensor([[1.0, 0, 0]]).expand(B, L)
    with trace(change={"attention": lambda alpha: first.clone()}):
        alpha = attention.weights(query, keys)
    assert torch.equal(weighted_sum(alpha, values), values[:, 0])


# Bad input ---------------------------------------------------------------------------------------


def masked(mask):
    return lambda attention, query, values: attention(query, values, mask)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda *_: AdditiveAttention(0, H, A), "key_width is 0"),
        (lambda at, q, v: at(q, v[..., :4]), r"\(2, 3, 4\): expected \(B, L, 5\)"),
        (lambda at, q, v: at(q, v[:, 0]), r"\(2, 5\): expected \(B, L, 5\)"),
        (lambda at, q, v: at(q, v[:, :0]), r"\(2, 0, 5\): expected .* at least one place"),
        (lambda at, q, v: at(q[:, :6], v), r"\(2, 6\): expected \(2, 7\)"),
        (lambda at, q, v: at(q[:1], v), r"\(1, 7\): expected \(2, 7\), one for each row"),
        (masked(torch.ones(B, L)), r"torch.float32 of shape \(2, 3\): expected booleans"),
        (masked(torch.ones(1, L, dtype=torch.bool)), r"shape \(1, 3\): expected booleans \(2, 3\)"),
        (masked(torch.tensor([[True] * L, [False] * L])), "row 1 of the mask allows no place"),
    ],
)
def test_bad_input_is_refused(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call(*case())
