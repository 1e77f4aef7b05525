# SPDX-License-Identifier: Apache-2.0
"""The command: words, exit codes, what is printed; against the real daemon."""
import hashlib
import json
import os
import re
import signal
import struct
import subprocess

import pytest

from conftest import HSFEED, HSFEEDD, ROOT
from jobs import has_ended

LATER = ["diff", "share", "top", "metrics"]


def run(*args, env=None, **kwargs):
    return subprocess.run([str(HSFEED), *map(str, args)], capture_output=True, text=True, env=env, timeout=60, **kwargs)


@pytest.fixture(scope="module")
def dataset(shared_daemon, demo):
    """The demo dataset, as `hsfeed ingest --json` told it."""
    return shared_daemon.json("ingest", "demo", demo / "comments.csv", "--tokenizer", demo / "tokenizer",
                              "--text", "Comments", "--labels", "Question")


# ---- usage: no daemon needed ----

def test_help_lists_what_is_there_and_nothing_that_comes_later():
    done = run("help")
    assert done.returncode == 0
    for word in ("ingest", "add", "datasets", "versions", "show", "why", "rm", "verify", "rows", "folds", "plans",
                 "stream", "weights", "lengths", "estimate", "leaks", "report", "start", "stop", "logs", "status"):
        assert re.search(rf"^  {word} ", done.stdout, re.M), word
        page = run("help", word)
        assert page.returncode == 0 and page.stdout == run(word, "--help").stdout
        assert not re.search(r"--share\b", page.stdout)
    for word in LATER:
        assert not re.search(rf"^  {word} ", done.stdout, re.M), word


WRONG = """
strem
--socket x
folds x --by a,
folds x --kind rows
folds x --similarity 0.9
folds x --group duplicates --similarity 0.4
folds x --group column:
folds x --test-size 0
folds x --train-size 1.5
stream x --plan p --folds 3 --fold 0
folds x --rows-file f
folds x --plan p --rows-file f --folds 3
folds x --plan p --replace
folds x --replace --folds 3
stream x
stream x --fold -1
stream x --fold 0 --epoc 1
stream x --fold 0 --padding wide
stream x --fold 0 --max-length 0
stream x --fold 0 --mask-rows 1.5
stream x --fold 0 --mask-rows inf
stream x --fold 0 --mask-prob 0x1
stream x --fold 0 --mask-rows 0.1 --mask-prob 0.1
stream x --fold 0 --mask-seed 3
stream x --fold 0 --mask-rows 0.1 --mask-roles ,
stream x --fold 0 --weight threat
stream x --fold 0 --weight =5
stream x --fold 0 --weight threat=0
stream x --fold 0 --weight threat=nan
stream x --fold 0 --order explicit
stream x --fold 0 --rows-file rows
stream x --fold 0 --order length --rows-file rows
stream x --fold 0 --order shuffle --length-batch 4
stream x --fold 0 --order length --length-batch 0
stream x --fold 0 --order longest
ingest x f --tokenizer t --labels l --share all
ingest x f --tokenizer t
ingest x f --labels l
ingest x f --labels l --tokenizer a --tokenizer b
rows
rows x y
"""


@pytest.mark.parametrize("args", ["", *LATER, *WRONG.split("\n")[1:-1]])
def test_wrong_usage_exits_2_with_one_sentence_and_no_output(args):
    done = run(*args.split(), env={**os.environ, "HSFEED_SOCKET": "/nonexistent/sock"})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("hsfeed: ") or args == ""


def test_a_mistyped_option_is_named_with_its_near_match():
    assert "--batch-size" in run("stream", "x", "--fold", "0", "--batchsize", "3").stderr
    assert "did you mean stream" in run("strem").stderr


