"""The page in a browser: what changes is there without a reload, and what was chosen stays chosen."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nnrun
from nnrun.files import sealed_line, to_json
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.watching.server import Server
from nnrun.watching.verbs import begin

CONFIG = {"data": {"source": "iris"}, "training": {"epochs": 3}}
HOSTILE = "<b>x</b>" + 60 * "x"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("trained") / "runs"
    for name in ("first", "second"):
        nnrun.train({"name": name, **CONFIG}, runs)
    return runs


@pytest.fixture
def root(trained: Path, tmp_path: Path) -> Path:
    """Two runs of the test's own."""
    return Path(shutil.copytree(trained, tmp_path / "runs", symlinks=True))


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    server = begin(root, 0)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(chromium: Any, server: Server) -> Iterator[Any]:
    """It, and that nothing went wrong in it."""
    opened = chromium.new_page()
    opened.set_default_timeout(60_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    opened.goto(server.address)
    opened.wait_for_selector("#runs tbody tr")
    yield opened
    assert wrong == []
    opened.close()


def until(page: Any, holds: str) -> None:
    """Asked from outside: the page lets no script run that is not its own."""
    given_up = time.monotonic() + 60
    while not page.evaluate(holds):
        assert time.monotonic() < given_up, holds
        page.wait_for_timeout(50)


def run_of(root: Path, name: str) -> RunDir:
    return RunDir(next(root.glob(f"*-{name}-*")))


def until_drawn(page: Any, lines: int) -> None:
    """With their points: a line of a run is there, and empty, before these have come."""
    until(page, f"shownLines.length === {lines} && shownLines.every((one) => one.x.length) && graph !== null")


def test_a_new_epoch_and_a_new_run_appear_and_what_was_chosen_stays(page: Any, root: Path) -> None:
    assert page.locator("#runs tbody tr").count() == 2
    run = run_of(root, "first")
    page.locator(f'tr[data-id="{run.id}"] input').check()
    until_drawn(page, lines=2)
    assert page.evaluate("shownLines.map((one) => one.x.length)") == [3, 3]
    row = {**run.metrics()[-1], "epoch": 4}
    with (run.path / EPOCHS).open("a") as file:
        file.write(to_json(row) + "\n")
    until(page, "shownLines[0].x.length === 4")
    nnrun.train({"name": "third", **CONFIG}, root)
    page.wait_for_selector("#runs tbody tr:nth-child(3)")
    assert page.locator(f'tr[data-id="{run.id}"] input').is_checked()
    assert page.locator("#runs tbody tr.chosen").count() == 1


def test_all_is_done_by_keyboard_too(page: Any, root: Path) -> None:
    page.locator("#filter").focus()
    page.keyboard.type("name=second")
    until(page, "document.querySelectorAll('#runs tbody tr').length === 1")
    page.locator("#runs tbody input").focus()
    page.keyboard.press("Space")
    until_drawn(page, lines=2)
    assert page.evaluate("document.activeElement.type") == "checkbox"  # where it was, though the table was drawn anew
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail h2:focus")
    assert page.locator("#detail-title").inner_text() == run_of(root, "second").id
    assert "bias" in page.locator("#verdict").inner_text().lower()
    page.wait_for_selector("#charts .js-plotly-plot")


def test_curves_and_lines_are_walked_by_keyboard(page: Any) -> None:
    page.locator("#runs tbody input").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    until_drawn(page, lines=4)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.type") == "checkbox"
    page.locator("#chart").focus()
    before = page.evaluate("zoomed()")
    page.keyboard.press("+")
    until(page, "zoomed() !== null")
    low, high = page.evaluate("zoomed()")
    page.keyboard.press("ArrowRight")
    until(page, f"zoomed()[0] > {low}")
    page.keyboard.press("0")
    until(page, "zoomed() === null")
    assert (before, low < high) == (None, True)


def test_points_are_told_and_curves_left_out_by_keyboard(page: Any, root: Path) -> None:
    page.locator("#runs tbody input").first.focus()
    page.keyboard.press("Space")
    until(page, "shownLines.length === 2 && graph !== null && graph.scales.x.max === 3")
    page.locator("#chart").focus()
    told = []
    for key in "cnc":
        page.keyboard.press(key)
        told.append(page.locator("#point .words").inner_text().split("\n"))
    assert [words[0].split()[0] for words in told] == ["train", "train", "dev"]
    assert [words[1] for words in told] == ["epoch 1", "epoch 2", "epoch 2"]
    assert all(words[2].endswith("%") for words in told)
    page.keyboard.press("Shift+ArrowUp")
    until(page, "view.y !== null && graph.scales.y.max === view.y[1]")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # train, the first in the legend
    until(page, "shownLines.map((one) => one.part).join() === 'dev'")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
    page.locator("#picture").focus()
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    assert Path(saved.value.path()).read_bytes()[:4] == b"\x89PNG"


def test_a_screen_reader_hears_what_is_new_alone_and_what_the_slider_is(page: Any) -> None:
    page.locator("#runs tbody input").first.check()
    until_drawn(page, lines=2)
    assert page.get_by_role("slider", name="smoothed, β", exact=True).get_attribute("id") == "beta"
    page.get_by_text("smoothed, β").click()
    assert page.evaluate("document.activeElement.id") == "beta"
    assert page.evaluate("(before => (draw(), before === at('found').firstChild))(at('found').firstChild)")
    assert page.evaluate("rows.delete(chosen[0]), draw(), at('found').textContent") == "1 run"


def test_the_mouse_tells_a_point_and_zooms_to_a_box(page: Any) -> None:
    page.locator("#runs tbody input").first.check()
    until(page, "shownLines.length === 2 && graph !== null && graph.scales.x.max === 3")
    page.locator("#chart").scroll_into_view_if_needed()
    box = page.locator("#chart .u-over").bounding_box()
    left, top = page.evaluate("[graph.valToPos(2, 'x'), graph.valToPos(shownLines[1].y[1], 'y')]")
    page.mouse.move(box["x"] + left + 3, box["y"] + top)
    until(page, "document.querySelector('#point .words').innerText.includes('epoch 2')")
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 10, steps=4)
    page.mouse.up()
    until(page, "zoomed() !== null && graph.scales.x.max < 2.1")
    assert page.evaluate("zoomed()") == pytest.approx([1.5, 2.0], abs=0.02)
    page.mouse.dblclick(box["x"] + 20, box["y"] + 20)
    until(page, "zoomed() === null && graph.scales.x.max === 3")


