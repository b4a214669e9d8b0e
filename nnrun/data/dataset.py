"""The data set of a run: prepared arrays by part, from the cache where possible."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrun.data.cache import Entry, cache_key, load_entry, store_entry
from nnrun.data.features.weights import ErrorKind, effective_rows, error_kind, part_weights
from nnrun.data.files.chunks import Heard, nobody
from nnrun.data.files.sources import sources_of
from nnrun.data.files.values import Arrays, Indices
from nnrun.data.fitted import Fitted
from nnrun.data.groups import joined_rows
from nnrun.data.prepare import Prepared, prepare
from nnrun.data.split import by_part
from nnrun.engine.evaluation import pieces
from nnrun.engine.metrics import Task
from nnrun.errors import DataError
from nnrun.machine.lazily import cached_property
from nnrun.text import set_name

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


AT_ONCE = 10_000  # rows whose numbers are compared at once, of arrays that may be larger than memory

_ADVICE = "make room there, or keep the runs elsewhere (--runs)"


@dataclass(frozen=True)
class Part:
    """Features `(m, n)` in the run's dtype; class indices `(m,)` int64 or standardised targets `(m, 1)`.

    Weights `(m,)` have a mean of 1; None where every example counts alike. Groups `(m,)` are whole numbers; None where
    examples come one by one. `column` `(m,)` holds the weights as in the source; None unless a column gives them.
    `times` `(m,)` are places in the order of time among all rows of the source, where these are split by time.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None = None
    groups: npt.NDArray[Any] | None = None
    column: npt.NDArray[Any] | None = None
    times: npt.NDArray[Any] | None = None

    def take(self, rows: slice | Indices) -> Part:
        """A part of these rows alone, `(k,)`."""
        beside = (self.weights, self.groups, self.column, self.times)
        return Part(self.x[rows], self.y[rows], *(None if values is None else values[rows] for values in beside))


@dataclass(frozen=True)
class Dataset:
    """Parts `train`, `dev` and perhaps `test`, all read-only; dev is the training part where all rows train.

    `target_deviation` is the target's own unit for one standardised unit (1 for classes); `fitted.preprocessor`
    prepares new rows the same way.
    """

    task: Task
    classes: list[str] | None
    n_features: int
    parts: dict[str, Part]
    target_deviation: float
    fitted: Fitted
    notices: list[str]

    @cached_property
    def sizes(self) -> dict[str, dict[str, int]]:
        """`rows` of each part, and if they are weighted the `effective_rows` that an error is as sure as."""
        rows = {name: len(part.y) for name, part in self.parts.items()}
        weighted = {name: part.weights for name, part in self.parts.items() if part.weights is not None}
        effective = {name: effective_rows(weights) for name, weights in weighted.items()}
        return {"rows": rows, "effective_rows": effective} if effective else {"rows": rows}

    @cached_property
    def limits(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The lowest and the highest number of each feature in training, `(n,)` each."""
        x = self.parts["train"].x
        found = [(x[rows].min(axis=0), x[rows].max(axis=0)) for rows in pieces(len(x), AT_ONCE)]
        lowest, highest = zip(*found, strict=True)
        return np.min(lowest, axis=0), np.max(highest, axis=0)

    @property
    def all_train(self) -> bool:
        """Whether dev is the training part itself, which says nothing of new rows."""
        return self.fitted.split.get("fold") == "all"

    @property
    def error_kind(self) -> ErrorKind | None:
        """What its errors are where rows do not count alike."""
        return error_kind(self.fitted.weights)


def weights_together(datasets: Sequence[Dataset], part: str) -> npt.NDArray[Any] | None:
    """What the rows of a part of several divisions of one source weigh as one part `(rows,)`, with a mean of 1.

    In each they have a mean of their own. None where every row counts alike.
    """
    parts = [dataset.parts[part] for dataset in datasets]
    column, y = joined_rows(one.column for one in parts), np.concatenate([one.y for one in parts])
    return part_weights(datasets[0].fitted.weights, f"the {set_name(part)} part", y, datasets[0].classes, column)


def load_dataset(config: Data, dtype: str, cache: Path, heard: Heard = nobody) -> Dataset:
    """Prepare the data, or map what an earlier call prepared; raises DataError if the data is unfit.

    A cache that cannot be written costs a notice, unless the data is larger than memory: then it is a DataError.
    """
    entry = cache / cache_key(config, dtype)
    there = os.path.exists(entry)  # noqa: PTH110  pathlib raises for a closed folder
    cached = load_entry(entry, dtype)
    files = sources_of(config)
    if cached is not None:
        return _dataset(cached, files)
    healed = [f"{entry}: the prepared data there was damaged; it is prepared anew"] if there else []
    prepared = prepare(config, dtype, heard, cache)
    try:
        store_entry(entry, prepared)
    except OSError as error:
        notice = f"{cache}: the prepared data could not be cached ({(error.strerror or str(error)).lower()})"
        if prepared.data.in_pieces:
            raise DataError(f"{notice}, and it is too large to be held in memory instead; {_ADVICE}") from None
        return _dataset(_in_memory(prepared), files, *healed, notice)
    return _dataset(load_entry(entry, dtype) or _in_memory(prepared), files, *healed)


def map_dataset(entry: Path, dtype: str) -> Dataset:
    """What another machine has prepared; DataError where it is not whole."""
    found = load_entry(entry, dtype)
    if found is None:
        raise DataError(f"{entry}: the prepared data there are damaged")
    return _dataset(found, {})


def _in_memory(prepared: Prepared) -> Entry:
    arrays = prepared.arrays()
    for values in arrays.values():
        values.flags.writeable = False
    return arrays, prepared.fitted


def _part(name: str, arrays: Arrays, fitted: Fitted, files: Mapping[str, str]) -> Part:
    x, y = arrays[f"{name}_x"], arrays[f"{name}_y"]
    column = arrays.get(f"{name}_w")
    where = f"{files[name]}, " if name in files else f"{files['all']}, " if "all" in files else ""
    weights = part_weights(fitted.weights, f"{where}the {set_name(name)} part", y, fitted.classes, column)
    weights = None if weights is None else weights.astype(x.dtype)
    return Part(x, y, weights, arrays.get(f"{name}_g"), column, arrays.get(f"{name}_t"))


def _dataset(entry: Entry, files: Mapping[str, str], *notices: str) -> Dataset:
    arrays, fitted = entry
    return Dataset(
        task=fitted.task,
        classes=fitted.classes,
        n_features=len(fitted.features),
        parts=by_part({part: _part(part, arrays, fitted, files) for part in fitted.split["sizes"]}),
        target_deviation=fitted.target.deviation,
        fitted=fitted,
        notices=[*fitted.notices, *notices],
    )
