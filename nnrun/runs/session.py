"""Runs being trained together: the trainer, what watches it, and the run directories they write to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from nnrun.config.changes import at, goes_on, old_values, stage, with_changes
from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.divergence import Divergence
from nnrun.engine.epoch import Epoch
from nnrun.engine.parameters import Array
from nnrun.engine.stopping import Best, Ceilings
from nnrun.engine.trainer import Trainer
from nnrun.errors import ConfigError
from nnrun.machine import threads
from nnrun.runs.checkpoints import epoch_of, load_best, put_last, save_best, save_last
from nnrun.runs.environment import blas
from nnrun.runs.kept_states import fork_due, keep, keeps, note_fork, standing
from nnrun.runs.listener import Listener, Outcome, ToldToStop
from nnrun.runs.recording import AtBest, epoch_row, finals, guess_error, layers_of, where_diverged
from nnrun.runs.records import Blas, Layers, Row, RunStatus
from nnrun.runs.remarks import on_batch, on_stopping
from nnrun.runs.requests import Request, changes_asked
from nnrun.runs.rundir import RunDir, now
from nnrun.runs.stages import Stage, refuse_misfits, stages_of
from nnrun.runs.steering import Steering, told_of, write_down
from nnrun.runs.symptoms.watch import Watch
from nnrun.runs.telling import epoch_line, heading, summary
from nnrun.text import PARTS

SECONDS_BETWEEN_CHECKPOINTS = 1.0


class Session:
    """Trains one configuration on its data, or several of one shape in one trainer, with the members of each.

    Runs that nothing continues keep the checkpoint of their best epoch alone.
    """

    def __init__(self, configs: Sequence[Config], dataset: Dataset, continued: bool = True) -> None:
        self.configs, self.dataset, self.continued = list(configs), dataset, continued
        self.stage = Stage.of(configs, dataset, epoch=1)
        refuse_misfits(self.config, dataset)
        self.best = Best(len(self.configs))
        self._left: Stage | None = None
        self._over: dict[int, Stage] = {}  # run -> the stage it stopped in, where others have gone on to a later one
        self._rows: list[list[Row]] = []  # of each run, as its file has them
        self._ended: dict[int, tuple[int, int]] = {}  # run -> epoch and step where it stopped before the others
        self._divergences: dict[int, Divergence] = {}
        self._pruned: set[int] = set()
        self._best_written, self._written_at = [0] * len(self.configs), time.monotonic()
        # The next four are None unless `train` is asked for them. A run that is above its ceilings is ended.
        self._ceilings: Ceilings | None = None
        self._steering: Steering | None = None  # takes up what others ask of a single run
        self._watch: Watch | None = None  # looks for symptoms of that run while it trains
        self._fork: int | None = None  # of a run that was rewound: the epoch whose end must have its parent's bits

    @property
    def config(self) -> Config:
        """For what all runs share."""
        return self.configs[0]

    @property
    def trainer(self) -> Trainer:
        """The trainer of the stage."""
        return self.stage.trainer

    @property
    def _standing(self) -> Stage:
        """The stage of the last whole epoch: where the first one of a stage is not over, the stage before."""
        return self._left if self._left and self.trainer.epoch < self.stage.start else self.stage

    def _enter(self, following: Stage) -> None:
        """Go on in the next stage."""
        self._left, self.stage = self.stage, following
        self._over = {int(k): self._left for k in np.flatnonzero(~self.trainer.training)} | self._over

    def load(self, run: RunDir, with_scores: bool = True) -> None:
        """Continue where the checkpoints of a run stand; without its scores, as if no epoch had been judged yet."""
        if (loaded := run.load_checkpoint("last")) is None:
            return
        epoch = epoch_of(run, loaded)
        if stage(self.config, epoch) != self.stage.start:
            self.stage = Stage.of(self.configs, self.dataset, epoch)
        put_last(run, loaded, self.trainer, self.stage.stopping if with_scores else None)
        if with_scores:
            load_best(run, self.trainer, self.best)

    def checkpoints(self) -> dict[str, bytes]:
        """What a run begins with that goes on from here."""
        return standing(self.trainer, self.stage.stopping, self.best)

    def train(
        self,
        runs: Sequence[RunDir],
        listener: Listener,
        told_to_stop: ToldToStop,
        notices: Sequence[str] = (),
        parts: Sequence[str] = PARTS,
        steered: bool = False,
        ceilings: Ceilings | None = None,
    ) -> list[Outcome]:
        """Train to the configured number of epochs, each run into its directory, which the caller has locked.

        In the end the best parameters are measured on `parts`. A single run that is `steered` takes up what others ask
        of it between two epochs, and keeps what is needed to go back to any of them. One above its ceilings is ended.
        """
        self._ceilings = ceilings
        if steered:
            self._steering = Steering(runs[0], listener.told, told_to_stop, self.config.tracking)
            self._fork = fork_due(runs[0])
            note_fork(runs[0], self.trainer, self._fork)
            self._watch = Watch(runs[0], guess_error(self.dataset), listener.symptoms)
        with threads.one_for_loaded_blas() as libraries, np.errstate(all="ignore"):
            opened = zip(runs, self.stage.configs, strict=True)
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
        run.update_record(
            status="running", started=now(), process=process, blas=libraries, error=None, written=None, symptoms=[]
        )
        rows = run.forget_metrics_after(epoch)
        run.event("started" if epoch == 0 else "resumed", epoch=epoch)
        beginning = self.stage.beginning(self.dataset, notices)
        run.log([*heading(run.id, config, beginning), *on_batch(config, beginning)])
        listener.started(run, config, beginning)
        return rows

    def _train_epochs(self, runs: Sequence[RunDir], listener: Listener, told_to_stop: ToldToStop) -> None:
        if self.stage.stopping and self._stays:
            self.trainer.freeze(self.stage.stopping.enough)
        kind = self.dataset.error_kind or ""
        for epoch in self._epochs(runs, listener, told_to_stop):
            here = [int(k) for k in np.flatnonzero(self.trainer.training)]
            self._note_divergences(epoch)
            begun = time.monotonic()
            measured = self.stage.judge.measure(epoch)
            spent = time.monotonic() - begun
            self._look(runs, epoch, self.stage.judge.scores(epoch, measured))
            layers = layers_of(self.trainer) if self.config.training.layer_statistics else None
            for k in here:
                share = (epoch.seconds + spent) / len(here)  # of the time
                row = epoch_row(epoch, k, self.trainer, self.dataset, measured, layers[k] if layers else None, share)
                self._rows[k].append(runs[k].add_metrics(row))
                runs[k].log([epoch_line(row, self.stage.configs[k].training.epochs, self.config.metrics.primary, kind)])
                listener.epoch(row)
            self._save_in_time(runs, epoch.seconds + spent)
            if self._watch:
                self.stage.show(self._watch, self._rows[0])

    def _epochs(self, runs: Sequence[RunDir], listener: Listener, told_to_stop: ToldToStop) -> Iterator[Epoch]:
        """Each epoch in turn, by the configurations as they hold in it, up to the last one planned then."""
        while self.trainer.active.any():
            if self._steering:
                self._steering.between(self.trainer.epoch, self._change, lambda: self._save(runs))
                if self._steering.stopped:
                    return
            number = self.trainer.epoch + 1
            following = self.stage.following(self.configs, self.dataset, number)
            if following is not self.stage:
                self._enter(following)
                listener.changed(self.stage.configs[0])
            if number > self.stage.configs[0].training.epochs:
                return
            if (epoch := next(self.trainer.epochs(number, told_to_stop), None)) is None:
                return
            yield epoch
            if self._standing is self.stage:
                self._left = None

    def _change(self, name: str, request: Request) -> str:
        """Let the run go on with other values from the next epoch on; ConfigError or DataError where it cannot."""
        assert self._steering
        epoch, settings = max(self.trainer.epoch + 1, self._steering.first), changes_asked(request)
        changed = with_changes(self.config, epoch, settings)
        if epoch > (total := at(changed, epoch).training.epochs):
            raise ConfigError([f"all {total} epochs that are planned are trained; set training.epochs beside it"])
        refuse_misfits(changed, self.dataset)
        old = old_values(self.config, epoch, settings)
        self.configs = [write_down(self._steering.run, self.config, epoch, name, request)]
        return told_of(epoch, old, request)

    def _save_in_time(self, runs: Sequence[RunDir], seconds: float) -> None:
        """What is kept for good; and where much would be lost otherwise, as the next epoch is at stake too."""
        if self._steering and keeps(self._rows[0], self.stage.cycle_ends):
            keep(runs[0], self.trainer, self.stage.stopping, self.best)
        if self.continued and time.monotonic() - self._written_at + seconds >= SECONDS_BETWEEN_CHECKPOINTS:
            self._save(runs)
        note_fork(runs[0], self.trainer, self._fork)

    def _note_divergences(self, epoch: Epoch) -> None:
        for k, divergence in epoch.diverged.items():
            self._divergences[k] = divergence
            self._ended[k] = epoch.number - 1, epoch.step - len(self.trainer.batches.bounds)

    def _look(self, runs: Sequence[RunDir], epoch: Epoch, scores: Array) -> None:
        """Remember the epoch where it is the best, and stop where it has been for too long."""
        trainer, stopping = self.trainer, self.stage.stopping
        theta, state, _ = trainer.judged
        self.best.see(epoch.number, scores, trainer.apart(theta), trainer.apart(state))
        if stopping:
            self._end(runs, epoch, stopping.see(scores, trainer.training), "stopped early")
        if self._ceilings and epoch.number < self.planned:
            self._pruned |= self._end(runs, epoch, self._ceilings.behind(epoch.number, self.best), "pruned")

    def _end(self, runs: Sequence[RunDir], epoch: Epoch, which: Array, how: str) -> set[int]:
        """Stop those that are still training, unless the configuration changes now; their numbers."""
        ended = {int(k) for k in np.flatnonzero(which & self.trainer.training & self._stays)}
        for k in ended:
            self._ended[k] = epoch.number, epoch.step
            runs[k].event(how, epoch=epoch.number, best_epoch=int(self.best.epochs[k]))
        self.trainer.freeze(which & self._stays)
        return ended

    @property
    def _stays(self) -> bool:
        """Whether the next epoch has the same configuration; else early stopping waits for what comes of that."""
        return goes_on(self.config, self.stage.start, self.trainer.epoch + 1)

    def _save(self, runs: Sequence[RunDir]) -> None:
        """Write the best parameters, where they are new, and what training continues from."""
        standing = self._standing
        now_at = standing.trainer.epoch, standing.trainer.step
        for k, run in enumerate(runs):
            if self.best.epochs[k] > self._best_written[k]:
                save_best(run, self.trainer.network, self.best, k)
                self._best_written[k] = int(self.best.epochs[k])
            if self.continued:
                own = self._over.get(k, standing)
                save_last(run, own.trainer, own.stopping, k, self._ended.get(k, now_at))
        self._written_at = time.monotonic()

    def _close(self, runs: Sequence[RunDir], parts: list[str]) -> list[Outcome]:
        """Save, measure the best parameters of each run, and complete each run.json."""
        self._save(runs)
        if self._steering and self._status(0) != "interrupted":
            self._steering.close(self.trainer.epoch)
        stages = stages_of(self.best.epochs.tolist(), self.configs, self.dataset, [*self._over.values(), self.stage])
        found = {id(s): finals(s.trainer, self.best, self.dataset, parts, self.config) for s in set(stages)}
        ends = zip(runs, stages, layers_of(self.trainer), strict=True)
        return [self._complete(k, run, found[id(s)][k], layers) for k, (run, s, layers) in enumerate(ends)]

    def _complete(self, k: int, run: RunDir, found: AtBest, layers: Layers) -> Outcome:
        status, divergence, pruned = self._status(k), self._divergences.get(k), k in self._pruned
        where = where_diverged(divergence, self.trainer, k) if divergence else None
        (epochs, _), rows = self._ended.get(k, (self.trainer.epoch, self.trainer.step)), self._rows[k]
        ended = self._over.get(k, self.stage)
        symptoms = ended.symptoms(k, run, rows, (epochs, layers), where, self.dataset)
        run.event(status, **(where or {"epoch": epochs}))
        run.update_record(
            status=status,
            ended=now(),
            seconds=sum(row["seconds"] for row in rows),
            epochs=epochs,
            best_epoch=int(self.best.epochs[k]) or None,
            stopped_early=bool(ended.stopping and not self.trainer.training[k] and not divergence and not pruned),
            divergence=where,
            symptoms=symptoms,
            **found,
            **({"pruned": True} if pruned else {}),
            written=run.written(),
        )
        run.log([*summary(record := run.read_record(), ended.configs[k], status, run.events()), *on_stopping(record)])
        return Outcome(run, status, record, rows, ended.configs[k])

    def _status(self, k: int) -> RunStatus:
        if k in self._divergences:
            return "diverged"
        return "interrupted" if self.trainer.training[k] and self.trainer.epoch < self.planned else "done"

    @property
    def planned(self) -> int:
        """Epochs in total, as it is planned now."""
        return at(self.config, self.trainer.epoch + 1).training.epochs
