"""What the curve of a training shows: pure functions from numbers, one an epoch, to a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median

from nnrun.runs.records import Layers
from nnrun.runs.symptoms.thresholds import (
    BACK_AND_FORTH,
    EARLY,
    FALLING,
    FLAT,
    LEARNED,
    QUARTERED,
    RESTLESS,
    TURNED,
    VANISHED,
)

Curve = Sequence[float]


@dataclass(frozen=True)
class Sign:
    """A finding: the test on the curves of training and dev loss, what is seen, what it means, threshold and source."""

    holds: Callable[[Curve, Curve], bool]
    seen: str  # in the curves
    meaning: str
    threshold: str
    source: str
    example: tuple[Curve, Curve]  # training and dev loss with which it holds
    mismatched: str | None = None  # its meaning where dev is another kind of data, and train-dev is fine


def fall(curve: Curve) -> float:
    """The share by which the median of the last quarter lies below that of the quarter before; 0 if that is too short.

    >>> fall([8, 8, 8, 8, 4, 4, 2, 2])
    0.5
    """
    quarter = len(curve) // 4
    if len(curve) < QUARTERED:
        return 0.0
    before = median(curve[-2 * quarter : -quarter])
    return 1 - median(curve[-quarter:]) / before if before > 0 else 0.0


def still_falling(train: Curve, dev: Curve) -> bool:
    """Training ended before it was over; a loss that only comes down from a leap is where it has been."""
    if fall(train) < FALLING:
        return False
    quarter = len(train) // 4
    *before, last = (median(train[len(train) - left * quarter :][:quarter]) for left in (4, 3, 2, 1))
    return last < min(before)


def flat(train: Curve, dev: Curve) -> bool:
    """Training had come to rest."""
    return len(train) >= QUARTERED and abs(fall(train)) < FLAT


def jumping(train: Curve, dev: Curve) -> bool:
    """The loss goes up nearly as much as down, in large steps."""
    half = train[len(train) // 2 :]
    steps = [b - a for a, b in pairwise(half)]
    if len(train) < QUARTERED or not mean(half):
        return False
    rises, falls = sum(s for s in steps if s > 0), -sum(s for s in steps if s < 0)
    return rises >= BACK_AND_FORTH * falls and mean(map(abs, steps)) >= RESTLESS * mean(half)


def learned_nothing(train: Curve, dev: Curve) -> bool:
    """The last loss is that of the first epoch."""
    return len(train) > 1 and train[-1] >= (1 - LEARNED) * train[0]


def dev_turned(train: Curve, dev: Curve) -> bool:
    """The dev loss had its lowest point early and rose while the training loss went on falling."""
    if len(dev) < QUARTERED:
        return False
    lowest = min(dev)
    return dev.index(lowest) < EARLY * len(dev) and dev[-1] > TURNED * lowest and train[-1] < train[dev.index(lowest)]


def _down(first: float, ratio: float) -> list[float]:
    return [first * ratio**i for i in range(12)]


GOODFELLOW = "Goodfellow, Bengio and Courville, *Deep Learning* (2016), "
BENGIO = "Bengio (2012), *Practical recommendations for gradient-based training*, arXiv:1206.5533"

SIGNS: dict[str, Sign] = {
    "still falling": Sign(
        still_falling,
        "the training loss was still falling at the end",
        "training ended before it was over",
        f"the last quarter of the epochs lowered the median training loss by {FALLING:.0%} or more, to less than in "
        "any quarter before",
        BENGIO,
        (_down(2.0, 0.95), _down(2.0, 0.95)),
    ),
    "flat": Sign(
        flat,
        "the training loss no longer changed at the end",
        "training had come to rest",
        f"the last quarter of the epochs changed it by less than {FLAT:.0%}, and training did not tell of the symptom "
        "slow",
        GOODFELLOW + "section 8.2",
        ([2.0, 1.0, *[0.5] * 10], [0.6] * 12),
    ),
    "jumping": Sign(
        jumping,
        "the training loss goes up and down from epoch to epoch",
        "the steps are too large to settle",
        f"in the second half the training loss rises by {BACK_AND_FORTH:.0%} of what it falls, or more, and changes by "
        f"{RESTLESS:.0%} or more from epoch to epoch",
        BENGIO,
        ([1.0, 0.5] * 6, [1.0] * 12),
    ),
    "learned nothing": Sign(
        learned_nothing,
        "the training loss ended no lower than after the first epoch",
        "no epoch after the first one helped",
        f"the last training loss is within {LEARNED:.0%} of the first epoch's, or above it",
        GOODFELLOW + "section 8.2",
        ([2.3] * 12, [2.3] * 12),
    ),
    "dev turned": Sign(
        dev_turned,
        "the dev loss was lowest early and rose while the training loss fell on",
        "the network began to learn its training set by heart",
        f"the dev loss is lowest in the first {EARLY:.0%} of the epochs and ends {TURNED - 1:.0%} or more above that, "
        "while the training loss went on falling",
        "Prechelt (1998), *Early stopping - but when?*",
        (_down(1.0, 0.9), [0.9, 0.8, 0.7, *[0.7 + 0.02 * i for i in range(9)]]),
        "the network grew surer of what does not hold in the dev set, which is another kind of data: train-dev "
        "examples come out well, so it has not learned by heart",
    ),
}


def signs(train: Curve, dev: Curve) -> frozenset[str]:
    """The names of all that holds."""
    return frozenset(name for name, sign in SIGNS.items() if sign.holds(train, dev))


def vanishing(layers: Layers) -> bool:
    """Whether hardly any gradient reaches the first layer."""
    norms = [norm for found in layers.values() if (norm := found.get("gradient_norm")) is not None]
    return len(norms) > 1 and norms[0] <= VANISHED * norms[-1]
