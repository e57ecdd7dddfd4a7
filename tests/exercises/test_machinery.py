"""The machinery of exercises: no wrong answer passes, nothing raises, each message helps."""

import contextlib
import random

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils.exercises.exercise import STRICT_VARIABLE, Exercise


@pytest.fixture(autouse=True)
def not_strict(monkeypatch):
    monkeypatch.delenv(STRICT_VARIABLE, raising=False)


def exercise(want, values=("y",), cases=((1,),), **more):
    """One whose answer is `want` whatever the arguments."""

    def answer(x):
        return want

    return Exercise(answer, cases=cases, values=values, **more)


def says(want, got, **more):
    return exercise(want, **more).judge(lambda x: got)


def ones(*shape, **kind):
    return torch.ones(*shape, **kind)


# Values ------------------------------------------------------------------------------------------


class Silent:
    __repr__ = __str__ = __eq__ = __array__ = None


ALIKE = {
    "an integer": (3, np.int64(3)),
    "an integer in an array": (3, np.array(3)),
    "a truth value": (True, np.True_),
    "another truth value": (np.False_, False),
    "a text": ("rnn", "rnn"),
    "nothing": (None, None),
    "infinity": (np.array([np.inf, -np.inf, 1.0]), np.array([np.inf, -np.inf, 1.0])),
    "rounding": (np.array([1e-9, 2e-9]), np.array([1e-9, 2e-9]) * (1 + 1e-12)),
    "rounding of 0": (np.zeros(2), np.full(2, 1e-15)),
    "bfloat16": (ones(2, dtype=torch.bfloat16), ones(2, dtype=torch.bfloat16)),
    "a tensor with gradient": (ones(2), ones(2, requires_grad=True)),
    "a dict of arrays": ({"h": np.ones(3)}, {"h": np.ones(3)}),
    "arrays in tuples in lists": ([(np.ones(2), 1)], [(np.ones(2), 1)]),
    "numbers": (1.0, 1),
    "empty": (np.zeros((0, 2)), np.zeros((0, 2))),
    "a large integer": (2**62, 2**62),
    "complex": (1j, 1j),
}


@pytest.mark.parametrize("want, got", ALIKE.values(), ids=ALIKE)
def test_right_is_right(want, got):
    assert says(want, got) is None


WRONG = {
    "zeros for something small": (np.full(2, 1e-9), np.zeros(2), "it is 0 at [0], expected 1e-09."),
    "a little off": (1.442695, 1.4427, "it is 1.4427, expected 1.442695."),
    "a string for a number": (2.0, "2.0", "it is a string, expected numbers."),
    "strings for numbers": (np.ones(2), np.array(["1", "1"]), "it is a string, expected numbers."),
    "a string for an index": (2, "2", "it is a string, and should be an integer."),
    "a float for an index": (2, 2.0, "it is 2.0, and should be an integer: 2."),
    "a truth value for an index": (1, True, "it is True, and should be an integer: 1."),
    "another index": (2, 3, "it is 3, expected 2."),
    "large integers": (2**53 + 1, 2**53, f"it is {2**53}, expected {2**53 + 1}."),
    "a huge integer": (3, 10**5000, "it is an int, expected numbers."),
    "floats for indices": (np.arange(2), np.arange(2.0), "holds float64 numbers, and should hold"),
    "1 for True": (True, 1, "it is 1, expected True."),
    "True for 1": (1.0, True, "it is True, expected 1.0."),
    "not true": (True, np.False_, "it is False, expected True."),
    "a tensor for an array": (np.ones(2), ones(2), "computes in NumPy: call .numpy()."),
    "a computed tensor for an array": (
        np.ones(2), ones(2, requires_grad=True), "call .detach().numpy()."),
    "a tensor for a number": (1.0, torch.tensor(1.0), "computes in NumPy: call .item()."),
    "an array for a tensor": (ones(2), np.ones(2), "an ndarray, expected a PyTorch tensor of"),
    "a list for an array": (np.ones(2), [1.0, 1.0], "a list, expected a NumPy array of shape (2,)"),
    "single precision": (
        np.array([1 / 3]), np.array([1 / 3], np.float32), "only to 7 digits: keep float64."),
    "half precision": (
        np.array([1 / 3]), np.array([1 / 3], np.float16), "only to 3 digits: keep float64."),
    "bfloat16": (ones(1) / 3, (ones(1) / 3).bfloat16(), "only to 2 digits: keep float32."),
    "single precision, exact": (np.ones(1), np.ones(1, np.float32), "is float32, expected float64"),
    "double precision": (ones(1), ones(1).double(), "dtype is float64, expected float32"),
    "integers for floats": (np.zeros(2), np.zeros(2, int), "dtype is int64, expected float64."),
    "single precision and wrong": (np.ones(1), np.full(1, 2, np.float32), "it is 2 at [0], exp"),
    "shape": (np.ones(2), np.ones((2, 1)), "its shape is (2, 1), expected (2,)."),
    "an array for a number": (1.0, np.ones(2), "shape is (2,), expected a single number."),
    "not a number": (1.0, np.nan, "it is nan, expected 1."),
    "infinite": (1.0, np.inf, "it is inf, expected 1."),
    "another infinity": (np.inf, -np.inf, "it is -inf, expected inf."),
    "complex": (1.0, 1j, "it is complex, expected real numbers."),
    "an object": (1.0, Silent(), "it is a Silent, expected numbers."),
    "ragged": (np.ones(2), np.array([1, [2]], object), "expected numbers."),
    "without storage": (ones(2), torch.ones(2, device="meta"), "expected numbers."),
    "nothing": (1.0, None, "Is a `return` missing?"),
    "something": (None, 1.0, "it is 1.0, expected None."),
    "an ellipsis": (1.0, ..., "it is still `...`."),
    "a text": ("rnn", "lstm", "it is 'lstm', expected 'rnn'."),
    "a number for a text": ("1", 1, "it is 1, expected '1'."),
    "an unprintable for a text": ("1", Silent(), "it is a Silent, expected '1'."),
    "keys": ({"h": 1}, {"c": 1}, "it has the keys 'c', expected the keys 'h'."),
    "no dict": ({"h": 1}, 1, "it is an int, expected the keys 'h'."),
    "in a dict": ({"h": np.ones(2)}, {"h": np.zeros(2)}, "entry 'h': it is 0 at [0], expected 1."),
    "in lists": ([(1, np.ones(2))], [(1, np.ones(3))], "entry 0: entry 1: its shape is (3,)"),
    "length": ([1, 2], [1], "it is a list of 1, expected a list of 2."),
}


