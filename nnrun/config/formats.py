"""The section on how text files are written; readers of files need it without the rest of the schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Strict

from nnrun.config.constraints import OneOf, Section, complain, key


def _as_written(value: Any) -> Any:
    """A number is meant as the text of a cell; YAML reads -999 as a number."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _an_encoding(name: str) -> str:
    if name == "auto":
        return name
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise complain(((), f"no encoding {name!r}; usual ones are utf-8, cp1252, latin-1 and utf-16")) from None
    return name


Encoding = Annotated[str, AfterValidator(_an_encoding)]
Cell = Annotated[str, BeforeValidator(_as_written, json_schema_input_type=str | int | float)]


class Format(Section):
    """How text files are written, where that is not to be found out from the file."""

    delimiter: Annotated[Literal["auto", ",", ";", "|", "tab"], OneOf()] = key("auto", "what stands between two fields")
    encoding: Encoding = key(
        "auto", "auto = UTF-8, UTF-16 with a byte-order mark, else cp1252; or a name such as latin-1"
    )
    decimal: Annotated[Literal["auto", ".", ","], OneOf()] = key("auto", "decimal mark; the other one groups thousands")
    missing: Annotated[tuple[Cell, ...], Strict(False)] = key(
        [], "values that mean a missing one, beside those that usually do (NA, null, NaN, ?, - and empty fields)"
    )
