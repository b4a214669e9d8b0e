"""A train-dev part goes through every command, and tells variance from data mismatch."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
SOURCE = "train: train.csv, dev: dev.csv, test: test.csv"


@pytest.fixture(params=[f"source: {{{SOURCE}}}, train_dev: 0.25", f"source: {{{SOURCE}, train_dev: more.csv}}"])
def shifted(here: Path, request: pytest.FixtureRequest) -> tuple[str, int]:
    """A config whose training rows and those of dev and test go by other columns, and how many rows are train-dev."""
    for seed, (name, count, by) in enumerate((("train", 600, 0), ("dev", 300, 1), ("test", 300, 1), ("more", 200, 0))):
        x = np.random.default_rng(seed).standard_normal((count, 2))
        lines = (f"{row[0]:.4f},{row[1]:.4f},{'pn'[int(row[by] > 0)]}\n" for row in x)
        Path(f"{name}.csv").write_text("a,b,y\n" + "".join(lines))
    Path("c.yaml").write_text(
        f"data: {{{request.param}, target: y}}\nnetwork: {{hidden: [8]}}\n"
        "training: {epochs: 30}\noptimizer: {learning_rate: 0.01}\n"
    )
    return "c.yaml", 200 if "more" in request.param else 150


def test_mismatch_is_told_from_variance(nnrun: Nnrun, shifted: tuple[str, int]) -> None:
    config, rows = shifted
    trained = nnrun("train", config)
    assert f", {rows} train-dev, " in trained.err + trained.out
    assert "data mismatch   dev − train-dev" in trained.out
    run = nnrun("show", "--json").json
    parts = {"train": 600 if rows == 200 else 450, "train_dev": rows, "dev": 300, "test": 300}
    assert list(run["data"]["rows"].items()) == list(parts.items())
    assert run["final"]["train_dev_error"] < 0.06 < 0.35 < run["final"]["dev_error"]
    found = nnrun("diagnose", "--json").json
    assert found["errors"]["train_dev"] == run["final"]["train_dev_error"]
    assert found["verdict"]["mismatch"] == "high"
    assert f"{rows} train-dev" in nnrun("show").out
    measured = nnrun("evaluate", "--json", "--require", "train_dev_error<0.06").json["parts"]["train_dev"]["metrics"]
    assert measured["network"]["error"] == pytest.approx(run["final"]["train_dev_error"])
    assert nnrun("evaluate", "--require", "train_dev_error>0.5").code == 6
    assert nnrun("report").code == 0
    (page,) = Path("runs").glob("*/report.html")
    _, _, by_class = page.read_text().partition("Errors by y")
    assert re.findall(r"<th[^>]*>([^<]*)</th>", by_class)[:10] == [
        "y", "train", "rows", "train-dev", "rows", "dev", "95%", "rows", "share of mistakes", "bias"
    ]  # fmt: skip
    assert nnrun("check", config, "--json").code in (0, 6)


@pytest.mark.parametrize("shifted", [f"source: {{{SOURCE}}}, train_dev: 0.25"], indirect=True)
def test_a_search_measures_it(nnrun: Nnrun, shifted: tuple[str, int]) -> None:
    config, _ = shifted
    assert nnrun("search", config, "--trials", "2", "--workers", "1", "-q", "--set", "training.epochs=3").code == 0
    assert nnrun("show", "latest/best", "--json").json["final"]["train_dev_error"] is not None
    assert nnrun("diagnose", "--json").json["errors"]["train_dev"] is not None
