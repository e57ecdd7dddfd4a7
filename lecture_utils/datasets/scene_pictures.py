"""Little pictures of coloured things on the ground, painted so that each thing can be changed.

A thing has a shape, a colour, a place, a radius and a turn; the ground has a texture, strewn with
pebbles, blades or twigs that no caption names. Everything but the things comes from the picture's
seed alone: with one thing moved, recoloured or left out, each pixel that it (with its shadow) does
not touch stays as it was, bit for bit. (Where the picture is blurred, a pixel touches its
neighbours too.)

Lengths are in pixels, x to the right, y down: pixel (i, j) reaches from x = j to j + 1 and from
y = i to i + 1. An edge that crosses a pixel colours it in proportion. All was drawn for this
course, by the formulas below.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from lecture_utils.datasets.scene_grounds import (
    GROUNDS,
    SIDE,
    X,
    Y,
    draw,
    lay,
    light,
    soft_hills,
    stamp,
)

SHAPES = ("circle", "square", "triangle", "star", "heart", "ring", "cross", "moon")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
DAMAGES = ("noise", "blur", "bar", "fog")
RADII = {"small": (5.6, 6.6), "large": (9.6, 11.2)}  # each size from, to
LARGE_FROM = 8.0  # the radius from which a thing is called large

Array = np.ndarray


class Thing(NamedTuple):
    shape: str  # one of SHAPES
    colour: str  # one of COLOURS
    x: float  # its middle
    y: float
    radius: float
    turn: float = 0.0  # radians, clockwise
    opacity: float = 1.0  # below 1 the ground shines through
    sunk: float = 0.0  # the share of its height, from below, that has sunk into the ground

    @property
    def size(self) -> str:
        return "large" if self.radius >= LARGE_FROM else "small"


def render(
    things: Sequence[Thing], ground: str, seed: int, damage: str | None = None
) -> UInt8[Array, "64 64 3"]:
    """The picture: R, G, B from 0 to 255. A thing covers those before it.

    seed: of texture, clutter, light, noise and damage. damage: one of DAMAGES or None.
    """
    check_things(things)
    if ground not in GROUNDS:
        raise ValueError(f"ground is {ground!r}: choose one of {', '.join(GROUNDS)}")
    if damage is not None and damage not in DAMAGES:
        raise ValueError(f"damage is {damage!r}: choose None or one of {', '.join(DAMAGES)}")
    if seed < 0:
        raise ValueError(f"seed is {seed}: it has to be at least 0")
    return paint([things], [ground], [seed], [damage])[0]


def masks(things: Sequence[Thing]) -> Bool[Array, "K 64 64"]:
    """For each thing: the pixels of which it covers half or more, and no later thing covers it."""
    check_things(things)
    room = np.zeros((len(things), SIDE + 2 * HALF, SIDE + 2 * HALF), bool)
    if things:
        patches = _Patches(things)
        for mask, visible, (top, left) in zip(room, patches.visible([things]), patches.corners):
            mask[top : top + 2 * HALF, left : left + 2 * HALF] = visible >= 0.5
    return room[:, HALF:-HALF, HALF:-HALF].copy()


def boxes(things: Sequence[Thing]) -> Int[Array, "K 4"]:
    """The box (x0, y0, x1, y1) around each mask; a thing that is wholly hidden has 0, 0, 0, 0."""
    check_things(things)
    return paint_boxes([things])[0]


def check_things(things: Sequence[Thing]) -> None:
    """ValueError for a thing that cannot be painted."""
    for thing in things:
        if thing.shape not in SHAPES:
            raise ValueError(f"shape is {thing.shape!r}: choose one of {', '.join(SHAPES)}")
        if thing.colour not in COLOURS:
            raise ValueError(f"colour is {thing.colour!r}: choose one of {', '.join(COLOURS)}")
        for name, low, high in LIMITS:
            value = getattr(thing, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}: it lies between {low} and {high}")


def paint(
    scenes: Sequence[Sequence[Thing]],
    grounds: Sequence[str],
    seeds: Sequence[int],
    damages: Sequence[str | None],
) -> UInt8[Array, "N 64 64 3"]:
    """`render` for many scenes at once, each the same as alone; nothing is checked."""
    numbers, noise = draw(seeds)
    canvas = np.zeros((len(scenes), SIDE + 2 * HALF, SIDE + 2 * HALF, 3), np.float32)
    lay(canvas, grounds, numbers)
    flat = [thing for things in scenes for thing in things]
    if flat:
        patches = _Patches(flat)
        keep, add = patches.colours(flat)
        owner = np.repeat(np.arange(len(scenes)), [len(things) for things in scenes])
        stamp(canvas, owner, patches.corners, keep, add)
    shown = canvas[:, HALF:-HALF, HALF:-HALF] * light(numbers)[..., None]
    shown += noise
    for n, damage in enumerate(damages):
        if damage is not None:
            shown[n] = _damaged(shown[n], damage, np.random.default_rng([seeds[n], 1]))
    return np.rint(255 * shown).clip(0, 255).astype(np.uint8)


def paint_boxes(scenes: Sequence[Sequence[Thing]]) -> list[Int[Array, "K 4"]]:
    """`boxes` for many scenes at once; nothing is checked."""
    flat = [thing for things in scenes for thing in things]
    if not flat:
        return [np.zeros((0, 4), np.int64) for _ in scenes]
    patches = _Patches(flat)
    covered = patches.visible(scenes) >= 0.5
    places = patches.corners[:, :, None] - HALF + np.arange(2 * HALF)
    shown = (places >= 0) & (places < SIDE)
    covered &= shown[:, 0, :, None] & shown[:, 1, None, :]  # a thing may reach over the edge
    columns, rows = covered.any(1), covered.any(2)
    left, top = columns.argmax(1), rows.argmax(1)
    right, bottom = 2 * HALF - columns[:, ::-1].argmax(1), 2 * HALF - rows[:, ::-1].argmax(1)
    found = np.stack([left, top, right, bottom], 1) + np.tile(patches.corners[:, ::-1] - HALF, 2)
    found *= columns.any(1)[:, None]
    ends = np.cumsum([len(things) for things in scenes])
    return np.split(found, ends[:-1])


# Things ------------------------------------------------------------------------------------------

# Chosen to differ in lightness too, so that they stay apart for most colour-blind readers.
PAINT = np.array(
    [(0.80, 0.06, 0.12), (0.97, 0.50, 0.06), (0.99, 0.86, 0.16), (0.03, 0.60, 0.38),
     (0.12, 0.42, 0.90), (0.40, 0.12, 0.56), (0.98, 0.58, 0.78), (0.97, 0.97, 0.95)], np.float32
)  # fmt: skip
LIMITS = (("x", 0, SIDE), ("y", 0, SIDE), ("radius", 2, 12), ("turn", -7, 7), ("opacity", 0, 1),
          ("sunk", 0, 1))  # fmt: skip
HALF = 18  # half the side of the patch around a thing: a radius of 12, and its shadow
SHADOW = 0.42  # how dark
SHADOW_X, SHADOW_Y = 1.3, 2.0  # where the shadow falls
OUTLINE = 1.1  # its width


# How deep inside a shape of radius 1 a point lies, outside below 0; u to the right, v down.


def _box(u, v, half_width, half_height, corner=0.0):
    """A box around 0, 0 with rounded corners."""
    across, down = np.abs(u) - half_width + corner, np.abs(v) - half_height + corner
    outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    return corner - outside - np.minimum(np.maximum(across, down), 0)


def _circle(u, v):
    return 0.96 - np.hypot(u, v)


def _square(u, v):
    return _box(u, v, 0.84, 0.84, 0.1)


def _triangle(u, v):
    """Three straight sides; a larger, rounded triangle would look like a circle when small."""
    v = v - 0.16
    sides = 0.866 * np.abs(u) - 0.5 * v
    return 0.58 - np.maximum(sides, v)


def _star(u, v):
    """Five points, folded onto half of one of them: one straight edge from tip to notch."""
    fifth = 2 * np.pi / 5
    angle = np.abs((np.arctan2(u, -v) + fifth / 2) % fifth - fifth / 2)
    length = np.hypot(u, v)
    tip, notch = 1.12, 0.55
    edge_x, edge_y = notch * np.cos(fifth / 2) - tip, notch * np.sin(fifth / 2)
    along, across = length * np.cos(angle) - tip, length * np.sin(angle)
    return (along * edge_y - across * edge_x) / -np.hypot(edge_x, edge_y)


def _heart(u, v):
    """A square on its corner, and a half disc on each of its two upper sides."""
    side = 0.6  # half of it
    u, v = np.abs(u), v + 0.06
    p, q = (u + v) * 0.7071, (u - v) * 0.7071  # along the square's sides
    disc = side - np.hypot(p, q - side)
    return np.maximum(_box(p, q, side, side), disc)


def _ring(u, v):
    return 0.29 - np.abs(np.hypot(u, v) - 0.71)


def _cross(u, v):
    return np.maximum(_box(u, v, 0.98, 0.32, 0.06), _box(u, v, 0.32, 0.98, 0.06))


def _moon(u, v):
    u = u + 0.2
    return np.minimum(1.04 - np.hypot(u, v), np.hypot(u - 0.8, v + 0.1) - 0.84)


DEPTHS = (_circle, _square, _triangle, _star, _heart, _ring, _cross, _moon)  # as in SHAPES


class _Patches:
    """What surrounds each of K things: `HALF` pixels to every side of it.

    corners: row and column of the patch in a canvas that has a margin of HALF; depth: how many
    pixels inside the thing each point lies; cover: the share of each pixel that it covers.
    """

    def __init__(self, things):
        numbers = np.array([thing[2:] for thing in things], np.float32).T[:, :, None, None]
        self.x, self.y, self.radius, self.turn, self.opacity, sunk = numbers
        self.shape = np.array([SHAPES.index(thing.shape) for thing in things])
        middle = np.floor(np.stack([self.y, self.x], 1)[..., 0, 0]).astype(int)
        self.corners = middle
        steps = np.arange(2 * HALF, dtype=np.float32) + 0.5 - HALF
        self.right = steps[None, None, :] + middle[:, 1, None, None] - self.x
        self.down = steps[None, :, None] + middle[:, 0, None, None] - self.y
        self.right, self.down = (a.astype(np.float32) for a in (self.right, self.down))
        self.line = self.radius * (1 - 2 * sunk)  # below it, all has sunk
        self.above = np.where(sunk > 0, np.clip(self.line - self.down + 0.5, 0, 1), np.float32(1))
        self.depth = self.depths(0, 0)
        self.cover = np.clip(self.depth + 0.5, 0, 1) * self.above

    def depths(self, right, down):
        """The depth in pixels of each point, had the thing been moved to the right and down."""
        across, below = (self.right - right) / self.radius, (self.down - down) / self.radius
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        u, v = cos * across + sin * below, cos * below - sin * across
        found = np.empty_like(u)
        for shape, depth in enumerate(DEPTHS):
            chosen = self.shape == shape
            if chosen.any():
                found[chosen] = depth(u[chosen], v[chosen])
        return found * self.radius

    def visible(self, scenes):
        """`cover`, less what a later thing of the same scene covers."""
        seen = self.cover.copy()
        first = 0
        for things in scenes:
            for k in range(first, first + len(things)):
                for later in range(k + 1, first + len(things)):
                    down, right = self.corners[later] - self.corners[k]
                    if max(abs(down), abs(right)) < 2 * HALF:
                        rows, later_rows = _overlap(down)
                        columns, later_columns = _overlap(right)
                        above = self.cover[later][later_rows, later_columns]
                        seen[k][rows, columns] *= 1 - above
            first += len(things)
        return seen

    def colours(self, things):
        """The share of the picture below that stays, and the light that is added to it."""
        colour = PAINT[[COLOURS.index(thing.colour) for thing in things]][:, None, None]
        shifted = self.depths(SHADOW_X, SHADOW_Y)
        shadow = SHADOW * np.clip(0.5 + (shifted + 0.6) / 3.2, 0, 1) * self.above
        # Towards the light from the upper left an edge is bright, on the other side dark.
        slope = np.clip((shifted - self.depth) / 2.4, -1, 1) * np.exp(-np.abs(self.depth) / 2.6)
        across = (self.right + self.down) / self.radius
        shade = 1.0 - 0.09 * across - 0.22 * slope
        outline = np.clip(OUTLINE + 0.5 - self.depth, 0, 1)
        glint = np.exp(-((self.right / self.radius + 0.36) ** 2) * 9)
        glint = 0.3 * glint * np.exp(-((self.down / self.radius + 0.42) ** 2) * 14)
        body = colour * shade[..., None]
        body += glint[..., None] * (1 - body)
        body += 0.72 * outline[..., None] * (0.34 * colour - body)
        cover = self.cover * self.opacity
        keep = (1 - shadow * self.opacity) * (1 - cover)
        return keep[..., None], cover[..., None] * np.minimum(body, 1)


def _overlap(shift):
    """The part of a patch's side that the side of a patch further on overlaps: here, and there."""
    if shift >= 0:
        return slice(shift, None), slice(None, 2 * HALF - shift)
    return slice(None, shift), slice(-shift, None)


