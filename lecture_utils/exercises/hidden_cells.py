"""Exercises of lesson 06."""

import copy

import numpy as np
import torch

from lecture_utils.exercises.by_what_it_does import ByWhatItDoes, Wrong, doing, form, takes
from lecture_utils.exercises.exercise import Exercise
from lecture_utils.training import probes

_rng = np.random.default_rng(6)


def auc(values, labels):
    inside, outside = values[labels], values[~labels]
    higher = inside[:, None] > outside
    equal = inside[:, None] == outside
    return (higher + equal / 2).mean()


def _auc(ties=0.5, swapped=False, over=lambda inside, outside: inside * outside, then=lambda a: a):
    """auc with one thing done another way. over: what is divided by, from the two counts."""

    def attempt(values, labels):
        inside, outside = values[labels ^ swapped], values[~labels ^ swapped]
        gaps = inside[:, None] - outside
        pairs = (gaps > 0).sum() + ties * (gaps == 0).sum()
        return then(pairs / over(len(inside), len(outside)))

    return attempt


def _by_ranks(ranks, too_many=lambda inside: inside * (inside + 1) / 2):
    """auc from the sum of ranks inside. too_many: what the ranks among themselves add to it."""

    def attempt(values, labels):
        inside = labels.sum()
        total = ranks(values)[labels].sum() - too_many(inside)
        return total / (inside * (~labels).sum())

    return attempt


def _mean_ranks(values):
    """From 1; equal values share the mean of their ranks."""
    gaps = values[:, None] - values
    return (gaps > 0).sum(axis=1) + ((gaps == 0).sum(axis=1) + 1) / 2


def _same_positions(values, labels):
    return np.mean([a > b or (a == b) / 2 for a, b in zip(values[labels], values[~labels])])


def _correlation(values, labels):
    with np.errstate(invalid="ignore"):
        return np.corrcoef(values, labels)[0, 1]


def _auc_case(T, decimals, rise):
    """rise: how much higher the cell is where the label holds."""
    labels = _rng.random(T) < 0.3
    return (_rng.standard_normal(T) + rise * labels).round(decimals), labels


