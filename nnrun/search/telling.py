"""A search told in plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnrun.config.space.space import Parameter, Space
from nnrun.engine.scores import Objective
from nnrun.installation import command
from nnrun.runs.records import Final
from nnrun.runs.verdict import error_kind
from nnrun.search.apart import better_than_first, lowest
from nnrun.search.importance import comparable, importances
from nnrun.search.plan import Plan
from nnrun.search.pruning import heading as pruning_heading
from nnrun.search.record import (
    EndedBy,
    Expected,
    Flat,
    Repeated,
    SearchRecord,
    Stage,
    TrialRecord,
    dev_loss,
    or_so,
    sharing,
)
from nnrun.search.strategies import STRATEGIES
from nnrun.search.trial_lines import best_table, compared_by, setting, shown
from nnrun.text import columns, counted, duration, in_percent, metric_key, metric_value, percent, times, wrapped

STAGES = 5  # that are told
FEWEST_ALIKE = 2
FEWEST_COMPARED = 10  # trials; with fewer, chance makes one parameter look like all that matters
DRAWN = "drawn from the whole space and trained equally long"  # those that settings are compared by
BY_LOT = "with `--strategy random` all are"
ENDINGS: dict[EndedBy, str] = {
    "trials": "finished",
    "target": "target reached after",
    "flat": "nothing more to be expected after",
    "timeout": "time is up after",
    "points": "all points tried after",
    "signal": "interrupted after",
}
USUAL_ORDER = {1: "usually first", 2: "usually second", 3: "usually third", 4: "hardly ever"}


def heading(run_id: str, plan: Plan, space: Space, workers: int | None = None, kind: str = "") -> list[str]:
    """What is searched, how, and by how many workers, if any are at work; `kind` as in `verdict.error_kind`."""
    pruned, metric = f" with {plan.prune} pruning" if plan.prune else "", compared_by(plan.objective, kind)
    at_work = "" if workers is None else f", {workers} worker{'' if workers == 1 else 's'}"
    return [
        f"search   {run_id}",
        f"strategy {plan.strategy}{pruned}, {counted(plan.total, 'trial')}, {metric}{at_work}",
        *(f"space    {parameter.key}: {_range(parameter)}" for parameter in space.parameters),
        *(line for notice in space.notices for line in wrapped(notice, "note     ")),
    ]


def outlook(plan: Plan) -> list[str]:
    """What the strategy will do, where it tells, and what comes of a space with fewer points than there are trials."""
    pruning = pruning_heading(plan.epochs if plan.has_one_total else None) if plan.prune else []
    return [*STRATEGIES[plan.strategy].heading(plan.brief()), *pruning, *_few_points(plan)]


def _few_points(plan: Plan) -> list[str]:
    points = plan.space.count if plan.space.parameters else None
    if plan.strategy == "grid" or STRATEGIES[plan.strategy].continues_trials or points is None or points >= plan.total:
        return []
    told = f"the space has {counted(points, 'combination')} for {counted(plan.total, 'trial')}, so many of them"
    cure = "the strategy grid tries each once, and repeats train the best of them again"
    return wrapped(f"{told} differ by their seed alone, and the best is the luckiest; {cure}", "note     ")


def _range(parameter: Parameter) -> str:
    text = f"{parameter.domain.name} [{', '.join(map(setting, parameter.domain.written()))}]"
    conditions = [f"{key} is {' or '.join(map(setting, of.options))}" for key, of in parameter.when]
    return f"{text} when {' and '.join(conditions)}" if conditions else text


def error_kind_of(record: SearchRecord) -> str:
    """What its errors are, as in `verdict.error_kind`; early versions did not write it."""
    return error_kind(record["data"]) if "data" in record else ""


def ending(record: SearchRecord) -> str:
    """How the search ended, in a line."""
    counts = ", ".join(f"{count} {status}" for status, count in record["counts"].items() if count)
    counts += f", {record['pruned_trials']} of them pruned" if record.get("pruned_trials") else ""
    unit = "trial" if record["trials"] == 1 else "trials"
    how = f"{ENDINGS[record['ended_by']]} {record['trials']} {unit} ({counts or 'none'})"
    return f"{how}, {duration(record['seconds'])} of training in all"


def flat_lines(flat: Flat | None, metric: Objective) -> list[str]:
    """Why nothing more was expected, where that ended the search."""
    if flat is None:
        return []
    left = f"{flat['left']} left {'is' if flat['left'] == 1 else 'are'}"
    gain, size = (_size(flat[key], metric) for key in ("expected", "size"))
    told = f"after {counted(flat['trials'], 'trial')} the {left} expected to improve {metric.key} by {gain} at most"
    return wrapped(f"{told}, less than {size} (--stop-when-flat)", "flat     ")


def _size(step: float, metric: Objective) -> str:
    """A difference of two values of the metric; of errors there are far smaller ones than 0.1%."""
    return f"{100 * step:.2g}%" if in_percent(metric.key) else f"{step:.2g}"


def importance_lines(records: Sequence[TrialRecord], plan: Plan, optimizer: str) -> list[str]:
    """Which parameters mattered, beside the order they usually matter in."""
    compared = comparable(plan, records)
    some = len(compared) < len(records)
    if len(compared) < FEWEST_COMPARED:
        drawn = f" {DRAWN}; {BY_LOT}" if some else ""
        return wrapped(f"which parameters matter cannot be told from fewer than {FEWEST_COMPARED} trials{drawn}")
    results = [(r["values"], float("nan") if r["metric"] is None else r["metric"]) for r in compared]
    found = importances(plan.space, results, optimizer)
    those = f"the {len(compared)} of {len(records)} trials {DRAWN}"
    if not any(item.share for item in found):
        which = f"{those}; {BY_LOT}" if some else "these trials"
        return wrapped(f"which parameters matter cannot be told from {which}")
    rows = [[item.key, percent(item.share), USUAL_ORDER.get(item.usual or 0, "")] for item in found]
    notes = [f"note     {item.key} {item.note}" for item in found if item.note]
    notes += wrapped(f"what matters is told from {those}", "note     ") if some else []
    return [*columns([["which matter", "share", ""], *rows], right=(1,)), *notes]


def diverged_lines(records: Sequence[TrialRecord]) -> list[str]:
    """What the trials that diverged have in common: the part of each number's range that they lie in, or one value."""
    diverged = [record["values"] for record in records if record["status"] == "diverged"]
    if len(diverged) < FEWEST_ALIKE:
        return []
    shared = {key: _common([values[key] for values in diverged]) for key in diverged[0]}
    told = ", ".join(f"{key.rpartition('.')[2]} {words}" for key, words in shared.items() if words)
    return [f"note     the {len(diverged)} diverged trials have {told}"] if told else []


