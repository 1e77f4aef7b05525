# SPDX-License-Identifier: Apache-2.0
"""Finding a daemon, and starting one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from . import _report
from .database import Database
from .errors import NoDaemon


def connect(
    socket: str | os.PathLike[str] | None = None,
    start: bool = False,
    state: str | os.PathLike[str] | None = None,
    timeout: float = 60.0,
) -> Database:
    """Connects to hsfeedd.

    socket   where it listens; default: $HSFEED_SOCKET, else each of $XDG_RUNTIME_DIR/hsfeed.sock, the default
             state folder's hsfeed.sock and /run/hsfeed/hsfeed.sock until one answers
    start    start a private daemon where none answers: no root, no systemd. It goes on running; `hsfeed stop`
             ends it. What is printed then says where it is. One that this process started is started again
             when it is gone and needed
    state    the folder of a daemon of one's own: looked for, and started, at state/hsfeed.sock unless socket
             is given
    timeout  seconds for connecting, and for every call that does not say otherwise

    NoDaemon: nothing answers; the sentence says where it was looked for. SystemFailure: the socket cannot be
    used.
    """
    path = os.fspath(socket) if socket is not None else None
    folder = str(Path(state).expanduser().absolute()) if state is not None else None
    if path is None and folder is not None:
        path = f"{folder}/hsfeed.sock"
    try:
        return Database(path, timeout=timeout)
    except NoDaemon:
        if not start:
            raise
    found, ours = _start(path, folder)
    if not ours:  # another process was faster
        return Database(found, timeout=timeout)
    db = Database(found, timeout=timeout, start_again=lambda: _start_again(found, folder))
    kept = db.status()["state"]
    _report.say(
        f"started a daemon: socket {found}, state {kept}, log {kept}/hsfeedd.log; "
        f"`hsfeed stop{f' --socket {found}' if path else ''}` ends it"
    )
    return db


def _start_again(socket: str, state: str | None) -> None:
    if _start(socket, state)[1]:
        _report.warn(f"the daemon at {socket} was gone; it was started again")


def _start(socket: str | None, state: str | None) -> tuple[str, bool]:
    """Runs `hsfeed start`, which returns when a daemon accepts: its socket, and whether it is new."""
    command = [find_program(), "start", "--json"]
    command += ["--socket", socket] if socket else []
    command += ["--state", state] if state is not None else []
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise NoDaemon(
            f"the daemon could not be started: {_last_words(done.stderr)}", f"tried: {' '.join(command)}"
        )
    answer = json.loads(done.stdout)
    return str(answer["socket"]), bool(answer["started"])


def _last_words(text: str) -> str:
    return text.strip().removeprefix("hsfeed: ") or "it said nothing"


def find_program() -> str:
    """The `hsfeed` command: $HSFEED_HSFEED, else the one in this package, else the one in PATH."""
    given = os.environ.get("HSFEED_HSFEED")
    if given:
        return given
    packaged = _packaged("hsfeed")
    found = packaged or shutil.which("hsfeed")
    if not found:
        raise NoDaemon(
            "no daemon answers, and there is no hsfeed command to start one",
            "set HSFEED_HSFEED to the command, or put it into PATH",
        )
    return found


def _packaged(name: str) -> str | None:
    try:
        from ._programs import find
    except ImportError:
        return None
    path = find(name)
    return os.fspath(path) if path else None
