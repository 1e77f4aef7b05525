#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data-parallel training: each process gets its share of every epoch, without a sampler and without workers.

    torchrun --nproc_per_node 2 ddp.py comments.csv --labels Question --tokenizer path/to/tokenizer

Saves its place after every epoch with --state FILE, and goes on from there when it is started again, with any
number of processes. The model is a bag of embeddings; put a transformer in its place.
"""

import argparse
import json
import os
import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import hsfeed


class BagOfTokens(torch.nn.Module):
    def __init__(self, vocabulary, labels, width=64):
        super().__init__()
        self.embed = torch.nn.Embedding(vocabulary, width)
        self.head = torch.nn.Linear(width, labels)

    def forward(self, input_ids, attention_mask, labels=None):
        mask = attention_mask.unsqueeze(-1).float()
        return self.head((self.embed(input_ids) * mask).sum(1) / mask.sum(1))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--text")
    parser.add_argument("--name", default="ddp")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--state", help="where the place is saved, and taken up again")
    parser.add_argument("--socket")
    return parser.parse_args()


def open_dataset(arguments):
    """Every process may ingest: the work is done once, and is nothing when it was done before."""
    db = hsfeed.connect(arguments.socket, start=arguments.socket is None)
    return db.ingest(
        arguments.name,
        arguments.file,
        labels=arguments.labels.split(","),
        text_column=arguments.text,
        tokenizers=arguments.tokenizer,
        quiet=dist.get_rank() > 0,
    )


def load_place(loader, path):
    if path and os.path.exists(path):
        with open(path) as file:
            loader.load_state_dict(json.load(file))


def save_place(loader, path):
    """All ranks stand at the same place; one saves it."""
    if path and dist.get_rank() == 0:
        with open(path + ".new", "w") as file:
            json.dump(loader.state_dict(), file)
        os.replace(path + ".new", path)


def rows_of_all(rows, total):
    """How often each row was seen by any process."""
    seen = torch.bincount(torch.cat(rows) if rows else torch.empty(0, dtype=torch.int64), minlength=total)
    dist.all_reduce(seen)
    return seen


def train_epoch(model, train, optimizer, loss_of):
    """The rows that this process trained on."""
    rows = []
    for batch in train:
        loss = loss_of(model(**batch), batch["labels"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rows.append(batch.index)
    return rows


def tell(epoch, seen, wanted):
    """The union of what all processes saw is exactly the split; only padding repeats a few rows."""
    assert (
        seen > 0
    ).nonzero().flatten().tolist() == wanted.tolist(), "the processes did not see exactly the split"
    if dist.get_rank() == 0:
        again = int(seen.sum()) - len(wanted)
        print(
            f"epoch {epoch}: {dist.get_world_size()} processes saw {len(wanted)} rows, {again} of them twice"
        )


def main():
    arguments = parse_arguments()
    if "RANK" not in os.environ:
        sys.exit("ddp.py is for several processes: torchrun --nproc_per_node 2 ddp.py ...")
    dist.init_process_group("gloo")
    ds = open_dataset(arguments)
    train = ds.loader(
        "train", arguments.fold, max_length=arguments.max_length
    )  # rank and world are torch.distributed's
    torch.manual_seed(0)
    model = DistributedDataParallel(BagOfTokens(ds.info["roles"][0]["vocab_size"], len(ds.labels)))
    loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=ds.pos_weight(arguments.fold))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    load_place(train, arguments.state)
    for epoch in range(train.epoch, arguments.epochs):
        rows = train_epoch(model, train, optimizer, loss_of)
        tell(epoch, rows_of_all(rows, ds.rows), train.dataset.indices)
        save_place(train, arguments.state)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
