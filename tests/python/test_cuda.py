# SPDX-License-Identifier: Apache-2.0
"""Pinned slots on a real GPU, whose stream is kept busy, so that copies out of slots are still queued when their
batches are gone. What test_pin.py shows with a stand-in for torch.cuda, on machines without one.
"""

import random
import signal
import threading

import pytest

import hsfeed
from conftest import ingest_demo, restart
from hsfeed import _pin
from reference import Reference

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch sees no CUDA here; test_pin.py has a stand-in for it"
)

OPTIONS = {"quiet": True, "rank": 0, "world_size": 1, "pin_memory": True, "max_length": 24}
LONG = 20_000_000  # cycles: some 10 ms


@pytest.fixture(scope="module")
def reference(demo_set):
    return Reference(demo_set)


@pytest.fixture(params=["0", "1"], ids=["packed", "unpacked"])
def packing(request, monkeypatch):
    monkeypatch.setenv("HSFEED_NO_PACKED", request.param)


def wanted(ds, reference, epochs=1):
    """The ids, masks and labels of every batch, in order."""
    made = reference.epochs(ds.split_rows("train", 0), epochs, batch_size=32, max_length=24)
    return [tuple(batch[key].tobytes() for key in KEYS) for batch in made]


KEYS = ("input_ids", "attention_mask", "labels")


def fetched(moved):
    """What arrived on the GPU."""
    torch.cuda.synchronize()
    return [tuple(batch[key].cpu().numpy().tobytes() for key in KEYS) for batch in moved]


