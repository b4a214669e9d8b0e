"""What a column is like in the training part, in a few numbers, so that new rows can be compared with it later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NotRequired, TypedDict

import numpy as np

from nnrun.data.facts.tallies import Moments
from nnrun.data.files.values import Floats

SAMPLED_ROWS = 20_000  # of the training part, at most, that quantiles are of
QUANTILES = 10  # pieces with as many values in each
DIGITS, MOST_DIGITS = 6, 15  # of a quantile; the share of values up to it is counted after it was rounded
MOST_COUNTED = 20  # categories, the most frequent ones


class WrittenProfile(TypedDict):
    """A column of the training part: its rows, how many of them have no value, and what the others hold.

    Numbers, true as 1 and dates as seconds since 1970, have their range, mean and deviation; numbers also some `edges`,
    and the share of values up to each of these among so many that were `sampled`. Categories have how many rows the
    most frequent ones have, and how many values stand in one row alone.
    """

    rows: int
    missing: int
    low: NotRequired[float]
    high: NotRequired[float]
    mean: NotRequired[float]
    deviation: NotRequired[float]
    edges: NotRequired[list[float]]
    shares: NotRequired[list[float]]
    sampled: NotRequired[int]
    counts: NotRequired[dict[str, int]]
    once: NotRequired[int]


class WrittenProfiles(TypedDict):
    """The profiles of the columns that are learned from, and that of the target."""

    columns: dict[str, WrittenProfile]
    target: WrittenProfile


def of_moments(rows: int, moments: Moments) -> WrittenProfile:
    """A column of numbers of which so many rows were seen, those without a value too."""
    profile: WrittenProfile = {"rows": rows, "missing": rows - moments.count}
    if moments.count:
        profile |= {"low": moments.low, "high": moments.high, "mean": moments.mean, "deviation": moments.deviation}
    return profile


def of_numbers(rows: int, moments: Moments, sample: Floats) -> WrittenProfile:
    """The profile of a column of numbers with quantiles, of a sample of the values `(m,)`, missing = NaN."""
    profile, present = of_moments(rows, moments), np.sort(sample[~np.isnan(sample)])
    if len(present):
        places = np.ceil(np.arange(QUANTILES + 1) / QUANTILES * len(present)).astype(np.int64) - 1
        edges = _rounded(np.unique(present[np.maximum(places, 0)]))
        shares = np.searchsorted(present, edges, side="right") / len(present)
        profile |= {
            "edges": edges.tolist(),
            "shares": [round(share, DIGITS) for share in shares.tolist()],
            "sampled": len(present),
        }
    return profile


def _rounded(quantiles: Floats) -> Floats:
    """Different quantiles `(k,)` with as few digits as keep them apart, as those of 5,812,345 ± 1 need more."""
    for digits in range(DIGITS, MOST_DIGITS + 1):
        edges = np.unique([float(f"{value:.{digits}g}") for value in quantiles])
        if len(edges) == len(quantiles):
            break
    return edges


def of_counts(rows: int, counts: Mapping[str, int]) -> WrittenProfile:
    """A column of categories, from how many rows each value has."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "rows": rows,
        "missing": rows - sum(counts.values()),
        "counts": dict(ordered[:MOST_COUNTED]),
        "once": Counter(counts.values())[1],
    }
