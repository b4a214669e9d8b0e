"""The page of a retest: what became of the old ranking, the settings then and today, and its trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.installation import as_options, command
from nnrun.report.page.charts import BLUE, ORANGE, Chart, plain, points, whole_axis
from nnrun.report.page.html import (
    Markup,
    Sortable,
    commands,
    facts,
    join,
    listing,
    paragraph,
    table,
    tag,
)
from nnrun.report.page.page import Grid, Page, Section, left_out, made_from
from nnrun.report.run import background
from nnrun.report.search.parameters import parallel_chart, slice_charts
from nnrun.report.search.results import Results, curves_chart, value_axis
from nnrun.runs.finding import trial_of
from nnrun.search.record import TrialRecord
from nnrun.search.retests.record import RetestRecord, RetestVerdict
from nnrun.search.retests.telling import (
    AGAIN,
    HOLDS,
    asked,
    best_words,
    group_words,
    name_of,
    old_count,
    order_words,
    ordered,
)
from nnrun.search.trial_lines import setting, shown
from nnrun.text import counted, duration, last_words, metric_value, sentence_case

APART = 0.16  # of a place in today's order, by which trainings of one setting stand beside each other


def retest_page(found: Results, record: RetestRecord, shared: Sequence[Section]) -> Page:
    """All that the directory tells; `shared` are the sections that the page of any search has."""
    verdict = record["verdict"]
    sections = [_verdict_section(found, record, verdict), _settings_section(found, record, verdict)]
    if found.ranked:
        slices = tag("h3", "One by one"), Grid(slice_charts(found))
        sections += [Section("The trials", [curves_chart(found), parallel_chart(found), *slices])]
    again = background.again_section(found.run, "The same retest:", _same_retest(record))
    lead = join([_lead(found, record, verdict), facts([*_numbers(found, record, verdict)])])
    made = made_from(found.run.path)
    return Page(f"Retest {found.run.id}", lead, [*sections, *shared, again], made)


def _same_retest(record: RetestRecord) -> list[str]:
    given = record["asked"]
    words = [record["search"]["path"], *([given["config"]] if given["config"] else []), *as_options(given["set"])]
    return ["retest", *words, "--top", str(given["top"]), "--seeds", str(given["seeds"])]


def _lead(found: Results, record: RetestRecord, verdict: RetestVerdict | None) -> Markup:
    told = f"{sentence_case(asked(record))}, of the search {record['search']['id']}. {sentence_case(found.standing)}."
    answer = "Nothing can be told yet."
    if verdict:
        answer = f"{sentence_case(HOLDS[verdict['holds']])}; {AGAIN[verdict['search_again']]}{verdict['why']}."
    return join([tag("p", answer, cls="verdict"), paragraph(told)])


def _numbers(found: Results, record: RetestRecord, verdict: RetestVerdict | None) -> Iterator[tuple[str, str, str]]:
    if verdict and verdict["ranking"]["correlation"] is not None:
        low, high = (f"{end:+.2f}" if end is not None else "–" for end in verdict["ranking"]["interval"] or [])
        yield "rank correlation", f"{verdict['ranking']['correlation']:+.2f}", f"{low} to {high}"
    if verdict and (best := verdict["best"]):
        rank = f"{best['rank']} of {len(record['settings'])}"
        yield f"old best, {found.metric}", shown(best["today"], found.plan.objective), f"rank {rank} today"
    if verdict and (group := verdict["group"]):
        yield "old beats fresh in", f"{100 * group['wins']:.0f}%", "of pairs"
    yield "seeds", str(len(record["seeds"])), "for each setting"
    yield "training", duration(sum(t.get("seconds") or 0 for t in found.trials)), "of all trials together"


def _verdict_section(found: Results, record: RetestRecord, verdict: RetestVerdict | None) -> Section:
    notes = [tag("h3", "What is as it was, and what is not"), listing(record["told"])] if record["told"] else []
    if verdict is None:
        return Section("The old ranking", [paragraph("No seed has been trained with all settings yet."), *notes])
    told = [order_words(verdict["ranking"], old_count(record))]
    if verdict["best"]:
        told.append(best_words(record, verdict, verdict["best"], found.plan.objective))
    if verdict["group"]:
        told.append(group_words(verdict["group"]))
    if verdict["seeds"] < len(record["seeds"]):
        told.append(f"{verdict['seeds']} of {counted(len(record['seeds']), 'seed')} count: all settings had them")
    lines = listing(f"{sentence_case(line)}." for line in told)
    return Section("The old ranking", [lines, tag("h3", "What to do next"), commands(_next(found, verdict)), *notes])


def _next(found: Results, verdict: RetestVerdict) -> Iterator[tuple[str, str]]:
    if verdict["command"]:
        why = "Search again, on today's data and network:" if verdict["search_again"] else "Tell more:"
        yield why, verdict["command"]
    first = trial_of(found.run.path, ordered(verdict)[0])
    yield "Train today's best settings again:", command("train", str(first.resolved))


def _settings_section(found: Results, record: RetestRecord, verdict: RetestVerdict | None) -> Section:
    if verdict is None:
        return left_out("Then and today", "nothing can be told yet.")
    charts = [_today_chart(found, record, verdict)]
    if old_count(record) > 1:
        charts.insert(0, _then_chart(found, record, verdict))
    return Section("Then and today", [Grid(charts), _table(found, record, verdict)])


def _then_chart(found: Results, record: RetestRecord, verdict: RetestVerdict) -> Chart:
    """The old settings: today's mean over the old result."""
    metric, x, y, names = found.plan.objective, [], [], []
    for place, (each, result) in enumerate(zip(record["settings"], verdict["results"], strict=True)):
        if each["then"] is not None and result["mean"] is not None:
            x.append(metric.sign * each["then"])
            y.append(metric.sign * result["mean"])
            told = f"{shown(each['then'], metric)} then, {shown(result['mean'], metric)} today"
            names.append(plain(f"{name_of(record, place)}: {told}"))
    dots = points("an old setting", x, y, ORANGE, text=names, hoverinfo="text", showlegend=False, marker={"size": 9})
    layout = {"xaxis": value_axis(f"then: {found.metric}", x), "yaxis": value_axis(f"today: mean {found.metric}", y)}
    order = order_words(verdict["ranking"], len(x))
    alt = f"Today's mean {found.metric} of {len(x)} old settings over the old result: {order}."
    note = "The better the old order still holds, the closer the dots follow a rising line."
    return Chart("The old settings, then and today", alt, [dots], layout, note, height=320)


