# SPDX-License-Identifier: Apache-2.0
"""torch, imported when it is first needed; and the batch that loaders yield."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _hsfeed
from .errors import BadArgument, MissingLibrary

if TYPE_CHECKING:
    import torch

    _Tensors = dict[str, torch.Tensor]
else:
    _Tensors = dict


def require(what: str) -> Any:
    """The module torch. MissingLibrary: it cannot be imported."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise MissingLibrary(
            f"{what} needs torch, which cannot be imported: {error}", "pip install torch"
        ) from error


def optional() -> Any:
    """The module torch, or None where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def device(given: Any) -> Any:
    """A torch.device that is there, or BadArgument."""
    torch_module = require("a loader")
    try:
        found = torch_module.device(given)
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadArgument(f"{given!r} is no device: {error}", 'to("cuda"), to("cuda:1"), to("cpu")') from None
    if found.type == "cuda" and not torch_module.cuda.is_available():
        raise BadArgument(
            f"there is no {found}: torch sees no CUDA here", 'leave out to("cuda"), or to("cpu")'
        )
    return found


def from_dlpack(torch_module: Any) -> Callable[[Any], Any]:
    """What makes a tensor of a DLPack capsule, in one call of C where torch has it under a name of its
    own.
    """
    direct = getattr(torch_module._C, "_from_dlpack", None)
    if callable(direct):
        return direct  # type: ignore[no-any-return]
    return torch_module.utils.dlpack.from_dlpack  # type: ignore[no-any-return]


# Few read a batch's index, and making a tensor takes a tenth of the time that a batch takes: it is made when it is
# read. A thread may take the lock twice, since what runs while a tensor is made may read the index of another batch.
_making = threading.RLock()


class Batch(_Tensors):
    """One batch: a dict of tensors that goes straight into `model(**batch)`.

    Its keys are input_ids and attention_mask [B, L] int64 (int32 on request), token_type_ids on request, the
    same with `ROLE_` before for further roles, labels float32 [B, C] or int64 [B] where the dataset has
    them, and weight float32 [B] on request. Attributes:

    index    int64 [B], the row numbers; on the CPU, and never a key. Made when it is first read
    number   of the batch in its epoch, from 0       epoch   which epoch it is of
    rows     B                                       at      the position after it: samples dealt to all ranks
    copied   whether all its tensors are private copies. labels and index always are; the others are views of
             memory that is filled again once the last of them is gone. Keep what you like: it never changes
    """

    __slots__ = ("number", "epoch", "at", "rows", "_index", "copied", "__weakref__")

    number: int
    epoch: int
    at: int
    rows: int
    _index: Any  # the tensor, or its capsule until somebody reads it
    copied: bool

    @property
    def index(self) -> torch.Tensor:
        index = self._index
        return self._made_index() if type(index) is _hsfeed.Capsule else index

    @index.setter
    def index(self, index: torch.Tensor) -> None:
        self._index = index

    @index.deleter
    def index(self) -> None:
        del self._index

    def _made_index(self) -> torch.Tensor:
        with _making:  # another thread may have made it meanwhile: a capsule gives its tensor once
            if type(self._index) is _hsfeed.Capsule:
                self._index = from_dlpack(require("a batch"))(self._index)
            made: torch.Tensor = self._index
            return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        if hasattr(self, "_index"):
            self._made_index()  # capsules cannot be pickled
        return super().__reduce_ex__(protocol)

    def to(self, device: Any, non_blocking: bool = False) -> Batch:
        """A batch with its tensors on another device (index stays on the CPU)."""
        moved = Batch()
        for name, tensor in self.items():
            moved[name] = tensor.to(device, non_blocking=non_blocking)
        for attribute in ("number", "epoch", "at", "rows", "index"):
            setattr(moved, attribute, getattr(self, attribute))
        moved.copied = True
        return moved

    def clone(self) -> Batch:
        """A batch with copies of all its tensors."""
        copy = Batch({name: tensor.clone() for name, tensor in self.items()})
        for attribute in ("number", "epoch", "at", "rows"):
            setattr(copy, attribute, getattr(self, attribute))
        copy.index = self.index.clone()
        copy.copied = True
        return copy
