"""What a run's directory shows of how its errors came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import Any

from nnrun.config.config import Config
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms import shapes
from nnrun.runs.verdict import HIGH, UNCLEAR, Verdict


@dataclass(frozen=True)
class Evidence:
    """All that the recipe looks at; without a run there is no curve and nothing is known of the data."""

    config: Config
    verdict: Verdict | None = None
    status: str = "done"
    curve: Sequence[Mapping[str, Any]] = ()  # a line an epoch
    train_rows: int = 0
    dev_rows: int = 0
    features: int = 0
    image: bool = False  # whether the features are the pixels of an image
    outputs: int = 1
    best_epoch: int | None = None
    stopped_early: bool = False
    signs: frozenset[str] = field(default_factory=frozenset)

    @property
    def bias(self) -> float:
        """How much speaks for bias, from 0 to 1."""
        return 1.0 if self.status == "diverged" else self._weight("avoidable_bias")

    @property
    def variance(self) -> float:
        """How much speaks for variance, from 0 to 1."""
        return self._weight("variance")

    def _weight(self, kind: str) -> float:
        """Its part of all gaps above the base, less where it is in doubt."""
        if self.verdict is None or self.verdict.judgement(kind) not in (HIGH, UNCLEAR):
            return 0.0
        gaps = self.verdict.gaps
        whole = sum(max(gap.value, 0.0) for gap in gaps.values())
        sure = 1.0 if gaps[kind].judgement == HIGH else 0.6
        return sure * max(gaps[kind].value, 0.0) / whole if whole else 0.0

    @property
    def rate(self) -> float:
        """The learning rate beside the optimizer's usual one."""
        return self.config.optimizer.learning_rate / OPTIMIZERS[self.config.optimizer.name].usual_rate

    @property
    def layers(self) -> Mapping[str, Mapping[str, float]]:
        """Statistics of the last epoch's layers, if they were recorded."""
        return self.curve[-1].get("layers") or {} if self.curve else {}

    @property
    def penalty(self) -> float:
        """The penalties' share of the last epoch's cost."""
        last = self.curve[-1] if self.curve else {}
        return 1 - last["train_loss"] / last["cost"] if last.get("cost") and last["train_loss"] is not None else 0.0

    @property
    def weights(self) -> int:
        """How many weights the network has."""
        widths = [self.features, *self.config.network.hidden, self.outputs]
        return sum(a * b for a, b in pairwise(widths))


def of_run(run: StoredRun, verdict: Verdict | None) -> Evidence:
    """The evidence of a run."""
    data, curve, record = run.data, run.rows, run.record
    rows = record["data"]["rows"]
    return Evidence(
        config=run.config,
        verdict=verdict,
        status=record["status"],
        curve=curve,
        train_rows=rows.get("train", 0),
        dev_rows=rows.get("dev", 0),
        features=len(data.features),
        image=data.image is not None,
        outputs=len(data.classes) if data.classes else 1,
        best_epoch=record.get("best_epoch"),
        stopped_early=bool(record.get("stopped_early")),
        signs=shapes.signs(losses(curve, "train_loss"), losses(curve, "dev_loss")),
    )


def losses(curve: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    """A column of the curve, without what is not finite."""
    return [row[key] for row in curve if row[key] is not None and isfinite(row[key])]
