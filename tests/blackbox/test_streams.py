# SPDX-License-Identifier: Apache-2.0
"""Batches against an independent computation: pandas for the rows, HF tokenizers for the ids, scikit-learn for the
folds, numpy for the order (a torch-free randperm) and for padding; over the real daemon and the real command."""

import json
import random
import subprocess

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
tokenizers = pytest.importorskip("tokenizers")
model_selection = pytest.importorskip("sklearn.model_selection")

from conftest import HSFEED


def randperm(n, seed):
    """torch.randperm(n) of a CPU generator seeded with `seed`: MT19937 words, modulo, forward swaps."""
    words = np.random.RandomState(seed % 2**32).randint(0, 2**32, size=max(n - 1, 0), dtype=np.uint64) if n > 1 else []
    rows = np.arange(n)
    for i, word in enumerate(words):
        j = i + int(word) % (n - i)
        rows[i], rows[j] = rows[j], rows[i]
    return rows


class Expected:
    """What a dataset's batches must be, computed with the ecosystem's own libraries."""

    def __init__(self, csv, text, label, folders):
        frame = pd.read_csv(csv).dropna(subset=[text, label]).reset_index(drop=True)
        self.labels = frame[label].astype(float).to_numpy().astype(np.float32)
        self.roles = {}
        for role, folder in folders.items():
            tok = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            tok.no_padding()
            tok.no_truncation()
            special = {name: tok.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]")}
            ids = [e.ids for e in tok.encode_batch(frame[text].astype(str).tolist(), add_special_tokens=False)]
            self.roles[role] = (ids, special)

    def order(self, kind, fold, split, epoch, seed=42, folds=5, fold_seed=42, shuffle=None):
        n = len(self.labels)
        rows = np.arange(n)
        if split != "all":
            cls = model_selection.KFold if kind == "plain" else model_selection.StratifiedKFold
            pairs = list(cls(folds, shuffle=True, random_state=fold_seed).split(np.zeros(n), self.labels))
            rows = pairs[fold][0 if split == "train" else 1]
        if shuffle if shuffle is not None else split == "train":
            rows = rows[randperm(len(rows), seed + epoch)]
        return rows

    def batches(self, rows, batch_size, max_length, padding, roles, drop_last=False):
        out = []
        for at in range(0, len(rows), batch_size):
            part = rows[at : at + batch_size]
            if drop_last and len(part) < batch_size:
                break
            batch = {"index": part.tolist(), "labels": self.labels[part].reshape(-1, 1).tolist()}
            for i, role in enumerate(roles):
                batch.update(self.pad(part, role, "" if i == 0 else role + "_", max_length, padding))
            out.append(batch)
        return out

    def pad(self, rows, role, prefix, max_length, padding):
        ids, special = self.roles[role]
        full = [[special["[CLS]"], *ids[r][: max_length - 2], special["[SEP]"]] for r in rows]
        width = max_length if padding == "max_length" else max(map(len, full))
        if isinstance(padding, int):
            width = -(-width // padding) * padding
        return {
            prefix + "input_ids": [f + [special["[PAD]"]] * (width - len(f)) for f in full],
            prefix + "attention_mask": [[1] * len(f) + [0] * (width - len(f)) for f in full],
        }


def stream(daemon, name, *options, **kwargs):
    return daemon.lines("stream", name, "--format", "jsonl", *options, **kwargs)


def check(got, want):
    assert len(got) == len(want)
    for g, w in zip(got, want):
        assert set(g) - {"batch"} == set(w)
        for key, value in w.items():
            assert g[key] == value, key


@pytest.fixture(scope="module")
def dataset(shared_daemon, demo):
    shared_daemon.run(
        "ingest",
        "demo",
        demo / "comments.csv",
        "--tokenizer",
        demo / "tokenizer",
        "--text",
        "Comments",
        "--labels",
        "Question",
    )
    return Expected(demo / "comments.csv", "Comments", "Question", {"text": demo / "tokenizer"})


def test_three_clients_at_once_each_get_their_own_fold_epoch_and_batch_size(shared_daemon, dataset):
    wanted = [(0, "train", 0, 32, 64), (3, "train", 7, 17, 128), (1, "val", 0, 50, 32)]
    clients = []
    for fold, split, epoch, batch_size, max_length in wanted:
        clients.append(
            subprocess.Popen(
                [
                    str(HSFEED),
                    "stream",
                    "demo",
                    "--fold",
                    str(fold),
                    "--split",
                    split,
                    "--epoch",
                    str(epoch),
                    "--batch-size",
                    str(batch_size),
                    "--max-length",
                    str(max_length),
                    "--format",
                    "jsonl",
                    "--socket",
                    str(shared_daemon.socket),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    for client, (fold, split, epoch, batch_size, max_length) in zip(clients, wanted):
        got = [json.loads(line) for line in client.communicate(timeout=120)[0].splitlines()]
        assert client.returncode == 0
        rows = dataset.order("stratified", fold, split, epoch)
        check(got, dataset.batches(rows, batch_size, max_length, "max_length", ["text"]))


def test_a_stream_opened_at_batch_i_equals_the_tail_of_the_whole_for_every_i(shared_daemon, dataset):
    options = ["--fold", "2", "--epoch", "1", "--batch-size", "200", "--max-length", "16"]
    whole = stream(shared_daemon, "demo", *options)
    assert len(whole) > 10
    for i in range(len(whole) + 1):
        assert stream(shared_daemon, "demo", *options, "--start-batch", str(i)) == whole[i:]


# The last one is padded beyond max_length: pad_to_multiple_of rounds up.
@pytest.mark.parametrize("max_length,padding", [(24, "max_length"), (24, "longest"), (24, 8), (12, 16)])
def test_padding_is_as_transformers_does_it(shared_daemon, dataset, max_length, padding):
    options = ["--fold", "1", "--split", "val", "--max-length", str(max_length), "--padding", str(padding)]
    got = stream(shared_daemon, "demo", *options)
    check(got, dataset.batches(dataset.order("stratified", 1, "val", 0), 32, max_length, padding, ["text"]))


def test_split_all_is_sequential_and_needs_no_fold(shared_daemon, dataset):
    got = stream(shared_daemon, "demo", "--split", "all", "--batch-size", "100", "--max-length", "16")
    check(got, dataset.batches(dataset.order(None, None, "all", 0), 100, 16, "max_length", ["text"]))


def test_random_requests_equal_the_reference(shared_daemon, dataset):
    rng = random.Random(20)
    for _ in range(25):
        kind, folds = rng.choice(["stratified", "plain"]), rng.choice([2, 3, 5, 10])
        fold, split, epoch, seed = (
            rng.randrange(folds),
            rng.choice(["train", "val"]),
            rng.randrange(50),
            rng.choice([42, 0, 7, 2**32 - 1]),
        )
        fold_seed, size, length = rng.randrange(2**32), rng.choice([1, 7, 32, 333]), rng.choice([2, 3, 16, 64])
        drop, order = rng.random() < 0.3, rng.choice(["shuffle", "sequential"])
        # A whole epoch of single rows would be thousands of lines: look at its tail.
        start = max(0, len(dataset.order(kind, fold, split, 0, folds=folds)) // size - 20) if size < 8 else 0
        options = [
            "--kind",
            kind,
            "--folds",
            folds,
            "--fold-seed",
            fold_seed,
            "--fold",
            fold,
            "--split",
            split,
            "--epoch",
            epoch,
            "--seed",
            seed,
            "--batch-size",
            size,
            "--max-length",
            length,
            "--order",
            order,
            "--start-batch",
            start,
        ]
        got = stream(shared_daemon, "demo", *map(str, options), *(["--drop-last"] if drop else []))
        rows = dataset.order(kind, fold, split, epoch, seed, folds, fold_seed, order == "shuffle")
        check(got, dataset.batches(rows, size, length, "max_length", ["text"], drop)[start:])


@pytest.mark.parametrize("shard", ["pad", "drop", "exact"])
def test_ranks_together_are_the_split(shared_daemon, dataset, shard):
    rows = dataset.order("stratified", 0, "train", 3).tolist()
    for world in (2, 3, 7):
        per = {"pad": -(-len(rows) // world), "drop": len(rows) // world, "exact": None}[shard]
        for rank in range(world):
            got = stream(
                shared_daemon,
                "demo",
                "--fold",
                "0",
                "--epoch",
                "3",
                "--max-length",
                "8",
                "--batch-size",
                "64",
                "--rank",
                str(rank),
                "--world",
                str(world),
                "--shard",
                shard,
            )
            index = [i for batch in got for i in batch["index"]]
            total = {
                "pad": rows + rows[: per * world - len(rows)] if per else rows,
                "drop": rows[: (per or 0) * world],
                "exact": rows,
            }[shard]
            assert index == total[rank::world]


def test_real_data_with_two_tokenizers_equals_the_libraries(daemon, shared):
    folders = {"teacher": shared / "data/tokenizers/banglabert", "student": shared / "data/tokenizers/mbert-cased"}
    csv = shared / "data/csv/bn_hatespeech.csv"
    daemon.run(
        "ingest",
        "hate",
        csv,
        "--labels",
        "HateSpeech",
        *[x for r, f in folders.items() for x in ("--tokenizer", f"{r}={f}")],
    )
    want = Expected(csv, "Comments", "HateSpeech", folders)
    got = stream(
        daemon,
        "hate",
        "--fold",
        "4",
        "--epoch",
        "2",
        "--roles",
        "teacher,student",
        "--batch-size",
        "512",
        "--padding",
        "longest",
    )
    check(got, want.batches(want.order("stratified", 4, "train", 2), 512, 128, "longest", ["teacher", "student"]))
