# SPDX-License-Identifier: Apache-2.0
"""Rings of clients that break RING.md's rules, or are slow, stopped or greedy: what it costs them, and that nobody
else notices."""
import ctypes
import os
import signal
import statistics
import struct
import subprocess
import sys
import threading
import time

import pytest

from conftest import need_binaries
from protoclient import Client, Closed, frame, pack, wait_for
from ringclient import Ring, finish, inline, open_fds, rests, send_fds, start, trap

SMALL = {"name": "rows", "split": "all", "max_length": 16, "batch_size": 10}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    need_binaries()
    d = start(tmp_path_factory.mktemp("hostile"), streams=256, stall_ms=60000)
    yield d
    finish(d)


@pytest.fixture
def bystander(daemon):
    """Another connection in the middle of its epoch, which must come out right in the end."""
    c = Client(daemon.socket, timeout=60)
    want, _ = inline(c, **SMALL)
    r = Ring(c, slots=4, **SMALL)
    held = [r.next(), r.next()]
    yield r
    assert [r.data(b) for b in held] == [w["data"] for w in want[:2]]
    r.release(*held)
    assert r.batches() == want[2:]
    r.close()
    c.close()


def ended(ring):
    """The daemon ended connection and channel; returns its `bye`."""
    bye = ring.client.end()
    with pytest.raises(Closed):
        while True:
            ring.receive()
    ring.close()
    return bye


def release(stream, *fills):
    return frame([2, "stream.release", {"stream": stream, "fills": list(fills)}])


# ---- releases that are none ----

@pytest.mark.parametrize("fills", [
    lambda b: [[b["slot"], b["fill"] + 1]], lambda b: [[b["slot"], b["fill"]]] * 2, lambda b: [[b["slot"], 0]],
    lambda b: [[(b["slot"] + 1) % 2, b["fill"]]], lambda b: [[2, b["fill"]]], lambda b: [[2**64 - 1, b["fill"]]],
    lambda b: [[2**32 + b["slot"], b["fill"]]], lambda b: [[b["slot"], 2**64 - 1]], lambda b: [[-1, b["fill"]]],
    lambda b: [[b["slot"]]], lambda b: [[b["slot"], b["fill"], 0]], lambda b: [["0", b["fill"]]], lambda b: [b["slot"]],
    lambda b: "all", lambda b: {"0": 1}, lambda b: None,
])
def test_a_release_of_a_fill_that_is_not_out_ends_the_connection(client, bystander, fills):
    r = Ring(client, slots=2, **SMALL)
    b = r.next()
    r.send(frame([2, "stream.release", {"stream": r.id, "fills": fills(b)}]))
    bye = ended(r)
    assert bye["code"] == "bad_request" and "stream.release" in bye["message"]


def test_a_release_counts_once_also_in_a_message_of_its_own_and_after_a_seek(client, bystander):
    r = Ring(client, slots=4, **SMALL)
    b = r.next()
    r.release(b)
    client.call("stream.seek", stream=r.id, epoch=0, at=500)
    r.send(release(r.id, [b["slot"], b["fill"]]))
    assert "not out" in ended(r)["message"]


def test_a_release_names_its_own_stream(client, bystander):
    a, b = Ring(client, **SMALL), Ring(client, **SMALL)
    batch = a.next()
    a.send(release(b.id, [batch["slot"], batch["fill"]]))
    assert ended(a)["code"] == "bad_request"
    b.close()


def test_a_rings_releases_come_on_its_channel_and_not_on_the_connection(client, bystander):
    r = Ring(client, **SMALL)
    b = r.next()
    client.notify("stream.release", stream=r.id, fills=[[b["slot"], b["fill"]]])
    assert ended(r)["code"] == "bad_request"


