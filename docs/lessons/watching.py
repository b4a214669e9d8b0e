"""Lessons on what to look at while a network learns: gradients, layers, errors of the parts, one run or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lessons.drawing import decades
from lessons.numbers import at_last
from lessons.planes import small_boundary
from lessons.runs import CONFIGS, Lesson, Runs
from nnrun import load_config
from nnrun.api import Run
from nnrun.engine.gradient_check import ACCEPTABLE, BUG, GREAT, GradientCheck, check_gradient
from nnrun.engine.parameters import Array
from nnrun.engine.trainer import Trainer
from nnrun.insight.diagnosis.verbs import of_a_run
from nnrun.insight.preflight.verbs import open_context
from nnrun.report.page.charts import BLUE, GREEN, ORANGE, PURPLE, Axis, Chart, Layout, axis, line, upright
from nnrun.report.page.page import Grid
from nnrun.report.run.curves import epoch_axis
from nnrun.report.run.errors import ladder_chart
from nnrun.report.search.results import curves_chart
from nnrun.report.verbs import run_charts
from nnrun.runs.stored import StoredRun
from nnrun.text import percent, set_name

ROWS = 8  # on which gradients are compared
MISTAKE = "dense2.W"  # whose gradient is doubled


def gradient(runs: Runs) -> Lesson:
    """A right gradient, and one that is wrong in one layer."""
    runs.configs.append("init_he")
    runs.commands.append("nnrun check configs/init_he.yaml --all")
    trainer = _of_config("init_he", runs.root)
    right = trainer.gradient[0].copy()
    wrong = right.copy()
    wrong[trainer.network.theta.slices[MISTAKE]] *= 2
    found = {"right": _compared(trainer, right), f"{MISTAKE} doubled": _compared(trainer, wrong)}
    rows = [
        [f"{name}: {each.layer}", each.parameter, f"{each.numerical:.6f}", f"{each.analytic:.6f}", f"{each.ratio:.1e}"]
        for name, check in found.items()
        for each in check.layers
    ]
    heads = ["gradient", "worst parameter", "numeric", "analytic", "difference"]
    see = (
        "A mistake stands out by orders of magnitude, in the layer where it was made and in no other. Made here for "
        "the picture; nnrun check compares the gradients of your own config, activation and loss."
    )
    return Lesson("A wrong gradient is found", [_bars(found)], heads, rows, see=see)


def _of_config(name: str, root: Path) -> Trainer:
    """A config's network before its first step, in float64, with its gradient on a few rows worked out."""
    context = open_context(load_config(CONFIGS / f"{name}.yaml", ["training.dtype=float64"]), root)
    trainer = context.full_batch(context.train.take(slice(ROWS)))
    trainer.differentiate(next(trainer.batches.epoch(1)))
    return trainer


def _compared(trainer: Trainer, g: Array) -> GradientCheck:
    recipe = trainer.recipe
    return check_gradient(
        trainer.network, recipe.loss, recipe.hyperparameters, trainer.theta[0], trainer.state[0],
        trainer.batches.examples, gradient=g,
    )  # fmt: skip


def _bars(found: Mapping[str, GradientCheck]) -> Chart:
    layers = [each.layer for each in next(iter(found.values())).layers]
    bars = {"type": "bar", "textposition": "outside", "cliponaxis": False}
    traces = [
        {**bars, "name": name, "x": layers, "y": [each.ratio for each in check.layers], "marker": {"color": color},
         "text": [f"{each.ratio:.0e}" for each in check.layers]}
        for (name, check), color in zip(found.items(), (BLUE, ORANGE), strict=True)
    ]  # fmt: skip
    bounds = {"great below 10⁻⁷": GREAT, "acceptable below 10⁻⁵": ACCEPTABLE, "a bug from 0.001 on": BUG}
    shapes = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"width": 1, "dash": "dot"}}
        for y in bounds.values()
    ]
    words = [
        {"xref": "paper", "x": 1, "y": _power(y), "text": text, "showarrow": False, "xanchor": "right",
         "yanchor": "bottom"}
        for text, y in bounds.items()
    ]  # fmt: skip
    layout = {
        "xaxis": axis(""),
        "yaxis": decades("relative difference", 1e-12, 10, every=2),
        "shapes": shapes,
        "annotations": words,
        "bargap": 0.5,
    }
    told = "Gradients compared, layer by layer; " + "; ".join(
        f"{name}: {', '.join(f'{each.layer} {each.ratio:.0e}' for each in check.layers)}"
        for name, check in found.items()
    )
    return Chart(
        "‖numeric − analytic‖ / (‖numeric‖ + ‖analytic‖) of each layer", f"{told}.", traces, layout, height=380
    )


def _power(value: float) -> int:
    return round(float(f"{value:e}".partition("e")[2]))


FOUR = ("network.hidden=[64,64,64,64]", "network.init={name: normal, scale: 0.05}", "training.layer_statistics=true")
COLORS = (BLUE, ORANGE, GREEN, PURPLE)


def signals(runs: Runs) -> Lesson:
    """Z and activations of each layer, over the epochs."""
    found = {
        "without batch norm": runs.train("init_he", *FOUR),
        "with batch norm": runs.train("init_he", *FOUR, "network.batch_norm=true"),
    }
    charts = [
        _spread(run, f"{what}, {name}", kind)
        for what, kinds in (("z", ("dense", "norm")), ("activations", ("relu", "relu")))
        for (name, run), kind in zip(found.items(), kinds, strict=True)
    ]
    see = (
        "Small initial weights: without batch norm each layer passes on a fraction of its signal, with it all of it. "
        "With batch norm z is what goes on from it to the activation."
    )
    return Lesson("Batch norm: z and activations of each layer", [Grid(charts)], **at_last(found), see=see)


