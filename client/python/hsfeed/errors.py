# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as exceptions: one class per error code of daemon and C library, all of them
hsfeed.Error.
"""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable

__all__ = ["Error", "error_from"]


class Error(Exception):
    """Any failure of hsfeed.

    code     stable symbol, as in `hsfeed --json`: "not_found", "bad_csv", ...
    number   the C library's negative number; 0 for errors that only the Python package knows
    message  one sentence: what, and where (file, line, column, key)
    hint     the way out; may be empty

    str() is the sentence, and the hint on a line of its own.
    """

    default_code = "internal"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, number: int = 0) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code
        self.number = number
        _set_errno(self, number, message)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.code, self.number))


def _set_errno(error: Exception, number: int, message: str) -> None:
    """OSError's own attributes; it took the sentence for an errno."""
    if isinstance(error, OSError):
        error.errno = -number if -1000 < number < 0 else None
        error.strerror = message


def _rebuild(cls: type[Error], message: str, hint: str, code: str, number: int) -> Error:
    return cls(message, hint, code=code, number=number)


# ---- the connection


class NoDaemon(Error, ConnectionError):
    """No daemon answers: `hsfeed.connect(start=True)` or `hsfeed start` starts one."""

    default_code = "no_daemon"


class ConnectionLost(Error, ConnectionError):
    """The daemon went away, and did not come back in the time given."""

    default_code = "connection_lost"


class ShuttingDown(ConnectionLost):
    """The daemon is stopping."""

    default_code = "shutting_down"


class Timeout(Error, TimeoutError):
    """Nothing came in the time given."""

    default_code = "timeout"


class Forked(Error, RuntimeError):
    """A connection was used in a child of the process that opened it."""

    default_code = "forked"


class VersionMismatch(Error):
    """Package and daemon speak no common protocol version."""

    default_code = "version_mismatch"


class BadFrame(Error):
    """A message is not well-formed; the connection ended."""

    default_code = "bad_frame"


# ---- requests


class BadRequest(Error, ValueError):
    """An option is not what it may be."""

    default_code = "bad_request"


class BadArgument(BadRequest):
    """An argument was refused before the daemon was asked."""

    default_code = "bad_argument"


class UnknownOption(BadArgument, TypeError):
    """There is no such option; the hint says what is meant."""


class UnknownMethod(Error):
    """The daemon is too old for this."""

    default_code = "unknown_method"


class LimitExceeded(Error):
    """A limit of the daemon would be exceeded."""

    default_code = "limit"


class NotFound(Error, LookupError):
    """There is no such dataset, version, role, tokenizer, plan or array; the sentence names what there is."""

    default_code = "not_found"


class Denied(Error, PermissionError):
    """The user may not do that."""

    default_code = "denied"


class Unsupported(Error):
    """A known kind of thing that hsfeed does not support yet: a tokenizer of another model, more encodings of a version
    that is not its dataset's current one.
    """

    default_code = "unsupported"


class Cancelled(Error):
    """The work was cancelled."""

    default_code = "cancelled"


class BadPlan(Error, ValueError):
    """A split plan cannot be made for these rows, or there is no such fold."""

    default_code = "bad_plan"


# ---- sources


class BadSource(Error, ValueError):
    """Something is wrong with what was to be ingested; subclasses tell what. Nothing was stored."""


class BadCsv(BadSource):
    """The records cannot be read."""

    default_code = "bad_csv"


class BadCharset(BadSource):
    """The file is not in the stated charset."""

    default_code = "bad_charset"


class BadColumn(BadSource):
    """A named column is missing or ambiguous."""

    default_code = "bad_column"


class BadLabel(BadSource):
    """A label value cannot be used as asked."""

    default_code = "bad_label"


class NaWords(BadSource):
    """Words that stand for missing values would drop many rows: say na="empty" or na="pandas"."""

    default_code = "na_words"


class NotCsv(BadSource):
    """The file is of another kind."""

    default_code = "not_csv"


class TooLong(BadSource):
    """A text is longer than the store holds."""

    default_code = "too_long"


class NoRows(BadSource):
    """No row is left."""

    default_code = "no_rows"


class BadFile(BadSource):
    """Not a regular file, or it changed while it was read."""

    default_code = "bad_file"


class BadText(BadSource):
    """A text or label in memory cannot be stored: it has a NUL or half of a surrogate pair."""

    default_code = "bad_text"


class BadArray(Error, ValueError):
    """An array's shape, dtype or values are not what can be attached; nothing was stored."""

    default_code = "bad_array"


class BadTokenizer(Error, ValueError):
    """A tokenizer's files are damaged. One of a kind that is not supported yet is Unsupported."""

    default_code = "bad_tokenizer"


# ---- the store, the machine


class Corrupt(Error):
    """Stored bytes differ from their checksum: `hsfeed verify` tells which."""

    default_code = "corrupt"


