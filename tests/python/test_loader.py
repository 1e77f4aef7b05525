# SPDX-License-Identifier: Apache-2.0
"""Loader: the batches of a numpy reference for any request, torch's own order, and passes as a trainer makes
them.
"""

import copy
import inspect
import json
import logging
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsfeed
from conftest import epochs_of
from reference import Reference, arrays_of, assert_all_same, assert_same

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def world_of_rows(shared_db, demo):
    """A small dataset with two roles, and its reference."""
    rng = np.random.default_rng(3)
    words = "rain sky the mushrooms last night I paid for 120 dish school কাঁচা মরিচ".split()
    texts = [" ".join(rng.choice(words, rng.integers(0, 30))) for _ in range(211)]
    ds = shared_db.ingest(
        "small",
        texts=texts,
        labels=np.arange(211) % 3 == 0,
        quiet=True,
        tokenizers={"text": demo / "tokenizer", "student": demo / "tokenizer"},
        normalize={"student": "nfc"},
    )
    return ds, Reference(ds)


def rows_of(ds, split, fold, plan=None):
    return ds.split_rows(split, fold, plan)


def deal(loader):
    return [arrays_of(batch) for batch in loader]


def quiet(ds, split="train", fold=0, **options):
    return ds.loader(
        split, None if split == "all" else fold, **{"quiet": True, "rank": 0, "world_size": 1, **options}
    )


requests = st.fixed_dictionaries(
    {
        "split": st.sampled_from(["train", "val", "all"]),
        "fold": st.integers(0, 4),
        "order": st.sampled_from(["shuffle", "sequential"]),
        "seed": st.integers(0, 2**40),
        "epoch": st.integers(0, 2**20),
        "batch_size": st.integers(1, 80),
        "drop_last": st.booleans(),
        "roles": st.sampled_from([("text",), ("student",), ("text", "student"), ("student", "text")]),
        "max_length": st.integers(3, 40),
        "padding": st.sampled_from(["max_length", "longest", 1, 7, 8, 64]),
        "dtype": st.sampled_from(["int64", "int32"]),
        "token_type_ids": st.booleans(),
        "world": st.integers(1, 5),
        "shard": st.sampled_from(["pad", "drop", "exact"]),
        "slots": st.integers(4, 12),
    }
)


@settings(max_examples=150, deadline=None)
@given(requests, st.data())
def test_batches_are_the_references_for_any_request(world_of_rows, request_, data):
    check_request(world_of_rows, dict(request_), data)


def check_request(world_of_rows, r, data):
    ds, reference = world_of_rows
    split, fold, epoch, world, slots = (r.pop(k) for k in ("split", "fold", "epoch", "world", "slots"))
    rank = data.draw(st.integers(0, world - 1))
    wanted = reference.batches(rows_of(ds, split, fold), epoch=epoch, rank=rank, world=world, **r)
    with quiet(ds, split, fold, rank=rank, world_size=world, slots=slots, **r) as loader:
        loader.set_epoch(epoch)
        assert len(loader) == len(wanted)
        assert_all_same(deal(loader), wanted)
        assert loader.state_dict()["epoch"] == epoch + 1
        stop = data.draw(st.integers(0, len(wanted)))
        resumed = check_resume(ds, reference, loader, (split, fold, epoch, rank, world), stop, r)
        assert resumed == len(wanted) - stop


def check_resume(ds, reference, loader, where, stop, r):
    """From the state after `stop` batches another loader deals the rest, and with another world what is
    left.
    """
    split, fold, epoch, rank, world = where
    loader.set_epoch(epoch)
    batches = iter(loader)
    for _ in range(stop):
        next(batches)
    state = loader.state_dict()
    with quiet(ds, split, fold, rank=rank, world_size=world, **r) as other:
        other.load_state_dict(state)
        rest = deal(other)
    wanted = reference.batches(
        rows_of(ds, split, fold), epoch=epoch, at=state["at"], rank=rank, world=world, **r
    )
    assert_all_same(rest, wanted)
    with quiet(ds, split, fold, rank=0, world_size=world + 1, **r) as wider:
        wider.load_state_dict(state)
        wanted = reference.batches(
            rows_of(ds, split, fold), epoch=epoch, at=state["at"], rank=0, world=world + 1, **r
        )
        assert_all_same(deal(wider), wanted)
    return len(rest)


