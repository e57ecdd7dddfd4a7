"""Every cell that the controller of lesson 05 may write, each really trained.

All 1,728 cells of `cell_controller.menu`, scored as mutants are in the recipe `evolution`: 60
updates on the `order` task at 20 steps. With the table at hand a search can be run many times and
compared with luck.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from time import perf_counter

import numpy as np
from tqdm import tqdm

from lecture_utils.models.cell_controller import Choices, ChosenCell, menu
from lecture_utils.recipes import cells
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.evolution import SMALL, fresh_score
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "base_2"


def score(choices: Choices) -> float:
    """The share of right answers on validation sequences, mean over three starts."""
    cell = partial(ChosenCell, choices=choices)
    return float(cells.train(cell, runs=range(3), **SMALL).validation.mean())


def read(written: str) -> Choices:
    """The choices, from the column `choices` of the table."""
    return Choices(*written.split())


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--cells", None, "only the first so many, to try it out")
    command.count("--workers", 2, "processes at once")
    options = command.parse(argv, output=NAME)
    every, start = menu()[: options.cells], perf_counter()
    with ProcessPoolExecutor(options.workers, initializer=seed) as pool:
        scores = list(tqdm(pool.map(score, every), total=len(every), unit="cell"))
    best = int(np.argmax(scores))
    metrics = {
        "best score": round(scores[best], 4),
        "the same cell from new starts": round(
            fresh_score(partial(ChosenCell, choices=every[best])), 4
        ),
        "median score": round(float(np.median(scores)), 4),
    }
    save_experiment(
        options.output,
        [{"choices": " ".join(c), "score": round(s, 4)} for c, s in zip(every, scores)],
        card(NAME, argv, seed=[0, 1, 2],
             data=f"puzzles.temporal_order (3 keys), {SMALL['length']} steps",
             steps=SMALL["updates"], metrics=metrics, seconds=perf_counter() - start,
             hidden=SMALL["hidden_size"], batch=SMALL["batch"]),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
