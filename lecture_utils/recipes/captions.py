"""Captioners of painted scenes: what lessons 08 and 09 compare.

    python -m lecture_utils.recipes captions lstm

    rnn     h = tanh(W_xh x + W_hh h + W_ih v), v at each step, as on the slide
    lstm    the same with an LSTM
    once    the LSTM, with v at the first step only
    soft    Show, Attend and Tell: soft attention over a grid of 8 x 8 places
    asking  soft, and the word just said has a say in where it looks
    spread  asking, with the doubly stochastic term in its loss
    hard    asking, with one place per word, by REINFORCE

Each begins with the convolutions of `scene_classifier`, and all of it is trained on. About a
quarter of an hour each on one core that computes with bfloat16 (--bfloat16). A run is kept, and the
same command goes on after an interrupt. Saved: the weights, the course of training
(OUTPUT_training), and what was measured on 1,000 test scenes of each split (OUTPUT_scores):

    nats per word           mean -log p of the words of the scenes' own captions
    true                    share of its own captions that are sentences and true in all they tell
    sentence                share that is a sentence of the grammar
    true KIND               of the facts of one kind that these tell, the share that is true
    seen before             share that is word for word a caption of the training scenes
    BLEU-1 ... BLEU-4       of its own captions against the scene's five
    beam, KIND              the same of what beam search finds, with a beam of 3
    map on KIND             where it looks for the words of one kind, in the scenes' own captions:
                            the share of its map that lies in the boxes of the things the word
                            speaks of (attention; else the gradient of log p to the pixels)
    chance on KIND          the share of the picture that the boxes take
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lecture_utils.datasets.scene_captions import (
    END,
    NUMBERS,
    PAD,
    RELATION_WORDS,
    SINGULARS,
    SIZES,
    START,
    UNK,
    WORDS,
    Caption,
    Vocabulary,
)
from lecture_utils.datasets.scene_captions import (
    KINDS as FACTS,
)
from lecture_utils.datasets.scene_pictures import COLOURS, SHAPES
from lecture_utils.datasets.scene_truth import is_true, parse, truth
from lecture_utils.datasets.scenes import SPLITS, Scene, images, scenes, word_masks
from lecture_utils.models.captioner import (
    AttentionCaptioner,
    Captioner,
    Chance,
    ImageCaptioner,
    caption_log_p,
    doubly_stochastic,
    draw_chance,
    hard_attention_loss,
    saliency,
)
from lecture_utils.models.decoding import beam_trees, greedy, hypotheses
from lecture_utils.recipes import scene_classifier
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.char_lm import Diary, factor
from lecture_utils.runtime import seed
from lecture_utils.trace import trace
from lecture_utils.training import checkpoints
from lecture_utils.training.checkpoints import save, save_experiment
from lecture_utils.training.fit import fit
from lecture_utils.training.scores import bleu

NAME = "captions"
VOCABULARY = Vocabulary(WORDS)
NEVER = (PAD, START, UNK)  # not to be said
LONGEST = 20
EMBEDDING, HIDDEN, LOOKING = 64, 128, 64
SPREAD = 0.1  # lambda of the doubly stochastic term
RATE, DECAY, BATCH = 2e-3, 0.01, 32
SEEDS = {"train": 0, "validation": 1, "test": 2}
KINDS = ("rnn", "lstm", "once", "soft", "asking", "spread", "hard")
SPOKEN = {
    "shape": {*SHAPES, *SINGULARS}, "colour": {*COLOURS}, "size": {*SIZES},
    "relation": {*RELATION_WORDS}, "count": {*NUMBERS},
}  # fmt: skip
"""Kinds of words that speak of things."""
_WHERE = ("output", "run", "threads")


def model(kind: str) -> ImageCaptioner:
    """A captioner that has seen no caption, on top of the trained classifier without its head."""
    if kind not in KINDS:
        raise ValueError(f"there is no captioner {kind!r}: choose from {', '.join(KINDS)}")
    classifier = scene_classifier.network()
    V, N, D = len(VOCABULARY), classifier.fc_2.out_features, classifier.groups[-1][2].out_channels
    if kind in ("rnn", "lstm", "once"):
        reader = Captioner(V, N, EMBEDDING, HIDDEN, "rnn" if kind == "rnn" else "lstm",
                           "once" if kind == "once" else "each step")  # fmt: skip
        return ImageCaptioner(classifier.without_head(), reader)
    grid = classifier.without_head("grid")
    places = (grid.side // 2 ** len(grid.groups)) ** 2
    reader = AttentionCaptioner(
        V, D, EMBEDDING, HIDDEN, LOOKING, hard=kind == "hard", places=places,
        word_asks=kind != "soft",
    )  # fmt: skip
    return ImageCaptioner(grid, reader)


def network(kind: str, name: str | Path | None = None) -> ImageCaptioner:
    """The trained one, as it ships, or at a path without its ending."""
    made = model(kind)
    checkpoints.load(name or f"{NAME}_{kind}", made)
    return made.eval()


def captions(found: Sequence[Scene]) -> Tensor:
    """Codes of all captions: (N, 5, T), START and END among them, then PAD."""
    codes = VOCABULARY.encode([caption.words for scene in found for caption in scene.captions])
    return torch.from_numpy(codes).view(len(found), -1, codes.shape[1])


def batches(images: Tensor, captions: Tensor, size: int = BATCH) -> Iterator[tuple[Tensor, ...]]:
    """Without end: pictures, their captions (size, 5, T), and luck for hard attention."""
    dice = torch.Generator().manual_seed(1)
    while True:
        places = torch.randperm(len(images), generator=dice)
        for chosen in places[: len(images) // size * size].split(size):
            codes = captions[chosen]
            codes = codes[..., : int((codes != PAD).sum(-1).max())]
            luck = draw_chance(codes[..., 0].numel(), codes.shape[2] - 1, dice)
            yield images[chosen], codes, *luck


class Lesson:
    """The loss of a batch, in nats per caption; it keeps the moving baseline of hard attention."""

    def __init__(self, kind: str):
        self.kind, self.baseline = kind, 0.0

    def loss(self, model: ImageCaptioner, batch: tuple[Tensor, ...]) -> Tensor:
        pictures, codes, *luck = batch
        features = model.network(pictures).float().repeat_interleave(codes.shape[1], 0)
        given, wanted = codes[..., :-1].flatten(0, 1), codes[..., 1:].flatten(0, 1)
        if self.kind not in ("spread", "hard"):
            return -caption_log_p(model.captioner(features, given).float(), wanted).mean()
        names = ("attention", "chosen")
        with trace(model.captioner, only=names, gradients=True) as log:
            if self.kind == "spread":
                logits = model.captioner(features, given)
            else:
                logits = model.captioner(features, given, Chance(*luck))
        attention = log.stack("attention", dim=1).float()
        if self.kind == "spread":
            ce = -caption_log_p(logits.float(), wanted).mean()
            return ce + SPREAD * doubly_stochastic(attention, wanted != PAD)
        chosen = log.stack("chosen", dim=1).float()
        value, self.baseline = hard_attention_loss(
            logits.float(), wanted, attention, chosen, self.baseline
        )
        return value


@torch.no_grad()
def nats_per_word(model: ImageCaptioner, found: Sequence[Scene]) -> float:
    """Mean -log p of a word of the scenes' own captions, END among them."""
    total = count = 0
    for pictures, codes in zip(images(found).split(100), captions(found).split(100)):
        features = model.network(pictures).repeat_interleave(codes.shape[1], 0)
        codes = codes.flatten(0, 1)
        total -= float(caption_log_p(model.captioner(features, codes[:, :-1]), codes[:, 1:]).sum())
        count += int((codes[:, 1:] != PAD).sum())
    return total / count


