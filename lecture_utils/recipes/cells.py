"""The bench of lesson 05: every cell on the same three tasks, with the same budget.

Each network embeds its input in H numbers, runs one cell of H = 32 units along 40 steps, and reads
each h out linearly. 400 updates of 32 sequences with Adam, gradients clipped to norm 1, at five
learning rates with four starts each. The rate is chosen on validation sequences, the score is
measured on test sequences, both fresh; all networks see the same training sequences.

    order      three keys among distractors: in which of 8 orders did they come? (at the end)
    brackets   nested brackets: of which kind is the innermost open one? (at every step)
    prose      the course's own story: which character comes next? (at every step)

The 20 networks of one cell and task are trained at once (`torch.func.vmap`).
"""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from functools import lru_cache, partial
from itertools import islice, product
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from tqdm import tqdm

from lecture_utils.datasets import puzzles, text
from lecture_utils.models import cell_variants as variants
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import check_sizes, hidden, input_gradients, reach
from lecture_utils.models.rnn import RNNCell
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "cells"
HIDDEN, LENGTH, BATCH, UPDATES, RUNS = 32, 40, 32, 400, 4
KINDS, DEPTH = 3, 8  # of brackets
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
HELD_OUT = 512
DATA = f"puzzles.temporal_order (3 keys), puzzles.brackets, text.story; {LENGTH} steps"
FLOAT = torch.float32  # whatever the default is where it is called


def keeping_gru(input_size: int, hidden_size: int) -> GRUCell:
    """A GRU with its update gate's bias at 1: the equal of an LSTM's forget bias of 1."""
    cell = GRUCell(input_size, hidden_size)
    cell.b.data[hidden_size : 2 * hidden_size] = 1
    return cell


def wide_rnn(input_size: int, hidden_size: int) -> RNNCell:
    """Twice the units: about as many weights as an LSTM."""
    return RNNCell(2 * hidden_size, 2 * hidden_size)


CELLS: dict[str, Callable[[int, int], nn.Module]] = {
    "RNN": RNNCell,
    "RNN, 64 units": wide_rnn,
    "LSTM": LSTMCell,
    "LSTM, forget bias 1": partial(LSTMCell, forget_bias=1),
    "GRU": GRUCell,
    "GRU, update bias 1": keeping_gru,
    "MUT1": variants.MUT1Cell,
    "MUT2": variants.MUT2Cell,
    "MUT3": variants.MUT3Cell,
    "LSTM with peepholes": variants.PeepholeLSTMCell,
    "peepholes, forget bias 1": partial(variants.PeepholeLSTMCell, forget_bias=1),
    "no input gate": variants.NoInputGate,
    "no forget gate": variants.NoForgetGate,
    "no output gate": variants.NoOutputGate,
    "no input activation": variants.NoInputActivation,
    "no output activation": variants.NoOutputActivation,
    "coupled gates": variants.CoupledGates,
    "full gate recurrence": variants.FullGateRecurrence,
    "NAS cell": variants.NASCell,
    "GRU, uncoupled": variants.UncoupledGRUCell,
    "peepholes, c clipped": variants.ClippedLSTMCell,
}


_GATE = "sigma(W_x{0} x_t + W_h{0} h_{{t-1}} + b_{0})"
_EQUATIONS = {
    "RNN": ("h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)",),
    "LSTM": (
        "i_t = " + _GATE.format("i"),
        "f_t = " + _GATE.format("f"),
        "g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)",
        "c_t = f_t * c_{t-1} + i_t * g_t",
        "o_t = " + _GATE.format("o"),
        "h_t = o_t * tanh(c_t)",
    ),
    "GRU": (
        "r_t = " + _GATE.format("r"),
        "z_t = " + _GATE.format("z"),
        "h~_t = tanh(W_xh x_t + W_hh (r_t * h_{t-1}) + b_h)",
        "h_t = z_t * h_{t-1} + (1 - z_t) * h~_t",
    ),
}


