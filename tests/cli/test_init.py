"""nnrun init: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from nnrun.config.data_section import BUNDLED
from nnrun.config.load import load_config
from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
Rows = Callable[..., Path]


@pytest.fixture
def table(here: Path) -> Rows:
    """table("a,b", *rows) writes data.csv; without rows one that a network can learn from."""

    def write(header: str = "size,colour,y", *rows: str, name: str = "data.csv") -> Path:
        made = rows or tuple(f"{row * 7 % 31},{'red' if row % 3 else 'blue'},{'ab'[row % 2]}" for row in range(120))
        Path(name).write_text("\n".join([header, *made]) + "\n", encoding="utf-8")
        return Path(name)

    return write


# what it writes


def test_it_writes_a_config_that_loads_and_the_schema_beside_it(nnrun: Nnrun, table: Rows) -> None:
    done = nnrun("init", table(), "--target", "y")
    assert done.code == 0, done.err
    text = Path("config.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=nnrun.schema.json\n")
    config = load_config(Path("config.yaml")).config
    assert (config.data.source, config.data.target) == (str(Path("data.csv").resolve()), "y")
    assert config.data.task == "classification"
    assert config.regularization.early_stopping is not None
    schema = json.loads(Path("nnrun.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(config.resolved())


def test_every_key_it_writes_has_a_reason_in_the_line_above(nnrun: Nnrun, table: Rows) -> None:
    nnrun("init", table(), "--target", "y")
    lines = Path("config.yaml").read_text(encoding="utf-8").splitlines()
    keys = [
        number for number, line in enumerate(lines) if line.startswith("  ") and not line.strip().startswith(("#", "-"))
    ]
    assert len(keys) >= 10
    for number in keys:
        assert lines[number - 1].startswith("  # "), lines[number]


def test_the_numbers_of_the_table_stand_in_the_reasons(nnrun: Nnrun, table: Rows) -> None:
    text = nnrun("init", table(), "--target", "y", "-o", "-").out
    assert "# 120 rows, 3 columns" in text
    assert "# 2 classes: a (60), b (60)" in text
    assert "# 72 train, 24 dev, 24 test" in text  # 60, 20 and 20 per cent of 120
    assert "for 3 features and 72 training rows" in text  # the size, and a feature for each of two colours


def test_the_commands_printed_are_those_of_the_config(nnrun: Nnrun, table: Rows) -> None:
    done = nnrun("init", table(), "--target", "y")
    assert done.next[:3] == ["nnrun check config.yaml", "nnrun train config.yaml", "nnrun diagnose"]
    assert done.next[3].startswith("nnrun predict latest data.csv -o ")
    assert done.next[4].startswith("nnrun export latest")
    for command in done.next:
        assert f"#   {command}\n" in Path("config.yaml").read_text(encoding="utf-8")


def test_a_dash_prints_the_config_and_writes_nothing(nnrun: Nnrun, table: Rows) -> None:
    done = nnrun("init", table(), "--target", "y", "-o", "-")
    assert load_config(None, text=done.out).config.data.target == "y"
    assert not Path("config.yaml").exists() and not Path("nnrun.schema.json").exists()


def test_the_path_in_a_config_is_relative_to_it(nnrun: Nnrun, table: Rows) -> None:
    Path("sub/deep").mkdir(parents=True)
    assert nnrun("init", table(), "--target", "y", "-o", "sub/deep/mine.yaml").code == 0
    assert "source: ../../data.csv" in Path("sub/deep/mine.yaml").read_text(encoding="utf-8")
    assert load_config(Path("sub/deep/mine.yaml")).config.data.source == str(Path("data.csv").resolve())
    assert Path("sub/deep/nnrun.schema.json").exists()


def test_json_holds_the_columns_the_choices_and_the_config(nnrun: Nnrun, table: Rows) -> None:
    found = nnrun("init", table(), "--target", "y", "--json").json
    assert (found["schema_version"], found["path"], found["task"]) == (1, "config.yaml", "classification")
    assert [(c["name"], c["kind"], c["role"]) for c in found["columns"]] == [
        ("size", "number", "feature"), ("colour", "category", "feature"), ("y", "category", "target"),
    ]  # fmt: skip
    assert found["choices"]["data.target"] == {
        "value": "y", "reason": "2 classes: a (60), b (60)", "active": True, "notes": [],
    }  # fmt: skip
    assert found["config"] == Path("config.yaml").read_text(encoding="utf-8")


def test_a_file_for_each_part(nnrun: Nnrun, table: Rows) -> None:
    table(name="train.csv"), table(name="dev.csv"), table(name="test.csv")
    done = nnrun("init", "train.csv", "--dev", "dev.csv", "--test", "test.csv", "--target", "y")
    assert done.code == 0, done.err
    data = load_config(Path("config.yaml")).config.data
    assert not isinstance(data.source, str)
    assert [Path(str(path)).name for path in (data.source.train, data.source.dev, data.source.test)] == [
        "train.csv", "dev.csv", "test.csv",
    ]  # fmt: skip
    assert "split" not in Path("config.yaml").read_text(encoding="utf-8").replace("--split", "")
    assert nnrun("init", "train.csv", "--test", "test.csv", "--target", "y", "-o", "b.yaml").code == 2


@pytest.mark.parametrize("names", [("yes", "1e3", "#x"), ("a: b", "Größe in m²", "left?"), ('"q"', "- x", "null")])
def test_columns_of_odd_names(nnrun: Nnrun, here: Path, names: Sequence[str]) -> None:
    with Path("odd.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *([row % 9, row % 5, "ab"[row % 2]] for row in range(100))])
    assert nnrun("init", "odd.csv", "--target", names[2]).code == 0
    assert load_config(Path("config.yaml")).config.data.target == names[2]
    assert nnrun("train", "config.yaml", "-q", "--set", "training.epochs=1").code == 0


@pytest.mark.parametrize("file", ["Ümläute und so.csv", "~.csv", "a # b: c.csv", "digits.csv", "-.csv", "x'y.csv"])
def test_files_of_odd_names(nnrun: Nnrun, table: Rows, file: str) -> None:
    path = table(name=file)
    assert nnrun("init", f"./{path}", "--target", "y").code == 0
    assert load_config(Path("config.yaml")).config.data.source == str(path.resolve())


# what it finds


def test_columns_that_say_nothing_are_left_out_with_the_reason(nnrun: Nnrun, here: Path) -> None:
    rows = [
        f"{1000 + row},K{row:04}x,{row % 13},same,,this is what number {row * row} wrote,{row % 2}"
        for row in range(100)
    ]
    Path("data.csv").write_text("\n".join(["id,code,size,unit,empty,said,y", *rows]) + "\n", encoding="utf-8")
    done = nnrun("init", "data.csv", "--target", "y", "--json")
    left = {c["name"]: (c["kind"], c["why"]) for c in done.json["columns"] if c["role"] == "left out"}
    assert left == {
        "id": ("identifier", "an identifier: 100 values in 100 rows"),
        "code": ("identifier", "an identifier: 100 values in 100 rows"),
        "unit": ("constant", "the same in every row"),
        "empty": ("empty", "no value at all"),
        "said": ("text", "free text, 6 words on average"),
    }
    assert list(load_config(Path("config.yaml")).config.data.drop) == list(left)


def test_what_it_is_told_stands_in_the_config(nnrun: Nnrun, here: Path) -> None:
    rows = [f"{row},P{row % 20:02},{row * 7 % 31},{row % 3},{row % 2}" for row in range(100)]
    Path("data.csv").write_text("\n".join(["when,patient,size,odd,y", *rows]) + "\n", encoding="utf-8")
    said = ("--target", "y", "--task", "regression", "--group", "patient", "--drop", "odd", "--drop", "when")
    assert nnrun("init", "data.csv", *said).code == 0
    data = load_config(Path("config.yaml")).config.data
    assert (data.task, data.group, data.time, set(data.drop)) == ("regression", "patient", None, {"odd", "when"})
    assert nnrun("init", "data.csv", "--target", "y").code == 2
    assert nnrun("init", "data.csv", "--target", "y", "--time", "when", "--force").code == 0
    assert load_config(Path("config.yaml")).config.data.time == "when"
    assert nnrun("train", "config.yaml", "--set", "training.epochs=1", "-q").code == 0


@pytest.mark.parametrize("day", ["", "2026-01-31 "])
def test_rows_are_split_by_days_not_by_times_of_day(nnrun: Nnrun, here: Path, day: str) -> None:
    rows = [f"{day}{row % 24:02}:{row % 6}0,{row % 13},{row % 2}" for row in range(100)]
    Path("data.csv").write_text("\n".join(["at,x,y", *rows]) + "\n", encoding="utf-8")
    assert ("perhaps data.time" in nnrun("init", "data.csv", "--target", "y").out) == bool(day)


def test_numbers_in_a_column_that_is_left_out_are_told(nnrun: Nnrun, here: Path) -> None:
    cells = [f"<0.{row:03}" if row % 3 == 1 else f"{row}.125" for row in range(120)]
    rows = [f"{cell},{row % 13},{row % 2}" for row, cell in enumerate(cells)]
    Path("data.csv").write_text("\n".join(["lab,x,y", *rows]) + "\n", encoding="utf-8")
    told = " ".join(nnrun("init", "data.csv", "--target", "y").out.split())
    assert "left out lab: an identifier: 120 values in 120 rows" in told
    assert "column 'lab' is taken for text: 80 of 120 values are numbers, 40 are not, the first '<0.001'" in told
    assert "taken for text" not in nnrun("init", "data.csv", "--target", "y", "--force", "--drop", "lab").out


def test_a_column_of_dates_with_a_slip_is_told_and_can_be_dropped(nnrun: Nnrun, here: Path) -> None:
    days = [f"2026-{row % 12 + 1:02}-{row % 28 + 1:02}" for row in range(90)]
    rows = [f"{day},{row % 13},{row % 2}" for row, day in enumerate([*days, "unknown"])]
    Path("data.csv").write_text("\n".join(["day,x,y", *rows]) + "\n", encoding="utf-8")
    told = " ".join(nnrun("init", "data.csv", "--target", "y").out.split())
    assert "90 of 91 values are dates like 2026-01-31, 1 is not, the first 'unknown' (data.csv:92:1)" in told
    dropped = nnrun("init", "data.csv", "--target", "y", "--force", "--drop", "day")
    assert (dropped.code, "taken for text" in dropped.out) == (0, False)


def test_groups_may_look_like_numbers_or_dates_with_slips(nnrun: Nnrun, here: Path) -> None:
    rows = [f"{'K7' if row % 30 == 4 else 1000 + row % 25},{row * 7 % 31},{row % 2}" for row in range(100)]
    Path("data.csv").write_text("\n".join(["sku,size,y", *rows]) + "\n", encoding="utf-8")
    assert "'K7' is not a number" in nnrun("init", "data.csv", "--target", "y").err
    assert nnrun("init", "data.csv", "--target", "y", "--group", "sku").code == 0
    assert nnrun("train", "config.yaml", "--set", "training.epochs=1", "-q").code == 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--task", "classes"), 2, "--task classes: it is auto, classification or regression"),
        (("--group", "size", "--time", "size"), 2, "--group and --time exclude each other"),
        (("--drop", "siez"), 4, "no column 'siez'; did you mean 'size'?"),
        (("--group", "y"), 4, "'y' is the target"),
    ],
)
def test_what_it_is_told_wrongly(nnrun: Nnrun, table: Rows, options: Sequence[str], code: int, message: str) -> None:
    done = nnrun("init", table(), "--target", "y", *options)
    assert (done.code, Path("config.yaml").exists()) == (code, False) and message in done.err


def test_the_data_are_looked_for_before_the_config(nnrun: Nnrun, table: Rows) -> None:
    table()
    Path("config.yaml").write_text("seed: 1\n")
    assert "data.cvs: no such file; did you mean 'data.csv'?" in nnrun("init", "data.cvs", "--target", "y").err
    refused = nnrun("init", "data.csv", "--target", "y")
    assert refused.code == 2 and "--force to replace it" in refused.err


def test_what_it_had_to_guess_stands_in_the_config(nnrun: Nnrun, here: Path) -> None:
    rows = [
        f"{row % 8},{row % 6},{'' if row % 12 else row},country {row % 60},{'' if row == 9 else row % 2}"
        for row in range(720)
    ]
    Path("data.csv").write_text("\n".join(["store,age,rare,land,y", *rows]) + "\n", encoding="utf-8")
    done = nnrun("init", "data.csv", "--target", "y")
    data = load_config(Path("config.yaml")).config.data
    assert (data.kinds, data.missing_target, data.drop) == ({"store": "category"}, "drop", ())
    said = " ".join(done.out.split())
    assert "store (8 values) may be codes" in said and "1 row of 720 without a target" in said
    assert "land has 60 values, 12.0 rows each, which stand in all parts" in said
    assert nnrun("train", "config.yaml", "--set", "training.epochs=1", "-q").code == 0
    told = " ".join(nnrun("init", "data.csv", "--target", "y", "--force", "--drop", "land").out.split())
    assert "stand in all parts" not in told


@pytest.mark.parametrize(("values", "active"), [(130, True), (310, False)])
def test_categories_that_come_often_enough_have_a_feature_each_and_others_are_told(
    values: int, active: bool, nnrun: Nnrun, here: Path
) -> None:
    rows = [f"c{row % values},{row % 2}" for row in range(values * 10)]
    Path("data.csv").write_text("\n".join(["land,y", *rows]) + "\n", encoding="utf-8")
    told = " ".join(nnrun("init", "data.csv", "--target", "y").out.split())
    assert (f"{values} values of land come often enough for a feature each" in told) is active
    assert ("perhaps data.max_categories: column 'land'" in told) is not active
    assert load_config(Path("config.yaml")).config.data.max_categories == (values if active else 100)
    assert f"1 category; {values if active else 101} features" in told


def test_a_code_that_comes_again_is_proposed_as_a_group(nnrun: Nnrun, here: Path) -> None:
    rows = [f"P{row % 20:02},{row * 7 % 31},{row % 2}" for row in range(100)]
    Path("data.csv").write_text("\n".join(["patient,size,y", *rows]) + "\n", encoding="utf-8")
    text = nnrun("init", "data.csv", "--target", "y", "-o", "-").out
    assert "patient has 20 values, 5.0 rows each" in text
    assert "\n  # group: patient\n" in text
    assert load_config(None, text=text).config.data.group is None


def one_in_ten(told: bool) -> str:
    """400 rows with one yes in ten, which the size tells, or chance alone."""
    sizes = [(50 + row % 9 if row % 10 == 0 else row * 7 % 31) if told else row * 7 % 31 for row in range(400)]
    rows = [f"{size},{'yes' if row % 10 == 0 else 'no'}" for row, size in enumerate(sizes)]
    return "\n".join(["size,y", *rows]) + "\n"


def unwrapped(text: str) -> str:
    return text.replace("\n  # ", " ")


def test_a_rare_class_that_is_found_is_not_weighed(nnrun: Nnrun, here: Path) -> None:
    Path("data.csv").write_text(one_in_ten(told=True), encoding="utf-8")
    text = nnrun("init", "data.csv", "--target", "y", "-o", "-").out
    assert load_config(None, text=text).config.data.class_weight is None
    assert "\n  # class_weight: balanced\n" in text
    assert "class yes has 10.0% of the rows, and each row counts the same" in unwrapped(text)
    both = "200 rows held out boosted trees get 0.0% wrong and 0.0% of class yes, 0.0% in the mean over classes; where"
    assert f"{both} classes count the same, 0.0%, 0.0% and 0.0%" in unwrapped(text)


def test_a_class_that_would_be_ignored_is_weighed(nnrun: Nnrun, here: Path) -> None:
    Path("data.csv").write_text(one_in_ten(told=False), encoding="utf-8")
    text = nnrun("init", "data.csv", "--target", "y", "-o", "-").out
    assert "\n  class_weight: balanced\n" in text
    assert "where rows count the same, yes would hardly ever be found, so each class" in unwrapped(text)
    assert "100.0% of class yes, 50.0% in the mean over classes; where classes count the same" in unwrapped(text)


def test_classes_count_the_same_where_that_is_asked_for(nnrun: Nnrun, here: Path) -> None:
    Path("data.csv").write_text(one_in_ten(told=True), encoding="utf-8")
    asked = ("init", "data.csv", "--target", "y", "-o", "-", "--metric")
    config = load_config(None, text=nnrun(*asked, "balanced_error").out).config
    assert (config.data.class_weight, config.metrics.primary) == ("balanced", "balanced_error")
    config = load_config(None, text=nnrun(*asked, "auc").out).config
    assert (config.data.class_weight, config.metrics.primary) == (None, "auc")
    for metric, why in (("rmse", "needs numbers to predict, and the target is classes"), ("auk", "it is error, loss,")):
        done = nnrun(*asked, metric)
        assert done.code == 2 and f"--metric {metric}: {why}" in done.err


def test_few_rows_of_a_class_are_told_without_numbers(nnrun: Nnrun, here: Path) -> None:
    rows = [f"{row * 7 % 31},{'yes' if row % 20 == 0 else 'no'}" for row in range(500)]  # 25, some twelve on a side
    for count, told in ((120, "6 in all: too few to weigh each"), (500, "yes would hardly ever be found")):
        Path("data.csv").write_text("\n".join(["size,y", *rows[:count]]) + "\n", encoding="utf-8")
        text = unwrapped(nnrun("init", "data.csv", "--target", "y", "-o", "-").out)
        assert told in text and ("boosted trees" in text) == (count == 500)


# the bundled data


def test_alone_it_lists_the_bundled_data(nnrun: Nnrun) -> None:
    done = nnrun("init")
    assert done.code == 0
    listed = {line.split()[0] for line in done.out.splitlines()[1:] if line}
    assert set(BUNDLED) <= listed
    assert re.search(r"1797 +65  digit +classification", done.out)
    assert [entry["name"] for entry in nnrun("init", "--json").json["data"]] == list(BUNDLED)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_set_needs_no_target(nnrun: Nnrun, name: str) -> None:
    done = nnrun("init", name)
    assert done.code == 0, done.err
    assert load_config(Path("config.yaml")).config.data.source == name
    assert "data.drop" not in done.out  # pixels belong together


@pytest.mark.parametrize(("shape", "bent"), [((6, 6), True), ((36,), False), ((80, 80), False)])
def test_small_images_are_bent(nnrun: Nnrun, here: Path, shape: tuple[int, ...], bent: bool) -> None:
    x = np.random.default_rng(0).random((120, *shape), np.float32)
    np.savez("x.npz", x=x, y=np.arange(120) % 2)
    assert nnrun("init", "x.npz", "--target", "y").code == 0
    assert len(load_config(Path("config.yaml")).config.regularization.augment) == bent
    text = Path("config.yaml").read_text(encoding="utf-8")
    assert ("# 72 images of 6 × 6 pixels: each is bent another way in each epoch\n  augment: [elastic]" in text) == bent


def test_images_with_a_missing_pixel_are_not_bent(nnrun: Nnrun, here: Path) -> None:
    x = np.random.default_rng(0).random((120, 6, 6), np.float32)
    x[::2, 0, 3] = np.nan
    np.savez("x.npz", x=x, y=np.arange(120) % 2)
    assert nnrun("init", "x.npz").code == 0
    assert load_config(Path("config.yaml")).config.regularization.augment == ()
    done = nnrun("check", "config.yaml", "--set", "regularization.augment=[elastic]")
    assert done.code == 4 and "such as 'x[0,3,0] is missing' (1 of 37)" in done.err, done.err


# what it refuses


def test_without_a_target_it_lists_the_columns(nnrun: Nnrun, table: Rows) -> None:
    done = nnrun("init", table())
    assert done.code == 2
    assert "which column of data.csv is to be predicted? Perhaps --target 'y'" in done.err
    assert "'colour'  category, 2 different" in done.err
    assert not Path("config.yaml").exists()


def test_nothing_is_overwritten(nnrun: Nnrun, table: Rows) -> None:
    Path("config.yaml").write_text("mine", encoding="utf-8")
    done = nnrun("init", table(), "--target", "y")
    assert (done.code, Path("config.yaml").read_text(encoding="utf-8")) == (2, "mine")
    assert "exists and is not overwritten" in done.err
    Path("nnrun.schema.json").write_text("mine", encoding="utf-8")
    done = nnrun("init", table(), "--target", "y", "-o", "other.yaml")
    assert (done.code, Path("nnrun.schema.json").read_text(encoding="utf-8")) == (0, "mine")
    assert "nnrun schema > nnrun.schema.json" in done.err


def test_a_schema_without_docstrings_is_of_this_version(nnrun: Nnrun, table: Rows) -> None:
    command = [sys.executable, "-OO", "-m", "nnrun", "schema"]
    bare = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert len(bare) < len(nnrun("schema").out)
    for text, noted in {bare: False, bare.replace('"hidden"', '"concealed"'): True}.items():
        Path("nnrun.schema.json").write_text(text, encoding="utf-8")
        assert ("is not of this version" in nnrun("init", table(), "--target", "y", "--force").err) is noted


FILES: dict[str, tuple[str | None, Sequence[str], int, str]] = {
    "no file": (None, (), 4, "data.csv: no such file"),
    "empty": ("", (), 4, "data.csv: the file is empty"),
    "header only": ("size,y\n", (), 4, "data.csv:1: a header but no rows"),
    "one row": ("size,y\n1,a\n", (), 4, "data.csv: 1 row for 3 parts; add rows"),
    "one class": ("size,y\n" + "1,a\n2,a\n" * 20, (), 4, "data.csv:1:2: target column 'y' has one class only ('a')"),
    "a constant to predict": ("size,y\n" + "1,2.5\n2,2.5\n" * 20, (), 4, "is 2.5 in every row"),
    "no target in any row": ("size,y\n1,\n2,\n3,\n", (), 4, "data.csv:2:2: no value in target column 'y'"),
    "identifiers alone": (
        "id,y\n" + "".join(f"X{row}k,{'ab'[row % 2]}\n" for row in range(90)), (), 4, "'id' is left out: an identifier",
    ),
    "numbers by another mark alone": (
        "x,y\n" + "".join(f'"1.{100 + row},5",{"ab"[row % 2]}\n' for row in range(90)), (), 4,
        "an identifier: 90 values in 90 rows); add columns; column 'x' is text like '1.100,5'; if its commas mark",
    ),
    "only the target": ("y\n" + "a\nb\n" * 20, (), 4, "no column to learn 'y' from"),
    "names to predict": ("x,y\n" + "".join(f"{row % 9},n{row}\n" for row in range(60)), (), 4, "it names the rows"),
    "times to predict": (
        "x,y\n" + "".join(f"{row % 9},{row // 60}:{row % 60:02}\n" for row in range(90)), (), 4,
        "choose another target; target column 'y' holds times such as '0:00', each taken for a class; write them as",
    ),
    "no such column": ("x,Y\n1,a\n2,b\n", (), 4, "did you mean 'Y'?"),
    "a slip": ("x,y\n" + "".join(f"{row},a\n{row}.5,b\n" for row in range(60)) + "oops,a\n", (), 4, "data.csv:122:1"),
    "a slip among decimal commas": (
        "x;y\n" + "".join(f"{row},5;a\n{row},25;b\n" for row in range(60)) + "O,5;a\n", (), 4, "data.csv:122:1: 'O,5'",
    ),
    "an infinite number": (
        "x,y\n" + "".join(f"{row}.5,{'ab'[row % 3 // 2]}\n" for row in range(30)) + "-inf,a\n", (), 4,
        "data.csv:32:1: the value in column 'x' is infinite",
    ),
    "a huge number": (
        "x,y\n" + "".join(f"{row}.5,{'ab'[row % 3 // 2]}\n" for row in range(30)) + "1e300,a\n", (), 4,
        "data.csv:32:1: the value in column 'x' is too large for float32",
    ),
    "no folder": ("size,y\n1,a\n", ("-o", "nowhere/c.yaml"), 2, "there is no folder nowhere"),
    "a folder": ("size,y\n1,a\n", ("-o", "."), 2, "is a folder"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_mistake_is_told_with_its_place(nnrun: Nnrun, here: Path, case: str) -> None:
    text, options, code, words = FILES[case]
    if text is not None:
        Path("data.csv").write_text(text, encoding="utf-8")
    done = nnrun("init", "data.csv", "--target", "y", *options)
    assert words in done.err
    assert (done.code, done.out) == (code, "")
    assert sorted(path.name for path in here.iterdir()) == (["data.csv"] if text is not None else [])


def test_options_that_need_a_file(nnrun: Nnrun) -> None:
    done = nnrun("init", "--target", "y")
    assert (done.code, done.err) == (2, "nnrun: --target of which data? Name a file: nnrun init DATA --target …\n")


def test_a_folder_is_no_table(nnrun: Nnrun, here: Path) -> None:
    Path("folder").mkdir()
    assert nnrun("init", "folder", "--target", "y").code == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(nnrun: Nnrun, table: Rows) -> None:
    Path("locked").mkdir(mode=0o500)
    done = nnrun("init", table(), "--target", "y", "-o", "locked/c.yaml")
    assert done.code == 2
    assert "locked/c.yaml: cannot be written" in done.err


def test_a_full_disk_leaves_nothing(nnrun: Nnrun, table: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    done = nnrun("init", path, "--target", "y")
    assert done.code == 2
    assert "config.yaml: cannot be written (No space left on device)" in done.err
    assert [file.name for file in Path().iterdir()] == ["data.csv"]


def test_a_file_larger_than_a_piece_is_judged_by_its_first_rows(
    nnrun: Nnrun, table: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnrun.data.files.chunks.CELLS", 150)  # 50 rows of 3 columns
    text = nnrun("init", table(), "--target", "y", "-o", "-").out
    assert "# 120 rows, 3 columns; columns judged by the first 50 rows" in text
    assert "# 2 classes: a (60), b (60)" in text


@pytest.mark.parametrize("damaged", [lambda packed: packed[:-9], lambda packed: packed + b"more"])
def test_a_damaged_gzip_file(nnrun: Callable[..., Done], damaged: Callable[[bytes], bytes]) -> None:
    packed = gzip.compress(b"a,y\n" + b"1,p\n2,q\n" * 30, mtime=0)
    Path("t.csv.gz").write_bytes(damaged(packed))
    done = nnrun("init", "t.csv.gz", "--target", "y")
    assert (done.code, done.err) == (4, "t.csv.gz: a damaged gzip file; pack it again\n")
