# SPDX-License-Identifier: Apache-2.0
"""Every row of every real file, with every WordPiece tokenizer there: `hsfeed rows` equals pandas' rows and
HF tokenizers' ids."""

import os

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
tokenizers = pytest.importorskip("tokenizers")

TOKENIZERS = ["banglabert", "mbert-cased", "bert-uncased", "mbert-uncased"]
if os.environ.get("HSFEED_TEST_ROUNDS", "1") == "1":
    TOKENIZERS = TOKENIZERS[:2]  # oracle/test_tokenizers.py has all of them

# file: text column, label columns, hsfeed's options, pandas' options
FILES = {
    "bn_44k.csv": ("Comments", ["HateSpeech"], [], {}),
    "bn_hatespeech.csv": ("Comments", ["HateSpeech"], [], {}),
    "bn_cyberbully_multilabel.csv": ("comment", ["bully", "sexual", "religious", "threat", "spam"], [], {}),
    "bn_hate_v1_tab.csv": ("text", ["label"], ["--delimiter", "tab"], {"sep": "\t"}),
    "bn_hate_v2.csv": ("text", ["label"], [], {}),
    "bn_blp25_crlf.tsv": (
        "text",
        ["label"],
        ["--na", "empty"],
        {"sep": "\t", "keep_default_na": False, "na_values": [""]},
    ),
    "bn_blp25_unlabelled.tsv": ("text", [], [], {"sep": "\t"}),
    "en_davidson.csv": ("tweet", ["class"], [], {}),
    "en_goemotions_noheader.tsv": ("0", ["1"], ["--header", "no"], {"sep": "\t", "header": None}),
    "en_spam_cp1252.csv": ("v2", ["v1"], ["--charset", "cp1252"], {"encoding": "cp1252"}),
    "en_sst2_dev.tsv": ("content", ["label"], [], {"sep": "\t"}),
    "zh_shopping_62k.csv": ("review", ["label"], [], {}),
    "zh_waimai.csv": ("review", ["label"], [], {}),
}


@pytest.fixture(scope="module")
def libraries(shared):
    """role -> the real tokenizer, with nothing baked in."""
    out = {}
    for name in TOKENIZERS:
        tok = tokenizers.Tokenizer.from_file(str(shared / "data/tokenizers" / name / "tokenizer.json"))
        tok.no_padding()
        tok.no_truncation()
        out[name] = tok
    return out


def read(path, text, labels, options):
    frame = pd.read_csv(path, **options)
    frame.columns = [str(c) for c in frame.columns]
    frame = frame.dropna(subset=[text, *labels]).reset_index(drop=True)
    return frame[text].astype(str).tolist(), [frame[c].tolist() for c in labels]


def label_rows(columns):
    """data.py's numbers for numeric labels, sorted class ids for everything else."""
    if len(columns) == 1 and not set(columns[0]) <= {0, 1}:
        ids = {value: i for i, value in enumerate(sorted(set(columns[0])))}
        return [[ids[value]] for value in columns[0]]
    return [[float(v) for v in row] for row in zip(*columns)]


@pytest.mark.parametrize("file", FILES)
def test_rows_of_a_real_file_equal_the_libraries(shared_daemon, shared, libraries, file):
    text, labels, options, reading = FILES[file]
    path = shared / "data/csv" / file
    texts, columns = read(path, text, labels, reading)
    name = file.split(".")[0]
    shared_daemon.run(
        "ingest",
        name,
        path,
        "--text",
        text,
        "--labels",
        ",".join(labels) or "none",
        *options,
        *[x for t in TOKENIZERS for x in ("--tokenizer", f"{t}={shared / 'data/tokenizers' / t}")],
        timeout=600,
    )
    for role, tok in libraries.items():
        got = shared_daemon.lines(
            "rows", name, "--role", role, *(["--text"] if role == TOKENIZERS[0] else []), timeout=600
        )
        assert len(got) == len(texts)
        if role == TOKENIZERS[0]:
            assert [row["text"] for row in got] == texts
            assert [row["labels"] for row in got] == (label_rows(columns) if labels else [[]] * len(texts))
        want = tok.encode_batch_fast(texts, add_special_tokens=False)
        wrong = [i for i, (row, e) in enumerate(zip(got, want)) if row["ids"] != e.ids]
        assert not wrong, f"{role}: {len(wrong)} rows differ, the first is row {wrong[0]}"
    shared_daemon.run("rm", name)
