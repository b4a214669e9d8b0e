"""Values that stand for a missing one or lie far from all others, and targets that say little."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnrun.config.load import load_config
from nnrun.data.files.spelling import spelled_apart
from nnrun.errors import ConfigError, DataError
from nnrun.insight.diagnosis.verbs import of_a_run
from nnrun.insight.preflight.checks import CHECKS
from nnrun.insight.preflight.rows import judge_groups, row_hashes
from nnrun.insight.preflight.values import judge_classes, judge_sentinels, judge_values, sentinel
from nnrun.insight.preflight.verbs import open_context
from nnrun.runs import verbs
from nnrun.runs.stored import StoredRun
from nnrun.runs.symptoms.evidence import Finding

RNG = np.random.default_rng(0)
X = RNG.standard_normal((600, 3))
TABLE = pd.DataFrame(X, columns=list("abc")).assign(y=3 * X[:, 0] + 0.3 * RNG.standard_normal(600))


def settings_for(folder: Path, frame: pd.DataFrame, *settings: str) -> list[str]:
    frame.to_csv(folder / "table.csv", index=False)
    return [f"data.source={folder}/table.csv", "data.target=y", "network.hidden=[8]", "training.epochs=3", *settings]


def checked(name: str, folder: Path, frame: pd.DataFrame, *settings: str) -> Finding:
    given = settings_for(folder, frame, *settings)
    return CHECKS[name].run(open_context(load_config(None, given), folder / "runs"))


def test_rows_are_the_same_where_all_values_are() -> None:
    whole = pd.DataFrame({"a": [1, 2, 0, 1], "b": [0.5, np.nan, 0.0, 0.5], "c": ["x", "y", None, "y"]})
    point = whole.assign(a=[1.0, 2.0, -0.0, 2.0])
    first, second = row_hashes(whole).tolist(), row_hashes(point).tolist()
    assert len(set(first)) == 4
    assert first[:3] == second[:3]
    assert second[3] not in first


@pytest.mark.parametrize("name", ["sentinels", "far", "target"])
def test_a_clean_table_is_not_blamed(name: str, tmp_path: Path) -> None:
    assert checked(name, tmp_path, TABLE).status == "pass"


@pytest.mark.parametrize("value", [-999, -999.0, 99999])
def test_an_undeclared_sentinel_is_declared_by_its_cure(value: float, tmp_path: Path) -> None:
    frame = TABLE.assign(b=np.where(np.arange(600) % 20 == 0, value, (10 * TABLE["b"]).round().astype(type(value))))
    found = checked("sentinels", tmp_path, frame)
    assert (found.status, found.numbers) == ("warn", {"columns": {"b": value}})
    assert found.cure == f"--set 'data.format.missing=[{int(value)}, {float(value)}]'"
    cure = found.cure.removeprefix("--set ").strip("'")
    assert checked("sentinels", tmp_path, frame, cure).status == "pass"
    assert checked("missing", tmp_path, frame, cure).numbers["shares"].keys() == {"b"}


@pytest.mark.parametrize(
    "values", [[99, 98, 97, 96], [-1, 0, 1, 0], [9999, *range(9000, 9900)], [1, 2, 3, 1e6], [5, 5, 5]]
)
def test_what_only_looks_like_a_sentinel(values: list[float]) -> None:
    assert sentinel(pd.Series(values * 5)) is None


@pytest.mark.parametrize("column", ["a", "y"])
def test_a_row_far_from_all_others_is_named_with_its_cell(column: str, tmp_path: Path) -> None:
    frame = TABLE.copy()
    frame.loc[5, column] = 1e9
    found = checked("far", tmp_path, frame)
    assert found.status == "warn"
    assert f"{column} in 1 row of " in found.text
    assert f"table.csv:7:{1 + list(frame).index(column)}" in str(found.cure)


def test_classes_that_differ_by_blanks_or_case_alone() -> None:
    found = judge_classes(["no", "No", "yes", "yes "], 50, "y")
    assert (found.status, found.numbers["alike"]) == ("warn", ["'no' and 'No'", "'yes' and 'yes '"])
    assert judge_classes(["no", "yes"], 3, "y").status == "pass"


def test_groups_and_categories_that_differ_by_blanks_or_case_alone(tmp_path: Path) -> None:
    towns = ["Oslo", "Rome ", "rome", "Bonn"]
    frame = TABLE.assign(who=[f"K{i // 6}{' ' * (i % 2)}" for i in range(600)], town=[towns[i % 4] for i in range(600)])
    found = checked("rows", tmp_path, frame, "data.group=who")
    assert found.status == "warn"
    assert found.text.startswith("groups of who in several parts that differ by blanks, case or code points alone: 'K")
    assert 20 < len(found.numbers["alike"]) < 80  # of 100, of which 44 would stand in one part by chance
    found = checked("kinds", tmp_path, frame, "data.group=who")
    assert found.text == "values that differ by blanks, case or code points alone: town ('Rome ' and 'rome')"
    assert "--set 'data.kinds={town: category}'" in str(found.cure)
    assert checked("kinds", tmp_path, frame, "data.group=who", "data.kinds={town: category}").status == "pass"
    alone = TABLE.assign(who=[f"K{i // 6}" for i in range(600)], town=[towns[i % 2] for i in range(600)])
    for name in ("rows", "kinds"):
        assert checked(name, tmp_path, alone, "data.group=who").status == "pass"


def test_names_of_other_code_points_are_told_apart(tmp_path: Path) -> None:
    told = r'"Caf\u00e9" and "Cafe\u0301"'
    towns = ["Café", "Cafe\u0301", "Bonn"]
    frame = TABLE.assign(town=[towns[i % 3] for i in range(600)], who=[f"{towns[i % 2]} {i // 6}" for i in range(600)])
    found = checked("kinds", tmp_path, frame, "data.drop=[who]")
    assert found.text == f"values that differ by blanks, case or code points alone: town ({told})"
    assert r'"Caf\u00e9 ' in checked("rows", tmp_path, frame, "data.group=who").text
    frame = TABLE.assign(y=[towns[i % 3] for i in range(600)])
    assert checked("target", tmp_path, frame).numbers["alike"] == [r'"Cafe\u0301" and "Caf\u00e9"']
    assert spelled_apart(["Café", "CAFE\u0301"]) == ["'Café' and 'CAFE\u0301'"]  # these do not look the same


def test_letters_that_nobody_sees_are_blanks(tmp_path: Path) -> None:
    towns = ["Rome", "Rome\u200b", "Bonn"]
    found = checked("kinds", tmp_path, TABLE.assign(town=[towns[i % 3] for i in range(600)]))
    assert found.text.endswith("alone: town ('Rome' and 'Rome\\u200b')")
    found = checked("target", tmp_path, TABLE.assign(y=["\ufeff" * (i % 2) + "ab"[i // 2 % 2] for i in range(600)]))
    assert found.numbers["alike"] == ["'a' and '\\ufeffa'", "'b' and '\\ufeffb'"]


def test_case_tells_short_values_apart(tmp_path: Path) -> None:
    frame = TABLE.assign(gene=[("AB", "Ab", "aB", "ab")[i % 4] for i in range(600)])
    assert checked("kinds", tmp_path, frame).status == "pass"
    assert spelled_apart(["Co", "CO", "Co ", "Rome", "ROME"], 4) == ["'Co' and 'Co '", "'Rome' and 'ROME'"]


def test_many_classes_of_few_rows() -> None:
    many = [f"c{i}" for i in range(1500)]
    assert "1,500 classes, half of them with 4 training rows or fewer" in judge_classes(many, 4, "y").text
    assert judge_classes(many, 40, "y").status == "pass"


def test_targets_that_say_little() -> None:
    spread = RNG.standard_normal(500)
    still = judge_values({"train": spread, "dev": np.full(100, 7.0) + 1e-4 * spread[:100]})
    assert still.status == "warn"
    assert "hardly varies in dev" in still.text
    heavy = np.where(np.arange(500) % 5, 0, np.exp(3 * spread))
    found = judge_values({"train": heavy, "dev": heavy[:100]})
    assert "a hundredth of the rows makes" in found.text
    assert "80% of the training rows have a target of 0" in found.text
    assert judge_values({"train": spread, "dev": spread[:100]}).status == "pass"


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_target_that_is_constant_on_dev_is_refused(noise: float, tmp_path: Path) -> None:
    y = TABLE["y"].to_numpy().copy()
    y[360:480] = 7 + noise * RNG.standard_normal(120)
    when = pd.date_range("2020-01-01", periods=600).strftime("%Y-%m-%d")
    given = settings_for(tmp_path, TABLE.assign(y=y, when=when), "data.time=when")
    with pytest.raises(ConfigError, match="not defined on the dev set, which has equal targets only"):
        verbs.train(load_config(None, given), tmp_path / "runs")


def test_one_extreme_row_of_test_gives_no_number_of_twenty_digits(tmp_path: Path) -> None:
    rows = open_context(load_config(None, settings_for(tmp_path, TABLE)), tmp_path / "runs").parts["test"].frame.index
    frame = TABLE.copy()
    frame.loc[rows[0], "a"] = 1e9
    run = verbs.train(load_config(None, settings_for(tmp_path, frame, "training.epochs=30")), tmp_path / "runs").run
    found = of_a_run(StoredRun(run), None, None, Path("config.yaml"), ())
    assert "> 1000%" in "\n".join(found.lines)
    assert max(map(len, found.page)) < 250
    assert found.actions[0].command.startswith("nnrun check ")
    assert not any("split_seed" in action.command for action in found.actions[:1])


def test_a_class_that_comes_late_is_no_matter_of_the_seed(tmp_path: Path) -> None:
    when = pd.date_range("2020-01-01", periods=600).strftime("%Y-%m-%d")
    y = np.where(np.arange(600) > 550, "late", np.where(X[:, 0] > 0, "a", "b"))
    given = settings_for(tmp_path, TABLE.assign(y=y, when=when), "data.time=when")
    with pytest.raises(DataError, match="it comes after the rows that train") as error:
        open_context(load_config(None, given), tmp_path / "runs")
    assert "split_seed" not in str(error.value)


def test_one_group_with_nearly_all_rows(tmp_path: Path) -> None:
    group = np.where(np.arange(600) % 10, "big", [f"g{i}" for i in range(600)])
    found = checked("rows", tmp_path, TABLE.assign(group=group, y=np.where(X[:, 0] > 0, "a", "b")), "data.group=group")
    assert found.status == "warn"
    assert "a few groups of group hold most rows" in found.text
    sizes = {"train": 60, "dev": 20, "test": 20}
    assert judge_groups(sizes, sizes, "group") is None


def test_the_cure_of_a_sentinel_keeps_that_only_what_is_listed_is_missing() -> None:
    found = judge_sentinels({"x": -999.0}, ["NA"], "data.format.missing.only")
    assert found.cure == "--set 'data.format.missing.only=[NA, -999, -999.0]'"
