"""What became of an old ranking: its correlation with today's, the place of its best, and its best beside fresh draws.

Everything is told from the values of today by setting and seed, `(settings, seeds)`, lower is better, infinite where a
training has none; the old settings come first, the best of them at the top.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.installation import as_options, command
from nnrun.search.record import TrialRecord
from nnrun.search.retests.record import Group, OldBest, Ranking, Result, RetestRecord, Verdict

DRAWS = 2000  # of a bootstrap, and of shuffles
SURE = 0.95
BY_CHANCE = 0.05  # how often chance alone may give what is taken for an order

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Gap(NamedTuple):
    """How much worse one setting is than another, over the seeds that both were trained with."""

    difference: float
    interval: tuple[float, float]

    @property
    def clear(self) -> bool:
        """Whether it is worse beyond the luck of seeds, and of having been picked among many."""
        return self.interval[0] > 0


def results(values: Floats) -> list[Result]:
    """Mean, deviation and rank of each setting; values: (settings, seeds)."""
    means = values.mean(axis=1)
    ranks = 1 + (means[:, None] > means).sum(axis=1)
    found: list[Result] = []
    for row, mean, rank in zip(values, means, ranks, strict=True):
        spread = float(row.std(ddof=1)) if len(row) > 1 and np.isfinite(row).all() else math.inf
        lost = int((~np.isfinite(row)).sum())
        found.append({"mean": _number(mean), "deviation": _number(spread), "lost": lost, "rank": int(rank)})
    return found


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _signs(values: Floats) -> Floats:
    """Which of two values is higher, for each pair, (n, n); infinite ones are level."""
    return np.asarray((values[:, None] > values).astype(float) - (values[:, None] < values))


def correlation(one: Floats, other: Floats) -> float:
    """Kendall's τ-b of two lists of values; NaN where all of one are level.

    Kendall, The treatment of ties in ranking problems, Biometrika 1945.
    """
    a, b = _signs(one), _signs(other)
    pairs = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / pairs if pairs else math.nan


def ranking(then: Floats, values: Floats, all_values: Floats) -> Ranking:
    """The order of the old settings, then and today; then: (old,), values: (old, seeds)."""
    today = values.mean(axis=1)
    seen = correlation(then, today)
    agreement = _agreement(all_values)
    if math.isnan(seen):
        return {"correlation": None, "interval": None, "chance": None, "agreement": agreement, "holds": None}

    def drawn(rng: np.random.Generator) -> float:
        settings, seeds = (rng.integers(0, n, n) for n in values.shape)
        return correlation(then[settings], values[settings][:, seeds].mean(axis=1))

    low, high = _interval(drawn)
    upward, downward = _chances(seen, lambda rng: correlation(rng.permutation(then), today))
    holds = True if low > 0 and upward <= BY_CHANCE else False if high < 0 and downward <= BY_CHANCE else None
    return {
        "correlation": seen,
        "interval": [low, high],
        "chance": min(upward, downward),
        "agreement": agreement,
        "holds": holds,
    }


def _agreement(values: Floats) -> float | None:
    """The mean correlation of the order by one seed with that by the others, which luck leaves of a true order."""
    seeds = values.shape[1]
    if seeds < 2:
        return None
    found = [correlation(values[:, s], np.delete(values, s, axis=1).mean(axis=1)) for s in range(seeds)]
    told = [each for each in found if not math.isnan(each)]
    return float(np.mean(told)) if told else None


def _interval(drawn: Callable[[np.random.Generator], float]) -> tuple[float, float]:
    """The middle 95% of a number over the draws of a bootstrap."""
    rng = np.random.default_rng(0)
    found = [value for value in (drawn(rng) for _ in range(DRAWS)) if not math.isnan(value)]
    low, high = np.quantile(found or [math.nan], [(1 - SURE) / 2, (1 + SURE) / 2])
    return float(low), float(high)


def _chances(seen: float, shuffled: Callable[[np.random.Generator], float]) -> tuple[float, float]:
    """How often shuffles come to as much, and to as little; what was seen counts as one of them."""
    rng = np.random.default_rng(1)
    found = np.array([shuffled(rng) for _ in range(DRAWS)])
    dust = 1e-9
    return (
        float((1 + (found >= seen - dust).sum()) / (DRAWS + 1)),
        float((1 + (found <= seen + dust).sum()) / (DRAWS + 1)),
    )


def group(values: Floats, old: int, tried: int, agreement: float | None) -> Group:
    """The old settings beside the fresh ones; `tried` is of how many they were the best."""
    means = values.mean(axis=1)

    def drawn(rng: np.random.Generator) -> float:
        seeds = rng.integers(0, values.shape[1], values.shape[1])
        best, fresh = (part[rng.integers(0, len(part), len(part))][:, seeds] for part in (values[:old], values[old:]))
        return _wins(best.mean(axis=1), fresh.mean(axis=1))

    def shuffled(rng: np.random.Generator) -> float:
        mixed = rng.permutation(means)
        return _wins(mixed[:old], mixed[old:])

    wins = _wins(means[:old], means[old:])
    low, high = _interval(drawn)
    chance, _ = _chances(wins, shuffled)
    expected = 0.5 + (0.5 - 0.5 * old / tried) * max(0.0, agreement or 0.0)
    better = True if low > 0.5 and chance <= BY_CHANCE else False if high < expected else None
    return {"wins": wins, "interval": [low, high], "chance": chance, "expected": expected, "better": better}


def _wins(one: Floats, other: Floats) -> float:
    """The share of pairs in which the first is lower."""
    return float((one[:, None] < other).mean() + (one[:, None] == other).mean() / 2)


def best(values: Floats) -> OldBest | None:
    """The setting that was the best, beside the best of all others today; None where there is no other."""
    if len(values) < 2:
        return None
    means = values.mean(axis=1)
    against = 1 + int(np.argmin(means[1:]))
    found = gap(values, 0, against)
    lost = math.isinf(means[0]) and math.isfinite(means[against])
    return {
        "today": _number(means[0]),
        "rank": int(1 + (means < means[0]).sum()),
        "against": against,
        "difference": found and found.difference,
        "interval": found and [*found.interval],
        "among_the_best": False if lost else None if found is None else not found.clear,
    }


def fresh_is_ahead(values: Floats, old: int) -> bool:
    """Whether the best fresh setting is clearly better than the best old one."""
    means = values.mean(axis=1)
    if len(values) == old:
        return False
    first, fresh = int(np.argmin(means[:old])), old + int(np.argmin(means[old:]))
    found = gap(values, first, fresh)
    return found.clear if found else bool(means[fresh] < means[first])


def gap(values: Floats, one: int, other: int) -> Gap | None:
    """How much worse `one` is than `other`, paired over the seeds; None where that is not known.

    The spread of what seeds do is pooled over the better half of the settings, and the interval is wide enough for all
    comparisons with one of them at once (Bonferroni): the other was picked for its result.
    """
    from scipy.special import stdtrit

    settings, seeds = values.shape
    means = values.mean(axis=1)
    if not (math.isfinite(means[one]) and math.isfinite(means[other])) or seeds < 2:
        return None
    near = [i for i in np.argsort(means, kind="stable")[: max(2, -(-settings // 2))] if math.isfinite(means[i])]
    rows = values[sorted({one, other, *near})]
    rest = rows - rows.mean(axis=1, keepdims=True) - rows.mean(axis=0) + rows.mean()
    degrees = (len(rows) - 1) * (seeds - 1)
    spread = math.sqrt(float((rest**2).sum()) / degrees * 2 / seeds)
    width = float(stdtrit(degrees, 1 - (1 - SURE) / 2 / (settings - 1))) * spread
    difference = float(means[one] - means[other])
    return Gap(difference, (difference - width, difference + width))


def judged(record: RetestRecord, trials: Sequence[TrialRecord], resolved: str) -> Verdict | None:
    """The verdict on all trials of those seeds that every setting has ended with; None while there is no such seed.

    `resolved` is the config that a new search would begin with.
    """
    values = _by_seed(record, trials)
    if not values.shape[1]:
        return None
    then = np.array([each["then"] for each in record["settings"] if each["then"] is not None])
    old = len(then)
    order = ranking(then, values[:old], values)
    beside = None
    if old < len(values):
        beside = group(values, old, record["search"]["settings"], order["agreement"])
    ahead = fresh_is_ahead(values, old)
    holds = order["holds"] if order["holds"] is not None else beside and beside["better"]
    again, why = _advice(order, beside, holds, ahead)
    return {
        "seeds": values.shape[1],
        "results": results(values),
        "ranking": order,
        "best": best(values),
        "group": beside,
        "holds": holds,
        "search_again": again,
        "why": why,
        "command": command("search", resolved) if again else _wider(record) if again is None else None,
    }


def _by_seed(record: RetestRecord, trials: Sequence[TrialRecord]) -> Floats:
    """(settings, seeds), of the seeds that are complete."""
    count = len(record["settings"])
    found = {trial["number"]: math.inf if trial["metric"] is None else trial["metric"] for trial in trials}
    places = range(count)
    whole = [s for s in range(len(record["seeds"])) if all(s * count + i in found for i in places)]
    return np.array([[found[s * count + i] for s in whole] for i in places], dtype=float)


def _advice(order: Ranking, beside: Group | None, holds: bool | None, ahead: bool) -> tuple[bool | None, str]:
    """Whether to search again, and why."""
    if ahead:
        return True, "a fresh setting clearly does better than every old one"
    if beside and beside["better"] is False:
        return True, "the old settings do hardly better than fresh ones"
    if holds is False and not (beside and beside["better"]):
        return True, "the order of the old settings has turned round"
    if holds is None:
        return None, "too little to tell; more settings or seeds tell more"
    if beside and beside["better"]:
        return False, "the old settings still do better than fresh ones"
    return False, "the order is the old one, and no fresh setting clearly does better"


def _wider(record: RetestRecord) -> str:
    """The same retest with twice as much."""
    asked, search = record["asked"], record["search"]
    top = min(2 * asked["top"], search["settings"])
    words = [search["path"], *([asked["config"]] if asked["config"] else []), *as_options(asked["set"])]
    return command("retest", *words, "--top", str(top), "--seeds", str(2 * asked["seeds"]))
