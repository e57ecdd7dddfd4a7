"""Exercises with many right answers: the attempt is tried out, and the first complaint is shown."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from lecture_utils.exercises.exercise import Exercise


class Wrong(Exception):
    """What is wrong with an attempt, as a sentence."""


class ByWhatItDoes(Exercise):
    """An exercise whose `use(attempt, *case)` raises `Wrong` unless the attempt does its work.

    The checks in `use` come in the order in which a reader would mend things.
    """

    def __init__(self, solution: Callable, *, use: Callable, **rest):
        super().__init__(solution, use=_complaint(use), **rest)

    def _difference(self, got, want):
        return None if got == want else got


def _complaint(use):
    def complain(attempt, *case):
        try:
            use(attempt, *case)
        except Wrong as wrong:
            return str(wrong)
        return None

    return complain


@contextmanager
def doing(what: str, remedy: str = "") -> Iterator[None]:
    """What the learner's code raises inside becomes a sentence: `what` raises ..., and `remedy`."""
    try:
        yield
    except Exception as error:
        said = str(error).split("\n")[0].split(". ")[0].rstrip(".")  # PyTorch's can be pages long
        raise Wrong(
            f"{what} raises {type(error).__name__}{': ' * bool(said)}{said}. {remedy}".rstrip()
        ) from None


def takes(function: Callable, *arguments: object) -> bool:
    """Whether it can be called with these arguments, as far as can be seen without calling it."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # no signature to look at
        return True
    return True


def form(value: object) -> str:
    """What kind of thing it is, in words: "a tensor of shape (5, 7)"."""
    if torch.is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)} ({', '.join(map(form, value))})"
    return "nothing" if value is None else f"something of type {type(value).__name__}"
