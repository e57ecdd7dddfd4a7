"""Corpora: in 97 characters, and nothing of the test part in the training part."""

import ast

import pytest

from lecture_utils.datasets import corpora
from lecture_utils.datasets.corpora import ALPHABET, PARTS, UNKNOWN, plain


def test_the_alphabet_is_fixed():
    assert len(ALPHABET) == 97
    assert ALPHABET.characters == "\n" + "".join(map(chr, range(32, 127))) + "\ufffd"


def test_plain_text_has_known_characters_only():
    assert plain("a\tb\r\n\u201cso\u201d \u2019s \u2013 \u00e9") == f'a   b\n"so" \'s - {UNKNOWN}'
    ALPHABET.encode(plain("".join(map(chr, range(9, 0x3000)))))


@pytest.mark.parametrize("part, least", [("train", 3e6), ("validation", 1e5), ("test", 1e5)])
def test_python_code(part, least):
    code = corpora.python_code(part)
    assert len(code) > least and code.endswith("\n")
    assert set(code) <= set(ALPHABET.characters)
    assert code.count(UNKNOWN) < 1e-3 * len(code)
    assert code.count("\ndef ") > len(code) / 1e5


def test_no_file_is_in_two_parts():
    files = [corpora.python_files(part) for part in PARTS]
    names = [name for part in files for name in part]
    assert len(names) == len(set(names))
    assert not any("/test/" in f"/{name}" or "site-packages" in name for name in names)
    assert not any("_sysconfigdata" in name or "config-" in name for name in names)
    for text in files[1].values():
        ast.parse(text)  # whole files


@pytest.mark.parametrize("part, least", [("train", 2e6), ("validation", 8e4), ("test", 8e4)])
def test_prose(part, least):
    text = corpora.prose(part)
    assert len(text) > least
    assert set(text) <= set(ALPHABET.characters)
    assert text.count(" the ") > len(text) / 500
    assert text.count('"') > len(text) / 500


def test_no_long_line_of_the_test_prose_was_trained_on():
    """The story, the manual and the docstrings; dialogue shares its templates, not its scenes."""
    known = set(corpora.prose("train").splitlines())
    lines = [line for line in corpora.prose("test").splitlines() if len(line) > 60]
    assert sum(line in known for line in lines) < 0.05 * len(lines)


def test_few_long_lines_of_the_test_code_were_trained_on():
    known = set(corpora.python_code("train").splitlines())
    lines = [line for line in corpora.python_code("test").splitlines() if len(line) > 40]
    assert sum(line in known for line in lines) < 0.04 * len(lines)


def test_the_last_chapters_are_for_the_test():
    assert "CHAPTER 16." in corpora.prose("test") and "CHAPTER 16." not in corpora.prose("train")
    assert "CHAPTER 1." in corpora.prose("train")


@pytest.mark.parametrize("read", [corpora.prose, corpora.python_code, corpora.python_files])
def test_an_unknown_part_is_refused(read):
    with pytest.raises(ValueError, match="no part 'dev': choose from train, validation, test"):
        read("dev")


def test_a_python_without_source_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(corpora.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(OSError, match="without the source of its standard library: use `prose`"):
        corpora.python_files.__wrapped__("train")
    monkeypatch.setattr(corpora, "python_files", corpora.python_files.__wrapped__)
    left = corpora.prose.__wrapped__("validation")
    assert 50_000 < len(left) < len(corpora.prose("validation"))
