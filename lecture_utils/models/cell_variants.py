"""Cells by design and by search: MUT1 to MUT3, eight ablations of the LSTM, and the NAS cell.

All are cells for `recurrent.unroll`; the GRU and the plain LSTM are in gru.py and lstm.py. Letters
as there: i write?, f keep?, o reveal?, g what to write; r reset, z update, h~ the new proposal. A
lower-case p is a vector, one weight per unit: a peephole, through which a gate sees c.

MUT1 to MUT3 (Jozefowicz, Zaremba and Sutskever, 2015) came out of a search through 10,000 mutants
of GRU and LSTM. Here 1 - z keeps the past, where the lecture's GRU keeps z of it. The lecture
prints W_xx, W_hx and b_x in MUT2's update gate; the paper has W_xz, W_hz and b_z.

The ablations (Greff et al., 2015) each take one thing away from an LSTM with peepholes, but for
CIFG, which ties two gates, and FGR, which adds nine matrices. Two controls of ours ask why
coupling matters. Their steps take x (B, D) and a state
(h, c), (B, H) each, give the next state, and note every gate and c and h.

W_x, W_h and b hold the blocks of the equations' weights, one below the other, in the order in which
the equations name them; o comes last, for it looks at the new c. (`NoPeepholes` is the LSTM of
lstm.py, in that module's order.) B batch, D input, H hidden.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import check_sizes, check_step
from lecture_utils.trace import note

State = tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]


def _parameters(cell, input_size, hidden_size, *, x=0, h=0, b=0, p=0):
    """Blocks of H rows, drawn from U(-1/sqrt H, 1/sqrt H) as in PyTorch; biases 0."""
    check_sizes(input_size=input_size, hidden_size=hidden_size)
    H, bound = hidden_size, hidden_size**-0.5
    cell.W_x = nn.Parameter(torch.empty(x * H, input_size).uniform_(-bound, bound))
    cell.W_h = nn.Parameter(torch.empty(h * H, H).uniform_(-bound, bound))
    if b:
        cell.b = nn.Parameter(torch.zeros(b * H))
    if p:
        cell.p = nn.Parameter(torch.empty(p * H).uniform_(-bound, bound))


def _zeros(cell, batch_size):
    return cell.W_h.new_zeros(batch_size, cell.W_h.shape[1])


def _affine(cell, x, state):
    """x, h and c checked, and the blocks of W_x x + W_h h + b, one for each gate and g."""
    H = cell.W_h.shape[1]
    check_step(cell, x, cell.W_x.shape[1], state, H, parts=2)
    h, c = state
    return c, (x @ cell.W_x.T + h @ cell.W_h.T + cell.b).split(H, dim=1)


class MUT1Cell(nn.Module):
    """The update gate does not see h, and x enters the proposal without a matrix: D = H.

    z_t = sigma(W_xz x_t + b_z)
    r_t = sigma(W_xr x_t + W_hr h_{t-1} + b_r)
    h~_t = tanh(W_hh (r_t * h_{t-1}) + tanh(x_t) + b_h)
    h_t = z_t * h~_t + (1 - z_t) * h_{t-1}

    Step: x (B, D), h (B, H) -> h (B, H). Notes z, r, new (h~) and h. Raises ValueError if D != H.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=2, h=2, b=3)
        _check_bare_input(self, input_size, hidden_size)

    def start(self, batch_size: int) -> Float[Tensor, "B H"]:
        return _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        check_step(self, x, self.W_x.shape[1], h, self.W_h.shape[1])
        W_xz, W_xr = self.W_x.chunk(2)
        W_hr, W_hh = self.W_h.chunk(2)
        b_z, b_r, b_h = self.b.chunk(3)
        z = torch.sigmoid(x @ W_xz.T + b_z)
        r = torch.sigmoid(x @ W_xr.T + h @ W_hr.T + b_r)
        new = torch.tanh((r * h) @ W_hh.T + torch.tanh(x) + b_h)
        h = z * new + (1 - z) * h
        note(z=z, r=r, new=new, h=h)
        return h


