"""Truth: every caption of the grammar is read and true, and every lie is found."""

from itertools import product

import numpy as np
import pytest

from lecture_utils.datasets.scene_captions import (
    KINDS,
    NUMBERS,
    PLURALS,
    RELATION_PHRASES,
    SINGULARS,
    SIZES,
    TEMPLATES,
    Caption,
    holds,
    write_captions,
)
from lecture_utils.datasets.scene_grounds import GROUNDS
from lecture_utils.datasets.scene_pictures import COLOURS, SHAPES, Thing
from lecture_utils.datasets.scene_truth import Mention, Said, is_true, parse, speaks_of, truth
from lecture_utils.datasets.scenes import SPLITS, scenes

# A small red heart at the upper left, a large blue ring right of it, two stars below: a small
# yellow one at the left, a large red one at the right, further right of the heart than below it.
THINGS = (
    Thing("heart", "red", 16.0, 14.0, 6.0),
    Thing("ring", "blue", 46.0, 18.0, 10.0),
    Thing("star", "yellow", 14.0, 50.0, 6.0),
    Thing("star", "red", 50.0, 44.0, 10.0),
)


@pytest.fixture(scope="module")
def made():
    return scenes(2000, np.random.default_rng(11))


def told(counts):
    """The kinds of which something was told: true and told."""
    return {kind: pair for kind, pair in counts.items() if pair[1]}


# Reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "caption, said",
    [
        (
            "a red heart is to the left of a small ring",
            Said(
                (
                    Mention("heart", "red", None, None, (1, 2)),
                    Mention("ring", None, "small", None, (9, 10)),
                ),
                "left", (6,), None,
            ),
        ),
        (
            "above a ring there is a star",
            Said(
                (Mention("star", None, None, None, (6,)), Mention("ring", None, None, None, (2,))),
                "above", (0,), None,
            ),
        ),
        (
            "on the snow an orange moon is higher than a cross",
            Said(
                (
                    Mention("moon", "orange", None, None, (4, 5)),
                    Mention("cross", None, None, None, (10,)),
                ),
                "above", (7,), "snow",
            ),
        ),
        (
            "the number of large things on the wood is three",
            Said((Mention(None, None, "large", 3, (3, 4, 9)),), None, (), "wood"),
        ),
        (
            "some water with two crosses",
            Said((Mention("cross", None, None, 2, (3, 4)),), None, (), "water"),
        ),
        (
            "there is a heart that is small and red and a ring that is pink",
            Said(
                (
                    Mention("heart", "red", "small", None, (3, 6, 8)),
                    Mention("ring", "pink", None, None, (11, 14)),
                ),
                None, (), None,
            ),
        ),
        (
            "you can see a small circle and it is white",
            Said((Mention("circle", "white", "small", None, (4, 5, 9)),), None, (), None),
        ),
        (
            "you can see only one red thing and a star",
            Said(
                (Mention(None, "red", None, 1, (4, 5, 6)), Mention("star", None, None, None, (9,))),
                None, (), None,
            ),
        ),
    ],
)  # fmt: skip
def test_what_is_said_by_hand(caption, said):
    assert parse(caption.split()) == said


@pytest.mark.parametrize(
    "words",
    [
        "",
        "a",
        "red red heart",
        "a heart",
        "a red heart is left of",
        "a red heart is left a ring",
        "a heart red is left of a ring",
        "a red small heart is left of a ring",
        "a orange heart is left of a ring",
        "an red heart is left of a ring",
        "two heart lie on the sand",
        "one hearts lie on the sand",
        "five hearts lie on the sand",
        "there are two hearts on sand",
        "there are two hearts on the lava",
        "there is a red heart and it is red",
        "there is a red heart that is small and blue and a ring",
        "there is a heart that is red and small and a ring",
        "you can see a heart and it is small and large",
        "on the sand there is a heart on the sand",
        "a heart is left of a ring <end>",
        "A heart is left of a ring",
    ],
)
def test_what_is_no_sentence_of_the_grammar_is_not_read(words):
    assert parse(words.split()) is None
    assert is_true(words.split(), THINGS, "sand") is False
    assert speaks_of(words.split(), THINGS) is None


