"""Which values of a category have a feature of their own, and what is said of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.kinds import LEAST_ROWS
from nnrun.data.files.spelling import without_fraction
from nnrun.text import percent

if TYPE_CHECKING:
    import pandas as pd

OTHER = "(other)"  # the feature of the values without one of their own

# Unless the configuration says otherwise, all of up to FEW_CATEGORIES values are kept, of more those with rows enough.
FEW_CATEGORIES = 30
MOST_CATEGORIES = 100
LEAST_SHARE = 0.001

MOST_EMBEDDED = 100_000  # values with a row of their own

MOST_NUMBERS = 16  # in a row; 32 and 64 gained nothing in made-up tables of 50 to 5,000 values

MOST_POOLED = 10_000  # values that are kept by name, to tell them later from those that training never saw


Encode = Literal["onehot", "embedding", "auto"]


@dataclass(frozen=True)
class Limits:
    """How many values of a column are kept, and from how many training rows on; None: by the size of the table.

    `encode` says whether a value becomes a feature or a row of an embedding; by `auto` it is a row where more than
    `most` have rows enough.
    """

    most: int = MOST_CATEGORIES
    least: int | None = None
    encode: Encode = "onehot"

    def embedded(self, counts: Mapping[str, int]) -> list[str] | None:
        """The values with a row of their own, the most frequent ones; None where values become features.

        Rows are learned apart from each other, so the share of the table that a value needs does not matter.
        """
        if self.encode == "onehot":
            return None
        least = self.least or (0 if len(counts) <= FEW_CATEGORIES else LEAST_ROWS)
        frequent = [value for value, count in counts.items() if count >= least]
        if self.encode == "auto" and len(frequent) <= self.most:
            return None
        return _by_rows(counts, frequent)[:MOST_EMBEDDED]

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


def embedding_size(rows: int) -> int:
    """Numbers that each of so many rows of an embedding has: fastai's rule, `emb_sz_rule` there, up to MOST_NUMBERS."""
    return max(1, min(MOST_NUMBERS, rows - 1, round(1.6 * math.pow(rows, 0.56))))


def pooled(counts: Mapping[str, int], kept: list[str]) -> tuple[str, ...]:
    """The values that share a feature, the most frequent MOST_POOLED of them."""
    return tuple(_by_rows(counts, list(counts.keys() - set(kept)))[:MOST_POOLED])


def _by_rows(counts: Mapping[str, int], values: list[str]) -> list[str]:
    return sorted(values, key=lambda value: (-counts[value], value))


def codes_of(values: pd.Series[Any], vocabulary: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Position of each label in the vocabulary `(m,)`, −1 for one that is missing or not there."""
    import pandas as pd

    found = pd.Index(vocabulary, dtype=object).get_indexer(pd.Index(values, dtype=object))
    return np.asarray(found, dtype=np.int64)


def names_of(values: Sequence[str], ends: Sequence[str]) -> dict[str, str]:
    """What training calls each of its values, by what may be written: with any of the ends behind it.

    Also without the blanks around it, where it is the only one that is called so then.
    """
    stems = values if len(ends) == 1 else [*map(without_fraction, values)]
    spelled = {f"{stem}{end}": value for stem, value in zip(stems, values, strict=True) for end in ends}
    bare = Counter(map(str.strip, values))
    return {text: value for value in values if (text := value.strip()) and bare[text] == 1} | spelled


def name_of(names: Mapping[str, str], text: str) -> str | None:
    """What training calls a value, by its text as it stands, else without blanks around it; None for an unknown one.

    Before that without spaces before it alone, which training from text did not see.
    """
    return next((names[one] for one in (text, text.lstrip(" "), text.strip()) if one in names), None)


def notices_of(column: str, counts: Mapping[str, int], kept: Sequence[str], embedding: int | None) -> list[str]:
    """Notices on values that learn so many numbers, or share a feature or a row; in how many rows, and by which key."""
    rows = sum(counts.values())
    outside, others = rows - sum(counts[value] for value in kept), len(counts) - len(kept)
    told = f"column {column!r}: each of {len(kept):,} values learns {embedding} numbers (an embedding)"
    if not outside:
        return [] if embedding is None else [told]
    share = percent(outside / rows)
    if embedding is None:
        return [
            f"column {column!r}: {others:,} of {len(counts):,} values, in {share} of the rows, share the feature "
            f"'{column}={OTHER}'; data.max_categories and data.rare_below say which have one of their own"
        ]
    return [
        f"{told}; the other {others:,}, in {share} of the rows, share those of unseen values; data.rare_below says "
        "which have their own"
    ]