# Damage ------------------------------------------------------------------------------------------


def _damaged(shown, damage, rng):
    """One picture, (SIDE, SIDE, 3) of light from 0 to 1, with a damage."""
    if damage == "noise":
        return shown + rng.normal(0, rng.uniform(0.12, 0.2), shown.shape).astype(np.float32)
    if damage == "blur":
        width = rng.uniform(1.2, 2.0)
        steps = np.arange(SIDE)
        spread = np.exp(-((steps[:, None] - steps) ** 2) / (2 * width**2))
        spread = (spread / spread.sum(1, keepdims=True)).astype(np.float32)
        return np.einsum("ij,jkc,lk->ilc", spread, shown, spread, optimize=True)
    if damage == "bar":
        angle, across = rng.uniform(0, np.pi), rng.uniform(-0.25, 0.25) * SIDE
        apart = np.cos(angle) * (X[0] - SIDE / 2) + np.sin(angle) * (Y[0] - SIDE / 2) - across
        share = np.clip(rng.uniform(4.5, 6.0) - np.abs(apart) + 0.5, 0, 1)[..., None]
        return shown + share.astype(np.float32) * (0.5 - shown)
    fog = (0.42 + 0.4 * soft_hills(rng.random((5, 5), np.float32)))[..., None]
    return shown + fog * (0.84 - shown)
