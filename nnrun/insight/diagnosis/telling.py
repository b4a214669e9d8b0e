"""A diagnosis in plain lines: the ladder of errors, what it means, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple, NotRequired, TypedDict

from nnrun.insight.diagnosis.against_bias import held_strongly
from nnrun.insight.diagnosis.recipe import MOST
from nnrun.runs.records import FoundSymptom
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.symptoms.shapes import SIGNS, Sign
from nnrun.runs.telling import next_line
from nnrun.runs.verdict import RULES, SETS, SURE, UNCLEAR, Gap, Verdict, deciding_size, summary
from nnrun.text import percent, points, sentence_case, set_name, shown_name, wrapped

TREES = "baselines"  # the look that `nnrun evaluate` takes
BAR = 30  # characters for the largest error
ALIKE = "a set counts as so many examples as would be as sure if all counted alike"
UNSEEN = " and the heavier ones erred no more often (Kish 1965): if they do, intervals are too narrow"  # of mistakes
STOPPED = "the training loss was still falling, but no epoch did better on the dev set than epoch"
NOISE = " if the base error is 0, which --base-error states"
BOUNDED = " and --estimate-base bounds"  # for classes
GUESSING = " Always saying the most frequent class would be wrong hardly more often, so the errors tell little."
MANY_TIMES = 50  # a set that would have to grow more than this is no advice


class Action(NamedTuple):
    """What to do next: why, the words of the command, and the closer look that it takes, if it does."""

    why: str
    command: str
    look: str | None = None


def first_of(actions: Sequence[Action]) -> list[Action]:
    """As many as there should be to choose from; what compares with trees comes on top, as it changes nothing."""
    changes = [action for action in actions if action.look != TREES]
    return [*changes[:MOST], *(action for action in actions if action.look == TREES)]


def ladder(verdict: Verdict) -> list[str]:
    """The errors from below with their bars, and between them the steps with interval and judgement."""
    largest = max(verdict.errors.values()) or 1.0
    steps = {gap.end: (kind, gap) for kind, gap in verdict.gaps.items()}
    lines = []
    for part, error in verdict.errors.items():
        if part in steps:
            lines.append(_step(*steps[part]))
        bar = "━" * round(BAR * error / largest)
        size = f"{verdict.counts(part)} examples" if part in verdict.sizes else ""
        lines.append(f"{set_name(part):<9} {percent(error):>6}  {bar:<{BAR + 1}} {size:>18}".rstrip())
    return lines


def _step(kind: str, gap: Gap) -> str:
    interval = f"95%: {gap.interval}" if gap.interval else ""
    return f"  {points(gap.value):>7} points  {RULES[kind].word:<19} {interval:<22} {gap.judgement}"


def sentence(verdict: Verdict, evidence: Evidence, classes: bool) -> str:
    """The summary, with what the bias hangs on where it may be noise; and one more where errors tell little."""
    noise = (NOISE + (BOUNDED if classes else "")) if evidence.noise else ""
    return summary(verdict, noise) + (GUESSING if evidence.guessing else _unlearned(evidence, classes))


def _unlearned(evidence: Evidence, classes: bool) -> str:
    """A sentence where nothing was learned, with what that may come of where settings or a linear model say it."""
    if not evidence.unlearned or evidence.training:
        return ""
    guess = "most frequent class" if classes else "mean of the target"
    held = "; regularisation as strong as this may be why" if held_strongly(evidence) else ""
    why = held or ("; it may be noise to these columns" if evidence.noise else "")
    return f" Nothing was learned: always saying the {guess} errs no more on the training rows{why}."


def explanation(
    verdict: Verdict, told: str, error: str = "error", assumed: bool = False, alike: str | None = None
) -> list[str]:
    """The sentence, and what has to be known to read it.

    `error` as in `error_name`; `assumed`: no base error above 0 is given; `alike`: rows are.
    """
    notes = [RULES[kind].below for kind, gap in verdict.gaps.items() if gap.value < 0]
    if doubts := _doubts(verdict):
        notes.append(f"too few examples to tell: {', '.join(doubts)}")
    lacking = [set_name(part) for part in verdict.errors if part != "base" and part not in verdict.sizes]
    if "R²" in error:
        of = "the variance of the target's logarithm" if error.endswith("log") else "the target's variance"
        notes.append(
            f"errors are {error}, the share of {of} that stays unexplained; it is no proportion of examples, so the "
            "gaps have no interval"
        )
    elif lacking:
        options = " and ".join(f"--{part}-size" for part in lacking)
        sizes = "size of the set" if len(lacking) == 1 else "sizes of the sets"
        notes.append(f"the {sizes}, {options}, would tell how sure this is")
    elif alike:
        notes.append(alike)
    base = f"the base error is {percent(verdict.errors['base'])}"
    if assumed:
        base = "no base error above 0 is given, so bias is measured from 0"
    notes.append(f"{base}; a gap above {100 * verdict.tolerance:g} points is high")
    return [*wrapped(told), *(line for note in notes for line in wrapped(f"{sentence_case(note)}.", "note     "))]


def grouping(verdict: Verdict, by: str | None) -> str | None:
    """What sizes and intervals mean where a column groups the rows."""
    if by is None:
        return None
    if verdict.rows:
        sure = f"{verdict.counts('dev')} says that {verdict.sizes['dev']:,} independent ones would be as sure"
    else:  # of epochs, while it trains, and of early versions
        sure = "intervals take them for independent, and are too narrow here"
    return f"rows of one {shown_name(by)} are alike: {sure}"


def weighing(final: Mapping[str, float | None], kind: str) -> list[str]:
    """What the errors are where rows do not count alike, and the plain ones beside them."""
    if not kind:
        return []
    plain = {part: final.get(f"{part}_plain_error") for part in SETS}
    told = ", ".join(f"{set_name(part)} {percent(error)}" for part, error in plain.items() if error is not None)
    beside = f"; plain errors, every row counting once: {told}" if told else ""
    seen = any(f"{part}_{SURE}" in final for part in SETS)  # not of epochs, while it trains, and of early versions
    sizes = "" if "train_rmse" in final else f", and {ALIKE}{'' if seen else UNSEEN}"
    return wrapped(f"All errors here are {kind}{sizes}{beside}.", "note     ")


def measured_by(evidence: Evidence) -> list[str]:
    """What the curves of a run show, and what that means, a line each."""
    found = {name: _told_of(SIGNS[name], evidence.mismatched) for name in sorted(evidence.signs)}
    if "still falling" in found and evidence.stopped_early:
        found["still falling"] = f"{STOPPED} {evidence.best_epoch}"
    elif "dev turned" in found:  # since when the training loss falls by what is learned by heart
        found.pop("still falling", None)
    return [line for told in found.values() for line in wrapped(told, "curves   ")]


def _told_of(sign: Sign, mismatched: bool) -> str:
    meaning = sign.mismatched if mismatched and sign.mismatched else sign.meaning
    return f"{sign.seen}: {meaning}"


def _doubts(verdict: Verdict) -> list[str]:
    """Which sets are too small to judge the unclear steps by, and how many examples would do."""
    found: dict[str, list[int]] = {}
    for kind, gap in verdict.gaps.items():
        if gap.judgement == UNCLEAR:
            enough, sizes = deciding_size(verdict, kind) or 0, verdict.sizes
            upper = gap.end in sizes and (enough or sizes[gap.end] <= sizes.get(gap.start, inf))
            found.setdefault(gap.end if upper else gap.start, []).append(enough if upper else 0)
    return [_doubt(verdict, part, enough) for part, enough in found.items()]


def _doubt(verdict: Verdict, part: str, enough: Sequence[int]) -> str:
    """The size of a set, and the one at which all its steps would be clear; 0 where it alone would not do."""
    rows = verdict.rows_of(part)
    would_do = all(enough) and max(enough) <= MANY_TIMES * rows
    return f"{rows:,} {set_name(part)}" + (f" (about {max(enough):,} would do)" if would_do else "")


def advice(actions: Sequence[Action]) -> list[str]:
    """What to do next, the most promising first; each command on a line of its own."""
    lines = []
    for number, action in enumerate(actions, start=1):
        lines += ["", *wrapped(action.why, f"{number}. "), next_line(action.command)]
    return lines


class Step(TypedDict):
    """A gap and its 95% interval; None where it is not known."""

    value: float | None
    low: float | None
    high: float | None


class Advice(TypedDict):
    """An action."""

    why: str
    command: str


class Spread(TypedDict):
    """How the trials of a search ended, and how many have a bias or a variance that is high, unclear or low.

    Errors and judgements are those of the trials that were given all epochs.
    """

    count: int
    whole: int  # that were given all epochs
    diverged: int
    dev_error_quartiles: list[float]  # three; empty without any error
    bias: Mapping[str, int]
    variance: Mapping[str, int]
    ties: int  # trials that share the best result


class Document(TypedDict):
    """What `--json` prints and diagnosis.json holds; None for sets and gaps that are not there."""

    schema_version: int
    errors: Mapping[str, float | None]  # by set
    gaps: Mapping[str, Step]  # by rule
    verdict: Mapping[str, str | None]  # by kind: high, unclear or low; None where its gap is
    summary: str
    next: list[Advice]
    trials: NotRequired[Spread]  # of a search
    symptoms: NotRequired[list[FoundSymptom]]  # of a run that still trains, where it has any


def as_json(verdict: Verdict | None, told: str, actions: Sequence[Action], bias: str | None = None) -> Document:
    """The document; `bias` is what is known of it without errors."""
    gaps = verdict.gaps if verdict else {}
    words = {kind: gaps[kind].judgement if kind in gaps else None for kind in RULES}
    return {
        "schema_version": 1,
        "errors": {part: verdict.errors.get(part) if verdict else None for part in SETS},
        "gaps": {kind: _gap(gaps.get(kind)) for kind in RULES},
        "verdict": {
            "bias": bias or words["avoidable_bias"],
            "variance": words["variance"],
            "mismatch": words["mismatch"],
            "dev_overfit": words["dev_overfit"],
        },
        "summary": told,
        "next": [{"why": action.why, "command": action.command} for action in actions],
    }


def _gap(gap: Gap | None) -> Step:
    if gap is None:
        return {"value": None, "low": None, "high": None}
    return {"value": gap.value, "low": gap.low, "high": gap.high}