@torch.no_grad()
def says(model: ImageCaptioner, pictures: Tensor) -> list[list[str]]:
    """The likeliest word each time: a caption for each picture (N, 3, 64, 64)."""
    model.eval()
    found = []
    for part in pictures.split(250):
        said = greedy(model.step, model.start(part), START, END, LONGEST, NEVER)
        found += [VOCABULARY.decode(words) for words in said.words]
    return found


def share_true(said: Sequence[Sequence[str]], found: Sequence[Scene]) -> float:
    """Of so many captions: sentences of the grammar all of whose facts are true."""
    return sum(is_true(w, s.things, s.ground) for w, s in zip(said, found)) / len(found)


# What it is worth ---------------------------------------------------------------------------------


@torch.no_grad()
def searched(model: ImageCaptioner, pictures: Tensor, width: int = 3) -> list[list[str]]:
    """What beam search finds best, for each picture."""
    model.eval()
    found = []
    for part in pictures.split(100):
        trees = beam_trees(model.step, model.start(part), START, END, width, LONGEST, never=NEVER)
        found += [VOCABULARY.decode(hypotheses(tree)[0].words) for tree in trees]
    return found


def facts(said: Sequence[Sequence[str]], found: Sequence[Scene]) -> dict[str, tuple[int, int]]:
    """Of each kind of facts: how many of those told are true, and how many were told."""
    total = {kind: [0, 0] for kind in FACTS}
    for words, scene in zip(said, found):
        told = parse(words)
        if told is not None:
            for kind, counts in truth(told, scene.things, scene.ground).items():
                total[kind] = [a + b for a, b in zip(total[kind], counts)]
    return {kind: tuple(counts) for kind, counts in total.items()}


