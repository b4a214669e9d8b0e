"""A model as one ONNX graph, from raw columns to probabilities or values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnrun.data.features.target import LARGEST_LOG
from nnrun.data.files.table import Table
from nnrun.engine.activations import GELU_CUBIC, GELU_SCALE, LEAK
from nnrun.engine.parameters import Array
from nnrun.installation import require_extra
from nnrun.models.export.affine import Pool, Stack, pool_of
from nnrun.models.export.graph import ML, Graph
from nnrun.models.export.onnx_graph import add_inputs, feed
from nnrun.models.model import Model

LABEL, PROBABILITIES, VALUE = "label", "probabilities", "value"
ROWS_AT_ONCE = 1_000  # since what many networks make of a row, layer by layer, lies side by side


def require() -> None:
    """Raise UsageError unless the libraries are there."""
    require_extra("ONNX files need", "onnx", "onnx", "onnxruntime")


def write(model: Model, path: Path) -> None:
    """Write the file, checked by onnx itself."""
    import onnx

    proto = build(model)
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString())


def run(model: Model, path: Path, table: Table) -> Array:
    """What onnxruntime makes of the rows: probabilities `(m, classes)` or values `(m,)`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    wanted, given = [value.name for value in session.get_outputs()][-1:], feed(model, table)
    starts = range(0, max(1, len(table)), ROWS_AT_ONCE)
    pieces = [[values[start : start + ROWS_AT_ONCE] for values in given] for start in starts]
    return np.concatenate([session.run(wanted, dict(zip(names, piece, strict=True)))[0] for piece in pieces])


def build(model: Model) -> Any:
    """The ModelProto: preprocessing, dense layers, and outputs in the words of the data."""
    graph, pool = Graph(), pool_of(model, ACTIVATIONS)
    features, meanings = add_inputs(model, graph)
    alone = len(pool.origins) == 1
    said = [_add_layers(graph, features[stack.preprocessor], stack, alone) for stack in pool.stacks]
    value = said[0] if alone else _add_pool(model, graph, said, pool)
    outputs = _add_values(model, graph, value) if model.target.classes is None else _add_classes(model, graph, value)
    about, properties = _about(model, pool, meanings, outputs), _properties(model, pool, meanings, outputs)
    return graph.model(model.config.name, about, properties)


def _add_layers(graph: Graph, features: str, stack: Stack, alone: bool) -> str:
    """What each network says `(K, rows, width)`; of one network alone `(rows, width)`, without stacked weights."""
    value = _looked_up(graph, features, stack, alone) if stack.lookups else graph.cast(features, stack.dtype)
    for W, b, activation in stack.layers:
        value = graph.node("MatMul", value, graph.constant(W[0] if alone else W, stack.dtype))
        value = graph.node("Add", value, graph.constant(b[0, 0] if alone else b, stack.dtype))
        value = ACTIVATIONS[activation](graph, value, stack.dtype)
    return value


def _looked_up(graph: Graph, features: str, stack: Stack, alone: bool) -> str:
    """The features that are no codes, then what each code becomes: `(rows, n)`, of networks that differ `(K, rows, n)`.

    No code takes part in a product, so the graph holds a row for each value, and a batch no column for each.
    """
    places, found = [lookup.place for lookup in stack.lookups], list[str]()
    if plain := np.delete(np.arange(stack.preprocessor.n_features), places).tolist():
        numbers = graph.cast(graph.node("Gather", features, graph.constant(plain, np.int64), axis=1), stack.dtype)
        if not alone:
            for_each = graph.constant(np.zeros((len(stack.lookups[0].E), 1, 1)), stack.dtype)
            numbers = graph.node("Add", numbers, for_each)
        found.append(numbers)
    for place, E in stack.lookups:
        code = graph.cast(graph.node("Gather", features, graph.constant(place, np.int64), axis=1), np.int64)
        rows = graph.constant(E[0] if alone else E, stack.dtype)
        found.append(graph.node("Gather", rows, code, axis=0 if alone else 1))
    return graph.node("Concat", *found, axis=1 if alone else 2)


