"""A download counts only when it is right; what has arrived is never fetched twice.

What the server was asked is as much part of the tests as what ends up on the disk.
"""

import hashlib
import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lecture_utils.datasets import downloads
from lecture_utils.datasets.downloads import download_folder, fetch

BODY = b"To be, or not to be:\r\n" + random.Random(1).randbytes(5 * downloads.CHUNK + 1234)
FIRST_LINE = "To be, or not to be:"
SHA256 = hashlib.sha256(BODY).hexdigest()
HALF = 2 * downloads.CHUNK  # the server cuts there: whole chunks, so that the sizes are exact
INSTEAD = "lecture_utils.datasets.corpora.prose"
REMEDY = f"The course needs no download: use {re.escape(INSTEAD)} instead"


@pytest.fixture
def server(server):
    server.body, server.pause_at = BODY, HALF
    return server


@pytest.fixture
def sending(monkeypatch):
    """sending(answer) -> the address of a server that sends these bytes once, whatever is asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk(answer):
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(answer)

        def send(answer):
            threading.Thread(target=talk, args=(answer,), daemon=True).start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}/text"

        yield send


def get(server, **known):
    return fetch(server.url, "text.txt", instead=INSTEAD, **(known or {"sha256": SHA256}))


def files_in(folder):
    return {p.name: p.stat().st_size for p in folder.rglob("*") if p.is_file()}


def keep_part(folder, content):
    folder.mkdir(exist_ok=True)
    (folder / "text.txt.part").write_bytes(content)


# Where it goes -----------------------------------------------------------------------------------


def test_the_variable_names_the_folder_and_knows_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LECTURE_DOWNLOADS", str(tmp_path))
    assert download_folder() == tmp_path
    monkeypatch.setenv("LECTURE_DOWNLOADS", "~/texts")
    assert download_folder() == Path.home() / "texts"


def test_without_the_variable_downloads_go_to_the_users_cache(monkeypatch):
    monkeypatch.delenv("LECTURE_DOWNLOADS", raising=False)
    assert download_folder().name == "executable-lecture"
    monkeypatch.setenv("LECTURE_DOWNLOADS", "")
    assert download_folder().name == "executable-lecture"


@pytest.mark.parametrize("name", ["../text", "/etc/text", "a/b", "a\\b", "C:text", "..", ".", ""])
def test_a_name_that_leads_elsewhere_is_refused(server, folder, name):
    with pytest.raises(ValueError, match=f"{re.escape(repr(name))}: give a plain file name"):
        fetch(server.url, name, sha256=SHA256, instead=INSTEAD)
    assert server.asked == [] and not folder.exists()


def test_without_anything_to_check_by_nothing_is_fetched(server, folder):
    with pytest.raises(ValueError, match="nothing to check text.txt by: give its sha256, or its"):
        get(server, first_line=FIRST_LINE)
    assert server.asked == [] and not folder.exists()


# Whole -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [True, False], ids=["length announced", "length unknown"])
def test_a_file_is_fetched_once_and_then_only_checked(server, folder, length, capsys):
    server.announces_length = length
    path = get(server)
    assert path == folder / "text.txt" and path.read_bytes() == BODY
    assert files_in(folder) == {"text.txt": len(BODY)}
    assert get(server) == path
    assert server.asked == [""]
    assert capsys.readouterr().out == ""


def test_the_hash_may_be_written_in_capitals(server, folder):
    assert get(server, sha256=SHA256.upper()).read_bytes() == BODY


def test_a_file_put_there_by_hand_is_taken_without_a_request(server, folder):
    folder.mkdir()
    (folder / "text.txt").write_bytes(BODY)
    assert get(server).read_bytes() == BODY
    assert get(server, size=len(BODY), first_line=FIRST_LINE) == folder / "text.txt"
    assert server.asked == []


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b"X" + b[1:]])
def test_a_damaged_file_is_named_and_fetched_again(server, folder, spoil, capsys):
    folder.mkdir()
    path = folder / "text.txt"
    path.write_bytes(spoil(BODY))
    assert get(server) == path and path.read_bytes() == BODY
    wrong = hashlib.sha256(spoil(BODY)).hexdigest()
    said = capsys.readouterr().out
    assert said == (
        f"{path} is not the right file: its sha256 is {wrong} instead of {SHA256}. "
        "Fetching it again.\n"
    )
    assert files_in(folder) == {"text.txt": len(BODY)}


def test_a_damaged_file_stays_until_there_is_a_better_one(server, folder):
    folder.mkdir()
    (folder / "text.txt").write_bytes(b"the reader's own notes")
    server.status = 503
    with pytest.raises(OSError, match="503"):
        get(server)
    assert (folder / "text.txt").read_bytes() == b"the reader's own notes"


# Without a hash ----------------------------------------------------------------------------------


def test_where_the_hash_is_unknown_size_and_first_line_decide_and_it_is_printed(
    server, folder, capsys
):
    known = {"size": len(BODY), "first_line": FIRST_LINE}
    path = get(server, **known)
    printed = capsys.readouterr().out
    assert printed == f'text.txt has the expected size; to pin what is in it: sha256="{SHA256}"\n'
    pinned = re.search('"(.*)"', printed)[1]
    assert get(server, **known, sha256=pinned) == path
    assert server.asked == [""]


@pytest.mark.parametrize(
    "wrong, named",
    [
        (
            {"size": len(BODY) + 1},
            rf"it has {len(BODY):,} bytes instead of {len(BODY) + 1:,} and the sha256 {SHA256}",
        ),
        (
            {"size": len(BODY), "first_line": "To sleep:"},
            rf"it begins '{FIRST_LINE}' instead of 'To sleep:' and has the sha256 {SHA256}",
        ),
    ],
)
def test_another_size_or_first_line_is_refused_and_the_way_out_is_named(
    server, folder, wrong, named, capsys
):
    with pytest.raises(OSError, match=f"{named}.*that it is right after all, give this sha256"):
        get(server, **wrong)
    assert files_in(folder) == {}
    assert get(server, **wrong, sha256=SHA256).read_bytes() == BODY  # a known hash alone decides
    assert capsys.readouterr().out == ""


def test_a_byte_order_mark_is_not_part_of_the_first_line(server, folder):
    server.body = b"\xef\xbb\xbfOne line\nand another"
    assert get(server, size=len(server.body), first_line="One line").read_bytes() == server.body


# Too long ----------------------------------------------------------------------------------------


@pytest.fixture
def removed(monkeypatch):
    """The sizes of the files that were removed."""
    sizes, unlink = [], Path.unlink

    def record(path, missing_ok=False):
        if path.exists():
            sizes.append(path.stat().st_size)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", record)
    return sizes


@pytest.mark.parametrize("size", [HALF, HALF + 1, len(BODY) - 1])
def test_no_more_is_written_than_the_file_should_have(server, folder, removed, size):
    server.announces_length = False
    with pytest.raises(OSError, match=f"another file than expected: it has more than {size:,} by"):
        get(server, size=size)
    assert removed == [size - size % downloads.CHUNK] and files_in(folder) == {}


def test_a_file_that_announces_itself_as_too_long_is_not_even_begun(server, folder, removed):
    named = f"it has {len(BODY):,} bytes, and at most {HALF:,} were expected"
    with pytest.raises(OSError, match=named):
        get(server, size=HALF)
    assert removed == [] and files_in(folder) == {}
    keep_part(folder, BODY[:1000])
    with pytest.raises(OSError, match=named):  # what is still missing counts with what is there
        get(server, size=HALF)
    assert server.asked == ["", "bytes=1000-"] and removed == [1000]


@pytest.mark.parametrize("announced", [True, False])
def test_where_only_the_hash_is_known_there_is_an_end_as_well(
    server, folder, removed, monkeypatch, announced
):
    server.announces_length = announced
    monkeypatch.setattr(downloads, "LARGEST", len(BODY) - 1)
    with pytest.raises(OSError, match=rf"it has .*{len(BODY) - 1:,}.* {REMEDY}"):
        get(server)
    assert removed == [] if announced else removed[0] < len(BODY)
    monkeypatch.setattr(downloads, "LARGEST", len(BODY))
    assert get(server).read_bytes() == BODY


def test_who_sends_more_than_announced_is_cut_off(folder, removed, sending):
    """In chunks: there the announced length is not what ends an answer."""
    url = sending(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
        + 3 * b"5\r\n01234\r\n" + b"0\r\n\r\n"
    )
    with pytest.raises(OSError, match="it has more than 9 bytes"):
        fetch(url, "text.txt", sha256=SHA256, instead=INSTEAD)
    assert removed == [0]


def test_a_longer_file_can_be_vouched_for_all_the_same(server, folder, capsys):
    path = folder / "text.txt"
    with pytest.raises(OSError, match=f"right after all, save it as {re.escape(str(path))} yours"):
        get(server, size=HALF)
    path.write_bytes(BODY)
    with pytest.raises(OSError, match="save it as"):
        get(server, size=HALF)
    assert f"it has {len(BODY):,} bytes instead of {HALF:,} and the sha256 {SHA256}. Fetch" in (
        capsys.readouterr().out
    )
    asked = len(server.asked)
    assert get(server, size=HALF, sha256=SHA256).read_bytes() == BODY
    assert len(server.asked) == asked


# In pieces ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"size": len(BODY)}], ids=["hash", "size"])
def test_after_a_lost_connection_only_the_rest_is_fetched(server, folder, known):
    server.cut = HALF
    broke = f"broke at {HALF:,} of {len(BODY):,} bytes.*Call again to go on from what has arrived"
    with pytest.raises(OSError, match=f"{broke}.*{REMEDY}"):
        get(server, **known)
    assert files_in(folder) == {"text.txt.part": HALF}
    server.cut = 2 * downloads.CHUNK
    with pytest.raises(OSError, match=f"broke at {2 * HALF:,} of {len(BODY):,} bytes"):
        get(server, **known)
    assert get(server, **known).read_bytes() == BODY
    assert server.asked == ["", f"bytes={HALF}-", f"bytes={2 * HALF}-"]
    assert files_in(folder) == {"text.txt": len(BODY)}


def test_a_server_that_cannot_go_on_from_the_middle_sends_all_of_it(server, folder):
    server.ranges = False
    server.cut = HALF
    with pytest.raises(OSError, match="broke at"):
        get(server)
    assert get(server).read_bytes() == BODY
    assert server.asked == ["", f"bytes={HALF}-"]


def test_a_server_that_goes_on_from_another_place_is_asked_for_all_of_it(server, folder):
    keep_part(folder, BODY[:HALF])
    server.moved = 1
    assert get(server).read_bytes() == BODY
    assert server.asked == [f"bytes={HALF}-", ""]


def test_a_partial_file_longer_than_the_whole_is_begun_again(server, folder):
    keep_part(folder, BODY + b"and more")
    assert get(server).read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY) + 8}-", ""]


def test_a_partial_file_that_is_whole_needs_no_request(server, folder):
    keep_part(folder, BODY)
    assert get(server).read_bytes() == BODY
    assert server.asked == []


def test_a_partial_file_of_something_else_is_noticed_and_the_next_call_begins_again(server, folder):
    keep_part(folder, b"x" * HALF)
    with pytest.raises(OSError, match=f"sent another file than expected.*instead of {SHA256}"):
        get(server)
    assert files_in(folder) == {}
    assert get(server).read_bytes() == BODY


FETCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from lecture_utils.datasets.downloads import fetch
print(fetch(sys.argv[1], "text.txt", sha256=sys.argv[2], instead="nothing"), flush=True)
"""


