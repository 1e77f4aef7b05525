#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench_loader.py PEER FOLDER [--socket S] [--work none|clone|sum] [--epochs N] [--fold F] [--start T] [--pause S]
                [--beside PEER]

One trainer's loop over batches of 32 x 128, as a process of its own: int64 ids and mask, float32 labels. PEER is

  hsfeed        a Loader; its batches are views of the ring
  dataloader0, dataloader2
                torch.utils.data.DataLoader over tensors in memory, with that many workers
  slices        tensors in memory, indexed with 32 row numbers of a permutation
  memmap        a numpy memmap of int32 ids, indexed likewise and widened; the mask is made from the pad id

FOLDER holds what `prepare` saved for the peers: ids.npy (int32 [rows, 128]), labels.npy, train.npy (row numbers).
--pause: seconds between two epochs, as a validation takes. --work: nothing; every tensor cloned; every tensor cloned
and summed. Prints one JSON line: batches/s (median of the epochs after the first), milliseconds to the first batch (of
the first epoch, median of the later ones), memory. --beside: the two peers in turn, a second each from --start on, so
that a machine whose speed varies has the same speed for both; prints the batches/s of each second.
"""

import argparse
import gc
import json
import os
import pathlib
import statistics
import time

import numpy as np
import torch

BATCH, LENGTH = 32, 128


def prepare(dataset, folder, fold=0):
    """Saves what the peers read."""
    tensors = dataset.tensors(max_length=LENGTH)
    np.save(folder / "ids.npy", tensors["input_ids"].numpy().astype(np.int32))
    np.save(folder / "labels.npy", tensors["labels"].numpy())
    np.save(folder / "train.npy", dataset.folds()[fold][0])


class Rows(torch.utils.data.Dataset):
    """data.py's dataset: tensors, and the rows of a fold."""

    def __init__(self, ids, mask, labels, rows):
        self.ids, self.mask, self.labels, self.rows = ids, mask, labels, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        row = self.rows[i]
        return {"input_ids": self.ids[row], "attention_mask": self.mask[row], "labels": self.labels[row]}


def in_memory(folder):
    ids = torch.from_numpy(np.load(folder / "ids.npy").astype(np.int64))
    labels = torch.from_numpy(np.load(folder / "labels.npy"))
    return ids, (ids != 0).long(), labels, torch.from_numpy(np.load(folder / "train.npy"))


def dataloader(folder, workers):
    rows = Rows(*in_memory(folder))
    return torch.utils.data.DataLoader(rows, batch_size=BATCH, shuffle=True, num_workers=workers)


class Slices:
    def __init__(self, folder):
        self.ids, self.mask, self.labels, self.rows = in_memory(folder)

    def __iter__(self):
        order = self.rows[torch.randperm(len(self.rows))]
        for i in range(0, len(order), BATCH):
            rows = order[i:i + BATCH]
            yield {"input_ids": self.ids[rows], "attention_mask": self.mask[rows], "labels": self.labels[rows]}


class Memmap:
    def __init__(self, folder):
        self.ids = np.load(folder / "ids.npy", mmap_mode="r")
        self.labels, self.rows = np.load(folder / "labels.npy"), np.load(folder / "train.npy")

    def __iter__(self):
        order = np.random.permutation(self.rows)
        for i in range(0, len(order), BATCH):
            rows = order[i:i + BATCH]
            ids = torch.from_numpy(self.ids[rows].astype(np.int64))
            yield {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": torch.from_numpy(self.labels[rows])}


def make(args):
    if args.peer == "hsfeed":
        import hsfeed

        dataset = hsfeed.connect(socket=args.socket).dataset("bench")
        return dataset.loader(fold=args.fold, batch_size=BATCH, max_length=LENGTH, quiet=True)
    folder = args.folder
    if args.peer.startswith("dataloader"):
        return dataloader(folder, int(args.peer[10:]))
    return {"slices": Slices, "memmap": Memmap}[args.peer](folder)


def use(batch, work):
    if work == "clone":
        return [tensor.clone() for tensor in batch.values()]
    if work == "sum":
        return [tensor.clone().sum() for tensor in batch.values()]
    return batch


def epoch(loader, work):
    """Batches/s and milliseconds to the first batch."""
    begin = time.perf_counter()
    first, n = None, 0
    for batch in loader:
        if first is None:
            first = time.perf_counter() - begin
        use(batch, work)
        n += 1
    return n / (time.perf_counter() - begin), 1e3 * first


def memory(pid, what):
    """USS or PSS of a process and its children, in MB."""
    kinds = {"uss": ("Private_Clean:", "Private_Dirty:"), "pss": ("Pss:",)}[what]
    total = 0
    for child in [pid, *children(pid)]:
        for line in open(f"/proc/{child}/smaps_rollup"):
            if line.split()[0] in kinds:
                total += int(line.split()[1])
    return total / 1024


def children(pid):
    listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


class Peak:
    """Memory in the middle of an epoch, workers included."""

    def __init__(self, loader, at=100):
        self.loader, self.at, self.uss, self.pss, self.processes = loader, at, 0, 0, 1

    def __iter__(self):
        for i, batch in enumerate(self.loader):
            if i == self.at:
                self.uss, self.pss = memory(os.getpid(), "uss"), memory(os.getpid(), "pss")
                self.processes = 1 + len(children(os.getpid()))
            yield batch


def endless(loader):
    while True:
        yield from loader


def in_turn(loaders, work, start, seconds=1.0, turns=12, together=50):
    """Batches/s of each loader's turns: the processes of one measurement take the same turns at the same time."""
    running = [endless(loader) for loader in loaders]
    rates = [[] for _ in loaders]
    for turn in range(turns * len(loaders)):
        batches, n = running[turn % len(loaders)], 0
        time.sleep(max(0, start + turn * seconds - time.time()))
        begin, end = time.time(), start + (turn + 0.9) * seconds
        while time.time() < end:
            for _ in range(together):
                use(next(batches), work)
            n += together
        rates[turn % len(loaders)].append(round(n / (time.time() - begin)))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--socket")
    parser.add_argument("--work", default="clone", choices=["none", "clone", "sum"])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--start", type=float, help="time.time() to begin the measured epochs at")
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--beside", metavar="PEER")
    args = parser.parse_args()
    torch.set_num_threads(1)
    gc.collect()
    before = memory(os.getpid(), "uss")
    loader = make(args)
    if args.beside:
        loaders = [loader, make(argparse.Namespace(**{**vars(args), "peer": args.beside}))]
        for one in loaders:
            epoch(one, args.work)
        rates = in_turn(loaders, args.work, args.start)
        print(json.dumps(dict(bench="loaders in turn", peers=[args.peer, args.beside], work=args.work, rates=rates)))
        return
    first_rate, first_ms = epoch(loader, args.work)
    peak = Peak(loader)
    epoch(peak, args.work)
    if args.start:
        time.sleep(max(0, args.start - time.time()))
    epochs = []
    for _ in range(args.epochs):
        time.sleep(args.pause)
        epochs.append(epoch(loader, args.work))
    print(json.dumps(dict(
        bench="loader", peer=args.peer, work=args.work,
        batches_per_s=round(statistics.median(rate for rate, _ in epochs)),
        first_batch_ms=round(first_ms, 3), next_first_batch_ms=round(statistics.median(ms for _, ms in epochs), 3),
        added_uss_mb=round(peak.uss - before, 1), pss_mb=round(peak.pss, 1), processes=peak.processes)))  # fmt: skip


if __name__ == "__main__":
    main()
