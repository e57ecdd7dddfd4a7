"""Exercises of lesson 02."""

import numpy as np

from lecture_utils.exercises.exercise import Exercise


def backward_step(dy, dh_next, x, h_prev, h, W_hy, W_hh):
    dh = W_hy.T @ dy + dh_next
    da = (1 - h**2) * dh
    dW_hh = np.outer(da, h_prev)
    dW_xh = np.outer(da, x)
    dh_prev = W_hh.T @ da
    return dh, da, dW_hh, dW_xh, dh_prev


_backward_step = backward_step  # the name becomes the exercise below


def _variant(
    dh_next_used=True,
    slope=lambda h: 1 - h**2,
    state=lambda h_prev, h: h_prev,
    back=lambda W, da: W.T @ da,
    outer=np.outer,
):
    """backward_step with one thing done differently."""

    def backward_step(dy, dh_next, x, h_prev, h, W_hy, W_hh):
        dh = W_hy.T @ dy + (dh_next if dh_next_used else 0)
        da = slope(h) * dh
        return dh, da, outer(da, state(h_prev, h)), outer(da, x), back(W_hh, da)

    return backward_step


def _carried_twice(dy, dh_next, x, h_prev, h, W_hy, W_hh):
    return _backward_step(dy, W_hh.T @ dh_next, x, h_prev, h, W_hy, W_hh)


def _weights_from_dh(dy, dh_next, x, h_prev, h, W_hy, W_hh):
    dh = W_hy.T @ dy + dh_next
    da = (1 - h**2) * dh
    return dh, da, np.outer(dh, h_prev), np.outer(dh, x), W_hh.T @ da


def _slope_of_before(dy, dh_next, x, h_prev, h, W_hy, W_hh):
    dh = W_hy.T @ dy + dh_next
    da = (1 - h_prev**2) * dh
    return dh, da, np.outer(da, h_prev), np.outer(da, x), W_hh.T @ da


def _backward_cases():
    rng = np.random.default_rng(3)
    H, D, V = 3, 3, 2  # square on purpose: a swapped product must be seen by its value
    h_prev, h = np.tanh(rng.standard_normal((2, H)))
    case = (
        rng.standard_normal(V),
        rng.standard_normal(H),
        rng.standard_normal(D),
        h_prev,
        h,
        rng.standard_normal((V, H)),
        rng.standard_normal((H, H)),
    )
    return [case, (case[0], np.zeros(H), *case[2:])]


backward_step = Exercise(
    backward_step,
    cases=_backward_cases(),
    values=("dh", "da", "dW_hh", "dW_xh", "dh_prev"),
    mistakes={
        "dh has two parts: what this step's output asks for, and dh_next, what the future asks "
        "for. The second is missing.": _variant(dh_next_used=False),
        "dh_next is already W_hh.T @ da of the next step: add it as it is.": _carried_twice,
        "The slope of tanh is missing: da is dh times 1 - h^2.": _variant(slope=lambda h: 1.0),
        "The weight gradients pair the inputs with da, not with dh: first go back through tanh.": (
            _weights_from_dh
        ),
        "The slope belongs to this step's state h, not to h_prev.": _slope_of_before,
        "The slope of tanh is 1 - h^2, not (1 - h)^2.": _variant(slope=lambda h: (1 - h) ** 2),
        "h is already tanh(a): its slope is 1 - h^2, without another tanh.": (
            _variant(slope=lambda h: 1 - np.tanh(h) ** 2)
        ),
        "dW_hh pairs da with the state that went *into* this step, h_prev.": (
            _variant(state=lambda h_prev, h: h)
        ),
        "The outer products are swapped: dW_hh[i, j] is da[i] times h_prev[j].": (
            _variant(outer=lambda a, b: np.outer(b, a))
        ),
        "The gradient travels back through the transpose: dh_prev = W_hh.T @ da.": (
            _variant(back=lambda W, da: W @ da)
        ),
    },
    hints=(
        "Go backwards through the three forward lines: first y = W_hy h, then tanh, then a.",
        "y = W_hy h gives dh = W_hy.T @ dy. But h also went into the next step: add dh_next.",
        "Through tanh: da = (1 - h**2) * dh. Through a = W_xh x + W_hh h_prev: two outer products "
        "np.outer(da, ...) and dh_prev = W_hh.T @ da.",
    ),
)


def gradient_of_W(das, hs_before):
    dW = np.zeros((len(das[0]), len(hs_before[0])))
    for da, h in zip(das, hs_before):
        dW += np.outer(da, h)
    return dW


def _last_only(das, hs_before):
    for da, h in zip(das, hs_before):
        dW = np.outer(da, h)
    return dW