def another_process(server):
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, server.url, SHA256],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL], ids=["interrupt", "kill"])
def test_an_interrupted_download_goes_on_in_the_next_call(server, folder, stop):
    server.pause = threading.Event()
    with another_process(server) as process:
        assert server.paused.wait(20)
        for _ in range(1000):  # sent is not yet written
            if files_in(folder).get("text.txt.part") == HALF:
                break
            threading.Event().wait(0.01)
        process.send_signal(stop)
        errors = process.communicate(timeout=20)[1]
    assert process.returncode != 0
    assert ("KeyboardInterrupt" in errors) == (stop == signal.SIGINT)
    assert files_in(folder) == {"text.txt.part": HALF}
    server.pause.set()
    assert get(server).read_bytes() == BODY
    assert server.asked == ["", f"bytes={HALF}-"]


@pytest.mark.skipif(downloads.fcntl is None, reason="no file locks of this kind here")
def test_of_two_processes_one_fetches_and_the_other_waits(server, folder):
    keep_part(folder, BODY[:1000])
    server.pause = threading.Event()
    with another_process(server) as first:
        assert server.paused.wait(20)
        with another_process(server) as second:
            assert second.stdout.readline().startswith("Another process is fetching into")
            server.pause.set()
            said = [process.communicate(timeout=20)[0] for process in (first, second)]
    assert said == [f"{folder / 'text.txt'}\n"] * 2
    assert server.asked == ["bytes=1000-"]
    assert files_in(folder) == {"text.txt": len(BODY)}
    assert get(server).read_bytes() == BODY


