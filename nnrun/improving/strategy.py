"""The loop as a strategy of a search, which trains what it asks for, keeps the ledger and is resumed."""

from __future__ import annotations

from nnrun.config.config import Config
from nnrun.config.space.space import Space
from nnrun.improving.budget import Spent
from nnrun.improving.loop import Loop
from nnrun.improving.record import Ending
from nnrun.improving.standing import Ask
from nnrun.search.ledger import Ledger
from nnrun.search.record import TrialRecord
from nnrun.search.seeds import improve_seed
from nnrun.search.strategies.strategy import Brief, Point, Strategy

MOST = 1_000_000  # trainings: the loop ends by itself


class Steps(Strategy):
    """Asks the loop for trainings, and tells it their results when all that it asked for at once have ended."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        super().__init__(Brief(Space(()), config.seed, [MOST]))
        self.config, self._ledger = config, ledger
        self._asks: list[Ask] = []
        self.results: list[TrialRecord] = []  # of the first of these, by number: those that the loop knows
        self.ending: Ending | None = None

    def follow(self, loop: Loop) -> None:
        """Take it from the start."""
        self._course = loop.course()
        self._asks += next(self._course)

    def propose(self, number: int) -> Point | None:
        """The training of this number; None while it hangs on results, and when the loop has ended."""
        while number >= len(self._asks) and self.ending is None and self.settled(len(self._asks)):
            self._go_on()
        return Point(number, self._asks[number].settings) if number < len(self._asks) else None

    def _go_on(self) -> None:
        """One turn of the loop."""
        known = {record["number"]: record for record in self._ledger.read()[0]}
        found = [known[number] for number in range(len(self.results), len(self._asks))]
        self.results += found
        try:
            self._asks += self._course.send(found)
        except StopIteration as ended:
            self.ending = ended.value

    def seed(self, number: int) -> int:
        """The seed of the training of this number."""
        return improve_seed(self.config.seed, self._asks[number].seed)

    @property
    def next(self) -> int:
        """The number of the next training that the loop asks for."""
        return len(self._asks)

    def spent(self) -> Spent:
        """What the trainings took that the loop knows the results of."""
        epochs = sum(record.get("epochs", 0) for record in self.results)
        return Spent(len(self.results), epochs, sum(record.get("seconds") or 0.0 for record in self.results))
