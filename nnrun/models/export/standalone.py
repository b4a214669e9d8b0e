"""A trained model, one network or several, in one file: predictions with NumPy alone.

On the command line, for a CSV file with a header (comma, UTF-8, decimal point): python model.py rows.csv > said.csv
In Python, for rows of raw values: dictionaries, one of columns, a DataFrame, or an array (rows, columns):

    from model import labels, predict
    probabilities = predict([{"age": 41, "city": "Ulm"}, {"age": None, "city": "Trier"}])
    labels(probabilities)

`predict` returns an array of probabilities, a row for each row and a column for each of CLASSES, or of values where
CLASSES is None; `labels` the class of each row, as nnrun chooses it. Values are read as in training: an unknown one is
None, NaN, or a word of MISSING.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Required, TypedDict

import numpy as np
import numpy.typing as npt

# What was learned.
RUN = ""  # the run of nnrun that this file was written from
TARGET = ""  # what is predicted
CLASSES: list[str] | None = None
CLASS_WEIGHTS: list[float] | None = None  # by which the class is chosen among the probabilities
TARGET_MEAN, TARGET_DEVIATION, TARGET_LOG = 0.0, 1.0, False  # of its logarithm, if that was learned
TEMPERATURE = 1.0  # divides the logarithms of probabilities, which makes them less sure or surer
SHIFT: list[float] = []  # what is added to those of each class then
MISSING: frozenset[str] = frozenset()  # what stands for an unknown value as text
MISSING_NUMBERS: list[float] = []  # and in a column of numbers
COMMAS = False  # whether commas marked decimals in training; a number as text is refused then if it has one
NAMED: dict[str, list[str]] = {}  # of columns that have some: what names a category, although it stands in MISSING
SHAPES: list[tuple[int, ...]] = []  # that an image may have, flat or not; without any an array may have whatever shape
IDENTIFIERS: list[str] = []  # columns that name the rows; the command carries them through
PREPARATIONS: list[Preparation] = []
STACKS: list[Stack] = []
# End of what was learned.

Array = npt.NDArray[Any]


class Column(TypedDict, total=False):
    """What was learned of a column: the first three keys, and those of its kind."""

    name: Required[str]
    kind: Required[str]  # a key of KINDS
    indicator: Required[bool]  # whether a further feature tells where values are missing
    unit: str | None  # of a number, empty where training had none; None where that is not known
    fills: list[float]  # the mean of training for each of its features, where a value is missing
    vocabulary: list[str]  # the categories of training, each a feature or a code
    ends: list[str]  # what may stand behind a category: .0 where all are whole numbers
    spellings: dict[str, int]  # others of them, and rare ones (0) that blanks alone tell from one
    other: bool  # whether all other categories have a feature of their own
    parts: list[str]  # of a date: those that varied in training
    formats: list[str]  # of a date, each tried after the other: ISO8601, or as strptime reads them


class Preparation(TypedDict):
    """How rows become features, as it was learned from the training rows."""

    columns: list[Column]
    bent: dict[int, list[tuple[list[float], list[float]]]]  # the lines, through points, that a number becomes
    means: list[float]  # of the features that all of that becomes
    deviations: list[float]
    smooth: list[int]  # those that end at ±3


class Stack(TypedDict):
    """Networks of one shape that take the same features: activation(x @ W + b) layer by layer, W of each or of all."""

    runs: list[str]  # where each comes from
    weights: list[float]  # how much each counts; those of all networks add up to 1
    preparation: int  # its place in PREPARATIONS
    dtype: str
    lookups: list[tuple[int, tuple[int, int, int], str]]  # place of a code, shape and bytes of what has a row for each
    layers: list[tuple[tuple[int, int, int], str, str, str]]  # shape and bytes of W, bytes of b, activation


Rows = Iterable[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | Array

NOTHING = {"None", "nan", "NaT", "<NA>"}  # an unknown value that is no text, as text
TRUTH = {"true": 1.0, "yes": 1.0, "t": 1.0, "y": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "f": 0.0, "n": 0.0, "0": 0.0}
PARTS = {"year": 0, "month": 1, "weekday": 6, "hour": 3, "minute": 4}  # where they stand in a timetuple
ISO = re.compile(
    r"(\d{4})-(\d\d?)(?:-(\d\d?))?(?:[T ](\d\d?)(?::?(\d\d)(?::?\d\d(?:\.\d+)?)?)? ?(Z|[+-]\d\d:?\d\d)?)?$", re.ASCII
)
NUMBER = re.compile(  # thousands grouped or not, with a sign such as $ or %, perhaps with a unit of letters behind it
    r"(\()?([%$€£¥\s]*+)([-+\u2212\u2013]?)([%$€£¥\s]*+)"
    r"([1-9][0-9]{0,2}(?:[,'\u2019\s][0-9]{3})+(?:\.[0-9]*)?|(?:[0-9]++\.?[0-9]*+|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"\s*+(-?)([%$€£¥\s]*+(?:[A-Za-z\u00b5\u03bc\u00b0\u03a9][A-Za-z/\u00b0\u00b2\u00b3]{0,9})?)(?(1)\))"
)
NO_NUMBER = {"n.a.", "n.a", "N.A.", "N.A", "n.d.", "--", "---", "\u2013", "\u2014"}  # an unknown one


def predict(rows: Rows) -> Array:
    """Probabilities `(rows, classes)`, or values `(rows,)`; raises ValueError for what does not fit its column."""
    table = _as_columns(rows)
    x = [features(preparation, table) for preparation in PREPARATIONS]
    said = np.stack([outputs(one, k, x[one["preparation"]]) for one in STACKS for k, _ in enumerate(one["weights"])])
    weights = np.concatenate([one["weights"] for one in STACKS]).reshape(-1, 1, 1)
    if CLASSES is None:
        values = np.sum(weights * said, axis=0)[:, 0] * TARGET_DEVIATION + TARGET_MEAN
        return np.asarray(np.exp(np.minimum(values, np.log(sys.float_info.max))) if TARGET_LOG else values)
    pooled = np.logaddexp.reduce(log_softmax(said) + np.log(weights), axis=0)
    return np.asarray(np.exp(log_softmax(pooled / TEMPERATURE + SHIFT)), said.dtype)


def labels(probabilities: Array) -> list[str]:
    """The predicted class of each row: the most probable one, its probability times its weight if classes have one."""
    return [(CLASSES or [])[best] for best in np.argmax(probabilities * (CLASS_WEIGHTS or 1.0), axis=1)]


def _as_columns(rows: Any) -> Any:
    """Columns by name; those of an array `(rows, …)`, each row of one of SHAPES, stand in the order of training."""
    names = learned()
    if isinstance(rows, np.ndarray):
        if SHAPES and rows.shape[1:] not in SHAPES:
            raise ValueError(f"rows of shape {rows.shape[1:]}, where the model takes {' or '.join(map(str, SHAPES))}")
        return dict(zip(names, rows.reshape(len(rows), len(names)).T, strict=True))
    if isinstance(rows, Mapping) or hasattr(rows, "keys"):  # as a DataFrame has
        return rows
    several = list(rows)
    given = {name for row in several for name in row} if several else names
    return {name: [row.get(name) for row in several] for name in given}


def learned() -> list[str]:
    """The names of the columns that are learned from."""
    return list(dict.fromkeys(column["name"] for one in PREPARATIONS for column in one["columns"]))


def features(preparation: Preparation, table: Mapping[str, Sequence[Any]]) -> Array:
    """What networks are given `(rows, features)`: all columns, bent, shifted and scaled as in training."""
    if lacking := [column["name"] for column in preparation["columns"] if column["name"] not in table]:
        raise ValueError(f"no column {lacking[0]!r}")
    parts = [KINDS[column["kind"]](column, table[column["name"]]) for column in preparation["columns"]]
    bent = [
        [np.interp(values / 2, np.array(at) / 2, to) for at, to in preparation["bent"].get(place, ())] or [values]
        for place, values in enumerate(np.hstack(parts).T)
    ]
    x: Array = (np.vstack(bent).T - preparation["means"]) / preparation["deviations"]
    x[:, preparation["smooth"]] /= np.hypot(1, x[:, preparation["smooth"]] / 3)
    return x


def outputs(stack: Stack, k: int, x: Array) -> Array:
    """What one network of a stack makes of the features, `(rows, width)`."""
    dtype, places = stack["dtype"], [place for place, *_ in stack["lookups"]]
    rows = [decoded(E, dtype).reshape(n)[k % n[0], x[:, place].astype(int)] for place, n, E in stack["lookups"]]
    if not (fits := (np.abs(x) <= np.finfo(dtype).max).all(axis=1)).all():
        raise ValueError(f"row {fits.argmin() + 1} of {len(x)}: a number is too large for {dtype}; correct it")
    x = np.hstack([np.delete(x, places, axis=1), *rows]).astype(dtype)
    for shape, weights, bias, activation in stack["layers"]:
        W, b = decoded(weights, dtype).reshape(shape), decoded(bias, dtype).reshape(shape[0], -1)
        x = ACTIVATIONS[activation](x @ W[k % len(W)] + b[k % len(b)])
    return x


def numbers(column: Column, values: Sequence[Any]) -> Array:
    """The numbers, 1 and 0 of a boolean, the mean of training where one is missing; ValueError at any other value."""
    plain, is_truth = _plain(values), column["kind"] == "boolean"
    found = np.array([_number(column, value) for value in values]) if plain is None else plain.astype(float)
    if plain is not None and MISSING_NUMBERS:
        found[np.isin(plain, np.array(MISSING_NUMBERS, plain.dtype if plain.dtype.kind == "f" else float))] = np.nan
    wrong = ~np.isin(found, (0, 1)) & ~np.isnan(found) if is_truth else np.isinf(found)
    if wrong.any():
        what = "neither true nor false" if is_truth else "not a finite number"
        raise ValueError(f"{np.asarray(values, object)[wrong][0]!r} in column {column['name']!r} is {what}")
    return _filled(column, found.reshape(-1, 1))


def _plain(values: Sequence[Any]) -> Array | None:
    """The values if all are numbers or truths, none of which has to be read as text."""
    plain = np.asarray(values if isinstance(values, np.ndarray) or {*map(type, values)} <= {bool, int, float} else "")
    return plain if plain.dtype.kind in "biuf" else None


def categories(column: Column, values: Sequence[Any]) -> Array:
    """1 in the place of the value; an unknown one is "(other)" where training had that, else in no place."""
    last = len(column["vocabulary"]) + 1
    wanted = [*range(1, last), *[0] * column["other"], *[last] * column["indicator"]]
    return np.asarray(_codes(column, values, last) == np.array(wanted), float)


def codes(column: Column, values: Sequence[Any]) -> Array:
    """The row of the value in a lookup: the first for an unknown one, the last for a missing one if there were some."""
    return _codes(column, values, len(column["vocabulary"]) + 1 if column["indicator"] else 0)


def _codes(column: Column, values: Sequence[Any], missing: int) -> Array:
    known = {f"{value}{end}": code for end in column["ends"] for code, value in enumerate(column["vocabulary"], 1)}
    known |= column["spellings"]
    found = [missing if _is_missing(column, one) else _code(known, one) for one in values]
    return np.array(found, float).reshape(-1, 1)


def _code(known: Mapping[str, int], value: Any) -> int:
    """Of the text as it stands, else without spaces before it, else without blanks around it; 0 for an unknown one."""
    return next((known[one] for one in (str(value), _text(value), _cell(value), str(value).strip()) if one in known), 0)


def dates(column: Column, values: Sequence[Any]) -> Array:
    """Year, month, weekday (Monday is 0), hour, minute: those that varied in training; times with an offset in UTC."""
    moments = [None if _is_missing(column, value) else _moment(column, value) for value in values]
    parts = [[np.nan if m is None else m.timetuple()[PARTS[part]] for part in column["parts"]] for m in moments]
    missing = np.array([[m is None] for m in moments]).reshape(-1, 1)
    return _filled(column, np.array(parts, float).reshape(len(values), len(column["parts"])), missing)


def _filled(column: Column, values: Array, missing: Array | None = None) -> Array:
    """Missing values at the mean of training, and a column that tells where they were if training had some."""
    absent = np.isnan(values)[:, :1] if missing is None else missing
    filled = np.where(np.isnan(values), column["fills"], values) if values.size else values
    return np.hstack([filled, absent]) if column["indicator"] else filled


def _number(column: Column, value: Any) -> float:
    if isinstance(value, (timedelta, np.timedelta64)):  # early NumPy divides each by its own kind alone
        value = value / (timedelta(seconds=1) if isinstance(value, timedelta) else np.timedelta64(1, "s"))
    text, word, is_truth = str(value).strip(), _cell(value).lower(), column["kind"] == "boolean"
    if _is_missing(column, value) or (text in NO_NUMBER and not is_truth):
        return np.nan
    if isinstance(value, (bool, np.bool_)) or (is_truth and word in TRUTH):
        return TRUTH[word]
    if COMMAS and "," in text:
        raise ValueError(f"{value!r} in column {column['name']!r} has a comma; write decimals with a point")
    if not (found := NUMBER.fullmatch(text)):
        return np.inf
    digits = re.sub(r"[,'\u2019\s]", "", found[5])
    unit, known = re.sub(r"\s", "", found[2] + found[4] + found[7]), column.get("unit")
    if isinstance(value, str) and known is not None and unit != known and (unit or known == "%"):
        is_so = f"is in {unit}" if unit else "has no unit"
        raise ValueError(f"{value!r} in column {column['name']!r} {is_so}, where training had {known or 'none'}")
    number = -float(digits) if found[1] or found[6] or found[3] not in "+" else float(digits)
    return np.nan if number in MISSING_NUMBERS and text.lstrip("+-") == digits else number


def _is_missing(column: Column, value: Any) -> bool:
    cell, is_none = _cell(value), {_cell(value), str(value)}.isdisjoint(NAMED.get(column["name"], ()))
    return (cell in MISSING and is_none) or (cell in NOTHING and not isinstance(value, str))


def _cell(value: Any) -> str:
    return str(value).lstrip(" ")  # spaces before a text mean nothing in a CSV file


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, (float, np.floating)) and value.is_integer() else str(value)


def _moment(column: Column, value: Any) -> datetime:
    value = value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value
    moment = datetime.fromisoformat(str(value)) if isinstance(value, date) else _read_moment(column, _cell(value))
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{str(value)!r} in column {column['name']!r} is out of range in UTC") from None


def _read_moment(column: Column, text: str) -> datetime:
    for format in column["formats"]:
        with suppress(AttributeError, ValueError):
            if format != "ISO8601":
                return datetime.strptime(text, format)
            year, month, day, hour, minute, zone = ISO.match(text).groups()  # type: ignore[union-attr]
            moment = datetime(int(year), int(month), int(day or 1), int(hour or 0), int(minute or 0))
            return moment.replace(tzinfo=datetime.strptime(zone, "%z").tzinfo) if zone else moment
    raise ValueError(f"{text!r} in column {column['name']!r} is not a date like {column['formats'][0]}")


def log_softmax(x: Array) -> Array:
    """The logarithm of e^x, each row divided by its sum."""
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


@cache
def decoded(text: str, dtype: str) -> Array:
    """The numbers in letters."""
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<")).astype(dtype)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.maximum(x, x.dtype.type(0.01) * x),
    "tanh": np.tanh,
    "sigmoid": lambda x: 0.5 * np.tanh(0.5 * x) + 0.5,  # 1 / (1 + e^−x), which never overflows
    "linear": lambda x: x,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi).astype(x.dtype) * (x + 0.044715 * x * x * x))),
    "silu": lambda x: x * ACTIVATIONS["sigmoid"](x),
}
KINDS = {"number": numbers, "boolean": numbers, "category": categories, "code": codes, "date": dates}
