"""The command search, and what resume and show do with a search."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nnrun.cli import completing
from nnrun.cli.common import (
    RUNS,
    ConfigFile,
    Debug,
    Json,
    Quiet,
    Runs,
    Settings,
    Threads,
    Verbose,
    default_config,
    explained,
    unless_enough,
)
from nnrun.cli.report import NO_PAGE, Page, Report, if_asked
from nnrun.cli.terminal.streams import FAULT, csv_result, json_result, result, say
from nnrun.errors import UsageError
from nnrun.installation import command
from nnrun.machine.posix import LEAST_MEMORY
from nnrun.text import typed_number

if TYPE_CHECKING:
    from nnrun.cli.terminal.signals import StopRequest
    from nnrun.runs.rundir import RunDir
    from nnrun.runs.stored import StoredRun
    from nnrun.search.plan import Limits
    from nnrun.search.running import SearchOutcome
    from nnrun.search.state import Options
    from nnrun.search.stored import StoredSearch


EXIT_CODES = {"done": 0, "diverged": 5, "failed": 1}

Trials = Annotated[
    int | None, typer.Option(metavar="N", help="Total number of trials; left out: search.trials.", min=1)
]
StrategyName = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="How trials are chosen; left out: search.strategy.",
        autocompletion=completing.strategies,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processes; left out: one a core that may be used. Changes no result.", min=1),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Train on the workers of a dask scheduler: tcp://HOST:8786, its scheduler file, or local:N.",
    ),
]
AnyBits = Annotated[
    bool, typer.Option("--allow-different-bits", help="Also on workers that do not train to the same bits.")
]
ClusterWait = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Wait so long for a scheduler that is gone; left out: not at all.", min=0),
]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="End after so long in all; what is finished counts.", min=0)
]
Target = Annotated[
    str | None, typer.Option(metavar="VALUE", help="End at a value of the metric as good as this: 0.02 or 2%.")
]
StopWhenFlat = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE", help="End when the trials left are expected to gain less of the metric: 0.1% or 0.001."
    ),
]
TrialTimeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Give up a trial that takes longer, its worker's start aside.", min=0),
]
TrialMemory = Annotated[
    int | None,
    typer.Option(
        metavar="BYTES",
        help="Most memory a worker may take, on Linux; left out: an equal share of 80% of the free memory, "
        "or that least where it is more.",
        min=LEAST_MEMORY,
    ),
]
Stack = Annotated[int | None, typer.Option(metavar="N", help="Most trials trained as one; changes no result.", min=1)]
Repeat = Annotated[
    int | None, typer.Option(metavar="N", help="Train the best three trials again with N new seeds each.", min=1)
]


@explained
def search(
    config: ConfigFile = None,
    trials: Trials = None,
    strategy: StrategyName = None,
    workers: Workers = None,
    cluster: ClusterOption = None,
    any_bits: AnyBits = False,
    cluster_wait: ClusterWait = None,
    timeout: Timeout = None,
    target: Target = None,
    stop_when_flat: StopWhenFlat = None,
    trial_timeout: TrialTimeout = None,
    trial_memory: TrialMemory = None,
    stack: Stack = None,
    repeat: Repeat = None,
    settings: Settings = None,
    report: Report = False,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Search for better hyperparameters, many trials at once.

    Example:  nnrun search config.yaml --trials 50
    """
    from nnrun.config.load import load_config

    loaded = load_config(config or default_config(quiet), [*(settings or []), *_as_settings(trials, strategy)])
    from nnrun.cli.terminal.search_screen import search_console
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.search.state import options_of
    from nnrun.search.verbs import begin

    limits = limits_of(timeout, target, stop_when_flat, trial_timeout, trial_memory, stack, cluster_wait)
    options = options_of(workers, repeat, cluster, any_bits, **limits)
    with search_console(quiet or json, options, verbose) as screen, stop_request(screen) as stop:
        outcome = begin(loaded, runs, options, screen, stop, sys.argv)
    with if_asked(report, outcome.run, runs) as page:
        tell(outcome, json, quiet, page)
    raise typer.Exit(exit_code(outcome, stop))


def limits_of(
    timeout: float | None,
    target: str | None,
    stop_when_flat: str | None,
    trial_timeout: float | None,
    trial_memory: int | None,
    stack: int | None,
    cluster_wait: float | None,
) -> Limits:
    """The limits that options of these names ask for."""
    return {
        "timeout": timeout,
        "target": _of_metric("--target", target),
        "stop_when_flat": _of_metric("--stop-when-flat", stop_when_flat),
        "trial_timeout": trial_timeout,
        "trial_memory": trial_memory,
        "stack": stack,
        "cluster_wait": cluster_wait,
    }


def _of_metric(option: str, text: str | None) -> float | None:
    """A value or a difference of the metric: `2%` or 0.02; UsageError for what is no number, or more than 100%."""
    if text is None:
        return None
    if (typed := typed_number(text)) is None:
        raise UsageError(f"{option} {text}: not a number; write 0.02 or 2%")
    value, scale = typed
    if value > scale == 100:
        raise UsageError(f"{option} {text}: a share is at most 100%; of a metric that is none write {value / scale:g}")
    return value / scale


