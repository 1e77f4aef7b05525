# SPDX-License-Identifier: Apache-2.0
"""Masks and weights on the wire: what an opening answers, what a seek keeps, and values that cannot be.
tests/python/test_masks.py has the batches.
"""

import json

import numpy as np
import pytest

from protoclient import Client, Refused

MASK = 4  # of the demo's tokenizer
SPECIAL = [0, 1, 2, 3, 4]


@pytest.fixture(scope="module")
def place(shared_daemon, tmp_path_factory, demo):
    folder = tmp_path_factory.mktemp("masks")
    rows = [f"the rain in the night paid for the dish,{i % 2},{int(i % 5 == 0)}" for i in range(400)]
    (folder / "rows.csv").write_text("\n".join(["comment,threat,insult", *rows]) + "\n")
    for name, labels in (("rows", "threat,insult"), ("none", "none")):
        shared_daemon.run("ingest", name, folder / "rows.csv", "--tokenizer", demo / "tokenizer", "--labels", labels)
    return shared_daemon


@pytest.fixture
def client(place):
    c = Client(place.socket)
    yield c
    c.close()


def opened(client, **params):
    given = {"name": "rows", "split": "all", "batch_size": 400, "max_length": 16, "slots": 1, **params}
    return client.call("stream.open", **given)


