from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrun.engine.schedules import SCHEDULES, Progress, Schedule


def an_epoch(schedule: Schedule, epoch: int, steps: int = 1, epochs: int = 10) -> np.ndarray:
    numbers = np.arange((epoch - 1) * steps + 1, epoch * steps + 1)
    return schedule(Progress(epoch, numbers, epochs))


def all_steps(schedule: Schedule, epochs: int, steps: int) -> np.ndarray:
    return np.concatenate([an_epoch(schedule, epoch, steps, epochs) for epoch in range(1, epochs + 1)])


def test_learning_rate_decay() -> None:
    # α0 = 0.2, decay rate 1: 0.2/2, 0.2/3, 0.2/4, 0.2/5
    rates = 0.2 * all_steps(SCHEDULES["inverse_time"](rate=1.0), 4, 1)
    assert rates.round(3).tolist() == [0.1, 0.067, 0.05, 0.04]


def test_exponential_decay() -> None:
    # 0.95, 0.9025, 0.857375
    assert all_steps(SCHEDULES["exponential"](), 3, 1) == pytest.approx([0.95, 0.9025, 0.857375])


def test_square_root_decay_by_epoch_and_by_step() -> None:
    # k/√1, k/√4, k/√9 with k = 2
    by_epoch = SCHEDULES["inverse_sqrt"](k=2.0)
    assert [an_epoch(by_epoch, e, steps=2).tolist() for e in (1, 4, 9)] == [[2, 2], [1, 1], pytest.approx([2 / 3] * 2)]
    # steps 1 … 3 in the first epoch, 4 … 6 in the second
    by_step = SCHEDULES["inverse_sqrt_step"]()
    assert an_epoch(by_step, 1, steps=3).round(3).tolist() == [1, 0.707, 0.577]
    assert an_epoch(by_step, 2, steps=3).round(3).tolist() == [0.5, 0.447, 0.408]


def test_staircase() -> None:
    factors = all_steps(SCHEDULES["staircase"](factor=0.1, every=3), 7, 1)
    assert factors == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])


def test_table() -> None:
    assert all_steps(SCHEDULES["table"](factors={5: 0.1, 3: 0.5}), 6, 1).tolist() == [1, 1, 0.5, 0.5, 0.1, 0.1]
    assert all_steps(SCHEDULES["table"](), 3, 1).tolist() == [1, 1, 1]


def test_cosine() -> None:
    # Four steps: the cosines of 0, 45, 90 and 135 degrees, halved and moved up by a half.
    expected = [1, 0.853553, 0.5, 0.146447]
    assert all_steps(SCHEDULES["cosine"](), 2, 2) == pytest.approx(expected, abs=1e-6)
    # 0.2 + 0.8 of those
    assert all_steps(SCHEDULES["cosine"](final=0.2), 2, 2) == pytest.approx([1, 0.882843, 0.6, 0.317157], abs=1e-6)
    fine = all_steps(SCHEDULES["cosine"](final=0.1), 10, 100)
    assert (fine[0], fine[-1]) == (1, pytest.approx(0.1, abs=1e-5))
    assert (np.diff(fine) < 0).all()


def test_cosine_in_cycles() -> None:
    # Two epochs of two steps, twice: the same four values again.
    fall = [1, 0.853553, 0.5, 0.146447]
    assert all_steps(SCHEDULES["cosine"](cycles=2), 4, 2) == pytest.approx([*fall, *fall], abs=1e-6)
    # Five epochs of one step: one of two, then one of three.
    expected = [1, 0.5, 1, 0.75, 0.25]
    assert all_steps(SCHEDULES["cosine"](cycles=2), 5, 1) == pytest.approx(expected, abs=1e-6)
    assert SCHEDULES["cosine"](cycles=2).cycle_ends(5) == [2, 5]
    # More cycles than epochs: each epoch is one.
    assert all_steps(SCHEDULES["cosine"](cycles=9), 3, 2) == pytest.approx([1, 0.5] * 3)
    assert SCHEDULES["cosine"](cycles=9).cycle_ends(3) == [1, 2, 3]
    endless = SCHEDULES["cosine"](cycles=10**23)  # which no list holds
    assert all_steps(endless, 3, 2) == pytest.approx([1, 0.5] * 3) and endless.cycle_ends(3) == [1, 2, 3]
    assert SCHEDULES["cosine"]().cycle_ends(3) == SCHEDULES["constant"]().cycle_ends(3) == []


