# SPDX-License-Identifier: Apache-2.0
"""What a search for near duplicates found is kept, and is there before somebody asks. A debug log tells each search and
each result that was read."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import pytest

from conftest import HSFEED, Daemon, need_binaries
from protoclient import Client
from ringclient import rests

ROWS = 400
FOUND = re.compile(r"duplicates of \w{12}, user \d+, similarity ([\d.]+): (searched in advance|searched|read)$", re.M)


def write_rows(path, seed, rows=ROWS, words=12):
    """Distinct texts, one in five with a near copy."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("abcdefghijklmnop", k=7)) for _ in range(3000)]
    lines = ["comment,label\n"]
    for row in range(rows):
        text = rng.choices(vocabulary, k=words)
        lines.append(f"{' '.join(text)},{row % 2}\n")
        if row % 5 == 0:
            lines.append(f"{' '.join(text)} x,{row % 2}\n")
    path.write_text("".join(lines[: rows + 1]))
    return path


def ingest(daemon, name, path, demo, **kwargs):
    return daemon.json("ingest", name, path, "--tokenizer", demo / "tokenizer", "--labels", "label", **kwargs)


def make(tmp_path, search="yes", more=""):
    need_binaries()
    config = tmp_path / "hsfeedd.conf"
    config.write_text(f"[daemon]\nlog_level = debug\nsearch_duplicates = {search}\n{more}")
    return Daemon(tmp_path, "--config", str(config))


@pytest.fixture
def quiet(tmp_path):
    """A daemon that searches when it is asked, and tells so."""
    daemon = make(tmp_path, search="no").start()
    yield daemon
    assert daemon.stop() in (None, 0)


@pytest.fixture
def eager(tmp_path):
    daemon = make(tmp_path).start()
    yield daemon
    assert daemon.stop() in (None, 0)


def near_files(daemon):
    return sorted(daemon.state.glob("near/*/*"))


def found(daemon):
    """[(similarity, what was done)] in order, of all starts."""
    return [(float(m[1]), m[2]) for m in FOUND.finditer(daemon.log.read_text(errors="replace"))]


def wait_until(what, seconds=400):  # a search in advance has only what nobody else wants of the processors
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def leaks(daemon, name, **params):
    client = Client(daemon.socket, timeout=300)
    answer = client.call("leaks", name=name, count=10000, **params)
    client.close()
    return answer


def restart(daemon):
    assert daemon.stop() == 0
    daemon.start()


# ---- kept ----


def test_leaks_after_a_restart_are_read_and_equal(quiet, tmp_path, demo):
    ingest(quiet, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    before = [leaks(quiet, "rows", similarity=s) for s in (0.8, 0.9)]
    assert before[0]["duplicates"]["near_pairs"] > 50
    restart(quiet)
    assert [leaks(quiet, "rows", similarity=s) for s in (0.8, 0.9)] == before
    assert leaks(quiet, "rows", plan={"duplicates": 0.8})["total"] == 0
    assert found(quiet) == [(0.8, "searched"), (0.9, "searched"), (0.8, "read"), (0.9, "read")]


def test_a_killed_daemon_keeps_what_was_found(quiet, tmp_path, demo):
    ingest(quiet, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    before = leaks(quiet, "rows")
    wait_until(lambda: near_files(quiet))
    quiet.stop(signal.SIGKILL)
    quiet.socket.unlink()
    quiet.start()
    assert leaks(quiet, "rows") == before
    assert found(quiet) == [(0.8, "searched"), (0.8, "read")]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "folder"])
