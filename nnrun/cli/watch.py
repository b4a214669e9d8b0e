"""The command watch."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Runs, explained
from nnrun.cli.terminal.streams import result, say

Port = Annotated[int | None, typer.Option(metavar="N", help="Left out: 8765, or any that is free.", min=0, max=65_535)]
Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Nothing can be asked of a run from the page.")]


@explained
def watch(
    runs: Runs = RUNS, port: Port = None, open_: Open = False, read_only: ReadOnly = False, debug: Debug = False
) -> None:
    """Show all runs of a folder live, on a page of this machine.

    The page is for whoever has its address, which holds a token; it is served to this machine alone, until Ctrl-C.

    Example:  nnrun watch --open
    """
    from nnrun.watching.verbs import begin

    server = begin(runs, port, read_only)
    result(server.address)
    say(f"watching {runs}; Ctrl-C ends it, and no run notices")
    if open_:
        webbrowser.open(server.address)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        server.stopped.set()
        server.server_close()
