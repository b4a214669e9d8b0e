"""Lessons on the way to a minimum: paths of the engine's own optimizers on surfaces, and the averages they keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lessons.drawing import pointed_at
from lessons.runs import Lesson, Runs
from nnrun import minimize
from nnrun.config.data_section import Data
from nnrun.data.files.sources import read_source
from nnrun.engine.optimizers import usual
from nnrun.engine.parameters import Array
from nnrun.report.page.charts import BLUE, GREEN, GREY, ORANGE, PURPLE, Chart, Trace, axis, line, points
from nnrun.report.page.page import Grid
from nnrun.text import number

SIDE = 200  # points of a surface along each axis
LEVELS = 14  # shades of it
SHADES = [[0, "#f4f7fb"], [1, "#b9c9dc"]]
STYLES = {"sgd": GREY, "momentum": BLUE, "rmsprop": PURPLE, "adam": ORANGE}
WORDS = {"sgd": "gradient descent", "momentum": "momentum", "rmsprop": "RMSprop", "adam": "Adam"}
Value = Callable[[Array, Array], Array]


class Surface(NamedTuple):
    """A cost of two numbers: where it is looked at, where paths begin, and the rate of each optimizer there."""

    title: str
    value: Value
    gradient: Callable[[float, float], tuple[float, float]]
    x: tuple[float, float]
    y: tuple[float, float]
    start: tuple[float, float]
    rates: Mapping[str, float]
    steps: int = 40


def _plateau(x: Array, y: Array) -> Array:
    return np.asarray(1 - np.exp(-(x**2 + y**2) / 2))


def _down_the_plateau(x: float, y: float) -> tuple[float, float]:
    steep = float(np.exp(-(x**2 + y**2) / 2))
    return x * steep, y * steep


SURFACES = (
    Surface("A round bowl: x² + y²", lambda x, y: x**2 + y**2, lambda x, y: (2 * x, 2 * y), (-4, 4), (-3, 3),
            (-3.5, 2.2), {"sgd": 0.1, "momentum": 0.1, "rmsprop": 0.15, "adam": 0.3}),
    Surface("An elongated bowl: x²/20 + y²", lambda x, y: x**2 / 20 + y**2, lambda x, y: (x / 10, 2 * y), (-10, 4),
            (-3, 3), (-9, 2.2), {"sgd": 0.92, "momentum": 0.92, "rmsprop": 0.3, "adam": 0.6}),
    Surface("A saddle: x² − y²", lambda x, y: x**2 - y**2, lambda x, y: (2 * x, -2 * y), (-3, 3), (-3, 3),
            (-2.6, 0.02), {"sgd": 0.06, "momentum": 0.1, "rmsprop": 0.1, "adam": 0.1}),
    Surface("A plateau: 1 − e^(−(x² + y²)/2)", _plateau, _down_the_plateau, (-4.5, 1.5), (-1.5, 4), (-3.0, 2.4),
            {"sgd": 0.3, "momentum": 0.3, "rmsprop": 0.15, "adam": 0.3}),
)  # fmt: skip


def paths(runs: Runs) -> Lesson:
    """Four optimizers on four surfaces."""
    found = [(surface, {name: _walk(surface, name) for name in STYLES}) for surface in SURFACES]
    charts = [_on_contours(surface, ways) for surface, ways in found]
    charts[-1].layout["annotations"] = [
        pointed_at(*SURFACES[-1].start, "gradient descent and<br>momentum hardly move", -75, 118)
    ]
    rows = [
        [surface.title, *(f"{number(_end(surface, ways[name]))} at {surface.rates[name]:g}" for name in STYLES)]
        for surface, ways in found
    ]
    see = (
        "From the same point, 40 steps each. Across the long bowl gradient descent zigzags; at the saddle and on the "
        "plateau RMSprop and Adam are soon away, as they divide by the size of the slope."
    )
    told = (
        "Along the long bowl the rate of gradient descent is good, across it nearly too high. Momentum and Adam damp "
        "the zigzag, but run past the minimum and are still on their way back after 40 steps, so they end above it. "
        f"β₁ is {usual('adam')['beta1']:g}; β₂ is {usual('adam')['beta2']:g} for Adam, {usual('rmsprop')['beta2']:g} "
        "for RMSprop."
    )
    heads = ["value after 40 steps, at which rate", *WORDS.values()]
    return Lesson("Contours: four optimizers on four surfaces", [Grid(charts)], heads, rows, told, see)


def _end(surface: Surface, way: Array) -> float:
    return float(surface.value(*way[-1]))


def _walk(surface: Surface, name: str) -> Array:
    """The path `(steps + 1, 2)` of the engine's optimizer."""

    def f(w: Array) -> tuple[float, Array]:
        return float(surface.value(w[0], w[1])), np.array(surface.gradient(w[0], w[1]))

    return minimize(f, surface.start, name, surface.steps, learning_rate=surface.rates[name]).path


