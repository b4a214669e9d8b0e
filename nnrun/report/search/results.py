"""The results of a search: its trials ranked, with their metric as it is spoken of, and how they came in.

Charts of that: the best so far over trials and over time, every learning curve, and who survived halving.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from nnrun.config.config import Config
from nnrun.config.space.space import Space
from nnrun.machine.lazily import cached_property
from nnrun.report.page.charts import (
    BLUE,
    GREY,
    ORANGE,
    Axis,
    Chart,
    Trace,
    axis,
    is_wide,
    kept,
    line,
    log_axis,
    points,
    whole_axis,
)
from nnrun.runs.stored import StoredRun
from nnrun.search.plan import Plan
from nnrun.search.record import Sample, SearchRecord, TrialRecord, continued, ranked
from nnrun.search.retests.record import RetestRecord
from nnrun.search.stored import StoredSearch
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Strategy
from nnrun.search.telling import ending, error_kind_of, so_far
from nnrun.search.trial_lines import shown
from nnrun.text import counted, in_percent, metric_key, metric_name

SPREAD = 10  # a metric whose values differ by more than this factor gets an axis of logarithms
MOST_POINTS = 40_000  # of all learning curves together
FEW = 200  # lines, beyond which they are drawn thinner
AHEAD = 10  # trials that are drawn above the others


@dataclass(frozen=True)
class Results:
    """A search: its record, its plan and its trials by number."""

    search: StoredSearch
    record: SearchRecord
    plan: Plan
    config: Config
    trials: list[TrialRecord]
    spent: Mapping[int, float]  # seconds of training until the end of each trial, by number

    @classmethod
    def of(cls, run: StoredRun, sample: Sample | None = None) -> Results:
        """From its directory; of many trials those that were chosen to be drawn."""
        search = StoredSearch(run)
        trials, spent = (sample.trials, sample.spent) if sample else (search.trials, _spent(search.trials))
        return cls(search, search.record, search.plan, run.config, trials, spent)

    @cached_property
    def strategy(self) -> Strategy:
        """The strategy as it stood before the first trial."""
        return STRATEGIES[self.plan.strategy](self.plan.brief())

    @property
    def run(self) -> StoredRun:
        """What is known of the search as of every run."""
        return self.search.run

    @property
    def retest(self) -> RetestRecord | None:
        """What it is about, if it retests another search."""
        return self.search.retest

    @property
    def standing(self) -> str:
        """How it ended, or how far it is."""
        return ending(self.record) if self.search.closed else so_far(self.record, len(self.trials), self.plan.total)

    @property
    def space(self) -> Space:
        """What was searched."""
        return self.plan.space

    @property
    def keys(self) -> list[str]:
        """What the trials differ in: the parameters of the space, or of an improvement what it changed."""
        return self.space.keys or list(dict.fromkeys(key for trial in self.trials for key in trial["values"]))

    @property
    def metric(self) -> str:
        """The name of what is minimised or maximised, without its sign."""
        return metric_key(self.plan.objective.key, self.error_kind)

    @property
    def error_kind(self) -> str:
        """The kind of errors of the trials, as in `verdict.error_kind`."""
        return error_kind_of(self.record)

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """The best trial of each training that has a value, the best first."""
        return ranked(self.trials)

    @property
    def best(self) -> TrialRecord | None:
        """The best trial."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def ranks(self) -> dict[int, float]:
        """From 0 for the best trial to 1 for the worst one, by number."""
        last = max(1, len(self.ranked) - 1)
        return {trial["number"]: round(i / last, 4) for i, trial in enumerate(self.ranked)}

    def value(self, trial: TrialRecord) -> float:
        """The metric of a trial that has one, as it is spoken of: larger is better where it is maximised."""
        value = math.nan if trial["metric"] is None else float(trial["metric"])
        return self.plan.objective.sign * value

    def told(self, trial: TrialRecord) -> str:
        """The metric of a trial in words."""
        return shown(trial["metric"], self.plan.objective)

    def axis(self) -> Axis:
        """The axis of the metric."""
        return value_axis(self.metric, [self.value(trial) for trial in self.ranked])


def _spent(trials: Sequence[TrialRecord]) -> dict[int, float]:
    ended = sorted(trials, key=lambda trial: trial["time"])
    until = accumulate((trial.get("seconds") or 0.0) for trial in ended)
    return dict(zip((trial["number"] for trial in ended), until, strict=True))


def value_axis(name: str, values: Sequence[float]) -> Axis:
    """An axis for these values, of logarithms where they are spread over more than a decade."""
    percent = in_percent(name)
    if is_wide(values, SPREAD):
        return log_axis(name, values, percent=percent)
    above = {"rangemode": "nonnegative"} if min(values, default=0) > 0 else {}  # around one, plotly.js shows ±1
    return axis(name, percent=percent, **above)


def best_so_far_charts(found: Results) -> list[Chart]:
    """The results, and the best of them so far: by number of the trial, and by what had been trained by then."""
    ended = sorted(found.trials, key=lambda trial: trial["time"])
    by_number = [(trial, trial["number"]) for trial in found.trials if trial["metric"] is not None]
    by_time = [(trial, round(found.spent[trial["number"]], 4)) for trial in ended if trial["metric"] is not None]
    return [
        _best_so_far("Best so far, trial by trial", found, by_number, trial_axis(found)),
        _best_so_far("Best so far, by the time it took", found, by_time, axis("seconds of training")),
    ]


