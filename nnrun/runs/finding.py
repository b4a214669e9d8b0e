"""Which run is meant: all of a folder, the one that a path, an id or `latest` names, and the searches among them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from pathlib import Path

from nnrun.errors import NnrunError, UsageError
from nnrun.installation import called, command, elsewhere
from nnrun.runs import members
from nnrun.runs.rundir import RECORD, RunDir
from nnrun.text import closest, listed

PLAN = "search.yaml"  # it makes a directory a search's; `nnrun.search.plan` knows what stands there
TRIALS = "trials"  # a folder of a search, with a run directory a trial

ID = re.compile(r"(?P<time>\d{8}-\d{6})-(?P<name>.+)-(?P<last>[0-9a-f]{4})")
BACK = re.compile(r"@[0-9]{1,9}")  # @0 is the latest run, @1 the one before it

WRITTEN = (".yaml", ".json", ".jsonl", ".txt", ".safetensors", ".html", ".lock")  # endings of what runs consist of


def in_short(run_id: str) -> str:
    """The letters by which commands take a run, and the name of its config; an id of another form as it is."""
    found = ID.fullmatch(run_id)
    return f"{found['last']} {found['name']}" if found else run_id


def list_runs(root: Path) -> list[RunDir]:
    """All runs under `root`, oldest first, and folders called like one that are closed or not whole."""
    if not root.is_dir():
        return []
    beside = [run for run in map(RunDir, sorted(root.iterdir())) if run.id[0] != "."]
    found = [run for run in beside if run.exists or _is_broken(run)]
    return [run for _, several in groupby(found, _second) for run in _in_order(list(several))]


def _is_broken(run: RunDir) -> bool:
    """Whether a folder is called like a run, and this user may not look into it, or its record is gone."""
    if not ID.fullmatch(run.id) or not run.path.is_dir():
        return False
    return not os.access(run.path, os.X_OK, effective_ids=True) or run.resolved.is_file()


def _second(run: RunDir) -> str:
    """What the beginning of its id tells of when it was made."""
    parts = ID.fullmatch(run.id)
    return parts["time"] if parts else run.id


def _in_order(runs: list[RunDir]) -> list[RunDir]:
    """Oldest first; only of several that were made within one second are the records read."""
    return sorted(runs, key=_created) if len(runs) > 1 else runs


def seconds_of(time: str | None) -> float | None:
    """Since 1970, of a time as records have it."""
    try:
        return datetime.fromisoformat(time).timestamp() if time else None
    except (ValueError, TypeError, OverflowError):
        return None


def born(run_id: str, created: str | None) -> float:
    """When a run was made, in seconds since 1970: by its record, else by its id, which has the time of its place."""
    parts = ID.fullmatch(run_id)
    by_id = seconds_of(parts["time"].replace("-", "T")) if parts else None
    return seconds_of(created) or by_id or 0.0


def find_run(root: Path, reference: str) -> RunDir:
    """The run that a path, an id, `latest`, `@1` or a short name means; UsageError where it means none or several."""
    typed = RunDir(Path(reference))
    if typed.exists or _is_broken(typed):
        return RunDir(Path(reference).resolve())  # "." has neither a name nor a parent
    runs = list_runs(root)
    above, _, inside = reference.partition("/")  # a trial, as SEARCH/trials/0007
    within = [RunDir(run.path / inside) for run in _meant(above, runs)] if inside else []
    if len(whole := [run for run in within if run.exists]) == 1:
        return whole[0]
    if not runs and reference == "latest":
        making = command("train", *elsewhere(root))
        raise UsageError(f"there is no run in {root} yet; `{making}` makes one, --runs DIR looks elsewhere")
    matches = _meant(reference, runs)
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{reference!r} means {len(matches)} runs: {listed([run.id for run in matches], 5)}")
    if BACK.fullmatch(reference):
        raise UsageError(f"{reference}: counted from @0, the latest, {root} goes back to @{len(runs) - 1}"
                         if runs else f"{reference}: there is no run in {root} yet")  # fmt: skip
    raise UsageError(f"no run {reference!r} in {root}{_did_you_mean(reference, runs)}; `{listing(root)}` shows them")


def _meant(reference: str, runs: list[RunDir]) -> list[RunDir]:
    """The runs a reference may mean: by the surest of its meanings that is one run's, else by the surest there is."""
    if reference == "latest" or BACK.fullmatch(reference):
        back = int(reference.removeprefix("@")) if reference[0] == "@" else 0
        return sorted(runs, key=_created, reverse=True)[back : back + 1]
    ways = [_ways(reference, run.id) for run in runs] if reference else []
    found = [[run for run, fits in zip(runs, way, strict=True) if fits] for way in zip(*ways, strict=True)]
    return next((several for several in found if len(several) == 1), next(filter(None, found), []))


