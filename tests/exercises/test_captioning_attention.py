"""Lesson 09: the answers against independent witnesses, and what is said of what learners write."""

import inspect
import math

import numpy as np
import pytest
import torch

from lecture_utils.exercises import captioning_attention as ex
from lecture_utils.exercises.exercise import STRICT_VARIABLE, Exercise
from lecture_utils.models import captioner
from lecture_utils.models.attention import AdditiveAttention

EXERCISES = {name: v for name, v in vars(ex).items() if isinstance(v, Exercise)}


# one step of attention ---------------------------------------------------------------------------


def place_by_place(h, a, W_a, W_h, w):
    e = [sum(w * np.tanh(W_a @ place + W_h @ h)) for place in a]
    weights = [math.exp(each - max(e)) for each in e]
    alpha = np.array(weights) / sum(weights)
    return alpha, sum(share * place for share, place in zip(alpha, a))


def of_the_package(h, a, W_a, W_h, w):
    attention = AdditiveAttention(a.shape[1], len(h), len(w)).double()
    with torch.no_grad():
        for name, weight in dict(W_a=W_a, W_h=W_h, w=w).items():
            getattr(attention, name).copy_(torch.as_tensor(weight))
        z, alpha = attention(torch.as_tensor(h)[None], torch.as_tensor(a)[None])
    return alpha[0].numpy(), z[0].numpy()


def through_logarithms(h, a, W_a, W_h, w):
    e = w @ np.tanh(W_a @ a.T + (W_h @ h)[:, None])
    alpha = np.exp(e - np.logaddexp.reduce(e))
    return [alpha, (alpha[:, None] * a).sum(axis=0)]


def with_einsum(h, a, W_a, W_h, w):
    layer = np.tanh(np.einsum("ld,kd->lk", a, W_a) + np.einsum("kh,h->k", W_h, h))
    alpha = torch.softmax(torch.tensor(np.einsum("lk,k->l", layer, w)), dim=0).numpy()
    return alpha, np.einsum("l,ld->d", alpha, a)


@pytest.mark.parametrize("way", [
    place_by_place, of_the_package, through_logarithms, with_einsum,
])  # fmt: skip
def test_every_way_to_attend_is_right(way):
    assert ex.attention_step.judge(way) is None


def test_attention_takes_other_sizes_too():
    rng = np.random.default_rng(0)
    case = [rng.standard_normal(shape) for shape in [(4,), (7, 3), (5, 3), (5, 4), (5,)]]
    for got, want in zip(ex.attention_step(*case), of_the_package(*case)):
        assert np.allclose(got, want, atol=1e-12)


def naive(h, a, W_a, W_h, w, e=None):
    with np.errstate(all="ignore"):
        e = np.tanh(a @ W_a.T + W_h @ h) @ w if e is None else e
        weights = np.exp(e)
        alpha = weights / weights.sum()
        return alpha, alpha @ a


def naive_by_math(h, a, W_a, W_h, w):
    weights = [math.exp(each) for each in np.tanh(a @ W_a.T + W_h @ h) @ w]
    alpha = np.array(weights) / sum(weights)
    return alpha, alpha @ a


def naive_and(change):
    """Two mistakes at once: change(h, a, W_a, W_h, w) are the scores."""
    return lambda *case: naive(*case, e=change(*case))


def read(change):
    """Right alpha, and z = change(alpha, a)."""

    def attempt(h, a, W_a, W_h, w):
        alpha = place_by_place(h, a, W_a, W_h, w)[0]
        return alpha, change(alpha, a)

    return attempt


def along_axis_1(h, a, W_a, W_h, w):
    e = np.tanh(a @ W_a.T + W_h @ h) @ w[:, None]
    alpha = np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)
    return alpha, (alpha * a).sum(axis=0)


def over_the_features(h, a, W_a, W_h, w):
    alpha = torch.softmax(torch.tensor(np.tanh(a @ W_a.T + W_h @ h)), dim=1).numpy() @ w
    return alpha, alpha @ a


