"""What a directory is: one run, or which kind of search, by the file that each begins with."""

from __future__ import annotations

from typing import Literal

from nnrun.errors import refuse_for
from nnrun.runs.finding import is_search
from nnrun.runs.rundir import RunDir

Kind = Literal["run", "search", "retest", "improvement"]

RETEST, IMPROVE = "retest.json", "improve.json"  # beside a search's plan; their wings know what stands there

_OF_A_SPACE = {"trials", "repeat", "target", "stop_when_flat"}
# Each kind of search by its article, and the options that mean nothing where it goes on.
_MEANINGLESS = {
    "search": ("a", set[str]()),
    "retest": ("a", _OF_A_SPACE),
    "improvement": ("an", {*_OF_A_SPACE, "timeout"}),
}


def kind_of(run: RunDir) -> Kind:
    """One run, a search of a space, settings of a search trained again, or the trainings of an improvement."""
    if not is_search(run):
        return "run"
    if (run.path / IMPROVE).is_file():
        return "improvement"
    return "retest" if (run.path / RETEST).is_file() else "search"


def refuse_to_resume(kind: Kind, epochs: int | None, **of_a_search: object) -> None:
    """UsageError if something is given that has no meaning for going on with what is of this kind."""
    if kind == "run":
        refuse_for("one run", **of_a_search)
        return
    refuse_for("a search", epochs=epochs)
    article, names = _MEANINGLESS[kind]
    refuse_for(f"{article} {kind}", **{name: value for name, value in of_a_search.items() if name in names})
