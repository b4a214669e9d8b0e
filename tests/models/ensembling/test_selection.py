"""Choosing members by what they say of the dev set, and what that is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnrun.engine.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy, SquaredError
from nnrun.engine.parameters import Array
from nnrun.models.ensembling.selection import FOLDS, Panel, _folds, best_single, cross_fit, equal, greedy, repeats, top


def sure(*codes: int, classes: int = 3) -> Array:
    """Probabilities of a candidate that says these classes with 0.8."""
    said = np.full((len(codes), classes), 0.2 / (classes - 1))
    said[np.arange(len(codes)), codes] = 0.8
    return said


def panel(*predicted: Array, y: list[int], metric: str = "error") -> Panel:
    return Panel(np.stack(predicted), np.array(y), SoftmaxCrossEntropy(3), metric)


def drawn(seed: int, candidates: int = 12, rows: int = 120, signal: float = 0.0) -> Panel:
    """Candidates that know of the classes what `signal` lets them; of labels shuffled at random nothing."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(rows) % 2)
    z = rng.standard_normal((candidates, rows, 2)) + signal * np.eye(2)[y]
    odds = np.exp(z)
    return Panel(odds / odds.sum(axis=-1, keepdims=True), y, SigmoidCrossEntropy())


def test_greedy_selection_by_hand() -> None:
    """A and B are wrong on a row each that the other has right, C on two; A with B has all right, as each is sure."""
    a, b, c = sure(0, 1, 2, 0), sure(0, 1, 0, 1), sure(1, 1, 2, 2)
    a[3], b[2] = [0.4, 0.35, 0.25], [0.4, 0.25, 0.35]  # wrong, but not sure
    chosen = greedy(4)(panel(c, a, b, y=[0, 1, 2, 1]))
    np.testing.assert_allclose(chosen, [0, 0.5, 0.5])


def test_of_equal_candidates_one_that_is_used_is_taken_then_that_with_the_least_loss() -> None:
    y, good = [0, 1, 2], sure(0, 1, 2)
    better = np.full((3, 3), 0.05)
    better[np.arange(3), y] = 0.9
    weights = greedy(5)(panel(good, better, sure(0, 1, 2), y=y))
    np.testing.assert_allclose(weights, [0, 1, 0])
    np.testing.assert_allclose(top(2)(panel(good, better, sure(0, 1, 1), y=y)), [0.5, 0.5, 0])


def test_of_two_that_help_alike_that_with_the_least_loss_together_is_added() -> None:
    """The first is wrong on the second row, which either of the others puts right; the last one does it more surely."""
    first = np.array([[0.9, 0.05, 0.05], [0.5, 0.4, 0.1]])
    hardly, surely = (np.array([[0.3, 0.6, 0.1], [(1 - p) / 2, p, (1 - p) / 2]]) for p in (0.65, 0.8))
    np.testing.assert_allclose(greedy(2)(panel(first, hardly, surely, y=[0, 1])), [0.5, 0, 0.5])


def test_of_the_list_the_best_beginning_is_kept() -> None:
    """What the second round brings cannot be bettered, so the third one is left out, whoever it would be."""
    found = drawn(3, signal=0.4)
    scores = []
    for rounds in range(1, 12):
        weights = greedy(rounds)(found)
        scores.append(float(found.scores(found.pooled(weights))))
        assert weights.sum() == pytest.approx(1)
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < float(found.scores(found.pooled(best_single(found))))


def test_equal_weights_leave_out_who_fails() -> None:
    """The third one knows nothing, and says so: all three together make no more mistakes, at a far higher loss."""
    y = [0, 1, 2, 0]
    a, b, none = sure(0, 1, 2, 1), sure(0, 1, 1, 0), np.full((4, 3), 1 / 3)
    a[3], b[2] = [0.4, 0.45, 0.15], [0.1, 0.5, 0.4]  # wrong, but not sure
    found = panel(none, a, b, y=y)
    np.testing.assert_allclose(equal(25)(found), [0, 0.5, 0.5])
    all_, chosen = found.measured(found.pooled(top(25)(found))), found.measured(found.pooled(equal(25)(found)))
    assert all_["error"] == chosen["error"] == 0 and all_["loss"] > chosen["loss"]
    np.testing.assert_allclose(equal(1)(found), best_single(found))


@pytest.mark.parametrize("metric", ["error", "loss", "auc"])
@pytest.mark.parametrize("seed", range(5))
def test_equal_weights_are_never_worse_than_the_best_alone_where_they_are_chosen(seed: int, metric: str) -> None:
    found = drawn(seed, candidates=6, rows=60, signal=1.0)
    found.predicted[3:] = found.predicted[3:, :, ::-1] ** 3  # sure of what is wrong
    found.predicted[3:] /= found.predicted[3:].sum(axis=-1, keepdims=True)
    found = Panel(found.predicted, found.y, found.loss, metric)
    alone, together = (found.pooled(choose(found)) for choose in (best_single, equal(25)))
    assert found.scores(together) <= found.scores(alone)
    assert found.losses(together) <= found.losses(alone)
    assert not equal(25)(found)[3:].any()


