"""Conditions and keys with slips in them: `list` takes them, and lists what fulfils them, or says what is wrong."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial

import pytest

from nnrun.cli.app import parser_of
from nnrun.errors import UsageError
from nnrun.insight.comparison.listing import Condition, Entry, select
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from tests.mutations import slipped

MakeRun = Callable[..., RunDir]
Attempt = Callable[[random.Random, list[Entry]], None]
CONDITIONS = [
    "status=done", "name=dig*", "dev_error<5%", "dev_error>=0.1", "optimizer.name!=adam", "network.hidden=[64,32]",
    "optimizer.learning_rate<=1e-3", "created>2026-01-01", "seed==0", "kind=search", "dev_loss > 0.1", "parent!=null",
    "best_trial=1", "optimizer.schedule={name: constant}", "id=20260101-*",
]  # fmt: skip
KEYS = [
    "dev_error", "created", "seconds", "optimizer.learning_rate", "network.hidden", "status", "parent", "best_trial",
    "data.target", "optimizer.schedule.name", "id", "epochs",
]  # fmt: skip
PIECES = [
    "<", ">", "=", "!=", "==", "<=", "!", "%", " ", "*", "?", "[", "]", "[!", "{", "}", "'", '"', ".", "..", ",", "-",
    "e", "1e999", "nan", "inf", "-inf", "0x1", "null", "true", "\x00", "\n", "\t", "\x1b[2J", "\u202e", "é", "\ud800",
    "9" * 5_000, "*" * 40, "[a-" * 30, "a*" * 25, "١", "1_0",
]  # fmt: skip
OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "=": "!=", "==": "!=", "!=": "="}


@pytest.fixture
def entries(make_run: MakeRun, make_search: MakeRun) -> list[Entry]:
    """Runs that differ, two of them without a result, one broken, and a search."""
    runs = [
        make_run("a"),
        make_run("b", {"optimizer.learning_rate": 0.1, "network.hidden": [8]}, dev_error=0.5, dev_auc=0.9),
        make_run("c", {"optimizer.name": "sgd", "seed": 7}, record={"status": "diverged", "final": None}, curve=()),
        make_run("d", record={"parent": {"id": "x", "epoch": 3}, "seconds": None}, dev_error=0.01),
        make_run("e", {"data.target": True, "seed": 2.5, "network.activation": ["relu", None]}),
        make_run("f"),
        make_search("g"),
    ]
    (runs[5].path / "run.json").write_text("]")
    return [Entry(StoredRun(run)) for run in runs]


mutated = partial(slipped, pieces=PIECES, slips=(0, 3), longest=6)


def found(
    entries: list[Entry], filters: list[str], key: str | None = None, reverse: bool = False
) -> list[Entry] | None:
    """Those that are listed; None where it is refused, in few words."""
    try:
        return select(entries, filters, key, reverse)
    except UsageError as error:
        assert 0 < len(str(error)) < 20_000
        return None


def filtered(rng: random.Random, entries: list[Entry]) -> None:
    """What fulfils a condition and what fulfils its opposite are all that have a value, each once and in order."""
    text = mutated(rng, rng.choice(CONDITIONS))
    listed = found(entries, [text])
    if listed is None:
        return
    key, comparison, value = Condition.of(text)
    rest = found(entries, [f"{key}{OPPOSITE[comparison]}{value}"])
    assert rest is not None
    there = [entry for entry in entries if comparison in ("=", "==", "!=") or entry.value(key) is not None]
    unordered = comparison not in ("=", "==", "!=") and value.lower().strip("+-%") == "nan"
    assert [entry for entry in entries if entry in listed or entry in rest] == ([] if unordered else there), text
    assert not set(listed) & set(rest), text


def sorted_(rng: random.Random, entries: list[Entry]) -> None:
    """All are listed, those with a value in one order or its reverse, the others last."""
    key = mutated(rng, rng.choice(KEYS))
    listed, reverse = found(entries, [], key), found(entries, [], key, reverse=True)
    if not listed or not reverse:
        assert listed is reverse is None, key
        return
    values = [entry.value(key) for entry in listed if entry.value(key) is not None]
    assert set(listed) == set(reverse) == set(entries)
    assert [entry.value(key) for entry in reverse if entry.value(key) is not None] == values[::-1], key


def printed(rng: random.Random, entries: list[Entry]) -> None:
    """The command itself, in each format; a terminal is sent nothing that it would obey."""
    condition, key = mutated(rng, rng.choice(CONDITIONS)), mutated(rng, rng.choice(KEYS))
    words = [
        "--runs",
        str(entries[0].run.directory.path.parent),
        *rng.choice([["--filter", condition], ["--sort", key]]),
    ]
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as ended, redirect_stdout(out), redirect_stderr(err):
        asked = ["list", *words, *rng.choice([[], ["--json"], ["--csv"], ["--reverse"]])]
        parser_of(asked)(asked, prog_name="nnrun")
    assert (ended.value.code or 0, bool(err.getvalue() or '"error"' in out.getvalue())) in [(0, False), (2, True)]
    assert all(line.isprintable() for line in err.getvalue().split("\n"))


def tried(attempt: Attempt, seeds: range, entries: list[Entry]) -> None:
    for seed in seeds:
        try:
            attempt(random.Random(seed), entries)
        except Exception as error:
            raise AssertionError(f"seed {seed} of {attempt.__name__}") from error


@pytest.mark.parametrize(("attempt", "number"), [(filtered, 100), (sorted_, 100), (printed, 30)])
def test_some_slips(attempt: Attempt, number: int, entries: list[Entry]) -> None:
    tried(attempt, range(number), entries)


@pytest.mark.soak
@pytest.mark.parametrize("attempt", [filtered, sorted_, printed])
def test_many_slips(attempt: Attempt, entries: list[Entry]) -> None:
    tried(attempt, range(1_000), entries)
