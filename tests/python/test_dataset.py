# SPDX-License-Identifier: Apache-2.0
"""Database and Dataset: ingests, versions, rows, folds, weights, whole tensors, beside the libraries they
replace.
"""

import csv
import os
import pickle
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import hsfeed
from conftest import HSFEED, HSFEEDD, ingest_demo, restart


def demo_rows(demo):
    """The demo's rows as pandas keeps them: (texts, labels)."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(demo / "comments.csv").dropna(subset=["Comments", "Question"])
    return frame["Comments"].astype(str).tolist(), frame["Question"].to_numpy(dtype=np.float32)


def texts_of(ds):
    return [text for page in ds.pages(text=True) for text in page["texts"]]


# ---- what it is


def test_a_dataset_tells_what_it_is(demo_set, demo):
    assert (demo_set.name, demo_set.labels, demo_set.roles, demo_set.default_role) == (
        "demo",
        ("Question",),
        ("text",),
        "text",
    )
    assert demo_set.rows == len(demo_set) == 3970
    assert re.fullmatch("[0-9a-f]{64}", demo_set.version) and demo_set.ref == f"demo@{demo_set.version}"
    assert (
        repr(demo_set)
        == f"<hsfeed.Dataset demo@{demo_set.version[:6]}: 3,970 rows; labels Question; roles text>"
    )
    assert demo_set.label_info[0]["counts"] == [2583, 1387]
    assert sum(d["rows"] for d in demo_set.report["dropped"]) == 30


def test_rows_are_the_sources(demo_set, demo):
    texts, labels = demo_rows(demo)
    assert texts_of(demo_set) == texts
    assert (demo_set.label_values()[:, 0] == labels).all()
    for i in (0, 1, 3000, -1, np.int64(7)):
        row = demo_set[i]
        assert row["text"] == texts[i] and row["labels"].tolist() == [labels[i]]
        assert row["ids"]["text"].dtype == np.int64
    assert demo_set[0]["line"] == 2
    with pytest.raises(IndexError, match="there is no row 3970"):
        demo_set[3970]
    with pytest.raises(IndexError):
        demo_set[-3971]
    with pytest.raises(TypeError, match="numbered by int"):
        demo_set["a"]


def test_ids_are_the_tokenizers(demo_set, demo):
    tokenizers = pytest.importorskip("tokenizers")
    reference = tokenizers.Tokenizer.from_file(str(demo / "tokenizer" / "tokenizer.json"))
    texts, _ = demo_rows(demo)
    wanted = [e.ids for e in reference.encode_batch(texts, add_special_tokens=False)]
    for page in demo_set.pages():
        for i in range(page["count"]):
            ids = page["ids"][page["offsets"][i] : page["offsets"][i + 1]]
            assert ids.tolist() == wanted[page["start"] + i]


def test_iterating_gives_every_row(shared_db, demo):
    ds = shared_db.ingest(
        "few", texts=["a", "b"], labels=["x", "y"], tokenizers=demo / "tokenizer", quiet=True
    )
    assert [(r["text"], r["labels"], r["line"]) for r in ds] == [("a", 0, 2), ("b", 1, 3)]


# ---- ingests


def test_the_same_again_does_nothing_and_says_so(shared_db, demo_set, demo, capsys):
    again = shared_db.ingest(
        "demo", demo / "comments.csv", labels="Question", tokenizers={"text": str(demo / "tokenizer")}
    )
    assert again.version == demo_set.version
    assert "known already, nothing was done" in capsys.readouterr().err


def test_a_datasets_default_is_the_first_role_of_its_own_tokenizers(db, demo, caplog, capsys):
    tokenizer = demo / "tokenizer"

    def ingest(*roles):
        return db.ingest("roles", texts=["a b", "b"], tokenizers={role: tokenizer for role in roles})

    assert ingest("text").roles == ("text",) and caplog.text == ""
    added = ingest("teacher", "student")
    assert added.roles == ("teacher", "student", "text") and added.default_role == "teacher"
    assert "hsfeed: roles has other roles from before: text; the default here is teacher" in caplog.text
    capsys.readouterr()
    known = ingest("student", "teacher")
    assert known.roles == ("student", "teacher", "text") and known.default_role == "student"
    said = capsys.readouterr().err
    assert "known already" in said and "  roles student, teacher, text; the default is student\n" in said
    assert [role["default"] for role in known.info["roles"]] == [True, False, False]
    assert list(known[0]["ids"]) == list(known.roles) and added.default_role == "teacher"
    assert db.dataset("roles").default_role == "text"
    more = db.add("roles", {"fourth": tokenizer}, quiet=True)
    assert more.roles[0] == more.default_role == "fourth"
    assert known.add(tokenizer, role="fifth", quiet=True).default_role == "student"


def test_the_report_names_every_row_that_was_dropped(shared_db, demo, tmp_path, capsys):
    path = tmp_path / "r.csv"
    path.write_text("text,y\na,1\n,0\nNA,1\nb,\nc,0\n" + "d,1\n" * 200)
    ds = shared_db.ingest("report", path, labels=["y"], tokenizers=demo / "tokenizer")
    said = capsys.readouterr().err
    assert "205 rows read, 202 kept, 3 dropped" in said
    assert "dropped 2 without text: lines 3, 4" in said and "dropped 1 without a label: line 5" in said
    assert '"NA" counts as missing: line 4 (na="empty" keeps it)' in said
    assert "label y (float) 0: 1, 1: 201" in said and "role text: " in said
    assert (
        shared_db.ingest(
            "report", path, labels=["y"], tokenizers=demo / "tokenizer", na="empty", quiet=True
        ).rows
        == 203
    )
    assert capsys.readouterr().err == "" and ds.rows == 202


def test_options_of_a_file(shared_db, demo, tmp_path):
    path = tmp_path / "o.txt"
    path.write_bytes("1;hate;caf\xe9 http://x.y\n2;ok;b\n3;ok;c;d\n4;hate;e\n".encode("latin-1"))
    ds = shared_db.ingest(
        "options",
        path,
        labels=["1"],
        text_column="2",
        tokenizers=demo / "tokenizer",
        header=False,
        delimiter="semicolon",
        charset="latin1",
        bad_rows="skip",
        clean=["urls", "whitespace"],
        positive="hate",
        normalize="nfc",
        quiet=True,
    )
    assert texts_of(ds) == ["café", "b", "e"] and ds.label_values().tolist() == [[1], [0], [1]]
    assert ds.info["roles"][0]["normalize"] == "nfc"
    with pytest.raises(hsfeed.BadCsv, match="line 3"):
        shared_db.ingest(
            "options",
            path,
            labels=["1"],
            text_column="2",
            tokenizers=demo / "tokenizer",
            header=False,
            delimiter="semicolon",
            charset="latin1",
        )
    with pytest.raises(hsfeed.BadRequest, match="bad_rows"):
        shared_db.ingest("options", path, labels=["1"], tokenizers=demo / "tokenizer", bad_rows="skipp")


def test_errors_of_a_source_have_classes(shared_db, demo, tmp_path):
    def ingest(path, **options):
        return shared_db.ingest("bad", path, **{"labels": ["y"], "tokenizers": demo / "tokenizer", **options})

    with pytest.raises(FileNotFoundError, match="none.csv"):
        ingest(tmp_path / "none.csv")
    path = tmp_path / "b.csv"
    path.write_text("text,y\na,1\nb,0\n")
    with pytest.raises(hsfeed.BadColumn, match="z"):
        ingest(path, labels=["z"])
    with pytest.raises(hsfeed.BadColumn, match="did you mean 'text'.*text_column="):
        ingest(path, text_column="txt")
    with pytest.raises(hsfeed.BadRequest, match='^na is one of pandas, pandas1, empty, not "none"$'):
        ingest(path, na="none")
    with pytest.raises(hsfeed.NotFound, match="no/such"):
        ingest(path, tokenizers="no/such")
    with pytest.raises(hsfeed.BadArgument, match="needs tokenizers"):
        ingest(path, tokenizers=None)
    with pytest.raises(hsfeed.BadArgument, match="need roles"):
        ingest(path, tokenizers=[demo / "tokenizer"])
    with pytest.raises(hsfeed.BadArgument, match="the role 'b'"):
        ingest(path, normalize={"b": "nfc"})
    with pytest.raises(hsfeed.BadArgument, match="is an int"):
        ingest(path, tokenizers=5)
    path.write_text("text,y\nNA,1\nb,0\n")
    with pytest.raises(hsfeed.NaWords):
        ingest(path)
    with pytest.raises(hsfeed.NotFound):
        shared_db.dataset("bad")


def test_without_labels_an_ingest_of_a_file_asks(shared_db, demo, tmp_path):
    path = tmp_path / "n.csv"
    path.write_text("text,y\na,1\n")
    with pytest.raises(hsfeed.BadArgument, match="which columns are the labels"):
        shared_db.ingest("ask", path, tokenizers=demo / "tokenizer")
    assert shared_db.ingest("ask", path, labels=None, tokenizers=demo / "tokenizer", quiet=True).labels == ()


# ---- clean=callable


def shout(text):
    return text.upper().replace("NOBODY", "NA")


def test_a_function_cleans_and_its_output_is_the_identity(shared_db, demo, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text('text,y\n"a, ""b""",yes\n,no\nNA,no\nnobody,no\nc,yes\n' + "d,no\n" * 100)
    made = shared_db.ingest(
        "cleaned", path, labels=["y"], tokenizers=demo / "tokenizer", clean=shout, quiet=True
    )
    assert texts_of(made)[:4] == ['A, "B"', "NA", "C", "D"]
    assert made.label_info[0]["values"] == ["no", "yes"] and made.label_values()[:4].tolist() == [1, 0, 1, 0]
    assert "cleaned by shout" in made.info["version_info"]["file_name"]
    assert [d["name"] for d in shared_db.datasets() if "uncleaned" in d["name"]] == []

    def other_code(text):
        return "".join(c.upper() for c in text).replace("NOBODY", "NA")

    again = shared_db.ingest(
        "cleaned", path, labels=["y"], tokenizers=demo / "tokenizer", clean=other_code, quiet=True
    )
    assert again.version == made.version
    other = shared_db.ingest(
        "cleaned", path, labels=["y"], tokenizers=demo / "tokenizer", clean=str.lower, quiet=True
    )
    assert other.version != made.version
    in_memory = shared_db.ingest(
        "cleaned2", texts=["x", "y"], tokenizers=demo / "tokenizer", clean=shout, quiet=True
    )
    assert texts_of(in_memory) == ["X", "Y"]


