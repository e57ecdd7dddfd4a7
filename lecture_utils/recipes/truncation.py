"""How well a truncated gradient points the right way: 8 networks of lesson 02.

Each is min-char-rnn after 3,000 iterations on the Latin-1 chart. For 8 passages of 200 characters
the gradient of the recurrent weights (W_xh, W_hh, b_h; the output layer's is never truncated) is
compared with that of full BPTT. The first network's weights ship too.
"""

from time import perf_counter

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lecture_utils.datasets.text import Alphabet, latin1_chart
from lecture_utils.models import char_rnn
from lecture_utils.models.rnn import RNNParameters, bptt, one_hot, truncated_bptt
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.training import checkpoints

NAME = "truncation"
ITERATIONS = 3000
CHUNKS = (1, 2, 5, 10, 25, 50, 100, 200)


def trained_network() -> RNNParameters:
    """The shipped network: min-char-rnn after 3,000 iterations, seed 0."""
    V = len(Alphabet(latin1_chart()))
    shapes = {"W_xh": (100, V), "W_hh": (100, 100), "W_hy": (V, 100), "b_h": (100,), "b_y": (V,)}
    weights = nn.ParameterDict({name: torch.zeros(shape) for name, shape in shapes.items()})
    checkpoints.load("min_char_rnn_3000", weights)
    return RNNParameters(*(weights[name].detach().double().numpy() for name in shapes))


def compare(p: RNNParameters, text, chunks) -> tuple[list[float], list[float]]:
    """Cosine to the full gradient, and relative length, for each chunk length.

    text: T + 1 indices; the last one is only predicted.
    """
    xs, targets = one_hot(text[:-1], len(p.b_y)), text[1:]
    full = _recurrent(bptt(p, xs, targets)[1])
    cuts = [_recurrent(truncated_bptt(p, xs, targets, chunk)[1]) for chunk in chunks]
    norms = [np.linalg.norm(cut) for cut in cuts]
    size = np.linalg.norm(full)
    return [float(c @ full / n / size) for c, n in zip(cuts, norms)], [
        float(n / size) for n in norms
    ]


def passages(text, length: int, count: int) -> list:
    """`count` passages of length + 1 characters, evenly spread over the first 4,000."""
    return [text[start : start + length + 1] for start in range(0, 4000, 4000 // count)]


def _recurrent(gradient):
    return np.concatenate([gradient.W_xh.ravel(), gradient.W_hh.ravel(), gradient.b_h])


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.parse_args(argv)
    alphabet = Alphabet(latin1_chart())
    text = alphabet.encode(latin1_chart())
    start, rows = perf_counter(), []
    for seed in tqdm(range(8), unit="network"):
        *_, step = char_rnn.train(text, len(alphabet), iterations=ITERATIONS, seed=seed)
        results = [compare(step.parameters, part, CHUNKS) for part in passages(text, 200, 8)]
        cosine, size = np.mean(results, axis=0)
        rows += [
            {"seed": seed, "chunk": n, "cosine": round(c, 4), "size": round(s, 4)}
            for n, c, s in zip(CHUNKS, cosine, size)
        ]
        if seed == 0:
            arrays = step.parameters._asdict()
            weights = nn.ParameterDict({k: torch.tensor(w).float() for k, w in arrays.items()})
            checkpoints.save(
                "min_char_rnn_3000",
                weights,
                card(NAME, argv, seed=0, data="latin1_chart()", steps=ITERATIONS,
                     metrics={"smooth loss": round(float(step.smooth_loss), 3)},
                     seconds=perf_counter() - start),
            )  # fmt: skip
    at_25 = [row["cosine"] for row in rows if row["chunk"] == 25]
    metrics = {
        "median cosine at 25": round(float(np.median(at_25)), 3),
        "lowest": float(min(at_25)),
    }
    checkpoints.save_experiment(
        NAME,
        rows,
        card(NAME, argv, seed=list(range(8)), data="latin1_chart(), 8 passages of 200 characters",
             steps=ITERATIONS, metrics=metrics, seconds=perf_counter() - start),
    )  # fmt: skip
    print(metrics)
