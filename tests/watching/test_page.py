"""The page in a browser: what changes is there without a reload, and what was chosen stays chosen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nnrun
from nnrun.files import to_json
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.watching.server import Server
from nnrun.watching.verbs import begin

CONFIG = {"data": {"source": "iris"}, "training": {"epochs": 3}}
HOSTILE = "<b>x</b>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("first", "second"):
        nnrun.train({"name": name, **CONFIG}, tmp_path / "runs")
    return tmp_path / "runs"


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


def drawn(page: Any) -> int:
    """Points of the longest curve."""
    return int(
        page.evaluate("Math.max(0, ...(document.getElementById('chart').data ?? []).map((one) => one.x.length))")
    )


def test_a_new_epoch_and_a_new_run_appear_and_what_was_chosen_stays(page: Any, root: Path) -> None:
    assert page.locator("#runs tbody tr").count() == 2
    run = run_of(root, "first")
    page.locator(f'tr[data-id="{run.id}"] input').check()
    until(page, "document.getElementById('chart').data?.length === 2")
    assert drawn(page) == 3
    row = {**run.metrics()[-1], "epoch": 4}
    with (run.path / EPOCHS).open("a") as file:
        file.write(to_json(row) + "\n")
    until(page, "document.getElementById('chart').data[0].x.length === 4")
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
    until(page, "document.getElementById('chart').data?.length === 2")
    assert page.evaluate("document.activeElement.type") == "checkbox"  # where it was, though the table was drawn anew
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail h2:focus")
    assert page.locator("#detail-title").inner_text() == run_of(root, "second").id
    assert "bias" in page.locator("#verdict").inner_text().lower()
    page.wait_for_selector("#charts .js-plotly-plot")


def test_names_are_text_and_columns_sort(page: Any, root: Path) -> None:
    run = run_of(root, "first")
    run.path.rename(root / HOSTILE.replace("/", "_"))
    until(page, "[...document.querySelectorAll('td.name')].some((one) => one.textContent.includes('<b>x'))")
    assert page.locator("#runs td.name b").count() == 0
    page.locator('#runs th button[data-key="dev_error"]').click()
    assert page.locator('#runs th[aria-sort="descending"], #runs th[aria-sort="ascending"]').count() == 1


def test_smoothing_is_unbiased_from_the_first_epoch_on(page: Any) -> None:
    """β = 0.9 of 1, 1, 0: 1, 1, (0.81 · 0.1 + 0.9 · 0.1) / (1 − 0.9³) = 0.171 / 0.271."""
    assert page.evaluate("smooth([1, 1, 0], 0.9)") == pytest.approx([1, 1, 0.171 / 0.271])
    assert page.evaluate("smooth([0.5, null, 0.25], 0)") == [0.5, None, 0.25]
