"""Puzzles whose right answer is known, from the word hello to sums over a hundred steps.

Each returns arrays (inputs, targets), one row per example; its docstring says what an answer is
worth that ignores the input. N examples, T steps.
"""

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray


def hello() -> tuple[str, str]:
    """The lecture's training pair: read each letter of the first, predict that of the second."""
    return "hell", "ello"


def running_parity(
    examples: int, length: int, rng: np.random.Generator
) -> tuple[Int[Array, "N T"], Int[Array, "N T"]]:
    """Random bits, and after each bit: was the number of ones so far odd (1) or even (0)?"""
    _at_least(1, examples=examples, length=length)
    bits = rng.integers(0, 2, (examples, length))
    return bits, bits.cumsum(axis=1) % 2


def reversal(
    examples: int, length: int, symbols: int, rng: np.random.Generator
) -> tuple[Int[Array, "N T"], Int[Array, "N T"]]:
    """Random symbols 0..symbols-1, and the same symbols backwards."""
    _at_least(1, examples=examples, length=length, symbols=symbols)
    words = rng.integers(0, symbols, (examples, length))
    return words, words[:, ::-1].copy()


def recall(
    examples: int, lag: int, symbols: int, rng: np.random.Generator
) -> tuple[Int[Array, "N T"], Int[Array, "N"]]:
    """One symbol to keep, then `lag` distractors; the answer, at the end, is the first symbol.

    Keepsakes are 0..symbols-1, distractors symbols..2*symbols-1: T = lag + 1 inputs out of
    2 * symbols. Guessing is right 1 time in `symbols`.
    """
    _at_least(1, examples=examples, symbols=symbols)
    _at_least(0, lag=lag)
    keep = rng.integers(0, symbols, examples)
    noise = rng.integers(symbols, 2 * symbols, (examples, lag))
    return np.column_stack([keep, noise]), keep


def switch(
    examples: int, length: int, rng: np.random.Generator, nothing: float = 0.7
) -> tuple[Int[Array, "N T"], Int[Array, "N T"]]:
    """Inputs set 0 (0), set 1 (1) or nothing (2); the answer at each step is how the switch stands.

    The first input always sets it. nothing: the probability of "nothing" afterwards.
    """
    _at_least(1, examples=examples, length=length)
    if not 0 <= nothing <= 1:
        raise ValueError(f"nothing is {nothing}: a probability lies between 0 and 1")
    setting = (1 - nothing) / 2
    inputs = rng.choice(3, (examples, length), p=[setting, setting, nothing])
    inputs[:, 0] = rng.integers(0, 2, examples)
    last_set = np.maximum.accumulate(np.where(inputs < 2, np.arange(length), 0), axis=1)
    return inputs, np.take_along_axis(inputs, last_set, axis=1)


QUOTED = '"abcdefghijklmnopqrstuvwxyz .,'
"""The characters of `quotes`, in the order of its symbols."""


def quotes(
    examples: int, length: int, rng: np.random.Generator, marks: float = 0.12
) -> tuple[Int[Array, "N T"], Int[Array, "N T"]]:
    """Random text over `QUOTED`; after each character: inside quotation marks (1) or not (0)?

    marks: the probability of a quotation mark, symbol 0. Always answering 0 is right more often
    than not, as texts start outside: about 53 % of the time at length 60.
    """
    _at_least(1, examples=examples, length=length)
    if not 0 <= marks <= 1:
        raise ValueError(f"marks is {marks}: a probability lies between 0 and 1")
    inputs = rng.integers(1, len(QUOTED), (examples, length))
    inputs[rng.random((examples, length)) < marks] = 0
    return inputs, (inputs == 0).cumsum(axis=1) % 2


