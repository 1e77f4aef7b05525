#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_folds.py [--build DIR] [--rows N] [--labels L] [--runs R]

MultilabelStratifiedKFold of many rows with several labels: the daemon beside iterative-stratification, on the same
labels. Prints one JSON line per run and one with the medians: seconds from the request to the answer of a plan that
was not made before (another seed each run), what the daemon's memory grew by, and seconds and memory of the library
in a process of its own. The folds of the last run are compared.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/blackbox"))

PEER = """
import json, resource, sys, time
import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
labels = np.load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begin = time.perf_counter()
folds = np.zeros(len(labels), np.uint8)
splitter = MultilabelStratifiedKFold(n_splits=5, shuffle=True, random_state=int(sys.argv[2]))
for fold, (_, val) in enumerate(splitter.split(np.zeros(len(labels)), labels)):
    folds[val] = fold
seconds = time.perf_counter() - begin
np.save(sys.argv[3], folds)
print(json.dumps([seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""


def make_labels(rows, nlabels, seed=1):
    """0/1 labels of falling frequency, the later ones mostly beside the first."""
    rng = np.random.default_rng(seed)
    labels = rng.random((rows, nlabels)) < 0.4 / (1 + np.arange(nlabels)) ** 1.5
    labels[:, 1:] &= labels[:, :1] | (rng.random((rows, 1)) < 0.3)
    return labels.astype(np.int8)


def write_csv(path, labels):
    with open(path, "w") as out:
        out.write("comment," + ",".join(f"l{i}" for i in range(labels.shape[1])) + "\n")
        for row, values in enumerate(labels.tolist()):
            out.write(f"text number {row}," + ",".join(map(str, values)) + "\n")


def ours(daemon, client, n, seed):
    plan = {"kind": "multilabel", "folds": 5, "fold_seed": seed}
    before = daemon.memory_kb("Anonymous:")
    begin = time.perf_counter()
    client.call("folds", name="bench", plan=plan)
    seconds = time.perf_counter() - begin
    folds = np.zeros(n, np.uint8)
    for fold in range(5):
        start = 0
        while start is not None:
            page = client.call("folds.rows", name="bench", plan=plan, fold=fold, split="val", start=start, count=n)
            folds[np.frombuffer(page["rows"], np.int64)] = fold
            start = page.get("next")
    return seconds, (daemon.memory_kb("Anonymous:") - before) / 1024, folds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    import run
    from protoclient import Client

    lines = []
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        folder = pathlib.Path(folder)
        labels = make_labels(args.rows, args.labels)
        np.save(folder / "labels.npy", labels)
        write_csv(folder / "rows.csv", labels)
        daemon = run.Daemon(args.build, str(folder))
        try:
            names = ",".join(f"l{i}" for i in range(args.labels))
            tokenizer = ROOT / "config/demo/tokenizer"
            daemon.run("ingest", "bench", folder / "rows.csv", "--tokenizer", tokenizer, "--labels", names)
            client = Client(daemon.socket, timeout=600)
            for seed in range(args.runs):
                seconds, mb, folds = ours(daemon, client, args.rows, seed)
                peer = [sys.executable, "-c", PEER, folder / "labels.npy", str(seed), folder / "peer.npy"]
                peer_seconds, peer_mb = json.loads(subprocess.check_output(list(map(str, peer))))
                same = bool((np.load(folder / "peer.npy") == folds).all())
                lines.append(dict(
                    bench="folds", rows=args.rows, labels=args.labels, seconds=round(seconds, 3),
                                  daemon_grew_mb=round(mb, 1), peer_seconds=round(peer_seconds, 2),
                                  peer_mb=round(peer_mb), ratio=round(peer_seconds / seconds, 1), same=same,
                ))  # fmt: skip
                print(json.dumps(lines[-1]), flush=True)
        finally:
            daemon.stop()
    middle = {key: statistics.median(line[key] for line in lines) for key in ("seconds", "peer_seconds", "ratio")}
    print(json.dumps(dict(bench="folds", median_of=len(lines), **middle)))


if __name__ == "__main__":
    main()
