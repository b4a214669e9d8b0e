"""Members that take turns: what each is given, what they overwrite in turn, and the threads that share them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnrun.compiled import codes, machine_code
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
        self.arrays = {codes.MEMORY + k: empty((numbers,), dtype) for k, numbers in enumerate(room)}
        self._places = np.array([(array.ctypes.data, array.size) for array in self.arrays.values()])
        self.address = self._places.ctypes.data


class Given:
    """Where the arrays lie that compiled code works on for one member; they are kept alive here."""

    def __init__(self, vectors: Vectors, others: Mapping[int, Array], borrows: int) -> None:
        """The others by their rows in the table; so many rows from MEMORY on are those of the lane it is worked on in.

        One that borrows none may be worked on by several threads at once.
        """
        self.borrows, self.places = borrows, np.zeros((codes.GIVEN, 2), np.int64)
        self._arrays = dict[int, Array]()
        self._counts = zeros((codes.COUNTS,), np.dtype(np.int64))
        for row, array in {**dict(enumerate(vectors)), codes.COUNTED: self._counts, **others}.items():
            self.put(row, array)

    def put(self, row: int, array: Array) -> None:
        """An array of contiguous numbers into a row of the table, in the place of an earlier one."""
        if self._arrays.get(row) is not array:  # its address takes as long as drawing a hundred numbers
            self._arrays[row] = array
            self.places[row] = array.ctypes.data, array.size

    def begin(self) -> None:
        """Have its steps begin anew; of one that borrows, its turn does so."""
        self._counts.fill(0)


class Turns:
    """Turns that threads take one after the other; each is some steps of a member, which one thread does.

    A turn may have a mark, and wait until all that were added before it with some mark are done. Counts tell the
    threads so, as Python, which one of them runs at a time, would keep the others waiting between two short turns.
    """

    def __init__(self) -> None:
        """None yet."""
        self.operations = 0  # of all
        self._given, self._rows = list[Given](), list[tuple[int, ...]]()
        self._places: dict[Hashable, int] = {None: codes.DONE}  # of the count of those with a mark
        self._marked = Counter[Hashable]()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, given: Given, steps: range, operations: int, mark: Hashable = None, after: Hashable = None) -> None:
        """One of so many `operations`; it waits for nothing unless it comes `after` a mark."""
        place = self._places.setdefault(mark, codes.DONE + len(self._places))
        many = 0 if after is None else self._marked[after]
        waits = self._places.get(after, codes.DONE), many
        table = given.places.ctypes.data, given.places.size
        self._rows.append((*table, given.borrows, steps.start, len(steps), *waits, place))
        self._given.append(given)
        self._marked[mark] += 1
        self.operations += operations

    def begin(self) -> int:
        """Have all of them done once more; the address that compiled code takes. None is added behind this."""
        if not hasattr(self, "_top"):
            self._listing = np.array(self._rows, np.int64)
            self._counts = zeros((codes.DONE + len(self._places),), np.dtype(np.int64))
            places = [(array.ctypes.data, array.size) for array in (self._listing, self._counts)]
            self._top = np.array([*places, (machine_code.yield_address(), 0)], np.int64)
        self._counts.fill(0)
        return self._top.ctypes.data


class Lanes:
    """The lanes of threads that share the members of a trainer."""

    def __init__(self, run: machine_code.Function, count: int, room: Room, dtype: np.dtype[Any]) -> None:
        """As many lanes as `count`, with so much room each."""
        self._run, self.lanes = run, [Lane(room, dtype) for _ in range(count)]

    def __len__(self) -> int:
        return len(self.lanes)

    def work_off(self, turns: Turns) -> None:
        """Do all turns, by a thread a lane where there is enough to do to be worth the hand-over."""
        address = turns.begin()
        shared = len(turns) > 1 and turns.operations >= SHARED
        threads.share(lambda lane: self._run(address, lane.address), self.lanes if shared else self.lanes[:1])
