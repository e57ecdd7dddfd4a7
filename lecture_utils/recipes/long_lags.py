"""How far back a vanilla RNN can learn to look, and what helps: the experiment of lesson 03.

Two puzzles (recall, and the order of two keys), sequences of 10 to 80 steps, 50 tanh units, plain
SGD, one gradient from start to end. Three learning rates and three seeds for each method; the rate
is to be chosen by the accuracy on validation sequences, and judged on others.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from time import perf_counter
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from lecture_utils.datasets import puzzles
from lecture_utils.models import batch_rnn
from lecture_utils.models.jacobians import clip_by_norm, norm_penalty, orthogonal
from lecture_utils.models.rnn import RNNParameters, cross_entropy, rnn_parameters
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "long_lags"
HIDDEN, BATCH, STEPS, START, PENALTY = 50, 20, 4000, 0.1, 2.0
RATES = (0.01, 0.03, 0.1)
LENGTHS = (10, 20, 40, 80)
PUZZLES = ("recall", "order")


class Method(NamedTuple):
    """How a network starts and learns. start: of W_hh, None for N(0, 0.1^2) like the rest."""

    start: Callable[[np.ndarray], np.ndarray] | None = None  # from N(0, 1) numbers (H, H)
    clip: bool = True  # to norm 1
    penalty: bool = False


METHODS = {
    "plain": Method(clip=False),  # with 50 units N(0, 0.1^2) is a gain of 0.7
    "clipped": Method(),
    "clipped, gain 1": Method(lambda drawn: drawn / np.sqrt(len(drawn))),
    "clipped, orthogonal": Method(orthogonal),
    "clipped, identity": Method(lambda drawn: np.eye(len(drawn))),
    "clipped, penalty": Method(penalty=True),
    "orthogonal": Method(orthogonal, clip=False),
}


def examples(puzzle: str, length: int, count: int, rng: np.random.Generator):
    """(symbols, answers) of a puzzle with 4 answers. length: steps, for recall the lag."""
    if puzzle == "recall":
        return puzzles.recall(count, length, 4, rng)
    return puzzles.temporal_order(count, length, rng)


class Outcome(NamedTuple):
    """What came of one training."""

    validation: float  # accuracy on 1,000 fixed sequences; guessing 0.25
    accuracy: float  # on 1,000 others
    steps: int  # updates made: fewer than allowed once validation reaches 99.5 %
    largest: float  # the largest norm of the loss's gradient on the way, before clipping
    parameters: RNNParameters


def learn(
    puzzle: str,
    length: int,
    method: str,
    rate: float,
    run: int,
    steps: int = STEPS,
    watch: Callable[[int, float], None] | None = None,
) -> Outcome:
    """Train by SGD; stop once validation accuracy is 99.5 %.

    method: one of METHODS. watch: called with (updates, validation accuracy) every 100 updates.
    """
    for what, name, known in (("puzzle", puzzle, PUZZLES), ("method", method, METHODS)):
        if name not in known:
            raise ValueError(f"there is no {what} {name!r}: choose one of {'; '.join(known)}")
    if steps < 1 or not 0 <= rate < np.inf:
        raise ValueError(f"steps is {steps} and rate {rate}: at least 1, and not negative")
    rng = seed(run)
    held_out = [examples(puzzle, length, 1000, np.random.default_rng(s)) for s in (98, 99)]
    p = rnn_parameters(8 if puzzle == "recall" else 6, HIDDEN, 4, rng, scale=START)
    drawn = rng.standard_normal((HIDDEN, HIDDEN))
    how = METHODS[method]
    if how.start:
        p = p._replace(W_hh=how.start(drawn))
    largest = 0.0
    for step in range(1, steps + 1):
        symbols, answers = examples(puzzle, length, BATCH, rng)
        hs, logits = batch_rnn.forward(p, symbols)
        dy = cross_entropy(logits, answers)[1] / BATCH
        gradient, dhs = batch_rnn.backward(p, symbols, hs, dy)
        largest = max(largest, float(np.sqrt(sum((g**2).sum() for g in gradient))))
        if how.penalty:
            gradient.W_hh[:] += PENALTY * norm_penalty(p.W_hh, hs, dhs)[1]
        if how.clip:
            gradient = clip_by_norm(gradient, 1.0)
        for w, g in zip(p, gradient):
            w -= rate * g
        if step % 100 == 0 or step == steps:
            validation = _accuracy(p, *held_out[0])
            if watch:
                watch(step, validation)
            if validation >= 0.995:
                break
    return Outcome(validation, _accuracy(p, *held_out[1]), step, largest, p)


def _accuracy(p, symbols, answers):
    return float(np.mean(batch_rnn.forward(p, symbols)[1].argmax(axis=1) == answers))


def _row(setting):
    result = learn(*setting)
    return dict(zip(("puzzle", "length", "method", "rate", "run"), setting)) | {
        "validation": round(result.validation, 3),
        "accuracy": round(result.accuracy, 3),
        "steps": result.steps,
        "largest": float(f"{result.largest:.3g}"),
    }


def chosen(table: dict[str, np.ndarray], puzzle: str, length: int, method: str):
    """Which rows of the table count: those at the learning rate with the best mean validation."""
    here = (table["puzzle"] == puzzle) & (table["length"] == length) & (table["method"] == method)
    means = {rate: table["validation"][here & (table["rate"] == rate)].mean() for rate in RATES}
    return here & (table["rate"] == max(means, key=means.get))


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--runs", 3, "seeds 0, 1, ... for each setting")
    command.count("--workers", 2, "processes at once")
    options = command.parse(argv, output=NAME)
    settings = list(product(PUZZLES, LENGTHS[::-1], METHODS, RATES, range(options.runs)))
    start = perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        rows = list(tqdm(pool.map(_row, settings), total=len(settings), unit="network"))
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    metrics = {
        f"{puzzle} {length}, {method}": round(
            float(table["accuracy"][chosen(table, puzzle, length, method)].mean()), 3
        )
        for puzzle, length, method in product(PUZZLES, LENGTHS, METHODS)
    }
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(options.runs)), data="puzzles.recall (4 symbols) and "
             "puzzles.temporal_order (2 keys)", steps=STEPS, metrics=metrics,
             seconds=perf_counter() - start, hidden=HIDDEN, batch=BATCH),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
