# SPDX-License-Identifier: Apache-2.0
"""Progress of ingests: tqdm's bars where it is installed and stderr is a terminal, else plain lines or
nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Union

Progress = Union[
    bool, None, Callable[[str, int, int], Any]
]  # True, False, None: only on a terminal; or a function

_UNITS = {"read": "B", "parse": "B", "tokenize": " texts", "write": "B", "publish": "B", "verify": "B"}


class Meter:
    """A progress callback (stage, done, total) with an end. It never cancels."""

    def __init__(self, title: str, bars: Any = None) -> None:
        self.title = title
        self.bars = bars  # tqdm's class, or None: plain lines
        self.stage: str | None = None
        self.bar: Any = None

    def __call__(self, stage: str, done: int, total: int) -> bool:
        if stage != self.stage:
            self.begin(stage, total)
        if self.bar is not None:
            self.bar.total = total or None
            self.bar.update(done - self.bar.n)
        return False

    def begin(self, stage: str, total: int) -> None:
        self.close()
        self.stage = stage
        if self.bars is None:
            print(f"hsfeed: {self.title}: {stage}", file=sys.stderr, flush=True)
            return
        unit = _UNITS.get(stage, "")
        self.bar = self.bars(
            desc=f"{self.title}: {stage}",
            total=total or None,
            unit=unit,
            unit_scale=True,
            leave=False,
            file=sys.stderr,
        )

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = None


def meter(progress: Progress, title: str) -> Any:
    """What is handed to the library: the caller's own function, a Meter, or None."""
    if callable(progress):
        return progress
    if progress is None:
        progress = sys.stderr.isatty() and _tqdm() is not None
    return Meter(title, _tqdm() if sys.stderr.isatty() else None) if progress else None


def finish(callback: Any) -> None:
    if isinstance(callback, Meter):
        callback.close()


def _tqdm() -> Any:
    try:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return None
    return tqdm
