# SPDX-License-Identifier: Apache-2.0
"""Texts and labels in memory: every text arrives as it is and keeps its row; labels of any kind arrive by
value.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hsfeed
from hsfeed import _sources
from hsfeed.errors import BadText

NA_WORDS = [
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "n/a",
    "nan",
    "null",
    "None",
]


@pytest.fixture
def put(shared_db, demo):
    """Ingests from memory under a name that is removed again."""
    made = []

    def ingest(*args, **options):
        made.append(shared_db.ingest("memory", *args, tokenizers=demo / "tokenizer", quiet=True, **options))
        return made[-1]

    yield ingest
    if made:
        shared_db.remove("memory")


def texts_of(ds):
    return [text for page in ds.pages(text=True) for text in page["texts"]]


def test_no_text_loses_its_row_to_a_word(put):
    ds = put(texts=NA_WORDS, labels=[i % 2 for i in range(len(NA_WORDS))])
    assert texts_of(ds) == [" ", *NA_WORDS[1:]]
    assert ds.label_values().ravel().tolist() == [i % 2 for i in range(len(NA_WORDS))]
    assert len(ds[0]["ids"]["text"]) == 0


def test_empty_texts_keep_their_rows_and_are_told(shared_db, demo, capsys):
    ds = shared_db.ingest("empty", texts=["", "a", ""], tokenizers=demo / "tokenizer")
    assert texts_of(ds) == [" ", "a", " "] and ds.labels == () and ds.label_values() is None
    assert "2 empty texts are stored as one space" in capsys.readouterr().err
    cleaned = shared_db.ingest(
        "empty", texts=["", "a", ""], tokenizers=demo / "tokenizer", clean="whitespace", quiet=True
    )
    assert texts_of(cleaned) == ["", "a", ""]
    dropped = shared_db.ingest(
        "empty", texts=["", "a", ""], tokenizers=demo / "tokenizer", drop_empty=True, quiet=True
    )
    assert texts_of(dropped) == ["a"] and dropped.report["rows_read"] == 3
    shared_db.remove("empty")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=12
    )
)
def test_any_text_arrives_as_it_is(shared_db, demo, texts):
    if _sources.are_read_as_numbers([text or " " for text in texts]):  # and is refused: see below
        with pytest.raises(BadText, match="is a number"):
            shared_db.ingest("any", texts=texts, tokenizers=demo / "tokenizer", quiet=True)
        return
    ds = shared_db.ingest("any", texts=texts, tokenizers=demo / "tokenizer", quiet=True)
    assert texts_of(ds) == [text or " " for text in texts]


@pytest.mark.parametrize("texts", [["00"], ["1", "1.5"], ["+1", "2"], ["1e5"], ["true", "false"], [" 7"], ["inf"]])
def test_texts_that_would_be_changed_as_numbers_are_refused(shared_db, demo, texts):
    with pytest.raises(BadText, match="every text of 'text' is a number"):
        shared_db.ingest("numbers", texts=texts, tokenizers=demo / "tokenizer", quiet=True)
    ds = shared_db.ingest("numbers", texts=[*texts, "a word"], tokenizers=demo / "tokenizer", quiet=True)
    assert texts_of(ds) == [*texts, "a word"]


@pytest.mark.parametrize("texts", [["0", "-12", "7"], ["0.5", "-3.25"], ["1_000"], ["\u09e7\u09e8"]])
def test_texts_of_numbers_that_stay_as_they_are_are_taken(shared_db, demo, texts):
    ds = shared_db.ingest("numbers", texts=texts, tokenizers=demo / "tokenizer", quiet=True)
    assert texts_of(ds) == texts


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\r\nb",
        "\r",
        "\n",
        '"',
        '""',
        'say "so", please',
        ",",
        "a,b\n",
        " lead",
        "trail ",
        "\ufeffmark",
        "\x1a",
        "\t",
        "=1+1",
        "'",
        "\\",
        "\u2028",
        "x" * 100_000,
    ],
)
def test_quoting_corners(put, text):
    assert texts_of(put(texts=[text, "b"], labels=[1, 0])) == [text, "b"]
    assert texts_of(put(texts=["b", text])) == ["b", text]


def test_a_nul_and_half_a_pair_are_refused_with_a_sentence(put):
    with pytest.raises(
        hsfeed.BadText, match=r"column 'text', row 1: the text has a NUL character \(U\+0000\) at character 2"
    ):
        put(texts=["a", "bc\0d"])
    with pytest.raises(
        hsfeed.BadText, match=r"row 0: the text has half of a surrogate pair.* \(U\+D83D\) at character 1"
    ):
        put(texts=["a\ud83d", "b"])
    with pytest.raises(hsfeed.BadText, match="column 'label', row 1"):
        put(texts=["a", "b"], labels=["x", "y\0"])


def test_missing_texts_and_labels_are_refused_not_dropped(put):
    with pytest.raises(hsfeed.BadArgument, match=r"texts\[1\] is missing, not a str"):
        put(texts=["a", None])
    with pytest.raises(hsfeed.BadArgument, match=r"texts\[0\] is an int, not a str"):
        put(texts=[3, "a"])
    with pytest.raises(hsfeed.BadLabel, match="the label of text 1 is missing"):
        put(texts=["a", "b"], labels=[1, None])
    with pytest.raises(hsfeed.BadLabel, match="the label of text 0 is missing"):
        put(texts=["a", "b"], labels=np.array([np.nan, 1.0]))
    with pytest.raises(hsfeed.BadArgument, match="2 texts but labels 'label' of shape"):
        put(texts=["a", "b"], labels=[1, 0, 1])
    with pytest.raises(hsfeed.BadArgument, match="texts is one text"):
        put(texts="abc")


TEXTS = ["a", "b", "c"]


@pytest.mark.parametrize(
    "labels, want",
    [
        ([1, 0, 1], [[1], [0], [1]]),
        ([True, False, True], [[1], [0], [1]]),
        ([1.0, 0.0, 1.0], [[1], [0], [1]]),
        ((1, 0, 1), [[1], [0], [1]]),
        (np.array([1, 0, 1], dtype=np.int8), [[1], [0], [1]]),
        (np.array([True, False, True]), [[1], [0], [1]]),
        (np.array([[1], [0], [1]]), [[1], [0], [1]]),
        (np.array([1, 0, 1], dtype=np.float16), [[1], [0], [1]]),
        ([2, 0, 7], [1, 0, 2]),
        ([2.0, 0.0, 7.0], [1, 0, 2]),
        (["no", "yes", "no"], [0, 1, 0]),
        (["None", "NA", "nan"], [1, 0, 2]),
        (np.array(["b", "a", "b"]), [1, 0, 1]),
        (np.array(["b", "a", "b"], dtype=object), [1, 0, 1]),
        ([0.25, 0.1, 1], [[0.25], [np.float32(0.1)], [1]]),
        (np.array([0.1, 0.2, 0.3], dtype=np.float32), [[np.float32(v)] for v in (0.1, 0.2, 0.3)]),
        ([[1, 0], [0, 1], [1, 1]], [[1, 0], [0, 1], [1, 1]]),
        (np.array([[1.0, 0.5], [0.0, 1.0], [1.0, 1.0]]), [[1, 0.5], [0, 1], [1, 1]]),
        ({"toxic": [1, 0, 0], "spam": np.array([0, 1, 0])}, [[1, 0], [0, 1], [0, 0]]),
    ],
)
def test_labels_of_any_kind_arrive_by_value(put, labels, want):
    values = put(texts=TEXTS, labels=labels).label_values()
    assert values.tolist() == np.asarray(want, dtype=values.dtype).tolist()
    assert values.dtype == (np.float32 if isinstance(want[0], list) else np.int64)


def test_labels_have_names(put):
    assert put(texts=TEXTS, labels=[1, 0, 1]).labels == ("label",)
    assert put(texts=TEXTS, labels=[[1, 0], [0, 1], [1, 1]]).labels == ("label_0", "label_1")
    assert put(texts=TEXTS, labels={"toxic": [1, 0, 0], "spam": [0, 1, 0]}).labels == ("toxic", "spam")
    ds = put(texts=TEXTS, labels={"text": [1, 0, 0]})  # the texts make room
    assert ds.labels == ("text",) and texts_of(ds) == TEXTS


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_float_labels_keep_every_bit(shared_db, demo, values):
    labels = np.array(values, dtype=np.float32)
    ds = shared_db.ingest(
        "bits",
        texts=["a"] * len(values),
        labels=labels,
        label_type="float",
        tokenizers=demo / "tokenizer",
        quiet=True,
    )
    assert (ds.label_values().ravel() == labels).all()


def test_labels_of_torch(put):
    torch = pytest.importorskip("torch")
    for dtype in (torch.int64, torch.uint8, torch.bool, torch.float32, torch.bfloat16, torch.float16):
        values = put(texts=TEXTS, labels=torch.tensor([1, 0, 1]).to(dtype)).label_values()
        assert values.tolist() == [[1], [0], [1]]
    values = put(
        texts=TEXTS, labels=torch.tensor([[0.5, 1], [0, 0], [1, 0.25]], requires_grad=True)
    ).label_values()
    assert values.tolist() == [[0.5, 1], [0, 0], [1, 0.25]]
    assert put(texts=TEXTS, labels=list(torch.tensor([1, 0, 1]))).label_values().tolist() == [[1], [0], [1]]


# ---- DataFrames


def test_a_dataframe_as_pandas_would_use_it(put):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "id": [7, 8, 9, 10, 11],
            "comment": ["a", None, "NA", "", "q\n"],
            "y": [1, 0, np.nan, 1, 0],
            "group": ["x", "y", None, "z", "x,y"],
        }
    )
    ds = put(frame, labels="y")
    kept = frame.dropna(subset=["comment", "y"])
    assert texts_of(ds) == [text or " " for text in kept["comment"].astype(str)]
    assert ds.label_values().ravel().tolist() == kept["y"].tolist()
    assert {d["reason"]: d["rows"] for d in ds.report["dropped"]}["missing_text"] == 1
    assert sorted(ds.info["version_info"]["columns"]) == ["comment", "group", "id", "y"]
    assert put(data=frame, labels=["y"]).version == ds.version


def test_a_dataframes_columns_are_found_or_named(put):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"what": ["a", "b"], "l1": [1, 0], "l2": [True, False]})
    with pytest.raises(hsfeed.BadColumn, match="which column of the DataFrame has the texts"):
        put(frame, labels="l1")
    with pytest.raises(hsfeed.BadColumn, match='no column "whta"'):
        put(frame, labels="l1", text_column="whta")
    with pytest.raises(hsfeed.BadColumn, match='no label column "l3"'):
        put(frame, labels=["l1", "l3"], text_column="what")
    with pytest.raises(hsfeed.BadArgument, match="which columns are the labels"):
        put(frame, text_column="what")
    assert put(frame, labels=["l1", "l2"], text_column="what").label_values().tolist() == [[1, 1], [0, 0]]
    assert put(frame, labels=None, text_column="what").labels == ()


def test_a_dataframe_of_every_dtype(put):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "text": pandas.Series(["a", "b", pandas.NA], dtype="string"),
            "y": pandas.Series([1, 0, 1], dtype="Int64"),
            "when": pandas.to_datetime(["2020-01-01", None, "2021-01-01"]),
            "kind": pandas.Series(["p", None, "q"], dtype="category"),
            "list": [[1], [2, 3], None],
        }
    )
    ds = put(frame, labels="y")
    assert texts_of(ds) == ["a", "b"] and ds.label_values().tolist() == [[1], [0]]


def test_numbers_as_texts_are_astype_str(put):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": [1, 2.5, True, "x"], "y": [1, 0, 1, 0]})
    assert texts_of(put(frame, labels="y")) == frame["text"].astype(str).tolist()


# ---- options


def test_one_source_and_its_own_options(put, demo):
    with pytest.raises(hsfeed.BadArgument, match="given: none"):
        put()
    with pytest.raises(hsfeed.BadArgument, match="given: file, texts"):
        put(demo / "comments.csv", texts=["a"])
    with pytest.raises(hsfeed.BadArgument, match="file is a path, not an? ndarray\n  .*texts="):
        put(np.array(["a"]))
    with pytest.raises(hsfeed.BadArgument, match="delimiter is for files"):
        put(texts=["a"], delimiter="tab")
    with pytest.raises(TypeError, match="no option 'delimeter'\n  did you mean 'delimiter'?"):
        put(texts=["a"], delimeter="tab")
    with pytest.raises(hsfeed.BadArgument, match="charset='latin-1'"):
        put(texts=["a"], encoding="latin-1")


def test_na_words_may_be_asked_for(put):
    assert texts_of(put(texts=["a", "NA", "b"], na="pandas")) == ["a", "b"]


def test_positive_and_label_type(put):
    assert put(texts=TEXTS, labels=["hate", "ok", "hate"], positive="hate").label_values().tolist() == [
        [1],
        [0],
        [1],
    ]
    assert put(texts=TEXTS, labels=[2, 0, 2], label_type="float").label_values().tolist() == [[2], [0], [2]]
    assert put(texts=TEXTS, labels=[1, 0, 1], label_type="class").label_values().tolist() == [1, 0, 1]


def test_the_bytes_do_not_depend_on_how_labels_are_held():
    made = {
        _sources.from_texts(TEXTS, labels).data
        for labels in ([1, 0, 1], np.array([1, 0, 1]), [True, False, True], np.array([1.0, 0.0, 1.0]))
    }
    assert len(made) == 1
