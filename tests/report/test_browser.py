"""The pages in a browser without a network: what a reader sees, with any width, theme and names."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nnrun.api import load_run, load_search
from nnrun.report.run.curves import statistics_charts
from tests.report.conftest import nnrun

DRAW_ALL = "() => ['beforeprint', 'afterprint'].forEach(name => dispatchEvent(new Event(name)))"
TRACES = "() => [...document.querySelectorAll('[data-chart]')].map(place => (place.data || []).length)"
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
LEVELS = "() => [...document.querySelectorAll('h1, h2, h3')].map(heading => Number(heading.tagName[1]))"
COLOURS = """() => [getComputedStyle(document.body).backgroundColor,
    getComputedStyle(document.querySelector('.xtick text')).fill]"""
FIRST_CELLS = "table => [...table.tBodies[0].rows].map(row => row.cells[{column}].dataset.value)"

VIOLATIONS = """violations = []
    addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective))"""
KINDS = """() => [...document.querySelectorAll('[data-chart]')].flatMap(place =>
    place._fullData.map((trace, i) => [trace.type, place.data[i].type]))"""
COVERED = """() => {
    const meet = (a, b) => a.width * a.height * b.width * b.height > 0 &&
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
    const drawn = '.legend, .annotation, .g-xtitle, .g-ytitle, .xtick, .ytick, .point, .js-line, .errorbar, ' +
        '.shapelayer path, .colorbar, .axis-title, .nsewdrag, .gl-canvas'
    const bars = [...document.querySelectorAll('.modebar')]
    const around = [...document.querySelectorAll('figcaption > *, h2, summary, p')]
    return bars.flatMap(bar => [...bar.closest('.chart').querySelectorAll(drawn), ...around]
        .filter(each => meet(bar.getBoundingClientRect(), each.getBoundingClientRect()))
        .map(each => each.closest('figure, section').innerText.slice(0, 40) + ': ' + each.getAttribute('class')))
}"""
TOO_FAR_RIGHT = """() => [...document.querySelectorAll('.main-svg, .scroll')].filter(each =>
    each.getBoundingClientRect().right > each.closest('section').getBoundingClientRect().right ||
    getComputedStyle(each).overflow === 'auto').map(each => each.className)"""
KEPT = """() => document.querySelector('.parcoords').closest('.chart').data[0].dimensions
    .filter(dimension => dimension.constraintrange).length"""
ORDER = """() => document.querySelector('.parcoords').closest('.chart').data[0].dimensions
    .map(dimension => dimension.label)"""
TRACKS = "all => all.map(grid => getComputedStyle(grid).gridTemplateColumns.split(' ').length)"
LEAST_WIDTHS = "all => [...new Set(all.map(cell => getComputedStyle(cell).minWidth))]"
FIRST, LANES = "Best so far, trial by trial", "All settings at once"
MOST_BYTES = 2_000_000

Open = Callable[..., Any]


class Pages:
    """Pages that are open; nothing may complain or be asked for."""

    def __init__(self, chromium: Any) -> None:
        self.chromium = chromium
        self.pages: list[Any] = []
        self.noise: list[str] = []

    def refuse(self, dialog: Any) -> None:
        self.noise.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def open(self, path: Path, width: int = 1440, theme: str = "light", drawn: bool = False, **options: Any) -> Any:
        """A page in a context of its own, perhaps with all charts."""
        noise = self.noise
        context = self.chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, offline=True, **options
        )
        page = context.new_page()
        self.pages.append(page)
        page.add_init_script(VIOLATIONS)
        page.on("console", lambda message: noise.append(message.text) if is_complaint(message) else None)
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("dialog", self.refuse)
        page.on("request", lambda request: noise.append(request.url) if request.url[:5] not in OWN else None)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-waiting]", state="attached")
        if drawn:
            page.evaluate(DRAW_ALL)
        return page

    def close(self) -> None:
        refused = [directive for page in self.pages for directive in page.evaluate("violations")]
        for page in self.pages:
            page.context.close()
        assert [*self.noise, *(f"refused by the policy: {directive}" for directive in refused)] == []


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """open_page(path, width, theme, drawn): a page of the test's own."""
    pages = Pages(chromium)
    yield pages.open
    pages.close()


@pytest.fixture(scope="module")
def look(chromium: Any) -> Iterator[Open]:
    """look(path, *NARROW): a page with all charts for tests that change nothing there, opened once."""
    pages = Pages(chromium)
    yield cache(partial(pages.open, drawn=True))
    pages.close()


