# SPDX-License-Identifier: Apache-2.0
"""Rings as RING.md describes them, to a client that keeps to it: what lies where, what is announced when, what a
release and a seek do. (test_ring_hostile.py has the others, test_ring_ends.py how a ring ends.)"""
import errno
import fcntl
import json
import mmap
import os
import random
import select
import socket
import subprocess
import threading

import pytest

from conftest import HSFEED, need_binaries
from protoclient import Client, Refused
from ringclient import ITEM, ROWS, Ring, finish, hangs_up, inline, random_request, start

SMALL = {"name": "rows", "split": "all", "max_length": 16, "batch_size": 10}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    need_binaries()
    d = start(tmp_path_factory.mktemp("ring"), streams=256)
    yield d
    finish(d)


@pytest.fixture
def ring(client):
    """ring(**params) opens one; all are closed in the end."""
    opened = []

    def open_ring(on=client, **params):
        opened.append(Ring(on, **{**SMALL, **params}))
        return opened[-1]
    yield open_ring
    for r in opened:
        r.close()


def goes_quiet(ring, seconds=0.3):
    return not select.select([ring.channel], [], [], seconds)[0]


# ---- batches ----

@pytest.mark.parametrize("seed", range(12))
def test_batches_of_a_ring_are_those_of_the_socket_to_the_byte(client, ring, seed):
    rng = random.Random(seed)
    for _ in range(5):
        request = random_request(rng)
        want, at = inline(client, **request)
        r = ring(**request)
        assert r.opened["batches"] == len(want), request
        assert r.batches() == want, request
        assert r.end["at"] == at and r.end["epoch"] == request["epoch"] and r.end["generation"] == 1
        client.call("stream.close", stream=r.id)


def test_an_epoch_ends_with_a_short_batch_and_one_that_is_empty_ends_at_once(client, ring):
    r = ring(batch_size=100)
    assert [b["rows"] for b in r.batches()] == [100] * 10 + [ROWS % 100]
    r = ring(at=ROWS)
    assert r.batches() == [] and r.end["at"] == ROWS


def test_arrays_lie_one_behind_the_other_where_the_opening_says(ring):
    for seed in range(30):
        r = ring(**random_request(random.Random(100 + seed)))
        end = 0
        for a in r.opened["arrays"]:
            assert a["offset"] % 64 == 0 and a["offset"] >= end
            columns = a["columns"] if a["dims"] == 2 else 1
            assert a["bytes"] == r.opened["batch_size"] * columns * ITEM[a["dtype"]]
            end = a["offset"] + a["bytes"]
        assert end <= r.slot_bytes and r.slot_bytes % 64 == 0
        r.client.call("stream.close", stream=r.id)


def test_a_batch_uses_the_beginning_of_each_place_and_nothing_of_an_older_one_shows(client, ring):
    request = {"padding": "longest", "slots": 2, "roles": ["text", "second"], "max_length": 40, "batch_size": 7}
    want, _ = inline(client, **{**SMALL, **request})
    r = ring(**request)
    for expected in want:
        b = r.next()
        assert r.data(b) == expected["data"] and b["lengths"] == expected["lengths"]
        for _, start, used in r.pieces(b):
            r.memory[start:start + used] = b"\xa5" * used
        r.release(b)
    assert len({tuple(e["lengths"]) for e in want}) > 3


# ---- the memory and the channel ----

def test_the_memory_is_as_large_as_its_slots_and_its_pages_come_with_them(ring):
    r = ring(slots=5, batch_size=200)
    assert os.fstat(r.fd).st_size >= 5 * r.slot_bytes > 1 << 18
    r.take_all()
    assert os.fstat(r.fd).st_blocks * 512 >= 5 * r.slot_bytes


