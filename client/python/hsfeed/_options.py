# SPDX-License-Identifier: Apache-2.0
"""A loader's options: checked when it is made, resolved when its stream is opened, compared when a state is
loaded.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import _torch
from ._check import check_number, real
from ._plans import folds_of
from .errors import BadArgument, StateMismatch, UnknownOption, did_you_mean

SPLITS = ("train", "val", "all")
DTYPES = ("int64", "int32")
TRANSPORTS = ("ring", "inline")
FORMAT = 1  # of state_dict
LEAST_SLOTS = 4  # two to fill, the batch in use, and the one that takes its place

# What a batch depends on beside rank, world and position; the names in the answer to stream.open, and draws (what
# an order that is drawn here depends on). What is off, or does not apply, is in neither answer nor state.
IDENTITY = (
    "version", "encodings", "plan", "fold", "split", "order", "order_algorithm", "seed", "shard",
    "batch_size", "drop_last", "max_length", "padding", "dtype", "token_type_ids",
    "mask_rows", "mask_prob", "mask_seed", "mask_roles", "mask_algorithm", "weight",
    "length_batch", "order_digest", "draws", "attached",
)  # fmt: skip


class Options(NamedTuple):
    """What Loader was called with, checked; None: the daemon's default, which the stream's answer tells."""

    split: str
    fold: int | None
    plan: dict[str, Any] | None
    order: str | None
    seed: int
    batch_size: int
    drop_last: bool
    max_length: int | dict[str, int]
    padding: str | int
    roles: tuple[str, ...] | None
    dtype: str
    token_type_ids: bool
    shard: str | None
    slots: int | None
    transport: str | None
    mask_rows: float | None = None
    mask_prob: float | None = None
    mask_seed: int | None = None
    mask_roles: tuple[str, ...] | None = None
    weight: dict[str, float] | None = None
    arrays: tuple[str, ...] = ()
    length_batch: int | None = None


class Pins(NamedTuple):
    """What a loader stays on, by ids: encodings of roles, and attached arrays."""

    encodings: dict[str, str]
    attached: dict[str, str]

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Pins:
        return cls(dict(identity["encodings"]), dict(identity.get("attached", ())))

    def with_those_of(self, other: Pins) -> Pins:
        return Pins({**self.encodings, **other.encodings}, {**self.attached, **other.attached})


HINTS = {
    "num_workers": "not needed: the daemon makes batches ahead, see slots",
    "prefetch_factor": "not needed: the daemon makes batches ahead, see slots",
    "collate_fn": "not needed: batches are padded as padding and max_length say",
    "epoch": "each pass is the next epoch; loader.set_epoch(n) says else",
    "tokenizer": "tokenizers are given to ingest or add; here roles=['NAME'] chooses among them",
    "tokenizers": "tokenizers are given to ingest or add; here roles=['NAME'] chooses among them",
    "mlm_probability": "mask_prob=0.15 masks that share of the tokens, mask_rows=0.1 one token of such rows",
    "mask": "mask_rows=0.1 masks one token of that share of the rows, mask_prob=0.1 that share of the tokens",
    "sample_weight": "weight={'LABEL': 5.0}",
    "class_weight": "weight={'LABEL': 5.0}, or dataset.pos_weight(fold) for the loss",
    "role": "roles='NAME', or roles=['teacher', 'student']",
    "k": "plan={'folds': k}",
    "n_splits": "plan={'folds': k}",
    "device": "loader.to(device)",
}

FOLD_HINTS = {"n_splits": "k=5", "folds": "k=5", "random_state": "seed=42", "fold_seed": "seed=42",
              "duplicates": "group='duplicates'", "name": "plan='NAME'"}  # fmt: skip
SOURCE_HINTS = {
    "text": "text_column='NAME', or texts=[...] for texts in memory",
    "sep": "delimiter=','",
    "encoding": "charset='latin-1'",
    "tokenizer": "tokenizers='folder', or {'teacher': ..., 'student': ...}",
    "roles": "tokenizers={'teacher': ..., 'student': ...}",
}


def refuse_unknown(
    what: str, unknown: Mapping[str, Any], known: Iterable[str], hints: Mapping[str, str]
) -> None:
    """UnknownOption for the first name that nothing knows."""
    for name in unknown:
        hint = hints.get(name) or did_you_mean(
            name, [k for k in known if k not in ("self", "unknown", "return")]
        )
        raise UnknownOption(f"{what} has no option {name!r}", hint)


def check_timeout(timeout: float) -> float:
    """Seconds, infinity included, or BadArgument."""
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        raise BadArgument(f"timeout is a number of seconds, not {timeout!r}") from None
    if not seconds >= 0:
        raise BadArgument(f"timeout is a number of seconds from 0 on, not {timeout!r}")
    return seconds


def check(known_roles: Sequence[str], **given: Any) -> Options:
    """Options as they may be, or BadArgument. Names of orders and shards are the daemon's to know."""
    o = Options(**{**given, "dtype": str(given["dtype"]).removeprefix("torch.")})
    _choice("split", o.split, SPLITS)
    _choice("dtype", o.dtype, DTYPES)
    if o.transport is not None:
        _choice("transport", o.transport, TRANSPORTS)
    if o.split != "all" and o.fold is None:
        raise BadArgument(
            f'split "{o.split}" is of a fold: say which', "fold=0, or split='all' for every row"
        )
    if o.split == "all" and o.fold is not None:
        raise BadArgument('split "all" is every row of every fold; it takes no fold')
    fold = None if o.fold is None else check_fold(o.fold, o.plan)
    lengths = o.max_length
    max_length = (
        {str(role): check_number("max_length", n, 1) for role, n in lengths.items()}
        if isinstance(lengths, Mapping)
        else check_number("max_length", lengths, 1)
    )
    return o._replace(
        fold=fold,
        plan=None if o.split == "all" else o.plan,
        seed=check_number("seed", o.seed, 0),
        batch_size=check_number("batch_size", o.batch_size, 1),
        length_batch=None if o.length_batch is None else check_number("length_batch", o.length_batch, 1),
        max_length=max_length,
        padding=_padding(o.padding),
        roles=_role_names(o.roles, max_length, known_roles),
        slots=None if o.slots is None else check_number("slots", o.slots, LEAST_SLOTS),
        **_masks(o),
        weight=_weight(o.weight),
        arrays=_array_names(o.arrays),
    )


