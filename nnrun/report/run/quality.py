"""How good the predictions on the dev part are: confusions, calibration, and for numbers how far they are off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.engine.metrics import CALIBRATION_BINS, calibration_error, confusion
from nnrun.engine.parameters import Array
from nnrun.models.model import Model
from nnrun.models.scores import by_class
from nnrun.models.trained import Trained
from nnrun.report.page.charts import BLUE, GREY, Chart, axis, bin_edges, line, plain, points
from nnrun.report.page.html import Markup, heading, join, listing, paragraph, scrolled, table, tag, unfolded
from nnrun.runs.grouped import independent_rows
from nnrun.runs.judge import in_own_unit
from nnrun.runs.proportions import wilson
from nnrun.text import counted, number, percent

PART = "dev"


@dataclass(frozen=True, eq=False)
class Classified:
    """Of each dev row its class, what the network said `(rows,)`, and the probability of every class `(rows, classes)`.

    Where classes are weighted, what it said need not be the most probable one. `groups (rows,)` are theirs where rows
    come in such.
    """

    classes: list[str]
    true: Array
    said: Array
    p: Array
    groups: Array | None = None

    @property
    def sureness(self) -> Array:
        """The probability of what it said `(rows,)`."""
        found: Array = self.p[np.arange(len(self.said)), self.said]
        return found

    @property
    def wrong(self) -> Array:
        """Where it is another than the true one `(rows,)`."""
        return np.asarray(self.said != self.true)

    @property
    def of_true(self) -> Array:
        """The probability of the true class `(rows,)`."""
        found: Array = self.p[np.arange(len(self.true)), self.true]
        return found

    def at(self, rows: Array) -> Classified:
        """What was said of these rows alone."""
        groups = None if self.groups is None else self.groups[rows]
        return Classified(self.classes, self.true[rows], self.said[rows], self.p[rows], groups)

    def count_as(self, right: Array, rows: Array) -> int:
        """The independent rows that the share of `right (rows,)` among these `(m,)` is as sure as."""
        if self.groups is None:
            return len(rows)
        return independent_rows(right[rows].astype(np.float64), self.groups[rows])


@dataclass(frozen=True, eq=False)
class Estimated:
    """Of each dev row the target and what was predicted, `(rows,)`, in the target's own unit."""

    true: Array
    said: Array

    def at(self, rows: Array) -> Estimated:
        """What was predicted for these rows alone."""
        return Estimated(self.true[rows], self.said[rows])


def predicted(run: Trained) -> Classified | Estimated:
    """The dev part as the best network sees it; of a cross-validation each fold's as its own network does."""
    found = [predicted_part(piece.model, piece.dataset, PART) for piece in run.pieces(PART)]
    joined = {name: np.concatenate([getattr(each, name) for each in found]) for name in ("true", "said")}
    if run.dataset.classes is None:
        return Estimated(**joined)
    p = np.concatenate([each.p for each in found if isinstance(each, Classified)])
    return Classified(run.dataset.classes, **joined, p=p, groups=run.groups(PART))


def predicted_part(model: Model, data: Dataset, part: str) -> Classified | Estimated:
    """What a network says of the rows of a part, without regard to groups."""
    said = model.predict_features(data.parts[part].x)
    true = in_own_unit(data, data.parts[part].y)
    if data.classes is None:
        return Estimated(true[:, 0], said)
    return Classified(data.classes, true, model.decided(said), said)


MANY_CLASSES = 25  # beyond which only the most frequent confusions are told
MIXED_UP = 8
BINS = CALIBRATION_BINS
MOST_POINTS = 3000
ROOM = [-0.07, 1.07]  # of shares, where dots as large as those of the calibration are whole


def confusion_part(of: Classified) -> Markup:
    """The matrix, where it can be read, the most frequent confusions, and precision and recall of each class."""
    counts = confusion(of.true, np.eye(len(of.classes))[of.said]).astype(int)
    parts = [_matrix(of.classes, counts)] if len(of.classes) <= MANY_CLASSES else []
    return join([*parts, _mixed_up(of.classes, counts), _by_class(of.classes, counts)])


def _by_class(classes: list[str], counts: Array) -> Markup:
    heads = ["class", "precision", "recall", "F1", "dev examples"]
    rows = [
        [each["class"], *(percent(each[key]) for key in ("precision", "recall", "f1")), f"{each['support']:,.0f}"]
        for each in by_class(counts.astype(float), classes)
    ]
    return unfolded("Precision and recall of each class", table("On the dev part", heads, rows))


def _matrix(classes: list[str], counts: Array) -> Markup:
    rows = counts.sum(axis=1, keepdims=True)
    k, shares = len(classes), counts / np.maximum(rows, 1)
    head = tag("tr", heading("true ↓  said →", "col"), *(heading(c, "col") for c in classes))
    body = [
        tag("tr", heading(name, "row"), *(_field(i == j, counts[i, j], shares[i, j]) for j in range(k)))
        for i, name in enumerate(classes)
    ]  # fmt: skip
    caption = "Dev examples: a row is a true class, a column what the network said; shaded by the share of the row"
    inner = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), cls="matrix")
    return scrolled(inner, "Confusion matrix")


def _field(right: bool, count: int, share: float) -> Markup:
    return tag("td", f"{count:,}" if count else "", style=f"--share:{share:.3f}", cls="right" if right else None)


