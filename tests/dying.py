"""A process that dies by SIGKILL before some change of a file, or in the middle of a line; for scripts of tests."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnrun.runs import rundir


def die_at(point: int) -> list[int]:
    """Let this process die at the change of that number, from 1; how many are left until then, counted down."""
    left = [point]

    def count() -> bool:
        left[0] -= 1
        return not left[0]

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            if count():
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return counted

    class Half(io.FileIO):
        def write(self, data: Any) -> int:
            if count():
                super().write(data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return super().write(data)

    for name in ("mkdir", "rename", "replace", "unlink"):
        setattr(Path, name, before(getattr(Path, name)))
    os.fsync = before(os.fsync)
    rundir.FileIO = Half  # type: ignore[misc]
    return left
