"""Paths of data files, made absolute from where they were written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnrun.config.schema import BUNDLED, meant_bundled


def absolute(text: str, folder: Path) -> str:
    """The absolute path of a data file; bundled names, and what looks like a misspelled one, stay as they are."""
    if text in BUNDLED or not text or "\0" in text:
        return text
    if meant_bundled(text) and not (folder / text).exists():
        return text
    path = Path(text).expanduser() if text.startswith("~/") else folder / text
    return str(path.parent.resolve() / path.name)  # a link to a file keeps its name, which tells the format


def with_absolute_sources(values: dict[Any, Any], folder: Path) -> dict[Any, Any]:
    """A copy of a file's values in which `data.source` holds absolute paths; anything malformed is left alone."""
    data = values.get("data")
    if not isinstance(data, dict) or "source" not in data:
        return values
    return {**values, "data": {**data, "source": absolute_source(data["source"], folder)}}


def absolute_source(source: Any, folder: Path) -> Any:
    """The value of `data.source`, or of one of its parts, with absolute paths."""
    if isinstance(source, dict):
        return {part: absolute_source(path, folder) for part, path in source.items()}
    return absolute(source, folder) if isinstance(source, str) else source
