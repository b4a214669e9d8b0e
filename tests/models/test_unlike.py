"""What is told of values that training did not have."""

from __future__ import annotations

import pandas as pd

from nnrun.data.features.columns import Column
from nnrun.data.files.content import Framed
from nnrun.data.files.table import Table
from nnrun.models.unlike import Unlike


def test_values_are_counted_over_all_pieces_and_the_first_is_named() -> None:
    columns = [Column("size", "number", fills=(0.0,)), Column("kind", "category", vocabulary=("a", "b"), pooled=("c",))]
    frame, unlike = pd.DataFrame({"size": [1.0, None, None, 4.0], "kind": ["a", "z", "z", "c"]}), Unlike()
    for start in (0, 2):
        unlike.see(Table(Framed(frame.iloc[start : start + 2]), "new.csv", ""), columns)
    missing, unseen, rare = unlike.notices()
    assert missing.startswith("2 values of column 'size' were missing, as none was in training (the first: new.csv")
    assert unseen.startswith("2 values of column 'kind' were not seen in training")
    assert rare.startswith("1 value of column 'kind' was rare in training")
    assert unlike.doubts() == [missing, unseen]
