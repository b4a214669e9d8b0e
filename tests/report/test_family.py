"""The page of a run that has relatives or was changed on the way: joined curves, marks, a table, a tree."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.load import load_config
from nnrun.report.page.charts import badge, line
from nnrun.report.run.curves import joined
from nnrun.report.run.marks import changes_table, marks_of, words_of
from nnrun.report.verbs import write_report
from nnrun.runs import verbs
from nnrun.runs.lineage import Change, Course
from nnrun.runs.records import Event, Row
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.panda import nudge, rewind

RATE, DROPOUT = "optimizer.learning_rate", "regularization.dropout"
WHEN = "2026-11-27T03:15:04.000+00:00"


def rows(*epochs: int) -> list[Row]:
    losses = dict.fromkeys(("train_loss", "cost", "train_error", "dev_loss", "dev_error"), 0.5)
    return [Row(epoch=i, step=i, learning_rate=0.1, seconds=0.1, **losses) for i in epochs]  # type: ignore[typeddict-item]


# pieces


def test_a_curve_is_joined_at_the_fork() -> None:
    curve = line("dev error", [1, 2, 3, 4], [0.4, 0.3, 0.2, 0.1], "red")
    pale, own = joined(curve, 2)
    assert (pale["x"], pale["y"], pale["showlegend"]) == ([1, 2], [0.4, 0.3], False)
    assert pale["opacity"] < 1
    assert (own["x"], own["y"], own["name"]) == ([2, 3, 4], [0.3, 0.2, 0.1], "dev error")
    assert joined(curve, 0) == [curve]
    thinned = line("dev error", [1, 5, 9], [0.4, 0.3, 0.2], "red")
    assert [part["x"] for part in joined(thinned, 6)] == [[1, 5], [5, 9]]


def test_marks_of_a_child() -> None:
    changes = [Change(3, RATE, 0.1, 0.01, WHEN, "1", "flat"), Change(3, DROPOUT, 0, 0.5, WHEN, "1")]
    events: list[Event] = [
        {"time": WHEN, "event": kind, "epoch": epoch}
        for kind, epoch in [
            ("resumed", 1),
            ("resumed", 2),
            ("changed", 3),
            ("refused", 3),
            ("paused", 4),
            ("stopped early", 6),
        ]
    ]
    marks = marks_of(5, events, Course(rows(*range(1, 7)), changes, fork=2))
    assert [words["text"] for words in marks["annotations"]] == [
        "best epoch 5", "left its parent at 2", "stopped early", "1",
    ]  # fmt: skip
    assert [shape["x0"] for shape in marks["shapes"]] == [5, 2, 6, 2.5]
    assert marks["annotations"][-1]["hovertext"] == (
        "from epoch 3<br>optimizer.learning_rate 0.1 → 0.01<br>regularization.dropout 0 → 0.5<br>note: flat"
    )


def test_what_is_pointed_at_holds_no_tag_and_is_cut() -> None:
    _, words = badge(2.5, 1, ["<b>x</b>", "y" * 1000])
    first, second = words["hovertext"].split("<br>")
    assert first == "&lt;b&gt;x&lt;/b&gt;"
    assert len(second) == 80


def test_changes_that_were_made_together_have_one_number() -> None:
    changes = [Change(3, RATE, 0.1, 0.01, WHEN, "1", "<i>"), Change(3, DROPOUT, 0, 0.5, WHEN, "1"),
               Change(4, RATE, 0.01, 0.1, WHEN, "2", None, "lab7", 4711)]  # fmt: skip
    (written,) = changes_table(Course(rows(1), changes))
    assert re.findall(r'scope="row">(\d)<', written) == ["1", "1", "2"]
    assert "&lt;i&gt;" in written and "process 4711 on lab7" in written
    assert words_of(changes[2:]) == ["from epoch 4", f"{RATE} 0.01 → 0.1"]
    assert changes_table(Course(rows(1), [])) == []


# pages


@pytest.fixture
def family(tmp_path: Path) -> list[RunDir]:
    """A run, its child of `resume` with two nudges, a rewound child of that."""
    settings = ["data.source=iris", "network.hidden=[4]", "training.epochs=6", f"{RATE}=0.003"]
    parent = verbs.train(load_config(None, settings), tmp_path / "runs").run
    older = verbs.resume(parent, None, [f"{RATE}=0.03", "training.epochs=12"]).run
    nudge(older, 9, {RATE: (0.03, 0.01), DROPOUT: (0, 0.1)}, note="<b>flat</b>")
    nudge(older, 11, {RATE: (0.01, 0.003)}, "0002")
    younger = rewind(older, 10, {DROPOUT: (0.1, 0.2)}, "20990101-000000-iris-0000")
    return [parent, older, younger]


def page(run: RunDir) -> str:
    return write_report(StoredRun(run), Path("config.yaml")).read_text(encoding="utf-8")


def charts(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(re.findall(r'<script[^>]*id="charts"[^>]*>(.*?)</script>', text, re.S)[0])
    return found


def epochs(text: str) -> list[list[int]]:
    """Those of each piece of the curves of errors: train and dev, the parent's part first."""
    return [trace["x"] for trace in charts(text)[2]["data"]]


def test_the_page_of_a_child_of_resume(family: list[RunDir]) -> None:
    parent, older, _ = family
    text = page(older)
    assert epochs(text) == [[*range(1, 7)], [*range(6, 13)]] * 2
    marks = [words["text"] for words in charts(text)[2]["layout"]["annotations"]]
    assert {"left its parent at 6", "1", "2", "3"} <= {*marks}
    assert "2 changes were made while watching dev</small>" in text
    assert "&lt;b&gt;flat&lt;/b&gt;" in text and "<b>flat" not in text
    assert "changed, optimizer.learning_rate 0.03 → 0.01, note: " in text  # among the events
    told = html.unescape(re.sub(r"<[^>]+>", "|", text.partition('id="family"')[2].partition("</section>")[0]))
    names = [parent.id, f"{older.id} (this one)", "20990101-000000"]
    places = [told.index(name[:15]) for name in names]
    assert places == sorted(places)
    assert "(this one)" in told and "|└─ |" in told and "|   └─ |" in told
    assert f"{RATE} 0.003 → 0.03, training.epochs 6 → 12" in told
    shutil.rmtree(parent.path)
    without = page(older)
    assert epochs(without) == [[*range(7, 13)]] * 2
    assert f"of {parent.id}, which is gone" in without


def test_the_page_of_a_rewound_child_needs_no_parent(family: list[RunDir]) -> None:
    """Its parent had none of the grandparent's epochs itself."""
    parent, older, younger = family
    assert epochs(page(younger)) == [[*range(1, 11)], [10, 11, 12]] * 2
    shutil.rmtree(parent.path)
    before = page(younger)
    shutil.rmtree(older.path)
    text = page(younger)
    assert epochs(text) == epochs(before) == [[*range(7, 11)], [10, 11, 12]] * 2
    assert "2 changes were made while watching dev</small>" in text
    assert f"of {older.id}, which is gone: {DROPOUT} 0.1 → 0.2" in text


def test_a_run_alone_has_no_family(family: list[RunDir]) -> None:
    parent, *others = family
    for other in others:
        shutil.rmtree(other.path)
    text = page(parent)
    assert 'id="family"' not in text and "watching dev" not in text and "The pale part" not in text
