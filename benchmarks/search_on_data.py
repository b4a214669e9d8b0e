"""Part of search_quality.py: how good the best trial of a search on real data is, and how many epochs it took.

Every search is one of `nnrun search`, run directories and all; two run beside each other with one worker each, which
changes no trial. Trial 0 is the config as written, which lies outside the space. Reported: the best dev error, by which
a search chooses, and the test error of the chosen network. The first half of 100 random trials is what 50 would be.

halving is asked for two sizes: with as many fresh trials as random has, and with as many as a third of random's epochs
pay for. An epoch that a continued trial has from its parent is counted once.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from optuna_alone import OptunaAlone

from nnrun.config.load import load_config
from nnrun.config.space.space import Space
from nnrun.runs.rundir import RunDir
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.coarse_to_fine import SIZE
from nnrun.search.strategies.coarse_to_fine_halving import WHOLE
from nnrun.search.strategies.halving import rung_table
from nnrun.search.strategies.strategy import Brief
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin

DATA_SETS = ("digits", "breast_cancer")
TRIALS, EPOCHS = 50, 30
CONFIG = """\
data: {{source: {data}}}
network: {{hidden: [64]}}
training: {{epochs: {epochs}}}
search:
  trials: {trials}
  strategy: {strategy}
  space:
    optimizer.learning_rate: {{log: [1e-4, 1e-1]}}
    optimizer.beta1: {{one_minus_log: [0.9, 0.999]}}
    regularization.l2: {{log: [1e-4, 10]}}
    network.width: {{choice: [32, 64, 128]}}
    training.batch_size: {{choice: [32, 64, 128]}}
"""


@dataclass(frozen=True)
class Score:
    """What one search came to."""

    contender: str
    dev_error: float
    test_error: float | None  # None for the part of a longer search: the test part is read once a search
    epochs: int


def halving_costs(trials: int) -> tuple[int, int]:
    """Fresh trials and epochs of a search by halving, the config's own included."""
    table = rung_table(Brief(Space(()), 0, (trials,), EPOCHS, first=1))
    before = [table[i - 1].epochs if rung.level else 0 for i, rung in enumerate(table)]
    fresh = sum(rung.size for rung in table if not rung.level)
    return 1 + fresh, EPOCHS + sum(rung.size * (rung.epochs - had) for rung, had in zip(table, before, strict=True))


def most_trials(fresh: float, epochs: float) -> int:
    """The longest search by halving with at most so many fresh trials and epochs."""
    trials = 1
    while all(cost <= most for cost, most in zip(halving_costs(trials + 1), (fresh, epochs), strict=True)):
        trials += 1
    return trials


HALVED = "halving, as many fresh trials", most_trials(TRIALS, TRIALS * EPOCHS / 3)
THIRD = "halving, a third of the epochs", most_trials(10**6, TRIALS * EPOCHS / 3)
SEARCHES = {
    "random": ("random", 2 * TRIALS),
    HALVED[0]: ("halving", HALVED[1]),
    THIRD[0]: ("halving", THIRD[1]),
    "coarse_to_fine": ("coarse_to_fine", TRIALS),
    "coarse_to_fine_halving, 48 fresh": ("coarse_to_fine_halving", TRIALS // SIZE * WHOLE),
    "tpe": ("tpe", TRIALS),
    "Optuna": ("optuna", TRIALS),
}


def searched(task: tuple[str, str, int]) -> list[Score]:
    """One search; of random, the scores of its first half and of the whole."""
    data, name, seed = task
    strategy, trials = SEARCHES[name]
    text = CONFIG.format(data=data, epochs=EPOCHS, trials=trials, strategy=strategy)
    STRATEGIES["optuna"] = OptunaAlone  # a strategy like the others, as long as this process lives
    with tempfile.TemporaryDirectory() as folder:
        outcome = begin(load_config(None, [f"seed={seed}"], text=text), Path(folder), Options(), Watcher())
        scores = [_score(name, outcome, TRIALS)] if name == "random" else []
        return [*scores, _score(f"{name}, 2 N" if scores else name, outcome, trials)]


def _score(contender: str, outcome: SearchOutcome, trials: int) -> Score:
    """Of the first so many trials."""
    records = outcome.records[:trials]
    parents = [RunDir(outcome.run.path / f"trials/{r['number']:04d}").read_json("run.json")["parent"] for r in records]
    epochs = sum((r["epochs"] or 0) - (p["epoch"] if p else 0) for r, p in zip(records, parents, strict=True))
    best = min(record["final"]["dev_error"] for record in records if record["status"] == "done")
    test_error = outcome.record["final"]["test_error"] if trials == len(outcome.records) else None
    return Score(contender, best, test_error, epochs)


def measure(names: Sequence[str], searches: Sequence[str], seeds: int, processes: int) -> dict[str, list[Score]]:
    """Every search on every data set with every seed."""
    tasks = list(product(names, searches, range(seeds)))
    found: dict[str, list[Score]] = {name: [] for name in names}
    with ProcessPoolExecutor(processes) as pool:
        for (data, name, seed), scores in zip(tasks, pool.map(searched, tasks), strict=True):
            found[data] += scores
            if not seed:
                print(f"{data}: {name}", file=sys.stderr, flush=True)
    return found


def table(data: str, scores: Sequence[Score]) -> str:
    """Markdown; errors in per cent."""
    lines = [f"| {data} | best dev error, median | mean | test error, mean | epochs, median |", "| --- " * 5 + "|"]
    for contender in dict.fromkeys(score.contender for score in scores):
        own = [score for score in scores if score.contender == contender]
        dev, test = [score.dev_error for score in own], [s.test_error for s in own if s.test_error is not None]
        cells = [statistics.median(dev), statistics.mean(dev), statistics.mean(test) if test else None]
        shown = ["–" if cell is None else f"{cell:.2%}" for cell in cells]
        epochs = statistics.median(score.epochs for score in own)
        lines.append(f"| {' | '.join([contender, *shown, f'{epochs:,.0f}'])} |")
    return "\n".join(lines)
