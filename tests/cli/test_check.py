"""nnrun check: its table, its exit codes, and that it leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnrun.insight.preflight.checks import CHECKS
from tests.cli.conftest import QUICK, Done

Nnrun = Callable[..., Done]
Write = Callable[..., Path]
IRIS = ("--set", "data.source=iris")
FAULTY = (*IRIS, "--set", "network.init=zeros")
LINE = re.compile(r"(pass|warn|fail)  (\w+) +\S")


def names(text: str) -> list[str]:
    return [found[2] for line in text.splitlines() if (found := LINE.match(line))]


def test_a_line_a_check(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("check", config(), *IRIS)
    assert (done.code, done.err) == (0, "")
    assert names(done.out) == list(CHECKS)
    assert max(map(len, done.out.splitlines())) <= 80
    assert re.fullmatch(r"\d+ pass, \d+ warn, 0 fail", done.out.splitlines()[-1])


def test_a_fault_has_its_cure_below_it_and_an_exit_code(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("check", config(), *FAULTY)
    assert done.code == 6
    assert re.search(r"\nfail  symmetry .*\n( +\S.*\n)? +cure  --set network.init=auto\n", done.out)
    assert done.out.endswith(" 1 fail\n")
    assert nnrun("check", config(), *FAULTY, "--set", "network.init=auto").code == 0


def test_quiet_shows_what_failed(nnrun: Nnrun, config: Write) -> None:
    done = nnrun("check", config(), *FAULTY, "-q")
    assert (done.code, names(done.out)) == (6, ["symmetry"])
    assert names(nnrun("check", config(), *IRIS, "--quiet").out) == []


def test_json_is_one_document_with_the_numbers(nnrun: Nnrun) -> None:
    done = nnrun("check", *FAULTY, "--json")
    assert (done.code, done.err) == (6, "")
    assert (done.json["schema_version"], done.json["fail"]) == (1, 1)
    checks: dict[str, Any] = {check["name"]: check for check in done.json["checks"]}
    assert list(checks) == list(CHECKS)
    for check in checks.values():
        assert check["status"] in ("pass", "warn", "fail")
        assert check["finding"]
        assert check["cure"] or check["status"] == "pass"
    assert checks["symmetry"]["alike"] == {"dense1": 127, "dense2": 63}  # all but one of each layer
    assert checks["rows"]["rows"] == {"train": 90, "dev": 30, "test": 30}


SMALL = (*IRIS, "--set", "network.hidden=[4]")
WORST = re.compile(r" +(dense1|output)\.[Wb]\[[\d, ]+\] +-?[\d.e-]+ +-?[\d.e-]+ +(\d\.\de[+-]\d\d)")


def test_the_gradient_of_every_parameter_with_the_worst_of_each_layer(nnrun: Nnrun) -> None:
    """4 · 4 + 4 and 4 · 3 + 3 parameters."""
    done = nnrun("check", *SMALL, "--all")
    assert done.code == 0
    assert "in 35 parameters" in done.out
    assert [found[1] for line in done.out.splitlines() if (found := WORST.fullmatch(line))] == ["dense1", "output"]
    assert not any(map(WORST.fullmatch, nnrun("check", *SMALL).out.splitlines()))


def test_the_gradient_by_steps_of_another_size(nnrun: Nnrun) -> None:
    """Rounding leaves more of smaller ones; that a step is too small is no fault of the gradient."""
    found = {}
    for step in ("1e-5", "1e-7", "1e-14"):
        done = nnrun("check", *SMALL, "--epsilon", step, "--json")
        assert done.code == 0
        found[step] = next(check for check in done.json["checks"] if check["name"] == "gradient")
        assert [layer["layer"] for layer in found[step]["layers"]] == ["dense1", "output"]
    assert found["1e-5"]["ratio"] < found["1e-7"]["ratio"] < found["1e-14"]["ratio"]
    assert [check["status"] for check in found.values()] == ["pass", "pass", "warn"]
    assert "the step too small" in found["1e-14"]["finding"]
    assert found["1e-14"]["cure"] == "--epsilon 1e-05"


@pytest.mark.parametrize("step", ["0", "-1e-5", "nan", "2"])
def test_a_step_that_cannot_be(nnrun: Nnrun, step: str) -> None:
    done = nnrun("check", *SMALL, "--epsilon", step)
    assert (done.code, done.out) == (2, "")
    assert "above 0 and at most 1" in done.err


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("network: {hiden: [3]}\n", 3, "did you mean hidden?"),
        ("data: {source: nowhere.csv}\n", 4, "no such file"),
        ("training: {loss: huber}\n", 3, "config.yaml:1:18: training.loss"),
    ],
)
def test_what_cannot_be_loaded_ends_as_in_training(
    nnrun: Nnrun, config: Write, text: str, code: int, words: str
) -> None:
    path = config(text)
    done = nnrun("check", path)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert nnrun("train", path).err == done.err
    assert nnrun("check", path, "--json").json["error"]["exit_code"] == code


def test_it_makes_no_run_and_alters_none(nnrun: Nnrun) -> None:
    nnrun("train", "-q", *QUICK)
    (run,) = Path("runs").glob("[!.]*")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert nnrun("check", run / "resolved.yaml").code == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert list(Path("runs").glob("[!.]*")) == [run]
    assert Path.cwd().joinpath("runs").is_dir()


def test_runs_that_cannot_be_written_cost_a_notice(nnrun: Nnrun) -> None:
    Path("runs").write_text("a file\n")
    done = nnrun("check", *IRIS)
    assert done.code == 0
    assert "could not be cached" in " ".join(done.out.split())


def test_piped_without_colour_and_in_ascii(process: Callable[..., Done], nnrun: Nnrun) -> None:
    said = nnrun("check", *FAULTY)
    piped = process("check", *FAULTY, PYTHONIOENCODING="ascii")
    assert (said.code, piped.code) == (6, 6)
    assert "\x1b" not in piped.out
    assert [line.split()[:2] for line in piped.out.splitlines() if LINE.match(line)] == [
        line.split()[:2] for line in said.out.splitlines() if LINE.match(line)
    ]
    curve = process("check", *IRIS, NO_COLOR="1", PYTHONIOENCODING="ascii")
    assert re.search(r"\n +1e-06 [1-8]+ \de[-+]\d\d\n", curve.out)


def test_on_a_terminal(on_terminal: Callable[..., Any]) -> None:
    screen = on_terminal("check", *FAULTY)
    assert screen.finish() == 6
    assert names(screen.terminal.text) == list(CHECKS)


def test_a_reader_that_has_gone_away(unread: Callable[..., Done]) -> None:
    done = unread("check", *IRIS)
    assert done.code == 141
    assert "Traceback" not in done.err
