# SPDX-License-Identifier: Apache-2.0
"""A loader's own connection and stream, and the patience with a daemon that goes away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from . import _hsfeed, _report
from ._pin import Pinned
from .errors import ConnectionLost, Error, Forked, NoDaemon, Timeout

T = TypeVar("T")
Start = Callable[[], object]
AWAY = (ConnectionLost, NoDaemon, Timeout)
PATIENCE_S = 2.0  # then there is a message
AGAIN_S = 60.0  # and another one after so long, each time
STEP_MS = int(PATIENCE_S * 1000)  # the longest wait for a batch before that
START = "hsfeed start"
CALL_MS, LEAST_MS = 60_000, 1_000  # for one call, whatever the loader's timeout is


class Patience:
    """How long a daemon has been away, and what is done about it: wait, say so now and then, give up.

    start   starts the daemon again, where this process started it: tried once
    """

    def __init__(
        self,
        socket: str,
        timeout: float,
        began: float | None = None,
        start: Start | None = None,
    ) -> None:
        self.socket, self.timeout, self.start = socket, timeout, start
        self.began = time.monotonic() if began is None else began
        self.delay = 0.01
        self.tell_at = PATIENCE_S  # seconds away

    def wait(self, error: Error) -> None:
        """Returns when it is time to try again. ConnectionLost: the time is over."""
        away = time.monotonic() - self.began
        if away >= self.timeout:
            raise ConnectionLost(
                f"the daemon at {self.socket} did not answer for {self.timeout:g} s: {error.message}",
                f"start it again: {START} --socket {self.socket}\n"
                "  load_state_dict continues where state_dict was taken",
            ) from error
        if away >= self.tell_at:
            if self._started_again(error):
                return
            self.tell_at = away + AGAIN_S
            _report.warn(
                f"the daemon at {self.socket} does not answer ({error.message}); trying for "
                f"{self.timeout - away:.0f} s more; start it with: {START} --socket {self.socket}"
            )
        if not isinstance(error, Timeout):  # which has waited already
            time.sleep(max(0.001, min(self.delay, self.timeout - away, self.tell_at - away)))
            self.delay = min(2 * self.delay, 0.25)

    def _started_again(self, error: Error) -> bool:
        if self.start is None or not isinstance(error, NoDaemon):
            return False
        start, self.start = self.start, None
        try:
            start()
        except Error as refusal:
            _report.warn(refusal.message)
            return False
        return True

    def over(self) -> None:
        if self.tell_at > PATIENCE_S:
            _report.warn(f"the daemon at {self.socket} is back; going on where it was")


class Link:
    """A connection and a stream, or neither. What is asked of it is asked again while the daemon is away."""

    def __init__(self, socket: str, timeout: float, start: Start | None = None) -> None:
        self.socket, self.timeout, self.start = socket, timeout, start
        self.client: _hsfeed.Client | None = None
        self.stream: _hsfeed.Stream[Any] | None = None
        self.pin: Pinned | None = None
        self.pid = os.getpid()

    def check_process(self) -> None:
        """Forked: this is a child of the process that opened the stream."""
        if self.stream is None and self.client is None:
            self.pid = os.getpid()
        elif os.getpid() != self.pid:
            raise Forked(
                f"this loader was opened in process {self.pid} and cannot be used in its child {os.getpid()}",
                "make the loader in the child, or start processes with the method 'spawn' or 'forkserver'",
            )

    def open(self, options: dict[str, Any]) -> _hsfeed.Stream[Any]:
        """Connects and opens a stream. Raises as they come."""
        self.drop()
        self.pid = os.getpid()
        client = _hsfeed.Client(
            socket=self.socket,
            client=f"hsfeed loader, pid {self.pid}",
            timeout_ms=int(min(CALL_MS, max(LEAST_MS, self.timeout * 1000))),
        )
        stream = client.open(options)
        self.client, self.stream = client, stream
        return stream

    def drop(self) -> None:
        """Lets go of stream and connection; tensors over their slots stay readable."""
        pin, stream, client = self.pin, self.stream, self.client
        self.pin = self.stream = self.client = None
        if os.getpid() != self.pid:
            return
        if pin is not None:
            pin.close()
        if stream is not None:
            stream.close()
        if client is not None:
            client.close()

    def insist(self, ask: Callable[[], T], error: Error | None = None, began: float | None = None) -> T:
        """ask() until it answers. `error`: how it failed already. ask() must open again what is gone."""
        patience = Patience(self.socket, self.timeout, began, self.start)
        while True:
            if error is None:
                try:
                    answer = ask()
                    patience.over()
                    return answer
                except AWAY as e:
                    error = e
            if not isinstance(error, Timeout):
                self.drop()
            patience.wait(error)
            error = None
