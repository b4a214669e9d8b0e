"""Ctrl-C and SIGTERM: the first asks training to stop at the last whole epoch, a second one stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nnrun.cli.common import say

HANDLED = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Asked in every step whether to stop; remembers the signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        say("", "stopping; once more to stop at once")


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch both signals while the block runs."""
    request = StopRequest()
    before = {number: signal.signal(number, request._receive) for number in HANDLED}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
