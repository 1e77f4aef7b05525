# SPDX-License-Identifier: Apache-2.0
"""The daemon's answers as lines for people: what an ingest did with every row, what a loader deals."""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ._plans import plan_words

log = logging.getLogger("hsfeed")

_REASONS = {
    "missing_text": "without text",
    "missing_label": "without a label",
    "too_many_fields": "with too many fields",
    "empty_text": "whose cleaned text is empty",
}
_STATES = {
    "known": "known already, nothing was done",
    "added": "new encodings were added",
    "new": "a new version",
}


def say(*lines: str) -> None:
    """What was chosen and done goes to stderr, so that it is seen wherever logging is not set up."""
    for line in lines:
        print(f"hsfeed: {line}", file=sys.stderr, flush=True)


def warn(sentence: str) -> None:
    """What should be known goes to the logger "hsfeed": on stderr where logging is not set up."""
    log.warning("hsfeed: %s", sentence)


class Once:
    """Calls a method with one sentence, without keeping the method's object alive: for what outlives a loader."""

    def __init__(self, warn_once: Callable[[str, str], None], what: str, sentence: str) -> None:
        self.warn_once, self.what, self.sentence = weakref.WeakMethod(warn_once), what, sentence

    def __call__(self) -> None:
        warn_once = self.warn_once()
        if warn_once is not None:
            warn_once(self.what, self.sentence)


COPIES = (
    "batches are being kept: as long as their tensors are, further batches are private copies, which is safe "
    "and a little slower; keep clones or let go of them, or make the loader with more slots"
)


def short(identity: str) -> str:
    return identity[:6]


def lines_of(what: Mapping[str, Any], most: int = 10) -> str:
    """ "lines 3, 9 and 4 more"."""
    lines, rows = list(what["lines"][:most]), what["rows"]
    text = ", ".join(map(str, lines))
    more = f" and {rows - len(lines):,} more" if rows > len(lines) else ""
    return f"{'line' if rows == 1 else 'lines'} {text}{more}"


class Prepared(NamedTuple):
    """What was done with a source before the daemon had it."""

    empty_texts: int = 0  # how many were written as a space
    function: bool = False  # whether one cleaned the texts
    file: str = ""  # that was read first
    file_info: Mapping[str, Any] | None = None  # and what the daemon told of it


def ingest_lines(answer: Mapping[str, Any], done: Prepared, roles: Sequence[str]) -> list[str]:
    """What `ingest` and `add` answered; roles: of the Dataset that is made of it, its default first."""
    ref = f"{answer['dataset']}@{short(answer['version'])}"
    lines = [f"{ref}: {_STATES.get(answer['state'], answer['state'])}"]
    if answer.get("previous"):
        lines.append(
            f"  the name moved; it was {short(answer['previous'])}, which open loaders and saved states keep"
        )
    if answer["state"] == "new":
        lines += _first_lines(done) + _version_lines(answer["version_info"], done.function)
    if done.empty_texts:
        what = "text is" if done.empty_texts == 1 else "texts are"
        lines.append(f"  {done.empty_texts:,} empty {what} stored as one space, which has no tokens")
    if answer["state"] != "known":
        lines += [_role_line(role) for role in answer["roles"]]
    elif roles:
        lines.append(f"  roles {', '.join(roles)}; the default is {roles[0]}")
    lines += [_moved_line(role) for role in answer["roles"] if role.get("previous")]
    return lines


def _first_lines(done: Prepared) -> list[str]:
    if done.file_info is None:
        return []
    return [
        f"  {done.file}, as it was read:",
        *_row_lines(done.file_info),
        "  and what the function made of it:",
    ]


def _row_lines(info: Mapping[str, Any]) -> list[str]:
    """What was done with every row, by lines of the source."""
    report = info["report"]
    dropped = report["rows_read"] - info["rows"]
    lines = [f"  {report['rows_read']:,} rows read, {info['rows']:,} kept, {dropped:,} dropped"]
    for d in report["dropped"]:
        if d["rows"]:
            lines.append(f"  dropped {d['rows']:,} {_REASONS.get(d['reason'], d['reason'])}: {lines_of(d)}")
    for word in report["na_words"]:
        lines.append(f"  \"{word['word']}\" counts as missing: {lines_of(word)} (na=\"empty\" keeps it)")
    for key, words in (("short_rows", "with too few fields"), ("empty_texts", "whose text is empty, kept")):
        if report[key]["rows"]:
            lines.append(f"  {report[key]['rows']:,} rows {words}: {lines_of(report[key])}")
    return lines


