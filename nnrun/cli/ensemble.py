"""The command ensemble: several runs as one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from nnrun.cli import completing, search, train
from nnrun.cli.common import RUNS, Debug, Json, Quiet, Runs, Threads, Verbose, explained
from nnrun.cli.terminal.signals import tidy_end
from nnrun.cli.terminal.streams import json_result, result, say
from nnrun.installation import called, command, export_format

if TYPE_CHECKING:
    from nnrun.runs.listener import Listener, Outcome, ToldToStop
    from nnrun.runs.rundir import RunDir
    from nnrun.search.running import SearchOutcome

Named = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Two or more; or one search with --top or --greedy; or one run to be trained anew: path, id, short "
        "name, or latest.",
        autocompletion=completing.runs,
    ),
]
Top = Annotated[int | None, typer.Option(metavar="N", help="The N best trials of a search, equal weights.", min=2)]
Greedy = Annotated[
    int | None,
    typer.Option(metavar="N", help="Chosen by dev from the trials of a search, or the runs, in N rounds.", min=2),
]
Seeds = Annotated[int | None, typer.Option(metavar="N", help="Train N networks from the config of a run.", min=2)]
Snapshots = Annotated[
    int | None,
    typer.Option(metavar="N", help="Train it in N cycles of the learning rate, pool the ends of all of them.", min=2),
]


@explained
def ensemble(
    named: Named,
    top: Top = None,
    greedy: Greedy = None,
    seeds: Seeds = None,
    snapshots: Snapshots = None,
    cluster: search.ClusterOption = None,
    any_bits: search.AnyBits = False,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Make one model of several runs: the mean of what they say.

    Members need one data set and one split. What is chosen by the dev set looks better there than it is, so that error
    stands beside a cross-fitted one.

    Example:  nnrun ensemble latest --greedy 25
    """
    from nnrun.runs.finding import find_run, is_search

    ways = {"--top": top, "--greedy": greedy, "--seeds": seeds, "--snapshots": snapshots}
    found = [find_run(runs, name) for name in named]
    _refuse_many(ways, found)
    shown = Shown(runs, json, quiet, verbose)
    if cluster is not None or any_bits:
        _train_apart(found[0], seeds, cluster, any_bits, shown)
    elif seeds is not None:
        _train_seeds(found[0], seeds, shown)
    elif snapshots is not None:
        _train_cycles(found[0], snapshots, shown)
    else:
        with tidy_end():
            alone = len(found) == 1 and is_search(found[0])
            made = (_of_search if alone else _of_runs)(found, top, greedy, runs)
        _report(made, json, quiet)


class Shown(NamedTuple):
    """Where to put what is trained, and how to tell of it."""

    runs: Path
    json: bool
    quiet: bool
    verbose: bool


def _refuse_many(ways: Mapping[str, int | None], found: Sequence[RunDir]) -> None:
    """UsageError for two ways at once, or for several runs where one is trained anew."""
    from nnrun.errors import UsageError

    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: only one of them")
    if given and given[0] in ("--seeds", "--snapshots") and len(found) > 1:
        raise UsageError(f"{given[0]} trains the config of one run, and {len(found)} are named")


def _train_seeds(run: RunDir, seeds: int, shown: Shown) -> None:
    """A run like any other, of several networks."""
    from nnrun.models.ensembling.training import train_seeds

    outcome, code = _trained(shown, lambda *heard: train_seeds(run, seeds, shown.runs, *heard))
    _tell_trained(outcome, shown)
    raise typer.Exit(code)


