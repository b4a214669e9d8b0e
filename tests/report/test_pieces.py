"""The pieces of a page, each with an example that can be worked out by hand."""

from __future__ import annotations

import ast
import base64
import hashlib
import html
import json
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.config.space.domains import DOMAINS
from nnrun.config.space.intervals import Domain, Uniform
from nnrun.config.space.space import Parameter, Space
from nnrun.data.files.content import Framed
from nnrun.data.files.table import Table
from nnrun.data.fitted import Fitted
from nnrun.engine.parameters import Array
from nnrun.insight.diagnosis.regions import Mistakes
from nnrun.report.page.charts import (
    PALETTE,
    Chart,
    bin_edges,
    colour,
    dash,
    kept,
    log_axis,
    plain,
    shorts,
    under_legend,
)
from nnrun.report.page.html import Markup, Sortable, paragraph, table, tag
from nnrun.report.page.page import BUNDLE, LICENCES, Grid, Page, Section, as_data
from nnrun.report.run.curves import curve_charts, epoch_axis, series, statistics_charts, weights_chart
from nnrun.report.run.errors import _slices, by_lot, ladder_chart
from nnrun.report.run.examples import _dots, brightness, png, shape_of, worst
from nnrun.report.run.quality import Classified, Estimated, calibration_chart, confusion_part, scatter_chart
from nnrun.report.run.steps import steps_chart
from nnrun.report.run.thresholds import threshold_section
from nnrun.report.search.parameters import parallel_chart
from nnrun.report.search.results import Results, best_so_far_charts, curves_chart, survivors_chart, value_axis
from nnrun.report.search.scales import ABOVE, BELOW, exact_place, place, stops, ticks
from nnrun.runs.lineage import Course
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import judge
from nnrun.search.plan import Plan
from nnrun.search.record import SearchRecord
from nnrun.search.stored import StoredSearch

ROOT = Path(__file__).parents[2]
STYLE = ROOT / "nnrun/report/assets/page.css"
UPLOT = ROOT / "nnrun/watching/assets/uPlot.iife.min.js"
CURVES = UPLOT.with_name("curves.js")
NOT_TRACES = {"log", "line", "rect", "data"}  # kinds of axes, shapes and error bars, which plotly.js calls types too


# text and markup


def test_text_is_escaped_once_and_markup_is_kept() -> None:
    assert tag("p", "a < b", tag("b", "&")) == "<p>a &lt; b<b>&amp;</b></p>"
    assert tag("a", href='"><img src=x>') == '<a href="&quot;&gt;&lt;img src=x&gt;"></a>'


def test_an_attribute_of_zero_is_written_and_one_of_none_is_not() -> None:
    assert tag("td", data_value=0, cls=None, hidden=False) == '<td data-value="0"></td>'


def test_the_cells_of_a_table_say_what_they_are_sorted_by() -> None:
    written = table("runs", ["run", "error"], [["a", Sortable("1.0%", 0.01)], ["b", Sortable("–", None)]])
    assert '<td class="number" data-value="0.01">1.0%</td>' in written
    assert '<td class="number" data-value="">–</td>' in written


def test_a_long_heading_wraps_and_lies_over_no_number() -> None:
    name = "accepted after a long consideration by the committee of experts"
    written = table("classes", ["class", name], [[name, "1.0%"], ["refused", "2.0%"]])
    assert f'<th scope="col" class="long">{name}</th>' in written
    assert f'<th scope="row" class="long">{name}</th>' in written
    assert '<th scope="row">refused</th>' in written


def test_labels_of_charts_hold_no_tag() -> None:
    assert plain("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"


def test_long_names_that_begin_alike_stay_apart() -> None:
    alike = [f"a rather long species name of plants number {i}" for i in (1, 12)]
    assert shorts([*alike, "refused", "accepted after a long consideration"]) == [
        "a rather lo…nts number 1", "a rather lo…ts number 12", "refused", "accepted after a long c…",
    ]  # fmt: skip


def test_data_cannot_end_its_script() -> None:
    written = as_data({"name": "</script><script>alert(1)</script><!--"})
    assert "<" not in written
    assert json.loads(written) == {"name": "</script><script>alert(1)</script><!--"}


def test_the_policy_names_the_scripts_that_stand_in_the_page_and_nothing_from_elsewhere() -> None:
    chart = Chart("losses", "falling", [{"type": "scatter", "x": [1], "y": [2]}])
    page = Page("a < b", paragraph("lead"), [Section("First", [chart])], "foot").render()
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0])
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in page
    assert re.findall(r"script-src ([^;]*)", policy) == [" ".join(f"'sha256-{digest}'" for digest in digests)]
    assert "<title>a &lt; b</title>" in page
    assert re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="(?!data:)', page) == []


