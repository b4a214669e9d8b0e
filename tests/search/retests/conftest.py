"""An old search of a linear model, whose one searched key is its learning rate, and data with other best rates.

Gradient descent for six epochs on columns as they are: in the old unit a higher rate comes nearer to the solution; in
a unit a quarter as large all but the lowest rates step over it, the higher the further. Weights begin next to zero. So
both effects are far larger than what seeds do.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnrun.config.load import load_config
from nnrun.runs.rundir import RunDir
from nnrun.search.retests.verbs import RetestRequest, begin
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin as begin_search
from tests.asked import asking

COLUMNS = 4
OLD_UNIT, NEW_UNIT = 1.7, 7.0  # deviation of a column
PLANTED = """
name: planted
data: {source: SOURCE, target: y, normalize: none, split: [0.5, 0.5, 0]}
network: {hidden: [], init: {name: normal, scale: 0.02}}
optimizer: {name: sgd, learning_rate: 0.08}
training: {epochs: 6, batch_size: full, engine: numpy}
search:
  trials: 16
  space:
    optimizer.learning_rate: {log: [0.003, 0.1]}
"""

Retest = Callable[..., SearchOutcome]


def table(path: Path, unit: float, seed: int) -> Path:
    """Columns x0 … in this unit, and y, a linear function of them with a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((300, COLUMNS))
    y = x.sum(axis=1) / np.sqrt(COLUMNS) + 0.15 * rng.standard_normal(len(x))
    names = ",".join([*(f"x{i}" for i in range(COLUMNS)), "y"])
    np.savetxt(path, np.column_stack([unit * x, y]), delimiter=",", header=names, comments="", fmt="%.6f")
    return path


def planted(folder: Path, data_seed: int = 1, seed: int = 0) -> RunDir:
    """The old search, and beside it today's data."""
    old = table(folder / "old.csv", OLD_UNIT, data_seed)
    head, *rows = old.read_text().splitlines()
    (folder / "doubled.csv").write_text("\n".join([head, *rows, *rows]) + "\n")
    table(folder / "other.csv", NEW_UNIT, data_seed + 1)
    loaded = load_config(None, [f"seed={seed}"], text=PLANTED.replace("SOURCE", str(old)))
    return begin_search(loaded, folder / "runs", Options(), Watcher()).run


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """That search; nobody writes to it."""
    return planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture
def retest(old: RunDir, tmp_path: Path) -> Retest:
    """Retest it, or another search, with `key=value` settings, in a folder of its own."""

    def call(
        *settings: str,
        top: int = 8,
        seeds: int = 3,
        config: Path | None = None,
        search: RunDir = old,
        watcher: Watcher | None = None,
        told_to_stop: Callable[[], bool] = lambda: False,
        **options: int,
    ) -> SearchOutcome:
        asked = RetestRequest(top, seeds, config, settings)
        return begin(search, asked, tmp_path / "runs", asking(**options), watcher or Watcher(), told_to_stop)

    return call
