"""What a strategy that goes from coarse to fine tells of itself: how each of its stages changed each range."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """What a stage does to one parameter."""

    key: str
    old: list[Any]  # low and high, or the choices
    new: list[Any]
    why: str


@dataclass(frozen=True)
class Stage:
    """The record of one stage after the first."""

    number: int
    first: int  # its first trial
    finished: int  # trials that it rests on: those before `first` with a result
    best: int  # the best of them
    value: float
    changes: tuple[Change, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return asdict(self)
