# SPDX-License-Identifier: Apache-2.0
"""States: the exact place, again and again, in other processes, after kills, with other ranks; refused when
it is not the same stream. Daemons that go away and come back under a running pass."""

import functools
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import hsfeed
from conftest import pause, restart, when_told
from reference import Reference, arrays_of, assert_all_same, assert_same

torch = pytest.importorskip("torch")

OPTIONS = {"quiet": True, "rank": 0, "world_size": 1, "batch_size": 7, "max_length": 16}


def few(database, demo, rows=150, name="few"):
    rng = np.random.default_rng(rows)
    words = "rain sky the mushrooms last night I paid for 120 dish school".split()
    texts = [" ".join(rng.choice(words, rng.integers(0, 12))) for _ in range(rows)]
    return database.ingest(
        name, texts=texts, labels=[i % 2 for i in range(rows)], tokenizers=demo / "tokenizer", quiet=True
    )


@pytest.fixture(scope="module")
def ds(shared_db, demo):
    return few(shared_db, demo)


@pytest.fixture(scope="module")
def reference(ds):
    return Reference(ds)


def expected(ds, reference, epoch, at=0, batch_size=7, rank=0, world=1):
    rows = ds.split_rows("train", 0)
    return reference.batches(
        rows,
        order="shuffle",
        shard="pad",
        batch_size=batch_size,
        max_length=16,
        epoch=epoch,
        at=at,
        rank=rank,
        world=world,
    )


def deal(batches, most=None):
    made = []
    for batch in batches:
        made.append(arrays_of(batch))
        if len(made) == most:
            break
    return made


# ---- the place


def test_a_state_after_batch_k_resumes_with_batch_k_plus_1(ds, reference):
    wanted = expected(ds, reference, 0)
    for k in range(len(wanted) + 1):
        loader = ds.loader("train", 0, **OPTIONS)
        if k:
            deal(loader, k)
        other = ds.loader("train", 0, **OPTIONS)
        other.load_state_dict(loader.state_dict())
        assert_all_same(deal(other), wanted[k:])
        assert_all_same(deal(other), expected(ds, reference, 1))


def test_the_first_the_second_and_the_third_time(ds, reference):
    """A run that is cut off again and again deals what one whole run deals."""
    whole, dealt, state = [], [], None
    for epoch in range(3):
        whole += expected(ds, reference, epoch)
    for length in (3, 5, 1, 14, 2, 9, 20, 30):
        loader = ds.loader("train", 0, **OPTIONS)
        if state is not None:
            loader.load_state_dict(json.loads(json.dumps(state)))
        left = length
        while left:
            before = len(dealt)
            dealt += deal(loader, left)
            left -= len(dealt) - before
            state = loader.state_dict()
            if left and len(dealt) >= len(whole):
                break
        if len(dealt) >= len(whole):
            break
    assert_all_same(dealt[: len(whole)], whole)


def test_one_loader_may_be_put_back_again_and_again(ds, reference):
    loader = ds.loader("train", 0, **OPTIONS)
    wanted = expected(ds, reference, 0)
    deal(loader, 4)
    state = loader.state_dict()
    for _ in range(3):
        loader.load_state_dict(state)
        assert loader.state_dict() == state
        assert_all_same(deal(loader), wanted[4:])
        assert loader.state_dict()["epoch"] == 1
    assert_all_same(deal(loader), expected(ds, reference, 1))


def test_loading_within_a_pass_ends_it(ds):
    loader = ds.loader("train", 0, **OPTIONS)
    batches = iter(loader)
    next(batches)
    loader.load_state_dict(loader.state_dict())
    with pytest.raises(hsfeed.PassEnded):
        next(batches)
    assert next(iter(loader)).number == 1


def test_a_state_at_the_end_that_was_not_seen_is_an_empty_pass(ds, reference):
    loader = ds.loader("train", 0, **OPTIONS)
    for batch in loader:
        state = loader.state_dict()  # after the last batch, before the end
    assert (state["epoch"], state["at"], batch.at) == (0, 120, 120)
    other = ds.loader("train", 0, **OPTIONS)
    other.load_state_dict(state)
    assert deal(other) == [] and other.epoch == 1
    assert_all_same(deal(other), expected(ds, reference, 1))


