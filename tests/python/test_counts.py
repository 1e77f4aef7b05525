# SPDX-License-Identifier: Apache-2.0
"""lengths, weights, fold_table and estimate of a Dataset: against its own rows, numpy, and its own loaders."""

import numpy as np
import pytest

import hsfeed

WORDS = ["Good", "morning", "rain", "and", "the", "sea", "what", "is", "this", "text"]


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(3)
    return [" ".join(rng.choice(WORDS, 1 + int(rng.exponential(10)))) for _ in range(400)]


@pytest.fixture(scope="module")
def many(shared_db, demo, texts):
    labels = (np.random.default_rng(4).random((400, 3)) < [0.5, 0.1, 0.02]).astype(np.int64)
    both = {"one": demo / "tokenizer", "two": demo / "tokenizer"}
    ds = shared_db.ingest("many", texts=texts, labels=labels, tokenizers=both, quiet=True)
    assert (ds.label_values() == labels).all()
    return ds


@pytest.fixture(scope="module")
def classes(shared_db, demo, texts):
    labels = np.random.default_rng(5).choice(["sad", "glad", "mad"], 400, p=[0.7, 0.2, 0.1])
    return shared_db.ingest(
        "classes", texts=texts, labels=labels, tokenizers=demo / "tokenizer", quiet=True
    )


def lengths_of(ds, role=None):
    return np.concatenate([np.diff(page["offsets"].astype(np.int64)) for page in ds.pages(role)]) + 2


def test_lengths_are_those_of_the_rows(many):
    lengths = lengths_of(many)
    told = many.lengths("two", max_length=[8, np.int64(20)])
    assert told["role"] == "two" and told["encoding"] == many.encodings["two"]
    assert (told["rows"], told["tokens"], told["min"], told["max"]) == (
        400, lengths.sum(), lengths.min(), lengths.max())  # fmt: skip
    counts = np.array(told["histogram"]["counts"])
    assert (counts == np.bincount(lengths // told["histogram"]["width"])).all()
    assert [c["truncated_rows"] for c in told["cuts"]] == [(lengths > 8).sum(), (lengths > 20).sum()]
    assert [c["max_length"] for c in many.lengths()["cuts"]] == [64, 128, 256, 512]
    assert many.lengths()["role"] == "one" and many.lengths(max_length=9)["cuts"][0]["max_length"] == 9
    with pytest.raises(hsfeed.BadRequest, match="special tokens"):
        many.lengths(max_length=1)
    with pytest.raises(hsfeed.BadArgument, match="max_length is a number"):
        many.lengths(max_length="128")
    with pytest.raises(hsfeed.NotFound):
        many.lengths("three")


def same_bits(values, wanted):
    got = np.asarray(values)
    assert got.dtype == np.float32 and got.shape == np.shape(wanted)
    assert (got.view(np.uint32) == np.asarray(wanted, np.float32).view(np.uint32)).all()


def test_weights_of_labels(many):
    labels = many.label_values()
    plan = {"kind": "plain", "folds": 4, "fold_seed": 7}
    for fold, (train, _) in enumerate(many.folds(4, "plain", 7)):
        positive = labels[train].sum(axis=0, dtype=np.float64)
        negative = len(train) - positive
        ratio = negative / positive
        same_bits(many.weights(fold, plan=plan), ratio)
        same_bits(many.weights(fold, "sqrt", plan=plan, cap=2), np.minimum(np.sqrt(ratio), 2))
        same_bits(many.weights(fold, "log", plan=plan), np.log1p(ratio))
        of = lambda n: (1 - 0.99) / (1 - np.power(0.99, n))  # noqa: E731
        same_bits(
            many.weights(fold, "effective", plan=plan, beta=0.99, normalize=True), of(positive) / of(negative)
        )
        same_bits(many.weights(fold, plan=plan, pooled=True), [negative.sum() / positive.sum()])
        same_bits(many.pos_weight(fold, plan=plan), ratio)


def test_weights_of_classes_are_scikit_learns(classes):
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    values = classes.label_values()
    for fold, (train, _) in enumerate(classes.folds()):
        wanted = sklearn.compute_class_weight("balanced", classes=np.arange(3), y=values[train])
        same_bits(classes.weights(fold), wanted)
    with pytest.raises(hsfeed.BadRequest, match="balanced"):
        classes.weights(0, "ratio")
    with pytest.raises(hsfeed.BadLabel):
        classes.pos_weight(0)


def test_what_weights_warns_of_goes_to_the_logger(many, caplog):
    many.weights(0, "effective", plan={"kind": "plain"})
    assert "tiny as a pos_weight" in caplog.text


def test_pos_weight_is_one_call(many, monkeypatch):
    calls = []
    real = many.database.call
    monkeypatch.setattr(many.database, "call", lambda m, *rest: calls.append(m) or real(m, *rest))
    many.pos_weight(0, plan={"kind": "plain"})
    assert calls == ["weights"]


def test_the_fold_table_counts_tokens_of_a_role(many):
    lengths = lengths_of(many)
    table = many.fold_table({"kind": "plain", "folds": 3}, role="two", max_length=11)
    assert (table["role"], table["max_length"], table["used_rows"]) == ("two", 11, 400)
    for told, (train, val) in zip(table["folds"], many.folds(3, "plain")):
        for split, rows in (("train", train), ("val", val)):
            part = told[split]
            assert part["tokens"] == lengths[rows].sum()
            assert part["truncated_rows"] == (lengths[rows] > 11).sum()
            kept = np.minimum(lengths[rows], 11).sum()
            assert part["padding_share"] == pytest.approx(1 - kept / (11 * len(rows)))
        same_bits(np.array(told["weights"], np.float32).ravel(), np.asarray(
            many.weights(told["fold"], plan={"kind": "plain", "folds": 3})))
        assert 0 <= told["drift"] <= 1 and told["deviation"]["label"] in many.labels
    assert many.fold_table({"kind": "plain"})["role"] == "one"
    with pytest.raises(hsfeed.BadArgument, match="max_length"):
        many.fold_table(max_length=0)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "longest", "batch_size": 7, "epoch": 2, "max_length": {"one": 30, "two": 9}},
        {"padding": 8, "order": "sequential", "drop_last": True, "roles": ["two"], "max_length": 12},
        {"order": "shuffle", "seed": 9, "roles": ["two", "one"], "padding": "longest"},
        {"order": "length", "length_batch": 16, "padding": "longest", "batch_size": 4},
        {"order": "length", "padding": "longest", "shard": "even", "batch_size": 30},
        {"shard": "batches", "batch_size": 30, "drop_last": True},
    ],
)
def test_an_estimate_is_what_loaders_give(many, options):
    pytest.importorskip("torch")
    plan = {"kind": "plain", "folds": 3}
    told = many.estimate(1, plan=plan, **options)
    assert [f["fold"] for f in told["folds"]] == [1] and told["epoch"] == options.get("epoch", 0)
    given = {key: value for key, value in options.items() if key != "epoch"}
    for split in ("train", "val", "all"):
        where = {} if split == "all" else {"fold": 1, "plan": plan}
        part = told["all"] if split == "all" else told["folds"][0][split]
        with many.loader(split, **where, **given, quiet=True, rank=0, world_size=1) as loader:
            loader.set_epoch(told["epoch"])
            masks = {role["role"]: [0, 0] for role in part["roles"]}
            batches = samples = 0
            for batch in loader:
                batches, samples = batches + 1, samples + len(batch.index)
                for i, sums in enumerate(masks.values()):
                    mask = batch["attention_mask" if i == 0 else f"{list(masks)[i]}_attention_mask"]
                    sums[0] += int(mask.sum())
                    sums[1] += mask.numel()
        assert (part["rows"], part["batches"], part["samples"]) == (len(loader.dataset), batches, samples)
        for role in part["roles"]:
            assert [role["real_tokens"], role["padded_tokens"]] == masks[role["role"]]


