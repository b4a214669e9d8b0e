"""Hyperparameters of table entries (schedules, initialisers), described once where they are used."""

from __future__ import annotations

from copy import copy
from dataclasses import field
from typing import Any


def option(default: Any, help: str, **bounds: float) -> Any:
    """A dataclass field with one line of help and the bounds (`ge`, `gt`, `le`, `lt`) that a config must respect."""
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: copy(default), metadata={"help": help, **bounds})
    return field(default=default, metadata={"help": help, **bounds})
