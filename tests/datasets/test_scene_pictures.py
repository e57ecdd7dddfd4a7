"""Painted things: where they are, that they look as they are called, and that each stands alone."""

import numpy as np
import pytest

from lecture_utils.datasets.scene_grounds import GROUNDS, SIDE
from lecture_utils.datasets.scene_pictures import (
    COLOURS,
    DAMAGES,
    LARGE_FROM,
    PAINT,
    RADII,
    SHAPES,
    Thing,
    boxes,
    masks,
    paint,
    paint_boxes,
    render,
)


def middling(shape="circle", colour="red", **changes):
    return Thing(shape, colour, 32.0, 32.0, 10.0)._replace(**changes)


def some_things(rng, count):
    """Things anywhere, also over each other and over the edge, some of them sunk."""
    return [
        Thing(
            SHAPES[rng.integers(8)], COLOURS[rng.integers(8)], *rng.uniform(0, SIDE, 2),
            rng.uniform(2, 12), rng.uniform(-3, 3), 1.0, rng.choice([0.0, 0.6]),
        )
        for _ in range(count)
    ]  # fmt: skip


def differ(first, second):
    """The pixels in which two pictures differ."""
    return (first != second).any(-1)


def box_around(mask):
    """The box by other means; 0, 0, 0, 0 around nothing."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return [0, 0, 0, 0]
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


# Where things are --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thing, box",
    [
        (middling("circle"), (22, 22, 42, 42)),  # 9.6 around 32: pixel 22 is covered from 22.4 on
        (middling("square"), (24, 24, 40, 40)),  # 8.4 around 32: pixel 23 is covered by 0.4
        (middling("ring", radius=6.0), (26, 26, 38, 38)),
        (middling("circle", x=2.0), (0, 22, 12, 42)),  # the rest is outside the picture
        (middling("circle", y=64.0), (22, 54, 42, 64)),
        (middling("circle", sunk=0.5), (22, 22, 42, 32)),  # its lower half is under ground
    ],
)
def test_boxes_by_hand(thing, box):
    assert boxes([thing]).tolist() == [list(box)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_box_is_around_what_another_colour_changes(shape):
    """What is painted agrees with what the box says, to the pixels of a soft edge."""
    apart = []
    for seed in range(12):
        thing = some_things(np.random.default_rng([seed, 1]), 1)[0]
        thing = thing._replace(shape=shape, colour="white", sunk=0.0, radius=5.0 + seed / 2)
        pictures = [render([thing._replace(colour=c)], "sand", seed) for c in ("white", "purple")]
        change = np.abs(np.subtract(*pictures, dtype=int)).max(-1)
        box = boxes([thing])[0]
        apart.append(np.abs(box - box_around(change > 35)))
        around = np.array(box_around(change > 0))
        assert np.all(box[:2] >= around[:2]) and np.all(box[2:] <= around[2:])
    assert np.max(apart) <= 2 and np.mean(apart) < 0.45


def test_boxes_and_masks_are_the_same_for_many_at_once_and_by_other_means():
    rng = np.random.default_rng(0)
    scenes = [some_things(rng, k % 5) for k in range(120)]
    for things, found in zip(scenes, paint_boxes(scenes)):
        assert found.shape == (len(things), 4)
        assert np.array_equal(found, boxes(things))
        assert found.tolist() == [box_around(mask) for mask in masks(things)]


def test_a_mask_leaves_out_what_later_things_cover():
    one, two = middling("square"), middling("circle", "blue", x=40.0, radius=6.0)
    (below, above), (alone,) = masks([one, two]), masks([one])
    assert np.array_equal(above, masks([two])[0])
    assert not (below & above).any() and below.sum() < alone.sum()
    assert (alone & ~above & ~below).sum() <= 3  # pixels in which each covers less than half
    assert boxes([one, two])[0].tolist() == [24, 24, 40, 40]  # its corners can be seen
    assert boxes([one, two._replace(radius=12.0)])[0, 2] < 40  # and now they cannot


def test_what_is_wholly_hidden_has_no_box():
    hidden = middling(radius=3.0)
    assert boxes([hidden, middling("square")]).tolist()[0] == [0, 0, 0, 0]
    over_the_edge = middling(x=0.0), middling("square", x=4.0, radius=12.0)
    assert not masks(over_the_edge)[0].any()  # what could be seen of it is left of the picture
    assert boxes(over_the_edge).tolist()[0] == [0, 0, 0, 0]


def test_nothing_has_no_boxes():
    assert boxes([]).shape == (0, 4) and masks([]).shape == (0, SIDE, SIDE)
    assert [found.shape for found in paint_boxes([[], []])] == [(0, 4), (0, 4)]


# What they look like -----------------------------------------------------------------------------

AREAS = {  # of radius 1
    "circle": np.pi * 0.96**2,
    "square": 1.68**2 - (4 - np.pi) * 0.1**2,
    "ring": np.pi * (1.0**2 - 0.42**2),
    "cross": 2 * 1.96 * 0.64 - 0.64**2,
    "triangle": 3 * np.sqrt(3) * 0.58**2,
    "star": 10 * 0.5 * 1.12 * 0.55 * np.sin(np.pi / 5),
}


@pytest.mark.parametrize("shape", AREAS)
def test_shapes_have_the_areas_of_geometry(shape):
    places = 31.5 + np.random.default_rng(0).random((20, 2))
    things = [middling(shape, x=x, y=y, radius=11.5, turn=x - 32) for x, y in places]
    found = np.mean([masks([thing]).sum() for thing in things])
    assert found / 11.5**2 == pytest.approx(AREAS[shape], rel=0.01)


def test_no_two_shapes_look_the_same():
    for radius in (RADII["small"][0], RADII["large"][1]):
        found = [masks([middling(shape, radius=radius)])[0] for shape in SHAPES]
        for k, one in enumerate(found):
            for other in found[:k]:
                assert (one ^ other).sum() / (one | other).sum() > 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_turn_is_clockwise(shape):
    upright = masks([middling(shape, radius=9.3)])[0]
    turned = masks([middling(shape, radius=9.3, turn=np.pi / 2)])[0]
    assert (turned ^ np.rot90(upright, -1)).sum() <= 4  # pixels covered by about a half
    if shape in ("triangle", "heart", "moon"):
        assert (turned ^ np.rot90(upright)).sum() > 20


@pytest.mark.parametrize("shape", SHAPES)
def test_small_and_large_are_clearly_apart(shape):
    small, large = (
        [boxes([middling(shape, radius=r, turn=t)])[0] for r in RADII[size] for t in (-0.3, 0.3)]
        for size in ("small", "large")
    )
    sides = [[max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in found] for found in (small, large)]
    assert max(sides[0]) + 4 <= min(sides[1])
    assert [middling(radius=r).size for r in (*RADII["small"], *RADII["large"])] == [
        "small", "small", "large", "large"
    ]  # fmt: skip
    assert middling(radius=LARGE_FROM).size == "large"


@pytest.mark.parametrize("ground", GROUNDS)
def test_each_thing_has_the_colour_that_it_is_called(ground):
    for n, colour in enumerate(COLOURS):
        for k, shape in enumerate(SHAPES):
            thing = middling(shape, colour, radius=(6.0, 10.0)[(n + k) % 2])
            shown = render([thing], ground, 8 * n + k)[masks([thing])[0]] / 255
            inside = shown[shown.sum(-1).argsort()[-len(shown) // 3 :]]  # without the dark outline
            distance = np.square(np.median(inside, axis=0) - PAINT).sum(-1)
            assert COLOURS[distance.argmin()] == colour


def test_a_later_thing_covers_an_earlier_one():
    red, blue = middling(), middling("square", "blue")
    assert render([red, blue], "sand", 0)[32, 32].argmax() == 2
    assert render([blue, red], "sand", 0)[32, 32].argmax() == 0


def test_the_shadow_falls_to_the_lower_right():
    empty, shown = render([], "sand", 3), render([middling(colour="white")], "sand", 3)
    d = 8  # along the diagonal, just outside a circle of 9.6
    assert np.all(shown[32 + d, 32 + d] < empty[32 + d, 32 + d] - 20.0)
    assert np.array_equal(shown[31 - d, 31 - d], empty[31 - d, 31 - d])


def test_a_faint_thing_lets_the_ground_through():
    empty = render([], "grass", 0)
    far = [
        np.abs(render([middling(opacity=o)], "grass", 0) - empty.astype(int)).sum()
        for o in (0.0, 0.15, 0.5, 1.0)
    ]
    assert far[0] == 0 and far == sorted(set(far))


def test_what_has_sunk_is_not_painted():
    empty = render([], "snow", 0)
    assert not differ(render([middling(sunk=1.0)], "snow", 0), empty).any()
    half = differ(render([middling(sunk=0.5)], "snow", 0), empty)
    assert half[:32].sum() > 100 and not half[33:].any()


# Each thing stands alone -------------------------------------------------------------------------


def changes(things, k, new, ground, seed, damage):
    """Pixels that a new thing in place of number k changes, and those that one of both touches."""
    before, after = (
        render(those, ground, seed, damage)
        for those in (things, [*things[:k], new, *things[k + 1 :]])
    )
    without = render([*things[:k], *things[k + 1 :]], ground, seed, damage)
    return differ(before, after), differ(before, without) | differ(after, without)


@pytest.mark.parametrize("damage", [None, "noise", "bar", "fog"])
def test_a_moved_thing_changes_only_what_it_touches(damage):
    rng = np.random.default_rng(0)
    for seed in range(24):
        things = some_things(rng, 1 + seed % 4)
        k = int(rng.integers(len(things)))
        x, y = rng.uniform(0, SIDE, 2)
        new = things[k]._replace(x=x, y=y)
        changed, touched = changes(things, k, new, GROUNDS[seed % 6], seed, damage)
        assert not (changed & ~touched).any()
        reach = 1.25 * new.radius + 7  # of a sharp corner, and its shadow
        middles = np.arange(SIDE) + 0.5
        near = [
            np.maximum(np.abs(middles - t.x)[None], np.abs(middles - t.y)[:, None]) < reach
            for t in (things[k], new)
        ]
        assert not (touched & ~near[0] & ~near[1]).any()


def test_a_blur_spreads_the_change_by_a_few_pixels():
    thing = middling()
    changed = differ(render([thing], "sand", 5, "blur"), render([], "sand", 5, "blur"))
    x0, y0, x1, y1 = boxes([thing])[0]
    changed[y0 - 12 : y1 + 12, x0 - 12 : x1 + 12] = False
    assert not changed.any()


def test_a_recoloured_thing_keeps_its_place_and_shadow():
    rng = np.random.default_rng(1)
    for seed in range(12):
        things = some_things(rng, 2)
        new = things[0]._replace(colour="white" if things[0].colour != "white" else "blue")
        changed, _ = changes(things, 0, new, GROUNDS[seed % 6], seed, None)
        mask = masks(things)[0]
        padded = np.pad(masks(things[:1])[0], 2)
        near = np.any([np.roll(padded, (i, j), (0, 1))[2:-2, 2:-2]
                       for i in range(-2, 3) for j in range(-2, 3)], axis=0)  # fmt: skip
        assert changed[mask].mean() > 0.98 if mask.any() else True
        assert not (changed & ~near).any()


def test_the_ground_is_the_same_whatever_lies_on_it():
    """The law would notice a ground that depends on the things: another seed breaks it."""
    thing = middling()
    alone, empty = render([thing], "wood", 7), render([], "wood", 7)
    assert 250 < differ(alone, empty).sum() < 600  # a circle of 290 pixels and its shadow
    assert differ(render([thing], "wood", 8), empty).mean() > 0.9


def test_many_at_once_are_painted_as_each_alone():
    rng = np.random.default_rng(2)
    scenes = [some_things(rng, k % 5) for k in range(30)]
    grounds = [GROUNDS[k % 6] for k in range(30)]
    seeds = [*range(100, 130)]
    damages = [(None, *DAMAGES)[k % 5] for k in range(30)]
    pictures = paint(scenes, grounds, seeds, damages)
    assert pictures.shape == (30, SIDE, SIDE, 3) and pictures.dtype == np.uint8
    for k, picture in enumerate(pictures):
        assert np.array_equal(render(scenes[k], grounds[k], seeds[k], damages[k]), picture)


# Damage ------------------------------------------------------------------------------------------


def damaged(damage, seeds=range(12)):
    """Clean pictures and the same with a damage, as numbers."""
    pair = [[render([middling()], "grass", s, d) for s in seeds] for d in (None, damage)]
    return (np.array(pictures).astype(float) for pictures in pair)


def test_noise_is_strong_and_of_all_colours():
    clean, noisy = damaged("noise")
    spread = (noisy - clean).std((1, 2)) / 255
    assert 0.08 < spread.min() and spread.max() < 0.21  # a little less where it is cut off


def test_blur_makes_neighbours_alike_and_keeps_the_mean():
    clean, blurred = damaged("blur")
    steps = [np.abs(np.diff(pictures, axis=2)).mean() for pictures in (clean, blurred)]
    assert steps[1] < steps[0] / 3
    assert blurred.mean() == pytest.approx(clean.mean(), abs=1.5)


def test_a_bar_is_grey_and_leaves_the_rest():
    clean, barred = damaged("bar")
    changed = (clean != barred).any(-1)
    grey = (np.abs(barred - 127.5) < 1).all(-1)
    assert np.all((0.1 < grey.mean((1, 2))) & (changed.mean((1, 2)) < 0.35))
    assert np.mean(grey[changed]) > 0.8


def test_fog_is_bright_and_takes_contrast():
    clean, fogged = damaged("fog")
    assert np.all(fogged.mean((1, 2, 3)) > clean.mean((1, 2, 3)) + 30)
    assert np.all(fogged.std((1, 2)).mean(-1) < 0.8 * clean.std((1, 2)).mean(-1))


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, said",
    [
        ({"shape": "cube"}, "shape is 'cube': choose one of circle, square"),
        ({"colour": "black"}, "colour is 'black': choose one of red, orange"),
        ({"x": -1.0}, r"x is -1\.0: it lies between 0 and 64"),
        ({"y": 65.0}, r"y is 65\.0: it lies between 0 and 64"),
        ({"radius": 1.0}, r"radius is 1\.0: it lies between 2 and 12"),
        ({"radius": float("nan")}, "radius is nan: it lies between 2 and 12"),
        ({"turn": 8.0}, r"turn is 8\.0: it lies between -7 and 7"),
        ({"opacity": 1.5}, r"opacity is 1\.5: it lies between 0 and 1"),
        ({"sunk": -0.5}, r"sunk is -0\.5: it lies between 0 and 1"),
    ],
)
@pytest.mark.parametrize("use", [lambda t: render(t, "sand", 0), masks, boxes])
def test_a_thing_that_cannot_be_painted_is_named(change, said, use):
    with pytest.raises(ValueError, match=said):
        use([middling(), middling(**change)])


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: render([], "lava", 0), "ground is 'lava': choose one of grass, sand"),
        (lambda: render([], "sand", -1), "seed is -1: it has to be at least 0"),
        (lambda: render([], "sand", 0, "rain"), "damage is 'rain': choose None or one of noise"),
    ],
)
def test_pictures_that_cannot_be_painted_are_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
