"""The section `data.format`: how text files are written, where that is not to be found out, and a workbook's sheet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Strict, Tag

from nnrun.config.constraints import OneOf, Section, by_kind, complain, key, kind_tag


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


Cells = Annotated[tuple[Cell, ...], Strict(False)]


class Only(Section):
    """Values that mean a missing one, and no others; an empty field always does."""

    only: Cells = key([], "values that mean a missing one")


class Format(Section):
    """How text files are written, where that is not to be found out from the file, and a workbook's sheet."""

    delimiter: Annotated[Literal["auto", ",", ";", "|", "tab", "space"], OneOf()] = key(
        "auto", "what stands between two fields"
    )
    header: Annotated[
        Annotated[Literal["auto"], OneOf(also="true or false"), Tag(kind_tag("text"))]
        | Annotated[bool, Tag(kind_tag("true/false"))],
        by_kind("auto, true or false"),
    ] = key(
        "auto",
        "whether column names stand above the rows; false = they are called c1, c2, …; auto = true, and a line that "
        "looks like a row is told",
    )
    encoding: Encoding = key(
        "auto", "auto = UTF-8, UTF-16 with a byte-order mark, else cp1252; or a name such as latin-1"
    )
    decimal: Annotated[Literal["auto", ".", ","], OneOf()] = key("auto", "decimal mark; the other one groups thousands")
    missing: Annotated[
        Annotated[Cells, Tag(kind_tag("list"))] | Annotated[Only, Tag(kind_tag("mapping"))],
        by_kind("a list of values or {only: a list of values}"),
    ] = key(
        [], "values that mean a missing one, beside those that usually do (NA, null, NaN, ?, -); {only: …} = no others"
    )
    sheet: str | None = key(None, "sheet of a workbook; null = the first one that holds cells")
