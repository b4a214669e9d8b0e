"""What is known of a table before anything is proposed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnrun.config.data_section import Data, Declared
from nnrun.data.checks import check_roles, check_sizes
from nnrun.data.division import check_rows
from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import Meaning, day_of
from nnrun.data.facts.survey import Survey
from nnrun.data.features.categories import Limits
from nnrun.data.features.learner import Learner
from nnrun.data.files.sources import holds_arrays, target_name
from nnrun.data.files.table import Table, require_single
from nnrun.data.files.values import labels
from nnrun.data.mixtures import check_slips, mixtures
from nnrun.data.prepare import Divided, divided
from nnrun.engine.metrics import Task
from nnrun.errors import DataError, UsageError
from nnrun.insight.scaffold.columns import (
    JudgedColumn,
    judged,
    likely_targets,
    may_be_codes,
    may_group,
    stands_in_many_rows,
    whole,
)
from nnrun.insight.scaffold.reading import Words, as_read
from nnrun.insight.scaffold.weighing import Weighing, weigh

FEWEST_TO_TEST, WITHOUT_TEST = 100, (0.7, 0.3, 0.0)  # rows from which a test part can be spared
MOST_OWN = 300  # values of a category that may have a feature each
IMBALANCED = 0.4  # the rarest class's share over its even share, below which it is asked what counts the same
MOST_CLASSES = 0.5  # classes over rows, from which on a target names the rows


@dataclass(frozen=True)
class Overview:
    """Of a source and its target.

    `source` is as it will stand in the config, `files` maps `all`, or each part, to its rows, and `parts` those of the
    split; `classes` counts the rows of each class, None for a regression; `image` is height, width and channels where
    the features are pixels; `groups` and `dates` are columns by which the rows could be split, `group` and `time` those
    by which they are; `lacking` counts rows without a target; `kinds` were guessed, but for columns that are `typed` as
    categories, as the target may be; `own` counts the values of columns that deserve more features than usual,
    `pooled` says of which columns values share a feature even so;
    `weighing` tells what it changes to count classes that are out of balance the same, None where they are not or have
    too few rows; `metric` is what the user asked for;
    `reading` says how the files were read, `has_names` whether the first line holds the names, `words` what stands
    for a missing number and in which columns, `notices` what else there is to know.
    """

    source: str | Mapping[str, str]
    files: Mapping[str, int]
    parts: Mapping[str, int]
    columns: list[JudgedColumn]
    target: str
    task: Task
    classes: Mapping[str, int] | None
    features: int
    image: Sequence[int] | None
    groups: list[str]
    dates: list[str]
    group: str | None
    time: str | None
    lacking: int
    kinds: Mapping[str, Declared]
    typed: Sequence[str]
    own: Mapping[str, int]
    pooled: Mapping[str, str]
    weighing: Weighing | None
    metric: str | None
    reading: list[str]
    has_names: bool
    words: Words
    sheet: str | None
    notices: list[str]

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(self.files.values())

    @property
    def used(self) -> list[JudgedColumn]:
        """Columns to learn from."""
        return [column for column in self.columns if column.role == "feature"]

    @property
    def balance(self) -> float:
        """Share of the rarest class over the share it would have if all were equal; 1 for a regression."""
        if self.classes is None:
            return 1.0
        return balance(self.classes)

    def distinct(self, name: str) -> int:
        """How many different values a column has."""
        return next(column.distinct for column in self.columns if column.name == name)

    @property
    def left_out(self) -> list[JudgedColumn]:
        """Columns that say nothing about new rows."""
        return [column for column in self.columns if column.role == "left out"]


def balance(classes: Mapping[str, int]) -> float:
    """Share of the rarest of these classes, by their rows, over the share it would have if all were equal."""
    return min(classes.values()) * len(classes) / sum(classes.values())


def gather(config: Data, source: str | Mapping[str, str], metric: str | None, typed: Sequence[str]) -> Overview:
    """Look at the source; `source` is what the config will call it, `metric` what the user wants to be good.

    Columns are judged by the first piece, which of most files is all of it; rows and classes are counted to the end,
    as in training; those that are `typed` are categories by a type of which the source does not tell. Raises DataError
    for data that nothing can be learned from; UsageError, with the columns, if the target is open.
    """
    config, table, words, by_type = as_read(config, typed)
    has_names = config.format.header is not False
    target = _target(config, table, has_names)
    found = Survey(table, target, config.task, may_lack_target=True)
    found.see(table)
    kinds, columns = _guessed(config, table, _judge(config, table, found))
    _check(config, table, found, columns)
    used = [column for column in columns if column.role == "feature"]
    own = {column.name: column.distinct for column in used if _keeps_its_own(table, column, config)}
    data = divided(_as_proposed(config, table, target, columns, kinds, max([config.max_categories, *own.values()])))
    classes = None if data.classes is None else _counts(data.reference, data.classes)
    learners = [_learned(table, found.columns[column.name], kinds, data) for column in used]
    return Overview(
        source=source,
        files={part: found.rows for part, found in data.found.items()},
        parts=data.division.sizes,
        columns=columns,
        target=target,
        task=data.task,
        classes=classes,
        features=sum(len(learner.column.features) for learner in learners),
        image=data.image,
        groups=_groups(table, used, kinds.keys() - by_type),
        dates=[column.name for column in used if day_of(found.columns[column.name].meaning.format or "")],
        group=config.group,
        time=config.time,
        lacking=sum(survey.target.column.missing for survey in data.found.values()),
        kinds=kinds,
        typed=[name for name in by_type if name in kinds or name == target],
        own=own,
        pooled={learner.column.name: notice for learner in learners for notice in learner.notices},
        weighing=weigh(table, used, target) if classes and balance(classes) < IMBALANCED else None,
        metric=metric,
        reading=_reading(data, len(table)),
        has_names=has_names,
        words=words,
        sheet=config.format.sheet,
        notices=[*data.notices, *mixtures(found, _unasked(config, columns)), *data.division.notices],
    )


def _unasked(config: Data, columns: list[JudgedColumn]) -> list[str]:
    """Columns that are left out without having been named, of which training would say nothing."""
    return [column.name for column in columns if column.role == "left out" and column.name not in config.drop]


def _target(config: Data, table: Table, has_names: bool) -> str:
    """The target's name, which no other role has."""
    target = target_name(config)
    if target is None:
        raise UsageError(_which_target(table, has_names))
    require_single(table, target, "target")
    check_roles(config, table, target)
    return target


