"""One line a problem, with its place: of what pydantic finds, in the words of YAML.

A value was written at a line and column of the file, in a `--set` argument, or nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from nnrun.config.hints import choices_of, entry_called, field_at, section_form, unknown_key
from nnrun.config.values import KeyPath, Tree, describe, dotted, kind, plain
from nnrun.config.yaml_text import Mark, Place, Source, placed
from nnrun.errors import MOST
from nnrun.text import one_of, shortened

AFTER_THE_FILE = 1 << 60  # a line number that sorts what has no line behind what has one
OF_ANOTHER_FILE = 1 << 40  # the same for what stands in a file that is extended
LONGEST_ARGUMENT = 200  # characters of it in a message
EXPECTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "null",
}
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


class Located(NamedTuple):
    """A problem as it is printed, and where it sorts."""

    line_number: int
    column: int
    line: str


@dataclass
class Places:
    """The places of a file's values and of those that arguments set."""

    name: str = ""
    positions: dict[KeyPath, Place] = field(default_factory=dict)
    arguments: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Located] = field(default_factory=list)

    @classmethod
    def of(cls, source: Source) -> Places:
        """The places in a file, and the problems found while reading it."""
        places = cls(source.name, dict(source.positions))
        places.problems = [places._in_file(problem.mark, problem.text, problem.file) for problem in source.problems]
        return places

    def replace(self, path: KeyPath, argument: str) -> None:
        """From now on the value at `path` comes from an argument."""
        self.forget(path)
        self.arguments[path] = argument

    def forget(self, path: KeyPath) -> None:
        """The value at `path`, and what lies in it, is no longer what was written before."""
        self.positions = {p: place for p, place in self.positions.items() if p[: len(path)] != path}
        self.arguments = {p: argument for p, argument in self.arguments.items() if p[: len(path)] != path}

    def move(self, path: KeyPath, to: KeyPath) -> None:
        """The value that was written at `path` is now that of another key."""

        def moved(p: KeyPath) -> KeyPath:
            return (*to, *p[len(path) :]) if p[: len(path)] == path else p

        self.positions = {moved(p): place for p, place in self.positions.items()}
        self.arguments = {moved(p): argument for p, argument in self.arguments.items()}

    def locate(self, path: KeyPath, message: str, at_key: bool = False) -> Located:
        """The message about the value at `path` with its place: its own, or else that of what it stands in."""
        text = f"{dotted(path)}: {message}" if path else message
        for end in range(len(path), 0, -1):
            here = path[:end]
            if argument := self._argument(here):
                own = here == path and here in self.arguments
                told = shortened(argument, LONGEST_ARGUMENT)
                return Located(AFTER_THE_FILE, 0, f"--set {told}: {message if own else text}")
            if here in self.positions:
                place = self.positions[here]
                mark = place.key if at_key or here != path else place.value
                return self._in_file(mark, text, place.file)
        return Located(AFTER_THE_FILE, 0, text)

    def _argument(self, path: KeyPath) -> str | None:
        """The argument that gave this value, or made the mapping that holds what it gave."""
        if path in self.arguments or path in self.positions:
            return self.arguments.get(path)
        return next((argument for p, argument in self.arguments.items() if p[: len(path)] == path), None)

    def _in_file(self, mark: Mark, text: str, file: str) -> Located:
        order = mark.line + (OF_ANOTHER_FILE if file else 0)
        return Located(order, mark.column, f"{placed(file or self.name, mark)}{text}")


class Wrong(NamedTuple):
    """One of pydantic's errors."""

    type: str
    path: KeyPath  # as written in the file
    value: Any
    text: str
    nullable: bool
    allowed: tuple[str, ...]  # names, where it should have been one of them
    also: str  # what else may stand there
    at: str | None  # the key in a mapping that is meant, where a name alone is allowed too
    form: str  # of a section with this value in its place


def explain(error: ValidationError, values: Tree, places: Places, root: type[BaseModel]) -> Iterator[Located]:
    """Each problem with its place; of very many the first."""
    for details in error.errors(include_url=False)[:MOST]:
        location, about = details["loc"], details.get("ctx", {})
        path = written_path(location, values)
        if details["type"] in ("extra_forbidden", "invalid_key"):
            yield places.locate(path, unknown_key(root, path, values), at_key=True)
        elif details["type"] == "complaints":
            for below, message in about["complaints"]:
                at_key = message.startswith("unknown key")
                yield places.locate(written_path((*path, *below), values), message, at_key=at_key)
        elif details["type"] == "missing":
            yield places.locate((*path, location[-1]), "is missing")
        else:
            kind_of, value, field_here = details["type"], details["input"], field_at(root, path, values)
            names = choices_of(field_here) if kind_of == "string_type" else about.get("allowed", ())
            form = section_form(field_here, value) if kind_of == "model_type" else ""
            more = names, about.get("also", ""), about.get("at"), form
            wrong = Wrong(kind_of, path, value, details["msg"], _nullable(field_here), *more)
            yield places.locate(_choice_path(wrong), phrase(wrong))


