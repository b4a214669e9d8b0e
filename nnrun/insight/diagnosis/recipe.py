"""The recipe: `REMEDIES`, and which of them this run asks for, the most promising first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nnrun.config.data_section import Parts
from nnrun.insight.diagnosis import against_bias as bias
from nnrun.insight.diagnosis import against_variance as variance
from nnrun.insight.diagnosis.origin import Move
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.verdict import HIGH, UNCLEAR
from nnrun.text import one_of

MOST, FEWEST = 5, 3
WORTH_SAYING = 10.0  # below this a move only fills the list up
BIAS_FIRST = 1.5
LARGER_DEV = [0.5, 0.4, 0.1]
SMALL = 1_000  # dev examples: one wrong is a tenth of a point


@dataclass(frozen=True)
class Remedy:
    """A rule of the recipe: against what it helps, when it applies, and the move it makes of the evidence."""

    against: str  # bias, variance, both, or either: where nothing better is known
    when: str
    propose: Callable[[Evidence], Move | None]


def moves(evidence: Evidence, remedies: Mapping[str, Remedy]) -> list[Move]:
    """Three to five moves, the weightiest first."""
    found: list[tuple[float, Move]] = []
    for remedy in remedies.values():
        weight = _need(evidence, remedy.against)
        move = remedy.propose(evidence) if weight > 0 else None
        if move is not None:
            found.append((weight * move.weight, move))
    found.sort(key=lambda item: -item[0])
    worth = sum(weight >= WORTH_SAYING for weight, _ in found)
    chosen = [move for _, move in found]
    return chosen[: min(MOST, max(FEWEST, worth))]


def _need(evidence: Evidence, against: str) -> float:
    """How much a remedy against this is needed; bias that comes of stopping before overfitting is variance."""
    of_bias, of_variance = evidence.bias, evidence.variance
    whole = min(1.0, of_bias + of_variance)
    if "dev turned" in evidence.signs and "jumping" not in evidence.signs:
        of_bias, of_variance = 0.2 * of_bias, max(of_variance, 0.8 * of_bias)
    if of_bias >= 0.5 * of_variance:  # a network that cannot fit its training set is mended first
        of_bias *= BIAS_FIRST
    both = max(of_bias, of_variance, whole)
    return {"bias": of_bias, "variance": of_variance, "both": both, "either": 1.0}[against]


# What remains to be done where nothing is wrong, or where it cannot be told.


def larger_dev(e: Evidence) -> Move | None:
    """A dev set that is too small to judge by."""
    words = {gap.judgement for gap in e.verdict.gaps.values()} if e.verdict else set()
    data = e.config.data
    if (
        UNCLEAR not in words
        or HIGH in words
        or isinstance(data.source, Parts)
        or data.split == tuple(LARGER_DEV)
        or not 0 < e.dev_rows < SMALL
    ):
        return None
    why = f"{e.dev_rows} dev examples are too few to tell: more of them, at the cost of the others."
    return Move(14, why, {"data.split": LARGER_DEV})


def fresh_dev(e: Evidence) -> Move | None:
    """A dev set that was chosen by for too long."""
    found = e.verdict.judgement("dev_overfit") if e.verdict else None
    if found != HIGH or isinstance(e.config.data.source, Parts):
        return None
    why = "Epochs and settings fit this dev set by chance: another split of the same data shows what is left of it."
    return Move(60, why, {"data.split_seed": e.config.data.split_seed + 1})


def compare_sets(e: Evidence) -> Move | None:
    """Sets that come from different sources."""
    found = e.verdict.judgement("mismatch") if e.verdict else None
    if found not in (HIGH, UNCLEAR):
        return None
    why = "Training and dev set differ: see which columns do, and collect training examples that look like dev's."
    return Move(95 if found == HIGH else 12, why, {}, "check")


def another_seed(e: Evidence) -> Move | None:
    """How much is luck."""
    why = "Another seed on the same data shows how much of this is chance."
    return Move(6, why, {"seed": e.config.seed + 1})


def another_split(e: Evidence) -> Move | None:
    """How much is the luck of the split."""
    data = e.config.data
    if isinstance(data.source, Parts) or data.time is not None:
        return None
    why = "Another split of the same rows shows how much of this hangs on who came into which set."
    return Move(5, why, {"data.split_seed": data.split_seed + 1})


def longest_yet(e: Evidence) -> Move | None:
    """Whether anything is left to gain by training on."""
    why = "Twice the epochs show whether anything is left to gain."
    return Move(4, why, {"training.epochs": 2 * e.config.training.epochs})


def search(e: Evidence) -> Move | None:
    """Better settings of everything at once."""
    why = "What the rate, width and regularisation should be together, a search finds: 30 trials."
    return Move(8, why, {}, "search", ("--trials", "30"))


def cheaper(e: Evidence) -> Move | None:
    """A network of half the size, where this one has nothing left to learn."""
    hidden = e.config.network.hidden
    if e.bias or e.variance or not hidden or max(hidden) < 16:
        return None
    why = "Both gaps are small: half the width may do as well, for less."
    return Move(7, why, {"network.hidden": [max(8, width // 2) for width in hidden]})


REMEDIES: dict[str, Remedy] = {
    "lower rate": Remedy("bias", "diverged; or jumping; or 3 times the usual rate and not falling", bias.lower_rate),
    "clipping": Remedy("bias", "diverged, or jumping", bias.shorter_steps),
    "decay": Remedy("bias", "jumping, at a constant rate", bias.decay),
    "repair init": Remedy("both", "`network.init` is zeros or normal", bias.repair_init),
    "normalise": Remedy("both", "`data.normalize` is none", bias.normalise),
    "batch norm": Remedy("bias", "five layers or more; more so if nothing was learned", bias.let_signals_through),
    "activation": Remedy(
        "bias", "sigmoid, tanh or linear in several layers; relu with dead units", bias.another_activation
    ),
    "higher rate": Remedy("bias", "below 0.3 of the usual rate, and falling or learned nothing", bias.higher_rate),
    "less regularisation": Remedy(
        "bias",
        "there is a penalty or dropout; more so with a large share of the cost, a large λ or rate",
        bias.less_regularisation,
    ),
    "larger network": Remedy(
        "bias", "no hidden layer; or one narrower than 32; or at rest with wider ones", bias.larger
    ),
    "longer": Remedy("bias", "still falling, or fewer than 8 epochs; or stopped early", bias.longer),
    "optimizer": Remedy("bias", f"{one_of(bias.ONE_RATE)}; more so at rest", bias.another_optimizer),
    "augmentation": Remedy("variance", "the features are an image's pixels, and none is there yet", variance.augment),
    "L2 and dropout": Remedy("variance", "neither is there yet, and layers of 16 units or more", variance.both),
    "L2": Remedy("variance", "λ below 30; first 1, then three times as much", variance.penalty),
    "dropout": Remedy("variance", "below 0.7 and layers of 16 units or more", variance.dropout),
    "smaller network": Remedy("variance", "a layer wider than 16; more so with 10 weights a row", variance.smaller),
    "search regularisation": Remedy("variance", "always", variance.search_strength),
    "small batches": Remedy("variance", "no batch norm yet", variance.small_batches),
    "early stopping": Remedy("variance", "dev turned, and no early stopping yet", variance.stop_early),
    "compare the sets": Remedy("either", "mismatch", compare_sets),
    "fresh dev set": Remedy("either", "overfitting of dev", fresh_dev),
    "larger dev set": Remedy("either", "unclear, with fewer than 1,000 dev examples", larger_dev),
    "search": Remedy("either", "always", search),
    "half the network": Remedy("either", "no bias and no variance", cheaper),
    "another seed": Remedy("either", "always", another_seed),
    "another split": Remedy("either", "one source for all sets, not split by time", another_split),
    "twice as long": Remedy("either", "always", longest_yet),
}
