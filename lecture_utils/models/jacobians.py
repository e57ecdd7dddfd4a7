"""How a gradient travels back through an RNN: the Jacobian of one step, and their product.

    J_t       = d h_t / d h_{t-1} = diag(1 - h_t^2) W_hh          tanh' at a_t is 1 - h_t^2
    d h_T / d h_k = J_T J_{T-1} ... J_{k+1}
    |d h_T / d h_k| <= (gamma sigma_1)^(T-k)                      gamma = max |tanh'| = 1

sigma_1, the largest singular value of W_hh: sigma_1 < 1/gamma is enough for the gradient to
vanish; sigma_1 > 1/gamma is necessary for it to explode, and not enough. Without a non-linearity
the product is W_hh^(T-k), and the largest |eigenvalue|, the spectral radius, decides.
T time, H hidden; there are T + 1 states. Source: Pascanu, Mikolov and Bengio (2013); Bengio,
Simard and Frasconi (1994).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Array = np.ndarray


def step_jacobian(W_hh: Float[Array, "H H"], h: Float[Array, "H"]) -> Float[Array, "H H"]:
    """d h_t / d h_{t-1}, from the state after the step: row i is unit i of h_t."""
    return (1 - h**2)[:, None] * W_hh


def jacobian_products(
    W_hh: Float[Array, "H H"], hs: Float[Array, "states H"]
) -> Float[Array, "states H H"]:
    """d h_T / d h_k for k = 0, ..., T; the last one is the identity. hs[0] is the first state."""
    products = [np.eye(len(W_hh))]
    for h in hs[:0:-1]:
        products.append(products[-1] @ step_jacobian(W_hh, h))
    return np.array(products[::-1])


def linear_products(W_hh: Float[Array, "H H"], steps: int) -> Float[Array, "states H H"]:
    """The same without a non-linearity: W_hh^(T-k) for k = 0, ..., T."""
    return jacobian_products(W_hh, np.zeros((steps + 1, len(W_hh))))


def singular_value(W: Float[Array, "H H"]) -> float:
    """The largest factor by which W can stretch a vector in one step."""
    return float(np.linalg.norm(W, 2))


def spectral_radius(W: Float[Array, "H H"]) -> float:
    """The largest |eigenvalue|: the factor per step in the long run."""
    return float(np.abs(np.linalg.eigvals(W)).max())


def orthogonal(gaussian: Float[Array, "H H"]) -> Float[Array, "H H"]:
    """An orthogonal matrix from one of Gaussian numbers: Q of G = QR, R with a positive diagonal.

    Q^T Q = 1: it turns and reflects, and keeps every length. With the signs so fixed, Q is uniform
    over all orthogonal matrices (Mezzadri, 2007).
    """
    Q, R = np.linalg.qr(gaussian)
    return Q * np.sign(np.diag(R))


def norm_penalty(
    W_hh: Float[Array, "H H"], hs: Float[Array, "states B H"], dhs: Float[Array, "states B H"]
) -> tuple[float, Float[Array, "H H"]]:
    """A regulariser after Pascanu, and its gradient in W_hh: a gradient should keep its length.

        Omega = mean over steps and sequences of (|W_hh^T da_t| / |dh_t| - 1)^2

    with da_t = (1 - h_t^2) dh_t. As in the paper, states and dhs (d loss / d h_t) count as
    constants: only the W_hh written here is differentiated. The paper has the sum where this has
    the mean, and measures the gradient at a_t where this measures it at h_t. Steps that no gradient
    reaches (|dh_t| < 1e-10) are left out.
    """
    if hs.shape != dhs.shape:
        raise ValueError(f"hs has shape {hs.shape} and dhs {dhs.shape}: they belong together")
    if not np.isfinite(dhs).all():
        raise ValueError("dhs holds a number that is not finite: skip this update")
    das, norms = (1 - hs[1:] ** 2) * dhs[1:], np.linalg.norm(dhs[1:], axis=-1)
    reached = norms > 1e-10
    da, norm = das[reached], norms[reached][:, None]  # (reached steps, H)
    if not len(da):
        return 0.0, np.zeros_like(W_hh)
    before = da @ W_hh
    length = np.maximum(np.linalg.norm(before, axis=1, keepdims=True), 1e-30)
    off = length / norm - 1
    dbefore = 2 * off * before / (length * norm) / len(da)
    return float((off**2).mean()), da.T @ dbefore


# ---------------------------------------------------------------- clipping


def clip_by_norm(gradients: Sequence[Array], limit: float) -> list[Array]:
    """All gradients times limit / |all|, if their common norm |all| is above the limit.

    Shorter, in the same direction. |all|: root of the sum of all squares, over every array.
    """
    _check_clipping(gradients, limit)
    largest = max((float(np.abs(g).max(initial=0.0)) for g in gradients), default=0.0)
    if largest == 0:
        return list(gradients)
    # In units of the largest entry: the squares of a really exploded gradient would overflow.
    norm = np.sqrt(sum(float(np.sum((g / largest) ** 2)) for g in gradients))
    scale = float(limit / largest / norm)
    return [g * scale if scale < 1 else g for g in gradients]


def clip_by_value(gradients: Sequence[Array], limit: float) -> list[Array]:
    """Each entry cut to [-limit, limit]: the direction changes."""
    _check_clipping(gradients, limit)
    return [np.clip(g, -limit, limit) for g in gradients]


def _check_clipping(gradients, limit):
    if not limit > 0:
        raise ValueError(f"limit is {limit}: a gradient is clipped at a positive number")
    for place, g in enumerate(gradients):
        if not np.isfinite(g).all():
            raise ValueError(
                f"gradient {place} holds {g[~np.isfinite(g)][0]}: clipping cannot repair it; "
                "skip this update, or lower the learning rate"
            )