def equations(name: str) -> tuple[str, ...]:
    """The equations of a cell of the bench, in plain characters, one a line."""
    if name not in CELLS:
        raise ValueError(f"there is no cell {name!r}: choose from {'; '.join(CELLS)}")
    if name.endswith((" bias 1", " units")):  # a bias or a width changes no equation
        base = name.split(",")[0]
        name = "LSTM with peepholes" if base == "peepholes" else base
    if name in _EQUATIONS:
        return _EQUATIONS[name]
    lines = map(str.strip, CELLS[name].__doc__.splitlines())
    return tuple(line for line in lines if re.match(r"[\w~]+_t = ", line))


class Network(nn.Module):
    """Tokens (B, T) -> logits (B, T, C). Tokens become as many numbers as the cell has units."""

    def __init__(self, cell: nn.Module, tokens: int, answers: int):
        super().__init__()
        units = hidden(cell.start(1)).shape[1]
        self.embed = nn.Embedding(tokens, units)
        self.cell = cell
        self.readout = nn.Linear(units, answers)

    def forward(self, tokens: Tensor) -> Tensor:
        state, hs = self.cell.start(len(tokens)), []
        for x in self.embed(tokens).unbind(dim=1):  # unroll's checks ask for numbers: not in vmap
            state = self.cell(x, state)
            hs.append(hidden(state))
        return self.readout(torch.stack(hs, dim=1))


class Task(NamedTuple):
    """draw(examples, length, rng, part) -> tokens and answers (N, T); -1 where none is asked."""

    draw: Callable
    tokens: int
    answers: int


def _order(examples, length, rng, part):
    tokens, order = puzzles.temporal_order(examples, length, rng, keys=3)
    answers = np.full_like(tokens, -1)
    answers[:, -1] = order
    return tokens, answers


def _brackets(examples, length, rng, part):
    return puzzles.brackets(examples, length, rng, KINDS, DEPTH)


@lru_cache
def _story():
    whole = text.story()
    return text.Alphabet(whole), whole


def _prose(examples, length, rng, part):
    """part: the first 80 % to train on, a tenth to choose by, the last tenth to judge by."""
    alphabet, whole = _story()
    start, end = {"train": (0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1)}[part]
    codes = alphabet.encode(whole[int(start * len(whole)) : int(end * len(whole))])
    first = rng.integers(0, len(codes) - length, examples)[:, None]
    windows = codes[first + np.arange(length + 1)]
    return windows[:, :-1], windows[:, 1:]


TASKS = {
    "order": Task(_order, 6, 8),
    "brackets": Task(_brackets, 2 * KINDS, KINDS + 1),
    "prose": Task(_prose, len(_story()[0]), len(_story()[0])),
}


def _depth(examples, length, rng, part):
    tokens, _ = _brackets(examples, length, rng, part)
    return tokens, np.where(tokens < KINDS, 1, -1).cumsum(axis=1)


PROBES = {"depth": Task(_depth, 2 * KINDS, DEPTH + 1)}
"""Not part of the bench. depth: the sequences of `brackets`; how many are open?"""


def _task(name):
    every = TASKS | PROBES
    if name not in every:
        raise ValueError(f"there is no task {name!r}: choose from {', '.join(every)}")
    return every[name]


def sequences(task: str, part: str, examples: int, length: int = LENGTH):
    """Token ids and answers of one part ("train", "validation", "test"), always the same."""
    rng = np.random.default_rng([0, {"train": 0, "validation": 1, "test": 2}[part]])
    while True:
        yield tuple(map(torch.tensor, _task(task).draw(examples, length, rng, part)))


def memoryless(task: str) -> float:
    """The share of right test answers of the best rule that sees the present token only."""
    counts = torch.zeros(TASKS[task].tokens, TASKS[task].answers)
    for tokens, answers in islice(sequences(task, "train", BATCH), 100):
        asked = answers >= 0
        counts.index_put_((tokens[asked], answers[asked]), torch.tensor(1.0), accumulate=True)
    tokens, answers = next(sequences(task, "test", HELD_OUT))
    right = (counts.argmax(1)[tokens] == answers).sum() / (answers >= 0).sum()
    return float(right)


