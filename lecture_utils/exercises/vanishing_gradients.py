"""Exercises of lesson 03."""

import numpy as np

from lecture_utils.exercises.exercise import Exercise

_rng = np.random.default_rng(3)


def gradient_norms(W_hh, hs, dh):
    norms = [np.linalg.norm(dh)]
    for h in hs[:0:-1]:
        dh = W_hh.T @ ((1 - h**2) * dh)
        norms.append(np.linalg.norm(dh))
    return np.array(norms[::-1])


def _norms(step, states=lambda hs: hs[:0:-1], order=slice(None, None, -1)):
    """gradient_norms with another step back, other states, or in another order."""

    def attempt(W_hh, hs, dh):
        norms = [np.linalg.norm(dh)]
        for h in states(hs):
            dh = step(W_hh, h, dh)
            norms.append(np.linalg.norm(dh))
        return np.array(norms[order])

    return attempt


def _right_step(W, h, dh):
    return W.T @ ((1 - h**2) * dh)


def _norms_case(H, T):
    hs = np.tanh(_rng.standard_normal((T + 1, H)))
    return 1.5 * _rng.standard_normal((H, H)), hs, _rng.standard_normal(H)


gradient_norms = Exercise(
    gradient_norms,
    cases=[_norms_case(3, 1), _norms_case(4, 5)],
    values=("norms",),
    mistakes={
        "Still there. The norm at h_T is right, those before it are not. This is the transpose of "
        "W_hh with its *columns* scaled by tanh', and the Jacobian has its rows scaled.": _norms(
            lambda W, h, dh: (1 - h**2) * (W.T @ dh)
        ),
        "The slope of tanh is 1 - h^2, not (1 - h)^2.": _norms(
            lambda W, h, dh: W.T @ ((1 - h) ** 2 * dh)
        ),
        "The gradient goes back through the transpose, W_hh.T.": _norms(
            lambda W, h, dh: W @ ((1 - h**2) * dh)
        ),
        "The slope of tanh is 1 - h^2, and h is already tanh(a).": _norms(
            lambda W, h, dh: W.T @ ((1 - np.tanh(h) ** 2) * dh)
        ),
        "The slope of tanh is missing.": _norms(lambda W, h, dh: W.T @ dh),
        "The slope belongs to the state *after* the step, hs[t], not to the one before.": _norms(
            _right_step, states=lambda hs: hs[-2::-1]
        ),
        "The array should begin with the norm at h_0 and end with that at h_T.": _norms(
            _right_step, order=slice(None)
        ),
    },
    hints=(
        "Take one step only, and compare with step_jacobian of the package, transposed, times dh.",
        "Forward: first W_hh, then tanh. Backward, which one does the gradient meet first?",
        "dh = W_hh.T @ ((1 - h**2) * dh)",
    ),
)


def bound(W_hh, steps):
    return np.linalg.norm(W_hh, 2) ** steps


bound = Exercise(
    bound,
    cases=[
        (np.array([[0.5, 4.0], [0.0, 0.5]]), 1),
        (_rng.standard_normal((4, 4)), 3),
        (_rng.standard_normal((3, 3)) / 3, 10),
    ],
    values=("bound",),
    mistakes={
        "That is the spectral radius, the largest |eigenvalue|. In one step a matrix can stretch "
        "a vector by more than that: by its largest singular value.": (
            lambda W, steps: np.abs(np.linalg.eigvals(W)).max() ** steps
        ),
        "np.linalg.norm(W) is the Frobenius norm, the root of the sum of all squares: a bound, "
        "too, but not the smallest one. The largest singular value is np.linalg.norm(W, 2).": (
            lambda W, steps: np.linalg.norm(W) ** steps
        ),
        "An eigenvalue says how a vector is stretched that keeps its direction. The most that any "
        "vector is stretched is the largest singular value.": (
            lambda W, steps: np.linalg.eigvals(W).real.max() ** steps
        ),
        "The eigenvalues of W^T W are the *squares* of the singular values: take the root.": (
            lambda W, steps: np.linalg.eigvalsh(W.T @ W).max() ** steps
        ),
        "1/4 is the largest slope of the logistic sigmoid. That of tanh is 1.": (
            lambda W, steps: (np.linalg.norm(W, 2) / 4) ** steps
        ),
        "Each step multiplies: after n steps the bound is sigma to the power n, not n times "
        "sigma.": lambda W, steps: steps * np.linalg.norm(W, 2),
        "`steps` factors, not one less.": lambda W, steps: np.linalg.norm(W, 2) ** (steps - 1),
        "That is the bound for one step only.": lambda W, steps: np.linalg.norm(W, 2),
        "That is the length of the product without tanh. A bound that holds for every run knows "
        "only the largest singular value of W_hh.": (
            lambda W, steps: np.linalg.norm(np.linalg.matrix_power(W, steps), 2)
        ),
        "The largest entry is not the largest stretch.": (
            lambda W, steps: np.abs(W).max() ** steps
        ),
    },
    hints=(
        "The length of A v is at most (largest singular value of A) times the length of v.",
        "tanh' is at most 1, so one step is bounded by the largest singular value of W_hh.",
        "np.linalg.norm(W_hh, 2) is the largest singular value; n steps multiply n of them.",
    ),
)


