"""The gradient-flow widget without a browser: its numbers, its checks, its poster."""

import numpy as np
import pytest
import torch
from traitlets import TraitError

from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets import GradientFlow
from lecture_utils.visual.widgets.base import bundle

SEEDS, LONGEST, H = 3, 17, 5
PHI = {"tanh": torch.tanh, "none": lambda a: a, "sigmoid": torch.sigmoid}


def arrays(seeds=SEEDS, T=LONGEST, H=H, seed=0):
    draw = np.random.default_rng(seed).normal
    gaussian = draw(size=(seeds, H, H)) / np.sqrt(H)
    orthogonal = np.linalg.qr(draw(size=(seeds, H, H)))[0]
    matrices = {"Gaussian": gaussian, "orthogonal": orthogonal}
    return {"matrices": matrices, "inputs": draw(size=(seeds, T, H)),
            "gradients": draw(size=(seeds, H))}


def flow(**changes):
    return GradientFlow(**(arrays() | {"steps": 11} | changes))


def autograd_norms(matrix, seed, gain, steps, nonlinearity):
    """The recurrence as PyTorch sees it, and the gradient of g h_T with respect to every state."""
    given = arrays()
    W = gain * torch.tensor(given["matrices"][matrix][seed])
    g = torch.tensor(given["gradients"][seed])
    hs = [torch.zeros(H, dtype=torch.float64, requires_grad=True)]
    for added in torch.tensor(given["inputs"][seed, :steps]):
        hs.append(PHI[nonlinearity](W @ hs[-1] + added))
    return [float(dh.norm()) for dh in torch.autograd.grad(hs[-1] @ (g / g.norm()), hs)]


# ---- the numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("nonlinearity", PHI)
@pytest.mark.parametrize("matrix, seed, gain, steps", [
    ("Gaussian", 0, 1.0, 11), ("Gaussian", 2, 0.5, 10), ("orthogonal", 1, 2.0, LONGEST),
])
def test_norms_are_autograds(nonlinearity, matrix, seed, gain, steps):
    widget = flow(gain=gain, steps=steps, nonlinearity=nonlinearity)
    widget.matrix, widget.seed = matrix, seed
    assert widget.norms().shape == (steps + 1,)
    assert widget.norms()[-1] == pytest.approx(1, abs=1e-15)
    expected = autograd_norms(matrix, seed, gain, steps, nonlinearity)
    np.testing.assert_allclose(widget.norms(), expected, rtol=1e-10)


def test_norms_would_notice_a_transposed_matrix():
    turned = {name: array.swapaxes(1, 2) for name, array in arrays()["matrices"].items()}
    expected = autograd_norms("Gaussian", 0, 1.0, 11, "tanh")
    assert not np.allclose(flow(matrices=turned).norms(), expected, rtol=0.01)


@pytest.mark.parametrize("nonlinearity", PHI)
@pytest.mark.parametrize("gain", [0.5, 1.0, 1.6, 2.0])
@pytest.mark.parametrize("matrix", ["Gaussian", "orthogonal"])
def test_no_gradient_is_longer_than_the_bound(nonlinearity, gain, matrix):
    widget = flow(gain=gain, nonlinearity=nonlinearity)
    widget.matrix = matrix
    for widget.seed in range(SEEDS):
        assert (widget.norms() <= widget.bounds() * (1 + 1e-12)).all()


def test_singular_value_and_spectral_radius_are_those_of_gain_times_matrix():
    widget = flow(gain=1.5)
    widget.seed = 1
    W = 1.5 * arrays()["matrices"]["Gaussian"][1]
    assert widget.sigma() == pytest.approx(np.linalg.norm(W, 2))
    assert widget.rho() == pytest.approx(np.abs(np.linalg.eigvals(W)).max())


def test_an_orthogonal_matrix_alone_keeps_the_length():
    widget = flow(steps=LONGEST, nonlinearity="none")
    widget.matrix = "orthogonal"
    np.testing.assert_allclose(widget.norms(), 1, rtol=1e-12)


def test_extremes_stay_numbers():
    given = arrays(T=200)
    tiny = GradientFlow(**given, gain=0.5, steps=200, nonlinearity="sigmoid").norms()[0]
    assert 0 < tiny < 1e-150  # its square would be 0
    steep = {"steep": 10 * given["matrices"]["orthogonal"] / (1 + 1e-9)}
    large = GradientFlow(**given | {"matrices": steep}, gain=2.0, steps=200, nonlinearity="none")
    assert large.norms()[0] == pytest.approx(20.0**200, rel=1e-5)
    saturated = GradientFlow(**given | {"inputs": 1e6 * given["inputs"]}, nonlinearity="sigmoid")
    assert saturated.norms()[0] == 0
    assert "0.0e+00 at h_0" in repr(saturated)
    assert isinstance(saturated.poster(), Picture)


def test_tensors_are_taken_and_gradients_made_1_long():
    given = arrays()
    widget = GradientFlow({"W": torch.tensor(given["matrices"]["Gaussian"], requires_grad=True)},
                          torch.tensor(given["inputs"]), 1e-200 * given["gradients"], steps=11)
    np.testing.assert_allclose(widget.norms(), flow().norms(), rtol=1e-12)


# ---- what is refused --------------------------------------------------------------------------


def with_value(name, value):
    changed = arrays()[name]
    changed[(0,) * changed.ndim] = value
    return {name: changed}


