"""What random search would be expected to reach, from the trials of a search that were drawn at random.

Dodge, Gururangan, Card, Schwartz and Smith, "Show Your Work: Improved Reporting of Experimental Results", EMNLP 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnrun.search.ledger import Record
from nnrun.search.strategies import Strategy

FEWEST = 5  # draws; fewer say next to nothing about the distribution


def expected_minimum(values: Sequence[float], draws: int) -> float:
    """Of this many independent draws from the empirical distribution of the values, B in number.

    The lowest of N draws is at least the i-th lowest value with probability ((B − i + 1) / B)^N.
    """
    count = len(values)
    at_least = (np.arange(count, -1, -1) / count) ** draws
    return float((at_least[:-1] - at_least[1:]) @ np.sort(values))


def random_search_expected(records: Sequence[Record], strategy: Strategy) -> dict[str, Any] | None:
    """For as many trials as there are records; None where the strategy drew too few from the whole space.

    A trial that failed or diverged counts like the worst one that did not.
    """
    drawn = [record["metric"] for record in records if strategy.independent(record["number"])]
    finished = [metric for metric in drawn if metric is not None]
    if len(drawn) < FEWEST or not finished:
        return None
    values = [max(finished) if metric is None else metric for metric in drawn]
    return {"value": expected_minimum(values, len(records)), "trials": len(records), "draws": len(drawn)}
