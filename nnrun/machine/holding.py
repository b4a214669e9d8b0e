"""What the whole process has one of, such as an environment variable, held to a value in blocks of several threads.

Blocks may overlap, if all ask for the same value; after the last it is what it was before the first. An interrupt
leaves no block half begun or half ended, and a process that is forked takes along the blocks of its own thread alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock, get_ident
from typing import Any, Generic, Protocol, TypeVar

Value = TypeVar("Value")
Block = tuple[int, object]  # the thread that began it, and what tells it from others


class Place(Protocol[Value]):
    """Where a value stands; hashable."""

    @property
    def thread(self) -> int:
        """The thread that alone sees it, 0 for all."""

    def read(self) -> Value:
        """The value now."""

    def write(self, value: Value, /) -> None:
        """Have another one."""


@dataclass
class _Hold(Generic[Value]):
    """A place, the blocks that have not ended, and in a tuple the value before the first of them."""

    place: Place[Value]
    blocks: set[Block] = field(default_factory=set)
    before: tuple[Value] | None = None

    def begin(self, block: Block, value: Value) -> None:
        self.blocks.add(block)  # first, so that a block which the garbage collector ends meanwhile is not the last one
        if self.before is None:
            self.before = (self.place.read(),)
        self.place.write(value)

    def end(self, blocks: set[Block]) -> None:
        """Whether they began wholly, in part or not at all; may be called again where it was interrupted."""
        self.blocks -= blocks
        if self.before is not None and not self.blocks:
            self.place.write(*self.before)
            self.before = None


_holds: dict[Place[Any], _Hold[Any]] = {}
_lock = RLock()  # the garbage collector may end a block while its thread holds the lock


@contextmanager
def held(values: Mapping[Place[Value], Value]) -> Iterator[None]:
    """Each place has its value in the block."""
    block: Block = get_ident(), object()
    told: list[_Hold[Value]] = []
    try:
        with _lock:
            for place, value in values.items():
                told.append(_holds.setdefault(place, _Hold(place)))
                told[-1].begin(block, value)
        yield
    finally:
        interrupt: KeyboardInterrupt | None = None
        while True:
            try:
                with _lock:
                    for hold in told:
                        hold.end({block})
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt:
            raise interrupt


def _leave_other_threads() -> None:
    """In a process that was forked: they were not taken along, but the blocks that they were in, and the lock."""
    global _lock
    _lock, own = RLock(), get_ident()
    for place, hold in [*_holds.items()]:
        if place.thread in (0, own):
            hold.end({block for block in hold.blocks if block[0] != own})
        else:
            del _holds[place]


os.register_at_fork(after_in_child=_leave_other_threads)
