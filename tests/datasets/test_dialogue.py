"""Template dialogue: its labels, its layout and how varied it is, all read off the text itself."""

import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from lecture_utils.datasets import dialogue as module
from lecture_utils.datasets.dialogue import dialogue

SPEECH = re.compile(r'"[^"]*"')


@pytest.fixture(scope="module")
def long():
    return dialogue(200_000)


def scan(text):
    """What `quoted` says, found by walking through the text with a switch."""
    inside, answers = False, []
    for character in text:
        if character == '"':
            inside = not inside
        answers.append(inside)
    return answers


def paragraphs(text):
    return text.removesuffix("\n").split("\n\n")


def sentences(text):
    """Sentences of speech and of narration; tags such as "he said" are none."""
    for paragraph in paragraphs(text):
        flat = paragraph.replace("\n", " ")
        for part in [*SPEECH.findall(flat), SPEECH.sub(" ", flat)]:
            for sentence in re.split(r"(?<=[.?!]) ", part.strip('" ')):
                if len(sentence.split()) > 3:
                    yield sentence


def quotations(text):
    return re.findall(r'"([^"]*)"', text)


def test_labels_are_what_a_scanner_finds(long):
    assert long.quoted.dtype == bool and long.quoted.shape == (len(long.text),)
    assert long.quoted.tolist() == scan(long.text)
    for t in (i for i, c in enumerate(long.text[:20_000]) if c == '"'):
        assert long.quoted[t] != long.quoted[t - 1]  # opening is inside, closing is outside


def test_a_lost_mark_would_be_noticed(long):
    first = long.text.index('"')
    assert scan(long.text[:first] + " " + long.text[first + 1 :]) != long.quoted.tolist()


def test_every_quotation_closes_in_its_paragraph(long):
    for paragraph in paragraphs(long.text):
        assert paragraph.count('"') % 2 == 0
        assert not re.search(r'" "|""|"\s+"', paragraph)
        for said in quotations(paragraph):
            assert said and said == said.strip()


@pytest.mark.parametrize("width", [20, 41, 72, 200])
def test_lines_are_filled_up_to_the_width(width):
    lines = dialogue(30_000, width=width).text.split("\n")
    assert max(map(len, lines)) <= width
    for line, after in zip(lines, lines[1:]):
        assert line == line.strip() and "  " not in line
        if line and after:  # the next word had no place any more
            assert len(line) + 1 + len(after.split()[0]) > width


def test_width_moves_line_ends_only():
    narrow, wide = (dialogue(5000, width=width).text.split() for width in (30, 90))
    shared = min(len(narrow), len(wide))
    assert shared > 700 and narrow[:shared] == wide[:shared]


def test_characters_are_plain(long):
    assert all(c == "\n" or " " <= c <= "~" for c in long.text)
    assert not set(long.text) & set("{}[]~|/_<>")  # nothing of a template is left
    assert "\n\n\n" not in long.text
    assert long.text[0] not in " \n" and long.text.endswith("\n") and long.text[-2] not in " \n"


@pytest.mark.parametrize("characters", [1, 137, 5000])
def test_long_enough_and_ends_with_a_paragraph(characters):
    text = dialogue(characters, seed=3).text
    assert len(text) >= characters
    assert text[-2] in '.?!")' and text[-1] == "\n"
    shorter = text[:-1].rpartition("\n\n")[0]
    assert len(shorter) + 1 < characters or not shorter  # no paragraph more than asked for


def test_a_shorter_text_is_how_a_longer_one_begins():
    short, long = dialogue(3000, seed=7), dialogue(9000, seed=7)
    assert long.text.startswith(short.text)
    assert np.array_equal(long.quoted[: len(short.text)], short.quoted)


def test_the_same_seed_tells_the_same_stories():
    """A change here changes what shipped models were trained on."""
    text = dialogue(2000).text[:2000]
    assert text == dialogue(2000).text[:2000]
    assert hashlib.sha256(text.encode("ascii")).hexdigest() == BEGINNING


BEGINNING = "10205db5475996e023fb73b7e71c53cfc90327c93e2102785c8d942ed96e824d"


