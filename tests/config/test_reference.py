from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nnrun.config import search_section
from nnrun.config.config import Config
from nnrun.config.hints import every_key
from nnrun.config.reference import DIALECT, json_schema, reference_rows
from nnrun.config.values import dotted
from nnrun.config.yaml_text import parse
from nnrun.search.strategies import STRATEGIES
from nnrun.search.verbs import METRICS_OF_TRIALS

EXAMPLE = Path(__file__).with_name("example.yaml").read_text(encoding="utf-8")
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def values(text: str) -> dict[Any, Any]:
    return parse(text, "config.yaml").values


def test_the_schema_is_a_schema() -> None:
    assert json_schema()["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "text",
    [
        EXAMPLE,
        "optimizer: {schedule: {name: staircase, every: 3}, beta2: null, weight_decay: null, bias_correction: null}",
        "network: {depth: 2, width: 3, init: {name: normal, scale: 1}}",
        "regularization: {dropout: [0.1, 0.2], early_stopping: {patience: 3}}",
        "data: {source: {train: a, dev: b}, class_weight: null}",
        "regularization: {augment: [flip, {name: rotation, degrees: 20}]}",
        "data: {class_weight: balanced, weight: w}",
        "data: {class_weight: {0: 1, yes: 2.5}}",
        "data: {split: [0.6, 0.2, 0.2]}\ntraining: {batch_size: 32}",
    ],
)
def test_the_schema_accepts_what_the_program_accepts(text: str) -> None:
    VALIDATOR.validate(values(text))


@pytest.mark.parametrize(
    "text",
    [
        "optimizer: {learning_rat: 1}",
        "foo: 1",
        "optimizer: {learning_rate: -1}",
        "optimizer: {learning_rate: 0}",
        "optimizer: {learning_rate: '1e-3'}",
        "optimizer: {name: adm}",
        "optimizer: {schedule: cosin}",
        "optimizer: {schedule: {name: staircase, every: 0}}",
        "regularization: {dropout: 1.0}",
        "regularization: {dropout: [0.1, 1.0]}",
        "regularization: {augment: [flip, mirror]}",
        "regularization: {augment: [{name: rotation, degrees: 200}]}",
        "network: {hidden: [0]}",
        "training: {batch_size: half}",
        "data: {split: [0.5, 0.5]}",
        "data: {class_weight: all}",
        "data: {class_weight: {a: -1}}",
        "name: a b",
    ],
)
def test_the_schema_refuses_what_the_program_refuses(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(values(text))


def test_an_editor_knows_the_words_that_a_search_alone_reads() -> None:
    assert [*STRATEGIES] == [*search_section.STRATEGIES]
    metrics = {sign + name for name in METRICS_OF_TRIALS for sign in ("", "-")}
    for key, words in {"strategy": {*STRATEGIES}, "metric": metrics}.items():
        for word in (*words, "random_", "dev_eror", "dev_errors", "test_error", "error"):
            assert VALIDATOR.is_valid({"search": {key: word}}) == (word in words), word
    assert VALIDATOR.is_valid({"search": {"metric": None}})


def test_every_key_has_a_default_and_a_line_of_help() -> None:
    rows = reference_rows()
    keys = {row.key for row in rows}
    sections = {*Config.model_fields, "data.format"} - {"name", "seed"}
    assert {dotted(path) for path in every_key(Config)} - sections <= keys
    assert all(row.help and row.default and row.type for row in rows)
    assert [row.key for row in rows if row.default == "required"] == ["data.source.train", "network.ensemble.seeds"]


def test_rows_say_what_the_schema_says() -> None:
    rows = {(row.key, row.applies): row for row in reference_rows()}
    rate = rows["optimizer.learning_rate", ""]
    assert (rate.type, rate.range, rate.default) == ("number", "> 0", "0.001")
    hidden = rows["network.hidden", ""]
    assert (hidden.type, hidden.range, hidden.default) == ("list", "≥ 1", "[64, 32]")
    dropout = rows["regularization.dropout", ""]
    assert (dropout.type, dropout.range) == ("number or list", "≥ 0, < 1")
    batch = rows["training.batch_size", ""]
    assert (batch.type, batch.range, batch.default) == ("name or whole number", "auto, full or ≥ 1", "auto")
    every = rows["optimizer.schedule.every", "name: staircase"]
    assert (every.type, every.range, every.default) == ("whole number", "≥ 1", "10")
    assert rows["optimizer.schedule.factors", "name: table"].default == "{1: 1.0}"
    assert rows["optimizer.weight_decay", ""].type == "number or null"
