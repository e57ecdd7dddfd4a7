"""Flickr8k in both of its formats, made here in miniature, and pictures of every common kind.

Nothing is fetched but from this machine.
"""

import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lecture_utils.datasets import downloads
from lecture_utils.datasets import photographs as module
from lecture_utils.datasets.photographs import (
    KARPATHY,
    ORIGINAL,
    PICTURES,
    SPLITS,
    TEXTS,
    flickr8k,
    photo,
    replaced,
    unreadable,
    vocabulary,
    words,
)
from lecture_utils.datasets.scene_captions import END, PAD, START, UNK

# The set in miniature -----------------------------------------------------------------------------

SETS = {"train": 6, "val": 2, "test": 3}
NAMES = {split: [f"{split}_{i:02}.jpg" for i in range(count)] for split, count in SETS.items()}
EVERY = sum(NAMES.values(), [])
STRAY = "2258277193.jpg.1"  # as in the real file: captions, but in no split, and no picture


def captions_of(name):
    number = EVERY.index(name)
    return tuple(f"A man 's dog runs {'very ' * k}far , no. {number} ." for k in range(5))


def jpeg(number, size=(50, 40)):
    picture = Image.new("RGB", size, (20 * number, 255 - 20 * number, 100))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def token_file():
    """The lines of a name need not be in order: its numbers count."""
    lines = [f"{name}#{k}\t{captions_of(name)[k]}" for k in (0, 2, 1, 4, 3) for name in EVERY]
    return "\n".join([*lines, f"{STRAY}#0\tNobody sees this .", ""])


def split_file():
    images = [
        {
            "sentids": [5 * i + k for k in range(5)],
            "imgid": i,
            "sentences": [
                {"tokens": words(raw), "raw": raw, "imgid": i, "sentid": 5 * i + k}
                for k, raw in enumerate(captions_of(name))
            ],
            "split": name.split("_")[0],
            "filename": name,
        }
        for i, name in enumerate(EVERY)
    ]
    return json.dumps({"images": images, "dataset": "flickr8k"})


TEXT_FILES = {
    "Flickr8k.token.txt": token_file(),
    "Flickr_8k.trainImages.txt": "\n".join(NAMES["train"]) + "\n",
    "Flickr_8k.devImages.txt": "\r\n".join(NAMES["val"]) + "\r\n",
    "Flickr_8k.testImages.txt": "\n".join(NAMES["test"]),
    "readme.txt": "Please cite.",
}


