"""Commands that only read: list, show and schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnrun.cli.common import RUNS, Debug, Json, Runs, explained

if TYPE_CHECKING:
    from nnrun.rundir import RunDir


@explained
def list_(runs: Runs = RUNS, json: Json = False, debug: Debug = False) -> None:
    """List the runs, oldest first."""
    from nnrun.files import to_json
    from nnrun.rundir import list_runs

    found = [_overview(run) for run in list_runs(runs)]
    if json:
        print(to_json({"schema_version": 1, "runs": found}, indent=2))
    elif found:
        print(*_table(found), sep="\n")
    else:
        print(f"no runs in {runs} yet; `nnrun train` makes one")


def _overview(run: RunDir) -> dict[str, Any]:
    record = run.read_json("run.json")
    final = record.get("final") or {}
    return {
        "id": run.id,
        "status": run.status_of(record),
        "created": record["created"],
        "epochs": record.get("epochs"),
        "best_epoch": record.get("best_epoch"),
        "seconds": record.get("seconds"),
        **{f"{part}_error": final.get(f"{part}_error") for part in ("train", "dev", "test")},
        "parent": record["parent"],
    }


def _table(found: list[dict[str, Any]]) -> list[str]:
    from nnrun.narration import columns, duration, percent

    def text(value: Any) -> str:
        return "–" if value is None else str(value)

    rows = [["run", "status", "epochs", "best", "train", "dev", "test", "time", "from"]]
    for run in found:
        errors = [percent(run[f"{part}_error"]) for part in ("train", "dev", "test")]
        time = "–" if run["seconds"] is None else duration(run["seconds"])
        parent = run["parent"]["id"] if run["parent"] else ""
        rows.append([run["id"], run["status"], text(run["epochs"]), text(run["best_epoch"]), *errors, time, parent])
    return columns(rows, right=(2, 3, 4, 5, 6, 7))


@explained
def show(
    run: Annotated[str, typer.Argument(help="Path, id, unique prefix, or latest.")] = "latest",
    runs: Runs = RUNS,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the epochs as CSV.")] = False,
    debug: Debug = False,
) -> None:
    """Show one run: its result, its epochs, what its config changes from the defaults, what happened."""
    from nnrun.files import to_json
    from nnrun.rundir import find_run

    found = find_run(runs, run)
    if json:
        print(to_json({**_whole(found)}, indent=2))
    elif csv:
        _print_csv(found.metrics())
    else:
        print(*_page(found), sep="\n")


def _whole(run: RunDir) -> dict[str, Any]:
    from nnrun.config.load import load_config

    record = run.read_json("run.json")
    return {
        **record,
        "id": run.id,
        "path": str(run.path),
        "status": run.status_of(record),
        "config": load_config(run.path / "resolved.yaml").config.resolved(),
        "metrics": run.metrics(),
        "events": run.events(),
    }


def _print_csv(metrics: list[dict[str, Any]]) -> None:
    import csv
    import sys

    columns = [key for key in metrics[0] if key != "layers"] if metrics else []
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(metrics)


def _page(run: RunDir) -> list[str]:
    from nnrun.narration import epoch_line, summary

    whole = _whole(run)
    rows = ", ".join(f"{count:,} {part}" for part, count in whole["data"]["rows"].items())
    lines = [f"{run.path}", f"data     {whole['config']['data']['source']}: {rows}"]
    if whole["parent"]:
        lines.append(f"parent   {whole['parent']['id']}, from epoch {whole['parent']['epoch']}")
    lines += ["", *summary(whole, whole["config"], whole["status"])]
    epochs = whole["config"]["training"]["epochs"]
    lines += ["", *(epoch_line(row, epochs) for row in _some(whole["metrics"]))]
    lines += ["", "config, where it differs from the defaults", *_changed(whole["config"])]
    lines += ["", "events", *(f"  {e['time'][:19]}  {e['event']} (epoch {e['epoch']})" for e in whole["events"])]
    return lines


def _some(metrics: list[dict[str, Any]], most: int = 12) -> list[dict[str, Any]]:
    """The first and the last epoch and some between, evenly spaced."""
    if len(metrics) <= most:
        return metrics
    return [metrics[round(i * (len(metrics) - 1) / (most - 1))] for i in range(most)]


def _changed(values: dict[str, Any]) -> list[str]:
    from nnrun.config.config import Config
    from nnrun.config.dump import dump_yaml

    defaults = _flat(Config().resolved())
    changed = {key: value for key, value in _flat(values).items() if defaults.get(key) != value}
    return [f"  {key}: {dump_yaml([value], one_line=True).strip()[1:-1]}" for key, value in changed.items()] or [
        "  nothing"
    ]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = isinstance(value, dict) and not prefix
        flat |= _flat(value, f"{key}.") if inner else {prefix + key: value}
    return flat


@explained
def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of the config, for editors."""
    from nnrun.config.reference import json_schema
    from nnrun.files import to_json

    print(to_json(json_schema(), indent=2))
