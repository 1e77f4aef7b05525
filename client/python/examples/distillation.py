#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Distillation: a teacher runs once per fold, its logits are attached to the dataset, and students train on them.

    python distillation.py comments.csv --labels Question --teacher path/to/tokenizer --student path/to/another

Teacher and student have tokenizers and lengths of their own. When the script is started again, with another student,
temperature or seed, the teacher does not run: its logits come with the batches. The models are bags of embeddings; put
transformers in their place.
"""

import argparse

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import hsfeed


class BagOfTokens(torch.nn.Module):
    """The mean of the tokens' embeddings, and a linear head."""

    def __init__(self, vocabulary, labels, width):
        super().__init__()
        self.embed = torch.nn.Embedding(vocabulary, width)
        self.head = torch.nn.Linear(width, labels)

    def forward(self, input_ids, attention_mask, **_):
        mask = attention_mask.unsqueeze(-1).to(self.embed.weight.dtype)
        return self.head((self.embed(input_ids) * mask).sum(1) / mask.sum(1))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="a CSV or TSV")
    parser.add_argument("--labels", required=True, help="label columns of 0 and 1, as A,B")
    parser.add_argument("--teacher", required=True, help="the teacher's tokenizer: a folder, or a hub name")
    parser.add_argument("--student", required=True, help="the student's")
    parser.add_argument("--text", help="the text column, when it is not clear")
    parser.add_argument("--name", default="distillation", help="the dataset's name in the store")
    parser.add_argument("--folds", type=int, default=2, help="how many of the 5 folds are trained")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--alpha", type=float, default=0.5, help="the share of the teacher in the student's loss")
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=42, help="of the student's weights and order")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--socket", help="of the daemon; without it one is started where none runs")
    return parser.parse_args()


def model_of(ds, role, width, device):
    vocabulary = next(entry["vocab_size"] for entry in ds.info["roles"] if entry["role"] == role)
    return BagOfTokens(vocabulary, len(ds.labels), width).to(device)


def train_model(model, train, epochs, loss_of):
    """loss_of(logits, batch)"""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(epochs):
        for batch in train:
            optimizer.zero_grad()
            loss_of(model(**batch), batch).backward()
            optimizer.step()
    return model.eval()


@torch.no_grad()
def f1_of(model, val):
    hits = predicted = true = 0
    for batch in val:
        found, labels = model(**batch) > 0, batch["labels"] > 0
        hits, predicted, true = hits + (found & labels).sum(), predicted + found.sum(), true + labels.sum()
    return float(2 * hits / (predicted + true).clamp(min=1))


def attach_teacher(ds, fold, arguments):
    """The name of the array with the logits of a teacher that saw this fold's training rows; they are made once."""
    name = f"teacher_fold{fold}"
    if name in [array["array"] for array in ds.arrays()]:
        print(f"fold {fold}: the teacher's logits are there")
        return name
    device = arguments.device
    torch.manual_seed(0)
    train, val = (loader.to(device) for loader in ds.loaders(fold, roles="teacher", max_length=128))
    model = model_of(ds, "teacher", 96, device)
    train_model(model, train, 2 * arguments.epochs, loss_of_labels)
    with torch.no_grad():  # in the order of the rows, all of them
        everything = ds.loader("all", roles="teacher", max_length=128, batch_size=256).to(device)
        logits = torch.cat([model(**batch).cpu() for batch in everything])
    ds.attach(name, logits)
    print(f"fold {fold}: the teacher ran once, F1 {f1_of(model, val):.4f}")
    return name


def loss_of_labels(logits, batch):
    return binary_cross_entropy_with_logits(logits, batch["labels"])


def train_student(ds, fold, array, arguments):
    """Trains on labels and on the teacher's softened probabilities; each batch has the logits of its own rows."""

    def loss_of(logits, batch):
        soft = torch.sigmoid(batch[array] / arguments.temperature)
        taught = binary_cross_entropy_with_logits(logits / arguments.temperature, soft)
        return (1 - arguments.alpha) * loss_of_labels(logits, batch) + arguments.alpha * taught

    torch.manual_seed(arguments.seed)
    options = {"roles": "student", "max_length": 64}
    train = ds.loader("train", fold, seed=arguments.seed, arrays=[array], **options).to(arguments.device)
    model = model_of(ds, "student", 32, arguments.device)
    train_model(model, train, arguments.epochs, loss_of)
    return f1_of(model, ds.loader("val", fold, **options).to(arguments.device))


def main():
    arguments = parse_arguments()
    db = hsfeed.connect(arguments.socket, start=arguments.socket is None)
    ds = db.ingest(
        arguments.name,
        arguments.file,
        labels=arguments.labels.split(","),
        text_column=arguments.text,
        tokenizers={"teacher": arguments.teacher, "student": arguments.student},
    )
    for fold in range(arguments.folds):
        array = attach_teacher(ds, fold, arguments)
        print(f"fold {fold}: student F1 {train_student(ds, fold, array, arguments):.4f}")


if __name__ == "__main__":
    main()
