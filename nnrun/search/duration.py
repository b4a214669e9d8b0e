"""How long the trials of a search will take, from a few steps that are timed before the first."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np

from nnrun.config.config import Config
from nnrun.config.space.settings import configured
from nnrun.data.dataset import Dataset, Part
from nnrun.engine.trainer import TRAIN_SAMPLE, Trainer
from nnrun.errors import NnrunError
from nnrun.runs.assembly import batch_size, make_trainer
from nnrun.search.state import Search
from nnrun.search.strategies import STRATEGIES
from nnrun.text import counted, remaining

STEPS, ROWS = 40, 4096  # that are timed at most; as many batches as the steps need are taken from the data
SECONDS = 0.3  # of timing, unless a single step takes longer
LONG = 300.0  # seconds of a search that its user should know of


def epoch_seconds(config: Config, dataset: Dataset) -> float:
    """What an epoch of one network alone takes: its steps, and what it measures on training sample and dev set."""
    rows, dev = (len(dataset.parts[part].x) for part in ("train", "dev"))
    size = batch_size(config, rows)
    few = {"train": _first(dataset.parts["train"], STEPS * size), "dev": _first(dataset.parts["dev"], ROWS)}
    fixed = configured(config, {"training.batch_size": size})
    with np.errstate(all="ignore"):
        trainer = make_trainer([fixed], replace(dataset, parts=few))
        step = _seconds_of_step(trainer)
        began = time.perf_counter()
        trainer.on_dev(trainer.bound)
        measured = (time.perf_counter() - began) / len(few["dev"].x)
    return step * rows / size + measured * (dev + min(rows, max(TRAIN_SAMPLE, dev)))


def _first(part: Part, rows: int) -> Part:
    return Part(part.x[:rows], part.y[:rows], None if part.weights is None else part.weights[:rows])


def _seconds_of_step(trainer: Trainer) -> float:
    taken, began = [], time.perf_counter()
    before = began
    for _ in trainer.steps():
        now = time.perf_counter()
        taken.append(now - before)
        before = now
        if now - began > SECONDS:
            break
    return statistics.median(taken)


def told(search: Search) -> list[str]:
    """A line on how long the trials that are left take, and what to do where that is long.

    Nothing where none is left, or the config as written cannot be trained, which its trial will tell.
    """
    epochs, left = search.config.training.epochs, search.total - len(search.ledger.read()[0])
    try:
        each = epoch_seconds(search.config, search.dataset) * epochs if left > 0 else 0.0
    except NnrunError:
        return []
    if left <= 0:
        return []
    seconds = each * left / min(left, search.options.workers)
    work = f"{counted(left, 'trial')} of {counted(epochs, 'epoch')}"
    lines = [f"time     about {remaining(max(1.0, seconds))} for {work}, if all are like the config as written"]
    whole = not STRATEGIES[search.plan.strategy].continues_trials
    if seconds > LONG and whole and search.options.timeout is None:
        lines.append(
            f"note     that is long: --timeout {LONG:.0f} ends it then, --strategy halving trains most trials less"
        )
    return lines
