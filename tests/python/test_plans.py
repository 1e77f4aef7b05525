# SPDX-License-Identifier: Apache-2.0
"""Split plans of every kind from Python, and plans that are saved under a name."""

import json

import hsfeed
import numpy as np
import pytest

pytest.importorskip("torch")  # most of them deal rows with a loader

ROWS = 84


@pytest.fixture(scope="module")
def ds(shared_db, demo, tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "plans.csv"
    lines = [f"word{i} text,{i % 2},{i % 3 == 0:d},a{i % 12},{i % 4}" for i in range(ROWS)]
    path.write_text("\n".join(["text,hate,spam,author,part", *lines]) + "\n")
    return shared_db.ingest("plans", path, labels=["hate", "spam"], tokenizers=demo / "tokenizer", quiet=True)


@pytest.fixture
def clean(ds):
    """The dataset without any saved plan."""
    for entry in ds.plans():
        ds.remove_plan(entry["plan"])
    return ds


def same(made, wanted):
    assert len(made) == len(wanted)
    for pair, want in zip(made, wanted):
        assert [side.tolist() for side in pair] == [list(map(int, side)) for side in want]


# ---- every key


def test_folds_takes_every_option_of_a_plan(ds):
    model_selection = pytest.importorskip("sklearn.model_selection")
    rows, authors, parts = np.arange(ROWS), np.arange(ROWS) % 12, np.arange(ROWS) % 4
    hate = rows % 2
    names = np.array([f"a{i}" for i in authors])
    split = model_selection.train_test_split(rows, test_size=0.25, random_state=7)
    same(ds.folds(test_size=0.25, seed=7), [split])
    split = model_selection.train_test_split(rows, test_size=20, train_size=30, random_state=42, stratify=hate)
    same(ds.folds(kind="stratified-holdout", by="hate", test_size=20, train_size=30), [split])
    same(ds.folds(column="part"), list(model_selection.PredefinedSplit(parts).split()))
    same(ds.folds(3, by=["hate"]),
         list(model_selection.StratifiedKFold(3, shuffle=True, random_state=42).split(rows, hate)))
    made = ds.folds(4, "group", shuffle=False, group="author", rule="older")
    for train, val in made:
        assert not set(names[train]) & set(names[val])
    table = ds.fold_table({"duplicates": 0.9, "folds": 3})
    assert table["plan"] == {
        "kind": "multiclass", "folds": 3, "fold_seed": 42, "shuffle": True, "duplicates": 0.9}  # fmt: skip
    same(ds.folds(3, group="duplicates", similarity=0.9), ds.folds(plan=table["plan"]))


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"similarity": 0.9}, "similarity goes with"),
        ({"by": [1]}, "by of a plan is a str"),
        ({"group": 3}, "group of a plan is a str"),
        ({"test_size": 0}, "test_size of a plan is a number of rows from 1 on"),
        ({"train_size": "all"}, "train_size of a plan is a number"),
        ({"group": "duplicates", "similarity": "very"}, "duplicates of a plan is a number"),
        ({"k": True}, "folds of a plan is a number"),
        ({"k": np.bool_(True)}, "folds of a plan is a number"),
        ({"test_size": float("nan")}, "test_size of a plan is a number"),
        ({"group": "duplicates", "similarity": float("inf")}, "duplicates of a plan is a number"),
        ({"plan": "cv", "k": 3}, "plan= has all the options, and k="),
        ({"plan": {"folds": 3}, "seed": 1}, "plan= has all the options, and seed="),
        ({"plan": 5}, "plan is a dict or the name of a saved plan, not an int"),
        ({"plan": {"fold": 5}}, "a plan has no 'fold'\n  did you mean 'folds'"),
        ({"plan": {"name": "cv", "folds": 5}}, "a plan has no 'name'"),
        ({"fold_seed": 5}, "no option 'fold_seed'\n  seed=42"),
        ({"groups": "author"}, "no option 'groups'\n  did you mean 'group'"),
    ],
)
def test_what_is_no_plan_is_refused_at_once(ds, options, sentence):
    with pytest.raises(hsfeed.BadArgument, match=sentence):
        ds.folds(**options)


