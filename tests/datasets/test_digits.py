"""The digits: real images, split once, nothing in both halves. Downloads: read as they were packed.

What is downloaded here comes from a server on this machine, in files of a few images.
"""

import hashlib
import importlib
import io
import pathlib
import pickle
import struct
import tarfile
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lecture_utils.datasets import digits as module
from lecture_utils.datasets.digits import (
    Images,
    binary_digits,
    cifar10,
    digits,
    grey_digits,
    mnist,
    set_aside,
)


def rows(part):
    """Each example as bytes, label included."""
    return [image.tobytes() + bytes([label]) for image, label in zip(part.images, part.labels)]


def test_the_split_holds_every_image_once_with_its_own_label():
    train, test = digits()
    source = load_digits()
    original = [
        (image / 16).tobytes() + bytes([label])
        for image, label in zip(source.images, source.target)
    ]
    assert len(train.labels) + len(test.labels) == 1797
    assert sorted(rows(train) + rows(test)) == sorted(original)


def test_no_test_image_was_trained_on():
    train, test = digits()
    assert not set(rows(train)) & set(rows(test))


def test_images_are_rows_from_paper_to_ink():
    for part in digits():
        assert part.images.shape == (len(part.labels), 8, 8)
        assert part.images.min() == 0 and part.images.max() == 1
        assert np.array_equal(part.images * 16, np.round(part.images * 16))  # 17 grey levels
        assert part.labels.dtype == np.int64


def test_every_class_has_its_share_in_both_halves():
    for part in digits():
        shares = np.bincount(part.labels, minlength=10) / len(part.labels)
        assert len(shares) == 10
        assert shares.min() > 0.06 and shares.max() < 0.14


@pytest.mark.parametrize("share, expected", [(0.2, 359), (0.5, 898), (0.01, 18)])
def test_the_test_share_is_as_asked(share, expected):
    _, test = digits(test_share=share)
    assert abs(len(test.labels) - expected) <= 1


def test_same_seed_same_split_and_another_seed_another():
    first, again, other = (digits(seed=s)[1] for s in (0, 0, 1))
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, other.labels)


def test_the_images_are_shuffled():
    """In the source the labels run 0, 1, ..., 9 again and again at the start."""
    train, _ = digits()
    assert train.labels[:20].tolist() != [*range(10)] * 2


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, 1.5, float("nan")])
def test_a_share_that_leaves_nothing_is_refused(share):
    with pytest.raises(ValueError, match=rf"test_share is {share}: .* between 0 and 1"):
        digits(test_share=share)


def test_a_share_too_small_for_one_image_is_refused():
    with pytest.raises(ValueError, match="test_share is 1e-05"):
        digits(test_share=1e-5)


# As levels, for the models of pixels -------------------------------------------------------------


def test_grey_digits_are_the_digits_as_levels():
    for real, grey in zip(digits(), grey_digits()):
        assert grey.images.shape == (len(real.labels), 1, 8, 8)
        assert grey.images.dtype == grey.labels.dtype == torch.long
        assert np.array_equal(grey.images[:, 0].numpy() / 16, real.images)
        assert np.array_equal(grey.labels.numpy(), real.labels)
        assert grey.images.unique().tolist() == [*range(17)]


def test_there_are_1438_to_train_on_and_359_to_test():
    for load in (grey_digits, binary_digits):
        assert [len(part.images) for part in load()] == [1438, 359]
    with pytest.raises(ValueError, match="test_share is 2"):
        binary_digits(test_share=2.0)


def test_share_and_seed_are_handed_on():
    for load in (grey_digits, binary_digits):
        assert len(load(test_share=0.5)[1].labels) == 899
        assert torch.equal(load(seed=3)[0].labels, torch.from_numpy(digits(seed=3)[0].labels))


def test_from_grey_level_8_on_a_pixel_is_ink():
    for grey, binary in zip(grey_digits(), binary_digits()):
        assert binary.images.dtype == torch.long and torch.equal(binary.labels, grey.labels)
        assert grey.images[binary.images == 1].unique().tolist() == [*range(8, 17)]
        assert grey.images[binary.images == 0].unique().tolist() == [*range(8)]


