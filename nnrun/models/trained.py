"""A run's best network and its data, read from the run's directory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnrun.config.config import Config
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.engine.evaluation import Examples, logits_in_chunks
from nnrun.engine.losses import Loss
from nnrun.engine.network import Network
from nnrun.engine.parameters import Array
from nnrun.errors import DataError
from nnrun.models.model import Model, best_of, load_model
from nnrun.runs.assembly import examples
from nnrun.runs.finding import search_of
from nnrun.runs.stored import StoredRun
from nnrun.runs.verbs import CACHE, same_data


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
    run = best_of(run)
    beside = (search_of(run.directory) or run).path.parent
    dataset = load_dataset(run.config.data, run.config.training.dtype, beside / CACHE)
    if not same_data(run, dataset):
        raise DataError(f"{run.id}: the data is no longer what this run was trained on; train anew")
    return Trained(run, dataset)
