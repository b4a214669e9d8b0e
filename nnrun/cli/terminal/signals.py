"""Ctrl-C, SIGTERM and SIGHUP, which comes when a terminal closes.

The first asks training to stop at the last whole epoch, a second one stops at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from nnrun.cli.terminal.screen import Screen
from nnrun.errors import StoppedError
from nnrun.machine.posix import HANG_UP

HANDLED = (signal.SIGINT, signal.SIGTERM, HANG_UP)
Handler = Callable[[int, FrameType | None], None]


class StopRequest:
    """Asked in every step whether to stop; remembers the signal."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.signal: int | None = None

    def __call__(self) -> bool:
        """Whether a signal has come."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
        return 128 + (self.signal or signal.SIGINT)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            self.screen.abandoned()
            os._exit(128 + number)
        self.signal = number
        self.screen.stopping()


def _caught(handler: Handler) -> dict[int, Any]:
    """What each signal did before; SIGHUP stays ignored where `nohup` wants it so."""
    ignored = signal.getsignal(HANG_UP) is signal.SIG_IGN
    handled = [number for number in HANDLED if number != HANG_UP or not ignored]
    return {number: signal.signal(number, handler) for number in handled}


@contextmanager
def stop_request(screen: Screen) -> Iterator[StopRequest]:
    """Catch the signals while the block runs."""
    request = StopRequest(screen)
    before = _caught(request._receive)
    try:
        yield request
    except StoppedError as error:
        error.exit_code = request.exit_code
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def tidy_end() -> Iterator[None]:
    """Let any signal end the process through the clean-up of the block, with 128 + its number; a second one at once."""

    def leave(number: int, frame: FrameType | None) -> None:
        for handled in HANDLED:
            signal.signal(handled, signal.SIG_DFL)
        sys.exit(128 + number)

    before = _caught(leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
