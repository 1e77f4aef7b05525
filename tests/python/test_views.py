# SPDX-License-Identifier: Apache-2.0
"""Views that cannot hurt: whatever a trainer keeps, nothing hangs and nothing changes. Forks, threads,
stopped clients.
"""

import copy
import gc
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import hsfeed
from conftest import ingest_demo
from reference import Reference, arrays_of, assert_all_same, assert_same

torch = pytest.importorskip("torch")

OPTIONS = {"quiet": True, "rank": 0, "world_size": 1}


@pytest.fixture(scope="module")
def ds(demo_set):
    return demo_set


def epoch_of(ds, reference, fold=0, epoch=0, **options):
    rows = ds.split_rows("train", fold)
    return reference.batches(rows, order="shuffle", shard="pad", batch_size=32, epoch=epoch, **options)


@pytest.fixture(scope="module")
def reference(ds):
    return Reference(ds)


def same(batch, wanted):
    return (
        all((batch[name].numpy() == wanted[name]).all() for name in batch)
        and (batch.index.numpy() == wanted["index"]).all()
    )


# ---- the index, a tensor once it is read


def test_an_index_is_made_once_and_outlives_its_batch(ds, reference):
    kept = []
    with ds.loader("train", 0, **OPTIONS) as loader:
        for batch, wanted in zip(loader, epoch_of(ds, reference), strict=True):
            if batch.number % 3:  # of the others nobody reads it
                kept.append((batch.index, wanted["index"]))
                assert batch.index is kept[-1][0]
    assert all((index.numpy() == wanted).all() for index, wanted in kept)


WAYS = [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b)), hsfeed.Batch.clone, lambda b: b.to("cpu")]


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_whose_index_nobody_has_read_is_copied_whole(ds, reference, way):
    batch = next(iter(ds.loader("train", 0, **OPTIONS)))
    other = way(batch)
    assert same(other, epoch_of(ds, reference)[0]) and same(batch, epoch_of(ds, reference)[0])


def test_an_index_may_be_replaced_and_deleted(ds):
    for read in (False, True):
        batch = next(iter(ds.loader("train", 0, **OPTIONS)))
        if read:
            assert len(batch.index) == 32
        other = copy.copy(batch)
        batch.index = None
        assert batch.index is None and pickle.loads(pickle.dumps(batch)).index is None
        del batch.index, other.index
        for gone in (batch, other, pickle.loads(pickle.dumps(batch))):
            with pytest.raises(AttributeError):
                gone.index
        with pytest.raises(AttributeError):
            del batch.index
    with pytest.raises(AttributeError):
        hsfeed.Batch().index


