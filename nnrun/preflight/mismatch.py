"""The check of parts that differ in what no single column shows, such as a correlation that turns."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from nnrun.data.dataset import Dataset
from nnrun.data.preprocess import Preprocessor
from nnrun.data.table import Floats
from nnrun.preflight.context import Context, Pair
from nnrun.preflight.distances import large
from nnrun.preflight.findings import Finding, names
from nnrun.preflight.rows import unlike
from nnrun.preflight.separation import LARGE, Separation, separate

MOST_ROWS, FEWEST_ROWS = 500, 100  # of the sample of each part
CELLS = 200_000  # rows × features of that sample
SIGNIFICANCE = 0.01  # chance of a finding where the parts are alike


def check_mismatch(context: Context) -> Finding:
    """A classifier for each two parts that are alike in every column; the others `distribution` has told."""
    alike = [pair for pair, found in context.differences.items() if not large(found)]
    owners = _owners(context)
    found = {pair: _separate(context.dataset, pair, owners) for pair in alike}
    return judge_mismatch(found, context.differences, context.dataset.info["split"]["rule"])


def _owners(context: Context) -> list[str]:
    """The column of each feature; the columns of `_values` behind them are the target's."""
    columns = Preprocessor.from_json(context.dataset.info).columns
    outputs = len(context.dataset.classes or [context.target])
    return [column.name for column in columns for _ in column.features] + [context.target] * outputs


def _separate(dataset: Dataset, pair: Pair, owners: list[str]) -> Separation:
    values = [_values(dataset, part) for part in pair]
    member = np.repeat([False, True], [len(each) for each in values])
    return separate(np.concatenate(values), member, owners)


def _values(dataset: Dataset, name: str) -> Floats:
    """Features and target of a fixed random sample of a part, `(m, n)`, classes as one-hot vectors."""
    part = dataset.parts[name]
    most = max(FEWEST_ROWS, min(MOST_ROWS, CELLS // dataset.n_features))
    rows = np.sort(np.random.default_rng(0).permutation(len(part.x))[:most])
    y = part.y[rows]
    target = np.eye(len(dataset.classes))[y] if dataset.classes else y
    return np.asarray(np.hstack([part.x[rows], target]), float)


def judge_mismatch(found: Mapping[Pair, Separation], pairs: Collection[Pair], rule: str) -> Finding:
    """Parts that are told apart often enough to matter, and too often for chance."""
    numbers = {"-".join(pair): each._asdict() for pair, each in found.items()}
    if not found:
        return Finding("pass", "how the parts differ stands under distribution", numbers=numbers)
    significance = SIGNIFICANCE / len(found)
    apart = {pair: each for pair, each in found.items() if each.auc >= LARGE and each.p <= significance}
    if not apart:
        told = " and ".join(f"{'/'.join(pair)} (AUC {each.auc:.2f})" for pair, each in found.items())
        return Finding("pass", f"a classifier cannot tell apart {told}", numbers=numbers)
    told = "; ".join(
        f"a classifier can tell {' from '.join(pair)} (AUC {each.auc:.2f}) by {names(each.by)}"
        for pair, each in apart.items()
    )
    return Finding(*unlike(apart, told, pairs, rule), numbers)
