"""What members that share a body cost: an epoch of K of them against K times an epoch of one network.

Beside it stands an ensemble of K networks trained side by side, which share nothing. NumPy engine, Adam, float32, made
rows of ten classes, processor time; the three take turns, epoch after epoch, and a figure is the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator

import numpy as np
from environment import restart_cleaned

from nnrun.engine.evaluation import Examples
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.losses import LOSSES
from nnrun.engine.network import MLP
from nnrun.engine.optimizers import hyperparameters
from nnrun.engine.schedules import Constant
from nnrun.engine.trainer import Recipe, Trainer

SHAPES = ((16, (64, 32)), (64, (128, 64)), (64, (256, 256)))
ROWS, CLASSES, BATCH = 4_096, 10, 64


def main() -> None:
    """A line a shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print rows for a program, and nothing else")
    parser.add_argument("--as-is", action="store_true", help="with this shell's threads and BLAS kernel")
    wishes = parser.parse_args()
    if not wishes.as_is:
        restart_cleaned()
    rows = [measured(n_in, hidden, wishes.members, wishes.repeats) for n_in, hidden in SHAPES]
    if wishes.json:
        json.dump(rows, sys.stdout, indent=2)
        return
    k = wishes.members
    print(f"processor time of an epoch of {ROWS:,} rows in batches of {BATCH}, as shares of {k} times one network's")
    for row in rows:
        print(
            f"{row['network']:>18}  {k} members {row['members']:.2f}  {k} networks side by side {row['networks']:.2f}"
        )


def measured(n_in: int, hidden: tuple[int, ...], k: int, repeats: int) -> dict[str, str | float]:
    """Shares of K times the epoch of one network, and that epoch's seconds."""
    trainers = {"one": trainer(n_in, hidden), "members": trainer(n_in, hidden, members=k)}
    trainers["networks"] = trainer(n_in, hidden, networks=k)
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for repeat in range(repeats + 1):
        for name, each in trainers.items():
            taken = epoch_seconds(each.steps())
            if repeat:  # the first one allocates
                seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    shares = {name: medians[name] / (k * medians["one"]) for name in ("members", "networks")}
    return {"network": "-".join(map(str, (n_in, *hidden, CLASSES))), "one_seconds": medians["one"], **shares}


def epoch_seconds(steps: Iterator[int]) -> float:
    """Processor time of all steps."""
    started = time.process_time()
    for _ in steps:
        pass
    return time.process_time() - started


def trainer(n_in: int, hidden: tuple[int, ...], members: int = 1, networks: int = 1) -> Trainer:
    """On the same made rows for all."""
    random = np.random.default_rng(0)
    x = random.standard_normal((ROWS, n_in)).astype(np.float32)
    rows = Examples(x, (x @ random.standard_normal((n_in, CLASSES))).argmax(axis=1))
    recipe = Recipe(
        mlp=MLP(n_in, hidden, CLASSES, members=members),
        initializer=INITIALIZERS["auto"](),
        loss=LOSSES["cross_entropy"](CLASSES),
        optimizer="adam",
        hyperparameters=hyperparameters("adam", networks),
        schedule=Constant(),
        batch_size=BATCH,
        epochs=100,
    )
    return Trainer(recipe, rows, rows.take(slice(BATCH)), list(range(networks)))


if __name__ == "__main__":
    main()
