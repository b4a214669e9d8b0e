"""What the bundled data sets are, for those who look for something to try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nnrun.config.schema import BUNDLED, Data
from nnrun.data.sources import read_source
from nnrun.data.survey import Survey

ABOUT = {
    "digits": "which digit? Scans of 8 × 8 pixels, brightness 0 to 16",
    "breast_cancer": "malignant or benign? Measurements of cell nuclei",
    "wine": "which of three growers? A chemical analysis",
    "iris": "which of three species? Leaves of irises, measured",
    "diabetes": "how far will the disease be in a year? Patients' blood and build",
}


def bundled() -> Iterator[dict[str, Any]]:
    """Name, rows, columns, target, task and a line about each."""
    for name, target in BUNDLED.items():
        table = read_source(Data(source=name))["all"]
        found = Survey(table, target, "auto")
        found.see(table)
        task = found.target.decide_task(target)
        size = {"rows": len(table), "columns": len(table.columns)}
        yield {"name": name, **size, "target": target, "task": task, "about": ABOUT[name]}
