# SPDX-License-Identifier: Apache-2.0
"""The examples run as a reader would run them, and the code of the introduction works as it is written."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

from conftest import EXAMPLES, HSFEED, HSFEEDD, ROOT

pytest.importorskip("torch")


def run(command, **environment):
    done = subprocess.run(
        [str(c) for c in command],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def arguments(daemon, demo):
    return [
        demo / "comments.csv",
        "--labels",
        "Question",
        "--tokenizer",
        demo / "tokenizer",
        "--socket",
        daemon.socket,
    ]


def test_kfold_learns_and_tells_mean_and_deviation(shared_daemon, demo):
    out = run([sys.executable, EXAMPLES / "kfold.py", *arguments(shared_daemon, demo), "--epochs", 2])
    assert len(re.findall(r"^fold \d epoch \d: loss", out, re.M)) == 10
    mean, deviation = map(float, re.search(r"macro F1 over 5 folds: ([\d.]+) \+- ([\d.]+)", out).groups())
    assert mean > 0.9 and deviation < 0.1


def test_a_teacher_runs_once_and_students_train_on_its_logits(shared_daemon, demo):
    command = [sys.executable, EXAMPLES / "distillation.py", demo / "comments.csv", "--labels", "Question"]
    command += ["--teacher", demo / "tokenizer", "--student", demo / "tokenizer", "--socket", shared_daemon.socket]
    out = run(command)
    assert len(re.findall(r"^fold (\d): the teacher ran once, F1 0\.[89]\d+$", out, re.M)) == 2
    first = re.findall(r"student F1 ([\d.]+)", out)
    again = run(command)
    assert again.count("the teacher's logits are there") == 2 and "ran once" not in again
    assert re.findall(r"student F1 ([\d.]+)", again) == first and float(min(first)) > 0.5
    other = run([*command, "--alpha", "1", "--folds", "1"])  # of the teacher alone, without any label
    assert float(re.search(r"student F1 ([\d.]+)", other)[1]) > 0.5


def test_ddp_sees_exactly_the_split_and_resumes_with_other_ranks(shared_daemon, demo, tmp_path):
    def torchrun(processes, epochs):
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            processes,
        ]
        return run(
            [
                *command,
                ROOT / "tests" / "python" / "gloo.py",
                EXAMPLES / "ddp.py",
                *arguments(shared_daemon, demo),
                "--state",
                tmp_path / "state.json",
                "--epochs",
                epochs,
            ]
        )

    assert "epoch 0: 2 processes saw 3176 rows, 0 of them twice" in torchrun(2, 1)
    out = torchrun(3, 2)
    assert "epoch 0" not in out and "epoch 1: 3 processes saw 3176 rows, 1 of them twice" in out


def test_ddp_alone_says_how_it_is_started(demo):
    command = [sys.executable, EXAMPLES / "ddp.py", "x.csv", "--labels", "y", "--tokenizer", "z"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "torchrun --nproc_per_node 2" in done.stderr


def code_of(path, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.S)


def test_the_code_of_the_introduction_works_as_written(tmp_path, demo):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "HateSpeech.csv").write_text(
        (demo / "comments.csv").read_text().replace("Question", "HateSpeech", 1)
    )
    hub = tmp_path / "hub"
    for name in ("csebuetnlp--banglabert", "distilbert-base-multilingual-cased"):
        snapshot = hub / f"models--{name}" / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        for file in (demo / "tokenizer").iterdir():
            (snapshot / file.name).write_bytes(file.read_bytes())
        (hub / f"models--{name}" / "refs").mkdir()
        (hub / f"models--{name}" / "refs" / "main").write_text("0" * 40)
    blocks = code_of(ROOT / "client" / "python" / "README.md")
    assert any("db.ingest(" in block for block in blocks)
    model = textwrap.dedent("""
        import torch
        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.head = torch.nn.Embedding(1000, 8), torch.nn.Linear(8, 1)
            def forward(self, input_ids, attention_mask, labels):
                logits = self.head(self.embed(input_ids).mean(1))
                return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        model = Model()
    """)
    end = "import os, signal; os.kill(db.pid, signal.SIGTERM)\n"
    script = tmp_path / "script.py"
    script.write_text("import os\n" + model + "\n".join(blocks) + end)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(tmp_path, hub),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def environment(tmp_path, hub):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HSFEED_", "XDG_", "STATE_", "HF_"))}
    return {
        **kept,
        "HSFEED_HSFEED": str(HSFEED),
        "HSFEED_HSFEEDD": str(HSFEEDD),
        "HF_HUB_CACHE": str(hub),
        "HSFEED_SOCKET": str(tmp_path / "s"),
        "STATE_DIRECTORY": str(tmp_path / "state"),
        "HOME": str(tmp_path),
    }