def _choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise BadArgument(f"{name} is one of {', '.join(choices)}, not {value!r}")


def check_fold(value: Any, plan: Mapping[str, Any] | None) -> int:
    """A fold's number, or BadArgument where the plan is known to have no such fold."""
    fold, folds = check_number("fold", value, 0), folds_of(plan)
    if fold >= folds > 0:
        raise BadArgument(
            f"there is no fold {fold}: the plan has {folds} fold{'' if folds == 1 else 's'}, "
            f"from 0 to {folds - 1}",
            "plan={'folds': k} makes k folds",
        )
    return fold


def _share(name: str, value: Any) -> float | None:
    """A share; None where it is off."""
    number = 0.0 if value is None else real(name, value)
    if not 0 <= number <= 1:
        raise BadArgument(f"{name} is a share from 0 (off) to 1, not {value!r}")
    return number or None


def _masks(o: Options) -> dict[str, Any]:
    """The mask options, all None where nothing is masked."""
    rows, prob = _share("mask_rows", o.mask_rows), _share("mask_prob", o.mask_prob)
    seed = None if o.mask_seed is None else check_number("mask_seed", o.mask_seed, 0)
    roles = (o.mask_roles,) if isinstance(o.mask_roles, str) else o.mask_roles
    if rows and prob:
        raise BadArgument(
            "mask_rows and mask_prob exclude each other",
            "mask_rows masks one token of a share of the rows, mask_prob a share of the tokens",
        )
    off = o.mask_rows is None and o.mask_prob is None
    if off and (seed is not None or roles is not None):
        raise BadArgument("mask_seed and mask_roles say nothing without mask_rows or mask_prob")
    on = rows or prob
    return {
        "mask_rows": rows,
        "mask_prob": prob,
        "mask_seed": seed if on else None,
        "mask_roles": tuple(map(str, roles)) if on and roles is not None else None,
    }