@pytest.fixture(scope="module")
def touch(chromium: Any) -> Iterator[Open]:
    """touch(path): a page for tests that change something there, each what no other one looks at, opened once."""
    pages = Pages(chromium)
    yield cache(pages.open)
    pages.close()


NARROW, WIDE = (360, "light"), (1400, "dark")
OWN = ("file:", "data:", "blob:")


def is_complaint(message: Any) -> bool:
    """Whether the console shows an error; d3 asks once more for what a finger's touch has been granted already."""
    return message.type == "error" and "inside passive event listener" not in message.text


SCREENS = [
    NARROW,
    WIDE,
    *(
        pytest.param(width, theme, marks=pytest.mark.soak)
        for width, theme in [(360, "dark"), (800, "light"), (800, "dark"), (1400, "light"), (1440, "light")]
    ),
]


@pytest.mark.parametrize("which", ["run_page", "search_page"])
@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_charts_are_drawn_and_nothing_sticks_out(
    which: str, width: int, theme: str, look: Open, request: pytest.FixtureRequest
) -> None:
    page = look(request.getfixturevalue(which), width, theme)
    traces = page.evaluate(TRACES)
    assert len(traces) >= 10
    assert min(traces) >= 1
    assert page.evaluate(TOO_WIDE) == 0
    assert page.locator(".js-plotly-plot .main-svg").count() >= len(traces)
    assert page.get_by_text("WebGL is not supported").count() == 0


