# SPDX-License-Identifier: Apache-2.0
"""Latencies of the questions about folds and lengths, from the request to the read answer, one client: of the 44,000
rows with two encodings, and of the fold table of a million rows with five labels; each alone, and while a client
drains a stream of the same daemon; questions about near duplicates also as the first ones of a daemon that was started
again, after the search in advance of an earlier one. `run.py queries` runs it."""

import os
import signal
import subprocess
import sys
import tempfile
import time

from bench_folds import make_labels

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] sun moon star rain wind".split()

QUERIES = {
    "lengths": ("lengths", {}),
    "weights": ("weights", {"fold": 0}),
    "folds": ("folds", {}),
    "estimate, one fold": ("estimate", {"fold": 0}),
    "estimate, 5 folds": ("estimate", {}),
    "estimate, 5 folds, longest, two roles": ("estimate", {"padding": "longest", "roles": ["teacher", "student"]}),
}
NEAR = {
    "leaks": ("leaks", {}),
    "folds, duplicates together": ("folds", {"plan": {"duplicates": 0.8}}),
}


def write_million(path, rows=1_000_000):
    """Texts of 1 to 60 words, five labels."""
    labels = make_labels(rows, 5)
    line = " ".join(WORDS[5:] * 12)
    with open(path, "w") as out:
        out.write("comment,a,b,c,d,e\n")
        for i, values in enumerate(labels.tolist()):
            out.write(f"{line[:5 * (1 + i * 7 % 60)]},{','.join(map(str, values))}\n")


def latencies(client, method, params, runs):
    """Milliseconds: of the first request, and of each of the next."""
    times = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        client.call(method, **params)
        times.append(1000 * (time.perf_counter() - begin))
    return times[0], sorted(times[1:])


def measure(daemon, show, runs, beside):
    import protoclient

    client = protoclient.Client(daemon.socket, timeout=300)
    for dataset, queries in (("queries", {**QUERIES, **NEAR}), ("million", {"folds": QUERIES["folds"], **NEAR})):
        for title, (method, params) in queries.items():
            first, times = latencies(client, method, {"name": dataset, **params}, runs)
            show(bench="queries", dataset=dataset, query=title, beside=beside, first_ms=round(first, 2),
                 median_ms=round(times[len(times) // 2], 2), max_ms=round(times[-1], 2))
    client.close()


def measure_restarted(daemon, show, runs):
    """The first answer of each of several daemons, all of which read what an earlier one found."""
    import protoclient

    for dataset in ("queries", "million"):
        for title, (method, params) in NEAR.items():
            times = []
            for _ in range(runs):
                daemon.restart()
                client = protoclient.Client(daemon.socket, timeout=300)
                times.append(latencies(client, method, {"name": dataset, **params}, 0)[0])
                client.close()
            times.sort()
            show(bench="queries", dataset=dataset, query=title, beside="nothing, just restarted",
                 first_ms=round(times[len(times) // 2], 2), first_max_ms=round(times[-1], 2))


def begin_streams(args, daemon):
    """Epochs of one stream after another, in a process group of their own; it ends when one of them fails."""
    stream = [args.build / "tests/bench_stream", daemon.socket, "queries", 64, 128, "max_length", "ring"]
    command = ["sh", "-c", 'while "$@"; do :; done', "streams", *map(str, stream)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def bench_queries(args, daemon, show):
    sys.path.insert(0, str(args.root / "tests/blackbox"))
    tokenizers = [args.data / "tokenizers" / name for name in ("banglabert", "mbert-cased")]
    daemon.run("ingest", "queries", args.data / "csv/bn_44k.csv", "--tokenizer", f"teacher={tokenizers[0]}",
               "--tokenizer", f"student={tokenizers[1]}", "--labels", "HateSpeech")
    show(bench="queries", dataset="queries", waited_for_search_s=round(daemon.searched(1), 2))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        write_million(folder + "/million.csv")
        with open(folder + "/vocab.txt", "w") as out:
            out.write("".join(word + "\n" for word in WORDS))
        daemon.run("ingest", "million", folder + "/million.csv", "--tokenizer", folder, "--labels", "a,b,c,d,e")
    show(bench="queries", dataset="million", waited_for_search_s=round(daemon.searched(2), 2))
    measure(daemon, show, 4 * args.runs, "nothing")
    stream = begin_streams(args, daemon)
    try:
        time.sleep(0.5)
        measure(daemon, show, 4 * args.runs, "a stream")
        assert stream.poll() is None, "the streams ended before the questions did"
    finally:
        os.killpg(stream.pid, signal.SIGKILL)
        stream.wait()
    measure_restarted(daemon, show, args.runs)

