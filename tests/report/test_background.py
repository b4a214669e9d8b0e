"""What a page says of the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.report.run.background import environment_section, member_sections
from nnrun.report.run.report import run_page
from nnrun.runs.stored import StoredRun
from nnrun.runs.verbs import train


@pytest.mark.parametrize(
    ("cores", "told"),
    [
        ({"cores": 4}, "x86_64, 4 cores<"),  # as older runs have it
        ({"cores": 4, "usable_cores": 4}, "x86_64, 4 cores<"),
        ({"cores": 64, "usable_cores": 2}, "x86_64, 64 cores, of which 2 could be used<"),
    ],
)
def test_cores_of_the_machine_and_those_that_could_be_used(cores: dict[str, int], told: str) -> None:
    host = {"system": "Linux", "processor": "x86_64", **cores}
    record: dict[str, Any] = {"host": host, "versions": {}, "data": {"files": [], "rows": {}}}
    assert told in "".join(map(str, environment_section(record).parts))


def test_the_page_of_folds_shows_each_of_them(tmp_path: Path) -> None:
    loaded = load_config(None, ["data.source=iris", "data.folds=3", "data.class_weight=balanced", "training.epochs=2"])
    run = StoredRun(train(loaded, tmp_path / "runs").run)
    (section,) = member_sections(run)
    text = "".join(map(str, section.parts))
    assert section.title == "Folds" and "dev balanced error" in text and "standard error" in text
    assert all(f">{count}<" in text for count in (1, 2, 3, 50))
    inside = next(part for part in run_page(run, tmp_path, (), None).sections if part.title == "Inside the network")
    assert "there are several, one a fold." in "".join(map(str, inside.parts))