def _common(values: Sequence[Any]) -> str:
    if len(set(map(str, values))) == 1:
        return setting(values[0])
    numbers = [value for value in values if isinstance(value, (int, float))]
    return f"{setting(min(numbers))} to {setting(max(numbers))}" if len(numbers) == len(values) else ""


def test_line(record: SearchRecord, metric: Objective) -> list[str]:
    """The test error of the chosen trial, and how often the test part has been read for it.

    Where trials were compared by something else, that stands behind the errors.
    """
    final = record.get("final") or {}
    if "dev_error" not in final:
        return []
    kind = error_kind_of(record)
    dev, test = (_told_of(final, part, metric, kind) for part in ("dev", "test"))
    test = f"{test} (test part read {times(record['test_reads'])})" if "test_error" in final else "no test part"
    return [f"best     trial {record['best_trial']}: {dev}, {test}"]


def _told_of(final: Final, part: str, metric: Objective, kind: str) -> str:
    name, key = metric.name, f"{part}_{metric.name}"
    known = name != "error" and key in final
    further = f" {name} {metric_value(final[key], name)}{or_so(final, key)}" if known else ""
    if not kind:
        return f"{part} {percent(final.get(f'{part}_error'))}{or_so(final, f'{part}_error')}{further}"
    error, plain = (percent(final.get(f"{part}_{name}")) for name in ("error", "plain_error"))
    return f"{part} {kind} error {error} (plain {plain}){further}"


def ties(records: Sequence[TrialRecord], metric: Objective, kind: str) -> str:
    """How many trials share the best result, and how the best was chosen among them; empty where one has it alone."""
    level = sharing(records)
    if len(level) < FEWEST_ALIKE:
        return ""
    lowest = [record for record in level if dev_loss(record) == dev_loss(level[0])]
    loss = f"dev {kind} loss" if kind else "dev loss"
    how = f"has the lowest {loss} of them" if len(lowest) == 1 else "is the first of them"
    if 1 < len(lowest) < len(level):
        how += f" with the lowest {loss}"
    name = metric_key(metric.key, kind)
    return f"{len(level)} of {len(records)} trials share the best {name}; trial {level[0]['number']} {how}"


