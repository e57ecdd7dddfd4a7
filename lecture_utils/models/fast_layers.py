"""LSTM and GRU over whole sequences, as fast as plain PyTorch code gets: hoist, then loop.

The cells of `lstm` and `gru` are the definition; these layers compute the same with the same
parameters (`layer.load_state_dict(cell.state_dict())`), three thoughts faster:

1. W_x x_t + b needs no state: one product for all T steps, before the loop.
2. Backward by hand. d loss / d a_t is the incoming gradient times factors that the forward pass
   has fixed: they too are computed for all T steps at once, before the loop.
3. dW = sum_t da_t [h_{t-1}; x_t]^T is one product over all steps, after the loop.

What stays in the loop is what the recurrence forces to be one after the other: one product with
W_h per step and direction (two for the GRU), and a few element-wise lines. That is also the limit:
`nn.LSTM` on a CPU runs such loops inside one oneDNN call, without Python between the steps.
Time comes first inside (T, B, ...), so that one step is one block of memory. No trace: to look
inside, use the cell.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import check_inputs, check_state


class LSTMLayer(LSTMCell):
    """`unroll(LSTMCell, xs)`, faster: xs (B, T, D) -> h at all steps (B, T, H), the last (h, c)."""

    def forward(self, xs: Float[Tensor, "B T D"], state: tuple[Tensor, Tensor] | None = None):
        check_inputs(xs)
        h, c = check_state(self, state, len(xs))
        hs, c = _LSTM.apply(xs.transpose(0, 1), h, c, self.W, self.b)
        return hs.transpose(0, 1), (hs[-1], c)


class GRULayer(GRUCell):
    """`unroll(GRUCell, xs)`, faster: xs (B, T, D) -> h at all steps (B, T, H), the last h."""

    def forward(self, xs: Float[Tensor, "B T D"], state: Tensor | None = None):
        check_inputs(xs)
        h = check_state(self, state, len(xs))
        hs = _GRU.apply(xs.transpose(0, 1), h, self.W_x, self.W_h, self.b)
        return hs.transpose(0, 1), hs[-1]


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, xs, h, c, W, b):
        T, B, D = xs.shape
        H = h.shape[1]
        W_h, W_x = W[:, :H], W[:, H:]
        gates = torch.addmm(b, xs.reshape(T * B, D), W_x.T).view(T, B, 4 * H)
        W_hT = W_h.T.contiguous()
        hs, cs = xs.new_empty(T + 1, B, H), xs.new_empty(T + 1, B, H)
        tanh_cs = xs.new_empty(T, B, H)
        hs[0], cs[0] = h, c
        for t in range(T):
            a = gates[t].addmm_(hs[t], W_hT)
            a[:, : 3 * H].sigmoid_()
            a[:, 3 * H :].tanh_()
            i, f, o, g = a.chunk(4, dim=1)
            torch.mul(f, cs[t], out=cs[t + 1]).addcmul_(i, g)
            torch.tanh(cs[t + 1], out=tanh_cs[t])
            torch.mul(o, tanh_cs[t], out=hs[t + 1])
        ctx.save_for_backward(xs, W, gates, hs, cs, tanh_cs)
        return hs[1:].clone(), cs[T].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, dhs, dc):
        xs, W, gates, hs, cs, tanh_cs = ctx.saved_tensors
        T, B, D = xs.shape
        H = hs.shape[2]
        W_h = W[:, :H].contiguous()
        i, f, o, g = gates.split(H, dim=2)
        da = torch.empty_like(gates)  # first the factors of da, then da itself
        factors = da.view(T, B, 4, H)
        torch.mul(g, i - i * i, out=factors[:, :, 0])
        torch.mul(cs[:-1], f - f * f, out=factors[:, :, 1])
        torch.mul(tanh_cs, o - o * o, out=factors[:, :, 2])
        torch.mul(i, 1 - g * g, out=factors[:, :, 3])
        through_tanh = o * (1 - tanh_cs * tanh_cs)
        dh, dc = dhs[T - 1].clone(), dc.clone()
        for t in reversed(range(T)):
            dc.addcmul_(dh, through_tanh[t])
            step = factors[t]
            step[:, :2] *= dc[:, None]
            step[:, 2] *= dh
            step[:, 3] *= dc
            dc *= f[t]
            dh = da[t] @ W_h if t == 0 else torch.addmm(dhs[t - 1], da[t], W_h)
        flat = da.view(T * B, 4 * H)
        dW = torch.cat([flat.T @ hs[:-1].reshape(T * B, H), flat.T @ xs.reshape(T * B, D)], dim=1)
        dxs = (flat @ W[:, H:]).view(T, B, D) if ctx.needs_input_grad[0] else None
        return dxs, dh, dc, dW, flat.sum(0)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, xs, h, W_x, W_h, b):
        T, B, D = xs.shape
        H = h.shape[1]
        gates = torch.addmm(b, xs.reshape(T * B, D), W_x.T).view(T, B, 3 * H)
        W_rzT, W_hhT = W_h[: 2 * H].T.contiguous(), W_h[2 * H :].T.contiguous()
        hs, resets = xs.new_empty(T + 1, B, H), xs.new_empty(T, B, H)
        hs[0] = h
        for t in range(T):
            rz, new = gates[t, :, : 2 * H], gates[t, :, 2 * H :]
            rz.addmm_(hs[t], W_rzT).sigmoid_()
            torch.mul(rz[:, :H], hs[t], out=resets[t])
            new.addmm_(resets[t], W_hhT).tanh_()
            torch.lerp(new, hs[t], rz[:, H:], out=hs[t + 1])  # new + z (h - new)
        ctx.save_for_backward(xs, W_x, W_h, gates, hs, resets)
        return hs[1:].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, dhs):
        xs, W_x, W_h, gates, hs, resets = ctx.saved_tensors
        T, B, D = xs.shape
        H = hs.shape[2]
        W_rz, W_hh = W_h[: 2 * H], W_h[2 * H :]
        r, z, new = gates.split(H, dim=2)
        da = torch.empty_like(gates)  # first the factors of da, then da itself
        factor_r, factor_z, factor_new = da.split(H, dim=2)
        torch.mul(hs[:-1], r - r * r, out=factor_r)
        torch.mul(hs[:-1] - new, z - z * z, out=factor_z)
        torch.mul(1 - z, 1 - new * new, out=factor_new)
        dh = dhs[T - 1]
        for t in reversed(range(T)):
            factor_new[t] *= dh
            factor_z[t] *= dh
            dreset = factor_new[t] @ W_hh
            factor_r[t] *= dreset
            dh = torch.addmm(dh * z[t], da[t, :, : 2 * H], W_rz).addcmul_(dreset, r[t])
            if t:
                dh += dhs[t - 1]
        flat = da.view(T * B, 3 * H)
        before, reset = hs[:-1].reshape(T * B, H), resets.view(T * B, H)
        dW_h = torch.cat([flat[:, : 2 * H].T @ before, flat[:, 2 * H :].T @ reset])
        dxs = (flat @ W_x).view(T, B, D) if ctx.needs_input_grad[0] else None
        return dxs, dh, flat.T @ xs.reshape(T * B, D), dW_h, flat.sum(0)