@pytest.mark.parametrize("which", ["run_page", "search_page"])
def test_headings_charts_and_tables_can_be_told_apart_by_ear(
    which: str, look: Open, request: pytest.FixtureRequest
) -> None:
    page = look(request.getfixturevalue(which), *WIDE)
    levels = page.evaluate(LEVELS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator('[data-chart]:not([role="application"][aria-label])').count() == 0
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("img:not([alt])").count() == 0


def test_what_the_page_of_a_run_tells(run_page: Path, look: Open) -> None:
    page = look(run_page, *WIDE)
    titles = page.locator("h2").all_inner_texts()
    wanted = ["Verdict", "Learning curves", "Confusions", "Calibration", "Where it fails", "Worst mistakes"]
    wanted += ["Decision boundary", "Inside the network", "Config", "Data and environment", "Events"]
    assert [title for title in titles if title in wanted] == wanted
    charts = page.locator("figcaption h3").all_inner_texts()
    assert {"Loss and cost", "Error", "Learning rate", "Size of the gradients", "Weights of the best epoch"} <= {
        *charts
    }
    overflows = "all => all.map(place => place._fullLayout.xaxis.ticklabeloverflow)"
    assert page.locator("#where-it-fails .chart").evaluate_all(overflows)[-1] == "allow", (
        "else the last names are hidden"
    )


def test_what_the_page_of_a_search_tells(search_page: Path, look: Open) -> None:
    page = look(search_page, *WIDE)
    titles = page.locator("h2").all_inner_texts()
    wanted = ["The best config", "Progress", "From coarse to fine", "Settings and results", "What mattered"]
    wanted += ["Failed and diverged", "All trials", "Search space"]
    assert [title for title in titles if title in wanted] == wanted
    assert "diverged" in page.locator("#failed-and-diverged td").first.inner_text()
    assert "numbers not finite in epoch" in page.locator("#failed-and-diverged").inner_text()
    assert page.locator("#all-trials tbody tr").count() == 50


def test_the_table_of_trials_is_sorted_by_keyboard(search_page: Path, touch: Open) -> None:
    page = touch(search_page)
    table = page.locator("#all-trials table")
    head = table.locator("th", has_text="learning_rate")
    assert head.get_attribute("aria-sort") == "none"
    column = head.evaluate("head => head.cellIndex")
    head.get_by_role("button").focus()
    for key, order, backwards in (("Enter", "ascending", False), ("Space", "descending", True)):
        page.keyboard.press(key)
        assert head.get_attribute("aria-sort") == order
        shown = [float(value) for value in table.evaluate(FIRST_CELLS.format(column=column))]
        assert shown == sorted(shown, reverse=backwards)
        assert len(shown) == 50
    assert head.get_by_role("button", name=head.inner_text(), exact=True).count() == 1  # whose arrow is not read out
    assert page.locator("pre[tabindex]").count() == 0  # they wrap, so that there is nothing to scroll


def test_trials_without_a_result_come_last_however_they_are_sorted(search_page: Path, touch: Open) -> None:
    table = touch(search_page).locator("#all-trials table")
    for _ in range(2):
        table.locator("th", has_text="dev_error").get_by_role("button").click()
        values = table.evaluate(FIRST_CELLS.format(column=1))
        known = [value for value in values if value != ""]
        assert "" in values
        assert values[: len(known)] == known


@pytest.mark.parametrize("screen", [NARROW, WIDE], ids=["light", "dark"])
def test_axes_of_parallel_coordinates_stand_out(screen: tuple[int, str], search_page: Path, look: Open) -> None:
    """plotly draws them in a transparent black, whatever is behind."""
    page = look(search_page, *screen)
    quiet = page.evaluate("getComputedStyle(document.querySelector('figcaption p')).color")
    strokes = "all => [...new Set(all.map(each => getComputedStyle(each).stroke))]"
    assert page.locator(".parcoords .axis :is(path, line)").evaluate_all(strokes) == [quiet]


def test_dots_of_the_calibration_are_whole(run_page: Path, look: Open) -> None:
    page = look(run_page, *NARROW)
    plot = page.locator("#calibration .nsewdrag").bounding_box()
    for dot in page.locator("#calibration .point").all():
        box = dot.bounding_box()
        assert box["x"] >= plot["x"]
        assert box["y"] >= plot["y"]
        assert box["x"] + box["width"] <= plot["x"] + plot["width"]
        assert box["y"] + box["height"] <= plot["y"] + plot["height"]


def test_the_page_of_a_search_tells_how_to_search_again(search_page: Path, look: Open) -> None:
    """And the command finds the same trials."""
    page = look(search_page, *WIDE)
    _, again, _ = page.locator("#how-to-make-it-again pre").all_inner_texts()
    words = shlex.split(again)[1:]
    assert words[:1] == ["search"]
    assert words[2:] == ["--trials", "50"]
    made = search_page.parents[2] / "again"
    nnrun(*words, "-q", "--runs", made, folder=search_page.parents[2])
    (found,) = made.glob("2*/trials.csv")
    assert results(found) == results(search_page.with_name("trials.csv"))


def results(path: Path) -> list[dict[str, str]]:
    """All that does not depend on a clock."""
    return [row | {"seconds": ""} for row in csv.DictReader(path.read_text().splitlines())]


def test_the_theme_can_be_chosen(run_page: Path, open_page: Open) -> None:
    page = open_page(run_page, theme="light")
    page.wait_for_selector(".xtick text", state="attached")
    before = page.evaluate(COLOURS)
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_timeout(300)
    after = page.evaluate(COLOURS)
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert page.get_by_role("button", name="Light theme").count() == 1


def test_on_paper_all_is_dark_on_white_and_nothing_is_cut_off(search_page: Path, look: Open) -> None:
    """And on the screen all is as before, so that other tests may look at that page."""
    page = look(search_page, *WIDE)
    before = page.evaluate(COLOURS)
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(COLOURS) == ["rgb(244, 245, 247)", "rgb(27, 31, 36)"]
    assert page.evaluate(TOO_FAR_RIGHT) == []
    assert page.locator(".columns").evaluate_all(TRACKS) == [1, 1, 1], "charts are as wide as a page"
    assert page.locator(".long").evaluate_all(LEAST_WIDTHS) == ["0px"], "and columns as narrow as they can be"
    page.emulate_media(media="screen", color_scheme="dark")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(COLOURS) == before


@pytest.mark.parametrize("bypass", [False, True], ids=["as it is", "without the page's own policy"])
def test_names_stay_text(bypass: bool, evil_page: Path, open_page: Open) -> None:
    """Without the policy, escaping alone must hold."""
    page = open_page(evil_page, drawn=True, bypass_csp=bypass)
    text = page.locator("#confusions").inner_text()
    assert "<script>alert(1)</script>" in text
    assert '"><img src=x onerror=alert(1)>' in text
    assert "<img src=x onerror=alert(1)>" in page.locator("footer").inner_text()
    labels = page.locator("#where-it-fails .xtick text").all_text_contents()
    assert any(label.startswith("<script>alert(1)") for label in labels)
    assert any(label.startswith('"><img src=x') for label in labels)
    assert page.locator("script").count() == 4  # data, plotly.js, how charts look, the page's own
    assert page.locator('img[src="x"]').count() == 0


# what plotly.js draws, and its tools


@pytest.mark.parametrize("which", ["run_page", "search_page"])
def test_a_page_is_small_and_makes_no_code_from_text(which: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(which)
    assert page.stat().st_size <= MOST_BYTES
    assert b"unsafe-eval" not in page.read_bytes()


def test_every_trace_is_drawn_as_what_it_is(
    run_page: Path, search_page: Path, look: Open, bundled_traces: set[str]
) -> None:
    """plotly.js takes a trace of a kind that it does not have for lines."""
    pages = [look(path, *WIDE) for path in (run_page, search_page)]
    kinds = [pair for page in pages for pair in page.evaluate(KINDS)]
    assert all(drawn == wanted for drawn, wanted in kinds)
    assert {drawn for drawn, _ in kinds} == bundled_traces
    assert set(pages[0].evaluate("Object.keys(Plotly.PlotSchema.get().traces)")) == bundled_traces


@pytest.mark.parametrize("which", ["run_page", "search_page"])
@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_the_tools_of_a_chart_cover_nothing(
    which: str, width: int, theme: str, look: Open, request: pytest.FixtureRequest
) -> None:
    page = look(request.getfixturevalue(which), width, theme)
    assert page.locator(".modebar").count() == page.locator("[data-chart]").count()
    assert page.evaluate(COVERED) == []


def test_the_tools_of_a_chart_keep_it_here(search_page: Path, look: Open) -> None:
    page = look(search_page, *WIDE)
    labels = page.locator(".modebar-btn").evaluate_all("all => [...new Set(all.map(b => b.ariaLabel))]")
    assert sorted(labels) == ["Download plot as a PNG", "Pan", "Reset axes", "Zoom", "Zoom in", "Zoom out"]


ARE_FREE = """() => [...document.querySelectorAll('.js-plotly-plot:has(.legend)')].every(place => {
    const [legend, grid] = ['.legend', '.gridlayer'].map(part => place.querySelector(part).getBoundingClientRect())
    return place._fullLayout.width === place.clientWidth && legend.bottom <= grid.top + 1
})"""


def test_legends_leave_plots_free_when_a_page_has_another_width(run_page: Path, look: Open) -> None:
    """As a telephone is turned, and on paper, and when the dialog of printing is closed."""
    page = look(run_page, *NARROW)
    for width, printing in ((1400, ["beforeprint", "afterprint"]), (NARROW[0], [])):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"width => innerWidth === width && ({ARE_FREE})()", arg=width)
        for name in printing:
            page.evaluate("name => dispatchEvent(new Event(name))", name)
            assert page.evaluate(ARE_FREE)


def chart_of(page: Any, title: str) -> Any:
    """The chart below this heading, on the screen: it is drawn as others are that are not far."""
    chart = page.locator("figure", has=page.get_by_role("heading", name=title, exact=True)).locator(".chart")
    chart.scroll_into_view_if_needed()
    chart.locator(".plot-container, .parcoords").first.wait_for(state="attached")
    return chart


def test_a_chart_can_be_downloaded(search_page: Path, touch: Open) -> None:
    page = touch(search_page)
    for title in (FIRST, LANES):
        chart = chart_of(page, title)
        chart.hover()
        with page.expect_download() as download:
            chart.get_by_role("button", name="Download plot as a PNG", include_hidden=True).click()
        assert download.value.path().read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (400, "dark"),
        *(
            pytest.param(width, theme, marks=pytest.mark.soak)
            for width, theme in [(400, "light"), (900, "light"), (900, "dark"), (1400, "light"), (1400, "dark")]
        ),
    ],
)
def test_the_page_of_a_nudged_child(width: int, theme: str, family_page: Path, open_page: Open) -> None:
    """Nothing sticks out, no tool covers a mark, and a mark that is pointed at says what was changed and why."""
    page = open_page(family_page, width, theme, drawn=True)
    assert page.evaluate(TOO_WIDE) == 0
    assert page.evaluate(COVERED) == []
    assert page.locator("#family tbody tr").count() == 3
    chart = page.locator("#learning-curves .chart").first
    chart.scroll_into_view_if_needed()
    chart.locator(".annotation", has_text=re.compile("^1$")).hover(force=True)
    page.wait_for_selector(".hoverlayer .hovertext", state="attached")
    told = chart.locator(".hoverlayer text").all_text_contents()
    assert "<b>flat</b>" in "".join(told)