def brackets(
    examples: int, length: int, rng: np.random.Generator, kinds: int = 3, depth: int = 4
) -> tuple[Int[Array, "N T"], Int[Array, "N T"]]:
    """Nested brackets; after each symbol: of which kind is the innermost one still open?

    Symbols 0..kinds-1 open, kinds..2*kinds-1 close the bracket of the same kind. Answers are
    1..kinds, or 0 where all is closed. At most `depth` are open at once; where both are possible,
    opening and closing are equally likely. An answer that sees only the last symbol is right after
    every opening one; with 3 kinds, depth 4 and length 40 about 66 % of the time in all.
    """
    _at_least(1, examples=examples, length=length, kinds=kinds, depth=depth)
    inputs = rng.integers(0, kinds, (examples, length))  # the kind, if this step opens
    opens = rng.random((examples, length)) < 0.5
    stack = np.zeros((examples, depth + 1), int)  # stack[:, 0]: nothing is open
    answers, top = np.zeros((examples, length), int), np.zeros(examples, int)
    each = np.arange(examples)
    for t in range(length):
        opening = (opens[:, t] | (top == 0)) & (top < depth)
        inner = stack[each, top]
        inputs[:, t] = np.where(opening, inputs[:, t], kinds - 1 + inner)
        top = top + np.where(opening, 1, -1)
        stack[each[opening], top[opening]] = inputs[opening, t] + 1
        answers[:, t] = stack[each, top]
    return inputs, answers


def temporal_order(
    examples: int, length: int, rng: np.random.Generator, keys: int = 2
) -> tuple[Int[Array, "N T"], Int[Array, "N"]]:
    """Keys A and B (0 and 1) hidden among distractors (2 to 5): in which order did they come?

    The first key lies in [0.1 T, 0.2 T), the second in [0.5 T, 0.6 T), a third in [0.7 T, 0.8 T).
    The answer is one of 2**keys orders, read as a binary number (AB = 1); guessing, like naming
    the commonest order, is right 1 time in 2**keys, and knowing the last key 1 time in
    2**(keys - 1). Source: Hochreiter and Schmidhuber (1997); positions as in Pascanu et al. (2013).
    """
    _at_least(1, examples=examples)
    _at_least(10, length=length)  # shorter, and a key would have no place to be
    if keys not in (2, 3):
        raise ValueError(f"keys is {keys}: this puzzle has 2 or 3")
    inputs = rng.integers(2, 6, (examples, length))
    order = rng.integers(0, 2, (examples, keys))
    for key, tenth in enumerate((1, 5, 7)[:keys]):
        first, end = -(-tenth * length // 10), -(-(tenth + 1) * length // 10)  # rounded up
        inputs[np.arange(examples), rng.integers(first, end, examples)] = order[:, key]
    return inputs, order @ (2 ** np.arange(keys)[::-1])


def adding(
    examples: int, length: int, rng: np.random.Generator
) -> tuple[Float[Array, "N T 2"], Float[Array, "N"]]:
    """The sum of two marked numbers. Each step: a number from [0, 1), and a mark, 1 or 0.

    One mark lies in each half. Always answering 1 leaves a mean squared error of `ADDING_TRIVIAL`.
    Source: Hochreiter and Schmidhuber (1997), in the form of Le, Jaitly and Hinton (2015).
    """
    _at_least(1, examples=examples)
    _at_least(2, length=length)
    inputs = np.zeros((examples, length, 2))
    inputs[..., 0] = rng.random((examples, length))
    each, half = np.arange(examples), length // 2
    marks = rng.integers(0, half, examples), rng.integers(half, length, examples)
    for mark in marks:
        inputs[each, mark, 1] = 1
    return inputs, sum(inputs[each, mark, 0] for mark in marks)


ADDING_TRIVIAL = 1 / 6
"""Variance of the sum of two uniform numbers, 2 / 12: the error of always answering 1."""


def _at_least(smallest, **numbers):
    for name, value in numbers.items():
        if value < smallest:
            raise ValueError(f"{name} is {value}: it has to be at least {smallest}")