def _weight(value: Any) -> dict[str, float] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise BadArgument(f"weight is a dict of labels and numbers, not {value!r}", "weight={'threat': 5.0}")
    weight = {str(label): real(f"the weight of {label!r}", w) for label, w in value.items()}
    for label, w in weight.items():
        if not w > 0:
            raise BadArgument(f"the weight of {label!r} is a number above 0, not {w!r}")
    return weight or None


def check_labels(weight: Mapping[str, float] | None, labels: Sequence[Mapping[str, Any]]) -> None:
    """BadArgument where a weight is of a label that is not there; labels: Dataset.label_info."""
    classes = len(labels) == 1 and labels[0]["type"] == "class"
    known = list(labels[0]["values"]) if classes else [label["name"] for label in labels]
    for label in weight or ():
        if label not in known:
            what = "class" if classes else "label"
            raise BadArgument(
                f"the dataset has no {what} {label!r}; it has {', '.join(known[:20]) or 'none'}",
                did_you_mean(label, known),
            )


def _padding(value: Any) -> str | int:
    if value in ("max_length", "longest"):
        return str(value)
    if isinstance(value, str):
        raise BadArgument(f'padding is "max_length", "longest" or a number, not {value!r}')
    return check_number("padding", value, 1)


def _role_names(
    roles: Any, max_length: int | Mapping[str, int], known: Sequence[str]
) -> tuple[str, ...] | None:
    lengths = tuple(max_length) if isinstance(max_length, Mapping) else ()
    named = (roles,) if isinstance(roles, str) else lengths if roles is None else tuple(roles)
    for role in lengths:
        if role not in named:
            raise BadArgument(
                f"max_length names the role {role!r}, which roles does not", f"roles={list(named)!r}"
            )
    for role in named:
        if role not in known:
            raise BadArgument(
                f"the dataset has no role {role!r}; it has {', '.join(known) or 'none'}",
                did_you_mean(str(role), known) or f"ds.add('FOLDER', role={role!r}) makes one",
            )
    return named or None


def _array_names(arrays: Any) -> tuple[str, ...]:
    """Names of attached arrays; whether there are such, the daemon knows."""
    named = (arrays,) if isinstance(arrays, str) else tuple(arrays or ())
    for name in named:
        if not isinstance(name, str):
            raise BadArgument(f"arrays are names of attached arrays, not {name!r}", "arrays=['NAME']")
    return named


def for_stream(
    o: Options, ref: str, pins: Pins, default_role: str
) -> dict[str, Any]:
    """The keys of struct hsfeed_stream_options, without epoch, position, rank and world."""
    lengths = o.max_length if isinstance(o.max_length, Mapping) else {}
    roles: list[dict[str, Any]] = []
    for role in o.roles or (default_role,):
        entry: dict[str, Any] = {"role": role}
        if role in lengths:
            entry["max_length"] = lengths[role]
        if role in pins.encodings:
            entry["encoding"] = pins.encodings[role]
        roles.append(entry)
    arrays = [{"array": name, "id": pins.attached.get(name)} for name in o.arrays]
    asked = {
        "name": ref, "plan": o.plan, "fold": o.fold, "split": o.split, "order": o.order,
        "length_batch": o.length_batch, "seed": o.seed,
        "shard": o.shard, "batch_size": o.batch_size, "drop_last": o.drop_last, "padding": o.padding,
        "dtype": o.dtype, "token_type_ids": o.token_type_ids, "slots": o.slots, "transport": o.transport,
        "max_length": o.max_length if isinstance(o.max_length, int) else None, "roles": roles,
        "mask_rows": o.mask_rows, "mask_prob": o.mask_prob, "mask_seed": o.mask_seed,
        "mask_roles": o.mask_roles,
        "weights": o.weight and [{"label": label, "weight": w} for label, w in o.weight.items()],
        "arrays": arrays or None,
    }  # fmt: skip
    return {key: value for key, value in asked.items() if value is not None}


# ---- ranks


class Ranks(NamedTuple):
    rank: int
    world: int
    source: str  # "", or where they are from, for people