def _shaded(value: Value, x: tuple[float, float], y: tuple[float, float], root: bool = False) -> Trace:
    """The surface as bands of equal value, the lowest palest; with `root` bands are closer where it is low."""
    xs, ys = np.linspace(*x, SIDE), np.linspace(*y, SIDE)
    z = value(*np.meshgrid(xs, ys))
    z = z - z.min()
    bands = np.floor(LEVELS * (np.sqrt(z / z.max()) if root else z / z.max()))
    return {"type": "heatmap", "x": xs.tolist(), "y": ys.tolist(), "z": bands.astype(int).tolist(),
            "colorscale": SHADES, "showscale": False, "hoverinfo": "skip"}  # fmt: skip


def _path(name: str, way: Array, color: str, **options: Any) -> Trace:
    marks = {"mode": "lines+markers", "marker": {"size": 4}, "width": 1.8}
    return line(name, way[:, 0].tolist(), way[:, 1].tolist(), color, **{**marks, **options})


def _on_contours(surface: Surface, ways: Mapping[str, Array]) -> Chart:
    traces = [_shaded(surface.value, surface.x, surface.y, root=True)]
    traces += [_path(WORDS[name], way, STYLES[name]) for name, way in ways.items()]
    traces.append(points("start", [surface.start[0]], [surface.start[1]], "#1b1f24", showlegend=False))
    layout = {
        "xaxis": axis("x", range=list(surface.x), zeroline=False, showgrid=False),
        "yaxis": axis("y", range=list(surface.y), zeroline=False, showgrid=False),
        "legend": {"font": {"size": 11}},
    }
    ends = "; ".join(f"{WORDS[name]} ends at {number(_end(surface, way))}" for name, way in ways.items())
    return Chart(surface.title, f"{surface.title}. {ends}.", traces, layout, height=290)


# exponentially weighted averages

BETAS = {0.5: GREEN, 0.9: BLUE, 0.98: ORANGE}


def averages(runs: Runs) -> Lesson:
    """Of daily temperatures, by what momentum keeps."""
    degrees = read_source(Data(source="temperatures"))["all"].frame["temperature"].to_numpy(float)
    found = {(beta, right): averaged(degrees, beta, right) for beta in BETAS for right in (False, True)}
    charts = [_averages(degrees, found), _beginning(degrees, found)]
    rows = [
        [f"{beta:g}", f"{1 / (1 - beta):.0f} days", *(f"{found[key][day - 1]:.1f}" for day, key in _cells(beta))]
        for beta in BETAS
    ]
    heads = ["β", "1/(1 − β)", *(f"day {day}{', corrected' * key[1]}" for day, key in _cells(0))]
    see = (
        "A larger β is smoother and later: it averages about 1/(1 − β) days. Without the correction, a division "
        "by 1 − βᵗ, an average begins at 0 and is slow to forget that, the slower the larger β."
    )
    return Lesson("Exponentially weighted averages", charts, heads, rows, see=see)


def _cells(beta: float) -> list[tuple[int, tuple[float, bool]]]:
    """The days of the table, each without and with the correction."""
    return [(day, (beta, right)) for day in (1, 10, 60) for right in (False, True)]


