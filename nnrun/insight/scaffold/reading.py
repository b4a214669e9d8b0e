"""How a file is to be read that leaves it open: whether it has names, and which words stand for a missing value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnrun.config.data_section import Data
from nnrun.data.files.chunks import Chunks
from nnrun.data.files.sources import lacks_names, open_sources
from nnrun.data.files.table import FEW_VALUES, Table, slips_of
from nnrun.data.files.values import kind_of, labels

if TYPE_CHECKING:
    import pandas as pd

MANY_NUMBERS = 0.5  # share of a column's values from which on a word among them stands for none
MOST_WORDS, AGAIN = 3, 2  # different ones in a column, and how often each comes; one that comes once may be a slip

Words = dict[str, list[str]]  # by word, the columns that it stands in


def as_read(config: Data) -> tuple[Data, Table, Words]:
    """The section that reads the file, its first piece, and the words in it that stand for a missing value.

    The piece is of the one source, or of the training part. Raises DataError for what cannot be read.
    """
    if lacks_names(config):
        config = _reading(config, header=False)
    table = _first_piece(config)
    if words := words_among_numbers(table):
        config = _reading(config, missing=(*words,))
        table = _first_piece(config)
    return config, table, words


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
    slips = slips_of(table, name)
    numbers = labels(series[~slips]).dropna()
    counts = labels(series[slips]).value_counts()
    if not 0 < len(counts) <= MOST_WORDS or counts.min() < AGAIN or any(map(_has_digits, counts.index)):
        return []
    is_of_numbers = numbers.nunique() > FEW_VALUES and len(numbers) >= MANY_NUMBERS * (len(numbers) + counts.sum())
    return [str(word) for word in counts.index] if is_of_numbers else []


def _has_digits(word: str) -> bool:
    """Whether a word has digits, as a date has, a range or a number with its unit."""
    return any(map(str.isdigit, word))
