"""Five models of pixels on 8 x 8 digits in 17 grey levels: what they know and what they cost.

    python -m lecture_utils.recipes pixel_models                     all, and the tables
    python -m lecture_utils.recipes pixel_models --only row_lstm     one of them

The networks have about as many weights and are trained in the same way: AdamW, a warm-up and a
cosine to zero, gradient clipped to norm 1, the images in a new order in each epoch. (The logistic
model has fewer, and a learning rate and weight decay of its own, the best of twelve pairs.) The
test images choose nothing; the validation images tell how much was learned by heart. Each is
trained from several starts, and the weights of the first one ship. A row of the table:

    model, start               number of the start
    weights                    without those that a mask holds at 0
    seconds_per_epoch          of training, on one core of a processor (CPU time)
    train, validation, test    bits per dimension, of the weights rounded to float16
    passes                     runs of the network for one image that is drawn the plain way

and of its training (OUTPUT_training): validation bits after each epoch, and CPU seconds until then,
without the first step.
"""

import copy
from collections.abc import Iterator
from functools import partial
from itertools import product
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
from lecture_utils.models.pixel_rnn import DiagonalBiLSTM, RowLSTM, row_sampling
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
OWN = {"logistic": (0.1, 0.1)}  # rate and decay: it is one linear layer
MODELS = {
    "logistic": partial(LogisticAutoregression, 1, LEVELS, SIDE, SIDE),
    "PixelCNN": partial(PixelCNN, 1, LEVELS, features=76, layers=4, first_kernel=5),
    "gated PixelCNN": partial(GatedPixelCNN, 1, LEVELS, features=30, layers=4, first_kernel=5),
    "Row LSTM": partial(RowLSTM, 1, LEVELS, features=51, layers=3, first_kernel=5),
    "Diagonal BiLSTM": partial(DiagonalBiLSTM, 1, LEVELS, features=48, layers=3, first_kernel=5),
}
SHIFTS = tuple(product((-1, 0, 1), repeat=2))


def network(name: str, output: str = NAME) -> nn.Module:
    """The trained model of this name, as it ships. output: as the run was told."""
    if name not in MODELS:
        raise ValueError(f"there is no model {name!r}: choose from {', '.join(MODELS)}")
    model = MODELS[name]()
    checkpoints.load(_checkpoint(output, name), model)
    return model.eval()


def measured(output: str = NAME) -> list[dict]:
    """The table as it ships: a dict for each model and start."""
    table = experiment(output)
    return [
        {name: column[k].item() for name, column in table.items()}
        for k in range(len(table["model"]))
    ]


def weights(model: nn.Module) -> int:
    """How many numbers a model of pixels has learned: those that a mask holds at 0 do not count."""
    cut = sum(int((layer.mask == 0).sum()) for layer in model.modules() if hasattr(layer, "mask"))
    if isinstance(model, LogisticAutoregression):
        cut = model.levels * int((~model.before).sum())
    return sum(p.numel() for p in model.parameters()) - cut


@torch.no_grad()
def bits(model: nn.Module, images: Tensor) -> float:
    """Mean bits per dimension of images (N, C, H, W), of any integer type."""
    device = next(model.parameters()).device
    parts = (part.long().to(device) for part in images.split(64))
    total = sum(float(nats(model(part), part).double().sum()) for part in parts)
    return bits_per_dim(total / len(images), images[0].numel())