def test_without_a_daemon_it_exits_3_and_says_where_it_looked(tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "HSFEED_SOCKET"}
    env.update(XDG_RUNTIME_DIR=str(tmp_path / "run"), STATE_DIRECTORY=str(tmp_path / "state"))
    done = run("status", env=env)
    assert done.returncode == 3
    for path in (f"{tmp_path}/run/hsfeed.sock", f"{tmp_path}/state/hsfeed.sock", "/run/hsfeed/hsfeed.sock"):
        assert path in done.stderr
    assert "hsfeed start" in done.stderr
    done = run("status", "--socket", tmp_path / "none.sock")
    assert done.returncode == 3 and f"hsfeed start --socket {tmp_path}/none.sock" in done.stderr


def test_the_version_is_told():
    assert re.fullmatch(r"hsfeed \d+\.\d+\.\d+\n", run("--version").stdout)


# ---- answers ----

def test_the_ingest_report_tells_rows_labels_tokens_and_every_default(shared_daemon, dataset, demo):
    out = shared_daemon.run("ingest", "demo", demo / "comments.csv", "--tokenizer", demo / "tokenizer", "--text",
            "Comments",
                            "--labels", "Question").stdout
    assert f"demo@{dataset['version'][:6]}: known already; nothing was done" in out
    report = dataset["version_info"]["report"]
    assert f"{report['rows_read']:,} read, {report['rows']:,} kept" in out
    for part in ("without text", "Question", "delimiter comma", "charset utf-8", "na pandas", "bad_rows error",
            "> 512"):
        assert part in out, part


def test_json_is_the_protocols_map(shared_daemon, dataset):
    assert dataset["state"] == "new" and dataset["dataset"] == "demo"
    shown = shared_daemon.json("show", "demo")
    assert shown["version_info"] == dataset["version_info"]
    assert [d["name"] for d in shared_daemon.json("datasets")["datasets"]] == ["demo"]
    assert shared_daemon.json("versions", "demo")["versions"][0]["version"] == dataset["version"]
    assert shared_daemon.json("verify")["ok"] is True
    assert shared_daemon.json("status")["datasets"] == 1
    assert len(shared_daemon.json("folds", "demo")["folds"]) == 5


@pytest.mark.parametrize("command", [["datasets"], ["versions", "demo"], ["show", "demo"], ["verify"], ["status"],
        ["folds", "demo"]])
def test_people_get_words_and_no_json(shared_daemon, dataset, command):
    out = shared_daemon.run(*command).stdout
    assert out and "{" not in out.replace("{...}", "").split("model=")[0]


def test_rows_are_json_lines_of_all_rows(shared_daemon, dataset):
    rows = shared_daemon.lines("rows", "demo", "--text")
    assert [r["row"] for r in rows] == list(range(dataset["version_info"]["rows"]))
    assert set(rows[0]) == {"row", "line", "labels", "ids", "text"}
    assert shared_daemon.lines("rows", "demo", "--start", "7", "--count", "2") == [
        {k: r[k] for k in ("row", "line", "labels", "ids")} for r in rows[7:9]]
    assert shared_daemon.run("rows", "demo", "--count", "0").stdout == ""
    assert shared_daemon.run("rows", "demo", "--start", str(10**9)).stdout == ""


def test_indices_are_a_partition(shared_daemon, dataset):
    folds = shared_daemon.lines("folds", "demo", "--indices", "--folds", "7")
    assert [f["fold"] for f in folds] == list(range(7))
    assert sorted(i for f in folds for i in f["val"]) == list(range(dataset["version_info"]["rows"]))


def test_the_digest_covers_batches_in_order_and_arrays_by_name(shared_daemon, dataset):
    options = ["--fold", "1", "--split", "val", "--batch-size", "50", "--max-length", "16"]
    digest = hashlib.sha256()
    for batch in shared_daemon.lines("stream", "demo", *options):
        del batch["batch"]
        for name in sorted(batch):
            flat = [v for row in batch[name] for v in (row if isinstance(row, list) else [row])]
            digest.update(struct.pack(f"<{len(flat)}{'f' if name == 'labels' else 'q'}", *flat))
    done = shared_daemon.run("stream", "demo", *options, "--format", "digest")
    assert done.stdout == digest.hexdigest() + "\n"
    assert "batches/s" in done.stderr
    told = shared_daemon.json("stream", "demo", *options, "--format", "digest")
    assert told["digest"] == digest.hexdigest() and told["stream"]["version"] == dataset["version"]
    assert shared_daemon.run("stream", "demo", *options, "--format", "none").stdout == ""


