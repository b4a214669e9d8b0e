"""How much an improvement may spend: a time, a number of epochs, or of runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from nnrun.errors import UsageError
from nnrun.text import counted, duration

Unit = Literal["seconds", "epochs", "runs"]
SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
TYPED = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|epochs?|runs?)")
EXAMPLES = "write a time such as 10m, 90s or 2h, or 2000epochs, or 30runs"


@dataclass(frozen=True)
class Spent:
    """What trainings took, or may take at most."""

    runs: int = 0
    epochs: int = 0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.runs + other.runs, self.epochs + other.epochs, self.seconds + other.seconds)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.runs - other.runs, self.epochs - other.epochs, self.seconds - other.seconds)


@dataclass(frozen=True)
class Budget:
    """What an improvement may spend: an amount of one unit."""

    amount: float
    unit: Unit

    @classmethod
    def of(cls, text: str) -> Budget:
        """`10m`, `2000epochs` or `30runs`; UsageError for anything else."""
        found = TYPED.fullmatch(text.strip().lower())
        if found is None:
            raise UsageError(f"--budget {text}: {EXAMPLES}")
        amount, unit = float(found[1]), found[2]
        if unit not in SECONDS and amount != int(amount):
            raise UsageError(f"--budget {text}: a whole number of {unit}; {EXAMPLES}")
        if amount <= 0:
            raise UsageError(f"--budget {text}: must be above 0")
        if unit in SECONDS:
            return cls(amount * SECONDS[unit], "seconds")
        return cls(amount, "epochs" if unit.startswith("epoch") else "runs")

    def holds(self, spent: Spent) -> bool:
        """Whether so much is within it."""
        return float(getattr(spent, self.unit)) <= self.amount

    @property
    def told(self) -> str:
        """In words."""
        return duration(self.amount) if self.unit == "seconds" else counted(int(self.amount), self.unit[:-1])
