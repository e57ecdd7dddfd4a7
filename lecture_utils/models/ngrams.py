"""Counting instead of learning: n-gram models of characters, and what compressors make of a text.

    P_n(w | h) = (c(h w) - D(c(h w))) / sum_v c(h v) + g(h) Q_{n-1}(w | h')     the n-gram model
    Q_n(w | h) = (d(h w) - D(d(h w))) / sum_v d(h v) + g(h) Q_{n-1}(w | h')     where it backs off
    Q_0(w)     = 1 / V                                                          nothing is 0
    g(h)       = sum_v D(c(h v)) / sum_v c(h v)       what the discounts set aside (with d in Q);
                                                      1 where nothing was seen to follow h
    D(k)       = k - (k+1) y n_{k+1} / n_k            k = 1, 2 and 3; D(0) = 0, D(4) = ... = D(3)
    y          = n_1 / (n_1 + 2 n_2)                  n_k: how many n-grams have the count k

w is a character, h the n-1 characters before it, h' those without the oldest. c(h w) says how often
h w occurs in the training text, d(h w) how many different characters precede it there: an ending
that always follows the same beginning says little about other beginnings. This is interpolated
modified Kneser-Ney smoothing. Each order has discounts of its own, P and Q each theirs; where the
formula gives none or none above 0 (small texts, few characters), D is 1/2, 1 and 3/2.

Witten-Bell smoothing would be shorter, and worse: on Python's own source (8.6 million characters to
count) 1.99 bits a character at order 8, where this has 1.64. With every order above 6 it is
worse again, and this is better (1.57 at order 12).

T characters of text, V in the alphabet, N the order: n = 1..N. Source: Chen and Goodman (1999),
section 3. Beside LSTMs: Karpathy, Johnson and Fei-Fei (2015), with orders up to 20.
"""

import gzip
import lzma
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lecture_utils.models.recurrent import check_sizes
from lecture_utils.models.rnn import check_indices

Array = np.ndarray
UNSEEN = -1  # in place of the number of an n-gram


