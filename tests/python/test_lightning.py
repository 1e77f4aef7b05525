# SPDX-License-Identifier: Apache-2.0
"""The example for Lightning, in one process and in two, stopped in the middle of an epoch and resumed: all processes
together see exactly the split, and nothing is dealt twice.
"""

import re

import pytest

from processes import BATCH, each_epoch_once, each_once, running, shares, splits, up  # noqa: F401  (some are fixtures)

pytest.importorskip("lightning")


def test_lightning_in_one_process(running, splits):
    out, seen = running("lightning_module.py")(1)
    rows = splits("lightning")
    for epoch in range(2):
        each_once(seen, "train", epoch, rows["train"])
        each_once(seen, "val", epoch, rows["val"])
    validated = str(len(rows["val"]))
    assert re.findall(r"epoch (\d): F1 [\d.]+ over (\d+) rows", out) == [("0", validated), ("1", validated)]


def test_lightning_goes_on_in_two_processes(running, splits, tmp_path):
    run, folder = running("lightning_module.py"), tmp_path / "saved"
    _, before = run(2, "--devices", 2, "--save", folder, "--save-every", 3, "--stop-after", 3)
    assert shares(before, "train", 0) == [3 * BATCH, 3 * BATCH]
    out, after = run(2, "--devices", 2, "--resume", folder / "run.ckpt")
    rows = splits("lightning")
    again = up(len(rows["train"]), 2) - len(rows["train"])
    each_epoch_once(before, after, rows, again, out)
