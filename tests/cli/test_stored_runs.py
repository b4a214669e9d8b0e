"""Run directories that an earlier nnrun wrote: every command that reads one still does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done

STORED = Path(__file__).parents[1] / "stored"
RUN, SEARCH = "20261126-161803-old-71ed", "20261126-161803-old-search-a847"


@pytest.fixture
def runs(here: Path) -> Path:
    """The stored run and the stored search, as they lay there."""
    shutil.copytree(STORED / "run", here / "runs" / RUN)
    shutil.copytree(STORED / "search", here / "runs" / SEARCH)
    return here / "runs"


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("show", RUN),
        ("show", SEARCH),
        ("diagnose", RUN),
        ("diagnose", SEARCH),
        ("compare", RUN, SEARCH),
        ("report", RUN),
        ("report", SEARCH),
        ("evaluate", RUN),
        ("evaluate", SEARCH),
        ("export", RUN, "--format", "numpy"),
        ("resume", RUN, "--epochs", "8"),
        ("resume", RUN, "--set", "optimizer.learning_rate=0.05"),
        ("resume", SEARCH, "--trials", "5", "--workers", "1"),
    ],
    ids=" ".join,
)
def test_it_can_be_read(command: tuple[str, ...], nnrun: Callable[..., Done], runs: Path) -> None:
    done = nnrun(*command)
    assert done.code == 0, done.err
    assert done.out


def test_its_predictions_are_those_of_its_weights(nnrun: Callable[..., Done], runs: Path) -> None:
    names = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"
    Path("flower.csv").write_text(f"{names}\n5.1,3.5,1.4,0.2\n", encoding="utf-8")
    heading, row = nnrun("predict", RUN, "flower.csv").out.splitlines()
    shares = dict(zip(heading.split(","), row.split(","), strict=True))
    assert shares["prediction"] == "setosa"
    assert float(shares["probability of setosa"]) == pytest.approx(0.74361527, abs=1e-5)


def test_a_search_is_extended_with_its_own_trials(nnrun: Callable[..., Done], runs: Path) -> None:
    before = (runs / SEARCH / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    assert nnrun("resume", SEARCH, "--trials", "4", "--workers", "1").code == 0
    after = (runs / SEARCH / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    assert after[: len(before)] == before
    assert len(after) == 4
