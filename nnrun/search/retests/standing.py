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

from nnrun.engine.scores import Objective
from nnrun.installation import as_options, command, elsewhere
from nnrun.runs.rundir import RunDir
from nnrun.search.record import TrialRecord
from nnrun.search.retests.record import Group, OldBest, OldSearch, Ranking, Result, RetestRecord, RetestVerdict
from nnrun.search.strategies import STRATEGIES

DRAWS = 1000  # of a bootstrap, and of shuffles
SURE = 0.95
BY_CHANCE = 0.05  # how often chance alone may give what is taken for an order
WORTH = 0.05  # of what the best lacks to be perfect: a difference that is smaller counts as none

Floats = NDArray[np.float64]


class Gap(NamedTuple):
    """How much worse one setting is than another, over the seeds that both were trained with."""

    difference: float
    interval: tuple[float, float]


class Today(NamedTuple):
    """The values by setting and seed, and from which difference on they differ."""

    values: Floats
    worth: float

    @property
    def means(self) -> Floats:
        """Of each setting."""
        return np.asarray(self.values.mean(axis=1))


def worth(values: Floats, metric: Objective) -> float:
    """The least difference that counts: a share of what the best of these lacks to 0, or to 1 of what is maximised."""
    best = float(values.min())
    return WORTH * abs(best + 1 if metric.maximised else best) if math.isfinite(best) else 0.0


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


def signs(values: Floats, least: float = 0.0) -> Floats:
    """Which of two values is higher, for each pair, (n, n); those that differ by no more than `least` are level."""
    ordered = (values[:, None] > values + least).astype(float)
    return np.asarray(ordered - ordered.T)


def correlation(one: Floats, other: Floats) -> float:
    """Kendall's τ-b of two orders as `signs` has them; NaN where in one of them all are level.

    Kendall, The treatment of ties in ranking problems, Biometrika 1945.
    """
    pairs = math.sqrt(float((one * one).sum()) * float((other * other).sum()))
    return float((one * other).sum()) / pairs if pairs else math.nan


def ranking(then: Floats, old: Today, all_: Today, least: float) -> Ranking:
    """The order of the old settings, then and today; then: (old,), of which differences up to `least` are none."""
    first, values = signs(then, least), old.values
    today = signs(old.means, old.worth)
    seen, agreement = correlation(first, today), _agreement(all_)
    if math.isnan(seen):
        return {"correlation": None, "interval": None, "chance": None, "agreement": agreement, "holds": None}

    def drawn(rng: np.random.Generator) -> float:
        settings, seeds = (rng.integers(0, n, n) for n in values.shape)
        again = signs(values[settings][:, seeds].mean(axis=1), old.worth)
        return correlation(first[np.ix_(settings, settings)], again)

    def shuffled(rng: np.random.Generator) -> float:
        order = rng.permutation(len(first))
        return correlation(first[np.ix_(order, order)], today)

    low, high = _interval(drawn)
    upward, downward = _chances(seen, shuffled)
    holds = True if low > 0 and upward <= BY_CHANCE else False if high < 0 and downward <= BY_CHANCE else None
    return {
        "correlation": seen,
        "interval": [low, high],
        "chance": min(upward, downward),
        "agreement": agreement,
        "holds": holds,
    }


def _agreement(today: Today) -> float | None:
    """The mean correlation of the order by one seed with that by the others, which luck leaves of a true order."""
    values, seeds = today.values, today.values.shape[1]
    if seeds < 2:
        return None
    rest = (np.delete(values, s, axis=1).mean(axis=1) for s in range(seeds))
    pairs = [(signs(values[:, s], today.worth), signs(other, today.worth)) for s, other in enumerate(rest)]
    told = [found for pair in pairs if not math.isnan(found := correlation(*pair))]
    return float(np.mean(told)) if told else None


def _interval(drawn: Callable[[np.random.Generator], float]) -> tuple[float, float]:
    """The middle 95% of a number over the draws of a bootstrap."""
    rng = np.random.default_rng(0)
    found = [value for value in (drawn(rng) for _ in range(DRAWS)) if not math.isnan(value)]
    low, high = np.quantile(found or [math.nan], [(1 - SURE) / 2, (1 + SURE) / 2])
    return float(low), float(high)


def _chances(seen: float, shuffled: Callable[[np.random.Generator], float]) -> tuple[float, float]:
    """How often shuffles come to as much, and to as little; what was seen counts as one of them."""
    rng, dust = np.random.default_rng(1), 1e-9
    found = np.array([shuffled(rng) for _ in range(DRAWS)])
    above, below = (found >= seen - dust).sum(), (found <= seen + dust).sum()
    return float((1 + above) / (DRAWS + 1)), float((1 + below) / (DRAWS + 1))