class Load:
    """Keeps the current stream busy: a short sleep before every few copies, a long one first."""

    def __init__(self, often):
        self.often, self.chance = often, random.Random(5)
        torch.cuda._sleep(LONG)

    def __call__(self):
        if self.chance.random() < self.often:
            torch.cuda._sleep(self.chance.randint(1, LONG // 20))


def by_hand(loader, epochs, load):
    """Copies of our own, on the current stream; each batch is let go of at once."""
    moved = []
    for _ in range(epochs):
        for batch in loader:
            load()
            moved.append({key: batch[key].to("cuda", non_blocking=True) for key in KEYS})
            del batch
    loader.close()
    return fetched(moved)


def by_loader(loader, epochs, load):
    moved = []
    for _ in range(epochs):
        for batch in loader.to("cuda"):
            load()
            moved.append(batch)
    loader.close()
    return fetched(moved)


def test_the_memory_is_pinned_and_copies_are_queued(demo_set, packing):
    loader = demo_set.loader("train", 0, **OPTIONS)
    batch = next(iter(loader))
    assert batch["input_ids"].is_pinned() and batch["attention_mask"].is_pinned()
    torch.cuda.synchronize()
    torch.cuda._sleep(LONG * 10)
    moved = batch["input_ids"].to("cuda", non_blocking=True)
    assert not torch.cuda.current_stream().query()  # we are back while the copy still waits
    assert torch.equal(moved.cpu(), batch["input_ids"])
    kept = batch["input_ids"]
    loader.close()
    assert not kept.is_pinned() and torch.equal(moved.cpu(), kept)


@pytest.mark.parametrize("slots", [4, 5, 8, 16, 64])
@pytest.mark.parametrize("often", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("copies", [by_hand, by_loader])
def test_no_slot_is_filled_before_the_copies_out_of_it_are_done(demo_set, reference, packing, copies, often, slots):
    loader = demo_set.loader("train", 0, slots=slots, **OPTIONS)
    assert copies(loader, 2, Load(often)) == wanted(demo_set, reference, 2)


@pytest.mark.parametrize("copies", [by_hand, by_loader])
def test_copies_on_a_stream_of_ones_own(demo_set, reference, packing, copies):
    with torch.cuda.stream(torch.cuda.Stream()):
        assert copies(demo_set.loader("train", 0, slots=5, **OPTIONS), 2, Load(0.5)) == wanted(
            demo_set, reference, 2
        )


@pytest.mark.parametrize("slots", [5, 16, 64])
def test_streams_may_change_between_batches(demo_set, reference, packing, slots):
    streams, chance, moved = [torch.cuda.Stream() for _ in range(3)], random.Random(6), []
    loader, load, before = demo_set.loader("train", 0, slots=slots, **OPTIONS), Load(0.3), torch.cuda.current_stream()
    for _ in range(2):
        for batch in loader:
            torch.cuda.set_stream(chance.choice(streams))
            load()
            moved.append({key: batch[key].to("cuda", non_blocking=True) for key in KEYS})
            del batch
    torch.cuda.set_stream(before)
    loader.close()
    assert fetched(moved) == wanted(demo_set, reference, 2)


@pytest.mark.parametrize("slots", [5, 16])
@pytest.mark.parametrize("by_loader", [False, True])
def test_a_stream_that_stands_still_keeps_its_slots(demo_set, reference, packing, by_loader, slots):
    still, quick, moved = torch.cuda.Stream(), torch.cuda.Stream(), []
    before, loader = torch.cuda.current_stream(), demo_set.loader("train", 0, slots=slots, **OPTIONS)
    torch.cuda.set_stream(still)
    torch.cuda._sleep(LONG * 20)
    for batch in loader.to("cuda") if by_loader else loader:
        moved.append(batch if by_loader else {key: batch[key].to("cuda", non_blocking=True) for key in KEYS})
        if batch.number == 2:
            torch.cuda.set_stream(quick)
        del batch
    torch.cuda.set_stream(before)
    loader.close()
    assert fetched(moved) == wanted(demo_set, reference)


def test_a_slot_given_back_too_early_would_be_seen(demo_set, reference, packing, monkeypatch):
    """The tests above can fail: with slots given back at once, the busy stream copies other batches."""
    monkeypatch.setattr(
        _pin.Pinned, "settle", lambda self: self.stream.give_back(self.stream.take_returned())
    )
    made = by_hand(demo_set.loader("train", 0, slots=4, **OPTIONS), 1, Load(1.0))
    assert len(made) == 100 and made != wanted(demo_set, reference)


def test_closing_waits_for_the_copies(demo_set, reference, packing):
    for _ in range(20):
        loader, moved = demo_set.loader("train", 0, slots=8, **OPTIONS), []
        load = Load(0.0)
        for batch in loader:
            load()
            moved.append({key: batch[key].to("cuda", non_blocking=True) for key in KEYS})
            if batch.number == 4:
                break
        del batch
        loader.close()
        assert fetched(moved) == wanted(demo_set, reference)[:5]


def test_a_daemon_restarted_under_a_busy_stream(daemon, db, demo, packing):
    ds = ingest_demo(db, demo)
    loader, moved, load = ds.loader("train", 0, slots=5, **OPTIONS), [], Load(1.0)
    for batch in loader:
        load()
        moved.append({key: batch[key].to("cuda", non_blocking=True) for key in KEYS})
        if batch.number in (20, 60):
            daemon.stop(signal.SIGKILL)
            restart(daemon)
        del batch
    loader.close()
    assert fetched(moved) == wanted(ds, Reference(ds))


def test_batches_may_be_kept(demo_set, reference, packing):
    kept = list(demo_set.loader("train", 0, slots=6, **OPTIONS))
    moved = [{key: batch[key].to("cuda", non_blocking=True) for key in KEYS} for batch in kept]
    assert fetched(moved) == wanted(demo_set, reference)


def test_loaders_in_threads_each_with_a_stream(demo_set, reference, packing):
    made = {}

    def train(number):
        with torch.cuda.stream(torch.cuda.Stream()):
            made[number] = by_hand(demo_set.loader("train", 0, slots=5, **OPTIONS), 2, Load(0.3))

    threads = [threading.Thread(target=train, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [made.get(number) for number in range(4)] == [wanted(demo_set, reference, 2)] * 4


def test_a_loader_without_pinning_moves_too(demo_set, reference):
    loader = demo_set.loader("train", 0, **{**OPTIONS, "pin_memory": False})
    assert by_loader(loader, 1, Load(0.3)) == wanted(demo_set, reference)
    with pytest.raises(hsfeed.BadArgument):
        loader.to("cudo")
