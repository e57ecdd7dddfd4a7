"""Grounds: each is of its own kind, and comes from its seed alone."""

import numpy as np
import pytest

from lecture_utils.datasets import scene_grounds as module
from lecture_utils.datasets.scene_grounds import (
    CELLS,
    CLUTTER,
    GROUNDS,
    NOISE,
    SIDE,
    TEXTURES,
    draw,
    lay,
    light,
    soft_hills,
    stamp,
)
from lecture_utils.datasets.scene_pictures import RADII

MARGIN = 18


def laid(grounds, seeds):
    """The grounds as painted, with the margin around them cut off."""
    canvas = np.zeros((len(grounds), SIDE + 2 * MARGIN, SIDE + 2 * MARGIN, 3), np.float32)
    lay(canvas, grounds, draw(seeds)[0])
    return canvas[:, MARGIN:-MARGIN, MARGIN:-MARGIN]


def test_the_random_numbers_of_a_picture_come_from_its_seed_alone():
    numbers, noise = draw([5, 6, 5])
    assert np.array_equal(numbers[0], numbers[2]) and np.array_equal(noise[0], noise[2])
    assert not np.array_equal(numbers[0], numbers[1]) and not np.array_equal(noise[0], noise[1])
    alone = draw([6])
    assert np.array_equal(alone[0][0], numbers[1]) and np.array_equal(alone[1][0], noise[1])
    assert 0 <= numbers.min() and numbers.max() < 1
    assert noise.std() == pytest.approx(NOISE, rel=0.02) and abs(noise.mean()) < NOISE / 50


def test_each_ground_has_a_texture_and_clutter():
    assert list(TEXTURES) == list(CLUTTER) == list(GROUNDS) and len(GROUNDS) == 6


def test_a_ground_is_the_same_alone_and_among_others():
    seeds = [*range(12)]
    grounds = [GROUNDS[k % 6] for k in seeds]
    together = laid(grounds, seeds)
    for ground, seed, picture in zip(grounds, seeds, together):
        assert np.array_equal(laid([ground], [seed])[0], picture)


@pytest.mark.parametrize("ground", GROUNDS)
def test_no_two_pictures_have_the_same_ground(ground):
    first, second = laid([ground] * 2, [1, 2])
    assert 0 <= first.min() and first.max() < 1.1
    assert np.mean(np.abs(first - second).max(-1) > 0.02) > 0.5


def test_the_mean_colour_tells_most_grounds_apart():
    grounds = [*GROUNDS] * 12
    colours = laid(grounds, range(72)).mean((1, 2)).reshape(12, 6, 3)
    means = colours[:6].mean(0)
    nearest = np.square(colours[6:, :, None] - means).sum(-1).argmin(-1)
    assert np.mean(nearest == np.arange(6)) > 0.9  # guessing: 1 / 6


@pytest.mark.parametrize("ground", GROUNDS)
def test_clutter_is_there_but_smaller_than_any_thing(ground, monkeypatch):
    seeds = [*range(20)]
    strewn = laid([ground] * 20, seeds)
    monkeypatch.setattr(module, "_strew", lambda *_: None)
    changed = (strewn != laid([ground] * 20, seeds)).any(-1).mean((1, 2))
    assert changed.mean() > 0.005 and changed.max() < 0.12
    assert 1.3 * CLUTTER[ground][2] < RADII["small"][0]  # half the length of the longest


def test_hills_are_smooth_and_spread_each_number_over_its_corner():
    rng = np.random.default_rng(0)
    grid = rng.random((2, 5, 9), np.float32)
    hills = soft_hills(grid)
    assert hills.shape == (2, SIDE, SIDE)
    y, x = 37, 22  # one point by hand
    down, across = (y + 0.5) / SIDE * 4, (x + 0.5) / SIDE * 8
    row, column = int(down), int(across)
    up, left = (1 - (f := part - int(part)) ** 2 * (3 - 2 * f) for part in (down, across))
    top = left * grid[0, row, column] + (1 - left) * grid[0, row, column + 1]
    bottom = left * grid[0, row + 1, column] + (1 - left) * grid[0, row + 1, column + 1]
    assert hills[0, y, x] == pytest.approx(up * top + (1 - up) * bottom, abs=1e-6)
    assert grid.min() <= hills.min() and hills.max() <= grid.max()
    assert np.abs(np.diff(hills)).max() < 0.2
    for weights in CELLS.values():
        assert weights.sum(1) == pytest.approx(np.ones(SIDE))


def test_light_falls_from_above():
    shine = light(draw(range(50))[0])
    assert 0.75 < shine.min() and shine.max() <= 1.04
    assert shine.argmax(axis=1).max() < SIDE / 2  # brightest in the upper half
    assert np.all(shine[:, -1].mean(-1) < shine[:, 16].mean(-1))


def test_a_later_stamp_lies_on_an_earlier_one():
    canvas = np.ones((2, 4, 4, 3), np.float32)
    keep = np.array([0.5, 0.25], np.float32)[:, None, None, None] * np.ones((2, 2, 2, 1))
    add = np.array([0.0, 0.5], np.float32)[:, None, None, None] * np.ones((2, 2, 2, 3))
    stamp(canvas, [1, 1], [(0, 0), (1, 1)], keep.astype(np.float32), add.astype(np.float32))
    assert np.array_equal(canvas[0], np.ones((4, 4, 3)))
    expected = [[0.5, 0.5, 1, 1], [0.5, 0.625, 0.75, 1], [1, 0.75, 0.75, 1], [1, 1, 1, 1]]
    assert np.array_equal(canvas[1, :, :, 2], expected)
