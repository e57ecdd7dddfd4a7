"""Captions of scenes: the words, the sentences, and writing true ones; their numbers for a network.

A caption is a tuple of lower-case words without punctuation. It tells facts of six kinds:

    object    a heart                    there is at least one
    colour    a red heart, a heart that is red, a heart and it is red
    size      a small heart, ...         small or large
    relation  a heart is left of a ring  also right, above, below; in several wordings
    count     two hearts, only one ring, three things: exactly as many
    ground    on the grass, some sand with ...

"a red heart" means any red heart of the scene, and "a red heart is left of a ring" holds if it
holds for some red heart and some ring. Left of: further left, and more across than up and down.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from lecture_utils.datasets.scene_grounds import GROUNDS
from lecture_utils.datasets.scene_pictures import COLOURS, RADII, SHAPES, Thing

KINDS = ("object", "colour", "size", "relation", "count", "ground")
SIZES = tuple(RADII)
NUMBERS = ("one", "two", "three", "four")
RELATIONS = ("left", "right", "above", "below")
CLEAR = 10.0  # pixels: what is told to be left of something is at least so far left of it,
CLEARLY_MORE = 1.25  # and so many times as far across as up or down
SHORTEST, LONGEST = 5, 16  # words

Words = tuple[str, ...]


class Caption(NamedTuple):
    words: Words
    about: tuple[tuple[int, ...], ...]  # for each word: the numbers of the things it speaks of

    @property
    def of_ground(self) -> tuple[bool, ...]:
        """For each word: does it name the ground?"""
        return tuple(word in GROUNDS for word in self.words)

    def __str__(self) -> str:
        return " ".join(self.words)


# The grammar -------------------------------------------------------------------------------------

# {a} {b} a thing; {n} some things, {o} only one thing, {k} things without their number; {p} what
# a thing is like; {r} {w} a relation of a to b; {g} the ground.
TEMPLATES = {
    "relation": (
        "{a} is {r} {b}",
        "there is {a} {r} {b}",
        "you can see {a} {r} {b}",
        "{w} {b} there is {a}",
        "on the {g} {a} is {r} {b}",
        "{a} lies {r} {b} on the {g}",
    ),
    "count": (
        "there are {n} on the {g}",
        "you can see {n} on the {g}",
        "{n} lie on the {g}",
        "on the {g} there are {n}",
        "some {g} with {n}",
        "there are {n} and {b}",
        "you can see {n} and {b}",
        "there is {o} on the {g}",
        "on the {g} there is {o}",
        "you can see {o} and {b}",
        "the number of {k} is {number}",
        "the number of {k} on the {g} is {number}",
    ),
    "things": (
        "there is {a} on the {g}",
        "{a} lies on the {g}",
        "you can see {a} on the {g}",
        "on the {g} there is {a}",
        "some {g} with {a}",
        "{a} and {b} lie on the {g}",
        "there is {a} and {b}",
        "a picture of {a} and {b}",
        "some {g} with {a} and {b}",
        "there is {a} and it is {p}",
        "you can see {a} and it is {p}",
        "{a} on the {g} is {p}",
    ),
}
SHARE_OF_RELATIONS, SHARE_OF_COUNTS = 0.42, 0.24  # of the captions tried
RELATION_PHRASES = {
    "left of": "left", "to the left of": "left", "right of": "right", "to the right of": "right",
    "above": "above", "higher than": "above", "below": "below", "lower than": "below",
}  # fmt: skip
SHORT_PHRASES = ("left of", "right of", "above", "below")
PLURALS = {shape: "crosses" if shape == "cross" else shape + "s" for shape in SHAPES}
SINGULARS = {plural: shape for shape, plural in PLURALS.items()}
RELATION_WORDS = {"left", "right", "above", "below", "higher", "lower"}
WORDS = tuple(sorted(set(" ".join(
    [re.sub("{.*?}", "", template) for templates in TEMPLATES.values() for template in templates]
    + ["a an that is and only thing things", *RELATION_PHRASES]
    + [*SIZES, *COLOURS, *SHAPES, *SINGULARS, *NUMBERS, *GROUNDS]
).split())))  # fmt: skip
"""Every word of the grammar."""


# Truth -------------------------------------------------------------------------------------------


def holds(relation: str, one: Thing, other: Thing) -> bool:
    """Is `one` left of (right of, above, below) `other`?"""
    across, down = one.x - other.x, one.y - other.y
    if relation in ("left", "right"):
        return abs(across) > abs(down) and (across < 0) == (relation == "left")
    return abs(down) > abs(across) and (down < 0) == (relation == "above")


def clear_relation(one: Thing, other: Thing) -> str | None:
    """The relation of `one` to `other` if it is clear enough to be told, else None."""
    across, down = one.x - other.x, one.y - other.y
    near, far = sorted((abs(across), abs(down)))
    if far < CLEAR or far < CLEARLY_MORE * near:
        return None
    return next(relation for relation in RELATIONS if holds(relation, one, other))


def having(facts, things):
    """The numbers of the things of which all these facts are true."""
    return [
        k for k, thing in enumerate(things)
        if all(getattr(thing, name) == value for name, value in facts.items())
    ]  # fmt: skip


# Writing captions --------------------------------------------------------------------------------


def write_captions(
    things: Sequence[Thing], ground: str, rng: np.random.Generator, count: int = 5
) -> tuple[Caption, ...]:
    """`count` different true captions, each about other facts; ValueError without things."""
    if not things:
        raise ValueError("there are no things: every caption speaks of at least one")
    found = {}
    while len(found) < count:
        caption = _write(things, ground, rng)
        if caption is not None and SHORTEST <= len(caption.words) <= LONGEST:
            found.setdefault(caption.words, caption)
    return tuple(found.values())


def _pick(options, rng):
    return options[int(rng.random() * len(options))]


def _write(things, ground, rng):
    """A caption, or None where what was chosen cannot be said of this scene."""
    chance = rng.random()
    if chance < SHARE_OF_RELATIONS:
        kind = "relation"
    else:
        kind = "count" if chance < SHARE_OF_RELATIONS + SHARE_OF_COUNTS else "things"
    template = _pick(TEMPLATES[kind], rng)
    main = int(rng.random() * len(things))
    phrases, groups, relation = {"g": ground}, {}, None

    if "{b}" in template:
        if len(things) == 1:
            return None
        other = (main + 1 + int(rng.random() * (len(things) - 1))) % len(things)
        phrases["b"], groups["b"] = _thing_phrase(things[other], things, rng, kind != "relation")
    if "{a}" in template:
        plain = kind == "relation" or "{p}" in template
        phrases["a"], groups["a"] = _thing_phrase(things[main], things, rng, not plain)
    else:
        slot = template[template.index("{") :]
        slot = next(name for name in "nok" if f"{{{name}}}" in slot)
        phrases[slot], groups[slot], number = _count_phrase(slot, things[main], things, rng)
        if number is None:
            return None
        phrases["number"] = NUMBERS[number - 1]
    if len(groups) == 2 and set.intersection(*map(set, groups.values())):
        return None  # "a heart and a red heart": which is which?
    if "{p}" in template:
        phrases["p"], groups["a"] = _add(phrases["a"], things[main], things, rng)
        if phrases["p"] is None:
            return None
    if kind == "relation":
        relation = clear_relation(things[main], things[other])
        if relation is None:
            return None
        one, two = groups["a"], groups["b"]
        groups["a"] = [i for i in one if any(holds(relation, things[i], things[j]) for j in two)]
        groups["b"] = [j for j in two if any(holds(relation, things[i], things[j]) for i in one)]
        phrases["w"] = SHORT_PHRASES[RELATIONS.index(relation)]
        phrases["r"] = _pick([p for p, r in RELATION_PHRASES.items() if r == relation], rng)
    return _filled(template, phrases, groups)


def _filled(template, phrases, groups):
    """The caption: each content word of a slot is about the slot's group."""
    words, about = [], []
    for piece in template.split():
        slot = piece[1:-1] if piece[0] == "{" else None
        group = groups.get({"number": "k", "p": "a"}.get(slot, slot), ())
        if slot in ("r", "w"):
            group = groups["a"] + groups["b"]
        for word in phrases[slot].split() if slot else (piece,):
            words.append(word)
            about.append(tuple(sorted(group)) if word in CONTENT else ())
    return Caption(tuple(words), tuple(about))


