"""What the cells of the shipped character models know: the survey of lesson 06, and its explorer.

For code and for prose, on test text: the best cell for each feature, chosen on one half of the text
and scored on the other, with controls, and what all cells together know (`training.probes`).
Cells 0 .. H-1 are those of the first layer, H .. 2H-1 those of the second.
"""

from functools import cache
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
from lecture_utils.recipes.char_lm import shipped
from lecture_utils.runtime import seed
from lecture_utils.training import probes
from lecture_utils.training.checkpoints import experiment, save_experiment
from lecture_utils.visual.widgets.cell_explorer import CellExplorer, Context, Found, Reading

NAME = "hidden_cells"
CHECKPOINTS = {"code": "char_lm_code", "prose": "char_lm_prose"}
LABELS = {"code": labels.code_labels, "prose": labels.prose_labels}
GATES = ("i", "f", "o")
SMALL = {"stretch": 250, "warm": 250}  # for a page of text


@cache
def network(corpus: str) -> CharLM:
    if corpus not in CHECKPOINTS:
        raise ValueError(f"there is no model of {corpus!r}: choose from {', '.join(CHECKPOINTS)}")
    return shipped(CHECKPOINTS[corpus])


def held_out(corpus: str, characters: int) -> str:
    """Test text whose two halves are of the same kind, about so many characters, in whole pieces.

    code: modules, every other one from the list, then the rest. prose: in each half dialogue, and
    one of the story's last two chapters.
    """
    if corpus == "code":
        files = list(corpora.python_files("test").values())
        return "".join(_first([*files[::2], *files[1::2]], characters))
    chapters = story().rstrip("\n").split("\n\n\n")[-2:]
    talk = dialogue(2 * characters, seed=corpora.PARTS.index("test")).text.split("\n\n")
    halves = talk[: len(talk) // 2], talk[len(talk) // 2 :]
    return "".join(
        "\n\n".join([*_first(half, characters // 2 - len(chapter)), chapter]) + "\n\n\n"
        for half, chapter in zip(halves, chapters)
    )


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


def measured(corpus: str) -> tuple[list[probes.Found], dict[str, float]]:
    """The survey that ships: the best cell for each feature, and what all cells together know."""
    table = experiment(NAME)
    here = [k for k, name in enumerate(table["corpus"]) if name == corpus]
    rows = [{name: column[k].item() for name, column in table.items()} for k in here]
    ceilings = {row["feature"]: row["ceiling"] for row in rows}
    return [probes.Found(*(row[name] for name in probes.Found._fields)) for row in rows], ceilings


def ranked(corpus: str) -> list[Found]:
    """The survey's finds for the explorer, those whose effect beats their control by most first."""
    finds = [f for f in measured(corpus)[0] if f.score > f.control]
    finds.sort(key=lambda f: (f.control - f.score) * (2 if f.kind == "AUC" else 1))
    return [Found(f.feature, f.cell, f.score, f.kind, f.direction, f.control) for f in finds]


def explorer(
    corpus: str, text: str, title: str = "", feature: str = "", seen: tuple | None = None
) -> CellExplorer:
    """The cell explorer on a text, with the shipped model of a corpus.

    feature: whose best cell is shown at first; else the first of `ranked`.
    seen: a longer text and all its cells' values (T, cells), to take top contexts from.
    """
    model, finds = network(corpus), ranked(corpus)
    known = list(dict.fromkeys(found.cell for found in finds))
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
    return CellExplorer(
        text, watched.values["c"], likeliest(watched.log_probabilities),
        features=features(text), ranked=finds, gates={cell: gates[:, cell] for cell in known},
        contexts={} if seen is None else {c: contexts(seen[0], seen[1][:, c]) for c in known},
        gates_of=lambda cell: gates[:, cell], read=reading, title=title, cell=chosen,
    )  # fmt: skip


def likeliest(log_p: np.ndarray, count: int = 5) -> tuple[list[str], np.ndarray]:
    """The likeliest next characters after each one, and their probabilities."""
    order = np.argsort(-log_p, axis=1, kind="stable")[:, :count]
    return [ALPHABET.decode(row) for row in order], np.exp(np.take_along_axis(log_p, order, 1))


class Survey(NamedTuple):
    """Of one corpus: the test text, its labels, all cells' values, and what was found."""

    text: str
    features: dict[str, np.ndarray]
    values: np.ndarray
    survey: probes.Survey


def survey(corpus: str, characters: int, draws: int = 99) -> Survey:
    text = held_out(corpus, characters)
    values = watch(network(corpus), ALPHABET.encode(text)).values["c"]
    features = LABELS[corpus](text)
    return Survey(
        text, features, values,
        probes.find_cells(values, features, np.random.default_rng(0), draws=draws),
    )  # fmt: skip


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--characters", 150_000, "of each test text")
    options = command.parse(argv, output=NAME)
    seed(0)
    start, rows, metrics = perf_counter(), [], {}
    for corpus in tqdm(CHECKPOINTS, unit="corpus"):
        of = survey(corpus, options.characters)
        share = probes.interpretable_share(of.survey)
        metrics[f"{corpus}, interpretable cells"] = round(share, 4)
        for found in of.survey.found:
            ceiling = probes.linear_probe(of.values, of.features[found.feature])
            row = {name: round(value, 4) if isinstance(value, float) else value
                   for name, value in found._asdict().items()}  # fmt: skip
            rows.append({"corpus": corpus, **row, "ceiling": round(ceiling, 4)})
            metrics[f"{corpus}, {found.feature}"] = row["score"]
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=0, steps=0, metrics=metrics, seconds=perf_counter() - start,
             data=f"test parts of corpora.python_code and corpora.prose, {options.characters:,} "
             "characters each"),
    )  # fmt: skip
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
