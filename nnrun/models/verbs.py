"""Evaluate a run: on the parts of its own data, or on a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.survey import TargetFacts, TimeFacts, check_target
from nnrun.data.facts.tallies import Coded
from nnrun.data.features.weights import WrittenWeights, part_weights, read_weights, weight_notices
from nnrun.data.files.table import Table
from nnrun.data.files.values import labels
from nnrun.data.fitted import Fitted
from nnrun.data.groups import joined_rows
from nnrun.engine.parameters import Array
from nnrun.errors import DataError
from nnrun.models.baselines import boosted, constant, linear
from nnrun.models.beyond import of_part
from nnrun.models.drift.comparing import drift_of
from nnrun.models.evaluation import BOOSTING, FILE, NETWORK, Baseline, Evaluation, Predictor
from nnrun.models.incoming import IN_MEMORY
from nnrun.models.model import Model
from nnrun.models.noticed import Noticed
from nnrun.models.operating import read_costs
from nnrun.models.reads import count_read, why_not
from nnrun.models.rows import identifying, probability_notices, tables_of, with_target
from nnrun.models.scores import Scores
from nnrun.models.trained import Trained, trained
from nnrun.runs.assembly import examples
from nnrun.runs.finding import without_dev
from nnrun.runs.grouped import blocks
from nnrun.runs.judge import weights_of
from nnrun.runs.known_rows import told_known
from nnrun.text import listed

if TYPE_CHECKING:
    from nnrun.models.incoming import InMemory


@np.errstate(all="ignore")  # predictions that are beyond all numbers are noticed
def evaluate(
    model: Model,
    data: str | InMemory | None = None,
    boosting: bool = False,
    costs: Sequence[str] | None = None,
    drift_required: bool = False,
) -> Evaluation:
    """A run by its best epoch: on its own parts, or on other rows; `boosting` grows trees to compare it with.

    `costs` are texts CLASS=COST, by which the threshold between two classes is chosen. Raises UsageError for costs that
    make no sense, where with them or `boosting` the network has learned its dev rows, and where the drift of other rows
    is `drift_required` of a run that kept nothing to find it by; DataError where the run's data is gone or has changed,
    where a file cannot be read, lacks a column, or has a class that the run does not know.
    """
    known = read_costs(costs, model.target.classes) if costs else None
    found = Evaluation(
        model, data if data is None or isinstance(data, str) else IN_MEMORY, boosting=boosting, costs=known
    )
    found.notes += probability_notices(model)
    if data is None:
        _on_own_parts(found, trained(model.run))
    else:
        found.drift = drift_of(model, drift_required, target=True)
        _on_rows(found, data)
    if weighed := weight_notices(found.weighed_by):
        counting = ["of each class rows are counted"] if model.target.classes else []
        found.notes.insert(0, "; ".join([*weighed, *counting]))
    return found


def _on_own_parts(found: Evaluation, run: Trained) -> None:
    if found.boosting or found.costs:  # which are judged and chosen on dev
        run.require_dev()
    found.notes += told_known(found.model.run)
    reason = why_not(found.model.run)
    for part in run.dataset.parts:
        if part == "dev" and run.knows_dev:
            found.notes.append(without_dev(run.run.directory))
            continue
        if part == "test" and reason:
            found.notes.append(f"the test part is not read: {reason}")
            continue
        pieces = [_of_piece(found, piece, part) for piece in run.pieces(part)]
        if len(pieces) > 1:
            found.folds[part] = [scores[NETWORK].metrics() for scores, _ in pieces]
        of_rows = run.weights(part), run.alike(part)
        scores, plain = (_joined(same, *of_rows) for same in zip(*pieces, strict=True))
        found.enter(part, scores, plain)
        predicted = scores[NETWORK].latest(scores[NETWORK].rows)
        found.notes += of_part(part, found.model.target, predicted, run.place)
        found.rows[part] = round(found.rows[part] / run.times(part))
    if "test" in found.results:
        found.test_reads = count_read(found.model.run.directory)


ByPredictor = dict[str, Scores]


def _of_piece(found: Evaluation, piece: Trained, part: str) -> tuple[ByPredictor, ByPredictor]:
    """What each predictor came to on a part's rows, by the weights of training and with every row counting once."""
    measured, predictors = examples(piece.dataset, part), _predictors(found, piece, part)
    scores = _scores(piece.model, predictors, weights_of(measured))
    plain = _plain_scores(found, piece.model, predictors)
    for name, predictor in predictors.items():
        for of in (scores, plain):
            if name in of:
                of[name].add_all(predictor.logits(measured.x), measured.y)
    return scores, plain


