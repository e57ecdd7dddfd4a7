"""The cell programmer without a browser: its numbers, its checks, its poster."""

import numpy as np
import pytest
import torch
from traitlets import TraitError

from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import unroll
from lecture_utils.trace import trace
from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets import CellProgrammer
from lecture_utils.visual.widgets.base import bundle

SOLUTION = {"b_i": -6, "w_i": 12, "b_f": 6, "w_f": -12, "w_g": 6, "b_o": 6}
ODD = {"b_i": -1.5, "w_i": 2.5, "b_f": 0.5, "w_f": -3, "w_g": 1.7, "b_o": -0.5}


def arrays(N=3, T=7, seed=0, rate=0.3):
    random = np.random.default_rng(seed)
    markers = (random.random((N, T)) < rate).astype(int)
    markers[:, 0] = 1
    return random.uniform(-1, 1, (N, T)), markers


def programmer(values=None, markers=None, **settings):
    given = arrays()
    return CellProgrammer(given[0] if values is None else values,
                          given[1] if markers is None else markers, **settings)


# ---- the numbers ------------------------------------------------------------------------------


def lstm_run(w, values, markers):
    """The same cell as LSTMCell of the course: input (x, m), and no weight on h_{t-1}."""
    cell = LSTMCell(2, 1).double()
    cell.W.data = torch.tensor([  # columns h, x, m; rows i, f, o, g
        [0, 0, w["w_i"]], [0, 0, w["w_f"]], [0, 0, 0], [0, w["w_g"], 0]],
        dtype=torch.float64)
    cell.b.data = torch.tensor([w["b_i"], w["b_f"], w["b_o"], 0], dtype=torch.float64)
    with torch.no_grad(), trace() as log:
        unroll(cell, torch.tensor(np.stack([values, markers], axis=-1), dtype=torch.float64))
    return {name: torch.cat(list(log[name]), dim=1).numpy() for name in "ifogch"}


@pytest.mark.parametrize("weights", [ODD, SOLUTION, {"b_f": 12, "w_g": -4}, {}])
def test_the_run_is_that_of_the_lstm_cell(weights):
    widget = programmer(weights=weights)
    run, expected = widget.run(), lstm_run(widget.weights, *arrays())
    assert list(run) == list("ifogch")
    for name in run:
        assert run[name].shape == (3, 7)
        np.testing.assert_allclose(run[name], expected[name], rtol=1e-12, atol=1e-15)


def test_two_gates_exchanged_would_be_noticed():
    exchanged = ODD | {"b_i": ODD["b_f"], "w_i": ODD["w_f"], "b_f": ODD["b_i"], "w_f": ODD["w_i"]}
    assert not np.allclose(programmer(weights=exchanged).run()["c"],
                           lstm_run(ODD, *arrays())["c"], atol=0.01)


@pytest.mark.parametrize("weights", [ODD, SOLUTION, {}, {"w_g": -1}])
def test_score_and_margin_are_those_of_a_loop(weights):
    widget, (values, markers) = programmer(weights=weights), arrays()
    h, right, margin = widget.run()["h"], 0, 0.0
    for n in range(3):
        for t in range(7):
            if markers[n, t]:
                bit = 1 if values[n, t] > 0 else -1
            assert widget.targets()[n, t] == bit
            right += (h[n, t] > 0) if bit == 1 else (h[n, t] < 0)
            margin += h[n, t] * bit
    assert widget.score() == pytest.approx(right / 21, abs=1e-15)
    assert widget.margin() == pytest.approx(margin / 21, abs=1e-15)


def test_an_h_of_zero_is_wrong():
    widget = programmer(weights={"w_g": 0})
    assert (widget.run()["h"] == 0).all()
    assert widget.score() == 0 and widget.margin() == 0


def test_a_sign_turned_round_mirrors_the_score():
    right, turned = programmer(weights=SOLUTION), programmer(weights=SOLUTION | {"w_g": -6})
    assert right.score() + turned.score() == pytest.approx(1)
    assert right.margin() + turned.margin() == pytest.approx(0)


@pytest.mark.parametrize("seed", range(5))
def test_the_solution_latches_and_no_starting_point_does(seed):
    given = arrays(200, 50, seed=100 + seed, rate=0.1)
    widget = CellProgrammer(*given, weights=SOLUTION)
    assert widget.score() >= 0.98
    assert widget.margin() > 0.6
    for start in ({}, {"b_f": 10}, {"b_f": -10, "b_i": 10}):
        assert 0.5 < CellProgrammer(*given, weights=start).score() < 0.7
    # Each half of the program alone is not enough.
    for missing in ("w_i", "w_f"):
        assert CellProgrammer(*given, weights=SOLUTION | {missing: 0}).score() < 0.9


def test_extremes_stay_numbers():
    values, markers = arrays(1, 120)
    for sign in (-12, 12):
        widget = CellProgrammer(np.ones_like(values), markers,
                                weights=dict.fromkeys(SOLUTION, sign))
        assert np.isfinite(widget.run()["c"]).all()
    assert widget.run()["c"][0, -1] == pytest.approx(120, rel=1e-3)  # it only adds up


