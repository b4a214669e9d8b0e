"""What a directory is: one run, or which kind of search, by the file that each begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nnrun.errors import UsageError, refuse_for
from nnrun.installation import called, command
from nnrun.runs.finding import TRIALS, is_search, list_runs
from nnrun.runs.records import TRAINED
from nnrun.runs.rundir import CHECKPOINTS, RunDir

Kind = Literal["run", "search", "retest", "improvement"]

RETEST, IMPROVE = "retest.json", "improve.json"  # beside a search's plan; their wings know what stands there

_OF_A_SPACE = {"trials", "repeat", "target", "stop_when_flat"}
# The options that mean nothing where a kind of search goes on.
_MEANINGLESS = {"search": set[str](), "retest": _OF_A_SPACE, "improvement": {*_OF_A_SPACE, "timeout"}}


def kind_of(run: RunDir) -> Kind:
    """One run, a search of a space, settings of a search trained again, or the trainings of an improvement."""
    if not is_search(run):
        return "run"
    if (run.path / IMPROVE).is_file():
        return "improvement"
    return "retest" if (run.path / RETEST).is_file() else "search"


def with_article(kind: Kind) -> str:
    """As sentences have it: a search, an improvement."""
    return f"{'an' if kind == 'improvement' else 'a'} {kind}"


def until_best(search: RunDir) -> str | None:
    """When a search that has no best run gets one, and what can be done until then; None where no trial ended well.

    The best trial is copied at the end, so one that is at work or was killed has none yet, whatever its trials came to;
    one that has ended had it, and copies it again when it is resumed.
    """
    trials = (trial for trial in list_runs(search.path / TRIALS) if (trial.path / CHECKPOINTS).is_dir())
    good = next((trial for trial in trials if trial.status == "done"), None)
    if good is None and search.read_record()["status"] not in TRAINED:  # one that was killed is said to run
        return None
    name = called(search.path)
    status, again = search.status, f"`{command('resume', name)}`"
    going_on = "" if status in TRAINED else f", and {again} goes on"
    when = f"that is chosen when the {kind_of(search)} ends{going_on}"
    meanwhile = f"; until then name a trial, such as {name}/{TRIALS}/{good.id}" if good else ""
    return (f"best/ is gone, and {again} brings it back" if status == "done" and good else when) + meanwhile


def refuse_to_resume(kind: Kind, epochs: int | None, settings: Sequence[str], **of_a_search: object) -> None:
    """UsageError if something is given that has no meaning for going on with what is of this kind."""
    if kind == "run":
        refuse_for("one run", **of_a_search)
        return
    from nnrun.runs.moving import SOURCE, names_source  # here, since who only looks at runs loads no configuration

    what, names = with_article(kind), _MEANINGLESS[kind]
    refuse_for(what, epochs=epochs, **{name: value for name, value in of_a_search.items() if name in names})
    if others := [setting for setting in settings if not names_source(setting)]:
        raise UsageError(f"--set has no meaning for {what}, but for {SOURCE} where its data was moved: {others[0]}")
