"""What the widgets ask of their arguments: where it is not so, a ValueError names the value."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np


def shape(name: str, array: np.ndarray, wanted: tuple, in_words: str) -> None:
    """The array has the wanted shape; None stands for any length."""
    fits = array.ndim == len(wanted) and all(n in (None, m) for n, m in zip(wanted, array.shape))
    if not fits:
        raise ValueError(f"{name} has shape {array.shape}: it must be {in_words}")


def refuse(name: str, array: np.ndarray, wrong: np.ndarray | np.bool_, remedy: str) -> None:
    """Nothing is wrong with the array; else its first wrong value is named, with its place."""
    if wrong.any():
        where = np.argwhere(wrong)[0].tolist()
        raise ValueError(f"{name} holds {array[tuple(where)]:.12g} at {where}: {remedy}")


def whole_number(name: str, value, low: int, high: int) -> int:
    """A whole number from low to high, as an int."""
    if not isinstance(value, Integral) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}: choose a whole number from {low} to {high}")
    return int(value)


def label(text, of: str, longest: int) -> None:
    """A text that is short enough to stand in the widget. of: what it names, as "a cell"."""
    if not isinstance(text, str) or not 1 <= len(text) <= longest:
        raise ValueError(f"{text!r} cannot name {of}: use a text of 1 to {longest} characters")


def text(name: str, value, alphabet: str, longest: int) -> None:
    """A text of 1 to `longest` characters, all of them in the alphabet."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}: give at least one character of {alphabet!r}")
    if len(value) > longest:
        raise ValueError(f"{name} has {len(value)} characters: shorten it to {longest} at most")
    for place, character in enumerate(value):
        if character not in alphabet:
            raise ValueError(f"{name} has {character!r} at position {place}, which is not in the "
                             f"alphabet {alphabet!r}: leave it out, or use a network that knows it")


def mapping(name: str, value, form: str) -> None:
    """A dict. form: of what, as "name -> (T,)"."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is a {type(value).__name__}: give a dict, {form}")


def function(name: str, value) -> None:
    """A function, or None."""
    if value is not None and not callable(value):
        raise ValueError(f"{name} is {value!r}: give a function, or None")