def numbered(count):
    """Images that tell which one they are."""
    return Images(torch.arange(count).view(count, 1, 1, 1), torch.arange(count))


def test_what_is_set_aside_is_missing_from_the_rest():
    rest, aside = set_aside(numbered(50), share=0.3)
    assert len(rest.labels) == 35 and len(aside.labels) == 15
    assert sorted(rest.labels.tolist() + aside.labels.tolist()) == [*range(50)]
    for part in (rest, aside):
        assert torch.equal(part.images.flatten(), part.labels)
    again, other = (set_aside(numbered(50), share=0.3, seed=seed)[1] for seed in (0, 1))
    assert torch.equal(again.labels, aside.labels)
    assert not torch.equal(other.labels, aside.labels)
    assert aside.labels.tolist() not in ([*range(15)], [*range(35, 50)])  # drawn, not cut off


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.2, 0.001, 0.999, float("nan")])
def test_setting_aside_nothing_or_all_is_refused(share):
    with pytest.raises(ValueError, match=rf"share is {share}: of 50 images .* both sides"):
        set_aside(numbered(50), share=share)


# Downloads, from a server on this machine --------------------------------------------------------


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def small_mnist():
    """Six images and four, as Keras packs them."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 6), ("test", 4)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 10, count, dtype=np.uint8)
    return arrays


def packed(arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_mnist_is_read_from_its_npz(folder, server, nobody_listens, monkeypatch, small_mnist):
    content = packed(small_mnist)
    monkeypatch.setattr(module, "MNIST_SHA256", sha256(content))
    train, test = mnist(server.sending(content))
    for part, name, count in ((train, "train", 6), (test, "test", 4)):
        assert part.images.shape == (count, 1, 28, 28) and part.images.dtype == torch.uint8
        assert np.array_equal(part.images[:, 0].numpy(), small_mnist[f"x_{name}"])
        assert part.labels.dtype == torch.long
        assert part.labels.tolist() == small_mnist[f"y_{name}"].tolist()
    kept, _ = mnist(nobody_listens)  # from the folder
    assert torch.equal(kept.images, train.images)
    assert len(set_aside(train, share=0.5)[0].labels) == 3


def test_another_file_is_not_taken_for_mnist(folder, server, small_mnist):
    known = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
    with pytest.raises(OSError, match=rf"instead of {known}.*use lecture_utils\S+grey_digits"):
        mnist(server.sending(packed(small_mnist)))
    assert not list(folder.rglob("mnist.npz*"))


class Malice:
    """What a pickle may do to whoever loads it: here it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def test_an_mnist_with_a_pickle_in_it_is_refused(folder, server, monkeypatch, small_mnist):
    trace = folder.parent / "trace"
    malicious = np.empty(6, object)
    malicious[:] = Malice(trace)
    content = packed({**small_mnist, "y_train": malicious})
    monkeypatch.setattr(module, "MNIST_SHA256", sha256(content))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        mnist(server.sending(content))
    assert not trace.exists()


