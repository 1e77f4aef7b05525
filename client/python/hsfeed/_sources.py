# SPDX-License-Identifier: Apache-2.0
"""Texts and labels in memory, written as the CSV that the daemon reads: quoted so that every text arrives as
it is.

The daemon drops a row only for an empty cell (na="empty"), never for a word such as "None" or "NA". A text
that is empty is therefore written as one space, which tokenizes to nothing just as well and keeps its row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import BadArgument, BadColumn, BadLabel, BadText, a, did_you_mean

# Where the daemon looks for the text column, in this order.
TEXT_COLUMNS = ("Comments", "comments", "Comment", "comment", "text", "Text", "content", "comment_text")

Cells = list[Any]  # one column: str, or None where the value is missing


class Source(NamedTuple):
    """Bytes to ingest and the options that go with them."""

    data: bytes
    file_name: str
    text_column: str
    labels: list[str] | None
    label_type: str | None
    empty_texts: int  # how many were written as a space


def from_texts(
    texts: Any, labels: Any, *, clean: Callable[[str], str] | None = None, drop_empty: bool = False
) -> Source:
    """The source of `texts` (a sequence of str, length N) and `labels` (None, [N], [N, C] or {name: [N]})."""
    cells = _texts(texts)
    columns, label_type = _label_columns(labels, len(cells))
    for name, values in columns.items():
        _refuse_missing(name, values)
    cells = cleaned(cells, clean, lambda i: f"text {i}")
    return _source(cells, columns, list(columns), label_type, "texts in memory", drop_empty)


def from_frame(
    frame: Any,
    labels: Sequence[str] | None,
    *,
    text_column: str | None = None,
    clean: Callable[[str], str] | None = None,
    drop_empty: bool = False,
) -> Source:
    """The source of a DataFrame: all its columns. Rows whose text or label is missing (NaN, None) are dropped
    as dropna does, and reported."""
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        raise BadColumn(f"two columns of the DataFrame have one name: {', '.join(names)}")
    text = _text_column(names, text_column)
    for name in labels or ():
        if name not in names:
            raise BadColumn(f'the DataFrame has no label column "{name}"', _columns(names, name))
    columns = {
        name: (
            _cells(name, frame.iloc[:, i])
            if name in (labels or ()) and name != text
            else _words(frame.iloc[:, i])
        )
        for i, name in enumerate(names)
    }
    label_type = _type_of_labels([frame.iloc[:, names.index(name)].to_numpy() for name in labels or ()])
    texts = cleaned(columns.pop(text), clean, lambda i: f"the text of row {i} of the DataFrame")
    kept = None if labels is None else list(labels)
    return _source(texts, columns, kept, label_type, "a DataFrame in memory", drop_empty, text)


def from_stored(
    texts: Cells,
    labels: Mapping[str, Cells],
    label_type: str | None,
    file_name: str,
    text_column: str,
) -> Source:
    """The source of stored texts that were cleaned; the text column keeps its name unless a label has it."""
    name = _free_name(text_column, labels)
    return _source(texts, labels, list(labels) or None, label_type, file_name, False, name)


def is_frame(value: Any) -> bool:
    return hasattr(value, "iloc") and hasattr(value, "columns")


def _columns(names: list[str], name: str) -> str:
    return " ".join(filter(None, [did_you_mean(name, names), f"its columns: {', '.join(names)}"]))


def _text_column(names: list[str], given: str | None) -> str:
    if given is not None:
        if given not in names:
            raise BadColumn(f'the DataFrame has no column "{given}"', _columns(names, given))
        return given
    for name in TEXT_COLUMNS:
        if name in names:
            return name
    raise BadColumn(
        f"which column of the DataFrame has the texts? It has: {', '.join(names)}",
        f"say text_column=...; looked for {', '.join(TEXT_COLUMNS)}",
    )


# ---- columns into cells


def _texts(texts: Any) -> Cells:
    if isinstance(texts, (str, bytes)):
        raise BadArgument("texts is one text; give a list of them")
    cells = list(texts.tolist() if hasattr(texts, "tolist") else texts)
    for i, text in enumerate(cells):
        if not isinstance(text, str):
            raise BadArgument(
                f"texts[{i}] is {'missing' if _is_missing(text) else a(text)}, not a str",
                "every text keeps its row: leave out those that are missing, or write them as ''",
            )
    return cells


def _label_columns(labels: Any, rows: int) -> tuple[dict[str, Cells], str | None]:
    if labels is None:
        return {}, None
    if isinstance(labels, Mapping):
        arrays = {str(name): _array(values) for name, values in labels.items()}
    elif is_frame(labels):
        arrays = {str(name): labels[name].to_numpy() for name in labels.columns}
    else:
        arrays = _split(_array(labels), getattr(labels, "name", None))
    for name, values in arrays.items():
        if values.ndim != 1 or len(values) != rows:
            raise BadArgument(f"{rows:,} texts but labels {name!r} of shape {list(values.shape)}")
    return {name: _cells(name, values) for name, values in arrays.items()}, _type_of_labels(
        list(arrays.values())
    )


def _split(array: np.ndarray, name: Any) -> dict[str, np.ndarray]:
    if array.ndim == 1:
        return {name if isinstance(name, str) and name else "label": array}
    if array.ndim == 2 and array.shape[1] > 0:
        return {f"label_{i}" if array.shape[1] > 1 else "label": array[:, i] for i in range(array.shape[1])}
    raise BadArgument(
        f"labels of shape {list(array.shape)}: one value per text, or one row of values per text"
    )


def _array(values: Any) -> np.ndarray:
    """Any column of labels as an array; strings stay Python's, since numpy's would lose NULs at their end."""
    if hasattr(values, "detach"):  # torch's, of any dtype
        values = values.detach().cpu()
        return np.asarray(values.double() if values.is_floating_point() else values)
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    if not isinstance(values, np.ndarray) and any(isinstance(v, str) or v is None for v in values):
        return np.array(list(values), dtype=object)
    return np.asarray(values)


def _type_of_labels(arrays: list[np.ndarray]) -> str | None:
    """Fractions are numbers to learn, not names of classes: "float"; for all else the daemon decides by
    value.
    """
    for values in arrays:
        if values.dtype.kind == "f" and bool(np.any(values[np.isfinite(values)] % 1 != 0)):
            return "float"
    return None


def _words(column: Any) -> Cells:
    """As astype(str) has them, but for what is missing."""
    return [None if _is_missing(v) else str(v) for v in column.tolist()]


def _cells(name: str, values: Any) -> Cells:
    array = values if isinstance(values, np.ndarray) else values.to_numpy()
    if array.dtype.kind == "b":
        return ["1" if v else "0" for v in array.tolist()]
    if array.dtype.kind in "iu":
        return [str(v) for v in array.tolist()]
    if array.ndim != 1:
        raise BadArgument(f"column {name!r} has the shape {list(array.shape)}; it must be one value per row")
    return [_cell(v) for v in array.tolist()]


def _cell(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if _is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "1" if value else "0"
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value.item() if hasattr(value, "item") else value)


def _is_missing(value: Any) -> bool:
    """None, NaN, NaT, pandas.NA: what is not equal to itself."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)


