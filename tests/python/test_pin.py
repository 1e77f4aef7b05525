# SPDX-License-Identifier: Apache-2.0
"""Pinned slots without a GPU: real batches, and a stand-in for torch.cuda whose stream is as busy as we like.

A copy that a consumer queues keeps nothing alive, just as CUDA's do not: it reads the slot's memory when its
turn comes. A slot that was given back too early holds another batch by then.
"""

import ctypes
import logging
import random
import signal
import types

import pytest

import hsfeed
from conftest import ingest_demo, restart
from hsfeed import _hsfeed, _link, _pin
from reference import Reference, arrays_of, assert_all_same

torch = pytest.importorskip("torch")

OPTIONS = {"quiet": True, "rank": 0, "world_size": 1, "pin_memory": True, "max_length": 24}


class Busy:
    """A stream: work that is done in order, some time after it was queued."""

    def __init__(self):
        self.queue, self.done = [], 0

    def copy(self, tensor, target):
        address, size = tensor.data_ptr(), tensor.numel() * tensor.element_size()
        self.queue.append(lambda: target.append(ctypes.string_at(address, size)))

    def run(self, until):
        while self.done < until:
            self.queue[self.done]()
            self.queue[self.done] = None
            self.done += 1


class Event:
    made = 0

    def __init__(self):
        self.stream, self.at = None, 0
        Event.made += 1

    def record(self, stream):
        self.stream, self.at = stream, len(stream.queue)

    def query(self):
        return self.stream.done >= self.at

    def synchronize(self):
        self.stream.run(self.at)


class Cuda:
    """What the package uses of torch.cuda."""

    def __init__(self, available=True):
        self.available, self.streams, self.registered, self.log = available, {}, {}, []
        self.Event, self.code, self.chosen = Event, 0, None

    def is_available(self):
        return self.available

    def current_stream(self, device=None):
        return self.streams.setdefault(str(self.chosen or device), Busy())

    def synchronize(self, device=None):
        [stream.run(len(stream.queue)) for stream in self.streams.values()]

    def cudart(self):
        return types.SimpleNamespace(cudaHostRegister=self.register, cudaHostUnregister=self.unregister)

    def register(self, address, size, flags):
        assert address not in self.registered and flags == 1
        if self.code:
            return self.code
        self.registered[address] = size
        self.log.append("register")
        return 0

    def unregister(self, address):
        assert all(
            stream.done == len(stream.queue) for stream in self.streams.values()
        ), "copies are under way"
        del self.registered[address]
        self.log.append("unregister")
        return 0


class Mapped:
    """A real stream that says it has mapped memory, where it has none (inline)."""

    def __init__(self, stream):
        self.real = stream
        self.memory = stream.memory or (id(stream), 4096)

    def __getattr__(self, name):
        return getattr(self.real, name)


class Client:
    def __init__(self, **options):
        self.real = _hsfeed.Client(**options)

    def open(self, options):
        return Mapped(self.real.open(options))

    def close(self):
        self.real.close()


@pytest.fixture
def cuda(monkeypatch):
    fake = Cuda()
    monkeypatch.setattr(torch, "cuda", fake)
    monkeypatch.setattr(_link, "_hsfeed", types.SimpleNamespace(Client=Client))
    return fake


@pytest.fixture(scope="module")
def reference(demo_set):
    return Reference(demo_set)


def wanted(ds, reference, epochs=1):
    made = reference.epochs(ds.split_rows("train", 0), epochs, batch_size=32, max_length=24)
    return [batch["input_ids"].tobytes() for batch in made]


def train(loader, stream, epochs, progress):
    """Queues a copy of every batch's ids, lets go of the batch, and lets the stream get on at random."""
    copied, chance = [], random.Random(4)
    for _ in range(epochs):
        for batch in loader:
            stream.copy(batch["input_ids"], copied)
            assert not batch.copied
            del batch
            if chance.random() < progress:
                stream.run(chance.randint(stream.done, len(stream.queue)))
    loader.close()
    return copied


@pytest.mark.parametrize("slots", [4, 5, 8, 16])
@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_no_slot_is_filled_before_the_copies_out_of_it_are_done(cuda, demo_set, reference, slots, progress):
    loader = demo_set.loader("train", 0, slots=slots, **OPTIONS)
    copied = train(loader, cuda.current_stream(), 2, progress)
    assert copied == wanted(demo_set, reference, 2)
    assert cuda.log == ["register", "unregister"] and cuda.registered == {}


