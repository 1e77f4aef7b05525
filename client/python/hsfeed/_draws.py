# SPDX-License-Identifier: Apache-2.0
"""Numbers that are drawn from torch's generators for a loader's order, here, in the client, when and as a torch
DataLoader draws them.

One pass over a DataLoader (num_workers=0), and so one over a loader with such an order:

    iter()             the base seed: one 63-bit number from `generator`, else from torch's global one
    the first batch    what the sampler draws: a seed, a permutation, a multinomial; from its own generator where it
                       has one, else from the global one
    each batch, end    of a sampler with a generator of its own: more, as its numbers are asked for
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _torch
from ._check import Rows, integers
from .errors import BadArgument, StateMismatch

if TYPE_CHECKING:
    import torch

Indices = Callable[[], Rows]  # the split's row numbers


class Drawn:
    """What a pass was drawn: a seed for the daemon, or a list of rows, or neither. Each is itself alone."""

    __slots__ = ("seed", "rows", "_packed", "_digest")

    def __init__(self, seed: int | None = None, rows: Rows | None = None) -> None:
        self.seed, self.rows = seed, rows
        self._packed: str | None = None
        self._digest: str | None = None

    @property
    def digest(self) -> str | None:
        """The protocol's order_digest of the list."""
        if self.rows is not None and self._digest is None:
            self._digest = digest_of(self.rows)
        return self._digest

    @property
    def packed(self) -> str | None:
        """The list, small, as text."""
        if self.rows is not None and self._packed is None:
            self._packed = _text(zlib.compress(self.rows.astype("<i8").tobytes(), 1))
        return self._packed


def _draw(generator: torch.Generator | None) -> int:
    """A 63-bit number, as torch's DataLoader and samplers draw theirs."""
    module = _torch.require("a loader")
    return int(module.empty((), dtype=module.int64).random_(generator=generator).item())


def _seeded(seed: int) -> torch.Generator:
    generator: torch.Generator = _torch.require("a loader").Generator()
    generator.manual_seed(seed)
    return generator


def _twin(generator: torch.Generator) -> torch.Generator:
    """Another one, in the same state."""
    other: torch.Generator = _torch.require("a loader").Generator()
    other.set_state(generator.get_state())
    return other


