"""Puzzles whose right answer is known: parity, reversal, recall, a switch, and the word hello.

Each returns integer arrays (inputs, targets), one row per example. N examples, T steps.
"""

import numpy as np
from jaxtyping import Int

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


def _at_least(smallest, **numbers):
    for name, value in numbers.items():
        if value < smallest:
            raise ValueError(f"{name} is {value}: it has to be at least {smallest}")
