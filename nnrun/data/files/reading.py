"""How a file is to be read, by the configuration or by a trained run, and what its columns are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


class WrittenFormat(TypedDict, total=False):
    """How the training file was read, as data.json has it; that of an early run lacks some of it, or all."""

    delimiter: str
    encoding: str
    decimal: str
    usual_decimal: str | None
    missing: list[str]
    header: bool | None
    usual_missing: bool
    sheet: str
    units: dict[str, str]
    offsets: dict[str, bool]


@dataclass(frozen=True)
class Reading:
    """What is known before the file is opened; `auto` is found out from it.

    `decimal` is binding, `usual_decimal` the mark of the file that a run was trained with, which holds where no number
    settles another one. `text` are columns whose values stay text even where all look like numbers, `numbers` those
    that are numbers whatever zeros they begin with, `categories` those of a run in which typed cells keep the spaces
    before them, `features` all that a run learned from in order, for arrays without names. `target` is the column of
    targets, and the array of them in a file of arrays; its `classes` are no missing values, None: found out. With
    `usual_missing` not only `missing` and empty fields mean a missing value. `header` says whether a text file has
    names, None if that is to be taken for granted but to be doubted where it does not look so.
    `units` are those of the columns of numbers of a run, those without one left out; None if that is not known.
    `offsets` says of columns of dates whether all times of the run have an offset from UTC, or none has.
    `sheet` is that of a workbook, None: the first one. `image` are height, width and channels where features are all
    pixels of one.
    """

    delimiter: str = "auto"
    encoding: str = "auto"
    decimal: str = "auto"
    missing: tuple[str, ...] = ()
    usual_decimal: str | None = None
    text: frozenset[str] = frozenset()
    features: tuple[str, ...] = ()
    target: str = "y"
    target_needed: bool = False
    header: bool | None = None
    numbers: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    classes: frozenset[str] | None = None
    usual_missing: bool = True
    sheet: str | None = None
    image: tuple[int, int, int] | None = None
    units: Mapping[str, str] | None = None
    offsets: Mapping[str, bool] | None = None

    @classmethod
    def by(cls, config: Data) -> Reading:
        """How the configuration says that a file is read."""
        format, usual = config.format, isinstance(config.format.missing, tuple)
        return cls(
            {"tab": "\t", "space": " "}.get(format.delimiter, format.delimiter),
            format.encoding,
            format.decimal,
            format.missing if isinstance(format.missing, tuple) else format.missing.only,
            text=frozenset(name for name, kind in config.declared.items() if kind in ("category", "text")),
            numbers=frozenset(name for name, kind in config.declared.items() if kind == "number"),
            target=config.target or "y",
            target_needed=True,
            usual_missing=usual,
            header=None if format.header == "auto" else format.header,
            sheet=format.sheet,
        )

    def to_json(self, usual_decimal: str, units: dict[str, str], offsets: dict[str, bool]) -> WrittenFormat:
        """What data.json keeps for reading new files, with the decimal mark, units and offsets of the training file."""
        return {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "decimal": self.decimal,
            "usual_decimal": usual_decimal,
            "missing": list(self.missing),
            "header": self.header,
            "units": units,
            **({} if self.usual_missing else {"usual_missing": False}),
            **({} if self.sheet is None else {"sheet": self.sheet}),
            **({"offsets": offsets} if offsets else {}),
        }


@dataclass(frozen=True)
class Header:
    """A name for each field, all different; those of `unnamed` have none in the file, those of `repeated` several.

    Where each row names its values, they are `placed` nowhere.
    """

    names: list[str]
    unnamed: frozenset[str]
    repeated: frozenset[str]
    notices: tuple[str, ...]
    placed: bool = True

    @property
    def fields(self) -> dict[str, int]:
        """Number of the field of each column, from 1."""
        return {name: number for number, name in enumerate(self.names, 1)} if self.placed else {}


def name_columns(found: Sequence[str], file: str) -> Header:
    """Columns without a name get one that says where they stand, repeated names a number from the second on."""
    counts = Counter(found)
    taken, names = set(found), []
    seen: Counter[str] = Counter()
    for number, name in enumerate(found, 1):
        seen[name] += 1
        unique = name if name else f"(column {number})"
        count = seen[name]
        while unique in taken and (not name or count > 1):
            unique = f"{name or unique}.{count}"
            count += 1
        taken.add(unique)
        names.append(unique)
    unnamed = frozenset(unique for unique, name in zip(names, found, strict=True) if not name)
    repeated = frozenset(name for name, count in counts.items() if name and count > 1)
    return Header(names, unnamed, repeated, tuple(_notices(found, names, file)))


def _notices(found: Sequence[str], names: Sequence[str], file: str) -> list[str]:
    notices = []
    if found[:1] == [""]:
        notices.append(f"{file}: the first column has no name, as where pandas numbers the rows; it is left out")
    called: dict[str, list[str]] = {}
    for name, unique in zip(found, names, strict=True):
        called.setdefault(name, []).append(unique)
    for name, uniques in called.items():
        if name and len(uniques) > 1:
            notices.append(f"{file}: {len(uniques)} columns are called {name!r}; they are read as {_short(uniques)}")
    return notices


def _short(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:3])}, … {names[-1]}"
