"""Small real images: scikit-learn's handwritten digits, and MNIST and CIFAR-10 by download.

digits          1,797 images of 8 x 8 pixels, as real numbers
grey_digits     the same in 17 grey levels; binary_digits: in black and white
set_aside       a validation part of any of the following

Downloads that a reader may add, fetched once and kept:

mnist           70,000 digits of 28 x 28 pixels, 256 grey levels, 11 MB
cifar10         60,000 photographs of 32 x 32 pixels, three colours of 256 levels, 170 MB

Sources: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998);
Y. LeCun, C. Cortes and C. Burges, The MNIST database; A. Krizhevsky, Learning Multiple Layers of
Features from Tiny Images (2009).
"""

import pickle
import tarfile
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from sklearn.datasets import load_digits
from torch import Tensor

from lecture_utils.datasets.downloads import fetch

Array = np.ndarray

MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR10_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


class Digits(NamedTuple):
    images: Float[Array, "N 8 8"]  # 0 (paper) to 1 (ink); image[t] is its row t
    labels: Int[Array, "N"]


def digits(test_share: float = 0.2, seed: int = 0) -> tuple[Digits, Digits]:
    """Training and test images, shuffled with `seed`."""
    if not 0 < test_share < 1:
        raise ValueError(f"test_share is {test_share}: it has to lie between 0 and 1")
    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images, labels = data.images[order] / 16, data.target[order].astype(np.int64)
    cut = round(len(labels) * (1 - test_share))
    if not 0 < cut < len(labels):
        raise ValueError(f"test_share is {test_share}: one half of the split would be empty")
    return Digits(images[:cut], labels[:cut]), Digits(images[cut:], labels[cut:])


# As levels, for the models of pixels -------------------------------------------------------------


class Images(NamedTuple):
    images: Integer[Tensor, "N C H W"]  # levels
    labels: Int[Tensor, "N"]


def grey_digits(test_share: float = 0.2, seed: int = 0) -> tuple[Images, Images]:
    """Training and test images (N, 1, 8, 8), levels 0 (paper) to 16 (ink): 1,438 and 359.

    The split of `digits`.
    """
    train, test = digits(test_share, seed)
    return _levels(train), _levels(test)


def binary_digits(test_share: float = 0.2, seed: int = 0) -> tuple[Images, Images]:
    """The images of `grey_digits` in two levels: 1 is ink, grey level 8 or more."""
    train, test = grey_digits(test_share, seed)
    return _black_and_white(train), _black_and_white(test)


def set_aside(part: Images, share: float = 0.1, seed: int = 0) -> tuple[Images, Images]:
    """What is left to train on, and a share of it to validate with, drawn with `seed`."""
    count = len(part.labels)
    aside = round(count * share) if 0 < share < 1 else 0
    if not 0 < aside < count:
        raise ValueError(
            f"share is {share}: of {count} images it has to leave some on both sides; 0.1 is usual"
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    rest, chosen = order[aside:].sort().values, order[:aside].sort().values
    return Images(*(field[rest] for field in part)), Images(*(field[chosen] for field in part))


def _levels(part):
    images = np.rint(16 * part.images).astype(np.int64)
    return Images(torch.from_numpy(images[:, None]), torch.from_numpy(part.labels))


def _black_and_white(part):
    return Images((part.images >= 8).long(), part.labels)


# Downloads ---------------------------------------------------------------------------------------


def mnist(url: str = MNIST_URL) -> tuple[Images, Images]:
    """60,000 training and 10,000 test images (N, 1, 28, 28), levels 0 (paper) to 255 (ink).

    The images are uint8, to save memory: give a model batch.long(). CC BY-SA 3.0. The hash is that
    of the original file, so any mirror may serve as `url`. Errors as for `fetch`.
    """
    path = fetch(
        url,
        "mnist.npz",
        sha256=MNIST_SHA256,
        instead="lecture_utils.datasets.digits.grey_digits",
    )
    with np.load(path, allow_pickle=False) as arrays:
        return tuple(
            Images(
                torch.from_numpy(arrays[f"x_{part}"][:, None]),
                torch.from_numpy(arrays[f"y_{part}"].astype(np.int64)),
            )
            for part in ("train", "test")
        )


def cifar10(url: str = CIFAR10_URL) -> tuple[Images, Images]:
    """50,000 training and 10,000 test images (N, 3, 32, 32), levels 0 to 255 of red, green, blue.

    Labels 0 to 9: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck. The images
    are uint8, to save memory: give a model batch.long(). The hash is that of the original file, so
    any mirror may serve as `url`. Errors as for `fetch`; ValueError for a file that holds more than
    images.
    """
    path = fetch(
        url,
        "cifar-10-python.tar.gz",
        sha256=CIFAR10_SHA256,
        instead="lecture_utils.datasets.colour_scenes.colour_scenes",
    )
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    with tarfile.open(path, "r:gz") as archive:
        parts = {
            member.name.split("/")[-1]: _batch(archive.extractfile(member))
            for member in archive
            if member.name.split("/")[-1] in names
        }
    train = [parts[name] for name in names[:-1]]
    return Images(*(torch.cat(field) for field in zip(*train))), parts["test_batch"]


def _batch(file):
    """One file of CIFAR-10: a pickled dict; a row of its data is 32 x 32 red, then green, blue."""
    content = _OnlyArrays(file, encoding="bytes").load()
    pixels = np.frombuffer(content[b"data"].bytes, np.uint8).reshape(-1, 3, 32, 32)
    return Images(torch.from_numpy(pixels.copy()), torch.tensor(content[b"labels"]))


class _PickledArray:
    """What a pickle makes in place of a numpy array, and of its number type: its bytes are kept."""

    def __init__(self, *_):
        pass

    def __setstate__(self, state):
        self.bytes = state[-1]


class _OnlyArrays(pickle.Unpickler):
    """Reads dicts, lists, text, numbers and arrays. A pickle may ask for any function of Python
    and have it called: this one gets `_PickledArray` for numpy's names, and nothing else."""

    NAMES = {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }

    def find_class(self, module, name):
        if (module, name) in self.NAMES:
            return _PickledArray
        raise ValueError(
            f"the file asks for {module}.{name}, which no image needs: it was refused and nothing "
            "was run. Take CIFAR-10 from its own address"
        )
