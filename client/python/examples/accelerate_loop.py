#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training loop with Accelerate, in one process or several, which goes on in the middle of an epoch.

    python accelerate_loop.py comments.csv --labels Question --tokenizer path/to/tokenizer
    accelerate launch --num_processes 2 accelerate_loop.py comments.csv --labels Question --tokenizer ...

Loaders are not for accelerator.prepare(), which would hand them back as they are: each process has its share of
every epoch already. The model is a bag of embeddings; put a transformer in its place.
"""

import argparse
import os

import torch
from accelerate import Accelerator

import hsfeed


class BagOfTokens(torch.nn.Module):
    """The mean of the tokens' embeddings, and a linear head."""

    def __init__(self, vocabulary, labels, width=64):
        super().__init__()
        self.embed = torch.nn.Embedding(vocabulary, width)
        self.head = torch.nn.Linear(width, labels)

    def forward(self, input_ids, attention_mask, labels=None):
        mask = attention_mask.unsqueeze(-1).to(self.embed.weight.dtype)
        return self.head((self.embed(input_ids) * mask).sum(1) / mask.sum(1))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="a CSV or TSV")
    parser.add_argument("--labels", required=True, help="label columns of 0 and 1, as A,B")
    parser.add_argument("--tokenizer", required=True, help="a folder, or a hub name in the local cache")
    parser.add_argument("--text", help="the text column, when it is not clear")
    parser.add_argument("--name", default="accelerate", help="the dataset's name in the store")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32, help="of each process")
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--state", help="a folder: where the run's state is saved, and taken up again")
    parser.add_argument("--stop-after", type=int, help="save and stop after so many batches")
    parser.add_argument("--socket", help="of the daemon; without it one is started where none runs")
    return parser.parse_args()


def open_dataset(arguments, quiet):
    """Every process may ingest: the work is done once."""
    db = hsfeed.connect(arguments.socket, start=arguments.socket is None)
    return db.ingest(
        arguments.name,
        arguments.file,
        labels=arguments.labels.split(","),
        text_column=arguments.text,
        tokenizers=arguments.tokenizer,
        quiet=quiet,
    )


def train_epoch(accelerator, model, train, optimizer, loss_of, left):
    """Trains on what is left of the epoch, but not on more than `left` batches: returns how many may follow."""
    model.train()
    for batch in train:
        loss = loss_of(model(**batch), batch["labels"])
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        left -= 1
        if left == 0:
            break
    return left


@torch.no_grad()
def evaluate(accelerator, model, val):
    """F1 over all labels. Each row is in one process alone, so hits add up; how many batches there are may differ."""
    model = accelerator.unwrap_model(model).eval()
    counts = torch.zeros(4, dtype=torch.int64, device=accelerator.device)  # hits, predicted, true, rows
    for batch in val:
        predicted, labels = model(**batch) > 0, batch["labels"] > 0
        sums = [(predicted & labels).sum(), predicted.sum(), labels.sum()]
        counts += torch.stack([*sums, torch.tensor(batch.rows, device=accelerator.device)])
    hits, predicted, true, rows = accelerator.reduce(counts, "sum").tolist()
    return 2 * hits / max(1, predicted + true), rows


def main():
    arguments = parse_arguments()
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    ds = open_dataset(arguments, quiet=not accelerator.is_main_process)
    options = {"batch_size": arguments.batch_size, "max_length": arguments.max_length}
    train, val = (loader.to(accelerator.device) for loader in ds.loaders(arguments.fold, **options))

    torch.manual_seed(0)
    model = BagOfTokens(ds.info["roles"][0]["vocab_size"], len(ds.labels))
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=5e-3))
    loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=ds.pos_weight(arguments.fold).to(accelerator.device))

    accelerator.register_for_checkpointing(train)  # a loader's place is saved and loaded with all else
    if arguments.state and os.path.exists(arguments.state):
        accelerator.load_state(arguments.state)
    left = arguments.stop_after or -1
    for epoch in range(train.epoch, arguments.epochs):
        left = train_epoch(accelerator, model, train, optimizer, loss_of, left)
        if arguments.state:
            accelerator.save_state(arguments.state)
        if left == 0:
            break
        score, rows = evaluate(accelerator, model, val)
        accelerator.print(f"epoch {epoch}: F1 {score:.4f} over {rows} rows")
    accelerator.end_training()


if __name__ == "__main__":
    main()
