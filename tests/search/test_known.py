"""search.enqueue: settings that the user knows, as the first trials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnrun.config.load import load_config
from nnrun.config.space.known import load_known
from nnrun.config.space.space import Space
from nnrun.errors import ConfigError, UsageError
from nnrun.runs import verbs
from nnrun.runs.rundir import RunDir
from nnrun.search.running import SearchOutcome
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import resume

Search = Callable[..., SearchOutcome]
Stored = Callable[[RunDir], Any]

# The last rate lies outside of its range.
KNOWN = [
    {"optimizer.learning_rate": 0.02, "regularization.dropout": 0.2},
    {"regularization.l2": 0.5},
    {"optimizer.learning_rate": 0.7, "training.batch_size": 16},
]
ENQUEUE = f"search.enqueue={KNOWN}"


def test_they_are_the_trials_after_trial_0(search: Search) -> None:
    outcome = search(ENQUEUE, "search.trials=6")
    own = {"optimizer.learning_rate": 1e-3, "regularization.dropout": 0, "regularization.l2": 0.0}
    for number, entry in enumerate([{}, *KNOWN]):
        values = outcome.records[number]["values"]
        assert {key: values[key] for key in own} == {key: entry.get(key, own[key]) for key in own}
    assert outcome.records[3]["values"]["training.batch_size"] == 16
    assert outcome.status == "done"
    assert [record["status"] for record in outcome.records] == ["done"] * 6


def test_the_trial_is_the_run_of_a_config_with_these_values(search: Search, tmp_path: Path) -> None:
    run = search(ENQUEUE, "search.trials=4").run
    seed = RunDir(run.path / "trials/0001").read_json("run.json")["seed"]
    settings = ["optimizer.learning_rate=0.02", "regularization.dropout=0.2", f"seed={seed}"]
    alone = verbs.train(load_config(run.path / "resolved.yaml", settings), tmp_path / "alone").run
    name = "checkpoints/best.safetensors"
    assert alone.read(name) == run.read(f"trials/0001/{name}")


@pytest.mark.parametrize("strategy", ["random", "sobol", "grid", "coarse_to_fine", "halving", "tpe"])
def test_every_strategy_takes_them(search: Search, stored: Stored, strategy: str) -> None:
    if strategy == "tpe":
        pytest.importorskip("optuna")
    settings = [ENQUEUE, f"search.strategy={strategy}", "search.trials=17", "training.epochs=9"]
    outcome = search(*settings)
    assert [record["number"] for record in outcome.records] == list(range(17))
    assert [record["epochs"] for record in outcome.records[:4]] == [9] * 4, "they train to the end"
    assert outcome.records[1]["values"]["optimizer.learning_rate"] == 0.02
    assert stored(search(*settings, workers=2, stack=1).run) == stored(outcome.run)


def test_more_of_them_than_trials(search: Search, stored: Stored) -> None:
    short = search(ENQUEUE, "search.trials=2")
    assert len(short.records) == 2
    resume(short.run, 6, Options(), Watcher())
    assert stored(short.run) == stored(search(ENQUEUE, "search.trials=6").run)


def test_words_and_lists_where_the_range_has_numbers_are_kept(search: Search) -> None:
    space = "search.space={training.batch_size: {int_log: [16, 64]}, regularization.dropout: {choice: [0.0, 0.3]}}"
    settings = ("search.enqueue=[{training.batch_size: full}]", "training.epochs=1", "search.trials=3")
    run = search(space, *settings, "network.hidden=[8, 4]", "regularization.dropout=[0.1, 0.0]").run
    kept = [record["values"] for record in resume(run, 4, Options(), Watcher()).records]
    assert [each["training.batch_size"] for each in kept[:2]] == ["auto", "full"]
    assert kept[0]["regularization.dropout"] == [0.1, 0.0] and len(kept) == 4


def test_values_copied_from_an_old_search_stand_for_themselves(search: Search) -> None:
    space = "search.space={optimizer.name: {choice: [sgd, adam]}, optimizer.beta1: {one_minus_log: [0.9, 0.99], "
    space += "when: {optimizer.name: adam}}, network.width: {int: [4, 9]}, network.depth: {int: [1, 3]}}"
    old = search(space, "search.trials=6", "training.epochs=1", "network.hidden=[8, 4]")
    values = [record["values"] for record in old.records]
    assert any(each["optimizer.beta1"] is None for each in values)
    assert values[0]["network.width"] is None, "the config has no single one"
    new = search(space, f"search.enqueue={yaml.safe_dump(values, default_flow_style=True)}", "training.epochs=1",
                 "network.hidden=[8, 4]", "search.trials=7")  # fmt: skip
    assert [record["values"] for record in new.records[1:]] == values


TEXT = """\
optimizer: {name: adam}
search:
  space:
    optimizer.name: {choice: [adam, sgd]}
    optimizer.learning_rate: {log: [1e-4, 1]}
    optimizer.beta1: {one_minus_log: [0.9, 0.999], when: {optimizer.name: adam}}
    network.depth: {int: [1, 3]}
    regularization.dropout: {choice: [0, 0.5]}
  enqueue:
    - {learning_rate: 0.1, optimizer.lr: 0.1}
    - {optimizer.learning_rate: -1, optimizer.beta1: 1.0}
    - {optimizer.learning_rat: 1, training.epochs: 3}
    - {optimizer.name: sgd, optimizer.beta1: 0.95}
    - optimizer.learning_rate: fast
      optimizer.name: adm
    - {network.depth: 3, regularization.dropout: [0.1, 0.2]}
    - {optimizer.learning_rate: 5, optimizer.name: sgd, optimizer.beta1: null}
