# SPDX-License-Identifier: Apache-2.0
"""What a Dataset counts: lengths, weights, the fold table, and what an epoch will hold. The daemon counts from
stored labels and lengths; nothing is tokenized again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _options, _report, _torch
from ._check import check_number
from ._plans import Plan, check_plan
from .errors import BadLabel

if TYPE_CHECKING:
    from .database import Database

_ESTIMATE_HINTS = {
    **{name: _options.HINTS[name] for name in ("role", "k", "n_splits")},
    "epoch": "epoch=0",
    "rank": "all ranks are counted: world_size=",
    "world": "world_size=",
    "split": "train, val and all are counted",
}


class Statistics:
    """The part of Dataset that counts."""

    database: Database
    name: str
    ref: str
    labels: tuple[str, ...]

    if TYPE_CHECKING:

        @property
        def roles(self) -> tuple[str, ...]: ...

        @property
        def default_role(self) -> str: ...

        @property
        def label_info(self) -> list[dict[str, Any]]: ...

    def lengths(
        self, role: str | None = None, max_length: int | Sequence[int] = (64, 128, 256, 512)
    ) -> dict[str, Any]:
        """How long the rows are under a role's tokenizer, and what each max_length would cut and pad.

        Lengths are in tokens, the template's special tokens counted. {rows, tokens, specials, min, max, mean,
        percentiles: [[50, n], [75, n], [90, n], [95, n], [99, n], [99.9, n]], histogram: {width, counts},
        cuts: [{max_length, truncated_rows, lost_tokens, kept_tokens, padding_share}], role, encoding,
        tokenizer, ...}: counts[i] are rows of i * width to (i + 1) * width - 1 tokens; padding_share is pads
        over places where every row is padded to max_length. BadRequest: a max_length leaves no room beside
        the special tokens. NotFound: there is no such role.
        """
        given: Any = [max_length] if np.ndim(max_length) == 0 else max_length
        cuts = [check_number("max_length", n, 1) for n in given]
        asked = {"name": self.ref, "role": role or self.default_role, "max_lengths": cuts}
        return self.database.call("lengths", asked)

    def weights(
        self,
        fold: int,
        scheme: str | None = None,
        *,
        plan: Plan | None = None,
        beta: float | None = None,
        cap: float | None = None,
        pooled: bool = False,
        normalize: bool = False,
    ) -> Any:
        """Weights against imbalance, of a fold's training rows: float32, a torch tensor where torch is
        installed, else numpy's. Computed in float64 from exact counts, then rounded.

        Labels of 0 and 1, [C]: scheme "ratio" (default), negatives over positives, for
        BCEWithLogitsLoss(pos_weight=...); "sqrt", its root; "log", log1p of it; "effective", (1 - beta) /
        (1 - beta ** positives), beta 0.9999 unless given, a class weight, or with normalize that of the
        positives over that of the negatives. 1.0 for a column without positives. pooled: one number [1] for
        all columns together. A column of classes, [classes]: "balanced", for CrossEntropyLoss(weight=...),
        as scikit-learn's compute_class_weight; also of a single column of 0 and 1, [2]. cap: no weight is
        more. plan: as the loader's.

        BadLabel: there are no labels, or other numbers. BadRequest: there is no such fold, or options that
        do not go together. What the daemon warns of goes to the logger "hsfeed".
        """
        plan = check_plan(plan)
        asked = {
            "name": self.ref, "plan": plan, "fold": _options.check_fold(fold, plan), "scheme": scheme,
            "beta": beta, "cap": cap, "pooled": bool(pooled), "normalize": bool(normalize),
        }  # fmt: skip
        answer = self.database.call("weights", asked)
        for warning in answer["warnings"]:
            _report.warn(f"{self.name}: {warning}")
        values = np.array([entry["weight"] for entry in answer["weights"]], dtype=np.float32)
        module = _torch.optional()
        return values if module is None else module.from_numpy(values)

    def pos_weight(self, fold: int, *, plan: Plan | None = None, pooled: bool = False) -> Any:
        """Negatives over positives per label column, of the fold's training rows: for
        BCEWithLogitsLoss(pos_weight=...). What weights gives for labels of 0 and 1 by default.

        float32 [C], a torch tensor where torch is installed, else numpy's: computed in float64 from exact
        counts, then rounded; 1.0 for a column without positives. plan: as the loader's. pooled: one number
        [1] for all columns together. BadLabel: the labels are not 0 and 1. BadArgument: there is no such
        fold.
        """
        for label in self.label_info:
            if label["type"] != "float" or label["values"] != ["0", "1"]:
                raise BadLabel(f"pos_weight needs labels of 0 and 1; {label['name']!r} has others")
        if not self.labels:
            raise BadLabel(f"{self.name} has no labels, so it has no pos_weight")
        return self.weights(fold, "ratio", plan=plan, pooled=pooled)

    def fold_table(
        self, plan: Plan | None = None, *, role: str | None = None, max_length: int = 128
    ) -> dict[str, Any]:
        """The fold table: {plan, rows, used_rows, labels, warnings, folds: [{fold, train, val, deviation,
        drift, weights}], role, max_length, groups?, ...}.

        train and val: {rows, counts, tokens, truncated_rows, padding_share}, the last three of `role` at
        `max_length`, where the dataset has an encoding; counts per label column, per value. deviation:
        {label, value, val, all}, the label value whose share among the validation rows is furthest from its
        share among all, or None. drift: the total variation distance between the distributions of label
        combinations among the validation rows and among all, 0 to 1. weights: what weights() gives by
        default, per label column. groups, where the plan keeps groups together: {count, largest,
        rows_in_groups, size_gap, size_bound, label_gap, label_bound}. A table too large for one answer has
        rows and counts alone, and a warning says so. BadPlan: scikit-learn refuses too.
        """
        asked: dict[str, Any] = {"name": self.ref, "plan": check_plan(plan)}
        asked["max_length"] = check_number("max_length", max_length, 1)
        if role or self.roles:
            asked["role"] = role or self.default_role
        return self.database.call("folds", asked)

    def estimate(
        self,
        fold: int | None = None,
        *,
        plan: Plan | None = None,
        order: str | None = None,
        length_batch: int | None = None,
        seed: int = 42,
        epoch: int = 0,
        batch_size: int = 32,
        drop_last: bool = False,
        max_length: int | Mapping[str, int] = 128,
        padding: str | int = "max_length",
        roles: str | Sequence[str] | None = None,
        world_size: int = 1,
        shard: str | None = None,
        **unknown: Any,
    ) -> dict[str, Any]:
        """What loaders with these options will give in one epoch, counted and not guessed: {folds: [{fold,
        train: PART, val: PART}], all: PART, plan, ...}; every fold of the plan unless fold says which.

        PART: {rows, batches, samples, order, shard, roles: [{role, max_length, real_tokens, padded_tokens,
        padding_share, truncated_rows, lost_tokens}]}: rows of the split, batches of rank 0, samples in the
        batches of all world_size ranks (repeated rows each time), and of these the tokens that are no pads,
        rows x width of each batch, the share of pads in it, and what truncation cut. Options mean what they
        mean to Loader; orders are the daemon's: "shuffle", "sequential", "length". BadArgument: there is no such
        option, role or fold. LimitExceeded: very many folds of very many rows; ask for one.
        """
        known = ("fold", "plan", "order", "length_batch", "seed", "epoch", "batch_size", "drop_last", "max_length",
                 "padding", "roles", "world_size", "shard")  # fmt: skip
        _options.refuse_unknown("estimate", unknown, known, _ESTIMATE_HINTS)
        plan = check_plan(plan)
        o = _options.check(
            self.roles, split="all" if fold is None else "train", fold=fold, plan=plan, order=order,
            length_batch=length_batch, seed=seed, batch_size=batch_size, drop_last=drop_last,
            max_length=max_length, padding=padding, roles=roles, dtype="int64", token_type_ids=False, shard=shard,
            slots=None, transport=None,
        )  # fmt: skip
        asked = {
            "name": self.ref, "plan": plan, "fold": o.fold, "order": o.order, "seed": o.seed,
            "length_batch": o.length_batch,
            "epoch": check_number("epoch", epoch, 0), "batch_size": o.batch_size,
            "drop_last": bool(o.drop_last), "padding": o.padding, "max_length": o.max_length,
            "roles": list(o.roles or ((self.default_role,) if self.roles else ())), "shard": o.shard,
            "world": check_number("world_size", world_size, 1),
        }  # fmt: skip
        return self.database.call("estimate", asked)
