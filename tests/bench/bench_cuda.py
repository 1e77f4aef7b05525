#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_cuda.py FOLDER SOCKET [--runs N] [--peers WORD]: batches onto a GPU, from hsfeed and from peers.

FOLDER is what bench_loader.prepare saved, SOCKET that of a daemon with the dataset "bench"; --peers: those alone whose
name has that word. Prints JSON lines:

  copy   GB/s of one tensor of B x L int64, from a pinned slot, from pinned memory of torch's own, from ordinary memory
  feed   batches/s of a loop that does nothing but move every batch to the GPU
  step   the same with matrix products for each batch: what a step costs beyond the products alone, in us

Medians over the runs, all peers one after the other in each.
"""

import argparse
import json
import pathlib
import statistics
import time

import torch
from bench_loader import Slices, dataloader

import hsfeed

KEYS = ("input_ids", "attention_mask", "labels")


def show(**figures):
    print(json.dumps(figures), flush=True)


class Pinned(Slices):
    """Slices of tensors, each batch pinned before it is moved."""

    def __iter__(self):
        for batch in super().__iter__():
            yield {key: tensor.pin_memory() for key, tensor in batch.items()}


def workers(folder, n):
    loader = dataloader(folder, n)
    return torch.utils.data.DataLoader(
        loader.dataset, batch_size=32, shuffle=True, num_workers=n, pin_memory=True, persistent_workers=True
    )


def peers(args, ds):
    def ours(pin):
        return ds.loader("train", 0, batch_size=32, max_length=128, quiet=True, pin_memory=pin)

    made = {
        "hsfeed, pinned": ours(True),
        "hsfeed, not pinned": ours(False),
        "hsfeed, pinned, loader.to": ours(True).to("cuda"),
        "hsfeed, not pinned, loader.to": ours(False).to("cuda"),
        "slices": Slices(args.folder),
        "slices, pin_memory()": Pinned(args.folder),
    }
    for n in (2, 8):
        made[f"DataLoader, {n} workers, pin_memory"] = workers(args.folder, n)
    return {name: loader for name, loader in made.items() if args.peers in name}


def passes(loader, batches):
    """As many batches as that, over as many passes as it takes."""
    n = 0
    while True:
        for batch in loader:
            yield batch
            n += 1
            if n == batches:
                return


def drain(loader, batches, work):
    """Seconds for so many batches, from the first one's arrival on."""
    taken = passes(loader, batches + 1)
    next(taken)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for batch in taken:
        moved = [batch[key].to("cuda", non_blocking=True) for key in KEYS]
        del batch
        work(moved)
    torch.cuda.synchronize()
    return time.perf_counter() - begin


class Products:
    """Matrix products, queued; the host is never waited for."""

    def __init__(self, size=2048, times=12):
        self.a = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
        self.times = times

    def __call__(self, moved):
        for _ in range(self.times):
            torch.mm(self.a, self.a)

    def alone(self, n):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(n):
            self(None)
        torch.cuda.synchronize()
        return (time.perf_counter() - begin) / n


def bench_feed(made, runs):
    lines = {name: [] for name in made}
    for _ in range(runs):
        for name, loader in made.items():
            batches = 300 if name.startswith("DataLoader") else 4000
            lines[name].append(batches / drain(loader, batches, lambda moved: None))
    for name, rates in lines.items():
        show(bench="feed", peer=name, batches_per_s=round(statistics.median(rates)), runs=[round(r) for r in rates])


def bench_step(made, runs, batches=200):
    products = Products()
    products.alone(50)
    lines = {name: [] for name in made}
    for _ in range(runs):
        for name, loader in made.items():
            alone = products.alone(batches)
            lines[name].append(1e6 * (drain(loader, batches, products) / batches - alone))
    for name, extra in lines.items():
        show(bench="step", peer=name, products_us=round(1e6 * alone), extra_us=round(statistics.median(extra), 1),
             runs=[round(e, 1) for e in extra])  # fmt: skip


def rate_of(tensor, target, times=200):
    """GB/s by events on the stream: the copies alone."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    target.copy_(tensor, non_blocking=True)
    torch.cuda.synchronize()
    begin.record()
    for _ in range(times):
        target.copy_(tensor, non_blocking=True)
    end.record()
    torch.cuda.synchronize()
    return times * tensor.numel() * tensor.element_size() / begin.elapsed_time(end) / 1e6


def bench_copy(ds, runs):
    for batch_size, length in ((32, 128), (256, 512), (1024, 512)):
        options = dict(batch_size=batch_size, max_length=length, padding="max_length", quiet=True, pin_memory=True)
        loader = ds.loader("all", **options)
        batch = next(iter(loader))
        slot = batch["input_ids"]
        sources = {"pinned slot": slot, "torch's pinned": slot.clone().pin_memory(), "ordinary": slot.clone()}
        target = torch.empty_like(slot, device="cuda")
        lines = {name: [] for name in sources}
        for _ in range(runs):
            for name, tensor in sources.items():
                lines[name].append(rate_of(tensor, target))
        show(bench="copy", shape=[batch_size, length], mb=round(slot.numel() * 8 / 1e6, 3),
             **{f"{name} GB/s": round(statistics.median(rates), 2) for name, rates in lines.items()})  # fmt: skip
        del batch, slot, sources
        loader.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("socket")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", default="")
    args = parser.parse_args()
    ds = hsfeed.connect(args.socket).dataset("bench")
    show(gpu=torch.cuda.get_device_name(), torch=torch.__version__, cuda=torch.version.cuda)
    bench_copy(ds, args.runs)
    made = peers(args, ds)
    bench_feed(made, args.runs)
    bench_step(made, args.runs)


if __name__ == "__main__":
    main()
