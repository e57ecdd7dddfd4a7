"""Exercises of lesson 09."""

import copy

import numpy as np

from lecture_utils.exercises.exercise import Exercise

# one step of attention ---------------------------------------------------------------------------


def attention_step(h, a, W_a, W_h, w):
    e = np.tanh(a @ W_a.T + W_h @ h) @ w
    weights = np.exp(e - e.max())
    alpha = weights / weights.sum()
    return alpha, alpha @ a


def _softmax(e, axis=None):
    weights = np.exp(e - e.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def _unsafe(e):
    weights = np.exp(e)
    return weights / weights.sum()


def _attended(
    scores=lambda keys, query, w: np.tanh(keys + query) @ w,
    keys=lambda a, W_a: a @ W_a.T,
    query=lambda h, W_h: W_h @ h,
    weights=_softmax,
    read=lambda alpha, a, keys: alpha @ a,
):
    """attention_step with one thing done another way; without NumPy's warnings of overflow."""

    def attempt(h, a, W_a, W_h, w):
        with np.errstate(all="ignore"):
            K = keys(a, W_a)
            alpha = weights(scores(K, query(h, W_h), w))
            return alpha, read(alpha, a, K)

    return attempt


class _MayOverflow(Exercise):
    """Where e^e is too large, a wrong answer is known by what it is in the other cases."""

    def _answer(self, function, arguments):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return super()._answer(function, arguments)
        except (OverflowError, ZeroDivisionError):  # math.exp, where np.exp goes on with inf or 0
            _, a, _, _, w = arguments
            if np.abs(w).sum() < 700:
                raise
            return np.full(len(a), np.nan), np.full(a.shape[1], np.nan)

    def _known_mistake(self, answers):
        if known := super()._known_mistake(answers):
            return known
        finite = [
            (answer, case) for answer, case in zip(answers, self.cases) if _all_finite(answer)
        ]
        if not finite:
            return None
        others = copy.copy(self)
        kept, others.cases = zip(*finite)
        return Exercise._known_mistake(others, kept)


def _all_finite(answer):
    return isinstance(answer, tuple | list) and all(
        isinstance(part, np.ndarray) and part.dtype.kind == "f" and np.isfinite(part).all()
        for part in answer
    )


def _attention_case(seed, L, D, scale=1.0):
    """h, a_i and the tanh layer are equally wide, so that a transposed matrix is no error."""
    normal = np.random.default_rng(seed).standard_normal
    return normal(D), normal((L, D)), normal((D, D)), normal((D, D)), scale * normal(D)


attention_step = _MayOverflow(
    attention_step,
    cases=[
        _attention_case(90, 3, 2),
        _attention_case(91, 5, 4),
        _attention_case(92, 2, 3),
        _attention_case(93, 6, 3, scale=3000.0),
    ],
    values=("alpha", "z"),
    mistakes={
        # First: it is right wherever nothing overflows.
        "np.exp overflows from 710 on, and inf / inf is nan. Subtract the largest score first, "
        "np.exp(e - e.max()): it cancels in the ratio.": _attended(weights=_unsafe),
        "There is no tanh: e_i = w . tanh(W_a a_i + W_h h). Without it W_h h adds the same to each "
        "score, and alpha does not depend on h.": _attended(
            scores=lambda keys, query, w: (keys + query) @ w
        ),
        "alpha does not depend on h: W_h h is missing, or it is outside the tanh, where it adds "
        "the same to each score. tanh(W_a a_i + W_h h).": _attended(query=lambda h, W_h: 0 * h),
        "The tanh is around the score. It is inside: w . tanh(W_a a_i + W_h h).": _attended(
            scores=lambda keys, query, w: np.tanh((keys + query) @ w)
        ),
        "The rectifier (ReLU) is what some programs take. The paper and this lesson take "
        "tanh.": _attended(scores=lambda keys, query, w: np.maximum(keys + query, 0) @ w),
        "W_a a_i is missing: then all places have the same score.": _attended(
            keys=lambda a, W_a: 0 * a
        ),
        "W_a a_i and W_h h are multiplied. They are added.": _attended(
            scores=lambda keys, query, w: np.tanh(keys * query) @ w
        ),
        "w is missing: the numbers of tanh(...) are weighted by it, not just added.": _attended(
            scores=lambda keys, query, w: np.tanh(keys + query).sum(axis=1)
        ),
        "W_a is transposed: place i has the key W_a @ a_i, all of them together a @ W_a.T.": (
            _attended(keys=lambda a, W_a: a @ W_a)
        ),
        "W_h is transposed: W_h @ h.": _attended(query=lambda h, W_h: W_h.T @ h),
        "W_a and W_h are transposed: a @ W_a.T and W_h @ h.": _attended(
            keys=lambda a, W_a: a @ W_a, query=lambda h, W_h: W_h.T @ h
        ),
        "The softmax runs along the wrong axis, over the numbers of one place, and too early. "
        "First e = tanh(...) @ w, a score for each place; then softmax over the places.": _attended(
            scores=lambda keys, query, w: _softmax(np.tanh(keys + query), axis=1) @ w,
            weights=lambda e: e,
        ),
        "The softmax comes too early. First e = tanh(...) @ w, one score for each place; alpha is "
        "the softmax of that.": _attended(
            scores=lambda keys, query, w: _softmax(np.tanh(keys + query), axis=0) @ w,
            weights=lambda e: e,
        ),
        "Every alpha is 1: each score has a softmax of its own. The sum below the line is over all "
        "places.": _attended(weights=np.ones_like),
        "Every alpha is 1: the softmax of scores (L, 1) ran along axis 1. The places are axis 0; "
        "and with w, not w[:, None], the scores have the shape (L,).": _attended(
            scores=lambda keys, query, w: np.tanh(keys + query) @ w[:, None],
            weights=np.ones_like,
            read=lambda alpha, a, keys: (alpha * a).sum(axis=0),
        ),
        "They do not add up to 1: divide by the sum.": _attended(
            weights=lambda e: np.exp(e - e.max())
        ),
        "np.exp(e) is not yet alpha: divide by the sum over all places. And subtract the largest "
        "score first, or it overflows.": _attended(weights=np.exp),
        "These are still scores. alpha is their softmax.": _attended(weights=lambda e: e),
        "Where is the exponential? softmax(e) is exp(e) / sum of exp(e).": _attended(
            weights=lambda e: e / e.sum()
        ),
        "Each score has a sigmoid of its own, and they do not add up to 1. alpha is the softmax of "
        "all.": _attended(weights=lambda e: 1 / (1 + np.exp(-e))),
        "These are the logarithms of alpha: np.exp of them.": _attended(
            weights=lambda e: e - np.logaddexp.reduce(e)
        ),
        "The sign of the scores is turned: alpha is largest where e is.": _attended(
            weights=lambda e: _softmax(-e)
        ),
        "The scores are divided by the root of their width. That belongs to the dot products of "
        "lesson 12; here e goes into the softmax as it is.": _attended(
            scores=lambda keys, query, w: np.tanh(keys + query) @ w / np.sqrt(len(w))
        ),
        "alpha is right. z is the mean of all a_i, and nothing was chosen: the sum of alpha_i "
        "a_i.": _attended(read=lambda alpha, a, keys: a.mean(axis=0)),
        "alpha is right. z is divided by the number of places, but alpha adds up to 1 already: the "
        "sum.": _attended(read=lambda alpha, a, keys: (alpha[:, None] * a).mean(axis=0)),
        "alpha is right. z is the sum of all a_i, without their weights: alpha_i a_i.": _attended(
            read=lambda alpha, a, keys: a.sum(axis=0)
        ),
        "alpha is right. z is one vector, the sum over the places; these are its terms.": _attended(
            read=lambda alpha, a, keys: alpha[:, None] * a
        ),
        "alpha is right. z is added up along the wrong axis: over the places, axis 0.": _attended(
            read=lambda alpha, a, keys: (alpha[:, None] * a).sum(axis=1)
        ),
        "alpha is right. z is the a_i with the largest alpha: that is hard attention. Soft "
        "attention adds up all of them, weighted.": _attended(
            read=lambda alpha, a, keys: a[alpha.argmax()]
        ),
        "alpha is right. z is a sum of W_a a_i. What is read is a_i itself; W_a is for the "
        "scores.": _attended(read=lambda alpha, a, keys: alpha @ keys),
    },
    hints=(
        "Three lines: one score e_i for each place, alpha = softmax(e), z = sum of alpha_i a_i. "
        "a is (L, D), a row for each place.",
        "a @ W_a.T has W_a a_i in row i, and W_h @ h is added to every row. Then np.tanh, and @ w "
        "leaves one number for each place.",
        "e = np.tanh(a @ W_a.T + W_h @ h) @ w; weights = np.exp(e - e.max()); alpha = weights / "
        "weights.sum(); return alpha, alpha @ a",
    ),
)

# the doubly stochastic term ----------------------------------------------------------------------


def doubly_stochastic(alpha):
    return ((1 - alpha.sum(axis=0)) ** 2).sum()


def _alphas(seed, T, L):
    return np.random.default_rng(seed).dirichlet(np.ones(L), size=T)


doubly_stochastic = Exercise(
    doubly_stochastic,
    cases=[
        (np.array([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]]),),
        (_alphas(94, 4, 6),),
        (_alphas(95, 5, 3),),
        (_alphas(96, 1, 4),),
    ],
    values=("the term",),
    mistakes={
        "That is always 0: each row adds up to 1, as alpha is a softmax. Add up over the words t, "
        "axis 0: how often was each place looked at?": lambda alpha: (
            ((1 - alpha.sum(axis=1)) ** 2).sum()
        ),
        "That is 0 whatever the network does: all alpha together add up to T.": (
            lambda alpha: (len(alpha) - alpha.sum()) ** 2
        ),
        "The square is outside: places looked at too often make up for others that were not looked "
        "at. Square the difference of each place, then add up.": (
            lambda alpha: (1 - alpha.sum(axis=0)).sum() ** 2
        ),
        "That is the mean over the places. The paper adds up over them. (The authors' code takes "
        "the mean; then lambda means something else.)": (
            lambda alpha: ((1 - alpha.sum(axis=0)) ** 2).mean()
        ),
        "Divided by the number of words. The paper takes the sum over the places as it is.": (
            lambda alpha: ((1 - alpha.sum(axis=0)) ** 2).sum() / len(alpha)
        ),
        "The mean over the words, where the sum belongs: all the looks at a place together should "
        "make 1.": lambda alpha: ((1 - alpha.mean(axis=0)) ** 2).sum(),
        "The inner sum is missing: each alpha was compared with 1. First add up over the words, "
        "axis 0.": lambda alpha: ((1 - alpha) ** 2).sum(),
        "1 minus the sum over all alpha: the inner sum is over the words only, axis 0.": (
            lambda alpha: (1 - alpha.sum()) ** 2
        ),
        "The square is inside the inner sum: first add up alpha over the words, then take "
        "that from 1 and square.": lambda alpha: ((1 - (alpha**2).sum(axis=0)) ** 2).sum(),
        "The square is missing: what is looked at too often and what is not looked at cancel.": (
            lambda alpha: (1 - alpha.sum(axis=0)).sum()
        ),
        "That is the sum of |1 - sum|. Squares: one place that is far off costs more than many "
        "that are a little off.": lambda alpha: np.abs(1 - alpha.sum(axis=0)).sum(),
        "There is a root too many: the sum of the squares itself.": (
            lambda alpha: np.sqrt(((1 - alpha.sum(axis=0)) ** 2).sum())
        ),
        "1 - is missing. The looks at a place should make 1, not 0.": (
            lambda alpha: (alpha.sum(axis=0) ** 2).sum()
        ),
        "T / L in place of 1: that is what each place can get, and the term could reach 0. The "
        "paper's is 1 - sum.": lambda alpha: (
            ((alpha.sum() / alpha.shape[1] - alpha.sum(axis=0)) ** 2).sum()
        ),
        "That is 1 - the sum of squares. The difference from 1 is inside the square.": (
            lambda alpha: 1 - (alpha.sum(axis=0) ** 2).sum()
        ),
        "That is one number for each place. Add them up.": (
            lambda alpha: (1 - alpha.sum(axis=0)) ** 2
        ),
    },
    hints=(
        "alpha is (T, L), a row for each word. In a whole caption each place should get 1 in all.",
        "Two sums: over the words inside, over the places outside. The square is between them.",
        "((1 - alpha.sum(axis=0)) ** 2).sum()",
    ),
)

