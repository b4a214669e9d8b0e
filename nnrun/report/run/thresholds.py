"""What each threshold of a class finds and lets through: ROC and precision over recall, and the cheapest one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnrun.models.operating import CostDocument, Curve, cheapest, curves_of
from nnrun.models.telling import cost_words
from nnrun.report.page.charts import (
    GREY,
    ORANGE,
    Chart,
    Trace,
    axis,
    colour,
    cuts,
    dash,
    line,
    plain,
    points,
    under_legend,
)
from nnrun.report.page.html import Markup, listing
from nnrun.report.page.page import Grid, Section, left_out
from nnrun.report.run.quality import PART, ROOM, Classified
from nnrun.text import percent, sentence_case

TITLE = "Thresholds"
USUAL = 0.5
HEIGHT = 340
GUESS = "a guess"


def threshold_section(of: Classified, costs: Mapping[str, float] | None) -> Section:
    """A curve for each class, or for the second of two; with costs also where to draw the line between two."""
    curves = curves_of(of.true, of.p, of.classes)
    known = {
        name: curve for name, curve in curves.items() if not np.isnan(curve.recall + curve.false_positive_rate).any()
    }
    if not known:
        why = "there are too many classes." if not curves else "dev has rows of one class alone."
        return left_out(TITLE, why)
    cost = cheapest({PART: (of.true, of.p[:, 1])}, PART, costs) if costs else None
    parts: list[Markup | Grid] = [Grid([_roc(known, cost), _precision(known, cost)])]
    if cost:
        parts.append(listing(f"{sentence_case(words)}." for words in cost_words(cost)))
    return Section(TITLE, parts)


def _roc(curves: Mapping[str, Curve], cost: CostDocument | None) -> Chart:
    names = cuts(curves)
    traces = [
        _line(k, name, curve, "false_positive_rate", "recall", start=(0.0, 0.0))
        for k, (name, curve) in enumerate(zip(names, curves.values(), strict=True))
    ]
    guess = line(GUESS, [0, 1], [0, 1], GREY, dash="dash", width=1.5, hoverinfo="skip")
    marks = _marks(curves, cost, "false_positive_rate", "recall")
    layout = {
        "xaxis": axis("others taken for it", percent=True, range=ROOM),
        "yaxis": axis("found (recall)", percent=True, range=ROOM),
    }
    note = "How much of a class is found from a probability on, and how many of the other examples are taken for it."
    height = under_legend(HEIGHT, [GUESS, *names])
    return Chart("ROC curve", f"{note} {_told(curves)}", [guess, *traces, *marks], layout, note, height=height)


def _precision(curves: Mapping[str, Curve], cost: CostDocument | None) -> Chart:
    names = cuts(curves)
    pairs = enumerate(zip(names, curves.values(), strict=True))
    traces = [_line(k, name, curve, "recall", "precision") for k, (name, curve) in pairs]
    marks = _marks(curves, cost, "recall", "precision")
    layout = {
        "xaxis": axis("found (recall)", percent=True, range=ROOM),
        "yaxis": axis("precision", percent=True, range=ROOM),
    }
    note = "How many of those that are said to be of a class are of it, by how much of it is found."
    height = under_legend(HEIGHT, [GUESS, *names])  # as that of its neighbour
    return Chart("Precision and recall", f"{note} {_told(curves)}", [*traces, *marks], layout, note, height=height)


def _line(k: int, name: str, curve: Curve, x: str, y: str, start: tuple[float, float] | None = None) -> Trace:
    at = curve.kept()
    values = [(float(getattr(curve, x)[i]), float(getattr(curve, y)[i])) for i in at]
    text = [f"{plain(name)} from {curve.threshold(int(i))} on" for i in at]
    if start:
        values, text = [start, *values], [f"{plain(name)}: never said", *text]
    xs, ys = zip(*values, strict=True)
    style = {"mode": "markers" if len(xs) == 1 else "lines", "dash": dash(k)}  # a line of one point is not drawn
    return line(name, xs, ys, colour(k), **style, text=text, hovertemplate="%{text}: %{x:.1%}, %{y:.1%}<extra></extra>")


def _marks(curves: Mapping[str, Curve], cost: CostDocument | None, x: str, y: str) -> list[Trace]:
    """Of two classes, where the line is drawn at 0.5, and where mistakes cost least."""
    if len(curves) > 1:
        return []
    (curve,) = curves.values()
    places = {f"from {USUAL:g} on": (USUAL, GREY)}
    if cost:
        places[f"cheapest, from {cost['threshold']} on"] = (cost["threshold"], ORANGE)
    found = []
    for name, (threshold, color) in places.items():
        at = int(np.count_nonzero(curve.thresholds >= threshold)) - 1
        if at >= 0:
            xs, ys = [float(getattr(curve, x)[at])], [float(getattr(curve, y)[at])]
            found.append(points(name, xs, ys, color, marker={"size": 11}))
    return found


def _told(curves: Mapping[str, Curve]) -> str:
    """In words what the picture shows."""
    name, curve = next(iter(curves.items()))
    at = curve.at_recall(0.9)
    return f"Of {name} 90% are found with a precision of {percent(float(curve.precision[at]))}."
