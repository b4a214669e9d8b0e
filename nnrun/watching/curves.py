"""Curves of a run, read on from where they were read to, and kept in bounded memory."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

MOST = 2_000  # points that are kept of a curve, each second one is dropped when there are more
NAMES = ("epoch", "train_loss", "dev_loss", "train_error", "dev_error", "seconds")  # these of all epochs until there

Point = list[float | None]


class Cursor:
    """The whole lines of a file that only grows; one that became shorter, or another file, is read from its start."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset, self._inode = path, 0, 0

    def fresh(self) -> tuple[list[dict[str, Any]], bool]:
        """Lines that were not read yet, and whether all that came before is void; what is no JSON is left out."""
        try:
            with self.path.open("rb") as file:
                status = self.path.stat()
                void = status.st_ino != self._inode or status.st_size < self._offset
                self._offset, self._inode = 0 if void else self._offset, status.st_ino
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            void, self._offset = self._offset > 0, 0
            return [], void
        self._offset += len(whole) + len(newline)
        return [found for line in whole.split(b"\n") if (found := _object(line)) is not None], void


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
        self.generation = 0  # another one: all points are to be taken again

    def _begin(self) -> None:
        self._stride, self._seen, self._passed = 1, 0, 0.0
        self.points: list[Point] = []
        self.latest: list[Point] = []  # behind the points, if it is none of those that stay

    def look(self) -> None:
        """Read what has come."""
        rows, void = self._cursor.fresh()
        if void:
            self._begin()
            self.generation += 1
        for row in rows:
            point = self._point(row)
            stays = self._seen % self._stride == 0
            self.latest = [] if stays else [point]
            self.points += [point] if stays else []
            self._seen += 1
        while len(self.points) > MOST:
            if len(self.points) % 2 == 0 and not self.latest:
                self.latest = self.points[-1:]
            self.points, self._stride = self.points[::2], 2 * self._stride
            self.generation += 1

    def _point(self, row: dict[str, Any]) -> Point:
        """The numbers of an epoch by NAMES."""
        self._passed += _finite(row.get("seconds")) or 0.0
        return [*(_finite(row.get(name)) for name in NAMES[:-1]), self._passed]


class BestSoFar(Curve):
    """A search after each of its trials, which stand where an epoch does: the best one until then."""

    def _begin(self) -> None:
        super()._begin()
        self._best: tuple[float, Point] = (math.inf, [None] * 4)
        self._first: float | None = None  # when the first trial began, in seconds since 1970

    def _point(self, row: dict[str, Any]) -> Point:
        metric, final = _finite(row.get("metric")), row.get("final")
        if metric is not None and metric < self._best[0] and isinstance(final, dict):
            self._best = metric, [_finite(final.get(name)) for name in NAMES[1:-1]]
        now, took = _finite(row.get("time")), _finite(row.get("seconds")) or 0.0
        if self._first is None and now is not None:
            self._first = now - took
        passed = None if now is None or self._first is None else max(0.0, now - self._first)
        return [self._seen + 1.0, *self._best[1], passed]


def _finite(value: object) -> float | None:
    """JSON has no NaN, and a chart shows none."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
