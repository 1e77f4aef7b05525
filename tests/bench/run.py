#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py [--build DIR] [--data DIR] [--runs N] [tok] [ingest] [inline]: benchmarks, each beside its peer.

DIR of --build is a Release build with -DHSFEED_TESTS=ON; DIR of --data holds csv/bn_44k.csv and tokenizers/.
One JSON line per figure; medians over --runs runs, each pair of ours and the peer's one after the other, so that a
drifting machine hurts both."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def show(**figures):
    print(json.dumps(figures), flush=True)


def median(values, digits=3):
    return round(statistics.median(values), digits)


class Daemon:
    def __init__(self, build, folder):
        self.command, self.socket = str(build / "client/hsfeed"), folder + "/hsfeed.sock"
        self.process = subprocess.Popen(
            [str(build / "daemon/hsfeedd"), "--state", folder + "/state", "--socket", self.socket],
            stderr=subprocess.DEVNULL,
        )
        while not os.path.exists(self.socket):
            time.sleep(0.01)

    def run(self, *args):
        subprocess.run([self.command, *map(str, args), "--socket", self.socket], check=True, capture_output=True)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def bench_tok(args):
    """Texts per second of one core, beside HF tokenizers on the same texts."""
    for name in ("banglabert", "mbert-cased"):
        lines = subprocess.run(
            [
                sys.executable,
                ROOT / "tests/bench/bench_tok_peer.py",
                args.build / "tests/bench_tok",
                args.data / "tokenizers" / name,
                args.data / "csv/bn_44k.csv",
                "Comments",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        ours, theirs, both = map(json.loads, lines)
        show(
            bench="tok",
            tokenizer=name,
            mb_per_s=ours["mb_per_s"],
            texts_per_s=ours["texts_per_s"],
            build_ms=ours.get("build_ms"),
            hf_mb_per_s=theirs["mb_per_s"],
            **both
        )


def data_py(csv, folder):
    """What data.py does before it trains: read, tokenize with all cores, pad to 128."""
    code = (
        "import sys, pandas, numpy, tokenizers\n"
        "f = pandas.read_csv(sys.argv[1]).dropna()\n"
        "t = tokenizers.Tokenizer.from_file(sys.argv[2] + '/tokenizer.json')\n"
        "t.enable_truncation(128); t.enable_padding(length=128)\n"
        "e = t.encode_batch_fast(f.Comments.astype(str).tolist())\n"
        "numpy.array([x.ids for x in e]), numpy.array([x.attention_mask for x in e])\n"
    )
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", code, csv, folder], check=True)
    return time.monotonic() - begin


def bench_ingest(args, daemon):
    """From `hsfeed ingest` to the published version, everything counted; the peer only reads and tokenizes."""
    csv, folder = args.data / "csv/bn_44k.csv", args.data / "tokenizers/banglabert"
    ours, theirs = [], []
    for i in range(args.runs + 1):
        begin = time.monotonic()
        daemon.run("ingest", "bench", csv, "--tokenizer", folder, "--labels", "HateSpeech")
        seconds = time.monotonic() - begin
        if i > 0:  # the first one finds the files cold
            ours.append(seconds)
        if i < args.runs:
            daemon.run("rm", "bench")
        if 0 < i <= 3:
            theirs.append(data_py(str(csv), str(folder)))
    show(
        bench="ingest",
        rows=44000,
        seconds=median(ours),
        runs=[round(s, 3) for s in ours],
        peer="pandas + HF tokenizers, all cores",
        peer_seconds=median(theirs),
        ratio=round(statistics.median(theirs) / statistics.median(ours), 1),
    )


def bench_stream(args, daemon):
    """Batches over the socket, beside frames of the same size over a socket with nothing behind them."""
    for padding in ("max_length", "longest"):
        ours, theirs, first, p99 = [], [], [], []
        for _ in range(args.runs):
            line = json.loads(
                subprocess.run(
                    [args.build / "tests/bench_stream", daemon.socket, "bench", "5", "128", padding],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            frame = round(line["mb"] * 1e6 / (5 * 1100))
            peer = json.loads(
                subprocess.run(
                    [args.build / "tests/bench_socket", str(frame)], check=True, capture_output=True, text=True
                ).stdout
            )
            ours.append(line["batches_per_s"])
            first.append(line["first_batch_ms"])
            p99.append(line["wait_p99_us"])
            theirs.append(peer["frames_per_s"])
        show(
            bench="inline",
            padding=padding,
            batch=32,
            max_length=128,
            frame_bytes=frame,
            batches_per_s=median(ours, 0),
            first_batch_ms=median(first),
            wait_p99_us=median(p99, 1),
            peer="bare socket",
            peer_frames_per_s=median(theirs, 0),
            ratio=round(statistics.median(a / b for a, b in zip(ours, theirs)), 2),
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("what", nargs="*", default=["tok", "ingest", "inline"])
    args = parser.parse_args()
    if "tok" in args.what:
        bench_tok(args)
    if {"ingest", "inline"} & set(args.what):
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
            daemon = Daemon(args.build, folder)
            try:
                bench_ingest(args, daemon)
                if "inline" in args.what:
                    bench_stream(args, daemon)
            finally:
                daemon.stop()


if __name__ == "__main__":
    main()
