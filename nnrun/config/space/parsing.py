"""`search.space` as written in the file → the space, or everything that is wrong with it, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from nnrun.config.config import Config
from nnrun.config.hints import field_at, models_in, unknown_key
from nnrun.config.load import Loaded
from nnrun.config.messages import Located, Places
from nnrun.config.overrides import as_path, configured, fault, value_at
from nnrun.config.schema import DEEPEST
from nnrun.config.space.domains import DOMAINS, Choice
from nnrun.config.space.intervals import Domain, Interval, Wrong
from nnrun.config.space.notes import notes
from nnrun.config.space.space import DEPTH, WIDTH, Space, WrittenRange, WrittenSpace, usual_space
from nnrun.config.values import KeyPath, Settings, Tree, describe, dotted
from nnrun.config.versions import GONE
from nnrun.errors import MOST, ConfigError
from nnrun.text import closest

SECTIONS = ("network", "regularization", "optimizer", "training")  # those that a search may vary
NOT_SEARCHED = {
    "training.engine": "all trials have one engine",
    "training.changes": "all trials make the same changes",
    **{dotted(path): f"it {gone.told}" for path, gone in GONE.items()},
}
Finding = tuple[KeyPath, str]  # where, below search.space, and what is wrong


def load_space(loaded: Loaded, batch: int | None = None) -> Space:
    """The space of a loaded file, or the usual one around its config where it has none; `batch` as in `usual_space`."""
    config = loaded.config
    return parse_space(config.search.space or usual_space(config, batch), config, loaded.places)


def parse_space(written: WrittenSpace, config: Config, places: Places | None = None) -> Space:
    """The space that a file describes, conditions on keys that are not searched decided by the config.

    Raises ConfigError with everything that is wrong.
    """
    places = places or Places()
    problems = [_located(places, path, message) for path, message in islice(_findings(written, config), MOST)]
    if problems:
        raise ConfigError([problem.line for problem in sorted(set(problems))])
    space = _decided(Space.of(written), config)
    if not space.parameters:
        path = ("search", "space")
        raise ConfigError([places.locate(path, "none of the parameters can ever be active").line])
    return space


def _located(places: Places, path: KeyPath, message: str) -> Located:
    at_key = message.startswith(("unknown key", "unknown range"))
    return places.locate(("search", "space", *path), message, at_key)


def _findings(written: WrittenSpace, config: Config) -> Iterator[Finding]:
    if {DEPTH, WIDTH} <= written.keys() and not config.network.hidden:  # each takes of a layer what the other lacks
        config = configured(config, {"network.hidden": [1]})
        yield from _bare_depths(written)
    for key, entry in written.items():
        if problem := _key_problem(key, written, config):
            yield (key,), problem
            continue
        yield from _range_findings(key, entry, config)
        yield from _condition_findings(key, entry, written, config)
    yield from _circles(written)


def _bare_depths(written: WrittenSpace) -> Iterator[Finding]:
    """The depths with which no width is drawn, where the config has no layer to take one of."""
    when, entry = written[WIDTH].get("when"), written[DEPTH]
    name = next((name for name in entry if name in DOMAINS), None)
    if not isinstance(when, dict) or DEPTH not in when or name is None or DOMAINS[name].wrong(entry[name]):
        return
    drawn, allowed = DOMAINS[name].of(entry[name]), when[DEPTH] if isinstance(when[DEPTH], list) else [when[DEPTH]]
    bare = [depth for depth in drawn.each() if depth and depth not in allowed] if (drawn.count or 0) <= DEEPEST else []
    if bare:
        yield (WIDTH, "when", DEPTH), f"leaves out depth {bare[0]}, which has no width then; network.hidden is []"


def _unknown(key: str, config: Config) -> str | None:
    """The message for a key that does not exist."""
    path, values = as_path(key), config.resolved()
    for end in range(1, len(path) + 1):
        if field_at(Config, path[:end], values) is None:
            return unknown_key(Config, path[:end], _opened(values, path[:end]))
    return None


def _key_problem(key: str, written: WrittenSpace, config: Config) -> str | None:
    """Why this key cannot be searched."""
    if reason := next((why for name, why in NOT_SEARCHED.items() if f"{key}.".startswith(f"{name}.")), None):
        return f"cannot be searched; {reason}"
    if problem := _unknown(key, config):
        return problem
    path = as_path(key)
    if path[0] not in SECTIONS:
        return f"cannot be searched; only {', '.join(SECTIONS[:-1])} and {SECTIONS[-1]} can"
    field = field_at(Config, path, config.resolved())
    if len(path) == 1 and field is not None:
        example = next(iter(next(models_in(field.annotation)).model_fields))
        return f"is a section; name a key in it, such as {key}.{example}"
    if key == "network.hidden" and (beside := {DEPTH, WIDTH} & set(written)):
        return f"stands beside {min(beside)}; search either hidden, or depth and width"
    if key == "training.average.swa" and (other := "training.average.ema") in written:
        return f"stands beside {other}; search one, or training.average: {{choice: [{{ema: 0.999}}, {{swa: 30}}]}}"
    return None


def _opened(values: Tree, path: tuple[str, ...]) -> Tree:
    """The values with mappings down to the path, and null at its end."""
    inner = values.get(path[0])
    if len(path) == 1:
        return {**values, path[0]: None}
    return {**values, path[0]: _opened(inner if isinstance(inner, dict) else {}, path[1:])}


def _range_findings(key: str, entry: WrittenRange, config: Config) -> Iterator[Finding]:
    names = [name for name in entry if name != "when"]
    unknown = [name for name in names if name not in DOMAINS]
    for name in unknown:
        meant = closest(str(name).lower().removesuffix("uniform"), DOMAINS)
        hint = f"did you mean {meant}? " if meant else ""
        yield (key, name), f"unknown range; {hint}allowed: {', '.join(DOMAINS)}"
    if not names:
        yield (key,), f"has no range; give one of {', '.join(DOMAINS)}"
    elif len(names) > 1 and not unknown:
        yield (key,), f"has the ranges {' and '.join(names)}; give one"
    elif not unknown:
        [name] = names
        found: Iterable[Wrong] = DOMAINS[name].wrong(entry[name])
        found = found or _misfits(key, DOMAINS[name].of(entry[name]), config)
        for item, message in found:
            yield (key, name, *item), message


def _misfits(key: str, domain: Domain, config: Config) -> Iterator[Wrong]:
    """What in a range the schema does not allow for the key."""
    if isinstance(domain, Interval):
        yield from _interval_misfits(key, domain, config)
    elif isinstance(domain, Choice):
        for i, option in enumerate(domain.options):
            if problem := fault(config, key, option):
                yield (i,), problem[1]


def _interval_misfits(key: str, domain: Interval, config: Config) -> Iterator[Wrong]:
    if _takes(key, domain.from_unit(0.4), config):
        for i, end in enumerate((domain.low, domain.high)):
            if problem := fault(config, key, end):
                yield (i,), problem[1]
    elif _takes(key, 2, config):
        yield (), f"takes whole numbers; use int or int_log instead of {domain.name}"
    else:
        yield (), "is no number; use choice"


def _takes(key: str, number: float, config: Config) -> bool:
    """Whether the key takes numbers of this kind, be this one in its range or not."""
    problem = fault(config, key, number)
    return problem is None or problem[0] in ("out_of_range", "complaints")


def _condition_findings(key: str, entry: WrittenRange, written: WrittenSpace, config: Config) -> Iterator[Finding]:
    conditions = entry.get("when", {})
    if not isinstance(conditions, dict) or ("when" in entry and not conditions):
        yield (key, "when"), f"expected a mapping such as {{optimizer.name: adam}}, got {describe(conditions)}"
        return
    for other, allowed in conditions.items():
        options = allowed if isinstance(allowed, list) else [allowed]
        if other == key:
            yield (key, "when", str(other)), "a parameter cannot depend on itself"
        elif problem := _unknown(str(other), config):
            yield (key, "when", other), problem
        else:
            for item, message in Choice.wrong(options) or _unmet(other, options, written, config):
                yield (key, "when", other, *(item if isinstance(allowed, list) else ())), message


def _unmet(key: str, options: list[Any], written: WrittenSpace, config: Config) -> Iterator[Wrong]:
    """The options of a condition that its key can never have."""
    if key in written:
        yield from _unmet_in_range(written[key], options)
        return
    for i, option in enumerate(options):
        if problem := fault(config, key, option):
            yield (i,), problem[1]


def _unmet_in_range(entry: WrittenRange, options: list[Any]) -> Iterator[Wrong]:
    name = next((name for name in entry if name in DOMAINS), None)
    if name is None or DOMAINS[name].wrong(entry[name]):
        return  # reported where it stands
    domain = DOMAINS[name].of(entry[name])
    if domain.count is None:
        yield (), f"a condition needs single values, and {name} has none; search it by choice"
        return
    for i, option in enumerate(options):
        if not domain.contains(option):
            yield (i,), f"{describe(option)} is not in its range {{{name}: {domain.written()}}}"


def _circles(written: WrittenSpace) -> Iterator[Finding]:
    """Parameters whose conditions lead back to themselves; each circle once, at its first key."""
    reported: set[str] = set()
    for key in written:
        trail = _way_back(key, written)
        if trail and not reported & set(trail):
            reported |= set(trail)
            yield (key, "when"), f"the conditions go in a circle: {' → '.join([*trail, key])}"


def _way_back(key: str, written: WrittenSpace) -> list[str]:
    """The keys on the way from a parameter over its conditions back to it; empty if there is none."""
    ways = [[key]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        conditions = written.get(way[-1], {}).get("when")
        for other in conditions if isinstance(conditions, dict) else ():
            if other == key and len(way) > 1:
                return way
            if other not in seen and other != key:
                seen.add(other)
                ways.append([*way, other])
    return []


def _decided(space: Space, config: Config) -> Space:
    """The space without conditions on keys that have one value, and without parameters that are never active."""
    values = {key: value_at(config, key) for p in space.parameters for key, _ in p.when if key not in space.keys}
    gone = {p.key: key for p in space.parameters for key, allowed in p.when if _never(key, allowed, values)}
    while more := {p.key: k for p in space.parameters for k, _ in p.when if k in gone and p.key not in gone}:
        gone |= more
    kept = [
        replace(p, when=tuple((key, allowed) for key, allowed in p.when if key not in values))
        for p in space.parameters
        if p.key not in gone
    ]
    notices = [f"{key} is not searched: {_why(other, values)}" for key, other in gone.items()]
    return Space(tuple(kept), (*notices, *notes(kept, config)))


def _never(key: str, allowed: Choice, values: Settings) -> bool:
    return key in values and not allowed.contains(values[key])


def _why(key: str, values: Settings) -> str:
    if key not in values:
        return f"{key} is not"
    value = values[key]
    return f"{key} is {value if isinstance(value, str) else describe(value)}"
