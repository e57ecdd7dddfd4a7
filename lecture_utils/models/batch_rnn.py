"""The vanilla network over a batch of symbol sequences, with one answer at the end; by hand.

    h_t = tanh(W_xh[:, x_t] + W_hh h_{t-1} + b_h)        a one-hot times W_xh picks a column
    y   = W_hy h_T + b_y

The backward pass is that of `rnn`, for B sequences at once, and returns d loss / d h_t of every
step: what lesson 03 looks at, and what its regulariser needs. States are (T + 1, B, H), time
first, so that one step is one block of memory. Loss: `rnn.cross_entropy` of the logits.
B batch, T time, V symbols, H hidden, C classes.
"""

import numpy as np
from jaxtyping import Float, Int

from lecture_utils.models.rnn import RNNParameters, check_indices

Array = np.ndarray


def forward(
    p: RNNParameters, symbols: Int[Array, "B T"]
) -> tuple[Float[Array, "states B H"], Float[Array, "B C"]]:
    """All states, hs[0] = 0, and the answer's logits. ValueError for a symbol outside 0..V-1."""
    if np.ndim(symbols) != 2:
        raise ValueError(f"symbols have shape {np.shape(symbols)}: expected (B, T) whole numbers")
    symbols = check_indices(symbols, p.W_xh.shape[1], "symbol")
    B, T = symbols.shape
    if T == 0:
        raise ValueError("the sequences have length 0: give at least one step")
    from_input = (p.W_xh.T + p.b_h)[symbols.T]  # (T, B, H), for all steps at once
    hs = np.zeros((T + 1, B, len(p.b_h)), from_input.dtype)
    for t in range(T):
        np.tanh(from_input[t] + hs[t] @ p.W_hh.T, out=hs[t + 1])
    return hs, hs[-1] @ p.W_hy.T + p.b_y


def backward(
    p: RNNParameters,
    symbols: Int[Array, "B T"],
    hs: Float[Array, "states B H"],
    dy: Float[Array, "B C"],
) -> tuple[RNNParameters, Float[Array, "states B H"]]:
    """Gradients of all parameters, and d loss / d h_t for t = 0, ..., T. dy: d loss / d logits."""
    T, B, H = hs[1:].shape
    if symbols.shape != (B, T) or dy.shape != (B, len(p.b_y)):
        raise ValueError(
            f"symbols have shape {symbols.shape} and dy {dy.shape}: with these states they are "
            f"({B}, {T}) and ({B}, {len(p.b_y)})"
        )
    dhs, das = np.empty_like(hs), np.empty_like(hs[1:])
    dhs[T] = dy @ p.W_hy
    for t in reversed(range(T)):
        das[t] = (1 - hs[t + 1] ** 2) * dhs[t + 1]
        dhs[t] = das[t] @ p.W_hh
    flat = das.reshape(T * B, H)
    picked = np.eye(p.W_xh.shape[1], dtype=hs.dtype)[symbols.T.reshape(-1)]
    return RNNParameters(
        W_xh=flat.T @ picked,
        W_hh=flat.T @ hs[:-1].reshape(T * B, H),
        W_hy=dy.T @ hs[-1],
        b_h=flat.sum(axis=0),
        b_y=dy.sum(axis=0),
    ), dhs