auc = Exercise(
    auc,
    cases=[
        (np.array([0.9, -0.2, 0.5, 0.1, 0.3]), np.array([True, False, False, True, True])),
        (np.array([1.0, 1.0, 0.0, 2.0, 1.0]), np.array([True, False, False, False, True])),
        _auc_case(20, 4, 1.0),
        _auc_case(25, 0, 0.5),
        _auc_case(19, 1, -1.0),
        (np.full(7, 0.25), np.arange(7) < 3),
    ],
    values=("AUC",),
    mistakes={
        "Equal values count half a pair. Yours count nothing: add half of inside == outside.": _auc(
            ties=0
        ),
        "Equal values count half a pair. With >= they count a whole one.": _auc(ties=1),
        "The two places are swapped, and that is 1 - AUC: count where the value with the label is "
        "the higher one.": _auc(swapped=True),
        "The two places are swapped, and equal values count nothing: count half of them, and the "
        "pairs in which the value with the label is the higher one.": _auc(ties=0, swapped=True),
        "The two places are swapped, and equal values count a whole pair: count half of them, and "
        "the pairs in which the value with the label is the higher one.": _auc(
            ties=1, swapped=True
        ),
        "That is the number of pairs. For a share divide it by the number of all pairs, places "
        "with the label times places without.": _auc(over=lambda inside, outside: 1),
        "Divided by T, the number of places. A share of pairs is divided by the number of pairs: "
        "places with the label times places without.": _auc(
            over=lambda inside, outside: inside + outside
        ),
        "Divided by T^2, as if each place made a pair with each. A pair is a place with the label "
        "and one without: divide by the product of the two counts.": _auc(
            over=lambda inside, outside: (inside + outside) ** 2
        ),
        "Divided by T (T - 1) / 2, all pairs of places. Only those count in which one has the "
        "label and the other not: divide by the product of the two counts.": _auc(
            over=lambda inside, outside: (inside + outside) * (inside + outside - 1) / 2
        ),
        "Divided by the places with the label only. Divide by the number of pairs: times the "
        "places without it.": _auc(over=lambda inside, outside: inside),
        "Divided by the places without the label only. Divide by the number of pairs: times the "
        "places with it.": _auc(over=lambda inside, outside: outside),
        "It never goes below 0.5. A cell that is low where the label holds has an AUC below 0.5, "
        "and that is worth knowing: return it as it is.": _auc(then=lambda a: max(a, 1 - a)),
        "That is 2 AUC - 1, from -1 to 1. The AUC itself is the share of pairs, from 0 to 1.": _auc(
            then=lambda a: 2 * a - 1
        ),
        "Only the first with the first, the second with the second, and so on. Every place with "
        "the label makes a pair with every place without: inside[:, None] > outside.": (
            _same_positions
        ),
        "That is the difference of the two means, which changes when the cell writes 10 times as "
        "much. The AUC only asks which of two values is higher, and counts.": (
            lambda values, labels: values[labels].mean() - values[~labels].mean()
        ),
        "That is the correlation of values and labels. The AUC only asks which of two values is "
        "higher, and counts.": _correlation,
        "That compares with one threshold, the mean of the values without the label. The AUC has "
        "none: compare with each of them.": (
            lambda values, labels: (values[labels] > values[~labels].mean()).mean()
        ),
        "That compares with one threshold, the mean of all values. The AUC has none: compare "
        "every place with the label with every place without.": (
            lambda values, labels: (values[labels] > values.mean()).mean()
        ),
        "That is the share of places with the label at which the cell is above 0. The AUC has no "
        "threshold: compare with every place without the label.": (
            lambda values, labels: (values[labels] > 0).mean()
        ),
        "That is the accuracy of a threshold at 0. The AUC has no threshold: compare every place "
        "with the label with every place without.": (
            lambda values, labels: ((values > 0) == labels).mean()
        ),
        "That is the accuracy of a threshold at the mean. The AUC has no threshold: compare every "
        "place with the label with every place without.": (
            lambda values, labels: ((values > values.mean()) == labels).mean()
        ),
        "Right but for equal values: argsort gives them different ranks, and they share the mean "
        "of their ranks.": _by_ranks(lambda values: values.argsort().argsort() + 1),
        "Right but for two things: ranks begin at 1, and equal values share the mean of their "
        "ranks.": _by_ranks(lambda values: values.argsort().argsort()),
        "These ranks begin at 0. Add 1, or take away n (n - 1) / 2 instead of n (n + 1) / 2, for "
        "n places with the label.": _by_ranks(lambda values: _mean_ranks(values) - 1),
        "The ranks of n places with the label add up to n (n + 1) / 2 even if all of them are "
        "lowest: take that away before you divide.": _by_ranks(_mean_ranks, lambda inside: 0),
    },
    hints=(
        "values[labels] are the values where the label holds, values[~labels] the others. How many "
        "pairs are there, with one from each?",
        "inside[:, None] > outside is a table with a row for each place inside and a column for "
        "each outside: every pair once. A mean over the table is a share.",
        "higher = inside[:, None] > outside; equal = inside[:, None] == outside; "
        "(higher + equal / 2).mean()",
    ),
)


def find_cell(values, labels):
    from lecture_utils.training import probes  # probes.auc gives the AUC of every cell at once

    half = len(values) // 2
    seen = probes.auc(values[:half], labels[:half])
    cell = int(np.abs(seen - 0.5).argmax())
    unseen = float(probes.auc(values[half:], labels[half:])[cell])
    return cell, unseen if seen[cell] > 0.5 else 1 - unseen