def test_seeds_differ():
    texts = {dialogue(2000, seed=seed).text for seed in range(5)}
    assert len(texts) == 5


def test_how_much_is_quoted_and_for_how_long(long):
    assert 0.3 < long.quoted.mean() < 0.55
    lengths = np.array([len(said) for said in quotations(long.text)])
    assert 30 <= np.median(lengths) <= 90
    assert np.mean(lengths < 10) > 0.03 and np.mean(lengths > 300) > 0.01
    assert lengths.max() > 400
    plain = np.mean(['"' not in paragraph for paragraph in paragraphs(long.text)])
    assert 0.25 < plain < 0.42


def test_sentences_seldom_repeat(long):
    told = list(sentences(long.text))
    assert len(set(told[:1000])) > 900
    assert max(Counter(told).values()) / len(told) < 0.01


def test_the_vocabulary_is_large(long):
    assert len(set(re.findall(r"[a-z']+", long.text))) > 900


def test_speech_comes_in_all_its_forms(long):
    flat = long.text.replace("\n", " ")
    for form in (
        r'," said [A-Z]\w+\.',
        r'," (he|she) \w+\.',
        r'[A-Z]\w+ said, "[A-Z]',
        r'," \w+ [A-Z]\w+, "[a-z]',  # interrupted
        r'\?" asked [A-Z]',
        r'!" (cried|called) [A-Z]',
        r'(?m)^ ?"[^"]*"$',  # without a tag
        r'said "[A-Z][^"]*" (hung|and)',  # a sign
        r"\([A-Z][^)]*\.\)",
        r"don't",
    ):
        where = long.text if "(?m)" in form else flat
        assert len(re.findall(form, where)) >= 5, form


def test_grammar_that_a_scanner_can_check(long):
    flat = long.text.replace("\n", " ")
    assert not re.findall(r"\b[Aa] [aeiou]\w+", flat)
    assert not re.findall(r"\b[Aa]n [^aeiouh]\w+", flat)  # an hour
    assert not re.findall(r"(?<![\"])[.?!] [a-z]", flat)  # a capital after each full stop
    assert not re.findall(r'\." (?:said|asked|cried|he \w+ed|she \w+ed|he said|she said)\b', flat)
    assert not re.findall(r" [,.?!]|[,.][,.]|,[?!]", flat)
    assert not re.findall(r'[?]" (?:said|cried|remarked)\b|!" asked', flat)
    assert not re.findall(r"\b(\w+) \1\b", flat.replace('"', "").replace("had had", ""))


@pytest.mark.parametrize("count, alone", [(2, [1, 1]), (3, [0, 1, 0]), (4, [0, 0, 0, 0])])
def test_only_who_cannot_be_confused_is_called_he_or_she(count, alone):
    cast = module._Author(np.random.default_rng(0)).people(count)
    assert [person.unique for person in cast] == [bool(flag) for flag in alone]
    calls = [person.he for person in cast]
    assert [calls.count(person.he) == 1 for person in cast] == [p.unique for p in cast]
    assert all(person.name in (module.SHE if person.he == "she" else module.HE) for person in cast)
    assert len({person.name for person in cast}) == count


def test_every_slot_has_words():
    for setting in (module.HARBOUR, module.VILLAGE):
        words = {**module.WORDS, **setting}
        assert all(len(set(kind)) == len(kind) > 2 for kind in words.values())
    assert set(module.HARBOUR) == set(module.VILLAGE)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: dialogue(0), "characters is 0: .*at least 1"),
        (lambda: dialogue(-5), "characters is -5"),
        (lambda: dialogue(100, seed=-1), "seed is -1: .*at least 0"),
        (lambda: dialogue(100, width=19), "width is 19: .*at least 20"),
    ],
)
def test_bad_sizes_are_named_with_what_is_allowed(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize(
    "wrong", [{"characters": 10.5}, {"characters": "10"}, {"seed": 0.5}, {"width": None}]
)
def test_wrong_types_are_refused(wrong):
    with pytest.raises((TypeError, ValueError)):
        dialogue(**{"characters": 100, **wrong})
