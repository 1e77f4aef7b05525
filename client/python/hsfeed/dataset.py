# SPDX-License-Identifier: Apache-2.0
"""Dataset: one version of stored texts and labels, with its encodings."""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _leaks, _orders, _page, _plans
from ._arrays import Arrays
from ._options import FOLD_HINTS, refuse_unknown
from ._plans import Plan, check_plan
from ._statistics import Statistics
from .errors import BadArgument, Error, NotFound

if TYPE_CHECKING:
    import torch

    from .database import Database
    from .loader import Loader

PAGE_ROWS = 4096


class Dataset(Statistics, Arrays):
    """One version of a dataset. Names move, versions don't: this stays on its version, and on the encodings
    its roles had, whatever is ingested under the name later.

    name      the dataset's name             version  the version's id, 64 hex digits
    ref       name@version                   labels   names of the label columns, a tuple
    roles     names of the roles, a tuple    info     all that `show` tells, a dict
    database  the Database it is of

    default_role is the first role of the `tokenizers=` that made this object, else the role "text" if there,
    else the first that was ingested. Roles that were named are first in roles.
    """

    def __init__(self, database: Database, info: Mapping[str, Any], first: Sequence[str] = ()) -> None:
        self.database = database
        self.info = _with_roles_first(info, first)
        self.name: str = info["name"]
        self.socket = database.socket
        self.version: str = info["version_info"]["version"]
        self.ref = f"{self.name}@{self.version}"
        self.labels: tuple[str, ...] = tuple(label["name"] for label in info["version_info"]["labels"])

    # ---- what it is

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.info["version_info"]["rows"])

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        labels = ", ".join(self.labels) or "none"
        what = f"{self.rows:,} rows; labels {labels}; roles {', '.join(self.roles) or 'none'}"
        return f"<hsfeed.Dataset {self.name}@{self.version[:6]}: {what}>"

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(role["role"] for role in self.info["roles"])

    @property
    def encodings(self) -> dict[str, str]:
        """The encoding's id of each role, as they are pinned here."""
        return {role["role"]: role["encoding"] for role in self.info["roles"]}

    @property
    def default_role(self) -> str:
        for role in self.info["roles"]:
            if role["default"]:
                return str(role["role"])
        raise NotFound(f"{self.ref} has no encoding", "add one: ds.add(tokenizer, role='text')")

    @property
    def label_info(self) -> list[dict[str, Any]]:
        """Per label column: {name, type: "float" | "class", values, counts, missing}."""
        return list(self.info["version_info"]["labels"])

    @property
    def report(self) -> dict[str, Any]:
        """What the ingest did with every row: {rows_read, rows, dropped, short_rows, empty_texts, na_words,
        duplicates}.
        """
        return dict(self.info["version_info"]["report"])

    def versions(self) -> list[dict[str, Any]]:
        """All versions of this name: [{version, current, rows, created_ms, bytes, file_name, roles,
        open}].
        """
        return self.database.versions(self.name)

    def add(
        self,
        tokenizers: Any = None,
        *,
        role: str | None = None,
        tokenizer: Any = None,
        normalize: str | Mapping[str, str] | None = None,
        progress: Any = None,
        quiet: bool = False,
    ) -> Dataset:
        """More encodings from the stored texts: `add({"student": "org/model"})`, or `add("org/model",
        role="student")`.

        Returns self, with the new roles; its default role stays. Arguments and errors as Database.add.
        """
        given = tokenizer if tokenizers is None else tokenizers
        if role is not None:
            given = {role: given}
        more = self.database.add(self, given, normalize=normalize, progress=progress, quiet=quiet)
        self.info = _with_roles_first(more.info, self.roles)
        return self

    # ---- rows

    def pages(
        self, role: str | None = None, *, start: int = 0, count: int | None = None, text: bool = False
    ) -> Iterator[dict[str, Any]]:
        """The protocol's pages of rows start .. start + count - 1, as they come: for those who want them raw.

        Each is {start, count, rows, lines, labels, label_dtype, label_columns, offsets, ids, texts?} with
        numpy arrays: lines uint32 [count], labels float32 [count, C] or int64 [count], offsets uint32 [count
        + 1], ids uint32. A version without any role has no ids.
        """
        if role is None and self.roles:
            role = self.default_role
        end = self.rows if count is None else min(self.rows, start + count)
        while start < end:
            asked = {"name": self.ref, "role": role, "start": start, "count": min(PAGE_ROWS, end - start)}
            page = self.database.call("rows", {**asked, "text": text})
            yield _with_arrays(page)
            start = page["start"] + page["count"]

    def label_cells(self, page: Mapping[str, Any]) -> list[list[str]]:
        """The labels of a page as a CSV would have them: per column, values of classes, numbers."""
        if page["label_dtype"] == "int64" and len(self.labels) == 1:
            values = self.label_info[0]["values"]
            return [[values[i] for i in page["labels"].tolist()]]
        return [[repr(value) for value in column] for column in page["labels"].T.astype(float).tolist()]

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Row i (negative: from the end): {text: str, labels, line: int, ids: {role: int64 [tokens]}}.

        text is the cleaned text; labels float32 [C], an int (a class) or None; line where the row began in
        its source, from 1. ids are untruncated and without the template's special tokens.
        """
        try:
            i = operator.index(i)
        except TypeError:
            raise TypeError(f"a dataset's rows are numbered by int, not {type(i).__name__}") from None
        row = i + self.rows if i < 0 else i
        if not 0 <= row < self.rows:
            raise IndexError(f"{self.name}@{self.version[:6]} has {self.rows} rows; there is no row {i}")
        pages = {
            role: next(self.pages(role, start=row, count=1, text=True))
            for role in self.roles or (None,)
        }
        first = next(iter(pages.values()))
        return {
            "text": first["texts"][0],
            "labels": _label_of(first, 0),
            "line": int(first["lines"][0]),
            "ids": {role: page["ids"].astype(np.int64) for role, page in pages.items() if role is not None},
        }

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(self.rows))

    def label_values(self) -> npt.NDArray[Any] | None:
        """The labels of all rows: float32 [rows, C], int64 [rows] (classes), or None for an unlabelled
        dataset.
        """
        if not self.labels:
            return None
        return np.concatenate([page["labels"] for page in self.pages()])

    # ---- folds

    def folds(
        self,
        k: int | None = None,
        kind: str | None = None,
        seed: int = 42,
        shuffle: bool = True,
        *,
        by: str | Sequence[str] | None = None,
        group: str | None = None,
        similarity: float | None = None,
        rule: str | None = None,
        column: str | None = None,
        test_size: int | float | None = None,
        train_size: int | float | None = None,
        plan: Plan | None = None,
        **unknown: Any,
    ) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """The folds as scikit-learn deals them: a list of (train, val), row numbers, int64, ascending but for
        hold-outs.

        k       how many; default 5
        kind    "plain", "stratified", "multiclass", "multilabel", "group", "stratified-group", "holdout",
                "stratified-holdout", "predefined"; None: what the options below ask for, else stratified for
                one label column, multiclass for several, plain for none
        seed    the folds' own: it has no part in the order of training
        by      label columns that the split goes by; default all
        group   a source column: rows with equal cells stay together; or "duplicates": rows whose texts are
                the same or nearly so do, from `similarity` on (0.5 to 1, default 0.8). "column:duplicates"
                is a column of that name
        rule    "current" or "older": groups as today's scikit-learn deals them, or as it did before 1.8
        column  "predefined": the source column of the folds' numbers
        test_size, train_size   hold-outs: rows (int) or a share (float). One fold; rows in
                train_test_split's order
        plan    instead of all these: the name of a saved plan, or a dict as the loader's

        BadPlan: scikit-learn refuses too.
        """
        own = _named(locals())
        refuse_unknown("folds", unknown, (*_plans.OPTIONS, "plan"), FOLD_HINTS)
        asked = {"name": self.ref, "plan": check_plan(_plans.from_options(own, plan))}
        table = self.database.call("folds", asked)
        return [self._fold(table["plan"], fold) for fold in table["folds"]]

    def _fold(
        self, plan: Mapping[str, Any], fold: Mapping[str, Any]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        val = self.split_rows("val", fold["fold"], plan)
        if plan["kind"] in _plans.HOLDOUTS:  # neither all rows nor ascending
            return self.split_rows("train", fold["fold"], plan), val
        is_train = np.ones(self.rows, dtype=bool)
        is_train[val] = False
        return np.flatnonzero(is_train).astype(np.int64), val

    def split_rows(
        self, split: str, fold: int | None = None, plan: Plan | None = None
    ) -> npt.NDArray[np.int64]:
        """The row numbers of one split, int64: "train" or "val" of a fold, or "all". They ascend; those of a hold-out
        are in train_test_split's order.
        """
        if split == "all":
            return np.arange(self.rows, dtype=np.int64)
        pieces: list[npt.NDArray[np.int64]] = []
        asked_plan = check_plan(plan)
        start: int | None = 0
        while start is not None:
            asked = {
                "name": self.ref,
                "plan": asked_plan,
                "fold": fold,
                "split": split,
                "start": start,
                "count": 1 << 20,
            }
            page = self.database.call("folds.rows", asked)
            pieces.append(np.frombuffer(page["rows"], dtype="<i8"))
            start = page.get("next")
        return np.concatenate(pieces)

    # ---- saved plans

    def save_plan(
        self,
        name: str,
        k: int | None = None,
        kind: str | None = None,
        seed: int = 42,
        shuffle: bool = True,
        *,
        by: str | Sequence[str] | None = None,
        group: str | None = None,
        similarity: float | None = None,
        rule: str | None = None,
        column: str | None = None,
        test_size: int | float | None = None,
        train_size: int | float | None = None,
        plan: Mapping[str, Any] | None = None,
        rows: Any = None,
        replace: bool = False,
        **unknown: Any,
    ) -> dict[str, Any]:
        """Saves a split plan under a name, so that plan="NAME" stands for all of it, wherever a plan is
        taken.

        The options are those of folds(), or `plan`, a dict. rows instead of them: the row numbers that are
        validated (all others train), as a path (one number to a line, or lines as `hsfeed folds --indices`
        prints them), integers [n], a mask [rows], or a list of such, one for each fold. Returns {name, plan,
        options: as resolved, state: "new" | "known" | "replaced"}.

        A plan belongs to the dataset's name, and stays when that moves to another version; row numbers are of
        this version, and of no use for others. BadRequest: another plan has the name, and replace is not
        True; it says what differs. BadPlan: it cannot be made, or the row numbers are wrong.
        """
        own = _named(locals())
        refuse_unknown("save_plan", unknown, (*_plans.OPTIONS, "plan", "rows", "replace"), FOLD_HINTS)
        options = check_plan(_plans.from_options(own, plan))
        asked: dict[str, Any] = {"name": self.ref, "plan": name, "replace": bool(replace)}
        if rows is None:
            return self.database.call("plan.save", {**asked, "options": options})
        if options not in ({}, {"fold_seed": 42, "shuffle": True}):
            raise BadArgument("rows= says where each row goes: a plan of row numbers takes no other options")
        file_name, data = _plans.rows_as_file(rows, self.rows)
        return self.database.call("plan.save", {**asked, "rows": self._upload(file_name, data)})

    def _upload(self, name: str, data: bytes) -> int:
        begun = self.database.call("file.begin", {"name": name, "bytes": len(data)})
        try:
            for at in range(0, len(data), _plans.CHUNK_BYTES):
                chunk = data[at : at + _plans.CHUNK_BYTES]
                self.database.call("file.chunk", {"handle": begun["handle"], "data": chunk})
        except BaseException:
            with contextlib.suppress(Error):  # with its connection it is gone already
                self.database.call("file.close", {"handle": begun["handle"]})
            raise
        return int(begun["handle"])

    def plans(self) -> list[dict[str, Any]]:
        """The saved plans of this dataset's name: [{plan, options, created_ms}], by name."""
        return list(self.database.call("plan.list", {"name": self.ref})["plans"])

    def plan(self, name: str) -> dict[str, Any]:
        """The options of a saved plan, as resolved: a dict that is taken wherever a plan is. NotFound names
        those that there are.
        """
        saved = {entry["plan"]: entry["options"] for entry in self.plans()}
        if name not in saved:
            known = ", ".join(saved)
            raise NotFound(
                f"dataset {self.name!r} has no plan {name!r}" + (f"; it has {known}" if known else ""),
                f"ds.save_plan({name!r}, ...) makes one",
            )
        return dict(saved[name])

    def remove_plan(self, name: str) -> bool:
        """Removes a saved plan; whether it was there. Loaders and states keep its options; those of row
        numbers need some saved plan that has them.
        """
        return bool(self.database.call_once("plan.rm", {"name": self.ref, "plan": name})["removed"])

    def leaks(
        self,
        plan: Mapping[str, Any] | None = None,
        similarity: float = 0.8,
        *,
        fail_on_leak: bool = False,
    ) -> dict[str, Any]:
        """Validation rows whose text is among the training rows of their fold.

        {rows, plan, similarity, total: how many leak, folds: [{fold, val_rows, leaking, exact, same, near,
        conflicting}], duplicates: of the whole dataset {exact_rows, same_rows, near_pairs, groups,
        rows_in_groups, largest, conflicting_groups, unlisted, uncompared}, pairs}. pairs is a numpy array
        [total] of fields fold, row, line, of_row, of_line, how, similarity, conflict, by row: each leaking
        row with the training row most like it. how: "exact", "same" (but for letter case, white space and
        Unicode normal form) or "near": the Jaccard similarity of their sets of five characters, at least
        `similarity`, 0.5 to 1. conflict: their labels differ. `pandas.DataFrame(leaks["pairs"])` is a table.

        plan: as the loader's. The first call for a similarity searches: a million rows take half a
        minute of processor time.
        LeakFound: with fail_on_leak, where total is not 0; its .leaks is what would have been returned.
        BadRequest: no such similarity. LimitExceeded: the search would take too much memory.
        """
        asked = {"name": self.ref, "plan": check_plan(plan), "similarity": float(similarity)}
        found = _leaks.fetch(self.database, asked)
        if fail_on_leak:
            _leaks.refuse(self.name, found)
        return found

    def write_report(
        self,
        path: str | os.PathLike[str],
        plan: Plan | None = None,
        *,
        role: str | None = None,
        max_length: int = 128,
        similarity: float | None = None,
        force: bool = False,
    ) -> Path:
        """Writes one HTML page for people: rows kept and dropped, labels in each fold, lengths, unknown tokens,
        weights, duplicates and leaks, and the commands that give the same again. Returns its path.

        The page loads nothing and holds no texts. plan: as the loader's. role: whose lengths, None for those
        of every role. max_length: of the tokens of each fold. similarity: from which on texts count as near,
        0.5 to 1; None: the plan's `duplicates`, else 0.8. A file at path is overwritten only where it is an
        earlier report, or with force.

        BadArgument: options that do not go together. NotFound: there is no such plan. Error: the daemon refuses,
        the file is something else or cannot be written, or there is no `hsfeed` command ($HSFEED_HSFEED, the
        package's, or one in PATH).
        """
        options = check_plan(plan)
        meant = self.plan(options["name"]) if "name" in options else options
        return _page.write(
            self.ref,
            self.socket,
            path,
            plan=options,
            role=role,
            max_length=max_length,
            similarity=_page.similarity_of(meant, similarity),
            force=force,
        )

    # ---- tensors and loaders

    def tensors(
        self,
        role: str | Sequence[str] | None = None,
        max_length: int | Mapping[str, int] = 128,
        *,
        dtype: str | torch.dtype = "int64",
        token_type_ids: bool = False,
        arrays: str | Sequence[str] | None = None,
    ) -> dict[str, torch.Tensor]:
        """All rows at once, as a tokenizer with padding="max_length" and truncation gives them: arrays of
        your own.

        input_ids and attention_mask [rows, max_length] (int64, or dtype="int32"), token_type_ids on request,
        of further roles `ROLE_input_ids` and so on; labels float32 [rows, C] or int64 [rows] unless there are
        none; `arrays` that are attached, float32.
        """
        from .loader import whole

        options: dict[str, Any] = {"max_length": max_length, "dtype": dtype, "arrays": arrays}
        return whole(self, roles=role, token_type_ids=token_type_ids, **options)

    def loader(
        self,
        split: str = "train",
        fold: int | None = None,
        *,
        plan: Plan | None = None,
        order: str | None = None,
        seed: int | None = None,
        length_batch: int | None = None,
        rows: Sequence[int] | npt.NDArray[Any] | None = None,
        sampler: Iterable[int] | None = None,
        shuffle: bool | None = None,
        weights: Sequence[float] | npt.NDArray[Any] | torch.Tensor | None = None,
        num_samples: int | None = None,
        replacement: bool | None = None,
        generator: torch.Generator | None = None,
        persistent_workers: bool = False,
        batch_size: int = 32,
        drop_last: bool = False,
        max_length: int | Mapping[str, int] = 128,
        padding: str | int = "max_length",
        roles: str | Sequence[str] | None = None,
        arrays: str | Sequence[str] | None = None,
        dtype: str | torch.dtype = "int64",
        token_type_ids: bool = False,
        mask_rows: float | None = None,
        mask_prob: float | None = None,
        mask_seed: int | None = None,
        mask_roles: str | Sequence[str] | None = None,
        weight: Mapping[str, float] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        shard: str | None = None,
        slots: int | None = None,
        transport: str | None = None,
        pin_memory: bool = False,
        timeout: float = 300.0,
        quiet: bool = False,
        **unknown: Any,
    ) -> Loader:
        """A loader over one split: "train" or "val" of a fold (from 0), or "all". Loader explains the
        options. BadArgument: there is no such option, role or fold.
        """
        from .loader import Loader

        return Loader(self, **_named(locals()))

    def loaders(
        self,
        fold: int,
        *,
        plan: Plan | None = None,
        order: str | None = None,
        seed: int | None = None,
        length_batch: int | None = None,
        rows: Sequence[int] | npt.NDArray[Any] | None = None,
        sampler: Iterable[int] | None = None,
        shuffle: bool | None = None,
        weights: Sequence[float] | npt.NDArray[Any] | torch.Tensor | None = None,
        num_samples: int | None = None,
        replacement: bool | None = None,
        generator: torch.Generator | None = None,
        persistent_workers: bool = False,
        batch_size: int = 32,
        drop_last: bool = False,
        max_length: int | Mapping[str, int] = 128,
        padding: str | int = "max_length",
        roles: str | Sequence[str] | None = None,
        arrays: str | Sequence[str] | None = None,
        dtype: str | torch.dtype = "int64",
        token_type_ids: bool = False,
        mask_rows: float | None = None,
        mask_prob: float | None = None,
        mask_seed: int | None = None,
        mask_roles: str | Sequence[str] | None = None,
        weight: Mapping[str, float] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        shard: str | None = None,
        slots: int | None = None,
        transport: str | None = None,
        pin_memory: bool = False,
        timeout: float = 300.0,
        quiet: bool = False,
        **unknown: Any,
    ) -> tuple[Loader, Loader]:
        """(train, val) loaders of one fold, with the same options: shuffled and sequential unless order says
        else. Masked is train alone.

        Rows, samplers and drawn orders are train's: val is sequential beside them, and where train draws as a
        DataLoader does, val draws what DataLoader(shuffle=False) does (order="dataloader").
        """
        options = _named(locals())
        if isinstance(plan, str):  # looked up once, for both
            options["plan"] = self.plan(plan)
        unmasked = {name: value for name, value in options.items() if not name.startswith("mask_")}
        return self.loader("train", **options), self.loader("val", **_orders.for_validation(unmasked))


