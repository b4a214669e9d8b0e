"""Errors as a user types them: fractions, or per cent with the sign."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nnrun.errors import UsageError
from nnrun.runs.verdict import SETS, Verdict, judge
from nnrun.text import set_name

NEEDED = {"train": "the variance is the step from the training error to the dev error",
          "dev": "without it there is no variance to judge"}  # fmt: skip


def fraction(option: str, text: str) -> float:
    """`0.15` or `15%` as 0.15; UsageError for anything else, and for what could be meant either way."""
    number, signed = text.strip().removesuffix("%").strip(), text.strip().endswith("%")
    try:
        value = float(number)
    except ValueError:
        raise UsageError(f"{option} {text}: not a number; write 0.15 or 15%") from None
    if not math.isfinite(value) or value < 0:
        raise UsageError(f"{option} {text}: an error lies between 0 and 100%")
    if signed and value > 100:
        raise UsageError(f"{option} {text}: an error is at most 100%")
    if not signed and value >= 1:
        raise UsageError(f"{option} {text}: {_question(number, value)} Write a fraction below 1, or the per-cent sign")
    return value / 100 if signed else value


def _question(number: str, value: float) -> str:
    """Which was meant."""
    if value > 100:
        return "an error is at most 100%."
    return "did you mean 1% or 100%?" if value == 1 else f"did you mean {number}%?"


def tolerance(text: str) -> float:
    """As an error, but above 0."""
    value = fraction("--tolerance", text)
    if value == 0:
        raise UsageError(f"--tolerance {text}: must be above 0; a gap is never exactly none")
    return value


def typed_verdict(errors: Mapping[str, str | None], sizes: Mapping[str, int | None], largest_gap: float) -> Verdict:
    """The verdict on errors and sizes by set, as typed; UsageError where they cannot be judged."""
    given = {part: fraction(option(part), text) for part, text in errors.items() if text is not None}
    for part, why in NEEDED.items():
        if part not in given:
            raise UsageError(f"{option(part)} is missing: {why}")
    counts = {part: count for part, count in sizes.items() if count is not None}
    for part, count in counts.items():
        size = f"--{set_name(part)}-size"
        if count < 1:
            raise UsageError(f"{size} {count}: an error is measured on at least one example")
        if part not in given:
            raise UsageError(f"{size} stands without {option(part)}")
    ordered = {part: given.get(part, 0.0) for part in SETS if part in given or part == "base"}
    return judge(ordered, counts, largest_gap)


def option(part: str) -> str:
    """The option that gives the error of a set."""
    return f"--{set_name(part)}-error"