def _judge(config: Data, table: Table, found: Survey) -> list[JudgedColumn]:
    judge = whole if holds_arrays(config) else judged
    columns = [judge(table, facts, found.target.name) for facts in found.columns.values()]
    splitting = (config.group, config.time)
    return [
        replace(column, role="splits", why="")
        if column.name in splitting
        else replace(column, role="left out", why="named by --drop")
        if column.name in config.drop
        else column
        for column in columns
    ]


def _guessed(
    config: Data, table: Table, columns: list[JudgedColumn]
) -> tuple[Mapping[str, Declared], list[JudgedColumn]]:
    """What columns to learn from are that their cells alone do not tell, and all columns with that."""
    unclear = [] if holds_arrays(config) else columns
    used = {column.name for column in columns if column.role == "feature"}
    kinds: dict[str, Declared] = {name: kind for name, kind in config.declared.items() if name in used}
    kinds |= {column.name: "category" for column in unclear if may_be_codes(table.frame[column.name], column)}
    return kinds, [replace(column, kind=kinds.get(column.name, column.kind)) for column in columns]


def _keeps_its_own(table: Table, column: JudgedColumn, config: Data) -> bool:
    """Whether more values than usual, but not many, come often enough for a feature each."""
    if column.kind != "category" or not config.max_categories < column.distinct <= MOST_OWN:
        return False
    counts = {str(label): int(rows) for label, rows in labels(table.frame[column.name]).value_counts().items()}
    return len(Limits(MOST_OWN).kept(counts, len(table))) > config.max_categories


