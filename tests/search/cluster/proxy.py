"""A network in between: passes on what comes on loopback, counts it, and cuts or holds back what it is told to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

PIECE = 1 << 16


class Proxy:
    """Stands before one address, at an address of its own."""

    def __init__(self, address: str) -> None:
        self._to = int(address.rpartition(":")[2])
        self._pairs, self._flows, self._threads = list[socket.socket](), threading.Event(), list[threading.Thread]()
        self._flows.set()
        self._counts = list[int]()  # of bytes, one a connection: threads add to their own alone
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def sent(self) -> int:
        """Bytes that have come from those who connect."""
        return sum(self._counts)

    def cut(self) -> None:
        """End every connection, as a router does that has forgotten them."""
        pairs, self._pairs = self._pairs, []
        for each in pairs:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stall(self, seconds: float) -> None:
        """Nothing arrives for a while, as where packets are lost and sent again."""
        self._flows.clear()
        threading.Timer(seconds, self._flows.set).start()

    def close(self) -> None:
        """Take no more."""
        self._flows.set()
        self._server.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._server.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
                self._pairs += [here, there]
                self._begin(here, there, counted=True)
                self._begin(there, here, counted=False)

    def _begin(self, source: socket.socket, goal: socket.socket, counted: bool) -> None:
        place = len(self._counts) if counted else None
        self._counts += [0] * counted
        self._threads.append(threading.Thread(target=self._pass_on, args=(source, goal, place), daemon=True))
        self._threads[-1].start()

    def _pass_on(self, source: socket.socket, goal: socket.socket, place: int | None) -> None:
        with suppress(OSError):
            while content := source.recv(PIECE):
                self._flows.wait()
                goal.sendall(content)
                if place is not None:
                    self._counts[place] += len(content)
        for each in (source, goal):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        source.close()
