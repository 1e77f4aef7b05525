# SPDX-License-Identifier: Apache-2.0
"""lengths, weights, estimate and the fold table as people read them: what stands where, on screens of any width, with
and without blocks; and what --json says."""
import os
import pty
import re
import subprocess
import unicodedata

import pytest

from conftest import HSFEED
from protoclient import Client

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] sun moon star rain wind".split()
UTF8 = {"LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def daemon(shared_daemon, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    names = [f"label{i}" for i in range(12)]
    rows = [[(i * (k + 3)) % 7 < 2 for k in range(12)] for i in range(240)]
    lines = [f"{'sun ' * (1 + i % 37)},{','.join(str(int(v)) for v in r)},{'xyz'[i % 3]}\n" for i, r in enumerate(rows)]
    (folder / "rows.csv").write_text(f"comment,{','.join(names)},kind\n" + "".join(lines))
    (folder / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    for name, labels in (("one", "label0"), ("many", ",".join(names)), ("classes", "kind"), ("bare", "none")):
        shared_daemon.run("ingest", name, folder / "rows.csv", "--text", "comment", "--labels", labels,
                          "--tokenizer", folder, "--tokenizer", f"other={folder}")
    return shared_daemon


def width(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


COMMANDS = [("lengths", "many"), ("lengths", "bare", "--role", "other", "--max-length", "10,20", "--max-length", "30"),
            ("weights", "one", "--fold", "0"), ("weights", "many", "--fold", "1", "--scheme", "log"),
            ("weights", "classes", "--fold", "0"), ("folds", "one"), ("folds", "classes"), ("folds", "bare"),
            ("folds", "many", "--kind", "multilabel"), ("estimate", "one", "--fold", "0"),
            ("estimate", "many", "--roles", "text,other", "--padding", "longest")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tables_fit_the_screen_and_end_without_spaces(daemon, command):
    for columns in (80, 100, 200):
        out = daemon.run(*command, env={**UTF8, "COLUMNS": str(columns)}).stdout
        assert all(width(line) <= columns for line in out.splitlines() if line.startswith("  "))
        assert not re.search(r" $", out, re.M) and "{" not in out
        assert re.match(rf"{command[1]}@[0-9a-f]{{6}}", out)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_bars_are_blocks_where_the_locale_has_them_and_ascii_elsewhere(daemon, command):
    plain = daemon.run(*command, env={"LC_ALL": "C"}).stdout
    assert plain.isascii()
    if command[0] in ("lengths", "estimate"):
        assert "█" in daemon.run(*command, env=UTF8).stdout and "##" in plain


def on_terminal(daemon, term, *command):
    """What a terminal of 60 columns gets."""
    ours, theirs = pty.openpty()
    subprocess.run(["stty", "cols", "60", "rows", "24"], stdin=theirs, check=True)
    env = {**os.environ, **UTF8, "TERM": term, "HSFEED_SOCKET": str(daemon.socket)}
    process = subprocess.Popen([str(HSFEED), *command], stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    out = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(ours)
    assert process.wait() == 0
    return out.decode().replace("\r\n", "\n")


def test_a_terminal_says_how_wide_it_is_and_whether_it_has_blocks(daemon):
    out = on_terminal(daemon, "xterm-256color", "folds", "many")
    table = [line for line in out.splitlines() if line.startswith("  ")]
    assert table and max(map(width, table)) <= 60 and out.count("fold  split") > 3
    assert "█" in on_terminal(daemon, "xterm-256color", "lengths", "one")
    assert on_terminal(daemon, "dumb", "lengths", "one").isascii()


def test_json_is_the_protocols_map(daemon):
    c = Client(daemon.socket)
    assert daemon.json("lengths", "many", "--max-length", "8,16", "--role", "other") == c.call(
        "lengths", name="many", max_lengths=[8, 16], role="other")
    assert daemon.json("weights", "one", "--fold", "2", "--folds", "3", "--scheme", "effective", "--beta", "0.5",
                       "--cap", "1.25", "--normalize") == c.call(
        "weights", name="one", fold=2, plan={"folds": 3}, scheme="effective", beta=0.5, cap=1.25, normalize=True)
    assert daemon.json("weights", "many", "--fold", "0", "--pooled") == c.call(
        "weights", name="many", fold=0, pooled=True)
    assert daemon.json("folds", "many", "--max-length", "9", "--role", "other") == c.call(
        "folds", name="many", max_length=9, role="other")
    assert daemon.json("estimate", "many", "--fold", "1", "--epoch", "2", "--batch-size", "7", "--max-length",
                       "text=9,other=12", "--padding", "8", "--seed", "5", "--order", "shuffle", "--world", "3",
                       "--shard", "drop", "--drop-last", "--roles", "other,text", "--kind", "plain") == c.call(
        "estimate", name="many", fold=1, epoch=2, batch_size=7, max_length={"text": 9, "other": 12}, padding=8, seed=5,
        order="shuffle", world=3, shard="drop", drop_last=True, roles=["other", "text"], plan={"kind": "plain"})
    assert daemon.json("estimate", "one") == c.call("estimate", name="one")
    c.close()


def test_a_saved_plan_is_used_by_its_name(daemon):
    daemon.run("folds", "one", "--plan", "thirds", "--folds", "3", "--kind", "plain")
    for command in (("weights", "one", "--fold", "2"), ("estimate", "one"), ("folds", "one")):
        told = daemon.json(*command, "--plan", "thirds")
        assert told == daemon.json(*command, "--folds", "3", "--kind", "plain") and told["plan"]["folds"] == 3


def cells(line):
    return re.split(r"  +", line.strip())


def test_lengths_lists_every_row_once_and_each_cut(daemon):
    told = daemon.json("lengths", "many", "--max-length", "8,16")
    out = daemon.run("lengths", "many", "--max-length", "8,16", env={"LC_ALL": "C"}).stdout
    lines = [cells(line) for line in out.splitlines()]
    head = lines.index(["tokens", "rows", "share"])
    end = lines.index([""], head)
    assert sum(int(c[1].replace(",", "")) for c in lines[head + 1:end]) == told["rows"] == 240
    ranges = [re.fullmatch(r"(\d+) to (\d+)", c[0]) for c in lines[head + 1:end]]
    assert all(ranges) and int(ranges[0][1]) <= told["min"] and int(ranges[-1][2]) >= told["max"]
    assert all(int(b[1]) == int(a[2]) + 1 for a, b in zip(ranges, ranges[1:]))
    values = lines[lines.index(["shortest", "mean", "median", "75 %", "90 %", "95 %", "99 %", "99.9 %", "longest"]) + 1]
    assert values == [str(told["min"]), f"{told['mean']:.1f}", *(str(n) for _, n in told["percentiles"]),
                      str(told["max"])]
    for cut in told["cuts"]:
        row = next(c for c in lines if c[0] == str(cut["max_length"]) and len(c) > 3)
        assert row[1].startswith(f"{cut['truncated_rows']} (") and row[2].startswith(f"{cut['lost_tokens']:,} (")
        assert row[3] == f"{100 * cut['padding_share']:.{2 if cut['padding_share'] < 0.1 else 1}f} %"


def test_a_few_very_long_rows_get_one_line(daemon, tmp_path):
    (tmp_path / "long.csv").write_text("comment\n" + "sun moon\n" * 500 + "sun " * 3000 + "\n")
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    daemon.run("ingest", "long", tmp_path / "long.csv", "--labels", "none", "--tokenizer", tmp_path)
    out = daemon.run("lengths", "long").stdout
    assert re.search(r"^ +4 +500 +99\.8 %", out, re.M) or re.search(r"^ +4 to \d+ +500 ", out, re.M), out
    assert re.search(r"and more +1 ", out)


def test_weights_and_folds_tell_the_same_numbers(daemon):
    for name in ("one", "many", "classes"):
        told = daemon.json("weights", name, "--fold", "0")
        out = daemon.run("weights", name, "--fold", "0").stdout
        for entry in told["weights"]:
            row = next(cells(line) for line in out.splitlines()
                       if cells(line)[:2] == [entry["label"], entry["value"]])
            assert row[2].startswith(f"{entry['positives']} (") and row[3] == str(entry["negatives"])
            assert float(row[4]) == pytest.approx(entry["weight"], rel=1e-5)
        table = daemon.run("folds", name, env={"COLUMNS": "400"}).stdout
        start = "     0  0." if name == "one" else "     fold 0"  # of one label in the row of its drift
        row = cells(next(line for line in table.splitlines() if line.startswith(start)))
        shown = [float(c) for c in (row[-1:] if name == "one" else row[1:])]
        assert shown == pytest.approx([w["weight"] for w in told["weights"]], rel=1e-4)


def test_a_wide_table_comes_in_blocks_that_repeat_fold_and_split(daemon):
    out = daemon.run("folds", "many", env={"COLUMNS": "80"}).stdout
    blocks = [b for b in out.split("\n\n") if b.lstrip().startswith("fold  split")]
    assert len(blocks) > 2
    for block in blocks:
        assert [cells(line)[0] for line in block.splitlines()[1:]] == [
            "0", "val", "1", "val", "2", "val", "3", "val", "4", "val"]
    heads = " ".join(block.splitlines()[0] for block in blocks)
    assert all(f"label{i} = 1" in heads for i in range(12))


def test_what_cannot_be_is_refused_with_a_sentence(daemon):
    for command, sentence in ((("weights", "bare", "--fold", "0"), "without"),
                              (("weights", "many", "--fold", "0", "--scheme", "balanced"), "ratio"),
                              (("weights", "one", "--fold", "9"), "no fold 9"),
                              (("weights", "one", "--fold", "0", "--beta", "0.5"), "effective"),
                              (("lengths", "one", "--max-length", "1"), "special tokens"),
                              (("estimate", "one", "--fold", "7"), "fold 7"),
                              (("estimate", "one", "--world", "70000"), "65536"),
                              (("folds", "one", "--max-length", "1"), "special tokens")):
        done = daemon.run(*command, check=False)
        assert done.returncode == 1 and done.stdout == "" and sentence in done.stderr, (command, done.stderr)


@pytest.mark.parametrize("args", [
    "weights x", "weights x --fold 0 --scheme best", "weights x --fold 0 --beta 1.5", "weights x --fold 0 --cap x",
    "lengths x --max-length 0", "lengths x --max-length 8,", "lengths x --max-length ,8", "lengths x --max-length 64k",
    "estimate x --padding wide", "estimate x --rank 1", "lengths x --folds 3", "folds x --max-length 0"])
def test_wrong_usage_exits_2(args):
    done = subprocess.run([str(HSFEED), *args.split()], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "HSFEED_SOCKET": "/nonexistent/sock"})
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("hsfeed: ")


def test_a_hostile_label_reaches_no_terminal(daemon, tmp_path):
    (tmp_path / "evil.csv").write_text("comment,e\x1b[31mvil,b\nsun,1,0\nmoon,0,1\nsun,1,1\nmoon,0,0\n")
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    daemon.run("ingest", "evil", tmp_path / "evil.csv", "--labels", "e\x1b[31mvil,b", "--tokenizer", tmp_path)
    for command in (("folds", "evil", "--folds", "2", "--kind", "plain"),
                    ("weights", "evil", "--fold", "0", "--folds", "2", "--kind", "plain")):
        done = daemon.run(*command)
        assert "\x1b" not in done.stdout + done.stderr and "\\x1b" in done.stdout
