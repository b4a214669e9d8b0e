"""A model as one ONNX graph, from raw columns to probabilities or values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nnrun.data.files.table import Table
from nnrun.engine.activations import GELU_CUBIC, GELU_SCALE, LEAK
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.installation import lacking
from nnrun.models.export.affine import affine_layers
from nnrun.models.export.onnx_graph import ML, Graph, add_inputs, feed
from nnrun.models.model import Model

LABEL, PROBABILITIES, VALUE = "label", "probabilities", "value"


def require() -> None:
    """Raise UsageError unless the libraries are there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        raise UsageError(lacking("ONNX files need", "onnx")) from None


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
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    wanted = [value.name for value in session.get_outputs()][-1:]
    found: Array = session.run(wanted, dict(zip(names, feed(model, table), strict=True)))[0]
    return found


def build(model: Model) -> Any:
    """The ModelProto: preprocessing, dense layers, and outputs in the words of the data."""
    graph, dtype = Graph(), model.config.training.dtype
    value, meanings = add_inputs(model, graph)
    for layer in affine_layers(model, ACTIVATIONS):
        value = graph.node("MatMul", value, graph.constant(layer.W, dtype))
        value = graph.node("Add", value, graph.constant(layer.b, dtype))
        value = ACTIVATIONS[layer.activation](graph, value, dtype)
    outputs = _add_values(model, graph, value) if model.target.classes is None else _add_classes(model, graph, value)
    return graph.model(model.config.name, _about(model, meanings, outputs), _properties(model, meanings, outputs))


def _add_classes(model: Model, graph: Graph, logits: str) -> dict[str, str]:
    classes, dtype = list(model.target.classes or ()), model.config.training.dtype
    if model.loss.width == 1:
        yes = graph.node("Sigmoid", logits)
        shares = graph.node("Concat", graph.node("Sub", graph.constant([[1]], dtype), yes), yes, axis=1)
    else:
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
    return {graph.output(value, VALUE, np.float64): f"the predicted {model.target.name}, in its own unit"}


def _about(model: Model, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    lines = [f"Predicts {model.target.name}. One row a prediction."]
    return "\n".join([*lines, *(f"{name}: {meaning}" for name, meaning in (inputs | outputs).items())])


def _properties(model: Model, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
    """What a program may want to read: all plain text or JSON."""
    classes = [] if model.target.classes is None else list(model.target.classes)
    told = {"inputs": inputs, "outputs": outputs, "classes": classes}
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
