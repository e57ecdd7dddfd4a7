"""min-char-rnn: the lecture's character-level language model, twice.

    x_t = onehot(c_t)                            c_t: index of the character at step t
    h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)
    y_t = W_hy h_t + b_y,   p_t = softmax(y_t)
    loss = sum_t -log p_t[c_{t+1}]               nats, summed over the chunk

    m += g^2,   theta -= 0.1 g / sqrt(m + 1e-8)  Adagrad; g clipped to [-5, 5] element by element
    smooth <- 0.999 smooth + 0.001 loss          from -log(1/V) T at the start

`step_by_step` does what the slide's listing does, one character and one one-hot vector at a time.
`batched` gives the same numbers several times faster: only h_t needs h_{t-1}, so everything
else leaves the loop. T chunk length, H hidden, V vocabulary.
After A. Karpathy's min-char-rnn (2015), as shown in the lecture.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lecture_utils.models.rnn import RNNParameters, check_indices, rnn_parameters

Array = np.ndarray
Gradients = Callable[..., tuple[float, RNNParameters, Array]]


def step_by_step(
    p: RNNParameters, inputs: Int[Array, "T"], targets: Int[Array, "T"], h: Float[Array, "H"]
) -> tuple[float, RNNParameters, Float[Array, "H"]]:
    """Summed loss, its gradients (not yet clipped) and the last state, one step at a time."""
    T, V = len(inputs), len(p.b_y)
    xs, hs, ps = {}, {-1: h}, {}
    loss = 0.0
    for t in range(T):
        xs[t] = np.zeros(V)
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(p.W_xh @ xs[t] + p.W_hh @ hs[t - 1] + p.b_h)
        y = p.W_hy @ hs[t] + p.b_y
        ps[t] = np.exp(y) / np.exp(y).sum()
        loss -= np.log(ps[t][targets[t]])
    dp = RNNParameters(*(np.zeros_like(w) for w in p))
    dh_next = np.zeros_like(h)
    for t in reversed(range(T)):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        dh = p.W_hy.T @ dy + dh_next
        da = (1 - hs[t] ** 2) * dh
        dp.W_hy[:] += np.outer(dy, hs[t])
        dp.W_xh[:] += np.outer(da, xs[t])
        dp.W_hh[:] += np.outer(da, hs[t - 1])
        dp.b_y[:] += dy
        dp.b_h[:] += da
        dh_next = p.W_hh.T @ da
    return float(loss), dp, hs[T - 1]


def batched(
    p: RNNParameters, inputs: Int[Array, "T"], targets: Int[Array, "T"], h: Float[Array, "H"]
) -> tuple[float, RNNParameters, Float[Array, "H"]]:
    """The same three values with only the recurrence left in the loops."""
    T = len(inputs)
    each = np.arange(T)
    hs = np.empty((T + 1, len(h)))
    hs[0] = h
    a = p.W_xh.T[inputs] + p.b_h  # (T, H): a matrix times a one-hot vector is one of its columns
    W, W_T = p.W_hh, p.W_hh.T
    for t in range(T):
        np.tanh(W @ hs[t] + a[t], out=hs[t + 1])

    y = hs[1:] @ p.W_hy.T + p.b_y  # (T, V): the output layer for all steps at once
    y -= y.max(axis=1, keepdims=True)
    dy = np.exp(y)
    total = dy.sum(axis=1, keepdims=True)
    loss = np.log(total).sum() - y[each, targets].sum()
    dy /= total
    dy[each, targets] -= 1

    da = dy @ p.W_hy  # (T, H): dh from the outputs, turned into da in place, last step first
    slope = 1 - hs[1:] ** 2
    da[-1] *= slope[-1]
    for t in reversed(range(T - 1)):
        da[t] += W_T @ da[t + 1]
        da[t] *= slope[t]

    x = np.zeros((T, len(p.b_y)))
    x[each, inputs] = 1
    dp = RNNParameters(da.T @ x, da.T @ hs[:-1], dy.T @ hs[1:], da.sum(axis=0), dy.sum(axis=0))
    return float(loss), dp, hs[-1]


class Progress(NamedTuple):
    """What `train` hands out at each iteration, before its update is seen by the next."""

    iteration: int  # 1, 2, ...
    loss: float  # nats, summed over this chunk
    smooth_loss: float
    parameters: RNNParameters  # the live ones: copy what is to be kept
    state: Float[Array, "H"]  # after this chunk
    next_input: int  # the character after this chunk: sample(parameters, state, next_input, ...)


def train(
    text: Int[Array, "N"],
    vocab_size: int,
    *,
    iterations: int,
    seed: int = 0,
    hidden_size: int = 100,
    chunk: int = 25,
    learning_rate: float = 0.1,
    clip: float = 5.0,
    gradients: Gradients = batched,
) -> Iterator[Progress]:
    """Train on `text` (indices) from left to right, again and again; yields after each update.

    The state is carried from chunk to chunk and reset where the text starts again; its gradient
    is cut at each chunk (truncated BPTT). Same seed, same text: same run.
    """
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}: it has to be at least 1 step")
    text = check_indices(text, vocab_size, "character")
    if len(text) < chunk + 2:
        raise ValueError(
            f"the text has {len(text)} characters: a chunk of {chunk} needs {chunk + 2}"
        )
    p = rnn_parameters(vocab_size, hidden_size, vocab_size, np.random.default_rng(seed), scale=0.01)
    theta, p = _flat(p)
    memory = np.zeros_like(theta)
    smooth, position, h = np.log(vocab_size) * chunk, 0, np.zeros(hidden_size)
    for iteration in range(1, iterations + 1):
        if position + chunk + 1 >= len(text):
            position, h = 0, np.zeros(hidden_size)
        inputs = text[position : position + chunk]
        targets = text[position + 1 : position + chunk + 1]
        loss, dp, h = gradients(p, inputs, targets, h)
        smooth = 0.999 * smooth + 0.001 * loss
        g = np.concatenate([d.ravel() for d in dp])
        np.clip(g, -clip, clip, out=g)
        memory += g * g
        theta -= learning_rate * g / np.sqrt(memory + 1e-8)
        yield Progress(iteration, loss, smooth, p, h, int(targets[-1]))
        position += chunk


def sample(
    p: RNNParameters,
    h: Float[Array, "H"],
    first: int,
    length: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
) -> Int[Array, "length"]:
    """`length` indices drawn one at a time, each fed back as the next input.

    first: the input before the first draw. temperature divides the logits: towards 0 always the
    likeliest character, large values towards uniform. ValueError unless temperature > 0.
    """
    if not temperature > 0:
        raise ValueError(
            f"temperature is {temperature}: it has to be above 0 (0.01 is near greedy)"
        )
    if np.shape(h) != p.b_h.shape:
        raise ValueError(f"the state has shape {np.shape(h)}: expected {p.b_h.shape}")
    index = int(check_indices([first], len(p.b_y))[0])
    drawn = np.empty(length, dtype=np.int64)
    for t, u in enumerate(rng.random(length)):
        h = np.tanh(p.W_xh[:, index] + p.W_hh @ h + p.b_h)
        z = (p.W_hy @ h + p.b_y) / temperature
        cumulative = np.cumsum(np.exp(z - z.max()))
        index = int(np.searchsorted(cumulative, u * cumulative[-1], side="right"))
        drawn[t] = index
    return drawn


def _flat(p):
    """One vector for all parameters, and the parameters as views into it: one update for all."""
    theta = np.concatenate([w.ravel() for w in p])
    ends = np.cumsum([w.size for w in p])
    return theta, RNNParameters(
        *(theta[end - w.size : end].reshape(w.shape) for end, w in zip(ends, p))
    )
