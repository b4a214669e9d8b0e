"""Which file was probably meant by a path where none is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from nnrun.text import closest

_MOST, _FOLDERS = 1000, 50  # entries of a folder that are looked at, and folders
_ALIKE = 0.75  # share of the letters before the suffix: less makes sales.csv of houses.csv


def file_meant(path: Path, is_data: Callable[[Path], bool]) -> Path | None:
    """A file of data called as the path, in another format or case, with a folder less, in a folder near, or alike."""
    beside = {each.name: each for each in _entries(path.parent) if is_data(each)}
    own = [name for name in beside if _stem(name) == _stem(path.name)]
    if name := closest(path.name, own, 0.0):
        return beside[name]
    return next(filter(is_data, _shorter(path)), None) or _elsewhere(path, is_data) or _alike(path, beside)


def _shorter(path: Path) -> Iterator[Path]:
    """Without one of its folders, as where that is the current one, or without the slash that it begins with."""
    found = (Path(*path.parts[:i], *path.parts[i + 1 :]) for i in range(len(path.parts) - 1))
    return (each.absolute() if path.is_absolute() else each for each in found)


def _elsewhere(path: Path, is_data: Callable[[Path], bool]) -> Path | None:
    """The one file of that name in the folder above, in those in it, and in those beside the path."""
    above = path.parent.parent
    folders = dict.fromkeys([above, *_folders(above), *_folders(path.parent)])
    same = (each for folder in folders for each in _entries(folder) if each.name.lower() == path.name.lower())
    found = [each for each in same if is_data(each)]
    return found[0] if len(found) == 1 else None


def _alike(path: Path, beside: dict[str, Path]) -> Path | None:
    by_stem = {_stem(name): each for name, each in beside.items()}
    found = closest(_stem(path.name), by_stem, _ALIKE)
    return by_stem[found] if found else None


def _folders(folder: Path) -> list[Path]:
    return list(islice((e for e in _entries(folder) if e.is_dir() and not e.name.startswith(".")), _FOLDERS))


def _entries(folder: Path) -> list[Path]:
    """The first of them, in order of their names; none of a folder that is not there or closed."""
    with suppress(OSError):
        return sorted(islice(folder.iterdir(), _MOST))
    return []


def _stem(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).stem