_rng = np.random.default_rng(4)
gradient_of_W = Exercise(
    gradient_of_W,
    cases=[
        ([_rng.standard_normal(3)], [_rng.standard_normal(3)]),
        (list(_rng.standard_normal((5, 3))), list(_rng.standard_normal((5, 3)))),
    ],
    values=("dW",),
    mistakes={
        "Still there. With one step it is right, with five it is not: each turn of the loop throws "
        "away what the earlier ones found, and only the last step teaches.": _last_only,
        "Add the terms up; do not average them.": (
            lambda das, hs: sum(np.outer(a, h) for a, h in zip(das, hs)) / len(das)
        ),
        "The outer product is the wrong way round.": (
            lambda das, hs: sum(np.outer(h, a) for a, h in zip(das, hs))
        ),
    },
    hints=(
        "Try it with one step, then with two. What is lost?",
        "The same W served every step, so its gradient is the sum of all steps' terms.",
        "Start from dW = np.zeros(...), and write += where there is =.",
    ),
)


def kept_pairs(T, chunk):
    full, rest = divmod(T, chunk)
    return full * chunk * (chunk + 1) // 2 + rest * (rest + 1) // 2


kept_pairs = Exercise(
    kept_pairs,
    cases=[(4, 4), (6, 3), (6, 1), (20, 5), (7, 3)],
    values=("number of pairs",),
    mistakes={
        "That counts all pairs t >= k of the sequence: they are kept only without truncation.": (
            lambda T, chunk: T * (T + 1) // 2
        ),
        "Not every step sees a whole chunk: the first step of a chunk reaches only itself.": (
            lambda T, chunk: T * chunk
        ),
        "A step also reaches the state of its own step: count k = t too.": (
            lambda T, chunk: (
                T // chunk * chunk * (chunk - 1) // 2 + T % chunk * (T % chunk - 1) // 2
            )
        ),
        "Right when T is a multiple of the chunk. Otherwise there is a shorter chunk at the end.": (
            lambda T, chunk: T // chunk * chunk * (chunk + 1) // 2
        ),
        "Right when T is a multiple of the chunk; the last chunk may be shorter.": (
            lambda T, chunk: T * (chunk + 1) // 2
        ),
        "That is a sliding window, in which every step looks back `chunk` steps. Chunks are cut at "
        "fixed places: the first step of each reaches only itself.": (
            lambda T, chunk: sum(min(t + 1, chunk) for t in range(T))
        ),
    },
    hints=(
        "Take one chunk of 3. Its first loss reaches 1 state, its second 2, its third 3.",
        "A chunk of c steps keeps 1 + 2 + ... + c = c (c + 1) / 2 pairs. How many chunks?",
        "divmod(T, chunk) gives the number of full chunks and the length of the last, shorter one.",
    ),
)


def adagrad(theta, g, memory, lr):
    memory = memory + g**2
    theta = theta - lr * g / np.sqrt(memory + 1e-8)
    return memory, theta


def _adagrad_case(scale):
    rng = np.random.default_rng(6)
    return rng.standard_normal(4), scale * rng.standard_normal(4), scale**2 * rng.random(4), 0.1


adagrad = Exercise(
    adagrad,
    cases=[_adagrad_case(1.0), _adagrad_case(1e-4)],
    values=("memory", "theta"),
    tolerance=1e-9,
    mistakes={
        "The memory is a running sum of squares: add g^2 to what is already there.": (
            lambda theta, g, memory, lr: (g**2, theta - lr * g / np.sqrt(g**2 + 1e-8))
        ),
        "The memory adds the *squares* of the gradients.": (
            lambda theta, g, memory, lr: (memory + g, theta - lr * g / np.sqrt(memory + g + 1e-8))
        ),
        "1e-8 stands inside the root here, as in the lecture's listing (PyTorch has it outside). "
        "For small gradients that matters.": (
            lambda theta, g, memory, lr: (
                memory + g**2,
                theta - lr * g / (np.sqrt(memory + g**2) + 1e-8),
            )
        ),
        "1e-8 is missing under the root: without it a gradient of 0 would divide by 0.": (
            lambda theta, g, memory, lr: (
                memory + g**2,
                theta - lr * g / np.sqrt(memory + g**2),
            )
        ),
        "The update goes uphill: subtract the step.": (
            lambda theta, g, memory, lr: (
                memory + g**2,
                theta + lr * g / np.sqrt(memory + g**2 + 1e-8),
            )
        ),
        "The new memory belongs into the update: add g^2 first, then step.": (
            lambda theta, g, memory, lr: (memory + g**2, theta - lr * g / np.sqrt(memory + 1e-8))
        ),
        "The root is missing: divide by the square root of the memory.": (
            lambda theta, g, memory, lr: (memory + g**2, theta - lr * g / (memory + g**2 + 1e-8))
        ),
    },
    hints=(
        "Two lines: the memory grows, then theta moves.",
        "memory + g**2 is the new memory.",
        "theta - lr * g / np.sqrt(memory + 1e-8), with the new memory. Return memory, theta.",
    ),
)
