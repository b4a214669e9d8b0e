"""The test part is worth something as long as few look at it: who may, and how often it has been read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from nnrun.rundir import RunDir, search_of

READERS = ("done", "interrupted", "diverged", "evaluated")  # events of a run that read its test part


def why_not(run: RunDir) -> str | None:
    """Why the test part of this run is left alone, if it is."""
    search = search_of(run)
    if search and run.path.resolve() != search.path / "best":
        return "the trials of a search are compared on dev, and test is read for the best of them alone"
    if run.status == "running":
        return "the run is still training, and reads its test part when it ends"
    return None


def count_read(run: RunDir) -> int:
    """Note in the run that its test part is being read; how often that has happened now.

    A directory that cannot be written to keeps its old count.
    """
    record, search = run.read_json("run.json"), search_of(run)
    chosen: dict[str, Any] | None = record.get("chosen")
    if search is None or chosen is None:
        reads = 1 + sum(event["event"] in READERS for event in run.events())
        with suppress(OSError), run.locked():
            run.event("evaluated", epoch=record["best_epoch"])
        return reads
    reads = 1 + int(chosen["test_reads"])
    with suppress(OSError):
        run.update_record(chosen=chosen | {"test_reads": reads})
        search.update_record(test_reads=reads)
    return reads
