# SPDX-License-Identifier: Apache-2.0
"""Orders beside the real DataLoader and its samplers, in one process: the same rows, and torch's generators left in
the same state, whatever draws in between; resumed at every batch; dealt to ranks; lists of rows.
"""

import copy
import json
import random

import numpy as np
import pytest

import hsfeed
from conftest import SHARED, Daemon, restart
from test_resume import few

torch = pytest.importorskip("torch")
from torch.utils.data import (  # noqa: E402
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

ROWS = 83


@pytest.fixture(scope="module")
def ds(shared_db, demo):
    return few(shared_db, demo, ROWS, "orders")


@pytest.fixture(scope="module")
def rows(ds):
    return ds.split_rows("train", 0)


def quiet(ds, split="train", fold=0, **options):
    fold = None if split == "all" else fold
    return ds.loader(split, fold, **{"quiet": True, "max_length": 4, "rank": 0, "world_size": 1, **options})


def indices(loader):
    return [batch.index.tolist() for batch in loader]


def plain(rows, batch_size, **options):
    """A DataLoader over row numbers, whose batches are lists of them."""
    return DataLoader(np.asarray(rows).tolist(), batch_size, collate_fn=list, **options)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# ---- every order, as (ours, theirs): options of a loader, and a DataLoader of row numbers

WEIGHTS = [0.1 + (i * 7919 % 13) for i in range(ROWS)]


def weights(rows):
    return WEIGHTS[: len(rows)]


def pairs(ds, rows, kind, batch_size, drop_last, generator):
    """(loader, DataLoader) of a kind; with generators of their own, in one state, where `generator` is a seed."""
    ours, theirs = {"batch_size": batch_size, "drop_last": drop_last}, {"drop_last": drop_last}
    mine, other = (None, None) if generator is None else (seeded(generator), seeded(generator))
    own, their_own = {"generator": mine} if mine else {}, {"generator": other} if other else {}
    n = len(rows)
    if kind == "dataloader":
        return quiet(ds, order=kind, **own, **ours), plain(rows, batch_size, shuffle=True, **their_own, **theirs)
    if kind == "unshuffled":
        return (
            quiet(ds, order="dataloader", shuffle=False, **own, **ours),
            plain(rows, batch_size, **their_own, **theirs),
        )
    if kind == "replacement":
        sampler = RandomSampler(range(n), replacement=True, num_samples=77, generator=other)
        return (
            quiet(ds, order=kind, num_samples=77, **own, **ours),
            plain(rows, batch_size, sampler=sampler, **their_own, **theirs),
        )
    if kind == "weighted":
        sampler = WeightedRandomSampler(weights(rows), 50, True, generator=other)
        return (
            quiet(ds, order=kind, weights=weights(rows), num_samples=50, **own, **ours),
            plain(rows, batch_size, sampler=sampler, **their_own, **theirs),
        )
    assert kind == "sampler"
    return (
        quiet(ds, sampler=SubsetRandomSampler(range(0, n, 2), generator=mine), **own, **ours),
        plain(rows, batch_size, sampler=SubsetRandomSampler(range(0, n, 2), generator=other), **their_own, **theirs),
    )


KINDS = ["dataloader", "unshuffled", "replacement", "weighted", "sampler"]


def run(script, loader, val):
    """What a script of passes sees: rows of each pass, and what it draws itself."""
    seen = []
    for what, count in script:
        if what == "all":
            seen.append(list(map(list_of, loader)))
        elif what == "some":
            batches = iter(loader)
            seen.append([list_of(next(batches)) for _ in range(count)])
        elif what == "val":
            seen.append(list(map(list_of, val)))
        elif what == "begin":
            iter(loader)
        else:
            seen.append(torch.rand(count).tolist())
    return seen


def list_of(batch):
    return batch.index.tolist() if isinstance(batch, hsfeed.Batch) else batch


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [False, True])
def test_random_scripts_see_what_they_saw_with_a_dataloader(ds, rows, kind, own):
    rng = random.Random(f"{kind} {own}")
    val_rows = ds.split_rows("val", 0)
    for _ in range(40):
        batch_size, drop_last = rng.choice([1, 7, 11, 32, 33, 66, 100]), rng.random() < 0.4
        script = [(rng.choice(["all", "some", "val", "begin", "model"]), rng.randrange(1, 3)) for _ in range(8)]
        seed = rng.choice([0, 1, -1, 2**40 + 3, rng.randrange(2**63)])
        loader, theirs = pairs(ds, rows, kind, batch_size, drop_last, seed if own else None)
        if len(theirs) < 2:
            script = [s for s in script if s[0] != "some"]
        with loader, quiet(ds, "val", order="dataloader") as val:
            assert len(loader) == len(theirs)
            torch.manual_seed(seed)
            wanted = run(script, theirs, plain(val_rows, 32))
            after = torch.get_rng_state()
            torch.manual_seed(seed)
            assert run(script, loader, val) == wanted, (kind, own, batch_size, drop_last, script)
            assert torch.equal(torch.get_rng_state(), after)
            if own:
                assert torch.equal(theirs.generator.get_state(), generator_of(loader).get_state())


