# SPDX-License-Identifier: Apache-2.0
"""The examples for Accelerate, the Trainer of transformers and Lightning, in one process and in two, stopped in the
middle of an epoch and resumed: all processes together see exactly the split, and nothing is dealt twice.
"""

import collections
import json
import os
import re
import socket
import subprocess
import sys

import pytest

from conftest import EXAMPLES, ROOT, hsfeed

pytest.importorskip("torch")

SEEN = ROOT / "tests" / "python" / "seen.py"
ROWS, BATCH = 150, 8  # of the file, and of a batch


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


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
        started = [self.start(command, rank, processes) for rank in range(processes)]
        printed = [one.communicate(timeout=300)[0] for one in started]
        assert all(one.returncode == 0 for one in started), "\n".join(printed)
        files = sorted(seen.iterdir())
        return printed[0], [json.loads(line) for file in files for line in file.read_text().splitlines()]

    port = None

    def start(self, command, rank, processes):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        if processes > 1:
            self.port = free_port() if rank == 0 else self.port
            world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
            world |= {"GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": self.port}
            world |= {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_RESTART_COUNT": 0}
            environment |= {key: str(value) for key, value in world.items()}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": self.folder}
        return subprocess.Popen(command, env=environment, **options)


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


# ---- Accelerate


def test_accelerate_goes_on_with_other_processes(running, splits, tmp_path):
    pytest.importorskip("accelerate")
    run, state = running("accelerate_loop.py"), tmp_path / "state"
    _, before = run(1, "--state", state, "--stop-after", 6)
    assert times(before, "train").total() == 6 * BATCH and not times(before, "val")
    out, after = run(2, "--state", state)
    rows = splits("accelerate")
    trained = len(rows["train"])
    left, again = trained - 6 * BATCH, up(trained, 2) - trained  # what is left begins at an even place
    assert shares(after, "train", 0) == [up(left, 2) // 2] * 2
    assert shares(after, "train", 1) == [up(trained, 2) // 2] * 2
    each_once(before + after, "train", 0, rows["train"], again)
    each_once(after, "train", 1, rows["train"], again)
    for epoch in range(2):
        each_once(after, "val", epoch, rows["val"])
    validated = str(len(rows["val"]))
    assert re.findall(r"epoch (\d): F1 [\d.]+ over (\d+) rows", out) == [("0", validated), ("1", validated)]


def test_accelerate_leaves_a_loader_as_it_is(demo_set):
    """prepare() hands it back; what would deal it again refuses."""
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    with demo_set.loader("train", 0, quiet=True) as loader:
        assert accelerator.prepare(loader) is loader
        assert accelerator.prepare(loader, torch_model())[0] is loader
        for shards_again in (accelerator.prepare_data_loader, accelerate.data_loader.prepare_data_loader):
            with pytest.raises(AttributeError, match="deals rows"):
                shards_again(loader)
        with pytest.raises(AttributeError, match="deals rows"):
            accelerate.skip_first_batches(loader, 3)


def torch_model():
    import torch

    return torch.nn.Linear(2, 2)


# ---- the Trainer of transformers


def test_trainer_in_one_process(running, splits):
    pytest.importorskip("transformers"), pytest.importorskip("accelerate")
    out, seen = running("hf_trainer.py")(1)
    rows = splits("trainer")
    for epoch in range(2):
        each_once(seen, "train", epoch, rows["train"])
    for epoch in range(3):  # two at the epochs' ends, one of its own
        each_once(seen, "val", epoch, rows["val"])
    assert f"over {len(rows['val'])} rows" in out


def test_trainer_goes_on_in_two_processes(running, splits, tmp_path, shared_db):
    pytest.importorskip("transformers"), pytest.importorskip("accelerate")
    run, output = running("hf_trainer.py"), tmp_path / "output"
    _, before = run(2, "--output", output, "--save-steps", 3, "--stop-after", 3)
    assert shares(before, "train", 0) == [3 * BATCH, 3 * BATCH]
    out, after = run(2, "--output", output, "--resume", output / "checkpoint-3")
    rows = splits("trainer")
    again = up(len(rows["train"]), 2) - len(rows["train"])
    each_once(before + after, "train", 0, rows["train"], again)
    each_once(after, "train", 1, rows["train"], again)
    again = up(len(rows["val"]), 2 * BATCH) - len(rows["val"])  # whole rounds: what repeats is cut before it counts
    each_once(after, "val", 0, rows["val"], again)
    labels = shared_db.dataset("trainer").label_values()[rows["val"]]
    assert f"over {len(labels)} rows, {int(labels.sum())} positives" in out


# ---- Lightning


def test_lightning_in_one_process(running, splits):
    pytest.importorskip("lightning")
    out, seen = running("lightning_module.py")(1)
    rows = splits("lightning")
    for epoch in range(2):
        each_once(seen, "train", epoch, rows["train"])
        each_once(seen, "val", epoch, rows["val"])
    validated = str(len(rows["val"]))
    assert re.findall(r"epoch (\d): F1 [\d.]+ over (\d+) rows", out) == [("0", validated), ("1", validated)]


def test_lightning_goes_on_in_two_processes(running, splits, tmp_path):
    pytest.importorskip("lightning")
    run, folder = running("lightning_module.py"), tmp_path / "saved"
    _, before = run(2, "--devices", 2, "--save", folder, "--save-every", 3, "--stop-after", 3)
    assert shares(before, "train", 0) == [3 * BATCH, 3 * BATCH]
    out, after = run(2, "--devices", 2, "--resume", folder / "run.ckpt")
    rows = splits("lightning")
    again = up(len(rows["train"]), 2) - len(rows["train"])
    each_once(before + after, "train", 0, rows["train"], again)
    each_once(after, "train", 1, rows["train"], again)
    for epoch in range(2):
        each_once(after, "val", epoch, rows["val"])
    validated = str(len(rows["val"]))
    assert re.findall(r"epoch (\d): F1 [\d.]+ over (\d+) rows", out) == [("0", validated), ("1", validated)]


# ---- tokenizers of transformers


def test_a_tokenizer_of_transformers_is_data_pys_own(shared_db, demo):
    """hsfeed.compat takes the very object that data.py calls."""
    transformers = pytest.importorskip("transformers")
    for library in ("pandas", "sklearn", "iterstrat"):
        pytest.importorskip(library)
    import plain_data as plain

    from hsfeed import compat

    compat.use(shared_db)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(demo / "tokenizer"))
    given = demo / "comments.csv", None, ["Question"]
    comments, labels = compat.load_and_preprocess_data(*given)
    assert comments.tolist() == plain.load_and_preprocess_data(*given)[0].tolist()
    for max_length in (128, 12):
        data = compat.get_or_create_tokenized_dataset(comments, labels, tokenizer, max_length)
        for key, tensor in plain.get_tokenized_dataset(comments, labels, tokenizer, max_length).items():
            assert data[key].dtype == tensor.dtype and (data[key] == tensor).all()
    compat.use(None)
