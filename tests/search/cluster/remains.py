"""What two searches that are to be equal leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnrun.runs.rundir import RunDir
from nnrun.search.ledger import Ledger
from tests.search.conftest import OF_A_CALL

OF_A_RUN = (*OF_A_CALL, "created", "started", "ended", "process", "blas", "written", "chosen", "running_seconds", "git")


def left(run: RunDir) -> Any:
    """The ledgers, and what lies in best/, without times and places."""
    ledgers = [run.path / "trials.jsonl", *sorted(run.path.glob("repeats/*/trials.jsonl"))]
    records = [[without(record) for record in Ledger(path).read()[0]] for path in ledgers]
    best = {str(path.relative_to(run.path)): plain(path) for path in (run.path / "best").rglob("*") if path.is_file()}
    return records, best


def plain(path: Path) -> Any:
    if path.suffix == ".safetensors" or path.name in ("resolved.yaml", "data.json", "values.json"):
        return path.read_bytes()
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    return [without(json.loads(line)) for line in lines] if path.suffix.startswith(".json") else len(lines)


def without(record: Any) -> Any:
    return {key: value for key, value in record.items() if key not in OF_A_RUN} if isinstance(record, dict) else record
