"""Lesson 06: the answers against independent witnesses, and what is said of what learners write."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu, rankdata
from sklearn.metrics import roc_auc_score

from lecture_utils.exercises import hidden_cells as ex
from lecture_utils.exercises.exercise import Exercise
from lecture_utils.trace import note, trace
from lecture_utils.training import probes

EXERCISES = {name: v for name, v in vars(ex).items() if isinstance(v, Exercise)}


# auc ---------------------------------------------------------------------------------------------


def auc_by_loops(values, labels):
    score, pairs = 0.0, 0
    for a, with_label in zip(values, labels):
        for b, other in zip(values, labels):
            if with_label and not other:
                pairs += 1
                score += 1.0 if a > b else 0.5 if a == b else 0.0
    return score / pairs


def auc_by_ranks(values, labels):
    n = labels.sum()
    return (rankdata(values)[labels].sum() - n * (n + 1) / 2) / (n * (len(labels) - n))


def auc_of_mann_and_whitney(values, labels):
    pairs = labels.sum() * (~labels).sum()
    return mannwhitneyu(values[labels], values[~labels], method="asymptotic").statistic / pairs


def auc_by_area(values, labels):
    """Under the curve of hits over false alarms, threshold by threshold."""
    levels = [np.inf, *np.unique(values)[::-1]]
    hits = [(values[labels] >= level).mean() for level in levels]
    alarms = [(values[~labels] >= level).mean() for level in levels]
    return np.trapezoid(hits, alarms) if hasattr(np, "trapezoid") else np.trapz(hits, alarms)


AUC_WAYS = {
    "loops": auc_by_loops,
    "ranks": auc_by_ranks,
    "scikit-learn": lambda values, labels: roc_auc_score(labels, values),
    "Mann-Whitney": auc_of_mann_and_whitney,
    "area": auc_by_area,
    "signs": lambda v, y: (1 + np.sign(np.subtract.outer(v[y], v[~y])).mean()) / 2,
    "of the package": lambda values, labels: probes.auc(values[:, None], labels)[0],
    "a Python float": lambda values, labels: float(ex.auc(values, labels)),
}


@pytest.mark.parametrize("way", AUC_WAYS)
def test_every_way_to_the_auc_is_right(way):
    assert ex.auc.judge(AUC_WAYS[way]) is None


def test_the_first_auc_can_be_counted_by_hand():
    """0.9 is above both others, 0.1 and 0.3 above one of them: 4 of 6 pairs."""
    assert ex.auc(*ex.auc.cases[0]) == pytest.approx(4 / 6, abs=1e-15)
    assert ex.auc(*ex.auc.cases[-1]) == 0.5


def test_the_cases_of_the_auc_have_ties_and_low_cells_and_unequal_counts():
    ties, scores = [], []
    for values, labels in ex.auc.cases:
        ties.append(len({*values[labels]} & {*values[~labels]}))
        scores.append(ex.auc(values, labels))
        assert labels.sum() != (~labels).sum()
    assert 0 in ties and max(ties) >= 3
    assert min(scores) < 0.4 and max(scores) > 0.6


@pytest.mark.parametrize("attempt, said", [
    (lambda v, y: (v[y][:, None] >= v[~y]).mean(), "With >= they count a whole one"),
    (lambda v, y: (v[y][:, None] > v[~y]).mean(), "Yours count nothing"),
    (lambda v, y: 1 - roc_auc_score(y, v), "The two places are swapped, and that is 1 - AUC"),
    (lambda v, y: abs(roc_auc_score(y, v) - 0.5) + 0.5, "It never goes below 0.5"),
    (lambda v, y: auc_by_ranks(v, y) * y.sum() * (~y).sum() / len(v) ** 2, "Divided by T^2"),
    (lambda v, y: v[y].mean() - v[~y].mean(), "difference of the two means"),
    (lambda v, y: (v[y][:, None] > v[~y]), "its shape is (3, 2), expected a single number"),
    (lambda v, y: (v[y] > v[-y]).mean(), "It raised TypeError"),
    (lambda v, y: (v[y] > v[~y]).mean(), "It raised ValueError: operands could not be broadcast"),
    (lambda v: 0.5, "Its arguments are (v), and should be (values, labels)"),
    (lambda v, y: "0.5", "it is a string, expected numbers"),
])  # fmt: skip
def test_what_is_wrong_with_an_auc_is_said(attempt, said):
    verdict = ex.auc.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


# find_cell ---------------------------------------------------------------------------------------


def find_cell_cell_by_cell(values, labels):
    """With an AUC of one's own, for one cell at a time."""
    half = len(labels) // 2
    best, cell, low = -1.0, None, None
    for k in range(values.shape[1]):
        score = auc_by_loops(values[:half, k], labels[:half])
        if abs(score - 0.5) > best:
            best, cell, low = abs(score - 0.5), k, score < 0.5
    score = auc_by_loops(values[half:, cell], labels[half:])
    return cell, 1 - score if low else score