def zipped(files):
    """The bytes of an archive with these files, as {name: content}."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


PICTURE_ZIP = zipped(
    {f"Flicker8k_Dataset/{name}": jpeg(i) for i, name in enumerate(EVERY)}
    | {f"__MACOSX/Flicker8k_Dataset/._{name}": b"no picture" for name in EVERY}
)
TEXT_ZIP = zipped(TEXT_FILES | {"__MACOSX/._Flickr8k.token.txt": "no text"})
SPLIT_ZIP = zipped({"dataset_coco.json": "{}", "dataset_flickr8k.json": split_file()})


@pytest.fixture
def unpacked(tmp_path):
    """A folder with the pictures only."""
    with zipfile.ZipFile(io.BytesIO(PICTURE_ZIP)) as archive:
        archive.extractall(tmp_path / "set")
    return tmp_path / "set"


def add_texts(folder, **changed):
    (folder / "Flickr8k_text").mkdir()
    for name, content in TEXT_FILES.items():
        content = changed.get(name.split(".")[-2].removeprefix("Flickr_8k"), content)
        if content is not None:
            (folder / "Flickr8k_text" / name).write_text(content, newline="")


def as_it_should_be(found, named=EVERY):
    parts = (found.train, found.validation, found.test)
    for split, part in zip(SETS, parts):
        expected = [name for name in NAMES[split] if name in named]
        assert [p.path.name for p in part] == expected
        assert [p.captions for p in part] == [captions_of(name) for name in expected]
    assert sum(map(len, parts)) == len(named)
    return True


# Both formats -------------------------------------------------------------------------------------


def test_the_original_format_is_read(unpacked, capsys):
    add_texts(unpacked)
    found = flickr8k(unpacked)
    assert as_it_should_be(found) and found.missing == ()
    assert capsys.readouterr().out == ""
    for i, photograph in enumerate(found.train + found.validation + found.test):
        assert abs(int(photo(photograph.path, 8)[0].float().mean()) - 20 * i) <= 2


@pytest.mark.parametrize("packed", [False, True])
def test_karpathys_format_is_read_unpacked_or_not(unpacked, packed):
    if packed:
        (unpacked / "caption_datasets.zip").write_bytes(SPLIT_ZIP)
    else:
        (unpacked / "dataset_flickr8k.json").write_text(split_file())
    assert as_it_should_be(flickr8k(unpacked))


def test_both_formats_say_the_same(unpacked):
    add_texts(unpacked)
    original = flickr8k(str(unpacked))
    (unpacked / "dataset_flickr8k.json").write_text(split_file())
    assert flickr8k(unpacked) == original


def test_our_words_are_karpathys_tokens_and_serve_where_the_sentence_is_lost(unpacked):
    told = json.loads(split_file())
    for image in told["images"]:
        for sentence in image["sentences"]:
            assert sentence.pop("raw") and sentence["tokens"][:4] == ["a", "man", "s", "dog"]
    (unpacked / "dataset_flickr8k.json").write_text(json.dumps(told))
    first = flickr8k(unpacked).train[0]
    assert first.captions[1] == "a man s dog runs very far no 0"


def test_would_notice_a_caption_in_the_wrong_place(unpacked):
    add_texts(unpacked, token=token_file().replace("train_00.jpg#1", "train_00.jpg#9"))
    with pytest.raises(AssertionError):
        as_it_should_be(flickr8k(unpacked))


def test_pictures_may_lie_beside_the_captions_or_two_folders_deeper(unpacked, tmp_path):
    (unpacked / "a").mkdir()
    (unpacked / "Flicker8k_Dataset").rename(unpacked / "a" / "Images")
    add_texts(unpacked)
    assert as_it_should_be(flickr8k(unpacked))
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in flickr8k(unpacked).train + flickr8k(unpacked).validation:
        shutil.copy(path.path, flat)
    for path in (unpacked / "Flickr8k_text").iterdir():
        shutil.copy(path, flat)
    assert as_it_should_be(flickr8k(flat), NAMES["train"] + NAMES["val"])


def test_missing_pictures_are_listed(unpacked, capsys):
    add_texts(unpacked)
    lost = ["train_03.jpg", "test_00.jpg"]
    for name in lost:
        (unpacked / "Flicker8k_Dataset" / name).unlink()
    found = flickr8k(unpacked)
    assert found.missing == tuple(lost)
    assert as_it_should_be(found, [name for name in EVERY if name not in lost])
    said = f"2 of 11 photographs are not in {unpacked}, train_03.jpg for one: `missing` names "
    assert capsys.readouterr().out.startswith(said)


def test_damaged_pictures_are_named_and_the_others_are_read(unpacked):
    add_texts(unpacked)
    cut = unpacked / "Flicker8k_Dataset" / "train_02.jpg"
    cut.write_bytes(cut.read_bytes()[:-200])
    empty = unpacked / "Flicker8k_Dataset" / "val_01.jpg"
    empty.write_bytes(b"")
    found = flickr8k(unpacked)
    damaged = unreadable(found.train + found.validation + found.test)
    assert list(damaged) == [cut, empty]
    assert re.fullmatch(rf"{cut} cannot be read as a picture .*may be damaged.*", damaged[cut])
    assert damaged[empty].startswith(f"{empty} is empty")


WRONG_TEXTS = [
    ({"token": "train_00.jpg#0\tA dog .\ntrain_00.jpg A cat .\n"}, "line 2 .* is 'train_00.jpg A"),
    ({"token": "train_00.jpg#0\t\n"}, "line 1 .* a tab and a caption: fetch Flickr8k_text.zip"),
    ({"token": "train_00.jpg#0\tA dog .\n"}, "train_01.jpg is in the split 'train', but has no ca"),
    ({"devImages": None}, "Flickr_8k.devImages.txt is missing: put it beside .*token"),
    ({"devImages": "train_01.jpg\n"}, "train_01.jpg is listed twice"),
    ({"testImages": "test_00.jpg\ntest_00.jpg"}, "test_00.jpg is listed twice"),
]


@pytest.mark.parametrize("changed, said", WRONG_TEXTS)
def test_a_wrong_text_file_is_named(unpacked, changed, said):
    add_texts(unpacked, **changed)
    with pytest.raises(ValueError, match=said):
        flickr8k(unpacked)


def test_a_text_in_another_encoding_is_named(unpacked):
    add_texts(unpacked)
    path = unpacked / "Flickr8k_text" / "Flickr8k.token.txt"
    path.write_bytes(path.read_bytes() + "train_00.jpg#5\tcafé".encode("latin-1"))
    with pytest.raises(ValueError, match=f"{path} is not UTF-8 text"):
        flickr8k(unpacked)


WRONG_SPLITS = [
    ("{", "is not one of Karpathy's split files .*JSONDecodeError.*fetch it from https"),
    ("[]", "TypeError"),
    ('{"pictures": []}', "KeyError: 'images'"),
    (split_file().replace('"filename"', '"name"'), "KeyError: 'filename'"),
    (split_file().replace('"val"', '"restval"'), "val_00.jpg is in a split 'restval'"),
]


@pytest.mark.parametrize("content, said", WRONG_SPLITS)
def test_a_wrong_split_file_is_named(unpacked, content, said):
    (unpacked / "dataset_flickr8k.json").write_text(content)
    with pytest.raises(ValueError, match=said):
        flickr8k(unpacked)


def test_a_folder_with_nothing_in_it_says_what_belongs_there(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path / 'x'} is no folder: give the one"):
        flickr8k(tmp_path / "x")
    with pytest.raises(ValueError, match=f"no captions in {tmp_path}: neither dataset_flickr8k.j"):
        flickr8k(tmp_path)
    add_texts(tmp_path)
    with pytest.raises(ValueError, match=f"none of the 11 .* in {tmp_path}: unpack Flickr8k_Data"):
        flickr8k(tmp_path)


@pytest.mark.parametrize("content", [b"PK no archive", SPLIT_ZIP[:-100]])
def test_captions_in_a_damaged_archive_are_named(unpacked, content):
    (unpacked / "caption_datasets.zip").write_bytes(content)
    with pytest.raises(OSError, match="caption_datasets.zip is damaged .*: fetch it again"):
        flickr8k(unpacked)


def test_an_archive_without_flickr8k_is_named(unpacked):
    (unpacked / "caption_datasets.zip").write_bytes(zipped({"dataset_coco.json": "{}"}))
    with pytest.raises(ValueError, match="there is no dataset_flickr8k.json in .*datasets.zip"):
        flickr8k(unpacked)


# Downloads ----------------------------------------------------------------------------------------


def md5(content):
    return "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def site(server):
    """Two servers and what is fetched from them: texts, pictures."""
    texts = type(server)()
    texts.body, server.body = TEXT_ZIP, PICTURE_ZIP
    yield (texts, server)
    texts.close()


@pytest.fixture
def archives(site):
    texts, pictures = site
    return (
        TEXTS._replace(url=texts.url, hash=md5(TEXT_ZIP)),
        PICTURES._replace(url=pictures.url, hash=md5(PICTURE_ZIP)),
    )


def in_folder(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


KEPT = sorted(
    ["Flickr8k_Dataset.zip", "Flickr8k_text.zip"]
    + [f"flickr8k/Flickr8k_Dataset/Flicker8k_Dataset/{name}" for name in EVERY]
    + [f"flickr8k/Flickr8k_text/{name}" for name in TEXT_FILES]
)


def cut_after_the_size_is_told(server, length):
    """The first answer tells the size; the one after it breaks off."""
    answer = server.answer

    def answers(request):
        if len(server.asked) == 1:
            server.cut = length
        answer(request)

    server.answer = answers


def space(monkeypatch, *free):
    """What the disk has left each time it is asked; the last holds from then on."""
    left, usage = list(free), namedtuple("usage", "free")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: usage(left.pop(0) if len(left) > 1 else left[0])
    )


def test_importing_fetches_nothing_and_the_addresses_are_those_of_the_copies():
    assert ORIGINAL == (TEXTS, PICTURES) and KARPATHY == (SPLITS, PICTURES)
    code = (
        "import socket\nsocket.getaddrinfo = socket.create_connection = None\n"
        "import lecture_utils.datasets.photographs as m\nprint(*(a.url for a in m.ORIGINAL))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [TEXTS.url, PICTURES.url]


def test_it_is_fetched_and_unpacked_once(folder, archives, site, capsys):
    assert as_it_should_be(flickr8k(archives=archives))
    assert in_folder(folder) == KEPT
    told = capsys.readouterr().out
    assert "Fetching Flickr8k_Dataset.zip, 0.0 MB, for research and teaching only." in told
    assert f"{folder / 'Flickr8k_text.zip'} is not needed any more" in told
    for server in site:
        assert server.asked == ["", ""]  # its size, then all of it
        server.status = 500
    assert as_it_should_be(flickr8k(archives=archives))
    (folder / "Flickr8k_Dataset.zip").unlink()
    assert as_it_should_be(flickr8k(archives=archives))
    assert capsys.readouterr().out == ""
    assert all(len(server.asked) == 2 for server in site)


def test_of_karpathys_archive_only_flickr8k_is_unpacked(folder, archives, site):
    splits = SPLITS._replace(url=site[0].sending(SPLIT_ZIP))
    assert as_it_should_be(flickr8k(archives=(splits, archives[1])))
    assert [p.name for p in (folder / "flickr8k" / "caption_datasets").iterdir()] == [
        "dataset_flickr8k.json"
    ]


def test_archives_put_there_by_hand_are_taken_without_a_request(folder, archives, site):
    folder.mkdir()
    (folder / "Flickr8k_text.zip").write_bytes(TEXT_ZIP)
    (folder / "Flickr8k_Dataset.zip").write_bytes(PICTURE_ZIP)
    assert as_it_should_be(flickr8k(archives=archives))
    assert [server.asked for server in site] == [[], []]


def test_an_interrupted_download_goes_on(folder, archives, site):
    half = len(PICTURE_ZIP) // 2
    cut_after_the_size_is_told(site[1], half)
    part = folder / "Flickr8k_Dataset.zip.part"
    with pytest.raises(OSError, match=f"broke at {half:,} of .*Call again to go on from what has"):
        flickr8k(archives=archives)
    assert part.stat().st_size == half and not (folder / "Flickr8k_Dataset.zip").exists()
    assert as_it_should_be(flickr8k(archives=archives))
    assert site[1].asked == ["", "", "", f"bytes={half}-"] and not part.exists()


def test_an_archive_may_be_longer_than_what_is_fetched_otherwise(folder, archives, monkeypatch):
    monkeypatch.setattr(downloads, "LARGEST", 100)
    assert as_it_should_be(flickr8k(archives=archives))


def test_an_interrupt_while_unpacking_leaves_nothing_half_done(folder, archives, monkeypatch):
    extract, done = zipfile.ZipFile.extract, []

    def interrupted(archive, member, path):
        done.append(member)
        if len(done) == len(TEXT_FILES) + 4:
            raise KeyboardInterrupt
        return extract(archive, member, path)

    monkeypatch.setattr(zipfile.ZipFile, "extract", interrupted)
    with pytest.raises(KeyboardInterrupt):
        flickr8k(archives=archives)
    assert [p.name for p in (folder / "flickr8k").iterdir()] == ["Flickr8k_text"]
    assert as_it_should_be(flickr8k(archives=archives))
    assert in_folder(folder) == KEPT


def test_another_file_is_refused_by_its_hash_and_nothing_is_unpacked(folder, archives, site):
    site[1].body = bytes(reversed(PICTURE_ZIP))
    path = folder / "Flickr8k_Dataset.zip"
    named = f"{path} is another file than expected: its hash is {md5(site[1].body)}, and "
    with pytest.raises(OSError, match=f"{named}{md5(PICTURE_ZIP)} is known. Delete it and call"):
        flickr8k(archives=archives)
    assert not (folder / "flickr8k" / "Flickr8k_Dataset").exists()
    site[1].body = PICTURE_ZIP
    path.unlink()
    assert as_it_should_be(flickr8k(archives=archives))


def test_the_hash_may_be_sha256_in_capitals_but_no_other(folder, archives):
    texts, pictures = archives
    sha256 = "sha256:" + hashlib.sha256(PICTURE_ZIP).hexdigest().upper()
    assert as_it_should_be(flickr8k(archives=(texts, pictures._replace(hash=sha256))))
    shutil.rmtree(folder / "flickr8k")
    with pytest.raises(ValueError, match="hash is 'crc:123': write it as md5:... or sha256:"):
        flickr8k(archives=(texts, pictures._replace(hash="crc:123")))


def test_without_a_hash_what_came_first_has_to_come_again(folder, archives, site, capsys):
    splits = SPLITS._replace(url=site[0].sending(SPLIT_ZIP))
    pair = (splits, archives[1])
    flickr8k(archives=pair)
    record = folder / "caption_datasets.zip.sha256"
    sha256 = hashlib.sha256(SPLIT_ZIP).hexdigest()
    assert record.read_text() == f"{sha256}  caption_datasets.zip\n"
    assert f'sha256="{sha256}"' in capsys.readouterr().out

    def begin_again():
        (folder / "caption_datasets.zip").unlink()
        shutil.rmtree(folder / "flickr8k" / "caption_datasets", ignore_errors=True)

    begin_again()
    assert as_it_should_be(flickr8k(archives=pair))
    begin_again()
    other = site[0].body = zipped({"dataset_flickr8k.json": split_file().replace("far", "near")})
    found = hashlib.sha256(other).hexdigest()
    named = f"sha256:{found}, and sha256:{sha256} is recorded in {record}"
    with pytest.raises(OSError, match=named):
        flickr8k(archives=pair)
    vouched = splits._replace(hash=f"sha256:{found}")
    assert "near" in flickr8k(archives=(vouched, archives[1])).train[0].captions[0]


def test_a_wrong_first_file_is_not_recorded_as_the_right_one(folder, archives, site):
    splits = SPLITS._replace(url=site[0].sending(b"<html>please log in</html>"))
    with pytest.raises(OSError, match="caption_datasets.zip is damaged .*Delete it and call again"):
        flickr8k(archives=(splits, archives[1]))
    (folder / "caption_datasets.zip").unlink()
    site[0].body = SPLIT_ZIP
    assert as_it_should_be(flickr8k(archives=(splits, archives[1])))


def test_space_is_asked_for_before_anything_is_fetched(folder, archives, site, monkeypatch):
    needed = int(2.5 * len(TEXT_ZIP))
    space(monkeypatch, needed - 1)
    named = f"Flickr8k_text.zip and its content need 0.0 MB, and the disk of {folder} has 0.0 MB"
    with pytest.raises(OSError, match=f"{named} left: free some space, or set LECTURE_DOWNLOADS"):
        flickr8k(archives=archives)
    assert site[0].asked == [""] and site[1].asked == [] and not folder.exists()


def test_what_has_arrived_needs_no_more_space(folder, archives, site, monkeypatch):
    texts = len(TEXT_ZIP)
    folder.mkdir()
    (folder / "Flickr8k_text.zip.part").write_bytes(TEXT_ZIP[: texts // 2])
    needed = int(2.5 * texts) - texts // 2
    space(monkeypatch, needed - 1, 10**6)
    with pytest.raises(OSError, match="free some space"):
        flickr8k(archives=archives)
    space(monkeypatch, needed, 10**6)
    assert as_it_should_be(flickr8k(archives=archives))


def test_space_is_asked_for_again_before_unpacking(folder, archives, monkeypatch):
    folder.mkdir()
    (folder / "Flickr8k_text.zip").write_bytes(TEXT_ZIP)
    content = sum(map(len, TEXT_FILES.values()))
    space(monkeypatch, content - 1)
    with pytest.raises(OSError, match="The files of Flickr8k_text.zip need .* MB left: free some"):
        flickr8k(archives=archives)
    assert in_folder(folder) == ["Flickr8k_text.zip"]


def test_offline_the_error_says_what_to_save_where(folder, archives, nobody_listens):
    texts = archives[0]._replace(url=nobody_listens)
    path = re.escape(str(folder / "Flickr8k_text.zip"))
    named = f"{nobody_listens} could not be fetched .*refused.*use lecture_utils.datasets.scenes"
    with pytest.raises(OSError, match=rf"{named} instead\. Or save {nobody_listens} as {path} you"):
        flickr8k(archives=(texts, archives[1]))
    assert not folder.exists()


def test_without_name_service_it_is_the_same(folder, monkeypatch):
    def offline(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(OSError, match=f"{TEXTS.url} could not be fetched .*not known.*Or save"):
        flickr8k()


@pytest.mark.parametrize("status", [403, 404])
def test_an_error_of_the_server_is_told(folder, archives, site, status):
    site[1].status = status
    with pytest.raises(OSError, match=f"{site[1].url} could not be fetched .*{status}.*Or save"):
        flickr8k(archives=archives)


def test_a_server_that_hides_the_size_is_told(folder, archives, site):
    site[0].announces_length = False
    with pytest.raises(OSError, match="does not tell how long it is .*Or save"):
        flickr8k(archives=archives)


# Archives that are not what they should be --------------------------------------------------------


def with_pictures(folder, content):
    """All archives by hand, without a known hash."""
    folder.mkdir()
    (folder / "Flickr8k_text.zip").write_bytes(TEXT_ZIP)
    (folder / "Flickr8k_Dataset.zip").write_bytes(content)
    return TEXTS._replace(hash=None), PICTURES._replace(hash=None)


def spoilt(content, member):
    """One byte inside of the member's data is another one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at = archive.getinfo(member).header_offset + 150
    return content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]


