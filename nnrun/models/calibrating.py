"""Calibrate a run: fit the temperature of its classes on dev, and score the rows by which intervals are made."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple, TypedDict

import numpy as np

from nnrun.data.groups import joined_rows, numbered
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import Loss
from nnrun.engine.metrics import Task, calibration_error
from nnrun.engine.parameters import Array
from nnrun.engine.sampling import sampled, sampled_in_groups
from nnrun.errors import DataError, UsageError
from nnrun.files import refuse_closed
from nnrun.models.calibration import Calibration, identity, place
from nnrun.models.model import Model
from nnrun.models.reads import count_read, why_not
from nnrun.models.temperature import NONE, log_loss, told_temperature
from nnrun.models.trained import Trained, trained
from nnrun.runs.assembly import examples
from nnrun.runs.judge import in_own_unit
from nnrun.runs.known_rows import told_known
from nnrun.runs.records import ScoresRecord

MOST_SCORED = 10_000  # rows, of which an interval's coverage is known to a third of a point


class Sureness(TypedDict):
    """How well probabilities fit: the log loss, and the expected calibration error."""

    loss: float
    calibration_error: float


class PartSureness(TypedDict):
    """Of a part's rows, without a temperature and with it."""

    rows: int
    before: Sureness
    after: Sureness


class CalibrationDocument(TypedDict):
    """What `evaluate --calibrate --json` prints; `parts` is empty and the temperature null for numbers."""

    schema_version: int
    run: str
    path: str
    task: Task
    temperature: float | None
    parts: dict[str, PartSureness]
    scored_part: str | None
    scored_rows: int
    test_reads: int | None
    notes: list[str]


@dataclass
class Calibrated:
    """What came of it, with the model as it is from now on."""

    model: Model
    parts: dict[str, PartSureness] = field(default_factory=dict)
    test_reads: int | None = None  # until now, where this was one
    notes: list[str] = field(default_factory=list)

    @property
    def scores(self) -> ScoresRecord | None:
        """By which intervals are made; None where no rows may be scored."""
        return self.model.calibration.scores if self.model.calibration else None

    @property
    def document(self) -> CalibrationDocument:
        """What `--json` prints."""
        return {
            "schema_version": 1,
            "run": self.model.run.name,
            "path": str(self.model.run.path),
            "task": self.model.target.task,
            "temperature": None if self.model.target.classes is None else self.model.temperature,
            "parts": self.parts,
            "scored_part": self.scores["part"] if self.scores else None,
            "scored_rows": len(self.scores["values"]) if self.scores else 0,
            "test_reads": self.test_reads,
            "notes": self.notes,
        }


@np.errstate(all="ignore")  # a prediction may be no number
def calibrate(model: Model) -> Calibrated:
    """Find how sure a model may be by rows that it has not learned, and keep it in its run.

    The temperature of classes is fitted on dev, from the pool as it is without one. Test rows, which chose nothing, are
    scored for intervals; dev rows where there is no test part. Raises DataError where the run's data is gone or has
    changed, UsageError while the run is training, where it has learned all rows, or may not be written to.
    """
    refuse_closed(model.run.path)
    run = trained(model.run)
    found, reads = Calibrated(model, notes=told_known(model.run)), _Reading.of(run)
    if reads.refused:
        found.notes.append(f"the test part is not read: {reads.refused}")
    if model.target.classes is not None:
        _require_unlearned(run, "dev")
        found.model = _tempered(found, run, ["dev", "test"] if reads.test else ["dev"])
    scores = None if reads.refused else _scores(found.model, reads.part, _calibrating(run, reads.part))
    _keep(found, _calibration(found.model, scores), reads)
    return found


@np.errstate(all="ignore")
def with_scores(model: Model, level: Fraction) -> Calibrated:
    """The model with scores of its run's rows, which are those that are kept where there are any.

    Else rows are scored, at the temperature that the model has. Raises as `calibrate` does, and UsageError for what may
    not read its test part, or has too few rows for the level, before any is read.
    """
    found = Calibrated(model)
    if found.scores:
        return found
    try:
        run = trained(model.run)
    except DataError as error:
        raise DataError(f"{error}; its rows calibrate --interval, and none have been scored yet") from None
    reads = _Reading.of(run)
    if reads.refused:
        raise UsageError(f"--interval takes rows of the test part to calibrate it, which is not read: {reads.refused}")
    rows = _calibrating(run, reads.part)
    groups = _groups(rows)
    count = None if groups is None else len(np.unique(groups))
    place(level, reads.part, sum(len(each.measured) for each in rows), count)
    calibration = _calibration(model, _scores(model, reads.part, rows))
    with suppress(OSError, UsageError):  # a directory that cannot be written to has them scored again the next time
        _keep(found, calibration, reads)
    return found


