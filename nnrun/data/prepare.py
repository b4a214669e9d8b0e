"""From the data section to arrays, piece by piece: read, check, split, fit on the training part, transform."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.data.checks import (
    check_memory,
    check_pieces,
    check_roles,
    check_same_columns,
    check_same_units,
    choose_features,
    choose_target,
    no_feature,
    offsets_of,
    transform_of,
    unlike_offsets,
)
from nnrun.data.division import Codes, Division, check_rows, describe_split, divide
from nnrun.data.facts.kinds import Meaning
from nnrun.data.facts.survey import Survey, survey
from nnrun.data.features.categories import Limits
from nnrun.data.features.learner import Learner
from nnrun.data.features.numbers import sample_size
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.features.profile import SAMPLED_ROWS, WrittenProfiles
from nnrun.data.features.target import LEARNED_AS_LOG, Target, TargetLearner
from nnrun.data.features.weights import BALANCED, describe_weights, read_weights, weight_notices
from nnrun.data.files.chunks import CELLS, Chunks, Heard, Sample, nobody, places_sampled
from nnrun.data.files.reading import Reading
from nnrun.data.files.sources import open_sources
from nnrun.data.files.table import Table, check_fits, require_column
from nnrun.data.files.values import Arrays
from nnrun.data.fitted import Document, Fitted, WrittenFile
from nnrun.data.split import STORED
from nnrun.engine.metrics import Task
from nnrun.machine.threads import beside

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


Shape = tuple[int, ...]


@dataclass(frozen=True)
class Divided:
    """What is known before anything is learned: the sources, what they hold, their parts, and what was decided."""

    sources: dict[str, Chunks]
    found: dict[str, Survey]
    division: Division
    target: str
    task: Task
    classes: tuple[str, ...] | None
    features: dict[str, Meaning]
    limits: Limits
    notices: list[str]

    @property
    def reference(self) -> Survey:
        """The one source, or that of the training part."""
        return next(iter(self.found.values()))

    @property
    def in_pieces(self) -> bool:
        """Whether there is a source that is never in memory as a whole."""
        return not all(chunks.is_one for chunks in self.sources.values())

    @property
    def image(self) -> list[int] | None:
        """Height, width and channels, if the columns are just the pixels of an image, row by row."""
        image = self.reference.head.image
        return list(image) if image and math.prod(image) == len(self.features) else None

    def walk(self, step: str, parts: Sequence[str] = STORED) -> Iterator[tuple[str, Table]]:
        """The part and the rows of one piece after the other, a part's rows in the order of their source."""
        for source, table in self.pieces(step, parts):
            yield from ((part, rows) for part, rows in self.division.take(source, table) if part in parts)

    def pieces(self, step: str, parts: Sequence[str] = STORED) -> Iterator[tuple[str, Table]]:
        """The source and the rows of one piece after the other, of sources that hold rows of these parts."""
        for source, chunks in self.sources.items():
            if source == "all" or source in parts:
                yield from ((source, table) for table in chunks.walk(step))


