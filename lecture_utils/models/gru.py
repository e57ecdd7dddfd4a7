"""The gated recurrent unit as the lecture writes it, and when its weights fit PyTorch's.

    r_t  = sigma(W_xr x_t + W_hr h_{t-1} + b_r)           what of the past to use
    z_t  = sigma(W_xz x_t + W_hz h_{t-1} + b_z)           keep the past?
    h~_t = tanh(W_xh x_t + W_hh (r_t * h_{t-1}) + b_h)    reset before the product
    h_t  = z_t * h_{t-1} + (1 - z_t) * h~_t

`nn.GRU` resets after the product: tanh(W_in x + b_in + r * (W_hn h + b_hn)). With the same weights
the two are the same function only where r * (W_hh h) = W_hh (r * h) for every r: where W_hh is
diagonal. (With a reset gate in another order of units a few more can be carried over, such as a
permutation; that is not done here.) Other papers swap z and 1 - z. B batch, D input, H hidden.
Source: Cho et al. (2014), the encoder.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lecture_utils.models.recurrent import check_sizes, check_step
from lecture_utils.trace import note


class GRUCell(nn.Module):
    """One step: x (B, D), h (B, H) -> h (B, H). Notes r, z, new (h~) and h.

    W_x (3H x D), W_h (3H x H) and b hold the blocks r, z, h~ in this order.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        H, bound = hidden_size, hidden_size**-0.5
        self.W_x = nn.Parameter(torch.empty(3 * H, input_size).uniform_(-bound, bound))
        self.W_h = nn.Parameter(torch.empty(3 * H, H).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(3 * H))

    def start(self, batch_size: int) -> Float[Tensor, "B H"]:
        return self.b.new_zeros(batch_size, len(self.b) // 3)

    def forward(self, x: Float[Tensor, "B D"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        check_step(self, x, self.W_x.shape[1], h, self.W_h.shape[1])
        x_r, x_z, x_h = (x @ self.W_x.T + self.b).chunk(3, dim=1)
        W_hr, W_hz, W_hh = self.W_h.chunk(3)
        r = torch.sigmoid(x_r + h @ W_hr.T)
        z = torch.sigmoid(x_z + h @ W_hz.T)
        new = torch.tanh(x_h + (r * h) @ W_hh.T)
        h = z * h + (1 - z) * new
        note(r=r, z=z, new=new, h=h)
        return h


def to_torch(cell: GRUCell) -> nn.GRU:
    """`nn.GRU` (batch first) computing the same function by the same weights.

    Raises ValueError if W_hh is not diagonal: then the same weights are another function there.
    """
    H, D = cell.W_h.shape[1], cell.W_x.shape[1]
    W_hh = cell.W_h.detach()[2 * H :]
    off = (W_hh - torch.diag(W_hh.diagonal())).abs().max().item() if H > 1 else 0.0
    if not off == 0:  # nan, too
        raise ValueError(
            f"W_hh has entries off its diagonal (up to {off:.2g}): the lecture's GRU resets before "
            "the product with W_hh, nn.GRU after it, and these are different functions. Train "
            "nn.GRU from the start instead"
        )
    theirs = nn.GRU(D, H, batch_first=True, dtype=W_hh.dtype, device=W_hh.device)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(cell.W_x)
        theirs.weight_hh_l0.copy_(cell.W_h)
        theirs.bias_ih_l0.copy_(cell.b)  # on the input's side: r must not scale it
        theirs.bias_hh_l0.zero_()
    return theirs


def from_torch(theirs: nn.GRU) -> GRUCell:
    """The lecture's cell computing the same function as a one-layer `nn.GRU` by the same weights.

    Raises ValueError for more layers, for two directions, or where these weights do not: W_hn not
    diagonal, or b_hn not 0 (r scales b_hn there, and scales no bias here).
    """
    if theirs.num_layers > 1 or theirs.bidirectional:
        raise ValueError(
            f"nn.GRU has {theirs.num_layers} layers, bidirectional={theirs.bidirectional}: "
            "convert one layer, one direction at a time"
        )
    H, D = theirs.hidden_size, theirs.input_size
    W_hn = theirs.weight_hh_l0.detach()[2 * H :]
    off = (W_hn - torch.diag(W_hn.diagonal())).abs().max().item() if H > 1 else 0.0
    b_hn = theirs.bias_hh_l0.detach()[2 * H :].abs().max().item() if theirs.bias else 0.0
    if not off == b_hn == 0:  # nan, too
        raise ValueError(
            f"W_hn off its diagonal is up to {off:.2g} and b_hn up to {b_hn:.2g}: nn.GRU resets "
            "after the product with W_hn, the lecture's GRU before it, and these are different "
            "functions. Train the cell itself instead"
        )
    cell = GRUCell(D, H).to(W_hn)
    with torch.no_grad():
        cell.W_x.copy_(theirs.weight_ih_l0)
        cell.W_h.copy_(theirs.weight_hh_l0)
        if theirs.bias:
            cell.b.copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
    return cell
