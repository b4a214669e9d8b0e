"""Writes the bundled data sets that are made by a formula: points in a plane, and the temperatures of a year.

python tools/bundled/formulas.py

Each is a function of a generator with the seed below, rounded to four digits, so that every machine writes the same
file. What they look like: docs/gallery.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator

FOLDER = Path(__file__).parents[2] / "nnrun" / "data" / "bundled"
SEED = 0
DIGITS = 4


def moons(random: Generator) -> pd.DataFrame:
    """Two half circles of radius 1 that reach into each other, 250 points each.

    With t evenly spaced in [0, π]: upper (cos t, sin t), lower (1 − cos t, 1/2 − sin t). Noise of deviation 0.35.
    """
    t = np.linspace(0, np.pi, 250)
    upper, lower = np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1)
    return _points({"upper": upper, "lower": lower}, 0.35, random)


def circles(random: Generator) -> pd.DataFrame:
    """A circle of radius 1 around one of radius 1/2, 250 points each, evenly spaced. Noise of deviation 0.12."""
    t = np.linspace(0, 2 * np.pi, 250, endpoint=False)
    outer = np.stack([np.cos(t), np.sin(t)], 1)
    return _points({"outer": outer, "inner": outer / 2}, 0.12, random)


def spirals(random: Generator) -> pd.DataFrame:
    """Three arms of a spiral, 200 points each.

    Of arm k, with t evenly spaced in [0.1, 1]: t·(cos φ, sin φ) with φ = 2πk/3 + 4.5·t. Noise of deviation 0.035.
    """
    return _points(_arms(np.linspace(0.1, 1, 200)), 0.035, random)


def turned_spirals(random: Generator) -> pd.DataFrame:
    """The spirals of an instrument that has slipped: turned by 25°, 100 points an arm with t uniform in [0.1, 1]."""
    return _points(_arms(random.uniform(0.1, 1, 100), turned=np.deg2rad(25)), 0.035, random)


def _arms(t: np.ndarray, turned: float = 0.0) -> dict[str, np.ndarray]:
    angles = {name: 2 * np.pi * k / 3 + 4.5 * t + turned for k, name in enumerate("abc")}
    return {name: np.stack([t * np.cos(phi), t * np.sin(phi)], 1) for name, phi in angles.items()}


def blobs(random: Generator) -> pd.DataFrame:
    """Five clouds, 120 points each: around the origin and the corners (±2, ±2). Noise of deviation 0.75."""
    centres = {"a": (0, 0), "b": (2, 2), "c": (-2, 2), "d": (-2, -2), "e": (2, -2)}
    clouds = {name: np.broadcast_to(np.array(centre, float), (120, 2)) for name, centre in centres.items()}
    return _points(clouds, 0.75, random)


def temperatures(random: Generator) -> pd.DataFrame:
    """Of 365 days in degrees Celsius: 11 − 9·cos(2π(day − 15)/365), and noise of deviation 3 for each day."""
    day = np.arange(1, 366)
    noise = 3 * random.standard_normal(len(day))
    return pd.DataFrame({"day": day, "temperature": (11 - 9 * np.cos(2 * np.pi * (day - 15) / 365) + noise).round(1)})


def _points(classes: dict[str, np.ndarray], noise: float, random: Generator) -> pd.DataFrame:
    """Points `(n, 2)` of each class with normal noise of this deviation along both axes, class after class."""
    points = np.concatenate(list(classes.values()))
    points = (points + noise * random.standard_normal(points.shape)).round(DIGITS)
    names = np.repeat(list(classes), [len(each) for each in classes.values()])
    return pd.DataFrame({"x1": points[:, 0], "x2": points[:, 1], "class": names})


FORMULAS: dict[str, Callable[[Generator], pd.DataFrame]] = {
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "turned_spirals": turned_spirals,
    "blobs": blobs,
    "temperatures": temperatures,
}


def made(name: str) -> pd.DataFrame:
    """The table of this name."""
    return FORMULAS[name](np.random.default_rng(SEED))


def main() -> None:
    """Write all of them."""
    for name in FORMULAS:
        made(name).to_csv(FOLDER / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
