"""nnrun configs: what comes along, listed and copied."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))

Nnrun = Callable[..., Done]


def test_the_list_has_a_line_each_with_what_the_table_of_the_folder_says(here: Path, nnrun: Nnrun) -> None:
    done = nnrun("configs")
    table = (CONFIGS / "README.md").read_text(encoding="utf-8")
    head, *lines = done.out.partition("\n\n")[0].splitlines()
    assert done.code == 0 and head.split() == ["name", "about"]
    assert [line.split()[0] for line in lines] == NAMES
    for line in lines:
        name, about = line.split(maxsplit=1)
        assert f"| [{name}]({name}.yaml) | {about} |" in table
    assert nnrun(*shlex.split(done.next[0])[1:]).code == 0 and Path("digits.yaml").is_file()
    found = nnrun("configs", "--json").json["configs"]
    assert [each["name"] for each in found] == NAMES and all(each["about"] in done.out for each in found)


def test_some_are_copied_byte_for_byte_with_what_to_do_with_them(here: Path, nnrun: Nnrun) -> None:
    done = nnrun("configs", "digits", "search.yaml", "digits")
    assert done.code == 0
    assert done.out.splitlines() == [
        "config   digits.yaml",
        "config   search.yaml",
        "next     nnrun train digits.yaml",
        "next     nnrun search search.yaml",
    ]
    for name in ("digits.yaml", "search.yaml"):
        assert Path(name).read_bytes() == (CONFIGS / name).read_bytes()


def test_nothing_is_copied_where_one_is_in_the_way(here: Path, nnrun: Nnrun) -> None:
    Path("search.yaml").write_text("mine")
    done = nnrun("configs", "digits", "search")
    assert done.code == 2 and "search.yaml exists; choose another name, or --force" in done.err
    assert not Path("digits.yaml").exists() and Path("search.yaml").read_text() == "mine"
    assert nnrun("configs", "digits", "search", "--force").code == 0
    assert Path("search.yaml").read_bytes() == (CONFIGS / "search.yaml").read_bytes()


def test_another_file_or_stdout(here: Path, nnrun: Nnrun) -> None:
    done = nnrun("configs", "adam", "-o", "my config.yaml", "--json")
    assert done.json == {
        "schema_version": 1,
        "files": [{"name": "adam", "path": "my config.yaml"}],
        "next": ["nnrun train 'my config.yaml'"],
    }
    assert Path("my config.yaml").is_file()
    assert nnrun("configs", "adam", "-o", "-").out == (CONFIGS / "adam.yaml").read_text(encoding="utf-8")
    assert [path.name for path in here.iterdir()] == ["my config.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digitz"], "no config 'digitz' comes with nnrun; did you mean digits? `nnrun configs` lists them"),
        (["digits", "qqqq"], "no config 'qqqq' comes with nnrun; `nnrun configs` lists them"),
        (["../digits"], "no config '../digits' comes with nnrun; did you mean digits?"),
        (["adam", "sgd", "-o", "a.yaml"], "--output is for one config"),
        (["-o", "a.yaml"], "--output is for one config"),
        (["adam", "-o", "no/a.yaml"], "no: no such folder"),
        (["adam", "-o", "-", "--json"], "--json and a config on stdout: only one of them"),
    ],
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    here: Path, nnrun: Nnrun, arguments: list[str], words: str
) -> None:
    done = nnrun("configs", *arguments)
    assert done.code == 2 and words in done.err + done.out
    assert list(here.iterdir()) == []


def test_commands_are_printed_as_this_shell_runs_them_and_kept_as_any_does(
    here: Path, nnrun: Nnrun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # as after `make train`, without an activated environment
    module = shlex.join([sys.executable, "-m", "nnrun"])
    calls = [("init", "iris"), ("train", "config.yaml", "-q", "--set", "training.epochs=1"), ("diagnose",)]
    for call in calls:
        assert all(line.startswith(f"{module} ") for line in nnrun(*call).next)
    assert "#   nnrun train config.yaml" in Path("config.yaml").read_text(encoding="utf-8")
    (run,) = Path("runs").glob("2*")
    commands = [each["command"] for each in json.loads((run / "diagnosis.json").read_text())["next"]]
    assert commands and all(command.startswith("nnrun ") for command in commands)
    assert nnrun("report").code == 0
    assert module not in (run / "report.html").read_text(encoding="utf-8")
