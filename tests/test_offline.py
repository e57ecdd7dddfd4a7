"""The kernels of the test run have no network, and keep what they need on this machine."""

import nbformat
import pytest

from tools import refresh

REACH_OUT = """
import asyncio, socket, urllib.request

def outcome(action):
    try:
        action()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "done"

def tcp():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)

def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

# 192.0.2.1 and 2001:db8::1 are reserved for documentation: nobody answers there.
actions = {
    "connect": lambda: tcp().connect(("192.0.2.1", 80)),
    "connect_ex": lambda: tcp().connect_ex(("192.0.2.1", 80)),
    "ipv6": lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80)),
    "create_connection": lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
    "getaddrinfo": lambda: socket.getaddrinfo("example.org", 80),
    "gethostbyname": lambda: socket.gethostbyname("example.org"),
    "sendto": lambda: udp().sendto(b"x", ("192.0.2.1", 53)),
    "sendto flags": lambda: udp().sendto(b"x", 0, ("192.0.2.1", 53)),
    "sendmsg": lambda: udp().sendmsg([b"x"], [], 0, ("192.0.2.1", 53)),
    "urlopen": lambda: urllib.request.urlopen("http://example.org", timeout=1),
}
"""

STAY_HERE = """
import os, socket, subprocess, sys, threading

server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"), daemon=True).start()
with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as client:
    print(client.recv(5))

receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"datagram", receiver.getsockname())
print(receiver.recv(8))

one, other = socket.socketpair()
one.sendmsg([b"pair"])
print(other.recv(4))
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout)
"""

LEFT_BEHIND = "[name for name in globals() if 'network' in name]"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The text of each cell, run as tools/refresh.py runs notebooks."""
    each = "for name in actions: print(name, '|', outcome(actions[name]))"
    sources = [LEFT_BEHIND, REACH_OUT + each, STAY_HERE]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook = refresh.executed(notebook, tmp_path_factory.mktemp("kernel"))
    return [
        "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)
        for cell in notebook.cells
    ]


def test_every_way_out_is_refused_with_its_address(outputs):
    lines = dict(line.split(" | ") for line in outputs[1].strip().splitlines())
    assert len(lines) == 10
    for way, outcome in lines.items():
        assert "the network is off" in outcome, f"{way}: {outcome}"
        assert any(a in outcome for a in ("192.0.2.1", "2001:db8::1", "example.org")), outcome


def test_this_machine_can_be_reached(outputs):
    assert outputs[2].split() == ["b'hello'", "b'datagram'", "b'pair'", "42"]


def test_the_start_up_file_leaves_no_names(outputs):
    assert outputs[0] == "[]"