def test_a_slot_given_back_too_early_would_be_seen(cuda, demo_set, reference, monkeypatch):
    """The test above can fail: with slots given back at once, a busy stream copies other batches."""
    monkeypatch.setattr(
        _pin.Pinned, "settle", lambda self: self.stream.give_back(self.stream.take_returned())
    )
    copied = train(demo_set.loader("train", 0, slots=4, **OPTIONS), cuda.current_stream(), 1, 0.0)
    assert len(copied) == 100 and copied != wanted(demo_set, reference)


def test_the_stream_is_not_waited_for_while_slots_are_left(cuda, demo_set):
    stream = cuda.current_stream()
    loader = demo_set.loader("train", 0, slots=16, **OPTIONS)
    copied, batches = [], iter(loader)
    for _ in range(10):
        stream.copy(next(batches)["input_ids"], copied)
    assert stream.done == 0
    for _ in range(20):
        stream.copy(next(batches)["input_ids"], copied)
    assert 0 < stream.done < 30  # the oldest only
    loader.close()


def test_events_are_few_while_there_are_slots(cuda, demo_set, reference):
    before = Event.made
    copied = train(demo_set.loader("train", 0, slots=64, **OPTIONS), cuda.current_stream(), 2, 1.0)
    assert copied == wanted(demo_set, reference, 2) and Event.made - before <= 200 / 8 + 1


@pytest.mark.parametrize("slots", [5, 16, 64])
def test_streams_may_change_between_batches(cuda, demo_set, reference, slots):
    loader, chance = demo_set.loader("train", 0, slots=slots, **OPTIONS), random.Random(6)
    copied = [[] for _ in range(2 * 100)]
    for at, batch in enumerate(batch for _ in range(2) for batch in loader):
        cuda.chosen = chance.choice(["one", "two", "two"])
        cuda.current_stream().copy(batch["input_ids"], copied[at])
        del batch
        two = cuda.streams.get("two")
        if two and chance.random() < 0.5:  # "one" gets on when it must
            two.run(len(two.queue))
    loader.close()
    assert [bytes for made in copied for bytes in made] == wanted(demo_set, reference, 2)


@pytest.mark.parametrize("slots", [5, 8, 16, 64])
@pytest.mark.parametrize("by_loader", [False, True])
@pytest.mark.parametrize("kept", [0, 2])
def test_a_stream_that_stands_still_keeps_its_slots(cuda, demo_set, reference, monkeypatch, slots, by_loader, kept):
    """The first batches are copied on a stream that does nothing for long, the others on one that does all at once."""
    copied, held = [], []
    if by_loader:
        moved_by(cuda, monkeypatch, copied)
    loader = demo_set.loader("train", 0, slots=slots, **OPTIONS)
    cuda.chosen = "still"
    for batch in loader.to("cuda:1") if by_loader else loader:
        if not by_loader:
            cuda.current_stream().copy(batch["input_ids"], copied)
        if batch.number < kept:
            held.append(batch)
        if batch.number == 2:
            cuda.chosen = "quick"
            held.clear()
        quick = cuda.streams.get("quick")
        if quick:
            quick.run(len(quick.queue))
        del batch
    assert len(cuda.streams) == 2
    loader.close()
    assert sorted(copied) == sorted(wanted(demo_set, reference))


def moved_by(cuda, monkeypatch, copied):
    """loader.to("cuda:1") where there is no such thing: copies are queued on that device's stream."""

    def to(batch, device, non_blocking=False):
        assert non_blocking and str(device) == "cuda:1"
        cuda.current_stream(device).copy(batch["input_ids"], copied)
        moved = hsfeed.Batch(number=torch.tensor(batch.number))
        moved.number, moved.at = batch.number, batch.at
        return moved

    monkeypatch.setattr(hsfeed.Batch, "to", to)


def test_the_loader_copies_to_a_device_itself(cuda, demo_set, reference, monkeypatch):
    copied = []
    moved_by(cuda, monkeypatch, copied)
    loader = demo_set.loader("train", 0, slots=5, **OPTIONS)
    assert loader.to("cuda:1") is loader and loader.describe()["device"] == "cuda:1"
    numbers = [int(batch["number"]) for _ in range(2) for batch in loader]
    loader.close()
    assert numbers == [*range(100)] * 2 and copied == wanted(demo_set, reference, 2)
    assert list(cuda.streams) == ["cuda:1"]


def test_batches_on_a_device_may_be_kept_without_keeping_slots(cuda, demo_set, monkeypatch, caplog):
    copied = []
    moved_by(cuda, monkeypatch, copied)
    kept = list(demo_set.loader("train", 0, slots=5, **OPTIONS).to("cuda:1"))
    assert len(kept) == 100 and "copies" not in caplog.text


