"""Five models of pixels on 8 x 8 digits in 17 grey levels: what they know and what they cost.

    python -m lecture_utils.recipes pixel_models                     all five, and the table
    python -m lecture_utils.recipes pixel_models --only row_lstm     one of them

All have about as many weights and are trained in the same way: AdamW, a warm-up and a cosine to
zero, gradient clipped to norm 1, the images in a new order in each epoch. The test images choose
nothing; the validation images tell how much was learned by heart. A row of the table:

    model, weights             those that a mask holds at 0 are counted, too
    seconds_per_epoch          of training, on one core of a processor (CPU time)
    train, validation, test    bits per dimension, of the weights as they ship (float16)
    passes                     runs of the network for one image that is drawn the plain way

And whether the gated PixelCNN repeats images that it has seen: how far its samples are from the
nearest training image (Euclid, in levels), beside the same of the test images.
"""

import copy
from collections.abc import Iterator
from functools import partial
from time import process_time
from typing import NamedTuple

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn

from lecture_utils.datasets.digits import grey_digits, set_aside
from lecture_utils.models.pixel_cnn import (
    GatedPixelCNN,
    PixelCNN,
    cached_sample,
    cached_sampling,
)
from lecture_utils.models.pixel_rnn import DiagonalBiLSTM, RowLSTM
from lecture_utils.models.pixels import (
    IndependentPixels,
    LogisticAutoregression,
    bits_per_dim,
    last_images,
    nats,
    sample,
)
from lecture_utils.recipes._card import card
from lecture_utils.recipes._command import Command
from lecture_utils.recipes.char_lm import factor
from lecture_utils.runtime import seed
from lecture_utils.training import checkpoints
from lecture_utils.training.checkpoints import experiment, save, save_experiment
from lecture_utils.training.fit import fit
from lecture_utils.visual.widgets import PixelFilm

NAME = "pixel_models"
LEVELS, SIDE = 17, 8
BATCH, RATE, DECAY = 32, 3e-3, 0.01
MODELS = {
    "logistic": partial(LogisticAutoregression, 1, LEVELS, SIDE, SIDE),
    "PixelCNN": partial(PixelCNN, 1, LEVELS, features=64, layers=4, first_kernel=5),
    "gated PixelCNN": partial(GatedPixelCNN, 1, LEVELS, features=26, layers=4, first_kernel=5),
    "Row LSTM": partial(RowLSTM, 1, LEVELS, features=48, layers=3, first_kernel=5),
    "Diagonal BiLSTM": partial(DiagonalBiLSTM, 1, LEVELS, features=48, layers=3, first_kernel=5),
}
COPIES = "gated PixelCNN"
"""The model whose samples are compared with the training images."""


def network(name: str, output: str = NAME) -> nn.Module:
    """The trained model of this name, as it ships. output: as the run was told."""
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}: choose from {', '.join(MODELS)}")
    model = MODELS[name]()
    checkpoints.load(_checkpoint(output, name), model)
    return model.eval()


def measured(output: str = NAME) -> list[dict]:
    """The table as it ships: a dict for each model."""
    table = experiment(output)
    return [
        {name: column[k].item() for name, column in table.items()}
        for k in range(len(table["model"]))
    ]


@torch.no_grad()
def bits(model: nn.Module, images: Tensor) -> float:
    """Mean bits per dimension of images (N, C, H, W), of any integer type."""
    device = next(model.parameters()).device
    parts = (part.long().to(device) for part in images.split(64))
    total = sum(float(nats(model(part), part).double().sum()) for part in parts)
    return bits_per_dim(total / len(images), images[0].numel())