CONTENT = {
    *SIZES, *COLOURS, *SHAPES, *SINGULARS, *NUMBERS, "thing", "things", *RELATION_WORDS
}  # fmt: skip


def _looks(thing, rng, colour=0.75, size=0.45):
    """Which of its looks are told, with these probabilities."""
    facts = {}
    if rng.random() < size:
        facts["size"] = thing.size
    if rng.random() < colour:
        facts["colour"] = thing.colour
    return facts


def _thing_phrase(thing, things, rng, may_trail):
    """A thing, described, and the numbers of those that fit. may_trail: "a heart that is red"."""
    facts = _looks(thing, rng)
    group = having({**facts, "shape": thing.shape}, things)
    looks = list(facts.values())
    trailing = []
    if may_trail and looks and rng.random() < 0.3:
        trailing = looks if rng.random() < 0.4 else [_pick(looks, rng)]
    before = [*(look for look in looks if look not in trailing), thing.shape]
    article = "an" if before[0] == "orange" else "a"
    after = ["that", "is", *" and ".join(trailing).split()] if trailing else []
    return " ".join([article, *before, *after]), group


def _count_phrase(slot, thing, things, rng):
    """Some things like this one, the numbers of those that fit, and how many; None: cannot be."""
    facts = _looks(thing, rng, colour=0.4, size=0.2)
    if rng.random() < 0.8:
        facts["shape"] = thing.shape
    group = having(facts, things)
    number = len(group)
    if (number > 1) == (slot == "o") or (slot == "n" and number == 1):
        return None, None, None
    if slot == "o":
        noun = facts.pop("shape", "thing")
        return " ".join(["only one", *facts.values(), noun]), group, number
    noun = PLURALS[facts.pop("shape")] if "shape" in facts else "things"
    counted = [NUMBERS[number - 1]] if slot == "n" else []
    return " ".join([*counted, *facts.values(), noun]), group, number


