# SPDX-License-Identifier: Apache-2.0
"""Ingest processes that are cancelled, killed, stopped, queued: what clients hear, and what is left behind."""
import os
import signal
import time

import pytest

from conftest import HSFEEDD, Daemon, without_searches
from jobs import has_ended, jobs, stopped_job, wait_for_no_job
from protoclient import Client, Refused, wait_for

ROWS = "comment,label\n" + "".join(f"row {i} is good,{i % 2}\n" for i in range(100_000))
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] row is good 0 1 2 ##0 ##1 ##2 ##3 ##4 ##5 ##6 ##7 ##8 ##9".split()


@pytest.fixture
def daemon(tmp_path):
    if not HSFEEDD.exists():
        pytest.fail(f"no {HSFEEDD}: build first, or set HSFEED_BUILD_DIR")
    (tmp_path / "big.csv").write_text(ROWS)
    (tmp_path / "vocab.txt").write_text("".join(w + "\n" for w in WORDS))
    d = Daemon(tmp_path, *without_searches(tmp_path)).start()
    d.folder = tmp_path
    yield d
    code = d.stop()
    assert code in (None, 0), f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


def begin(client, daemon, name="big", extra=""):
    """Sends an ingest; a different `extra` makes it a different one."""
    path = daemon.folder / f"big{extra}.csv"
    if extra:
        path.write_text(ROWS + f"{extra},1\n")
    files = {"vocab.txt": client.attach(daemon.folder / "vocab.txt")}
    source = client.attach(path)
    return client.send("ingest", name=name, source=source, file_name=path.name, options={"labels": ["label"]},
                       tokenizers=[{"role": "text", "name": "tiny", "files": files}])


def nothing_left(daemon):
    wait_for_no_job(daemon)
    wait_for(lambda: not os.listdir(daemon.state / "tmp"), "files are left in tmp/")


def fails(client, seq, code):
    with pytest.raises(Refused) as e:
        client.answer(seq)
    assert e.value.code == code, e.value
    return e.value


def test_a_killed_process_is_explained_and_leaves_nothing(daemon):
    c = Client(daemon.socket)
    seq = begin(c, daemon)
    os.kill(stopped_job(daemon), signal.SIGKILL)
    error = fails(c, seq, "child_failed")
    assert "SIGKILL" in error.message and "memory" in error.hint
    nothing_left(daemon)
    assert c.call("datasets") == {"datasets": []}
    assert c.answer(begin(c, daemon))["state"] == "new"


def test_a_crashed_process_is_named_by_its_signal(daemon):
    c = Client(daemon.socket)
    seq = begin(c, daemon)
    pid = stopped_job(daemon)
    os.kill(pid, signal.SIGABRT)
    os.kill(pid, signal.SIGCONT)
    assert "SIGABRT" in fails(c, seq, "child_failed").message
    nothing_left(daemon)


def test_cancel_ends_the_process_and_the_ingest_says_cancelled(daemon):
    c = Client(daemon.socket)
    seq = begin(c, daemon)
    stopped_job(daemon)
    cancel = c.send("cancel", seq=seq)
    fails(c, seq, "cancelled")
    assert c.answer(cancel) == {"cancelled": True}
    nothing_left(daemon)


def test_the_last_client_away_cancels_and_the_others_keep_it(daemon):
    first, second = Client(daemon.socket), Client(daemon.socket)
    begin(first, daemon)
    pid = stopped_job(daemon)
    seq = begin(second, daemon)
    second.call("ping")
    first.close()
    time.sleep(0.2)
    assert jobs(daemon) == [pid], "equal ingests must share one process, and one client away must not end it"
    os.kill(pid, signal.SIGCONT)
    assert second.answer(seq)["state"] == "new"
    nothing_left(daemon)
    begin(second, daemon, "other", "other")
    stopped_job(daemon)
    second.close()
    nothing_left(daemon)


def test_ingests_of_one_user_wait_their_turn(daemon):
    c = Client(daemon.socket)
    seqs = [begin(c, daemon, "d0", "d0")]
    pid = stopped_job(daemon)
    seqs += [begin(c, daemon, f"d{i}", f"d{i}") for i in (1, 2)]
    assert c.call("status")["ingests"] == 3
    assert len(jobs(daemon)) == 1
    c.send("cancel", seq=seqs[1])
    fails(c, seqs[1], "cancelled")
    os.kill(pid, signal.SIGCONT)
    assert {c.answer(seqs[0])["dataset"], c.answer(seqs[2])["dataset"]} == {"d0", "d2"}


def test_progress_comes_while_it_runs(daemon):
    c = Client(daemon.socket)
    seq = begin(c, daemon)
    c.answer(seq)
    stages = [p["stage"] for name, p in c.notices if name == "progress" and p["seq"] == seq]
    assert "publish" in stages and set(stages) <= {"read", "parse", "tokenize", "write", "publish"}


def test_a_stopping_daemon_ends_its_processes_and_tells_why(daemon):
    c = Client(daemon.socket)
    begin(c, daemon)
    pid = stopped_job(daemon)
    assert daemon.stop() == 0
    assert not os.path.exists(f"/proc/{pid}")
    assert c.end()["code"] == "shutting_down"
    assert os.listdir(daemon.state / "tmp") == []


def test_a_killed_daemon_takes_its_processes_along_and_the_next_one_starts_clean(daemon):
    c = Client(daemon.socket)
    begin(c, daemon)
    c.notice("progress")  # it has asked the kernel to end it with its parent by now
    pid = stopped_job(daemon)
    daemon.stop(signal.SIGKILL)
    wait_for(lambda: has_ended(pid), "the process outlived its daemon")
    daemon.socket.unlink()
    daemon.start()
    c = Client(daemon.socket)
    assert c.call("datasets") == {"datasets": []} and os.listdir(daemon.state / "tmp") == []
    assert c.answer(begin(c, daemon))["state"] == "new"