def _require_unlearned(run: Trained, part: str) -> None:
    """UsageError where the network has learned the rows of a part, of which it is surer than of new ones."""
    if part == "dev" and run.knows_dev:
        raise UsageError(
            f"{run.run.name} has no rows to calibrate it by: it was trained on all of them (data.fold: all); "
            "a run of folds with --refit is calibrated by its folds"
        )


class _Reading(NamedTuple):
    """Whether a run's test part is read, and why it is not where there is one that must not be."""

    test: bool
    refused: str | None

    @property
    def part(self) -> str:
        """Whose rows calibrate intervals."""
        return "test" if self.test else "dev"

    @classmethod
    def of(cls, run: Trained) -> _Reading:
        refused = why_not(run.run) if "test" in run.dataset.parts else None
        return cls("test" in run.dataset.parts and not refused, refused)


def _calibration(model: Model, scores: ScoresRecord | None) -> Calibration:
    """At the temperature that the model has."""
    return Calibration(identity(model.members, model.shares), model.temperature, scores)


def _keep(found: Calibrated, calibration: Calibration, reads: _Reading) -> None:
    """The model has it from now on; write it into the run, once the read is counted that it took."""
    directory, found.model = found.model.run.directory, replace(found.model, calibration=calibration)
    if reads.test:
        found.test_reads = count_read(directory)
    calibration.keep(directory)


# the temperature


@dataclass(frozen=True)
class _Raw:
    """Of the rows of a part the pooled logits without a temperature `(rows, width)`, classes and weights `(rows,)`."""

    loss: Loss
    logits: Array
    y: Array
    weights: Array | None

    def sureness(self, temperature: float) -> Sureness:
        logits = self.logits / temperature
        return {
            "loss": log_loss(self.loss, logits, self.y, self.weights),
            "calibration_error": calibration_error(self.y, self.loss.predict(logits), self.weights),
        }


def _raw(run: Trained, part: str) -> _Raw:
    logits, y = [], []
    for piece in run.pieces(part):
        model, measured = replace(piece.model, temperature=NONE), examples(piece.dataset, part)
        logits += [chunk.astype(np.float64) for _, chunk in model.logits(measured.x)]
        y.append(measured.y)
    return _Raw(run.model.loss, np.concatenate(logits), np.concatenate(y), run.weights(part))


def _tempered(found: Calibrated, run: Trained, parts: Sequence[str]) -> Model:
    """The model with the temperature that dev asks for; notes what it does to each part."""
    raw = {part: _raw(run, part) for part in parts}
    dev = raw["dev"]
    temperature, notes = told_temperature(dev.loss, dev.logits, dev.y, dev.weights, run.alike("dev"))
    found.notes += notes
    for part, of in raw.items():
        found.parts[part] = {"rows": len(of.y), "before": of.sureness(NONE), "after": of.sureness(temperature)}
    if run.folds:
        found.notes.append("fitted on the dev rows of each fold as its own network predicts them")
    return replace(found.model, temperature=temperature)


# the scores


class _Rows(NamedTuple):
    """Some of a part, whose model predicts them, and their groups `(rows,)` where they come in such."""

    piece: Trained
    measured: Examples
    groups: Array | None


Scored = list[_Rows]


def _groups(rows: Scored) -> Array | None:
    return joined_rows(each.groups for each in rows)


def _calibrating(run: Trained, part: str) -> Scored:
    """The rows that calibrate intervals."""
    _require_unlearned(run, part)
    pieces = run.pieces(part)
    return [_rows(piece, part, MOST_SCORED // len(pieces)) for piece in pieces]


def _rows(piece: Trained, part: str, most: int) -> _Rows:
    measured, groups = examples(piece.dataset, part), piece.dataset.parts[part].groups
    some = sampled(len(measured), most) if groups is None else sampled_in_groups(groups, most)
    return _Rows(piece, measured.take(some), None if groups is None else groups[some])


def _scores(model: Model, part: str, rows: Scored) -> ScoresRecord:
    """The scores of the rows at the model's temperature."""
    values, groups = np.concatenate([_how_far(model, each.piece, each.measured) for each in rows]), _groups(rows)
    order = np.argsort(values, kind="stable")
    found: ScoresRecord = {"part": part, "out_of_fold": len(rows) > 1, "values": values[order].tolist()}
    if groups is not None:
        found["groups"] = numbered(groups)[order].tolist()
    return found


def _how_far(model: Model, piece: Trained, measured: Examples) -> Array:
    """How far off each row is: |error| in the target's unit, or of its logarithm where that was learned.

    Of classes what the true class lacks of being certain. What is predicted as no number is as far off as can be.
    """
    said = replace(piece.model, temperature=model.temperature).predict_features(measured.x)
    if model.target.classes is not None:
        lacks: Array = 1 - said[np.arange(len(said)), measured.y]
        return np.nan_to_num(lacks, nan=1.0)
    true = in_own_unit(piece.dataset, measured.y)[:, 0]
    apart: Array = np.abs(model.target.as_learned(true) - model.target.as_learned(said))
    return np.nan_to_num(apart, nan=sys.float_info.max)