def trial_axis(found: Results) -> Axis:
    """The numbers of the trials."""
    return whole_axis("trial", 0, max((trial["number"] for trial in found.trials), default=0))


def _best_so_far(title: str, found: Results, placed: Sequence[tuple[TrialRecord, float]], x_axis: Axis) -> Chart:
    x = [at for _, at in placed]
    values = [found.value(trial) for trial, _ in placed]
    best = list(accumulate(values, max if found.plan.objective.maximised else min))
    names = [f"trial {trial['number']}: {found.told(trial)}" for trial, _ in placed]
    dots = points("a trial", x, values, GREY, text=names, hoverinfo="text", marker={"size": 6, "opacity": 0.7})
    steps = line("best so far", x, best, ORANGE, width=2.5, hoverinfo="y+name")
    steps["line"]["shape"] = "hv"
    layout = {"xaxis": x_axis, "yaxis": found.axis()}
    end = found.told(found.ranked[0])
    return Chart(title, f"{title}: {found.metric} reaches {end}.", [dots, steps], layout, height=300)


def curves_chart(found: Results) -> Chart:
    """The dev error of every trial over its epochs; the best ones above the others."""
    drawn = [trial for trial in found.trials if trial["curve"]]
    best = [trial["number"] for trial in found.ranked[:AHEAD]]
    most = max(12, MOST_POINTS // max(1, len(drawn)))
    others = [trial for trial in drawn if trial["number"] not in best]
    ahead = [trial for trial in drawn if trial["number"] in best[1:]]
    first = [trial for trial in drawn if trial["number"] in best[:1]]
    traces = [
        _curves(
            f"{len(others):,} other trials", others, most, GREY, width=1 if len(others) <= FEW else 0.5, opacity=0.45
        ),
        _curves(f"the next best {len(ahead)}", ahead, most, BLUE, width=1.4, opacity=0.9),
        _curves(f"the best: trial {best[0] if best else '–'}", first, most, ORANGE, width=2.6),
    ]
    values = [value for trial in drawn for value in trial["curve"] if value is not None]
    error = metric_name("error", found.error_kind)
    longest = max((len(trial["curve"]) for trial in drawn), default=0)
    layout = {"xaxis": whole_axis("epoch", 1, longest), "yaxis": value_axis(f"dev {error}", values)}
    thinned = f" Of curves longer than {most} epochs, the lowest and highest of each stretch." if longest > most else ""
    by = "" if found.plan.metric == "dev_error" else f" The colours go by {found.metric}."
    note = f"Point at a curve to see its trial.{by}{thinned}"
    alt = f"Dev {error} over the epochs of {counted(len(drawn), 'trial')}."
    return Chart("Every trial", alt, traces, layout, note, height=420)


def _curves(name: str, trials: list[TrialRecord], most: int, color: str, **style: Any) -> Trace:
    """The curves of trials as one line with gaps, which is drawn much faster than a line each."""
    x: list[int | None] = []
    y: list[float | None] = []
    number: list[int | None] = []
    for trial in trials:
        chosen = kept(trial["curve"], most)
        x += [*(i + 1 for i in chosen), None]
        y += [*(_short(trial["curve"][i]) for i in chosen), None]
        number += [trial["number"]] * (len(chosen) + 1)
    hover = "trial %{customdata}<br>epoch %{x}: %{y}<extra></extra>"
    return line(name, x, y, color, customdata=number, hovertemplate=hover, connectgaps=False, **style)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def survivors_chart(found: Results) -> Chart | None:
    """Halving: a dot a trial, and a line from each to the one that continues it; None where none may."""
    if not STRATEGIES[found.plan.strategy].continues_trials:
        return None
    until = found.strategy.epochs
    ends = [trial for trial in found.trials if trial["metric"] is not None]
    known: dict[int | None, TrialRecord] = {trial["number"]: trial for trial in ends}
    x: list[float | None] = []
    y: list[float | None] = []
    for after in ends:
        if before := known.get(continued(after)):
            x += [until(before["number"]), until(after["number"]), None]
            y += [found.value(before), found.value(after), None]
    names = [f"trial {t['number']} after {counted(len(t['curve']), 'epoch')}: {found.told(t)}" for t in ends]
    epochs = [until(trial["number"]) for trial in ends]
    dots = points("a trial", epochs, [found.value(t) for t in ends], GREY, text=names, hoverinfo="text")
    links = line("continued", x, y, ORANGE, width=1.5, hoverinfo="skip")
    counts = {rung: epochs.count(rung) for rung in sorted(set(epochs))}
    rungs = list(counts)
    ticks = {"tickvals": rungs, "ticktext": [f"{rung}<br>{counted(counts[rung], 'trial')}" for rung in rungs]}
    layout = {"xaxis": axis("until epoch", type="log", **ticks), "yaxis": found.axis()}
    told = "; ".join(f"{counted(count, 'trial')} until epoch {rung}" for rung, count in counts.items())
    note = f"{told}. Lines join a trial to its continuation." if x else f"{told}."
    return Chart("Survivors of halving", f"{told}.", [links, dots], layout, note)
