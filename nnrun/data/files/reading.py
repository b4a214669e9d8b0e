"""How a file is to be read: what the configuration says, or what a trained run knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnrun.config.data_section import Format


@dataclass(frozen=True)
class Reading:
    """What is known before the file is opened; `auto` is found out from it.

    `decimal` is binding, `usual_decimal` the mark of the file that a run was trained with. `text` are columns whose
    values stay text even where all look like numbers, `features` those of a run in order, for arrays without names.
    `target` is the array of targets in a file of arrays.
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

    @classmethod
    def by(cls, format: Format, target: str | None = None) -> Reading:
        """As the configuration says."""
        delimiter = "\t" if format.delimiter == "tab" else format.delimiter
        return cls(delimiter, format.encoding, format.decimal, format.missing, target=target or "y", target_needed=True)

    @classmethod
    def like(cls, info: Mapping[str, Any] | None) -> Reading:
        """As a run's data.json says: its columns keep their kinds, its target may be absent."""
        if info is None:
            return cls()
        format = info.get("format", {})
        columns, target = info["columns"], info["target"]
        text = {column["name"] for column in columns if column["kind"] in ("category", "date")}
        if target.get("kind") == "category":
            text.add(target["name"])
        return cls(
            format.get("delimiter", "auto"),
            format.get("encoding", "auto"),
            format.get("decimal", "auto"),
            tuple(format.get("missing", ())),
            format.get("usual_decimal"),
            frozenset(text.union(info.get("left_out", ()))),
            tuple(column["name"] for column in columns),
            target["name"],
        )

    def to_json(self, usual_decimal: str) -> dict[str, Any]:
        """What data.json keeps for reading new files, with the decimal mark that the training file had."""
        return {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "decimal": self.decimal,
            "usual_decimal": usual_decimal,
            "missing": list(self.missing),
        }