def test_every_template_is_read():
    example = {
        "a": "a small red heart", "b": "an orange ring that is large", "n": "three pink moons",
        "o": "only one white thing", "k": "crosses", "number": "four", "p": "blue", "g": "wood",
        "r": "to the right of", "w": "below",
    }  # fmt: skip
    for template in [t for group in TEMPLATES.values() for t in group]:
        if "{p}" in template:
            caption = template.format(**{**example, "a": "a small heart"})
        else:
            caption = template.format(**example)
        said = parse(caption.split())
        slots = "anokb"
        assert len(said.mentions) == sum(f"{{{slot}}}" in template for slot in slots)
        assert said.ground == ("wood" if "{g}" in template else None)
        expected = {"{r}": "right", "{w}": "below"}
        assert said.relation == next((v for k, v in expected.items() if k in template), None)


def test_a_word_said_twice_is_noticed(made):
    for scene in made[:25]:
        for caption in scene.captions:
            for k in range(len(caption.words)):
                assert parse((*caption.words[: k + 1], *caption.words[k:])) is None


def test_a_caption_in_another_form_is_refused(as_a_reader_runs_it):
    with pytest.raises(ValueError, match="caption 'a red heart is' is a string: split it into"):
        parse("a red heart is")
    with pytest.raises(ValueError, match="give its words, caption.words"):
        is_true(Caption(("a",), ((),)), THINGS, "sand")
    with pytest.raises(ValueError, match="is a string"):
        speaks_of("a red heart is left of a ring", THINGS)


# Truth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "caption, expected",
    [
        ("a red heart is left of a ring", {"object": (2, 2), "colour": (1, 1), "relation": (1, 1)}),
        ("a heart is right of a ring", {"object": (2, 2), "relation": (0, 1)}),
        ("a blue heart is left of a ring",
         {"object": (2, 2), "colour": (0, 1), "relation": (1, 1)}),
        ("a moon is left of a ring", {"object": (1, 2), "relation": (0, 1)}),
        # One star is below the heart, another right of it: one will do for each relation.
        ("a star is below a heart", {"object": (2, 2), "relation": (1, 1)}),
        ("a star is right of a heart", {"object": (2, 2), "relation": (1, 1)}),
        ("a red star is right of a yellow star",
         {"object": (2, 2), "colour": (2, 2), "relation": (1, 1)}),
        ("a star is right of a star", {"object": (2, 2), "relation": (1, 1)}),
        ("a ring is right of a ring", {"object": (1, 2), "relation": (0, 1)}),
        ("there are two stars on the sand", {"object": (1, 1), "count": (1, 1), "ground": (1, 1)}),
        ("there are two stars on the snow", {"object": (1, 1), "count": (1, 1), "ground": (0, 1)}),
        ("there are three stars on the sand",
         {"object": (1, 1), "count": (0, 1), "ground": (1, 1)}),
        ("there are two red stars on the sand",
         {"object": (1, 1), "colour": (1, 1), "count": (0, 1), "ground": (1, 1)}),
        ("there are two red things on the sand",
         {"colour": (1, 1), "count": (1, 1), "ground": (1, 1)}),
        ("there are four things on the sand", {"count": (1, 1), "ground": (1, 1)}),
        ("there is only one star on the sand",
         {"object": (1, 1), "count": (0, 1), "ground": (1, 1)}),
        ("there is only one red star on the sand",
         {"object": (1, 1), "colour": (1, 1), "count": (1, 1), "ground": (1, 1)}),
        ("the number of small things is two", {"size": (1, 1), "count": (1, 1)}),
        ("the number of pink things is two", {"colour": (0, 1), "count": (0, 1)}),
        # The reading with most true facts: the large red star, not the small yellow one.
        ("a large red star lies on the grass",
         {"object": (1, 1), "colour": (1, 1), "size": (1, 1), "ground": (0, 1)}),
        ("a small red star lies on the sand",
         {"object": (1, 1), "colour": (1, 1), "size": (0, 1), "ground": (1, 1)}),
        # Small and yellow are two facts of the star, the shape only one of the ring.
        ("a small yellow ring lies on the sand",
         {"object": (0, 1), "colour": (1, 1), "size": (1, 1), "ground": (1, 1)}),
        # One thing is not named twice.
        ("a picture of a heart and a red heart", {"object": (1, 2), "colour": (1, 1)}),
        ("a picture of a star and a star", {"object": (2, 2)}),
        # No third star: what else is small is the heart.
        ("there are two stars and a small star",
         {"object": (1, 2), "size": (1, 1), "count": (1, 1)}),
        ("there are two stars and a ring", {"object": (2, 2), "count": (1, 1)}),
    ],
)  # fmt: skip
def test_truth_by_hand(caption, expected):
    words = caption.split()
    found = truth(parse(words), THINGS, "sand")
    assert list(found) == list(KINDS) and told(found) == expected
    assert is_true(words, THINGS, "sand") == all(t == n for t, n in expected.values())


