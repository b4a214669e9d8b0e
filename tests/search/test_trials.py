"""Which trials train stacked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnrun.config.config import Config
from nnrun.data.dataset import load_dataset
from nnrun.engine.randomness import PURPOSES
from nnrun.search.seeds import IMPROVE, REPEAT, RETEST, TRIAL, improve_seed, repeat_seed, retest_seed, trial_seed
from nnrun.search.trials import LARGEST, WORTH_STACKING, Trial, cohort, signature, stacked


def signed(**changes: Any) -> str:
    return signature(Config.from_values(changes).resolved())


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 5},
        {"name": "other"},
        {"optimizer": {"learning_rate": 0.5, "beta1": 0.5, "epsilon": 1e-3}},
        {"regularization": {"l2": 3, "dropout": 0.5}},
        {"search": {"trials": 3}},
    ],
)
def test_members_may_differ_in_numbers_that_shape_nothing(changes: dict[str, Any]) -> None:
    assert signed(**changes) == signed()


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"hidden": [7]}},
        {"network": {"activation": "tanh"}},
        {"training": {"batch_size": 17}},
        {"training": {"epochs": 3}},
        {"optimizer": {"name": "sgd"}},
        {"data": {"source": "iris"}},
        {"regularization": {"early_stopping": {"patience": 3}}},
    ],
)
def test_members_differ_in_nothing_else(changes: dict[str, Any]) -> None:
    assert signed(**changes) != signed()


def test_small_networks_are_stacked_and_large_ones_train_alone(tmp_path: Path) -> None:
    # wine: 13 features, 3 classes. 8 hidden units: 13·8 + 8 + 8·3 + 3 = 139 numbers; times 32 rows far below the bound.
    def most(hidden: list[int], ensemble: int = 1) -> int:
        network = {"hidden": hidden, "ensemble": ensemble}
        values = {"data": {"source": "wine"}, "network": network, "training": {"batch_size": 32}}
        config = Config.from_values(values)
        return stacked(config, load_dataset(config.data, config.training.dtype, tmp_path))

    assert most([8]) == LARGEST
    # 13·500 + 500 + 500·500 + 500 + 500·3 + 3 = 259,003 numbers, 8,288,096 with the rows
    assert WORTH_STACKING < 259_003 * 32
    assert most([500, 500]) == 1
    # of an ensemble all networks count
    assert [most([8], ensemble) for ensemble in (3, 20)] == [LARGEST // 3, 1]


def queue(*shapes: str, alone: tuple[int, ...] = (), most: int = 16) -> list[Trial]:
    return [Trial(i, {}, {}, shape=shape, most=most, alone=i in alone) for i, shape in enumerate(shapes)]


def test_the_first_goes_with_others_of_its_shape_up_to_its_share() -> None:
    assert cohort(queue("a", "b", "a", "a"), 3) == [0, 2, 3]
    assert cohort(queue("a", "b", "a", "a"), 2) == [0, 2]
    assert cohort(queue("a", "b", "a", "a", most=2), 9) == [0, 2]
    assert cohort(queue("a", "b"), 0) == [0]


def test_who_has_to_train_alone_does() -> None:
    assert cohort(queue("a", "a", alone=(0,)), 9) == [0]
    assert cohort(queue("a", "a", "a", alone=(1,)), 9) == [0, 2]


def test_seeds_of_trials_are_those_of_older_searches_and_no_purpose_of_a_run_has_their_numbers() -> None:
    assert (trial_seed(0, 1), repeat_seed(0, 1, 1)) == (1565899405, 1750465419)
    assert (retest_seed(0, 1), improve_seed(0, 1)) == (663341227, 3171933138)
    assert trial_seed(7, 0) == improve_seed(7, 0) == 7
    assert {TRIAL, REPEAT, RETEST, IMPROVE}.isdisjoint(PURPOSES.values())
