from pathlib import Path

import pytest

from nnrun.config.config import Config
from nnrun.config.data_section import Parts
from nnrun.config.dump import dump_yaml
from nnrun.config.load import load_config
from nnrun.config.overrides import configured, parse_setting
from nnrun.engine.schedules import Constant, Cosine, InverseTime, Staircase
from nnrun.errors import ConfigError
from nnrun.files import sealed_text

BASE = "network: {hidden: [64, 32]}\noptimizer: {name: sgd, schedule: staircase}\nregularization: {dropout: 0.5}\n"


def problems(*overrides: str, text: str = BASE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(Path("config.yaml"), overrides, text)
    return caught.value.problems


def test_values_are_read_as_in_the_file_and_the_last_one_counts() -> None:
    overrides = ["optimizer.learning_rate=1e-2", "name=on", "seed=0o17", "optimizer.learning_rate = 2e-2"]
    config = load_config(Path("config.yaml"), overrides, BASE).config
    assert (config.optimizer.learning_rate, config.name, config.seed) == (0.02, "on", 15)
    assert config.optimizer.name == "sgd"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("optimizer.learning_rat=1", "unknown key; did you mean learning_rate?"),
        ("optimizer.l2=1", "unknown key here; did you mean regularization.l2?"),
        ("optimiser.name=sgd", "optimiser: unknown key; did you mean optimizer?"),
        ("lr=3", "unknown key here; did you mean optimizer.learning_rate?"),
        ("optimizer.learning_rate=-1", "must be above 0, got -1"),
        ("optimizer.learning_rate='1'", "expected a number, got the text '1'; remove the quotes"),
        ("optimizer=adam", "expected a mapping such as {name: adam}, got the text 'adam'"),
        ("optimizer={lr: 1}", "optimizer.lr: unknown key; did you mean learning_rate?"),
        ("optimizer={name: sgd, name: adam}", "optimizer.name: duplicate key on line 1; first given on line 1"),
        ("training.changes.0x5={seed: 1}", "expected a whole number, got the text '0x5'; write 5"),
        ("network.hidden=[8, 0]", "network.hidden[1]: must be at least 1, got 0"),
        ("network.depth=-1", "must be at least 0 and at most 10000, got -1"),
        ("optimizer.schedule.evry=3", "unknown key; did you mean every?"),
        ("regularization.early_stopping.patience=0", "must be at least 1, got 0"),
        ("data.source=digts", "no data set 'digts'; did you mean digits? (for a file of that name write ./digts)"),
        ("optimizer.name=", "the value is missing; write null for none"),
        ("optimizer.name=# adam", "the value is missing; write null for none"),
        ("optimizer.learning_rate=0.1 # low", "expected a number, got the text '0.1 # low'"),
        ("optimizer.name", "expected key=value"),
        ("=3", "the text '' is not a key; write section.key=value"),
        ("optimizer..name=3", "the text 'optimizer..name' is not a key; write section.key=value"),
        ("optimizer.name.x=3", "optimizer.name is the text 'sgd', not a mapping; set it as a whole"),
        ("network.hidden.0=3", "network.hidden is a list, not a mapping; set it as a whole"),
        (
            "network.hidden=[3",
            "expected ',' or ']', but got '<stream end>'; the bracket opened at 1:1 is not closed properly",
        ),
    ],
)
def test_a_mistake_names_the_argument(override: str, line: str) -> None:
    assert problems(override) == [f"--set {override}: {line}"]


@pytest.mark.parametrize("mark", [",", "|", ";"])
def test_a_mark_of_yaml_stands_for_itself(mark: str) -> None:
    key = "decimal" if mark == "," else "delimiter"
    loaded = load_config(Path("config.yaml"), [f"data.format.{key}={mark}"], BASE)
    assert getattr(loaded.config.data.format, key) == mark


@pytest.mark.parametrize("text", ["@user", "`x`", "%", "*", "& co", "!", "#rooms", "price #1", "-", "?", ">50k", "| a"])
def test_a_column_may_be_called_so(text: str) -> None:
    assert load_config(Path("config.yaml"), [f"data.target={text}"], BASE).config.data.target == text


def test_mistakes_in_arguments_follow_those_in_the_file() -> None:
    assert problems("a.b", "seed=x", "optimizer.name=sdg", text="seed: 1\nnetwork: {hiden: [3]}\n") == [
        "config.yaml:2:11: network.hiden: unknown key; did you mean hidden?",
        "--set a.b: expected key=value",
        "--set optimizer.name=sdg: unknown choice 'sdg'; did you mean sgd? "
        "allowed: sgd, momentum, nesterov, rmsprop, adam, adamw",
        "--set seed=x: expected a whole number, got the text 'x'",
    ]


def test_an_override_replaces_a_wrong_value_of_the_file() -> None:
    text = "seed: wrong\ndata: {split: [1, 2]}\n"
    config = load_config(None, ["seed=1", "data.split=auto"], text).config
    assert (config.seed, config.data.split) == (1, "auto")


