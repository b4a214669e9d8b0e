"""Parents, children, changes and the tree of a family: of real runs, of gone ones, in circles made by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnrun.runs import verbs
from nnrun.runs.lineage import (
    Change,
    ancestors_of,
    changes_in,
    changes_of,
    children_of,
    course_of,
    fork_of,
    nudges,
    parent_of,
    settings_held,
    tree,
    watched,
)
from nnrun.runs.rundir import RunDir
from nnrun.runs.session import Outcome
from nnrun.runs.stored import StoredRun
from nnrun.runs.telling import brief, summary
from tests.panda import nudge, rewind

Train = Callable[..., Outcome]
RATE, DROPOUT = "optimizer.learning_rate", "regularization.dropout"
FASTER = {RATE: (0.003, 0.01)}


@pytest.fixture
def parent(train_run: Train) -> RunDir:
    """A run of six epochs."""
    return train_run("data.source=iris", "network.hidden=[4]", "training.epochs=6", f"{RATE}=0.003").run


def resumed(run: RunDir, *settings: str) -> RunDir:
    return verbs.resume(run, None, settings).run


def told(changes: list[Change]) -> list[str]:
    return [f"{change.epoch} {change.key} {change.values}" for change in changes]


# changes


def test_a_request_of_several_keys_is_one_change(parent: RunDir) -> None:
    assert nudges(parent.events()) == 0
    nudge(parent, 3, {RATE: (0.003, 0.001), DROPOUT: (0, 0.5)}, note="flat")
    nudge(parent, 5, {RATE: (0.001, 0.0005)}, "0002")
    nudge(parent, 5, {RATE: (0.001, 0.0005)}, "0002")  # told again after a kill
    assert nudges(parent.events()) == 2
    first, *_ = changes_in(parent.events())
    assert (first.note, first.host, first.process, first.request) == ("flat", "lab7", 4711, "0001")
    assert told(changes_in(parent.events())) == [
        f"3 {RATE} 0.003 → 0.001", f"3 {DROPOUT} 0 → 0.5", f"5 {RATE} 0.001 → 0.0005",
    ]  # fmt: skip


def test_a_child_counts_its_parents_requests_and_its_own_of_the_same_name(parent: RunDir) -> None:
    nudge(parent, 3, FASTER)
    nudge(parent, 5, FASTER, "0002")
    child = rewind(parent, 3, {DROPOUT: (0, 0.1)})
    assert nudges(child.events()) == 2  # the second came after they parted
    nudge(child, 5, FASTER)
    assert nudges(child.events()) == 3


def test_what_is_no_whole_change_is_left_out() -> None:
    when = "2026-11-27T03:15:04.000+00:00"
    assert (
        changes_in([{"time": when, "event": "changed", "epoch": 3}, {"time": when, "event": "done", "epoch": 3}]) == []
    )


def test_values_that_look_alike_are_told_apart() -> None:
    assert Change(2, RATE, 0.00123456, 0.001234561, "").values == "0.00123456 → 0.001234561"
    assert Change(2, "network.hidden", None, [4, 5], "").values == "null → [4, 5]"


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, ""), (1, "1 change was made while watching dev"), (3, "3 changes were made while watching dev")],
)
def test_what_is_said_beside_the_dev_error(parent: RunDir, number: int, words: str) -> None:
    assert watched(number) == words
    record, config = parent.read_record(), StoredRun(parent).config
    for i in range(number):
        nudge(parent, 2, FASTER, f"{i:04}")
    lines = summary(record, config, "done", parent.events())
    errors = next(i for i, line in enumerate(lines) if line.startswith("cost"))
    assert lines[errors + 1] == words
    assert brief(record, "done", parent.events())[-1].endswith(f", {words}" if words else "%")


# relatives


def test_parents_and_children_of_both_kinds(parent: RunDir) -> None:
    older = resumed(parent, "training.epochs=8", f"{RATE}=0.001")
    younger = rewind(parent, 2, FASTER)
    of_it = rewind(younger, 4)
    names = [run.id for run in children_of(StoredRun(parent))]
    assert sorted(names) == sorted([older.id, younger.id])
    assert [run.id for run in ancestors_of(StoredRun(of_it))] == [younger.id, parent.id]
    assert parent_of(StoredRun(parent)) is None
    assert children_of(StoredRun(of_it)) == []


def test_what_a_child_changed(parent: RunDir) -> None:
    older, younger = resumed(parent, "training.epochs=8", f"{RATE}=0.001"), rewind(parent, 2, FASTER)
    nudge(older, 8, {DROPOUT: (0, 0.1)})
    run = StoredRun(older)
    assert told(fork_of(run, parent_of(run))) == [f"7 {RATE} 0.003 → 0.001", "7 training.epochs 6 → 8"]
    assert told(changes_of(run, parent_of(run)))[2:] == [f"8 {DROPOUT} 0 → 0.1"]
    nudge(younger, 4, FASTER)
    shutil.rmtree(parent.path)
    assert parent_of(StoredRun(younger)) is None
    assert told(fork_of(StoredRun(younger), None)) == [f"3 {RATE} 0.003 → 0.01"]  # it is whole by itself
    assert fork_of(StoredRun(older), None) == []  # nobody knows any more


def test_settings_as_they_hold_in_an_epoch() -> None:
    changes = {12: {RATE: 0.1}, 20: {RATE: 0.01, "optimizer.schedule": {"name": "step", "every": 2}}}
    settings = {RATE: 1.0, "optimizer.schedule.name": "cosine", "optimizer.schedule.least": 0.1, "seed": 0}
    changing = {**settings, "training.changes": changes}
    assert settings_held(settings, 50) == settings_held(changing, 11) == settings
    for written in (None, [3], {"x": {RATE: 1}}, {3: 4}):  # by hand
        assert settings_held({**settings, "training.changes": written}, 50) == settings
    assert settings_held(changing, 12) == {**settings, RATE: 0.1}
    assert settings_held(changing, 20) == {
        RATE: 0.01, "optimizer.schedule.name": "step", "optimizer.schedule.every": 2, "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("written", ["..", ".", "", "a/b", "/etc", "nowhere"])
def test_a_parents_name_leads_nowhere_else(parent: RunDir, written: str) -> None:
    parent.update_record(parent={"id": written, "epoch": 2})
    assert parent_of(StoredRun(parent)) is None


def test_what_a_child_changed_is_told_from_what_its_parent_had_come_to(parent: RunDir) -> None:
    """As a nudged parent and its child of `resume` have it in their configs."""
    child = resumed(parent, f"{RATE}=0.001", "training.epochs=8")
    changes = {parent: {3: {RATE: 0.002}}, child: {3: {RATE: 0.002}, 7: {RATE: 0.001, DROPOUT: 0.5}}}
    for run, on_the_way in changes.items():
        settings = yaml.safe_load(run.resolved.read_bytes())
        settings["training"] |= {"changes": on_the_way, "epochs": 8}
        run.resolved.write_text(yaml.safe_dump(settings))
    run = StoredRun(child)
    assert {*told(fork_of(run, parent_of(run)))} == {f"7 {RATE} 0.002 → 0.001", f"7 {DROPOUT} 0 → 0.5"}


def test_a_damaged_relative_hides_nothing(parent: RunDir) -> None:
    child = rewind(parent, 2)
    grandchild = rewind(child, 4)
    (child.path / "run.json").write_text(f'{{"parent": {{"id": "{parent.id}"')
    assert children_of(StoredRun(parent)) == []
    assert parent_of(StoredRun(grandchild)) is None


def test_a_circle_ends(parent: RunDir) -> None:
    child = rewind(parent, 2)
    parent.update_record(parent={"id": child.id, "epoch": 2})
    assert [run.id for run in ancestors_of(StoredRun(parent))] == [child.id]
    assert [row["epoch"] for row in course_of(StoredRun(parent)).rows] == [1, 2, 3, 4, 5, 6]
    parent.update_record(parent={"id": parent.id, "epoch": 2})
    assert list(ancestors_of(StoredRun(parent))) == []
    assert [run.id for run in children_of(StoredRun(parent))] == [child.id]


# from the first epoch on


def test_the_epochs_that_made_a_run(parent: RunDir) -> None:
    nudge(parent, 3, {DROPOUT: (0, 0.1)})
    child = resumed(parent, "training.epochs=8", f"{RATE}=0.001")
    younger = resumed(child, "training.epochs=9")
    course = course_of(StoredRun(younger))
    assert [row["epoch"] for row in course.rows] == [*range(1, 10)]
    assert course.fork == 8
    assert told(course.changes) == [
        f"3 {DROPOUT} 0 → 0.1", f"7 {RATE} 0.003 → 0.001", "7 training.epochs 6 → 8", "9 training.epochs 8 → 9",
    ]  # fmt: skip
    shutil.rmtree(parent.path)
    assert [row["epoch"] for row in course_of(StoredRun(younger)).rows] == [7, 8, 9]
    (child.path / "metrics.jsonl").write_text("")
    assert [row["epoch"] for row in course_of(StoredRun(younger)).rows] == [9]


def test_a_rewound_run_has_all_of_it_once(parent: RunDir) -> None:
    nudge(parent, 2, {DROPOUT: (0, 0.1)})
    child = rewind(parent, 3, FASTER)
    nudge(parent, 4, {DROPOUT: (0.1, 0.3)}, "0002")  # when they had parted
    course = course_of(StoredRun(child))
    assert course.rows == child.metrics()
    assert told(course.changes) == [f"2 {DROPOUT} 0 → 0.1", f"4 {RATE} 0.003 → 0.01"]
    assert course.fork == 3
    assert course_of(StoredRun(parent)).fork == 0


# trees


def drawn(parents: dict[str, str | None]) -> list[str]:
    return [f"{place.lines}{place.id}" for place in tree(parents)]


def test_a_tree_by_hand() -> None:
    parents: dict[str, str | None] = {"a": None, "c": "b", "b": "a", "d": "a", "e": "gone", "f": "b", "g": "e"}
    assert drawn(parents) == ["a", "├─ b", "│  ├─ c", "│  └─ f", "└─ d", "e", "└─ g"]
    assert [place.below for place in tree(parents)] == ["", "│  ", "│  │  ", "│     ", "   ", "", "   "]
    assert [place.depth for place in tree(parents)] == [0, 1, 2, 2, 1, 0, 1]


def test_runs_in_a_circle_are_drawn_once() -> None:
    parents: dict[str, str | None] = {"a": "c", "b": "a", "c": "b", "d": "d", "e": "b", "f": None}
    assert drawn(parents) == ["f", "a", "└─ b", "   ├─ c", "   └─ e", "d"]


def test_five_thousand_generations() -> None:
    parents = {str(i): str(i - 1) if i else None for i in range(5000)}
    assert [place.depth for place in tree(parents)] == [*range(5000)]


def test_the_helper_leaves_runs_that_can_be_read(parent: RunDir, tmp_path: Path) -> None:
    child = rewind(parent, 4, FASTER)
    fields: dict[str, Any] = {**(child.read_record()["parent"] or {})}
    assert fields.keys() == {"id", "epoch", "state"}
    assert StoredRun(child).status == "done"
    assert [event["event"] for event in child.events()] == ["changed", "started"]