@pytest.mark.parametrize(
    "content",
    [b"<html>", PICTURE_ZIP[:-50], spoilt(PICTURE_ZIP, "Flicker8k_Dataset/val_00.jpg")],
    ids=["no zip", "cut off", "one byte"],
)
def test_a_damaged_archive_is_named_and_leaves_nothing_behind(folder, content):
    archives = with_pictures(folder, content)
    named = re.escape(str(folder / "Flickr8k_Dataset.zip"))
    with pytest.raises(OSError, match=f"{named} is damaged .*: .*Delete it and call again"):
        flickr8k(archives=archives)
    assert [p.name for p in (folder / "flickr8k").iterdir()] == ["Flickr8k_text"]
    (folder / "Flickr8k_Dataset.zip").write_bytes(PICTURE_ZIP)
    assert as_it_should_be(flickr8k(archives=archives))


EVIL = [
    "../evil.jpg", "Flicker8k_Dataset/../../../evil.jpg", "/tmp/evil.jpg", "..\\evil.jpg",
    "C:\\evil.jpg", "C:evil.jpg", "../evil.txt",
]  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_an_archive_that_wants_to_write_elsewhere_is_refused(folder, tmp_path, name):
    file = io.BytesIO(PICTURE_ZIP)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"evil")
    archives = with_pictures(folder, file.getvalue())
    with pytest.raises(OSError, match=f"wants to write outside .*{re.escape(repr(name))}: do not "):
        flickr8k(archives=archives)
    assert not any("evil" in path.name for path in tmp_path.rglob("*"))
    assert not Path("/tmp/evil.jpg").exists()
    assert not (folder / "flickr8k" / "Flickr8k_Dataset").exists()


