"""Searches, and ensembles of runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nnrun.api.pictures import Figure, facts
from nnrun.api.runs import RUNS, Run, loaded_from
from nnrun.errors import UsageError
from nnrun.models.ensembling import verbs as ensembles
from nnrun.models.ensembling.training import has_cycles, train_cycles, train_seeds
from nnrun.runs.finding import find_run, is_search
from nnrun.runs.stored import StoredRun
from nnrun.search.state import Options
from nnrun.search.stored import StoredSearch
from nnrun.search.study import Watcher
from nnrun.text import percent

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.config.load import Loaded
    from nnrun.runs.rundir import RunDir
    from nnrun.search.record import SearchRecord, TrialRecord


class Search:
    """A search directory, read when asked."""

    def __init__(self, directory: RunDir) -> None:
        self.directory = directory

    @property
    def _stored(self) -> StoredSearch:
        return StoredSearch(StoredRun(self.directory))

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.directory.path

    @property
    def id(self) -> str:
        """Its name."""
        return self.directory.id

    @property
    def status(self) -> str:
        """running, done, diverged, failed or interrupted."""
        return self._stored.run.status

    @property
    def record(self) -> SearchRecord:
        """run.json."""
        return self._stored.record

    @property
    def records(self) -> list[TrialRecord]:
        """The lines of trials.jsonl by number."""
        return self._stored.trials

    @property
    def trials(self) -> pd.DataFrame:
        """A row a trial, by number, in the columns of trials.csv: how it ended, its results, and each setting."""
        import pandas as pd

        titles, rows = self._stored.table
        return pd.DataFrame(rows, columns=titles).set_index("number")

    @property
    def best(self) -> Run | None:
        """The best trial, with its test error; None where no trial has a result."""
        best = self._stored.run.best
        return Run(best.directory) if best else None

    def trial(self, number: int) -> Run:
        """The run of a trial; UsageError where there is none of this number."""
        return Run(find_run(self.path.parent, f"{self.path}/trials/{number:04d}"))

    def plot(self) -> Figure:
        """The best so far, the dev errors of all trials over their epochs, and all settings on parallel axes."""
        from nnrun.report.verbs import search_charts

        return Figure(search_charts(self._stored.run))

    def _repr_html_(self) -> str:
        number, final = self.record.get("best_trial"), self.record.get("final") or {}
        best = "none yet" if number is None else f"trial {number}"
        rows = [("status", self.status), ("trials", len(self.records)), ("best", best)]
        errors = [(f"{part} error", percent(final.get(f"{part}_error"))) for part in ("train", "dev", "test")]
        return facts(self.id, [*rows, *errors])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.status}, {len(self.records)} trials>"


def search(
    config: Loaded | Mapping[str, Any] | str | Path,
    trials: int | None = None,
    strategy: str | None = None,
    workers: int = 1,
    overrides: Sequence[str] = (),
    timeout: float | None = None,
    runs: str | Path = RUNS,
) -> Search:
    """Train many trials around a config; `trials` and `strategy` stand for those of its section `search`.

    With one worker all is done in this process; several are processes of their own. `timeout` is in seconds. Raises
    ConfigError or DataError before anything is trained.
    """
    from nnrun.search.verbs import begin, refuse_unknown

    refuse_unknown(strategy)
    chosen = {"search.trials": trials, "search.strategy": strategy}
    settings = [*overrides, *(f"{key}={value}" for key, value in chosen.items() if value is not None)]
    options = Options(workers, timeout=timeout)
    return Search(begin(loaded_from(config, settings), Path(runs), options, Watcher()).run)


class _Called(ModuleType):
    """The wing `search`, which Python puts in the place of the function of that name as soon as it is imported."""

    __call__ = staticmethod(search)
    __wrapped__ = staticmethod(search)  # for `help` and signatures


sys.modules["nnrun.search"].__class__ = _Called


def load_search(search: str = "latest", runs: str | Path = RUNS) -> Search:
    """The search that a path, an id, a unique prefix or `latest` means; UsageError where it is none."""
    found = find_run(Path(runs), search)
    if not is_search(found):
        raise UsageError(f"{found.id} is a run, and no search")
    return Search(found)


def ensemble(
    named: Run | Search | str | Sequence[Run | str],
    top: int | None = None,
    greedy: int | None = None,
    seeds: int | None = None,
    snapshots: int | None = None,
    runs: str | Path = RUNS,
) -> Run:
    """Several runs as one: those that are named, or of one search the `top` best, or what `greedy` rounds choose.

    `seeds` trains so many networks of a run's config, `snapshots` trains it in so many cycles and pools the ends of
    them. Raises UsageError for runs that cannot be members of one ensemble, DataError where their data is gone.
    """
    several = [named] if isinstance(named, (Run, Search, str)) else named
    root = Path(runs)
    found = [find_run(root, one) if isinstance(one, str) else one.directory for one in several]
    ways = {"top": top, "greedy": greedy, "seeds": seeds, "snapshots": snapshots}
    given = [name for name, n in ways.items() if n is not None]
    if len(given) > 1 or (len(found) > 1 and given not in ([], ["greedy"])):
        raise UsageError(f"{' and '.join(given)}: only one of them, and of several runs no other than greedy")
    if seeds is not None:
        return Run(train_seeds(found[0], seeds, root).run)
    if snapshots is not None:
        made = found[0] if has_cycles(found[0], snapshots) else train_cycles(found[0], snapshots, root).run
        return Run(ensembles.of_cycles(made, root))
    if len(found) > 1 or not is_search(found[0]):
        return Run(ensembles.of_named(found, root, greedy))
    whole = StoredSearch(StoredRun(found[0]))
    return Run(ensembles.of_search(whole.run.id, whole.ranked, whole.plan.metric, top, greedy, root))
