"""A retest told in plain lines."""

from __future__ import annotations

from collections.abc import Sequence

from nnrun.engine.scores import Objective
from nnrun.search.plan import Plan
from nnrun.search.record import SearchRecord
from nnrun.search.retests.record import Group, OldBest, Ranking, RetestRecord, RetestVerdict
from nnrun.search.telling import ending, error_kind_of, test_line
from nnrun.search.trial_lines import compared_by, setting, shown
from nnrun.text import columns, counted, in_percent, last_words, metric_key, metric_step, metric_value, percent, wrapped

SHOWN = 10  # settings in the table on screen
LEAST_CHANCE = 0.001  # below which its size says nothing
HOLDS = {
    True: "the old ranking holds",
    False: "the old ranking does not hold",
    None: "whether the old ranking holds cannot be told",
}
AGAIN = {True: "search again: ", False: "no need to search again: ", None: ""}


def heading(run_id: str, record: RetestRecord, plan: Plan, workers: int | None = None, kind: str = "") -> list[str]:
    """What is retested, and what is not as it was; `workers` and `kind` as in `telling.heading` of a search."""
    at_work = "" if workers is None else f", {counted(workers, 'worker')}"
    return [
        f"retest   {run_id}",
        f"search   {record['search']['id']}",
        f"trials   {asked(record)}, {compared_by(plan.objective, kind)}{at_work}",
        *(line for told in record["told"] for line in wrapped(told, "note     ")),
    ]


def asked(record: RetestRecord) -> str:
    """`the best 10 of 50 settings and 10 fresh ones, 3 seeds each`."""
    old = old_count(record)
    fresh = len(record["settings"]) - old
    best = f"the best {old} of {counted(record['search']['settings'], 'setting')}"
    return f"{best} and {counted(fresh, 'fresh one')}, {counted(len(record['seeds']), 'seed')} each"


def old_count(record: RetestRecord) -> int:
    """How many of the settings are old; they come first."""
    return sum(each["trial"] is not None for each in record["settings"])


def name_of(record: RetestRecord, place: int) -> str:
    """What the settings at this place are called."""
    trial = record["settings"][place]["trial"]
    return f"fresh {place - old_count(record) + 1}" if trial is None else f"old trial {trial}"


def summary(record: RetestRecord, found: SearchRecord, metric: Objective) -> list[str]:
    """What a retest came to: the settings by today's results, and what became of the old ranking."""
    verdict = record["verdict"]
    if verdict is None:
        return [ending(found), "note     no seed has been trained with all settings yet, so nothing can be told"]
    kind = error_kind_of(found)
    lines = [ending(found), "", *table(record, verdict, metric, kind), "", *evidence(record, verdict, metric)]
    return [*lines, *test_line(found, metric), *conclusion(verdict)]


def table(
    record: RetestRecord, verdict: RetestVerdict, metric: Objective, kind: str, most: int | None = SHOWN
) -> list[str]:
    """The settings in today's order, with what they came to then; that which was the best then is always there."""
    keys = list(record["settings"][0]["values"])
    title = metric_key(metric.key, kind)
    rows = [["", title, "then", "today", "", "", *last_words(keys).values()]]
    for place in ordered(verdict)[:most] if most else ordered(verdict):
        rows.append(_row(record, verdict, place, metric, keys))
    if most and 0 not in ordered(verdict)[:most]:
        rows.append(_row(record, verdict, 0, metric, keys))
    return columns(rows, right=(0, *range(2, len(rows[0]))))


def ordered(verdict: RetestVerdict) -> list[int]:
    """The places of the settings, today's best first."""
    return sorted(range(len(verdict["results"])), key=lambda place: verdict["results"][place]["rank"])


