"""The loss of each mini-batch, where a run has recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from nnrun.report.page.charts import BLUE, GREY, Chart, axis, is_wide, kept, line, log_axis, whole_axis
from nnrun.report.run.curves import DECADES
from nnrun.runs.records import Number, Row
from nnrun.text import number

MARKED = 30  # epochs; fewer are points on a line


def steps_chart(rows: Sequence[Row]) -> Chart | None:
    """Every step, and the mean of each epoch in its middle; None where no steps were recorded."""
    losses: list[Number] = []
    steps, counts, middles, means = list[int](), set[int](), list[float](), list[float]()
    for row in rows:
        own = row.get("step_losses") or []
        first = row["step"] - len(own) + 1
        losses += own
        steps += range(first, row["step"] + 1)
        if finite := [loss for loss in own if loss is not None]:
            counts.add(len(own))
            middles.append((first + row["step"]) / 2)
            means.append(fmean(finite))
    if not means:
        return None
    told = f"{number(means[0])} in the first epoch, {number(means[-1])} in the last"
    shown = kept(losses)
    each = line("one mini-batch", [steps[i] for i in shown], [losses[i] for i in shown], GREY, width=1)
    epochs = line("mean of the epoch", middles, means, BLUE, mode="lines+markers" if len(means) < MARKED else "lines")
    positive = [loss for loss in losses if loss]
    y = log_axis("loss", positive) if is_wide(positive, DECADES) else axis("loss")
    layout = {"xaxis": whole_axis("step", steps[0], steps[-1]), "yaxis": y}
    alt = f"Losses of {len(losses):,} mini-batches as they were trained on; their mean is {told}."
    an_epoch = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
    note = f"As it was trained on, dropout included; {an_epoch} steps an epoch. The mean of an epoch is {told}."
    return Chart("Loss of each mini-batch", alt, [each, epochs], layout, note)
