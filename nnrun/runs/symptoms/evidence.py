"""What rules look at, and what they come to: in training, before it and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import Any, Literal, NamedTuple

from nnrun.config.config import Config
from nnrun.config.schema import Optimizer
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.runs.assembly import layer_widths
from nnrun.runs.proportions import wilson
from nnrun.runs.records import HELD, Diverged, Layers, Row, RunStatus, finite_values
from nnrun.runs.stored import StoredRun, best_row, record_of
from nnrun.runs.symptoms import shapes
from nnrun.runs.symptoms.thresholds import CRAWLING, LEARNED, NEAR_GUESSING, QUARTERED, RARE
from nnrun.runs.verdict import HIGH, UNCLEAR, Verdict, error_kind
from nnrun.text import by_hand

Numbers = Mapping[str, Any]  # plain values by name, whatever JSON takes
Settings = tuple[str, ...]  # key=value, as --set takes them
Status = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """What a rule came to: how bad it is, in words, what to do about it, the numbers behind it, perhaps a picture.

    In a training it also has the epoch since when, and the layer where, if it is in one.
    """

    status: Status
    text: str
    cure: str | None = None
    numbers: Numbers = field(default_factory=dict)
    picture: str | None = None
    epoch: int = 0  # before training
    layer: str | None = None

    @classmethod
    def since(cls, epoch: int, layer: str | None, text: str) -> Finding:
        """What is wrong in a training; the table of symptoms has the cure."""
        return cls("warn", text, epoch=epoch, layer=layer)


class CalmerRate(NamedTuple):
    """What short trainings showed after a divergence: from which rate on the loss diverges, if from one, and which of
    some lower ones lowers it most, if one does."""

    diverges: float | None
    best: float | None


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a training, as far as it is: there is no verdict before its end, no curve of bare numbers."""

    config: Config
    rows: Sequence[Row] = ()  # an epoch each
    layers: Sequence[tuple[int, Layers]] = ()  # epochs with the statistics of their layers, oldest first
    guess: float = 1.0  # training error of the best constant guess
    divergence: Diverged | None = None
    status: RunStatus = "done"
    best_epoch: int | None = None
    stopped_early: bool = False
    verdict: Verdict | None = None
    signs: frozenset[str] = frozenset()  # names of what the curves of the losses show
    slow: bool = False  # whether training told of that symptom: a loss that hardly changes, on a slope still
    train_rows: int = 0
    dev_rows: int = 0
    features: int = 0
    image: bool = False  # whether the columns are the pixels of an image
    pixels: bool = False  # whether these are all that the network is given, and can be moved
    outputs: int = 1  # units of the last layer
    linear_error: float | None = None  # of a linear model on the dev set, where nobody gave a base error
    calmer: CalmerRate | None = None  # what was tried after a divergence, where the data are still there
    searched: frozenset[str] = frozenset()  # keys whose values a search or an improvement decided

    @property
    def training(self) -> bool:
        """Whether it still trains, or waits to go on."""
        return self.status in HELD

    @property
    def bias(self) -> float:
        """How much speaks for bias, from 0 to 1."""
        return 1.0 if self.status == "diverged" else self.weight("avoidable_bias")

    @property
    def variance(self) -> float:
        """How much speaks for variance, from 0 to 1."""
        return self.weight("variance")

    @property
    def biased(self) -> bool:
        """Whether the avoidable bias is judged high."""
        return self.verdict is not None and self.verdict.judgement("avoidable_bias") == HIGH

    @property
    def mismatched(self) -> bool:
        """Whether dev examples come out worse than train-dev ones, and these not worse than those trained on."""
        return (
            self.verdict is not None
            and self.verdict.judgement("mismatch") == HIGH
            and self.verdict.judgement("variance") != HIGH
        )

    def weight(self, kind: str) -> float:
        """The part of a kind in all gaps above the base, less in doubt; 1 − R² may be beyond 1, and counts as 1."""
        if self.verdict is None or self.verdict.judgement(kind) not in (HIGH, UNCLEAR):
            return 0.0
        gaps = self.verdict.gaps
        whole = sum(min(max(gap.value, 0.0), 1.0) for gap in gaps.values())
        sure = 1.0 if gaps[kind].judgement == HIGH else 0.6
        return sure * min(max(gaps[kind].value, 0.0), 1.0) / whole if whole else 0.0

    @property
    def large_gaps(self) -> bool:
        """Whether a gap lies above the tolerance, however sure that is."""
        return self.verdict is not None and any(g.value > self.verdict.tolerance for g in self.verdict.gaps.values())

    @property
    def guessing(self) -> bool:
        """Whether one class has most rows, and always saying it would err no more often: then errors tell little."""
        return self.verdict is not None and NEAR_GUESSING * self.guess <= self.verdict.errors["train"] <= RARE

    @property
    def perfect(self) -> bool:
        """Whether no set shows an error."""
        return self.verdict is not None and self.verdict.perfect

    @property
    def epochs(self) -> int:
        """How many are trained; a child of `resume --set` has rows of its own epochs alone."""
        return self.rows[-1]["epoch"] if self.rows else 0

    @property
    def settled(self) -> bool:
        """Whether no gap is high and the dev set shows one error at most, where better and luckier look alike."""
        if self.verdict is None or self.status == "diverged":
            return False
        size = self.verdict.sizes.get("dev", inf)  # none of a regression, whose error counts no rows
        size = max(size, self.dev_rows)  # of rows in groups, or with weights, there are more than they count as
        few = self.perfect or size * self.verdict.errors["dev"] < 1.5
        return few and all(gap.judgement != HIGH for gap in self.verdict.gaps.values())

    @property
    def close(self) -> bool:
        """Whether the variance of a regression, which has no interval, is high by little, and nothing else is."""
        if self.verdict is None or not self.rows or any(gap.low is not None for gap in self.verdict.gaps.values()):
            return False
        high = {kind for kind, gap in self.verdict.gaps.items() if gap.judgement == HIGH}
        return high == {"variance"} and self.verdict.gaps["variance"].value < 2 * self.verdict.tolerance

    @property
    def crawling(self) -> bool:
        """Whether steps are too short: by the symptom, or by a rate far below the usual one and a loss not at rest."""
        return self.slow or (0 < self.rate <= CRAWLING and "flat" not in self.signs)

    @property
    def all_tried(self) -> bool:
        """Whether training came to an end of its own: nothing in the curves says that it could have gone on."""
        unrest = self.crawling or {"still falling", "jumping", "learned nothing"} & self.signs
        return self.status == "done" and not unrest and len(self.rows) >= QUARTERED

    @property
    def unlearned(self) -> bool:
        """Whether a constant guess errs no more on the training rows."""
        return self.verdict is not None and self.verdict.errors["train"] >= (1 - LEARNED) * self.guess

    @property
    def in_vain(self) -> bool:
        """Whether it stopped early with no gain on a constant guess: a regression on dev, anything on its own rows.

        Far above that of training a dev error is a matter of the dev rows, such as drift.
        """
        if self.verdict is None or not self.stopped_early:
            return False
        errors, moved = self.verdict.errors, not (self.crawling or "learned nothing" in self.signs)
        on_dev = not self.verdict.sizes and 1 <= errors["dev"] <= 2 * errors["train"]
        return moved and (on_dev or (self.unlearned and len(self.rows) >= QUARTERED))

    @property
    def noise(self) -> bool:
        """Whether what is called bias may be noise: nobody gave a base error, and a linear model does no worse on dev.

        As far as its interval and the tolerance tell; one that does worse than the network, even on the rows that this
        was trained on, has left the more to learn.
        """
        if self.linear_error is None or self.verdict is None or self.guessing:
            return False
        if not self.all_tried:
            return self.in_vain and self.linear_error + self.verdict.tolerance >= self.guess
        size = self.verdict.sizes.get("dev")  # none of a regression
        low, high = wilson(self.linear_error, size) if size else (self.linear_error, self.linear_error)
        errors, tolerance = self.verdict.errors, self.verdict.tolerance
        return errors["train"] <= high + tolerance and errors["dev"] >= low - tolerance

    @property
    def rate(self) -> float:
        """The learning rate beside the optimizer's usual one."""
        return self.config.optimizer.learning_rate / usual_rate(self.config.optimizer)

    @property
    def last_layers(self) -> Layers:
        """The latest statistics of the layers; empty where none were recorded."""
        return self.layers[-1][1] if self.layers else {}

    @property
    def penalty(self) -> float:
        """The penalties' share of the last epoch's cost."""
        if not self.rows:
            return 0.0
        loss, cost = self.rows[-1]["train_loss"], self.rows[-1]["cost"]
        return 1 - loss / cost if cost and loss is not None else 0.0

    @property
    def weights(self) -> int:
        """How many weights the network has."""
        widths = [self.features, *self.config.network.hidden, self.outputs]
        return sum(a * b for a, b in pairwise(widths))