def test_where_there_are_no_locks_a_file_is_fetched_all_the_same(server, folder, monkeypatch):
    monkeypatch.setattr(downloads, "fcntl", None)
    assert get(server).read_bytes() == BODY


# What goes wrong ---------------------------------------------------------------------------------


def test_another_file_is_removed_and_both_hashes_and_the_remedy_are_named(server, folder):
    server.body = b"<html>please log in</html>"
    found = hashlib.sha256(server.body).hexdigest()
    named = f"{server.url} sent another file than expected: its sha256 is {found} instead of"
    with pytest.raises(OSError, match=f"{named} {SHA256}.*removed; call again.*{REMEDY}"):
        get(server)
    assert files_in(folder) == {}


@pytest.mark.parametrize("status", [404, 403, 500])
def test_an_error_of_the_server_is_told(server, folder, status):
    server.status = status
    with pytest.raises(
        OSError, match=rf"{server.url} could not be fetched .*{status}.*\. {REMEDY}"
    ):
        get(server)
    assert files_in(folder) == {}


def test_where_nobody_listens_the_error_names_the_address_and_the_substitute(
    folder, nobody_listens
):
    named = rf"{nobody_listens} could not be fetched .*refused.*\. {REMEDY}"
    with pytest.raises(OSError, match=named):
        fetch(nobody_listens, "text.txt", sha256=SHA256, instead=INSTEAD)
    assert files_in(folder) == {}


