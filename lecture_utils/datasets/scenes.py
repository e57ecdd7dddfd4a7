"""Scenes to caption: 64 x 64 pictures of coloured things with true sentences about them.

One to four things of 8 shapes, 8 colours and 2 sizes lie on one of 6 grounds; one may cover up to
about a third of another. Each scene has 5 captions, which tell different facts, and knows for each
word of them which things it speaks of, and the box of each thing. The splits:

    same       what to train on; validate and test with another seed
    held out   each scene shows at least one of `HELD_OUT`, pairs of colour and shape which "same"
               never shows, though each colour and each shape comes in seven other pairs
    corrupted  as "same", with strong noise, blur, a grey bar or fog over it

    train = scenes(1000, np.random.default_rng(0))
    print(train[0].captions[0])     a small white ring lies to the left of a red heart on the snow
    words, about = train[0].captions[0]
    about[words.index("heart")]     (1,), and train[0].boxes[1] is its box
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from lecture_utils.datasets.scene_captions import Caption, write_captions
from lecture_utils.datasets.scene_grounds import GROUNDS, SIDE
from lecture_utils.datasets.scene_pictures import (
    COLOURS,
    DAMAGES,
    RADII,
    SHAPES,
    Thing,
    boxes,
    paint,
    paint_boxes,
    render,
)

SPLITS = ("same", "held out", "corrupted")
HELD_OUT = (
    ("red", "moon"), ("orange", "ring"), ("yellow", "cross"), ("green", "heart"),
    ("blue", "star"), ("purple", "circle"), ("pink", "triangle"), ("white", "square"),
)  # fmt: skip
"""Colour and shape: each colour once, and each shape once."""
CHUNK = 250  # scenes painted at once: more would only take more memory
GREY = 128

Array = np.ndarray


class Scene(NamedTuple):
    image: UInt8[Array, "64 64 3"]  # R, G, B from 0 to 255
    things: tuple[Thing, ...]  # a thing covers those before it
    ground: str
    seed: int  # of all that is neither a thing nor the choice of the ground
    boxes: Int[Array, "K 4"]  # of each thing what can be seen: x0, y0, x1, y1 in pixels
    captions: tuple[Caption, ...]
    damage: str | None = None


def scenes(count: int, rng: np.random.Generator, split: str = "same") -> list[Scene]:
    """`count` scenes of one of `SPLITS`: about 10 s for 10,000. Fewer from a seed are its first."""
    _check_count(count)
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}: choose one of {', '.join(SPLITS)}")
    plans = []
    for _ in range(count):
        things = _arrange(rng, split == "held out")
        ground, seed = _ground_and_seed(rng)
        damage = DAMAGES[int(rng.integers(len(DAMAGES)))] if split == "corrupted" else None
        plans.append((things, ground, seed, write_captions(things, ground, rng), damage))
    return _painted(plans)


def _painted(plans):
    """The scenes of plans (things, ground, seed, captions, damage)."""
    made = []
    for start in range(0, len(plans), CHUNK):
        chunk = plans[start : start + CHUNK]
        things, grounds, seeds, captions, damages = zip(*chunk)
        images = paint(things, grounds, seeds, damages)
        rest = zip(images, things, grounds, seeds, paint_boxes(things), captions, damages)
        made += [Scene(*parts) for parts in rest]
    return made


def with_things(scene: Scene, things: Sequence[Thing]) -> Scene:
    """The same scene with other things, and no captions: move, recolour or leave out one of them.

    What no changed thing or shadow touches stays as it was, bit for bit.
    """
    image = render(things, scene.ground, scene.seed, scene.damage)
    return scene._replace(image=image, things=tuple(things), boxes=boxes(things), captions=())


def images(scenes: Sequence[Scene]) -> UInt8[Tensor, "N 3 64 64"]:
    """What a network takes."""
    return torch.from_numpy(np.stack([scene.image for scene in scenes]).transpose(0, 3, 1, 2))


def word_masks(scene: Scene, caption: Caption) -> Bool[Array, "T 64 64"]:
    """For each word: the pixels in the boxes of the things it speaks of."""
    found = np.zeros((len(caption.words), SIDE, SIDE), bool)
    for mask, about in zip(found, caption.about):
        for x0, y0, x1, y1 in scene.boxes[list(about)]:
            mask[y0:y1, x0:x1] = True
    return found


class Singles(NamedTuple):
    images: UInt8[Tensor, "N 3 64 64"]
    shapes: Int[Tensor, "N"]  # index into SHAPES
    colours: Int[Tensor, "N"]  # index into COLOURS


def single_things(count: int, rng: np.random.Generator) -> Singles:
    """Pictures of one thing each, to train a classifier. No pair of `HELD_OUT` is among them."""
    _check_count(count)
    made = []
    for _ in range(count):
        colour, shape = _pair(rng)
        things = (_placed(colour, shape, _radius(rng), [], rng),)
        made.append((things, *_ground_and_seed(rng), (), None))
    painted = _painted(made)
    shapes = [SHAPES.index(scene.things[0].shape) for scene in painted]
    colours = [COLOURS.index(scene.things[0].colour) for scene in painted]
    return Singles(images(painted), torch.tensor(shapes), torch.tensor(colours))


# Arranging ---------------------------------------------------------------------------------------

HOW_MANY = (0.2, 0.3, 0.3, 0.2)  # probability of 1, 2, 3, 4 things
SAME_SHAPE, SAME_COLOUR = 0.4, 0.25  # probability that a thing takes after the first one
APART = 0.84  # of the sum of their radii: how far two things are apart at least
MARGIN = 1.2  # of its radius: how far a thing is from the edge at least


def _check_count(count):
    if count < 1:
        raise ValueError(f"count is {count}: ask for at least 1")


def _pair(rng, first=None):
    """A colour and a shape, not one of HELD_OUT."""
    while True:
        shape = SHAPES[int(rng.integers(8))]
        colour = COLOURS[int(rng.integers(8))]
        if first and rng.random() < SAME_SHAPE:
            shape = first[1]
        if first and rng.random() < SAME_COLOUR:
            colour = first[0]
        if (colour, shape) not in HELD_OUT:
            return colour, shape


def _ground_and_seed(rng):
    return GROUNDS[int(rng.integers(len(GROUNDS)))], int(rng.integers(2**62))


def _radius(rng):
    low, high = RADII["large" if rng.random() < 0.5 else "small"]
    return float(rng.uniform(low, high))


def _arrange(rng, held_out):
    """The things of one scene. held_out: one of them, anywhere in the order, is of HELD_OUT."""
    count = 1 + int(np.searchsorted(np.cumsum(HOW_MANY), rng.random()))
    pairs = [_pair(rng)]
    for _ in range(count - 1):
        pairs.append(_pair(rng, pairs[0]))
    if held_out:
        pairs[int(rng.integers(count))] = HELD_OUT[int(rng.integers(len(HELD_OUT)))]
    things = None
    while things is None:  # where four large things leave no room, others are tried
        radii = [_radius(rng) for _ in pairs]
        things = _place_all(pairs, radii, rng)
    return things


def _place_all(pairs, radii, rng):
    things = []
    for (colour, shape), radius in zip(pairs, radii):
        thing = _placed(colour, shape, radius, things, rng)
        if thing is None:
            return None
        things.append(thing)
    return tuple(things)


def _placed(colour, shape, radius, others, rng):
    """A thing where it covers no other by much; None if 50 tries find no such place."""
    low, high = MARGIN * radius, SIDE - MARGIN * radius
    for _ in range(50):
        x, y = low + (high - low) * rng.random(2)
        if all(np.hypot(x - o.x, y - o.y) >= APART * (radius + o.radius) for o in others):
            turn = float(rng.uniform(-0.3, 0.3))
            return Thing(shape, colour, float(x), float(y), radius, turn)
    return None


# Right for the wrong reasons ---------------------------------------------------------------------

BIASED = {"circle": "grass", "square": "sand"}  # what goes with what
HARD = 0.5  # the share of scenes in which the shape is hard to tell
BIASED_COLOURS = tuple(
    colour for colour in COLOURS if not any((colour, shape) in HELD_OUT for shape in BIASED)
)


def biased(count: int, rng: np.random.Generator, agreement: float) -> list[Scene]:
    """Scenes of one circle or square, as many of each, on grass or sand.

    agreement: the probability that a circle lies on grass, a square on sand; 0.5: the ground says
    nothing. Each caption names the shape; one may come twice. In half of the scenes the shape is
    hard to tell: faint, tiny or half sunk into the ground, so that a network may rather go by the
    ground.
    """
    _check_count(count)
    if not 0 <= agreement <= 1:
        raise ValueError(f"agreement is {agreement}: a probability lies between 0 and 1")
    plans = []
    for _ in range(count):
        shape, other = ("circle", "square") if rng.random() < 0.5 else ("square", "circle")
        ground = BIASED[shape if rng.random() < agreement else other]
        colour = BIASED_COLOURS[int(rng.integers(len(BIASED_COLOURS)))]
        thing = _placed(colour, shape, _radius(rng), [], rng)
        if rng.random() < HARD:
            thing = thing._replace(**_hard(rng))
        captions = []
        while len(captions) < 5:
            captions += [c for c in write_captions((thing,), ground, rng, 1) if shape in str(c)]
        plans.append(((thing,), ground, int(rng.integers(2**62)), tuple(captions), None))
    return _painted(plans)


def _hard(rng):
    """What makes a circle or a square hard to tell."""
    return (
        {"opacity": float(rng.uniform(0.12, 0.25))},
        {"radius": float(rng.uniform(2.8, 3.6))},
        {"sunk": float(rng.uniform(0.5, 0.75))},
    )[int(rng.integers(3))]


def masked(scene: Scene) -> UInt8[Array, "64 64 3"]:
    """The image with a grey square over each thing and its shadow.

    The square's side depends on the radius alone, so that it does not tell the shape.
    """
    image = scene.image.copy()
    for thing in scene.things:
        reach = 1.2 * thing.radius + 4  # the corner of a square, and the shadow
        x0, y0 = (max(0, int(np.floor(middle - reach))) for middle in (thing.x, thing.y))
        x1, y1 = (int(np.ceil(middle + reach)) for middle in (thing.x, thing.y))
        image[y0:y1, x0:x1] = GREY
    return image
