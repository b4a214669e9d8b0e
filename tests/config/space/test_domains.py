import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from nnrun.config.space.domains import DOMAINS
from nnrun.config.space.intervals import Domain

U = st.floats(0, 1)


def made(name: str, *written: Any) -> Domain:
    assert DOMAINS[name].wrong(list(written)) == []
    return DOMAINS[name].of(list(written))


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    name = draw(st.sampled_from(sorted(DOMAINS)))
    whole, real = st.integers(-1000, 1000), st.floats(-1e6, 1e6)
    written: Any = {
        "uniform": st.tuples(real, real),
        "log": st.tuples(st.floats(1e-12, 1e6), st.floats(1e-12, 1e6)),
        "int": st.tuples(whole, whole),
        "int_log": st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
        "one_minus_log": st.tuples(st.floats(0, 0.999999), st.floats(0, 0.999999)),
        "choice": st.lists(st.one_of(st.integers(0, 9), st.text(max_size=3), st.booleans(), st.none()), min_size=1),
        "quantized": st.builds(lambda low, n, q: (low, low + n * q, q), whole, st.integers(1, 50), st.integers(1, 9)),
    }[name]
    items = list(draw(written))
    assume(not DOMAINS[name].wrong(items))
    assume(not (name in ("uniform", "log", "one_minus_log") and items[1] - items[0] < 1e-6 * abs(items[1])))
    return made(name, *items)


@given(domains(), U)
def test_every_draw_lies_in_the_range_and_comes_back(domain: Domain, u: float) -> None:
    value = domain.from_unit(u)
    assert domain.contains(value)
    again = domain.from_unit(domain.to_unit(value))
    assert 0 <= domain.to_unit(value) <= 1
    if domain.count is None:
        assert again == pytest.approx(value, rel=1e-9, abs=1e-9 * max(map(abs, domain.written())))
    else:
        assert again == value and type(again) is type(value)


@given(domains(), U, U)
def test_ranges_rise(domain: Domain, u: float, v: float) -> None:
    if domain.name == "choice":
        assume(False)
    low, high = sorted((u, v))
    assert domain.from_unit(low) <= domain.from_unit(high)


@given(domains())
def test_the_ends_are_reached_and_the_written_form_makes_the_same_range(domain: Domain) -> None:
    ends = domain.written() if domain.name != "choice" else [domain.written()[0], domain.written()[-1]]
    assert (domain.from_unit(0.0), domain.from_unit(1.0)) == (ends[0], ends[1])
    assert type(domain).of(domain.written()) == domain


DRAWS = 100_000


def drawn(*written: Any) -> NDArray[np.float64]:
    domain = made(*written)
    return np.array([domain.from_unit(u) for u in np.random.default_rng(1).random(DRAWS)])


def test_a_log_range_gives_each_decade_an_equal_share_and_a_uniform_one_does_not() -> None:
    decades = np.floor(np.log10(drawn("log", 1e-4, 1)))
    for decade in (-4, -3, -2, -1):
        assert np.mean(decades == decade) == pytest.approx(0.25, abs=0.005)
    # (1 − 0.1) / (1 − 0.0001) = 90%: three of the four decades share the remaining tenth.
    assert np.mean(drawn("uniform", 1e-4, 1) > 0.1) == pytest.approx(0.9, abs=0.005)


def test_one_minus_log_gives_both_decades_half() -> None:
    # r ~ U(−3, −1), β = 1 − 10^r: β > 0.99 where r < −2, which is half of the axis.
    assert np.mean(drawn("one_minus_log", 0.9, 0.999) > 0.99) == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize(
    ("written", "distribution"),
    [
        (("uniform", -2, 3), stats.uniform(-2, 5)),
        (("log", 1e-4, 1), stats.loguniform(1e-4, 1)),
    ],
)
def test_continuous_ranges_have_their_exact_distribution(written: tuple[Any, ...], distribution: Any) -> None:
    assert stats.kstest(drawn(*written), distribution.cdf).pvalue > 0.01


def test_one_minus_log_has_its_exact_distribution() -> None:
    distances = 1 - drawn("one_minus_log", 0.9, 0.999)
    assert stats.kstest(distances, stats.loguniform(0.001, 0.1).cdf).pvalue > 0.01


