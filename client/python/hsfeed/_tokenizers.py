# SPDX-License-Identifier: Apache-2.0
"""What may stand for a tokenizer: a folder, a hub name in the local cache, or a tokenizer object."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .errors import BadArgument, a

DEFAULT_ROLE = "text"


@contextmanager
def resolved(tokenizers: Any, normalize: str | Mapping[str, str] | None) -> Iterator[list[dict[str, str]]]:
    """Yields one dict(role, name, folder?, normalize?) per tokenizer; objects lie in temporary folders
    meanwhile.
    """
    by_role = _by_role(tokenizers)
    if isinstance(tokenizers, (list, tuple)):
        raise BadArgument("several tokenizers need roles", "tokenizers={'teacher': ..., 'student': ...}")
    for role in normalize if isinstance(normalize, Mapping) else ():
        if role not in by_role:
            raise BadArgument(f"normalize names the role {role!r}, which has no tokenizer here")
    with ExitStack() as stack:
        yield [_resolve(str(role), one, normalize, stack) for role, one in by_role.items()]


def roles_of(tokenizers: Any) -> list[str]:
    """The roles that `tokenizers=` names, in its order."""
    return [str(role) for role in _by_role(tokenizers)]


def _by_role(tokenizers: Any) -> Mapping[Any, Any]:
    return tokenizers if isinstance(tokenizers, Mapping) else {DEFAULT_ROLE: tokenizers}


def _resolve(
    role: str, tokenizer: Any, normalize: str | Mapping[str, str] | None, stack: ExitStack
) -> dict[str, str]:
    entry = {"role": role}
    if isinstance(tokenizer, (str, os.PathLike)):
        entry["name"] = os.fspath(tokenizer)
    else:
        folder = stack.enter_context(TemporaryDirectory(prefix="hsfeed-tokenizer-"))
        entry["name"] = _save(tokenizer, folder, role)
        entry["folder"] = folder
    form = normalize.get(role) if isinstance(normalize, Mapping) else normalize
    if form is not None:
        entry["normalize"] = form
    return entry


def _save(tokenizer: Any, folder: str, role: str) -> str:
    """Writes a tokenizer object's files as Hugging Face lays them out; returns a name to show."""
    if hasattr(tokenizer, "save_pretrained"):  # transformers
        tokenizer.save_pretrained(folder)
        return str(getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__)
    if hasattr(tokenizer, "to_str") and hasattr(tokenizer, "save"):  # tokenizers.Tokenizer
        (Path(folder) / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
        return f"{type(tokenizer).__module__.split('.')[0]}.{type(tokenizer).__name__} object"
    raise BadArgument(
        f"the tokenizer of role {role!r} is {a(tokenizer)}",
        "give a folder, a hub name in the local cache, or a tokenizer of transformers or tokenizers",
    )