def test_keeping_pinned_batches_neither_hangs_nor_changes_them(cuda, demo_set, reference):
    loader = demo_set.loader("train", 0, slots=6, **OPTIONS)
    kept = [*loader, *loader]
    assert [b["input_ids"].numpy().tobytes() for b in kept] == wanted(demo_set, reference, 2)
    loader.close()
    assert [b["input_ids"].numpy().tobytes() for b in kept] == wanted(demo_set, reference, 2)


def test_a_pass_that_is_broken_off_settles_in_the_next(cuda, demo_set, reference):
    loader = demo_set.loader("train", 0, slots=5, **OPTIONS)
    stream, copied = cuda.current_stream(), []
    for steps in (7, 9, 100):
        loader.set_epoch(0)
        for batch in loader:
            stream.copy(batch["input_ids"], copied)
            if batch.number == steps - 1:
                break
            del batch
    loader.close()
    whole = wanted(demo_set, reference)
    assert copied == whole[:7] + whole[:9] + whole


def test_a_new_stream_is_registered_anew(cuda, daemon, db, demo):
    ds = ingest_demo(db, demo)
    reference = Reference(ds)
    loader = ds.loader("train", 0, slots=5, **OPTIONS)
    stream, copied = cuda.current_stream(), []
    for batch in loader:
        stream.copy(batch["input_ids"], copied)
        if batch.number == 50:
            daemon.stop(signal.SIGKILL)
            restart(daemon)
        del batch
    loader.close()
    assert copied == wanted(ds, reference)
    assert cuda.log == ["register", "unregister"] * 2


def test_a_loader_that_is_forgotten_unregisters(cuda, demo_set):
    loader = demo_set.loader("train", 0, slots=5, **OPTIONS)
    next(iter(loader))
    assert cuda.log == ["register"]
    del loader
    assert cuda.log == ["register", "unregister"]


def test_memory_that_cannot_be_pinned_is_an_error(cuda, demo_set):
    cuda.code = 2
    with pytest.raises(hsfeed.SystemFailure, match="could not pin .* error 2"):
        iter(demo_set.loader("train", 0, **OPTIONS))
    loader = demo_set.loader("train", 0, **OPTIONS)
    for use in (iter, len, iter):  # never on without pinning as if nothing had been
        with pytest.raises(hsfeed.SystemFailure):
            use(loader)


def test_without_cuda_it_says_so_once_and_goes_on(demo_set, reference, monkeypatch, caplog, patient):
    monkeypatch.setattr(torch, "cuda", Cuda(available=False))
    rows = demo_set.split_rows("train", 0)
    loader = demo_set.loader("train", 0, **OPTIONS)
    with caplog.at_level(logging.WARNING, "hsfeed"):
        made = [arrays_of(batch) for batch in loader]
        loader.close()
        assert sum(1 for batch in loader) == len(made)
    assert [r.getMessage() for r in caplog.records] == [
        "hsfeed: pin_memory=True, but CUDA is not available: batches are not pinned"
    ]
    assert_all_same(made, reference.batches(rows, order="shuffle", shard="pad", batch_size=32, max_length=24))


def test_inline_memory_is_not_pinned_and_says_so(demo_set, monkeypatch, caplog):
    fake = Cuda()
    monkeypatch.setattr(torch, "cuda", fake)
    with caplog.at_level(logging.WARNING, "hsfeed"):
        list(demo_set.loader("train", 0, **OPTIONS, transport="inline"))
    assert fake.log == [] and "come through the socket" in caplog.text


def test_a_description_says_whether_batches_are_pinned(demo_set, monkeypatch, capsys):
    options = {**OPTIONS, "quiet": False}
    loader = demo_set.loader("train", 0, **options, transport="inline")
    assert not loader.describe()["pinned"]
    assert capsys.readouterr().err.endswith("; not pinned\n") and repr(loader).endswith("; not pinned>")
    monkeypatch.setattr(torch, "cuda", Cuda())
    loader = demo_set.loader("train", 0, **options)
    assert loader.describe()["pinned"]
    assert capsys.readouterr().err.endswith("; pinned\n") and repr(loader).endswith("; pinned>")


def test_to_the_cpu_is_as_it_was(demo_set, reference):
    loader = demo_set.loader("val", 0, **{**OPTIONS, "pin_memory": False}).to("cpu")
    assert not next(iter(loader)).copied
    meta = next(iter(loader.to("meta")))
    assert meta["input_ids"].device.type == "meta" and meta.index.device.type == "cpu" and meta.copied