def generator_of(loader):
    return loader._draws.generator


def test_persistent_workers_draw_one_base_seed(ds, rows):
    torch.manual_seed(5)
    draws = [torch.empty((), dtype=torch.int64).random_().item() for _ in range(4)]
    with quiet(ds, order="dataloader", persistent_workers=True, batch_size=100) as loader:
        torch.manual_seed(5)
        for seed in draws[1:]:
            wanted = rows[torch.randperm(len(rows), generator=seeded(seed)).numpy()].tolist()
            assert indices(loader) == [wanted]


@pytest.mark.skipif(not (SHARED / "golden/torch_samplers.json").is_file(), reason="no golden/torch_samplers.json")
def test_golden_dataloaders_and_samplers(shared_db, demo):
    golden = json.loads((SHARED / "golden/torch_samplers.json").read_text())
    stored, checked = {}, 0
    for case in golden["dataloader"]:
        n = case["n"]
        if n > 5000:
            continue
        stored[n] = stored.get(n) or few(shared_db, demo, n, f"golden{n}")
        own = {"generator": seeded(case["seed"])} if case["own_generator"] else {}
        torch.manual_seed(case["seed"] if not own else 0)
        with quiet(stored[n], "all", order="dataloader", shuffle=True, batch_size=case["batch_size"],
                   drop_last=case["drop_last"], **own) as loader:  # fmt: skip
            for epoch in case["epochs"]:
                got = indices(loader)
                checked += check_golden(got, epoch)
    for case in golden["random_sampler"]:
        if case["replacement"] and case["n"] in stored:
            with quiet(stored[case["n"]], "all", order="replacement", num_samples=case["num_samples"],
                       seed=case["seed"], batch_size=64) as loader:  # fmt: skip
                assert sum(indices(loader), []) == case["order"]
                checked += 1
    assert checked > 50


def check_golden(got, epoch):
    flat, wanted = sum(got, []), epoch["order"]
    assert len(got) == epoch["batches"]
    if "values" in wanted:
        assert flat == wanted["values"][: len(flat)]
    else:
        assert flat[: len(wanted["head"])] == wanted["head"]
    return 1


def test_a_seed_draws_nothing_and_makes_every_epoch(ds, rows):
    before = torch.get_rng_state()
    for epoch, world in [(0, 1), (3, 1), (2, 3)]:
        replaced = RandomSampler(range(len(rows)), replacement=True, num_samples=40, generator=seeded(9 + epoch))
        weighted = WeightedRandomSampler(weights(rows), 40, False, generator=seeded(9 + epoch))
        wanted = {"replacement": rows[list(replaced)].tolist(), "weighted": rows[list(weighted)].tolist()}
        for order, more in [("replacement", {}), ("weighted", {"weights": weights(rows), "replacement": False})]:
            for rank in range(world):
                with quiet(ds, order=order, num_samples=40, seed=9, batch_size=100, shard="exact", rank=rank,
                           world_size=world, **more) as loader:  # fmt: skip
                    loader.set_epoch(epoch)
                    assert indices(loader) == [wanted[order][rank::world]]
    assert torch.equal(torch.get_rng_state(), before)


