"""scikit-learn's handwritten digits: 1,797 real images of 8 x 8 pixels, 17 grey levels.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.datasets import load_digits

Array = np.ndarray


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
