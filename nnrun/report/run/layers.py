"""What goes on inside the network: signals and gradients of each layer over the epochs, and its weights at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.report.page.charts import Axis, Chart, Trace, axis, colour, dash, kept, line, log_axis, plain
from nnrun.report.run.curves import epoch_axis
from nnrun.runs.records import Row

MOST_POINTS = 8000  # of a chart, over all its lines
BINS = 60
MANY = 8  # layers, beyond which lines cannot be told apart
COLUMNS = 200  # epochs that a map of the layers shows
LINEAR = ("dense", "output", "batch")  # kinds of layers that have parameters
STATISTICS = {  # name: title, its axis, whether it is a share
    "output_std": ("Size of the outputs", "deviation of the outputs", False),
    "gradient_norm": ("Size of the gradients", "norm of the gradient", False),
    "dead": ("Dead units", "share of the units", True),
}

NOTES = {
    "output_std": "Standard deviation of each layer's outputs; signals that vanish or explode show here.",
    "gradient_norm": "Norm of the loss's gradient by each layer's outputs, on the same examples.",
    "dead": "Units whose output is 0 for every example that was looked at.",
}


def statistics_charts(rows: Sequence[Row]) -> list[Chart]:
    """A chart a statistic, a line a layer; none where layers were not recorded."""
    recorded = [row for row in rows if row.get("layers")]
    if not recorded:
        return []
    return [chart for key in STATISTICS if (chart := _statistic(key, recorded)) is not None]


def _statistic(key: str, rows: Sequence[Row]) -> Chart | None:
    title, what, share = STATISTICS[key]
    told = {name for row in rows for name, values in row["layers"].items() if values.get(key) or not share}
    layers = [name for name in rows[-1]["layers"] if name in told and name.startswith(LINEAR) != share]
    layers = [name for name in layers if not name.startswith("dropout") and key in rows[-1]["layers"][name]]
    if not layers:
        return None
    if len(layers) > MANY:
        return _map(key, layers, rows)
    lines = [_line(name, key, i, rows, MOST_POINTS // len(layers)) for i, name in enumerate(layers)]
    drawn = [value for trace in lines for value in trace["y"] if value is not None]
    positive = bool(drawn) and min(drawn) > 0
    y = axis(what, percent=True, rangemode="tozero") if share else log_axis(what, drawn) if positive else axis(what)
    ends = ", ".join(f"{trace['name']} {trace['y'][-1]:.3g}" for trace in lines if trace["y"][-1] is not None)
    layout = {"xaxis": epoch_axis(rows), "yaxis": y}
    return Chart(title, f"{title}: {what}, at last {ends}.", lines, layout, NOTES[key], height=320)


def _map(key: str, layers: Sequence[str], rows: Sequence[Row]) -> Chart:
    """Of a deep network: the layers as rows, the epochs as columns, the value as colour."""
    title, what, share = STATISTICS[key]
    columns = sorted({round(i * (len(rows) - 1) / (COLUMNS - 1)) for i in range(COLUMNS)})
    table = [[rows[j]["layers"][name].get(key) for j in columns] for name in layers]
    z = table if share else [[math.log10(value) if value else None for value in row] for row in table]
    drawn = [value for row in z for value in row if value is not None]
    bar: Axis = {"title": {"text": what, "side": "right"}, "thickness": 12, "outlinewidth": 0}
    if drawn and not share:
        bar |= _powers(min(drawn), max(drawn))
    trace = {"type": "heatmap", "x": [rows[j]["epoch"] for j in columns], "y": list(range(len(layers))), "z": z,
             "colorscale": "Viridis", "colorbar": bar, "hoverinfo": "x"}  # fmt: skip
    every = range(0, len(layers), math.ceil(len(layers) / 16))
    ticks = {"tickvals": list(every), "ticktext": [plain(layers[i]) for i in every], "autorange": "reversed"}
    layout = {"xaxis": axis("epoch", tickformat=",d"), "yaxis": axis("", showgrid=False, **ticks)}
    note = f"{NOTES[key]} From the first layer at the top to the last; blank where it is 0."
    alt = f"{title} of {len(layers)} layers over the epochs."
    return Chart(title, alt, [trace], layout, note, height=380)


def _powers(low: float, high: float) -> Axis:
    """Ticks between two logarithms: powers of ten, about eight, or where there are few of these also 2 and 5 times."""
    powers = list(range(math.floor(low), math.ceil(high) + 1))
    shown = powers[:: math.ceil(len(powers) / 8)]
    digits = (1, 2, 5) if high - low < 2 else (1,)
    values = [digit * 10.0**power for power in shown for digit in digits]
    return {"tickvals": [math.log10(value) for value in values], "ticktext": [f"{value:g}" for value in values]}


def _line(name: str, key: str, i: int, rows: Sequence[Row], most: int) -> Trace:
    values = [row["layers"][name].get(key) for row in rows]
    chosen = kept(values, max(4, most))
    drawn = line(name, [rows[j]["epoch"] for j in chosen], [values[j] for j in chosen], colour(i), dash=dash(i))
    return drawn | ({"mode": "lines+markers"} if len(rows) < 20 else {})


def weights_chart(tensors: Mapping[str, Array]) -> Chart:
    """The weights of each layer, as the share of them in bins that all layers share."""
    weights = {name.removesuffix(".W"): tensor for name, tensor in tensors.items() if name.endswith(".W")}
    ends = min(W.min() for W in weights.values()), max(W.max() for W in weights.values())
    bins = min(BINS, max(8, round(max(W.size for W in weights.values()) ** 0.5)))
    traces = []
    for i, (name, values) in enumerate(weights.items()):
        counts, edges = np.histogram(values, bins, range=ends)
        shares, middles = counts / values.size, (edges[:-1] + edges[1:]) / 2
        shape = line(name, _digits(middles), _digits(shares), colour(i), dash=dash(i), width=1.8)
        traces.append(shape | {"line": {**shape["line"], "shape": "hvh"}})
    told = "; ".join(_of_layer(name, values) for name, values in weights.items())
    layout = {"xaxis": axis("weight"), "yaxis": axis("share in each bin", percent=True)}
    return Chart("Weights of the best epoch", f"Histograms of the weights. {told}.", traces, layout, told + ".")


def _of_layer(name: str, W: Array) -> str:
    return f"{name}: {W.size:,} weights, deviation {W.std():.3g}, largest {np.abs(W).max():.3g}"


def _digits(values: Array) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
