"""A run's best network and its data, read from the run's directory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.data.dataset import Dataset, load_dataset
from nnrun.engine.evaluation import Examples, logits_in_chunks
from nnrun.engine.losses import Loss
from nnrun.engine.network import Network
from nnrun.engine.parameters import Array
from nnrun.errors import DataError
from nnrun.models.model import best_of, load_model
from nnrun.runs.assembly import examples
from nnrun.runs.finding import search_of
from nnrun.runs.rundir import RunDir
from nnrun.runs.verbs import CACHE, same_data


@dataclass(frozen=True, eq=False)
class Trained:
    """A run with what it was trained on."""

    run: RunDir
    config: Config
    dataset: Dataset

    def mistakes(self, part: str) -> Array:
        """One number a row of a part, `(rows,)`, by the best parameters; their mean is the part's error.

        1 for a wrong class and 0 for a right one; of a regression the squared error as a share of the mean square
        that the target has around its mean. Where rows have weights, it is the weighted mean that is the part's error.
        UsageError where there is no checkpoint, DataError where it is broken.
        """
        model, measured = load_model(self.run), examples(self.dataset, part)
        found: Array = mistakes_of(model.network, model.loss, *model.vectors, measured)[0]
        return found


def mistakes_of(network: Network, loss: Loss, theta: Array, state: Array, measured: Examples) -> Array:
    """The same for members `(members, size)`, `(members, rows)`."""
    found = np.empty((len(theta), len(measured)))
    for rows, logits in logits_in_chunks(network, network.bind(theta, state, np.empty_like(theta)), measured.x):
        targets = loss.targets(measured.y[rows], measured.x.dtype)
        found[:, rows] = loss.each(logits, targets)[1]
    return found * (measured.total / measured.error_scale if measured.error_scale else np.nan)


def trained(run: RunDir) -> Trained:
    """A run with its data, or the best run of a search.

    Raises UsageError where a search has no best run yet, DataError where the data is no longer that of the run.
    """
    run = best_of(run)
    config = load_config(run.path / "resolved.yaml").config
    beside = (search_of(run) or run).path.parent
    dataset = load_dataset(config.data, config.training.dtype, beside / CACHE)
    if not same_data(run, dataset):
        raise DataError(f"{run.id}: the data is no longer what this run was trained on; train anew")
    return Trained(run, config, dataset)
