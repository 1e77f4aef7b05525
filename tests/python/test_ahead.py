# SPDX-License-Identifier: Apache-2.0
"""Loaders ask for the next pass when one is over: which batches come, and what a loader says, is the same."""

import select
import signal

import pytest

import hsfeed
from conftest import epochs_of, ingest_demo, restart
from reference import Reference, arrays_of, assert_all_same

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def reference(demo_set):
    return Reference(demo_set)


def make(ds, **options):
    own = {"quiet": True, "rank": 0, "world_size": 1, "max_length": 16, "batch_size": 64}
    return ds.loader("train", 0, **{**own, **options})


def expected(ds, reference, epoch, rank=0, world=1):
    return reference.batches(
        ds.split_rows("train", 0), order="shuffle", shard="pad", batch_size=64, max_length=16,
        epoch=epoch, rank=rank, world=world,
    )  # fmt: skip


def deal(batches):
    return [arrays_of(batch) for batch in batches]


@pytest.mark.parametrize("transport", ["ring", "inline"])
def test_the_next_pass_begins_while_the_trainer_validates(demo_set, reference, transport):
    for world in (1, 3):
        loader = make(demo_set, rank=world - 1, world_size=world, transport=transport)
        for epoch in range(4):
            wanted = expected(demo_set, reference, epoch, world - 1, world)
            assert_all_same(deal(loader), wanted)
            state = loader.state_dict()
            assert (state["epoch"], state["at"], loader.epoch) == (epoch + 1, 0, epoch + 1)
            assert select.select([loader._link.stream], [], [], 10)[0]  # and nobody has asked for a batch
            assert loader.state_dict() == state


def test_a_pass_that_begins_elsewhere_than_was_looked_ahead(demo_set):
    loader = make(demo_set)
    state = None
    for epoch in (5, 5, 0, 1):  # each time the one after it was asked for ahead
        loader.set_epoch(epoch)
        assert epochs_of(loader, 1) == [epoch]
        if state is not None:
            loader.load_state_dict(state)
            assert [(b.epoch, b.number) for b in loader][0] == (state["epoch"], 3)
        for batch in loader:
            if batch.number == 2:
                break
        state = loader.state_dict()
    assert epochs_of(loader, 2) == [10, 11]
    loader.close()
    assert epochs_of(loader, 1) == [12]


def test_looking_ahead_never_raises(demo_set):
    class Deaf:
        """A stream whose seek_ahead fails."""

        def __init__(self, stream):
            self.stream, self.asked = stream, 0

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def seek_ahead(self, epoch, at):
            self.asked += 1
            raise hsfeed.ConnectionLost("gone")

    loader = make(demo_set)
    for epoch in range(2):
        for batch in loader:
            if batch.number == 0 and epoch == 0:
                loader._link.stream = deaf = Deaf(loader._link.stream)
        assert batch.epoch == epoch and deaf.asked == epoch + 1
    loader.set_epoch(2**63 - 1)  # no epoch comes after it: what was asked for ahead is refused
    assert len(deal(loader)) == len(loader) and loader.epoch == 2**63
    loader.set_epoch(3)
    assert epochs_of(loader, 1) == [3]


@pytest.mark.parametrize("transport", ["ring", "inline"])
def test_a_daemon_restarted_between_passes_changes_nothing(daemon, db, demo, transport):
    ds = ingest_demo(db, demo)
    reference = Reference(ds)
    loader = make(ds, transport=transport)
    for epoch in range(4):
        batches = iter(loader)
        made = [arrays_of(next(batches)) for _ in range(len(loader))]
        if epoch == 2:  # between the last batch and the end
            daemon.stop(signal.SIGKILL)
            restart(daemon)
        assert_all_same(made, expected(ds, reference, epoch))
        assert next(batches, None) is None
        assert loader.state_dict()["epoch"] == epoch + 1
        if epoch != 2:
            daemon.stop(signal.SIGKILL if epoch else signal.SIGTERM)
            restart(daemon)
