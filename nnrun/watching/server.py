"""Answers a browser on this machine: the page, what changed, one run; and passes on what is asked of a run.

The standard library's server: it starts in milliseconds, needs nothing installed, and a handful of readers is all that
there will be. Only who knows the token is answered, by the name of this machine alone: a page of another origin knows
neither the token nor may it ask, and a name that somebody else's DNS gives to 127.0.0.1 is refused.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from socketserver import TCPServer
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nnrun.errors import NnrunError
from nnrun.files import to_json
from nnrun.report.page.page import ASSETS as REPORT
from nnrun.report.page.page import BUNDLE
from nnrun.runs.requests import CHANGE, PAUSE, RESUME, STOP, ask
from nnrun.watching import ASSETS
from nnrun.watching.details import details
from nnrun.watching.folder import SECONDS_BETWEEN_LOOKS, Folder, rest

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
SECONDS_OF_PATIENCE = 10  # with somebody who is slow to say what he wants
LONGEST_BODY, MOST_CHOSEN = 65_536, 32
MOST_SILENT = 64  # readers who are connected and have not asked for anything yet
HEARTBEAT = 15.0  # seconds after which a silent stream says that it is there
ASKED = (PAUSE, RESUME, STOP, CHANGE)

Query = dict[str, list[str]]
Route = Callable[["Handler", Query], None]


class Server(ThreadingHTTPServer):
    """Watches a folder as long as somebody looks at it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Folder, port: int, read_only: bool = False) -> None:
        self._silent: dict[Any, None] = {}  # connections, the oldest first
        self._counting = threading.Lock()
        super().__init__((HOST, port), Handler)
        self.folder, self.read_only = folder, read_only
        self.token = secrets.token_urlsafe(16)
        self.stopped = threading.Event()
        self._looking = threading.Lock()
        self._next_look = 0.0

    @property
    def address(self) -> str:
        """With the token, which is all that it takes."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def look(self) -> None:
        """Look at the folder, unless that was done a moment ago by another reader."""
        with self._looking:
            began = time.monotonic()
            if began >= self._next_look:
                self.folder.look()
                ended = time.monotonic()
                self._next_look = ended + rest(ended - began)

    def server_bind(self) -> None:
        """Without asking the DNS for the machine's name, which may keep one waiting where there is none."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a reader; of too many who say nothing the oldest has to go."""
        with self._counting:
            self._silent[request] = None
            oldest = next(iter(self._silent)) if len(self._silent) > MOST_SILENT else None
            if oldest:
                del self._silent[oldest]
                with suppress(OSError):
                    oldest.shutdown(SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A reader is done with."""
        self.heard(request)
        super().shutdown_request(request)

    def heard(self, request: Any) -> None:
        """A reader has asked for something."""
        with self._counting:
            self._silent.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who goes away in the middle is nothing to tell."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = SECONDS_OF_PATIENCE

    def do_GET(self) -> None:
        """Reading."""
        self._route(READING)

    def do_POST(self) -> None:
        """Asking something of a run."""
        self._route({} if self.server.read_only else WRITING)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the address has the token in it."""

    def _route(self, routes: dict[str, Route]) -> None:
        self.server.heard(self.connection)
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if not self._is_ours() or not self._is_known(query):
            return self.refuse(HTTPStatus.FORBIDDEN, "the address that `nnrun watch` printed has the token")
        route = routes.get(address.path)
        if route is None:
            return self.refuse(HTTPStatus.NOT_FOUND, "there is no such page")
        try:
            route(self, query)
        except NnrunError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True

    def _is_ours(self) -> bool:
        """Asked for by the name of this machine, at whatever port `ssh -L` has it, and if by a page, by ours."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        return host.rpartition(":")[0] in NAMES and (origin is None or urlsplit(origin).netloc == host)

    def _is_known(self, query: Query) -> bool:
        """What reads may have the token in its address; what writes has it in a header, which no form can send."""
        given = self.headers.get("X-Token", "") if self.command == "POST" else one(query, "token")
        return secrets.compare_digest(given.encode(), self.server.token.encode())

    def refuse(self, status: HTTPStatus, why: str) -> None:
        """In a line; what else was sent is not read."""
        self.close_connection = True
        self.answer(why.encode(), "text/plain; charset=utf-8", status)

    def answer(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> None:
        """The whole of an answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self._send_safety()
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _send_safety(self) -> None:
        for name, value in (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
                            ("Referrer-Policy", "no-referrer"), ("X-Frame-Options", "DENY")):  # fmt: skip
            self.send_header(name, value)

    def answer_json(self, value: object) -> None:
        """Plain values."""
        self.answer(to_json(value).encode(), "application/json")

    def begin_stream(self) -> None:
        """Server-sent events."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self._send_safety()
        self.end_headers()

    def tell(self, event: str, value: object) -> None:
        """One of them."""
        self.wfile.write(f"event: {event}\ndata: {to_json(value)}\n\n".encode())
        self.wfile.flush()


def one(query: Query, name: str) -> str:
    """The value of that name; empty where there is none."""
    return query.get(name, [""])[0]


# what is read


def page(handler: Handler, query: Query) -> None:
    """All in one; scripts run by their nonce, and nothing is loaded from anywhere."""
    nonce = secrets.token_urlsafe(12)
    text = Template((ASSETS / "watch.html").read_text("utf-8")).substitute(
        nonce=nonce,
        style=(REPORT / "page.css").read_text("utf-8") + (ASSETS / "watch.css").read_text("utf-8"),
        script=(ASSETS / "watch.js").read_text("utf-8"),
        settings=to_json({"readOnly": handler.server.read_only, "folder": str(handler.server.folder.root)}).replace(
            "<", "\\u003c"
        ),
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    handler.answer(text.encode(), "text/html; charset=utf-8", Content_Security_Policy=policy)


def charts(handler: Handler, query: Query) -> None:
    """plotly.js, which the page takes when it has drawn its table."""
    handler.answer(BUNDLE.read_bytes(), "text/javascript; charset=utf-8")


def run(handler: Handler, query: Query) -> None:
    """One run in full."""
    found = handler.server.folder.run(one(query, "id"))
    if found is None:
        return handler.refuse(HTTPStatus.NOT_FOUND, "there is no such run any more")
    return handler.answer_json(details(found))


def selected(handler: Handler, query: Query) -> None:
    """The ids of the runs that fulfil conditions, as `nnrun list --filter` takes them."""
    handler.server.look()
    handler.answer_json(sorted(handler.server.folder.selected(query.get("filter", []))))


def stream(handler: Handler, query: Query) -> None:
    """Rows as they change, and the new points of the chosen runs, until the reader goes away."""
    server, folder = handler.server, handler.server.folder
    chosen = query.get("run", [])[:MOST_CHOSEN]
    sent: dict[str, tuple[int, int]] = {}  # generation and number of points
    told: dict[str, list[list[float | None]]] = {}  # the latest point, where it is none of them
    look, spoken = 0, time.monotonic()
    handler.begin_stream()
    while not server.stopped.is_set():
        server.look()
        look, rows, gone = folder.since(look)
        if rows or gone or spoken == 0:
            handler.tell("rows", {"rows": rows, "gone": gone})
            spoken = time.monotonic()
        for name in chosen:
            if points := _fresh(folder, name, sent, told):
                handler.tell("curve", points)
                spoken = time.monotonic()
        if time.monotonic() - spoken > HEARTBEAT:
            handler.tell("beat", {})
            spoken = time.monotonic()
        server.stopped.wait(SECONDS_BETWEEN_LOOKS)


def _fresh(
    folder: Folder, name: str, sent: dict[str, tuple[int, int]], told: dict[str, list[list[float | None]]]
) -> dict[str, Any] | None:
    """The points of a run that were not told; all of them where what was told is void."""
    curve = folder.curve(name)
    if curve is None:
        return None
    generation, count = sent.get(name, (-1, 0))
    start = count if generation == curve.generation else 0
    points, last = curve.points[start:], curve.latest
    if not points and generation == curve.generation and told.get(name) == last:
        return None
    sent[name], told[name] = (curve.generation, start + len(points)), last
    return {"id": name, "from": start, "points": points + last}


# what is asked for


def act(handler: Handler, query: Query) -> None:
    """What `nnrun pause`, `resume`, `stop` and `nudge` do; the words of a refusal are theirs."""
    length = int(handler.headers.get("Content-Length") or 0)
    if not 0 < length <= LONGEST_BODY or handler.headers.get("Content-Type") != "application/json":
        return handler.refuse(HTTPStatus.BAD_REQUEST, "a JSON document is expected")
    try:
        asked = json.loads(handler.rfile.read(length))
        do, name, settings, note = asked["do"], asked["id"], asked.get("settings", []), asked.get("note")
    except (ValueError, KeyError, TypeError, AttributeError):
        return handler.refuse(HTTPStatus.BAD_REQUEST, "what is asked for cannot be read")
    found = handler.server.folder.run(str(name))
    whole = do in ASKED and isinstance(settings, list) and all(isinstance(each, str) for each in settings)
    if found is None or not whole or not isinstance(note, (str, type(None))):
        return handler.refuse(HTTPStatus.BAD_REQUEST, "there is no such run, or it cannot be asked for that")
    return handler.answer_json({"request": ask(found, do, settings, note)})


READING: dict[str, Route] = {"/": page, "/charts.js": charts, "/run": run, "/selected": selected, "/stream": stream}
WRITING: dict[str, Route] = {"/act": act}
