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


def stopped_job(daemon):
    """The one job process, stopped before it can finish. A job is answered before its process has ended: where there
    was one before, wait_for_no_job first, before the new one begins."""
    wait_for(lambda: jobs(daemon), "no process was started")
    [pid] = jobs(daemon)
    os.kill(pid, signal.SIGSTOP)
    return pid


def wait_for_no_job(daemon):
    wait_for(lambda: not forked(daemon), "a process is left")
