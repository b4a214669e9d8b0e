"""Where it fails: the ladder from base to test, errors by the target's values, and the worst slices."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple, cast

import numpy as np

from nnrun.data.files.table import Table
from nnrun.insight.diagnosis.cuts import regions_of
from nnrun.insight.diagnosis.regions import Mistakes, PartError, Region, compare, error_of, interval
from nnrun.models.trained import Trained
from nnrun.report.page.charts import BLUE, ORANGE, Chart, Trace, axis, shorts
from nnrun.report.page.html import Markup, join, paragraph, table, tag
from nnrun.runs.proportions import TAIL, wilson
from nnrun.runs.verdict import RULES, Verdict, r2_error
from nnrun.text import metric_name, percent, points, set_name

BARS = 25  # of a chart
FEWEST = 10  # dev rows that a slice is judged by
SLICES = 12
COLUMNS = 200  # that are looked at


def by_target(model: Trained, tables: Mapping[str, Table], mistakes: Mapping[str, Mistakes]) -> Chart:
    """Errors of training and dev part for each class, or each fifth of a number."""
    section, classes = model.config.diagnosis, model.dataset.classes
    name = model.dataset.fitted.target.name
    named = regions_of({part: tables[part] for part in mistakes}, name)
    found = compare(mistakes, named, section, classes is not None)
    shown = found[:BARS]
    traces = [_bars("train", BLUE, [r["train"] for r in shown]), _bars("dev", ORANGE, [r["dev"] for r in shown])]
    names = shorts(region["region"] for region in shown)
    layout = {
        "xaxis": axis("", tickvals=list(range(len(shown))), ticktext=names, ticklabeloverflow="allow"),
        "yaxis": axis(_error(model), percent=True, rangemode="tozero"),
        "barmode": "group",
        "bargap": 0.25,
    }
    worst = shown[0]
    alt = f"Errors by {name}; the highest on dev is {percent(worst['dev']['error'])} for {worst['region']}."
    left = len(found) - len(shown)
    note = "With 95% intervals, the highest dev error first." + (f" {left} more are in the table." if left else "")
    return Chart(f"Error by {name}", alt, traces, layout, note, _table(name, found))


def _bars(part: str, color: str, errors: Sequence[PartError]) -> Trace:
    whiskers = [_whiskers(error) for error in errors]
    spread = {"type": "data", "symmetric": False, "array": [up for _, up in whiskers],
              "arrayminus": [down for down, _ in whiskers], "thickness": 1, "color": "#8a9199"}  # fmt: skip
    text = [f"{part} {percent(error['error'])}{_sure(interval(error))}, {error['rows']:,} rows" for error in errors]
    return {"type": "bar", "name": part, "x": list(range(len(errors))), "y": [error["error"] for error in errors],
            "marker": {"color": color}, "error_y": spread, "hovertext": text,
            "hoverinfo": "text"}  # fmt: skip


def _sure(ends: str) -> str:
    """The interval behind an error, where it is known."""
    return f", 95% {ends}" if ends else ""


def _whiskers(error: PartError) -> tuple[float, float]:
    """How far the interval reaches below the error, and above it; 0 where it is not known."""
    middle, low, high = error["error"], error["low"], error["high"]
    down = 0 if middle is None or low is None else max(0.0, middle - low)
    return down, 0 if middle is None or high is None else max(0.0, high - middle)


def _table(name: str, found: Sequence[Region]) -> Markup:
    parts = [part for part in ("train", "train_dev") if part in found[0]]
    gaps = [gap for gap in ("bias", "variance", "mismatch") if gap in found[0]]
    heads = [name, *(head for part in parts for head in (set_name(part), "rows"))]
    heads += ["dev", "95%", "rows", "share of mistakes", *gaps]
    rows = [
        [
            r["region"], *(cell for part in parts for cell in (percent(r[part]["error"]), f"{r[part]['rows']:,}")),
            percent(r["dev"]["error"]), interval(r["dev"]) or "–", f"{r['dev']['rows']:,}", percent(r["share_of_dev"]),
            *(tag("span", r[gap]["judgement"], cls=r[gap]["judgement"]) for gap in gaps),
        ]
        for r in cast(Sequence[dict[str, Any]], found)
    ]  # fmt: skip
    return table(f"Errors by {name}", heads, rows, words=(0, *range(len(heads) - len(gaps), len(heads))))


class Slice(NamedTuple):
    """The dev rows that have a value in a column, and the error on them."""

    column: str
    value: str
    error: PartError
    size: int  # rows that count alike

    @property
    def low(self) -> float:
        """The error is at least this, by its interval; −∞ where there is none."""
        low = self.error["low"]
        return -inf if low is None else low


def _error(model: Trained) -> str:
    of = model.dataset
    return metric_name("error" if of.classes else r2_error(of.fitted.target.is_log), of.error_kind or "")


def slices_part(model: Trained, dev: Table, mistakes: Mistakes) -> Markup:
    """The slices whose 95% interval lies above the dev error, the worst first."""
    target = model.dataset.fitted.target.name
    proportions = model.dataset.classes is not None
    columns = [name for name in dev.columns if name != target][:COLUMNS]
    looked_at = list(_slices(dev, mistakes, columns, proportions))
    whole = mistakes.mean
    worse = sorted((s for s in looked_at if s.low > whole), key=lambda s: -s.low)
    told = (
        f"{len(looked_at):,} slices of {len(columns)} columns with at least {FEWEST} dev rows were compared with the "
    )
    error = _error(model)
    told += f"{error} on dev, {percent(whole)}. "
    if not worse:
        return paragraph(told, "None is clearly worse: no 95% interval lies above it.")
    chance = sum(by_lot(s.size, whole) if proportions else TAIL for s in looked_at)
    by_chance = f"about {chance:.0f}" if chance >= 1 else "less than one"
    lie = "lies" if len(worse) == 1 else "lie"
    told += f"{len(worse)} {lie} above it with the whole 95% interval; of so many, {by_chance} would by chance."
    rows = [
        [s.column, s.value, percent(s.error["error"]), interval(s.error) or "–", f"{s.error['rows']:,}"]
        for s in worse[:SLICES]
    ]
    heads = ["column", "value", f"dev {error}", "95%", "dev rows"]
    return join([paragraph(told), table("Slices that are worse than the whole", heads, rows, words=(0, 1))])


def _slices(dev: Table, mistakes: Mistakes, columns: Sequence[str], proportions: bool) -> Iterator[Slice]:
    for column in columns:
        names = regions_of({"train": dev}, column)["train"]  # bins of the dev part's own values
        for value, count in zip(*np.unique(names.astype(str), return_counts=True), strict=True):
            if FEWEST <= count < len(names):
                here = mistakes.at(names == value)
                yield Slice(column, value, error_of(here, proportions), here.size)


def by_lot(size: int, whole: float) -> float:
    """How likely the interval of so many rows lies above the error on all rows, where theirs is no other.

    An end may lie above it more often than 2.5% of the time, as mistakes are whole.
    """
    from scipy.special import bdtrc

    enough = bisect(range(size + 1), whole, key=lambda wrong: wilson(wrong / size, size)[0]) if size else 1
    return float(bdtrc(enough - 1, size, whole)) if 0 < enough <= size else 0.0


def ladder_chart(verdict: Verdict, name: str = "error") -> Chart:
    """A bar for each set with its 95% interval, base at the top; `name` is what its errors are called."""
    parts = list(verdict.errors)
    errors = list(verdict.errors.values())
    labels = [f"{set_name(part)}  <b>{percent(error)}</b> " for part, error in verdict.errors.items()]
    ends = {part: wilson(error, n) for part, error in verdict.errors.items() if (n := verdict.sizes.get(part))}
    text = [
        f"{set_name(part)} {percent(error)}{_sure(' to '.join(map(percent, ends.get(part, ()))))}"
        for part, error in verdict.errors.items()
    ]
    bars = {
        "type": "bar", "orientation": "h", "x": errors, "y": list(range(len(parts))),
        "marker": {"color": BLUE}, "width": 0.55, "showlegend": False,
        "hoverinfo": "text", "hovertext": text,
        "error_x": {"type": "data", "symmetric": False, **_whiskers_of(verdict.errors, ends), "thickness": 1.5,
                    "color": "#8a9199"},
    }  # fmt: skip
    layout = {
        "xaxis": axis(name, percent=True, rangemode="tozero"),
        "yaxis": {"autorange": "reversed", "automargin": True, "tickvals": list(range(len(parts))), "ticktext": labels},
    }
    told = ", ".join(f"{set_name(part)} {percent(error)}" for part, error in verdict.errors.items())
    note = "With 95% intervals where the sizes of the sets are known." if verdict.sizes else ""
    if "dev" in verdict.rows:
        note += f" Rows are alike in groups, or have weights: the dev set counts as {verdict.counts('dev')} examples."
    height = 70 + 46 * len(parts)
    return Chart("From base to test", f"Errors of the sets: {told}.", [bars], layout, note, height=height)


def _whiskers_of(errors: Mapping[str, float], ends: Mapping[str, tuple[float, float]]) -> dict[str, list[float]]:
    """How far the interval of each reaches; 0 where it is not known."""
    both = [(error, *ends.get(part, (error, error))) for part, error in errors.items()]
    return {
        "array": [max(0.0, high - error) for error, _, high in both],
        "arrayminus": [max(0.0, error - low) for error, low, _ in both],
    }


def steps_table(verdict: Verdict) -> Markup:
    """Each gap with its interval, its judgement and what it means."""
    rows = [
        [
            RULES[kind].word,
            f"{set_name(gap.start)} → {set_name(gap.end)}",
            f"{points(gap.value)} points",
            gap.interval or "–",
            tag("span", gap.judgement, cls=gap.judgement),
            RULES[kind].meaning if gap.value >= 0 else RULES[kind].below,
        ]
        for kind, gap in verdict.gaps.items()
    ]
    heads = ["gap", "step", "size", "95% interval", "judged", "which is"]
    caption = f"Gaps; one above {100 * verdict.tolerance:g} points is high"
    return table(caption, heads, rows, words=(0, 1, 4, 5))
