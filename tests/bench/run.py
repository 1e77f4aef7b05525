#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py [--build DIR] [--data DIR] [--runs N] [WHAT ...]: benchmarks, each beside its peers.

WHAT: tok, ingest, stream (the C client), trainers (Python loops over torch tensors), queries (lengths, weights, folds,
estimate, leaks), idle, gather, scale (5 million rows; not among the defaults). DIR of --build is a Release build with
-DHSFEED_TESTS=ON and, for trainers, -DHSFEED_PYTHON=ON; DIR of --data holds csv/bn_44k.csv and tokenizers/. One JSON
line per figure; medians over --runs runs, ours and the peers' one after the other in each, so that a drifting machine
hurts all of them."""

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
    def __init__(self, build, folder, config=""):
        self.command, self.socket = str(build / "client/hsfeed"), folder + "/hsfeed.sock"
        self.daemon, self.state = str(build / "daemon/hsfeedd"), folder + "/state"
        self.config = pathlib.Path(folder, "hsfeedd.conf")
        self.config.write_text(config)
        self.start()

    def start(self):
        flags = ["--state", self.state, "--socket", self.socket, "--config", str(self.config)]
        self.process = subprocess.Popen([self.daemon, *flags], stderr=subprocess.DEVNULL)
        while not os.path.exists(self.socket):
            time.sleep(0.01)

    def run(self, *args):
        subprocess.run([self.command, *map(str, args), "--socket", self.socket], check=True, capture_output=True)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def searched(self, versions):
        """Waits until the searches in advance of so many versions have ended; returns the seconds."""
        begin = time.monotonic()
        while len(list(pathlib.Path(self.state).glob("near/*/*.near"))) < versions:
            time.sleep(0.005)
        return time.monotonic() - begin

    def memory_kb(self, kind):
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(kind))

    def pss_mb(self):
        return self.memory_kb("Pss:") / 1024

    def cpu_ticks(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])


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


def run_json(*command, **kwargs):
    return json.loads(subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, **kwargs).stdout)


def bench_stream(args, daemon):
    """One C client that sums every array, beside frames of the same size over a socket with nothing behind them."""
    kinds = {"packed ring": ("ring", "0"), "ring": ("ring", "1"), "inline": ("inline", "0")}
    for padding in ("max_length", "longest"):
        lines = {"packed ring": [], "ring": [], "inline": [], "socket": []}
        for _ in range(args.runs):
            for kind, (transport, plain) in kinds.items():
                command = (args.build / "tests/bench_stream", daemon.socket, "bench", 21, 128, padding, transport)
                line = run_json(*command, env={**os.environ, "HSFEED_NO_PACKED": plain})
                lines[kind].append(line)
            frame = round(line["mb"] * 1e6 / (21 * 1100))
            lines["socket"].append(run_json(args.build / "tests/bench_socket", frame))
        rates = {name: [l.get("batches_per_s", l.get("frames_per_s")) for l in ls] for name, ls in lines.items()}
        for transport in kinds:
            show(
                bench="stream",
                transport=transport,
                padding=padding,
                frame_bytes=frame,
                batches_per_s=median(rates[transport], 0),
                runs=rates[transport],
                best_epoch=max(l["best_batches_per_s"] for l in lines[transport]),
                first_batch_ms=median([l["first_batch_ms"] for l in lines[transport]]),
                wait_p99_us=median([l["wait_p99_us"] for l in lines[transport]], 1),
                socket_frames_per_s=median(rates["socket"], 0),
                ratio_to_socket=round(statistics.median(a / b for a, b in zip(rates[transport], rates["socket"])), 2),
            )


# ---- trainers

PEERS = ("hsfeed", "memmap", "slices", "dataloader0", "dataloader2")


class Trainers:
    def __init__(self, args, daemon, folder):
        self.args, self.daemon, self.folder = args, daemon, folder
        self.env = {**os.environ, "PYTHONPATH": str(args.build / "python")}
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT / 'tests/bench')!r})\n"
            "import pathlib, bench_loader, hsfeed\n"
            f"dataset = hsfeed.connect(socket={daemon.socket!r}).dataset('bench')\n"
            f"bench_loader.prepare(dataset, pathlib.Path({folder!r}))"
        )
        subprocess.run([sys.executable, "-c", code], check=True, env=self.env)

    def command(self, peer, **options):
        flags = [f"--{name}={value}" for name, value in options.items()]
        script = ROOT / "tests/bench/bench_loader.py"
        return [sys.executable, str(script), peer, self.folder, f"--socket={self.daemon.socket}", *flags]

    def one(self, peer, work):
        epochs = 3 if peer.startswith("dataloader") else 9
        return run_json(*self.command(peer, work=work, epochs=epochs), env=self.env)

    def four(self, peer):
        """At once, each with another fold. The sum of their rates, of what they added to memory, and the most that the
        daemon had meanwhile."""
        epochs = {"hsfeed": 60, "memmap": 30, "slices": 20}.get(peer, 2)
        start = time.time() + (30 if peer.startswith("dataloader") else 10)
        commands = [self.command(peer, epochs=epochs, fold=fold, start=start) for fold in range(4)]
        running = [subprocess.Popen(c, env=self.env, stdout=subprocess.PIPE) for c in commands]
        daemon_mb = 0.0
        while peer == "hsfeed" and any(p.poll() is None for p in running):
            daemon_mb = max(daemon_mb, self.daemon.pss_mb())
            time.sleep(0.5)
        lines = [json.loads(p.communicate()[0]) for p in running]
        return {
            "batches_per_s": sum(l["batches_per_s"] for l in lines),
            "added_mb": sum(l["added_uss_mb"] for l in lines) + daemon_mb,
            "processes": sum(l["processes"] for l in lines),
        }


    def four_in_turn(self, peer):
        """hsfeed and the peer, a second each: the sums of the four's rates, second by second."""
        start = time.time() + 15
        commands = [self.command("hsfeed", beside=peer, fold=fold, start=start) for fold in range(4)]
        running = [subprocess.Popen(c, env=self.env, stdout=subprocess.PIPE) for c in commands]
        lines = [json.loads(p.communicate()[0])["rates"] for p in running]
        return [[sum(rates) for rates in zip(*(line[i] for line in lines))] for i in range(2)]