def test_what_is_masked_and_weighed_is_told(shared_daemon, dataset):
    options = ["--mask-rows", "0.25", "--mask-seed", "7", "--weight", "Question=5", "--format", "none"]
    said = shared_daemon.run("stream", "demo", "--fold", "0", *options).stderr
    assert "one token masked in 25 % of the rows (role text, seed 7); weight Question 5" in said
    assert "warning" not in said
    said = shared_daemon.run("stream", "demo", "--fold", "0", "--split", "val", *options).stderr
    assert "warning: validation rows are masked" in said
    told = shared_daemon.json("stream", "demo", "--fold", "0", *options)["stream"]
    assert (told["mask_rows"], told["mask_seed"], told["mask_roles"]) == (0.25, 7, ["text"])
    assert told["mask_algorithm"] == 1 and told["weight"] == {"Question": 5} and "mask_prob" not in told


def test_every_choice_of_a_stream_is_told(shared_daemon, dataset):
    said = shared_daemon.run("stream", "demo", "--fold", "0", "--format", "none").stderr
    for part in ("train of fold 0", "5 folds, stratified, fold seed 42", "shuffle seed 42", "epoch 0",
            "rank 0 of 1 (pad)",
                 "batches of 32", "padding max_length", "max length 128"):
        assert part in said, part


def test_a_file_of_row_numbers_is_an_order(shared_daemon, dataset, tmp_path):
    file = tmp_path / "rows"
    file.write_text("3\n1, 1\r\n\n  0 7\n")
    options = ["--split", "all", "--max-length", "8", "--order", "explicit", "--rows-file", file]
    got = shared_daemon.lines("stream", "demo", *options, "--batch-size", "2")
    assert [b["index"] for b in got] == [[3, 1], [1, 0], [7]]
    got = [shared_daemon.lines("stream", "demo", *options, "--batch-size", "2", "--shard", "even", "--world", "2",
                               "--rank", rank) for rank in (0, 1)]
    assert [[b["index"] for b in batches] for batches in got] == [[[3, 1], [7, 3]], [[1, 0], [1, 1]]]
    assert shared_daemon.run("stream", "demo", *options, "--batch-size", "2", env={"HSFEED_NO_FDPASS": "1"}).stdout == \
        shared_daemon.run("stream", "demo", *options, "--batch-size", "2").stdout
    file.write_text("")
    assert shared_daemon.run("stream", "demo", *options).stdout == ""
    for text, words in [("1\n2x\n", "line 2"), ("-1", "line 1"), ("1.5", '"1.5"'), ("9" * 30, "line 1"),
                        (str(10**9), f"entry 0 is row {10**9}")]:
        file.write_text(text)
        refused = shared_daemon.run("stream", "demo", *options, check=False)
        assert refused.returncode == 1 and words in refused.stderr, refused.stderr
    file.unlink()
    assert "No such file" in shared_daemon.run("stream", "demo", *options, check=False).stderr


def test_the_order_length_shortens_the_longest_batches(shared_daemon, dataset):
    options = ["--fold", "0", "--padding", "longest", "--format", "none"]
    told = shared_daemon.json("stream", "demo", *options, "--order", "length", "--length-batch", "64")
    assert told["stream"]["length_batch"] == 64
    assert told["bytes"] < 0.9 * shared_daemon.json("stream", "demo", *options)["bytes"]


