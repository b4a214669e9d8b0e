"""What is told of one run that somebody looks at: verdict, symptoms, config, log, charts, commands."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nnrun.errors import DataError, NnrunError
from nnrun.installation import command, elsewhere
from nnrun.runs.records import HELD
from nnrun.runs.removing import size_told
from nnrun.runs.rundir import LOG, RunDir
from nnrun.runs.stored import StoredRun, record_of
from nnrun.runs.telling import changes, ending, symptom_told
from nnrun.runs.verdict import of_record, summary
from nnrun.text import duration
from nnrun.watching.so_far import TrialsSoFar

if TYPE_CHECKING:
    from nnrun.report.page.charts import Chart

Plain = dict[str, Any]  # as JSON
LOG_BYTES, LOG_LINES = 16_384, 40
MOST_CHARTS = 12
MOST_TRIALS = 400  # in the charts of a search, which are drawn again and again
LATEST = 20  # epochs by which its pace is told


def details(run: RunDir, with_charts: bool = True, trials: TrialsSoFar | None = None) -> Plain:
    """What a run's view shows; what cannot be read is left out, with the reason in `problem`.

    Of a search `trials` knows those that were read already.
    """
    stored = StoredRun(RunDir(run.path))
    lists: Plain = {name: [] for name in ("commands", "charts", "symptoms", "config")}
    found: Plain = {"id": run.id, "verdict": "", "system": "", "log": _log(run), **lists}
    try:
        record = stored.record
        found["system"] = "; ".join(_system(stored))
        found["commands"] = [{"why": why, "command": line} for why, line in _commands(stored)]
        found["config"] = [line.strip() for line in changes(stored.config)]
        found["symptoms"] = [symptom_told(one) for one in record.get("symptoms") or []]
        verdict = of_record(record, stored.config.diagnosis)
        found["verdict"] = summary(verdict) if verdict else _broken_off(stored)
        found["charts"] = [_chart(one) for one in _charts(stored, trials)] if with_charts else []
    except (NnrunError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        found["problem"] = str(error) or type(error).__name__
    return found


def _broken_off(stored: StoredRun) -> str:
    """Where a run ended of which there is no verdict."""
    has_ended = stored.status in ("diverged", "failed") and not stored.is_search
    return ending(record_of(stored), stored.status, stored.config) if has_ended else ""


def _system(stored: StoredRun) -> Iterator[str]:
    """How long an epoch takes, what its process holds in memory, if it is one of this machine, and where it trains."""
    record = stored.record
    if taken := [row["seconds"] for row in stored.rows[-LATEST:]]:
        yield f"{duration(statistics.median(taken))} an epoch"
    if stored.status in HELD and record["host"]["name"] == platform.node():
        import psutil

        with suppress(psutil.Error, TypeError, KeyError):
            yield f"{size_told(psutil.Process(record['process']).memory_info().rss)} of memory"
    yield f"on {record['host']['name']}"


def _charts(stored: StoredRun, trials: TrialsSoFar | None) -> list[Chart]:
    """The charts of the run's report, whose libraries are loaded for these alone."""
    from nnrun.report.verbs import run_charts, search_charts
    from nnrun.search.stored import StoredSearch

    if not stored.is_search:
        return run_charts(stored)[:MOST_CHARTS]
    search = StoredSearch(stored)
    sample = (trials or TrialsSoFar(stored)).sample(MOST_TRIALS, search.plan.space)
    if not stored.under_way and sample.of < (search.record.get("trials") or 0):
        raise DataError(search.loss or "")
    return search_charts(stored, each_alone=True, sample=sample)[:MOST_CHARTS]


def _chart(one: Chart) -> Plain:
    about = {"title": one.title, "alt": one.alt, "note": one.note, "height": one.height}
    return {**about, "least_width": one.least_width, "data": list(one.data), "layout": dict(one.layout)}


def _log(run: RunDir) -> list[str]:
    """The last lines of log.txt."""
    try:
        with (run.path / LOG).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            return file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []


def _commands(stored: StoredRun) -> Iterator[tuple[str, str]]:
    """What a person may want to type next; the page copies them."""
    name, options = stored.id, elsewhere(stored.path.parent)
    if stored.status in HELD:
        yield "stop it at the end of its epoch", command("stop", name, *options)
    if stored.status == "running":
        yield "let it wait", command("pause", name, *options)
    if stored.status in ("paused", "interrupted", "failed"):
        yield "go on", command("resume", name, *options)
    yield "all of it", command("show", name, *options)
    if stored.status == "done":
        yield "the verdict, and what to do next", command("diagnose", name, *options)
        yield "a page to send", command("report", name, *options)
        if not stored.is_search:
            yield "go on from its best epoch", command("rewind", name, "--to", "best", *options)
