"""What the character models of lesson 06 can do, beside n-grams and compressors, on test text.

    bits       bits per character
    context    bits of a character when all but the x before it come from elsewhere in the text
    closing    probability of the right closing mark, by its distance x from the opening one
               (brackets in code, quotation marks in prose)

The n-gram models and the compressors learn from the same training text as the networks.
"""

import math
from time import perf_counter

import numpy as np
import torch
from tqdm import tqdm

from lecture_utils.datasets import corpora, labels
from lecture_utils.datasets.corpora import ALPHABET
from lecture_utils.models.char_lm import CharLM, bits_per_character, watch
from lecture_utils.models.ngrams import NGram, compressed_bits
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.char_lm import CORPORA, shipped
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "char_models"
ORDER = 20
NETWORKS = {
    "code": {"LSTM": "char_lm_code"},
    "prose": {"LSTM": "char_lm_prose"},
}
CONTEXTS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300)
DISTANCES = (1, 5, 10, 20, 40, 80, 160, 320, 640)
"""Edges of the bins."""
OPENING, CLOSING = "([{", ")]}"


def closings(corpus: str, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Places of the closing marks of a test text, and how far before them their pair opened."""
    if corpus == "prose":
        quoted = labels.prose_labels(text)["inside quotes"].astype(int)
        steps = np.diff(quoted, prepend=0)
        opened, closed = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        closed = closed[[text[t] == '"' for t in closed]]  # not those that a paragraph's end closed
        opened = opened[np.searchsorted(opened, closed) - 1]
        return closed, closed - opened
    depth = labels.code_labels(text)["bracket depth"]
    steps = np.diff(depth, prepend=0)
    waiting, found = [], []
    for t in np.flatnonzero(steps):
        if steps[t] > 0:
            waiting.append(t)
        else:
            found.append((t, t - waiting.pop()))
    return tuple(np.array(found).T)


def context_bits(
    model: CharLM, codes: np.ndarray, contexts: tuple[int, ...], places: int = 1000
) -> dict[int, float]:
    """Bits of the same `places` characters, if only the x characters before them are their own.

    What is before these comes from elsewhere in the text, `max(contexts)` characters of it. From an
    empty memory, which training has hardly ever seen, the first characters would cost more for that
    reason alone.
    """
    longest = max(contexts)
    rng = np.random.default_rng(0)
    ends, elsewhere = rng.integers(longest, len(codes) - 1, (2, places))
    before = elsewhere[:, None] + np.arange(-longest, 0)
    bits = {}
    for x in contexts:
        own = ends[:, None] + np.arange(-x, 1)
        windows = torch.as_tensor(codes[np.concatenate([before, own], axis=1)])
        total = 0.0
        for part in windows.split(100):  # of all at once the gates alone would take gigabytes
            with torch.no_grad():
                logits = model(part[:, :-1])[0][:, -1]
            total += torch.nn.functional.cross_entropy(logits, part[:, -1], reduction="sum").item()
        bits[x] = total / places / math.log(2)
    return bits


def by_distance(log_p: np.ndarray, places: np.ndarray, distances: np.ndarray):
    """For each bin: its lower edge, how many closing marks it has, and their mean probability.

    log_p: of each character of the text, given those before it.
    """
    bins = np.digitize(distances, DISTANCES) - 1
    for k, edge in enumerate(DISTANCES):
        here = places[bins == k]
        if len(here) >= 20:  # of fewer a mean says little
            yield edge, len(here), float(np.exp(log_p[here]).mean())


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--characters", 200_000, "of each test text")
    options = command.parse(argv, output=NAME)
    seed(0)
    start, rows = perf_counter(), []
    bar = tqdm(total=sum(len(networks) + 2 for networks in NETWORKS.values()), unit="model")
    for corpus, networks in NETWORKS.items():
        text = test_text(corpus, options.characters)
        train, test = (ALPHABET.encode(t) for t in (CORPORA[corpus]("train"), text))
        marks = closings(corpus, text)

        def add(model, measure, x, value, count, corpus=corpus):
            rows.append({"corpus": corpus, "model": model, "measure": measure, "x": x,
                         "value": round(value, 4), "count": count})  # fmt: skip

        for name, bits in compressed_bits(CORPORA[corpus]("train"), text).items():
            add(name, "bits", 0, bits, len(test))
        bar.update()
        log_p = NGram(train, len(ALPHABET), ORDER).log_probabilities(test)
        for n, of_order in enumerate(log_p, start=1):
            add(f"{n}-gram", "bits", n, float(-of_order.mean() / math.log(2)), len(test))
            for edge, count, p in by_distance(of_order, *marks):
                add(f"{n}-gram", "closing", edge, p, count)
        bar.update()
        for name, checkpoint in networks.items():
            model = shipped(checkpoint)
            add(name, "bits", 0, bits_per_character(model, test), len(test))
            for x, bits in context_bits(model, test, CONTEXTS).items():
                add(name, "context", x, bits, 1000)
            given = np.append(0, watch(model, test).of_next(test))
            for edge, count, p in by_distance(given, *marks):
                add(name, "closing", edge, p, count)
            bar.update()
    bar.close()
    metrics = {
        f"{row['corpus']}, {row['model']}": row["value"] for row in rows if row["measure"] == "bits"
    }
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=0, steps=0, metrics=metrics, seconds=perf_counter() - start,
             data=f"corpora.python_code and corpora.prose, {options.characters:,} test characters"),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")


def test_text(corpus: str, characters: int) -> str:
    """The first whole documents of the test part, about so many characters."""
    if corpus == "prose":
        text = corpora.prose("test")[:characters]
        return text[: text.rindex("\n\n") + 1]
    text = ""
    for one in corpora.python_files("test").values():
        if len(text) + len(one) <= characters:
            text += one
    return text
