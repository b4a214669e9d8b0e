"""The learning curves of a run as they were recorded, the best epoch and what happened marked."""

from __future__ import annotations

from collections.abc import Sequence

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
from nnrun.text import metric_name

FEW = 20  # epochs; fewer are points on a line
MANY = 300  # epochs; more are a thinner line, as it crosses itself
DECADES = 30  # a loss that falls by more than this is drawn on a logarithmic axis
EPOCHS_SHOWN = 12
MARKED = 6
ABBREVIATED = 4  # letters of a name that is an abbreviation, such as auc
UNMARKED = ("started", "done", "evaluated")  # events that go without saying


def curve_charts(
    rows: Sequence[Row], best: int | None, events: Sequence[Event], primary: str, kind: str = ""
) -> list[Chart]:
    """Losses and cost, errors, the primary metric and the learning rate; `best` is the epoch that is kept.

    `kind` as in `verdict.error_kind`.
    """
    marks = _marks(best, events, len(rows))
    further = [name for name in shown_metrics(primary) if name not in ("error", "loss")]
    return [
        _losses(rows, marks, kind),
        _by_part("error", rows, marks, kind, epochs_table(rows, best, primary, kind)),
        *(_by_part(name, rows, marks, kind) for name in further),
        *_rate_chart(rows),
    ]


def _losses(rows: Sequence[Row], marks: Layout, kind: str) -> Chart:
    loss = metric_name("loss", kind)
    curves = [(f"train {loss}", "train_loss", BLUE), (f"dev {loss}", "dev_loss", ORANGE), ("cost", "cost", GREEN)]
    spread = [value for row in rows for _, key, _ in curves if (value := numbers(row)[key]) is not None]
    wide = bool(spread) and min(spread) > 0 and max(spread) > DECADES * min(spread)
    y = log_axis(loss, spread) if wide else axis(loss, rangemode="tozero")
    note = f"{_note(len(rows))}Cost is the training loss with penalties."
    return _chart(f"{loss} and cost".capitalize(), rows, curves, y, marks, note)


def _by_part(name: str, rows: Sequence[Row], marks: Layout, kind: str, numbers: Markup | None = None) -> Chart:
    """A metric on the training and on the dev part."""
    words = metric_name(name, kind)
    curves = [(f"{part} {words}", f"{part}_{name}", color) for part, color in (("train", BLUE), ("dev", ORANGE))]
    title = metric_name("1 − R²", kind) if name == "error" and "train_rmse" in rows[0] else words
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
    traces = [series(name, rows, key, color) for name, key, color in curves]
    told = "; ".join(f"{name} {_course(rows, key)}" for name, key, _ in curves)
    layout = {"xaxis": epoch_axis(rows), "yaxis": y, **marks}
    return Chart(title, f"{title} over {len(rows)} epochs: {told}.", traces, layout, note, numbers)


def epoch_axis(rows: Sequence[Row]) -> Axis:
    """The epochs from the first to the last, with room for points at both ends."""
    first, last = rows[0]["epoch"], rows[-1]["epoch"]
    room = 0.03 * (last - first) if len(rows) < FEW else 0.0
    return axis("epoch", tickformat=",d", range=[first - room, last + room] if last > first else [first - 1, first + 1])


def series(name: str, rows: Sequence[Row], key: str, color: str) -> Trace:
    """A curve as recorded: an average from one side lies above the numbers while they fall."""
    known = [(row["epoch"], value) for row in rows if (value := numbers(row).get(key)) is not None]
    drawn = kept([value for _, value in known])
    style = {"mode": "lines+markers", "marker": {"size": 5}} if len(known) < FEW else {}
    x, y = [known[i][0] for i in drawn], [known[i][1] for i in drawn]
    return line(name, x, y, color, width=2 if len(known) <= MANY else 1.2, **style)


def _note(epochs: int) -> str:
    """How the drawing differs from the numbers."""
    return f"Of {epochs:,} epochs, the lowest and highest of each stretch are drawn. " if epochs > POINTS else ""


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


def _rate_chart(rows: Sequence[Row]) -> list[Chart]:
    """The learning rate, where a schedule changed it."""
    if len({row["learning_rate"] for row in rows}) == 1:
        return []
    trace = {**series("learning rate", rows, "learning_rate", charts.PURPLE), "showlegend": False}
    layout = {"xaxis": epoch_axis(rows), "yaxis": axis("learning rate", rangemode="tozero", exponentformat="power")}
    ends = f"{rows[0]['learning_rate']:.3g} at first, {rows[-1]['learning_rate']:.3g} at last"
    return [Chart("Learning rate", f"Learning rate over {len(rows)} epochs: {ends}.", [trace], layout, height=230)]


def epochs_table(rows: Sequence[Row], best: int | None, primary: str, kind: str = "") -> Markup:
    """The first and last epoch, some between, evenly spaced, and the best one."""
    last = len(rows) - 1
    spaced = {round(i * last / (EPOCHS_SHOWN - 1)) for i in range(EPOCHS_SHOWN)}
    some = [row for i, row in enumerate(rows) if i in spaced or row["epoch"] == best]
    titles, *cells = epoch_table(some, primary)
    scale = f"; errors and losses are {kind}" if kind else ""
    return table(f"{len(some)} of {len(rows):,} epochs; the best is {best or 'none'}{scale}", titles, cells)