def _mixed_up(classes: list[str], counts: Array) -> Markup:
    wrong = counts * (1 - np.eye(len(classes), dtype=counts.dtype))
    total, order = int(wrong.sum()), np.argsort(-wrong, axis=None, kind="stable")[:MIXED_UP]
    if not total:
        return paragraph("Every dev example is classified as what it is.")
    told = []
    for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[i, j]:
            share = percent(wrong[i, j] / counts[i].sum())
            times = "once" if wrong[i, j] == 1 else f"{wrong[i, j]:,} times"
            told.append(f"{classes[i]} taken for {classes[j]}: {times}, {share} of {classes[i]}")
    return join([tag("h3", f"Most frequent mistakes ({total:,} in all)"), listing(told)])


def calibration_chart(of: Classified, temperature: float) -> Chart:
    """How often the network is right, by how sure it is; on the diagonal it is as good as it says."""
    sure, right = of.p.max(axis=1), of.p.argmax(axis=1) == of.true
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    sizes = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(sizes)
    said = np.array([sure[bins == b].mean() for b in used])
    true = np.array([right[bins == b].mean() for b in used])
    gap = calibration_error(of.true, of.p)
    text = [
        f"{counted(int(sizes[b]), 'example')}: {percent(s)} sure, {percent(t)} right"
        for b, s, t in zip(used, said, true, strict=True)
    ]
    dots = points(
        "examples", said.tolist(), true.tolist(), BLUE, text=text, hoverinfo="text", showlegend=False,
        marker={"size": (6 + 18 * np.sqrt(sizes[used] / sizes.max())).tolist(), "opacity": 0.85},
        error_y=_bars(true, [of.count_as(right, np.flatnonzero(bins == b)) for b in used]),
    )  # fmt: skip
    ideal = line("as good as it says", [0, 1], [0, 1], GREY, dash="dash", width=1.5, hoverinfo="skip")
    layout = {
        "xaxis": axis("how sure the network is", percent=True, range=ROOM),
        "yaxis": axis("how often it is right", percent=True, range=ROOM),
    }
    rows = [[f"{b / BINS:.2f} to {(b + 1) / BINS:.2f}", f"{sizes[b]:,}", percent(s), percent(t)]
            for b, s, t in zip(used, said, true, strict=True)]  # fmt: skip
    numbers = table("Calibration on dev", ["probability", "examples", "sure on average", "right"], rows)
    direction = "surer than it may be" if (sure.mean() > right.mean()) else "less sure than it may be"
    note = (
        f"Expected calibration error {100 * gap:.1f} points; on average the network is {direction} "
        f"({percent(float(sure.mean()))} sure, {percent(float(right.mean()))} right). Larger dots: more examples."
    )
    if of.groups is not None:
        note += " Rows come in groups and are alike there: the bars are as long as those of fewer rows."
    if temperature != 1:
        note += f" It is at temperature {number(temperature)}, fitted on dev, so these examples flatter it a little."
    return Chart("How sure, and how often right", f"Reliability diagram. {note}", [ideal, dots], layout, note, numbers)


def _bars(shares: Array, sizes: list[int]) -> dict[str, Any]:
    """The 95% intervals of shares `(k,)` of so many rows."""
    ends = [wilson(float(share), size) for share, size in zip(shares, sizes, strict=True)]
    up = [max(0.0, high - share) for (_, high), share in zip(ends, shares, strict=True)]
    down = [max(0.0, share - low) for (low, _), share in zip(ends, shares, strict=True)]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": BLUE, "thickness": 1}


def scatter_chart(of: Estimated, target: str) -> Chart:
    """Predicted against true values."""
    step = max(1, len(of.true) // MOST_POINTS)
    true, said = of.true[::step].tolist(), of.said[::step].tolist()
    ends = [float(min(of.true.min(), of.said.min())), float(max(of.true.max(), of.said.max()))]
    dots = points("dev examples", true, said, BLUE, marker={"size": 6, "opacity": 0.6})
    exact = line("exact", ends, ends, GREY, dash="dash", width=1.5, hoverinfo="skip")
    layout = {"xaxis": axis(f"true {target}"), "yaxis": axis(f"predicted {target}")}
    off = np.abs(of.said - of.true)
    note = f"Half of the dev examples are off by at most {number(float(np.median(off)))}, nine of ten by at most "
    note += f"{number(float(np.quantile(off, 0.9)))}."
    note += "" if step == 1 else f" One in {step} of {len(of.true):,} examples is drawn."
    return Chart("Predicted and true", f"Predicted against true {target}. {note}", [exact, dots], layout, note)


def residual_chart(of: Estimated, target: str) -> Chart:
    """How the mistakes are spread."""
    off = of.said - of.true
    counts, edges = np.histogram(off, bin_edges([off], min(40, max(10, round(len(off) ** 0.5)))))
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    bars = {"type": "bar", "x": middles, "y": counts.tolist(), "marker": {"color": BLUE}, "showlegend": False}
    layout = {"xaxis": axis(f"predicted − true {target}"), "yaxis": axis("dev examples"), "bargap": 0.05}
    note = f"On average {number(float(off.mean()))}, standard deviation {number(float(off.std()))}."
    return Chart("How far off", f"Histogram of the mistakes on dev. {plain(note)}", [bars], layout, note)