@pytest.mark.parametrize("attempt, said", [
    (naive, "np.exp overflows from 710 on"),
    (naive_by_math, "np.exp overflows from 710 on"),
    (naive_and(lambda h, a, W_a, W_h, w: (a @ W_a.T + W_h @ h) @ w), "There is no tanh"),
    (naive_and(lambda h, a, W_a, W_h, w: np.tanh(a @ W_a.T) @ w), "alpha does not depend on h"),
    (naive_and(lambda h, a, W_a, W_h, w: (np.tanh(a @ W_a.T) + np.tanh(W_h @ h)) @ w),
     "or it is outside the tanh"),
    (naive_and(lambda h, a, W_a, W_h, w: np.tanh(a @ W_a + W_h @ h) @ w), "W_a is transposed"),
    (naive_and(lambda h, a, W_a, W_h, w: np.tanh(a @ W_a.T + h @ W_h) @ w), "W_h is transposed"),
    (naive_and(lambda h, a, W_a, W_h, w: -np.tanh(a @ W_a.T + W_h @ h) @ w), "The sign of the sc"),
    (over_the_features, "The softmax runs along the wrong axis"),
    (read(lambda alpha, a: np.mean(a, axis=0)), "z is the mean of all a_i"),
    (read(lambda alpha, a: np.mean(alpha[:, None] * a, axis=0)), "z is divided by the number of p"),
    (read(lambda alpha, a: alpha[:, None] * a), "these are its terms"),
    (read(lambda alpha, a: a[np.argmax(alpha)]), "that is hard attention"),
    (read(lambda alpha, a: alpha), "`z` differs: "),
    (lambda *case: place_by_place(*case)[::-1], "in another order: return alpha, z."),
    (lambda *case: place_by_place(*case)[0], "It returns an ndarray; return two values: alpha, z."),
    (lambda h, a, *_: (np.zeros(len(a)), np.zeros(len(h))), "`alpha` differs: it is 0 at [0]"),
    (lambda *case: map(torch.as_tensor, of_the_package(*case)), "It returns a map; return two"),
    (lambda *case: [*map(torch.as_tensor, of_the_package(*case))], "a PyTorch tensor; this lesson"),
    (lambda h, a, W_a, W_h, w: W_a @ a, "It raised ValueError: matmul"),
    (lambda h, a: (h, a), "Its arguments are (h, a), and should be (h, a, W_a, W_h, w)"),
    (lambda *case: 1 / 0, "It raised ZeroDivisionError"),
    (lambda *case: math.exp(1e6), "It raised OverflowError"),
])  # fmt: skip
def test_what_is_wrong_with_attention_is_said(attempt, said):
    verdict = ex.attention_step.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


def test_a_softmax_along_axis_1_makes_every_alpha_1():
    mistake = next(m for m in ex.attention_step.mistakes if "scores (L, 1)" in m)
    assert np.all(along_axis_1(*ex.attention_step.cases[0])[0] == 1)
    with np.errstate(all="ignore"):
        assert ex.attention_step.judge(along_axis_1) == f"not yet. {mistake}"


def test_the_cases_of_attention_overflow_for_whoever_does_not_subtract():
    finite = [bool(np.isfinite(naive(*case)[0]).all()) for case in ex.attention_step.cases]
    assert finite == [True, True, True, False]
    for case in ex.attention_step.cases:
        alpha, z = ex.attention_step(*case)
        assert alpha.sum() == pytest.approx(1, abs=1e-12) and alpha.shape == (len(case[1]),)
        assert z.shape == case[1].shape[1:]


def test_a_grid_that_is_changed_in_place_is_noticed():
    def attempt(h, a, W_a, W_h, w):
        alpha = place_by_place(h, a, W_a, W_h, w)[0]
        a *= alpha[:, None]
        return alpha, a.sum(axis=0)

    said = "right, but it changes its argument `a` in place"
    assert ex.attention_step.judge(attempt).startswith(said)


# the doubly stochastic term ----------------------------------------------------------------------


def term_by_loops(alpha):
    T, L = alpha.shape
    return sum((1 - sum(alpha[t, i] for t in range(T))) ** 2 for i in range(L))


def term_of_the_package(alpha):
    real = torch.ones(1, len(alpha), dtype=torch.bool)
    return captioner.doubly_stochastic(torch.as_tensor(alpha)[None], real).item()


@pytest.mark.parametrize("way", [
    term_by_loops, term_of_the_package,
    lambda alpha: np.linalg.norm(1 - alpha.sum(0)) ** 2,
    lambda alpha: float(np.square(alpha.sum(axis=0) - 1).sum()),
    lambda alpha: (gap := 1 - np.ones(len(alpha)) @ alpha) @ gap,
])  # fmt: skip
def test_every_way_to_the_term_is_right(way):
    assert ex.doubly_stochastic.judge(way) is None


def test_the_term_can_be_computed_by_hand():
    """Looks at the places: 1, 0.75 and 0.25. The least is L (1 - T / L)^2, where all are alike."""
    assert ex.doubly_stochastic(*ex.doubly_stochastic.cases[0]) == 0.0625 + 0.5625
    assert ex.doubly_stochastic(np.full((2, 8), 1 / 8)) == pytest.approx(8 * (1 - 2 / 8) ** 2)
    assert ex.doubly_stochastic(np.eye(4)) == 0
    for (alpha,) in ex.doubly_stochastic.cases:
        assert np.allclose(alpha.sum(axis=1), 1)


