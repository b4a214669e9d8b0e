"""In a graph of ONNX: from numbers to features, bent, cut, shifted and scaled as in training."""

from __future__ import annotations

import numpy as np

from nnrun.data.features.numbers import REACH, Curve
from nnrun.data.features.preprocess import Preprocessor
from nnrun.models.export.graph import Graph

FAR = 1e150  # whose square is finite


def normal(graph: Graph, preprocessor: Preprocessor, raw: str) -> str:
    """Bent and cut, shifted and scaled, and smoothly held within ±3, as far as the features are."""
    if preprocessor.encoders:
        raw = _encoded(graph, preprocessor, raw)
    centred = graph.node("Sub", raw, graph.constant([preprocessor.means], np.float64))
    scaled = graph.node("Div", centred, graph.constant([preprocessor.deviations], np.float64))
    if not preprocessor.smooth:
        return scaled
    reaches = np.full(preprocessor.n_features, np.inf)  # z / √(1 + (z/∞)²) is z
    reaches[preprocessor.smooth] = REACH
    within = graph.node("Max", graph.node("Min", scaled, _number(graph, FAR)), _number(graph, -FAR))
    part = graph.node("Div", within, graph.constant([reaches], np.float64))
    squared = graph.node("Add", graph.node("Mul", part, part), _number(graph, 1.0))
    return graph.node("Div", within, graph.node("Sqrt", squared))


def _encoded(graph: Graph, preprocessor: Preprocessor, raw: str) -> str:
    """Numbers through their curves: what each is at its first knot, and how much each stretch that is behind adds."""
    encoders, sources, lines, order = dict(preprocessor.encoders), [], list[Curve](), list[int]()
    numbers_given = len(preprocessor.inputs)
    for place in range(numbers_given):
        found = encoders[place].lines() if place in encoders else []
        order += [numbers_given + len(lines) + k for k in range(len(found))] or [place]
        sources += [place] * len(found)
        lines += found
    stretches = max(1, max(len(line.at) for line in lines) - 1)
    at, to = (
        np.array([np.pad(np.array(ends), (0, stretches + 1 - len(ends)), "edge") for ends in of_each])
        for of_each in ([line.at for line in lines], [line.to for line in lines])
    )
    halves = graph.node(
        "Mul", graph.node("Gather", raw, graph.constant(sources, np.int64), axis=1), _number(graph, 0.5)
    )
    halves = graph.node("Unsqueeze", halves, graph.constant([2], np.int64))
    widths = np.diff(at / 2)
    behind = graph.node("Sub", halves, graph.constant([at[:, :-1] / 2], np.float64))
    share = graph.node("Div", behind, graph.constant([np.where(widths > 0, widths, 1.0)], np.float64))
    share = graph.node("Min", graph.node("Max", share, _number(graph, 0.0)), _number(graph, 1.0))
    risen = graph.node("Mul", share, graph.constant([np.diff(to)], np.float64))
    total = graph.node("ReduceSum", risen, graph.constant([2], np.int64), keepdims=0)
    bent = graph.node("Add", total, graph.constant([to[:, 0]], np.float64))
    together = graph.node("Concat", raw, bent, axis=1)
    return graph.node("Gather", together, graph.constant(order, np.int64), axis=1)


def _number(graph: Graph, value: float) -> str:
    return graph.constant(value, np.float64)