class Draws:
    """Rows in their order, and a base seed drawn for each pass: DataLoader(shuffle=False). The base of all that
    draw.

    present   what the running pass was drawn; None: nothing yet
    """

    name = "sequential"
    served = "sequential"

    def __init__(self, generator: torch.Generator | None = None, persistent: bool = False) -> None:
        self.generator, self.persistent = generator, persistent
        self.seed: int | None = None  # of passes that draw nothing: their generators are made of seed + epoch
        self.present: Drawn | None = None
        self._begun = False  # whether the base seed of the pass at the loader's position was drawn
        self._ever = False  # whether any was
        self._digest: str | None = None  # of the list that a pass of a saved state must be drawn again

    def identity(self) -> dict[str, Any] | None:
        """What else the order depends on: plain values."""
        return None

    def begin(self, goes_on: bool) -> None:
        """A pass begins: another one, or the one at which the loader was put by a state."""
        if goes_on and self._begun:
            return
        self.present, self._begun, self._digest = None, True, None
        if self.seed is None and not (self.persistent and self._ever):
            _draw(self.generator)
        self._ever = True

    def draw(self, epoch: int, indices: Indices) -> Drawn:
        """What the pass of this epoch is drawn, at its first batch."""
        if self.present is None:
            drawn = self.fresh(epoch, indices)
            if self._digest is not None and drawn.rows is not None and drawn.digest != self._digest:
                raise StateMismatch(
                    f"this torch draws another order of seed {self.seed} than the one that the state was saved with"
                )
            self.present, self._digest = drawn, None
        return self.present

    def fresh(self, epoch: int, indices: Indices) -> Drawn:
        return Drawn()

    def handed(self, at: int, short: bool) -> None:
        """A batch is handed out: at is the position after it; short: it has fewer rows than a batch has."""

    def over(self) -> None:
        """The pass came to its end."""
        self.present, self._begun = None, False

    def opening(self, indices: Indices) -> Drawn:
        """What stands for a pass that was not drawn yet, so that a stream can be opened; as long as it."""
        return Drawn(seed=0) if self.served == "shuffle" else Drawn()

    def numbers(self, epoch: int, indices: Indices) -> dict[str, Any]:
        """What a stream is told: of the running pass, else of one that was not drawn yet."""
        drawn = self.present or self.opening(indices)
        if drawn.seed is not None:  # only seed + epoch counts, modulo 2^32
            return {"seed": (drawn.seed - epoch) % 2**32}
        return {} if drawn.rows is None else {"rows": drawn.rows}

    def named(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """What was told of a stream, with the order by the name that it was asked for by."""
        if self.served == "sequential":
            return dict(told)
        own = {"order": self.name, "seed": self.seed, "order_digest": None, "draws": self.identity()}
        return {key: value for key, value in {**told, **own}.items() if not (key in own and value is None)}

    def differs(self) -> bool:
        """Whether other ranks would draw something else."""
        return False

    def refuse_ranks(self, world: int) -> None:
        if world > 1 and self.differs():
            raise BadArgument(
                f"the order of {self.name!r} is drawn from torch's global generator, which differs from rank to rank, "
                f"and there are {world} of them",
                "generator=torch.Generator().manual_seed(n), the same on every rank; or a seed for "
                'order="replacement" and "weighted"; order="shuffle" has one',
            )

    # -- saved

    def state(self, another: bool) -> dict[str, Any]:
        """Plain values: all that the rest of the pass, and the passes after it, need. another: the next pass is
        another one than that which is at the loader's position.
        """
        state: dict[str, Any] = {"begun": self._begun and not another, "ever": self._ever}
        if self.present is not None and not another:
            state["seed"], state["digest"] = self.present.seed, self.present.digest
            if self.seed is None:
                state["rows"] = self.present.packed
        if self.generator is not None:
            state["generator"] = _text(self.generator.get_state().numpy().tobytes())
        return state

    def load(self, state: Mapping[str, Any] | None, at: int) -> None:
        """StateMismatch: it is not of such a loader, or damaged."""
        if state is None:  # of a plain sequential loader, which is the same but for its draws
            state = {"begun": at > 0, "ever": at > 0}
        if not isinstance(state, Mapping) or not {"begun", "ever"} <= set(state):
            raise StateMismatch("the state's draws are damaged: they have no begun and ever")
        if (state.get("generator") is None) != (self.generator is None):
            raise StateMismatch(
                "the state was saved with" + ("out" if self.generator else "") + " a generator of the loader's own",
                "make the loader as it was: with generator=torch.Generator(), or without",
            )
        present = self.present_of(state)
        if self.generator is not None:
            _set_state(self.generator, state["generator"])
        self.present, self._begun, self._ever = present, bool(state["begun"]), bool(state["ever"])
        self._digest = state.get("digest") if present is None else None

    def present_of(self, state: Mapping[str, Any]) -> Drawn | None:
        """What the state's pass was drawn; None: nothing."""
        return Drawn() if state["begun"] else None


class Shuffled(Draws):
    """DataLoader(shuffle=True): the sampler's seed is drawn here, and the daemon makes its permutation."""

    name = "dataloader"
    served = "shuffle"

    def fresh(self, epoch: int, indices: Indices) -> Drawn:
        return Drawn(seed=_draw(None))

    def differs(self) -> bool:
        return True

    def present_of(self, state: Mapping[str, Any]) -> Drawn | None:
        seed = _seed_of(state)
        return None if seed is None else Drawn(seed=seed)


class Listed(Draws):
    """An order that is sent as a list of rows: positions within the split, and these as row numbers."""

    served = "explicit"

    def positions(self, epoch: int, n: int) -> Rows:
        raise NotImplementedError

    def length(self, n: int) -> int | None:
        """How many positions a pass has, of a split of n rows. None: it is not known before."""
        return n

    def fresh(self, epoch: int, indices: Indices) -> Drawn:
        rows = indices()
        return Drawn(rows=_pick(rows, self.positions(epoch, len(rows)), self.name))

    def opening(self, indices: Indices) -> Drawn:
        rows = indices()
        length = self.length(len(rows)) if len(rows) else 0
        return Drawn(rows=np.full(length or 0, rows[0] if len(rows) else 0, dtype=np.int64))

    def present_of(self, state: Mapping[str, Any]) -> Drawn | None:
        packed = state.get("rows")
        return None if packed is None else Drawn(rows=_unpacked(packed, state.get("digest")))


class FromSampler(Listed):
    """DataLoader(sampler=...): asked for all its positions at the first batch."""

    name = "sampler"

    def __init__(self, sampler: Iterable[int], **common: Any) -> None:
        super().__init__(**common)
        self.sampler = sampler

    def length(self, n: int) -> int | None:
        try:
            return len(self.sampler)  # type: ignore[arg-type]
        except TypeError:
            return None

    def positions(self, epoch: int, n: int) -> Rows:
        if isinstance(self.sampler, np.ndarray) or hasattr(self.sampler, "detach"):
            return integers("sampler", self.sampler)
        found = list(self.sampler)
        if found and not hasattr(found[0], "__index__"):
            raise BadArgument(
                f"the sampler gives {found[0]!r}, which is no position",
                "a sampler gives one position at a time; batches are made as batch_size says",
            )
        return integers("sampler", found)

    def differs(self) -> bool:
        return getattr(self.sampler, "generator", self) is None  # torch's own, without a generator


class Weighted(Listed):
    """WeightedRandomSampler. Without a generator of its own it draws from the global one itself."""

    name = "weighted"

    def __init__(
        self, weights: torch.Tensor, num_samples: int | None, replacement: bool, seed: int | None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.weights, self.num_samples, self.replacement, self.seed = weights, num_samples, replacement, seed

    def identity(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.weights.numpy().astype("<f8").tobytes()).hexdigest()
        return {"weights": digest, "num_samples": self.num_samples, "replacement": self.replacement}

    def length(self, n: int) -> int:
        return self.num_samples or n

    def positions(self, epoch: int, n: int) -> Rows:
        if len(self.weights) != n:
            raise BadArgument(f"{len(self.weights):,} weights for the {n:,} rows of the split")
        generator = self.generator if self.seed is None else _seeded(self.seed + epoch)
        sampler = _torch.require("a loader").utils.data.WeightedRandomSampler
        return _exhaust(lambda: sampler(self.weights, self.length(n), self.replacement, generator))

    def differs(self) -> bool:
        return self.generator is None and self.seed is None


class Replaced(Listed):
    """RandomSampler(replacement=True) without a generator of its own: of a seed that is drawn, or of seed +
    epoch.
    """

    name = "replacement"

    def __init__(self, num_samples: int | None, seed: int | None, **common: Any) -> None:
        super().__init__(**common)
        self.num_samples, self.seed = num_samples, seed

    def identity(self) -> dict[str, Any]:
        return {"num_samples": self.num_samples}

    def length(self, n: int) -> int:
        return self.num_samples or n

    def fresh(self, epoch: int, indices: Indices) -> Drawn:
        rows = indices()
        seed = _draw(None) if self.seed is None else self.seed + epoch
        n = len(rows)
        return Drawn(rows=rows[_exhaust(lambda: _random_sampler(n, self.length(n), _seeded(seed)))])

    def differs(self) -> bool:
        return self.seed is None


class Walked(Listed):
    """RandomSampler with a generator of its own: the list is drawn from a twin of the generator, and the generator
    itself goes on as the batches that are handed out ask for numbers.

    chunk   samples are drawn so many at a time; None: a permutation of the split at a time, without replacement
    """

    def __init__(self, name: str, num_samples: int | None, **common: Any) -> None:
        super().__init__(**common)
        self.name, self.num_samples = name, num_samples
        self.chunk = 32 if name == "replacement" else None
        self._pulled = 0  # samples that were asked for; one more than there are: the end was, too
        self._rows = 0  # of the split

    def identity(self) -> dict[str, Any] | None:
        return {"num_samples": self.num_samples} if self.name == "replacement" else None

    def length(self, n: int) -> int:
        return self.num_samples or n

    def draw(self, epoch: int, indices: Indices) -> Drawn:
        self._rows = len(indices())
        return super().draw(epoch, indices)

    def fresh(self, epoch: int, indices: Indices) -> Drawn:
        assert self.generator is not None
        rows, twin = indices(), _twin(self.generator)
        self._pulled = 0
        if self.chunk is None:
            return Drawn(rows=rows[_exhaust(lambda: _permuting_sampler(len(rows), twin))])
        return Drawn(rows=rows[_exhaust(lambda: _random_sampler(len(rows), self.length(len(rows)), twin))])

    def handed(self, at: int, short: bool) -> None:
        end = self.length(self._rows)
        self._pull(end + 1 if short or at > end else at)

    def over(self) -> None:
        self._pull(self.length(self._rows) + 1)
        super().over()

    def _pull(self, upto: int) -> None:
        """The samples before this one are asked for."""
        module, n, m = _torch.require("a loader"), self._rows, self.length(self._rows)
        chunk = self.chunk or n
        for i in range(-(-self._pulled // chunk) * chunk, upto, chunk):
            if self.chunk is None:
                module.randperm(n, generator=self.generator)
            else:
                module.randint(high=n, size=(min(chunk, m - i),), dtype=module.int64, generator=self.generator)
        self._pulled = max(self._pulled, upto)

    def state(self, another: bool) -> dict[str, Any]:
        return {**super().state(another), "pulled": self._pulled}

    def load(self, state: Mapping[str, Any] | None, at: int) -> None:
        pulled = (state or {}).get("pulled")
        if type(pulled) is not int or pulled < 0:
            raise StateMismatch("the state's draws are damaged: what was asked of the generator is not known")
        super().load(state, at)
        self._pulled = pulled


def _random_sampler(n: int, num_samples: int, generator: torch.Generator) -> Any:
    sampler = _torch.require("a loader").utils.data.RandomSampler
    return sampler(range(n), replacement=True, num_samples=num_samples, generator=generator)


def _permuting_sampler(n: int, generator: torch.Generator) -> Any:
    return _torch.require("a loader").utils.data.RandomSampler(range(n), generator=generator)


def _exhaust(make: Callable[[], Iterable[int]]) -> Rows:
    """All of a torch sampler's positions; what torch refuses is a BadArgument with its sentence."""
    try:
        return np.fromiter(make(), dtype=np.int64)
    except (ValueError, RuntimeError) as error:
        raise BadArgument(f"torch's sampler refuses: {error}") from None


def _pick(rows: Rows, positions: Rows, name: str) -> Rows:
    wrong = np.flatnonzero((positions < 0) | (positions >= len(rows)))
    if len(wrong):
        raise BadArgument(
            f"entry {wrong[0]} of the {name} is position {positions[wrong[0]]}, "
            f"but the split has the positions 0 to {len(rows) - 1}",
            "a sampler gives positions within the split; rows=... takes row numbers of the dataset",
        )
    return rows[positions]


# ---- saved states


def digest_of(rows: Rows) -> str:
    """The protocol's order_digest."""
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: Any, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise StateMismatch(f"the state's draws are damaged: {what} cannot be read") from None


def _unpacked(text: Any, digest: Any) -> Rows:
    try:
        data = zlib.decompress(_bytes(text, "the list of rows"))
    except zlib.error:
        data = b"?"
    if len(data) % 8 or hashlib.sha256(data).hexdigest() != digest:
        raise StateMismatch("the state's draws are damaged: its list of rows does not match its digest")
    return np.frombuffer(data, dtype="<i8").astype(np.int64)


def _seed_of(state: Mapping[str, Any]) -> int | None:
    seed = state.get("seed")
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
        raise StateMismatch(f"the state's draws are damaged: {seed!r} is no seed")
    return seed


def _set_state(generator: torch.Generator, text: Any) -> None:
    module = _torch.require("a loader")
    data = bytearray(_bytes(text, "the generator's state"))
    try:
        generator.set_state(module.frombuffer(data, dtype=module.uint8))
    except (RuntimeError, TypeError, ValueError) as error:
        raise StateMismatch(f"the state's generator is damaged: {error}") from None
