#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""k-fold cross-validation of a text classifier: BCEWithLogitsLoss(pos_weight), gradient accumulation, mean +-
std.

    python kfold.py comments.csv --labels Question --tokenizer path/to/tokenizer
    python kfold.py data.csv --labels HateSpeech --tokenizer csebuetnlp/banglabert --epochs 5 --device cuda

The model is a bag of embeddings, so that it runs anywhere in seconds; put a transformer in its place: a batch
goes straight into `model(**batch)`.
"""

import argparse
import random

import numpy as np
import torch

import hsfeed


class BagOfTokens(torch.nn.Module):
    """The mean of the tokens' embeddings, and a linear head."""

    def __init__(self, vocabulary, labels, width=64):
        super().__init__()
        self.embed = torch.nn.Embedding(vocabulary, width)
        self.head = torch.nn.Linear(width, labels)

    def forward(self, input_ids, attention_mask, labels=None):
        mask = attention_mask.unsqueeze(-1).to(self.embed.weight.dtype)
        pooled = (self.embed(input_ids) * mask).sum(1) / mask.sum(1)
        return self.head(pooled)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="a CSV or TSV")
    parser.add_argument("--labels", required=True, help="label columns of 0 and 1, as A,B")
    parser.add_argument("--tokenizer", required=True, help="a folder, or a hub name in the local cache")
    parser.add_argument("--text", help="the text column, when it is not clear")
    parser.add_argument("--name", default="kfold", help="the dataset's name in the store")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--accumulate", type=int, default=2, help="batches per optimizer step")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--socket", help="of the daemon; without it one is started where none runs")
    return parser.parse_args()


def train_epoch(model, train, loss_of, optimizer, accumulate):
    """One pass: an optimizer step per `accumulate` batches, the last one of what is left."""
    model.train()
    total = 0.0
    for step, batch in enumerate(train, 1):
        loss = loss_of(model(**batch), batch["labels"])
        (loss / accumulate).backward()
        if step % accumulate == 0 or step == len(train):
            optimizer.step()
            optimizer.zero_grad()
        total += loss.item()
    return total / len(train)


@torch.no_grad()
def evaluate(model, val):
    """Macro F1 over the label columns."""
    model.eval()
    predictions, labels = [], []
    for batch in val:
        predictions.append((model(**batch) > 0).cpu())
        labels.append(batch["labels"].cpu().bool())
    return macro_f1(torch.cat(predictions), torch.cat(labels))


def macro_f1(predictions, labels):
    hits = (predictions & labels).sum(0).double()
    return (2 * hits / (predictions.sum(0) + labels.sum(0)).clamp(min=1)).mean().item()


def run_fold(ds, fold, arguments, vocabulary):
    torch.manual_seed(arguments.seed)
    plan = {"folds": arguments.folds, "fold_seed": arguments.seed}
    options = {
        "plan": plan,
        "batch_size": arguments.batch_size,
        "max_length": arguments.max_length,
        "pin_memory": arguments.device != "cpu",
    }
    train, val = (loader.to(arguments.device) for loader in ds.loaders(fold=fold, **options))
    model = BagOfTokens(vocabulary, len(ds.labels)).to(arguments.device)
    loss_of = torch.nn.BCEWithLogitsLoss(pos_weight=ds.pos_weight(fold=fold, plan=plan).to(arguments.device))
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.lr)
    for epoch in range(arguments.epochs):
        loss = train_epoch(model, train, loss_of, optimizer, arguments.accumulate)
        score = evaluate(model, val)
        print(f"fold {fold} epoch {epoch}: loss {loss:.4f}, macro F1 {score:.4f}")
    return score


def main():
    arguments = parse_arguments()
    random.seed(arguments.seed)
    db = hsfeed.connect(arguments.socket, start=arguments.socket is None)
    ds = db.ingest(
        arguments.name,
        arguments.file,
        labels=arguments.labels.split(","),
        text_column=arguments.text,
        tokenizers=arguments.tokenizer,
    )
    vocabulary = ds.info["roles"][0]["vocab_size"]
    scores = [run_fold(ds, fold, arguments, vocabulary) for fold in range(arguments.folds)]
    print(f"macro F1 over {arguments.folds} folds: {np.mean(scores):.4f} +- {np.std(scores):.4f}")


if __name__ == "__main__":
    main()