def test_a_link_in_an_archive_is_not_unpacked(folder):
    link = zipfile.ZipInfo("Flicker8k_Dataset/val_00.jpg")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        for name in NAMES["train"]:
            archive.writestr(f"Flicker8k_Dataset/{name}", jpeg(0))
    found = flickr8k(archives=with_pictures(folder, file.getvalue()))
    assert set(found.missing) == {*NAMES["val"], *NAMES["test"]} and len(found.train) == 6


def test_an_archive_without_pictures_is_named(folder):
    archives = with_pictures(folder, TEXT_ZIP)
    with pytest.raises(OSError, match=r"there is no \*.jpg in .*Dataset.zip: it is another arch"):
        flickr8k(archives=archives)


# Words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "caption, expected",
    [
        ("A dog 's ball .", "a dog s ball"),
        ("The man's T-shirt, red/white!", "the mans tshirt red white"),
        ("“Don’t” — 2 boys_and girls", "dont 2 boys and girls"),
        ("A CAFÉ in München", "a café in münchen"),
        (" ... ", ""),
    ],
)
def test_words_are_small_and_without_punctuation(caption, expected):
    assert words(caption) == expected.split()


CAPTIONS = ["A dog runs .", "A cat runs .", "a DOG sleeps", "A zebra , a dog"]  # a 5, dog 3, runs 2