class Trained(NamedTuple):
    """K networks of one cell and one task, trained side by side."""

    networks: list[Network]
    rates: np.ndarray  # (K,)
    runs: np.ndarray  # (K,)
    losses: np.ndarray  # (K, updates), nats per answer
    validation: np.ndarray  # (K,) shares of right answers
    test: np.ndarray  # (K,)


def train(
    cell: Callable[[int, int], nn.Module],
    task: str,
    rates: Sequence[float] = RATES,
    runs: Sequence[int] = range(RUNS),
    updates: int = UPDATES,
    length: int = LENGTH,
    hidden_size: int = HIDDEN,
    batch: int = BATCH,
) -> Trained:
    """Train one network for each learning rate and run, all at once, on the CPU.

    cell: called with (H, H), e.g. a class. runs: seeds of the starts; the same at each rate.
    Raises ValueError for an unknown task, or without rates, runs or updates.
    """
    _task(task)
    settings = list(product(rates, runs))
    check_sizes(networks=len(settings), updates=updates, length=length, batch=batch)
    networks = [_network(cell, task, run, hidden_size) for _, run in settings]
    weights, buffers = stack_module_state(networks)
    frame = deepcopy(networks[0])  # functional_call may leave things in it (names of one weight)
    rate = torch.tensor([rate for rate, _ in settings], dtype=FLOAT)
    update, losses = adam(weights, rate), []
    for _, (tokens, answers) in zip(range(updates), sequences(task, "train", batch, length)):
        loss = nn.functional.cross_entropy(
            together(frame, weights, buffers, tokens).flatten(0, 2),
            answers.expand(len(networks), *answers.shape).flatten(),
            reduction="none", ignore_index=-1,
        )  # fmt: skip
        loss = loss.view(len(networks), -1).sum(1) / (answers >= 0).sum()
        loss.sum().backward()  # the sum: no network's gradient meets another's
        update()
        losses.append(loss.detach().numpy())
    scores = {}
    with torch.no_grad():
        for part in ("validation", "test"):
            tokens, answers = next(sequences(task, part, HELD_OUT, length))
            logits = together(frame, weights, buffers, tokens)
            right = (logits.argmax(3) == answers) & logits.isfinite().all(3)
            scores[part] = (right.sum((1, 2)) / (answers >= 0).sum()).numpy()
        for k, network in enumerate(networks):
            for name, weight in network.named_parameters():
                weight.copy_(weights[name][k])
    return Trained(networks, *map(np.array, zip(*settings)), np.array(losses).T, **scores)


def _network(cell, task, run, hidden_size):
    before = torch.get_default_dtype()
    torch.set_default_dtype(FLOAT)  # the same start whatever the caller computes in
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run)
            return Network(cell(hidden_size, hidden_size), _task(task).tokens, _task(task).answers)
    finally:
        torch.set_default_dtype(before)


def together(
    network: Network, weights: dict[str, Tensor], buffers: dict[str, Tensor], tokens: Tensor
) -> Tensor:
    """Logits (K, B, T, C) of K networks that differ in weights and buffers (K, ...) only."""
    return vmap(lambda *mine: functional_call(network, mine, (tokens,)))(weights, buffers)


