"""What a check comes to, and the words that several checks use."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nnrun.config.dump import dump_yaml

Status = Literal["pass", "warn", "fail"]

NAMED = 3  # columns, layers or classes that a line names before it only counts the rest


@dataclass(frozen=True)
class Finding:
    """The outcome of one check in a line, what to do about it, and the numbers behind it, perhaps with a picture."""

    status: Status
    text: str
    cure: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    picture: str | None = None


def names(found: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(found) - NAMED
    return ", ".join(found[:NAMED]) + (f" and {more} more" if more > 0 else "")


def setting(key: str, value: object) -> str:
    """The option that sets a key, as it is typed in a shell."""
    written = dump_yaml([value], one_line=True).strip()[1:-1]
    return f"--set {shlex.quote(f'{key}={written}')}"


def count(number: int, unit: str) -> str:
    """1 row, 2 rows."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
