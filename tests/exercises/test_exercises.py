"""Every exercise of every lesson: right answers pass, each known mistake gets its own message."""

import ast
import copy
import importlib
import inspect
import itertools
import json
import math
import pkgutil
import time
from pathlib import Path

import IPython.display
import numpy as np
import pytest
import torch

from lecture_utils import exercises
from lecture_utils.exercises.exercise import STRICT_VARIABLE, Exercise
from lecture_utils.gradcheck import relative_error

NOTEBOOKS = Path(exercises.__file__).resolve().parents[2] / "notebooks"
COMMON = {"exercise", "by_what_it_does"}
LESSONS = sorted({m.name for m in pkgutil.iter_modules(exercises.__path__)} - COMMON)


def exercises_of(lesson):
    module = importlib.import_module(f"{exercises.__name__}.{lesson}")
    return {name: v for name, v in vars(module).items() if isinstance(v, Exercise)}


EXERCISES = {
    f"{lesson}.{name}": exercise
    for lesson in LESSONS
    for name, exercise in exercises_of(lesson).items()
}
MISTAKES = {
    f"{name}: {message}": (exercise, message, wrong)
    for name, exercise in EXERCISES.items()
    for message, wrong in exercise.mistakes.items()
}
each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
# Weights or a cell are asked for, and judged by running them.
BY_WHAT_IT_DOES = {
    "lstm.latch", "cells.my_cell", "hidden_cells.hold", "pixels.leaks", "captioning.beam_search"
}  # fmt: skip
TENSORS = {"pixels.build_mask"}  # asked for as such: what is said of NumPy does not hold
COMPARED = {name: e for name, e in EXERCISES.items() if name not in BY_WHAT_IT_DOES | TENSORS}
each_compared = pytest.mark.parametrize("exercise", COMPARED.values(), ids=COMPARED)


def tuple_of(exercise, answer):
    return answer if len(exercise.values) > 1 else (answer,)


def changed(exercise, change):
    """The solution, with `change(values)` applied to the tuple that it returns."""

    def attempt(*arguments):
        values = change(tuple_of(exercise, exercise.reference(*arguments)))
        return values if len(exercise.values) > 1 else values[0]

    return attempt


@pytest.fixture(autouse=True)
def not_strict(monkeypatch):
    monkeypatch.delenv(STRICT_VARIABLE, raising=False)


def test_each_lesson_has_exercises_and_each_goes_by_its_own_name():
    assert {"start_here", "recurrence", "backprop_through_time"} <= set(LESSONS)
    for lesson in LESSONS:
        found = exercises_of(lesson)
        assert found, lesson
        for name, exercise in found.items():
            assert exercise.name == name == exercise.reference.__name__
            assert exercise.cases and exercise.values and exercise.mistakes and exercise.hints


@pytest.mark.parametrize("lesson, names", [
    ("hidden_cells", ["auc", "find_cell", "with_temperature", "hold"]),
    ("pixels", ["bits_per_dimension", "build_mask", "leaks", "passes"]),
])
def test_these_lessons_have_four(lesson, names):
    assert list(exercises_of(lesson)) == names