def averaged(values: Array, beta: float, bias_correction: bool) -> Array:
    """v = βv + (1 − β)θ of each value in turn `(n,)`, divided by 1 − βᵗ where it is corrected.

    It is momentum whose gradients are the values: with a rate of 1 each step is as long as v.
    """
    given = iter([*values, 0.0])  # one more is asked for the value at the end
    path = minimize(
        lambda w: (0.0, np.array([next(given)])), [0.0], "momentum", len(values),
        learning_rate=1.0, beta1=beta, bias_correction=bias_correction,
    ).path  # fmt: skip
    return -np.diff(path[:, 0])


def _averages(degrees: Array, found: Mapping[tuple[float, bool], Array]) -> Chart:
    days = list(range(1, len(degrees) + 1))
    traces = [points("a day", days, degrees.tolist(), "#b8c0c8", marker={"size": 4})]
    traces += [line(f"β = {beta:g}", days, found[beta, True].tolist(), color) for beta, color in BETAS.items()]
    layout = {"xaxis": axis("day of the year", range=[0, 366]), "yaxis": axis("degrees Celsius")}
    told = "; ".join(f"β {beta:g} at most {found[beta, True].max():.1f}" for beta in BETAS)
    return Chart(
        "The year, with bias correction", f"Averages of daily temperatures: {told}.", traces, layout, height=290
    )


def _beginning(degrees: Array, found: Mapping[tuple[float, bool], Array]) -> Chart:
    """The first days, with and without the correction."""
    days = list(range(1, 61))
    traces = [points("a day", days, degrees[:60].tolist(), "#b8c0c8", marker={"size": 4}, showlegend=False)]
    for right, style in ((False, "dot"), (True, "solid")):
        for beta in BETAS:
            name = f"β = {beta:g}{', corrected' if right else ', as it is'}"
            traces.append(line(name, days, found[beta, right][:60].tolist(), BETAS[beta], dash=style))
    layout = {"xaxis": axis("day of the year", range=[0, 61]), "yaxis": axis("degrees Celsius")}
    told = f"β 0.98 on day 1: {found[0.98, False][0]:.2f} as it is, {found[0.98, True][0]:.2f} corrected"
    return Chart("The first 60 days, with and without bias correction", f"{told}.", traces, layout, height=280)


# linear regression on real rows, whose cost is a bowl over two weights


def _regression(*features: str, normalised: bool) -> tuple[Array, Array]:
    """These features of 442 patients, centred, `(442, n)`, and the standardised progress of their disease, `(442,)`."""
    frame = read_source(Data(source="diabetes"))["all"].frame
    x, y = frame[list(features)].to_numpy(float), frame["target"].to_numpy(float)
    centred = x - x.mean(axis=0)
    return centred / x.std(axis=0) if normalised else centred, (y - y.mean()) / y.std()


def _cost(x: Array, y: Array) -> Value:
    """J(v, w) = mean (x·(v, w) − y)² of x `(m, 2)` and y `(m,)`."""
    (aa, ab), (_, bb) = x.T @ x / len(x)
    ay, by = x.T @ y / len(x)
    yy = float(np.mean(y * y))
    return lambda v, w: v * v * aa + 2 * v * w * ab + w * w * bb - 2 * v * ay - 2 * w * by + yy


def _slope(w: Array, x: Array, y: Array) -> Array:
    return 2 * x.T @ (x @ w - y) / len(x)


STEPS = 15


