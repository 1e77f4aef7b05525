# SPDX-License-Identifier: Apache-2.0
"""Dataset.leaks: what the daemon finds, put together, and refused where that was asked."""

import pickle
import random

import numpy as np
import pytest

import hsfeed

COPIES = 12_000  # more than a page of pairs


def sentence(rng):
    return " ".join("".join(rng.choice("abcdefgh") for _ in range(5)) for _ in range(12))


@pytest.fixture(scope="module")
def copies(shared_db, demo):
    """Every text twice: as it is, and in capitals."""
    rng = random.Random(1)
    texts = [sentence(rng) for _ in range(COPIES)]
    labels = [i % 2 for i in range(COPIES)]
    return shared_db.ingest(
        "copies",
        texts=texts + [text.upper() for text in texts],
        labels=labels + labels[: COPIES - 10] + [1 - label for label in labels[-10:]],
        tokenizers=demo / "tokenizer",
        quiet=True,
    )


@pytest.fixture(scope="module")
def clean(shared_db, demo):
    rng = random.Random(2)
    texts = [sentence(rng) for _ in range(200)]
    return shared_db.ingest(
        "clean", texts=texts, labels=[i % 2 for i in range(200)], tokenizers=demo / "tokenizer", quiet=True
    )


def test_pairs_of_all_pages_come_as_one_array(copies):
    found = copies.leaks({"folds": 4, "fold_seed": 9})
    folds = copies.folds(4, seed=9)
    fold_of = np.empty(2 * COPIES, int)
    for fold, (_, val) in enumerate(folds):
        fold_of[val] = fold
    twin = np.roll(np.arange(2 * COPIES), -COPIES)
    expected = np.flatnonzero(fold_of != fold_of[twin])
    pairs = found["pairs"]
    assert len(expected) > 10_000 and found["total"] == len(pairs) and "next" not in found
    assert (pairs["row"] == expected).all() and (pairs["of_row"] == twin[expected]).all()
    assert (pairs["fold"] == fold_of[expected]).all()
    assert set(pairs["how"]) == {"same"} and set(pairs["similarity"]) == {1.0}
    assert pairs["conflict"].sum() == sum(expected % COPIES >= COPIES - 10)
    assert [f["leaking"] for f in found["folds"]] == np.bincount(pairs["fold"]).tolist()
    assert found["duplicates"]["same_rows"] == found["duplicates"]["groups"] == COPIES
    assert found["similarity"] == 0.8 and found["plan"]["folds"] == 4


def test_a_frame_of_pairs_has_its_columns(copies):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(copies.leaks()["pairs"])
    assert list(frame) == ["fold", "row", "line", "of_row", "of_line", "how", "similarity", "conflict"]
    assert frame["conflict"].dtype == bool and frame["row"].is_monotonic_increasing


def test_a_leak_is_raised_where_that_is_asked_for(copies):
    with pytest.raises(hsfeed.LeakFound, match="validation rows have a copy") as caught:
        copies.leaks(fail_on_leak=True)
    error = caught.value
    assert isinstance(error, ValueError) and error.code == "leak_found" and "'duplicates': 0.8" in error.hint
    assert error.leaks["total"] == len(error.leaks["pairs"]) > 0 and "same)" in error.message
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and (again.leaks["pairs"] == error.leaks["pairs"]).all()


def test_duplicates_that_stay_together_do_not_leak(copies):
    plan = {"folds": 4, "duplicates": 0.8}
    found = copies.leaks(plan, fail_on_leak=True)
    assert found["total"] == 0 and found["plan"]["kind"] == "stratified" and found["plan"]["duplicates"] == 0.8
    sizes = [fold["val_rows"] for fold in found["folds"]]
    assert sum(sizes) == 2 * COPIES and max(sizes) - min(sizes) <= 4
    copies.save_plan("apart", plan=plan)
    assert copies.leaks("apart")["total"] == 0


def test_nothing_is_raised_where_nothing_leaks(clean):
    found = clean.leaks(fail_on_leak=True)
    assert found["total"] == 0 and found["pairs"].shape == (0,) and found["pairs"].dtype.names[0] == "fold"


def test_a_similarity_out_of_range_is_refused(clean):
    with pytest.raises(hsfeed.BadRequest, match="not between 0.5 and 1"):
        clean.leaks(similarity=0.2)
    with pytest.raises(hsfeed.BadPlan):
        clean.leaks({"folds": 500})
