"""The command check: what can be known before training. It makes no run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

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
)
from nnrun.cli.terminal.streams import json_result, result, say

if TYPE_CHECKING:
    from nnrun.runs.symptoms.evidence import Finding


FAULT = 6  # exit code

Epsilon = Annotated[
    float | None, typer.Option("--epsilon", metavar="STEP", help="Step of the gradient check; left out: 1e-5.")
]
All = Annotated[
    bool, typer.Option("--all", help="Check the gradient by every parameter, and show the worst of each layer.")
]


@explained
def check(
    config: ConfigFile = None,
    settings: Settings = None,
    runs: Runs = RUNS,
    epsilon: Epsilon = None,
    every: All = False,
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Look for faults in data and network before training.

    Example:  nnrun check config.yaml
    """
    from nnrun.cli.terminal.screen import preparing
    from nnrun.config.load import load_config
    from nnrun.insight.preflight.verbs import open_context, preflight, probe
    from nnrun.runs.environment import surroundings

    loaded = load_config(config or default_config(quiet or json), settings or [])
    with preparing(quiet or json) as heard:
        context = open_context(loaded, runs, heard, probe(epsilon, every))
    if verbose:
        say(*surroundings(loaded.config))
    found = preflight(context)
    statuses = _report_json(list(found)) if json else _report(found, quiet)
    raise typer.Exit(FAULT if statuses["fail"] else 0)


def _report_json(found: Sequence[tuple[str, Finding]]) -> Counter[str]:
    from nnrun.insight.preflight.verbs import as_json

    json_result(as_json(found))
    return Counter(finding.status for _, finding in found)


def _report(found: Iterable[tuple[str, Finding]], quiet: bool) -> Counter[str]:
    """Each check as soon as it is done; with -q those that found something."""
    from nnrun.insight.preflight.verbs import counts_line, finding_lines

    statuses: Counter[str] = Counter()
    for name, finding in found:
        statuses[finding.status] += 1
        if not quiet or finding.status == "fail":
            result(*finding_lines(name, finding))
    result(counts_line(statuses))
    return statuses