def test_two_stars_and_a_small_star_are_three():
    words = "there are two red stars and a star".split()
    stars = (THINGS[3], THINGS[3]._replace(x=10.0))
    assert not is_true(words, stars, "sand")
    assert is_true(words, (*stars, THINGS[2]), "sand")


def test_of_no_things_nothing_is_true():
    found = truth(parse("two red hearts lie on the sand".split()), (), "sand")
    assert told(found) == {"object": (0, 1), "colour": (0, 1), "count": (0, 1), "ground": (1, 1)}
    assert speaks_of("two red hearts lie on the sand".split(), ()) == ((),) * 7


def test_every_caption_of_2000_scenes_is_true(made):
    for scene in made:
        for caption in scene.captions:
            assert is_true(caption.words, scene.things, scene.ground), str(caption)


@pytest.mark.parametrize("split", SPLITS)
def test_every_caption_of_each_split_is_true_of_its_own_scene_only(split):
    found = scenes(150, np.random.default_rng(12), split)
    own = [is_true(c.words, s.things, s.ground) for s in found for c in s.captions]
    other = [is_true(c.words, o.things, o.ground)
             for s, o in zip(found, found[1:]) for c in s.captions]  # fmt: skip
    assert all(own) and np.mean(other) < 0.05


# Lies --------------------------------------------------------------------------------------------


def lies(words, k, things):
    """The word of number k replaced so that the caption is surely false: kinds and captions."""
    word, singular = words[k], SINGULARS.get(words[k], words[k])
    for kind, name, values in (
        ("object", "shape", SHAPES), ("colour", "colour", COLOURS), ("size", "size", SIZES)
    ):  # fmt: skip
        if singular in values:
            there = {getattr(thing, name) for thing in things}
            for value in set(values) - there:  # nothing in the scene is like this
                yield kind, value if singular == word else PLURALS[value]
    if word in NUMBERS and "only" not in words:
        counted = NUMBERS.index(word)
        lowest = 0 if "number" in words else 1  # "one stars" is no sentence
        for other in (counted - 1, counted + 1):
            if lowest <= other < len(NUMBERS):
                yield "count", NUMBERS[other]
    if word in GROUNDS:
        yield from (("ground", ground) for ground in GROUNDS if ground != word)


def test_every_planted_lie_is_found(made):
    """One lie about each word of which there is one."""
    rng = np.random.default_rng(0)
    found = dict.fromkeys(KINDS, 0)
    for scene in made[:150]:
        for caption in scene.captions:
            true = truth(parse(caption.words), scene.things, scene.ground)
            for k in range(len(caption.words)):
                possible = sorted(lies(caption.words, k, scene.things))
                if not possible:
                    continue
                kind, lie = possible[rng.integers(len(possible))]
                words = [*caption.words[:k], lie, *caption.words[k + 1 :]]
                if words[k - 1] in ("a", "an"):
                    words[k - 1] = "an" if lie == "orange" else "a"
                assert not is_true(words, scene.things, scene.ground), words
                counts = truth(parse(words), scene.things, scene.ground)
                assert counts[kind][0] < counts[kind][1]
                assert [n for _, n in counts.values()] == [n for _, n in true.values()]
                found[kind] += 1
    assert found.pop("relation") == 0 and min(found.values()) > 40, found