def test_a_page_without_charts_leaves_plotly_out() -> None:
    page = Page("empty", paragraph("nothing"), [Section("First", [paragraph("text")])], "foot").render()
    assert len(page) < 30_000 < BUNDLE.stat().st_size


def test_numbers_in_charts_have_the_digits_that_are_seen() -> None:
    written = as_data({"y": (1 / 3, 1e-9 / 3, float("nan"), 123_456_789, True)})
    assert json.loads(written) == {"y": [0.33333333, 3.3333333e-10, None, 123_456_789, True]}


# plotly.js


def test_every_chart_that_a_page_may_hold_is_in_the_bundle(bundled_traces: set[str]) -> None:
    """Looks at whatever is called a type in the code that makes charts, of reports and of the gallery."""
    sources = [*(ROOT / "nnrun/report").rglob("*.py"), *(ROOT / "docs/lessons").glob("*.py")]
    kinds = {kind for path in sources for kind in types_in(path.read_text(encoding="utf-8"))}
    assert kinds - NOT_TRACES == bundled_traces


def types_in(source: str) -> set[object]:
    """Values of the key or the keyword `type`."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found += [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "type"]
        if isinstance(node, ast.Call):
            found += [keyword.value for keyword in node.keywords if keyword.arg == "type"]
    return {value.value if isinstance(value, ast.Constant) else ast.unparse(value) for value in found if value}


def test_the_bundle_cannot_end_the_element_that_it_stands_in() -> None:
    assert re.search(r"</script|<!--", BUNDLE.read_text(encoding="utf-8"), re.IGNORECASE) is None


def test_the_bundle_is_the_one_that_the_lock_names_and_comes_with_its_licences() -> None:
    packages = json.loads((ROOT / "tools/charts/package-lock.json").read_text(encoding="utf-8"))["packages"]
    version = packages["node_modules/plotly.js"]["version"]
    licences = LICENCES.read_text(encoding="utf-8")
    assert BUNDLE.read_text(encoding="utf-8").startswith(f"/* plotly.js {version} (MIT)")
    assert f"## plotly.js {version} (MIT)" in licences
    assert "Permission is hereby granted" in licences


@pytest.mark.parametrize("render", [Page.render, Page.bare])
def test_who_is_sent_a_page_has_the_licences_of_what_draws_its_charts(render: Callable[[Page], str]) -> None:
    chart = Chart("losses", "falling", [{"type": "scatter", "x": [1], "y": [2]}])
    comments = re.findall(r"<!--\n(.*?)--!?>", render(Page("", Markup(""), [Section("First", [chart])], "")), re.DOTALL)
    assert comments == [LICENCES.read_text(encoding="utf-8")]
    assert "<!--" not in render(Page("", Markup(""), [Section("First", [])], ""))


def test_uplot_is_the_one_that_the_lock_names_and_comes_with_its_licence() -> None:
    packages = json.loads((ROOT / "tools/charts/package-lock.json").read_text(encoding="utf-8"))["packages"]
    version = packages["node_modules/uplot"]["version"]
    begin = UPLOT.read_text(encoding="utf-8").splitlines()[0]
    licence = UPLOT.with_name("uplot.licenses.md").read_text(encoding="utf-8")
    assert begin == f"/*! https://github.com/leeoniya/uPlot (v{version}) */"
    assert f"## uplot {version} (MIT)" in licence
    assert "Permission is hereby granted" in licence


# colours


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2.1 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def themes() -> list[dict[str, str]]:
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", STYLE.read_text())
    return [dict(re.findall(r"(--\w+): (#\w{6})", block)) for block in blocks]


def test_text_stands_out_in_both_themes() -> None:
    """WCAG 2.1 AA: 4.5 to 1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    light, by_choice_of_system, dark = themes()
    assert dark == by_choice_of_system
    for theme in (light, dark):
        for text in ("--ink", "--quiet", "--link", "--high", "--unclear", "--low"):
            for ground in ("--page", "--card"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)


def test_lines_stand_out_in_both_themes() -> None:
    """WCAG 2.1 for graphics: 3 to 1."""
    for theme in (themes()[0], themes()[2]):
        for each in PALETTE:
            assert contrast(each, theme["--card"]) >= 3, each


