"""Closer looks at a run that `diagnose` takes if asked to: regions, base error, learning curve."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nnrun.cli.terminal.streams import say
from nnrun.errors import UsageError
from nnrun.runs.stored import StoredRun

if TYPE_CHECKING:
    from nnrun.insight.diagnosis.base_error import BaseEstimate
    from nnrun.insight.diagnosis.learning_curve import LearningCurve
    from nnrun.insight.diagnosis.regions import Regions


class Look(NamedTuple):
    """What a closer look shows, for a program and for a reader."""

    document: Regions | BaseEstimate | LearningCurve
    lines: list[str]


@dataclass(frozen=True)
class Looks:
    """Which looks are asked for."""

    column: str | None
    base: bool
    curve: bool

    def refuse(self) -> None:
        """UsageError if any is: errors alone have no data behind them."""
        if self.column or self.base or self.curve:
            raise UsageError("--by, --estimate-base and --learning-curve look at a run; errors alone have no data")

    def of(self, run: StoredRun, base: float | None, tolerance: float | None) -> Iterator[tuple[str, Look]]:
        """Each by its name in the document, of a run or of the best one of a search."""
        run = run.best or run
        if self.column:
            yield "regions", _regions(run, self.column, base, tolerance)
        if self.base:
            yield "base_estimate", _base(run)
        if self.curve:
            yield "learning_curve", _curve(run)


def _regions(run: StoredRun, column: str, base: float | None, tolerance: float | None) -> Look:
    from nnrun.insight.diagnosis.regions import by_column, region_lines

    found = by_column(run, column, base, tolerance)
    return Look(found, region_lines(found))


def _base(run: StoredRun) -> Look:
    from nnrun.insight.diagnosis.base_error import base_error_lines, estimate_base_error

    found = estimate_base_error(run)
    return Look(found, base_error_lines(found))


def _curve(run: StoredRun) -> Look:
    from nnrun.insight.diagnosis.learning_curve import learning_curve
    from nnrun.insight.diagnosis.telling import curve_lines

    found = learning_curve(run, lambda done, of: say(f"learning curve: {done} of {of} networks trained"))
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return Look(found, curve_lines(found, ascii_only=not unicode))
