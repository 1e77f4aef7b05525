# SPDX-License-Identifier: Apache-2.0
"""Every kind of split over the real daemon, beside scikit-learn and iterative-stratification on what pandas read."""

import json
import random
import warnings

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
sklearn = pytest.importorskip("sklearn")
model_selection = pytest.importorskip("sklearn.model_selection")
iterstrat = pytest.importorskip("iterstrat.ml_stratifiers")

from protoclient import Client, Refused

N = 431
CURRENT = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 8)


def make_csv(path, seed=5):
    rng = random.Random(seed)
    frame = pd.DataFrame(
        {
            "comment": [f"text {i}" for i in range(N)],
            "A": [int(rng.random() < 0.4) for _ in range(N)],
            "B": [int(rng.random() < 0.1) for _ in range(N)],
            "C": [int(rng.random() < 0.02) for _ in range(N)],
            "class": [rng.choice(["sad", "angry", "glad"]) for _ in range(N)],
            "number": [rng.choice([-3, 7, 10, 9, 100, 20, 31, 5, 64]) for _ in range(N)],
            "real": [rng.choice([1.5, -0.25, 10.0, 9.0, 1e3, 2.5]) for _ in range(N)],
            "author": [rng.choice(["z", "a", "B", "ä", "10", "9", "ক", "aa"]) for _ in range(N)],
            "fold": [rng.choice([-1, 0, 1, 2]) for _ in range(N)],
            "holes": [rng.choice(["x", "y"]) if i != 17 else "" for i in range(N)],
        }
    )
    frame.to_csv(path, index=False)
    return pd.read_csv(path)


@pytest.fixture(scope="module")
def data(shared_daemon, tmp_path_factory, demo):
    folder = tmp_path_factory.mktemp("plans")
    frame = make_csv(folder / "rows.csv")
    for name, labels in (("many", "A,B,C"), ("one", "A"), ("class", "class"), ("none", "none")):
        shared_daemon.run("ingest", name, folder / "rows.csv", "--tokenizer", demo / "tokenizer", "--labels", labels)
    return frame


@pytest.fixture
def client(shared_daemon, data):
    c = Client(shared_daemon.socket)
    yield c
    c.close()


def rows_of(client, name, plan, fold, split):
    answer = client.call("folds.rows", name=name, plan=plan, fold=fold, split=split, start=0, count=N)
    assert answer["total"] == answer["count"]
    return np.frombuffer(answer["rows"], np.int64)


def folds_of(client, name, plan):
    """[(train, val), ...] as the daemon deals them, its resolved plan giving the same again."""
    answer = client.call("folds", name=name, plan=plan)
    resolved = answer["plan"]
    pairs = []
    for fold in range(resolved["folds"]):
        pairs.append([rows_of(client, name, plan, fold, split) for split in ("train", "val")])
        again = [rows_of(client, name, resolved, fold, split) for split in ("train", "val")]
        assert all((a == b).all() for a, b in zip(pairs[-1], again))
    counted = [[f[split]["rows"] for split in ("train", "val")] for f in answer["folds"]]
    assert counted == [[len(train), len(val)] for train, val in pairs]
    return pairs


def same(ours, theirs):
    theirs = list(theirs)
    assert len(ours) == len(theirs)
    for (train, val), (wanted_train, wanted_val) in zip(ours, theirs):
        assert train.tolist() == wanted_train.tolist() and val.tolist() == wanted_val.tolist()


