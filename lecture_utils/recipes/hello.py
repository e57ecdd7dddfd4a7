"""The network of lesson 01 that says hello: three units, trained in a fraction of a second."""

import numpy as np

from lecture_utils.datasets.puzzles import hello
from lecture_utils.models.rnn import RNNParameters, bptt, one_hot, rnn_forward, rnn_parameters

ALPHABET = "helo"


def hello_network(seed: int = 5, steps: int = 600) -> RNNParameters:
    """Plain gradient descent on hell -> ello; the same network as in the notebook."""
    text, wanted = hello()
    xs, targets = (
        one_hot([ALPHABET.index(c) for c in text], len(ALPHABET)),
        np.array([ALPHABET.index(c) for c in wanted]),
    )
    params = rnn_parameters(len(ALPHABET), 3, len(ALPHABET), np.random.default_rng(seed), scale=0.1)
    for _ in range(steps):
        _, gradient = bptt(params, xs, targets)
        for w, dw in zip(params, gradient):
            w -= 0.03 * dw
    return params


def say(params: RNNParameters, length: int = 4) -> str:
    """Start with h, then feed back the likeliest letter, `length` times."""
    word = "h"
    for _ in range(length):
        _, ys = rnn_forward(params, one_hot([ALPHABET.index(c) for c in word], len(ALPHABET)))
        word += ALPHABET[ys[-1].argmax()]
    return word


def main(argv: list[str]) -> None:
    for steps in (0, 60, 600):
        print(f"after {steps:3} steps it says {say(hello_network(steps=steps))}")