def batch_of(client, stream):
    """The next batch of a stream, released: {name: array}."""
    b = client.notice("stream.batch")
    assert b["stream"] == stream["stream"]
    client.notify("stream.release", stream=stream["stream"], fills=[[b["slot"], b["fill"]]])
    found, at = {}, 0
    for array in stream["arrays"]:
        dtype = np.dtype(array["dtype"])
        width = b["lengths"][array["role"]] if array["role"] is not None else array["columns"]
        n = b["rows"] * width
        found[array["name"]] = np.frombuffer(b["data"], dtype, n, at).reshape(b["rows"], width)
        at = -(-(at + n * dtype.itemsize) // 64) * 64
    return found


def test_what_is_on_is_answered_and_what_is_off_is_not(client):
    plain = opened(client)
    off = opened(client, mask_rows=0, mask_prob=0.0, mask_seed=3, mask_roles=["text"], weight={})
    assert set(plain) == set(off) and not [key for key in plain if "mask" in key or key == "weight"]
    on = opened(client, mask_prob=1, mask_seed=2**63 - 1, weight={"threat": 5, "insult": 0.25})
    assert (on["mask_prob"], on["mask_seed"], on["mask_roles"]) == (1.0, 2**63 - 1, ["text"])
    assert on["mask_algorithm"] == 1 and on["weight"] == {"threat": 5.0, "insult": 0.25} and "mask_rows" not in on
    assert [a["name"] for a in on["arrays"]] == ["input_ids", "attention_mask", "labels", "weight", "index"]
    assert on["arrays"][3]["dtype"] == "float32" and on["arrays"][3]["dims"] == 1
    assert opened(client, seed=77, mask_rows=0.5)["mask_seed"] == 77
    assert opened(client, split="val", fold=0, mask_rows=0.5)["warnings"] != []
    assert opened(client, split="train", fold=0, mask_rows=0.5)["warnings"] == []


def test_a_seek_changes_the_epoch_and_another_seed_the_order_alone(client):
    def by_row(batch):
        return (batch["input_ids"] == MASK)[np.argsort(batch["index"][:, 0])]

    stream = opened(client, mask_rows=0.5, order="shuffle")
    first = batch_of(client, stream)
    client.notice("stream.end")
    client.call("stream.seek", stream=stream["stream"], epoch=0, seed=7)
    again = batch_of(client, stream)
    client.notice("stream.end")
    assert (first["index"] != again["index"]).any() and (by_row(first) == by_row(again)).all()
    client.call("stream.seek", stream=stream["stream"], epoch=1, seed=42)
    other = batch_of(client, stream)
    assert (by_row(first) != by_row(other)).any()
    assert 150 < by_row(other).sum() < 250 and by_row(other).sum(axis=1).max() == 1


def test_rows_that_pad_an_epoch_are_masked_as_they_were_before(client):
    """400 rows over 3 ranks: two rows come twice."""
    seen = {}
    for rank in range(3):
        stream = opened(client, mask_prob=0.5, rank=rank, world=3, shard="pad")
        batch = batch_of(client, stream)
        for row, ids in zip(batch["index"][:, 0].tolist(), batch["input_ids"].tolist()):
            assert seen.setdefault(row, ids) == ids
        client.call("stream.close", stream=stream["stream"])
    assert len(seen) == 400


def test_weights_go_by_labels(client):
    batch = batch_of(client, opened(client, weight={"threat": 5, "insult": 0.25}))
    threat, insult = batch["labels"].T
    assert (batch["weight"][:, 0] == np.where(threat == 1, 5, np.where(insult == 1, 0.25, 1))).all()


WRONG = [
    ({"mask_rows": 1.5}, "bad_request", "above 0 and up to 1"),
    ({"mask_rows": -0.5}, "bad_request", "above 0 and up to 1"),
    ({"mask_rows": -1}, "bad_request", "above 0 and up to 1"),
    ({"mask_rows": 2**63}, "bad_request", "above 0 and up to 1"),
    ({"mask_prob": 1.0000000000000002}, "bad_request", "above 0 and up to 1"),
    ({"mask_prob": float("nan")}, "bad_request", '"mask_prob" must be a finite number'),
    ({"mask_prob": float("-inf")}, "bad_request", '"mask_prob" must be a finite number'),
    ({"mask_rows": "0.1"}, "bad_request", '"mask_rows" must be a number'),
    ({"mask_rows": [0.1]}, "bad_request", '"mask_rows" must be a number'),
    ({"mask_rows": 0.1, "mask_prob": 0.1}, "bad_request", "exclude each other"),
    ({"mask_rows": 0.1, "mask_seed": -1}, "bad_request", '"mask_seed" must be a whole number'),
    ({"mask_rows": 0.1, "mask_seed": 2**63}, "bad_request", '"mask_seed" must be a whole number'),
    ({"mask_rows": 0.1, "mask_seed": 0.5}, "bad_request", '"mask_seed" must be a whole number'),
    ({"mask_seed": 1}, "bad_request", "mask_seed says nothing without"),
    ({"mask_roles": ["text"]}, "bad_request", "mask_roles says nothing without"),
    ({"mask_rows": 0.1, "mask_roles": ["student"]}, "bad_request", 'the role "student"'),
    ({"mask_rows": 0.1, "mask_roles": ["text"] * 9}, "bad_request", '"mask_roles"'),
    ({"mask_rows": 0.1, "mask_roles": [""]}, "bad_request", '"mask_roles"'),
    ({"mask_rows": 0.1, "mask_roles": "text"}, "bad_request", '"mask_roles" must be an array'),
    ({"weight": {"threat": 0}}, "bad_request", 'weight of "threat"'),
    ({"weight": {"threat": -2}}, "bad_request", 'weight of "threat"'),
    ({"weight": {"threat": 1e39}}, "bad_request", 'weight of "threat"'),
    ({"weight": {"threat": 1e-46}}, "bad_request", 'weight of "threat"'),
    ({"weight": {"threat": float("inf")}}, "bad_request", '"weight" must be a finite number'),
    ({"weight": {"threat": None}}, "bad_request", '"weight" must be a number'),
    ({"weight": {"threat": "5"}}, "bad_request", '"weight" must be a number'),
    ({"weight": ["threat"]}, "bad_request", '"weight" must be a map'),
    ({"weight": {"": 5}}, "not_found", '"" is not a label column'),
    ({"weight": {"x" * 100_000: 5}}, "not_found", "is not a label column"),
    ({"weight": {f"label{i}": 5 for i in range(400)}}, "not_found", "is not a label column"),
    ({"weight": {"threat": 5, "insults": 5}}, "not_found", '"insults" is not a label column'),
    ({"name": "none", "weight": {"threat": 5}}, "bad_request", "none has none"),
]


@pytest.mark.parametrize("given,code,what", WRONG)
def test_values_that_cannot_be_are_refused(client, given, code, what):
    with pytest.raises(Refused) as refused:
        opened(client, **given)
    assert refused.value.code == code and what in refused.value.message, refused.value.message
    client.call("ping")


def test_a_label_that_is_not_there_is_told_those_that_are(client):
    with pytest.raises(Refused) as refused:
        opened(client, weight={"threats": 5})
    assert refused.value.hint == "label columns: threat, insult"


def test_the_command_prints_masks_and_weights_over_both_transports(place):
    options = ["--split", "all", "--mask-rows", "1", "--max-length", "16", "--weight", "insult=2.5"]
    ring, inline = (place.lines("stream", "rows", *options, "--transport", t) for t in ("ring", "inline"))
    assert json.dumps(ring) == json.dumps(inline) and len(ring) == 13
    for batch in ring:
        assert batch["weight"] == [2.5 if insult else 1 for _, insult in batch["labels"]]
        assert all(ids.count(MASK) == 1 for ids in batch["input_ids"])
