"""A graph of ONNX being built."""

from __future__ import annotations

from typing import Any

import numpy as np

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
        """The numbers of a value in another type."""
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
