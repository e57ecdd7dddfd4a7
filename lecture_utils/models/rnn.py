"""The vanilla (Elman) recurrent network, forward and backward through time.

    a_t = W_xh x_t + W_hh h_{t-1} + b_h          the same W at every step
    h_t = tanh(a_t)
    y_t = W_hy h_t + b_y

Backward, with dv short for d loss / d v, for t = T, ..., 1:

    dh_t     = W_hy^T dy_t + W_hh^T da_{t+1}     from this step's output, and from the future
    da_t     = (1 - h_t^2) * dh_t
    dW_xh    = sum_t da_t x_t^T                  likewise dW_hh = sum_t da_t h_{t-1}^T
    dW_hy    = sum_t dy_t h_t^T

T time, D input, H hidden, V outputs, B batch. NumPy: one sequence, as on the slide. `RNNCell` is
the same step in PyTorch, batch first, for `recurrent.unroll`.
Source: Elman (1990); the gradient: Werbos (1990).
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from lecture_utils.models.recurrent import check_sizes, check_step
from lecture_utils.trace import note

Array = np.ndarray


class RNNParameters(NamedTuple):
    """The five parameters; gradients come in the same type, so `zip(p, dp)` pairs them."""

    W_xh: Float[Array, "H D"]
    W_hh: Float[Array, "H H"]
    W_hy: Float[Array, "V H"]
    b_h: Float[Array, "H"]
    b_y: Float[Array, "V"]


def rnn_parameters(
    input_size: int, hidden_size: int, output_size: int, rng: np.random.Generator, scale=None
) -> RNNParameters:
    """float64: matrices from scale * N(0, 1), by default scale = 1 / sqrt(H); biases 0."""
    check_sizes(input_size=input_size, hidden_size=hidden_size, output_size=output_size)
    scale = 1 / np.sqrt(hidden_size) if scale is None else scale
    return RNNParameters(
        W_xh=scale * rng.standard_normal((hidden_size, input_size)),
        W_hh=scale * rng.standard_normal((hidden_size, hidden_size)),
        W_hy=scale * rng.standard_normal((output_size, hidden_size)),
        b_h=np.zeros(hidden_size),
        b_y=np.zeros(output_size),
    )


# ---------------------------------------------------------------- forward


def rnn_step(p: RNNParameters, x: Float[Array, "D"], h: Float[Array, "H"]) -> Float[Array, "H"]:
    """One application of f_W: the new state from the old state and one input."""
    a = p.W_xh @ x + p.W_hh @ h + p.b_h
    h = np.tanh(a)
    note(a=a, h=h)
    return h


def rnn_forward(
    p: RNNParameters, xs: Float[Array, "T D"], h0: Float[Array, "H"] | None = None
) -> tuple[Float[Array, "T+1 H"], Float[Array, "T V"]]:
    """All states, hs[0] = h0 and hs[t] after t inputs, and all outputs. h0 = 0 if not given."""
    xs, h0 = _checked(p, xs, h0)
    hs = [h0]
    for x in xs:
        hs.append(rnn_step(p, x, hs[-1]))
    hs = np.array(hs)
    ys = hs[1:] @ p.W_hy.T + p.b_y
    return hs, ys


def cross_entropy(
    ys: Float[Array, "T V"], targets: Int[Array, "T"]
) -> tuple[Float[Array, "T"], Float[Array, "T V"]]:
    """Loss -log softmax(y)[target] of each step, in nats, and d loss / d y = softmax(y) - onehot.

    Raises ValueError for a target outside 0..V-1: NumPy would count -1 from the end.
    """
    targets = check_indices(targets, ys.shape[1], "target")
    if len(targets) != len(ys):
        raise ValueError(f"{len(ys)} outputs but {len(targets)} targets: there is one per step")
    z = ys - ys.max(axis=1, keepdims=True)  # e^y overflows above 709; the shift cancels
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    each = np.arange(len(targets))
    dys = np.exp(log_p)
    dys[each, targets] -= 1
    return -log_p[each, targets], dys


# ---------------------------------------------------------------- backward


def rnn_backward(
    p: RNNParameters,
    xs: Float[Array, "T D"],
    hs: Float[Array, "T+1 H"],
    dys: Float[Array, "T V"],
    dh_next: Float[Array, "H"] | None = None,
) -> tuple[RNNParameters, Float[Array, "H"]]:
    """Gradients of all parameters, and d loss / d h0.

    hs: from `rnn_forward`. dh_next: gradient that arrives at the last state from later chunks.
    Notes dh and da of each step, last step first.
    """
    dh_next = np.zeros_like(p.b_h) if dh_next is None else dh_next
    dp = RNNParameters(*(np.zeros_like(w) for w in p))
    for t in reversed(range(len(xs))):
        dh = p.W_hy.T @ dys[t] + dh_next
        da = (1 - hs[t + 1] ** 2) * dh
        note(dh=dh, da=da)
        dp.W_xh[:] += np.outer(da, xs[t])
        dp.W_hh[:] += np.outer(da, hs[t])
        dp.W_hy[:] += np.outer(dys[t], hs[t + 1])
        dp.b_h[:] += da
        dp.b_y[:] += dys[t]
        dh_next = p.W_hh.T @ da
    return dp, dh_next


def bptt(
    p: RNNParameters,
    xs: Float[Array, "T D"],
    targets: Int[Array, "T"],
    h0: Float[Array, "H"] | None = None,
) -> tuple[float, RNNParameters]:
    """Summed loss in nats, and its full gradient: forward through all steps, then backward."""
    hs, ys = rnn_forward(p, xs, h0)
    losses, dys = cross_entropy(ys, targets)
    dp, _ = rnn_backward(p, xs, hs, dys)
    return float(losses.sum()), dp


def truncated_bptt(
    p: RNNParameters,
    xs: Float[Array, "T D"],
    targets: Int[Array, "T"],
    chunk: int,
    h0: Float[Array, "H"] | None = None,
) -> tuple[float, RNNParameters]:
    """Summed loss and its gradient cut every `chunk` steps: the state is carried, dh is not.

    Parameters stay fixed over the whole sequence, so that only the cut differs from `bptt`.
    """
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}: it has to be at least 1 step")
    xs, h = _checked(p, xs, h0)
    if len(targets) != len(xs):
        raise ValueError(f"{len(xs)} inputs but {len(targets)} targets: there is one per step")
    loss, dp = 0.0, RNNParameters(*(np.zeros_like(w) for w in p))
    for start in range(0, len(xs), chunk):
        part = slice(start, start + chunk)
        hs, ys = rnn_forward(p, xs[part], h)
        losses, dys = cross_entropy(ys, targets[part])
        for total, piece in zip(dp, rnn_backward(p, xs[part], hs, dys)[0]):
            total += piece
        loss += float(losses.sum())
        h = hs[-1]  # carried on; its gradient is not
    return loss, dp


def gradient_flow(
    p: RNNParameters, hs: Float[Array, "states H"], dys: Float[Array, "T V"]
) -> Float[Array, "T T"]:
    """flow[t, k] = norm of d loss_t / d h_k for k <= t (0 above the diagonal): who teaches whom."""
    T = len(dys)
    flow = np.zeros((T, T))
    for t in range(T):
        dh = p.W_hy.T @ dys[t]
        for k in reversed(range(t + 1)):
            flow[t, k] = np.linalg.norm(dh)
            dh = p.W_hh.T @ ((1 - hs[k + 1] ** 2) * dh)
    return flow


# ---------------------------------------------------------------- PyTorch


class RNNCell(nn.Module):
    """The same step in PyTorch: x (B, D), h (B, H) -> h (B, H). Start: U(-1/sqrt H, 1/sqrt H)."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        bound = hidden_size**-0.5
        self.W_xh = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))
        self.W_hh = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        self.b_h = nn.Parameter(torch.zeros(hidden_size))

    def start(self, batch_size: int) -> Float[torch.Tensor, "B H"]:
        return self.b_h.new_zeros(batch_size, len(self.b_h))

    def forward(self, x: Float[torch.Tensor, "B D"], h: Float[torch.Tensor, "B H"]):
        check_step(self, x, self.W_xh.shape[1], h, len(self.b_h))
        a = note(a=x @ self.W_xh.T + h @ self.W_hh.T + self.b_h)
        h = note(h=torch.tanh(a))
        return h


