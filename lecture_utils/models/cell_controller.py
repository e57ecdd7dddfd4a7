"""A network that writes cells, trained by their success: architecture search by REINFORCE.

A cell is ten choices, those of Zoph and Le's smallest tree ("base 2"). s_k, the sign of node k, is
+ or *, elementwise; F_k is the identity, tanh, sigma or relu:

    n_0 = (W_0 x_t) s_0 (U_0 h_{t-1})        e_0 = F_0(n_0)       two leaves
    n_1 = (W_1 x_t) s_1 (U_1 h_{t-1})        e_1 = F_1(n_1)
    e_i = F_3(e_i s_3 c_{t-1})               the leaf i into which the old cell state goes
    n_2 = e_0 s_2 e_1                        h_t = F_2(n_2)       the root
    c_t = n_k                                the node k that is the new cell state, before its F

The controller, an LSTM, writes one choice per step and reads it at the next. For a batch of m cells
with rewards R, and b a moving average of earlier rewards:

    gradient = - 1/m sum (R - b) d log p(choices) / d weights

B batch, D input, H hidden. Source: Zoph and Le (2017), section 3.4. Their trees have 8 leaves, and
the new cell state of the cell they found is an inner node, so k may be the root here, too.
REINFORCE: Williams (1992).
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import check_sizes, check_step
from lecture_utils.trace import note

SIGNS = {"+": torch.add, "*": torch.mul}
FUNCTIONS = {
    "tanh": torch.tanh,
    "sigma": torch.sigmoid,
    "relu": torch.relu,
    "identity": lambda v: v,
}


class Choices(NamedTuple):
    """Ten words, in the order in which the controller writes them."""

    s_0: str
    F_0: str
    s_1: str
    F_1: str
    s_2: str
    F_2: str
    s_3: str
    F_3: str
    new: str  # k: the node whose n is c_t
    into: str  # i: the leaf that takes in c_{t-1}


_LEAF, _INNER = ("tanh", "sigma", "relu"), ("tanh", "identity")
OPTIONS = Choices(*(("+", "*"), _LEAF) * 2, *(("+", "*"), _INNER) * 2, ("0", "1", "2"), ("0", "1"))
"""What a controller may write at each place: a menu small enough to train every cell on it."""
EVERY = Choices(*(tuple(SIGNS), tuple(FUNCTIONS)) * 4, OPTIONS.new, OPTIONS.into)
"""What a `ChosenCell` can be."""


def menu() -> list[Choices]:
    """Every cell the controller may write, once: of two mirror images the first."""
    every = map(Choices._make, product(*OPTIONS))
    return [choices for choices in every if choices == same_cell(choices)]


def same_cell(choices: Choices) -> Choices:
    """The cell or its mirror image, the two leaves swapped: whichever comes first on the menu.

    Raises ValueError for a cell that is not on the menu.
    """
    check_choices(choices, OPTIONS)
    other = {"0": "1", "1": "0", "2": "2"}
    s_0, F_0, s_1, F_1, *inner, new, into = choices
    mirror = Choices(s_1, F_1, s_0, F_0, *inner, other[new], other[into])
    rank = lambda c: [options.index(word) for options, word in zip(OPTIONS, c)]  # noqa: E731
    return min(Choices(*choices), mirror, key=rank)


class ChosenCell(nn.Module):
    """One step: x (B, D), (h, c) (B, H) each -> the next (h, c), by ten choices. Notes c and h.

    Weights start at U(-1/sqrt H, 1/sqrt H). There are no biases, as in the paper's equations.
    """

    def __init__(self, input_size: int, hidden_size: int, choices: Choices):
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        check_choices(choices)
        H, bound = hidden_size, hidden_size**-0.5
        self.choices = Choices(*choices)
        self.W = nn.Parameter(torch.empty(2 * H, input_size).uniform_(-bound, bound))
        self.U = nn.Parameter(torch.empty(2 * H, H).uniform_(-bound, bound))

    def start(self, batch_size: int) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        nothing = self.U.new_zeros(batch_size, self.U.shape[1])
        return nothing, nothing

    def forward(
        self, x: Float[Tensor, "B D"], state: tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        check_step(self, x, self.W.shape[1], state, self.U.shape[1], parts=2)
        (h, c), say = state, self.choices
        (x_0, x_1), (h_0, h_1) = (x @ self.W.T).chunk(2, dim=1), (h @ self.U.T).chunk(2, dim=1)
        n = SIGNS[say.s_0](x_0, h_0), SIGNS[say.s_1](x_1, h_1)
        e = [FUNCTIONS[say.F_0](n[0]), FUNCTIONS[say.F_1](n[1])]
        e[int(say.into)] = FUNCTIONS[say.F_3](SIGNS[say.s_3](e[int(say.into)], c))
        n = *n, SIGNS[say.s_2](*e)
        h = FUNCTIONS[say.F_2](n[2])
        c = n[int(say.new)]
        note(c=c, h=h)
        return h, c


def spelled(choices: Choices) -> str:
    """As equations: "h' = tanh(W0 x + U0 h) * sigma(W1 x + U1 h) + c, c' = W1 x + U1 h"."""
    check_choices(choices)
    say = Choices(*choices)

    def applied(function, text, sum_):
        bare = f"({text})" if sum_ else text  # a sum needs brackets beside a *
        return bare if function == "identity" else f"{function}({text})"

    n = [f"W{k} x {sign} U{k} h" for k, sign in enumerate((say.s_0, say.s_1))]
    e = [applied(say.F_0, n[0], say.s_0 == "+"), applied(say.F_1, n[1], say.s_1 == "+")]
    brackets = say.s_3 == "+" and say.s_2 == "*"
    e[int(say.into)] = applied(say.F_3, f"{e[int(say.into)]} {say.s_3} c", brackets)
    root = f"{e[0]} {say.s_2} {e[1]}"
    new = (*n, root)[int(say.new)]
    return f"h' = {root if say.F_2 == 'identity' else f'{say.F_2}({root})'}, c' = {new}"


def check_choices(choices: Choices, options: Choices = EVERY) -> None:
    """ValueError naming the first choice that is not among the options."""
    if not isinstance(choices, (tuple, list)) or len(choices) != len(options):
        raise ValueError(f"{choices!r} is no cell: a cell takes {len(options)} choices")
    for place, choice, words in zip(Choices._fields, choices, options):
        if choice not in words:
            raise ValueError(f"{place} is {choice!r}: choose from {', '.join(words)}")


class Controller(nn.Module):
    """An LSTM that writes cells, one choice per step, each read at the next step."""

    def __init__(self, hidden_size: int = 32):
        super().__init__()
        sizes = [len(options) for options in OPTIONS]
        self.start = nn.Parameter(torch.zeros(hidden_size))
        self.embed = nn.ModuleList(nn.Embedding(size, hidden_size) for size in sizes[:-1])
        self.cell = LSTMCell(hidden_size, hidden_size)
        self.readout = nn.ModuleList(nn.Linear(hidden_size, size) for size in sizes)

    def sample(
        self, cells: int, rng: torch.Generator
    ) -> tuple[Int[Tensor, "cells places"], Float[Tensor, "cells"]]:
        """The numbers of the choices, and log p of each cell, in nats."""
        x, state = self.start.expand(cells, -1), self.cell.start(cells)
        choices, log_p = [], torch.zeros(cells)
        for place, readout in enumerate(self.readout):
            state = self.cell(x, state)
            log_probs = readout(state[0]).log_softmax(dim=1)
            choice = torch.multinomial(log_probs.detach().exp(), 1, generator=rng)
            log_p = log_p + log_probs.gather(1, choice)[:, 0]
            choices.append(choice)
            if place < len(self.embed):
                x = self.embed[place](choice[:, 0])
        return torch.cat(choices, dim=1), log_p


class Written(NamedTuple):
    """One cell the controller wrote."""

    choices: Choices
    reward: float
    baseline: float  # what was expected before it was known


def reinforce(
    controller: Controller,
    reward: Callable[[Choices], float],
    cells: int,
    *,
    batch: int = 4,
    lr: float = 0.02,
    forget: float = 0.2,
    seed: int = 0,
) -> Iterator[Written]:
    """Let the controller write `cells` cells, and learn from their rewards after each `batch`.

    reward: the larger, the better; finite; asked again for a cell that comes again.
    forget: how fast the moving average b follows, 0 to 1. Nothing happens until iterated.
    Raises ValueError for a reward that is not finite.
    """
    check_sizes(cells=cells, batch=batch)
    if not 0 <= forget <= 1:
        raise ValueError(f"forget is {forget}: a number between 0 and 1")
    rng = torch.Generator().manual_seed(seed)
    optimizer, b, written = torch.optim.Adam(controller.parameters(), lr), None, 0
    while written < cells:
        numbers, log_p = controller.sample(min(batch, cells - written), rng)
        found = [Choices(*(OPTIONS[k][n] for k, n in enumerate(row))) for row in numbers.tolist()]
        rewards = torch.tensor([float(reward(choices)) for choices in found])
        if not rewards.isfinite().all():
            raise ValueError(f"a reward is {rewards[~rewards.isfinite()][0]}: give failures 0")
        b = rewards.mean().item() if b is None else b  # nothing is known before the first batch
        optimizer.zero_grad()
        (-(rewards - b) * log_p).mean().backward()
        optimizer.step()
        yield from (Written(c, r, b) for c, r in zip(found, rewards.tolist()))
        b, written = (1 - forget) * b + forget * rewards.mean().item(), written + len(found)
