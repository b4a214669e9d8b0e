"""The command evaluate: every metric of a run, beside what simple models reach."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from nnrun.cli.common import (
    GATE_FAILED,
    RUNS,
    Cost,
    Debug,
    FailOn,
    Failure,
    Json,
    RunArgument,
    Runs,
    Threads,
    explained,
    tell_drift,
)
from nnrun.cli.terminal.streams import json_result, result, say

if TYPE_CHECKING:
    from nnrun.models.evaluation import Evaluation
    from nnrun.models.model import Model


Rows = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="File with the run's columns and target, - for stdin; left out: its own data."),
]
Require = Annotated[
    list[str] | None,
    typer.Option("--require", metavar="GATE", help="Exit with 6 unless it holds, such as 'dev_auc>0.9'; repeatable."),
]
Baselines = Annotated[
    bool, typer.Option("--baselines", help="Grow boosted trees on the same rows too, and say whether they are better.")
]
Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="Fit how sure the model is to the dev part, score test rows for `predict --interval`, and keep both.",
    ),
]
Importance = Annotated[
    bool,
    typer.Option(
        "--importance", help="How much worse the network is on dev when the values of a column are shuffled, by column."
    ),
]


class Gate(NamedTuple):
    """A metric of a part and the bound it must keep."""

    text: str
    name: str
    less: bool
    or_equal: bool
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a value keeps the bound; what is not known does not."""
        inside = value < self.bound if self.less else value > self.bound
        return inside or (self.or_equal and value == self.bound)


@explained
def evaluate(
    run: RunArgument = "latest",
    data: Rows = None,
    require: Require = None,
    baselines: Baselines = False,
    cost: Cost = None,
    calibrate: Calibrate = False,
    importance: Importance = False,
    fail_on: FailOn = None,
    runs: Runs = RUNS,
    threads: Threads = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure a run by every metric, beside simple baselines.

    Example:  nnrun evaluate latest --require 'dev_error<5%'
    """
    from nnrun.models.model import load_model
    from nnrun.models.telling import page
    from nnrun.models.verbs import evaluate as evaluate_model
    from nnrun.runs.finding import find_run
    from nnrun.runs.stored import StoredRun

    gates = [_gate(text) for text in require or []]
    look = _closer_look(calibrate, importance, bool(data or gates or baselines or cost or fail_on))
    _check_fail_on(fail_on, data)
    model = load_model(StoredRun(find_run(runs, run)))
    if look:
        look(model, json)
        return
    found = evaluate_model(model, data, baselines, cost, drift_required=bool(fail_on))
    failed = [line for gate in gates for line in _broken(gate, found)]
    if json:
        json_result(found.document)
    else:
        result(*page(found))
    if failed:
        say(*(f"nnrun: {line}" for line in failed))
    tell_drift(found.drift, json, fail_on)
    if failed:
        raise typer.Exit(GATE_FAILED)


def _check_fail_on(fail_on: Failure | None, data: str | None) -> None:
    from nnrun.errors import UsageError

    if fail_on and data is None:
        raise UsageError(f"--fail-on {fail_on} compares the rows of DATA with those of training; name a file")


def _closer_look(calibrate: bool, importance: bool, others: bool) -> Callable[[Model, bool], None] | None:
    """What is done in place of measuring; UsageError where it is asked for beside something else."""
    from nnrun.errors import UsageError

    looks = {"--calibrate": _calibrate} if calibrate else {}
    looks |= {"--importance": _weigh_columns} if importance else {}
    if looks and (others or len(looks) > 1):
        raise UsageError(
            f"{next(iter(looks))} goes by the run's own parts, alone; other options and DATA go into another call"
        )
    return next(iter(looks.values()), None)


def _calibrate(model: Model, json: bool) -> None:
    from nnrun.models.calibrating import calibrate
    from nnrun.models.telling import calibration_page

    found = calibrate(model)
    if json:
        json_result(found.document)
    else:
        result(*calibration_page(found))


def _weigh_columns(model: Model, json: bool) -> None:
    from nnrun.cli.terminal.screen import counting
    from nnrun.models.importance.measuring import importance
    from nnrun.models.importance.telling import importance_page

    with counting("shuffling", "columns", quiet=json) as heard:
        found = importance(model, heard)
    if json:
        json_result(found.document)
    else:
        result(*importance_page(found))


def _gate(text: str) -> Gate:
    from nnrun.engine.metrics import METRICS, beyond
    from nnrun.errors import UsageError
    from nnrun.models.evaluation import FILE, PLAIN
    from nnrun.text import PARTS, as_number, part_and_name

    written = re.fullmatch(r"\s*(\w+)\s*([<>])(=?)\s*([-+\d.eE]+\s*%?)\s*", text)
    bound = as_number(written[4]) if written else None
    if not written or bound is None:
        raise UsageError(f"--require {text!r}: write a metric, a sign and a number, such as 'dev_error<0.05'")
    name = written[1]
    part, metric = part_and_name(name)
    if part not in (*PARTS, FILE) or metric.removeprefix(PLAIN) not in METRICS:
        known = f"{', '.join(PARTS)} or {FILE}, then _ and one of {', '.join(METRICS)}"
        raise UsageError(f"--require {text}: no metric {name!r}; a name is {known}")
    if why := beyond(metric.removeprefix(PLAIN), bound):
        raise UsageError(f"--require {text}: {why}")
    return Gate(text, name, written[2] == "<", bool(written[3]), bound)


def _broken(gate: Gate, found: Evaluation) -> list[str]:
    """A line if the gate does not hold; UsageError for a metric that was not measured."""
    from nnrun.errors import UsageError
    from nnrun.text import number

    value = found.value(gate.name)
    if value is None:
        raise UsageError(f"--require {gate.text}: no {gate.name} was measured; there are {', '.join(found.values())}")
    is_so = "has no value on these rows" if value != value else f"is {number(value)}"
    return [] if gate.holds(value) else [f"{gate.name} {is_so}, which --require {gate.text} forbids"]