def _add(phrase, thing, things, rng):
    """What else a thing is like, beside what a phrase says, and the numbers of those that fit."""
    told = phrase.split()
    more = [look for look in (thing.size, thing.colour) if look not in told]
    if not more:
        return None, None
    if len(more) == 2 and rng.random() < 0.6:
        more = [_pick(more, rng)]
    facts = {"shape": thing.shape}
    for name, look in (("size", thing.size), ("colour", thing.colour)):
        if look in told or look in more:
            facts[name] = look
    return " and ".join(more), having(facts, things)


def check_words(words: Sequence[str]) -> None:
    """ValueError for what is not the single words of one caption."""
    if isinstance(words, str):
        raise ValueError(f"the caption {words[:30]!r} is a string: split it into words, .split()")
    for word in words:
        if not isinstance(word, str):
            raise ValueError(f"{word!r} is no word: of a Caption, give its words, caption.words")


# Words as numbers --------------------------------------------------------------------------------

PAD, START, END, UNK = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")


class Vocabulary:
    """Words and their codes: PAD, START, END, UNK = 0, 1, 2, 3, then the words from A to Z."""

    def __init__(self, words: Iterable[str]):
        if isinstance(words, str):
            raise ValueError(f"words is the string {words[:30]!r}: give single words, as a list")
        words = sorted(set(words))
        if not words:
            raise ValueError("there are no words: a vocabulary needs at least one")
        for word in words:
            if word in SPECIAL or not word or word.split() != [word]:
                raise ValueError(f"{word!r} cannot be a word: no spaces, and none of {SPECIAL}")
        self.words = (*SPECIAL, *words)
        self._codes = {word: code for code, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, captions: Sequence[Sequence[str]]) -> Int[np.ndarray, "N T"]:
        """One row for each caption, a sequence of words: START, its words, END, then PAD.

        An unknown word becomes UNK. ValueError without captions, and for an empty one.
        """
        for caption in captions:
            check_words(caption)
        if not len(captions):
            raise ValueError("there are no captions: give at least one")
        rows = np.full((len(captions), 2 + max(map(len, captions))), PAD, np.int64)
        for n, (row, caption) in enumerate(zip(rows, captions)):
            if not len(caption):
                raise ValueError(f"caption {n} is empty: leave it out")
            codes = [START, *(self._codes.get(word, UNK) for word in caption), END]
            row[: len(codes)] = codes
        return rows

    def decode(self, codes: Iterable[int] | Int[np.ndarray, "T"]) -> list[str]:
        """The words of one row up to END, without START and PAD; ValueError for another code."""
        found = []
        for code in map(int, codes):
            if not 0 <= code < len(self):
                raise ValueError(f"code {code} is outside 0..{len(self) - 1}")
            if code == END:
                break
            if code not in (PAD, START):
                found.append(self.words[code])
        return found
