"""Which rows are for training, dev and test; keyed by the split seed alone."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from nnrun.data.files.values import Floats, Indices
from nnrun.data.groups import numbered
from nnrun.data.ties import tied, tied_cuts, tied_folds
from nnrun.text import PARTS

AUTO_FRACTION = 0.2
AUTO_LIMIT = 10_000
_ROUNDING = 1e-6  # of n times a share
STORED = ("train", "dev", "test", "train_dev")  # a row's part is kept as its place here
DIVIDED = STORED[:3]  # what a source is cut into; from train the last one is taken
NO_PART = -1  # of a row that is left out

Rule = Literal["stratified", "random", "groups", "time", "files"]
BY_LOT = ("stratified", "random")  # rules that leave one row as good as another, so that parts differ by chance alone
Ratios = Literal["auto"] | Sequence[float]
Values = npt.NDArray[Any]
Of = TypeVar("Of")
Assignment = npt.NDArray[np.int8]


HELD_OUT = 1 << 62  # apart from seeds that a split has
WITHOUT_TEST = (0.8, 0.2, 0.0)


def by_part(found: Mapping[str, Of]) -> dict[str, Of]:
    """Of each part as they are told; where all rows train, dev is the training part itself."""
    return {part: found.get(part, found["train"]) for part in PARTS if part in found or part == "dev"}


STRETCH = 1 << 20  # rows that are looked at together, where their numbers would take eight bytes each


@dataclass(frozen=True)
class Folds:
    """Into how many folds the rows are cut that are not test, and which of them, from 1 on, is dev; None: all train."""

    count: int
    dev: int | None

    @property
    def name(self) -> str:
        """Which part of the whole: `fold 2 of 5`."""
        return f"{self.count} folds" if self.dev is None else f"fold {self.dev} of {self.count}"


@dataclass(frozen=True)
class Split:
    """The part of each row as its place in STORED `(n,)`, NO_PART for one that is left out; the rule, and notices."""

    part_of: Assignment
    rule: Rule
    notices: list[str]
    folds: Folds | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each part that has any."""
        counts = np.bincount(self.part_of + 1, minlength=len(STORED) + 1)[1:].tolist()
        return {part: count for part, count in zip(STORED, counts, strict=True) if count}

    def rows(self, part: str) -> Iterator[Indices]:
        """The rows of a part, ascending, stretch by stretch."""
        for start in range(0, len(self.part_of), STRETCH):
            yield start + np.flatnonzero(self.part_of[start : start + STRETCH] == STORED.index(part))


class TooFewError(ValueError):
    """Raised for fewer rows, or groups, than parts or folds need; `key` of the section says how many these are."""

    def __init__(self, count: int, unit: str, parts: int, folds: Folds | None = None) -> None:
        way_out = ", or do without a test set (data.split: [0.8, 0.2, 0])" if parts == len(DIVIDED) else ""
        asked = f"for {parts} parts; add {unit}s{way_out}"
        if folds:
            asked = f"where {folds.count} folds need {parts}; add {unit}s, or take fewer folds"
        self.key = "folds" if folds else "split"
        super().__init__(f"{count} {unit}{'' if count == 1 else 's'} {asked}")


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
    folds: Folds | None = None,
) -> Split:
    """Split n rows; `classes`, `groups` and `times` are `(n,)` or None. Raises TooFewError.

    Groups stay together (sizes are then met as far as groups allow); times send the latest rows to test; else
    classes, if given, are stratified. With folds test is the same, but by `auto` there is none.
    """
    if folds:
        whole = split_rows(n, without_test(split), seed, classes=classes, groups=groups, times=times)
        return _in_folds(whole, folds, seed, classes, groups, times)
    sizes = part_sizes(n, split)
    if times is not None:
        return _by_time(times, sizes)
    if groups is not None:
        return Split(_by_group(groups, sizes, seed), "groups", [])
    rule: Rule = "random" if classes is None else "stratified"
    return Split(_assigned(_cut(random_order(n, seed, classes), sizes)), rule, [])


def without_test(split: Ratios) -> Ratios:
    """The fractions that folds are cut by: each row is to be dev once, so none is test unless some are asked for."""
    return WITHOUT_TEST if split == "auto" else split


