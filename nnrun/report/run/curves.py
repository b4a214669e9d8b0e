"""The learning curves of a run: raw and smoothed, the best epoch and what happened marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from nnrun.report.page import charts
from nnrun.report.page.charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    POINTS,
    Axis,
    Chart,
    Layout,
    Trace,
    axis,
    kept,
    line,
    log_axis,
    upright,
)
from nnrun.report.page.html import Markup, table
from nnrun.runs.records import Event, Row, numbers
from nnrun.runs.telling import epoch_table, shown_metrics

FEWEST_SMOOTHED = 20  # epochs; fewer are read as they are
ROUGH = 0.2  # a curve that turns less often is drawn as it is
WINDOW = 5  # epochs that a smoothed value rests on, or a fiftieth of all
DECADES = 30  # a loss that falls by more than this is drawn on a logarithmic axis
EPOCHS_SHOWN = 12
MARKED = 6
ABBREVIATED = 4  # letters of a name that is an abbreviation, such as auc
UNMARKED = ("started", "done", "evaluated")  # events that go without saying


def curve_charts(rows: Sequence[Row], best: int | None, events: Sequence[Event], primary: str) -> list[Chart]:
    """Losses and cost, errors, the primary metric and the learning rate; `best` is the epoch that is kept."""
    marks = _marks(best, events, len(rows))
    further = [name for name in shown_metrics(primary) if name not in ("error", "loss")]
    return [
        _losses(rows, marks),
        _by_part("error", rows, marks, epochs_table(rows, best, primary)),
        *(_by_part(name, rows, marks) for name in further),
        _rate_chart(rows),
    ]


def _losses(rows: Sequence[Row], marks: Layout) -> Chart:
    curves = [("train loss", "train_loss", BLUE), ("dev loss", "dev_loss", ORANGE), ("cost", "cost", GREEN)]
    spread = [value for row in rows for _, key, _ in curves if (value := numbers(row)[key]) is not None]
    wide = bool(spread) and min(spread) > 0 and max(spread) > DECADES * min(spread)
    y = log_axis("loss", spread) if wide else axis("loss", rangemode="tozero")
    note = f"{_note(len(rows))} Cost is the training loss with penalties."
    return _chart("Loss and cost", rows, curves, y, marks, note)


def _by_part(name: str, rows: Sequence[Row], marks: Layout, numbers: Markup | None = None) -> Chart:
    """A metric on the training and on the dev part."""
    words = name.replace("_", " ")
    curves = [(f"{part} {words}", f"{part}_{name}", color) for part, color in (("train", BLUE), ("dev", ORANGE))]
    title = "1 − R²" if name == "error" and "train_rmse" in rows[0] else words
    y = axis(title, percent=True, rangemode="tozero") if name.endswith("error") else axis(title)
    heading = words.upper() if len(words) <= ABBREVIATED and name != "error" else words.capitalize()
    return _chart(heading, rows, curves, y, marks, _note(len(rows)), numbers)


def _chart(
    title: str,
    rows: Sequence[Row],
    curves: Sequence[tuple[str, str, str]],
    y: Axis,
    marks: Layout,
    note: str,
    numbers: Markup | None = None,
) -> Chart:
    log = y.get("type") == "log"
    traces = [trace for name, key, color in curves for trace in series(name, rows, key, color, log)]
    told = "; ".join(f"{name} {_course(rows, key)}" for name, key, _ in curves)
    layout = {"xaxis": epoch_axis(rows), "yaxis": y, **marks}
    return Chart(title, f"{title} over {len(rows)} epochs: {told}.", traces, layout, note, numbers)


def epoch_axis(rows: Sequence[Row]) -> Axis:
    """The epochs from the first to the last."""
    first, last = rows[0]["epoch"], rows[-1]["epoch"]
    return axis("epoch", tickformat=",d", range=[first, last] if last > first else [first - 1, first + 1])


def series(name: str, rows: Sequence[Row], key: str, color: str, log: bool = False) -> list[Trace]:
    """A curve as recorded, faint, and its exponentially weighted average with bias correction on top.

    On an axis of logarithms it is the logarithms that are averaged, so that the average stays amid what is seen.
    """
    known = [(row["epoch"], value) for row in rows if (value := numbers(row).get(key)) is not None]
    x, y = [epoch for epoch, _ in known], [value for _, value in known]
    if len(known) < FEWEST_SMOOTHED:
        return [line(name, x, y, color, mode="lines+markers", marker={"size": 5})]
    if wavering(y) < ROUGH:
        drawn = kept(y)
        return [line(name, [x[i] for i in drawn], [y[i] for i in drawn], color)]
    smooth = _smoothed(y, log)
    raw, calm = kept(y), kept(smooth)
    faint = {"opacity": 0.5, "width": 1, "showlegend": False, "hoverinfo": "skip"}
    told = {"customdata": [y[i] for i in calm], "hovertemplate": "epoch %{x}: %{customdata:.4~g}, smoothed %{y:.4~g}"}
    return [
        line(name, [x[i] for i in raw], [y[i] for i in raw], color, **faint),
        line(name, [x[i] for i in calm], [smooth[i] for i in calm], color, **told),
    ]


def wavering(values: Sequence[float]) -> float:
    """How often a curve turns, from 0 for one that falls all the way; two thirds for mere noise."""
    signs = [(b > a) - (b < a) for a, b in pairwise(values)]
    return sum(a * b < 0 for a, b in pairwise(signs)) / max(1, len(signs) - 1)


def _smoothed(values: Sequence[float], log: bool) -> list[float]:
    import pandas as pd

    scaled = [math.log(value) for value in values] if log else values
    averages = pd.Series(scaled, dtype=float).ewm(alpha=1 - beta_for(len(values))).mean().tolist()
    return [math.exp(value) for value in averages] if log else averages


def beta_for(epochs: int) -> float:
    """β of an average over about 5 epochs, or a fiftieth of all: 1 / (1 − β) is its window."""
    return 1 - 1 / max(WINDOW, epochs / 50)


def _note(epochs: int) -> str:
    """How the drawing differs from the numbers."""
    if epochs < FEWEST_SMOOTHED:
        return "As recorded."
    window = round(1 / (1 - beta_for(epochs)))
    thinned = f" Of {epochs:,} epochs, the lowest and highest of each stretch are drawn." if epochs > POINTS else ""
    told = f"Where a curve wavers, it is faint as recorded and bold as a weighted average over about {window} epochs."
    return told + thinned


def _course(rows: Sequence[Row], key: str) -> str:
    values = [value for row in rows if (value := numbers(row).get(key)) is not None]
    return f"from {values[0]:.4g} to {values[-1]:.4g}, lowest {min(values):.4g}" if values else "not known"


def _marks(best: int | None, events: Sequence[Event], epochs: int) -> Layout:
    """Uprights at the best epoch and at what happened; `level` keeps their words apart."""
    places = [] if best is None else [(best, f"best epoch {best}", GREY)]
    told = [
        (epoch, event_words(event), charts.RED)
        for event in events
        if event["event"] not in UNMARKED and (epoch := event.get("epoch")) is not None
    ]
    places += told[:MARKED]
    pairs = [upright(*place, level, leftward=place[0] > epochs / 2) for level, place in enumerate(places)]
    return {"shapes": [shape for shape, _ in pairs], "annotations": [words for _, words in pairs]}


def event_words(event: Event) -> str:
    """An event in a word or two; a symptom by its name."""
    return str(event.get("name") or event["event"]).replace("_", " ")


def _rate_chart(rows: Sequence[Row]) -> Chart:
    chosen = [rows[i] for i in kept([row["learning_rate"] for row in rows])]
    rates = [row["learning_rate"] for row in chosen]
    trace = line("learning rate", [row["epoch"] for row in chosen], rates, charts.PURPLE, showlegend=False)
    if len(rows) < FEWEST_SMOOTHED:
        trace |= {"mode": "lines+markers", "marker": {"size": 5}}
    layout = {"xaxis": epoch_axis(rows), "yaxis": axis("learning rate", rangemode="tozero", exponentformat="power")}
    ends = f"{rates[0]:.3g} at first, {rates[-1]:.3g} at last"
    return Chart("Learning rate", f"Learning rate over {len(rows)} epochs: {ends}.", [trace], layout, height=230)


def epochs_table(rows: Sequence[Row], best: int | None, primary: str) -> Markup:
    """The first and last epoch, some between, evenly spaced, and the best one."""
    last = len(rows) - 1
    spaced = {round(i * last / (EPOCHS_SHOWN - 1)) for i in range(EPOCHS_SHOWN)}
    some = [row for i, row in enumerate(rows) if i in spaced or row["epoch"] == best]
    titles, *cells = epoch_table(some, primary)
    return table(f"{len(some)} of {len(rows):,} epochs; the best is {best or 'none'}", titles, cells)