def test_a_loader_deals_the_rows_of_any_plan(ds):
    plans = [
        {"test_size": 0.25}, {"kind": "holdout", "test_size": 10, "train_size": 20}, {"column": "part"},
        {"group": "author", "folds": 3, "rule": "older", "kind": "group", "shuffle": False},
        {"by": ["spam"], "folds": 4}, {"kind": "multilabel", "folds": 4}, {"duplicates": 0.8, "folds": 2},
    ]  # fmt: skip
    for plan in plans:
        train, val = ds.loaders(0, plan=plan, quiet=True, order="sequential")
        for loader in (train, val):
            rows = np.concatenate([np.asarray(batch.index) for batch in loader])
            wanted = ds.split_rows(loader.dataset.split, 0, plan)
            assert sorted(rows.tolist()) == sorted(wanted.tolist()), plan
            assert loader.dataset.indices.tolist() == wanted.tolist()
            described = loader.describe()["plan"]
            assert described == ds.fold_table(plan)["plan"] == ds.fold_table(described)["plan"]
            loader.close()


def test_the_line_of_a_loader_tells_every_key(ds, capfd):
    loader = ds.loader("val", 0, plan={"group": "author", "by": "hate", "folds": 3}, rank=0, world_size=1)
    len(loader)
    assert "of fold 0 (stratified-group, 3 folds, fold seed 42, groups by column author, rule current, by hate)" in (
        capfd.readouterr().err)  # fmt: skip
    loader.close()


def test_a_hold_out_has_one_fold(ds):
    with pytest.raises(hsfeed.BadRequest, match="fold 1 is out of range"):
        len(ds.loader("val", 1, plan={"test_size": 0.5}, quiet=True))


# ---- saved plans


def test_a_saved_plan_stands_for_its_options_wherever_a_plan_is_taken(clean):
    ds = clean
    made = ds.save_plan("cv3", 3, "plain", seed=9)
    options = {"kind": "plain", "folds": 3, "fold_seed": 9, "shuffle": True}
    assert made == {"name": "plans", "plan": "cv3", "options": options, "state": "new"}
    assert ds.save_plan("cv3", 3, "plain", 9)["state"] == ds.save_plan("cv3", plan=options)["state"] == "known"
    same(ds.folds(plan="cv3"), ds.folds(3, "plain", 9))
    assert ds.fold_table("cv3")["plan"] == ds.plan("cv3") == options
    assert np.asarray(ds.pos_weight(1, plan="cv3")).tolist() == np.asarray(ds.pos_weight(1, plan=options)).tolist()
    train, val = ds.loaders(2, plan="cv3", quiet=True)
    assert train.describe()["plan"] == val.describe()["plan"] == options
    assert val.dataset.indices.tolist() == ds.folds(3, "plain", 9)[2][1].tolist()
    train.close(), val.close()
    listed = ds.plans()
    assert [(p["plan"], p["options"]) for p in listed] == [("cv3", options)] and listed[0]["created_ms"] > 1.7e12
    assert ds.remove_plan("cv3") is True and ds.remove_plan("cv3") is False


def test_a_plan_that_is_not_there_is_told_with_those_that_are(clean):
    clean.save_plan("a")
    clean.save_plan("b", 3)
    for use in (lambda: clean.folds(plan="c"), lambda: clean.loader("val", 0, plan="c"), lambda: clean.plan("c"),
                lambda: clean.pos_weight(0, plan="c")):  # fmt: skip
        with pytest.raises(hsfeed.NotFound, match="no plan ['\"]c['\"]; it has a, b"):
            use()


def test_an_existing_plan_changes_only_with_replace(clean):
    clean.save_plan("cv", 3)
    with pytest.raises(hsfeed.BadRequest, match='has another plan "cv": folds 3 there and 4 here'):
        clean.save_plan("cv", 4)
    assert clean.save_plan("cv", 4, replace=True)["state"] == "replaced"
    assert clean.plan("cv")["folds"] == 4
    with pytest.raises(hsfeed.BadPlan):
        clean.save_plan("never", 500)
    with pytest.raises(hsfeed.BadArgument, match="no option 'folds'\n  k=5"):
        clean.save_plan("never", folds=5)


def test_a_loader_stays_on_the_plan_it_was_made_with(clean):
    ds = clean
    ds.save_plan("cv", 3, "plain")
    wanted = ds.folds(3, "plain")[0][1].tolist()
    loader = ds.loader("val", 0, plan="cv", quiet=True, rank=0, world_size=1)
    ds.save_plan("cv", 6, "plain", replace=True)
    assert np.concatenate([np.asarray(b.index) for b in loader]).tolist() == wanted
    state = json.loads(json.dumps(loader.state_dict()))
    assert state["options"]["plan"] == {"kind": "plain", "folds": 3, "fold_seed": 42, "shuffle": True}
    again = ds.loader("val", 0, plan="cv", quiet=True, rank=0, world_size=1)
    with pytest.raises(hsfeed.StateMismatch, match="plan"):
        again.load_state_dict(state)
    again = ds.loader("val", 0, plan=state["options"]["plan"], quiet=True, rank=0, world_size=1)
    again.load_state_dict(state)
    for l in (loader, again):
        l.close()


