"""Keys that steer nothing are told where somebody gave them another value than the usual one, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.load import load_config
from nnrun.config.space.parsing import parse_space
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.files import sealed_text

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("optimizer: {name: sgd, beta1: 0.99}", "1:31: optimizer.beta1: has no effect with sgd"),
        ("optimizer: {name: sgd, dampening: false}", "1:35: optimizer.dampening: has no effect with sgd"),
        ("optimizer: {name: rmsprop, beta2: 0.9, beta1: 0.9}", None),
        ("optimizer: {name: momentum, beta1: 0.99, dampening: false, beta2: null}", None),
        ("optimizer: {name: sgd, beta1: 0.99}\nsearch: {space: {optimizer.name: {choice: [sgd, adam]}}}", None),
        ("network: {hidden: [], batch_norm: true}", "1:35: network.batch_norm: has no effect without a hidden layer"),
        ("network: {depth: 0, width: 3, activation: tanh}", "network.activation: has no effect without a hidden layer"),
        ("network: {hidden: []}\nregularization: {dropout: 0.5}", "regularization.dropout: has no effect without a"),
        ("network: {hidden: []}\nregularization: {dropout: []}", None),
        ("network: {hidden: [], batch_norm: true}\nsearch: {space: {network.hidden: {choice: [[], [3]]}}}", None),
        (
            "optimizer: {name: sgd}\ntraining: {changes: {5: {optimizer.beta1: 0.8}}}",
            "2:43: training.changes[5].optimizer.beta1: has no effect with sgd",
        ),
        ("training: {changes: {5: {optimizer.beta1: 0.8}}}", None),
        ("data: {format: {header: false}}", "data.format.header: has no effect on a bundled data set"),
        (
            "data: {source: a.csv.gz, format: {sheet: b}}",
            "data.format.sheet: has no effect where no file is a workbook",
        ),
        ("data: {source: {train: a.csv, dev: a.xlsx}, format: {sheet: b, header: true}}", None),
        ("data: {source: folder, format: {sheet: b}}", None),
    ],
)
def test_what_is_given_in_vain_is_told_where_it_stands(text: str, told: str | None) -> None:
    notices = load_config(Path("c.yaml"), text=text).notices
    assert [told in notice for notice in notices] == [True] if told else notices == []


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_nothing_is_told_of_a_resolved_config(name: str) -> None:
    """It has every number, and those of another optimizer give way."""
    for old in OPTIMIZERS:
        text = dump_yaml(Config.from_values({"optimizer": {"name": old}, "network": {"hidden": []}}).resolved())
        assert load_config(None, [f"optimizer.name={name}"], text).notices == []


def test_what_a_run_has_told_is_not_told_again(tmp_path: Path) -> None:
    """Of resolved.yaml only what is put on top of it is told, by `--set` or by another file."""
    written = Config.from_values({"optimizer": {"name": "sgd", "beta1": 0.99}})
    (path := tmp_path / "resolved.yaml").write_text(sealed_text(dump_yaml(written.resolved())))
    assert load_config(path).notices == load_config(path, ["optimizer.learning_rate=0.1"]).notices == []
    for setting in ("optimizer.beta1=0.99", "optimizer={name: sgd, beta1: 0.8}"):
        assert ["has no effect with sgd" in told for told in load_config(path, [setting]).notices] == [True], setting
    for more, count in (("beta1: 0.99", 1), ("learning_rate: 0.1", 0)):
        (tmp_path / "c.yaml").write_text(f"extends: resolved.yaml\noptimizer: {{{more}}}\n")
        assert len(load_config(tmp_path / "c.yaml").notices) == count


def test_nothing_is_told_of_a_bundled_config() -> None:
    assert {path.name: told for path in CONFIGS.glob("*.yaml") if (told := load_config(path).notices)} == {}


def test_a_parameter_that_is_drawn_in_vain_is_told() -> None:
    beta2 = {"optimizer.beta2": {"uniform": [0.9, 0.99]}}
    sgd = Config.from_values({"optimizer": {"name": "sgd"}, "network": {"hidden": []}})
    assert parse_space(beta2, sgd).notices == ("optimizer.beta2 has no effect with sgd",)
    assert parse_space(beta2, Config()).notices == ()
    rates = {"regularization.dropout": {"choice": [0.1, 0.2]}}
    assert parse_space(rates, sgd).notices == ("regularization.dropout has no effect without a hidden layer",)
    names = {"optimizer.name": {"choice": ["adam", "sgd"]}}
    cure = "`when: {optimizer.name: […]}` beside its range names those with which it has one"
    assert parse_space(names | beta2, sgd).notices == (f"optimizer.beta2 has no effect with sgd; {cure}",)
    in_vain = {"optimizer.name": {"choice": ["momentum", "sgd"]}}
    assert parse_space(in_vain | beta2, sgd).notices == ("optimizer.beta2 has no effect with momentum and sgd",)
    beta2["optimizer.beta2"]["when"] = {"optimizer.name": ["adam"]}  # type: ignore[assignment]
    assert parse_space(names | beta2, sgd).notices == ()
