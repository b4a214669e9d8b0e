"""What differs between runs: keys of the config, and numbers of the best epoch with how sure the difference is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnrun.comparison.contestants import FACTS, Contestant, contestants, incomparable
from nnrun.comparison.noise import Noise, seed_noise
from nnrun.metrics.table import METRICS

Rows = dict[str, list[Any]]  # a key with the value of each run; None where a run has none


@dataclass(frozen=True)
class Comparison:
    """Runs side by side; `reference` is the run that the others are compared with."""

    runs: list[Contestant]
    apart: str | None  # why errors cannot be compared
    config: Rows
    metrics: Rows
    noise: dict[str, Noise]
    reference: int

    def difference(self, key: str, index: int) -> float | None:
        """A run's number less that of the reference; None where one is missing or the data differs."""
        value, other = (self.metrics[key][i] for i in (index, self.reference))
        words = any(isinstance(each, (str, bool)) or each is None for each in (value, other))
        return None if words or self.apart else float(value - other)

    def within_noise(self, key: str, index: int) -> bool | None:
        """Whether the seed explains the difference; None where that is not known."""
        difference = self.difference(key, index)
        if difference is None or key not in self.noise:
            return None
        return abs(difference) <= self.noise[key].band

    @property
    def primary(self) -> str:
        """The number that decides, of the first run."""
        return self.runs[0].primary

    @property
    def curve(self) -> str:
        """The number whose epochs are drawn: what decides in all of them, if it was recorded, else the dev error."""
        shared = len({run.primary for run in self.runs}) == 1
        recorded = shared and any(value is not None for run in self.runs for value in run.curve(self.primary))
        return self.primary if recorded else "dev_error"


def compare(root: Path, references: Sequence[str], everything: bool = False) -> Comparison:
    """What differs between these runs, or with `everything` also what does not.

    Two runs: the second is compared with the first. More: each with the best.
    """
    runs = contestants(root, references)
    config = _rows([run.settings for run in runs])
    if len({str(run.files) for run in runs}) == 1:  # the same content under another path
        config = {key: values for key, values in config.items() if key.split(".")[:2] != ["data", "source"]}
    metrics = _rows([run.metrics for run in runs])
    keep: Callable[[list[Any]], bool] = (lambda values: True) if everything else _differ
    return Comparison(
        runs=runs,
        apart=incomparable(runs),
        config={key: values for key, values in config.items() if keep(values)},
        metrics={key: values for key, values in metrics.items() if keep(values) or key == runs[0].primary},
        noise=seed_noise(runs, root),
        reference=0 if len(runs) == 2 else _best(runs),
    )


def _rows(found: Sequence[dict[str, Any]]) -> Rows:
    keys = dict.fromkeys(key for each in found for key in each if key not in FACTS)
    facts = [key for key in FACTS if any(key in each for each in found)]
    return {key: [each.get(key) for each in found] for key in [*keys, *facts]}


def _differ(values: list[Any]) -> bool:
    return any(value != values[0] or isinstance(value, bool) is not isinstance(values[0], bool) for value in values)


def _best(runs: Sequence[Contestant]) -> int:
    """The place of the run with the best primary number."""
    key = runs[0].primary
    metric = METRICS.get(key.removeprefix("dev_"), METRICS["error"])
    known = [index for index, run in enumerate(runs) if run.metrics.get(key) is not None]
    return min(known, key=lambda index: float(metric.to_minimise(runs[index].metrics[key])), default=0)