class Smoothed(NamedTuple):
    """P or Q of one order: the first term for each n-gram, and g for each context.

    Each ends with an entry for UNSEEN.
    """

    share: Float[Array, "ngrams+1"]
    g: Float[Array, "contexts+1"]

    def mix(self, ngrams, contexts, shorter: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return self.share[ngrams] + self.g[contexts] * shorter


class NGram:
    """The n-gram models of all orders 1..order of a text; order - 1 characters of context at most.

    codes: the training text (T,), integers 0..vocab_size-1. Nine million characters at order 8 take
    about 20 seconds and 1.2 GB, at order 20 twice and three times that. ValueError for a text
    shorter than `order`.

    The n-grams of one order are numbered in sorted order, and a longer one is the pair (number of
    its context, its last character) in one 64-bit integer, so that no order is too long for it.
    """

    def __init__(self, codes: Int[Array, "T"], vocab_size: int, order: int):
        check_sizes(vocab_size=vocab_size, order=order)
        codes = _text(codes, vocab_size)
        if len(codes) == 0:
            raise ValueError("the text is empty: give at least one character to count")
        if len(codes) < order:
            raise ValueError(
                f"the text has {len(codes)} characters, too few for order {order}: "
                f"give a longer text or an order of at most {len(codes)}"
            )
        if vocab_size * len(codes) >= 2**63:
            raise ValueError(
                f"vocab_size is {vocab_size}: a context and a character no longer fit into 64 "
                f"bits; with this text it may be at most {(2**63 - 1) // len(codes)}"
            )
        self.vocab_size, self.order = vocab_size, order
        self._keys, self._P, self._Q = {0: np.zeros(1, np.int64)}, {}, {}
        ngrams = np.zeros(len(codes) + 1, np.int64)  # those of order 0 are all the same
        for n in range(1, order + 1):
            shorter, pairs = ngrams, ngrams[:-1] * vocab_size + codes[n - 1 :]
            # return_index makes the sort a stable one, on text more than twice as fast.
            self._keys[n], first, ngrams, c = np.unique(
                pairs, return_index=True, return_inverse=True, return_counts=True
            )
            self._P[n] = self._smoothed(n, c)
            if n > 1:  # each n-gram stands for one character that precedes its ending
                d = np.bincount(shorter[first + 1], minlength=len(self._keys[n - 1]))
                self._Q[n - 1] = self._smoothed(n - 1, d)

    def log_probabilities(self, codes: Int[Array, "T"]) -> Float[Array, "N T"]:
        """log p(character t | those before t), in nats: row n - 1 by the model of order n.

        Where only k < n - 1 characters come before, the model of order k + 1 speaks for it.
        """
        codes = _text(codes, self.vocab_size)
        p = np.empty((self.order, len(codes)))
        shorter = np.full(len(codes), 1 / self.vocab_size)
        for n, contexts, ngrams in self._walk(codes):
            p[n - 1] = self._P[n].mix(ngrams, contexts, shorter)
            p[n - 1, : n - 1] = p[n - 2, : n - 1]  # too early for a context of n - 1
            if n < self.order:
                shorter = self._Q[n].mix(ngrams, contexts, shorter)
        return np.log(p)

    def distributions(
        self, codes: Int[Array, "T"], positions: Int[Array, "P"]
    ) -> Float[Array, "P V"]:
        """p(. | the characters before each position), by the model of the highest order.

        Positions 0..T: T asks what follows the whole text. Needs about 50 P V bytes meanwhile.
        """
        codes, positions = _text(codes, self.vocab_size), np.asarray(positions)
        outside = positions[(positions < 0) | (positions > len(codes))]
        if len(outside):
            raise ValueError(f"position {outside[0]} is outside the text: give 0..{len(codes)}")
        every_character = np.arange(self.vocab_size)
        p = np.empty((len(positions), self.vocab_size))
        shorter = np.full_like(p, 1 / self.vocab_size)
        speaks = np.minimum(positions + 1, self.order)  # early on, a model of lower order
        for n, contexts, _ in self._walk(np.append(codes, 0)):
            contexts = contexts[positions, None]
            ngrams = self._find(n, contexts, every_character)
            now = speaks == n
            p[now] = self._P[n].mix(ngrams[now], contexts[now], shorter[now])
            if n < self.order:
                shorter = self._Q[n].mix(ngrams, contexts, shorter)
        return p

    def probabilities(self, context: Int[Array, "T"]) -> Float[Array, "V"]:
        """p(. | context). Only its last order - 1 characters count; it may be shorter or empty."""
        context = context[max(0, len(context) - self.order + 1) :]
        return self.distributions(context, np.array([len(context)]))[0]

    def _walk(self, codes):
        """For n = 1..order: n, each character's context (n - 1 before it), and the n-gram of both.

        Both are numbers, or UNSEEN.
        """
        contexts = np.zeros(len(codes), np.int64)
        for n in range(1, self.order + 1):
            ngrams = self._find(n, contexts, codes)
            yield n, contexts, ngrams
            contexts = np.append(UNSEEN, ngrams)[:-1]

    def _find(self, n, contexts, characters):
        """The number of each n-gram, or UNSEEN."""
        keys, pairs = self._keys[n], contexts * self.vocab_size + characters
        ngrams = np.minimum(np.searchsorted(keys, pairs), len(keys) - 1)
        # With an unseen context a pair is negative, and no key is.
        return np.where(keys[ngrams] == pairs, ngrams, UNSEEN)

    def _smoothed(self, n, counts):
        """The smoothed counts of all n-grams of order n."""
        contexts, num_contexts = self._keys[n] // self.vocab_size, len(self._keys[n - 1])
        taken = _discounts(counts)[np.minimum(counts, 3)]
        total = np.bincount(contexts, counts, num_contexts)
        g = np.ones(num_contexts + 1)
        np.divide(np.bincount(contexts, taken, num_contexts), total, out=g[:-1], where=total > 0)
        # Where the total is 0, so is each count: any divisor will do.
        share = (counts - taken) / np.maximum(total, 1)[contexts]
        return Smoothed(np.append(share, 0), g)


def bits_per_character(log_probabilities: Float[Array, "*N T"]) -> Float[Array, "*N"] | float:
    """Mean of -log2 p over the text, from natural logarithms; a number for each row, if many."""
    if np.shape(log_probabilities)[-1] == 0:
        raise ValueError("there are no log-probabilities: give those of at least one character")
    return -np.mean(log_probabilities, axis=-1) / math.log(2)


def compressed_bits(train: bytes | str, test: bytes | str) -> dict[str, float]:
    """Bits per character that "gzip" and "lzma" add for the test text behind the training text.

    (size(train + test) - size(train)) * 8 / len(test), at their highest settings. lzma looks back
    over 64 MiB, so it can use the whole training text. gzip looks back over 32 KiB only: of a
    longer training text it sees the end, and it soon has forgotten that, too. A str is compressed
    as UTF-8, and its length is that in characters.
    """
    if not test:
        raise ValueError("the test text is empty: give at least one character")
    before = train.encode() if isinstance(train, str) else train
    behind = test.encode() if isinstance(test, str) else test
    size = {
        "gzip": lambda text: len(gzip.compress(text, compresslevel=9)),
        "lzma": lambda text: len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)),
    }
    return {name: (of(before + behind) - of(before)) * 8 / len(test) for name, of in size.items()}


def _text(codes, vocab_size):
    if np.ndim(codes) != 1:
        raise ValueError(f"the text has shape {np.shape(codes)}: give one row of integers")
    return check_indices(codes, vocab_size, "character")


def _discounts(counts) -> Float[Array, "4"]:
    """D(0), D(1), D(2) and D(3)."""
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == k)) for k in (1, 2, 3, 4))
    if n1 and n2 and n3:
        y = n1 / (n1 + 2 * n2)
        D = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        if D[1:].min() > 0:
            return D
    return np.array([0, 0.5, 1, 1.5])
