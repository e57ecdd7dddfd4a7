"""The digits: real images, split once, nothing in both halves."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lecture_utils.datasets.digits import digits


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