def test_a_damaged_file_is_searched_again(quiet, tmp_path, demo, damage):
    ingest(quiet, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    before = leaks(quiet, "rows")
    wait_until(lambda: near_files(quiet))
    assert quiet.stop() == 0
    [file] = near_files(quiet)
    sound = file.read_bytes()
    assert struct.unpack_from("<8sII", sound) == (b"HSFEDNRD", 1, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    bad = {"flip": sound[:700] + bytes([sound[700] ^ 1]) + sound[701:], "cut": sound[:-9], "empty": b""}.get(damage)
    file.unlink()
    if bad is None:
        os.symlink("/etc/passwd", file)
    else:
        file.write_bytes(bad)
    quiet.start()
    assert leaks(quiet, "rows") == before
    assert found(quiet) == [(0.8, "searched"), (0.8, "searched")]
    wait_until(lambda: near_files(quiet) and not file.is_symlink() and file.read_bytes() == sound)
    if bad is not None:
        assert str(file) in quiet.log.read_text() and "it is removed, and made again" in quiet.log.read_text()


def test_the_last_four_similarities_are_kept(quiet, tmp_path, demo):
    ingest(quiet, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    for i in range(7):
        leaks(quiet, "rows", similarity=0.6 + i / 32)
        wait_until(lambda: struct.pack(">d", 0.6 + i / 32).hex() in str(near_files(quiet)))
    assert quiet.stop() == 0  # what goes, goes before that
    kept = sorted(struct.unpack(">d", bytes.fromhex(f.stem[-16:]))[0] for f in near_files(quiet))
    assert kept == [0.6 + i / 32 for i in range(3, 7)]


def test_what_cannot_be_kept_serves_from_memory(quiet, tmp_path, demo):
    ingest(quiet, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    (quiet.state / "near").rmdir()
    (quiet.state / "near").write_text("")
    first = leaks(quiet, "rows")
    wait_until(lambda: "near duplicates lie in memory only" in quiet.log.read_text())
    assert leaks(quiet, "rows") == first and found(quiet) == [(0.8, "searched")]
    assert list((quiet.state / "tmp").iterdir()) == []
    assert leaks(quiet, "rows", similarity=0.9)["total"] > 0
    assert quiet.stop() == 0
    (quiet.state / "near").unlink()
    quiet.start()


# ---- in advance ----


def test_an_ingest_is_followed_by_its_search(eager, tmp_path, demo):
    ingest(eager, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    wait_until(lambda: near_files(eager))
    assert found(eager) == [(0.8, "searched in advance")]
    answer = leaks(eager, "rows")
    restart(eager)
    assert leaks(eager, "rows") == answer
    assert found(eager) == [(0.8, "searched in advance"), (0.8, "read")]
    assert eager.json("show", "rows")["open"] == 0


def test_what_is_there_is_not_searched_again(eager, tmp_path, demo):
    path = write_rows(tmp_path / "rows.csv", 1)
    ingest(eager, "rows", path, demo)
    wait_until(lambda: near_files(eager))
    ingest(eager, "rows", path, demo)
    eager.run("add", "rows", "--tokenizer", f"second={demo / 'tokenizer'}")
    ingest(eager, "again", path, demo)  # the same version, under another name
    wait_until(lambda: len(found(eager)) > 1)
    restart(eager)
    ingest(eager, "third", path, demo)
    wait_until(lambda: len(found(eager)) > 2)
    assert [what for _, what in found(eager)] == ["searched in advance", "read", "read"]


def test_texts_that_are_none_are_not_searched(eager, tmp_path, demo):
    (tmp_path / "one.csv").write_text("comment,label\nonly this,1\n")
    (tmp_path / "none.csv").write_text("comment,label\nhttp://a.b,1\nhttp://c.d,0\nhttp://e.f,1\n")
    ingest(eager, "one", tmp_path / "one.csv", demo)
    eager.run("ingest", "none", tmp_path / "none.csv", "--labels", "label", "--clean", "data.py", "--tokenizer",
              demo / "tokenizer")  # fmt: skip
    ingest(eager, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    wait_until(lambda: near_files(eager))
    assert len(found(eager)) == 1 and len(near_files(eager)) == 1
    assert leaks(eager, "none", plan={"folds": 2, "kind": "plain"})["duplicates"]["exact_rows"] == 2


def test_nothing_is_searched_in_advance_where_that_is_not_wanted(quiet, tmp_path, demo):
    ingest(quiet, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    time.sleep(1)
    assert near_files(quiet) == [] and found(quiet) == []


# ---- while it runs ----


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file whose search takes a second or more."""
    return write_rows(tmp_path_factory.mktemp("large") / "large.csv", 9, rows=12_000, words=30)


def idle_threads(daemon):
    """Threads of the daemon at SCHED_IDLE."""

    def is_idle(tid):
        try:
            return os.sched_getscheduler(tid) == os.SCHED_IDLE
        except ProcessLookupError:
            return False  # it has just ended

    return sum(is_idle(int(tid)) for tid in os.listdir(f"/proc/{daemon.process.pid}/task"))


def remove(daemon, name):
    """It waits three seconds at most for a search that is to stop; then files stay until that has."""
    began = time.monotonic()
    pending = daemon.json("rm", name)["pending"]
    assert pending == 0 or time.monotonic() - began >= 3
    wait_until(lambda: list(daemon.state.glob("versions/*/*")) == near_files(daemon) == [])


def test_a_version_can_be_removed_while_it_is_searched_in_advance(eager, large, demo):
    for _ in range(3):
        ingest(eager, "large", large, demo)
        wait_until(lambda: idle_threads(eager) > 0)
        assert eager.json("show", "large")["open"] == 0
        remove(eager, "large")
        assert found(eager) == []  # it was stopped, not waited for
    wait_until(lambda: idle_threads(eager) == 0)
    assert found(eager) == [] and near_files(eager) == []
    ingest(eager, "large", large, demo)  # and is searched when it comes back
    wait_until(lambda: near_files(eager))
    remove(eager, "large")
    ingest(eager, "large", large, demo)
    wait_until(lambda: near_files(eager))


def test_removing_another_dataset_lets_the_search_go_on(eager, large, tmp_path, demo):
    ingest(eager, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    wait_until(lambda: near_files(eager))
    ingest(eager, "large", large, demo)
    wait_until(lambda: idle_threads(eager) > 0)
    assert eager.json("rm", "rows")["pending"] == 0
    wait_until(lambda: len(near_files(eager)) == 1)
    assert [what for _, what in found(eager)] == ["searched in advance"] * 2


def test_who_asks_comes_before_what_is_in_advance(eager, large, tmp_path, demo):
    ingest(eager, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    wait_until(lambda: near_files(eager))
    ingest(eager, "large", large, demo)
    wait_until(lambda: idle_threads(eager) > 0)
    assert leaks(eager, "rows", similarity=0.7)["total"] > 0
    wait_until(lambda: len(near_files(eager)) == 3)
    assert found(eager) == [(0.8, "searched in advance"), (0.7, "searched"), (0.8, "searched in advance")]


def test_who_asks_for_the_very_search_in_advance_shares_it(eager, large, demo):
    ingest(eager, "large", large, demo)
    wait_until(lambda: idle_threads(eager) > 0)
    clients = [Client(eager.socket, timeout=300) for _ in range(3)]
    seqs = [c.send("leaks", name="large") for c in clients]
    answers = [c.answer(seq) for c, seq in zip(clients, seqs)]
    assert answers[0] == answers[1] == answers[2] and answers[0]["total"] > 500
    for c in clients:
        c.close()
    assert len(found(eager)) == 1


def test_a_daemon_ends_in_the_middle_of_a_search_in_advance(tmp_path, large, demo):
    daemon = make(tmp_path).start()
    ingest(daemon, "large", large, demo)
    wait_until(lambda: idle_threads(daemon) > 0)
    assert daemon.stop() == 0
    assert found(daemon) == []
    assert near_files(daemon) == [] and list((daemon.state / "tmp").iterdir()) == []


def test_an_idle_daemon_uses_no_processor_after_its_search(eager, tmp_path, demo):
    ingest(eager, "rows", write_rows(tmp_path / "rows.csv", 1), demo)
    wait_until(lambda: near_files(eager))
    rests(eager, seconds=2, share=0.005)


# ---- two users ----

NOBODY = 65534


@pytest.fixture
def open_daemon():
    """A daemon that another user may talk to."""
    if os.geteuid() != 0:
        pytest.skip("a client of another user takes root")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hsfeed-near-"))
    folder.chmod(0o755)
    daemon = make(folder, more="socket_mode = 0666\n")
    try:
        yield daemon.start()
        assert daemon.stop() == 0
    finally:
        daemon.stop(signal.SIGKILL)
        shutil.rmtree(folder)


def test_two_users_share_no_results(open_daemon, demo):
    daemon = open_daemon
    path = write_rows(daemon.state.parent / "rows.csv", 1)
    tokenizer = shutil.copytree(demo / "tokenizer", daemon.state.parent / "tokenizer")

    def other(*args):
        try:
            done = subprocess.run([str(HSFEED), *map(str, args), "--socket", str(daemon.socket), "--json"], text=True,
                                  capture_output=True, timeout=60, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
        except PermissionError:
            pytest.skip(f"another user cannot run {HSFEED}")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ask = ("ingest", "rows", path, "--tokenizer", tokenizer, "--labels", "label")
    daemon.run(*ask)
    wait_until(lambda: len(near_files(daemon)) == 1)
    other(*ask)
    wait_until(lambda: len(near_files(daemon)) == 2)
    assert [what for _, what in found(daemon)] == ["searched in advance"] * 2
    assert {f.parent.name for f in near_files(daemon)} == {"0", str(NOBODY)}
    assert leaks(daemon, "rows")["duplicates"] == other("leaks", "rows")["duplicates"]
    daemon.run("rm", "rows")
    assert [f.parent.name for f in near_files(daemon)] == [str(NOBODY)]
    restart(daemon)
    assert other("leaks", "rows")["total"] > 0
    assert len(found(daemon)) == 3
