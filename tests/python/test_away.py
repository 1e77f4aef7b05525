# SPDX-License-Identifier: Apache-2.0
"""A daemon that stays away: what is said, and one that this process started is started again."""

import os
import pathlib
import re
import signal
import time
import types

import pytest

import hsfeed
from conftest import HSFEED, HSFEEDD
from hsfeed import _link
from reference import Reference, arrays_of, assert_all_same
from test_resume import OPTIONS, expected, few

pytest.importorskip("torch")


def test_a_daemon_that_stays_away_is_told_again_and_again(tmp_path, monkeypatch, caplog):
    now = 1000.0  # a clock that moves while it is waited

    def sleep(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(_link, "time", types.SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    patience = _link.Patience("/s", 300.0)
    with pytest.raises(hsfeed.ConnectionLost, match="did not answer for 300 s"):
        while True:
            patience.wait(hsfeed.NoDaemon("none"))
    told = [r.getMessage() for r in caplog.records]
    assert len(told) == 5 and all("start it with: hsfeed start --socket /s" in m for m in told)
    assert [re.search(r"trying for (\d+) s", m)[1] for m in told] == ["298", "238", "178", "118", "58"]
    assert now == pytest.approx(1300, abs=0.3)


def test_a_daemon_that_was_started_here_is_started_again(tmp_path, demo, monkeypatch, caplog):
    monkeypatch.setenv("HSFEED_HSFEED", str(HSFEED))
    monkeypatch.setenv("HSFEED_HSFEEDD", str(HSFEEDD))
    with hsfeed.connect(start=True, state=tmp_path / "state") as db:
        ds = few(db, demo, 400)
        reference = Reference(ds)
        loader = ds.loader("train", 0, **{**OPTIONS, "slots": 4})
        batches = iter(loader)
        made = [arrays_of(next(batches))]
        end(db.pid)
        made += [arrays_of(batch) for batch in batches]
        again = [r.getMessage() for r in caplog.records]
        end(db.status()["pid"])
        assert db.dataset(ds.ref).rows == 400
        assert_all_same(made, expected(ds, reference, 0))
        end(db.status()["pid"])
    assert again == [f"hsfeed: the daemon at {db.socket} was gone; it was started again"]
    assert len(caplog.records) == 2


def end(pid):
    """Kills a daemon, and returns when nothing of it is left but its entry in the table of processes."""
    os.kill(pid, signal.SIGKILL)
    while state_of(pid) not in ("Z", "X", ""):
        time.sleep(0.01)


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
