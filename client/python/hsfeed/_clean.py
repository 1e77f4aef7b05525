# SPDX-License-Identifier: Apache-2.0
"""A file whose texts a function cleans: its rows are stored for a moment under their own name, read back,
cleaned here, and ingested from memory.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import _sources
from .dataset import Dataset

A_DAY_MS = 86_400_000


def name_for_a_moment(name: str) -> str:
    """Of the uncleaned rows; it tells whose they are."""
    return f"{_stem(name)}{os.getpid()}-{_process_world()}-{uuid.uuid4().hex[:8]}"


def left_over(name: str, datasets: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of uncleaned rows of `name` whose process is no more."""
    return [d["name"] for d in datasets if d["name"].startswith(_stem(name)) and _is_left_over(name, d)]


def _is_left_over(name: str, dataset: Mapping[str, Any]) -> bool:
    found = re.fullmatch(r"(\d+)-(\d+)-[0-9a-f]{8}", dataset["name"][len(_stem(name)) :])
    if found is None:
        return False
    if time.time() * 1000 - dataset["created_ms"] > A_DAY_MS:
        return True
    return int(found[2]) == _process_world() and not Path("/proc", found[1]).exists()


def _stem(name: str) -> str:
    return f"{name[:80]}.uncleaned-"


def _process_world() -> int:
    """Which numbering of processes this one is in: a container has its own."""
    return os.stat("/proc/self/ns/pid").st_ino


def source_of(raw: Dataset, path: str, function: Callable[[str], str]) -> _sources.Source:
    """The stored rows of the file at `path`, cleaned."""
    columns: dict[str, list[Any]] = {name: [] for name in raw.labels}
    texts: list[str] = []
    lines: list[int] = []
    for page in raw.pages(text=True):
        texts += page["texts"]
        lines += page["lines"].tolist()
        for name, cells in zip(raw.labels, raw.label_cells(page)):
            columns[name] += cells
    version = raw.info["version_info"]
    cleaned = _sources.cleaned(texts, function, lambda i: f"the text of {path}, line {lines[i]}")
    kind = version["options"]["label_type"] if columns else None
    return _sources.from_stored(
        cleaned, columns, kind, f"{path}, cleaned by {_name_of(function)}", version["text_column"]
    )


def _name_of(function: Callable[[str], str]) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