def test_a_chart_is_zoomed_and_pointed_at(search_page: Path, open_page: Open) -> None:
    page = open_page(search_page)
    chart = chart_of(page, FIRST)
    ends = "chart => chart._fullLayout.xaxis.range"
    before = chart.evaluate(ends)
    chart.locator(".point").nth(5).hover(force=True)
    page.wait_for_selector(".hoverlayer text", state="attached")
    at = chart.locator(".nsewdrag").bounding_box()
    page.mouse.move(at["x"] + at["width"] / 4, at["y"] + at["height"] / 2)
    page.mouse.down()
    page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_function(f"before => ({ends})(document.querySelector('.chart'))[0] > before", arg=before[0])


# parallel coordinates under a mouse and under a finger


def mouse(page: Any, path: list[tuple[float, float]]) -> None:
    """Press at the first place, move, let go at the last."""
    page.mouse.move(*path[0])
    page.mouse.down()
    for place in path[1:]:
        page.mouse.move(*place)
    page.mouse.up()


def finger(page: Any, path: list[tuple[float, float]]) -> None:
    """The same by touch, as the browser gets it from a screen."""
    session = page.context.new_cdp_session(page)
    for i, (x, y) in enumerate(path):
        kind = "touchMove" if i else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def straight(start: tuple[float, float], dx: float, dy: float) -> list[tuple[float, float]]:
    """Eleven places on a line."""
    return [(start[0] + dx * i / 10, start[1] + dy * i / 10) for i in range(11)]


