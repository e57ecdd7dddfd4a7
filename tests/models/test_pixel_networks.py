"""What holds for each of the four networks of pixels, PixelCNNs and PixelRNNs."""

import pytest
import torch
from sklearn.datasets import load_digits

from lecture_utils.gradcheck import assert_close
from lecture_utils.models.pixel_cnn import GatedPixelCNN, PixelCNN
from lecture_utils.models.pixel_rnn import DiagonalBiLSTM, RowLSTM
from lecture_utils.models.pixels import IndependentPixels, nats, sample
from lecture_utils.trace import trace
from tests.models.pixel_networks import NETWORKS, assert_no_future, binary_images, set_mask

pytestmark = pytest.mark.usefixtures("float64")

each_network = pytest.mark.parametrize("Model", NETWORKS)
in_grey_and_colour = pytest.mark.parametrize("channels", [1, 3])


# ---------------------------------------------------------------- probability


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 2, 4), (3, 1, 3), (3, 3, 1)])
@each_network
def test_the_probabilities_of_all_images_sum_to_one(Model, shape, layers):
    images = binary_images(*shape)
    p = (-nats(Model(shape[0], 2, 6, layers)(images), images)).exp()
    assert p.std() > 1e-6  # the model is not that of fair coins
    assert abs(p.sum() - 1) < 1e-12


@each_network
def test_in_float32_too(Model):
    images = binary_images(1, 3, 3)
    model = Model(1, 2, 16, 2).float()
    p = (-nats(model(images), images)).exp()
    assert p.dtype == torch.float32 and abs(p.sum() - 1) < 1e-5


@each_network
def test_with_a_look_at_the_pixel_itself_they_would_not(Model):
    model, images = Model(1, 2, 6, 1), binary_images(1, 3, 3)
    set_mask(model.first, "B", 1)
    assert abs((-nats(model(images), images)).exp().sum() - 1) > 1e-3


@each_network
def test_images_come_as_often_as_their_probability_says(Model):
    model, N = Model(1, 2, 12, 1, 3), 4000
    for p in model.parameters():
        p.data *= 2  # away from fair coins
    images = binary_images(1, 2, 2)
    p = (-nats(model(images), images)).exp().detach()
    drawn = sample(model, torch.rand(N, 1, 2, 2))
    counts = (drawn.flatten(1) @ torch.tensor([8, 4, 2, 1])).bincount(minlength=16)
    assert p.max() > 1.5 / 16
    assert ((counts - N * p).abs() < 4 * (N * p * (1 - p)).sqrt()).all()


# ---------------------------------------------------------------- what a pixel knows


@pytest.mark.parametrize("first_kernel, layers", [(3, 1), (3, 3), (7, 2)])
@pytest.mark.parametrize("channels, H, W", [(1, 3, 5), (1, 5, 3), (3, 3, 5), (3, 4, 3)])
@each_network
def test_none_sees_the_future(Model, channels, H, W, first_kernel, layers):
    assert_no_future(Model(channels, 4, 12, layers, first_kernel), H, W)


@in_grey_and_colour
@each_network
def test_another_level_changes_no_logit_up_to_its_own(Model, channels):
    H, W = 3, 5
    model, D = Model(channels, 4, 24, 2, 3), channels * H * W
    before = torch.randint(4, (1, H, W, channels)).repeat(D, 1, 1, 1)
    after = before.flatten(1).clone()
    after[range(D), range(D)] = (after[range(D), range(D)] + 2) % 4  # in image d, number d
    a, b = (
        model(images.view(D, H, W, channels).movedim(-1, 1)).movedim(1, -2).reshape(D, D, 4)
        for images in (before, after)
    )
    same = (a == b).all(-1)  # (image, logits), logits in raster order
    assert same.tril().equal(torch.ones(D, D).tril().bool())
    assert not same[:-1].all(1).any()  # all but the last have someone who looks at them


GATES = {"horizontal": 2, "B_is": 4}
# Slips in one mask, each of which lets a pixel see what it may not.
LEAKS = {
    (PixelCNN, 1): [("first", "B"), ("first", "V"), ("blocks.1.look", "V")],
    (PixelCNN, 3): [("first", "B"), ("blocks.1.widen", "V"), ("readout.last", "V")],
    (GatedPixelCNN, 1): [("layers.0.horizontal", "B"), ("layers.1.horizontal", "V")],
    (GatedPixelCNN, 3): [
        ("layers.0.horizontal", "B"),
        ("layers.1.horizontal", "V"),
        ("layers.1.out", "V"),
        ("readout.last", "V"),
    ],
    (RowLSTM, 1): [("first", "B"), ("first", "V"), ("layers.0.B_is", "V")],
    (RowLSTM, 3): [
        ("first", "B"),
        ("first", "V"),
        ("layers.0.B_is", "V"),
        ("layers.1.widen", "V"),
        ("readout.last", "V"),
    ],
    (DiagonalBiLSTM, 1): [("first", "B"), ("first", "V")],
    (DiagonalBiLSTM, 3): [
        ("first", "B"),
        ("first", "V"),
        ("layers.1.widen", "V"),
        ("readout.last", "V"),
    ],
}


