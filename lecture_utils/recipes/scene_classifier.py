"""A small VGG that names the one thing in a picture: its colour and its shape, one class per pair.

    python -m lecture_utils.recipes scene_classifier --bfloat16

What the captioners of lessons 08 and 09 begin from, as those of the lecture begin from a VGG that
has learned ImageNet. About ten minutes on one core that computes with bfloat16. The eight pairs of
`scenes.HELD_OUT` are classes, too, and never shown.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lecture_utils.datasets.scenes import COLOURS, SHAPES, Singles, single_things
from lecture_utils.models.vgg import VGG
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.char_lm import factor
from lecture_utils.runtime import seed
from lecture_utils.training import checkpoints
from lecture_utils.training.fit import fit

NAME = "scene_classifier"
CLASSES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
RATE, DECAY, BATCH = 2e-3, 0.01, 64


def network(name: str | Path = NAME) -> VGG:
    """As it ships, or at a path without its ending."""
    model = VGG(len(CLASSES))
    checkpoints.load(name, model)
    return model.eval()


def classes(singles: Singles) -> Tensor:
    """Index into CLASSES of each picture."""
    return singles.colours * len(SHAPES) + singles.shapes


@torch.no_grad()
def right(model: nn.Module, singles: Singles) -> float:
    """The share of the pictures that get the right class."""
    found = [model(images).argmax(dim=1) for images in singles.images.split(500)]
    return float((torch.cat(found) == classes(singles)).double().mean())


def batches(images: Tensor, labels: Tensor, size: int = BATCH):
    """Without end, in a new order in each epoch."""
    order = torch.Generator().manual_seed(1)
    while True:
        places = torch.randperm(len(images), generator=order)
        for chosen in places[: len(images) // size * size].split(size):
            yield images[chosen], labels[chosen]


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, labels = batch
    return nn.functional.cross_entropy(model(images).float(), labels)


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    command.count("--pictures", 20_000, "to train on")
    command.count("--updates", 4000)
    command.count("--threads", 1, "of the processor")
    command.add_argument("--bfloat16", action="store_true", help="products in half precision")
    command.add_argument("--run", help="file that the run is kept in (default: OUTPUT.run.*)")
    options = command.parse(argv, output=NAME)
    seed(0, threads=options.threads)
    train, test = (
        single_things(count, np.random.default_rng(number))
        for number, count in enumerate((options.pictures, 2000))
    )
    model = VGG(len(CLASSES))
    for step in fit(
        model, batches(train.images, classes(train)), loss=loss, steps=options.updates, clip=1.0,
        optimizer=torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY),
        schedule=partial(factor, steps=options.updates), mixed_precision=options.bfloat16,
        save_to=options.run or f"{options.output}.run.safetensors", save_every=500,
    ):  # fmt: skip
        if step.index % 500 == 0 or step.index == options.updates:
            print(f"{step.index:6} updates, loss {step.loss:.3f}, {step.seconds:.0f} s", flush=True)
    about = partial(
        card, NAME, argv, seed=0, steps=options.updates, seconds=step.seconds,
        data=f"single_things({options.pictures}, default_rng(0)), tested on 2,000 of "
        "default_rng(1)",
    )  # fmt: skip
    checkpoints.save(options.output, model, about(metrics={}), float16=True)
    found = round(right(network(options.output), test), 4)
    checkpoints.save(options.output, model, about(metrics={"right": found}), float16=True)
    print(f"right: {found:.1%}")
