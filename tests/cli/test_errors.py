"""Every mistake a user can make in a config or its data: one line that says where and what, and the exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
Write = Callable[..., Path]


class Case(NamedTuple):
    """A config, the data it names, and a pattern for each line on stderr; DATA stands for the data file's path."""

    config: str
    lines: list[str]
    data: str = ""


IN_DATA = "data: {source: data.csv, target: y}\n"

IN_CONFIG = {
    "unknown key": Case(
        "optimizer:\n  learning_rat: 1e-3\n",
        [r"config.yaml:2:3: optimizer.learning_rat: unknown key; did you mean learning_rate\?"],
    ),
    "wrong type": Case(
        "training: {epochs: many}\n",
        ["config.yaml:1:20: training.epochs: expected a whole number, got the text 'many'"],
    ),
    "quoted number": Case(
        "optimizer: {learning_rate: '1e-3'}\n",
        ["config.yaml:1:28: optimizer.learning_rate: expected a number, got the text '1e-3'; remove the quotes"],
    ),
    "duplicate key": Case(
        "seed: 1\nseed: 2\n", ["config.yaml:2:1: seed: duplicate key on line 2; first given on line 1"]
    ),
    "tab": Case("optimizer:\n\tname: adam\n", ["config.yaml:2:1: tab used for indentation; YAML wants spaces"]),
    "empty file": Case("", ["config.yaml:1:1: the file is empty; an experiment needs at least `data: .*`"]),
    "comments only": Case("# soon\n", ["config.yaml:1:1: the file is empty; .*"]),
    "negative learning rate": Case(
        "optimizer:\n  learning_rate: -1e-3\n",
        ["config.yaml:2:18: optimizer.learning_rate: must be above 0, got -0.001"],
    ),
    "dropout 1.0": Case(
        "regularization: {dropout: 1.0}\n",
        ["config.yaml:1:27: regularization.dropout: must be at least 0 and below 1, got 1.0"],
    ),
    "hidden [0]": Case(
        "network: {hidden: [0]}\n", [r"config.yaml:1:20: network.hidden\[0\]: must be at least 1, got 0"]
    ),
    "keep_prob": Case(
        "regularization: {keep_prob: 0.8}\n",
        [
            r"config.yaml:1:18: regularization.keep_prob: unknown key; did you mean regularization.dropout\? "
            r"dropout = 1 − keep_prob, so `dropout: 0.2`"
        ],
    ),
    "several at once, in the order of the file": Case(
        "seed: x\nnetwork: {hidden: [0]}\noptimizer: {learning_rate: 0, nam: adam}\n",
        [
            "config.yaml:1:7: seed: .*",
            r"config.yaml:2:20: network.hidden\[0\]: .*",
            "config.yaml:3:28: optimizer.learning_rate: .*",
            r"config.yaml:3:31: optimizer.nam: unknown key; did you mean name\?",
        ],
    ),
    "more memory than any machine has": Case(
        "name: big\nnetwork:\n  hidden: [10000000, 10000000]\n",
        # 64 features and 10 classes: 64·10⁷ + 10⁷, then 10¹⁴ + 10⁷, then 10⁸ + 10
        [
            r"config.yaml:3:11: network.hidden: \[10000000, 10000000\] on 64 features means 100,000,760,000,010 "
            r"parameters; training would take about [\d,]+\.\d GB of memory, and [\d,]+\.\d GB are free"
        ],
    ),
    "a loss for another task": Case(
        "training: {loss: huber}\n", ["config.yaml:1:18: training.loss: huber does not fit classification; .*"]
    ),
}

