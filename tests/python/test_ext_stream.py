# SPDX-License-Identifier: Apache-2.0
"""The extension's Stream: batches in order, seeks, waits, signals, threads, forks."""

import contextlib
import gc
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

import ext
import hsfeed
from ext import Batch, as_numpy, batches, connect, copy_of, open_stream, refused, same, stopped


pytestmark = ext.EACH_TRANSPORT


@pytest.fixture(scope="module")
def epoch(client):
    """Epoch 1 of the training rows of fold 0, as private copies."""
    return [copy_of(batch) for batch in batches(open_stream(client, epoch=1))]


def test_an_epoch(client, epoch, shared_daemon):
    lines = shared_daemon.lines("stream", "demo", "--fold", "0", "--epoch", "1", "--format", "jsonl")
    assert len(epoch) == len(lines) == client.open({"name": "demo", "fold": 0}).info["batches"]
    for (number, of, at, rows, index, arrays), line in zip(epoch, lines):
        assert (number, of, rows, list(index)) == (line["batch"], 1, len(index), line["index"])
        assert list(arrays) == ["input_ids", "attention_mask", "labels"]
        for name, array in arrays.items():
            assert np.array_equal(array, line[name])
        assert at == sum(len(batch[4]) for batch in epoch[: number + 1])
    assert epoch[0][5]["input_ids"].dtype == np.int64 and epoch[0][5]["labels"].dtype == np.float32


def test_after_the_end_comes_the_end_until_a_seek(client, epoch):
    stream = open_stream(client, epoch=1)
    assert len(list(batches(stream))) == len(epoch)
    assert stream.next() is None and stream.next(0) is None and stream.next(timeout_ms=5) is None
    assert stream.seek(1, at=epoch[9][2])["epoch"] == 1
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(batches(stream), epoch[10:], strict=True))


def test_a_seek_with_another_seed(client, epoch):
    stream = open_stream(client)
    assert stream.seek(0, seed=43)["seed"] == 43
    first = next(batches(stream))
    assert np.array_equal(first.index, epoch[0][4])  # epoch e is made of seed + e
    with refused("bad_plan"):
        stream.seek(0, 10**9)
    with pytest.raises(OverflowError):
        stream.seek(-1)
    with pytest.raises(TypeError):
        stream.seek("1")
    assert len(list(batches(stream))) == len(epoch) - 1


def test_a_seek_ahead_is_where_next_goes_on(client, epoch):
    stream = open_stream(client)
    assert len(list(batches(stream))) == len(epoch)
    assert stream.seek_ahead(1) is None and stream.seek_ahead(epoch=1) is None
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(batches(stream), epoch, strict=True))
    stream.seek_ahead(1, seed=7)
    stream.seek_ahead(1, epoch[9][2], 42)
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(batches(stream), epoch[10:], strict=True))


@pytest.mark.parametrize(
    "ahead, then, generation",
    [((1,), (1,), 2), ((1, 0, 42), (1,), 2), ((1,), (1, 0, 42), 2),
     ((9,), (1,), 3), ((1, 32), (1,), 3), ((0, 0, 43), (1, 0, 42), 3)],
)  # fmt: skip
def test_a_seek_to_where_a_seek_ahead_leads_asks_nothing_again(client, epoch, ahead, then, generation):
    stream = open_stream(client)
    next(batches(stream))
    stream.seek_ahead(*ahead)
    answer = stream.seek(*then)
    assert (answer["epoch"], answer["at"], answer["generation"]) == (1, 0, generation)
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(batches(stream), epoch, strict=True))


def test_a_refused_seek_ahead_is_told_by_next_and_forgotten_by_a_seek(client, epoch):
    stream = open_stream(client)
    stream.seek_ahead(0, 10**9)
    for _ in range(2):
        with refused("bad_plan"):
            stream.next()
    stream.seek(1)
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(batches(stream), epoch, strict=True))
    with pytest.raises(OverflowError):
        stream.seek_ahead(-1)
    with pytest.raises(TypeError):
        stream.seek_ahead()
    assert stream.next() is None