@pytest.mark.parametrize("changes, said", [
    ({"matrices": np.ones((SEEDS, H, H))}, "ndarray: give a dict"),
    ({"matrices": {}}, "0 entries: give 1 to 6"),
    ({"matrices": dict.fromkeys("abcdefg", np.ones((SEEDS, H, H)))}, "7 entries"),
    ({"matrices": {"": np.ones((SEEDS, H, H))}}, "'' cannot name a matrix"),
    ({"matrices": {"W": np.ones((H, H))}}, r"\['W'\] has shape \(5, 5\): it must be \(seeds, H"),
    ({"matrices": {"W": np.ones((SEEDS, H, 4))}}, r"\(3, 5, 4\)"),
    ({"matrices": {"W": np.ones((0, H, H))}}, "at least one seed"),
    ({"matrices": {"W": np.ones((SEEDS, 1, 1))}}, "H = 1 hidden units: the widget shows 2 to 64"),
    ({"matrices": {"W": np.ones((1, 65, 65))}}, "H = 65"),
    ({"matrices": {"V": np.ones((2, H, H)), "W": np.ones((SEEDS, H, H))}}, "the same seeds and H"),
    ({"matrices": {"W": [[1, 2], [3]]}}, "not an array of numbers"),
    ({"matrices": {"W": np.full((SEEDS, H, H), np.nan)}}, r"holds nan at \[0, 0, 0\]"),
    ({"matrices": {"W": 10 * np.ones((SEEDS, H, H))}}, "singular value 50: divide"),
    ({"inputs": np.ones((SEEDS, LONGEST, 4))}, r"inputs has shape \(3, 17, 4\)"),
    ({"inputs": np.ones((2, LONGEST, H))}, "seeds = 3 and H = 5"),
    ({"inputs": np.ones((LONGEST, H))}, r"must be \(seeds, T_max, H\)"),
    ({"inputs": np.ones((SEEDS, 9, H))}, "T_max = 9 steps: the widget takes 10 to 200"),
    ({"inputs": np.ones((SEEDS, 201, H))}, "T_max = 201"),
    (with_value("inputs", np.inf), r"inputs holds inf at \[0, 0, 0\]"),
    ({"gradients": np.ones((SEEDS, 4))}, r"gradients has shape \(3, 4\)"),
    ({"gradients": np.eye(SEEDS, H) * [[1], [0], [1]]}, r"gradients\[1\] is zero"),
    (with_value("gradients", np.nan), "gradients holds nan"),
    ({"gain": 0.4}, "gain is 0.4: choose a number from 0.5 to 2.0"),
    ({"gain": np.nan}, "gain is nan"),
    ({"gain": "1"}, "gain is '1'"),
    ({"steps": 18}, "steps is 18: choose a whole number from 10 to T_max = 17"),
    ({"steps": 9}, "steps is 9"),
    ({"steps": 11.5}, "steps is 11.5"),
    ({"nonlinearity": "relu"}, "'relu': use one of 'tanh', 'none', 'sigmoid'"),
    ({"nonlinearity": None}, "nonlinearity is None"),
    ({"nonlinearity": ["tanh"]}, r"nonlinearity is \['tanh'\]"),
])
def test_bad_arguments_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        flow(**changes)


def test_traits_stay_inside_what_there_is():
    widget = flow()
    for name, value, kept in (("gain", 9, 2.0), ("gain", 0, 0.5), ("steps", 99, LONGEST),
                              ("steps", 0, 10), ("seed", 99, SEEDS - 1), ("seed", -1, 0)):
        setattr(widget, name, value)
        assert getattr(widget, name) == kept
    for name, value in (("matrix", "shear"), ("nonlinearity", "relu"), ("gain", np.nan)):
        before = getattr(widget, name)
        with pytest.raises(ValueError, match=f"{value}"):
            setattr(widget, name, value)
        assert getattr(widget, name) == before
    with pytest.raises(TraitError):
        widget.steps = "many"


def test_the_browser_sets_the_traits():
    widget = flow()
    widget.set_state({"gain": 1, "steps": 12, "seed": 2, "matrix": "orthogonal",
                      "nonlinearity": "sigmoid"})
    assert repr(widget).startswith("GradientFlow(sigmoid, gain 1.00, 12 steps, orthogonal, seed 2:")


# ---- display ----------------------------------------------------------------------------------


def test_repr_says_what_is_left():
    widget = flow()
    left = widget.norms()[0]
    assert repr(widget) == (
        f"GradientFlow(tanh, gain 1.00, 11 steps, Gaussian, seed 0: {left:.1e} at h_0)")


@pytest.mark.parametrize("nonlinearity", PHI)
def test_poster_tells_the_measured_numbers(nonlinearity):
    widget = flow(gain=0.5, nonlinearity=nonlinearity)
    picture = widget.poster()
    assert isinstance(picture, Picture)
    for number in (f"{widget.norms()[0]:.1e}", f"{widget.sigma():.2f}", f"{widget.rho():.2f}"):
        assert number in picture.alt
    data, metadata = widget._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == picture.alt
    assert data["text/plain"] == repr(widget)


def test_the_page_asks_nobody_and_cannot_be_broken_by_a_name():
    esm, css = bundle("gradient_flow")
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    evil = "</script><!-- <b>"
    page = flow(matrices={evil: arrays()["matrices"]["Gaussian"]}).static_html()
    assert page.count("</script>") == 1 and "<!--" not in page