def _refuse_missing(name: str, values: Cells) -> None:
    for i, value in enumerate(values):
        if value is None or value == "":
            raise BadLabel(
                f"labels {name!r}: the label of text {i} is missing",
                "every text keeps its row: give all of them labels, or leave those texts out",
            )


# ---- cells into bytes


_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,6})\.[0-9]{1,6}")


def are_read_as_numbers(texts: Cells) -> bool:
    """Whether the daemon, as pandas does, takes a whole column for numbers and may write some of them otherwise:
    "00" as "0", and "1" as "1.0" beside a missing one.
    """
    given = [text for text in texts if text is not None]
    if not given or not all(map(_is_number, given)):
        return False
    if len(given) == len(texts) and all(map(_INTEGER.fullmatch, given)):
        return False
    return not all(_DECIMAL.fullmatch(text) and repr(float(text)) == text for text in given)


def _is_number(text: str) -> bool:
    word = text.strip(" \t\n\r\v\f")
    if word.lower() in ("true", "false"):
        return True
    try:
        float(word)
    except ValueError:
        return False
    return word.isascii() and "_" not in word  # which only Python takes


def _refuse_numbers(name: str, texts: Cells) -> None:
    if are_read_as_numbers(texts):
        raise BadText(
            f"every text of {name!r} is a number, and a column of numbers is read as such: "
            "some would be changed (00 to 0)",
            "texts that are not all numbers are kept as they are; give numbers in their shortest form",
        )