def test_of_many_points_each_spike_is_drawn(page: Any) -> None:
    kept = page.evaluate(
        "thinned([...Array(1000).keys()], Array.from({ length: 1000 }, (_, i) => (i === 501 ? 9 : i === 40 ? -9 : 0)), 100, [-Infinity, Infinity])"  # noqa: E501
    )
    assert len(kept) <= 102
    assert {0, 40, 501, 999} <= set(kept)
    assert page.evaluate("thinned([1, 2, 3, 4, 5], [1, null, 2, 3, 4], 100, [2.5, 3.5])") == [1, 2, 3]


GAPS = """() => {
  const line = { part: "dev", place: 0, x: [1, 2, 3, 4, 5, 6], y: [1, 1, null, 1, null, 1] };
  const isFirst = ({ part, place }) => part === line.part && place === line.place;
  graph.setData([null, ...LOOKS.map((look) => [isFirst(look) ? [line] : [], []])], false);
  graph.batch(() => { graph.setScale("x", { min: 1, max: 6 }); graph.setScale("y", { min: 0, max: 2 }); });
  const { stroke } = paths(graph, 1 + LOOKS.findIndex(isFirst)), top = graph.valToPos(1, "y", true);
  const hits = (x, more = 0) => graph.ctx.isPointInStroke(stroke, graph.valToPos(x, "x", true) + more, top);
  return [hits(1.5), hits(2.5), hits(3.5), hits(4.5), hits(4, 3)];
}"""


