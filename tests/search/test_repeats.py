"""The best three trained again with new seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nnrun.config.load import load_config
from nnrun.engine.scores import Objective
from nnrun.errors import UsageError
from nnrun.runs import verbs
from nnrun.runs.rundir import RunDir
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord, rank
from nnrun.search.repeats import best_settings
from nnrun.search.running import SearchOutcome
from nnrun.search.seeds import repeat_seed, trial_seed
from nnrun.search.stored import StoredSearch
from nnrun.search.telling import repeat_lines
from nnrun.search.verbs import resume
from tests.asked import asking
from tests.search.conftest import Hearing

Search = Callable[..., SearchOutcome]
Stored = Callable[[RunDir], Any]


def again(run: RunDir, trials: int | None = None, say: Callable[[str], None] = lambda line: None,
          told_to_stop: Callable[[], bool] = lambda: False, **options: Any) -> SearchOutcome:  # fmt: skip
    return resume(run, trials, asking(**options), Hearing(say), told_to_stop)


def repeats(run: RunDir) -> dict[int, list[TrialRecord]]:
    """Ledgers of the repeats by trial."""
    return {int(path.parent.name): Ledger(path).read()[0] for path in run.path.glob("repeats/*/trials.jsonl")}


def test_what_was_trained_is_known_without_the_library_of_a_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> None:
        raise UsageError("the strategy tpe needs optuna")

    monkeypatch.setattr("nnrun.search.strategies.tpe._optuna", lacking)
    trials = [{"number": 0}, {"number": 1, "pruned": True}]
    search = SimpleNamespace(plan=SimpleNamespace(strategy="tpe", epochs=9), trials=trials)
    assert StoredSearch.whole.func(cast(Any, search)) == trials[:1]


def results(outcome: SearchOutcome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = outcome.record["repeats"]
    return found


def test_the_best_three_are_trained_again_with_new_seeds(search: Search) -> None:
    outcome = search(repeat=4)
    ranked = sorted(outcome.records, key=rank)[:3]
    assert [each["trial"] for each in results(outcome)] == [record["number"] for record in ranked]
    for record, each in zip(ranked, results(outcome), strict=True):
        trained = repeats(outcome.run)[record["number"]]
        errors = [one["final"]["dev_error"] for one in trained]
        assert each["values"] == errors
        assert each["mean"] == pytest.approx(sum(errors) / 4)
        assert each["deviation"] == pytest.approx(statistics.stdev(errors))
        assert (each["n"], each["lost"], each["chosen"]) == (4, 0, record["metric"])
        seeds = [one["seed"] for one in trained]
        assert seeds == [repeat_seed(3, record["number"], i) for i in range(4)]
        assert record["seed"] not in seeds
        assert all(one["values"] == record["values"] for one in trained)
        assert not any("test_error" in one["final"] for one in trained)
    assert outcome.record["best_trial"] == ranked[0]["number"]
    assert outcome.record["test_reads"] == 1
    assert outcome.record["trials"] == len(outcome.records) == 12


def test_seeds_of_repeats_and_trials_are_all_different() -> None:
    seeds = [repeat_seed(3, number, i) for number in range(30) for i in range(30)]
    assert len({*seeds, *(trial_seed(3, number) for number in range(100))}) == 900 + 100


def test_a_repeat_is_an_ordinary_run(search: Search, tmp_path: Path) -> None:
    outcome = search("search.trials=3", repeat=2)
    run = RunDir(outcome.run.path / f"repeats/{outcome.record['best_trial']:04d}/0001")
    alone = verbs.train(load_config(run.path / "resolved.yaml"), tmp_path / "alone").run
    name = "checkpoints/best.safetensors"
    assert alone.read(name) == run.read(name)
    with pytest.raises(UsageError, match="belongs to the search"):
        verbs.resume(run, 9)


def test_workers_and_stacking_change_nothing(search: Search) -> None:
    one, two = search(repeat=3), search(repeat=3, workers=2, stack=1)
    assert results(one) == results(two)


def test_a_finished_search_gets_repeats_and_more_of_them_and_none_is_trained_twice(search: Search) -> None:
    outcome = search("search.trials=5")
    told: list[str] = []
    first = again(outcome.run, say=told.append, repeat=2)
    assert len(told) == 3 * 2
    assert told[0].startswith(f"trial {outcome.record['best_trial']} again, 1 of 2: ")
    times = {path: path.stat().st_mtime_ns for path in outcome.run.path.glob("repeats/*/*/run.json")}
    assert len(times) == 6
    more = again(outcome.run, repeat=5)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    for before, after in zip(results(first), results(more), strict=True):
        assert after["values"][:2] == before["values"]
        assert after["n"] == 5
    assert results(again(outcome.run, say=told.append)) == results(more), "their number is kept"
    assert len(told) == 6
    assert results(search("search.trials=5", repeat=5)) == results(more)
    with pytest.raises(UsageError, match="was asked for 5 repeats already"):
        again(outcome.run, repeat=4)


def test_told_to_stop_among_the_repeats_it_goes_on_there(search: Search) -> None:
    run = search("search.trials=4").run
    heard: list[str] = []
    part = again(run, repeat=3, stack=1, say=heard.append, told_to_stop=lambda: len(heard) > 3)
    assert part.status == "interrupted"
    assert sum(each["n"] for each in results(part)) == 4
    assert again(run).status == "done"
    assert results(again(run)) == results(search("search.trials=4", repeat=3))


def test_killed_among_the_repeats_it_goes_on_there(search: Search) -> None:
    whole = search("search.trials=4", repeat=3)
    run = search("search.trials=4").run
    heard: list[str] = []

    def say(line: str) -> None:
        heard.append(line)
        if len(heard) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(run, say=say, repeat=3, stack=1)
    trained = {path: path.stat().st_mtime_ns for path in run.path.glob("repeats/*/*/run.json")}
    assert len(trained) == 5
    outcome = again(run, stack=1)
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    assert results(outcome) == results(whole)


def test_out_of_time_there_are_none(search: Search) -> None:
    run = search("search.trials=4").run
    outcome = again(run, timeout=0.0, repeat=3)
    assert [each["n"] for each in results(outcome)] == [0, 0, 0]
    assert results(again(run, timeout=600.0)) == results(search("search.trials=4", repeat=3))


def test_repeats_that_diverge_are_counted_apart(search: Search) -> None:
    space = "search.space={optimizer.learning_rate: {choice: [1e30, 1e31]}}"
    outcome = search(space, "optimizer.name=sgd", "search.trials=4", repeat=2)
    assert outcome.status == "done", "trial 0 has a rate of its own"
    assert [(each["trial"], each["n"], each["lost"]) for each in results(outcome)] == [(0, 2, 0)]


def record(number: int, metric: float | None, **values: Any) -> TrialRecord:
    final = {} if metric is None else {"dev_error": metric, "dev_loss": 1.0}
    status = "failed" if metric is None else "done"
    return {"number": number, "values": values, "metric": metric, "final": final, "status": status}


def test_of_trials_with_equal_settings_the_best_is_trained_again() -> None:
    records = [record(0, 0.3, a=1), record(1, 0.1, a=2), record(2, None, a=3), record(3, 0.2, a=2), record(4, 0.4, a=4)]
    assert [each["number"] for each in best_settings(records)] == [1, 0, 4]


def test_the_summary_tells_mean_and_deviation_and_which_is_better() -> None:
    found = [
        {"trial": 9, "chosen": 0.019, "mean": 0.03, "deviation": 0.004, "n": 5, "lost": 0},
        {"trial": 13, "chosen": 0.02, "mean": 0.025, "deviation": 0.011, "n": 3, "lost": 2},
        {"trial": 4, "chosen": 0.02, "mean": None, "deviation": None, "n": 0, "lost": 0},
    ]
    assert repeat_lines(found, Objective("dev_error")) == [
        "trained again with new seeds; the chosen runs do not count, they were chosen for their luck too",
        "trial  chosen  again           n",
        "    9    1.9%   3.0%  ±  0.4%  5",
        "   13    2.0%   2.5%  ±  1.1%  3, 2 without a result",
        "    4    2.0%      –  ±     –  0",
        "note     with new seeds trial 13 cannot be told from trial 9: 2.5% against 3.0%",
        "",
    ]
    assert "note" not in "".join(repeat_lines(found[:1], Objective("dev_error")))
    assert repeat_lines([], Objective("dev_error")) == []
    [_, _, row, _] = repeat_lines(
        [{**found[0], "chosen": -2.0, "mean": -1.5, "deviation": 0.25}], Objective("-dev_loss")
    )
    assert row.split() == ["9", "2", "1.5", "±", "0.25", "5"]


def test_a_config_called_search_yaml_makes_no_search_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text("training: {epochs: 1}\ndata: {source: iris}\n")
    run = verbs.train(load_config(tmp_path / "search.yaml"), tmp_path / "runs").run
    assert verbs.resume(run, 2).status == "done"