def usual_rate(optimizer: Optimizer) -> float:
    """The learning rate beside which others are called high or low.

    Without the factor (1 − β) momentum's v is 1/(1 − β) times as large, and the rate is to be as many times smaller.
    """
    rule = OPTIMIZERS[optimizer.name]
    whole = rule.uses_beta1 and not rule.adaptive and not optimizer.dampening
    return by_hand(rule.usual_rate * (1 - optimizer.beta1)) if whole else rule.usual_rate


def _guess(run: StoredRun) -> float:
    """The training error of always saying the most frequent class, where rows count alike; 1 where it is not known."""
    profiles = run.data.profiles
    if not run.data.classes or profiles is None or error_kind(run.record["data"]):
        return 1.0
    target = profiles["target"]
    rows = target["rows"] - target["missing"]
    return 1 - max(target.get("counts", {}).values(), default=0) / rows if rows else 1.0


def evidence_of(run: StoredRun, verdict: Verdict | None) -> Evidence:
    """All that the directory of a run shows of how its errors came about."""
    data, record = run.data, record_of(run)
    rows = record["data"]["rows"]
    train = finite_values(row["train_loss"] for row in run.rows)
    dev = finite_values(row["dev_loss"] for row in run.rows)
    best = best_row(run.rows, run.config.metrics.primary).get("epoch")  # so far, of one that is not over
    slow = any(symptom["name"] == "slow" for symptom in record.get("symptoms") or ())
    return Evidence(
        config=run.latest,
        rows=run.rows,
        layers=recorded_layers(run.rows),
        guess=_guess(run),
        divergence=record.get("divergence"),
        status=record["status"],
        best_epoch=record.get("best_epoch") or (None if best is None else int(best)),
        stopped_early=bool(record.get("stopped_early")),
        verdict=verdict,
        signs=shapes.signs(train, dev) - ({"flat"} if slow else set()),  # what has a slope below it is not at rest
        slow=slow,
        train_rows=rows.get("train", 0),
        dev_rows=rows.get("dev", 0),
        features=len(data.features),
        image=data.image is not None,
        pixels=data.pixels is not None,
        outputs=layer_widths(run.config, len(data.features), data.classes)[-1],
    )


def recorded_layers(rows: Sequence[Row]) -> list[tuple[int, Layers]]:
    """The epochs whose layers were looked at, with what was seen."""
    return [(row["epoch"], row["layers"]) for row in rows if "layers" in row]
