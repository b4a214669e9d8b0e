"""One run being trained: the trainer, what watches it, and the run directory they write to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnrun.assembly import examples, make_trainer
from nnrun.checkpoints import load_best, load_last, save_best, save_last
from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.statistics import layer_statistics, near_zero_share
from nnrun.engine.stopping import Best, EarlyStopping, scores_of
from nnrun.engine.trainer import Divergence, Epoch
from nnrun.narration import epoch_line, heading, summary
from nnrun.rundir import RunDir, now

SECONDS_BETWEEN_CHECKPOINTS = 1.0

Row = dict[str, Any]  # what metrics.jsonl holds of an epoch
ToldToStop = Callable[[], bool]


@dataclass(frozen=True)
class Outcome:
    """How training ended (done, interrupted or diverged), and run.json as it stands now."""

    run: RunDir
    status: str
    record: dict[str, Any]


class Listener:
    """Hears how a run goes; this one keeps quiet."""

    def started(self, run: RunDir, config: Config, facts: Mapping[str, Any]) -> None:
        """Training begins; facts: rows, features, parameters, batch_size, epoch, notices."""

    def epoch(self, row: Row) -> None:
        """An epoch is over."""

    def ended(self, outcome: Outcome) -> None:
        """The run is over, or was told to stop."""


class Session:
    """Trains one configuration on its data."""

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        self._values = config.resolved()
        self.trainer = make_trainer([config], dataset)
        self.best = Best(1)
        waiting = config.regularization.early_stopping
        self.stopping = EarlyStopping(1, waiting.patience, waiting.min_delta) if waiting else None
        self._best_written = 0
        self._written_at = time.monotonic()

    def load(self, run: RunDir, with_scores: bool = True) -> None:
        """Continue where the checkpoints of a run stand; without its scores, as if no epoch had been judged yet."""
        load_last(run, self.trainer, self.stopping if with_scores else None)
        if with_scores:
            load_best(run, self.trainer, self.best)

    def train(self, run: RunDir, listener: Listener, told_to_stop: ToldToStop, notices: Sequence[str] = ()) -> Outcome:
        """Train to the configured number of epochs, writing to the run directory, which the caller has locked."""
        from threadpoolctl import threadpool_limits

        threads = self.config.training.blas_threads
        with threadpool_limits(threads, "blas"), np.errstate(all="ignore"):
            run.forget_metrics_after(self.trainer.epoch)
            run.update_record(status="running", started=now(), process=os.getpid(), error=None)
            run.event("started" if self.trainer.epoch == 0 else "resumed", epoch=self.trainer.epoch)
            facts = self._facts(notices)
            run.log(heading(run.id, self._values, facts))
            listener.started(run, self.config, facts)
            try:
                divergence = self._train_epochs(run, listener, told_to_stop)
            except KeyboardInterrupt:  # at any instant, so what memory holds may be half an epoch
                run.update_record(status="interrupted", ended=now())
                raise
            except Exception as error:
                with suppress(OSError):  # the disk may be full
                    run.update_record(status="failed", error=str(error), ended=now())
                raise
            outcome = self._close(run, self._status(divergence), divergence)
        listener.ended(outcome)
        return outcome

    def _train_epochs(self, run: RunDir, listener: Listener, told_to_stop: ToldToStop) -> Divergence | None:
        if self.stopping:
            self.trainer.freeze(self.stopping.enough)
        for epoch in self.trainer.epochs(self.config.training.epochs, told_to_stop):
            if epoch.diverged:
                return epoch.diverged[0]
            self._look(run, epoch)
            row = self._row(epoch)
            run.add_metrics(row)
            run.log([epoch_line(row, self.config.training.epochs)])
            listener.epoch(row)
            unsaved = time.monotonic() - self._written_at
            if unsaved + epoch.seconds >= SECONDS_BETWEEN_CHECKPOINTS:  # the next epoch is at stake too
                self._save(run)
        return None

    def _status(self, divergence: Divergence | None) -> str:
        if divergence:
            return "diverged"
        stopped_early = not self.trainer.active.all()
        return "done" if stopped_early or self.trainer.epoch >= self.config.training.epochs else "interrupted"

    def _look(self, run: RunDir, epoch: Epoch) -> None:
        """Remember the epoch if it is the best, and stop if it has been for too long."""
        by_error, trainer = self.config.metrics.primary == "error", self.trainer
        first, second = (epoch.dev_error, epoch.dev_loss) if by_error else (epoch.dev_loss, epoch.dev_error)
        scores = scores_of(first, second)
        self.best.see(epoch.number, scores, trainer.theta, trainer.state)
        if self.stopping and self.stopping.see(scores).all():
            trainer.freeze(self.stopping.enough)
            run.event("stopped early", epoch=epoch.number, best_epoch=int(self.best.epochs[0]))

    def _save(self, run: RunDir) -> None:
        """Write the best parameters, if they are new, and all that training continues from."""
        epoch = int(self.best.epochs[0])
        if epoch > self._best_written:
            save_best(run, self.trainer.network, self.best)
            self._best_written = epoch
        save_last(run, self.trainer, self.stopping)
        self._written_at = time.monotonic()

    def _close(self, run: RunDir, status: str, divergence: Divergence | None) -> Outcome:
        """Save, measure the best parameters on every part, and complete run.json."""
        self._save(run)
        where = divergence._asdict() if divergence else None
        run.update_record(
            status=status,
            ended=now(),
            seconds=sum(row["seconds"] for row in run.metrics()),
            epochs=self.trainer.epoch,
            best_epoch=int(self.best.epochs[0]) or None,
            stopped_early=not self.trainer.active.all() and not divergence,
            divergence=where,
            final=self._final(),
        )
        run.event(status, **(where or {"epoch": self.trainer.epoch}))
        record = run.read_json("run.json")
        run.log(summary(record, self._values, status))
        return Outcome(run, status, record)

    # numbers

    def _facts(self, notices: Sequence[str]) -> dict[str, Any]:
        return {
            "rows": {part: len(arrays.x) for part, arrays in self.dataset.parts.items()},
            "features": self.dataset.n_features,
            "classes": self.dataset.classes,
            "outputs": self.trainer.network.width,
            "parameters": self.trainer.network.theta.size,
            "batch_size": self.trainer.recipe.batch_size,
            "epoch": self.trainer.epoch,
            "notices": [*notices, *self.dataset.notices, *self._own_notices()],
        }

    def _own_notices(self) -> list[str]:
        if not self.stopping:
            return []
        return ["early stopping serves two aims at once, fitting the training set and not overfitting it"]

    def _row(self, epoch: Epoch) -> Row:
        row: Row = {
            "epoch": epoch.number,
            "step": epoch.step,
            "learning_rate": float(epoch.learning_rate[0]),
            "train_loss": float(epoch.train_loss[0]),
            "cost": float(epoch.cost[0]),
            "train_error": float(epoch.train_error[0]),
            "dev_loss": float(epoch.dev_loss[0]),
            "dev_error": float(epoch.dev_error[0]),
            **self._own_unit("train", float(epoch.train_error[0]), self.trainer.on_train.examples),
            **self._own_unit("dev", float(epoch.dev_error[0]), self.trainer.on_dev.examples),
            "seconds": round(epoch.seconds, 6),
        }
        if self.config.training.layer_statistics:
            trainer = self.trainer
            sampled = trainer.on_train.examples
            of_members = layer_statistics(trainer.network, trainer.recipe.loss, trainer.theta, trainer.state, sampled)
            row["layers"] = of_members[0]
        return row

    def _own_unit(self, part: str, error: float, measured: Examples) -> dict[str, float]:
        """Regression: the root of the mean squared error in the target's own unit, from 1 − R²."""
        if self.dataset.classes:
            return {}
        mean_square = error * measured.error_scale / len(measured)
        return {f"{part}_rmse": float(np.sqrt(mean_square)) * self.dataset.target_deviation}

    def _final(self) -> dict[str, float]:
        """Losses and errors of the best parameters on every whole part; empty where no epoch was finished."""
        if not self.best.epochs[0]:
            return {}
        trainer = self.trainer
        final: dict[str, float] = {}
        network, gradient = trainer.network, np.empty_like(trainer.theta)
        bound = network.bind(self.best.theta, self.best.state, gradient)
        for part in self.dataset.parts:
            measured = examples(self.dataset, part)
            loss, error = Evaluator(network, trainer.recipe.loss, measured)(bound)
            final |= {f"{part}_loss": float(loss[0]), f"{part}_error": float(error[0])}
            final |= self._own_unit(part, final[f"{part}_error"], measured)
        final["cost"] = final["train_loss"] + float(trainer.penalty_of(self.best.theta)[0])
        if self.config.regularization.l1:
            weights = [part for name, part in network.theta.slices.items() if name.endswith(".W")]
            final["near_zero_weights"] = near_zero_share(self.best.theta[0, : network.n_weights], weights)
        return final
