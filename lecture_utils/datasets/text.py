"""Texts to learn from, and the alphabet that turns characters into indices.

latin1_chart    the printable half of Latin-1, one line a character, rebuilt from `unicodedata`
latin1_file     the file that the lecture trains on, where the reader has downloaded it
story           the course's own story, prose with dialogue, public domain
"""

import hashlib
import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Int

from lecture_utils import DATA

LATIN1_FILE_URL = "https://www.w3.org/TR/PNG/iso_8859-1.txt"
LATIN1_FILE_SHA256 = "3aff1954277c4fc27603346901e4848b58fe3c8bed63affe6086003dd6c2b9fe"
WORD = re.compile(r"[A-Za-z']+")


class Alphabet:
    """The characters of a text, sorted (so that every process numbers them alike)."""

    def __init__(self, text: str):
        if not text:
            raise ValueError("the text is empty: an alphabet needs at least one character")
        self.characters = "".join(sorted(set(text)))
        self._index = {c: i for i, c in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def __repr__(self) -> str:
        return f"Alphabet({self.characters!r})"

    def encode(self, text: str) -> Int[np.ndarray, "T"]:
        """The index of each character; ValueError names the first one that is unknown."""
        try:
            return np.array([self._index[c] for c in text], dtype=np.int64)
        except KeyError as error:
            unknown = error.args[0]
            raise ValueError(
                f"character {unknown!r} at position {text.index(unknown)} is not in the alphabet "
                f"{self.characters!r}: remove it, or build the alphabet from a text that has it"
            ) from None

    def decode(self, indices) -> str:
        """The characters at these indices; ValueError for an index outside the alphabet."""
        indices = list(indices)
        for position, i in enumerate(indices):
            if not 0 <= i < len(self):
                raise ValueError(f"index {i} at position {position} is outside 0..{len(self) - 1}")
        return "".join(self.characters[i] for i in indices)


def latin1_chart() -> str:
    """One line for each printable character of Latin-1: code and name, about 5,100 characters."""
    codes = [*range(0x20, 0x7F), *range(0xA0, 0x100)]
    return "".join(f"{code:02X}  {unicodedata.name(chr(code))}\n" for code in codes)


def story() -> str:
    """The course's own story, `data/story.txt`: wrapped at 72 columns, straight quotes."""
    return (DATA / "story.txt").read_text(encoding="ascii")


def known_words(sample: str, text: str) -> list[bool]:
    """For each character of `sample`: does it belong to a word that occurs in `text`?

    A word is a run of letters and apostrophes; capitals count as small letters.
    """
    vocabulary = _words_of(text)
    marks = [False] * len(sample)
    for match in WORD.finditer(sample):
        if match.group().lower() in vocabulary:
            marks[match.start() : match.end()] = [True] * len(match.group())
    return marks


@lru_cache(maxsize=4)  # one text, many samples
def _words_of(text):
    return frozenset(word.lower() for word in WORD.findall(text))


def download_folder() -> Path:
    """Where downloads are kept: LECTURE_DOWNLOADS, else the user's cache folder."""
    chosen = os.environ.get("LECTURE_DOWNLOADS")
    if chosen:
        return Path(chosen)
    import pooch

    return Path(pooch.os_cache("executable-lecture"))


def latin1_file() -> str | None:
    """The lecture's own training file if it was downloaded and is intact, else None."""
    path = download_folder() / "iso_8859-1.txt"
    if not path.is_file():
        return None
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != LATIN1_FILE_SHA256:
        raise ValueError(f"{path} is not the original file: delete it and download it again")
    return content.decode("ascii")


def download_latin1_file(url: str = LATIN1_FILE_URL) -> str:
    """Fetch the lecture's training file (6 kB), check its hash, keep it; returns its text.

    OSError without a network, and what to use instead.
    """
    import pooch

    try:
        pooch.retrieve(
            url,
            "sha256:" + LATIN1_FILE_SHA256,
            "iso_8859-1.txt",
            download_folder(),
            progressbar=False,
        )
    except (OSError, ValueError) as error:
        raise OSError(
            f"{url} could not be fetched ({type(error).__name__}). latin1_chart() needs no "
            "network: it is the same kind of table."
        ) from error
    return latin1_file()
