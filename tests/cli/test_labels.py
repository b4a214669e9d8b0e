"""Tags and notes: written, found again, shown, and gone when they are taken away."""

from __future__ import annotations

import csv
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.runs.labels import labels_of, tag
from nnrun.runs.rundir import RunDir
from tests.cli.conftest import QUICK, Done

Nnrun = Callable[..., Done]


@pytest.fixture
def run(nnrun: Nnrun) -> RunDir:
    assert nnrun("train", "-q", *QUICK).code == 0
    (path,) = Path("runs").glob("[!.]*")
    return RunDir(path)


def test_a_run_is_found_by_its_tags(nnrun: Nnrun, run: RunDir) -> None:
    nnrun("train", "-q", *QUICK)
    told = nnrun("tag", run.id, "baseline", "paper-2")
    assert (told.code, told.out.splitlines()[1]) == (0, "tags     baseline, paper-2")
    for condition in ("tag=baseline", "tags=paper*", "tag=paper-2"):
        assert [each["id"] for each in nnrun("list", "--json", "--filter", condition).json["runs"]] == [run.id]
    assert [each["id"] for each in nnrun("list", "--json", "--filter", "tag!=baseline").json["runs"]] != [run.id]
    assert "baseline, paper-2" in nnrun("list").out
    assert "tags     baseline, paper-2" in nnrun("show", run.id).out
    row = next(row for row in csv.DictReader(nnrun("list", "--csv").out.splitlines()) if row["id"] == run.id)
    assert row["tags"] == "baseline paper-2"
    assert nnrun("tag", run.id, "--remove", "baseline", "--json").json["tags"] == ["paper-2"]
    assert nnrun("tag", run.id, "--json").json["tags"] == ["paper-2"]


def test_a_part_of_a_run_is_found_by_show(nnrun: Nnrun, run: RunDir) -> None:
    nnrun("search", "-q", *QUICK, "--trials", "1", "--workers", "1")
    for words in (("tag", "latest/trials/0000", "odd"), ("note", "latest/trials/0000", "too large a rate")):
        found = nnrun(*words).out.partition("found    ")[2]
        assert "list and clean look at whole runs" in found
        assert words[2] in nnrun(*found.split("`")[1].split()[1:]).out
    assert "found" not in nnrun("tag", run.id, "whole").out


def test_a_note_stands_where_a_run_is_shown(nnrun: Nnrun, run: RunDir) -> None:
    words = "labels <cleaned> by hand\nsecond line"
    assert nnrun("note", "latest", words).code == 0
    assert "note     labels <cleaned> by hand\n         second line\n" in nnrun("show").out
    assert nnrun("show", "--json").json["note"] == words
    assert nnrun("list", "--json").json["runs"][0]["note"] == words
    nnrun("report")
    assert "Note: labels &lt;cleaned&gt; by hand" in (run.path / "report.html").read_text()
    assert nnrun("note", "latest", "", "--json").json["note"] is None
    assert "note     " not in nnrun("show").out


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("tag", "latest", "two words"), "two words: a tag is one word of letters"),
        (("tag", "latest", "a,b"), "a,b: a tag is one word"),
        (("tag", "latest", "--remove", "gone"), "has no tag gone; it has none"),
        (("tag", "latest", "--remove"), "--remove takes the words to be removed"),
        (("tag",), "Missing argument 'RUN'"),
        (("note", "latest", "x" * 4001), "a note has at most 4,000 letters, this one 4,001"),
    ],
)
def test_mistakes(nnrun: Nnrun, run: RunDir, call: tuple[str, ...], words: str) -> None:
    done = nnrun(*call)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert labels_of(run) == {"tags": [], "note": None}


def test_tags_that_are_put_at_once_are_all_kept(run: RunDir) -> None:
    threads = [threading.Thread(target=tag, args=(RunDir(run.path), [f"t{k}"])) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(labels_of(run)["tags"]) == {f"t{k}" for k in range(8)}


def test_a_closed_folder_is_told(nnrun: Nnrun, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(RunDir, "write", refuse)
    done = nnrun("tag", run.id, "baseline")
    assert (done.code, "cannot write there (Permission denied); nothing was changed" in done.err) == (2, True)


def test_without_locks_labels_are_written(nnrun: Nnrun, run: RunDir, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("no_locks")
    assert (nnrun("tag", run.id, "good").code, labels_of(run)["tags"]) == (0, ["good"])


def test_damage_is_told_and_hides_no_run(nnrun: Nnrun, run: RunDir) -> None:
    nnrun("tag", "latest", "baseline")
    path = run.path / "labels.json"
    path.write_text(path.read_text().replace("baseline", "baselime"))
    shown = nnrun("show")
    assert (shown.code, "labels.json: damaged" in shown.err) == (4, True)
    assert run.id in nnrun("list").out
