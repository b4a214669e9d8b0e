"""Bias and variance: from errors and set sizes to gaps, each with an interval and a judgement, and a sentence."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING

from nnrun.runs.proportions import difference, wilson
from nnrun.runs.records import DataSizes, RunRecord
from nnrun.text import PARTS, all_of, metric_name, percent, points, sentence_case, set_name

if TYPE_CHECKING:
    from nnrun.config.schema import Diagnosis

SETS = ("base", *PARTS)  # the ladder, from below
DIGITS = 9  # that gaps are rounded to before they are compared: 0.30 − 0.15 is not 0.15 in binary
SURE = "effective_rows"  # of a part: the independent rows its error is as sure as, if rows are in groups or weighted
MOST = 10**8  # rows, beyond which none are asked for
LEAST_SEEDS = 3  # that a setting is trained with; fewer say next to nothing about luck
HIGH, LOW, UNCLEAR = "high", "low", "unclear"


@dataclass(frozen=True)
class Rule:
    """A step of the ladder: the set it starts from, its word, what it means, and what a step down means."""

    start: str
    word: str
    meaning: str
    below: str
    example: Mapping[str, float]  # published errors, judged high by this rule
    source: str


RULES = {
    "avoidable_bias": Rule(
        "base",
        "avoidable bias",
        "what the network gets wrong on examples it has seen, beyond what anybody must",
        "the training error lies below the base error: the base error is set too high, or the network has learned "
        "its training set by heart",
        {"base": 0.0, "train": 0.15, "dev": 0.16},
        "Ng, *Machine Learning Yearning* (2018), chapters 20 to 22",
    ),
    "variance": Rule(
        "train",
        "variance",
        "what it loses on new examples like those it has seen",
        "new examples come out better than those trained on: chance, or a set that is easier than the training set",
        {"base": 0.0, "train": 0.01, "dev": 0.11},
        "Ng, *Machine Learning Yearning* (2018), chapters 20 to 22",
    ),
    "mismatch": Rule(
        "train_dev",
        "data mismatch",
        "what it loses because the dev set comes from elsewhere than the training set",
        "the dev set is easier than held-out examples of the training set's kind",
        {"base": 0.0, "train": 0.01, "train_dev": 0.015, "dev": 0.10},
        "Ng, *Machine Learning Yearning* (2018), chapters 40 and 41",
    ),
    "dev_overfit": Rule(
        "dev",
        "overfitting of dev",
        "what the dev error flatters, since epochs and settings were chosen by it",
        "the test set comes out better than the dev set: chance, or an easier set",
        {"base": 0.0, "train": 0.01, "dev": 0.02, "test": 0.08},
        "Ng, *Machine Learning Yearning* (2018), chapter 11",
    ),
}
SHORT = {"avoidable_bias": "bias"}  # names in verdicts, where they differ


@dataclass(frozen=True)
class Gap:
    """A step of the ladder: from one set to the next one given, with the 95% interval of its size."""

    start: str
    end: str
    value: float
    low: float | None
    high: float | None
    judgement: str

    @property
    def interval(self) -> str:
        """The interval's ends as they stand on screen; empty where there is none, or the sets count as exact."""
        if self.low is None or self.high is None or self.low == self.high:
            return ""
        return f"{points(self.low)} to {points(self.high)}"


@dataclass(frozen=True)
class Verdict:
    """The errors by set, the gaps by rule, and what they were judged by.

    `rows` are what sets have whose `sizes` are fewer independent rows, as theirs come in groups or have weights.
    """

    errors: Mapping[str, float]
    sizes: Mapping[str, int]
    tolerance: float
    gaps: Mapping[str, Gap]
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def perfect(self) -> bool:
        """Whether no set shows a single error."""
        return not any(error for part, error in self.errors.items() if part != "base")

    def rows_of(self, part: str) -> int:
        """How many there are, whatever they count as."""
        return self.rows.get(part, self.sizes.get(part, 0))

    def counts(self, part: str) -> str:
        """The examples of a set: `75 of 240` where they count as fewer."""
        size, rows = self.sizes.get(part, 0), self.rows_of(part)
        return f"{size:,}" if size == rows else f"{size:,} of {rows:,}"

    def judgement(self, kind: str) -> str | None:
        """high, low or unclear; None where the sets for it are not given."""
        return self.gaps[kind].judgement if kind in self.gaps else None


