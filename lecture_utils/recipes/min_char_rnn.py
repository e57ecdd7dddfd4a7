"""min-char-rnn on the Latin-1 chart: the spread of the smooth loss over seeds (lesson 02).

One seed is one run of the lecture's listing: 100 units, chunks of 25, Adagrad at 0.1, clip 5,
17,400 iterations. Only the seed of the initial weights differs. All 24 are one pass of about
2 minutes on an idle core, 5 on a busy one; an interrupt writes nothing.
"""

import sys
from time import perf_counter

import numpy as np
from tqdm import tqdm

from lecture_utils.datasets.text import Alphabet, latin1_chart
from lecture_utils.models.char_rnn import train
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.training.checkpoints import save_experiment

NAME = "min_char_rnn"
EVERY = 100


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--seeds", 24, "runs, with the seeds 0, 1, ...")
    command.count("--iterations", 17_400)
    options = command.parse(argv, output=NAME)

    text = latin1_chart()
    alphabet = Alphabet(text)
    indices = alphabet.encode(text)
    start, rows = perf_counter(), []
    try:
        for seed in tqdm(range(options.seeds), unit="run"):
            for step in train(indices, len(alphabet), iterations=options.iterations, seed=seed):
                if step.iteration % EVERY == 0 or step.iteration == options.iterations:
                    smooth = round(float(step.smooth_loss), 3)
                    rows.append({"seed": seed, "iteration": step.iteration, "smooth_loss": smooth})
    except KeyboardInterrupt:
        sys.exit(f"interrupted in run {seed + 1} of {options.seeds}: nothing was written")
    final = [row["smooth_loss"] for row in rows if row["iteration"] == options.iterations]
    measured = {"min": min(final), "median": round(float(np.median(final)), 3), "max": max(final)}
    save_experiment(
        options.output,
        rows,
        card(
            NAME,
            argv,
            seed=list(range(options.seeds)),
            steps=options.iterations,
            data=f"datasets.text.latin1_chart(), {len(text)} characters, {len(alphabet)} distinct",
            metrics={f"final smooth loss, {name}": value for name, value in measured.items()},
            seconds=perf_counter() - start,
            unit="nats per chunk of 25 characters, smoothed by 0.999",
            note="rounding differs between processors and the run is chaotic: a rerun elsewhere "
            "gives other curves with the same spread",
        ),
    )
    print(f"final smooth loss over {options.seeds} seeds: {measured}")