def test_threads_that_read_an_index_at_once_read_the_same(ds, reference):
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for batch, wanted in zip(ds.loader("train", 0, **OPTIONS), epoch_of(ds, reference), strict=True):
            start, read = threading.Barrier(4), []

            def reader():
                start.wait()
                read.append(batch.index)

            threads = [threading.Thread(target=reader) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            assert len(read) == 4 and all(index is read[0] for index in read) and same(batch, wanted)
    finally:
        sys.setswitchinterval(before)


# ---- keeping


def test_every_batch_may_be_kept(ds, reference, caplog, patient):
    loader = ds.loader("train", 0, **OPTIONS)
    with caplog.at_level(logging.WARNING, "hsfeed"):
        kept = [*loader, *loader]
    wanted = epoch_of(ds, reference) + epoch_of(ds, reference, epoch=1)
    assert len(kept) == len(wanted) and all(map(same, kept, wanted))
    assert [r.getMessage()[:31] for r in caplog.records] == ["hsfeed: batches are being kept:"]
    slots = loader.describe()["slots"]
    assert [b.copied for b in kept[:slots]] == [False] * (slots - 2) + [True] * 2
    assert all(b.copied for b in kept[slots:])
    del kept[: slots - 2]
    loader.close()
    assert all(map(same, kept, wanted[slots - 2 :]))


def test_a_loop_that_keeps_nothing_gets_views_and_no_warning(ds, caplog, patient):
    with caplog.at_level(logging.WARNING, "hsfeed"):
        for slots in (4, 8):
            loader = ds.loader("train", 0, **OPTIONS, slots=slots)
            assert not any(batch.copied for _ in range(2) for batch in loader)
    assert caplog.text == ""


def test_labels_and_row_numbers_may_be_gathered_for_ever(ds, reference, caplog, patient):
    loader = ds.loader("val", 0, **OPTIONS)
    labels, indices = [], []
    with caplog.at_level(logging.WARNING, "hsfeed"):
        for batch in loader:
            labels.append(batch["labels"])
            indices.append(batch.index)
            assert not batch.copied
        for batch in loader:
            labels.append(batch["labels"])
    rows = ds.split_rows("val", 0)
    assert (torch.cat(labels).numpy() == np.concatenate([reference.labels[rows]] * 2)).all()
    assert caplog.text == "" and torch.cat(indices).tolist() == rows.tolist()


def bytes_of(view):
    """What is to be seen through a view, whatever it is."""
    if isinstance(view, torch.UntypedStorage):
        view = torch.tensor([], dtype=torch.uint8).set_(view)
    return bytes(view) if isinstance(view, memoryview) else np.ascontiguousarray(view).tobytes()


@pytest.mark.parametrize(
    "leak",
    [
        lambda batch: batch["input_ids"][0, 0:1],
        lambda batch: batch["input_ids"].numpy(),
        lambda batch: batch["input_ids"].T,
        lambda batch: memoryview(batch["attention_mask"].numpy()),
        lambda batch: batch["input_ids"].untyped_storage(),
        lambda batch: np.asarray(batch["input_ids"])[3:5],
        lambda batch: batch["input_ids"].detach().view(-1)[7],
    ],
    ids=["slice", "numpy", "transposed", "memoryview", "storage", "numpy slice", "element"],
)
def test_any_view_of_a_batch_keeps_its_memory(ds, leak):
    """Not the batch and not the tensor, but what was made of them."""
    loader = ds.loader("train", 0, **OPTIONS, slots=6)
    views, contents = [], []
    for batch in loader:
        views.append(leak(batch))
        contents.append(bytes_of(views[-1]))
    for _ in range(2):
        for batch in loader:
            pass
    assert list(map(bytes_of, views)) == contents


def test_what_is_let_go_is_used_again(ds):
    loader = ds.loader("train", 0, **OPTIONS, slots=8)
    places = set()
    for batch in loader:
        assert not batch.copied
        places.add(batch["input_ids"].data_ptr())
    assert len(places) <= 8


def test_threads_may_let_go_of_batches(ds, reference):
    loader = ds.loader("train", 0, **OPTIONS)
    wanted = epoch_of(ds, reference)
    wrong, line = [], []

    def consume():
        while True:
            item = line.pop(0) if line else None
            if item == "end":
                return
            if item is None:
                time.sleep(0.0005)
            elif not same(item, wanted[item.number]):
                wrong.append(item.number)

    thread = threading.Thread(target=consume)
    thread.start()
    for batch in loader:
        line.append(batch)
    line.append("end")
    thread.join()
    assert wrong == []


# ---- many at once


def test_eight_loaders_of_different_folds_at_once(ds, reference):
    """Each in a thread of its own, two over each of four folds, in three epochs."""
    wanted = {(f, e): epoch_of(ds, reference, f, e) for f in range(4) for e in range(3)}
    wrong, done = [], []

    def train(fold):
        loader = ds.loader("train", fold, **OPTIONS)
        for epoch in range(3):
            for batch in loader:
                if not same(batch, wanted[fold, epoch][batch.number]):
                    wrong.append((fold, epoch, batch.number))
        done.append(fold)

    threads = [threading.Thread(target=train, args=[i % 4]) for i in range(8)]
    [thread.start() for thread in threads]
    [thread.join(120) for thread in threads]
    assert wrong == [] and len(done) == 8


def test_loaders_are_interleaved_in_one_thread(ds, reference):
    loaders = [ds.loader("train", fold, **OPTIONS) for fold in range(5)]
    wanted = [epoch_of(ds, reference, fold) for fold in range(5)]
    for step, batches in enumerate(zip(*loaders)):
        assert all(same(batch, wanted[fold][step]) for fold, batch in enumerate(batches))
    assert step == 98 or step == 99


def test_loaders_that_are_forgotten_leave_nothing(shared_daemon, demo_set, shared_db):
    for _ in range(40):
        loader = demo_set.loader("train", 0, **OPTIONS)
        batches = iter(loader)
        next(batches)
        del loader, batches
    gc.collect()
    deadline = time.monotonic() + 60
    while shared_db.status()["streams"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert shared_db.status()["streams"] == 0


STOPPED = textwrap.dedent("""
    import sys
    import hsfeed
    socket, ref = sys.argv[1:]
    ds = hsfeed.connect(socket).dataset(ref)
    batches = iter(ds.loader("train", 1, quiet=True))
    kept = [next(batches) for _ in range(4)]
    print("held", flush=True)
    sys.stdin.readline()
    rest = [batch.number for batch in batches]
    print(rest[0], rest[-1], flush=True)
""")


def test_a_stopped_client_disturbs_nobody(shared_daemon, ds, reference):
    client = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(shared_daemon.socket), ds.ref],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert client.stdout.readline() == "held\n"
    client.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    loader = ds.loader("train", 0, **OPTIONS)
    for epoch in range(2):
        assert_all_same([arrays_of(b) for b in loader], epoch_of(ds, reference, epoch=epoch))
    assert time.monotonic() - began < 10
    client.send_signal(signal.SIGCONT)
    out, _ = client.communicate("go\n", timeout=60)
    assert client.returncode == 0 and out == "4 99\n"


# ---- forks


def in_child(function):
    """What function() returns or raises in a forked child, as text."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = repr(function())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        said = file.read()
    assert os.waitpid(pid, 0)[1] == 0
    return said


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_loader_carried_over_fork_says_so(ds, reference):
    loader = ds.loader("train", 0, **OPTIONS)
    batches = iter(loader)
    batch = next(batches)
    wanted = arrays_of(batch)
    for use in (lambda: [next(batches) for _ in range(20)], lambda: next(iter(loader))):
        said = in_child(use)
        assert said.startswith("Forked: ") and "make" in said or "connect" in said, said
    assert "cannot be used in its child" in in_child(lambda: len(loader))
    assert in_child(lambda: batch["input_ids"].sum().item()) == repr(int(wanted["input_ids"].sum()))
    assert in_child(lambda: ds.loader("val", 0, **OPTIONS).describe()["rows"]) == "794"  # one of its own
    unopened = ds.loader("val", 0, **OPTIONS)
    assert in_child(lambda: len(unopened)) == "25" and len(unopened) == 25
    assert "Forked" in in_child(lambda: ds[0])
    got = [wanted, *(arrays_of(b) for b in batches)]  # the parent's goes on
    assert_all_same(got, epoch_of(ds, reference))


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_child_that_ends_leaves_its_parents_loader_alone(ds, reference):
    loader = ds.loader("train", 0, **OPTIONS)
    batches = iter(loader)
    kept = [next(batches) for _ in range(3)]
    context = multiprocessing.get_context("fork")
    process = context.Process(target=gc.collect)  # ends through Python's own way out
    process.start()
    process.join()
    assert process.exitcode == 0
    wanted = epoch_of(ds, reference)
    assert_same(arrays_of(kept[2]), wanted[2])
    assert_all_same([arrays_of(b) for b in batches], wanted[3:])


EXIT = textwrap.dedent("""
    import sys
    import hsfeed
    socket, ref = sys.argv[1:]
    loader = hsfeed.connect(socket).dataset(ref).loader("train", 1, slots=8, quiet=True)
    batches = iter(loader)
    kept = [next(batches) for _ in range(9)]
    hsfeed.kept_for_ever = kept
    del loader
""")


def test_a_process_ends_with_batches_in_its_hands(shared_daemon, ds):
    done = subprocess.run(
        [sys.executable, "-c", EXIT, str(shared_daemon.socket), ds.ref], capture_output=True, text=True
    )
    assert done.returncode == 0 and "Error" not in done.stderr and "kept" in done.stderr


def test_a_batch_outlives_loader_database_and_daemon(daemon, demo):
    db = hsfeed.connect(daemon.socket)
    ds = ingest_demo(db, demo)
    loader = ds.loader("train", 0, **OPTIONS)
    batches = iter(loader)
    batch = next(batches)
    wanted = arrays_of(batch)
    del batches, loader
    db.close()
    daemon.stop(signal.SIGKILL)
    gc.collect()
    assert_same(arrays_of(batch), wanted)