def bowls(runs: Runs) -> Lesson:
    """The cost of linear regression before and after normalising its two features."""
    charts, rows = [], []
    for name, normalised, size, start in (
        ("raw: age 19 to 79, body-mass index 18 to 42", False, 0.36, (0.16, -0.18)),
        ("normalised features", True, 2.0, (1.3, -1.2)),
    ):
        x, y = _regression("age", "bmi", normalised=normalised)
        flattest, steepest = np.linalg.eigvalsh(2 * x.T @ x / len(x))
        rate = 2 / (flattest + steepest)
        way = minimize(lambda w, x=x, y=y: (0.0, _slope(w, x, y)), start, "sgd", STEPS, learning_rate=rate).path
        cost, lowest = _cost(x, y), np.linalg.lstsq(x, y, rcond=None)[0]
        charts.append(_bowl(name, cost, way, *((w - size, w + size) for w in lowest)))
        values = [number(float(cost(*w))) for w in (way[-1], lowest)]
        rows.append([name, number(steepest / flattest), number(rate), *values])
    see = (
        f"Both: {STEPS} steps at the rate that is best there. In the raw valley they jump from side to side and creep "
        "along it; in the round bowl they are nearly there after two."
    )
    heads = ["linear regression", "steepest / flattest curvature", "rate", f"cost after {STEPS} steps", "lowest cost"]
    return Lesson("Contours of the cost before and after normalising", [Grid(charts)], heads, rows, see=see)


def _bowl(name: str, cost: Value, way: Array, vs: tuple[float, float], ws: tuple[float, float]) -> Chart:
    traces = [_shaded(cost, vs, ws, root=True), _path("", way, ORANGE, showlegend=False)]
    traces.append(points("start", [way[0, 0]], [way[0, 1]], "#1b1f24", showlegend=False))
    layout = {
        "xaxis": axis("weight of age", range=list(vs), zeroline=False, showgrid=False),
        "yaxis": axis("weight of body-mass index", range=list(ws), zeroline=False, showgrid=False),
    }
    told = f"{name}: ends at cost {number(float(cost(*way[-1])))}."
    return Chart(name[0].upper() + name[1:], told, traces, layout, height=360)


BATCHES = {"all 442 rows": (442, GREY), "32 rows": (32, BLUE), "one row": (1, ORANGE)}


def batch_sizes(runs: Runs) -> Lesson:
    """The same rate and number of steps, with more and fewer rows a step."""
    x, y = _regression("bmi", normalised=True)
    x = np.hstack([x, np.ones_like(x)])
    cost, ways = _cost(x, y), {}
    for name, (size, _) in BATCHES.items():
        ways[name] = minimize(_in_batches(x, y, size), (-1.6, 2.2), "sgd", 60, learning_rate=0.06).path
    ws, bs = (-2.2, 2.2), (-1.2, 2.6)
    traces = [_shaded(cost, ws, bs, root=True)]
    traces += [_path(name, way, BATCHES[name][1]) for name, way in ways.items()]
    layout = {
        "xaxis": axis("weight", range=list(ws), zeroline=False, showgrid=False),
        "yaxis": axis("bias", range=list(bs), zeroline=False, showgrid=False),
    }
    told = "; ".join(f"{name}: cost {number(float(cost(*way[-1])))}" for name, way in ways.items())
    chart = Chart(
        "60 steps of gradient descent at rate 0.06, each on so many rows", f"{told}.", traces, layout, height=430
    )
    see = (
        "All rows walk straight down; 32 sway a little; one row wanders, and goes on wandering around the minimum. The "
        "steps are as many, not the rows: 32 a step come as far with a fourteenth of the work."
    )
    rows = [
        [name, str(60 * BATCHES[name][0]), *(number(float(cost(*way[step]))) for step in (20, 40, 60))]
        for name, way in ways.items()
    ]
    heads = ["a step on", "rows seen", "cost after 20 steps", "40", "60"]
    return Lesson("All rows, a few, or one", [chart], heads, rows, see=see)


def _in_batches(x: Array, y: Array, size: int) -> Callable[[Array], tuple[float, Array]]:
    """The gradient on the next rows of a random order at each call."""
    order = iter(np.random.default_rng(0).permuted(np.tile(np.arange(len(x)), (100, 1)), axis=1).ravel())

    def f(w: Array) -> tuple[float, Array]:
        rows = np.arange(len(x)) if size == len(x) else np.fromiter(order, int, size)
        return 0.0, _slope(w, x[rows], y[rows])

    return f


LESSONS = (paths, bowls, batch_sizes, averages)
