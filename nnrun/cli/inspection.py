"""Commands that only read: list, show and schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnrun.cli.common import RUNS, Debug, Json, RunArgument, Runs, explained
from nnrun.cli.streams import json_result, result

if TYPE_CHECKING:
    from nnrun.rundir import RunDir

Values = dict[str, Any]

EPOCHS_SHOWN = 12
WRITTEN_FIRST = {"status", "created", "data", "parent"}  # keys that run.json has from the start
BROKEN = "unreadable"  # in place of a status


@explained
def list_(runs: Runs = RUNS, json: Json = False, debug: Debug = False) -> None:
    """List the runs, oldest first."""
    from nnrun.errors import UsageError
    from nnrun.rundir import list_runs

    if runs.exists() and not runs.is_dir():
        raise UsageError(f"{runs}: not a folder")
    found = [_overview(run) for run in list_runs(runs)]
    if json:
        json_result({"schema_version": 1, "runs": found})
    elif found:
        result(*_table(found))
    else:
        result(f"no runs in {runs} yet; `nnrun train` makes one")


def _overview(run: RunDir) -> Values:
    """A run in a line; a broken one does not hide the others."""
    from nnrun.errors import NnrunError

    try:
        record = _record(run)
    except NnrunError:
        record = {"status": BROKEN}
    final = record.get("final") or {}
    keys = ("status", "created", "epochs", "best_epoch", "seconds", "parent")
    errors = {f"{part}_error": final.get(f"{part}_error") for part in ("train", "dev", "test")}
    return {"id": run.id, **{key: record.get(key) for key in keys}, **errors}


def _record(run: RunDir) -> Values:
    """run.json with the status as it is now.

    One run that is running, was killed or failed has not written its result: its epochs are counted, and what
    stands there from before it was resumed is left out.
    """
    from nnrun.errors import DataError
    from nnrun.rundir import is_search

    record = run.read_json("run.json")
    if not isinstance(record, dict) or not record.keys() >= WRITTEN_FIRST:
        raise DataError(f"{run.path / 'run.json'}: holds no record of a run")
    if record["status"] in ("created", "running", "failed") and not is_search(run):
        rows = run.metrics()
        seconds = sum(row["seconds"] for row in rows)
        record |= {"epochs": len(rows), "seconds": seconds, "final": None, "best_epoch": None}
    return record | {"status": run.status_of(record)}


def _table(found: list[Values]) -> list[str]:
    from nnrun.narration import columns, duration, percent

    def text(value: Any) -> str:
        return "–" if value is None else str(value)

    rows = [["run", "status", "epochs", "best", "train", "dev", "test", "time", "from"]]
    for run in found:
        errors = [percent(run[f"{part}_error"]) for part in ("train", "dev", "test")]
        time = "–" if run["seconds"] is None else duration(run["seconds"])
        parent = run["parent"]["id"] if run["parent"] else ""
        rows.append([run["id"], run["status"], text(run["epochs"]), text(run["best_epoch"]), *errors, time, parent])
    if not any(run["parent"] for run in found):
        rows = [row[:-1] for row in rows]
    return columns(rows, right=range(2, 8))


@explained
def show(
    run: RunArgument = "latest",
    runs: Runs = RUNS,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the epochs, of a search the trials, as CSV.")] = False,
    debug: Debug = False,
) -> None:
    """Show a run: result, epochs, what its config changes, events."""
    from nnrun.rundir import find_run, is_search

    found = find_run(runs, run)
    if is_search(found):
        from nnrun.cli.searching import page

        page(found, _record(found), json, csv)
    elif json:
        json_result(_whole(found))
    elif csv:
        result(_csv(found.metrics()))
    else:
        result(*_page(found))


def _whole(run: RunDir) -> Values:
    from nnrun.config.load import load_config

    return {
        **_record(run),
        "id": run.id,
        "path": str(run.path),
        "config": load_config(run.path / "resolved.yaml").config.resolved(),
        "metrics": run.metrics(),
        "events": run.events(),
    }


def _csv(metrics: list[Values]) -> str:
    import csv
    import io

    columns = [key for key in metrics[0] if key != "layers"] if metrics else []
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(metrics)
    return text.getvalue().rstrip("\n")


def _page(run: RunDir) -> list[str]:
    from nnrun.checkpoints import PRUNED, pruned, retraining
    from nnrun.narration import source_name, summary

    whole = _whole(run)
    rows = ", ".join(f"{count:,} {part}" for part, count in whole["data"]["rows"].items())
    lines = [f"run      {run.path}", f"data     {source_name(whole['config']['data']['source'])}: {rows}"]
    if whole["parent"]:
        lines.append(f"parent   {whole['parent']['id']}, from epoch {whole['parent']['epoch']}")
    if pruned(run):
        lines.append(f"note     {PRUNED}; {retraining(run)}")
    lines += ["", *summary(whole, whole["config"], whole["status"])]
    if whole["metrics"]:
        lines += ["", *_epochs(whole["metrics"], whole["best_epoch"])]
    lines += ["", "config, where it differs from the defaults", *_changed(whole["config"])]
    lines += ["", "events", *map(_event, whole["events"])]
    return lines


def _event(event: Values) -> str:
    return f"  {event['time'][:10]} {event['time'][11:19]}  {event['event']} at epoch {event['epoch']}"


def _epochs(metrics: list[Values], best: int | None) -> list[str]:
    """The first and the last epoch, some between, evenly spaced, and the best one, marked."""
    from nnrun.narration import columns, epoch_table

    last = len(metrics) - 1
    spaced = {round(i * last / (EPOCHS_SHOWN - 1)) for i in range(EPOCHS_SHOWN)}
    some = [row for i, row in enumerate(metrics) if i in spaced or row["epoch"] == best]
    marks = ["", *("best" if row["epoch"] == best else "" for row in some)]
    return columns([[*cells, mark] for cells, mark in zip(epoch_table(some), marks, strict=True)], right=range(7))


def _changed(values: Values) -> list[str]:
    from nnrun.config.config import Config
    from nnrun.config.dump import dump_yaml

    defaults = _flat(Config().resolved())
    changed = {key: value for key, value in _flat(values).items() if defaults.get(key) != value}
    lines = [f"  {key}: {dump_yaml([value], one_line=True).strip()[1:-1]}" for key, value in changed.items()]
    return lines or ["  nothing"]


def _flat(values: Values, prefix: str = "") -> Values:
    flat: Values = {}
    for key, value in values.items():
        inner = isinstance(value, dict) and not prefix
        flat |= _flat(value, f"{key}.") if inner else {prefix + key: value}
    return flat


@explained
def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of the config, for editors."""
    from nnrun.config.reference import json_schema

    json_result(json_schema())
