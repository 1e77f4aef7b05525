# SPDX-License-Identifier: Apache-2.0
"""Examples in one process or several, as torchrun starts them, and which rows each process saw."""

import collections
import contextlib
import json
import os
import re
import socket
import subprocess
import sys

import pytest

from conftest import EXAMPLES, ROOT, hsfeed

SEEN = ROOT / "tests" / "python" / "seen.py"
ROWS, BATCH = 150, 8  # of the file, and of a batch


@contextlib.contextmanager
def free_port():
    """A port that nobody else is given meanwhile; who may use an address again can listen there, as torch does."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


class Run:
    """An example's processes over a small file, and which rows they saw."""

    def __init__(self, example, daemon, demo, folder):
        self.example, self.daemon, self.demo, self.folder = example, daemon, demo, folder
        self.file = folder / "comments.csv"
        self.runs = 0
        lines = (demo / "comments.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        plain = [line for line in lines if '"' not in line and line.count(",") == 2]
        self.file.write_text("".join(plain[: ROWS + 1]), encoding="utf-8")

    def __call__(self, processes, *options):
        """Starts the processes as torchrun starts them, and waits: (what rank 0 printed, the seen batches)."""
        self.runs += 1
        seen = self.folder / f"seen-{self.runs}"
        seen.mkdir()
        command = [sys.executable, SEEN, seen, EXAMPLES / self.example, self.file, "--labels", "Question"]
        command += ["--tokenizer", self.demo / "tokenizer", "--socket", self.daemon.socket, "--batch-size", BATCH]
        command = [str(part) for part in (*command, *options)]
        printed = [seen.with_name(f"{seen.name}-{rank}.out") for rank in range(processes)]
        with free_port() as port:
            started = [self.start(command, rank, processes, port, printed[rank]) for rank in range(processes)]
            try:
                codes = [one.wait(timeout=300) for one in started]
            finally:
                for one in started:
                    one.kill()
        texts = [path.read_text(errors="replace") for path in printed]
        assert codes == [0] * processes, "\n".join(texts)
        files = sorted(seen.iterdir())
        return texts[0], [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def start(self, command, rank, processes, port, path):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        if processes > 1:
            world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
            world |= {"GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            world |= {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_RESTART_COUNT": 0}
            environment |= {key: str(value) for key, value in world.items()}
        with open(path, "w") as file:
            return subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=file, stderr=subprocess.STDOUT
            )


def times(seen, split, epoch=None):
    """How often each row of a split was seen, by all processes together."""
    rows = [b["rows"] for b in seen if b["split"] == split and epoch in (None, b["epoch"])]
    return collections.Counter(row for batch in rows for row in batch)


def each_once(seen, split, epoch, wanted, again=0):
    """`again`: how many rows stand twice, since all processes must have equally many."""
    counts = times(seen, split, epoch)
    assert sorted(counts) == sorted(wanted), (split, epoch)
    assert counts.total() == len(wanted) + again and max(counts.values()) <= 1 + (again > 0)


def up(n, unit):
    """To the next multiple."""
    return -(-n // unit) * unit


def shares(seen, split, epoch):
    """How many rows each process had."""
    counts = collections.Counter()
    for batch in seen:
        if (batch["split"], batch["epoch"]) == (split, epoch):
            counts[batch["rank"]] += len(batch["rows"])
    return sorted(counts.values())


@pytest.fixture
def running(shared_daemon, demo, tmp_path):
    return lambda example: Run(example, shared_daemon, demo, tmp_path)


@pytest.fixture
def splits(shared_daemon, demo, tmp_path):
    """{"train": its rows, "val": its rows} of fold 0 of the examples' file, once they ran."""

    def found(name):
        with hsfeed.connect(shared_daemon.socket) as db:
            train, val = db.dataset(name).folds(5)[0]
        return {"train": train.tolist(), "val": val.tolist()}

    return found


def each_epoch_once(before, after, rows, again, out):
    """A training of two epochs that went on in the first one, on two processes: all rows in both, and all validated."""
    each_once(before + after, "train", 0, rows["train"], again)
    each_once(after, "train", 1, rows["train"], again)
    for epoch in range(2):
        each_once(after, "val", epoch, rows["val"])
    validated = str(len(rows["val"]))
    assert re.findall(r"epoch (\d): F1 [\d.]+ over (\d+) rows", out) == [("0", validated), ("1", validated)]