def _joined(pieces: Sequence[ByPredictor], weights: Array | None, groups: Array | None) -> ByPredictor:
    """All rows of a part."""
    first, *others = pieces
    for name, scores in first.items():
        for other in others:
            scores.join(other[name])
        if scores.weights is not None:
            scores.weights = weights
        scores.groups = groups
    return first


def _on_rows(found: Evaluation, data: str | InMemory) -> None:
    try:
        predictors = _predictors(found, trained(found.model.run), FILE)
    except DataError as error:
        predictors = dict[str, Predictor]({NETWORK: found.model})
        found.notes.append(f"there is nothing to fit baselines on: {error}")
    name = data if isinstance(data, str) else IN_MEMORY
    model, counting = found.model, _Counting(found.model, name)
    noticed = Noticed(model)
    scores, plain = _scores(model, predictors), _plain_scores(found, model, predictors)
    with closing(tables_of(model, data, target=True)) as tables:
        for table in with_target(found.model, tables, found.notes):
            x, y = _prepared(found.model, table)
            if found.drift:
                found.drift.see(table)
            if not counting.rows:
                noticed.begin(table, {*identifying(model, table), *counting.columns})
            counting.add(table, y)
            for kind, predictor in predictors.items():
                for of in (scores, plain):
                    if kind in of:
                        of[kind].add_all(predictor.logits(x), y)
            noticed.see(table, scores[NETWORK].latest(len(table)))
    if not counting.rows:
        raise DataError(f"{name}: no rows with a target, so none to judge by")
    for counted in scores.values():
        counted.weights, counted.groups = counting.weights(), counting.groups()
    found.notes += [*noticed.reading, *counting.notes(found.boosting), *noticed.values]
    found.weighed_by = counting.written
    found.enter(FILE, scores, plain if found.error_kind else {})


class _Counting:
    """What the rows of a file weigh by the rules of the run, and their groups, once all of them are known."""

    def __init__(self, model: Model, source: str) -> None:
        self.target, self.source, self._written = model.target, source, model.fitted.weights
        self.column = self._written["column"] if self._written else None
        self.group, self.time = model.run.config.data.group, model.run.config.data.time
        self._y: list[Array] = []
        self._column: list[Array] = []
        self._groups = Coded()
        self._times: TimeFacts | None = None
        self._lacking = False

    def add(self, table: Table, y: Array) -> None:
        """Rows of a table."""
        self._y.append(y)
        if self.column and self.column in table:
            self._column.append(read_weights(table, self.column))
        if self.group and self.group in table:
            codes, different = labels(table.column(self.group)).factorize()
            self._groups.see(codes, different.tolist())
        if self.time and self.time in table:
            if self._times is None:
                target = TargetFacts(ColumnFacts(self.target.name), "regression")
                self._times = TimeFacts(ColumnFacts(self.time, splits=True), target)
            self._times.column.see(table)
            self._times.see(table)
        self._lacking = bool(self.column) and not self._column

    @property
    def columns(self) -> list[str]:
        """By which rows are weighed, grouped or ordered."""
        return [name for name in (self.column, self.group, self.time) if name]

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(map(len, self._y))

    @property
    def written(self) -> WrittenWeights | None:
        """By what rows are weighed: as in training, where the file has the column."""
        if self._written is None or not self._lacking:
            return self._written
        return {**self._written, "column": None} if self._written["classes"] else None

    def weights(self) -> Array | None:
        """One a row, with a mean of 1; None where every row counts alike. DataError where none counts."""
        y, column = np.concatenate(self._y), joined_rows(self._column)
        return part_weights(self.written, self.source, y, self.target.classes, column)

    def groups(self) -> Array | None:
        """A number for that of each row; None where the run knows none, or the file does not say.

        Of a run that was split by time blocks of rows in its order, or as they stand where the file does not tell it.
        """
        if self.time:
            times, _ = self._order()
            return blocks(np.arange(self.rows) if times is None else times)
        return self._groups.groups if self._groups.index else None

    def _order(self) -> tuple[Array | None, str]:
        """The time of each row, or None and why it is not known."""
        if self._times is None:
            return None, f"there is no column {self.time!r}"
        if self._times.column.is_mixed:
            return None, f"column {self.time!r} holds numbers and text"
        try:
            return self._times.times, ""
        except DataError as error:
            return None, str(error)

    def notes(self, by_blocks: bool) -> list[str]:
        """What is to be told where the file lacks weights that the run had, or times that blocks are made by."""
        lacking = [f"there is no column {self.column!r}, so rows are not weighed by it"] if self._lacking else []
        why = self._order()[1] if self.time and by_blocks else ""
        return [*lacking, *([f"{why}, so rows are taken to stand in the order of time"] if why else [])]


