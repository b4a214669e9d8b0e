"""How many bytes may come back from a worker: what an honest one can have to send, by the config and the data.

What grows is counted, the parameters and what is written an epoch; there is room for the rest. A file of a trial that
grows by something else has to be counted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nnrun.config.changes import at
from nnrun.config.config import Config
from nnrun.data.fitted import Fitted
from nnrun.runs.assembly import batch_size, parameters
from nnrun.runs.conclusion import in_folds
from nnrun.search.executors import SentJob

ROOM = 1 << 24  # bytes, for what hardly grows: run.json, events, names of tensors
# Numbers a parameter in checkpoints/best, itself and a running average of batch norm, and in checkpoints/last, where
# there are two moments and an average of both besides.
COPIES = 2 + 6
# Numbers an epoch: columns of metrics.jsonl and words of log.txt; the statistics of a hidden layer, which has four
# parts; of each network of an ensemble.
COLUMNS, OF_A_LAYER, OF_A_NETWORK = 32, 32, 2
A_NUMBER = 64  # bytes, with its name
AN_ANSWER = 1 << 10  # bytes a row of the data, of a job that leaves no directory: numbers of a few networks


def of_each(job: SentJob, fitted: Callable[[Config], Fitted]) -> int:
    """Of the directory of each trial of a job, which have one shape, or of the answer of a job that leaves none.

    `fitted` tells what is known of the data of a config.
    """
    config = Config.from_values(job["trials"][0]["config"])
    if "folder" in job:
        return of_trial(config, fitted)
    return ROOM + AN_ANSWER * sum(fitted(config).split["sizes"].values())


def of_trial(config: Config, fitted: Callable[[Config], Fitted]) -> int:
    """Each fold has a directory within that of the trial."""
    configs = [config, *(in_folds(config) if config.data.in_folds else [])]
    return sum(_of_run(each, fitted(each)) for each in configs)


def _of_run(config: Config, fitted: Fitted) -> int:
    epochs = max(stage.training.epochs for stage in _stages(config))
    itemsize, networks = np.dtype(config.training.dtype).itemsize, config.network.ensemble
    weights = COPIES * itemsize * networks * parameters(config, fitted)
    written = 2 * (len(fitted.written) + len(config.model_dump_json()))
    return ROOM + weights + written + A_NUMBER * epochs * _numbers_an_epoch(config, fitted)


def _numbers_an_epoch(config: Config, fitted: Fitted) -> int:
    found = COLUMNS + OF_A_NETWORK * config.network.ensemble
    if config.training.layer_statistics:
        found += OF_A_LAYER * (len(config.network.hidden) + 2)  # with what stands before and behind them
    if config.training.record == "steps":
        rows = fitted.split["sizes"]["train"]
        found += max(math.ceil(rows / batch_size(stage, rows)) for stage in _stages(config))
    return found


def _stages(config: Config) -> list[Config]:
    """The configuration as it begins, and from each change on."""
    return [config, *(at(config, epoch) for epoch in config.training.changes)]
