"""From a stranger's table to predictions and a model, with no edit: nnrun init and the commands it prints."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnrun.config.data_section import BUNDLED, Data
from nnrun.data.files.sources import read_source
from tests.cli.conftest import Done
from tests.made import MADE

ROWS = 400
SENSELESS = re.compile(r"\bnan\b|\bNone\b|\binf\b|Traceback|Warning|\{|\}|  $|<[a-z]+ object", re.IGNORECASE)
COMMANDS = ["check", "train", "diagnose", "predict", "export"]


def bundled(name: str, folder: Path) -> Path:
    """A bundled set as somebody would keep it."""
    path = folder / f"{name}.csv"
    read_source(Data(source=name))["all"].frame.to_csv(path, index=False)
    return path


def senseless(done: Done) -> list[str]:
    """Printed lines that no reader should meet; settings to type may have braces."""
    lines = (done.out + done.err).splitlines()
    return [line for line in lines if SENSELESS.search(line) and "--set" not in line]


def follow(run: Callable[..., Done], path: Path, target: str) -> Iterator[tuple[str, Done]]:
    """The commands as init prints them, each with how it ended."""
    done = run("init", path.name, "--target", target)
    yield "init", done
    for command in done.next:
        words = re.findall(r"'[^']*'|\S+", command)[1:]
        yield words[0], run(*(word.strip("'") for word in words))


def rows_of(path: Path) -> int:
    """Records below the header."""
    with path.open(encoding="utf-8", newline="") as file:
        return len(list(csv.reader(file))) - 1


AT_LENGTH = ("houses", "rides")  # tables like others, which the soak tests try too


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("churn", "process"),
        *((name, "nnrun") for name in MADE if name not in ("churn", *AT_LENGTH)),
        *(pytest.param(name, "process", marks=pytest.mark.soak) for name in MADE if name != "churn"),
    ],
)
def test_a_made_up_table(name: str, way: str, request: pytest.FixtureRequest, here: Path) -> None:
    """In processes of their own, or all commands in this one."""
    path = MADE[name].write(here, ROWS)
    run = []
    for command, done in follow(request.getfixturevalue(way), path, MADE[name].target):
        assert done.code == 0, f"{command}: {done.out}{done.err}"
        assert senseless(done) == [], command
        run.append(command)
    assert run == ["init", *COMMANDS]
    assert rows_of(Path("predictions.csv")) == ROWS
    assert Path("model.onnx").stat().st_size > 0


# As moons, two numbers and classes by a formula; as iris.
LIKE_OTHERS = ("circles", "spirals", "turned_spirals", "blobs", "wine")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.soak] if name in LIKE_OTHERS else [])
        for name in BUNDLED
        if name != "temperatures"  # of a stranger's table nobody knows that a day is more than a number of the row
    ],
)
def test_a_bundled_set_as_a_file(name: str, nnrun: Callable[..., Done], here: Path) -> None:
    path = bundled(name, here)
    for command, done in follow(nnrun, path, BUNDLED[name].target):
        assert done.code == 0, f"{command}: {done.out}{done.err}"
        assert senseless(done) == [], command
    assert rows_of(Path("predictions.csv")) == rows_of(path)
