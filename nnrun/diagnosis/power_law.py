"""Error against the size of a training set: error(n) = a + b·n^−c, with intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EXPONENTS = np.linspace(0.05, 2.0, 40)  # published curves have 0.07 to 0.5, easy problems more
DRAWS, AT_ONCE = 1_000, 100

Floats = NDArray[np.float64]


class PowerLaw(NamedTuple):
    """One law a draw, `(draws,)` each: the floor a ≥ 0, b ≥ 0 and the exponent c."""

    a: Floats
    b: Floats
    c: Floats

    def __call__(self, n: float) -> Floats:
        """The errors at a size."""
        return np.asarray(self.a + self.b * n**-self.c)


def fit(sizes: Floats, mistakes: Floats) -> PowerLaw:
    """The law through trainings on so many examples, `(trainings,)`, whose mistakes are `(trainings, dev rows)`.

    By least squares on their errors, each weighted as if it were a count; a single draw.
    """
    errors = mistakes.mean(axis=1)
    return _fit(sizes, errors[None], _weights(errors)[None])


def draws(sizes: Floats, mistakes: Floats) -> PowerLaw:
    """Laws that are about as probable: random weights for trainings and dev examples alike.

    The Bayesian bootstrap (Rubin 1981): other seeds, other rows and another dev set might have come.
    """
    rng, weights = np.random.default_rng(0), _weights(mistakes.mean(axis=1))
    laws = []
    for _ in range(DRAWS // AT_ONCE):
        of_rows = rng.standard_exponential((AT_ONCE, mistakes.shape[1]))
        errors = of_rows @ mistakes.T / of_rows.sum(axis=1, keepdims=True)
        laws.append(_fit(sizes, errors, weights * rng.standard_exponential(errors.shape)))
    return PowerLaw(*(np.concatenate(parts) for parts in zip(*laws, strict=True)))


def scatter(sizes: Floats, mistakes: Floats, law: PowerLaw, rows: float) -> Floats:
    """What measured changes from `rows` to twice as many may be off the law by, `(DRAWS,)`.

    The law alone promises too much: the trainings of a size share examples and err together. How far their means lie
    from the law, each by the root of its error, is the deviation; the three numbers of the law cost three sizes.
    """
    means = {n: mistakes[sizes == n].mean() for n in np.unique(sizes)}
    off = [(mean - law(n)[0]) ** 2 / max(law(n)[0], 1e-12) for n, mean in means.items()]
    deviation = np.sqrt(sum(off) / max(1, len(off) - 3) * (law(rows) + law(2 * rows)))
    return np.asarray(deviation * np.random.default_rng(1).standard_normal(DRAWS))


def _weights(errors: Floats) -> Floats:
    """The variance of a count is its mean; a smallest one keeps errors of 0 from counting for ever."""
    return 1 / np.maximum(errors, max(float(errors.max()) / 100, 1e-12))


def _fit(sizes: Floats, errors: Floats, weights: Floats) -> PowerLaw:
    """For errors and weights `(draws, points)`: the best exponent of each draw; a and b follow by linear algebra."""
    scale = float(np.exp(np.log(sizes).mean()))  # sizes around 1, so that sums of their powers keep their digits
    fits = [_line((sizes / scale) ** -c, errors, weights) for c in EXPONENTS]
    squares = np.stack([found[2] for found in fits])
    best, every = squares.argmin(axis=0), np.arange(len(weights))
    a, b = (np.stack([found[i] for found in fits])[best, every] for i in (0, 1))
    c = EXPONENTS[best]
    return PowerLaw(a, b * scale**c, c)


def _line(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """a, b and the sum of squares of y ≈ a + b·x, with a and b at least 0; `(draws,)` each."""
    total, wx, wy = w.sum(axis=1), w @ x, (w * y).sum(axis=1)
    wxx, wxy = w @ (x * x), (w * y) @ x
    b = np.maximum(0.0, (wxy - wx * wy / total) / (wxx - wx**2 / total))
    a = (wy - b * wx) / total
    b, a = np.where(a < 0, wxy / wxx, b), np.maximum(a, 0.0)
    return a, b, (w * (y - a[:, None] - b[:, None] * x) ** 2).sum(axis=1)
