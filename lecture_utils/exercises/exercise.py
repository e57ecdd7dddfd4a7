"""What every exercise does: check, hint, solution.

A check never raises. It hands back the learner's function when that is right and the reference
when it is not, so that the cells below always run. With COURSE_STRICT=1 a miss stops.
"""

import ast
import copy
import dis
import inspect
import itertools
import os
import random
import re
import reprlib
import traceback
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from textwrap import dedent, fill

import numpy as np
import torch

STRICT_VARIABLE = "COURSE_STRICT"


def _call(attempt, *case):
    return attempt(*case)


class Exercise:
    """A function to write, with its reference solution and the mistakes people make.

    solution: the reference; its name is the exercise's name. Calling the exercise calls it.
    cases: argument tuples on which the answers are compared, simplest first.
    values: names of the returned values, in the order in which they are computed; the first that
        differs is named. One name if the function returns one thing.
    mistakes: wrong functions by the message that each one gets; the planted bug is one of them.
    hints: one at a time, each more concrete than the last.
    tolerance: relative to the largest expected number of each value.
    use: how an attempt answers a case, `attempt(*case)` unless given. For a module class: build
        it, give it the reference's weights, run it, return values and gradients.
    used: False if no later cell needs the result, so that nothing is said about cells below.
    """

    def __init__(
        self,
        solution: Callable,
        *,
        cases: Sequence[tuple],
        values: Sequence[str],
        mistakes: dict[str, Callable] | None = None,
        hints: Sequence[str] = (),
        tolerance: float = 1e-6,
        use: Callable = _call,
        used: bool = True,
    ):
        self.name = solution.__name__
        self.reference = solution
        self.source = dedent(inspect.getsource(solution))
        self.cases, self.values = list(cases), list(values)
        self.mistakes = mistakes or {}
        self.hints = list(hints)
        self.tolerance, self.use, self.used = tolerance, use, used
        self._hints_shown = 0

    def __repr__(self):
        return f"Exercise {self.name}: .check({self.name}), .hint(), .solution()"

    def __call__(self, *arguments, **named):
        return self.reference(*arguments, **named)

    def check(self, attempt: object) -> Callable:
        """`attempt` if it is right, else the reference; prints which, and why."""
        verdict = self.judge(attempt)
        if verdict is None:
            print(f"{self.name}: right." + " The cells below use your function." * self.used)
            return attempt
        print(fill(f"{self.name}: {verdict}", 88))
        if self.used:
            print("The cells below use the reference solution.")
        if os.environ.get(STRICT_VARIABLE):
            raise AssertionError(f"exercise {self.name}: {verdict}")
        return self.reference

    def judge(self, attempt: object) -> str | None:
        """None if `attempt` is right, else what is wrong with it. Leaves random states alone."""
        with _random_states_kept():
            try:
                return self._verdict(attempt)
            except Exception as error:  # an answer can refuse even to be looked at
                said = _text(str, error)
                return f"not yet. Its answer cannot be read: {type(error).__name__}: {said}"

    def hint(self) -> None:
        """Print the next hint; after the last one it starts again."""
        if not self.hints:
            print(f"{self.name}: no hints; see ex.{self.name}.solution()")
            return
        number = self._hints_shown % len(self.hints)
        print(fill(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}", 88))
        self._hints_shown += 1

    def solution(self) -> None:
        """Show the reference solution."""
        from IPython.display import Code, display

        display(Code(self.source, language="python"))

    def _verdict(self, attempt):
        if attempt is ... or (callable(attempt) and _is_stub(attempt)):
            return f"not yet. Replace the `...`, or ask for ex.{self.name}.hint()."
        if not callable(attempt):
            return f"not yet. `{self.name}` is {_repr(attempt)}, and should be a function."
        if signature := self._wrong_signature(attempt):
            return f"not yet. {signature}"
        answers, wanted, found, changed = [], [], None, None
        for case in self.cases:  # each once: what the learner prints is not printed again
            mine, theirs = _copy(case), _copy(case)
            wanted.append(self._answer(self.reference, theirs))
            try:
                answers.append(self._answer(attempt, mine))
            except (Exception, SystemExit) as error:  # what the learner's code raises is an answer
                found = found or _explained(error)
                break
            found = found or self._difference(answers[-1], wanted[-1])
            # An argument that the reference changes too is meant to be changed.
            changed = changed or self._changed_argument(case, mine, theirs)
        if found:
            known = None
            if len(answers) == len(self.cases):
                known = self._other_order(answers, wanted) or self._known_mistake(answers)
            return "not yet. " + (self._unfinished(attempt) or known or found)
        if changed:
            need = ", and the cells below still need it" * self.used
            return f"right, but it changes {changed} in place{need}: work on a copy."
        return None

    def _answer(self, function, arguments):
        """From the same random numbers each time."""
        random.seed(0)
        np.random.seed(0)
        torch.default_generator.manual_seed(0)
        return self.use(function, *arguments)

    def _wrong_signature(self, attempt):
        """What is wrong with the arguments that `attempt` takes, or None."""
        if self.use is not _call:
            return None
        try:
            has, should = inspect.signature(attempt), inspect.signature(self.reference)
        except (TypeError, ValueError):
            return None
        try:
            has.bind(*self.cases[0])
        except TypeError:
            return f"Its arguments are {has}, and should be {should}: else calling is a TypeError."
        return None

    def _unfinished(self, attempt):
        """The remark on a `...` that was left among finished lines, or None."""
        if isinstance(attempt, type):
            for name, method in vars(attempt).items():
                if inspect.isfunction(method) and _is_stub(method):
                    return f"Replace the `...` in `{name}`, or ask for ex.{self.name}.hint()."
        return "There is still a `...` in it." if _has_gap(attempt) else None

    def _known_mistake(self, answers):
        """The message of the mistake that gives these answers in every case."""
        for message, wrong in self.mistakes.items():
            with suppress(Exception):
                if not any(
                    self._difference(got, self._answer(wrong, _copy(case)))
                    for got, case in zip(answers, self.cases)
                ):
                    return message
        return None

    def _other_order(self, answers, wanted):
        """The remark on right values that come in another order, or None."""
        n = len(self.values)
        if not 2 <= n <= 6 or not all(isinstance(got, tuple | list) for got in answers):
            return None
        if any(len(got) != n for got in answers):
            return None
        fits = [
            [not any(_differs(got[j], want[i], self.tolerance)
                     for got, want in zip(answers, wanted)) for j in range(n)]
            for i in range(n)
        ]
        for order in itertools.permutations(range(n)):
            if all(fits[i][j] for i, j in enumerate(order)):
                return f"The values are right but in another order: return {self._listed()}."
        return None

    def _changed_argument(self, case, mine, theirs):
        names = [f"number {i}" for i in range(1, len(case) + 1)]
        if self.use is _call:
            names = [f"`{name}`" for name in inspect.signature(self.reference).parameters] + names
        for name, before, after, reference in zip(names, case, mine, theirs):
            if not _same(before, after) and _same(before, reference):
                return f"its argument {name}"
        return None

    def _difference(self, got, want):
        """What differs in the first value that differs, as a sentence, or None."""
        n = len(self.values)
        if n == 1:
            if isinstance(got, tuple) and not isinstance(want, tuple):
                return f"It returns {_count(len(got))}; return one: {self._listed()}."
            got, want = (got,), (want,)
        elif not isinstance(got, tuple | list) or len(got) != n:
            what = "nothing" if got is None else _kind(got)
            if isinstance(got, tuple | list):
                what = _count(len(got))
            return f"It returns {what}; return {_count(n)}: {self._listed()}."
        for name, a, b in zip(self.values, got, want):
            text = _differs(a, b, self.tolerance)
            if text:
                return f"`{name}` differs: {text}"
        return None

    def _listed(self):
        return ", ".join(self.values)


# What the attempt is -----------------------------------------------------------------------------


def _is_stub(function):
    """Is the body nothing but `...` (and a docstring)?"""
    try:
        code = list(dis.get_instructions(function))
    except Exception:  # no code to look at
        return False
    idle = {"RESUME", "NOP", "POP_TOP", "COPY_FREE_VARS", "CACHE"}
    ends = {"LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    kept = [i for i in code if i.opname not in idle]
    return all(i.opname in ends for i in kept) and all(
        i.argval in (None, ...) for i in kept if i.opname != "RETURN_VALUE"
    )


def _has_gap(function):
    """Does the source hold a `...` that stands for code, not for axes as in x[..., 0]?"""
    try:
        tree = ast.parse(dedent(inspect.getsource(function)))
    except Exception:  # no source, or a lambda cut out of its line
        return False
    indices = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    axes = {id(node) for index in indices for node in ast.walk(index)}
    return any(
        isinstance(node, ast.Constant) and node.value is ... and id(node) not in axes
        for node in ast.walk(tree)
    )


def _explained(error):
    """A sentence on what the learner's code raised."""
    said = _text(str, error)
    if "ellipsis" in said.lower():
        return "There is still a `...` in it."
    name = re.search(r"local variable '(\w+)'", said)
    if isinstance(error, UnboundLocalError) and name:
        name, line = name[1], traceback.extract_tb(error.__traceback__)[-1].line or ""
        update = re.search(rf"\b{name}\s*([-+*/@%&|]{{1,2}}=)", line)
        if update:
            return (
                f"`{name} {update[1]} …` needs a {name} to start from: give it one before the "
                "loop; where there is no loop, write plain =."
            )
        return f"`{name}` is used before it has a value (UnboundLocalError)."
    return f"It raised {type(error).__name__}: {said}"


@contextmanager
def _random_states_kept():
    python, array, tensor = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(array)
        torch.set_rng_state(tensor)


# Arguments ---------------------------------------------------------------------------------------


def _copy(case):
    """deepcopy, which by itself refuses tensors that were computed."""
    computed = [t for t in _tensors(case) if not t.is_leaf]
    memo = {id(t): t.detach().clone().requires_grad_() for t in computed}
    return copy.deepcopy(case, memo)


def _tensors(value):
    if torch.is_tensor(value):
        yield value
    elif isinstance(value, tuple | list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _tensors(inner)


def _same(before, after):
    """Is an argument as it was? Arrays, tensors and what holds them; a generator may move on."""
    if torch.is_tensor(before):
        before, after = before.detach(), after.detach()
        same = before.shape == after.shape and before.dtype == after.dtype
        return same and torch.equal(before.nan_to_num(), after.nan_to_num())
    if isinstance(before, np.ndarray) and before.dtype != object:
        same = before.shape == after.shape and before.dtype == after.dtype
        return same and before.tobytes() == after.tobytes()
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(v, after[k]) for k, v in before.items())
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(_same, before, after))
    return not isinstance(before, bool | int | float | str) or before is after or before == after


# Answers -----------------------------------------------------------------------------------------


def _differs(got, want, tolerance):
    """What is different between two values, or None."""
    if got is ...:
        return "it is still `...`."
    if got is None and want is not None:
        return "it is None. Is a `return` missing?"
    if isinstance(want, tuple | list):
        if not isinstance(got, tuple | list) or len(got) != len(want):
            has = f"{_kind(got)}" + f" of {len(got)}" * isinstance(got, tuple | list | dict)
            return f"it is {has}, expected {_kind(want)} of {len(want)}."
        names = getattr(want, "_fields", range(len(want)))
        return _first_entry(zip(names, got, want), tolerance)
    if isinstance(want, dict):
        if not isinstance(got, dict) or got.keys() != want.keys():
            has = f"has the keys {', '.join(map(_repr, got))}" if isinstance(got, dict) else (
                f"is {_kind(got)}"
            )
            return f"it {has}, expected the keys {', '.join(map(repr, want))}."
        return _first_entry(((repr(k), got[k], v) for k, v in want.items()), tolerance)
    numbers = bool | int | float | complex | np.number | np.bool_ | np.ndarray | torch.Tensor
    if isinstance(want, numbers):
        return _numbers_differ(got, want, tolerance)
    try:
        same = type(got) is type(want) and bool(got == want)
    except Exception:
        same = False
    return None if same else f"it is {_repr(got)}, expected {_repr(want)}."


def _first_entry(entries, tolerance):
    for name, got, want in entries:
        text = _differs(got, want, tolerance)
        if text:
            return f"entry {name}: {text}"
    return None


def _numbers_differ(got, want, tolerance):
    """`want` is a number, an array or a tensor. Later cells use the answer, so its kind counts."""
    if text := _other_kind(got, want):
        return text
    a, b = _array(got), _array(want)
    if a is None:
        return f"it is {_kind(got)}, expected numbers."
    if a.shape != b.shape:
        return f"its shape is {a.shape}, expected {b.shape or 'a single number'}."
    if text := _other_numbers(a, b):
        return text
    with np.errstate(all="ignore"):
        if b.dtype.kind in "biu":
            wrong, gap = a != b, 0.0
        else:
            exact = (a == b) | (np.isnan(a) & np.isnan(b))  # infinities too
            scale = float(np.abs(b[np.isfinite(b)]).max(initial=0))
            apart = np.where(exact, 0.0, np.abs(a - b))
            wrong = ~(apart <= (tolerance * scale if scale else max(1e-12, 1e-6 * tolerance)))
            gap = float(apart.max(initial=0)) / (scale or 1.0)
    if text := _other_precision(got, want, gap, wrong.any()):
        return text
    if not wrong.any():
        return None
    where = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.ndim else ()
    place = f" at {list(where)}" if where else ""
    return "it is {}{}, expected {}.".format(*_apart(a[where], place, b[where]))


def _other_kind(got, want):
    """A string, a tensor for an array, a list for an array: what it is and how to mend it."""
    text = isinstance(got, str | bytes)
    if text or isinstance(got, np.ndarray) and got.dtype.kind in "SU":
        whole = isinstance(want, int | np.integer) and not isinstance(want, bool)
        return f"it is a string, {'and should be an integer' if whole else 'expected numbers'}."
    if torch.is_tensor(got) and not torch.is_tensor(want):
        call = ".detach().numpy()" if got.requires_grad else ".numpy()"
        call = ".item()" if got.ndim == np.ndim(want) == 0 else call
        return f"it is a PyTorch tensor; this lesson computes in NumPy: call {call}."
    if torch.is_tensor(want) and not torch.is_tensor(got):
        return f"it is {_kind(got)}, expected a PyTorch tensor of shape {tuple(want.shape)}."
    if isinstance(want, np.ndarray) and want.ndim and not isinstance(got, np.ndarray):
        return f"it is {_kind(got)}, expected a NumPy array of shape {want.shape}."
    return None


def _array(value):
    """The numbers of a number, array or tensor as an array; None if there are none."""
    try:
        if torch.is_tensor(value):
            value = value.detach().cpu()
            value = value.float() if value.dtype == torch.bfloat16 else value
            value = value.resolve_conj().resolve_neg().numpy()
        elif isinstance(value, tuple | list):
            return None
        array = np.asarray(value)
    except Exception:  # ragged, huge, without storage: whatever NumPy or PyTorch refuse
        return None
    return array if array.dtype.kind in "biufc" else None


def _other_numbers(a, b):
    """Real for whole, number for truth value, complex for real."""
    first = a.flat[0].item() if a.size else None
    if b.dtype.kind in "iu" and a.dtype.kind not in "iu":
        if a.ndim:
            return f"it holds {a.dtype} numbers, and should hold integers."
        if first == b.item():
            return f"it is {first!r}, and should be an integer: {b.item()}."
        return f"it is {first!r}, expected the integer {b.item()}."
    if (a.dtype.kind == "b") != (b.dtype.kind == "b"):
        what = repr(first) if a.ndim == 0 else f"of dtype {a.dtype}"
        return f"it is {what}, expected {b.item() if b.ndim == 0 else f'dtype {b.dtype}'}."
    if a.dtype.kind == "c" and b.dtype.kind != "c":
        return "it is complex, expected real numbers."
    return None


def _other_precision(got, want, gap, wrong):
    """Fewer digits than the reference keeps, or another dtype than later cells can mix with."""
    has, should = (str(getattr(v, "dtype", "")).removeprefix("torch.") for v in (got, want))
    should = should or ("float64" if isinstance(want, float) else "")
    if not has or has == should:
        return None
    has_eps, eps = map(_rounding, (has, should))
    if has_eps > eps > 0 and gap <= min(0.01, 1000 * has_eps):
        if gap == 0:
            return f"its dtype is {has}, expected {should}."
        digits = max(1, int(-np.log10(gap)))
        return f"it is close, but only to {digits} digits: keep {should}."
    integers_for_floats = eps > 0 and has_eps == 0 and np.ndim(want) > 0
    if not wrong and (torch.is_tensor(want) or integers_for_floats):
        return f"its dtype is {has}, expected {should}."
    return None


def _rounding(dtype):
    """Relative rounding error of a dtype by its name; 0 for integers."""
    kind = getattr(torch, dtype, torch.float64) if "float" in dtype else torch.int64
    return torch.finfo(kind).eps if kind.is_floating_point else 0.0


def _apart(a, place, b):
    """Two numbers that differ, with as many digits as show it."""
    a, b = a.item(), b.item()
    if isinstance(a, int) and isinstance(b, int):
        return a, place, b
    for digits in range(4, 18):
        texts = f"{a:.{digits}g}", place, f"{b:.{digits}g}"
        if texts[0] != texts[2]:
            break
    return texts


def _count(number):
    words = "no one two three four five six seven eight nine ten".split()
    word = words[number] if number < len(words) else str(number)
    return f"{word} value{'' if number == 1 else 's'}"


def _text(how, value):
    """str or repr of something of the learner's, which may raise too."""
    try:
        return how(value)
    except Exception:
        return _kind(value)


def _repr(value):
    """A short repr; the kind where it would be an address."""
    text = _text(reprlib.repr, value)
    return _kind(value) if " at 0x" in text else text


def _kind(value):
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeio' or name == 'ndarray' else 'a'} {name}"
