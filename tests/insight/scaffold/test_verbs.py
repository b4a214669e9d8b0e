"""The text of a config: what stands in it is what was meant, whatever the columns are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrun.config.load import load_config
from nnrun.insight.scaffold.recipe import Choice
from nnrun.insight.scaffold.verbs import Wishes, document, scaffold
from nnrun.text import listed, shown_name

ODD = ["yes", "no", "null", "~", "1e3", "0x10", "#x", "a: b", "- a", "{a}", "[", "'", '"', "two\nlines", "ü ", " a",
       "tab\there", "€/m²", "%d", "!tag", "&anchor", "*alias", "=", "<<", "2026-01-31", "a # b", "\x85", "\u2028", "😀",
       "it's", "\\n", "|", ">", "?", "@", "`", "true", "12:30:45", "x" * 300]  # fmt: skip

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(ODD)


def write(target: str, drop: list[str], time: str) -> str:
    """A config with these names as values, in its reasons and in a line that is a comment."""
    choices = {
        "data.source": Choice(f"./{target.replace(chr(0), '')}.csv", f"rows of {shown_name(target)}"),
        "data.target": Choice(target, listed([f"{shown_name(name)} 3" for name in (target, *drop)])),
        "data.drop": Choice(drop, "left out:", notes=["identifier"] * len(drop)),
        "data.time": Choice(time, f"{shown_name(time)} is a time", active=False),
        "training.epochs": Choice(7, "few"),
    }
    return document("run", "Proposed.", choices, ["nnrun train config.yaml"])


@given(names, st.lists(names, max_size=3), names)
def test_every_name_comes_back_as_it_was(target: str, drop: list[str], time: str) -> None:
    data = load_config(None, text=write(target, drop, time)).config.data
    assert (data.target, list(data.drop), data.time) == (target, drop, None)


@given(names)
def test_a_line_that_is_a_comment_works_without_its_sign(time: str) -> None:
    text, number = re.subn(r"^  # (time: )", r"  \1", write("y", [], time), flags=re.MULTILINE)
    assert number == 1
    assert load_config(None, text=text).config.data.time == time


@pytest.mark.parametrize("name", ODD)
def test_names_that_yaml_has_other_ideas_about(name: str) -> None:
    assert load_config(None, text=write(name, [name], name)).config.data.target == name


def test_the_first_line_is_for_editors_and_the_last_ones_say_what_to_run(tmp_path: Path) -> None:
    lines = write("y", [], "t").splitlines()
    assert lines[0] == "# yaml-language-server: $schema=nnrun.schema.json"
    assert lines[-1] == "#   nnrun train config.yaml"


def test_a_reason_stands_above_its_value_and_a_note_beside_its_item() -> None:
    text = write("price", ["id"], "sold")
    assert "  # price 3, id 3\n  target: price\n" in text
    assert "  # left out:\n  drop:\n    - id  # identifier\n" in text
    assert "  # sold is a time\n  # time: sold\n" in text


@given(st.text(max_size=60))
def test_any_reason_stays_a_comment(reason: str) -> None:
    text = document("run", reason, {"data.drop": Choice(["a"], reason, notes=[reason])}, [])
    assert list(load_config(None, text=text).config.data.drop) == ["a"]


def test_a_long_reason_is_wrapped() -> None:
    text = document("run", "Proposed.", {"training.epochs": Choice(3, "word " * 50)}, [])
    assert max(map(len, text.splitlines())) <= 104
    assert load_config(None, text=text).config.training.epochs == 3


def test_a_file_without_names_is_read_so_and_that_is_told(tmp_path: Path) -> None:
    table, path = tmp_path / "iris.data.csv", tmp_path / "config.yaml"
    table.write_text("".join(f"{i % 7}.5,{(3 * i) % 11}.1,{'ab'[i % 2]}\n" for i in range(120)))
    found = scaffold(str(table), Wishes("c3"), path)
    config = load_config(path, text=found.text).config
    assert (config.data.format.header, config.data.target, found.overview.rows) == (False, "c3", 120)
    assert "the first line looks like a row" in found.text
    table.write_text("a,b,c\n" + table.read_text())
    assert "header" not in scaffold(str(table), Wishes("c"), path).text


@pytest.mark.parametrize(
    ("rows", "target", "hidden", "decays"),
    [(1_000, "class", [64], False), (3_000, "class", [128, 128], True), (3_000, "number", [128, 128], False)],
)
def test_five_averaged_networks_whose_weights_decay_for_classes_of_many_rows(
    tmp_path: Path, rows: int, target: str, hidden: list[int], decays: bool
) -> None:
    """Numbers, and classes of few rows, have the penalty instead."""
    numbers = [(7 * row % 1009) / 8 for row in range(rows)]
    values = [("a", "b")[row % 2] if target == "class" else numbers[row] * 2 + row % 3 for row in range(rows)]
    lines = [f"{number},{value}" for number, value in zip(numbers, values, strict=True)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(lines) + "\n")
    path = tmp_path / "c.yaml"
    config = load_config(path, text=scaffold(str(tmp_path / "t.csv"), Wishes("y"), path).text).config
    assert (list(config.network.hidden), config.network.ensemble) == (hidden, 5)
    assert config.training.average is not None and config.training.average.ema == 0.99
    assert (config.optimizer.name, config.optimizer.weight_decay) == (("adamw", 0.01) if decays else ("adam", 0))
    assert config.regularization.l2 == (0 if decays else 0.1)


def test_images_get_one_network(tmp_path: Path) -> None:
    """Five of them on bent images would take long."""
    path = tmp_path / "c.yaml"
    config = load_config(path, text=scaffold("digits", Wishes(None), path).text).config
    assert (config.network.ensemble, config.training.average, config.regularization.l2) == (1, None, 0.1)