def split(splitter, frame, y=None, groups=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(splitter.split(np.zeros(len(frame)), y, groups))


@pytest.mark.parametrize("seed, k", [(42, 5), (7, 3), (0, 10), (123456, 2)])
def test_multilabel_is_iterative_stratification(client, data, seed, k):
    splitter = iterstrat.MultilabelStratifiedKFold(n_splits=k, shuffle=True, random_state=seed)
    for by in (None, ["A", "B"], ["C", "A"]):
        ours = folds_of(client, "many", {"kind": "multilabel", "folds": k, "fold_seed": seed, "by": by})
        same(ours, split(splitter, data, data[by or ["A", "B", "C"]].to_numpy()))


@pytest.mark.parametrize("seed, k", [(42, 5), (9, 4)])
def test_by_stratifies_on_some_of_the_labels(client, data, seed, k):
    splitter = model_selection.StratifiedKFold(k, shuffle=True, random_state=seed)
    plan = {"folds": k, "fold_seed": seed}
    same(folds_of(client, "many", {**plan, "by": ["B"]}), split(splitter, data, data["B"]))
    combinations = data["C"].astype(str) + data["A"].astype(str)
    same(folds_of(client, "many", {**plan, "by": ["C", "A"]}), split(splitter, data, combinations))
    same(folds_of(client, "class", {**plan, "by": ["class"]}), split(splitter, data, data["class"]))


@pytest.mark.parametrize("column", ["number", "real", "author"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.skipif(not CURRENT, reason="needs scikit-learn 1.8 or later")
def test_groups_of_a_column_are_scikit_learns(client, data, column, shuffle):
    options = {"random_state": 11, "shuffle": True} if shuffle else {}
    plan = {"group": column, "fold_seed": 11, "shuffle": shuffle}
    for k in (2, 3, 6):
        group = folds_of(client, "none", {**plan, "folds": k})
        same(group, split(model_selection.GroupKFold(k, **options), data, groups=data[column]))
        for name, y in (("one", data["A"]), ("class", data["class"])):
            ours = folds_of(client, name, {**plan, "folds": k})
            same(ours, split(model_selection.StratifiedGroupKFold(k, **options), data, y, data[column]))


VARIANTS = [str, str.upper, lambda t: "  " + t, lambda t: t + ".", lambda t: t.replace(" ", "  ")]


@pytest.fixture(scope="module")
def copies(shared_daemon, tmp_path_factory, demo):
    """Texts of which many are near copies of others; the group that each was made from."""
    rng = random.Random(3)
    words = ["".join(rng.choice("abcdefghijkl") for _ in range(6)) for _ in range(300)]
    sources = [" ".join(rng.choice(words) for _ in range(15)) for _ in range(250)]
    rows = []
    for source, text in enumerate(sources):
        for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
            labels = [int(rng.random() < p) for p in (0.4, 0.2, 0.1)]
            rows.append([rng.choice(VARIANTS)(text), *labels, source])
    rng.shuffle(rows)
    frame = pd.DataFrame(rows, columns=["comment", "A", "B", "C", "source"])
    path = tmp_path_factory.mktemp("copies") / "copies.csv"
    frame.to_csv(path, index=False)
    for name, labels in (("copies", "A"), ("copies3", "A,B,C")):
        shared_daemon.run("ingest", name, path, "--tokenizer", demo / "tokenizer", "--labels", labels)
    return frame


@pytest.mark.parametrize(
    "name, kind",
    [("copies", "stratified"), ("copies3", "multiclass"), ("copies3", "multilabel"), ("copies", "group"),
     ("copies", "stratified-group")],
)  # fmt: skip
def test_duplicates_stay_together_and_folds_stay_even(client, copies, name, kind):
    n = len(copies)
    plan = {"kind": kind, "duplicates": 0.8, "folds": 4, "fold_seed": 9, "shuffle": kind != "group"}
    fold_of_row = np.full(n, -1)
    for fold in range(4):
        answer = client.call("folds.rows", name=name, plan=plan, fold=fold, split="val", start=0, count=n)
        fold_of_row[np.frombuffer(answer["rows"], np.int64)] = fold
    assert (fold_of_row >= 0).all()
    assert (copies.assign(fold=fold_of_row).groupby("source")["fold"].nunique() == 1).all()
    sizes = np.bincount(fold_of_row)
    assert sizes.max() - sizes.min() <= 30
    for label in ("A", "B", "C") if kind == "multilabel" else ("A",) if kind == "stratified" else ():
        shares = np.bincount(fold_of_row, copies[label])
        assert shares.max() - shares.min() <= 6


def test_what_a_grouped_plan_keeps_together_is_told(client, data):
    plan = client.call("folds", name="one", plan={"kind": "group", "group": "author", "folds": 3})["plan"]
    assert plan["group"] == "author" and plan["rule"] == "current"


@pytest.mark.parametrize(
    "sizes", [{"test_size": 0.2}, {"test_size": 100}, {"train_size": 0.5}, {"train_size": 200, "test_size": 0.3}, {}]
)
@pytest.mark.parametrize("seed", [0, 42])
def test_a_holdout_is_train_test_split_in_its_order(client, data, sizes, seed):
    plan = {"fold_seed": seed, **sizes}
    theirs = model_selection.train_test_split(np.arange(N), random_state=seed, **sizes)
    same(folds_of(client, "none", {"kind": "holdout", **plan}), [theirs])
    for name, column in (("one", "A"), ("class", "class")):
        stratified = model_selection.train_test_split(
            np.arange(N), random_state=seed, stratify=data[column], **sizes
        )
        same(folds_of(client, name, {"kind": "stratified-holdout", **plan}), [stratified])
    if sizes:
        same(folds_of(client, "one", plan), [theirs])


def test_a_holdout_without_shuffling_takes_the_first_rows(client, data):
    theirs = model_selection.train_test_split(np.arange(N), shuffle=False, test_size=0.3)
    same(folds_of(client, "one", {"kind": "holdout", "shuffle": False, "test_size": 0.3}), [theirs])


def test_an_epoch_over_a_holdout_permutes_its_rows_in_its_order(shared_daemon, client, data):
    train, val = model_selection.train_test_split(np.arange(N), random_state=3, test_size=0.25, train_size=0.5)
    opened = client.call("stream.open", name="one", plan={"kind": "holdout", "fold_seed": 3, "test_size": 0.25,
                         "train_size": 0.5}, fold=0, split="val", batch_size=N)
    batch = client.notice("stream.batch")
    index = np.frombuffer(batch["data"][-len(val) * 8 :], np.int64)
    assert opened["rows"] == len(val) and index.tolist() == val.tolist()


def test_a_column_of_fold_numbers_is_a_predefined_split(client, data):
    same(folds_of(client, "many", {"column": "fold"}), model_selection.PredefinedSplit(data["fold"]).split())


@pytest.mark.parametrize(
    "name, plan, code, said",
    [
        ("one", {"kind": "multilabel"}, "bad_plan", "type is: multilabel-indicator. Got 'binary' instead."),
        ("none", {"kind": "multilabel"}, "bad_plan", "needs labels"),
        ("many", {"kind": "stratified"}, "bad_plan", "Got 'multilabel-indicator' instead."),
        ("many", {"by": ["D"]}, "not_found", '"D" is not a label column of many'),
        ("many", {"by": ["A", "A"]}, "bad_request", "given twice"),
        ("many", {"kind": "plain", "by": ["A"]}, "bad_request", "takes no label columns"),
        ("one", {"group": "no such"}, "not_found", '"no such" is not a further column of one'),
        ("one", {"group": "A"}, "not_found", '"A" is not a further column'),
        ("one", {"kind": "plain", "group": "author"}, "bad_request", "takes no groups"),
        ("one", {"kind": "group"}, "bad_request", "needs groups"),
        ("one", {"kind": "group", "group": "author", "duplicates": 0.8}, "bad_request", "not both"),
        ("one", {"kind": "group", "duplicates": 0.3}, "bad_request", "from 0.5 to 1"),
        ("one", {"kind": "group", "duplicates": 0}, "bad_request", "from 0.5 to 1"),
        ("one", {"group": "holes"}, "bad_plan", "line 19, column holes: there is no value"),
        ("one", {"column": "author"}, "bad_plan", "is not a fold number"),
        ("one", {"kind": "predefined"}, "bad_request", "needs the column"),
        ("one", {"column": "fold", "folds": 4}, "bad_plan", "makes 3 folds, not 4"),
        ("one", {"kind": "holdout", "folds": 5}, "bad_request", "takes no number of folds"),
        ("one", {"kind": "holdout", "test_size": 1.5}, "bad_plan", "Got 1.5 instead"),
        ("one", {"kind": "stratified", "test_size": 0.5}, "bad_request", "takes no test or train size"),
        ("one", {"kind": "stratified", "rule": "older"}, "bad_request", "takes no rule"),
        ("one", {"kind": "group", "group": "author", "folds": 9}, "bad_plan", "greater than the number of groups: 8."),
        ("one", {"folds": 0}, "bad_plan", "n_splits=0"),
        ("one", {"kind": "sorted"}, "bad_request", 'there is no kind "sorted"'),
        ("one", {"folds": 5, "colour": 1}, "bad_request", '"plan.colour" is not known'),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason(client, name, plan, code, said):
    with pytest.raises(Refused) as e:
        client.call("folds", name=name, plan=plan)
    assert e.value.code == code and said in e.value.message


def test_rows_in_neither_split_are_in_no_count(client, data):
    answer = client.call("folds", name="one", plan={"kind": "holdout", "test_size": 10, "train_size": 20})
    (fold,) = answer["folds"]
    assert fold["train"]["rows"] == 20 and fold["val"]["rows"] == 10
    assert sum(fold["train"]["counts"][0]) == 20 and sum(fold["val"]["counts"][0]) == 10
