"""Files that are made to take long or to flood the screen: an answer in bounded time and length."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnrun.config.load import load_config
from nnrun.config.space.known import load_known
from nnrun.errors import ConfigError
from nnrun.text import closest

MANY = 1000
BOMBS = {
    "keys": "".join(f"optimzer{i}: 1\n" for i in range(MANY)),
    "keys of a section": "optimizer:\n" + "".join(f"  learning_rte{i}: 1\n" for i in range(MANY)),
    "a long key": f'"{"a" * 500_000}": 1\n',
    "a long key of a section": f'optimizer: {{"{"learning_rate" * 50_000}": 1}}\n',
    "a long name": f"optimizer: {{name: {'adam' * 200_000}}}\n",
    "wrong items": f"network: {{hidden: [{','.join(['a'] * MANY)}]}}\n",
    "one key again and again": "seed: 1\n" * MANY,
    "wrong weights": f"data: {{class_weight: {{{','.join(f'c{i}: -1' for i in range(MANY))}}}}}\n",
    "augmentations": f"regularization: {{augment: [{','.join(f'flp{i}' for i in range(MANY))}]}}\n",
    "keys of a space": f"search: {{space: {{{','.join(f'optimizer.lr{i}: {{lg: [1, 2]}}' for i in range(MANY))}}}}}\n",
    "ranges": f"search: {{space: {{network.width: {{{','.join(f'lgo{i}: [1, 2]' for i in range(MANY))}}}}}}}\n",
    "choices": f"search: {{space: {{optimizer.name: {{choice: [{','.join(f'adm{i}' for i in range(MANY))}]}}}}}}\n",
    "known settings": f"search: {{enqueue: [{{{','.join(f'optimizer.lr{i}: 1' for i in range(MANY))}}}]}}\n",
    "a long encoding": f"data: {{format: {{encoding: {'utf8' * 100_000}}}}}\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_what_is_told_is_bounded(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_known(load_config(Path("config.yaml"), text=text))
    assert len(str(refused.value)) < 50_000 and len(refused.value.problems) <= 101


def test_how_many_more_there_are_is_told() -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(Path("config.yaml"), text=BOMBS["wrong items"])
    assert refused.value.problems[0] == "config.yaml:1:20: network.hidden[0]: expected a whole number, got the text 'a'"
    assert refused.value.problems[-1] == f"… and {MANY - 100:,} more"


def test_a_long_argument_is_cut() -> None:
    for argument in (f"{'a' * 100_000}=1", f"seed={'1' * 2_000}", f"optimizer.name={'adam' * 100_000}"):
        with pytest.raises(ConfigError) as refused:
            load_config(None, [argument])
        assert len(str(refused.value)) < 1_200


def test_nobody_misspells_a_word_of_a_thousand_letters() -> None:
    assert closest("learning_rate" * 100, ["learning_rate"]) is None
    assert closest("learning_rat", ["learning_rate", "x" * 1_000_000]) == "learning_rate"


def test_a_section_that_is_called_by_a_number() -> None:
    with pytest.raises(ConfigError, match=r"config.yaml:1:1: 12: unknown key; allowed here"):
        load_config(Path("config.yaml"), text="12: 3\nseed: 1\n")