def test_a_gap_stays_a_gap_and_a_point_between_two_is_a_dot(page: Any) -> None:
    page.locator("#runs tbody input").first.check()
    until_drawn(page, lines=2)
    assert page.evaluate(GAPS) == [True, False, False, False, True]


def test_many_curves_are_drawn_thin_and_the_table_is_their_legend(page: Any) -> None:
    points = "{ points: [[1, 2, 3, 4, 5, 6, 7, 1], [2, 1, 2, 3, 4, 5, 6, 2]] }"
    page.evaluate(f"for (let i = 0; i < 20; i++) chosen.push(`run ${{i}}`), curves.set(`run ${{i}}`, {points})")
    page.evaluate("plotSoon()")
    until_drawn(page, lines=40)
    assert page.evaluate("graph.series.slice(1).every((one) => one.width === 1)")
    drawn = page.evaluate("graph.data.slice(1).map(([lines]) => lines.length)")
    assert drawn == 2 * (4 * [3] + 4 * [2] + 4 * [0])
    assert page.locator("#legend button").all_inner_texts() == ["train", "dev"]
    assert page.evaluate("chosen = chosen.slice(0, FEW), new Set(chosen.map(strokeOf)).size") == 12


def test_an_axis_of_logarithms_has_ticks_however_short_it_is(page: Any) -> None:
    assert page.evaluate("decades(0.09, 1.2)") == pytest.approx([0.1, 0.2, 0.5, 1])
    assert page.evaluate("decades(1e-6, 1.5)") == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1])
    assert page.evaluate("decades(0.2, 0.32)") == pytest.approx([0.2, 0.25, 0.3])


def test_only_curves_that_have_grown_are_smoothed_again(page: Any) -> None:
    asked = "drawn(curve, 1, 0, 0.9, 100, [-Infinity, Infinity])"
    curve = "const curve = { points: [[1, 2, 3], [2, 3, 4]] }"
    assert page.evaluate(f"(() => {{ {curve}; return {asked} === {asked}; }})()")
    assert page.evaluate(f"(() => {{ {curve}; return {asked} !== {asked.replace('0.9', '0.5')}; }})()")


def test_names_are_text_and_columns_sort(page: Any, root: Path) -> None:
    run = run_of(root, "first")
    run.path.rename(root / HOSTILE.replace("/", "_"))
    until(page, "[...document.querySelectorAll('#runs .name')].some((one) => one.textContent.includes('<b>x'))")
    assert page.locator("#runs .name b").count() == 0
    long = page.locator("#runs tbody tr", has_text="<b>x").locator(".name")
    right = "one => one.getBoundingClientRect().right"
    assert long.locator("button").evaluate(right) <= long.evaluate(right)  # and lies over no other cell
    page.locator('#runs th button[data-key="dev_error"]').click()
    assert page.locator('#runs th[aria-sort="descending"], #runs th[aria-sort="ascending"]').count() == 1


def test_columns_are_chosen_and_stay_so_and_children_stand_under_their_parents(page: Any, root: Path) -> None:
    parent = run_of(root, "first").id
    nnrun.rewind(parent, to="best", runs=root)
    page.wait_for_selector("#runs tbody tr:nth-child(3)")
    page.locator("#runs th button[data-key=id]").click()
    page.locator("#tree").check()
    until(page, "document.querySelectorAll('#runs .name[style]').length === 1")
    ids = page.locator("#runs .name").all_inner_texts()
    assert ids[ids.index(parent) + 1] not in (parent, run_of(root, "second").id)
    page.locator("#columns summary").click()
    page.get_by_label("best epoch").check()
    page.get_by_label("seconds", exact=True).uncheck()
    page.reload()
    page.wait_for_selector("#runs tbody tr")
    titles = page.locator("#runs th button").all_inner_texts()
    assert ("best epoch" in titles, "seconds" in titles) == (True, False)