@pytest.mark.parametrize("want, got, message", WRONG.values(), ids=WRONG)
def test_wrong_is_wrong_and_is_told_why(want, got, message, capsys):
    assert message in says(want, got)
    one = exercise(want)
    assert one.check(lambda x: got) is one.reference
    assert capsys.readouterr().out.startswith("answer: not yet. `y` differs: ")


def test_the_tolerance_is_relative_to_the_largest_number():
    want = np.array([100.0, 0.0])
    assert says(want, want + 9e-5) is None
    assert says(want, want + 2e-4).endswith("it is 100.0002 at [0], expected 100.")
    assert says(want, want + 2e-4, tolerance=1e-5) is None


# How many values, in which order -----------------------------------------------------------------

A, B = np.ones(2), np.zeros(3)


@pytest.mark.parametrize("got, message", [
    (A, "It returns an ndarray; return two values: a, b."),
    ((A,), "It returns one value; return two values: a, b."),
    ((A, B, B), "It returns three values; return two values: a, b."),
    (None, "It returns nothing; return two values: a, b."),
    ((B, A), "The values are right but in another order: return a, b."),
    ((A, B + 1), "`b` differs: it is 1 at [0], expected 0."),
])
def test_the_number_and_the_order_of_the_values(got, message):
    assert says((A, B), got, values=("a", "b")) == f"not yet. {message}"


def test_one_value_too_many():
    assert says(1.0, (1.0, 2.0)) == "not yet. It returns two values; return one: y."


# What the attempt does ---------------------------------------------------------------------------


def add_up(xs):
    total = np.zeros(2)
    for x in xs:
        total = total + x
    return total


ARRAYS = [[np.array([0.1, 0.2]), np.array([3.0, 4.0])]]


def sums(**more):
    return Exercise(add_up, cases=[(ARRAYS[0],)], values=("total",), **more)


def no_start(xs):
    for x in xs:
        total += x  # noqa: F821
    return total  # noqa: F821


def no_value(xs):
    for x in xs:
        print(total, end="")  # noqa: F821
        total = x
    return total


def gap_as_a_line(xs):
    total = np.zeros(2)
    ...
    return total


def gap_as_a_value(xs):
    total = ...
    return total


def gap_in_a_sum(xs):
    return sum(xs) + ...


def axes(xs):
    return np.stack(xs)[..., 0]


@pytest.mark.parametrize("attempt, message", [
    (no_start, "`total += …` needs a total to start from"),
    (no_value, "`total` is used before it has a value"),
    (gap_as_a_line, "not yet. There is still a `...` in it."),
    (gap_as_a_value, "not yet. There is still a `...` in it."),
    (gap_in_a_sum, "not yet. There is still a `...` in it."),
    (lambda xs: xs + ..., "not yet. There is still a `...` in it."),
    (axes, "`total` differs: it is 0.1 at [0]"),
    (lambda: 1, "Its arguments are (), and should be (xs): else"),
    (lambda xs, h: 1, "Its arguments are (xs, h), and should be (xs): else"),
    (lambda xs: exit(), "It raised SystemExit"),
])
def test_what_goes_wrong_on_the_way_is_explained(attempt, message):
    assert message in sums().judge(attempt)