def scored(said: Sequence[Sequence[str]], found: Sequence[Scene], seen: set) -> Iterator[tuple]:
    """Measure, value and count of what captions are worth. seen: captions, tuples of words."""
    N = len(found)
    yield "true", share_true(said, found), N
    yield "sentence", sum(parse(words) is not None for words in said) / N, N
    for kind, (true, told) in facts(said, found).items():
        if told:
            yield f"true {kind}", true / told, told
    yield "seen before", sum(tuple(words) in seen for words in said) / N, N
    references = [[caption.words for caption in scene.captions] for scene in found]
    for n, value in enumerate(bleu(said, references), start=1):
        yield f"BLEU-{n}", value, N


def maps(model: ImageCaptioner, pictures: Tensor, codes: Tensor) -> Tensor:
    """Where it looks for each word: pictures (N, ...), codes (N, T + 1), START first.

    (N, T, 8, 8), each adding up to 1: attention where it has some, else the gradient's map.
    """
    if isinstance(model.captioner, Captioner):
        return saliency(model, pictures, codes)
    with torch.no_grad(), trace(model.captioner, only=("attention",)) as log:
        model(pictures, codes[:, :-1])
    alpha = log.stack("attention", dim=1)
    return alpha.unflatten(2, (8, 8))


def share_in(box: Tensor, places: Tensor) -> Tensor:
    """Of maps (..., 8, 8) the share in a mask of pixels (..., 64, 64); a place is 8 x 8 pixels."""
    covered = box.float().unflatten(-1, (8, 8)).unflatten(-3, (8, 8)).mean(dim=(-3, -1))
    return (places * covered).sum(dim=(-2, -1))


def looking(model: ImageCaptioner, found: Sequence[Scene]) -> Iterator[tuple]:
    """Measure, value and count of where it looks, over the first caption of each scene."""
    shares = {kind: [] for kind in SPOKEN}
    for start in range(0, len(found), 50):
        part = found[start : start + 50]
        own: list[Caption] = [scene.captions[0] for scene in part]
        codes = torch.from_numpy(VOCABULARY.encode([caption.words for caption in own]))
        seen = maps(model, images(part), codes)
        for scene, caption, each in zip(part, own, seen):
            boxes = torch.from_numpy(word_masks(scene, caption))
            inside = share_in(boxes, each[: len(boxes)])
            for t, word in enumerate(caption.words):
                for kind, words in SPOKEN.items():
                    if word in words and caption.about[t]:
                        shares[kind].append((float(inside[t]), float(boxes[t].float().mean())))
    for kind, pairs in shares.items():
        on, area = np.mean(pairs, axis=0)
        yield f"map on {kind}", float(on), len(pairs)
        yield f"chance on {kind}", float(area), len(pairs)


