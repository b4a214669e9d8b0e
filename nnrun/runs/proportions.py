"""How sure a share of rows is, such as an error: 95% intervals of a proportion and of the difference of two."""

from __future__ import annotations

from functools import cache
from math import comb, hypot, sqrt

Z = 1.959963984540054  # 97.5% of a normal distribution lie below; statistics.NormalDist would be loaded for it alone
TAIL = 0.025  # of samples lie beyond either end of an interval
FEW = 3  # cases, up to which the end of Wilson's interval next to them is no good
HALVINGS = 50  # of where the exact end is looked for


def wilson(share: float, size: int) -> tuple[float, float]:
    """The 95% score interval of a proportion (Wilson 1927, JASA 22, 209-212), its end next to few cases an exact one.

    Wilson's lies too near there (Brown, Cai and DasGupta 2001, Statistical Science 16, 101-133). One row tells nothing.
    """
    if size < 2:
        return 0.0, 1.0
    middle = share + Z * Z / (2 * size)
    half = Z * sqrt(share * (1 - share) / size + Z * Z / (4 * size * size))
    scale = 1 + Z * Z / size
    cases, others = (round(part * size) for part in (share, 1 - share))
    low = _exact_low(cases, int(size)) if cases <= FEW else (middle - half) / scale
    high = 1 - _exact_low(others, int(size)) if others <= FEW else (middle + half) / scale
    return max(0.0, low), min(1.0, high)


@cache
def _exact_low(cases: int, size: int) -> float:
    """Of which proportion so many cases or more come in 2.5% of samples: Clopper and Pearson (1934), Biometrika 26."""
    low, high = 0.0, cases / size
    for _ in range(HALVINGS):
        tried = (low + high) / 2
        fewer = sum(comb(size, k) * tried**k * (1 - tried) ** (size - k) for k in range(cases))
        low, high = (tried, high) if 1 - fewer < TAIL else (low, tried)
    return low


def difference(
    first: float, second: float, first_size: int | None = None, second_size: int | None = None
) -> tuple[float, float]:
    """The 95% interval of first − second, two independent proportions; without a size one counts as exact.

    Newcombe (1998), Statistics in Medicine 17, 873-890, method 10: the score intervals of both, put together.
    """
    ends = wilson(first, first_size) if first_size else (first, first)
    return put_together(first, ends, second, wilson(second, second_size) if second_size else (second, second))


def put_together(
    first: float, of_first: tuple[float, float], second: float, of_second: tuple[float, float]
) -> tuple[float, float]:
    """An interval of first − second from both (Zou and Donner 2008, Statistics in Medicine 27, 1693-1702)."""
    (low_1, high_1), (low_2, high_2) = of_first, of_second
    step = first - second
    return step - hypot(first - low_1, high_2 - second), step + hypot(high_1 - first, second - low_2)