def test_each_role_may_have_a_length_of_its_own(world_of_rows):
    ds, reference = world_of_rows
    lengths = {"student": 5, "text": 30}
    wanted = reference.batches(
        rows_of(ds, "val", 1),
        order="sequential",
        shard="exact",
        batch_size=32,
        roles=("student", "text"),
        max_length=lengths,
    )
    assert_all_same(deal(quiet(ds, "val", 1, max_length=lengths)), wanted)
    assert_all_same(deal(quiet(ds, "val", 1, max_length=lengths, roles=["student", "text"])), wanted)


def test_defaults_are_as_documented(world_of_rows):
    ds, reference = world_of_rows
    train, val = ds.loaders(fold=2, quiet=True)
    wanted = reference.batches(rows_of(ds, "train", 2), order="shuffle", shard="pad", batch_size=32)
    assert_all_same(deal(train), wanted)
    assert_all_same(
        deal(val), reference.batches(rows_of(ds, "val", 2), order="sequential", shard="exact", batch_size=32)
    )
    every = deal(ds.loader("all", quiet=True))
    assert_all_same(every, reference.batches(range(211), order="sequential", shard="exact", batch_size=32))


def test_plans_other_than_the_default(world_of_rows):
    ds, reference = world_of_rows
    plan = {"kind": "plain", "folds": 3, "fold_seed": 7, "shuffle": False}
    for fold, (train, val) in enumerate(ds.folds(3, "plain", 7, False)):
        loaders = ds.loaders(fold=fold, plan=plan, quiet=True)
        assert (loaders[0].dataset.indices == train).all() and (loaders[1].dataset.indices == val).all()
        assert_all_same(
            deal(loaders[1]), reference.batches(val, order="sequential", shard="exact", batch_size=32)
        )


@pytest.mark.parametrize(
    "labels, dtype", [(["x", "y", "z"] * 5, "int64"), (None, None), (np.eye(15)[:, :4], "float32")]
)
def test_labels_are_classes_numbers_or_none(shared_db, demo, labels, dtype):
    ds = shared_db.ingest(
        "kinds", texts=["a b"] * 15, labels=labels, tokenizers=demo / "tokenizer", quiet=True
    )
    reference = Reference(ds)
    wanted = reference.batches(range(15), order="sequential", shard="exact", batch_size=4, max_length=8)
    assert_all_same(deal(quiet(ds, "all", batch_size=4, max_length=8)), wanted)
    assert ("labels" in wanted[0]) == (labels is not None)
    assert labels is None or wanted[0]["labels"].dtype == dtype


# ---- a batch


def test_a_batch_goes_into_a_model_and_tells_its_place(world_of_rows):
    ds, _ = world_of_rows
    for i, batch in enumerate(quiet(ds, batch_size=50)):
        assert type(batch) is hsfeed.Batch and isinstance(batch, dict)
        assert list(batch) == ["input_ids", "attention_mask", "labels"]
        assert (batch.number, batch.epoch, batch.rows) == (i, 0, len(batch["labels"]))
        assert batch.at == min(50 * (i + 1), 168) and batch.index.shape == (batch.rows,)
        assert (lambda input_ids, attention_mask, labels: input_ids.shape)(**batch) == (batch.rows, 128)
        moved = batch.to("cpu", non_blocking=True)
        assert type(moved) is hsfeed.Batch and (moved.index == batch.index).all() and moved.at == batch.at
        copy = batch.clone()
        assert copy.copied and copy["input_ids"].data_ptr() != batch["input_ids"].data_ptr()
        assert (copy["input_ids"] == batch["input_ids"]).all() and (copy.index == batch.index).all()


