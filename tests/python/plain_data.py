# SPDX-License-Identifier: Apache-2.0
"""What a project's data.py does with pandas, scikit-learn and torch alone: the script that hsfeed.compat stands in
for, written anew from its description. Nothing here knows of hsfeed.
"""

import re

import numpy as np
import pandas
import torch
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from torch.utils.data import DataLoader, Dataset

TEXT_COLUMNS = ("Comments", "comments", "Comment", "comment", "text", "Text", "content")


def clean_bangla_text(text):
    text = re.sub(r"http\S+", "", text)
    return " ".join(text.split()).strip()


def load_and_preprocess_data(data_path, text_column=None, label_columns=None, clean_text=False):
    print(f"Loading data from: {data_path}")
    frame = pandas.read_csv(data_path)
    if text_column is None:
        text_column = next(name for name in TEXT_COLUMNS if name in frame.columns)
    if text_column not in frame.columns:
        raise ValueError(f"Text column '{text_column}' not found!")
    for name in label_columns:
        if name not in frame.columns:
            raise ValueError(f"Label column '{name}' not found!")
    frame = frame.dropna(subset=[text_column, *label_columns])
    comments = np.array(frame[text_column].astype(str).tolist(), dtype=object)
    if clean_text:
        comments = np.array([clean_bangla_text(text) for text in comments], dtype=object)
    labels = frame[label_columns].values.astype(np.float32)
    print(f"Loaded {len(comments)} samples")
    print("Label Distribution:")
    for i, name in enumerate(label_columns):
        print(f"  {name}: {int(labels[:, i].sum())} ({labels[:, i].sum() / len(labels) * 100:.1f}%)")
    return comments, labels


def get_tokenized_dataset(comments, labels, tokenizer, max_length=128, student_tokenizer=None):
    data = {"labels": torch.tensor(labels, dtype=torch.float32)}
    for prefix, one in (("", tokenizer), ("student_", student_tokenizer)):
        if one is not None:
            encoded = one(list(comments), padding="max_length", truncation=True, max_length=max_length)
            data[f"{prefix}input_ids"] = torch.tensor(encoded["input_ids"], dtype=torch.int64)
            data[f"{prefix}attention_mask"] = torch.tensor(encoded["attention_mask"], dtype=torch.int64)
    return data


def prepare_kfold_splits(comments, labels, num_folds=5, stratification_type="binary", seed=42):
    if num_folds == 1:
        strata = None if stratification_type == "none" else labels
        yield tuple(train_test_split(np.arange(len(labels)), test_size=0.2, random_state=seed, stratify=strata))
        return
    target = labels
    if stratification_type == "binary":
        splitter, target = StratifiedKFold(num_folds, shuffle=True, random_state=seed), labels.ravel()
    elif stratification_type == "multiclass":
        splitter = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
        target = np.array(["_".join(str(int(value)) for value in row) for row in labels])
    elif stratification_type == "multilabel":
        splitter = MultilabelStratifiedKFold(num_folds, shuffle=True, random_state=seed)
    else:
        splitter = KFold(num_folds, shuffle=True, random_state=seed)
    yield from splitter.split(comments, target)


def calculate_class_weights(labels):
    positives = labels.sum()
    negatives = len(labels.ravel()) - positives
    return torch.tensor([negatives / positives if positives > 0 else 1.0], dtype=torch.float32)


class IndexedDataset(Dataset):
    def __init__(self, data, indices):
        self.data, self.indices = data, indices

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, i):
        return {key: tensor[self.indices[i]] for key, tensor in self.data.items()}


def create_data_loaders(data, train_indices, val_indices, batch_size=32, num_workers=2):
    options = {"batch_size": batch_size, "num_workers": num_workers}
    train = DataLoader(IndexedDataset(data, train_indices), shuffle=True, **options)
    return train, DataLoader(IndexedDataset(data, val_indices), shuffle=False, **options)


class CallableTokenizer:
    """A tokenizers.Tokenizer, called as one of transformers is."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, texts, padding, truncation, max_length):
        assert padding == "max_length" and truncation
        own = self.tokenizer.padding or {}
        pad = own.get("pad_token", "[PAD]")
        self.tokenizer.enable_truncation(max_length)
        self.tokenizer.enable_padding(length=max_length, pad_token=pad, pad_id=self.tokenizer.token_to_id(pad))
        encoded = self.tokenizer.encode_batch(texts)
        return {
            "input_ids": [one.ids for one in encoded],
            "attention_mask": [one.attention_mask for one in encoded],
        }
