"""Lessons of the gallery that come from searches: where trials lie, and what they find."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from lessons.drawing import decades, written
from lessons.runs import Lesson, Runs
from nnrun.report.page.charts import BLUE, ORANGE, Chart, axis, points
from nnrun.report.page.html import Markup, paragraph
from nnrun.report.page.page import Grid
from nnrun.report.search.parameters import parallel_chart, zoom_charts
from nnrun.report.search.results import Results, best_so_far_charts
from nnrun.search.trials import TrialRecord
from nnrun.text import number, percent

Parts = list[Markup | Chart | Grid]

RATE, EPSILON = "optimizer.learning_rate", "optimizer.epsilon"
AHEAD = 6  # trials that stand out
LOSSES = (0.02, 5.0)  # of the axis; a worse trial is drawn at its end
EDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def drawn(found: Results) -> list[TrialRecord]:
    """The trials that the strategy chose: the first is the config as written."""
    return [trial for trial in found.trials if trial["number"] > 0]


def grid_and_random(runs: Runs) -> Lesson:
    """The same number of trials, in rows and columns and at random."""
    found = {"grid": runs.search("search_grid"), "random": runs.search("search_random")}
    colors = {"grid": ORANGE, "random": BLUE}
    planes = [_plane(name, each, colors[name]) for name, each in found.items()]
    parts: Parts = [Grid(planes), _losses(found, colors)]
    rows = [
        [
            f"search_{name}",
            str(_rates(each)),
            *_best(each),
            _over_seeds(runs, f"search_{name}", each),
        ]
        for name, each in found.items()
    ]
    heads = ["25 trials", "learning rates", "best rate", "its dev loss", "with seeds 0 to 5"]
    return Lesson("Random, not grid", parts, heads, rows)


def _rates(found: Results) -> int:
    return len({f"{trial['values'][RATE]:.6g}" for trial in drawn(found)})


def _best(found: Results) -> tuple[str, str]:
    best = min(drawn(found), key=lambda trial: trial["metric"] if trial["metric"] is not None else math.inf)
    return f"{best['values'][RATE]:.2g}", number(best["metric"])


def _over_seeds(runs: Runs, name: str, first: Results) -> str:
    """From the luckiest seed to the unluckiest."""
    bests = [float(_best(each)[1]) for each in (first, *runs.other_seeds(name))]
    return f"{number(min(bests))} to {number(max(bests))}"


def _plane(name: str, found: Results, color: str) -> Chart:
    rates = [trial["values"][RATE] for trial in drawn(found)]
    epsilons = [trial["values"][EPSILON] for trial in drawn(found)]
    dots = points("trials", rates, epsilons, color, marker={"size": 8}, showlegend=False)
    rug = points("", rates, [2.2e-11] * len(rates), color, showlegend=False)
    rug["marker"] = {"symbol": "line-ns-open", "size": 12, "color": color, "line": {"width": 1.5}}
    layout = {
        "xaxis": decades("learning rate", 7e-6, 1.5),
        "yaxis": decades("Adam's ε", 1.3e-11, 2e-6),
    }
    title = f"{name.capitalize()}: {len(rates)} trials, {_rates(found)} learning rates"
    return Chart(title, f"{title}.", [dots, rug], layout, height=260)


def _losses(found: Mapping[str, Results], colors: Mapping[str, str]) -> Chart:
    traces = [_found(name, each, colors[name]) for name, each in found.items()]
    layout = {
        "xaxis": decades("learning rate", 7e-6, 1.5),
        "yaxis": decades("dev loss", LOSSES[0], LOSSES[1] * 1.15),
        "legend": {"x": 0.5, "xanchor": "center"},
    }
    bests = "; ".join(f"{name}: best at {_best(each)[0]} with {_best(each)[1]}" for name, each in found.items())
    return Chart(
        "What they found: the best of each is ringed, those above 5 are drawn at 5",
        f"Dev loss by learning rate. {bests}.",
        traces,
        layout,
    )


def _found(name: str, found: Results, color: str) -> dict[str, Any]:
    trials = [trial for trial in drawn(found) if trial["metric"] is not None]
    best = min(trial["metric"] for trial in trials)
    ring = [2.5 if trial["metric"] == best else 0 for trial in trials]
    y = [min(LOSSES[1], trial["metric"]) for trial in trials]
    marker = {
        "size": [12 if width else 8 for width in ring],
        "opacity": 0.9,
        "line": {"color": "#1b1f24", "width": ring},
    }
    return points(name, [trial["values"][RATE] for trial in trials], y, color, marker=marker)


def scales(runs: Runs) -> Lesson:
    """A learning rate drawn uniformly, and by decades."""
    found = {"uniform": runs.search("search_uniform"), "log": runs.search("search_random")}
    colors = {"uniform": ORANGE, "log": BLUE}
    parts: Parts = [_decades(found, colors), replace(_losses(found, colors), height=300)]
    rows = [
        [name, *(str(count) for count in _counts(each)), *_best(each), _over_seeds(runs, name, each)]
        for name, each in (("search_uniform", found["uniform"]), ("search_random", found["log"]))
    ]
    heads = ["draws from", *(_between(i) for i in range(5)), "best rate", "its dev loss", "with seeds 0 to 5"]
    return Lesson("Draw learning rates by decades", parts, heads, rows)


def _counts(found: Results) -> list[int]:
    rates = [trial["values"][RATE] for trial in drawn(found)]
    return [sum(low <= rate < high * (1 + (high == 1)) for rate in rates) for low, high in pairwise(EDGES)]


def _between(i: int) -> str:
    return f"{written(EDGES[i])} to {written(EDGES[i + 1])}"


def _decades(found: Mapping[str, Results], colors: Mapping[str, str]) -> Chart:
    traces = [
        {"type": "bar", "name": name, "x": list(range(5)), "y": _counts(each), "marker": {"color": colors[name]},
         "text": [str(count) for count in _counts(each)], "textposition": "outside", "cliponaxis": False}
        for name, each in found.items()
    ]  # fmt: skip
    layout = {
        "xaxis": axis("learning rate", tickvals=list(range(5)), ticktext=[_between(i) for i in range(5)]),
        "yaxis": axis("trials", range=[0, 1.15 * max(max(_counts(each)) for each in found.values())]),
        "bargap": 0.35,
        "legend": {"x": 0.02, "y": 0.98, "yanchor": "top", "orientation": "v"},
    }
    told = "; ".join(f"{name} {_counts(each)[-1]} of {len(drawn(each))}" for name, each in found.items())
    return Chart("How many of 25 draws fall into each decade", f"Draws in the last decade: {told}.", traces, layout,
                 height=230)  # fmt: skip


def coarse_to_fine(runs: Runs) -> Lesson:
    """Boxes that shrink around the best."""
    found = runs.search("search_coarse_to_fine")
    told = "Dots are trials, the warmer the better; boxes are what most trials of a stage were drawn from."
    stages = found.record["stages"]
    boxes = [
        replace(chart, alt=f"{chart.title} from {_range(stages[-1], chart.title)} in the last box.")
        for chart in zoom_charts(found)
    ]
    progress = replace(best_so_far_charts(found)[0], title="Best so far", height=260)
    parts: Parts = [paragraph(told), Grid([*boxes, progress])]
    rows = [[f"from trial {stage['first']}", *(_range(stage, key) for key in found.space.keys)] for stage in stages]
    heads = ["the box", *(key.rpartition(".")[2] for key in found.space.keys)]
    best = found.ranked[0]
    words = f"The best of {len(found.trials)} trials is number {best['number']}, with a dev loss of {found.told(best)}."
    return Lesson("From coarse to fine", parts, heads, rows, words)


def _range(stage: Mapping[str, Any], key: str) -> str:
    low, high = next(change["new"] for change in stage["changes"] if change["key"] == key)
    return f"{low:.2g} to {high:.2g}" if isinstance(low, float) else f"{low} to {high}"


def search(runs: Runs) -> Lesson:
    """Six settings at once."""
    found = runs.search("search")
    chart = parallel_chart(found)
    last = found.ranks[found.ranked[AHEAD - 1]["number"]]
    ahead = [int(found.ranks[trial["number"]] <= last) for trial in found.ranked[::-1]]  # as the chart has them
    colors = {"color": ahead, "cmin": 0, "cmax": 1, "colorscale": [(0, "#ccd2d9"), (1, ORANGE)]}
    title = f"The best {AHEAD} of {len(found.trials)} trials, the others in grey"
    chart = replace(chart, title=title, data=[{**chart.data[0], "line": colors}], note="", least_width=0)
    keys = found.space.keys
    rows = [
        [str(trial["number"]), percent(trial["metric"]), *(_setting(trial["values"][key]) for key in keys)]
        for trial in found.ranked[:3]
    ]
    heads = ["trial", "dev error", *(key.rpartition(".")[2] for key in keys)]
    return Lesson("Many settings at once", [chart], heads, rows)


def _setting(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


LESSONS = (search, grid_and_random, scales, coarse_to_fine)
