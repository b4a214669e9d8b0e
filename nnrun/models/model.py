"""A model: the best parameters of a run, with the preprocessing and the target they were trained for, and its data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nnrun.config.config import Config
from nnrun.data.damage import checked
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.data.features.preprocess import Preprocessor, Target
from nnrun.data.features.weights import class_factors, prior_shift
from nnrun.data.files.sources import source_files
from nnrun.data.files.table import Floats, Table, check_fits
from nnrun.data.fitted import Fitted
from nnrun.engine.evaluation import Examples, logits_in_chunks
from nnrun.engine.losses import Loss
from nnrun.engine.network import Bound, Network
from nnrun.engine.parameters import Array
from nnrun.errors import ConfigError, DataError, MisfitError, UsageError
from nnrun.runs.assembly import examples, make_mlp, named_loss
from nnrun.runs.checkpoints import Tensors, named, read_weights
from nnrun.runs.finding import search_of
from nnrun.runs.rundir import DATA, RESOLVED
from nnrun.runs.stored import StoredRun


@dataclass(frozen=True, eq=False)
class Model:
    """Everything that turns raw rows into predictions; `weights` are parameters and running averages by name."""

    run: StoredRun
    config: Config
    fitted: Fitted
    preprocessor: Preprocessor
    target: Target
    network: Network
    loss: Loss
    weights: Tensors

    @property
    def learned_from(self) -> list[Path]:
        """The files that the run was trained on, without which it cannot be resumed or evaluated."""
        return list(source_files(self.config.data).values())

    def predict(self, table: Table) -> Array:
        """Probabilities `(m, classes)`, or values `(m,)` float64 in the target's own unit; see `decided`.

        The table needs the columns that the run learned from, in any order, and may have more. Raises DataError at
        the first cell that does not fit its column.
        """
        return self.predict_features(self.features(table))

    def features(self, table: Table) -> Array:
        """What the network is given, `(m, n)` in the run's dtype; raises DataError as `predict` does."""
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(self.preprocessor.transform(table), dtype=self.config.training.dtype)
        check_fits(table, values, [column.name for column in self.preprocessor.columns for _ in column.features])
        return values

    def predict_features(self, x: Array) -> Array:
        """The same from prepared features `(m, n)`, such as those of a `Part`."""
        predictions = np.empty((len(x), len(self.target.classes or [0])), x.dtype)
        for rows, logits in self.logits(x):
            predictions[rows] = self.loss.predict(logits if self.shift is None else logits + self.shift)
        if self.target.classes is not None:
            return predictions
        own: Floats = predictions[:, 0] * np.float64(self.target.deviation) + self.target.mean
        return own

    def decided(self, probabilities: Array) -> Array:
        """The code of the class that is predicted, `(m,)`: where classes are weighted, the one that weighs most."""
        weighed = probabilities if self.factors is None else probabilities * self.factors
        codes: Array = weighed.argmax(axis=1)
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
        return (shift if self.loss.width > 1 else shift[1:] - shift[:1]).astype(self.config.training.dtype)

    def logits(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(rows, width)`) of prepared features, chunk by chunk; overwritten by the next one."""
        return ((rows, logits[0]) for rows, logits in logits_in_chunks(self.network, self._bound, x))

    @cached_property
    def vectors(self) -> tuple[Array, Array]:
        """Parameters `(1, size)` and running averages `(1, size)`, as the network binds them."""
        theta = np.empty((1, self.network.theta.size), self.config.training.dtype)
        state = np.empty((1, self.network.state.size), self.config.training.dtype)
        for name, view in named(self.network, theta[0], state[0]).items():
            np.copyto(view, self.weights[name])
        return theta, state

    @cached_property
    def _bound(self) -> list[Bound]:
        theta, state = self.vectors
        return self.network.bind(theta, state, theta)


def load_model(run: StoredRun) -> Model:
    """The model of a run, or of the best run of a search.

    Raises UsageError where there is no checkpoint, DataError where a file of the run is missing, damaged or
    contradicts another.
    """
    run = best_of(run)
    config, (preprocessor, target) = _read_config(run), checked(run.path / DATA, run.data.document)
    try:
        loss = named_loss(config.training.loss, target.task, len(target.classes or [0]))
    except MisfitError as error:
        raise DataError(f"{run.directory.resolved}: {error}; this is not the config of this run") from None
    network = make_mlp(config, preprocessor.n_features, loss.width).network()
    weights = _read_weights(run, network, config.training.dtype)
    return Model(run, config, run.data, preprocessor, target, network, loss, weights)


def best_of(run: StoredRun) -> StoredRun:
    """The run itself, or the best run of a search; UsageError where it has none yet."""
    best = run.best if run.is_search else run
    if best is None:
        raise UsageError(f"{run.id}: no trial has ended well yet, so there is no best run to look at")
    return best


def _read_config(run: StoredRun) -> Config:
    try:
        return run.config
    except ConfigError as error:
        run.directory.read(RESOLVED)  # where there is none, that is what is wrong
        raise DataError(str(error)) from None


def _read_weights(run: StoredRun, network: Network, dtype: str) -> Tensors:
    shapes = network.theta.shapes | network.state.shapes
    weights = read_weights(run.directory, "best", shapes)
    for name, tensor in weights.items():
        file = run.directory.checkpoint("best")
        if tensor.dtype != dtype:
            raise DataError(f"{file}: {name} is {tensor.dtype}, where {RESOLVED} says {dtype}")
        if not np.isfinite(tensor).all():
            raise DataError(f"{file}: {name} holds numbers that are not finite; train again")
    return weights


@dataclass(frozen=True, eq=False)
class Trained:
    """A run with what it was trained on."""

    run: StoredRun
    dataset: Dataset

    @property
    def config(self) -> Config:
        """What was trained."""
        return self.run.config

    @cached_property
    def model(self) -> Model:
        """Its best network; UsageError where there is no checkpoint, DataError where it is broken."""
        return load_model(self.run)

    def mistakes(self, part: str) -> Array:
        """One number a row of a part, `(rows,)`, by the best parameters; their mean is the part's error.

        1 for a wrong class and 0 for a right one; of a regression the squared error as a share of the mean square
        that the target has around its mean. Where rows have weights, it is the weighted mean that is the part's error.
        Raises what `model` raises.
        """
        model, measured = self.model, examples(self.dataset, part)
        found: Array = mistakes_of(model.network, model.loss, *model.vectors, measured)[0]
        return found


def mistakes_of(network: Network, loss: Loss, theta: Array, state: Array, measured: Examples) -> Array:
    """The same for members `(members, size)`, `(members, rows)`."""
    found = np.empty((len(theta), len(measured)))
    for rows, logits in logits_in_chunks(network, network.bind(theta, state, np.empty_like(theta)), measured.x):
        targets = loss.targets(measured.y[rows], measured.x.dtype)
        found[:, rows] = loss.each(logits, targets)[1]
    return found * (measured.total / measured.error_scale if measured.error_scale else np.nan)


def trained(run: StoredRun) -> Trained:
    """A run with its data, or the best run of a search.

    Raises UsageError where a search has no best run yet, DataError where the data is no longer that of the run.
    """
    from nnrun.runs.preparing import CACHE, same_data  # here, since who predicts trains nothing

    run = best_of(run)
    beside = (search_of(run.directory) or run).path.parent
    dataset = load_dataset(run.config.data, run.config.training.dtype, beside / CACHE)
    if not same_data(run, dataset):
        raise DataError(f"{run.id}: the data is no longer what this run was trained on; train anew")
    return Trained(run, dataset)
