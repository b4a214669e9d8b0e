"""Where rows do not count alike, what errors are is told wherever they stand, by one name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import QUICK, Done

Nnrun = Callable[..., Done]
BALANCED = (*QUICK, "--set", "data.source=breast_cancer", "--set", "data.class_weight=balanced")
UNNAMED = re.compile(r"\b(train|dev|test)[ _](error|loss)\b")  # such as dev_error


def titles(page: Path) -> list[str]:
    """Titles of columns and of charts, and the words that stand beside the facts, as a page has them."""
    return re.findall(r"<(?:th|dt|figcaption|h3)[^>]*>([^<]*)<", page.read_text())


def test_each_line_of_a_log_tells_that_errors_are_balanced(nnrun: Nnrun) -> None:
    done = nnrun("train", *BALANCED)
    (run,) = Path("runs").glob("[!.]*")
    for text in (done.err, (run / "log.txt").read_text()):
        lines = [line for line in text.splitlines() if line.startswith("epoch ")]
        assert len(lines) == 3
        assert all(re.match(r"epoch \d/3  balanced: cost ", line) for line in lines), lines
    plain = nnrun("train", *BALANCED[:-2])
    assert "balanced" not in plain.err + plain.out


def test_the_epochs_that_are_shown_stand_below_what_they_are(nnrun: Nnrun) -> None:
    nnrun("train", *BALANCED)
    lines = nnrun("show").out.splitlines()
    (table,) = (i for i, line in enumerate(lines) if line.startswith("epoch "))
    assert lines[table - 1] == "balanced errors and losses by epoch"


def test_a_search_calls_its_errors_balanced_everywhere(nnrun: Nnrun) -> None:
    done = nnrun("search", *BALANCED, "--trials", "3", "--workers", "1")
    trials = [line for line in done.err.splitlines() if re.match(r"\d/3  trial ", line)]
    assert len(trials) == 3
    assert all(re.search(r"% balanced  best ", line) for line in trials), trials
    assert "trial  dev_balanced_error  " in done.out
    assert not UNNAMED.search(done.out)
    nnrun("report")
    (page,) = Path("runs").glob("*search*/report.html")
    assert {"dev_balanced_error", "train balanced error", "test balanced error"} <= set(titles(page))
    assert not [title for title in titles(page) if UNNAMED.search(title)]


def test_the_charts_of_a_page_name_what_they_draw(nnrun: Nnrun) -> None:
    nnrun("train", *BALANCED)
    nnrun("report")
    (page,) = Path("runs").glob("*/report.html")
    text = page.read_text()
    for name in ("train balanced error", "dev balanced error", "train balanced loss", "dev balanced loss"):
        assert f'"{name}"' in text, name
    assert "errors and losses are balanced" in text
