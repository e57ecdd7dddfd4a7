"""Texts to learn from, and the alphabet that turns characters into indices.

latin1_chart    the printable half of Latin-1, one line a character, rebuilt from `unicodedata`
story           the course's own story, prose with dialogue, public domain

Downloads that a reader may add, fetched once and kept:

download_latin1_file        the file that the lecture trains on, 6 kB; latin1_file: if it is there
tiny_shakespeare            1.1 MB of plays
war_and_peace               3.3 MB of prose
linux_kernel                6.2 MB of C
"""

import hashlib
import re
import unicodedata
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from lecture_utils import DATA
from lecture_utils.datasets.downloads import download_folder, fetch

LATIN1_FILE_URL = "https://www.w3.org/TR/PNG/iso_8859-1.txt"
LATIN1_FILE_SHA256 = "3aff1954277c4fc27603346901e4848b58fe3c8bed63affe6086003dd6c2b9fe"
TINY_SHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
TINY_SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
KARPATHY_URL = "https://cs.stanford.edu/people/karpathy/char-rnn/"
WAR_AND_PEACE_URL = KARPATHY_URL + "warpeace_input.txt"
WAR_AND_PEACE_SIZE = 3_258_246  # bytes
WAR_AND_PEACE_BEGINS = '"Well, Prince, so Genoa and Lucca are now just family estates of the'
LINUX_KERNEL_URL = KARPATHY_URL + "linux_input.txt"
LINUX_KERNEL_SIZE = 6_206_996  # bytes
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

    OSError as for `fetch`: latin1_chart() needs no network.
    """
    path = fetch(
        url,
        "iso_8859-1.txt",
        sha256=LATIN1_FILE_SHA256,
        instead="lecture_utils.datasets.text.latin1_chart (the same kind of table)",
    )
    return path.read_text(encoding="ascii")


def tiny_shakespeare(url: str = TINY_SHAKESPEARE_URL) -> str:
    """Scenes of Shakespeare from karpathy/char-rnn, fetched on the first call; public domain.

    1,115,394 characters, 65 different ones, all ASCII, 40,000 lines. The hash is that of the
    original file, so any mirror may serve as `url`. Errors as for `fetch`.
    """
    path = fetch(
        url,
        "tiny_shakespeare.txt",
        sha256=TINY_SHAKESPEARE_SHA256,
        instead="lecture_utils.datasets.corpora.prose",
    )
    return path.read_bytes().decode("ascii")  # not read_text, which may change line ends


def war_and_peace(url: str = WAR_AND_PEACE_URL, sha256: str | None = None) -> str:
    """Tolstoy's novel in English, A. Karpathy's file, fetched on the first call; public domain.

    How far it is checked: we do not know the hash of the original. The size, in bytes, is the
    number of characters that Karpathy, Johnson and Fei-Fei (2016) report, quoted from memory; the
    first line is that of copies which others have published. If the file is refused for one of
    them and is right after all, or to check more than these: the hash found is printed (of a file
    that is longer, once you have saved it where the error says), and given as `sha256` it alone
    decides. Other errors as for `fetch`.

    Shorter than the file: line ends become one character, a byte order mark is left out.
    """
    path = fetch(
        url,
        "war_and_peace.txt",
        sha256=sha256,
        size=WAR_AND_PEACE_SIZE,
        first_line=WAR_AND_PEACE_BEGINS,
        instead="lecture_utils.datasets.corpora.prose",
    )
    return _decoded(path.read_bytes())


def linux_kernel(url: str = LINUX_KERNEL_URL, sha256: str | None = None) -> str:
    """C source of the Linux kernel, A. Karpathy's file, fetched on the first call; GPL-2.0.

    How far it is checked: we know neither the hash of the original nor its first line. The size,
    in bytes, is the number of characters that Karpathy, Johnson and Fei-Fei (2016) report, quoted
    from memory. `sha256` and errors as for `war_and_peace`.
    """
    path = fetch(
        url,
        "linux_kernel.txt",
        sha256=sha256,
        size=LINUX_KERNEL_SIZE,
        instead="lecture_utils.datasets.corpora.python_code",
    )
    return _decoded(path.read_bytes())


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # in which every byte is a character
    return text.replace("\r\n", "\n")