class MUT2Cell(nn.Module):
    """x enters the reset gate without a matrix: D = H.

    z_t = sigma(W_xz x_t + W_hz h_{t-1} + b_z)
    r_t = sigma(x_t + W_hr h_{t-1} + b_r)
    h~_t = tanh(W_xh x_t + W_hh (r_t * h_{t-1}) + b_h)
    h_t = z_t * h~_t + (1 - z_t) * h_{t-1}

    Step: x (B, D), h (B, H) -> h (B, H). Notes z, r, new (h~) and h. Raises ValueError if D != H.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=2, h=3, b=3)
        _check_bare_input(self, input_size, hidden_size)

    def start(self, batch_size: int) -> Float[Tensor, "B H"]:
        return _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        check_step(self, x, self.W_x.shape[1], h, self.W_h.shape[1])
        W_xz, W_xh = self.W_x.chunk(2)
        W_hz, W_hr, W_hh = self.W_h.chunk(3)
        b_z, b_r, b_h = self.b.chunk(3)
        z = torch.sigmoid(x @ W_xz.T + h @ W_hz.T + b_z)
        r = torch.sigmoid(x + h @ W_hr.T + b_r)
        new = torch.tanh(x @ W_xh.T + (r * h) @ W_hh.T + b_h)
        h = z * new + (1 - z) * h
        note(z=z, r=r, new=new, h=h)
        return h


class MUT3Cell(nn.Module):
    """The update gate sees tanh(h).

    z_t = sigma(W_xz x_t + W_hz tanh(h_{t-1}) + b_z)
    r_t = sigma(W_xr x_t + W_hr h_{t-1} + b_r)
    h~_t = tanh(W_xh x_t + W_hh (r_t * h_{t-1}) + b_h)
    h_t = z_t * h~_t + (1 - z_t) * h_{t-1}

    Step: x (B, D), h (B, H) -> h (B, H). Notes z, r, new (h~) and h.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=3, h=3, b=3)

    def start(self, batch_size: int) -> Float[Tensor, "B H"]:
        return _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        check_step(self, x, self.W_x.shape[1], h, self.W_h.shape[1])
        W_xz, W_xr, W_xh = self.W_x.chunk(3)
        W_hz, W_hr, W_hh = self.W_h.chunk(3)
        b_z, b_r, b_h = self.b.chunk(3)
        z = torch.sigmoid(x @ W_xz.T + torch.tanh(h) @ W_hz.T + b_z)
        r = torch.sigmoid(x @ W_xr.T + h @ W_hr.T + b_r)
        new = torch.tanh(x @ W_xh.T + (r * h) @ W_hh.T + b_h)
        h = z * new + (1 - z) * h
        note(z=z, r=r, new=new, h=h)
        return h


class PeepholeLSTMCell(nn.Module):
    """The baseline of the ablations: an LSTM whose gates also see the cell.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigma(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)

    Step: x (B, D), (h, c) (B, H) each -> the next (h, c). Notes i, f, g, c, o, h.
    """

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float | int = 0.0):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=4, h=4, b=4, p=3)
        self.b.data[hidden_size : 2 * hidden_size] = forget_bias

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_i, a_f, a_g, a_o) = _affine(self, x, state)
        p_i, p_f, p_o = self.p.chunk(3)
        i = torch.sigmoid(a_i + p_i * c)
        f = torch.sigmoid(a_f + p_f * c)
        g = torch.tanh(a_g)
        c = f * c + i * g
        o = torch.sigmoid(a_o + p_o * c)
        h = o * torch.tanh(c)
        note(i=i, f=f, g=g, c=c, o=o, h=h)
        return h, c


class NoInputGate(nn.Module):
    """NIG: everything is written, i_t = 1.

    f_t = sigma(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = f_t * c_{t-1} + g_t
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=3, h=3, b=3, p=2)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_f, a_g, a_o) = _affine(self, x, state)
        p_f, p_o = self.p.chunk(2)
        f = torch.sigmoid(a_f + p_f * c)
        g = torch.tanh(a_g)
        c = f * c + g
        o = torch.sigmoid(a_o + p_o * c)
        h = o * torch.tanh(c)
        note(f=f, g=g, c=c, o=o, h=h)
        return h, c


class NoForgetGate(nn.Module):
    """NFG: everything is kept, f_t = 1, as in 1997.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = c_{t-1} + i_t * g_t
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=3, h=3, b=3, p=2)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_i, a_g, a_o) = _affine(self, x, state)
        p_i, p_o = self.p.chunk(2)
        i = torch.sigmoid(a_i + p_i * c)
        g = torch.tanh(a_g)
        c = c + i * g
        o = torch.sigmoid(a_o + p_o * c)
        h = o * torch.tanh(c)
        note(i=i, g=g, c=c, o=o, h=h)
        return h, c


