"""The LSTM cell, its backward step by hand, and the cell of 1997.

    i_t = sigma(a_i)      write?            (a_i, a_f, a_o, a_g) = W [h_{t-1}; x_t] + b
    f_t = sigma(a_f)      keep?             W is 4H x (H + D): four blocks of H rows
    o_t = sigma(a_o)      reveal?
    g_t = tanh(a_g)       what to write
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)

Backward, with dv short for d loss / d v; dh_t and dc_t arrive from this step's output and the next:

    do  = dh_t * tanh(c_t)          dc_t += dh_t * o_t * (1 - tanh(c_t)^2)
    di  = dc_t * g_t                df  = dc_t * c_{t-1}            dg = dc_t * i_t
    da_i = di * i (1 - i)           likewise f and o;               da_g = dg * (1 - g^2)
    dc_{t-1} = dc_t * f_t           no matrix on this road
    [dh_{t-1}; dx_t] = W^T da       dW += da [h_{t-1}; x_t]^T       db += da

Gates are in the lecture's order i, f, o, g (PyTorch's is i, f, g, o). B batch, D input, H hidden.
Source: Hochreiter and Schmidhuber (1997); forget gate: Gers, Schmidhuber and Cummins (2000).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lecture_utils.models.recurrent import check_sizes, check_step
from lecture_utils.trace import note


class Gates(NamedTuple):
    """What a step computed on its way: all (B, H)."""

    i: Tensor
    f: Tensor
    o: Tensor
    g: Tensor


def lstm_step(
    W: Float[Tensor, "gates inputs"],
    b: Float[Tensor, "gates"],
    x: Float[Tensor, "B D"],
    h: Float[Tensor, "B H"],
    c: Float[Tensor, "B H"],
) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"], Gates]:
    """h_t, c_t, and the gates that made them."""
    a_i, a_f, a_o, a_g = (torch.cat([h, x], dim=1) @ W.T + b).chunk(4, dim=1)
    i = torch.sigmoid(a_i)
    f = torch.sigmoid(a_f)
    o = torch.sigmoid(a_o)
    g = torch.tanh(a_g)
    c = note(c=f * c + i * g)
    h = note(h=o * torch.tanh(c))
    return h, c, Gates(i, f, o, g)


class StepGradients(NamedTuple):
    """What `lstm_step_backward` finds: gradients of the weights, the input, and the old states."""

    W: Tensor
    b: Tensor
    x: Tensor
    h: Tensor
    c: Tensor


def lstm_step_backward(
    W: Float[Tensor, "gates inputs"],
    x: Float[Tensor, "B D"],
    h_before: Float[Tensor, "B H"],
    c_before: Float[Tensor, "B H"],
    c: Float[Tensor, "B H"],
    gates: Gates,
    dh: Float[Tensor, "B H"],
    dc: Float[Tensor, "B H"],
) -> StepGradients:
    """One step back. c, gates: of `lstm_step`. dh, dc: d loss / d h_t and, directly, / d c_t."""
    i, f, o, g = gates
    tanh_c = torch.tanh(c)
    do = dh * tanh_c
    dc = dc + dh * o * (1 - tanh_c**2)
    di = dc * g
    df = dc * c_before
    dg = dc * i
    da = torch.cat([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)], dim=1)
    dh_before, dx = (da @ W).split([h_before.shape[1], x.shape[1]], dim=1)
    return StepGradients(
        W=da.T @ torch.cat([h_before, x], dim=1), b=da.sum(0), x=dx, h=dh_before, c=dc * f
    )


class LSTMCell(nn.Module):
    """One step: x (B, D), (h, c) (B, H) each -> the next (h, c). Notes c, h (to change) and gates.

    W starts at U(-1/sqrt H, 1/sqrt H), as in PyTorch, b at 0, but for the forget gate's part: a
    forget_bias of 1 keeps sigma(1) = 73 % of c per step instead of 50 %
    (Jozefowicz, Zaremba and Sutskever, 2015).
    """

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float | int = 0.0):
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        H, bound = hidden_size, hidden_size**-0.5
        self.W = nn.Parameter(torch.empty(4 * H, H + input_size).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(4 * H))
        self.b.data[H : 2 * H] = forget_bias

    def start(self, batch_size: int) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        nothing = self.b.new_zeros(batch_size, len(self.b) // 4)
        return nothing, nothing

    def forward(
        self, x: Float[Tensor, "B D"], state: tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        H = len(self.b) // 4
        check_step(self, x, self.W.shape[1] - H, state, H, parts=2)
        h, c, gates = lstm_step(self.W, self.b, x, *state)
        note(**gates._asdict())
        return h, c


class LSTM1997Cell(nn.Module):
    """The cell as it was first published: no forget gate, so c only ever adds up.

        i_t = sigma(a_i)                 o_t = sigma(a_o)
        c_t = c_{t-1} + i_t * (4 sigma(a_g) - 2)          weight 1 on itself: the error carousel
        h_t = o_t * (2 sigma(c_t) - 1)

    (a_i, a_o, a_g) = W [h_{t-1}; x_t] + b. The authors also cut the gradient that would leave the
    cell through the gates; here autograd follows every path.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        H, bound = hidden_size, hidden_size**-0.5
        self.W = nn.Parameter(torch.empty(3 * H, H + input_size).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(3 * H))

    def start(self, batch_size: int) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        nothing = self.b.new_zeros(batch_size, len(self.b) // 3)
        return nothing, nothing

    def forward(
        self, x: Float[Tensor, "B D"], state: tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        H = len(self.b) // 3
        check_step(self, x, self.W.shape[1] - H, state, H, parts=2)
        h, c = state
        a_i, a_o, a_g = (torch.cat([h, x], dim=1) @ self.W.T + self.b).chunk(3, dim=1)
        i, o, g = torch.sigmoid(a_i), torch.sigmoid(a_o), 4 * torch.sigmoid(a_g) - 2
        c = c + i * g
        h = o * (2 * torch.sigmoid(c) - 1)
        note(i=i, o=o, g=g, c=c, h=h)
        return h, c
