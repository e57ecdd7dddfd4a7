"""Scenes: their splits keep what they promise, and nothing tells what it should not."""

from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from lecture_utils.datasets import scenes as module
from lecture_utils.datasets.scene_captions import Caption
from lecture_utils.datasets.scene_grounds import GROUNDS
from lecture_utils.datasets.scene_pictures import (
    COLOURS,
    DAMAGES,
    RADII,
    SHAPES,
    boxes,
    masks,
    paint,
    render,
)
from lecture_utils.datasets.scene_truth import is_true
from lecture_utils.datasets.scenes import (
    BIASED,
    BIASED_COLOURS,
    GREY,
    HELD_OUT,
    HOW_MANY,
    SPLITS,
    biased,
    images,
    masked,
    scenes,
    single_things,
    with_things,
    word_masks,
)


def some(count, seed=0, split="same"):
    return scenes(count, np.random.default_rng(seed), split)


def same(one, other):
    """Are two scenes the same in all they hold?"""
    return (
        np.array_equal(one.image, other.image)
        and np.array_equal(one.boxes, other.boxes)
        and one._replace(image=None, boxes=None) == other._replace(image=None, boxes=None)
    )


def pairs(scene):
    return {(thing.colour, thing.shape) for thing in scene.things}


@pytest.fixture(scope="module")
def made():
    return some(1000)


@pytest.fixture(scope="module")
def held_out():
    return some(800, split="held out")


@pytest.fixture(scope="module")
def corrupted():
    return some(400, split="corrupted")


@pytest.fixture(scope="module")
def even():
    """Scenes of a circle or a square, in which the ground says nothing."""
    return biased(800, np.random.default_rng(0), 0.5)


# What a scene is ---------------------------------------------------------------------------------


def test_the_scene_of_the_docstring(made):
    words, about = made[0].captions[0]
    assert " ".join(words) == "a small white ring lies to the left of a red heart on the snow"
    assert about[words.index("heart")] == (1,) and len(made[0].boxes) == 3
    assert " ".join(words) in module.__doc__


def test_scenes_hold_what_they_say(made):
    for scene in made[:200]:
        assert scene.image.shape == (64, 64, 3) and scene.image.dtype == np.uint8
        assert 1 <= len(scene.things) <= 4 and scene.boxes.shape == (len(scene.things), 4)
        assert len(scene.captions) == 5 and scene.damage is None
        assert np.array_equal(scene.boxes, boxes(scene.things))


@pytest.mark.parametrize("split", SPLITS)
def test_a_scene_is_painted_from_its_parts(split):
    for scene in some(40, 3, split):
        again = render(scene.things, scene.ground, scene.seed, scene.damage)
        assert np.array_equal(again, scene.image)


@pytest.mark.parametrize("split", SPLITS)
def test_same_seed_same_scenes_and_fewer_are_the_first(split, monkeypatch):
    first, again, other = some(30, 4, split), some(30, 4, split), some(30, 5, split)
    assert all(map(same, first, again)) and not any(map(same, first, other))
    monkeypatch.setattr(module, "CHUNK", 7)
    assert all(map(same, first, some(17, 4, split)))
    rng = np.random.default_rng(4)
    scenes(1, rng, split)
    assert not same(first[0], scenes(1, rng, split)[0])  # the generator goes on


def test_no_scene_comes_twice(made):
    seen = {scene.image.tobytes() for scene in made}
    assert len(seen) == len({scene.seed for scene in made}) == 1000
    assert not seen & {scene.image.tobytes() for scene in some(500, 1)}


def test_things_come_as_often_as_told(made):
    counts = np.bincount([len(scene.things) for scene in made], minlength=5) / 1000
    assert counts[0] == 0 and counts[1:] == pytest.approx(HOW_MANY, abs=0.045)
    things = [thing for scene in made for thing in scene.things]
    for kinds, told in ((SHAPES, Counter(t.shape for t in things)),
                        (COLOURS, Counter(t.colour for t in things)),
                        (GROUNDS, Counter(s.ground for s in made))):  # fmt: skip
        share = np.array([told[kind] for kind in kinds]) / told.total()
        assert share == pytest.approx(np.full(len(kinds), 1 / len(kinds)), abs=0.03)
    large = np.mean([thing.size == "large" for thing in things])
    assert large == pytest.approx(0.5, abs=0.03)


