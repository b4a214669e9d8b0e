"""Lessons on regularisation: runs that differ in what keeps them from learning the training set by heart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lessons.drawing import Line, curves, pointed_at, words_at, written
from lessons.numbers import error_axis, of_best
from lessons.runs import Lesson, Runs
from nnrun.api import Run
from nnrun.report.page.charts import BLUE, GREY, ORANGE, Chart, axis, line
from nnrun.report.page.page import Grid
from nnrun.text import percent


def l2(runs: Runs) -> Lesson:
    """No penalty and one."""
    found = {"no_l2": runs.train("no_l2"), "l2": runs.train("l2")}
    titles = {"no_l2": "Without a penalty", "l2": "With an L2 penalty"}
    return Lesson("L2 narrows the gap", [_gaps(found, titles)], **_gap_table(found))


def dropout(runs: Runs) -> Lesson:
    """All units, and half of them at a time."""
    found = {"no_l2": runs.train("no_l2"), "dropout": runs.train("dropout")}
    titles = {"no_l2": "All units in each step", "dropout": "Dropout of half the units"}
    return Lesson("Dropout narrows the gap", [_gaps(found, titles)], **_gap_table(found))


def _gaps(found: Mapping[str, Run], titles: Mapping[str, str]) -> Grid:
    """Side by side with one scale: train and dev error."""
    most = max(row["dev_error"] for run in found.values() for row in run.metrics)
    return Grid([_gap(titles[name], run, 1.1 * min(most, 1.4)) for name, run in found.items()])


def _gap(title: str, run: Run, most: float) -> Chart:
    lines = [Line(part, run.metrics, f"{part}_error", c) for part, c in (("dev", ORANGE), ("train", BLUE))]
    return curves(title, lines, error_axis(most, "1 − R²"), room=50, height=290)


def _gap_table(found: Mapping[str, Run]) -> dict[str, Any]:
    rows = []
    for name, run in found.items():
        train, dev = run.metrics[-1]["train_error"], run.metrics[-1]["dev_error"]
        best = min(row["dev_error"] for row in run.metrics)
        rows.append([name, percent(train), percent(dev), f"{100 * (dev - train):.1f} points", percent(best)])
    heads = ["after the last epoch", "train 1 − R²", "dev 1 − R²", "gap", "lowest dev 1 − R² of any epoch"]
    return {"heads": heads, "rows": rows}


def l1(runs: Runs) -> Lesson:
    """How the sizes of weights are spread under L1, L2 and neither."""
    found = {name: runs.train(name) for name in ("no_l2", "l2", "l1")}
    edges = np.linspace(-6.25, 0.5, 28)
    sizes = {name: np.log10(np.abs(_weights(run)) + 1e-9) for name, run in found.items()}
    colors = {"no_l2": GREY, "l2": BLUE, "l1": ORANGE}
    names = {"no_l2": "no penalty", "l2": "L2", "l1": "L1"}
    traces = [_histogram(names[name], sizes[name], edges, colors[name]) for name in found]
    ticks = {"tickvals": list(range(-6, 1)), "ticktext": [written(10.0**power) for power in range(-6, 1)]}
    layout = {
        "xaxis": axis("absolute value of a weight (log scale)", range=[-6.3, 0.6], **ticks),
        "yaxis": axis("share of the weights in each bin", percent=True, rangemode="tozero"),
        "annotations": [_at_peak(names[name], trace, colors[name]) for name, trace in zip(found, traces, strict=True)],
        "showlegend": False,
    }
    near = {name: float((10 ** sizes[name] < 1e-3).mean()) for name in found}
    alt = "Sizes of the weights; below 0.001 are " + ", ".join(f"{percent(v)} ({names[k]})" for k, v in near.items())
    chart = Chart("How large the weights are in the end", f"{alt}.", traces, layout)
    rows = [[name, percent(near[name]), percent(run.metrics[-1]["dev_error"])] for name, run in found.items()]
    heads = ["after the last epoch", "weights below 0.001", "dev 1 − R²"]
    return Lesson("L1 leaves few weights", [chart], heads, rows)


def _weights(run: Run) -> Any:
    return np.concatenate([values.ravel() for name, values in run.weights("last").items() if name.endswith(".W")])


def _histogram(name: str, values: Any, edges: Any, color: str) -> dict[str, Any]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    shape = line(name, ((edges[:-1] + edges[1:]) / 2).tolist(), (counts / len(values)).tolist(), color)
    return shape | {"line": {**shape["line"], "shape": "hvh"}}


def _at_peak(name: str, trace: Mapping[str, Any], color: str) -> dict[str, Any]:
    peak = int(np.argmax(trace["y"]))
    return words_at(trace["x"][peak], trace["y"][peak], name, color) | {"yshift": 12}


def early_stopping(runs: Runs) -> Lesson:
    """Where training ends."""
    whole, stopped = runs.train("no_l2"), runs.train("early_stopping")
    best, end = stopped.record["best_epoch"], stopped.record["epochs"]
    lines = [
        Line("all epochs", whole.metrics, "dev_error", GREY),
        Line("", stopped.metrics, "dev_error", BLUE),
    ]
    most = 1.1 * min(1.4, max(row["dev_error"] for row in whole.metrics))
    chart = curves("Dev error over the epochs", lines, error_axis(most, "dev 1 − R²"), room=90)
    at = {row["epoch"]: row["dev_error"] for row in stopped.metrics}
    marks = [
        pointed_at(best, at[best], f"best epoch {best}, which is kept", 30, 120),
        pointed_at(end, at[end], f"no better for ten epochs: ended after epoch {end}", 30, 70),
    ]
    layout = {**chart.layout, "annotations": [*chart.layout["annotations"][:1], *marks]}
    rows = [
        [name, str(run.record["epochs"]), str(run.record["best_epoch"]), percent(run.final["dev_error"])]
        for name, run in (("no_l2", whole), ("early_stopping", stopped))
    ]
    heads = ["", "epochs", "best epoch", "dev 1 − R² of the best"]
    return Lesson("Stop when it no longer helps", [replace(chart, layout=layout)], heads, rows)


def augment(runs: Runs) -> Lesson:
    """Images as they are, and bent anew each epoch."""
    on, off = runs.train("augment"), runs.train("augment", "regularization.augment=[]")
    lines = [
        Line("as they are", off.metrics, "dev_error", ORANGE),
        Line("augmented", on.metrics, "dev_error", BLUE),
    ]
    chart = curves("Dev error over the epochs, 200 training images", lines, error_axis(0.2), room=105)
    heads = ["best epoch", "train error", "dev error", "test error"]
    return Lesson("Few images are made many", [chart], heads, [["augment", *of_best(on)], ["without", *of_best(off)]])


LESSONS = (l2, dropout, l1, early_stopping, augment)
