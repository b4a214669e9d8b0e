"""What measuring a run came to: every metric of the network and the baselines on each part, and what else is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NotRequired, Protocol, TypedDict

from nnrun.data.features.weights import WrittenWeights, error_kind
from nnrun.engine.metrics import Task
from nnrun.engine.parameters import Array
from nnrun.machine.lazily import cached_property
from nnrun.models.drift.comparing import Drift, DriftDocument
from nnrun.models.model import Model
from nnrun.models.operating import CostDocument, Curve, CurveDocument, cheapest, curves_of
from nnrun.models.scores import ClassScores, PairedGain, Scores, by_class, paired_gain
from nnrun.models.trained import Trained
from nnrun.text import part_and_name

NETWORK, BOOSTING = "network", "boosting"
FILE = "data"  # in place of a part
PLAIN = "plain_"  # before the name of a metric in which every row counts once


class Predictor(Protocol):
    """The network or a baseline."""

    def logits(self, x: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, logits `(rows, width)`) chunk by chunk."""


class Baseline(Predictor, Protocol):
    """What was fitted on so many rows."""

    @property
    def rows(self) -> int:
        """Of training."""


Metrics = dict[str, dict[str, float]]  # by predictor, then by metric


class PartScores(TypedDict):
    """Rows of a part, and each metric of each predictor on them; `plain` where rows do not count alike in `metrics`."""

    rows: int
    metrics: Metrics
    plain: NotRequired[Metrics]
    gain: NotRequired[PairedGain]


class EvaluationDocument(TypedDict):
    """What `--json` prints; metrics, classes and the confusion matrix, true classes in rows, are by part."""

    schema_version: int
    run: str
    path: str
    data: str | None
    task: Task
    parts: dict[str, PartScores]
    classes: dict[str, list[ClassScores]]
    confusion: dict[str, list[list[int]]]
    folds: NotRequired[dict[str, list[dict[str, float]]]]  # of a cross-validation: by part, metrics of each fold
    linear_rows: int | None
    boosted_rows: NotRequired[int]  # with `--baselines`
    drift: NotRequired[DriftDocument]  # of a file
    curves: NotRequired[dict[str, CurveDocument]]  # of dev, or of the file, by class
    cost: NotRequired[CostDocument]  # with `--cost`
    test_reads: int | None
    notes: list[str]


