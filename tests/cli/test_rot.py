"""Damage to any file of a run or a search: each command says so, or does what it would have done.

Blocks of zeros, flipped bits and cut ends in each file; and in each record, with its checksum made anew, a value of
another type in each place.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnrun.cli.app import parser_of
from nnrun.cli.terminal import screen
from nnrun.files import SEAL, sealed, sealed_text, to_json
from tests.cli.conftest import DURATION, Done

SETTINGS = ("--set", "data.source=iris", "--set", "network.hidden=[4]", "--set", "training.epochs=3", "-q")
COMMANDS: dict[str, tuple[str, ...]] = {
    "list": ("list",),
    "show": ("show", "RUN"),
    "diagnose": ("diagnose", "RUN"),
    "report": ("report", "RUN"),
    "compare": ("compare", "run", "search"),
    "evaluate": ("evaluate", "RUN"),
    "predict": ("predict", "RUN", "flower.csv"),
    "resume": ("resume", "RUN"),
}
MORE = {"run": ("--epochs", "5"), "search": ("--trials", "4", "--workers", "1")}  # behind `resume`
CHANGING = re.compile(
    rf"{DURATION}|\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[+-]\d\d:\d\d)?|\"?\d+\.\d{{6}}\"?"
)
NOTICED = re.compile(r"unreadable|damaged|dropped|restored|prepared anew|copy it again|is not a whole run directory")
Damage = Callable[[bytes, random.Random], bytes]


def zeroed(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return (content[:start] + bytes(512))[: len(content)] + content[start + 512 :]


def flipped(content: bytes, chance: random.Random) -> bytes:
    bits = bytearray(content)
    bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
    return bytes(bits)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


DAMAGES: list[Damage] = [zeroed, flipped, cut]


class Bench:
    """A run and a search, whole, and what each command says of them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.whole, self.capsys = folder / "whole", capsys
        self.here = folder / "here"
        self.here.mkdir()
        os.chdir(self.here)
        names = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"
        Path("flower.csv").write_text(f"{names}\n5.1,3.5,1.4,0.2\n")
        for command in (("train", *SETTINGS), ("search", *SETTINGS, "--trials", "3", "--workers", "1")):
            done = self.call(*command)
            assert done.code == 0, done.err + done.out
        for folder in Path("runs").glob("[!.]*"):
            (folder.rename(Path("runs") / ("search" if (folder / "search.yaml").exists() else "run")))
        shutil.copytree("runs", self.whole, symlinks=True)
        self.usual: dict[tuple[str, str], str] = {}

    def call(self, *arguments: str) -> Done:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            parser_of(arguments)(list(arguments), prog_name="nnrun")
        return Done(int(ended.value.code or 0), *self.capsys.readouterr())

    def files(self) -> list[Path]:
        """All but locks, which are empty."""
        found = (path for path in self.whole.rglob("*") if path.is_file() and path.stat().st_size)
        return sorted(path.relative_to(self.whole) for path in found)

    def fresh(self) -> None:
        shutil.rmtree("runs")
        shutil.copytree(self.whole, "runs")

    def ask(self, command: str, run: str) -> tuple[Done, str]:
        """How the command ended, and all that it said and made, but for times."""
        words = [run if word == "RUN" else word for word in COMMANDS[command]]
        done = self.call(*words, *(MORE[run] if command == "resume" else ()))
        page = Path("runs", run, "report.html")
        made = page.read_text() if command == "report" and page.exists() else ""
        return done, CHANGING.sub("", f"{done.out}\n{made}")

    def judge(self, command: str, run: str, what: str) -> None:
        """Noticed or harmless."""
        if (command, run) not in self.usual:
            kept = Path("runs").rename("damaged")
            shutil.copytree(self.whole, "runs")
            done, self.usual[command, run] = self.ask(command, run)
            assert done.code == 0, done.err
            shutil.rmtree("runs")
            kept.rename("runs")
        done, said = self.ask(command, run)
        about = f"{what}: nnrun {command} {run}: {done.code}\n{done.err}\n{done.out[:2000]}"
        assert done.code in (0, 2, 3, 4), about
        assert "internal error" not in done.err and "Traceback" not in done.err, about
        noticed = done.code != 0 or NOTICED.search(done.err + said)
        assert noticed or said == self.usual[command, run], about


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(screen, "MOMENT", math.inf)
    before = Path.cwd()
    yield Bench(tmp_path, capsys)
    os.chdir(before)