@pytest.mark.parametrize("data", [
    struct.pack("<I", 0), struct.pack("<I", 4093), struct.pack("<I", 0xFFFFFFFF), b"\xff" * 5000, b"GET / HTTP/1.1\r\n",
    struct.pack("<I", 1) + b"\xc1", struct.pack("<I", 3) + b"\x93\x02\xae", struct.pack("<I", 2) + pack([]) + b"\xc0",
    frame([2, "stream.ready", {"stream": 1, "fills": []}]), frame([2, "stream.releases", {"stream": 1, "fills": []}]),
    frame([0, 9, "ping", {}]), frame([0, 9, "stream.seek", {"stream": 1, "epoch": 0}]), frame([1, 9, None, {}]),
    frame([2, "stream.release", {"stream": 1}]), frame([2, "stream.release", {"fills": []}]),
    frame([2, "stream.release", []]), frame([2, "stream.release"]), frame([2, b"stream.release", {}]),
    frame({"stream": 1}), frame([2, "stream.release", {"stream": 1, "fills": [[[[[[[[0]]]]]]]]}]),
    struct.pack("<I", 160) + b"\xdd\x04\x00\x00\x00" * 32,
])
def test_anything_else_on_a_channel_ends_the_connection(client, bystander, data):
    r = Ring(client, slots=2, **SMALL)
    assert r.id == 1
    r.next()
    r.send(data)
    assert ended(r)["code"] == "bad_request"


def test_a_wrong_release_ends_all_streams_of_its_connection_and_no_others(client, bystander):
    rings = [Ring(client, **SMALL) for _ in range(5)]
    plain = client.call("stream.open", **SMALL)
    assert plain["stream"] == 6
    rings[2].send(release(3, [0, 77]))
    assert client.end()["code"] == "bad_request"
    for r in rings:
        with pytest.raises(Closed):
            while True:
                r.receive()
        r.close()


# ---- what is allowed ----

