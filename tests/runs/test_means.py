"""As many mistakes have one mean, however folds share them."""

from __future__ import annotations

from itertools import combinations_with_replacement
from statistics import fmean

import pytest

from nnrun.config.config import Config
from nnrun.runs.conclusion import mean_final
from nnrun.runs.means import mean


@pytest.mark.parametrize(("folds", "rows"), [(3, 100), (5, 60), (10, 30), (2, 999_983)])
def test_as_many_mistakes_have_one_mean(folds: int, rows: int) -> None:
    for spread in combinations_with_replacement(range(8 if folds < 6 else 3), folds):
        assert mean(cases / rows for cases in spread) == sum(spread) / (folds * rows)


def test_what_is_no_share_has_the_mean_that_it_had() -> None:
    losses = [0.1763**0.5, 0.1408**0.5, 1.3**0.5]
    assert mean(losses) == fmean(losses)
    assert mean([float("inf"), 0.5]) == float("inf")
    assert mean([-0.25, -0.75]) == -0.5


def test_folds_with_as_many_mistakes_are_level() -> None:
    level = [[{"dev_error": cases / 100, "dev_loss": 0.3} for cases in spread] for spread in ((5, 5, 5), (4, 5, 6))]
    assert [mean_final(finals, Config())["dev_error"] for finals in level] == [0.05, 0.05]  # type: ignore[arg-type]
