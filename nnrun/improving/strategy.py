"""The loop as a strategy of a search, which trains what it asks for, keeps the ledger and is resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nnrun.config.config import Config
from nnrun.config.space.space import Space
from nnrun.errors import UsageError
from nnrun.files import to_json
from nnrun.improving.budget import Spent
from nnrun.improving.changes import Base
from nnrun.improving.loop import Loop
from nnrun.improving.record import Ending
from nnrun.improving.standing import Ask
from nnrun.improving.telling import settings_told
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

    def retrace(self) -> None:
        """Go through what is in the ledger; UsageError where that is not what the loop asks for."""
        known = self._known()
        for number in known:
            self.tell(number, {}, 0.0)
        if known:
            self.propose(max(known))
        self._refuse_others(known)

    def has_begun(self, number: int) -> bool:
        """Whether the ledger has a training of this number."""
        return number in self._known()

    def _known(self) -> dict[int, TrialRecord]:
        return {record["number"]: record for record in self._ledger.read()[0]}

    def _refuse_others(self, known: Mapping[int, TrialRecord]) -> None:
        """UsageError for a training that is not what the loop asks for at its number, as far as that is known."""
        for number in sorted(number for number in known if number >= len(self.results)):
            trained, asked = known[number]["values"], [ask.settings for ask in self._asks[number : number + 1]]
            if not asked and self.ending is None:
                return
            if [trained] == json.loads(to_json(asked)):
                continue
            then, now = settings_told(trained), settings_told(asked[0]) if asked else "of no further training"
            raise UsageError(
                f"{self._ledger.path.parent.name}: the changes of training {number} are {then}, and would be {now} "
                "today, as the version that began it gave other advice. Nothing was written; begin a new improvement"
            )

    def _go_on(self) -> None:
        """One turn of the loop."""
        known = self._known()
        self._refuse_others(known)
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
        """What the trainings took that the loop knows the results of; each fold counts as long as the longest."""
        epochs = Base(self.config).folds * sum(record.get("epochs", 0) for record in self.results)
        return Spent(len(self.results), epochs, sum(record.get("seconds") or 0.0 for record in self.results))
