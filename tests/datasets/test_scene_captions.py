"""Captions: plain sentences, each word about the right things, and their codes."""

from collections import Counter

import numpy as np
import pytest

from lecture_utils.datasets.scene_captions import (
    END,
    LONGEST,
    NUMBERS,
    PAD,
    PLURALS,
    RELATION_PHRASES,
    RELATION_WORDS,
    RELATIONS,
    SHORTEST,
    SINGULARS,
    SIZES,
    SPECIAL,
    START,
    TEMPLATES,
    UNK,
    WORDS,
    Caption,
    Vocabulary,
    clear_relation,
    having,
    holds,
    write_captions,
)
from lecture_utils.datasets.scene_grounds import GROUNDS
from lecture_utils.datasets.scene_pictures import COLOURS, SHAPES, Thing
from lecture_utils.datasets.scene_truth import parse

HEART = Thing("heart", "red", 20.0, 20.0, 6.0)
RING = Thing("ring", "blue", 44.0, 24.0, 10.0)
ORANGE = Thing("star", "orange", 24.0, 48.0, 10.0)


def some_things(rng):
    """One to four things of few kinds, so that several are alike."""
    shapes, colours = (rng.choice(kinds, 2, replace=False) for kinds in (SHAPES, COLOURS))
    return tuple(
        Thing(str(rng.choice(shapes)), str(rng.choice(colours)), *rng.uniform(8, 56, 2).tolist(),
              float(rng.choice([6, 10])))
        for _ in range(rng.integers(1, 5))
    )  # fmt: skip


