"""YAML text → plain values, with the line and column of each."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from nnrun.config.data_section import DOWNLOAD, is_address
from nnrun.config.values import BUILDERS, PATTERNS, PREFIX, KeyPath, Tree, describe, dotted
from nnrun.errors import ConfigError
from nnrun.files import is_sealed
from nnrun.installation import command, shipped
from nnrun.text import closest

MERGE = "<<"
OF_EPOCHS = ("changes", "factors")  # keys whose mappings have an epoch in the place of a name
SUFFIXES = (".yaml", ".yml")
MOST_VALUES = 100_000  # aliases of aliases grow exponentially
MOST_BYTES = 1 << 28  # of a file


class Mark(NamedTuple):
    """A place in a text; both numbers count from 1."""

    line: int
    column: int


def placed(name: str, mark: Mark) -> str:
    """What stands before a message on a file; nothing where a text has no name, as its lines are nobody's."""
    return f"{name}:{mark.line}:{mark.column}: " if name else ""


class Place(NamedTuple):
    """Where a key stands and where its value begins; the same for an item of a list."""

    key: Mark
    value: Mark
    file: str = ""  # another one than that which is loaded


class Problem(NamedTuple):
    """Something wrong at a place in the file."""

    mark: Mark
    text: str
    file: str = ""


@dataclass(frozen=True)
class Source:
    """The values of one YAML file, where each stands, and the mistakes that did not stop the reading.

    The keys in `resolved` were written out by nnrun, with a value whether somebody asked for it or not.
    `replaced` is the `network.hidden` of a file below that depth or width took the place of.
    """

    name: str
    values: Tree
    positions: dict[KeyPath, Place]
    problems: list[Problem] = field(default_factory=list)
    resolved: frozenset[KeyPath] = frozenset()
    replaced: list[int] | None = None


def holds_epochs(path: KeyPath) -> bool:
    """Whether the keys of this mapping are numbers, however they are written; elsewhere 007 is a name, and not 7."""
    return path != () and str(path[-1]).rpartition(".")[2] in OF_EPOCHS


class _StopError(Exception):
    """Reading cannot go on."""

    def __init__(self, mark: Mark, text: str) -> None:
        self.problem = Problem(mark, text)


class _Loader(yaml.SafeLoader):
    """PyYAML's scanner and parser with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  PyYAML looks for this attribute on the class


for _tag, _pattern in PATTERNS.items():
    _Loader.add_implicit_resolver(PREFIX + _tag, _pattern, None)


def _mark(mark: yaml.Mark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


class _Walk:
    """One pass over the nodes of a document: values, positions, duplicate keys."""

    def __init__(self) -> None:
        self.positions: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """The plain value of a node."""
        self._count += 1
        if self._count > MOST_VALUES:
            raise _StopError(_mark(node.start_mark), f"the file expands to more than {MOST_VALUES:,} values")
        if id(node) in self._open:
            raise _StopError(_mark(node.start_mark), "an alias stands inside the thing it names")
        self._open.add(id(node))
        try:
            return self._build(node, path)
        finally:
            self._open.remove(id(node))

    def _build(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == PREFIX + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == PREFIX + "seq":
            return [self._item(item, (*path, i)) for i, item in enumerate(node.value)]
        tag = node.tag.removeprefix(PREFIX)
        if not isinstance(node, yaml.ScalarNode) or tag not in BUILDERS:
            raise _StopError(_mark(node.start_mark), f"the tag {node.tag.replace(PREFIX, '!!')} is not allowed here")
        return _scalar(node, tag)

    def _item(self, node: yaml.Node, path: KeyPath) -> Any:
        self.positions[path] = Place(_mark(node.start_mark), _mark(node.start_mark))
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[Hashable, Any]:
        """Keys written here win over those merged in with `<<`; the first of two equal keys wins."""
        values = self._merged(node, path)
        seen: dict[Hashable, Mark] = {}
        for key_node, value_node in node.value:
            merges = _is_merge(key_node)
            key, mark = MERGE if merges else self._key(key_node, path), _mark(key_node.start_mark)
            if key in seen:
                text = (
                    f"{dotted((*path, key))}: duplicate key on line {mark.line}; first given on line {seen[key].line}"
                )
                self.problems.append(Problem(mark, text))
                continue
            seen[key] = mark
            if merges:
                continue
            self.positions[(*path, key)] = Place(mark, _mark(value_node.start_mark))
            values[key] = self.value(value_node, (*path, key))
        return values

    def _key(self, node: yaml.Node, path: KeyPath) -> str | int:
        key = self.value(node, ()) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise _StopError(_mark(node.start_mark), "a key must be text; put it in quotes if it is meant")
        return key if str(key) == node.value or holds_epochs(path) else str(node.value)

    def _merged(self, node: yaml.MappingNode, path: KeyPath) -> dict[Hashable, Any]:
        """What `<<` brings: of several mappings the first one that has a key gives it, and so tells its place last."""
        values: dict[Hashable, Any] = {}
        for parent in reversed([*_parents(node)]):
            if not isinstance(parent, yaml.MappingNode):
                raise _StopError(_mark(parent.start_mark), "<< merges mappings only")
            values |= self.value(parent, path)
        return values


def _is_merge(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.value == MERGE and key.style is None


def _parents(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    for key, value in node.value:
        if _is_merge(key):
            yield from value.value if isinstance(value, yaml.SequenceNode) else [value]


def _scalar(node: yaml.ScalarNode, tag: str) -> Any:
    try:
        node.value.encode()
        return BUILDERS[tag](node.value)
    except UnicodeEncodeError:
        raise _StopError(_mark(node.start_mark), "half of a surrogate pair is not text") from None
    except ValueError:
        raise _StopError(_mark(node.start_mark), f"{describe(node.value)} cannot be read as !!{tag}") from None


_CLEARER = {
    "mapping values are not allowed": "a colon is not allowed here; check the indentation, or quote the text",
    "could not find expected ':'": "a key without a colon; write `key: value`",
    "expected <block end>": "the indentation does not fit the lines above",
    "but found another document": "only one YAML document is allowed; remove the `---` line",
    "found character": "text that begins with this character must be quoted",
}


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    """What PyYAML found, in words that help."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position].split("\n")
        return Problem(Mark(len(before), len(before[-1]) + 1), f"the character {chr(error.character)!r} is not allowed")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem(Mark(1, 1), str(error))
    found, mark = str(error.problem), _mark(error.problem_mark)
    if error.context == "while scanning a quoted scalar" and "end of stream" in found and error.context_mark:
        return Problem(_mark(error.context_mark), "the quote opened here is not closed")
    lines = text.split("\n")
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Problem(mark, "tab used for indentation; YAML wants spaces")
    if "'\\t'" in found:
        return Problem(mark, "tab between two words; YAML wants spaces")
    clear = next((words for start, words in _CLEARER.items() if found.startswith(start)), found)
    if not (error.context and error.context_mark and "flow" in error.context):
        return Problem(mark, clear)
    start = _mark(error.context_mark)
    return Problem(mark, f"{found}; the bracket opened at {start.line}:{start.column} is not closed properly")


