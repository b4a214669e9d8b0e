"""What remains to be done where nothing is wrong, or where it cannot be told."""

from __future__ import annotations

from nnrun.config.data_section import Parts
from nnrun.insight.diagnosis.origin import Move
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.verdict import HIGH, UNCLEAR

LARGER_DEV = [0.5, 0.4, 0.1]
SMALL = 1_000  # dev examples: one wrong is a tenth of a point


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
