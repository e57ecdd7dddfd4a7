"""What the character models of lesson 06 can do, beside n-grams and compressors, on test text.

    bits       bits per character; of prose also source by source. Networks and n-grams read a
               text from its beginning to its end (the networks a long one in parts side by side)
    context    bits of a character when only the x before it are the text's own (`context_bits`);
               "context error" is the standard error of what it costs beyond the longest context
    closing    probability of the right closing mark, by its distance x from the opening one
               (brackets in code, quotation marks in prose)
    choosing   share of the brackets where the right closing one is likelier than the two others;
               "choosing rare": the same of all but round ones, 20 characters and more
    inside     at the ends of clauses, AUC of the probability of a quotation mark: is a quotation
               open or not?

The n-gram models and the compressors learn from the same training text as the networks. The last
three are of the pages that `hidden_cells.held_out` chooses.
"""

import math
from collections.abc import Iterator
from functools import partial
from time import perf_counter

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from lecture_utils.datasets import corpora, labels
from lecture_utils.datasets.corpora import ALPHABET
from lecture_utils.models.char_lm import CharLM, bits_per_character, watch
from lecture_utils.models.ngrams import NGram, compressed_bits
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.char_lm import CORPORA, shipped
from lecture_utils.recipes.hidden_cells import held_out
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment

NAME = "char_models"
ORDER = 20
NETWORKS = {
    "code": {"LSTM": "char_lm_code"},
    "prose": {"LSTM": "char_lm_prose", "RNN": "char_lm_prose_rnn"},
}
CONTEXTS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 300)
PLACES = 2000
GAP = 3000
PART = 20_000  # characters that a network reads at least before it begins anew
DISTANCES = (1, 5, 10, 20, 40, 80, 160, 320, 640)
"""Edges of the bins."""
OPENING, CLOSING = "([{", ")]}"
CLAUSE_ENDS = ",.?!"


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


