"""Tables in memory, and the features that are learned of them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.features.learner import Learner
from nnrun.data.features.numbers import Normalize
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.files.content import Framed
from nnrun.data.files.table import Table


def table(**columns: list[Any]) -> Table:
    """Columns by name."""
    return Table(Framed(pd.DataFrame(columns)), "test", "")


def fitted_on(rows: Table, normalize: Normalize = "standard") -> Preprocessor:
    """The features of all columns."""
    learners = [Learner(name, ColumnFacts.of(rows, name).meaning) for name in rows.columns]
    for learner in learners:
        learner.see(rows)
    return Preprocessor.learned(learners, normalize)
