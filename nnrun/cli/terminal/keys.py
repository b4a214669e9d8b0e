"""Keys that are typed while a run trains: heard in a thread, so that each has its answer while an epoch takes long."""

from __future__ import annotations

import codecs
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from nnrun.cli.terminal.screen import SHOW_CURSOR
from nnrun.cli.terminal.streams import say_at_once
from nnrun.machine.posix import (
    SUSPEND,
    Modes,
    give_back,
    in_foreground,
    is_own_terminal,
    key_by_key,
    never_stopped_by_a_terminal,
    stop_here,
)

STDIN = 0
SECONDS_BETWEEN_TICKS = 0.25
AT_ONCE = 4096  # bytes of what is typed, or pasted


class Keyboard:
    """The keys of the terminal at stdin, while this process is in front there.

    The thread calls `hear` with what was typed, with nothing four times a second; the handler of Ctrl-Z writes `leave`
    and calls `going_on` when the process goes on.
    """

    def __init__(
        self, hear: Callable[[str], None], going_on: Callable[[], None], leave: str = f"{SHOW_CURSOR}\r\n"
    ) -> None:
        self._hear, self._going_on, self._leave = hear, going_on, leave
        self._usual: Modes | None = None  # how the terminal was
        self._wake: tuple[int, int] | None = None  # a pipe
        self._lock, self._drawer = threading.RLock(), 0  # the thread that draws, 0 where none does
        self._over = self._away = self._stop_asked = False
        self.listening = False

    def start(self) -> None:
        """Begin, if there is a terminal; in the main thread alone, which handles Ctrl-Z."""
        if not is_own_terminal(STDIN) or threading.current_thread() is not threading.main_thread():
            return
        self._wake = os.pipe()
        if signal.getsignal(SUSPEND) is signal.SIG_DFL:  # else somebody wants to hear nothing of it
            signal.signal(SUSPEND, self._suspend)
        self._take()
        threading.Thread(target=self._listen, args=(self._wake[0],), name="keys", daemon=True).start()

    def stop(self) -> None:
        """Give the terminal back for good, whatever happens."""
        if self._wake is None:
            return
        self._over = True
        self.give_back()
        os.close(self._wake[1])  # which wakes the thread
        self._wake = None
        if signal.getsignal(SUSPEND) == self._suspend:
            signal.signal(SUSPEND, signal.SIG_DFL)

    def give_back(self) -> None:
        """Let the terminal be as it was until the thread takes it again; for handlers of signals too."""
        self._away, self.listening = True, False
        if self._usual is not None:
            give_back(STDIN, self._usual)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """One thread at a time, and Ctrl-Z waits for it: what is half drawn would go on over a shell's lines."""
        with self._lock:
            outer, self._drawer = self._drawer, threading.get_ident()
            try:
                yield
            finally:
                self._drawer = outer
                if self._stop_asked and not outer:
                    self._stop_asked = False
                    self._stop_here()

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        if self._drawer == threading.get_ident():
            self._stop_asked = True
        else:
            self._stop_here()

    def _stop_here(self) -> None:
        with self._lock:
            self.give_back()
            say_at_once(self._leave)
            stop_here()
            self._going_on()
            self._away = False

    def _take(self) -> None:
        """Have each key at once where this process is in front; what a shell has of its terminal is left alone."""
        with self.drawing():
            in_front = not (self._away or self._over) and in_foreground(STDIN)
            if in_front and not self.listening:
                self._usual = key_by_key(STDIN, self._usual)
            self.listening = in_front
            if in_front and (self._away or self._over):  # since the question
                self.give_back()

    def _listen(self, wake: int) -> None:
        never_stopped_by_a_terminal()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while not self._over:
            self._take()
            watched = [wake, STDIN] if self.listening else [wake]
            ready, _, _ = select.select(watched, [], [], SECONDS_BETWEEN_TICKS)
            if wake in ready:
                break
            typed = decoder.decode(self._typed()) if STDIN in ready else ""
            if not self._away:  # else whoever hears it would draw over what the shell has written meanwhile
                self._hear(typed)
        os.close(wake)

    def _typed(self) -> bytes:
        """Nothing where the terminal is no longer this process's, or as it was before."""
        if not (self.listening and in_foreground(STDIN)):
            return b""
        with suppress(OSError):
            return os.read(STDIN, AT_ONCE)
        return b""
