"""What is answered at each address: the page, what changed, one run; and what is asked for from there."""

from __future__ import annotations

import json
import secrets
import time
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Any, cast
from urllib.parse import quote

from nnrun.config.dump import one_line
from nnrun.files import to_json
from nnrun.insight.comparison.differences import differing
from nnrun.insight.comparison.listing import Entry
from nnrun.installation import elsewhere
from nnrun.report.page.page import ASSETS as REPORT
from nnrun.report.page.page import BUNDLE, CHARTS
from nnrun.runs.records import TRAINED
from nnrun.runs.requests import CHANGE, PAUSE, RESUME, STOP, Do, ask, moment
from nnrun.runs.rundir import CONFIG
from nnrun.runs.stored import StoredRun
from nnrun.text import encoded
from nnrun.watching import ASSETS
from nnrun.watching.details import details
from nnrun.watching.folder import SECONDS_BETWEEN_LOOKS, Folder
from nnrun.watching.server import Handler, Query, Route, Routes, one
from nnrun.watching.starting import WORDS, Wish, start

LONGEST_BODY, MOST_CHOSEN, DIGITS = 65_536, 100, 16
HEARTBEAT = 15.0  # seconds after which a silent stream says that it is there
UPLOT = ASSETS / "uPlot.iife.min.js"  # how it comes here: tools/charts
STYLES = (REPORT / "page.css", ASSETS / "uPlot.min.css", ASSETS / "watch.css")
SCRIPTS = (CHARTS, ASSETS / "curves.js", ASSETS / "watch.js")
NO_WORDS = {"\0", *map(chr, range(0xD800, 0xE000))}  # letters that no command takes: half ones, and the end of a text
ASKED = (PAUSE, RESUME, STOP, CHANGE)

Place = tuple[int, int]  # generation of a curve and its lines that were read


# what is read


