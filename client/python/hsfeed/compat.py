# SPDX-License-Identifier: Apache-2.0
"""data.py's functions under their names, over hsfeed: change one import and train on.

    from hsfeed.compat import (LABEL_COLUMNS, calculate_class_weights, create_data_loaders,
                               get_or_create_tokenized_dataset, load_and_preprocess_data,
                               prepare_kfold_splits)

    comments, labels = load_and_preprocess_data("data.csv", "comment", LABEL_COLUMNS)
    data = get_or_create_tokenized_dataset(comments, labels, tokenizer, max_length=128)
    for train_idx, val_idx in prepare_kfold_splits(comments, labels, num_folds=5):
        weight = calculate_class_weights(labels[train_idx])
        train, val = create_data_loaders(data, train_idx, val_idx, batch_size=32)

Texts, labels, tensors, folds, weights and batches are those that pandas, the tokenizer, scikit-learn and torch's
DataLoader gave, to the last bit, and so are the losses of a run that begins with torch.manual_seed: loaders draw
from torch's global generator what a DataLoader draws, when it draws it. What changes is behind that: the daemon
reads and tokenizes once, and knows a file or a tokenizer that changed; there is no cache folder and no worker.

A daemon of one's own is started where none runs; use() chooses another. When everything runs, the next step
is hsfeed's own interface (`import hsfeed; help(hsfeed)`): loaders that resume, ranks, padding to the longest.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _report, _torch
from ._check import integers, within
from ._connect import connect
from ._options import find_ranks
from ._split import Split
from ._torch import Batch
from .database import Database
from .dataset import Dataset
from .errors import BadArgument, BadColumn, Unsupported
from .loader import Loader

if TYPE_CHECKING:
    import torch
else:
    torch = _torch.require("hsfeed.compat")

__all__ = [
    "LABEL_COLUMNS",
    "IndexedDataset",
    "TokenizedData",
    "calculate_class_weights",
    "clean_bangla_text",
    "create_data_loaders",
    "get_or_create_tokenized_dataset",
    "load_and_preprocess_data",
    "prepare_kfold_splits",
    "use",
]

# What label_columns=None means: the first of these whose columns are all there. A script may change it.
LABEL_COLUMNS = ["bully", "sexual", "religious", "threat", "spam"]
_BINARY_COLUMNS = ["HateSpeech"]

_KINDS = {"binary": "stratified", "multiclass": "multiclass", "multilabel": "multilabel", "none": "plain"}
_VAL_SHARE = 0.2  # of num_folds=1
_OF_A_ROLE = ("input_ids", "attention_mask")

_database: Database | None = None
_told: set[str] = set()


def use(database: Database | None) -> None:
    """The database of all calls from now on; None: the default one, as hsfeed.connect(start=True) finds it."""
    global _database
    _database = database


def _the_database() -> Database:
    if _database is None:
        use(connect(start=True))
    assert _database is not None
    return _database


def _tell_once(what: str, sentence: str) -> None:
    if what not in _told:
        _told.add(what)
        _report.say(sentence)


# ---- texts and labels


class Comments(npt.NDArray[Any] if TYPE_CHECKING else np.ndarray):  # type: ignore[misc, unused-ignore]
    """Texts as an array of str, which knows the stored version that it came from.

    A slice or a copy is an array like any other and knows nothing; the functions here take those as well.
    """

    _origin: _Origin | None = None  # no part of __array_finalize__: what is derived has none

    def __reduce__(self) -> Any:
        return np.asarray(self).__reduce__()


class _Origin:
    """A stored version, and what was read from it: whoever wrote into the arrays since has others."""

    def __init__(self, dataset: Dataset, texts: list[str], labels: npt.NDArray[np.float32]) -> None:
        self.dataset, self.texts, self.labels = dataset, texts, labels

    def holds(self, comments: Comments, labels: npt.NDArray[np.float32]) -> bool:
        return np.array_equal(self.labels, labels) and comments.tolist() == self.texts


def load_and_preprocess_data(
    data_path: str | os.PathLike[str] | None = None,
    text_column: str | None = None,
    label_columns: str | Sequence[str] | None = None,
    clean_text: bool | Callable[[str], str] = False,
    *,
    dataset_path: str | os.PathLike[str] | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    """The texts and labels of a CSV, as pandas.read_csv and dropna give them, and prints how many there are.

    data_path       the file (also as dataset_path)
    text_column     default: the first of Comments, comments, Comment, comment, text, Text, content,
                    comment_text
    label_columns   names of columns of 0 and 1; default: LABEL_COLUMNS, or HateSpeech
    clean_text      True: clean_bangla_text; or a function of your own

    (comments, labels): comments [N] str, in a numpy array of objects; labels float32 [N, C]. ValueError: there
    is no such column, or another of BadSource's reasons. FileNotFoundError.
    """
    path = _one_path(data_path, dataset_path)
    clean: Any = clean_text if callable(clean_text) else "data.py" if clean_text else None
    dataset = _ingest_file(path, text_column, label_columns, clean)
    comments, labels = _read(dataset)
    _print_summary(path, dataset.labels, labels)
    return comments, labels


def _one_path(data_path: Any, dataset_path: Any) -> str:
    given = [path for path in (data_path, dataset_path) if path is not None]
    if len(given) != 1:
        raise BadArgument("load_and_preprocess_data takes one file", "load_and_preprocess_data('data.csv')")
    return str(os.fspath(given[0]))


def _ingest_file(path: str, text_column: str | None, label_columns: Any, clean: Any) -> Dataset:
    """Reads the file as pandas.read_csv does without options, which knows no other delimiter or charset."""
    given = [label_columns] if isinstance(label_columns, str) else label_columns
    chosen = [list(LABEL_COLUMNS), _BINARY_COLUMNS] if given is None else [list(given)]
    for columns in chosen:
        try:
            name = _name_of_file(path, text_column, columns, clean)
            return _the_database().ingest(
                name, path, labels=columns, text_column=text_column, tokenizers={}, clean=clean,
                delimiter="comma", charset="utf-8", header=True, na="pandas", label_type="float",
            )  # fmt: skip
        except BadColumn as error:
            missing = _missing_column(error)
            if columns is chosen[-1] or not missing.startswith("Label"):
                raise BadColumn(*_words_of(error, missing, label_columns)) from None
    raise AssertionError("unreachable")


_NO_COLUMN = re.compile(r'.*: there is no (text|label) column "(.*?)"; the columns are (.*)', re.S)


def _missing_column(error: BadColumn) -> str:
    """data.py's sentence for it, or "" where another thing is wrong with the columns."""
    found = _NO_COLUMN.fullmatch(error.message)
    return f"{found[1].capitalize()} column '{found[2]}' not found!" if found else ""