def python_2_pickle(pixels, labels):
    """A batch as CIFAR-10's authors wrote it: protocol 2, by Python 2, with numpy's old names."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def number(value):
        return b"M" + struct.pack("<H", value)

    rows, columns = pixels.shape
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
        b"(K\x01" + number(rows) + number(columns) + b"\x86"
        b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + text(b"|") + b"NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
        b"\x89T" + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tb"
    )
    digits = b"".join(b"K" + bytes([label]) for label in labels)
    return (
        b"\x80\x02}(" + text(b"batch_label") + text(b"training batch 1 of 5")
        + text(b"labels") + b"](" + digits + b"e"
        + text(b"data") + array
        + text(b"filenames") + b"](" + b"".join(text(b"cat_%d.png" % k) for k in labels) + b"eu."
    )  # fmt: skip


@pytest.fixture
def batches():
    """The six files of CIFAR-10, two images each: name to (pixels, labels)."""
    rng = np.random.default_rng(1)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    return {
        name: (rng.integers(0, 256, (2, 3072), dtype=np.uint8), rng.integers(0, 10, 2).tolist())
        for name in names
    }


def archive(files):
    """A tar.gz of CIFAR-10's folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def test_the_test_files_are_what_numpy_reads_as_such(batches):
    pixels, labels = batches["data_batch_1"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy has moved the function of that name
        read = pickle.loads(python_2_pickle(pixels, labels), encoding="bytes")
    assert np.array_equal(read[b"data"], pixels) and read[b"labels"] == labels
    assert read[b"batch_label"] == b"training batch 1 of 5" and len(read[b"filenames"]) == 2


def test_cifar10_is_read_from_its_archive(folder, server, nobody_listens, monkeypatch, batches):
    files = {name: python_2_pickle(*batch) for name, batch in batches.items()}
    # As in the original: not in order, and with more than the images.
    files = {"readme.html": b"<html>", **dict(reversed(files.items())), "batches.meta": b"?"}
    content = archive(files)
    monkeypatch.setattr(module, "CIFAR10_SHA256", sha256(content))
    train, test = cifar10(server.sending(content))
    assert train.images.shape == (10, 3, 32, 32) and test.images.shape == (2, 3, 32, 32)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.long
    *first_five, last = batches.values()
    assert train.labels.tolist() == [label for _, labels in first_five for label in labels]
    assert test.labels.tolist() == last[1]
    for part, wanted in ((train, first_five), (test, [last])):
        rows = np.concatenate([pixels for pixels, _ in wanted])
        assert np.array_equal(part.images.flatten(1).numpy(), rows)
    pixels = first_five[1][0][1]  # batch 2, image 1: green, row 3, column 5
    assert train.images[3, 1, 3, 5] == pixels[1024 + 3 * 32 + 5]
    assert torch.equal(cifar10(nobody_listens)[0].images, train.images)  # from the folder


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_batch_is_refused_and_not_run(folder, server, monkeypatch, batches, protocol):
    trace = folder.parent / "trace"
    evil = pickle.dumps({b"data": Malice(trace), b"labels": [1]}, protocol)
    files = {name: python_2_pickle(*batch) for name, batch in batches.items()}
    content = archive({**files, "data_batch_3": evil})
    monkeypatch.setattr(module, "CIFAR10_SHA256", sha256(content))
    with pytest.raises(ValueError, match=r"asks for \S+, which no image needs.*nothing was run"):
        cifar10(server.sending(content))
    assert not trace.exists()
    pickle.loads(evil)
    assert trace.exists()  # it would have run


@pytest.mark.parametrize(
    "name", ["builtins\neval", "os\nsystem", "numpy\nload", "numpy.core.multiarray\nfromfile"]
)
def test_only_what_an_array_needs_may_be_named(name):
    with pytest.raises(ValueError, match=name.replace("\n", r"\.")):
        module._OnlyArrays(io.BytesIO(b"\x80\x02c" + name.encode() + b"\n.")).load()


def test_another_file_is_not_taken_for_cifar10(folder, server):
    known = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    with pytest.raises(OSError, match=rf"instead of {known}.*use lecture_utils\S+colour_scenes"):
        cifar10(server.sending(archive({})))
    assert not list(folder.rglob("cifar*"))


@pytest.mark.parametrize(
    "load, substitute",
    [(mnist, "digits.grey_digits"), (cifar10, "colour_scenes.colour_scenes")],
)
def test_offline_the_error_names_what_comes_with_the_course(
    folder, nobody_listens, load, substitute
):
    with pytest.raises(OSError, match=f"use lecture_utils.datasets.{substitute} instead") as e:
        load(nobody_listens)
    assert nobody_listens in str(e.value)
    package, name = f"lecture_utils.datasets.{substitute}".rsplit(".", 1)
    assert callable(getattr(importlib.import_module(package), name))
