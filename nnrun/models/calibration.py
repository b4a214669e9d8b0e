"""What a run knows of how sure its model may be: a temperature, and scores by which intervals are as wide as needed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import cast

import numpy as np

from nnrun.data.features.target import LARGEST_LOG
from nnrun.engine.parameters import Array
from nnrun.errors import DataError, UsageError
from nnrun.files import sealed_document
from nnrun.installation import command
from nnrun.runs.member import Member
from nnrun.runs.reading import RESTORE
from nnrun.runs.records import CalibrationRecord, ScoresRecord
from nnrun.runs.rundir import CALIBRATION, RunDir
from nnrun.text import counted, typed_number

WHOLE = "100%"
ROUNDING = 1e-9  # of a sum of shares of groups


@dataclass(frozen=True, eq=False)
class Calibration:
    """Of a model with these networks; `outdated` where what was found is of others, and so counts for nothing."""

    weights: str
    temperature: float = 1.0
    scores: ScoresRecord | None = None
    outdated: bool = False

    def keep(self, run: RunDir) -> None:
        """Write it into a run, in place of what was there; UsageError where a process is training it."""
        record: CalibrationRecord = {
            "schema_version": 1,
            "weights": self.weights,
            "temperature": self.temperature,
        }
        if self.scores:
            record["scores"] = self.scores
        with run.held():
            run.write(CALIBRATION, sealed_document(record))


def read_calibration(run: RunDir, members: Sequence[Member], shares: Array) -> Calibration | None:
    """What a run knows; None where that is nothing, DataError where it is damaged."""
    path = run.path / CALIBRATION
    if not path.is_file():
        return None
    try:
        record = _checked(run)
    except DataError as error:
        raise DataError(f"{error}; or delete {path.name}, which leaves the model as it was trained") from None
    own = identity(members, shares)
    if record["weights"] != own:
        return Calibration(own, outdated=True)
    return Calibration(own, record["temperature"], record.get("scores"))


def _checked(run: RunDir) -> CalibrationRecord:
    record, path = cast(CalibrationRecord, run.read_json(CALIBRATION, CalibrationRecord)), run.path / CALIBRATION
    scores = record.get("scores")
    if not record["temperature"] > 0:
        raise DataError(f"{path}: temperature is {record['temperature']:g}, where it must be above 0; {RESTORE}")
    if scores and (not scores["values"] or scores["values"] != sorted(scores["values"])):
        raise DataError(f"{path}: scores.values are not in ascending order; {RESTORE}")
    if scores and "groups" in scores and not _numbered(scores["groups"], len(scores["values"])):
        raise DataError(f"{path}: scores.groups are not the groups of so many values, from 0 on; {RESTORE}")
    return record


def _numbered(groups: Sequence[int], rows: int) -> bool:
    """Whether they are the numbers of the groups of so many rows, none left out."""
    known = sorted(set(groups))
    return len(groups) == rows and known == list(range(len(known)))


def identity(members: Sequence[Member], shares: Array) -> str:
    """A checksum of all parameters and of how much each network counts."""
    found = hashlib.sha256(shares.tobytes())
    for member in members:
        for name, tensor in sorted(member.weights.items()):
            found.update(name.encode())
            found.update(np.ascontiguousarray(tensor).data)
    return found.hexdigest()[:16]


def outdated(run: str) -> str:
    """What is told of a calibration that belongs to other weights."""
    again = command("evaluate", run, "--calibrate")
    return f"{CALIBRATION} is of other weights than the run has now and is ignored; `{again}` makes it anew"


def read_level(given: str | float) -> Fraction:
    """The share that 90% or 0.9 means, exactly, a number being read as it is written.

    UsageError for what is none, and for a share that is told as 0% or 100%: no number of rows tells it from these.
    """
    text = given if isinstance(given, str) else f"{given:.12g}"
    value, scale = typed_number(text) or (0.0, 1)
    share = "write a share between 0% and 100%, such as 90% or 0.9"
    if not 0 < value < scale:
        raise UsageError(f"--interval {text!r}: {share}")
    level = Fraction(repr(value)) / scale
    if WHOLE in (percents(level), percents(1 - level)):
        raise UsageError(f"--interval {text!r}: that is as good as {round(level):.0%}; {share}")
    return level


def percents(level: Fraction) -> str:
    """A level as it is read: 90%."""
    return f"{float(100 * level):g}%"


def margin(scores: ScoresRecord, level: Fraction) -> float:
    """The score that new rows of the same kind exceed in at most a share 1 − level of cases.

    Where rows come in groups, those are rows of new groups, each of which counts alike: so do the groups here (Lee,
    Barber & Willett 2023, arXiv:2306.06342). UsageError where there are too few to say.
    """
    values = scores["values"]
    found = place(level, scores["part"], len(values), group_count(scores))
    if "groups" not in scores:
        return values[found - 1]
    sizes = np.bincount(scores["groups"])
    reached = np.cumsum(1 / sizes[scores["groups"]])  # groups at or below each score
    return values[int(np.searchsorted(reached, float((len(sizes) + 1) * level) - ROUNDING))]


def group_count(scores: ScoresRecord) -> int | None:
    """In how many groups the scored rows come; None where each stands for itself."""
    return max(scores["groups"]) + 1 if "groups" in scores else None


def place(level: Fraction, part: str, rows: int, groups: int | None) -> int:
    """Which of the scores of so many rows, or groups, that is: the ⌈(n + 1)·level⌉-th smallest of n.

    A new one is as likely to take any place among them (Vovk, Gammerman & Shafer 2005). UsageError where it would lie
    beyond the last.
    """
    count, unit = (rows, "row") if groups is None else (groups, "group")
    found = math.ceil((count + 1) * level)
    if found > count:
        least = math.ceil(level / (1 - level))
        raise UsageError(
            f"--interval {percents(level)}: takes {counted(least, unit)} to calibrate it, and the {part} part has "
            f"{count:,}; ask for less, or give that part more {unit}s"
        )
    return found


def factor(margin: float) -> float:
    """What a margin of logarithms divides and multiplies by; that of wild predictions would be beyond float64."""
    return math.exp(min(margin, LARGEST_LOG))


@np.errstate(over="ignore")
def plain_margin(scores: ScoresRecord, level: Fraction) -> float:
    """What it would be if errors were normal around 0, with the deviation of these."""
    return deviations(level) * float(np.sqrt(np.mean(np.square(scores["values"]))))


def deviations(level: Fraction) -> float:
    """How many to both sides of the mean hold this share of a normal distribution."""
    return NormalDist().inv_cdf(float(1 + level) / 2)