class ChildFailed(Error):
    """The ingest's process ended without a result."""

    default_code = "child_failed"


class InternalError(Error):
    """A fault of hsfeed's own."""

    default_code = "internal"


class OutOfMemory(Error, MemoryError):
    """The daemon or this process has no memory left."""

    default_code = "out_of_memory"


class SystemFailure(Error, OSError):
    """The system refused: a file cannot be opened, a disk is full. errno tells which."""

    default_code = "io_error"


class MissingFile(SystemFailure, FileNotFoundError):
    """A file or folder is not there."""


class NotPermitted(SystemFailure, PermissionError):
    """The file system does not allow it."""


# ---- only here


class StateMismatch(Error, ValueError):
    """A saved state belongs to another version or other options; the sentence names them."""

    default_code = "state_mismatch"


class PassEnded(Error, RuntimeError):
    """An iterator was used after a newer pass over its loader began."""

    default_code = "pass_ended"


class LeakFound(Error, ValueError):
    """Validation rows have copies among the training rows: Dataset.leaks(fail_on_leak=True).

    leaks    what Dataset.leaks returns
    """

    default_code = "leak_found"

    def __init__(
        self, message: str, hint: str = "", *, code: str | None = None, number: int = 0, leaks: object = None
    ) -> None:
        super().__init__(message, hint, code=code, number=number)
        self.leaks = leaks

    def __reduce__(self) -> tuple[object, ...]:
        return (*super().__reduce__(), {"leaks": self.leaks})


class MissingLibrary(Error, ImportError):
    """An optional library is needed for this and is not installed."""

    default_code = "missing_library"


def a(value: object) -> str:
    """What a value is, for sentences: "an int", "a str"."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question, or nothing where no name is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _all_classes(cls: type[Error]) -> list[type[Error]]:
    return [cls] + [deeper for sub in cls.__subclasses__() for deeper in _all_classes(sub)]


_BY_CODE = {cls.default_code: cls for cls in _all_classes(Error) if "default_code" in vars(cls)}
_BY_CODE.update({"internal": InternalError, "no_space": SystemFailure, "io_error": SystemFailure})
_BY_ERRNO = {
    errno.ENOENT: MissingFile,
    errno.ENOTDIR: MissingFile,
    errno.EACCES: NotPermitted,
    errno.EPERM: NotPermitted,
}


def error_from(number: int, name: str, message: str, hint: str) -> Error:
    """The exception for an error of the C library: its number, stable symbol, sentence and hint."""
    cls = _BY_ERRNO.get(-number) or _BY_CODE.get(name) or Error
    return cls(*_in_python(message, hint), code=name, number=number)


# ---- the command line's options, as Python has them

_WORDS = [
    (r"--labels A,B\b", "labels=['A', 'B']"),
    (r"--labels COLUMN\b", "labels=['COLUMN']"),
    (r"--labels none\b", "labels=None"),
    (r"--labels\b", "labels="),
    (r"--text\b", "text_column="),
    (r"--na (\w+)", r"na='\1'"),
    (r"--kind (\w+)", r"kind='\1'"),
    (r"--bad-rows (\w+)", r"bad_rows='\1'"),
    (r"--label-type (class|float)\b", r"label_type='\1'"),
    (r"--(charset|delimiter) ([^\s,]+)", r"\1='\2'"),
    (r"--(charset|delimiter|positive)\b", r"\1="),
    (r"\bhsfeed add \S+ --tokenizer (\S+)=DIR", r"ds.add('FOLDER', role='\1')"),
    (r"\bhsfeed datasets lists", "db.datasets() lists"),
    (r"\bhsfeed versions (\S+) lists", r"db.versions('\1') lists"),
    (r"\bhsfeed rm of", "db.remove of"),
]
_UNKNOWN_VALUE = re.compile(r'[\w.]+: the key "(?:[^"]*\.)?(\w+)" has the unknown value (".*")', re.S)
_NO_COLUMN = re.compile(r'.*: there is no \w+ column "(.*)"; the columns are (.*)', re.S)


def _in_python(message: str, hint: str) -> tuple[str, str]:
    """A sentence and hint of daemon or library, for those who wrote Python."""
    unknown = _UNKNOWN_VALUE.fullmatch(message)
    if unknown and hint.startswith("known: "):
        return f"{unknown[1]} is one of {', '.join(hint.split()[1:])}, not {unknown[2]}", ""
    missing = _NO_COLUMN.fullmatch(message)
    question = did_you_mean(missing[1], re.findall('"(.*?)"', missing[2])) if missing else ""
    if message.startswith("--"):
        message = _translated(message)
    return message, " ".join(filter(None, [question, _translated(hint)]))


def _translated(text: str) -> str:
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text


__all__ += sorted({cls.__name__ for cls in _all_classes(Error)} - set(__all__))
