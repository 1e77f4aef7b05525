# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the black-box tests: the real daemon in a temporary folder, the real command, data of our own."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HSFEED_BUILD_DIR", ROOT / "build" / "tests"))
SHARED = pathlib.Path(os.environ.get("HSFEED_SHARED", ROOT.parent / "shared"))
HSFEEDD = BUILD / "daemon" / "hsfeedd"
HSFEED = BUILD / "client" / "hsfeed"


class Daemon:
    """One hsfeedd with a state folder and a socket of its own."""

    def __init__(self, folder, *flags, env=None):
        self.state = folder / "state"
        self.socket = folder / "hsfeed.sock"
        self.log = folder / "hsfeedd.log"
        self.flags = flags
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(HSFEEDD), "--state", str(self.state), "--socket", str(self.socket), *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env,
            )
        deadline = time.monotonic() + 30
        while wait and not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the daemon did not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.01)
        return self

    def stop(self, sig=signal.SIGTERM):
        """Ends the daemon and returns its exit status (negative: the signal)."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(timeout=30)
        self.process = None
        return code

    def run(self, *args, check=True, env=None, stdin=None, timeout=120):
        """Runs `hsfeed ARGS` against this daemon."""
        done = subprocess.run(
            [str(HSFEED), *map(str, args), "--socket", str(self.socket)],
            capture_output=True,
            text=True,
            env={**self.env, **(env or {})},
            input=stdin,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"hsfeed {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n"
                f"{self.log.read_text(errors='replace')[-4000:]}"
            )
        return done

    def json(self, *args, **kwargs):
        return json.loads(self.run(*args, "--json", **kwargs).stdout)

    def lines(self, *args, **kwargs):
        """The JSON lines a command prints."""
        return [json.loads(line) for line in self.run(*args, **kwargs).stdout.splitlines()]


def without_searches(folder):
    """Flags of a daemon that searches nothing in advance, which could go on beside any later test."""
    config = folder / "without-searches.conf"
    config.write_text("[daemon]\nsearch_duplicates = no\n")
    return "--config", str(config)


def need_binaries():
    if not HSFEEDD.exists() or not HSFEED.exists():
        pytest.fail(f"no hsfeedd or hsfeed under {BUILD}: build first, or set HSFEED_BUILD_DIR")


@pytest.fixture
def daemon(tmp_path):
    """A fresh daemon; its exit must be clean (sanitizers fail it otherwise). test_near_kept.py has the searches."""
    need_binaries()
    d = Daemon(tmp_path, *without_searches(tmp_path)).start()
    yield d
    code = d.stop()
    assert code in (None, 0), f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


@pytest.fixture
def client(daemon):
    """A connection, written from PROTOCOL.md alone, to the file's daemon."""
    from protoclient import Client  # not above: other folders load this file too

    c = Client(daemon.socket, timeout=60)
    yield c
    c.close()


@pytest.fixture(scope="module")
def shared_daemon(tmp_path_factory):
    """One daemon for all tests of a file that only read what was ingested once."""
    need_binaries()
    folder = tmp_path_factory.mktemp("daemon")
    d = Daemon(folder, *without_searches(folder)).start()
    yield d
    code = d.stop()
    assert code in (None, 0), f"hsfeedd ended with {code}:\n{d.log.read_text(errors='replace')[-8000:]}"


@pytest.fixture(scope="session")
def shared():
    """The folder with real data, where there is one."""
    if not (SHARED / "data" / "csv").is_dir():
        pytest.skip(f"no real data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def demo():
    """The demo dataset's folder: comments.csv and tokenizer/, of our own making."""
    return ROOT / "config" / "demo"
