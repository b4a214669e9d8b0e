"""Which parameter mattered: PED-ANOVA over the finished trials, and what a random search is expected to reach.

Watanabe, Bansal & Hutter, PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces, IJCAI
2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnrun.config.space.domains import Choice
from nnrun.config.space.intervals import Domain
from nnrun.config.space.space import Space
from nnrun.config.values import Settings
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.search.plan import Plan
from nnrun.search.record import Expected, TrialRecord
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Strategy

BEST_SHARE = 0.3  # of the trials, that are compared with all; with a fifth, 30 trials tell a third less often
SHUFFLES = 1000  # how often the best are drawn by lot, to see what chance alone would give
BY_CHANCE = 0.01  # share of parameters that seem to matter although they do not
AT_ONCE = 100_000  # places in the order of trials that are drawn together; bounds the memory
ROUNDING = 1e-9  # shares by which equal sums may differ
PLACES = np.linspace(0, 1, 65)  # of the unit axis, at which densities are compared
USUAL = (  # groups of equal rank, most important first
    ("optimizer.learning_rate",),
    ("network.width", "network.hidden", "training.batch_size"),
    ("network.depth", "optimizer.schedule"),
    ("optimizer.beta2", "optimizer.epsilon"),
)
MOMENTUM_GROUP, ADAM_GROUP = 2, 4  # of beta1: momentum's β matters, Adam's and that of its kind hardly ever

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Importance:
    """One parameter's part in the differences between trials."""

    key: str
    share: float  # of all; 0 where chance explains what is seen
    usual: int | None  # its group in the usual order, 1 = matters most
    note: str = ""  # where this search disagrees with the usual order


def importances(space: Space, trials: Sequence[tuple[Settings, float]], optimizer: str = "adam") -> list[Importance]:
    """The parameters, most important first, from settings and results (lower is better; not finite = worst).

    Trials outside the space are left out. The shares add up to 1, or are all 0 if no parameter stands out.
    `optimizer` is the name of the one that was trained with, which decides what is usual for beta1.
    """
    inside = [(values, units, value) for values, value in trials if (units := space.encode(values)) is not None]
    results = np.array([value if math.isfinite(value) else math.inf for _, _, value in inside])
    raw = {}
    for i, parameter in enumerate(space.parameters):
        rows = [j for j, (values, _, _) in enumerate(inside) if parameter in space.active(values)]
        column = np.array([inside[j][1][i] for j in rows])
        raw[parameter.key] = _distance(parameter.domain, column, results[rows]) * len(rows) / max(1, len(inside))
    total = sum(raw.values()) or 1.0
    ranked = sorted(raw, key=lambda key: -raw[key])
    groups = {key: _group(key, optimizer) for key in ranked}
    notes = _disagreements(ranked, raw, groups)
    return [Importance(key, raw[key] / total, groups[key], notes.get(key, "")) for key in ranked]


def comparable(plan: Plan, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials of a search that tell what matters: drawn from the whole space, and trained equally long."""
    kept = STRATEGIES[plan.strategy].compared(plan.brief(), (record["number"] for record in records))
    return [record for record in records if record["number"] in kept]


def _distance(domain: Domain, units: Floats, results: Floats) -> float:
    """How unlike the best trials' values are to all, beyond what chance gives on average; units, results: (trials,).

    0 where that is no more than 99 of 100 shuffles of the same results give.
    """
    n = len(units)
    if n < 2 or np.ptp(units) == 0:
        return 0.0
    parts = _parts_in_best(results)
    if np.ptp(parts) == 0:  # all are level: nothing to explain but the dust of sums
        return 0.0
    kernel = _kernel(domain, units)
    everywhere = kernel.mean(axis=0)
    seen = float(_divergence(parts @ kernel, everywhere))
    rng, size = np.random.default_rng(0), max(1, AT_ONCE // n)
    by_chance = np.concatenate([
        _divergence(rng.permuted(np.tile(parts, (min(size, SHUFFLES - start), 1)), axis=1) @ kernel, everywhere)
        for start in range(0, SHUFFLES, size)
    ])  # fmt: skip
    clearly = seen > np.quantile(by_chance, 1 - BY_CHANCE, method="higher") * (1 + ROUNDING)
    return max(0.0, seen - float(by_chance.mean())) if clearly else 0.0


def _parts_in_best(results: Floats) -> Floats:
    """The weight of each trial among the best, (trials,), which adds up to 1: equally good ones have equal parts."""
    best = max(1, round(BEST_SHARE * len(results)))
    last = np.sort(results)[best - 1]
    parts = (results < last).astype(float)
    level = results == last
    parts[level] = (best - parts.sum()) / level.sum()
    return np.asarray(parts / best)


def _kernel(domain: Domain, units: Floats) -> Floats:
    """What each trial adds to the density at each place, (trials, places); every row adds up to 1."""
    if isinstance(domain, Choice):
        chosen = np.minimum((units * domain.count).astype(int), domain.count - 1)
        return np.asarray(np.eye(domain.count)[chosen] * 0.9 + 0.1 / domain.count)
    width = max(0.02, units.std() * len(units) ** -0.2)  # Scott's rule
    density = np.exp(-0.5 * ((units[:, None] - PLACES) / width) ** 2) + 1e-12
    return np.asarray(density / density.sum(axis=1, keepdims=True))


def _divergence(best: Floats, everywhere: Floats) -> Any:
    """Pearson's divergence of densities along the last axis."""
    return ((best - everywhere) ** 2 / everywhere).sum(axis=-1)


def _group(key: str, optimizer: str) -> int | None:
    if key == "optimizer.beta1":
        rule = OPTIMIZERS[optimizer]
        return ADAM_GROUP if rule.adaptive and rule.uses_beta1 else MOMENTUM_GROUP
    return next((i for i, group in enumerate(USUAL, start=1) if key in group or _parent(key) in group), None)


def _parent(key: str) -> str:
    return key.rpartition(".")[0]


def _disagreements(
    ranked: Sequence[str], shares: Mapping[str, float], groups: Mapping[str, int | None]
) -> dict[str, str]:
    """Notes on parameters that mattered at least twice as much as one which usually comes before them."""
    known = [(key, group) for key in ranked if (group := groups[key]) is not None]
    notes = {}
    for i, (key, group) in enumerate(known):
        overtaken = [other for other, theirs in known[i + 1 :] if theirs < group and shares[key] > 2 * shares[other]]
        if overtaken:
            notes[key] = f"mattered more here than {' and '.join(overtaken)}, usually less"
    return notes


FEWEST = 5  # draws; fewer say next to nothing about the distribution


def random_search_expected(records: Sequence[TrialRecord], strategy: Strategy) -> Expected | None:
    """Of as many trials as the strategy drew from the whole space; None where these are too few, or all that it drew.

    They are a random search themselves, so their best value is an estimate without bias. Of more trials than there are
    draws nothing can be told: no estimate from draws comes below the best of them.
    """
    drawn = [record["metric"] for record in records if strategy.independent(record["number"])]
    finished = [metric for metric in drawn if metric is not None]
    if len(drawn) < FEWEST or not finished:
        return None
    return {"value": min(finished), "trials": len(drawn), "draws": len(drawn)}
