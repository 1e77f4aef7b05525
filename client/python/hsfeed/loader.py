# SPDX-License-Identifier: Apache-2.0
"""Loader: ready batches of one split, epoch after epoch.

position = (epoch, at)      at: samples dealt to all ranks; what state_dict holds, beside options and ids

         iter() --> begun at (e, a) --- batch --> (e, batch.at) --- ... --- end --> (e + 1, 0), not begun
                                                 \\--- break, new iter() ---> (e + 1, 0), begun
load_state_dict --> (e, a), not begun: the next pass goes on there
"""

from __future__ import annotations

import contextlib
import operator
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _draws, _hsfeed, _options, _orders, _report, _torch
from ._link import AWAY, PATIENCE_S, STEP_MS, Link
from ._pin import Pinned
from ._plans import Plan, check_plan
from ._split import DealsItself, Split
from ._torch import Batch
from .dataset import Dataset
from .errors import BadArgument, BadPlan, BadRequest, Error, PassEnded, Timeout

if TYPE_CHECKING:
    import torch

_KEPT = ("labels", "index")  # what trainers gather: always copies, which keep no slot
_LAZY = ("index",)  # a tensor once it is read: see Batch


class Loader(DealsItself):
    """An iterable of batches, for `for batch in loader: model(**batch)`. `Dataset.loader` makes one.

    Each pass is the next epoch: epoch e is torch.randperm seeded with seed + e, whatever happened before;
    set_epoch says else. A batch is a Batch: a dict of tensors with the row numbers as an attribute. It is no
    torch.utils.data.DataLoader and needs no workers: batches are made by the daemon, ahead; when a pass is
    over, the first ones of the next.

    split, fold   "train" or "val" of a fold (from 0), or "all"
    plan          how rows are dealt into folds: the name of a saved plan (its options are looked up when the
                  loader is made), or a dict: kind, folds (5), fold_seed (42), shuffle (True), by, group,
                  duplicates (a similarity), rule, column, test_size, train_size; see Dataset.folds
    order         "shuffle" (train's default), "sequential" (val's and all's), or one of those below
    seed          of the order, and of nothing else; default 42
    batch_size, drop_last
    max_length    in tokens, special ones counted: a number, or {role: number}
    padding       "max_length", "longest" (of the batch), or a number: the longest, rounded up to its multiple
    roles         whose ids: the first role's arrays have no prefix, those of "student" are student_input_ids
                  and so on. Default: the role "text" if there, else the first ingested
    arrays        names of attached arrays (Dataset.attach): float32 [B, C] or [B], under their names. They stay
                  the values that they were when the loader was first used
    dtype         of ids and masks: "int64" or "int32", also torch.int64   token_type_ids   that array too
    mask_rows     of this share of the rows one token is replaced by the tokenizer's mask token, drawn among
                  those that remain, pads and special tokens (unknown ones too) left out
    mask_prob     this share of all such tokens is replaced. Both depend on mask_seed (default: seed), the
                  epoch, the row and the token's place alone: all ranks, and every repetition, have the same
    mask_roles    whose ids are masked; default: all roles, which then must have one tokenizer, since a
                  teacher's tokens are not a student's
    weight        {label: weight}: a further tensor `weight`, float32 [B], the largest of the weights whose
                  label is not 0 in a row (with classes: whose class it is), 1 where there is none
    rank, world_size   default: torch.distributed's if it is initialised, else RANK and WORLD_SIZE of the
                  environment (as torchrun and accelerate set them) if both are there, else 0 of 1. Found at
                  the first use
    shard         how an epoch is dealt to ranks. Sample by sample, as DistributedSampler does: "pad" (train's
                  default: repeated from its head until all have equally many), "drop" (cut), "exact" (val's and
                  all's: nothing padded or dropped, ranks may differ by one). Batch by batch, as accelerate does:
                  "even" (even_batches=True: the last round is completed from the epoch's head), "batches"
                  (even_batches=False); with drop_last both leave an incomplete round out
    slots         batches that may be ahead or held: more memory, more tensors that may be kept before copies
                  are made
    transport     "ring" (shared memory) or "inline" (through the socket); None: the best there is
    pin_memory    registers the slots with CUDA, so that copies to a GPU (non_blocking=True, or the loader's
                  own, see to()) are asynchronous. A slot is filled again when the stream that was current at
                  the next batch is done with them: copies queued on other streams need their batch kept until
                  they are done
    timeout       seconds to wait for a daemon that went away. After 2 s, and then every minute, a warning is
                  logged, or the daemon is started again, where connect(start=True) of this process had
                  started it; when it is back, batches go on exactly where they were; after `timeout`,
                  ConnectionLost
    quiet         do not print the line that says what was chosen (rank 0 prints it on stderr at the first
                  use)

    Further orders, and what goes with them:

    "length"      transformers' group_by_length: rows of about equal length together, of seed + epoch. Lengths are
                  those of the first role, special tokens counted, truncated to its max_length. length_batch: train
                  batch size times accumulation steps; default batch_size
    "explicit"    rows=: row numbers of the dataset, in order, repeats allowed, all of the split; the same for every
                  pass. Or sampler=: a list, a torch Sampler, anything iterable that gives positions within the
                  split; asked for all of them at a pass's first batch
    "dataloader"  what DataLoader(shuffle=True) deals, after the same torch.manual_seed, whatever draws in between
                  (shuffle=False, val's and all's default: what DataLoader(shuffle=False) draws)
    "replacement" RandomSampler(replacement=True, num_samples=)
    "weighted"    WeightedRandomSampler(weights, num_samples=, replacement=True): a weight for each row of the split

    The last three, and samplers, draw from torch's generators exactly as a DataLoader with num_workers=0 does: a
    base seed at iter() (with persistent_workers=True at the first iter() alone), the sampler's numbers at the first
    batch; from the global generator, or from generator=, as the generator of DataLoader and of its sampler. With
    seed=, "replacement" and "weighted" draw nothing: epoch e is that of a fresh generator seeded with seed + e. With
    several ranks, whose generators differ, they need a seed, or a generator in the same state on each rank. A state
    has what the running pass was drawn, and the state of generator=, which load_state_dict sets; torch's global
    generator is the script's own to save (torch.get_rng_state).

    The connection is opened at the first use: len(), iter(), describe(), state_dict(). One loader is for one
    thread at a time; loaders in different threads do not disturb each other. In a forked child a loader that
    was opened before raises Forked. A new iter() ends the pass before it: the older iterator raises
    PassEnded.

    Raises BadArgument for options that cannot be, such as a role, fold or label that is not there, and
    MissingLibrary without torch; at the first use BadRequest (no such order or shard, no mask token),
    NotFound, BadPlan (the plan cannot be made), LimitExceeded (batches too large for the daemon), Corrupt.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str = "train",
        fold: int | None = None,
        *,
        plan: Plan | None = None,
        order: str | None = None,
        seed: int | None = None,
        length_batch: int | None = None,
        rows: Sequence[int] | npt.NDArray[Any] | None = None,
        sampler: Iterable[int] | None = None,
        shuffle: bool | None = None,
        weights: Sequence[float] | npt.NDArray[Any] | torch.Tensor | None = None,
        num_samples: int | None = None,
        replacement: bool | None = None,
        generator: torch.Generator | None = None,
        persistent_workers: bool = False,
        batch_size: int = 32,
        drop_last: bool = False,
        max_length: int | Mapping[str, int] = 128,
        padding: str | int = "max_length",
        roles: str | Sequence[str] | None = None,
        arrays: str | Sequence[str] | None = None,
        dtype: str | torch.dtype = "int64",
        token_type_ids: bool = False,
        mask_rows: float | None = None,
        mask_prob: float | None = None,
        mask_seed: int | None = None,
        mask_roles: str | Sequence[str] | None = None,
        weight: Mapping[str, float] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        shard: str | None = None,
        slots: int | None = None,
        transport: str | None = None,
        pin_memory: bool = False,
        timeout: float = 300.0,
        quiet: bool = False,
        **unknown: Any,
    ) -> None:
        _options.refuse_unknown("a loader", unknown, Loader.__init__.__annotations__, _options.HINTS)
        _torch.require("a loader")
        if isinstance(plan, str) and split != "all":
            plan = dataset.plan(plan)  # a plan that is replaced later is another one
        self._order = _orders.choose(
            split, order, seed,
            {"length_batch": length_batch, "rows": rows, "sampler": sampler, "shuffle": shuffle, "weights": weights,
             "num_samples": num_samples, "replacement": replacement, "generator": generator,
             "persistent_workers": persistent_workers},
        )  # fmt: skip
        self._draws = self._order.draws
        self._options = _options.check(
            dataset.roles, split=split, fold=fold, plan=check_plan(plan), order=self._order.served,
            length_batch=length_batch, seed=self._order.seed, batch_size=batch_size, drop_last=bool(drop_last),
            max_length=max_length, padding=padding, roles=roles, dtype=dtype,
            token_type_ids=bool(token_type_ids), shard=shard, slots=slots, transport=transport,
            mask_rows=mask_rows, mask_prob=mask_prob, mask_seed=mask_seed, mask_roles=mask_roles, weight=weight,
            arrays=arrays,
        )  # fmt: skip
        _options.check_labels(self._options.weight, dataset.label_info)
        self._data = dataset
        self._pins = _options.Pins(dataset.encodings, {})
        self._given_ranks = (rank, world_size)
        if rank is not None or world_size is not None:
            _options.find_ranks(rank, world_size)
        self._ranks: _options.Ranks | None = None
        self._pin_memory, self._quiet = bool(pin_memory), quiet
        self._pinned = False  # whether the slots were, when they were last looked at
        self._device: torch.device | None = None
        self._link = Link(dataset.socket, _options.check_timeout(timeout), dataset.database.start_again)
        self._info: dict[str, Any] | None = None  # of the first opening, at the start of an epoch
        self._standing: tuple[Any, ...] | None = None  # where the stream is, if nothing was taken since
        self._indices: npt.NDArray[np.int64] | None = None  # of the split, where an order needs them
        self._epoch = self._at = 0  # the position
        self._begun = False  # whether a pass has begun in this epoch
        self._next_epoch: int | None = None  # by set_epoch
        self._pass: object | None = None  # the running one
        self._taken = False  # whether it has given a batch
        self._once = False  # no pass will follow
        self._told: set[str] = set()
        self._end = weakref.finalize(self, self._link.drop)

    # ---- opening

    def _opened(self) -> dict[str, Any]:
        """The answer to the first opening. Opens the stream where it never was."""
        self._link.check_process()
        if self._info is None:
            epoch = self._place_of_next_pass()[0]
            self._link.insist(lambda: self._open(epoch, 0))
        assert self._info is not None
        return self._info

    def _open(self, epoch: int, at: int) -> None:
        """A new stream at a position: the same batches as before, or an error (the daemon may be another)."""
        torch = _torch.require("a loader")
        if self._ranks is None:
            self._ranks = _options.find_ranks(*self._given_ranks)
        asked = _options.for_stream(self._options, self._data.ref, self._pins, self._data.default_role)
        asked.update(epoch=epoch, at=at, rank=self._ranks.rank, world=self._ranks.world)
        if self._order.rows is not None:
            asked["rows"] = self._order.rows
        elif self._draws is not None:
            self._draws.refuse_ranks(self._ranks.world)
            if asked.get("mask_rows") or asked.get("mask_prob"):
                asked.setdefault("mask_seed", asked["seed"])  # not the one that a pass is drawn
            asked.update(self._draws.numbers(epoch, self._split_rows))
        stream = self._link.open(asked)
        try:
            self._set_up(stream, torch)
        except BaseException:
            self._link.drop()
            raise
        self._standing = self._standpoint(epoch, at)

    def _standpoint(self, epoch: int, at: int) -> tuple[Any, ...]:
        return epoch, at, self._draws and self._draws.present

    def _split_rows(self) -> npt.NDArray[np.int64]:
        """The split's row numbers, ascending, or in its plan's order."""
        if self._indices is None:
            o = self._options
            self._indices = self._data.split_rows(o.split, o.fold, o.plan)
        return self._indices

    def _identity(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """What batches depend on; of a drawn order not what one pass was drawn."""
        return self._as_asked(_options.identity_of(info))

    def _as_asked(self, told: Mapping[str, Any]) -> dict[str, Any]:
        return dict(told) if self._draws is None else self._draws.named(told)

    def _set_up(self, stream: _hsfeed.Stream[Any], torch: Any) -> None:
        make, warning = _torch.from_dlpack(torch), _report.Once(self._warn_once, "copies", _report.COPIES)
        stream.configure(Batch, make, copied=_KEPT, on_copies=warning, lazy=_LAZY)
        info = stream.info
        if self._info is not None:
            known, now = self._identity(self._info), self._identity(info)
            _options.refuse_other(known, now, self._data.name)
        if self._pin_memory:
            self._pin(stream, torch.cuda)
        if self._info is None:
            self._info = info
            self._pins = self._pins.with_those_of(_options.Pins.of(_options.identity_of(info)))
            self._announce(info)

    def _announce(self, info: Mapping[str, Any]) -> None:
        assert self._ranks is not None
        for warning in info["warnings"]:
            _report.warn(f"{info['name']}: {warning}")
        if not self._quiet and self._ranks.rank == 0:
            _report.say(self._line(info, self._ranks))

    def _line(self, info: Mapping[str, Any], ranks: _options.Ranks) -> str:
        extras = [] if not self._pin_memory else ["pinned" if self._pinned else "not pinned"]
        return _report.loader_line(self._as_asked(info), ranks.source, extras)

    def _pin(self, stream: _hsfeed.Stream[Any], cuda: Any) -> None:
        self._pinned = False
        if not cuda.is_available():
            self._warn_once("pin", "pin_memory=True, but CUDA is not available: batches are not pinned")
        elif stream.memory is None:
            self._warn_once("pin", "pin_memory=True, but batches come through the socket: they are not pinned")
        else:
            self._link.pin = Pinned(stream, cuda)
            self._link.pin.device = self._cuda_device()
            self._pinned = True

    def _warn_once(self, what: str, sentence: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _report.warn(sentence)

    # ---- what it is

    @property
    def dataset(self) -> Split:
        """The rows of the split, of all ranks: len(), indices, and single rows."""
        o, listed = self._options, self._options.order == "explicit"
        rows = len(self._split_rows()) if listed else int(self._opened()["rows"])
        return Split(self._data, o.split, o.fold, o.plan, rows)

    @property
    def batch_size(self) -> int:
        return self._options.batch_size

    @property
    def drop_last(self) -> bool:
        return self._options.drop_last

    @property
    def epoch(self) -> int:
        """The epoch of the position: of the running pass, else of the next one."""
        return self._position()[0]

    def __len__(self) -> int:
        """Batches of a whole pass of this rank. TypeError: a sampler that does not know its own length."""
        if isinstance(self._draws, _draws.FromSampler):
            len(self._draws.sampler)  # type: ignore[arg-type]
        return int(self._opened()["batches"])

    def describe(self) -> dict[str, Any]:
        """Every option as it was resolved: what stream.open of the protocol answers, and the loader's own."""
        info = self._as_asked(self._opened())
        for key in ("stream", "generation", "epoch", "at", "arrays", "slot_bytes", "packed", "warnings", "samples"):
            info.pop(key, None)
        own = {
            "pin_memory": self._pin_memory,
            "pinned": self._pinned,
            "timeout": self._link.timeout,
            "socket": self._link.socket,
        }
        return {**info, **own, "device": str(self._device or "cpu")}

    def __repr__(self) -> str:
        if self._info is None or self._ranks is None:
            fold = "" if self._options.fold is None else f" of fold {self._options.fold}"
            what = f"{self._options.split}{fold}"
            return f"<hsfeed.Loader {self._data.name}@{self._data.version[:6]}: {what}; not opened yet>"
        return f"<hsfeed.Loader {self._line(self._info, self._ranks)}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a loader cannot be pickled; make it in the process that uses it: dataset.loader(...)"
        )

    def close(self) -> None:
        """Closes stream and connection; tensors stay as they are. Using the loader again opens it again."""
        self._pass = None
        self._link.drop()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def to(self, device: torch.device | str | int) -> Loader:
        """From the next pass on, batches are on this device: the loader makes the copies. Returns self.

        With pin_memory=True they are asynchronous, on the current stream of that device at each step, and a
        slot is filled again only when its copies are done. batch.index stays on the CPU. BadArgument: there
        is no such device.
        """
        self._device = _torch.device(device)
        if self._link.pin is not None:
            self._link.pin.device = self._cuda_device()
        return self

    def _cuda_device(self) -> torch.device | None:
        return self._device if self._device is not None and self._device.type == "cuda" else None

    # ---- passes

    def __iter__(self) -> Iterator[Batch]:
        """Begins the next pass: of the next epoch, or where load_state_dict or set_epoch put it."""
        self._opened()
        epoch, at = self._place_of_next_pass()
        if self._draws is None:
            self._link.insist(lambda: self._place(epoch, at))
        else:
            self._draws.begin(goes_on=not self._moves_on())
        self._epoch, self._at, self._begun, self._next_epoch = epoch, at, True, None
        self._standing, self._taken = None, False
        self._pass = mine = object()
        moves = self._link.pin is not None or (self._device is not None and self._device.type != "cpu")
        return self._moved_batches(mine) if moves else self._batches(mine)

    def _moves_on(self) -> bool:
        """Whether the next pass is another one than that at the position: one was, if it gave a batch, or drew."""
        over = self._begun and (self._taken or self._draws is not None)
        return over or self._next_epoch not in (None, self._epoch)

    def _place_of_next_pass(self) -> tuple[int, int]:
        if not self._moves_on():
            return self._epoch, self._at
        return (self._epoch + 1 if self._next_epoch is None else self._next_epoch), 0

    def _place(self, epoch: int, at: int) -> None:
        """The stream to a position, opened where it is not."""
        stream = self._link.stream
        if stream is None:
            self._open(epoch, at)
        elif self._standing != self._standpoint(epoch, at):
            self._standing = None
            try:
                numbers = {} if self._draws is None else self._draws.numbers(epoch, self._split_rows)
                stream.seek(epoch, at, **numbers)
            except (BadPlan, BadRequest):  # refused: the stream is where it was
                raise
            except BaseException:  # where it stands is not known any more; Ctrl-C is among these
                self._link.drop()
                raise
            self._standing = self._standpoint(epoch, at)

    def _draw(self, draws: _draws.Draws) -> None:
        """The numbers of the pass that has just begun, and the stream to where it begins."""
        draws.draw(self._epoch, self._split_rows)
        self._place(self._epoch, self._at)

    def _batches(self, mine: object) -> Iterator[Batch]:
        """The fast path: one call of the extension per batch."""
        draws, take = self._draws, None
        try:
            if self._pass is mine:
                if draws is not None:
                    self._link.insist(lambda: self._draw(draws))
                    self._standing = None
                take = self._taker()
            while self._pass is mine and take:
                try:
                    batch = take(STEP_MS)
                except AWAY as error:
                    batch = self._recover(error)
                    take = self._taker()
                if batch is None:
                    self._finish()
                    self._begin_next_pass()
                    return
                self._at, self._taken = batch.at, True
                if draws is not None:
                    draws.handed(batch.at, batch.rows < self._options.batch_size)
                yield batch
                del batch  # the consumer's alone
            raise PassEnded(
                "this pass is over: another one over the same loader began, or it was closed",
                "one loader has one pass at a time; for two at once make two loaders",
            )
        finally:
            if self._pass is mine:
                self._pass = None

    def _moved_batches(self, mine: object) -> Iterator[Batch]:
        """With pinned slots, or a device to copy to."""
        for batch in self._settled(self._batches(mine)):
            if self._device is None or self._device.type == "cpu":
                yield batch
            else:
                moved = batch.to(self._device, non_blocking=self._link.pin is not None)
                del batch
                yield moved

    def _settled(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Looks after the pinned slots before each batch."""
        while True:
            if self._link.pin is not None:
                self._link.pin.settle()
            batch = next(batches, None)
            if batch is None:
                return
            yield batch
            del batch

    def _taker(self) -> Any:
        assert self._link.stream is not None
        return self._link.stream.next

    def _finish(self) -> None:
        if self._draws is not None:
            self._draws.over()
        self._epoch, self._at, self._begun = self._epoch + 1, 0, False

    def _begin_next_pass(self) -> None:
        """Its first batches come while the trainer validates: __iter__ seeks to where the stream is then. What
        goes wrong here is found there too. Of a drawn order nothing is drawn before its time.
        """
        if self._link.stream is not None and not self._once and self._draws is None:
            with contextlib.suppress(Error):
                self._link.stream.seek_ahead(*self._place_of_next_pass())

    def _recover(self, error: Error) -> Batch | None:
        """The batch that should have come, after however long the daemon was away."""
        waited = PATIENCE_S if isinstance(error, Timeout) else 0.0

        def ask() -> Batch | None:
            if self._link.stream is None:
                self._open(self._epoch, self._at)
            self._standing = None  # a batch is taken now
            batch: Batch | None = self._taker()(STEP_MS)
            return batch

        return self._link.insist(ask, error, time.monotonic() - waited)

    # ---- positions

    def set_epoch(self, epoch: int) -> None:
        """The next pass is of this epoch. After load_state_dict, the state's own epoch keeps the place
        inside it.
        """
        try:
            number = operator.index(epoch)
        except TypeError:
            raise BadArgument(f"an epoch is a number, not {epoch!r}") from None
        if not 0 <= number < 2**63:
            raise BadArgument(f"an epoch is a number from 0 to 2^63 - 1, not {epoch}")
        self._next_epoch = number

    def _position(self) -> tuple[int, int]:
        """Where the batch after the last one is: of a running pass, of one that was broken off, else of the
        next.
        """
        return (self._epoch, self._at) if self._is_here() else self._place_of_next_pass()

    def _is_here(self) -> bool:
        return self._next_epoch is None or (self._pass is not None and self._taken)

    def state_dict(self) -> dict[str, Any]:
        """The place after the last batch that was handed out, and what it is a place in: plain numbers,
        strings, lists.

        {format, name, epoch, at, options, drawn?}: at counts the samples dealt to all ranks. All ranks have the same
        state after the same number of batches. drawn: what torch's generators gave, of orders that draw.
        """
        options = self._identity(self._opened())
        epoch, at = self._position()
        state = {
            "format": _options.FORMAT, "name": self._data.name, "epoch": epoch, "at": at, "options": options,
        }  # fmt: skip
        if self._draws is not None:
            state["drawn"] = self._draws.state(another=not self._is_here() and self._moves_on())
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next pass goes on where the state was taken, also with another number of ranks.

        A state taken after the last batch of a pass, but before its end was seen, continues with an empty
        pass. The state's encodings and attached arrays are served, also if a role has moved to another
        tokenizer or an array was replaced since, as long as the store has them.
        StateMismatch: it is of another version, or was saved with other options; the sentence names them.
        """
        _options.check_state(state)
        saved, present = dict(state["options"]), self._identity(self._opened())
        served = _options.with_pins_of(saved, present)
        _options.refuse_other(saved, served, self._data.name)
        before = self._pins, self._info
        try:
            if served != present:
                self._serve(_options.Pins.of(served))
            if self._draws is not None:
                self._draws.load(state.get("drawn"), state["at"])
        except Error:
            if self._pins is not before[0]:
                self._link.drop()
            self._pins, self._info = before
            raise
        self._pass = None
        self._epoch, self._at, self._begun, self._next_epoch = state["epoch"], state["at"], False, None

    def _serve(self, pins: _options.Pins) -> None:
        """These encodings and arrays of the same names from now on."""
        before = self._pins
        self._pins, self._info = self._pins.with_those_of(pins), None
        self._link.drop()
        self._opened()
        if self._pins.encodings != before.encodings:
            _report.warn(f"{self._data.name}: the state's encodings are served; its roles have others now")
        if self._pins.attached != before.attached:
            _report.warn(f"{self._data.name}: the state's attached arrays are served; others have their names now")


def whole(dataset: Dataset, **options: Any) -> dict[str, torch.Tensor]:
    """Every row of a dataset in row order, in arrays of the caller's own."""
    empty = _torch.require("tensors").empty
    lengths = options["max_length"]
    longest = max(lengths.values()) if isinstance(lengths, Mapping) else int(lengths)
    batch_size = max(1, min(512, (1 << 20) // (16 * max(1, longest))))  # about 1 MiB each
    arrays: dict[str, torch.Tensor] = {}
    with Loader(dataset, "all", batch_size=batch_size, rank=0, world_size=1, quiet=True, **options) as loader:
        loader._once = True
        for batch in loader:
            for name, tensor in batch.items():
                if name not in arrays:
                    arrays[name] = empty((dataset.rows, *tensor.shape[1:]), dtype=tensor.dtype)
                arrays[name][batch.at - batch.rows : batch.at] = tensor
    return arrays