@dataclass(frozen=True)
class Prepared:
    """All that is learned from the data, and the way to its arrays."""

    data: Divided
    preprocessor: Preprocessor
    target: Target
    weight: str | None
    dtype: str
    fitted: Fitted

    def shapes(self) -> dict[str, tuple[Shape, str]]:
        """Shape and dtype: `<part>_x` `(m, n)`, `_y` `(m,)` or `(m, 1)`, and perhaps `_w`, `_g` or `_t` `(m,)`."""
        found: dict[str, tuple[Shape, str]] = {}
        for part, rows in self.data.division.sizes.items():
            found[f"{part}_x"] = (rows, self.preprocessor.n_features), self.dtype
            found[f"{part}_y"] = ((rows,), "int64") if self.data.classes else ((rows, 1), self.dtype)
            if self.weight:
                found[f"{part}_w"] = (rows,), "float64"  # whatever their size: they are divided by their mean later
            axes = ["t"] if self.data.division.of_times else ["g"] if part in self.data.division.groups else []
            found |= {f"{part}_{axis}": ((rows,), "int32") for axis in axes}
        return found

    def pieces(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """The name of an array and its next rows, until all are whole.

        Raises DataError for a cell that fits neither its column nor the dtype.
        """
        for arrays in beside(self._of_piece, self.data.pieces("writing")):
            yield from arrays

    def _of_piece(self, piece: tuple[str, Table]) -> list[tuple[str, npt.NDArray[Any]]]:
        """The name and the rows of each array, of a piece of a source: made for all parts at once, then divided."""
        (source, table), found = piece, []
        step = max(1, CELLS // self.preprocessor.n_features)
        for start in range(0, len(table), step):
            part_of, further, rows = self.data.division.divided(source, table.slice(start, start + step))
            for axis, values in (self._encoded(rows, further) if len(rows) else {}).items():
                found += [(f"{STORED[place]}_{axis}", values[part_of == place]) for place in np.unique(part_of)]
        return found

    def _encoded(self, table: Table, further: Mapping[str, Codes]) -> Arrays:
        """The features of some rows, their targets, and perhaps their weights, groups and places in time."""
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(self.preprocessor.transform(table), dtype=self.dtype)
        check_fits(table, x, [column.name for column in self.preprocessor.owners])
        weights = {"w": read_weights(table, self.weight)} if self.weight else {}
        return {"x": x, "y": self.target.encode(table, self.dtype), **weights, **further}

    def arrays(self) -> Arrays:
        """All arrays, in memory."""
        arrays = {name: np.empty(shape, dtype) for name, (shape, dtype) in self.shapes().items()}
        filled = dict.fromkeys(arrays, 0)
        for name, rows in self.pieces():
            arrays[name][filled[name] : filled[name] + len(rows)] = rows
            filled[name] += len(rows)
        return arrays


def prepare(config: Data, dtype: str, heard: Heard = nobody, folder: Path | None = None) -> Prepared:
    """Read, check and split the data, and learn from the training part what turns rows into numbers.

    What is read of a large text file is kept in the folder, or one above it, while this takes. Raises DataError for
    data that is missing, malformed or unfit for the task.
    """
    data = divided(config, heard, folder)
    learners, goal, preprocessor, profiles = _learn(data, config, dtype)
    target = goal.target
    weights = describe_weights(config, data.classes)
    if weights and weights["classes"] == BALANCED:
        weights["rows"] = goal.class_rows
    document: Document = {
        "source": _source(config),
        "files": [_describe_file(part, data) for part in data.sources],
        "task": data.task,
        "target": target.to_json(data.reference.target.column.kind),
        "classes": None if data.classes is None else list(data.classes),
        "left_out": _left_out(data),
        "identifiers": [name for name in _left_out(data) if data.reference.columns[name].identifies],
        "format": Reading.by(config).to_json(
            data.reference.head.decimal, data.reference.units, offsets_of(data.reference, data.features)
        ),
        "image": data.image,
        **preprocessor.to_json(),
        "weights": weights,
        "profiles": profiles,
        "split": describe_split(config, data.division),
        "notices": [
            *_of_files(data),
            *data.notices,
            *(notice for learner in learners for notice in learner.notices),
            *weight_notices(weights),
            *([LEARNED_AS_LOG] if target.is_log else []),
            *data.division.notices,
        ],
    }
    return Prepared(data, preprocessor, target, config.weight, dtype, Fitted(document))


def _learn(
    data: Divided, config: Data, dtype: str
) -> tuple[list[Learner], TargetLearner, Preprocessor, WrittenProfiles]:
    learners = [Learner(name, meaning, data.limits) for name, meaning in data.features.items()]
    goal, sample = TargetLearner(data.target, data.task, data.classes, transform_of(config, data.task)), None
    rows, most = data.division.sizes["train"], sample_size(len(data.reference.columns))
    if config.normalize in ("robust", "quantile") or config.encode_numbers != "plain":
        sample = Sample(places_sampled(rows, most))
    known = Sample(places_sampled(rows, min(most, SAMPLED_ROWS)))

    def see(rows: tuple[str, Table]) -> None:
        goal.see(rows[1])
        for learner in learners:
            learner.see(rows[1])
        for one in (known, *([sample] if sample else [])):
            one.see(rows[1])

    deque(beside(see, data.walk("measuring", ["train"])), maxlen=0)
    found = Preprocessor.learned(learners, config.normalize)
    if not found.n_features:
        raise no_feature(data.reference.head, data.target)
    if sample:
        found = found.encoded(sample.table, goal.target, config.encode_numbers)
        if not data.in_pieces:
            check_pieces(data.reference, found.n_features, dtype)
    table = known.table  # put together from pieces, once for thousands of columns
    of_columns = {name: learner.profile(table) for name, learner in zip(data.features, learners, strict=True)}
    return learners, goal, found, {"columns": of_columns, "target": goal.profile(table)}


def divided(config: Data, heard: Heard = nobody, folder: Path | None = None) -> Divided:
    """Read, check and split the data.

    Raises DataError as `prepare` does.
    """
    sources = {part: Chunks(source, heard, folder) for part, source in open_sources(config).items()}
    found = {part: survey(chunks, _beginning(config, part)) for part, chunks in sources.items()}
    reference = next(iter(found.values()))  # the one source, or that of the training part
    target, place = reference.target, reference.head.at_column(reference.target.name)
    for of_source in found.values():
        of_source.target.check()
    check_rows(config, found)
    task = target.decide_task(place)
    classes = target.find_classes(place) if task == "classification" else None
    if task == "regression":
        target.check_varies(place)
    features, notices = choose_features(config, reference, target.name)
    least = None if config.rare_below == "auto" else config.rare_below
    limits = Limits(config.max_categories, least, config.encode_categories)
    if all(chunks.is_one for chunks in sources.values()):  # of more than that, a piece at a time is in memory
        check_memory(reference, features, limits)
    check_same_columns(found, reference, features)
    check_same_units(found, reference)
    notices += [*target.notices, *unlike_offsets(found, offsets_of(reference, features))]

    def locate(row: int, column: str) -> str:
        pieces = sources["all"].walk("reading")
        return next(piece.at_cell(row, column) for piece in pieces if row < piece.row(0) + len(piece))

    division = divide(config, found, classes, locate)
    return Divided(sources, found, division, target.name, task, classes, features, limits, notices)


def _beginning(config: Data, part: str) -> Callable[[Table], Survey]:
    declared = config.declared

    def begin(first: Table) -> Survey:
        target = choose_target(config, first)
        if part in ("all", "train"):
            check_roles(config, first, target)
            for name in first.columns:
                if declared.get(name) != "drop":
                    require_column(first, name)
        group, time = (config.group, config.time) if part == "all" else (None, None)
        may_lack = config.missing_target == "drop"
        return Survey(first, target, config.task, group, time, declared, may_lack)

    return begin


def _source(config: Data) -> str | dict[str, str]:
    if isinstance(config.source, str):
        return config.source
    return {part: path for part, path in config.source if path is not None}


def _of_files(data: Divided) -> list[str]:
    return list(dict.fromkeys(notice for found in data.found.values() for notice in found.notices))


def _left_out(data: Divided) -> list[str]:
    """Columns that are neither learned from nor the target; they may identify rows."""
    used = {data.target, *data.features}
    return [name for name in data.reference.columns if name not in used]


def _describe_file(part: str, data: Divided) -> WrittenFile:
    source = data.sources[part].source
    return {"part": part, "name": source.name, "sha256": source.sha256, "rows": data.found[part].rows}
