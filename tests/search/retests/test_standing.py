"""The arithmetic of a verdict, on values whose answers can be worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from nnrun.engine.scores import Objective
from nnrun.runs.rundir import RunDir
from nnrun.search.retests.record import RetestRecord, RetestVerdict
from nnrun.search.retests.standing import Today, correlation, gap, group, judged, results, signs, worth

NEW = RunDir(Path("runs/new"))


def record(then: list[float], fresh: int, seeds: int = 3, tried: int = 50, strategy: str = "random") -> RetestRecord:
    settings = [{"trial": i, "values": {}, "then": value} for i, value in enumerate(then)]
    found: Any = {
        "schema_version": 1,
        "search": {"id": "old", "path": "/old", "strategy": strategy, "settings": tried, "data": {}},
        "asked": {"top": len(then), "seeds": seeds, "config": None, "set": ["data.source=new.csv"]},
        "same_data": True,
        "told": [],
        "seeds": list(range(seeds)),
        "settings": [*settings, *[{"trial": None, "values": {}, "then": None}] * fresh],
        "verdict": None,
    }
    return found


def trials(values: list[list[float | None]]) -> Any:
    """Their lines in a ledger; values: settings, seeds."""
    count = len(values)
    return [
        {"number": seed * count + place, "metric": value}
        for place, row in enumerate(values)
        for seed, value in enumerate(row)
    ]


def verdict(then: list[float], values: list[list[float | None]], metric: str = "dev_error", **of: Any) -> RetestVerdict:
    seeds = max(map(len, values))
    found = judged(record(then, len(values) - len(then), seeds, **of), trials(values), Objective(metric), NEW)
    assert found is not None
    return found


@pytest.mark.parametrize("ties", [False, True])
def test_the_correlation_is_kendalls(ties: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = (rng.integers(0, 4 if ties else 10**6, 9).astype(float) for _ in range(2))
        assert correlation(signs(one), signs(other)) == pytest.approx(stats.kendalltau(one, other).statistic)


def test_trainings_without_a_result_are_level_and_worst() -> None:
    # three pairs: 1 before 2, 1 before 3 and 2 before 3 then; today 2 and 3 are level: 2 / sqrt(3 · 2)
    today = np.array([0.1, math.inf, math.inf])
    assert correlation(signs(np.array([1.0, 2, 3])), signs(today)) == pytest.approx(2 / math.sqrt(6))
    found = results(np.array([[0.1, 0.3], [0.2, math.inf], [0.4, 0.4]]))
    assert [each["rank"] for each in found] == [1, 3, 2]
    assert found[0]["mean"] == pytest.approx(0.2)
    assert found[0]["deviation"] == pytest.approx(math.sqrt(0.02))  # (0.1² + 0.1²) / 1
    assert (found[1]["mean"], found[1]["deviation"], found[1]["lost"]) == (None, None, 1)


def test_differences_too_small_to_matter_count_as_none() -> None:
    assert worth(np.array([0.02, 0.5]), Objective("dev_error")) == pytest.approx(0.001)
    assert worth(np.array([-0.98, -0.5]), Objective("-dev_auc")) == pytest.approx(0.001), "0.02 lack to 1"
    assert signs(np.array([0.0200, 0.0205, 0.03]), 0.001)[0].tolist() == [0, 0, -1]


def test_the_interval_of_a_difference_is_students_pooled_over_the_better_half() -> None:
    # two settings, three seeds: differences 0.1, 0.2, 0.3; the paired t interval is 0.2 ± 4.303 · 0.1 / sqrt(3)
    values = np.array([[0.3, 0.5, 0.4], [0.2, 0.3, 0.1]])
    found = gap(values, 0, 1)
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 4.3027 * 0.1 / math.sqrt(3), rel=1e-4)
    assert gap(np.array([[0.1, math.inf], [0.2, 0.2]]), 0, 1) is None


LADDER = [0.01 * 1.3**i for i in range(8)]  # of old errors


def seeds(mean: float) -> list[float | None]:
    return [mean * 0.97, mean, mean * 1.03]


def test_an_order_that_is_still_there_holds() -> None:
    found = verdict(LADDER, [*map(seeds, LADDER), *(seeds(0.5 + 0.1 * i) for i in range(8))])
    assert (found["holds"], found["search_again"], found["command"]) == (True, False, None)
    assert found["ranking"]["correlation"] == pytest.approx(1.0, abs=0.1)
    assert found["group"] is not None
    assert (found["group"]["wins"], found["group"]["better"]) == (1.0, True)
    assert found["best"] is not None
    assert (found["best"]["rank"], found["best"]["against"], found["best"]["among_the_best"]) == (1, 1, True)
    assert found["best"]["difference"] == pytest.approx(0.01 - 0.013)


def test_an_order_that_has_turned_round_does_not() -> None:
    found = verdict(LADDER, [*map(seeds, LADDER[::-1]), *(seeds(0.5 + 0.1 * i) for i in range(8))])
    assert (found["holds"], found["ranking"]["holds"]) == (False, False)
    assert found["search_again"] is False, "as a group they still beat fresh ones"
    found = verdict(LADDER, [*map(seeds, LADDER[::-1]), *map(seeds, LADDER)])
    assert (found["holds"], found["search_again"]) == (False, True)
    assert found["command"] == "nnrun search runs/new/resolved.yaml"


def test_a_fresh_setting_that_is_clearly_better_asks_for_a_new_search() -> None:
    found = verdict(LADDER, [*map(seeds, LADDER), seeds(0.002), *(seeds(0.5 + 0.1 * i) for i in range(7))])
    assert (found["holds"], found["search_again"]) == (True, True)
    assert found["best"] is not None
    assert (found["best"]["against"], found["best"]["among_the_best"]) == (8, False)


def test_few_settings_cannot_tell_and_a_wider_retest_is_proposed() -> None:
    found = verdict([0.01, 0.02], [seeds(0.01), seeds(0.02), seeds(0.011), seeds(0.3)])
    assert (found["holds"], found["search_again"]) == (None, None)
    assert found["command"] == "nnrun retest /old --set data.source=new.csv --top 4 --seeds 6"


def test_few_settings_do_better_by_chance() -> None:
    """Two old ones before two fresh ones: one of six orders has them so."""
    today = Today(np.array([[0.1] * 3, [0.12] * 3, [0.3] * 3, [0.32] * 3]), 0.0)
    found = group(today, 2, 0.45, 1.0)
    assert (found["wins"], found["interval"], found["better"]) == (1, [1, 1], None)
    assert found["chance"] == pytest.approx(1 / 6, abs=0.05)


def test_what_comes_next_is_made_beside_the_retest() -> None:
    for then, words in ((LADDER[:1], "retest /old "), (LADDER, "search /other/new/resolved.yaml ")):
        values = [seeds(value) for value in reversed(then)]
        found = judged(record(then, 0), trials(values), Objective("dev_error"), RunDir(Path("/other/new")))
        assert found and found["command"] and found["command"].startswith(f"nnrun {words}")
        assert found["command"].endswith(" --runs /other")


def test_one_setting_alone_has_neither_order_nor_neighbour() -> None:
    found = verdict([0.01], [seeds(0.01)], tried=1)
    assert (found["best"], found["group"], found["ranking"]["correlation"], found["holds"]) == (None, None, None, None)


def test_level_results_have_no_order() -> None:
    found = verdict(LADDER, [[0.1, 0.1, 0.1]] * 16)
    assert (found["ranking"]["correlation"], found["ranking"]["agreement"], found["search_again"]) == (None, None, None)


def test_all_diverged_is_told() -> None:
    found = verdict(LADDER, [*[[None, None, None]] * 8, *map(seeds, LADDER)])
    assert (found["search_again"], found["holds"]) == (True, False)
    assert found["best"] is not None
    assert (found["best"]["today"], found["best"]["among_the_best"]) == (None, False)
    everything = verdict(LADDER, [[None, None, None]] * 16)
    assert (everything["holds"], everything["search_again"]) == (None, None)


def test_seeds_that_not_all_settings_have_do_not_count() -> None:
    values = [*map(seeds, LADDER), *map(seeds, LADDER)]
    lines = [line for line in trials(values) if line["number"] != 47]  # the last setting with the last seed
    found = judged(record(LADDER, 8), lines, Objective("dev_error"), NEW)
    assert found is not None
    assert found["seeds"] == 2
    assert judged(record(LADDER, 8), lines[:3], Objective("dev_error"), NEW) is None


def test_what_the_best_of_a_grid_ought_to_win_is_not_known() -> None:
    values = [*map(seeds, LADDER), *map(seeds, LADDER)]
    drawn, grid = (verdict(LADDER, values, strategy=name)["group"] for name in ("random", "grid"))
    assert drawn is not None
    assert grid is not None
    assert (drawn["better"], grid["better"]) == (False, None)
    assert grid["expected"] == 0.5
    assert drawn["expected"] == pytest.approx(0.92, abs=0.06)  # 1 − 8 / 100, less what seeds confuse