def test_the_epoch_of_a_state_keeps_its_place_and_another_does_not(ds, reference):
    loader = ds.loader("train", 0, **OPTIONS)
    loader.set_epoch(3)
    deal(loader, 5)
    state = loader.state_dict()
    for epoch in range(state["epoch"], 6):  # the usual loop of a resumed run
        loader.load_state_dict(state) if epoch == 3 else None
        loader.set_epoch(epoch)
        assert_all_same(deal(loader), expected(ds, reference, epoch, at=35 if epoch == 3 else 0))
    loader.load_state_dict(state)
    loader.set_epoch(2)
    assert loader.state_dict()["at"] == 0
    assert_all_same(deal(loader), expected(ds, reference, 2))


def test_torch_saves_and_loads_it_without_code(ds, tmp_path):
    loader = ds.loader("train", 0, **OPTIONS)
    deal(loader, 3)
    torch.save(loader.state_dict(), tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True) == loader.state_dict()


def test_another_number_of_ranks_deals_the_rest(ds, reference):
    seen = []
    state = None
    for world, steps in ((1, 2), (3, 2), (2, 3), (4, 100)):
        ranks = [ds.loader("train", 0, **{**OPTIONS, "rank": r, "world_size": world}) for r in range(world)]
        at = state["at"] if state else 0
        for rank, loader in enumerate(ranks):
            if state:
                loader.load_state_dict(state)
            got = deal(loader, steps)
            assert_all_same(got, expected(ds, reference, 0, at, rank=rank, world=world)[:steps])
            seen += [i for batch in got for i in batch["index"].tolist()]
        states = [loader.state_dict() for loader in ranks]
        assert all(s == states[0] for s in states)
        state = states[0]
    assert set(seen) == set(ds.split_rows("train", 0).tolist())
    assert state["epoch"] == 1


def test_the_end_of_a_padded_epoch_stays_the_end_for_fewer_ranks(ds):
    wide = ds.loader("train", 0, **{**OPTIONS, "rank": 0, "world_size": 16})
    for _ in wide:
        state = wide.state_dict()
    assert state["at"] == 128  # 120 rows, padded
    one = ds.loader("train", 0, **OPTIONS)
    one.load_state_dict(state)
    assert deal(one) == [] and one.epoch == 1


# ---- refusals


@pytest.mark.parametrize(
    "options, named",
    [
        ({"seed": 43}, "seed: the state has 42, this loader 43"),
        ({"batch_size": 8}, "batch_size"),
        ({"drop_last": True}, "drop_last"),
        ({"max_length": 17}, "max_length"),
        ({"padding": "longest"}, "padding"),
        ({"dtype": "int32"}, "dtype"),
        ({"token_type_ids": True}, "token_type_ids"),
        ({"order": "sequential"}, "order"),
        ({"shard": "exact"}, "shard"),
        ({"plan": {"fold_seed": 1}}, "plan"),
        ({"fold": 1}, "fold"),
        ({"split": "val"}, "split"),
    ],
)
def test_other_options_are_refused_by_name(ds, options, named):
    state = ds.loader("train", 0, **OPTIONS).state_dict()
    other = ds.loader(**{"split": "train", "fold": 0, **OPTIONS, **options})
    deal(other, 1)
    before = other.state_dict()
    with pytest.raises(hsfeed.StateMismatch, match=named):
        other.load_state_dict(state)
    assert other.state_dict() == before and len(deal(other)) == len(other)


def test_what_batches_do_not_depend_on_may_differ(ds):
    state = ds.loader("train", 0, **OPTIONS).state_dict()
    other = ds.loader(
        "train", 0, **{**OPTIONS, "slots": 5, "transport": "inline", "timeout": 5, "rank": 1, "world_size": 3}
    )
    other.load_state_dict(state)
    assert len(deal(other)) == len(other)


@pytest.mark.parametrize(
    "state, sentence",
    [
        ({}, "no loader's state"),
        ([], "no loader's state"),
        ({"format": 2}, "format 2"),
        ({"at": -1}, "at is -1"),
        ({"epoch": 1.5}, "epoch is 1.5"),
        ({"epoch": None}, "epoch is None"),
    ],
)
def test_what_is_no_state_is_told(ds, state, sentence):
    loader = ds.loader("train", 0, **OPTIONS)
    full = {**loader.state_dict(), **state} if state else state
    with pytest.raises(hsfeed.StateMismatch, match=sentence):
        loader.load_state_dict(full)


