"""What bounded states lose on brackets, for lesson 05: the count, or the kind of what is buried?

Six cells of the bench, 32 units, 40 steps, 400 updates at learning rate 0.01, five starts, on two
tasks with the same sequences: `brackets` (of which kind is the innermost open one?) and `depth`
(how many are open?). On the first, answers right after a closing bracket are counted by the number
still open: what is asked for then was buried under others.
"""

from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

import numpy as np
import torch
from tqdm import tqdm

from lecture_utils.recipes import cells
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "buried"
RUNS = 5
CELLS = ("RNN", "GRU", "GRU, uncoupled", "LSTM with peepholes", "peepholes, c clipped",
         "coupled gates")  # fmt: skip


def _rows(name, updates):
    setting = {"rates": (0.01,), "runs": range(RUNS), "updates": updates}
    counts = cells.train(cells.CELLS[name], "depth", **setting).test
    networks = cells.train(cells.CELLS[name], "brackets", **setting).networks
    (tokens, kinds), (_, depth) = (
        next(cells.sequences(task, "test", cells.HELD_OUT)) for task in ("brackets", "depth")
    )
    closing, rows = tokens >= cells.KINDS, []
    for run, network in enumerate(networks):
        with torch.no_grad():
            right = network(tokens).argmax(2) == kinds
        rows.append({"cell": name, "run": run, "count": round(float(counts[run]), 4)})
        for left in range(cells.DEPTH):
            here = closing & (depth == left)
            rows[-1][f"left_{left}"] = round(float(right[here].float().mean()), 4)
    return rows


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--updates", cells.UPDATES)
    command.count("--workers", 2, "processes at once")
    options = command.parse(argv, output=NAME)
    start = perf_counter()
    with ProcessPoolExecutor(options.workers, initializer=seed) as pool:
        work = pool.map(_rows, CELLS, [options.updates] * len(CELLS))
        rows = [row for group in tqdm(work, total=len(CELLS), unit="cell") for row in group]
    metrics = {
        f"{cell}, {what}": round(float(np.mean([r[what] for r in rows if r["cell"] == cell])), 4)
        for cell in CELLS
        for what in ("count", "left_1")
    }
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(RUNS)), data=f"puzzles.brackets; {cells.LENGTH} steps",
             steps=options.updates, metrics=metrics, seconds=perf_counter() - start,
             hidden=cells.HIDDEN, batch=cells.BATCH),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
