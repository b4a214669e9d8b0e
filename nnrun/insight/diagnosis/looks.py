"""Closer looks at a run that `diagnose` takes if asked to: regions, base error, learning curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nnrun.errors import UsageError

if TYPE_CHECKING:
    from nnrun.insight.diagnosis.base_error import BaseEstimate
    from nnrun.insight.diagnosis.learning_curve import LearningCurve
    from nnrun.insight.diagnosis.regions import Regions
    from nnrun.insight.diagnosis.telling import Action
    from nnrun.runs.stored import StoredRun


REGIONS, BASE, CURVE = "regions", "base_estimate", "learning_curve"  # their names in the document


class Look(NamedTuple):
    """What a closer look shows, for a program and for a reader."""

    document: Regions | BaseEstimate | LearningCurve
    lines: list[str]


@dataclass(frozen=True)
class Looks:
    """Which looks are asked for, where a line about a long one goes, and whether lines are drawn in ASCII alone."""

    column: str | None
    base: bool
    curve: bool
    tell: Callable[[str], None]
    ascii_only: bool

    def refuse(self) -> None:
        """UsageError if any is: errors alone have no data behind them."""
        if self.column or self.base or self.curve:
            raise UsageError("--by, --estimate-base and --learning-curve look at a run; errors alone have no data")

    def of(self, run: StoredRun, base: float | None, tolerance: float | None) -> Iterator[tuple[str, Look]]:
        """Each by its name in the document, of a run or of the best one of a search."""
        run = run.best or run
        if self.column:
            yield REGIONS, _regions(run, self.column, base, tolerance)
        if self.base:
            yield BASE, _base(run)
        if self.curve:
            yield CURVE, self._curve(run)

    def left(self, actions: Sequence[Action]) -> list[Action]:
        """What to do next besides the looks that are taken already."""
        taken = {REGIONS: bool(self.column), BASE: self.base, CURVE: self.curve}
        return [action for action in actions if not taken.get(action.look or "")]

    def _curve(self, run: StoredRun) -> Look:
        from nnrun.insight.diagnosis.learning_curve import learning_curve
        from nnrun.insight.diagnosis.telling import curve_lines

        curve = learning_curve(run, lambda done, of: self.tell(f"learning curve: {done} of {of} networks trained"))
        return Look(curve, curve_lines(curve, self.ascii_only))


def _regions(run: StoredRun, column: str, base: float | None, tolerance: float | None) -> Look:
    from nnrun.insight.diagnosis.regions import by_column, region_lines

    regions = by_column(run, column, base, tolerance)
    return Look(regions, region_lines(regions))


def _base(run: StoredRun) -> Look:
    from nnrun.insight.diagnosis.base_error import base_error_lines, estimate_base_error

    estimate = estimate_base_error(run)
    return Look(estimate, base_error_lines(estimate))
