# SPDX-License-Identifier: Apache-2.0
"""Database: a connection to hsfeedd, and what can be asked of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from . import _clean, _hsfeed, _report, _sources, _tokenizers
from ._options import SOURCE_HINTS, check_timeout, refuse_unknown
from ._progress import Progress, finish, meter
from .dataset import Dataset
from .errors import BadArgument, ConnectionLost, NoDaemon, NotFound, a

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped, unused-ignore]

log = logging.getLogger("hsfeed")

_UNSET: Any = type("Unset", (), {"__repr__": lambda self: "not given"})()
Clean = Union[str, Sequence[str], Callable[[str], str]]
MOST_MS = 2**31 - 1  # of a timeout
_AS_GIVEN = _report.Prepared()
FOR_FILES = ("delimiter", "header", "charset", "bad_rows")  # options that only a file's bytes have


class Database:
    """A connection to a daemon; `hsfeed.connect()` makes one. Threads may share it: calls wait for each
    other.

    A context manager: leaving it closes the connection. Loaders have connections of their own and go on.
    db["hate"] is db.dataset("hate"); list(db) has the names. Unpickling one, or a Dataset, connects anew to
    the same socket.

    socket  path of the daemon's socket        pid  its process (0 where that cannot be seen)
    """

    def __init__(
        self,
        socket: str | None = None,
        *,
        timeout: float = 60.0,
        start_again: Callable[[], object] | None = None,
    ) -> None:
        """start_again: starts the daemon where it is gone; None: that is not for this process to do."""
        self._timeout = check_timeout(timeout)
        self._timeout_ms = int(min(MOST_MS, max(1, self._timeout * 1000)))
        self.start_again = start_again
        self.socket: str = socket or "the default places"
        self._client = self._connect(socket)
        self.socket = self._client.peer[0]

    def _connect(self, socket: str | None) -> _hsfeed.Client:
        return _hsfeed.Client(
            socket=socket,
            client=f"hsfeed for Python {_hsfeed.version()}, pid {os.getpid()}",
            timeout_ms=self._timeout_ms,
            on_notice=_on_notice,
        )

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hsfeed.Database at {self.socket}>"

    def __reduce__(self) -> Any:
        return (_open, (self.socket, self._timeout))

    def __getitem__(self, name: str) -> Dataset:
        return self.dataset(name)

    def __iter__(self) -> Iterator[str]:
        return (str(stored["name"]) for stored in self.datasets())

    def close(self) -> None:
        """Ends the connection. Calls after this raise ConnectionLost."""
        self._client.close()
        self._timeout_ms = 0

    @property
    def pid(self) -> int:
        return int(self._client.peer[1])

    def _again(self, ask: Callable[[_hsfeed.Client], dict[str, Any]]) -> dict[str, Any]:
        """Asks; where the daemon was restarted since, connects anew and asks once more."""
        try:
            return ask(self._client)
        except ConnectionLost:
            if self._timeout_ms == 0:  # closed by the user
                raise
            self._client = self._connect_again()
        return ask(self._client)

    def _connect_again(self) -> _hsfeed.Client:
        try:
            return self._connect(self.socket)
        except (NoDaemon, ConnectionLost):  # there is none, or it is just ending
            if self.start_again is None:
                raise
            self.start_again()
        return self._connect(self.socket)

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, wait: bool = False
    ) -> dict[str, Any]:
        """Any request of the protocol: the answer as a dict. For what has no method here yet.

        wait: for as long as it takes, and not only for the timeout of the connection.
        """
        return self._again(lambda client: client.call(method, dict(params or {}), -1 if wait else 0))

    def call_once(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """As call, but never asked twice, for what would find its own work done. ConnectionLost: it may be."""
        self.call("ping")  # a connection that was lost before is found so
        return self._client.call(method, dict(params))

    # ---- what is stored

    def datasets(self) -> list[dict[str, Any]]:
        """What is stored: a list of {name, owner, version, versions, rows, labels, roles, bytes,
        created_ms}.
        """
        return list(self.call("datasets")["datasets"])

    def dataset(self, name: str) -> Dataset:
        """A stored dataset: `name`, or `name@VERSION` by at least 4 hex digits. Its version is pinned from
        here on.

        NotFound: there is none; the sentence names what there is.
        """
        return Dataset(self, self.call("show", {"name": name}))

    def versions(self, name: str) -> list[dict[str, Any]]:
        """A dataset's versions: [{version, current, rows, created_ms, bytes, file_name, roles, open}]."""
        return list(self.call("versions", {"name": name})["versions"])

    def status(self) -> dict[str, Any]:
        """What the daemon does, stores and has served."""
        return self.call("status")

    def remove(self, name: str | Dataset) -> dict[str, Any]:
        """Removes one version (`name@VERSION`, or a Dataset: its version) or a whole dataset.

        {removed: [version], pending: files in use, bytes}.
        Files that a loader has open go when it closes. NotFound, Denied.
        """
        return self.call_once("rm", {"name": name.ref if isinstance(name, Dataset) else name})

    def verify(self, name: str | None = None, *, progress: Progress = None) -> dict[str, Any]:
        """Reads stored files and compares their checksums: {files: [{file, ok, problem, ...}], ok}.

        Damage is an answer, not an exception: look at `ok`.
        """
        return self._with_progress(
            progress, "verify", lambda client, told: client.verify(name, progress=told)
        )

    # ---- ingest, add, why

    def ingest(
        self,
        name: str,
        file: str | os.PathLike[str] | pandas.DataFrame | None = None,
        *,
        texts: Any = None,
        labels: Any = _UNSET,
        data: pandas.DataFrame | None = None,
        tokenizers: Any = None,
        text_column: str | None = None,
        clean: Clean | None = None,
        normalize: str | Mapping[str, str] | None = None,
        delimiter: str | None = None,
        header: bool | None = None,
        charset: str | None = None,
        na: str | None = None,
        bad_rows: str | None = None,
        drop_empty: bool = False,
        positive: str | None = None,
        label_type: str | None = None,
        progress: Progress = None,
        quiet: bool = False,
        **unknown: Any,
    ) -> Dataset:
        """Makes a version of dataset `name` from a source and tokenizers. The same again does nothing.

        The source is one of
          file          a CSV or TSV
          data          a DataFrame (also as `file`); rows without text or label are dropped, as dropna does
          texts         a sequence of N str, with labels=: N values, an array [N] or [N, C], {name: values},
                        or None. Every text keeps its row, whatever it says; an empty one is stored as one
                        space
        labels          for file and data: the names of the label columns (one may be a str); None:
                        unlabelled. Arrays may be numpy's, torch's, pandas' or lists; of numbers, bools or
                        strings
        tokenizers      {role: tokenizer}, or one (role "text"): a folder, a hub name in the local cache, or a
                        tokenizer of transformers or tokenizers. The first is the Dataset's default role
        text_column     found by name (Comments, text, content, ...) unless given
        clean           steps in order, of "urls", "whitespace", "latin", "remove:TEXT", "data.py"; or a
                        function from str to str: then what it makes is the source (in memory: no line numbers
                        of the file, no other columns), and the bytes of that are the identity, never the code
        normalize       "nfc" or "nfkc" before tokenizing, for all roles or {role: form}
        delimiter, header, charset, bad_rows     how a file is read; see `hsfeed help ingest`
        na              "pandas" | "pandas1" | "empty": which cells are missing. Default: pandas' words for a
                        file, only empty cells for data in memory
        drop_empty      drop rows whose cleaned text is empty
        positive        the label value that counts as 1, all others as 0
        label_type      "class" | "float" forces the type of labels
        progress        True, False, None (a bar where stderr is a terminal), or f(stage, done, total) that
                        may return True to cancel (Cancelled)
        quiet           say nothing on stderr about what was done with the rows and chosen by default

        Raises BadSource's subclasses (what is wrong, with file, line and column); for tokenizers NotFound,
        BadTokenizer (damaged) and Unsupported (of another kind); MissingFile, BadArgument, Cancelled. In every
        case nothing was stored.
        """
        refuse_unknown("ingest", unknown, Database.ingest.__annotations__, SOURCE_HINTS)
        options = {
            "name": name, "text_column": text_column, "delimiter": delimiter, "header": header,
            "charset": charset, "na": na, "bad_rows": bad_rows, "drop_empty": drop_empty,
            "positive": positive, "label_type": label_type,
        }  # fmt: skip
        given = {"file": file, "texts": texts, "data": data}
        self._remove_left_over(name)
        done = self._put_source(options, given, labels, clean, progress)
        answer = self._with_tokenizers("ingest", options, tokenizers, normalize, progress)
        ds = self._made(answer, tokenizers, quiet, done)
        others = [role for role in ds.roles if role not in _tokenizers.roles_of(tokenizers)]
        if others:
            names = ", ".join(others)
            _report.warn(f"{ds.name} has other roles from before: {names}; the default here is {ds.roles[0]}")
        return ds

    def add(
        self,
        name: str | Dataset,
        tokenizers: Any,
        *,
        normalize: str | Mapping[str, str] | None = None,
        progress: Progress = None,
        quiet: bool = False,
    ) -> Dataset:
        """More encodings of a stored dataset, from its stored texts. A role given another tokenizer moves and
        says so.

        Arguments as `ingest`. NotFound, BadTokenizer, Unsupported (a tokenizer of another kind, or a version
        that is not the current one), Corrupt (the stored texts do not match their checksums).
        """
        options = {"name": name.ref if isinstance(name, Dataset) else name}
        answer = self._with_tokenizers("add", options, tokenizers, normalize, progress)
        return self._made(answer, tokenizers, quiet)

    def _made(
        self, answer: Mapping[str, Any], tokenizers: Any, quiet: bool, done: _report.Prepared = _AS_GIVEN
    ) -> Dataset:
        """The dataset of an answer to ingest or add, which says what was done."""
        ref = f"{answer['dataset']}@{answer['version']}"
        ds = Dataset(self, self.call("show", {"name": ref}), _tokenizers.roles_of(tokenizers))
        if not quiet:
            _report.say(*_report.ingest_lines(answer, done, ds.roles))
        return ds

    def why(
        self,
        name: str,
        file: str | os.PathLike[str] | pandas.DataFrame | None = None,
        *,
        texts: Any = None,
        labels: Any = _UNSET,
        data: pandas.DataFrame | None = None,
        tokenizers: Any = None,
        clean: Clean | None = None,
        normalize: str | Mapping[str, str] | None = None,
        progress: Progress = None,
        **options: Any,
    ) -> dict[str, Any]:
        """What an ingest with these arguments would change, beside what is stored; stores nothing.

        {version, current, same, changes: [{what, stored, given}], roles: [{role, encoding, current, same,
        changes}]}.
        """
        unknown = {key: value for key, value in options.items() if key not in _INGEST_OPTIONS}
        refuse_unknown("why", unknown, Database.ingest.__annotations__, SOURCE_HINTS)
        asked = {"name": name, **options}
        self._put_source(
            asked, {"file": file, "texts": texts, "data": data}, labels, clean, progress
        )
        return self._with_tokenizers("why", asked, tokenizers, normalize, progress)

    def _with_tokenizers(
        self, method: str, options: Mapping[str, Any], tokenizers: Any, normalize: Any, progress: Progress
    ) -> dict[str, Any]:
        if tokenizers is None and method != "why":
            raise BadArgument(
                f"{method} needs tokenizers", "tokenizers='folder', or {'teacher': ..., 'student': ...}"
            )
        with _tokenizers.resolved({} if tokenizers is None else tokenizers, normalize) as entries:
            asked = {key: value for key, value in options.items() if value is not None}
            if options.get("labels", _UNSET) is None:
                asked["labels"] = None  # unlabelled
            asked["tokenizers"] = entries
            return self._with_progress(
                progress,
                str(options["name"]),
                lambda client, told: getattr(client, method)(asked, progress=told),
            )

    def _with_progress(
        self, progress: Progress, title: str, ask: Callable[[_hsfeed.Client, Any], dict[str, Any]]
    ) -> dict[str, Any]:
        told = meter(progress, title)
        try:
            return self._again(lambda client: ask(client, told))
        finally:
            finish(told)

    # ---- sources

    def _put_source(
        self,
        options: dict[str, Any],
        given: dict[str, Any],
        labels: Any,
        clean: Clean | None,
        progress: Progress,
    ) -> _report.Prepared:
        """Completes ingest's options by its source."""
        if _sources.is_frame(given["file"]):
            given["data"], given["file"] = given["file"], None
        kinds = [key for key, value in given.items() if value is not None]
        if len(kinds) != 1:
            raise BadArgument(
                f"give one source: a file, texts= or data=; given: {', '.join(kinds) or 'none'}"
            )
        if not callable(clean):
            options["clean"] = [clean] if isinstance(clean, str) else list(clean or []) or None
        function = clean if callable(clean) else None
        if kinds != ["file"]:
            source = _source_in_memory(options, given, labels, function)
            return _report.Prepared(_put(options, source), function is not None)
        options["path"] = _path(given["file"])
        options["labels"] = _column_names(labels)
        if function is None:
            return _report.Prepared()
        return self._put_cleaned(options, function, progress)

    def _put_cleaned(
        self, options: dict[str, Any], function: Callable[[str], str], progress: Progress
    ) -> _report.Prepared:
        """The file's rows as the daemon reads them, cleaned here."""
        path = str(options["path"])
        raw = self._store_uncleaned(options, progress)
        try:
            source = _clean.source_of(raw, path, function)
        finally:
            self.call("rm", {"name": raw.name})
        options.update(na="empty", positive=None)  # what these decide is decided
        return _report.Prepared(_put(options, source), True, path, raw.info["version_info"])

    def _remove_left_over(self, name: str) -> None:
        """What a process that was killed while it cleaned left behind."""
        for left in _clean.left_over(name, self.datasets()):
            try:
                self.call("rm", {"name": left})
            except NotFound:  # another process was faster
                pass

    def _store_uncleaned(self, options: dict[str, Any], progress: Progress) -> Dataset:
        """The source under a name of its own for a moment, without any tokenizer."""
        name = _clean.name_for_a_moment(str(options["name"]))
        asked = {**options, "name": name, "drop_empty": None}
        answer = self._with_tokenizers("ingest", asked, {}, None, progress)
        return Dataset(self, self.call("show", {"name": f"{name}@{answer['version']}"}))