# ---------------------------------------------------------------- bad input


def one_hot(indices, size: int) -> Float[Array, "T V"]:
    """Rows of the identity: 1 at each index. ValueError for an index outside 0..size-1."""
    return np.eye(size)[check_indices(indices, size)]


def check_indices(indices, size: int, what: str = "token") -> Int[Array, "*batch T"]:
    """`indices` as an array; ValueError naming the first one outside 0..size-1.

    NumPy would take -1 for the last row and say nothing.
    """
    given = np.atleast_1d(indices)
    indices = given.astype(np.int64)
    outside = np.argwhere((indices < 0) | (indices >= size) | (indices != given))
    if len(outside):
        *sequence, t = outside[0]
        place = f"step {t}" + (f" of sequence {sequence[0]}" if sequence else "")
        raise ValueError(
            f"{what} {given[tuple(outside[0])]} at {place} is outside the vocabulary 0..{size - 1}"
        )
    return indices


def _checked(p, xs, h0):
    """xs and h0 as arrays of the right shape, or an error that says which is wrong."""
    H, D = p.W_xh.shape
    xs = np.asarray(xs, dtype=p.W_xh.dtype)
    if len(xs) == 0:
        raise ValueError("the sequence has length 0: give at least one step")
    if xs.ndim != 2 or xs.shape[1] != D:
        raise ValueError(f"inputs have shape {xs.shape}: expected (T, {D}), one row per step")
    if not np.isfinite(xs).all():
        t, d = np.argwhere(~np.isfinite(xs))[0]
        raise ValueError(f"input {xs[t, d]} at step {t}: every later state would be nan")
    h0 = np.zeros(H) if h0 is None else np.asarray(h0, dtype=p.W_xh.dtype)
    if h0.shape != (H,):
        raise ValueError(f"the state has shape {h0.shape}: expected ({H},), one value per unit")
    return xs, h0
