"""A stage of a training: the epochs in which one configuration holds, with the trainer and what looks at each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnrun.config.changes import CHANGES, at, stage
from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.stopping import EarlyStopping
from nnrun.engine.trainer import Trainer
from nnrun.errors import MisfitError
from nnrun.runs.assembly import check_memory, make_trainer, recipe
from nnrun.runs.engines import make_engine
from nnrun.runs.recording import Judge


@dataclass
class Stage:
    """Trains by the configurations as they hold in an epoch, one a member; `start` is the first epoch of that."""

    start: int
    configs: list[Config]
    trainer: Trainer
    judge: Judge
    stopping: EarlyStopping | None

    @classmethod
    def of(cls, configs: Sequence[Config], dataset: Dataset, epoch: int) -> Stage:
        """At the beginning of a training; raises MisfitError where something does not fit the data or the memory."""
        now = [at(config, epoch) for config in configs]
        trainer = make_trainer(now, dataset, make_engine(now[0]))
        judge = Judge(trainer, dataset, now[0].metrics.primary)
        waiting = now[0].regularization.early_stopping
        stopping = EarlyStopping(len(now), waiting.patience, waiting.min_delta) if waiting else None
        return cls(stage(configs[0], epoch), now, trainer, judge, stopping)

    def continue_from(self, other: Stage) -> None:
        """Go on where another stage of the same training stands."""
        self.trainer.continue_from(other.trainer)
        if self.stopping and other.stopping:
            self.stopping.restore(other.stopping.reference, other.stopping.waited)


def refuse_misfits(config: Config, dataset: Dataset) -> None:
    """MisfitError where what holds from an epoch on does not fit the data or the memory."""
    for start in config.training.changes:
        then = at(config, start)
        try:
            check_memory(then, dataset)
            recipe([then], dataset)
        except MisfitError as error:
            key = ".".join(map(str, error.path))
            raise MisfitError((*CHANGES, start, key), error.message) from None
