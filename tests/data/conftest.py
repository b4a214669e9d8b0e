"""Writes files and loads them as a run would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.data_section import Data
from nnrun.data.dataset import Dataset, load_dataset


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., Path]:
    """csv("a,b", "1,2") writes these lines to data.csv."""

    def write(*lines: str, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Dataset]:
    """load(path, target="y") prepares a source in float64, cached under the test's own directory."""

    def call(source: Any, dtype: str = "float64", **settings: Any) -> Dataset:
        if isinstance(source, dict):
            source = {part: str(path) for part, path in source.items()}
        config = Data(source=source if isinstance(source, dict) else str(source), **settings)
        return load_dataset(config, dtype, tmp_path / "cache")

    return call