def _walk(text: str, path: KeyPath = ()) -> tuple[Any, _Walk]:
    walk = _Walk()
    try:
        node = _Loader(text).get_single_node()
        return (None if node is None else walk.value(node, path)), walk
    except yaml.YAMLError as error:
        raise _StopError(*_syntax_problem(error, text)[:2]) from None
    except RecursionError:
        raise _StopError(Mark(1, 1), "lists or mappings are nested too deeply") from None


def parse_value(text: str, path: KeyPath = ()) -> Any:
    """One YAML value, of this key; a ConfigError without a place if it cannot be read or a key in it is given twice."""
    try:
        value, walk = _walk(text, path)
    except _StopError as stop:
        raise ConfigError([stop.problem.text]) from None
    if walk.problems:
        raise ConfigError([problem.text for problem in walk.problems])
    return value


def parse(text: str, name: str) -> Source:
    """A whole file: a mapping at the top. Syntax errors are raised, duplicate keys are handed on in `problems`."""
    try:
        values, walk = _walk(text.removeprefix("\ufeff"))
        if values is None:
            raise _StopError(Mark(1, 1), "the file is empty; an experiment needs at least `data: {source: digits}`")
        if not isinstance(values, dict):
            raise _StopError(Mark(1, 1), f"expected a mapping of sections, got {describe(values)}")
    except _StopError as stop:
        raise ConfigError([f"{placed(name, stop.problem.mark)}{stop.problem.text}"]) from None
    return Source(name, values, walk.positions, walk.problems)


def source_of(content: bytes, name: str) -> Source:
    """A whole file as `parse` has it; all keys of one that nnrun wrote are `resolved`."""
    source = parse(decode(content, name), name)
    sections = source.values.items() if is_sealed(content) else ()
    keys = ((section, key) for section, own in sections if isinstance(own, dict) for key in own)
    return replace(source, resolved=frozenset(keys))


def decode(content: bytes, name: str) -> str:
    """UTF-8 with or without a byte-order mark; a ConfigError says where it is not."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].split(b"\n")
        place = placed(name, Mark(len(before), len(before[-1]) + 1))
        byte = error.object[error.start]
        raise ConfigError([f"{place}not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8"]) from None


def read_bytes(path: Path) -> bytes:
    """The file as it is; a ConfigError if there is none or it cannot be read."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError([f"{path}: larger than {MOST_BYTES >> 20} MiB; a YAML file of settings is needed"])
        return path.read_bytes()
    except FileNotFoundError:
        if is_address(str(path)):
            raise ConfigError([f"{path}: an address; {DOWNLOAD}"]) from None
        raise ConfigError([f"{path}: no such file{_neighbour(path)}"]) from None
    except IsADirectoryError:
        raise ConfigError([f"{path}: is a directory; a YAML file is needed"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from None


def _neighbour(path: Path) -> str:
    """What was probably meant: a YAML file beside it, or one that comes with nnrun."""
    beside = path.parent.iterdir() if path.parent.is_dir() else []
    by_stem = {file.stem: file.name for file in beside if file.suffix.lower() in SUFFIXES}
    if close := closest(path.stem, by_stem):
        return f"; did you mean {path.with_name(by_stem[close])}?"
    if (shipped() / "configs" / f"{path.stem}.yaml").is_file():
        return f"; `{command('configs', path.stem)}` puts the one that comes with nnrun here"
    return ""
