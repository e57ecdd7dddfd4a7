"""A cell whose equation is data, so that it can be mutated: the search behind MUT1 to MUT3.

    h_t = equation(x_t, h_{t-1})        a tree: ("+", ("*", ("sigma", "a"), "h"), ("tanh", "a"))
                                        is sigma(a1) * h + tanh(a2)

    leaves      h   the state before        a   a fresh W_k x_t + U_k h_{t-1} + b_k at each place
    one part    tanh, sigma, relu, 1-
    two parts   +, *                        elementwise

Mutants of this kind led to the cells of Jozefowicz, Zaremba and Sutskever (2015), who started from
GRU and LSTM and drew mutations from a longer list. B batch, D input, H hidden.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lecture_utils.models.recurrent import check_sizes, check_step
from lecture_utils.trace import note

Equation = str | tuple

ONE_PART = {"tanh": torch.tanh, "sigma": torch.sigmoid, "relu": torch.relu, "1-": lambda v: 1 - v}
TWO_PARTS = {"+": torch.add, "*": torch.mul}
LEAVES = ("a", "h")
LARGEST = 14
"""More leaves and operations than this, and an equation is not bred on."""


class EquationCell(nn.Module):
    """One step: x (B, D), h (B, H) -> h (B, H), by an equation. Notes h.

    Weights start at U(-1/sqrt H, 1/sqrt H), biases at 0.
    Raises ValueError for an equation that is not a tree of the operations above, or reads no input.
    """

    def __init__(self, input_size: int, hidden_size: int, equation: Equation):
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        check_equation(equation)
        H, bound = hidden_size, hidden_size**-0.5
        blocks = parts(equation).count("a")
        self.equation = equation
        self.W_x = nn.Parameter(torch.empty(blocks * H, input_size).uniform_(-bound, bound))
        self.W_h = nn.Parameter(torch.empty(blocks * H, H).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(blocks * H))

    def start(self, batch_size: int) -> Float[Tensor, "B H"]:
        return self.b.new_zeros(batch_size, self.W_h.shape[1])

    def forward(self, x: Float[Tensor, "B D"], h: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        check_step(self, x, self.W_x.shape[1], h, self.W_h.shape[1])
        a = (x @ self.W_x.T + h @ self.W_h.T + self.b).split(h.shape[1], dim=1)
        return note(h=_value(self.equation, h, iter(a)))


def _value(equation: Equation, h: Tensor, a: Iterator[Tensor]) -> Tensor:
    match equation:
        case "h":
            return h
        case "a":
            return next(a)  # from left to right: each place has its own weights
        case (operation, part):
            return ONE_PART[operation](_value(part, h, a))
        case (operation, left, right):
            return TWO_PARTS[operation](_value(left, h, a), _value(right, h, a))


def direct_slope(equation: Equation, points: int = 10_000) -> float:
    """Mean of d h_t / d h_{t-1} with all a held fixed: what h keeps of itself, without a matrix.

    At random points: h from U(-1, 1), each a from N(0, 1); always the same ones.
    """
    check_equation(equation)
    check_sizes(points=points)
    drawn = {"generator": torch.Generator().manual_seed(0), "dtype": torch.float64}
    h = torch.rand(points, **drawn).mul(2).sub(1).requires_grad_()
    a = [torch.randn(points, **drawn) for _ in range(parts(equation).count("a"))]
    (slope,) = torch.autograd.grad((_value(equation, h, iter(a)) + 0 * h).sum(), h)
    return slope.mean().item()


def parts(equation: Equation) -> list[str]:
    """All operations and leaves, from left to right."""
    if isinstance(equation, str):
        return [equation]
    return [equation[0], *(name for part in equation[1:] for name in parts(part))]


def spelled(equation: Equation) -> str:
    """As one writes it: "sigma(a1) * h + tanh(a2)"."""
    count = iter(range(1, 1 + parts(equation).count("a")))

    def spell(tree, inside=""):  # inside: the sign that will stand beside it
        match tree:
            case "h":
                return "h"
            case "a":
                return f"a{next(count)}"
            case ("1-", part):
                words = f"1 - {spell(part, '-')}"
                return f"({words})" if inside else words
            case (function, part):
                return f"{function}({spell(part)})"
            case (sign, left, right):
                words = f"{spell(left, sign)} {sign} {spell(right, sign)}"
                return f"({words})" if sign == "+" and inside in ("*", "-") else words

    return spell(equation)


def mutate(equation: Equation, rng: np.random.Generator) -> Equation:
    """One change at a random place: another operation, one more, one fewer, or a new leaf.

    The mutant reads x (has an "a"), differs, and has at most `LARGEST` parts.
    """
    check_equation(equation)
    while True:
        mutant = _change(equation, int(rng.integers(len(parts(equation)))), rng)
        if mutant != equation and "a" in parts(mutant) and len(parts(mutant)) <= LARGEST:
            return mutant


def _change(tree, place, rng):
    """The tree with its `place`-th part, counted as in `parts`, changed."""
    if place:
        place, children = place - 1, list(tree[1:])
        for k, child in enumerate(children):
            if place < len(parts(child)):
                children[k] = _change(child, place, rng)
                return (tree[0], *children)
            place -= len(parts(child))
    pick = lambda names: names[int(rng.integers(len(names)))]  # noqa: E731
    new_leaf = pick(LEAVES)
    kind = pick(("other", "wrap", "join", "drop", "leaf"))
    if kind == "wrap":
        return (pick(list(ONE_PART)), tree)
    if kind == "join":
        new = new_leaf if rng.random() < 0.5 else (pick(list(ONE_PART)), new_leaf)
        pair = (tree, new) if rng.random() < 0.5 else (new, tree)
        return (pick(list(TWO_PARTS)), *pair)
    if kind == "leaf" or isinstance(tree, str):
        return new_leaf
    if kind == "drop":
        return pick(tree[1:])
    return (pick(list(ONE_PART if len(tree) == 2 else TWO_PARTS)), *tree[1:])


def check_equation(equation: Equation) -> None:
    """ValueError naming the first part that is no leaf and no operation, or if no "a" is read."""

    def check(tree):
        known = {1: LEAVES, 2: ONE_PART, 3: TWO_PARTS}
        leaf = not isinstance(tree, tuple) or not tree
        name, size = (tree, 1) if leaf else (tree[0], len(tree))
        if size not in known or name not in known[size]:
            raise ValueError(
                f"{tree!r} is no part of an equation: write a leaf ({', '.join(LEAVES)}), "
                f"(function, part) with {', '.join(ONE_PART)}, or (sign, left, right) with "
                f"{', '.join(TWO_PARTS)}"
            )
        for part in () if leaf else tree[1:]:
            check(part)

    check(equation)
    if "a" not in parts(equation):
        raise ValueError(f'{spelled(equation)} never reads the input: use "a" at least once')


class Child(NamedTuple):
    """One equation that was tried."""

    equation: Equation
    score: float
    parent: Equation | None  # None for the first


def evolve(
    first: Equation,
    score: Callable[[Equation], float],
    children: int,
    rng: np.random.Generator,
    keep: int = 5,
    select: bool = True,
) -> Iterator[Child]:
    """Mutate, try, keep the `keep` best; each child's parent is one of those kept.

    score: the larger, the better; asked once for each equation. Nothing happens until iterated.
    select: False keeps the newest instead, whatever their score: mutation without selection.
    Raises ValueError for a score that is not a finite number: it could not be sorted.
    """
    check_sizes(children=children, keep=keep)
    kept, seen = [Child(first, _finite(score(first), first), None)], {first}
    yield kept[0]
    for _ in range(children):
        mutant = first
        while mutant in seen:  # walk on where a neighbour has been tried
            drawn = kept[int(rng.integers(len(kept)))].equation
            if mutant == first:
                parent = mutant = drawn
            mutant = mutate(mutant, rng)
        seen.add(mutant)
        child = Child(mutant, _finite(score(mutant), mutant), parent)
        kept.insert(0, child)
        kept = (sorted(kept, key=lambda one: -one.score) if select else kept)[:keep]
        yield child


def _finite(score, equation):
    if not isinstance(score, (int, float)) or not math.isfinite(score):
        raise ValueError(f"the score of {spelled(equation)} is {score!r}: give failures 0")
    return score
