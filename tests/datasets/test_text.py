"""Texts and alphabets: what ships is as described, and a download is kept only if it is intact."""

import hashlib
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lecture_utils.datasets import corpora, text
from lecture_utils.datasets.text import Alphabet, known_words, latin1_chart, story

SEEDED = settings(derandomize=True, deadline=None)  # the same examples on any machine, busy or not

# Alphabet ----------------------------------------------------------------------------------------


@SEEDED
@given(st.text(min_size=1))
def test_what_is_encoded_is_decoded_again(written):
    alphabet = Alphabet(written)
    indices = alphabet.encode(written)
    assert alphabet.decode(indices) == written
    assert indices.dtype == np.int64 and indices.shape == (len(written),)
    assert set(indices.tolist()) == set(range(len(alphabet)))


@SEEDED
@given(st.text(min_size=1), st.randoms())
def test_the_order_of_a_text_does_not_matter_to_its_alphabet(written, random):
    shuffled = list(written)
    random.shuffle(shuffled)
    assert Alphabet("".join(shuffled)).characters == Alphabet(written).characters


def test_characters_are_numbered_in_sorted_order():
    alphabet = Alphabet("hello world")
    assert alphabet.characters == " dehlorw"
    assert len(alphabet) == 8
    assert alphabet.encode("hold").tolist() == [3, 5, 4, 1]
    assert alphabet.decode(np.array([3, 2, 4, 4, 5])) == "hello"
    assert repr(alphabet) == "Alphabet(' dehlorw')"


def test_nothing_encodes_to_nothing():
    alphabet = Alphabet("ab")
    assert alphabet.encode("").tolist() == []
    assert alphabet.decode([]) == ""


def test_decode_takes_any_iterable():
    assert Alphabet("abc").decode(iter([2, 0])) == "ca"


def test_an_empty_text_has_no_alphabet():
    with pytest.raises(ValueError, match="text is empty: an alphabet needs at least one"):
        Alphabet("")


def test_an_unknown_character_is_named_with_its_place_and_a_remedy():
    with pytest.raises(ValueError, match=r"'!' at position 4 .*'abc'.*remove it, or build"):
        Alphabet("abc").encode("abca!b?")


@pytest.mark.parametrize("index", [3, -1])
def test_an_index_outside_is_named_with_its_place(index):
    with pytest.raises(ValueError, match=rf"index {index} at position 2 is outside 0\.\.2"):
        Alphabet("abc").decode([0, 1, index])


# The Latin-1 chart -------------------------------------------------------------------------------


def test_the_chart_has_the_size_that_the_lesson_prints():
    chart = latin1_chart()
    assert len(chart) == 5140
    assert len(set(chart)) == 39
    assert len(chart.splitlines()) == 191 and chart.endswith("\n")
    assert chart == latin1_chart()


def test_every_printable_character_of_latin_1_has_its_line_in_order():
    lines = latin1_chart().splitlines()
    codes = [int(line[:2], 16) for line in lines]
    printable = [c for c in range(256) if unicodedata.category(chr(c)) != "Cc"]
    assert codes == printable
    for code, line in zip(codes, lines):
        assert re.fullmatch(r"[0-9A-F]{2}  [A-Z -]+", line)
        assert unicodedata.lookup(line[4:]) == bytes([code]).decode("latin-1")


# The story ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prose():
    return story()


def test_the_story_is_plain_text_wrapped_at_72_columns(prose):
    assert prose.isascii() and len(prose) >= 60_000
    assert max(map(len, prose.splitlines())) <= 72
    assert {c for c in prose if not c.isprintable()} == {"\n"}
    assert not [line for line in prose.splitlines() if line != line.rstrip()]


def test_the_story_has_at_least_14_chapters_numbered_from_one(prose):
    numbers = [int(n) for n in re.findall(r"^CHAPTER (\d+)\. \S", prose, re.MULTILINE)]
    assert len(numbers) >= 14
    assert numbers == list(range(1, len(numbers) + 1))


