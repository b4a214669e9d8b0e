"""The command of an exported Python file, which stands below `standalone.py`: from a CSV file to predictions."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from nnrun.models.export.standalone import CLASSES, IDENTIFIERS, labels, learned, predict

ROWS_AT_ONCE = 10_000
LONGEST = 1 << 24  # characters of a field


def _records(path: str) -> Iterator[dict[str, str | None]]:
    """The rows of a CSV file; ValueError for a name that is there twice, and at a row with more or fewer fields."""
    csv.field_size_limit(LONGEST)
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, skipinitialspace=True)
        header = [name.strip() for name in next(reader, [])]
        if twice := [name for name in learned() if header.count(name) > 1]:
            raise ValueError(f"several columns are called {twice[0]!r}")
        for fields in filter(None, reader):
            if len(fields) != len(header):
                raise ValueError(f"line {reader.line_num}: {len(fields)} fields where the header has {len(header)}")
            yield dict(zip(header, (field or None for field in fields), strict=True))


def main(path: str) -> None:
    """Write predictions of a CSV file to standard output, each beside its identifiers or the number of its row."""
    writer, records, count = csv.writer(sys.stdout, lineterminator="\n"), _records(path), itertools.count(1)
    known: list[str] | None = None
    while table := list(itertools.islice(records, ROWS_AT_ONCE)):
        if known is None:
            known = [one for one in IDENTIFIERS if one in table[0] and len({row[one] for row in table}) == len(table)]
            writer.writerow([*(known or ["row"]), "prediction", *(f"probability of {name}" for name in CLASSES or [])])
        said = predict(table)
        answers = said[:, None] if CLASSES is None else [[a, *b] for a, b in zip(labels(said), said, strict=True)]
        for row, number, answer in zip(table, count, answers, strict=False):
            writer.writerow([*([row[name] for name in known] if known else [number]), *map(str, answer)])
    if known is None:
        raise ValueError("no rows")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python model.py rows.csv > predictions.csv")
    try:
        main(sys.argv[1])
    except BrokenPipeError:
        sys.stderr.close()  # whoever reads has seen enough, and need not hear of it
    except (OSError, ValueError, csv.Error) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
