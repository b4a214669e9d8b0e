"""What tools are told of runs and searches, whole or as they go on; by a tool that remembers it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.schema import TRACKERS as NAMED
from nnrun.runs.rundir import RunDir
from nnrun.tracking.story import Ending, Story, numbers_of
from nnrun.tracking.trackers import TRACKERS
from nnrun.tracking.verbs import follow, write
from tests.tracking.conftest import found


class Remembering:
    """A tracker; of runs in `known` it has so many epochs already."""

    def __init__(self, known: int = 0) -> None:
        self.count = known
        self.stories: list[Story] = []
        self.told: dict[str, Told] = {}

    def begin(self, story: Story, rows: Sequence[Mapping[str, Any]]) -> Told:
        self.stories.append(story)
        self.told[story.name] = Told(min(self.count, len(rows)))
        return self.told[story.name]


class Told:
    def __init__(self, known: int) -> None:
        self.known, self.rows, self.began = known, list[int](), list[float]()
        self.ending: Ending | None = None

    def epochs(self, rows: Sequence[Mapping[str, Any]], began: float) -> None:
        assert self.ending is None
        self.rows += [row["epoch"] for row in rows]
        self.began.append(began)

    def end(self, ending: Ending) -> None:
        self.ending = ending


def test_names_of_the_config_are_those_of_the_table() -> None:
    assert tuple(TRACKERS) == NAMED


@pytest.mark.parametrize("how", [write, follow])
def test_a_run_is_told_from_its_settings_to_its_end(trained: Path, how: Any) -> None:
    run, tracker = found(trained, "one"), Remembering()
    how(run, tracker, print)
    (story,) = tracker.stories
    assert (story.name, story.whole, story.settings["network.hidden"]) == (run.id, None, [5])
    assert "tracking" not in story.settings and "search.trials" not in story.settings
    told = tracker.told[run.id]
    assert told.rows == [1, 2, 3, 4]
    assert told.ending is not None
    assert told.ending.best["dev_error"] == run.read_record()["final"]["dev_error"]  # type: ignore[index]
    assert (told.ending.status, told.ending.note, "bias" in told.ending.verdict) == ("done", "why it's good", True)
    assert set(told.ending.tags) == {"good", "old"}


@pytest.mark.parametrize("how", [write, follow])
def test_what_a_tool_knows_is_not_told_again(trained: Path, how: Any) -> None:
    run, tracker = found(trained, "one"), Remembering(known=3)
    how(run, tracker, print)
    told = tracker.told[run.id]
    assert told.rows == [4]
    before = sum(json.loads(line)["seconds"] for line in (run.path / "metrics.jsonl").read_text().splitlines()[:3])
    assert told.began[0] == pytest.approx(tracker.stories[0].began + before)


@pytest.mark.parametrize("how", [write, follow])
@pytest.mark.parametrize(("name", "parts"), [("many-search", "trials/000{}"), ("folds", "members/0{}")])
def test_a_whole_is_told_with_its_parts(trained: Path, how: Any, name: str, parts: str) -> None:
    run, tracker = found(trained, name), Remembering()
    how(run, tracker, print)
    first = 0 if "trials" in parts else 1
    assert set(tracker.told) == {run.id, *(f"{run.id}/{parts.format(first + k)}" for k in range(2))}
    assert tracker.stories[0].name == run.id
    assert {story.whole for story in tracker.stories[1:]} == {run.id}
    assert all(told.ending and told.ending.best for told in tracker.told.values())
    assert tracker.told[run.id].rows == ([] if "trials" in parts else [1, 2])


def test_a_trial_that_cannot_be_read_is_left_out_with_a_word(root: Path) -> None:
    run, notes = found(root, "many-search"), list[str]()
    (run.path / "trials/0001/run.json").write_text('{"status": "done"')
    assert write(run, Remembering(), notes.append) == 2
    assert len(notes) == 1 and "0001" in notes[0]


def test_numbers_of_layers_and_members_have_paths() -> None:
    row = {"epoch": 1, "step": 9, "dev_loss": 0.5, "train_loss": None, "layers": {"relu1": {"dead": 0.25}},
           "members": {"dev_error": [0.1, None]}, "odd": "text", "flag": True}  # fmt: skip
    assert numbers_of(row) == {"dev_loss": 0.5, "layers/relu1/dead": 0.25, "members/dev_error/1": 0.1}


def test_epochs_that_were_forgotten_are_told_anew(root: Path) -> None:
    from nnrun.tracking.verbs import _Epochs

    run, tracker = found(root, "one"), Remembering()
    lines = (run.path / "metrics.jsonl").read_text().splitlines(keepends=True)
    followed = _Epochs(RunDir(run.path), tracker)
    followed.look()
    (run.path / "metrics.jsonl").write_text("".join(lines[:2]))
    followed.look()
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(lines[2][:9])
        file.flush()
        followed.look()
        file.write(lines[2][9:])
    followed.look()
    assert len(tracker.stories) == 2
    assert tracker.told[run.id].rows == [1, 2, 3]
