"""Checks of single columns: those that say nothing, those that say too much, gaps, scales, and codes.

Codes are numbers of few values, each with a target of its own, in no order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.facts.association import GIVES_AWAY, NEARLY, Association, association, codes
from nnrun.data.facts.kinds import LEAST_ROWS, is_identifier
from nnrun.data.facts.tallies import varies
from nnrun.data.files.spelling import DIFFER, spelled_apart
from nnrun.data.files.values import Floats, Indices, Values, columns_of, kind_of, missing_of
from nnrun.engine.parameters import Array
from nnrun.insight.preflight.context import Context, setting
from nnrun.insight.preflight.distances import rows_compared
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import counted, listed

if TYPE_CHECKING:
    import pandas as pd


LARGEST_SCALE = 10.0  # root mean square of a feature; normalised ones have 1
SPREAD = 100.0  # the largest scale over the median one


PIXELS = "the columns are an image's pixels, which are judged together"

# Of codes.
FEWEST_VALUES, MOST_VALUES = 6, 30  # fewer have too few orders to compare with
TELLS = 0.02  # share of the target that the values must explain, each by itself
MOSTLY_LINEAR = 0.25  # of that, what a straight line may explain at most
SHUFFLES, BY_CHANCE = 199, 0.1  # the order helps where so few of the shuffled ones are as smooth

WORD = 4  # letters of a value from which on case tells nothing; Co and CO, mA and MA, Ab and aB are others


def check_constant(context: Context) -> Finding:
    """Columns with one value in the training part."""
    found = [name for name, values in columns_of(context.frame("train")[context.columns]) if not _varies(values)]
    if context.image:
        return judge_constant_pixels(len(found), len(context.columns))
    return judge_constant(found, list(context.config.data.drop))


def _varies(values: Values) -> bool:
    """Whether a column has different values, of numbers more than what rounding leaves; a missing one is a value."""
    if values.dtype.kind == "f" and not missing_of(values).any():
        return varies(np.asarray(values, dtype=np.float64))
    if isinstance(values, np.ndarray) and values.dtype.kind != "f":
        return bool(np.any(values != values[:1]))
    import pandas as pd

    return pd.Series(values).nunique(dropna=False) > 1


def judge_constant(found: list[str], dropped: list[str]) -> Finding:
    """Nothing can be learned from a column that never changes."""
    return _better_dropped(
        found, dropped, "never varying in the training part", "every column varies in the training part"
    )


def judge_constant_pixels(constant: int, pixels: int) -> Finding:
    """A border that is always empty is no fault: without it the others would be no image."""
    numbers = {"columns": [], "constant_pixels": constant}
    if constant < pixels:
        return Finding("pass", f"{constant:,} of {pixels:,} pixels never vary in the training part", numbers=numbers)
    cure = "give data.source images that differ from each other"
    return Finding("fail", "no pixel varies in the training part: all images are one", cure, numbers)


def check_identifiers(context: Context) -> Finding:
    """Columns that number or name the rows."""
    if context.image:
        return Finding("pass", PIXELS)
    frame = _pooled(context)
    found = [name for name in context.columns if is_identifier(frame[name])]
    return judge_identifiers(found, list(context.config.data.drop))


def judge_identifiers(found: list[str], dropped: list[str]) -> Finding:
    """A network learns such a column by heart, and it means nothing for new rows."""
    return _better_dropped(found, dropped, "like an identifier", "no column numbers or names the rows")


def _better_dropped(found: list[str], dropped: list[str], what: str, otherwise: str) -> Finding:
    """A warning about these columns, whose cure is to do without them; passed if there are none."""
    numbers = {"columns": found}
    if not found:
        return Finding("pass", otherwise, numbers=numbers)
    text = f"{counted(len(found), 'column')} {what}: {listed(found)}"
    return Finding("warn", text, setting("data.drop", [*dropped, *found]), numbers)


def check_missing(context: Context) -> Finding:
    """Missing values of each column of the training part."""
    frame = context.frame("train")[context.columns]
    gaps = {str(name): int(count) for name, count in frame.isna().sum().items() if count}
    unit, dropped = ("pixel" if context.image else "column"), list(context.config.data.drop)
    return judge_missing(gaps, len(frame), unit, dropped)


def judge_missing(gaps: Mapping[str, int], rows: int, unit: str, dropped: Sequence[str]) -> Finding:
    """Gaps are filled and marked, and that a value is missing may tell; only from a few values nothing can be learned.

    Pixels are kept even then, as without one of them the others would be no image.
    """
    shares = {name: count / rows for name, count in gaps.items()}
    numbers = {"shares": shares}
    if not shares:
        return Finding("pass", "no value is missing in the training part", numbers=numbers)
    present = {name: rows - count for name, count in gaps.items() if rows - count < LEAST_ROWS}
    if present and unit == "column":
        told = listed([f"{name} (in {counted(few, 'row')})" for name, few in present.items()])
        return Finding("warn", f"hardly any value: {told}", setting("data.drop", [*dropped, *present]), numbers)
    worst = max(shares, key=lambda name: shares[name])
    text = f"{counted(len(shares), unit)} with gaps, at most {shares[worst]:.1%} ({worst}); filled and marked"
    return Finding("pass", text, numbers=numbers)


def check_leak(context: Context) -> Finding:
    """How much of the target each column explains by itself."""
    frame = _pooled(context)
    frame = frame.iloc[rows_compared(*frame.shape)]
    classes = context.dataset.task == "classification"
    target = codes(frame[context.target]) if classes else np.asarray(frame[context.target], float)
    columns = columns_of(frame[context.columns])
    found = {name: association(values, target, classes) for name, values in columns}
    leak = judge_leak(found, context.target, list(context.config.data.drop))
    if leak.cure is None or not context.image:
        return leak
    return replace(leak, cure=f"look at the images: whoever made them may have written {context.target} into a corner")


def judge_leak(found: Mapping[str, Association], target: str, dropped: list[str]) -> Finding:
    """A column that explains the target and holds little else is a copy of it; one that also varies may be just good.

    Where it is the only column, nobody can say whether it is the task.
    """
    best = max(found, key=lambda name: found[name].explained)
    share = found[best].explained
    numbers = {"column": best, "explained": share}
    telling = [name for name, a in found.items() if a.explained >= NEARLY]
    copies = [name for name in telling if found[name].explained >= GIVES_AWAY and found[name].purity >= GIVES_AWAY]
    if not telling:
        return Finding("pass", f"{best} tells most of {target}, {share:.0%}", numbers=numbers)
    named = copies or telling
    gives = "gives" if len(named) == 1 else "give"
    text = f"{listed(named)} {gives} {target} away: {share:.1%} explained by one column"
    cure = f"{setting('data.drop', [*dropped, *named])} unless it is known before {target} is"
    if len(named) == len(found):  # then nothing would be left to learn from
        cure = f"fine if it is known before {target} is; else find columns that are"
    return Finding("fail" if copies and len(found) > 1 else "warn", text, cure, numbers)


def check_scale(context: Context) -> Finding:
    """Scales of the features as the network gets them."""
    fitted = context.dataset.fitted
    x = context.train.x[:, fitted.numeric]
    scales = np.sqrt(np.square(x, dtype=np.float64).mean(axis=0))
    names = [fitted.features[place] for place in fitted.numeric]
    return judge_scale(dict(zip(names, scales, strict=True)), context.config.network.batch_norm)


def judge_scale(scales: Mapping[str, float], batch_norm: bool) -> Finding:
    """Root mean squares of the features; batch norm makes up for most of what they do to the first layer."""
    if not scales:
        return Finding("pass", "all features are codes of categories, which are looked up")
    values: Array = np.array(list(scales.values()))
    largest = max(scales, key=lambda name: scales[name])
    typical = float(np.median(values[values > 0])) if (values > 0).any() else 1.0
    numbers = {"largest": float(scales[largest]), "median": typical, "feature": largest}
    if scales[largest] <= LARGEST_SCALE and scales[largest] <= SPREAD * typical:
        return Finding("pass", f"features of size {typical:.2g}, the largest {scales[largest]:.2g}", numbers=numbers)
    text = f"unscaled inputs: {largest} of size {scales[largest]:.3g}, the median {typical:.2g}"
    cure = setting("data.normalize", "standard")
    if batch_norm:
        return Finding("pass", f"{text}; batch norm makes up for it", numbers=numbers)
    return Finding("fail", text, cure, numbers)


def _pooled(context: Context) -> pd.DataFrame:
    """The rows of all parts in the order of the source, where there is one source."""
    import pandas as pd

    frames = [context.frame(part) for part in context.parts]
    pooled = pd.concat(frames)
    return pooled if context.dataset.fitted.split["rule"] == "files" else pooled.sort_index()


def check_kinds(context: Context) -> Finding:
    """Columns of numbers whose order says nothing, while their values do; categories with values that may be one."""
    declared = context.config.data.kinds
    if context.dataset.fitted.image is not None:
        return judge_kinds([], {})
    frame = context.frame("train")
    target = frame[context.target]
    goal = np.asarray(target, np.float64)[:, None] if context.dataset.task == "regression" else _one_hot(codes(target))
    found = [name for name in context.columns if name not in declared and is_unordered(frame[name], goal)]
    known = {str(name): kind for name, kind in declared.items()}
    if not found and (alike := _spelled_apart(context)):
        return judge_spelling(alike, known)
    return judge_kinds(found, known)


def judge_kinds(found: list[str], declared: dict[str, Any]) -> Finding:
    """A network has to bend for each of such values, where a feature for each would be learned at once."""
    numbers = {"columns": found}
    if not found:
        return Finding("pass", "no column of numbers looks like one of codes", numbers=numbers)
    text = f"{counted(len(found), 'column')} of numbers whose order says nothing, but whose values do: {listed(found)}"
    return Finding("warn", text, setting("data.kinds", {**declared, **dict.fromkeys(found, "category")}), numbers)


def _spelled_apart(context: Context) -> dict[str, list[str]]:
    """By column the values of any part that differ by blanks, case or code points alone, unless data.kinds names it."""
    declared, columns = context.config.data.declared, context.dataset.fitted.document["columns"]
    names = [of["name"] for of in columns if of["kind"] == "category" and of["name"] not in declared]
    frames = [context.frame(part) for part in context.parts]
    found = {name: spelled_apart((value for frame in frames for value in frame[name].unique()), WORD) for name in names}
    return {name: alike for name, alike in found.items() if alike}


def judge_spelling(alike: Mapping[str, Sequence[str]], declared: dict[str, Any]) -> Finding:
    """Values of one thing have a feature each, and a network learns each of them from a part of the rows."""
    told = listed([f"{name} ({listed(spelled)})" for name, spelled in alike.items()])
    apart = setting("data.kinds", {**declared, **dict.fromkeys(alike, "category")})
    cure = f"write each of them in one way in column {listed([*alike])}, or say that they differ: {apart}"
    return Finding("warn", f"values that {DIFFER}: {told}", cure, {"columns": [*alike]})


def _one_hot(classes: Indices) -> Floats:
    return np.eye(int(classes.max()) + 1)[classes]


def is_unordered(series: pd.Series[Any], goal: Floats) -> bool:
    """Whether few whole numbers explain the goal `(m, k)` each by itself, neighbours no more alike than others."""
    if kind_of(series) != "number":
        return False
    present = series.notna().to_numpy(dtype=bool)
    values = np.asarray(series, np.float64)[present]
    different, group, rows = np.unique(values, return_inverse=True, return_counts=True)
    if not FEWEST_VALUES <= len(different) <= MOST_VALUES or np.any(different % 1) or rows.min() < LEAST_ROWS:
        return False
    goal = goal[present]
    goal -= goal.mean(axis=0)
    sums = np.zeros((len(different), goal.shape[1]))
    np.add.at(sums, group, goal)
    total = float(np.square(goal).sum())
    left = np.square((sums[group] - goal) / (rows[group] - 1)[:, None] - goal).sum()  # by the other rows of its value
    explained = 1 - float(left) / total if total else 0.0
    if explained < TELLS or _linear(values, goal) / total > MOSTLY_LINEAR * explained:
        return False
    return not _is_smooth(sums / rows[:, None])


def _linear(values: Floats, goal: Floats) -> float:
    """Squares of the goal that a straight line explains."""
    centred = values - values.mean()
    return float(np.square(centred @ goal).sum() / np.square(centred).sum())


def _is_smooth(means: Floats) -> bool:
    """Whether neighbours among the means `(values, k)` are more alike than in most orders (von Neumann 1941)."""
    draw = np.random.default_rng(0)
    own = _steps(means)
    smoother = sum(_steps(draw.permutation(means)) <= own for _ in range(SHUFFLES))
    return (smoother + 1) / (SHUFFLES + 1) <= BY_CHANCE


def _steps(means: Floats) -> float:
    return float(np.square(np.diff(means, axis=0)).sum())
