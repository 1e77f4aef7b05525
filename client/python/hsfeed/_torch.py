# SPDX-License-Identifier: Apache-2.0
"""torch, imported when it is first needed; and the batch that loaders yield."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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


class Batch(_Tensors):
    """One batch: a dict of tensors that goes straight into `model(**batch)`.

    Its keys are input_ids and attention_mask [B, L] int64 (int32 on request), token_type_ids on request, the
    same with `ROLE_` before for further roles, and labels float32 [B, C] or int64 [B] where the dataset has
    them. Attributes:

    index    int64 [B], the row numbers; on the CPU, and never a key
    number   of the batch in its epoch, from 0       epoch   which epoch it is of
    rows     B                                       at      the position after it: samples dealt to all ranks
    copied   whether all its tensors are private copies. labels and index always are; the others are views of
             memory that is filled again once the last of them is gone. Keep what you like: it never changes
    """

    __slots__ = ("number", "epoch", "at", "rows", "index", "copied", "__weakref__")

    number: int
    epoch: int
    at: int
    rows: int
    index: torch.Tensor
    copied: bool

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