def _row(record: RetestRecord, verdict: RetestVerdict, place: int, metric: Objective, keys: Sequence[str]) -> list[str]:
    each, result = record["settings"][place], verdict["results"][place]
    then = shown(each["then"], metric) if each["trial"] is not None else ""
    today = shown(result["mean"], metric) if result["mean"] is not None else f"{result['lost']} lost"
    spread = ["", ""] if result["deviation"] is None else ["±", metric_value(result["deviation"], metric.key)]
    told = (setting(each["values"][key]) for key in keys)
    return [str(result["rank"]), name_of(record, place), then, today, *spread, *told]


def evidence(record: RetestRecord, verdict: RetestVerdict, metric: Objective) -> list[str]:
    """A line on each of the three questions, with how sure the answer is."""
    lines = [f"ranking  {order_words(verdict['ranking'], old_count(record))}"]
    if verdict["best"]:
        lines.append(f"old best {best_words(record, verdict, verdict['best'], metric)}")
    if verdict["group"]:
        lines.append(f"fresh    {group_words(verdict['group'])}")
    if verdict["seeds"] < len(record["seeds"]):
        lines.append(
            f"note     {verdict['seeds']} of {counted(len(record['seeds']), 'seed')} count: all settings had them"
        )
    return [part for line in lines for part in wrapped(line[9:], line[:9])]


def order_words(order: Ranking, settings: int) -> str:
    """How today's order of the old settings goes with the old one."""
    if order["correlation"] is None or order["interval"] is None:
        return f"the order of {counted(settings, 'setting')} cannot be compared: then or today all were level"
    low, high = order["interval"]
    answer = {True: "the order is still there", False: "the order has turned round", None: "that may be chance"}
    how = f"{_end(low)} to {_end(high)}; by chance {_chance(order['chance'])}"
    found = f"rank correlation {order['correlation']:+.2f} ({how})"
    return f"{found} over {counted(settings, 'setting')}: {answer[order['holds']]}"


def _end(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def best_words(record: RetestRecord, verdict: RetestVerdict, best: OldBest, metric: Objective) -> str:
    """Where the settings that were the best stand today."""
    first, result = record["settings"][0], verdict["results"][0]
    then = f"{name_of(record, 0)}, {shown(first['then'], metric)} then"
    count = len(verdict["results"])
    if best["today"] is None:
        return f"{then}, {result['lost']} of {counted(verdict['seeds'], 'training')} without a result today"
    place = f"{then}, {shown(best['today'], metric)} today, rank {best['rank']} of {count}"
    difference, interval, other = best["difference"], best["interval"], name_of(record, best["against"])
    if difference is None or interval is None:
        return f"{place}; how far it is from {other} cannot be told"
    low, high = (metric_step(end, metric.key) for end in interval)
    way = "behind" if difference > 0 else "ahead of"
    answer = ("may still be" if difference > 0 else "still") if best["among_the_best"] else "no longer"
    if best["among_the_best"] and (interval[0] or 0) > 0:
        answer = "too little to count, still"
    far = metric_step(abs(difference), metric.key).removeprefix("+") + (" points" if in_percent(metric.key) else "")
    return f"{place}; {far} {way} {other} ({low} to {high}): {answer} among the best"


def group_words(group: Group) -> str:
    """How the old settings fare against fresh ones."""
    low, high = (_share(end) for end in group["interval"])
    answer = {True: "still better", False: "hardly better any more", None: "that may be chance"}
    how = f"{low} to {high}; by chance {_chance(group['chance'])}"
    wins = f"the old settings beat fresh ones in {_share(group['wins'])} of pairs ({how})"
    return f"{wins}, {_share(group['expected'])} or so if nothing had changed: {answer[group['better']]}"


def _chance(chance: float | None) -> str:
    return "< 0.1%" if chance is not None and chance < LEAST_CHANCE else percent(chance)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}%"


def conclusion(verdict: RetestVerdict) -> list[str]:
    """Whether the ranking holds, and whether to search again."""
    return wrapped(f"{HOLDS[verdict['holds']]}; {AGAIN[verdict['search_again']]}{verdict['why']}", "verdict  ")