def batches(images: Tensor, size: int) -> Iterator[Tensor]:
    """Without end: whole batches, in a new order in each epoch, the same for each model."""
    if size > len(images):
        raise ValueError(f"--batch is {size}, and there are {len(images)} scenes: ask for more")
    order = torch.Generator().manual_seed(1)
    while True:
        places = torch.randperm(len(images), generator=order)
        for chosen in places[: len(images) // size * size].split(size):
            yield images[chosen].long()


def samples(model: nn.Module, count: int, side: int = SIDE, seed: int = 0) -> Tensor:
    """Images (count, C, side, side) that the model draws: with a memory where it has one."""
    drawn = cached_sample if isinstance(model, PixelCNN | GatedPixelCNN) else sample
    return drawn(model, _uniforms(model, count, side, seed))


def completions(model: nn.Module, given: Tensor, copies: int, seed: int = 0) -> Tensor:
    """Images (N, C, H, W) -> (N, copies, C, H, W): a PixelCNN keeps the upper half of each."""
    N, C, H, W = given.shape
    given = given.repeat_interleave(copies, 0)
    kept = (torch.arange(H) < H // 2)[:, None].expand(given.shape)
    made = cached_sample(model, _uniforms(model, len(given), W, seed), given, kept)
    return made.unflatten(0, (N, copies))


def _uniforms(model, count, side, seed):
    dice = torch.Generator().manual_seed(seed)
    return torch.rand(count, model.channels, side, side, generator=dice)


class Nearest(NamedTuple):
    """Of each of N images the nearest one among others."""

    distance: np.ndarray  # (N,), Euclid, in levels
    index: np.ndarray  # (N,), which one it is


def nearest(images: Tensor, among: Tensor) -> Nearest:
    """images (N, C, H, W), among (M, C, H, W)."""
    search = NearestNeighbors(n_neighbors=1).fit(among.flatten(1).numpy())
    distance, index = search.kneighbors(images.flatten(1).numpy())
    return Nearest(distance[:, 0], index[:, 0])


def film(model: nn.Module, count: int = 6, seed: int = 0, real: Tensor | None = None) -> PixelFilm:
    """Images in one colour that a PixelCNN draws, to be watched; and it completes drawings.

    seed: of the images. real (N, 1, H, W): images to compare with.
    """

    def run(dice, given=None, known=None):
        steps = list(cached_sampling(model, dice, given, known))
        p = torch.zeros(len(dice), SIDE * SIDE, model.levels, dtype=torch.double)
        for step in steps:
            p[:, step.i * SIDE + step.j] = step.p
        return last_images(iter(steps), given)[:, 0].numpy(), p.numpy()

    def complete(levels, known, seed):
        given, kept = (torch.as_tensor(x).expand(4, 1, SIDE, SIDE) for x in (levels, known))
        images, p = run(_uniforms(model, 4, SIDE, seed), given, kept)
        return images, p[0]

    dice = _uniforms(model, count, SIDE, seed)
    images, p = run(dice)
    return PixelFilm(images, p, uniforms=dice[:, 0].numpy(), complete=complete,
                     real=None if real is None else real[:, 0].numpy())  # fmt: skip


def main(argv: list[str]) -> None:
    command = Command(NAME, __doc__)
    only = {_slug(name): name for name in MODELS}
    command.add_argument("--only", choices=only, help="one of them; no table is written then")
    command.count("--epochs", 40)
    command.count("--samples", 200, "to compare with the training images")
    options = command.parse(argv, output=NAME)
    train, test = grey_digits()
    train, validation = set_aside(train)
    parts = {"train": train.images, "validation": validation.images, "test": test.images}

    if options.only:
        rows = [_trained(only[options.only], parts, options, argv)]
    else:
        rows = [_row(name, model, parts, weights=weights, seconds=0.0, passes=1)
                for name, model, weights in _without_context(train.images)]  # fmt: skip
        rows += [_trained(name, parts, options, argv) for name in MODELS]
        metrics = {f"{row['model']}, bits per dimension": row["test"] for row in rows}
        metrics |= _distances(network(COPIES, options.output), options.samples, parts)
        seconds = sum(row["seconds_per_epoch"] for row in rows) * options.epochs
        about = card(NAME, argv, seed=0, data=_data(train.images), steps=_steps(parts, options),
                     metrics=metrics, seconds=seconds)  # fmt: skip
        save_experiment(options.output, rows, about)
        print(*(f"{name}: {value}" for name, value in metrics.items()), sep="\n")
    for row in rows:
        print(f"{row['model']:16} {row['weights']:7,} weights, {row['seconds_per_epoch']:.2f} s an "
              f"epoch, {row['train']:.3f} bits per dimension in training, {row['test']:.3f} in "
              "test")  # fmt: skip


def _checkpoint(output, name):
    return f"{output}_{_slug(name)}"


def _slug(name):
    return name.lower().replace(" ", "_")


def _data(images):
    return f"digits.grey_digits(), set_aside(train)[0]: {len(images):,} images"


def _steps(parts, options):
    return options.epochs * (len(parts["train"]) // BATCH)


def _without_context(images):
    """Name, model and how many numbers it has learned."""
    counted = IndependentPixels(1, LEVELS, SIDE, SIDE).count(images)
    return (
        ("uniform", IndependentPixels(1, LEVELS, SIDE, SIDE), 0),
        ("independent", counted, counted.log_p.numel()),
    )


def _row(name, model, parts, weights, seconds, passes):
    found = {part: round(bits(model, images), 4) for part, images in parts.items()}
    return {"model": name, "weights": weights, "seconds_per_epoch": round(seconds, 4), **found,
            "passes": passes}  # fmt: skip


def _trained(name, parts, options, argv):
    """Train a model and save it; its row of the table."""
    seed(0)
    model, steps = MODELS[name](), _steps(parts, options)
    for step in fit(
        model, batches(parts["train"], BATCH), steps=steps, clip=1.0, device="cpu",
        loss=lambda model, images: nats(model(images), images).mean() / images[0].numel(),
        optimizer=torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY),
        schedule=partial(factor, steps=steps),
    ):  # fmt: skip
        if step.index == 1:  # which also pays for what PyTorch sets up once
            start = process_time()  # step.seconds would count what else this machine is doing
    seconds = (process_time() - start) * steps / max(1, steps - 1)
    ships = copy.deepcopy(model).half().float().eval()
    row = _row(name, ships, parts, weights=sum(p.numel() for p in model.parameters()),
               seconds=seconds / options.epochs, passes=SIDE * SIDE)  # fmt: skip
    metrics = {f"{part}, bits per dimension": row[part] for part in parts}
    about = card(NAME, argv, seed=0, data=_data(parts["train"]), steps=steps, metrics=metrics,
                 seconds=seconds)  # fmt: skip
    save(_checkpoint(options.output, name), model, about, float16=True)
    return row


def _distances(model, count, parts):
    found = {
        f"{count} samples of the {COPIES}": samples(model, count),
        f"{count} test images": parts["test"][:count],
    }
    metrics = {}
    for name, images in found.items():
        distance = nearest(images, among=parts["train"]).distance
        metrics[f"{name}, mean distance to the nearest training image"] = round(
            float(distance.mean()), 2
        )
        metrics[f"{name}, smallest one"] = round(float(distance.min()), 2)
    return metrics