def _as_settings(trials: int | None, strategy: str | None) -> Iterator[str]:
    """Options that stand for keys of the section `search`; UsageError for the name of no strategy."""
    from nnrun.search.verbs import refuse_unknown

    refuse_unknown(strategy)
    chosen = {"search.trials": trials, "search.strategy": strategy}
    return (f"{key}={value}" for key, value in chosen.items() if value is not None)


def exit_code(outcome: SearchOutcome, stop: StopRequest) -> int:
    """The exit code of a search: that of a signal where one stopped it, or `nnrun stop`, else by how it ended."""
    if stop() or outcome.record["ended_by"] == "signal":
        return stop.exit_code
    return EXIT_CODES.get(outcome.status, 1)


def go_on(run: RunDir, trials: int | None, json: bool, quiet: bool, verbose: bool, options: Options) -> None:
    """Resume a search."""
    from nnrun.cli.terminal.search_screen import search_console
    from nnrun.cli.terminal.signals import stop_request
    from nnrun.search.verbs import resume

    with search_console(quiet or json, options, verbose) as screen, stop_request(screen) as stop:
        outcome = resume(run, trials, options, screen, stop)
    tell(outcome, json, quiet)
    raise typer.Exit(exit_code(outcome, stop))


def tell(outcome: SearchOutcome, json: bool, quiet: bool, page: Page = NO_PAGE) -> None:
    """The result on stdout: the best trials, what mattered, what to type next; with -q no more than is needed."""
    from nnrun.runs.stored import StoredRun
    from nnrun.runs.telling import next_line
    from nnrun.search.stored import StoredSearch
    from nnrun.search.telling import brief

    run = outcome.run
    if json:
        json_result({**outcome.record, "id": run.id, "path": str(run.path), "records": outcome.records, **page.entry})
        return
    if quiet and outcome.status == "failed":  # else it was told as they ended
        first = min(outcome.records, key=lambda record: record["number"])
        say(f"{FAULT}all trials failed; trial {first['number']}: {first.get('error')}")
    search = StoredSearch(StoredRun(run))
    found = brief(search.record, search.plan.objective) if quiet else [*_summary(search), ""]
    lines = [*found, f"search   {run.path}", *page.lines]
    commands = unless_enough(_next_commands(search, reported=page.path is not None), quiet, outcome.status)
    result(*lines, *(next_line(command(*words)) for words in commands))


def _next_commands(search: StoredSearch, reported: bool) -> Iterator[list[str]]:
    """The best run, and going on: to the end, with more time, with what was left, or to twice as many trials."""
    from nnrun.runs.verdict import can_be_judged

    run, record = search.run, search.record
    if record["best_trial"] is not None:
        if can_be_judged(record["final"]):
            yield ["diagnose", str(run.path)]
        if not reported:
            yield ["report", str(run.path)]
        yield ["show", str(run.path / "best")]
    if search.further:
        yield search.further


def _summary(search: StoredSearch) -> list[str]:
    from nnrun.search.telling import summary

    return summary(search.record, search.trials, search.plan, search.run.config.optimizer.name)


def _where(places: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """A line a machine, where there were several."""
    from nnrun.text import wrapped

    for host, numbers in places.items() if len(places) > 1 else ():
        yield from wrapped(f"{host}: trial{'s' * (len(numbers) > 1)} {_ranges(numbers)}", "trained  ")


def _ranges(numbers: Sequence[int]) -> str:
    """Whole numbers that rise, as `0–4, 7, 9–12`."""
    starts = [i for i, number in enumerate(numbers) if i == 0 or numbers[i - 1] != number - 1]
    ends = [*(start - 1 for start in starts[1:]), len(numbers) - 1]
    pairs = ((numbers[start], numbers[end]) for start, end in zip(starts, ends, strict=True))
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in pairs)


def page(run: StoredRun, json: bool, csv: bool) -> None:
    """What `nnrun show` prints of a search."""
    from nnrun.runs.labels import labels_of
    from nnrun.search.stored import StoredSearch
    from nnrun.search.telling import error_kind_of, heading, progress, stage_lines, unfinished_repeats

    search = StoredSearch(run)
    record, plan, trials = search.record, search.plan, search.kept
    if search.loss:
        say(f"note     {search.loss}")
    if json:
        about = {"id": run.id, "path": str(run.path), **labels_of(run.directory), "search": plan.as_dict()}
        retested = {"retest": search.retest} if search.retest else {}
        json_result({**record, **about, **retested, "records": trials})
    elif csv:
        csv_result(search.spreadsheet(plan.space.keys).rstrip("\n"))
    else:
        zooms = stage_lines(record.get("stages", []))
        lines = [*heading(run.id, plan, plan.space, kind=error_kind_of(record)), "", *zooms, *([""] if zooms else [])]
        lines += _summary(search) if search.closed else progress(record, trials, plan.total, plan.objective)
        result(*lines, *_where(search.places), *unfinished_repeats(record, plan.repeat, str(run.path)))