def written_path(location: Sequence[str | int], values: Any) -> KeyPath:
    """The part of pydantic's location that exists in the file: without tags of unions and filled-in names."""
    path: KeyPath = ()
    for part in location:
        items = values if isinstance(values, dict) else dict(enumerate(values)) if isinstance(values, list) else {}
        part = next((key for key in (part, _number(part)) if key in items), part)
        if part in items:
            path, values = (*path, part), items[part]
    return path


def _number(part: str | int) -> str | int:
    """A key that is a number, which pydantic hands on as text."""
    try:
        return int(part)
    except ValueError:
        return part


def _choice_path(wrong: Wrong) -> KeyPath:
    """A wrong name of a table entry is named by its own key if it was written as a mapping."""
    return (*wrong.path, wrong.at) if wrong.at and isinstance(wrong.value, dict) else wrong.path


def _nullable(field: FieldInfo | None) -> bool:
    """Whether the key may be null."""
    return field is not None and (field.default is None or type(None) in get_args(field.annotation))


def phrase(wrong: Wrong) -> str:
    """The message for one error."""
    if wrong.type in _PHRASES:
        return _PHRASES[wrong.type](wrong)
    if wrong.type in EXPECTED:
        form = f"a mapping such as {wrong.form}" if wrong.form else EXPECTED[wrong.type]
        return _wrong_type(one_of(wrong.allowed) if wrong.allowed else form, wrong)
    return f"{wrong.text[:1].lower()}{wrong.text[1:]}, got {describe(wrong.value)}"


def _wrong_type(expected: str, wrong: Wrong) -> str:
    also = " or null" if wrong.nullable else ""
    return f"expected {expected}{also}, got {describe(wrong.value)}{_remedy(expected, wrong)}"


def _remedy(expected: str, wrong: Wrong) -> str:
    """What to change, where the slip is a common one."""
    value = wrong.value
    if isinstance(value, str):
        return _remedy_for_text(expected, value, wrong.nullable)
    if value is None:
        return "; remove the key to use its default"
    if expected == "a number" and type(value) is int:
        return ", which is too large"
    if expected == "text" and isinstance(value, (bool, int, float)):
        return "; put it in quotes"
    if expected == "a list" and not isinstance(value, dict):
        return f"; write [{describe(value)}]"
    return ""


def _remedy_for_text(expected: str, text: str, nullable: bool) -> str:
    if nullable and text.lower() in ("none", "null"):
        return "; write null without quotes" if text.lower() == "null" else "; write null"
    if expected == "true or false" and text.lower() in _TRUTHS:
        return f"; write {_TRUTHS[text.lower()]}"
    if not _is_quoted(expected, text):
        return ""
    meant = plain(text)  # a key such as 012 is text without quotes, too
    return f"; write {meant}" if type(meant) is int and str(meant) != text else "; remove the quotes"


def _is_quoted(expected: str, text: str) -> bool:
    """Whether the text, without its quotes, would be what is expected."""
    try:
        meant = kind(plain(text))
    except ValueError:
        return False
    if expected == "true or false":
        return meant == "true/false"
    fits = {"number": expected == "a number", "whole number": expected.endswith("number")}
    return fits.get(meant, False)


def _unknown_choice(wrong: Wrong) -> str:
    allowed, also = [str(name) for name in wrong.allowed], wrong.also
    value = str(wrong.value["name"] if isinstance(wrong.value, dict) else wrong.value)
    if _is_quoted(also, value):
        return f"expected {', '.join(allowed)} or {also}, got {describe(value)}; remove the quotes"
    meant = entry_called(value, allowed)
    return f"unknown choice {value[:60]!r}; {meant}allowed: {', '.join(filter(None, [*allowed, also]))}"


_PHRASES: dict[str, Callable[[Wrong], str]] = {
    "out_of_range": lambda wrong: f"{wrong.text}, got {describe(wrong.value)}",
    "wrong_kind": lambda wrong: _wrong_type(wrong.text, wrong),
    "choice": _unknown_choice,
    "nameless": lambda wrong: f"needs a name; one of {', '.join(wrong.allowed)}",
    "finite_number": lambda wrong: f"must be a finite number, got {describe(wrong.value)}",
    "string_pattern_mismatch": lambda wrong: (
        f"may hold only letters, digits, - _ and . (1 to 64 of them), got {describe(wrong.value)}"
    ),
}
