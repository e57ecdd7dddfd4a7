"""Painted scenes: their laws hold in each picture, and a broken law would be noticed."""

import numpy as np
import pytest
import torch

from lecture_utils.datasets import colour_scenes as module
from lecture_utils.datasets.colour_scenes import (
    DAWN,
    DUSK,
    GRAIN,
    NIGHT,
    OBJECTS,
    SEASONS,
    TIMES,
    WINTER,
    Scenes,
    colour_scenes,
)


def some(count, seed=0, **form):
    return colour_scenes(count, np.random.default_rng(seed), **form)


@pytest.fixture(scope="module")
def scenes():
    return some(800)


def colour_at(images, points):
    """The levels (N, 3) at points given in picture widths, one in each image."""
    i, j = (points.flip(1) * images.shape[-1]).long().T
    return images[torch.arange(len(images)), :, i, j]


# What comes out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("levels, size", [(8, 32), (2, 16), (5, 17), (256, 40)])
def test_images_are_levels_of_three_colours(levels, size):
    found = some(7, levels=levels, size=size)
    assert found.images.shape == (7, 3, size, size) and found.images.dtype == torch.long
    assert 0 <= found.images.min() <= 0.03 * levels and found.images.max() == levels - 1
    assert {len(field) for field in found} == {7}
    assert found.sun.shape == found.lamp.shape == (7, 2)


def test_eight_levels_are_the_default_and_each_colour_has_them_all(scenes):
    assert scenes.images.shape == (800, 3, 32, 32)
    for channel in range(3):
        assert scenes.images[:, channel].unique().tolist() == [*range(8)]


def test_each_time_season_and_object_come_together(scenes):
    sizes = len(OBJECTS), len(SEASONS), len(TIMES)
    assert sizes == (4, 4, 4)
    together = (scenes.object * 4 + scenes.season) * 4 + scenes.time
    counts = torch.bincount(together, minlength=64)
    assert len(counts) == 64 and counts.min() > 0 and counts.max() < 30  # 12.5 are expected
    assert scenes.trees.unique().tolist() == [1, 2, 3]
    assert scenes.clouds.unique().tolist() == [0, 1, 2, 3]


def test_same_seed_same_scenes_and_the_generator_goes_on():
    for first, again in zip(some(5), some(5)):
        assert torch.equal(first, again)
    rng = np.random.default_rng(0)
    one, two = colour_scenes(5, rng), colour_scenes(5, rng)
    assert not torch.equal(one.images, two.images)


def test_no_scene_of_another_seed_was_trained_on(scenes):
    seen = {image.numpy().tobytes() for image in scenes.images}
    assert len(seen) == 800  # nor one twice
    assert not seen & {image.numpy().tobytes() for image in some(300, seed=1).images}


def test_more_than_a_chunk_is_painted_as_a_chunk_is(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 10)
    for first, more in zip(some(10), some(23)):
        assert len(more) == 23 and torch.equal(first, more[:10])


@pytest.mark.parametrize(
    "bad, message",
    [
        ({"count": 0}, "count is 0: ask for at least 1"),
        ({"count": -3}, "count is -3: ask for at least 1"),
        ({"levels": 1}, "levels is 1: a colour has 2 to 256"),
        ({"levels": 257}, "levels is 257: a colour has 2 to 256"),
        ({"size": 15}, "size is 15: below 16 pixels"),
    ],
)
def test_what_cannot_be_painted_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        colour_scenes(**{"count": 1, "rng": np.random.default_rng(0), **bad})


# Twins -------------------------------------------------------------------------------------------


def test_few_levels_are_many_levels_rounded():
    """Both are the same light and grain: half a level of each, and of each its grain, apart."""
    few, many = some(60), some(60, levels=256)
    apart = (few.images / 7 - many.images / 255).abs().max().item()
    assert 0.5 / 7 < apart <= (0.5 + GRAIN / 2) * (1 / 7 + 1 / 255) + 1e-6
    for field in Scenes._fields[1:]:
        assert torch.equal(getattr(few, field), getattr(many, field))