def judgement(low: float, high: float, tolerance: float) -> str:
    """high where the whole interval lies above the tolerance, low where none of it does, unclear where it straddles."""
    low, high, tolerance = (round(number, DIGITS) for number in (low, high, tolerance))
    if low > tolerance:
        return HIGH
    return LOW if high <= tolerance else UNCLEAR


def judge(errors: Mapping[str, float], sizes: Mapping[str, int], tolerance: float, proportions: bool = True) -> Verdict:
    """The gaps between the errors given, in the order of SETS; base, train and dev must be among them.

    Without `proportions`, as with 1 − R², sizes tell nothing and the value alone decides.
    """
    given = [set_name for set_name in SETS if set_name in errors]
    starts = {rule.start: kind for kind, rule in RULES.items()}
    gaps = {}
    for start, end in pairwise(given):
        value = round(errors[end] - errors[start], DIGITS)
        if proportions:
            ends = difference(errors[end], errors[start], sizes.get(end), sizes.get(start))
            low, high = (round(bound, DIGITS) for bound in ends)
            gaps[starts[start]] = Gap(start, end, value, low, high, judgement(low, high, tolerance))
        else:
            gaps[starts[start]] = Gap(start, end, value, None, None, judgement(value, value, tolerance))
    return Verdict({set_name: errors[set_name] for set_name in given}, sizes if proportions else {}, tolerance, gaps)


def set_sizes(data: DataSizes) -> Mapping[str, int]:
    """Examples that the error of each set is as sure as, by the section `data` of run.json: fewer if rows are weighted.

    Kish (1965), Survey Sampling, 8.2, which takes it that heavy rows err no more often than others.
    """
    return data.get("effective_rows", data["rows"])


def error_kind(data: DataSizes) -> str:
    """`balanced` or `weighted`, which stands before the name of a run's numbers; empty where rows count alike."""
    return data.get("error_kind", "weighted" if "effective_rows" in data else "")


def r2_error(log: bool) -> str:
    """What the error of a regression is called, or of the logarithm of its target."""
    return "1 − R² of the log" if log else "1 − R²"


def error_name(final: Mapping[str, float | None], data: DataSizes) -> str:
    """What a run's errors are called on screen: `error`, of a regression `1 − R²`, with their kind around it."""
    return metric_title("error", final, data)


def metric_title(name: str, final: Container[str], data: DataSizes) -> str:
    """What a metric of a run with these numbers is called on screen, as in `error_name`."""
    unexplained = r2_error(bool(data.get("target_transform")))
    return metric_name(name.replace("error", unexplained) if "train_rmse" in final else name, error_kind(data))


def can_be_judged(final: Mapping[str, float | None] | None) -> bool:
    """Whether there are the errors that a verdict needs; a target that does not vary has none."""
    return all((final or {}).get(f"{part}_error") is not None for part in ("train", "dev"))


def yardstick(section: Diagnosis, base: float | None, tolerance: float | None) -> Diagnosis:
    """What errors are measured against: the config's section, but for what is given."""
    given = {"base_error": base, "tolerance": tolerance}
    return section.model_copy(update={name: value for name, value in given.items() if value is not None})


def of_run(final: Mapping[str, float | None], data: DataSizes, against: Diagnosis) -> Verdict | None:
    """The verdict on the errors that run.json holds; None where training or dev error is not there or not finite.

    Rows that come in groups or have weights count as the independent rows that an error is as sure as, by its mistakes
    as far as these are known, else by the weights alone. A regression's error, 1 − R², is no proportion: its gaps have
    no interval.
    """
    errors = {part: final.get(f"{part}_error") for part in SETS}
    known = {"base": against.base_error} | {part: error for part, error in errors.items() if error is not None}
    if "train" not in known or "dev" not in known:
        return None
    sure = {part: round(size) for part in SETS if (size := final.get(f"{part}_{SURE}")) is not None}
    verdict = judge(known, {**set_sizes(data), **sure}, against.tolerance, proportions="train_rmse" not in final)
    return replace(verdict, rows={part: rows for part, rows in data["rows"].items() if part in sure})