def find_cell_by_turning_the_cell(values, labels):
    """The sign is turned, not the score: then ties need no care."""
    half = len(labels) // 2
    seen = [roc_auc_score(labels[:half], column) for column in values[:half].T]
    cell = max(range(len(seen)), key=lambda k: max(seen[k], 1 - seen[k]))
    sign = 1 if seen[cell] > 0.5 else -1
    return [np.int64(cell), roc_auc_score(labels[half:], sign * values[half:, cell])]


def find_cell_of_the_package(values, labels):
    rng = np.random.default_rng(0)
    survey = probes.find_cells(values, {"it": labels}, rng, draws=19, block=1, resamples=5)
    return survey.found[0].cell, survey.found[0].score


def find_cell_with_the_exercise(values, labels):
    """As in the notebook, where `auc` is the learner's own or the reference."""
    half, scores = len(values) // 2, []
    for k in range(values.shape[1]):
        scores.append(ex.auc(values[:half, k], labels[:half]))
    cell = int(np.argmax(np.abs(np.array(scores) - 0.5)))
    score = ex.auc(values[half:, cell], labels[half:])
    return cell, score if scores[cell] > 0.5 else 1 - score


@pytest.mark.parametrize("way", [
    find_cell_cell_by_cell, find_cell_by_turning_the_cell, find_cell_of_the_package,
    find_cell_with_the_exercise,
])  # fmt: skip
def test_every_way_to_the_cell_is_right(way):
    assert ex.find_cell.judge(way) is None