def test_what_chosen_runs_differ_in_is_shown_and_they_become_an_ensemble(page: Any, root: Path) -> None:
    nnrun.train({"name": "third", "seed": 7, **CONFIG}, root)
    third = run_of(root, "third")
    third.update_record(status="interrupted")
    until(page, f"rows.get('{third.id}')?.status === 'interrupted'")
    for name in ("first", "third"):
        page.locator(f'tr[data-id="{run_of(root, name).id}"] input').check()
    until(page, "document.querySelectorAll('#differences tbody tr').length > 0")
    told = {
        row.split("\t")[0]: row.split("\t")[1:] for row in page.locator("#differences tbody").inner_text().split("\n")
    }
    assert told["seed"] == ["0", "7"]
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("#runs tbody th[scope=row]").count() == page.locator("#runs tbody tr").count()
    assert page.locator(".swatch").first.evaluate("one => getComputedStyle(one).forcedColorAdjust") == "none"
    assert page.locator("#together button").count() == 0
    third.update_record(status="done")  # while it is chosen
    page.locator("#together button").click()
    page.wait_for_selector("#runs tbody tr:nth-child(4)")
    until(page, "document.getElementById('together-answer').textContent.startsWith('started: nnrun ensemble ')")


def test_of_a_chosen_run_that_goes_nothing_is_left(page: Any, root: Path) -> None:
    for name in ("first", "second"):
        page.locator(f'tr[data-id="{run_of(root, name).id}"] input').check()
    page.locator("#together button").wait_for()
    page.locator("#differences caption").wait_for()
    until_drawn(page, lines=4)
    second = run_of(root, "second")
    page.locator("#runs").get_by_role("button", name=second.id).click()
    page.locator("#detail").wait_for(state="visible")
    shutil.rmtree(second.path)
    page.locator("#together button").wait_for(state="detached")
    page.locator("#differences caption").wait_for(state="detached")
    until_drawn(page, lines=2)
    page.locator("#detail").wait_for(state="hidden")


def test_a_run_is_rewound_from_the_page_and_its_page_is_saved(page: Any, root: Path) -> None:
    run = run_of(root, "first")
    page.get_by_role("button", name=run.id).click()
    page.wait_for_selector("#acts form")
    page.get_by_label("the epoch to go on from").fill("99")
    page.get_by_role("button", name="rewind").click()
    until(page, "document.getElementById('answer').textContent.includes('99')")
    assert page.locator("#runs tbody tr").count() == 2
    page.get_by_role("button", name=run_of(root, "second").id).click()
    until(page, "document.getElementById('answer').textContent === ''")
    page.get_by_role("button", name=run.id).click()
    until(page, f"document.getElementById('acts').dataset.of === '{run.id} done'")
    page.get_by_label("the epoch to go on from").fill("2")
    page.get_by_label("a change").fill("optimizer.learning_rate=0.001")
    page.keyboard.press("Enter")
    page.wait_for_selector("#runs tbody tr:nth-child(3)")
    assert "an epoch" in page.locator("#system").inner_text()
    with page.expect_download() as saved:
        page.locator("#save").click()
    text = Path(saved.value.path()).read_text()
    assert run.id in text
    assert not (run.path / "report.html").exists()


COMES = """(() => {
  const look = 1e6, row = { ...rows.get(%r), status: %r };
  source.dispatchEvent(new MessageEvent("rows", { data: JSON.stringify({ look, whole: false, rows: [row], gone: [] }) }));
  const { activeElement } = document;
  return [[...at("acts").querySelectorAll("button")].map((one) => one.textContent).join(), activeElement.textContent || activeElement.value];
})()"""  # noqa: E501