def measured(model: ImageCaptioner, count: int, seen: set) -> Iterator[dict]:
    """The rows of OUTPUT_scores."""
    for split in SPLITS:
        found = scenes(count, np.random.default_rng(SEEDS["test"]), split)
        rows = [("nats per word", nats_per_word(model, found), count)]
        rows += scored(says(model, images(found)), found, seen)
        rows += [(f"beam, {name}", value, number)
                 for name, value, number in scored(searched(model, images(found)), found, seen)]
        rows += looking(model, found)
        for name, value, number in rows:
            yield {"split": split, "measure": name, "value": round(value, 4), "count": number}


def verdicts(words: Sequence[str], scene: Scene) -> list[tuple[str, bool | None]]:
    """Of each kind of fact that a caption tells: is it true? None for what is no sentence."""
    said = parse(words)
    if said is None:
        return [("no sentence of the grammar", None)]
    found = truth(said, scene.things, scene.ground)
    return [(kind, true == told) for kind, (true, told) in found.items() if told]


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.add_argument("kind", choices=KINDS)
    command.count("--scenes", 20_000, "to train on")
    command.count("--test", 1000, "scenes of each split to test on")
    command.count("--updates", 4000)
    command.count("--threads", 1, "of the processor")
    command.add_argument("--bfloat16", action="store_true", help="products in half precision")
    command.add_argument("--output", help=f"checkpoint name, or a path (default: {NAME}_KIND)")
    command.add_argument("--run", help="file that the run is kept in (default: OUTPUT.run.*)")
    options = command.parse_args(argv)
    output = options.output or f"{NAME}_{options.kind}"
    kept = Path(options.run or f"{output}.run.safetensors")
    diary = Diary(kept, {k: v for k, v in vars(options).items() if k not in _WHERE})

    seed(0, threads=options.threads)
    train = scenes(options.scenes, np.random.default_rng(SEEDS["train"]))
    pictures, codes = images(train), captions(train)
    seen = {caption.words for scene in train for caption in scene.captions}
    del train
    validation = scenes(500, np.random.default_rng(SEEDS["validation"]))
    captioner, lesson = model(options.kind), Lesson(options.kind)
    for step in fit(
        captioner, batches(pictures, codes), loss=lesson.loss, steps=options.updates, clip=5.0,
        optimizer=torch.optim.AdamW(captioner.parameters(), RATE, weight_decay=DECAY),
        schedule=partial(factor, steps=options.updates), save_to=kept, save_every=250,
        mixed_precision=options.bfloat16,
    ):  # fmt: skip
        if step.index in (100, 250) or step.index % 500 == 0 or step.index == options.updates:
            captioner.eval()
            diary.add({
                "step": step.index, "loss": round(step.loss, 4),
                "validation": round(nats_per_word(captioner, validation), 4),
                "true": round(share_true(says(captioner, images(validation)), validation), 4),
                "seconds": round(step.seconds),
            })  # fmt: skip
    entries = diary.entries()
    about = partial(
        card, NAME, argv, seed=0, steps=options.updates, seconds=entries[-1]["seconds"],
        data=f"scenes({options.scenes}, default_rng(0)), with 5 captions each; tested on "
        f"{options.test:,} of default_rng(2)", kind=options.kind,
    )  # fmt: skip
    save(output, captioner, about(metrics={}), float16=True)
    rows = list(measured(network(options.kind, output), options.test, seen))  # as it ships
    metrics = {f"{row['split']}, true captions": row["value"]
               for row in rows if row["measure"] == "true"}  # fmt: skip
    save(output, captioner, about(metrics=metrics), float16=True)
    save_experiment(f"{output}_scores", rows, about(metrics=metrics))
    save_experiment(f"{output}_training", entries, about(metrics=metrics))
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
