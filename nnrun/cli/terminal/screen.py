"""What every view owns of the screen while a command trains: how it begins, what a signal shows, how it ends."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from nnrun.cli.terminal.preparing import Preparation
from nnrun.cli.terminal.streams import say_at_once

if TYPE_CHECKING:
    from rich.live import Live


SECONDS_BETWEEN_REFRESHES = 0.1
STOPPING = "stopping; once more to stop at once"
START_OF_LINE, SHOW_CURSOR = "\r\x1b[2K", "\x1b[?25h"
ECHO = 3  # columns left free for the ^C that a terminal prints, as a line that it breaks is never erased


class Screen:
    """Plain lines; with `live` also what is drawn below them, which has hidden the cursor."""

    live: Live | None = None

    def __init__(self) -> None:
        self.preparation = Preparation()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.preparation.close()
        if self.live:
            self.live.stop()

    def preparing(self, step: str, done: int, rows: int | None) -> None:
        """Data is being prepared: told where it takes long."""
        self.preparation(step, done, rows)

    def stopping(self) -> None:
        """The first signal came: said in place of the last line of what is drawn, until it is drawn again."""
        drawn = self.live and self.live.is_started
        say_at_once(START_OF_LINE + STOPPING if drawn else f"\n{STOPPING}\n")

    def abandoned(self) -> None:
        """The process ends here and now."""
        if self.live and self.live.is_started:
            say_at_once(f"{SHOW_CURSOR}\n")
