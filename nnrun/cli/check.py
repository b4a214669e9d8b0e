"""The command check: what can be known before training. It makes no run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from nnrun.cli.common import RUNS, ConfigFile, Debug, Json, Quiet, Runs, Settings, Threads, default_config, explained
from nnrun.cli.terminal.streams import json_result, result

if TYPE_CHECKING:
    from nnrun.runs.symptoms.evidence import Finding


FAULT = 6  # exit code
INDENT = " " * 19


@explained
def check(
    config: ConfigFile = None,
    settings: Settings = None,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look for faults in data and network before training.

    Example:  nnrun check config.yaml
    """
    from nnrun.cli.terminal.screen import preparing
    from nnrun.config.load import load_config
    from nnrun.insight.preflight.verbs import open_context, preflight

    loaded = load_config(config or default_config(quiet or json), settings or [])
    with preparing(quiet or json) as heard:
        context = open_context(loaded, runs, heard)
    found = preflight(context)
    statuses = _report_json(found) if json else _report(found, quiet)
    raise typer.Exit(FAULT if statuses["fail"] else 0)


def _report_json(found: Iterable[tuple[str, Finding]]) -> Counter[str]:
    checks = list(found)
    statuses = Counter[str](finding.status for _, finding in checks)
    counts = {status: statuses[status] for status in ("pass", "warn", "fail")}
    entries = [
        {"name": name, "status": finding.status, "finding": finding.text, "cure": finding.cure, **finding.numbers}
        for name, finding in checks
    ]
    json_result({"schema_version": 1, **counts, "checks": entries})
    return statuses


def _report(found: Iterable[tuple[str, Finding]], quiet: bool) -> Counter[str]:
    """Each check as soon as it is done; with -q those that found something."""
    statuses: Counter[str] = Counter()
    for name, finding in found:
        statuses[finding.status] += 1
        if not quiet or finding.status == "fail":
            result(*_lines(name, finding))
    result(", ".join(f"{statuses[status]} {status}" for status in ("pass", "warn", "fail")))
    return statuses


def _lines(name: str, finding: Finding) -> Iterator[str]:
    """The finding beside its name, then its picture, then the cure."""
    from nnrun.text import wrapped

    yield from wrapped(finding.text, f"{finding.status}  {name:<13}")
    if finding.picture:
        yield INDENT + finding.picture
    if finding.cure:
        yield from wrapped(finding.cure, f"      {'cure':>11}  ")