def test_whole_numbers_have_equal_shares_ends_included() -> None:
    counts = Counter(drawn("int", 2, 4).astype(int).tolist())
    assert sorted(counts) == [2, 3, 4]
    assert all(count / DRAWS == pytest.approx(1 / 3, abs=0.005) for count in counts.values())


def test_whole_numbers_on_a_log_scale_have_equal_shares_of_the_axis() -> None:
    counts = Counter(drawn("int_log", 1, 10).astype(int).tolist())
    # The axis runs from log 0.5 to log 10.5; 1 has the part up to log 1.5: log 3 / log 21 = 36.1%.
    assert counts[1] / DRAWS == pytest.approx(0.361, abs=0.005)
    # 10 has the part from log 9.5: log(10.5 / 9.5) / log 21 = 3.3%.
    assert counts[10] / DRAWS == pytest.approx(0.033, abs=0.002)


def test_steps_are_exact_and_equally_likely() -> None:
    counts = Counter(drawn("quantized", 0, 0.5, 0.1).tolist())
    assert sorted(counts) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert all(count / DRAWS == pytest.approx(1 / 6, abs=0.005) for count in counts.values())
    assert [made("quantized", 16, 48, 16).from_unit(u) for u in (0, 0.5, 1)] == [16, 32, 48]


def test_no_digits_of_one_minus_the_value_are_lost() -> None:
    domain = made("one_minus_log", 0.0, 0.999)
    # So near to 0, β = 1 − e^r is −r to 12 digits: r = 1e-12 · log(0.001) = −6.907755278982e-12.
    assert domain.from_unit(1e-12) == pytest.approx(6.907755278982e-12, rel=1e-11, abs=0)
    assert domain.to_unit(6.907755278982e-12) == pytest.approx(1e-12, rel=1e-11, abs=0)
    high = made("one_minus_log", 0.9, 0.999999999)
    # Half of the axis in decades: 10^−5.
    assert 1 - high.from_unit(0.5) == pytest.approx(1e-5, rel=1e-7)


def test_truth_is_no_number_and_numbers_are_no_truth() -> None:
    domain = made("choice", True, 2)
    assert [domain.contains(value) for value in (True, 1, 2, 2.0, False)] == [True, False, True, True, False]
    assert not made("int", 0, 3).contains(True)
    assert not made("uniform", 0, 3).contains("1")
    with pytest.raises(ValueError, match="is no choice"):
        domain.to_unit("a")


@pytest.mark.parametrize(
    ("written", "below", "above"),
    [
        (("uniform", 1, 3), [0, 3], [1, 5]),
        (("uniform", 4, 5), [3, 5], [4, 6]),
        (("uniform", -1, 1), [-3, 1], [-1, 3]),
        (("log", 1e-3, 1), [1e-4, 1], [1e-3, 10]),
        (("one_minus_log", 0.9, 0.999), [0.0, 0.999], [0.9, 0.9999]),
        (("int", 2, 4), [1, 4], [2, 6]),
        (("int", 8, 64), [4, 64], [8, 120]),
        (("int", 0, 4), [-4, 4], [0, 8]),
        (("int_log", 8, 64), [1, 64], [8, 640]),
        (("quantized", 0, 0.5, 0.1), [-0.5, 0.5, 0.1], [0, 1.0, 0.1]),
        (("quantized", 0.1, 0.5, 0.1), [0.0, 0.5, 0.1], [0.1, 0.9, 0.1]),
        (("quantized", 24, 64, 8), [0, 64, 8], [24, 104, 8]),
        (("quantized", 9, 65, 8), [1, 65, 8], [9, 121, 8]),
    ],
)
def test_a_range_can_be_widened(written: tuple[Any, ...], below: list[float], above: list[float]) -> None:
    for upper, expected in ((False, below), (True, above)):
        wider = made(*written).wider(upper)
        assert wider is not None and wider.written() == pytest.approx(expected)
    assert made("choice", 1, 2).wider(True) is None


def test_the_table_names_every_range_and_says_what_it_is() -> None:
    for name, domain in DOMAINS.items():
        assert domain.name == name
        assert len(domain.help) > 20
    assert math.isclose(made("log", 0.01, 100).from_unit(0.5), 1)
