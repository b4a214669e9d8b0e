"""The symptoms of a run: as they come and go while it trains, and as it ends."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

from nnrun.config.config import Config
from nnrun.runs.records import Diverged, FoundSymptom, Layers, Row
from nnrun.runs.rundir import RunDir
from nnrun.runs.symptoms.evidence import Evidence, recorded_layers
from nnrun.runs.symptoms.symptoms import find_symptoms
from nnrun.runs.telling import symptom_lines

SECONDS_BETWEEN_LOOKS = 1.0
SHARE = 0.01  # of the time at most is spent on looking

Tell = Callable[[Sequence[FoundSymptom]], None]


class Watch:
    """Looks at one run while it trains, about once a second, and keeps what it finds in run.json.

    `guess` is the training error of the best constant guess; `tell` hears what is wrong whenever that has changed.
    """

    def __init__(self, run: RunDir, guess: float, tell: Tell) -> None:
        self.run, self.guess, self.tell = run, guess, tell
        self._found: list[FoundSymptom] = []
        self._due = time.monotonic() + SECONDS_BETWEEN_LOOKS

    def look(self, config: Config, rows: Sequence[Row], start: int, layers: Callable[[], Layers]) -> None:
        """Between two epochs, if it is time; `layers` measures where the rows have none.

        The configuration holds since the epoch `start`: what a change does to a curve is no symptom.
        """
        begun = time.monotonic()
        if begun < self._due:
            return
        rows = since(rows, start)
        if not rows:  # the first epoch diverged, of the run or since a change
            return
        at = recorded_layers(rows) or [(rows[-1]["epoch"], layers())]
        found = find_symptoms(Evidence(config, rows, at, self.guess, status="running"))
        first = {symptom["name"]: symptom["epoch"] for symptom in self._found}
        for symptom in found:
            symptom["epoch"] = min(symptom["epoch"], first.get(symptom["name"], symptom["epoch"]))
        if found != self._found:
            self._found = found
            self.run.update_record(symptoms=found)
            self.run.log(line for symptom in tell_once(self.run, found) for line in symptom_lines(symptom, self.run.id))
            self.tell(found)
        now = time.monotonic()
        self._due = now + max(SECONDS_BETWEEN_LOOKS, (now - begun) / SHARE)


def symptoms_at_end(
    run: RunDir, config: Config, rows: Sequence[Row], last: tuple[int, Layers], guess: float, where: Diverged | None
) -> list[FoundSymptom]:
    """What is wrong as the run ends; `last` are the statistics of its layers, `where` it diverged.

    The rows are those since the configuration holds.
    """
    found = find_symptoms(Evidence(config, rows, recorded_layers(rows) or [last], guess, where))
    tell_once(run, found)
    return found


def tell_once(run: RunDir, found: Sequence[FoundSymptom]) -> list[FoundSymptom]:
    """An event for each symptom that the run has not told of before; these."""
    known = {event.get("name") for event in run.events()} if found else set()
    new = [symptom for symptom in found if symptom["name"] not in known]
    for symptom in new:
        run.event("symptom", **symptom)
    return new


def since(rows: Sequence[Row], epoch: int) -> Sequence[Row]:
    """The rows from an epoch on."""
    return rows[bisect_left(rows, epoch, key=lambda row: row["epoch"]) :]
