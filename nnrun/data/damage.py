"""What data.json says of the columns and the target, checked word by word before anything is worked out from it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from nnrun.config.text_format import Encoding
from nnrun.data.facts.kinds import DATE_FORMATS
from nnrun.data.features.columns import Column
from nnrun.data.features.dates import DATE_PARTS
from nnrun.data.features.numbers import Normalize
from nnrun.data.features.preprocess import Preprocessor
from nnrun.data.features.target import Target
from nnrun.data.fitted import Document
from nnrun.engine.metrics import Task
from nnrun.errors import DataError

_RESTORE = "copy the run again from where it was made, or train again"


class _Unit(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    name: str
    mean: float
    deviation: float
    transform: Literal["log"] | None = None


class _Curve(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    at: tuple[float, ...]
    to: tuple[float, ...]


class _Format(BaseModel):
    delimiter: Literal["auto", ",", ";", "|", "\t", " "] = "auto"
    encoding: Encoding = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    usual_decimal: Literal[".", ","] | None = None
    missing: tuple[str, ...] = ()
    header: bool | None = None
    usual_missing: bool = True
    sheet: str | None = None
    units: dict[str, str] | None = None
    offsets: dict[str, bool] | None = None


class _Weights(BaseModel):
    column: str | None
    classes: Literal["balanced"] | dict[str, float] | None
    rows: dict[str, NonNegativeInt] | None = None


class _Profile(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    rows: NonNegativeInt
    missing: NonNegativeInt
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0
    edges: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    sampled: NonNegativeInt = 0
    counts: dict[str, NonNegativeInt] = {}
    once: NonNegativeInt = 0


class _Profiles(BaseModel):
    columns: dict[str, _Profile]
    target: _Profile


class _Description(BaseModel):
    """The keys that prediction needs; others are not looked at."""

    model_config = ConfigDict(allow_inf_nan=False)

    task: Task
    target: _Unit
    classes: tuple[str, ...] | None
    columns: tuple[Column, ...]
    features: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    normalize: Normalize = "standard"
    knots: dict[str, _Curve] = {}
    bins: dict[str, tuple[float, ...]] = {}
    left_out: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    format: _Format = _Format()
    weights: _Weights | None = None
    profiles: _Profiles | None = None


def checked(path: Path, document: Document) -> tuple[Preprocessor, Target]:
    """The preprocessing and the target that the document describes, which was read from `path`.

    Raises DataError where it is damaged or contradicts itself.
    """
    described = _described(path, document)
    unit = described.target
    if problem := _of_encoders(described):
        raise DataError(f"{path}: {problem}; {_RESTORE}")
    preprocessor = Preprocessor.from_json(document)
    if problem := _contradiction(described, preprocessor):
        raise DataError(f"{path}: {problem}; {_RESTORE}")
    return preprocessor, Target(unit.name, described.task, described.classes, unit.mean, unit.deviation, unit.transform)


def _described(path: Path, document: Document) -> _Description:
    try:
        return _Description.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {key}: {first['msg'].lower()}; {_RESTORE}") from None


def _of_encoders(described: _Description) -> str | None:
    """What is wrong with the curves and the pieces, which the names of the features are worked out from."""
    numbers = {column.name for column in described.columns if column.kind == "number"}
    scaled = {
        name
        for column in described.columns
        for name, mark in zip(column.features, column.marks, strict=True)
        if not mark
    }
    curves, pieces = described.knots, described.bins
    if (curves and described.normalize != "quantile") or not (curves.keys() - pieces.keys()) == curves.keys() <= scaled:
        return "knots are not those of numbers"
    if not pieces.keys() <= numbers:
        return "bins are not those of columns of numbers"
    if described.normalize == "quantile" and scaled - curves.keys() - pieces.keys():
        return "knots are missing"
    known = [*(curve.at for curve in curves.values()), *pieces.values()]
    rising = all(low < high for edges in known for low, high in pairwise(edges))
    if not rising or not all(0 < len(curve.at) == len(curve.to) for curve in curves.values()):
        return "knots or bins are not in order"
    return "bins are fewer than two" if any(len(edges) < 3 for edges in pieces.values()) else None


def _contradiction(described: _Description, preprocessor: Preprocessor) -> str | None:
    classes = described.classes
    if (described.task == "classification") != (classes is not None):
        return f"classes do not fit the task {described.task}"
    if classes is not None and (len(classes) < 2 or len(set(classes)) < len(classes)):
        return "classes must be at least two, and all different"
    by_class = described.weights.classes if described.weights else None
    if isinstance(by_class, dict) and by_class.keys() != set(classes or ()):
        return "weights are not those of the classes"
    if problem := _of_profiles(described):
        return problem
    if len({column.name for column in described.columns}) < len(described.columns):
        return "columns with the same name"
    if wrong := next((column.name for column in described.columns if not _is_sound(column)), None):
        return f"column {wrong!r} has fills, a vocabulary or a format of another kind"
    features = preprocessor.features
    if list(described.features) != features:
        return "features are not those of the columns"
    if not len(features) == len(described.means) == len(described.deviations):
        return f"{len(features)} features, {len(described.means)} means and {len(described.deviations)} deviations"
    if not all(deviation > 0 for deviation in (*described.deviations, described.target.deviation)):
        return "a deviation is not above 0"
    scales = zip(described.means, described.deviations, strict=True)
    if any(
        (mean, scale) != (0, 1)
        for column, (mean, scale) in zip(preprocessor.owners, scales, strict=True)
        if column.embedding
    ):
        return "a code has a mean or a deviation"
    return None


def _of_profiles(described: _Description) -> str | None:
    if described.profiles is None:
        return None
    if described.profiles.columns.keys() != {column.name for column in described.columns}:
        return "profiles are not those of the columns"
    known = [*described.profiles.columns.values(), described.profiles.target]
    if any(len(one.edges) != len(one.shares) or [*one.edges] != sorted(one.edges) for one in known):
        return "the quantiles of a profile are not in order"
    return None


def _is_sound(column: Column) -> bool:
    """Whether a column has what its kind needs, and nothing else."""
    values, format = len(column.vocabulary), column.format
    if column.pooled and not column.other:
        return False
    if column.embedding is not None and (column.kind != "category" or not 0 < column.embedding <= column.rows):
        return False
    if column.kind == "category":
        return (
            not column.fills
            and not column.parts
            and len({*column.vocabulary, *column.pooled}) == values + len(column.pooled)
        )
    if column.kind == "date":
        known = format in DATE_FORMATS and set(column.parts) <= set(DATE_PARTS)
        return known and not values and len(column.fills) == len(column.parts) == len(set(column.parts))
    return not values and not column.other and not column.parts and len(column.fills) == 1
