# SPDX-License-Identifier: Apache-2.0
"""What the tests of the extension module share: the demo dataset through hsfeed._hsfeed alone, arrays as numpy's."""

import contextlib
import ctypes
import os
import signal

import numpy as np
import pytest

from conftest import pause
from hsfeed import _hsfeed


class Shown:
    """A capsule, as numpy wants to be shown one."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **options):
        return self.capsule

    def __dlpack_device__(self):
        return (1, 0)


def as_numpy(capsule):
    return np.from_dlpack(Shown(capsule))


class Batch(dict):
    __slots__ = ("number", "epoch", "at", "rows", "index", "copied")


def connect(daemon, **options):
    return _hsfeed.Client(str(daemon.socket), **options)


def ingest_options(demo, name="demo"):
    tokenizer = {"name": str(demo / "tokenizer")}
    return {
        "name": name, "path": demo / "comments.csv", "labels": ["Question"], "text_column": "Comments",
        "tokenizers": [tokenizer],
    }  # fmt: skip


EACH_TRANSPORT = [
    pytest.mark.usefixtures("transport"),
    pytest.mark.parametrize("transport", ["ring", "unpacked", "inline"], indirect=True, scope="module"),
]
TRANSPORT = None  # what streams are opened with; None: libhsfeed's choice


def open_stream(client, configure=None, **options):
    stream = client.open({"name": "demo", "fold": 0, "transport": TRANSPORT, **options})
    stream.configure(Batch, as_numpy, **(configure or {}))
    return stream


def batches(stream):
    while (batch := stream.next(10_000)) is not None:
        yield batch


def copy_of(batch):
    """All that a batch says, in memory of its own."""
    arrays = {name: np.array(array) for name, array in batch.items()}
    return batch.number, batch.epoch, batch.at, batch.rows, np.array(batch.index), arrays


def same(a, b):
    return a[:4] == b[:4] and np.array_equal(a[4], b[4]) and list(a[5]) == list(b[5]) and all(
        a[5][name].dtype == b[5][name].dtype and np.array_equal(a[5][name], b[5][name]) for name in a[5]
    )


@contextlib.contextmanager
def stopped(daemon):
    """The daemon does nothing meanwhile."""
    pause(daemon)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def refused(code):
    """The one error of libhsfeed's, by its symbol."""
    with pytest.raises(Exception) as caught:
        yield caught
    assert getattr(caught.value, "code", None) == code, repr(caught.value)


def in_child(work):
    """What `work` returns in a forked child: True is exit status 0, which is returned."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sanitized():
    """Sanitizers keep what is freed: memory says nothing then."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        return any("libasan" in line or "libtsan" in line for line in file)


def rings():
    """Mapped rings of this process."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        return sum("hsfeed-ring" in line for line in file)


class MallInfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]  # fmt: skip


def allocated_bytes():
    """What malloc has given and not got back, whatever holes there are between. 0 where sanitizers replace it."""
    if sanitized():
        return 0
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo
    info = mallinfo2()
    return info.uordblks + info.hblkhd