# ---- row numbers


@pytest.mark.parametrize("form", ["array", "list", "mask", "file"])
def test_row_numbers_make_a_plan_of_one_fold(clean, tmp_path, form):
    wanted = [1, 5, 80]
    path = tmp_path / "rows.txt"
    path.write_text("5\n1\n80\n")
    mask = np.zeros(ROWS, dtype=bool)
    mask[wanted] = True
    rows = {"array": np.array([80, 5, 1], dtype=np.int32), "list": [5, 80, 1], "mask": mask, "file": path}[form]
    made = clean.save_plan("mine", rows=rows)
    assert made["options"]["kind"] == "rows" and made["options"]["folds"] == 1
    ((train, val),) = clean.folds(plan="mine")
    assert val.tolist() == wanted and sorted([*train, *val]) == list(range(ROWS))
    same(clean.folds(plan=made["options"]), [(train, val)])
    loader = clean.loader("train", 0, plan="mine", quiet=True, rank=0, world_size=1)
    assert loader.dataset.indices.tolist() == train.tolist()
    loader.close()


def test_a_list_of_row_numbers_makes_a_fold_of_each(clean):
    folds = clean.folds(5, "plain", 3)
    clean.save_plan("mine", rows=[val for _, val in folds])
    same(clean.folds(plan="mine"), folds)
    masks = [np.isin(np.arange(ROWS), val) for _, val in folds]
    assert clean.save_plan("mine", rows=masks)["state"] == "known"


def test_row_numbers_that_are_none_are_refused(clean, tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text(f"3\n{ROWS}\n")
    for rows, error, sentence in (
        ([1.5], hsfeed.BadArgument, "rows is a list of whole numbers, not float64"),
        ("nowhere.txt", hsfeed.errors.MissingFile, "nowhere"),
        (tmp_path, hsfeed.BadFile, "not a regular file"),
        (np.ones(5, dtype=bool), hsfeed.BadArgument, "for each of the 84 rows, not 5"),
        ([], hsfeed.BadPlan, "rows: it lists no rows"),
        ([[1], []], hsfeed.BadPlan, "line 2: fold 1 has no rows"),
        ([3, 3], hsfeed.BadPlan, "rows: line 2: row 3 is listed twice"),
        ([-1], hsfeed.BadPlan, "rows: line 1: a row's number is expected"),
        (path, hsfeed.BadPlan, "rows.txt: line 2: there is no row 84: the version has 84"),
    ):
        with pytest.raises(error, match=sentence):
            clean.save_plan("mine", rows=rows)
    with pytest.raises(hsfeed.BadArgument, match="takes no other options"):
        clean.save_plan("mine", 3, rows=[1])
    assert clean.plans() == []


def test_a_state_finds_its_rows_while_some_plan_holds_them(clean):
    clean.save_plan("mine", rows=range(0, ROWS, 2))
    loader = clean.loader("train", 0, plan="mine", quiet=True, rank=0, world_size=1, batch_size=8)
    batches = [np.asarray(b.index).tolist() for b in loader]
    loader.set_epoch(0)
    iterator = iter(loader)
    assert np.asarray(next(iterator).index).tolist() == batches[0]
    state = loader.state_dict()
    loader.close()
    clean.save_plan("other", plan=state["options"]["plan"])
    clean.remove_plan("mine")
    again = clean.loader("train", 0, plan=state["options"]["plan"], quiet=True, rank=0, world_size=1, batch_size=8)
    again.load_state_dict(state)
    assert [np.asarray(b.index).tolist() for b in again] == batches[1:]
    again.close()


def test_many_row_numbers_are_sent_in_pieces(clean, shared_db, demo):
    rows = 60000
    big = shared_db.ingest("many", texts=["a"] * rows, tokenizers=demo / "tokenizer", quiet=True)
    wanted = np.arange(0, rows, 1)[::-1][: rows - 1]
    assert big.save_plan("mine", rows=wanted)["state"] == "new"
    assert big.split_rows("val", 0, "mine").tolist() == sorted(wanted.tolist())
    assert big.split_rows("train", 0, "mine").tolist() == [0]
