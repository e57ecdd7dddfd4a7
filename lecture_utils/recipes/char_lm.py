"""Train a character model of lesson 06 on one of its corpora.

    python -m lecture_utils.recipes char_lm code
    python -m lecture_utils.recipes char_lm prose
    python -m lecture_utils.recipes char_lm code --cell rnn

Two layers, 32 streams of text side by side in chunks of 100 characters, the state carried on, Adam
with a warm-up and a cosine to zero, gradient clipped to norm 1. The run is saved as it goes, and
the same command goes on after an interrupt; hours on a processor, minutes on a GPU.
"""

import hashlib
import json
import math
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from lecture_utils.datasets import corpora
from lecture_utils.datasets.corpora import ALPHABET
from lecture_utils.models import char_lm
from lecture_utils.models.rnn import RNNCell
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.runtime import seed
from lecture_utils.training import checkpoints
from lecture_utils.training.checkpoints import save, save_experiment
from lecture_utils.training.fit import fit

NAME = "char_lm"
CORPORA = {"code": corpora.python_code, "prose": corpora.prose}
CELLS = {"lstm": char_lm.KEEPING_LSTM, "rnn": RNNCell}
STREAMS, LENGTH, WARM = 32, 100, 200
PROMPTS = {"code": "def ", "prose": '"'}
EARLY = (10, 30, 100, 250, 500)
CONTENTS = {
    "code": "the standard library of the Python that trained, without tests and generated files",
    "prose": "the course's story, generated dialogue (1.2 million characters), Python's manual "
    "and docstrings",
}
_WHERE = ("output", "run", "threads")


def model(hidden: int, cell: str = "lstm", dropout: float = 0.0) -> char_lm.CharLM:
    return char_lm.CharLM(len(ALPHABET), hidden, cell=CELLS[cell], dropout=dropout)


def shipped(name: str | Path) -> char_lm.CharLM:
    """The trained model of this name, as it ships, or at a path without its ending."""
    about = checkpoints.card(name)
    network = model(about["hidden"], about["cell"])
    checkpoints.load(name, network)
    return network.eval()


def factor(index: int, steps: int) -> float:
    """Of the learning rate at step `index`: up in a straight line, down along a cosine."""
    warm = max(1, min(WARM, steps // 10))
    if index <= warm:
        return index / warm
    return 0.5 * (1 + math.cos(math.pi * (index - warm) / max(1, steps - warm)))


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.add_argument("corpus", choices=CORPORA)
    command.add_argument("--cell", choices=CELLS, default="lstm")
    command.count("--hidden", 320)
    command.add_argument("--dropout", type=float, default=0.0)
    command.add_argument("--epochs", type=float, default=5)
    command.add_argument("--rate", type=float, default=4e-3, help="of learning, at its highest")
    command.count("--threads", 2, "of the processor")
    command.add_argument("--bfloat16", action="store_true", help="products in half precision")
    command.add_argument("--output", help="checkpoint name, or a path (default: by what it is)")
    command.add_argument("--run", help="file that the run is kept in (default: OUTPUT.run.*)")
    options = command.parse_args(argv)
    output = options.output or f"{NAME}_{options.corpus}" + (
        "" if options.cell == "lstm" else f"_{options.cell}"
    )
    kept = Path(options.run or f"{output}.run.safetensors")
    diary = Diary(kept, {k: v for k, v in vars(options).items() if k not in _WHERE})

    seed(0, threads=options.threads)
    read = CORPORA[options.corpus]
    texts = {part: read(part) for part in corpora.PARTS}
    codes = {part: ALPHABET.encode(text) for part, text in texts.items()}
    batches = char_lm.chunks(codes["train"], STREAMS, LENGTH)
    steps = round(options.epochs * len(batches))
    network = model(options.hidden, options.cell, options.dropout)
    start = perf_counter()
    for step in fit(
        char_lm.Carried(network, STREAMS), batches,
        loss=lambda carried, chunk: carried.loss(chunk), steps=steps,
        optimizer=torch.optim.Adam(network.parameters(), options.rate), clip=1.0,
        schedule=partial(factor, steps=steps), save_to=kept, save_every=250,
        mixed_precision=options.bfloat16,
    ):  # fmt: skip
        if step.index in EARLY or step.index % 1000 == 0 or step.index == steps:
            bits = char_lm.bits_per_character(network, codes["validation"])
            diary.add({
                "step": step.index, "loss": round(step.loss / math.log(2), 4),
                "validation": round(bits, 4), "seconds": round(step.seconds),
                "sample": says(network, PROMPTS[options.corpus]),
            })  # fmt: skip
    rows = diary.entries()
    about = partial(
        card, NAME, argv, seed=0, steps=steps, seconds=rows[-1]["seconds"],
        data=f"corpora.{read.__name__}('train'), {len(texts['train']):,} characters, SHA-256 "
        + hashlib.sha256(texts["train"].encode()).hexdigest(),
        contents=CONTENTS[options.corpus], hidden=options.hidden, dropout=options.dropout,
        cell=options.cell,
    )  # fmt: skip
    save(output, network, about(metrics={}), float16=True)
    ships = shipped(output)  # rounded, as a reader gets it
    metrics = {
        f"{part}, bits per character": round(char_lm.bits_per_character(ships, codes[part]), 4)
        for part in ("validation", "test")
    }
    save(output, network, about(metrics=metrics), float16=True)
    save_experiment(f"{output}_training", rows, about(metrics=metrics))
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
    print(f"{perf_counter() - start:.0f} s in this run")


class Diary:
    """What a run has been through: a line for its options, then one for each entry.

    ValueError if a run is kept in the file and was begun with other options.
    """

    def __init__(self, kept: Path, options: dict):
        self.path = kept.with_suffix(".jsonl")
        if not kept.exists():
            self.path.unlink(missing_ok=True)
            self.add(options)
            return
        begun = self._lines()[0] if self.path.exists() else "nobody knows which"
        if begun != options:
            raise ValueError(
                f"{kept} holds a run with other options, {begun}: give those, another --run, or "
                "delete the file to begin anew"
            )

    def add(self, entry: dict) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def entries(self) -> list[dict]:
        """By step; of those that a restart repeated, the later ones."""
        found = {entry["step"]: entry for entry in self._lines()[1:]}
        return [found[step] for step in sorted(found)]

    def _lines(self):
        lines = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            with suppress(json.JSONDecodeError):  # cut short by a kill
                lines.append(json.loads(line))
        return lines


def says(network: char_lm.CharLM, prompt: str, length: int = 200) -> str:
    """The prompt and what follows, drawn at temperature 0.7, always with the same dice."""
    drawn = char_lm.sample(
        network, ALPHABET.encode(prompt), length, np.random.default_rng(0), temperature=0.7
    )
    return prompt + ALPHABET.decode(drawn)