def _train_apart(run: RunDir, seeds: int | None, cluster: str | None, any_bits: bool, shown: Shown) -> None:
    """Each network as a training of its own on a worker, and the ensemble of all of them then."""
    from nnrun.cli.terminal.search_screen import search_console
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.errors import UsageError
    from nnrun.models.ensembling.training import trainable
    from nnrun.models.ensembling.verbs import of_named
    from nnrun.runs.stored import StoredRun
    from nnrun.search.state import options_of
    from nnrun.search.stored import StoredSearch
    from nnrun.search.verbs import begin_seeds

    if seeds is None:
        raise UsageError("--cluster trains the networks of --seeds N; the other ways train none, or one")
    options = options_of(None, None, cluster, any_bits)
    with search_console(shown.quiet or shown.json, options, shown.verbose) as screen, stop_request(screen) as stop:
        outcome = begin_seeds(trainable(run), seeds, shown.runs, options, screen, stop, sys.argv)
    trained = StoredSearch(StoredRun(outcome.run)).ranked
    if len(trained) < seeds:
        search.tell(outcome, shown.json, shown.quiet)
        _say_left(outcome, seeds, len(trained))
        raise typer.Exit(search.exit_code(outcome, stop) or train.EXIT_CODES["diverged"])
    with tidy_end():
        made = of_named(sorted(trained, key=lambda each: each.id), shown.runs, argv=sys.argv)
    _report(made, shown.json, shown.quiet)


def _say_left(outcome: SearchOutcome, seeds: int, trained: int) -> None:
    """What becomes of an ensemble that lacks networks."""
    whole = len(outcome.records) == seeds
    count = trained if whole else seeds
    made = command("ensemble", str(outcome.run.path), "--top", str(count))
    then = "makes the ensemble of the others" if whole else "makes the ensemble when all are trained"
    say(f"nnrun: {trained} of {seeds} networks are trained; `{made}` {then}")


def _train_cycles(run: RunDir, cycles: int, shown: Shown) -> None:
    """Train, unless the run itself was trained so, and make the ensemble then, unless that was stopped."""
    from nnrun.models.ensembling.training import has_cycles, train_cycles
    from nnrun.models.ensembling.verbs import of_cycles
    from nnrun.runs.telling import next_line

    if not has_cycles(run, cycles):
        outcome, code = _trained(shown, lambda *heard: train_cycles(run, cycles, shown.runs, *heard))
        run = outcome.run
        if outcome.status != "done":
            _tell_trained(outcome, shown)
            if outcome.status == "interrupted" and not shown.json:
                result(next_line(command("ensemble", called(run.path), "--snapshots", str(cycles))))
            raise typer.Exit(code)
    with tidy_end():
        made = of_cycles(run, shown.runs, sys.argv)
    _report(made, shown.json, shown.quiet)


def _trained(shown: Shown, verb: Callable[[Listener, ToldToStop, list[str]], Outcome]) -> tuple[Outcome, int]:
    """What training on the screen came to, and the exit code."""
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.cli.terminal.training_screen import console

    with console(shown.quiet or shown.json, shown.verbose) as screen, stop_request(screen) as stop:
        outcome = verb(screen, stop, sys.argv)
    return outcome, train.exit_code(outcome, stop)


def _tell_trained(outcome: Outcome, shown: Shown) -> None:
    train.tell_as_resolved(outcome, shown.runs, shown.json, shown.quiet)


def _of_search(found: Sequence[RunDir], top: int | None, greedy: int | None, runs: Path) -> RunDir:
    from nnrun.models.ensembling.verbs import of_search
    from nnrun.runs.stored import StoredRun
    from nnrun.search.stored import StoredSearch

    search = StoredSearch(StoredRun(found[0]))
    return of_search(
        search.run.id, search.ranked, len(search.rivals), search.plan.objective, top, greedy, runs, sys.argv
    )


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
    from nnrun.runs.telling import brief, next_line, summary

    found = StoredRun(run)
    if json:
        json_result({"id": run.id, "path": str(run.path), **found.record, "ensemble": of_ensemble(found)})
        return
    if quiet:
        result(*brief(found.record, found.status), f"run      {run.path}")
        return
    told = [*ensemble_lines(found), "", *summary(found.record, found.config, found.status), "", f"run      {run.path}"]
    name = called(run.path)
    further = [
        ["evaluate", name],
        ["export", name, "--format", export_format()],
        ["show", name],
    ]
    result(*told, *(next_line(command(*words)) for words in further))