def test_a_function_cleans_numbers_positives_and_several_labels(shared_db, demo, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("text,p,q\na,0.1,1\nb,0,0\nc,1,1\n")
    plain = shared_db.ingest("plain", path, labels=["p", "q"], tokenizers=demo / "tokenizer", quiet=True)
    made = shared_db.ingest(
        "multi", path, labels=["p", "q"], tokenizers=demo / "tokenizer", clean=str.upper, quiet=True
    )
    assert made.labels == ("p", "q") and made.label_values().tolist() == plain.label_values().tolist()
    path.write_text("text,y\na,hate\nb,ok\n")
    made = shared_db.ingest(
        "multi", path, labels="y", positive="hate", tokenizers=demo / "tokenizer", clean=str.upper, quiet=True
    )
    assert made.label_values().tolist() == [[1], [0]]
    bare = shared_db.ingest(
        "multi", path, labels=None, tokenizers=demo / "tokenizer", clean=str.upper, quiet=True
    )
    assert bare.labels == () and texts_of(bare) == ["A", "B"]


def test_a_function_on_a_file_is_reported_with_the_files_lines(db, demo, tmp_path, capsys):
    path = tmp_path / "c.csv"
    path.write_text("Comments,y\na,1\n,0\nNA,1\nb,\nc,0\n" + "d,1\n" * 200)
    ds = db.ingest("lines", path, labels=["y"], tokenizers=demo / "tokenizer", clean=str.upper)
    said = capsys.readouterr().err
    assert f"  {path}, as it was read:\nhsfeed:   205 rows read, 202 kept, 3 dropped" in said
    assert "dropped 2 without text: lines 3, 4" in said and "dropped 1 without a label: line 5" in said
    assert '"NA" counts as missing: line 4' in said and "202 rows read, 202 kept, 0 dropped" in said
    assert "clean: a function" in said and "clean none" not in said
    assert ds.info["version_info"]["text_column"] == "Comments"
    db.ingest("lines", path, labels=["y"], tokenizers=demo / "tokenizer", clean=str.upper)
    said = capsys.readouterr().err
    assert "known already" in said and "rows read" not in said
    db.ingest("memory", texts=["a"], tokenizers=demo / "tokenizer", clean=str.upper)
    assert "clean: a function" in capsys.readouterr().err


KILLED = """
import os, signal, sys, hsfeed
db = hsfeed.connect(sys.argv[1])
kill = lambda text: os.kill(os.getpid(), signal.SIGKILL)
db.ingest("killed", sys.argv[2], labels=None, tokenizers=sys.argv[3], clean=kill)
"""


def test_what_a_killed_process_left_uncleaned_goes_with_the_next_ingest(daemon, db, demo):
    ours = [daemon.socket, demo / "comments.csv", demo / "tokenizer"]
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, ours)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    (left,) = [d["name"] for d in db.datasets()]
    assert left.startswith("killed.uncleaned-")
    alive = f"killed.uncleaned-{os.getpid()}-" + left.split("-", 2)[2]
    for name in (alive, "killed.uncleaned-mine"):
        db.ingest(name, texts=["a"], tokenizers=demo / "tokenizer", quiet=True)
    db.ingest("killed", texts=["a"], tokenizers=demo / "tokenizer", quiet=True)
    assert {d["name"] for d in db.datasets()} == {alive, "killed.uncleaned-mine", "killed"}


