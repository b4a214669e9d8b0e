"""Searches, and ensembles of runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Unpack

from nnrun.api.arguments import checked
from nnrun.api.configs import RUNS, loaded_from
from nnrun.api.pictures import Figure
from nnrun.api.runs import GONE, Run, report_of, shown
from nnrun.errors import ConfigError, UsageError
from nnrun.installation import key_of
from nnrun.models.ensembling import verbs as ensembles
from nnrun.models.ensembling.training import has_cycles, train_cycles, train_seeds
from nnrun.runs.finding import find_run, from_here, in_full, is_search, trial_of
from nnrun.runs.stored import StoredRun
from nnrun.search.state import Options, options_of
from nnrun.search.stored import StoredSearch
from nnrun.search.study import Watcher

if TYPE_CHECKING:
    import pandas as pd

    from nnrun.config.load import Loaded
    from nnrun.runs.frames import Tables
    from nnrun.runs.rundir import RunDir
    from nnrun.search.plan import Limits
    from nnrun.search.record import SearchRecord, TrialRecord
    from nnrun.search.retests.record import RetestRecord


class Search:
    """A search directory, read when asked."""

    @checked
    def __init__(self, directory: RunDir) -> None:
        self.directory = in_full(directory)

    @property
    def _stored(self) -> StoredSearch:
        return StoredSearch(StoredRun(from_here(self.directory)))

    @property
    def path(self) -> Path:
        """Where it lies, in full."""
        return self.directory.path

    @property
    def id(self) -> str:
        """The name of the search's directory."""
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

    @checked
    def trial(self, number: int) -> Run:
        """The run of a trial; UsageError where there is none of this number."""
        found = trial_of(self.path, number)
        if not found.exists:
            raise UsageError(f"{self.id}: there is no trial {number}; its `trials` are those that it has")
        return Run(found)

    @property
    def notices(self) -> list[str]:
        """What `nnrun train` notes of the data that the trials learn from, such as columns that were left out."""
        return list(self._stored.run.data.notices)

    @property
    def retest(self) -> RetestRecord | None:
        """What a retest is about, and its verdict; None for all other searches."""
        return self._stored.retest

    @checked
    def report(self) -> Path:
        """Write report.html, a page with all charts; where it lies."""
        return report_of(self.directory)

    @checked
    def plot(self) -> Figure:
        """The best so far, the dev errors of all trials over their epochs, and all settings on parallel axes."""
        from nnrun.report.verbs import search_charts

        return Figure(search_charts(self._stored.run))

    def _repr_html_(self) -> str | None:
        from nnrun.report.telling import search_card

        return shown(lambda: str(search_card(self._stored.run)))

    def __repr__(self) -> str:
        told = shown(lambda: f"{self.status}, {len(self.records)} trials")
        return f"<{type(self).__name__} {self.id}: {told or GONE}>"


@checked
def search(
    config: Loaded | Mapping[str, Any] | str | Path,
    trials: int | None = None,
    strategy: str | None = None,
    workers: int | None = None,
    overrides: Sequence[str] = (),
    timeout: float | None = None,
    runs: str | Path = RUNS,
    *,
    seed: int | None = None,
    target: float | None = None,
    stop_when_flat: float | None = None,
    trial_timeout: float | None = None,
    trial_memory: int | None = None,
    stack: int | None = None,
    repeat: int | None = None,
    data: Tables | None = None,
) -> Search:
    """Train many trials around a config; `trials`, `strategy` and `seed` stand for those of the config.

    `workers` are processes, one a core where it is left out, and 1 is this process; they change no result. The search
    ends after `timeout` seconds, at a value as good as `target`, or when the trials that are left are expected to
    improve the metric by less than `stop_when_flat`; a trial may take `trial_timeout` seconds, a worker `trial_memory`
    bytes; `stack` trials at most are trained as one, and the best three `repeat` times with new seeds.
    `data` is a DataFrame, as for `train`. Raises UsageError, ConfigError or DataError before anything is trained.
    """
    from nnrun.search.verbs import begin, refuse_unknown

    refuse_unknown(strategy)
    chosen = {"search.trials": trials, "search.strategy": strategy, "seed": seed}
    standing = [f"{key}={value}" for key, value in chosen.items() if value is not None]
    options = options_here(
        workers, repeat, timeout=timeout, target=target, stop_when_flat=stop_when_flat, trial_timeout=trial_timeout,
        trial_memory=trial_memory, stack=stack,
    )  # fmt: skip
    with _by_arguments(standing):
        loaded = loaded_from(config, [*overrides, *standing], data, runs)
    return Search(begin(loaded, Path(runs).absolute(), options, Watcher()).run)