# is it looking there? ----------------------------------------------------------------------------


def mass_in_box(alpha, box):
    x0, y0, x1, y1 = box
    pixels = np.repeat(np.repeat(alpha, 8, axis=0), 8, axis=1) / 64
    return pixels[y0:y1, x0:x1].sum()


def _in_pixels(
    area=lambda x0, y0, x1, y1: (slice(y0, y1), slice(x0, x1)),
    spread=lambda alpha: np.kron(alpha, np.full((8, 8), 1 / 64)),
    then=lambda mass, pixels: mass,
):
    """mass_in_box with one thing done another way."""

    def attempt(alpha, box):
        pixels = spread(alpha)
        return then(pixels[area(*map(int, box))].sum(), pixels[area(*map(int, box))])

    return attempt


def _in_cells(first, last):
    """Whole cells: from first(x0) to last(x1), this one not included."""

    def attempt(alpha, box):
        x0, y0, x1, y1 = box
        return alpha[first(y0) : last(y1), first(x0) : last(x1)].sum()

    return attempt


def _down(pixel):
    return pixel // 8


def _up(pixel):
    return -(-pixel // 8)


def _middles_from(pixel):
    """The first cell whose middle, 8 i + 4, is not before the pixel."""
    return _up(pixel - 4)


def _wide(x0, y0, x1, y1):
    return slice(y0, y0 + y1), slice(x0, x0 + x1)


def _smooth(alpha):
    rows = np.clip((np.arange(64) - 3.5) / 8, 0, 7)
    low = np.minimum(rows.astype(int), 6)
    part = rows - low
    tall = alpha[low] * (1 - part)[:, None] + alpha[low + 1] * part[:, None]
    wide = tall[:, low] * (1 - part) + tall[:, low + 1] * part
    return wide / wide.sum()


def _map(seed):
    return np.random.default_rng(seed).dirichlet(np.full(64, 0.3)).reshape(8, 8)


_EVEN = np.full((8, 8), 1 / 64)
_ONE = np.eye(8)[:, [2]] @ np.eye(8)[[5]]  # all of it in row 2, column 5: x 40 to 47, y 16 to 23

mass_in_box = Exercise(
    mass_in_box,
    cases=[
        (_EVEN, (8, 16, 24, 48)),
        (_ONE, (43, 18, 61, 24)),
        (_map(97), (3, 10, 21, 37)),
        (_map(98), (30, 5, 59, 31)),
        (_map(99), (17, 34, 22, 39)),
        (_map(97), (0, 0, 64, 58)),
        (_map(98), (35, 45, 64, 64)),
    ],
    values=("mass",),
    mistakes={
        "A cell is counted as a whole if its middle is in the box, as when the box is rounded to "
        "cells. Spread it over its 8 x 8 pixels and count those that are in the box.": _in_cells(
            _middles_from, _middles_from
        ),
        "A cell is counted as a whole even if the box only touches it. Spread it over its 8 x 8 "
        "pixels and count those that are in the box.": _in_cells(_down, _up),
        "Only whole cells are counted. Those that the box cuts lie in it in part: spread each over "
        "its 8 x 8 pixels.": _in_cells(_up, _down),
        "The box is divided by 8 and rounded down, so that cells which it cuts count wholly or not "
        "at all. Spread each over its 8 x 8 pixels.": _in_cells(_down, _down),
        "x and y are swapped: the first index of an array is the row, y. So [y0:y1, x0:x1].": (
            _in_pixels(lambda x0, y0, x1, y1: (slice(x0, x1), slice(y0, y1)))
        ),
        "The end of the box is counted, too. x1 and y1 are the first pixels outside it, as in a "
        "slice: [y0:y1, x0:x1].": _in_pixels(
            lambda x0, y0, x1, y1: (slice(y0, y1 + 1), slice(x0, x1 + 1))
        ),
        "The last row and the last column of the box are missing. A slice leaves out its end by "
        "itself: [y0:y1, x0:x1].": _in_pixels(
            lambda x0, y0, x1, y1: (slice(y0, y1 - 1), slice(x0, x1 - 1))
        ),
        "The box is read as x, y, width and height. It is x0, y0, x1, y1: two corners.": (
            _in_pixels(_wide)
        ),
        "Each of its 64 pixels has all of the cell's attention: divide by 64.": _in_pixels(
            spread=lambda alpha: np.kron(alpha, np.ones((8, 8)))
        ),
        "Divided by 8. A cell has 8 x 8 pixels: divide by 64.": _in_pixels(
            spread=lambda alpha: np.kron(alpha, np.ones((8, 8))) / 8
        ),
        "np.tile lays whole maps side by side. Each cell becomes 8 x 8 equal pixels: np.repeat, "
        "along both axes.": _in_pixels(spread=lambda alpha: np.tile(alpha, (8, 8)) / 64),
        "That is the mean over the box. The share of attention inside is a sum.": _in_pixels(
            then=lambda mass, pixels: pixels.mean()
        ),
        "That is how much more than chance: divided by the box's share of the image. Here the mass "
        "alone is asked for.": _in_pixels(
            then=lambda mass, pixels: mass / (pixels.size / 64**2)
        ),
        "That is the largest of the pixels. The share of attention inside is their sum.": (
            _in_pixels(then=lambda mass, pixels: pixels.max())
        ),
        "That is the box's share of the image, which is what chance would give. The attention is "
        "not used.": _in_pixels(spread=lambda alpha: np.full((64, 64), 1 / 64**2)),
        "That is what lies outside the box: the box's own share is 1 less that.": _in_pixels(
            then=lambda mass, pixels: 1 - mass
        ),
        "The map is made smooth, and attention flows out of its cell. Here each cell is spread "
        "evenly over its own 8 x 8 pixels.": _in_pixels(spread=_smooth),
        "y counts from the top, and the map's first row is the top one: it needs no turning.": (
            _in_pixels(spread=lambda alpha: np.kron(alpha[::-1], np.full((8, 8), 1 / 64)))
        ),
    },
    hints=(
        "Make a map of 64 x 64 pixels first. What does each pixel get of its cell, so that the "
        "sum stays 1?",
        "np.repeat(alpha, 8, axis=0) makes eight rows of each; with axis=1 once more, and a cell "
        "is 64 pixels.",
        "pixels = np.repeat(np.repeat(alpha, 8, axis=0), 8, axis=1) / 64; "
        "pixels[y0:y1, x0:x1].sum()",
    ),
)
