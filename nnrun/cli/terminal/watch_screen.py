"""`nnrun watch --text`: looks at a folder of runs, hears keys in a thread of their own, draws both on one screen."""

from __future__ import annotations

import os
import queue
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from nnrun.cli.terminal.braille import Spans
from nnrun.cli.terminal.keys import STDIN, Keyboard
from nnrun.cli.terminal.panel import SEQUENCE, Steered
from nnrun.cli.terminal.screen import HIDE_CURSOR, SHOW_CURSOR, Screen, is_terminal
from nnrun.cli.terminal.streams import ascii_only, in_terminal_letters, say_at_once
from nnrun.cli.terminal.watch_drawing import Seen, drawn
from nnrun.cli.terminal.watch_view import View, keys_of
from nnrun.errors import NnrunError, UsageError
from nnrun.installation import typed_here
from nnrun.machine.posix import is_own_terminal
from nnrun.watching.details import details
from nnrun.watching.folder import SECONDS_BETWEEN_LOOKS, Folder

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.text import Text

    from nnrun.runs.rundir import RunDir

EMPTIED = "\x1b[H\x1b[2J"  # what is left there shows through where a window has grown
OTHER_SCREEN, OWN_SCREEN = f"\x1b[?1049h{EMPTIED}", f"{EMPTIED}\x1b[?1049l"
STEERING = "psrn"  # keys of the live view
ENDING, FILTER = "q", "/"
ONE_FOR_ONE = str.maketrans("…↑↓←→−–│└─", "~^v<>--|`-")  # so that columns stay where they are
SECONDS_BETWEEN_FACTS = 1.0  # of the run in full


