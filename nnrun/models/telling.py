"""An evaluation as it stands on a screen of 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction

import numpy as np

from nnrun.data.features.target import Target
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.models.beside_trees import trees_words
from nnrun.models.calibrating import Calibrated
from nnrun.models.calibration import factor, margin, percents, plain_margin
from nnrun.models.evaluation import BOOSTING, FILE, NETWORK, Evaluation, Metrics
from nnrun.models.model import Model
from nnrun.models.operating import RECALLS, CostDocument
from nnrun.models.scores import by_class
from nnrun.models.uncertainty import calibrated_by
from nnrun.runs.judge import whose_precision
from nnrun.runs.records import ScoresRecord
from nnrun.runs.verdict import r2_error
from nnrun.text import (
    WIDTH,
    all_of,
    columns,
    counted,
    metric_name,
    metric_value,
    number,
    percent,
    set_name,
    shortened,
    times,
    wrapped,
)

CLASSES_SHOWN = 20
CONFUSIONS_SHOWN = 10
LONGEST_NAME = 20
SIMPLE = ("constant", "linear")
BASELINES = (*SIMPLE, BOOSTING)
MODELS = {"classification": "logistic regression", "regression": "ridge regression"}
GUESSES = {"classification": "the most frequent class, with the share of each", "regression": "the mean"}


def page(found: Evaluation) -> list[str]:
    """The whole evaluation, in lines."""
    model, judged = found.model, found.judged
    lines = [f"run      {model.run.path}", f"data     {_data(found)}", "", *metric_table(found, judged)]
    lines += [*_whose(found, judged), ""]
    if judged in found.folds:
        lines += [*fold_table(found, judged), ""]
    if judged in found.counts:
        lines += [*class_table(found, judged), "", *confusion_table(found.counts[judged], _names(found)), ""]
        lines += [line for table in (threshold_table(found), cost_lines(found)) if table for line in (*table, "")]
    return [*lines, *_remarks(found, judged)]


def _data(found: Evaluation) -> str:
    if found.source:
        return f"{found.source}: {counted(found.rows[FILE], 'row')}"
    return ", ".join(f"{count:,} {set_name(part)}" for part, count in found.rows.items())


def metric_table(found: Evaluation, judged: str) -> list[str]:
    """A row a metric: the network on each part, the baselines on one.

    Where rows are weighted, below that a row for each metric with every row counting once, of what is given out.
    """
    told = [name for name in BASELINES if name in found.results[judged]]
    cells = [["", *map(set_name, found.results), *(f"{name}, {judged}" for name in told)]]
    kinds = {found.error_kind: found.results} | ({"plain": found.plain} if found.plain else {})
    for kind, results in kinds.items():
        for name in _once(found, results[judged][NETWORK]):
            row = [_of(results, part, NETWORK, name) for part in results]
            row += [_of(results, judged, baseline, name) for baseline in told]
            cells.append([_title(found, name, kind), *row])
        cells.append([""] * len(cells[0]))
    return columns(cells[:-1], right=range(1, len(cells[0])))


def _title(found: Evaluation, name: str, kind: str) -> str:
    """What a metric is called where rows count by their weight, or are `plain`."""
    target = found.model.target
    if name == "error" and target.classes is None:
        name = f"error ({r2_error(target.is_log)})"
    return metric_name(name, kind) if kind else name


def _once(found: Evaluation, names: Iterable[str]) -> list[str]:
    """Without the balanced error where every error is balanced."""
    return [name for name in names if found.error_kind != name.partition("_")[0]]


def _whose(found: Evaluation, judged: str) -> list[str]:
    """Which of two classes the metric is of that is another number for each; nothing of more, or of values."""
    classes = found.model.target.classes or ()
    if len(classes) != 2:
        return []
    return wrapped(whose_precision(classes, found.counts[judged].sum(axis=1), judged), "note     ")


def _of(results: Mapping[str, Metrics], part: str, predictor: str, name: str) -> str:
    value = results[part][predictor][name]
    return metric_value(value, name)


def fold_table(found: Evaluation, part: str) -> list[str]:
    """Every metric in each fold of a cross-validation, and their mean with one standard deviation."""
    folds = found.folds[part]
    rows = [[f"{part} by fold", *map(str, range(1, len(folds) + 1)), "mean", "± sd"]]
    for name in _once(found, folds[0]):
        values = [fold[name] for fold in folds]
        told = [*values, float(np.mean(values)), float(np.std(values, ddof=1))]
        shown = [metric_value(value, name) for value in told]
        rows.append([_title(found, name, found.error_kind), *shown])
    return columns(rows, right=range(1, len(rows[0])))


def class_table(found: Evaluation, part: str) -> list[str]:
    """Precision, recall, F1 and rows of each class; of many classes those with the lowest F1."""
    known = list(by_class(found.counts[part], _names(found)))
    shown = known
    if len(known) > CLASSES_SHOWN:
        shown = sorted(known, key=lambda c: (c["f1"] is None, c["f1"]))[:CLASSES_SHOWN]
    rows = [[part, "precision", "recall", "f1", "rows"]]
    for of in shown:
        shares = ("–" if share is None else percent(share) for share in (of["precision"], of["recall"], of["f1"]))
        rows.append([of["class"], *shares, number(of["support"])])
    left = [f"the {len(shown)} of {len(known)} classes with the lowest f1"] if len(shown) < len(known) else []
    return [*columns(rows, right=range(1, 5)), *left]


def confusion_table(counts: Array, names: Sequence[str]) -> list[str]:
    """True classes in rows, predicted ones in columns; where that is too wide, the commonest confusions."""
    cells = [["true \\ predicted", *names]]
    cells += [[name, *map(_count, row)] for name, row in zip(names, counts.tolist(), strict=True)]
    lines = columns(cells, right=range(1, len(cells)))
    return lines if max(map(len, lines)) <= WIDTH else _confusions(counts, names)


def _count(rows: float) -> str:
    """A dot for none, so that the mistakes stand out."""
    return number(rows) if rows else "·"


def _confusions(counts: Array, names: Sequence[str]) -> list[str]:
    mistakes = counts - np.diag(counts.diagonal())
    order = np.argsort(-mistakes, axis=None, kind="stable")[:CONFUSIONS_SHOWN]
    places = [divmod(int(place), len(counts)) for place in order]
    rows = [[names[i], names[j], number(counts[i, j])] for i, j in places if mistakes[i, j]]
    if not rows:
        return ["no row was taken for another class"]
    return columns([["commonest mistakes", "taken for", "rows"], *rows], right=(2,))


def _names(found: Evaluation) -> list[str]:
    """Class names, long ones cut."""
    names = found.model.target.classes or ()
    return [shortened(name, LONGEST_NAME) for name in names]


def threshold_table(found: Evaluation) -> list[str]:
    """Of two classes what it takes to find so much of the second one; nothing where a part has one class alone."""
    if len(found.curves) != 1:
        return []
    ((name, curve),) = found.curves.items()
    if np.isnan(curve.recall).any() or np.isnan(curve.false_positive_rate).any():
        return []
    places = [curve.at_recall(recall) for recall in RECALLS]
    heads = [f"{found.judged}, to find of {shortened(name, LONGEST_NAME)}", *(f"{recall:.0%}" for recall in RECALLS)]
    rows = {"probability from": [str(curve.threshold(at)) for at in places]}
    rows |= {"precision": [percent(curve.precision[at]) for at in places]}
    rows |= {"others taken for it": [percent(curve.false_positive_rate[at]) for at in places]}
    return columns([heads, *([what, *cells] for what, cells in rows.items())], right=range(1, len(heads)))


def cost_lines(found: Evaluation) -> list[str]:
    """Where to draw the line between two classes by what mistakes cost, and what is to be thought of it."""
    if (cost := found.cost) is None:
        return []
    return [line for text in cost_words(cost) for line in wrapped(text, "cost     ")]


def cost_words(cost: CostDocument) -> list[str]:
    """The threshold, what it comes to, and that the part that chose it flatters it."""
    name, part = cost["positive"], set_name(cost["part"])
    missed = all_of(f"{counted(rows, 'row')} of {of}" for of, rows in cost["missed"].items())
    told = [
        f"say {name} from a probability of {cost['threshold']} on, where exact probabilities would have "
        f"{number(cost['exact'])}: {number(cost['cost'])} a row on {part}, {missed} taken for the other",
        f"from 0.5 on it is {number(cost['usual'])} a row, and one class for all at least {number(cost['one_class'])}",
    ]
    others = [f"{number(value)} on {set_name(of)}" for of, value in cost.get("elsewhere", {}).items()]
    if others:
        told.append(f"the threshold was chosen on {part}, which flatters it; elsewhere it costs a row {all_of(others)}")
    return told


def _remarks(found: Evaluation, judged: str) -> Iterator[str]:
    task, results = found.model.target.task, found.results[judged]
    if "linear" in results:
        fitted = f"{MODELS[task]} on {found.told_behind('linear')}"
        yield from wrapped(f"constant guesses {GUESSES[task]}; linear is {fitted}", "baseline ")
    for kind, of in {found.error_kind: results, "plain": found.plain.get(judged, {})}.items():
        behind = [name for name in SIMPLE if name in of and of[NETWORK]["error"] >= of[name]["error"]]
        if behind:
            what = f"does not beat {' and '.join(behind)} on {judged}: its {metric_name('error', kind)} is no lower"
            yield from wrapped(f"the network {what}", "note     ")
    if judged in found.gains:
        yield from wrapped(trees_words(found), "trees    ")
    if found.test_reads is not None:
        yield from wrapped(_reads(found.test_reads), "test     ")
    for note in found.notes:
        yield from wrapped(note, "note     ")


LEVELS = [Fraction(percent, 100) for percent in (80, 90, 95, 99)]  # whose intervals are shown
USUAL = Fraction(9, 10)


def calibration_page(found: Calibrated) -> list[str]:
    """What calibrating a run came to."""
    model, lines = found.model, [f"run      {found.model.run.path}", ""]
    if found.parts:
        lines += [*_sureness_table(found), "", *wrapped(_temperature(found), "classes  ")]
    if found.scores:
        lines += _intervals(found.scores, model)
    if found.test_reads is not None:
        lines += wrapped(_reads(found.test_reads), "test     ")
    return [*lines, *(line for note in found.notes for line in wrapped(note, "note     "))]


def _sureness_table(found: Calibrated) -> list[str]:
    heads, cells = [""], {name: [name] for name in ("calibration_error", "loss")}
    for part, of in found.parts.items():
        for when, measured in {"before": of["before"], "after": of["after"]}.items():
            heads.append(f"{part}, {when}")
            for name, row in cells.items():
                row.append(metric_value(dict[str, float](**measured)[name], name))
    return columns([heads, *cells.values()], right=range(1, len(heads)))


def _temperature(found: Calibrated) -> str:
    t, rows = found.model.temperature, counted(found.parts["dev"]["rows"], "dev row")
    sure = "as sure as" if t == 1 else "less sure than" if t > 1 else "surer than"
    return f"temperature {number(t)}, by {rows}: probabilities are {sure} before, no class changes"


def _intervals(scores: ScoresRecord, model: Model) -> list[str]:
    """What they are at each level for which the rows suffice, and what they go by; else how many it takes."""
    try:
        margin(scores, LEVELS[0])
    except UsageError as too_few:
        return wrapped(str(too_few), "interval ")
    possible = {level: most for level in LEVELS if (most := _margin(scores, level)) is not None}
    usual = percents(max(level for level in possible if level <= USUAL))
    goes = f"{calibrated_by(scores, model)}; `predict --interval {usual}` goes by them"
    return [*_margins(scores, possible, model.target), "", *wrapped(goes, "interval ")]


def _margin(scores: ScoresRecord, level: Fraction) -> float | None:
    with suppress(UsageError):  # too few rows for this one
        return margin(scores, level)
    return None


def _margins(scores: ScoresRecord, possible: Mapping[Fraction, float], target: Target) -> list[str]:
    of_classes, width = target.classes is not None, "divided and multiplied by" if target.is_log else "half width"
    rows = [["interval", "a class is held from" if of_classes else width, "" if of_classes else "z · rmse"]]
    for level, most in possible.items():
        widths = [most, plain_margin(scores, level)]
        said = [number(factor(one) if target.is_log else one) for one in widths]
        rows.append([percents(level), *([percent(1 - most), ""] if of_classes else said)])
    return columns(rows, right=(1, 2))


def _reads(count: int) -> str:
    return f"test part read {times(count)}, this one included"
