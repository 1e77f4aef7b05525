# SPDX-License-Identifier: Apache-2.0
"""How a ring ends: who keeps its memory, what is given back, and that nothing is left behind."""
import mmap
import os
import resource
import signal
import threading

import pytest

from conftest import need_binaries
from protoclient import Client, Refused, at_last, frame, wait_for
from ringclient import Ring, finish, hangs_up, inline, open_fds, rests, start

SMALL = {"name": "rows", "split": "all", "max_length": 16, "batch_size": 10}
LARGE = {"name": "rows", "split": "all", "max_length": 32, "batch_size": 500, "slots": 16}  # some 4 MiB
QUOTA = 10 << 20


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    need_binaries()
    d = start(tmp_path_factory.mktemp("ends"), slot_bytes_per_user=QUOTA)
    yield d
    finish(d)


@pytest.fixture
def client(daemon):
    c = Client(daemon.socket, timeout=60)
    wait_for(lambda: c.call("status")["streams"] == 0, "streams of an earlier test are still there")
    yield c
    c.close()


def view(ring):
    """A mapping beside the client's own, as another process could have it."""
    return mmap.mmap(ring.fd, os.fstat(ring.fd).st_size, prot=mmap.PROT_READ)


def opens(client, **params):
    return at_last(lambda: Ring(client, **params))


# ---- the client is done: the pages go ----

def close_stream(ring):
    assert ring.client.call("stream.close", stream=ring.id) == {}
    hangs_up(ring)


def close_channel(ring):
    ring.channel.close()


def shut_channel(ring):
    ring.channel.shutdown(1)


def close_connection(ring):
    ring.client.close()


def close_both(ring):
    ring.client.close()
    ring.channel.close()


@pytest.mark.parametrize("leave", [close_stream, close_channel, shut_channel, close_connection, close_both])
@pytest.mark.parametrize("taken", [0, 1, 16])
def test_when_the_client_is_done_the_pages_are_taken_back_and_read_as_zeros(daemon, client, leave, taken):
    c = Client(daemon.socket, timeout=60)
    r = Ring(c, **{**SMALL, "slots": 16})
    for _ in range(taken):
        r.next()
    memory, fd = view(r), os.dup(r.fd)
    assert any(memory[:]) and os.fstat(fd).st_blocks > 0
    leave(r)
    wait_for(lambda: os.fstat(fd).st_blocks == 0, "the pages are still there")
    assert not any(memory[:]) and len(memory) == os.fstat(fd).st_size
    wait_for(lambda: client.call("status")["streams"] == 0, "the stream is still there")
    r.close()
    c.close()
    os.close(fd)


def test_in_the_middle_of_heavy_streaming_too(daemon, client):
    for i in range(40):
        c = Client(daemon.socket, timeout=60)
        r = Ring(c, **{**SMALL, "slots": 4, "batch_size": 3})
        for _ in range(i):
            r.release(r.next())
        fd = os.dup(r.fd)
        [close_stream, close_channel, close_connection][i % 3](r)
        wait_for(lambda: os.fstat(fd).st_blocks == 0, "the pages are still there")
        r.close()
        c.close()
        os.close(fd)


def test_closing_the_channel_closes_the_stream_alone(client):
    a, b = Ring(client, **SMALL), Ring(client, **SMALL)
    want, _ = inline(client, **SMALL)
    a.channel.close()
    wait_for(lambda: client.call("status")["streams"] == 1, "the stream is still there")
    for method, more in (("stream.close", {}), ("stream.seek", {"epoch": 0})):
        with pytest.raises(Refused) as e:
            client.call(method, stream=a.id, **more)
        assert e.value.code == "not_found"
    assert b.batches() == want
    a.close()
    b.close()


def test_a_seek_that_meets_the_channels_end_is_answered(client):
    for i in range(60):
        r = Ring(client, **SMALL)
        if i % 2:
            r.release(r.next())
        seq = client.send("stream.seek", stream=r.id, epoch=1)
        r.channel.close()
        try:
            assert client.answer(seq)["generation"] == 2
        except Refused as e:
            assert e.code in ("cancelled", "not_found")
        r.close()
    assert client.call("ping") == {}


