# SPDX-License-Identifier: Apache-2.0
"""Pinned slots: the ring registered with CUDA, and slots given back when the copies out of them are done.

    next() -> views over a slot -> copies queued on the consumer's stream -> the views die -> [returned]
                                                                                                 |
    the slot is filled again <- given back <- the event has completed <- event recorded behind the copies

Host memory that is registered is copied asynchronously: when the views die, a copy may still have to read the
slot. An event recorded after that moment on the stream of the copies completes after them. An event costs more
than a small copy: one is recorded for several slots, as long as there are others to fill.

    stream A   copy 0, copy 1, event                           Which stream a batch's copies are on is known when the
    stream B                          copy 2, copy 3, event    next batch is asked for. Whenever it is another one, an
    back                              0, 1 <- A    2, 3 <- B   event is left on the old one, and slots go back in order:
                                                               none before the events that came before.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from .errors import SystemFailure

PORTABLE = 1  # cudaHostRegisterPortable: pinned for every GPU, not only the current one
SPARE = 2  # the daemon must always have something to fill, and views need a slot beyond these
EVENTS = 8  # while as many slots are returned as a stream has


class Pinned:
    """A stream's memory, registered with CUDA until close()."""

    def __init__(self, stream: Any, cuda: Any) -> None:
        address, size = stream.memory
        self.stream, self.cuda, self.address = stream, cuda, address
        self.device: Any = None  # whose current stream copies; None: the current device
        self.group = max(1, stream.slots // EVENTS)
        self.returned: list[int] = []  # no event is behind their copies yet,
        self.behind: Any = None  # which are on this stream: that of the last step
        self.pending: deque[tuple[Any, list[int]]] = deque()
        self.closing = threading.Lock()
        self.open = True
        code = int(cuda.cudart().cudaHostRegister(address, size, PORTABLE))
        if code != 0:
            raise SystemFailure(
                f"CUDA could not pin the {size:,} bytes of a stream's slots: error {code}",
                "pin_memory=False goes without",
            )
        stream.set_auto_release(False)

    def settle(self) -> None:
        """Before each next(): events for what was let go, back with what is copied; waits if few are left."""
        returned = self.stream.take_returned()  # first: it refuses a fork
        self.follow()
        self.returned += returned
        if self.returned and (len(self.returned) >= self.group or self.free() <= SPARE):
            self.record()
            while self.pending and self.pending[0][0].query():
                self.give_back_oldest()
        while self.pending and self.free() <= SPARE:
            self.pending[0][0].synchronize()
            self.give_back_oldest()

    def follow(self) -> None:
        """An event on the stream that copied until now, if it is another one than now: perhaps for no slots."""
        stream = self.cuda.current_stream(self.device)
        if self.behind is not None and stream != self.behind:
            self.record()
        self.behind = stream

    def record(self) -> None:
        event = self.cuda.Event()  # a new one each time: an event belongs to one device for ever
        event.record(self.behind)
        self.pending.append((event, self.returned))
        self.returned = []

    def free(self) -> int:
        waiting = len(self.returned) + sum(len(slots) for _, slots in self.pending)
        return int(self.stream.slots - self.stream.held - waiting)

    def give_back_oldest(self) -> None:
        _, slots = self.pending.popleft()
        self.stream.give_back(slots)

    def close(self) -> None:
        """Waits for every copy, unregisters, and lets the stream give back its slots by itself again."""
        with self.closing:
            if not self.open:
                return
            self.open = False
        self.cuda.synchronize(self.device)
        self.returned = []
        self.pending.clear()
        self.cuda.cudart().cudaHostUnregister(self.address)
        self.stream.set_auto_release(True)
