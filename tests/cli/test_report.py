"""The command report: of every kind of run, and what it says where something is missing."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from nnrun.models.trained import trained
from nnrun.report.page.charts import Chart
from nnrun.report.run.examples import boundary_chart
from nnrun.runs.removing import size_told
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun

Done = Any
QUICK = ("--set", "training.epochs=3", "--set", "network.hidden=[8]")
NNRun = Callable[..., Done]


def newest(folder: Path = Path("runs")) -> Path:
    return max((path for path in folder.iterdir() if path.name[0] != "."), key=lambda path: path.name)


def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_of_the_latest_run(here: Path, nnrun: NNRun) -> None:
    done = nnrun("train", *QUICK)
    assert f"nnrun report {newest().name}" in done.next
    told, written = nnrun("report").out, newest() / "report.html"
    assert told == f"report   {written} ({size_told(written.stat().st_size)})\n"
    assert f"<h1>Run {newest().name}</h1>" in page(newest())
    assert nnrun("report", "--json").json["report"] == str(newest() / "report.html")


def test_asked_for_with_the_run_it_needs_no_command(here: Path, nnrun: NNRun) -> None:
    done = nnrun("train", "--report", *QUICK)
    assert f"report   {newest() / 'report.html'}" in done.out
    assert not any(command.startswith("nnrun report") for command in done.next)
    assert (newest() / "report.html").is_file()


def test_json_says_where_the_page_is(here: Path, nnrun: NNRun) -> None:
    assert "report" not in nnrun("train", "--json", *QUICK).json
    document = nnrun("train", "--json", "--report", *QUICK).json
    assert Path(document["report"]).is_file()


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/report.html"), 1, "nnrun: a/report.html: No space left"),
        (SystemExit(143), 143, ""),
    ],
)
def test_what_keeps_the_page_from_being_written_takes_no_result_along(
    nnrun: NNRun, monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int, told: str
) -> None:
    monkeypatch.setattr("nnrun.cli.report.write", Mock(side_effect=failure))
    done = nnrun("train", "-q", "--json", "--report", *QUICK)
    assert (done.code, done.json["status"], done.json["id"], done.json["report"]) == (code, "done", newest().name, None)
    assert done.err.startswith(told) and done.err.count("\n") == bool(told)


def test_a_search_has_one_page_and_its_trials_none(here: Path, nnrun: NNRun) -> None:
    done = nnrun("search", "-q", "--report", "--trials", "3", "--workers", "1", *QUICK[:2])
    assert f"report   {newest() / 'report.html'}" in done.out
    assert [path.parent for path in newest().rglob("report.html")] == [newest()]
    assert "<h1>Search " in page(newest())


def test_the_page_says_of_a_search_what_show_says_where_it_failed_when_resumed(here: Path, nnrun: NNRun) -> None:
    nnrun("search", "-q", "--trials", "2", "--workers", "1", *QUICK[:2])
    RunDir(newest()).update_record(status="failed", error="no workers came")
    assert "failed, 2 of 2 trials so far; no workers came" in nnrun("show").out
    assert nnrun("report").code == 0
    assert "Failed, 2 of 2 trials so far; no workers came." in page(newest())


def test_a_trial_can_be_looked_at_by_itself(here: Path, nnrun: NNRun) -> None:
    nnrun("search", "-q", "--trials", "2", "--workers", "1", *QUICK[:2])
    assert nnrun("report", newest() / "trials/0001").code == 0
    assert "Confusions" in page(newest() / "trials/0001")


def test_a_diverged_run_is_told_without_empty_charts(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK, "--set", "optimizer.name=sgd", "--set", "optimizer.learning_rate=1e30")
    assert nnrun("report").code == 0
    assert "diverged" in page(newest()).lower()
    assert "Left out: no epoch was finished." in page(newest())


def test_without_its_data_the_page_has_what_the_directory_has(here: Path, nnrun: NNRun) -> None:
    source = Path("points.csv")
    source.write_text("a,b,y\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60)))
    nnrun("train", "-q", *QUICK, "--set", "data.source=points.csv", "--set", "data.target=y")
    source.unlink()
    assert nnrun("report").code == 0
    text = page(newest())
    assert "Left out: " in text
    assert "Learning curves" in text
    assert "Weights of the best epoch" in text


def test_the_test_part_is_not_read_for_a_page(here: Path, nnrun: NNRun) -> None:
    """Its error is that of run.json: the page of a trial, whose test error nobody has asked for, has none."""
    nnrun("search", "-q", "--trials", "2", "--workers", "1", *QUICK[:2])
    nnrun("report", newest() / "trials/0001")
    assert "<dt>dev error</dt>" in page(newest() / "trials/0001")
    assert "<dt>test error</dt>" not in page(newest() / "trials/0001")


def test_a_regression_is_told_in_its_own_unit(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK, "--set", "data.source=diabetes")
    assert nnrun("report").code == 0
    text = page(newest())
    assert "Predicted and true" in text
    assert "Confusions" not in text
    assert "RMSE" in text
    assert "dev rows were compared with the 1 − R² on dev" in text
    assert re.search(r"The best epoch by every metric.*?<tbody><tr><t[hd][^>]*>1 − R²<", text, re.DOTALL)
    assert {"train 1 − R²", "dev 1 − R²"} <= set(re.findall(r'"name": ?"([^"]*)"', text))
    nnrun("report", "--all")
    assert " has the lowest dev 1 − R², " in folder_page()


def test_the_worst_images_are_found_in_their_file(here: Path, nnrun: NNRun) -> None:
    """Of which every tenth has the other's class."""
    y = np.arange(200) % 2
    x = (2 * y - 1)[:, None, None] + np.random.default_rng(0).normal(0, 0.1, (200, 3, 3))
    np.savez("x.npz", x=x, y=np.where(np.arange(200) % 10, y, 1 - y))
    config = "data={source: x.npz, target: y, split: [0.4, 0.6, 0]}"
    assert nnrun("train", "--report", "--set", config, "--set", "network.hidden=[]").code == 0
    rows = re.findall(r"<p>row (\d+): true \d, said \d", page(newest()))
    assert len(rows) > 5 and {int(row) % 10 for row in rows} == {1}


