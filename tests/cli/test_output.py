"""What goes to stdout, what to stderr, and in which form; the commands printed to be typed next."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.cli.terminal import streams
from tests.cli.conftest import DURATION, QUICK, Done

Nnrun = Callable[..., Done]
Write = Callable[..., Path]
Shell = Callable[[str], Done]

SUMMARY = rf"""done after 3 epochs in {DURATION}, best epoch \d

             train      dev     test
error +\d+\.\d% +\d+\.\d% +\d+\.\d%
loss +\d+\.\d+ +\d+\.\d+ +\d+\.\d+
cost +\d+\.\d+

avoidable bias  train − base \(0\.0%\) +\+\d+\.\d points +(?:high|low|unclear)
variance        dev − train +[+-]\d+\.\d points.*

run      runs/(\S+)
next     nnrun diagnose (\S+)
next     nnrun report (\S+)
next     nnrun show (\S+)
next     nnrun resume (\S+) --epochs 6
next     nnrun train config\.yaml --set seed=1
"""
IRIS = [f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")]


def test_the_result_goes_to_stdout_and_the_rest_to_stderr(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("train", config())
    assert done.code == 0
    result = re.fullmatch(SUMMARY, done.out)
    assert result, done.out
    assert len(set(result.groups())) == 1
    assert re.fullmatch(
        r"run      \S+\n"
        r"data     digits: 1,079 train, 359 dev, 359 test; 64 features, 10 classes\n"
        r"network  64-8-10 \(relu\), 610 parameters\n"  # 64·8 + 8 + 8·10 + 10
        r"training adam 0.001, batch 32, 3 epochs, seed 0\n"
        r"(epoch \d/3  cost \d\S* +train +\S+% loss \d\S* +dev +\S+% loss \d\S* +rate 0.001\n){3}",
        done.err,
    ), done.err


def test_regression_in_its_own_words(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("train", config("data: {source: diabetes}\ntraining: {epochs: 3}\n"))
    assert "10 features, regression (error = 1 − R²)" in done.err
    assert re.search(r"\n1 − R² +\S+% +\S+% +\S+%\nrmse +\S+ +\S+ +\S+\nloss", done.out)


def test_large_numbers_stay_apart(nnrun: Nnrun, config: Write) -> None:
    # Prices of some 100,000: the deviation is 1e5 · √((5² − 1)/12) ≈ 141,000, and so is the rmse of a poor net.
    Path("prices.csv").write_text("x,price\n" + "".join(f"{i},{i % 5}e5\n" for i in range(60)))
    done = nnrun(
        "train", config("data: {source: prices.csv, target: price, task: regression}\ntraining: {epochs: 1}\n")
    )
    assert "\ndata     prices.csv: " in done.err
    (line,) = (line for line in done.out.splitlines() if line.startswith("rmse"))
    assert [len(cell) for cell in line.split()[1:]] == [6, 6, 6]


def test_a_file_for_each_part_is_named(nnrun: Nnrun, config: Write) -> None:
    for part in ("train", "dev"):
        Path(f"{part}.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(20)))
    config("data: {source: {train: train.csv, dev: dev.csv}, target: y}\ntraining: {epochs: 1}\n")
    done = nnrun("train")
    assert "\ndata     train.csv, dev.csv: 20 train, 20 dev; 1 features, 2 classes\n" in done.err
    assert "no test set: the dev error is not unbiased" in done.out
    assert "\ndata     train.csv, dev.csv: 20 train, 20 dev\n" in nnrun("show").out


def test_json_is_one_document(nnrun: Nnrun, config: Write) -> None:
    trained = nnrun("train", config(), "--json")
    assert (trained.code, trained.err, trained.json["status"], trained.json["epochs"]) == (0, "", "done", 3)
    name = trained.json["id"]
    resumed = nnrun("resume", "--epochs", 4, "--json")
    assert (resumed.code, resumed.err, resumed.json["id"], resumed.json["epochs"]) == (0, "", name, 4)
    listed = nnrun("list", "--json")
    assert (listed.code, [run["id"] for run in listed.json["runs"]]) == (0, [name])
    shown = nnrun("show", "--json")
    assert (shown.code, shown.json["id"], len(shown.json["metrics"])) == (0, name, 4)
    assert shown.json["final"] == resumed.json["final"]
    for done in (trained, resumed, listed, shown):
        assert done.json["schema_version"] == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("train", "nowhere.yaml"), 3),
        (("train", "--set", "data.source=nowhere.csv"), 4),
        (("resume",), 2),
        (("resume", "nothing"), 2),
        (("list", "--runs", "a-file"), 2),
        (("show",), 2),
        (("show", "nothing"), 2),
    ],
)
def test_errors_as_json(nnrun: Nnrun, command: tuple[str, ...], code: int) -> None:
    Path("a-file").write_text("")
    done = nnrun(*command, "--json")
    assert (done.code, done.json["error"]["exit_code"]) == (code, code)
    assert done.json["error"]["problems"]
    assert "Traceback" not in done.err


def test_quiet_says_the_ending_only(nnrun: Nnrun) -> None:
    done = nnrun("train", "-q", *QUICK)
    assert (done.code, done.err) == (0, "")
    ending, errors, run = done.out.splitlines()
    assert ending.startswith("done after 3 epochs")
    assert re.fullmatch(r"error    train [\d.]+%, dev [\d.]+%, test [\d.]+%", errors)
    assert run.startswith("run      runs/")
    assert nnrun("train", "-q", "nowhere.yaml").err == "nowhere.yaml: no such file\n"


def test_verbose_says_what_the_run_depends_on(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("train", config(), "-v")
    (run,) = Path("runs").glob("[!.]*")
    assert done.err.startswith((run / "resolved.yaml").read_text().rstrip() + "\nversions python 3.")
    assert re.search(r"numpy \d", done.err)


DIVERGES = "optimizer: {name: sgd, learning_rate: 1e30}\nnetwork: {hidden: [8]}\n"


def test_a_diverged_run(nnrun: Nnrun, config: Write, shell: Shell) -> None:
    done = nnrun("train", config(DIVERGES), "--set", "seed=3")
    assert done.code == 5
    first = done.out.splitlines()[0]
    assert re.fullmatch(r"diverged in epoch 1, step \d+: layer \w+ met numbers that are not finite", first)
    assert done.next == ["nnrun train config.yaml --set seed=3 --set optimizer.learning_rate=0.1"]
    assert nnrun("train", "config.yaml", "--json").json["divergence"]["epoch"] == 1
    assert nnrun("list").out.count(" diverged ") == 2
    refused = nnrun("resume")
    anew = re.search(r"would do so again; `(.+)` begins anew", refused.err)
    assert (refused.code, bool(anew)) == (2, True)
    for line in (done.next[0], anew[1] if anew else ""):
        assert shell(line).code == 0, "its steps are short enough"


def test_a_run_that_diverges_later_keeps_its_checkpoint(nnrun: Nnrun, config: Write) -> None:
    nnrun(
        "train", config("optimizer: {name: sgd, learning_rate: 1e-3}\nnetwork: {hidden: [8]}\ntraining: {epochs: 2}\n")
    )
    done = nnrun("resume", "--set", "optimizer.learning_rate=1e30", "--epochs", 5)
    assert done.code == 5
    assert done.out.splitlines()[0].endswith("; the checkpoint of epoch 2 is kept")
    assert done.out.splitlines()[0].startswith("diverged in epoch 3, step ")


@pytest.mark.parametrize("command", ["train", "list", "--help", "train --bogus"])
def test_piped_output_is_plain(process: Callable[..., Done], config: Write, command: str) -> None:
    config()
    done = process(*command.split(), FORCE_COLOR="1", GITHUB_ACTIONS="1", CLICOLOR_FORCE="1", TERM="xterm-256color")
    assert done.out + done.err
    assert not set("\x1b\r") & set(done.out + done.err)


@pytest.mark.parametrize(("encoding", "gap", "unit"), [("ascii", "-", "1 - R^2"), ("cp1252", "-", "1 - R²")])
def test_any_encoding_will_do(process: Callable[..., Done], config: Write, encoding: str, gap: str, unit: str) -> None:
    config("data: {source: diabetes}\nnetwork: {hidden: [4]}\ntraining: {epochs: 2}\n")
    variables = {"PYTHONIOENCODING": encoding, "LANG": "C", "LC_ALL": "C"}
    trained, shown = process("train", **variables), process("show", **variables)
    for done in (trained, shown):
        assert done.code == 0, done.err
        assert f"\n{unit} " in done.out
        assert f" train {gap} base" in done.out
    assert f"(error = {unit})" in trained.err
    wrong = process("train", "--set", "regularization.keep_prob=0.5", **variables)
    assert (wrong.code, wrong.err.count("dropout = 1 - keep_prob")) == (3, 1)


def test_json_in_ascii_loses_nothing(process: Callable[..., Done], config: Write) -> None:
    path = config(name="größe/κ.yaml")
    done = process("train", str(path), "--json", PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert done.json["argv"][-2:] == ["größe/κ.yaml", "--json"]


def test_readers_that_stop_reading(shell: Shell, nnrun: Nnrun, config: Write) -> None:
    for _ in range(3):
        nnrun("train", config(), "-q")
    for line in ("nnrun list | head -1", "nnrun show | true", "PYTHONUNBUFFERED=1 nnrun schema | head -1"):
        done = shell(line)
        assert (done.code, done.err) == (0, "")


def test_training_goes_on_when_nobody_reads_about_it(shell: Shell, nnrun: Nnrun, config: Write) -> None:
    config("network: {hidden: [8]}\ntraining: {epochs: 20}\n")
    assert shell("nnrun train 2>&1 >/dev/null | head -1").out == "config   config.yaml\n"
    assert nnrun("list", "--json").json["runs"][0]["status"] == "done"


def test_a_full_disk_behind_stdout(shell: Shell, nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(), "-q")
    for unbuffered in ("", "PYTHONUNBUFFERED=1 "):
        done = shell(f"{unbuffered}nnrun list >/dev/full")
        assert (done.code, done.err) == (1, "nnrun: stdout: No space left on device\n")


def test_a_run_whose_result_stdout_does_not_take_is_kept(shell: Shell, nnrun: Nnrun, config: Write) -> None:
    config()
    done = shell("nnrun train -q --json >/dev/full")
    assert (done.code, done.err) == (1, "nnrun: stdout: No space left on device\n")
    assert nnrun("show", "--json").json["status"] == "done"


@pytest.mark.parametrize("words", ["--help", "--version", "train --help", "--show-completion bash", "list --json"])
def test_whatever_is_printed_there(shell: Shell, words: str) -> None:
    done = shell(f"nnrun {words} >/dev/full")
    assert done.code == 1
    assert re.fullmatch(r"nnrun: (stdout: )?No space left on device\n", done.err)


@pytest.mark.parametrize("words", ["show nowhere", "train --epoch 3"])
def test_an_error_that_stdout_does_not_take_is_said(shell: Shell, unread: Nnrun, words: str) -> None:
    said = shell(f"nnrun {words}").err.splitlines()[-1]
    for done in (shell(f"nnrun {words} --json >/dev/full"), unread(*words.split(), "--json")):
        assert (done.code, done.err.splitlines()[-1]) == (2, said)


def test_closed_streams(shell: Shell, config: Write) -> None:
    config()
    assert shell("nnrun train >&-").code == 0
    done = shell("nnrun train 2>&-")
    assert done.code == 0
    assert done.out.startswith("done after 3 epochs")
    assert shell("nnrun train nowhere 2>&- >&-").code == 3


def test_a_result_for_programs_needs_a_stdout(shell: Shell, nnrun: Nnrun, config: Write) -> None:
    config("data: {source: iris}\ntraining: {epochs: 2}\n")
    nnrun("train", "-q")
    Path("new.csv").write_text(f"{','.join(IRIS)}\n5.1,3.5,1.4,0.2\n")
    assert shell("nnrun predict latest new.csv -o out.csv >&-").code == 0
    for words in ("predict latest new.csv", "list --json"):
        done = shell(f"nnrun {words} >&-")
        assert (done.code, done.err.splitlines()[-1]) == (1, "nnrun: stdout is closed")


@pytest.mark.parametrize(
    "words",
    ["train --json", "diagnose --train-error 1% --dev-error 20% --fail-on variance --json", "split latest",
     "predict latest nowhere.csv", "init digits -o -", "rm latest --json", "export latest -o - --format numpy"],
)  # fmt: skip
def test_nothing_is_done_for_a_result_that_cannot_be_told(
    nnrun: Nnrun, config: Write, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    nnrun("train", config(), "-q")
    with monkeypatch.context() as closed:
        closed.setattr(streams, "is_given_up", lambda stream: stream is sys.stdout)
        done = nnrun(*words.split())
    assert (done.code, done.err) == (1, "nnrun: stdout is closed\n")
    assert len(nnrun("list", "--json").json["runs"]) == 1


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_rows_cannot_come_from_a_closed_stdin(
    nnrun: Nnrun, config: Write, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    nnrun("train", config(), "-q")
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it then
    done = nnrun(verb, "latest", "-")
    assert (done.code, done.err.splitlines()[-1][:25]) == (4, "<stdin>: stdin is closed;")


@pytest.mark.parametrize("folder", [pytest.param("plain", marks=pytest.mark.soak), 'it\'s a "$HOME" `x` \\ größe!'])
def test_printed_commands_run_as_they_stand(shell: Shell, config: Write, folder: str) -> None:
    path = config(name=f"{folder}/my config.yaml")
    typed = ["nnrun", "train", str(path), "--runs", f"{folder}/runs", "--set", "network.hidden=[4, 4]"]
    done = shell(shlex.join(typed))
    assert done.code == 0, done.err
    commands = [shlex.split(line) for line in done.next]
    assert [command[1] for command in commands] == ["diagnose", "report", "show", "resume", "train"]
    assert commands[4] == [*typed, "--set", "seed=1"]
    for line in done.next:
        ran = shell(line)
        assert ran.code == 0, ran.err
    runs = json.loads(shell(shlex.join(["nnrun", "list", "--json", "--runs", f"{folder}/runs"])).out)["runs"]
    assert sorted(run["epochs"] for run in runs) == [3, 6]
    resolved = [yaml for yaml in Path(folder).glob("runs/*/resolved.yaml") if "hidden: [4, 4]" in yaml.read_text()]
    assert len(resolved) == 2


def test_commands_after_a_resume_train_the_same_again(shell: Shell, nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(), "-q")
    config("seed: 77\n")  # what the file says now is another experiment
    done = nnrun("resume", "--epochs", 4)
    again = shell(done.next[-1])
    assert again.code == 0, again.err
    latest = nnrun("show", "--json").json
    assert (latest["seed"], latest["config"]["network"]["hidden"], latest["epochs"]) == (1, [8], 4)


@pytest.mark.parametrize(
    "setting", ["optimizer.schedule=cosine", "regularization.early_stopping={patience: 1, min_delta: 9}"]
)
def test_no_command_is_printed_that_would_be_refused(nnrun: Nnrun, typed: Shell, config: Write, setting: str) -> None:
    done = nnrun("train", config(), "--set", setting)
    assert [line.split()[1] for line in done.next] == ["diagnose", "report", "show", "train"]
    for line in done.next:
        assert typed(line).code == 0


def test_commands_name_the_run_alone_where_it_is_found_anyway(
    nnrun: Nnrun, config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NNRUN_RUNS", "elsewhere")
    done = nnrun("train", config())
    (run,) = Path("elsewhere").glob("[!.]*")
    assert not Path("runs").exists()
    assert f"\nrun      {run}\n" in done.out
    assert done.next[:3] == [f"nnrun {verb} {run.name}" for verb in ("diagnose", "report", "show")]
    assert nnrun(*done.next[0].split()[1:]).code == 0


def test_home_is_where_it_is_however_runs_are_named(
    nnrun: Nnrun, config: Write, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here / "home"))
    assert nnrun("train", config(), "-q", "--runs=~/kept").code == 0
    (run,) = (here / "home" / "kept").glob("[!.]*")
    assert not Path("~").exists()
    monkeypatch.setenv("NNRUN_RUNS", "~/kept")
    assert [found["id"] for found in nnrun("list", "--json").json["runs"]] == [run.name]
    assert nnrun("show").out.startswith(f"run      {run}\n")
    assert "--runs" not in nnrun("diagnose", "--runs", run.parent).out
    run.rename(here / "home" / run.name)
    monkeypatch.setenv("NNRUN_RUNS", "~")
    for found in (nnrun("list", "--json"), nnrun("list", "--json", "--runs=~")):
        assert [entry["id"] for entry in found.json["runs"]] == [run.name]


def test_home_is_where_it_is_whatever_is_written_there(
    nnrun: Nnrun, config: Write, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home := here / "home").mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert nnrun("train", config(), "-q").code == 0
    for words in (
        ("split", "latest", "--output=~/parts.csv"),
        ("export", "latest", "--output=~/model.py"),
        ("configs", "digits", "--output=~/copy.yaml"),
        ("init", "iris", "--output=~/own.yaml"),
    ):
        done = nnrun(*words)
        assert done.code == 0, done.err
        assert (home / words[-1].removeprefix("--output=~/")).is_file()
    assert not Path("~").exists()


def test_a_user_without_a_home_is_told(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # without HOME, or an entry of the user
    asked = nnrun("list", "--runs=~/kept")
    monkeypatch.setenv("NNRUN_RUNS", "~/kept")
    for done in (asked, nnrun("list")):
        assert done.code == 2
        assert "~/kept: this user has no home here, and HOME names none" in " ".join(done.err.replace("│", "").split())


def test_nothing_left_to_train_is_said(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config())
    note = "note     nothing was left to train; "
    for setting, words in {
        "seed=1": "--epochs 6",
        "optimizer.schedule=cosine": "--epochs 6 --set optimizer.schedule=constant",
        "regularization.early_stopping={patience: 1, min_delta: 9}": "--set regularization.early_stopping=null",
    }.items():
        nnrun("train", "config.yaml", "--set", setting)
        told = nnrun("resume").err
        found = re.search(rf"\n{note}`(nnrun resume \S+ {words})` goes on\n", told)
        assert found, told
        done = nnrun(*shlex.split(found[1])[1:])
        assert (done.code, note in done.err) == (0, False)


def test_blas_has_one_thread_when_numpy_loads(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nnrun", "train", "--json", "--threads", "2", "--set", "training.epochs=1"]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert {blas["threads"] for blas in json.loads(done.stdout)["blas"]} == {1}


def test_threads_that_are_no_number_are_refused_before_anything_is_made(
    nnrun: Nnrun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nnrun("train", "--threads", "0").code == 2
    assert "--threads" in nnrun("train", "--threads", "many").err
    command = [sys.executable, "-m", "nnrun", "train"]
    environment = {**os.environ, "NNRUN_THREADS": "many"}
    told = "NNRUN_THREADS=many: must be a whole number from 1 to 1024"
    for option, printed in (("-q", ("", f"nnrun: {told}\n")), ("--json", (told, ""))):
        done = subprocess.run([*command, option], cwd=tmp_path, env=environment, capture_output=True, text=True)
        out = json.loads(done.stdout)["error"]["problems"][0] if done.stdout else ""
        assert (done.returncode, (out, done.stderr)) == (2, printed)
    assert not (tmp_path / "runs").exists()


def test_the_retired_key_for_threads_is_told_and_changes_nothing(nnrun: Nnrun) -> None:
    plain = nnrun("train", "--set", "training.epochs=1")
    old = nnrun("train", "--set", "training.epochs=1", "--set", "training.blas_threads=1")
    older = nnrun("train", "--set", "training.epochs=1", "--set", "training.blas_threads=2")
    assert [("does nothing any more" in done.err, "--threads N" in done.err) for done in (plain, old, older)] == [
        (False, False), (False, False), (True, True)
    ]  # fmt: skip
    runs = sorted(Path("runs").glob("2*"))
    assert len({(run / "checkpoints/last.safetensors").read_bytes() for run in runs}) == 1
    assert not any("blas_threads" in (run / "resolved.yaml").read_text() for run in runs)
