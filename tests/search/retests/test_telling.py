"""What is said of a verdict, in words that a reader can act on."""

from __future__ import annotations

from nnrun.engine.scores import Objective
from nnrun.search.retests.telling import best_words, conclusion, group_words, order_words, table
from tests.search.retests.test_standing import LADDER, record, seeds, verdict


def test_a_difference_that_is_sure_but_small_is_called_so() -> None:
    values = [seeds(0.0202), seeds(0.3), [0.02 * f for f in (0.97, 1, 1.03)], seeds(0.4)]
    found = verdict([0.01, 0.02], values)
    assert found["best"] is not None
    words = best_words(record([0.01, 0.02], 2), found, found["best"], Objective("dev_error"))
    assert words.startswith("old trial 0, 1.0% then, 2.0% today, rank 2 of 4; 0.0 points behind fresh 1 (")
    assert words.endswith("): too little to count, still among the best")


def test_a_difference_that_may_be_chance_leaves_open_where_the_old_best_stands() -> None:
    values = [[0.1, 0.2, 0.3], seeds(0.3), [0.1, 0.15, 0.25], seeds(0.4)]
    found = verdict([0.01, 0.02], values)
    assert found["best"] is not None
    words = best_words(record([0.01, 0.02], 2), found, found["best"], Objective("dev_error"))
    assert "points behind fresh 1 (-" in words
    assert words.endswith("): may still be among the best")


def test_a_metric_that_is_maximised_is_told_as_it_is_read() -> None:
    values = [[-0.90, -0.91, -0.92], [-0.80, -0.81, -0.82], [-0.5, -0.51, -0.52], [-0.6, -0.61, -0.62]]
    found = verdict([-0.95, -0.90], values, metric="-dev_auc")
    assert found["best"] is not None
    then, auc = record([-0.95, -0.90], 2), Objective("-dev_auc")
    words = best_words(then, found, found["best"], auc)
    assert words.startswith("old trial 0, 0.95 then, 0.91 today, rank 1 of 4; 0.1 ahead of old trial 1 (")
    assert table(then, found, auc, "")[0].split()[:3] == [
        "dev_auc",
        "then",
        "today",
    ]


def test_lost_trainings_and_level_orders_have_words() -> None:
    found = verdict(LADDER, [[None, 0.1, 0.2], *map(seeds, LADDER[1:]), *map(seeds, LADDER)])
    assert found["best"] is not None
    words = best_words(record(LADDER, 8), found, found["best"], Objective("dev_error"))
    assert words == "old trial 0, 1.0% then, 1 of 3 trainings without a result today"
    level = verdict(LADDER, [[0.1, 0.1, 0.1]] * 16)
    assert order_words(level["ranking"], 8).startswith("the order of 8 settings cannot be compared")
    assert level["group"] is not None
    assert group_words(level["group"]).startswith("the old settings beat fresh ones in 50% of pairs (50% to 50%;")


def test_the_conclusion_answers_both_questions() -> None:
    holds = verdict(LADDER, [*map(seeds, LADDER), *(seeds(0.5 + 0.1 * i) for i in range(8))])
    assert " ".join(" ".join(conclusion(holds)).split()).startswith(
        "verdict the old ranking holds; no need to search again: "
    )
    unclear = verdict([0.01], [seeds(0.01)], tried=1)
    assert " ".join(" ".join(conclusion(unclear)).split()) == (
        "verdict whether the old ranking holds cannot be told; more settings or more seeds may tell"
    )
