"""An improvement in plain lines: how it begins, each step, how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nnrun.config.changes import CHANGES
from nnrun.config.dump import one_line
from nnrun.config.values import Settings, dotted
from nnrun.improving.budget import Budget
from nnrun.improving.record import Asked, Ending, Evidence, Fault, ImproveRecord, Measured, StepRecord
from nnrun.runs.records import Final
from nnrun.runs.telling import next_line
from nnrun.text import columns, counted, duration, percent, points, times, wrapped

NO_CHANGE = "as it was written"


def heading(run_id: str, record: ImproveRecord, workers: int | None = None) -> list[str]:
    """What is improved, how, and what was found wrong before the first training."""
    asked = record["asked"]
    until = f", until a dev error of {percent(asked['target'])}" if asked["target"] is not None else ""
    by = f", {counted(workers, 'worker')}" if workers else ""
    lines = wrapped(f"{run_id}: {asked_told(asked)}{until}{by}", "improve  ")
    lines += [line for told in record["told"] for line in wrapped(told, "note     ")]
    return lines + [line for fault in record["faults"] for line in _fault(fault)]


def _fault(fault: Fault) -> Iterator[str]:
    yield from wrapped(f"{fault['check']}: {fault['finding']}", "check    ")
    if fault["cure"] and not fault["settings"]:
        yield from wrapped(fault["cure"], "cure     ")


def baseline_line(start: Measured) -> str:
    """The error that everything is compared with."""
    return f"start    dev error {_spread(start)}, {counted(len(start['trials']), 'seed')}, {NO_CHANGE}"


def _spread(measured: Measured) -> str:
    deviation = measured["deviation"]
    return percent(measured["dev_error"]) + ("" if deviation is None else f" ± {percent(deviation)}")


def trying_lines(number: int, rule: str, why: str) -> list[str]:
    """What is tried next, and why."""
    return ["", *wrapped(f"{rule}: {why}", f"step {number:<4}")]


def step_lines(step: StepRecord) -> list[str]:
    """The verdict, the evidence behind it, and the command that trains the same."""
    word = "adopted" if step["verdict"] == "adopted" else "rejected"
    errors = f"{percent(step['before'])} → {percent(step['after'])}"
    told = f"dev error {errors}, {step['reason']}; {counted(step['epochs'], 'epoch')}"
    return [*wrapped(told, f"{word:<9}"), next_line(step["command"])]


def table(steps: Sequence[StepRecord]) -> list[str]:
    """All steps, a line each."""
    if not steps:
        return []
    rows = [["step", "advice", "before", "after", "gain (95%)", "verdict", "epochs"]]
    rows += [[str(step["number"]), step["rule"], percent(step["before"]), percent(step["after"]),
              interval(step["evidence"]), step["verdict"], f"{step['epochs']:,}"] for step in steps]  # fmt: skip
    return columns(rows, right=(0, 2, 3, 6))


def interval(evidence: Evidence | None) -> str:
    """`+2.1 (1.0 to 3.2)`, in points; a dash where it was not measured."""
    if evidence is None:
        return "–"
    if evidence["low"] is None or evidence["high"] is None:
        return points(evidence["gain"])
    return f"{points(evidence['gain'])} ({points(evidence['low'])} to {points(evidence['high'])})"


def ending_lines(ending: Ending, final: Final, reads: int) -> list[str]:
    """How it ended: from where to where, by which settings, whether it holds elsewhere, what the test set says."""
    start, end = ending["start"], ending["end"]
    steps = f"{ending['adopted']} of {counted(ending['tried'], 'step')} adopted"
    spent = f"{counted(ending['runs'], 'run')}, {counted(ending['epochs'], 'epoch')}"
    took = f"{spent}, {duration(ending['seconds'])} of training"
    lines = [*wrapped(ending["told"], "end      "), f"steps    {steps}; {took}"]
    lines += [
        f"dev      {_spread(start)} → {_spread(end)}, mean and deviation of {counted(len(end['trials']), 'seed')}"
    ]
    lines += wrapped(settings_told(end["settings"]), "changes  ")
    if again := ending["again"]:
        lines += wrapped(
            f"the last change on another split (split_seed {again['split_seed']}): {again['told']}", "again    "
        )
    if ending["chosen"] is not None:
        networks = len(end["trials"])
        whose = "the best seed" if alone(ending) else f"the best setting anew, as an ensemble of {networks}"
        lines += _test(final, reads, whose)
    return lines


def settings_told(settings: Settings) -> str:
    """`optimizer.learning_rate=0.003, network.hidden=[64]`."""
    return ", ".join(f"{key}={one_line(_from_json(key, value))}" for key, value in settings.items()) or "none"


def _from_json(key: str, value: Any) -> Any:
    """A value as it is set: JSON has the epochs of changes as text."""
    return {int(epoch): held for epoch, held in value.items()} if key == dotted(CHANGES) else value


def alone(ending: Ending) -> bool:
    """Whether best/ holds one seed: of folds, or where the ensemble did not end well."""
    return ending["chosen"] == ending["best_trial"]


def _test(final: Final, reads: int, whose: str) -> list[str]:
    known = {part: final.get(f"{part}_error") for part in ("train", "dev", "test")}
    errors = ", ".join(f"{part} {percent(error)}" for part, error in known.items() if error is not None)
    read = f"; test was read {times(reads)}" if reads else ""
    return [f"best     {errors}: {whose}{read}"]


def asked_told(asked: Asked) -> str:
    """The words that were asked for, for a page's heading."""
    return f"{counted(asked['seeds'], 'seed')} a setting, within {Budget.of(asked['budget']).told}"
