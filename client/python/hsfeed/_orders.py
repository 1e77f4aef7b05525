# SPDX-License-Identifier: Apache-2.0
"""What a loader's options say of its order: one of the daemon's, a list of rows, or numbers that are drawn here
(_draws).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _torch
from ._check import Rows, check_number, integers
from ._draws import Draws, FromSampler, Replaced, Shuffled, Walked, Weighted
from .errors import BadArgument

if TYPE_CHECKING:
    import torch

DRAWN = ("dataloader", "replacement", "weighted")  # by name

# Which orders take which options; the daemon's own are checked by the daemon.
_TAKEN_BY = {
    "shuffle": ("dataloader",),
    "sampler": ("explicit",),
    "rows": ("explicit",),
    "weights": ("weighted",),
    "num_samples": ("replacement", "weighted"),
    "replacement": ("weighted",),
    "generator": ("dataloader", "replacement", "weighted", "explicit"),
    "persistent_workers": ("dataloader", "replacement", "weighted", "explicit"),
    "length_batch": ("length",),
}
OPTIONS = ("order", "seed", *_TAKEN_BY)
_HINTS = {"shuffle": 'order="shuffle" is the default of train, order="sequential" that of val'}


class Choice(NamedTuple):
    """What a loader's order is: what the daemon serves, and what is drawn for it here."""

    served: str | None  # None: the daemon's default
    seed: int
    rows: Rows | None = None  # the same list for every pass
    draws: Draws | None = None


# ---- what a loader was called with


def choose(split: str, order: str | None, seed: int | None, given: Mapping[str, Any]) -> Choice:
    """The order of a loader's options, or BadArgument; `given` has those of _TAKEN_BY."""
    found = {name: given[name] for name in _TAKEN_BY if given[name] is not None}
    if not found.get("persistent_workers"):
        found.pop("persistent_workers", None)
    order = order or _implied(found)
    for name in found:
        if order not in _TAKEN_BY[name]:
            takers = " or ".join(f'"{taker}"' for taker in _TAKEN_BY[name])
            present = "the default one" if order is None else f'"{order}"'
            raise BadArgument(f"{name} goes with the order {takers}, not with {present}", _HINTS.get(name, ""))
    if order in (*DRAWN, "explicit"):
        _check_generator(found.get("generator"))
    if order == "explicit":
        return _explicit(seed, found)
    if order == "dataloader":
        _no_seed(order, seed, 'the order "shuffle" has one: epoch e is torch.randperm of seed + e')
        shuffle = bool(found.get("shuffle", split == "train"))
        draws = _dataloader(shuffle, found)
        return Choice(draws.served, 42, draws=draws)
    if order in ("replacement", "weighted"):
        draws = _random(order, seed, found)
        return Choice("explicit", 42 if draws.seed is None else draws.seed, draws=draws)
    return Choice(order, 42 if seed is None else check_number("seed", seed, 0))


def for_validation(options: Mapping[str, Any]) -> dict[str, Any]:
    """A training loader's options for the validation loader beside it: in row order; where the one draws as a
    DataLoader does, the other draws its base seed too.
    """
    mine = {name: options[name] for name in _TAKEN_BY if options[name] is not None}
    order = options["order"] or _implied(mine)
    if order not in (*DRAWN, "explicit"):
        return dict(options)
    drawn = (order in DRAWN or "sampler" in mine) and options["seed"] is None
    kept = {**options, **dict.fromkeys(_TAKEN_BY), "persistent_workers": False}
    if drawn:
        kept.update(persistent_workers=options["persistent_workers"])
    return {**kept, "order": "dataloader" if drawn else "sequential"}


def _implied(found: Mapping[str, Any]) -> str | None:
    if "sampler" in found or "rows" in found:
        return "explicit"
    return "weighted" if "weights" in found else None


def _no_seed(order: str, seed: int | None, hint: str) -> None:
    if seed is not None:
        raise BadArgument(f'the order "{order}" takes no seed', hint)


def _check_generator(generator: Any) -> None:
    if generator is not None and not isinstance(generator, _torch.require("a loader").Generator):
        raise BadArgument(f"generator is a torch.Generator, not {generator!r}")


def _explicit(seed: int | None, found: Mapping[str, Any]) -> Choice:
    _no_seed("explicit", seed, "the list, or the sampler, says it all")
    if ("rows" in found) == ("sampler" in found):
        raise BadArgument(
            'the order "explicit" needs either rows or a sampler',
            "rows=row numbers of the dataset, or sampler=anything that gives positions within the split",
        )
    if "rows" in found:
        for name in ("generator", "persistent_workers"):
            if name in found:
                raise BadArgument(f"{name} goes with a sampler, not with rows: nothing is drawn for them")
        return Choice("explicit", 42, rows=integers("rows", found["rows"]))
    _refuse_ranks(found["sampler"])
    return Choice("explicit", 42, draws=FromSampler(found["sampler"], **_common(found)))


def _refuse_ranks(sampler: Any) -> None:
    """A sampler that deals to ranks by itself."""
    if hasattr(sampler, "num_replicas") and hasattr(sampler, "rank"):
        raise BadArgument(
            f"a {type(sampler).__name__} deals rows to ranks, and so does the loader: they would be dealt twice",
            'leave it out: order="shuffle" with shard="pad", the default, gives each rank the same rows; '
            'with shard="drop" as its drop_last=True',
        )
    if hasattr(sampler, "__next__") or not (hasattr(sampler, "__iter__") or hasattr(sampler, "__getitem__")):
        raise BadArgument(
            f"sampler is iterated anew for each pass, which a {type(sampler).__name__} cannot be",
            "a list of positions within the split, a torch Sampler, or anything with __iter__",
        )


def _common(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "generator": found.get("generator"),
        "persistent": bool(found.get("persistent_workers", False)),
    }


def _dataloader(shuffle: bool, found: Mapping[str, Any]) -> Draws:
    if not shuffle:
        return Draws(**_common(found))
    if "generator" not in found:
        return Shuffled(**_common(found))
    return Walked("dataloader", None, **_common(found))


def _random(order: str, seed: int | None, found: Mapping[str, Any]) -> Draws:
    if seed is not None:
        seed = check_number("seed", seed, 0)
        if "generator" in found or "persistent_workers" in found:
            raise BadArgument(f'the order "{order}" takes a seed or a generator, not both')
    num_samples = check_number("num_samples", found["num_samples"], 1) if "num_samples" in found else None
    if order == "weighted":
        if "weights" not in found:
            raise BadArgument('the order "weighted" needs weights, one for each row of the split')
        replacement = bool(found.get("replacement", True))
        return Weighted(_weights(found["weights"]), num_samples, replacement, seed, **_common(found))
    if "generator" in found:
        return Walked("replacement", num_samples, **_common(found))
    return Replaced(num_samples, seed, **_common(found))


def _weights(values: Any) -> torch.Tensor:
    module = _torch.require("a loader")
    if isinstance(values, Mapping):
        raise BadArgument("weights are numbers, one for each row of the split, not a dict", "weight={'LABEL': 5.0}")
    try:
        weights: torch.Tensor = module.as_tensor(values, dtype=module.double).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadArgument(f"weights are numbers, one for each row of the split: {error}") from None
    if weights.dim() != 1:
        raise BadArgument(f"weights are one number for each row of the split, not of shape {list(weights.shape)}")
    return weights
