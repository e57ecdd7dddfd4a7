"""Real photographs: Flickr8k with its captions, and a photograph of your own.

    flickr8k      8,000 photographs, 5 captions each, in train, validation and test
    vocabulary    the words of their captions that are seen often enough; the others become UNK
    photo         any picture file as a tensor of the size that a network wants

The course itself needs none of this; its scenes are in lecture_utils.datasets.scenes. Flickr8k is
about 1 GB (Hodosh, Young and Hockenmaier, 2013). The photographs belong to those who took them:
they are for research and teaching, not for sale, and are asked for at the University of Illinois,
https://forms.illinois.edu/sec/1713398; the addresses below are those of copies.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from http.client import HTTPException
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.request import Request, urlopen
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm.auto import tqdm

from lecture_utils.datasets.downloads import FOLDER_VARIABLE, TIMEOUT, download_folder, fetch
from lecture_utils.datasets.scene_captions import Vocabulary

INSTEAD = "lecture_utils.datasets.scenes"
ROOM = 2.5  # times the size of an archive: for itself, and for what is in it


class Archive(NamedTuple):
    """A zip file to download."""

    name: str  # under which it is kept in the download folder
    url: str
    hash: str | None  # "md5:..." or "sha256:..."; None: what came first is what has to come again
    wanted: str  # which of its files are unpacked, as *.jpg


_COPIES = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/"
PICTURES = Archive(
    "Flickr8k_Dataset.zip",
    _COPIES + "Flickr8k_Dataset.zip",
    "md5:f18a1e2920de5bd84dae7cf08ec78978",
    "*.jpg",
)
TEXTS = Archive(
    "Flickr8k_text.zip",
    _COPIES + "Flickr8k_text.zip",
    "md5:bf6c1abcb8e4a833b7f922104de18627",
    "*.txt",
)
SPLITS = Archive(
    "caption_datasets.zip",
    "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
    None,
    "dataset_flickr8k.json",
)
ORIGINAL = (TEXTS, PICTURES)
KARPATHY = (SPLITS, PICTURES)

# Flickr8k -----------------------------------------------------------------------------------------


class Photograph(NamedTuple):
    path: Path
    captions: tuple[str, ...]  # as they were written


class Photographs(NamedTuple):
    train: tuple[Photograph, ...]
    validation: tuple[Photograph, ...]
    test: tuple[Photograph, ...]
    missing: tuple[str, ...]  # names of files that have captions, but are not there


def flickr8k(
    folder: str | os.PathLike | None = None, archives: tuple[Archive, ...] = ORIGINAL
) -> Photographs:
    """6,000 photographs to train on, 1,000 to choose by, 1,000 to test; 5 captions each.

    folder: where the photographs and their captions are, up to two folders deeper. The captions
        may be in A. Karpathy's format (dataset_flickr8k.json, or caption_datasets.zip as it is) or
        in the original one (Flickr8k.token.txt, Flickr_8k.trainImages.txt and so on); if both are
        there, Karpathy's are read.
    archives: where there is no folder, what is downloaded, once: `ORIGINAL`, or `KARPATHY` for the
        captions in the other format. An interrupted download goes on from there.

    Photographs with captions in no split (there are 92) are left out. Pictures are not opened
    here: see `photo` and `unreadable`.

    OSError where the download fails: no network, too little space (2.5 times each archive's size
    is asked for), another file than expected, a damaged archive. ValueError where what is in the
    folder is not Flickr8k. Both say what to do.
    """
    if folder is None:
        folders = [_unpacked(archive) for archive in archives]
    else:
        folders = [Path(os.path.expanduser(folder))]
        if not folders[0].is_dir():
            raise ValueError(f"{folder} is no folder: give the one that Flickr8k was unpacked into")
    files = _files(folders)
    where = " and ".join(map(str, folders))
    if SPLITS.wanted in files:
        listed = _read_karpathy(files[SPLITS.wanted].read_bytes(), files[SPLITS.wanted])
    elif SPLITS.name in files:
        listed = _read_karpathy(_member(files[SPLITS.name], SPLITS.wanted), files[SPLITS.name])
    elif TOKENS in files:
        listed = _read_original(files)
    else:
        raise ValueError(
            f"there are no captions in {where}: neither {SPLITS.wanted} (or {SPLITS.name}) nor "
            f"{TOKENS} with {', '.join(SPLIT_FILES.values())}. Put either of them there"
        )
    return _sorted_out(listed, files, where)


TOKENS = "Flickr8k.token.txt"
SPLIT_FILES = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}

_Listed = list[tuple[str, str, tuple[str, ...]]]  # split, name of the file, captions


def _files(folders: Sequence[Path]) -> dict[str, Path]:
    """What lies in the folders, by name."""
    paths = (
        path for folder in folders for deep in ("*", "*/*", "*/*/*") for path in folder.glob(deep)
    )
    return {path.name: path for path in sorted(paths)}


def _member(archive: Path, name: str) -> bytes:
    """The file of this name, whatever folder of the archive it is in."""
    try:
        with ZipFile(archive) as opened:
            for member in opened.namelist():
                if PurePosixPath(member).name == name:
                    return opened.read(member)
    except _BROKEN as error:
        raise OSError(f"{archive} is damaged ({error}): fetch it again") from error
    raise ValueError(f"there is no {name} in {archive}: fetch it from {SPLITS.url}")


def _read_karpathy(content: bytes, path: Path) -> _Listed:
    try:
        return [
            (
                image["split"],
                image["filename"],
                tuple(s.get("raw") or " ".join(s["tokens"]) for s in image["sentences"]),
            )
            for image in json.loads(content)["images"]
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is not one of Karpathy's split files ({type(error).__name__}: {error}): fetch "
            f"it from {SPLITS.url}"
        ) from error


def _read_original(files: dict[str, Path]) -> _Listed:
    captions = {}
    for number, line in enumerate(_lines(files[TOKENS]), 1):
        found = re.fullmatch(r"(.+)#(\d+)\t\s*(.+)", line)
        if not found:
            raise ValueError(
                f"line {number} of {files[TOKENS]} is {line[:60]!r}, not a name, #, a number, a "
                f"tab and a caption: fetch {TEXTS.name} from {TEXTS.url} again"
            )
        name, caption_number, caption = found.groups()
        captions.setdefault(name, {})[int(caption_number)] = caption
    listed = []
    for split, file in SPLIT_FILES.items():
        if file not in files:
            raise ValueError(f"{file} is missing: put it beside {files[TOKENS]}")
        for name in _lines(files[file]):
            told = captions.get(name, {})
            listed.append((split, name, tuple(told[i] for i in sorted(told))))
    return listed


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}): fetch it again") from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def _sorted_out(listed: _Listed, files: dict[str, Path], where: str) -> Photographs:
    parts, missing, seen = {"train": [], "val": [], "test": []}, [], set()
    for split, name, captions in listed:
        if name in seen:
            raise ValueError(f"{name} is listed twice: it may be in one split only, and there once")
        seen.add(name)
        if split not in parts:
            raise ValueError(f"{name} is in a split {split!r}: Flickr8k has {', '.join(parts)}")
        if not captions:
            raise ValueError(f"{name} is in the split {split!r}, but has no captions: fetch these")
        if name in files:
            parts[split].append(Photograph(files[name], captions))
        else:
            missing.append(name)
    if len(missing) == len(listed):
        raise ValueError(
            f"none of the {len(listed):,} photographs is in {where}: unpack {PICTURES.name} there"
        )
    if missing:
        print(
            f"{len(missing):,} of {len(listed):,} photographs are not in {where}, {missing[0]} for "
            "one: `missing` names them all."
        )
    return Photographs(*map(tuple, parts.values()), tuple(missing))


def unreadable(photographs: Iterable[Photograph]) -> dict[Path, str]:
    """Which of the files are damaged, and how. Opens them all: a minute or two for Flickr8k."""
    damaged = {}
    for photograph in photographs:
        try:
            photo(photograph.path)
        except ValueError as error:
            damaged[photograph.path] = str(error)
    return damaged


# Downloads ----------------------------------------------------------------------------------------

# What zipfile raises for archives that are cut off, spoilt, encrypted, or packed in another way.
_BROKEN = (BadZipFile, zlib.error, EOFError, RuntimeError)


def _unpacked(archive: Archive) -> Path:
    """The folder with what is wanted of the archive; it is there when it is complete."""
    folder = download_folder() / "flickr8k" / PurePosixPath(archive.name).stem
    if not folder.is_dir():
        path = _fetched(archive)
        _unpack(path, archive.wanted, folder)
        if archive.hash is None:
            _record(path).write_text(f"{_digest(path, 'sha256')}  {path.name}\n", "ascii")
        print(f"Unpacked into {folder}. {path} is not needed any more.")
    return folder


def _fetched(archive: Archive) -> Path:
    path = download_folder() / archive.name
    by_hand = (
        f"Or save {archive.url} as {path} yourself, or unpack it anywhere and call flickr8k(folder)"
    )
    try:
        if not path.is_file():
            size = _announced_size(archive)
            part = path.with_name(path.name + ".part")
            there = part.stat().st_size if part.is_file() else 0
            _need_space(int(ROOM * size) - there, path.parent, f"{archive.name} and its content")
            print(f"Fetching {archive.name}, {size / 1e6:,.1f} MB, for research and teaching only.")
            fetch(archive.url, archive.name, size=size, instead=INSTEAD)
    except (OSError, HTTPException) as error:
        raise OSError(f"{str(error).rstrip('.')}. {by_hand}") from error
    _check_hash(path, archive)
    return path


def _announced_size(archive: Archive) -> int:
    """In bytes. Asked for before anything is fetched; only the head of the answer is read."""
    request = Request(archive.url, headers={"User-Agent": "executable-lecture"})
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            told = answer.headers.get("Content-Length", "")
    except (OSError, HTTPException) as error:
        raise OSError(
            f"{archive.url} could not be fetched ({error}). The course needs no download: use "
            f"{INSTEAD} instead"
        ) from error
    if not re.fullmatch("[0-9]{1,18}", told.strip()):
        raise OSError(f"{archive.url} does not tell how long it is (Content-Length {told[:50]!r})")
    return int(told)


def _need_space(needed: int, folder: Path, what: str) -> None:
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise OSError(
            f"{what} need {needed / 1e6:,.1f} MB, and the disk of {folder} has {free / 1e6:,.1f} "
            f"MB left: free some space, or set {FOLDER_VARIABLE} to a folder on a larger disk"
        )


def _check_hash(path: Path, archive: Archive) -> None:
    """By the archive's hash; without one, by that of the first file that could be unpacked."""
    record = _record(path)
    if archive.hash is not None:
        known, says = archive.hash, "known"
    elif record.is_file():
        known, says = "sha256:" + record.read_text("ascii").split()[0], f"recorded in {record}"
    else:
        return
    kind = known.partition(":")[0]
    if kind not in ("md5", "sha256"):
        raise ValueError(f"hash is {known!r}: write it as md5:... or sha256:...")
    found = f"{kind}:{_digest(path, kind)}"
    if found != known.lower():
        raise OSError(
            f"{path} is another file than expected: its hash is {found}, and {known} is {says}. "
            "Delete it and call again. If you know that it is right after all, give the archive "
            f"this hash: {archive.name} by Archive._replace(hash={found!r})"
        )


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _digest(path: Path, kind: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def _unpack(path: Path, wanted: str, target: Path) -> None:
    """All of it or nothing: what is wanted appears as the folder `target` once it is complete."""
    again = f"Delete it and call again; if that does not help, {INSTEAD} needs no download"
    try:
        with ZipFile(path) as opened:
            for name in opened.namelist():
                if _leads_outside(name):
                    raise OSError(
                        f"{path} wants to write outside of its folder, to {name!r}: do not trust "
                        f"it, nothing was unpacked. {again}"
                    )
            members = [
                member
                for member in opened.infolist()
                if fnmatch(name := PurePosixPath(member.filename).name, wanted)
                and not name.startswith("._")  # what a Mac writes beside each file
                and not stat.S_ISLNK(member.external_attr >> 16)
            ]
            if not members:
                raise OSError(f"there is no {wanted} in {path}: it is another archive. {again}")
            content = sum(member.file_size for member in members)
            _need_space(content, target, f"The files of {path.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=f"{target.name}.part-", dir=target.parent) as part:
                hidden = os.environ.get("LECTURE_PROGRESS") == "0" or None
                for member in tqdm(members, path.name, leave=False, delay=1.0, disable=hidden):
                    opened.extract(member, Path(part, "content"))
                if not target.is_dir():  # another process may have been faster
                    os.rename(Path(part, "content"), target)
    except _BROKEN as error:
        raise OSError(f"{path} is damaged ({type(error).__name__}: {error}). {again}") from error


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or bool(PureWindowsPath(name).drive)


# Words --------------------------------------------------------------------------------------------


def words(caption: str) -> list[str]:
    """The words of a caption: small letters, no punctuation.

    Apostrophes and hyphens vanish (man's, t-shirt: mans, tshirt), all else stands between words.
    """
    return re.findall(r"[^\W_]+", re.sub(r"['’‘`\-‐‑]", "", caption.lower()))


def vocabulary(captions: Iterable[str], least: int = 5) -> Vocabulary:
    """The words that come at least so often in these captions, those to train on; no others.

    Its `encode` takes `[words(caption) for caption in captions]`. ValueError where no word is left.
    """
    if least < 1:
        raise ValueError(f"least is {least}: a word has to be seen at least once to be kept")
    seen = _counted(captions)
    kept = [word for word, times in seen.items() if times >= least]
    if not kept:
        most = max(seen.values(), default=0)
        raise ValueError(f"no word comes {least} times, at most {most}: choose a smaller `least`")
    return Vocabulary(kept)


def replaced(captions: Iterable[str], vocabulary: Vocabulary) -> tuple[int, int]:
    """How many of the words in these captions are UNK for this vocabulary, and how many there are.

    A word that comes three times counts three times.
    """
    seen, known = _counted(captions), set(vocabulary.words)
    return sum(times for word, times in seen.items() if word not in known), seen.total()


def _counted(captions: Iterable[str]) -> Counter[str]:
    if isinstance(captions, str):
        raise ValueError(f"captions is the text {captions[:40]!r}: give a list of captions")
    return Counter(word for caption in captions for word in words(caption))


# A photograph of your own -------------------------------------------------------------------------

# MPO is what some phones call a JPEG. HEIF and AVIF are read where Pillow has learned to.
FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "HEIF", "AVIF")
MOST_PIXELS = 120_000_000  # above what phones take; such a picture is half a gigabyte in memory
MOST_BYTES = 500_000_000  # of a file: larger ones are films, not photographs


def photo(
    source: str | os.PathLike | bytes | memoryview | Image.Image, side: int = 224
) -> UInt8[Tensor, "3 side side"]:
    """The square in the middle of a picture, side x side pixels, 0..255, red, green, blue.

    source: a file, its bytes, or a picture that Pillow has opened. JPEG, PNG, GIF and WebP (of an
    animation the first picture), BMP, TIFF; grey, palette, 16 bits, CMYK; lying on its side if it
    says so (EXIF); what is transparent becomes white. The shorter side becomes `side` long: each
    new pixel is a mean of those that it covers (Pillow's bilinear filter). Colour profiles are not
    applied; grey values that are fractions count from 0 to 1, or to 255 if one is larger than 1.

    ValueError that names the file and what to do, for anything that is no such picture.
    """
    if side < 1:
        raise ValueError(f"side is {side}: a picture has at least 1 pixel")
    name, opened = _named(source)
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that this function still takes.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = _open(opened) if isinstance(opened, BytesIO) else opened
            if min(image.size) < 1:
                raise ValueError("it has no pixels")
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            if image is opened:
                image = image.copy()  # the reader's own is left as it is
            ImageOps.exif_transpose(image, in_place=True)
            image = _in_colours(image)
            short = min(image.size)
            left, top = (image.width - short) / 2, (image.height - short) / 2
            square = image.resize(
                (side, side), Image.Resampling.BILINEAR, (left, top, left + short, top + short)
            )
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name} has too many pixels, more than {MOST_PIXELS / 1e6:.0f} million: make a "
            "smaller copy of it and give that"
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} {_what_it_is(opened)}") from error
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise ValueError(
            f"{name} cannot be read as a picture ({type(error).__name__}: {error}): it may be "
            "damaged. Copy it again, or open it in another program and save it as JPEG"
        ) from error
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def _named(source) -> tuple[str, BytesIO | Image.Image]:
    """What to call it in errors, and the source, in memory unless Pillow has opened it already."""
    if isinstance(source, Image.Image):
        return getattr(source, "filename", "") or "the picture", source
    if isinstance(source, bytes | memoryview):  # the second is what an upload button gives
        return f"a file of {len(source):,} bytes", BytesIO(source)
    if not isinstance(source, str | os.PathLike):
        raise ValueError(f"source is {type(source).__name__}: give a file, bytes or a Pillow image")
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name one picture in it")
    try:
        if path.exists() and (not path.is_file() or path.stat().st_size > MOST_BYTES):
            raise ValueError(f"it is no file of at most {MOST_BYTES / 1e6:.0f} MB")
        return str(path), BytesIO(path.read_bytes())
    except FileNotFoundError as error:
        raise ValueError(
            f"there is no file {path} (in {Path.cwd()}): check its name, or give its whole path"
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be opened ({error}): give a file that can be") from error


def _open(file: BytesIO) -> Image.Image:
    Image.init()
    return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])


def _what_it_is(file: BytesIO) -> str:
    head = file.getvalue()[:12]
    if not head:
        return "is empty: choose another file, or copy it again"
    if head[4:8] == b"ftyp":  # the family of formats that phones use for pictures and films
        return (
            f"is in a format that cannot be read here ({head[8:].decode('latin-1')!r}; HEIC is "
            "what iPhones take): convert it to JPEG first, for example by exporting it"
        )
    return "is no picture in a known format: give a JPEG, PNG, GIF, WebP, BMP or TIFF file"


def _in_colours(image: Image.Image) -> Image.Image:
    """In 8 bits of red, green and blue, on white."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.nan_to_num(np.asarray(image, np.float32))
        top = 65535 if image.mode != "F" else 1 if values.max() <= 1 else 255
        image = Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        image = image.convert("LA") if image.mode == "La" else image
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")  # which would make a copy
