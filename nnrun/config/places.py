"""Where each value was written: at a line and column of the file, in a `--set` argument, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from nnrun.config.source import KeyPath, Place, Source
from nnrun.config.words import dotted

AFTER_THE_FILE = 1 << 60  # a line number that sorts what has no line behind what has one


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
        places.problems = [places._in_file(problem.mark, problem.text) for problem in source.problems]
        return places

    def replace(self, path: KeyPath, argument: str) -> None:
        """From now on the value at `path` comes from an argument."""
        self.forget(path)
        self.arguments[path] = argument

    def forget(self, path: KeyPath) -> None:
        """The value at `path`, and what lies in it, is no longer what was written before."""
        self.positions = {p: place for p, place in self.positions.items() if p[: len(path)] != path}
        self.arguments = {p: argument for p, argument in self.arguments.items() if p[: len(path)] != path}

    def locate(self, path: KeyPath, message: str, at_key: bool = False) -> Located:
        """The message about the value at `path` with its place: its own, or else that of what it stands in."""
        text = f"{dotted(path)}: {message}" if path else message
        for end in range(len(path), 0, -1):
            here = path[:end]
            if argument := self._argument(here):
                own = here == path and here in self.arguments
                return Located(AFTER_THE_FILE, 0, f"--set {argument}: {message if own else text}")
            if here in self.positions:
                place = self.positions[here]
                return self._in_file(place.key if at_key or here != path else place.value, text)
        return Located(AFTER_THE_FILE, 0, text)

    def _argument(self, path: KeyPath) -> str | None:
        """The argument that gave this value, or made the mapping that holds what it gave."""
        if path in self.arguments or path in self.positions:
            return self.arguments.get(path)
        return next((argument for p, argument in self.arguments.items() if p[: len(path)] == path), None)

    def _in_file(self, mark: tuple[int, int], text: str) -> Located:
        line, column = mark
        return Located(line, column, f"{self.name}:{line}:{column}: {text}")
