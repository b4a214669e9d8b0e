"""The command ensemble: several runs as one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli.common import RUNS, Debug, Json, Quiet, Runs, Threads, explained
from nnrun.cli.terminal.signals import tidy_end
from nnrun.cli.terminal.streams import json_result, result
from nnrun.installation import command

if TYPE_CHECKING:
    from nnrun.runs.rundir import RunDir

Named = Annotated[
    list[str],
    typer.Argument(metavar="RUN", help="Runs to be pooled, or one search, or one run; path, id, prefix or latest."),
]
Top = Annotated[int | None, typer.Option(metavar="N", help="Of a search: its N best trials, equal weights.", min=2)]
Greedy = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="N rounds of greedy selection by dev, from the runs or the trials of the search.", min=2
    ),
]


@explained
def ensemble(
    named: Named,
    top: Top = None,
    greedy: Greedy = None,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Pool several runs into one, which predicts the mean of what they say.

    Members need one data set and one split. What is chosen by the dev set looks better there than it is, so that error
    stands beside a cross-fitted one.

    Example:  nnrun ensemble latest --greedy 25
    """
    from nnrun.runs.finding import find_run, is_search

    found = [find_run(runs, name) for name in named]
    with tidy_end():
        if len(found) == 1 and is_search(found[0]):
            made = _of_search(found[0], top, greedy, runs)
        else:
            made = _of_runs(found, top, greedy, runs)
    _report(made, json, quiet)


def _of_search(search: RunDir, top: int | None, greedy: int | None, runs: Path) -> RunDir:
    from nnrun.errors import UsageError
    from nnrun.models.ensembling.verbs import chosen_from, of_best
    from nnrun.runs.stored import HELD, StoredRun
    from nnrun.search.stored import StoredSearch

    found = StoredSearch(StoredRun(search))
    if (top is None) == (greedy is None):
        raise UsageError(f"{search.id} is a search: one of --top N and --greedy N says which of its trials")
    if found.run.status in HELD:
        raise UsageError(f"{search.id} is still running; wait for its end, or stop it")
    if top is not None:
        return of_best(found.ranked, found.plan.metric, top, runs, sys.argv)
    assert greedy is not None
    return chosen_from(found.ranked, found.plan.metric, greedy, runs, sys.argv)


def _of_runs(found: Sequence[RunDir], top: int | None, greedy: int | None, runs: Path) -> RunDir:
    from nnrun.errors import UsageError
    from nnrun.models.ensembling.verbs import of_named

    if top is not None:
        raise UsageError("--top takes the best trials of one search; runs that are named are all taken")
    return of_named(found, runs, greedy, sys.argv)


def _report(run: RunDir, json: bool, quiet: bool) -> None:
    """The members and errors on stdout, and what to type next."""
    from nnrun.models.ensembling.telling import ensemble_lines, of_ensemble
    from nnrun.runs.stored import StoredRun
    from nnrun.runs.telling import brief, called, next_line, summary

    found = StoredRun(run)
    if json:
        json_result({"id": run.id, "path": str(run.path), **found.record, "ensemble": of_ensemble(found)})
        return
    if quiet:
        result(*brief(found.record, found.status), f"run      {run.path}")
        return
    told = [*ensemble_lines(found), "", *summary(found.record, found.config, found.status), "", f"run      {run.path}"]
    name = called(run.path)
    further = [["evaluate", name], ["export", name, "-o", "model.onnx"], ["show", name]]
    result(*told, *(next_line(command(*words)) for words in further))
