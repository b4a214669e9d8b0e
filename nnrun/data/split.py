"""Which rows are for training, dev and test; keyed by the split seed alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nnrun.data.files.table import Floats, Indices

AUTO_FRACTION = 0.2
AUTO_LIMIT = 10_000
_ROUNDING = 1e-6  # of n times a share
PARTS = ("train", "dev", "test")
NO_PART = -1  # of a row that is left out

Rule = Literal["stratified", "random", "groups", "time", "files"]
Ratios = Literal["auto"] | Sequence[float]
Values = npt.NDArray[Any]
Assignment = npt.NDArray[np.int8]


STRETCH = 1 << 20  # rows that are looked at together, where their numbers would take eight bytes each


@dataclass(frozen=True)
class Split:
    """The part of each row as its place in PARTS `(n,)`, NO_PART for one that is left out; the rule, and notices."""

    part_of: Assignment
    rule: Rule
    notices: list[str]

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each part that has any."""
        counts = np.bincount(self.part_of + 1, minlength=len(PARTS) + 1)[1:].tolist()
        return {part: count for part, count in zip(PARTS, counts, strict=True) if count}

    def rows(self, part: str) -> Iterator[Indices]:
        """The rows of a part, ascending, stretch by stretch."""
        for start in range(0, len(self.part_of), STRETCH):
            yield start + np.flatnonzero(self.part_of[start : start + STRETCH] == PARTS.index(part))


class TooFewError(ValueError):
    """There are fewer rows, or groups, than parts."""

    def __init__(self, count: int, unit: str, parts: int) -> None:
        way_out = ", or do without a test set (data.split: [0.8, 0.2, 0])" if parts == len(PARTS) else ""
        super().__init__(f"{count} {unit}{'' if count == 1 else 's'} for {parts} parts; add {unit}s{way_out}")


def part_sizes(n: int, split: Ratios) -> tuple[int, int, int]:
    """Rows of train, dev and test out of n; `auto` gives dev and test a fifth each, at most 10,000 rows.

    Halves are rounded up, dev's alone where test has one too: [0.7, 0.15, 0.15] of 10 rows are 7, 2 and 1. So no part
    is a whole row away from its share but those that would be empty. Raises TooFewError if one would stay so.
    """
    if split == "auto":
        dev = test = min(_nearest(n * AUTO_FRACTION), AUTO_LIMIT)
    else:
        dev, test = (_nearest(n * float(fraction)) for fraction in split[1:])
        test -= n * float(split[0]) - (n - dev - test) > 1 - _ROUNDING
    dev = max(dev, 1)
    test = max(test, 1) if split == "auto" or split[2] else 0
    train = n - dev - test
    if train < 1:
        raise TooFewError(n, "row", 3 if test else 2)
    return train, dev, test


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


def split_rows(
    n: int,
    split: Ratios,
    seed: int,
    *,
    classes: Values | None = None,
    groups: Values | None = None,
    times: Values | None = None,
) -> Split:
    """Split n rows; `classes`, `groups` and `times` are `(n,)` or None. Raises TooFewError.

    Groups stay together (sizes are then met as far as groups allow); times send the latest rows to test; else
    classes, if given, are stratified.
    """
    sizes = part_sizes(n, split)
    if times is not None:
        return _by_time(times, sizes)
    if groups is not None:
        return Split(_by_group(groups, sizes, seed), "groups", [])
    rule: Rule = "random" if classes is None else "stratified"
    return Split(_assigned(_cut(random_order(n, seed, classes), sizes)), rule, [])


def _assigned(parts: Sequence[Values]) -> Assignment:
    part_of = np.zeros(sum(map(len, parts)), np.int8)
    for place, rows in enumerate(parts):
        part_of[rows] = place
    return part_of


def random_order(n: int, seed: int, classes: Values | None) -> Values:
    """All rows in random order; with classes, every stretch of it holds about as large a share of each.

    The i-th of a class's k rows stands at (i + 1/2) / k of the way, so a class of a single row stands in the middle.
    """
    numbers = np.arange(n, dtype=np.uint32 if n <= 1 << 32 else np.int64)  # shuffled alike, in half the memory
    order = np.random.default_rng(np.random.SeedSequence(seed)).permutation(numbers)
    return order if classes is None else order[np.argsort(_places(classes[order]), kind="stable")]


def _places(classes: Values) -> Floats:
    """Where each row stands among those of its class, `(n,)` from 0 to 1."""
    places = np.empty(len(classes))
    for label in np.unique(classes):
        rows = np.flatnonzero(classes == label)
        steps = np.arange(len(rows), dtype=np.float64)
        steps += 0.5
        steps /= len(rows)
        places[rows] = steps
    return places


def _cut(order: Values, sizes: tuple[int, int, int]) -> tuple[Values, Values, Values]:
    """The parts; train is cut from the middle, where the row of a class that has no other stands."""
    _, dev, test = sizes
    return order[test : len(order) - dev], order[len(order) - dev :], order[:test]


def _by_time(times: Values, sizes: tuple[int, int, int]) -> Split:
    order = np.argsort(times, kind="stable")
    cuts = np.cumsum(sizes)[:2]
    notices = [
        f"rows of the same time stand on both sides of the cut between {before} and {after}"
        for before, after, cut in zip(PARTS, PARTS[1:], cuts, strict=False)
        if cut < len(order) and times[order[cut - 1]] == times[order[cut]]
    ]
    return Split(_assigned(np.split(order, cuts)), "time", notices)


def _by_group(groups: Values, sizes: tuple[int, int, int], seed: int) -> Assignment:
    """Hand out whole groups in random order: to test while they fit, then to dev, else to train."""
    codes = np.unique(groups, return_inverse=True)[1]
    counts = np.bincount(codes)
    room = {name: size for name, size in zip(PARTS, sizes, strict=True) if size}
    if len(counts) < len(room):
        raise TooFewError(len(counts), "group", len(room))
    members: dict[str, list[int]] = {name: [] for name in room}
    for group in np.random.default_rng(np.random.SeedSequence(seed)).permutation(len(counts)):
        part = next((name for name in ("test", "dev") if room.get(name, 0) >= counts[group]), "train")
        members[part].append(int(group))
        room[part] -= int(counts[group])
    _fill_empty(members, counts)
    home = np.zeros(len(counts), np.int8)
    for name, groups_of in members.items():
        home[groups_of] = PARTS.index(name)
    return home[codes]


def _fill_empty(members: dict[str, list[int]], counts: npt.NDArray[np.int64]) -> None:
    """An empty part takes the smallest group of the part that has most groups."""
    for part in members:
        if not members[part]:
            donor = max(members.values(), key=len)
            smallest = min(donor, key=lambda group: counts[group])
            donor.remove(smallest)
            members[part].append(smallest)
