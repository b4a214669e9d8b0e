"""Colours, of lines that commands print."""

from __future__ import annotations

import pytest

from nnrun.cli.terminal.streams import WORDS, painted
from nnrun.runs.verdict import HIGH, LOW, UNCLEAR


@pytest.mark.parametrize(
    ("line", "coloured"),
    [
        ("     +2.8 points  variance  95%: +0.8 to +5.2   [unclear]", "1;33"),  # diagnose
        ("avoidable bias  train − base (0.0%)  +56.3 points  [high]", "1;31"),  # train
        ("[pass]  rows         1,079 train", "1;32"),  # check
        ("[fail]  symmetry     all units are alike", "1;31"),
        ("[symptom]  dead units in relu29, epoch 4: 94% of its units are 0", "1;33"),
        ("[diverged] in epoch 1, step 1: layer dense1 met numbers that are not finite", "1;31"),
        ("20261126-digits-0997  [failed]  3   0.0%", "1;31"),  # list
        ("[next     nnrun diagnose latest]", "1"),
        ("[    2  2.385  81.2%  2.269  80.5%  0.003  best]", "1"),
    ],
)
def test_what_matters_is_coloured_and_nothing_else(line: str, coloured: str) -> None:
    assert painted(line.replace("[", "").replace("]", "")) == line.replace("[", f"\x1b[{coloured}m").replace(
        "]", "\x1b[0m"
    )


@pytest.mark.parametrize(
    "line",
    ["", "error     0.0%    0.6%    3.3%", "high               12    ·", "run      runs/failed", "done after 3 epochs"],
)
def test_all_else_stays_as_it_is(line: str) -> None:
    assert painted(line) == line


def test_each_word_of_a_verdict_has_a_colour() -> None:
    assert {HIGH, LOW, UNCLEAR} <= WORDS.keys()
    for word in (HIGH, LOW, UNCLEAR):
        assert painted(f"variance  dev − train  +5.9 points  {word}") != f"variance  dev − train  +5.9 points  {word}"