def ratio(ours, theirs):
    """How many times theirs ours is, run by run."""
    return round(statistics.median(a["batches_per_s"] / b["batches_per_s"] for a, b in zip(ours, theirs)), 2)


def bench_one_trainer(trainers, work, runs):
    lines = {peer: [] for peer in PEERS}
    for _ in range(runs):
        for peer in PEERS:
            lines[peer].append(trainers.one(peer, work))
    for peer in PEERS:
        show(
            bench="trainer",
            peer=peer,
            work=work,
            batches_per_s=median([l["batches_per_s"] for l in lines[peer]], 0),
            hsfeed_is=ratio(lines["hsfeed"], lines[peer]),
            first_batch_ms=median([l["first_batch_ms"] for l in lines[peer]]),
            next_first_batch_ms=median([l["next_first_batch_ms"] for l in lines[peer]]),
            added_uss_mb=median([l["added_uss_mb"] for l in lines[peer]], 1),
            processes=lines[peer][0]["processes"],
        )


def bench_four_trainers(trainers, runs):
    lines = {peer: [] for peer in PEERS}
    for _ in range(runs):
        for peer in PEERS:
            lines[peer].append(trainers.four(peer))
    for peer in PEERS:
        show(
            bench="four trainers",
            peer=peer,
            batches_per_s=median([l["batches_per_s"] for l in lines[peer]], 0),
            hsfeed_is=ratio(lines["hsfeed"], lines[peer]),
            added_mb=median([l["added_mb"] for l in lines[peer]], 1),
            processes=lines[peer][0]["processes"],
        )


def bench_four_in_turn(trainers, runs):
    for peer in ("memmap", "slices"):
        ours, theirs = [], []
        for _ in range(runs):
            rates = trainers.four_in_turn(peer)
            ours += rates[0]
            theirs += rates[1]
        ratios = sorted(a / b for a, b in zip(ours, theirs))
        show(
            bench="four trainers in turn",
            peer=peer,
            batches_per_s=median(ours, 0),
            peers_batches_per_s=median(theirs, 0),
            hsfeed_is=median(ratios, 2),
            from_to=[round(ratios[0], 2), round(ratios[-1], 2)],
        )


