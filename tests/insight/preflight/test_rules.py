"""Each rule from numbers to a finding, on worked examples."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from nnrun.data.facts.association import Association
from nnrun.data.facts.kinds import is_identifier
from nnrun.data.facts.likeness import Difference, holm
from nnrun.engine.gradient_check import ACCEPTABLE, GradientCheck
from nnrun.insight.preflight.augmentation import judge_augment
from nnrun.insight.preflight.columns import (
    is_unordered,
    judge_constant,
    judge_identifiers,
    judge_kinds,
    judge_leak,
    judge_missing,
    judge_scale,
)
from nnrun.insight.preflight.context import USUAL, setting
from nnrun.insight.preflight.gradients import SINGLE, judge_gradients
from nnrun.insight.preflight.learning import Trial, judge_batch, judge_cost, judge_rates, rises
from nnrun.insight.preflight.network import (
    Signals,
    judge_first_loss,
    judge_layers,
    judge_size,
    judge_symmetry,
    ratio,
)
from nnrun.insight.preflight.rows import judge_distribution, judge_duplicates, judge_rows
from nnrun.insight.range_test import find_rate, plot
from nnrun.text import listed

BOTH = (("train", "dev"), ("dev", "test"))


# columns


def test_columns_that_never_vary_join_those_that_are_dropped() -> None:
    assert judge_constant([], []).status == "pass"
    found = judge_constant(["b", "c"], ["a"])
    assert (found.status, found.cure) == ("warn", "--set 'data.drop=[a, b, c]'")


def test_identifiers() -> None:
    assert judge_identifiers([], []).status == "pass"
    assert judge_identifiers(["id"], []).status == "warn"


def test_dates_may_all_differ() -> None:
    days = pd.Series(pd.date_range("2026-01-01", periods=60).strftime("%d.%m.%Y"))
    assert not is_identifier(days)
    assert is_identifier(days + "x")


@pytest.mark.parametrize(("gaps", "status"), [(0, "pass"), (60, "pass"), (95, "pass"), (96, "warn")])
def test_missing_values(gaps: int, status: str) -> None:
    """That a value is missing may tell, so a column of many gaps is kept as long as there are values to learn from."""
    found = judge_missing({"x": gaps} if gaps else {}, 100, "column", dropped=["id"])
    assert (found.status, found.cure) == (status, "--set 'data.drop=[id, x]'" if status == "warn" else None)


@pytest.mark.parametrize(
    ("explained", "purity", "others", "status"),
    [
        (1.0, 1.0, 1, "fail"),  # a copy
        (0.99, 0.99, 1, "fail"),  # a noisy one
        (1.0, 0.85, 1, "warn"),  # petals tell setosa from the rest, and vary among themselves
        (1.0, 1.0, 0, "warn"),  # the only column
        (0.98, 1.0, 1, "warn"),
        (0.96, 1.0, 1, "pass"),  # petal width and the three species of iris
    ],
)
def test_leaks(explained: float, purity: float, others: int, status: str) -> None:
    found = {"x": Association(explained, purity), **{f"o{i}": Association(0.1, 1.0) for i in range(others)}}
    finding = judge_leak(found, "y", [])
    assert finding.status == status
    assert "x" in finding.text


@pytest.mark.parametrize(
    ("scales", "batch_norm", "status"),
    [
        ([1.0, 1.0, 0.0], False, "pass"),  # normalised, one constant
        ([0.1, 1.5, 6.0], False, "pass"),  # centimetres
        ([0.2, 0.3, 880.0], False, "fail"),  # areas beside ratios
        ([0.001, 0.001, 0.5], False, "fail"),  # 500 times the median
        ([7.0, 12.0, 13.0], True, "pass"),  # pixels, but batch norm
        ([0.0, 0.0], False, "pass"),
    ],
)
def test_scales(scales: list[float], batch_norm: bool, status: str) -> None:
    finding = judge_scale({f"x{i}": scale for i, scale in enumerate(scales)}, batch_norm)
    assert finding.status == status
    assert (finding.cure == "--set data.normalize=standard") == (status == "fail")


# rows


def test_a_class_that_a_part_lacks_is_named() -> None:
    sizes = {"train": 6, "dev": 2, "test": 2}
    whole = {part: {"a": 1, "b": 1} for part in sizes}
    assert judge_rows(sizes, whole, files=False).status == "pass"
    finding = judge_rows(sizes, whole | {"dev": {"a": 2, "b": 0}}, files=False)
    assert finding.status == "fail"
    assert "no row of class b in dev" in finding.text


def test_no_test_set_is_worth_a_warning() -> None:
    for files, cure in ((False, "data.split"), (True, "data.source")):
        finding = judge_rows({"train": 8, "dev": 2}, {}, files)
        assert finding.status == "warn" and cure in str(finding.cure)
        assert ("data.split" in str(finding.cure)) is not files, "it has no meaning with a file for each part"


@pytest.mark.parametrize(
    ("repeated", "rows", "chance", "status"),
    [
        (0, 100, 0.0, "pass"),
        (1, 100, 0.0, "warn"),  # one pair, as in iris
        (2, 100, 0.0, "fail"),  # 2%
        (2, 1000, 0.0, "warn"),  # 0.2%
        (50, 100, 6.0, "warn"),  # a few categories: 6 of 100 by chance, so 50 are no proof
        (50, 100, 4.0, "fail"),
    ],
)
def test_repeated_rows(repeated: int, rows: int, chance: float, status: str) -> None:
    assert judge_duplicates({"dev": repeated}, {"dev": rows}, {"dev": chance}, "random").status == status


def test_the_cure_for_repeated_rows_fits_how_the_data_is_split() -> None:
    by_rule = {rule: judge_duplicates({"dev": 9}, {"dev": 9}, {"dev": 0}, rule).cure for rule in ("random", "files")}
    assert "data.group" in str(by_rule["random"])
    assert "data.group" not in str(by_rule["files"])
    cure = judge_duplicates({"dev": 9}, {"dev": 9}, {"dev": 0}, "random", arrays=True).cure
    assert cure == "remove the repeated rows, or keep them in one part: write a file for each part"


def test_holm_divides_by_the_tests_that_are_left() -> None:
    # At 0.03 over three: 0.009 ≤ 0.03/3, 0.014 ≤ 0.03/2, 0.031 > 0.03/1. Bonferroni would keep the first alone.
    found = [Difference("c", 0.2, 0.031), Difference("a", 0.2, 0.009), Difference("b", 0.2, 0.014)]
    assert [d.column for d in holm(found, 0.03)] == ["a", "b"]


@pytest.mark.parametrize(
    ("differing", "rule", "status"),
    [
        ([], "stratified", "pass"),
        ([("dev", "test")], "files", "fail"),
        ([("train", "dev")], "files", "warn"),  # train from elsewhere, dev and test agree
        ([("train", "dev"), ("dev", "test")], "files", "fail"),
        ([("train", "dev"), ("dev", "test")], "time", "warn"),  # as meant
    ],
)
def test_parts_that_differ(differing: list[tuple[str, str]], rule: str, status: str) -> None:
    pairs = {pair: [Difference("x", 0.5, 1e-9 if pair in differing else 0.5)] for pair in BOTH}
    assert judge_distribution(pairs, rule, seed=0).status == status


def test_without_a_test_set_a_dev_set_unlike_train_fails() -> None:
    assert judge_distribution({("train", "dev"): [Difference("x", 0.5, 1e-9)]}, "files", seed=0).status == "fail"


def test_a_difference_that_is_clear_but_small_does_not_matter() -> None:
    assert judge_distribution({("dev", "test"): [Difference("x", 0.05, 1e-9)]}, "files", seed=0).status == "pass"


# the network


@pytest.mark.parametrize(
    ("share", "seconds", "status"), [(0.1, 5.0, "pass"), (0.6, 5.0, "warn"), (0.1, 4000.0, "warn")]
)
def test_sizes(share: float, seconds: float, status: str) -> None:
    assert judge_size(1000, share, 10**6, seconds, lambda: None, 1).status == status


def test_the_size_of_an_ensemble_is_that_of_each_network() -> None:
    assert judge_size(1000, 0.1, 10**6, 5.0, lambda: None, networks=3).text.startswith("3 × 1,000 parameters, 1 MB")


@pytest.mark.parametrize(("noise", "status"), [(0.1, "pass"), (2.0, "warn"), (np.inf, "fail")])
def test_noise_on_a_batch(noise: float, status: str) -> None:
    x = np.array([[1.0, -1.0], [-1.0, 1.0]])
    found = judge_augment(x, x + noise, x + noise)
    assert found.status == status


def test_how_far_pixels_move_is_not_judged() -> None:
    x = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert judge_augment(x, x + 5, x).status == "pass"
    assert judge_augment(x[:1], x[:1] + 5, x[:1]).status == "pass", "a single row varies by nothing"


def test_units_that_are_alike() -> None:
    assert judge_symmetry({}).status == "pass"  # no hidden layer: a convex problem, zeros are a fine start
    assert judge_symmetry({"dense1": 0}).status == "pass"
    assert judge_symmetry({"dense1": 0, "dense2": 31}).status == "fail"


def test_ratios_of_numbers_that_are_not_there() -> None:
    assert [ratio(1, 0), ratio(0, 0), ratio(math.nan, 1), ratio(3, 2)] == [math.inf, 0, math.inf, 1.5]


@pytest.mark.parametrize(
    ("factor", "depth", "status", "word"),
    [
        (1.0, 20, "pass", "outputs"),
        (1.5, 20, "fail", "exploding"),  # 1.5^19 = 2217
        (0.5, 20, "fail", "vanishing"),  # 0.5^19 = 2e-6
        (1.5, 13, "warn", "uneven"),  # 1.5^12 = 130
        (10.0, 2, "pass", "outputs"),
    ],
)
def test_signals_through_layers(factor: float, depth: int, status: str, word: str) -> None:
    scales = [factor**i for i in range(depth)]
    finding = judge_layers(Signals([f"relu{i}" for i in range(depth)], scales, scales[::-1], [0.0] * depth))
    assert finding.status == status
    assert finding.text.startswith(word)


@pytest.mark.parametrize(("dead", "status"), [(0.5, "pass"), (0.6, "warn"), (0.95, "fail")])
def test_dead_units(dead: float, status: str) -> None:
    finding = judge_layers(Signals(["relu1", "relu2"], [1, 1], [1, 1], [0.0, dead]))
    assert finding.status == status
    assert ("relu2" in finding.text) == (status != "pass")


@pytest.mark.parametrize(
    ("first", "nothing", "classes", "status"),
    [
        (2.35, math.log(10), 10, "pass"),
        (0.75, math.log(2), 2, "pass"),
        (1.9, 1.0, 0, "pass"),  # 1 + the variance of the outputs
        (2.5, math.log(2), 2, "warn"),
        (12.0, math.log(10), 10, "fail"),
        (12.0, 1.0, 0, "warn"),
        (25.0, 1.0, 0, "fail"),
        (0.1, math.log(10), 10, "fail"),  # it knows something before it has learned
        (math.nan, math.log(10), 10, "fail"),
    ],
)
def test_first_losses(first: float, nothing: float, classes: int, status: str) -> None:
    finding = judge_first_loss(first, nothing, classes)
    assert finding.status == status
    assert (f"ln {classes}" in finding.text) == bool(classes)


@pytest.mark.parametrize(
    ("ratios", "status"),
    [([1e-9, 1e-8], "pass"), ([1e-9, 1e-4], "warn"), ([1e-2, 1e-9], "fail"), ([1e-9, math.nan], "fail")],
)
def test_gradients(ratios: list[float], status: str) -> None:
    checks = [GradientCheck(r, "dense1", "dense1.W[0, 0]", 10, 0) for r in ratios]
    finding = judge_gradients(checks, "numpy", USUAL, [], ACCEPTABLE)
    assert finding.status == status
    assert ("dense1.W[0, 0]" in finding.text) == (status != "pass")


@pytest.mark.parametrize(("ratio", "status"), [(4e-5, "pass"), (2e-4, "warn"), (1e-2, "fail")])
def test_a_gradient_in_float32_may_be_rounded_more(ratio: float, status: str) -> None:
    check = GradientCheck(ratio, "output", "output.W[48, 0]", 300, 0)
    assert judge_gradients([check], "compiled", USUAL, [], SINGLE).status == status


# learning


def test_a_cost_that_does_not_fall_is_counted() -> None:
    assert rises([3, 2, 1]) == 0
    assert rises([3, 2, 2.5, 1]) == 1
    assert rises([3.0, math.nan, math.nan]) == 2
    assert rises([1.0, 1.009]) == 0, "it has settled"
    assert rises([1.6, 0.06, 0.07, 0.065]) == 0, "and so has this"


@pytest.mark.parametrize(
    ("costs", "status"), [([3, 2, 1], "pass"), ([3, 4, 1], "warn"), ([3, 4, 5], "fail"), ([3, 4, math.inf], "fail")]
)
def test_the_rate_is_named_where_the_cost_rises(costs: list[float], status: str) -> None:
    finding = judge_cost(costs, 0.5, 0.05)
    assert finding.status == status
    assert ("learning rate 0.5" in finding.text) == (status != "pass")
    assert finding.cure == (None if status == "pass" else "--set optimizer.learning_rate=0.05")


def test_where_no_rate_helps_it_is_not_the_rate() -> None:
    assert "gradient" in str(judge_cost([1, 2], 0.5, None).cure)


@pytest.mark.parametrize(("errors", "status"), [([0.9, 0.0], "pass"), ([0.9, 0.4], "warn"), ([0.9, 0.8], "fail")])
def test_a_batch_that_is_learned_or_not(errors: list[float], status: str) -> None:
    finding = judge_batch(errors, 16, 0.0)
    assert finding.status == status
    assert finding.cure is None, "which check_batch finds by trying"


# the range test


def curve(falls_at: float, diverges_at: float) -> tuple[list[float], list[float]]:
    """A loss of 2.3 that falls by a logistic step on the log scale, and explodes."""
    rates = np.geomspace(1e-6, 100, 120)
    losses = 0.3 + 2.0 / (1 + (rates / falls_at) ** 2) + (rates / diverges_at) ** 4
    return rates.tolist(), losses.tolist()


def test_the_rate_is_where_the_loss_falls_steepest() -> None:
    # 1 / (1 + r²) falls steepest over log r at r = 1; the average lags by about a step of a sixth of a decade.
    rates, losses = curve(1e-3, 10.0)
    found = find_rate(rates, losses)
    assert found.suggestion == pytest.approx(1e-3, rel=0.5)
    assert found.diverges is not None
    assert 5 < found.diverges < 30


def test_the_rate_keeps_its_distance_from_where_the_loss_diverges() -> None:
    rates, losses = curve(1e-1, 0.2)
    found = find_rate(rates, losses)
    assert found.diverges is not None
    assert found.suggestion == pytest.approx(found.diverges / 10)


@pytest.mark.parametrize(
    "losses", [[2.3] * 120, [2.3 - 0.001 * i for i in range(120)], [math.nan] * 120, [2.3] * 60 + [math.inf] * 60]
)
def test_no_suggestion_where_the_curve_does_not_say(losses: list[float]) -> None:
    rates = np.geomspace(1e-6, 100, 120).tolist()
    assert find_rate(rates, losses).suggestion is None
    assert "no suggestion" in judge_rates(rates, losses, 1e-3).text


@pytest.mark.parametrize(
    ("here", "there", "status"),
    [(0.5, 0.3, "pass"), (0.3, 0.5, "pass"), (2.2, 0.3, "warn"), (2.2, 2.15, "pass"), (math.nan, 0.3, "warn")],
)
def test_another_rate_is_suggested_only_where_a_trial_speaks_for_it(here: float, there: float, status: str) -> None:
    found = judge_rates(*curve(1e-3, 10.0), 1e-2, Trial(300, 2.3, here, there))
    assert found.status == status
    suggested = found.numbers["suggestion"] is not None, found.cure is not None, "suggests" in found.text
    assert suggested == (status == "warn",) * 3
    assert ("is within what works" in found.text) == (status == "pass")
    assert ("as they diverge" in found.text, "nan" in found.text) == (math.isnan(here), False)


def test_a_rate_beyond_where_the_loss_diverges_is_to_learn_as_well_as_another() -> None:
    """One that falls to guessing alone, from the losses of a bad start, does not."""
    for rate, status in ((1.0, "pass"), (50.0, "warn")):
        assert judge_rates(*curve(1e-3, 10.0), rate, Trial(300, 2.9, 2.3, 0.1)).status == status


def test_a_rate_that_learns_is_not_said_to_diverge() -> None:
    """In the range test, where each rate has one step."""
    for rate, told in ((1.0, True), (50.0, False)):
        found = judge_rates(*curve(1e-3, 10.0), rate, Trial(300, 2.3, 1.0, 0.9))
        assert (found.status, "diverges" in found.text) == ("pass", told)


@pytest.mark.parametrize("there", [2.29, math.nan, 5.0])
@pytest.mark.parametrize(("here", "where"), [(math.nan, "nowhere, as they diverge"), (31.0, "to 31")])
def test_a_rate_that_loses_is_too_high_also_where_no_other_is_better(here: float, where: str, there: float) -> None:
    found = judge_rates(*curve(1e-3, 10.0), 50.0, Trial(300, 2.3, here, there))
    assert (found.status, found.numbers["suggestion"]) == ("warn", None)
    assert f"rate of 50 is too high: from a loss of 2.3, 300 steps lead {where}; the loss diverges at " in found.text


@pytest.mark.parametrize(("rate", "status"), [(1e-3, "pass"), (10.0, "warn")])
def test_a_rate_beyond_where_the_loss_diverges_is_too_high(rate: float, status: str) -> None:
    rates = np.geomspace(1e-6, 100, 120).tolist()
    losses = [2.3 if at < 0.1 else 2.3 * at / 0.1 for at in rates]
    found = judge_rates(rates, losses, rate)
    assert found.status == status
    assert ("the config's rate of 10 is too high; no suggestion" in found.text) == (status == "warn")


def test_the_curve_in_one_line() -> None:
    rates, losses = curve(1e-3, 10.0)
    line = plot(rates, losses)
    assert len(line) <= 61
    assert line.startswith("1e-06 █") or line.startswith("1e-06 ▄")
    assert "▁" in line
    assert plot([1e-6], [math.nan]) == ""


# words


def test_only_a_few_names_are_told() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcde")) == "a, b, c and 2 more"


def test_a_setting_can_be_typed() -> None:
    assert setting("optimizer.learning_rate", 0.01) == "--set optimizer.learning_rate=0.01"
    assert setting("data.drop", ["mean radius", "it's", "a, b"]) == (
        "--set 'data.drop=[mean radius, it'\"'\"'s, '\"'\"'a, b'\"'\"']'"
    )


def test_numbers_whose_order_says_nothing() -> None:
    draw = np.random.default_rng(0)
    store, age, bent, noise = draw.integers(1, 13, (4, 600))
    own = np.array([0, 3, -4, 5, -2, 4, -5, 1, 4, -3, 2, -4, 3])
    sales = (own[store] + 0.5 * age + 0.1 * (bent - 6) ** 2 + draw.random(600))[:, None]
    named = {"store": store, "age": age, "bent": bent, "noise": noise}
    assert [name for name, values in named.items() if is_unordered(pd.Series(values), sales)] == ["store"]
    assert not is_unordered(pd.Series(store / 2), sales) and not is_unordered(pd.Series(store % 5), sales)
    found = judge_kinds(["store"], {"note": "drop"})
    assert found.status == "warn" and found.cure == "--set 'data.kinds={note: drop, store: category}'"
    assert judge_kinds([], {}).status == "pass"