def test_an_estimate_checks_its_options(many):
    assert len(many.estimate(plan={"kind": "plain"})["folds"]) == 5
    assert many.estimate(0, plan={"kind": "plain"}, world_size=4)["world"] == 4
    for wrong, sentence in (
        ({"rank": 1}, "world_size"),
        ({"fold": 5}, "no fold 5"),
        ({"roles": "three"}, "three"),
        ({"epoch": -1}, "epoch"),
        ({"batchsize": 3}, "batch_size"),
        ({"padding": "wide"}, "padding"),
    ):
        with pytest.raises(hsfeed.BadArgument, match=sentence):
            many.estimate(**{"plan": {"kind": "plain"}, **wrong})
    with pytest.raises(hsfeed.BadRequest, match="order"):
        many.estimate(0, plan={"kind": "plain"}, order="backwards")
    with pytest.raises(hsfeed.BadRequest, match="nothing can be estimated"):
        many.estimate(0, plan={"kind": "plain"}, order="explicit")
    with pytest.raises(hsfeed.BadRequest, match="length_batch goes with"):
        many.estimate(0, plan={"kind": "plain"}, length_batch=4)
    with pytest.raises(hsfeed.LimitExceeded):
        many.estimate(0, plan={"kind": "plain"}, world_size=1 << 20)


def test_a_saved_plan_is_taken_by_its_name(many):
    options = {"kind": "plain", "folds": 4, "fold_seed": 3}
    many.save_plan("quarters", plan=options)
    same_bits(many.weights(3, plan="quarters"), np.asarray(many.weights(3, plan=options)))
    assert many.estimate(3, plan="quarters") == many.estimate(3, plan=options)
    assert many.fold_table("quarters") == many.fold_table(options)
    assert len(many.estimate(plan="quarters")["folds"]) == 4
    with pytest.raises(hsfeed.BadRequest, match="no fold 4"):
        many.weights(4, plan="quarters")
    with pytest.raises(hsfeed.NotFound):
        many.weights(0, plan="halves")


def test_a_dataset_without_encodings_has_folds_weights_and_estimates(shared_db):
    ds = shared_db.dataset(shared_db.call("ingest", {
        "name": "plain", "source": upload(shared_db, b"comment,label\na,0\nb,1\nc,1\nd,0\n"),
        "file_name": "plain.csv", "options": {"labels": ["label"]}, "tokenizers": []})["dataset"])
    assert ds.roles == ()
    table = ds.fold_table({"folds": 2})
    assert "role" not in table and "tokens" not in table["folds"][0]["val"]
    assert np.asarray(ds.weights(0, plan={"folds": 2})).tolist() == [1.0]
    assert ds.estimate(plan={"folds": 2})["all"]["roles"] == []
    with pytest.raises(hsfeed.NotFound):
        ds.lengths()


def upload(db, data):
    handle = db.call("file.begin", {"name": "plain.csv", "bytes": len(data)})["handle"]
    db.call("file.chunk", {"handle": handle, "data": data})
    return handle
