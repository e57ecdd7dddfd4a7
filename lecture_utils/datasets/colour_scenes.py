"""Little painted landscapes in colour: what one pixel shows says something about far away ones.

A house or a windmill in the hills, a boat or a lighthouse at sea; four times of the day, four
seasons. The laws that a model of pixels may find, all of them long-range:

    at dawn the sun stands low on the left, at dusk low on the right; at night there is a moon
    one light tints everything: the sky tells the colour of the ground
    the water mirrors sun and moon below them, and at night the lamp of boat or lighthouse
    lamps and windows are lit at night only, and warm
    the season colours the ground and all trees of a scene; smoke rises from a house in winter

An edge that crosses a pixel colours it in proportion, whatever the size of the picture. All was
drawn for this course, by the formulas below.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

TIMES = ("dawn", "day", "dusk", "night")
SEASONS = ("spring", "summer", "autumn", "winter")
OBJECTS = ("house", "windmill", "boat", "lighthouse")  # the first two in the hills
DAWN, DAY, DUSK, NIGHT = range(4)
SPRING, WINTER = 0, 3
CHUNK = 500  # scenes painted at once: more would only take more memory
GRAIN = 0.5  # of one level: how far the light varies from pixel to pixel before it is rounded


class Scenes(NamedTuple):
    images: Int[Tensor, "N 3 size size"]  # levels, 0 is dark; R, G, B
    time: Int[Tensor, "N"]  # index into TIMES
    season: Int[Tensor, "N"]  # index into SEASONS
    object: Int[Tensor, "N"]  # index into OBJECTS
    trees: Int[Tensor, "N"]  # 1 to 3; one may hide another
    clouds: Int[Tensor, "N"]  # 0 to 3
    sun: Float[Tensor, "N 2"]  # middle of sun or moon: x to the right, y down, in picture widths
    lamp: Float[Tensor, "N 2"]  # middle of a window, or of the lamp of boat or lighthouse


def colour_scenes(count: int, rng: np.random.Generator, levels: int = 8, size: int = 32) -> Scenes:
    """`count` scenes of size x size pixels; each combination of labels is as likely as any other.

    levels: of each of the three colours; 8 make 512 colours. The same seed and count show the same
    scenes at any size; only stars, waves, flowers and grain fall differently. A scene of 32 x 32
    takes one to two milliseconds: 20,000 to train on and 2,000 from another seed are there within a
    minute.
    """
    if count < 1:
        raise ValueError(f"count is {count}: ask for at least 1 scene")
    if not 2 <= levels <= 256:
        raise ValueError(f"levels is {levels}: a colour has 2 to 256 of them")
    if size < 16:
        raise ValueError(f"size is {size}: below 16 pixels a window is lost from sight")
    chunks = [
        _chunk(min(CHUNK, count - start), rng, levels, size) for start in range(0, count, CHUNK)
    ]
    return Scenes(*(torch.from_numpy(np.concatenate(parts)) for parts in zip(*chunks)))


def _chunk(count, rng, levels, size):
    """The fields of Scenes as arrays."""
    time, season, objects = rng.integers(0, 4, (3, count))
    trees, clouds = rng.integers(1, 4, count), rng.integers(0, 4, count)
    # Of its own, as larger pictures use more of it: the scene is the same at any size.
    texture = np.random.default_rng(rng.integers(2**63))
    light = np.empty((count, size, size, 3), np.float32)
    sun, lamp = np.empty((2, count, 2), np.float32)
    for kind, paint in enumerate((_house, _windmill, _boat, _lighthouse)):  # as in OBJECTS
        chosen = objects == kind
        if chosen.any():
            picture = _Picture(
                size, rng, texture, time[chosen], season[chosen], trees[chosen], clouds[chosen]
            )
            _sky(picture)
            lamp[chosen] = _point(*paint(picture))
            sun[chosen] = _point(picture.sun_x, picture.sun_y)
            light[chosen] = picture.light
    grain = GRAIN * (texture.random(light.shape, np.float32) - 0.5)
    images = np.rint(light * (levels - 1) + grain).clip(0, levels - 1).astype(np.int64)
    return images.transpose(0, 3, 1, 2), time, season, objects, trees, clouds, sun, lamp


def _point(x, y):
    return np.stack([x.ravel(), y.ravel()], 1)


# Colours, red green blue from 0 to 1 -------------------------------------------------------------


def _colours(*rows):
    """A table: one colour for each index."""
    return np.array(rows, np.float32)


# By the time of the day.
SKY_TOP = _colours((0.40, 0.55, 0.88), (0.16, 0.45, 0.92), (0.28, 0.16, 0.50), (0.02, 0.04, 0.20))
SKY_MIDDLE = _colours(
    (0.80, 0.70, 0.86), (0.42, 0.70, 0.98), (0.80, 0.30, 0.42), (0.06, 0.10, 0.34)
)
SKY_LOW = _colours((1.00, 0.80, 0.68), (0.80, 0.93, 1.00), (1.00, 0.62, 0.22), (0.20, 0.28, 0.56))
SUN = _colours((1.00, 0.93, 0.66), (1.00, 0.98, 0.62), (1.00, 0.86, 0.36), (0.96, 0.96, 0.86))
CLOUD = _colours((1.00, 0.84, 0.80), (1.00, 1.00, 1.00), (0.98, 0.50, 0.42), (0.22, 0.27, 0.48))
SEA = _colours((0.30, 0.45, 0.66), (0.06, 0.36, 0.66), (0.30, 0.14, 0.40), (0.03, 0.09, 0.28))
DAYLIGHT = _colours((1.00, 0.84, 0.80), (1.00, 1.00, 1.00), (0.92, 0.64, 0.64), (0.30, 0.39, 0.62))
# By the season, as seen in daylight.
GROUND = _colours((0.58, 0.80, 0.30), (0.27, 0.62, 0.20), (0.76, 0.60, 0.26), (0.93, 0.96, 1.00))
BROADLEAF = _colours((1.00, 0.66, 0.82), (0.13, 0.46, 0.16), (0.93, 0.44, 0.10), (0.62, 0.70, 0.84))
CONIFER = _colours((0.32, 0.58, 0.30), (0.06, 0.36, 0.25), (0.80, 0.56, 0.12), (0.44, 0.60, 0.64))
# One of these.
WALLS = _colours((0.97, 0.94, 0.86), (0.98, 0.84, 0.54), (0.90, 0.70, 0.66), (0.66, 0.78, 0.88))
ROOFS = _colours((0.80, 0.22, 0.16), (0.50, 0.26, 0.18), (0.28, 0.34, 0.48), (0.55, 0.16, 0.34))
HULLS = _colours((0.72, 0.16, 0.14), (0.14, 0.22, 0.44), (0.42, 0.26, 0.14), (0.10, 0.42, 0.36))
SAILS = _colours((1.00, 1.00, 0.95), (0.98, 0.82, 0.34), (0.92, 0.36, 0.26), (0.98, 0.90, 0.78))
STRIPES = _colours((0.82, 0.14, 0.14), (0.14, 0.28, 0.62), (0.16, 0.16, 0.20), (0.10, 0.48, 0.36))
# Always the same.
ROCK, MOUNTAIN, SNOW, SAND, TRUNK = _colours(
    (0.40, 0.37, 0.37), (0.44, 0.45, 0.56), (0.95, 0.97, 1.00), (0.93, 0.84, 0.60),
    (0.38, 0.24, 0.15),
)  # fmt: skip
WHITE, PANE, LAMPLIGHT, SMOKE, FLOWER = _colours(
    (0.98, 0.97, 0.94), (0.25, 0.38, 0.60), (1.00, 0.80, 0.30), (0.80, 0.80, 0.83),
    (1.00, 0.90, 0.35),
)  # fmt: skip
FAR, NEAREST = _colours((0.80, 0.88, 0.95), (0.84, 0.88, 0.84))  # what a hill's colour is times


# The brush ---------------------------------------------------------------------------------------


class _Picture:
    """n scenes being painted: light (n, size, size, 3), and what their parts agree on.

    A number of each scene is an array (n, 1, 1), a colour of each (n, 1, 1, 3), a share of each
    pixel (n, size, size). Lengths are in picture widths, x to the right, y down.
    """

    def __init__(self, size, rng, texture, time, season, trees, clouds):
        self.size, self.rng, self.texture = size, rng, texture
        self.n = len(time)
        middle = (np.arange(size, dtype=np.float32) + 0.5) / size
        self.x, self.y = middle[None, None, :], middle[None, :, None]
        self.light = np.zeros((self.n, size, size, 3), np.float32)
        self.time, self.season = time, season
        self.trees, self.clouds = _each(trees), _each(clouds)
        self.night = _each(time == NIGHT)
        self.daylight = _each(DAYLIGHT[time])
        self.conifers = self.coin()

        low = _each((time == DAWN) | (time == DUSK))
        self.sun_x = np.where(low, self.between(0.08, 0.32), self.between(0.12, 0.88))
        self.sun_x = np.where(_each(time == DUSK), 1 - self.sun_x, self.sun_x)
        self.sun_y = np.where(low, self.between(0.34, 0.42), self.between(0.12, 0.24))
        self.horizon = self.between(0.52, 0.6)
        self.waves = texture.uniform(0.15, 1, (self.n, size, 1)).astype(np.float32)

    def between(self, low, high):
        """A random number for each scene."""
        return self.rng.uniform(low, high, (self.n, 1, 1)).astype(np.float32)

    def coin(self):
        """True or false for each scene."""
        return self.between(0, 1) < 0.5

    def one_of(self, table):
        """A random colour of the table for each scene."""
        return _each(table[self.rng.integers(0, len(table), self.n)])

    def paint(self, share, colour):
        """Cover that share of each pixel with a colour that shines by itself."""
        self.light += share[..., None] * (colour - self.light)

    def tint(self, share, colour):
        """The same with a colour as seen in daylight."""
        self.paint(share, colour * self.daylight)

    def inside(self, distance):
        """Share of each pixel that lies inside, from how far inside its middle lies."""
        return np.clip(distance * self.size + 0.5, 0, 1)

    def below(self, height):
        """Share of each pixel below a line, y = height."""
        return self.inside(self.y - height)

    def disc(self, x, y, radius, flat=1.0):
        """flat: how many times as wide as high."""
        return self.inside(radius - np.hypot(self.x - x, flat * (self.y - y)))

    def box(self, x, width, top, bottom):
        """x: its middle."""
        return self.tower(x, width, width, top, bottom)

    def tower(self, x, top_width, bottom_width, top, bottom):
        """A box that gets wider towards its bottom; with top_width 0 a roof."""
        down = np.clip((self.y - top) / (bottom - top), 0, 1)
        half = (top_width + (bottom_width - top_width) * down) / 2
        across = np.clip((half + x - self.x) * self.size + 0.5, 0, 1)
        across = across - np.clip((x - half - self.x) * self.size + 0.5, 0, 1)
        upright = self.inside(self.y - top) - self.inside(self.y - bottom)
        return across * upright

    def stroke(self, x0, y0, x1, y1, width):
        """A straight line with round ends."""
        across, down = x1 - x0, y1 - y0
        along = (self.x - x0) * across + (self.y - y0) * down
        along = np.clip(along / (across**2 + down**2), 0, 1)
        apart = np.hypot(self.x - x0 - along * across, self.y - y0 - along * down)
        return self.inside(width / 2 - apart)


def _each(values):
    """One value, or one colour, for each scene, in the form that _Picture says."""
    return values.reshape(len(values), 1, 1, *values.shape[1:])


def _away_from(x):
    """The direction with more room: 1 (right) for what is in the left half, else -1."""
    return np.where(x < 0.5, 1, -1)


# What is painted, from the back to the front -----------------------------------------------------


def _sky(p):
    """Sky, stars, sun or moon, clouds."""
    top, middle, low = (_each(table[p.time]) for table in (SKY_TOP, SKY_MIDDLE, SKY_LOW))
    down = p.y[..., None] / p.horizon[..., None]
    p.light[:] = np.where(
        down < 0.55,
        top + (middle - top) * down / 0.55,
        middle + (low - middle) * np.minimum((down - 0.55) / 0.45, 1),
    )
    stars = p.texture.random((p.n, p.size, p.size)) < 0.03
    brightness = p.texture.uniform(0.5, 1, stars.shape)
    p.paint(stars * brightness * p.night * (p.y < 0.45), WHITE)

    sun = _each(SUN[p.time])
    from_sun = np.hypot(p.x - p.sun_x, p.y - p.sun_y)
    p.paint(np.where(p.night, 0.25, 0.55) * np.exp(-from_sun / 0.13), sun)
    p.paint(p.disc(p.sun_x, p.sun_y, np.where(p.night, 0.075, 0.085)), sun)

    colour = _each(CLOUD[p.time])
    for number in range(3):
        x = (p.sun_x + p.between(0.27, 0.73)) % 1  # not before the sun
        y, width = p.between(0.06, 0.34), p.between(0.11, 0.17)
        puffs = [
            p.disc(x - 0.8 * width, y, 0.45 * width, 1.2),
            p.disc(x, y - 0.2 * width, 0.7 * width, 1.2),
            p.disc(x + 0.8 * width, y, 0.5 * width, 1.2),
        ]
        base = 1 - p.below(y + 0.2 * width)
        p.paint(0.85 * np.max(puffs, axis=0) * base * (p.clouds > number), colour)


def _mountains(p, foot):
    """Three peaks with snow, each with a bright side towards the sun; pale, as they are far."""
    haze = _each(SKY_LOW[p.time])
    for x in p.between(0.0, 0.3), p.between(0.7, 1.0), p.between(0.3, 0.7):
        height, half = p.between(0.10, 0.24), p.between(0.24, 0.34)
        share = p.tower(x, 0, 2 * half, foot - height, foot + 0.02)
        bright = ((p.x - x) * (p.sun_x - x) > 0)[..., None]
        for part, colour in ((1, MOUNTAIN), (1 - p.below(foot - 0.68 * height), SNOW)):
            near = colour * np.where(bright, 1.1, 0.78) * p.daylight
            p.paint(share * part, 0.72 * near + 0.28 * haze)


def _rolling(p, height, swing):
    """The line of a hill, from left to right."""
    waves, start = p.between(0.5, 1.1), p.between(0, 1)
    return lambda x: height + swing * np.sin(2 * np.pi * (waves * x + start))


def _tree(p, x, foot, height, there=True):
    broad = p.tower(x, 0.16 * height, 0.2 * height, foot - 0.5 * height, foot)
    crown = np.maximum(
        p.disc(x, foot - 0.66 * height, 0.33 * height),
        np.maximum(
            p.disc(x - 0.16 * height, foot - 0.52 * height, 0.24 * height),
            p.disc(x + 0.16 * height, foot - 0.52 * height, 0.24 * height),
        ),
    )
    stem = p.tower(x, 0.12 * height, 0.12 * height, foot - 0.3 * height, foot)
    needles = np.maximum(
        p.tower(x, 0, 0.46 * height, foot - 1.05 * height, foot - 0.45 * height),
        p.tower(x, 0, 0.62 * height, foot - 0.75 * height, foot - 0.15 * height),
    )
    leaves = np.where(p.conifers[..., None], _each(CONIFER[p.season]), _each(BROADLEAF[p.season]))
    towards_sun = np.tanh(8 * (p.x - x) * np.sign(p.sun_x - x) / height)[..., None]
    p.tint(np.where(p.conifers, stem, broad) * there, TRUNK)
    p.tint(np.where(p.conifers, needles, crown) * there, leaves * (0.93 + 0.12 * towards_sun))


def _lamp(p, x, y, share):
    """A window or lamp: dark glass by day; at night lit, with a halo."""
    p.tint(share, PANE)
    p.paint(0.4 * p.night * np.exp(-np.hypot(p.x - x, p.y - y) / 0.06), LAMPLIGHT)
    p.paint(share * p.night, LAMPLIGHT)


# The hills ---------------------------------------------------------------------------------------


def _hills(p):
    """Mountains and two hills. Returns where the object stands."""
    _mountains(p, p.horizon + 0.06)
    ground = _each(GROUND[p.season])
    far, near = _rolling(p, p.horizon + 0.04, 0.03), _rolling(p, p.between(0.66, 0.72), 0.035)
    haze = _each(SKY_LOW[p.time])
    p.paint(p.below(far(p.x)), 0.68 * ground * FAR * p.daylight + 0.2 * haze)
    p.tint(p.below(near(p.x)), ground)
    x = p.between(0.36, 0.64)
    return x, near(x) + 0.04


def _foreground(p, x):
    """The nearest hill, and the trees: one before, two beside what stands at x."""
    ground = _each(GROUND[p.season])
    side = _away_from(x)  # where there is more room
    for number, away in ((1, p.between(-0.42, -0.34)), (2, p.between(0.24, 0.3))):
        _tree(p, 0.5 + side * away, p.between(0.76, 0.8), p.between(0.2, 0.26), p.trees > number)
    front = _rolling(p, p.between(0.86, 0.9), 0.03)
    p.tint(p.below(front(p.x)), ground * NEAREST)
    flowers = p.texture.random((p.n, p.size, p.size)) < 0.05
    p.tint(flowers * p.below(front(p.x)) * _each(p.season == SPRING), FLOWER)
    tree = 0.5 + side * p.between(0.32, 0.42)
    _tree(p, tree, front(tree) + 0.06, p.between(0.3, 0.38))


def _house(p):
    x, ground = _hills(p)
    width, height = p.between(0.26, 0.34), p.between(0.14, 0.18)
    wall = p.one_of(WALLS)
    roof = p.one_of(ROOFS)
    top = ground - height
    ridge = top - p.between(0.11, 0.15)
    side = _away_from(p.sun_x)  # the chimney stands on the shady side
    chimney = x + 0.26 * side * width
    for puff in range(3):
        drift = side * 0.035 * puff
        smoke = p.disc(chimney + drift, ridge - 0.05 - 0.065 * puff, 0.028 + 0.012 * puff)
        p.tint(0.75 * smoke * _each(p.season == WINTER), SMOKE)
    p.tint(p.box(chimney, 0.05, ridge - 0.02, top), roof * 0.75)
    p.tint(p.box(x, width, top, ground), wall)
    p.tint(p.tower(x, 0.35 * width, 1.25 * width, ridge, top), roof)
    snow = p.tower(x, 0.35 * width, 0.95 * width, ridge, ridge + 0.65 * (top - ridge))
    p.tint(snow * _each(p.season == WINTER), SNOW)
    p.tint(p.box(x, 0.065, ground - 0.62 * height, ground), roof * 0.7)
    windows = [x + sign * 0.3 * width for sign in (-1, 1)]
    y = ground - 0.55 * height
    for window in windows:
        _lamp(p, window, y, p.box(window, 0.07, y - 0.035, y + 0.035))
    _foreground(p, x)
    return windows[0], y


def _windmill(p):
    x, ground = _hills(p)
    height = p.between(0.3, 0.36)
    wall = p.one_of(WALLS)
    roof = p.one_of(ROOFS)
    top = ground - height
    p.tint(p.tower(x, 0.11, 0.19, top, ground), wall)
    p.tint(p.tower(x, 0.0, 0.15, top - 0.07, top + 0.01), roof)
    p.tint(p.box(x, 0.06, ground - 0.09, ground), roof * 0.7)
    y = ground - 0.5 * height
    _lamp(p, x, y, p.box(x, 0.07, y - 0.035, y + 0.035))
    turn, length = p.between(0.5, np.pi / 2 - 0.5), p.between(0.17, 0.2)
    for blade in range(4):
        angle = turn + blade * np.pi / 2
        across, down = length * np.cos(angle), length * np.sin(angle)
        p.tint(p.stroke(x, top, x + across, top + down, 0.025), TRUNK)
        x_cloth, y_cloth = x - 0.1 * down, top + 0.1 * across  # beside the arm
        cloth = p.stroke(
            x_cloth + 0.35 * across, y_cloth + 0.35 * down, x_cloth + across, y_cloth + down, 0.045
        )
        p.tint(0.9 * cloth, WHITE)
    _foreground(p, x)
    return x, y


# The sea -----------------------------------------------------------------------------------------


def _sea(p):
    """Water to the horizon with islands, mirroring the sky and the sun."""
    hills = _rolling(p, p.horizon, 0.07)
    haze = _each(SKY_LOW[p.time])
    p.paint(p.below(hills(p.x)), 0.48 * _each(GROUND[p.season]) * p.daylight + 0.4 * haze)
    depth = np.clip((p.y - p.horizon) / (1 - p.horizon), 0, 1)[..., None]
    deep = _each(SEA[p.time])
    water = 0.45 * haze + 0.55 * deep
    p.paint(p.below(p.horizon), water + (deep - water) * np.sqrt(depth))
    streaks = p.texture.random((p.n, p.size, (p.size + 3) // 4)) < 0.12
    streaks = np.repeat(streaks, 4, axis=2)[..., : p.size]
    p.paint(0.22 * streaks * p.below(p.horizon + 0.03), haze)
    _mirror(p, p.sun_x, p.horizon, 1.0, _each(SUN[p.time]), np.where(p.night, 0.7, 0.9))


def _mirror(p, x, y, length, colour, strength):
    """A light at x above the water, mirrored from y down: wider and more broken towards us."""
    down = np.clip(p.y - y, 0, None)
    width = 0.04 + 0.16 * down
    glitter = np.exp(-(((p.x - x) / width) ** 2)) * np.clip(1 - down / length, 0, 1)
    p.paint(strength * glitter * p.waves * p.below(y), colour)


def _shore(p, x):
    """A headland with the trees, on the other side than x."""
    side = _away_from(x)
    far = (p.x - 0.5) * side  # 0.5 at the far edge
    line = 1.02 - p.between(0.2, 0.26) / (1 + np.exp(-14 * (far - p.between(0.1, 0.2))))
    snowy = _each((p.season == WINTER)[:, None])
    p.tint(p.below(line), np.where(snowy, SNOW, SAND))
    p.tint(p.below(line + 0.05), _each(GROUND[p.season]))
    for number, away in enumerate((0.4, 0.26, 0.46)):
        tree = 0.5 + side * (away + p.between(-0.03, 0.03))
        foot = p.between(0.84, 0.88) + 0.03 * number
        _tree(p, tree, foot, p.between(0.24, 0.34), p.trees > number)


def _boat(p):
    _sea(p)
    x, water = p.between(0.24, 0.76), p.between(0.72, 0.78)
    height, width = p.between(0.3, 0.4), p.between(0.26, 0.32)
    hull = p.one_of(HULLS)
    sail = p.one_of(SAILS)
    side = np.where(p.coin(), -1, 1)  # where the wind blows
    deck = water - 0.07
    p.tint(0.4 * p.tower(x, 0.9 * width, 0.1 * width, water, water + 0.5 * height), sail)
    p.tint(p.tower(x, width, 0.66 * width, deck, water + 0.01), hull)
    mast, top = x + 0.05 * side * width, deck - height
    p.tint(p.box(mast, 0.025, top, deck), TRUNK)
    half = p.tower(mast, 0, 0.92 * width, top + 0.02, deck - 0.03)
    p.tint(half * p.inside((p.x - mast) * side), sail)
    jib = p.tower(mast, 0, 0.7 * width, top + 0.08, deck - 0.03)
    p.tint(jib * p.inside((mast - p.x) * side - 0.015), sail * 0.82)
    lamp_x, lamp_y = x - 0.34 * side * width, deck - 0.035
    _mirror(p, lamp_x, water, 0.3, LAMPLIGHT, 0.8 * p.night)
    _lamp(p, lamp_x, lamp_y, p.box(lamp_x, 0.065, lamp_y - 0.035, lamp_y + 0.035))
    _shore(p, x)
    return lamp_x, lamp_y


def _lighthouse(p):
    _sea(p)
    x = p.between(0.2, 0.36)
    x = np.where(p.coin(), x, 1 - x)
    foot, height = p.between(0.72, 0.76), p.between(0.4, 0.48)
    stripe = p.one_of(STRIPES)
    top = foot - height
    p.tint(p.disc(x - 0.07, foot + 0.03, 0.12, 1.7), ROCK)
    p.tint(p.disc(x + 0.06, foot + 0.04, 0.16, 1.9), ROCK * 0.85)
    p.tint(p.tower(x, 0.1, 0.17, top, foot), WHITE)
    for band in (0.12, 0.54):
        bands = p.below(top + band * height) - p.below(top + (band + 0.22) * height)
        p.tint(p.tower(x, 0.1, 0.17, top, foot) * bands, stripe)
    p.tint(p.tower(x, 0.0, 0.14, top - 0.13, top - 0.06), stripe)
    lamp_y = top - 0.03
    away = np.clip((p.x - x) * _away_from(x), 0, None)
    beam = p.inside(0.03 + 0.16 * away - np.abs(p.y - lamp_y)) * np.exp(-away / 0.4) * (away > 0)
    p.paint(0.5 * beam * p.night, LAMPLIGHT)
    _mirror(p, x, foot + 0.1, 0.3, LAMPLIGHT, 0.8 * p.night)
    _lamp(p, x, lamp_y, p.box(x, 0.085, lamp_y - 0.04, lamp_y + 0.04))
    p.tint(p.box(x, 0.14, top, top + 0.025), TRUNK)
    _shore(p, x)
    return x, lamp_y