def _named(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A method's own arguments, from its locals: options to hand on."""
    given = {name: value for name, value in arguments.items() if name not in ("self", "unknown", "Loader")}
    return {**given, **arguments["unknown"]}


def _with_roles_first(info: Mapping[str, Any], first: Sequence[str]) -> dict[str, Any]:
    """What `show` told, with these roles in front, and the first of them as the default."""
    by_name = {role["role"]: role for role in info["roles"]}
    named = [by_name.pop(name) for name in first if name in by_name]
    if named:
        default = named[0]["role"]
        roles = [{**role, "default": role["role"] == default} for role in (*named, *by_name.values())]
    else:
        roles = list(info["roles"])
    return {**info, "roles": roles}


def _with_arrays(page: dict[str, Any]) -> dict[str, Any]:
    labels = np.frombuffer(page["labels"], dtype="<f4" if page["label_dtype"] == "float32" else "<i8")
    if page["label_dtype"] == "float32":
        labels = labels.reshape(page["count"], page["label_columns"])
    arrays = {key: np.frombuffer(page[key], dtype="<u4") for key in ("lines", "offsets", "ids")}
    return {**page, **arrays, "labels": labels}


def _label_of(page: Mapping[str, Any], i: int) -> Any:
    if page["label_columns"] == 0:
        return None
    return int(page["labels"][i]) if page["label_dtype"] == "int64" else page["labels"][i].copy()
