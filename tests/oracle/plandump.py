# SPDX-License-Identifier: Apache-2.0
"""The plan layer, called from Python through tests/oracle/plan_dump.c."""
import hashlib
import json
import os
import pathlib
import struct
import subprocess

import numpy
import pytest

SHARDS = {"pad": 0, "drop": 1, "exact": 2, "even": 3, "batches": 4}


class Refused(Exception):
    """What the C function refused, with its sentence."""


def build_file(name):
    folder = os.environ.get("HSFEED_BUILD_DIR")
    if not folder:
        pytest.skip("HSFEED_BUILD_DIR does not name a build folder", allow_module_level=True)
    found = [p for p in pathlib.Path(folder).rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    if not found:
        pytest.skip(f"{name} is not built in {folder}", allow_module_level=True)
    return found[0]


def shared(path):
    """A file of the shared folder, or a skipped test."""
    root = os.environ.get("HSFEED_SHARED") or pathlib.Path(__file__).resolve().parents[3] / "shared"
    file = pathlib.Path(root) / path
    if not file.is_file():
        pytest.skip(f"{path} is not in {root}: set HSFEED_SHARED")
    return json.loads(file.read_text())


def agrees(ours, golden):
    """golden: n, SHA-256 over the decimal numbers, and the values or their head and tail."""
    ours = [int(v) for v in ours]
    assert len(ours) == golden["n"]
    assert hashlib.sha256(",".join(map(str, ours)).encode()).hexdigest() == golden["sha256"]


class Plan:
    def __init__(self):
        self.process = subprocess.Popen([build_file("plan_dump")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0

    def call(self, op, *args, payload=()):
        payload = numpy.asarray(payload)
        payload = payload if payload.dtype == numpy.float32 else payload.astype("<u4")
        args = [a & 0xFFFFFFFF for a in args] + [0] * (8 - len(args))
        self.process.stdin.write(struct.pack("<10I", ord(op), *args, payload.size) + payload.tobytes())
        self.process.stdin.flush()
        rc, text_bytes = struct.unpack("<iI", self.read(8))
        text = self.read(text_bytes).decode()
        (nwords,) = struct.unpack("<I", self.read(4))
        words = numpy.frombuffer(self.read(4 * nwords), "<u4").astype(numpy.int64)
        if rc != 0:
            raise Refused(text)
        return words, text

    def read(self, size):
        data = self.process.stdout.read(size)
        assert len(data) == size, "plan_dump ended"
        return data

    def draws(self, seed, steps):
        """steps: (kind, argument) with kinds word, wide, below, shuffle32, shuffle16; the results in one list."""
        kinds = {"word": 0, "wide": 1, "below": 2, "shuffle32": 3, "shuffle16": 4}
        return self.call("m", seed, payload=[w for kind, arg in steps for w in (kinds[kind], arg)])[0].tolist()

    def folds(self, n, k, seed, classes=None):
        """Returns (fold of each row, warning); seed None: no shuffle."""
        payload = () if classes is None else classes
        return self.call("f", n, k, seed is not None, seed or 0, classes is not None, payload=payload)

    def combinations(self, values):
        values = numpy.ascontiguousarray(values, numpy.float32)
        words, _ = self.call("c", *values.shape, payload=values.reshape(-1))
        return words[0], words[1:]

    def randperm(self, n, seed):
        return self.call("p", n, seed, seed >> 32)[0]

    def length_order(self, lengths, batch, seed):
        return self.call("l", len(lengths), batch, seed, seed >> 32, payload=lengths)[0]

    def deal(self, n, at, rank, world, shard, batch_size=1, drop_last=False):
        """Returns (samples, batches, end, rows of each batch, place of each sample)."""
        words, _ = self.call("d", n, at, rank, world, SHARDS[shard], batch_size, drop_last)
        samples, batches, end = (int(w) for w in words[:3])
        return samples, batches, end, words[3:3 + batches], words[3 + batches:]

    def deal_batches(self, *args, **options):
        """The places of each batch of a rank."""
        _, _, _, sizes, places = self.deal(*args, **options)
        cut = numpy.cumsum(sizes).tolist()
        return [places[end - size:end].tolist() for size, end in zip(sizes.tolist(), cut)]
