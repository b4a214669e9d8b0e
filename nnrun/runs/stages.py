"""A stage of a training: the epochs in which one configuration holds, with the trainer and what looks at each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnrun.config.changes import CHANGES, at, stage
from nnrun.config.config import Config
from nnrun.config.values import KeyPath
from nnrun.data.augment import augmentation_notices
from nnrun.data.dataset import Dataset
from nnrun.engine.stopping import EarlyStopping
from nnrun.engine.trainer import Trainer
from nnrun.errors import DataError, MisfitError
from nnrun.machine.lazily import cached_property
from nnrun.runs.assembly import check_memory, make_trainer, recipe
from nnrun.runs.engines import engine_of
from nnrun.runs.judge import Judge, metric_notices
from nnrun.runs.recording import guess_error, layers_of
from nnrun.runs.records import Diverged, FoundSymptom, Layers, Row
from nnrun.runs.rundir import RunDir
from nnrun.runs.symptoms.watch import Watch, since, symptoms_at_end
from nnrun.runs.telling import Beginning


@dataclass(eq=False)
class Stage:
    """Trains by the configurations as they hold in an epoch, one a run; `start` is the first epoch of that."""

    start: int
    configs: list[Config]
    trainer: Trainer
    judge: Judge
    stopping: EarlyStopping | None

    @classmethod
    def of(cls, configs: Sequence[Config], dataset: Dataset, epoch: int) -> Stage:
        """At the beginning of a training; raises MisfitError where something does not fit the data or the memory."""
        now = [at(config, epoch) for config in configs]
        trainer = make_trainer(now, dataset, engine_of(now[0]))
        judge = Judge(trainer, dataset, now[0].metrics.primary)
        waiting = now[0].regularization.early_stopping
        stopping = EarlyStopping(len(now), waiting.patience, waiting.min_delta) if waiting else None
        return cls(stage(configs[0], epoch), now, trainer, judge, stopping)

    @cached_property
    def cycle_ends(self) -> list[int]:
        """The epochs at whose end a cycle of the learning rate is over; none where there are no cycles."""
        return self.configs[0].optimizer.schedule.build().cycle_ends(self.configs[0].training.epochs)

    def beginning(self, dataset: Dataset, notices: Sequence[str]) -> Beginning:
        """What training begins with, or goes on with."""
        config = self.configs[0]
        further = [*augmentation_notices(config.regularization.augment), *metric_notices(config, dataset)]
        return Beginning(
            rows={part: len(arrays.x) for part, arrays in dataset.parts.items()},
            features=dataset.n_features,
            classes=dataset.classes,
            outputs=self.trainer.network.width,
            parameters=self.trainer.network.theta.size,
            batch_size=self.trainer.recipe.batch_size,
            epoch=self.trainer.epoch,
            notices=list(dict.fromkeys([*notices, *dataset.notices, *further])),
            error_kind=dataset.error_kind or "",
            fold=dataset.fitted.fold,
        )

    def show(self, watch: Watch, rows: Sequence[Row]) -> None:
        """Let somebody look at a run that is trained alone."""
        watch.look(self.configs[0], rows, self.start, lambda: layers_of(self.trainer)[0])

    def symptoms(
        self, k: int, run: RunDir, rows: list[Row], at_end: tuple[int, Layers], lost: Diverged | None, data: Dataset
    ) -> list[FoundSymptom]:
        """What is wrong as run k stands now; an event for each that no earlier process of the run has told."""
        own = since(rows, self.start)
        return symptoms_at_end(run, self.configs[k], own, at_end, guess_error(data), lost)

    def following(self, configs: Sequence[Config], dataset: Dataset, epoch: int) -> Stage:
        """The stage of the epoch that comes next: this one, or another that goes on where this one stands."""
        if stage(configs[0], epoch) == self.start:
            return self
        other = Stage.of(configs, dataset, epoch)
        other.trainer.continue_from(self.trainer)
        if other.stopping and self.stopping:
            other.stopping.restore(self.stopping.reference, self.stopping.waited)
        return other


def stages_of(
    epochs: Sequence[int], configs: Sequence[Config], dataset: Dataset, known: Iterable[Stage]
) -> list[Stage]:
    """The stage that each of these epochs belongs to: one of those known, else one at its beginning."""
    starts, by_start = [stage(configs[0], epoch) for epoch in epochs], {each.start: each for each in known}
    by_start |= {start: Stage.of(configs, dataset, start) for start in {*starts} - by_start.keys()}
    return [by_start[start] for start in starts]


def refuse_misfits(config: Config, dataset: Dataset) -> None:
    """MisfitError or DataError where what holds from an epoch on does not fit the memory or the data."""
    for start in config.training.changes:
        then = at(config, start)
        try:
            check_memory(then, dataset)
            recipe([then], dataset)
        except MisfitError as error:
            raise MisfitError(_place(start, error.path), error.message) from None
        except DataError as error:
            raise DataError(str(error), _place(start, error.key)) from None


def _place(start: int, path: KeyPath) -> KeyPath:
    """Where a change from this epoch on stands."""
    return (*CHANGES, start, ".".join(map(str, path)))
