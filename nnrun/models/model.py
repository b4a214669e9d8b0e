"""A model: the best parameters of a run, with the preprocessing and the target they were trained for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnrun.config.config import Config
from nnrun.data.features.columns import Column
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.features.target import Target
from nnrun.data.features.weights import class_factors, error_kind, prior_shift
from nnrun.data.files.sources import source_files
from nnrun.data.files.table import Table, check_fits
from nnrun.data.fitted import Fitted
from nnrun.engine.exchange import Exchanged
from nnrun.engine.losses import Loss
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.machine.lazily import cached_property
from nnrun.models.calibration import Calibration, outdated, read_calibration
from nnrun.runs.kinds import until_best
from nnrun.runs.member import Member, load_member, read_config, trained_members
from nnrun.runs.members import has_members, read_ensemble, refitted
from nnrun.runs.stored import StoredRun


@dataclass(frozen=True, eq=False)
class Model:
    """Everything that turns raw rows into predictions: the networks of one run, or those of its members.

    What several say is pooled, each by its share `(K,)`. Their members may have learned from different rows; x is then
    what each of their preprocessings makes of a row, side by side.
    """

    run: StoredRun
    config: Config
    fitted: Fitted
    members: tuple[Member, ...]
    shares: Array  # of each network, those of a member next to each other; they add up to 1
    calibration: Calibration | None = None
    temperature: float = 1.0  # what the pooled logits of classes are divided by, which makes them less sure or surer
    threshold: float | None = None  # from which probability on the second of two classes is predicted, if not the usual

    @property
    def target(self) -> Target:
        """In whose deviations logits are, where it is a number."""
        return self.members[0].target

    @property
    def loss(self) -> Loss:
        """What logits mean."""
        return self.members[0].loss

    @property
    def learned_from(self) -> list[Path]:
        """The files that the run was trained on, without which it cannot be resumed or evaluated."""
        return list(source_files(self.config.data).values())

    @cached_property
    def preprocessors(self) -> list[Preprocessor]:
        """The preprocessors that differ, in the order in which x has what they make of a row."""
        return list(self._places)

    @cached_property
    def columns(self) -> list[Column]:
        """All that rows must have, each once."""
        return list({column.name: column for one in reversed(self.preprocessors) for column in one.columns}.values())

    @property
    def n_features(self) -> int:
        """Of x."""
        return sum(one.n_features for one in self.preprocessors)

    @property
    def ignored(self) -> list[str]:
        """What is told of a calibration that belongs to other weights, if there is one."""
        return [outdated(str(self.run.path))] if self.calibration and self.calibration.outdated else []

    @property
    def error_kind(self) -> str:
        """What stands before the names of its errors; empty where rows count alike."""
        return error_kind(self.fitted.weights) or ""

    @cached_property
    def dtype(self) -> str:
        """Of x: the precision of the networks, or of the most precise one."""
        return max(member.config.training.dtype for member in self.members)  # float64 comes after float32

    def predict(self, table: Table) -> Array:
        """Probabilities `(m, classes)`, or values `(m,)` in the target's own unit, in float64; see `decided`.

        The table needs the columns that the run learned from, in any order, and may have more. Raises DataError at
        the first cell that does not fit its column.
        """
        return self.predict_features(self.features(table))

    def features(self, table: Table) -> Array:
        """What the networks are given, `(m, n)` in `dtype`; raises DataError as `predict` does."""
        return side_by_side([self._made(one, table) for one in self.preprocessors])

    def _made(self, preprocessor: Preprocessor, table: Table) -> Array:
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(preprocessor.transform(table), dtype=self.dtype)
        check_fits(table, values, [column.name for column in preprocessor.owners])
        return values

    @np.errstate(all="ignore")  # who gives predictions out tells of what is beyond all numbers
    def predict_features(self, x: Array) -> Array:
        """What `predict` gives, from prepared features `(m, n)`, such as those of a `Part`."""
        predictions = np.empty((len(x), len(self.target.classes or [0])))
        for rows, logits in self.logits(x):
            predictions[rows] = self.probabilities(logits)
        if self.target.classes is not None:
            return predictions
        return self.target.own(predictions[:, 0])

    def probabilities(self, logits: Array) -> Array:
        """What logits `(…, width)` mean, corrected for weighted classes where that is asked for, or values; float64."""
        wide = np.asarray(logits, np.float64)
        return self.loss.predict(wide if self.shift is None else wide + self.shift)

    def decided(self, probabilities: Array) -> Array:
        """The code of the class that is predicted, `(…)`: where classes are weighted, the one that weighs most.

        Of two classes with a threshold the second one, where it has so much or more, whatever weighs.
        """
        if self.threshold is not None:
            above: Array = (probabilities[..., 1] >= self.threshold).astype(np.int64)
            return above
        weighed = probabilities if self.factors is None else probabilities * self.factors
        codes: Array = weighed.argmax(axis=-1)
        return codes

    @cached_property
    def factors(self) -> Array | None:
        """How much a row of each class counted in training `(classes,)`, where probabilities are corrected for it."""
        if not self.config.data.correct_prior:
            return None
        return class_factors(self.fitted.weights, self.fitted.classes)

    @cached_property
    def shift(self) -> Array | None:
        """What is added to the logits `(width,)`, so that probabilities are those of the data; None for nothing."""
        if self.factors is None:
            return None
        shift = prior_shift(self.factors)
        return (shift if self.loss.width > 1 else shift[1:] - shift[:1]).astype(self.dtype)

    def logits(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(rows, width)`) of prepared features, chunk by chunk; overwritten by the next one.

        They are those of the pooled prediction where there are several networks, at the model's temperature.
        """
        return ((rows, self._pooled(own)) for rows, own in self.opinions(x))

    def exchanged(self, x: Array) -> Exchanged:
        """What `logits` says of rows of x that are given features of each other, at the price of what that changes."""
        of_each = [member.exchanged(own, self.target, self._rows_at_once) for member, own in self._each(x)]

        def logits(places: Sequence[int], rows: Array, donors: Array) -> Iterator[tuple[slice, Array]]:
            parts = zip(of_each, self._places_of_members, strict=True)
            chunks = [say(_within(own, places), rows, donors) for say, own in parts]
            return ((some, self._pooled(said)) for some, said in _beside(chunks))

        return logits

    def _pooled(self, own: Array) -> Array:
        """One opinion `(rows, width)` of those of all networks; it is the pool that has a temperature."""
        pooled: Array = own[0] if len(self.shares) == 1 else self.loss.pool(own, self.shares)
        return pooled if self.temperature == 1 else pooled / self.temperature

    def opinions(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(K, rows, width)`) of each network, in deviations of the model's target; see `logits`."""
        return _beside([member.logits(own, self.target, self._rows_at_once) for member, own in self._each(x)])

    def opinions_of_each(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits) of each network, or of each member where members share its body; see `shares_of_each`."""
        return _beside([member.opinions(own, self.target, self._rows_at_once) for member, own in self._each(x)])

    @property
    def shares_of_each(self) -> Array:
        """The share of each network, or in equal parts of those that share its body."""
        bodies = np.repeat([member.network.members for member in self.members], [one.networks for one in self.members])
        return np.repeat(self.shares / bodies, bodies)

    @property
    def _rows_at_once(self) -> int:
        """Of all members the same, so that they speak of the same rows."""
        return min(member.rows_at_once for member in self.members)

    def _each(self, x: Array) -> Iterator[tuple[Member, Array]]:
        """Each member, and the part of x that is its own."""
        for member, places in zip(self.members, self._places_of_members, strict=True):
            yield member, np.ascontiguousarray(x[:, places], member.config.training.dtype)

    def places(self, preprocessor: Preprocessor) -> slice:
        """Where x has what one of its preprocessings makes of a row."""
        return self._places[preprocessor]

    @cached_property
    def _places_of_members(self) -> list[slice]:
        """Looked up once: the hash of a preprocessing is that of all its columns."""
        return [self._places[member.preprocessor] for member in self.members]

    @cached_property
    def _places(self) -> dict[Preprocessor, slice]:
        found: dict[Preprocessor, slice] = {}
        for member in self.members:
            start = sum(one.n_features for one in found)
            found.setdefault(member.preprocessor, slice(start, start + member.preprocessor.n_features))
        return found


def _beside(chunks: Sequence[Iterator[tuple[slice, Array]]]) -> Iterator[tuple[slice, Array]]:
    """Logits of the same rows below each other."""
    for (rows, found), *others in zip(*chunks, strict=True):
        yield rows, np.concatenate([found, *(logits for _, logits in others)]) if others else found


def _within(part: slice, places: Sequence[int]) -> list[int]:
    """The places that lie in a part, counted from its start."""
    return [place - part.start for place in places if part.start <= place < part.stop]


def side_by_side(arrays: Sequence[Array]) -> Array:
    """Features `(m, n)` of one array or more as one array `(m, Σ n)`."""
    return arrays[0] if len(arrays) == 1 else np.hstack(arrays)


def load_model(run: StoredRun) -> Model:
    """The model of a run, or of the best run of a search.

    Raises UsageError where there is no checkpoint or a fold is still to come, DataError where a file of the run is
    missing, damaged or contradicts another.
    """
    run = best_of(run)
    if not has_members(run.directory):
        return _model(run, read_config(run), [load_member(run)], [1.0])
    if again := refitted(run.directory):
        return _model(run, read_config(run), [load_member(StoredRun(again))], [1.0])
    weights = read_ensemble(run.directory)["weights"]
    counting = [(StoredRun(one), w) for one, w in zip(trained_members(run.directory), weights, strict=True) if w]
    return _model(run, read_config(run), [load_member(one) for one, _ in counting], [w for _, w in counting])


def _model(run: StoredRun, config: Config, members: Sequence[Member], weights: Sequence[float]) -> Model:
    shares = [w / member.networks for member, w in zip(members, weights, strict=True) for _ in range(member.networks)]
    found = read_calibration(run.directory, members, np.array(shares))
    temperature = found.temperature if found else 1.0
    return Model(run, config, run.data, tuple(members), np.array(shares), found, temperature)


def at_threshold(model: Model, threshold: float | None) -> Model:
    """The model that predicts the second of its two classes from this probability on; None: as it does.

    Raises UsageError unless there are two classes, and the threshold lies between 0 and 1.
    """
    if threshold is None:
        return model
    classes = model.target.classes
    if classes is None or len(classes) != 2:
        what = "numbers" if classes is None else f"{len(classes)} classes"
        raise UsageError(f"--threshold draws the line between two classes, and {model.run.name} predicts {what}")
    if not 0 < threshold < 1:
        raise UsageError(
            f"--threshold {threshold:g} is not between 0 and 1: it is the probability from which on {classes[1]!r} is "
            "predicted, such as 0.3"
        )
    return replace(model, threshold=float(threshold))


def best_of(run: StoredRun) -> StoredRun:
    """The run itself, or the best run of a search; UsageError where it has none yet."""
    best = run.best if run.is_search else run
    if best is None:
        why = until_best(run.directory) or "no trial has ended well yet"
        raise UsageError(f"{run.id} has no best run: {why}")
    return best
