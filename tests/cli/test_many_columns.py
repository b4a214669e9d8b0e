"""Each further column is the same work, however many there are: lines of Python are counted, as clocks are not sure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.insight.preflight.context import Context
from nnrun.insight.preflight.values import check_far
from nnrun.insight.preflight.verbs import open_context
from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
SETTINGS = ("data.source=table.csv", "data.target=class", "training.epochs=1")


def lines(call: Callable[[], object]) -> int:
    """How many lines a call runs through; each turn of a loop counts."""
    count = 0

    def see(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return see

    before = sys.gettrace()
    sys.settrace(see)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def growth(call: Callable[[], object], prepare: Callable[[], object]) -> float:
    """What 100 columns cost beside 150 others, in terms of what they cost beside 50: 1, or 2 if all pairs meet."""
    counts = []
    for columns in (50, 50, 150, 250):  # at first, what is loaded once is loaded
        write_table(Path("table.csv"), columns)
        prepare()
        counts.append(lines(call))
    return (counts[3] - counts[2]) / (counts[2] - counts[1])


def write_table(path: Path, columns: int) -> None:
    numbers = np.random.default_rng(0).normal(size=(30, columns)).round(3)
    written = [",".join([*map(str, row), "yes" if row[0] > 0 else "no"]) for row in numbers.tolist()]
    path.write_text("\n".join([",".join([*(f"x{i}" for i in range(columns)), "class"]), *written]) + "\n")


@pytest.mark.parametrize("words", [("predict", "latest", "table.csv"), ("export", "latest")])
def test_of_a_trained_network(nnrun: Nnrun, words: tuple[str, ...]) -> None:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]

    def train() -> None:
        Path("model.onnx").unlink(missing_ok=True)
        assert nnrun("train", "-q", *settings).code == 0

    def command() -> None:
        assert nnrun(*words).code == 0

    assert growth(command, train) < 1.2


def test_of_looking_for_numbers_far_from_all_others(here: Path) -> None:
    contexts: list[Context] = []

    def prepare() -> None:
        contexts.append(open_context(load_config(None, SETTINGS), here))

    assert growth(lambda: check_far(contexts[-1]), prepare) < 1.2
