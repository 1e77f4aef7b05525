# SPDX-License-Identifier: Apache-2.0
"""The daemon's job processes, seen from outside."""
import os
import pathlib
import signal

from protoclient import wait_for


def forked(daemon):
    """All children of the daemon: between fork and exec one is still called hsfeedd."""
    out = []
    for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
        try:
            out += [int(pid) for pid in (task / "children").read_text().split()]
        except OSError:
            pass
    return out


def is_job(pid):
    try:
        return b"--ingest-child" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def jobs(daemon):
    """Those that work. (Between fork and exec the daemon waits for the moment to pass: none is to be stopped there.)"""
    return [pid for pid in forked(daemon) if is_job(pid)]


def state(pid):
    """As in /proc/PID/stat; "" when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def has_ended(pid):
    """Gone, or a zombie that whoever adopted it has not collected yet."""
    return state(pid) in ("Z", "X", "")


def stop(pid):
    """Returns when it stands still: whether it does, and has not ended."""
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    wait_for(lambda: state(pid) == "T" or has_ended(pid), "a process does not stop")
    return state(pid) == "T"


def stopped_job(daemon):
    """The one job process, stopped before it can finish. A job is answered before its process has ended: where there
    was one before, wait_for_no_job first, before the new one begins."""
    wait_for(lambda: jobs(daemon), "no process was started")
    [pid] = jobs(daemon)
    assert stop(pid), "it was quicker"
    return pid


def wait_for_no_job(daemon):
    wait_for(lambda: not forked(daemon), "a process is left")
