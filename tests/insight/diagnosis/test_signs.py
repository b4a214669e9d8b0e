"""What curves show, on curves made by hand."""

from __future__ import annotations

import pytest

from nnrun.config.config import Config
from nnrun.insight.diagnosis.telling import measured_by
from nnrun.runs.symptoms.evidence import Evidence
from nnrun.runs.symptoms.shapes import SIGNS, fall, signs, vanishing
from nnrun.runs.verdict import judge


@pytest.mark.parametrize("name", SIGNS)
def test_each_sign_holds_on_its_example_alone_among_those_that_exclude_it(name: str) -> None:
    found = signs(*SIGNS[name].example)
    assert name in found
    for excluded in (
        {"still falling", "flat"},
        {"still falling", "learned nothing"},
        {"dev turned", "learned nothing"},
    ):
        assert not excluded <= found


def test_fall_compares_the_medians_of_the_last_two_quarters() -> None:
    assert fall([8, 8, 8, 8, 4, 4, 2, 2]) == 0.5
    assert fall([8, 8, 4, 4, 2, 2]) == 0, "too short to say"
    assert fall([0.0] * 8) == 0


LEAPT = [3.74, 2.78, 2.79, 3.13, 3.49, 3.93, 3.32, 3.66, 2.92, 3.27]


def test_a_loss_that_comes_down_to_where_it_has_been_is_no_training_that_ended_too_soon() -> None:
    """Quarters of two epochs, from the end: 3.10, 3.49, 3.71, 2.96."""
    assert fall(LEAPT) == pytest.approx(1 - 3.095 / 3.49)
    assert "still falling" not in signs(LEAPT, LEAPT)
    below = [*LEAPT[:-2], 2.8, 3.1]  # 2.95
    assert "still falling" in signs(below, below)


@pytest.mark.parametrize("curve", [[], [1.0], [1.0, 0.5], [0.0] * 20, [1e-30] * 9])
def test_short_and_empty_curves_show_nothing_wrong(curve: list[float]) -> None:
    assert not signs(curve, curve) & {"still falling", "jumping", "dev turned"}


def test_layers() -> None:
    layers = {"dense1": {"dead": 0.2, "gradient_norm": 1e-6}, "dense2": {"dead": 0.6, "gradient_norm": 0.1}}
    assert vanishing(layers)
    assert not vanishing({"output": {"gradient_norm": 1.0}})


def test_what_curves_show_is_said_in_words() -> None:
    evidence = Evidence(Config.from_values({}), signs=frozenset({"dev turned", "jumping"}))
    assert measured_by(evidence) == [
        "curves   the dev loss was lowest early and rose while the training loss fell on:",
        "         the network began to learn its training set by heart",
        "curves   the training loss goes up and down from epoch to epoch: the steps are",
        "         too large to settle",
    ]


@pytest.mark.parametrize(
    ("train_dev", "dev", "mismatched"),
    [(0.01, 0.15, True), (0.15, 0.16, False), (0.15, 0.30, False), (None, 0.15, False)],
)
def test_a_rising_dev_loss_is_mismatch_where_train_dev_is_fine(
    train_dev: float | None, dev: float, mismatched: bool
) -> None:
    errors = {"base": 0.0, "train": 0.0, "dev": dev} | ({} if train_dev is None else {"train_dev": train_dev})
    verdict = judge(errors, {"train": 5000, "train_dev": 5000, "dev": 5000}, 0.015)
    said = " ".join(" ".join(measured_by(Evidence(Config(), signs=frozenset({"dev turned"}), verdict=verdict))).split())
    assert ("which is another kind of data" in said) == mismatched
    assert ("began to learn its training set by heart" in said) != mismatched


def test_a_training_loss_that_falls_on_since_the_dev_loss_turned_is_no_training_that_was_too_short() -> None:
    told = measured_by(Evidence(Config(), signs=frozenset({"dev turned", "still falling"})))
    assert " ".join(" ".join(told).split()).endswith("the network began to learn its training set by heart")
    assert len(told) == 2


def test_a_loss_that_falls_when_training_stops_early_is_no_training_that_was_too_short() -> None:
    told = " ".join(
        measured_by(Evidence(Config(), signs=frozenset(["still falling"]), stopped_early=True, best_epoch=8))
    )
    assert "no epoch did better on the dev set than epoch 8" in " ".join(told.split())
    assert "before it was over" not in told
