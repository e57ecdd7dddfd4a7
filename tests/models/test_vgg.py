"""The small VGG: the slide's layers in their order, by other means; what is left without a head."""

import pytest
import torch
from torch import nn

from lecture_utils.gradcheck import assert_close
from lecture_utils.models.vgg import VGG, scaled
from lecture_utils.trace import trace

B, SIDE, WIDTHS, HIDDEN, CLASSES = 2, 12, (3, 5), 7, 4
PLACES = 3 * 3  # of the grid


@pytest.fixture
def vgg(float64):
    network = VGG(CLASSES, WIDTHS, HIDDEN, SIDE)
    for p in network.parameters():
        p.data += 0.1 * torch.randn_like(p)  # biases too, so that a lost one is seen
    return network


def images(batch=B, side=SIDE):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8, generator=generator)


def by_hand(network, x, pool="max"):
    """The same layers by unfolding: each 3 x 3 patch is a row of numbers, a conv one product."""
    p = iter(network.parameters())
    for width in WIDTHS:
        for _ in range(2):
            weight, bias = next(p), next(p)
            patches = nn.functional.unfold(x, 3, padding=1)
            x = weight.flatten(1) @ patches + bias[:, None]
            side = int(x.shape[2] ** 0.5)
            x = x.clamp(min=0).view(len(x), width, side, side)
        corners = torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)])
        x = corners.amax(0) if pool == "max" else corners.mean(0)
    return x


def test_equal_to_the_layers_by_hand_in_values_and_gradients(vgg):
    x = (images() / 127.5 - 1).double().requires_grad_()
    maps = by_hand(vgg, x)
    assert maps.shape == (B, 5, 3, 3)
    grid = vgg.grid(x)
    assert grid.shape == (B, PLACES, 5)
    for row in range(3):
        for column in range(3):
            assert_close(grid[:, 3 * row + column], maps[:, :, row, column], 1e-12)
    by_place = maps.permute(0, 2, 3, 1).flatten(1)  # FC-1 reads the grid, place after place
    v = (by_place @ vgg.fc_1.weight.T + vgg.fc_1.bias).clamp(min=0)
    v = (v @ vgg.fc_2.weight.T + vgg.fc_2.bias).clamp(min=0)
    wanted = v @ vgg.fc_classes.weight.T + vgg.fc_classes.bias
    assert_close(vgg.vector(x), v, 1e-12)
    assert_close(vgg(x), wanted, 1e-12)
    weight = torch.randn(B, CLASSES)
    inputs = [x, *vgg.parameters()]
    ours = torch.autograd.grad((weight * vgg(x)).sum(), inputs)
    theirs = torch.autograd.grad((weight * wanted).sum(), inputs)
    for mine, other in zip(ours, theirs):
        assert_close(mine, other, 1e-10)
    with pytest.raises(AssertionError):
        assert_close(by_hand(vgg, x, pool="mean").flatten(2).transpose(1, 2), grid, 1e-2)


def test_uint8_is_scaled_to_minus_one_to_one(vgg):
    ends = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    assert_close(scaled(ends).flatten(), torch.tensor([-1, 1, -0.6]), 1e-15)
    assert_close(vgg(images()), vgg(images().double() / 127.5 - 1), 1e-15)
    in_float32 = vgg.float()(images())  # the default type of this test is float64
    assert in_float32.dtype == torch.float32


def test_without_its_head_it_ends_with_v_or_with_the_grid(vgg):
    to_v, to_grid = vgg.without_head(), vgg.without_head("grid")
    assert torch.equal(to_v(images()), vgg.vector(images()))
    assert torch.equal(to_grid(images()), vgg.grid(images()))
    counts = [sum(p.numel() for p in network.parameters()) for network in (vgg, to_v, to_grid)]
    assert counts[0] - counts[1] == CLASSES * HIDDEN + CLASSES
    assert counts[1] - counts[2] == HIDDEN * (PLACES * 5 + 1) + HIDDEN * (HIDDEN + 1)
    assert torch.equal(to_v.without_head("grid")(images()), vgg.grid(images()))
    with torch.no_grad():  # a copy: training what is left does not touch the whole
        before = vgg(images())
        for p in to_v.parameters():
            p.zero_()
        assert torch.equal(vgg(images()), before)


