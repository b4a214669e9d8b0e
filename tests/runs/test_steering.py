"""A run that is nudged, paused, stopped and resumed while it trains: written down first, and to be trained again."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nnrun.config.changes import at
from nnrun.config.config import Config
from nnrun.config.load import load_config
from nnrun.errors import ConfigError, DataError, UsageError
from nnrun.runs import requests, session, steering, verbs
from nnrun.runs.lineage import fork_of
from nnrun.runs.listener import Listener, Outcome
from nnrun.runs.records import Event, Row
from nnrun.runs.requests import answer_lines, answer_to, ask
from nnrun.runs.rundir import EPOCHS, RunDir
from nnrun.runs.stored import StoredRun, record_of
from nnrun.runs.telling import Beginning
from tests.engines import ENGINES

pytestmark = pytest.mark.usefixtures("_looks_each_time")

Train = Callable[..., Outcome]
Bits = Callable[[RunDir], dict[str, Any]]

SETTINGS = (
    "data.source=iris", "network.hidden=[6]", "network.batch_norm=true", "regularization.dropout=0.2",
    "optimizer.name=momentum", "training.epochs=12",
)  # fmt: skip
RATE = "optimizer.learning_rate"


class Asks(Listener):
    """Does something when it has heard of an epoch, and remembers what it was told."""

    def __init__(self, after: Mapping[int, Callable[[RunDir], Any]]) -> None:
        self.after, self.lines, self.asked = after, list[str](), list[Any]()

    def started(self, run: RunDir, config: Config, beginning: Beginning) -> None:
        self.run = run

    def epoch(self, row: Row) -> None:
        if row["epoch"] in self.after:
            self.asked.append(self.after[row["epoch"]](self.run))

    def told(self, line: str) -> None:
        self.lines.append(line)


def change(*settings: str, note: str | None = None) -> Callable[[RunDir], str]:
    return lambda run: ask(run, "change", settings, note)


def happened(run: RunDir, *kinds: str) -> list[Event]:
    return [event for event in run.events() if event["event"] in (kinds or steering_kinds)]


steering_kinds = ("changed", "refused", "paused", "continued", "told to stop")


def trained_again(run: RunDir) -> RunDir:
    """What its resolved.yaml trains."""
    return verbs.train(load_config(run.resolved), run.path.parent.parent / "again").run


def rates(run: RunDir) -> list[float]:
    return [row["learning_rate"] for row in run.metrics()]


def left(run: RunDir) -> list[str]:
    folder = run.path / requests.FOLDER
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# changes


def test_a_nudge_is_written_down_before_it_holds(train_run: Train) -> None:
    """When the first epoch with the new rate is heard of, its file and its line are there, and the request is gone."""
    seen: list[Any] = []

    def look(run: RunDir) -> None:
        seen.append((at(load_config(run.resolved).config, 6).optimizer.learning_rate, happened(run), left(run)))

    heard = Asks({4: look, 5: change(f"{RATE}=0.05", "regularization.l2=0.5", note="too slow"), 6: look})
    run = train_run(*SETTINGS, listener=heard).run
    (before, after), (name,) = (seen[0], seen[-1]), [asked for asked in heard.asked if asked]
    assert before == (0.001, [], [])
    rate, events, waiting = after
    assert (rate, waiting) == (0.05, [])
    common = {"event": "changed", "epoch": 6, "request": name, "note": "too slow", "process": os.getpid()}
    assert [{key: event.get(key) for key in (*common, "key", "old", "new")} for event in events] == [
        {**common, "key": RATE, "old": 0.001, "new": 0.05},
        {**common, "key": "regularization.l2", "old": 0.0, "new": 0.5},
    ]
    assert all(event["host"] and event["time"] for event in events)
    assert rates(run) == [0.001] * 5 + [0.05] * 7
    line = f"change   from epoch 6: {RATE} 0.001 → 0.05, regularization.l2 0.0 → 0.5 (too slow)"
    assert heard.lines == [line]
    assert line in run.read("log.txt").decode().splitlines()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_nudged_run_is_trained_again_by_its_file(train_run: Train, bits: Bits, engine: str) -> None:
    heard = Asks(
        {
            2: change(f"{RATE}=0.05"),
            4: change("regularization.l2=0.5", "optimizer.beta1=0.5"),
            5: change("regularization.dropout=0", "optimizer.clip_norm=1"),
            7: change("training.epochs=15", "training.batch_size=16", "optimizer.schedule=exponential"),
            14: change("training.epochs=18"),
        }
    )
    run = train_run(*SETTINGS, f"training.engine={engine}", listener=heard).run
    assert [len(run.metrics()), len(happened(run, "changed")), left(run)] == [18, 9, []]
    assert bits(trained_again(run)) == bits(run)


def test_several_at_once_are_taken_up_in_order(train_run: Train, bits: Bits) -> None:
    """The second changes what the first one did, in the same epoch; the third another key."""

    def several(run: RunDir) -> list[str]:
        return [ask(run, "change", [setting]) for setting in (f"{RATE}=0.1", f"{RATE}=0.2", "regularization.l2=1")]

    heard = Asks({3: several})
    run = train_run(*SETTINGS, listener=heard).run
    told = [(event["request"], event["old"], event["new"], event["epoch"]) for event in happened(run)]
    (names,) = heard.asked
    assert told == [(names[0], 0.001, 0.1, 4), (names[1], 0.1, 0.2, 4), (names[2], 0.0, 1, 4)]
    assert rates(run) == [0.001] * 3 + [0.2] * 9
    assert bits(trained_again(run)) == bits(run)


def test_of_two_people_the_second_may_come_too_late(train_run: Train, bits: Bits) -> None:
    """Both change the schedule and are right when they ask: but the option is not one of what the first one chooses."""

    def both(run: RunDir) -> list[str]:
        first = ask(run, "change", ["optimizer.schedule=constant"])
        return [first, ask(run, "change", ["optimizer.schedule.base=0.5", f"{RATE}=0.5"])]

    heard = Asks({3: both})
    run = train_run(*SETTINGS, "optimizer.schedule=exponential", listener=heard).run
    ((first, second),) = heard.asked
    changed, refused = happened(run)
    assert (changed["request"], changed["key"]) == (first, "optimizer.schedule")
    assert (refused["event"], refused["request"], refused["epoch"]) == ("refused", second, 3)
    assert refused["why"].startswith("--set optimizer.schedule.base=0.5: unknown key")
    assert [line.split()[0] for line in heard.lines] == ["change", "refused"]
    assert at(load_config(run.resolved).config, 12).optimizer.learning_rate == 0.001
    assert (left(run), bits(trained_again(run))) == ([], bits(run))


def test_what_only_the_data_forbids_is_refused_by_who_trains(train_run: Train, bits: Bits) -> None:
    whole = train_run(*SETTINGS).run
    texts: list[bytes] = []
    heard = Asks(
        {
            3: change("regularization.augment=[flip]", f"{RATE}=0.1"),
            4: lambda run: texts.append(run.read("resolved.yaml")),
        }
    )
    run = train_run(*SETTINGS, listener=heard).run
    (refused,) = happened(run)
    assert refused["event"] == "refused"
    assert refused["why"].startswith("regularization.augment: flip needs images, and the rows of this data are none")
    assert texts == [whole.read("resolved.yaml")] and run.read("resolved.yaml") == texts[0]
    assert (left(run), bits(run)) == ([], bits(whole))


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("network.hidden=[3]", "cannot change while the network trains"),
        ("data.source=wine", "cannot change while the network trains"),
        ("seed=1", "cannot change while the network trains"),
        ("optimizer.learning_rat=1", "did you mean learning_rate"),
        ("optimizer.learning_rate=-1", "must be above 0, got -1"),
        ("regularization.dropout=1", "must be at least 0 and below 1, got 1"),
        ("training.epochs=3", "must be at least 4, the first epoch of the change, got 3"),
        ("optimizer.learning_rate", "expected key=value"),
        ("optimizer.learning_rate=", "the value is missing"),
        ("optimizer.learning_rate=[", "--set optimizer.learning_rate=[: "),
    ],
)
def test_what_is_wrong_is_refused_to_who_asks(train_run: Train, bits: Bits, setting: str, why: str) -> None:
    def refused(run: RunDir) -> tuple[str, bytes, list[str]]:
        with pytest.raises(ConfigError) as error:
            ask(run, "change", [f"{RATE}=0.1", setting])
        assert error.value.exit_code == 3
        return str(error.value), run.read("resolved.yaml"), left(run)

    heard = Asks({3: refused})
    run = train_run(*SETTINGS, listener=heard).run
    ((told, resolved, waiting),) = heard.asked
    assert told.startswith(f"--set {setting.partition('=')[0]}") and why in told
    assert (resolved, waiting, happened(run)) == (run.read("resolved.yaml"), [], [])
    assert "changes: {}" in resolved.decode()


def test_a_schedule_that_depends_on_the_total_and_an_empty_nudge(train_run: Train) -> None:
    def ask_all(run: RunDir) -> None:
        with pytest.raises(ConfigError, match="the schedule cosine is shaped by the planned 12 epochs"):
            ask(run, "change", ["training.epochs=20"])
        with pytest.raises(UsageError, match="nothing to change; give --set KEY=VALUE"):
            ask(run, "change")

    assert happened(train_run(*SETTINGS, "optimizer.schedule=cosine", listener=Asks({3: ask_all})).run) == []


def test_after_the_last_epoch_only_more_epochs_can_be_asked_for(train_run: Train, bits: Bits) -> None:
    more = Asks({12: change("training.epochs=14", f"{RATE}=0.1")})
    run = train_run(*SETTINGS, listener=more).run
    assert rates(run) == [0.001] * 12 + [0.1] * 2
    assert bits(trained_again(run)) == bits(run)
    late = Asks({12: change(f"{RATE}=0.1")})
    run = train_run(*SETTINGS, listener=late).run
    (refused,) = happened(run)
    assert refused["why"] == "all 12 epochs that are planned are trained; set training.epochs beside it"
    assert (left(run), "changes: {}" in run.read("resolved.yaml").decode(), run.status) == ([], True, "done")


def test_what_is_asked_for_when_training_stops_early_is_refused(train_run: Train) -> None:
    settings = (*SETTINGS, "regularization.early_stopping={patience: 1, min_delta: 1}")  # no epoch is so much better
    run = train_run(*settings, listener=Asks({2: change(f"{RATE}=0.1"), 3: change(f"{RATE}=0.2")})).run
    stopped = len(run.metrics())
    assert stopped < 12
    assert [event["event"] for event in run.events()][-2:] == ["refused", "done"]
    assert happened(run)[-1]["why"] == "the training was over"
    assert left(run) == []


def test_what_is_planned_and_does_not_fit_the_data_is_refused_with_its_place(tmp_path: Path) -> None:
    text = "data: {source: iris}\ntraining:\n  changes:\n    5: {regularization.augment: [flip]}\n"
    with pytest.raises(DataError, match=r"^c\.yaml:4:33: training\.changes\[5\]\.regularization\.augment: flip needs"):
        verbs.train(load_config(Path("c.yaml"), text=text), tmp_path / "runs")
    assert not any(path.name[0] != "." for path in (tmp_path / "runs").glob("*"))


# pause, resume and stop


def meanwhile(work: Callable[[RunDir], Any], failures: list[BaseException]) -> Callable[[RunDir], None]:
    """Pause, and let another thread work until it resumes."""

    def paused(run: RunDir) -> None:
        ask(run, "pause")

        def other() -> None:
            view = RunDir(run.path)
            try:
                until = time.monotonic() + 60
                while view.read_record()["status"] != "paused":
                    assert time.monotonic() < until
                    time.sleep(0.002)
                work(view)
            except BaseException as error:
                failures.append(error)
            finally:
                ask(view, "resume")

        threading.Thread(target=other).start()

    return paused


def test_a_pause_a_nudge_and_a_resume(train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits, its status says so, its state is on the disk, and a nudge is answered."""
    monkeypatch.setattr(steering, "SECONDS_BETWEEN_LOOKS", 0.005)  # else it does not let the other thread work
    seen: list[Any] = []
    failures: list[BaseException] = []

    def work(run: RunDir) -> None:
        last = run.load_checkpoint("last")
        assert last
        answered = answer_to(run, ask(run, "change", [f"{RATE}=0.05"]), 60)
        seen.extend([run.status, last[1]["epoch"], answered and answered[0]["epoch"]])

    heard = Asks({1: lambda run: time.sleep(0.01), 4: lambda run: time.sleep(0.01) or meanwhile(work, failures)(run)})
    run = train_run(*SETTINGS, listener=heard).run
    assert failures == []
    if len(run.metrics()) == 12:
        assert [event["event"] for event in happened(run)] == ["paused", "changed", "continued"]
    assert seen[0] == "paused"
    assert seen[1] == seen[2] - 1 == happened(run, "paused")[0]["epoch"]
    assert (run.status, left(run)) == ("done", [])
    assert bits(trained_again(run)) == bits(run)


