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


def clip_by_norm(g: Float[Array, "*shape"], limit: float) -> Float[Array, "*shape"]:
    """g limit / |g| if |g| > limit, else g: shorter, in the same direction."""
    _positive(limit)
    norm = np.linalg.norm(g)
    return g * (limit / norm) if norm > limit else g


def clip_by_value(g: Float[Array, "*shape"], limit: float) -> Float[Array, "*shape"]:
    """Each entry cut to [-limit, limit]: the direction changes."""
    _positive(limit)
    return np.clip(g, -limit, limit)


def _positive(limit):
    if not limit > 0:
        raise ValueError(f"limit is {limit}: a gradient is clipped at a positive number")