IN_THE_DATA = {
    "missing target column": Case(
        IN_DATA, [r".*yaml:1:\d+: data\.target: DATA:1: no column 'y'; the columns are a, b"], "a,b\n1,2\n3,4\n"
    ),
    "ragged row": Case(IN_DATA, ["DATA:3:2: 1 field where the header has 2; .*"], "a,y\n1,p\n2\n5,q\n"),
    "column without values": Case(
        IN_DATA, ["DATA:1:2: column 'b' has no value at all; .*"], "a,b,y\n1,,p\n2,,q\n3,,p\n4,,q\n"
    ),
    "one class only": Case(
        IN_DATA, [r"DATA:1:2: target column 'y' has one class only \('p'\); .*"], "a,y\n1,p\n2,p\n3,p\n4,p\n"
    ),
    "NaN in the target": Case(
        IN_DATA, ["DATA:3:2: no value in target column 'y' .*"], "a,y\n1,0.5\n2,nan\n3,1.5\n4,2.5\n"
    ),
    "fewer rows than parts": Case(IN_DATA, [".*DATA: 2 rows for 3 parts; .*"], "a,y\n1,p\n2,q\n"),
    "missing data file": Case(
        "data: {source: nowhere.csv, target: y}\n", [r".*yaml:1:16: data\.source: .*nowhere\.csv: no such file"]
    ),
}


def check(done: Done, code: int, patterns: list[str]) -> None:
    assert done.code == code, done.err
    assert done.out == ""
    lines = done.err.splitlines()
    assert len(lines) == len(patterns), done.err
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), f"{line!r} is not like {pattern!r}"


@pytest.mark.parametrize("case", IN_CONFIG.values(), ids=IN_CONFIG)
def test_mistakes_in_the_config(nnrun: Nnrun, config: Write, case: Case) -> None:
    check(nnrun("train", config(case.config)), 3, case.lines)
    assert not Path("runs").exists() or not list(Path("runs").glob("[!.]*"))


@pytest.mark.parametrize("case", IN_THE_DATA.values(), ids=IN_THE_DATA)
def test_mistakes_in_the_data(nnrun: Nnrun, config: Write, here: Path, case: Case) -> None:
    Path("data.csv").write_text(case.data)
    path = re.escape(str(here / "data.csv"))
    check(nnrun("train", config(case.config)), 4, [line.replace("DATA", path) for line in case.lines])
    assert not list(Path("runs").glob("[!.]*")), "a run was made of data that cannot be trained on"


def test_a_layer_of_ten_million_units(nnrun: Nnrun, config: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    # 64·10⁷ + 10⁷ weights and biases, then 10⁸ + 10; seven vectors of that in float32 are 21 GB.
    monkeypatch.setattr("nnrun.machine.capacity.free_memory", lambda: 8_000_000_000)
    pattern = (
        r"config.yaml:2:11: network.hidden: \[10000000\] on 64 features means 750,000,010 parameters; "
        r"training would take about (\d+)\.\d GB of memory, and 8\.0 GB are free"
    )
    done = nnrun("train", config("network:\n  hidden: [10000000]\n"))
    check(done, 3, [pattern])
    taken = re.match(pattern, done.err)
    assert taken is not None
    assert int(taken[1]) >= 21


def test_an_unquoted_power_of_ten_is_a_number(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("train", config("optimizer: {learning_rate: 1e-3}\nnetwork: {hidden: []}\ntraining: {epochs: 1}\n"))
    assert (done.code, done.err.count("adam 0.001")) == (0, 1)


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("seed", "--set seed: expected key=value"),
        ("seed=", "--set seed=: the value is missing; write null for none"),
        ("seed=x", "--set seed=x: expected a whole number, got the text 'x'"),
        ("optimzer.name=sgd", "--set optimzer.name=sgd: optimzer: unknown key; did you mean optimizer?"),
        (
            "optimizer.learning_rat=1",
            "--set optimizer.learning_rat=1: unknown key; did you mean learning_rate?",
        ),
        (
            "network.hidden=[1",
            "--set network.hidden=[1: expected ',' or ']', but got '<stream end>'; "
            "the bracket opened at 1:1 is not closed properly",
        ),
        (
            "regularization.keep_prob=0.5",
            "--set regularization.keep_prob=0.5: unknown key; did you mean regularization.dropout? "
            "dropout = 1 − keep_prob, so `dropout: 0.5`",
        ),
    ],
)
def test_mistakes_in_settings(nnrun: Nnrun, config: Write, setting: str, line: str) -> None:
    check(nnrun("train", config(), "--set", setting), 3, [re.escape(line)])


