"""What a caption of a scene says, whether it is true, and which things its words speak of.

`parse` reads every sentence of the grammar in `scene_captions`, true or not, and nothing else:
each thing may be described in each way that the grammar has, also where `write_captions` avoids it
("a ring that is red is left of a star").

    said = parse("a red heart is left of a ring".split())
    truth(said, scene.things, scene.ground)     {"object": (2, 2), "colour": (0, 1), ...}
"""

import re
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from lecture_utils.datasets.scene_captions import (
    KINDS,
    NUMBERS,
    PLURALS,
    RELATION_PHRASES,
    RELATION_WORDS,
    SHORT_PHRASES,
    SINGULARS,
    SIZES,
    TEMPLATES,
    check_words,
    having,
    holds,
)
from lecture_utils.datasets.scene_grounds import GROUNDS
from lecture_utils.datasets.scene_pictures import COLOURS, SHAPES, Thing


class Mention(NamedTuple):
    """What a caption says of one thing, or of as many as `number`; None: not said."""

    shape: str | None
    colour: str | None
    size: str | None
    number: int | None  # exactly so many; None: at least one
    places: tuple[int, ...]  # of its words in the caption, without a, is, that, ...


class Said(NamedTuple):
    mentions: tuple[Mention, ...]
    relation: str | None  # one of RELATIONS, of the first mention to the second
    relation_places: tuple[int, ...]  # the place of the word that says it
    ground: str | None


# Reading ----------------------------------------------------------------------------------------


def _one_of(words):
    return f"(?:{'|'.join(words)})"


_LOOKS = f"(?:{_one_of(SIZES)} )?(?:{_one_of(COLOURS)} )?"
_LIKE = f"(?:{_one_of(SIZES)} and {_one_of(COLOURS)}|{_one_of(SIZES)}|{_one_of(COLOURS)})"
_THING = f"(?:an(?= orange)|a(?! orange)) {_LOOKS}{_one_of(SHAPES)}(?: that is {_LIKE})?"
_SINGLE, _SEVERAL = _one_of((*SHAPES, "thing")), _one_of((*SINGULARS, "things"))
SLOTS = {
    "a": _THING,
    "b": _THING,
    "n": f"{_one_of(NUMBERS[1:])} {_LOOKS}{_SEVERAL}",
    "o": f"only one {_LOOKS}{_SINGLE}",
    "k": f"{_LOOKS}{_SEVERAL}",
    "number": _one_of(NUMBERS),
    "p": _LIKE,
    "r": _one_of(sorted(RELATION_PHRASES, key=len, reverse=True)),
    "w": _one_of(SHORT_PHRASES),
    "g": _one_of(GROUNDS),
}
PATTERNS = tuple(
    re.compile(re.sub(r"{(\w+)}", lambda slot: f"(?P<{slot[1]}>{SLOTS[slot[1]]})", template))
    for templates in TEMPLATES.values()
    for template in templates
)


def parse(words: Sequence[str]) -> Said | None:
    """What a caption says; None for anything that is not a sentence of the grammar."""
    check_words(words)
    text = " ".join(words)
    for pattern in PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            return _said(match)
    return None


def _said(match):
    mentions, ground, relation, relation_places = {}, None, None, ()
    for slot, phrase in match.groupdict().items():
        first = match.string.count(" ", 0, match.start(slot))
        if slot == "g":
            ground = phrase
        elif slot in "rw":
            relation = RELATION_PHRASES[phrase]
            relation_places = tuple(
                first + k for k, word in enumerate(phrase.split()) if word in RELATION_WORDS
            )
        else:  # number and p belong to the mention before them
            owner = {"number": "k", "p": "a"}.get(slot, slot)
            mentions.setdefault(owner, []).append((first, phrase.split()))
    mentions = [_mention(mentions[slot]) for slot in sorted(mentions, key="anokb".index)]
    if None in mentions:
        return None
    return Said(tuple(mentions), relation, relation_places, ground)


def _mention(phrases):
    """The facts in some phrases; None if one of them is told twice."""
    facts, places = dict.fromkeys(("shape", "colour", "size", "number")), []
    for first, words in phrases:
        for place, word in enumerate(words, first):
            if word in SIZES:
                fact, value = "size", word
            elif word in COLOURS:
                fact, value = "colour", word
            elif word in NUMBERS:
                fact, value = "number", NUMBERS.index(word) + 1
            elif word in PLURALS or word in SINGULARS:
                fact, value = "shape", SINGULARS.get(word, word)
            elif word in ("thing", "things"):
                fact, value = "shape", None
            else:
                continue
            if facts[fact] is not None:
                return None
            facts[fact] = value
            places.append(place)
    return Mention(**facts, places=tuple(places))