def of_record(record: RunRecord, against: Diagnosis) -> Verdict | None:
    """The verdict on the errors of a record, with the sizes of its sets; None as for `of_run`."""
    final = record.get("final")
    return of_run(final, record["data"], against) if final and can_be_judged(final) else None


def deciding_size(verdict: Verdict, kind: str) -> int | None:
    """How many examples of the step's upper set would settle an unclear judgement, if the errors stayed as they are.

    Whichever whole number of mistakes comes next to that error. The next larger number of two digits, in groups of the
    size that they have; None where more of that set alone would never do.
    """
    gap, sizes = verdict.gaps[kind], verdict.sizes
    rows = verdict.rows_of(gap.end) if sizes.get(gap.end) else 0
    for enough in _of_two_digits(rows) if rows else ():
        size = enough * sizes[gap.end] // rows
        mistakes = round(verdict.errors[gap.end] * size, DIGITS)
        ends = (
            difference(whole / size, verdict.errors[gap.start], size, sizes.get(gap.start))
            for whole in {floor(mistakes), ceil(mistakes)}
        )
        if len(told := {judgement(*both, verdict.tolerance) for both in ends}) == 1 and UNCLEAR not in told:
            return enough
    return None


def _of_two_digits(above: int) -> Iterator[int]:
    """Numbers above another that end in zeros but for two digits, as far as anybody has rows."""
    while above < MOST:
        unit = 10 ** max(0, len(str(above + 1)) - 2)
        above = (above // unit + 1) * unit
        yield above


def summary(verdict: Verdict, noise: str = "") -> str:
    """One sentence: what is high, what is likely but unclear, what is low, and which errors fell where they rise.

    `noise` is what the bias hangs on where the rest of the error may be noise that nobody can learn.
    """
    if verdict.perfect and len(verdict.errors) > 1:
        return _good_news(verdict)
    found: dict[str, list[str]] = {HIGH: [], "likely": [], UNCLEAR: [], LOW: []}
    for kind, gap in verdict.gaps.items():
        word, size = SHORT.get(kind, RULES[kind].word), f"{points(gap.value)} points"
        if gap.judgement == HIGH:
            found[HIGH].append(f"high {word} ({size}{noise if kind == 'avoidable_bias' else ''})")
        elif gap.judgement == UNCLEAR:
            likely = round(gap.value, DIGITS) > verdict.tolerance
            found["likely" if likely else UNCLEAR].append(f"{word} ({size}, 95% interval {gap.interval})")
        else:
            found[LOW].append(f"{word} ({size})")
    ends = {HIGH: "", "likely": " likely but unclear", UNCLEAR: " unclear", LOW: " low"}
    parts = [all_of(things) + ends[kind] for kind, things in found.items() if things]
    fell = [gap for gap in verdict.gaps.values() if gap.value < 0]
    parts += [f"the {set_name(gap.end)} error is below the {set_name(gap.start)} error" for gap in fell]
    text = "; ".join(parts)
    return f"{sentence_case(text)}."


def _good_news(verdict: Verdict) -> str:
    """What no error on any set comes to, and how far the smallest of them can be trusted."""
    measured = [part for part in verdict.errors if part != "base"]
    sizes = {part: verdict.sizes[part] for part in measured if part in verdict.sizes and part != "train"}
    text = f"No error on {all_of([set_name(part) for part in measured])}: nothing is left to gain"
    if not sizes:
        return f"{text}."
    part = min(sizes, key=lambda part: sizes[part])
    most = percent(wilson(0.0, sizes[part])[1])
    rows, alike = verdict.rows_of(part), "" if part not in verdict.rows else f" that count as {sizes[part]:,}"
    return f"{text} (of {rows:,} {set_name(part)} examples{alike}; the true error may be up to {most}, 95%)."
