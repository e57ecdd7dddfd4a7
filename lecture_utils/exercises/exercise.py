"""What every exercise does: check, hint, solution.

A check never raises. It hands back the learner's function when that is right and the reference
when it is not, so that the cells below always run. With COURSE_STRICT=1 a miss stops.
"""

import copy
import dis
import inspect
import os
from collections.abc import Callable, Sequence
from textwrap import dedent, fill

import numpy as np
import torch

STRICT_VARIABLE = "COURSE_STRICT"


class Exercise:
    """A function to write, with its reference solution and the mistakes people make.

    solution: the reference; its name is the exercise's name.
    cases: argument tuples on which the answers are compared, simplest first.
    values: names of the returned values, in the order in which they are computed; the first that
        differs is named. One name if the function returns one thing.
    mistakes: wrong functions by the message that each one gets; the planted bug is one of them.
    hints: one at a time, each more concrete than the last.
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
    ):
        self.name = solution.__name__
        self.reference = solution
        self.source = dedent(inspect.getsource(solution))
        self.cases, self.values = list(cases), list(values)
        self.mistakes = mistakes or {}
        self.hints = list(hints)
        self.tolerance = tolerance
        self._hints_shown = 0

    def __repr__(self):
        return f"Exercise {self.name}: .check({self.name}), .hint(), .solution()"

    def check(self, attempt: Callable) -> Callable:
        """`attempt` if it is right, else the reference; prints which, and why."""
        verdict = self.judge(attempt)
        if verdict is None:
            print(f"{self.name}: right. The cells below use your function.")
            return attempt
        print(
            fill(f"{self.name}: {verdict}", 88),
            "The cells below use the reference solution.",
            sep="\n",
        )
        if os.environ.get(STRICT_VARIABLE):
            raise AssertionError(f"exercise {self.name}: {verdict}")
        return self.reference

    def judge(self, attempt: Callable) -> str | None:
        """None if `attempt` is right, else what is wrong with it."""
        if attempt is ... or (callable(attempt) and _is_stub(attempt)):
            return f"not yet. Replace the `...`, or ask for ex.{self.name}.hint()."
        if not callable(attempt):
            return f"not yet. `{self.name}` is {attempt!r}, and should be a function."
        for case in self.cases:
            try:
                got = attempt(*copy.deepcopy(case))
            except Exception as error:  # whatever the learner's code raises is an answer
                return f"not yet. It raised {type(error).__name__}: {error}"
            if self._difference(got, self.reference(*copy.deepcopy(case))) is not None:
                return "not yet. " + (self._known_mistake(attempt) or self._describe(got, case))
        return None

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

    def _known_mistake(self, attempt):
        """The message of the mistake that gives the attempt's answers in every case."""
        for message, wrong in self.mistakes.items():
            if all(self._answers_alike(attempt, wrong, case) for case in self.cases):
                return message
        return None

    def _answers_alike(self, attempt, wrong, case):
        try:
            got, expected = (f(*copy.deepcopy(case)) for f in (attempt, wrong))
            return self._difference(got, expected) is None
        except Exception:
            return False

    def _describe(self, got, case):
        name, text = self._difference(got, self.reference(*copy.deepcopy(case)))
        return f"`{name}` differs: {text}"

    def _difference(self, got, want):
        """(name, what differs) of the first value that differs, or None."""
        if len(self.values) == 1:
            got, want = (got,), (want,)
        elif not isinstance(got, tuple | list) or len(got) != len(want):
            what = "nothing" if got is None else f"{_kind(got)}"
            return "the result", f"it returns {what}, expected {', '.join(self.values)}."
        for name, a, b in zip(self.values, got, want):
            text = _differs(a, b, self.tolerance)
            if text:
                return name, text
        return None


def _is_stub(function):
    """Is the body nothing but `...` (and a docstring)?"""
    try:
        code = dis.get_instructions(function)
    except TypeError:
        return False
    idle = {"RESUME", "NOP", "POP_TOP", "COPY_FREE_VARS", "CACHE"}
    ends = {"LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    kept = [i for i in code if i.opname not in idle]
    return all(i.opname in ends for i in kept) and all(
        i.argval in (None, ...) for i in kept if i.opname != "RETURN_VALUE"
    )


def _differs(got, want, tolerance):
    """What is different between two values, or None."""
    if got is None:
        return "it is None. Is a `return` missing?"
    if isinstance(want, str | bool | tuple | list | dict) or want is None:
        same = type(got) is type(want) and got == want
        return None if same else f"it is {got!r}, expected {want!r}."
    try:
        a, b = (
            np.asarray(v.detach().cpu() if torch.is_tensor(v) else v, dtype=np.float64)
            for v in (got, want)
        )
    except (TypeError, ValueError):
        return f"it is {_kind(got)}, expected numbers."
    if a.shape != b.shape:
        return f"its shape is {a.shape}, expected {b.shape}."
    scale = max(1.0, float(np.abs(b).max(initial=0)))
    wrong = ~(np.abs(a - b) <= tolerance * scale)  # NaN counts as wrong
    if not wrong.any():
        return None
    where = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.ndim else ()
    place = f" at {list(where)}" if where else ""
    return f"it is {a[where]:.4g}{place}, expected {b[where]:.4g}."


def _kind(value):
    return f"a {type(value).__name__}"
