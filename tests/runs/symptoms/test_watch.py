"""Symptoms while a run trains: found about once a second, told once, kept in run.json as long as they are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.changes import may_change
from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import FoundSymptom
from nnrun.runs.rundir import RECORD, RunDir
from nnrun.runs.symptoms import watch
from nnrun.runs.symptoms.symptoms import SYMPTOMS
from nnrun.runs.symptoms.watch import SHARE, Watch, symptoms_at_end
from nnrun.runs.telling import summary
from tests.runs.symptoms.test_table import CLIMBING, FALLING, config_with, layers, rows

Train = Callable[..., Outcome]
ZEROS = ("data.source=iris", "network.init=zeros", "training.epochs=4")


class Clock:
    """Time as a test wants it; each look takes so long."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Watched:
    """A run, the clock, and what was told."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = RunDir.create_at(path / "run", {RECORD: b'{"status": "running"}\n'})
        self.clock, self.told, self.measured = Clock(), [], 0
        monkeypatch.setattr(watch, "time", self.clock)
        self.watch = Watch(self.run, 0.9, lambda found: self.told.append([one["name"] for one in found]))

    told: list[list[str]]

    def look(self, losses: Sequence[float], after: float = 1.0, start: int = 1, **of_layers: Any) -> None:
        def measure() -> Any:
            self.measured += 1
            self.clock.now += 0.05
            return layers(**of_layers)

        self.clock.now += after
        self.watch.look(config_with("optimizer.learning_rate=0.1"), rows(losses), start, measure)

    @property
    def kept(self) -> list[FoundSymptom]:
        return self.run.read_record()["symptoms"]

    def events(self) -> list[str | None]:
        return [event.get("name") for event in self.run.events()]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    made = Watched(tmp_path, monkeypatch)
    with made.run.locked():
        yield made


def test_a_symptom_is_kept_while_it_is_there_and_told_of_once(watched: Watched) -> None:
    watched.look(CLIMBING)
    assert [(one["name"], one["nudge"]) for one in watched.kept] == [
        ("divergence_near", ["optimizer.learning_rate=0.01"])
    ]
    watched.look(FALLING, after=10)
    assert watched.kept == []
    watched.look(CLIMBING, after=10)
    assert [one["name"] for one in watched.kept] == ["divergence_near"]
    assert watched.told == [["divergence_near"], [], ["divergence_near"]]
    assert watched.events() == ["divergence_near"]
    assert watched.run.read("log.txt").decode().splitlines() == [
        "symptom  divergence near, epoch 2: since then the cost has climbed from 0.8 to 1.6",
        "         nnrun nudge run --set optimizer.learning_rate=0.01",
    ]


def test_it_looks_once_a_second_and_for_a_hundredth_of_the_time(watched: Watched) -> None:
    watched.look(FALLING, after=0.9)
    assert watched.measured == 0
    watched.look(FALLING, after=0.1)
    assert watched.measured == 1  # which takes 0.05 s here
    watched.look(FALLING, after=0.05 / SHARE - 0.01)
    assert watched.measured == 1
    watched.look(FALLING, after=0.02)
    assert watched.measured == 2


def test_what_lasts_keeps_the_epoch_in_which_it_was_noticed(watched: Watched) -> None:
    watched.look(FALLING[:6], dead=(0, 0.5))
    watched.look(FALLING, after=10, dead=(0, 0.7))
    assert [(one["name"], one["epoch"], one["why"][:3]) for one in watched.kept] == [("dead_units", 6, "70%")]


def test_curves_are_judged_since_the_configuration_changed(watched: Watched) -> None:
    watched.look([*FALLING, 1.0, 1.3, 1.6], start=13)
    assert watched.told == []
    watched.look([*FALLING, 1.0, 1.3, 1.6, 2.0], after=10, start=13)
    assert watched.told == [["divergence_near"]]


def test_in_the_end_it_is_told_as_what_to_try_in_a_new_run(watched: Watched) -> None:
    watched.look(CLIMBING)
    config = config_with("optimizer.learning_rate=0.1")
    found = symptoms_at_end(watched.run, config, rows(CLIMBING), (5, layers()), 0.9, None)
    assert [(one["name"], "nudge" in one) for one in found] == [("divergence_near", False)]
    assert watched.events() == ["divergence_near"]


@pytest.mark.parametrize("name", SYMPTOMS)
@pytest.mark.parametrize("overrides", [(), ("data.normalize=none", "optimizer.name=sgd", "optimizer.clip_norm=1")])
def test_a_nudge_changes_what_may_change_on_the_way(name: str, overrides: tuple[str, ...]) -> None:
    config = config_with(*overrides)
    nudge = SYMPTOMS[name].nudge(config)
    assert all(may_change(setting.partition("=")[0]) for setting in nudge)
    assert load_config(None, ["network.hidden=[8,8]", *overrides, *nudge]).config != config or not nudge


class Symptoms(Listener):
    """What it hears of them, and what then stands in run.json and is told by `show`."""

    def __init__(self) -> None:
        self.heard: list[list[str]] = []
        self.shown: list[str] = []

    def started(self, run: RunDir, config: Config, beginning: Any) -> None:
        self.run, self.config = run, config

    def symptoms(self, found: Sequence[FoundSymptom]) -> None:
        self.heard.append([symptom["name"] for symptom in found])
        record = self.run.read_record() | {"final": None, "epochs": 1}
        self.shown = summary(record, self.config, "running", path=self.run.path)


def test_a_run_that_trains_is_watched(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(watch, "SHARE", 1e9)
    listener = Symptoms()
    outcome = train_run(*ZEROS, listener=listener)
    assert listener.heard[0] == ["vanishing"]
    assert listener.shown[-2:] == [
        "symptom  vanishing in relu1, epoch 1: nothing of the gradient at the output arrives there",
        "         try --set network.init=auto in a new run",
    ]
    assert [one["name"] for one in outcome.record["symptoms"]] == ["vanishing"]
    assert [event["epoch"] for event in outcome.run.events() if event["event"] == "symptom"] == [1]


@pytest.mark.parametrize("networks", [1, 2])
def test_a_long_first_epoch_that_diverges_shows_nothing(
    train_run: Train, monkeypatch: pytest.MonkeyPatch, networks: int
) -> None:
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_LOOKS", 0.0)
    rate = ("optimizer.name=sgd", "optimizer.learning_rate=1e30")
    outcome = train_run("data.source=iris", f"network.ensemble={networks}", *rate)
    assert outcome.status == "diverged" and not outcome.rows