def changes_in_place(xs):
    for x in xs[1:]:
        xs[0] += x
    return xs[0]


def test_a_right_answer_that_changes_its_argument_is_not_yet_right(capsys):
    one = sums()
    assert one.check(changes_in_place) is one.reference
    assert " ".join(capsys.readouterr().out.split()) == (
        "add_up: right, but it changes its argument `xs` in place, and the cells below still need "
        "it: work on a copy. The cells below use the reference solution."
    )
    assert ARRAYS[0][0].tolist() == [0.1, 0.2]
    assert sums(used=False).judge(changes_in_place) == (
        "right, but it changes its argument `xs` in place: work on a copy."
    )


def test_what_the_reference_changes_too_may_be_changed():
    def advance(cache, x):
        cache.append(x)
        return len(cache)

    one = Exercise(advance, cases=[([], 1)], values=("length",))
    assert one.judge(lambda cache, x: cache.append(x) or len(cache)) is None


def test_a_tensor_that_is_changed_in_place_is_seen():
    def double(x):
        return x * 2

    one = Exercise(double, cases=[(ones(2),)], values=("y",))
    assert "changes its argument `x`" in one.judge(lambda x: x.mul_(2))


def test_each_case_is_run_once_even_if_it_is_wrong(capsys):
    mistakes = {"first": lambda x: 1, "second": lambda x: 2}
    one = exercise(0, cases=[(1,), (2,), (3,)], mistakes=mistakes)
    assert one.judge(lambda x: print(x) or 2) == "not yet. second"
    assert capsys.readouterr().out == "1\n2\n3\n"


def test_computed_tensors_can_be_arguments():
    w = ones(2, requires_grad=True)
    case = (w * 2, [w.tanh()], {"w": w})

    def total(a, b, c):
        return a + b[0] + c["w"]

    one = Exercise(total, cases=[case], values=("y",))
    assert one.judge(lambda a, b, c: c["w"] + a + b[0]) is None
    assert one.judge(lambda a, b, c: a) is not None
    assert w.grad is None


def test_random_answers_can_be_checked_and_nothing_is_left_behind():
    def draw(n):
        return np.random.rand(n) + torch.rand(n).numpy() + random.random()

    one = Exercise(draw, cases=[(3,), (2,)], values=("y",))
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert one.judge(lambda n: draw(n)) is None
    assert one.judge(lambda n: draw(n) + 1) is not None
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert states == after


# Around it ---------------------------------------------------------------------------------------


def test_an_exercise_whose_result_is_not_used_says_nothing_of_cells_below(capsys):
    one = exercise(1.0, used=False)
    one.check(lambda x: 1.0)
    one.check(lambda x: 2.0)
    assert capsys.readouterr().out == (
        "answer: right.\nanswer: not yet. `y` differs: it is 2, expected 1.\n"
    )


def test_an_exercise_can_be_called():
    assert exercise(7)(1) == 7
    one = exercise(7)
    assert one.check(one) is one


class Doubler(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(ones(1) * 2)

    def forward(self, x):
        return self.w * x


class Stub(nn.Module):
    def __init__(self): ...

    def forward(self, x): ...


class Tripler(Doubler):
    def forward(self, x):
        return 3 * x


def build_and_run(attempt, x):
    layer = attempt()
    y = layer(x)
    y.sum().backward()
    return y, layer.w.grad


def test_a_module_class_is_used_as_the_exercise_says():
    one = Exercise(Doubler, cases=[(ones(3),)], values=("y", "dw"), use=build_and_run)
    assert one.judge(Doubler) is None
    assert one.judge(type("Mine", (Doubler,), {})) is None
    assert one.judge(Stub) == (
        "not yet. Replace the `...` in `__init__`, or ask for ex.Doubler.hint()."
    )
    assert one.judge(Tripler).startswith("not yet. ")
    assert one.judge(3).startswith("not yet. ")


class Evil:
    def __getattribute__(self, name):
        raise ValueError("leave me alone")


EVIL = {
    "itself": lambda: Evil(),
    "in a tuple": lambda: (Evil(),),
    "in a dict": lambda: {"a": Evil()},
    "twice": lambda: [Evil()] * 2,
    "second": lambda: (A, Evil()),
}


@pytest.mark.parametrize("answer", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("want", [1, 1.0, "a", None, A, ones(2), {"a": 1}, (A, B)], ids=repr)
def test_whatever_comes_back_nothing_raises(want, answer):
    for values in ("y",), ("a", "b"):
        one = exercise(want if len(values) == 1 else (want, want), values=values)
        with contextlib.redirect_stdout(None):
            assert one.check(lambda x: answer()) is one.reference
