"""Answers a browser on this machine: the page, what changed, one run; and passes on what is asked of a run.

The standard library's server: it starts in milliseconds, needs nothing installed, and a handful of readers is all that
there will be. Only who knows the token is answered, by the name of this machine alone: a page of another origin knows
neither the token nor may it ask, and a name that somebody else's DNS gives to 127.0.0.1 is refused.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nnrun.errors import NnrunError
from nnrun.files import to_json
from nnrun.report.page.page import as_data
from nnrun.text import encoded
from nnrun.watching.folder import Folder

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
SECONDS_OF_PATIENCE = 10  # with somebody who is slow to say what he wants
MOST_SILENT = 64  # readers who are connected and have not asked for anything yet


Query = dict[str, list[str]]
Route = Callable[["Handler", Query], None]
Routes = Mapping[str, Route]  # by address


class Server(ThreadingHTTPServer):
    """Watches a folder as long as somebody looks at it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Folder, port: int, reading: Routes, writing: Routes) -> None:
        """Raises OSError or OverflowError for a port that cannot be had."""
        self._silent: dict[Any, None] = {}  # connections, the oldest first
        self._counting = threading.Lock()
        super().__init__((HOST, port), Handler)
        self.folder, self.reading, self.writing = folder, reading, writing
        self.token = secrets.token_urlsafe(16)
        self.stopped = threading.Event()
        self._looking = threading.Lock()

    @property
    def address(self) -> str:
        """With the token, which is all that it takes."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def look(self) -> None:
        """Look at the folder, unless that was done a moment ago by another reader."""
        with self._looking:
            self.folder.look_when_due()

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
        self._route(self.server.reading)

    def do_POST(self) -> None:
        """Asking something of a run."""
        self._route(self.server.writing)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the address has the token in it."""

    def _route(self, routes: Routes) -> None:
        self.server.heard(self.connection)
        try:
            address = urlsplit(self.path)
            query = parse_qs(address.query)
        except ValueError:
            return self.refuse(HTTPStatus.BAD_REQUEST, "this is no address")
        if not self._is_ours() or not self._is_known(query):
            return self.refuse(HTTPStatus.FORBIDDEN, "the address that `nnrun watch` printed last has the token")
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
        return host.rpartition(":")[0] in NAMES and (origin is None or origin.partition("://")[2] == host)

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
        self.answer(encoded(to_json(value)), "application/json")

    def begin_stream(self) -> None:
        """Server-sent events."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self._send_safety()
        self.end_headers()

    def tell(self, event: str, value: object) -> None:
        """Write an event with its data."""
        self.wfile.write(encoded(f"event: {event}\ndata: {as_data(value)}\n\n"))
        self.wfile.flush()


def one(query: Query, name: str) -> str:
    """The value of that name; empty where there is none."""
    return query.get(name, [""])[0]
