"""What differs between runs: keys of the config, and numbers of the best epoch beside what the seed alone does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import comb, inf, sqrt
from pathlib import Path
from statistics import variance
from typing import Any, NamedTuple

from nnrun.config.space.intervals import is_number
from nnrun.config.values import Settings
from nnrun.engine.scores import to_minimise
from nnrun.errors import NnrunError
from nnrun.files import to_json
from nnrun.insight.comparison.contestants import COMPARED_FACTS, Contestant, contestants, incomparable, is_loss
from nnrun.runs.finding import is_search, list_runs, search_of
from nnrun.runs.records import Final
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.runs.student import quantile
from nnrun.runs.verdict import SURE
from nnrun.text import in_percent, metric_key, part_and_name

SHARED_OR_NOT = ("seed", "name", "data.source")  # keys that no group has to share; files are compared by content
BY_CHANCE = 0.05  # of comparisons of equal runs that find a difference all the same
WHOLE = 1.0  # an error of all rows, or of a constant guess at numbers

Finals = dict[int, Final]  # the numbers of each run by its seed


class Noise(NamedTuple):
    """The standard deviation of a number when only the seed changes, pooled over the runs' groups."""

    deviation: float
    degrees: int  # of freedom: runs − groups
    runs: int

    def band(self, runs: int = 2) -> float:
        """The largest difference among so many runs that is no surprise, in 19 of 20 cases: t · s · √2.

        By Bonferroni for all pairs, since the best, with which all others are compared, might have been any of them.
        """
        share = 1 - BY_CHANCE / 2 / comb(runs, 2)
        return quantile(share, self.degrees) * self.deviation * sqrt(2)


def seed_noise(runs: Sequence[Contestant], root: Path) -> dict[str, Noise]:
    """The noise of each number that at least one of the runs has repeats for, under `root` or in its own search.

    An ensemble of runs is no repeat of any of them: its config is that of its first member alone.
    """
    whole = [run for run in runs if not run.gathered]
    networks = {_group(run): int(run.settings.get("network.ensemble", 1)) for run in whole}
    groups: dict[str, Finals] = {group: {} for group in networks}
    for run in _repeats(runs, root):
        try:
            group, trained = _group(run), not (run.record["parent"] or run.gathered)
            if group in groups and run.record["status"] == "done" and trained:
                groups[group].setdefault(int(run.settings["seed"]), run.record["final"] or {})
        except (NnrunError, KeyError, TypeError, AttributeError):  # a broken run does not hide the others
            continue
    repeats = [_apart(finals, networks[group]) for group, finals in groups.items()]
    keys = dict.fromkeys(key for finals in repeats for final in finals.values() for key in final if SURE not in key)
    found = {key: _pooled(key, repeats) for key in keys}
    return {key: noise for key, noise in found.items() if noise}


def _apart(finals: Finals, networks: int) -> Finals:
    """As many as have no network in common: those of an ensemble have seeds that count up from its own."""
    kept = Finals()
    for seed in sorted(finals):
        if not kept or seed >= max(kept) + networks:
            kept[seed] = finals[seed]
    return kept


def _repeats(runs: Sequence[Contestant], root: Path) -> Iterator[Contestant]:
    """Runs that were not chosen for their results: those made one by one, and the repeats of searches."""
    searches = [search for run in runs if (search := search_of(run.run.directory))]
    alone = [run.run.directory for run in runs if not search_of(run.run.directory)]
    seen: set[Path] = set()
    for run in [*list_runs(root), *searches, *alone]:
        if (path := run.path.resolve()) not in seen:
            seen.add(path)
            inside = [RunDir(folder) for folder in sorted(path.glob("repeats/*/*"))] if is_search(run) else [run]
            yield from (Contestant("", StoredRun(repeat)) for repeat in inside if repeat.exists)


def _group(run: Contestant) -> str:
    """What runs share that differ in the seed alone."""
    shared = {key: value for key, value in run.settings.items() if not _free(key)}
    return to_json([sorted(shared.items()), sorted(run.files.items())])


def _free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in SHARED_OR_NOT)


def _pooled(key: str, groups: Sequence[Finals]) -> Noise | None:
    """√(Σ (n − 1) s² / Σ (n − 1)) over groups of two runs or more; None where there are none."""
    values = [[value for final in finals.values() if is_number(value := final.get(key))] for finals in groups]
    repeated = [each for each in values if len(each) > 1]
    degrees = sum(len(each) - 1 for each in repeated)
    if not degrees:
        return None
    squares = sum((len(each) - 1) * variance(each) for each in repeated)
    return Noise(sqrt(squares / degrees), degrees, degrees + len(repeated))


Cell = Any  # a setting, whatever stands in the config, or a number of the best epoch; None where a run has none
Rows = dict[str, list[Cell]]  # a key with the cell of each run


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
        """A run's number less that of the reference; None where one is missing, or data or losses differ."""
        value, other = (self.metrics[key][i] for i in (index, self.reference))
        words = any(isinstance(each, (str, bool)) or each is None for each in (value, other))
        others = is_loss(key) and self.runs[index].loss != self.runs[self.reference].loss
        return None if words or self.apart or others else float(value - other)

    def band(self, key: str) -> float | None:
        """The band of a number's noise; None where the repeats are too few to tell it.

        So it is where they came to the same number, as the next one would hardly, or where the band is wider than all
        errors.
        """
        band = self.noise[key].band(len(self.runs)) if key in self.noise else 0.0
        widest = WHOLE if in_percent(key) else inf
        return band if 0 < band < widest else None

    def within_noise(self, key: str, index: int) -> bool | None:
        """Whether the seed explains the difference; None where that is not known."""
        difference, band = self.difference(key, index), self.band(key)
        return None if difference is None or band is None else abs(difference) <= band

    def title(self, key: str) -> str:
        """A number by its true name: that of the run's file, and what errors are where rows do not count alike."""
        kinds = {run.kind for run in self.runs}
        return metric_key(key, kinds.pop() if len(kinds) == 1 else "")

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
    if not any(run.kind for run in runs):
        metrics = {key: values for key, values in metrics.items() if "_plain_" not in key}
    keep: Callable[[list[Cell]], bool] = (lambda values: True) if everything else _differ
    return Comparison(
        runs=runs,
        apart=incomparable(runs),
        config={key: values for key, values in config.items() if keep(values)},
        metrics={key: values for key, values in metrics.items() if keep(values) or key == runs[0].primary},
        noise=seed_noise(runs, root),
        reference=0 if len(runs) == 2 else _best(runs),
    )


def differing(runs: Sequence[Settings]) -> Rows:
    """The settings in which these runs differ."""
    return {key: values for key, values in _rows(runs).items() if _differ(values)}


def _rows(runs: Sequence[Settings]) -> Rows:
    keys = dict.fromkeys(key for values in runs for key in values if key not in COMPARED_FACTS)
    facts = [key for key in COMPARED_FACTS if any(key in values for values in runs)]
    return {key: [values.get(key) for values in runs] for key in [*keys, *facts]}


def _differ(values: list[Cell]) -> bool:
    return any(value != values[0] or isinstance(value, bool) is not isinstance(values[0], bool) for value in values)


def _best(runs: Sequence[Contestant]) -> int:
    """The place of the run with the best primary number."""
    key = runs[0].primary
    name = part_and_name(key)[1]
    known = [index for index, run in enumerate(runs) if run.metrics.get(key) is not None]
    return min(known, key=lambda index: float(to_minimise(name, runs[index].metrics[key])), default=0)
