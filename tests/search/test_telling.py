from typing import get_args

import pytest

from nnrun.config.space.space import Space
from nnrun.search.plan import Plan
from nnrun.search.record import EndedBy
from nnrun.search.strategies import STRATEGIES
from nnrun.search.strategies.strategy import Brief, Random
from nnrun.search.telling import ENDINGS, outlook, unfinished_repeats


def test_any_strategy_may_tell_what_it_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Talkative(Random):
        @classmethod
        def heading(cls, brief: Brief) -> list[str]:
            return [f"{brief.totals[-1] - brief.first} draws"]

    monkeypatch.setitem(STRATEGIES, "talkative", Talkative)
    plan = Plan([20], {}, None, "talkative", "dev_error", 0, 9, Space(()), enqueue=[{}])
    assert outlook(plan) == ["18 draws"]


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