@pytest.mark.parametrize("command", [["show", "none"], ["rows", "none"], ["folds", "none"], ["stream", "none",
        "--fold", "0"],
                                     ["folds", "demo", "--folds", "10000"], ["stream", "demo", "--fold", "5"],
                                     ["stream", "demo", "--fold", "0", "--rank", "2", "--world", "2"],
                                     ["rows", "demo", "--role", "none"], ["rm", "none"],
                                     ["ingest", "x", "/nonexistent.csv", "--tokenizer", "/", "--labels", "none"]])
def test_a_refusal_exits_1_with_one_sentence(shared_daemon, dataset, command):
    done = shared_daemon.run(*command, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("hsfeed: ") and len(done.stderr.splitlines()) <= 2


def test_a_tokenizer_that_is_nowhere_says_where_it_was_looked_for(shared_daemon, demo, tmp_path):
    done = shared_daemon.run("ingest", "x", demo / "comments.csv", "--labels", "none", "--tokenizer", "org/model",
            check=False,
                             env={"HF_HUB_CACHE": str(tmp_path / "hub")})
    assert done.returncode == 1
    assert f"{tmp_path}/hub/models--org--model" in done.stderr


def test_bytes_over_the_socket_make_the_same_version_as_descriptors(shared_daemon, dataset, demo):
    again = shared_daemon.json("ingest", "copy", demo / "comments.csv", "--tokenizer", demo / "tokenizer", "--text",
            "Comments",
                               "--labels", "Question", env={"HSFEED_NO_FDPASS": "1"})
    assert again["version"] == dataset["version"]
    shared_daemon.run("rm", "copy")


def test_a_closed_pipe_and_a_full_disk_exit_1(shared_daemon, dataset):
    socket = ["--socket", str(shared_daemon.socket)]
    reader = subprocess.Popen([str(HSFEED), "rows", "demo", *socket], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
    reader.stdout.readline()
    reader.stdout.close()
    assert "cannot be written" in reader.stderr.read()
    assert reader.wait(timeout=60) == 1
    with open("/dev/full", "w") as full:
        for command in (["datasets"], ["rows", "demo"], ["stream", "demo", "--fold", "0"], ["help"]):
            done = subprocess.run([str(HSFEED), *command, *socket], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=60)
            assert done.returncode == 1 and "No space left" in done.stderr, command


def test_what_the_data_says_cannot_drive_the_terminal(shared_daemon, demo, tmp_path):
    csv = tmp_path / "evil.csv"
    rows = "".join(f"hello {i},{'a' if i % 2 else chr(0x9b) + 'b'}\n" for i in range(20))
    csv.write_text("text,\x1b[31mlabel\x07\n" + rows, "utf-8")
    done = shared_daemon.run("ingest", "evil", csv, "--text", "text", "--labels", "\x1b[31mlabel\x07", "--tokenizer",
            demo / "tokenizer")
    assert r"\x1b[31mlabel\x07" in done.stdout
    for out in (done.stdout, shared_daemon.run("show", "evil").stdout, shared_daemon.run("folds", "evil").stdout,
                shared_daemon.run("show", "evil", "--json").stdout):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", out)
    assert shared_daemon.json("show", "evil")["version_info"]["labels"][0]["name"] == "\x1b[31mlabel\x07"
    shared_daemon.run("rm", "evil")


def test_rm_removes_a_dataset(shared_daemon, demo):
    shared_daemon.run("ingest", "gone", demo / "comments.csv", "--tokenizer", demo / "tokenizer", "--text",
            "Comments", "--labels", "none")
    assert shared_daemon.run("rm", "gone").stdout.startswith("removed 1 version")
    assert shared_daemon.run("show", "gone", check=False).returncode == 1


def test_why_names_what_would_change(shared_daemon, dataset, demo):
    options = ["demo", demo / "comments.csv", "--text", "Comments", "--labels", "Question", "--tokenizer",
            demo / "tokenizer"]
    assert shared_daemon.json("why", *options)["same"] is True
    changed = shared_daemon.json("why", *options, "--clean", "urls")
    assert changed["same"] is False and [c["what"] for c in changed["changes"]] == ["clean"]
    assert "clean" in shared_daemon.run("why", *options, "--clean", "urls").stdout


def test_add_makes_another_encoding(shared_daemon, dataset, demo):
    added = shared_daemon.json("add", "demo", "--tokenizer", f"nfc={demo / 'tokenizer'}", "--normalize", "nfc=nfc")
    assert added["state"] == "added" and "nfc" in [r["role"] for r in added["roles"]]
    batch = shared_daemon.lines("stream", "demo", "--split", "all", "--batch-size", "4", "--roles", "text,nfc",
                                "--max-length", "text=8,nfc=6")[0]
    assert len(batch["input_ids"][0]) == 8 and len(batch["nfc_input_ids"][0]) == 6


# ---- start, stop, logs ----

@pytest.fixture
def own(tmp_path):
    """An environment whose own daemon is stopped at the end."""
    (tmp_path / "run").mkdir()
    env = {k: v for k, v in os.environ.items() if k != "HSFEED_SOCKET"}
    env.update(XDG_RUNTIME_DIR=str(tmp_path / "run"), STATE_DIRECTORY=str(tmp_path / "state"))
    yield env
    run("stop", env=env)


def test_start_is_done_when_it_answers_and_stop_when_it_has_ended(own, tmp_path):
    started = json.loads(run("start", "--json", env=own).stdout)
    assert started["started"] is True and started["socket"] == f"{tmp_path}/run/hsfeed.sock"
    again = run("start", env=own)
    assert again.returncode == 0 and "is there already" in again.stdout
    assert run("status", env=own).returncode == 0
    assert "socket" in run("logs", env=own).stdout
    assert len(run("logs", "--lines", "1", env=own).stdout.splitlines()) == 1
    os.kill(started["pid"], 0)
    assert run("stop", env=own).returncode == 0
    assert has_ended(started["pid"])
    assert run("stop", env=own).returncode == 3


def test_a_daemon_that_cannot_start_shows_its_log(own, tmp_path):
    config = tmp_path / "bad.conf"
    config.write_text("[daemon]\nno_such_key = 1\n")
    done = run("start", "--config", config, env=own)
    assert done.returncode == 1
    assert "no_such_key" in done.stderr and "hsfeedd.log" in done.stderr


def test_two_starts_at_once_make_one_daemon(own):
    starts = [subprocess.Popen([str(HSFEED), "start", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=own)
              for _ in range(3)]
    told = [json.loads(s.communicate(timeout=60)[0]) for s in starts]
    assert all(s.returncode == 0 for s in starts)
    assert len({t["pid"] for t in told}) == 1


def test_logs_without_a_log_says_where_it_would_be(own, tmp_path):
    done = run("logs", env=own)
    assert done.returncode == 1 and f"{tmp_path}/state/hsfeedd.log" in done.stderr


def test_a_daemon_that_dies_while_it_streams_is_named(daemon, demo):
    daemon.run("ingest", "demo", demo / "comments.csv", "--tokenizer", demo / "tokenizer", "--text", "Comments",
            "--labels", "Question")
    reader = subprocess.Popen([str(HSFEED), "stream", "demo", "--fold", "0", "--socket", str(daemon.socket)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    reader.stdout.readline()
    daemon.stop(signal.SIGKILL)
    out, err = reader.communicate(timeout=60)
    assert reader.returncode == 1 and re.search("connection|stream's channel", err.splitlines()[-1])


def test_every_key_of_the_configuration_is_in_its_manual():
    keys = re.findall(r"^#(\w+) =", subprocess.run([str(HSFEEDD), "--default-config"], capture_output=True,
            text=True).stdout, re.M)
    assert len(keys) > 10
    manual = (ROOT / "config/hsfeedd.conf.5").read_text()
    assert re.findall(r"^\.It Cm (\w+)", manual, re.M) == keys
