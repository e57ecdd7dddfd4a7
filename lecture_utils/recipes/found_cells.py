"""What the two searches of lesson 05 found, on the long bench beside the designed cells.

The winner of each run of `evolution` with selection, and the three best cells of `base_2`, each on
the three tasks of `cells`, with the same budget. Both were selected on a short version of `order`
alone; `brackets` and `prose` they have never met.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from time import perf_counter

import numpy as np
from tqdm import tqdm

from lecture_utils.models import cell_controller, evolving_cells
from lecture_utils.models.cell_controller import ChosenCell
from lecture_utils.models.evolving_cells import EquationCell
from lecture_utils.recipes import base_2, cells, evolution
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import experiment, save_experiment

NAME = "found_cells"
BEST = 3


def winners() -> dict[str, partial]:
    """Name -> cell: "evolved 1" to "evolved 5", one per run, and "written 1" to "written 3"."""
    bred, written = experiment("evolution"), experiment("base_2")
    found = {}
    for run in range(evolution.RUNS):
        rows = (bred["selection"] == "yes") & (bred["run"] == run)
        best = bred["equation"][rows][np.argmax(bred["score"][rows])]
        found[f"evolved {run + 1}"] = partial(EquationCell, equation=evolution.read(best))
    order = np.argsort(-written["score"], kind="stable")[:BEST]
    for place, row in enumerate(order, 1):
        choices = base_2.read(written["choices"][row])
        found[f"written {place}"] = partial(ChosenCell, choices=choices)
    return found


def described(cell: partial) -> str:
    """A winner's equations."""
    if cell.func is EquationCell:
        return f"h' = {evolving_cells.spelled(cell.keywords['equation'])}"
    return cell_controller.spelled(cell.keywords["choices"])


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--updates", cells.UPDATES)
    command.count("--workers", 2, "processes at once")
    options = command.parse(argv, output=NAME)
    found, start = winners(), perf_counter()
    settings = list(product(found, cells.TASKS))
    work = [(name, found[name], task, options.updates) for name, task in settings]
    with ProcessPoolExecutor(options.workers, initializer=seed) as pool:
        groups = list(tqdm(pool.map(cells.rows, *zip(*work)), total=len(work), unit="bench"))
    rows = [row for group in groups for row in group]
    metrics = cells.best_scores(rows)
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(cells.RUNS)), data=cells.DATA, steps=options.updates,
             metrics=metrics, seconds=perf_counter() - start, hidden=cells.HIDDEN,
             batch=cells.BATCH),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
