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
        self,
        dataset: Dataset,
        split: str,
        fold: int | None,
        plan: Mapping[str, Any] | None,
        rows: int,
        indices: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """indices: the row numbers, where they are others than the split's."""
        self.dataset, self.split, self.fold, self._plan, self._rows = dataset, split, fold, plan, rows
        self._indices = indices

    def __len__(self) -> int:
        return self._rows

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """The row numbers, int64: ascending, those of a hold-out in train_test_split's order."""
        if self._indices is None:
            self._indices = self.dataset.split_rows(self.split, self.fold, self._plan)
        return self._indices

    def __repr__(self) -> str:
        what = self.split if self.fold is None else f"{self.split} of fold {self.fold}"
        return f"<hsfeed.Split {what} of {self.dataset.name}@{self.dataset.version[:6]}: {self._rows:,} rows>"

    def __getitem__(self, i: int) -> dict[str, Any]:
        """The i-th of these rows, as the dataset gives it."""
        return self.dataset[int(self.indices[i])]


class DealsItself:
    """A Loader has no sampler: what takes it for a DataLoader, and would deal its rows once more, gets a sentence."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in ("sampler", "batch_sampler"):
                raise AttributeError(
                    f"a loader has no {name}: it deals rows to ranks itself, and nothing may deal or skip them again "
                    "(as Accelerate's prepare_data_loader and skip_first_batches do); use it as it is, and "
                    "load_state_dict to go on in the middle of an epoch"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
