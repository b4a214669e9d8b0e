"""Three retests whose answers are known: the same data, the same data twice, and data with other best settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nnrun.engine.scores import Objective
from nnrun.runs.rundir import RunDir
from nnrun.search.retests.record import read
from nnrun.search.retests.telling import conclusion, evidence
from nnrun.search.running import SearchOutcome
from tests.search.retests.conftest import planted

Retest = Callable[..., SearchOutcome]


def told(outcome: SearchOutcome) -> str:
    """What the screen says in the end, in one line."""
    record = read(outcome.run)
    assert record["verdict"] is not None
    lines = [*evidence(record, record["verdict"], Objective("dev_error")), *conclusion(record["verdict"])]
    return " ".join(" ".join(lines).split())


def test_on_the_same_data_the_ranking_holds(retest: Retest, old: RunDir) -> None:
    outcome = retest()
    record = read(outcome.run)
    verdict = record["verdict"]
    assert verdict is not None
    assert (outcome.status, record["same_data"], verdict["holds"], verdict["search_again"]) == (
        "done",
        True,
        True,
        False,
    )
    assert verdict["ranking"]["holds"] is True
    assert (verdict["ranking"]["correlation"] or 0) > 0.8
    assert verdict["best"] is not None
    assert verdict["best"]["among_the_best"] is True
    assert verdict["command"] is None
    assert "the order is still there" in told(outcome)
    assert "the old ranking holds; no need to search again: " in told(outcome)
    assert "data: the same rows and parts as then" in record["told"]


def test_on_the_same_data_twice_it_holds(retest: Retest, old: RunDir) -> None:
    outcome = retest(f"data.source={old.path.parents[1] / 'doubled.csv'}")
    record = read(outcome.run)
    verdict = record["verdict"]
    assert verdict is not None
    assert (record["same_data"], verdict["holds"], verdict["search_again"]) == (False, True, False)
    assert verdict["ranking"]["holds"] is True
    assert any("doubled.csv instead of" in line and "(300 rows then, 600 rows now)" in line for line in record["told"])


def test_on_data_with_other_best_settings_it_does_not(retest: Retest, old: RunDir) -> None:
    outcome = retest(f"data.source={old.path.parents[1] / 'other.csv'}")
    record = read(outcome.run)
    verdict = record["verdict"]
    assert verdict is not None
    assert (outcome.status, verdict["holds"], verdict["search_again"]) == ("done", False, True)
    assert verdict["ranking"]["holds"] is False
    assert (verdict["ranking"]["correlation"] or 0) < -0.8
    assert verdict["best"] is not None
    assert verdict["best"]["among_the_best"] is False
    assert verdict["command"] == f"nnrun search {outcome.run.resolved} --runs {outcome.run.path.parent}"
    assert "the order has turned round" in told(outcome)
    assert "the old ranking does not hold; search again: " in told(outcome)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12))
def test_the_answers_do_not_hang_on_a_seed(seed: int, tmp_path: Path, retest: Retest) -> None:
    search = planted(tmp_path, data_seed=10 * seed, seed=seed)
    answers = []
    for name in ("old", "doubled", "other"):
        verdict = read(retest(f"data.source={tmp_path / name}.csv", search=search).run)["verdict"]
        assert verdict is not None
        answers.append((verdict["holds"], verdict["search_again"], verdict["ranking"]["holds"]))
    assert answers == [(True, False, True), (True, False, True), (False, True, False)]