def bench_trainers(args, daemon):
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        trainers = Trainers(args, daemon, folder)
        for work in ("clone", "sum"):
            bench_one_trainer(trainers, work, args.runs)
        bench_four_trainers(trainers, min(3, args.runs))
        bench_four_in_turn(trainers, min(3, args.runs))


def bench_queries(args, daemon):
    import bench_queries as queries

    queries.bench_queries(args, daemon, show)


# ---- the daemon at rest, the gather, many rows


def bench_idle(args, daemon, clients=1000):
    sys.path.insert(0, str(ROOT / "tests/blackbox"))
    import protoclient

    before = daemon.memory_kb("Pss:")
    held = [protoclient.Client(daemon.socket) for _ in range(clients)]
    time.sleep(0.5)
    each, ticks = (daemon.memory_kb("Pss:") - before) / clients, daemon.cpu_ticks()
    time.sleep(2)
    show(bench="idle", clients=clients, kb_each=round(each, 2), cpu_ticks_in_2_s=daemon.cpu_ticks() - ticks)
    for client in held:
        client.close()


def bench_gather(args, state):
    for padding in ("max_length", "longest"):
        command = [args.build / "tests/bench_gather", state, "bench", 21, 128, padding]
        lines = [run_json(*command) for _ in range(args.runs)]
        figures = {key: median([l[key] for l in lines], 2) for key in ("us_per_batch", "us_16_slots", "us_cold")}
        show(bench="gather", padding=padding, batch=32, max_length=128, **figures)


def bench_scale(args, daemon, times=114):
    """The 44,000 rows 114 times over: what grows with the rows, and what does not."""
    head, body = (args.data / "csv/bn_44k.csv").read_bytes().split(b"\n", 1)
    with tempfile.NamedTemporaryFile(suffix=".csv", dir=os.environ.get("TMPDIR", "/var/tmp")) as csv:
        csv.write(head + b"\n")
        for _ in range(times):
            csv.write(body if body.endswith(b"\n") else body + b"\n")
        csv.flush()
        begin = time.monotonic()
        tokenizer = args.data / "tokenizers/banglabert"
        daemon.run("ingest", "scale", csv.name, "--tokenizer", tokenizer, "--labels", "HateSpeech")
        show(bench="scale", rows=44000 * times, ingest_seconds=round(time.monotonic() - begin, 1))
    before = daemon.memory_kb("Anonymous:")
    for name, epochs in (("bench", 9), ("scale", 4)):
        for transport in ("ring", "inline"):
            command = [args.build / "tests/bench_stream", daemon.socket, name, epochs, 128, "max_length", transport]
            line = run_json(*command)
            show(
                bench="scale",
                dataset=name,
                transport=transport,
                batches_per_s=line["batches_per_s"],
                first_batch_ms=line["first_batch_ms"],
                first_batch_max_ms=line["first_batch_max_ms"],
                daemon_anonymous_mb=round((daemon.memory_kb("Anonymous:") - before) / 1024, 1),
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--runs", type=int, default=5)
    known = ["tok", "ingest", "stream", "trainers", "queries", "idle", "gather"]
    parser.add_argument("what", nargs="*", default=known, help="of " + ", ".join([*known, "scale"]))
    args = parser.parse_args()
    args.root = ROOT
    if "tok" in args.what:
        bench_tok(args)
    if set(args.what) != {"tok"}:
        bench_daemon(args)


def bench_daemon(args):
    benches = {
        "stream": bench_stream,
        "trainers": bench_trainers,
        "queries": bench_queries,
        "idle": bench_idle,
        "scale": bench_scale,
    }
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:
        # Queries wait for the searches for duplicates that follow their ingests; the others are not to have one beside
        # them (of 5 million rows it takes minutes).
        searches = "" if "queries" in args.what else "[daemon]\nsearch_duplicates = no\n"
        daemon = Daemon(args.build, folder, searches)
        try:
            if "ingest" in args.what:
                bench_ingest(args, daemon)
            else:
                csv, tokenizer = args.data / "csv/bn_44k.csv", args.data / "tokenizers/banglabert"
                daemon.run("ingest", "bench", csv, "--tokenizer", tokenizer, "--labels", "HateSpeech")
            for name, bench in benches.items():
                if name in args.what:
                    bench(args, daemon)
        finally:
            daemon.stop()
        if "gather" in args.what:
            bench_gather(args, folder + "/state")


if __name__ == "__main__":
    main()