# Truth ------------------------------------------------------------------------------------------


def truth(said: Said, things: Sequence[Thing], ground: str) -> dict[str, tuple[int, int]]:
    """For each of KINDS: how many of the facts told are true of a scene, and how many were told.

    The mentions are read as the things of the scene that make most facts true (then most shapes,
    then most colours, and so on in the order of KINDS), two mentions never as the same thing:
    "two hearts and a red heart" are three. A relation is true if it holds between these; a number,
    if exactly so many things have what is right about the description.
    """
    told = _told(said)
    true = max(_readings(said, things), key=_merit)[1]
    true["ground"] = int(said.ground == ground)
    return {kind: (true[kind], told[kind]) for kind in KINDS}


def is_true(words: Sequence[str], things: Sequence[Thing], ground: str) -> bool:
    """Is this a sentence of the grammar, and each fact that it tells true of the scene?"""
    said = parse(words)
    return said is not None and all(
        true == told for true, told in truth(said, things, ground).values()
    )


def speaks_of(words: Sequence[str], things: Sequence[Thing]) -> tuple[tuple[int, ...], ...] | None:
    """For each word of any caption, true or not: the numbers of the things it speaks of.

    As in `Caption.about`; of a false caption in the reading that `truth` takes. None for what is
    no sentence of the grammar.
    """
    said = parse(words)
    if said is None:
        return None
    readings = list(_readings(said, things))
    best = max(map(_merit, readings))
    meant = [set() for _ in said.mentions]
    for reading in readings:
        if _merit(reading) == best:
            for those, group in zip(meant, reading[0]):
                those |= group
    about = [()] * len(words)
    for mention, those in zip(said.mentions, meant):
        for place in mention.places:
            about[place] = tuple(sorted(those))
    for place in said.relation_places:
        about[place] = tuple(sorted(set().union(*meant)))
    return tuple(about)


def _told(said):
    facts = [(m.shape, m.colour, m.size, m.number) for m in said.mentions]
    shapes, colours, sizes, numbers = (sum(f is not None for f in fact) for fact in zip(*facts))
    relations, grounds = int(said.relation is not None), int(said.ground is not None)
    return dict(zip(KINDS, (shapes, colours, sizes, relations, numbers, grounds)))


def _right(mention, thing):
    """The part of the mention's description that fits the thing."""
    facts = {"shape": mention.shape, "colour": mention.colour, "size": mention.size}
    return {name: v for name, v in facts.items() if v is not None and getattr(thing, name) == v}


def _described(mention):
    return (mention.shape, mention.colour, mention.size) != (None, None, None)


def _readings(said, things):
    """Pairs: the numbers of the things that each mention speaks of; and how many facts are true."""
    choices = []
    for mention in said.mentions:
        fits = [
            k for k, thing in enumerate(things) if _right(mention, thing) or not _described(mention)
        ]
        choices.append([*fits, None])
    for chosen in product(*choices):
        groups = [_group(mention, k, things) for mention, k in zip(said.mentions, chosen)]
        if sum(map(len, groups)) == len(set().union(*groups)):
            yield groups, _true(said, things, chosen)


def _group(mention, index, things):
    """A mention read as this thing: with a number, it speaks of all that are alike in what fits."""
    if index is None:
        return set()
    if mention.number is None:
        return {index}
    return set(having(_right(mention, things[index]), things))


def _true(said, things, chosen):
    true = dict.fromkeys(KINDS, 0)
    for mention, index in zip(said.mentions, chosen):
        if index is None:
            continue
        right = _right(mention, things[index])
        true["object"] += "shape" in right
        true["colour"] += "colour" in right
        true["size"] += "size" in right
        true["count"] += mention.number == len(having(right, things))
    if said.relation is not None and None not in chosen:
        true["relation"] = int(holds(said.relation, *(things[k] for k in chosen)))
    return true


def _merit(reading):
    counts = reading[1]
    return sum(counts[kind] for kind in KINDS[:-1]), *(counts[kind] for kind in KINDS[:-1])