def test_a_place_sees_its_surroundings_and_no_more():
    """36 x 36 pixels: with 3 x 3 kernels each pair of convolutions adds 4 steps of its maps."""
    torch.manual_seed(0)
    x = torch.rand(1, 3, 64, 64).requires_grad_()
    row, column = 4, 3
    grid = VGG(2).grid(x).view(8, 8, 64)
    (gradient,) = torch.autograd.grad(grid[row, column].sum(), x)
    seen = gradient[0].abs().sum(0) > 0
    rows, columns = seen.any(1).nonzero()[:, 0], seen.any(0).nonzero()[:, 0]
    first_row, first_column = 8 * row - 14, 8 * column - 14
    assert rows.min() >= first_row and rows.max() < first_row + 36
    assert columns.min() >= first_column and columns.max() < first_column + 36
    assert len(rows) > 30 and len(columns) > 30  # of 36: maxpools pick one of four


def test_as_on_the_slide_with_about_40_million_multiplications():
    vgg, made = VGG(10), []

    def count(layer, inputs, output):
        per_number = layer.weight[0].numel()  # multiplications for one number of the output
        made.append((type(layer).__name__, output.shape[1], output[0].numel() * per_number))

    for layer in vgg.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    vgg(images(side=64))
    assert [width for _, width, _ in made] == [16, 16, 32, 32, 64, 64, 128, 128, 10]
    assert [kind for kind, _, _ in made] == ["Conv2d"] * 6 + ["Linear"] * 3
    assert 35e6 < sum(number for _, _, number in made) < 41e6


def test_it_notes_the_maps_of_each_group_the_grid_and_v(vgg):
    with trace() as log:
        vgg(images())
    assert [maps.shape for maps in log["maps"]] == [(B, 3, 6, 6), (B, 5, 3, 3)]
    assert torch.equal(log["grid"][0], vgg.grid(images()))
    assert torch.equal(log["v"][0], vgg.vector(images()))


def test_the_first_weights_keep_the_size_of_the_maps():
    """After a maxpool maps are larger than before it, but they neither die out nor explode."""
    torch.manual_seed(0)
    vgg = VGG(10)
    with trace() as log:
        vgg(images(8, 64))
    for value in (*log["maps"], *log["v"]):
        assert 0.3 < value.square().mean() < 10


def test_it_learns_where_something_is():
    """A bright square in one of four quarters, another colour each time."""
    torch.manual_seed(0)
    x, y = torch.rand(200, 3, 16, 16) * 0.4 - 0.2, torch.arange(200) % 4
    for image, quarter in zip(x, y):
        i, j = 8 * (quarter // 2) + torch.randint(0, 5, ()), 8 * (quarter % 2)
        image[:, i : i + 4, j : j + 4] += torch.rand(3, 1, 1) * 0.5 + 0.3
    network = VGG(4, (4, 6), 16, 16)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        loss = nn.functional.cross_entropy(network(x[:150]), y[:150])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network(x[150:]).argmax(1) == y[150:]).float().mean() > 0.9


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, said",
    [
        (lambda: VGG(0), "classes is 0"),
        (lambda: VGG(3, ()), "groups is 0"),
        (lambda: VGG(3, (4, 0)), "width_2 is 0"),
        (lambda: VGG(3, side=36), "side is 36: with 3 maxpools it has to be a multiple of 8"),
        (lambda: VGG(3).without_head("v"), "'v': it is 'vector' or 'grid'"),
        (lambda: VGG(3).without_head("grid").without_head(), "ends with the grid already"),
        (lambda: VGG(3).without_head("grid").vector(images(side=64)), "no layer FC left"),
        (lambda: VGG(3)(images(side=32)), r"\(2, 3, 32, 32\): expected \(B, 3, 64, 64\)"),
        (lambda: VGG(3)(images(side=64).permute(0, 2, 3, 1)), "colours before rows"),
        (lambda: VGG(3)(images(side=64)[0]), r"\(3, 64, 64\): expected \(B, 3"),
        (lambda: VGG(3)(images(side=64).float()), "reach 255: floats run from -1 to 1"),
        (lambda: VGG(3)(torch.full((1, 3, 64, 64), torch.nan)), "reach nan"),
        (lambda: VGG(3)(images(side=64).long()), "torch.int64: give uint8"),
    ],
)
def test_bad_input_is_refused(given, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        given()