@pytest.mark.parametrize("attempt, said", [
    (lambda alpha: sum((1 - row.sum()) ** 2 for row in alpha), "That is always 0"),
    (lambda alpha: np.square((1 - sum(alpha)).sum()), "The square is outside"),
    (lambda alpha: np.mean((1 - sum(alpha)) ** 2), "That is the mean over the places"),
    (lambda alpha: np.sum((1 - np.mean(alpha, axis=0)) ** 2), "The mean over the words"),
    (lambda alpha: np.sum((1 - alpha) ** 2), "each alpha was compared with 1"),
    (lambda alpha: np.linalg.norm(1 - sum(alpha)), "There is a root too many"),
    (lambda alpha: np.abs(1 - sum(alpha)).sum(), "That is the sum of |1 - sum|"),
    (lambda alpha: (1 - sum(alpha)) ** 2, "That is one number for each place"),
    (lambda alpha: np.sum((1 - alpha.T.sum(axis=0)) ** 2), "That is always 0"),
    (lambda alpha: torch.tensor(term_by_loops(alpha)), "call .item()"),
    (lambda alpha: None, "Replace the `...`"),
    (lambda alpha: print(end=""), "it is None. Is a `return` missing?"),
    (lambda alpha: np.sum((1 - alpha.sum(axis=2)) ** 2), "It raised AxisError"),
])  # fmt: skip
def test_what_is_wrong_with_the_term_is_said(attempt, said):
    verdict = ex.doubly_stochastic.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


# is it looking there? ----------------------------------------------------------------------------


