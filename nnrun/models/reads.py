"""Reads of the test part, which is worth something as long as few look at it: whether it may be read, and how often."""

from __future__ import annotations

from contextlib import nullcontext, suppress

from nnrun.files import is_closed
from nnrun.locks import NoLocksError
from nnrun.runs.finding import search_of
from nnrun.runs.members import whole_of
from nnrun.runs.records import HELD
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun

TEST_READ_BY = ("done", "interrupted", "diverged", "evaluated")  # events of a run that read its test part


def why_not(run: StoredRun) -> str | None:
    """Why the test part of this run is left alone, if it is."""
    if whole := whole_of(run.directory):
        return f"a member is compared with the others on dev, and test is read for {whole.id} alone"
    search = search_of(run.directory)
    if search and run.path.resolve() != search.path / "best":
        return "the trials of a search are compared on dev, and test is read for the best of them alone"
    if search and search.status in HELD:
        return "the search is still training, and may choose another best trial when it ends"
    if run.status in HELD:
        return "the run is still training, and reads its test part when it ends"
    return None


def count_read(run: RunDir) -> int:
    """Note in the run that its test part is being read; how often that has happened now.

    A directory that cannot be written to, or on a disk that gives no locks, keeps its old count. UsageError where the
    run, or the search that it is the best of, is in training by now.
    """
    reads = _reads(run) + 1
    if is_closed(run.path):
        return reads
    search = search_of(run)
    with suppress(OSError, NoLocksError), search.held() if search else nullcontext(), run.held():
        reads = _reads(run) + 1  # another process may have read it since
        _enter(run, reads)
    return reads


def _reads(run: RunDir) -> int:
    """How often the test part was read until now; of a search's best run, that of the search."""
    chosen = run.read_record().get("chosen")
    if chosen and search_of(run):
        return int(chosen["test_reads"])
    return sum(event["event"] in TEST_READ_BY for event in run.events())


def _enter(run: RunDir, reads: int) -> None:
    chosen, search = run.read_record().get("chosen"), search_of(run)
    if chosen and search:
        run.update_record(chosen=chosen | {"test_reads": reads})
        search.update_record(test_reads=reads)
    else:
        run.event("evaluated", epoch=run.read_record().get("best_epoch"))
        run.update_record(written=run.written())
