# SPDX-License-Identifier: Apache-2.0
"""What README, manuals and help promise to a new user, each by a real run: the corners that no other test looks at."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import BUILD, HSFEED, HSFEEDD, ROOT


def ingest(daemon, name, csv, demo, *options, **kwargs):
    return daemon.json("ingest", name, csv, "--tokenizer", demo / "tokenizer", *options, **kwargs)


def refused(daemon, *args, code=1):
    done = daemon.run(*args, check=False)
    assert done.returncode == code and done.stdout == ""
    return done.stderr


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text.encode())
    return path


# ---- ingest's options ----

@pytest.mark.parametrize("name, text, options, want", [
    ("a.csv", "text,label\na b,1\nc,0\n", [], "comma"),
    ("a.tsv", "text\tlabel\na b\t1\nc\t0\n", [], "tab"),
    ("a.csv", "text\tlabel\na b\t1\nc\t0\n", ["--delimiter", "auto"], "tab"),
    ("a.csv", "text;label\na b;1\nc;0\n", ["--delimiter", "auto"], "semicolon"),
    ("a.csv", "text;label\na b;1\nc;0\n", ["--delimiter", "semicolon"], "semicolon"),
    ("a.csv", "text|label\na b|1\nc|0\n", ["--delimiter", "|"], "|"),
])
def test_the_delimiter_is_chosen_as_documented(shared_daemon, demo, tmp_path, name, text, options, want):
    made = ingest(shared_daemon, "delim", write(tmp_path, name, text), demo, "--labels", "label", *options)
    assert made["version_info"]["options"]["delimiter"] == want
    assert made["version_info"]["columns"] == ["text", "label"]
    assert [r["labels"] for r in shared_daemon.lines("rows", "delim")] == [[1], [0]]
    shared_daemon.run("rm", "delim")


def test_the_resolved_delimiter_is_what_counts_and_not_how_it_was_said(shared_daemon, demo, tmp_path):
    text = "text\tlabel\na b\t1\nc\t0\n"
    one = ingest(shared_daemon, "d1", write(tmp_path, "a.csv", text), demo, "--labels", "label", "--delimiter", "tab")
    two = ingest(shared_daemon, "d2", write(tmp_path, "b.tsv", text), demo, "--labels", "label")
    assert one["version"] == two["version"]
    shared_daemon.run("rm", "d1")
    assert [r["labels"] for r in shared_daemon.lines("rows", "d2")] == [[1], [0]]  # the files were shared
    shared_daemon.run("rm", "d2")


def test_without_a_header_columns_are_numbers(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "n.csv", "a b,1\nc d,0\n")
    ingest(shared_daemon, "nohead", path, demo, "--header", "no", "--text", "0", "--labels", "1")
    rows = shared_daemon.lines("rows", "nohead", "--text")
    assert [(r["line"], r["text"], r["labels"]) for r in rows] == [(1, "a b", [1]), (2, "c d", [0])]
    shared_daemon.run("rm", "nohead")


@pytest.mark.parametrize("cells, options, kind, values, rows", [
    ("0 1 1", [], "float", ["0", "1"], [[0], [1], [1]]),
    ("1.0 False True", [], "float", ["0", "1"], [[1], [0], [1]]),
    ("10 9 1", [], "class", ["1", "9", "10"], [[2], [1], [0]]),
    ("b a b", [], "class", ["a", "b"], [[1], [0], [1]]),
    ("b a b", ["--positive", "b"], "float", ["0", "1"], [[1], [0], [1]]),
    ("10 9 1", ["--label-type", "float"], "float", [], [[10], [9], [1]]),
    ("0 1 1", ["--label-type", "class"], "class", ["0", "1"], [[0], [1], [1]]),
])
def test_labels_are_typed_by_value_and_as_forced(shared_daemon, demo, tmp_path, cells, options, kind, values, rows):
    path = write(tmp_path, "l.csv", "text,l\n" + "".join(f"word {i},{v}\n" for i, v in enumerate(cells.split())))
    label, = ingest(shared_daemon, "lab", path, demo, "--labels", "l", *options)["version_info"]["labels"]
    assert (label["type"], label["values"]) == (kind, values)
    assert [r["labels"] for r in shared_daemon.lines("rows", "lab")] == rows
    batch, = shared_daemon.lines("stream", "lab", "--split", "all", "--max-length", "4")
    assert batch["labels"] == (rows if kind == "float" else [r[0] for r in rows])
    shared_daemon.run("rm", "lab")


def test_without_labels_a_batch_has_none(shared_daemon, demo, tmp_path):
    ingest(shared_daemon, "bare", write(tmp_path, "u.csv", "text\na\nb\n"), demo, "--labels", "none")
    batch, = shared_daemon.lines("stream", "bare", "--split", "all", "--max-length", "4", "--batch-size", "7")
    assert list(batch) == ["batch", "index", "input_ids", "attention_mask"]
    assert shared_daemon.json("folds", "bare", "--folds", "2")["plan"]["kind"] == "plain"
    assert "--kind plain" in refused(shared_daemon, "folds", "bare", "--folds", "2", "--kind", "stratified")
    shared_daemon.run("rm", "bare")


def test_cleaning_steps_go_in_order_and_remove_takes_the_rest(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "c.csv", 'text\n"see http://x.y/z  now, a,b"\n"http://only.one"\n')
    ingest(shared_daemon, "clean", path, demo, "--labels", "none", "--clean", "data.py", "--clean", "remove:a,b",
           "--drop-empty")
    assert [r["text"] for r in shared_daemon.lines("rows", "clean", "--text")] == ["see now,"]
    report = shared_daemon.json("show", "clean")["version_info"]["report"]
    assert [(d["reason"], d["lines"]) for d in report["dropped"] if d["rows"]] == [("empty_text", [3])]
    shared_daemon.run("rm", "clean")


def test_a_hub_name_is_found_in_the_local_cache_with_its_revision(shared_daemon, demo, tmp_path):
    revision = "0123456789abcdef0123456789abcdef01234567"
    model = tmp_path / "hub" / "models--org--tiny"
    for folder in (model / "blobs", model / "refs", model / "snapshots" / revision):
        folder.mkdir(parents=True)
    for file in (demo / "tokenizer").iterdir():
        (model / "blobs" / file.name).write_bytes(file.read_bytes())
        (model / "snapshots" / revision / file.name).symlink_to(f"../../blobs/{file.name}")
    (model / "refs" / "main").write_text(revision)
    path = write(tmp_path, "h.csv", "text,l\na b,1\nc,0\n")
    for env in ({"HF_HUB_CACHE": str(tmp_path / "hub")}, {"HF_HUB_CACHE": "", "HF_HOME": str(tmp_path)}):
        role, = shared_daemon.json("ingest", "hub", path, "--tokenizer", "org/tiny", "--labels", "l", env=env)["roles"]
        assert (role["role"], role["tokenizer"], role["revision"]) == ("text", "org/tiny", revision)
    shared_daemon.run("rm", "hub")


# ---- names, versions, roles ----

def test_new_bytes_move_the_name_and_old_versions_stay_until_rm(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "v.csv", "text,l\na,1\nb,0\n")
    old = ingest(shared_daemon, "moves", path, demo, "--labels", "l")
    path.write_bytes(path.read_bytes() + b"c,1\n")
    said = shared_daemon.run("ingest", "moves", path, "--tokenizer", demo / "tokenizer", "--labels", "l").stdout
    assert f"the name moved; it was {old['version'][:6]}" in said
    versions = shared_daemon.json("versions", "moves")["versions"]
    assert [(v["version"] == old["version"], v["current"], v["rows"]) for v in versions] == [(True, False, 2),
                                                                                           (False, True, 3)]
    for prefix in (4, 12, 64):
        assert len(shared_daemon.lines("rows", f"moves@{old['version'][:prefix]}")) == 2
    assert "at least 4" in refused(shared_daemon, "rows", f"moves@{old['version'][:3]}")
    assert shared_daemon.json("rm", f"moves@{old['version'][:4]}")["removed"] == [old["version"]]
    assert "no version that begins with" in refused(shared_daemon, "rows", f"moves@{old['version']}")
    assert len(shared_daemon.lines("rows", "moves")) == 3
    shared_daemon.run("rm", "moves")


def test_open_counts_streams_and_not_what_caches_keep(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "o.csv", "text,l\n" + "".join(f"w {i},{i % 2}\n" for i in range(5000)))
    ingest(shared_daemon, "opens", path, demo, "--labels", "l")
    command = [str(HSFEED), "stream", "opens", "--split", "all", "--socket", str(shared_daemon.socket)]
    streams = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    for s in streams:
        s.stdout.readline()  # it is open, and waits for its reader
    assert shared_daemon.json("show", "opens")["open"] == 2
    for s in streams:
        s.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while shared_daemon.json("versions", "opens")["versions"][0]["open"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert shared_daemon.json("show", "opens")["open"] == 0
    shared_daemon.run("rm", "opens")


def test_a_role_given_another_tokenizer_moves_and_says_so(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "r.csv", "text,l\na,1\nb,0\n")
    made = shared_daemon.json("ingest", "roles", path, "--tokenizer", f"first={demo / 'tokenizer'}", "--tokenizer",
                              f"second={demo / 'tokenizer'}", "--labels", "l")
    before = {r["role"]: r["encoding"] for r in made["roles"]}
    assert shared_daemon.json("show", "roles")["roles"][0]["default"] is True
    other = tmp_path / "tok"
    other.mkdir()
    for file in (demo / "tokenizer").iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((other / "tokenizer.json").read_text())
    config["normalizer"]["lowercase"] = True
    (other / "tokenizer.json").write_text(json.dumps(config))
    told = shared_daemon.run("add", "roles", "--tokenizer", f"second={other}").stdout
    assert f"it was {before['second'][:6]}" in told
    after = {r["role"]: r["encoding"] for r in shared_daemon.json("show", "roles")["roles"]}
    assert after["first"] == before["first"] and after["second"] != before["second"]
    shared_daemon.run("add", "roles", "--tokenizer", demo / "tokenizer")  # without a role it is text, now the default
    assert [r["role"] for r in shared_daemon.json("show", "roles")["roles"] if r["default"]] == ["text"]
    shared_daemon.run("rm", "roles")


def test_a_length_for_a_role_that_is_not_streamed_is_wrong_usage(shared_daemon):
    said = refused(shared_daemon, "stream", "any", "--fold", "0", "--roles", "a,b", "--max-length", "a=8,c=9", code=2)
    assert "--roles does not name that role" in said


# ---- jsonl, rows, folds: exactly ----

def test_the_lines_of_rows_folds_and_jsonl_are_exactly_as_documented(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "e.csv", "text,l\na,1\nb,0\nc,1\nd,0\n")
    ingest(shared_daemon, "exact", path, demo, "--labels", "l")
    line = shared_daemon.run("rows", "exact", "--count", "1").stdout
    assert re.fullmatch(r'\{"row":0,"line":2,"labels":\[1\],"ids":\[\d+\]\}\n', line)
    plan = ["--kind", "plain", "--folds", "2", "--no-shuffle"]
    assert shared_daemon.run("folds", "exact", *plan, "--indices").stdout == (
        '{"fold":0,"val":[0,1]}\n{"fold":1,"val":[2,3]}\n')
    out = shared_daemon.run("stream", "exact", *plan, "--fold", "0", "--split", "val", "--max-length", "3").stdout
    assert re.fullmatch(r'\{"batch":0,"index":\[0,1\],"input_ids":\[\[2,\d+,3\],\[2,\d+,3\]\],'
                        r'"attention_mask":\[\[1,1,1\],\[1,1,1\]\],"labels":\[\[1\],\[0\]\]\}\n', out)
    shared_daemon.run("rm", "exact")


def test_the_seed_is_the_orders_alone(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "s.csv", "text,l\n" + "".join(f"w {i},{i % 2}\n" for i in range(40)))
    ingest(shared_daemon, "seeds", path, demo, "--labels", "l")

    def digest(*options):
        return shared_daemon.run("stream", "seeds", "--fold", "1", "--format", "digest", *options).stdout

    assert digest("--seed", "1") != digest("--seed", "2")
    for options in (["--split", "val"], ["--order", "sequential"]):
        assert digest("--seed", "1", *options) == digest("--seed", "2", *options)
    # epoch e is the order of seed + e
    assert digest("--seed", "1", "--epoch", "2") == digest("--seed", "3")
    rows = [sorted(i for b in shared_daemon.lines("stream", "seeds", "--fold", "1", "--seed", s) for i in b["index"])
            for s in ("1", "2")]
    assert rows[0] == rows[1]
    shared_daemon.run("rm", "seeds")


# ---- hsfeedd and its configuration ----

def hsfeedd(*args, env=None):
    return subprocess.run([str(HSFEEDD), *map(str, args)], capture_output=True, text=True, env=env, timeout=30)


def test_hsfeedds_options_are_what_its_manual_lists():
    manual = (ROOT / "daemon/app/hsfeedd.8").read_text()
    assert sorted(set(re.findall(r"^\.It Fl -([a-z-]+)", manual, re.M))) == sorted(
        set(re.findall(r"^  --([a-z-]+)", hsfeedd("--help").stdout, re.M)) | {"version", "help"})
    assert hsfeedd("--bogus").returncode == 2 and hsfeedd("word").returncode == 2
    assert re.fullmatch(r"hsfeedd \d+\.\d+\.\d+\n", hsfeedd("--version").stdout)


def test_hsfeeds_options_are_in_its_manual():
    manual = (ROOT / "client/cli/hsfeed.1").read_text()
    for word in re.findall(r"^  ([a-z]+) ", subprocess.run([str(HSFEED), "help"], capture_output=True,
                                                           text=True).stdout, re.M):
        assert re.search(rf"^\.It Cm {word}\b", manual, re.M), word
        page = subprocess.run([str(HSFEED), "help", word], capture_output=True, text=True).stdout
        for option in re.findall(r"^  --([a-z-]+)", page, re.M):
            assert f"Fl -{option}" in manual, (word, option)


def test_check_config_prints_each_problem_with_its_line(tmp_path):
    path = write(tmp_path, "bad.conf", "[daemon]\nlog_level = loud\n[nope]\n[limits]\nslots = 0\n")
    done = hsfeedd("--config", path, "--check-config")
    assert done.returncode == 1
    assert [f":{n}: " in line for n, line in zip((2, 3, 5), done.stderr.splitlines())] == [True] * 3
    assert hsfeedd("--config", path).returncode == 1
    good = write(tmp_path, "good.conf", hsfeedd("--default-config").stdout)
    assert hsfeedd("--config", good, "--check-config").returncode == 0


def test_the_service_managers_configuration_is_read(tmp_path):
    write(tmp_path, "hsfeedd.conf", "[daemon]\nnonsense = 1\n")
    env = {**os.environ, "CONFIGURATION_DIRECTORY": str(tmp_path)}
    assert "nonsense" in hsfeedd("--check-config", env=env).stderr


def test_a_configuration_places_the_daemon_and_start_and_logs_follow(tmp_path):
    config = write(tmp_path, "own.conf", f"[daemon]\nstate = {tmp_path}/there ; a remark\nsocket={tmp_path}/s.sock\n"
                   "[limits]\nhello_ms = 8000ms\nstreams = 3\n")
    env = {k: v for k, v in os.environ.items() if k != "HSFEED_SOCKET"}
    env.update(XDG_RUNTIME_DIR=str(tmp_path), STATE_DIRECTORY=str(tmp_path / "default"))

    def run(*args):
        return subprocess.run([str(HSFEED), *map(str, args)], capture_output=True, text=True, env=env, timeout=60)

    try:
        told = run("start", "--config", config)
        assert told.returncode == 0 and f"{tmp_path}/there/hsfeedd.log" in told.stdout
        assert "is there already" in run("start", "--config", config).stdout
        where = ["--socket", tmp_path / "s.sock"]
        assert json.loads(run("status", "--json", *where).stdout)["state"] == f"{tmp_path}/there"
        lines = json.loads(run("logs", "--json", *where).stdout)["lines"]
        assert f"state {tmp_path}/there" in lines[0] and lines[0] in run("logs", *where).stdout
        with socket.socket(socket.AF_UNIX) as silent:
            silent.settimeout(60)
            began = time.monotonic()
            silent.connect(f"{tmp_path}/s.sock")
            while silent.recv(4096):
                pass
            assert time.monotonic() - began >= 8  # hello_ms, not its default
    finally:
        assert run("stop", "--socket", tmp_path / "s.sock").returncode == 0
    assert not (tmp_path / "s.sock").exists() and not (tmp_path / "default").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_it_in_order(daemon, name):
    assert daemon.stop(getattr(signal, name)) == 0
    assert not daemon.socket.exists()
    assert "stopped" in daemon.log.read_text()


# ---- what is installed ----

@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """DESTDIR and prefix of an installation, with the prefix said as late as possible."""
    dest = tmp_path_factory.mktemp("dest")
    done = subprocess.run(["cmake", "--install", str(BUILD), "--prefix", "/opt/hs"], capture_output=True, text=True,
                          env={**os.environ, "DESTDIR": str(dest)}, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return dest


def test_an_installation_stays_under_its_prefix_and_its_unit_names_it(installed):
    root = installed / "opt/hs"
    assert [p.name for p in installed.iterdir()] == ["opt"] and [p.name for p in root.parent.iterdir()] == ["hs"]
    for file in ("bin/hsfeed", "sbin/hsfeedd", "include/hsfeed.h", "lib/systemd/system/hsfeedd.socket",
                 "lib/sysusers.d/hsfeed.conf", "share/man/man1/hsfeed.1", "share/man/man8/hsfeedd.8",
                 "share/man/man5/hsfeedd.conf.5", "share/doc/hsfeed/hsfeedd.conf"):
        assert (root / file).is_file(), file
    for pattern in ("libhsfeed.so", "libhsfeed.a", "hsfeed.pc"):
        assert list(root.rglob(pattern)), pattern
    assert "\nExecStart=/opt/hs/sbin/hsfeedd\n" in (root / "lib/systemd/system/hsfeedd.service").read_text()


PROGRAM = r"""
#include <stdio.h>
#include <hsfeed.h>
int main(void)
{
	struct hsfeed_stream_options options = {.size = sizeof(options), .name = "c", .split = "all", .batch_size = 3};
	hsfeed_client *client;
	hsfeed_stream *stream;
	const struct hsfeed_batch *batch;
	struct hsfeed_error error;
	if (hsfeed_connect(NULL, &client, &error) < 0 || hsfeed_stream_open(client, &options, &stream, &error) < 0)
		return puts(error.message), 1;
	while (hsfeed_stream_next(stream, -1, &batch, NULL) == 1) {
		printf("%s %d\n", batch->arrays[0]->name, (int)batch->arrays[0]->shape[0]);
		hsfeed_batch_release(batch);
	}
	hsfeed_stream_close(stream);
	hsfeed_close(client);
	return 0;
}
"""


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_a_c_program_builds_with_pkg_config_and_streams(installed, shared_daemon, demo, tmp_path, kind):
    pc = next(installed.rglob("hsfeed.pc"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "HSFEED_SOCKET": str(shared_daemon.socket)}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "hsfeed"], capture_output=True, text=True, env=env)
    assert flags.returncode == 0, flags.stderr
    library = next(installed.rglob("libhsfeed.a"))
    words = [w for w in flags.stdout.split() if kind == "shared" or w != "-lhsfeed"]
    cache = (BUILD / "CMakeCache.txt").read_text()
    sanitize = re.search(r"^HSFEED_SANITIZE:STRING=(.+)$", cache, re.M)
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", cache, re.M).group(1)
    source, program = write(tmp_path, "p.c", PROGRAM), tmp_path / "p"
    built = subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(program),
                            *words, *([str(library)] if kind == "static" else []),
                            *([f"-fsanitize={sanitize.group(1)}"] if sanitize else [])],
                           capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    ingest(shared_daemon, "c", write(tmp_path, "c.csv", "text,l\na,1\nb,0\nc,1\nd,0\n"), demo, "--labels", "l")
    env["LD_LIBRARY_PATH"] = str(library.parent)
    ran = subprocess.run([str(program)], capture_output=True, text=True, env=env, timeout=60)
    assert ran.stdout == "input_ids 3\ninput_ids 1\n", ran.stderr
    shared_daemon.run("rm", "c")


def test_the_ids_of_a_version_are_sha256_and_its_source_is_named_by_sha256sum(shared_daemon, demo, tmp_path):
    path = write(tmp_path, "i.csv", "text,l\na,1\nb,0\n")
    made = ingest(shared_daemon, "ids", path, demo, "--labels", "l")
    info = made["version_info"]
    assert info["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert re.fullmatch("[0-9a-f]{64}", made["version"]) and info["path"].endswith(f"/{made['version']}.mdb")
    assert os.path.getsize(info["path"]) == info["bytes"]
    shared_daemon.run("rm", "ids")
