"""`nudge`, `pause`, `stop`, `resume` and `rewind` from one process, while another one trains."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.runs.rundir import RunDir
from tests.cli.conftest import QUICK, SECONDS, Done

Nnrun = Callable[..., Done]
Start = Callable[..., subprocess.Popen[str]]
Bits = Callable[[RunDir], dict[str, Any]]

ENDLESS = ("--set", "data.source=iris", "--set", "network.hidden=[8]", "--set", "training.epochs=1000000",
           "--set", "optimizer.learning_rate=0.001")  # fmt: skip
RATE = "optimizer.learning_rate"


def the_run() -> RunDir:
    (path,) = Path("runs").glob("[!.]*")
    return RunDir(path)


def training(start: Start, *settings: str) -> tuple[subprocess.Popen[str], RunDir]:
    """A run in another process that has trained some epochs and does not end by itself."""
    process, until = start("train", *ENDLESS, "-q", *settings), time.monotonic() + SECONDS
    while not any((path / "metrics.jsonl").stat().st_size > 400 for path in Path("runs").glob("[!.]*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)
    return process, the_run()


def changes(run: RunDir) -> list[tuple[str, Any]]:
    return [(event["key"], event["new"]) for event in run.events() if event["event"] == "changed"]


def test_a_run_is_steered_from_other_processes_and_trained_again(
    start: Start, nnrun: Nnrun, process: Nnrun, bits: Bits
) -> None:
    trained, run = training(start)
    told = nnrun("nudge", "latest", "--set", f"{RATE}=0.01", "--note", "too slow")
    assert told.code == 0, told.err
    assert re.match(rf"change   from epoch \d+: {RATE} 0\.001 → 0\.01", told.out)
    two = ("regularization.l2=0.5", "regularization.dropout=0.2")
    document = process("nudge", run.id, "--set", two[0], "--set", two[1], "--json")
    assert document.code == 0
    assert [f"{event['key']}={event['new']}" for event in document.json["answer"]] == list(two)
    paused = nnrun("pause")
    (epoch,) = map(int, re.findall(r"after epoch (\d+)", paused.out))
    assert (paused.code, run.status) == (0, "paused")
    assert nnrun("list", "--json").json["runs"][0]["status"] == "paused"
    assert nnrun("nudge", "--set", f"training.epochs={epoch + 2}").code == 0
    assert nnrun("resume", "--epochs", "9").err == "nnrun: --epochs has no meaning for what is paused\n"
    assert f"after epoch {epoch}" in nnrun("resume").out
    trained.communicate(timeout=SECONDS)
    assert trained.returncode == 0
    assert changes(run) == [
        (RATE, 0.01), ("regularization.l2", 0.5), ("regularization.dropout", 0.2), ("training.epochs", epoch + 2)
    ]  # fmt: skip
    assert len(run.metrics()) == epoch + 2
    lines = run.read("log.txt").decode()
    assert [lines.count(word) for word in ("\nchange   from", "\npaused ", "\nresumed ")] == [3, 1, 1]
    assert nnrun("train", str(run.resolved), "-q", "--runs", "again").code == 0
    (again,) = Path("again").glob("[!.]*")
    assert bits(RunDir(again)) == bits(run)


def test_a_signal_ends_a_pause(start: Start, nnrun: Nnrun) -> None:
    trained, run = training(start)
    assert nnrun("pause").code == 0
    trained.send_signal(signal.SIGTERM)
    trained.communicate(timeout=SECONDS)
    assert (trained.returncode, run.status) == (128 + signal.SIGTERM, "interrupted")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--set", f"{RATE}=0.1"), 2, "is not being trained: it is done, and `nnrun rewind "),
        (("--set", "optimizer.learning_rat=0.1"), 2, "is not being trained"),
        ((), 2, "is not being trained"),
    ],
)
def test_a_finished_run_is_not_nudged(nnrun: Nnrun, arguments: tuple[str, ...], code: int, words: str) -> None:
    nnrun("train", "-q", *QUICK)
    refused = nnrun("nudge", *arguments)
    assert (refused.code, refused.out) == (code, "")
    assert words in refused.err
    document = nnrun("nudge", *arguments, "--json")
    assert (document.code, document.json["error"]["exit_code"]) == (code, code)
    for command in ("pause", "stop"):
        assert "is not being trained: it is done" in nnrun(command).err


def test_a_run_refuses_what_cannot_change_and_stops(start: Start, nnrun: Nnrun) -> None:
    """What is wrong for who asks ends with 3, what is for who trains with 2; also as a document."""
    trained, run = training(start)
    before = run.read("resolved.yaml")
    for setting, code, words in (
        ("optimizer.learning_rat=1", 3, "--set optimizer.learning_rat=1: unknown key; did you mean learning_rate?"),
        ("seed=3", 3, "--set seed=3: cannot change while the network trains"),
        ("regularization.augment=[flip]", 2, "nnrun: refused: regularization.augment: flip needs images"),
    ):
        refused = nnrun("nudge", "--set", setting)
        assert (refused.code, refused.out, refused.err[: len(words)]) == (code, "", words)
        assert nnrun("nudge", "--set", setting, "--json").json["error"]["exit_code"] == code
    assert (run.read("resolved.yaml"), changes(run)) == (before, [])
    stopped = nnrun("stop", "--json")
    assert (stopped.code, stopped.json["answer"][0]["event"]) == (0, "told to stop")
    assert (stopped.json["schema_version"], stopped.json["path"]) == (1, str(run.path))
    trained.communicate(timeout=SECONDS)
    assert (trained.returncode, run.status) == (130, "interrupted")
    refused = nnrun("nudge", "--set", f"{RATE}=1")
    assert refused.code == 2
    assert "is not being trained: it was interrupted, and `nnrun resume " in refused.err


def test_rewinding_says_where_it_begins(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK)
    parent = the_run()
    done = nnrun("rewind", "--to", "2", "--set", f"{RATE}=0.1", "--json")
    assert done.code == 0
    record = json.loads((Path("runs") / done.json["id"] / "run.json").read_text())
    assert (record["parent"]["id"], record["parent"]["epoch"]) == (parent.id, 2)
    log = (Path("runs") / done.json["id"] / "log.txt").read_text()
    assert re.search(rf"\nnote     from epoch 3 on: {RATE} [0-9.]+ → 0\.1\n", log)
    assert nnrun("rewind", parent.id, "--to", "9") == (
        2, "", f"nnrun: --to 9: {parent.id} has trained epochs 1 to 3\n"
    )  # fmt: skip
    assert nnrun("rewind", parent.id, "--to", "last", "--set", "seed=1").code == 3


def printed(text: str, verb: str) -> list[str]:
    """The words behind `nnrun` of the only command that begins with the verb."""
    (found,) = set(re.findall(rf"`nnrun ({verb}\b[^`]*)`", text))
    return shlex.split(found)


def test_an_interrupted_run_goes_on_as_the_refusal_says(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK)
    the_run().update_record(status="running")  # as a killed process leaves it
    assert nnrun(*printed(nnrun("pause").err, "resume"), "-q").code == 0


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_finished_run_goes_on_as_the_refusal_says(nnrun: Nnrun, schedule: str) -> None:
    nnrun("train", "-q", *QUICK, "--set", f"optimizer.schedule={schedule}")
    for asking in (("pause",), ("stop",), ("nudge", "--set", f"{RATE}=0.1")):
        words = printed(nnrun(*asking).err, "rewind")
    child = nnrun(*words, "--json")
    assert child.code == 0, child.err
    assert child.json["epochs"] == 6


def test_a_run_that_stopped_early_can_be_rewound_with_another_setting(nnrun: Nnrun) -> None:
    patient = "regularization.early_stopping={patience: 2, min_delta: 0.5}"
    nnrun("train", "-q", *QUICK, "--set", "training.epochs=50", "--set", patient)
    words = [word.replace("KEY=VALUE", f"{RATE}=0.01") for word in printed(nnrun("stop").err, "rewind")]
    assert f"{RATE}=0.01" in words
    assert nnrun(*words, "-q").code == 0


def test_a_trial_sends_to_its_search_or_becomes_a_run(nnrun: Nnrun) -> None:
    nnrun("search", "-q", "--trials", "1", "--workers", "1", *QUICK)
    trial = f"{the_run().id}/trials/0000"
    assert nnrun("stop", trial).err.endswith("which is not being trained: it is done\n")
    with the_run().held():
        the_run().update_record(status="running")
        refused = nnrun("stop", trial)
    for verb in ("pause", "stop"):
        assert printed(refused.err, verb) == [verb, the_run().id]
    the_run().update_record(status="done")
    assert nnrun(*printed(nnrun("rewind", trial).err, "train"), "-q").code == 0
