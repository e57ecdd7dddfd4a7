"""Exercises of lesson 01."""

import numpy as np

from lecture_utils.exercises.exercise import Exercise


def rnn_step(x, h, W_xh, W_hh, b_h):
    a = W_xh @ x + W_hh @ h + b_h
    h = np.tanh(a)
    return a, h


def _step_cases():
    rng = np.random.default_rng(1)
    small = (
        np.array([1.0, 0.0]),
        np.array([0.5, -0.5]),
        np.array([[0.1, 0.2], [0.3, 0.4]]),
        np.array([[0.5, 0.6], [0.7, 0.8]]),
        np.array([0.01, 0.02]),
    )
    shapes = [(4,), (3,), (3, 4), (3, 3), (3,)]
    negative = tuple(-v for v in small[:2]) + small[2:]  # tells tanh from a rectifier
    return [small, negative, tuple(rng.standard_normal(shape) for shape in shapes)]


def _sigmoid_step(x, h, W_xh, W_hh, b_h):
    a = W_xh @ x + W_hh @ h + b_h
    return a, 1 / (1 + np.exp(-a))


rnn_step = Exercise(
    rnn_step,
    cases=_step_cases(),
    values=("a", "h"),
    mistakes={
        "There is no non-linearity: h = tanh(a), and you return a twice.": (
            lambda x, h, W_xh, W_hh, b_h: (W_xh @ x + W_hh @ h + b_h,) * 2
        ),
        "The bias b_h is missing from a.": (
            lambda x, h, W_xh, W_hh, b_h: (W_xh @ x + W_hh @ h, np.tanh(W_xh @ x + W_hh @ h))
        ),
        "The old state h is not used: without W_hh @ h nothing is carried from step to step.": (
            lambda x, h, W_xh, W_hh, b_h: (W_xh @ x + b_h, np.tanh(W_xh @ x + b_h))
        ),
        "W_hh is transposed: rows of W_hh belong to the new state, columns to the old one.": (
            lambda x, h, W_xh, W_hh, b_h: (
                W_xh @ x + W_hh.T @ h + b_h,
                np.tanh(W_xh @ x + W_hh.T @ h + b_h),
            )
        ),
        "The non-linearity is tanh here, not the logistic function.": _sigmoid_step,
        "The non-linearity is tanh here, not a rectifier (ReLU).": (
            lambda x, h, W_xh, W_hh, b_h: (
                W_xh @ x + W_hh @ h + b_h,
                np.maximum(W_xh @ x + W_hh @ h + b_h, 0),
            )
        ),
    },
    hints=(
        "Two matrix-vector products and a bias make a. In NumPy a product is W @ v.",
        "a = W_xh @ x + ... + b_h: which matrix goes with the old state h?",
        "a = W_xh @ x + W_hh @ h + b_h, then h = np.tanh(a), then return both.",
    ),
)


def sample_index(logits, temperature, u):
    z = logits / temperature
    p = np.exp(z - z.max())
    p = p / p.sum()
    return int(np.searchsorted(np.cumsum(p), u))


_SLIDE = np.array([1.0, 2.2, -3.0, 4.1])


def _multiplied(logits, temperature, u):
    z = logits * temperature
    p = np.exp(z - z.max())
    return int(np.searchsorted(np.cumsum(p / p.sum()), u))


def _divided_probabilities(logits, temperature, u):
    p = np.exp(logits - logits.max())
    p = p / p.sum() / temperature
    return int(np.searchsorted(np.cumsum(p), u))


def _no_temperature(logits, temperature, u):
    p = np.exp(logits - logits.max())
    return int(np.searchsorted(np.cumsum(p / p.sum()), u))


