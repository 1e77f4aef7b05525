# SPDX-License-Identifier: Apache-2.0
"""Tensors over slots: they keep their slot, they never change, they never stop the stream, they outlive everything."""

import gc
import pathlib
import random
import subprocess
import sys
import threading

import numpy as np
import pytest

import ext
from ext import Batch, batches, connect, copy_of, open_stream, same


pytestmark = ext.EACH_TRANSPORT


@pytest.fixture(scope="module")
def epoch(client):
    return [copy_of(batch) for batch in batches(open_stream(client, {"copied": all_names(client)}))]


def all_names(client, **options):
    return [array["name"] for array in client.open({"name": "demo", "fold": 0, **options}).info["arrays"]]


def address(array):
    return array.__array_interface__["data"][0]


def test_a_view_has_its_array_aligned_and_in_c_order(client):
    for batch in batches(open_stream(client)):
        for array in (*batch.values(), batch.index):
            assert address(array) % 64 == 0 and array.flags.c_contiguous


def test_a_slot_is_held_until_its_last_view_dies(client):
    stream = open_stream(client)
    batch = stream.next()
    assert stream.held == 1
    ids, batch = batch["input_ids"][3:5, ::2], None
    assert stream.held == 1
    kept = ids.copy()
    for other in batches(stream):
        assert np.array_equal(ids, kept)
    other = None
    assert stream.held == 1
    ids = None
    assert stream.held == 0


def test_copies_hold_no_slot(client):
    stream = open_stream(client, {"copied": all_names(client)})
    batch = stream.next()
    assert not batch.copied and stream.held == 0
    stream = open_stream(client)
    labels = stream.next()["labels"]
    assert stream.held == 0 and labels.shape == (32, 1)


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 8])
def test_at_most_all_but_two_slots_are_out(client, epoch, slots):
    warned = []
    stream = open_stream(client, {"on_copies": lambda: warned.append(1)}, slots=slots)
    kept = list(batches(stream))
    views = [batch for batch in kept if not batch.copied]
    assert len(views) == max(0, slots - 2) == stream.held
    assert warned == [1]
    assert all(same(copy_of(batch), wanted) for batch, wanted in zip(kept, epoch, strict=True))
    copied = kept[-1]["input_ids"]
    assert address(copied) % 64 == 0


def test_after_copies_come_views_again(client):
    stream = open_stream(client, slots=4)
    kept = [stream.next() for _ in range(5)]
    assert [batch.copied for batch in kept] == [False, False, True, True, True]
    kept.clear()
    assert not stream.next().copied


def test_labels_never_change_and_keep_nothing(client, epoch):
    stream = open_stream(client, slots=3)
    predictions = [batch["labels"] for batch in batches(stream)]
    assert stream.held == 0
    assert all(np.array_equal(a, wanted[5]["labels"]) for a, wanted in zip(predictions, epoch, strict=True))
    assert len({address(a) for a in predictions}) == len(predictions)


def test_labels_of_a_whole_copy_do_not_keep_the_batch(client):
    stream = open_stream(client, slots=1, batch_size=512, max_length=512)
    labels = []

    def gather(n):
        for number in range(n):
            stream.seek(number)
            labels.extend(batch["labels"] for batch in batches(stream))

    gather(4)
    before = ext.allocated_bytes()
    gather(8)
    assert len(labels) == 12 * 7  # 4 MiB each, were they to keep their batches
    assert ext.allocated_bytes() - before < 4 << 20


def test_views_outlive_stream_connection_and_daemon(daemon, demo):
    c = connect(daemon)
    c.ingest(ext.ingest_options(demo))
    stream = open_stream(c, slots=8)
    kept = [stream.next(10_000) for _ in range(12)]
    wanted = [copy_of(batch) for batch in kept]
    stream.close()
    assert all(same(copy_of(batch), w) for batch, w in zip(kept, wanted))
    del stream
    c.close()
    del c
    daemon.stop()
    gc.collect()
    assert all(same(copy_of(batch), w) for batch, w in zip(kept, wanted))
    while kept:
        kept.pop(random.randrange(len(kept)))


