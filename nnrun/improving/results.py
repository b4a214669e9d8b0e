"""What trainings came to, as their directories show it: diagnosis, mistakes row by row, comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.improving import judging
from nnrun.improving.judging import Comparison, DevRows, compare
from nnrun.improving.standing import ALL_WRONG, Standing
from nnrun.insight.diagnosis.verbs import considered
from nnrun.runs.finding import trial_name
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.verdict import deciding_size, summary
from nnrun.search.record import TrialRecord


class Results:
    """Of trials in a folder. A run is looked into once, as its files do not change any more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._considered = cache(self._consider)
        self._looked_into = cache(self._look)

    def evidence(self, here: Standing) -> Evidence:
        """What the recipe looks at: of the training in the middle."""
        return self._considered(here.middle["number"])

    def diagnosis(self, here: Standing) -> str:
        """In a sentence."""
        verdict = self.evidence(here).verdict
        return summary(verdict) if verdict else "training diverged"

    def floor(self, here: Standing) -> str | None:
        """What to say where no gap can be told from 0 with this dev set; None where one can."""
        verdict = self.evidence(here).verdict
        if verdict is None or not all(gap.low is not None and gap.low <= 0 for gap in verdict.gaps.values()):
            return None
        rows = [rows for kind in verdict.gaps if (rows := deciding_size(verdict, kind))]
        enough = f"; about {max(rows):,} would tell" if rows else ""
        return f"no gap can be told from 0 with {verdict.rows_of('dev'):,} dev examples{enough}"

    def compare(self, old: Sequence[TrialRecord], new: Sequence[TrialRecord]) -> Comparison:
        """By how much the mistakes became fewer; the records are of the same seeds, in one order."""
        return self._compared([*old, *new], self._mistakes(old), self._mistakes(new))

    def better_than_a_guess(self, here: Standing) -> bool:
        """Whether these trainings do better on dev than the best constant guess, beyond chance."""
        done = [record for record in here.records if record["status"] == "done"]
        if not done:
            return False
        guessed = judging.guess(self._run(done[0]["number"]))
        return self._compared(done, np.tile(guessed, (len(done), 1)), self._mistakes(done)).better

    def _compared(self, records: Sequence[TrialRecord], before: Array, after: Array) -> Comparison:
        """Rows count and belong together as in any of the trainings that ended well."""
        done = next((record["number"] for record in records if record["status"] == "done"), None)
        rows = None if done is None else self._looked_into(done)
        return compare(before, after, *(() if rows is None else (rows.weights, rows.groups)))

    def _mistakes(self, records: Sequence[TrialRecord]) -> Array:
        """`(seeds, rows)`, or `(seeds, 1)` where all diverged: 1 everywhere."""
        found = [
            self._looked_into(record["number"]).mistakes if record["status"] == "done" else None for record in records
        ]
        rows = next((len(each) for each in found if each is not None), 1)
        return np.stack([np.full(rows, ALL_WRONG) if each is None else each for each in found])

    def _consider(self, number: int) -> Evidence:
        return considered(self._run(number))[0]

    def _look(self, number: int) -> DevRows:
        return judging.mistakes(self._run(number))

    def _run(self, number: int) -> StoredRun:
        return StoredRun(RunDir(self.folder / trial_name(number)))