def test_a_small_picture_is_the_large_one_from_further_away():
    small, large = some(200, levels=256, size=16), some(200, levels=256)
    for field in Scenes._fields[1:]:
        assert torch.equal(getattr(small, field), getattr(large, field))
    blurred = torch.nn.functional.avg_pool2d(large.images.double(), 2)
    apart = (small.images - blurred).abs().mean((1, 2, 3)) / 255
    assert apart.mean() < 0.02 and apart.max() < 0.05  # stars, waves and flowers differ
    assert (small.images - blurred.roll(1, 0)).abs().mean() / 255 > 0.2


# The laws ----------------------------------------------------------------------------------------


def lit(scenes):
    """Where the lamp is to be, is it warm and bright?"""
    red, _, blue = colour_at(scenes.images, scenes.lamp).T
    return (red >= 6) & (red - blue >= 3)


def test_lamps_and_windows_are_lit_at_night_only(scenes):
    assert torch.equal(lit(scenes), scenes.time == NIGHT)


def test_a_lamp_lit_by_day_would_be_noticed(monkeypatch):
    monkeypatch.setattr(module, "PANE", module.LAMPLIGHT)
    found = some(200)
    assert not torch.equal(lit(found), found.time == NIGHT)


def test_the_sun_stands_low_on_the_left_at_dawn_and_on_the_right_at_dusk(scenes):
    x, y = scenes.sun.T
    dawn, dusk = scenes.time == DAWN, scenes.time == DUSK
    assert x[dawn].max() < 0.33 and x[dusk].min() > 0.67
    assert y[dawn | dusk].min() > 0.33 and y[~dawn & ~dusk].max() < 0.25


def share_of_suns(scenes, points):
    """In how many images is there the colour of the sun at these points?"""
    wanted = torch.from_numpy(module.SUN)[scenes.time] * 7
    return ((colour_at(scenes.images, points) - wanted).abs() <= 1).all(1).double().mean()


def test_the_sun_is_where_it_is_said_to_be_unless_something_stands_before_it(scenes):
    mirrored = torch.stack([1 - scenes.sun[:, 0], scenes.sun[:, 1]], 1)
    assert share_of_suns(scenes, scenes.sun) > 0.85
    assert share_of_suns(scenes, mirrored) < 0.1


def test_the_nearest_ground_is_the_season_seen_in_the_light_of_the_sky(scenes):
    """The sky's top row tells the time, the bottom row the season: both colours are as expected."""
    hills = scenes.object < 2
    time, season = scenes.time[hills], scenes.season[hills]
    found = scenes.images[hills][:, :, -1].double().median(2).values
    palette = module.GROUND[None] * module.NEAREST * module.DAYLIGHT[:, None]  # time, season, rgb
    palette = torch.from_numpy(palette).flatten(0, 1).double() * 7
    assert ((found - palette[time * 4 + season]).abs() < 0.8).all()
    nearest = torch.cdist(found, palette).argmin(1)
    assert (nearest == time * 4 + season).double().mean() > 0.8  # 0.06 by chance
    top = scenes.images[hills][:, :, 0].double().median(2).values
    sky = torch.from_numpy(module.SKY_TOP).double() * 7
    assert (torch.cdist(top, sky).argmin(1) == time).double().mean() > 0.9  # clouds are in the way


def test_night_is_darker_than_dusk_and_dusk_than_day(scenes):
    light = scenes.images.double().mean((1, 2, 3))
    night, dusk, day = (light[scenes.time == t] for t in (NIGHT, DUSK, TIMES.index("day")))
    assert night.max() < dusk.min() and dusk.mean() < day.mean()


# Its layers, without what may stand before them -------------------------------------------------


def picture(seed=0, size=32, time=0, season=0, trees=1, clouds=0, n=40):
    """Empty pictures of the same kind."""
    labels = (np.full(n, value) for value in (time, season, trees, clouds))
    rng, texture = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return module._Picture(size, rng, texture, *labels)


def columns_of(p, x):
    return (x.ravel() * p.size).astype(int)


@pytest.mark.parametrize("time", range(4))
def test_the_water_is_brightest_below_sun_and_moon(time):
    p = picture(time=time, n=200)
    module._sky(p)
    module._sea(p)
    brightness = p.light[:, 20:26].sum((1, 3))  # below the horizon, by column
    brightest = brightness.argmax(1)
    assert (np.abs(brightest - columns_of(p, p.sun_x)) <= 1).mean() > 0.9