@pytest.mark.parametrize(
    "least, kept, lost",
    [(1, "a cat dog runs sleeps zebra", 0), (2, "a dog runs", 3), (3, "a dog", 5), (5, "a", 8)],
)
def test_words_seen_seldom_are_left_out_and_counted(least, kept, lost):
    found = vocabulary(CAPTIONS, least)
    assert found.words == ("<pad>", "<start>", "<end>", "<unk>", *kept.split())
    assert replaced(CAPTIONS, found) == (lost, 13)
    rows = found.encode([words(caption) for caption in CAPTIONS])
    assert (rows == UNK).sum() == lost
    assert (rows > UNK).sum() == 13 - lost


def test_five_is_what_least_is_if_nothing_is_said():
    assert vocabulary(["x y"] * 5 + ["y z"] * 4).words[4:] == ("x", "y")
    assert vocabulary(["x y"] * 4 + ["y z"] * 1).words[4:] == ("y",)


def test_captions_become_rows_of_numbers_and_back():
    assert (PAD, START, END, UNK) == (0, 1, 2, 3)
    found = vocabulary(CAPTIONS, 2)
    rows = found.encode([words("A dog runs ."), words("Dog !"), words("The dog")])
    assert rows.tolist() == [[1, 4, 5, 6, 2], [1, 5, 2, 0, 0], [1, 3, 5, 2, 0]]
    said = [" ".join(found.decode(row)) for row in rows.tolist()]
    assert said == ["a dog runs", "dog", "<unk> dog"]


