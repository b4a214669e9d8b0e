"""A comparison for other programs: plain values, CSV and Markdown."""

from __future__ import annotations

from typing import Any

from nnrun.comparison.cells import config_cells, metric_cells
from nnrun.comparison.differences import Comparison
from nnrun.comparison.tables import csv_text


def plain(comparison: Comparison) -> dict[str, Any]:
    """The JSON document; lists have one entry for each run, in the order of `runs`."""
    every = range(len(comparison.runs))
    return {
        "schema_version": 1,
        "comparable": comparison.apart is None,
        "why_not": comparison.apart,
        "reference": comparison.runs[comparison.reference].label,
        "runs": [
            {"label": run.label, "id": run.name, "path": str(run.run.path), "dev_error_by_epoch": run.curve()}
            for run in comparison.runs
        ],
        "config": comparison.config,
        "metrics": {
            key: {
                "values": values,
                "differences": [comparison.difference(key, index) for index in every],
                "within_seed_noise": [comparison.within_noise(key, index) for index in every],
            }
            for key, values in comparison.metrics.items()
        },
        "seed_noise": {key: noise._asdict() | {"band": noise.band} for key, noise in comparison.noise.items()},
    }


def as_csv(comparison: Comparison) -> str:
    """A row a run, values in full."""
    found = {**comparison.config, **comparison.metrics}
    return csv_text(
        [
            {"label": run.label, "run": run.name, **{key: values[index] for key, values in found.items()}}
            for index, run in enumerate(comparison.runs)
        ]
    )


def markdown(comparison: Comparison) -> list[str]:
    """A table with a column a run, for two, else with a row a run."""
    cells = {key: config_cells(values) for key, values in comparison.config.items()}
    cells |= {key: metric_cells(key, values) for key, values in comparison.metrics.items()}
    rows = [["", *(f"{run.label}: {run.name}" for run in comparison.runs)]]
    rows += [[key, *values] for key, values in cells.items()]
    if len(comparison.runs) > 2:
        rows = [list(row) for row in zip(*rows, strict=True)]
    written = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    note = [f"These runs have {comparison.apart}.", ""] if comparison.apart else []
    return [*note, written[0], f"|{' --- |' * len(rows[0])}", *written[1:]]
