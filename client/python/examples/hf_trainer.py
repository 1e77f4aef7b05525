#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Trainer of transformers over hsfeed's loaders, in one process or several, resumed in the middle of an epoch.

    python hf_trainer.py comments.csv --labels Question --tokenizer path/to/tokenizer
    torchrun --nproc_per_node 2 hf_trainer.py comments.csv --labels Question --tokenizer path/to/tokenizer

The model is a very small BERT with random weights; put `AutoModelForSequenceClassification.from_pretrained(name,
num_labels=len(ds.labels), problem_type="multi_label_classification")` in its place.
"""

import argparse
import json
import os

import numpy as np
import torch
from accelerate.data_loader import DataLoaderStateMixin
from accelerate.state import GradientState
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

import hsfeed

PLACE = "hsfeed.json"  # in the folder of a checkpoint


class Evaluated(DataLoaderStateMixin):
    """A validation loader as Accelerate's gather_for_metrics knows it: of the last round it keeps the rows that are
    no repeats.

    loader: with shard="even" where there are several processes, since each must have as many rows as the others.
    """

    _drop_last = False

    def __init__(self, loader, processes):
        self.loader, self.dataset, self.batch_size = loader, loader.dataset, loader.batch_size
        self.total_batch_size = loader.batch_size * processes
        self.gradient_state = GradientState()

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        self.begin()
        try:
            for number, batch in enumerate(self.loader, 1):
                self.end_of_dataloader = number == len(self)
                yield batch
        finally:
            self.end()


class HsfeedTrainer(Trainer):
    """A Trainer whose batches are dealt by hsfeed: nothing of it samples, collates or deals to processes."""

    def __init__(self, *arguments, train, val, **options):
        super().__init__(*arguments, train_dataset=train.dataset, eval_dataset=val.dataset, **options)
        self.train_loader, self.val_loader = train, val

    def get_train_dataloader(self):
        return self.train_loader  # has set_epoch, which the Trainer calls

    def get_eval_dataloader(self, eval_dataset=None):
        return Evaluated(self.val_loader, self.args.world_size)


class KeepPlace(TrainerCallback):
    """Writes the training loader's place into each checkpoint. All processes stand at the same place."""

    def __init__(self, loader):
        self.loader = loader

    def on_save(self, args, state, control, **_):
        if state.is_world_process_zero:
            folder = os.path.join(args.output_dir, f"checkpoint-{state.global_step}")
            with open(os.path.join(folder, PLACE), "w") as file:
                json.dump(self.loader.state_dict(), file)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="a CSV or TSV")
    parser.add_argument("--labels", required=True, help="label columns of 0 and 1, as A,B")
    parser.add_argument("--tokenizer", required=True, help="a folder, or a hub name in the local cache")
    parser.add_argument("--text", help="the text column, when it is not clear")
    parser.add_argument("--name", default="trainer", help="the dataset's name in the store")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32, help="of each process")
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--output", default="trainer-output", help="the folder of checkpoints")
    parser.add_argument("--save-steps", type=int, default=500)
    parser.add_argument("--stop-after", type=int, default=-1, help="stop after so many steps")
    parser.add_argument("--resume", help="a checkpoint's folder")
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


def small_bert(ds):
    config = BertConfig(
        vocab_size=ds.info["roles"][0]["vocab_size"],
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=len(ds.labels),
        problem_type="multi_label_classification",
    )
    return BertForSequenceClassification(config)


def metrics_of(prediction):
    """F1 over all labels, and how many rows it is of."""
    predicted, labels = prediction.predictions > 0, prediction.label_ids > 0
    f1 = 2 * np.sum(predicted & labels) / max(1, predicted.sum() + labels.sum())
    return {"f1": float(f1), "rows": len(labels), "positives": int(labels.sum())}


def training_arguments(arguments):
    return TrainingArguments(
        output_dir=arguments.output,
        per_device_train_batch_size=arguments.batch_size,
        per_device_eval_batch_size=arguments.batch_size,
        num_train_epochs=arguments.epochs,
        max_steps=arguments.stop_after,
        eval_strategy="epoch",
        save_steps=arguments.save_steps,
        learning_rate=1e-3,
        ignore_data_skip=True,  # the loader begins where it stopped; there is nothing to skip
        use_cpu=not torch.cuda.is_available(),
        report_to=[],
    )


def main():
    arguments = parse_arguments()
    own = training_arguments(arguments)
    ds = open_dataset(arguments, quiet=own.process_index > 0)
    options = {"fold": arguments.fold, "batch_size": arguments.batch_size, "max_length": arguments.max_length}
    train = ds.loader("train", **options)
    val = ds.loader("val", **options, shard="even" if own.world_size > 1 else None)

    torch.manual_seed(0)
    trainer = HsfeedTrainer(
        small_bert(ds), own, train=train, val=val, compute_metrics=metrics_of, callbacks=[KeepPlace(train)]
    )
    if arguments.resume:
        with open(os.path.join(arguments.resume, PLACE)) as file:
            train.load_state_dict(json.load(file))
    trainer.train(resume_from_checkpoint=arguments.resume)
    if arguments.stop_after < 0:
        found = trainer.evaluate()
        if trainer.is_world_process_zero():
            print(f"F1 {found['eval_f1']:.4f} over {found['eval_rows']} rows, {found['eval_positives']} positives")


if __name__ == "__main__":
    main()