def test_the_memory_is_sealed_against_shrinking_growing_and_further_sealing(ring):
    r = ring()
    seals = fcntl.fcntl(r.fd, fcntl.F_GET_SEALS)
    want = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    assert seals & want == want and not seals & fcntl.F_SEAL_WRITE
    size = os.fstat(r.fd).st_size
    for other in (0, size - 4096, size + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(r.fd, other)
    with pytest.raises(PermissionError):
        fcntl.fcntl(r.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    with pytest.raises(OSError) as e:
        os.pwrite(r.fd, b"x", size)
    assert e.value.errno in (errno.EPERM, errno.EFBIG)
    assert len(r.batches()) == r.opened["batches"]


def test_the_channel_is_a_stream_socket_that_does_not_block(ring):
    r = ring()
    assert not r.blocking
    assert r.channel.family == socket.AF_UNIX and r.channel.type == socket.SOCK_STREAM


def test_a_client_may_map_the_ring_read_only(client, ring):
    r = ring(slots=2)
    view = mmap.mmap(r.fd, r.slots * r.slot_bytes, prot=mmap.PROT_READ)
    b = r.next()
    for _, start, used in r.pieces(b):
        assert view[start:start + used] == r.memory[start:start + used]
    view.close()


def test_no_descriptors_come_with_an_opening_without_a_ring(client):
    opened = client.call("stream.open", **SMALL)
    assert opened["transport"] == "inline" and client.fds == []
    with pytest.raises(Refused):
        client.call("stream.open", transport="ring", **{**SMALL, "name": "nothing"})
    assert client.fds == []


def test_hello_lists_the_feature_and_a_ring_has_what_fits_2_mib_unless_told(client, ring):
    assert "ring" in client.hello["features"]
    assert ring().slots == 32 and ring(slots=0).slots == 32 and ring(slots=3).slots == 3
    between = ring(max_length=128, batch_size=40)
    assert 16 < between.slots < 32 and between.slots == (2 << 20) // between.slot_bytes
    assert ring(max_length=512, batch_size=40).slots == 16


# ---- announcements and credits ----

def test_batches_are_announced_in_order_the_first_alone_and_then_a_quarter_of_the_slots_at_most(ring):
    r = ring(slots=16, batch_size=5)
    got = r.batches()
    assert [b["batch"] for b in got] == list(range(len(got)))
    ready = [p["batches"] for name, p in r.frames if name == "stream.ready"]
    assert len(ready[0]) == 1 and max(map(len, ready)) <= 4
    fills = [b[1] for batches in ready for b in batches]
    assert fills == sorted(set(fills))


@pytest.mark.parametrize("slots", [1, 2, 7, 16])
def test_no_more_batches_are_announced_than_there_are_slots(ring, slots):
    r = ring(slots=slots)
    held = r.take_all()
    assert len(held) == slots and len({b["slot"] for b in held}) == slots
    assert goes_quiet(r)
    r.release(held[slots // 2])
    b = r.next()
    assert b["slot"] == held[slots // 2]["slot"] and b["batch"] == slots
    assert goes_quiet(r)


def test_slots_may_be_released_in_any_order_and_any_number_at_a_time(client, ring):
    want, _ = inline(client, **SMALL)
    for seed in range(10):
        rng, r, held, got = random.Random(seed), ring(slots=8), [], []
        while (b := r.next()) is not None:
            got.append((b["batch"], r.data(b)))
            held.append(b)
            if len(held) == 8 or rng.random() < 0.3:
                rng.shuffle(held)
                k = rng.randrange(1, len(held) + 1)
                r.release(*held[:k])
                del held[:k]
        assert got == [(w["batch"], w["data"]) for w in want]
        client.call("stream.close", stream=r.id)


def test_a_slot_is_not_written_while_it_is_the_clients(client, ring):
    want, _ = inline(client, **{**SMALL, "batch_size": 3})
    r = ring(slots=8, batch_size=3)
    held = [r.next() for _ in range(5)]
    marks = {b["slot"]: bytes([0x50 + b["slot"]]) * r.slot_bytes for b in held}
    for slot, mark in marks.items():
        r.memory[slot * r.slot_bytes:(slot + 1) * r.slot_bytes] = mark
    assert r.batches() == want[5:]
    for epoch in range(1, 4):
        client.call("stream.seek", stream=r.id, epoch=epoch)
        assert [b["batch"] for b in until_end_of(r, epoch + 1)] == list(range(len(want)))
    for slot, mark in marks.items():
        assert r.memory[slot * r.slot_bytes:(slot + 1) * r.slot_bytes] == mark
    r.release(*held)
    client.call("stream.seek", stream=r.id, epoch=0)
    assert [b["data"] for b in until_end_of(r, 5)] == [w["data"] for w in want]


def test_every_batch_that_was_announced_is_counted_in_status(tmp_path):
    d = start(tmp_path)  # of its own: turns of streams before could still be counted
    try:
        c = Client(d.socket)
        before = c.call("status")
        r = Ring(c, **SMALL)
        count = len(r.batches())
        c.call("stream.close", stream=r.id)
        hangs_up(r)  # after the stream's last turn was counted
        after = c.call("status")
        assert after["batches"] - before["batches"] == count == r.opened["batches"]
        assert after["rows"] - before["rows"] == ROWS
        r.close()
        c.close()
    finally:
        finish(d)


# ---- seeking ----

def until_end_of(ring, generation):
    """What comes of a generation until its end; of older ones all is released unread."""
    got = []
    while True:
        b = ring.next()
        if b is None:
            if ring.end["generation"] == generation:
                return got
            continue
        assert b["generation"] <= generation
        if b["generation"] == generation:
            got.append({**b, "data": ring.data(b)})
        ring.release(b)


def test_a_seek_while_batches_are_under_way_gives_the_tail_in_the_new_generation(client, ring):
    want, _ = inline(client, **SMALL)
    r, left = ring(slots=6), len(want)
    for i in range(60):
        rng = random.Random(i)
        for _ in range(min(rng.randrange(8), left)):
            while (b := r.next()) is None:
                pass  # an older generation's end
            r.release(b)
        to = rng.randrange(len(want))
        reply = client.call("stream.seek", stream=r.id, epoch=0, at=10 * to)
        assert reply["generation"] == 2 + i and reply["batches"] == len(want) - to
        left = 0 if i % 5 == 0 else len(want) - to - r.slots  # at least so many are still to come
        if i % 5 == 0:
            got = until_end_of(r, 2 + i)
            assert [(b["batch"], b["data"]) for b in got] == [(w["batch"], w["data"]) for w in want[to:]]


def test_after_the_end_a_seek_begins_any_epoch(client, ring):
    r = ring(order="shuffle")
    for epoch in (0, 1, 0, 7):
        if epoch or r.frames:
            client.call("stream.seek", stream=r.id, epoch=epoch)
        want, at = inline(client, **{**SMALL, "order": "shuffle", "epoch": epoch})
        assert r.batches() == want
        assert (r.end["epoch"], r.end["at"]) == (epoch, at)
    assert goes_quiet(r)


def test_a_batch_stays_the_clients_across_seeks_and_is_released_once_of_any_generation(client, ring):
    r = ring(slots=4)
    first, second = r.next(), r.next()
    before = r.data(first)
    for epoch in range(1, 10):
        client.call("stream.seek", stream=r.id, epoch=epoch)
        until_end_of(r, epoch + 1)
    assert r.data(first) == before
    r.release(first)
    client.call("stream.seek", stream=r.id, epoch=0)
    r.release(second)
    assert len(until_end_of(r, 11)) == r.opened["batches"]
    assert client.call("ping") == {}


def test_a_refused_seek_leaves_the_stream_going(client, ring):
    """Even to a client that holds many of its slots and waits for the very rest of them."""
    want, _ = inline(client, **{**SMALL, "batch_size": 4})
    r = ring(slots=16, batch_size=4)
    for i in range(150):
        held = r.take_all()
        r.release(*held[8:])
        client.send("stream.seek", stream=r.id, epoch=0, at=10**9)
        r.take_all()
        with pytest.raises(Refused):
            client.answer(client.seq)
        r.release(*held[:8], *[b for b in list_out(r, held)])
        client.call("stream.seek", stream=r.id, epoch=0)
        drop_older(r, i + 2)
    assert [b["data"] for b in until_end_of(r, 151)] == [w["data"] for w in want]


def list_out(ring, held):
    return [{"slot": s, "fill": f} for s, f in ring.out.items() if (s, f) not in {(b["slot"], b["fill"]) for b in held}]


def drop_older(ring, generation):
    """Releases what comes until the first batch of the generation, which is put back."""
    while (b := ring.next()) is None or b["generation"] < generation:
        if b:
            ring.release(b)
    ring.waiting.insert(0, b)


def test_two_rings_of_one_connection_do_not_mix(client, ring):
    want = [inline(client, **{**SMALL, "epoch": e, "order": "shuffle"})[0] for e in (0, 1)]
    rings = [ring(epoch=e, order="shuffle", slots=3) for e in (0, 1)]
    got = [[], []]
    rng = random.Random(1)
    for _ in range(2 * len(want[0])):
        i = rng.randrange(2) if min(map(len, got)) < len(want[0]) else 0
        i = i if len(got[i]) < len(want[i]) else 1 - i
        b = rings[i].next()
        got[i].append(rings[i].data(b))
        rings[i].release(b)
    assert got == [[b["data"] for b in w] for w in want]
    assert [r.next() for r in rings] == [None, None]


def test_a_ring_and_a_stream_through_the_socket_share_a_connection(client, ring):
    r = ring()
    first = [r.next() for _ in range(3)]
    want, _ = inline(client, **SMALL)
    assert [r.data(b) for b in first] == [w["data"] for w in want[:3]]
    r.release(*first)
    assert r.batches() == want[3:]


def test_200_rings_of_one_connection_all_give_their_epoch(client, ring):
    request = {"split": "val", "fold": 1, "plan": {"kind": "plain"}, "slots": 2, "batch_size": 40, "max_length": 8}
    want, _ = inline(client, **{**SMALL, **request})
    rings = [ring(**request) for _ in range(200)]
    assert client.call("status")["streams"] >= 200
    for expected in want:
        for r in rings:
            b = r.next()
            assert r.data(b) == expected["data"]
            r.release(b)
    assert all(r.next() is None for r in rings)


def test_openings_that_cross_each_get_their_own_descriptors(client):
    sizes = [1, 50, 3, 20, 7]
    seqs = [client.send("stream.open", transport="ring", **{**SMALL, "batch_size": n}) for n in sizes]
    for seq, n in zip(seqs, sizes):
        r = Ring.__new__(Ring)
        r.client, r.opened = client, client.answer(seq)
        r.take(60)
        assert os.fstat(r.fd).st_size >= r.slots * r.slot_bytes
        assert r.next()["rows"] == n
        r.close()


def test_the_command_takes_the_socket_where_descriptors_do_not_arrive(daemon, tmp_path):
    """Between it and the daemon stands something that passes bytes on, and nothing else."""
    path = tmp_path / "bytes.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def pass_on():
        inner, _ = listener.accept()
        outer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        outer.connect(str(daemon.socket))
        ends = {inner: outer, outer: inner}
        while True:
            for s in select.select(list(ends), [], [])[0]:
                data = s.recv(1 << 16)
                if not data:
                    inner.close()
                    outer.close()
                    return
                ends[s].sendall(data)

    thread = threading.Thread(target=pass_on)
    thread.start()
    args = ["stream", "rows", "--fold", "0", "--format", "digest", "--json"]
    done = subprocess.run([HSFEED, *args, "--socket", path], capture_output=True, text=True, timeout=60, check=True)
    thread.join()
    listener.close()
    came = json.loads(done.stdout)
    assert came["stream"]["transport"] == "inline" and came["digest"] == daemon.json(*args[:-1])["digest"]


def test_the_command_gives_the_same_digest_where_descriptors_cannot_pass(daemon):
    args = ["stream", "rows", "--fold", "0", "--epoch", "2", "--max-length", "24", "--padding", "longest",
            "--roles", "text,second", "--format", "digest"]
    shared = daemon.json(*args)
    copied = daemon.json(*args, env={"HSFEED_NO_FDPASS": "1"})
    assert (shared["stream"]["transport"], copied["stream"]["transport"]) == ("ring", "inline")
    assert shared["digest"] == copied["digest"] == daemon.json(*args, "--transport", "inline")["digest"]
