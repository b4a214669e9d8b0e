from nnrun.config.space.space import Space
from nnrun.search.plan import Plan
from nnrun.search.strategies.strategy import Brief
from nnrun.search.telling import rung_lines, unfinished_repeats


def test_the_rungs_are_told_before_the_start() -> None:
    space = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})
    # 9 + 3 + 1 trials beside trial 0; 9 epochs in all, a third of them and a third of that on the rungs below.
    assert rung_lines(Brief(space, 0, [14], epochs=9, first=1)) == [
        "rung     trials 1 to 9 until epoch 1",
        "rung     trials 10 to 12 until epoch 3, the best of those until epoch 1",
        "rung     trials 13 to 13 until epoch 9, the best of those until epoch 3",
    ]


def test_rungs_begin_behind_the_known_settings() -> None:
    space = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})
    plan = Plan([16], {}, None, "halving", "dev_error", 0, 9, space, enqueue=[{}, {}])
    first, *_ = rung_lines(plan.brief())
    assert first == "rung     trials 3 to 11 until epoch 1"  # 9 of the 13 trials behind the config and two others


def test_repeats_that_a_kill_prevented_are_missed() -> None:
    finished = {"n": 2, "lost": 1}
    assert unfinished_repeats({"best_trial": 4, "repeats": [finished]}, 3, "ID") == []
    for repeats in (None, [finished, {"n": 1, "lost": 0}]):
        (line,) = unfinished_repeats({"best_trial": 4, "repeats": repeats}, 3, "ID")
        assert line.endswith("are not trained again 3 times yet; `nnrun resume ID` does it")
    assert unfinished_repeats({"best_trial": 4}, None, "ID") == []  # nobody asked
    assert unfinished_repeats({"best_trial": None}, 3, "ID") == []  # all diverged: there is nothing to repeat
