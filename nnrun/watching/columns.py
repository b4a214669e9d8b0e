"""A few numbers of each trial of a search, 56 bytes of each, by which some are chosen to be drawn."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from itertools import accumulate

from nnrun.search.record import TrialRecord, dev_loss

Rank = tuple[float, float, int]


class Columns:
    """In the order in which they were entered; of those with one number the first."""

    def __init__(self) -> None:
        self._known, self._number, self._place = array("q"), array("q"), array("q")
        self._metric, self._loss, self._time, self._seconds = (array("d") for _ in range(4))

    def __len__(self) -> int:
        return len(self._number)

    def add(self, record: TrialRecord, place: int) -> bool:
        """Enter one whose line begins there; whether it is a new one."""
        number = record["number"]
        at = bisect_left(self._known, number)
        if at < len(self._known) and self._known[at] == number:
            return False
        self._known.insert(at, number)
        self._number.append(number)
        self._place.append(place)
        self._metric.append(math.nan if record["metric"] is None else record["metric"])
        self._loss.append(dev_loss(record))
        self._time.append(record["time"])
        self._seconds.append(record.get("seconds") or 0.0)
        return True

    def _rank(self, i: int) -> Rank:
        return self._metric[i], self._loss[i], self._number[i]

    def picked(self, most: int) -> list[int]:
        """Where the lines of about so many begin: each that was the best so far, the best ones, some of the others.

        All of them where there are no more.
        """
        ranked = sorted((i for i in range(len(self)) if not math.isnan(self._metric[i])), key=self._rank)
        if len(ranked) <= most:
            return list(self._place)
        ahead = [ranked[-1]]
        for i in sorted(ranked, key=self._time.__getitem__):
            ahead += [i] if self._rank(i) < self._rank(ahead[-1]) else []
        best, rest = ranked[: most // 2], ranked[most // 2 :]
        some = rest[:: -(-len(rest) // (most - most // 2))]
        return sorted({self._place[i] for i in (*ahead, *best, *some)})

    def spent(self) -> dict[int, float]:
        """Seconds of training of all trials until the end of each, by number."""
        ended = sorted(range(len(self)), key=self._time.__getitem__)
        until = accumulate(self._seconds[i] for i in ended)
        return {self._number[i]: seconds for i, seconds in zip(ended, until, strict=True)}