_INGEST_OPTIONS = (*FOR_FILES, "text_column", "na", "drop_empty", "positive", "label_type")


def _open(socket: str, timeout: float) -> Database:
    return Database(socket, timeout=timeout)


def _column_names(labels: Any) -> list[str] | None:
    if labels is _UNSET:
        raise BadArgument(
            "which columns are the labels?", "labels=['HateSpeech'], or labels=None for unlabelled"
        )
    if labels is None:
        return None
    names = [labels] if isinstance(labels, str) else list(labels)
    for name in names:
        if not isinstance(name, str):
            raise BadArgument(f"labels names columns here; {name!r} is no name")
    return names


def _path(file: Any) -> str:
    if not isinstance(file, (str, os.PathLike)):
        raise BadArgument(f"file is a path, not {a(file)}", "texts in memory: texts=..., labels=...")
    return os.path.expanduser(os.fspath(file))


def _source_in_memory(
    options: Mapping[str, Any],
    given: Mapping[str, Any],
    labels: Any,
    function: Callable[[str], str] | None,
) -> _sources.Source:
    """The source of texts= or data=."""
    for key in FOR_FILES:
        if options.get(key) is not None:
            raise BadArgument(f"{key} is for files; what is in memory needs none")
    drop_empty = bool(options.get("drop_empty"))
    if given["texts"] is not None:
        wanted = None if labels is _UNSET else labels
        return _sources.from_texts(given["texts"], wanted, clean=function, drop_empty=drop_empty)
    return _sources.from_frame(
        given["data"],
        _column_names(labels),
        text_column=options.get("text_column"),
        clean=function,
        drop_empty=drop_empty,
    )


def _put(options: dict[str, Any], source: _sources.Source) -> int:
    for key in (*FOR_FILES, "path"):
        options.pop(key, None)
    options.update(
        data=source.data, file_name=source.file_name, text_column=source.text_column, labels=source.labels
    )
    options["na"] = options.get("na") or "empty"
    options["label_type"] = options.get("label_type") or source.label_type
    return source.empty_texts


def _on_notice(name: str, params: Mapping[str, Any]) -> None:
    if name == "dataset.moved":
        log.info("%s moved to version %s", params.get("name"), _report.short(str(params.get("version"))))
