from __future__ import annotations

import doctest

import numpy as np
import pytest

import nnrun.engine.batches
import nnrun.engine.update
from nnrun.engine.stopping import Best, Ceilings, EarlyStopping, scores_of

NAN = float("nan")
ON, BOTH = np.array([True]), np.array([True, True])


def watched(errors: list[float], losses: list[float]) -> Best:
    """One member whose theta at epoch e is e, its state −e."""
    best = Best(1)
    for epoch, (error, loss) in enumerate(zip(errors, losses, strict=True), start=1):
        number = np.full((1, 1), float(epoch))
        best.see(epoch, scores_of(np.array([error]), np.array([loss])), number, -number)
    return best


@pytest.mark.parametrize(
    ("errors", "losses", "epoch"),
    [
        ([0.3, 0.1, 0.2], [1, 1, 1], 2),
        ([0.3, 0.1, 0.1], [1, 0.5, 0.4], 3),  # a tie: the lower loss
        ([0.3, 0.1, 0.1], [1, 0.5, 0.5], 2),  # a tie in both: the earlier
        ([0.3, 0.1, 0.1], [1, 0.5, 0.6], 2),
        ([0.3, 0.2, 0.1], [0.1, 0.2, 0.9], 3),  # the error comes first
        ([NAN, 0.4, NAN], [NAN, 2, NAN], 2),
        ([0.4, NAN, 0.5], [1, NAN, 1], 1),
        ([NAN, NAN, NAN], [0.5, 0.4, 0.6], 2),  # no error to go by (a constant target): the loss alone
    ],
)
def test_best_epoch(errors: list[float], losses: list[float], epoch: int) -> None:
    best = watched(errors, losses)
    assert best.epochs.tolist() == [epoch]
    assert (best.theta.item(), best.state.item()) == (epoch, -epoch)


def test_nothing_is_best_while_nothing_is_a_number() -> None:
    assert watched([NAN, NAN], [NAN, NAN]).epochs.tolist() == [0]


def test_best_of_each_member_is_a_copy() -> None:
    best, theta = Best(2), np.array([[1.0, 2], [3, 4]])
    state = theta.copy()
    assert best.see(1, np.array([[0.5, 1], [0.5, 1]]), theta, state).tolist() == [True, True]
    theta += 10
    assert best.see(2, np.array([[0.6, 1], [0.4, 1]]), theta, state).tolist() == [False, True]
    theta += 10
    assert best.theta.tolist() == [[1, 2], [13, 14]]
    assert best.epochs.tolist() == [1, 2]
    assert best.scores.tolist() == [[0.5, 1], [0.4, 1]]


def stops_at(errors: list[float], patience: int, min_delta: float = 0.0) -> int | None:
    stopping = EarlyStopping(1, patience, min_delta)
    both = [scores_of(np.array([error]), np.array([1.0])) for error in errors]
    return next((epoch for epoch, scores in enumerate(both, 1) if stopping.see(scores, ON)[0]), None)


@pytest.mark.parametrize(
    ("errors", "patience", "min_delta", "epoch"),
    [
        ([0.5, 0.4, 0.4, 0.4, 0.4], 3, 0.0, 5),  # equal is not better: three epochs after the second
        ([0.5, 0.4, 0.45, 0.39, 0.4, 0.4], 3, 0.0, None),  # a new best starts the wait again
        ([0.5, 0.4, 0.45, 0.39, 0.4, 0.4, 0.4], 3, 0.0, 7),
        ([0.5, 0.48, 0.46, 0.44, 0.44, 0.44], 3, 0.05, None),  # 0.44 is more than 0.05 below 0.5
        ([0.5, 0.48, 0.46], 2, 0.05, 3),
        ([0.5, NAN, NAN], 2, 0.0, 3),
        ([0.5, 0.4, 0.3, 0.2, 0.1], 1, 0.0, None),
    ],
)
def test_early_stopping(errors: list[float], patience: int, min_delta: float, epoch: int | None) -> None:
    assert stops_at(errors, patience, min_delta) == epoch


def test_a_lower_loss_at_the_same_error_is_better_too() -> None:
    stopping = EarlyStopping(1, patience=2, min_delta=0.0)
    epochs = [(0.1, 0.9), (0.1, 0.8), (0.1, 0.7), (0.1, 0.7), (0.1, 0.8)]
    assert [bool(stopping.see(np.array([scores]), ON)[0]) for scores in epochs] == [False, False, False, False, True]


def test_members_wait_apart_and_a_restored_one_waits_on() -> None:
    errors = np.array([[0.5, 0.5], [0.6, 0.4], [0.6, 0.3], [0.6, 0.3], [0.6, 0.3]])
    scores = [scores_of(row, np.ones(2)) for row in errors]
    whole, first = EarlyStopping(2, 3, 0.0), EarlyStopping(2, 3, 0.0)
    expected = [whole.see(row, BOTH).tolist() for row in scores]
    assert expected == [[False, False]] * 3 + [[True, False]] * 2
    for row in scores[:3]:
        first.see(row, BOTH)
    assert [first.counters(k) for k in (0, 1)] == [
        {"reference": [[0.5, 1]], "waited": [2]}, {"reference": [[0.3, 1]], "waited": [0]}
    ]  # fmt: skip
    for k in (0, 1):  # each alone, as from its own checkpoint
        alone = EarlyStopping(1, 3, 0.0)
        alone.restore(**first.counters(k))
        assert [bool(alone.see(row[k : k + 1], ON)[0]) for row in scores[3:]] == [both[k] for both in expected[3:]]


@pytest.mark.parametrize("module", [nnrun.engine.batches, nnrun.engine.update])
def test_examples_in_docstrings(module: object) -> None:
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)


# ceilings


def test_a_member_is_behind_by_the_best_that_it_has_had() -> None:
    best, ceilings = Best(3), Ceilings([[None, 0.5, 0.4], [], [0.9, 0.5]])
    nothing = np.zeros((3, 1))
    seen = []
    for epoch, first in enumerate(([0.9, 0.9, 0.9], [0.5, 0.9, 0.6], [0.7, 0.9, 0.1], [0.9, 0.9, 0.9]), start=1):
        best.see(epoch, scores_of(np.array(first), np.array(first)), nothing, nothing)
        seen.append(ceilings.behind(epoch, best).tolist())
    # Level is not behind; where nothing is asked for, or not any more, nobody is.
    assert seen == [[False] * 3, [False, False, True], [True, False, False], [False] * 3]
