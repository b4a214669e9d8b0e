"""How things are said, each with an example that can be worked out by hand."""

from __future__ import annotations

from math import exp, nan

import pytest

from nnrun.text import last_words, log_scale, metric_step, metric_value, points, sparkline


def test_keys_have_as_many_words_as_tell_them_apart() -> None:
    keys = ["a.b.epochs", "c.b.epochs", "training.epochs", "optimizer.name", "epochs"]
    assert list(last_words(keys).values()) == ["a.b.epochs", "c.b.epochs", "training.epochs", "name", "epochs"]
    assert last_words(["optimizer.schedule.epochs", "training.epochs"]) == {
        "optimizer.schedule.epochs": "schedule.epochs", "training.epochs": "training.epochs",
    }  # fmt: skip


def test_noise_is_no_mountain() -> None:
    """Between 0.9 and 0.88 lies 3% of a factor of two; from 8 to 1 lie three."""
    low, high = log_scale([0.9, 0.88])
    assert (exp(low), exp(high)) == pytest.approx((0.45, 0.9))
    assert sparkline([high, high - 0.02], low, high) == "██"
    assert [exp(end) for end in log_scale([8.0, 1.0, 2.0])] == pytest.approx([1, 8])


def test_a_difference_of_errors_fits_its_column_however_large() -> None:
    told = [points(step) for step in (0.026, -0.0004, 9.99, 10.0, 1e300, -12.0)]
    assert told == ["+2.6", "+0.0", "+999.0", "> +1000", "> +1000", "< -1000"]


@pytest.mark.parametrize(
    ("name", "value", "told", "step"),
    [
        ("error", 0.0253, "2.5%", "+2.5"),
        ("dev_balanced_error", 0.1, "10.0%", "+10.0"),
        ("train_dev_plain_error", 0.5, "50.0%", "+50.0"),
        ("dev_error_se", 0.004, "0.4%", "+0.4"),
        ("calibration_error", 0.031, "3.1%", "+3.1"),
        ("dev_auc", 0.98765, "0.9877", "+0.9877"),
        ("dev_loss", 0.0, "0", "+0"),
        ("rmse", 52310.4, "52310", "+52310"),
    ],
)
def test_errors_are_written_in_per_cent_and_other_metrics_as_numbers(
    name: str, value: float, told: str, step: str
) -> None:
    assert metric_value(value, name) == told
    assert metric_value(None, name) == metric_value(nan, name) == metric_step(None, name) == "–"
    assert metric_step(value, name) == step
    assert metric_step(-0.25, name).startswith("-")
