"""Which row of its files went into which part of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from nnrun.data.files.sources import source_files
from nnrun.data.files.table import Table
from nnrun.data.prepare import Divided, divided
from nnrun.data.split import STORED
from nnrun.models.model import best_of
from nnrun.runs.conclusion import in_folds
from nnrun.runs.moving import told_if_gone, trained_on_other_data
from nnrun.runs.stored import StoredRun

if TYPE_CHECKING:
    import pandas as pd

FILE, ROW, PART = "file", "row", "part"
NO_PART = "none"  # of a row without a target that was left out


class Partition:
    """Frames of the rows in the order of their files; `counts` are complete after the last of them.

    A row has its number in the file, from 1, the columns that identify it, and its part: train, dev, test, train_dev,
    or none; of a run of folds `fold K`, in which it is dev, or test. Where each part has a file, its name stands first.
    """

    def __init__(self, run: StoredRun) -> None:
        """Raises UsageError for a search without a best run, DataError where the data is gone or has changed."""
        self.run = best_of(run)
        config = self.run.config
        folds = in_folds(config) if config.data.in_folds else [config]
        with told_if_gone(self.run):
            self._divided = [divided(one.data) for one in folds]
        self._in_folds = config.data.in_folds
        self._check()
        self.counts: dict[str, int] = {}

    def _check(self) -> None:
        first, known = self._divided[0], self.run.data
        now = [(part, chunks.source.sha256, first.found[part].rows) for part, chunks in first.sources.items()]
        before = [(file["part"], file["sha256"], file["rows"]) for file in known.files]
        moved = not self._in_folds and first.division.sha256 != known.split["sha256"]
        if now != before or moved:
            raise trained_on_other_data(self.run)

    @property
    def files(self) -> list[Path]:
        """The files that the rows stand in."""
        return list(source_files(self.run.config.data).values())

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """One frame a piece of a file."""
        first = self._divided[0]
        for source, table in first.pieces("reading"):
            yield self._frame(first, source, table)

    def _frame(self, first: Divided, source: str, table: Table) -> pd.DataFrame:
        import pandas as pd

        parts = self._parts(source, table)
        for name, rows in zip(*np.unique(parts.astype(str), return_counts=True), strict=True):
            self.counts[str(name)] = self.counts.get(str(name), 0) + int(rows)
        cells: dict[str, object] = {}
        if len(first.sources) > 1:
            cells[FILE] = PurePath(table.name).name
        cells[ROW] = np.asarray(table.frame.index) + 1
        taken = {FILE, ROW, PART}
        identifiers = [name for name in self.run.data.identifiers if name in table and name not in taken]
        cells |= {name: table.frame[name].to_numpy() for name in identifiers}
        return pd.DataFrame({**cells, PART: parts})

    def _parts(self, source: str, table: Table) -> np.ndarray:
        """The name of each row's part, `(rows,)`."""
        names = np.array([*STORED, NO_PART], dtype=object)
        of_each = [one.division.part_of(source, table) for one in self._divided]
        found = names[of_each[0]]
        if self._in_folds:
            for fold, part_of in enumerate(of_each, 1):
                found[part_of == STORED.index("dev")] = f"fold {fold}"
        return found