def _prepared(model: Model, table: Table) -> tuple[Array, Array]:
    """Features and targets of raw rows; raises DataError at the first cell that does not fit."""
    check_target(table, model.target.name)
    return model.features(table), model.target.encode(table, model.config.training.dtype)


def _predictors(found: Evaluation, run: Trained, part: str) -> dict[str, Predictor]:
    """The network of a run, and what it has to beat on a part, fitted on the run's training rows."""
    if run not in found.baselines:
        train, loss, known = examples(run.fullest, "train"), run.model.loss, run.fullest.fitted
        classes = len(known.classes) if known.classes else None
        names = listed([known.features[code.place] for code in known.embeddings])
        note = f"the linear model does without {names}, which the network learns an embedding of"
        if known.embeddings and note not in found.notes:  # folds have it in common
            found.notes.append(note)
        fitted = linear(train, loss, classes, known.numeric)
        baselines: dict[str, Baseline] = {"constant": constant(train, loss, classes), "linear": fitted}
        if found.boosting:
            baselines[BOOSTING] = boosted(train, loss, classes, known.preprocessor)
        if run.fullest is not run.dataset:  # rows of the whole have the features of all folds
            baselines = {name: _OfFold(one, known, run.model) for name, one in baselines.items()}
        found.baselines[run] = baselines
    for name, one in found.baselines[run].items():
        found.behind.setdefault(part, {}).setdefault(name, []).append(one.rows)
    return {NETWORK: run.model, **found.baselines[run]}


@dataclass(frozen=True, eq=False)
class _OfFold:
    """A baseline that one fold's training rows are behind, as it speaks of rows that the model of all folds takes."""

    own: Baseline
    fitted: Fitted
    model: Model

    @property
    def rows(self) -> int:
        """Of the fold."""
        return self.own.rows

    def logits(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(rows, width)`) chunk by chunk, in deviations of the model's target."""
        features, unit = x[:, self.model.places(self.fitted.preprocessor)], self.fitted.target
        return ((rows, unit.in_units_of(self.model.target, logits)) for rows, logits in self.own.logits(features))


def _scores(model: Model, predictors: Iterable[str], weights: Array | None = None) -> ByPredictor:
    return {name: Scores(model.loss, model.target, weights=weights) for name in predictors}


def _plain_scores(found: Evaluation, model: Model, predictors: Iterable[str]) -> ByPredictor:
    """Scores in which every row counts once, of the probabilities that are given out; empty where it does anyway."""
    if not found.error_kind:
        return {}
    return {name: Scores(model.loss, model.target, model.shift) for name in predictors}