def test_in_every_paragraph_what_is_opened_is_closed(prose):
    """Lesson 06 looks for units that count quotes: the right answer must be known."""
    paragraphs = prose.split("\n\n")
    assert len(paragraphs) > 300
    assert not [p for p in paragraphs if p.count('"') % 2]
    assert not [p for p in paragraphs if p.count("(") != p.count(")")]
    assert sum(p.count('"') for p in paragraphs) > 500  # there is dialogue


def test_the_story_says_that_it_is_free_and_holds_the_passage_of_lesson_02(prose):
    assert "Public domain" in prose[:200]
    start = prose.index("Every evening")
    assert prose[start : start + 13] == "Every evening"


# Known words -------------------------------------------------------------------------------------


def test_known_words_marks_whole_words_only():
    sample = "The cat, dont! Cats CAT"
    marks = known_words(sample, "the cat sat; don't")
    assert len(marks) == len(sample)
    shown = "".join(c if mark else "." for c, mark in zip(sample, marks))
    assert shown == "The.cat.............CAT"


def test_apostrophes_belong_to_words():
    assert known_words("don't", "I don't") == [True] * 5
    assert known_words("don", "I don't") == [False] * 3


def test_no_words_no_marks():
    assert known_words("", "a text") == []
    assert known_words("a b", "") == [False] * 3


# The downloaded file -----------------------------------------------------------------------------

CONTENT = b"32  SPACE\n33  EXCLAMATION MARK\n"


@pytest.fixture
def folder(folder, monkeypatch):
    """The download folder, and a small content in place of the original file's."""
    monkeypatch.setattr(text, "LATIN1_FILE_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return folder


def files_in(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_without_a_download_there_is_no_file_and_no_error(folder):
    assert text.latin1_file() is None
    assert not folder.exists()  # looking leaves nothing behind


def test_a_kept_file_is_read_from_the_folder_that_the_variable_names(folder):
    folder.mkdir()
    (folder / "iso_8859-1.txt").write_bytes(CONTENT)
    assert text.latin1_file() == CONTENT.decode()


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b.replace(b"32", b"23")])
def test_a_tampered_or_truncated_file_is_refused_with_its_path(folder, spoil):
    folder.mkdir()
    path = folder / "iso_8859-1.txt"
    path.write_bytes(spoil(CONTENT))
    with pytest.raises(ValueError, match="is not the original file: delete it and download") as e:
        text.latin1_file()
    assert str(path) in str(e.value)
    assert path.read_bytes() == spoil(CONTENT)  # it is the reader's to delete


def test_a_download_with_the_right_content_is_kept(folder, server):
    assert text.download_latin1_file(server.sending(CONTENT)) == CONTENT.decode()
    assert files_in(folder) == ["iso_8859-1.txt"]
    assert text.latin1_file() == CONTENT.decode()


def test_a_file_that_is_there_is_not_fetched_again(folder, server, nobody_listens):
    text.download_latin1_file(server.sending(CONTENT))
    assert text.download_latin1_file(nobody_listens) == CONTENT.decode()


def test_a_tampered_file_is_replaced_by_a_new_download(folder, server):
    folder.mkdir()
    (folder / "iso_8859-1.txt").write_bytes(b"something else")
    assert text.download_latin1_file(server.sending(CONTENT)) == CONTENT.decode()
    assert files_in(folder) == ["iso_8859-1.txt"]


SUBSTITUTE = r"use lecture_utils\.datasets\.text\.latin1_chart \(the same kind of table\) instead"


@pytest.mark.parametrize(
    "answer, left",
    [
        ({"body": b"<html>moved</html>"}, []),
        ({"body": CONTENT, "cut": 10}, ["iso_8859-1.txt.part"]),
        ({"body": b"not here", "status": 404}, []),
        ({"body": b""}, []),
    ],
    ids=["another file", "connection lost half-way", "not found", "empty"],
)
def test_what_is_not_the_file_is_not_taken_for_it(folder, server, answer, left):
    for name, value in answer.items():
        setattr(server, name, value)
    with pytest.raises(OSError, match=SUBSTITUTE):
        text.download_latin1_file(server.url)
    assert files_in(folder) == left
    assert text.latin1_file() is None