def test_a_release_that_crosses_the_close_is_nothing(client):
    r = Ring(client, **SMALL)
    b = r.next()
    seq = client.send("stream.close", stream=r.id)
    r.release(b)
    client.notify("stream.release", stream=r.id, fills=[[b["slot"], b["fill"]]])
    assert client.answer(seq) == {}
    assert client.call("ping") == {}
    r.close()


# ---- the daemon ends it: the pages stay ----

def wrong_release(daemon, ring):
    ring.send(frame([2, "stream.release", {"stream": ring.id, "fills": [[0, 10**6]]}]))
    assert ring.client.end()["code"] == "bad_request"


def term(daemon, ring):
    assert daemon.stop() == 0
    assert ring.client.end()["code"] == "shutting_down"


def kill(daemon, ring):
    daemon.stop(signal.SIGKILL)
    assert ring.client.end() is None


@pytest.mark.parametrize("end", [wrong_release, term, kill])
def test_when_the_daemon_ends_it_what_the_client_holds_stays_as_it_is(tmp_path, end):
    need_binaries()
    d = start(tmp_path)
    c = Client(d.socket, timeout=60)
    want, _ = inline(c, **SMALL)
    r = Ring(c, **{**SMALL, "slots": 8})
    r.release(*r.take_all())
    held = r.take_all()
    before = r.memory[:]
    end(d, r)
    hangs_up(r)
    if d.process:  # its threads let go of the stream
        other = Client(d.socket, timeout=60)
        wait_for(lambda: other.call("status")["streams"] == 0, "the stream is still there")
        other.close()
        assert d.stop() == 0
    assert r.memory[:] == before
    assert [r.data(b) for b in held] == [w["data"] for w in want[8:16]]
    r.close()
    c.close()


def test_what_stays_is_charged_until_the_client_lets_go_of_the_channel(daemon):
    rings = []
    for _ in range(2):  # each in a connection of its own, which the daemon ends
        c = Client(daemon.socket, timeout=60)
        r = opens(c, **LARGE)
        wrong_release(daemon, r)
        hangs_up(r)
        before = r.memory[:]
        c.close()
        rings.append((r, before))
    other = Client(daemon.socket, timeout=60)
    with pytest.raises(Refused) as e:
        Ring(other, **LARGE)
    assert e.value.code == "limit"
    first, before = rings[0]
    assert first.memory[:] == before
    seen = view(first)
    first.channel.close()
    opens(other, **LARGE).close()
    wait_for(lambda: not any(seen[:]), "the pages are still there")
    rings[1][0].close()
    first.close()
    other.close()


def test_one_users_rings_cannot_hold_all_descriptors(tmp_path):
    need_binaries()
    d = start(tmp_path)
    resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (320, 320))
    c = Client(d.socket, timeout=60)
    rings = [Ring(c, **SMALL, slots=1) for _ in range(40)]
    with pytest.raises(Refused) as e:
        Ring(c, **SMALL, slots=1)
    assert e.value.code == "limit" and "40 handles and rings" in e.value.message
    c.call("stream.open", **SMALL, slots=1)
    c.call("stream.close", stream=rings[0].id)
    with pytest.raises(Refused):  # it could be unread as well
        Ring(c, **SMALL, slots=1)
    rings[0].channel.close()
    opens(c, **SMALL, slots=1).close()
    for r in rings:
        r.close()
    c.close()
    finish(d)


def test_after_a_restart_a_ring_opened_at_the_last_batch_gives_the_rest(tmp_path):
    need_binaries()
    d = start(tmp_path)
    c = Client(d.socket, timeout=60)
    want, _ = inline(c, **SMALL)
    old = Ring(c, **SMALL)
    held = [old.next() for _ in range(5)]
    d.stop(signal.SIGKILL)
    d.start(wait=False)
    wait_for(lambda: answers(d), "the daemon did not start again")
    fresh = Client(d.socket, timeout=60)
    new = Ring(fresh, **SMALL, at=held[-1]["at"])
    assert new.batches() == want[5:]
    assert [old.data(b) for b in held] == [w["data"] for w in want[:5]]
    for r in (old, new):
        r.close()
    c.close()
    fresh.close()
    finish(d)