def test_a_batch_is_copied_and_saved_whole(world_of_rows, tmp_path):
    ds, _ = world_of_rows
    batch = next(iter(quiet(ds)))
    torch.save(batch, tmp_path / "batch.pt")
    loaded = torch.load(tmp_path / "batch.pt", weights_only=False)
    for other in (pickle.loads(pickle.dumps(batch)), copy.copy(batch), copy.deepcopy(batch), loaded):
        assert type(other) is hsfeed.Batch and (other.at, other.epoch) == (batch.at, batch.epoch)
        assert_same(arrays_of(other), arrays_of(batch))


def test_loaders_go_on_when_their_database_is_closed(world_of_rows, shared_daemon):
    ds, _ = world_of_rows
    with hsfeed.connect(shared_daemon.socket) as other:
        loader = quiet(other.dataset(ds.ref))
    assert_all_same(deal(loader), deal(quiet(ds)))


def test_tensors_are_aligned_and_writable_by_their_owner_alone(world_of_rows):
    ds, reference = world_of_rows
    first = arrays_of(next(iter(quiet(ds, slots=4))))
    for _ in range(3):
        for batch in quiet(ds, slots=4):
            assert batch["input_ids"].data_ptr() % 64 == 0
            batch["input_ids"].fill_(7)  # a trainer may mask in place: it is its own batch that it spoils
            batch["labels"].zero_()
    assert_same(arrays_of(next(iter(quiet(ds, slots=4)))), first)


# ---- torch's own loader


class Rows(torch.utils.data.Dataset):
    def __init__(self, tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors["labels"])

    def __getitem__(self, i):
        return {name: tensor[i] for name, tensor in self.tensors.items()}