def _in_folds(
    whole: Split, folds: Folds, seed: int, classes: Values | None, groups: Values | None, times: Values | None
) -> Split:
    """What is no test in a split, cut into folds: one is dev; by time those after it are left out."""
    train, dev, test = range(len(DIVIDED))
    rest = np.flatnonzero(whole.part_of != test)
    chosen = [None if values is None else values[rest] for values in (classes, groups, times)]
    home = _homes(len(rest), folds, seed, *chosen)
    part_of = whole.part_of.copy()
    part_of[rest] = train
    if folds.dev is not None:
        part_of[rest[home == folds.dev]] = dev
    if times is None:
        return replace(whole, part_of=part_of, notices=[], folds=folds)
    between = []
    if folds.dev is not None:
        part_of[rest[home > folds.dev]] = NO_PART
    else:
        between = tied_folds([times[rest[home == block]] for block in range(folds.count + 1)])
    found = [times[part_of == part] for part in (train, dev, test)]
    pairs = [(before, after) for before, after in pairwise(np.flatnonzero([len(each) for each in found]).tolist())]
    ties = [tied(STORED[a], STORED[b]) for a, b in pairs if found[a].max() == found[b].min()]
    return replace(whole, part_of=part_of, notices=[*between, *ties], folds=folds)


def _homes(
    n: int, folds: Folds, seed: int, classes: Values | None, groups: Values | None, times: Values | None
) -> Values:
    """The fold of each row, `(n,)` from 1 on; by time 0 for the oldest rows, which are never dev.

    Sizes differ by one row at most, those of each class too; of groups as little as their sizes allow.
    """
    count = folds.count
    needed, unit, there = count, "row", n
    if times is not None:
        needed += 1
    elif groups is not None:
        codes = numbered(groups)
        sizes = np.bincount(codes)
        unit, there = "group", len(sizes)
    if there < needed:
        raise TooFewError(there, unit, needed, folds)
    home = np.empty(n, np.int64)
    if times is not None:
        for block, rows in enumerate(np.array_split(np.argsort(times, kind="stable"), needed)):
            home[rows] = block
        return home
    if groups is not None:
        return _homes_of_groups(sizes, count, seed)[codes]
    order = random_order(n, seed, None)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    home[order] = 1 + np.arange(n) % count
    return home


def _homes_of_groups(sizes: Values, count: int, seed: int) -> Values:
    """The fold of each group: the largest first, each to the fold with the fewest rows so far."""
    order = random_order(len(sizes), seed, None)
    home, folds = np.empty(len(sizes), np.int64), [(0, fold) for fold in range(1, count + 1)]
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        rows, fold = heapq.heappop(folds)
        home[group] = fold
        heapq.heappush(folds, (rows + int(sizes[group]), fold))
    return home


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
    notices = tied_cuts(times[order], sizes, DIVIDED, part_sizes)
    return Split(_assigned(np.split(order, np.cumsum(sizes)[:2])), "time", notices)


def _by_group(groups: Values, sizes: tuple[int, int, int], seed: int) -> Assignment:
    """Hand out whole groups in random order: to test while they fit, then to dev, else to train."""
    codes = numbered(groups)
    counts = np.bincount(codes)
    room = {name: size for name, size in zip(DIVIDED, sizes, strict=True) if size}
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
        home[groups_of] = STORED.index(name)
    return home[codes]


def held_out(split: Split, share: float, seed: int, classes: Values | None, groups: Values | None) -> Split:
    """The split with a share of the training rows as train_dev: of every class alike, or whole groups; TooFewError."""
    rows = np.flatnonzero(split.part_of == STORED.index("train"))
    try:
        cut = split_rows(
            len(rows), (1 - share, share, 0.0), seed + HELD_OUT,
            classes=None if classes is None else classes[rows], groups=None if groups is None else groups[rows],
        )  # fmt: skip
    except TooFewError as error:
        error.key = "train_dev"
        raise
    part_of = split.part_of.copy()
    part_of[rows[cut.part_of == STORED.index("dev")]] = STORED.index("train_dev")
    return replace(split, part_of=part_of)


def _fill_empty(members: dict[str, list[int]], counts: npt.NDArray[np.int64]) -> None:
    """An empty part takes the smallest group of the part that has most groups."""
    for part in members:
        if not members[part]:
            donor = max(members.values(), key=len)
            smallest = min(donor, key=lambda group: counts[group])
            donor.remove(smallest)
            members[part].append(smallest)
