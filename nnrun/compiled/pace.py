"""How many steps threads share before they look up, and whether they share any while other programs want the cores.

A thread that another program pushes off its core keeps all others waiting, for milliseconds in which a step may take a
fraction of one: then one thread alone is many times as fast. Who does a piece changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter, thread_time
from typing import NamedTuple

LEAST = 2  # steps that are shared to see how it goes
STRETCH = 0.01  # seconds, about, between two looks: the hand-over takes less than a hundredth of that
OWN = 0.75  # share of its time that a thread with a core of its own runs at least
SHORT = 2e-4  # seconds that say nothing
PAUSE, LONGEST = 0.03, 5.0  # seconds alone after a disturbance, twice as many after each that follows at once


class Spent(NamedTuple):
    """Seconds of a thread: by the clock, and on a core."""

    passed: float
    run: float


def spent_on(work: Callable[[], object]) -> Spent:
    """What this thread spends on some work."""
    began, ran = perf_counter(), thread_time()
    work()
    return Spent(perf_counter() - began, thread_time() - ran)


class Pace:
    """The pace of a trainer: how many steps come next, and whether threads share them."""

    def __init__(self) -> None:
        """Shared, until something disturbs it."""
        self.steps, self._alone, self._pause = LEAST, 0.0, PAUSE

    @property
    def shared(self) -> bool:
        """Whether threads share the next steps."""
        return self._alone <= 0

    def took(self, steps: int, spent: Sequence[Spent]) -> None:
        """Take in what each thread spent on so many steps."""
        longest = max(of_thread.passed for of_thread in spent)
        most = max(1, int(STRETCH * steps / longest)) if longest > 0 else steps
        self.steps = min(most, 2 * self.steps)
        if not self.shared:
            self._alone -= longest
            if self.shared:
                self.steps = LEAST
        elif any(passed > SHORT and run < OWN * passed for passed, run in spent):
            self._alone, self._pause = self._pause, min(2 * self._pause, LONGEST)
        else:
            self._pause = max(PAUSE, self._pause / 2)
