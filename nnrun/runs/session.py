"""Runs being trained together: the trainer, what watches it, and the run directories they write to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from nnrun.config.config import Config
from nnrun.data.augment import augmentation_notices
from nnrun.data.dataset import Dataset
from nnrun.engine.parameters import Array
from nnrun.engine.stopping import Best, EarlyStopping
from nnrun.engine.trainer import Divergence, Epoch
from nnrun.runs.assembly import make_trainer
from nnrun.runs.checkpoints import load_best, load_last, save_best, save_last
from nnrun.runs.engines import make_engine
from nnrun.runs.environment import blas
from nnrun.runs.recording import Judge, epoch_row, finals, guess_error, layers_of, wanted
from nnrun.runs.records import Blas, Diverged, FoundSymptom, Layers, Row, RunRecord
from nnrun.runs.rundir import RunDir, now
from nnrun.runs.symptoms.evidence import Evidence, recorded_layers
from nnrun.runs.symptoms.symptoms import find_symptoms
from nnrun.runs.telling import Beginning, epoch_line, heading, summary

SECONDS_BETWEEN_CHECKPOINTS = 1.0

ToldToStop = Callable[[], bool]


@dataclass(frozen=True)
class Outcome:
    """How training ended (done, interrupted or diverged), run.json as it stands now, its epochs, what was trained."""

    run: RunDir
    status: str
    record: RunRecord
    rows: Sequence[Row]
    config: Config


class Listener:
    """Hears how a run goes; this one keeps quiet."""

    def preparing(self, step: str, done: int, rows: int | None) -> None:
        """A piece of the data is read, measured or written; so many rows are done, of those in all if that is known."""

    def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
        """Training begins."""

    def epoch(self, row: Row) -> None:
        """An epoch is over."""

    def ended(self, outcome: Outcome) -> None:
        """The run is over, or was told to stop."""


class Session:
    """Trains one configuration on its data, or several of one shape as members of one trainer.

    Runs that nothing continues keep the checkpoint of their best epoch alone.
    """

    def __init__(self, configs: Sequence[Config], dataset: Dataset, continued: bool = True) -> None:
        self.configs, self.dataset, self.continued = list(configs), dataset, continued
        self.config = self.configs[0]  # for what all members share
        self.trainer = make_trainer(self.configs, dataset, make_engine(self.config))
        self.judge = Judge(self.trainer, dataset, self.config.metrics.primary)
        members = len(self.configs)
        self.best = Best(members)
        waiting = self.config.regularization.early_stopping
        self.stopping = EarlyStopping(members, waiting.patience, waiting.min_delta) if waiting else None
        self._rows: list[list[Row]] = []  # of each member, as its file has them
        self._ended: dict[int, tuple[int, int]] = {}  # member -> epoch and step where it stopped before the others
        self._divergences: dict[int, Divergence] = {}
        self._best_written = [0] * members
        self._written_at = time.monotonic()

    def load(self, run: RunDir, with_scores: bool = True) -> None:
        """Continue where the checkpoints of a run stand; without its scores, as if no epoch had been judged yet."""
        load_last(run, self.trainer, self.stopping if with_scores else None)
        if with_scores:
            load_best(run, self.trainer, self.best)

    def train(
        self,
        runs: Sequence[RunDir],
        listener: Listener,
        told_to_stop: ToldToStop,
        notices: Sequence[str] = (),
        parts: Sequence[str] = ("train", "dev", "test"),
    ) -> list[Outcome]:
        """Train to the configured number of epochs, each member into its run directory, which the caller has locked.

        In the end the best parameters are measured on `parts`.
        """
        from threadpoolctl import ThreadpoolController

        libraries = ThreadpoolController()  # NumPy's BLAS, and that of SciPy, which compiled code calls
        with libraries.limit(limits=1, user_api="blas"), np.errstate(all="ignore"):
            opened = zip(runs, self.configs, strict=True)
            self._rows = [self._open(run, config, blas(libraries), listener, notices) for run, config in opened]
            try:
                self._train_epochs(runs, listener, told_to_stop)
            except KeyboardInterrupt:  # at any instant, so what memory holds may be half an epoch
                for run in runs:
                    run.update_record(status="interrupted", ended=now())
                raise
            except Exception as error:
                with suppress(OSError):  # the disk may be full
                    for run in runs:
                        run.update_record(status="failed", error=str(error), ended=now())
                raise
            outcomes = self._close(runs, [part for part in parts if part in self.dataset.parts])
        for outcome in outcomes:
            listener.ended(outcome)
        return outcomes

    def _open(
        self, run: RunDir, config: Config, libraries: list[Blas], listener: Listener, notices: Sequence[str]
    ) -> list[Row]:
        """Begin, or go on; the epochs that lie behind."""
        epoch, process = self.trainer.epoch, os.getpid()
        run.update_record(status="running", started=now(), process=process, blas=libraries, error=None, written=None)
        rows = run.forget_metrics_after(epoch)
        run.event("started" if epoch == 0 else "resumed", epoch=epoch)
        beginning = self._beginning(notices)
        run.log(heading(run.id, config, beginning))
        listener.started(run, config, beginning)
        return rows

    def _train_epochs(self, runs: Sequence[RunDir], listener: Listener, told_to_stop: ToldToStop) -> None:
        if self.stopping:
            self.trainer.freeze(self.stopping.enough)
        kind = self.dataset.error_kind or ""
        for epoch in self.trainer.epochs(self.config.training.epochs, told_to_stop):
            here = [int(k) for k in np.flatnonzero(self.trainer.active)]
            self._note_divergences(runs, epoch)
            begun = time.monotonic()
            measured = self.judge.measure(epoch)
            spent = time.monotonic() - begun
            self._look(runs, epoch, self.judge.scores(epoch, measured))
            layers = layers_of(self.trainer) if self.config.training.layer_statistics else None
            for k in here:
                share = (epoch.seconds + spent) / len(here)  # of the time
                row = epoch_row(epoch, k, self.trainer, self.dataset, measured, layers[k] if layers else None, share)
                self._rows[k].append(runs[k].add_metrics(row))
                runs[k].log([epoch_line(row, self.config.training.epochs, self.config.metrics.primary, kind)])
                listener.epoch(row)
            unsaved = time.monotonic() - self._written_at
            at_stake = unsaved + epoch.seconds + spent  # the next epoch is too
            if self.continued and at_stake >= SECONDS_BETWEEN_CHECKPOINTS:
                self._save(runs)

    def _note_divergences(self, runs: Sequence[RunDir], epoch: Epoch) -> None:
        steps = len(self.trainer.batches.bounds)
        for k, divergence in epoch.diverged.items():
            self._divergences[k] = divergence
            self._ended[k] = epoch.number - 1, epoch.step - steps

    def _look(self, runs: Sequence[RunDir], epoch: Epoch, scores: Array) -> None:
        """Remember the epoch where it is the best, and stop where it has been for too long."""
        trainer = self.trainer
        self.best.see(epoch.number, scores, trainer.theta, trainer.state)
        if self.stopping:
            for k in (int(k) for k in np.flatnonzero(self.stopping.see(scores, trainer.active) & trainer.active)):
                self._ended[k] = epoch.number, epoch.step
                runs[k].event("stopped early", epoch=epoch.number, best_epoch=int(self.best.epochs[k]))
            trainer.freeze(self.stopping.enough)

    def _save(self, runs: Sequence[RunDir]) -> None:
        """Write the best parameters, where they are new, and what training continues from."""
        now_at = self.trainer.epoch, self.trainer.step
        for k, run in enumerate(runs):
            epoch = int(self.best.epochs[k])
            if epoch > self._best_written[k]:
                save_best(run, self.trainer.network, self.best, k)
                self._best_written[k] = epoch
            if self.continued:
                save_last(run, self.trainer, self.stopping, k, self._ended.get(k, now_at))
        self._written_at = time.monotonic()

    def _close(self, runs: Sequence[RunDir], parts: list[str]) -> list[Outcome]:
        """Save, measure the best parameters of each member, and complete each run.json."""
        self._save(runs)
        measured = finals(self.trainer, self.best, self.dataset, parts, wanted(self.config, self.dataset))
        ends = zip(runs, measured, layers_of(self.trainer), strict=True)
        return [self._complete(k, run, final, layers) for k, (run, final, layers) in enumerate(ends)]

    def _complete(self, k: int, run: RunDir, final: dict[str, float], layers: Layers) -> Outcome:
        status, divergence = self._status(k), self._divergences.get(k)
        where = Diverged(epoch=divergence.epoch, step=divergence.step, layer=divergence.layer) if divergence else None
        epochs, _ = self._ended.get(k, (self.trainer.epoch, self.trainer.step))
        rows = self._rows[k]
        symptoms = self._symptoms(k, run, rows, (epochs, layers), where)
        run.event(status, **(where or {"epoch": epochs}))
        run.update_record(
            status=status,
            ended=now(),
            seconds=sum(row["seconds"] for row in rows),
            epochs=epochs,
            best_epoch=int(self.best.epochs[k]) or None,
            stopped_early=bool(self.stopping and not self.trainer.active[k] and not divergence),
            divergence=where,
            symptoms=symptoms,
            final=final,
            written=run.written(),
        )
        record = run.read_record()
        run.log(summary(record, self.configs[k], status))
        return Outcome(run, status, record, rows, self.configs[k])

    def _symptoms(
        self, k: int, run: RunDir, rows: list[Row], at_end: tuple[int, Layers], divergence: Diverged | None
    ) -> list[FoundSymptom]:
        """What is wrong as the run stands now; an event for each that no earlier process of the run has told."""
        layers = recorded_layers(rows) or [at_end]
        found = find_symptoms(Evidence(self.configs[k], rows, layers, guess_error(self.dataset), divergence))
        known = {event.get("name") for event in run.events()} if found else set()
        for symptom in found:
            if symptom["name"] not in known:
                run.event("symptom", **symptom)
        return found

    def _status(self, k: int) -> str:
        if k in self._divergences:
            return "diverged"
        over = not self.trainer.active[k] or self.trainer.epoch >= self.config.training.epochs
        return "done" if over else "interrupted"

    def _beginning(self, notices: Sequence[str]) -> Beginning:
        return Beginning(
            rows={part: len(arrays.x) for part, arrays in self.dataset.parts.items()},
            features=self.dataset.n_features,
            classes=self.dataset.classes,
            outputs=self.trainer.network.width,
            parameters=self.trainer.network.theta.size,
            batch_size=self.trainer.recipe.batch_size,
            epoch=self.trainer.epoch,
            notices=[*notices, *self.dataset.notices, *self._own_notices()],
            error_kind=self.dataset.error_kind or "",
        )

    def _own_notices(self) -> list[str]:
        return augmentation_notices(self.config.regularization.augment)
