"""What truncated BPTT learns and what it remembers: two experiments of lesson 02.

Recall: name the symbol that lies `lag` steps back. Training sees gradients through the last
`window` steps only; the state still comes from the beginning. The table holds accuracies after
400 and after 3,000 steps of training.
"""

import argparse
from itertools import product
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Bool
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from lecture_utils.datasets import puzzles
from lecture_utils.recipes._card import card
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "horizon"


def learn_recall(window: int, lag: int, run: int, steps: int = 400) -> float:
    """Test accuracy of an RNN of 32 units trained through the last `window` steps (guess: 0.25)."""
    rng, codes = seed(run), torch.eye(8)
    net, readout = nn.RNN(8, 32, batch_first=True), nn.Linear(32, 4)
    parameters = [*net.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, 3e-3)
    cut = max(0, lag + 1 - window)
    for _ in range(steps):
        sequences, kept = (torch.tensor(v) for v in puzzles.recall(64, lag, 4, rng))
        h = torch.zeros(1, 64, 32)
        if cut:
            _, h = net(codes[sequences[:, :cut]])
        _, h = net(codes[sequences[:, cut:]], h.detach())  # the state goes on, its history does not
        optimizer.zero_grad()
        cross_entropy(readout(h[0]), kept).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    sequences, kept = map(torch.tensor, puzzles.recall(1000, lag, 4, np.random.default_rng(99)))
    return (readout(net(codes[sequences])[1][0]).argmax(1) == kept).float().mean().item()


def learn_switch(run: int, chunk: int = 2, steps: int = 600) -> Bool[np.ndarray, "2 1000"]:
    """Set a switch once, to 0 and to 1: is it still named right 1, 2, ..., 1000 steps later?

    The network, 8 units, is trained on chunks of `chunk` steps; steps = 0 leaves it untrained.
    """
    rng, codes = seed(run), torch.eye(3)
    net, readout = nn.RNN(3, 8, batch_first=True), nn.Linear(8, 2)
    optimizer = torch.optim.Adam([*net.parameters(), *readout.parameters()], 1e-2)
    inputs, stands = map(torch.tensor, puzzles.switch(32, chunk * max(1, steps), rng))
    h = None
    for step in range(steps):
        part = slice(step * chunk, (step + 1) * chunk)
        hs, h = net(codes[inputs[:, part]], h)
        h = h.detach()
        optimizer.zero_grad()
        cross_entropy(readout(hs).flatten(0, 1), stands[:, part].flatten()).backward()
        optimizer.step()
    waiting = torch.full((2, 1001), 2)
    waiting[:, 0] = torch.tensor([0, 1])
    said = readout(net(codes[waiting])[0]).argmax(-1)[:, 1:]
    return (said == torch.tensor([[0], [1]])).numpy()


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=f"python -m lecture_utils.recipes {NAME}", description=__doc__
    )
    parser.add_argument("--runs", type=int, default=5, help="seeds 0, 1, ... for each setting")
    parser.add_argument("--output", default=NAME, help="experiment name, or a path")
    options = parser.parse_args(argv)
    lag, windows, lengths = 15, (1, 2, 4, 8, 12, 14, 16), (400, 3000)
    start = perf_counter()
    rows = [
        {"steps": steps, "window": window, "run": run,
         "accuracy": round(learn_recall(window, lag, run, steps), 3)}
        for steps, window, run in tqdm(list(product(lengths, windows, range(options.runs))))
    ]  # fmt: skip
    metrics = {
        f"mean accuracy, window {window}, {steps} steps": round(
            float(
                np.mean(
                    [r["accuracy"] for r in rows if (r["steps"], r["window"]) == (steps, window)]
                )
            ),
            3,
        )
        for steps in lengths
        for window in windows
    }
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(options.runs)), data=f"puzzles.recall, lag {lag}",
             steps=max(lengths), metrics=metrics, seconds=perf_counter() - start),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
