# SPDX-License-Identifier: Apache-2.0
"""libhsfeed for Python: connections, and batches as tensors over its memory. hsfeed's own; programs use hsfeed."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Generic, TypeVar, final

from typing_extensions import Buffer, CapsuleType

_Path = str | bytes | PathLike[str] | PathLike[bytes]
_Value = dict[str, Any]
_Progress = Callable[[str, int, int], object]
_BatchT = TypeVar("_BatchT", bound=dict[str, Any])
Capsule = CapsuleType  # at run time too, in every Python

def version() -> str:
    """libhsfeed's version."""

def errors() -> dict[str, int]:
    """The number of each error's stable symbol: {"not_found": -1006, ...}."""

def set_error_factory(factory: Callable[[int, str, str, str], BaseException] | None, /) -> None:
    """factory(number, name, message, hint) makes the exception of every error of libhsfeed's; None: RuntimeError.

    Options of a wrong name or type are TypeError, ValueError or OverflowError in any case.
    """

@final
class Client:
    """A connection. Any thread may call; calls wait for each other, without the GIL, and Ctrl-C ends them.

    What a callback raises comes out of the call that it was called from. Callbacks cannot use their own connection
    (bad_argument). In a forked child every call is refused (forked).
    """

    def __new__(
        cls,
        socket: _Path | None = None,
        client: str | None = None,
        timeout_ms: int = 0,
        on_notice: Callable[[str, _Value], object] | None = None,
    ) -> Client:
        """socket: None searches, as hsfeed_connect. client: for the daemon's log. timeout_ms: of every call; 0: 60,000.

        on_notice(name, params) is called from within any call; what it raises is reported and dropped.
        """

    @property
    def hello(self) -> _Value:
        """The daemon's greeting."""

    @property
    def peer(self) -> tuple[str, int, int]:
        """(path, pid, uid) of who listens, as the kernel says; pid is 0 where it cannot be seen."""

    def fileno(self) -> int:
        """To wait on for notices and the end, never to read; -1 after the connection was lost."""

    def call(self, method: str, params: Mapping[str, Any] | None = None, timeout_ms: int = 0) -> _Value:
        """Any request of PROTOCOL.md but stream.* and file.attach.

        params may have dict, list, tuple, str, int, float, bool and bytes-like values; None is left out.
        timeout_ms: 0 the client's, < 0 none.
        """

    def ingest(self, options: Mapping[str, Any], progress: _Progress | None = None) -> _Value:
        """hsfeed_ingest. options: the fields of hsfeed_ingest_options by name; None is left out.

        path, file_name, folder: str, bytes or PathLike. data: bytes-like. labels: list of str; None or []: unlabelled;
        left out: the daemon decides. header: bool. tokenizers: list of dicts (role, name, folder, revision, normalize).
        progress(stage, done, total) is called about ten times a second; what is true cancels.
        """

    def add(self, options: Mapping[str, Any], progress: _Progress | None = None) -> _Value:
        """hsfeed_add, with options as ingest: name, tokenizers, timeout_ms."""

    def why(self, options: Mapping[str, Any], progress: _Progress | None = None) -> _Value:
        """hsfeed_why, with options as ingest."""

    def attach(self, options: Mapping[str, Any], progress: _Progress | None = None) -> _Value:
        """hsfeed_attach. options: the fields of hsfeed_attach_options by name (but has_fd, fd); None is left out.

        data: bytes-like, C-contiguous; columns left out: one number per row. progress as ingest.
        """

    def verify(self, name: str | None = None, progress: _Progress | None = None, timeout_ms: int = 0) -> _Value:
        """hsfeed_verify."""

    def open(self, options: Mapping[str, Any], /) -> Stream[Any]:
        """hsfeed_stream_open. options: the fields of hsfeed_stream_options by name; None is left out.

        plan: dict, PLAN of PROTOCOL.md. roles: list of dicts (role, max_length, encoding).
        arrays: list of dicts (array, id). dtype: "int64" or "int32". padding: str or int. transport: "ring", "inline".
        rows: int64, contiguous. mask_roles: list of str. weights: list of dicts (label, weight).
        """

    def reopen(self, stream: Stream[_BatchT], /) -> Stream[_BatchT]:
        """hsfeed_stream_reopen: the same version and options, behind the last batch that was taken, configured alike.

        The old stream must not be closed yet, nor its Client; its connection may be lost. Close it afterwards.
        """

    def close(self) -> None:
        """Ends the connection and its streams. Tensors keep their memory."""

@final
class Stream(Generic[_BatchT]):
    """One client's window on the batches of an epoch. It keeps its connection; a batch's tensors keep neither.

    A tensor over a slot keeps the slot until its storage dies, in whatever thread. At most slots - 2 slots are out so;
    a batch beyond that is a private copy.
    """

    @property
    def info(self) -> _Value:
        """The daemon's answer to the opening."""

    @property
    def transport(self) -> str:
        """"ring" or "inline"."""

    @property
    def slots(self) -> int:
        """How many batches may be ahead or held."""

    @property
    def held(self) -> int:
        """Slots that tensors are over now."""

    @property
    def memory(self) -> tuple[int, int] | None:
        """(address, bytes) of the memory in which all batches of a ring lie; None without one."""

    def configure(
        self,
        batch_type: type[_BatchT],
        from_dlpack: Callable[[CapsuleType], Any],
        copied: Sequence[str] = ("labels",),
        unkeyed: Sequence[str] = ("index",),
        auto_release: bool = True,
        on_copies: Callable[[], object] | None = None,
        lazy: Sequence[str] = (),
    ) -> None:
        """What next() makes.

        batch_type   subclass of dict, called without arguments. Attributes are set: number, epoch, at (the position
                     after the batch), rows, copied (all its arrays are copies), and one for each array in `unkeyed`
        from_dlpack  makes a tensor of a capsule "dltensor"
        copied       arrays that are copies always, each in memory of its own
        on_copies    called once, at the first batch that had to be copied whole
        lazy         arrays of which no tensor is made: the attribute _NAME is set to the capsule instead
        """

    def next(self, timeout_ms: int = -1) -> _BatchT | None:
        """The next batch; None at the end of the epoch, again and again until a seek. timeout_ms: < 0 no limit.

        timeout: nothing came in time. What from_dlpack or batch_type raises comes through; the batch is lost then, and
        next() refuses (bad_argument) until a seek.
        """

    def seek(self, epoch: int, at: int = 0, seed: int | None = None, rows: Buffer | None = None) -> _Value:
        """hsfeed_stream_seek. rows: int64, contiguous. What seek_ahead asked for is not asked for again."""

    def seek_ahead(self, epoch: int, at: int = 0, seed: int | None = None) -> None:
        """hsfeed_stream_seek_ahead: the batches there are made meanwhile.

        next() waits for the answer and raises a refusal; a seek() forgets that. After a lost batch next() refuses until
        a seek(), be it to the same place.
        """

    def fileno(self) -> int:
        """To wait on for batches, never to read; call next(0) first, since batches may be here already.

        Another one until the answer to seek_ahead is there: ask before each wait.
        """

    def close(self) -> None:
        """Closes the stream. Tensors keep their memory."""

    def set_auto_release(self, on: bool, /) -> None:
        """Whether a slot goes back when its last tensor dies, or waits for give_back."""

    def take_returned(self) -> list[int]:
        """Slots whose last tensor died and that were not given back; each is told once."""

    def give_back(self, slots: Sequence[int], /) -> None:
        """Slots of take_returned may be filled again. ValueError: one of them waits for nothing."""