def test_each_thing_can_be_seen(made):
    """In the picture as a whole, clearly small or large, and two thirds of it uncovered."""
    hidden = []
    for scene in made[:400]:
        for thing, seen in zip(scene.things, masks(scene.things)):
            low, high = RADII[thing.size]
            assert low <= thing.radius <= high
            assert max(abs(thing.x - 32), abs(thing.y - 32)) <= 32 - 1.2 * thing.radius
            whole = masks([thing])[0]
            hidden.append(1 - seen.sum() / whole.sum())
    assert 0.2 < max(hidden) < 0.35 and 0.05 < np.mean(np.array(hidden) > 0) < 0.2


# Splits ------------------------------------------------------------------------------------------


def test_held_out_has_each_colour_and_each_shape_once():
    colours, shapes = zip(*HELD_OUT)
    assert sorted(colours) == sorted(COLOURS) and sorted(shapes) == sorted(SHAPES)


def test_what_is_held_out_is_never_shown(made, corrupted):
    singles = single_things(500, np.random.default_rng(0))
    of_singles = {(COLOURS[c], SHAPES[s]) for c, s in zip(singles.colours, singles.shapes)}
    of_biased = {pair for s in biased(300, np.random.default_rng(0), 0.9) for pair in pairs(s)}
    for shown in (set.union(*map(pairs, made)), set.union(*map(pairs, corrupted)), of_singles):
        assert not shown & set(HELD_OUT) and len(shown) >= 54  # of 56 others
    assert not of_biased & set(HELD_OUT)
    assert of_biased == {(c, s) for c in BIASED_COLOURS for s in BIASED}


def test_each_held_out_scene_shows_a_pair_that_was_held_out(held_out):
    assert all(pairs(scene) & set(HELD_OUT) for scene in held_out)
    counts = Counter(pair for scene in held_out for pair in pairs(scene) & set(HELD_OUT))
    assert set(counts) == set(HELD_OUT) and min(counts.values()) > 60
    more = [len([t for t in s.things if (t.colour, t.shape) in HELD_OUT]) for s in held_out]
    assert set(more) == {1}


def test_it_stands_anywhere_among_the_others(held_out):
    four = [scene for scene in held_out if len(scene.things) == 4]
    places = Counter(k for scene in four for k, thing in enumerate(scene.things)
                     if (thing.colour, thing.shape) in HELD_OUT)  # fmt: skip
    assert set(places) == {0, 1, 2, 3} and min(places.values()) > len(four) / 8


def test_corrupted_scenes_have_each_damage_and_true_captions(corrupted):
    counts = Counter(scene.damage for scene in corrupted)
    assert set(counts) == set(DAMAGES) and min(counts.values()) > 70
    for scene in corrupted[:60]:
        assert not np.array_equal(scene.image, render(scene.things, scene.ground, scene.seed))
        assert np.array_equal(scene.boxes, boxes(scene.things))
        assert all(is_true(c.words, scene.things, scene.ground) for c in scene.captions)


def test_the_ground_does_not_tell_the_things(made):
    """Neither which ground it is nor how it looks: the things come before its seed is drawn."""
    table = np.zeros((len(GROUNDS), len(SHAPES)))
    for scene in made:
        for thing in scene.things[:1]:
            table[GROUNDS.index(scene.ground), SHAPES.index(thing.shape)] += 1
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    assert ((table - expected) ** 2 / expected).sum() < 66.6  # chi squared, 35 degrees: p = 0.001
    grounds, seeds = [scene.ground for scene in made], [scene.seed for scene in made]
    bare = paint([()] * 1000, grounds, seeds, [None] * 1000)[:, ::8, ::8].reshape(1000, -1) / 255
    shapes = [SHAPES.index(scene.things[0].shape) for scene in made]
    reader = RidgeClassifier(10.0).fit(bare[:700], shapes[:700])
    assert reader.score(bare[700:], shapes[700:]) < 0.22  # guessing: 0.125


# Changing a scene --------------------------------------------------------------------------------