def test_what_a_run_can_be_asked_for_is_told_at_once_and_no_word_is_lost(page: Any, root: Path) -> None:
    run = run_of(root, "first").id
    page.get_by_role("button", name=run).click()
    page.wait_for_selector("#acts form")
    assert page.evaluate(COMES % (run, "running"))[0] == "pause,stop,nudge"
    page.get_by_label("a change").fill("seed=1")
    assert page.evaluate(COMES % (run, "paused")) == ["resume,stop,nudge", "seed=1"]
    page.get_by_role("button", name="resume").focus()
    assert page.evaluate(COMES % (run, "running")) == ["pause,stop,nudge", "pause"]
    assert page.get_by_label("a change").input_value() == "seed=1"
    assert page.evaluate(COMES % (run, "done")) == ["rewind", "rewind"]


def test_charts_that_come_late_leave_the_focus_to_who_types(page: Any, root: Path) -> None:
    held: list[Any] = []
    page.route("**/plotly.js*", lambda route: held.append(route))
    page.get_by_role("button", name=run_of(root, "first").id).click()
    change = page.get_by_label("a change")
    change.fill("seed=1")
    until_held = time.monotonic() + 60
    while not held:
        assert time.monotonic() < until_held
        page.wait_for_timeout(20)
    held[0].continue_()
    page.wait_for_selector("#charts .main-svg")
    page.wait_for_timeout(100)
    assert page.evaluate("document.activeElement.value") == "seed=1"


def test_a_run_that_is_opened_comes_to_the_top_of_a_large_window(page: Any, root: Path) -> None:
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.get_by_role("button", name=run_of(root, "first").id).click()
    until(page, "at('charts').children.length > 0 && at('detail').getBoundingClientRect().top < 50")


def test_what_is_typed_beside_a_resume_is_part_of_it(page: Any, root: Path) -> None:
    run = run_of(root, "first")
    run.update_record(status="failed")
    page.get_by_role("button", name=run.id).click()
    resume = page.locator("#acts").get_by_role("button", name="resume")
    resume.wait_for()
    page.get_by_label("a change").fill("training.epochs=40")
    resume.click()
    until(page, "document.getElementById('answer').textContent.includes('--set=training.epochs=40')")
    page.wait_for_selector("#runs tbody tr:nth-child(3)")


def test_a_server_that_is_gone_or_another_one_in_its_place_is_said(page: Any, server: Server, root: Path) -> None:
    page.locator("#runs .name button").first.click()
    page.wait_for_selector("#acts form")
    page.context.set_offline(True)
    page.get_by_role("button", name="rewind").click()
    until(page, "document.getElementById('answer').textContent.startsWith('nnrun watch does not answer')")
    page.context.set_offline(False)
    server.token = "another"
    page.evaluate("listen()")
    until(page, "document.getElementById('state').textContent.startsWith('not served any more')")
    page.locator("#runs .name button").nth(1).click()
    until(page, "document.getElementById('verdict').textContent.includes('printed last has the token')")
    assert page.locator("#detail-title").inner_text() == page.locator("#runs .name").nth(1).inner_text()


def test_a_page_that_nobody_sees_leaves_its_connection_to_others(page: Any, root: Path) -> None:
    hide = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))"  # noqa: E501
    page.evaluate(hide % "true")
    assert page.evaluate("source.readyState === EventSource.CLOSED")
    shutil.rmtree(run_of(root, "second").path)
    page.evaluate(hide % "false")
    page.wait_for_selector("#runs tbody tr:nth-child(2)", state="detached")
    assert page.locator("#runs tbody tr").count() == 1


def test_numbers_stand_as_in_a_list(page: Any) -> None:
    run = "{ dev_error: 0.0625, epochs: 0, tags: ['good', 'new'], told: { dev_error: '6.2%', epochs: '2 members' } }"
    told = page.evaluate(f"['dev_error', 'epochs', 'tags', 'note'].map((key) => told({run}, key))")
    assert told == ["6.2%", "2 members", "good, new", "–"]


