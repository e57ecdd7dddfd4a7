"""A network trained on a million photographs, as the eye of a captioner.

    a = VGG-16 without its last pooling and its fully connected layers

a has L = 14 x 14 places of D = 512 features each, as in Show, Attend and Tell (Xu et al., 2015).
The weights are torchvision's, trained on ImageNet; they are not part of this course, which has a
small VGG of its own. B batch.
"""

from http.client import HTTPException

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

WEIGHTS_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"  # 528 MB
MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in ImageNet: what these weights are used to
DEVIATION = (0.229, 0.224, 0.225)


class PhotographGrid(nn.Module):
    """images (B, 3, 224, 224), 0..255 -> a (B, 196, 512), row by row from the top left.

    layers: those of VGG-16 up to its last convolution.
    """

    def __init__(self, layers: nn.Module):
        super().__init__()
        self.layers = layers
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "B 3 224 224"]) -> Float[Tensor, "B 196 512"]:
        if images.dtype != torch.uint8 or images.shape[1:] != (3, 224, 224):
            raise ValueError(
                f"images are {images.dtype} of shape {tuple(images.shape)}: give uint8 (B, 3, 224, "
                "224), as lecture_utils.datasets.photographs.photo makes them"
            )
        grid = self.layers((images / 255 - self.mean) / self.deviation)  # B 512 14 14
        return grid.flatten(2).transpose(1, 2)


def pretrained_grid() -> PhotographGrid:
    """VGG-16 with its ImageNet weights, for use, not for training: no gradient reaches them.

    The first call downloads 528 MB. ImportError without a torchvision that fits torch, OSError
    where the weights cannot be had; both say what to do.
    """
    try:
        from torchvision.models import VGG16_Weights, vgg16
    except (ImportError, RuntimeError) as error:  # RuntimeError: one built for another torch
        raise ImportError(
            f"torchvision cannot be used ({error}): install the one that belongs to your torch "
            f"{torch.__version__}, `pip install torch=={torch.__version__.split('+')[0]} "
            "torchvision`, and restart. Or use the course's own network, "
            "lecture_utils.models.vgg, which needs neither"
        ) from error
    try:
        network = vgg16(weights=VGG16_Weights.IMAGENET1K_V1)
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: another file came
        raise OSError(
            f"the weights of VGG-16 could not be had ({error}). Save {WEIGHTS_URL} (528 MB) in "
            f"{torch.hub.get_dir()}/checkpoints, or delete what is there of it, and call again. "
            "Or use the course's own network, lecture_utils.models.vgg, which needs no download"
        ) from error
    layers = network.features[:-1]  # the last one pools 14 x 14 places into 7 x 7
    return PhotographGrid(layers).eval().requires_grad_(False)