# ---- resume


@pytest.mark.parametrize("kind", [*KINDS, "seeded", "rows"])
@pytest.mark.parametrize("own", [False, True])
def test_a_script_resumed_at_any_batch_sees_what_it_would_have_seen(ds, rows, kind, own):
    """Everything after the state: the rest of the pass, two more passes, and the generators at the end."""
    if own and kind in ("seeded", "rows"):
        pytest.skip("nothing is drawn")

    def make():
        if kind == "seeded":
            return quiet(ds, order="replacement", seed=3, num_samples=33, batch_size=11)
        if kind == "rows":
            return quiet(ds, rows=rows[::-2], batch_size=11)
        return pairs(ds, rows, kind, 11, False, 7 if own else None)[0]

    torch.manual_seed(12)
    with make() as loader:
        first = indices(loader)
    for stop in range(len(first) + 2):
        torch.manual_seed(12)
        with make() as loader:
            indices(loader)
            batches = iter(loader)
            taken = [list_of(b) for _, b in zip(range(stop), batches)]
            if stop > len(first):
                assert next(batches, None) is None
            state, global_state = json.loads(json.dumps(loader.state_dict())), torch.get_rng_state()
            wanted = [indices_of(batches), indices(loader), indices(loader)]
            after = torch.get_rng_state()
            own_after = generator_of(loader).get_state() if own else None
        with make() as other:
            torch.set_rng_state(global_state)
            other.load_state_dict(state)
            got = [indices(other), indices(other), indices(other)]
            if stop > len(first):  # the pass was over: three whole ones
                assert got[:2] == wanted[1:]
            else:
                assert got == wanted and (len(taken) == stop)
                assert torch.equal(torch.get_rng_state(), after)
                assert not own or torch.equal(generator_of(other).get_state(), own_after)


def indices_of(batches):
    return [list_of(batch) for batch in batches]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_resumed_by_more_ranks_deals_them_the_rest(ds, rows, kind):
    torch.manual_seed(1)
    loader, _ = pairs(ds, rows, kind, 5, False, 4)
    with loader:
        batches = iter(loader)
        taken = [list_of(next(batches)) for _ in range(3)]
        state, rest = loader.state_dict(), sum(indices_of(batches), [])
    assert len(sum(taken, [])) == state["at"] == 15
    dealt = []
    for rank in range(3):
        other, _ = pairs(ds, rows, kind, 5, False, 4)
        with ds.loader("train", 0, **options_of(other), rank=rank, world_size=3) as again:
            again.load_state_dict(state)
            dealt.append(sum(indices(again), []))
    flat = [row for round_ in zip(*dealt) for row in round_]
    assert flat[: len(rest)] == rest and len(flat) - len(rest) < 3


def options_of(loader):
    """The options of a loader that draws, again."""
    o = {"quiet": True, "max_length": 4, "batch_size": 5, "generator": seeded(99)}
    draws = loader._draws
    if draws.name == "sampler":
        return {**o, "sampler": SubsetRandomSampler(range(0, 66, 2), generator=seeded(99))}
    if draws.name == "sequential":
        return {**o, "order": "dataloader", "shuffle": False, "shard": "pad"}
    more = {"num_samples": draws.num_samples} if draws.name != "dataloader" else {}
    if draws.name == "weighted":
        more["weights"] = draws.weights
    return {**o, "order": draws.name, **more}


