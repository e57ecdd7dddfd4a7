"""What the cells of the shipped character models know: the survey of lesson 06, and its explorer.

For code and for prose, on test text: the best cell for each feature, chosen on one half of the text
and scored on the other, with controls (`training.probes`). Beside it stand

    hard            its AUC where it is hard to tell: see `HARD` (of code; else nan)
    in_story        its score in the story's last chapter alone (of prose; else nan)
    untrained       the same search in a network of the same form that has learned nothing
    from_character  what the character itself says, without any memory
    all_cells       a linear readout of all cells; untrained_all: of the untrained network

Cells 0 .. H-1 are those of the first layer, H .. 2H-1 those of the second.
"""

from functools import cache, partial
from time import perf_counter
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from lecture_utils.datasets import corpora, labels
from lecture_utils.datasets.corpora import ALPHABET, plain
from lecture_utils.datasets.dialogue import dialogue
from lecture_utils.datasets.text import story
from lecture_utils.models.char_lm import CharLM, watch
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.char_lm import model, shipped
from lecture_utils.runtime import seed
from lecture_utils.training import checkpoints, probes
from lecture_utils.training.checkpoints import experiment, save_experiment
from lecture_utils.visual.widgets.cell_explorer import CellExplorer, Context, Found, Reading

NAME = "hidden_cells"
CHECKPOINTS = {"code": "char_lm_code", "prose": "char_lm_prose"}
LABELS = {"code": labels.code_labels, "prose": labels.prose_labels}
GATES = ("i", "f", "o")
SMALL = {"stretch": 250, "warm": 250}  # for a page of text
LARGE = {"stretch": 4000, "warm": 2000}  # so that a docstring's opening marks have been read
BLOCK = 500
SENT = 24  # cells whose gates go along with the explorer; it asks for the others
_WORDS = ("docstrings and comments", lambda k: k["inside docstring"] | k["inside comment"])
HARD = {
    "inside docstring": _WORDS,
    "inside comment": _WORDS,
    "inside brackets": ("plain code", labels.plain_code),
    "inside a condition": ("plain code", labels.plain_code),
    "inside two brackets": ("the inside of brackets", lambda known: known["inside brackets"]),
    "inside other string": (
        "all but docstrings and comments",
        lambda known: ~(known["inside docstring"] | known["inside comment"]),
    ),
}
"""Feature of code -> among what it is to be told from the rest: words, and labels -> mask."""
LEAST = ((0.85, 0.6), (0.9, 0.7), (0.95, 0.8))
"""What a cell may be asked to reach to count as interpretable: AUC, or |r|."""
GIVEN_AWAY = {"AUC": 0.9, "r": 0.7}
"""A feature that the character itself tells so well asks for no memory: no cell counts for it."""


@cache
def network(corpus: str) -> CharLM:
    if corpus not in CHECKPOINTS:
        raise ValueError(f"there is no model of {corpus!r}: choose from {', '.join(CHECKPOINTS)}")
    return shipped(CHECKPOINTS[corpus])


class Page(NamedTuple):
    """Text that no model has learned from. T characters."""

    text: str
    pieces: np.ndarray  # (T,): the number of the file that a character is of; in prose of its block
    story: np.ndarray  # (T,) bool: of the story, not of generated dialogue


