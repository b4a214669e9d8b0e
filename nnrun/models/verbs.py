"""Evaluate a run: on the parts of its own data, or on a file.

The test part is worth something as long as few look at it, so its reads are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import NotRequired, Protocol, TypedDict

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.data.facts.survey import check_target
from nnrun.data.features.weights import error_kind, part_weights, read_weights, weight_notices
from nnrun.data.files.table import Table, require_column
from nnrun.engine.metrics import Task
from nnrun.engine.parameters import Array
from nnrun.errors import DataError
from nnrun.models.baselines import Linear, constant, linear
from nnrun.models.model import Model, trained
from nnrun.models.rows import probability_notices, read_rows, require_features, rows_at_once, with_target
from nnrun.models.scores import ClassScores, Scores, by_class
from nnrun.runs.assembly import examples
from nnrun.runs.finding import search_of
from nnrun.runs.recording import weights_of
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import HELD, StoredRun

NETWORK = "network"
FILE = "data"  # in place of a part
TEST_READ_BY = ("done", "interrupted", "diverged", "evaluated")  # events of a run that read its test part
PLAIN = "plain_"  # before the name of a metric in which every row counts once


class Predictor(Protocol):
    """The network or a baseline."""

    def logits(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(rows, width)`) chunk by chunk."""


Metrics = dict[str, dict[str, float]]  # by predictor, then by metric


class PartScores(TypedDict):
    """Rows of a part, and each metric of each predictor on them; `plain` where rows do not count alike in `metrics`."""

    rows: int
    metrics: Metrics
    plain: NotRequired[Metrics]


class EvaluationDocument(TypedDict):
    """What `--json` prints; metrics, classes and the confusion matrix, true classes in rows, are by part."""

    schema_version: int
    run: str
    path: str
    data: str | None
    task: Task
    parts: dict[str, PartScores]
    classes: dict[str, list[ClassScores]]
    confusion: dict[str, list[list[int]]]
    linear_rows: int | None
    test_reads: int | None
    notes: list[str]


@dataclass
class Evaluation:
    """Every metric of the network and the baselines on each part, and what else is told of them."""

    model: Model
    source: str | None  # the file, if it is not the run's own data
    rows: dict[str, int] = field(default_factory=dict)
    results: dict[str, Metrics] = field(default_factory=dict)  # by part, by the weights of training
    plain: dict[str, Metrics] = field(default_factory=dict)  # by part, every row counting once; empty if it does anyway
    counts: dict[str, Array] = field(default_factory=dict)  # part -> the network's confusion matrix
    linear_rows: int | None = None  # of training, behind the linear baseline
    test_reads: int | None = None
    notes: list[str] = field(default_factory=list)

    def value(self, name: str) -> float | None:
        """The network's metric by a name such as dev_auc or dev_plain_error; None if there is no such."""
        part, _, metric = name.partition("_")
        plain = self.plain if metric.startswith(PLAIN) and self.plain else self.results
        return plain.get(part, {}).get(NETWORK, {}).get(metric.removeprefix(PLAIN))

    def values(self) -> list[str]:
        """The names of those that there are."""
        found = [f"{part}_{metric}" for part, of in self.results.items() for metric in of[NETWORK]]
        return [*found, *(f"{part}_{PLAIN}{metric}" for part, of in self.plain.items() for metric in of[NETWORK])]

    @property
    def error_kind(self) -> str:
        """What stands before the names of `results`; empty where rows count alike."""
        written = self.model.fitted.weights
        return (error_kind(written["column"], written["classes"]) or "") if written else ""

    @property
    def document(self) -> EvaluationDocument:
        """What `--json` prints."""
        return {
            "schema_version": 1,
            "run": self.model.run.name,
            "path": str(self.model.run.path),
            "data": self.source,
            "task": self.model.target.task,
            "parts": {part: self._of_part(part) for part in self.results},
            "classes": {part: self._by_class(counts) for part, counts in self.counts.items()},
            "confusion": {part: counts.tolist() for part, counts in self.counts.items()},
            "linear_rows": self.linear_rows,
            "test_reads": self.test_reads,
            "notes": self.notes,
        }

    def _of_part(self, part: str) -> PartScores:
        found: PartScores = {"rows": self.rows[part], "metrics": self.results[part]}
        return found | {"plain": self.plain[part]} if self.plain else found

    def _by_class(self, counts: Array) -> list[ClassScores]:
        return list(by_class(counts, self.model.target.classes or ()))

    def enter(self, part: str, scores: Mapping[str, Scores], plain: Mapping[str, Scores]) -> None:
        """What each predictor came to on a part, by the weights of training and with every row counting once."""
        self.results[part] = {name: of.metrics() for name, of in scores.items()}
        if plain:
            self.plain[part] = {name: of.metrics() for name, of in plain.items()}
        self.rows[part] = scores[NETWORK].rows
        if self.model.target.classes is not None:
            self.counts[part] = scores[NETWORK].counts()


def evaluate(model: Model, data: str | None = None) -> Evaluation:
    """A run by its best epoch: on its own parts, or on the rows of a file.

    Raises DataError where the run's data is gone or has changed, where a file cannot be read, lacks a column, or has a
    class that the run does not know.
    """
    found = Evaluation(model, data)
    if weighed := weight_notices(model.fitted.weights):
        found.notes.append(f"{'; '.join(weighed)}; of each class rows are counted")
    found.notes += probability_notices(model)
    if data is None:
        _on_own_parts(found, trained(model.run).dataset)
    else:
        _on_file(found, data)
    return found


