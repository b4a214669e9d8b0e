"""The rows of each part as they stand in the source, before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nnrun.data.files.chunks import CELLS, Heard, Sample, nobody, places_sampled
from nnrun.data.files.sources import File, open_sources
from nnrun.data.files.table import Table
from nnrun.data.files.values import Indices
from nnrun.data.prepare import divided
from nnrun.data.split import by_part

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


class RawParts(dict[str, Table]):
    """Rows of each part as they stand in the source, all columns, in the order of the prepared arrays.

    Of data larger than a piece they are a sample: `places` has the rows `(m,)` of the arrays that they belong to.
    """

    def __init__(self, tables: Mapping[str, Table], places: Mapping[str, Indices], sampled: bool) -> None:
        super().__init__(tables)
        self.places, self.sampled = places, sampled


def read_parts(config: Data, heard: Heard = nobody) -> RawParts:
    """The rows of each part, or a fixed random sample of those of each part, together about a piece.

    Raises DataError as `prepare` does.
    """
    data = divided(config, heard)
    most = max(1, CELLS // len(data.reference.columns) // len(data.division.sizes))
    most = most if data.in_pieces else max(data.division.sizes.values())
    places = {part: places_sampled(rows, most) for part, rows in data.division.sizes.items()}
    samples = {part: Sample(of_part) for part, of_part in places.items()}
    for part, table in data.walk("sampling"):
        samples[part].see(table)
    tables = {part: sample.table for part, sample in samples.items()}
    return RawParts(by_part(tables), by_part(places), data.in_pieces)


def as_spelled(config: Data, rows: Table) -> Table | None:
    """Rows of one source, in order, with the text of their cells; None where there is no text to copy.

    That is so where values have types, and where decimals have a comma, which a table of text cannot do without.
    """
    source = next((one for one in open_sources(config).values() if one.name == rows.name), None)
    if not isinstance(source, File) or not source.is_text or rows.decimal != ".":
        return None
    bare = File(source.path, replace(source.reading, missing=(), usual_missing=False))
    places = np.array([rows.row(position) for position in range(len(rows))])
    sample = Sample(places)
    for table in bare.chunks(CELLS, rows.columns):
        sample.see(table)
        if table.row(len(table) - 1) >= places[-1]:
            break
    return sample.table


def place_of(config: Data, part: str, row: int) -> str:
    """Where the row of a part's prepared arrays stands in the source, such as `FILE:LINE`.

    Raises DataError as `prepare` does.
    """
    tables = (table for of, table in divided(config, nobody).walk("looking", [part]) if of == part)
    for table in tables:
        if row < len(table):
            return table.at_row(table.row(row))
        row -= len(table)
    raise IndexError(f"the {part} part has no such row")
