"""The learning curves of a run as they were recorded, the best epoch and what happened marked, and those of its layers.

The weights at the end are drawn with the layers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.report.page import charts
from nnrun.report.page.charts import (
    BLUE,
    GREEN,
    ORANGE,
    POINTS,
    Axis,
    Chart,
    Layout,
    Trace,
    axis,
    bin_edges,
    colour,
    dash,
    is_wide,
    kept,
    line,
    log_axis,
    plain,
    whole_axis,
)
from nnrun.report.page.html import Markup, table
from nnrun.report.run.marks import change_marks, laid_out, marks_of
from nnrun.runs.lineage import Course
from nnrun.runs.records import DataSizes, Event, Row, numbers
from nnrun.runs.stored import StoredRun, some_of
from nnrun.runs.telling import epoch_table, shown_metrics
from nnrun.runs.verdict import error_kind, metric_title
from nnrun.text import counted, in_percent, metric_name

FEW = 20  # epochs; fewer are points on a line
MANY = 300  # epochs; more are a thinner line, as it crosses itself
DECADES = 30  # a loss that falls by more than this is drawn on a logarithmic axis
ABBREVIATED = 4  # letters of a name that is an abbreviation, such as auc
PALE = 0.45  # what is left of the colour of a curve that the parent drew


def curve_charts(
    course: Course, best: int | None, events: Sequence[Event], primary: str, data: DataSizes
) -> list[Chart]:
    """Losses and cost, errors, the primary metric and the learning rate; `best` is the epoch that is kept."""
    marks, kind = marks_of(best, events, course), error_kind(data)
    further = [name for name in shown_metrics(primary) if name not in ("error", "loss")]
    return [
        _losses(course, marks, kind),
        _by_part("error", course, marks, data, epochs_table(course.rows, best, primary, kind)),
        *(_by_part(name, course, marks, data) for name in further),
        *_rate_chart(course),
    ]


def run_curves(run: StoredRun, course: Course) -> list[Chart]:
    """The curves of a run with at least one epoch, over its course."""
    best, data = run.record.get("best_epoch"), run.record["data"]
    return curve_charts(course, best, run.events, run.config.metrics.primary, data)


def _losses(course: Course, marks: Layout, kind: str) -> Chart:
    loss = metric_name("loss", kind)
    curves = [(f"train {loss}", "train_loss", BLUE), (f"dev {loss}", "dev_loss", ORANGE), ("cost", "cost", GREEN)]
    spread = [value for row in course.rows for _, key, _ in curves if (value := numbers(row)[key]) is not None]
    y = log_axis(loss, spread) if is_wide(spread, DECADES) else axis(loss, rangemode="tozero")
    note = " ".join(["Cost is the training loss with penalties.", *_past(course)])
    return _chart(f"{loss} and cost".capitalize(), course, curves, y, marks, f"{_note(len(course.rows))}{note}")


def _past(course: Course) -> Iterator[str]:
    """What the curves have of what came before."""
    if course.fork and any(row["epoch"] <= course.fork for row in course.rows):
        yield "The pale part is its parent's."
    if course.changes:
        yield "Numbers mark changes, which stand in the table below the charts."


def _by_part(name: str, course: Course, marks: Layout, data: DataSizes, numbers: Markup | None = None) -> Chart:
    """A metric on the training and on the dev part."""
    words = metric_name(name, error_kind(data))
    title = metric_title(name, course.rows[0], data)
    curves = [(f"{part} {title}", f"{part}_{name}", color) for part, color in (("train", BLUE), ("dev", ORANGE))]
    y = axis(title, percent=True, rangemode="tozero") if in_percent(name) else axis(title)
    heading = words.upper() if len(words) <= ABBREVIATED and name != "error" else words.capitalize()
    return _chart(heading, course, curves, y, marks, _note(len(course.rows)), numbers)


def _chart(
    title: str,
    course: Course,
    curves: Sequence[tuple[str, str, str]],
    y: Axis,
    marks: Layout,
    note: str,
    numbers: Markup | None = None,
) -> Chart:
    rows = course.rows
    traces = [part for name, key, color in curves for part in joined(series(name, rows, key, color), course.fork)]
    told = "; ".join(f"{name} {_course(rows, key)}" for name, key, _ in curves)
    layout = {"xaxis": epoch_axis(rows), "yaxis": y, **marks}
    return Chart(title, f"{title} over {counted(len(rows), 'epoch')}: {told}.", traces, layout, note, numbers)


def epoch_axis(rows: Sequence[Row]) -> Axis:
    """The epochs from the first to the last, with room for points at both ends."""
    first, last = rows[0]["epoch"], rows[-1]["epoch"]
    if last == first:
        return axis("epoch", range=[first - 0.5, first + 0.5], tickvals=[first])
    room = 0.03 * (last - first) if len(rows) < FEW else 0.0
    return whole_axis("epoch", first, last, range=[first - room, last + room])


def series(name: str, rows: Sequence[Row], key: str, color: str, dashes: str = "solid") -> Trace:
    """A curve as recorded: an average from one side lies above the numbers while they fall."""
    known = [(row["epoch"], value) for row in rows if (value := numbers(row).get(key)) is not None]
    drawn = kept([value for _, value in known])
    style = {"mode": "lines+markers", "marker": {"size": 5}} if len(known) < FEW else {}
    x, y = [known[i][0] for i in drawn], [known[i][1] for i in drawn]
    return line(name, x, y, color, width=2 if len(known) <= MANY else 1.2, dash=dashes, **style)


def joined(curve: Trace, fork: int) -> list[Trace]:
    """A curve in two parts that meet at the fork, the parent's part paler."""
    x, y = curve["x"], curve["y"]
    own = bisect_right(x, fork)
    if not own:
        return [curve]
    name = f"{curve['name']}, its parent's"
    pale = {**curve, "x": x[:own], "y": y[:own], "name": name, "opacity": PALE, "showlegend": False}
    return [pale, {**curve, "x": x[own - 1 :], "y": y[own - 1 :]}]


