"""A diagnosis in plain lines: the ladder of errors, what it means, the learning curve, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, log
from typing import TYPE_CHECKING, NamedTuple, NotRequired, TypedDict

from nnrun.insight.diagnosis.recipe import MOST
from nnrun.runs.records import FoundSymptom
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.symptoms.shapes import SIGNS, Sign
from nnrun.runs.telling import next_line
from nnrun.runs.verdict import RULES, SETS, UNCLEAR, Gap, Verdict, deciding_size
from nnrun.text import columns, percent, points, set_name, shown_name, wrapped

if TYPE_CHECKING:
    from nnrun.insight.diagnosis.learning_curve import LearningCurve, Size

TREES = "baselines"  # the look that `nnrun evaluate` takes
BAR = 30  # characters for the largest error
WEIGHTED = "so many examples stand for those without weights whose error would be as sure (Kish 1965)"
STOPPED = "the training loss was still falling, but no epoch did better on the dev set than epoch"
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
        size = f"{verdict.sizes[part]:,} examples" if part in verdict.sizes else ""
        lines.append(f"{set_name(part):<9} {percent(error):>6}  {bar:<{BAR + 1}} {size:>18}".rstrip())
    return lines


def _step(kind: str, gap: Gap) -> str:
    interval = f"95%: {gap.interval}" if gap.interval else ""
    return f"  {points(gap.value):>7} points  {RULES[kind].word:<19} {interval:<22} {gap.judgement}"


def explanation(
    verdict: Verdict, told: str, proportions: bool = True, assumed: bool = False, by: str | None = None
) -> list[str]:
    """The sentence, and what has to be known to read it; `assumed`: nobody gave a base error; `by` groups the rows."""
    notes = [RULES[kind].below for kind, gap in verdict.gaps.items() if gap.value < 0]
    if doubts := [_doubt(verdict, kind) for kind, gap in verdict.gaps.items() if gap.judgement == UNCLEAR]:
        notes.append(f"too few examples to tell: {', '.join(doubts)}")
    lacking = [set_name(part) for part in verdict.errors if part != "base" and part not in verdict.sizes]
    if not proportions:
        notes.append(
            "errors are 1 − R², the share of the target's variance that stays unexplained; it is no proportion of "
            "examples, so the gaps have no interval"
        )
    elif lacking:
        options = " and ".join(f"--{part}-size" for part in lacking)
        notes.append(f"the sizes of the sets, {options}, would tell how sure this is")
    elif by:
        alike = f"rows of one {shown_name(by)} are alike"
        notes.append(f"{alike}, but intervals take them for independent, and are too narrow here")
    base = f"the base error is {percent(verdict.errors['base'])}"
    if assumed:
        base = "no base error was given, so 0 is assumed"
    notes.append(f"{base}; a gap above {100 * verdict.tolerance:g} points is high")
    return [*wrapped(told), *(line for note in notes for line in wrapped(f"{_sentence(note)}.", "note     "))]


def weighing(final: Mapping[str, float | None], kind: str) -> list[str]:
    """What the errors are where rows do not count alike, and the plain ones beside them."""
    if not kind:
        return []
    plain = {part: final.get(f"{part}_plain_error") for part in SETS}
    told = ", ".join(f"{set_name(part)} {percent(error)}" for part, error in plain.items() if error is not None)
    beside = f"; plain errors, every row counting once: {told}" if told else ""
    return wrapped(f"All errors here are {kind}, and {WEIGHTED}{beside}.", "note     ")


def measured_by(evidence: Evidence) -> list[str]:
    """What the curves of a run show, and what that means, a line each."""
    found = {name: _told_of(SIGNS[name], evidence.mismatched) for name in sorted(evidence.signs)}
    if "still falling" in found and evidence.stopped_early:
        found["still falling"] = f"{STOPPED} {evidence.best_epoch}"
    return [line for told in found.values() for line in wrapped(told, "curves   ")]


def _told_of(sign: Sign, mismatched: bool) -> str:
    meaning = sign.mismatched if mismatched and sign.mismatched else sign.meaning
    return f"{sign.seen}: {meaning}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _doubt(verdict: Verdict, kind: str) -> str:
    """Which set is too small to judge a step by, and how many examples would do."""
    gap = verdict.gaps[kind]
    part = gap.end if gap.end in verdict.sizes else gap.start
    enough = deciding_size(verdict, kind)
    size = verdict.sizes[part]
    how = f" (about {enough:,} would do)" if enough and enough <= MANY_TIMES * size else ""
    return f"{size:,} {set_name(part)}{how}"


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
    """How the trials of a search ended, and how many of them have a bias or a variance that is high, unclear or low."""

    count: int
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
    verdict: Mapping[str, str | None]  # by kind: high, unclear or low
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
            "variance": words["variance"] or UNCLEAR,
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


WIDTH, HEIGHT = 64, 12  # of the plot, without its axis


class Marks(NamedTuple):
    """What a plot is drawn with."""

    mean: str
    spread: str
    law: str
    corner: str
    line: str
    bar: str


UNICODE, ASCII = Marks("●", "│", "·", "└", "─", "│"), Marks("o", ":", ".", "+", "-", "|")


def curve_lines(curve: LearningCurve, ascii_only: bool = False) -> list[str]:
    """All of it; `ascii_only` for terminals without box-drawing characters."""
    marks = ASCII if ascii_only else UNICODE
    seeds, epochs = len(curve["seeds"]), curve["epochs"]
    how = (
        f"{marks.mean} dev error, mean of {seeds} seeds on {curve['dev_rows']:,} examples; {marks.spread} lowest to "
        f"highest; {marks.law} fitted law. Every training takes as many steps as {epochs} epochs on all rows; smaller "
        "parts are repeated."
    )
    spell = _in_ascii if ascii_only else str
    return [
        *(*wrapped(spell(told(curve))), "", *plot(curve, marks)),
        *("", *map(spell, _table(curve)), "", *wrapped(spell(how))),
    ]


def _in_ascii(text: str) -> str:
    return text.replace("−", "-").replace("–", "-").replace("±", "+/-")


def told(curve: LearningCurve) -> str:
    """The answer: by how much twice the data would change the dev error, or that the curve does not tell."""
    twice, floor = curve["twice"], curve["law"]
    half = 100 * (twice["high"] - twice["low"]) / 2
    change = points(twice["change"]).replace("-", "−").replace("+0.0", "0.0")
    if not twice["tells"]:
        return (
            f"the curve does not tell what more data would do: twice the data ({twice['rows']:,} examples) would "
            f"change the dev error by {change} points, but ± {half:.1f}"
        )
    limit = f"{percent(floor['a_low'])} to {percent(floor['a_high'])}"
    return (
        f"twice the data ({twice['rows']:,} examples): about {change} points ± {half:.1f}; with endless data the dev "
        f"error would come to {limit} (95%), if the law holds that far"
    )


def plot(curve: LearningCurve, marks: Marks) -> list[str]:
    """Dev errors over sizes, a log scale, up to twice the rows; `HEIGHT` lines and an axis, 80 columns at most."""
    known = {size["rows"]: _finite(size["dev_errors"]) for size in curve["sizes"]}
    known = {rows: errors for rows, errors in known.items() if errors}
    law, first, last = curve["law"], min(known), curve["twice"]["rows"]
    top = max(max(errors) for errors in known.values()) or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]

    def height(error: float) -> int:
        return HEIGHT - 1 - round((HEIGHT - 1) * min(1.0, max(0.0, error / top)))

    def column(rows: float) -> int:
        return round((WIDTH - 1) * log(rows / first) / log(last / first))

    for x in range(WIDTH):
        rows = first * (last / first) ** (x / (WIDTH - 1))
        grid[height(law["a"] + law["b"] * rows ** -law["c"])][x] = marks.law
    for rows, errors in known.items():
        for y in range(height(max(errors)), height(min(errors)) + 1):
            grid[y][column(rows)] = marks.spread
        grid[height(sum(errors) / len(errors))][column(rows)] = marks.mean
    labels = {0: percent(top), HEIGHT - 1: percent(0.0)}
    lines = [f"{labels.get(y, ''):>7} {marks.bar}{''.join(line)}".rstrip() for y, line in enumerate(grid)]
    return [*lines, f"{'':>7} {marks.corner}{marks.line * WIDTH}", _ticks([*known, last], column)]


def _ticks(sizes: list[int], column: Callable[[float], int]) -> str:
    """Sizes below the axis, each ending at its column, as many as fit."""
    line = ""
    for rows in sizes:
        label, start = f"{rows:,}", 9 + column(rows)
        if len(line) + 2 <= start and start + len(label) <= 80:
            line = f"{line:<{start}}{label}"
    return line


def _table(curve: LearningCurve) -> list[str]:
    heads = [["examples", "train", "dev", "lowest", "highest"]]
    return columns([*heads, *(_row(size) for size in curve["sizes"])], right=range(5))


def _row(size: Size) -> list[str]:
    train, dev = _finite(size["train_errors"]), _finite(size["dev_errors"])
    means = [percent(sum(errors) / len(errors) if errors else None) for errors in (train, dev)]
    return [f"{size['rows']:,}", *means, percent(min(dev, default=None)), percent(max(dev, default=None))]


def _finite(errors: list[float | None]) -> list[float]:
    """A training that diverged has no error: NaN, or null in a file."""
    return [error for error in errors if error is not None and isfinite(error)]
