# SPDX-License-Identifier: Apache-2.0
"""Numbers that a caller gives: as they may be, or BadArgument naming the argument."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import BadArgument

Rows = npt.NDArray[np.int64]


def check_number(name: str, value: Any, least: int) -> int:
    """A whole number from `least` on, or BadArgument naming the option."""
    if isinstance(value, np.bool_):
        value = bool(value)
    try:
        number = operator.index(value)
    except TypeError:
        raise BadArgument(f"{name} is a number, not {value!r}") from None
    if isinstance(value, bool) or number < least:
        raise BadArgument(f"{name} is a number from {least} on, not {value!r}")
    return number


def real(name: str, value: Any) -> float:
    """A finite number, or BadArgument."""
    try:
        number = float(value) if not isinstance(value, (str, bytes, bool, np.bool_)) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadArgument(f"{name} is a number, not {value!r}")
    return number


def integers(name: str, values: Any, hint: str = "") -> Rows:
    """A list of whole numbers as an array, or BadArgument."""
    array = _array(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise BadArgument(f"{name} is a list of whole numbers, not {array.dtype} of shape {list(array.shape)}", hint)
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise BadArgument(f"{name}: {array.max()} is no row number")
    return np.ascontiguousarray(array, dtype=np.int64)


def marked(name: str, values: Any, rows: int) -> Rows:
    """Row numbers [n], of such or of a mask [rows], or BadArgument. Whether there are such rows is not looked at."""
    array = _array(values)
    if array.ndim != 1 or array.dtype.kind != "b":
        return integers(name, array, f"row numbers [n], as ds.split_rows('val', 0) gives them, or a mask [{rows}]")
    if len(array) != rows:
        raise BadArgument(f"{name}: a mask has a truth for each of the {rows:,} rows, not {len(array):,}")
    return np.flatnonzero(array).astype(np.int64)


def within(name: str, numbers: Rows, rows: int) -> Rows:
    """These row numbers, or BadArgument where one is of no row."""
    outside = numbers[(numbers < 0) | (numbers >= rows)]
    if outside.size:
        raise BadArgument(f"{name} names row {outside[0]}; there are {rows:,} rows, which count from 0")
    return numbers


def _array(values: Any) -> npt.NDArray[Any]:
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
