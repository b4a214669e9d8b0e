"""An evaluation on a screen."""

from __future__ import annotations

import numpy as np

from nnrun.models.telling import confusion_table


def test_what_never_happened_is_a_dot_and_mistakes_stand_out() -> None:
    lines = confusion_table(np.array([[12.0, 0.0], [1.0, 9.0]]), ["cat", "dog"])
    assert lines == [
        "true \\ predicted  cat  dog",
        "cat                12    ·",
        "dog                 1    9",
    ]
