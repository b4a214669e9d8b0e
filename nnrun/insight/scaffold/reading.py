"""How a file is to be read that leaves it open: whether it has names, which words mean no value, which text numbers,
and which numbers categories.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrun.config.data_section import Data, Declared
from nnrun.data.facts.spelled import Spelled
from nnrun.data.features.categories import USUAL
from nnrun.data.files.chunks import Chunks
from nnrun.data.files.content import Framed
from nnrun.data.files.dialect import UNITS
from nnrun.data.files.parquet_file import stated_categories
from nnrun.data.files.sources import lacks_names, open_sources, sources_of, target_name
from nnrun.data.files.table import FEW_VALUES, Table, numbers, slips_of
from nnrun.data.files.values import fractional, kind_of, labels, missing_of

if TYPE_CHECKING:
    import pandas as pd

FEWEST_OF_A_CLASS = 5  # rows, of 60, 20 and 20% for training, dev and test
MANY_NUMBERS = 0.5  # share of a column's values from which on a word among them stands for none
MOST_WORDS, AGAIN = 3, 2  # different ones in a column, and how often each comes; one that comes once may be a slip

_DIGITS = "[0-9]+"

Words = dict[str, list[str]]  # by word, the columns that it stands in


def as_read(config: Data, typed: Collection[str]) -> tuple[Data, Table, Words, list[str]]:
    """The section that reads the file, its first piece, the words in it for a missing value, and what types decide.

    The piece is of the one source, or of the training part. The last are columns of numbers that are categories by
    their type, be they among `typed` or by what the file tells. Raises DataError for what cannot be read.
    """
    if lacks_names(config):
        config = _reading(config, header=False)
    table = _first_piece(config)
    if words := words_among_numbers(table):
        config = _reading(config, missing=(*words,))
        table = _first_piece(config)
    config, table = _with_numbers(config, table)
    path = Path(next(iter(sources_of(config).values())))
    stated = stated_categories(path) if path.suffix.lower() == ".parquet" else []
    config, found = _with_categories(config, table, {*typed, *stated})
    return config, table, words, found


def _reading(config: Data, **format: object) -> Data:
    return config.model_copy(update={"format": config.format.model_copy(update=format)})


def _first_piece(config: Data) -> Table:
    return next(Chunks(next(iter(open_sources(config).values()))).walk("reading"))


def words_among_numbers(table: Table) -> Words:
    """What comes again and again in columns of numbers and is none, such as `unknown`."""
    found: Words = {}
    for name in table.columns:
        for word in _words(table, name):
            found.setdefault(word, []).append(name)
    return found


def _words(table: Table, name: str) -> list[str]:
    if kind_of(table.column(name)) != "category":
        return []
    series: pd.Series[str] = table.frame[name]
    slips, found = slips_of(table, name), Spelled()
    codes, known = found.see(table, name, slips)
    if found.numbers < MANY_NUMBERS * int(series.count()):
        return []
    fits = np.array([*map(found.fits, known), True])[codes]  # the last of them where a value is missing
    counts = labels(series[~fits]).value_counts()
    if not 0 < len(counts) <= MOST_WORDS or counts.min() < AGAIN or any(map(_may_say_something, counts.index)):
        return []
    return [str(word) for word in counts.index] if labels(series[fits]).nunique() > FEW_VALUES else []


def _may_say_something(word: str) -> bool:
    """Whether a word has digits, as a date has, a range or a number with its unit, or a sign: `$-` is 0.

    An error of a spreadsheet, such as `#DIV/0!`, says nothing.
    """
    return not word.startswith("#") and any(mark.isdigit() or mark in UNITS for mark in word)


def _with_numbers(config: Data, table: Table) -> tuple[Data, Table]:
    """The section and the piece in which text that is all numbers, in a file that keeps both, is one of numbers.

    Of a feature some have to be more than digits, which may be codes.
    """
    target, others = target_name(config), (config.group, config.time, *config.drop)
    names = [name for name in table.columns if name not in others and _is_stored_as_text(table, name)]
    kinds = {name: "number" for name in names if name != target and not _are_digits(table.frame[name])}
    changes: dict[str, object] = {"kinds": kinds}
    if target in names and config.task == "auto":
        changes["task"] = "regression"
    found = [*kinds, *([str(target)] if "task" in changes else [])]
    if not found:
        return config, table
    frame = table.frame.assign(**{name: numbers(table, name) for name in found})
    return config.model_copy(update=changes), replace(table, content=Framed(frame))


def _with_categories(config: Data, table: Table, typed: Collection[str]) -> tuple[Data, list[str]]:
    """The section in which columns of numbers that are categories by their type are such, and these.

    A target of them is one of classes, if they are whole and none is rare. Features of rare values alone stay numbers,
    which tell more.
    """
    target, others = target_name(config), {config.group, config.time, *config.declared}
    names = [name for name in table.columns if name in typed and name not in others]
    found = [name for name in names if kind_of(table.column(name)) == "number"]
    kinds: dict[str | int, Declared] = {
        name: "category" for name in found if name != target and _come_again(table.frame[name])
    }
    changes: dict[str, object] = {"kinds": {**config.kinds, **kinds}}
    if target in found and config.task == "auto" and _are_classes(table, str(target)):
        changes["task"] = "classification"
    decided = [*map(str, kinds), *([str(target)] if "task" in changes else [])]
    return config.model_copy(update=changes), decided


def _come_again(series: pd.Series[Any]) -> bool:
    """Whether any value would have a feature of its own."""
    counts = {str(label): int(rows) for label, rows in labels(series).value_counts().items()}
    return bool(USUAL.kept(counts, len(series)))


def _are_classes(table: Table, target: str) -> bool:
    """Whether all are whole, and come often enough for a row in each part of the usual split."""
    values = table.column(target)
    whole = not fractional(values[~missing_of(values)]).any()
    return whole and int(labels(table.frame[target]).value_counts().min()) >= FEWEST_OF_A_CLASS


def _is_stored_as_text(table: Table, name: str) -> bool:
    if table.lines is not None or kind_of(table.column(name)) != "category" or name in table.unreadable:
        return False
    slips, found = slips_of(table, name), Spelled()
    if slips.any():
        return False
    found.see(table, name, slips)
    return found.are_plain and table.frame[name].nunique() > FEW_VALUES


def _are_digits(series: pd.Series[str]) -> bool:
    return bool(series.dropna().str.fullmatch(_DIGITS).all())
