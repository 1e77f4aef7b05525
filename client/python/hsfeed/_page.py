# SPDX-License-Identifier: Apache-2.0
"""The page that `hsfeed report` writes, from Python: the packaged command, with a plan as its options."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._check import real
from ._plans import SIMILARITY
from .errors import BadArgument, Error, NoDaemon

# A plan's keys, each the option of the command that says the same.
_OPTIONS = {
    "name": "--plan", "kind": "--kind", "folds": "--folds", "fold_seed": "--fold-seed", "rule": "--rule",
    "column": "--fold-column", "test_size": "--test-size", "train_size": "--train-size",
}  # fmt: skip


def plan_options(plan: Mapping[str, Any]) -> list[str]:
    """A split plan, as check_plan gives it, as options of the command; what goes with what is the command's to
    say.
    """
    if "rows" in plan:
        raise BadArgument("a report of a plan of row numbers takes its name", "plan='NAME'")
    if any("," in label for label in plan.get("by", ())):
        raise BadArgument("a label column with a comma in its name cannot be named in the plan of a report")
    options = [word for key, value in plan.items() if key in _OPTIONS for word in (_OPTIONS[key], str(value))]
    options += [] if plan.get("shuffle", True) else ["--no-shuffle"]
    options += ["--by", ",".join(plan["by"])] if plan.get("by") else []
    options += ["--group", f"column:{plan['group']}"] if "group" in plan else []
    options += ["--group", "duplicates"] if "duplicates" in plan else []
    return options


def similarity_of(plan: Mapping[str, Any], similarity: float | None) -> float:
    """The command has one similarity, for the plan's groups and for the leaks. plan: with its options, not by name."""
    similarity = None if similarity is None else real("similarity", similarity)
    grouped = plan.get("duplicates")
    if grouped is not None and similarity not in (None, grouped):
        raise BadArgument(
            f"similarity={similarity!r} and the plan's duplicates={grouped!r} differ, and a report has one"
        )
    chosen = similarity if grouped is None else grouped
    return SIMILARITY if chosen is None else float(chosen)


def write(
    ref: str,
    socket: str,
    path: str | os.PathLike[str],
    *,
    plan: Mapping[str, Any],
    role: str | None,
    max_length: int,
    similarity: float,
    force: bool,
) -> Path:
    """Runs `hsfeed report` about one version. plan: as check_plan gives it. Errors as Dataset.write_report."""
    from ._connect import find_program

    target = Path(path)
    command = [_program(find_program), "report", ref, "--socket", socket, *plan_options(plan)]
    command += ["--similarity", repr(similarity), "--max-length", str(max_length)]
    command += ["--role", role] if role is not None else []
    command += ["--force"] if force else []
    command.append(f"--output={target.absolute()}")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        raise Error(f"{command[0]} could not be run: {error.strerror}") from None
    if done.returncode != 0:
        raise _error(done.returncode, done.stderr)
    return target


def _program(find_program: Any) -> str:
    try:
        return str(find_program())
    except NoDaemon as error:
        raise Error("a report is written by the hsfeed command, and there is none", error.hint) from None


def _error(code: int, said: str) -> Error:
    lines = [line for line in said.splitlines() if not line.startswith("hsfeed: warning: ")]
    sentence = lines[0].removeprefix("hsfeed: ") if lines else f"hsfeed report ended with {code}"
    hint = lines[1].strip() if len(lines) > 1 else ""
    kind = {2: BadArgument, 3: NoDaemon}.get(code, Error)
    return kind(sentence, hint)
