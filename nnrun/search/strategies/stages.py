"""What a strategy that goes from coarse to fine tells of itself: how each of its stages changed each range."""

from __future__ import annotations

from typing import Any, TypedDict


class Change(TypedDict):
    """What a stage does to one parameter."""

    key: str
    old: list[Any]  # low and high, or the choices
    new: list[Any]
    why: str


class Stage(TypedDict):
    """One stage after the first, as run.json holds it."""

    number: int
    first: int  # its first trial
    finished: int  # trials that it rests on: those before `first` with a result
    best: int  # the best of them
    value: float
    changes: list[Change]