def _today_chart(found: Results, record: RetestRecord, verdict: RetestVerdict) -> Chart:
    """Every training, the settings in today's order, old and fresh ones in two colours."""
    by_number = {trial["number"]: trial for trial in found.trials}
    count = len(record["settings"])
    drawn: dict[bool, list[tuple[float, TrialRecord, str]]] = {True: [], False: []}
    for at, place in enumerate(ordered(verdict), start=1):
        for seed in range(verdict["seeds"]):
            trial = by_number[seed * count + place]
            beside = at + APART * (seed - (verdict["seeds"] - 1) / 2)
            if trial["metric"] is not None:
                drawn[place < old_count(record)].append((round(beside, 3), trial, name_of(record, place)))
    values = [found.value(trial) for of in drawn.values() for _, trial, _ in of]
    traces = [
        points(
            name,
            [at for at, _, _ in of],
            [found.value(trial) for _, trial, _ in of],
            color,
            text=[plain(f"{called}: {found.told(trial)}") for _, trial, called in of],
            hoverinfo="text",
        )
        for name, color, of in (("old settings", ORANGE, drawn[True]), ("fresh settings", BLUE, drawn[False]))
        if of
    ]
    layout = {"xaxis": whole_axis("rank today", 1, count), "yaxis": value_axis(f"today: {found.metric}", values)}
    alt = f"{len(values)} trainings of {count} settings in today's order; the old best has rank "
    alt += f"{verdict['results'][0]['rank']}."
    note = "A dot is a training, the dots of one setting stand beside each other."
    return Chart("All trainings of today", alt, traces, layout, note, height=320)


def _table(found: Results, record: RetestRecord, verdict: RetestVerdict) -> Markup:
    metric, keys = found.plan.objective, found.space.keys
    heads = ["setting", "rank today", "then", "today, mean", "deviation", "without a result"]
    rows: list[list[object]] = []
    for place in ordered(verdict):
        each, result = record["settings"][place], verdict["results"][place]
        spread = metric_value(result["deviation"], metric.key)
        cells = [
            Sortable(shown(each["then"], metric), each["then"]),
            Sortable(shown(result["mean"], metric), result["mean"]),
            Sortable(spread, result["deviation"]),
            result["lost"] or "–",
        ]
        values = (Sortable(setting(each["values"][key]), each["values"][key]) for key in keys)
        rows.append([name_of(record, place), result["rank"], *cells, *values])
    names = last_words(keys).values()
    return table("The settings, today's best first; the titles sort", [*heads, *names], rows, data_sortable=True)