def _version_lines(info: Mapping[str, Any], function: bool) -> list[str]:
    lines = _row_lines(info) + [_label_line(label) for label in info["labels"]]
    same = info["report"]["duplicates"]
    if same["rows"]:
        lines.append(
            f"  {same['rows']:,} duplicate texts; "
            f"{same['conflicting_groups']:,} groups of them have different labels"
        )
    options = {key: f"{key} {_option(value)}" for key, value in info["options"].items()}
    if function:
        options["clean"] = "clean: a function"
    lines.append("  options: " + ", ".join(options.values()))
    return lines


def _option(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def _label_line(label: Mapping[str, Any]) -> str:
    kind = "classes" if label["type"] == "class" else "float"
    pairs = list(zip(label["values"], label["counts"]))
    counts = ", ".join(f"{value}: {count:,}" for value, count in pairs[:10])
    return f"  label {label['name']} ({kind}) {counts}{', ...' if len(pairs) > 10 else ''}".rstrip()


def _role_line(role: Mapping[str, Any]) -> str:
    tokens = max(role["tokens"], 1)
    over = ", ".join(f"{n:,} over {length}" for length, n in role["over"])
    line = (
        f"  role {role['role']}: {role['tokenizer']}, {role['tokens']:,} tokens, "
        f"{100 * role['unknown'] / tokens:.2f} % unknown; longest {role['max_tokens']:,}; {over}"
    )
    advice = role.get("advice")
    if advice:
        line += f"; with normalize=\"{advice['normalize']}\" {100 * advice['with']:.2f} % would be unknown"
    return line


def _moved_line(role: Mapping[str, Any]) -> str:
    return (
        f"  role {role['role']} moved to {short(role['encoding'])}; it was {short(role['previous'])}, "
        "which open loaders and saved states keep"
    )


# ---- loaders


def _mask_words(info: Mapping[str, Any]) -> list[str]:
    words = []
    for name in ("mask_rows", "mask_prob"):
        if name in info:
            roles = ", ".join(info["mask_roles"])
            words.append(f"{name} {info[name]:g} of {roles}, seed {info['mask_seed']}")
    if "weight" in info:
        words.append("weight " + ", ".join(f"{label} {w:g}" for label, w in info["weight"].items()))
    return words


def _order_words(info: Mapping[str, Any]) -> str:
    """What comes behind an order's name."""
    if info["order"] in ("sequential", "explicit"):
        return ""
    if info.get("seed") is None:
        return ", drawn from torch's generator"
    batch = f" in batches of {info['length_batch']}" if info["order"] == "length" else ""
    return f"{batch} seed {info['seed']} + epoch"


def loader_line(info: Mapping[str, Any], rank_from: str, extras: list[str]) -> str:
    """One line with everything that was chosen, also by default."""
    fold = "" if info["plan"] is None else f" of fold {info['fold']} ({plan_words(info['plan'])})"
    order = info["order"] + _order_words(info)
    lengths = ", ".join(f"{e['role']} {e['max_length']}" for e in info["encodings"])
    last = ", a short last one dropped" if info["drop_last"] else ""
    parts = [
        f"{info['name']}@{short(info['version'])}: {info['split']}{fold}, {info['rows']:,} rows",
        order,
        f"{info['batches']:,} batches of {info['batch_size']}{last}",
        f"max_length {lengths}",
        f"padding {info['padding']}",
        info["dtype"],
        *_mask_words(info),
        *([f"arrays {', '.join(info['attached'])}"] if info.get("attached") else []),
        f"rank {info['rank']} of {info['world']}{rank_from}, shard {info['shard']}",
        f"{info['transport']}, {info['slots']} slots",
        *extras,
    ]
    return "; ".join(parts)