def test_several_mistakes_in_file_and_settings_come_together(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("train", config("seed: x\n"), "--set", "training.epochs=0", "--set", "training.epoch=1")
    assert done.code == 3
    first, *settings = [line.split(": ")[0] for line in done.err.splitlines()]
    assert first == "config.yaml:1:7"
    assert sorted(settings) == ["--set training.epoch=1", "--set training.epochs=0"]


def test_configs_that_are_no_file(nnrun: Nnrun, config: Write) -> None:
    config(name="ok.yaml")
    Path("folder").mkdir()
    Path("binary.yaml").write_bytes(bytes([0x89, 0xFF, 0, 0x1A]) * 100)
    check(nnrun("train", "ok.yml"), 3, [r"ok.yml: no such file; did you mean ok.yaml\?"])
    Path("table.csv").write_text("x,y\n1,2\n")
    check(nnrun("train", "okk"), 3, [r"okk: no such file; did you mean ok.yaml\?"])
    for name in ("zzz", "table"):
        check(nnrun("train", name), 3, [f"{name}: no such file"])
    check(nnrun("train", "folder"), 3, ["folder: is a directory; a YAML file is needed"])
    check(nnrun("train", "binary.yaml"), 3, ["binary.yaml:1:1: not UTF-8 text .*"])


def test_a_config_that_comes_with_nnrun_is_put_here_as_the_message_says(nnrun: Nnrun, here: Path) -> None:
    told = nnrun("train", "digits")
    check(told, 3, ["digits: no such file; `nnrun configs digits` puts the one that comes with nnrun here"])
    assert nnrun(*told.err.split("`")[1].split()[1:]).code == 0
    assert nnrun("check", "digits.yaml").code == 0


@pytest.mark.skipif(sys.platform == "darwin", reason="its names are UTF-8 alone")
def test_names_that_are_not_utf_8(nnrun: Nnrun, config: Write) -> None:
    """Any bytes may be one; on the screen and on pages they are escapes, in JSON halves of letters."""
    strange, runs = str(config(name="b\udcff.yaml")), ("--runs", "r\udcff")
    small = ("--set", "data.source=iris", "-q", *runs)
    assert nnrun("train", strange, *small).code == 0
    assert nnrun("diagnose", *runs).code == 0
    assert nnrun("report", "--all", *runs).code == 0
    assert r"r\udcff" in Path("r\udcff/report.html").read_text("utf-8")
    assert nnrun("report", *runs).code == 0
    done = nnrun("export", "--json", "-o", "m\udcff.onnx", *runs)
    assert (done.code, done.json["unchecked"], Path("m\udcff.onnx").is_file()) == (0, None, True)
    refused = nnrun("improve", strange, "--budget", "60epochs")
    why = r"b\udcff.yaml': an improvement cannot record this path, which is not UTF-8; rename it"
    assert (refused.code, why in refused.err, Path("runs").exists()) == (2, True, False)


@pytest.mark.parametrize("command", ["list", "search", "init t.csv", "export"])
def test_a_current_folder_that_was_removed(here: Path, command: str) -> None:
    there = f"rmdir '{here}' && exec '{sys.executable}' -P -m nnrun {command}"
    done = subprocess.run(there, shell=True, cwd=here, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert re.fullmatch("nnrun: (no worker .*: )?the current folder was removed; change to one that is there", last)


def test_mistakes_as_json(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("train", config("seed: x\nfoo: 1\n"), "--json")
    assert (done.code, done.err) == (3, "")
    assert done.json["schema_version"] == 1
    assert done.json["error"]["exit_code"] == 3
    assert [problem.split(": ")[0] for problem in done.json["error"]["problems"]] == [
        "config.yaml:1:7",
        "config.yaml:2:1",
    ]


def test_the_traceback_is_shown_on_request_only(nnrun: Nnrun) -> None:
    assert "Traceback" not in nnrun("train", "zzz").err
    done = nnrun("train", "zzz", "--debug")
    assert done.code == 3
    assert "Traceback" in done.err
    assert done.err.endswith("\nzzz: no such file\n")


def test_a_bug_is_named_as_one(nnrun: Nnrun, config: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("nnrun.runs.preparing.load_dataset", broken)
    done = nnrun("train", config())
    assert done.code == 1
    assert done.err == "nnrun: internal error, please report it with what --debug shows: ZeroDivisionError: oh\n"