def batches(images: Tensor, size: int, seed: int = 1) -> Iterator[Tensor]:
    """Without end: whole batches, in a new order in each epoch, the same for each model."""
    if size > len(images):
        raise ValueError(f"--batch is {size}, and there are {len(images)} scenes: ask for more")
    order = torch.Generator().manual_seed(seed)
    while True:
        places = torch.randperm(len(images), generator=order)
        for chosen in places[: len(images) // size * size].split(size):
            yield images[chosen].long()


def samples(model: nn.Module, count: int, side: int = SIDE, seed: int = 0) -> Tensor:
    """Images (count, C, side, side) that the model draws: with a memory where it has one."""
    dice = _uniforms(model, count, side, seed)
    if isinstance(model, RowLSTM):
        return last_images(row_sampling(model, dice), None)
    drawn = cached_sample if isinstance(model, PixelCNN | GatedPixelCNN) else sample
    return drawn(model, dice)


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
    """Of each of N images the nearest one among others, each of which may move by a pixel."""

    distance: np.ndarray  # (N,), Euclid, in levels
    index: np.ndarray  # (N,), which one it is
    ratio: np.ndarray  # (N,), distance over that of the second nearest: near 0 for a copy


def nearest(images: Tensor, among: Tensor) -> Nearest:
    """images (N, C, H, W), among (M, C, H, W), M at least 2."""
    moved = torch.stack([_moved(among, *shift) for shift in SHIFTS], dim=1)
    search = NearestNeighbors(n_neighbors=len(SHIFTS) + 1).fit(moved.flatten(0, 1).flatten(1))
    distance, index = search.kneighbors(images.flatten(1))
    index //= len(SHIFTS)
    another = (index != index[:, :1]).argmax(1)  # the first that is no move of the nearest one
    second = distance[np.arange(len(images)), another]
    return Nearest(distance[:, 0], index[:, 0], distance[:, 0] / second.clip(1e-9))


def _moved(images, down, right):
    """Images moved by up to a pixel, 0 where nothing comes from."""
    H, W = images.shape[2:]
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, 1 - down : 1 - down + H, 1 - right : 1 - right + W]


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
    command.count("--starts", 3, "of each model")
    options = command.parse(argv, output=NAME)
    train, test = grey_digits()
    train, validation = set_aside(train)
    parts = {"train": train.images, "validation": validation.images, "test": test.images}

    rows = []
    if not options.only:
        rows += [_row(name, 0, model, parts, weights=numbers, seconds=0.0, passes=1)
                 for name, model, numbers in _without_context(train.images)]  # fmt: skip
    epochs = []
    for name in [only[options.only]] if options.only else MODELS:
        for start in range(options.starts):
            row, learned = _trained(name, start, parts, options, argv)
            rows.append(row)
            epochs += learned
    if not options.only:
        metrics = {f"{row['model']}, bits per dimension, start {row['start']}": row["test"]
                   for row in rows}  # fmt: skip
        seconds = sum(row["seconds_per_epoch"] for row in rows) * options.epochs
        about = partial(card, NAME, argv, seed=0, data=_data(train.images),
                        steps=_steps(parts, options), seconds=seconds)  # fmt: skip
        save_experiment(options.output, rows, about(metrics=metrics))
        save_experiment(f"{options.output}_training", epochs, about(metrics={}))
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


def _row(name, start, model, parts, weights, seconds, passes):
    found = {part: round(bits(model, images), 4) for part, images in parts.items()}
    return {"model": name, "start": start, "weights": weights,
            "seconds_per_epoch": round(seconds, 4), **found, "passes": passes}  # fmt: skip


def _trained(name, start, parts, options, argv):
    """Train a model, and of its first start save it; its row of the table, and its epochs."""
    seed(start)
    model, steps = MODELS[name](), _steps(parts, options)
    rate, decay = OWN.get(name, (RATE, DECAY))
    epochs, spent, clock = [], 0.0, 0.0
    for step in fit(
        model, batches(parts["train"], BATCH, seed=1 + start), steps=steps, clip=1.0, device="cpu",
        loss=lambda model, images: nats(model(images), images).mean() / images[0].numel(),
        optimizer=torch.optim.AdamW(model.parameters(), rate, weight_decay=decay),
        schedule=partial(factor, steps=steps),
    ):  # fmt: skip
        if step.index > 1:  # the first one also pays for what PyTorch sets up once
            spent += process_time() - clock  # step.seconds would count what else is running here
        if step.index % (steps // options.epochs) == 0:
            epoch = len(epochs) + 1
            epochs.append({"model": name, "start": start, "epoch": epoch,
                           "seconds": round(spent, 3),
                           "validation": round(bits(model, parts["validation"]), 4)})  # fmt: skip
        clock = process_time()
    seconds = spent * steps / max(1, steps - 1)
    ships = copy.deepcopy(model).half().float().eval()
    row = _row(name, start, ships, parts, weights=weights(model),
               seconds=seconds / options.epochs, passes=SIDE * SIDE)  # fmt: skip
    if start == 0:
        metrics = {f"{part}, bits per dimension": row[part] for part in parts}
        about = card(NAME, argv, seed=0, data=_data(parts["train"]), steps=steps, metrics=metrics,
                     seconds=seconds)  # fmt: skip
        save(_checkpoint(options.output, name), model, about, float16=True)
    return row, epochs