def clause_ends(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Places right after a mark that may end a clause, and whether a quotation is open there.

    Only where the text goes on with a quotation mark, a space or a line end: elsewhere (3.14, a
    dot of three) no model would expect a quotation mark.
    """
    quoted = labels.prose_labels(text)["inside quotes"]
    ends = [
        t for t in range(1, len(text)) if text[t - 1] in CLAUSE_ENDS and text[t] in '" \n'
    ]  # fmt: skip
    return np.array(ends), quoted[np.array(ends) - 1]


def context_bits(
    model: CharLM, codes: np.ndarray, contexts: tuple[int, ...], places: int = PLACES
) -> Iterator[tuple[int, float, float]]:
    """x; bits of the same `places` characters if only the x before them are their own; how sure.

    What the memory holds before these x characters is of other text: from anywhere, or from GAP
    characters farther up, mostly the same file or chapter; or it is empty. Of the three, whichever
    costs least on the whole. (An empty memory is nearly unknown to the model, other text misleads
    it; none is what it is to know nothing.) How sure: the standard error of the difference from the
    longest context.
    """
    longest = max(contexts)
    gap = min(GAP, len(codes) // 2)
    rng = np.random.default_rng(0)
    ends, elsewhere = rng.integers(longest + gap, len(codes) - 1, (2, places))
    windows = torch.as_tensor(codes[ends[:, None] + np.arange(-longest, 1)])
    others = [
        torch.as_tensor(codes[at[:, None] + np.arange(-longest, 0)])
        for at in (elsewhere, ends - gap)
    ]
    bits = {}
    with torch.no_grad():
        for part in torch.arange(places).split(100):  # the gates of all would take gigabytes
            memories = [*(model(other[part])[1] for other in others), None]
            for x in contexts:
                own = windows[part, -x - 1 :]
                for start, states in enumerate(memories):
                    logits = model(own[:, :-1], states)[0][:, -1].cpu()
                    nats = torch.nn.functional.cross_entropy(logits, own[:, -1], reduction="none")
                    bits.setdefault((x, start), []).append(nats.numpy() / math.log(2))
    bits = {key: np.concatenate(parts) for key, parts in bits.items()}
    best = {x: min((bits[x, k] for k in range(3)), key=np.mean) for x in contexts}
    for x in contexts:
        more = best[x] - best[longest]
        yield x, float(best[x].mean()), float(more.std() / math.sqrt(places))


def by_distance(values: np.ndarray, distances: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """For each bin of distances that has 20 values: its lower edge, how many, and their mean."""
    bins = np.digitize(distances, DISTANCES) - 1
    for k, edge in enumerate(DISTANCES):
        here = values[bins == k]
        if len(here) >= 20:  # of fewer a mean says little
            yield edge, len(here), float(here.mean())


def marks_of(corpus: str, text: str, probabilities) -> Iterator[tuple[str, int, float, int]]:
    """Measure, x, value and count of what a model knows about marks to be closed.

    probabilities(places): p of each character of the alphabet (places, V) where these places are.
    """
    codes = ALPHABET.encode(text)
    places, distances = closings(corpus, text)
    p = probabilities(places)
    right = p[np.arange(len(places)), codes[places]]
    for edge, count, mean in by_distance(right, distances):
        yield "closing", edge, mean, count
    if corpus == "code":
        likeliest = p[:, ALPHABET.encode(CLOSING)].max(axis=1) == right
        for edge, count, mean in by_distance(likeliest, distances):
            yield "choosing", edge, mean, count
        rare = (distances >= 20) & (codes[places] != ALPHABET.encode(")")[0])
        yield "choosing rare", 20, float(likeliest[rare].mean()), int(rare.sum())
    else:
        ends, quoted = clause_ends(text)
        p = probabilities(ends)[:, ALPHABET.encode('"')[0]]
        yield "inside", 0, float(roc_auc_score(quoted, p)), len(ends)


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--characters", 200_000, "of each text with marks to be closed")
    options = command.parse(argv, output=NAME)
    seed(0)
    start, rows = perf_counter(), []
    bar = tqdm(total=sum(len(networks) + 2 for networks in NETWORKS.values()), unit="model")
    for corpus, networks in NETWORKS.items():
        whole = CORPORA[corpus]
        texts = {"": whole("test")} | (corpora.prose_sources("test") if corpus == "prose" else {})
        page = held_out(corpus, options.characters).text
        read = ALPHABET.encode(page)

        def add(model, measure, x, value, count, source="", corpus=corpus):
            rows.append({"corpus": corpus, "source": source, "model": model, "measure": measure,
                         "x": x, "value": round(value, 4), "count": count})  # fmt: skip

        for source, text in texts.items():
            for name, bits in compressed_bits(whole("train"), text).items():
                add(name, "bits", 0, bits, len(text), source)
        bar.update()
        ngrams = NGram(ALPHABET.encode(whole("train")), len(ALPHABET), ORDER)
        for source, text in texts.items():
            log_p = ngrams.log_probabilities(ALPHABET.encode(text))
            for n, bits in enumerate(-log_p.mean(axis=1) / math.log(2), start=1):
                add(f"{n}-gram", "bits", n, float(bits), len(text), source)
        for found in marks_of(corpus, page, partial(ngrams.distributions, read)):
            add(f"{ORDER}-gram", *found)
        del ngrams, log_p
        bar.update()
        for name, checkpoint in networks.items():
            model = shipped(checkpoint)
            for source, text in texts.items():
                parts = max(1, min(16, len(text) // PART))
                bits = bits_per_character(model, ALPHABET.encode(text), parts)
                add(name, "bits", 0, bits, len(text), source)
            for x, bits, error in context_bits(model, ALPHABET.encode(texts[""]), CONTEXTS):
                add(name, "context", x, bits, PLACES)
                add(name, "context error", x, error, PLACES)
            log_p = watch(model, read, names=()).log_probabilities
            for found in marks_of(corpus, page, lambda at, log_p=log_p: np.exp(log_p[at - 1])):
                add(name, *found)
            bar.update()
    bar.close()
    metrics = {
        f"{row['corpus']}, {row['model']}": row["value"]
        for row in rows
        if row["measure"] == "bits" and not row["source"]
    }
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=0, steps=0, metrics=metrics, seconds=perf_counter() - start,
             data="corpora.python_code('test') and corpora.prose('test'); marks to be closed on "
             f"held_out of both, {options.characters:,} characters"),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
