"""`extends`: a file on top of others, each of which may extend others again."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnrun.config.config import Config
from nnrun.config.data_section import with_absolute_sources
from nnrun.config.messages import Places
from nnrun.config.overrides import (
    DEPTH,
    HIDDEN,
    SHAPES,
    WIDTH,
    Setting,
    fault,
    leading,
    leave_usual,
    lies_in,
    reshape,
)
from nnrun.config.values import describe
from nnrun.config.versions import KEY, unreadable
from nnrun.config.yaml_text import Problem, Source, placed, read_bytes, source_of
from nnrun.errors import ConfigError
from nnrun.installation import at_home

EXTENDS = "extends"
DEEPEST = 20  # files that extend each other


def whole(source: Source, folder: Path, trail: Sequence[Path | None]) -> Source:
    """A file on top of those that it extends, the last of them on top of the others; `trail` is who extends whom."""
    values = with_absolute_sources(source.values, folder)
    if KEY in values and (wrong := unreadable(values.pop(KEY))):
        raise ConfigError([Places.of(source).locate((KEY,), wrong).line])
    named = values.pop(EXTENDS, None)
    below = Source(source.name, {}, {})
    for k, base in enumerate(named if isinstance(named, list) else [] if named is None else [named]):
        here = source.positions.get((EXTENDS, k)) or source.positions[(EXTENDS,)]
        try:
            below = _over(below, _extended(base, folder, trail))
        except _BaseError as error:
            raise ConfigError([f"{placed(source.name, here.value)}{EXTENDS}: {error}"]) from None
    positions = {path: place for path, place in source.positions.items() if path[0] != EXTENDS}
    return _over(below, replace(source, values=values, positions=positions))


def named_base(base: str, folder: Path) -> Path:
    """The file that `extends` names in a config of this folder."""
    return at_home(base) if base.startswith("~/") else folder / base


class _BaseError(Exception):
    """What is wrong with a file that is extended, to be told where it is named."""


def _extended(base: object, folder: Path, trail: Sequence[Path | None]) -> Source:
    if not isinstance(base, str) or not base:
        raise _BaseError(f"expected the name of a file, or a list of such names, got {describe(base)}")
    path = named_base(base, folder)
    files = [None if one is None else one.resolve() for one in trail]
    if path.resolve() in files:
        circle = [*trail[files.index(path.resolve()) :], path]
        raise _BaseError(f"goes in a circle: {' extends '.join(map(str, circle))}")
    if len(trail) > DEEPEST:
        raise _BaseError(f"more than {DEEPEST} files that extend each other")
    try:
        if _is_endless(path):
            raise _BaseError(f"{path}: a pipe or a device; a YAML file is needed")
        content = read_bytes(path)
    except ConfigError as error:
        raise _BaseError(error.problems[0]) from None
    name = str(path)
    source = whole(source_of(content, name), path.parent, [*trail, path])
    positions = {at: place._replace(file=place.file or name) for at, place in source.positions.items()}
    problems = [problem._replace(file=problem.file or name) for problem in source.problems]
    return replace(source, positions=positions, problems=problems)


def _is_endless(path: Path) -> bool:
    """Whether its end would be waited for; not of what cannot be looked at, which whoever reads it tells."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _over(below: Source, above: Source) -> Source:
    """One file's values on top of another's, key by key within a section; a value is replaced as a whole.

    What is usual of the optimizer or primary metric of a resolved config gives way to what is usual of one on top.
    """
    values, positions, problems = dict(below.values), dict(below.positions), [*below.problems]
    resolved = below.resolved
    replaced = below.replaced if above.replaced is None else above.replaced
    for section, own in above.values.items():
        old: Any = values.get(section)
        if section in values and isinstance(own, dict) and (wrong := _no_section(section, old)):
            place = below.positions[(section,)]
            problems.append(Problem(place.value, wrong, place.file))
        keys = [(section, key) for key in own] if isinstance(own, dict) and isinstance(old, dict) else [(section,)]
        positions = {path: place for path, place in positions.items() if not lies_in(path, keys)}
        resolved = frozenset(path for path in resolved if not lies_in(path, keys))
        values[section] = own if keys == [(section,)] else {**old, **own}
        shapes = [path for path in SHAPES if path in keys]
        if shapes in ([HIDDEN], [DEPTH], [WIDTH], [DEPTH, WIDTH]) and any(path[1] in old for path in SHAPES):
            places = Places(positions=positions)
            gone = reshape(values, places, [Setting(path, own[path[1]], "") for path in shapes])
            replaced = gone if gone is not None or shapes == [HIDDEN] else replaced
            positions = places.positions
    if resolved:
        places = Places(positions=positions)
        sections = {name: section for name, section in above.values.items() if isinstance(section, dict)}
        own = [Setting((name, key), value, "") for name, section in sections.items() for key, value in section.items()]
        leave_usual(values, places, own, leading(below.values), resolved)
        positions = places.positions
    problems += above.problems
    return Source(above.name, values, positions | above.positions, problems, resolved | above.resolved, replaced)


def _no_section(name: str, value: object) -> str | None:
    """What is wrong with what stands in the place of a section's mapping, and would be gone below another file."""
    wrong = None if isinstance(value, dict) else fault(Config(), name, value)
    return f"{name}: {wrong[1]}" if wrong and wrong[0] == "model_type" else None
