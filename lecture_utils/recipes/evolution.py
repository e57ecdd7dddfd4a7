"""Evolving a cell from the vanilla RNN, with and without selection, for lesson 05.

Five runs of 120 mutants each. A mutant's score: 16 units on the bench's `order` task at 20 steps,
60 updates of 16 sequences, learning rate 0.03, three starts; the share of right answers on
validation sequences. The best of each run is trained again from ten new starts and scored on test
sequences: the best of many scores is partly luck.
"""

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from time import perf_counter

import numpy as np
from tqdm import tqdm

from lecture_utils.models.evolving_cells import Equation, EquationCell, evolve, spelled
from lecture_utils.recipes import cells
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "evolution"
CHILDREN, RUNS = 120, 5
RNN = ("tanh", "a")
SMALL = {"task": "order", "rates": (0.03,), "updates": 60, "length": 20, "hidden_size": 16,
         "batch": 16}  # fmt: skip
"""The short version of the bench, by which both searches judge: under half a second a cell."""


def score(equation: Equation) -> float:
    """The share of right answers on validation sequences, mean over three starts."""
    cell = partial(EquationCell, equation=equation)
    return float(cells.train(cell, runs=range(3), **SMALL).validation.mean())


def fresh_score(cell) -> float:
    """The same from ten starts that no search has seen, on test sequences."""
    return float(cells.train(cell, runs=range(100, 110), **SMALL).test.mean())


def _run(setting):
    select, run, children = setting
    rng = np.random.default_rng(run)
    tried = list(evolve(RNN, score, children, rng, select=select))
    best = max(tried, key=lambda child: child.score)
    fresh = fresh_score(partial(EquationCell, equation=best.equation))
    return [
        {"selection": "yes" if select else "no", "run": run, "child": number,
         "score": round(child.score, 4), "fresh": round(fresh, 4) if child is best else np.nan,
         "equation": json.dumps(child.equation), "spelled": spelled(child.equation)}
        for number, child in enumerate(tried)
    ]  # fmt: skip


def read(equation: str) -> Equation:
    """The tree, from the column `equation` of the table."""
    return _tuples(json.loads(equation))


def _tuples(tree):
    return tree if isinstance(tree, str) else tuple(map(_tuples, tree))


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--runs", RUNS, "seeds 0, 1, ...")
    command.count("--children", CHILDREN)
    command.count("--workers", 2, "processes at once")
    options = command.parse(argv, output=NAME)
    work = [(*pair, options.children) for pair in product((True, False), range(options.runs))]
    start = perf_counter()
    with ProcessPoolExecutor(options.workers, initializer=seed) as pool:
        runs = list(tqdm(pool.map(_run, work), total=len(work), unit="run"))
    rows = [row for run in runs for row in run]
    metrics = {
        f"{word} selection, {what}": round(float(np.mean(found)), 4)
        for word, chosen in (("with", runs[: options.runs]), ("without", runs[options.runs :]))
        for what, found in (
            ("best score", [max(row["score"] for row in run) for run in chosen]),
            ("from new starts", [np.nanmax([row["fresh"] for row in run]) for run in chosen]),
        )
    }
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(options.runs)),
             data=f"puzzles.temporal_order (3 keys), {SMALL['length']} steps",
             steps=SMALL["updates"], metrics=metrics, seconds=perf_counter() - start,
             hidden=SMALL["hidden_size"], batch=SMALL["batch"]),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
