"""How long the trials of a search will take, from a few steps that are timed before the first."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np

from nnrun.config.config import Config
from nnrun.config.overrides import configured
from nnrun.data.dataset import Dataset
from nnrun.engine.trainer import TRAIN_SAMPLE, Trainer
from nnrun.errors import NnrunError
from nnrun.installation import command
from nnrun.machine import threads
from nnrun.runs.assembly import batch_size, make_trainer
from nnrun.runs.engines import ready_engine
from nnrun.search.state import Search
from nnrun.search.strategies import STRATEGIES
from nnrun.text import counted, remaining

STEPS, ROWS = 40, 4096  # that are timed at most; as many batches as the steps need are taken from the data
FIRST = 2  # steps that say how many are worth timing: an engine may do many before it can be asked to end
SECONDS = 0.3  # of timing, unless these take longer
BESIDE = 0.01  # seconds that a trial takes besides: for its directory, for its lines, and until the disk has both
LONG = 300.0  # seconds of a search that its user should know of


def epoch_seconds(config: Config, dataset: Dataset) -> float:
    """What an epoch of one run alone takes: its steps, and what it measures on training sample and dev set.

    By the engine that will train it, if that need not be compiled for this, in one thread, as many as a worker has.
    """
    rows, dev = (len(dataset.parts[part].x) for part in ("train", "dev"))
    size = batch_size(config, rows)
    fixed, engine = configured(config, {"training.batch_size": size}), ready_engine(config)

    def timed(steps: int) -> tuple[Trainer, float]:
        few = {part: dataset.parts[part].take(slice(rows)) for part, rows in (("train", steps * size), ("dev", ROWS))}
        trainer = make_trainer([fixed], replace(dataset, parts=few), engine)
        return trainer, _seconds_of_step(trainer)

    with np.errstate(all="ignore"), threads.alone():
        trainer, step = timed(FIRST)
        if (steps := min(STEPS, int(SECONDS / step))) > FIRST:
            trainer, step = timed(steps)
        began = time.perf_counter()
        trainer.engine.measure(trainer)
        rows_measured = len(trainer.on_train.examples) + len(trainer.on_dev.examples)
        measured = (time.perf_counter() - began) / rows_measured
    return step * rows / size + measured * (dev + min(rows, max(TRAIN_SAMPLE, dev)))


def _seconds_of_step(trainer: Trainer) -> float:
    """In an epoch: the median of those that are done one after the other, or of groups that are done at once."""
    taken, done, before = list[float](), 0, time.perf_counter()
    for last in trainer.steps():
        now = time.perf_counter()
        taken.append((now - before) / (last - done))
        done, before = last, now
    return statistics.median(taken)


def expected_time(search: Search) -> list[str]:
    """A line on how long the trials that are left take, and what to do where that is long or more than is asked for.

    Nothing where none is left, or the config as written cannot be trained, which its trial will tell.
    """
    folds = search.config.data.folds if search.config.data.in_folds else None
    finished = [r["number"] for r in search.ledger.read()[0] if r["number"] < search.total]
    if not (left := search.total - len(finished)):
        return []
    try:
        epoch = epoch_seconds(search.config, search.dataset) * (folds or 1)
    except NnrunError:
        return []
    whole = not STRATEGIES[search.plan.strategy].continues_trials
    in_all = search.plan.epochs_of_all - sum(map(search.plan.epochs_of, finished))
    seconds = (epoch * in_all + BESIDE * left) / min(left, search.executor.workers)
    work = f"{counted(left, 'trial')} of {counted(search.plan.epochs if whole else in_all, 'epoch')}"
    work += "" if whole or left == 1 else " in all"
    work += f" in each of {folds} folds" if folds else ""
    some = "up to" if search.config.regularization.early_stopping else "about"
    lines = [f"time     {some} {remaining(max(1.0, seconds))} for {work}, if all are like the config as written"]
    if seconds > LONG and whole and search.options.limits.get("timeout") is None:
        lines.append(
            f"note     that is long: --timeout {LONG:.0f} ends it then, --strategy halving trains most trials less"
        )
    return lines if finished else [*lines, *_several_networks(search)]


def _several_networks(search: Search) -> list[str]:
    """What each trial trains, where it is an ensemble whose size is not searched; a proposed config is one."""
    networks = search.config.network.ensemble
    if networks == 1 or "network.ensemble" in search.space.keys:
        return []
    later = command("ensemble", "latest", "--seeds", str(networks))
    return [
        f"note     each trial trains {networks} networks (network.ensemble), which takes up to {networks} times as "
        f"long: --set network.ensemble=1 searches with one, and `{later}` makes {networks} of the best then"
    ]
