"""Which columns matter: by how much the error rises on dev when each is shuffled, and what is to be known of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnrun.errors import NnrunError
from nnrun.models.importance.measuring import WORK, ColumnImportance, Importance, importance_of
from nnrun.models.importance.telling import GROUPS_SHOWN, alike_words, leak_words, rise_cells, surely
from nnrun.models.trained import Trained
from nnrun.report.page.charts import BLUE, ORANGE, Chart, axis, short, shorts
from nnrun.report.page.html import Markup, listing, paragraph, table, tag
from nnrun.report.page.page import Section, left_out
from nnrun.report.run.examples import shape_of
from nnrun.runs.grouped import LEVEL
from nnrun.text import metric_name, number, sentence_case

SHOWN = 20
DIVERGING = [(0.0, BLUE), (0.5, "#f5f5f2"), (1.0, ORANGE)]
SHARE = 20  # of the work that `nnrun evaluate --importance` may take: a report is made in seconds
TITLE = "Which columns matter"


def importance_section(run: Trained) -> Section:
    """The columns that matter most, each with its interval; which hold the same, and which may be leaks."""
    try:
        found = importance_of(run, work=WORK // SHARE)
    except NnrunError as error:
        return left_out(TITLE, f"{error}.")
    shape = shape_of(run.dataset.fitted)
    if shape:  # pixels next to each other always hold the same
        return Section(TITLE, [_picture(found, shape)])
    parts: list[Markup | Chart] = [_chart(found), paragraph(f"{sentence_case(surely(found))}.")]
    told = [alike_words(group) for group in found.groups[:GROUPS_SHOWN]]
    if told:
        parts += [tag("h3", "Columns that hold the same"), listing(told)]
    if found.leaks:
        target = found.model.target.name
        parts += [tag("h3", "Possible leaks"), listing(leak_words(leak, target) for leak in found.leaks)]
    return Section(TITLE, parts)


def _chart(found: Importance) -> Chart:
    shown, error = found.columns[:SHOWN], metric_name("error", found.model.error_kind)
    below = [own["error"] - own["error_low"] for own in shown]
    above = [own["error_high"] - own["error"] for own in shown]
    spread = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.5,
              "color": "#8a9199"}  # fmt: skip
    bars = {"type": "bar", "orientation": "h", "x": [own["error"] for own in shown], "y": list(range(len(shown))),
            "marker": {"color": BLUE}, "error_x": spread, "text": _words(shown), "textposition": "none",
            "hoverinfo": "text", "showlegend": False}  # fmt: skip
    names = shorts(own["column"] for own in shown)
    layout = {
        "xaxis": axis(f"rise of the {error}", percent=True),
        "yaxis": axis("", tickvals=list(range(len(shown))), ticktext=names, autorange="reversed"),
    }
    note = (
        f"By how much the {error} rises on dev when the values of a column are given to other rows, with {LEVEL:.0%} "
        f"intervals, over {number(found.rows)} rows and {found.rounds} values each. The network stays as it is: "
        "what it has not learned to use, or takes from another column, seems not to matter."
    )
    if more := len(found.columns) - len(shown):
        note += f" The {len(shown)} highest of {len(shown) + more:,} columns."
    heads = ["column", f"{error}, points", f"{LEVEL:.0%} interval", "loss"]
    numbers = table("What shuffling a column does", heads, [[own["column"], *rise_cells(own)] for own in found.columns])
    alt = f"Bars of {len(shown)} columns by how much the {error} rises without their order. {note}"
    return Chart("What shuffling a column does", alt, [bars], layout, note, numbers, height=90 + 24 * len(shown))


def _picture(found: Importance, shape: tuple[int, int, int]) -> Chart:
    """Images: by how much the loss rises without each pixel, all channels of it together."""
    height, width, channels = shape
    rises = {own["column"]: own["loss"] for own in found.columns}
    pixels = np.array([rises[column.name] for column in found.model.columns]).reshape(height, width, channels)
    z = pixels.sum(axis=2)
    limit = float(np.abs(z).max()) or 1.0
    trace = {"type": "heatmap", "z": z.tolist(), "zmin": -limit, "zmax": limit, "colorscale": DIVERGING,
             "hovertemplate": "row %{y}, column %{x}: %{z:.3g}<extra></extra>",
             "colorbar": {"title": {"text": "loss"}}}  # fmt: skip
    layout = {
        "xaxis": axis("", visible=False, constrain="domain"),
        "yaxis": axis("", visible=False, autorange="reversed", scaleanchor="x", constrain="domain"),
    }
    note = (
        f"By how much the loss rises on dev when a pixel is given to other images, over {found.rows:,} images and "
        f"{found.rounds} values each."
    )
    return Chart("What shuffling a pixel does", note, [trace], layout, note, height=380)


def _words(shown: Sequence[ColumnImportance]) -> list[str]:
    told = ((short(own["column"]), *rise_cells(own)) for own in shown)
    return [f"{name}: {rise} points ({ends}), loss {loss}" for name, rise, ends, loss in told]