def orthogonal_start(gaussian):
    Q, R = np.linalg.qr(gaussian)
    return Q


def _up_to_choice(attempt, gaussian):
    """Q^T Q, because many Q are right; 0 if the random numbers were not used."""
    other = gaussian[::-1] + 0.5
    Q = attempt(gaussian)
    if not isinstance(Q, np.ndarray) or Q.dtype != gaussian.dtype or Q.shape != gaussian.shape:
        return Q  # what is wrong with its form is said by the comparison
    with np.errstate(invalid="ignore"):
        used = np.abs(Q - attempt(other)).max() > 1e-6
        return Q.T @ Q if used else 0 * Q


orthogonal_start = Exercise(
    orthogonal_start,
    cases=[(_rng.standard_normal((2, 2)),), (_rng.standard_normal((5, 5)),)],
    values=("Q.T @ Q",),
    use=_up_to_choice,
    mistakes={
        "The largest singular value is 1 now, but the others are smaller: most directions still "
        "shrink.": lambda G: G / np.linalg.norm(G, 2),
        "The largest |eigenvalue| is 1 now, and that is not enough for keeping lengths: all "
        "singular values have to be 1.": lambda G: G / np.abs(np.linalg.eigvals(G)).max(),
        "Columns of length 1 are half of it: they also have to be at right angles to each "
        "other.": lambda G: G / np.linalg.norm(G, axis=0),
        "Rows of length 1 are half of it: they also have to be at right angles to each "
        "other.": lambda G: G / np.linalg.norm(G, axis=1, keepdims=True),
        "np.linalg.qr returns (Q, R): that was R, the triangular part.": (
            lambda G: np.linalg.qr(G)[1]
        ),
        "Dividing by sqrt(H) is the usual Gaussian start. It keeps lengths on average over many "
        "matrices, not for each vector.": lambda G: G / np.sqrt(len(G)),
        "The identity is orthogonal, and a start that people use (Le, Jaitly and Hinton, 2015). "
        "But it is always the same: make one from the random numbers.": lambda G: np.eye(len(G)),
    },
    hints=(
        "Gram-Schmidt: go through the columns, take away what lies along the earlier ones, and "
        "make what is left 1 long.",
        "NumPy has that, packaged: every matrix is an orthogonal one times a triangular one, "
        "np.linalg.qr.",
        "Q, R = np.linalg.qr(gaussian); return Q",
    ),
)


def clip_by_norm(gradients, limit):
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    scale = min(1.0, limit / norm)
    return [g * scale for g in gradients]


def _norm(gradients):
    return np.sqrt(sum(np.sum(g**2) for g in gradients))


def _clip_case(size, limit):
    return [size * _rng.standard_normal((2, 3)), size * _rng.standard_normal(4)], limit


clip_by_norm = Exercise(
    clip_by_norm,
    cases=[
        ([np.array([3.0]), np.array([4.0])], 1.0),
        _clip_case(5.0, 1.0),
        _clip_case(0.05, 1.0),
        _clip_case(3.0, 2.5),
    ],
    values=("first gradient", "second gradient"),
    mistakes={
        "Each array was clipped by its own norm. That changes the direction of the whole: use one "
        "norm over all of them.": lambda gs, limit: [
            g * min(1.0, limit / np.linalg.norm(g)) for g in gs
        ],
        "That is clipping by value: each entry on its own, so the direction changes.": (
            lambda gs, limit: [np.clip(g, -limit, limit) for g in gs]
        ),
        "Short gradients stay as they are: scale only when the norm is above the limit.": (
            lambda gs, limit: [g * limit / _norm(gs) for g in gs]
        ),
        "The norm is the *root* of the sum of squares.": lambda gs, limit: [
            g * min(1.0, limit / _norm(gs) ** 2) for g in gs
        ],
        "After clipping the norm is the limit, not 1: multiply by limit / norm.": (
            lambda gs, limit: [g / _norm(gs) if _norm(gs) > limit else g for g in gs]
        ),
        "The gradients come back as they were. In a loop, `g = g * scale` makes a new array and "
        "forgets it: collect them in a list.": lambda gs, limit: list(gs),
        "The norm of all entries together, not the largest norm of one array.": lambda gs, limit: [
            g * min(1.0, limit / max(np.linalg.norm(g) for g in gs)) for g in gs
        ],
        "The norms of the arrays do not add up: add their squares, then take the root.": (
            lambda gs, limit: [g * min(1.0, limit / sum(np.linalg.norm(g) for g in gs)) for g in gs]
        ),
    },
    hints=(
        "One norm for all arrays together: sqrt of the sum of all squares.",
        "If it is above the limit, every array is multiplied by the same number, limit / norm.",
        "scale = min(1.0, limit / norm); return [g * scale for g in gradients]",
    ),
)
