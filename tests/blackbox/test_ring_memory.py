# SPDX-License-Identifier: Apache-2.0
"""A daemon whose kernel is older than MADV_POPULATE_WRITE, or has no more memory: a seccomp filter answers for it."""
import errno
import mmap
import platform
import stat
import subprocess
import sys

import pytest

import conftest
from conftest import HSFEEDD, need_binaries
from protoclient import Client, Refused
from ringclient import Ring, finish, inline, plain, start

# Slots of about 73 KB: the opening makes pages for 128 KiB, the next slot asks for 64 KiB more.
LARGE = {"name": "rows", "split": "all", "max_length": 16, "batch_size": 270, "slots": 4}
MADVISE = {"x86_64": 28, "aarch64": 233}.get(platform.machine())

FILTER = """
import ctypes, os, struct, sys
MADVISE, POPULATE_WRITE = int(sys.argv[1]), 23
NO_NEW_PRIVS, SECCOMP, FILTER = 38, 22, 2
LOAD, EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050000
number, bytes_asked, advice = 0, 16 + 8, 16 + 16
want = [(number, MADVISE), (advice, POPULATE_WRITE)] + [(bytes_asked, int(n)) for n in sys.argv[3:4] if int(n)]
code = b""
for i, (offset, value) in enumerate(want):
    left = 2 * (len(want) - i)  # instructions from the comparison on to the last
    code += struct.pack("HBBI", LOAD, 0, 0, offset) + struct.pack("HBBI", EQUAL, 0, left - 1, value)
code += struct.pack("HBBI", RETURN, 0, 0, ERRNO | int(sys.argv[2])) + struct.pack("HBBI", RETURN, 0, 0, ALLOW)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl.argtypes = [ctypes.c_int] + 4 * [ctypes.c_ulong]
held = ctypes.create_string_buffer(program)
if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SECCOMP, FILTER, ctypes.addressof(held), 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
if sys.argv[4:]:
    os.execv(sys.argv[4], sys.argv[4:])
"""


def populates():
    try:
        mmap.mmap(-1, mmap.PAGESIZE).madvise(23)
    except OSError:
        return False
    return True


@pytest.fixture
def daemon(request, tmp_path, monkeypatch):
    """Where madvise(MADV_POPULATE_WRITE), of that length alone where one is given, fails so."""
    need_binaries()
    code, length = request.param
    if length and not populates():
        pytest.skip("this kernel makes all pages at once")
    filtered = [sys.executable, "-c", FILTER, str(MADVISE), str(code), str(length)]
    tried = MADVISE and subprocess.run(filtered, capture_output=True, text=True)
    if not tried or tried.returncode != 0:
        pytest.skip(f"no seccomp here: {tried.stderr.strip() if tried else platform.machine()}")
    script, program = tmp_path / "hsfeedd", tmp_path / "filter.py"
    program.write_text(FILTER)
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" {MADVISE} {code} {length} "{HSFEEDD}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(conftest, "HSFEEDD", script)
    d = start(tmp_path)
    yield d
    finish(d)


@pytest.fixture
def client(daemon):
    c = Client(daemon.socket)
    yield c
    c.close()


def failing(code, length=0):
    return pytest.mark.parametrize("daemon", [(code, length)], indirect=True)


@failing(errno.EINVAL)
@pytest.mark.parametrize("request_", [LARGE, {**LARGE, "batch_size": 10, "slots": 3}, {**LARGE, "slots": 1}])
def test_an_old_kernel_makes_all_pages_at_once(client, request_):
    r = Ring(client, **request_)
    assert r.batches() == inline(client, **request_)[0]
    r.close()


@failing(errno.ENOMEM)
def test_without_memory_an_opening_is_refused_and_inline_works(client):
    with pytest.raises(Refused) as refused:
        Ring(client, **LARGE)
    assert refused.value.code == "out_of_memory"
    assert len(inline(client, **LARGE)[0]) == 4


@failing(errno.ENOMEM, 65536)
def test_memory_that_runs_out_later_fails_the_stream_alone(daemon, client):
    want, _ = inline(client, **LARGE)
    r = Ring(client, **LARGE)
    first = r.next()
    assert plain(first, r.data(first)) == want[0]
    name, failed = r.receive()
    assert name == "stream.failed" and failed["generation"] == 1
    assert failed["error"]["code"] == "out_of_memory" and "inline" in failed["error"]["hint"]
    r.release(first)
    client.call("stream.seek", stream=r.id, epoch=0, at=270)  # tries again: the first slot has its pages
    second = r.next()
    assert plain(second, r.data(second)) == want[1]
    assert r.receive()[0] == "stream.failed"
    assert inline(client, **LARGE)[0] == want  # the connection goes on
    r.release(second)
    client.call("stream.seek", stream=r.id, epoch=0, at=3 * 270)  # needs no more slots than there are
    last = r.next()
    assert plain(last, r.data(last)) == want[3]
    assert r.next() is None and r.end["generation"] == 3
    client.call("stream.close", stream=r.id)
    r.close()


@failing(errno.ENOMEM, 65536)
def test_a_failed_stream_is_told_to_people(daemon):
    done = daemon.run("stream", "rows", "--split", "all", "--max-length", "16", "--batch-size", "270",
                      "--transport", "ring", check=False, env={"HSFEED_NO_PACKED": "1"})
    assert done.returncode == 1 and "making a stream's slots: Cannot allocate memory" in done.stderr
    assert "transport inline" in done.stderr
