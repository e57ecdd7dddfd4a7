"""VGG-16's grid of features, by a stand-in for torchvision: its layers, what they are given."""

import sys
import types
from enum import Enum
from urllib.error import URLError

import pytest
import torch
from torch import nn

from lecture_utils.models.backbones import WEIGHTS_URL, PhotographGrid, pretrained_grid

# Configuration D of Simonyan and Zisserman (2015): output channels, or a pooling.
VGG16 = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool"]
VGG16 += [512, 512, 512, "pool"]


class StandIn(nn.Module):
    """What torchvision's vgg16 is made of, as far as it is used."""

    def __init__(self):
        super().__init__()
        layers, before = [], 3
        for channels in VGG16:
            if channels == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(inplace=True)]
                before = channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(7, 5)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = StandIn()
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)  # else little of the image comes through
    return network


@pytest.fixture
def torchvision(network, monkeypatch):
    """A module torchvision.models; its `asked` is what vgg16 was called with."""
    models = types.ModuleType("torchvision.models")
    models.VGG16_Weights = Enum("VGG16_Weights", ["IMAGENET1K_V1", "IMAGENET1K_FEATURES"])
    models.asked = []

    def vgg16(*, weights=None):
        models.asked.append(weights)
        return network

    models.vgg16 = vgg16
    package = types.ModuleType("torchvision")
    package.models = models
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return models


@pytest.fixture
def images():
    """Each colour another coarse pattern."""
    patterns = torch.rand(2, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    return (255 * nn.functional.interpolate(patterns, (224, 224))).to(torch.uint8)


def by_hand(network, images):
    """The first 30 of 31 layers, on colours as ImageNet's are, place after place."""
    colours = images.double() / 255
    for c, (mean, deviation) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        colours[:, c] = (colours[:, c] - mean) / deviation
    grid = colours.float()
    for layer in list(network.features)[:30]:
        grid = layer(grid)
    return torch.stack([grid[:, :, i // 14, i % 14] for i in range(196)], dim=1)


def test_it_is_vgg_16_up_to_its_last_pooling(torchvision, network, images):
    grid = pretrained_grid()
    assert torchvision.asked == [torchvision.VGG16_Weights.IMAGENET1K_V1]
    found = grid(images)
    assert found.shape == (2, 196, 512)
    with torch.no_grad():
        expected = by_hand(network, images)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert len(grid.layers) == 30 and isinstance(network.features[30], nn.MaxPool2d)


def test_would_notice_colours_in_another_order_or_range(torchvision, network, images):
    found = pretrained_grid()(images[:1])
    spoilt = torch.cat([images[:1].flip(1), images[:1] // 255])
    with torch.no_grad():
        difference = (found - by_hand(network, spoilt)).abs().amax(dim=(1, 2))
    assert (difference > 0.05 * found.abs().max()).all()


def test_a_place_sees_what_is_there():
    """Place i of the grid is row i // 14, column i % 14: only it notices a change there."""
    grid = PhotographGrid(nn.Sequential(nn.AvgPool2d(16), nn.Conv2d(3, 512, 1)))
    images = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    changed = images.clone()
    changed[:, :, 3 * 16 : 4 * 16, 5 * 16 : 6 * 16] = 255
    noticed = (grid(images) != grid(changed)).any(dim=2)[0]
    assert noticed.nonzero().flatten().tolist() == [3 * 14 + 5]


def test_it_is_for_use_and_not_for_training(torchvision, images):
    grid = pretrained_grid()
    assert not grid.training and not grid(images[:1]).requires_grad
    assert not any(p.requires_grad for p in grid.parameters())
    assert all("mean" not in name and "deviation" not in name for name in grid.state_dict())


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 3, 224, 224),
        torch.zeros(3, 224, 224, dtype=torch.uint8),
        torch.zeros(2, 224, 224, 3, dtype=torch.uint8),
        torch.zeros(2, 3, 64, 64, dtype=torch.uint8),
    ],
)
def test_other_images_are_refused(as_a_reader_runs_it, images):
    with pytest.raises(ValueError, match=r"images are torch\.\w+ of shape .*: give uint8 \(B, 3, "):
        PhotographGrid(nn.Identity())(images)


REMEDY = "install the one that belongs to your torch .*pip install torch==.* torchvision"


def test_without_torchvision_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=f"torchvision cannot be used .*{REMEDY}.*models.vgg"):
        pretrained_grid()


def test_a_torchvision_for_another_torch_is_named(monkeypatch):
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.startswith("torchvision"):
                raise RuntimeError("operator torchvision::nms does not exist")

    for name in ("torchvision", "torchvision.models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(ImportError, match=f"torchvision::nms does not exist.*{REMEDY}"):
        pretrained_grid()


@pytest.mark.parametrize(
    "error", [URLError("no network"), RuntimeError('invalid hash value (expected "397923af")')]
)
def test_without_the_weights_the_remedy_is_named(torchvision, monkeypatch, tmp_path, error):
    def vgg16(**_):
        raise error

    monkeypatch.setattr(torchvision, "vgg16", vgg16)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(OSError, match="weights of VGG-16 could not be had") as raised:
        pretrained_grid()
    said = str(raised.value)
    assert f"Save {WEIGHTS_URL} (528 MB) in {tmp_path}/checkpoints" in said
    assert str(error) in said and "lecture_utils.models.vgg" in said
