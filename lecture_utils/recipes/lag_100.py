"""Adding and recall over 100 steps: vanilla RNNs and LSTMs with several starts, for lesson 04.

32 units, Adam, gradients clipped to norm 1, 600 updates of 32 sequences; three learning rates and
three seeds for each start. All networks see the same sequences.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lecture_utils.datasets import puzzles
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "lag_100"
LAG, HIDDEN, BATCH, UPDATES = 100, 32, 32, 600
FLOAT = torch.float32  # whatever the default is where it is called
RATES = (0.002, 0.01, 0.02)
PUZZLES = {"adding": (2, 1), "recall": (8, 4)}
"""Puzzle -> how many numbers come in at each step, and how many are answered at the end."""


def vanilla(layer: nn.RNN) -> None:
    """As PyTorch draws it: U(-1/sqrt H, 1/sqrt H)."""


def orthogonal(layer: nn.RNN) -> None:
    nn.init.orthogonal_(layer.weight_hh_l0)
    nn.init.normal_(layer.weight_ih_l0, std=0.1)


def identity(layer: nn.RNN) -> None:
    """Le, Jaitly and Hinton (2015): ReLU units that at first add up what they read."""
    nn.init.eye_(layer.weight_hh_l0)
    nn.init.normal_(layer.weight_ih_l0, std=0.001)
    nn.init.zeros_(layer.bias_ih_l0)
    nn.init.zeros_(layer.bias_hh_l0)


def _biases(layer, forget, write):
    """PyTorch's order is i, f, g, o; it adds its two biases."""
    nothing = torch.zeros(2 * HIDDEN, dtype=FLOAT)
    layer.bias_ih_l0.data = torch.cat([write, forget, nothing])
    layer.bias_hh_l0.data.zero_()


def forget_1(layer: nn.LSTM) -> None:
    _biases(layer, torch.ones(HIDDEN, dtype=FLOAT), torch.zeros(HIDDEN, dtype=FLOAT))


def long_memory(layer: nn.LSTM) -> None:
    """Forget bias 4: half is left after 38 steps. Input bias -4: write rarely."""
    bias = torch.full((HIDDEN,), 4.0, dtype=FLOAT)
    _biases(layer, bias, -bias)


def by_lag(layer: nn.LSTM) -> None:
    """Tallec and Ollivier (2018): one forget bias per unit, to keep for 1 to LAG - 1 steps."""
    bias = torch.empty(HIDDEN, dtype=FLOAT).uniform_(1, LAG - 1).log()
    _biases(layer, bias, -bias)


NETWORKS = {
    "RNN": (nn.RNN, {}, vanilla),
    "RNN, orthogonal start": (nn.RNN, {}, orthogonal),
    "ReLU RNN, identity start": (nn.RNN, {"nonlinearity": "relu"}, identity),
    "LSTM, forget bias 1": (nn.LSTM, {}, forget_1),
    "LSTM, long memory": (nn.LSTM, {}, long_memory),
    "LSTM, biases by lag": (nn.LSTM, {}, by_lag),
}


def batches(puzzle: str, run: int):
    """Inputs (B, T, D) and answers, without end; the same for every network."""
    rng, codes = np.random.default_rng(run), torch.eye(8, dtype=FLOAT)
    while True:
        if puzzle == "adding":
            xs, answers = puzzles.adding(BATCH, LAG, rng)
            yield torch.tensor(xs, dtype=FLOAT), torch.tensor(answers, dtype=FLOAT)
        else:
            symbols, answers = puzzles.recall(BATCH, LAG, 4, rng)
            yield codes[torch.tensor(symbols)], torch.tensor(answers)


class Outcome(NamedTuple):
    """What came of one training. Scores: squared error (adding) or accuracy (recall), by update."""

    scores: np.ndarray
    trivial: np.ndarray  # of the answer that ignores the input, on the same sequences
    layer: nn.Module


def learn(
    puzzle: str,
    network: str,
    rate: float,
    run: int,
    updates: int = UPDATES,
    watch: Callable[[int, nn.Module], None] | None = None,
) -> Outcome:
    """Train on the CPU. watch: called with (updates so far, the layer), first with 0."""
    if puzzle not in PUZZLES or network not in NETWORKS:
        raise ValueError(
            f"there is no {puzzle!r} for {network!r}: the puzzles are {', '.join(PUZZLES)}, the "
            f"networks {'; '.join(NETWORKS)}"
        )
    seed(run)
    (D, C), (kind, options, start) = PUZZLES[puzzle], NETWORKS[network]
    layer = kind(D, HIDDEN, batch_first=True, dtype=FLOAT, **options)
    readout = nn.Linear(HIDDEN, C, dtype=FLOAT)
    start(layer)
    parameters = [*layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, rate)
    scores, trivial = [], []
    for update, (xs, answers) in zip(range(updates), batches(puzzle, run)):
        if watch:
            watch(update, layer)
        said = readout(layer(xs)[0][:, -1])
        if puzzle == "adding":
            loss = (said[:, 0] - answers).square().mean()
            scores.append(loss.item())
            trivial.append((1 - answers).square().mean().item())
        else:
            loss = nn.functional.cross_entropy(said, answers)
            scores.append((said.argmax(1) == answers).float().mean().item())
            trivial.append((answers == 0).float().mean().item())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return Outcome(np.array(scores), np.array(trivial), layer)


def _row(setting):
    result = learn(*setting)
    return dict(zip(("puzzle", "network", "rate", "run"), setting)) | {
        "score": round(float(result.scores[-50:].mean()), 5),
        "trivial": round(float(result.trivial[-50:].mean()), 5),
    }


def best_rate(table: dict[str, np.ndarray], puzzle: str, network: str) -> tuple[float, np.ndarray]:
    """The learning rate with the best mean score, and the scores of its runs.

    Chosen by the very scores that are returned, so a little kind to every start.
    """
    here = (table["puzzle"] == puzzle) & (table["network"] == network)
    runs = {rate: table["score"][here & (table["rate"] == rate)] for rate in RATES}
    sign = 1 if puzzle == "recall" else -1  # an error should be small
    rate = max(runs, key=lambda rate: sign * runs[rate].mean())
    return rate, runs[rate]


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--runs", 3, "seeds 0, 1, ... for each setting")
    command.count("--updates", UPDATES)
    command.count("--workers", 2, "processes at once")
    options = command.parse(argv, output=NAME)
    settings = list(product(PUZZLES, NETWORKS, RATES, range(options.runs)))
    work = [(*setting, options.updates) for setting in settings]
    start = perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        rows = list(tqdm(pool.map(_row, work), total=len(work), unit="network"))
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    metrics = {
        f"{puzzle}, {network}": round(float(best_rate(table, puzzle, network)[1].mean()), 5)
        for puzzle, network in product(PUZZLES, NETWORKS)
    }
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(options.runs)), data="puzzles.adding and puzzles.recall "
             f"(4 symbols), lag {LAG}", steps=options.updates, metrics=metrics,
             seconds=perf_counter() - start, hidden=HIDDEN, batch=BATCH),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
