"""Environment variables of this process, which those that it starts take over."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from nnrun.machine import holding


@dataclass(frozen=True)
class _Variable:
    """Text, or None where it is not set."""

    name: str
    thread: ClassVar[int] = 0

    def read(self) -> str | None:
        return os.environ.get(self.name)

    def write(self, value: str | None) -> None:
        if value is None:
            os.environ.pop(self.name, None)
        else:
            os.environ[self.name] = value


def held(**variables: str) -> AbstractContextManager[None]:
    """Variables have these values in the block; see `nnrun.machine.holding`."""
    return holding.held({_Variable(name): value for name, value in variables.items()})
