# SPDX-License-Identifier: Apache-2.0
"""Split plans: options of functions and dicts as the protocol's PLAN, and row numbers as the bytes of a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from ._check import check_number, marked, real
from .errors import BadArgument, BadFile, a, did_you_mean, error_from

Plan = Union[str, Mapping[str, Any]]  # the name of a saved one, or its options

FOLDS = 5
SIMILARITY = 0.8  # of near duplicates
CHUNK_BYTES = 196608  # a request has room for 262,144
MAX_ROWS_BYTES = 512 << 20
HOLDOUTS = ("holdout", "stratified-holdout")


# ---- one value of each key


def _count(key: str, value: Any) -> int:
    return check_number(f"{key} of a plan", value, 0)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise BadArgument(f"{key} of a plan is a str, not {value!r}")
    return value


def _texts(key: str, value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else list(value)
    return [_text(key, name) for name in names]


def _truth(key: str, value: Any) -> bool:
    return bool(value)


def _share(key: str, value: Any) -> float:
    return real(f"{key} of a plan", value)


def _size(key: str, value: Any) -> int | float:
    """Rows, or a share of them: as train_test_split tells them apart, by their type."""
    size = _share(key, value) if isinstance(value, (float, np.floating)) else _count(key, value)
    if not size > 0:
        raise BadArgument(f"{key} of a plan is a number of rows from 1 on, or a share, not {value!r}")
    return size


KEYS = {
    "kind": _text, "folds": _count, "fold_seed": _count, "shuffle": _truth, "by": _texts, "group": _text,
    "duplicates": _share, "rule": _text, "column": _text, "test_size": _size, "train_size": _size, "rows": _text,
}  # fmt: skip


def check_plan(plan: Plan | None) -> dict[str, Any]:
    """A plan as the protocol has it: what is given, and nothing else. A str names a saved plan."""
    if isinstance(plan, str):
        return {"name": _text("the name", plan)}
    if not isinstance(plan, Mapping) and plan is not None:
        raise BadArgument(f"plan is a dict or the name of a saved plan, not {a(plan)}")
    given = {key: value for key, value in (plan or {}).items() if value is not None}
    for key in given:
        if key == "name" and len(given) == 1:
            return {"name": _text("the name", given["name"])}
        if key not in KEYS:
            hint = did_you_mean(str(key), KEYS) or f"it has {', '.join(KEYS)}"
            raise BadArgument(f"a plan has no {key!r}", hint)
    return {key: KEYS[key](key, value) for key, value in given.items()}


def folds_of(plan: Mapping[str, Any] | None) -> int:
    """How many folds a plan has, where that is known before it is made; else 0."""
    plan = plan or {}
    if "folds" in plan:
        return int(plan["folds"])
    others = ("name", "rows", "column", "test_size", "train_size")
    kind = plan.get("kind", "")
    return 0 if any(key in plan for key in others) or kind in (*HOLDOUTS, "predefined", "rows") else FOLDS


# ---- options of functions

OPTIONS = (
    "k", "kind", "seed", "shuffle", "by", "group", "similarity", "rule", "column", "test_size", "train_size",
)  # fmt: skip
DEFAULTS = {"seed": 42, "shuffle": True}


def from_options(options: Mapping[str, Any], plan: Plan | None) -> Plan:
    """The plan of a function's options by name, or the one that is given instead of them."""
    given = {key: options[key] for key in OPTIONS if options[key] is not None}
    if plan is None:
        return _named_as_in_plans(given)
    for key, value in given.items():
        if value != DEFAULTS.get(key):
            raise BadArgument(f"plan= has all the options, and {key}= does not go with it")
    return plan


def _named_as_in_plans(given: Mapping[str, Any]) -> dict[str, Any]:
    plan = dict(given)
    for option, key in (("k", "folds"), ("seed", "fold_seed")):
        if option in plan:
            plan[key] = plan.pop(option)
    similarity, group = plan.pop("similarity", None), plan.pop("group", None)
    if group == "duplicates":
        plan["duplicates"] = SIMILARITY if similarity is None else similarity
    elif similarity is not None:
        raise BadArgument("similarity goes with group='duplicates'")
    elif group is not None:
        plan["group"] = _text("group", group).removeprefix("column:")
    return plan


# ---- row numbers


def rows_as_file(rows: Any, count: int) -> tuple[str, bytes]:
    """(name, bytes) of row numbers: a path; numbers or a mask [count]; or a list of such, one for each fold."""
    if isinstance(rows, (str, os.PathLike)):
        return _read(os.path.expanduser(os.fspath(rows)))
    if isinstance(rows, (list, tuple)) and any(np.ndim(fold) for fold in rows):
        lines = [
            f'{{"fold":{i},"val":[{",".join(_numbers(fold, count))}]}}\n' for i, fold in enumerate(rows)
        ]
        return "rows", "".join(lines).encode()
    return "rows", "".join(f"{number}\n" for number in _numbers(rows, count)).encode()


def _read(path: str) -> tuple[str, bytes]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a FIFO would make us wait
            raise BadFile(f"{path}: not a regular file")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_ROWS_BYTES:
                raise BadFile(f"{path}: it has {size:,} bytes, and at most {MAX_ROWS_BYTES:,} are taken")
            return os.path.basename(path), file.read(MAX_ROWS_BYTES)
    except OSError as error:
        raise error_from(-(error.errno or 0), "io_error", f"{path}: {error.strerror}", "") from None


def _numbers(rows: Any, count: int) -> list[str]:
    return [str(number) for number in marked("rows", rows, count).tolist()]


# ---- what is told of one


def plan_words(plan: Mapping[str, Any]) -> str:
    """Every key of a resolved plan, for people."""
    folds = plan["folds"]
    words = [plan["kind"], f"{folds} fold{'' if folds == 1 else 's'}"]
    if plan["kind"] not in ("predefined", "rows"):
        words.append(f"fold seed {plan.get('fold_seed')}" if plan.get("shuffle") else "not shuffled")
    for key, what in (
        ("group", "groups by column {}"), ("duplicates", "groups of duplicates from similarity {} on"),
        ("rule", "rule {}"), ("column", "folds of column {}"),
    ):  # fmt: skip
        if key in plan:
            words.append(what.format(plan[key]))
    if plan.get("by"):
        words.append(f"by {'+'.join(plan['by'])}")
    words += _size_words(plan)
    if "rows" in plan:
        words.append(f"rows {plan['rows'][:12]}")
    return ", ".join(words)


def _size_words(plan: Mapping[str, Any]) -> Sequence[str]:
    sizes = [(plan.get(key), what) for key, what in (("test_size", "tested"), ("train_size", "trained"))]
    return [f"{size:,} rows {what}" if isinstance(size, int) else f"{size} of the rows {what}"
            for size, what in sizes if size is not None]  # fmt: skip
