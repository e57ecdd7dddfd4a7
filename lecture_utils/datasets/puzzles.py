"""Puzzles whose right answer is known: parity, reversal, recall, and the word hello.

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


def _at_least(smallest, **numbers):
    for name, value in numbers.items():
        if value < smallest:
            raise ValueError(f"{name} is {value}: it has to be at least {smallest}")