def _spread(run: Run, title: str, kind: str) -> Chart:
    """Deviation of what the layers of a kind give, a line a layer."""
    rows = run.metrics
    names = [name for name in rows[0]["layers"] if name.startswith(kind) and name != "output"]
    x = [row["epoch"] for row in rows]
    lines = [
        line(f"layer {i}", x, [row["layers"][name]["output_std"] for row in rows], COLORS[i - 1])
        for i, name in enumerate(names, start=1)
    ]
    layout = {"xaxis": epoch_axis(rows), "yaxis": decades("deviation", 1e-3, 5), "legend": {"font": {"size": 11}}}
    last = ", ".join(f"{trace['y'][0]:.2g}" for trace in lines)
    return Chart(title, f"{title}: deviations in the first epoch {last} from the first layer on.", lines, layout,
                 height=270)  # fmt: skip


def ladder(runs: Runs) -> Lesson:
    """Errors from base to test, of three runs."""
    found = {
        "bias: too small": runs.train("digits", "network.hidden=[4]", "regularization.dropout=0"),
        "variance: weights begin too large": runs.train("init_too_large"),
        "neither": runs.train("digits"),
    }
    see = (
        "The longest step up to dev is the problem: base to train is bias, train to dev is variance. With a train-dev "
        "part, as in the next picture, train to train-dev is variance, and on to dev mismatch."
    )
    return _ladders("The ladder from base to test", found, ("train", "dev", "test"), 0.25, see)


def mismatch(runs: Runs) -> Lesson:
    """Errors up to dev, of four runs whose dev error alone would not tell what is wrong."""
    here, longer = "data.source=spirals", ["training.epochs=600"]
    found = {
        "bias: 6 units": runs.train("mismatch", here, "network.hidden=[6]"),
        "variance: 24 training rows": runs.train("mismatch", here, "data.train_dev=0.93", "data.split_seed=2", *longer),
        "mismatch: a slipped instrument": runs.train("mismatch"),
        "bias and mismatch": runs.train("mismatch", "network.hidden=[6]"),
    }
    run = found["mismatch: a slipped instrument"]
    planes = [
        replace(small_boundary(run, title, part), height=270)
        for title, part in (("Training rows", "train"), ("Dev rows, of an instrument that has slipped", "dev"))
    ]
    see = "Train-dev rows are like train's, but not trained on: train to train-dev is variance, on to dev mismatch."
    lesson = _ladders("Variance, or another kind of data", found, ("train", "train_dev", "dev"), 0.45, see)
    return replace(lesson, parts=[Grid([*planes, *(replace(chart, height=150) for chart in lesson.parts)])])


def _ladders(title: str, found: Mapping[str, Run], parts: Sequence[str], most: float, see: str) -> Lesson:
    """A ladder for each run, with one axis."""
    charts, rows = [], []
    for name, run in found.items():
        verdict = of_a_run(StoredRun(run.directory), None, None, CONFIGS / f"{run.config.name}.yaml", ()).verdict
        assert verdict is not None
        chart = ladder_chart(verdict)
        layout = {**chart.layout, "xaxis": axis("", percent=True, range=[0, most])}
        charts.append(replace(chart, title=name.capitalize(), note="", layout=layout, height=190))
        rows.append([name, *(percent(verdict.errors[part]) for part in parts)])
    return Lesson(title, charts, ["best epoch", *map(set_name, parts)], rows, see=see)


def one_or_many(runs: Runs) -> Lesson:
    """A run that is looked after, and trials side by side."""
    run, found = runs.train("babysat"), runs.search("search_random")
    one = next(chart for chart in run_charts(StoredRun(run.directory)) if "error" in chart.title.lower())
    many = curves_chart(found)
    y = {**many.layout["yaxis"], "range": [-2.1, 0.02]}
    see = (
        "Few machines: look after one model, as a panda does, and change it on its way. Many: train all at once, as "
        "caviar, and keep the best. A point is the end of an epoch, a mark the beginning of the first with a change."
    )
    parts = [
        replace(
            one,
            title="One model",
            note="",
            table=None,
            height=300,
            layout=_with_changes(one, run, y),
            data=[trace for trace in one.data if trace["name"].startswith("dev")],
        ),
        replace(
            many, title=f"{len(found.trials)} models at once", note="", height=300, layout={**many.layout, "yaxis": y}
        ),
    ]
    best = found.ranked[0]
    rows = [
        ["babysat", "1", percent(min(row["dev_error"] for row in run.metrics))],
        ["search_random", str(len(found.trials)), percent(min(value for value in best["curve"] if value is not None))],
    ]
    return Lesson("One model babysat, or many in parallel", parts, ["", "models", "lowest dev error"], rows, see=see)


def _with_changes(chart: Chart, run: Run, y: Axis) -> Layout:
    """Its layout with another axis, marked where something was changed: after the epoch before."""
    shapes, words = [*chart.layout["shapes"]], [*chart.layout["annotations"]]
    for epoch, settings in run.config.training.changes.items():
        told = f"from epoch {epoch}: " + ", ".join(
            f"{key.rpartition('.')[2].replace('_', ' ')} {value:g}" for key, value in settings.items()
        )
        shape, text = upright(epoch - 1, told, PURPLE, 3, leftward=False)
        shapes.append(shape)
        words.append(text)
    return {**chart.layout, "yaxis": y, "shapes": shapes, "annotations": words}


LESSONS = (gradient, signals, ladder, mismatch, one_or_many)
