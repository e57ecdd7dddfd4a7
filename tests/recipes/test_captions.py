"""What the recipes of lessons 08 and 09 count: truth, maps, bias; each captioner learns."""

import numpy as np
import pytest
import torch

from lecture_utils.datasets.scene_captions import PAD, START
from lecture_utils.datasets.scenes import biased, images, scenes, single_things
from lecture_utils.models.captioner import Chance
from lecture_utils.recipes import caption_bias, captions, scene_classifier


@pytest.fixture(scope="module")
def found():
    return scenes(24, np.random.default_rng(5))


def own(found):
    return [scene.captions[0].words for scene in found]


def test_the_shipped_classifier_knows_the_pairs_that_it_was_shown():
    assert scene_classifier.right(
        scene_classifier.network(), single_things(200, np.random.default_rng(77))
    ) > 0.97  # fmt: skip


def test_true_captions_get_full_marks_and_lies_none(found):
    seen = {own(found)[0]}
    marks = {name: value for name, value, _ in captions.scored(own(found), found, seen)}
    assert marks["true"] == marks["sentence"] == marks["true object"] == marks["true ground"] == 1
    assert marks["BLEU-4"] == pytest.approx(1)
    assert marks["seen before"] == own(found).count(own(found)[0]) / len(found)
    swapped = own(found)[1:] + own(found)[:1]
    lies = [words for words, scene in zip(swapped, found)
            if not captions.share_true([words], [scene])]  # fmt: skip
    assert len(lies) > len(found) / 2
    assert captions.share_true([["red", "a", "heart"]], found[:1]) == 0
    assert captions.verdicts(["red", "a"], found[0]) == [("no sentence of the grammar", None)]
    assert all(right for _, right in captions.verdicts(own(found)[0], found[0]))


def test_an_even_map_has_in_a_box_the_share_of_its_area():
    box = torch.zeros(64, 64, dtype=torch.bool)
    box[5:17, 30:51] = True
    even = torch.full((8, 8), 1 / 64)
    assert captions.share_in(box, even) == pytest.approx(12 * 21 / 64**2)
    one = torch.zeros(8, 8)
    one[1, 4] = 1  # rows 8 to 15, columns 32 to 39: all of it in the box
    assert captions.share_in(box, one) == 1


def test_batches_have_five_captions_per_picture_and_no_column_of_padding(found):
    pictures, codes, *luck = next(captions.batches(images(found), captions.captions(found), 8))
    assert pictures.shape == (8, 3, 64, 64) and codes.shape[:2] == (8, 5)
    assert (codes[..., 0] == START).all() and (codes[..., -1] != PAD).any()
    assert luck[0].shape == (40, codes.shape[2] - 1) and luck[1].shape == (40,)
    assert Chance(*luck).expected.dtype == torch.bool


@pytest.mark.parametrize("kind", captions.KINDS)
def test_each_kind_of_captioner_learns_on_a_batch(kind, found):
    torch.manual_seed(0)
    model, lesson = captions.model(kind), captions.Lesson(kind)
    batch = next(captions.batches(images(found[:4]), captions.captions(found[:4]), 4))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    before = captions.nats_per_word(model, found[:4])
    for _ in range(6):
        optimizer.zero_grad()
        lesson.loss(model, batch).backward()
        optimizer.step()
    assert captions.nats_per_word(model, found[:4]) < before - 0.3
    maps = captions.maps(model, batch[0], batch[1][:, 0])
    assert maps.shape == (4, batch[1].shape[2] - 1, 8, 8)
    assert torch.allclose(maps.sum((-2, -1)), torch.ones(maps.shape[:2]), atol=1e-4)


def test_an_unknown_captioner_is_refused():
    with pytest.raises(ValueError, match="no captioner 'gru': choose from rnn, lstm"):
        captions.model("gru")


# Bias --------------------------------------------------------------------------------------------


class Told(torch.nn.Module):
    """Says by the picture's first pixel how likely circle and square are, whatever comes before."""

    def __init__(self):
        super().__init__()
        self.network = torch.nn.Identity()

    def captioner(self, features, words):
        logits = torch.zeros(*words.shape, len(captions.VOCABULARY))
        share = features[:, 0, 0, 0].float() / 255
        logits[..., caption_bias.CIRCLES[0]] = (10 * share)[:, None]
        logits[..., caption_bias.SQUARES[0]] = (10 * (1 - share))[:, None]
        return logits


def test_confusion_asks_for_no_preference_and_confidence_for_the_right_one():
    found = [s for s in biased(40, np.random.default_rng(2), 0.5) if s.things[0].shape == "circle"]
    codes = captions.captions(found[:4])

    def cost(seen, unseen, confusion, confident):
        pictures, without = (
            torch.full((4, 3, 64, 64), level, dtype=torch.uint8) for level in (seen, unseen)
        )
        return float(caption_bias.loss(Told(), (pictures, without, codes), confusion, confident))

    assert cost(255, 128, 10, 0) < cost(255, 255, 10, 0) - 3  # sure of a thing that it cannot see
    assert cost(255, 0, 0, 1) < cost(0, 0, 0, 1) - 100  # says square for a circle
    assert cost(255, 0, 0, 0) == cost(255, 255, 0, 0)  # plain cross-entropy hides nothing


def test_the_shape_that_a_caption_names():
    assert caption_bias.shape_said("there is a small red circle on the sand".split()) == "circle"
    assert caption_bias.shape_said("two squares lie on the grass".split()) == "square"
    assert caption_bias.shape_said("there is a red heart on the sand".split()) is None
    assert caption_bias.shape_said("circle a".split()) is None


def test_the_hidden_pictures_hide_the_thing():
    found = biased(6, np.random.default_rng(3), 0.5)
    changed = (caption_bias.hidden(found) != images(found)).any(1)
    for scene, here in zip(found, changed):
        x, y = int(scene.things[0].x), int(scene.things[0].y)
        assert here[y, x] and here.float().mean() < 0.5
