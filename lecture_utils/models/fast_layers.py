"""LSTM and GRU over whole sequences, as fast as plain PyTorch code gets: hoist, then loop.

The cells of `lstm` and `gru` are the definition; these layers compute the same with the same
parameters (`layer.load_state_dict(cell.state_dict())`), three thoughts faster:

1. W_x x_t + b needs no state: one product for all T steps, before the loop.
2. Backward by hand. d loss / d a_t is the incoming gradient times factors that the forward pass
   has fixed: they too are computed for all T steps at once, before the loop.
3. dW = sum_t da_t [h_{t-1}; x_t]^T is one product over all steps, after the loop.

What stays in the loop is what the recurrence forces to be one after the other: one product with
W_h per step and direction (two for the GRU), and a few element-wise lines. `nn.LSTM` on a CPU runs
its loop inside one oneDNN call, without Python between the steps; that decides at small sizes. At
larger ones the products decide: on the AMD machine of the benchmark, at (B, T, H) = (32, 64, 256),
the four products before and after the loops take about 36 ms through PyTorch's matmul, and the
whole of `nn.LSTM` 41 ms. Time comes first inside, so that one step is one block of memory. No
trace: to look inside, use the cell.
"""

from functools import wraps

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import State, check_inputs, check_state, check_step, unroll


class LSTMLayer(LSTMCell):
    """`unroll(LSTMCell, xs)`, faster; the same parameters."""

    def forward(
        self, xs: Float[Tensor, "B T D"], state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Float[Tensor, "B T H"], tuple[Tensor, Tensor]]:
        """h at all steps, and the last (h, c). Errors as in `unroll`.

        Under autocast the matrix products are in its precision; the state and the gates never are.
        """
        H = len(self.b) // 4
        check_inputs(xs)
        h, c = check_state(self, state, len(xs))
        check_step(self, xs[:, 0], self.W.shape[1] - H, (h, c), H, parts=2)
        device = xs.device.type
        precision = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        with torch.autocast(device, enabled=False):
            xs, h, c = (v.to(self.W.dtype) for v in (xs.transpose(0, 1), h, c))
            hs, c = _LSTM.apply(xs, h, c, self.W, self.b, precision)
        return hs.transpose(0, 1), (hs[-1].clone(), c)


class GRULayer(GRUCell):
    """`unroll(GRUCell, xs)`, faster; the same parameters."""

    def forward(
        self, xs: Float[Tensor, "B T D"], state: Tensor | None = None
    ) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B H"]]:
        """h at all steps, and the last h. Errors as in `unroll`. Never in half precision."""
        check_inputs(xs)
        h = check_state(self, state, len(xs))
        check_step(self, xs[:, 0], self.W_x.shape[1], h, self.W_h.shape[1])
        with torch.autocast(xs.device.type, enabled=False):
            xs, h = (v.to(self.W_x.dtype) for v in (xs.transpose(0, 1), h))
            hs = _GRU.apply(xs, h, self.W_x, self.W_h, self.b)
        return hs.transpose(0, 1), hs[-1].clone()


def along(
    cell: nn.Module, xs: Float[Tensor, "B T D"], state: State | None = None
) -> tuple[Float[Tensor, "B T H"], State]:
    """`unroll(cell, xs, state)`; the fast way for the cell of an LSTM or a GRU. No trace."""
    if type(cell) in (LSTMCell, LSTMLayer):
        return LSTMLayer.forward(cell, xs, state)
    if type(cell) in (GRUCell, GRULayer):
        return GRULayer.forward(cell, xs, state)
    return unroll(cell, xs, state)


def _full_precision(backward):
    """The same function, deaf to an autocast that is on where `backward()` is called."""

    @wraps(backward)
    def run(ctx, dhs, *more):
        with torch.autocast(dhs.device.type, enabled=False):
            return backward(ctx, dhs, *more)

    return run


def _add_product(a, A, B):
    """a += A @ B, the product in the precision of A."""
    if A.dtype == a.dtype:
        a.addmm_(A, B)
    else:
        a += A @ B.to(A.dtype)