class NoOutputGate(nn.Module):
    """NOG: everything is revealed, o_t = 1.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigma(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = tanh(c_t)
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=3, h=3, b=3, p=2)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_i, a_f, a_g) = _affine(self, x, state)
        p_i, p_f = self.p.chunk(2)
        i = torch.sigmoid(a_i + p_i * c)
        f = torch.sigmoid(a_f + p_f * c)
        g = torch.tanh(a_g)
        c = f * c + i * g
        h = torch.tanh(c)
        note(i=i, f=f, g=g, c=c, h=h)
        return h, c


class NoInputActivation(nn.Module):
    """NIAF: what is written is not squashed.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigma(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
    g_t = W_xg x_t + W_hg h_{t-1} + b_g
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=4, h=4, b=4, p=3)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_i, a_f, g, a_o) = _affine(self, x, state)
        p_i, p_f, p_o = self.p.chunk(3)
        i = torch.sigmoid(a_i + p_i * c)
        f = torch.sigmoid(a_f + p_f * c)
        c = f * c + i * g
        o = torch.sigmoid(a_o + p_o * c)
        h = o * torch.tanh(c)
        note(i=i, f=f, g=g, c=c, o=o, h=h)
        return h, c


class NoOutputActivation(nn.Module):
    """NOAF: what is revealed is not squashed.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigma(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * c_t
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=4, h=4, b=4, p=3)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_i, a_f, a_g, a_o) = _affine(self, x, state)
        p_i, p_f, p_o = self.p.chunk(3)
        i = torch.sigmoid(a_i + p_i * c)
        f = torch.sigmoid(a_f + p_f * c)
        g = torch.tanh(a_g)
        c = f * c + i * g
        o = torch.sigmoid(a_o + p_o * c)
        h = o * c
        note(i=i, f=f, g=g, c=c, o=o, h=h)
        return h, c


class CoupledGates(nn.Module):
    """CIFG: write exactly where you forget, f_t = 1 - i_t.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = 1 - i_t
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=3, h=3, b=3, p=2)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_i, a_g, a_o) = _affine(self, x, state)
        p_i, p_o = self.p.chunk(2)
        i = torch.sigmoid(a_i + p_i * c)
        f = 1 - i
        g = torch.tanh(a_g)
        c = f * c + i * g
        o = torch.sigmoid(a_o + p_o * c)
        h = o * torch.tanh(c)
        note(i=i, f=f, g=g, c=c, o=o, h=h)
        return h, c


NoPeepholes = LSTMCell
"""NP: the baseline without p is the LSTM of lstm.py."""


class FullGateRecurrence(nn.Module):
    """FGR: every gate also sees all gates of the step before, through nine more matrices.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + W_ii i_{t-1} + W_if f_{t-1} + W_io o_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigma(W_xf x_t + W_hf h_{t-1} + W_fi i_{t-1} + W_ff f_{t-1} + W_fo o_{t-1} + p_f * c_{t-1} + b_f)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + W_oi i_{t-1} + W_of f_{t-1} + W_oo o_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)

    Of their indices the first says into which gate, the second from which. The state is
    (h, c, i, f, o); gates start at 0. W_gates (3H x 3H) holds the nine matrices, rows (into) in the
    order i, f, o, and columns (from), too.
    """  # noqa: E501

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=4, h=4, b=4, p=3)
        H, bound = hidden_size, hidden_size**-0.5
        self.W_gates = nn.Parameter(torch.empty(3 * H, 3 * H).uniform_(-bound, bound))

    def start(self, batch_size: int) -> tuple[Float[Tensor, "B H"], ...]:
        return tuple(_zeros(self, batch_size) for _ in range(5))

    def forward(
        self, x: Float[Tensor, "B D"], state: tuple[Float[Tensor, "B H"], ...]
    ) -> tuple[Float[Tensor, "B H"], ...]:
        check_step(self, x, self.W_x.shape[1], state, self.W_h.shape[1], parts=5)
        h, c, *gates = state
        c, (a_i, a_f, a_g, a_o) = _affine(self, x, (h, c))
        r_i, r_f, r_o = (torch.cat(gates, dim=1) @ self.W_gates.T).chunk(3, dim=1)
        p_i, p_f, p_o = self.p.chunk(3)
        i = torch.sigmoid(a_i + r_i + p_i * c)
        f = torch.sigmoid(a_f + r_f + p_f * c)
        g = torch.tanh(a_g)
        c = f * c + i * g
        o = torch.sigmoid(a_o + r_o + p_o * c)
        h = o * torch.tanh(c)
        note(i=i, f=f, g=g, c=c, o=o, h=h)
        return h, c, i, f, o


