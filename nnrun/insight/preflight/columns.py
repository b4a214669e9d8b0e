"""Checks of single columns: those that say nothing, those that say too much, gaps and scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.data.facts.kinds import is_identifier
from nnrun.data.facts.tallies import varies
from nnrun.engine.parameters import Array
from nnrun.insight.preflight.context import Context, setting
from nnrun.insight.preflight.distances import Association, association, codes, sampled
from nnrun.runs.symptoms.evidence import Finding
from nnrun.text import counted, listed

if TYPE_CHECKING:
    import pandas as pd

MOSTLY_MISSING = 0.5
GIVES_AWAY, NEARLY = 0.99, 0.97  # share of the target that one column explains
LARGEST_SCALE = 10.0  # root mean square of a feature; normalised ones have 1
SPREAD = 100.0  # the largest scale over the median one


def check_constant(context: Context) -> Finding:
    """Columns with one value in the training part."""
    frame = context.frame("train")
    found = [name for name in context.columns if not _varies(frame[name])]
    return judge_constant(found, list(context.config.data.drop))


def _varies(series: pd.Series[Any]) -> bool:
    """Whether a column has different values, of numbers more than what rounding leaves; a missing one is a value."""
    if series.dtype.kind == "f" and not series.hasnans:
        return varies(series.to_numpy(dtype=np.float64))
    return series.nunique(dropna=False) > 1


def judge_constant(found: list[str], dropped: list[str]) -> Finding:
    """Nothing can be learned from a column that never changes."""
    return _better_dropped(
        found, dropped, "never varying in the training part", "every column varies in the training part"
    )


def check_identifiers(context: Context) -> Finding:
    """Columns that number or name the rows."""
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
    """Share of missing values a column of the training part."""
    shares = context.frame("train")[context.columns].isna().mean()
    return judge_missing({str(name): float(share) for name, share in shares.items() if share}, context)


def judge_missing(shares: Mapping[str, float], context: Context | None = None) -> Finding:
    """Gaps are filled and marked; a column that is mostly gaps brings little but noise."""
    numbers = {"shares": dict(shares)}
    if not shares:
        return Finding("pass", "no value is missing in the training part", numbers=numbers)
    worst = max(shares, key=lambda name: shares[name])
    empty = [name for name, share in shares.items() if share > MOSTLY_MISSING]
    if empty:
        text = f"mostly missing: {listed([f'{name} ({shares[name]:.0%})' for name in empty])}"
        dropped = list(context.config.data.drop) if context else []
        return Finding("warn", text, setting("data.drop", [*dropped, *empty]), numbers)
    text = f"{counted(len(shares), 'column')} with gaps, at most {shares[worst]:.1%} ({worst}); filled and marked"
    return Finding("pass", text, numbers=numbers)


def check_leak(context: Context) -> Finding:
    """How much of the target each column explains by itself."""
    frame = _pooled(context)
    frame = frame.iloc[sampled(*frame.shape)]
    classes = context.dataset.task == "classification"
    target = codes(frame[context.target]) if classes else np.asarray(frame[context.target], float)
    found = {name: association(frame[name], target, classes) for name in context.columns}
    return judge_leak(found, context.target, list(context.config.data.drop))


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
    cure = f"{setting('data.drop', [*dropped, *named])}, unless it is known before {target} is"
    return Finding("fail" if copies and len(found) > 1 else "warn", text, cure, numbers)


def check_scale(context: Context) -> Finding:
    """Scales of the features as the network gets them."""
    x = context.train.x
    scales = np.sqrt(np.square(x, dtype=np.float64).mean(axis=0))
    features = context.dataset.fitted.features
    return judge_scale(dict(zip(features, scales, strict=True)), context.config.network.batch_norm)


def judge_scale(scales: Mapping[str, float], batch_norm: bool) -> Finding:
    """Root mean squares of the features; batch norm makes up for most of what they do to the first layer."""
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