def _words_of(error: BadColumn, missing: str, label_columns: Any) -> tuple[str, str]:
    if not missing:
        return error.message, error.hint
    found = _NO_COLUMN.fullmatch(error.message)
    assert found is not None
    hint = f"the columns are {found[3]}"
    if missing.startswith("Label") and label_columns is None:
        wanted = f"{', '.join(LABEL_COLUMNS)} or {', '.join(_BINARY_COLUMNS)}"
        return f"which columns are the labels? There is neither {wanted}", f"label_columns=[...]; {hint}"
    return missing, hint


def _name_of_file(path: str, text_column: str | None, columns: Any, clean: Any) -> str:
    """A dataset's name: readable, and another one for another folder or other options, since only the current version
    of a name takes more tokenizers.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-._")[:80] or "data"
    options = [text_column or "", "function" if callable(clean) else str(clean), *columns]
    return f"{stem}-{_digest([os.path.realpath(os.path.expanduser(path)), *options])}"


def _digest(parts: Sequence[str]) -> str:
    """12 hex digits that stand for these strings."""
    sha = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        sha.update(len(raw).to_bytes(8, "little") + raw)
    return sha.hexdigest()[:12]


def _read(dataset: Dataset) -> tuple[Comments, npt.NDArray[np.float32]]:
    texts: list[str] = []
    labels = []
    for page in dataset.pages(text=True):
        texts += page["texts"]
        labels.append(page["labels"])
    comments: Any = np.empty(len(texts), dtype=object).view(Comments)
    comments[:] = texts
    comments._origin = _Origin(dataset, texts, np.concatenate(labels))
    return comments, comments._origin.labels.copy()


def _print_summary(path: str, names: Sequence[str], labels: npt.NDArray[np.float32]) -> None:
    print(f"Loading data from: {path}")
    print(f"Loaded {len(labels)} samples")
    print("Label Distribution:")
    for name, positives in zip(names, labels.sum(axis=0, dtype=np.float64)):
        print(f"  {name}: {int(positives)} ({100 * positives / len(labels):.1f}%)")


def clean_bangla_text(text: str) -> str:
    """The text without links (http up to the next space), and with single spaces between words."""
    return " ".join(re.sub(r"http\S+", "", text).split())


def _stored(comments: Any, labels: Any) -> tuple[Dataset, npt.NDArray[np.float32]]:
    """The stored version of these texts and labels, and the labels as float32 [N, C].

    What did not come from load_and_preprocess_data is stored under a name of its content.
    """
    values = _labels(labels)
    if len(comments) != len(values):
        raise BadArgument(f"{len(comments):,} comments, but labels of {len(values):,} rows")
    origin = getattr(comments, "_origin", None)
    if origin is not None and origin.holds(comments, values):
        return origin.dataset, values
    return _ingest_texts(_as_list(comments), values, {}), values


def _as_list(comments: Any) -> list[str]:
    texts: list[str] = comments.tolist() if hasattr(comments, "tolist") else list(comments)
    return texts


def _ingest_texts(texts: list[str], labels: npt.NDArray[np.float32], tokenizers: Mapping[str, Any]) -> Dataset:
    name = f"memory-{_digest([str(labels.shape), labels.tobytes().hex(), *map(str, texts)])}"
    options: dict[str, Any] = {"tokenizers": tokenizers, "label_type": "float", "quiet": not tokenizers}
    return _the_database().ingest(name, texts=texts, labels=labels, **options)


def _labels(labels: Any) -> npt.NDArray[np.float32]:
    array = labels.detach().cpu().numpy() if hasattr(labels, "detach") else np.asarray(labels)
    values = array.astype(np.float32)
    if values.ndim not in (1, 2):
        raise BadArgument(f"labels of shape {list(values.shape)}: one row of values per text")
    return values.reshape(len(values), -1)


# ---- tensors


class TokenizedData(Mapping[str, "torch.Tensor"]):
    """What get_or_create_tokenized_dataset returns: a mapping of tensors that are made when they are first read.

    input_ids, attention_mask and, with a student, student_input_ids and student_attention_mask are int64 [N,
    max_length]; labels float32 [N, C]. Loaders need none of them. Pickling makes a dict of it.

    dataset      the hsfeed.Dataset behind it      roles   {"": its role, "student_": the student's}
    """

    def __init__(
        self, dataset: Dataset, labels: npt.NDArray[np.float32], roles: Mapping[str, str], max_length: int
    ) -> None:
        self.dataset, self.roles, self.max_length = dataset, dict(roles), max_length
        self._tensors: dict[str, torch.Tensor] = {"labels": torch.tensor(labels)}
        self._keys = [f"{prefix}{key}" for prefix in roles for key in _OF_A_ROLE] + ["labels"]

    def __getitem__(self, key: str) -> torch.Tensor:
        if key not in self._keys:
            raise KeyError(key)
        if key not in self._tensors:
            self._make("student_" if key.startswith("student_") else "")
        return self._tensors[key]

    def _make(self, prefix: str) -> None:
        made = self.dataset.tensors(self.roles[prefix], max_length=self.max_length)
        self._tensors.update({prefix + key: made[key] for key in _OF_A_ROLE})

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"<hsfeed.compat.TokenizedData of {self.dataset!r}: {', '.join(self._keys)}>"

    def __reduce__(self) -> Any:
        return (dict, (list(self.items()),))


def _role_of(tokenizer: Any) -> str:
    """A role's name for a tokenizer, so that none takes another's place."""
    if isinstance(tokenizer, (str, os.PathLike)):
        name = os.fspath(tokenizer)
        return f"tokenizer-{_digest([os.path.realpath(name) if os.path.isdir(name) else name])}"
    core = getattr(tokenizer, "backend_tokenizer", tokenizer)
    known = core.to_str() if hasattr(core, "to_str") else repr(getattr(tokenizer, "vocab", tokenizer))
    settings = [str(getattr(tokenizer, key, "")) for key in ("padding_side", "truncation_side", "name_or_path")]
    return f"tokenizer-{_digest([known, *settings])}"


def get_or_create_tokenized_dataset(
    comments: Any,
    labels: Any,
    tokenizer: Any,
    max_length: int = 128,
    cache_dir: str | os.PathLike[str] = "./cache",
    student_tokenizer: Any = None,
) -> TokenizedData:
    """The texts as tokenizer(texts, padding="max_length", truncation=True, max_length=max_length) gives them.

    comments, labels    of load_and_preprocess_data, or N str and an array [N] (one column) or [N, C]
    tokenizer           of transformers or tokenizers, a folder, or a name in the local Hugging Face cache
    cache_dir           not used: the daemon keeps ids, and what it keeps is never stale
    student_tokenizer   another one, whose arrays are named student_...

    Unsupported: it is of a kind that hsfeed does not tokenize itself. BadTokenizer: its files are damaged.
    """
    _tell_once("cache_dir", f"cache_dir ({cache_dir}) is not used: the daemon keeps the ids, and no file gets stale")
    dataset, values = _stored(comments, labels)
    named = {"": tokenizer} if student_tokenizer is None else {"": tokenizer, "student_": student_tokenizer}
    roles = {prefix: _role_of(one) for prefix, one in named.items()}
    given = {roles[prefix]: one for prefix, one in named.items()}
    try:
        encoded = dataset.database.add(dataset, given)
    except Unsupported:
        if dataset.database.dataset(dataset.name).version == dataset.version:
            raise  # the tokenizer is of another kind
        # The file has another version by now, and only that takes more tokenizers.
        encoded = _ingest_texts(_as_list(comments), values, given)
    return TokenizedData(encoded, values, roles, max_length)


# ---- folds and weights


def prepare_kfold_splits(
    comments: Any,
    labels: Any,
    num_folds: int = 5,
    stratification_type: str | None = None,
    seed: int = 42,
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """(train_idx, val_idx) of each fold: ascending row numbers, int64, as scikit-learn deals them.

    stratification_type
        "binary"       StratifiedKFold; one label column
        "multiclass"   StratifiedKFold, every combination of labels a class
        "multilabel"   iterative-stratification's MultilabelStratifiedKFold
        "none"         KFold
        None           binary for one label column, else multiclass

    All shuffled with `seed`. num_folds=1: train_test_split of 80 and 20 per cent, in its order; stratified by the
    combinations of labels unless the type is "none". ValueError: scikit-learn refuses too, or there is no such type.
    """
    dataset, values = _stored(comments, labels)
    chosen = stratification_type or ("binary" if values.shape[1] == 1 else "multiclass")
    if chosen not in _KINDS:
        raise BadArgument(f"stratification_type is one of {', '.join(_KINDS)}, not {chosen!r}")
    if chosen == "binary" and values.shape[1] > 1:
        raise BadArgument(
            f"binary stratification takes one label column; there are {values.shape[1]}",
            "stratification_type='multiclass' or 'multilabel'",
        )
    if num_folds == 1:
        return iter([_holdout(dataset, chosen != "none", seed)])
    return iter(dataset.folds(num_folds, kind=_KINDS[chosen], seed=seed))


def _holdout(
    dataset: Dataset, stratified: bool, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    kind = "stratified-holdout" if stratified else "holdout"
    plan = {"kind": kind, "test_size": _VAL_SHARE, "fold_seed": seed}
    return dataset.split_rows("train", 0, plan), dataset.split_rows("val", 0, plan)


def calculate_class_weights(labels: Any) -> torch.Tensor:
    """Negatives over positives of all label columns together, float32 [1]: for BCEWithLogitsLoss(pos_weight=...).

    labels: 0 and 1, of the training rows, [N] or [N, C]. 1.0 where there is no positive. One weight for each
    column is hsfeed's own pos_weight: Dataset.pos_weight.
    """
    values = _labels(labels)
    positives = float(values.sum(dtype=np.float64))
    weight = (values.size - positives) / positives if positives > 0 else 1.0
    return torch.tensor([weight], dtype=torch.float32)


# ---- batches


class IndexedDataset(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Some rows of tokenized data, for a DataLoader of torch's: item i is {key: tensor[indices[i]]}.

    Its tensors are made here, and are shared with a DataLoader's workers. create_data_loaders needs none of this.
    """

    def __init__(self, tokenized_data: Mapping[str, torch.Tensor], indices: Any) -> None:
        self.tokenized_data = dict(tokenized_data)
        self.indices = _indices(indices, len(self.tokenized_data["labels"]))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        row = self.indices[i]
        return {key: tensor[row] for key, tensor in self.tokenized_data.items()}


def _indices(indices: Any, rows: int) -> npt.NDArray[np.int64]:
    return within("indices", integers("indices", indices), rows)


def create_data_loaders(
    tokenized_data: Mapping[str, torch.Tensor],
    train_indices: Any,
    val_indices: Any,
    batch_size: int = 32,
    num_workers: int = 2,
) -> tuple[Any, Any]:
    """(train, val): loaders of dicts of tensors, over these rows; train's in a new random order at each pass.

    tokenized_data   of get_or_create_tokenized_dataset; for any other mapping of tensors they are DataLoaders
    num_workers      there are none; but a DataLoader with workers draws its order when a pass begins, and one without
                     at the first batch, and so do these

    Order and batches are a DataLoader's of shuffle=True, and shuffle=False: they draw the same numbers from torch's
    global generator. Batches have data.py's keys, and are hsfeed's otherwise: see Loader, which these are.

    BadArgument: an index is no row number, there is nothing to train on, or several processes run: data.py deals
    nothing to processes, and Dataset.loader does.
    """
    sources = [_indices(indices, len(tokenized_data["labels"])) for indices in (train_indices, val_indices)]
    if not sources[0].size:
        raise BadArgument("there is no row to train on: train_indices is empty")
    if not isinstance(tokenized_data, TokenizedData):
        return _of_torch(tokenized_data, sources, batch_size=batch_size, num_workers=num_workers)
    ranks = find_ranks(None, None)
    if ranks.world > 1:
        raise BadArgument(
            f"create_data_loaders is for one process; this is rank {ranks.rank} of {ranks.world}{ranks.source}",
            "each rank would train on every row: tokenized_data.dataset.loaders(fold) deals rows to ranks",
        )
    train, val = (
        RowsLoader(tokenized_data, rows, batch_size, shuffle, num_workers > 0)
        for rows, shuffle in zip(sources, (True, False))
    )
    return train, val


def _of_torch(data: Mapping[str, torch.Tensor], sources: list[Any], **options: Any) -> tuple[Any, Any]:
    train, val = (IndexedDataset(data, indices) for indices in sources)
    loader, options = torch.utils.data.DataLoader, {**options, "pin_memory": torch.cuda.is_available()}
    return loader(train, shuffle=True, **options), loader(val, shuffle=False, **options)


class _Order:
    """What a DataLoader's sampler gives: rows as they are, or in an order of a seed that is drawn for it."""

    def __init__(self, rows: npt.NDArray[np.int64], shuffle: bool) -> None:
        self.rows, self.shuffle = rows, shuffle

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        rows = self.rows
        if self.shuffle:
            generator = torch.Generator()
            generator.manual_seed(int(torch.empty((), dtype=torch.int64).random_().item()))
            rows = rows[torch.randperm(len(rows), generator=generator).numpy()]
        return iter(rows.tolist())


class RowsLoader(Loader):
    """A Loader over any rows of tokenized data, whose passes draw what a DataLoader's draw."""

    def __init__(
        self, data: TokenizedData, rows: npt.NDArray[np.int64], batch_size: int, shuffle: bool, early: bool
    ) -> None:
        """early: the order is drawn when a pass begins, as by a DataLoader with workers."""
        self._rows, self._early = rows, early
        self._student = data.roles.get("student_")
        super().__init__(
            data.dataset, "all", sampler=_Order(rows, shuffle), roles=list(dict.fromkeys(data.roles.values())),
            batch_size=batch_size, max_length=data.max_length, rank=0, world_size=1,
            pin_memory=torch.cuda.is_available(), quiet=True,
        )  # fmt: skip
        self._prefix = "" if self._student == data.roles[""] else f"{self._student}_"

    @property
    def dataset(self) -> Split:
        """These rows: len(), indices, and single rows."""
        return Split(self._data, "all", None, None, len(self._rows), self._rows)

    def __iter__(self) -> Iterator[Batch]:
        batches = super().__iter__()
        draws = self._draws
        if self._early and draws is not None:
            self._link.insist(lambda: self._draw(draws))
        return self._with_students_keys(batches) if self._student else batches

    def _with_students_keys(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """student_input_ids instead of the role's own name; where it is the teacher's too, of the same tensors."""
        for batch in batches:
            for key in _OF_A_ROLE:
                tensor = batch.pop(self._prefix + key) if self._prefix else batch[key]
                batch[f"student_{key}"] = tensor
            yield batch
            del batch, tensor  # the consumer's alone
