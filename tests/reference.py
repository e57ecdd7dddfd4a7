"""Our weights in PyTorch's own modules: the independent witness of the equality tests.

The one place that knows how the two differ. PyTorch keeps two biases per cell and only ever adds
them; ours has one. Half of b_h goes to each, so that a witness that lost one would be noticed.
"""

import numpy as np
import torch
from torch import nn

WITNESS_NAMES = {"W_xh": "weight_ih_l0", "W_hh": "weight_hh_l0", "b_h": "bias_ih_l0"}


def torch_rnn(weights) -> nn.RNN:
    """`nn.RNN` with the weights of an `RNNCell` or of `RNNParameters`, batch first, same dtype."""
    W_xh, W_hh, b_h = (_tensor(getattr(weights, name)) for name in ("W_xh", "W_hh", "b_h"))
    theirs = nn.RNN(W_xh.shape[1], W_hh.shape[0], batch_first=True, dtype=W_xh.dtype)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(W_xh)
        theirs.weight_hh_l0.copy_(W_hh)
        theirs.bias_ih_l0.copy_(b_h / 2)
        theirs.bias_hh_l0.copy_(b_h / 2)
    return theirs


def torch_rnn_gradients(theirs: nn.RNN) -> dict[str, torch.Tensor]:
    """The gradients that `theirs` has collected, by our names."""
    # Both biases enter every step with factor 1: each one's gradient is that of b_h.
    torch.testing.assert_close(theirs.bias_ih_l0.grad, theirs.bias_hh_l0.grad)
    return {ours: getattr(theirs, name).grad for ours, name in WITNESS_NAMES.items()}


# Rows of the lecture's gate blocks i, f, o, g in PyTorch's order i, f, g, o.
LSTM_ORDER = (0, 1, 3, 2)


def torch_lstm(*cells) -> nn.LSTM:
    """`nn.LSTM` with the weights of one `LSTMCell` per layer, batch first, same dtype."""
    H = len(cells[0].b) // 4
    D = cells[0].W.shape[1] - H
    theirs = nn.LSTM(D, H, len(cells), batch_first=True, dtype=cells[0].W.dtype)
    with torch.no_grad():
        for depth, cell in enumerate(cells):
            for name, block in lstm_blocks(cell.W, cell.b).items():
                getattr(theirs, f"{name}_l{depth}").copy_(block)
    return theirs


def lstm_blocks(W, b) -> dict[str, torch.Tensor]:
    """W [h; x] + b, or gradients of them, in PyTorch's names and order; half of b to each bias."""
    H = len(b) // 4
    W, b = (torch.cat([v.split(H)[block] for block in LSTM_ORDER]) for v in (W, b))
    return {"weight_hh": W[:, :H], "weight_ih": W[:, H:], "bias_ih": b / 2, "bias_hh": b / 2}


def torch_linear(weight, bias) -> nn.Linear:
    """`nn.Linear` computing weight @ h + bias, for the output layer."""
    weight, bias = _tensor(weight), _tensor(bias)
    theirs = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    with torch.no_grad():
        theirs.weight.copy_(weight)
        theirs.bias.copy_(bias)
    return theirs


def torch_parameters(p) -> dict[str, torch.Tensor]:
    """The five arrays of `RNNParameters` as float64 leaves, for a forward pass by autograd."""
    return {
        name: torch.tensor(np.asarray(w), dtype=torch.float64, requires_grad=True)
        for name, w in p._asdict().items()
    }


def _tensor(value):
    if torch.is_tensor(value):
        return value.detach()
    return torch.tensor(np.asarray(value))