@pytest.fixture
def one_thread():
    """Where the other core is busy, a second thread's waiting counts as work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@each_exercise
def test_each_is_short_and_a_check_of_it_takes_less_than_a_second(exercise, one_thread):
    assert len(exercise.hints) == 3
    if exercise.name not in ("my_cell", "beam_search"):  # a whole class, a whole search
        assert len(exercise.source.splitlines()) <= 9  # the def line and at most 8 more
    began = time.process_time()
    for attempt in (exercise.reference, lambda *_: 0.5):
        exercise.judge(attempt)
    assert time.process_time() - began < 1


# Right answers -----------------------------------------------------------------------------------


@each_exercise
def test_the_solution_is_right_and_is_handed_back(exercise, capsys):
    assert exercise.judge(exercise.reference) is None

    def attempt(*arguments):
        return exercise.reference(*arguments)

    assert exercise.check(attempt) is attempt
    assert capsys.readouterr().out == (
        f"{exercise.name}: right. The cells below use your function.\n"
    )


def nearly(value):
    return value if isinstance(value, int) else value * (1 + 1e-13)


RIGHT = {
    "a list instead of a tuple": list,
    "NumPy scalars": lambda values: tuple(np.asarray(v)[()] for v in values),
    "rounding": lambda values: tuple(nearly(v) for v in values),
}


@each_compared
@pytest.mark.parametrize("variant", RIGHT)
def test_the_form_of_a_right_answer_does_not_matter(exercise, variant):
    assert exercise.judge(changed(exercise, RIGHT[variant])) is None


def spelled(value):
    return np.asarray(value).astype(str)


# Right numbers that the cells below could not use: what is done to each value, what is said.
OTHER_KINDS = {
    "torch": (torch.as_tensor, "PyTorch tensor; this lesson computes in NumPy: call ."),
    "torch with gradients": (
        lambda v: torch.as_tensor(v, dtype=torch.float64).requires_grad_(), "PyTorch tensor"
    ),
    "text": (spelled, "it is a string"),
    "complex": (lambda v: v + 0j, ""),
    "half precision": (np.float16, ""),
}


@each_compared
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_numbers_of_a_kind_that_later_cells_cannot_use_are_not_right_yet(exercise, kind):
    change, said = OTHER_KINDS[kind]
    verdict = exercise.judge(changed(exercise, lambda values: tuple(map(change, values))))
    if exercise.name == "bits_per_dimension" and "torch" in kind:  # a lesson that is in PyTorch
        assert verdict.startswith("not yet. It returns a tensor. Return a number: call .item()")
        return
    assert verdict.startswith(f"not yet. `{exercise.values[0]}` differs: it"), verdict
    assert said in verdict


def test_a_list_where_later_cells_compute_with_an_array_is_named():
    for exercise in COMPARED.values():
        first = tuple_of(exercise, exercise.reference(*copy.deepcopy(exercise.cases[0])))[0]
        verdict = exercise.judge(
            changed(exercise, lambda values: tuple(np.asarray(v).tolist() for v in values))
        )
        assert verdict is None or "it is a list, expected a NumPy array" in verdict
        assert (verdict is None) == (np.ndim(first) == 0)


def written_with_torch(x, h, W_xh, W_hh, b_h):
    x, h, W_xh, W_hh, b_h = map(torch.as_tensor, (x, h, W_xh, W_hh, b_h))
    a = W_xh @ x + W_hh @ h + b_h
    return [a.numpy(), torch.tanh(a).numpy()]


def adagrad_in_place(theta, g, memory, lr):
    memory += g * g
    theta -= lr * g / np.sqrt(memory + 1e-8)
    return memory, theta


def kept_pairs_by_counting(T, chunk):
    return sum(k // chunk == t // chunk for t in range(T) for k in range(t + 1))


def gradient_of_W_in_one_product(das, hs_before):
    return np.stack(das).T @ np.stack(hs_before)


def sample_index_step_by_step(logits, temperature, u):
    weights = [math.exp(z / temperature) for z in logits]
    for index, end in enumerate(itertools.accumulate(weights)):
        if u * sum(weights) < end:
            return index


def last_state_by_recursion(xs, h0, step):
    return h0 if len(xs) == 0 else step(xs[-1], last_state_by_recursion(xs[:-1], h0, step))


OTHER_WAYS = {
    "start_here.nats_to_bits": lambda nats: math.log2(math.exp(nats)),
    "recurrence.rnn_step": written_with_torch,
    "recurrence.sample_index": sample_index_step_by_step,
    "recurrence.last_state": last_state_by_recursion,
    "recurrence.count_parameters": lambda D, H, V, T: H * (D + H + 1) + V * (H + 1),
    "backprop_through_time.gradient_of_W": gradient_of_W_in_one_product,
    "backprop_through_time.kept_pairs": kept_pairs_by_counting,
}


@pytest.mark.parametrize("name", OTHER_WAYS)
def test_another_way_to_the_right_answer_is_right(name):
    assert EXERCISES[name].judge(OTHER_WAYS[name]) is None


def test_a_right_answer_that_overwrites_its_arguments_is_told_so():
    exercise = EXERCISES["backprop_through_time.adagrad"]
    said = "right, but it changes its argument `theta` in place"
    assert exercise.judge(adagrad_in_place).startswith(said)
    assert exercise.check(adagrad_in_place) is exercise.reference


def test_the_backward_step_agrees_with_autograd():
    """The reference of the longest exercise against an independent witness."""
    exercise = EXERCISES["backprop_through_time.backward_step"]
    for dy, dh_next, x, h_prev, h, W_hy, W_hh in exercise.cases:
        arrays = dict(W_xh=np.zeros((len(h), len(x))), W_hh=W_hh, h_prev=h_prev)
        w = {k: torch.tensor(v, requires_grad=True) for k, v in arrays.items()}
        # The bias that makes the step end in this very h.
        b = torch.tensor(np.arctanh(h) - W_hh @ h_prev)
        a = w["W_xh"] @ torch.tensor(x) + w["W_hh"] @ w["h_prev"] + b
        a.retain_grad()
        state = torch.tanh(a)
        state.retain_grad()
        seen = torch.tensor(dy) @ (torch.tensor(W_hy) @ state) + torch.tensor(dh_next) @ state
        seen.backward()
        expected = state.grad, a.grad, w["W_hh"].grad, w["W_xh"].grad, w["h_prev"].grad
        for name, ours, true in zip(exercise.values, exercise.reference(
            dy, dh_next, x, h_prev, h, W_hy, W_hh
        ), expected):
            assert relative_error(ours, true) < 1e-12, name


# Wrong answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise, message, wrong", MISTAKES.values(), ids=range(len(MISTAKES)))
def test_each_mistake_gets_exactly_its_own_message(exercise, message, wrong, capsys):
    assert exercise.judge(wrong) == f"not yet. {message}"
    assert exercise.check(wrong) is exercise.reference
    said = " ".join(capsys.readouterr().out.split())
    assert said == (
        f"{exercise.name}: not yet. {' '.join(message.split())} "
        "The cells below use the reference solution."
    )


@each_compared
def test_otherwise_the_first_value_that_differs_is_named(exercise):
    for k, name in enumerate(exercise.values):
        spoiled = changed(
            exercise, lambda values, k=k: (*values[:k], *(v + 0.123 for v in values[k:]))
        )
        verdict = exercise.judge(spoiled)
        assert verdict.startswith(f"not yet. `{name}` differs: it is "), verdict
        assert "expected" in verdict


@each_compared
def test_a_wrong_shape_is_named(exercise):
    wider = changed(exercise, lambda values: tuple(np.stack([v] * 7) for v in values))
    verdict = exercise.judge(wider)
    assert f"`{exercise.values[0]}` differs: its shape is (7," in verdict


@each_compared
def test_a_missing_return_is_named(exercise):
    def forgets_to_return(*arguments):
        exercise.reference(*arguments)

    assert any(hint in exercise.judge(forgets_to_return) for hint in ("`return`", "nothing"))


@each_exercise
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_is_not_right(exercise, bad):
    spoiled = changed(exercise, lambda values: tuple(v * 0 + bad for v in values))
    assert exercise.judge(spoiled).startswith("not yet. ")


def test_any_weights_that_latch_the_bit_are_right_and_others_are_told_what_is_asked_for():
    latch = EXERCISES["lstm.latch"]
    W, b = latch.reference()
    assert latch.judge(lambda: (0.8 * W, 0.9 * b)) is None
    assert latch.judge(lambda: (W.tolist(), b.tolist())) is None
    assert latch.judge(lambda: [torch.tensor(W), torch.tensor(b)]) is None
    for wrong in (W, (W.T, b), (W, b[:3]), "W, b", 4.0, (W * np.nan, b)):
        assert latch.judge(lambda wrong=wrong: wrong).startswith("not yet. It raised ValueError: ")
    assert "(4, 3)" in latch.judge(lambda: (W.T, b))
    assert latch.judge(lambda: None).startswith("not yet. Replace the")


# Nonsense ----------------------------------------------------------------------------------------


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class NotEvenRepr:
    def __repr__(self):
        raise RuntimeError("no repr")


def raises(error):
    def attempt(*_):
        raise error

    return attempt


def never_ends(*arguments):
    return never_ends(*arguments)


def deep():
    nested = []
    nested.append(nested)
    return nested


def unusual(value):
    return lambda *_: value


NONSENSE = {
    "None": None,
    "a number": 3,
    "a text": "text",
    "an array": np.zeros(3),
    "a class": dict,
    "a class of one's own": type("attempt", (), {}),
    "an instance": object(),
    "no repr": NotEvenRepr(),
    "the exercise's own ellipsis": ...,
    "no arguments": lambda: 1,
    "too many arguments": lambda a, b, c, d, e, f, g, h, i: 1,
    "returns None": unusual(None),
    "returns a text": unusual("text"),
    "returns a function": unusual(len),
    "returns an empty tuple": unusual(()),
    "returns empty arrays": lambda *_: (np.zeros(0),) * 5,
    "returns many things": unusual(tuple(range(50))),
    "returns a large array": lambda *_: np.zeros((9, 9, 9)),
    "returns ragged lists": unusual([[1, 2], [3]]),
    "returns complex numbers": unusual(1j),
    "returns a huge integer": unusual(10**400),
    "returns huge integers": unusual((10**400,) * 5),
    "returns a dict": unusual({"h": 1}),
    "returns a set": unusual({1}),
    "returns a generator": lambda *_: (v for v in range(5)),
    "returns itself, nested": lambda *_: deep(),
    "returns lists of tensors with gradients": lambda *_: [[torch.ones(3, requires_grad=True)] * 2],
    "returns lists of those, often": lambda *_: ([torch.ones(3, requires_grad=True)] * 2,) * 5,
    "returns a tensor without storage": lambda *_: torch.zeros(3, device="meta"),
    "returns sparse tensors": lambda *_: (torch.eye(3).to_sparse(),) * 2,
    "raises": raises(ValueError("a bad day")),
    "raises without a text": raises(Unprintable()),
    "asserts": raises(AssertionError()),
    "stops iteration": raises(StopIteration()),
    "never ends": never_ends,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_not_right_and_never_raises(name, capsys):
    for exercise in EXERCISES.values():
        handed_back = exercise.check(NONSENSE[name])
        said = capsys.readouterr().out
        assert handed_back is exercise.reference
        assert said.startswith(f"{exercise.name}: not yet.")
        assert said.endswith("The cells below use the reference solution.\n")


def test_what_the_learner_raised_is_shown():
    exercise = EXERCISES["recurrence.rnn_step"]
    verdict = exercise.judge(raises(ValueError("a bad day")))
    assert verdict == "not yet. It raised ValueError: a bad day"
    assert "TypeError" in exercise.judge(lambda x: x)


def fingerprint(value):
    """Everything that could have been changed in place, as text."""
    if isinstance(value, tuple | list):
        return [fingerprint(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray) else repr(value)


@each_exercise
def test_arguments_changed_in_place_spoil_nothing(exercise):
    """Not the learner's later cases, not the reference's answer, not the next attempt."""

    def untidy(*arguments):
        answer = copy.deepcopy(exercise.reference(*arguments))
        for argument in arguments:
            if isinstance(argument, list):
                argument.clear()
            elif isinstance(argument, np.ndarray):
                argument[...] = 1e6
        return answer

    before = fingerprint(exercise.cases)
    verdict = exercise.judge(untidy)
    assert verdict is None or verdict.startswith("right, but it changes its argument ")
    assert fingerprint(exercise.cases) == before

    def untidy_and_wrong(*arguments):
        untidy(*arguments)
        return tuple(v + 1.0 for v in tuple_of(exercise, exercise.reference(*arguments)))

    with np.errstate(all="ignore"):
        verdict = exercise.judge(untidy_and_wrong)
    assert verdict.startswith("not yet. ")
    assert fingerprint(exercise.cases) == before
    assert exercise.judge(exercise.reference) is None


@each_exercise
def test_answers_that_share_memory_with_the_arguments_are_judged_as_they_were(exercise):
    """An attempt that hands back its own arguments is wrong, whatever happens to them later."""
    verdict = exercise.judge(lambda *arguments: arguments[: len(exercise.values)])
    assert verdict is not None and verdict.startswith("not yet. ")


# Stubs -------------------------------------------------------------------------------------------


def stub(*arguments): ...


def stub_with_words(*arguments):
    """What is to be done."""
    ...


def stub_that_passes(*arguments):
    pass


STUBS = [stub, stub_with_words, stub_that_passes, lambda *_: ..., ...]


@pytest.mark.parametrize("untouched", STUBS, ids=["plain", "docstring", "pass", "lambda", "bare"])
def test_an_untouched_stub_is_told_how_to_go_on(untouched):
    for exercise in EXERCISES.values():
        assert exercise.judge(untouched) == (
            f"not yet. Replace the `...`, or ask for ex.{exercise.name}.hint()."
        )
        assert exercise.check(untouched) is exercise.reference


def test_a_function_that_does_something_is_no_stub():
    exercise = EXERCISES["recurrence.count_parameters"]
    assert "Replace the" not in exercise.judge(lambda D, H, V, T: 5)
    assert "Replace the" not in exercise.judge(lambda D, H, V, T: D)
    assert "Replace the" not in exercise.judge(lambda D, H, V, T: print("here"))


def cells_of_notebooks():
    """(lesson, exercise name, source) of every cell that is tagged exercise-NAME."""
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for tag in cell["metadata"].get("tags", []):
                if tag.startswith("exercise-"):
                    yield path.stem[3:], tag.removeprefix("exercise-"), "".join(cell["source"])


CELLS = {f"{lesson}.{name}": source for lesson, name, source in cells_of_notebooks()}


def test_each_exercise_has_one_cell_in_its_notebook():
    """A lesson whose notebook is not there yet has none to have one in."""
    written = {path.stem[3:] for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")}
    assert len(list(cells_of_notebooks())) == len(CELLS)
    assert set(CELLS) == {name for name in EXERCISES if name.split(".")[0] in written}


@pytest.mark.parametrize("name", CELLS)
def test_the_cell_in_the_notebook_asks_for_the_function_that_is_checked(name):
    exercise, tree = EXERCISES[name], ast.parse(CELLS[name])
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert function.name == exercise.name
    wanted = list(inspect.signature(exercise.reference).parameters)
    assert [argument.arg for argument in function.args.args] == wanted


@pytest.mark.parametrize("name", CELLS)
def test_the_cell_as_it_stands_is_not_yet_right(name):
    """A stub is told how to go on; a planted bug gets the message that was written for it."""
    names = {"np": np, "math": math, "torch": torch, "nn": torch.nn}
    exercise = EXERCISES[name]
    exec(CELLS[name], names)
    verdict = exercise.judge(names[exercise.name])
    planted = "..." not in CELLS[name]
    known = [f"not yet. {message}" for message in exercise.mistakes]
    assert verdict in known if planted else verdict.startswith("not yet. Replace the")


# Check, hint, solution ---------------------------------------------------------------------------


@each_exercise
def test_strict_stops_at_a_miss_and_names_it(exercise, monkeypatch, capsys):
    monkeypatch.setenv(STRICT_VARIABLE, "1")
    with pytest.raises(AssertionError, match=f"exercise {exercise.name}: not yet"):
        exercise.check(stub)
    assert exercise.check(exercise.reference) is exercise.reference
    monkeypatch.setenv(STRICT_VARIABLE, "")
    assert exercise.check(stub) is exercise.reference


@each_exercise
def test_hints_come_one_at_a_time_and_start_again_after_the_last(exercise, capsys):
    fresh, shown = copy.copy(exercise), []
    fresh._hints_shown = 0
    for _ in range(2 * len(exercise.hints)):
        fresh.hint()
        shown.append(" ".join(capsys.readouterr().out.split()))
    first, again = shown[: len(exercise.hints)], shown[len(exercise.hints) :]
    assert len(set(first)) == len(exercise.hints) >= 2
    assert first == again
    for number, (line, hint) in enumerate(zip(first, exercise.hints), 1):
        assert line == f"Hint {number} of {len(exercise.hints)}: {' '.join(hint.split())}"


def test_an_exercise_without_hints_points_to_its_solution(capsys):
    def double(x):
        return 2 * x

    Exercise(double, cases=[(1,)], values=("y",)).hint()
    assert capsys.readouterr().out == "double: no hints; see ex.double.solution()\n"


@each_exercise
def test_the_solution_shown_can_be_pasted_and_is_right(exercise, monkeypatch):
    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    exercise.solution()
    (code,) = shown
    assert isinstance(code, IPython.display.Code)
    names = {"np": np, "math": math, "torch": torch, "nn": torch.nn}
    exec(code.data, names)
    assert exercise.judge(names[exercise.name]) is None


@each_exercise
def test_an_exercise_names_its_three_commands(exercise):
    assert repr(exercise) == (
        f"Exercise {exercise.name}: .check({exercise.name}), .hint(), .solution()"
    )
