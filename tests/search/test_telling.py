from nnrun.search.space import Space
from nnrun.search.telling import rung_lines


def test_the_rungs_are_told_before_the_start() -> None:
    space = Space.of({"optimizer.learning_rate": {"log": [1e-4, 1]}})
    # 9 + 3 + 1 trials beside trial 0; 9 epochs in all, a third of them and a third of that on the rungs below.
    assert rung_lines({"seed": 0, "totals": [14]}, space, epochs=9) == [
        "rung     trials 1 to 9 until epoch 1",
        "rung     trials 10 to 12 until epoch 3, the best of those until epoch 1",
        "rung     trials 13 to 13 until epoch 9, the best of those until epoch 3",
    ]
