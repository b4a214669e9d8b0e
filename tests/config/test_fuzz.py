"""Configs and arguments with slips in them: each is taken or refused with a ConfigError, in few words."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from nnrun.config.load import load_config
from nnrun.config.space.known import load_known
from nnrun.errors import ConfigError
from tests.mutations import slipped

ROOT = Path(__file__).parents[2]
CONFIGS = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "configs").glob("*.yaml"))]
PIECES = [
    ":",
    ",",
    "[",
    "]",
    "{",
    "}",
    "-",
    "&a",
    "*a",
    "!x",
    "|",
    "'",
    '"',
    "#",
    "\n",
    "\t",
    "  ",
    "null",
    "1e400",
    "0x",
    "-1",
    "nan",
    ".inf",
    "\x00",
    "\x1b[2J",
    "é",
    "9" * 400,
    "learning_rate",
    "log",
    "[1, 2]",
]
KEYS = [
    "optimizer.learning_rate",
    "network.hidden",
    "data.source",
    "data.format.delimiter",
    "search.space.network.width",
    "regularization.augment",
    "optimizer.schedule.every",
    "data.split",
    "seed",
    "search.enqueue",
    "",
]


mutated = partial(slipped, pieces=PIECES, slips=(1, 4), longest=30)


def a_file(rng: random.Random) -> None:
    load_known(load_config(Path("config.yaml"), text=mutated(rng, rng.choice(CONFIGS))))


def an_argument(rng: random.Random) -> None:
    value = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 4)))
    load_known(load_config(None, [f"{mutated(rng, rng.choice(KEYS))}={value}"], "{}"))


def tried(attempt: Callable[[random.Random], None], seeds: range) -> None:
    for seed in seeds:
        try:
            attempt(random.Random(seed))
        except ConfigError as error:
            assert 0 < len(str(error)) < 20_000, seed
        except Exception as error:
            raise AssertionError(f"seed {seed} of {attempt.__name__}") from error


@pytest.mark.parametrize(("attempt", "number"), [(a_file, 500), (an_argument, 100)])
def test_some_slips(attempt: Callable[[random.Random], None], number: int) -> None:
    tried(attempt, range(number))


@pytest.mark.soak
@pytest.mark.parametrize(("attempt", "number"), [(a_file, 10_000), (an_argument, 1_000)])
def test_many_slips(attempt: Callable[[random.Random], None], number: int) -> None:
    tried(attempt, range(number))
