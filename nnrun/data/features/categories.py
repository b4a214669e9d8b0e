"""Which values of a category have a feature of their own, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnrun.data.facts.kinds import LEAST_ROWS
from nnrun.text import percent

OTHER = "(other)"  # the feature of the values without one of their own

# Unless the configuration says otherwise, all of up to FEW_CATEGORIES values are kept, of more those with rows enough.
FEW_CATEGORIES = 30
MOST_CATEGORIES = 100
LEAST_SHARE = 0.001

MOST_POOLED = 10_000  # values that are kept by name, to tell them later from those that training never saw


@dataclass(frozen=True)
class Limits:
    """How many values of a column are kept, and from how many training rows on; None: by the size of the table."""

    most: int = MOST_CATEGORIES
    least: int | None = None

    def kept(self, counts: Mapping[str, int], rows: int) -> list[str]:
        """The values with a feature of their own: the most frequent ones, ties in order of text."""
        least = self._least(len(counts), rows)
        if len(counts) <= self.most and all(count >= least for count in counts.values()):
            return list(counts)
        frequent = [value for value, count in counts.items() if count >= least and value != OTHER]
        return _by_rows(counts, frequent)[: self.most]

    def _least(self, different: int, rows: int) -> float:
        if self.least is not None:
            return self.least
        return 0 if different <= FEW_CATEGORIES else max(LEAST_ROWS, LEAST_SHARE * rows)


USUAL = Limits()


def pooled(counts: Mapping[str, int], kept: list[str]) -> tuple[str, ...]:
    """The values that share a feature, the most frequent MOST_POOLED of them."""
    return tuple(_by_rows(counts, list(counts.keys() - set(kept)))[:MOST_POOLED])


def _by_rows(counts: Mapping[str, int], values: list[str]) -> list[str]:
    return sorted(values, key=lambda value: (-counts[value], value))


def pooled_notice(column: str, counts: Mapping[str, int], kept: int, outside: int) -> str:
    """That some values share a feature, how many, in how many rows, and which keys change that."""
    share = percent(outside / sum(counts.values()))
    return (
        f"column {column!r}: {len(counts) - kept:,} of {len(counts):,} values, in {share} of the rows, share "
        f"the feature '{column}={OTHER}'; data.max_categories and data.rare_below say which have one of their own"
    )