def test_a_release_may_come_byte_by_byte_and_many_in_one_piece(client):
    want, _ = inline(client, **SMALL)
    r, got = Ring(client, slots=8, **SMALL), []
    for i in range(5):
        held = r.take_all()
        got += [r.data(b) for b in held]
        data = b"".join(release(r.id, [b["slot"], b["fill"]]) for b in held)
        r.out.clear()
        if i % 2 == 0:
            for k in range(len(data)):
                r.send(data[k:k + 1])
        else:
            r.send(data[:len(data) // 2 - 3])
            client.call("ping")
            r.send(data[len(data) // 2 - 3:])
    assert got == [w["data"] for w in want[:40]]
    assert [b["data"] for b in r.batches()] == [w["data"] for w in want[40:]]
    r.close()


def test_a_release_of_the_largest_size_is_read_and_one_of_nothing_is_nothing(client):
    r = Ring(client, slots=2, **SMALL)
    b = r.next()
    fat = {"stream": r.id, "fills": [[b["slot"], b["fill"]]], "pad": ""}
    fat["pad"] = "x" * (4092 - len(pack([2, "stream.release", fat])) - 2)
    data = frame([2, "stream.release", fat])
    assert len(data) == 4096
    r.send(data)
    for _ in range(100):
        r.send(release(r.id))
    del r.out[b["slot"]]
    assert [r.next()["batch"], r.next()["batch"]] == [1, 2]
    r.close()


# ---- memory that is written to, or given away ----

def test_a_client_that_scribbles_over_its_ring_harms_nobody_but_itself(client, bystander):
    want, _ = inline(client, **SMALL)
    r, stop = Ring(client, slots=4, **SMALL), threading.Event()

    def scribble():
        noise = os.urandom(r.slots * r.slot_bytes)
        while not stop.is_set():
            r.memory[:] = noise
    thread = threading.Thread(target=scribble)
    thread.start()
    for epoch in range(1, 20):
        assert [b["batch"] for b in r.batches()] == [w["batch"] for w in want]
        client.call("stream.seek", stream=r.id, epoch=epoch % 2)
    stop.set()
    thread.join()
    held = r.take_all()
    r.release(*held)
    assert [b["data"] for b in r.batches()] == [w["data"] for w in want[4:]]
    r.close()


def test_holes_punched_into_the_ring_are_filled_again(client, bystander):
    want, _ = inline(client, **SMALL)
    libc = ctypes.CDLL(None, use_errno=True)
    r = Ring(client, slots=4, **SMALL)
    for i in range(0, 40, 4):
        held = r.take_all()
        assert [r.data(b) for b in held] == [w["data"] for w in want[i:i + 4]]
        punch, keep = 2, 1
        size = ctypes.c_long(os.fstat(r.fd).st_size)
        assert libc.fallocate(r.fd, punch | keep, ctypes.c_long(0), size) == 0, os.strerror(ctypes.get_errno())
        assert not any(r.memory[:])
        r.release(*held)
    r.close()


# ---- clients that do not keep up ----

def fill_channel(client, ring):
    """Releases without reading until the channel is full: of one slot the fills are known, and each seek's answer says
    that the next one is out. Returns the last of them; its release lies in the socket unheard."""
    batches = lambda: client.call("status")["batches"]
    last, fill = batches(), 1
    while fill < 20000:
        ring.send(release(ring.id, [0, fill]))
        client.call("stream.seek", stream=ring.id, epoch=0)
        now = batches()
        if now == last:
            break
        last, fill = now, fill + 1
    assert 50 < fill < 20000
    return fill


def test_a_client_that_releases_and_never_reads_its_channel_is_not_written_to_for_ever(daemon, client, bystander):
    r, count = Ring(client, slots=1, **SMALL), 0
    fill = fill_channel(client, r)
    rests(daemon)  # room is waited for, and nothing else
    while count < fill:  # all that was filled is there, and then it goes on
        name, params = r.receive()
        assert name == "stream.ready"
        for slot, number, *_ in params["batches"]:
            count += 1
            assert (slot, number) == (0, count)
    name, params = r.receive()
    assert params["batches"][0][1] == fill + 1 and params["generation"] == fill + 1
    r.close()


@pytest.mark.parametrize("leave", [lambda c, r: r.close(), lambda c, r: c.call("stream.close", stream=r.id)])
def test_a_client_may_leave_with_its_channel_full(client, bystander, leave):
    r = Ring(client, slots=1, **SMALL)
    fd = os.dup(r.fd)
    fill_channel(client, r)
    leave(client, r)
    wait_for(lambda: os.fstat(fd).st_blocks == 0, "the pages are still there")
    os.close(fd)
    r.close()


def test_a_client_that_takes_nothing_only_stands_still_itself(client, bystander):
    want, _ = inline(client, **SMALL)
    still = [Ring(client, slots=s, **SMALL) for s in (1, 2, 16)]
    live = Ring(client, slots=4, **SMALL)
    assert live.batches() == want
    for r in still:
        assert r.batches() == want
    for r in [live, *still]:
        r.close()


TRAINER = """
import sys
sys.path.insert(0, sys.argv[2])
from protoclient import Client
from ringclient import Ring
c = Client(sys.argv[1], timeout=600)
r = Ring(c, timeout=600, name="rows", split="all", max_length=16, batch_size=10, slots=int(sys.argv[3]))
print(r.fd, flush=True)
epoch = 0
while True:
    while (b := r.next()) is not None:
        r.release(b)
    epoch += 1
    c.call("stream.seek", stream=r.id, epoch=epoch)
"""


def trainer(daemon, slots=4):
    """Another process that streams without end; its descriptor of the ring is .ring_fd."""
    args = [sys.executable, "-B", "-c", TRAINER, str(daemon.socket), os.path.dirname(__file__), str(slots)]
    p = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
    p.ring_fd = int(p.stdout.readline())
    return p


def test_a_stopped_client_does_not_hold_up_a_live_one(daemon, client, bystander):
    others = [trainer(daemon) for _ in range(3)]
    try:
        for p in others:
            p.send_signal(signal.SIGSTOP)
        want, _ = inline(client, **SMALL)
        r = Ring(client, slots=4, **SMALL)
        for epoch in range(1, 30):
            assert r.batches() == want
            client.call("stream.seek", stream=r.id, epoch=epoch)
        r.close()
        for p in others:
            assert p.poll() is None
            p.send_signal(signal.SIGCONT)
    finally:
        for p in others:
            p.kill()
            p.wait()
            p.stdout.close()


def test_a_killed_clients_pages_and_descriptors_are_taken_back(daemon, client):
    before = open_fds(daemon)
    for _ in range(5):
        kill_one(daemon)
    wait_for(lambda: open_fds(daemon) <= before, "descriptors were left open")


def kill_one(daemon):
    p = trainer(daemon)
    with open(f"/proc/{p.pid}/fd/{p.ring_fd}", "rb") as memory:
        assert any(memory.read())
        p.kill()
        p.wait()
        p.stdout.close()
        wait_for(lambda: os.fstat(memory.fileno()).st_blocks == 0, "the pages are still there")
        memory.seek(0)
        assert not any(memory.read())


FLOOD = """
import mmap, os, struct, sys
sys.path.insert(0, sys.argv[2])
from protoclient import Client, frame
from ringclient import Ring
c = Client(sys.argv[1], timeout=600)
r = Ring(c, timeout=600, name="rows", split="all", max_length=16, slots=1)
count = mmap.mmap(os.open(sys.argv[3], os.O_RDWR), 32)
data = frame([2, "stream.release", {"stream": r.id, "pad": [0] * 4000, "fills": []}])  # slow to read
print("ready", flush=True)
me = 2 * (os.fork() > 0) + (os.fork() > 0)  # four that write, so that there always is something
sent = 0
try:
    while r.channel.send(data) == len(data):
        sent += 1
        count[8 * me:8 * me + 8] = struct.pack("<Q", sent)
except OSError:
    pass
"""


def test_clients_that_send_releases_of_nothing_without_end_hold_up_neither_others_nor_the_daemons_end(tmp_path):
    """How long the others wait is counted in messages that were read before theirs."""
    need_binaries()
    d = start(tmp_path)
    d.stop()
    (tmp_path / "conf").write_text("[daemon]\nthreads = 2\n")  # and as many clients that would have one each
    d.start()
    floods, files = [], [tmp_path / "count0", tmp_path / "count1"]
    heard = lambda: sum(sum(struct.unpack("<4Q", f.read_bytes())) for f in files)
    try:
        for f in files:
            f.write_bytes(bytes(32))
            args = [sys.executable, "-B", "-c", FLOOD, str(d.socket), os.path.dirname(__file__), str(f)]
            floods.append(subprocess.Popen(args, stdout=subprocess.PIPE, text=True))
            assert floods[-1].stdout.readline() == "ready\n"
        c = Client(d.socket, timeout=60)
        r = Ring(c, slots=1, **SMALL)
        wait_for(lambda: heard() > 1000, "they do not send")
        waits, last = [], heard()
        while (b := r.next()) is not None:
            waits.append(heard() - last)
            last = heard()
            r.release(b)
        assert len(waits) == 101 and statistics.median(waits) < 50 and statistics.quantiles(waits, n=4)[2] < 200
        assert d.stop() == 0
        r.close()
        c.close()
    finally:
        if d.process:
            d.stop(signal.SIGKILL)
        for p in floods:
            p.kill()
            p.wait()
            p.stdout.close()


# ---- descriptors whose close waits


def through_channels(c):
    rings = [Ring(c, **TRAPPED) for _ in range(8)]  # more than there are threads
    for r in rings:
        sender, keep = trap()
        send_fds(r.channel, frame([2, "stream.release", {"stream": r.id, "fills": []}]), [sender.fileno()])
        sender.close()
        yield keep


def left_unread_in_the_connection(c):
    r = Ring(c, **TRAPPED)
    for i in range(60):  # until it is paused
        c.send_raw(frame([0, 1000 + i, "rows", {"name": "rows", "start": 0, "count": 1003, "text": True}]))
    time.sleep(0.3)
    sender, keep = trap()
    send_fds(c.socket, frame([0, 5000, "ping", {}]), [sender.fileno()])
    sender.close()
    r.channel.send(bytes(4))  # ends the connection with the descriptor in it
    yield keep


def more_than_there_is_room_for(c):
    sender, keep = trap()
    null = os.open("/dev/null", os.O_RDONLY)
    send_fds(c.socket, frame([0, 99, "ping", {}]), [null] * 200 + [sender.fileno()])
    sender.close()
    os.close(null)
    yield keep


TRAPPED = {"name": "rows", "fold": 0, "batch_size": 32, "slots": 4}


@pytest.mark.parametrize("way", [through_channels, left_unread_in_the_connection, more_than_there_is_room_for])
def test_a_descriptor_whose_close_waits_holds_up_nobody(daemon, way):
    c = Client(daemon.socket, timeout=60)
    keep = list(way(c))
    other = Client(daemon.socket, timeout=15)  # half of what the close would wait
    got, _ = inline(other, name="rows", fold=0, batch_size=32)
    assert len(got) > 20
    other.close()
    c.close()
    for sockets in keep:
        for s in sockets:
            s.close()
