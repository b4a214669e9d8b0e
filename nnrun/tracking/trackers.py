"""The tools that runs are written for: where that goes, what it needs, and who writes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nnrun.tracking import mlflow_store, tensorboard_files
from nnrun.tracking.story import Tracker


class Tool(NamedTuple):
    """A tool by its name in `tracking` of a config and in `nnrun export --format`."""

    require: Callable[[], None]  # raises UsageError where a library is missing
    usual: Callable[[Path], str]  # where it goes, by where the runs lie
    open: Callable[[str], Tracker]
    look: Callable[[str], str]  # the command by which a person looks at it


def _to_mlflow(root: Path) -> str:
    return os.environ.get(mlflow_store.SERVER) or mlflow_store.address(str((root / mlflow_store.FILE).absolute()))


TRACKERS = {
    "tensorboard": Tool(
        tensorboard_files.require,
        lambda root: str(root / tensorboard_files.FOLDER),
        tensorboard_files.TensorBoard,
        tensorboard_files.command_to_look,
    ),
    "mlflow": Tool(mlflow_store.require, _to_mlflow, mlflow_store.Mlflow, mlflow_store.command_to_look),
}
