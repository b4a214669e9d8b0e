"""From the data section to arrays: read, check, split, fit on the training part, transform."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnrun.data.columns import widest
from nnrun.data.division import check_rows, divide
from nnrun.data.kinds import Meaning, ambiguity, meaning_of, reason_to_leave_out
from nnrun.data.preprocess import Preprocessor
from nnrun.data.reading import Reading
from nnrun.data.sources import read_source, source_files, target_name
from nnrun.data.split import Split
from nnrun.data.table import Arrays, Table, check_fits, check_slips, kind_of, require_column, require_single
from nnrun.data.target import Task, check_target, check_varies, decide_task, find_classes, fit_target
from nnrun.errors import DataError

if TYPE_CHECKING:
    from nnrun.config.schema import Data


class _Divided(NamedTuple):
    """Tables before anything is learned from them: the sources, their parts, and what was decided on the way."""

    sources: dict[str, Table]
    parts: dict[str, Table]
    split: Split
    target: str
    task: Task
    classes: tuple[str, ...] | None
    features: list[str]
    meanings: dict[str, Meaning]
    notices: list[str]

    @property
    def reference(self) -> Table:
        """The table that decides what columns mean: the only one, or that of the training part."""
        return self.sources["all" if "all" in self.sources else "train"]


def prepare(config: Data, dtype: str) -> tuple[Arrays, dict[str, Any]]:
    """Arrays `<part>_x` `(m, n)` and `<part>_y` `(m,)` or `(m, 1)`, and what a reader of `data.json` wants to know.

    Raises DataError for data that is missing, malformed or unfit for the task.
    """
    data = _divided(config)
    preprocessor = Preprocessor.fit(data.parts["train"].only(data.features), config.normalize, data.meanings)
    if not preprocessor.n_features:
        raise _no_feature(data.reference, data.target)
    target = fit_target(data.parts["train"], data.target, data.task, data.classes)
    arrays: Arrays = {}
    for part, table in data.parts.items():
        arrays[f"{part}_x"] = _matrix(table, preprocessor, dtype)
        arrays[f"{part}_y"] = target.encode(table, dtype)
    sources = data.sources.items()
    info = {
        "source": _source(config),
        "files": [{"part": part, "name": t.name, "sha256": t.sha256, "rows": len(t)} for part, t in sources],
        "task": data.task,
        "target": {
            "name": data.target,
            "kind": kind_of(data.reference.frame[data.target]),
            "mean": target.mean,
            "deviation": target.deviation,
        },
        "classes": None if data.classes is None else list(data.classes),
        "left_out": _left_out(data),
        "format": Reading.by(config.format).to_json(data.reference.decimal),
        "image": _image(data),
        "normalize": config.normalize,
        **preprocessor.to_json(),
        "split": _describe_split(config, data.split),
        "notices": [*_of_files(data), *data.notices, *data.split.notices],
    }
    return arrays, info


def _image(data: _Divided) -> list[int] | None:
    """Height, width and channels, if the features are just the pixels of an image, row by row."""
    image = data.reference.image
    return list(image) if image and math.prod(image) == len(data.features) else None


def _of_files(data: _Divided) -> list[str]:
    return list(dict.fromkeys(notice for table in data.sources.values() for notice in table.notices))


def _left_out(data: _Divided) -> list[str]:
    """Columns that are neither learned from nor the target; they may identify rows."""
    return [name for name in data.parts["train"].columns if name not in (data.target, *data.features)]


def read_parts(config: Data) -> dict[str, Table]:
    """The rows of each part as they stand in the source, all columns, in the order of the prepared arrays.

    Raises DataError as `prepare` does.
    """
    return _divided(config).parts


def _divided(config: Data) -> _Divided:
    sources = read_source(config)
    reference = sources["all" if "all" in sources else "train"]
    name = _check_columns(config, sources, reference)
    check_rows(config, sources)
    task = decide_task(reference, name, config.task)
    classes = find_classes(reference, name) if task == "classification" else None
    if task == "regression":
        check_varies(reference, name)
    meanings, notices = _choose_features(config, reference, name)
    features = list(meanings)
    _check_same_columns(sources, reference, features)
    parts, split = divide(config, sources, name, classes)
    return _Divided(sources, parts, split, name, task, classes, features, meanings, notices)


def _source(config: Data) -> str | dict[str, str]:
    if isinstance(config.source, str):
        return config.source
    return {part: str(path) for part, path in source_files(config).items()}


def _describe_split(config: Data, split: Split) -> dict[str, Any]:
    digest = hashlib.sha256()
    for rows in split.rows.values():
        digest.update(rows.astype("<i8").tobytes())
    by_file = split.rule == "files"
    ratios = config.split if isinstance(config.split, str) else list(config.split)
    return {
        "rule": split.rule,
        "ratios": None if by_file else ratios,
        "seed": None if by_file else config.split_seed,
        "sizes": {part: len(rows) for part, rows in split.rows.items()},
        "sha256": digest.hexdigest(),
    }


def _check_columns(config: Data, sources: dict[str, Table], reference: Table) -> str:
    """Check every column that the configuration names, and the target's values; return the target's name."""
    name = target_name(config)
    if name is None:
        shown = ", ".join(reference.columns[-10:])
        message = f"{reference.at_header()}: which column is the target? Set data.target; the last are {shown}"
        raise DataError(message, ("data", "target"))
    for table in sources.values():
        require_single(table, name, "target")
        check_target(table, name)
    for key, column in (("group", config.group), ("time", config.time)):
        if column is not None:
            require_single(reference, column, key)
    for column in config.drop:
        require_column(reference, column, "drop")
    if name in (*config.drop, config.group, config.time):
        raise DataError(f"{reference.at_column(name)}: {name!r} is the target; take it out of drop, group and time")
    return name


def _choose_features(config: Data, table: Table, target: str) -> tuple[dict[str, Meaning], list[str]]:
    """What each column to learn from means, and a notice for each that is left out without being named in `drop`."""
    roles = {"group": config.group, "time": config.time}
    unused = {target, *config.drop, *roles.values()}
    columns = [name for name in table.columns if name not in unused]
    for name in columns:
        if not table.frame[name].notna().any():
            raise DataError(f"{table.at_column(name)}: column {name!r} has no value at all; add it to data.drop")
    check_slips(table, columns if config.task == "classification" else [*columns, target])
    meanings = {name: meaning_of(table.frame[name]) for name in columns}
    reasons = {name: reason_to_leave_out(table.frame[name], meaning) for name, meaning in meanings.items()}
    kept = {name: meaning for name, meaning in meanings.items() if reasons[name] is None}
    if not kept:
        raise _no_feature(table, target)
    _check_memory(table, kept)
    return kept, [
        *(f"column {name!r} only splits the rows ({role}), it is no feature" for role, name in roles.items() if name),
        *(f"column {name!r} is left out: {reason}" for name, reason in reasons.items() if reason),
        *(ambiguity(name, meaning) for name, meaning in kept.items() if meaning.alternative),
    ]


def _no_feature(table: Table, target: str) -> DataError:
    return DataError(f"{table.at_header()}: no column left to learn {target!r} from; add columns, or drop fewer")


def _check_memory(table: Table, meanings: Mapping[str, Meaning]) -> None:
    """Raise DataError if the categories, one feature each, need more than the machine's memory."""
    widths = {name: widest(table.frame[name], meaning) for name, meaning in meanings.items()}
    needed = sum(widths.values()) * len(table) * np.dtype(np.float64).itemsize
    if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        name = max(widths, key=lambda name: widths[name])
        raise DataError(
            f"{table.at_column(name)}: column {name!r} has {widths[name]} different values; one feature for each "
            f"would take {needed / 1e9:.1f} GB of memory in all; add it to data.drop"
        )


def _check_same_columns(sources: dict[str, Table], reference: Table, features: Sequence[str]) -> None:
    for table in sources.values():
        present = set(table.columns)
        for name in features:
            if name not in present:
                raise DataError(
                    f"{table.at_header()}: no column {name!r}, which {reference.name} has; "
                    "add it, or name it in data.drop"
                )


def _matrix(table: Table, preprocessor: Preprocessor, dtype: str) -> npt.NDArray[Any]:
    """The features `(m, n)` in dtype; raises DataError at the first cell that does not fit into it."""
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(preprocessor.transform(table), dtype=dtype)
    check_fits(table, values, [column.name for column in preprocessor.columns for _ in column.features])
    return values