def lanes_apart(page: Any) -> float:
    """Pixels between two axes."""
    first, second = (page.locator(".axis-brush .background").nth(i).bounding_box() for i in (0, 1))
    return float(second["x"] - first["x"])


@pytest.mark.parametrize(
    ("drag", "width", "options"),
    [
        pytest.param(mouse, 1400, {}, id="mouse", marks=pytest.mark.soak),
        pytest.param(
            finger, 1024, {"has_touch": True, "is_mobile": True}, id="finger on a tablet", marks=pytest.mark.soak
        ),
        pytest.param(finger, 360, {"has_touch": True, "is_mobile": True}, id="finger on a phone"),
    ],
)
def test_parallel_coordinates_are_dragged(
    drag: Callable[..., None], width: int, options: dict[str, bool], search_page: Path, open_page: Open
) -> None:
    """Along an axis, to keep the trials that pass there, and by a name, to move its axis; the page stays there."""
    page = open_page(search_page, width, **options)
    page.add_style_tag(content="html { scroll-behavior: auto }")
    chart_of(page, LANES).evaluate("chart => chart.scrollIntoView({ block: 'center' })")
    where = page.evaluate("scrollY")
    bar = page.locator(".axis-brush .background").nth(1).bounding_box()
    drag(page, straight((bar["x"] + bar["width"] / 2, bar["y"] + bar["height"] * 0.2), 0, bar["height"] * 0.6))
    page.wait_for_function(f"() => ({KEPT})() === 1")
    before = page.evaluate(ORDER)
    name, lane = page.locator(".parcoords .axis-title").nth(1).bounding_box(), lanes_apart(page)
    drag(page, straight((name["x"] + name["width"] / 2, name["y"] + name["height"] / 2), 1.2 * lane, 0))
    page.wait_for_function(f"before => ({ORDER})().join() !== before.join()", arg=before)
    assert page.evaluate("scrollY") == where