def test_a_function_that_makes_no_text_is_told(shared_db, demo, tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("text,y\na,1\nb,0\n")
    with pytest.raises(hsfeed.BadArgument, match="clean made a NoneType of the text of .*f.csv, line 2;"):
        shared_db.ingest("failing", path, labels="y", tokenizers=demo / "tokenizer", clean=lambda text: None)
    with pytest.raises(ZeroDivisionError if sys.version_info >= (3, 11) else hsfeed.BadArgument) as caught:
        shared_db.ingest("failing", path, labels="y", tokenizers=demo / "tokenizer", clean=lambda text: 1 / 0)
    said = getattr(caught.value, "__notes__", [str(caught.value)])[0]
    assert said.startswith(f"hsfeed: clean failed on the text of {path}, line 2")
    assert [d["name"] for d in shared_db.datasets() if "failing" in d["name"]] == []


# ---- tokenizer objects


def test_a_tokenizer_object_gives_the_same_encoding(shared_db, demo):
    tokenizers = pytest.importorskip("tokenizers")
    by_folder = shared_db.ingest("objects", texts=["a cat", "b"], tokenizers=demo / "tokenizer", quiet=True)
    one = tokenizers.Tokenizer.from_file(str(demo / "tokenizer" / "tokenizer.json"))
    ds = shared_db.ingest("objects", texts=["a cat", "b"], tokenizers={"object": one}, quiet=True)
    assert ds[0]["ids"]["object"].tolist() == by_folder[0]["ids"]["text"].tolist()
    assert "tokenizers.Tokenizer object" in [r["tokenizer"] for r in ds.info["roles"]]
    again = shared_db.ingest("objects", texts=["a cat", "b"], tokenizers={"object": one}, quiet=True)
    assert again.encodings["object"] == ds.encodings["object"]


def test_an_object_that_saves_itself_is_taken_at_its_name(shared_db, demo):
    class Pretrained:
        name_or_path = "org/model"

        def save_pretrained(self, folder):
            for file in (demo / "tokenizer").iterdir():
                (type(demo)(folder) / file.name).write_bytes(file.read_bytes())

    ds = shared_db.ingest("pretrained", texts=["a"], tokenizers=Pretrained(), quiet=True)
    assert ds.info["roles"][0]["tokenizer"] == "org/model"


# ---- versions, add, why, remove


def test_names_move_and_datasets_do_not(db, demo, tmp_path, capsys):
    old = db.ingest("moves", texts=["a", "b"], labels=[1, 0], tokenizers=demo / "tokenizer", quiet=True)
    new = db.ingest("moves", texts=["a", "b", "c"], labels=[1, 0, 1], tokenizers=demo / "tokenizer")
    assert f"the name moved; it was {old.version[:6]}" in capsys.readouterr().err
    assert (len(old), len(new), len(texts_of(old)), len(texts_of(new))) == (2, 3, 2, 3)
    assert [(v["version"], v["current"]) for v in new.versions()] == [
        (old.version, False),
        (new.version, True),
    ]
    assert db.dataset("moves").version == new.version
    assert db.dataset(f"moves@{old.version[:8]}").version == old.version
    assert db.remove(old)["removed"] == [old.version]
    assert db.remove("moves")["removed"] == [new.version]
    with pytest.raises(hsfeed.NotFound):
        new[0]


def test_more_encodings_come_later(db, demo, tmp_path, capsys):
    ds = db.ingest("adds", texts=["a b", "b"], tokenizers=demo / "tokenizer", quiet=True)
    assert ds.add(demo / "tokenizer", role="student") is ds
    assert ds.roles == ("text", "student") and set(ds[0]["ids"]) == {"text", "student"}
    assert "new encodings were added" in capsys.readouterr().err
    pinned = db.dataset("adds")
    moved = ds.add({"student": demo / "tokenizer"}, normalize="nfkc")
    assert "role student moved" in capsys.readouterr().err
    assert moved.encodings["student"] != pinned.encodings["student"] == pinned.encodings["text"]
    assert db.add("adds", {"fourth": demo / "tokenizer"}, quiet=True).roles == ("fourth", "text", "student")


def test_why_names_what_would_change(shared_db, demo_set, demo):
    same = shared_db.why("demo", demo / "comments.csv", labels="Question", tokenizers=demo / "tokenizer")
    assert same["same"] and same["version"] == demo_set.version and same["roles"][0]["same"]
    other = shared_db.why("demo", demo / "comments.csv", labels="Question", na="empty")
    assert other["changes"] == [{"what": "na", "stored": "pandas", "given": "empty"}]
    with pytest.raises(TypeError, match="'nah'"):
        shared_db.why("demo", demo / "comments.csv", labels="Question", nah="empty")


# ---- folds and weights


@pytest.mark.parametrize(
    "k, kind, seed, shuffle", [(5, None, 42, True), (3, "plain", 7, True), (4, "stratified", 0, False)]
)
def test_folds_are_scikit_learns(demo_set, demo, k, kind, seed, shuffle):
    selection = pytest.importorskip("sklearn.model_selection")
    cls = selection.KFold if kind == "plain" else selection.StratifiedKFold
    labels = demo_set.label_values().ravel()
    wanted = cls(k, shuffle=shuffle, random_state=seed if shuffle else None).split(
        np.zeros(len(labels)), labels
    )
    made = demo_set.folds(k, kind, seed, shuffle)
    assert len(made) == k
    for (train, val), (train_wanted, val_wanted) in zip(made, wanted):
        assert (train == train_wanted).all() and (val == val_wanted).all()
        assert train.dtype == val.dtype == np.int64


def test_a_fold_that_cannot_be_is_refused(demo_set, shared_db, demo):
    with pytest.raises(hsfeed.BadPlan):
        demo_set.folds(1)
    with pytest.raises(hsfeed.Error):
        demo_set.folds(5, "striped")
    with pytest.raises(hsfeed.BadArgument, match="no option 'n_splits'\n  k=5"):
        demo_set.folds(n_splits=5)
    with pytest.raises(hsfeed.BadArgument, match="a plan has no 'seed'"):
        demo_set.pos_weight(0, plan={"seed": 1})
    with pytest.raises(hsfeed.BadArgument, match="there is no fold 5"):
        demo_set.pos_weight(5)


def ratio(labels):
    """The weights of the script that hsfeed replaces: float64 from exact counts, then float32."""
    positive = labels.sum(axis=0, dtype=np.float64)
    negative = len(labels) - positive
    return np.array([n / p if p > 0 else 1.0 for n, p in zip(negative, positive)], dtype=np.float32)


def test_pos_weight_is_the_ratio_of_the_training_rows(shared_db, demo_set, demo):
    labels = demo_set.label_values()
    for fold, (train, _) in enumerate(demo_set.folds()):
        weight = demo_set.pos_weight(fold)
        assert np.asarray(weight).dtype == np.float32
        assert np.asarray(weight).tolist() == ratio(labels[train]).tolist()
    rng = np.random.default_rng(1)
    several = (rng.random((300, 3)) < [0.5, 0.1, 0.0]).astype(np.int64)
    several[0, 2] = 1
    ds = shared_db.ingest(
        "weights", texts=["a"] * 300, labels=several, tokenizers=demo / "tokenizer", quiet=True
    )
    plan = {"kind": "plain", "folds": 3, "fold_seed": 9}
    for fold, (train, _) in enumerate(ds.folds(3, "plain", 9)):
        part = several[train]
        assert np.asarray(ds.pos_weight(fold, plan=plan)).tolist() == ratio(part).tolist()
        pooled = ratio(part.reshape(-1, 1))
        assert np.asarray(ds.pos_weight(fold, plan=plan, pooled=True)).tolist() == pooled.tolist()


def test_pos_weight_needs_zeros_and_ones(shared_db, demo):
    for labels, sentence in (
        ([0, 1, 2, 0, 1, 2], "0 and 1"),
        (None, "has no labels"),
        ([0.5, 1, 0, 0, 1, 1], "0 and 1"),
    ):
        ds = shared_db.ingest(
            "noweight", texts=["a"] * 6, labels=labels, tokenizers=demo / "tokenizer", quiet=True
        )
        with pytest.raises(hsfeed.BadLabel, match=sentence):
            ds.pos_weight(0, plan={"folds": 2, "kind": "plain"})


# ---- whole tensors


def test_tensors_are_what_the_tokenizer_gives(shared_db, demo_set, demo):
    torch = pytest.importorskip("torch")
    tokenizers = pytest.importorskip("tokenizers")
    texts, labels = demo_rows(demo)
    reference = tokenizers.Tokenizer.from_file(str(demo / "tokenizer" / "tokenizer.json"))
    for length in (128, 16):
        reference.enable_padding(length=length)
        reference.enable_truncation(length)
        wanted = reference.encode_batch(texts)
        made = demo_set.tensors("text", length)
        assert list(made) == ["input_ids", "attention_mask", "labels"]
        assert (made["input_ids"].numpy() == np.array([e.ids for e in wanted])).all()
        assert (made["attention_mask"].numpy() == np.array([e.attention_mask for e in wanted])).all()
        assert (made["labels"].numpy()[:, 0] == labels).all() and made["labels"].dtype == torch.float32
    made = demo_set.tensors(max_length={"text": 8}, dtype="int32", token_type_ids=True)
    assert made["token_type_ids"].shape == (3970, 8) and made["input_ids"].dtype == torch.int32


# ---- the database


def test_a_database_lists_and_tells(shared_db, demo_set, shared_daemon):
    assert "demo" in [d["name"] for d in shared_db.datasets()]
    assert shared_db.status()["pid"] == shared_db.pid == shared_daemon.process.pid
    assert (
        shared_db.socket == str(shared_daemon.socket)
        and repr(shared_db) == f"<hsfeed.Database at {shared_daemon.socket}>"
    )
    assert shared_db.verify("demo")["ok"]
    with pytest.raises(hsfeed.UnknownMethod):
        shared_db.call("nothing.of.the.kind")


def test_a_database_is_a_table_of_its_datasets(shared_db, demo_set):
    assert shared_db["demo"].ref == demo_set.ref
    assert "demo" in shared_db and "emod" not in shared_db
    with pytest.raises(LookupError, match="emod"):
        shared_db["emod"]


def test_databases_and_datasets_are_pickled_by_their_place(shared_db, demo_set):
    ds = pickle.loads(pickle.dumps(demo_set))
    assert (ds.ref, ds.roles, ds.database.socket) == (demo_set.ref, demo_set.roles, shared_db.socket)
    assert ds.database is not shared_db and ds[5]["text"] == demo_set[5]["text"]


def test_a_database_outlives_its_daemon(db, demo, daemon):
    ds = ingest_demo(db, demo)
    daemon.stop(signal.SIGKILL)
    with pytest.raises(hsfeed.Error):
        ds[0]
    restart(daemon)
    assert ds[0]["line"] == 2
    daemon.stop(signal.SIGKILL)
    restart(daemon)
    assert db.remove("demo")["removed"] == [ds.version]


def test_a_closed_database_says_so(daemon):
    db = hsfeed.connect(daemon.socket)
    db.close()
    db.close()
    with pytest.raises(hsfeed.ConnectionLost):
        db.datasets()


def test_progress_is_told_and_cancels(shared_db, demo, tmp_path):
    path = tmp_path / "big.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "y"])
        writer.writerows((f"word {i} of many " * 40, i % 2) for i in range(20_000))
    stages = []

    def told(stage, done, total):
        stages.append(stage)

    shared_db.ingest("big", path, labels="y", tokenizers=demo / "tokenizer", progress=told, quiet=True)
    assert {"read", "tokenize", "publish"} <= set(stages)
    path.write_bytes(path.read_bytes() + b"more,1\n")
    with pytest.raises(hsfeed.Cancelled):
        shared_db.ingest("big", path, labels="y", tokenizers=demo / "tokenizer", progress=lambda *_: True)
    with pytest.raises(ZeroDivisionError):
        shared_db.ingest("big", path, labels="y", tokenizers=demo / "tokenizer", progress=lambda *_: 1 / 0)
    assert shared_db.dataset("big").rows == 20_000


def test_progress_without_a_terminal_is_plain_lines_or_nothing(shared_db, demo, capsys):
    shared_db.ingest("lines", texts=["a"], tokenizers=demo / "tokenizer", quiet=True)
    assert capsys.readouterr().err == ""
    shared_db.ingest("lines", texts=["b"], tokenizers=demo / "tokenizer", quiet=True, progress=True)
    said = capsys.readouterr().err
    assert "hsfeed: lines: tokenize\n" in said and "hsfeed: lines: publish\n" in said


def test_connect_starts_a_daemon_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HSFEED_HSFEED", str(HSFEED))
    monkeypatch.setenv("HSFEED_HSFEEDD", str(HSFEEDD))
    state = tmp_path / "state"
    with pytest.raises(hsfeed.NoDaemon):
        hsfeed.connect(state=state)
    with hsfeed.connect(start=True, state=state) as db, hsfeed.connect(start=True, state=state) as again:
        assert db.pid == again.pid and db.socket == str(state / "hsfeed.sock")
        assert db.status()["state"] == str(state)
        os.kill(db.pid, signal.SIGTERM)
    assert capsys.readouterr().err == (
        f"hsfeed: started a daemon: socket {state}/hsfeed.sock, state {state}, log {state}/hsfeedd.log; "
        f"`hsfeed stop --socket {state}/hsfeed.sock` ends it\n"
    )
    monkeypatch.chdir(tmp_path)
    with hsfeed.connect(start=True, state="relative") as db:
        assert db.status()["state"] == str(tmp_path / "relative")
        os.kill(db.pid, signal.SIGTERM)
    monkeypatch.setenv("HSFEED_HSFEED", "/nonexistent/hsfeed")
    with pytest.raises((hsfeed.NoDaemon, FileNotFoundError)):
        hsfeed.connect(start=True, state=tmp_path / "other")


def test_a_daemon_that_cannot_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("HSFEED_HSFEED", str(HSFEED))
    monkeypatch.setenv("HSFEED_HSFEEDD", "/bin/false")
    with pytest.raises(hsfeed.NoDaemon, match="could not be started: hsfeedd ended at once"):
        hsfeed.connect(start=True, state=tmp_path / "state")


def test_real_data_loses_no_row_from_memory(shared_db, shared, demo):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(shared / "data" / "csv" / "bn_hatespeech.csv", keep_default_na=False)
    banglabert = shared / "data" / "tokenizers" / "banglabert"
    ds = shared_db.ingest(
        "real", texts=frame["Comments"], labels=frame["HateSpeech"], tokenizers=banglabert, quiet=True
    )
    assert ds.rows == len(frame) and texts_of(ds) == [text or " " for text in frame["Comments"]]
    assert (ds.label_values().ravel() == frame["HateSpeech"].to_numpy()).all()