def test_a_seek_ahead_does_not_wait_for_a_daemon_that_sleeps(daemon, demo):
    with contextlib.closing(connect(daemon)) as c:
        c.ingest(ext.ingest_options(demo))
        times = []
        for _ in range(3):  # whoever stands still for a second does so once
            stream = open_stream(c)
            next(batches(stream))
            with stopped(daemon):
                began = time.monotonic()
                stream.seek_ahead(1)
                times.append(time.monotonic() - began)
                with refused("timeout"):
                    stream.next(50)
            assert stream.next().epoch == 1
        assert min(times) < 1


def test_a_stream_says_what_it_is(client):
    stream = open_stream(client, slots=5)
    assert (stream.slots, stream.held, stream.info["name"]) == (5, 0, "demo")
    assert stream.transport == stream.info["transport"] == ext.TRANSPORT
    if ext.TRANSPORT == "inline":
        assert stream.memory is None and stream.fileno() == client.fileno()
    else:
        assert ("packed" in stream.info) == (os.environ.get("HSFEED_NO_PACKED") != "1")
        address, size = stream.memory
        assert size % stream.info["slot_bytes"] == 0 and stream.fileno() not in (-1, client.fileno())
        pointer = stream.next()["input_ids"].__array_interface__["data"][0]
        assert address <= pointer < address + size


def test_what_configure_refuses(client):
    stream = client.open({"name": "demo", "fold": 0, "transport": ext.TRANSPORT})
    with refused("bad_argument"):
        stream.next()
    for wrong in ((dict, as_numpy), (list, as_numpy), (Batch, 5), (Batch, as_numpy, ("labels",), ("index",), True, 5)):
        with pytest.raises(TypeError):
            stream.configure(*wrong)


def test_a_lazy_array_is_its_capsule(client, epoch, transport):
    class Lazy(Batch):
        __slots__ = ("_index", "_labels")

    stream = client.open({"name": "demo", "fold": 0, "epoch": 1, "transport": transport})
    with pytest.raises(TypeError):
        stream.configure(Lazy, as_numpy, lazy=5)
    stream.configure(Lazy, as_numpy, copied=("index",), lazy=("index", "labels", "none"))
    for i, batch in enumerate(batches(stream)):
        assert type(batch._index) is type(batch._labels) is hsfeed._hsfeed.Capsule
        assert list(batch) == ["input_ids", "attention_mask"] and not hasattr(batch, "index")
        if i % 2:  # the others are never made
            assert np.array_equal(as_numpy(batch._index), epoch[i][4])
            assert np.array_equal(as_numpy(batch._labels), epoch[i][5]["labels"])
    del batch
    gc.collect()
    assert stream.held == 0
    stream.configure(Batch, as_numpy)
    stream.seek(1)
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(batches(stream), epoch, strict=True))


def test_what_next_refuses(client):
    stream = open_stream(client)
    for args, kwargs in (((1, 2), {}), ((), {"timeout": 1}), (("1",), {}), ((1,), {"timeout_ms": 1})):
        with pytest.raises(TypeError):
            stream.next(*args, **kwargs)


def test_a_closed_stream_says_so(client):
    stream = open_stream(client)
    stream.close()
    stream.close()
    seeks = (lambda: stream.seek(0), lambda: stream.seek_ahead(0))
    for call in (stream.next, stream.take_returned, *seeks, lambda: stream.give_back([])):
        with refused("bad_argument"):
            call()


def test_a_stream_ends_with_its_connection(shared_daemon):
    c = connect(shared_daemon)
    stream = open_stream(c)
    first = stream.next()
    kept = copy_of(first)
    c.close()
    with refused("connection_lost"):
        stream.next()
    stream.close()
    assert same(copy_of(first), kept)


def test_a_stream_keeps_its_connection(shared_daemon, epoch):
    stream = open_stream(connect(shared_daemon), epoch=1)
    gc.collect()
    assert len(list(batches(stream))) == len(epoch)


def test_a_wait_ends_in_time(daemon, demo):
    c = connect(daemon)
    c.ingest(ext.ingest_options(demo))
    stream = open_stream(c, slots=4)
    times = []
    for _ in range(3):  # whoever stands still for a second does so once
        with stopped(daemon), refused("timeout") as caught:
            began = time.monotonic()
            while stream.next(450):
                began = time.monotonic()
        times.append(time.monotonic() - began)
        assert "450 ms" in str(caught.value)
    assert 0.4 < min(times) < 3
    assert stream.next(10_000) is not None