def test_parallel_coordinates_are_brushed_and_moved_by_keyboard(search_page: Path, open_page: Open) -> None:
    """As by mouse: an axis is chosen and marked, what is kept on it is narrowed and told, and it is moved."""
    page = open_page(search_page, 360, reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    chart = chart_of(page, LANES)
    told, before = page.locator("p.lane"), page.evaluate(ORDER)
    trials = int(told.inner_text().removesuffix(" trials"))
    page.keyboard.press("Tab")  # from here on by keyboard: the focus is to be seen
    chart.focus()
    where = page.evaluate("scrollY")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => ({ORDER})()[1].startsWith('<b>▸')")
    assert page.evaluate(KEPT) == 0
    for key in ("ArrowUp", "ArrowUp", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.wait_for_function(f"() => ({KEPT})() === 1")
    ((name, low, high, count, of),) = re.findall(r"^(\S+): (\S+) to (\S+), (\d+) of (\d+) trials$", told.inner_text())
    assert name.endswith(before[1])
    assert float(low) < float(high)
    assert 0 < int(count) < int(of) == trials
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function(f"() => ({ORDER})()[2].startsWith('<b>▸')")
    assert page.evaluate(ORDER)[1] == before[2]
    assert (page.evaluate(KEPT), page.evaluate("scrollY")) == (1, where)
    page.keyboard.press("Escape")
    page.wait_for_function(f"() => ({KEPT})() === 0")
    assert told.inner_text().endswith(f", {trials} trials")


def test_points_are_told_and_zoomed_to_by_keyboard(search_page: Path, open_page: Open) -> None:
    page = open_page(search_page)
    chart = chart_of(page, FIRST)
    chart.focus()
    said = "trial => document.activeElement.closest('figure').querySelector('[role=status]').textContent.startsWith(`trial ${trial}: `)"  # noqa: E501
    for key, trial in (("n", 0), ("n", 1), ("p", 0)):
        page.keyboard.press(key)
        told = "trial => document.activeElement.querySelector('.hoverlayer').textContent.startsWith(`trial ${trial}: `)"
        page.wait_for_function(told, arg=trial)
        page.wait_for_function(said, arg=trial)
    ends = "chart => chart.layout.xaxis.range ?? chart._fullLayout.xaxis.range"
    before = chart.evaluate(ends)
    page.keyboard.press("+")
    page.wait_for_function(f"before => ({ends})(document.activeElement)[0] > before[0]", arg=before)
    page.keyboard.press("0")
    page.wait_for_function(f"before => ({ends})(document.activeElement)[0] === before[0]", arg=before)


MAP = """([data, layout]) => {
    const figure = document.createElement('figure'), place = document.createElement('div')
    place.style.height = '380px'
    figure.append(place)
    document.querySelector('main').prepend(figure)
    drawChart(place, data, layout)
    place.focus()
}"""


def test_a_line_is_hidden_and_shown_and_a_cell_is_told_by_keyboard(run_page: Path, open_page: Open) -> None:
    page = open_page(run_page, drawn=True)
    page.locator(".chart").filter(has=page.locator(".legend .traces")).first.focus()
    for key, seen in (("c", True), ("h", "legendonly"), ("h", True)):
        page.keyboard.press(key)
        page.wait_for_function("seen => (document.activeElement._fullData[0].visible) === seen", arg=seen)
        page.wait_for_timeout(400)  # two within 300 ms are a double click
    layers = {f"dense{i}": {"gradient_norm": i / 16} for i in range(1, 18)}
    (chart,) = statistics_charts([{"epoch": epoch, "layers": layers} for epoch in (1, 2)])
    page.evaluate(MAP, [list(chart.data), dict(chart.layout)])
    for key, words in (
        ("n", "dense1, epoch 1: 0.0625"),
        ("n", "dense1, epoch 2: 0.0625"),
        ("n", "dense2, epoch 1: 0.125"),
    ):
        page.keyboard.press(key)
        said = "words => document.activeElement.closest('figure').querySelector('[role=status]').textContent === words"
        page.wait_for_function(said, arg=words)


def test_a_finger_on_a_chart_scrolls_the_page(search_page: Path, open_page: Open) -> None:
    page = open_page(search_page, 360, has_touch=True, is_mobile=True)
    page.add_style_tag(content="html { scroll-behavior: auto }")
    chart = chart_of(page, FIRST).locator(".nsewdrag")
    chart.evaluate("chart => chart.scrollIntoView({ block: 'center' })")
    where, at = page.evaluate("scrollY"), chart.bounding_box()
    finger(page, straight((at["x"] + at["width"] / 2, at["y"] + at["height"] - 10), 0, -100))
    page.wait_for_function("where => scrollY > where", arg=where)


@pytest.mark.parametrize("which", ["run_page", "search_page"])
def test_a_notebook_shows_charts_in_a_frame_that_fits(
    which: str, open_page: Open, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kept = request.getfixturevalue(which).parent
    figure = load_search(str(kept)).plot() if which == "search_page" else load_run(str(kept)).plot()
    (tmp_path / "cell.html").write_text(f"<!doctype html><html data-waiting><body>{figure._repr_html_()}")
    page = open_page(tmp_path / "cell.html", 900)
    (frame,) = page.frames[1:]
    frame.wait_for_function(f"document.querySelectorAll('.js-plotly-plot').length == {len(figure.titles)}")
    assert frame.evaluate("violations") == []
    frame.wait_for_function("document.body.offsetHeight === innerHeight")  # which is told once charts are drawn
    assert frame.evaluate("innerHeight") > 300
    assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
