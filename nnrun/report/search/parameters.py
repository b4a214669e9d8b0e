"""What the settings did to the result: all at once, one by one, the two that matter most, and how the search zoomed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nnrun.config.space.intervals import Log, Uniform
from nnrun.config.space.space import Parameter
from nnrun.report.page.charts import BLUE, ORANGE, SCALE, Axis, Chart, Plotly, axis, plain, points, short
from nnrun.report.page.html import Markup, join, listing, table
from nnrun.report.search.results import Results, trial_axis
from nnrun.report.search.scales import exact_place, place, scale_axis, stops, ticks
from nnrun.search.importance import BEST_SHARE, Importance, comparable, importances
from nnrun.search.record import Stage, TrialRecord
from nnrun.search.telling import FEWEST_COMPARED, USUAL_ORDER
from nnrun.search.trial_lines import setting
from nnrun.text import counted, in_percent, last_words, percent

INACTIVE = -0.14  # where a parameter that a trial does not have is drawn
LANE = 120  # pixels that an axis of the parallel coordinates needs at least
LETTER = 7  # that one of its words needs, a letter
EDGE = 60  # on the left and the right, at least


def _ranked_colours(found: Results, trials: Sequence[TrialRecord]) -> Plotly:
    """By rank, from the best to the worst."""
    return {"color": [found.ranks[t["number"]] for t in trials], "cmin": 0, "cmax": 1, "colorscale": SCALE}


def _upside_down(found: Results, trials: Sequence[TrialRecord]) -> Plotly:
    """Colours by rank, the largest for the best: parallel coordinates draw larger ones on top of smaller ones."""
    reversed_ = [(1 - at, color) for at, color in SCALE[::-1]]
    return {"color": [1 - found.ranks[t["number"]] for t in trials], "cmin": 0, "cmax": 1, "colorscale": reversed_}


def parallel_chart(found: Results) -> Chart:
    """Parallel coordinates: an axis a parameter on its own scale, and one for the metric."""
    trials = found.ranked[::-1]  # the best is drawn last
    named = last_words(found.space.keys)
    axes = [_lane(parameter, named[parameter.key], trials) for parameter in found.space.parameters]
    axes.append(_metric_lane(found, trials))
    trace = {"type": "parcoords", "dimensions": axes, "line": _upside_down(found, trials),
             "unselected": {"line": {"opacity": 0.06}}, "labelfont": {"size": 13},
             "tickfont": {"size": 12}}  # fmt: skip
    note = (
        "A line is a trial: warm colours are the best, grey the worst. Drag along an axis to keep the trials that pass "
        "there, drag a name to move its axis; – is a parameter that the trial does not have. By keyboard: ← → choose "
        "an axis, ↑ ↓ move the least that is kept there, with Shift the most; Shift with ← → moves the axis, Esc keeps "
        "all again."
    )
    over = f"{', '.join(found.space.keys)} and {found.metric}"
    alt = f"Parallel coordinates of {counted(len(trials), 'trial')} over {over}."
    left = max(EDGE, _longest(axes[0]["ticktext"]))
    layout = {"margin": {"l": left, "r": EDGE, "t": 50, "b": 24}}
    apart = max(LANE, *(max(_longest(lane["ticktext"]), _longest([lane["label"]])) for lane in axes[1:]))
    width = left + apart * (len(axes) - 1) + EDGE
    return Chart("All settings at once", alt, [trace], layout, note, height=380, least_width=width)


def _longest(words: Sequence[str]) -> int:
    """Pixels that the longest of the words needs."""
    return 20 + LETTER * max(len(word.strip()) for word in words)


def _lane(parameter: Parameter, label: str, trials: Sequence[TrialRecord]) -> Axis:
    places, words = ticks(parameter.domain)
    between = {at: setting(value) for at, value in stops(parameter.domain).items()}
    held = [trial["values"][parameter.key] for trial in trials]
    units = [INACTIVE if value is None else exact_place(parameter, value) for value in held]
    if INACTIVE in units:
        places, words = [INACTIVE, *places], ["–", *words]
    named = dict(zip(places, words, strict=True))
    return _drawn(parameter.key, short(label), units, named, between)


def _drawn(
    name: str, label: str, units: Sequence[float], named: Mapping[float, str], between: Mapping[float, str]
) -> Axis:
    """An axis with its ticks, some without a word; a keyboard stops at each that stands for a value.

    plotly draws it from the first to the last of them, so both of its ends are ticks too. What is kept on it begins a
    quarter of the way before a tick and ends a quarter of the way behind one: plotly would move any other ends there.
    It finds ticks by their words, so each has its own, if only by the blanks behind it.
    """
    ends = min(0.0, *units), max(1.0, *units)
    told = {round(at, 4): word for at, word in (*between.items(), *named.items())}
    words = dict.fromkeys((*ends, *told), "") | {round(at, 4): word for at, word in named.items()}
    places = sorted(words)
    texts = [words[at] for at in places]
    around = zip([places[0], *places], places, [*places[1:], places[-1]], strict=False)
    steps = [(at - (at - before) / 4, at + (behind - at) / 4, told[at]) for before, at, behind in around if at in told]
    return {"name": name, "label": label, "values": units, "range": list(ends), "tickvals": places,
            "ticktext": [text + " " * i if text in texts[:i] else text for i, text in enumerate(texts)],
            "steps": steps}  # fmt: skip


def _metric_lane(found: Results, trials: Sequence[TrialRecord]) -> Axis:
    """The metric on the scale of its axis in the other charts."""
    values = [found.value(trial) for trial in trials]
    log = found.axis().get("type") == "log"
    low, high = min(values), max(values)
    domain = (Log if log else Uniform)(low, high if high > low else low + 1.0)
    places, words = ticks(domain)
    told: Callable[[Any], str] = setting
    if in_percent(found.metric):
        told = _percent
        words = [_percent(domain.from_unit(at)) for at in places]
    units, between = [domain.to_unit(value) for value in values], {at: told(v) for at, v in stops(domain).items()}
    return _drawn(found.metric, plain(found.metric), units, dict(zip(places, words, strict=True)), between)


def _percent(value: float) -> str:
    return f"{100 * value:.3g}%"


def slice_charts(found: Results) -> list[Chart]:
    """For each parameter the results over its values, on its own scale."""
    return [_slice(found, parameter) for parameter in found.space.parameters]


def _slice(found: Results, parameter: Parameter) -> Chart:
    trials = [trial for trial in found.ranked[::-1] if trial["values"][parameter.key] is not None]
    held = [trial["values"][parameter.key] for trial in trials]
    x = [place(parameter, trial["number"], value) for trial, value in zip(trials, held, strict=True)]
    names = [_point(found, trial, [parameter.key]) for trial in trials]
    marker = {**_ranked_colours(found, trials), "size": 7, "opacity": 0.85}
    dots = points("trials", x, [found.value(t) for t in trials], BLUE, text=names, hoverinfo="text", showlegend=False)
    layout = {"xaxis": scale_axis(parameter, _scale_words(parameter)), "yaxis": found.axis()}
    alt = f"{found.metric} over {parameter.key}, {counted(len(trials), 'trial')}."
    return Chart(parameter.key, alt, [dots | {"marker": marker}], layout, height=270)


def _scale_words(parameter: Parameter) -> str:
    return f"{short(parameter.key.rpartition('.')[2])} ({parameter.domain.name} scale)"


def _point(found: Results, trial: TrialRecord, keys: Sequence[str]) -> str:
    told = "<br>".join(f"{plain(key.rpartition('.')[2])} {plain(setting(trial['values'][key]))}" for key in keys)
    return f"trial {trial['number']}: {found.told(trial)}<br>{told}"


def ranked_importances(found: Results) -> list[Importance]:
    """Most important first; none where there are too few trials, or chance explains all."""
    trials = comparable(found.plan, found.trials)
    if len(trials) < FEWEST_COMPARED:
        return []
    results = [(t["values"], float("nan") if t["metric"] is None else t["metric"]) for t in trials]
    items = importances(found.space, results, found.config.optimizer.name)
    return items if any(item.share for item in items) else []


def importance_chart(items: Sequence[Importance]) -> Chart:
    """A bar a parameter, with the order they usually matter in as a table."""
    labels = [f"{short(item.key)} " for item in items]
    bars = {"type": "bar", "orientation": "h", "x": [item.share for item in items], "y": list(range(len(items))),
            "marker": {"color": BLUE}, "width": 0.6, "hoverinfo": "x"}  # fmt: skip
    lanes = {"autorange": "reversed", "tickvals": list(range(len(items))), "ticktext": labels, "automargin": True}
    layout = {
        "xaxis": axis("share", percent=True, rangemode="tozero"),
        "yaxis": lanes,
    }
    rows = [[i.key, percent(i.share), USUAL_ORDER.get(i.usual or 0, "–"), i.note or "–"] for i in items]
    numbers = table(
        "Importance beside the usual order", ["parameter", "share", "usually", "note"], rows, words=(0, 2, 3)
    )
    told = ", ".join(f"{item.key} {percent(item.share)}" for item in items)
    note = (
        f"How unlike the settings of the best {BEST_SHARE:.0%} are to those of all trials that were drawn from the "
        "whole space and trained equally long (PED-ANOVA)."
    )
    return Chart(
        "Which parameters mattered", f"Importance: {told}.", [bars], layout, note, numbers, 90 + 34 * len(items)
    )


def usual_order(items: Sequence[Importance]) -> Markup:
    """Where this search and the usual order disagree."""
    return join([listing(f"{item.key} {item.note}." for item in items if item.note)])


def pair_chart(found: Results, items: Sequence[Importance]) -> Chart | None:
    """The two parameters that mattered most, against each other; None where there are not two."""
    by_key = {parameter.key: parameter for parameter in found.space.parameters}
    keys = [item.key for item in items if item.share > 0][:2]
    if len(keys) < 2:
        return None
    trials = [trial for trial in found.ranked[::-1] if all(trial["values"][key] is not None for key in keys)]
    x, y = ([place(by_key[key], trial["number"], trial["values"][key]) for trial in trials] for key in keys)
    names = [_point(found, trial, keys) for trial in trials]
    marker = {**_ranked_colours(found, trials), "size": 10, "line": {"width": 0.5, "color": "#ffffff"}}
    dots = points("trials", x, y, BLUE, text=names, hoverinfo="text", showlegend=False) | {"marker": marker}
    layout = {"xaxis": scale_axis(by_key[keys[0]]), "yaxis": scale_axis(by_key[keys[1]])}
    alt = f"Trials over {keys[0]} and {keys[1]}, coloured by rank."
    note = "Warm colours are the best trials, grey the worst."
    return Chart("The two that mattered most", alt, [dots], layout, note, height=400)


def zoom_charts(found: Results) -> list[Chart]:
    """For each parameter the box that each stage drew from, and the trials; nothing without stages."""
    stages = found.record.get("stages") or []
    return [_zoom(found, parameter, stages) for parameter in found.space.parameters] if stages else []


def _zoom(found: Results, parameter: Parameter, stages: Sequence[Stage]) -> Chart:
    trials = [trial for trial in found.ranked[::-1] if trial["values"][parameter.key] is not None]
    y = [place(parameter, trial["number"], trial["values"][parameter.key]) for trial in trials]
    names = [_point(found, trial, [parameter.key]) for trial in trials]
    dots = points("trials", [t["number"] for t in trials], y, BLUE, text=names, hoverinfo="text", showlegend=False)
    dots |= {"marker": {**_ranked_colours(found, trials), "size": 6}}
    ends = [*(stage["first"] for stage in stages[1:]), max(t["number"] for t in found.trials) + 1]
    shapes = [_box(-0.5, stages[0]["first"] - 0.5, -0.02, 1.02)]
    for stage, end in zip(stages, ends, strict=True):
        change = next(change for change in stage["changes"] if change["key"] == parameter.key)
        shapes += [_box(stage["first"] - 0.5, end - 0.5, *sides) for sides in _sides(parameter, change["new"])]
    layout = {"xaxis": trial_axis(found), "yaxis": scale_axis(parameter, ""), "shapes": shapes}
    last = stages[-1]["changes"]
    left = next(f"{setting(c['new'])}: {c['why']}" for c in last if c["key"] == parameter.key)
    return Chart(
        parameter.key,
        f"Boxes of {len(stages)} stages for {parameter.key}; the last is {left}.",
        [dots],
        layout,
        height=260,
    )


def _sides(parameter: Parameter, new: Sequence[Any]) -> list[tuple[float, float]]:
    """Low and high of a box on the axis; of choices, one around each."""
    units = [parameter.domain.to_unit(value) for value in new]
    count = parameter.domain.count
    if hasattr(parameter.domain, "low"):
        half = 0.5 / count if count else 0.0
        return [(units[0] - half, units[1] + half)]
    half = 0.4 / (count or 1)
    return [(unit - half, unit + half) for unit in units]


def _box(x0: float, x1: float, y0: float, y1: float) -> Plotly:
    return {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "layer": "below",
            "line": {"color": ORANGE, "width": 1.5}, "fillcolor": "rgba(199,112,15,0.10)"}  # fmt: skip
