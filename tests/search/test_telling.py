from dataclasses import replace
from typing import Any, get_args

import pytest

from nnrun.config.space.space import Space
from nnrun.engine.scores import Objective
from nnrun.search.plan import Plan
from nnrun.search.record import EndedBy, TrialRecord, best_of, rank, ranked
from nnrun.search.repeats import best_settings
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Random
from nnrun.search.telling import ENDINGS, outlook, ties, unfinished_repeats
from nnrun.search.trial_lines import best_table, compared_by, settings


def test_any_strategy_may_tell_what_it_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Talkative(Random):
        @classmethod
        def heading(cls, brief: Brief) -> list[str]:
            return [f"{brief.totals[-1] - brief.first} draws"]

    monkeypatch.setitem(STRATEGIES, "talkative", Talkative)
    plan = Plan([20], {}, None, "talkative", "dev_error", 0, 9, Space(()), enqueue=[{}])
    assert outlook(plan) == ["18 draws"]


def test_a_space_of_fewer_points_than_trials_is_told_of() -> None:
    """Those trials differ by their seed alone."""
    few = Space.of({"network.width": {"choice": [4, 8, 16]}, "training.batch_size": {"choice": [16, 32]}})
    plan = Plan([400], {}, None, "random", "dev_error", 0, 9, few, enqueue=[])
    assert " ".join(" ".join(outlook(plan)).split()).startswith("note the space has 6 combinations for 400 trials, so ")
    wide = Space.of({"network.width": {"choice": [4, 8]}, "optimizer.learning_rate": {"log": [0.01, 1.0]}})
    for other in (replace(plan, totals=[6]), replace(plan, strategy="grid"), replace(plan, space=wide)):
        assert outlook(other) == []


def test_repeats_that_a_kill_prevented_are_missed() -> None:
    finished = {"n": 2, "lost": 1}
    assert unfinished_repeats({"best_trial": 4, "repeats": [finished]}, 3, "ID") == []
    for repeats in (None, [finished, {"n": 1, "lost": 0}]):
        (line,) = unfinished_repeats({"best_trial": 4, "repeats": repeats}, 3, "ID")
        assert line.endswith("are not trained again 3 times yet; `nnrun resume ID` does it")
    assert unfinished_repeats({"best_trial": 4}, None, "ID") == []  # nobody asked
    assert unfinished_repeats({"best_trial": None}, 3, "ID") == []  # all diverged: there is nothing to repeat


def test_each_way_to_end_has_its_words() -> None:
    assert set(ENDINGS) == set(get_args(EndedBy))


def trial(number: int, error: float | None, loss: float | None) -> TrialRecord:
    return {
        "number": number, "values": {}, "seed": 0, "status": "done", "final": {"dev_error": error, "dev_loss": loss},
        "curve": [], "error": None, "metric": error, "time": 0.0,
    }  # fmt: skip


def continuing(parent: int, record: TrialRecord) -> TrialRecord:
    return record | {"parent": {"id": f"{parent:04d}", "epoch": 3}}  # type: ignore[return-value]


def test_of_trials_that_continue_each_other_one_counts() -> None:
    """As both may be one network; the one that trained on is chosen, where the other is no better."""
    first, other = trial(0, 0.1, 0.3), trial(1, 0.1, 0.4)
    on, worse = continuing(0, trial(2, 0.1, 0.3)), continuing(1, trial(3, 0.2, 0.5))
    diverged = continuing(2, trial(4, None, None)) | {"status": "diverged"}
    records = [first, other, on, worse, diverged]
    assert [record["number"] for record in ranked(records)] == [2, 1]  # type: ignore[arg-type]
    assert ties(records, Objective("dev_error"), "") == (  # type: ignore[arg-type]
        "2 of 5 trials share the best dev_error; trial 2 has the lowest dev loss of them"
    )
    assert [line.split()[0] for line in best_table(records, Objective("dev_error"), "")] == ["trial", "2", "1"]  # type: ignore[arg-type]
    assert best_settings(records)[0] == on  # type: ignore[arg-type]
    farther = continuing(2, trial(5, 0.1, 0.3)) | {"parent": {"id": "0002", "epoch": 9}}
    assert best_of([*records, farther]) == farther  # type: ignore[list-item]


def test_losses_of_two_kinds_decide_nothing_between_trials_of_one_value() -> None:
    kinds = {0: "squared_error", 1: "huber"}
    records = [trial(n, 0.1, 0.3 - n / 10) | {"values": {"training.loss": kinds[n]}} for n in kinds]
    assert best_of(records) == min(records, key=rank) == records[0]  # type: ignore[arg-type]
    assert ties(records, Objective("dev_error"), "").endswith("trial 0 is the first of them")  # type: ignore[arg-type]


def test_a_metric_that_is_maximised_is_titled_as_its_values_are() -> None:
    title, best = best_table([trial(0, 0.1, 0.3) | {"metric": -0.91}], Objective("-dev_auc"), "")  # type: ignore[list-item]
    assert (title.split(), best.split()) == (["trial", "dev_auc"], ["0", "0.91"])


@pytest.mark.parametrize(
    ("metric", "kind", "told"),
    [
        ("dev_error", "", "dev_error"),
        ("dev_error", "balanced", "dev_error (balanced error)"),
        ("-dev_auc", "weighted", "-dev_auc (weighted auc)"),
        ("cost", "balanced", "cost"),
    ],
)
def test_a_heading_names_the_metric_and_what_its_errors_are(metric: str, kind: str, told: str) -> None:
    assert compared_by(Objective(metric), kind) == told


def test_settings_of_one_last_word_are_told_apart() -> None:
    values = {"optimizer.schedule.epochs": 4, "training.epochs": 9, "regularization.l2": None}
    assert settings(values) == "schedule.epochs 4, training.epochs 9"
    found = best_table([trial(0, 0.1, 0.3) | {"values": values}], Objective("dev_error"), "")  # type: ignore[list-item]
    assert found[0].split() == ["trial", "dev_error", "schedule.epochs", "training.epochs", "l2"]


@pytest.mark.parametrize(
    ("trials", "best", "words"),
    [
        (((0.1, 0.3), (0.2, 0.1)), 0, ""),
        (((0.0, 0.3), (0.0, 0.1), (0.5, 0.0)), 1, "2 of 3 trials share the best dev_balanced_error; "
         "trial 1 has the lowest dev balanced loss of them"),
        (((0.0, 0.1), (0.0, 0.1), (0.0, 0.2)), 0, "3 of 3 trials share the best dev_balanced_error; "
         "trial 0 is the first of them with the lowest dev balanced loss"),
        (((0.0, 0.1), (0.0, 0.1)), 0, "2 of 2 trials share the best dev_balanced_error; trial 0 is the first of them"),
        (((None, None), (None, None)), None, ""),
    ],
)  # fmt: skip
def test_trials_that_share_the_best_value_are_told(trials: Any, best: int | None, words: str) -> None:
    records = [trial(number, *numbers) for number, numbers in enumerate(trials)]
    assert ties(records, Objective("dev_error"), "balanced") == words
    chosen = best_of(records)
    assert (chosen and chosen["number"]) == best
    if chosen:
        assert chosen == min(records, key=rank), "a search under way has the best of one over"
