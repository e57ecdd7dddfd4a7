"""How far back a vanilla RNN can learn to look, with four cures: the experiment of lesson 03.

Two puzzles (recall, and the order of two keys), sequences of 10 to 80 steps, 50 tanh units, plain
SGD, one gradient from start to end. Three learning rates and three seeds for each cure.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
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
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "long_lags"
HIDDEN, BATCH, STEPS, START = 50, 20, 4000, 0.1
RATES = (0.01, 0.03, 0.1)
LENGTHS = (10, 20, 40, 80)
METHODS = ("plain", "clipped", "clipped, orthogonal", "clipped, identity", "clipped, penalty")


def examples(puzzle: str, length: int, count: int, rng: np.random.Generator):
    """(symbols, answers) of a puzzle with 4 answers. length: steps, for recall the lag."""
    if puzzle == "recall":
        return puzzles.recall(count, length, 4, rng)
    return puzzles.temporal_order(count, length, rng)


class Outcome(NamedTuple):
    """What came of one training."""

    accuracy: float  # on 1,000 fixed sequences; guessing 0.25
    steps: int  # updates made: fewer than allowed once 99.5 % is reached
    largest: float  # the largest gradient norm on the way, before clipping
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
    """Train from N(0, 0.1^2) weights by SGD; stop at 99.5 %.

    method: one of METHODS. watch: called with (updates, accuracy) every 100 updates.
    """
    rng = seed(run)
    test = examples(puzzle, length, 1000, np.random.default_rng(99))
    p = rnn_parameters(8 if puzzle == "recall" else 6, HIDDEN, 4, rng, scale=START)
    if "orthogonal" in method:
        p = p._replace(W_hh=orthogonal(rng.standard_normal((HIDDEN, HIDDEN))))
    if "identity" in method:
        p = p._replace(W_hh=np.eye(HIDDEN))
    accuracy, largest = 0.25, 0.0
    for step in range(1, steps + 1):
        symbols, answers = examples(puzzle, length, BATCH, rng)
        hs, logits = batch_rnn.forward(p, symbols)
        dy = cross_entropy(logits, answers)[1] / BATCH
        gradient, dhs = batch_rnn.backward(p, symbols, hs, dy)
        if "penalty" in method:
            gradient.W_hh[:] += 2 * norm_penalty(p.W_hh, hs, dhs)[1]
        largest = max(largest, float(np.sqrt(sum((g**2).sum() for g in gradient))))
        if method != "plain":
            gradient = clip_by_norm(gradient, 1.0)
        for w, g in zip(p, gradient):
            w -= rate * g
        if step % 100 == 0:
            said = batch_rnn.forward(p, test[0])[1].argmax(axis=1)
            accuracy = float(np.mean(said == test[1]))
            if watch:
                watch(step, accuracy)
            if accuracy >= 0.995:
                break
    return Outcome(accuracy, step, largest, p)


def _row(setting):
    puzzle, length, method, rate, run = setting
    accuracy, steps, largest, _ = learn(*setting)
    return {
        "puzzle": puzzle, "length": length, "method": method, "rate": rate, "run": run,
        "accuracy": round(accuracy, 3), "steps": steps, "largest": float(f"{largest:.3g}"),
    }  # fmt: skip


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=f"python -m lecture_utils.recipes {NAME}", description=__doc__
    )
    parser.add_argument("--runs", type=int, default=3, help="seeds 0, 1, ... for each setting")
    parser.add_argument("--workers", type=int, default=2, help="processes at once")
    parser.add_argument("--output", default=NAME, help="experiment name, or a path")
    options = parser.parse_args(argv)
    settings = [
        (puzzle, length, method, rate, run)
        for puzzle, length, method, rate, run in product(
            ("recall", "order"), LENGTHS[::-1], METHODS, RATES, range(options.runs)
        )
    ]
    start = perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        rows = list(tqdm(pool.map(_row, settings), total=len(settings), unit="network"))
    metrics = {}
    for puzzle, length, method in product(("recall", "order"), LENGTHS, METHODS):
        score = partial(_mean, rows, puzzle, length, method)
        metrics[f"{puzzle} {length}, {method}"] = round(max(map(score, RATES)), 3)
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(options.runs)), data="puzzles.recall (4 symbols) and "
             "puzzles.temporal_order (2 keys)", steps=STEPS, metrics=metrics,
             seconds=perf_counter() - start, hidden=HIDDEN, batch=BATCH),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")


def _mean(rows, puzzle, length, method, rate):
    wanted = {"puzzle": puzzle, "length": length, "method": method, "rate": rate}
    chosen = [row["accuracy"] for row in rows if wanted.items() <= row.items()]
    return float(np.mean(chosen))