def test_another_version_is_refused_with_the_way_out(shared_db, demo):
    old = few(shared_db, demo, 50, "versions")
    state = old.loader("train", 0, **OPTIONS).state_dict()
    new = few(shared_db, demo, 60, "versions")
    with pytest.raises(hsfeed.StateMismatch, match=f"of version {old.version[:12]}") as caught:
        new.loader("train", 0, **OPTIONS).load_state_dict(state)
    name = caught.value.hint.split("'")[1]
    shared_db.dataset(name).loader("train", 0, **OPTIONS).load_state_dict(state)


def test_a_state_keeps_its_encoding_when_the_role_moves(shared_db, demo, caplog):
    ds = few(shared_db, demo, 50, "moving")
    reference = Reference(ds)
    loader = ds.loader("train", 0, **OPTIONS)
    deal(loader, 2)
    state = loader.state_dict()
    moved = shared_db.dataset("moving").add(demo / "tokenizer", normalize="nfkc", quiet=True)
    assert moved.encodings != ds.encodings
    other = moved.loader("train", 0, **OPTIONS)
    before = other.state_dict()["options"]["encodings"]
    with caplog.at_level(logging.WARNING, "hsfeed"):
        other.load_state_dict(state)
    assert "the state's encodings are served" in caplog.text
    assert other.state_dict() == state and state["options"]["encodings"] != before
    assert other.describe()["encodings"][0]["encoding"] == ds.encodings["text"]
    assert_all_same(deal(other), expected(ds, reference, 0)[2:])
    assert_all_same(deal(other), expected(ds, reference, 1))
    foreign = {**state, "options": {**state["options"], "encodings": [["text", "1" * 64]]}}
    third = moved.loader("train", 0, **OPTIONS)
    before = third.state_dict()
    with pytest.raises(hsfeed.NotFound):
        third.load_state_dict(foreign)
    assert third.state_dict() == before


def test_a_name_that_moves_under_a_loader_changes_nothing(shared_db, demo):
    old = few(shared_db, demo, 70, "name")
    reference = Reference(old)
    loader = old.loader("train", 0, **OPTIONS)
    made = deal(loader, 2)
    few(shared_db, demo, 80, "name")
    assert_all_same(made + deal(resumed(old, loader)), expected(old, reference, 0))
    assert_all_same(deal(loader), expected(old, reference, 1))


def resumed(ds, loader, **options):
    other = ds.loader("train", 0, **{**OPTIONS, **options})
    other.load_state_dict(loader.state_dict())
    return other


# ---- daemons that go away


def test_a_daemon_killed_and_restarted_within_a_pass_changes_nothing(daemon, db, demo, caplog, patient):
    ds = few(db, demo)
    reference = Reference(ds)
    loader = ds.loader("train", 0, **OPTIONS)
    made = []
    with caplog.at_level(logging.INFO, "hsfeed"):
        for epoch in range(2):
            for batch in loader:
                made.append(arrays_of(batch))
                if batch.number in (3, 11):
                    daemon.stop(signal.SIGKILL if epoch else signal.SIGTERM)
                    restart(daemon)
    assert_all_same(made, expected(ds, reference, 0) + expected(ds, reference, 1))
    assert caplog.text == ""  # it was back before anybody had to wait


def test_a_daemon_away_for_longer_is_told_once_and_waited_for(daemon, db, demo, caplog):
    ds = few(db, demo)
    reference = Reference(ds)
    loader = ds.loader("train", 0, **OPTIONS)
    batches = iter(loader)
    made = deal(batches, 2)
    daemon.stop(signal.SIGKILL)
    began = time.monotonic()
    with when_told("does not answer", lambda: restart(daemon)), caplog.at_level(logging.WARNING, "hsfeed"):
        batches = iter(resumable(loader))
        made += deal(batches)
    assert 2 <= time.monotonic() - began < 20
    assert_all_same(made, expected(ds, reference, 0))
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2 and "does not answer" in messages[0] and "is back" in messages[1]
    assert "start it with: hsfeed start" in messages[0]
    assert all(message.startswith("hsfeed: ") for message in messages)


def resumable(loader):
    """The rest of a pass that `deal` broke off."""
    loader.load_state_dict(loader.state_dict())
    return loader