@pytest.fixture(scope="module")
def written():
    """Triples: the things of a scene, its ground, and one of its captions."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(800):
        things, ground = some_things(rng), GROUNDS[k % 6]
        found += [(things, ground, caption) for caption in write_captions(things, ground, rng)]
    return found


# The sentences -----------------------------------------------------------------------------------


def test_captions_are_plain_sentences(written):
    for _, _, caption in written:
        assert SHORTEST <= len(caption.words) <= LONGEST
        assert str(caption).replace(" ", "").isalpha() and str(caption) == str(caption).lower()
        assert tuple(str(caption).split()) == caption.words
        assert len(caption.about) == len(caption.of_ground) == len(caption.words)
    lengths = Counter(len(caption.words) for _, _, caption in written)
    assert set(lengths) == set(range(5, 17))


def test_the_five_of_a_scene_differ(written):
    for start in range(0, len(written), 5):
        assert len({caption.words for _, _, caption in written[start : start + 5]}) == 5


def test_all_words_come_and_no_other(written):
    assert {word for _, _, caption in written for word in caption.words} == set(WORDS)
    assert list(WORDS) == sorted(set(WORDS)) and len(WORDS) == 67


@pytest.mark.parametrize("kind, slots", [("relation", "rw"), ("count", "nok"), ("things", "a"),
                                         ("ground", "g"), ("added", "p")])  # fmt: skip
def test_each_kind_of_fact_has_three_wordings_or_more(kind, slots):
    templates = [t for group in TEMPLATES.values() for t in group]
    assert sum(any(f"{{{s}}}" in template for s in slots) for template in templates) >= 3
    assert len(templates) == len(set(templates)) == 30


def test_relations_have_two_wordings_each(written):
    assert Counter(RELATION_PHRASES.values()) == dict.fromkeys(RELATIONS, 2)
    text = " . ".join(str(caption) for _, _, caption in written)
    for phrase in RELATION_PHRASES:
        assert text.count(f" {phrase} a") > 20


def test_articles_and_numbers_agree_with_their_nouns(written):
    for _, _, caption in written:
        words = [*caption.words, ""]
        for word, after in zip(words, words[1:]):
            if word in ("a", "an") and after != "picture":
                assert (word == "an") == (after == "orange")
        for number in {"two", "three", "four"} & set(words[:-2]):
            noun = next(w for w in words[words.index(number) :] if w in {*SHAPES, *SINGULARS,
                        "thing", "things"})  # fmt: skip
            assert noun in SINGULARS or noun == "things"
    assert PLURALS["cross"] == "crosses" and PLURALS["moon"] == "moons"


def test_writing_is_the_same_from_the_same_seed():
    things = (HEART, RING, ORANGE)
    first, again, other = (
        write_captions(things, "sand", np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert first == again != other and len(first) == 5
    assert len(write_captions((HEART,), "sand", np.random.default_rng(0), 9)) == 9


def test_without_things_there_is_nothing_to_say():
    with pytest.raises(ValueError, match="there are no things: every caption speaks of at least"):
        write_captions((), "sand", np.random.default_rng(0))


# What words speak of -----------------------------------------------------------------------------

LOOK = {
    **dict.fromkeys(SHAPES, "shape"), **dict.fromkeys(COLOURS, "colour"),
    **dict.fromkeys(SIZES, "size"),
}  # fmt: skip


def test_each_word_is_about_things_of_which_it_is_true(written):
    for things, ground, caption in written:
        for word, about in zip(caption.words, caption.about):
            word = SINGULARS.get(word, word)
            if word in LOOK:
                assert about and {getattr(things[k], LOOK[word]) for k in about} == {word}
            elif word in NUMBERS:
                assert len(about) == NUMBERS.index(word) + 1
            elif word in ("thing", "things"):
                assert about
            elif word in RELATION_WORDS:
                assert len(about) >= 2
            else:
                assert about == ()
            assert about == tuple(sorted(set(about)))
        named = [word for word, flag in zip(caption.words, caption.of_ground) if flag]
        assert named == [word for word in caption.words if word in GROUNDS] and len(named) <= 1
        assert set(named) <= {ground}


def test_no_thing_that_fits_is_left_out(written):
    """Where one description stands alone, all things that it fits are meant."""
    checked = 0
    for things, _, caption in written:
        said = parse(caption.words)
        if len(said.mentions) > 1:
            continue
        singular = [SINGULARS.get(word, word) for word in caption.words]
        facts = {LOOK[word]: word for word in singular if word in LOOK}
        fits = tuple(having(facts, things))
        assert {about for about in caption.about if about} == {fits}
        checked += 1
    assert checked > 1000


def test_of_two_alike_those_that_stand_in_the_relation_are_meant():
    things = (HEART, RING, RING._replace(x=4.0))  # a ring on each side
    meant = {("heart", "left"): 1, ("heart", "right"): 2, ("ring", "right"): 1, ("ring", "left"): 2}
    found = set()
    for caption in write_captions(things, "sand", np.random.default_rng(0), 150):
        said = parse(caption.words)
        if said.relation:
            one, about = said.mentions[0].shape, dict(zip(caption.words, caption.about))
            assert about["heart"] == (0,) and about["ring"] == (meant[one, said.relation],)
            assert about[said.relation] == (0, meant[one, said.relation])
            found.add((one, said.relation))
    assert found == set(meant)


def test_no_relation_is_told_that_is_not_clear():
    near = RING._replace(x=29.0, y=21.0)
    found = write_captions((HEART, near), "sand", np.random.default_rng(0), 60)
    assert not any(RELATION_WORDS & set(caption.words) for caption in found)
    found = write_captions((HEART, near._replace(x=31.0)), "sand", np.random.default_rng(0), 60)
    assert any(RELATION_WORDS & set(caption.words) for caption in found)


# Relations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x, y, true, clear",
    [
        (30.0, 0.0, "right", "right"),
        (-30.0, 20.0, "left", "left"),
        (-30.0, 25.0, "left", None),  # not clearly more across than down
        (0.0, -12.0, "above", "above"),
        (3.0, 12.0, "below", "below"),
        (3.0, 9.5, "below", None),  # too near
        (10.0, 0.0, "right", "right"),
        (10.0, 8.0, "right", "right"),  # 1.25 times as far
        (14.0, -14.0, None, None),
        (0.0, 0.0, None, None),
    ],
)
def test_relations_by_hand(x, y, true, clear):
    one = HEART._replace(x=32 + x / 2, y=32 + y / 2)
    other = HEART._replace(x=32 - x / 2, y=32 - y / 2)
    assert [r for r in RELATIONS if holds(r, one, other)] == [true] * (true is not None)
    assert clear_relation(one, other) == clear


def test_relations_turn_round():
    opposite = {"left": "right", "right": "left", "above": "below", "below": "above"}
    rng = np.random.default_rng(0)
    for _ in range(300):
        one, other = (HEART._replace(x=x, y=y) for x, y in rng.uniform(0, 64, (2, 2)).tolist())
        true = [r for r in RELATIONS if holds(r, one, other)]
        assert len(true) == 1 and holds(opposite[true[0]], other, one)
        assert clear_relation(one, other) in (true[0], None)


def test_having_finds_what_fits():
    things = (HEART, RING, HEART._replace(radius=10.0))
    assert having({"shape": "heart"}, things) == [0, 2]
    assert having({"shape": "heart", "size": "large"}, things) == [2]
    assert having({}, things) == [0, 1, 2] and having({"colour": "pink"}, things) == []


# Words as numbers --------------------------------------------------------------------------------


@pytest.fixture
def vocabulary():
    return Vocabulary(["star", "a", "red", "a"])


def test_codes_by_hand(vocabulary):
    assert (PAD, START, END, UNK) == (0, 1, 2, 3)
    assert vocabulary.words == (*SPECIAL, "a", "red", "star") and len(vocabulary) == 7
    rows = vocabulary.encode([["a", "red", "star"], ["star"], ("a", "blue")])
    assert rows.dtype == np.int64
    assert rows.tolist() == [[1, 4, 5, 6, 2], [1, 6, 2, 0, 0], [1, 4, 3, 2, 0]]
    assert vocabulary.decode(rows[2]) == ["a", "<unk>"]
    assert vocabulary.decode([4, 5]) == ["a", "red"]
    assert vocabulary.decode([4, 2, 5, 6]) == ["a"] and vocabulary.decode([]) == []


def test_captions_come_back_from_their_codes(written):
    vocabulary = Vocabulary(WORDS)
    assert len(vocabulary) == 71
    captions = [caption.words for _, _, caption in written]
    rows = vocabulary.encode(captions)
    assert rows.shape[1] <= LONGEST + 2 and UNK not in rows
    assert [tuple(vocabulary.decode(row)) for row in rows] == captions


@pytest.mark.parametrize(
    "use, said",
    [
        (lambda v: Vocabulary("red star"), "words is the string 'red star': give single words"),
        (lambda v: Vocabulary([]), "there are no words: a vocabulary needs at least one"),
        (lambda v: Vocabulary(["red star"]), "'red star' cannot be a word"),
        (lambda v: Vocabulary([""]), "'' cannot be a word"),
        (lambda v: Vocabulary(["<pad>"]), "'<pad>' cannot be a word"),
        (lambda v: v.encode([]), "there are no captions: give at least one"),
        (lambda v: v.encode([["a"], []]), "caption 1 is empty: leave it out"),
        (lambda v: v.encode(["a red star"]), "caption 'a red star' is a string: split it"),
        (lambda v: v.encode("a red star"), "is a string: split it into words"),
        (lambda v: v.encode([Caption(("a",), ((),))]), "give its words, caption.words"),
        (lambda v: v.decode([4, 7]), r"code 7 is outside 0\.\.6"),
        (lambda v: v.decode([-1]), r"code -1 is outside 0\.\.6"),
    ],
)
def test_bad_words_and_codes_are_named(vocabulary, as_a_reader_runs_it, use, said):
    with pytest.raises(ValueError, match=said):
        use(vocabulary)