def adam(weights: dict[str, Tensor], rate: Tensor) -> Callable[[], None]:
    """Adam for K networks at once, each with its own rate (K,) and its gradient clipped to norm 1.

    `torch.optim.Adam` knows one rate for a tensor. A network whose gradient is not finite keeps its
    weights in that update.
    """
    first = {name: torch.zeros_like(w) for name, w in weights.items()}
    second = {name: torch.zeros_like(w) for name, w in weights.items()}
    count = 0

    @torch.no_grad()
    def update():
        nonlocal count
        count += 1
        norm = sum(w.grad.reshape(len(w), -1).square().sum(1) for w in weights.values()).sqrt()
        sound = norm.isfinite()
        scale = torch.where(sound, 1 / norm.clamp(min=1), 0)
        for name, w in weights.items():
            shape = (-1,) + (1,) * (w.ndim - 1)
            g = torch.nan_to_num(w.grad, 0, 0, 0) * scale.view(shape)
            keep = sound.view(shape)
            first[name] = torch.where(keep, first[name].lerp(g, 0.1), first[name])
            second[name] = torch.where(keep, second[name].lerp(g * g, 0.001), second[name])
            size = (second[name] / (1 - 0.999**count)).sqrt() + 1e-8
            w -= keep * rate.view(shape) * first[name] / (1 - 0.9**count) / size
            w.grad = None

    return update


def hears(network: Network, tokens: Tensor) -> int:
    """How many steps back the gradient at the last state stays above 1 % (`recurrent.reach`).

    0 for a network that listens to nothing.
    """
    with torch.no_grad():
        xs = network.embed(tokens)
    v = torch.randn(len(xs), xs.shape[2], generator=torch.Generator().manual_seed(0), dtype=FLOAT)
    gradients = input_gradients(network.cell, xs, v)
    return reach(gradients) if gradients[-1] > 0 else 0


def rows(name: str, cell: Callable[[int, int], nn.Module], task: str, updates: int) -> list[dict]:
    """The table's rows of one cell and task: one per learning rate and run."""
    trained = train(cell, task, updates=updates)
    tokens, _ = next(sequences(task, "test", BATCH))
    weights = sum(w.numel() for w in trained.networks[0].cell.parameters())
    numbers = zip(trained.rates, trained.runs, trained.networks, trained.losses,
                  trained.validation, trained.test)  # fmt: skip
    return [
        {"cell": name, "task": task, "weights": weights, "rate": rate, "run": run,
         "loss": round(float(losses[-50:].mean()), 4), "validation": round(float(validation), 4),
         "test": round(float(test), 4), "reach": hears(network, tokens)}
        for rate, run, network, losses, validation, test in numbers
    ]  # fmt: skip


def best_scores(rows: list[dict]) -> dict[str, float]:
    """For each cell and task the mean test score at its best learning rate."""
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    settings = dict.fromkeys(zip(table["cell"].tolist(), table["task"].tolist()))
    return {
        f"{cell}, {task}": round(float(table["test"][best_rate(table, cell, task)[1]].mean()), 4)
        for cell, task in settings
    }


def best_rate(table: dict[str, np.ndarray], cell: str, task: str) -> tuple[float, np.ndarray]:
    """The learning rate with the best mean on the validation sequences, and which rows it has."""
    here = (table["cell"] == cell) & (table["task"] == task)
    if not here.any():
        raise ValueError(f"the table has no {cell!r} on {task!r}")
    means = {
        rate: table["validation"][here & (table["rate"] == rate)].mean()
        for rate in np.unique(table["rate"][here])
    }
    rate = max(means, key=means.get)
    return rate, here & (table["rate"] == rate)


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--updates", UPDATES)
    command.count("--workers", 2, "processes at once")
    options = command.parse(argv, output=NAME)
    work = [(name, CELLS[name], task, options.updates) for name, task in product(CELLS, TASKS)]
    start = perf_counter()
    with ProcessPoolExecutor(options.workers, initializer=seed) as pool:
        groups = list(tqdm(pool.map(rows, *zip(*work)), total=len(work), unit="bench"))
    table = [row for group in groups for row in group]
    metrics = best_scores(table)
    save_experiment(
        options.output, table,
        card(NAME, argv, seed=list(range(RUNS)), data=DATA, steps=options.updates,
             metrics=metrics, seconds=perf_counter() - start, hidden=HIDDEN, batch=BATCH),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