def check_rot(bench: Bench, share: int) -> None:
    """One of so many pairs of a damage and a command."""
    cases = [(file, damage, command) for file in bench.files() for damage in DAMAGES for command in COMMANDS]
    chance = random.Random(share)
    for file, damage, command in chance.sample(cases, len(cases) // share):
        run = "search" if file.parts[0] == "search" else "run"
        bench.fresh()
        there = Path("runs") / file
        content = damage(there.read_bytes(), chance)
        harmless = content == there.read_bytes()
        there.write_bytes(content)
        if not harmless:
            bench.judge(command, run, f"{file} {damage.__name__}")


def test_rot_is_noticed_or_harmless(bench: Bench) -> None:
    check_rot(bench, 30)


@pytest.mark.soak
def test_all_rot_is_noticed_or_harmless(bench: Bench) -> None:
    check_rot(bench, 1)


# other types, with the right checksum

RECORDS = ("run.json", "data.json", "values.json", "metrics.jsonl", "events.jsonl", "trials.jsonl", "search.yaml")


OWN = ("checksum", "training.batch_size")  # made anew by the test, and as good a number as a text


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each value in a tree, but for the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def another_type(value: Any) -> Any:
    return {bool: "x", str: 7, int: "x", float: "x", dict: "x", list: 7, type(None): [[]]}[type(value)]


def put(tree: Any, path: tuple[str | int, ...]) -> None:
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = another_type(tree[path[-1]])


def opened(file: Path) -> tuple[Any, Callable[[Any], str]]:
    """The records of a file, and the way back to its text."""
    text = file.read_text()
    if file.suffix == ".yaml":
        return yaml.safe_load(text), lambda tree: sealed_text(yaml.safe_dump(tree, sort_keys=False))
    if file.suffix == ".json":
        return json.loads(text), lambda tree: to_json(sealed(tree), indent=2) + "\n"
    lines = [json.loads(line) for line in text.splitlines()]
    sealing = sealed if file.name == "trials.jsonl" else dict
    return lines, lambda tree: "".join(to_json(sealing(line)) + "\n" for line in tree)


def check_types(bench: Bench, share: int) -> None:
    cases = []
    for file in bench.files():
        if file.name in RECORDS and file.parts[0] != ".cache" and "trials" not in file.parts[:-1]:
            tree, _ = opened(bench.whole / file)
            ways = [way for way in places(tree) if way[-1] not in OWN and (len(way) > 1 or way[0] not in range(99))]
            cases += [(file, way, command) for way in ways for command in COMMANDS]
    for file, way, command in random.Random(share).sample(cases, len(cases) // share):
        bench.fresh()
        tree, text = opened(Path("runs") / file)
        put(tree, way)
        (Path("runs") / file).write_text(text(tree))
        if file.suffix == ".jsonl" and file.name != "trials.jsonl":  # their checksum stands in run.json
            record, back = opened(Path("runs") / file.with_name("run.json"))
            record["written"] = None
            (Path("runs") / file.with_name("run.json")).write_text(back(record))
        bench.judge(command, file.parts[0], f"{file} {way}")


def test_a_value_of_another_type_is_told_or_harmless(bench: Bench) -> None:
    check_types(bench, 150)


@pytest.mark.soak
def test_every_value_of_another_type_is_told_or_harmless(bench: Bench) -> None:
    check_types(bench, 5)


def test_the_checksum_of_text_is_a_comment(bench: Bench) -> None:
    for name in ("run/resolved.yaml", "search/search.yaml"):
        assert (bench.whole / name).read_text().startswith(SEAL)
