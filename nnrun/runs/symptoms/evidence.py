"""What rules look at, and what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nnrun.config.config import Config
from nnrun.runs.records import Diverged, Layers, Row

Settings = tuple[str, ...]  # key=value, as --set takes them


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run recorded: lines of metrics.jsonl, and (epoch, statistics of its layers), oldest first.

    `guess` is the training error of the best constant guess; `divergence` is that of run.json.
    """

    config: Config
    rows: Sequence[Row]
    layers: Sequence[tuple[int, Layers]]
    guess: float = 1.0
    divergence: Diverged | None = None


class Sign(NamedTuple):
    """Where a rule sees something, and what."""

    epoch: int
    layer: str | None
    why: str