def test_values_are_pooled_as_values() -> None:
    y = np.linspace(-1, 1, 20)[:, None]
    found = Panel(np.stack([y + 1, y - 1, y + 0.9]), y, SquaredError(1), scale=float(np.var(y)))
    np.testing.assert_allclose(greedy(2)(found), [0, 0.5, 0.5])
    measured = found.measured(found.pooled(greedy(2)(found)))
    assert measured["error"] == pytest.approx(0.05**2 / np.var(y))
    assert measured["loss"] == pytest.approx(0.05**2)


def test_weights_of_rows_count() -> None:
    first, second = sure(0, 0, 2), sure(1, 1, 2)
    found = Panel(np.stack([first, second]), np.array([0, 1, 2]), SoftmaxCrossEntropy(3), weights=np.array([1.0, 3, 1]))
    assert found.scores(found.predicted) == pytest.approx([3 / 5, 1 / 5])
    np.testing.assert_allclose(best_single(found), [0, 1])


@pytest.mark.parametrize("metric", ["auc", "loss", "balanced_error"])
def test_another_metric_chooses_by_itself(metric: str) -> None:
    found = drawn(1, candidates=5, rows=40, signal=0.8)
    found = Panel(found.predicted, found.y, found.loss, metric)
    before, after = (found.measured(found.pooled(choose(found)))[metric] for choose in (best_single, greedy(6)))
    assert after > before if metric == "auc" else after < before


def test_on_shuffled_labels_nothing_is_gained_but_in_the_eyes_of_who_chose() -> None:
    """The mean over 20 seeds within two standard errors of nothing; what the naive error says is far beyond them."""
    naive, honest = [], []
    for seed in range(20):
        found = drawn(seed)
        ways = {"greedy": greedy(8), "best_single": best_single}
        one, many = (found.measured(found.pooled(ways[way](found)))["error"] for way in ("best_single", "greedy"))
        naive.append(one - many)
        honest.append(cross_fit(found, ways, seed, times=2).gain("greedy", "best_single").value)  # type: ignore[arg-type]
    told = {}
    for name, gains in (("naive", naive), ("cross-fitted", honest)):
        told[name] = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(len(gains))
        print(f"{name} gain on shuffled labels: {100 * told[name][0]:+.1f} ± {100 * told[name][1]:.1f} points")
    assert abs(told["cross-fitted"][0]) < 2 * told["cross-fitted"][1]
    assert told["naive"][0] > 5 * told["naive"][1]
    assert told["naive"][0] > 0.03


def test_rows_of_one_group_are_held_back_together() -> None:
    found = drawn(3, candidates=4, rows=120)
    held = list(_folds(replace(found, groups=np.arange(120) % 12), 2, 0))
    assert len(held) == 10
    for rows in held:
        assert {*np.arange(120)[rows] % 12}.isdisjoint(np.arange(120)[~rows] % 12)
        assert 0.1 < rows.mean() < 0.3
    alone = list(_folds(replace(found, groups=np.zeros(120)), 1, 0))  # a single group is cut as rows are
    assert [rows.tolist() for rows in alone] == [rows.tolist() for rows in _folds(found, 1, 0)]


def test_the_standard_error_is_about_as_large_as_gains_vary() -> None:
    """Over many dev sets; that of the scores alone, as if they were independent, would be a third of it."""
    fits = [cross_fit(drawn(s, 6, 100), {"best_single": best_single, "equal": top(3)}, s, times=4) for s in range(40)]
    gains = [fit.gain("equal", "best_single") for fit in fits]
    spread = np.std([gain.value for gain in gains], ddof=1)
    told = np.mean([gain.se for gain in gains])
    assert 0.6 * spread < told < 1.6 * spread


def test_a_true_gain_is_found() -> None:
    found = drawn(0, signal=0.5)
    fit = cross_fit(found, {"best_single": best_single, "greedy": greedy(10)}, 0, times=3)
    assert fit.gain("greedy", "best_single").is_one
    assert fit.mean("greedy")["error"] > found.measured(found.pooled(greedy(10)(found)))["error"]


def test_each_row_is_held_back_once_a_time_with_its_share_of_each_class() -> None:
    from nnrun.models.ensembling.selection import _folds

    found = drawn(0, rows=103)
    held = np.array(list(_folds(found, 3, seed=1)))
    assert held.shape == (3 * FOLDS, 103)
    assert (held.reshape(3, FOLDS, -1).sum(axis=1) == 1).all()
    assert set(held[:, found.y == 1].sum(axis=1)) <= {9, 10, 11, 12}
    assert (held[:FOLDS] != held[FOLDS : 2 * FOLDS]).any()
    np.testing.assert_array_equal(held, list(_folds(found, 3, seed=1)))


def test_large_dev_sets_are_cross_fitted_less_often() -> None:
    assert repeats(1000) == 10 and repeats(10**9) == 1 and 1 < repeats(15_000_000) < 10
