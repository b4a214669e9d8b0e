"""The command watch."""

from __future__ import annotations

import os
import signal
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, OpenPage, Runs, explained
from nnrun.cli.terminal.streams import json_result, result, say
from nnrun.errors import UsageError

Port = Annotated[int | None, typer.Option(metavar="N", help="Left out: 8765, or any that is free.", min=0, max=65_535)]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Nothing can be asked of a run from here.")]
Text = Annotated[bool, typer.Option("--text", help="In this terminal instead, for ssh; ? tells the keys.")]


@explained
def watch(
    runs: Runs = RUNS,
    text: Text = False,
    port: Port = None,
    open_: OpenPage = False,
    read_only: ReadOnly = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show all runs of a folder live: on a page, or in this terminal.

    The page is for whoever has its address, which holds a token; it is served to this machine alone, until Ctrl-C.

    Example:  nnrun watch --open
    """
    if text:
        for option, given in (("--port", port is not None), ("--open", open_), ("--json", json)):
            if given:
                raise UsageError(f"--text and {option}: only one of them")
        return _in_text(runs, read_only)
    return _on_a_page(runs, port, open_, read_only, json)


def _in_text(runs: Path, read_only: bool) -> None:
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.cli.terminal.watch_screen import WatchScreen, refuse_without_terminal
    from nnrun.watching.verbs import folder_of

    folder = folder_of(runs)
    refuse_without_terminal()
    screen = WatchScreen(folder, read_only)
    with stop_request(screen) as told:
        screen.watch(told)
    if told.signal not in (None, signal.SIGINT):
        raise typer.Exit(told.exit_code)


def _on_a_page(runs: Path, port: int | None, open_: bool, read_only: bool, json: bool) -> None:
    from nnrun.watching.verbs import begin

    server = begin(runs, port, read_only)
    if json:
        json_result({"schema_version": 1, "address": server.address, "runs": str(runs.absolute())})
    else:
        result(server.address)
    say(f"watching {runs}; Ctrl-C ends it, and no run notices")
    try:
        with _opened(runs, server.address) if open_ else nullcontext():
            server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.stopped.set()
        server.server_close()


@contextmanager
def _opened(runs: Path, address: str) -> Iterator[None]:
    """Opened by a file that this user alone can read, as all users of a machine see what a browser was called with.

    It lies among the runs where it can, since browsers in a sandbox have temporary files of their own.
    """
    place = runs if os.access(runs, os.W_OK) else None
    with NamedTemporaryFile("w", prefix="nnrun-watch-", suffix=".html", encoding="utf-8", dir=place) as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(address)}">\n')
        file.flush()
        webbrowser.open(Path(file.name).absolute().as_uri())
        yield
