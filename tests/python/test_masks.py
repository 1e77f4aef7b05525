# SPDX-License-Identifier: Apache-2.0
"""Masks and weights: batches equal a model written from PROTOCOL.md, in Python's own integers; shares,
refusals, states.
"""

import copy
import json
import logging
import math
import re
import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsfeed
from reference import PAD, Reference, arrays_of, assert_all_same, assert_same

torch = pytest.importorskip("torch")

UNK, CLS, SEP, MASK = 1, 2, 3, 4
SPECIAL = {PAD, UNK, CLS, SEP, MASK}
N = 263


# ---- the model


def draw(state, n):
    """Draw n, from 0, of SplitMix64 with this state."""
    z = (state + (n + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def masked_places(ids, row, remain, how):
    """The places of one row's tokens that are masked; remain: those left after truncation in every masked
    role.
    """
    state = draw(draw(draw(how["seed"], 0), how["epoch"]), row)
    if how["kind"] == "mask_prob":
        return [
            t
            for t, token in enumerate(ids)
            if token not in SPECIAL and draw(state, t) >> 11 < how["share"] * 2**53
        ]
    real = [t for t in remain if ids[t] not in SPECIAL]
    if not real or not state >> 11 < how["share"] * 2**53:
        return []
    return [min(real, key=lambda t: (draw(state, t), t))]


def kept(n, length, left):
    budget = min(n, length - 2)
    return range(n - budget, n) if left else range(budget)


def masked_ids(ids, row, lengths, left, how):
    """The whole row's ids after masking, before truncation: lengths are those of the masked roles."""
    remain = kept(len(ids), min(lengths), left)
    places = set(masked_places(ids, row, remain, how))
    return [MASK if t in places else token for t, token in enumerate(ids)]


class Model(Reference):
    """The reference of batches, with masks, weights, and both sides of truncation and padding."""

    left: set[str] = set()

    def batch(self, index, *, roles, max_length, padding, dtype, how, masked, weight=None, **_: Any):
        made = {}
        lengths = {role: max_length[role] if isinstance(max_length, dict) else max_length for role in roles}
        for i, role in enumerate(roles):
            left = role in self.left
            rows = []
            for r in index:
                ids = self.ids[role][r]
                if role in masked:
                    ids = masked_ids(ids, int(r), [lengths[m] for m in masked], left, how)
                rows.append([CLS, *(ids[t] for t in kept(len(ids), lengths[role], left)), SEP])
            width = self.width(rows, lengths[role], padding)
            for name, pad, values in (
                ("input_ids", PAD, rows),
                ("attention_mask", 0, [[1] * len(row) for row in rows]),
            ):
                full = [
                    [pad] * (width - len(row)) + row if left else row + [pad] * (width - len(row))
                    for row in values
                ]
                made[f"{role}_{name}" if i else name] = np.array(full, dtype=dtype)
        made["labels"] = self.labels[np.asarray(index)]
        if weight:
            made["weight"] = self.weights(np.asarray(index), weight)
        made["index"] = np.asarray(index, dtype=np.int64)
        return made

    def weights(self, index, weight):
        labels = self.labels[index]
        names = {"a": 0, "b": 1, "c": 2}
        rules = np.stack([np.where(labels[:, names[n]] != 0, w, 0.0) for n, w in weight.items()])
        most = rules.max(axis=0)
        return np.where(most > 0, most, 1.0).astype(np.float32)


# ---- data


def tokenizer(folder, demo, **changes):
    """The demo's tokenizer with other settings; None takes a key out."""
    shutil.copytree(demo / "tokenizer", folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        given = json.loads((folder / name).read_text())
        given.update({k: v for k, v in changes.items() if name == "tokenizer_config.json" or k in given})
        (folder / name).write_text(json.dumps({k: v for k, v in given.items() if v is not None}))
    return folder


@pytest.fixture(scope="module")
def world(shared_db, demo, tmp_path_factory):
    """Three labels; roles text and twin of one encoding, left of another, bare without a mask token."""
    rng = np.random.default_rng(11)
    words = "rain sky the mushrooms last night I paid 120 dish [SEP] [MASK] \u2603 [PAD] কাঁচা মরিচ".split()
    texts = [" ".join(rng.choice(words, rng.integers(0, 30))) for _ in range(N)]
    texts[7], texts[8] = "\u2603 [SEP]", ""  # no real token
    labels = (rng.random((N, 3)) < [0.4, 0.2, 0.05]).astype(float)
    folder = tmp_path_factory.mktemp("tokenizers")
    left = tokenizer(folder / "left", demo, padding_side="left", truncation_side="left")
    bare = tokenizer(folder / "bare", demo, tokenizer_class="PreTrainedTokenizerFast", mask_token=None)
    ds = shared_db.ingest(
        "three",
        texts=texts,
        labels={name: labels[:, i] for i, name in enumerate("abc")},
        quiet=True,
        tokenizers={"text": demo / "tokenizer", "twin": demo / "tokenizer", "left": left, "bare": bare},
    )
    model = Model(ds)
    model.left = {"left"}
    return ds, model


def quiet(ds, split="train", fold=0, **options):
    fold = None if split == "all" else fold
    return ds.loader(split, fold, **{"quiet": True, "rank": 0, "world_size": 1, **options})


def deal(loader):
    with loader:
        return [arrays_of(batch) for batch in loader]


# ---- batches


ROLES = [
    (("text",), None),
    (("left",), None),
    (("text", "twin"), None),
    (("twin", "text"), ("text",)),
    (("text", "left"), ("left",)),
    (("left", "text", "twin"), ("text", "twin")),
    (("text", "bare"), ("text",)),
]
requests = st.fixed_dictionaries(
    {
        "split": st.sampled_from(["train", "val", "all"]),
        "fold": st.integers(0, 4),
        "epoch": st.integers(0, 2**40),
        "roles": st.sampled_from(ROLES),
        "kind": st.sampled_from(["mask_rows", "mask_prob"]),
        "share": st.sampled_from([1.0, 0.1, 0.5, 2**-53, 1 / 3]) | st.floats(0, 1, exclude_min=True),
        "mask_seed": st.none() | st.integers(0, 2**63 - 1),
        "seed": st.integers(0, 2**40),
        "order": st.sampled_from(["shuffle", "sequential"]),
        "batch_size": st.sampled_from([1, 7, 32, 300]),
        "lengths": st.lists(st.integers(2, 40), min_size=3, max_size=3),
        "padding": st.sampled_from(["max_length", "longest", 8]),
        "dtype": st.sampled_from(["int64", "int32"]),
        "world": st.integers(1, 4),
        "shard": st.sampled_from(["pad", "drop", "exact"]),
        "transport": st.sampled_from(["ring", "inline"]),
        "weight": st.none()
        | st.dictionaries(
            st.sampled_from(["a", "b", "c"]), st.floats(2**-20, 1e6, width=32), min_size=1, max_size=3
        ),
    }
)


@settings(max_examples=120, deadline=None)
@given(requests, st.data())
def test_batches_are_the_models_for_any_request(world, request_, data):
    ds, model = world
    r = dict(request_)
    split, fold, epoch, size, kind = (r.pop(k) for k in ("split", "fold", "epoch", "world", "kind"))
    (roles, named), share, transport, mask_seed = (
        r.pop(k) for k in ("roles", "share", "transport", "mask_seed")
    )
    r["max_length"] = dict(zip(roles, r.pop("lengths")))
    rank = data.draw(st.integers(0, size - 1))
    how = {
        "kind": kind,
        "share": share,
        "epoch": epoch,
        "seed": r["seed"] if mask_seed is None else mask_seed,
    }
    rows = ds.split_rows(split, fold)
    shape = {"how": how, "masked": named or roles, "roles": roles}
    wanted = model.batches(rows, epoch=epoch, rank=rank, world=size, **shape, **r)
    asked = {**r, kind: share, "mask_seed": mask_seed, "mask_roles": named, "roles": roles}
    with quiet(ds, split, fold, rank=rank, world_size=size, transport=transport, **asked) as loader:
        loader.set_epoch(epoch)
        assert_all_same([arrays_of(batch) for batch in loader], wanted)
        stop = data.draw(st.integers(0, len(wanted)))
        loader.set_epoch(epoch)
        batches = iter(loader)
        for _ in range(stop):
            next(batches)
        state = loader.state_dict()
    with quiet(ds, split, fold, rank=0, world_size=size + 1, **asked) as wider:
        wider.load_state_dict(state)
        rest = [arrays_of(batch) for batch in wider]
    wanted = model.batches(rows, epoch=epoch, at=state["at"], rank=0, world=size + 1, **shape, **r)
    assert_all_same(rest, wanted)


def plain_and_masked(ds, **options):
    """Every row's ids, unmasked and masked, in row order."""
    common = {"batch_size": 64, "max_length": 40}
    plain = deal(quiet(ds, "all", **common))
    masked = deal(quiet(ds, "all", **common, **options))
    return [np.concatenate([b["input_ids"] for b in batches]) for batches in (plain, masked)]


def bounds(n, p, sigmas=5):
    """Where a binomial number almost surely lies."""
    spread = sigmas * math.sqrt(n * p * (1 - p))
    return n * p - spread, n * p + spread


@pytest.fixture(scope="module")
def many(shared_db, demo):
    """Rows enough for shares to be told."""
    texts = ["the rain in the night \u2603 I paid for the dish"] * 20_000
    return shared_db.ingest(
        "many", texts=texts, labels=None, quiet=True, tokenizers={"text": demo / "tokenizer"}
    )


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", [0, 42])
def test_a_share_of_the_rows_has_one_masked_token_anywhere_in_them(many, share, seed):
    plain, masked = plain_and_masked(many, mask_rows=share, mask_seed=seed)
    differ = plain != masked
    assert differ.sum(axis=1).max() == 1 and (masked[differ] == MASK).all()
    assert not np.isin(plain[differ], list(SPECIAL)).any()
    low, high = bounds(len(plain), share)
    assert low <= differ.sum() <= high
    real = np.flatnonzero(~np.isin(plain[0], list(SPECIAL)))
    places = differ.sum(axis=0)
    assert places[[i for i in range(plain.shape[1]) if i not in real]].sum() == 0
    low, high = bounds(int(differ.sum()), 1 / len(real))
    assert all(low <= n <= high for n in places[real])


@pytest.mark.parametrize("share", [0.01, 0.15, 0.5])
def test_a_share_of_the_real_tokens_is_masked_independently(many, share):
    plain, masked = plain_and_masked(many, mask_prob=share)
    differ, real = plain != masked, ~np.isin(plain, list(SPECIAL))
    assert not (differ & ~real).any() and (masked[differ] == MASK).all()
    low, high = bounds(int(real.sum()), share)
    assert low <= differ.sum() <= high
    for column in np.flatnonzero(real[0]):
        low, high = bounds(len(plain), share)
        assert low <= differ[:, column].sum() <= high
    pairs = np.flatnonzero(real[0])
    both = (differ[:, pairs[0]] & differ[:, pairs[1]]).sum()
    low, high = bounds(len(plain), share**2)
    assert low <= both <= high


def test_epochs_and_seeds_differ_and_nothing_is_masked_twice_differently(many):
    def masks(epoch, **options):
        with quiet(many, "all", mask_rows=0.5, max_length=16, batch_size=512, **options) as loader:
            loader.set_epoch(epoch)
            return torch.cat([batch["input_ids"].clone() for batch in loader]) == MASK

    first = masks(0)
    assert torch.equal(first, masks(0)) and torch.equal(first, masks(0, mask_seed=42, seed=7))
    for other in (masks(1), masks(0, mask_seed=43), masks(0, seed=43)):
        same = (first.any(1) & other.any(1)).sum().item()
        low, high = bounds(len(first), 0.25)
        assert low <= same <= high


def test_a_token_that_remains_with_another_length_is_masked_there_too(world):
    ds, _ = world
    short = deal(quiet(ds, "all", mask_prob=0.3, max_length=9))
    long = deal(quiet(ds, "all", mask_prob=0.3, max_length=40))
    for a, b in zip(short, long):
        inner = a["input_ids"][:, 1:8], b["input_ids"][:, 1:8]
        both = (inner[0] != PAD) & (inner[0] != SEP)
        assert (inner[0][both] == inner[1][both]).all()


def test_attention_masks_and_type_ids_stay(world):
    ds, _ = world
    options = {"max_length": 20, "token_type_ids": True}
    plain = deal(quiet(ds, "all", **options))
    for a, b in zip(plain, deal(quiet(ds, "all", **options, mask_prob=1.0))):
        assert (a["attention_mask"] == b["attention_mask"]).all()
        assert (a["token_type_ids"] == b["token_type_ids"]).all()
        changed = a["input_ids"] != b["input_ids"]
        assert (changed == ~np.isin(a["input_ids"], list(SPECIAL))).all()


# ---- weights


def test_weights_of_classes_go_by_value(shared_db, demo):
    values = ["sad", "angry", "glad", "sad", "glad=2"] * 9
    ds = shared_db.ingest(
        "classes", texts=["rain"] * 45, labels=values, quiet=True, tokenizers={"text": demo / "tokenizer"}
    )
    (batch,) = deal(quiet(ds, "all", batch_size=45, weight={"sad": 2.5, "glad=2": 3, "angry": 0.5}))
    assert list(batch) == ["input_ids", "attention_mask", "labels", "weight", "index"]
    wanted = {"sad": 2.5, "angry": 0.5, "glad": 1, "glad=2": 3}
    assert batch["weight"].dtype == np.float32 and batch["weight"].tolist() == [wanted[v] for v in values]
    with pytest.raises(hsfeed.BadArgument, match="no class 'joy'; it has angry, glad, glad=2, sad"):
        quiet(ds, weight={"joy": 2.0})


def test_weights_of_a_rule_below_one_and_of_several(world):
    ds, model = world
    weight = {"a": 0.25, "b": 7.0, "c": 7.5}
    got = np.concatenate([b["weight"] for b in deal(quiet(ds, "all", weight=weight))])
    wanted = model.weights(np.arange(N), weight)
    assert (got == wanted).all() and set(wanted.tolist()) == {0.25, 1.0, 7.0, 7.5}
    assert "weight" not in deal(quiet(ds, "all", weight={}))[0]


# ---- refusals


@pytest.mark.parametrize(
    "options,what",
    [
        ({"mask_rows": -0.1}, "mask_rows is a share from 0"),
        ({"mask_rows": 1.0001}, "mask_rows is a share from 0"),
        ({"mask_prob": float("nan")}, "mask_prob is a number"),
        ({"mask_prob": float("inf")}, "mask_prob is a number"),
        ({"mask_rows": "0.1"}, "mask_rows is a number"),
        ({"mask_rows": True}, "mask_rows is a number"),
        ({"mask_rows": 0.1, "mask_prob": 0.1}, "exclude each other"),
        ({"mask_seed": 1}, "say nothing without"),
        ({"mask_roles": ["text"]}, "say nothing without"),
        ({"mask_rows": 0.1, "mask_seed": -1}, "mask_seed is a number from 0"),
        ({"weight": ["a"]}, "weight is a dict"),
        ({"weight": {"a": 0}}, "above 0"),
        ({"weight": {"a": -1.0}}, "above 0"),
        ({"weight": {"a": float("inf")}}, "is a number"),
        ({"weight": {"threat": 5.0}}, "no label 'threat'; it has a, b, c"),
    ],
)
def test_options_that_cannot_be_are_refused_when_the_loader_is_made(world, options, what):
    with pytest.raises(hsfeed.BadArgument, match=re.escape(what)):
        quiet(world[0], **options)


@pytest.mark.parametrize(
    "options,error,what",
    [
        ({"mask_rows": 0.1, "roles": ["bare"]}, hsfeed.BadRequest, 'tokenizer of role "bare" has none'),
        ({"mask_prob": 0.1, "roles": ["text", "left"]}, hsfeed.BadRequest, "tokens do not correspond"),
        (
            {"mask_rows": 0.1, "roles": ["text", "bare"], "mask_roles": ["text", "bare"]},
            hsfeed.BadRequest,
            "tokens do not correspond",
        ),
        ({"mask_rows": 0.1, "mask_roles": ["left"]}, hsfeed.BadRequest, 'names the role "left"'),
        ({"weight": {"a": 1e39}}, hsfeed.BadRequest, 'weight of "a" is a float32 above 0'),
        ({"weight": {"a": 1e-60}}, hsfeed.BadRequest, 'weight of "a" is a float32 above 0'),
    ],
)
def test_what_the_daemon_refuses_it_refuses_at_the_first_use(world, options, error, what):
    with quiet(world[0], **options) as loader, pytest.raises(error, match=re.escape(what)):
        len(loader)


def test_unlabelled_rows_have_no_weights(many):
    with pytest.raises(hsfeed.BadArgument, match="it has none"):
        quiet(many, "all", weight={"a": 2.0})


# ---- what is told, and states


def test_what_is_masked_is_told_and_validation_is_warned_of(world, capsys, caplog):
    ds, _ = world
    train, val = ds.loaders(fold=0, mask_rows=0.25, weight={"a": 5}, rank=0, world_size=1)
    with train, val:
        told = train.describe()
        assert (told["mask_rows"], told["mask_seed"], told["mask_algorithm"]) == (0.25, 42, 1)
        assert told["mask_roles"] == ["text"] and told["weight"] == {"a": 5.0}
        assert "mask_rows 0.25 of text, seed 42; weight a 5" in capsys.readouterr().err
        assert not any(key.startswith("mask") for key in val.describe()) and val.describe()["weight"]
        assert "mask" not in capsys.readouterr().err and "validation" not in caplog.text
    with caplog.at_level(logging.WARNING, "hsfeed"), quiet(ds, "val", mask_prob=0.5) as loader:
        len(loader)
    assert "validation rows are masked" in caplog.text


def test_off_is_as_if_nothing_was_said(world):
    ds, _ = world
    with quiet(ds) as plain, quiet(ds, mask_rows=0, mask_prob=0.0, mask_seed=3, mask_roles="text") as off:
        assert plain.state_dict() == off.state_dict()
        assert not any(key.startswith("mask") or key == "weight" for key in plain.state_dict()["options"])
        off.load_state_dict(plain.state_dict())


def test_a_state_keeps_masks_and_weights_apart(world):
    ds, _ = world
    options = {"mask_rows": 0.5, "mask_seed": 3, "weight": {"a": 5.5, "b": 2}}
    with quiet(ds, **options) as loader:
        state = json.loads(json.dumps(loader.state_dict()))
    with quiet(ds, **options) as loader:
        loader.load_state_dict(state)
    for other in (
        {},
        {**options, "mask_rows": 0.25},
        {**options, "mask_seed": 4},
        {**options, "weight": {"a": 5.5}},
        {"mask_prob": 0.5, "mask_seed": 3, "weight": options["weight"]},
    ):
        with quiet(ds, **other) as loader, pytest.raises(hsfeed.StateMismatch, match="mask_|weight"):
            loader.load_state_dict(state)
    older = copy.deepcopy(state)
    older["options"] = {
        k: v for k, v in state["options"].items() if not k.startswith("mask") and k != "weight"
    }
    with quiet(ds) as loader:
        loader.load_state_dict(older)


def test_after_a_restart_the_same_tokens_are_masked(db, daemon, demo):
    from conftest import restart

    texts = [f"the rain in the night paid for dish {i % 7}" for i in range(64)]
    ds = db.ingest("again", texts=texts, labels=None, quiet=True, tokenizers={"text": demo / "tokenizer"})
    options = {"mask_rows": 0.5, "mask_seed": 5, "batch_size": 8, "slots": 4}
    wanted = deal(quiet(ds, "all", **options))
    with quiet(ds, "all", **options) as loader:
        batches = iter(loader)
        got = [arrays_of(next(batches)) for _ in range(3)]
        daemon.stop()
        restart(daemon)
        got += [arrays_of(batch) for batch in batches]
    for a, b in zip(got, wanted, strict=True):
        assert_same(a, b)
