"""A diagnosis in plain lines: the ladder of errors, what it means, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nnrun.diagnosis.evidence import Evidence
from nnrun.narration import next_line, percent, wrapped
from nnrun.verdict import RULES, SETS, UNCLEAR, Gap, Verdict, deciding_size, name, points

BAR = 30  # characters for the largest error
WEIGHTED = "Rows are weighted: the errors are as sure as those of so many examples without weights (Kish 1965)."
MANY_TIMES = 50  # a set that would have to grow more than this is no advice


class Action(NamedTuple):
    """What to do next: why, and the words of the command."""

    why: str
    command: str


def ladder(verdict: Verdict) -> list[str]:
    """The errors from below with their bars, and between them the steps with interval and judgement."""
    largest = max(verdict.errors.values()) or 1.0
    steps = {gap.end: (kind, gap) for kind, gap in verdict.gaps.items()}
    lines = []
    for part, error in verdict.errors.items():
        if part in steps:
            lines.append(_step(*steps[part]))
        bar = "━" * round(BAR * error / largest)
        size = f"{verdict.sizes[part]:,} examples" if part in verdict.sizes else ""
        lines.append(f"{name(part):<9} {percent(error):>6}  {bar:<{BAR + 1}} {size:>18}".rstrip())
    return lines


def _step(kind: str, gap: Gap) -> str:
    interval = f"95%: {gap.interval}" if gap.interval else ""
    return f"  {points(gap.value):>7} points  {RULES[kind].word:<19} {interval:<22} {gap.judgement}"


def explanation(verdict: Verdict, told: str, proportions: bool = True, assumed: bool = False) -> list[str]:
    """The sentence, and what has to be known to read it; `assumed`: nobody gave a base error."""
    notes = [RULES[kind].below for kind, gap in verdict.gaps.items() if gap.value < 0]
    if doubts := [_doubt(verdict, kind) for kind, gap in verdict.gaps.items() if gap.judgement == UNCLEAR]:
        notes.append(f"too few examples to tell: {', '.join(doubts)}")
    lacking = [name(part) for part in verdict.errors if part != "base" and part not in verdict.sizes]
    if not proportions:
        notes.append(
            "errors are 1 − R², the share of the target's variance that stays unexplained; it is no proportion of "
            "examples, so the gaps have no interval"
        )
    elif lacking:
        options = " and ".join(f"--{part}-size" for part in lacking)
        notes.append(f"the sizes of the sets, {options}, would tell how sure this is")
    base = (
        "no base error was given, so 0 is assumed"
        if assumed
        else f"the base error is {percent(verdict.errors['base'])}"
    )
    notes.append(f"{base}; a gap above {100 * verdict.tolerance:g} points is high")
    return [*wrapped(told), *(line for note in notes for line in wrapped(f"{_sentence(note)}.", "note     "))]


def measured_by(evidence: Evidence) -> list[str]:
    """What the curves of a run show, in a line."""
    found = sorted(evidence.signs)
    return [f"curves   {', '.join(found)}"] if found else []


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _doubt(verdict: Verdict, kind: str) -> str:
    """Which set is too small to judge a step by, and how many examples would do."""
    gap = verdict.gaps[kind]
    part = gap.end if gap.end in verdict.sizes else gap.start
    enough = deciding_size(verdict, kind)
    size = verdict.sizes[part]
    how = f" (about {enough:,} would do)" if enough and enough <= MANY_TIMES * size else ""
    return f"{size:,} {name(part)}{how}"


def advice(actions: Sequence[Action]) -> list[str]:
    """What to do next, the most promising first; each command on a line of its own."""
    lines = []
    for number, action in enumerate(actions, start=1):
        lines += ["", *wrapped(action.why, f"{number}. "), next_line(action.command)]
    return lines


def as_json(
    verdict: Verdict | None, told: str, actions: Sequence[Action], bias: str | None = None
) -> dict[str, object]:
    """The document that `--json` prints and diagnosis.json holds; `bias` is what is known of it without errors."""
    gaps = verdict.gaps if verdict else {}
    words = {kind: gaps[kind].judgement if kind in gaps else None for kind in RULES}
    return {
        "schema_version": 1,
        "errors": {part: verdict.errors.get(part) if verdict else None for part in SETS},
        "gaps": {kind: {key: getattr(gaps.get(kind), key, None) for key in ("value", "low", "high")} for kind in RULES},
        "verdict": {
            "bias": bias or words["avoidable_bias"],
            "variance": words["variance"] or UNCLEAR,
            "mismatch": words["mismatch"],
            "dev_overfit": words["dev_overfit"],
        },
        "summary": told,
        "next": [{"why": action.why, "command": action.command} for action in actions],
    }