def test_no_run_is_a_usage_error(here: Path, nnrun: NNRun) -> None:
    assert nnrun("report", "nothing").code == 2


def test_a_page_is_opened_in_a_browser(nnrun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    nnrun("train", "-q", "--set", "data.source=iris", "--set", "training.epochs=1")
    assert nnrun("report", "--open").code == 0
    (address,) = opened
    assert address.startswith("file:///") and address.endswith("/report.html")
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    assert "no browser could be started" in nnrun("report", "--open").err


def folder_page() -> str:
    return Path("runs/report.html").read_text(encoding="utf-8")


def test_a_folder_has_a_page_of_all_its_runs(here: Path, nnrun: NNRun) -> None:
    for seed in (1, 2):
        nnrun("train", "-q", *QUICK, "--set", f"seed={seed}", "--set", "name=one")
    long = ("--set", f"name={64 * 'x'}")
    nnrun("search", "-q", "--trials", "2", "--workers", "1", *QUICK[:2], "--set", "data.source=iris", *long)
    nnrun("note", "latest", "<b>kept</b>")
    hostile = Path("runs/20200101-000000-<img src=x onerror=alert(1)>-dead")
    hostile.mkdir()
    (hostile / "run.json").write_text("{")
    done = nnrun("report", "--all")
    assert re.fullmatch(r"report   runs/report.html \([\d.]+ [kM]B\)\n", done.out)
    text = folder_page()
    runs = [path.name for path in Path("runs").iterdir() if path.is_dir() and path.name[0] not in ".<"]
    assert all(name.replace("<", "&lt;").replace(">", "&gt;") in text for name in runs)
    for section in ("All runs", "The best on digits", "The best on iris", "Verdicts", "Unreadable"):
        assert f">{section}</h2>" in text
    assert re.search(r'"name": ?"[0-9a-f]{4} x{18}…"', text), "a name of a legend is cut"
    assert '<td class="number" data-value="2">2 trials</td>' in text
    assert "<img src=x" not in text and "<b>kept" not in text and "&lt;b&gt;kept" in text
    assert nnrun("list", "--json").json["runs"]  # the page is no run
    assert nnrun("report", "--all", "--json").json == {
        "schema_version": 1,
        "path": "runs",
        "report": "runs/report.html",
    }
    nnrun("report", "--all", "--filter", "name=one")
    assert "The best on iris" not in folder_page()


def test_a_fifth_run_of_a_chart_has_other_dashes_than_the_first(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK, "--set", "training.epochs=1")
    first = newest()
    for i in range(4):
        shutil.copytree(first, first.with_name(f"20200101-000000-copy-000{i}"), symlinks=True)
    assert nnrun("report", "--all").code == 0
    assert re.findall(r'"dash": ?"(\w+)"', folder_page()) == 4 * [*4 * ["solid"], "dash"]


def test_what_no_page_of_a_folder_can_be_made_of(here: Path, nnrun: NNRun) -> None:
    done = nnrun("report", "--all")
    assert (done.code, done.err) == (2, "nnrun: no runs in runs yet; `nnrun train` makes one\n")
    nnrun("train", "-q", *QUICK)
    assert nnrun("report", "--all").code == 0
    Path("runs/report.html").unlink()
    assert nnrun("report", "--filter", "name=one").code == 2
    assert "only one of them" in nnrun("report", newest().name, "--all").err
    assert "no run fulfils that" in nnrun("report", "--all", "--filter", "name=xyz").err
    assert "did you mean status" in nnrun("report", "--all", "--filter", "statu=done").err
    assert not Path("runs/report.html").exists()


RECORDED = ("--set", "training.layer_statistics=true", "--set", "training.record=steps")


def test_a_lesson_is_a_page_with_one_picture_and_what_to_see(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK, "--set", "data.source=moons", *RECORDED)
    for name, title in (
        ("boundary", "What the network says everywhere"),
        ("curves", "Loss and cost"),
        ("ladder", "From base to test"),
        ("layers", "Size of the outputs"),
        ("steps", "Loss of each mini-batch"),
        ("weights", "Weights of the best epoch"),
    ):
        done = nnrun("report", "--lesson", name)
        file = newest() / f"lesson-{name}.html"
        assert done.out.startswith(f"report   {file} (")
        assert "\nsee      " in done.out
        assert f"<h3>{title}</h3>" in file.read_text(encoding="utf-8")
    document = nnrun("report", "--lesson", "ladder", "--json").json
    assert (document["lesson"], document["report"]) == ("ladder", str(newest() / "lesson-ladder.html"))
    assert "bias" in document["see"]


def test_a_boundary_is_said_to_be_that_of_the_best_epoch(here: Path, nnrun: NNRun) -> None:
    """The gallery shows how wiggly that of the last epoch is."""
    nnrun("train", "-q", *QUICK, "--set", "data.source=moons")
    assert "that of the best epoch" in " ".join(nnrun("report", "--lesson", "boundary").out.split())
    assert "What the network of the best epoch says" in (newest() / "lesson-boundary.html").read_text(encoding="utf-8")


def boundary_of(run: Path) -> Chart:
    known = trained(StoredRun(RunDir(run)))
    return boundary_chart(known.model, known.dataset)


def test_a_boundary_says_in_words_and_of_each_dot_what_the_network_takes_it_for(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK, "--set", "data.source=moons", "--set", "training.epochs=1")
    chart = boundary_of(newest())
    assert re.match(
        r"Decision regions over x1 and x2\. Of the area the network calls [\d.]+% lower, [\d.]+% upper;", chart.alt
    )
    wrong = round(100 * StoredRun(RunDir(newest())).record["final"]["dev_error"])
    assert chart.alt.endswith(f" upper; {wrong} of 100 dev examples lie on the wrong side.")
    told = [
        re.fullmatch(r"true (\w+), said (\w+) \([\d.]+% sure\)", text)
        for dots in chart.data[2:]
        for text in dots["text"]
    ]
    assert sum(each is not None and each[1] != each[2] for each in told) == wrong > 0
    nnrun("report")
    assert chart.alt in page(newest())


def test_heights_over_a_plane_are_told_in_words(here: Path, nnrun: NNRun) -> None:
    """The target is 3 a + 9; without hidden layers it lies highest where a does."""
    rows = (f"{a},{b},{3 * a + 9}" for a in range(10) for b in range(10))
    Path("plane.csv").write_text("\n".join(["a,b,y", *rows]))
    nnrun("train", "-q", "--set", "data={source: plane.csv, target: y, task: regression}", "--set", "network.hidden=[]")
    chart = boundary_of(newest())
    least, most = (float(x) for x in re.findall(r"at \((-?[\d.]+), ", chart.alt))
    assert least < 0.1 < 8.9 < most
    (dots,) = chart.data[1:]
    assert all(re.fullmatch(r"true [\d.]+, said -?[\d.]+", text) for text in dots["text"])


def test_a_search_has_lessons_of_its_own(here: Path, nnrun: NNRun) -> None:
    space = ("--set", "search.space={optimizer.learning_rate: {log: [1e-3, 1e-1]}}")
    nnrun("search", *QUICK, *space, "--trials", "3", "--workers", "1", "-q")
    for name, title in (
        ("curves", "Every trial"),
        ("progress", "Best so far, trial by trial"),
        ("settings", "All settings at once"),
        ("slices", "optimizer.learning_rate"),
    ):
        done = nnrun("report", "--lesson", name)
        assert done.code == 0, done.err
        assert "\nsee      " in done.out
        assert f"<h3>{title}</h3>" in (newest() / f"lesson-{name}.html").read_text(encoding="utf-8")
    done = nnrun("report", "--lesson", "weights")
    assert (done.code, done.out) == (2, "")
    assert f"no lesson 'weights' of a search; name one of its runs, such as {newest().name}/best" in done.err
    assert nnrun("report", f"{newest().name}/best", "--lesson", "weights").code == 0
    assert "a search has it" in nnrun("report", f"{newest().name}/best", "--lesson", "slices").err


def test_of_a_search_by_another_metric_that_one_is_told_on_test_too(here: Path, nnrun: NNRun) -> None:
    space = ("--set", "search.space={optimizer.learning_rate: {log: [1e-3, 1e-1]}}", "--set", "metrics.primary=f1")
    nnrun("search", *QUICK, *space, "--set", "data.source=moons", "--trials", "2", "--workers", "1", "-q", "--report")
    told = page(newest())
    facts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)<", told)
    f1 = (RunDir(newest()).read_record()["final"] or {})["test_f1"]
    assert [name for name, _ in facts][:3] == ["best dev_f1", "test f1", "test error"]
    assert float(facts[1][1]) == pytest.approx(f1, abs=1e-3)
    assert "The colours go by dev_f1." in told