def test_a_whole_section_can_be_replaced_by_a_mapping() -> None:
    optimizer = load_config(None, ["optimizer={name: adamw}"], BASE).config.optimizer
    assert (optimizer.name, optimizer.schedule.build()) == ("adamw", Constant())


def test_options_of_a_schedule_can_be_set_one_by_one() -> None:
    def schedule(*overrides: str, text: str = BASE) -> object:
        return load_config(None, overrides, text).config.optimizer.schedule.build()

    assert schedule("optimizer.schedule.every=3") == Staircase(every=3)  # the file says staircase
    assert schedule("optimizer.schedule=inverse_time", "optimizer.schedule.rate=0.5") == InverseTime(0.5)
    assert schedule("optimizer.schedule.name=cosine", "optimizer.schedule.final=0.1") == Cosine(0.1)
    assert schedule("optimizer.schedule.name=cosine", text="{}") == Cosine()
    table = load_config(None, ["optimizer.schedule=table", "optimizer.schedule.factors.30=0.1"], "{}").config
    assert table.resolved()["optimizer"]["schedule"]["factors"] == {30: 0.1}


@pytest.mark.parametrize("old", ["adam", "adamw", "sgd", "momentum", "rmsprop"])
@pytest.mark.parametrize("new", ["adam", "adamw", "sgd", "momentum", "rmsprop"])
def test_what_is_usual_of_an_optimizer_gives_way_to_what_is_usual_of_another_one(old: str, new: str) -> None:
    """As a resolved config has it, no word of which was asked for, and as a trial has it."""
    written, fresh = Config.from_values({"optimizer": {"name": old}}), Config.from_values({"optimizer": {"name": new}})
    text = dump_yaml(written.resolved())
    assert load_config(None, [f"optimizer.name={new}"], text).config == fresh
    resolved = load_config(None, text=text).config
    assert configured(resolved, {"optimizer.name": new}) == fresh == configured(written, {"optimizer.name": new})


def test_a_name_that_looks_like_a_number_is_spelled_as_it_is() -> None:
    """The column 007 is not the column 7; a number and a text in quotes are one name of a class."""
    data = load_config(None, text="data: {kinds: {007: category, 7: number}, class_weight: {+1: 2}}").config.data
    assert (data.kinds, data.class_weight) == ({"007": "category", "7": "number"}, {"+1": 2})
    weights = ["data.class_weight.1=9", "data.class_weight.01=3"]
    for key in ("1", '"1"'):
        found = load_config(None, weights, f"data: {{class_weight: {{{key}: 2}}}}").config.data.class_weight
        assert found == {"1": 9, "01": 3}


@pytest.mark.parametrize(("written", "epoch"), [("05", 5), ("0x5", 5), ("+5", 5), ("012", 12)])
def test_an_epoch_is_a_number_however_it_is_written(written: str, epoch: int) -> None:
    changes = f"{{{written}: {{optimizer.learning_rate: 0.01}}}}"
    schedule = f"{{name: table, factors: {{{written}: 0.1}}}}"
    text = f"training: {{changes: {changes}}}\noptimizer: {{schedule: {schedule}}}"
    sections = [f"training={{changes: {changes}}}", f"optimizer={{schedule: {schedule}}}"]
    keys = [f"training.changes={changes}", f"optimizer.schedule.factors={{{written}: 0.1}}"]
    for config in (
        load_config(None, text=text).config,
        load_config(None, sections).config,
        load_config(None, ["optimizer.schedule=table", *keys]).config,
    ):
        assert config.training.changes == {epoch: {"optimizer.learning_rate": 0.01}}
        assert config.resolved()["optimizer"]["schedule"]["factors"] == {epoch: 0.1}
    if written.isdecimal():
        assert parse_setting(f"training.changes.{written}={{}}").path == ("training", "changes", epoch)
        assert parse_setting(f"optimizer.schedule.factors.{written}=1").path[-1] == epoch


@pytest.mark.parametrize(("key", "value"), [("kinds", "number"), ("class_weight", "2")])
def test_a_name_given_as_a_number_and_in_quotes_is_given_twice(key: str, value: str) -> None:
    text = f'data:\n  {key}:\n    1: {value}\n    "1": {value}\n'
    assert problems(text=text) == [f"config.yaml:4:10: data.{key}.1: is given twice, with and without quotes"]


def test_the_metric_of_a_resolved_search_follows_the_primary_metric() -> None:
    text = sealed_text(dump_yaml(Config.from_values({"search": {"trials": 3}}).resolved()))
    for primary, followed in (("loss", "dev_loss"), ("f1", "-dev_f1"), ("error", "dev_error")):
        assert load_config(None, [f"metrics.primary={primary}"], text).config.search.metric == followed
    for kept in (["search.metric=dev_error"], ["search={metric: dev_error}"]):
        assert load_config(None, ["metrics.primary=loss", *kept], text).config.search.metric == "dev_error"
    other = load_config(None, ["metrics.primary=loss"], text.replace("metric: dev_error", "metric: test_loss")).config
    assert other.search.metric == "test_loss"


