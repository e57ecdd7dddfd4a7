"""A gated PixelCNN of painted landscapes, 32 x 32 pixels in 8 levels of red, green and blue.

    python -m lecture_utils.recipes colour_pixels --bfloat16
    python -m lecture_utils.recipes colour_pixels --bfloat16 --model plain

The second one is a PixelCNN with its blind spot and about as many weights. About half an hour on
one core that computes with bfloat16, an hour where it is left out. The run is saved as it goes, and
the same command goes on after an interrupt.

Saved as OUTPUT, with the course of the loss (OUTPUT_training) and a table (OUTPUT_table) of the
network and of baselines that look up how often a level was seen next to the same ones:

    model, weights      numbers that were learned, without those that a mask holds at 0
    seconds             of training, by the clock
    validation, test    bits per dimension; of the network's weights as they ship (float16)
    passes              runs of the network for one image that is drawn the plain way
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lecture_utils.datasets.colour_scenes import colour_scenes
from lecture_utils.models.pixel_cnn import GatedPixelCNN, PixelCNN
from lecture_utils.models.pixels import nats
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.char_lm import Diary, factor
from lecture_utils.recipes.pixel_models import batches, bits, weights
from lecture_utils.runtime import seed
from lecture_utils.training import checkpoints
from lecture_utils.training.checkpoints import save, save_experiment
from lecture_utils.training.fit import fit

NAME = "colour_pixels"
LEVELS, SIDE = 8, 32
RATE, DECAY = 2e-3, 0.01
SEEDS = {"train": 0, "validation": 1, "test": 2}
MODELS = {
    "gated": partial(GatedPixelCNN, 3, LEVELS, first_kernel=21),
    "plain": partial(PixelCNN, 3, LEVELS, first_kernel=21),
}
FEATURES, LAYERS = {"gated": 48, "plain": 138}, 8
EARLY = (30, 100, 250)
_WHERE = ("output", "run", "threads")


def network(output: str | Path = NAME) -> nn.Module:
    """The trained model of this name, as it ships, or at a path without its ending."""
    about = checkpoints.card(output)
    model = MODELS[about["model"]](features=about["features"], layers=about["layers"])
    checkpoints.load(output, model)
    return model.eval()


def scenes(part: str, count: int) -> Tensor:
    """Images (count, 3, 32, 32) of "train", "validation" or "test", in bytes to save memory."""
    if part not in SEEDS:
        raise ValueError(f"there is no part {part!r}: choose from {', '.join(SEEDS)}")
    rng = np.random.default_rng(SEEDS[part])
    return colour_scenes(count, rng, levels=LEVELS, size=SIDE).images.byte()


# Baselines: a level by what is next to it, looked up in a table ----------------------------------


def place(images: Tensor) -> Tensor:
    """Images (N, C, H, W) -> a number for where each level is: no pixel knows another."""
    return torch.arange(images[0].numel()).view(images.shape[1:]).expand(images.shape)


def left(images: Tensor) -> Tensor:
    """A number for the colour and its level to the left; LEVELS where there is none."""
    return _mixed(images, _moved(images, 0, 1))


def left_above_and_colour_before(images: Tensor) -> Tensor:
    """A number for the colour, its levels left and above, and the level of the colour before."""
    before = nn.functional.pad(images[:, :-1].long(), (0, 0, 0, 0, 1, 0), value=LEVELS)
    return _mixed(images, _moved(images, 0, 1), _moved(images, 1, 0), before)


def row_above_and_colours_before(images: Tensor) -> Tensor:
    """As the one before, with the level above on the right and both colours before."""
    before = [
        nn.functional.pad(images[:, :-k].long(), (0, 0, 0, 0, k, 0), value=LEVELS) for k in (1, 2)
    ]
    return _mixed(
        images, _moved(images, 0, 1), _moved(images, 1, 0), _moved(images, 1, -1), *before
    )


CONTEXTS = {
    "independent": place,
    "left neighbour": left,
    "left, above, colour before": left_above_and_colour_before,
    "the same, above right, colours": row_above_and_colours_before,
}


def by_table(train: Tensor, context: Callable[[Tensor], Tensor]) -> tuple[Tensor, int]:
    """log2 p (contexts, LEVELS), from one more than each was seen, and how many were seen at all.

    context: images (N, C, H, W) -> numbers of the same shape, each from what is before it only.
    """
    counts = torch.zeros(0, dtype=torch.long)
    for part in train.split(500):
        found = torch.bincount((context(part) * LEVELS + part).flatten())
        size = max(len(found), len(counts))
        counts = _longer(counts, size) + _longer(found, size)
    counts = _longer(counts, -(-len(counts) // LEVELS) * LEVELS).view(-1, LEVELS)
    p = (counts + 1) / (counts.sum(1, keepdim=True) + LEVELS)
    return p.log2(), int((counts > 0).any(1).sum())


def table_bits(log2_p: Tensor, images: Tensor, context: Callable[[Tensor], Tensor]) -> float:
    """Bits per dimension; a context that was never seen says nothing."""
    where, levels = context(images).flatten(), images.flatten().long()
    known = where < len(log2_p)
    uniform = torch.tensor(-math.log2(LEVELS))
    found = torch.where(known, log2_p[where.where(known, 0), levels], uniform)
    return -float(found.double().mean())


def _moved(images, down, right):
    """Images moved so that each place holds the level so far above and left; LEVELS outside.

    right: below 0 for the level on the right.
    """
    H, W = images.shape[2:]
    left, start = max(right, 0), max(-right, 0)
    padded = nn.functional.pad(images.long(), (left, start, down, 0), value=LEVELS)
    return padded[:, :, :H, start : start + W]


def _mixed(images, *levels):
    """One number for the colour and several levels 0..LEVELS."""
    number = torch.arange(images.shape[1]).view(-1, 1, 1).expand(images.shape)
    for each in levels:
        number = number * (LEVELS + 1) + each
    return number


def _longer(counts, size):
    return nn.functional.pad(counts, (0, size - len(counts)))


# The network -------------------------------------------------------------------------------------


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.add_argument("--model", choices=MODELS, default="gated")
    command.count("--features", None, "maps of each layer (default: 48, plain 138)")
    command.count("--layers", LAYERS)
    command.count("--scenes", 20_000, "to train on")
    command.count("--held-out", 1000, "scenes to test on")
    command.count("--updates", 3000)
    command.count("--batch", 16)
    command.count("--threads", 1, "of the processor")
    command.add_argument("--bfloat16", action="store_true", help="products in half precision")
    command.add_argument("--output", help="checkpoint name, or a path (default: by what it is)")
    command.add_argument("--run", help="file that the run is kept in (default: OUTPUT.run.*)")
    options = command.parse_args(argv)
    output = options.output or NAME + ("_plain" if options.model == "plain" else "")
    kept = Path(options.run or f"{output}.run.safetensors")
    diary = Diary(kept, {k: v for k, v in vars(options).items() if k not in _WHERE})

    seed(0, threads=options.threads)
    counts = {"train": options.scenes, "validation": 100, "test": options.held_out}
    parts = {part: scenes(part, count) for part, count in counts.items()}
    features = options.features or FEATURES[options.model]
    model = MODELS[options.model](features=features, layers=options.layers)
    for step in fit(
        model, batches(parts["train"], options.batch), steps=options.updates, clip=1.0,
        loss=lambda model, images: nats(model(images).float(), images).mean() / images[0].numel(),
        optimizer=torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY),
        schedule=partial(factor, steps=options.updates), save_to=kept, save_every=100,
        mixed_precision=options.bfloat16,
    ):  # fmt: skip
        if step.index in EARLY or step.index % 500 == 0 or step.index == options.updates:
            device = next(model.parameters()).device
            diary.add({
                "step": step.index, "loss": round(step.loss / math.log(2), 4),
                "validation": round(bits(model, parts["validation"].to(device)), 4),
                "seconds": round(step.seconds),
            })  # fmt: skip
    entries = diary.entries()
    about = partial(
        card, NAME, argv, seed=0, steps=options.updates, seconds=entries[-1]["seconds"],
        data=f"colour_scenes({options.scenes}, default_rng(0)), of {SIDE} x {SIDE}, {LEVELS} "
        "levels", model=options.model, features=features, layers=options.layers,
    )  # fmt: skip
    save(output, model, about(metrics={}), float16=True)
    ships = network(output)  # rounded, as a reader gets it
    rows = [*_baselines(parts), {
        "model": options.model, "weights": weights(ships),
        "seconds": entries[-1]["seconds"],
        **{part: round(bits(ships, parts[part]), 4) for part in ("validation", "test")},
        "passes": parts["test"][0].numel(),
    }]  # fmt: skip
    metrics = {f"{row['model']}, bits per dimension": row["test"] for row in rows}
    save(output, model, about(metrics=metrics), float16=True)
    save_experiment(f"{output}_table", rows, about(metrics=metrics))
    save_experiment(f"{output}_training", entries, about(metrics=metrics))
    print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")


def _baselines(parts):
    nothing = math.log2(LEVELS)
    yield {"model": "uniform", "weights": 0, "seconds": 0, "validation": nothing, "test": nothing,
           "passes": 1}  # fmt: skip
    for name, context in CONTEXTS.items():
        log2_p, seen = by_table(parts["train"], context)
        found = {part: round(table_bits(log2_p, parts[part], context), 4)
                 for part in ("validation", "test")}  # fmt: skip
        passes = 1 if name == "independent" else parts["test"][0].numel()
        yield {"model": name, "weights": seen * LEVELS, "seconds": 0, **found, "passes": passes}
