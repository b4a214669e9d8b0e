"""What log.txt remarks beside what the screen shows: nothing to be cured, but good to know when a run is read again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnrun.runs.assembly import SMALL_DATA
from nnrun.text import wrapped

if TYPE_CHECKING:
    from nnrun.config.config import Config
    from nnrun.runs.records import RunRecord
    from nnrun.runs.telling import Beginning


def on_batch(config: Config, beginning: Beginning) -> Iterator[str]:
    """A remark that few rows may be taken all at once, where the size was left to nnrun."""
    if config.training.batch_size == "auto" and beginning.batch_size < beginning.rows["train"] <= SMALL_DATA:
        told = "batch_size: full fits a set as small as this, too; with a step an epoch it needs many more epochs"
        yield from wrapped(told, "note     ")


def on_stopping(record: RunRecord) -> Iterator[str]:
    """A remark that early stopping has two aims at once."""
    if record["stopped_early"]:
        aims = "to fit the training set and not to overfit it; L2 or dropout leaves them apart"
        yield from wrapped(f"early stopping mixes two aims, {aims}", "note     ")
