"""A run told in plain lines: what the console shows without a terminal, and what log.txt keeps."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from nnrun.installation import as_options, called, command, typed_here
from nnrun.runs.lineage import Change, nudges, watched
from nnrun.runs.members import beside_members, diverged_line, folds_in, folds_table, gathered_line, is_gathered
from nnrun.runs.records import (
    ENDED,
    HELD,
    DataSizes,
    Event,
    Final,
    FoundSymptom,
    Parent,
    Row,
    RunRecord,
    RunStatus,
    numbers,
)
from nnrun.runs.shape import network_shape
from nnrun.runs.stored import ended_with_rung
from nnrun.runs.verdict import RULES, SURE, error_name, metric_title, of_run, r2_error
from nnrun.text import (
    PARTS,
    columns,
    counted,
    duration,
    metric_name,
    metric_value,
    number,
    part_and_name,
    percent,
    points,
    set_name,
    source_name,
    wrapped,
)

if TYPE_CHECKING:
    from nnrun.config.config import Config
    from nnrun.config.schema import Diagnosis


@dataclass(frozen=True)
class Beginning:
    """What is known when training begins: rows of each part, units at both ends, parameters, the epoch before."""

    rows: Mapping[str, int]
    features: int
    classes: Sequence[str] | None  # None for a regression
    outputs: int
    parameters: int
    batch_size: int
    epoch: int
    notices: Sequence[str]
    error_kind: str = ""  # as in `verdict.error_kind`
    fold: str = ""  # `fold 2 of 5` where the rows are one of several folds


def heading(name: str, config: Config, beginning: Beginning) -> list[str]:
    """What is trained on what."""
    kind = beginning.error_kind
    task = f"{len(beginning.classes)} classes" if beginning.classes else "regression"
    if kind or not beginning.classes:
        error = "error" if beginning.classes else r2_error(config.data.target_transform == "log")
        task += f" (error = {metric_name(error, kind)})"
    optimizer, network = config.optimizer, config.network
    widths = [beginning.features, *network.hidden, beginning.outputs]
    schedule = optimizer.schedule.name
    last_seed = config.seed + network.ensemble - 1
    how = [
        f"{optimizer.name} {optimizer.learning_rate:g}" + ("" if schedule == "constant" else f" ({schedule})"),
        f"batch {beginning.batch_size}",
        counted(config.training.epochs, "epoch"),
        f"seed {config.seed}" if network.ensemble == 1 else f"seeds {config.seed} to {last_seed}",
    ]
    if average := config.training.average:
        how += [f"judged by averages ({way} {value:g})" for way, value in average.model_dump().items()]
    layers = f" ({network.activation}{', batch norm' if network.batch_norm else ''})" if network.hidden else ""
    source = config.data.source if isinstance(config.data.source, str) else dict(config.data.source)
    return [
        f"run      {name}",
        f"data     {source_name(source)}: {rows_of(beginning)}; {beginning.features} features, {task}",
        f"network  {network_shape(widths, network.ensemble, network.members)}{layers}, "
        f"{beginning.parameters:,} parameters" + (" each" if network.ensemble > 1 else ""),
        f"training {', '.join(how)}",
        *(line for notice in beginning.notices for line in wrapped(notice, "note     ")),
    ]


def rows_of(beginning: Beginning) -> str:
    """How many rows each part has, and of which fold if they are one."""
    rows = ", ".join(f"{count:,} {set_name(part)}" for part, count in beginning.rows.items())
    return f"{rows} ({beginning.fold})" if beginning.fold else rows


def shown_metrics(primary: str) -> list[str]:
    """The metrics that are told of each epoch: the primary one stands beside error and loss if it is neither."""
    return list(dict.fromkeys(["error", "loss", primary]))


def epoch_line(row: Row, epochs: int, primary: str, kind: str) -> str:
    """One epoch, its columns under those of the epoch before; `kind` as in `error_kind`, as a log is read by line."""
    width = len(str(epochs))
    parts = " ".join(_told_of(part, row, shown_metrics(primary)) for part in ("train", "dev"))
    scale = f"{kind}: " if kind else ""
    epoch = f"epoch {row['epoch']:>{width}}/{epochs}  {scale}cost {number(row['cost']):<9}"
    return f"{epoch} {parts} rate {row['learning_rate']:.3g}"


def _told_of(part: str, row: Row, names: Sequence[str]) -> str:
    error, *others = (metric_value(numbers(row).get(f"{part}_{name}"), name) for name in names)
    told = [f"{name} {value:<9}" for name, value in zip(names[1:], others, strict=True)]
    return " ".join([f"{part} {error:>6}", *told])


def epoch_table(rows: Iterable[Row], primary: str) -> list[list[str]]:
    """The epochs as rows of cells under their titles."""
    shown: list[tuple[str, Callable[[Row], str]]] = [
        ("epoch", lambda row: str(row["epoch"])),
        ("cost", lambda row: number(row["cost"])),
        *(_metric_column(part, name) for part in ("train", "dev") for name in shown_metrics(primary)),
        ("rate", lambda row: f"{row['learning_rate']:.3g}"),
    ]
    return [[title for title, _ in shown], *([cell(row) for _, cell in shown] for row in rows)]


def _metric_column(part: str, name: str) -> tuple[str, Callable[[Row], str]]:
    title = f"{part} {name.replace('_', ' ')}"
    return title, lambda row: metric_value(numbers(row).get(f"{part}_{name}"), name)


def ending(record: RunRecord, status: RunStatus, config: Config | None = None) -> str:
    """How the run ended, in a line; what ended a trial early is known by its config."""
    if is_gathered(record):
        return gathered_line(record)
    where = record.get("divergence")
    if status == "diverged" and where:
        return diverged_line(where, record["epochs"])
    why = f": {record['error']}" if status == "failed" and record.get("error") else ""
    early = "its rung ended" if config and ended_with_rung(record, config) else "pruned"
    how = early if record.get("pruned") else "stopped early" if record.get("stopped_early") else status
    epochs, folds = record.get("epochs", 0), folds_in(record)
    mean = "mean " if folds else ""
    best = f", {mean}best epoch {record['best_epoch']}" if record.get("best_epoch") else ""
    trained = (f"{counted(len(folds), 'fold')} of up to " if folds else "") + f"{epochs} epoch{'s' * (epochs != 1)}"
    return f"{how} after {trained} in {duration(record.get('seconds', 0.0))}{best}{why}"


def folds_so_far(record: RunRecord, config: Config) -> str:
    """Which folds the rows of a run that is not over are those of: `1 of 4 folds`; empty of any other."""
    if not config.data.in_folds or record["status"] in ENDED or "members" not in record:
        return ""
    over = len(folds_in(record))
    return f"{over} of {config.data.folds} folds" if over else f"fold 1 of {config.data.folds}"


def result_table(final: Final, data: DataSizes) -> list[str]:
    """Errors and losses of the best parameters, a column a part, and the cost."""
    table = [*metric_rows(final, data), ["cost", number(final["cost"])]]
    first = max(9, *(len(row[0]) + 1 for row in table))
    width = max(9, *(len(cell) + 2 for row in table for cell in row[1:]))
    return [f"{row[0]:<{first}}" + "".join(f"{cell:>{width}}" for cell in row[1:]) for row in table]


def metric_rows(final: Final, data: DataSizes) -> list[list[str]]:
    """A row a metric, a column a part; first the names of the parts."""
    parts = [part for part in PARTS if f"{part}_error" in final]
    rows = [["", *map(set_name, parts)]]
    for name in _measured(final):
        cells = (metric_value(final.get(f"{part}_{name}"), name) for part in parts)
        rows.append([metric_title(name, final, data), *cells])
    return rows


def _measured(final: Final) -> list[str]:
    """The metrics of its parts, errors first."""
    known = [name for part, name in map(part_and_name, final) if part in PARTS and name != SURE]
    return list(dict.fromkeys([*(name for name in ("error", "plain_error", "rmse", "loss") if name in known), *known]))


def gaps(final: Final, data: DataSizes, section: Diagnosis) -> list[str]:
    """The differences that matter, each with its judgement; nothing where an error is not known."""
    verdict = of_run(final, data, section)
    found = verdict.gaps if verdict else {}
    below = {"avoidable_bias": f"base ({percent(section.base_error)})", "variance": "train", "mismatch": "train-dev"}
    known = [(RULES[kind].word, start, found[kind]) for kind, start in below.items() if kind in found]
    rows = [
        [word, f"{set_name(g.end)} − {start}", f"{points(g.value)} points", g.judgement] for word, start, g in known
    ]
    return columns(rows, right=(2,)) if rows else []


def summary(
    record: RunRecord, config: Config, status: RunStatus, events: Iterable[Event] = (), path: Path | None = None
) -> list[str]:
    """What a run came to; its events tell whether somebody changed it while watching.

    Of one that goes on and lies at `path` how it stands, with commands as a shell has them.
    """
    lines = [ending(record, status, config)]
    final = record.get("final")
    if final:
        table = result_table(final, record["data"])
        lines += [
            "",
            *table,
            *beside_members(record),
            *folds_table(record),
            *filter(None, [watched(nudges(events))]),
            "",
            *gaps(final, record["data"], config.diagnosis),
        ]
        if "near_zero_weights" in final:
            share = percent(final["near_zero_weights"])
            lines.append(f"weights near zero (below 1% of their layer's largest): {share}")
        if config.data.without_dev:
            lines.append("no dev set: all rows train, and the train error says nothing of others")
        elif "test_error" not in final:
            lines.append("no test set: the dev error is not unbiased, since the best epoch was chosen by it")
    trains = called(path) if path and status in HELD else None
    return [*lines, *symptoms(record.get("symptoms") or [], trains, typed_here)]


def brief(record: RunRecord, status: RunStatus, events: Iterable[Event] = ()) -> list[str]:
    """The ending and the errors alone."""
    final = record.get("final")
    if not final:
        return [ending(record, status)]
    known = [part for part in PARTS if f"{part}_error" in final]
    errors = ", ".join(f"{set_name(part)} {percent(final[f'{part}_error'])}" for part in known)
    name = error_name(final, record["data"])
    return [ending(record, status), f"{name:<8} {', '.join(filter(None, [errors, watched(nudges(events))]))}"]


def made_on_the_way(changes: Sequence[Change], parent: Parent | None) -> list[str]:
    """The settings that got other values after training had begun, those of one request under each other."""
    lines = ["", "changes"] if changes else []
    left = parent["epoch"] if parent else None
    for _, together in groupby(changes, key=lambda change: change.step):
        first, *others = together
        lines += wrapped(f"from epoch {first.epoch}, {', '.join(_how(first, left))}", "  ")
        lines += [line for each in (first, *others) for line in wrapped(f"{each.key} {each.values}", "    ")]
        lines += wrapped(f"note: {first.note}", "    ") if first.note else []
    return lines


def _how(change: Change, left: int | None) -> Iterator[str]:
    """Before or when the run left its parent, if it was then; at what time, and by whom."""
    if left is not None and change.epoch <= left + 1:
        yield "when it left its parent" if change.epoch > left else "by its parent"
    yield f"{change.time[:10]} {change.time[11:19]}"
    if change.host:
        yield f"from process {change.process} on {change.host}" if change.process else f"from {change.host}"


def symptoms(found: Sequence[FoundSymptom], run: str | None = None, typed: Callable[[str], str] = str) -> list[str]:
    """What goes or went wrong in training, each with the change that may help."""
    lines = (line for symptom in found for line in symptom_lines(symptom, run, typed))
    return ["", *lines] if found else []


def symptom_lines(symptom: FoundSymptom, run: str | None, typed: Callable[[str], str] = str) -> list[str]:
    """What is wrong, and what to try: of a run that trains the command if there is one, `typed` as a shell has it."""
    said = f"symptom  {symptom_told(symptom)}"
    if run is not None and symptom.get("nudge"):
        return [said, f"         {typed(command('nudge', run, *as_options(symptom['nudge'])))}"]
    anew = "" if run is None else " in a new run"
    return [said, f"         try {shlex.join(as_options(symptom['cure']))}{anew}"]


def symptom_told(symptom: FoundSymptom) -> str:
    """What is wrong, where and since when."""
    where = f" in {symptom['layer']}" if symptom["layer"] else ""
    return f"{symptom['name'].replace('_', ' ')}{where}, epoch {symptom['epoch']}: {symptom['why']}"


def next_line(command: str) -> str:
    """What to type next, as a shell runs it here."""
    return f"next     {typed_here(command)}"


def changes(config: Config) -> list[str]:
    """The settings that differ from the defaults."""
    from nnrun.config.config import changed
    from nnrun.config.dump import one_line

    differing = (f"{key}: {one_line(value)}" for key, (value, _) in changed(config.resolved()).items())
    return [line for each in differing for line in wrapped(each, "  ")] or ["  nothing"]
