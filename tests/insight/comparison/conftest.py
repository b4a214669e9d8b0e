"""Run directories as training leaves them, made without training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnrun.files import to_json
from nnrun.insight.comparison.listing import Entry
from nnrun.runs.rundir import RunDir

MakeRun = Callable[..., RunDir]
SETTINGS = {
    "name": "digits",
    "seed": 0,
    "data": {"source": "digits", "target": None, "split_seed": 0},
    "network": {"hidden": [64, 32], "activation": "relu"},
    "optimizer": {"name": "adam", "learning_rate": 0.001, "schedule": {"name": "constant"}},
    "metrics": {"primary": "error"},
    "search": {"trials": 50, "space": {}},
}


def changed(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values at dotted keys."""
    copy: dict[str, Any] = json.loads(json.dumps(settings))
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = copy
        for section in sections:
            place = place[section]
        place[last] = value
    return copy


def letters_of(found: Sequence[Entry]) -> str:
    """The letters that `make_run` was given, in the order of these runs."""
    return "".join(entry.run.id[-4] for entry in found)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """make_run("a", {"optimizer.learning_rate": 0.01}, dev_error=0.03) → runs/20260101-000000-digits-a000."""
    root = tmp_path / "runs"

    def call(
        letter: str,
        changes: dict[str, Any] | None = None,
        folder: Path | None = None,
        record: dict[str, Any] | None = None,
        data: str = "d1",
        curve: tuple[float | None, ...] = (0.5, 0.2, 0.1),
        **final: float,
    ) -> RunDir:
        settings = changed(SETTINGS, changes or {})
        second = len(list(root.glob("*")))
        path = folder or root / f"20260101-00000{second}-digits-{letter}000"
        path.mkdir(parents=True)
        facts = {
            "status": "done", "created": f"2026-01-01T00:00:0{second}.000+00:00", "parent": None,
            "data": {"files": [{"part": "all", "name": data, "sha256": data, "rows": 100}], "rows": {"dev": 20}},
            "epochs": len(curve), "best_epoch": len(curve), "seconds": 0.5, "seed": settings["seed"],
            "final": {"train_error": 0.01, "dev_error": 0.05, "dev_loss": 0.2} | final,
        }  # fmt: skip
        (path / "run.json").write_text(to_json(facts | (record or {})))
        (path / "data.json").write_text(to_json({"task": "classification", "split": {"sha256": f"split of {data}"}}))
        (path / "resolved.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        rows = ({"epoch": i, "dev_error": error, "seconds": 0.1} for i, error in enumerate(curve, start=1))
        (path / "metrics.jsonl").write_text("".join(to_json(row) + "\n" for row in rows))
        return RunDir(path)

    return call


@pytest.fixture
def make_search(make_run: MakeRun, tmp_path: Path) -> MakeRun:
    """make_search("a", status="done", trials=2) with a copy of trial 1 as its best."""

    def call(letter: str, **record: Any) -> RunDir:
        path = tmp_path / "runs" / f"20260101-000009-digits-search-{letter}000"
        run = make_run(letter, folder=path, record={"trials": 2, "best_trial": 1, **record}, dev_error=0.02)
        (path / "search.yaml").write_text("metric: dev_error\n")
        for number, rate in enumerate((0.001, 0.003)):
            make_run(letter, {"optimizer.learning_rate": rate, "seed": 5 + number}, path / f"trials/{number:04d}")
        make_run(letter, {"optimizer.learning_rate": 0.003, "seed": 6}, path / "best", dev_error=0.02)
        return run

    return call
