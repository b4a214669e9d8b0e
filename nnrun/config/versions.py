"""The version of a config's keys, and the keys that are gone: what became of each, and what to write instead.

A file without `version` is of version 1. A key is renamed or retired by its entry here, whereupon a file that has it is
still read; the number is raised where a key comes to mean something else, which no entry can tell, and `resolved.yaml`
has to name it then.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nnrun import __version__
from nnrun.config.messages import Places
from nnrun.config.values import KeyPath, Tree, describe, dotted
from nnrun.errors import ConfigError
from nnrun.installation import NAME

VERSION = 1
KEY = "version"


class Gone(NamedTuple):
    """A key that there is no more: what it is called `now`, or why it does nothing, and what to do instead.

    Nothing is told of `usual` values, which say what holds without the key as well.
    """

    why: str = ""
    now: KeyPath | None = None
    usual: tuple[Any, ...] = ()

    @property
    def told(self) -> str:
        """What became of it."""
        return (
            f"is called {dotted(self.now)} now" if self.now else f"does nothing any more and can be removed: {self.why}"
        )


GONE: Mapping[KeyPath, Gone] = {
    ("training", "blas_threads"): Gone(
        "a matrix product has one thread, and `--threads N` (or NNRUN_THREADS) shares the work among as many without "
        "changing a bit; left out, all cores",
        usual=(None, 1),
    ),
}


def unreadable(version: object) -> str | None:
    """Why a file of this version cannot be read, if it cannot."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        return f"expected a whole number from 1 on, got {describe(version)}"
    if version > VERSION:
        return (
            f"is for a newer nnrun; {NAME} {__version__} knows the keys up to version {VERSION}: update it, or "
            f"write {VERSION} if the file has none of the newer keys"
        )
    return None


def current(values: Tree, places: Places) -> tuple[Tree, list[str]]:
    """The values without the version, and without keys that are gone, with a notice on each of these.

    What has another name now is found under that, and a problem of `places` where it cannot be. Raises ConfigError for
    a version that cannot be read, and for that alone, as what else is wrong may follow from it.
    """
    found = [path for path in GONE if _holder(values, path) is not None]
    if KEY not in values and not found:
        return values, []
    if KEY in values and (wrong := unreadable(values[KEY])):
        raise ConfigError([places.locate((KEY,), wrong).line])
    values = copy.deepcopy(values)
    values.pop(KEY, None)
    return values, [told for path in found for told in _replaced(values, path, GONE[path], places)]


def _replaced(values: Tree, path: KeyPath, gone: Gone, places: Places) -> Iterator[str]:
    """Take a key out, or put its value where it belongs, and tell of it."""
    holder = _holder(values, path)
    assert holder is not None
    value = holder.pop(str(path[-1]))
    if gone.now is None:
        if value not in gone.usual:
            yield places.locate(path, gone.told).line
        return
    section: Any = values
    for part in gone.now[:-1]:
        section = section.setdefault(part, {}) if isinstance(section, dict) else None
    if not isinstance(section, dict) or gone.now[-1] in section:
        places.problems.append(places.locate(path, f"{gone.told}; write it there, once", at_key=True))
        return
    yield places.locate(path, f"{gone.told}; write that", at_key=True).line
    section[gone.now[-1]] = value
    places.move(path, gone.now)


def _holder(values: Tree, path: KeyPath) -> Tree | None:
    """The mapping in which a key stands, None where it does not."""
    holder: Any = values
    for part in path[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else None
    return holder if isinstance(holder, dict) and path[-1] in holder else None
