"""Runs whose members lie in directories of their own: folds of a cross-validation, and ensembles of several runs.

Each member is a run directory, `members/01` and so on; MEMBERS beside them says how much each counts. The members that
`network.ensemble` trains together are not such: they share a directory and its checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast

from nnrun.errors import DataError, UsageError
from nnrun.installation import command
from nnrun.runs.records import Diverged, MemberRecord, Number, RunRecord
from nnrun.runs.rundir import MEMBERS, RunDir
from nnrun.runs.verdict import error_name
from nnrun.text import columns, counted, duration, number, percent

if TYPE_CHECKING:
    from nnrun.config.config import Config

FOLDER = "members"
FOLDS = "folds"  # how members came about that are the folds of a cross-validation
ALL = "all"  # the name of what was trained on all of their rows


class Fit(TypedDict):
    """What a way to choose members came to: on the rows that it chose by, and on rows that it had not seen.

    Each by metric: `error`, `loss`, and that which was chosen by. Cross-fitted also the `gain` over the best single one
    in that metric, more being better, and its standard error, `se`. Early versions did not write how many members it
    chooses by all rows.
    """

    members: NotRequired[int]
    naive: dict[str, Number]
    cross_fitted: dict[str, Number]


Way = Literal["greedy", "equal", "best_single"]


class Selection(TypedDict):
    """How members were chosen by the dev set: what was taken, and each way that it was compared with."""

    metric: str
    n: int  # rounds of greedy selection, or as many as were asked for
    candidates: int
    folds: int  # scores behind a cross-fitted one
    taken: Way
    naive: dict[str, Number]  # these two are those of what was taken
    cross_fitted: dict[str, Number]
    greedy: NotRequired[Fit]
    equal: Fit
    best_single: Fit


class EnsembleRecord(TypedDict):
    """members.json: the members of a run that lie in directories of their own, and how much each counts."""

    schema_version: int
    how: str  # folds, or how they were chosen: top, greedy, runs, snapshots
    weights: list[float]  # they add up to 1
    members: list[MemberRecord]
    dev: NotRequired[Selection]
    told: NotRequired[list[str]]  # what was done and why, in words


def has_members(run: RunDir) -> bool:
    """Whether a run is made of others."""
    return (run.path / MEMBERS).is_file()


def is_gathered(record: Mapping[str, Any]) -> bool:
    """Whether run.json is that of an ensemble of runs that had ended before, which has no epochs of its own."""
    members = record.get("members") or []
    return bool(members) and "fold" not in members[0] and record.get("epochs") == 0


def member(run: RunDir, name: int | str) -> RunDir:
    """The directory of a member, by its number from 1 or by its name."""
    return RunDir(run.path / FOLDER / (f"{name:02d}" if isinstance(name, int) else name))


def read_ensemble(run: RunDir) -> EnsembleRecord:
    """What MEMBERS says; DataError where it is damaged or contradicts itself."""
    record = cast(EnsembleRecord, run.read_json(MEMBERS, EnsembleRecord))
    if not record["weights"] or len(record["weights"]) != len(record["members"]):
        raise DataError(
            f"{run.path / MEMBERS}: has {len(record['members'])} members with {len(record['weights'])} weights"
        )
    return record


def members_of(run: RunDir) -> list[RunDir]:
    """The members, in the order of the weights; none of a run that is not made of others."""
    return [member(run, k + 1) for k in range(len(read_ensemble(run)["weights"]))] if has_members(run) else []


def whole_of(run: RunDir) -> RunDir | None:
    """The run that one is a member of."""
    path = Path(run.path).resolve()
    whole = RunDir(path.parent.parent)
    return whole if path.parent.name == FOLDER and has_members(whole) else None


def refitted(run: RunDir) -> RunDir | None:
    """What was trained on the rows of all folds, where that was asked for and is done; DataError where it is gone."""
    again, record = member(run, ALL), run.read_record()
    if not again.exists and record.get("refit") and record["status"] == "done":
        raise DataError(
            f"{again.path}: the network of all folds is gone; `{command('resume', str(run.path))}` trains it"
        )
    return again if again.exists and again.status == "done" else None


def refuse_gathered(run: RunDir) -> None:
    """UsageError for an ensemble of runs that had ended before, or a member of one, which nobody trains on.

    DataError where its MEMBERS is gone: it would be taken for a run of its first member's config that has no epoch yet.
    """
    whole = run if has_members(run) or is_gathered(run.read_record()) else whole_of(run)
    if whole is None or read_ensemble(whole)["how"] == FOLDS:
        return
    inside = member(whole, 1) if run is whole else run
    what = f"{run.id} is an ensemble" if run is whole else f"{run.id} is a member of the ensemble {whole.id}"
    raise UsageError(
        f"{what}, made of runs that have ended, and no epoch is added to it; "
        f"`{command('train', str(inside.resolved))}` trains {'its first member' if run is whole else 'it'} anew, as a "
        "run of its own"
    )


# members as lines


def fold_line(config: Config, record: RunRecord) -> str:
    """A fold that is over."""
    if config.data.without_dev:
        return f"refit    on the rows of all folds for {counted(record['epochs'] or 0, 'epoch')}"
    final = record["final"] or {}
    dev = f"dev {percent(final.get('dev_error'))}, best epoch {record['best_epoch']} of {record['epochs']}"
    rows = f" on {record['data']['rows']['dev']:,} rows"
    return f"fold     {config.data.fold} of {config.data.folds}: {dev}{rows}"


def folds_in(record: RunRecord) -> list[MemberRecord]:
    """The folds that a run has trained; none of a run of another kind."""
    return [each for each in record.get("members") or [] if "fold" in each]


def folds_table(record: RunRecord) -> list[str]:
    """The folds of a run side by side, and what their mean is worth."""
    table, told = folds_told(record)
    return ["", *columns(table, right=range(5)), *told] if table else []


def folds_told(record: RunRecord) -> tuple[list[list[str]], list[str]]:
    """The folds of a run as rows of cells, their titles first, and as lines; nothing of a run of another kind."""
    folds, final = folds_in(record), record.get("final") or {}
    if not folds or "dev_error_se" not in final:
        return [], []
    name = f"dev {error_name(final, record['data'])}"
    table = [["fold", name, "dev loss", "best epoch", "dev rows"]]
    for each in folds:
        numbers_of = [percent(each.get("dev_error")), number(each.get("dev_loss")), str(each.get("best_epoch"))]
        table.append([str(each["fold"]), *numbers_of, f"{each['rows']['dev']:,}"])
    error, of_mean = final["dev_error"], final["dev_error_se"]
    deviation = None if of_mean is None else of_mean * sqrt(len(folds))
    spread = f"{percent(deviation)} (one standard deviation of {len(folds)} folds)"
    mean = f"{name} {percent(error)} ± {spread}, standard error {percent(of_mean)}"
    again, of_test = record.get("refit"), "test_error" in final
    told = [mean]
    if again:
        epochs = counted(again["epochs"] or 0, "epoch")
        told.append(f"refit     one network on the rows of all folds, {epochs} long, in members/all")
    alone = next((each["fold"] for each in folds if each.get("weight") == 1), None)  # by time the last one
    if alone and not again:
        told.append(f"predicts  fold {alone}, which learned from the most rows and the newest; --refit trains on all")
    if of_test:
        who = "that network says" if again or alone else f"the {len(folds)} say together"
        told.append(f"test      is what {who}")
    return table, told


def epoch_of(where: Diverged) -> str:
    """In which epoch it diverged, and in which fold of those of a run."""
    return (f"fold {where['fold']}, " if "fold" in where else "") + f"epoch {where['epoch']}"


def diverged_line(where: Diverged, epochs: int | None) -> str:
    """Where a run of so many epochs diverged, and what is left of it: folds have checkpoints of their own."""
    whose = f" of the network with seed {where['seed']}" if "seed" in where else ""
    kept = f"; the checkpoint of epoch {epochs} is kept" if epochs and "fold" not in where else ""
    place = f"{epoch_of(where)}, step {where['step']}: layer {where['layer']}{whose}"
    return f"diverged in {place} met numbers that are not finite{kept}"


def gathered_line(record: RunRecord) -> str:
    """What an ensemble of runs that had ended before is, and what it took to train them."""
    many, seconds = len(record["members"]), record.get("seconds") or 0.0
    what = f"an ensemble of {many} members" if many > 1 else "the best of several runs alone"
    return f"{what}, which took {duration(seconds)} to train"


def beside_members(record: RunRecord) -> list[str]:
    """A line of what an ensemble makes of its members, where the run is one."""
    members, final = record.get("members"), record.get("final")
    if not members or len(members) == 1 or not final or "dev_error" not in final or folds_in(record):
        return []
    name = error_name(final, record["data"])
    errors = sorted(member["dev_error"] for member in members if member["dev_error"] is not None)
    low, high = (percent(error) for error in (errors[0], errors[-1])) if errors else ("–", "–")
    each = low if low == high else f"{low.removesuffix('%')} to {high}"
    return [f"ensemble of {len(members)}: dev {name} {percent(final['dev_error'])} (members {each})"]