def _add_pool(model: Model, graph: Graph, said: Sequence[str], pool: Pool) -> str:
    """The weighted mean `(rows, width)` of `said`: of values in float64, of probabilities as logarithm, corrected."""
    weights = np.array([origin["weight"] for origin in pool.origins]).reshape(-1, 1, 1)
    dtype = "float64" if model.target.classes is None else model.dtype
    together = graph.node("Concat", *(graph.cast(one, dtype) for one in said), axis=0)
    if model.target.classes is None:
        weighed = graph.node("Mul", together, graph.constant(weights, dtype))
        return graph.node("ReduceSum", weighed, graph.constant([0], np.int64), keepdims=0)
    weighed = graph.node("Add", graph.node("LogSoftmax", together, axis=2), graph.constant(np.log(weights), dtype))
    pooled = graph.node("ReduceLogSumExp", weighed, axes=[0], keepdims=0)
    if pool.temperature != 1:
        pooled = graph.node("Div", pooled, graph.constant(pool.temperature, dtype))
    return pooled if pool.shift is None else graph.node("Add", pooled, graph.constant(pool.shift, dtype))


def _add_classes(model: Model, graph: Graph, logits: str) -> dict[str, str]:
    classes, dtype = list(model.target.classes or ()), model.dtype
    shares = graph.node("Softmax", logits, axis=1)
    weighed = shares if model.factors is None else graph.node("Mul", shares, graph.constant(model.factors, dtype))
    code = graph.node("ArgMax", weighed, axis=1, keepdims=0)
    keys = list(range(len(classes)))
    label = graph.node("LabelEncoder", code, domain=ML, keys_int64s=keys, values_strings=classes)
    return {
        graph.output(label, LABEL, np.str_): f"the predicted {model.target.name}, text",
        graph.output(shares, PROBABILITIES, dtype, len(classes)): f"of each class, in this order: {', '.join(classes)}",
    }


def _add_values(model: Model, graph: Graph, standard: str) -> dict[str, str]:
    flat = graph.node("Squeeze", graph.cast(standard, np.float64), graph.constant([1], np.int64))
    scaled = graph.node("Mul", flat, graph.constant(model.target.deviation, np.float64))
    value = graph.node("Add", scaled, graph.constant(model.target.mean, np.float64))
    if model.target.is_log:
        value = graph.node("Exp", graph.node("Min", value, graph.constant(LARGEST_LOG, np.float64)))
    return {graph.output(value, VALUE, np.float64): f"the predicted {model.target.name}, in its own unit"}


def _about(model: Model, pool: Pool, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    several = f", the weighted mean of {len(pool.origins)} networks" if len(pool.origins) > 1 else ""
    lines = [f"Predicts {model.target.name}. One row a prediction{several}."]
    return "\n".join([*lines, *(f"{name}: {meaning}" for name, meaning in (inputs | outputs).items())])


def _properties(model: Model, pool: Pool, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    """What a program may want to read: all plain text or JSON."""
    classes = [] if model.target.classes is None else list(model.target.classes)
    told: dict[str, Any] = {"inputs": inputs, "outputs": outputs, "classes": classes}
    told |= {"networks": pool.origins} if len(pool.origins) > 1 else {}
    plain = {"run": model.run.id, "task": model.target.task, "target": model.target.name}
    return plain | {key: json.dumps(value, ensure_ascii=False) for key, value in told.items()}


def _relu(graph: Graph, x: str, dtype: str) -> str:
    return graph.node("Relu", x)


def _leaky_relu(graph: Graph, x: str, dtype: str) -> str:
    return graph.node("Max", x, graph.node("Mul", x, graph.constant(LEAK, dtype)))


def _tanh(graph: Graph, x: str, dtype: str) -> str:
    return graph.node("Tanh", x)


def _sigmoid(graph: Graph, x: str, dtype: str) -> str:
    return graph.node("Sigmoid", x)


def _linear(graph: Graph, x: str, dtype: str) -> str:
    return x


def _elu(graph: Graph, x: str, dtype: str) -> str:
    """Max(x, e^min(x, 0) − 1); the operator Elu knows float32 alone."""
    below = graph.node("Exp", graph.node("Min", x, graph.constant(0, dtype)))
    return graph.node("Max", x, graph.node("Sub", below, graph.constant(1, dtype)))


def _gelu(graph: Graph, x: str, dtype: str) -> str:
    """x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2."""
    cubic = graph.node("Mul", graph.node("Mul", x, x), graph.constant(GELU_CUBIC, dtype))
    bend = graph.node("Mul", graph.node("Add", cubic, graph.constant(1, dtype)), x)
    t = graph.node("Tanh", graph.node("Mul", bend, graph.constant(GELU_SCALE, dtype)))
    return graph.node("Mul", graph.node("Mul", graph.node("Add", t, graph.constant(1, dtype)), x),
                      graph.constant(0.5, dtype))  # fmt: skip


def _silu(graph: Graph, x: str, dtype: str) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


ACTIVATIONS: dict[str, Callable[[Graph, str, str], str]] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "linear": _linear,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
}
