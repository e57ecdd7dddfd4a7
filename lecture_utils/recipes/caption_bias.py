"""Right for the wrong reasons: captioners that learn what lies on what, and two cures.

    python -m lecture_utils.recipes caption_bias

One circle or square, half of the time hard to tell, in training pictures where 95 of 100 circles
lie on grass and 95 of 100 squares on sand; tested where the ground says nothing. An LSTM captioner
is trained in five ways, from several starts each:

    plain       cross-entropy alone
    confusion   also with the thing hidden: there it should not prefer one shape to the other
    confident   also: where a shape is said, the other one should be unlikely
    both        the "equalizer": both at once
    balanced    cross-entropy alone, on pictures where the ground says nothing (for comparison)

The losses and their weights are those of Hendricks, Burns, Saenko, Darrell and Rohrbach, "Women
also Snowboard" (2018), with circle and square in the place of woman and man. p(C), p(S): what the
words for circles and for squares have together; I' the picture with the thing hidden:

    confusion   sum over the words that name a shape of |p(C | I') - p(S | I')|
    confident   sum over these of p(S) / (p(C) + 1e-5), or the other way round for a square
    loss        cross-entropy, also on I' without the words that name a shape
                + 10 confusion + 1 confident

A row for each run: error (of the captions that name one of the two shapes, how many name the wrong
one), among those where the shape is easy or hard to tell, and where the ground agrees or disagrees
with it; "circles on ...": the share of captions there that say circle (half of the things are
circles); "hidden": with the thing hidden, how sure it is of a shape, mean of |p(C) - p(S)| / (p(C)
+ p(S)); "wrong reason": of the right captions, the share in which it is as sure, 0.8 or more, of
the same shape when the thing is hidden.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from lecture_utils.datasets.scene_captions import PAD
from lecture_utils.datasets.scene_truth import parse
from lecture_utils.datasets.scenes import BIASED, Scene, biased, images, masked
from lecture_utils.models.captioner import ImageCaptioner
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.captions import VOCABULARY, captions, model, says
from lecture_utils.recipes.char_lm import factor
from lecture_utils.runtime import seed
from lecture_utils.training.checkpoints import save_experiment
from lecture_utils.training.fit import fit

NAME = "caption_bias"
AGREEMENT = 0.95
WAYS = {  # agreement in training, weights of confusion and confident loss
    "plain": (AGREEMENT, 0, 0),
    "confusion": (AGREEMENT, 10, 0),
    "confident": (AGREEMENT, 0, 1),
    "both": (AGREEMENT, 10, 1),
    "balanced": (0.5, 0, 0),
}
EPSILON = 1e-5
SURE = 0.8
RATE, BATCH = 1e-3, 32
CIRCLES, SQUARES = (
    [VOCABULARY.words.index(word) for word in (shape, shape + "s")] for shape in BIASED
)


def hidden(found: Sequence[Scene]) -> Tensor:
    """The pictures (N, 3, 64, 64) with the thing behind a grey square."""
    return torch.from_numpy(np.stack([masked(scene) for scene in found]).transpose(0, 3, 1, 2))


def groups(logits: Tensor) -> tuple[Tensor, Tensor]:
    """p of the words for circles and of those for squares, at each place."""
    p = logits.float().softmax(-1)
    return p[..., CIRCLES].sum(-1), p[..., SQUARES].sum(-1)


def loss(
    model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], confusion: float, confident: float
) -> Tensor:
    """In nats per caption. batch: pictures, the same with the thing hidden, captions (B, 5, T)."""
    pictures, without, codes = batch
    given, wanted = codes[..., :-1].flatten(0, 1), codes[..., 1:].flatten(0, 1)
    circle, square = (torch.isin(wanted, torch.tensor(g).to(wanted)) for g in (CIRCLES, SQUARES))
    N = len(wanted)

    def read(images):
        features = model.network(images).repeat_interleave(codes.shape[1], 0)
        return model.captioner(features, given).float()

    def cross_entropy(logits, where):
        nats = nn.functional.cross_entropy(logits.mT, wanted, reduction="none")
        return (nats * where).sum() / N

    logits = read(pictures)
    value = cross_entropy(logits, wanted != PAD)
    if confident:
        c, s = groups(logits)
        wrong = circle * s / (c + EPSILON) + square * c / (s + EPSILON)
        value = value + confident * wrong.sum() / N
    if confusion:
        logits = read(without)
        c, s = groups(logits)
        value = value + cross_entropy(logits, (wanted != PAD) & ~circle & ~square)
        value = value + confusion * ((c - s).abs() * (circle | square)).sum() / N
    return value


def batches(pictures: Tensor, without: Tensor, codes: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Without end, in a new order in each epoch."""
    order = torch.Generator().manual_seed(1)
    while True:
        places = torch.randperm(len(pictures), generator=order)
        for chosen in places[: len(pictures) // BATCH * BATCH].split(BATCH):
            yield pictures[chosen], without[chosen], codes[chosen]


def shape_said(words: Sequence[str]) -> str | None:
    """Circle or square, as a caption names it; None if it names neither."""
    said = parse(words)
    shapes = {mention.shape for mention in said.mentions} if said else set()
    return next((shape for shape in BIASED if shape in shapes), None)


@torch.no_grad()
def sureness(model: ImageCaptioner, pictures: Tensor, codes: Tensor) -> Tensor:
    """(p(C) - p(S)) / (p(C) + p(S)) where each caption (N, T + 1) first names a shape."""
    c, s = groups(model(pictures, codes[:, :-1]))
    named = torch.isin(codes[:, 1:], torch.tensor([*CIRCLES, *SQUARES]))
    first = named.int().argmax(1, keepdim=True)
    return ((c - s) / (c + s)).gather(1, first)[:, 0]


def measured(model: ImageCaptioner, found: Sequence[Scene]) -> dict[str, float]:
    """What a row says."""
    model.eval()
    said = [shape_said(words) for words in says(model, images(found))]
    named = np.array([shape is not None for shape in said])
    shape = np.array([scene.things[0].shape for scene in found])
    right = np.array([a == b for a, b in zip(said, shape)])
    hard = np.array([is_hard(scene) for scene in found])
    ground = np.array([scene.ground for scene in found])
    agrees = ground == np.array([BIASED[s] for s in shape])
    own = captions(found)[:, 0]
    seen, unseen = (
        torch.cat([sureness(model, *part) for part in zip(p.split(250), own.split(250))]).numpy()
        for p in (images(found), hidden(found))
    )
    same = (np.sign(seen) == np.sign(unseen)) & (abs(unseen) >= SURE)
    circles = np.array([s == "circle" for s in said])
    error = {
        name: float(1 - right[named & here].mean())
        for name, here in (
            ("error", True), ("error, easy", ~hard), ("error, hard", hard),
            ("error, agrees", agrees), ("error, disagrees", ~agrees),
        )
    }  # fmt: skip
    return error | {
        "names a shape": float(named.mean()),
        **{f"circles on {g}": float(circles[named & (ground == g)].mean())
           for g in BIASED.values()},
        "hidden": float(abs(unseen).mean()),
        "wrong reason": float(same[right].mean()),
    }  # fmt: skip


def is_hard(scene: Scene) -> bool:
    """Faint, tiny or half sunk."""
    thing = scene.things[0]
    return thing.opacity < 1 or thing.sunk > 0 or thing.radius < 4


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--pictures", 6000, "to train on")
    command.count("--updates", 1200)
    command.count("--starts", 2, "of each way")
    command.count("--test", 2000, "pictures")
    command.count("--threads", 1, "of the processor")
    command.add_argument("--bfloat16", action="store_true", help="products in half precision")
    options = command.parse(argv, output=NAME)
    begun, rows = perf_counter(), []
    data = {agreement: biased(options.pictures, np.random.default_rng(0), agreement)
            for agreement in {agreement for agreement, *_ in WAYS.values()}}  # fmt: skip
    test = biased(options.test, np.random.default_rng(1), 0.5)
    for start in range(options.starts):
        for way, (agreement, confusion, confident) in tqdm(WAYS.items(), unit="run"):
            seed(start, threads=options.threads)
            captioner, train = model("lstm"), data[agreement]
            own = batches(images(train), hidden(train), captions(train))
            for last in fit(  # noqa: B007
                captioner, own, steps=options.updates, lr=RATE, clip=5.0,
                loss=partial(loss, confusion=confusion, confident=confident),
                schedule=partial(factor, steps=options.updates),
                mixed_precision=options.bfloat16, progress=False,
            ):  # fmt: skip
                pass
            found = {name: round(value, 4) for name, value in measured(captioner, test).items()}
            rows.append({"way": way, "start": start, "loss": round(last.loss, 3), **found})
            print(rows[-1], flush=True)
    metrics = {f"{way}, error": _mean(row["error"] for row in rows if row["way"] == way)
               for way in WAYS}  # fmt: skip
    save_experiment(
        options.output, rows,
        card(NAME, argv, seed=list(range(options.starts)), steps=options.updates, metrics=metrics,
             seconds=perf_counter() - begun, data=f"biased({options.pictures}, default_rng(0)), "
             f"tested on {options.test:,} of default_rng(1), agreement 0.5"),
    )  # fmt: skip


def _mean(values):
    return round(float(np.mean(list(values))), 4)