class _LSTM(torch.autograd.Function):
    """Inside, a step is (features, B): W_h @ h is faster than h @ W_h^T, and gates are blocks."""

    @staticmethod
    def forward(ctx, xs, h, c, W, b, precision):
        T, B, D = xs.shape
        H = h.shape[1]
        low = precision or W.dtype
        W_h, W_x = W[:, :H].to(low).contiguous(), W[:, H:].to(low)
        gates = torch.addmm(b.to(low), xs.reshape(T * B, D).to(low), W_x.T).view(T, B, 4 * H)
        gates = gates.transpose(1, 2).contiguous().to(W.dtype)  # (T, 4H, B)
        hs, cs = xs.new_empty(T + 1, H, B), xs.new_empty(T + 1, H, B)
        tanh_cs = xs.new_empty(T, H, B)
        hs[0], cs[0] = h.T, c.T
        # Views of all steps at once: cut one by one in the loop, they would cost as much as it.
        h_at, c_at, tanh_at = hs.unbind(), cs.unbind(), tanh_cs.unbind()
        squashed = gates[:, : 3 * H].unbind(), gates[:, 3 * H :].unbind()
        each = gates.view(T * 4, H, B).unbind()
        for t, a in enumerate(gates.unbind()):
            _add_product(a, W_h, h_at[t])
            squashed[0][t].sigmoid_()
            squashed[1][t].tanh_()
            i, f, o, g = each[4 * t : 4 * t + 4]
            torch.mul(f, c_at[t], out=c_at[t + 1]).addcmul_(i, g)
            torch.tanh(c_at[t + 1], out=tanh_at[t])
            torch.mul(o, tanh_at[t], out=h_at[t + 1])
        ctx.save_for_backward(xs, W, gates, hs, cs, tanh_cs)
        ctx.low = low
        out = hs[1:].transpose(1, 2).clone(memory_format=torch.contiguous_format)
        return out, cs[T].T.clone(memory_format=torch.contiguous_format)

    @staticmethod
    @once_differentiable
    @_full_precision
    def backward(ctx, dhs, dc):
        xs, W, gates, hs, cs, tanh_cs = ctx.saved_tensors
        T, B, D = xs.shape
        H = hs.shape[1]
        low = ctx.low
        W_hT = W[:, :H].T.to(low).contiguous()
        i, f, o, g = gates.split(H, dim=1)
        da = torch.empty_like(gates)  # first the factors of da, then da itself
        torch.mul(g, i - i * i, out=da[:, :H])
        torch.mul(cs[:-1], f - f * f, out=da[:, H : 2 * H])
        torch.mul(tanh_cs, o - o * o, out=da[:, 2 * H : 3 * H])
        torch.mul(i, 1 - g * g, out=da[:, 3 * H :])
        through_tanh = o * (1 - tanh_cs * tanh_cs)
        dhs = dhs.transpose(1, 2).contiguous()
        dh_at, f_at, through_at, da_at = (v.unbind() for v in (dhs, f, through_tanh, da))
        by_dc, by_dh = da.view(T, 4, H, B)[:, :2].unbind(), da[:, 2 * H : 3 * H].unbind()
        of_g = da[:, 3 * H :].unbind()
        dh, dc = dh_at[T - 1], dc.T.clone(memory_format=torch.contiguous_format)
        for t in reversed(range(T)):
            dc.addcmul_(dh, through_at[t])
            by_dc[t].mul_(dc)
            by_dh[t].mul_(dh)
            of_g[t].mul_(dc)
            dc *= f_at[t]
            dh = dh_at[t - 1].clone() if t else torch.zeros_like(dh)
            _add_product(dh, W_hT, da_at[t])
        flat = da.transpose(1, 2).reshape(T * B, 4 * H).to(low)
        before = hs[:-1].transpose(1, 2).reshape(T * B, H).to(low)
        dW = torch.cat([flat.T @ before, flat.T @ xs.reshape(T * B, D).to(low)], dim=1).to(W.dtype)
        dxs = None
        if ctx.needs_input_grad[0]:
            dxs = (flat @ W[:, H:].to(low)).view(T, B, D).to(W.dtype)
        return dxs, dh.T, dc.T, dW, da.sum((0, 2)), None


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
    @_full_precision
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