def test_words_of_a_card_stand_out_on_light_and_dark_ground_of_somebody_else() -> None:
    """No colour has 4.5 to 1 on both, as text needs it, so the colour is that of a line below, which needs 3 to 1."""
    rules = re.findall(
        r"td ([^{]*\.high[^{]*|\.unclear|\.low) \{([^}]*)\}", (ROOT / "nnrun/report/assets/card.css").read_text()
    )
    lines = [code for _, rule in rules for code in re.findall(r"text-decoration-color: (#\w{6})", rule)]
    assert len(lines) == 3
    assert not any(re.search(r"(?<!-)color:", rule) for _, rule in rules)
    for code in lines:
        assert min(contrast(code, "#ffffff"), contrast(code, "#111111")) >= 3, code


SEEN = {  # linear red, green and blue → what somebody sees (Machado, Oliveira & Fernandes 2009)
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def lab(code: str, seen: object) -> Array:
    """L*, a* and b* (CIE 1976) of what is seen of #rrggbb, D65."""
    parts = np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ np.clip(np.asarray(seen) @ linear, 0, 1) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_lines_of_the_same_dashes_are_told_apart_by_the_colour_blind() -> None:
    """A difference of 10 in CIE L*a*b* is seen on a thin line. Of 32 lines none has another's colour and dashes."""
    looks = [(dash(i), colour(i)) for i in range(32)]
    assert len(set(looks)) == 32
    for (one, first), (other, second) in combinations(looks[:16], 2):
        for who, seen in SEEN.items():
            apart = np.linalg.norm(lab(first, seen) - lab(second, seen))
            assert one != other or apart >= 10, (who, first, second)


def test_the_page_of_watch_has_the_same_colours_and_dashes() -> None:
    """For plotly.js a dash of a thin line is 9 pixels long and a dot 3."""
    script = CURVES.read_text(encoding="utf-8")
    few, told_apart = (int(re.findall(rf"{name} = (\d+)", script)[0]) for name in ("FEW", "TOLD_APART"))
    of_train, of_dev = (json.loads(found) for found in re.findall(r"dashes: (.*), width", script))
    assert tuple(json.loads(re.findall(r"PALETTE = (\[.*?\])", script)[0])) == PALETTE
    pixels = {"solid": [], "dash": [9, 9], "dashdot": [9, 3, 3, 3]}
    assert [of_dev[i // told_apart] for i in range(few)] == [pixels[dash(i)] for i in range(few)]
    assert len(set(map(tuple, of_train + of_dev))) == 2 * few / told_apart


# curves


def test_a_short_curve_is_kept_whole_and_a_long_one_keeps_its_extremes() -> None:
    assert kept([3.0, 1.0, 2.0], most=3) == [0, 1, 2]
    values = [0.0] * 1000
    values[417], values[700] = 9.0, -9.0
    chosen = kept(values, most=20)
    assert len(chosen) <= 20
    assert {0, 417, 700, 999} <= set(chosen)


def test_a_stretch_without_numbers_is_skipped() -> None:
    values: list[float | None] = [None] * 500 + [1.0] * 500
    assert all(values[i] is not None for i in kept(values, most=50)[1:])


def test_a_curve_is_drawn_as_it_was_recorded() -> None:
    """An average from one side would be up to twice as large as a loss that falls by half each epoch."""
    losses = [2.0**-i + 0.001 * (i % 2) for i in range(100)]
    trace = series("loss", [{"epoch": i + 1, "loss": loss} for i, loss in enumerate(losses)], "loss", "#000000")
    assert trace["x"] == list(range(1, 101))
    assert trace["y"] == losses
    assert "opacity" not in trace


def test_a_rate_has_a_chart_where_a_schedule_changed_it() -> None:
    rows = [{"epoch": i + 1, "cost": 1.0, "learning_rate": 0.1} for i in range(5)]
    rows = [row | {f"{part}_{name}": 0.5 for part in ("train", "dev") for name in ("error", "loss")} for row in rows]
    titles = [chart.title for chart in curve_charts(Course(rows, []), 1, [], "error", {"rows": {}})]
    assert titles == ["Loss and cost", "Error"]
    rows[-1]["learning_rate"] = 0.05
    assert [chart.title for chart in curve_charts(Course(rows, []), 1, [], "error", {"rows": {}})] == [
        *titles,
        "Learning rate",
    ]


def test_points_at_the_first_and_the_last_epoch_are_whole() -> None:
    start, end = epoch_axis([{"epoch": epoch} for epoch in range(1, 11)])["range"]
    assert start < 1
    assert end > 10
    one = epoch_axis([{"epoch": 1}])
    assert (one["range"], one["tickvals"]) == ([0.5, 1.5], [1])


def test_few_epochs_and_steps_have_whole_ticks() -> None:
    rows = [{"epoch": epoch, "step": 2 * epoch, "step_losses": [1.0, 0.5]} for epoch in range(1, 41)]
    steps = [chart.layout["xaxis"] for chart in (steps_chart(rows[:2]), steps_chart(rows)) if chart]
    for few, many in ([epoch_axis(rows[:3]), epoch_axis(rows)], steps):
        assert few["dtick"] == 1
        assert "dtick" not in many
        assert "d" not in many["tickformat"], "halves, where it is zoomed into, are no wholes"


def test_steps_of_an_epoch_are_told_also_where_the_batches_change() -> None:
    rows = [{"epoch": 1, "step": 2, "step_losses": [1.0, 0.5]}, {"epoch": 2, "step": 3, "step_losses": [0.4]}]
    same, other = steps_chart(rows[:1]), steps_chart(rows)
    assert same and other
    assert "; 2 steps an epoch." in same.note
    assert "; 1 to 2 steps an epoch." in other.note


def test_weights_of_all_layers_are_counted_in_the_same_bins() -> None:
    """A layer of 0s and 1s beside one of 0s and 9s: with bins of its own, each would fill its first and its last."""
    chart = weights_chart({"dense1.W": np.array([[0.0, 1.0] * 50]), "output.W": np.array([[0.0, 9.0] * 50])})
    one, other = chart.data
    assert one["x"] == other["x"]
    assert [at for at, share in zip(one["x"], one["y"], strict=True) if share] == pytest.approx([0.45, 1.35])
    assert [at for at, share in zip(other["x"], other["y"], strict=True) if share] == pytest.approx([0.45, 8.55])


def test_the_spread_of_weights_that_run_away_is_told() -> None:
    """Squares of 3e19 are beyond float32."""
    chart = weights_chart({"dense1.W": np.full((4, 4), 3e19, np.float32) * np.sign(np.arange(16) - 7.5).reshape(4, 4)})
    assert chart.note == "dense1: 16 weights, deviation 3e+19, largest 3e+19."


def test_an_axis_of_many_decades_has_about_ten_numbers() -> None:
    found = [log_axis("loss", [low, high])["dtick"] for low, high in ((1, 9), (1, 1e10), (1e-4, 1e34), (5e-324, 1e300))]
    assert found == ["D2", 1, 4, 63]


@pytest.mark.parametrize(
    "values", [[3.0], [0.0, 0.0], [1e308, 1e308], [1.0, 1.0 + 2**-52], [-1e-320, 1e-320], [1e308, -5e307], [-4.0, 9.0]]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bins_hold_values_however_near_they_are(values: list[float], dtype: str) -> None:
    numbers = np.clip(values, np.finfo(dtype).min, np.finfo(dtype).max).astype(dtype)
    edges = bin_edges([numbers], 40)
    assert len(edges) == 41
    assert (np.diff(edges) > 0).all()
    assert np.histogram(numbers, edges)[0].sum() == len(values)


def test_the_layers_of_a_deep_network_are_a_map() -> None:
    """Nine layers are told by colour, the power of ten; what is 0 stays blank."""
    layers = {f"dense{i}": {"gradient_norm": 10.0**-i if i < 9 else 0.0} for i in range(1, 10)}
    (chart,) = statistics_charts([{"epoch": 1, "layers": layers}])
    (trace,) = chart.data
    assert trace["type"] == "heatmap"
    assert [row[0] for row in trace["z"][:3]] == pytest.approx([-1, -2, -3])
    assert trace["z"][8][0] is None


# predictions


def classified() -> Classified:
    """Four dev examples: a taken for b twice, once nearly certainly."""
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.05, 0.95], [0.3, 0.7]])
    return Classified(["a", "b"], np.array([0, 0, 0, 1]), p.argmax(axis=1), p)


def test_the_confusions_are_counted() -> None:
    written = confusion_part(classified())
    assert "a taken for b: 2 times, 66.7% of a" in written
    assert "Most frequent mistakes (2 in all)" in written


def test_many_classes_have_no_matrix_but_their_confusions() -> None:
    names = [f"class {i}" for i in range(30)]
    of = Classified(names, np.array([3]), np.array([5]), np.eye(30)[[5]])
    assert 'class="matrix"' not in confusion_part(of)
    assert "class 3 taken for class 5: once" in confusion_part(of)


def test_classes_that_begin_alike_are_told_apart_in_legends_that_leave_a_plot_its_height() -> None:
    classes = [f"Department of waterways and shipping, office no. {k}" for k in range(12)]
    p = np.random.default_rng(0).dirichlet(np.ones(12), 60)
    of = Classified(classes, np.arange(60) % 12, p.argmax(axis=1), p)
    (charts,) = threshold_section(of, None).parts
    assert isinstance(charts, Grid)
    names = [name.replace("Department of waterways and shipping, ", "Department …") for name in classes]
    names[10:] = ["Department …ffice no. 10", "Department …ffice no. 11"]
    for chart in charts.charts:
        assert [trace["name"] for trace in chart.data[-12:]] == names
        assert [trace["text"][-1].partition(" from ")[0] for trace in chart.data[-12:]] == names
        assert chart.height == 340 + 12 * 19, (
            "plotly.js takes a legend's lines from the plot, of which 75 pixels were left"
        )
    assert [trace["name"] for trace in _dots(of, p[:, :2], "dev")] == names
    assert under_legend(340, ["a guess", "0", "1"]) == 340


def test_a_network_that_says_one_probability_for_all_has_a_point_of_precision() -> None:
    p = np.tile([0.2, 0.5, 0.3], (6, 1))
    (charts,) = threshold_section(Classified(["a", "b", "c"], np.arange(6) % 3, p.argmax(axis=1), p), None).parts
    assert isinstance(charts, Grid)
    roc, precision = charts.charts
    assert {trace["mode"] for trace in roc.data} == {"lines"}
    assert {trace["mode"] for trace in precision.data} == {"markers"}


def test_the_worst_mistakes_come_first() -> None:
    assert worst(classified()).tolist() == [2, 1]
    assert worst(Estimated(np.array([1.0, 2.0, 3.0]), np.array([1.5, 0.0, 3.0]))).tolist() == [1, 0, 2]


def test_of_many_predictions_one_in_two_is_drawn() -> None:
    true = np.arange(6400.0)
    assert scatter_chart(Estimated(true, true + 1.0), "price").note.endswith(" One in 2 of 6,400 examples is drawn.")


def test_calibration_is_measured_in_fifteenths() -> None:
    """Sure by 0.9, 0.6, 0.95, 0.7; right, wrong, wrong, right.

    0.9 (bin 13) and 0.95 (bin 14) stand apart: |0.9 − 1|/4 + |0.95 − 0|/4 + |0.6 − 0|/4 + |0.7 − 1|/4 = 0.4875.
    """
    chart = calibration_chart(classified(), 1.0)
    assert "Expected calibration error 48.8 points" in chart.note
    assert "temperature" not in chart.note
    assert "at temperature 1.5, fitted on dev" in calibration_chart(classified(), 1.5).note
    assert chart.data[1]["x"] == pytest.approx([0.6, 0.7, 0.9, 0.95])
    assert chart.data[1]["y"] == pytest.approx([0, 1, 1, 0])


def test_bars_of_calibration_know_of_groups() -> None:
    """Eight copies of each row are a group."""
    p = np.tile([0.8, 0.2], (96, 1))
    rows = Classified(["a", "b"], np.repeat([0, 0, 1] * 4, 8), p.argmax(axis=1), p)
    plain, grouped = (calibration_chart(of, 1.0) for of in (rows, replace(rows, groups=np.repeat(np.arange(12), 8))))
    one = calibration_chart(classified(), 1.0).data[1]["text"][0]
    assert one == "1 example: 60.0% sure, 0.0% right"
    bars = [chart.data[1]["error_y"]["arrayminus"][0] for chart in (plain, grouped)]
    assert bars[1] > 2 * bars[0]
    assert "groups" in grouped.note and "groups" not in plain.note


def test_the_ladder_says_what_rows_in_groups_count_as() -> None:
    verdict = judge({"base": 0.0, "train": 0.1, "dev": 0.2}, {"train": 700, "dev": 84}, 0.015)
    assert "groups" not in ladder_chart(verdict).note
    grouped = replace(verdict, rows={"dev": 240})
    assert ladder_chart(grouped).note.endswith("the dev set counts as 84 of 240 examples.")


def test_what_is_pointed_at_on_the_ladder_tells_an_interval_where_one_is_known() -> None:
    errors = {"base": 0.0, "train": 0.05, "dev": 0.1}
    (bars,) = ladder_chart(judge(errors, {"train": 700, "dev": 84}, 0.015), "error").data
    assert bars["hovertext"] == ["base 0.0%", "train 5.0%, 95% 3.6% to 6.9%", "dev 10.0%, 95% 5.2% to 18.3%"]
    regression = ladder_chart(judge(errors, {"train": 700, "dev": 84}, 0.015, proportions=False), "1 − R²")
    assert (regression.data[0]["hovertext"][2], regression.data[0]["hoverinfo"]) == ("dev 10.0%", "text")
    assert regression.layout["xaxis"]["title"]["text"] == "1 − R²"


def test_a_picture_is_a_png() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    content = png(image)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (3, 2)
    length = struct.unpack(">I", content[33:37])[0]
    assert zlib.decompress(content[41 : 41 + length]) == b"\x00\x00\x01\x02\x00\x03\x04\x05"


@pytest.mark.parametrize(("channels", "kind"), [(1, 0), (3, 2), (4, 6)])  # kinds of ISO/IEC 15948, 11.2.1
def test_pictures_are_grey_or_coloured_with_alpha_or_without(channels: int, kind: int) -> None:
    image = np.arange(6 * channels, dtype=np.uint8).reshape(2, 3, channels)
    content = png(image)
    assert content[25] == kind
    lines = np.frombuffer(zlib.decompress(content[41 : -(4 + 12)]), np.uint8).reshape(2, -1)
    assert np.array_equal(lines[:, 1:].reshape(image.shape), image)
    assert (
        shape_of(Fitted({"source": "x.npz", "image": [2, 3, channels], "means": [0.0] * 6 * channels})) == image.shape
    )


def test_two_channels_are_drawn_as_red_and_green() -> None:
    """Not the second as transparency, which would show the colour of the page."""
    raw = np.array([[0.0, 1.0, 1.0, 0.0, 0.5, 0.5]])
    assert shape_of(Fitted({"source": "x.npz", "image": [1, 3, 2], "means": [0.0] * 6})) == (1, 3, 2)
    (image,) = brightness(raw, (1, 3, 2))
    assert image.tolist() == [[[0, 255, 0], [255, 0, 0], [128, 128, 0]]]
    assert png(image)[25] == 2


def test_rows_are_images_only_where_their_shape_fits() -> None:
    assert shape_of(Fitted({"source": "digits", "means": [0.0] * 64})) == (8, 8, 1)
    assert shape_of(Fitted({"source": "x.npz", "image": [2, 2, 3], "means": [0.0] * 12})) == (2, 2, 3)
    assert shape_of(Fitted({"source": "x.npz", "image": [2, 2, 3], "means": [0.0] * 11})) is None
    assert shape_of(Fitted({"source": "iris", "means": [0.0] * 4})) is None


# searches


@pytest.mark.parametrize(
    ("name", "written", "words"),
    [
        ("log", [1e-4, 1], ["0.0001", "0.001", "0.01", "0.1", "1"]),
        ("log", [0.01, 0.2], ["0.01", "0.02", "0.05", "0.1", "0.2"]),
        ("one_minus_log", [0.9, 0.999], ["0.9", "0.99", "0.999"]),
        ("uniform", [0, 0.5], ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("uniform", [0, 0.3], ["0", "0.1", "0.2", "0.3"]),
        ("uniform", [0.3, 0.6], ["0.3", "0.4", "0.5", "0.6"]),
        ("int", [2, 4], ["2", "3", "4"]),
        ("int", [50, 100], ["50", "60", "70", "80", "90", "100"]),
        ("quantized", [0.0, 0.5, 0.1], ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("choice", ["adam", "<b>"], ["adam", "&lt;b&gt;"]),
        ("choice", [True, False], ["true", "false"]),
        ("choice", [[64] * 8, [64] * 7 + [16]], ["[64, 64, 64… 64, 64, 64]", "[64, 64, 64… 64, 64, 16]"]),
        (
            "choice",
            [{"name": "inverse_time", "rate": rate} for rate in (0.02, 2.0)],
            ["{name: inve… rate: 0.02}", "{name: inve…, rate: 2.0}"],
        ),
    ],
)
def test_scales_name_round_values(name: str, written: list[object], words: list[str]) -> None:
    domain = DOMAINS[name].of(written)
    places, shown = ticks(domain)
    assert shown == words
    assert places == sorted(places)
    assert all(0 <= at <= 1 for at in places)


def test_whole_numbers_on_a_log_scale_are_all_named_where_they_are_few() -> None:
    assert ticks(DOMAINS["int_log"].of([1, 4]))[1] == ["1", "2", "3", "4"]


class Thirds(Uniform):
    """A made-up range."""

    def marks(self) -> list[float]:
        """The ends and two between."""
        return [self.low, (2 * self.low + self.high) / 3, (self.low + 2 * self.high) / 3, self.high]


def test_a_new_range_says_itself_what_its_axis_names() -> None:
    assert ticks(Thirds(0.0, 3.0)) == ([0, 1 / 3, 2 / 3, 1], ["0", "1", "2", "3"])
    assert "marks" in Domain.__abstractmethods__, "one that does not say is none"


def test_a_value_outside_of_the_space_is_drawn_beside_it() -> None:
    rate = Parameter("optimizer.learning_rate", DOMAINS["log"].of([0.01, 1]))
    assert place(rate, 0, 0.1) == pytest.approx(0.5)
    assert place(rate, 0, 0.0) == BELOW
    assert place(rate, 0, 2.0) == ABOVE
    assert place(Parameter("optimizer.name", DOMAINS["choice"].of(["adam"])), 0, "sgd") == BELOW


def test_parallel_coordinates_lie_on_their_axes_at_their_values() -> None:
    """plotly draws an axis from its first tick to its last; 0.1, the least rate, is at 0 whatever trial has it."""
    chart = parallel_chart(halved("halving"))
    assert chart.layout["margin"]["l"] < 80, "ticks without a word need no room"
    rates, metric = chart.data[0]["dimensions"]
    for lane in (rates, metric):
        assert lane["tickvals"] == sorted(lane["tickvals"])
        assert [lane["tickvals"][0], lane["tickvals"][-1]] == lane["range"]
        assert all(lane["tickvals"][0] <= at <= lane["tickvals"][-1] for at in lane["values"])
    dropout = Parameter("regularization.dropout", DOMAINS["quantized"].of([0.0, 0.5, 0.1]))
    assert exact_place(dropout, 0.0) == pytest.approx(1 / 12, abs=1e-4)  # the first of six
    assert {exact_place(dropout, i / 10) for i in range(6)} == {round((i + 0.5) / 6, 4) for i in range(6)}


def test_choices_that_are_written_alike_stand_each_at_its_own_place_of_an_axis() -> None:
    """plotly finds a tick by its words, and drew the last of three choices where the second one lies."""
    shapes = [[64] * 20, [64] * 8 + [32] + [64] * 11, [8]]
    found = halved("random")
    trials = [{**t, "values": {"network.hidden": shapes[t["number"] % 3]}} for t in found.trials]
    plan = replace(found.plan, space=Space.of({"network.hidden": {"choice": shapes}}))
    lane = parallel_chart(replace(found, plan=plan, trials=trials)).data[0]["dimensions"][0]
    named = {at: word.strip() for at, word in zip(lane["tickvals"], lane["ticktext"], strict=True) if word.strip()}
    assert named == {0.1667: "[64, 64, 64… 64, 64, 64]", 0.5: "[64, 64, 64… 64, 64, 64]", 0.8333: "[8]"}
    assert len({*lane["ticktext"]}) == len(lane["ticktext"])


def test_axes_of_parallel_coordinates_lie_as_far_apart_as_their_words_are_long() -> None:
    """On a telephone the frame scrolls; the words of an axis lay over those of the one before, or names over names."""
    shapes, found = [[64] * 20, [8]], halved("random")
    rate, hidden = {"optimizer.learning_rate": {"log": [1e-3, 1e-1]}}, {"network.hidden": {"choice": shapes}}
    values = {"optimizer.learning_rate": 0.01, "network.hidden": shapes[0], "network.activation": "relu"}
    activation = {"network.activation": {"choice": ["relu", "tanh"]}}
    trials = [{**trial, "values": values} for trial in found.trials]
    for space, left, apart in ((activation | hidden, 60, 188), (hidden | rate, 188, 120)):
        chart = parallel_chart(replace(found, plan=replace(found.plan, space=Space.of(space)), trials=trials))
        assert chart.layout["margin"]["l"] == left
        assert chart.least_width == left + 2 * apart + 60


def test_a_keyboard_stops_at_each_value_or_at_twentieths_of_an_axis() -> None:
    twentieths = stops(DOMAINS["log"].of([1e-4, 1.0]))
    assert list(twentieths) == [i / 20 for i in range(21)]
    assert twentieths[0.25] == pytest.approx(1e-3)
    assert stops(DOMAINS["choice"].of(["adam", "sgd"])) == {0.25: "adam", 0.75: "sgd"}
    assert list(stops(DOMAINS["int"].of([1, 40])).values())[:2] == [2, 4]
    widths = DOMAINS["int_log"].of([1, 9])
    assert list(stops(widths).values()) == list(range(1, 10))


def test_results_over_more_than_a_decade_get_an_axis_of_logarithms() -> None:
    assert value_axis("dev_error", [0.01, 0.5])["type"] == "log"
    assert "type" not in value_axis("dev_error", [0.1, 0.5])
    assert "type" not in value_axis("dev_error", [0.0, 0.5])
    assert value_axis("dev_error", [0.5])["rangemode"] == "nonnegative", "else of a single one from -50% on"


def halved(strategy: str) -> Results:
    """Trial 0 is the config; 1 to 9 train for 3 of 9 epochs, 10 to 12 continue the best, stopped early after 4.

    Trials 8 and 9 have the settings of trial 7.
    """
    keys = "optimizer.learning_rate"
    trials = [
        {
            "number": n,
            "values": {keys: 0.1 * (min(n, 7) if n < 10 else n - 9)},
            **({"parent": {"id": f"{n - 9:04d}", "epoch": 3}} if n > 9 else {}),
            "status": "done",
            "final": {"dev_error": 0.1 * n},
            "time": n,
            "metric": 0.1 * n,
            "curve": [0.5] * (4 if n > 9 else 3),
        }
        for n in range(13)
    ]
    space = Space.of({keys: {"log": [1e-4, 10]}})
    config = load_config(None, [f"search.strategy={strategy}", "training.epochs=9"]).config
    plan = Plan.of(config, space, totals=[13], limits={}, repeat=None)
    return Results(StoredSearch(StoredRun(RunDir(Path()))), SearchRecord(), plan, Config(), trials, {})


def test_survivors_stand_at_the_epochs_of_their_rungs() -> None:
    chart = survivors_chart(halved("halving"))
    assert chart is not None
    links, dots = chart.data
    assert links["x"] == [3, 9, None] * 3, "rungs of a search of 9 epochs; the continuation ended earlier"
    assert links["y"][:2] == pytest.approx([0.1, 1.0]), "trial 1, and 10 that continues it"
    assert dots["x"].count(3) == 9
    assert dots["x"].count(9) == 4, "the three that went on, and the config"
    assert chart.layout["xaxis"]["ticktext"] == ["3<br>9 trials", "9<br>4 trials"]


def test_axes_of_few_trials_or_epochs_have_no_halves() -> None:
    found = halved("random")
    found = replace(found, trials=found.trials[:4], spent={n: n + 1.0 for n in range(4)})
    by_number, by_time = best_so_far_charts(found)
    assert [chart.layout["xaxis"].get("dtick") for chart in (by_number, by_time, curves_chart(found))] == [1, None, 1]


def test_other_strategies_have_no_survivors() -> None:
    assert survivors_chart(halved("random")) is None


def test_of_slices_of_noise_as_many_are_worse_as_are_foretold() -> None:
    """Where one mistake in ten rows or more made a slice worse, 17 to 26 were in place of 6."""
    draws, rows = np.random.default_rng(1), 600
    dev = Table(Framed(pd.DataFrame({f"c{k}": draws.integers(0, 40, rows).astype(str) for k in range(40)})), "noise")
    mistakes = Mistakes((draws.random(rows) < 0.015).astype(float))
    found = list(_slices(dev, mistakes, dev.columns, True))
    worse, foretold = sum(each.low > mistakes.mean for each in found), sum(by_lot(s.size, mistakes.mean) for s in found)
    assert abs(worse - foretold) < 3 * sqrt(foretold), (worse, foretold, len(found))
    assert by_lot(10, 0.015) == pytest.approx(1 - 0.985**10 - 10 * 0.015 * 0.985**9)  # two mistakes or more
    assert (by_lot(10, 0.0), by_lot(0, 0.2)) == (0, 0)