@dataclass
class Evaluation:
    """Every metric of the network and the baselines on each part, and what else is told of them."""

    model: Model
    source: str | None  # the file, if it is not the run's own data
    rows: dict[str, int] = field(default_factory=dict)
    results: dict[str, Metrics] = field(default_factory=dict)  # by part, by the weights of training
    plain: dict[str, Metrics] = field(default_factory=dict)  # by part, every row counting once; empty if it does anyway
    counts: dict[str, Array] = field(default_factory=dict)  # part -> the network's confusion matrix
    folds: dict[str, list[dict[str, float]]] = field(default_factory=dict)  # part -> the network's metrics in each fold
    behind: dict[str, dict[str, list[int]]] = field(default_factory=dict)  # part -> baseline -> rows behind each
    test_reads: int | None = None
    notes: list[str] = field(default_factory=list)
    boosting: bool = False  # whether boosted trees are grown, to be a baseline as well
    baselines: dict[Trained, dict[str, Baseline]] = field(default_factory=dict)
    gains: dict[str, PairedGain] = field(default_factory=dict)  # by part, of the trees over the network
    drift: Drift | None = None  # of a file from the training part
    weighed_by: WrittenWeights | None = field(init=False)  # as training, but for a column that a file lacks
    costs: dict[str, float] | None = None  # of taking a row of a class for the other one
    probable: dict[str, tuple[Array, Array]] = field(default_factory=dict)  # part -> codes, and what is given out

    def __post_init__(self) -> None:
        self.weighed_by = self.model.fitted.weights

    def value(self, name: str) -> float | None:
        """The network's metric by a name such as dev_auc or dev_plain_error; None if there is no such."""
        part, metric = part_and_name(name)
        plain = self.plain if metric.startswith(PLAIN) and self.plain else self.results
        return plain.get(part, {}).get(NETWORK, {}).get(metric.removeprefix(PLAIN))

    def values(self) -> list[str]:
        """The names of those that there are."""
        found = [f"{part}_{metric}" for part, of in self.results.items() for metric in of[NETWORK]]
        return [*found, *(f"{part}_{PLAIN}{metric}" for part, of in self.plain.items() for metric in of[NETWORK])]

    @property
    def error_kind(self) -> str:
        """What stands before the names of `results`; empty where rows count alike."""
        return error_kind(self.weighed_by) or ""

    @property
    def document(self) -> EvaluationDocument:
        """What `--json` prints."""
        document: EvaluationDocument = {
            "schema_version": 1,
            "run": self.model.run.name,
            "path": str(self.model.run.path),
            "data": self.source,
            "task": self.model.target.task,
            "parts": {part: self._of_part(part) for part in self.results},
            "classes": {part: self._by_class(counts) for part, counts in self.counts.items()},
            "confusion": {part: counts.tolist() for part, counts in self.counts.items()},
            "linear_rows": self.most_behind("linear"),
            "test_reads": self.test_reads,
            "notes": self.notes,
        }
        if self.folds:
            document["folds"] = self.folds
        if self.curves:
            document["curves"] = {name: curve.document for name, curve in self.curves.items()}
        if self.cost:
            document["cost"] = self.cost
        if self.drift:
            document["drift"] = self.drift.document
        if boosted := self.most_behind(BOOSTING):
            document["boosted_rows"] = boosted
        return document

    def _of_part(self, part: str) -> PartScores:
        found: PartScores = {"rows": self.rows[part], "metrics": self.results[part]}
        if self.plain:
            found["plain"] = self.plain[part]
        if part in self.gains:
            found["gain"] = self.gains[part]
        return found

    def _by_class(self, counts: Array) -> list[ClassScores]:
        return list(by_class(counts, self.model.target.classes or ()))

    def enter(self, part: str, scores: Mapping[str, Scores], plain: Mapping[str, Scores]) -> None:
        """What each predictor came to on a part, by the weights of training and with every row counting once."""
        self.results[part] = {name: of.metrics() for name, of in scores.items()}
        if BOOSTING in scores:
            self.gains[part] = paired_gain(scores[NETWORK], scores[BOOSTING])
        if plain:
            self.plain[part] = {name: of.metrics() for name, of in plain.items()}
        self.rows[part] = scores[NETWORK].rows
        if self.model.target.classes is not None:
            self.counts[part] = scores[NETWORK].counts()
            self.probable[part] = (plain or scores)[NETWORK].given_out()

    def most_behind(self, baseline: str) -> int | None:
        """The most training rows that one on that part was fitted on, as each fold has its own; None without any."""
        return max(self.behind.get(self.judged, {}).get(baseline, []), default=None)

    def told_behind(self, baseline: str) -> str:
        """The fewest and the most in words."""
        rows = self.behind[self.judged][baseline]
        return " to ".join(f"{count:,}" for count in sorted({min(rows), max(rows)})) + " training rows"

    @property
    def judged(self) -> str:
        """The part that is looked at more closely, which is not test, since one should change nothing by it."""
        return "dev" if "dev" in self.results else next(iter(self.results))

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """Of each class, or the second of two, on that part; none of numbers."""
        if self.judged not in self.probable:
            return {}
        return curves_of(*self.probable[self.judged], self.model.target.classes or ())

    @cached_property
    def cost(self) -> CostDocument | None:
        """The cheapest threshold on that part, where costs are known."""
        if self.costs is None:
            return None
        of_second = {part: (y, p[:, 1]) for part, (y, p) in self.probable.items()}
        return cheapest(of_second, self.judged, self.costs)
