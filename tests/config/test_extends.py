"""Configs that extend others: whose value holds, where a mistake stands, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.load import load_config
from nnrun.errors import ConfigError
from nnrun.files import sealed_text
from nnrun.improving.written import Places, improved


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """write("c.yaml", "seed: 1") in the current directory."""
    monkeypatch.chdir(tmp_path)

    def one(name: str, text: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return one


def problems(path: Path, *settings: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        load_config(path, settings)
    return told.value.problems


def test_the_file_holds_then_the_last_that_it_extends(write) -> None:  # type: ignore[no-untyped-def]
    write("a.yaml", "seed: 1\ntraining: {epochs: 7, batch_size: 16}\noptimizer: {schedule: {name: step, every: 3}}\n")
    write("b.yaml", "seed: 2\ntraining: {epochs: 8}\n")
    path = write("c.yaml", "extends: [a.yaml, b.yaml]\ntraining: {dtype: float64}\noptimizer: {schedule: cosine}\n")
    loaded = load_config(path, ["seed=5"])
    training = loaded.config.training
    assert (loaded.config.seed, training.epochs, training.batch_size, training.dtype) == (5, 8, 16, "float64")
    assert loaded.config.optimizer.schedule.name == "cosine", "a value is replaced as a whole"
    assert loaded.text == path.read_bytes()
    assert "extends" not in loaded.config.resolved()


@pytest.mark.parametrize("between", [[], ["seed: 2\n"], ["optimizer: {weight_decay: 0}\n"]])
def test_what_is_usual_of_the_optimizer_of_a_resolved_config_gives_way(write, between: list[str]) -> None:  # type: ignore[no-untyped-def]
    """It has these numbers whether somebody asked for them or not; who writes one in a file of his own means it."""
    adam = Config.from_values({"optimizer": {"name": "adam", "beta1": 0.8}})
    for name, text in {"resolved": sealed_text(dump_yaml(adam.resolved())), "own": dump_yaml(adam.resolved())}.items():
        write("base.yaml", text)
        for k, more in enumerate(between):
            write(f"{k}.yaml", f"extends: base.yaml\n{more}")
        base = f"{len(between) - 1}.yaml" if between else "base.yaml"
        found = load_config(write("c.yaml", f"extends: {base}\noptimizer: {{name: adamw}}\n")).config.optimizer
        gives_way = name == "resolved" and "weight_decay" not in "".join(between)
        assert (found.beta1, found.weight_decay) == (0.8, 0.01 if gives_way else 0.0)
        kept = load_config(write("d.yaml", f"extends: {base}\noptimizer: {{name: adamw, weight_decay: 0}}\n")).config
        assert kept.optimizer.weight_decay == 0


def test_the_metric_of_a_resolved_search_follows_a_primary_metric_on_top(write) -> None:  # type: ignore[no-untyped-def]
    write("resolved.yaml", sealed_text(dump_yaml(Config().resolved())))
    path = write("c.yaml", "extends: resolved.yaml\nmetrics: {primary: loss}\nsearch: {trials: 2}\n")
    assert load_config(path).config.search.metric == "dev_loss"
    path = write("d.yaml", "extends: resolved.yaml\nmetrics: {primary: loss}\nsearch: {metric: dev_error}\n")
    assert load_config(path).config.search.metric == "dev_error"


@pytest.mark.parametrize(
    ("between", "metric", "bias_correction"),
    [
        ("optimizer: {learning_rate: 0.01}", "dev_loss", False),
        ("search: {trials: 2}", "dev_loss", False),
        ("search: {metric: dev_error}", "dev_error", False),
        ("optimizer: {bias_correction: true}", "dev_loss", True),
    ],
)
def test_only_what_a_file_between_says_stays_of_a_resolved_config(  # type: ignore[no-untyped-def]
    write, between: str, metric: str, bias_correction: bool
) -> None:
    write("resolved.yaml", sealed_text(dump_yaml(Config().resolved())))
    write("between.yaml", f"extends: resolved.yaml\n{between}\n")
    given = ["metrics.primary=loss", "optimizer.name=rmsprop"]
    path = write("top.yaml", "extends: between.yaml\nmetrics: {primary: loss}\noptimizer: {name: rmsprop}\n")
    found = load_config(path).config
    assert (found.search.metric, found.optimizer.bias_correction) == (metric, bias_correction)
    found = load_config(path.with_name("between.yaml"), given).config
    assert found.search.metric == metric, "and so does --set"


@pytest.mark.parametrize("section", ["data: iris", "regularization: 0.1", "training:", "training: [a]"])
def test_what_is_no_section_is_told_of_a_file_below_as_of_one_alone(write, section: str) -> None:  # type: ignore[no-untyped-def]
    base, name = write("base.yaml", f"seed: 1\n{section}\n"), section.partition(":")[0]
    alone = problems(base)
    assert len(alone) == 1 and "expected a mapping" in alone[0]
    key = {"data": "split_seed: 3", "regularization": "l2: 0.1", "training": "epochs: 2"}[name]
    assert problems(write("c.yaml", f"extends: base.yaml\n{name}: {{{key}}}\n")) == alone


def test_paths_are_relative_to_the_file_that_has_them(write) -> None:  # type: ignore[no-untyped-def]
    write("shared/base.yaml", "data: {source: table.csv, target: y}\n")
    write("shared/table.csv", "x,y\n1,2\n")
    path = write("experiments/c.yaml", "extends: ../shared/base.yaml\nseed: 3\n")
    assert load_config(path).config.data.source == str(Path("shared/table.csv").absolute())


def test_a_base_may_lie_in_the_home_folder(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """As a data file may; also where the config that an improvement writes names it."""
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    base = write("home/base.yaml", "seed: 7\n").absolute()
    path = write("c.yaml", "extends: ~/base.yaml\n")
    assert load_config(path).config.seed == 7
    assert f"extends: {base}\n" in improved(path.read_bytes(), Places("digits", Path.cwd()), {}, {}, [])


@pytest.mark.parametrize(
    ("base", "own", "hidden"),
    [
        ("{hidden: [8, 8]}", "{depth: 3, width: 4}", (4, 4, 4)),
        ("{hidden: [8, 8]}", "{width: 4}", (4, 4)),
        ("{depth: 3, width: 4}", "{hidden: [5]}", (5,)),
        ("{depth: 3, width: 4}", "{depth: 2}", (4, 4)),
    ],
)
def test_the_shape_is_that_of_the_file(write, base: str, own: str, hidden: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    write("base.yaml", f"network: {base}\n")
    loaded = load_config(write("c.yaml", f"extends: base.yaml\nnetwork: {own}\n"))
    assert tuple(loaded.config.network.hidden) == hidden
    told = f"network.hidden [8, 8] is replaced by depth × [width] = {[*hidden]}"
    assert loaded.notices == ([told] if "hidden" in base else [])


def test_layers_that_give_way_in_a_file_between_are_told_unless_others_are_given(write) -> None:  # type: ignore[no-untyped-def]
    write("a.yaml", "network: {hidden: [16, 8]}\n")
    write("b.yaml", "extends: a.yaml\nnetwork: {width: 5}\n")
    path = write("c.yaml", "extends: b.yaml\nnetwork: {activation: tanh}\n")
    assert load_config(path).notices == ["network.hidden [16, 8] is replaced by depth × [width] = [5, 5]"]
    deep = load_config(path, ["network.depth=3"]).notices
    assert deep == ["network.hidden [16, 8] is replaced by depth × [width] = [5, 5, 5]"]
    for given in ("network.hidden=[4]", "network={hidden: [4]}"):
        assert load_config(path, [given]).notices == []
    assert load_config(write("d.yaml", "extends: c.yaml\nnetwork: {hidden: [3]}\n")).notices == []


def test_a_mistake_is_told_where_it_stands(write) -> None:  # type: ignore[no-untyped-def]
    write("base.yaml", "seed: 1\ntraining:\n  epochs: many\n  epochs: 3\noptimizer: {name: adm}\n")
    path = write("c.yaml", "extends: base.yaml\nseed: x\n")
    told = problems(path)
    assert told[0].startswith("c.yaml:2:7: seed: expected a whole number")
    assert told[1].startswith("base.yaml:3:11: training.epochs: expected a whole number")
    assert told[2].startswith("base.yaml:4:3: training.epochs: duplicate key")
    assert told[3].startswith("base.yaml:5:19: optimizer.name: unknown choice 'adm'; did you mean adam?")
    path = write("d.yaml", "extends: base.yaml\ntraining: {epochs: 2}\noptimizer: {name: sgd}\n")
    assert [line[:13] for line in problems(path)] == ["base.yaml:4:3"], "what is replaced is not wrong any more"
    write("base.yaml", "seed: [\n")
    assert problems(path)[0].startswith("base.yaml:2:1: ")


def test_a_base_extends_others_and_two_may_share_one(write) -> None:  # type: ignore[no-untyped-def]
    write("root.yaml", "seed: 1\ntraining: {epochs: 7}\n")
    write("a.yaml", "extends: root.yaml\nseed: 2\n")
    write("b.yaml", "extends: root.yaml\n")
    config = load_config(write("c.yaml", "extends: [a.yaml, b.yaml]\n")).config
    assert (config.seed, config.training.epochs) == (1, 7), "b.yaml says what root.yaml says, and comes last"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("c.yaml", "c.yaml:1:10: extends: goes in a circle: c.yaml extends c.yaml"),
        ("circle.yaml", "circle.yaml:1:10: extends: goes in a circle: c.yaml extends circle.yaml extends c.yaml"),
        ("bse.yaml", "c.yaml:1:10: extends: bse.yaml: no such file; did you mean base.yaml?"),
        ("[base.yaml, 3]", "c.yaml:1:22: extends: expected the name of a file, or a list of such names, got 3"),
        ("{a: b}", "c.yaml:1:10: extends: expected the name of a file"),
        (".", "c.yaml:1:10: extends: .: is a directory"),
        ("x" * 300 + ".yaml", f"c.yaml:1:10: extends: {'x' * 300}.yaml: cannot be read: File name too long"),
        ("/dev/zero", "c.yaml:1:10: extends: /dev/zero: a pipe or a device; a YAML file is needed"),
        ("pipe", "c.yaml:1:10: extends: pipe: a pipe or a device; a YAML file is needed"),
        ("vast.yaml", "c.yaml:1:10: extends: vast.yaml: larger than 256 MiB; a YAML file of settings is needed"),
    ],
)
def test_what_cannot_be_extended(write, named: str, words: str) -> None:  # type: ignore[no-untyped-def]
    write("base.yaml", "seed: 1\n")
    write("circle.yaml", "extends: c.yaml\n")
    os.mkfifo("pipe")
    os.truncate(write("vast.yaml", ""), 1 << 40)  # of which the disk keeps nothing
    (told,) = problems(write("c.yaml", f"extends: {named}\n"))
    assert told.startswith(words)
