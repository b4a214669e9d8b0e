"""How sure each prediction is: what stands beside it on request, intervals, sets of classes, what members say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NotRequired, Protocol, TypedDict

import numpy as np

from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.installation import command
from nnrun.machine.lazily import cached_property
from nnrun.models.calibration import deviations, factor, group_count, margin, percents, plain_margin, read_level
from nnrun.models.model import Model
from nnrun.runs.known_rows import why_known
from nnrun.runs.records import ScoresRecord
from nnrun.text import counted, number

if TYPE_CHECKING:
    from nnrun.models.calibrating import Calibrated

SEPARATOR = "|"


class IntervalDocument(TypedDict):
    """What `predict --interval --json` prints: so many rows of a part calibrate it.

    `margin` is half the width, that of the logarithms where the logarithm of the target was learned; of a set what its
    classes may lack of being certain. With `groups`, so many, it is groups that count alike.
    """

    level: float
    margin: float
    part: str
    rows: int
    groups: NotRequired[int]


class Beside(Protocol):
    """Columns that follow the predictions."""

    @property
    def interval(self) -> IntervalDocument | None:
        """How they came about, if they are those of an interval."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""

    def cells(self, x: Array, predicted: Array) -> Iterator[Array]:
        """One `(rows,)` for each, from prepared features and what the model predicts."""

    def notices(self) -> list[str]:
        """What a reader of them should know."""


def asked_for(model: Model, interval: str | float | None, members: bool) -> list[Beside]:
    """What `--interval` and `--members` add; UsageError for what the model cannot give, DataError as `with_scores`."""
    found: list[Beside] = []
    if interval is not None:
        from nnrun.models.calibrating import with_scores  # here, since it loads all that reads training data

        level = read_level(interval)
        found.append(_intervals(with_scores(model, level), level))
    return [*found, Opinions(model)] if members else found


def _intervals(found: Calibrated, level: Fraction) -> Beside:
    """Intervals that hold the truth of new rows with this probability; UsageError where too few rows calibrate them."""
    model, scores = found.model, found.scores
    assert scores is not None
    how = f"{calibrated_by(scores, model)}{_cost(found)}{_ungrouped(found)}"
    most, part, rows = margin(scores, level), scores["part"], len(scores["values"])
    document = IntervalDocument(level=float(level), margin=most, part=part, rows=rows)
    if (groups := group_count(scores)) is not None:
        document["groups"] = groups
    if model.target.classes is not None:
        return _Sets(document, model, f"{percents(level)} sets", how)
    log = model.target.is_log
    width = f"divided and multiplied by {number(factor(most))}" if log else f"± {number(most)}"
    told = f"{percents(level)} intervals are the prediction {width}: {how}; {_plain(scores, level, log)}"
    return _Bounds(document, told, log)


def calibrated_by(scores: ScoresRecord, model: Model) -> str:
    """Which rows intervals go by, and what they are worth."""
    rows = counted(len(scores["values"]), f"{scores['part']} row")
    if (groups := group_count(scores)) is not None:
        rows += f" in {counted(groups, 'group')}, each of which counts alike,"
    if scores["part"] == "test":
        if why := why_known(model.run):
            return f"{rows} calibrate them, and {why}: they may hold less than they say"
        return f"{rows} calibrate them, which chose nothing"
    how = ", each predicted by the network that has not learned it" if scores["out_of_fold"] else ""
    told = (
        f"there is no test part, so {rows} calibrate them{how}, which chose the epoch: they may hold less than they say"
    )
    if model.config.data.time is None or not how:
        return told
    return f"{told}, and are those of forecasts at most one block ahead of the rows that train"


def _cost(found: Calibrated) -> str:
    if found.test_reads is None:
        return ""
    return f" (a read of the test part, number {found.test_reads}; its scores are kept, so it is the last)"


def _ungrouped(found: Calibrated) -> str:
    """What rows of groups are worth that were scored without them: by an early version, or of a file of their own."""
    group, scores = found.model.run.config.data.group, found.scores
    if group is None or scores is None or "groups" in scores:
        return ""
    return f"; each row counts, whatever its {group}, so they promise nothing of new groups"


def _plain(scores: ScoresRecord, level: Fraction, log: bool) -> str:
    if log:
        times = number(factor(plain_margin(scores, level)))
        return f"exp({deviations(level):.4g} · rmse of the logarithms of the same rows) would be {times}"
    return f"± {deviations(level):.4g} · rmse of the same rows would be ± {number(plain_margin(scores, level))}"


