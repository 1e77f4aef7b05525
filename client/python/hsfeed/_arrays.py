# SPDX-License-Identifier: Apache-2.0
"""Arrays attached to a Dataset: one row of numbers for each of its rows, stored with it, served with its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._check import marked, within
from ._progress import Progress, finish, meter
from .errors import BadArgument, BadArray

if TYPE_CHECKING:
    from .database import Database

_DTYPES = ("float16", "float32", "float64")


class Arrays:
    """The part of Dataset that attaches."""

    database: Database
    name: str
    ref: str

    if TYPE_CHECKING:

        @property
        def rows(self) -> int: ...

    def attach(
        self,
        name: str,
        values: Any,
        *,
        index: Any = None,
        nan: str = "refuse",
        replace: bool = False,
        progress: Progress = None,
    ) -> dict[str, Any]:
        """Attaches numbers to this version under a name, one row for each row: a teacher runs once, and its logits
        come with every batch of loader(arrays=[name]), in whatever order.

        values    [rows] or [rows, C], C from 1 to 4096, as a numpy array, a torch tensor of any device, or lists of
                  floats: float32, float64 (rounded to the nearest float32), float16 or bfloat16. Rows are the
                  dataset's, in its order
        index     the values are of these rows only: row numbers [n], or a mask [rows]; values are then [n] or [n, C],
                  and all other rows become NaN. For a teacher that ran over one split:
                  ds.attach("teacher_0", logits, index=ds.split_rows("val", 0))
        nan       "refuse" or "allow" NaN among the values; infinite ones are refused always
        replace   other values that have the name are replaced; loaders that have them open keep them
        progress  as Database.ingest's

        Returns {name, version, array, id, state: "new" | "known" | "replaced", rows, columns, nan_rows}; the same
        values again are known, and nothing is done. BadArray: shape, dtype or values are not what can be attached; the
        sentence names row and column. BadRequest: the name has other values already, or cannot be an array's: those
        of a batch's own (input_ids, labels, index, ...) cannot. Denied: the dataset is another user's.
        """
        if nan not in ("refuse", "allow"):
            raise BadArgument(f'nan is "refuse" or "allow", not {nan!r}')
        array = _as_numbers(name, values)
        if index is not None:
            array = self._spread(name, array, index, nan)
        if array.ndim == 2 and not 1 <= array.shape[1] <= 4096:
            raise BadArray(f"array {name}: it has {array.shape[1]} columns; 1 to 4096 can be attached")
        asked = {
            "name": self.ref,
            "array": name,
            "data": array,
            "dtype": array.dtype.name,
            "rows": array.shape[0],
            "columns": array.shape[1] if array.ndim == 2 else None,
            "allow_nan": nan == "allow" or index is not None,
            "replace": replace,
        }
        return self._attached(asked, progress)

    def _attached(self, asked: dict[str, Any], progress: Progress) -> dict[str, Any]:
        told = meter(progress, f"attach {asked['array']}")
        try:
            return self.database._again(lambda client: client.attach(asked, progress=told))
        finally:
            finish(told)

    def _spread(self, name: str, values: npt.NDArray[Any], index: Any, nan: str) -> npt.NDArray[Any]:
        """All rows, NaN where index has none."""
        rows = _row_numbers(name, index, self.rows)
        if len(rows) != len(values):
            raise BadArray(f"array {name}: index names {len(rows):,} rows, and there are {len(values):,} of values")
        bad = np.isnan(values) if nan == "refuse" else np.zeros(0, dtype=bool)
        if bad.any():
            at = int(np.flatnonzero(bad.reshape(len(values), -1).any(axis=1))[0])
            raise BadArray(f"array {name}: row {rows[at]} (values[{at}]) is NaN", "nan='allow' says that it is meant")
        whole = np.full((self.rows, *values.shape[1:]), np.nan, dtype=values.dtype)
        whole[rows] = values
        return whole

    def detach(self, name: str) -> bool:
        """Removes an attached array; whether it was there. Loaders that have it open keep it."""
        return bool(self.database.call_once("detach", {"name": self.ref, "array": name})["detached"])

    def arrays(self) -> list[dict[str, Any]]:
        """The attached arrays: [{array, id, dtype, rows, dims, columns, nan_rows, from, created_ms, bytes, path}], the
        first attached first. nan_rows counts rows that have a NaN.
        """
        return list(self.database.call("show", {"name": self.ref})["arrays"])


def _as_numbers(name: str, values: Any) -> npt.NDArray[Any]:
    """Little-endian floats in C order, without a copy where they are that."""
    if hasattr(values, "detach"):  # torch's; numpy knows no bfloat16
        values = values.detach().cpu()
        values = values.float().numpy() if str(values.dtype) == "torch.bfloat16" else values.numpy()
    array = np.asarray(values)
    if array.dtype.name not in _DTYPES:
        raise BadArray(
            f"array {name}: its dtype is {array.dtype}; float32, float64 and float16 can be attached",
            "values.astype('float32')",
        )
    if array.ndim not in (1, 2):
        raise BadArray(
            f"array {name}: it has {array.ndim} dimensions; [rows] or [rows, columns] can be attached",
            "values.reshape(len(values), -1)",
        )
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _row_numbers(name: str, index: Any, rows: int) -> npt.NDArray[np.int64]:
    numbers = within(f"array {name}: index", marked(f"array {name}: index", index, rows), rows)
    found, counts = np.unique(numbers, return_counts=True)
    if (counts > 1).any():
        raise BadArgument(f"array {name}: index names row {found[counts > 1][0]} twice")
    return numbers
