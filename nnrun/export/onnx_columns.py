"""Preprocessing inside the graph: from one raw value a row to the features of a column, in float64 as in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnrun.data.columns import Column, date_parts
from nnrun.data.kinds import truths
from nnrun.data.table import Floats, Kind, Table, labels, numbers
from nnrun.export.onnx_graph import ML, Graph
from nnrun.prediction.model import Model

Feed = dict[str, Any]

NUMBER, TEXT = "float64, NaN if missing", "text, empty if missing"
_MISSING = -2  # code of a missing category; those of the vocabulary count from 0


class Input(NamedTuple):
    """What the caller passes: its name, its type, and what it means where that is not plain."""

    name: str
    dtype: type[np.generic]
    meaning: str


class Kinds(NamedTuple):
    """How a kind of column is passed and what the graph makes of it."""

    inputs: Callable[[Column], list[Input]]
    features: Callable[[Column, Graph, Sequence[str]], list[str]]  # the names of the inputs -> names of `(rows, k)`
    feed: Callable[[Column, Table], list[Any]]  # the arrays for the inputs, `(m, 1)` each


def inputs_of(model: Model) -> dict[str, list[Input]]:
    """The inputs that each column is passed as."""
    return {column.name: KINDS[column.kind].inputs(column) for column in model.preprocessor.columns}


def add_features(model: Model, graph: Graph, names: Mapping[str, Sequence[str]]) -> str:
    """All features, normalised, `(rows, n)` in the run's dtype; `names` are those of each column's inputs."""
    parts = [
        part
        for column in model.preprocessor.columns
        for part in KINDS[column.kind].features(column, graph, names[column.name])
    ]
    raw = graph.node("Concat", *parts, axis=1)
    centred = graph.node("Sub", raw, graph.constant([model.preprocessor.means], np.float64))
    normal = graph.node("Div", centred, graph.constant([model.preprocessor.deviations], np.float64))
    return graph.cast(normal, model.config.training.dtype)


def feed(model: Model, table: Table) -> list[Any]:
    """The rows of a table as arrays for the inputs, in their order; raises DataError for cells that do not fit."""
    return [values for column in model.preprocessor.columns for values in KINDS[column.kind].feed(column, table)]


def _filled(graph: Graph, value: str, fill: float) -> tuple[str, str]:
    """The value with `fill` where it is missing, and where that is."""
    missing = graph.node("IsNaN", value)
    return graph.node("Where", missing, graph.constant([[fill]], np.float64), value), missing


def _features_of_numbers(column: Column, graph: Graph, names: Sequence[str]) -> list[str]:
    """One feature an input; those of a column are missing together."""
    pairs = [_filled(graph, name, fill) for name, fill in zip(names, column.fills, strict=True)]
    filled = [value for value, _ in pairs]
    return [*filled, graph.cast(pairs[0][1], np.float64)] if column.indicator else filled


def _features_of_category(column: Column, graph: Graph, names: Sequence[str]) -> list[str]:
    """1 where the code is that of the feature: the vocabulary from 0, all else next, a missing one apart."""
    codes = graph.node(
        "LabelEncoder",
        *names,
        domain=ML,
        keys_strings=["", *column.vocabulary],
        values_int64s=[_MISSING, *range(len(column.vocabulary))],
        default_int64=len(column.vocabulary),
    )
    wanted = [*range(len(column.vocabulary) + column.other), *([_MISSING] if column.indicator else [])]
    same = graph.node("Equal", codes, graph.constant([wanted], np.int64))
    return [graph.cast(same, np.float64)] if wanted else []


def _features_of_date(column: Column, graph: Graph, names: Sequence[str]) -> list[str]:
    return _features_of_numbers(column, graph, names) if column.parts else list(names)


def _inputs_of_date(column: Column) -> list[Input]:
    """Its parts, as ONNX cannot read dates; only whether it is missing where no part varies."""
    if not column.parts:
        return [Input(f"{column.name} is missing", np.float64, "float64, 1 if missing, else 0")] * column.indicator
    return [Input(f"{column.name} {part}", np.float64, f"{NUMBER}: {PARTS[part]}") for part in column.parts]


def _feed_category(column: Column, table: Table) -> list[Any]:
    values = labels(table.frame[column.name])
    return [np.asarray(values.fillna(""), dtype=object).reshape(-1, 1)]


def _feed_date(column: Column, table: Table) -> list[Any]:
    if not column.parts:
        return [table.frame[column.name].isna().to_numpy(dtype=np.float64).reshape(-1, 1)] * column.indicator
    found = date_parts(column, table)
    return [found[part].reshape(-1, 1) for part in column.parts]


def _as_number(meaning: str, read: Callable[[Table, str], Floats]) -> Kinds:
    return Kinds(
        lambda column: [Input(column.name, np.float64, meaning)],
        _features_of_numbers,
        lambda column, table: [read(table, column.name).reshape(-1, 1)],
    )


PARTS = {"year": "the year", "month": "1 to 12", "weekday": "0 for Monday to 6", "hour": "0 to 23"}
KINDS: dict[Kind, Kinds] = {
    "number": _as_number(NUMBER, numbers),
    "boolean": _as_number("float64, 1 for true, 0 for false, NaN if missing", truths),
    "category": Kinds(lambda column: [Input(column.name, np.str_, TEXT)], _features_of_category, _feed_category),
    "date": Kinds(_inputs_of_date, _features_of_date, _feed_date),
}
