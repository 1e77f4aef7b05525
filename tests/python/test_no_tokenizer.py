# SPDX-License-Identifier: Apache-2.0
"""Versions without any tokenizer: texts and labels to be read and dealt into folds, and to be tokenized later."""

import numpy as np
import pytest

from conftest import hsfeed


def test_a_version_without_tokenizers_has_rows_and_folds(db, demo, demo_set):
    plain = db.ingest("plain", demo / "comments.csv", labels=["Question"], tokenizers={}, quiet=True)
    assert plain.roles == () and plain.version == demo_set.version
    assert [text for page in plain.pages(text=True) for text in page["texts"]] == [
        text for page in demo_set.pages(text=True) for text in page["texts"]
    ]
    assert plain[3] == {**demo_set[3], "ids": {}} and plain[3]["text"] == demo_set[3]["text"]
    assert np.array_equal(plain.label_values(), demo_set.label_values())
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(plain.folds(5), demo_set.folds(5)))
    assert plain.add(demo / "tokenizer", role="text").roles == ("text",)


def test_a_version_without_tokenizers_has_nothing_to_load(db, demo):
    pytest.importorskip("torch")
    plain = db.ingest("plain", demo / "comments.csv", labels=["Question"], tokenizers={}, quiet=True)
    with pytest.raises(hsfeed.NotFound, match="has no encoding"):
        plain.loader("train", 0).describe()


def test_a_function_cleans_without_any(db, demo):
    plain = db.ingest(
        "plain", demo / "comments.csv", labels=["Question"], tokenizers={}, clean=str.upper, quiet=True
    )
    assert plain[0]["text"] == plain[0]["text"].upper() and list(db) == ["plain"]
