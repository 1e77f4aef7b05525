# SPDX-License-Identifier: Apache-2.0
"""Saved plans: by the command and by the protocol, on the real daemon."""

import json
import struct
import subprocess

import pytest
from protoclient import Client, Refused

ROWS = 60


def write_csv(path, rows=ROWS, shift=0):
    lines = ["text,hate,spam,author"]
    lines += [f"word{i + shift} text,{i % 2},{i % 3 == 0:d},a{i % 7}" for i in range(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def ingest(daemon, demo, path, name="hate"):
    daemon.run("ingest", name, path, "--labels", "hate,spam", "--tokenizer", demo / "tokenizer")


@pytest.fixture
def data(daemon, demo, tmp_path):
    ingest(daemon, demo, write_csv(tmp_path / "a.csv"))
    return daemon


@pytest.fixture
def client(data):
    c = Client(data.socket)
    yield c
    c.close()


def upload(client, text):
    handle = client.call("file.begin", name="rows.txt", bytes=len(text))["handle"]
    if text:
        client.call("file.chunk", handle=handle, data=text)
    return handle


def refused(client, code, method, **params):
    with pytest.raises(Refused) as caught:
        client.call(method, **params)
    assert caught.value.code == code, caught.value
    return caught.value


def val_rows(client, plan, fold=0, name="hate"):
    page = client.call("folds.rows", name=name, plan=plan, fold=fold, split="val", start=0, count=1000)
    return list(struct.unpack(f"<{page['count']}q", page["rows"]))


# ---- by the command


def test_a_plan_is_saved_with_the_table_and_used_by_its_name(data):
    options = ("--folds", 3, "--kind", "stratified-group", "--group", "author", "--by", "hate")
    made = data.run("folds", "hate", "--plan", "cv3", *options)
    assert made.stderr.startswith("plan cv3 of hate: saved: 3 folds, stratified-group, fold seed 42, by hate")
    plain = data.lines("folds", "hate", *options, "--indices")
    assert data.lines("folds", "hate", "--plan", "cv3", "--indices") == plain
    assert data.json("folds", "hate", "--plan", "cv3")["plan"] == data.json("folds", "hate", *options)["plan"]
    again = data.run("folds", "hate", "--plan", "cv3", *options)
    assert again.stderr.startswith("plan cv3 of hate: saved already: ")
    digests = [data.run("stream", "hate", "--fold", 1, "--format", "digest", *plan).stdout
               for plan in (options, ("--plan", "cv3"))]
    assert digests[0] == digests[1]


def test_every_question_about_a_plan_takes_its_name(data):
    options = ("--folds", 3, "--kind", "multilabel", "--fold-seed", 7)
    data.run("folds", "hate", "--plan", "cv3", *options)
    for question in (("weights", "hate", "--fold", 1), ("estimate", "hate", "--fold", 1), ("estimate", "hate")):
        assert data.json(*question, "--plan", "cv3") == data.json(*question, *options)
        assert data.json(*question, "--plan", "cv3")["plan"]["fold_seed"] == 7
        unknown = data.run(*question, "--plan", "x", check=False)
        assert unknown.returncode == 1 and 'has no plan "x"; it has cv3' in unknown.stderr
        assert data.run(*question, "--plan", "cv3", "--folds", 3, check=False).returncode == 2


def test_a_plan_is_changed_only_with_replace_and_what_differs_is_told(data):
    data.run("folds", "hate", "--plan", "cv", "--folds", 3)
    other = data.run("folds", "hate", "--plan", "cv", "--folds", 4, "--kind", "plain", "--no-shuffle", check=False)
    assert other.returncode == 1 and other.stdout == ""
    assert other.stderr == (
        'hsfeed: dataset "hate" has another plan "cv": kind multiclass there and plain here, folds 3 there and 4 here, '
        "shuffle true there and false here\n"
        "  take another name, or say that it is to be replaced (--replace)\n"
    )
    assert data.json("folds", "hate", "--plan", "cv")["plan"]["folds"] == 3
    done = data.run("folds", "hate", "--plan", "cv", "--folds", 4, "--by", "spam", "--replace")
    assert "plan cv of hate: replaced: 4 folds" in done.stderr
    options = ("--folds", 4, "--by", "spam,hate", "--kind", "multiclass")
    by = data.run("folds", "hate", "--plan", "cv", *options, check=False)
    assert "kind stratified there and multiclass here, by spam there and spam+hate here" in by.stderr


def test_plans_are_listed_and_removed(data):
    assert "no plans yet" in data.run("plans", "hate").stdout
    data.run("folds", "hate", "--plan", "b", "--test-size", 0.2, "--by", "hate")
    data.run("folds", "hate", "--plan", "a", "--group", "duplicates", "--similarity", 0.9)
    listed = data.json("plans", "hate")["plans"]
    assert [p["plan"] for p in listed] == ["a", "b"]
    assert listed[0]["options"]["duplicates"] == 0.9 and listed[1]["options"]["test_size"] == 0.2
    table = data.run("plans", "hate").stdout
    assert "groups of duplicates from similarity 0.9 on" in table and "0.2 of the rows tested" in table
    assert data.run("plans", "hate", "--rm", "a").stdout == "removed\n"
    gone = data.run("plans", "hate", "--rm", "a", check=False)
    assert (gone.returncode, gone.stdout) == (1, "there was no such plan\n")
    unknown = data.run("stream", "hate", "--plan", "a", "--fold", 0, check=False)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith('hsfeed: dataset "hate" has no plan "a"; it has b\n')
    nothing = data.run("plans", "nothing", check=False)
    assert nothing.returncode == 1 and 'there is no dataset "nothing"' in nothing.stderr


def test_a_plan_that_cannot_be_made_is_not_saved(data):
    for options in (("--folds", 500), ("--group", "nowhere"), ("--fold-column", "author"), ("--by", "x")):
        assert data.run("folds", "hate", "--plan", "cv", *options, check=False).returncode == 1
    assert data.run("folds", "hate", "--plan", "a/b", "--folds", 3, check=False).returncode == 1
    assert data.json("plans", "hate") == {"plans": []}


def test_plans_outlive_restarts_and_moves_of_the_name(data, demo, tmp_path):
    data.run("folds", "hate", "--plan", "cv", "--folds", 3)
    ingest(data, demo, write_csv(tmp_path / "b.csv", shift=100))
    data.stop()
    data.start()
    table = data.json("folds", "hate", "--plan", "cv")
    assert table["plan"]["folds"] == 3
    old = data.json("versions", "hate")["versions"][0]["version"]
    assert old != table["version"]
    assert data.json("folds", f"hate@{old[:8]}", "--plan", "cv")["version"] == old
    assert "saved plans" not in data.run("rm", f"hate@{old[:8]}").stdout
    assert data.run("rm", "hate").stdout.endswith("\nand the dataset's saved plans: 1\n")
    ingest(data, demo, tmp_path / "a.csv")
    assert data.json("plans", "hate") == {"plans": []}


def test_row_numbers_from_a_file_are_a_plan(data, demo, tmp_path):
    rows = tmp_path / "val.txt"
    rows.write_text("\n".join(map(str, range(0, ROWS, 4))) + "\n")
    made = data.run("folds", "hate", "--plan", "mine", "--rows-file", rows, "--indices")
    assert [json.loads(line) for line in made.stdout.splitlines()] == [{"fold": 0, "val": list(range(0, ROWS, 4))}]
    table = data.json("folds", "hate", "--plan", "mine")
    assert table["plan"]["kind"] == "rows" and table["plan"]["folds"] == 1 and len(table["plan"]["rows"]) == 64
    assert (table["folds"][0]["train"]["rows"], table["folds"][0]["val"]["rows"]) == (45, 15)
    # What --indices prints is a file of row numbers.
    lines = tmp_path / "folds.jsonl"
    lines.write_text(data.run("folds", "hate", "--folds", 4, "--kind", "plain", "--indices").stdout)
    again = data.run("folds", "hate", "--plan", "four", "--rows-file", lines, "--indices")
    assert again.stdout == lines.read_text()
    assert "saved: 4 folds, rows " in again.stderr
    assert data.run("folds", "hate", "--plan", "four", "--rows-file", lines).stderr.startswith(
        "plan four of hate: saved already")
    data.stop()
    data.start()
    assert data.run("folds", "hate", "--plan", "four", "--indices").stdout == lines.read_text()
    ingest(data, demo, write_csv(tmp_path / "b.csv", shift=100))
    moved = data.run("folds", "hate", "--plan", "mine", check=False)
    assert moved.returncode == 1
    assert f'the plan "mine" numbers the rows of hate@{table["version"][:12]}, and of no other version' in moved.stderr
    assert data.json("folds", f"hate@{table['version'][:9]}", "--plan", "mine")["folds"] == table["folds"]


def test_a_file_of_row_numbers_that_is_wrong_is_named_with_its_line(data, tmp_path):
    for text, sentence in (
        ("1\n2\n60\n", "val.txt: line 3: there is no row 60: the version has 60"),
        ("1\n1\n", "val.txt: line 2: row 1 is listed twice"),
        ("18446744073709551617\n", "val.txt: line 1: there is no row 18446744073...: the version has 60"),
        ("", "val.txt: it lists no rows"),
        ("{\"fold\":1,\"val\":[3]}\n", "val.txt: fold 0 is missing"),
        ("text\n", "val.txt: line 1: a row's number is expected, and here is \"t\""),
    ):
        path = tmp_path / "val.txt"
        path.write_text(text)
        done = data.run("folds", "hate", "--plan", "p", "--rows-file", path, check=False)
        assert done.returncode == 1 and sentence in done.stderr, done.stderr
    missing = data.run("folds", "hate", "--plan", "p", "--rows-file", tmp_path / "none", check=False)
    assert missing.returncode == 1 and "none: No such file" in missing.stderr
    assert data.json("plans", "hate") == {"plans": []}


def test_files_that_are_too_long_are_refused_before_they_are_read(data, tmp_path):
    zeros = tmp_path / "zeros"
    with open(zeros, "wb") as f:
        f.truncate(1 << 30)
    done = data.run("folds", "hate", "--plan", "p", "--rows-file", zeros, check=False)
    assert done.returncode == 1 and "zeros: it has 1073741824 bytes, and at most" in done.stderr
    with open(zeros, "wb") as f:
        f.truncate(8 << 20)
    done = data.run("folds", "hate", "--plan", "p", "--rows-file", zeros, check=False)
    assert done.returncode == 1 and "zeros: it has 8388608 bytes; the numbers of 60 rows take at most" in done.stderr
    with open(zeros, "wb") as f:
        f.truncate(1 << 20)
    done = data.run("folds", "hate", "--plan", "p", "--rows-file", zeros, check=False)
    assert done.returncode == 1 and "zeros: line 1: a row's number is expected, and here is byte 0x00" in done.stderr


# ---- by the protocol


def test_plan_save_answers_with_the_plan_as_resolved(client):
    assert "plans" in client.hello["features"]
    wanted = {"kind": "stratified", "folds": 3, "fold_seed": 42, "shuffle": True, "by": ["hate"]}
    made = client.call("plan.save", name="hate", plan="cv", options={"folds": 3, "by": ["hate"]})
    assert made == {"name": "hate", "plan": "cv", "options": wanted, "state": "new"}
    assert client.call("plan.save", name="hate", plan="cv", options=wanted)["state"] == "known"
    for asked in ({"name": "cv"}, wanted):
        assert client.call("folds", name="hate", plan=asked)["plan"] == wanted
    listed = client.call("plan.list", name="hate")["plans"]
    assert [(p["plan"], p["options"]) for p in listed] == [("cv", wanted)] and listed[0]["created_ms"] > 1.7e12
    assert client.call("plan.save", name="hate", plan="all")["options"]["kind"] == "multiclass"
    assert client.call("plan.rm", name="hate", plan="cv") == {"removed": True}
    assert client.call("plan.rm", name="hate", plan="cv") == {"removed": False}


def test_what_the_methods_do_not_take_is_refused(client):
    client.call("plan.save", name="hate", plan="cv", options={"folds": 3})
    refused(client, "bad_request", "folds", name="hate", plan={"name": "cv", "folds": 3})
    refused(client, "bad_request", "folds", name="hate", plan={"name": "cv", "shuffle": True})
    assert client.call("folds", name="hate", plan={"name": "cv", "folds": None})["plan"]["folds"] == 3
    refused(client, "not_found", "folds", name="hate", plan={"name": "x"})
    refused(client, "not_found", "stream.open", name="hate", plan={"name": "x"}, fold=0)
    refused(client, "bad_request", "plan.save", name="hate", plan="b", options={"name": "cv"})
    refused(client, "bad_request", "plan.save", name="hate", plan="cv", options={"folds": 4})
    refused(client, "not_found", "plan.save", name="none", plan="b")
    refused(client, "not_found", "plan.save", name="hate", plan="b", owner=4242)
    refused(client, "not_found", "plan.list", name="hate", owner=4242)
    refused(client, "not_found", "plan.rm", name="hate", plan="cv", owner=4242)
    refused(client, "not_found", "plan.save", name="hate", plan="b", rows=99)
    rows = upload(client, b"1\n")
    refused(client, "bad_request", "plan.save", name="hate", plan="b", rows=rows, options={"folds": 1})
    for plan in ("", "a b", "é", "x" * 129, "."):
        refused(client, "bad_request", "plan.save", name="hate", plan=plan)
    for rows in ("0" * 63, "0" * 65, "g" * 64):
        refused(client, "bad_request", "folds", name="hate", plan={"rows": rows})
    refused(client, "bad_request", "folds", name="hate", plan={"kind": "rows"})
    refused(client, "bad_request", "folds", name="hate", plan={"kind": "plain", "rows": "0" * 64})
    refused(client, "not_found", "folds", name="hate", plan={"rows": "0" * 64})
    refused(client, "not_found", "folds", name="hate", plan={"by": ["আ" * 60]})  # cut in the middle of a character


def test_row_numbers_come_as_bytes_and_not_as_a_descriptor(client, tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("1\n")
    attached = refused(client, "bad_file", "plan.save", name="hate", plan="a", rows=client.attach(path))
    assert "file.begin" in attached.hint
    handle = upload(client, b"1\n5\n")
    made = client.call("plan.save", name="hate", plan="mine", rows=handle, options={"kind": "rows"})
    refused(client, "not_found", "plan.save", name="hate", plan="b", rows=handle)  # it was taken
    assert val_rows(client, made["options"]) == [1, 5] == val_rows(client, {"name": "mine"})
    # A resolved plan finds its rows while some plan has them, and another plan may be made of it.
    copy = client.call("plan.save", name="hate", plan="copy", options=made["options"])
    assert copy["options"] == made["options"]
    client.call("plan.rm", name="hate", plan="mine")
    assert val_rows(client, made["options"]) == [1, 5]
    refused(client, "bad_plan", "folds", name="hate", plan={**made["options"], "folds": 2})
    begun = client.call("file.begin", name="rows.txt", bytes=10)["handle"]
    refused(client, "bad_file", "plan.save", name="hate", plan="c", rows=begun)


def test_a_stream_stays_on_its_plan_when_that_is_replaced(client):
    client.call("plan.save", name="hate", plan="cv", options={"folds": 3, "kind": "plain"})
    opened = client.call("stream.open", name="hate", plan={"name": "cv"}, fold=0, split="val")
    assert opened["plan"] == {"kind": "plain", "folds": 3, "fold_seed": 42, "shuffle": True}
    client.call("plan.save", name="hate", plan="cv", options={"folds": 6, "kind": "plain"}, replace=True)
    again = client.call("stream.open", name="hate", plan=opened["plan"], fold=0, split="val")
    assert again["rows"] == opened["rows"] == 20
    assert client.call("stream.open", name="hate", plan={"name": "cv"}, fold=0, split="val")["rows"] == 10


def test_a_daemon_killed_after_the_answer_has_the_plan(data):
    c = Client(data.socket)
    for i in range(20):
        c.call("plan.save", name="hate", plan=f"p{i}", options={"folds": 2 + i, "kind": "plain"})
    c.close()
    data.process.kill()
    data.process.wait()
    data.socket.unlink()  # or it would be taken for the next daemon's
    data.start()
    plans = data.json("plans", "hate")["plans"]
    assert sorted((p["plan"], p["options"]["folds"]) for p in plans) == sorted((f"p{i}", 2 + i) for i in range(20))


def test_many_clients_save_at_once(data):
    commands = [
        subprocess.Popen(
            [*map(str, (data.run.__globals__["HSFEED"], "folds", "hate", "--plan", f"p{i % 3}", "--folds", 2 + i % 3)),
             "--socket", str(data.socket)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for i in range(12)
    ]
    assert [c.wait(timeout=60) for c in commands] == [0] * 12
    assert [p["options"]["folds"] for p in data.json("plans", "hate")["plans"]] == [2, 3, 4]
