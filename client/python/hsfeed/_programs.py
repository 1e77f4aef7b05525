# SPDX-License-Identifier: Apache-2.0
"""The programs that a wheel brings along, and the console scripts `hsfeed` and `hsfeedd` that become them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

_HERE = Path(__file__).parent
# In a wheel; in a build folder's python/hsfeed.
_PLACES = {
    "hsfeed": (_HERE / "_bin" / "hsfeed", _HERE.parent.parent / "client" / "hsfeed"),
    "hsfeedd": (_HERE / "_bin" / "hsfeedd", _HERE.parent.parent / "daemon" / "hsfeedd"),
}


def find(name: str) -> Path | None:
    """The program that came with this package, or None. name: "hsfeed" or "hsfeedd"."""
    for path in _PLACES[name]:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def _become(name: str) -> NoReturn:
    path = find(name)
    if path is None:
        sys.exit(
            f"{name}: this installation of the Python package brought no {name}: {_PLACES[name][0]} is not there"
        )
    os.execv(path, [name, *sys.argv[1:]])


def hsfeed() -> NoReturn:
    """The command `hsfeed`."""
    _become("hsfeed")


def hsfeedd() -> NoReturn:
    """The daemon `hsfeedd`, in the foreground."""
    _become("hsfeedd")