def group(today: Today, old: int, lead: float, agreement: float | None) -> Group:
    """The old settings beside the fresh ones; `lead` is the share of pairs above a half that they ought to win."""
    values, level = today.values, today.worth

    def drawn(rng: np.random.Generator) -> float:
        seeds = rng.integers(0, values.shape[1], values.shape[1])
        best, fresh = (part[rng.integers(0, len(part), len(part))][:, seeds] for part in (values[:old], values[old:]))
        return _wins(best.mean(axis=1), fresh.mean(axis=1), level)

    def shuffled(rng: np.random.Generator) -> float:
        mixed = rng.permutation(today.means)
        return _wins(mixed[:old], mixed[old:], level)

    wins = _wins(today.means[:old], today.means[old:], level)
    low, high = _interval(drawn)
    chance, _ = _chances(wins, shuffled)
    expected = 0.5 + lead * max(0.0, agreement or 0.0)
    better = True if low > 0.5 and chance <= BY_CHANCE else False if high < expected else None
    return {"wins": wins, "interval": [low, high], "chance": chance, "expected": expected, "better": better}


def _wins(one: Floats, other: Floats, level: float) -> float:
    """The share of pairs in which the first is lower; a pair that is level is half of one."""
    lower, higher = one[:, None] + level < other, one[:, None] > other + level
    return float(0.5 + (lower.mean() - higher.mean()) / 2)


def best(today: Today) -> OldBest | None:
    """The setting that was the best, beside the best of all others today; None where there is no other."""
    if len(today.values) < 2:
        return None
    means = today.means
    against = 1 + int(np.argmin(means[1:]))
    found = gap(today.values, 0, against)
    lost = math.isinf(means[0]) and math.isfinite(means[against])
    return {
        "today": _number(means[0]),
        "rank": int(1 + (means < means[0]).sum()),
        "against": against,
        "difference": found and found.difference,
        "interval": found and [*found.interval],
        "among_the_best": False if lost else None if found is None else found.interval[0] <= today.worth,
    }


def fresh_is_ahead(today: Today, old: int) -> bool:
    """Whether the best fresh setting is clearly better than the best old one."""
    means = today.means
    if len(means) == old:
        return False
    first, fresh = int(np.argmin(means[:old])), old + int(np.argmin(means[old:]))
    found = gap(today.values, first, fresh)
    return found.interval[0] > today.worth if found else bool(means[fresh] < means[first])


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


def judged(record: RetestRecord, trials: Sequence[TrialRecord], metric: Objective, run: RunDir) -> RetestVerdict | None:
    """The verdict on all trials of those seeds that every setting has ended with; None while there is no such seed.

    `metric` is that of the search, and `run` the retest, with whose config a new search would begin, beside it.
    """
    values = _by_seed(record, trials)
    if not values.shape[1]:
        return None
    then = np.array([each["then"] for each in record["settings"] if each["then"] is not None])
    old, least = len(then), worth(values.mean(axis=1), metric)
    today = Today(values, least)
    order = ranking(then, Today(values[:old], least), today, worth(then, metric))
    beside = None
    if old < len(values):
        beside = group(today, old, _lead(record["search"], old), order["agreement"])
    ahead = fresh_is_ahead(today, old)
    holds = order["holds"] if order["holds"] is not None else beside and beside["better"]
    again, why = _advice(order, beside, ahead)
    return {
        "seeds": values.shape[1],
        "results": results(values),
        "ranking": order,
        "best": best(today),
        "group": beside,
        "holds": holds,
        "search_again": again,
        "why": why,
        "command": _next(record, again, run),
    }


def _lead(search: OldSearch, old: int) -> float:
    """What the best few of many draws have before further draws, if nothing is left to luck; else nobody knows."""
    return 0.5 - 0.5 * old / search["settings"] if STRATEGIES[search["strategy"]].drawn else 0.0


def _by_seed(record: RetestRecord, trials: Sequence[TrialRecord]) -> Floats:
    """(settings, seeds), of the seeds that are complete."""
    count = len(record["settings"])
    found = {trial["number"]: math.inf if trial["metric"] is None else trial["metric"] for trial in trials}
    places = range(count)
    whole = [s for s in range(len(record["seeds"])) if all(s * count + i in found for i in places)]
    return np.array([[found[s * count + i] for s in whole] for i in places], dtype=float)


def _advice(order: Ranking, beside: Group | None, ahead: bool) -> tuple[bool | None, str]:
    """Whether to search again, and why."""
    if ahead:
        return True, "a fresh setting clearly does better than every old one"
    if order["holds"]:
        return False, "the order is the old one, and no fresh setting clearly does better"
    if beside and beside["better"]:
        among = ", though the order among them cannot be told" if order["holds"] is None else ""
        return False, f"the old settings still do better than fresh ones{among}"
    if beside and beside["better"] is False:
        return True, "the old settings do hardly better than fresh ones"
    if order["holds"] is False:
        return True, "the order of the old settings has turned round"
    return None, "more settings or more seeds may tell"


def _next(record: RetestRecord, again: bool | None, run: RunDir) -> str | None:
    """A new search, or the same retest with twice as much where it cannot be told whether there ought to be one."""
    if again is False:
        return None
    beside = elsewhere(run.path.parent)
    if again:
        return command("search", str(run.resolved), *beside)
    asked, search = record["asked"], record["search"]
    top = min(2 * asked["top"], search["settings"])
    words = [search["path"], *([asked["config"]] if asked["config"] else []), *as_options(asked["set"])]
    return command("retest", *words, "--top", str(top), "--seeds", str(2 * asked["seeds"]), *beside)