def _ties_lines(records: Sequence[TrialRecord], metric: Objective, kind: str) -> list[str]:
    told = ties(records, metric, kind)
    return wrapped(told, "note     ") if told else []


def expected_line(expected: Expected | None, metric: Objective) -> list[str]:
    """What random search would have been expected to reach, of as many trials as were drawn at random."""
    if expected is None:
        return []
    value, trials, draws = shown(expected["value"], metric), expected["trials"], expected["draws"]
    return [f"random   search of {trials} trials is expected to reach {value}, by {draws} draws from the whole space"]


def repeat_lines(repeats: Sequence[Repeated], metric: Objective) -> list[str]:
    """The best trials trained again: mean and standard deviation, beside the results that they were chosen for."""
    if not repeats:
        return []
    rows = [["trial", "chosen", "again", "", "", "n"]]
    for each in repeats:
        deviation = metric_value(each["deviation"], metric.key)
        lost = f"{each['n']}, {each['lost']} without a result" if each["lost"] else str(each["n"])
        results = shown(each["chosen"], metric), shown(each["mean"], metric)
        rows.append([str(each["trial"]), *results, "±", deviation, lost])
    lines = ["trained again with new seeds; the chosen runs do not count, they were chosen for their luck too"]
    return [*lines, *columns(rows, right=(0, 1, 2, 4)), *_better_again(repeats, metric), ""]


def unfinished_repeats(record: SearchRecord, asked: int | None, where: str) -> list[str]:
    """A note where fewer repeats are finished than were asked for, as after a kill."""
    trained = [each["n"] + each["lost"] for each in record.get("repeats") or []]
    if not asked or record.get("best_trial") is None or min(trained, default=0) >= asked:
        return []
    return [f"note     the best trials are not trained again {asked} times yet; `{command('resume', where)}` does it"]


def _better_again(repeats: Sequence[Repeated], metric: Objective) -> list[str]:
    """A note where the settings of another trial than the best did better, perhaps by no more than seeds do."""
    first, better = repeats[0], better_than_first(repeats)
    other = better or lowest(repeats)
    if first["mean"] is None or other is None or other is first:
        return []
    words = f"{shown(other['mean'], metric)} against {shown(first['mean'], metric)}"
    told = "does better than" if better else "cannot be told from"
    return [f"note     with new seeds trial {other['trial']} {told} trial {first['trial']}: {words}"]


def stage_lines(stages: Sequence[Stage]) -> list[str]:
    """The zooms of coarse to fine, the last ones of many: the box before and after, and why."""
    lines = [f"{len(stages) - STAGES} stages before, all of them in run.json"] if len(stages) > STAGES else []
    for stage in stages[-STAGES:]:
        lines.append(f"stage {stage['number']} from trial {stage['first']}, around trial {stage['best']}")
        for change in stage["changes"]:
            old, new = (f"[{', '.join(map(setting, box))}]" for box in (change["old"], change["new"]))
            lines.append(f"  {change['key']}: {old} → {new}, {change['why']}")
    return lines


def so_far(record: SearchRecord, trials: int, total: int) -> str:
    """How far a search is that has not ended, was killed, or failed, in a line."""
    why = f"; {record['error']}" if record.get("error") else ""
    return f"{record['status']}, {trials} of {total} trials so far{why}"


def progress(record: SearchRecord, records: Sequence[TrialRecord], total: int, metric: Objective) -> list[str]:
    """How far a search is, with the best trials."""
    kind = error_kind_of(record)
    return [
        so_far(record, len(records), total),
        "",
        *best_table(records, metric, kind),
        *_ties_lines(records, metric, kind),
    ]


def summary(record: SearchRecord, records: Sequence[TrialRecord], plan: Plan, optimizer: str) -> list[str]:
    """What a search came to."""
    if not records:
        return [ending(record)]
    kind, metric = error_kind_of(record), plan.objective
    reached = [*test_line(record, metric), *_ties_lines(records, metric, kind)]
    reached += expected_line(record.get("random_search_expected"), metric)
    why = flat_lines(record.get("flat"), metric)
    lines = [ending(record), *why, "", *best_table(records, metric, kind), ""]
    lines += [*reached, *([""] if reached else [])]
    lines += repeat_lines(record.get("repeats") or [], metric)
    lines += [*importance_lines(records, plan, optimizer), *diverged_lines(records)]
    return [*lines, *(f"note     {note}" for note in record["notes"])]


def brief(record: SearchRecord, metric: Objective) -> list[str]:
    """The ending and the errors of the best trial alone."""
    return [ending(record), *test_line(record, metric)]
