"""What best/ of a search holds: a copy of the trial that is chosen, with the test part read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from nnrun.config.config import Config
from nnrun.errors import NnrunError
from nnrun.files import put, replacing
from nnrun.runs.checkpoints import is_whole, load_best, why_dropped
from nnrun.runs.conclusion import DatasetOf, tested
from nnrun.runs.engines import by_numpy
from nnrun.runs.finding import trial_of
from nnrun.runs.links import refuse_links
from nnrun.runs.members import has_members, members_of
from nnrun.runs.preparing import CACHE
from nnrun.runs.recording import finals
from nnrun.runs.records import Chosen, Final
from nnrun.runs.rundir import CHECKPOINTS, RunDir
from nnrun.runs.session import Session
from nnrun.runs.stored import StoredRun
from nnrun.search.pruning import limited
from nnrun.search.record import TrialRecord
from nnrun.search.state import Search
from nnrun.search.strategies.strategy import Point
from nnrun.search.trial_lines import result_of
from nnrun.search.trials import Job, Trial, entry, train_trials

Restore = Callable[[TrialRecord], None]  # train a trial again whose folder or checkpoints are gone or damaged


def choose(run: RunDir, dataset_of: DatasetOf, best: TrialRecord | None, restore: Restore) -> Chosen:
    """What best/ holds: the trial, its final numbers, and how often the test part was read; replaced if need be.

    That is kept in best/ itself, which comes and goes as a whole, so that a kill at any instant miscounts nothing.
    """
    fresh, place = run.path / "best.new", run.path / "best"
    if _chosen(fresh):  # a kill fell between its completion and its renaming
        _rename(fresh, place)
    chosen = _chosen(place) or {"trial": None, "final": {}, "test_reads": run.read_record().get("test_reads", 0)}
    if best is None:
        return chosen
    if best["number"] == chosen["trial"]:
        _mend(run, best, restore)
        return chosen
    restore(best)
    _copy(run, best["number"], fresh)
    final = _measured(RunDir(fresh), dataset_of)
    chosen = {
        "trial": best["number"],
        "final": final,
        "test_reads": chosen["test_reads"] + ("test_error" in final),
    }
    RunDir(fresh).update_record(final=final, chosen=chosen)
    _rename(fresh, place)
    return chosen


def _mend(run: RunDir, best: TrialRecord, restore: Restore) -> None:
    """Copy the checkpoints of the chosen trial again where one in best/ is damaged; the test part need not be read."""
    place, trial = run.path / "best", trial_of(run.path, best["number"])
    if is_whole(RunDir(place)):
        return
    restore(best)
    refuse_links(place)
    for each in (trial, *members_of(trial)):
        part = place / each.path.relative_to(trial.path)
        part.mkdir(parents=True, exist_ok=True)
        refuse_links(part)
        _copy_folder(each.path / CHECKPOINTS, part / CHECKPOINTS)


def _chosen(path: Path) -> Chosen | None:
    """What a directory that is complete says of itself."""
    run = RunDir(path)
    chosen: Chosen | None = run.read_record().get("chosen") if run.exists else None
    return chosen


def _rename(fresh: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def _copy(run: RunDir, number: int, fresh: Path) -> None:
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _copy_folder(trial_of(run.path, number).path, fresh)
    except shutil.Error as error:  # it lists every file
        raise NnrunError(f"the best trial cannot be copied; {error.args[0][0][2]}") from None


def _copy_folder(source: Path, target: Path) -> None:
    """With all files and folders, each file in the place of one that is there, but nothing that a link leads to."""
    shutil.copytree(source, target, ignore=_foreign, copy_function=_copy_file, dirs_exist_ok=True)


def _foreign(folder: str, names: list[str]) -> list[str]:
    """Links, which may lead to anything in a stranger's search, and pipes and devices, which have no end."""
    modes = {name: Path(folder, name).lstat().st_mode for name in names}
    return [name for name, mode in modes.items() if not (S_ISREG(mode) or S_ISDIR(mode))]


def _copy_file(source: str, target: str) -> None:
    with replacing(Path(target)) as temporary:
        put(temporary, Path(source))


def _measured(run: RunDir, dataset_of: DatasetOf) -> Final:
    """The final numbers on all parts; the test part is read here and nowhere else."""
    if has_members(run):
        cache = run.path.parent.parent / CACHE
        return {**(run.read_record()["final"] or {}), **tested(run, StoredRun(run).config, cache)}
    config = by_numpy(StoredRun(run).latest)  # which measures, whatever has trained
    dataset = dataset_of(config)
    session = Session([config], dataset)
    session.trainer.epoch = run.read_record()["epochs"] or 0
    load_best(run, session.trainer, session.best)
    return {**finals(session.trainer, session.best, dataset, list(dataset.parts), session.config)[0]["final"]}


def restored(
    search: Search,
    continues: bool,
    config: Callable[[Point], Config],
    say: Callable[[str], None],
    record: TrialRecord,
) -> None:
    """Train a trial again whose folder or checkpoints are gone or damaged, by its settings and seed in the ledger.

    `continues`: for as long as it was trained. Raises NnrunError where it comes to nothing now.
    """
    number, run = record["number"], trial_of(search.run.path, record["number"])
    if is_whole(run):
        return
    there = "are gone" if why_dropped(run) else "cannot be read"
    gone = f"the checkpoints in {run.path} {there}" if run.path.exists() else f"its folder {run.path} is gone"
    say(f"trial {number}: {gone}, so it is trained again")
    epochs = record["epochs"] if continues else None
    values, ceilings = limited(config(Point(number, record["values"])), epochs, search.plan.skips_stopped)
    trial = Trial(number, record["values"], values | {"seed": record["seed"]}, ceilings=ceilings)
    job: Job = {**search.job(search.folder, continues), "trials": [trial.as_job()]}
    answer = search.executor.submit(train_trials, job).result()
    if "results" not in answer:
        raise NnrunError(f"trial {number}: {gone}, and it cannot be trained again: {answer['error']}")
    now = entry(answer["results"][0], search.plan.objective)
    if now["metric"] != record["metric"]:
        came, was = (result_of(each, search.plan.objective) for each in (now, record))
        say(f"trial {number} came to {came} now, which was {was}: another machine or library rounds otherwise")
