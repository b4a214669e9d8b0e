"""How a search went: the best so far over trials and over time, every learning curve, and who survived halving."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

from nnrun.report.page.charts import BLUE, GREY, ORANGE, Chart, Trace, axis, kept, line, points
from nnrun.report.search.results import Results, same_settings, value_axis
from nnrun.search.record import TrialRecord
from nnrun.search.strategies import STRATEGIES
from nnrun.text import metric_name

MOST_POINTS = 40_000  # of all learning curves together
FEW = 200  # lines, beyond which they are drawn thinner
AHEAD = 10  # trials that are drawn above the others


def best_so_far_charts(found: Results) -> list[Chart]:
    """The results, and the best of them so far: by number of the trial, and by what had been trained by then."""
    ended = sorted(found.trials, key=lambda trial: trial["time"])
    clock = dict(zip((t["number"] for t in ended), accumulate((t.get("seconds") or 0.0) for t in ended), strict=True))
    by_number = [(trial, trial["number"]) for trial in found.trials if trial["metric"] is not None]
    by_time = [(trial, round(clock[trial["number"]], 4)) for trial in ended if trial["metric"] is not None]
    cost = "seconds of training"
    return [
        _best_so_far("Best so far, trial by trial", found, by_number, "trial"),
        _best_so_far("Best so far, by the time it took", found, by_time, cost),
    ]


def _best_so_far(title: str, found: Results, placed: Sequence[tuple[TrialRecord, float]], what: str) -> Chart:
    x = [at for _, at in placed]
    values = [found.value(trial) for trial, _ in placed]
    best = list(accumulate(values, max if found.plan.metric.startswith("-") else min))
    names = [f"trial {trial['number']}: {found.told(trial)}" for trial, _ in placed]
    dots = points("a trial", x, values, GREY, text=names, hoverinfo="text", marker={"size": 6, "opacity": 0.7})
    steps = line("best so far", x, best, ORANGE, width=2.5, hoverinfo="y+name")
    steps["line"]["shape"] = "hv"
    layout = {"xaxis": axis(what), "yaxis": found.axis()}
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
    error = metric_name("error", found.error_kind)
    values = [value for trial in drawn for value in trial["curve"] if value is not None]
    layout = {"xaxis": axis("epoch"), "yaxis": value_axis(f"dev {error}", values)}
    longest = max((len(trial["curve"]) for trial in drawn), default=0)
    thinned = f" Of curves longer than {most} epochs, the lowest and highest of each stretch." if longest > most else ""
    note = f"Point at a curve to see its trial.{thinned}"
    return Chart(
        "Every trial", f"Dev {error} over the epochs of {len(drawn)} trials.", traces, layout, note, height=420
    )


def _curves(name: str, trials: list[TrialRecord], most: int, color: str, **style: Any) -> Trace:
    """All of them as one line with gaps, which is drawn much faster than a line each."""
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
    """Halving: each group of trials that continue each other as a line from rung to rung; None where none does."""
    if not STRATEGIES[found.plan.strategy].continues_trials:
        return None
    until = found.strategy.epochs
    groups = [[trial for trial in group if trial["metric"] is not None] for group in same_settings(found.trials)]
    x: list[float | None] = []
    y: list[float | None] = []
    for before, after in (pair for group in groups for pair in pairwise(group)):
        x += [until(before["number"]), until(after["number"]), None]
        y += [found.value(before), found.value(after), None]
    ends = [trial for group in groups for trial in group]
    names = [f"trial {t['number']} after {len(t['curve'])} epochs: {found.told(t)}" for t in ends]
    epochs = [until(trial["number"]) for trial in ends]
    dots = points("a trial", epochs, [found.value(t) for t in ends], GREY, text=names, hoverinfo="text")
    links = line("continued", x, y, ORANGE, width=1.5, hoverinfo="skip")
    counts = {rung: epochs.count(rung) for rung in sorted(set(epochs))}
    rungs = list(counts)
    ticks = {"tickvals": rungs, "ticktext": [f"{rung}<br>{counts[rung]} trials" for rung in rungs]}
    layout = {"xaxis": axis("until epoch", type="log", **ticks), "yaxis": found.axis()}
    told = "; ".join(f"{count} trials until epoch {rung}" for rung, count in counts.items())
    return Chart(
        "Survivors of halving", f"{told}.", [links, dots], layout, f"{told}. Lines join a trial to its continuation."
    )