def test_what_is_given_is_kept():
    widget = programmer(weights={"b_f": 2})
    assert widget.weights == {"b_i": 0, "w_i": 0, "b_f": 2, "w_f": 0, "w_g": 1, "b_o": 0}
    tensors = CellProgrammer(torch.tensor(arrays()[0], requires_grad=True),
                             torch.tensor(arrays()[1]).bool(), weights={"b_f": 2})
    np.testing.assert_array_equal(tensors.run()["c"], widget.run()["c"])


# ---- what is refused --------------------------------------------------------------------------


def with_value(which, place, value):
    changed = [array.astype(float) for array in arrays()]
    changed[which][place] = value
    return dict(zip(("values", "markers"), changed))


@pytest.mark.parametrize("changes, said", [
    ({"values": [[1, 2], [3]]}, "values is not an array of numbers"),
    ({"values": np.ones(7)}, r"values has shape \(7,\): it must be \(N, T\)"),
    ({"markers": np.ones((3, 6))}, r"markers has shape \(3, 6\), values \(3, 7\)"),
    ({"values": np.ones((0, 7)), "markers": np.ones((0, 7))}, "N = 0 sequences"),
    ({"values": np.ones((501, 7)), "markers": np.ones((501, 7))}, "N = 501 .* takes 1 to 500"),
    ({"values": np.ones((2, 4)), "markers": np.ones((2, 4))}, "T = 4 steps: .* 5 to 120"),
    ({"values": np.ones((2, 121)), "markers": np.ones((2, 121))}, "T = 121"),
    (with_value(0, (1, 2), 1.5), r"values holds 1.5 at \[1, 2\]: .*\[-1, 1\], so scale"),
    (with_value(0, (1, 2), np.nan), r"values holds nan at \[1, 2\]"),
    (with_value(0, (2, 0), -np.inf), r"values holds -inf at \[2, 0\]"),
    (with_value(1, (1, 2), 0.5), r"markers holds 0.5 at \[1, 2\]: write 1 at a mark, else 0"),
    (with_value(1, (1, 2), np.nan), "markers holds nan"),
    (with_value(1, (1, 0), 0), r"sequence 1 is not marked at its first step.*markers\[:, 0\] = 1"),
    (with_value(0, (1, 0), 0), r"values holds 0 at \[1, 0\]: a marked value needs a sign"),
    ({"weights": [1, 2]}, r"weights is \[1, 2\]: give a dict"),
    ({"weights": {"w_o": 1}}, "no weight is called 'w_o': use one of b_i, w_i"),
    ({"weights": {"b_f": 12.5}}, "b_f is 12.5: choose a number from -12 to 12"),
    ({"weights": {"b_f": np.nan}}, "b_f is nan"),
    ({"weights": {"b_f": "2"}}, "b_f is '2'"),
])
def test_bad_arguments_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        programmer(**changes)


def test_traits_stay_inside_what_there_is():
    widget = programmer()
    for value, kept in ((99, 2), (-1, 0), (1, 1)):
        widget.example = value
        assert widget.example == kept
    before = widget.weights
    with pytest.raises(ValueError, match="'w_x'"):
        widget.weights = {"w_x": 1}
    with pytest.raises(TraitError):
        widget.weights = "solved"
    assert widget.weights == before
    widget.weights = {"b_f": 3}  # the others are as at the beginning
    assert widget.weights == before | {"b_f": 3}


def test_the_browser_sets_the_traits():
    widget = programmer()
    widget.set_state({"weights": SOLUTION, "example": 2})
    assert widget.weights == SOLUTION and widget.example == 2
    assert all(type(value) is float for value in widget.weights.values())


# ---- display ----------------------------------------------------------------------------------


def test_repr_says_the_score():
    one = CellProgrammer(np.full((1, 8), 0.5), np.ones((1, 8)))
    assert repr(one) == "CellProgrammer(1 sequence of 8 steps: right at 100% of the steps)"
    none = CellProgrammer(np.full((2, 8), 0.5), np.ones((2, 8)), weights={"w_g": -1})
    assert repr(none) == "CellProgrammer(2 sequences of 8 steps: right at 0% of the steps)"
    nearly = np.full((50, 100), 0.5)
    nearly[7, 7] = -1  # not marked, and c turns negative for one step
    marked = np.zeros((50, 100))
    marked[:, 0] = 1
    widget = CellProgrammer(nearly, marked, weights={"b_f": -10, "b_i": 10})
    assert "right at 99.9% of the steps" in repr(widget)  # 99.98 % is not all


@pytest.mark.parametrize("weights", [{}, SOLUTION])
def test_poster_tells_the_measured_numbers(weights):
    widget = programmer(weights=weights)
    widget.example = 1
    picture = widget.poster()
    assert isinstance(picture, Picture)
    share = repr(widget).split("right at ")[1].split(" of")[0]
    right = int((np.sign(widget.run()["h"]) == widget.targets())[1].sum())
    for part in (f"right at {share}", f"{widget.margin():.2f}", f"at {right} of 7 steps"):
        assert part in picture.alt
    data, metadata = widget._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == picture.alt
    assert data["text/plain"] == repr(widget)


def test_the_page_asks_nobody():
    esm, css = bundle("cell_programmer")
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    assert programmer().static_html().count("</script>") == 1