def test_a_daemon_that_stays_away_is_a_connection_lost(daemon, db, demo):
    ds = few(db, demo)
    loader = ds.loader("train", 0, **{**OPTIONS, "slots": 4, "timeout": 1.0})
    batches = iter(loader)
    kept = next(batches)
    wanted = arrays_of(kept)
    state = loader.state_dict()
    daemon.stop(signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(hsfeed.ConnectionLost, match="did not answer for 1 s"):
        for _ in batches:
            pass
    assert 0.9 < time.monotonic() - began < 5
    assert_same(arrays_of(kept), wanted)
    after = loader.state_dict()
    with pytest.raises(hsfeed.ConnectionLost):
        len(ds.loader("train", 0, **{**OPTIONS, "timeout": 0.2}))
    restart(daemon)
    other = ds.loader("train", 0, **OPTIONS)
    other.load_state_dict(after)
    reference = Reference(ds)
    assert_all_same(deal(other), expected(ds, reference, 0, at=after["at"]))
    assert after["at"] >= state["at"]


def test_a_stopped_daemon_is_told_and_waited_for(daemon, db, demo, caplog):
    ds = few(db, demo, 400)
    reference = Reference(ds)
    loader = ds.loader("train", 0, **{**OPTIONS, "slots": 4})
    batches = iter(loader)
    made = [arrays_of(next(batches))]
    pause(daemon)
    go_on = functools.partial(daemon.process.send_signal, signal.SIGCONT)
    with when_told("does not answer", go_on), caplog.at_level(logging.WARNING, "hsfeed"):
        made += [arrays_of(batch) for batch in batches]
    assert_all_same(made, expected(ds, reference, 0))
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2 and "does not answer" in messages[0] and "is back" in messages[1]
    pause(daemon)
    hasty = ds.loader("train", 0, **{**OPTIONS, "timeout": 0.5})
    with pytest.raises(hsfeed.ConnectionLost):
        len(hasty)
    go_on()


def test_a_version_removed_while_the_daemon_was_away_is_told_at_once(daemon, db, demo):
    ds = few(db, demo)
    batches = iter(ds.loader("train", 0, **{**OPTIONS, "slots": 4}))
    next(batches)
    daemon.stop(signal.SIGKILL)
    restart(daemon)
    with hsfeed.connect(daemon.socket) as other:
        other.remove(ds)
    with pytest.raises(hsfeed.NotFound):
        for _ in batches:
            pass


def test_an_upgraded_daemon_that_deals_otherwise_is_refused(daemon, db, demo, monkeypatch):
    """Another order_algorithm after the restart: nothing goes on as if it were the same stream."""
    from hsfeed import _options

    ds = few(db, demo)
    loader = ds.loader("train", 0, **{**OPTIONS, "slots": 4})
    batches = iter(loader)
    next(batches)
    daemon.stop(signal.SIGKILL)
    restart(daemon)
    known = _options.identity_of

    def upgraded(info):
        return {**known(info), "order_algorithm": 1 if info is loader._info else 2}

    monkeypatch.setattr(_options, "identity_of", upgraded)
    with pytest.raises(hsfeed.StateMismatch, match="order_algorithm: the state has 1, this loader 2"):
        for _ in batches:
            pass
    with pytest.raises(hsfeed.StateMismatch):
        next(iter(loader))


def test_interrupting_a_wait_for_the_daemon_is_possible(daemon, db, demo):
    ds = few(db, demo)
    batches = iter(ds.loader("train", 0, **{**OPTIONS, "slots": 4}))
    next(batches)
    daemon.stop(signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.7, os.kill, [os.getpid(), signal.SIGINT]).start()
        for _ in batches:
            pass
    assert time.monotonic() - began < 5


def test_the_place_at_which_a_daemon_came_back_can_be_gone_back_to(daemon, db, demo):
    ds = few(db, demo)
    reference = Reference(ds)
    loader = ds.loader("train", 0, **{**OPTIONS, "slots": 4})
    batches = iter(loader)
    next(batches)
    old, state = loader._link.stream, None
    restart_after = [lambda: (daemon.stop(signal.SIGKILL), restart(daemon))]
    while loader._link.stream is old:
        state = loader.state_dict()
        if restart_after:
            restart_after.pop()()
        next(batches)
    next(batches)
    loader.load_state_dict(state)
    made = [arrays_of(batch) for batch in loader]
    assert_all_same(made, expected(ds, reference, 0)[state["at"] // OPTIONS["batch_size"] :])


@pytest.mark.parametrize("ahead", [True, False])
def test_interrupting_a_seek_leaves_a_loader_that_goes_on(daemon, db, demo, ahead):
    ds = few(db, demo)
    loader = ds.loader("train", 0, slots=64, **OPTIONS)
    batches, first = len(loader), iter(loader)
    deal(first, batches)
    if ahead:  # the end is here, and the seek that is made ahead then is not answered
        time.sleep(1)
        pause(daemon)
        assert next(first, None) is None
    else:
        assert next(first, None) is None
        pause(daemon)
        loader.set_epoch(5)
    try:
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.7, os.kill, [os.getpid(), signal.SIGINT]).start()
            iter(loader)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert len(list(loader)) == batches


# ---- clients that are killed

TRAINER = textwrap.dedent("""
    import json, os, sys
    import hsfeed
    socket, name, options, path = sys.argv[1:]
    loader = hsfeed.connect(socket).dataset(name).loader("train", 0, **json.loads(options))
    if os.path.exists(path):
        loader.load_state_dict(json.load(open(path)))
    while True:
        for batch in loader:
            print(json.dumps([batch.epoch, batch.index.tolist()]), flush=True)
            with open(path + ".new", "w") as file:
                json.dump(loader.state_dict(), file)
            os.replace(path + ".new", path)  # as a trainer saves its checkpoint
            print("saved", flush=True)
""")


class Trainer:
    """A training process that saves its state after every batch."""

    def __init__(self, daemon, ds, path, **options):
        arguments = [str(daemon.socket), ds.ref, json.dumps({**OPTIONS, **options}), str(path)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAINER, *arguments], stdout=subprocess.PIPE, text=True
        )

    def take(self, most):
        """The batches it saved, at most so many."""
        made, last = [], None
        while len(made) < most:
            line = self.process.stdout.readline()
            assert line, "the trainer ended"
            if line == "saved\n":
                made.append(last)
            else:
                last = json.loads(line)
        return made

    def kill(self):
        """Kills it wherever it is; what it saved since."""
        self.process.kill()
        lines = self.process.stdout.read().splitlines()
        self.process.wait()
        return lines


def stream_from(ds, reference, epoch, at):
    """What is dealt from a place on, without end."""
    while True:
        for batch in expected(ds, reference, epoch, at):
            yield [epoch, batch["index"].tolist()]
        epoch, at = epoch + 1, 0


def test_a_killed_client_resumes_from_its_last_saved_state(daemon, db, demo, tmp_path):
    ds = few(db, demo)
    reference = Reference(ds)
    path = tmp_path / "state.json"
    state, dealt = {"epoch": 0, "at": 0}, 0
    for steps in (5, 17, 23):
        trainer = Trainer(daemon, ds, path)
        wanted = stream_from(ds, reference, state["epoch"], state["at"])
        assert trainer.take(steps) == list(itertools.islice(wanted, steps))
        trainer.kill()  # many batches later, where the machine is quick
        state, before = json.loads(path.read_text()), dealt
        dealt = state["epoch"] * 18 + -(-state["at"] // 7)
        assert before + steps <= dealt
    last = ds.loader("train", 0, **OPTIONS)
    last.load_state_dict(json.loads(path.read_text()))
    rest = [[batch.epoch, batch.index.tolist()] for batch in last]
    assert rest == list(itertools.islice(stream_from(ds, reference, state["epoch"], state["at"]), len(rest)))


def test_the_place_after_two_hundred_random_kills(daemon, db, demo, tmp_path):
    """Loaders and the daemon are dropped and killed at random places, ranks change, and what is dealt is one
    stream.
    """
    rng = np.random.default_rng(int(os.environ.get("HSFEED_TEST_SEED", "5")))
    ds = few(db, demo, 97, "kills")
    reference = Reference(ds)
    state = None
    for cycle in range(200):
        world = int(rng.integers(1, 5))
        ranks = [
            ds.loader("train", 0, **{**OPTIONS, "batch_size": 3, "rank": r, "world_size": world})
            for r in range(world)
        ]
        epoch, at = (state["epoch"], state["at"]) if state else (0, 0)
        wanted = [expected(ds, reference, epoch, at, 3, r, world) for r in range(world)]
        passes = []
        for loader in ranks:
            if state:
                loader.load_state_dict(json.loads(json.dumps(state)))
            passes.append(iter(loader))
        for step in range(int(rng.integers(0, 9))):
            if rng.random() < 0.05:
                daemon.stop(signal.SIGKILL)
                restart(daemon)
            got = [next(batches, None) for batches in passes]
            assert len({g is None for g in got}) == 1
            if got[0] is None:
                break
            for r, batch in enumerate(got):
                assert batch.epoch == epoch
                assert_same(arrays_of(batch), wanted[r][step])
        states = [loader.state_dict() for loader in ranks]
        assert all(s == states[0] for s in states)
        state = states[0]
    assert state["epoch"] > 3