def test_what_a_state_says_is_checked(ds, rows):
    with quiet(ds, order="dataloader", generator=seeded(1)) as loader:
        next(iter(loader))
        state = loader.state_dict()
    damages = [
        ({"seed": 5, "rows": "x", "digest": "0"}, "damaged"),
        ({"rows": state["drawn"]["rows"], "digest": "0" * 64}, "digest"),
        ({"generator": "AAAA"}, "generator"),
        ({"generator": "?"}, "cannot be read"),
        ({"generator": None}, "generator of the loader's own"),
        ({"pulled": "many"}, "asked of the generator"),
        ({"pulled": -1}, "asked of the generator"),
    ]
    for damage, words in damages:
        with quiet(ds, order="dataloader", generator=seeded(1)) as loader:
            kept = loader._draws.generator.get_state()
            damaged = copy.deepcopy(state)
            damaged["drawn"].update(damage)
            with pytest.raises(hsfeed.StateMismatch, match=words):
                loader.load_state_dict(damaged)
            assert torch.equal(kept, loader._draws.generator.get_state())
    for options in [{"order": "shuffle"}, {"order": "weighted", "weights": weights(rows)}, {}]:
        with quiet(ds, **options) as other, pytest.raises(hsfeed.StateMismatch, match="order: the state has"):
            other.load_state_dict(state)
    with quiet(ds, order="dataloader") as other, pytest.raises(hsfeed.StateMismatch, match="with a generator"):
        other.load_state_dict(state)


def test_other_weights_or_another_list_are_another_order(ds, rows):
    def state_of(**options):
        with quiet(ds, **options) as loader:
            next(iter(loader))
            return loader.state_dict()

    weighted = state_of(order="weighted", weights=weights(rows))
    listed = state_of(rows=rows[:30])
    by_length = state_of(order="length", length_batch=16)
    for state, options, words in [
        (weighted, {"order": "weighted", "weights": weights(rows)[::-1]}, "draws"),
        (weighted, {"order": "weighted", "weights": weights(rows), "num_samples": 9}, "draws"),
        (listed, {"rows": rows[:31]}, "order_digest"),
        (by_length, {"order": "length", "length_batch": 8}, "length_batch"),
    ]:
        with quiet(ds, **options) as other, pytest.raises(hsfeed.StateMismatch, match=words):
            other.load_state_dict(state)


def test_states_of_before_there_were_these_orders_are_good(ds):
    for options in [{}, {"order": "sequential"}]:
        with quiet(ds, batch_size=7, **options) as loader:
            batches = iter(loader)
            for _ in range(3):
                next(batches)
            state, rest = loader.state_dict(), indices_of(batches)
        for key in ("length_batch", "order_digest", "draws"):
            assert key not in state["options"]
        with quiet(ds, batch_size=7, **options) as other:
            other.load_state_dict(state)
            assert indices(other) == rest
    torch.manual_seed(3)
    with quiet(ds, order="dataloader", shuffle=False, batch_size=7, shard="pad") as other:
        before = torch.get_rng_state()  # a plain loader's state: the base seed of its pass is behind it
        other.load_state_dict(state)
        assert indices(other) == rest and torch.equal(torch.get_rng_state(), before)


# ---- ranks


@pytest.mark.parametrize("order", ["dataloader", "replacement", "weighted"])
def test_ranks_that_would_draw_otherwise_are_refused_and_a_common_generator_is_not(ds, rows, order):
    more = {"weights": weights(rows)} if order == "weighted" else {}
    with quiet(ds, order=order, rank=1, world_size=2, **more) as loader:
        for use in (len, iter, hsfeed.Loader.state_dict):
            with pytest.raises(hsfeed.BadArgument, match="differs from rank to rank") as caught:
                use(loader)
            assert "generator=" in caught.value.hint
    dealt = []
    for rank in range(2):
        torch.manual_seed(rank)  # the global one differs
        with quiet(ds, order=order, rank=rank, world_size=2, generator=seeded(5), batch_size=100, **more) as loader:
            dealt.append([sum(indices(loader), []) for _ in range(2)])
    with quiet(ds, order=order, generator=seeded(5), batch_size=100, **more) as alone:
        for epoch in range(2):
            whole = sum(indices(alone), [])
            flat = [row for pair in zip(dealt[0][epoch], dealt[1][epoch]) for row in pair]
            assert flat[: len(whole)] == whole


