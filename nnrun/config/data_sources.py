"""Where data comes from: the bundled sets, and paths made absolute from where they were written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from nnrun.config.constraints import complain
from nnrun.config.values import Tree
from nnrun.text import closest, shown

DOWNLOAD = "nnrun reads files: download it first, then name the file"


@dataclass(frozen=True)
class Bundled:
    """What is known of a data set in nnrun/data/bundled."""

    target: str  # the column's name
    about: str
    image: tuple[int, int, int] | None = None  # height, width, channels where the rows are images
    not_mirrored: str | None = None  # why a mirrored image is of another class


BUNDLED = {
    "digits": Bundled(
        "digit",
        "which digit? Scans of 8 × 8 pixels, brightness 0 to 16",
        image=(8, 8, 1),
        not_mirrored="a mirrored 2 is no 2",
    ),
    "breast_cancer": Bundled("target", "malignant or benign? Measurements of cell nuclei"),
    "wine": Bundled("target", "which of three growers? A chemical analysis"),
    "iris": Bundled("target", "which of three species? Leaves of irises, measured"),
    "diabetes": Bundled("target", "how far will the disease be in a year? Patients' blood and build"),
}


def meant_bundled(word: str) -> str | None:
    """The bundled data set that a bare word such as `digts` is a misspelling of, if any."""
    if word in BUNDLED or "/" in word or "." in word:
        return None
    return closest(word, BUNDLED, cutoff=0.7)


def is_address(text: str) -> bool:
    """Whether it is one of the web or a store, such as https://…, also where a path has been made of it."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/", text) is not None


def _a_source(text: str) -> str:
    if not text or "\0" in text:
        raise complain(((), "must name a bundled data set or a file"))
    if is_address(text):
        raise complain(((), f"{shown(text)} is an address; {DOWNLOAD}"))
    if meant := meant_bundled(text):
        raise complain(((), f"no data set {text!r}; did you mean {meant}? (for a file of that name write ./{text})"))
    return text


SourceText = Annotated[str, AfterValidator(_a_source)]


def absolute(text: str, folder: Path) -> str:
    """The absolute path of a data file; bundled names, and what looks like a misspelled one, stay as they are."""
    if text in BUNDLED or not text or "\0" in text or is_address(text):
        return text
    if meant_bundled(text) and not (folder / text).exists():
        return text
    path = Path(text).expanduser() if text.startswith("~/") else folder / text
    return str(path.parent.resolve() / path.name)  # a link to a file keeps its name, which tells the format


def with_absolute_sources(values: Tree, folder: Path) -> Tree:
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