def test_warm_up() -> None:
    # Two epochs of four steps: eighths; then the whole rate.
    factors = all_steps(SCHEDULES["warmup"](epochs=2), 3, 4)
    assert factors.tolist() == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1, 1, 1, 1]


def test_one_cycle() -> None:
    factors = all_steps(SCHEDULES["one_cycle"](rise=0.3, start=0.04, final=1e-4), 10, 10)
    assert factors[0] == pytest.approx(0.04)
    assert factors.argmax() == 30, "30 of 100 steps lie before the peak"
    assert factors[30] == 1
    assert factors[15] == pytest.approx(0.52), "half way up: (0.04 + 1)/2"
    assert factors[65] == pytest.approx(0.50005), "half way down: (1 + 0.0001)/2"
    assert (np.diff(factors[:31]) > 0).all() and (np.diff(factors[30:]) < 0).all()
    assert 1e-4 < factors[-1] < 1e-3


def test_coslog4() -> None:
    # 15 epochs of a step: 1 + 15t is the number of the epoch, so the rate is 0 at 1, 2, 4 and 8.
    factors = all_steps(SCHEDULES["coslog4"](), 15, 1)
    assert factors[[0, 1, 3, 7]] == pytest.approx([0, 0, 0, 0], abs=1e-12)
    assert factors[2] == pytest.approx(0.93043, abs=1e-5), "log₂ 3 = 1.58496: (1 − cos 210.586°)/2"
    fine = all_steps(SCHEDULES["coslog4"](), 15, 1000)
    tops = np.flatnonzero((fine[1:-1] > fine[:-2]) & (fine[1:-1] > fine[2:])) / 1000 + 1
    assert tops == pytest.approx([2**0.5, 2**1.5, 2**2.5, 2**3.5], abs=2e-3), "half way between, in logarithms"
    assert fine[-1] < 1e-6


def test_flat_cos() -> None:
    # Eight steps: four of 1, then the cosines of 0, 45, 90 and 135 degrees, halved and moved up by a half.
    fall = [1, 0.853553, 0.5, 0.146447]
    assert all_steps(SCHEDULES["flat_cos"](), 4, 2) == pytest.approx([1, 1, 1, 1, *fall], abs=1e-6)
    assert all_steps(SCHEDULES["flat_cos"](flat=0.2), 5, 1) == pytest.approx([1, *fall], abs=1e-6)
    assert all_steps(SCHEDULES["flat_cos"](flat=0), 2, 2) == pytest.approx(fall, abs=1e-6)


def test_constant() -> None:
    assert all_steps(SCHEDULES["constant"](), 2, 3).tolist() == [1] * 6


def drawn_options(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any options within the bounds that the fields name."""
    strategies: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(SCHEDULES[name]):
        bounds = field.metadata
        if name == "table":
            strategies[field.name] = st.dictionaries(st.integers(1, 50), st.floats(1e-6, 1e3))
        elif field.type == "int":
            strategies[field.name] = st.integers(bounds["ge"], 60)
        else:
            low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt", 100.0))
            ends = {"exclude_min": "gt" in bounds, "exclude_max": "lt" in bounds}
            strategies[field.name] = st.floats(low, high, allow_subnormal=False, **ends)
    return st.fixed_dictionaries(strategies)


@pytest.mark.parametrize("name", SCHEDULES)
@given(data=st.data(), epochs=st.integers(1, 40), steps=st.integers(1, 20))
def test_factors_are_finite_and_not_negative(name: str, data: st.DataObject, epochs: int, steps: int) -> None:
    factors = all_steps(SCHEDULES[name](**data.draw(drawn_options(name))), epochs, steps)
    assert factors.shape == (epochs * steps,)
    assert np.isfinite(factors).all()
    assert (factors >= 0).all()


@pytest.mark.parametrize("name", SCHEDULES)
def test_needs_total_says_whether_the_planned_length_matters(name: str) -> None:
    schedule = SCHEDULES[name]()
    short, long = (an_epoch(schedule, 4, steps=5, epochs=epochs) for epochs in (6, 60))
    assert (short != long).any() == schedule.needs_total


def test_two_tables_do_not_share_their_default() -> None:
    first = SCHEDULES["table"]()
    first.factors[1] = 0.0
    assert an_epoch(SCHEDULES["table"](), 1).tolist() == [1]
