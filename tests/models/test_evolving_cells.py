"""Cells made from equations: what they compute, what mutation may do, and what selection does."""

import numpy as np
import pytest
import torch

from lecture_utils.gradcheck import assert_causal, assert_close
from lecture_utils.models import evolving_cells
from lecture_utils.models.evolving_cells import (
    LARGEST,
    EquationCell,
    check_equation,
    direct_slope,
    evolve,
    mutate,
    parts,
    spelled,
)
from lecture_utils.models.recurrent import unroll
from lecture_utils.models.rnn import RNNCell

B, T, D, H = 2, 5, 3, 7
RNN = ("tanh", "a")
GATED = ("+", ("*", ("sigma", "a"), "h"), ("*", ("1-", ("relu", "a")), ("tanh", "a")))

pytestmark = pytest.mark.usefixtures("float64")


def test_the_vanilla_rnn_is_one_of_them():
    ours, theirs = EquationCell(D, H, RNN), RNNCell(D, H)
    ours.b.data.normal_()
    theirs.W_xh.data, theirs.W_hh.data, theirs.b_h.data = ours.W_x.data, ours.W_h.data, ours.b.data
    xs = torch.randn(B, T, D)
    assert_close(unroll(ours, xs)[0], unroll(theirs, xs)[0], 1e-12)


def test_each_a_has_its_own_weights_from_left_to_right():
    cell = EquationCell(D, H, GATED)
    cell.b.data.normal_()
    x, h = torch.randn(B, D), torch.randn(B, H)
    a = [x @ cell.W_x[k * H : k * H + H].T + h @ cell.W_h[k * H : k * H + H].T
         + cell.b[k * H : k * H + H] for k in range(3)]  # fmt: skip
    expected = a[0].sigmoid() * h + (1 - a[1].relu()) * a[2].tanh()
    assert_close(cell(x, h), expected, 1e-12)
    other = a[1].sigmoid() * h + (1 - a[0].relu()) * a[2].tanh()
    assert (cell(x, h) - other).abs().max() > 0.01  # would notice an exchange
    assert_causal(lambda xs: unroll(cell, xs)[0], torch.randn(B, T, D))


@pytest.mark.parametrize(
    "equation, text",
    [
        (RNN, "tanh(a1)"),
        (GATED, "sigma(a1) * h + (1 - relu(a2)) * tanh(a3)"),
        (("+", "a", ("+", "h", "a")), "a1 + h + a2"),
        (("*", ("+", "a", "h"), "a"), "(a1 + h) * a2"),
        (("1-", ("1-", "a")), "1 - (1 - a1)"),
        (("1-", ("+", "a", "h")), "1 - (a1 + h)"),
        (("+", ("1-", "a"), "h"), "(1 - a1) + h"),
    ],
)
def test_spelled_as_python_would_read_it(equation, text):
    assert spelled(equation) == text
    cell = EquationCell(D, H, equation)
    x, h = torch.randn(B, D), torch.randn(B, H)
    rows = (x @ cell.W_x.T + h @ cell.W_h.T).chunk(parts(equation).count("a"), dim=1)
    names = {f"a{k + 1}": a for k, a in enumerate(rows)} | {"h": h}
    functions = {"tanh": torch.tanh, "sigma": torch.sigmoid, "relu": torch.relu}
    assert_close(cell(x, h), eval(text, functions | names), 1e-12)


def test_mutants_are_small_sound_and_differ_and_the_parent_stays():
    rng, equation, met = np.random.default_rng(0), GATED, set()
    for _ in range(400):
        mutant = mutate(equation, rng)
        check_equation(mutant)
        assert mutant != equation and len(parts(mutant)) <= LARGEST
        equation = mutant
        met.update(parts(mutant))
    assert met == {"tanh", "sigma", "relu", "1-", "+", "*", "a", "h"}
    assert spelled(GATED) == "sigma(a1) * h + (1 - relu(a2)) * tanh(a3)"


def test_a_gate_can_be_reached_from_the_vanilla_rnn():
    rng = np.random.default_rng(0)
    near = {mutate(RNN, rng) for _ in range(3000)}
    assert ("+", "h", RNN) in near and ("+", RNN, ("sigma", "a")) in near


@pytest.mark.parametrize(
    "equation, slope",
    [(RNN, 0), (("+", "h", "a"), 1), (("1-", ("*", ("sigma", "a"), "h")), -0.5), (GATED, 0.5)],
)
def test_what_h_keeps_of_itself(equation, slope):
    assert direct_slope(equation) == pytest.approx(slope, abs=0.01)


def small_is_good(equation):
    return -abs(len(parts(equation)) - 9)


def test_selection_climbs_and_without_it_children_come_from_the_newest():
    chosen = list(evolve(RNN, small_is_good, 40, np.random.default_rng(1), keep=3))
    assert len(chosen) == 41 and chosen[0].parent is None and chosen[0].equation == RNN
    assert max(child.score for child in chosen) == 0
    assert len({child.equation for child in chosen}) == 41
    kept = [chosen[0]]
    for child in chosen[1:]:  # every parent was among the three best at its time
        assert child.parent in {one.equation for one in kept}
        kept = sorted([child, *kept], key=lambda one: -one.score)[:3]
    drift = list(evolve(RNN, small_is_good, 40, np.random.default_rng(1), keep=3, select=False))
    for number, child in enumerate(drift[1:], 1):
        assert child.parent in {one.equation for one in drift[max(0, number - 3) : number]}


def test_the_parent_is_the_cell_that_was_mutated(monkeypatch):
    """Where a mutant has been tried before, mutation goes on, and the parent stays the first."""
    asked = []
    monkeypatch.setattr(
        evolving_cells, "mutate", lambda e, rng: asked.append(e) or mutate(e, rng)
    )
    before, walks = 0, 0
    for child in evolve(RNN, small_is_good, 60, np.random.default_rng(2), keep=1):
        if child.parent is not None:
            assert asked[before] == child.parent
            walks += len(asked) - before > 1
        before = len(asked)
    assert walks > 0


def test_same_seed_same_family():
    one, two = (
        [c.equation for c in evolve(RNN, small_is_good, 20, np.random.default_rng(5))]
        for _ in range(2)
    )
    assert one == two


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: EquationCell(D, H, "h"), "never reads the input"),
        (lambda: EquationCell(D, H, ("tan", "a")), r"\('tan', 'a'\) is no part"),
        (lambda: EquationCell(D, H, ("+", "a")), "is no part of an equation"),
        (lambda: EquationCell(D, H, ("tanh", "x")), "'x' is no part"),
        (lambda: EquationCell(D, H, None), "None is no part"),
        (lambda: EquationCell(D, H, ()), r"\(\) is no part"),
        (lambda: EquationCell(0, H, RNN), "input_size is 0"),
        (lambda: EquationCell(D, H, RNN)(torch.zeros(B, D), torch.zeros(1, H)), "EquationCell"),
        (lambda: mutate("h", np.random.default_rng(0)), "never reads"),
        (lambda: next(evolve(RNN, small_is_good, 0, None)), "children is 0"),
        (lambda: next(evolve(RNN, small_is_good, 5, None, keep=0)), "keep is 0"),
        (lambda: next(evolve(RNN, lambda e: float("nan"), 5, None)), r"tanh\(a1\) is nan: give"),
        (lambda: next(evolve(RNN, lambda e: None, 5, None)), r"tanh\(a1\) is None"),
    ],
)
def test_bad_input_is_refused(call, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        call()