def test_ctrl_c_ends_a_wait_and_loses_nothing(daemon, demo):
    c = connect(daemon)
    c.ingest(ext.ingest_options(demo))
    stream = open_stream(c, slots=4)
    got = []
    with stopped(daemon):
        with refused("timeout"):
            while batch := stream.next(0):
                got.append(batch.number)
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            stream.next()
    got += [batch.number for batch in batches(stream)]
    assert got == list(range(stream.info["batches"]))


def test_a_daemon_that_goes_away(daemon, demo):
    c = connect(daemon)
    c.ingest(ext.ingest_options(demo))
    stream = open_stream(c)
    first = stream.next()
    kept = copy_of(first)
    daemon.stop(signal.SIGKILL)
    with refused("connection_lost"):
        while stream.next(10_000):
            pass
    with refused("connection_lost"):
        c.call("ping")
    del stream, c
    assert same(copy_of(first), kept)


def reconnect(daemon):
    """The socket of a daemon that was killed is still there when the next one begins."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return connect(daemon)
        except hsfeed.NoDaemon:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_stream_is_opened_again_where_it_was(daemon, demo, epoch):
    c = connect(daemon)
    c.ingest(ext.ingest_options(demo))
    stream = open_stream(c, epoch=1)
    got = [copy_of(stream.next()) for _ in range(7)]
    kept = stream.next()
    daemon.stop(signal.SIGKILL)
    daemon.start()
    with refused("connection_lost"):
        while stream.next(10_000):
            pass
    again = reconnect(daemon).reopen(stream)
    assert again.transport == ext.TRANSPORT
    stream.close()
    assert copy_of(kept)[0] == 7
    rest = [copy_of(batch) for batch in batches(again)]
    skipped = rest[0][0] - 7 - 1  # taken before the end of the old connection was seen
    got += epoch[7 : 7 + 1 + skipped] + rest
    assert all(same(a, b) for a, b in zip(got, epoch, strict=True))
    with refused("bad_argument"):
        reconnect(daemon).reopen(stream)
    with pytest.raises(TypeError):
        c.reopen(c)


def test_other_threads_run_while_one_waits(daemon, demo):
    c = connect(daemon)
    c.ingest(ext.ingest_options(demo))
    stream = open_stream(c)
    counted = [0]
    done = threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        with stopped(daemon), refused("timeout"):
            while stream.next(300):
                pass
    finally:
        done.set()
        thread.join()
    assert counted[0] > 1000


def test_threads_share_a_stream(client, epoch):
    stream = open_stream(client, epoch=1)
    seen = []

    def take():
        while (batch := stream.next(10_000)) is not None:
            seen.append(copy_of(batch))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(a, b) for a, b in zip(sorted(seen, key=lambda s: s[0]), epoch, strict=True))


def test_streams_of_one_connection_do_not_mix(client, epoch):
    streams = [open_stream(client, epoch=1, slots=4 + i) for i in range(3)]
    for several in zip(*map(batches, streams), strict=True):
        for batch in several:
            assert same(copy_of(batch), epoch[batch.number])


def test_a_fork_is_told_so_and_harms_nothing(client, epoch):
    stream = open_stream(client, epoch=1)
    first = stream.next()

    def child():
        codes = []
        seeks = (lambda: stream.seek(0), lambda: stream.seek_ahead(0))
        for call in (stream.next, *seeks, lambda: client.call("ping"), stream.take_returned):
            try:
                call()
            except Exception as error:
                codes.append(error.code)
        fine = codes == ["forked"] * 5 and same(copy_of(first), epoch[0])
        first.clear()
        first.index = None
        stream.close()
        client.close()
        return fine

    assert ext.in_child(child) == 0
    rest = [copy_of(first)] + [copy_of(batch) for batch in batches(stream)]
    assert all(same(a, b) for a, b in zip(rest, epoch, strict=True))


def test_a_fork_while_another_thread_waits(daemon, demo):
    c = connect(daemon)
    c.ingest(ext.ingest_options(demo))
    holder = {"stream": open_stream(c, slots=3)}
    with stopped(daemon):
        def wait():
            with contextlib.suppress(hsfeed.errors.Timeout):
                while holder["stream"].next(1000):
                    pass

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.4)

        def child():
            holder["stream"].close()
            c.close()
            try:
                holder["stream"].next()
            except Exception as error:
                return error.code == "forked" and not holder.clear()

        assert ext.in_child(child) == 0
        thread.join()


def test_a_batch_that_cannot_be_made_is_not_skipped_in_silence(client, epoch):
    faults = [None, None, ZeroDivisionError()]

    def from_dlpack(capsule):
        if faults and (fault := faults.pop()):
            raise fault
        return as_numpy(capsule)

    stream = client.open({"name": "demo", "fold": 0, "epoch": 1, "transport": ext.TRANSPORT})
    stream.configure(Batch, from_dlpack)
    with pytest.raises(ZeroDivisionError):
        stream.next()
    with refused("bad_argument") as caught:
        stream.next()
    assert "seek" in str(caught.value)
    gc.collect()  # the fault and the capsule know each other by a traceback
    assert stream.held == 0
    stream.seek(1)
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(batches(stream), epoch, strict=True))


def test_a_batch_type_without_room_for_attributes(client):
    class Bare(dict):
        __slots__ = ()

    stream = client.open({"name": "demo", "fold": 0, "transport": ext.TRANSPORT})
    stream.configure(Bare, as_numpy)
    with pytest.raises(AttributeError):
        stream.next()
    assert stream.held == 0


def test_nothing_leaks(client):
    stream = open_stream(client, batch_size=64, max_length=32)

    def passes(n):
        for epoch in range(n):
            stream.seek(epoch)
            for batch in batches(stream):
                batch.index
        gc.collect()

    def counts():
        getattr(sys, "_clear_type_cache", lambda: None)()  # Python's cache of attributes, which refers to their names
        return [sys.getrefcount(x) for x in (Batch, as_numpy, "input_ids", "copied")]

    passes(3)
    before = counts()
    heap, objects = ext.allocated_bytes(), len(gc.get_objects())
    passes(12)
    assert counts() == before
    assert len(gc.get_objects()) <= objects + 20
    assert ext.allocated_bytes() - heap < 1 << 20


def test_opening_and_closing_leaks_nothing(client, shared_daemon):
    def rounds(n):
        for i in range(n):
            c = client if i % 2 else connect(shared_daemon)
            stream = open_stream(c, slots=4)
            stream.next(10_000)
            if i % 3:
                stream.close()
        gc.collect()

    rounds(10)
    heap, rings, files = ext.allocated_bytes(), ext.rings(), len(os.listdir("/proc/self/fd"))
    rounds(60)
    assert len(os.listdir("/proc/self/fd")) <= files
    assert ext.rings() == rings and ext.allocated_bytes() - heap < 1 << 20


def test_lists_of_rows_are_arrays_of_int64_and_stay_until_a_seek_brings_others(client):
    rows = np.array([5, 0, 5, 7], dtype=np.int64)

    def indices(stream):
        return [copy_of(batch)[4] for batch in batches(stream)]

    options = {"split": "all", "fold": None, "order": "explicit", "batch_size": 3}
    stream = open_stream(client, rows=rows, **options)
    assert list(map(list, indices(stream))) == [[5, 0, 5], [7]]
    stream.seek(1, rows=rows[:2].tobytes())
    assert list(map(list, indices(stream))) == [[5, 0]]
    stream.seek(2)
    assert list(map(list, indices(stream))) == [[5, 0]]
    stream.seek(3, rows=np.array([], dtype=np.int64))
    assert indices(stream) == []
    for wrong, error in [(b"1234567", ValueError), ("text", TypeError), ([1, 2], TypeError), (3, TypeError),
                         (np.arange(8)[::2], (BufferError, ValueError))]:  # fmt: skip
        with pytest.raises(error):
            stream.seek(4, rows=wrong)
        with pytest.raises(error):
            open_stream(client, rows=wrong, **options)
    with pytest.raises(TypeError, match="takes no rows"):
        stream.seek_ahead(4, rows=rows)
    with pytest.raises(hsfeed.BadRequest, match="entry 0"):
        stream.seek(4, rows=np.array([-1]))
    stream.seek(5)
    assert indices(stream) == []
    assert open_stream(client, order="length", length_batch=64).info["length_batch"] == 64
