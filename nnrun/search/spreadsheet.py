"""trials.csv: the ledger as a table, a row a trial, made anew whenever it is wanted."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from nnrun.files import to_json
from nnrun.search.ledger import Record

FIRST = ("number", "status", "metric")
FINALS = ("dev_error", "dev_loss", "train_error", "train_loss", "cost")  # further ones stand behind them
LAST = ("epochs", "best_epoch", "seconds", "seed")


def spreadsheet(records: Sequence[Record], keys: Sequence[str]) -> str:
    """CSV with a line of titles: results, then a column for each of these dotted keys; empty = none, as in YAML."""
    further = {name: None for record in records for name in record["final"] if name not in FINALS}
    finals = (*FINALS, *further)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIRST, *finals, *LAST, *keys])
    for record in records:
        cells = [record.get(name) for name in FIRST]
        cells += [record["final"].get(name) for name in finals]
        cells += [record.get(name) for name in LAST]
        writer.writerow([_cell(value) for value in (*cells, *(record["values"][key] for key in keys))])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Lists, mappings and truths as they would be written in the file."""
    return to_json(value) if isinstance(value, (bool, list, dict)) else value
