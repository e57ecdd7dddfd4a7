"""A small VGG: convolutions of 3 x 3 in pairs, a maxpool after each pair, and layers that see all.

    layer      what comes out, for 3 x 64 x 64        on the slide
    conv-16    16 x 64 x 64                           conv-64
    conv-16    16 x 64 x 64                           conv-64
    maxpool    16 x 32 x 32                           maxpool
    conv-32    32 x 32 x 32                           conv-128
    conv-32    32 x 32 x 32                           conv-128
    maxpool    32 x 16 x 16                           maxpool
    conv-64    64 x 16 x 16                           conv-256, and two groups of conv-512 more
    conv-64    64 x 16 x 16
    maxpool    64 x 8 x 8   = L x D = 64 x 64         the grid a_1 ... a_L of lesson 09
    FC-128     128                                    FC-4096
    FC-128     128                                    FC-4096: v of lesson 08
    FC-C       C                                      FC-1000
    softmax    probabilities of C classes

relu after each conv and after the first two FC. A captioner has no use for the classes:
`vgg.without_head()` ends with v, `vgg.without_head("grid")` with the last maxpool. About 40 million
multiplications per image, a 400th of the slide's network. B batch, L places, D their width.
Source: Simonyan and Zisserman (2015).
"""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from lecture_utils.models.recurrent import check_sizes
from lecture_utils.trace import note

Images = UInt8[Tensor, "B 3 side side"] | Float[Tensor, "B 3 side side"]


class VGG(nn.Module):
    """Images (B, 3, side, side) -> logits of the classes (B, C). Notes maps, grid and v.

    Images are uint8 from 0 to 255, or floating point from -1 to 1. side: has to be divisible by 2
    once for each width. Weights start as proposed by He et al. (2015), which keeps the size of the
    maps from layer to layer; biases at 0.
    """

    def __init__(
        self, classes: int, widths: Sequence[int] = (16, 32, 64), hidden: int = 128, side: int = 64
    ):
        super().__init__()
        check_sizes(classes=classes, hidden=hidden, side=side, groups=len(widths))
        check_sizes(**{f"width_{k}": width for k, width in enumerate(widths, 1)})
        if side % 2 ** len(widths):
            raise ValueError(
                f"side is {side}: with {len(widths)} maxpools it has to be a multiple of "
                f"{2 ** len(widths)}"
            )
        self.side = side
        self.ends_with = "classes"
        self.groups = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, width, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
            )
            for before, width in zip((3, *widths), widths)
        )
        places = (side // 2 ** len(widths)) ** 2
        self.fc_1 = nn.Linear(places * widths[-1], hidden)
        self.fc_2 = nn.Linear(hidden, hidden)
        self.fc_classes = nn.Linear(hidden, classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def grid(self, images: Images) -> Float[Tensor, "B L D"]:
        """a_1 ... a_L: what was found at each place, row by row from the top left."""
        maps = self._checked(images)
        for group in self.groups:
            maps = note(maps=group(maps))
        return note(grid=maps.flatten(2).transpose(1, 2))

    def vector(self, images: Images) -> Float[Tensor, "B H"]:
        """v: what is left in the last layer before the classes, after its relu."""
        if self.ends_with == "grid":
            raise ValueError("this network ends with the grid: it has no layer FC left to make v")
        v = torch.relu(self.fc_1(self.grid(images).flatten(1)))
        return note(v=torch.relu(self.fc_2(v)))

    def forward(self, images: Images) -> Tensor:
        if self.ends_with == "grid":
            return self.grid(images)
        v = self.vector(images)
        return v if self.ends_with == "vector" else self.fc_classes(v)

    def without_head(self, ends_with: str = "vector") -> "VGG":
        """A copy that ends earlier: images -> v (B, hidden), or -> the "grid" (B, L, D)."""
        if ends_with not in ("vector", "grid"):
            raise ValueError(f"ends_with is {ends_with!r}: it is 'vector' or 'grid'")
        if self.ends_with == "grid":
            raise ValueError("this network ends with the grid already: cut the whole one")
        rest = copy.deepcopy(self)
        rest.ends_with = ends_with
        removed = ["fc_classes"] if ends_with == "vector" else ["fc_1", "fc_2", "fc_classes"]
        for name in removed:
            if hasattr(rest, name):
                delattr(rest, name)
        return rest

    def _checked(self, images):
        if images.shape[1:] != (3, self.side, self.side):
            raise ValueError(
                f"images have shape {tuple(images.shape)}: expected (B, 3, {self.side}, "
                f"{self.side}), colours before rows and columns"
            )
        images = scaled(images).to(self.groups[0][0].weight.dtype)
        # Colours side by side in memory: on a CPU convolutions are faster so, with the same result.
        return images.contiguous(memory_format=torch.channels_last)


def scaled(images: Images) -> Float[Tensor, "B 3 side side"]:
    """From uint8 to -1 ... 1; floating point stays as it is, if it lies there (else ValueError)."""
    if images.dtype == torch.uint8:
        return images.to(torch.get_default_dtype()) / 127.5 - 1
    if not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}: give uint8, 0 to 255, or floats, -1 to 1")
    largest = images.detach().abs().max() if images.numel() else 0
    if not largest <= 1:
        raise ValueError(
            f"images reach {largest:.4g}: floats run from -1 to 1; give uint8, or x / 127.5 - 1"
        )
    return images