sample_index = Exercise(
    sample_index,
    cases=[
        (_SLIDE, temperature, u)
        for temperature in (1.0, 0.5, 4.0)
        for u in (0.01, 0.1, 0.2, 0.4, 0.6, 0.9, 0.999)
    ],
    values=("index",),
    mistakes={
        "Temperature divides the logits. You multiply, so that hot and cold change places.": (
            _multiplied
        ),
        "Temperature belongs inside the softmax: divide the logits by it, not the probabilities.": (
            _divided_probabilities
        ),
        "You always take the largest logit. Sampling uses u: the first index at which the running "
        "sum of the probabilities reaches u.": lambda logits, temperature, u: int(logits.argmax()),
        "The temperature is not used.": _no_temperature,
    },
    hints=(
        "First turn logits into probabilities: softmax of logits / temperature.",
        "Lay the probabilities end to end on a line from 0 to 1. In whose piece does u fall?",
        "np.cumsum(p) gives the ends of the pieces; np.searchsorted(ends, u) gives the piece.",
    ),
)


def last_state(xs, h0, step):
    h = h0
    for x in xs:
        h = step(x, h)
    return h


def _forgets(xs, h0, step):
    for x in xs:
        h = h0
        h = step(x, h)
    return h


def _toy_step(x, h):
    return np.tanh(0.9 * x + 0.5 * h)


def _backwards(xs, h0, step):
    h = h0
    for x in reversed(xs):
        h = step(x, h)
    return h


def _fold(xs, h, step):
    for x in xs:
        h = step(x, h)
    return h


_rng = np.random.default_rng(2)
last_state = Exercise(
    last_state,
    cases=[
        ([np.array([0.3])], np.array([0.2]), _toy_step),
        (list(_rng.standard_normal((5, 2))), np.array([0.2, -0.4]), _toy_step),
    ],
    values=("h",),
    mistakes={
        "Still there. With one input the answer is right, with five it is not: at every step the "
        "state goes back to h0, so only the last input counts.": _forgets,
        "The inputs are read from the end. The first input comes first.": _backwards,
        "Only the first input is read: the loop returns too early.": (
            lambda xs, h0, step: step(xs[0], h0)
        ),
        "The arguments of step are swapped: it takes the input first, then the state.": (
            lambda xs, h0, step: _fold(xs, h0, lambda x, h: step(h, x))
        ),
    },
    hints=(
        "Run it on one input, then on two. When does the answer go wrong?",
        "What is h at the start of the second turn of the loop, and what should it be?",
        "The line h = h0 belongs before the loop.",
    ),
)


def count_parameters(D, H, V, T):
    return H * D + H * H + H + V * H + V


count_parameters = Exercise(
    count_parameters,
    cases=[(4, 3, 4, 4), (8, 64, 10, 8), (8, 64, 10, 800)],
    values=("number of parameters",),
    mistakes={
        "T does not belong in it: one set of weights serves every step.": (
            lambda D, H, V, T: T * (H * D + H * H + H + V * H + V)
        ),
        "T does not belong in it: the cell's weights serve every step.": (
            lambda D, H, V, T: T * (H * D + H * H + H) + V * H + V
        ),
        "There is one bias b_h in our equations; PyTorch's nn.RNN keeps two, which only add up.": (
            lambda D, H, V, T: H * D + H * H + 2 * H + V * H + V
        ),
        "The biases b_h (H) and b_y (V) are missing.": lambda D, H, V, T: H * D + H * H + V * H,
        "The bias b_y of the output layer is missing.": (
            lambda D, H, V, T: H * D + H * H + H + V * H
        ),
        "The bias b_h of the state is missing.": lambda D, H, V, T: H * D + H * H + V * H + V,
        "The output layer W_hy (V x H) and b_y are missing.": lambda D, H, V, T: H * D + H * H + H,
    },
    hints=(
        "There are three matrices, W_xh, W_hh, W_hy, and two biases.",
        "W_xh has H rows, one per unit, and D columns, one per input number.",
        "H*D + H*H + H for the state, V*H + V for the output. And T?",
    ),
)