@contextmanager
def _by_arguments(settings: Sequence[str]) -> Iterator[None]:
    """What a ConfigError says of these settings, said of the arguments that they stand for."""
    try:
        yield
    except ConfigError as error:
        told = {f"--set {setting}: ": f"{key_of(setting).split('.')[-1]}: " for setting in settings}
        for start, of_argument in told.items():
            error.problems = [
                of_argument + line.removeprefix(start) if line.startswith(start) else line for line in error.problems
            ]
        error.args = ("\n".join(error.problems),)
        raise


def directory_of(named: Run | Search | str | Path, runs: str | Path) -> RunDir:
    """The directory of a run or a search, or of what a path, an id or a short name means.

    UsageError where they mean none, DataError where that of an object is gone.
    """
    return in_full(from_here(named.directory) if isinstance(named, (Run, Search)) else find_run(Path(runs), str(named)))


def options_here(
    workers: int | None, repeat: int | None = None, moved: Sequence[str] = (), **limits: Unpack[Limits]
) -> Options:
    """Options as a command has them, but that one worker without limits is this process."""
    return replace(options_of(workers, repeat, moved=moved, **limits), in_process=True)


class _Called(ModuleType):
    """The wing `search`, whose name the function has in `nnrun`: both are one object, so that either can be used."""

    __call__ = staticmethod(search)
    __wrapped__ = staticmethod(search)  # for signatures

    def __reduce__(self) -> tuple[Any, ...]:
        """How it leaves for another process, where the wing alone would not be callable yet."""
        return getattr, (sys.modules["nnrun"], "search")


CALLED = sys.modules["nnrun.search"]
CALLED.__class__, CALLED.__doc__ = _Called, search.__doc__  # which `help` shows


@checked
def retest(
    search: Search | str | Path = "latest",
    config: str | Path | None = None,
    top: int = 10,
    seeds: int = 3,
    overrides: Sequence[str] = (),
    runs: str | Path = RUNS,
    *,
    workers: int | None = None,
    timeout: float | None = None,
) -> Search:
    """Tell whether the ranking of a search still holds: its `top` best settings and as many fresh ones, `seeds` each.

    They are trained on the data and network of `config` and the overrides, or without these on the search's own data
    file as it is now; the verdict is in `retest` of what is returned. Raises UsageError, ConfigError or DataError
    before anything is trained.
    """
    from nnrun.search.retests.verbs import RetestRequest, begin

    found = directory_of(search, runs)
    asked = RetestRequest(top, seeds, None if config is None else Path(config), overrides)
    return Search(begin(found, asked, Path(runs).absolute(), options_here(workers, timeout=timeout), Watcher()).run)


@checked
def load_search(search: str | Path = "latest", runs: str | Path = RUNS) -> Search:
    """The search that a path, an id, a unique prefix or `latest` means; UsageError where it is none."""
    found = directory_of(search, runs)
    if not is_search(found):
        raise UsageError(f"{found.id} is a run, and no search")
    return Search(found)


@checked
def ensemble(
    named: Run | Search | str | Path | Sequence[Run | Search | str | Path],
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
    several = [named] if isinstance(named, (Run, Search, str, Path)) else named
    root, found = Path(runs).absolute(), [directory_of(one, runs) for one in several]
    _check_ways(len(found), top=top, greedy=greedy, seeds=seeds, snapshots=snapshots)
    if seeds is not None:
        return Run(train_seeds(found[0], seeds, root).run)
    if snapshots is not None:
        made = found[0] if has_cycles(found[0], snapshots) else train_cycles(found[0], snapshots, root).run
        return Run(ensembles.of_cycles(made, root))
    if len(found) > 1 or not is_search(found[0]):
        return Run(ensembles.of_named(found, root, greedy))
    whole = StoredSearch(StoredRun(found[0]))
    ranked, ended = whole.ranked, len(whole.rivals)
    return Run(ensembles.of_search(whole.run.id, ranked, ended, whole.plan.objective, top, greedy, root))


def _check_ways(named: int, **ways: int | None) -> None:
    """UsageError for two ways to make an ensemble, for one that does not go with so many runs, or makes none."""
    given = {name: n for name, n in ways.items() if n is not None}
    if not named:
        raise UsageError("named: no run; name two or more, or one search")
    if len(given) > 1 or (named > 1 and [*given] not in ([], ["greedy"])):
        raise UsageError(f"{' and '.join(given)}: only one of them, and of several runs no other than greedy")
    for name, n in given.items():
        if n < 2:
            raise UsageError(f"--{name} {n}: 2 is the least")