"""
KEYS = "optimizer.name, optimizer.learning_rate, optimizer.beta1, network.depth or regularization.dropout"


def test_all_mistakes_at_once_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    with pytest.raises(ConfigError) as caught:
        load_known(load_config(path))
    lines = [problem.removeprefix(f"{path}:") for problem in caught.value.problems]
    # A dash stands in column 5, so that an entry begins at 7 and its first key at 8; values are pointed at themselves.
    begin = "search.enqueue"
    assert lines[:5] == [
        f"10:8: {begin}[0].learning_rate: is not a key of search.space; did you mean optimizer.learning_rate?",
        f"10:28: {begin}[0].optimizer.lr: is not a key of search.space; did you mean optimizer.learning_rate?",
        f"11:33: {begin}[1].optimizer.learning_rate: must be above 0, got -1",
        f"11:54: {begin}[1].optimizer.beta1: must be at least 0 and below 1, got 1.0",
        f"12:8: {begin}[2].optimizer.learning_rat: is not a key of search.space; did you mean optimizer.learning_rate?",
    ]
    assert lines[5] == f"12:35: {begin}[2].training.epochs: is not a key of search.space; allowed here: {KEYS}"
    assert lines[6] == (
        f"13:46: {begin}[3].optimizer.beta1: has no effect with these values of the others; write null, or leave it out"
    )
    assert lines[7].startswith(f"14:32: {begin}[4].optimizer.learning_rate: expected a number, got the text 'fast'")
    assert lines[8].startswith(f"15:23: {begin}[4].optimizer.name: unknown choice 'adm'; did you mean adam?")
    assert lines[9].startswith(f"16:50: {begin}[5].regularization.dropout: has length 2")
    assert len(lines) == 10, "a value outside its range is no mistake"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optimizer.lr", "it is optimizer.learning_rate, which is not searched; allowed here: optimizer.name"),
        (
            "optimizer.learning_rat",
            "it is optimizer.learning_rate, which is not searched; allowed here: optimizer.name",
        ),
        ("optimizer.learning_rate", "allowed here: optimizer.name"),
        ("optimizer.nam", "did you mean optimizer.name?"),
    ],
)
def test_a_key_that_is_not_searched_is_not_taken_for_one_that_is(key: str, words: str) -> None:
    text = f"search: {{space: {{optimizer.name: {{choice: [sgd, adam]}}}}, enqueue: [{{{key}: adam}}]}}"
    with pytest.raises(ConfigError) as caught:
        load_known(load_config(None, text=text))
    (line,) = caught.value.problems
    assert line.endswith(f"search.enqueue[0].{key}: is not a key of search.space; {words}")


def test_mistakes_of_the_space_come_with_those_of_the_known_settings() -> None:
    text = "search: {space: {optimizer.learning_rate: {log: [0, 1]}}, enqueue: [{optimizer.learning: 1}]}"
    with pytest.raises(ConfigError) as caught:
        load_known(load_config(None, text=text))
    assert ["log[0]" in line or "did you mean optimizer.learning_rate?" in line for line in caught.value.problems] == [
        True,
        True,
    ]


@pytest.mark.parametrize("wrong", ["3", "[3]", "{optimizer.learning_rate: 0.1}"])
def test_what_is_no_list_of_mappings_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"search\.enqueue"):
        load_config(None, [f"search.enqueue={wrong}"])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("seed", 4, "seed changed since the search began; begin a new one\nseed: 3 → 4"),
        ("training.epochs", 5, "epochs changed since the search began; begin a new one\nepochs: 4 → 5"),
        (
            "search.metric",
            "dev_loss",
            "metric changed since the search began; begin a new one\nmetric: dev_error → dev_loss",
        ),
        (
            "search.strategy",
            "sobol",
            "strategy changed since the search began; begin a new one\nstrategy: random → sobol",
        ),
        ("search.enqueue", [], "enqueue changed since the search began"),
    ],
)
def test_resume_refuses_what_the_trials_follow_from_where_it_changed(
    search: Search, key: str, value: Any, words: str
) -> None:
    run = search(ENQUEUE, "search.trials=1").run
    changed = yaml.safe_load(run.read("resolved.yaml"))
    *section, last = key.split(".")
    inner = changed
    for part in section:
        inner = inner[part]
    inner[last] = value
    run.write("resolved.yaml", yaml.safe_dump(changed))
    with pytest.raises(UsageError) as caught:
        resume(run, 4, Options(), Watcher())
    assert words in str(caught.value)


def test_a_search_that_has_begun_keeps_a_space_that_is_refused_now() -> None:
    written = {"network.depth": {"int": [0, 3]}, "network.width": {"int": [4, 8], "when": {"network.depth": [1, 2]}}}
    loaded = load_config(None, ["network.hidden=[]", f"search.space={json.dumps(written)}"])
    with pytest.raises(ConfigError, match="leaves out depth 3"):
        load_known(loaded)
    begun = Space.of(written)
    assert load_known(loaded, begun=begun)[0] == begun
