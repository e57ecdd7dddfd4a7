"""Three gradients, one question: do they agree?

numerical   df/dx ~ (f(x + eps) - f(x - eps)) / (2 eps)          central difference
error       max |a - b| / max(1e-8, max |a|, max |b|)            relative to the largest entry
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import ArrayLike


def numerical_gradient(
    f: Callable[[], float], x: Float64[np.ndarray, "*shape"], eps: float = 1e-5
) -> Float64[np.ndarray, "*shape"]:
    """Central differences of `f()` in each entry of `x`, which is changed in place and restored.

    f takes no argument: it reads `x` where it is stored. float64 only: in float32 the difference
    drowns in rounding. Raises TypeError for anything but a float64 array; if `f` raises, `x` is
    restored first.
    """
    if not isinstance(x, np.ndarray):
        remedy = "x.detach().numpy() shares its memory" if torch.is_tensor(x) else "np.array(x)"
        raise TypeError(f"x is a {type(x).__name__}: pass a NumPy array of float64 ({remedy})")
    if x.dtype != np.float64:
        raise TypeError(f"x is {x.dtype}: finite differences need float64")
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        kept = x[index]
        try:
            x[index] = kept + eps
            above = f()
            x[index] = kept - eps
            below = f()
        finally:
            x[index] = kept
        gradient[index] = (above - below) / (2 * eps)
    return gradient


def relative_error(
    a: ArrayLike | float | torch.Tensor, b: ArrayLike | float | torch.Tensor
) -> float:
    """max |a - b| over the largest magnitude in either; 0 for equal, about 1 for unrelated.

    Computed in float64 whatever comes in. Equal infinities are equal; NaN gives NaN.
    Raises ValueError if the shapes differ: broadcasting would hide a mistake.
    """
    a, b = (_numbers(v) for v in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape} and {b.shape}")
    if a.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.where(a == b, 0.0, np.abs(a - b))
    sizes = np.abs(np.stack((a, b)))
    scale = max(1e-8, float(sizes.max(where=np.isfinite(sizes), initial=0.0)))
    return float(apart.max()) / scale


def _numbers(value):
    """As a float64 array (complex stays complex): integers would wrap, booleans not subtract."""
    if torch.is_tensor(value):
        value = value.detach().cpu()
        value = value.to(torch.complex128 if value.is_complex() else torch.float64).numpy()
    value = np.asarray(value)
    if value.dtype.kind not in "biufc":
        raise TypeError(f"{value.dtype} values cannot be compared as numbers: {value!r:.60}")
    return value if value.dtype.kind == "c" else value.astype(np.float64)


def assert_close(a, b, tolerance: float = 1e-10, name: str = "values") -> float:
    """The relative error of a against b; AssertionError, naming it, above `tolerance`."""
    error = relative_error(a, b)
    if not error <= tolerance:  # also catches NaN
        raise AssertionError(f"{name} differ: relative error {error:.2g}, allowed {tolerance:.2g}")
    return error


def assert_causal(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> None:
    """No output at time t may depend on an input later than t. AssertionError names the two times.

    f maps x (B, T, ...) to outputs (B, T, ...), the same each time. x: floating point, or token
    ids. The gradients have to be exactly 0; and each input in turn is replaced by other values of
    `x`, after which the earlier outputs have to be the same to the bit (this finds what gradients
    do not see: an argmax, a rank, an embedding). It calls f about 2 T times.
    Raises ValueError where there is nothing to test: T = 1, other lengths, random outputs.
    """
    if x.ndim < 2 or x.shape[1] < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}: expected (B, T, ...) with T of 2 or more")
    x = x.detach().clone().requires_grad_(x.is_floating_point())
    y = f(x)
    if y.shape[:2] != x.shape[:2]:
        raise ValueError(f"outputs have shape {tuple(y.shape)}, inputs {tuple(x.shape)}: "
                         "expected the same (B, T, ...)")
    if _changed(y, f(x)).any():
        raise ValueError("f gives other outputs for the same input: call model.eval() first")
    if x.requires_grad and y.requires_grad:
        _assert_no_gradient_from_later(y, x)
    with torch.no_grad():
        _assert_no_change_from_later(f, x, y)


def _assert_no_gradient_from_later(y, x):
    # Uneven weights: in a plain sum the leak of a softmax or a LayerNorm cancels.
    w = torch.arange(y.numel(), dtype=y.dtype, device=y.device).cos().view_as(y)
    for t in range(x.shape[1] - 1):
        loss = (w * y)[:, t].sum()
        (grad,) = torch.autograd.grad(loss, x, retain_graph=True, allow_unused=True)
        if grad is None:
            return
        leaks = (grad != 0).transpose(0, 1).flatten(1).any(1)  # by time; NaN is a leak too
        if leaks[t + 1 :].any():
            s = t + 1 + int(leaks[t + 1 :].int().argmax())
            raise AssertionError(f"output {t} depends on the later input {s}")


def _assert_no_change_from_later(f, x, y):
    known, place = x.unique(return_inverse=True)  # sorted
    if len(known) == 1:  # another value, inside the vocabulary as far as one can tell
        known = torch.cat((known, (known <= 0).to(known.dtype) if known <= 1 else known - 1))
    for s in range(1, x.shape[1]):
        for step in {1, len(known) // 2}:  # a small change and a large one
            other = x.clone()
            other[:, s] = known[(place[:, s] + step) % len(known)]
            leaks = _changed(y, f(other))[:, :s].transpose(0, 1).flatten(1).any(1)
            if leaks.any():
                t = int(leaks.int().argmax())
                raise AssertionError(f"output {t} depends on the later input {s}")


def _changed(a, b):
    return (a != b) & ~(a.isnan() & b.isnan())
