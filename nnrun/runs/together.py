"""What folds come to together: which of them are told of, the mean of their epochs, and how many rows are behind it.

Worked out from what the folds say of themselves, so a run that was killed has it as one that was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Protocol, TypeVar, cast

from nnrun.runs.members import FOLDER
from nnrun.runs.records import ENDED, DataRecord, MemberRecord, Row, RunRecord, RunStatus, numbers

NESTED = ("layers", "step_losses", "members")  # keys of an epoch that hold more than one number
NOT_MEANS = ("epoch", "step", "seconds", *NESTED)  # columns of an epoch


class Fold(Protocol):
    """A fold that has begun, as it is trained or as it is read."""

    @property
    def status(self) -> RunStatus:
        """How it stands."""

    @property
    def record(self) -> RunRecord:
        """What its run.json says."""

    @property
    def rows(self) -> Sequence[Row]:
        """One record an epoch."""


OneFold = TypeVar("OneFold", bound=Fold)


def told_of(begun: Sequence[OneFold]) -> list[OneFold]:
    """The folds that are over; where none is, the first as far as it has come.

    A mean in which a fold counts that has just begun would say what nobody has seen: errors of its first epochs, beside
    the last ones of the others.
    """
    return [fold for fold in begun if fold.status in ENDED] or list(begun[:1])


def mean_rows(histories: Sequence[Sequence[Row]]) -> list[Row]:
    """Epoch by epoch the mean over folds; one that has ended counts with its last row."""
    longest = max(map(len, histories), default=0)
    return [_mean_row(epoch, [rows for rows in histories if rows]) for epoch in range(1, longest + 1)]


def _mean_row(epoch: int, histories: Sequence[Sequence[Row]]) -> Row:
    rows = [numbers(rows[min(epoch, len(rows)) - 1]) for rows in histories]
    means = {name: _mean([row.get(name) for row in rows]) for name in rows[0] if name not in NOT_MEANS}
    seconds = sum(rows[epoch - 1]["seconds"] for rows in histories if len(rows) >= epoch)
    step = max(rows[min(epoch, len(rows)) - 1]["step"] for rows in histories)
    return cast(Row, {"epoch": epoch, "step": step, **means, "seconds": round(seconds, 6)})


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def rows_together(whole: DataRecord, folds: Sequence[Fold], newest_left_out: bool) -> DataRecord:
    """As many rows are dev as were so in one of the folds, and as many train as have trained one of them.

    Of several folds these are all, but for the `newest_left_out`: by time each learns from older rows than its own, the
    last from most.
    """
    of_folds = [fold.record["data"] for fold in folds]
    found: DataRecord = {**whole, "rows": _together(whole["rows"], [one["rows"] for one in of_folds], newest_left_out)}
    if "effective_rows" in whole:
        effective = [one.get("effective_rows", one["rows"]) for one in of_folds]
        found["effective_rows"] = _together(whole["effective_rows"], effective, newest_left_out)
    return found


def _together(whole: dict[str, int], folds: Sequence[dict[str, int]], newest_left_out: bool) -> dict[str, int]:
    some = newest_left_out or len(folds) == 1
    train = max((each["train"] for each in folds), default=whole["train"]) if some else whole["train"]
    return {**whole, "train": train, "dev": sum(each["dev"] for each in folds)}


def member_records(folds: Sequence[Fold], weights: Sequence[float]) -> list[MemberRecord]:
    """What is told of each fold that is over, from the first on."""
    over = [fold.record for fold in folds if fold.status in ENDED]
    return [_member_record(k, each, weight) for k, (each, weight) in enumerate(zip(over, weights, strict=False), 1)]


def _member_record(fold: int, record: RunRecord, weight: float) -> MemberRecord:
    final = record.get("final") or {}
    return {
        "id": f"{FOLDER}/{fold:02d}",
        "fold": fold,
        "seed": record["seed"],
        "rows": record["data"]["rows"],
        "weight": weight,
        "best_epoch": record.get("best_epoch"),
        "dev_error": final.get("dev_error"),
        "dev_loss": final.get("dev_loss"),
    }
