"""Attention: which of many vectors to read, decided by what the reader is looking for.

Additive attention, for one reader h and the vectors a_1 ... a_L:

    e_i   = w . tanh(W_a a_i + W_h h)        how well a_i fits
    alpha = softmax(e)                       weights above 0 that add up to 1
    z     = sum_i alpha_i a_i                what is read

W_a a_i needs no h: who looks often at the same vectors computes it once. B batch, L places, D width
of a_i, A width of the tanh layer, H width of h.
Source: Bahdanau, Cho and Bengio (2015); for images: Xu et al. (2015).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lecture_utils.models.recurrent import check_sizes
from lecture_utils.trace import note


def additive_scores(
    w: Float[Tensor, "A"], keys: Float[Tensor, "B L A"], query: Float[Tensor, "B A"]
) -> Float[Tensor, "B L"]:
    """e. keys: W_a a_i of each place. query: W_h h."""
    return torch.tanh(keys + query[:, None]) @ w


def attention_weights(
    e: Float[Tensor, "B L"], mask: Bool[Tensor, "B L"] | None = None
) -> Float[Tensor, "B L"]:
    """alpha. mask: True where a place may be looked at; the others get exactly 0."""
    if mask is not None:
        _check_mask(mask, e.shape)
        e = e.masked_fill(~mask, -torch.inf)
    return torch.softmax(e, dim=1)


def weighted_sum(
    alpha: Float[Tensor, "B L"], values: Float[Tensor, "B L D"]
) -> Float[Tensor, "B D"]:
    """z."""
    return torch.einsum("bl,bld->bd", alpha, values)


class AdditiveAttention(nn.Module):
    """The reader h (B, H) looks at values a (B, L, D). Notes e, and alpha as "attention".

    W_a (A x D), W_h (A x H) and w (A) start at U(-1/sqrt n, 1/sqrt n) with n numbers to be added.
    """

    def __init__(self, key_width: int, query_width: int, hidden: int):
        super().__init__()
        check_sizes(key_width=key_width, query_width=query_width, hidden=hidden)
        self.W_a = _uniform(hidden, key_width)
        self.W_h = _uniform(hidden, query_width)
        self.w = _uniform(hidden)

    def keys(self, values: Float[Tensor, "B L D"]) -> Float[Tensor, "B L A"]:
        """W_a a_i of all places: what `weights` needs of them, at every step the same."""
        if values.ndim != 3 or values.shape[2] != self.W_a.shape[1] or not values.shape[1]:
            raise ValueError(
                f"values have shape {tuple(values.shape)}: expected (B, L, {self.W_a.shape[1]}), "
                "at least one place"
            )
        return values @ self.W_a.T

    def weights(
        self,
        query: Float[Tensor, "B H"],
        keys: Float[Tensor, "B L A"],
        mask: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B L"]:
        """alpha. keys: of `keys`. mask: True where a place may be looked at."""
        if query.ndim != 2 or query.shape[1] != self.W_h.shape[1] or len(query) != len(keys):
            raise ValueError(
                f"the query has shape {tuple(query.shape)}: expected ({len(keys)}, "
                f"{self.W_h.shape[1]}), one for each row of keys"
            )
        e = note(e=additive_scores(self.w, keys, query @ self.W_h.T))
        return note(attention=attention_weights(e, mask))

    def forward(
        self,
        query: Float[Tensor, "B H"],
        values: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"] | None = None,
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B L"]]:
        """z and alpha, for who looks once; in a loop: `keys` before it, `weights` in it."""
        alpha = self.weights(query, self.keys(values), mask)
        return weighted_sum(alpha, values), alpha


def _uniform(*shape):
    bound = shape[-1] ** -0.5
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


def _check_mask(mask, shape):
    if mask.dtype != torch.bool or mask.shape != shape:
        raise ValueError(
            f"the mask is {mask.dtype} of shape {tuple(mask.shape)}: expected booleans "
            f"{tuple(shape)}, True where a place may be looked at"
        )
    nowhere = (~mask.any(dim=1)).nonzero()
    if len(nowhere):
        raise ValueError(f"row {nowhere[0].item()} of the mask allows no place: leave at least one")
