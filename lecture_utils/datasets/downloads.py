"""Downloads that a reader may add; the course itself needs none.

    path = fetch(url, "input.txt", sha256="86c4...", instead="lecture_utils.datasets.corpora.prose")

A file counts as fetched only when it has been checked. Until then it is NAME.part, and an
interrupted download goes on from there. A file that was put into the folder by hand is checked the
same way.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PureWindowsPath
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FOLDER_VARIABLE = "LECTURE_DOWNLOADS"
TIMEOUT = 30.0  # seconds without a sign of life from the server
CHUNK = 1 << 16  # bytes
LARGEST = 1 << 30  # bytes, where the size is not known: no file of the course comes near


def download_folder() -> Path:
    """Where downloads are kept: LECTURE_DOWNLOADS, else the user's cache folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("executable-lecture"))


def fetch(
    url: str,
    name: str,
    *,
    instead: str,
    sha256: str | None = None,
    size: int | None = None,
    first_line: str | None = None,
) -> Path:
    """The file `name` in the download folder: fetched unless it is there and right.

    instead: what comes with the course and serves the same purpose, for the error messages.
    sha256: where it is given, it alone decides. Otherwise `size` in bytes and, if given,
        `first_line` (without line end and byte order mark) do, and the hash found is printed, so
        that a reader can pin it.

    No more is written than `size`, or LARGEST where the hash decides, or what the server has
    announced, if that is less: who sends more is cut off there.

    What takes longer than a second shows a bar, unless LECTURE_PROGRESS=0. An interrupt or a lost
    connection keeps what has arrived.

    ValueError for a `name` with a folder in it and where there is nothing to check by. OSError
    where the server cannot be reached or does not have the file, where what it sends is another
    file (that is removed), and where the folder cannot be written.
    """
    if PureWindowsPath(name).name != name or name in ("", ".."):  # it knows / as well as \
        raise ValueError(f"name is {name!r}: give a plain file name, without a folder")
    if sha256 is None and size is None:
        raise ValueError(f"nothing to check {name} by: give its sha256, or its size in bytes")
    folder = download_folder()
    path, part = folder / name, folder / f"{name}.part"

    def flaw(file: Path) -> str | None:
        with _in_use(folder):
            there = file.is_file()
            return _flaw(file, sha256, size, first_line) if there else "it is not there"

    if not flaw(path):
        return path
    with _in_use(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder):
        found = flaw(path)
        if not found:  # another process has just fetched it
            return path
        if path.exists():
            print(f"{path} is not the right file: {found}. Fetching it again.")
        found, excess = flaw(part), None  # it may be whole, if the last call broke off here
        if found:
            excess = _download(url, part, size if sha256 is None else LARGEST, instead)
            found = excess or flaw(part)
        with _in_use(folder):
            if not found:
                os.replace(part, path)
            else:
                part.unlink(missing_ok=True)
    if found:
        trust = "" if sha256 else "If you know that it is right after all, give this sha256. "
        if excess:
            trust = (
                f"If you know that it is right after all, save it as {path} yourself: the next "
                "call checks it there and names its sha256. "
            )
        raise OSError(
            f"{url} sent another file than expected: {found}. It was removed; call again in case "
            f"it was damaged on the way. {trust}{_without_it(instead)}"
        )
    if sha256 is None:
        print(f'{name} has the expected size; to pin what is in it: sha256="{_hash(path)}"')
    return path


def _flaw(path: Path, sha256: str | None, size: int | None, first_line: str | None) -> str | None:
    """What is wrong with a file; None where nothing is."""
    if sha256 is not None:
        found = _hash(path)
        return None if found == sha256.lower() else f"its sha256 is {found} instead of {sha256}"
    bytes_found = path.stat().st_size
    if bytes_found != size:
        return f"it has {bytes_found:,} bytes instead of {size:,} and the sha256 {_hash(path)}"
    if first_line is not None:
        with open(path, "rb") as file:
            line = file.readline(1000).decode("utf-8-sig", "replace").rstrip("\r\n")
        if line != first_line:
            return f"it begins {line!r} instead of {first_line!r} and has the sha256 {_hash(path)}"
    return None


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, part: Path, most: int, instead: str) -> str | None:
    """All that is missing of the partial file; what is wrong if it would exceed `most` bytes."""
    with _in_use(part.parent):
        done = part.stat().st_size if part.exists() else 0
    with _reaching(url, part, instead):
        answer, done = _answer(url, done)
        length = _length(answer)
    end = None if length is None else done + length
    with answer, _bar(part.stem, done, end) as bar:
        if end is not None:
            if end > most:
                return f"it has {end:,} bytes, and at most {most:,} were expected"
            most = end
        with _in_use(part.parent):
            # No buffer: each byte is in the file at once, or has raised an error.
            file = open(part, "r+b" if done else "wb", buffering=0)
            file.seek(done)
        with file:
            while True:
                with _reaching(url, part, instead):
                    piece = answer.read(CHUNK)
                    if not piece and end is not None and done < end:
                        raise ConnectionError(f"the connection broke at {done:,} of {end:,} bytes")
                if not piece:
                    return None
                done += len(piece)
                if done > most:
                    return f"it has more than {most:,} bytes"
                bar.update(len(piece))
                with _in_use(part.parent):
                    while piece:  # a disk that is nearly full takes only the beginning
                        piece = piece[file.write(piece) :]


def _answer(url: str, start: int):
    """The server's answer, from byte `start` on if it can do that, and where it really begins."""
    request = Request(url, headers={"User-Agent": "executable-lecture"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        answer = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if start and error.code == 416:  # there is nothing from `start` on
            return _answer(url, 0)
        raise
    if not start or answer.status != 206:  # 200: the whole file, whatever was asked for
        return answer, 0
    if answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return answer, start
    answer.close()
    return _answer(url, 0)


def _length(answer) -> int | None:
    """How many bytes the server has announced, if it has."""
    told = answer.headers.get("Content-Length")
    if told is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", told.strip()):
        answer.close()
        raise HTTPException(f"its header Content-Length is {told[:50]!r}, not a number of bytes")
    return int(told)


def _bar(name: str, done: int, end: int | None) -> tqdm:
    hidden = os.environ.get("LECTURE_PROGRESS") == "0" or None  # None: tqdm looks for a terminal
    return tqdm(
        desc=name, initial=done, total=end, unit="B", unit_scale=True, delay=1.0, leave=False,
        disable=hidden,
    )  # fmt: skip


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Waits while another process fetches into the folder: it may be at the same partial file.

    Where there are no such locks (Windows, some network folders) two processes may spoil each
    other's partial file. The check notices, and the next call begins again.
    """
    if fcntl is None:
        yield
        return
    with _in_use(folder):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another process is fetching into {folder}: waiting for it.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _reaching(url: str, part: Path, instead: str) -> Iterator[None]:
    """Errors of the network, with what the reader can do."""
    try:
        yield
    except (OSError, HTTPException) as error:
        cause = error.reason if type(error) is URLError else error
        reason = f"{type(cause).__name__}: {cause}".strip()
        kept = " Call again to go on from what has arrived." if part.is_file() else ""
        raise OSError(
            f"{url} could not be fetched ({reason}).{kept} {_without_it(instead)}"
        ) from error


@contextmanager
def _in_use(folder: Path) -> Iterator[None]:
    """Errors of the disk, with what the reader can do."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"the download folder {folder} cannot be used: {error.strerror or error}. Free some "
            f"space, or set {FOLDER_VARIABLE} to a folder that can be written",
        ) from error


def _without_it(instead: str) -> str:
    return f"The course needs no download: use {instead} instead."
