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
    drowns in rounding.
    """
    if x.dtype != np.float64:
        raise TypeError(f"x is {x.dtype}: finite differences need float64")
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        kept = x[index]
        x[index] = kept + eps
        above = f()
        x[index] = kept - eps
        below = f()
        x[index] = kept
        gradient[index] = (above - below) / (2 * eps)
    return gradient


def relative_error(
    a: ArrayLike | float | torch.Tensor, b: ArrayLike | float | torch.Tensor
) -> float:
    """max |a - b| over the largest magnitude in either; 0 for equal, about 1 for unrelated.

    Raises ValueError if the shapes differ: broadcasting would hide a mistake.
    """
    a, b = (np.asarray(v.detach().cpu() if torch.is_tensor(v) else v) for v in (a, b))
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape} and {b.shape}")
    if a.size == 0:
        return 0.0
    scale = max(1e-8, float(np.abs(a).max()), float(np.abs(b).max()))
    return float(np.abs(a - b).max()) / scale


def assert_close(a, b, tolerance: float = 1e-10, name: str = "values") -> float:
    """The relative error of a against b; AssertionError, naming it, above `tolerance`."""
    error = relative_error(a, b)
    if not error <= tolerance:  # also catches NaN
        raise AssertionError(f"{name} differ: relative error {error:.2g}, allowed {tolerance:.2g}")
    return error


def assert_causal(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> None:
    """No output at time t may depend on an input later than t: those gradients are exactly 0.

    f maps x (B, T, ...) to outputs (B, T, ...); x floating point.
    """
    x = x.detach().clone().requires_grad_(True)
    y = f(x)
    # Uneven weights: in a plain sum the leak of a softmax or a LayerNorm cancels.
    w = torch.arange(y.numel(), dtype=y.dtype, device=y.device).cos().view_as(y)
    for t in range(x.shape[1] - 1):
        (grad,) = torch.autograd.grad((w * y)[:, t].sum(), x, retain_graph=True)
        leaks = (grad != 0).transpose(0, 1).flatten(1).any(1)  # by time; NaN is a leak too
        if leaks[t + 1 :].any():
            s = t + 1 + int(leaks[t + 1 :].int().argmax())
            raise AssertionError(f"output {t} depends on the later input {s}")