def test_other_captions_may_be_counted_by_the_same_vocabulary():
    assert replaced(["A dog and a cow .", "..."], vocabulary(CAPTIONS)) == (3, 5)
    assert replaced([], vocabulary(CAPTIONS)) == (0, 0)


def test_the_order_of_captions_does_not_matter():
    assert vocabulary(CAPTIONS[::-1], 2).words == vocabulary(CAPTIONS, 2).words


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: vocabulary(CAPTIONS, 0), "least is 0: a word has to be seen at least once"),
        (lambda: vocabulary(CAPTIONS, 6), "no word comes 6 times, at most 5: choose a smaller"),
        (lambda: vocabulary([]), "no word comes 5 times, at most 0"),
        (lambda: vocabulary("a dog"), "captions is the text 'a dog': give a list"),
        (lambda: replaced("a dog", vocabulary(CAPTIONS)), "captions is the text 'a dog'"),
    ],
)
def test_bad_captions_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# A photograph of your own -------------------------------------------------------------------------


def stored(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def smooth(width, height):
    """A picture of which neither scaling nor compression takes much away."""
    y, x = np.mgrid[:height, :width]
    colours = [255 * x / width, 255 * y / height, 128 + 60 * np.sin(4 * x / width)]
    return np.stack(colours, axis=2).round().astype(np.uint8)


def apart(found, expected):
    """The largest difference between any two of their numbers."""
    return np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64)).max()


@pytest.mark.parametrize(
    "format, options, tolerance",
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 14),
        ("JPEG", {"quality": 95}, 8),
        ("JPEG", {"quality": 95, "progressive": True}, 8),
        ("GIF", {}, 40),  # 256 colours
    ],
)
def test_the_common_formats(format, options, tolerance, tmp_path):
    picture = smooth(32, 32)
    content = stored(Image.fromarray(picture), format, **options)
    found = photo(content, 32)
    assert found.dtype == torch.uint8 and found.shape == (3, 32, 32) and found.is_contiguous()
    assert apart(found, picture.transpose(2, 0, 1)) <= tolerance
    path = tmp_path / "no_such_suffix.xyz"  # what it is shows in the file, not in its name
    path.write_bytes(content)
    for source in (path, str(path), memoryview(content), Image.open(path)):
        assert torch.equal(photo(source, 32), found)


def test_a_picture_of_the_right_size_stays_as_it_is_to_the_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    assert apart(photo(Image.fromarray(pixels), 24), pixels.transpose(2, 0, 1)) == 0
    wide = np.random.default_rng(1).integers(0, 256, (24, 60, 3), dtype=np.uint8)
    assert apart(photo(Image.fromarray(wide), 24), wide[:, 18:42].transpose(2, 0, 1)) == 0
    tall = wide.transpose(1, 0, 2).copy()
    assert apart(photo(Image.fromarray(tall), 24), tall[18:42].transpose(2, 0, 1)) == 0


def bilinear(pixels, side):
    """The slow twin: each new pixel is a mean weighted by a triangle, twice a new pixel wide."""
    short = min(pixels.shape[:2])
    scale = short / side

    def weights(old):
        middles = (old - short) / 2 + (np.arange(side) + 0.5) * scale
        distance = np.abs(np.arange(old) + 0.5 - middles[:, None])
        triangle = np.maximum(0, 1 - distance / max(scale, 1))
        return triangle / triangle.sum(axis=1, keepdims=True)

    return np.einsum("iy,jx,yxc->cij", weights(len(pixels)), weights(pixels.shape[1]), pixels)


@pytest.mark.parametrize("size", [(96, 96), (131, 96), (96, 157), (20, 30), (31, 31), (9, 400)])
def test_scaling_is_what_the_slow_twin_finds(size):
    pixels = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = photo(Image.fromarray(pixels), 32)
    assert apart(found, bilinear(pixels, 32).round()) <= 1
    assert apart(found, bilinear(pixels[::-1], 32).round()) > 50  # it would be noticed


def test_fine_stripes_become_grey_and_no_moire():
    """Without antialiasing every eighth line would be all that is seen."""
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[::2] = 255
    found = photo(Image.fromarray(stripes), 32)
    assert found[:, 1:-1].unique().tolist() == [128]
    assert found.min() > 120 and found.max() < 135  # at the edges the mean is of fewer lines
    naive = Image.fromarray(stripes).resize((32, 32), Image.Resampling.NEAREST)
    assert np.asarray(naive).std() == 0 and np.asarray(naive).mean() in (0, 255)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2), (20_000, 7)])
def test_any_size_and_shape(size):
    found = photo(Image.new("RGB", size, (10, 200, 30)))
    assert found.shape == (3, 224, 224)
    assert found.flatten(1).unique(dim=1).tolist() == [[10], [200], [30]]