def test_samplers_of_several_ranks(ds, rows):
    with quiet(ds, sampler=SubsetRandomSampler(range(9)), rank=0, world_size=2) as loader:
        with pytest.raises(hsfeed.BadArgument, match="differs from rank to rank"):
            len(loader)
    dealt = []
    for rank in range(2):
        with quiet(ds, sampler=[4, 4, 1, 0, 7], rank=rank, world_size=2, shard="exact") as loader:
            dealt += indices(loader)
    assert dealt == [rows[[4, 1, 7]].tolist(), rows[[4, 0]].tolist()]
    with pytest.raises(hsfeed.BadArgument, match="dealt twice") as caught:
        quiet(ds, sampler=DistributedSampler(range(len(rows)), 2, 0))
    assert 'shard="pad"' in caught.value.hint


@pytest.mark.parametrize("shard", ["even", "batches"])
def test_whole_batches_are_dealt_as_accelerate_does(ds, rows, shard):
    data_loader = pytest.importorskip("accelerate.data_loader")
    for world, size, drop_last in [(2, 8, False), (3, 5, True), (4, 32, False), (3, 8, False)]:
        for epoch in range(2):
            order = rows[torch.randperm(len(rows), generator=seeded(42 + epoch)).numpy()].tolist()
            for rank in range(world):
                sampler = torch.utils.data.BatchSampler(order, size, drop_last)
                theirs = data_loader.BatchSamplerShard(sampler, world, rank, even_batches=shard == "even")
                with quiet(ds, shard=shard, batch_size=size, drop_last=drop_last, rank=rank, world_size=world) as ours:
                    ours.set_epoch(epoch)
                    assert indices(ours) == list(theirs) and len(ours) == len(list(theirs))


# ---- lists and samplers


def test_rows_are_an_order_of_ones_own(ds, rows):
    wanted = [int(r) for r in rows[[5, 5, 0, 40]]]
    for given in (wanted, np.array(wanted, dtype=np.int32), torch.tensor(wanted)):
        with quiet(ds, rows=given, batch_size=3) as loader:
            assert indices(loader) == [wanted[:3], wanted[3:]] == indices(loader)
            assert len(loader) == 2 and len(loader.dataset) == len(rows)
            assert loader.describe()["order"] == "explicit" and len(loader.describe()["order_digest"]) == 64
    with quiet(ds, rows=[], batch_size=3) as loader:
        assert indices(loader) == [] and len(loader) == 0
    outside = int(ds.split_rows("val", 0)[0])
    for wrong in ([outside], [ROWS], [-1]):
        with quiet(ds, rows=wrong) as loader, pytest.raises(hsfeed.BadRequest, match="entry 0"):
            len(loader)


def test_a_sampler_is_asked_anew_for_each_pass(ds, rows):
    class Growing:
        passes = 0

        def __iter__(self):
            self.passes += 1
            return iter(range(self.passes))

    sampler = Growing()
    with quiet(ds, sampler=sampler, batch_size=2) as loader:
        with pytest.raises(TypeError, match="len"):
            len(loader)
        assert [indices(loader) for _ in range(3)] == [
            [[rows[0]]],
            [[rows[0], rows[1]]],
            [[rows[0], rows[1]], [rows[2]]],
        ]
    for sampler, words in [([0, 66], "position 66"), ([-1], "position -1"), ([[0, 1]], "no position"),
                           ([0.5], "no position"), (["a"], "no position")]:  # fmt: skip
        with quiet(ds, sampler=sampler) as loader, pytest.raises(hsfeed.BadArgument, match=words):
            indices(loader)
    with pytest.raises(hsfeed.BadArgument, match="iterated anew"):
        quiet(ds, sampler=iter([1, 2]))


