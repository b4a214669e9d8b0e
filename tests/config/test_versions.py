"""The version of a file's keys, and keys that are gone: old files are read, newer ones refused, each with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nnrun
from nnrun.config import versions
from nnrun.config.config import Config
from nnrun.config.load import Loaded, load_config, load_values
from nnrun.config.versions import GONE, Gone
from nnrun.errors import ConfigError

RATE = ("training", "rate")


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """written(text) loads it as config.yaml."""

    def load(text: str, *overrides: str, name: str = "config.yaml") -> Loaded:
        path = tmp_path / name
        path.write_text(text)
        return load_config(path, overrides)

    return load


def problems(load: Any, *given: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(*given)
    return [line.rpartition("/")[2] for line in caught.value.problems]


def test_a_version_that_is_known_changes_nothing(written: Any) -> None:
    plain, stated = written("seed: 3\n"), written("version: 1\nseed: 3\n")
    assert stated.config == plain.config and stated.notices == []
    assert stated.config.resolved() == plain.config.resolved()
    assert load_values({"version": 1, "seed": 3}).config == plain.config
    assert Config.from_values({"version": 1}) == Config()


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("2", f"nnrun {nnrun.__version__} knows the keys up to version 1: update it, or write 1 if the file"),
        ("0", "expected a whole number from 1 on, got 0"),
        ("true", "expected a whole number from 1 on, got true"),
        ("'1'", "expected a whole number from 1 on, got the text '1'"),
        ("1.0", "expected a whole number from 1 on, got 1.0"),
        ("null", "expected a whole number from 1 on, got null"),
    ],
)
def test_another_version_is_refused_and_nothing_else_is_told(written: Any, version: str, told: str) -> None:
    (problem,) = problems(written, f"seed: 1\nversion: {version}\nkey_of_tomorrow: 1\n")
    assert problem.startswith("config.yaml:2:10: version: ") and told in problem


def test_each_file_has_its_own_version(written: Any, tmp_path: Path) -> None:
    written("version: 1\nseed: 4\n", name="base.yaml")
    assert written("extends: base.yaml\n").config.seed == 4
    (tmp_path / "base.yaml").write_text("version: 9\nseed: 4\n")
    (problem,) = problems(written, "version: 1\nextends: base.yaml\n")
    assert "base.yaml:1:10: version: is for a newer nnrun" in problem


def test_versions_elsewhere() -> None:
    assert problems(load_values, {"version": 7, "sed": 1})[0].startswith("version: is for a newer nnrun")
    assert problems(load_config, None, ["version=7"])[0].startswith("--set version=7: is for a newer nnrun")


def test_the_retired_key_is_read_and_told_with_its_place(written: Any) -> None:
    old = written("training: {epochs: 2, blas_threads: 4}\n")
    assert old.config == written("training: {epochs: 2}\n").config
    (told,) = old.notices
    assert "config.yaml:1:37: training.blas_threads: does nothing any more and can be removed: a matrix product" in told
    assert written("training: {blas_threads: 1}\n").notices == []
    assert Config.from_values({"training": {"blas_threads": 1}}) == Config()  # as old records have it
    assert "blas_threads" not in str(Config().resolved())


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "GONE", {**GONE, RATE: Gone(now=("optimizer", "learning_rate"))})


@pytest.mark.usefixtures("renamed")
def test_a_renamed_key_is_taken_over(written: Any) -> None:
    old = written("training:\n  rate: 0.25\n")
    assert old.config.optimizer.learning_rate == 0.25
    assert [told.rpartition("/")[2] for told in old.notices] == [
        "config.yaml:2:3: training.rate: is called optimizer.learning_rate now; write that"
    ]
    assert old.config.resolved()["optimizer"]["learning_rate"] == 0.25
    assert written("seed: 1\n", "training.rate=0.5").config.optimizer.learning_rate == 0.5
    assert Config.from_values({"training": {"rate": 0.125}}).optimizer.learning_rate == 0.125


@pytest.mark.usefixtures("renamed")
def test_what_is_wrong_with_a_renamed_key_is_told_at_its_own_place(written: Any) -> None:
    assert problems(written, "training: {rate: fast}\n") == [
        "config.yaml:1:18: optimizer.learning_rate: expected a number, got the text 'fast'"
    ]
    assert problems(written, "training: {rate: 0.25}\noptimizer: {learning_rate: 0.5}\n") == [
        "config.yaml:1:12: training.rate: is called optimizer.learning_rate now; write it there, once"
    ]
    assert "config.yaml:1:12: training.rate: is called optimizer.learning_rate now; write it there, once" in problems(
        written, "training: {rate: 0.25}\noptimizer: 3\n"
    )


def test_what_is_called_otherwise_names_a_key_that_there_is() -> None:
    keys = {".".join(path) for path in _keys(Config().resolved())}
    for path, gone in GONE.items():
        assert ".".join(map(str, path)) not in keys and (gone.why or ".".join(map(str, gone.now or ())) in keys)


def _keys(values: Any) -> list[tuple[str, ...]]:
    own = [(name,) for name in values]
    return own + [(name, *rest) for name, value in values.items() if isinstance(value, dict) for rest in _keys(value)]