class WatchScreen(Screen):
    """One screen for all runs of a folder. Two threads draw, never both at once: the one that looks, and the keys'."""

    def __init__(self, folder: Folder, read_only: bool) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        self.live: Live = Live(
            self, console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self.folder, self.steered = folder, not read_only
        self.view = View()
        self.seen = Seen(self.view, str(folder.root), steered=self.steered, plain=ascii_only(sys.stderr))
        self.keyboard = Keyboard(self.hear, self._going_on, leave=f"{OWN_SCREEN}{SHOW_CURSOR}\r\n")
        self.panels: dict[str, Steered] = {}
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # for handlers of signals too
        self._look, self._size = 0, (0, 0)
        self._lines: list[Spans] = []
        self._filtered: tuple[str, ...] = ()
        self._full: tuple[str | None, float] = None, 0.0  # the run that was told in full, and when
        self._away = self.over = False
        self._failed: BaseException | None = None

    def watch(self, told_to_stop: Callable[[], bool]) -> None:
        """Until a key or a signal ends it; raises what went wrong while keys were heard."""
        self.keyboard.start()
        try:
            while not (told_to_stop() or self.over):
                self.look()
                self._draw()
                self._wait(told_to_stop)
        finally:
            self.keyboard.stop()
            with self.keyboard.drawing():
                if self.live.is_started:
                    say_at_once(EMPTIED)
                self.live.stop()
        if self._failed:
            raise self._failed

    def stopping(self) -> None:
        """A signal came."""
        self._wake.put(None)

    def abandoned(self) -> None:
        """The terminal is left as it was."""
        self.keyboard.give_back()
        if self.live.is_started:
            say_at_once(f"{OWN_SCREEN}{SHOW_CURSOR}")

    # what there is

    def _wait(self, told_to_stop: Callable[[], bool]) -> None:
        """Until more may be there; what keys ask to see is read meanwhile."""
        until = time.monotonic() + SECONDS_BETWEEN_LOOKS
        while not (told_to_stop() or self.over):
            try:
                self._wake.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            self._read(changed=False)
            self._draw()

    def look(self) -> None:
        """At the folder, where that is due, and at the runs that are seen."""
        self._read(changed=self._take_a_look())

    def _take_a_look(self) -> bool:
        """Whether anything has changed."""
        if not self.folder.look_when_due():
            return False
        look, rows, gone = self.folder.since(self._look)
        with self.keyboard.drawing():
            self._look = look
            self.view.take(rows, gone)
        return bool(rows or gone)

    def _read(self, changed: bool) -> None:
        """What is seen of the runs, by this thread alone, so that no key waits for a disk."""
        self._select(changed)
        with self.keyboard.drawing():
            names, here = list(self.view.drawn), self.view.here
        self.seen.points = {name: self._points(name) for name in names}
        run = self.folder.run(here) if here else None
        if run is not None and self.view.opened:
            self._read_in_full(run)
        self._settle_panel(run)

    def _select(self, changed: bool) -> None:
        wanted = self.view.filter
        if wanted and (changed or wanted != self._filtered):
            found, problem = None, ""
            try:
                found = self.folder.selected(wanted)
            except UsageError as error:
                problem = str(error)
            with self.keyboard.drawing():
                if self.view.filter == wanted:
                    self.view.selection(found, problem)
        self._filtered = self.view.filter

    def _points(self, name: str) -> Sequence[list[float | None]]:
        curve = self.folder.curve(name)
        return [*curve.points, *curve.latest] if curve else ()

    def _read_in_full(self, run: RunDir) -> None:
        """Once a second, as it may be a search of thousands of trials."""
        now = time.monotonic()
        if self._full[0] == run.id and now - self._full[1] < SECONDS_BETWEEN_FACTS:
            return
        found = details(run, with_charts=False)
        self.seen.full = [
            *filter(None, [run.id, found.get("problem", ""), found["verdict"]]),
            *(f"symptom  {why}" for why in found["symptoms"]),
            *("", "differs from the defaults in", *(f"  {line}" for line in found["config"])),
            *("", "to type next", *(line for each in found["commands"] for line in _to_type(each))),
            *("", "the end of its log", *(f"  {line}" for line in found["log"])),
        ]
        self._full = run.id, time.monotonic()

    def _settle_panel(self, run: RunDir | None) -> None:
        """The panel of the run that keys are about, with what is wrong with it."""
        if run is None:
            return
        panel = self.panels.setdefault(run.id, Steered(run))
        with suppress(NnrunError, OSError):
            panel.symptoms = run.read_record().get("symptoms") or ()
        with self.keyboard.drawing():
            panel.press("")

    # keys

    def hear(self, typed: str) -> None:
        """In the thread of the keys; what goes wrong there ends the whole."""
        try:
            with self.keyboard.drawing():
                panel = self.panels.get(self.view.here or "")
                changed = self._press(panel, typed) or bool(typed)
            if changed or self._away or self._size != self.live.console.size:
                self._draw()
        except Exception as error:
            self._failed, self.over = error, True
        if typed or self.over:
            self._wake.put(None)

    def _press(self, panel: Steered | None, typed: str) -> bool:
        """Whether what was asked of the run looks other than before."""
        if panel is None or panel.typing:
            return panel.press(typed) if panel else self._choose(typed)
        if typed:
            panel.clear()
        letters = SEQUENCE.sub("", typed)
        asks = self.view.typed is None and letters[:1] in tuple(STEERING) and len(set(letters)) == 1
        return panel.press(letters if asks and self.steered else "") or (not asks and self._choose(typed))

    def _choose(self, typed: str) -> bool:
        """Keys of the view; several letters that have others among them were pasted, for a shell perhaps."""
        letters = SEQUENCE.sub("", typed)
        pasted = len(set(letters)) > 1 and not set(letters).isdisjoint(STEERING + ENDING)
        if self.view.typed is None and pasted and letters[0] != FILTER:
            return False
        for key in keys_of(typed):
            self.over = self.over or (key == ENDING and self.view.typed is None)
            self.view.press(key)
        return bool(typed)

    def _going_on(self) -> None:
        """After a stop, perhaps in the background: drawn again when this process is in front."""
        self._away = True

    # what is seen

    def _draw(self) -> None:
        """Where this process is in front, as elsewhere the terminal is somebody else's; and where anything is new."""
        with self.keyboard.drawing():
            if not self.keyboard.listening or self.over:
                return
            size, lines = self.live.console.size, self._lines
            self._lines = self._seen(*size)
            if self._away:
                say_at_once(OTHER_SCREEN + HIDE_CURSOR)
            elif self.live.is_started and self._size != size:
                say_at_once(EMPTIED)
            elif self._lines == lines:
                return
            self._away, self._size = False, size
            if not self.live.is_started:
                self.live.start()
            self.live.refresh()

    def _seen(self, width: int, height: int) -> list[Spans]:
        panel = self.panels.get(self.view.here or "")
        self.seen.below = [[(line.plain, str(line.style))] for line in panel.lines(width)[1:]] if panel else []
        return drawn(self.seen, width, height)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The screen as it was drawn last."""
        for line in self._lines:
            yield _text(line, self.seen.plain)


def _to_type(each: Mapping[str, str]) -> tuple[str, str]:
    return f"  {each['why']}", f"    {typed_here(each['command'])}"


def _text(line: Spans, plain: bool) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop", end="\n")
    for part, style in line:
        text.append(in_terminal_letters(part.translate(ONE_FOR_ONE) if plain else part), style)
    return text


def refuse_without_terminal() -> None:
    """UsageError where nothing can be drawn, or no key be heard."""
    if not (is_terminal() and is_own_terminal(STDIN) and os.isatty(STDIN)):
        raise UsageError("--text needs a terminal; `nnrun list` prints what there is, `nnrun watch` serves a page")
