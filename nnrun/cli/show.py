"""`nnrun show`: a run's epochs and what its config changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from nnrun.cli.common import RUNS, Debug, Json, RunArgument, Runs, explained
from nnrun.cli.terminal.streams import csv_result, json_result, result

if TYPE_CHECKING:
    from nnrun.runs.records import Event, Row, RunRecord
    from nnrun.runs.stored import StoredRun

    class Kind(Protocol):
        """A command with a page of what it made."""

        def page(self, run: StoredRun, json: bool, csv: bool) -> None:
            """What is printed."""


@explained
def show(
    run: RunArgument = "latest",
    runs: Runs = RUNS,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the epochs, of a search the trials, as CSV.")] = False,
    debug: Debug = False,
) -> None:
    """Show a run: result, epochs, what its config changes, events."""
    from nnrun.errors import UsageError
    from nnrun.files import csv_text
    from nnrun.runs.finding import find_run
    from nnrun.runs.labels import label_lines, labels_of
    from nnrun.runs.stored import COLUMNS, StoredRun, record_of

    if json and csv:
        raise UsageError("--json and --csv: only one of them")
    found = StoredRun(find_run(runs, run))
    if found.is_search:
        record_of(found)  # DataError where there is none
        if (lines := label_lines(labels_of(found.directory))) and not (json or csv):
            result(*lines)
        _kind_of(found).page(found, json, csv)
    elif json:
        json_result(_whole(found, record_of(found)))
    elif csv:
        csv_result(csv_text(found.flat_rows, COLUMNS))
    else:
        result(*_page(found, record_of(found)))


def _kind_of(run: StoredRun) -> Kind:
    """The command that makes searches like this one."""
    from nnrun.cli import improve, retest, search
    from nnrun.runs.kinds import kind_of

    return {"improvement": improve, "retest": retest}.get(kind_of(run.directory), search)


def _whole(run: StoredRun, record: RunRecord) -> object:
    from nnrun.models.ensembling.telling import of_ensemble
    from nnrun.runs.labels import labels_of
    from nnrun.runs.lineage import children_of, nudges

    parted = [(child.id, child.written["parent"]) for child in children_of(run)]
    children = [{"id": name, "epoch": left["epoch"]} for name, left in parted if left]
    family = {"children": children, "nudges": nudges(run.events)}
    about = {"id": run.id, "path": str(run.path), "config": run.config.resolved()}
    whole = {"ensemble": made} if (made := of_ensemble(run)) else {}
    labels = labels_of(run.directory)
    return {**record, **about, **labels, **whole, **family, "metrics": run.rows, "events": run.events}


def _page(run: StoredRun, record: RunRecord) -> list[str]:
    from nnrun.models.ensembling.telling import ensemble_lines
    from nnrun.runs.checkpoints import why_dropped
    from nnrun.runs.known_rows import told_known
    from nnrun.runs.labels import label_lines, labels_of
    from nnrun.runs.lineage import changes_of, parent_of
    from nnrun.runs.stored import best_row, ended_with_rung
    from nnrun.runs.telling import changes, folds_so_far, made_on_the_way, summary
    from nnrun.runs.verdict import error_kind
    from nnrun.text import set_name, source_name, wrapped

    config = run.config
    rows = ", ".join(f"{count:,} {set_name(part)}" for part, count in record["data"]["rows"].items())
    of_folds = f" ({so_far})" if (so_far := folds_so_far(record, config)) else ""
    lines = [f"run      {run.path}", f"data     {source_name(config.resolved()['data']['source'])}: {rows}{of_folds}"]
    parent = parent_of(run)
    lines += label_lines(labels_of(run.directory))
    lines += _relatives(run, record, gone=parent is None)
    if why := why_dropped(run.directory):
        lines.append(f"note     {why}")
    lines += [line for note in told_known(run) for line in wrapped(note, "note     ")]
    lines += _of_its_rung(run, record)
    gathered = ensemble_lines(run)
    lines += ["", *gathered] if gathered else []
    lines += ["", *summary(record, config, run.status, run.events, run.path)]
    lines += made_on_the_way(changes_of(run, parent), record["parent"])
    if run.rows:
        best = record["best_epoch"] or best_row(run.rows, config.metrics.primary).get("epoch")
        kind = error_kind(record["data"])
        lines += ["", *([f"{kind} errors and losses by epoch"] if kind else [])]
        lines += _epochs(run.rows, best, config.metrics.primary)
    whose = "config of the first member" if gathered else "config"
    lines += ["", f"{whose}, where it differs from the defaults", *changes(config)]
    rung = ended_with_rung(record, config)
    return [*lines, "", "events", *(_event(event, rung) for event in run.events)]


def _of_its_rung(run: StoredRun, record: RunRecord) -> Iterator[str]:
    """What goes on with a trial whose rung ended: its search, with the best of the rung, and else it alone."""
    from nnrun.installation import command
    from nnrun.runs.finding import search_of
    from nnrun.runs.stored import StoredRun, ended_with_rung
    from nnrun.search.stored import StoredSearch

    search = search_of(run.directory) if ended_with_rung(record, run.config) else None
    if search:
        further = StoredSearch(StoredRun(search)).to_go_on
        how = f": `{command(*further)}`" if further else ""
        alone = f"`{command('rerun', str(run.path))}` trains this one alone to epoch {run.config.training.epochs}"
        yield f"note     the best of a rung go on in its search{how}; {alone}"


def _relatives(run: StoredRun, record: RunRecord, gone: bool) -> Iterator[str]:
    """The parent and the children of a run, each with the epoch at which they parted."""
    from nnrun.runs.lineage import children_of

    if parent := record["parent"]:
        away = ", which is gone" if gone else ""
        yield f"parent   {parent['id']}{away}, from epoch {parent['epoch']}"
    for child in children_of(run):
        if left := child.written["parent"]:
            yield f"child    {child.id}, from epoch {left['epoch']}"


def _event(event: Event, rung: bool) -> str:
    from nnrun.runs.requests import event_told

    key = f": {event['key']}" if event.get("key") else ""
    told = event_told(event | {"event": "rung ended"} if rung and event["event"] == "pruned" else event, "at")
    return f"  {event['time'][:10]} {event['time'][11:19]}  {told}{key}"


def _epochs(metrics: list[Row], best: float | None, primary: str) -> list[str]:
    """Some epochs, the best one marked."""
    from nnrun.runs.stored import some_of
    from nnrun.runs.telling import epoch_table
    from nnrun.text import columns

    some = some_of(metrics, best)
    marks = ["", *("best" if row["epoch"] == best else "" for row in some)]
    table = epoch_table(some, primary)
    right = range(len(table[0]))
    return columns([[*cells, mark] for cells, mark in zip(table, marks, strict=True)], right)