def _first(T):
    return slice(T // 2)


def _second(T):
    return slice(T // 2, None)


def _all(T):
    return slice(None)


def _cell(
    chosen_on=_first,
    scored_on=_second,
    choose=lambda seen: np.abs(seen - 0.5).argmax(),
    turn=lambda seen, unseen: unseen if seen > 0.5 else 1 - unseen,
):
    """find_cell with one thing done another way."""

    def attempt(values, labels):
        parts = chosen_on(len(values)), scored_on(len(values))
        seen, unseen = (probes.auc(values[part], labels[part]) for part in parts)
        cell = int(choose(seen))
        return cell, float(turn(seen[cell], unseen[cell]))

    return attempt


def _cell_case(T, first, second):
    """first, second: by how many standard deviations each cell is higher with the label."""
    labels = np.arange(T) % 5 < 2
    strength = np.where(np.arange(T)[:, None] < T // 2, first, second)
    noise = _rng.standard_normal((T, len(first)))
    return (noise + strength * labels[:, None]).round(1), labels


find_cell = Exercise(
    find_cell,
    cases=[
        _cell_case(20, [0.0, 3.0], [0.0, 2.0]),  # high in both halves
        _cell_case(30, [1.0, 0.0, -3.0], [3.0, 0.0, -1.5]),  # low in both
        _cell_case(25, [2.5, 1.0, 0.0, 0.5], [-1.0, 1.0, -3.0, 0.0]),  # a fluke that was high
        _cell_case(31, [0.5, -2.5, 1.0], [1.0, 1.5, 2.5]),  # a fluke that was low
    ],
    values=("cell", "score"),
    mistakes={
        "Chosen and scored on the same text, all of it: the best of many cells looks good there by "
        "luck alone. Choose on the first half, score on the second.": _cell(_all, _all),
        "Chosen and scored on the same text, all of it, and only high cells are found. Choose on "
        "the first half, np.abs(auc - 0.5).argmax(), and score on the second.": _cell(
            _all, _all, choose=np.argmax
        ),
        "The cell is right. Its score is from the half on which it was chosen, where the best of "
        "many looks good by luck alone: score it on the second half.": _cell(_first, _first),
        "Chosen and scored on the second half. Choose on the first half, and keep the second for "
        "the score.": _cell(_second, _second),
        "The cell is chosen on the whole text, so the second half has been seen when it scores. "
        "Choose on the first half only.": _cell(_all, _second),
        "The cell is right. Its score is from the whole text, and half of that was used to choose "
        "it: score it on the second half only.": _cell(_first, _all),
        "The halves are swapped: choose on the first, score on the second.": _cell(_second, _first),
        "Every other character is no fresh text: its neighbours say nearly the same. Choose on the "
        "first half, values[:half], and score on the second, values[half:].": _cell(
            lambda T: slice(0, None, 2), lambda T: slice(1, None, 2)
        ),
        "The first half has T // 2 characters. If T is odd, the one in the middle belongs to the "
        "second half.": _cell(lambda T: slice((T + 1) // 2), lambda T: slice((T + 1) // 2, None)),
        "The cell is right. Its direction comes from the second half, so it cannot fall below 0.5 "
        "even if it knows nothing: turn the score if the cell was low on the *first* half.": _cell(
            turn=lambda seen, unseen: max(unseen, 1 - unseen)
        ),
        "The cell is right. One that was chosen for being low has a low AUC when it does well: "
        "then the score is 1 - AUC.": _cell(turn=lambda seen, unseen: unseen),
        "The cell is right. Only one that was chosen for being low is turned: 1 - AUC if its AUC "
        "on the first half is below 0.5, else AUC.": _cell(turn=lambda seen, unseen: 1 - unseen),
        "The cell is right. The score is turned the wrong way round: 1 - AUC if the cell was low "
        "on the first half, AUC if it was high.": _cell(
            turn=lambda seen, unseen: 1 - unseen if seen > 0.5 else unseen
        ),
        "The cell is right. That is 2 AUC - 1, from -1 to 1; the score is an AUC, from 0 to 1.": (
            _cell(turn=lambda seen, unseen: (2 * unseen - 1) * np.sign(seen - 0.5))
        ),
        "Only high cells are found: the largest AUC. An AUC of 0.05 tells as much as one of 0.95, "
        "so take the one farthest from 0.5, np.abs(auc - 0.5).": _cell(choose=np.argmax),
        "Only low cells are found: the smallest AUC. Take the one farthest from 0.5 in either "
        "direction, np.abs(auc - 0.5).": _cell(choose=np.argmin),
        "Farthest from 0.5, not nearest: argmax of np.abs(auc - 0.5).": _cell(
            choose=lambda seen: np.abs(seen - 0.5).argmin()
        ),
    },
    hints=(
        "probes.auc(values, labels), from lecture_utils.training, gives the AUC of all cells at "
        "once, (T, C) -> (C,). Yours does it cell by cell. Give it only the half that it may see.",
        "np.abs(auc - 0.5).argmax() on the first half is the cell. Was it high or low there? "
        "Remember that: the second half must not be asked again.",
        "half = len(values) // 2. The score is probes.auc(values[half:], labels[half:])[cell], or "
        "1 less that, if the cell's AUC on the first half was below 0.5.",
    ),
)


def with_temperature(logits, temperature):
    z = logits / temperature
    p = np.exp(z - z.max())
    return p / p.sum()


class _MayOverflow(Exercise):
    """Where e^z is too large, a wrong answer is known by what it is in the other cases."""

    def _answer(self, function, arguments):
        try:
            return super()._answer(function, arguments)
        except (OverflowError, ZeroDivisionError):  # math.exp, where np.exp goes on with inf or 0
            logits, temperature = arguments
            if np.abs(logits / temperature).max() < 700:
                raise
            return np.full(len(logits), np.nan)

    def _known_mistake(self, answers):
        if known := super()._known_mistake(answers):
            return known
        finite = [
            (answer, case)
            for answer, case in zip(answers, self.cases)
            if isinstance(answer, np.ndarray) and answer.dtype.kind == "f"
            if np.isfinite(answer).all()
        ]
        if not finite:
            return None
        others = copy.copy(self)
        kept, others.cases = zip(*finite)
        return Exercise._known_mistake(others, kept)


def _softmax(z):
    return _ratio(np.exp(z - z.max()))


def _ratio(p):
    return p / p.sum()


def _carelessly(function):
    """Without NumPy's warnings of overflow: they would be about code that nobody sees."""

    def attempt(logits, temperature):
        with np.errstate(all="ignore"):
            return function(logits, temperature)

    return attempt


with_temperature = _MayOverflow(
    with_temperature,
    cases=[
        (np.array([0.5, 2.0, -1.0]), 0.5),
        (np.array([0.5, 2.0, -1.0]), 1.0),
        (np.array([1.5, -0.5, 0.0, 1.0, -2.0]), 3.0),
        (np.array([1000.0, 999.0, 990.0, 998.0]), 2.0),
        (np.array([-1000.0, -1001.0, -1004.0]), 1.0),
        (np.array([8.0, 7.99, -9.0]), 0.01),
    ],
    values=("probabilities",),
    mistakes={
        # First: it is right wherever nothing overflows.
        "np.exp overflows from 710 on, and inf / inf is nan; far below 0 all of them are 0, and 0 "
        "/ 0 is nan, too. Subtract the largest first, np.exp(z - z.max()): it cancels in the "
        "ratio.": _carelessly(lambda logits, T: _ratio(np.exp(logits / T))),
        "The largest of the logits is subtracted after the division, when they are other numbers. "
        "Subtract the largest of z = logits / temperature, z - z.max().": _carelessly(
            lambda logits, T: _ratio(np.exp(logits / T - logits.max()))
        ),
        "Temperature divides the logits. You multiply, so that hot and cold change places.": (
            lambda logits, T: _softmax(logits * T)
        ),
        "The temperature has no effect. It divides the logits before the softmax; probabilities "
        "that are divided and made to add up to 1 again are as before.": (
            lambda logits, T: _softmax(logits)
        ),
        "The temperature comes after the softmax, so that the sum is no longer 1: divide the "
        "logits, not the probabilities.": lambda logits, T: _softmax(logits) / T,
        "The temperature comes after the softmax, and it multiplies. Divide the logits by it, "
        "before.": lambda logits, T: _softmax(logits) * T,
        "p ** (1 / temperature) does not add up to 1: divide by its sum. Or divide the logits "
        "before the softmax.": lambda logits, T: _softmax(logits) ** (1 / T),
        "p ** temperature is the wrong way round and does not add up to 1: divide the logits by "
        "it, before the softmax.": lambda logits, T: _softmax(logits) ** T,
        "The temperature is above the line only: the sum below it is over exp(logits / "
        "temperature), too.": lambda logits, T: (
            np.exp((logits - logits.max()) / T) / np.exp(logits - logits.max()).sum()
        ),
        "They do not add up to 1: divide by the sum.": (
            lambda logits, T: np.exp((logits - logits.max()) / T)
        ),
        "Softmax takes powers of e, np.exp, not of 2.": (
            lambda logits, T: _softmax(np.log(2) * logits / T)
        ),
        "Softmax takes powers of e, np.exp, not of 10.": (
            lambda logits, T: _softmax(np.log(10) * logits / T)
        ),
        "These are the logarithms of the probabilities: np.exp of them.": _carelessly(
            lambda logits, T: logits / T - np.logaddexp.reduce(logits / T)
        ),
        "Where is the exponential? softmax(z) is exp(z) / sum of exp(z).": (
            lambda logits, T: _ratio(logits / T)
        ),
        "These are still logits, divided by the temperature. Now the softmax.": (
            lambda logits, T: logits / T
        ),
    },
    hints=(
        "First z = logits / temperature, then the softmax of z: exp(z) / sum of exp(z).",
        "exp(1000) is too large for a float. Softmax stays the same when one number is subtracted "
        "from every z: which number makes the largest exponential 1?",
        "z = logits / temperature; p = np.exp(z - z.max()); p / p.sum()",
    ),
)


def hold(cell, value):
    def change(c):
        held = c.clone()
        held[:, cell] = value
        return held

    return change


# Any function is right that does this. The checks come in the order in which a reader would mend
# things, and the first that fails has the word.

_NO_FUNCTION = "It returns nothing: is `return change` missing, after the inner function?"
_PARENTHESES = (
    "hold only makes the inner function and returns it, `return change`, without calling it: c "
    "comes later, at every step."
)
_TWO = (
    "hold is called with two things, `def hold(cell, value)`. c comes later: the function that "
    "hold returns is called with it, `def change(c)`."
)
_ONE = "The function that hold returns is called with one thing, the tensor c: `def change(c)`."
_NO_TENSOR = "The function that hold returns gives back nothing: is its `return` missing?"
_IN_PLACE = (
    "It changes the tensor that it is given, and others still need that one, autograd among them: "
    "work on a copy, c.clone()."
)
_NEITHER = (
    "It changes the tensor that it is given and gives back nothing. Others still need c: make a "
    "copy, c.clone(), change that and return it."
)
_UNCHANGED = (
    "The tensor comes back as it was. c.clone()[:, cell] = value changes a copy that nobody keeps: "
    "give the copy a name, change it, and return it."
)
_ROW = "c[cell] is a row, one sequence of the batch. A cell is a column: c[:, cell]."
_FIRST_ROW = "Only the first sequence is changed. c[:, cell] is the cell in every row."
_EVERYWHERE = "Every cell holds the value now. Only column `cell` should: c[:, cell]."
_ADDED = "The value is added to what is there. It should replace it: held[:, cell] = value."
_ONE_BEFORE = "Cells are counted from 0, so c[:, cell] is the one. Yours is the one before it."
_CUT = (
    "No gradient gets through to the other columns: no .detach(), .data, .numpy(), torch.tensor() "
    "or torch.no_grad() on the way. c.clone() is a copy that gradients pass."
)


def _check(attempt, cell, value):
    """Raises Wrong unless attempt(cell, value) is a function that holds the cell."""
    change = _made(attempt, cell, value)
    for B, dtype in ((5, torch.float32), (1, torch.float32), (5, torch.float64)):
        _check_numbers(change, _states(B, dtype), cell, value)
    _check_gradients(change, cell)


def _states(B, dtype=torch.float32):
    """(B, 7) numbers, all different, and different from the values of the cases."""
    return torch.linspace(-0.9, 0.93, 7 * B, dtype=dtype).reshape(B, 7)


def _made(attempt, cell, value):
    if not takes(attempt, cell, value):
        raise Wrong(_TWO)
    with doing(f"hold({cell}, {value})", _PARENTHESES):
        change = attempt(cell, value)
    if change is None:
        raise Wrong(_NO_FUNCTION)
    if not callable(change):
        raise Wrong(f"It returns {form(change)}, and should return a function. {_PARENTHESES}")
    if not takes(change, None):
        raise Wrong(_ONE)
    return change


def _changed(change, c):
    with doing(
        f"Given {form(c)}, the function that hold returns",
        "The copy of a tensor is c.clone(), and the cell in it held[:, cell].",
    ):
        return change(c)


def _check_numbers(change, c, cell, value):
    before = c.clone()
    held = _changed(change, c)
    in_place = not torch.equal(before, c)
    if held is None:
        raise Wrong(_NEITHER if in_place else _NO_TENSOR)
    if in_place:
        raise Wrong(_IN_PLACE)
    if not torch.is_tensor(held) or held.shape != c.shape:
        raise Wrong(
            f"The function that hold returns gives {form(held)} for {form(c)}. It should give "
            "the whole of c, with one column changed: a copy, c.clone(), has the shape."
        )
    if held.dtype != c.dtype:
        raise Wrong(
            f"c is {_name(c.dtype)}, and what comes back {_name(held.dtype)}. A copy, c.clone(), "
            "and a new tensor like c, torch.full_like(c, value), keep the dtype."
        )
    want = c.clone()
    want[:, cell] = value
    if _alike(held, want):
        return
    if wrong := _known_numbers(held, c, cell, value):
        raise Wrong(wrong)
    apart = ~torch.isclose(held, want, atol=1e-6)
    row = int(apart[:, cell].int().argmax())
    if apart[row, cell]:
        raise Wrong(
            f"Column {cell} is {held[row, cell]:.3g} in row {row}, and should be the value, "
            f"{value}, in every row: held[:, cell] = value, in a copy of c."
        )
    other = int(apart.any(dim=0).int().argmax())
    raise Wrong(
        f"Column {other} has changed, too. Only column {cell} should: held[:, cell] = value, in a "
        "copy of c."
    )


def _known_numbers(held, c, cell, value):
    """What was done instead, where it can be told from the numbers."""
    row, corner, added, before = (c.clone() for _ in range(4))
    row[cell : cell + 1] = value
    corner[0, cell] = value
    added[:, cell] += value
    before[:, cell - 1] = value
    known = {
        _UNCHANGED: c,
        _ROW: row,
        _FIRST_ROW: corner,
        _EVERYWHERE: torch.full_like(c, value),
        _ADDED: added,
        _ONE_BEFORE: before,
    }
    return next((message for message, numbers in known.items() if _alike(held, numbers)), None)


def _check_gradients(change, cell):
    start = _states(5).requires_grad_()
    weights = 1 + _states(5)
    held = _changed(change, 1 * start)
    if not held.requires_grad:
        raise Wrong(_CUT)
    (gradient,) = torch.autograd.grad((weights * held).sum(), start, allow_unused=True)
    others = torch.arange(7) != cell
    if gradient is None or not _alike(gradient[:, others], weights[:, others]):
        raise Wrong(_CUT)


def _alike(a, b):
    return torch.allclose(a, b, atol=1e-6)


def _name(dtype):
    return str(dtype).removeprefix("torch.")


def _holding(change):
    """hold, with change(c, cell, value) for the inner function."""
    return lambda cell, value: lambda c: change(c, cell, value)


def _in_place(c, cell, value):
    c[:, cell] = value
    return c


def _in_place_only(c, cell, value):
    c[:, cell] = value


def _written(*where):
    """Into a copy, at c[where]; "cell" stands for the cell."""

    def change(c, cell, value):
        held = c.clone()
        held[tuple(cell if part == "cell" else part for part in where)] = value
        return held

    return _holding(change)


def _kept_inside(cell, value):
    def change(c):
        return _in_place(c.clone(), cell, value)


hold = ByWhatItDoes(
    hold,
    cases=[(2, 0.5), (0, -1.0), (6, 2.0), (4, 0.0)],
    values=("the function",),
    use=_check,
    mistakes={
        _IN_PLACE: _holding(_in_place),
        _NEITHER: _holding(_in_place_only),
        _NO_FUNCTION: _kept_inside,
        f"It returns a tensor of shape (5, 7), and should return a function. {_PARENTHESES}": (
            lambda cell, value: _written(slice(None), "cell")(cell, value)(_states(5))
        ),
        _NO_TENSOR: _holding(lambda c, cell, value: None),
        _TWO: lambda c, cell, value: _in_place(c.clone(), cell, value),
        _ONE: lambda cell, value: lambda: value,
        _ROW: _written("cell"),
        _FIRST_ROW: _written(0, "cell"),
        _EVERYWHERE: _written(slice(None)),
        _UNCHANGED: _holding(lambda c, cell, value: c),
        _ADDED: _holding(lambda c, cell, value: _in_place(c.clone(), cell, c[:, cell] + value)),
        _ONE_BEFORE: _holding(lambda c, cell, value: _in_place(c.clone(), cell - 1, value)),
        "Only the one column comes back. The next step needs the whole of c: change a copy, "
        "c.clone(), and return that.": _holding(
            lambda c, cell, value: torch.full_like(c[:, cell], value)
        ),
        _CUT: _holding(lambda c, cell, value: _in_place(c.detach().clone(), cell, value)),
    },
    hints=(
        "A function can make a function: `def change(c): ...` inside hold knows cell and value. "
        "hold returns it, change, without parentheses.",
        "c[:, cell] = value would change the tensor itself, which the network still needs for its "
        "gradients. c.clone() is a copy, and gradients pass through it.",
        "Inside change: held = c.clone(), then held[:, cell] = value, then return held.",
    ),
)
