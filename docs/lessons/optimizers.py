"""Lessons on optimizers: the same task, walked in different ways."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

from lessons.drawing import Line, curves, decades
from lessons.numbers import at_last, error_axis
from lessons.runs import Lesson, Runs
from nnrun.report.page.charts import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from nnrun.report.page.page import Grid
from nnrun.report.run.steps import steps_chart
from nnrun.text import number


def optimizers(runs: Runs) -> Lesson:
    """The same task with each."""
    names = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw")
    found = {name: runs.train(name) for name in names}
    words = dict(zip(names, ("gradient descent", "momentum", "Nesterov", "RMSprop", "Adam", "AdamW"), strict=True))
    lines = [
        Line(words[name], run.metrics, "cost", color, dash="dot" if name in ("nesterov", "adamw") else "solid")
        for (name, run), color in zip(found.items(), (GREY, BLUE, GREEN, PURPLE, ORANGE, RED), strict=True)
    ]
    chart = curves("Cost over 60 steps on all training examples, each at its best rate", lines,
                   decades("cost", 1e-5, 10), room=130, height=400)  # fmt: skip
    rows = [
        [name, f"{run.config.optimizer.learning_rate:g}", number(run.metrics[-1]["cost"])]
        for name, run in found.items()
    ]
    return Lesson("Six optimizers on one task", [chart], ["after 60 steps", "learning rate", "cost"], rows)


def mini_batches(runs: Runs) -> Lesson:
    """One step a pass, or many."""
    one, many = runs.train("sgd"), runs.train("mini_batches")
    lines = [
        Line("all examples at once,\n1 step an epoch", one.metrics, "cost", GREY),
        Line("batches of 32,\n34 steps an epoch", many.metrics, "cost", BLUE),
    ]
    chart = curves("Cost over the epochs", lines, decades("cost", 1e-3, 10), room=165)
    rows = [
        [name, str(run.metrics[-1]["epoch"]), str(run.metrics[-1]["step"]), number(run.metrics[-1]["cost"])]
        for name, run in (("sgd", one), ("mini_batches", many))
    ]
    return Lesson("Small batches, many steps", [chart], ["", "epochs", "steps", "cost at last"], rows)


def each_batch(runs: Runs) -> Lesson:
    """What every single step saw."""
    small = runs.train("mini_batches", "training.record=steps")
    smaller = runs.train(
        "mini_batches", "training.record=steps", "training.batch_size=8", "optimizer.learning_rate=0.1"
    )
    found = {"32 rows a batch": small, "8 rows a batch": smaller}
    charts, rows = [], []
    for name, run in found.items():
        chart = steps_chart(run.metrics)
        assert chart is not None
        rate = run.config.optimizer.learning_rate
        title = f"{name.capitalize()}, rate {rate:g}"
        layout = {**chart.layout, "yaxis": decades("loss", 1e-5, 5, every=2)}
        charts.append(replace(chart, title=title, note="", layout=layout, height=270))
        last = run.metrics[-1]["step_losses"]
        spread = [f"{number(min(last))} to {number(max(last))}"]
        rows.append([name, str(len(last)), number(fmean(run.metrics[0]["step_losses"])), number(fmean(last)), *spread])
    see = (
        "Each step sees other rows, so the loss goes up and down, the more the fewer they are; its mean falls. Fewer "
        "rows a step need a lower rate, here a third."
    )
    heads = ["", "steps an epoch", "mean of the first", "mean of the last", "single steps of the last"]
    return Lesson("The loss of each mini-batch", [Grid(charts)], heads, rows, see=see)


def decay(runs: Runs) -> Lesson:
    """A rate that falls, and one that stays."""
    falling = runs.train("learning_rate_decay")
    constant = runs.train("learning_rate_decay", "optimizer.schedule=constant")
    lines = [Line("constant rate", constant.metrics, "cost", ORANGE), Line("decay", falling.metrics, "cost", BLUE)]
    chart = curves("Cost over the epochs", lines, decades("cost", 0.01, 0.5), room=110)
    rows = [
        [name, number(run.metrics[-1]["learning_rate"]), number(run.metrics[-1]["cost"])]
        for name, run in (("learning_rate_decay", falling), ("constant", constant))
    ]
    return Lesson("Large steps first, small ones last", [chart], ["after the last epoch", "rate", "cost"], rows)


def clipping(runs: Runs) -> Lesson:
    """Gradients of any length, and of length 1 at most."""
    clipped, free = runs.train("gradient_clipping"), runs.train("gradient_clipping", "optimizer.clip_norm=null")
    lines = [
        Line("not clipped", free.metrics, "dev_error", ORANGE),
        Line("clipped", clipped.metrics, "dev_error", BLUE),
    ]
    chart = curves("Dev error over the epochs; 90% is guessing", lines, error_axis(1), room=95)
    return Lesson(
        "One bad batch must not undo the rest", [chart], **at_last({"gradient_clipping": clipped, "not clipped": free})
    )


LESSONS = (optimizers, mini_batches, each_batch, decay, clipping)
