"""Grounds for little pictures: grass, sand, water, snow, bricks and wood, each with its clutter.

A ground comes from random numbers alone, the same for a seed whatever lies on it. Lengths are in
pixels, x to the right, y down. All was drawn for this course, by the formulas below.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

SIDE = 64  # of a picture
GROUNDS = ("grass", "sand", "water", "snow", "bricks", "wood")
NOISE = 0.016  # standard deviation, of light from 0 to 1
STREWN = 9  # pebbles, blades or twigs at most
MIDDLES = np.arange(SIDE, dtype=np.float32) + 0.5  # of the pixels of a row
X, Y = MIDDLES[None, None, :], MIDDLES[None, :, None]

Array = np.ndarray


def draw(seeds: Sequence[int]) -> tuple[Float[Array, "N 6600"], Float[Array, "N 64 64 3"]]:
    """The random numbers of each picture, from 0 to 1, and its noise, for light from 0 to 1.

    They are as many for each picture, whatever is painted with them.
    """
    numbers = np.empty((len(seeds), 6600), np.float32)
    noise = np.empty((len(seeds), SIDE, SIDE, 3), np.float32)
    for seed, some, other in zip(seeds, numbers, noise):
        rng = np.random.default_rng(seed)
        rng.random(out=some, dtype=np.float32)
        rng.standard_normal(out=other, dtype=np.float32)
    noise *= NOISE
    return numbers, noise


def light(numbers: Float[Array, "N 6600"]) -> Float[Array, "N 64 64"]:
    """Brighter around a place in the upper half, darker towards the far corners."""
    x, y = (numbers[:, k, None, None] for k in (0, 1))
    x, y = SIDE * (0.2 + 0.6 * x), SIDE * (0.1 + 0.4 * y)
    return 1.04 - 0.16 * ((X - x) ** 2 + (Y - y) ** 2) / SIDE**2


class _Numbers:
    """The random numbers of N pictures, and what they are for."""

    def __init__(self, flat):
        self.flat = flat
        self.grain = flat[:, 1000:5096].reshape(-1, SIDE, SIDE)
        self.clutter = flat[:, 6500 : 6500 + 6 * STREWN].reshape(-1, STREWN, 6)

    def one(self, index):
        """A number from 0 to 1 for each picture, (N, 1, 1)."""
        return self.flat[:, index, None, None]

    def table(self, rows, columns):
        return self.flat[:, 100 : 100 + rows * columns].reshape(-1, rows, columns)

    def smooth(self, across, down=None, start=5096):
        """Soft hills from 0 to 1, so many cells across and down; another start, other hills."""
        down = down or across
        count = (across + 1) * (down + 1)
        grid = self.flat[:, start : start + count].reshape(-1, down + 1, across + 1)
        return soft_hills(grid)


def soft_hills(grid: Float[Array, "*N rows columns"]) -> Float[Array, "*N 64 64"]:
    """Numbers spread over the picture, with smooth passages between them."""
    rows, columns = grid.shape[-2:]
    return CELLS[rows - 1] @ grid @ CELLS[columns - 1].T


def lay(
    canvas: Float[Array, "N high wide 3"], grounds: Sequence[str], numbers: Float[Array, "N 6600"]
) -> None:
    """Paint the grounds with their clutter into the middle of a canvas that has a margin."""
    margin = (canvas.shape[1] - SIDE) // 2
    inner = canvas[:, margin:-margin, margin:-margin]
    for ground, texture in TEXTURES.items():
        chosen = np.flatnonzero([g == ground for g in grounds])
        if len(chosen):
            inner[chosen] = texture(_Numbers(numbers[chosen]))
    _strew(canvas, margin, grounds, _Numbers(numbers))


def stamp(canvas, owner, corners, keep, add) -> None:
    """Paint K square patches onto the canvases that own them, one after the other.

    corners: the row and column of each in the canvas; keep (K, S, S, 1): the share that stays of
    what is there; add (K, S, S, 3): the light that comes.
    """
    side = keep.shape[1]
    for n, (top, left), stays, comes in zip(owner, corners, keep, add):
        under = canvas[n, top : top + side, left : left + side]
        under *= stays
        under += comes


def _between_cells(cells):
    """(SIDE, cells + 1): how much of each random number on a line of cells each pixel takes."""
    place = (np.arange(SIDE) + 0.5) / SIDE * cells
    cell = place.astype(int)
    share = place - cell
    share = share * share * (3 - 2 * share)
    weights = np.zeros((SIDE, cells + 1), np.float32)
    weights[np.arange(SIDE), cell] = 1 - share
    weights[np.arange(SIDE), cell + 1] += share
    return weights


CELLS = {cells: _between_cells(cells) for cells in (3, 4, 8, 16, 24)}


def _mix(share, first, second):
    """From the first colour (share 0) to the second (share 1)."""
    first, second = np.array(first, np.float32), np.array(second, np.float32)
    return first + share[..., None] * (second - first)


def _grass(numbers):
    grain = numbers.grain
    blades = grain + np.roll(grain, 1, 1) + np.roll(grain, (2, 1), (1, 2))
    blades = (blades + np.roll(grain, (3, 1), (1, 2))) / 4
    hills = 0.6 * numbers.smooth(4) + 0.4 * numbers.smooth(8, start=5200)
    return _mix(0.5 + 0.9 * (blades - 0.5) + 0.5 * (hills - 0.5), (0.22, 0.34, 0.16),
                (0.50, 0.62, 0.33))  # fmt: skip


def _sand(numbers):
    hills = numbers.smooth(4)
    ripples = np.sin(2 * np.pi * (Y / 8 + X / 40 + 1.6 * hills + 0.25 * numbers.smooth(8)))
    specks = numbers.grain > 0.97
    share = 0.55 + 0.22 * ripples + 0.45 * (numbers.grain - 0.5) + 0.5 * (hills - 0.5)
    return _mix(share - 0.7 * specks, (0.72, 0.60, 0.43), (0.93, 0.84, 0.66))


def _water(numbers):
    slow, quick = numbers.smooth(4), numbers.smooth(8, start=5200)
    phase = Y / 10 + 1.2 * slow + 0.5 * quick + numbers.one(2)
    waves = np.sin(2 * np.pi * phase)
    crests = np.clip(np.sin(2 * np.pi * (1.7 * phase + 0.02 * X + slow)), 0, 1) ** 6
    share = 0.42 + 0.16 * waves + 0.4 * (slow - 0.5) + 0.5 * crests
    return _mix(share + 0.08 * (numbers.grain - 0.5), (0.17, 0.38, 0.50), (0.60, 0.78, 0.82))


def _snow(numbers):
    slow, quick = numbers.smooth(4), numbers.smooth(8, start=5200)
    drifts = np.sin(2 * np.pi * (Y / 22 + 0.9 * slow + 0.2 * quick + numbers.one(2)))
    sparkles = numbers.grain > 0.985
    share = 0.62 + 0.22 * drifts + 0.35 * (quick - 0.5) + 0.14 * (numbers.grain - 0.5)
    share = share + 0.4 * sparkles
    return _mix(share, (0.70, 0.78, 0.88), (0.94, 0.96, 0.98))


def _bricks(numbers):
    high, wide = 10, 21
    y, x = Y + high * numbers.one(2), X + wide * numbers.one(3)
    row = np.floor(y / high).astype(int)
    x = x + wide / 2 * (row % 2)
    column = np.floor(x / wide).astype(int)
    tone = numbers.table(8, 6)[np.arange(len(x))[:, None, None], row, column]
    to_edge = np.minimum(np.minimum(y % high, -y % high), np.minimum(x % wide, -x % wide))
    mortar = np.clip(1.3 - to_edge, 0, 1)
    sunny = np.clip(1.6 - np.abs(y % high - 1.9), 0, 1)  # the upper edge of each brick
    share = tone + 0.35 * (numbers.grain - 0.5) + 0.3 * (numbers.smooth(16) - 0.5) + 0.3 * sunny
    brick = _mix(share, (0.40, 0.26, 0.22), (0.62, 0.45, 0.38))
    return brick + mortar[..., None] * (_mix(0.4 * numbers.grain, (0.70, 0.66, 0.60),
                                             (0.82, 0.79, 0.73)) - brick)  # fmt: skip


def _wood(numbers):
    high = 13
    y = Y + high * numbers.one(2)
    plank = np.floor(y / high).astype(int)[:, :, 0]
    each = np.arange(len(plank))[:, None]
    tone, joint = (numbers.table(2, 8)[each, k, plank][..., None] for k in (0, 1))
    fibres = numbers.smooth(3, 24)
    lines = np.sin(2 * np.pi * (5 * numbers.smooth(3, 8, start=5300) + y / 4 + 3 * tone))
    share = 0.25 + 0.5 * tone + 0.16 * lines + 0.5 * (fibres - 0.5) + 0.12 * numbers.grain
    board = _mix(share, (0.42, 0.29, 0.19), (0.72, 0.55, 0.38))
    seam = np.maximum(np.clip(1.2 - np.minimum(y % high, -y % high), 0, 1),
                      np.clip(1 - np.abs(X - SIDE * joint), 0, 1))  # fmt: skip
    return board * (1 - 0.6 * seam[..., None])


TEXTURES = dict(zip(GROUNDS, (_grass, _sand, _water, _snow, _bricks, _wood)))
# What lies about: a colour from, to; half its length; how many times as long as wide.
CLUTTER = {
    "grass": ((0.52, 0.60, 0.30), (0.76, 0.78, 0.50), 2.8, 4.0),  # blades
    "sand": ((0.48, 0.42, 0.36), (0.70, 0.64, 0.56), 1.6, 1.4),  # pebbles
    "water": ((0.62, 0.78, 0.82), (0.80, 0.90, 0.92), 2.6, 3.6),  # foam
    "snow": ((0.36, 0.30, 0.26), (0.52, 0.46, 0.40), 2.4, 4.0),  # twigs
    "bricks": ((0.25, 0.20, 0.18), (0.44, 0.38, 0.34), 1.5, 2.0),  # chips
    "wood": ((0.24, 0.17, 0.12), (0.40, 0.28, 0.20), 1.6, 1.6),  # knots
}


def _strew(canvas, margin, grounds, numbers):
    """Clutter: too small and too dull to be one of the things that captions name."""
    there = np.arange(STREWN) < np.floor(2 + (STREWN - 1) * numbers.flat[:, 4, None])
    owner = np.nonzero(there)[0]
    x, y, size, shade, turn, slim = (a[:, None, None] for a in numbers.clutter[there].T)
    kinds = [CLUTTER[ground] for ground in grounds]
    low, high = (np.array([kind[k] for kind in kinds], np.float32)[owner] for k in (0, 1))
    length, aspect = (np.array([kind[k] for kind in kinds], np.float32)[owner] for k in (2, 3))
    length = length[:, None, None] * (0.7 + 0.6 * size)
    width = length / (aspect[:, None, None] * (0.8 + 0.4 * slim))
    half = 6
    corner_x, corner_y = np.floor(x * SIDE), np.floor(y * SIDE)
    steps = np.arange(2 * half, dtype=np.float32) + 0.5 - half
    right, down = steps + corner_x - x * SIDE, steps[:, None] + corner_y - y * SIDE
    upright = np.array([ground == "grass" for ground in grounds])[owner][:, None, None]
    angle = np.where(upright, np.pi / 2 + 0.9 * (turn - 0.5), np.pi * turn)
    flat = np.array([ground == "water" for ground in grounds])[owner][:, None, None]
    angle = np.where(flat, 0.3 * (turn - 0.5), angle).astype(np.float32)
    cos, sin = np.cos(angle), np.sin(angle)

    def cover(right, down):
        along, across = cos * right + sin * down, cos * down - sin * right
        inside = 1 - np.hypot(along / length, across / width)
        return np.clip(inside * width + 0.5, 0, 1)

    body, shadow = cover(right, down), 0.3 * cover(right - 0.6, down - 0.9)
    colour = low + shade[:, 0] * (high - low)
    lit = colour[:, None, None] * (1 - 0.06 * (right + down))[..., None]
    corners = np.stack([corner_y, corner_x], 1)[..., 0, 0].astype(int) + margin - half
    body = body[..., None]
    stamp(canvas, owner, corners, (1 - shadow[..., None]) * (1 - 0.9 * body), 0.9 * body * lit)
