"""The two recipes of lesson 07 with hardly any data: what they write is what they measured."""

import json
import math

import numpy as np
import pytest
import torch

from lecture_utils.datasets.colour_scenes import colour_scenes
from lecture_utils.datasets.digits import Images, grey_digits
from lecture_utils.models.pixels import IndependentPixels, bits_per_dim, may_see, nats, sampling
from lecture_utils.recipes import colour_pixels, pixel_models
from lecture_utils.training.checkpoints import card, experiment, experiment_card

COLUMNS = [
    "model", "start", "weights", "seconds_per_epoch", "train", "validation", "test", "passes",
]  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A short run of everything on few images: where it wrote, training and test images."""
    output = str(tmp_path_factory.mktemp("run") / "short")
    train, test = (Images(part.images[:80], part.labels[:80]) for part in grey_digits())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_models, "grey_digits", lambda: (train, test))
        pixel_models.main(["--epochs", "2", "--starts", "2", "--output", output])
    return output, pixel_models.set_aside(train)[0].images, test.images


def test_the_four_networks_have_about_as_many_weights_that_are_not_masked():
    counts = {name: pixel_models.weights(make()) for name, make in pixel_models.MODELS.items()}
    assert counts.pop("logistic") == 64 * 17 + 17 * 64 * 63 // 2
    assert len(counts) == 4 and max(counts.values()) < 1.05 * min(counts.values())
    for make in pixel_models.MODELS.values():
        assert make()(torch.zeros(1, 1, 8, 8).long()).shape == (1, 1, 8, 8, 17)


@pytest.mark.parametrize("name", pixel_models.MODELS)
def test_a_weight_counts_if_it_changes_anything(name):
    """The loss depends on as many weights as are counted: none that is masked, all the others."""
    torch.manual_seed(0)
    model = pixel_models.MODELS[name]().double()
    images = torch.randint(17, (40, 1, 8, 8))
    (nats(model(images), images) * torch.randn(40)).sum().backward()
    moved = sum(int((p.grad != 0).sum()) for p in model.parameters())
    counted = pixel_models.weights(model)
    assert 0.85 * counted < moved <= counted  # behind a relu some are dead


def test_the_table_holds_what_the_shipped_weights_do(table):
    output, train, test = table
    rows = pixel_models.measured(output)
    assert list(rows[0]) == COLUMNS
    names = [name for name in pixel_models.MODELS for _ in range(2)]
    assert [row["model"] for row in rows] == ["uniform", "independent", *names]
    uniform, independent, *networks = rows
    assert uniform["train"] == uniform["test"] == pytest.approx(math.log2(17), abs=1e-4)
    assert uniform["weights"] == 0 and independent["weights"] == 64 * 17
    counted = IndependentPixels(1, 17, 8, 8).count(train)
    assert independent["test"] == pytest.approx(pixel_models.bits(counted, test), abs=1e-4)
    about = experiment_card(output)
    for row, other in zip(networks[::2], networks[1::2]):
        assert (row["start"], other["start"]) == (0, 1) and row["test"] != other["test"]
        model = pixel_models.network(row["model"], output)  # read back, rounded to float16
        logits = model(test)
        found = bits_per_dim(nats(logits, test).mean().item(), 64)
        assert row["test"] == pytest.approx(found, abs=1e-4)
        assert row["weights"] == pixel_models.weights(model)
        assert row["passes"] == 64 and row["seconds_per_epoch"] > 0
        of_model = card(pixel_models._checkpoint(output, row["model"]))
        assert of_model["metrics"]["test, bits per dimension"] == row["test"]
        assert of_model["stored_as"] == ["float16"] and of_model["steps"] == 2 * (72 // 32)
        assert about["metrics"][f"{row['model']}, bits per dimension, start 1"] == other["test"]


def test_the_second_table_is_the_training(table):
    output, _, _ = table
    epochs, rows = experiment(f"{output}_training"), pixel_models.measured(output)
    assert epochs["epoch"].tolist() == [1, 2] * 10
    last = {}
    for model, start, seconds, validation in zip(
        *(epochs[name] for name in ("model", "start", "seconds", "validation"))
    ):
        assert seconds > last.get((model, start), (0, 0))[0]
        last[model, start] = seconds, validation
    for row in rows[2:]:  # before it was rounded to float16
        assert last[row["model"], row["start"]][1] == pytest.approx(row["validation"], abs=2e-3)


def test_copies_are_found_also_those_that_were_moved_or_changed_a_little():
    images = grey_digits()[0].images[:40]
    found = pixel_models.nearest(images[[7, 3]], among=images)
    assert found.distance.tolist() == [0, 0] and found.index.tolist() == [7, 3]
    assert found.ratio.tolist() == [0, 0]
    moved = torch.zeros_like(images[:5])
    moved[..., :-1, 1:] = images[:5, ..., 1:, :-1]  # up and to the right
    found = pixel_models.nearest(moved, among=images)
    assert found.distance.tolist() == [0] * 5 and found.index.tolist() == [0, 1, 2, 3, 4]
    moved[:, 0, 2, 2] += 3
    assert pixel_models.nearest(moved, images).distance == pytest.approx([3] * 5)


def test_the_ratio_is_to_another_image_not_to_another_move_of_the_same():
    images, new = grey_digits()[0].images[:30], grey_digits()[1].images[:10]
    far = torch.stack([
        torch.cdist(new.flatten(1).double(), _put(images, down, right).flatten(1).double())
        for down in (0, 1, 2) for right in (0, 1, 2)
    ]).amin(0)  # fmt: skip
    first, second = far.sort(dim=1).values[:, :2].T
    found = pixel_models.nearest(new, among=images)
    assert found.distance == pytest.approx(first.numpy())
    assert found.ratio == pytest.approx((first / second).numpy())


def _put(images, down, right):
    """On a page that is larger by a pixel on each side, of which the middle is kept."""
    page = torch.zeros(len(images), 1, 10, 10, dtype=images.dtype)
    page[:, :, down : down + 8, right : right + 8] = images
    return page[:, :, 1:9, 1:9]


def test_only_one_writes_no_table_and_learns(tmp_path, capsys):
    output = tmp_path / "one"
    told = "--only logistic --epochs 2 --starts 1"
    pixel_models.main([*told.split(), "--output", str(output)])
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        "one_logistic.json", "one_logistic.safetensors",
    ]  # fmt: skip
    ships = pixel_models.network("logistic", str(output))
    found = pixel_models.bits(ships, grey_digits()[1].images)
    assert 1.5 < found < 3  # a uniform guess needs 4.09, independent pixels 2.6
    assert "35,360 weights" in capsys.readouterr().out
    written = json.loads((tmp_path / "one_logistic.json").read_text())
    assert told in written["command"] and written["steps"] == 2 * 40


def test_each_epoch_brings_each_image_once_in_a_new_order():
    images = torch.arange(70).view(70, 1, 1, 1)
    batches, again = (pixel_models.batches(images, 32) for _ in range(2))
    epochs = [torch.cat([next(batches), next(batches)]).flatten().tolist() for _ in range(3)]
    assert all(len(set(epoch)) == 64 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert torch.cat([next(again), next(again)]).flatten().tolist() == epochs[0]


@pytest.mark.parametrize(
    "name, side",
    [("logistic", 8), ("gated PixelCNN", 5), ("Row LSTM", 4), ("Diagonal BiLSTM", 4)],
)
def test_samples_are_those_of_the_plain_way(name, side):
    torch.manual_seed(0)
    model = pixel_models.MODELS[name]().double()
    found = pixel_models.samples(model, 3, side, seed=4)
    uniforms = torch.rand(3, 1, side, side, generator=torch.Generator().manual_seed(4))
    *_, last = sampling(model, uniforms)
    assert torch.equal(found, last.images) and last.passes == side**2
    assert not torch.equal(found, pixel_models.samples(model, 3, side, seed=5))


def test_a_model_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no model 'gated': choose from logistic, PixelCNN"):
        pixel_models.network("gated")
    with pytest.raises(ValueError, match="no part 'held out': choose from train"):
        colour_pixels.scenes("held out", 3)


# Colour scenes: baselines ------------------------------------------------------------------------


@pytest.fixture
def images():
    return colour_scenes(12, np.random.default_rng(0), size=16).images.byte()


def test_bits_of_independent_pixels_are_those_of_the_model(images):
    train, test = images[:8], images[8:]
    log2_p, seen = colour_pixels.by_table(train, colour_pixels.place)
    assert seen == 3 * 16 * 16 and log2_p.shape == (seen, 8)
    model = IndependentPixels(3, 8, 16, 16).count(train.long())
    found = colour_pixels.table_bits(log2_p, test, colour_pixels.place)
    assert found == pytest.approx(pixel_models.bits(model, test), abs=1e-5)


@pytest.mark.parametrize("name", colour_pixels.CONTEXTS)
def test_a_context_is_made_of_what_comes_before(name, images):
    """Another level at a place: who notices?"""
    context, images = colour_pixels.CONTEXTS[name], images[:1, :, :5, :5]
    before, noticed = context(images), 0
    for place in np.ndindex(3, 5, 5):
        other = images.clone()
        other[0][place] = (other[0][place] + 1) % 8
        for c, i, j in (context(other) != before)[0].nonzero().tolist():
            noticed += 1
            assert may_see(c, i, j, (3, 5, 5))[place]
    # Left neighbours 3 * 5 * 4, as many above, and two colours before at 25 pixels; with those
    # above right, 3 * 4 * 4, and the third colour's other one before.
    assert noticed == dict(zip(colour_pixels.CONTEXTS, (0, 60, 60 + 60 + 50, 170 + 48 + 25)))[name]


def test_a_table_counts_one_more_than_was_seen():
    train = torch.tensor([[5, 5, 5, 2]]).view(1, 1, 1, 4).byte()
    log2_p, seen = colour_pixels.by_table(train, colour_pixels.left)
    assert seen == 2  # after a 5, and where there is nothing to the left (8)
    assert 2.0 ** log2_p[5] == pytest.approx([1 / 11, 1 / 11, 2 / 11, 1 / 11, 1 / 11, 3 / 11,
                                              1 / 11, 1 / 11])  # fmt: skip
    assert 2.0 ** log2_p[8, 5] == pytest.approx(2 / 9)
    new = torch.tensor([[5, 5, 0, 0]]).view(1, 1, 1, 4).byte()
    bits = -math.log2(2 / 9) - math.log2(3 / 11) - math.log2(1 / 11) + 3  # after a 0: never seen
    assert colour_pixels.table_bits(log2_p, new, colour_pixels.left) == pytest.approx(bits / 4)


def test_who_knows_more_pays_less():
    train, test = colour_pixels.scenes("train", 150), colour_pixels.scenes("test", 30)
    assert train.dtype == torch.uint8 and not torch.equal(train[:30], test)
    found = []
    for context in colour_pixels.CONTEXTS.values():
        log2_p, _ = colour_pixels.by_table(train, context)
        found.append(colour_pixels.table_bits(log2_p, test, context))
    assert 3 > found[0] > found[1] > found[2] > 0.5


# Colour scenes: the run --------------------------------------------------------------------------


@pytest.fixture
def short(tmp_path, monkeypatch):
    """The whole recipe on a few small scenes; returns its arguments for an output."""
    drawn = colour_scenes(30, np.random.default_rng(0), size=16).images.byte()
    parts = {"train": drawn[:20], "validation": drawn[20:24], "test": drawn[24:]}
    monkeypatch.setattr(colour_pixels, "scenes", lambda part, count: parts[part])
    monkeypatch.setattr(colour_pixels, "EARLY", (2, 5))
    options = ["--features", "6", "--layers", "2", "--updates", "9", "--batch", "6"]
    return lambda name, *more: [
        *options, *more, "--output", str(tmp_path / name), "--run", str(tmp_path / f"{name}.run"),
    ]  # fmt: skip


def test_an_interrupted_run_goes_on_where_it_stopped(short, tmp_path, monkeypatch, capsys):
    colour_pixels.main(short("whole"))
    assert "gated, bits per dimension: " in capsys.readouterr().out

    def stopped(*arguments, **named):
        for step in fit(*arguments, **named):
            yield step
            if step.index == 6:
                raise KeyboardInterrupt

    fit = colour_pixels.fit
    monkeypatch.setattr(colour_pixels, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        colour_pixels.main(short("parts"))
    assert not (tmp_path / "parts_table.csv").exists()
    monkeypatch.setattr(colour_pixels, "fit", fit)
    colour_pixels.main(short("parts"))
    assert "going on after step 6" in capsys.readouterr().out
    whole, parts = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    curves = [experiment(tmp_path / f"{name}_training") for name in ("whole", "parts")]
    assert curves[0]["step"].tolist() == curves[1]["step"].tolist() == [2, 5, 9]
    assert curves[0]["validation"].tolist() == curves[1]["validation"].tolist()
    with pytest.raises(ValueError, match="other options.*'batch': 6"):
        colour_pixels.main([*short("parts"), "--batch", "5"])


@pytest.mark.parametrize("model", ["gated", "plain"])
def test_the_table_of_scenes_holds_what_the_shipped_weights_do(short, tmp_path, model):
    output = tmp_path / "run"
    colour_pixels.main([*short("run"), "--model", model, "--bfloat16"])
    table, about = experiment(f"{output}_table"), card(output)
    assert table["model"].tolist() == ["uniform", *colour_pixels.CONTEXTS, model]
    assert table["passes"].tolist() == [1, 1, *[768] * 4] and table["test"][0] == 3
    ships = colour_pixels.network(str(output))
    assert about["stored_as"] == ["float16"] and about["model"] == model
    assert table["weights"][-1] == pixel_models.weights(ships)
    test = colour_pixels.scenes("test", 6).long()
    found = bits_per_dim(nats(ships(test), test).mean().item(), 768)
    assert table["test"][-1] == pytest.approx(found, abs=1e-4)
    assert about["metrics"][f"{model}, bits per dimension"] == table["test"][-1]
    assert type(ships) is colour_pixels.MODELS[model].func
    assert pixel_models.samples(ships, 2, side=5).shape == (2, 3, 5, 5)


def test_the_two_networks_have_about_as_many_weights():
    gated, plain = (
        make(features=colour_pixels.FEATURES[name], layers=colour_pixels.LAYERS)
        for name, make in colour_pixels.MODELS.items()
    )
    assert pixel_models.weights(gated) == pytest.approx(pixel_models.weights(plain), rel=0.03)
    for model in (gated, plain):
        assert 2 * sum(p.numel() for p in model.parameters()) < 4_000_000  # bytes, as it ships


def test_more_images_in_a_batch_than_there_are_is_refused(short):
    with pytest.raises(ValueError, match="--batch is 21, and there are 20 scenes"):
        colour_pixels.main([*short("run"), "--batch", "21"])