def test_offline_the_error_names_the_address_and_the_substitute(folder, monkeypatch):
    def offline(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    url = "http://texts.invalid/text"
    with pytest.raises(OSError, match=f"{url} could not be fetched .*not known.*{REMEDY}"):
        fetch(url, "text.txt", sha256=SHA256, instead=INSTEAD)


def test_a_server_that_falls_silent_is_given_up_and_the_part_is_kept(server, folder, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.3)
    server.pause = threading.Event()
    with pytest.raises(OSError, match="could not be fetched .*timed out.*go on from what has"):
        get(server)
    assert files_in(folder) == {"text.txt.part": HALF}


def test_an_answer_that_is_not_http_is_told(folder, sending):
    url = sending(b"SSH-2.0-OpenSSH\r\n")
    with pytest.raises(OSError, match=rf"{url} could not be fetched .*SSH.*\. {REMEDY}"):
        fetch(url, "text.txt", sha256=SHA256, instead=INSTEAD)


@pytest.mark.parametrize(
    "told",
    ["many", "", "-5", "5_0", "5.0", "5, 5", "\u0665", pytest.param(5000 * "9", id="5000 digits")],
)
def test_an_announced_length_that_is_no_number_is_named_with_the_remedy(folder, sending, told):
    header = f"Content-Length: {told}".encode()
    keep_part(folder, b"To be")
    url = sending(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n01234")
    named = rf"{url} could not be fetched .*header Content-Length is '.{{0,50}}', not a number of"
    kept = "Call again to go on from what has arrived"
    with pytest.raises(OSError, match=rf"{named} bytes\)\. {kept}\. {REMEDY}"):
        fetch(url, "text.txt", sha256=SHA256, instead=INSTEAD)
    assert files_in(folder) == {"text.txt.part": 5}


def test_an_announced_length_may_stand_between_spaces(folder, sending):
    url = sending(b"HTTP/1.1 200 OK\r\nContent-Length:  5 \t\r\n\r\n01234")
    assert fetch(url, "text.txt", size=5, instead=INSTEAD).read_bytes() == b"01234"


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LECTURE_DOWNLOADS", str(tmp_path / "file" / "kept"))
    named = re.escape(str(tmp_path / "file" / "kept"))
    with pytest.raises(OSError, match=f"{named} cannot be used: .*set LECTURE_DOWNLOADS to"):
        get(server)
    assert server.asked == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_read_only_folder_is_named_but_what_lies_in_it_can_be_used(server, folder):
    folder.mkdir()
    (folder / "text.txt").write_bytes(BODY)
    folder.chmod(0o555)
    assert get(server).read_bytes() == BODY
    with pytest.raises(OSError, match=f"{folder} cannot be used: .*set LECTURE_DOWNLOADS"):
        fetch(server.url, "other.txt", sha256=SHA256, instead=INSTEAD)
    folder.chmod(0o755)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk to be had that is full")
@pytest.mark.parametrize("length", [10, len(BODY)])  # in a buffer, the short one would fit
def test_a_full_disk_is_told_with_the_folder_and_the_remedy(server, folder, length):
    server.body = BODY[:length]
    folder.mkdir()
    (folder / "text.txt.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match=f"{folder} cannot be used: No space left.*Free some space"):
        get(server)
    assert not (folder / "text.txt").exists()


def test_a_nearly_full_disk_takes_a_piece_in_several_writes(server, folder, monkeypatch):
    def opened(path, mode, **buffering):
        file = open(path, mode, **buffering)
        if mode == "rb":
            return file

        class Reluctant:
            seek = file.seek

            def write(self, piece):
                return file.write(piece[:10_000])

            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

        return Reluctant()

    monkeypatch.setattr(downloads, "open", opened, raising=False)
    assert get(server).read_bytes() == BODY


# The bar -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch, disable", [("0", True), ("1", None), (None, None)])
def test_the_bar_counts_bytes_from_where_it_goes_on(server, folder, monkeypatch, switch, disable):
    bars = []

    class Bar(downloads.tqdm):
        def __init__(self, **options):
            bars.append(options)
            super().__init__(**(options | {"disable": False, "file": io.StringIO()}))

        def close(self):
            bars[-1]["reached"] = self.n
            super().close()

    monkeypatch.setattr(downloads, "tqdm", Bar)
    if switch is None:
        monkeypatch.delenv("LECTURE_PROGRESS", raising=False)
    else:
        monkeypatch.setenv("LECTURE_PROGRESS", switch)
    keep_part(folder, BODY[:HALF])
    get(server)
    (bar,) = bars
    assert (bar["desc"], bar["initial"], bar["total"]) == ("text.txt", HALF, len(BODY))
    assert bar["reached"] == len(BODY)
    assert bar["delay"] == 1.0 and bar["disable"] is disable
