"""Student's t distribution, by hand: to load scipy.special for it would make `nnrun compare` half as slow again."""

from __future__ import annotations

from math import cos, pi, sin, sqrt, tan

MOST = 1000  # degrees of freedom, from which on the quantiles differ from the normal ones by 0.2% at most
HALVINGS = 60  # of the quarter turn in which the angle lies


def quantile(share: float, degrees: int) -> float:
    """The t below which this share of the distribution lies, 0.5 ≤ share < 1, for one degree of freedom or more."""
    degrees = min(degrees, MOST)
    low, high = 0.0, pi / 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _between(middle, degrees) < 2 * share - 1 else (low, middle)
    return sqrt(degrees) * tan(low)


def _between(angle: float, degrees: int) -> float:
    """The share between −t and t, where t / √degrees is the tangent of the angle.

    Abramowitz & Stegun (1964), 26.7.3 and 26.7.4.
    """
    odd = degrees % 2
    term = cos(angle) if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for k in range(2 + odd, degrees, 2):
        term *= cos(angle) ** 2 * (k - 1) / k
        total += term
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