def _on_own_parts(found: Evaluation, dataset: Dataset) -> None:
    predictors = _predictors(found, dataset)
    reason = why_not(found.model.run)
    for part in dataset.parts:
        if part == "test" and reason:
            found.notes.append(f"the test part is not read: {reason}")
            continue
        measured = examples(dataset, part)
        scores, plain = _scores(found, predictors, weights_of(measured)), _plain_scores(found, predictors)
        for name, predictor in predictors.items():
            for of in (scores, plain):
                if name in of:
                    of[name].add_all(predictor.logits(measured.x), measured.y)
        found.enter(part, scores, plain)
    if "test" in found.results:
        found.test_reads = count_read(found.model.run.directory)


def _on_file(found: Evaluation, data: str) -> None:
    try:
        predictors = _predictors(found, trained(found.model.run).dataset)
    except DataError as error:
        predictors = {NETWORK: found.model}
        found.notes.append(f"there is nothing to fit baselines on ({error})")
    scores, plain, weighing = _scores(found, predictors), _plain_scores(found, predictors), _Weighing(found.model)
    with closing(read_rows(data, rows_at_once(found.model), found.model.fitted.reading)) as tables:
        for table in with_target(found.model, tables, found.notes):
            x, y = _prepared(found.model, table)
            weighing.add(table, y)
            for name, predictor in predictors.items():
                for of in (scores, plain):
                    if name in of:
                        of[name].add_all(predictor.logits(x), y)
    for weighted in scores.values():
        weighted.weights = weighing.weights()
    found.notes += weighing.notes()
    found.enter(FILE, scores, plain)


class _Weighing:
    """The weights that the rows of a file have by the rules of the run, once all of them are known."""

    def __init__(self, model: Model) -> None:
        self.target, self.written = model.target, model.fitted.weights
        self.column = self.written["column"] if self.written else None
        self._y: list[Array] = []
        self._column: list[Array] = []
        self._lacking = False

    def add(self, table: Table, y: Array) -> None:
        """Rows of a table."""
        self._y.append(y)
        if self.column and self.column in table:
            self._column.append(read_weights(table, self.column))
        self._lacking = bool(self.column) and not self._column

    def weights(self) -> Array | None:
        """One a row, with a mean of 1; None where every row counts alike."""
        column = np.concatenate(self._column) if self._column else None
        return part_weights(self.written, FILE, np.concatenate(self._y), self.target.classes, column)

    def notes(self) -> list[str]:
        """What is to be told where the file has no weights although the run had them."""
        return [f"there is no column {self.column!r}, so rows are not weighed by it"] if self._lacking else []


def _prepared(model: Model, table: Table) -> tuple[Array, Array]:
    """Features and targets of raw rows; raises DataError at the first cell that does not fit."""
    require_features(model, table)
    require_column(table, model.target.name, "target")
    check_target(table, model.target.name)
    return model.features(table), model.target.encode(table, model.config.training.dtype)


def _predictors(found: Evaluation, dataset: Dataset) -> dict[str, Predictor]:
    train, loss = examples(dataset, "train"), found.model.loss
    classes = len(dataset.classes) if dataset.classes else None
    fitted: Linear = linear(train, loss, classes)
    found.linear_rows = fitted.rows
    return {NETWORK: found.model, "constant": constant(train, loss, classes), "linear": fitted}


def _scores(found: Evaluation, predictors: Mapping[str, Predictor], weights: Array | None = None) -> dict[str, Scores]:
    return {name: Scores(found.model.loss, found.model.target, weights=weights) for name in predictors}


def _plain_scores(found: Evaluation, predictors: Mapping[str, Predictor]) -> dict[str, Scores]:
    """Those in which every row counts once, of the probabilities that are given out; empty where it does anyway."""
    if not found.error_kind:
        return {}
    model = found.model
    return {name: Scores(model.loss, model.target, model.shift) for name in predictors}


def why_not(run: StoredRun) -> str | None:
    """Why the test part of this run is left alone, if it is."""
    search = search_of(run.directory)
    if search and run.path.resolve() != search.path / "best":
        return "the trials of a search are compared on dev, and test is read for the best of them alone"
    if run.status in HELD:
        return "the run is still training, and reads its test part when it ends"
    return None


def count_read(run: RunDir) -> int:
    """Note in the run that its test part is being read; how often that has happened now.

    A directory that cannot be written to keeps its old count.
    """
    reads = _reads(run) + 1
    with suppress(OSError), run.locked():
        reads = _reads(run) + 1  # another process may have read it since
        _enter(run, reads)
    return reads


def _reads(run: RunDir) -> int:
    """Until now; of a search's best run, those of the search."""
    chosen = run.read_record().get("chosen")
    if chosen and search_of(run):
        return int(chosen["test_reads"])
    return sum(event["event"] in TEST_READ_BY for event in run.events())


def _enter(run: RunDir, reads: int) -> None:
    chosen, search = run.read_record().get("chosen"), search_of(run)
    if chosen and search:
        run.update_record(chosen=chosen | {"test_reads": reads})
        search.update_record(test_reads=reads)
    else:
        run.event("evaluated", epoch=run.read_record().get("best_epoch"))
        run.update_record(written=run.written())
