"""The tables that a benchmark makes; found by their path, as libraries install packages named as its folder, too."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

MADE = run_path(str(Path(__file__).parents[1] / "benchmarks/made_tables.py"))["MADE"]