GREY = np.linspace(0, 255, 32).round().astype(np.uint8)[None].repeat(32, 0)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP", "GIF"])
def test_grey_pictures(format):
    found = photo(stored(Image.fromarray(GREY), format), 32)
    assert apart(found, GREY[None].repeat(3, 0)) <= (3 if format == "JPEG" else 0)


def test_black_and_white_pictures():
    bits = np.indices((16, 16)).sum(axis=0) % 2 == 1
    for format in ("PNG", "TIFF"):
        found = photo(stored(Image.fromarray(bits), format), 16)
        assert apart(found, (255 * bits)[None].repeat(3, 0)) == 0


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits(format):
    deep = (GREY.astype(np.uint16) * 257) ^ 5  # 257: white is 65535
    found = photo(stored(Image.fromarray(deep), format), 32)
    assert apart(found, GREY[None].repeat(3, 0)) == 0


def test_dark_pictures_of_sixteen_bits_stay_dark():
    assert photo(Image.fromarray(np.full((8, 8), 300, np.uint16)), 8).unique().tolist() == [1]


@pytest.mark.parametrize("top", [1, 255])
def test_fractions_of_grey(top):
    values = (GREY / 255 * top).astype(np.float32)
    found = photo(stored(Image.fromarray(values), "TIFF"), 32)
    assert apart(found, GREY[None].repeat(3, 0)) == 0


def test_pictures_of_numbers_that_are_none():
    values = np.full((8, 8), np.nan, np.float32)
    values[0, 0] = 1
    assert photo(Image.fromarray(values), 8).sum() == 3 * 255


def test_palettes():
    picture = Image.fromarray(smooth(32, 32)).quantize(64)
    found = photo(stored(picture, "PNG"), 32)
    assert apart(found, np.asarray(picture.convert("RGB")).transpose(2, 0, 1)) == 0


def test_what_is_transparent_is_on_white():
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[..., 0] = 200
    picture[:4, :, 3] = 255
    picture[4:6, :, 3] = 51  # one fifth of it covers
    for format in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True} if format == "WEBP" else {}
        found = photo(stored(Image.fromarray(picture), format, **options), 8)
        assert found[:, 0, 0].tolist() == [200, 0, 0]
        assert found[:, 5, 0].tolist() == [244, 204, 204]
        assert found[:, 7, 7].tolist() == [255, 255, 255]
    grey = Image.fromarray(picture[..., [0, 3]])
    assert grey.mode == "LA"
    assert photo(stored(grey, "PNG"), 8)[:, [0, 5, 7], 0].tolist() == [[200, 244, 255]] * 3
    for mode in ("RGBa", "La"):
        again = (Image.fromarray(picture) if mode == "RGBa" else grey).convert(mode)
        assert photo(again, 8)[0, [0, 7], 0].tolist() == [200, 255]


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_white(format):
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([0, 0, 0, 10, 200, 30])
    picture.paste(1, (0, 0, 4, 8))
    found = photo(stored(picture, format, transparency=0), 8)
    assert found[:, 0, 0].tolist() == [10, 200, 30] and found[:, 0, 7].tolist() == [255, 255, 255]


def test_a_transparent_colour_of_a_picture_without_palette_is_white():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = 9, 8, 7
    found = photo(stored(Image.fromarray(picture), "PNG", transparency=(0, 0, 0)), 4)
    assert found[:, 0, 0].tolist() == [9, 8, 7] and found[:, 3, 3].tolist() == [255, 255, 255]


def test_inks():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
    for content in (stored(cmyk, "TIFF"), stored(cmyk, "JPEG", quality=95)):
        assert Image.open(io.BytesIO(content)).mode == "CMYK"
        assert apart(photo(content, 16)[:, 8, 8], [255, 0, 0]) <= 3


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_picture(format):
    film = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    content = stored(film[0], format, save_all=True, append_images=film[1:], **options)
    assert Image.open(io.BytesIO(content)).n_frames == 3
    assert photo(content, 16)[:, 3, 3].tolist() == [255, 0, 0]


# How an upright picture is stored by a camera that was turned: the numbers of the EXIF standard.
LYING = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 3),
}


@pytest.mark.parametrize("orientation", LYING)
@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_pictures_are_turned_upright_once(format, orientation):
    upright = smooth(48, 32)
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = Image.fromarray(np.ascontiguousarray(LYING[orientation](upright)))
    options = {"quality": 95} if format in ("JPEG", "WEBP") else {}
    found = photo(stored(lying, format, exif=exif, **options), 32)
    assert apart(found, upright[:, 8:40].transpose(2, 0, 1)) <= (14 if options else 0)
    if orientation > 1:
        plain = photo(lying, 32)
        assert apart(found, plain) > 50  # it would be noticed


def test_orientation_counts_for_grey_of_sixteen_bits_as_well():
    exif = Image.Exif()
    exif[0x0112] = 3
    deep = Image.fromarray(GREY[::-1, ::-1].astype(np.uint16) * 257)
    assert apart(photo(stored(deep, "PNG", exif=exif), 32), GREY[None].repeat(3, 0)) == 0


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\0\x05\xff\xff"])
def test_damaged_exif_does_not_matter(exif):
    picture = Image.fromarray(smooth(32, 32))
    found = photo(stored(picture, "JPEG", quality=95, exif=exif), 32)
    assert apart(found, smooth(32, 32).transpose(2, 0, 1)) <= 8