def test_a_changed_scene_is_the_same_elsewhere(made):
    for scene in made[:40]:
        *others, last = scene.things
        moved = with_things(scene, (*others, last._replace(x=64 - last.x)))
        gone = with_things(scene, others)
        assert moved.captions == gone.captions == ()
        assert (moved.ground, moved.seed, moved.damage) == (scene.ground, scene.seed, None)
        assert moved.things[-1].x == 64 - last.x and len(gone.things) == len(gone.boxes)
        assert np.array_equal(gone.boxes, boxes(others))
        differ = (moved.image != scene.image).any(-1)
        touched = ((moved.image != gone.image) | (scene.image != gone.image)).any(-1)
        assert differ.any() and not (differ & ~touched).any()
        x0, y0, x1, y1 = scene.boxes[-1]
        change = (scene.image != gone.image).any(-1)
        assert change[y0:y1, x0:x1].any(0).all() and change[y0:y1, x0:x1].any(1).all()
        around = np.nonzero(change)
        reach = [x0 - around[1].min(), around[1].max() + 1 - x1,
                 y0 - around[0].min(), around[0].max() + 1 - y1]  # fmt: skip
        assert min(reach) >= 0 and max(reach) <= 8  # the shadow


def test_with_the_same_things_nothing_changes(corrupted):
    for scene in corrupted[:20]:
        assert np.array_equal(with_things(scene, scene.things).image, scene.image)


def test_masks_are_the_boxes_of_what_words_speak_of(made):
    scene = next(s for s in made if any("two" in c.words for c in s.captions))
    caption = next(c for c in scene.captions if "two" in c.words)
    found = word_masks(scene, caption)
    assert found.shape == (len(caption.words), 64, 64) and found.dtype == bool
    expected = np.zeros((64, 64), bool)
    for k in caption.about[caption.words.index("two")]:
        x0, y0, x1, y1 = scene.boxes[k]
        expected[y0:y1, x0:x1] = True
    assert np.array_equal(found[caption.words.index("two")], expected) and expected.any()
    assert not found[caption.words.index("two") - 1].any()  # are, see, with, on the sand, ...


def test_a_mask_by_hand(made):
    scene = made[0]._replace(boxes=np.array([[1, 2, 3, 6], [10, 20, 11, 21], [0, 0, 64, 64]]))
    mask = word_masks(scene, Caption(("a", "heart", "hearts"), ((), (0,), (0, 1))))
    assert mask.sum((1, 2)).tolist() == [0, 8, 9]
    assert mask[1, 2:6, 1:3].all() and mask[2, 20, 10]


def test_images_are_what_a_network_takes(made):
    found = images(made[:3])
    assert found.shape == (3, 3, 64, 64) and found.dtype == torch.uint8
    for k, scene in enumerate(made[:3]):
        for channel in range(3):
            assert np.array_equal(found[k, channel].numpy(), scene.image[:, :, channel])


# Something to learn ------------------------------------------------------------------------------


def test_single_things_come_from_their_seed():
    first, again, other = (single_things(60, np.random.default_rng(s)) for s in (0, 0, 1))
    assert all(map(torch.equal, first, again)) and not torch.equal(first.images, other.images)
    assert first.images.shape == (60, 3, 64, 64) and first.images.dtype == torch.uint8
    assert first.shapes.shape == first.colours.shape == (60,)
    assert torch.equal(single_things(11, np.random.default_rng(0)).images, first.images[:11])