def train(batches, steps=None):
    """The losses of a small model over batches; bit for bit the same for the same batches."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    embed, head = torch.nn.Embedding(1000, 16), torch.nn.Linear(16, 1)
    optimizer = torch.optim.AdamW([*embed.parameters(), *head.parameters()], lr=1e-2)
    lossy, losses = torch.nn.BCEWithLogitsLoss(), []
    for batch in batches:
        mask = batch["attention_mask"].unsqueeze(-1).float()
        pooled = (embed(batch["input_ids"]) * mask).sum(1) / mask.sum(1)
        loss = lossy(head(pooled), batch["labels"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def check_losses(ds, epochs, **options):
    rows = ds.split_rows("train", 0)
    tensors = Rows({name: t[rows] for name, t in ds.tensors(max_length=32).items()})

    def of_torch():
        for epoch in range(epochs):
            order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(42 + epoch)).tolist()
            yield from torch.utils.data.DataLoader(tensors, batch_size=32, sampler=order)

    def of_hsfeed():
        loader = quiet(ds, max_length=32, **options)
        for _ in range(epochs):
            yield from loader

    assert train(of_hsfeed()) == train(of_torch())


def test_losses_are_those_over_torchs_own_dataloader(demo_set):
    check_losses(demo_set, 2)


def test_losses_over_real_data_are_those_of_torchs_own_dataloader(shared_db, shared):
    banglabert = shared / "data" / "tokenizers" / "banglabert"
    ds = shared_db.ingest(
        "real",
        shared / "data" / "csv" / "bn_hatespeech.csv",
        labels="HateSpeech",
        quiet=True,
        tokenizers=banglabert,
    )
    rows = ds.split_rows("train", 0)
    tensors = {
        name: t[rows] % 1000 if name == "input_ids" else t[rows]
        for name, t in ds.tensors(max_length=32).items()
    }
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(42)).tolist()
    wanted = train(torch.utils.data.DataLoader(Rows(tensors), batch_size=32, sampler=order))
    got = train({**b, "input_ids": b["input_ids"] % 1000} for b in quiet(ds, max_length=32))
    assert got == wanted


def test_ranks_are_distributed_samplers(world_of_rows):
    ds, _ = world_of_rows
    rows = ds.split_rows("train", 0)
    for shard, drop in (("pad", False), ("drop", True)):
        for rank in range(3):
            sampler = torch.utils.data.DistributedSampler(rows, 3, rank, seed=42, drop_last=drop)
            loader = quiet(ds, rank=rank, world_size=3, shard=shard)
            for epoch in range(2):
                sampler.set_epoch(epoch)
                got = [i for batch in loader for i in batch.index.tolist()]
                assert got == [int(rows[i]) for i in sampler]


# ---- passes


def test_each_pass_is_the_next_epoch_and_set_epoch_says_else(world_of_rows):
    ds, _ = world_of_rows
    loader = quiet(ds)
    assert loader.epoch == 0 and epochs_of(loader, 2) == [0, 1] and loader.epoch == 2
    loader.set_epoch(7)
    assert loader.epoch == 7 and epochs_of(loader, 2) == [7, 8]
    loader.set_epoch(np.int64(0))
    assert epochs_of(loader, 1) == [0]


def test_set_epoch_within_a_pass_is_for_the_next(world_of_rows):
    ds, _ = world_of_rows
    loader = quiet(ds)
    seen = []
    for batch in loader:
        loader.set_epoch(5)
        seen.append(batch.epoch)
    assert seen == [0] * len(loader) and epochs_of(loader, 2) == [5, 6]
    for bad in (-1, 1.5, "a", None):
        with pytest.raises(hsfeed.BadArgument):
            loader.set_epoch(bad)


def test_after_a_break_the_next_pass_is_the_next_epoch(world_of_rows):
    ds, reference = world_of_rows
    loader = quiet(ds, batch_size=8)
    for batch in loader:
        if batch.number == 2:
            break
    state = loader.state_dict()
    assert (state["epoch"], state["at"], loader.epoch) == (0, 24, 0)
    wanted = reference.batches(rows_of(ds, "train", 0), order="shuffle", epoch=1, shard="pad", batch_size=8)
    assert_all_same(deal(loader), wanted)


def test_the_newest_iterator_wins_and_the_older_says_so(world_of_rows):
    ds, _ = world_of_rows
    loader = quiet(ds, batch_size=8)
    first = iter(loader)
    assert next(first).epoch == 0
    second = iter(loader)
    assert next(second).epoch == 1
    with pytest.raises(hsfeed.PassEnded, match="another one over the same loader began"):
        next(first)
    assert next(second).number == 1
    with pytest.raises(hsfeed.PassEnded):
        list(zip(loader, loader))
    assert len(deal(loader)) == len(loader)


def test_closing_ends_a_pass_and_using_it_again_opens_it_again(world_of_rows):
    ds, _ = world_of_rows
    with quiet(ds) as loader:
        batches = iter(loader)
        kept = next(batches)
        wanted = arrays_of(kept)
    with pytest.raises(hsfeed.PassEnded):
        next(batches)
    assert_same(arrays_of(kept), wanted)
    assert epochs_of(loader, 1) == [1]
    loader.close()
    loader.close()
    batches = iter(loader)
    loader.close()
    with pytest.raises(hsfeed.PassEnded):
        next(batches)


def test_an_empty_epoch_is_an_empty_pass(world_of_rows):
    ds, _ = world_of_rows
    loader = quiet(ds, "val", drop_last=True, batch_size=1000)
    assert len(loader) == 0 and deal(loader) == [] and loader.epoch == 1
    assert len(loader.dataset) == 43


# ---- what it tells


def test_a_loader_tells_what_it_chose_once(world_of_rows, capsys):
    ds, _ = world_of_rows
    loader = ds.loader("train", 3)
    assert "not opened yet" in repr(loader) and capsys.readouterr().err == ""
    deal(loader)
    deal(loader)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for part in (
        f"small@{ds.version[:6]}: train of fold 3 (stratified, 5 folds, fold seed 42), 169 rows",
        "shuffle seed 42 + epoch",
        "6 batches of 32",
        "max_length text 128",
        "padding max_length",
        "int64",
        "rank 0 of 1, shard pad",
        "slots",
    ):
        assert part in said and part in repr(loader)
    told = loader.describe()
    assert not {"packed", "slot_bytes", "stream"} & set(told)
    assert told["plan"] == {"kind": "stratified", "folds": 5, "fold_seed": 42, "shuffle": True}
    assert (told["batch_size"], told["order"], told["device"], told["timeout"]) == (
        32,
        "shuffle",
        "cpu",
        300.0,
    )
    deal(ds.loader("train", 3, quiet=True))
    deal(ds.loader("train", 3, rank=1, world_size=2))  # rank 0 speaks for all
    assert capsys.readouterr().err == ""


def test_warnings_of_a_plan_are_logged(shared_db, demo, caplog):
    ds = shared_db.ingest(
        "rare", texts=["a"] * 12, labels=["x"] * 9 + ["y"] * 3, tokenizers=demo / "tokenizer", quiet=True
    )
    with caplog.at_level(logging.WARNING, "hsfeed"):
        deal(quiet(ds))
    assert any("least populated class" in record.getMessage() for record in caplog.records)


def test_the_dataset_of_a_loader_is_its_split(world_of_rows):
    ds, _ = world_of_rows
    train = quiet(ds, rank=1, world_size=2).dataset
    assert len(train) == 168 and (train.indices == ds.split_rows("train", 0)).all()
    assert train[5]["line"] == ds[int(train.indices[5])]["line"]
    assert len(quiet(ds, "all").dataset) == 211
    assert repr(train) == f"<hsfeed.Split train of fold 0 of small@{ds.version[:6]}: 168 rows>"
    assert pickle.loads(pickle.dumps(train))[5]["line"] == train[5]["line"]


def test_a_loader_cannot_be_pickled(world_of_rows):
    ds, _ = world_of_rows
    with pytest.raises(TypeError, match="make it in the process that uses it"):
        pickle.dumps(quiet(ds))


# ---- options


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"split": "test"}, "split is one of train, val, all"),
        ({"fold": None}, 'split "train" is of a fold'),
        ({"split": "all", "fold": 0}, "takes no fold"),
        ({"fold": -1}, "fold is a number from 0 on"),
        ({"fold": True}, "fold is a number"),
        ({"fold": 1.0}, "fold is a number"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_length": 0}, "max_length"),
        ({"max_length": {"a": 5}, "roles": ["text"]}, "the role 'a', which roles does not"),
        ({"padding": "left"}, "padding"),
        ({"padding": 0}, "padding"),
        ({"dtype": "float"}, "dtype"),
        ({"seed": -1}, "seed"),
        ({"rank": 0}, "go together"),
        ({"world_size": 2}, "go together"),
        ({"rank": 2, "world_size": 2}, "rank 2 is not one of 2"),
        ({"slots": 3}, "slots is a number from 4 on"),
        ({"transport": "tcp"}, "transport"),
        ({"plan": {"k": 5}}, "a plan has no 'k'"),
        ({"fold": 5}, "there is no fold 5: the plan has 5 folds, from 0 to 4"),
        ({"fold": 3, "plan": {"folds": 3}}, "there is no fold 3"),
        ({"roles": "teacher"}, r"no role 'teacher'; it has text, student\n  ds.add\("),
        ({"roles": ["text", "studnt"]}, "did you mean 'student'"),
        ({"max_length": {"studnt": 5}}, "no role 'studnt'"),
        ({"dtype": torch.float32}, "dtype is one of int64, int32, not 'float32'"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(world_of_rows, options, sentence):
    ds, _ = world_of_rows
    with pytest.raises(hsfeed.BadArgument, match=sentence):
        ds.loader(**{"split": "train", "fold": 0, **options})


@pytest.mark.parametrize(
    "option, hint",
    [
        ("num_workers", "not needed"),
        ("epoch", "set_epoch"),
        ("tokenizer", "roles="),
        ("n_splits", "plan={'folds': k}"),
        ("batchsize", "did you mean 'batch_size'?"),
        ("max_len", "did you mean 'max_length'?"),
        ("xyzzy", ""),
    ],
)
def test_an_unknown_option_is_an_error_with_a_way_out(world_of_rows, option, hint):
    ds, _ = world_of_rows
    for make in (ds.loader, ds.loaders):
        with pytest.raises(hsfeed.BadArgument, match=f"no option '{option}'") as caught:
            make(fold=0, **{option: 2})
        assert isinstance(caught.value, TypeError) and hint in caught.value.hint


def test_loader_and_loaders_have_the_options_of_a_loader():
    def options(function):
        return dict(inspect.signature(function).parameters)

    wanted = options(hsfeed.Loader.__init__)
    del wanted["dataset"]
    assert options(hsfeed.Dataset.loader) == wanted
    del wanted["split"]
    both = options(hsfeed.Dataset.loaders)
    assert both.pop("fold").default is inspect.Parameter.empty and wanted.pop("fold")
    assert both == wanted


@pytest.mark.parametrize(
    "options, error",
    [
        ({"order": "random"}, hsfeed.BadRequest),
        ({"shard": "odd"}, hsfeed.BadRequest),
        ({"max_length": 2}, None),
        ({"max_length": 1}, hsfeed.BadRequest),
        ({"plan": {"folds": 500}}, hsfeed.BadPlan),
        ({"plan": {"kind": "odd"}}, hsfeed.BadRequest),
    ],
)
def test_what_only_the_daemon_knows_is_refused_at_the_first_use(world_of_rows, options, error):
    ds, _ = world_of_rows
    loader = ds.loader(**{"split": "train", "fold": 0, "quiet": True, **options})
    if error is None:
        assert len(deal(loader)) == len(loader)
        return
    for use in (len, iter, hsfeed.Loader.describe):
        with pytest.raises(error):
            use(loader)


def test_without_torch_it_is_said_at_once(world_of_rows, monkeypatch):
    ds, _ = world_of_rows
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(hsfeed.MissingLibrary, match="a loader needs torch"):
        ds.loader("train", 0)


def test_a_device_that_is_not_there_is_refused(world_of_rows, monkeypatch):
    ds, _ = world_of_rows
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(hsfeed.BadArgument, match="there is no cuda:0: torch sees no CUDA here"):
        quiet(ds).to("cuda:0")
    with pytest.raises(hsfeed.BadArgument, match="'gpu' is no device"):
        quiet(ds).to("gpu")


def test_dtypes_may_be_torchs(world_of_rows):
    ds, _ = world_of_rows
    assert next(iter(quiet(ds, dtype=torch.int32)))["input_ids"].dtype == torch.int32
    assert ds.tensors(dtype=torch.int64)["input_ids"].dtype == torch.int64


# ---- ranks


def test_ranks_come_from_torchruns_environment(world_of_rows, monkeypatch, capsys):
    ds, _ = world_of_rows
    loader = ds.loader("train", 0)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert loader.describe()["world"] == 2  # found at the first use
    assert "rank 0 of 2 (RANK and WORLD_SIZE), shard pad" in capsys.readouterr().err
    assert ds.loader("train", 0, rank=0, world_size=1, quiet=True).describe()["world"] == 1
    for rank, world in (("0", "1"), ("", "2"), ("2", "2"), ("a", "2")):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", world)
        assert ds.loader("train", 0, quiet=True).describe()["world"] == 1


def test_ranks_come_from_torch_distributed_first(world_of_rows, monkeypatch):
    ds, _ = world_of_rows
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    told = ds.loader("train", 0, quiet=True).describe()
    assert (told["rank"], told["world"]) == (2, 3)


def test_states_are_plain_values(world_of_rows):
    ds, _ = world_of_rows
    state = quiet(ds, roles=["text", "student"]).state_dict()
    assert json.loads(json.dumps(state)) == state
