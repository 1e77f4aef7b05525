# SPDX-License-Identifier: Apache-2.0
"""The rows that a loader deals, for those who ask a loader for its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .dataset import Dataset


class Split:
    """The rows that a loader deals, all ranks' together: `loader.dataset`."""

    def __init__(
        self, dataset: Dataset, split: str, fold: int | None, plan: Mapping[str, Any] | None, rows: int
    ) -> None:
        self.dataset, self.split, self.fold, self._plan, self._rows = dataset, split, fold, plan, rows
        self._indices: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self._rows

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """The ascending row numbers, int64."""
        if self._indices is None:
            self._indices = self.dataset.split_rows(self.split, self.fold, self._plan)
        return self._indices

    def __repr__(self) -> str:
        what = self.split if self.fold is None else f"{self.split} of fold {self.fold}"
        return f"<hsfeed.Split {what} of {self.dataset.name}@{self.dataset.version[:6]}: {self._rows:,} rows>"

    def __getitem__(self, i: int) -> dict[str, Any]:
        """The i-th of these rows, as the dataset gives it."""
        return self.dataset[int(self.indices[i])]
