"""Members that take turns: what each is given, what they overwrite in turn, and the threads that share them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nnrun.compiled import codes
from nnrun.compiled.codes import Vectors
from nnrun.compiled.work import SHARED
from nnrun.engine.parameters import Array, empty, zeros
from nnrun.machine import threads


class Room(NamedTuple):
    """How many numbers a lane has place for."""

    memory: int
    x: int = 0  # of the rows that are gathered in it, their targets and their weights
    y: int = 0
    weights: int = 0


class Lane:
    """What a thread overwrites while it works on one member after the other."""

    def __init__(self, room: Room, dtype: np.dtype[Any]) -> None:
        """With so much room."""
        self.counts = zeros((codes.COUNTS,), np.dtype(np.int64))
        memory, *rows = (empty((numbers,), dtype) for numbers in room)
        self._arrays = memory, self.counts, *rows  # in the order of the table, from MEMORY to ROW_WEIGHTS
        self.places = np.array([(array.ctypes.data, array.size) for array in self._arrays])


class Given:
    """Where the arrays lie that compiled code works on for one member; they are kept alive here."""

    def __init__(self, vectors: Vectors, others: Mapping[int, Array], gathers: bool = False) -> None:
        """The others by their rows in the table; one that `gathers` its rows of examples does so in the lane."""
        self._lent = codes.ROW_WEIGHTS if gathers else codes.COUNTED
        self._places, self._arrays = np.zeros((codes.GIVEN, 2), np.int64), dict[int, Array]()
        for row, array in {**dict(enumerate(vectors)), **others}.items():
            self.put(row, array)
        self.address = self._places.ctypes.data

    def put(self, row: int, array: Array) -> None:
        """An array of contiguous numbers into a row of the table, in the place of an earlier one."""
        self._arrays[row] = array
        self._places[row] = array.ctypes.data, array.size

    def use(self, lane: Lane) -> None:
        """Work in this lane, from the beginning."""
        self._places[codes.MEMORY : self._lent + 1] = lane.places[: self._lent + 1 - codes.MEMORY]
        lane.counts.fill(0)


Turn: TypeAlias = "Callable[[Lane], Sequence[Turn]]"  # works in a lane, gives back what can be done from then on


class Lanes:
    """The lanes of threads that share the members of a trainer."""

    def __init__(self, count: int, room: Room, dtype: np.dtype[Any]) -> None:
        """As many lanes as `count`, with so much room each."""
        self._lanes = [Lane(room, dtype) for _ in range(count)]

    def __len__(self) -> int:
        return len(self._lanes)

    def run(self, turns: Iterable[Turn], operations: int) -> None:
        """Work off all turns, by a thread a lane where so many operations are worth the hand-over.

        Who is free takes the one that has waited for longest, or leaves if none does; so there must be two to begin
        with. What a turn gives back waits behind the others. After an error no other is begun.
        """
        waiting = deque(turns)

        def go(lane: Lane) -> None:
            while waiting:
                try:
                    turn = waiting.popleft()
                except IndexError:  # another thread was faster
                    return
                try:
                    waiting.extend(turn(lane))
                except BaseException:
                    waiting.clear()
                    raise

        threads.share(go, self._lanes if len(waiting) > 1 and operations >= SHARED else self._lanes[:1])
