"""What is known of a table before anything is proposed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnrun.config.schema import Data
from nnrun.data.checks import check_slips
from nnrun.data.columns import Learner
from nnrun.data.division import check_rows, divide
from nnrun.data.kinds import ambiguity, meaning_of
from nnrun.data.sources import read_source, source_files, target_name
from nnrun.data.survey import Survey
from nnrun.data.table import Table, labels, require_single
from nnrun.data.target import Task
from nnrun.errors import DataError, UsageError
from nnrun.scaffold.columns import ColumnFacts, judged, likely_targets, may_group, whole

ARRAYS = (".npz", ".npy")
FEWEST_TO_TEST, WITHOUT_TEST = 100, (0.7, 0.3, 0.0)  # rows from which a test part can be spared
MOST_CLASSES = 0.5  # classes over rows, from which on a target names the rows


@dataclass(frozen=True)
class Facts:
    """Of a source and its target.

    `source` is as it will stand in the config, `files` maps `all`, or each part, to its rows, and `parts` those of the
    split; `classes` counts the rows of each class, None for a regression; `groups` and `dates` are columns by which the
    rows could be split; `reading` says how the files were read, `notices` what else there is to know.
    """

    source: str | Mapping[str, str]
    files: Mapping[str, int]
    parts: Mapping[str, int]
    columns: list[ColumnFacts]
    target: str
    task: Task
    classes: Mapping[str, int] | None
    features: int
    groups: list[str]
    dates: list[str]
    reading: list[str]
    notices: list[str]

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(self.files.values())

    @property
    def used(self) -> list[ColumnFacts]:
        """Columns to learn from."""
        return [column for column in self.columns if column.role == "feature"]

    @property
    def balance(self) -> float:
        """Share of the rarest class over the share it would have if all were equal; 1 for a regression."""
        if self.classes is None:
            return 1.0
        return min(self.classes.values()) * len(self.classes) / sum(self.classes.values())

    def distinct(self, name: str) -> int:
        """How many different values a column has."""
        return next(column.distinct for column in self.columns if column.name == name)

    @property
    def left_out(self) -> list[ColumnFacts]:
        """Columns that say nothing about new rows."""
        return [column for column in self.columns if column.role == "left out"]


def gather(config: Data, source: str | Mapping[str, str]) -> Facts:
    """Read the source and look at it; `source` is what the config will call it.

    Raises DataError for data that nothing can be learned from; UsageError, with the columns, if the target is open.
    """
    sources = read_source(config)
    table = sources["all" if "all" in sources else "train"]
    target = target_name(config)
    if target is None:
        raise UsageError(_which_target(table))
    found = {part: _look(of_part, target) for part, of_part in sources.items()}
    task, classes = _task(next(iter(found.values())))
    judge = whole if _is_clean(config) else judged
    columns = [judge(table, name, target) for name in table.columns]
    used = [column.name for column in columns if column.role == "feature"]
    _check_features(next(iter(found.values())), target, columns)
    config = _with_split(config, sources)
    check_rows(config, found)
    division = divide(config, found, classes, table.at_cell)
    return Facts(
        source=source,
        files={part: len(found) for part, found in sources.items()},
        parts=division.sizes,
        columns=columns,
        target=target,
        task=task,
        classes=None if classes is None else _counts(table, target, classes),
        features=sum(_width(table, name) for name in used),
        groups=[name for name in used if may_group(table.frame[name])],
        dates=[column.name for column in columns if column.role == "feature" and column.kind == "date"],
        reading=list(dict.fromkeys(notice for found in sources.values() for notice in found.notices)),
        notices=[*_doubts(table, columns), *division.notices],
    )


def _look(table: Table, target: str) -> Survey:
    require_single(table, target, "target")
    found = Survey(table, target, "auto")
    found.see(table)
    found.target.check()
    return found


def _width(table: Table, name: str) -> int:
    """Features that a column would become."""
    learner = Learner(name, meaning_of(table.frame[name]))
    learner.see(table)
    return len(learner.column.features)


def _with_split(config: Data, sources: Mapping[str, Table]) -> Data:
    """A small table is cut in two parts instead of three."""
    small = len(sources.get("all", ())) < FEWEST_TO_TEST
    return config.model_copy(update={"split": WITHOUT_TEST}) if "all" in sources and small else config


def _is_clean(config: Data) -> bool:
    """Whether all columns belong together, as the pixels of an image do: bundled sets and arrays."""
    return all(path.suffix.lower() in ARRAYS for path in source_files(config).values())


def _task(found: Survey) -> tuple[Task, tuple[str, ...] | None]:
    """Raise DataError for a target that is the same in every row, or another one in every row."""
    target, place = found.target, found.head.at_column(found.target.name)
    task = target.decide_task(place)
    if task == "regression":
        target.check_varies(place)
        return task, None
    classes = target.find_classes(place)
    if len(classes) > MOST_CLASSES * found.rows:
        raise DataError(
            f"{place}: target column {target.name!r} has {len(classes):,} different values in "
            f"{found.rows:,} rows; it names the rows rather than a class of them, choose another target",
            ("data", "target"),
        )
    return task, classes


def _counts(table: Table, target: str, classes: tuple[str, ...]) -> dict[str, int]:
    found = labels(table.frame[target]).value_counts()
    return {label: int(found.get(label, 0)) for label in classes}


def _check_features(found: Survey, target: str, columns: list[ColumnFacts]) -> None:
    check_slips(found, [column.name for column in columns if column.role != "target"])
    if not any(column.role == "feature" for column in columns):
        reasons = "; ".join(f"{column.name!r} is left out: {column.why}" for column in columns if column.why)
        place, told = found.head.at_header(), f" ({reasons})" if reasons else ""
        raise DataError(f"{place}: no column to learn {target!r} from{told}; add columns")


def _doubts(table: Table, columns: list[ColumnFacts]) -> list[str]:
    """A notice for each date that can be read in two ways."""
    meanings = {column.name: meaning_of(table.frame[column.name]) for column in columns if column.role == "feature"}
    return [ambiguity(name, meaning) for name, meaning in meanings.items() if meaning.alternative]


def _which_target(table: Table) -> str:
    """The question, the columns with their kinds, and what is often the answer."""
    columns = [judged(table, name, "") for name in table.columns]
    width = max(len(repr(column.name)) for column in columns)
    lines = [f"  {column.name!r:<{width}}  {column.kind}, {column.distinct:,} different" for column in columns]
    likely = " or ".join(f"--target {name!r}" for name in likely_targets(table)[:3])
    return "\n".join([f"which column of {table.name} is to be predicted? Perhaps {likely}; there are:", *lines])