def mass_pixel_by_pixel(alpha, box):
    x0, y0, x1, y1 = box
    pixels = [(x, y) for x in range(64) for y in range(64) if x0 <= x < x1 and y0 <= y < y1]
    return sum(alpha[y // 8, x // 8] / 64 for x, y in pixels)


def mass_by_overlap(alpha, box):
    """How much of each row and each column of cells is in the box, in eighths."""
    x0, y0, x1, y1 = box
    starts = 8 * np.arange(8)
    columns = np.clip(np.minimum(starts + 8, x1) - np.maximum(starts, x0), 0, 8) / 8
    rows = np.clip(np.minimum(starts + 8, y1) - np.maximum(starts, y0), 0, 8) / 8
    return rows @ alpha @ columns


def mass_with_torch(alpha, box):
    x0, y0, x1, y1 = box
    grid = torch.as_tensor(alpha)[None, None]
    pixels = torch.nn.functional.interpolate(grid, scale_factor=8, mode="nearest")[0, 0] / 64
    return pixels[y0:y1, x0:x1].sum().item()


def mass_with_a_mask(alpha, box):
    x0, y0, x1, y1 = box
    mask = np.zeros((64, 64))
    mask[y0:y1, x0:x1] = 1
    return (alpha * mask.reshape(8, 8, 8, 8).mean(axis=(1, 3))).sum()


@pytest.mark.parametrize("way", [
    mass_pixel_by_pixel, mass_by_overlap, mass_with_torch, mass_with_a_mask,
    lambda alpha, box: mass_pixel_by_pixel(alpha, box) / alpha.sum(),
])  # fmt: skip
def test_every_way_to_the_mass_is_right(way):
    assert ex.mass_in_box.judge(way) is None


def test_the_mass_of_even_attention_is_chance_and_all_of_it_is_1():
    for alpha, box in ex.mass_in_box.cases:
        assert alpha.shape == (8, 8) and alpha.sum() == pytest.approx(1, abs=1e-12)
        x0, y0, x1, y1 = box
        area = (x1 - x0) * (y1 - y0) / 64**2
        assert 0 <= x0 < x1 <= 64 and 0 <= y0 < y1 <= 64
        assert ex.mass_in_box(np.full((8, 8), 1 / 64), box) == pytest.approx(area, abs=1e-12)
        assert ex.mass_in_box(alpha, (0, 0, 64, 64)) == pytest.approx(1, abs=1e-12)
    # Of row 2, column 5 (x 40 to 47, y 16 to 23) five columns and six rows are in the box.
    assert ex.mass_in_box(*ex.mass_in_box.cases[1]) == pytest.approx(5 * 6 / 64)


def test_no_edge_of_a_box_goes_through_the_middle_of_a_cell():
    """Or a middle would be in the box or not, by how the middle of eight pixels is counted."""
    for _, box in ex.mass_in_box.cases:
        assert all(edge % 8 != 4 for edge in box)


def middles(alpha, box, middle=3.5):
    x0, y0, x1, y1 = box
    return sum(
        alpha[i, j]
        for i in range(8)
        for j in range(8)
        if x0 <= 8 * j + middle < x1 and y0 <= 8 * i + middle < y1
    )


def rounded(alpha, box):
    x0, y0, x1, y1 = (np.array(box) / 8).round().astype(int)
    return alpha[y0:y1, x0:x1].sum()


def end_inclusive(alpha, box):
    x0, y0, x1, y1 = box
    return sum(
        alpha[y // 8, x // 8] / 64
        for y in range(y0, min(y1, 63) + 1)
        for x in range(x0, min(x1, 63) + 1)
    )


@pytest.mark.parametrize("attempt, said", [
    (middles, "if its middle is in the box"),
    (lambda alpha, box: middles(alpha, box, middle=4), "if its middle is in the box"),
    (rounded, "as when the box is rounded to cells"),
    (lambda alpha, box: alpha[box[1] // 8 : box[3] // 8, box[0] // 8 : box[2] // 8].sum(),
     "rounded down"),
    (lambda alpha, box: mass_by_overlap(alpha.T, box), "x and y are swapped"),
    (lambda alpha, box: mass_by_overlap(alpha, (box[1], box[0], box[3], box[2])), "x and y are"),
    (end_inclusive, "The end of the box is counted, too"),
    (lambda alpha, box: 64 * mass_by_overlap(alpha, box), "divide by 64"),
    (lambda alpha, box: 1 - mass_by_overlap(alpha, box), "That is what lies outside the box"),
    (lambda alpha, box: mass_by_overlap(alpha[::-1], box), "it needs no turning"),
    (lambda alpha, box: 0.0, "`mass` differs: it is 0, expected 0.125."),
    (lambda alpha, box: alpha[box], "It raised IndexError"),
    (lambda alpha, box: box.mean(), "It raised AttributeError"),
    (lambda alpha, x0, y0, x1, y1: 0, "Its arguments are (alpha, x0, y0, x1, y1), and should"),
    (lambda alpha, box: torch.tensor(mass_by_overlap(alpha, box)), "call .item()"),
])  # fmt: skip
def test_what_is_wrong_with_the_mass_is_said(attempt, said):
    verdict = ex.mass_in_box.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


def test_a_map_that_is_changed_in_place_is_noticed():
    def attempt(alpha, box):
        mass = mass_by_overlap(alpha, box)
        alpha /= 64
        return mass

    said = "right, but it changes its argument `alpha` in place"
    assert ex.mass_in_box.judge(attempt).startswith(said)


# Nonsense, and mistakes --------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_a_mistake_is_known_by_its_name(exercise):
    assert exercise.judge(exercise.reference) is None
    assert len(exercise.mistakes) >= 12
    for message, wrong in exercise.mistakes.items():
        assert exercise.judge(wrong) == f"not yet. {message}"
        assert len(message) < 250 and message[-1] in ".?)"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_stub_of_the_notebook_is_told_how_to_go_on(exercise):
    names = ", ".join(inspect.signature(exercise.reference).parameters)
    space = {}
    exec(f"def {exercise.name}({names}):\n    ...\n", space)
    assert exercise.judge(space[exercise.name]).startswith("not yet. Replace the `...`")


def endless(*arguments):
    return endless(*arguments)


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
@pytest.mark.parametrize("nonsense", [
    3, "text", dict, object(), lambda: 1, lambda *_: None, lambda *_: "text", lambda *_: len,
    lambda *_: (), lambda *_: np.zeros((9, 9, 9)), lambda *_: (np.zeros(0),) * 2,
    lambda *_: 10**400, lambda *_: {"alpha": 1}, lambda *_: (v for v in range(5)),
    lambda *_: [[1, 2], [3]], lambda *_: 1 / 0, endless, lambda *_: exit(),
    lambda *_: torch.zeros(3, device="meta"), lambda *_: (np.nan, np.nan), lambda *_: np.inf,
])  # fmt: skip
def test_nonsense_is_answered_and_the_reference_goes_on(exercise, nonsense, capsys, monkeypatch):
    monkeypatch.delenv(STRICT_VARIABLE, raising=False)
    assert exercise.check(nonsense) is exercise.reference
    said = capsys.readouterr().out
    assert said.startswith(f"{exercise.name}: not yet.")
    assert said.endswith("The cells below use the reference solution.\n")
