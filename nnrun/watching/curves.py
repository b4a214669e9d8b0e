"""Curves of a run, read on from where they were read to, and kept in bounded memory."""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, cast

MOST = 2_000  # points that are kept of a curve; of four in a row the lowest and the highest stay when there are more
NAMES = ("epoch", "train_loss", "dev_loss", "train_error", "dev_error", "step", "seconds", "line")
COUNTED = NAMES[-2:]  # all seconds until then, and all lines

BATCH = 1 << 20  # bytes of a file that are taken at a time; as objects they need ten times as much

Point = list[float | None]
Line = tuple[int, bytes]  # where it begins in its file, and what it says


class Cursor:
    """The whole lines of a file that only grows; one that became shorter, or another file, is read from its start."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset, self._inode = path, 0, 0

    def fresh(self) -> tuple[list[dict[str, Any]], bool]:
        """What lines hold that were not read yet, and whether all before is void; what is no JSON is left out."""
        found: list[dict[str, Any]] = []
        is_void = False
        for lines, void in self.batches():
            found, is_void = ([] if void else found) + objects(lines), is_void or void
        return found, is_void

    def batches(self) -> Iterator[tuple[list[Line], bool]]:
        """Whole lines that were not read yet, some at a time, and whether all that came before them is void."""
        while True:
            lines, void = self._batch()
            if lines or void:
                yield lines, void
            if not lines:
                return

    def _batch(self) -> tuple[list[Line], bool]:
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                void = status.st_ino != self._inode or status.st_size < self._offset
                self._offset, self._inode = 0 if void else self._offset, status.st_ino
                if status.st_size == self._offset:
                    return [], void
                file.seek(self._offset)
                whole, newline, _ = _some(file).rpartition(b"\n")
        except OSError:
            void, self._offset = self._offset > 0, 0
            return [], void
        begin, self._offset = self._offset, self._offset + len(whole) + len(newline)
        lines = whole.split(b"\n") if newline else []
        places = accumulate((len(line) + 1 for line in lines), initial=begin)
        return [(at, line) for at, line in zip(places, lines, strict=False)], void


def _some(file: BinaryIO) -> bytes:
    """As many bytes of a file as hold a whole line, if there is one."""
    found = file.read(BATCH)
    while b"\n" not in found and (more := file.read(BATCH)):
        found += more
    return found


def objects(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """What they hold; what is no JSON object is left out."""
    return [found for _, line in lines if (found := _object(line)) is not None]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class Curve:
    """The epochs of one run. The latest one is always there, though it may not stay when others are dropped."""

    def __init__(self, path: Path) -> None:
        self._cursor = Cursor(path)
        self._begin()
        self.generation = 0  # another one: what was read before is void

    def _begin(self) -> None:
        self._at_once, self._seen, self._passed = 1, 0, 0.0
        self._waiting: list[Point] = []  # until there are so many at once, of which two stay
        self.points: list[Point] = []
        self.latest: list[Point] = []  # behind the points, if it is none of those that stay

    def follow(self, path: Path) -> None:
        """Read this file from now on, from its start if it is another one."""
        self._cursor.path = path

    def look(self) -> None:
        """Read what has come."""
        for lines, void in self._cursor.batches():
            if void:
                self._begin()
                self.generation += 1
            for row in objects(lines):
                self._enter(self._point(row))

    def _enter(self, point: Point) -> None:
        self._seen += 1
        self._waiting.append(point)
        if len(self._waiting) == self._at_once:
            self.points += extremes(self._waiting)
            self._waiting = []
        if len(self.points) > MOST:
            self._thin()
        self.latest = [] if self.points and self.points[-1] is point else [point]

    def _thin(self) -> None:
        fours = (self.points[start : start + 4] for start in range(0, len(self.points), 4))
        self.points = [point for four in fours for point in extremes(four)]
        self._at_once = max(4, 2 * self._at_once)

    def since(self, line: float) -> list[Point]:
        """The points behind so many lines; those that stay, and the latest."""
        points = self.points + self.latest
        return points[bisect_right(points, line, key=lambda point: cast(float, point[-1])) :]

    def _point(self, row: dict[str, Any]) -> Point:
        """The numbers of an epoch by NAMES."""
        self._passed += _finite(row.get("seconds")) or 0.0
        return [*(_finite(row.get(name)) for name in NAMES[: -len(COUNTED)]), self._passed, self._seen + 1]


def extremes(points: list[Point]) -> list[Point]:
    """Of several the lowest and the highest by the dev loss, else by the training loss, so that no spike is lost."""
    for column in (NAMES.index("dev_loss"), NAMES.index("train_loss")):
        known = [(value, k) for k, point in enumerate(points) if (value := point[column]) is not None]
        if known and len(points) > 2 and min(known)[0] < max(known)[0]:
            return [points[k] for k in sorted((min(known)[1], max(known)[1]))]
    return points if len(points) < 3 else [points[0], points[-1]]


class BestSoFar(Curve):
    """A search after each of its trials, which stand where an epoch does: the best one until then."""

    def _begin(self) -> None:
        super()._begin()
        self._best: tuple[float, Point] = (math.inf, [None] * 4)

    def _point(self, row: dict[str, Any]) -> Point:
        metric, final = _finite(row.get("metric")), row.get("final")
        if metric is not None and metric < self._best[0] and isinstance(final, dict):
            self._best = metric, [_finite(final.get(name)) for name in NAMES[1:5]]
        self._passed += _finite(row.get("seconds")) or 0.0
        return [self._seen + 1.0, *self._best[1], None, self._passed, self._seen + 1]


def _finite(value: object) -> float | None:
    """JSON has no NaN, and a chart shows none."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