@pytest.mark.parametrize("Model, channels", LEAKS)
def test_a_wrong_mask_is_caught(Model, channels):
    for name, kind in LEAKS[Model, channels]:
        model = Model(channels, 4, 12, 2, 3)
        assert_no_future(model, 3, 4)
        gates = GATES.get(name.rpartition(".")[2], 1)
        set_mask(model.get_submodule(name), kind, channels, gates)
        with pytest.raises(AssertionError, match="or on a later one"):
            assert_no_future(model, 3, 4)


@in_grey_and_colour
@each_network
def test_rows_below_need_not_be_there(Model, channels):
    model, images = Model(channels, 4, 12, 2), torch.randint(4, (2, channels, 5, 3))
    logits = model(images)
    assert logits.shape == (2, channels, 5, 3, 4)
    for rows in range(1, 5):
        assert_close(model(images[:, :, :rows]), logits[:, :, :rows], 1e-12)


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize(
    "Model, layers", [(PixelCNN, 2), (GatedPixelCNN, 2), (RowLSTM, 1), (DiagonalBiLSTM, 1)]
)
def test_sixty_steps_beat_pixels_that_know_nothing_of_each_other(Model, layers):
    torch.set_default_dtype(torch.float32)
    images = torch.from_numpy(load_digits().images > 7).long()[:, None]
    train, test = images[:1437], images[1437:]
    independent = IndependentPixels(1, 2, 8, 8).count(train)
    assert nats(independent(test), test).mean() > 24.5
    model = Model(1, 2, 16, layers)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        batch = train[torch.randint(len(train), (64,))]
        optimiser.zero_grad()
        nats(model(batch), batch).mean().backward()
        optimiser.step()
    with torch.no_grad():
        assert nats(model(test), test).mean() < 22.5


@each_network
def test_all_parameters_get_a_gradient(Model):
    images = torch.randint(4, (5, 3, 4, 6))
    model = Model(3, 4, 12, 2)
    nats(model(images), images).sum().backward()
    assert all((p.grad != 0).any() for p in model.parameters())


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "sizes, said",
    [
        ((0, 2, 6, 1), "channels is 0"),
        ((1, 2, 6, 0), "layers is 0"),
        ((1, 1, 6, 1), "levels is 1: .* at least 2"),
        ((1, 2, 6, 1, 1), "first_kernel is 1: .* take 3 or more"),
        ((1, 2, 6, 1, 4), "kernel is .*4: both sides have to be odd"),
    ],
)
@each_network
def test_sizes_that_make_no_model(Model, sizes, said):
    with pytest.raises(ValueError, match=said):
        Model(*sizes)


@pytest.mark.parametrize(
    "Model, least", [(PixelCNN, 6), (GatedPixelCNN, 3), (RowLSTM, 6), (DiagonalBiLSTM, 6)]
)
def test_the_least_features_are_enough(Model, least):
    said = f"features is {least - 1}: .* each of 3 colours; take at least {least}$"
    with pytest.raises(ValueError, match=said):
        Model(3, 2, least - 1, 1)
    images = binary_images(3, 1, 2)
    p = (-nats(Model(3, 2, least, 1)(images), images)).exp()
    assert abs(p.sum() - 1) < 1e-12


@pytest.mark.parametrize(
    "images, said",
    [
        (torch.zeros(2, 1, 3, 5).long(), r"shape \(2, 1, 3, 5\): expected \(B, 3, H, W\)"),
        (torch.zeros(3, 3, 5).long(), "one image: images"),
        (torch.zeros(2, 3, 3, 5), "give levels, integers"),
        (torch.full((2, 3, 3, 5), 4), "level 4 in image 0.*expected 0..3"),
    ],
)
@each_network
def test_images_that_are_none(Model, images, said, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=said):
        Model(3, 4, 6, 1)(images)


@pytest.mark.parametrize("Model, names", [(PixelCNN, "h"), (GatedPixelCNN, "vh")])
def test_the_maps_of_each_layer_are_noted(Model, names):
    model, images = Model(1, 2, 6, 3), torch.randint(2, (2, 1, 4, 5))
    with trace(model) as log:
        logits = model(images)
    for name in names:
        maps = log.stack(name)
        assert maps.shape == (3, 2, 6, 4, 5)
    assert torch.equal(model.readout(log.stack("h")[-1]), logits)