def test_an_answer_is_told_when_it_is_whole(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after the first of two changes, nor while resolved.yaml is without them."""
    monkeypatch.setattr(steering, "SECONDS_BETWEEN_LOOKS", 0.005)
    failures: list[BaseException] = []
    seen: list[Any] = []
    event = RunDir.event

    def slowly(run: RunDir, kind: str, durable: bool = False, **details: Any) -> None:
        event(run, kind, durable, **details)
        time.sleep(0.05 if kind == "changed" else 0)

    def work(run: RunDir) -> None:
        answered = answer_to(run, ask(run, "change", [f"{RATE}=0.05", "regularization.l2=0.5"]), 60)
        seen.extend([[each["key"] for each in answered or []], run.resolved.read_text()])

    monkeypatch.setattr(RunDir, "event", slowly)
    heard = Asks({1: lambda run: time.sleep(0.01), 4: lambda run: time.sleep(0.01) or meanwhile(work, failures)(run)})
    train_run(*SETTINGS, listener=heard)
    assert failures == []
    assert seen[0] == [RATE, "regularization.l2"]
    assert "regularization.l2: 0.5" in seen[1]


def test_when_a_pause_is_answered_it_has_begun(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status and state are on the disk by then; and a pause that was taken back at once leaves nothing."""
    stood: list[Any] = []
    event = RunDir.event

    def seen(run: RunDir, kind: str, durable: bool = False, **details: Any) -> None:
        if kind in ("paused", "continued"):
            last = run.load_checkpoint("last")
            stood.append((kind, RunDir(run.path).read_record()["status"], last and last[1]["epoch"]))
        event(run, kind, durable, **details)

    monkeypatch.setattr(RunDir, "event", seen)
    heard = Asks({3: lambda run: [ask(run, "pause", [], None), ask(run, "resume", [], None)]})
    run = train_run(*SETTINGS, listener=heard).run
    assert stood == [("paused", "paused", 3), ("continued", "running", 3)]
    assert (run.status, len(run.metrics())) == ("done", 12)


def test_stop_and_resume_end_with_the_same_bits(train_run: Train, bits: Bits) -> None:
    whole = train_run(*SETTINGS).run
    heard = Asks({5: lambda run: ask(run, "stop")})
    stopped = train_run(*SETTINGS, listener=heard)
    assert (stopped.status, len(stopped.rows), stopped.record["epochs"]) == ("interrupted", 5, 5)
    assert [event["event"] for event in happened(stopped.run)] == ["told to stop"]
    assert heard.lines == ["stopping as it was asked for"]
    assert verbs.resume(stopped.run).status == "done"
    assert bits(stopped.run) == bits(whole)


def test_a_change_that_is_still_to_hold_goes_on_in_a_child(train_run: Train) -> None:
    """Its event too, with its note, so that it counts as a nudge, and not as what was typed; but for keys set anew."""

    def nudge_and_stop(run: RunDir) -> None:
        ask(run, "change", [f"{RATE}=0.05", "regularization.l2=0.5"], "flat")
        ask(run, "stop")

    parent = train_run(*SETTINGS, listener=Asks({3: nudge_and_stop})).run
    child = StoredRun(verbs.resume(parent, None, [f"{RATE}=0.01"]).run)
    inherited = [(event["epoch"], event["key"], event["note"]) for event in happened(child.directory)]
    assert (len(parent.metrics()), inherited) == (3, [(4, "regularization.l2", "flat")])
    assert [change.key for change in fork_of(child, StoredRun(parent))] == [RATE]
    assert child.config.training.changes == {4: {"regularization.l2": 0.5}}


def test_a_signal_ends_a_pause(train_run: Train, bits: Bits) -> None:
    """The command's signal handler says so when it is asked whether to stop."""
    told: list[bool] = []
    whole = train_run(*SETTINGS).run
    paused = train_run(*SETTINGS, listener=Asks({5: lambda run: ask(run, "pause")}),
                       told_to_stop=lambda: bool(told) or bool(happened(latest(whole), "paused")))  # fmt: skip
    assert (paused.status, len(paused.rows)) == ("interrupted", 5)
    assert verbs.resume(paused.run).status == "done"
    assert bits(paused.run) == bits(whole)


def latest(other: RunDir) -> RunDir:
    """The run beside this one."""
    (path,) = [path for path in other.path.parent.iterdir() if path.name[0] != "." and path != other.path]
    return RunDir(path)


def test_what_a_killed_process_left_is_taken_up_once_and_a_pause_ended_with_it(train_run: Train, bits: Bits) -> None:
    """Asked for and not yet seen: a change waits for the next epoch, a pause and a stop are told to be too late."""

    def leave(run: RunDir) -> None:
        ask(run, "change", [f"{RATE}=0.05"])
        ask(run, "pause")
        ask(run, "stop")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(*SETTINGS, listener=Asks({6: leave}))
    run = latest(train_run(*SETTINGS).run)
    assert (run.status, len(left(run))) == ("interrupted", 3)
    assert verbs.resume(run).status == "done"
    assert [event["event"] for event in happened(run)] == ["refused", "refused", "changed"]
    assert [event["epoch"] for event in happened(run, "changed")] == [7], "what was trained comes again as it was"
    assert rates(run) == [0.001] * 6 + [0.05] * 6
    assert (left(run), bits(trained_again(run))) == ([], bits(run))


@pytest.mark.parametrize("rows_are_lost", [False, True])
def test_a_nudge_that_waits_is_not_undone_by_an_earlier_one(
    train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch, rows_are_lost: bool
) -> None:
    """The first holds from epoch 7; killed at once, it begins again at epoch 1 with the second in the folder.

    With the power, rows go that had not come to the disk, where changes are by then.
    """
    monkeypatch.setattr(session, "SECONDS_BETWEEN_CHECKPOINTS", 1e9)

    def leave(run: RunDir) -> None:
        ask(run, "change", [f"{RATE}=0.01"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(*SETTINGS, listener=Asks({6: change(f"{RATE}=0.05"), 8: leave}))
    run = latest(train_run(*SETTINGS).run)
    assert run.load_checkpoint("last") is None
    if rows_are_lost:
        (run.path / EPOCHS).write_bytes(b"")
    verbs.resume(run)
    assert rates(run) == [0.001] * 6 + ([0.01] * 6 if rows_are_lost else [0.05] * 2 + [0.01] * 4)
    assert bits(trained_again(run)) == bits(run)


# who cannot be asked


def test_a_run_that_nobody_trains_is_told_apart(train_run: Train) -> None:
    done = train_run(*SETTINGS).run
    for do, given in (("change", [f"{RATE}=1"]), ("pause", []), ("stop", []), ("resume", [])):
        with pytest.raises(UsageError, match=r"is not being trained: it is done, and `.*rewind.*--to last") as error:
            ask(done, do, given)  # type: ignore[arg-type]
        assert error.value.exit_code == 2
    for status, words in {
        "running": "it was interrupted, and `.*resume .*` goes on$",
        "paused": "it was interrupted, and `.*resume .*` goes on$",
        "failed": "it is failed",
        "diverged": "it is diverged",
    }.items():
        done.update_record(status=status)
        with pytest.raises(UsageError, match=words):
            ask(done, "change", [f"{RATE}=1"])
    record = done.read_record()
    done.update_record(status="running", host={**record["host"], "name": "elsewhere"})
    with pytest.raises(UsageError, match="it began on elsewhere, and what trains there cannot be seen from "):
        ask(done, "stop")
    assert left(done) == []


def test_a_read_only_run_is_not_asked(train_run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may write anywhere, so the system's answer is made up."""

    def refused(run: RunDir) -> None:
        def no(*args: Any, **options: Any) -> None:
            raise PermissionError(13, "Permission denied", str(run.path / "requests"))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "mkdir", no)
            with pytest.raises(UsageError, match=r"requests: cannot write a request there \(Permission denied\)"):
                ask(run, "change", [f"{RATE}=1"])
        with monkeypatch.context() as patch:
            patch.setattr(requests, "write_atomically", no)
            with pytest.raises(UsageError, match="nothing was asked for"):
                ask(run, "stop")

    run = train_run(*SETTINGS, listener=Asks({3: refused})).run
    assert (happened(run), left(run)) == ([], [])


def test_what_cannot_be_struck_is_obeyed_once(train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request of another user, in a folder of that user, lies there for good."""
    monkeypatch.setattr(steering, "strike", lambda run, name: None)
    monkeypatch.setattr(requests, "strike", lambda run, name: None)
    first = {3: change(f"{RATE}=0.05"), 5: change(f"{RATE}=0.02"), 7: lambda run: ask(run, "stop")}
    run = train_run(*SETTINGS, listener=Asks(first)).run
    assert (run.status, len(left(run))) == ("interrupted", 3)
    assert verbs.resume(run).status == "done"
    assert [event["event"] for event in happened(run)] == ["changed", "changed", "told to stop"]
    assert rates(run) == [0.001] * 3 + [0.05] * 2 + [0.02] * 7
    assert bits(trained_again(run)) == bits(run)


@pytest.mark.skipif(os.geteuid() != 0, reason="the superuser alone gives folders away")
def test_the_superuser_asks_in_a_folder_of_who_trains(train_run: Train) -> None:
    def look(run: RunDir) -> None:
        os.chown(run.path, 65534, 65534)
        ask(run, "change", [f"{RATE}=0.05"])
        assert (run.path / requests.FOLDER).stat().st_uid == 65534

    assert left(train_run(*SETTINGS, listener=Asks({3: look})).run) == []


# what others put there

DAMAGED = {
    "empty": "",
    "cut short": '{"do": "change", "settings": ["optimizer.lea',
    "no object": "[1]",
    "deep": "[" * 100_000,
    "another word": {"do": "delete"},
    "settings of another kind": {"settings": [1]},
    "no settings": {"settings": []},
    "a part is missing": {"host": None, "process": None},
    "bytes": "\xff",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_request_is_refused_with_a_line(train_run: Train, bits: Bits, kind: str) -> None:
    def put(run: RunDir) -> None:
        written = DAMAGED[kind]
        whole: dict[str, Any] = {"do": "change", "settings": [f"{RATE}=1"], "note": None, "host": "h", "process": 1,
                                 "time": "t"}  # fmt: skip
        if isinstance(written, dict):
            changed = whole | written
            text = json.dumps({key: value for key, value in changed.items() if value is not None or key == "note"})
        else:
            text = str(written)
        folder = run.path / "requests"
        folder.mkdir()
        (folder / "0001-abc.json").write_text(text, encoding="latin-1")
        (folder / "notes.txt").write_text("mine")
        (folder / "mine.json").write_text("{}")
        (folder / "0002-folder.json").mkdir()

    run = train_run(*SETTINGS, listener=Asks({3: put})).run
    (refused,) = happened(run)
    assert (refused["why"], refused["request"], refused["epoch"]) == (steering.UNREADABLE, "0001-abc", 3)
    assert left(run) == ["0002-folder.json", "mine.json", "notes.txt"]
    assert rates(run) == [0.001] * 12


def test_a_value_that_is_wrong_in_the_file_is_refused_with_its_reason(train_run: Train) -> None:
    """Nobody is kept from writing such a file; it goes through the same checks."""

    def put(run: RunDir) -> None:
        ask(run, "change", [f"{RATE}=0.1"])
        (path,) = (run.path / "requests").iterdir()
        path.write_text(path.read_text().replace("0.1", "-0.1"))

    run = train_run(*SETTINGS, listener=Asks({3: put})).run
    (refused,) = happened(run)
    assert refused["why"] == f"--set {RATE}=-0.1: must be above 0, got -0.1"
    assert rates(run) == [0.001] * 12


def test_a_clock_that_is_a_year_off_changes_nothing(
    train_run: Train, bits: Bits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked_from_next_year(run: RunDir) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(requests, "now", lambda: "2031-01-01T00:00:00.000+00:00")
            patch.setattr(time, "time", lambda: 1.9e9)
            return ask(run, "change", [f"{RATE}=0.05"])

    heard = Asks({3: asked_from_next_year, 5: change(f"{RATE}=0.02")})
    run = train_run(*SETTINGS, listener=heard).run
    assert rates(run) == [0.001] * 3 + [0.05] * 2 + [0.02] * 7
    assert bits(trained_again(run)) == bits(run)


# what is asked for as it would stand in the file


def test_numbers_in_a_table_stay_numbers(train_run: Train) -> None:
    table = "optimizer.schedule={name: table, factors: {1: 1.0, 5: 0.1}}"
    run = train_run(*SETTINGS, listener=Asks({2: lambda run: ask(run, "change", [table])})).run
    (changed,) = happened(run)
    assert changed["event"] == "changed"
    assert at(load_config(run.resolved).config, 5).optimizer.schedule.model_dump()["factors"] == {1: 1.0, 5: 0.1}
    assert "optimizer.schedule {name: constant} → {name: table" in answer_lines(run.events())[0]


def test_what_holds_already_is_no_change(train_run: Train) -> None:
    def ask_again(run: RunDir) -> None:
        with pytest.raises(UsageError, match="that holds already"):
            ask(run, "change", ["regularization.early_stopping=null"])

    run = train_run(*SETTINGS, listener=Asks({2: ask_again})).run
    assert happened(run) == []


def test_what_is_asked_of_a_child_counts_from_the_first_epoch_of_all(train_run: Train) -> None:
    """The rows of a child of `resume --set` begin after its parent's: 6 of them are 12 epochs, not 6."""
    latest = list[float]()

    def look(run: RunDir) -> None:
        latest.append(StoredRun(run).latest.optimizer.learning_rate)
        ask(run, "change", [f"{RATE}=0.003"])

    parent = train_run(*SETTINGS[:-1], "training.epochs=6").run
    asks = Asks({8: change(f"{RATE}=0.001"), 10: look})
    child = verbs.resume(parent, 12, [f"{RATE}=0.003"], listener=asks).run
    assert rates(child) == [0.003] * 2 + [0.001] * 2 + [0.003] * 2
    assert latest == [0.001]
    child.update_record(status="running")
    assert record_of(StoredRun(child))["epochs"] == 12


def test_a_new_total_holds_from_where_a_child_stands(train_run: Train) -> None:
    parent = train_run(*SETTINGS[:-1], "training.epochs=6").run
    asks = Asks({8: change("training.epochs=14"), 10: lambda run: ask(run, "stop")})
    child = verbs.resume(parent, 12, [f"{RATE}=0.003"], listener=asks).run
    assert verbs.resume(child, 16).record["epochs"] == 16
    assert load_config(child.resolved).config.training.changes == {
        9: {"training.epochs": 14},
        11: {"training.epochs": 16},
    }