@pytest.mark.parametrize("transport", ["ring", "inline"])
def test_a_daemon_that_is_restarted_goes_on_with_the_same_numbers(daemon, db, demo, transport):
    mine = few(db, demo, 70, "mine")
    rows = mine.split_rows("train", 0)
    for kind in ("dataloader", "weighted", "sampler"):
        torch.manual_seed(6)
        _, theirs = pairs(mine, rows, kind, 5, False, None)
        wanted = [list(theirs), list(theirs)]
        torch.manual_seed(6)
        options = {
            "dataloader": {"order": "dataloader"},
            "weighted": {"order": "weighted", "weights": weights(rows), "num_samples": 50},
            "sampler": {"sampler": SubsetRandomSampler(range(0, len(rows), 2))},
        }[kind]
        with quiet(mine, batch_size=5, slots=4, transport=transport, **options) as loader:
            batches = iter(loader)
            got = [list_of(next(batches)) for _ in range(3)]
            daemon.stop()
            restart(daemon)
            got += indices_of(batches)
            assert [got, indices(loader)] == wanted, kind


def test_a_list_is_given_back_with_the_last_tensor_of_its_ring(tmp_path, demo):
    config = tmp_path / "conf"
    config.write_text("[limits]\nslot_bytes_per_user = 16M\n")
    daemon = Daemon(tmp_path, "--config", str(config)).start()
    with hsfeed.connect(daemon.socket) as db:
        mine = few(db, demo, 20, "mine")
        kept = None
        for i in range(24):
            with quiet(mine, "all", rows=np.full(400_000, i % 20, dtype=np.int64), batch_size=2, slots=4) as loader:
                batches = iter(loader)
                kept = next(batches)["input_ids"]  # the one before, and its stream, are let go of
                del batches
        assert loader.describe()["rows"] == 400_000 and kept is not None  # 1.6 MB of the daemon's each
        del kept
    assert daemon.stop() == 0


def test_masks_do_not_follow_what_is_drawn(ds, rows):
    """The seed of masks is the order's where nothing else is said; of a drawn order it is not what a pass was drawn."""

    def masked(**options):
        with quiet(ds, batch_size=100, max_length=16, mask_prob=0.3, **options) as loader:
            told = loader.describe()["mask_seed"]
            (batch,) = loader
            order = np.argsort(batch.index.numpy())
            return told, batch["input_ids"].numpy()[order]

    seed, wanted = masked()
    assert seed == 42
    for options in [{"order": "dataloader"}, {"order": "dataloader", "generator": seeded(1)}, {"rows": rows[::-1]}]:
        seed, got = masked(**options)
        assert seed == 42 and np.array_equal(got, wanted)
    assert masked(order="replacement", seed=7)[0] == 7
    with quiet(ds, order="dataloader", batch_size=10, mask_rows=0.5) as loader:
        batches = iter(loader)
        next(batches)
        state = loader.state_dict()
    assert state["options"]["mask_seed"] == 42
    with quiet(ds, order="dataloader", batch_size=10, mask_rows=0.5) as other:
        other.load_state_dict(state)
        assert len(indices(other)) == len(other) - 1


# ---- options


