"""Members that take turns: what each is given, what they overwrite in turn, and the threads that share them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from nnrun.compiled import codes
from nnrun.compiled.codes import Vectors
from nnrun.compiled.work import SHARED
from nnrun.engine.parameters import Array, empty, zeros
from nnrun.machine import threads


class Lane:
    """What a thread overwrites while it works on one member after the other."""

    def __init__(self, numbers: int, dtype: np.dtype[Any]) -> None:
        """With room for so many numbers."""
        self.counts = zeros((codes.COUNTS,), np.dtype(np.int64))
        self._memory = empty((numbers,), dtype)
        self.places = np.array([(array.ctypes.data, array.size) for array in (self._memory, self.counts)])


class Given:
    """Where the arrays lie that compiled code works on for one member; they are kept alive here."""

    def __init__(self, vectors: Vectors, others: Mapping[int, Array]) -> None:
        """The others by their rows in the table."""
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
        self._places[codes.MEMORY : codes.COUNTED + 1] = lane.places
        lane.counts.fill(0)


Turn: TypeAlias = "Callable[[Lane], Sequence[Turn]]"  # works in a lane, gives back what can be done from then on


class Lanes:
    """Those of the threads that share the members of a trainer."""

    def __init__(self, count: int, numbers: int, dtype: np.dtype[Any]) -> None:
        """So many, with room for these numbers each."""
        self._lanes = [Lane(numbers, dtype) for _ in range(count)]

    def __len__(self) -> int:
        return len(self._lanes)

    def run(self, turns: Iterable[Turn], operations: int) -> None:
        """Work off all turns, by a thread a lane where so many operations are worth the hand-over.

        Who is free takes the one that has waited for longest, or leaves if none does. What a turn gives back waits
        behind the others.
        """
        waiting = deque(turns)

        def go(lane: Lane) -> None:
            while waiting:
                try:
                    turn = waiting.popleft()
                except IndexError:  # another thread was faster
                    return
                waiting.extend(turn(lane))

        threads.share(go, self._lanes if len(waiting) > 1 and operations >= SHARED else self._lanes[:1])