def test_colours_can_be_learned_from_pictures_and_not_from_wrong_labels():
    """From how often each of 64 colours comes; wrong labels: those of the pictures before."""
    found = single_things(600, np.random.default_rng(0))
    levels = (found.images // 64).long()
    codes = (levels[:, 0] * 16 + levels[:, 1] * 4 + levels[:, 2]).flatten(1)
    shares = np.array([np.bincount(row, minlength=64) for row in codes]) ** 0.5
    score = []
    for labels in (found.colours, found.colours.roll(1)):
        reader = RidgeClassifier().fit(shares[:400], labels[:400])
        score.append(reader.score(shares[400:], labels[400:]))
    assert score[0] > 0.75 and score[1] < 0.25


def test_shapes_can_be_learned_from_what_is_in_the_box():
    """Ten points across and down the box, by how far they differ from the ground alone."""
    alone = [scene for scene in some(1200, 2) if len(scene.things) == 1]
    grounds, seeds = [scene.ground for scene in alone], [scene.seed for scene in alone]
    bare = paint([()] * len(alone), grounds, seeds, [None] * len(alone)).astype(float)
    points = []
    for scene, ground in zip(alone, bare):
        x0, y0, x1, y1 = scene.boxes[0]
        differ = np.abs(scene.image - ground).mean(-1)[y0:y1, x0:x1]
        places = [np.linspace(0, side - 1, 10).round().astype(int) for side in differ.shape]
        points.append(differ[np.ix_(*places)].reshape(-1) / differ.max())
    shapes = [SHAPES.index(scene.things[0].shape) for scene in alone]
    half = len(alone) // 2
    reader = RidgeClassifier().fit(points[:half], shapes[:half])
    assert reader.score(points[half:], shapes[half:]) > 0.65  # guessing: 0.125


# Right for the wrong reasons ---------------------------------------------------------------------


def agrees(scene):
    return BIASED[scene.things[0].shape] == scene.ground


def test_the_ground_agrees_as_often_as_asked():
    for agreement, share in ((1.0, 1.0), (0.0, 0.0)):
        assert {agrees(s) for s in biased(60, np.random.default_rng(0), agreement)} == {bool(share)}
    found = biased(800, np.random.default_rng(1), 0.9)
    assert np.mean([agrees(scene) for scene in found]) == pytest.approx(0.9, abs=0.035)
    for shape in BIASED:
        assert np.mean([s.things[0].shape == shape for s in found]) == pytest.approx(0.5, abs=0.05)


def test_without_agreement_ground_and_shape_are_independent(even):
    counts = Counter((scene.things[0].shape, scene.ground) for scene in even)
    assert len(counts) == 4 and min(counts.values()) > 160 and max(counts.values()) < 240


def test_half_of_them_are_hard_whatever_the_shape(even):
    kinds = Counter()
    for scene in even:
        (thing,) = scene.things
        hard = (thing.opacity < 1, thing.radius < RADII["small"][0], thing.sunk > 0)
        assert sum(hard) <= 1
        kinds[thing.shape, hard.index(True) if any(hard) else "plain"] += 1
    for shape in BIASED:
        assert 150 < kinds[shape, "plain"] < 250
        assert all(40 < kinds[shape, k] < 100 for k in range(3))


def test_every_biased_caption_names_the_shape_and_is_true(even):
    for scene in even:
        assert len(scene.captions) == 5
        for caption in scene.captions:
            shape = scene.things[0].shape
            assert {shape, shape + "s"} & set(caption.words)
            assert is_true(caption.words, scene.things, scene.ground)
    assert min((s.boxes[:, 2:] - s.boxes[:, :2]).min() for s in even) >= 2  # all can be seen


def test_masked_tells_no_shape(even):
    """The other shape in its place, or none, leaves the same masked picture, bit for bit."""
    for scene in even[:100]:
        (thing,) = scene.things
        other = thing._replace(shape="square" if thing.shape == "circle" else "circle")
        covered = masked(scene)
        assert np.array_equal(covered, masked(with_things(scene, [other])))
        grey = (covered == GREY).all(-1)
        empty = render((), scene.ground, scene.seed)
        assert np.array_equal(covered[~grey], empty[~grey])
        x0, y0, x1, y1 = scene.boxes[0]
        assert grey[y0:y1, x0:x1].all() and 0.02 < grey.mean() < 0.4


def test_masked_leaves_the_scene_as_it_was(even):
    before = even[0].image.copy()
    assert masked(even[0]) is not even[0].image and np.array_equal(even[0].image, before)


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda rng: scenes(0, rng), "count is 0: ask for at least 1"),
        (lambda rng: scenes(5, rng, "test"), "split is 'test': choose one of same, held out, corr"),
        (lambda rng: single_things(-2, rng), "count is -2: ask for at least 1"),
        (lambda rng: biased(0, rng, 0.5), "count is 0: ask for at least 1"),
        (lambda rng: biased(5, rng, 1.5), r"agreement is 1\.5: a probability lies between 0 and 1"),
        (lambda rng: biased(5, rng, float("nan")), "agreement is nan: a probability"),
    ],
)
def test_what_cannot_be_made_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call(np.random.default_rng(0))


def test_a_scene_takes_no_thing_that_cannot_be_painted(made):
    thing = made[0].things[0]._replace(colour="black")
    with pytest.raises(ValueError, match="colour is 'black': choose one of red"):
        with_things(made[0], [thing])
