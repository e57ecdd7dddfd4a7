"""What the tests of downloads share: a folder, a server on this machine, an address without one."""

import http.server
import socket
import threading

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A download folder that does not exist yet."""
    monkeypatch.setenv("LECTURE_DOWNLOADS", str(tmp_path / "kept"))
    return tmp_path / "kept"


class Server:
    """A real web server: answers every address as told, and remembers what it was asked."""

    def __init__(self):
        self.body = b""
        self.status = 200
        self.ranges = True  # does it know how to go on from the middle
        self.moved = 0  # it goes on this many bytes too early
        self.announces_length = True
        self.cut = None  # the next answer breaks off after so many bytes
        self.pause = None  # an event to wait for, once so many bytes of an answer are sent:
        self.pause_at = 0
        self.paused = threading.Event()
        self.asked = []  # the Range header of each request, "" where it had none

        told = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                told.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.http.server_port}/file"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def sending(self, body):
        """The address at which it sends this from now on."""
        self.body = body
        return self.url

    def answer(self, request):
        asked = request.headers.get("Range", "")
        self.asked.append(asked)
        if self.status != 200:
            request.send_error(self.status)
            return
        start = 0
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-")) - self.moved
        if start and start >= len(self.body):
            request.send_error(416)
            return
        left = self.body[start:]
        request.send_response(206 if start else 200)
        if start:
            last = len(self.body) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/{len(self.body)}")
        if self.announces_length:
            request.send_header("Content-Length", str(len(left)))
        request.end_headers()
        if self.pause:
            request.wfile.write(left[: self.pause_at])
            self.paused.set()
            self.pause.wait(20)
            left = left[self.pause_at :]
        cut, self.cut = self.cut, None
        request.wfile.write(left if cut is None else left[:cut])

    def close(self):
        if self.pause:
            self.pause.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(5)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def nobody_listens(monkeypatch):
    """An address on this machine at which there is no server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/file"
