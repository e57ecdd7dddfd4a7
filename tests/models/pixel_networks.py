"""The four networks of pixels, and who sees whom in them: what their tests share."""

from itertools import product

import torch

from lecture_utils.models.pixel_cnn import GatedPixelCNN, PixelCNN, mask
from lecture_utils.models.pixel_rnn import DiagonalBiLSTM, RowLSTM
from lecture_utils.models.pixels import sees_all

NETWORKS = PixelCNN, GatedPixelCNN, RowLSTM, DiagonalBiLSTM


def binary_images(C, H, W):
    """Every image there is with two levels, (2^(C H W), C, H, W)."""
    return torch.tensor(list(product([0, 1], repeat=C * H * W))).view(-1, C, H, W)


def jacobian(model, H, W, images=3):
    """`sees_all` for some random images."""
    return sees_all(model, torch.randint(model.levels, (images, model.channels, H, W)))


def assert_no_future(model, H, W):
    J = jacobian(model, H, W)
    assert torch.equal(J, J.tril(-1)), "a logit depends on its own pixel, or on a later one"
    assert J.any(), "no logit depends on any pixel"


def set_mask(conv, kind, colours, gates=1):
    """Give a masked convolution another kind of mask."""
    out, into, *kernel = conv.weight.shape
    conv.mask[:] = mask(kind, out // gates, into, tuple(kernel), colours).repeat(gates, 1, 1, 1)
