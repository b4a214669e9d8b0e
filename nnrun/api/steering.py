"""What goes on, and what trains elsewhere: resume, nudge, pause, stop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

from nnrun.api.arguments import checked
from nnrun.api.configs import RUNS
from nnrun.api.improvements import Improvement
from nnrun.api.runs import Run
from nnrun.api.searches import Search, directory_of, options_here
from nnrun.errors import refuse_for
from nnrun.improving import verbs as improvements
from nnrun.improving.standing import Teller
from nnrun.runs import verbs
from nnrun.runs.kinds import Kind, kind_of, refuse_to_resume
from nnrun.runs.requests import ask, taken_up
from nnrun.search import verbs as searches
from nnrun.search.retests import verbs as retests
from nnrun.search.study import Watcher

if TYPE_CHECKING:
    from nnrun.runs.records import Event
    from nnrun.runs.rundir import RunDir
    from nnrun.search.plan import Limits

Searched = TypeVar("Searched", bound=Search)


@overload
def resume(
    run: Run | str | Path, epochs: int | None = None, overrides: Sequence[str] = (), runs: str | Path = RUNS
) -> Run: ...


@overload
def resume(
    run: Searched,
    *,
    overrides: Sequence[str] = (),
    trials: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    target: float | None = None,
    stop_when_flat: float | None = None,
    trial_timeout: float | None = None,
    trial_memory: int | None = None,
    stack: int | None = None,
    repeat: int | None = None,
) -> Searched: ...


@checked
def resume(
    run: Run | Search | str | Path,
    epochs: int | None = None,
    overrides: Sequence[str] = (),
    runs: str | Path = RUNS,
    *,
    trials: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    target: float | None = None,
    stop_when_flat: float | None = None,
    trial_timeout: float | None = None,
    trial_memory: int | None = None,
    stack: int | None = None,
    repeat: int | None = None,
) -> Run | Search:
    """Continue a run in place to `epochs` in total, or with overrides as a child run; or a search, to so many `trials`.

    A search keeps the limits that it was given, unless new ones are given, as for `search`. Overrides of nothing but
    `data.source` let either find its own rows where they were moved, in place. Raises UsageError for what has no
    meaning for it, DataError where the data is no longer what it began with.
    """
    found = directory_of(run, runs)
    if found.status == "paused":
        refuse_for("what is paused", epochs=epochs, set=overrides, trials=trials)
        taken_up(found, ask(found, "resume"))
        return _as_it_is(found)
    limits: Limits = {
        "timeout": timeout, "target": target, "trial_timeout": trial_timeout, "trial_memory": trial_memory,
        "stack": stack, "stop_when_flat": stop_when_flat,
    }  # fmt: skip
    kind = kind_of(found)
    refuse_to_resume(kind, epochs, overrides, trials=trials, workers=workers, repeat=repeat, **limits)
    if kind == "run":
        return Run(verbs.resume(found, epochs, overrides).run)
    options = options_here(workers, repeat, overrides, **limits)
    if kind == "improvement":
        improvements.resume(found, options, Watcher(), Teller())
    elif kind == "retest":
        retests.resume(found, options, Watcher())
    else:
        searches.resume(found, trials, options, Watcher())
    return _as_it_is(found)


@checked
def nudge(
    run: Run | str | Path, overrides: Sequence[str], note: str | None = None, runs: str | Path = RUNS
) -> list[Event] | None:
    """Change settings of a run that another process trains, from its next epoch on; what became of it.

    None where its epoch takes longer than a moment: they hold from its end on. Raises UsageError where nobody trains it
    or it refuses, ConfigError for what cannot change while a network trains.
    """
    found = directory_of(run, runs)
    return taken_up(found, ask(found, "change", overrides, note))


@checked
def pause(run: Run | Search | str | Path, runs: str | Path = RUNS) -> list[Event] | None:
    """Let a run or a search that another process trains wait after its epoch; `resume` lets it go on."""
    found = directory_of(run, runs)
    return taken_up(found, ask(found, "pause"))


@checked
def stop(run: Run | Search | str | Path, runs: str | Path = RUNS) -> list[Event] | None:
    """End a run or a search that another process trains, so that it can be resumed."""
    found = directory_of(run, runs)
    return taken_up(found, ask(found, "stop"))


def _as_it_is(found: RunDir) -> Run | Search:
    kinds: dict[Kind, type[Run | Search]] = {"run": Run, "improvement": Improvement}
    return kinds.get(kind_of(found), Search)(found)
