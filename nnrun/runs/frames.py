"""Tables in memory that are trained on: written beside the runs, which their files alone can then repeat."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnrun.config.dump import one_line
from nnrun.config.load import Loaded, overridden
from nnrun.config.messages import LONGEST_ARGUMENT
from nnrun.data.files.frame import (
    half_a_character,
    numbered_categories,
    refuse_cells,
    refuse_foreign,
    refuse_index,
    write_csv,
)
from nnrun.data.split import STORED
from nnrun.errors import ConfigError, DataError, UsageError
from nnrun.files import TEMPORARY, sha256_of
from nnrun.text import listed, one_of, shortened, shown

if TYPE_CHECKING:
    import pandas as pd

    Tables = pd.DataFrame | Mapping[str, str | Path | pd.DataFrame]  # a table, or one or a file for each part

FOLDER = "frames"  # beside the runs
_DIGITS = 16  # of the hash in a file's name
_AS_WRITTEN = ("delimiter", "header", "encoding", "decimal", "sheet")  # how another file was written does not count
_ARRAYS = "numpy.savez('data.npz', x=…, y=…) writes a file of arrays, such as images, which data.source names"


def on_frames(loaded: Loaded, data: Tables, root: Path) -> Loaded:
    """The configuration with tables in memory for its source; they are written under `root` first.

    Raises UsageError, ConfigError or DataError for what makes no table.
    """
    if isinstance(data, (str, Path)):
        raise UsageError(
            f"data: expected a DataFrame, got {str(data)!r}; a file is named in the config, as data.source"
        )
    section = loaded.config.data
    named_columns = (section.target, section.time, section.group, section.weight, *section.declared)
    source = named(data, root, named_columns)
    format = section.format.model_dump(exclude_defaults=True)
    found_out = [f"data.format.{key}={'null' if key == 'sheet' else 'auto'}" for key in _AS_WRITTEN if key in format]
    here = f"data.source={one_line(source)}"
    try:
        whole = overridden(loaded, [here, *found_out])
    except ConfigError as error:
        nowhere = f"--set {shortened(here, LONGEST_ARGUMENT)}: "
        raise ConfigError([problem.removeprefix(nowhere) for problem in error.problems]) from None
    for key in ("source", "format"):
        whole.places.forget(("data", key))  # nobody wrote these
    return whole


def named(data: str | Path | Tables, root: Path, columns: Collection[str | None] = ()) -> str | dict[str, str]:
    """What a config calls a source, or the source of each part: a name that it has, or a CSV file under `root`.

    A file is called after its content, so that the same table is written once, however often it is trained on. Raises
    UsageError or DataError for what is no table, or has one of the `columns` that somebody named as its index alone.
    """
    if isinstance(data, (str, Path)):
        return str(data)
    if not isinstance(data, Mapping):
        return str(_kept(data, "data", root, columns))
    if unknown := [name for name in data if name not in STORED]:
        here = f"data: {listed([*map(repr, unknown)])}: a part is {one_of(STORED)}, each with a DataFrame"
        raise UsageError(f"{here}; {_ARRAYS}" if "x" in data else here)
    return {
        part: str(one) if isinstance(one, (str, Path)) else str(_kept(one, f"data[{part!r}]", root, columns))
        for part, one in data.items()
    }


def typed(data: str | Path | Tables) -> list[str]:
    """Columns of numbers that are categories by their type, which a CSV file does not tell; of a file none.

    Of several tables that of the training part says so.
    """
    table = data.get("train") if isinstance(data, Mapping) else data
    return [] if table is None or isinstance(table, (str, Path)) else numbered_categories(table)


def _kept(frame: pd.DataFrame, name: str, root: Path, columns: Collection[str | None]) -> Path:
    _check(frame, name)
    refuse_index(frame, name, name, columns)
    folder = root.absolute() / FOLDER
    temporary = folder / f".{secrets.token_hex(8)}{TEMPORARY}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8", newline="") as file:
                write_csv(frame, file)
            digest = sha256_of(temporary)
            path = folder / f"{digest[:_DIGITS]}.csv"
            if not path.is_file() or sha256_of(path) != digest:
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except UnicodeEncodeError as error:
        raise half_a_character(name, error) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DataError(f"{folder}: {name} cannot be written there ({why}); runs=… names another folder") from None
    return path


def _check(frame: Any, name: str) -> None:
    """Raise UsageError for what is no table, DataError for cells that no text means."""
    import pandas as pd

    refuse_foreign(frame, name)
    if not isinstance(frame, pd.DataFrame):
        made = "pandas.DataFrame(…) makes one" if getattr(frame, "ndim", 0) < 3 else _ARRAYS
        raise UsageError(f"{name}: expected a DataFrame, got {shown(frame)}; {made}")
    if frame.columns.nlevels > 1:
        raise DataError(f"{name}: the names of its columns have several levels; give each column one name")
    refuse_cells(frame, name)
