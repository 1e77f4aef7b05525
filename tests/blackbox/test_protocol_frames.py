# SPDX-License-Identifier: Apache-2.0
"""The daemon's beginning and end as clients see them, and PROTOCOL.md's example frames replayed against it."""
import re
import socket
import struct
import time

import pytest

from conftest import HSFEEDD, ROOT, Daemon
from protoclient import Client, frame, still_serves, unpack


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    if not HSFEEDD.exists():
        pytest.fail(f"no {HSFEEDD}: build first, or set HSFEED_BUILD_DIR")
    d = Daemon(tmp_path_factory.mktemp("frames")).start()
    yield d
    code = d.stop()
    assert code == 0, f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


# ---- the end ----

def test_a_stopping_daemon_says_bye_and_ends_cleanly(tmp_path):
    d = Daemon(tmp_path).start()
    c = Client(d.socket)
    assert d.stop() == 0
    assert c.end()["code"] == "shutting_down"
    assert not d.socket.exists()


def test_a_second_daemon_on_one_state_or_socket_is_refused(daemon, tmp_path):
    other = Daemon(tmp_path)
    other.state = daemon.state
    other.start(wait=False)
    assert other.process.wait(30) == 1 and str(daemon.state) in other.log.read_text()
    third = Daemon(tmp_path)
    third.socket = daemon.socket
    third.start(wait=False)
    assert third.process.wait(30) == 1 and "another daemon listens" in third.log.read_text()
    still_serves(daemon)


def test_a_socket_left_by_a_dead_daemon_is_replaced(tmp_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "hsfeed.sock"))
    left.close()
    d = Daemon(tmp_path)
    d.start(wait=False)
    deadline = time.monotonic() + 60
    while True:
        try:
            Client(d.socket).close()
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, d.log.read_text()
            time.sleep(0.02)
    assert d.stop() == 0


# ---- PROTOCOL.md's own frames ----

def examples():
    """(title, [(direction, hex)]) of section 6: `>` goes to the daemon, `<` comes from it; `..` is any byte."""
    text = (ROOT / "proto" / "PROTOCOL.md").read_text().split("## 6.", 1)[1]
    out = []
    for title, block in re.findall(r"^\*\*(.+?)\*\*.*?\n\n((?:    .*\n)+)", text, re.M):
        out.append((title, re.findall(r"^    ([<>]) ((?:[0-9a-f.]{2} ?)+)", block, re.M)))
    return out


@pytest.mark.parametrize("title, lines", examples(), ids=lambda v: v if isinstance(v, str) else "")
def test_the_example_frames_of_the_protocol_replay(daemon, title, lines):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(str(daemon.socket))
    if title != "hello":
        s.send(frame([0, 4294967295, "hello", {"protocol": 1, "client": "replay"}]))
        n = struct.unpack("<I", s.recv(4, socket.MSG_WAITALL))[0]
        s.recv(n, socket.MSG_WAITALL)
    assert lines, title
    for direction, text in lines:
        want = text.split()
        if direction == ">":
            s.sendall(bytes.fromhex(text))
            continue
        got = s.recv(len(want), socket.MSG_WAITALL).hex(" ").split()
        assert [g if w != ".." else ".." for g, w in zip(got, want)] == want
    s.close()


def test_the_examples_are_whole_frames_of_msgpack():
    for _, lines in examples():
        data = b"".join(bytes.fromhex(t) for _, t in lines if ".." not in t and t.strip() != "00 00 00 00")
        while data:
            n = struct.unpack("<I", data[:4])[0]
            assert unpack(data[4:4 + n])[0] in (0, 1, 2)
            data = data[4 + n:]