def held_out(corpus: str, characters: int, seed: int = corpora.PARTS.index("test")) -> Page:
    """Two halves of the same kind, about so many characters together, in whole pieces.

    code: the test files, taken in turns, of long ones the first 20,000 characters or so: else one
    file would be most of a half. prose: in each half dialogue, and one of the story's last two
    chapters. The dialogue comes from the same templates as that of the training text (of its
    sentences four in ten stand there, too), the chapters from nowhere else.
    seed: of the dialogue; 0 and 1 were for training and validation.
    """
    if corpus not in LABELS:
        raise ValueError(f"there is no text {corpus!r}: choose from {', '.join(LABELS)}")
    if corpus == "code":
        files = [_head(source, 20_000) for source in corpora.python_files("test").values()]
        pieces = [*_first(files[::2], characters // 2), *_first(files[1::2], characters // 2)]
        text = "".join(pieces)
        numbers = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
        return Page(text, numbers, np.zeros(len(text), bool))
    chapters = story().rstrip("\n").split("\n\n\n")[-2:]
    talk = dialogue(2 * characters, seed=seed).text.split("\n\n")
    halves = talk[: len(talk) // 2], talk[len(talk) // 2 :]
    parts = []
    for half, chapter in zip(halves, chapters):
        parts.append("\n\n".join(_first(half, characters // 2 - len(chapter))) + "\n\n")
        parts.append(chapter + "\n\n\n")
    text = "".join(parts)
    of_story = np.repeat([False, True, False, True], [len(part) for part in parts])
    return Page(text, np.arange(len(text)) // BLOCK, of_story)


def _head(source, most):
    """The first statements of a file, up to about so many characters."""
    if len(source) <= most:
        return source
    known = labels.code_labels(source)
    inside = known["inside docstring"] | known["inside other string"] | known["inside brackets"]
    ends = (t for t in range(most) if source[t] == "\n" and not inside[t] and source[t + 1] > "#")
    return source[: max(ends) + 1]


def last_pages(characters: int) -> str:
    """The story's end, from its first talk on; no model of the course has learned from it."""
    chapter = story().rstrip("\n").split("\n\n\n")[-1]
    start = chapter.rindex("\n\n", 0, chapter.index('"')) + 2
    return chapter[start : start + characters]


def _first(pieces, characters):
    """As many as fit, those that are too long for what is left passed over."""
    taken, left = [], characters
    for piece in pieces:
        if len(piece) <= left:
            taken.append(piece)
            left -= len(piece)
    return taken


def contexts(text: str, values: np.ndarray, count: int = 6, width: int = 30) -> list[Context]:
    """Where a cell is highest and lowest in a text: `count` places each, none near another."""
    found = []
    for order in (np.argsort(-values, kind="stable"), np.argsort(values, kind="stable")):
        taken: list[int] = []
        for t in order:
            if all(abs(t - other) > 2 * width for other in taken):
                taken.append(int(t))
                start = max(0, t - width)
                piece = slice(start, t + width)
                found.append(Context(text[piece], values[piece], int(t - start)))
            if len(taken) == count:
                break
    return found


def measured(corpus: str) -> list[dict]:
    """The survey that ships, a row for each feature."""
    table = experiment(NAME)
    here = [k for k, name in enumerate(table["corpus"]) if name == corpus]
    return [{name: column[k].item() for name, column in table.items()} for k in here]


def ranked(corpus: str) -> list[Found]:
    """The survey's finds for the explorer, those whose effect beats their controls by most first.

    Without those that the character itself gives away.
    """

    def margin(row):
        beyond = row["score"] - max(row["control"], row["untrained"], row["from_character"])
        return beyond * (2 if row["kind"] == "AUC" else 1)

    rows = sorted(measured(corpus), key=margin, reverse=True)
    return [
        Found(*(row[name] for name in ("feature", "cell", "score", "kind", "direction", "control")))
        for row in rows
        if margin(row) > 0
    ]


def explorer(
    corpus: str, text: str, title: str = "", feature: str = "", seen: tuple | None = None
) -> CellExplorer:
    """The cell explorer on a text, with the shipped model of a corpus.

    feature: whose best cell is shown at first; else the first of `ranked`.
    seen: a longer text and all its cells' values (T, cells), to take top contexts from.
    """
    model, finds = network(corpus), ranked(corpus)
    found_cells = list(dict.fromkeys(found.cell for found in finds))
    chosen = next((found.cell for found in finds if found.feature == feature), None)

    def read(text):
        codes = ALPHABET.encode(text)
        watched = watch(model, codes, ("c", *GATES), **SMALL)
        gates = np.stack([watched.values[name] for name in GATES], axis=2)
        return watched, gates

    def features(text):
        try:
            found = LABELS[corpus](text)
        except ValueError:  # half a statement, say
            return {}
        return {name: values for name, values in found.items() if np.ptp(values.astype(float)) > 0}

    def reading(typed):
        typed = plain(typed.replace("\t", " "))  # character for character
        watched, gates = read(typed)
        return Reading(watched.values["c"], likeliest(watched.log_probabilities),
                       features(typed), lambda cell: gates[:, cell])  # fmt: skip

    watched, gates = read(text)
    known = features(text)
    sent = dict.fromkeys([*found_cells, *_by_what_they_know(watched.values["c"], known)])
    return CellExplorer(
        text, watched.values["c"], likeliest(watched.log_probabilities), features=known,
        ranked=finds, gates={cell: gates[:, cell] for cell in list(sent)[:SENT]},
        contexts={} if seen is None else {c: contexts(seen[0], seen[1][:, c]) for c in found_cells},
        gates_of=lambda cell: gates[:, cell], read=reading, title=title, cell=chosen,
    )  # fmt: skip


def _by_what_they_know(values, features):
    """All cells, those first that go best with any feature of a text."""
    effects = [
        2 * probes.auc(values, feature) - 1
        if feature.dtype == bool
        else probes.correlation(values, feature, rank=True)
        for feature in features.values()
    ]
    most = np.abs(effects).max(axis=0) if effects else np.zeros(values.shape[1])
    return np.argsort(-most, kind="stable").tolist()


def likeliest(log_p: np.ndarray, count: int = 5) -> tuple[list[str], np.ndarray]:
    """The likeliest next characters after each one, and their probabilities."""
    order = np.argsort(-log_p, axis=1, kind="stable")[:, :count]
    return [ALPHABET.decode(row) for row in order], np.exp(np.take_along_axis(log_p, order, 1))


def untrained(corpus: str) -> CharLM:
    """A network of the same form as `network(corpus)`, with the weights of its first moment."""
    about = checkpoints.card(CHECKPOINTS[corpus])
    seed(0)
    return model(about["hidden"], about["cell"]).eval()


def survey(corpus: str, characters: int, draws: int = 99) -> tuple[list[dict], dict[str, float]]:
    """A row for each feature, and how many cells count as interpretable."""
    page = held_out(corpus, characters)
    codes, features = ALPHABET.encode(page.text), LABELS[corpus](page.text)
    trained, fresh = (
        watch(net, codes, **LARGE).values["c"] for net in (network(corpus), untrained(corpus))
    )

    def found(values, draws):
        return probes.find_cells(values, features, np.random.default_rng(0), draws=draws,
                                 block=BLOCK, pieces=page.pieces)  # fmt: skip

    of, of_fresh = found(trained, draws), found(fresh, 19)
    half = len(codes) // 2
    rows = []
    for best, unlearned in zip(of.found, of_fresh.found):
        feature = features[best.feature]

        def score(where, best=best, feature=feature):
            """Of the cell, in the second half, where the mask says."""
            where = half + np.flatnonzero(where[half:])
            cell, truth = best.direction * trained[where, best.cell][:, None], feature[where]
            scored = probes.auc if truth.dtype == bool else partial(probes.correlation, rank=True)
            return float(scored(cell, truth)[0])

        _, mask = HARD.get(best.feature, (None, None)) if corpus == "code" else (None, None)
        rows.append(best._asdict() | {
            "hard": score(mask(features)) if mask else np.nan,
            "in_story": score(page.story) if corpus == "prose" else np.nan,
            "untrained": unlearned.score,
            "from_character": probes.from_symbols(codes, feature),
            "all_cells": probes.linear_probe(trained[::4], feature[::4]),
            "untrained_all": probes.linear_probe(fresh[::4], feature[::4]),
        })  # fmt: skip
    remembered = [
        k for k, row in enumerate(rows) if row["from_character"] < GIVEN_AWAY[row["kind"]]
    ]
    counts = {
        f"{name}, AUC {auc} or r {r}": len(
            probes.interpretable_cells(_only(survey, remembered), auc, r)
        )
        for name, survey in (("trained", of), ("untrained", of_fresh))
        for auc, r in LEAST
    }
    return rows, counts


def _only(survey, places):
    """A survey of some of its features."""
    return survey._replace(
        found=tuple(survey.found[k] for k in places),
        first=survey.first[:, places], second=survey.second[:, places],
    )  # fmt: skip


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--characters", 300_000, "of each test text")
    options = command.parse(argv, output=NAME)
    seed(0)
    start, rows, metrics = perf_counter(), [], {}
    for corpus in tqdm(CHECKPOINTS, unit="corpus"):
        found, counts = survey(corpus, options.characters)
        for row in found:
            rounded = {name: round(value, 4) if isinstance(value, float) else value
                       for name, value in row.items()}  # fmt: skip
            rows.append({"corpus": corpus, **rounded})
        metrics |= {f"{corpus}, interpretable cells, {name}": n for name, n in counts.items()}
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=0, steps=0, metrics=metrics, seconds=perf_counter() - start,
             data=f"held_out of code and prose, {options.characters:,} characters each"),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