def test_every_planted_lie_about_a_relation_is_found(made):
    """Of two things that stand in one relation no other is true."""
    found = 0
    phrases = sorted(RELATION_PHRASES, key=len, reverse=True)  # "to the left of" has "left of"
    for scene in made[:600]:
        if len(scene.things) != 2:
            continue
        for caption in scene.captions:
            text = str(caption)
            told = next((phrase for phrase in phrases if f" {phrase} a" in text), None)
            for other in phrases if told else ():
                said = text.replace(f" {told} a", f" {other} a").split()
                true = RELATION_PHRASES[other] == RELATION_PHRASES[told]
                assert is_true(said, scene.things, scene.ground) == true
                assert parse(said).relation == RELATION_PHRASES[other]
                found += not true
    assert found > 1000


def test_a_mirror_turns_left_and_right_round(made):
    """Would notice a `holds` that does not look at the places."""
    turned = {"left": False, "right": False, "above": True, "below": True}
    seen = dict.fromkeys(turned, 0)
    for scene in made:
        mirrored = [thing._replace(x=64 - thing.x) for thing in scene.things]
        for caption in scene.captions:
            relation = parse(caption.words).relation
            if relation and len(scene.things) == 2:
                assert is_true(caption.words, mirrored, scene.ground) == turned[relation]
                seen[relation] += 1
    assert min(seen.values()) > 100


def test_truth_is_the_same_by_other_means():
    """All facts true, by sets: some ways to pick what is meant, none of them twice."""

    def all_true(said, things, ground):
        picks = []
        for m in said.mentions:
            fits = {k for k, t in enumerate(things)
                    if m.shape in (None, t.shape) and m.colour in (None, t.colour)
                    and m.size in (None, t.size)}  # fmt: skip
            if m.number is None:
                picks.append([{k} for k in fits])
            else:
                picks.append([fits] if len(fits) == m.number else [])
        some = any(
            not set.intersection(*groups, set(range(4)) if len(groups) > 1 else set())
            and (said.relation is None
                 or holds(said.relation, *(things[min(group)] for group in groups)))
            for groups in product(*picks)
        )  # fmt: skip
        return some and said.ground in (None, ground)

    rng = np.random.default_rng(0)
    worlds = [
        tuple(
            Thing(str(rng.choice(["star", "ring"])), str(rng.choice(["red", "pink"])),
                  *rng.uniform(8, 56, 2).tolist(), float(rng.choice([6, 10])))
            for _ in range(rng.integers(1, 5))
        )
        for _ in range(80)
    ]  # fmt: skip
    answers = []
    for one, other in zip(worlds, worlds[1:]):
        for caption in write_captions(one, "sand", rng, 12):
            for things, ground in ((one, "sand"), (other, "sand"), (other, "snow")):
                answers.append(is_true(caption.words, things, ground))
                assert answers[-1] == all_true(parse(caption.words), things, ground)
    assert 0.4 < np.mean(answers) < 0.7


# What words speak of -----------------------------------------------------------------------------


def test_words_speak_of_what_the_writer_meant(made):
    for scene in made[:600]:
        for caption in scene.captions:
            assert speaks_of(caption.words, scene.things) == caption.about


@pytest.mark.parametrize(
    "caption, about",
    [
        ("a red star is below a ring", [(), (3,), (3,), (), (1, 3), (), (1,)]),
        ("a star is below a heart", [(), (2,), (), (0, 2), (), (0,)]),
        ("some sand with two stars", [(), (), (), (2, 3), (2, 3)]),
        # What is false speaks of what it fits best: the ring for the pink ring, none for the moon.
        ("a picture of a pink ring and a moon", [(), (), (), (), (1,), (1,), (), (), ()]),
        ("there are three stars and a heart", [(), (), (2, 3), (2, 3), (), (), (0,)]),
    ],
)
def test_what_words_speak_of_by_hand(caption, about):
    assert speaks_of(caption.split(), THINGS) == tuple(about)
