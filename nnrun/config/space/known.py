"""`search.enqueue`: settings that the user knows already, from an old search perhaps, as the first trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from pydantic import ValidationError

from nnrun.config.config import Config
from nnrun.config.hints import every_key, key_called
from nnrun.config.load import Loaded
from nnrun.config.messages import Located, Places, explain
from nnrun.config.overrides import configured, substituted, value_at
from nnrun.config.space.parsing import load_space
from nnrun.config.space.space import DEPTH, WIDTH, Space, usual_space
from nnrun.config.values import KeyPath, Settings, dotted
from nnrun.errors import MOST, ConfigError
from nnrun.text import closest, one_of

Finding = tuple[KeyPath, str]  # where, below search.enqueue, and what is wrong
HIDDEN = "network.hidden"
NOT_SEARCHED = "is not a key of search.space"


def load_known(loaded: Loaded, batch: int | None = None, begun: Space | None = None) -> tuple[Space, list[Config]]:
    """The space of a loaded file, and the configs of the trials that the user gives; that of trial 0 comes first.

    `batch` is as in `usual_space`; a search that has `begun` keeps its space, whatever is usual or refused now.
    Raises ConfigError with everything that is wrong with either.
    """
    problems: list[str] = []
    space: Space | None
    try:
        space = load_space(loaded, batch) if begun is None or loaded.config.search.space else begun
    except ConfigError as error:
        space, problems = begun, [] if begun else error.problems
    entries = loaded.config.search.enqueue
    found = (finding for i, entry in enumerate(entries) for finding in _findings(i, entry, loaded.config, space))
    told = {_located(loaded.places, *finding) for finding in islice(found, MOST)}
    problems += [place.line for place in sorted(told)]
    if space is None or problems:
        raise ConfigError(problems)
    return space, [loaded.config, *(_config(entry, loaded.config, space) for entry in entries)]


def _located(places: Places, path: KeyPath, message: str) -> Located:
    return places.locate(("search", "enqueue", *path), message, at_key=message.startswith(NOT_SEARCHED))


def _config(entry: Settings, config: Config, space: Space) -> Config:
    return configured(config, {key: entry[key] for key in _active(entry, config, space)})


def _active(entry: Settings, config: Config, space: Space) -> list[str]:
    """The keys of an entry that exist with its values, and with the config's own where it leaves a key out."""
    own = space.read(config)
    active = {parameter.key for parameter in space.active({**own, **entry})}
    if HIDDEN in own:  # layers that keep their shape may be given by depth and width all the same
        active |= {WIDTH, DEPTH} & set(entry)
    if entry.get(WIDTH) is None and entry.get(DEPTH) in (None, value_at(config, DEPTH)):
        active -= {WIDTH, DEPTH}  # the depth alone would make all layers as wide as the first one
    return [key for key in entry if key in active]


def _findings(i: int, entry: Settings, config: Config, space: Space | None) -> Iterator[Finding]:
    """What is wrong with one entry; its values can only be judged where the space is known."""
    keys = list(config.search.space or (space.keys if space else usual_space(config)))
    alike = [DEPTH, WIDTH] if HIDDEN in keys else []
    unknown = [key for key in entry if key not in [*keys, *alike]]
    for key in unknown:
        yield (i, key), f"{NOT_SEARCHED}; {_meant(key, keys)}"
    if space is None:
        return
    known = {key: value for key, value in entry.items() if key not in unknown}
    active = _active(known, config, space)
    for key in known:
        if key not in active and known[key] not in (None, value_at(config, key)):
            yield (i, key), "has no effect with these values of the others; write null, or leave it out"
    for path, message in _misfits({key: known[key] for key in active}, config):
        yield (i, *path), message


def _meant(key: str, keys: Sequence[str]) -> str:
    """The key of the space that was probably meant, or all of them."""
    allowed = f"allowed here: {one_of(keys)}"
    if key in map(dotted, every_key(Config)):
        return allowed
    called = dotted(key_called(Config, key.rpartition(".")[2]) or ())
    if called and called not in keys:
        return f"it is {called}, which is not searched; {allowed}"
    close = called or closest(key, keys)
    return f"did you mean {close}?" if close else allowed


def _misfits(settings: Settings, config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """What the schema does not allow of settings taken together, each with its key where it names one."""
    try:
        values = substituted(config, settings)
        Config.model_validate(values)
    except ConfigError as error:
        yield (), error.problems[0]
    except ValidationError as error:
        for problem in explain(error, values, Places(), Config):
            key = next((key for key in settings if problem.line.startswith((f"{key}:", f"{key}[", f"{key}."))), None)
            yield ((), problem.line) if key is None else ((key,), problem.line.removeprefix(f"{key}: "))
