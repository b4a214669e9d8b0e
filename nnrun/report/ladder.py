"""The ladder of errors, from what anybody must get wrong to the test set, and the steps between."""

from __future__ import annotations

from nnrun.narration import percent
from nnrun.report.charts import BLUE, Chart, axis
from nnrun.report.html import Markup, table, tag
from nnrun.verdict import RULES, Verdict, name, points, wilson


def ladder_chart(verdict: Verdict) -> Chart:
    """A bar for each set with its 95% interval, base at the top."""
    parts = list(verdict.errors)
    errors = list(verdict.errors.values())
    labels = [f"{name(part)}  <b>{percent(error)}</b> " for part, error in verdict.errors.items()]
    bars = {
        "type": "bar", "orientation": "h", "x": errors, "y": list(range(len(parts))),
        "marker": {"color": BLUE}, "width": 0.55, "showlegend": False,
        "hoverinfo": "x",
        "error_x": {"type": "data", "symmetric": False, **_intervals(verdict), "thickness": 1.5, "color": "#8a9199"},
    }  # fmt: skip
    layout = {
        "xaxis": axis("error", percent=True, rangemode="tozero"),
        "yaxis": {"autorange": "reversed", "automargin": True, "tickvals": list(range(len(parts))), "ticktext": labels},
    }
    told = ", ".join(f"{name(part)} {percent(error)}" for part, error in verdict.errors.items())
    note = "With 95% intervals where the sizes of the sets are known." if verdict.sizes else ""
    height = 70 + 46 * len(parts)
    return Chart("From base to test", f"Errors of the sets: {told}.", [bars], layout, note, height=height)


def _intervals(verdict: Verdict) -> dict[str, list[float]]:
    ends = []
    for part, error in verdict.errors.items():
        size = verdict.sizes.get(part)
        ends.append(wilson(error, size) if size else (error, error))
    errors = verdict.errors.values()
    return {
        "array": [max(0.0, high - error) for (_, high), error in zip(ends, errors, strict=True)],
        "arrayminus": [max(0.0, error - low) for (low, _), error in zip(ends, errors, strict=True)],
    }


def steps_table(verdict: Verdict) -> Markup:
    """Each gap with its interval, its judgement and what it means."""
    rows = [
        [
            RULES[kind].word,
            f"{name(gap.start)} → {name(gap.end)}",
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
