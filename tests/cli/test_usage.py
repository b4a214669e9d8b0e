"""How the program is called: help, wrong calls, which config and which runs are meant."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import typer
import yaml

from nnrun.cli.app import app
from nnrun.engine.metrics import METRICS
from nnrun.report.lessons import LESSONS, OF_SEARCHES
from nnrun.search.strategies import STRATEGIES
from nnrun.text import one_of
from tests.cli.conftest import QUICK, Done

Nnrun = Callable[..., Done]
Write = Callable[..., Path]

DIGITS = Path(__file__).parents[2] / "nnrun/data/bundled/digits.csv"
COMMANDS = tuple(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_alone_it_shows_the_help(nnrun: Nnrun) -> None:
    done = nnrun()
    assert done.code == 2
    for command in COMMANDS:
        assert f"\n  {command} " in done.out + done.err
    assert "nnrun train config.yaml" in done.out + done.err


def test_the_help_is_whole_at_80_columns(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = nnrun("--help")
    assert done.code == 0
    commands = done.out[done.out.index("Commands:") :]
    assert "..." not in commands, "a command's one line is cut off"
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(nnrun: Nnrun, command: str) -> None:
    done = nnrun(command, "-h")
    assert done.code == 0
    known = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    for parameter in known:
        named = parameter.opts if parameter.opts[0].startswith("-") else [parameter.metavar]
        assert any(name in done.out for name in named)


def test_the_help_lists_the_names_that_an_option_takes(nnrun: Nnrun) -> None:
    for command, tables in {"search": [STRATEGIES], "report": [LESSONS, OF_SEARCHES], "init": [METRICS]}.items():
        told = " ".join(nnrun(command, "--help").out.split())
        assert all(one_of(table) in told for table in tables)


def test_the_help_shows_where_several_runs_are_taken(nnrun: Nnrun) -> None:
    for command in ("compare", "ensemble", "rm", "export"):
        assert re.match(r"Usage: .+ [{[]?RUN\.\.\.[}\]]?\n", nnrun(command, "--help").out)


def test_rows_that_are_named_alone_are_told_that_the_run_comes_first(nnrun: Nnrun) -> None:
    assert nnrun("predict", "latest").err.endswith("Missing argument 'DATA'.\n")  # whether there is a run or none
    nnrun("train", "-q", *QUICK)
    shutil.copy(DIGITS, "my new.csv")
    told = "The run comes first: nnrun predict latest 'my new.csv'"
    assert told in nnrun("predict", "my new.csv").err
    assert nnrun("predict", "my new.csv", "--json").json["error"]["problems"] == [f"Missing argument 'DATA'. {told}"]
    assert nnrun(*shlex.split(told.partition(": nnrun ")[2])).code == 0
    assert nnrun("predict", "latest").err.endswith("Missing argument 'DATA'.\n")


@pytest.mark.parametrize("words", [("--version",), ("list", "--help")])
def test_help_that_nobody_reads_any_more(unread: Callable[..., Done], words: tuple[str, ...]) -> None:
    assert unread(*words) == (141, "", "")


def test_version(nnrun: Nnrun) -> None:
    done = nnrun("--version")
    assert (done.code, re.fullmatch(r"nnrun \d+\.\d+\.\d+\n", done.out) is not None) == (0, True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("trian",), "No such command 'trian'. Did you mean 'train'?"),
        (
            ("train", "--epochs", "3"),
            "No such option: --epochs; a key of the config is set by --set training.epochs=3\n",
        ),
        (("train", "c.yaml", "--lr=1e-3", "-q"), "set by --set optimizer.learning_rate=1e-3\n"),
        (("search", "--hidden", "64,32"), "set by --set 'network.hidden=[64,32]'\n"),
        (("resume", "--batch-size"), "set by --set training.batch_size=VALUE\n"),
        (("check", "--regularization.l2", "0.1"), "set by --set regularization.l2=0.1\n"),
        (("retest", "--optimizer", "adam"), "set by --set optimizer.name=adam\n"),
        (("train", "--colour", "red"), "No such option: --colour\n"),
        (("show", "--epochs", "3"), "No such option: --epochs"),
        (("train", "a.yaml", "b.yaml"), "unexpected extra argument"),
        (("resume", "--epochs", "0"), "--epochs"),
        (("resume", "--epochs", "many"), "--epochs"),
        (("train", "--set"), "--set"),
    ],
)
def test_wrong_calls(nnrun: Nnrun, call: tuple[str, ...], words: str) -> None:
    done = nnrun(*call)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_a_key_typed_as_an_option_is_set_as_told(nnrun: Nnrun) -> None:
    told = nnrun("train", "--hidden", "6,5").err
    options = shlex.split(told.partition("is set by ")[2])
    assert nnrun("train", "-q", *options, "--set", "training.epochs=1").code == 0
    assert nnrun("show", "--json").json["config"]["network"]["hidden"] == [6, 5]


def test_runs_that_are_not_there(nnrun: Nnrun) -> None:
    nothing = "nnrun: there is no run in runs yet; `nnrun train` makes one, --runs DIR looks elsewhere\n"
    for command in ("resume", "show"):
        assert nnrun(command) == (2, "", nothing)
    nnrun("train", "-q", *QUICK)
    nnrun("train", "-q", *QUICK)
    first, second = (run["id"] for run in nnrun("list", "--json").json["runs"])
    for command in ("resume", "show"):
        assert nnrun(command, "zzz") == (2, "", "nnrun: no run 'zzz' in runs; `nnrun list` shows them\n")
        assert nnrun(command, "2") == (2, "", f"nnrun: '2' means 2 runs: {first}, {second}\n")
        slip = nnrun(command, first[:-1] + "z")
        assert slip.code == 2
        assert re.search(f"did you mean ({first}|{second})\\?", slip.err)
    assert nnrun("show", first, "--runs", "nowhere").code == 2


def test_a_run_is_named_by_id_prefix_path_or_latest(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    nnrun("train", "-q", *QUICK)
    (run,) = Path("runs").glob("[!.]*")
    for name in (run.name, run.name[:-1], "2", str(run), str(run.resolve()), f"{run}/", "latest"):
        assert nnrun("show", name, "--json").json["id"] == run.name
    monkeypatch.chdir(run)
    assert nnrun("show", ".", "--json").json["id"] == run.name
    resumed = nnrun("resume", ".", "--epochs", 4)
    assert resumed.code == 0
    assert nnrun(*resumed.next[0].split()[1:]).code == 0


@pytest.mark.parametrize("schedule", ["cosine", "{name: one_cycle, rise: 0.5}"])
def test_a_schedule_that_knows_the_total_refuses_another(nnrun: Nnrun, config: Write, schedule: str) -> None:
    nnrun("train", config(), "-q", "--set", f"optimizer.schedule={schedule}")
    done = nnrun("resume", "--epochs", 6)
    assert (done.code, done.out) == (2, "")
    assert "is shaped by the planned 3 epochs" in done.err
    (run,) = Path("runs").glob("[!.]*")
    assert yaml.safe_load((run / "resolved.yaml").read_text())["training"]["epochs"] == 3
    assert nnrun("resume", "--epochs", 3).code == 0
    assert nnrun("resume", "--epochs", 6, "--set", "optimizer.schedule=constant").code == 0


def test_fewer_epochs_than_are_trained(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK)
    done = nnrun("resume", "--epochs", 2)
    assert done.code == 2
    assert "has trained 3 epochs already" in done.err


def test_the_config_may_be_left_out(nnrun: Nnrun, config: Write) -> None:
    def said(*options: str) -> str:
        done = nnrun("train", *QUICK, *options)
        assert done.code == 0
        return done.err.splitlines()[0] if done.err else ""

    assert said() == "config   the bundled digits example (no nnrun.yaml or config.yaml here)"
    config("name: second\n", "config.yaml")
    assert said() == "config   config.yaml"
    config("name: first\n", "nnrun.yaml")
    assert said() == "config   nnrun.yaml"
    assert said("-q") == ""
    names = sorted(re.sub(r"^\d+-\d+-(.*)-\w{4}$", r"\1", run.name) for run in Path("runs").glob("[!.]*"))
    assert names == ["digits", "first", "first", "second"]
    folder = Path("nnrun.yaml")
    folder.unlink()
    folder.mkdir()
    assert said() == "config   config.yaml"


def test_where_the_runs_lie(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNRUN_RUNS", "by/variable")
    nnrun("train", "-q", *QUICK)
    nnrun("train", "-q", *QUICK, "--runs", "by/option")
    assert [len(list(Path(folder).glob("[!.]*"))) for folder in ("by/variable", "by/option")] == [1, 1]
    assert not Path("runs").exists()
    assert len(nnrun("list", "--json").json["runs"]) == 1


@pytest.mark.parametrize("runs", ["a-file", "a-file/runs", "/proc/nothing"])
def test_a_runs_folder_that_cannot_be(nnrun: Nnrun, runs: str) -> None:
    Path("a-file").write_text("precious")
    done = nnrun("train", *QUICK, "--runs", runs)
    assert (done.code, done.out) == (2, "")
    assert f"{runs}: cannot make a run there (" in done.err
    assert "Traceback" not in done.err
    assert Path("a-file").read_text() == "precious"


def test_the_schema_is_json_schema_and_knows_the_examples(nnrun: Nnrun) -> None:
    schema = nnrun("schema").json
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate({"network": {"hidden": [4]}, "optimizer": {"schedule": "cosine"}})
    for wrong in ({"foo": 1}, {"seed": "1"}, {"network": {"hidden": [0]}}, {"optimizer": {"learning_rate": -1}}):
        assert not validator.is_valid(wrong)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_may_be_quiet_verbose_and_read_by_programs(command: str) -> None:
    params = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    options = [option for parameter in params for option in parameter.opts]
    assert {"-q", "-v", "--json", "--debug"} <= set(options)
    assert len(set(options)) == len(options)


def test_quiet_commands_print_results_alone(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK)
    whole, quiet = nnrun("diagnose"), nnrun("diagnose", "-q")
    assert "\nnote     " in whole.out and whole.next
    assert quiet.err == "" and 0 < quiet.out.count("\n") <= 4 and quiet.out in whole.out
    assert nnrun("configs", "digits").next
    assert nnrun("configs", "digits", "--force", "-q") == (0, "config   digits.yaml\n", "")
    assert nnrun("evaluate", "--require", "dev_error<0", "-q").err.startswith("nnrun: ")
    assert nnrun("list", "--sort", "nothing", "-q").err.startswith("nnrun: ")
    assert nnrun("configs", "digits", "--force").next, "-q is of one call"


def test_verbose_commands_tell_config_and_versions(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config("training: {epochs: 2}\nnetwork: {hidden: [4]}\n"), "-q")
    for words in (["show"], ["diagnose"], ["tag", "latest", "one"], ["check"]):
        plain, verbose = nnrun(*words), nnrun(*words, "-v")
        assert (verbose.code, verbose.out) == (plain.code, plain.out)
        assert "training:\n  epochs: 2\n" in verbose.err and "\nversions python " in verbose.err
    assert nnrun("list", "-v").err.startswith("versions python ")
    assert nnrun("show", "nowhere", "-v").code == 2


def test_a_verbose_search_says_when_trials_begin(nnrun: Nnrun, config: Write) -> None:
    config(
        "training: {epochs: 2}\nnetwork: {hidden: [4]}\nsearch: {space: {optimizer.learning_rate: {choice: [0.1]}}}\n"
    )
    told = nnrun("search", "--trials", "2", "--workers", "1", "-v").err
    assert "training:\n  epochs: 2\n" in told and "\nversions python " in told
    assert re.findall(r"^begun    trial (\d): learning_rate 0\.\d+$", told, re.MULTILINE) == ["0", "1"]
    assert "begun" not in nnrun("resume", "--trials", "3", "--workers", "1").err
    assert "begun    trial 3: " in nnrun("resume", "--trials", "4", "--workers", "1", "-v").err


def test_threads_are_limited_wherever_something_is_trained(nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNRUN_THREADS", "2")  # and as it was afterwards
    nnrun("train", "-q", *QUICK)
    assert nnrun("diagnose", "-q", "--threads", "1").code == 0
    assert os.environ["NNRUN_THREADS"] == "1"
    assert nnrun("search", "-q", "--trials", "1", "--workers", "1", "--threads", "3", *QUICK).code == 0
    assert os.environ["NNRUN_THREADS"] == "3"
    assert all("--threads" in nnrun(command, "-h").out for command in ("improve", "retest"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("train", "--bogus", "--json"), "No such option: --bogus"),
        (("train", "--json", "--epochs", "3"), "set by --set training.epochs=3"),
        (("resume", "--epochs", "many", "--json"), "'many' is not a valid"),
        (("show", "one", "two", "--json"), "unexpected extra argument"),
        (("predict", "--json"), "Missing argument"),
        (("trian", "--json"), "Did you mean 'train'?"),
        (("--bogus", "train", "--json"), "No such option: --bogus"),
    ],
)
def test_wrong_calls_by_programs(nnrun: Nnrun, call: tuple[str, ...], words: str) -> None:
    done = nnrun(*call)
    error = done.json["error"]
    assert (done.code, done.err, error["exit_code"], len(error["problems"])) == (2, "", 2, 1)
    assert words in error["problems"][0]