def _ways(typed: str, run_id: str) -> tuple[bool, ...]:
    """How it may name a run, the surest first: id, beginning, the four letters at the end, name, part of the name."""
    parts = ID.fullmatch(run_id)
    name, last = (parts["name"], parts["last"]) if parts else (run_id, None)
    begins = run_id.startswith(typed)
    return run_id == typed, begins, typed == last, typed == name, begins or typed in name


def listing(root: Path) -> str:
    """The command that lists the runs under `root`."""
    return command("list", *elsewhere(root))


def is_search(run: RunDir) -> bool:
    """Whether a directory is a search's; a config may be called search.yaml too."""
    return run.exists and (run.path / PLAN).is_file()


def newest_search(root: Path) -> RunDir:
    """The search that was made last; where there is none, what `latest` means."""
    searches = [run for run in list_runs(root) if is_search(run)]
    return max(searches, key=_created) if searches else find_run(root, "latest")


def best_in(run: RunDir) -> RunDir | None:
    """The best run of a search; None where there is none yet, or the run is no search."""
    best = RunDir(run.path / "best")
    return best if is_search(run) and best.exists else None


def trial_name(number: int) -> str:
    """The name of a trial's directory."""
    return f"{number:04d}"


def trial_of(search: Path, number: int) -> RunDir:
    """The run of a trial of a search, whether it is there or not."""
    return RunDir(search / TRIALS / trial_name(number))


def search_of(run: RunDir) -> RunDir | None:
    """The search that a run is a trial, a repeat or the best run of, or a fold of one of these."""
    above = [RunDir(folder) for folder in list(run.path.resolve().parents)[:4]]
    return next((directory for directory in above if is_search(directory)), None)


def trained_with(run: RunDir) -> RunDir:
    """What is trained and asked for things: the run that one is a member of, or the run itself."""
    return members.whole_of(run) or run


def without_dev(run: RunDir) -> str:
    """What is said of a network that was trained on all rows, where dev rows are asked for."""
    whole = members.whole_of(run)
    told = f"{name_of(run)} has no dev rows: it was trained on all of them (data.fold: all)"
    return f"{told}; {called(whole.path)}, which it belongs to, is measured by its folds" if whole else told


def in_full(run: RunDir) -> RunDir:
    """A run by its full path, whatever folder becomes the current one."""
    return run if run.path.is_absolute() else RunDir(run.path.absolute())


def from_here(run: RunDir) -> RunDir:
    """A run as texts name it: by its path from the current folder, if it lies in it; DataError where it is gone."""
    if not run.exists:
        run.read(RECORD)
    with suppress(ValueError, OSError):  # it lies elsewhere, or the current folder is gone
        here = run.path.relative_to(Path.cwd())
        return RunDir(here) if here.name else run  # "." has no name
    return run


def is_record(path: Path) -> bool:
    """Whether a file is one that a run or a search consists of, and not one that was put beside them."""
    above = list(path.resolve().parents)[:3]
    return path.suffix in WRITTEN and any(RunDir(folder).exists for folder in above)


def name_of(run: RunDir) -> str:
    """The id of a run; inside another as it is typed: SEARCH/trials/0007, SEARCH/best, RUN/members/02."""
    whole = search_of(run) or members.whole_of(run)
    return f"{whole.id}/{run.path.resolve().relative_to(whole.path.resolve()).as_posix()}" if whole else run.id


def _created(run: RunDir) -> float:
    """Seconds since the epoch; a run whose record cannot be read is older than all others."""
    try:
        return seconds_of(run.read_record()["created"]) or 0.0
    except (NnrunError, KeyError):
        return 0.0


def _did_you_mean(reference: str, runs: list[RunDir]) -> str:
    close = closest(reference, [run.id for run in runs], cutoff=0.5)
    return f", did you mean {close}?" if close else ""
