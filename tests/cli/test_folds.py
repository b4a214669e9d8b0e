"""Folds as they are typed and read: what is printed, what can be typed next, and the commands that read such a run."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.runs.rundir import RunDir
from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
Write = Callable[..., Path]
FOLDS = "data: {source: iris, folds: 3}\nnetwork: {hidden: [8]}\ntraining: {epochs: 3}\n"


def the_run() -> Path:
    return max(Path("runs").glob("[!.]*"))


def quoted(text: str, verb: str) -> list[str]:
    """The words behind `nnrun` of the only command between backticks that begins with the verb."""
    (found,) = set(re.findall(rf"`nnrun ({verb}\b[^`]*)`", " ".join(text.split())))
    return shlex.split(found)


def test_each_line_says_which_fold_and_the_end_what_they_come_to(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS)
    done = nnrun("train", "--report")
    assert done.code == 0
    assert [f"fold {k} of 3  epoch {n}/3" for k in (1, 2, 3) for n in (1, 2, 3)] == re.findall(
        r"^fold \d of 3  epoch \d/3", done.err, re.MULTILINE
    )
    assert done.err.count("\nrun      ") + done.err.startswith("run      ") == 1
    assert done.out.startswith("done after 3 folds of up to 3 epochs in ")
    table = r"fold +dev error +dev loss +best epoch +dev rows\n( +\d +[\d.]+% +[\d.]+ +\d +50\n){3}"
    assert re.search(
        table + r"dev error [\d.]+% ± [\d.]+% \(one standard deviation of 3 folds\), standard error ", done.out
    )
    assert "150 train, 150 dev" in nnrun("show").out
    assert nnrun("train", "-q").out.count("\n") == 3


def test_what_a_run_of_folds_says_to_type_can_be_typed(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS)
    done = nnrun("train", "config.yaml", "--set", "seed=3")
    (again,) = [line for line in done.next if "--refit" in line]
    assert again == "nnrun train config.yaml --set seed=3 --refit"
    refitted = nnrun(*shlex.split(again)[1:])
    assert re.search(r"refit +one network on the rows of all folds, \d epochs? long, in members/all\n", refitted.out)
    assert not any("--refit" in line for line in refitted.next)
    run = the_run()
    told = nnrun("resume", run).err
    assert nnrun(*quoted(told, "train"), "-q").code == 0  # for more epochs, anew
    told = nnrun("resume", run, "--epochs", "9").err
    assert nnrun(*(word.replace("KEY=VALUE", "seed=1") for word in quoted(told, "train")), "-q").code == 0
    told = nnrun("resume", run / "members/02").err
    assert nnrun(*quoted(told, "train"), "-q").code == 0
    assert nnrun(*quoted(told, "resume"), "-q").code == 0
    told = nnrun("rewind", run / "members/02").err
    assert nnrun(*quoted(told, "train"), "-q").code == 0
    with RunDir(run).held():
        RunDir(run).update_record(status="running")
        told = nnrun("nudge", run, "--set", "seed=1").err
    RunDir(run).update_record(status="done")
    assert [quoted(told, verb) for verb in ("pause", "stop")] == [["pause", run.name], ["stop", run.name]]
    told = nnrun("train", "config.yaml", "--refit", "--set", "data.folds=null").err
    assert "--set data.folds=5" in told


def test_no_run_becomes_one_of_folds_or_of_another_fold(nnrun: Nnrun) -> None:
    """Its dev rows would be those that the run has learned from."""
    runs = []
    for more in ((), ("data.folds=3", "data.fold=1")):
        words = [word for one in (*more, "data.source=iris", "training.epochs=1") for word in ("--set", one)]
        runs.append(nnrun("train", *words, "--json").json["id"])
    one, fold = runs
    for run, given in ((one, "data.folds=3"), (fold, "data.fold=2"), (fold, "data.fold=null")):
        told = nnrun("resume", run, "--set", given, "--epochs", "2")
        assert told.code == 2 and f"{run} may have learned from rows that would be the dev part of a fold" in told.err
    assert len([*Path("runs").glob("[!.]*")]) == 2
    anew = nnrun(*quoted(told.err, "train"), "--json").json
    assert len(anew["members"]) == 3
    assert nnrun("resume", fold, "--set", "data.fold=all", "--epochs", "2", "-q").code == 0  # has no dev part


@pytest.mark.parametrize("words", [("evaluate",), ("export",), ("evaluate", "--calibrate"), ("diagnose", "--by", "x1")])
def test_where_a_fold_is_still_to_come_it_is_said_how(nnrun: Nnrun, config: Write, words: tuple[str, ...]) -> None:
    config(FOLDS)
    nnrun("train", "-q")
    run = RunDir(the_run())
    shutil.rmtree(run.path / "members/03")
    run.update_record(status="interrupted")
    told = nnrun(words[0], run.id, *words[1:])
    assert told.code == 2 and "is interrupted, 2 of its 3 folds are trained" in told.err
    assert quoted(told.err, "resume") == ["resume", run.id]


@pytest.mark.parametrize(
    ("begun", "status", "train", "dev", "told"),
    [
        (2, "done", 150, 100, "2 of 3 folds"),
        (2, "running", 100, 50, "1 of 3 folds"),
        (1, "running", 100, 50, "fold 1 of 3"),
    ],
)
def test_killed_in_a_fold_each_command_names_the_rows_of_those_that_are_over(
    nnrun: Nnrun, config: Write, begun: int, status: str, train: int, dev: int, told: str
) -> None:
    config(FOLDS)
    nnrun("train", "-q")
    run = RunDir(the_run())
    for fold in range(begun, 3):
        shutil.rmtree(run.path / f"members/0{fold + 1}")
    RunDir(run.path / f"members/0{begun}").update_record(status=status)
    run.update_record(status="running", written=None)
    assert nnrun("show", "--json").json["data"]["rows"] == {"train": train, "dev": dev}
    assert f"data     iris: {train} train, {dev} dev ({told})\n" in nnrun("show").out
    diagnosis = " ".join(nnrun("diagnose").out.split())
    assert f"interrupted: not all of 3 epochs are trained ({told}), by epoch 3" in diagnosis
    assert f" {dev} examples" in diagnosis
    assert nnrun("report").code == 0
    page = (run.path / "report.html").read_text()
    assert f"Data: {train} train, {dev} dev" in page and "0 epochs" not in page
    (listed,) = nnrun("list", "--json").json["runs"]
    assert listed["dev_error"] == nnrun("diagnose", "--json").json["errors"]["dev"] and listed["epochs"] == 3


def test_a_last_fold_that_is_half_trained_speaks_for_nobody(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS)
    nnrun("train", "-q")
    run = RunDir(the_run())
    for each in (run, RunDir(run.path / "members/03")):
        each.update_record(status="interrupted")
    told = nnrun("evaluate", run.id)
    assert told.code == 2 and "is interrupted, 2 of its 3 folds are trained" in told.err


def test_the_first_fold_counts_as_soon_as_it_trains(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS)
    nnrun("train", "-q")
    run = RunDir(the_run())
    run.write("metrics.jsonl", "")
    run.update_record(status="running", written=None)  # killed
    (listed,) = nnrun("list", "--json").json["runs"]
    assert listed["epochs"] == 3 and listed["seconds"] > 0


def test_a_run_of_folds_that_diverged_says_what_helps(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS + "optimizer: {name: sgd, learning_rate: 1e30}\n")
    done = nnrun("train")
    assert done.code == 5 and done.out.startswith("diverged in fold 1, epoch 1, step ")
    told = nnrun("resume")
    assert told.code == 2
    assert nnrun(*quoted(told.err, "train"), "-q").code == 0


@pytest.mark.parametrize("words", [("show",), ("list",), ("show", "--csv"), ("compare",), ("check", "config.yaml")])
def test_commands_read_a_run_of_folds_and_one_of_them(nnrun: Nnrun, config: Write, words: tuple[str, ...]) -> None:
    config(FOLDS)
    nnrun("train", "-q")
    run = the_run().name
    named = {"show": [run], "compare": [run, f"{run}/members/02"]}.get(words[0], [])
    done = nnrun(words[0], *named, *words[1:])
    assert done.code == 0, done.err
    if words[0] == "show":
        assert nnrun("show", f"{run}/members/02", *words[1:]).code == 0
    if words[0] == "check":
        assert "of the 3 folds the first is looked at" in " ".join(done.out.split())


def test_a_last_network_that_is_gone_is_trained_again_as_it_says(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS)
    nnrun("train", "-q", "--refit")
    best = the_run() / "members/all/checkpoints/best.safetensors"
    before = best.read_bytes()
    shutil.rmtree(the_run() / "members/all")
    gone = nnrun("evaluate")
    assert gone.code == 4 and "the network of all folds is gone" in gone.err
    assert nnrun(*quoted(gone.err, "resume"), "-q").code == 0
    assert best.read_bytes() == before


def test_a_class_with_fewer_rows_than_folds_is_told_once(nnrun: Nnrun, config: Write) -> None:
    rows = [f"{k / 7:.3f},{'rare' if k < 3 else 'ab'[k % 2]}" for k in range(40)]
    Path("rare.csv").write_text("\n".join(["x,label", *rows]) + "\n")
    config("data: {source: rare.csv, target: label, folds: 5}\ntraining: {epochs: 1}\n")
    told = " ".join(nnrun("train").err.split())
    assert told.count("fewer rows than folds of class rare (3)") == told.count("there is no test set") == 1


def test_weighted_numbers_of_folds_are_called_so(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS.replace("folds: 3", "folds: 3, class_weight: balanced"))
    assert nnrun("train", "config.yaml").code == 0
    table = nnrun("evaluate").out.partition("dev by fold")[2]
    assert re.findall(r"^(balanced \w+|error|loss)  ", table, re.MULTILINE)[:2] == ["balanced error", "balanced loss"]
    assert "balanced_error" not in table


def test_a_diagnosis_shows_fold_by_fold(nnrun: Nnrun, config: Write) -> None:
    config(FOLDS)
    assert nnrun("train", "-q").code == 0
    shown = nnrun("diagnose").out
    assert re.search(r"^fold  dev error .*\n(   \d +[\d.]+%.*\n){3}dev error .* standard error", shown, re.MULTILINE)
