"""A graph of ONNX being built, and what stands first in it: from raw columns to features, in float64 as in training."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnrun.data.facts.kinds import truths
from nnrun.data.features.columns import Column, date_parts
from nnrun.data.files.table import Floats, Kind, Table, labels, numbers
from nnrun.models.model import Model

ML = "ai.onnx.ml"
OPSETS = {"": 13, ML: 2}  # old enough for onnxruntime 1.8, of 2021
IR_VERSION = 7
ROWS = "rows"  # the name of the open dimension


class Graph:
    """Inputs, nodes, constants and outputs; values are names, and no name is given twice.

    Each method adds something and returns the name of what comes out.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._names: dict[str, int] = {}  # those that are taken -> the last number behind each

    def input(self, name: str, dtype: type[np.generic], width: int = 1) -> str:
        """Values given by the caller, `(rows, width)`; added before all else, inputs keep their names."""
        from onnx import helper

        name = self._fresh(name)
        self.inputs.append(helper.make_tensor_value_info(name, _type(dtype), [ROWS, width]))
        return name

    def output(self, value: str, name: str, dtype: type[np.generic] | str, *shape: int) -> str:
        """A value given to the caller, `(rows, *shape)`; the name it got."""
        from onnx import helper

        name = self._fresh(name)
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, _type(dtype), [ROWS, *shape]))
        return name

    def constant(self, values: Any, dtype: type[np.generic] | str) -> str:
        """An array that stands in the file."""
        from onnx import numpy_helper

        name = self._fresh("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, operator: str, *values: str, domain: str = "", **attributes: Any) -> str:
        """What an operator makes of values."""
        from onnx import helper

        name = self._fresh(operator)
        self.nodes.append(helper.make_node(operator, list(values), [name], domain=domain, **attributes))
        return name

    def cast(self, value: str, dtype: type[np.generic] | str) -> str:
        """The same numbers in another type."""
        return self.node("Cast", value, to=_type(dtype))

    def model(self, name: str, about: str, properties: dict[str, str]) -> Any:
        """The ModelProto."""
        from onnx import helper

        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.constants, doc_string=about)
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="nnrun")
        model.doc_string = about
        helper.set_model_props(model, properties)
        return model

    def _fresh(self, name: str) -> str:
        number, candidate = self._names.get(name, 1), name
        while candidate in self._names:
            number, candidate = number + 1, f"{name}_{number + 1}"
        self._names |= {candidate: 1, name: number}
        return candidate


def _type(dtype: type[np.generic] | str) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(np.object_ if dtype is np.str_ else dtype)))


NUMBER, TEXT = "float64, NaN if missing", "text, empty if missing"
_PLACE = re.compile(r"(.+)\[[\d,]+\]")  # in an array, as columns of a file of arrays are called
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


def add_inputs(model: Model, graph: Graph) -> tuple[str, dict[str, str]]:
    """All features, normalised, `(rows, n)` in the run's dtype; and what each input means, by its name."""
    raw, meanings = _add_array(model, graph) if array_of(model) else _add_columns(model, graph)
    centred = graph.node("Sub", raw, graph.constant([model.preprocessors[0].means], np.float64))
    normal = graph.node("Div", centred, graph.constant([model.preprocessors[0].deviations], np.float64))
    return graph.cast(normal, model.config.training.dtype), meanings


def array_of(model: Model) -> str | None:
    """The name of the array whose places all columns are, `x` of `x[0]`, `x[1]`, …; None for a table."""
    columns = model.columns
    found = [_PLACE.fullmatch(column.name) for column in columns]
    names = {match[1] for match in found if match}
    plain = all(found) and not any(column.indicator or column.kind != "number" for column in columns)
    return names.pop() if plain and len(names) == 1 and len(columns) > 1 else None


def _add_array(model: Model, graph: Graph) -> tuple[str, dict[str, str]]:
    columns = model.columns
    name = graph.input(str(array_of(model)), np.float64, len(columns))
    places = f"(rows, {len(columns)}), the places in the order {columns[0].name}, {columns[1].name}, …"
    return _filled(graph, name, [column.fills[0] for column in columns])[0], {name: f"{NUMBER}; {places}"}


def _add_columns(model: Model, graph: Graph) -> tuple[str, dict[str, str]]:
    columns = model.columns
    inputs = [(column, KINDS[column.kind].inputs(column)) for column in columns]
    named = [(column, [(graph.input(one.name, one.dtype), one.meaning) for one in own]) for column, own in inputs]
    parts = [
        part for column, own in named for part in KINDS[column.kind].features(column, graph, [name for name, _ in own])
    ]
    return graph.node("Concat", *parts, axis=1), dict(pair for _, own in named for pair in own)


def feed(model: Model, table: Table) -> list[Any]:
    """The rows of a table as arrays for the inputs, in their order; raises DataError for cells that do not fit."""
    if array_of(model):
        return [np.column_stack([numbers(table, column.name) for column in model.columns])]
    return [values for column in model.columns for values in KINDS[column.kind].feed(column, table)]


def _filled(graph: Graph, value: str, fills: Sequence[float]) -> tuple[str, str]:
    """Values `(rows, k)` with `fills` where they are missing, and where that is."""
    missing = graph.node("IsNaN", value)
    return graph.node("Where", missing, graph.constant([fills], np.float64), value), missing


def _features_of_numbers(column: Column, graph: Graph, names: Sequence[str]) -> list[str]:
    """One feature an input; those of a column are missing together."""
    pairs = [_filled(graph, name, [fill]) for name, fill in zip(names, column.fills, strict=True)]
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


PARTS = {"year": "the year", "month": "1 to 12", "weekday": "0 for Monday to 6", "hour": "0 to 23", "minute": "0 to 59"}
KINDS: dict[Kind, Kinds] = {
    "number": _as_number(NUMBER, numbers),
    "boolean": _as_number("float64, 1 for true, 0 for false, NaN if missing", truths),
    "category": Kinds(lambda column: [Input(column.name, np.str_, TEXT)], _features_of_category, _feed_category),
    "date": Kinds(_inputs_of_date, _features_of_date, _feed_date),
}
