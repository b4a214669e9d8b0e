"""A made-up entry in each table above the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from nnrun.config.config import Config
from nnrun.config.space.domains import DOMAINS
from nnrun.config.space.intervals import Smooth
from nnrun.data.files.content import Framed
from nnrun.data.files.reading import Reading
from nnrun.data.files.sources import FILE_FORMATS, FileFormat
from nnrun.data.files.table import Table
from nnrun.insight.diagnosis.origin import Move
from nnrun.insight.diagnosis.recipe import REMEDIES, Remedy
from nnrun.insight.preflight.checks import CHECKS, Check
from nnrun.insight.preflight.context import Context
from nnrun.models.export.formats import FORMATS, Format
from nnrun.models.model import Model
from nnrun.runs.symptoms.evidence import Evidence, Finding
from nnrun.runs.symptoms.symptoms import SYMPTOMS, Symptom
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Point, Strategy


def read_lines(path: Path, reading: Reading, rows: int | None) -> Iterator[Table]:
    """A JSON object a line."""
    frame = pd.DataFrame([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
    step = rows or len(frame)
    for start in range(0, len(frame), step):
        yield Table(Framed(frame.iloc[start : start + step]), str(path), first_row=start)


class Diagonal(Strategy):
    """From one corner of the space to the other."""

    help = "from one corner of the space to the other"

    def propose(self, number: int) -> Point:
        """The same share of each range."""
        share = (number - self.brief.first + 0.5) / self.brief.totals[-1] % 1
        return Point(number, self.brief.space.decode([share] * len(self.brief.space.parameters)))


class Squares(Smooth):
    """Every square root equally likely."""

    name = "squares"
    help = "every square root between low and high is equally likely"

    @staticmethod
    def axis(value: float) -> float:
        """√value."""
        return float(value**0.5)

    @staticmethod
    def back(x: float) -> float:
        """x²."""
        return x * x

    def marks(self) -> list[float]:
        """The ends, and nothing between."""
        return [self.low, self.high]


def two_epochs(evidence: Evidence) -> Finding | None:
    """A run of two epochs or more."""
    return Finding.since(2, None, "it has two epochs") if len(evidence.rows) >= 2 else None


def more_epochs(config: Config) -> tuple[str, ...]:
    """One more."""
    return (f"training.epochs={config.training.epochs + 1}",)


def odd_seed(context: Context) -> Finding:
    """Whether the seed is odd."""
    odd = context.config.seed % 2 == 1
    return Finding("warn" if odd else "pass", f"the seed is {'odd' if odd else 'even'}", "take another" if odd else "")


def thrice_as_long(evidence: Evidence) -> Move | None:
    """Whatever is wrong."""
    return Move(100, "Three is a made-up number.", {"training.epochs": 3 * evidence.config.training.epochs})


def write_shapes(model: Model, path: Path) -> None:
    """A file that nobody can use."""
    path.write_text(str({name: tensor.shape for name, tensor in model.members[0].weights.items()}), encoding="utf-8")


DOMAINS["squares"] = Squares
FILE_FORMATS[".lines"] = FileFormat(read_lines)
STRATEGIES["diagonal"] = Diagonal
SYMPTOMS["two_epochs"] = Symptom(two_epochs, "two epochs", more_epochs, "one epoch more", "made up")
CHECKS["odd_seed"] = Check(odd_seed, "an odd seed", "whole numbers", "made up")
REMEDIES["thrice as long"] = Remedy("either", "always", thrice_as_long)
FORMATS["shapes"] = Format(
    ".shapes", lambda: None, write_shapes, lambda model, path, table: model.predict(table), "itself"
)