def test_the_picture_given_is_left_as_it_was():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = stored(Image.fromarray(smooth(20, 10)), "PNG", exif=exif)
    picture = Image.open(io.BytesIO(content)).copy()
    before = picture.copy()
    first = photo(picture, 8)
    assert picture == before and picture.size == (20, 10)
    assert torch.equal(photo(picture, 8), first)


# Files that are no photographs --------------------------------------------------------------------


def refused(source, said):
    with pytest.raises(ValueError, match=said):
        photo(source)


def test_a_missing_file_a_folder_and_a_text_are_named(tmp_path):
    missing, text = tmp_path / "dog.jpg", tmp_path / "cat.jpg"
    text.write_text("This is not a photograph of a cat.")
    refused(missing, f"there is no file {missing} .*: check its name, or give its whole path")
    refused(tmp_path, f"{tmp_path} is a folder: name one picture in it")
    refused(str(text), f"{text} is no picture in a known format: give a JPEG, PNG, GIF, WebP")
    refused(text.read_bytes(), "a file of 34 bytes is no picture in a known format")
    text.write_bytes(b"")
    refused(text, f"{text} is empty: choose another file")
    refused("a\0b", "cannot be opened .*: give a file that can be")
    refused("~nobody_is_called_this/dog.jpg", "there is no file ~nobody_is_called_this/dog.jpg")


def test_programs_that_draw_are_not_run():
    """PostScript is a program; Pillow would start an interpreter for it."""
    refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no picture in a")
    refused(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is no picture in a known format")
    refused(b"%PDF-1.4\n", "is no picture in a known format")


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"isom"])
def test_the_format_of_iphones_is_to_be_converted(tmp_path, brand):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100))
    named = rf"{path} is in a format that cannot be read here \('{brand.decode()}'; HEIC is"
    refused(path, rf"{named} what iPhones take\): convert it to JPEG first")


def test_a_format_that_pillow_has_learned_meanwhile_is_read(monkeypatch):
    """As after `pillow_heif.register_heif_opener()`."""
    from PIL import PngImagePlugin

    content = b"\0\0\0\x18ftypheic" + stored(Image.new("RGB", (4, 4), "red"), "PNG")

    def opens(file, name):
        file.seek(12)
        return PngImagePlugin.PngImageFile(io.BytesIO(file.read()))

    monkeypatch.setitem(Image.OPEN, "HEIF", (opens, lambda head: head[4:12] == b"ftypheic"))
    assert photo(content, 4)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_file_that_is_cut_off_is_named(tmp_path, format, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = stored(Image.fromarray(noise), format)
    path = tmp_path / "cut"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"^{path} "):
        photo(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of odd metadata
def test_damage_anywhere_ends_in_a_picture_or_in_an_error_that_names_the_file(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "spoilt"
    outcomes = set()
    for format in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
        content = bytearray(stored(Image.fromarray(smooth(16, 16)), format))
        for _ in range(60):
            spoilt = content.copy()
            for at in rng.integers(0, len(content), 8):
                spoilt[at] = rng.integers(256)
            path.write_bytes(spoilt)
            try:
                assert photo(path, 8).shape == (3, 8, 8)
                outcomes.add("picture")
            except ValueError as error:
                assert str(error).startswith(str(path))
                outcomes.add("error")
    assert outcomes == {"picture", "error"}


def test_too_many_pixels_are_refused_before_they_fill_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(stored(Image.new("1", (20_000, 10_000)), "PNG"))  # Pillow's own limit
    assert path.stat().st_size < 100_000
    named = f"{path} has too many pixels, more than 120 million: make a smaller copy of it"
    refused(path, named)
    refused(stored(Image.new("1", (13_000, 10_000)), "PNG"), "has too many pixels")  # only ours
    monkeypatch.setattr(module, "MOST_PIXELS", 99)
    refused(Image.new("RGB", (10, 10)), "the picture has too many pixels")
    monkeypatch.setattr(module, "MOST_PIXELS", 100)
    assert photo(Image.new("RGB", (10, 10)), 4).shape == (3, 4, 4)


@pytest.mark.filterwarnings("error")
def test_large_pictures_are_read_without_a_warning():
    content = stored(Image.new("1", (10_000, 9_500), 1), "PNG")  # where Pillow begins to warn
    assert photo(content, 4).unique().tolist() == [255]


def test_films_and_devices_are_not_read_into_memory(tmp_path, monkeypatch):
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(1001))
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    refused(path, f"{path} cannot be opened .it is no file of at most 0 MB")
    if os.path.exists("/dev/zero"):
        refused("/dev/zero", "/dev/zero cannot be opened")


def test_a_picture_without_pixels_is_refused():
    refused(Image.new("RGB", (0, 5)), "the picture cannot be read as a picture .*no pixels")


@pytest.mark.parametrize("side", [0, -3])
def test_a_side_below_one_is_refused(side):
    with pytest.raises(ValueError, match=f"side is {side}: a picture has at least 1 pixel"):
        photo(Image.new("RGB", (4, 4)), side)


@pytest.mark.parametrize("source", [None, 5, np.zeros((4, 4, 3), np.uint8)])
def test_anything_else_is_refused(as_a_reader_runs_it, source):
    refused(source, f"source is {type(source).__name__}: give a file, bytes or a Pillow image")
