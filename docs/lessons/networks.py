"""Lessons on networks, their inputs and their initial weights."""

from __future__ import annotations

from dataclasses import replace

from lessons.drawing import Line, curves, decades, words_at
from lessons.numbers import at_last, error_axis, of_best
from lessons.runs import Lesson, Runs
from nnrun.api import Run
from nnrun.models.trained import trained
from nnrun.report.page.charts import BLUE, GREY, ORANGE, Chart, axis, line
from nnrun.report.run.quality import Estimated, predicted, scatter_chart
from nnrun.runs.stored import StoredRun
from nnrun.text import number, percent


def hidden_layers(runs: Runs) -> Lesson:
    """Softmax regression and a network."""
    shallow, deep = runs.train("softmax_regression"), runs.train("digits")
    lines = [
        Line("no hidden layer", shallow.metrics, "dev_error", BLUE),
        Line("two hidden layers", deep.metrics, "dev_error", ORANGE),
    ]
    chart = curves("Dev error over the epochs", lines, error_axis(0.1), room=140)
    final = [["softmax_regression", *of_best(shallow)], ["digits", *of_best(deep)]]
    heads = ["best epoch", "train error", "dev error", "test error"]
    return Lesson("What hidden layers bring", [chart], heads, final)


def regression(runs: Runs) -> Lesson:
    """A number to predict."""
    run = runs.train("regression")
    known = trained(StoredRun(run.directory))
    of = predicted(known)
    assert isinstance(of, Estimated)
    chart = replace(scatter_chart(of, "disease progression"), title="Predicted and true score of each dev example")
    chart = replace(chart, layout={**chart.layout, "legend": {"x": 0.02, "y": 0.98, "yanchor": "top"}})
    rows = [[part, percent(run.final[f"{part}_error"]), number(run.final[f"{part}_rmse"])] for part in ("train", "dev")]
    return Lesson("A number instead of a class", [chart], ["best epoch", "1 − R²", "RMSE"], rows)


def normalisation(runs: Runs) -> Lesson:
    """The same features, raw and normalised."""
    raw, normal = runs.train("no_normalization"), runs.train("logistic_regression")
    lines = [
        Line("raw features", raw.metrics, "cost", ORANGE),
        Line("normalised", normal.metrics, "cost", BLUE),
    ]
    chart = curves("Cost over the epochs", lines, decades("cost", 0.01, 1e5), room=110)
    return Lesson("Normalise the inputs", [chart], **at_last({"no_normalization": raw, "logistic_regression": normal}))


def initialisation(runs: Runs) -> Lesson:
    """Zeros, too large, He."""
    names = {"init_zeros": "zeros", "init_too_large": "deviation 1", "init_he": "He"}
    found = {name: runs.train(name) for name in names}
    colors = (GREY, ORANGE, BLUE)
    lines = [Line(names[n], run.metrics, "dev_error", c) for (n, run), c in zip(found.items(), colors, strict=True)]
    chart = curves("Dev error over the epochs; 90% is guessing", lines, error_axis(1), room=100)
    return Lesson("Where the weights start", [chart], **at_last(found))


def vanishing(runs: Runs) -> Lesson:
    """The gradient layer by layer, in 30 layers."""
    found = {name: runs.train(name) for name in ("vanishing", "deep_he_batch_norm")}
    norms = {name: _gradients(run) for name, run in found.items()}
    small, good = norms.values()
    zeros = sum(value == 0 for value in small)
    x = list(range(1, len(small) + 1))
    traces = [
        line("small weights", x, [value or None for value in small], ORANGE, mode="lines+markers", showlegend=False),
        line("He and batch norm", x, good, BLUE, mode="lines+markers", showlegend=False),
    ]
    words = [
        words_at(x[len(x) // 3], -2.6, "He initialisation and batch norm", BLUE),
        words_at(22.5, -15, "weights of deviation 0.01", ORANGE),
        words_at((1 + zeros) / 2, -22.2, f"exactly 0 in layers 1 to {zeros}", ORANGE),
    ]
    y = decades("norm of the gradient", 1e-24, 10, every=4)
    layout = {"xaxis": axis("layer, from the input to the output", range=[0.3, 30.7]), "yaxis": y, "annotations": words}
    told = f"With small weights {small[-1]:.1g} at layer 30 and 0 up to layer {zeros}"
    told += f"; else from {good[0]:.1g} to {good[-1]:.1g}."
    chart = Chart("Gradient that reaches each layer in the first epoch", told, traces, layout, height=360)
    rows = [
        [name, *(number(norms[name][depth - 1]) for depth in (1, 15, 30)), percent(run.metrics[-1]["dev_error"])]
        for name, run in found.items()
    ]
    heads = ["gradient in the first epoch", "layer 1", "layer 15", "layer 30", "dev error after the last"]
    return Lesson("Gradients that vanish, and how to keep them", [chart], heads, rows)


def _gradients(run: Run) -> list[float]:
    layers = run.metrics[0]["layers"]
    return [layers[name]["gradient_norm"] for name in layers if name.startswith("elu")]


def batch_norm(runs: Runs) -> Lesson:
    """Raw pixels and a high rate, with batch norm and without."""
    on, off = runs.train("batch_norm"), runs.train("batch_norm", "network.batch_norm=false")
    lines = [Line("without", off.metrics, "dev_error", ORANGE), Line("batch norm", on.metrics, "dev_error", BLUE)]
    chart = curves("Dev error over the epochs, raw pixels and a high rate; 90% is guessing", lines, error_axis(1), 100)
    return Lesson(
        "Batch norm forgives raw inputs and a high rate", [chart], **at_last({"batch_norm": on, "without": off})
    )


FIRST = (hidden_layers, normalisation, regression)
DEEP = (initialisation, vanishing, batch_norm)
