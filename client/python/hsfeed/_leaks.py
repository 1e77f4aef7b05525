# SPDX-License-Identifier: Apache-2.0
"""Leaks of a split plan: the pages of the daemon's answer as one, and what is raised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import LeakFound

if TYPE_CHECKING:
    from .database import Database

PAGE_PAIRS = 10_000
PAIR = np.dtype(
    [
        ("fold", "<i8"),
        ("row", "<i8"),
        ("line", "<i8"),
        ("of_row", "<i8"),
        ("of_line", "<i8"),
        ("how", "<U5"),
        ("similarity", "<f8"),
        ("conflict", "?"),
    ]
)


def fetch(database: Database, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The whole answer, with all pairs as an array of PAIR."""
    pieces: list[np.ndarray[Any, Any]] = []
    answer: dict[str, Any] = {}
    start: int | None = 0
    while start is not None:
        answer = database.call("leaks", {**asked, "start": start, "count": PAGE_PAIRS}, wait=True)
        pairs = [tuple(pair[name] for name in PAIR.names or ()) for pair in answer["pairs"]]
        pieces.append(np.array(pairs, dtype=PAIR))
        start = answer.get("next")
    answer.pop("next", None)
    return {**answer, "pairs": np.concatenate(pieces)}


def refuse(name: str, leaks: Mapping[str, Any]) -> None:
    """Raises LeakFound where something leaks."""
    if leaks["total"] == 0:
        return
    how = {key: sum(fold[key] for fold in leaks["folds"]) for key in ("exact", "same", "near")}
    counts = ", ".join(f"{n:,} {key}" for key, n in how.items() if n)
    rows = sum(fold["val_rows"] for fold in leaks["folds"])
    raise LeakFound(
        f"{name}: {leaks['total']:,} of {rows:,} validation rows have a copy among their fold's training rows "
        f"({counts})",
        f"plan={{'duplicates': {leaks['similarity']:g}}} keeps duplicates in one fold",
        leaks=dict(leaks),
    )