def page(handler: Handler, query: Query) -> None:
    """The page, all in one; scripts run by their nonce, and nothing is loaded from anywhere."""
    nonce = secrets.token_urlsafe(12)
    text = Template((ASSETS / "watch.html").read_text("utf-8")).substitute(
        nonce=nonce,
        style="".join(path.read_text("utf-8") for path in STYLES),
        script="".join(path.read_text("utf-8") for path in SCRIPTS),
        settings=to_json({"readOnly": not handler.server.writing, "folder": str(handler.server.folder.root)}).replace(
            "<", "\\u003c"
        ),
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    handler.answer(encoded(text), "text/html; charset=utf-8", Content_Security_Policy=policy)


def library(path: Path) -> Route:
    """A script that the page takes where it first needs it."""

    def answer(handler: Handler, query: Query) -> None:
        handler.answer(path.read_bytes(), "text/javascript; charset=utf-8")

    return answer


def run(handler: Handler, query: Query) -> None:
    """One run in full."""
    found = handler.server.folder.run(one(query, "id"))
    if found is None:
        return handler.refuse(HTTPStatus.NOT_FOUND, "there is no such run any more")
    trials = handler.server.folder.trials(found.id)
    return handler.answer_json(details(found, one(query, "charts") != "0", trials))


def report(handler: Handler, query: Query) -> None:
    """The page of one run, to be saved and sent; nothing is written here."""
    from nnrun.report.verbs import report_of  # here, as few readers ask for it

    found = handler.server.folder.run(one(query, "id"))
    if found is None:
        return handler.refuse(HTTPStatus.NOT_FOUND, "there is no such run any more")
    text = report_of(StoredRun(found), Path(CONFIG), elsewhere(handler.server.folder.root))
    save = f'attachment; filename="{quote(found.id)}.html"'
    return handler.answer(encoded(text), "text/html; charset=utf-8", Content_Disposition=save)


def differences(handler: Handler, query: Query) -> None:
    """The settings in which the chosen runs differ, each as its config has it."""
    runs = [run for name in query.get("run", [])[:MOST_CHOSEN] if (run := handler.server.folder.run(name))]
    found = differing([Entry(StoredRun(run)).settings for run in runs])
    values = {key: [one_line(value) for value in of_each] for key, of_each in found.items()}
    handler.answer_json({"runs": [run.id for run in runs], "settings": values})


def selected(handler: Handler, query: Query) -> None:
    """The ids of the runs that fulfil conditions, as `nnrun list --filter` takes them."""
    handler.server.look()
    handler.answer_json(sorted(handler.server.folder.selected(query.get("filter", []))))


def stream(handler: Handler, query: Query) -> None:
    """Rows as they change, and the new points of the chosen runs, until the reader goes away.

    One who comes again says how far it has come: `look` for the rows, a `from` for each `run`.
    """
    server, folder = handler.server, handler.server.folder
    read, unread = _places(query), set(query.get("run", []))
    look, spoken = _number(one(query, "look")), 0.0
    handler.begin_stream()
    while not server.stopped.is_set():
        server.look()
        before, (look, rows, gone) = look, folder.since(look)
        if rows or gone or not spoken:
            handler.tell("rows", {"look": look, "whole": before == 0, "rows": rows, "gone": gone})
            spoken = time.monotonic()
        unread |= {row["id"] for row in rows}  # where no file of a run has changed, there is nothing new
        for name in read.keys() & unread:
            unread.discard(name)
            if points := _fresh(folder, name, read):
                handler.tell("curve", points)
                spoken = time.monotonic()
        if time.monotonic() - spoken > HEARTBEAT:
            handler.tell("beat", {})
            spoken = time.monotonic()
        server.stopped.wait(SECONDS_BETWEEN_LOOKS)


def _places(query: Query) -> dict[str, Place]:
    """How far the curve of each chosen run was read; (-1, 0) where nothing is said of it."""
    chosen = query.get("run", [])[:MOST_CHOSEN]
    said = [text.split(":") for text in query.get("from", [])]
    places = [(_number(each[0], -1), _number(each[1])) if len(each) == 2 else (-1, 0) for each in said]
    return {name: places[i] if i < len(places) else (-1, 0) for i, name in enumerate(chosen)}


def _number(text: str, otherwise: int = 0) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < DIGITS else otherwise


def _fresh(folder: Folder, name: str, read: dict[str, Place]) -> dict[str, Any] | None:
    """The points of a run that were not told; all of them where what was told is void."""
    curve = folder.curve(name)
    if curve is None:
        return None
    generation, line = read[name]
    points = curve.since(line if generation == curve.generation else 0)
    if not points and generation == curve.generation:
        return None
    read[name] = curve.generation, int(points[-1][-1] or 0) if points else 0
    return {"id": name, "generation": curve.generation, "points": points}


# what is asked for


def act(handler: Handler, query: Query) -> None:
    """What the command of that name does; the words of a refusal are its own."""
    length = _number(handler.headers.get("Content-Length") or "")
    if not 0 < length <= LONGEST_BODY or handler.headers.get("Content-Type") != "application/json":
        return handler.refuse(HTTPStatus.BAD_REQUEST, "a JSON document is expected")
    wish = _wish(handler.server.folder, handler.rfile.read(length))
    if wish is None:
        return handler.refuse(HTTPStatus.BAD_REQUEST, "there is no such run, or it cannot be asked for that")
    if wish.do in ASKED and (wish.do not in WORDS or wish.runs[0].status in TRAINED):
        ask(wish.runs[0], cast(Do, wish.do), wish.settings, wish.note)
        return handler.answer_json({"told": f"asked for: {wish.do}; it is taken up {moment(wish.runs[0])}"})
    return handler.answer_json({"told": f"started: {start(wish, handler.server.folder.root)}"})


def _wish(folder: Folder, body: bytes) -> Wish | None:
    """What a body asks for; None where that cannot be read, or is nothing for runs that are here."""
    try:
        asked = json.loads(body)
        runs = [folder.run(str(name)) for name in asked.get("ids") or [asked["id"]]]
        wish = Wish(asked["do"], [run for run in runs if run], asked.get("settings", []), asked.get("note"),
                    asked.get("to", "best"))  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    texts = [wish.do, wish.to, *(wish.settings if isinstance(wish.settings, list) else [None])]
    texts += [] if wish.note is None else [wish.note]
    if None in runs or not all(isinstance(text, str) and NO_WORDS.isdisjoint(text) for text in texts):
        return None
    return wish if wish.do in ASKED or wish.do in WORDS else None


READING: Routes = {
    "/": page, "/plotly.js": library(BUNDLE), "/uplot.js": library(UPLOT),
    "/run": run, "/report": report, "/differences": differences,
    "/selected": selected, "/stream": stream,
}  # fmt: skip
WRITING: Routes = {"/act": act}
