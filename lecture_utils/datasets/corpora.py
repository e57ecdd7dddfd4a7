"""Two corpora for character models, from what every Python brings along: no download.

python_code     the standard library's own source, without its tests
prose           the course's story, generated dialogue, Python's manual pages and docstrings

Both are written in the same 97 characters, whatever the Python release: printable ASCII, the line
end, and one mark for everything else. Whole documents are held out, files and pages by the checksum
of their names. Dialogue comes from templates: of the sentences of its test part, four in ten stand
word for word in the training part, too. Of the long lines of code, two in a hundred do.
"""

import ast
import re
import sysconfig
import zlib
from functools import cache
from pathlib import Path

from lecture_utils.datasets.dialogue import dialogue
from lecture_utils.datasets.text import Alphabet, story

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
ALPHABET = Alphabet("\n" + "".join(map(chr, range(0x20, 0x7F))) + UNKNOWN)
_STRAIGHT = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014", "''\"\"--")
_NO_CODE = {
    "test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "pydoc_data",
    "lib2to3", "turtledemo", "__pycache__",
}  # fmt: skip
_OF_ONE_MACHINE = re.compile(r"(^|/)(_sysconfigdata|config-)")  # how this Python was built
PARTS = ("train", "validation", "test")  # to learn from, to choose by, to judge by
SHARE = 24  # one document in so many to choose by, and one to judge by


def plain(text: str) -> str:
    """Any text in the characters of `ALPHABET`: tabs as spaces, quotes straight, the rest marks."""
    text = text.replace("\r\n", "\n").expandtabs(4).translate(_STRAIGHT)
    return re.sub(r"[^\n -~]", UNKNOWN, text)


@cache
def python_files(part: str) -> dict[str, str]:
    """The standard library's modules of one part by path ("json/decoder.py"), sorted, as text.

    OSError when this Python has none (a stripped installation).
    """
    _check(part)
    root = Path(sysconfig.get_path("stdlib"))
    names = (path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    names = (name for name in names if _NO_CODE.isdisjoint(name.split("/")[:-1]))
    files = {}
    for name in sorted(names):
        if _part(name) == part and not _OF_ONE_MACHINE.search(name):
            try:
                text = plain((root / name).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError):
                continue
            if text.strip():
                files[name] = text
    if not files:
        raise OSError(
            "this Python comes without the source of its standard library: use `prose`, which is "
            "then without its docstrings, or a Python from python.org, conda or your system"
        )
    return files


@cache
def python_code(part: str) -> str:
    """All of `python_files(part)`, one after the other; about 8 MB to train on."""
    return _joined(python_files(part).values())


@cache
def prose(part: str) -> str:
    """English, mostly wrapped below 80 columns; 3 MB to train on: all of `prose_sources`."""
    return _joined(prose_sources(part).values())


def prose_sources(part: str) -> dict[str, str]:
    """Story, dialogue, manual, and the docstrings of `python_files` where there are any."""
    _check(part)
    chapters = story().split("\n\n\n")  # the title page, then 16 chapters
    tale = {"train": chapters[:-3], "validation": chapters[-3:-2], "test": chapters[-2:]}[part]
    talk = dialogue(1_200_000 if part == "train" else 50_000, seed=PARTS.index(part)).text
    sources = {
        "story": tale, "dialogue": [talk], "manual": manual_pages(part).values(),
        "docstrings": docstrings(part).values(),
    }  # fmt: skip
    return {name: _joined(texts) for name, texts in sources.items() if texts}


def manual_pages(part: str) -> dict[str, str]:
    """Python's language reference by topic, from `pydoc_data.topics`."""
    from pydoc_data.topics import topics  # half a megabyte, and only here

    return {name: plain(text) for name, text in sorted(topics.items()) if _part(name) == part}


def docstrings(part: str) -> dict[str, str]:
    """The docstrings of each module of `python_files` that say more than a line, joined."""
    try:
        files = python_files(part)
    except OSError:
        return {}
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    found = {}
    for name, text in files.items():
        try:
            nodes = list(ast.walk(ast.parse(text)))
        except SyntaxError:  # where `plain` put its mark
            continue
        said = [ast.get_docstring(node) for node in nodes if isinstance(node, kinds)]
        said = dict.fromkeys(plain(doc) for doc in said if doc and len(doc) > 80)  # each once
        if said:
            found[name] = _joined(said)
    return found


def _part(name: str) -> str:
    """By the checksum of a document's name: the same in every Python that has it."""
    return {0: "validation", 1: "test"}.get(zlib.crc32(name.encode()) % SHARE, "train")


def _check(part):
    if part not in PARTS:
        raise ValueError(f"there is no part {part!r}: choose from {', '.join(PARTS)}")


def _joined(texts) -> str:
    return "\n\n\n".join(text.strip("\n") for text in texts) + "\n"
