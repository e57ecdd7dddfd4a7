"""What truncated BPTT learns and what it remembers: two experiments of lesson 02.

Recall: name the symbol that lies `lag` steps back. Training sees gradients through the last
`window` steps only; the state still comes from the beginning. The table holds accuracies after
400 and after 3,000 steps of training, and the spectral radius of W_hh before and after; "readout"
rows train the output layer only.
"""

from itertools import product
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from lecture_utils.datasets import puzzles
from lecture_utils.models.jacobians import spectral_radius
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "horizon"


class Recalled(NamedTuple):
    """What came of one training."""

    accuracy: float  # on 1,000 new sequences; guessing 0.25
    moved: float  # largest change of the weights that let the symbol in
    radius_before: float  # spectral radius of W_hh
    radius_after: float


def learn_recall(
    window: int,
    lag: int,
    run: int,
    steps: int = 400,
    deaf: bool = False,
    readout_only: bool = False,
) -> Recalled:
    """Train an RNN of 32 units through the last `window` steps only.

    deaf: the symbol's input weights start at 0, so that they have to be learned at the very step
    at which the symbol is read. readout_only: the recurrent network stays as it was drawn.
    """
    rng, codes = seed(run), torch.eye(8)
    net, readout = nn.RNN(8, 32, batch_first=True), nn.Linear(32, 4)
    if deaf:
        net.weight_ih_l0.data[:, :4] = 0
    before = net.weight_ih_l0[:, :4].detach().clone()
    radius = spectral_radius(net.weight_hh_l0.detach().numpy())
    parameters = (
        [*readout.parameters()] if readout_only else [*net.parameters(), *readout.parameters()]
    )
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
    right = readout(net(codes[sequences])[1][0]).argmax(1) == kept
    return Recalled(
        right.float().mean().item(),
        (net.weight_ih_l0[:, :4] - before).abs().max().item(),
        radius,
        spectral_radius(net.weight_hh_l0.detach().numpy()),
    )


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
    command = Command(NAME, __doc__)
    command.count("--runs", 5, "seeds 0, 1, ... for each setting")
    options = command.parse(argv, output=NAME)
    lag, windows = 15, (1, 2, 4, 8, 12, 14, 16)
    settings = [(steps, window, "all") for steps in (400, 3000) for window in windows]
    settings += [(3000, 16, "readout")]
    start, rows = perf_counter(), []
    for (steps, window, trained), run in tqdm(list(product(settings, range(options.runs)))):
        result = learn_recall(window, lag, run, steps, readout_only=trained == "readout")
        rows.append(
            {"steps": steps, "window": window, "trained": trained, "run": run}
            | {name: round(value, 3) for name, value in result._asdict().items() if name != "moved"}
        )
    metrics = {}
    for steps, window, trained in settings:
        which = [
            r["accuracy"]
            for r in rows
            if (r["steps"], r["window"], r["trained"]) == (steps, window, trained)
        ]
        metrics[f"mean accuracy, {trained}, window {window}, {steps} steps"] = round(
            float(np.mean(which)), 3
        )
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(options.runs)), data=f"puzzles.recall, lag {lag}",
             steps=3000, metrics=metrics, seconds=perf_counter() - start),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