def answers(daemon):
    try:
        Client(daemon.socket).close()
    except OSError:
        return False
    return True


# ---- what it costs ----

def test_a_ring_counts_against_the_users_bytes_until_it_is_gone(daemon, client):
    for leave in (close_stream, close_channel, close_connection):
        c = Client(daemon.socket, timeout=60)
        rings = [opens(c, **LARGE), opens(c, **LARGE)]
        assert 2 * rings[0].slots * rings[0].slot_bytes <= QUOTA < 3 * rings[0].slots * rings[0].slot_bytes
        for transport in ("ring", "inline"):
            with pytest.raises(Refused) as e:
                client.call("stream.open", transport=transport, **LARGE)
            assert e.value.code == "limit" and "bytes" in e.value.message
        for r in rings:
            if not (leave is close_connection and r is rings[1]):
                leave(r)
        again = [opens(client, **LARGE), opens(client, **LARGE)]
        for r in again:
            close_stream(r)
        wait_for(lambda: client.call("status")["streams"] == 0, "the streams are still there")
        for r in rings + again:
            r.close()
        c.close()


def test_a_refused_opening_costs_nothing(client):
    for _ in range(50):
        with pytest.raises(Refused):
            client.call("stream.open", transport="ring", **{**LARGE, "slots": 64})
    for r in [opens(client, **LARGE), opens(client, **LARGE)]:
        r.close()


def test_rings_opened_at_once_never_hold_more_than_the_users_bytes(daemon, client):
    clients = [Client(daemon.socket, timeout=60) for _ in range(12)]
    start_line, rings, total = threading.Barrier(len(clients)), [], 0

    def open_one(c):
        start_line.wait()
        try:
            rings.append(Ring(c, **LARGE))
        except Refused as e:
            assert e.code == "limit"
    for _ in range(10):
        threads = [threading.Thread(target=open_one, args=(c,)) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        total += len(rings)
        assert len(rings) <= 2
        assert sum(os.fstat(r.fd).st_size for r in rings) <= QUOTA
        for r in rings:
            close_stream(r)
            r.close()
        rings.clear()
        opens(client, **LARGE).close()
    assert total > 0
    for c in clients:
        c.close()


def test_300_openings_leave_no_descriptor_behind_however_they_end(daemon, client):
    before = open_fds(daemon)
    for i in range(300):
        c = Client(daemon.socket, timeout=60)
        if i % 6 == 5:  # gone before the answer was read
            c.send("stream.open", transport="ring", **SMALL)
            c.close()
            continue
        r = Ring(c, **SMALL)
        if i % 6 == 4:
            r.send(b"\0\0\0\0")
            c.end()
        elif i % 6 < 4:
            [close_stream, close_channel, close_connection, close_both][i % 6](r)
        r.close()
        c.close()
    wait_for(lambda: open_fds(daemon) <= before, "descriptors were left open")
    wait_for(lambda: client.call("status")["streams"] == 0, "streams are still there")


def test_a_ring_costs_the_daemon_one_descriptor(daemon, client):
    before = open_fds(daemon)
    rings = [Ring(client, **SMALL) for _ in range(20)]
    wait_for(lambda: open_fds(daemon) <= before + 20, "it keeps more than the channel")
    for r in rings:
        r.close()


def test_100_idle_rings_take_no_processor_time(daemon, client):
    others = [Client(daemon.socket, timeout=60) for _ in range(2)]
    rings = [Ring(others[i % 2], **{**SMALL, "slots": 2, "batch_size": 2}) for i in range(100)]
    for i, r in enumerate(rings):
        held = r.take_all()
        if i % 2:  # half of them at the epoch's end
            r.release(*held)
            others[i % 2].call("stream.seek", stream=r.id, epoch=0, at=1002)
            while (b := r.next()) or r.end["generation"] < 2:
                if b:
                    r.release(b)
    rests(daemon)
    for r in rings:
        r.close()
    for c in others:
        c.close()
