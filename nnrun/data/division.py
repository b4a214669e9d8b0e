"""The parts of the data: one source cut by the split rule, or a source for each part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrun.data.facts.survey import Survey
from nnrun.data.files.table import Table
from nnrun.data.files.values import Indices
from nnrun.data.fitted import WrittenSplit
from nnrun.data.groups import ranked
from nnrun.data.mixtures import mixtures
from nnrun.data.split import (
    NO_PART,
    STORED,
    Assignment,
    Folds,
    Rule,
    Split,
    TooFewError,
    held_out,
    part_sizes,
    split_rows,
    without_test,
)
from nnrun.errors import DataError
from nnrun.text import counted, listed, set_name

if TYPE_CHECKING:
    from nnrun.config.data_section import Data

Codes = npt.NDArray[np.int32]
Locate = Callable[[int, str], str]  # row and column of the one source -> the place of the cell

NO_TEST = "there is no test set: the dev error, by which models are chosen, is no longer an unbiased estimate"
ALL_TRAIN = "all rows train, so there is no dev set: what epochs call dev is measured on the same rows"


@dataclass(frozen=True)
class Division:
    """The split of each source, `all` or one for each part, and what the user should know about it.

    `of_groups` is a number for each row of a source whose rows come in groups, `of_times` its place in time of one that
    is split by that.
    """

    splits: Mapping[str, Split]
    notices: list[str] = field(default_factory=list)
    of_groups: Mapping[str, Codes] = field(default_factory=dict)
    of_times: Mapping[str, Codes] = field(default_factory=dict)

    @property
    def rule(self) -> Rule:
        """How the parts came about."""
        return next(iter(self.splits.values())).rule

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: rows for split in self.splits.values() for part, rows in split.sizes.items()}

    @property
    def groups(self) -> dict[str, int]:
        """How many each part has whose rows come in such."""
        found: dict[str, int] = {}
        for source, codes in self.of_groups.items():
            split = self.splits[source]
            found |= {part: len(np.unique(codes[split.part_of == STORED.index(part)])) for part in split.sizes}
        return found

    @property
    def sha256(self) -> str:
        """Hash of the numbers of all rows, part by part."""
        digest = hashlib.sha256()
        for part in self.sizes:
            for split in self.splits.values():
                for rows in split.rows(part):
                    digest.update(rows.astype("<i8", copy=False).data)
        return digest.hexdigest()

    def take(self, source: str, table: Table) -> Iterator[tuple[str, Table]]:
        """The rows of each part among those of a piece of a source."""
        part_of = self.part_of(source, table)
        for place, part in enumerate(STORED):
            rows = np.flatnonzero(part_of == place)
            if len(rows):
                yield part, _taken(table, rows)

    def divided(self, source: str, table: Table) -> tuple[Assignment, dict[str, Codes], Table]:
        """The rows of a piece of a source that are in a part; of each the place of that in STORED, group and time."""
        part_of = self.part_of(source, table)
        rows = np.flatnonzero(part_of != NO_PART)
        known = {axis: of[source] for axis, of in (("g", self.of_groups), ("t", self.of_times)) if source in of}
        return part_of[rows], {axis: codes[table.row(0) + rows] for axis, codes in known.items()}, _taken(table, rows)

    def part_of(self, source: str, table: Table) -> Assignment:
        """The place in STORED of the part of each row of a piece of a source, `(rows,)`; NO_PART of one in none."""
        return self.splits[source].part_of[table.row(0) :][: len(table)]


def _taken(table: Table, rows: Indices) -> Table:
    return table if len(rows) == len(table) else table.take(rows)


def divide(config: Data, found: Mapping[str, Survey], classes: tuple[str, ...] | None, locate: Locate) -> Division:
    """The part of every row; raises DataError if a part would come out empty, or a class be absent from training."""
    by_class = classes is not None
    splits = {part: _split(config, s, by_class) if part == "all" else _whole(part, s) for part, s in found.items()}
    if config.train_dev is not None:
        source = next(iter(found))  # the only one, or that of the training part
        splits[source] = _held_out(config, splits[source], found[source], by_class)
    notices = [notice for split in splits.values() for notice in split.notices]
    notices += [*_extra_columns(found), *_without_target(found), *_classes_absent(found, splits, classes, locate)]
    notices += [ALL_TRAIN] if config.without_dev else []
    groups = {part: s.group.codes for part, s in found.items() if s.group}
    division = Division(splits, notices, groups, {part: ranked(s.time.times) for part, s in found.items() if s.time})
    told = "test" in division.sizes or config.without_dev
    return division if told else replace(division, notices=[*notices, NO_TEST])


def folds_of(config: Data) -> Folds | None:
    """The folds that the rows are cut into; None of them is dev where each is to be in turn."""
    if config.folds is None:
        return None
    return Folds(config.folds, config.fold if isinstance(config.fold, int) else None)


def _whole(part: str, found: Survey) -> Split:
    return _over_all(Split(np.full(_usable(found), STORED.index(part), np.int8), "files", []), found)


def _split(config: Data, found: Survey, by_class: bool) -> Split:
    there = found.target.there
    kept = slice(None) if there is None else there
    with _explained(found):
        split = split_rows(
            _usable(found),
            config.split,
            config.split_seed,
            classes=found.target.labels.codes[kept] if by_class and found.target.labels else None,
            groups=None if found.group is None else found.group.codes[kept],
            times=None if found.time is None else found.time.times[kept],
            folds=folds_of(config),
        )
    return _over_all(split, found)


def _held_out(config: Data, split: Split, found: Survey, by_class: bool) -> Split:
    """The split with a share of its training rows as train_dev."""
    classes = found.target.labels.codes if by_class and found.target.labels else None
    groups = None if found.group is None else found.group.codes
    with _explained(found):
        return held_out(split, config.train_dev or 0.0, config.split_seed, classes, groups)


def _over_all(split: Split, found: Survey) -> Split:
    """Of the rows with a target a split of all rows; those without one are in no part."""
    there = found.target.there
    if there is None:
        return split
    part_of = np.full(found.rows, NO_PART, np.int8)
    part_of[there] = split.part_of
    return replace(split, part_of=part_of)


def _usable(found: Survey) -> int:
    """Rows with a target."""
    return found.rows - (found.target.column.missing if found.target.may_be_missing else 0)


def _without_target(found: Mapping[str, Survey]) -> list[str]:
    told = []
    for survey in found.values():
        if survey.target.there is not None:
            column = survey.target.column
            rows = f"{counted(column.missing, 'row')} of {survey.rows:,}"
            told.append(f"{rows} without a target left out (data.missing_target), the first: {column.first_missing}")
    return told


def check_rows(config: Data, found: Mapping[str, Survey]) -> None:
    """Raise DataError if the one source has fewer rows than there are parts."""
    if "all" in found:
        with _explained(found["all"]):
            part_sizes(_usable(found["all"]), without_test(config.split) if config.folds else config.split)


@contextmanager
def _explained(found: Survey) -> Iterator[None]:
    try:
        yield
    except TooFewError as error:
        raise DataError(f"{found.head.name}: {error}", ("data", error.key)) from None


def _classes_absent(
    found: Mapping[str, Survey], splits: Mapping[str, Split], classes: tuple[str, ...] | None, locate: Locate
) -> list[str]:
    """Raise DataError if a class is absent from train; a notice for each other part, or for folds, that lack one."""
    if classes is None:
        return []
    notices = []
    folds = splits["all"].folds if "all" in splits else None
    for part, counts in _rows_by_class(found, splits, classes).items():
        absent = [label for label, count in zip(classes, counts, strict=True) if not count]
        if absent and part == "train":
            raise DataError(_absent_from_train(found["all"], splits["all"], absent[0], locate))
        if absent:
            where = f"the {part} part{_of(folds) if part == 'dev' else ''}"
            notices.append(f"{set_name(where)} has no row of class {', '.join(absent)}")
        if folds and folds.dev is None and part == "train":
            notices += _rare(dict(zip(classes, counts, strict=True)), folds)
    return notices


def _rare(rows: Mapping[str, int], folds: Folds) -> list[str]:
    """A notice on classes with fewer rows than there are folds, each of which should have one."""
    rare = [f"{label} ({count})" for label, count in rows.items() if count < folds.count]
    return [f"fewer rows than folds of class {listed(rare)}: some of the {folds.name} have none as dev"] if rare else []


def _rows_by_class(
    found: Mapping[str, Survey], splits: Mapping[str, Split], classes: tuple[str, ...]
) -> dict[str, list[int]]:
    """Rows of each class in each part."""
    counts = {}
    for source, split in splits.items():
        labels = found[source].target.labels
        if labels is None:  # a source of its own whose target holds anything but classes; its first row will say so
            continue
        index = [labels.index.get(label, -1) for label in classes]
        for part in split.sizes:
            codes = labels.codes[split.part_of == STORED.index(part)]
            rows = np.append(np.bincount(codes, minlength=len(labels.index)), 0)
            counts[part] = [int(rows[code]) for code in index]
    return counts


def _absent_from_train(found: Survey, split: Split, label: str, locate: Locate) -> str:
    target = found.target
    assert target.labels is not None
    rows = np.flatnonzero(target.labels.codes == target.labels.index[label])
    count, row = len(rows), rows[np.argmin(split.part_of[rows])]  # the first row in the first part that has one
    cures = mixtures(found, [target.name]) if target.wanted == "auto" else []
    return (
        f"{locate(int(row), target.name)}: class {label!r} has {counted(count, 'row')} and none came into the training "
        f"part{_of(split.folds)}; {'; '.join(cures or [_cure(split), *target.notices])}"
    )


def _of(folds: Folds | None) -> str:
    return f" of {folds.name}" if folds and folds.dev else ""


def _cure(split: Split) -> str:
    if split.folds:
        late = "it comes after the rows that train: take fewer folds, or leave its rows out"
        return late if split.rule == "time" else "add rows of it, or remove it"
    return _CURES.get(split.rule, "add rows of it, remove it, or try another data.split_seed")


_CURES = {  # of rules that draw nothing
    "time": "it comes after the rows that train: give the training part more in data.split, or leave its rows out",
    "files": "add rows of it to the training file, or remove it",
}


def _extra_columns(found: Mapping[str, Survey]) -> list[str]:
    train = next(iter(found.values()))
    return [
        f"column {name!r} of {survey.head.name} is not in {train.head.name} and is ignored"
        for survey in found.values()
        for name in survey.columns
        if name not in train.columns
    ]


def describe_split(config: Data, division: Division) -> WrittenSplit:
    """As data.json has it."""
    by_file = division.rule == "files"
    ratios = config.split if isinstance(config.split, str) else list(config.split)
    written: WrittenSplit = {
        "rule": division.rule,
        "ratios": None if by_file else ratios,
        "seed": None if by_file else config.split_seed,
        "sizes": division.sizes,
        "sha256": division.sha256,
    }
    if groups := division.groups:
        written["groups"] = groups
    if folds := folds_of(config):
        written |= {"folds": folds.count, "fold": folds.dev or "all"}
    return written
