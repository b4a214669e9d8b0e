"""A run with the data that it was trained on: what its model does on their parts, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset, load_dataset, weights_together
from nnrun.data.files.table import joined
from nnrun.data.groups import joined_rows
from nnrun.data.raw import RawParts, place_of, read_parts
from nnrun.data.split import STORED
from nnrun.engine.evaluation import Examples
from nnrun.engine.losses import Loss
from nnrun.engine.parameters import Array
from nnrun.errors import DataError, UsageError
from nnrun.machine.lazily import cached_property
from nnrun.models.model import Model, best_of, load_model, side_by_side
from nnrun.runs.assembly import examples
from nnrun.runs.finding import search_of, without_dev
from nnrun.runs.grouped import blocks
from nnrun.runs.judge import weights_of
from nnrun.runs.member import trained_members
from nnrun.runs.members import FOLDS, has_members, read_ensemble, refitted
from nnrun.runs.stored import StoredRun


@dataclass(frozen=True, eq=False)
class Trained:
    """A run with what it was trained on.

    Of a cross-validation the folds are such too. Its data set is then that of what was trained on all rows, or else of
    the first fold that counts, with a test part as the model of all folds takes it.
    """

    run: StoredRun
    dataset: Dataset
    folds: tuple[Trained, ...] = ()
    temperature: float | None = None  # of a fold that of the whole, whatever it may have itself

    @property
    def config(self) -> Config:
        """What was trained."""
        return self.run.config

    @cached_property
    def model(self) -> Model:
        """The run's best network; UsageError where there is no checkpoint, DataError where it is broken."""
        model = load_model(self.run)
        return model if self.temperature is None else replace(model, temperature=self.temperature)

    @property
    def by_time(self) -> bool:
        """Whether each fold has learned from the rows before it alone, the last one from the most."""
        return bool(self.folds) and self.dataset.fitted.split["rule"] == "time"

    @property
    def knows_dev(self) -> bool:
        """Whether the network has learned its dev rows, as all rows train and no folds have held them."""
        return self.dataset.all_train and not self.folds

    def require_dev(self) -> None:
        """UsageError where the network has learned its dev rows, which then say nothing of new ones."""
        if self.knows_dev:
            raise UsageError(without_dev(self.run.directory))

    @property
    def apart(self) -> Dataset:
        """The data set with dev rows that are no training rows, of folds that of the first one, or by time of the last.

        Raises what `require_dev` raises.
        """
        self.require_dev()
        return self.folds[-1 if self.by_time else 0].dataset if self.folds else self.dataset

    @property
    def fullest(self) -> Dataset:
        """The data set whose training rows a simple model of the whole learns from.

        Of folds without a network of all rows that of one of them, as one is as large as the other, but by time.
        """
        return self.apart if self.folds and not self.dataset.all_train else self.dataset

    def pieces(self, part: str) -> Sequence[Trained]:
        """What has the rows of a part, each with the model that is measured on them.

        Of a cross-validation each fold its own, so that no row is predicted by a network that has learned it; its model
        as a whole has not learned the test part alone. Raises what `require_dev` raises where dev is asked for.
        """
        if part == "dev":
            self.require_dev()
        return self.folds if self.folds and part != "test" else [self]

    def raw(self) -> RawParts:
        """The rows of training and dev part, and perhaps test, as they stand in the source; see `read_parts`.

        Those of several pieces stand one after the other.
        """
        if not self.folds:
            return read_parts(self.config.data)
        return _one_after_the_other([read_parts(fold.config.data) for fold in self.folds])

    def place(self, part: str, row: int) -> str:
        """Where one of the rows of a part, those of all pieces one after the other, stands in the source."""
        for piece in self.pieces(part):
            rows = len(piece.dataset.parts[part].y)
            if row < rows:
                return place_of(piece.config.data, part, row)
            row -= rows
        raise IndexError(f"the {part} part has no such row")

    def weights(self, part: str) -> Array | None:
        """How much each row of a part counts `(rows,)`, with a mean of 1; None where every row counts alike.

        Those of several pieces are weighed as one part is, as each has weights with a mean of its own.
        """
        first, *others = [piece.dataset for piece in self.pieces(part)]
        if not others:
            return weights_of(examples(first, part))
        return weights_together([first, *others], part)

    def groups(self, part: str) -> Array | None:
        """The group of each row of a part `(rows,)`, the same in all pieces; None where rows come one by one."""
        return joined_rows(piece.dataset.parts[part].groups for piece in self.pieces(part))

    def alike(self, part: str) -> Array | None:
        """The groups of the rows of a part, or where time splits them blocks of neighbours, `(rows,)`; see `blocks`."""
        times = joined_rows(piece.dataset.parts[part].times for piece in self.pieces(part))
        return self.groups(part) if times is None else blocks(times)

    def times(self, part: str) -> float:
        """How often a row of a part is among those of all pieces, on average: one that trains, in all folds but one."""
        if not self.folds or part != "train":
            return 1.0
        sizes = [fold.dataset.sizes["rows"] for fold in self.folds]
        rows = max(size["train"] + (0 if self.by_time else size["dev"]) for size in sizes)  # the newest trains none
        return sum(size["train"] for size in sizes) / rows

    def mistakes(self, part: str) -> Array:
        """One number a row of a part, `(rows,)`, by the best parameters; their mean is the part's error.

        1 for a wrong class and 0 for a right one; of a regression the squared error as a share of the mean square
        that the target has around its mean. Where rows have weights, it is the weighted mean that is the part's error.
        Raises what `model` raises.
        """
        return np.concatenate([piece._mistakes(part) for piece in self.pieces(part)])

    def _mistakes(self, part: str) -> Array:
        measured, model = examples(self.dataset, part), self.model
        chunks = ((rows, logits[None]) for rows, logits in model.logits(measured.x))
        found: Array = mistakes_of(chunks, model.loss, measured)[0]
        return found