def test_errors_of_several_kinds_are_told_apart(page: Any, root: Path) -> None:
    ids = [run_of(root, name).id for name in ("first", "second")]
    titles = page.locator("#runs thead th")
    assert "error is" not in " ".join(titles.all_inner_texts())
    assert page.evaluate(f"measureOf({ids})") == "error"
    page.evaluate(f"rows.get('{ids[0]}').error_is = 'balanced'")
    page.evaluate("rows.set('r', { id: 'r', error_is: '1 − R²' }); draw()")
    assert "error is" in " ".join(titles.all_inner_texts())
    assert "balanced" in page.locator(f'tr[data-id="{ids[0]}"]').inner_text()
    told = [page.evaluate(f"measureOf({each})") for each in (ids, ids[:1], ["r"])]
    assert told == ["error, not to be compared: balanced, plain", "balanced error", "1 − R²"]
    page.evaluate("rows.set('l', { id: 'l', error_is: '1 − R² of the log' })")
    page.evaluate("rows.set('w', { id: 'w', error_is: 'weighted 1 − R² of the log' })")
    each = "[['l'], ['w'], ['r', 'l']].map(measureOf)"
    assert page.evaluate(each)[:2] == ["1 − R² of the log", "weighted 1 − R² of the log"]
    page.evaluate("at('what').value = '1'")
    assert page.evaluate(each) == [
        "loss of the log", "weighted loss of the log", "loss, not to be compared: plain, plain of the log",
    ]  # fmt: skip


def test_lines_are_sorted_by_what_they_show(page: Any) -> None:
    """A search by its trials, and not by the epochs of the best one; times by the instant."""
    page.evaluate("order = { key: 'epochs', up: true }")
    assert page.evaluate("compare({ kind: 'search', trials: 30, epochs: 5 }, { kind: 'run', epochs: 9 })") > 0
    assert page.evaluate("compare({ kind: 'run', members: 10, epochs: 0 }, { kind: 'run', epochs: 9 })") > 0
    page.evaluate("order.key = 'created'")
    tokyo, york = "2026-01-04T16:00:00.000+09:00", "2026-01-04T04:00:00.000-05:00"
    assert page.evaluate(f"compare({{ created: '{tokyo}' }}, {{ created: '{york}' }})") < 0


def test_a_search_counts_trials(page: Any, root: Path) -> None:
    run = run_of(root, "first").id
    page.evaluate("rows.set('s', { id: 's', kind: 'search', trials: 30, epochs: 5 })")
    assert page.evaluate(f"[['s'], ['s', '{run}'], ['{run}']].map(axisOf)") == [
        "trials", "epoch, of a search trials", "epoch",
    ]  # fmt: skip
    page.evaluate("at('over').value = '6'")
    assert page.evaluate("axisOf(['s'])") == "seconds of training"


def test_settings_are_told_apart_as_by_a_shell_and_brackets_hold_together(page: Any) -> None:
    told = {
        "a=1  b=2 ": ["a=1", "b=2"],
        "network.hidden=[3, 4] b=2": ["network.hidden=[3, 4]", "b=2"],
        "--set 'data.split=[0.6, 0.2]' --set \"note=a b\"": ["data.split=[0.6, 0.2]", "note=a b"],
        "a={x: ['b c]', 1]} d=''": ["a={x: ['b c]', 1]}", "d="],
        "a=[1, 2 b=3": ["a=[1, 2 b=3"],
        "": [],
    }
    assert {text: page.evaluate(f"wordsOf({json.dumps(text)})") for text in told} == told


LANES = """document.querySelector('.parcoords').closest('.chart').data[0].dimensions
    .map((lane) => [lane.name, lane.label.startsWith('<b>▸'), lane.constraintrange?.length ?? 0, lane.values.length])"""


