"""Lessons in a plane: what a network says everywhere of two inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lessons.drawing import words_at
from lessons.numbers import at_last
from lessons.runs import Lesson, Runs
from nnrun.api import Run
from nnrun.engine.evaluation import Examples
from nnrun.engine.layers import Mode
from nnrun.engine.parameters import Array, Buffers
from nnrun.models.model import Model
from nnrun.models.trained import Trained, trained
from nnrun.report.page.charts import BLUE, GREY, ORANGE, Chart, Trace, axis, line
from nnrun.report.page.page import Grid
from nnrun.report.run.examples import boundary_chart
from nnrun.runs.stored import StoredRun
from nnrun.text import percent

ERRORS = ("train_error", "dev_error")
BINS = np.linspace(-3, 3, 61)
LINEAR = 0.5  # up to which |z| tanh differs from z by less than a tenth: tanh 0.5 = 0.46


def boundary(runs: Runs) -> Lesson:
    """Three networks on the same noisy rows."""
    found = {
        "too straight": runs.train("boundary", "network.hidden=[]"),
        "just right": runs.train("boundary"),
        "too wiggly": runs.train("boundary", "network.hidden=[100,100,100]"),
    }
    charts = [
        small_boundary(run, f"{name}: hidden {list(run.config.network.hidden)}", "train") for name, run in found.items()
    ]
    see = "Dots are the 100 rows that were learned: the last boundary goes round single dots, which no new row repeats."
    return Lesson(
        "A boundary too straight, just right, too wiggly",
        [Grid([*charts, _errors(found)])],
        **at_last(found, ERRORS),
        see=see,
    )


def _errors(found: Mapping[str, Run]) -> Chart:
    """Train and dev beside each other."""
    bars = {"type": "bar", "x": list(found), "textposition": "outside", "cliponaxis": False}
    traces = [
        {**bars, "name": part, "marker": {"color": color}, "text": [_last(run, part) for run in found.values()],
         "y": [run.metrics[-1][f"{part}_error"] for run in found.values()]}
        for part, color in (("train", BLUE), ("dev", ORANGE))
    ]  # fmt: skip
    layout = {"xaxis": axis(""), "yaxis": axis("error", percent=True, range=[0, 0.2]), "bargap": 0.35}
    told = "; ".join(f"{name}: train {_last(run, 'train')}, dev {_last(run, 'dev')}" for name, run in found.items())
    return Chart("Errors after the last epoch", f"{told}.", traces, layout, height=300)


def _last(run: Run, part: str) -> str:
    return percent(run.metrics[-1][f"{part}_error"])


def small_boundary(run: Run, title: str, part: str = "dev") -> Chart:
    """The boundary after the last epoch, with the rows of a part on top."""
    of = trained(StoredRun(run.directory))
    chart = boundary_chart(_at_last(run, of), of.dataset, part)
    layout = {**chart.layout, "showlegend": False}
    return replace(chart, title=title, note="", height=300, layout=layout, alt=f"{title}. {chart.alt}")


def _at_last(run: Run, of: Trained) -> Model:
    (member,) = of.model.members
    return replace(of.model, members=(replace(member, weights=run.weights("last")),))


def linear_boundaries(runs: Runs) -> Lesson:
    """Softmax regression."""
    run = runs.train("linear_boundaries")
    of = trained(StoredRun(run.directory))
    chart = boundary_chart(of.model, of.dataset)
    chart = replace(chart, title="Softmax regression on five clouds; dots are dev rows", note="", height=430)
    told = "See that every border is a straight line: where two logits, both linear, are equal."
    return Lesson("Softmax draws straight lines", [chart], **at_last({"linear_boundaries": run}, ERRORS), see=told)


def tanh_l2(runs: Runs) -> Lesson:
    """The inputs of tanh, free and held small."""
    found = {"λ = 0": runs.train("tanh_l2", "regularization.l2=0"), "λ = 1": runs.train("tanh_l2")}
    colors = dict(zip(found, (ORANGE, BLUE), strict=True))
    z = {name: _inputs_of_tanh(run) for name, run in found.items()}
    planes = [small_boundary(run, f"{name}: dev error {_last(run, 'dev')}") for name, run in found.items()]
    shares = {name: float((np.abs(values) < LINEAR).mean()) for name, values in z.items()}
    told = (
        "See where the inputs of tanh lie: with a large λ nearly nine of ten where it is all but a line, so the "
        "network is all but one, too."
    )
    rows = [
        [name, percent(shares[name]), *(_last(run, part) for part in ("train", "dev"))] for name, run in found.items()
    ]
    heads = ["after the last epoch", f"inputs of tanh at most {LINEAR:g} from 0", "train error", "dev error"]
    return Lesson("A large λ makes tanh a line", [_histograms(z, colors, shares), Grid(planes)], heads, rows, see=told)


def _histograms(z: dict[str, Array], colors: dict[str, str], shares: dict[str, float]) -> Chart:
    """Tanh, and below it how often each input occurs."""
    x = np.linspace(BINS[0], BINS[-1], 121)
    traces = [line("", x.tolist(), np.tanh(x).tolist(), GREY, yaxis="y2", showlegend=False)]
    tops = {}
    for name, values in z.items():
        counts, _ = np.histogram(np.clip(values, BINS[0], BINS[-1]), BINS)
        middles, y = (BINS[:-1] + BINS[1:]) / 2, counts / len(values)
        traces.append(_steps(name, middles, y, colors[name]))
        tops[name] = float(middles[y.argmax()]), float(y.max())
    words = [words_at(1.6, 0.55, "tanh", GREY) | {"yref": "y2"}]
    layout = {
        "xaxis": axis("input of tanh, z", range=[BINS[0], BINS[-1]]),
        "yaxis": axis("share of the inputs", percent=True, rangemode="tozero", domain=[0, 0.52]),
        "yaxis2": axis("tanh z", range=[-1.15, 1.15], domain=[0.6, 1], anchor="x"),
        "annotations": words,
        "legend": {"x": 0.02, "y": 0.5, "yanchor": "top", "orientation": "v"},
    }
    told = "; ".join(
        f"{name}: {percent(share)} of the inputs at most {LINEAR:g} from 0" for name, share in shares.items()
    )
    return Chart("Inputs of all tanh units on the training rows", f"{told}.", traces, layout, height=330)


def _steps(name: str, x: Array, y: Array, color: str) -> Trace:
    shape = line(name, x.tolist(), y.tolist(), color)
    return shape | {"line": {**shape["line"], "shape": "hvh"}, "fill": "tozeroy"}


def _inputs_of_tanh(run: Run) -> Array:
    """What goes into every hidden unit for every training row, `(n,)`."""
    of = trained(StoredRun(run.directory))
    (member,) = _at_last(run, of).members
    seen: list[Array] = []

    def see(layer: str, kind: str, array: Array) -> None:
        if kind == "output" and layer.startswith("dense"):
            seen.append(array.ravel().copy())

    x = Examples(of.dataset.parts["train"].x, of.dataset.parts["train"].y).x
    member.network.forward(member._bound, x[None], Mode(train=False, buffers=Buffers(x.dtype)), see)
    return np.concatenate(seen)


LESSONS = (boundary, linear_boundaries, tanh_l2)