def test_of_a_run_that_was_resumed_it_is_said_what_was_typed_before(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK)
    nnrun("report")
    assert "What was typed:" in page(newest())
    assert nnrun("resume", "latest", "--epochs", "5", "-q").code == 0
    nnrun("report")
    assert "What was typed, before it was resumed:" in page(newest())
    assert f"<td>{RunDir(newest()).read_record()['created']}</td>" in page(newest())


def test_of_folds_the_lesson_on_weights_is_one_of_a_member(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK, "--set", "data.folds=2")
    done = nnrun("report", "--lesson", "weights")
    assert (done.code, "name one of its members, such as RUN/members/01" in " ".join(done.err.split())) == (2, True)
    assert nnrun("report", f"{newest().name}/members/01", "--lesson", "weights").code == 0


def test_a_lesson_says_what_a_run_lacks_for_it(here: Path, nnrun: NNRun) -> None:
    nnrun("train", "-q", *QUICK)
    for name, words in (
        ("boundary", "needs two inputs that are numbers"),
        ("layers", "training.layer_statistics=true"),
        ("steps", "training.record=steps"),
        ("boundry", "did you mean boundary?"),
    ):
        done = nnrun("report", "--lesson", name)
        assert (done.code, done.out) == (2, "")
        assert words in " ".join(done.err.split())
        assert not (newest() / f"lesson-{name}.html").exists()


@pytest.mark.parametrize("other", [("--all",), ("--cost", "a=2")])
def test_a_lesson_is_of_one_run(nnrun: NNRun, other: tuple[str, ...]) -> None:
    done = nnrun("report", "--lesson", "curves", *other)
    assert (done.code, done.out) == (2, "")
    assert f"--lesson and {other[0]}" in done.err


def test_one_epoch_is_one(here: Path, nnrun: NNRun) -> None:
    trained = nnrun("train", "--set", "data.source=iris", "--set", "training.epochs=1")
    assert "1 epoch, seed 0" in trained.err
    assert nnrun("report", "latest", "-q").code == 0
    text = page(newest())
    assert "1 of 1 epoch<" in text and " over 1 epoch: " in text
    assert "1 epochs" not in trained.err + text
