# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the Python package's tests: the package of the build under test, the real daemon, data of our
own.

HSFEED_BUILD_DIR names the build (default build/release). HSFEED_TEST_INSTALLED=1 tests the installed package
instead of the build's; daemon and command are the build's in any case.
"""

import contextlib
import importlib
import importlib.util
import logging
import os
import pathlib
import signal
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HSFEED_BUILD_DIR", ROOT / "build" / "release")).absolute()
os.environ["HSFEED_BUILD_DIR"] = str(BUILD)
EXAMPLES = ROOT / "client" / "python" / "examples"


def blackbox():
    """The daemon of the black-box tests."""
    spec = importlib.util.spec_from_file_location("blackbox", ROOT / "tests" / "blackbox" / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_blackbox = blackbox()
Daemon, HSFEED, HSFEEDD, SHARED = _blackbox.Daemon, _blackbox.HSFEED, _blackbox.HSFEEDD, _blackbox.SHARED
daemon, shared_daemon, shared, demo = (
    _blackbox.daemon,
    _blackbox.shared_daemon,
    _blackbox.shared,
    _blackbox.demo,
)

PACKAGE = BUILD / "python"
if os.environ.get("HSFEED_TEST_INSTALLED") != "1":
    sys.path.insert(0, str(PACKAGE))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))

try:
    import hsfeed
except ImportError as error:
    collect_ignore_glob = ["test_*.py"]
    print(f"tests/python: hsfeed cannot be imported ({error}): its tests are left out", file=sys.stderr)


@pytest.fixture
def db(daemon):
    """A connection to a daemon of this test's own."""
    with hsfeed.connect(daemon.socket) as database:
        yield database


@pytest.fixture(scope="module")
def shared_db(shared_daemon):
    """A connection to the daemon of all tests of a file."""
    with hsfeed.connect(shared_daemon.socket) as database:
        yield database


@pytest.fixture(scope="module")
def demo_set(shared_db, demo):
    """The demo dataset, ingested once per file."""
    return ingest_demo(shared_db, demo)


def ingest_demo(database, demo, name="demo"):
    tokenizer = demo / "tokenizer"
    return database.ingest(name, demo / "comments.csv", labels=["Question"], tokenizers=tokenizer, quiet=True)


def restart(daemon):
    """Starts a daemon again, and returns when it answers: a socket of the killed one may still lie there."""
    daemon.start()
    deadline = time.monotonic() + 30
    while True:
        try:
            hsfeed.connect(daemon.socket).close()
            return
        except hsfeed.NoDaemon:
            assert daemon.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)


def pause(daemon):
    """Returns when the daemon stands still, with all its threads; SIGCONT lets it go on."""
    daemon.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED)


@contextlib.contextmanager
def when_told(words, act):
    """Acts at once when a message has these words in it."""

    class Handler(logging.Handler):
        def emit(self, record):
            if words in record.getMessage():
                act()

    logger, handler = logging.getLogger("hsfeed"), Handler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@pytest.fixture
def patient(monkeypatch):
    """Loaders that do not mind a daemon, or a machine, that stands still for a while: nothing is said of it."""
    loader = importlib.import_module("hsfeed.loader")
    for module in (loader, importlib.import_module("hsfeed._link")):
        monkeypatch.setattr(module, "PATIENCE_S", 60.0)
    monkeypatch.setattr(loader, "STEP_MS", 60_000)


@pytest.fixture(scope="module")
def transport(request):
    """What the extension's streams are opened with in a module with ext.EACH_TRANSPORT; an unpacked ring is a ring."""
    import ext

    asked = getattr(request, "param", None)
    ext.TRANSPORT = "ring" if asked == "unpacked" else asked
    with pytest.MonkeyPatch.context() as patch:
        if asked == "unpacked":  # libhsfeed looks when it connects
            patch.setenv("HSFEED_NO_PACKED", "1")
        yield ext.TRANSPORT
    ext.TRANSPORT = None


@pytest.fixture(scope="module")
def client(shared_daemon, demo, transport):
    """The extension's own connection, with the demo dataset; one for each transport."""
    import ext

    connection = ext.connect(shared_daemon)
    connection.ingest(ext.ingest_options(demo))
    yield connection
    connection.close()


def epochs_of(loader, passes):
    return [{batch.epoch for batch in loader}.pop() for _ in range(passes)]