def _source(
    texts: Cells,
    columns: Mapping[str, Cells],
    labels: list[str] | None,
    label_type: str | None,
    file_name: str,
    drop_empty: bool,
    text_column: str | None = None,
) -> Source:
    text_column = text_column or _free_name("text", columns)
    empty = 0 if drop_empty else texts.count("")
    if empty:
        texts = [" " if t == "" else t for t in texts]
    _refuse_numbers(text_column, texts)
    data = _csv({text_column: texts, **columns})
    return Source(data, file_name, text_column, labels or None, label_type, empty)


def _free_name(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name = f"{name}_"
    return name


def cleaned(texts: Cells, clean: Callable[[str], str] | None, place: Callable[[int], str]) -> Cells:
    """clean(text) of all texts that there are; place(i) names the i-th for people."""
    if clean is None:
        return texts
    return [None if t is None else _clean_one(clean, t, i, place) for i, t in enumerate(texts)]


def _clean_one(clean: Callable[[str], str], text: str, i: int, place: Callable[[int], str]) -> str:
    try:
        result = clean(text)
    except Exception as error:
        sentence = f"hsfeed: clean failed on {place(i)}"
        if not hasattr(error, "add_note"):  # before Python 3.11
            raise BadArgument(f"{sentence}: {error!r}") from error
        error.add_note(sentence)
        raise
    if not isinstance(result, str):
        raise BadArgument(f"clean made {a(result)} of {place(i)}; it must give a str")
    return result


def _csv(columns: Mapping[str, Cells]) -> bytes:
    """All cells quoted: a quoted cell is taken as it is, whatever is in it."""
    quoted = [
        ['"' + cell.replace('"', '""') + '"' if cell else "" for cell in cells] for cells in columns.values()
    ]
    if len(quoted) == 1:  # an empty line would be no row
        quoted[0] = [cell or '""' for cell in quoted[0]]
    head = ",".join('"' + name.replace('"', '""') + '"' for name in columns)
    text = "\n".join([head, *map(",".join, zip(*quoted)), ""])
    if "\0" in text:
        _refuse(columns, "\0", "a NUL character")
    try:
        return text.encode()
    except UnicodeEncodeError:
        _refuse(columns, "[\ud800-\udfff]", "half of a surrogate pair, which is no character")
        raise


def _refuse(columns: Mapping[str, Cells], pattern: str, what: str) -> None:
    for name, cells in columns.items():
        if re.search(pattern, name):
            raise BadText(f"the name of column {name!r} has {what}")
        for i, cell in enumerate(cells):
            found = re.search(pattern, cell) if cell else None
            if found:
                raise BadText(
                    f"column {name!r}, row {i}: the text has {what} "
                    f"(U+{ord(found.group()):04X}) at character {found.start()}",
                    "take it out first: text.replace('\\0', ''), or "
                    "text.encode('utf-8', 'replace').decode() for halves of pairs",
                )
