"""An ensemble in plain lines: its members, and what choosing them was worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.models.ensembling.selection import CrossFittedGain
from nnrun.runs.members import EnsembleRecord, Fit, Selection, Way, has_members, read_ensemble
from nnrun.runs.records import Final, MemberRecord, Number
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import error_name
from nnrun.text import columns, counted, in_percent, metric_step, metric_value, percent, wrapped

SHOWN = 25  # members; the others weigh no more than the last of them

CROSS_FITTED = (
    "naive: on the dev rows that they were chosen by, which flatters; cross-fitted: chosen by four fifths of the dev "
    "rows and measured on the last, the mean over all fifths and several divisions; gain: over the best single one, "
    "cross-fitted"
)

WAYS: dict[Way, str] = {"greedy": "greedy", "equal": "equal weights", "best_single": "best single"}


def ensemble_lines(run: StoredRun) -> list[str]:
    """The members of a run and how they were chosen; nothing of a run that is not made of others."""
    if not has_members(run.directory):
        return []
    record = read_ensemble(run.directory)
    if "told" not in record:  # the folds of a cross-validation tell of themselves elsewhere
        return []
    lines = [line for told in record["told"] for line in wrapped(told, "ensemble ")]
    error = error_name(run.final, run.record["data"])
    lines += ["", *_members(record, error)]
    if "dev" in record:
        lines += ["", *_selection(record["dev"])]
    several = len(record["members"]) > 1 and _on_dev(record)
    return [*lines, "", *_beside_the_best(record, run.final, error)] if several else lines


def _members(record: EnsembleRecord, error: str) -> list[str]:
    """A row a member."""
    members, on_dev = record["members"], _on_dev(record)
    above, epochs = _shared(members), record["how"] == "snapshots"
    title = f"members of {above}" if above else "member"
    rows = [[title, *(["epoch"] if epochs else []), "weight", *([f"dev {error}", "without"] if on_dev else [])]]
    for one in members[:SHOWN]:
        name = one["id"].removeprefix(f"{above}/") if above else one["id"]
        errors = (one.get("dev_error"), one.get("without")) if on_dev else ()
        cells = [f"{100 * one['weight']:.1f}%", *map(percent, errors)]
        rows.append([name, *([str(one.get("best_epoch"))] if epochs else []), *cells])
    left = [f"and {counted(len(members) - SHOWN, 'more member')}"] if len(members) > SHOWN else []
    lines = columns(rows, right=range(1, len(rows[0])))
    said = "without: the dev error of the others, if it were left out"
    return [*lines, *left, *([said] if len(members) > 1 and on_dev else [])]


def _on_dev(record: EnsembleRecord) -> bool:
    """Whether its members have dev rows, which those that were trained on all rows have not."""
    return any(one.get("dev_error") is not None for one in record["members"])


def _shared(members: Sequence[MemberRecord]) -> str:
    """The folder that all of them lie in, such as SEARCH/trials; empty where there is none."""
    folders = {one["id"].rpartition("/")[0] for one in members}
    return folders.pop() if len(folders) == 1 else ""


def _selection(found: Selection) -> list[str]:
    return [*columns(selection_rows(found), right=range(1, 5)), *wrapped(CROSS_FITTED)]


def selection_rows(found: Selection) -> list[list[str]]:
    """Each way to choose, on the rows that it chose by and on rows that it had not seen; cells under their titles."""
    metric = found["metric"]
    rows = [[f"dev {metric.replace('_', ' ')}", "naive", "cross-fitted", "gain", "standard error"]]
    for way, name in WAYS.items():
        if fit := found.get(way):
            rows.append([_way(way, name, found), *_fit_cells(fit, metric), *_gain_cells(fit, metric)])
    return rows


def _way(way: Way, name: str, found: Selection) -> str:
    how_many = {"greedy": f", {found['n']} rounds", "equal": f", top {_best_taken(found)}"}.get(way, "")
    return f"{name}{how_many} (taken)" if way == found["taken"] else f"{name}{how_many}"


def _best_taken(found: Selection) -> int:
    """How many have equal weights; early versions took as many as there are, up to `n`."""
    return found["equal"].get("members", min(found["n"], found["candidates"]))


def _fit_cells(fit: Fit, metric: str) -> Iterator[str]:
    for values in (fit["naive"], fit["cross_fitted"]):
        yield metric_value(values.get(metric), metric)


def _gain_cells(fit: Fit, metric: str) -> tuple[str, str]:
    gain, error = (metric_step(fit["cross_fitted"].get(key), metric) for key in ("gain", "se"))
    return gain, error.removeprefix("+")


def _beside_the_best(record: EnsembleRecord, final: Final, error: str) -> list[str]:
    best = min(record["members"], key=lambda one: _or_last(one.get("dev_error")))
    name = f"{best['id']}, epoch {best.get('best_epoch')}" if record["how"] == "snapshots" else best["id"]
    alone = f"its best member alone {percent(best.get('dev_error'))} ({name})"
    return wrapped(f"dev {error} {percent(final.get('dev_error'))} together, {alone}", "compared ")


def _or_last(error: Number) -> float:
    return float("inf") if error is None else error


def reason(found: Selection) -> str:
    """Which way was taken, and why."""
    taken = {"greedy": "greedy selection", "equal": f"the {_best_taken(found)} best with equal weights"}
    said = taken.get(found["taken"], "the best single one, as nothing that pools them is clearly better")
    unit = " points" if in_percent(found["metric"]) else f" in {found['metric'].replace('_', ' ')}"
    gains = f"greedy selection gains {_gain('greedy', found)}{unit}, equal weights {_gain('equal', found)}"
    most = {"greedy": "greedy selection gains", "equal": "equal weights gain"}.get(found["taken"])
    why = f"{most} more, and more than one standard error" if most else "neither is more than one standard error"
    if not most and any(CrossFittedGain.of(found[way]).is_one for way in WAYS if way in found):
        why = "what gains more than one standard error chooses that one alone by all dev rows"
    return f"of {counted(found['candidates'], 'candidate')} {said}: cross-fitted, {gains}; {why}"


def _gain(way: Way, found: Selection) -> str:
    fit, metric = found.get(way), found["metric"]
    return " ± ".join(_gain_cells(fit, metric) if fit else ("–", "–"))


def of_ensemble(run: StoredRun) -> EnsembleRecord | None:
    """What members.json says, for a program; None of a run that is not made of others."""
    return read_ensemble(run.directory) if has_members(run.directory) else None