def test_the_cases_of_find_cell_tell_high_from_low_and_luck_from_knowledge():
    chosen, scores = [], []
    for values, labels in ex.find_cell.cases:
        seen = probes.auc(values[: len(values) // 2], labels[: len(labels) // 2])
        far = np.sort(np.abs(seen - 0.5))
        assert far[-1] - far[-2] > 0.01  # no draw that rounding decides
        cell, score = ex.find_cell(values, labels)
        chosen.append(seen[cell] > 0.5)
        scores.append(score)
    assert chosen == [True, False, True, False]
    assert [score > 0.5 for score in scores] == [True, True, False, False]
    assert {len(values) % 2 for values, _ in ex.find_cell.cases} == {0, 1}


def halves(values, labels):
    half = len(values) // 2
    return probes.auc(values[:half], labels[:half]), probes.auc(values[half:], labels[half:])


def optimist(values, labels):
    scores = probes.auc(values, labels)
    turned = np.maximum(scores, 1 - scores)
    return turned.argmax(), turned.max()


def direction_from_the_second_half(values, labels):
    seen, unseen = halves(values, labels)
    cell = np.maximum(seen, 1 - seen).argmax()
    return cell, max(unseen[cell], 1 - unseen[cell])


def only_high(values, labels):
    seen, unseen = halves(values, labels)
    return seen.argmax(), unseen[seen.argmax()]


def not_turned(values, labels):
    seen, unseen = halves(values, labels)
    cell = np.abs(seen - 0.5).argmax()
    return cell, unseen[cell]


@pytest.mark.parametrize("attempt, said", [
    (optimist, "Chosen and scored on the same text, all of it"),
    (direction_from_the_second_half, "Its direction comes from the second half"),
    (only_high, "Only high cells are found"),
    (not_turned, "then the score is 1 - AUC"),
    (lambda v, y: ex.find_cell(v[::-1], y[::-1]), "differs"),
    (lambda v, y: ex.find_cell(v, y)[::-1], "in another order: return cell, score."),
    (lambda v, y: ex.find_cell(v, y)[0], "It returns an int; return two values: cell, score."),
    (lambda v, y: (float(ex.find_cell(v, y)[0]), 0.5), "should be an integer"),
    (lambda v, y: probes.auc(v[:5], y), "It raised "),
])  # fmt: skip
def test_what_is_wrong_with_a_cell_that_was_found_is_said(attempt, said):
    verdict = ex.find_cell.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


# with_temperature --------------------------------------------------------------------------------


def tempered_by_math(logits, temperature):
    largest = max(logits)
    weights = [math.exp((z - largest) / temperature) for z in logits]
    return np.array([w / sum(weights) for w in weights])


def tempered_through_logarithms(logits, temperature):
    z = logits / temperature
    return np.exp(z - np.logaddexp.reduce(z))


def tempered_probabilities(logits, temperature):
    """p ** (1 / T), made to add up to 1 again, is the same."""
    p = torch.softmax(torch.tensor(logits), 0).numpy() ** (1 / temperature)
    return p / p.sum()


def tempered_by_gaps(logits, temperature):
    """1 over the sum of exp of all gaps: what overflows here is 0 in the end."""
    with np.errstate(over="ignore"):
        return 1 / np.exp((logits - logits[:, None]) / temperature).sum(axis=1)


@pytest.mark.parametrize("way", [
    tempered_by_math, tempered_through_logarithms, tempered_probabilities, tempered_by_gaps,
    lambda logits, T: torch.softmax(torch.tensor(logits) / T, dim=0).numpy(),
])  # fmt: skip
def test_every_way_to_the_probabilities_is_right(way):
    assert ex.with_temperature.judge(way) is None


def naive(logits, temperature):
    with np.errstate(all="ignore"):
        weights = np.exp(logits / temperature)
        return weights / weights.sum()


def naive_by_math(logits, temperature):
    weights = [math.exp(z / temperature) for z in logits]
    return np.array([w / sum(weights) for w in weights])


def naive_with_zeros(logits, temperature):
    return np.nan_to_num(naive(logits, temperature))


def naive_and_multiplied(logits, temperature):
    return naive(logits, 1 / temperature)


def naive_and_divided_afterwards(logits, temperature):
    return naive(logits, 1.0) / temperature


def naive_in_base_2(logits, temperature):
    with np.errstate(all="ignore"):
        weights = 2 ** (logits / temperature)
        return weights / weights.sum()


@pytest.mark.parametrize("attempt, said", [
    (naive, "np.exp overflows from 710 on"),
    (naive_by_math, "np.exp overflows from 710 on"),
    (naive_and_multiplied, "You multiply, so that hot and cold change places"),
    (naive_and_divided_afterwards, "The temperature comes after the softmax, so that the sum is"),
    (naive_in_base_2, "powers of e, np.exp, not of 2"),
    (naive_with_zeros, "`probabilities` differs: it is 0 at [0], expected "),
    (lambda z, T: naive(z, T) * np.nan, "`probabilities` differs: it is nan at [0], expected 0."),
    (lambda z, T: 1 / 0, "It raised ZeroDivisionError"),
    (lambda z, T: math.exp(1e6), "It raised OverflowError"),
    (lambda z, T: torch.softmax(torch.tensor(z) / T, 0), "call .numpy()"),
    (lambda z, T: tempered_by_math(z, T).tolist(), "a list, expected a NumPy array"),
    (lambda z, T: ex.with_temperature(z, T).max(), "it is a float64, expected a NumPy array of"),
])  # fmt: skip
def test_what_is_wrong_with_the_probabilities_is_said(attempt, said):
    verdict = ex.with_temperature.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


def test_the_cases_of_the_softmax_overflow_for_whoever_does_not_subtract():
    finite = [bool(np.isfinite(naive(*case)).all()) for case in ex.with_temperature.cases]
    assert finite == [True, True, True, True, False, False]
    assert max(z.max() for z, _ in ex.with_temperature.cases) == 1000
    assert min(T for _, T in ex.with_temperature.cases) == 0.01
    for logits, temperature in ex.with_temperature.cases:
        p = ex.with_temperature(logits, temperature)
        assert p.sum() == pytest.approx(1, abs=1e-12) and p.shape == logits.shape


def test_logits_that_are_divided_in_place_are_noticed():
    def attempt(logits, temperature):
        logits /= temperature
        return tempered_by_math(logits, 1)

    said = "right, but it changes its argument `logits` in place"
    assert ex.with_temperature.judge(attempt).startswith(said)


# hold --------------------------------------------------------------------------------------------


def hold_by_choosing(cell, value):
    def change(c):
        return torch.where(torch.arange(c.shape[1]) == cell, value, c)

    return change


def hold_by_joining(cell, value):
    def change(c):
        column = torch.full_like(c[:, :1], value)
        return torch.cat([c[:, :cell], column, c[:, cell + 1 :]], dim=1)

    return change


def hold_by_masking(cell, value):
    def change(c):
        mask = torch.zeros_like(c)
        mask[:, cell] = 1
        return c * (1 - mask) + value * mask

    return change


def hold_row_by_row(cell, value):
    def change(states):
        rows = [[value if k == cell else x for k, x in enumerate(row)] for row in states]
        return torch.stack([
            torch.stack([torch.as_tensor(x, dtype=states.dtype) for x in row]) for row in rows
        ])

    return change


class HoldAsAClass:
    def __init__(self, cell, value):
        self.cell, self.value = cell, value

    def __call__(self, c):
        return c.index_fill(1, torch.tensor([self.cell]), self.value)


@pytest.mark.parametrize("way", [
    hold_by_choosing, hold_by_joining, hold_by_masking, hold_row_by_row, HoldAsAClass,
    lambda k, v: lambda c: c.masked_fill(torch.arange(c.shape[1]) == k, v),
    lambda k, v: lambda c: c.select_scatter(torch.full_like(c[:, k], v), 1, k),
])  # fmt: skip
def test_every_way_to_hold_a_cell_is_right(way):
    assert ex.hold.judge(way) is None


def test_what_hold_returns_can_be_given_to_a_trace():
    c = torch.arange(6.0).reshape(2, 3)
    with trace(change={"c": ex.hold(1, 0.5)}):
        held = note(c=c)
    assert held.tolist() == [[0.0, 0.5, 2.0], [3.0, 0.5, 5.0]]
    assert c.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def inner(change):
    return lambda cell, value: lambda c: change(c, cell, value)


def written(c, where, value):
    c[where] = value
    return c


def through_lists(c, k, v):
    rows = [[v if j == k else x for j, x in enumerate(row)] for row in c.tolist()]
    return torch.tensor(rows, dtype=c.dtype)


def without_gradient(c, k, v):
    with torch.no_grad():
        return written(c.clone(), (slice(None), k), v)


def without_a_copy(c, k, v):
    held = c
    held[:, k] = v
    return held


ALL = slice(None)
WRONG_HOLDS = {
    "in place": (inner(lambda c, k, v: c.index_fill_(1, torch.tensor([k]), v)), ex._IN_PLACE),
    "another name": (inner(without_a_copy), ex._IN_PLACE),
    "in place in data": (inner(lambda c, k, v: written(c.data, (ALL, k), v)), ex._IN_PLACE),
    "a row": (inner(lambda c, k, v: written(c.clone(), k, v)), ex._ROW),
    "a copy that is lost": (
        inner(lambda c, k, v: (written(c.clone(), (ALL, k), v), c)[1]), ex._UNCHANGED
    ),
    "all": (inner(lambda c, k, v: torch.full_like(c, v)), ex._EVERYWHERE),
    "detached": (inner(lambda c, k, v: written(c.detach().clone(), (ALL, k), v)), ex._CUT),
    "no_grad": (inner(without_gradient), ex._CUT),
    "lists": (inner(through_lists), ex._CUT),
    "half the gradient": (
        inner(lambda c, k, v: written((c + c.detach()) / 2, (ALL, k), v)), ex._CUT
    ),
    "NumPy's copy": (
        inner(lambda c, k, v: written(c.copy(), (ALL, k), v)),
        "raises AttributeError: 'Tensor' object has no attribute 'copy'. The copy of a tensor is "
        "c.clone()",
    ),
    "NumPy": (
        inner(lambda c, k, v: written(c.detach().numpy().copy(), (ALL, k), v)),
        "gives something of type ndarray for a tensor of shape (5, 7).",
    ),
    "one number": (inner(lambda c, k, v: v), "gives something of type float for a tensor of"),
    "another dtype": (
        inner(lambda c, k, v: written(c.float(), (ALL, k), v) + 0 if c.dtype == torch.float64
              else written(c.clone(), (ALL, k), v)),
        "c is float64, and what comes back float32.",
    ),
    "the last rows": (
        inner(lambda c, k, v: written(c.clone(), (slice(1, None), k), v)),
        "in row 0, and should be the value, 0.5, in every row",
    ),
    "neighbours, too": (
        inner(lambda c, k, v: written(c.clone(), (ALL, slice(k, k + 2)), v)),
        "Column 3 has changed, too. Only column 2 should",
    ),
    "called at once": (
        lambda k, v: through_lists(c, k, v),  # noqa: F821
        "hold(2, 0.5) raises NameError: name 'c' is not defined. hold only makes the inner",
    ),
    "wants c": (lambda cell, value, c: c, "hold is called with two things"),
    "inner takes more": (lambda k, v: lambda c, k: c, "is called with one thing, the tensor c"),
    "a text": (lambda k, v: "change", "It returns something of type str, and should return a f"),
    "raises": (inner(lambda c, k, v: 1 / 0), "raises ZeroDivisionError: division by zero."),
}


@pytest.mark.parametrize("name", WRONG_HOLDS)
def test_what_is_wrong_with_a_held_cell_is_said(name):
    attempt, said = WRONG_HOLDS[name]
    verdict = ex.hold.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


def test_the_messages_of_hold_come_from_what_a_function_does():
    """Else a mistake that breaks in another way would be known only by breaking that way."""
    for message, wrong in ex.hold.mistakes.items():
        if not message.startswith("Only the one column comes back"):
            assert ex.hold.use(wrong, 2, 0.5) == message


# Nonsense, and mistakes --------------------------------------------------------------------------


def raises(*_):
    raise ValueError("a bad day")


NONSENSE = [
    None, 3, "text", np.zeros(3), ..., object(), dict, lambda: 1, lambda *_: None, lambda *_: "a",
    lambda *_: (), lambda *_: np.zeros(0), lambda *_: np.zeros((9, 9)), lambda *_: 1j,
    lambda *_: lambda *_: None, lambda *_: lambda *_: raises(), raises,
]  # fmt: skip


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_nonsense_is_not_right_and_never_raises(exercise, capsys):
    for attempt in NONSENSE:
        assert exercise.check(attempt) is exercise.reference
        said = capsys.readouterr().out
        assert said.startswith(f"{exercise.name}: not yet. ") and len(said) > 80, said
    assert "a bad day" in exercise.judge(raises)


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_a_mistake_is_known_by_its_name(exercise):
    assert exercise.judge(exercise.reference) is None
    for message, wrong in exercise.mistakes.items():
        assert exercise.judge(wrong) == f"not yet. {message}"
        assert len(message) < 250 and message[-1] in ".?"