def test_views_die_in_any_thread(client, epoch):
    """Views are handed to threads that let go of them in any order, some after the stream is gone."""
    queues = [[] for _ in range(3)]
    done = threading.Event()
    wrong = []

    def drop(queue, seed):
        choose = random.Random(seed)
        while not done.is_set() or queue:
            if queue:
                batch = queue.pop(choose.randrange(len(queue)))
                if not same(copy_of(batch), epoch[batch.number]):
                    wrong.append(batch.number)
                batch = None

    threads = [threading.Thread(target=drop, args=(queue, i)) for i, queue in enumerate(queues)]
    for thread in threads:
        thread.start()
    for round_ in range(3):
        stream = open_stream(client, slots=6)
        for batch in batches(stream):
            queues[batch.number % 3].append(batch)
        if round_ == 1:
            stream.close()
        batch = stream = None
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_capsule_that_nobody_takes_lets_go(client):
    stream = client.open({"name": "demo", "fold": 0, "transport": ext.TRANSPORT})
    stream.configure(Batch, lambda capsule: None)
    for batch in batches(stream):
        assert stream.held == 0 and batch["input_ids"] is None
    stream = client.open({"name": "demo", "fold": 0, "transport": ext.TRANSPORT})
    stream.configure(Batch, lambda capsule: capsule)
    batch = stream.next()
    assert stream.held == 1
    batch = None
    assert stream.held == 0


def test_slots_given_back_by_hand(client, epoch):
    stream = open_stream(client, {"auto_release": False}, slots=6)
    seen = [copy_of(stream.next()) for _ in range(2)]
    assert stream.held == 0
    first = stream.take_returned()
    assert len(set(first)) == 2 and stream.take_returned() == []
    kept = [stream.next() for _ in range(3)]
    assert [batch.copied for batch in kept] == [False, False, True]  # two wait, two are out: four of six
    with pytest.raises(ValueError):
        stream.give_back([99])
    stream.give_back(first)
    with pytest.raises(ValueError):
        stream.give_back(first)
    assert not stream.next().copied
    kept.clear()
    assert len(stream.take_returned()) == 3
    stream.set_auto_release(True)
    assert stream.take_returned() == []
    assert len(list(batches(stream))) == len(epoch) - 6
    assert all(same(a, b) for a, b in zip(seen, epoch))


def test_slots_that_wait_end_with_their_stream(client):
    stream = open_stream(client, {"auto_release": False}, slots=8)
    kept = [stream.next() for _ in range(4)]
    kept.pop()
    assert stream.take_returned() and not stream.seek(3)["at"]
    stream.close()
    kept.clear()
    stream = open_stream(client, {"auto_release": False}, slots=8)
    kept = [stream.next() for _ in range(4)]
    del stream
    kept.clear()


def test_leaking_every_view_stops_nothing(client, epoch):
    leaked = []
    stream = open_stream(client, slots=8)
    for number in range(3):
        stream.seek(0)
        again = list(batches(stream))
        leaked += again
        assert all(same(copy_of(batch), wanted) for batch, wanted in zip(again, epoch, strict=True))
    assert stream.held == 6


def test_exit_with_views_alive(shared_daemon, client):
    """An interpreter that ends while views, streams and connections are alive, some of them in cycles."""
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
import ext
from hsfeed import _hsfeed
c = _hsfeed.Client({str(shared_daemon.socket)!r})
stream = ext.open_stream(c, slots=8)
kept = [stream.next() for _ in range(9)]
kept.append(kept)
stream.configure(ext.Batch, ext.as_numpy, on_copies=lambda: stream)
other = ext.open_stream(c)
last = other.next()["input_ids"][2:]
print(len(kept), flush=True)
"""
    folder = pathlib.Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "10\n", "")


def test_torch_takes_views_and_frees_them_without_the_gil(client, epoch):
    torch = pytest.importorskip("torch")
    stream = client.open({"name": "demo", "fold": 0, "slots": 6, "transport": ext.TRANSPORT})
    stream.configure(Batch, torch._C._from_dlpack)
    for batch in batches(stream):
        wanted = epoch[batch.number]
        assert torch.equal(batch["input_ids"], torch.from_numpy(wanted[5]["input_ids"]))
        assert batch["input_ids"].stride() == (128, 1) and batch["labels"].dtype == torch.float32
    batch = None
    weight = torch.ones(128, 1, requires_grad=True)
    batch = stream.next() if stream.seek(0) else None
    loss = (batch["input_ids"].float().requires_grad_() @ weight).sum()
    view = batch["attention_mask"].view(-1)[5:]
    batch = None
    assert stream.held == 1
    loss.backward()
    view = loss = None
    assert stream.held == 0