def test_what_stands_below_a_chart_is_of_the_run_that_is_shown(page: Any) -> None:
    """The figures of one run are taken for the next one's."""
    for epochs, width in ((5000, 840), (50, 480)):
        chart = {"title": "Loss", "alt": "", "note": f"Of {epochs} epochs.", "height": width // 2, "least_width": width}
        traces = [{"type": "scatter", "x": [1, 2], "y": [epochs, 0]}]
        page.evaluate("chart => drawCharts([chart])", {**chart, "data": traces, "layout": {}})
        assert page.locator("#charts figcaption p").inner_text() == f"Of {epochs} epochs."
        until(page, f"document.querySelector('#charts .chart')._fullLayout.height === {width // 2}")
        assert page.locator("#charts .chart").evaluate("place => place.style.minWidth") == f"{width}px"


def test_trials_that_come_undo_nothing_of_what_was_done_to_the_axes_of_a_search(page: Any, root: Path) -> None:
    space = {"optimizer.learning_rate": {"log": [1e-4, 1.0]}, "optimizer.name": {"choice": ["adam", "sgd"]}}
    nnrun.search({"name": "wide", **CONFIG, "search": {"space": space}}, trials=6, runs=root)
    found = run_of(root, "wide")
    found.update_record(status="interrupted")  # of one that is done the record says how many there are
    until(page, f"rows.get('{found.id}')?.status === 'interrupted'")
    page.locator(f'tr[data-id="{found.id}"] button').click()
    page.wait_for_selector("#charts .parcoords")
    page.keyboard.press("Tab")  # from here on by keyboard: the focus is to be seen
    page.locator(".chart", has=page.locator(".parcoords")).focus()
    for key in ("ArrowUp", "Shift+ArrowRight"):
        page.keyboard.press(key)
    rate, name, error = "optimizer.learning_rate", "optimizer.name", "dev_error"
    done = [[name, False, 0], [rate, True, 2], [error, False, 0]]
    until(page, f"JSON.stringify({LANES}) === '{json.dumps([[*lane, 6] for lane in done], separators=(',', ':'))}'")
    page.locator("#charts .chart", has=page.locator(".nsewdrag")).first.focus()
    beginning = "document.activeElement._fullLayout.xaxis.range[0]"
    before = page.evaluate(beginning)
    page.keyboard.press("+")
    until(page, f"{beginning} > {before}")
    moved = page.evaluate(beginning)
    page.locator(".chart", has=page.locator(".parcoords")).focus()
    page.evaluate("took = 0")  # of the last drawing, after which the next one waits for twenty times as long
    trials = found.path / "trials.jsonl"
    last = json.loads(trials.read_text().splitlines()[-1])
    with trials.open("a") as file:
        file.write(sealed_line({**last, "number": 6}) + "\n")
    until(page, f"({LANES})[0][3] === 7")
    assert [lane[:3] for lane in page.evaluate(LANES)] == done
    assert (
        page.evaluate(beginning.replace("document.activeElement", "document.querySelector('#charts .chart')")) == moved
    )
    assert page.locator("p.lane").inner_text().startswith(f"{rate}: 0.0001585 to 1, ")
    assert page.locator("p.lane").inner_text().endswith(" of 7 trials")
    page.keyboard.press("Escape")
    until(page, f"({LANES}).every((lane) => lane[2] === 0)")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "application"
    page.keyboard.press("Escape")  # nothing is left to clear: it is the page's key again
    assert page.evaluate("document.activeElement.type") == "checkbox"


def test_smoothing_is_unbiased_from_the_first_epoch_on(page: Any) -> None:
    """β = 0.9 of 1, 1, 0: 1, 1, (0.81 · 0.1 + 0.9 · 0.1) / (1 − 0.9³) = 0.171 / 0.271."""
    assert page.evaluate("smooth([1, 1, 0], 0.9)") == pytest.approx([1, 1, 0.171 / 0.271])
    assert page.evaluate("smooth([0.5, null, 0.25], 0)") == [0.5, None, 0.25]
