"""The recipe: which changes this run asks for, the most promising first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from nnrun.diagnosis.evidence import Evidence

MOST, FEWEST = 5, 3
WORTH_SAYING = 10.0  # below this a move only fills the list up
BIAS_FIRST = 1.5


class Move(NamedTuple):
    """A change to try: how much speaks for it (0 to 100), why, the settings, and the command that takes them."""

    weight: float
    why: str
    settings: Mapping[str, Any]
    verb: str = "train"
    options: tuple[str, ...] = ()


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
    bias, variance = evidence.bias, evidence.variance
    whole = min(1.0, bias + variance)
    if "dev turned" in evidence.signs and "jumping" not in evidence.signs:
        bias, variance = 0.2 * bias, max(variance, 0.8 * bias)
    if bias >= 0.5 * variance:  # a network that cannot fit its training set is mended first
        bias *= BIAS_FIRST
    return {"bias": bias, "variance": variance, "both": max(bias, variance, whole), "either": 1.0}[against]