def test_the_metric_of_a_search_that_somebody_wrote_stays() -> None:
    text = "metrics: {primary: error}\nsearch: {trials: 3, metric: dev_error}\n"
    assert load_config(None, ["metrics.primary=loss"], text).config.search.metric == "dev_error"
    assert configured(load_config(None, text=text).config, {"metrics.primary": "loss"}).search.metric == "dev_error"


def test_what_is_unusual_or_put_in_beside_the_name_of_an_optimizer_stays() -> None:
    text = dump_yaml(Config.from_values({"optimizer": {"name": "adam", "beta2": 0.99}}).resolved())
    assert load_config(None, ["optimizer.name=rmsprop"], text).config.optimizer.beta2 == 0.99
    for order in (1, -1):
        settings = ["optimizer.beta2=0.999", "optimizer.name=rmsprop"][::order]
        assert load_config(None, settings, text).config.optimizer.beta2 == 0.999
    trial = configured(Config(), {"optimizer.beta2": 0.999, "optimizer.name": "rmsprop"})
    assert trial.optimizer.beta2 == 0.999
    assert (
        load_config(None, ["optimizer.name=adam", "optimizer.name=adamw"], text).config.optimizer.weight_decay == 0.01
    )


@pytest.mark.parametrize("name", ["[adam]", "{a: 1}", "null", "17", "adamm"])
def test_another_optimizer_takes_the_place_of_what_is_none(name: str) -> None:
    config = load_config(None, ["optimizer.name=sgd"], f"optimizer: {{name: {name}, beta2: 0.5}}\n").config
    assert (config.optimizer.name, config.optimizer.beta2) == ("sgd", 0.5)


def test_early_stopping_can_be_opened_from_null() -> None:
    stopping = load_config(
        None, ["regularization.early_stopping.patience=3"], BASE
    ).config.regularization.early_stopping
    assert stopping is not None
    assert stopping.patience == 3


@pytest.mark.parametrize(
    ("text", "overrides", "hidden", "replaced"),
    [
        ("network: {hidden: [64, 32]}", ["network.depth=3", "network.width=50"], (50, 50, 50), "[64, 32]"),
        ("network: {hidden: [64, 32]}", ["network.depth=3"], (64, 64, 64), "[64, 32]"),
        ("network: {hidden: [64, 32]}", ["network.width=50"], (50, 50), "[64, 32]"),
        ("{}", ["network.width=50"], (50, 50), "[64, 32]"),
        ("network: {hidden: []}", ["network.width=50"], (50,), "[]"),
        ("network: {depth: 2, width: 8}", ["network.depth=3"], (8, 8, 8), None),
        ("network: {depth: 2, width: 8}", ["network.hidden=[5]"], (5,), None),
        ("network: {hidden: [9]}", ["network.hidden=[5]", "network.depth=2"], (5, 5), "[5]"),
        ("network: {hidden: [9]}", ["network.depth=2", "network.hidden=[5]"], (5,), None),
        ("network: {hidden: [9]}", ["network.depth=null"], (9,), None),
    ],
)
def test_depth_and_width_take_the_place_of_hidden(
    text: str, overrides: list[str], hidden: tuple[int, ...], replaced: str | None
) -> None:
    loaded = load_config(None, overrides, text)
    assert loaded.config.network.hidden == hidden
    expected = f"network.hidden {replaced} is replaced by depth × [width] = {list(hidden)}"
    assert loaded.notices == ([] if replaced is None else [expected])


def test_depth_without_any_width_is_an_error() -> None:
    assert problems("network.depth=2", text="network: {hidden: []}") == [
        "--set network.depth=2: width is missing; depth and width go together"
    ]


def test_dropout_follows_the_new_depth() -> None:
    assert load_config(None, ["network.depth=3"], BASE).config.regularization.dropout == (0.5, 0.5, 0.5)


def test_paths_in_overrides_are_relative_to_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    here, file = (tmp_path / "here").resolve(), tmp_path / "there" / "config.yaml"
    text = "data: {source: {train: t.csv, dev: d.csv}}\n"
    assert load_config(file, ["data.source=a.csv"], text).config.data.source == f"{here}/a.csv"
    mixed = load_config(file, ["data.source.dev=../d.csv"], text).config.data.source
    assert mixed == Parts(train=f"{tmp_path.resolve()}/there/t.csv", dev=f"{tmp_path.resolve()}/d.csv")
    whole = load_config(file, ["data={source: a.csv}"], text).config.data.source
    assert whole == f"{here}/a.csv"
    opened = load_config(file, ["data.source.train=a.csv", "data.source.dev=b.csv"], "seed: 1\n").config.data.source
    assert opened == Parts(train=f"{here}/a.csv", dev=f"{here}/b.csv")


def test_a_range_of_the_search_space_has_a_dotted_key() -> None:
    config = load_config(None, ["search.space.regularization.l2={log: [1e-3, 10]}"], BASE).config
    assert config.search.space == {"regularization.l2": {"log": [0.001, 10]}}


def test_a_setting_keeps_its_text() -> None:
    setting = parse_setting("optimizer.schedule.factors.3=0.5")
    assert setting == (("optimizer", "schedule", "factors", 3), 0.5, "optimizer.schedule.factors.3=0.5")
