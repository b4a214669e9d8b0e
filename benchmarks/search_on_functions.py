"""Part of search_quality.py: each strategy on known functions, beside Optuna and twice as many random draws.

A trial reports the value of the function, with noise in half of the rows; the trial with the best report is chosen, and
what counts is the true value there, 0 at best. Medians over the seeds, one problem a seed (see search_functions.py).
Optuna's TPE runs alone with its own defaults, trial by trial. `halving` compares trials after few epochs, which
functions have none of; it has its place among the searches on data.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from optuna_alone import OptunaAlone
from search_functions import Problem, Row

from nnrun.config.space.space import Space
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Strategy

TRIALS = 50
RESAMPLES = 10_000
NOISE, OTHER_SEED = 2, 1000


@dataclass(frozen=True)
class Contender:
    """A column of the table."""

    strategy: type[Strategy]
    trials: int = TRIALS
    shift: int = 0  # of the strategy's seed; the problem stays

    def play(self, row: Row, seed: int) -> float:
        """The true value at the point whose report is best."""
        problem = Problem(row, seed)
        noise = problem.noise * np.random.default_rng([seed, NOISE]).standard_normal(self.trials)
        space = Space.of({f"x{axis}": {"uniform": [0, 1]} for axis in range(row.dimensions)})
        strategy = self.strategy(Brief(space, seed + self.shift, (self.trials,)))
        found: list[tuple[float, float]] = []
        while len(found) < self.trials:
            for point in strategy.ask(self.trials - len(found)):
                true = float(problem(np.array([point.values[key] for key in space.keys])))
                found.append((true + noise[point.number], true))
                strategy.tell(point.number, point.values, found[-1][0])
        return min(found)[1]


CONTENDERS = {
    "random": Contender(STRATEGIES["random"]),
    "random, 2 N": Contender(STRATEGIES["random"], 2 * TRIALS),
    "grid": Contender(STRATEGIES["grid"]),
    "sobol": Contender(STRATEGIES["sobol"]),
    "coarse_to_fine": Contender(STRATEGIES["coarse_to_fine"]),
    "tpe": Contender(STRATEGIES["tpe"]),
    "Optuna": Contender(OptunaAlone),
    "Optuna, other seeds": Contender(OptunaAlone, shift=OTHER_SEED),
}


@dataclass(frozen=True)
class Result:
    """A row of the table: the scores of each contender, one a seed."""

    row: Row
    scores: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Of one contender."""
        return statistics.median(self.scores[name])

    @property
    def interval(self) -> tuple[float, float]:
        """Of Optuna's median: 95% by the bootstrap over the seeds."""
        scores = np.array(self.scores["Optuna"])
        drawn = np.random.default_rng(0).integers(len(scores), size=(RESAMPLES, len(scores)))
        low, high = np.quantile(np.median(scores[drawn], axis=1), [0.025, 0.975])
        return float(low), float(high)

    @property
    def zoom_wins(self) -> bool:
        """Whether coarse_to_fine is better than random with twice the trials."""
        return self.median("coarse_to_fine") < self.median("random, 2 N")

    def place(self, name: str) -> str:
        """Where a median lies: better than Optuna's interval, within, or worse."""
        low, high = self.interval
        return "better" if self.median(name) < low else "worse" if self.median(name) > high else "within"

    def as_json(self) -> dict[str, Any]:
        """Everything, with the scores by seed."""
        about = {"function": self.row.name, "dimensions": self.row.dimensions, "noise": self.row.noise}
        medians = {name: self.median(name) for name in self.scores}
        places = {"tpe": self.place("tpe"), "Optuna, other seeds": self.place("Optuna, other seeds")}
        return about | {
            "medians": medians,
            "optuna_interval": self.interval,
            "coarse_to_fine_wins": self.zoom_wins,
            "places": places,
            "scores": dict(self.scores),
        }

    def as_line(self) -> str:
        """A line of the Markdown table; in bold where a mark is missed."""
        cells = {name: f"{self.median(name):.3g}" for name in self.scores}
        missed = {
            "coarse_to_fine": not self.zoom_wins,
            **{name: self.place(name) == "worse" for name in ("tpe", "Optuna, other seeds")},
        }
        medians = [f"**{cell}**" if missed.get(name) else cell for name, cell in cells.items()]
        low, high = self.interval
        about = [self.row.name, str(self.row.dimensions), f"{self.row.noise:.0%}"]
        return f"| {' | '.join([*about, *medians, f'{low:.3g} to {high:.3g}'])} |"


def _played(task: tuple[Row, str, int]) -> float:
    row, name, seed = task
    return CONTENDERS[name].play(row, seed)


def measure(rows: Sequence[Row], seeds: int, processes: int) -> list[Result]:
    """Every contender on every row."""
    tasks = list(product(rows, CONTENDERS, range(seeds)))
    scores: dict[tuple[Row, str], list[float]] = {}
    with ProcessPoolExecutor(processes) as pool:
        for (row, name, seed), score in zip(tasks, pool.map(_played, tasks, chunksize=seeds), strict=True):
            scores.setdefault((row, name), []).append(score)
            if (name, seed) == ("random", 0):
                print(f"{row.name}, {row.dimensions} dimensions, noise {row.noise}", file=sys.stderr, flush=True)
    return [Result(row, {name: scores[row, name] for name in CONTENDERS}) for row in rows]


def report(results: Sequence[Result]) -> str:
    """The table, and what follows from it."""
    heads = ["function", "d", "noise", *CONTENDERS, "95% of Optuna"]
    table = [f"| {' | '.join(heads)} |", f"| --- {'| --: ' * (len(heads) - 1)}|", *(r.as_line() for r in results)]
    wins = sum(result.zoom_wins for result in results)
    lines = [f"coarse_to_fine({TRIALS}) < random({2 * TRIALS}): {wins} of {len(results)} rows"]
    for name in ("tpe", "Optuna, other seeds"):
        places = [result.place(name) for result in results]
        counts = ", ".join(f"{places.count(place)} {place}" for place in ("within", "better", "worse"))
        lines.append(f"{name}: of {len(results)} medians, beside the 95% interval of Optuna's: {counts}")
    return "\n".join([*table, "", *lines])
