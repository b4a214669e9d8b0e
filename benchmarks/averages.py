"""Errors of averaged weights with batch norm, by where the averages' means and variances come from.

Raw weights train as always, and beside them stand averages of them: over the steps (`ema`, decay 0.999) and over the
ends of the epochs of the second half (`swa`). The means and variances of batch norm that go with an average are either
`averaged` in the same way, step by step, or `recomputed` after each epoch: those of up to 2,048 training rows that go
through the averaged network at once, dropout and augmentation off. One training gives all of that, on the same rows and
batches. Of each the epoch with the lowest dev error counts, as in a run, and its test error. Errors are the share of
wrong classes, or 1 − R². A seed decides the split, the initial weights and the batches.

nnrun averages them; the other way stands here alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from environment import restart_cleaned
from made_tables import MADE

from nnrun.config.data_section import BUNDLED
from nnrun.config.load import Loaded, load_config
from nnrun.data.dataset import load_dataset
from nnrun.engine.evaluation import Evaluator
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.layers import BatchNorm, Mode
from nnrun.engine.network import Bound, Observer
from nnrun.engine.optimizers import Average
from nnrun.engine.parameters import Array, Buffers
from nnrun.engine.sampling import sample
from nnrun.engine.stopping import Best, scores_of
from nnrun.engine.trainer import Trainer
from nnrun.engine.transform import Steps
from nnrun.insight.scaffold.verbs import Wishes, scaffold
from nnrun.runs.assembly import examples, make_trainer

TABLES = ("digits", "breast_cancer", "diabetes", "bank", "rides")
EPOCHS, ROWS, RECOMPUTED_FROM = 60, 3_000, 2_048
SHAPES = ("[64]", "[64, 64]")
WAYS = {"ema": {"ema": 0.999}, "swa": {"swa": EPOCHS // 2 + 1}}
STATISTICS = ("averaged", "recomputed")
SETTINGS = ["network.batch_norm=true", f"training.epochs={EPOCHS}", "training.engine=numpy"]

Errors = dict[str, list[float]]  # of `raw`, `ema, averaged` and so on, one a seed


class Standing(NamedTuple):
    """An average beside the raw weights, all `(1, size)`."""

    way: Average
    theta: Array
    state: Array  # averaged
    recomputed: Array

    def follow(self, trainer: Trainer, step: int, of_epoch: int) -> None:
        """Move as theta has moved, after a step of the next epoch, counted from 0, of so many."""
        numbers = np.arange(trainer.step + 1.0, trainer.step + 1 + of_epoch)[:, None, None]
        kept = self.way.kept(Steps(numbers, numbers, numbers, trainer.epoch + 1))
        share = kept[step].astype(self.theta.dtype)
        for average, raw in ((self.theta, trainer.theta), (self.state, trainer.state)):
            average[...] = share * average + (1 - share) * raw


def standing(trainer: Trainer, options: dict[str, float]) -> Standing:
    """One that has seen nothing yet."""
    h = Hyperparameters.of(**options)
    return Standing(Average(h.ema, h.swa), *(np.copy(v) for v in (trainer.theta, trainer.state, trainer.state)))


def one_training(loaded: Loaded, folder: Path) -> dict[str, tuple[float, float]]:
    """Dev and test error of the best epoch of each way."""
    config = loaded.config
    dataset = load_dataset(config.data, config.training.dtype, folder / "cache")
    averages: dict[str, Standing] = {}

    def engine(trainer: Trainer, see: Observer | None) -> Iterator[int]:
        for index, batch in enumerate(trainer.batches.epoch(trainer.epoch + 1)):
            trainer.differentiate(batch, see)
            trainer.optimizer.step(index)
            for average in averages.values():
                average.follow(trainer, index, len(trainer.batches.bounds))
            yield index + 1

    trainer = make_trainer([config], dataset, lambda trainer: engine)
    averages |= {name: standing(trainer, options) for name, options in WAYS.items()}
    rows = sample(examples(dataset, "train"), RECOMPUTED_FROM).x
    best: dict[str, Best] = {}
    for epoch in trainer.epochs(EPOCHS):
        for name, theta, state in judged(trainer, averages, rows):
            loss, error = trainer.on_dev(bound_to(trainer, theta, state))
            best.setdefault(name, Best(1)).see(epoch.number, scores_of(error, loss), theta, state)
    on_test = Evaluator(trainer.network, trainer.recipe.loss, examples(dataset, "test"))
    return {
        name: (float(found.scores[0, 0]), float(on_test(bound_to(trainer, found.theta, found.state))[1][0]))
        for name, found in best.items()
    }


def judged(trainer: Trainer, averages: dict[str, Standing], rows: Array) -> Iterator[tuple[str, Array, Array]]:
    """All that an epoch ends with, by name: theta and state."""
    yield "raw", trainer.theta, trainer.state
    for name, average in averages.items():
        recompute(trainer, average, rows)
        for kind, state in zip(STATISTICS, (average.state, average.recomputed), strict=True):
            yield f"{name}, {kind}", average.theta, state


def recompute(trainer: Trainer, average: Standing, rows: Array) -> None:
    """Let running averages forget all but the rows that pass."""
    bound = bound_to(trainer, average.theta, average.recomputed)
    forgetting = [
        named._replace(layer=replace(named.layer, momentum=0.0)) if isinstance(named.layer, BatchNorm) else named
        for named in bound
    ]
    trainer.network.forward(forgetting, rows[None], Mode(train=True, buffers=Buffers(rows.dtype)))


def bound_to(trainer: Trainer, theta: Array, state: Array) -> list[Bound]:
    """The layers with these numbers."""
    return trainer.network.bind(theta, state, trainer.gradient)


def config_of(table: str, folder: Path) -> Path:
    """The config that `nnrun init` writes, of a bundled set or of a table that is made."""
    config = folder / f"{table}.yaml"
    source = table if table in BUNDLED else str(MADE[table].write(folder, ROWS))
    target = None if table in BUNDLED else MADE[table].target
    config.write_text(scaffold(source, Wishes(target), config).text, encoding="utf-8")
    return config


def measure(tables: list[str], seeds: range) -> dict[str, tuple[Errors, Errors]]:
    """By table and hidden layers: dev and test errors."""
    found: dict[str, tuple[Errors, Errors]] = {}
    with tempfile.TemporaryDirectory() as name, np.errstate(all="ignore"):
        folder = Path(name)
        for table, hidden in itertools.product(tables, SHAPES):
            print(f"{table} {hidden} ...", file=sys.stderr, flush=True)
            config, (dev, test) = config_of(table, folder), found.setdefault(f"{table} {hidden}", ({}, {}))
            for seed in seeds:
                seeded = [f"seed={seed}", f"data.split_seed={seed}"]
                loaded = load_config(config, [*seeded, f"network.hidden={hidden}", *SETTINGS])
                for way, errors in one_training(loaded, folder).items():
                    dev.setdefault(way, []).append(errors[0])
                    test.setdefault(way, []).append(errors[1])
    return found


def report(found: dict[str, tuple[Errors, Errors]]) -> str:
    """Markdown: mean errors in per cent, and what recomputing adds to averaging, with its standard error."""
    lines = [
        "| table, hidden | average | raw: dev | test | averaged: dev | test | recomputed: dev | test "
        "| beside averaged: dev | test |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, parts in found.items():
        for way in WAYS:
            columns = ["raw", *(f"{way}, {kind}" for kind in STATISTICS)]
            means = [f"{100 * statistics.mean(part[column]):.2f}" for column in columns for part in parts]
            added = [_difference(part[columns[2]], part[columns[1]]) for part in parts]
            lines.append(f"| {name} | {way} | {' | '.join([*means, *added])} |")
    return "\n".join(lines)


def _difference(errors: list[float], others: list[float]) -> str:
    """In per cent, seed by seed."""
    differences = [100 * (error - other) for error, other in zip(errors, others, strict=True)]
    return f"{statistics.mean(differences):+.2f} ± {statistics.stdev(differences) / len(differences) ** 0.5:.2f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", action="append", choices=(*BUNDLED, *MADE), help="this one, may be repeated")
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    parser.add_argument("--json", action="store_true", help="errors for a program")
    options = parser.parse_args()
    restart_cleaned()
    found = measure(options.table or list(TABLES), range(options.seeds))
    print(json.dumps(found) if options.json else report(found))


if __name__ == "__main__":
    main()