@dataclass(frozen=True)
class _Bounds:
    """Split conformal prediction (Lei et al. 2018): as far to both sides as the errors of other rows go."""

    interval: IntervalDocument
    told: str
    log: bool  # whether the margin is one of logarithms, so that bounds are as many times smaller and larger

    @property
    def columns(self) -> list[str]:
        return ["lower", "upper"]

    def cells(self, x: Array, predicted: Array) -> Iterator[Array]:
        margin = self.interval["margin"]
        with np.errstate(over="ignore"):  # a bound may be beyond float64
            lower, upper = (
                (predicted / factor(margin), predicted * factor(margin))
                if self.log
                else (predicted - margin, predicted + margin)
            )
        yield lower
        yield upper

    def notices(self) -> list[str]:
        return [self.told]


@dataclass(frozen=True)
class _Sets:
    """Every class that is probable enough (Sadinle, Lei & Wasserman 2019), and the predicted one, so none is empty."""

    interval: IntervalDocument
    model: Model
    what: str
    how: str

    @property
    def columns(self) -> list[str]:
        return ["classes"]

    def cells(self, x: Array, predicted: Array) -> Iterator[Array]:
        last = np.finfo(self.model.dtype).eps  # early versions calibrated by probabilities in this precision
        inside = 1 - predicted <= self.interval["margin"] + last
        inside[np.arange(len(inside)), self.model.decided(predicted)] = True
        names = np.array(self.model.target.classes, dtype=object)
        yield np.array([SEPARATOR.join(names[row]) for row in inside], dtype=object)

    def notices(self) -> list[str]:
        held = (
            f"every class with a probability of at least {number(1 - self.interval['margin'])}, and the predicted one"
        )
        mixed = [name for name in self.model.target.classes or () if SEPARATOR in name]
        also = [f"class {mixed[0]!r} has a {SEPARATOR} in its name, which separates classes here"] if mixed else []
        return [f"{self.what} hold {held}: {self.how}", *also]


class Opinions:
    """What each member says by itself, at the model's temperature, and how far they disagree without it.

    Members are the networks of a model, and of a network those that share its body. Of numbers the standard deviation,
    of classes the mutual information of class and member: the entropy of the mean less the mean entropy, in nats, which
    is 0 where all say the same. UsageError for a model of one network that has one head.
    """

    interval = None

    def __init__(self, model: Model) -> None:
        self.model, self.shares = model, model.shares_of_each
        if len(self.shares) == 1:
            several = command("train", str(model.run.directory.resolved), "--set", "network.ensemble=5")
            raise UsageError(
                f"--members: {model.run.name} is one network; `{several}` trains five that predict together"
            )

    @cached_property
    def columns(self) -> list[str]:
        """Each member by its number."""
        return [*(f"member {k + 1}" for k in range(len(self.shares))), "disagreement"]

    def cells(self, x: Array, predicted: Array) -> Iterator[Array]:
        """The value, or the class that it would choose."""
        names = None if self.model.target.classes is None else np.array(self.model.target.classes, dtype=object)
        said = np.empty((len(self.shares), len(x)), np.float64 if names is None else np.int64)
        apart = np.empty(len(x))
        for rows, logits in self.model.opinions_of_each(x):
            own = self.model.loss.predict(logits.astype(np.float64))
            if names is None:
                said[:, rows] = self.model.target.own(own[..., 0])
                apart[rows] = self._deviation(said[:, rows])
            else:
                tempered = logits.astype(np.float64) / self.model.temperature
                said[:, rows] = self.model.decided(self.model.probabilities(tempered))
                apart[rows] = self._information(own)
        yield from said if names is None else names[said]
        yield apart

    @np.errstate(over="ignore", invalid="ignore")
    def _deviation(self, values: Array) -> Array:
        found: Array = np.sqrt(self.shares @ np.square(values - self.shares @ values))
        return found

    def _information(self, p: Array) -> Array:
        found: Array = _entropy(np.tensordot(self.shares, p, 1)) - self.shares @ _entropy(p)
        return np.maximum(found, 0)

    def notices(self) -> list[str]:
        """What disagreement is."""
        what = "standard deviation of what the members say"
        if self.model.target.classes is not None:
            what = "mutual information of class and member, in nats (0: all say the same)"
        return [f"disagreement is the {what}"]


def _entropy(p: Array) -> Array:
    """−Σ p·log p over the last axis, in nats."""
    found: Array = -(p * np.log(p, out=np.zeros_like(p), where=p > 0)).sum(axis=-1)
    return found