def find_ranks(rank: int | None, world: int | None) -> Ranks:
    """Given; else torch.distributed's where it is initialised; else those of torchrun's environment; else 0
    of 1.
    """
    if (rank is None) != (world is None):
        raise BadArgument("rank and world_size go together: give both or none")
    if rank is not None and world is not None:
        world = check_number("world_size", world, 1)
        if not 0 <= check_number("rank", rank, 0) < world:
            raise BadArgument(f"rank {rank} is not one of {world}: they count from 0")
        return Ranks(operator.index(rank), world, "")
    torch = _torch.require("a loader")
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size(), " (torch.distributed)")
    return _ranks_of_environment() or Ranks(0, 1, "")


def _ranks_of_environment() -> Ranks | None:
    """RANK and WORLD_SIZE, where torchrun or accelerate launched this process: its process group just comes
    later.
    """
    rank, world = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if not (rank.isdecimal() and world.isdecimal() and int(rank) < int(world)):
        return None
    return Ranks(int(rank), int(world), " (RANK and WORLD_SIZE)") if int(world) > 1 else None


# ---- states


def identity_of(info: Mapping[str, Any]) -> dict[str, Any]:
    """What batches depend on, from the answer to stream.open: plain values that any format can hold."""
    names = [array["name"] for array in info["arrays"]]
    found = {key: info[key] for key in IDENTITY if key in info and key not in ("encodings", "plan")}
    found["plan"] = dict(info["plan"]) if info["plan"] else None
    found["encodings"] = [[e["role"], e["encoding"]] for e in info["encodings"]]
    if found.pop("attached", None):  # absent, as in older states, where there are none
        found["attached"] = [[name, array] for name, array in info["attached"].items()]
    found["max_length"] = [[e["role"], e["max_length"]] for e in info["encodings"]]
    found["token_type_ids"] = any(name.endswith("token_type_ids") for name in names)
    return {key: found[key] for key in IDENTITY if key in found}


def check_state(state: Any) -> None:
    """Is this a state_dict of a loader?"""
    if not isinstance(state, Mapping) or not {"format", "name", "epoch", "at", "options"} <= set(state):
        raise StateMismatch("this is no loader's state: it has no format, name, epoch, at and options")
    if state["format"] != FORMAT:
        raise StateMismatch(f"the state has format {state['format']}; this package knows {FORMAT}")
    for key in ("epoch", "at"):
        if isinstance(state[key], bool) or not isinstance(state[key], int) or state[key] < 0:
            raise StateMismatch(f"the state's {key} is {state[key]!r}, which is no position")


def with_pins_of(saved: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """`present` with a state's encodings and attached arrays, where they are of the same names: saved states
    keep theirs.
    """
    pinned = (key for key in ("encodings", "attached") if key in present)
    return {**present, **{key: _ids_of(saved.get(key), present[key]) for key in pinned}}


def _ids_of(pairs: Any, present: list[list[str]]) -> list[list[str]]:
    """[[name, id], ...] of a state, where the names are those of `present`."""
    try:
        wanted = [[str(name), str(number)] for name, number in pairs or ()]
    except (TypeError, ValueError):
        return present
    return wanted if [name for name, _ in wanted] == [name for name, _ in present] else present


def refuse_other(saved: Mapping[str, Any], present: Mapping[str, Any], name: str) -> None:
    """StateMismatch naming each option in which a state differs from this loader."""
    if saved.get("version") != present["version"]:
        ref = f"{name}@{str(saved.get('version'))[:12]}"
        raise StateMismatch(
            f"the state is of version {str(saved.get('version'))[:12]}, "
            f"this loader serves {present['version'][:12]}",
            f"db.dataset({ref!r}) is the state's version: a loader of that continues it",
        )
    wrong = [key for key in IDENTITY if saved.get(key) != present.get(key)]
    if wrong:
        differences = "; ".join(
            f"{key}: the state has {saved.get(key)!r}, this loader {present.get(key)!r}" for key in wrong
        )
        raise StateMismatch(
            f"the state was saved with other options: {differences}",
            "make the loader with the state's options; only rank, world_size, slots and the like may change",
        )