def mistakes_of(chunks: Iterable[tuple[slice, Array]], loss: Loss, measured: Examples, members: int = 1) -> Array:
    """The mistakes of members, `(members, rows)`, whose logits `(members, rows, width)` come in chunks."""
    found = np.empty((members, len(measured)))
    for rows, logits in chunks:
        targets = loss.targets(measured.y[rows], measured.x.dtype)
        found[:, rows] = loss.each(logits, targets)[1]
    return found * (measured.total / measured.error_scale if measured.error_scale else np.nan)


def trained(run: StoredRun) -> Trained:
    """A run with its data, or the best run of a search.

    Raises UsageError where a search has no best run yet, DataError where the data is no longer that of the run.
    """
    run = best_of(run)
    beside = (search_of(run.directory) or run).path.parent
    if not has_members(run.directory):
        return _with_data(run, beside)
    members = [_with_data(StoredRun(one), beside) for one in trained_members(run.directory)]
    whole, record = load_model(run), read_ensemble(run.directory)
    folds = tuple(replace(one, temperature=whole.temperature) for one in members) if record["how"] == FOLDS else ()
    if again := refitted(run.directory):
        return Trained(run, _with_data(StoredRun(again), beside).dataset, folds)
    counting = [one for one, weight in zip(members, record["weights"], strict=True) if weight]
    return Trained(run, _for_all(whole, counting, ["test"] if folds else STORED), folds)


def _with_data(run: StoredRun, beside: Path) -> Trained:
    from nnrun.runs.moving import told_if_gone
    from nnrun.runs.preparing import CACHE, require_own  # here, since who predicts trains nothing

    try:
        with told_if_gone(run):
            dataset = load_dataset(run.config.data, run.config.training.dtype, beside / CACHE)
    except DataError as error:
        raise DataError(f"the data of {run.name}: {error}") from None
    require_own(run, dataset)
    return Trained(run, dataset)


def _for_all(model: Model, members: Sequence[Trained], parts: Sequence[str]) -> Dataset:
    """The first one's data set, these parts of it with the features that all of them take, side by side."""
    first, sets = members[0].dataset, {one.dataset.fitted.preprocessor: one.dataset for one in reversed(members)}
    found = {
        part: replace(
            first.parts[part],
            x=side_by_side([sets[one].parts[part].x.astype(model.dtype, copy=False) for one in model.preprocessors]),
        )
        for part in parts
        if part in first.parts
    }
    return replace(first, parts={**first.parts, **found})


def _one_after_the_other(many: Sequence[RawParts]) -> RawParts:
    """The rows of training and dev parts of several divisions of the same source."""
    tables, places = {}, {}
    for part in ("train", "dev"):
        starts = np.cumsum([0, *(len(one.places[part]) for one in many)])
        tables[part] = joined([one[part] for one in many])
        places[part] = np.concatenate([start + one.places[part] for start, one in zip(starts, many, strict=False)])
    return RawParts(tables, places, any(one.sampled for one in many))
