"""What stands first in a graph of ONNX: from raw columns to features, in float64 as in training."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnrun.data.facts.kinds import truths
from nnrun.data.features.columns import Column
from nnrun.data.features.dates import date_parts
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.table import Table, numbers
from nnrun.data.files.values import Floats, Kind, labels
from nnrun.models.export.graph import ML, Graph
from nnrun.models.export.onnx_numbers import normal
from nnrun.models.model import Model

NUMBER = "float64, NaN if missing"
_PLACE = re.compile(r"(.+)\[[\d,]+\]")  # in an array, as columns of a file of arrays are called


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


def add_inputs(model: Model, graph: Graph) -> tuple[dict[Preprocessor, str], dict[str, str]]:
    """What each preprocessing makes of a row, normalised, `(rows, n)`; and what each input means, by its name."""
    raw, meanings = _add_array(model, graph) if array_of(model) else _add_columns(model, graph)
    return {one: normal(graph, one, value) for one, value in raw.items()}, meanings


def array_of(model: Model) -> str | None:
    """The name of the array whose places all columns are, `x` of `x[0]`, `x[1]`, …; None for a table."""
    columns = _columns(model)
    found = [_PLACE.fullmatch(column.name) for column in columns]
    names = {match[1] for match in found if match}
    plain = all(found) and all(column.kind in ("number", "boolean") for column in columns)
    return names.pop() if plain and len(names) == 1 and len(columns) > 1 else None


def _columns(model: Model) -> list[Column]:
    """All that are learned; one that members have learned from different rows occurs in each way."""
    return list(dict.fromkeys(column for one in model.preprocessors for column in one.columns))


def _add_array(model: Model, graph: Graph) -> tuple[dict[Preprocessor, str], dict[str, str]]:
    places = _places(model)
    name = graph.input(str(array_of(model)), np.float64, len(places))
    raw, (first, second, *_) = {}, places
    for one in model.preprocessors:
        own = [places[column.name] for column in one.columns]
        whole = own == list(places.values())
        value = name if whole else graph.node("Gather", name, graph.constant(own, np.int64), axis=1)
        filled, missing = _filled(graph, value, [column.fills[0] for column in one.columns])
        raw[one] = _with_marks(graph, filled, missing, one.columns)
    return raw, {name: f"{NUMBER}; (rows, {len(places)}), the places in the order {first}, {second}, …"}


def _with_marks(graph: Graph, filled: str, missing: str, columns: Sequence[Column]) -> str:
    """The values `(rows, k)` of columns, behind each that was missing in training the mark of where it is."""
    if not any(column.indicator for column in columns):
        return filled
    both = graph.node("Concat", filled, graph.cast(missing, np.float64), axis=1)
    own = [at for k, column in enumerate(columns) for at in (k, len(columns) + k)[: 1 + column.indicator]]
    return graph.node("Gather", both, graph.constant(own, np.int64), axis=1)


def _places(model: Model) -> dict[str, int]:
    """Where each column stands in the array that they are."""
    return {name: place for place, name in enumerate(dict.fromkeys(column.name for column in _columns(model)))}


def _add_columns(model: Model, graph: Graph) -> tuple[dict[Preprocessor, str], dict[str, str]]:
    columns = _columns(model)
    names = {(column, one): graph.input(one.name, one.dtype) for column, one in _inputs(columns)}
    parts = {column: _features(column, graph, names) for column in columns}
    raw = {
        one: graph.node("Concat", *(part for column in one.columns for part in parts[column]), axis=1)
        for one in model.preprocessors
    }
    return raw, {name: one.meaning for (_, one), name in names.items()}


def _inputs(columns: Sequence[Column]) -> list[tuple[str, Input]]:
    """Each with the name of its column; those called like it are first, so that they keep it beside parts of dates."""
    found = dict.fromkeys((column.name, one) for column in columns for one in KINDS[column.kind].inputs(column))
    return sorted(found, key=lambda entry: entry[0] != entry[1].name)


def _features(column: Column, graph: Graph, names: Mapping[tuple[str, Input], str]) -> list[str]:
    kind = KINDS[column.kind]
    return kind.features(column, graph, [names[column.name, one] for one in kind.inputs(column)])


def feed(model: Model, table: Table) -> list[Any]:
    """The rows of a table as arrays for the inputs, in their order; raises DataError for cells that do not fit."""
    if array_of(model):
        columns = {column.name: column for column in _columns(model)}.values()
        return [np.column_stack([KINDS[column.kind].feed(column, table)[0] for column in columns])]
    found: dict[tuple[str, Input], Any] = {}
    for column in _columns(model):
        kind = KINDS[column.kind]
        for one, values in zip(kind.inputs(column), kind.feed(column, table), strict=True):
            found.setdefault((column.name, one), values)
    return [found[one] for one in _inputs(_columns(model))]


def _filled(graph: Graph, value: str, fills: Sequence[float]) -> tuple[str, str]:
    """Values `(rows, k)` with `fills` where they are missing, and where that is."""
    missing = graph.node("Not", graph.node("Equal", value, value))  # onnxruntime 1.12 has no IsNaN of float64
    return graph.node("Where", missing, graph.constant([fills], np.float64), value), missing


def _features_of_numbers(column: Column, graph: Graph, names: Sequence[str]) -> list[str]:
    """One feature an input; those of a column are missing together."""
    pairs = [_filled(graph, name, [fill]) for name, fill in zip(names, column.fills, strict=True)]
    filled = [value for value, _ in pairs]
    return [*filled, graph.cast(pairs[0][1], np.float64)] if column.indicator else filled


def _inputs_of_category(column: Column) -> list[Input]:
    """Text, which ONNX has no operator to take blanks from: whether the caller has to, if there are some around it."""
    has_blanks = any(value != value.strip() for value in (*column.vocabulary, *column.pooled))
    text = "text with the blanks around it that it has in training" if has_blanks else "text without blanks around it"
    return [Input(column.name, np.str_, text if "" in column.vocabulary else f"{text}, empty if missing")]


def _features_of_category(column: Column, graph: Graph, names: Sequence[str]) -> list[str]:
    """1 where the code is that of the feature; of an embedding the code itself.

    The vocabulary counts from 1, all else is 0, and a missing value comes last, if no embedding lacks a row for it.
    """
    last = len(column.vocabulary) + 1
    missing = last if column.indicator or column.embedding is None else 0
    known = {"": missing} | {text: code for text, code in column.codes.items() if code}
    codes = graph.node(
        "LabelEncoder",
        *names,
        domain=ML,
        keys_strings=[*known],
        values_int64s=[*known.values()],
        default_int64=0,
    )
    if column.embedding is not None:
        return [graph.cast(codes, np.float64)]
    wanted = [*range(1, last), *[0] * column.other, *[last] * column.indicator]
    same = graph.node("Equal", codes, graph.constant([wanted], np.int64))
    return [graph.cast(same, np.float64)] if wanted else []


def _features_of_date(column: Column, graph: Graph, names: Sequence[str]) -> list[str]:
    return _features_of_numbers(column, graph, names) if column.parts else list(names)


def _inputs_of_date(column: Column) -> list[Input]:
    """The parts of a date, as ONNX cannot read dates; only whether it is missing where no part varies."""
    if not column.parts:
        return [Input(f"{column.name} is missing", np.float64, "float64, 1 if missing, else 0")] * column.indicator
    return [Input(f"{column.name} {part}", np.float64, f"{NUMBER}: {DATE_RANGES[part]}") for part in column.parts]


def _feed_category(column: Column, table: Table) -> list[Any]:
    values = labels(table.frame[column.name])  # the graph knows both spellings of a whole number
    return [np.asarray(values.fillna(""), dtype=object).reshape(-1, 1)]


def _feed_date(column: Column, table: Table) -> list[Any]:
    if not column.parts:
        return [table.frame[column.name].isna().to_numpy(dtype=np.float64).reshape(-1, 1)] * column.indicator
    found = date_parts(table, column.name, str(column.format))
    return [found[part].reshape(-1, 1) for part in column.parts]


def _as_number(meaning: str, read: Callable[[Table, str], Floats]) -> Kinds:
    return Kinds(
        lambda column: [Input(column.name, np.float64, meaning)],
        _features_of_numbers,
        lambda column, table: [read(table, column.name).reshape(-1, 1)],
    )


DATE_RANGES = {
    "year": "the year",
    "month": "1 to 12",
    "weekday": "0 for Monday to 6",
    "hour": "0 to 23",
    "minute": "0 to 59",
}
KINDS: dict[Kind, Kinds] = {
    "number": _as_number(NUMBER, numbers),
    "boolean": _as_number("float64, 1 for true, 0 for false, NaN if missing", truths),
    "category": Kinds(_inputs_of_category, _features_of_category, _feed_category),
    "date": Kinds(_inputs_of_date, _features_of_date, _feed_date),
}