@pytest.mark.parametrize(
    "options, words",
    [
        ({"shuffle": True}, 'shuffle goes with the order "dataloader"'),
        ({"shuffle": False}, 'shuffle goes with the order "dataloader"'),
        ({"order": "explicit"}, "needs either rows or a sampler"),
        ({"rows": [1], "sampler": [1]}, "needs either rows or a sampler"),
        ({"rows": [1], "order": "shuffle"}, 'rows goes with the order "explicit"'),
        ({"rows": [1.5]}, "whole numbers"),
        ({"rows": [[1]]}, "whole numbers"),
        ({"rows": [1], "generator": torch.Generator()}, "nothing is drawn"),
        ({"rows": [1], "seed": 1}, "takes no seed"),
        ({"sampler": 5}, "iterated anew"),
        ({"order": "dataloader", "seed": 1}, "takes no seed"),
        ({"order": "dataloader", "generator": 5}, "torch.Generator"),
        ({"order": "dataloader", "num_samples": 5}, "num_samples goes with"),
        ({"order": "replacement", "seed": 1, "generator": torch.Generator()}, "not both"),
        ({"order": "replacement", "num_samples": 0}, "from 1 on"),
        ({"order": "replacement", "replacement": False}, 'replacement goes with the order "weighted"'),
        ({"order": "weighted"}, "needs weights"),
        ({"order": "weighted", "weights": ["a"]}, "weights are numbers"),
        ({"order": "weighted", "weights": [[1.0]]}, "of shape"),
        ({"weights": [1.0], "order": "shuffle"}, "weights goes with"),
        ({"generator": torch.Generator()}, "generator goes with"),
        ({"persistent_workers": True}, "persistent_workers goes with"),
        ({"length_batch": 4}, "length_batch goes with"),
        ({"order": "length", "length_batch": 0}, "from 1 on"),
        ({"order": "shuffle", "seed": -1}, "from 0 on"),
        ({"order": "replacement", "seed": 1.5}, "is a number"),
    ],
)
def test_options_that_do_not_go_together_are_refused_at_once(ds, options, words):
    with pytest.raises(hsfeed.BadArgument, match=words):
        quiet(ds, **options)


def test_what_torch_refuses_is_refused_with_its_sentence(ds, rows):
    with quiet(ds, order="weighted", weights=weights(rows)[:-1]) as loader:
        with pytest.raises(hsfeed.BadArgument, match="65 weights for the 66 rows"):
            next(iter(loader))
    with pytest.raises(hsfeed.BadArgument, match="weight={'LABEL': 5.0}"):
        quiet(ds, weights={"threat": 5.0})
    with quiet(ds, order="weighted", weights=[-1.0] * len(rows)) as loader:
        with pytest.raises(hsfeed.BadArgument, match="torch's sampler refuses"):
            next(iter(loader))
    with quiet(ds, order="weighted", weights=weights(rows), num_samples=67, replacement=False) as loader:
        with pytest.raises(hsfeed.BadArgument, match="torch's sampler refuses"):
            next(iter(loader))


def test_val_draws_beside_a_train_that_draws(ds, rows):
    torch.manual_seed(8)
    train, val = plain(rows, 32, shuffle=True), plain(ds.split_rows("val", 0), 32)
    wanted = [list(map(list, loader)) for loader in (train, val, train, val)]
    torch.manual_seed(8)
    train, val = ds.loaders(0, order="dataloader", quiet=True, max_length=4, rank=0, world_size=1)
    assert [indices(loader) for loader in (train, val, train, val)] == wanted
    for options, order in [({"rows": rows[:3]}, "sequential"), ({"order": "replacement", "seed": 1}, "sequential"),
                           ({"weights": [1.0] * len(rows), "seed": 1}, "sequential"),
                           ({"order": "length"}, "length"), ({"order": "shuffle"}, "shuffle")]:  # fmt: skip
        train, val = ds.loaders(0, quiet=True, rank=0, world_size=1, **options)
        assert val.describe()["order"] == order and val._draws is None


def test_what_was_chosen_is_told(ds, rows, capsys):
    told = {
        "order": {"order": "dataloader"},
        "seed": {"order": "replacement", "seed": 5},
        "length": {"order": "length", "length_batch": 64},
        "sampler": {"sampler": [1, 2]},
    }
    lines = {}
    for name, options in told.items():
        with quiet(ds, **{**options, "quiet": False}) as loader:
            len(loader)
        lines[name] = capsys.readouterr().err
    assert "; dataloader, drawn from torch's generator;" in lines["order"]
    assert "; replacement seed 5 + epoch;" in lines["seed"]
    assert "; length in batches of 64 seed 42 + epoch;" in lines["length"]
    assert "; sampler, drawn from torch's generator;" in lines["sampler"]
