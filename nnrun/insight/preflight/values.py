"""Checks of single values: those that stand for a missing one, those far from all others, and the target's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnrun.config.text_format import Only
from nnrun.data.files.spelling import DIFFER, spelled_apart
from nnrun.data.files.values import Floats, kind_of
from nnrun.insight.preflight.context import Context, setting
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import counted, listed, number

if TYPE_CHECKING:
    import pandas as pd

STANDING_FOR_NOTHING = {sign * (10**digits - 1) for digits in range(2, 7) for sign in (-1, 1)} | {-1, -8888, -7777}
OFTEN = 0.01  # of the rows: what stands for a missing value comes again and again
APART = 3.0  # from the other values, in widths of these
FAR = 100.0  # from the median, in widths of the middle 98% of the training part
FEW_OF_A_CLASS, MANY_CLASSES = 10, 20  # training rows of the median class, and classes
HARDLY = 0.01  # of the target's deviation in the training part
ALONE = 0.9  # share of the squared deviations that so few rows bring
FEW = 0.01  # of the rows
MOSTLY = 0.5  # of the rows have one value


def check_sentinels(context: Context) -> Finding:
    """Values that stand for a missing one without having been declared."""
    if context.image:
        return judge_sentinels({}, ())
    frame = context.frame("train")
    found = {name: value for name in context.columns if (value := sentinel(frame[name])) is not None}
    missing = context.config.data.format.missing
    if isinstance(missing, Only):
        return judge_sentinels(found, missing.only, "data.format.missing.only")
    return judge_sentinels(found, missing)


def sentinel(column: pd.Series[float]) -> float | None:
    """A value such as -999 that comes often and lies far from all others at one end; None where there is none."""
    values = _numbers(column)
    for value in (values.min(), values.max()) if len(values) else ():
        others = values[values != value]
        if value not in STANDING_FOR_NOTHING or not len(others) or len(values) - len(others) < OFTEN * len(values):
            continue
        gap = float(np.abs(others - value).min())
        if gap > APART * float(others.max() - others.min()) > 0:
            return float(value)
    return None


def judge_sentinels(found: Mapping[str, float], declared: Sequence[str], key: str = "data.format.missing") -> Finding:
    """A network takes -999 for a very small number, and all other values become alike beside it."""
    numbers = {"columns": dict(found)}
    if not found:
        return Finding("pass", "no value seems to stand for a missing one", numbers=numbers)
    told = listed([f"{name} ({value:g})" for name, value in found.items()])
    spelled = [number for value in sorted(set(found.values())) for number in (int(value), value)]  # -999 and -999.0
    cure = setting(key, [*declared, *spelled])
    return Finding("warn", f"a value that may stand for a missing one: {told}", cure, numbers)


class Far(NamedTuple):
    """A value far from the others: its column and part, how many such rows, the farthest, and the usual range."""

    column: str
    part: str
    rows: int
    value: float
    low: float
    high: float
    where: str


def check_far(context: Context) -> Finding:
    """Numbers of any part that lie far from what the training part mostly holds."""
    if context.image:
        return judge_far([])
    regression = context.dataset.task == "regression"
    columns = [*context.columns, *([context.target] if regression else [])]
    return judge_far([far for name in columns for far in _far(context, name)])


def _far(context: Context, name: str) -> Iterator[Far]:
    values = _numbers(context.parts["train"].frame[name])
    if len(values) < 2:
        return
    low, middle, high = np.quantile(values, [0.01, 0.5, 0.99])
    for part, table in context.parts.items():
        column = table.frame[name]
        if kind_of(column) != "number" or high <= low:
            return
        distance = (column.astype(float) - middle).abs()
        rows = int((distance > FAR * (high - low)).sum())
        if rows:
            worst = distance.to_numpy().argmax() if not distance.isna().any() else int(np.nanargmax(distance))
            row = int(table.frame.index[worst])
            yield Far(name, part, rows, float(column.iloc[worst]), float(low), float(high), table.at_cell(row, name))


def judge_far(found: Sequence[Far]) -> Finding:
    """One such row of dev or test decides the error of the part, one of training the scale of its column."""
    numbers = {"columns": sorted({far.column for far in found}), "rows": sum(far.rows for far in found)}
    if not found:
        return Finding("pass", "no number lies far from all others", numbers=numbers)
    told = listed(
        [
            f"{far.column} in {counted(far.rows, 'row')} of {far.part} (up to {number(far.value)}; 98% of the training "
            f"rows lie between {number(far.low)} and {number(far.high)})"
            for far in found
        ]
    )
    cure = f"correct or remove what is wrong, first {found[0].where}; if it is right, give its logarithm"
    return Finding("warn", f"far from all others: {told}", cure, numbers)


def check_target(context: Context) -> Finding:
    """Names of classes that may be one, classes of few rows; values that do not vary, or of which few decide all."""
    if context.dataset.classes is None:
        return judge_values({part: _numbers(context.frame(part)[context.target]) for part in context.parts})
    counts = np.bincount(context.dataset.parts["train"].y, minlength=len(context.dataset.classes))
    return judge_classes(context.dataset.classes, float(np.median(counts)), context.target)


def judge_classes(classes: Sequence[str], median_rows: float, target: str) -> Finding:
    """Classes whose names differ by blanks, case or code points alone, and those of hardly any row to learn from."""
    doubled = spelled_apart(classes)
    numbers = {"alike": doubled, "median_rows": median_rows}
    if doubled:
        text = f"classes that {DIFFER}: {listed(doubled)}"
        return Finding("warn", text, f"write each of them in one way in column {target}", numbers)
    if len(classes) >= MANY_CLASSES and median_rows < FEW_OF_A_CLASS:
        text = f"{len(classes):,} classes, half of them with {median_rows:g} training rows or fewer"
        return Finding("warn", text, f"merge classes of {target}, leave rare ones out, or gather more rows", numbers)
    return Finding("pass", f"{counted(len(classes), 'class', 'classes')} with names of their own", numbers=numbers)


def judge_values(parts: Mapping[str, Floats]) -> Finding:
    """A target that does not vary in a part leaves 1 − R² without meaning there, and so does one that few rows make."""
    deviation = {part: float(values.std()) for part, values in parts.items()}
    few = {part: _share_of_few(values) for part, values in parts.items()}
    numbers = {"deviations": deviation, "share_of_few": few}
    if still := [part for part in parts if deviation[part] <= HARDLY * deviation["train"]]:
        far = f"deviation {number(deviation[still[0]])}, and {number(deviation['train'])} in train"
        told = f"the target hardly varies in {listed(still)} ({far})"
        cure = "take other rows for it: a split at random, or later or earlier ones; else go by the rmse"
        return Finding("warn", f"{told}, so 1 − R² means little there", cure, numbers)
    commonest, share = _commonest(parts["train"])
    said: list[str] = []
    cures: list[str] = []
    if any(found > ALONE for found in few.values()):
        said.append(f"a hundredth of the rows makes {max(few.values()):.0%} of what the target varies")
        cures.append("a target such as log(1 + y), in a column of your own, is learned evenly")
    if share > MOSTLY:
        said.append(f"{share:.0%} of the training rows have a target of {number(commonest)}")
        cures.append("learn first whether it is that, as a class, and then how much the others have")
    if said:
        return Finding("warn", "; ".join(said), "; ".join(cures), numbers)
    return Finding("pass", "the target varies in every part", numbers=numbers)


def _commonest(values: Floats) -> tuple[float, float]:
    """The value that most rows have, and their share."""
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]), float(counts.max() / len(values))


def _share_of_few(values: Floats) -> float:
    """Of the squared deviations from the mean, that of the hundredth of the rows that deviate most."""
    squares = np.sort(np.square(values - values.mean()))[::-1]
    total = float(squares.sum())
    return float(squares[: max(1, int(FEW * len(squares)))].sum()) / total if total else 0.0


def _numbers(column: pd.Series[float]) -> Floats:
    """The values that are there; none where the column holds no numbers."""
    if kind_of(column) != "number":
        return np.array([], float)
    values = np.asarray(column.dropna(), float)
    return np.asarray(values[np.isfinite(values)], float)