def _note(epochs: int) -> str:
    """How the drawing differs from the numbers."""
    return f"Of {epochs:,} epochs, the lowest and highest of each stretch are drawn. " if epochs > POINTS else ""


def _course(rows: Sequence[Row], key: str) -> str:
    values = [value for row in rows if (value := numbers(row).get(key)) is not None]
    return f"from {values[0]:.4g} to {values[-1]:.4g}, lowest {min(values):.4g}" if values else "not known"


def _rate_chart(course: Course) -> list[Chart]:
    """The learning rate, where a schedule or somebody changed it."""
    rows = course.rows
    if len({row["learning_rate"] for row in rows}) == 1:
        return []
    curve = {**series("learning rate", rows, "learning_rate", charts.PURPLE), "showlegend": False}
    y = axis("learning rate", rangemode="tozero", exponentformat="power")
    layout = {"xaxis": epoch_axis(rows), "yaxis": y, **laid_out([*change_marks(course)])}
    ends = f"{rows[0]['learning_rate']:.3g} at first, {rows[-1]['learning_rate']:.3g} at last"
    return [
        Chart(
            "Learning rate",
            f"Learning rate over {counted(len(rows), 'epoch')}: {ends}.",
            joined(curve, course.fork),
            layout,
            height=230,
        )
    ]


def epochs_table(rows: Sequence[Row], best: int | None, primary: str, kind: str) -> Markup:
    """Some epochs, the best one among them."""
    some = some_of(rows, best)
    titles, *cells = epoch_table(some, primary)
    scale = f"; errors and losses are {kind}" if kind else ""
    return table(f"{len(some)} of {counted(len(rows), 'epoch')}; the best is {best or 'none'}{scale}", titles, cells)


# What goes on inside the network: signals and gradients of each layer over the epochs, and its weights at the end.

MOST_POINTS = 8000  # of a chart, over all its lines
BINS = 60
MOST_LINES = 8  # layers, beyond which lines cannot be told apart
COLUMNS = 200  # epochs that a map of the layers shows
LINEAR = ("embed", "scales", "dense", "output", "batch")  # kinds of layers that have parameters
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
    if len(layers) > MOST_LINES:
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
    names = [plain(name) for name in layers]
    trace = {"type": "heatmap", "x": [rows[j]["epoch"] for j in columns], "y": names, "z": z, "customdata": table,
             "colorscale": "Viridis", "colorbar": bar,
             "hovertemplate": "%{y}, epoch %{x}: %{customdata:.3g}<extra></extra>"}  # fmt: skip
    ticks = {"tickvals": names[:: math.ceil(len(names) / 16)], "autorange": "reversed"}
    x = whole_axis("epoch", rows[0]["epoch"], rows[-1]["epoch"])
    layout = {"xaxis": x, "yaxis": axis("", showgrid=False, **ticks)}
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
    bins = min(BINS, max(8, round(max(W.size for W in weights.values()) ** 0.5)))
    edges = bin_edges(list(weights.values()), bins)
    middles = _digits((edges[:-1] + edges[1:]) / 2)
    traces = []
    for i, (name, values) in enumerate(weights.items()):
        shares = np.histogram(values, edges)[0] / values.size
        shape = line(name, middles, _digits(shares), colour(i), dash=dash(i), width=1.8)
        traces.append(shape | {"line": {**shape["line"], "shape": "hvh"}})
    told = "; ".join(_of_layer(name, values) for name, values in weights.items())
    layout = {"xaxis": axis("weight"), "yaxis": axis("share in each bin", percent=True)}
    return Chart("Weights of the best epoch", f"Histograms of the weights. {told}.", traces, layout, told + ".")


def _of_layer(name: str, W: Array) -> str:
    return f"{name}: {W.size:,} weights, deviation {W.std(dtype=float):.3g}, largest {np.abs(W).max():.3g}"


def _digits(values: Array) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
