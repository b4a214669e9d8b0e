"""The recipe: `REMEDIES`, and which of them this run asks for, the most promising first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any, NamedTuple

from nnrun.config.config import Config
from nnrun.config.overrides import value_at
from nnrun.insight.diagnosis.against_bias import (
    ONE_RATE,
    another_activation,
    another_optimizer,
    decay,
    higher_rate,
    larger,
    less_regularisation,
    let_signals_through,
    longer,
    longer_memory,
    lower_rate,
    normalise,
    repair_init,
    shorter_steps,
)
from nnrun.insight.diagnosis.against_variance import (
    augment,
    both,
    dropout,
    penalty,
    search_strength,
    small_batches,
    smaller,
    stop_early,
    together,
)
from nnrun.insight.diagnosis.in_doubt import (
    another_seed,
    another_split,
    cheaper,
    compare_sets,
    fresh_dev,
    in_folds,
    longest_yet,
    look_at_rows,
    look_for_leaks,
    search,
    tell_mismatch,
    weigh_classes,
)
from nnrun.insight.diagnosis.origin import Move
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.verdict import HIGH
from nnrun.text import one_of

MOST, FEWEST = 5, 3
WORTH_SAYING = 10.0  # below this a move only fills the list up
BIAS_FIRST = 1.5
VARIANCE_LATER = 0.3  # where the bias is no smaller: what holds a network back does not help it to fit
NOISE = 0.4  # of the need of remedies against what may be noise
HOLDING = {f"regularization.{key}" for key in ("l2", "l1", "dropout", "input_dropout", "label_smoothing", "augment")}
WIDTHS = "network.hidden"


@dataclass(frozen=True)
class Remedy:
    """A rule of the recipe: against what it helps, when it applies, and the move it makes of the evidence."""

    against: str  # bias, variance, both, or either: where nothing better is known
    when: str
    propose: Callable[[Evidence], Move | None]
    elsewhere: bool = False  # its words hold whatever the network is, also for curves of another tool
    untried: str = ""  # why `nnrun improve` leaves it out, as it is no other way to train one network on these rows


def moves(evidence: Evidence, remedies: Mapping[str, Remedy]) -> list[Move]:
    """Three to five moves, the weightiest first."""
    chosen = ranked(evidence, remedies)
    worth = sum(each.weight >= WORTH_SAYING for each in chosen)
    return [each.move for each in chosen[: min(MOST, max(FEWEST, worth))]]


class Ranked(NamedTuple):
    """A move, the remedy that it comes of, and how much it promises."""

    weight: float
    remedy: str
    move: Move


def ranked(evidence: Evidence, remedies: Mapping[str, Remedy]) -> list[Ranked]:
    """All moves that apply, the weightiest first, without those that a better one contradicts or makes alike.

    No search goes by a dev set that was chosen by for too long.
    """
    found: list[Ranked] = []
    worn = evidence.verdict is not None and evidence.verdict.judgement("dev_overfit") == HIGH
    for name, remedy in remedies.items():
        weight = _need(evidence, remedy.against)
        move = remedy.propose(evidence) if weight > 0 else None
        if move is not None and not decided(move, evidence.searched) and not (worn and move.verb == "search"):
            found.append(Ranked(weight * move.weight, name, move))
    chosen: list[Ranked] = []
    for each in sorted(found, key=lambda one: -one.weight):
        if not any(
            opposed(evidence.config, each.move, better.move) or same(each.move, better.move) for better in chosen
        ):
            chosen.append(each)
    return chosen


def decided(move: Move, searched: frozenset[str]) -> bool:
    """Whether trials have decided what the move changes, and so know better."""
    widths = {WIDTHS} if {"network.width", "network.depth"} & searched else set()
    changed = set(HOLDING) if "search.space" in move.settings else set(move.settings)
    return bool(changed & (searched | widths))


def same(one: Move, other: Move) -> bool:
    """Whether both lead to one command."""
    return (one.verb, one.settings, one.options) == (other.verb, other.settings, other.options)


def opposed(config: Config, one: Move, other: Move) -> bool:
    """Whether one of them holds the network back where the other frees it, or widens it where the other narrows it."""
    first, second = _directions(config, one), _directions(config, other)
    return any(first[section] * second[section] < 0 for section in first.keys() & second.keys())


def _directions(config: Config, move: Move) -> dict[str, float]:
    """For what regularises and for the width: above 0 where the move brings more of it, below 0 where less."""
    found: dict[str, float] = {}
    for key, value in move.settings.items():
        if key in HOLDING or key == WIDTHS:
            change = _amount(value) - _amount(value_at(config, key))
            found.setdefault("holding" if key in HOLDING else key, change)
    return found


def _amount(value: Any) -> float:
    """A strength, or the mean of a list of them; of names how many there are."""
    if not isinstance(value, list | tuple):
        return float(value)
    return mean(value) if value and not isinstance(value[0], str) else float(len(value))


def _need(evidence: Evidence, against: str) -> float:
    """How much a remedy against this is needed; bias that comes of stopping early is variance, or mismatch.

    Where the dev set shows next to nothing, none could be seen to help.
    """
    if evidence.settled:
        return float(against == "either")
    of_bias, of_variance = evidence.bias, evidence.variance
    if evidence.unlearned:  # nothing by heart either
        of_variance = 0.0
    whole = min(1.0, of_bias + of_variance)
    if "dev turned" in evidence.signs and "jumping" not in evidence.signs:
        of_bias, moved = 0.2 * of_bias, 0.8 * of_bias
        of_variance = of_variance if evidence.mismatched else max(of_variance, moved)
    if evidence.noise:
        of_bias *= NOISE
    elif of_bias >= 0.5 * of_variance:  # a network that cannot fit its training set is mended first
        of_variance *= VARIANCE_LATER if of_bias >= of_variance and evidence.biased else 1.0
        of_bias *= BIAS_FIRST
    both = max(of_bias, of_variance, whole)
    return {"bias": of_bias, "variance": of_variance, "both": both, "either": 1.0}[against]


SAVES_TIME = "it saves time and lowers no error"
OTHER_ROWS = "errors on two dev sets cannot be compared row by row"
BY_A_PERSON = "it is for a person to do"

REMEDIES: dict[str, Remedy] = {
    "lower rate": Remedy(
        "bias", "diverged; or jumping; or 3 times the usual rate and not falling", lower_rate, elsewhere=True
    ),
    "clipping": Remedy("bias", "diverged, or jumping", shorter_steps, elsewhere=True),
    "longer memory": Remedy("bias", "diverged, or jumping, with β1² ≥ √β2 of adam or adamw", longer_memory),
    "decay": Remedy("bias", "jumping, at a constant rate", decay, elsewhere=True),
    "repair init": Remedy("both", "`network.init` is zeros or normal", repair_init),
    "normalise": Remedy(
        "both", "`data.normalize` is none; the rate falls too where it diverged or is 30 times the usual", normalise
    ),
    "batch norm": Remedy("bias", "five layers or more; more so if nothing was learned", let_signals_through),
    "activation": Remedy("bias", "sigmoid, tanh or linear in several layers", another_activation),
    "higher rate": Remedy(
        "bias",
        "below 0.3 of the usual rate, and falling, slow or learned nothing; below 0.15 if not at rest",
        higher_rate,
    ),
    "less regularisation": Remedy(
        "bias",
        "there is a penalty, dropout, or label smoothing above 0.1; more so with a large share of the cost, a large λ, "
        "rate or ε; not if nothing was learned of what may be noise, without these",
        less_regularisation,
    ),
    "larger network": Remedy(
        "bias",
        "no hidden layer; or one narrower than 32; or wider ones, if something was learned, and more so at rest",
        larger,
        elsewhere=True,
    ),
    "longer": Remedy(
        "bias",
        "still falling, or fewer than 8 epochs; or stopped early; not if dev turned; less so where no curve is known",
        longer,
        elsewhere=True,
    ),
    "optimizer": Remedy("bias", f"{one_of(ONE_RATE)}; more so at rest", another_optimizer),
    "augmentation": Remedy(
        "variance", "the features are an image's pixels, none missing in training, and none is there yet", augment
    ),
    "L2 and dropout": Remedy("variance", "neither is there yet, and layers of 16 units or more", both),
    "L2": Remedy("variance", "λ below 30; first 1, then three times as much", penalty, elsewhere=True),
    "dropout": Remedy("variance", "below 0.7 and layers of 16 units or more", dropout, elsewhere=True),
    "smaller network": Remedy(
        "variance", "a layer wider than 16; more so with 10 weights a row", smaller, elsewhere=True
    ),
    "ensemble": Remedy(
        "variance",
        "one network; more so where something regularises it already",
        together,
        elsewhere=True,
        untried="it comes in the end, of the best setting",
    ),
    "search regularisation": Remedy("variance", "always", search_strength),
    "small batches": Remedy("variance", "no batch norm yet", small_batches),
    "early stopping": Remedy(
        "variance",
        "dev turned, no early stopping yet, and two epochs or more after the best one",
        stop_early,
        elsewhere=True,
        untried=SAVES_TIME,
    ),
    "weigh the classes": Remedy(
        "either",
        "one class has 80% of the rows or more, and always saying it would err no more often",
        weigh_classes,
        untried="errors of rows and of classes cannot be compared",
    ),
    "look at the rows": Remedy(
        "either", "1 − R² above 1 on dev or test, and twice train's", look_at_rows, untried=BY_A_PERSON
    ),
    "look for a leak": Remedy("either", "no error on any set", look_for_leaks, untried=BY_A_PERSON),
    "train-dev part": Remedy(
        "variance",
        "high, dev is a file of its own or newer, and there is no train-dev part",
        tell_mismatch,
        untried="it tells what a gap is and lowers no error",
    ),
    "compare the sets": Remedy(
        "either",
        "mismatch; or overfitting of dev where test is newer, or a file of its own",
        compare_sets,
        untried=BY_A_PERSON,
    ),
    "fresh dev set": Remedy(
        "either", "overfitting of dev, of one source for all sets, not split by time", fresh_dev, untried=OTHER_ROWS
    ),
    "folds": Remedy(
        "either",
        "unclear and nothing high, with dev examples that count as fewer than 1,000; unclear, with 100",
        in_folds,
        untried=OTHER_ROWS,
    ),
    "search": Remedy(
        "either",
        "always, but after a search or an improvement, or with overfitting of dev; sooner where the bias may be noise, "
        "or a regression's variance is high by little",
        search,
    ),
    "half the network": Remedy(
        "either", "no bias and no variance, and no other gap above the tolerance", cheaper, untried=SAVES_TIME
    ),
    "another seed": Remedy("either", "not diverged", another_seed, untried="all seeds are trained"),
    "another split": Remedy(
        "either", "one source for all sets, not split by time; not diverged", another_split, untried=OTHER_ROWS
    ),
    "twice as long": Remedy("either", "not diverged", longest_yet),
}
