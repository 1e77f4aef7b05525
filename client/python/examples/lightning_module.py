#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A LightningModule and a LightningDataModule over hsfeed's loaders, in one process or several, resumed in the
middle of an epoch.

    python lightning_module.py comments.csv --labels Question --tokenizer path/to/tokenizer --devices 2

Lightning deals nothing to processes here (use_distributed_sampler=False), and saves and loads a loader's place with its
checkpoints, since a loader has state_dict and load_state_dict. The model is a bag of embeddings.
"""

import argparse

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

import hsfeed


class Comments(lightning.LightningDataModule):
    """Training and validation rows of one fold. Each process opens the dataset; the work is done once."""

    def __init__(self, arguments):
        super().__init__()
        self.arguments = arguments
        self.options = {"batch_size": arguments.batch_size, "max_length": arguments.max_length}

    def setup(self, stage=None):
        a = self.arguments
        db = hsfeed.connect(a.socket, start=a.socket is None)
        self.ds = db.ingest(
            a.name,
            a.file,
            labels=a.labels.split(","),
            text_column=a.text,
            tokenizers=a.tokenizer,
            quiet=self.trainer is not None and self.trainer.global_rank > 0,
        )

    def train_dataloader(self):
        return self.ds.loader("train", self.arguments.fold, **self.options)

    def val_dataloader(self):
        return self.ds.loader("val", self.arguments.fold, **self.options)


class Classifier(lightning.LightningModule):
    """The mean of the tokens' embeddings, and a linear head."""

    def __init__(self, vocabulary, labels, pos_weight, width=64):
        super().__init__()
        self.embed = torch.nn.Embedding(vocabulary, width)
        self.head = torch.nn.Linear(width, labels)
        self.pos_weight = pos_weight

    def forward(self, input_ids, attention_mask, labels=None):
        mask = attention_mask.unsqueeze(-1).to(self.embed.weight.dtype)
        return self.head((self.embed(input_ids) * mask).sum(1) / mask.sum(1))

    def loss_of(self, logits, labels):
        weight = self.pos_weight.to(labels.device)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=weight)

    def training_step(self, batch, number):
        return self.loss_of(self(**batch), batch["labels"])

    def on_validation_epoch_start(self):
        self.counts = torch.zeros(4, dtype=torch.int64, device=self.device)  # hits, predicted, true, rows

    def validation_step(self, batch, number):
        predicted, labels = self(**batch) > 0, batch["labels"] > 0
        sums = [(predicted & labels).sum(), predicted.sum(), labels.sum()]
        self.counts += torch.stack([*sums, torch.tensor(len(labels), device=self.device)])

    def on_validation_epoch_end(self):
        """Each row is in one process alone, so hits add up; how many batches there are may differ."""
        hits, predicted, true, rows = self.trainer.strategy.reduce(self.counts, reduce_op="sum").tolist()
        score = 2 * hits / max(1, predicted + true)
        if self.trainer.is_global_zero:
            print(f"epoch {self.current_epoch}: F1 {score:.4f} over {rows} rows", flush=True)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=5e-3)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("file", help="a CSV or TSV")
    parser.add_argument("--labels", required=True, help="label columns of 0 and 1, as A,B")
    parser.add_argument("--tokenizer", required=True, help="a folder, or a hub name in the local cache")
    parser.add_argument("--text", help="the text column, when it is not clear")
    parser.add_argument("--name", default="lightning", help="the dataset's name in the store")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32, help="of each process")
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--save", help="a folder, where run.ckpt is saved")
    parser.add_argument("--save-every", type=int, default=500, help="how many steps are between")
    parser.add_argument("--stop-after", type=int, default=-1, help="stop after so many steps")
    parser.add_argument("--resume", help="a checkpoint: run.ckpt of that folder")
    parser.add_argument("--socket", help="of the daemon; without it one is started where none runs")
    return parser.parse_args()


def callbacks(arguments):
    """A checkpoint inside an epoch holds the training loader's place; one that is saved after fit() is of its end."""
    if not arguments.save:
        return []
    options = {"filename": "run", "every_n_train_steps": arguments.save_every, "enable_version_counter": False}
    return [ModelCheckpoint(arguments.save, **options)]


def main():
    arguments = parse_arguments()
    trainer = lightning.Trainer(
        accelerator="auto" if torch.cuda.is_available() else "cpu",
        devices=arguments.devices,
        strategy="ddp" if arguments.devices > 1 else "auto",
        use_distributed_sampler=False,  # each process has its share already
        max_epochs=arguments.epochs,
        max_steps=arguments.stop_after,
        num_sanity_val_steps=0,
        logger=False,
        callbacks=callbacks(arguments),
        enable_checkpointing=bool(arguments.save),
        enable_progress_bar=False,
    )
    data = Comments(arguments)
    data.setup()  # the model needs to know the vocabulary
    torch.manual_seed(0)
    vocabulary = data.ds.info["roles"][0]["vocab_size"]
    model = Classifier(vocabulary, len(data.ds.labels), data.ds.pos_weight(arguments.fold))
    trainer.fit(model, datamodule=data, ckpt_path=arguments.resume)


if __name__ == "__main__":
    main()