def test_offline_the_error_names_the_address_and_the_substitute(folder, nobody_listens):
    with pytest.raises(OSError, match=SUBSTITUTE) as e:
        text.download_latin1_file(nobody_listens)
    assert nobody_listens in str(e.value)
    assert files_in(folder) == []


def test_the_address_and_the_hash_are_those_of_the_lectures_file():
    """Six thousand characters of the W3C; nothing is fetched here."""
    assert text.LATIN1_FILE_URL.startswith("https://www.w3.org/")
    assert re.fullmatch("[0-9a-f]{64}", text.LATIN1_FILE_SHA256)


# Larger texts ------------------------------------------------------------------------------------


def test_tiny_shakespeare_is_taken_by_its_hash_and_kept_as_it_is(
    folder, server, nobody_listens, monkeypatch
):
    play = b"First Citizen:\nSpeak, speak.\n"
    monkeypatch.setattr(text, "TINY_SHAKESPEARE_SHA256", hashlib.sha256(play).hexdigest())
    assert text.tiny_shakespeare(server.sending(play)) == play.decode()
    assert text.tiny_shakespeare(nobody_listens) == play.decode()
    assert files_in(folder) == ["tiny_shakespeare.txt"]


def test_another_text_is_not_taken_for_tiny_shakespeare(folder, server):
    known = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    with pytest.raises(OSError, match=rf"instead of {known}.*use lecture_utils\S+corpora\.prose"):
        text.tiny_shakespeare(server.sending(b"First Citizen:\n"))
    assert files_in(folder) == []


BEGINS = b'\xef\xbb\xbf"Well, Prince, so Genoa and Lucca are now just family estates of the\r\n'
NOVEL = BEGINS + "Buonapartes, Buonaparté's.\r\n".encode()


def test_war_and_peace_is_taken_by_size_and_first_line(folder, server, monkeypatch, capsys):
    monkeypatch.setattr(text, "WAR_AND_PEACE_SIZE", len(NOVEL))
    novel = text.war_and_peace(server.sending(NOVEL))
    assert novel == NOVEL.decode("utf-8-sig").replace("\r\n", "\n")
    assert novel.startswith('"Well, Prince') and "\r" not in novel and novel.count("\n") == 2
    assert hashlib.sha256(NOVEL).hexdigest() in capsys.readouterr().out


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b.replace(b"Well", b"Hell")])
def test_another_text_is_not_taken_for_war_and_peace(folder, server, monkeypatch, spoil):
    monkeypatch.setattr(text, "WAR_AND_PEACE_SIZE", len(NOVEL))
    with pytest.raises(OSError, match=r"give this sha256.*use lecture_utils\S+corpora\.prose"):
        text.war_and_peace(server.sending(spoil(NOVEL)))
    assert files_in(folder) == []


def test_a_reader_may_vouch_for_another_war_and_peace(folder, server):
    shorter = NOVEL[:-1]
    pinned = hashlib.sha256(shorter).hexdigest()
    assert text.war_and_peace(server.sending(shorter), sha256=pinned).startswith('"Well, Prince')


def test_the_kernel_is_taken_by_size_and_may_be_latin_1(folder, server, monkeypatch):
    code = b"/* Copyright J\xf6rg */\nint x;\n"
    monkeypatch.setattr(text, "LINUX_KERNEL_SIZE", len(code))
    assert text.linux_kernel(server.sending(code)) == "/* Copyright J\u00f6rg */\nint x;\n"


def test_another_text_is_not_taken_for_the_kernel(folder, server):
    with pytest.raises(OSError, match=r"6,206,996 .*use lecture_utils\S+corpora\.python_code"):
        text.linux_kernel(server.sending(b"int x;\n"))
    assert files_in(folder) == []


def test_the_built_in_texts_that_errors_name_are_there():
    assert callable(text.latin1_chart)
    assert callable(corpora.prose) and callable(corpora.python_code)