def _as_proposed(
    config: Data,
    table: Table,
    target: str,
    columns: list[JudgedColumn],
    kinds: Mapping[str, Declared],
    max_categories: int,
) -> Data:
    """The data section as the config will have it."""
    dropped = tuple(column.name for column in columns if column.role == "left out")
    split = WITHOUT_TEST if len(table) < FEWEST_TO_TEST and isinstance(config.source, str) else config.split
    changes = {"target": target, "drop": dropped, "split": split, "kinds": kinds, "missing_target": "drop"}
    return config.model_copy(update={**changes, "max_categories": max_categories})


def _groups(table: Table, used: list[JudgedColumn], guessed: Collection[str]) -> list[str]:
    """Columns of what comes again and again: first what looks like codes of somebody, then those of most values."""
    read = [column for column in used if column.name not in guessed]  # as their cells look
    coded = [column.name for column in read if may_group(table.frame[column.name], column.kind)]
    many = [column for column in used if stands_in_many_rows(table.frame[column.name], column.kind)]
    many.sort(key=lambda column: -column.distinct)
    return list(dict.fromkeys([*coded, *(column.name for column in many)]))


def _reading(data: Divided, seen: int) -> list[str]:
    """How the files were read."""
    notices = [notice for found in data.found.values() for notice in found.notices]
    judged_by = [f"columns judged by the first {seen:,} rows"] if seen < data.reference.rows else []
    return [*dict.fromkeys(notices), *judged_by]


def _learned(table: Table, found: ColumnFacts, kinds: Mapping[str, Declared], data: Divided) -> Learner:
    """What the rows teach of a column."""
    learner = Learner(
        found.name, Meaning("category") if kinds.get(found.name) == "category" else found.meaning, data.limits
    )
    learner.see(table)
    return learner


def _counts(found: Survey, classes: tuple[str, ...]) -> dict[str, int]:
    """Rows of each class."""
    labels = found.target.labels
    if labels is None:
        return {}
    rows = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.index))
    return {label: int(rows[labels.index[label]]) for label in classes}


def _check(config: Data, table: Table, found: Survey, columns: list[JudgedColumn]) -> None:
    """Raise DataError for slips among numbers, for a target that names the rows, and if there is nothing to learn from.

    Of these training would say less, or name the consequence.
    """
    target = found.target.name
    found.target.check()
    check_rows(config, {"all": found} if isinstance(config.source, str) else {})
    unused = (config.group, config.time, *config.drop, *([target] if config.task == "classification" else []))
    check_slips(found, [name for name in found.columns if name not in unused], however_written=True)
    check_sizes(table, [column.name for column in columns if column.role == "feature" and column.kind == "number"])
    distinct = next(column.distinct for column in columns if column.role == "target")
    if found.target.column.kind != "number" and distinct > max(1, MOST_CLASSES * len(table)):
        told = (
            f"{table.at_column(target)}: target column {target!r} has {distinct:,} different values in "
            f"{len(table):,} rows; it names the rows rather than a class of them, choose another target"
        )
        raise DataError("; ".join([told, *found.target.notices]), ("data", "target"))
    if not any(column.role == "feature" for column in columns):
        reasons = "; ".join(f"{column.name!r} is left out: {column.why}" for column in columns if column.why)
        told = f" ({reasons})" if reasons else ""
        advice = "; ".join(["add columns", *table.notices])
        raise DataError(f"{table.at_header()}: no column to learn {target!r} from{told}; {advice}")


def _which_target(table: Table, has_names: bool) -> str:
    """The question, the columns with their kinds, and what is often the answer."""
    columns = [judged(table, ColumnFacts.of(table, name), "") for name in table.columns]
    width = max(len(repr(column.name)) for column in columns)
    lines = [f"  {column.name!r:<{width}}  {column.kind}, {column.distinct:,} different" for column in columns]
    likely = " or ".join(f"--target {name!r}" for name in likely_targets(table)[:3])
    called = "" if has_names else " (the first line looks like a row, so the columns are called c1, c2, …)"
    asked = f"which column of {table.name} is to be predicted?{table.beside} Perhaps {likely}; there are{called}:"
    return "\n".join([asked, *lines])
