"""The configs that come with nnrun: one technique a file, and what it shows."""

from __future__ import annotations

from pathlib import Path

from nnrun.installation import shipped

ANNOUNCED = "# check: "  # stands before what `nnrun check` finds in a config that shows a fault


def examples() -> dict[str, Path]:
    """Their files by name."""
    return {path.stem: path for path in sorted((shipped() / "configs").glob("*.yaml"))}


def lesson(path: Path) -> str:
    """What a config shows, in its first line; an announcement may stand before it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if not line.startswith(ANNOUNCED)).removeprefix("# ")


def for_search(path: Path) -> bool:
    """Whether it is made for `nnrun search`."""
    return "\nsearch:" in path.read_text(encoding="utf-8")