class UncoupledGRUCell(nn.Module):
    """A control of ours: the lecture's GRU, but writing has a gate of its own, so h can grow.

    r_t = sigma(W_xr x_t + W_hr h_{t-1} + b_r)
    z_t = sigma(W_xz x_t + W_hz h_{t-1} + b_z)
    i_t = sigma(W_xi x_t + W_hi h_{t-1} + b_i)
    h~_t = tanh(W_xh x_t + W_hh (r_t * h_{t-1}) + b_h)
    h_t = z_t * h_{t-1} + i_t * h~_t

    Step: x (B, D), h (B, H) -> h (B, H). Notes r, z, i, new (h~) and h.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=4, h=4, b=4)

    def start(self, batch_size: int) -> Float[Tensor, "B H"]:
        return _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        check_step(self, x, self.W_x.shape[1], h, self.W_h.shape[1])
        x_r, x_z, x_i, x_h = (x @ self.W_x.T + self.b).chunk(4, dim=1)
        W_hr, W_hz, W_hi, W_hh = self.W_h.chunk(4)
        r = torch.sigmoid(x_r + h @ W_hr.T)
        z = torch.sigmoid(x_z + h @ W_hz.T)
        i = torch.sigmoid(x_i + h @ W_hi.T)
        new = torch.tanh(x_h + (r * h) @ W_hh.T)
        h = z * h + i * new
        note(r=r, z=z, i=i, new=new, h=h)
        return h


class ClippedLSTMCell(nn.Module):
    """A control of ours: the LSTM with peepholes, its c cut to [-1, 1], so that it cannot add up.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigma(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
    c_t = clip(f_t * c_{t-1} + i_t * g_t)
    o_t = sigma(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=4, h=4, b=4, p=3)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        c, (a_i, a_f, a_g, a_o) = _affine(self, x, state)
        p_i, p_f, p_o = self.p.chunk(3)
        i = torch.sigmoid(a_i + p_i * c)
        f = torch.sigmoid(a_f + p_f * c)
        g = torch.tanh(a_g)
        c = (f * c + i * g).clamp(-1, 1)
        o = torch.sigmoid(a_o + p_o * c)
        h = o * torch.tanh(c)
        note(i=i, f=f, g=g, c=c, o=o, h=h)
        return h, c


class NASCell(nn.Module):
    """What a controller trained by REINFORCE found: a binary tree over eight pairs of products.

    l0_t = sigma(W_0 x_t + U_0 h_{t-1})
    l1_t = relu(W_1 x_t + U_1 h_{t-1})
    l2_t = sigma(W_2 x_t + U_2 h_{t-1})
    l3_t = relu((W_3 x_t) * (U_3 h_{t-1}))
    l4_t = tanh(W_4 x_t + U_4 h_{t-1})
    l5_t = sigma(W_5 x_t + U_5 h_{t-1})
    l6_t = tanh(W_6 x_t + U_6 h_{t-1})
    l7_t = sigma(W_7 x_t + U_7 h_{t-1})
    m0_t = tanh(l0_t * l1_t)
    m1_t = tanh(l2_t + l3_t)
    m2_t = tanh(l4_t * l5_t)
    m3_t = sigma(l6_t + l7_t)
    c_t = tanh(m0_t + c_{t-1}) * m1_t
    n_t = tanh(m2_t + m3_t)
    h_t = tanh(c_t * n_t)

    Step: x (B, D), (h, c) (B, H) each -> the next (h, c). Notes c and h. l3 multiplies; a port that
    adds there computes another cell. No biases: the default of TensorFlow Addons' NASCell, from
    which the wiring is. Source: Zoph and Le (2017).
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        _parameters(self, input_size, hidden_size, x=8, h=8)

    def start(self, batch_size: int) -> State:
        return _zeros(self, batch_size), _zeros(self, batch_size)

    def forward(self, x: Float[Tensor, "B D"], state: State) -> State:
        check_step(self, x, self.W_x.shape[1], state, self.W_h.shape[1], parts=2)
        h, c = state
        xs, hs = (x @ self.W_x.T).chunk(8, dim=1), (h @ self.W_h.T).chunk(8, dim=1)
        sums = [a + b for a, b in zip(xs, hs)]
        l0, l2 = torch.sigmoid(sums[0]), torch.sigmoid(sums[2])
        l1, l3 = torch.relu(sums[1]), torch.relu(xs[3] * hs[3])
        l4, l6 = torch.tanh(sums[4]), torch.tanh(sums[6])
        l5, l7 = torch.sigmoid(sums[5]), torch.sigmoid(sums[7])
        m0 = torch.tanh(l0 * l1)
        m1 = torch.tanh(l2 + l3)
        m2 = torch.tanh(l4 * l5)
        m3 = torch.sigmoid(l6 + l7)
        c = torch.tanh(m0 + c) * m1
        h = torch.tanh(c * torch.tanh(m2 + m3))
        note(c=c, h=h)
        return h, c


def _check_bare_input(cell, input_size, hidden_size):
    if input_size != hidden_size:
        raise ValueError(
            f"{type(cell).__name__} adds x itself to vectors of H = {hidden_size} numbers, but x "
            f"has D = {input_size}: embed the inputs in {hidden_size} numbers first"
        )