@pytest.mark.parametrize("paint", [module._boat, module._lighthouse])
def test_the_water_mirrors_the_lamp_at_night_only(monkeypatch, paint):
    mirror = module._mirror

    def without_lamp(p, x, y, length, colour, strength):
        if colour is not module.LAMPLIGHT:
            mirror(p, x, y, length, colour, strength)

    for time in range(4):
        with_lamp, without = picture(time=time), picture(time=time)
        paint(with_lamp)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_mirror", without_lamp)
            paint(without)
        changed = np.abs(with_lamp.light - without.light).max((0, 3))
        assert (changed.max() > 0.1) == (time == NIGHT)
        assert changed[: int(0.7 * 32) - 1].max() == 0  # nothing above the water line


@pytest.mark.parametrize("paint, smokes", [(module._house, True), (module._windmill, False)])
def test_smoke_rises_from_a_house_in_winter_only(paint, smokes):
    skies = []
    for season in range(4):
        p = picture(season=season)
        module._sky(p)
        paint(p)
        skies.append(p.light[:, :12])  # no tree or hill is as high
    for season in (1, 2):
        assert np.array_equal(skies[0], skies[season])
    assert (not np.array_equal(skies[0], skies[WINTER])) == smokes


def test_the_trees_of_a_scene_are_of_one_kind():
    p = picture(time=1, n=60, season=2)
    crowns = []
    for x in (0.2, 0.5, 0.8):
        x = np.full((p.n, 1, 1), x, np.float32)
        module._tree(p, x, 0.8, 0.4)
        crowns.append(p.light[np.arange(p.n), int((0.8 - 0.6 * 0.4) * 32), columns_of(p, x)])
    shade = np.stack(crowns) / np.linalg.norm(crowns, axis=-1, keepdims=True)  # its colour only
    assert np.abs(shade - shade[:1]).max() < 1e-5
    kinds = {tuple(colour) for colour in shade[0].round(2)}
    assert len(kinds) == 2  # over the scenes: broadleaf and conifer


def test_as_many_trees_and_clouds_are_painted_as_said():
    def painted(**labels):
        p = picture(season=2, **labels)
        module._sky(p)
        module._boat(p)
        return p.light

    for label, values in (("trees", (1, 2, 3)), ("clouds", (0, 1, 2, 3))):
        stages = [painted(**{label: value}) for value in values]
        for before, after in zip(stages, stages[1:]):
            assert (np.abs(after - before).max((1, 2, 3)) > 0.05).mean() > 0.5


def test_there_are_stars_at_night_only():
    for time in range(4):
        p, starless = picture(time=time), picture(time=time)
        starless.texture = np.random.default_rng(99)  # others, if there are any
        module._sky(p)
        module._sky(starless)
        assert np.array_equal(p.light, starless.light) == (time != NIGHT)


# Its shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 32, 45])
def test_a_shape_covers_as_much_as_its_area(size):
    p = picture(size=size, n=3)
    x, y = np.array([0.41, 0.5, 0.537]).reshape(3, 1, 1), 0.47

    def area(share):
        return np.broadcast_to(share, (3, size, size)).mean((1, 2))

    assert np.allclose(area(p.box(x, 0.3, 0.2, 0.613)), 0.3 * 0.413, atol=1e-6)
    assert np.allclose(area(p.box(x, 0.4 / size, 0.2, 0.613)), 0.4 / size * 0.413, atol=1e-6)
    assert np.allclose(area(p.disc(x, y, 0.25)), np.pi * 0.25**2, rtol=0.01)
    assert np.allclose(area(p.below(y)), 1 - y, atol=1e-6)
    assert np.allclose(area(p.tower(x, 0.1, 0.3, 0.2, 0.6)), 0.2 * 0.4, rtol=0.02)
    stroke = 0.3 * 0.1 + np.pi * 0.05**2
    assert np.allclose(area(p.stroke(x, y, x + 0.18, y + 0.24, 0.1)), stroke, rtol=0.05)


def test_paint_covers_its_share_and_leaves_the_rest():
    p = picture(n=2)
    p.light[:] = 0.2
    p.paint(np.full((2, 32, 32), 0.25, np.float32), np.array([1.0, 0.6, 0.2], np.float32))
    assert np.allclose(p.light, [0.4, 0.3, 0.2])
