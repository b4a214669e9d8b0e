"""The page of a search."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnrun.errors import NnrunError
from nnrun.insight.diagnosis.searches import of_a_search
from nnrun.insight.diagnosis.verbs import Diagnosis
from nnrun.installation import command
from nnrun.report.page.charts import Chart
from nnrun.report.page.html import (
    Markup,
    Sortable,
    code,
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
from nnrun.report.search.improvement import improvement_page
from nnrun.report.search.parameters import (
    importance_chart,
    pair_chart,
    parallel_chart,
    ranked_importances,
    slice_charts,
    usual_order,
    zoom_charts,
)
from nnrun.report.search.results import Results, best_so_far_charts, curves_chart, survivors_chart
from nnrun.report.search.retest import retest_page
from nnrun.runs.kinds import kind_of
from nnrun.runs.members import epoch_of
from nnrun.runs.rundir import RunDir
from nnrun.runs.stored import StoredRun
from nnrun.search.importance import Importance
from nnrun.search.record import TrialRecord, rank
from nnrun.search.telling import diverged_lines, expected_line, ties
from nnrun.search.trial_lines import setting, settings, shown
from nnrun.text import duration, last_words, metric_key, metric_value, number, percent, sentence_case, times

Parts = list[Markup | Chart | Grid]
NOTE = "note     "
FURTHER = ("train_error", "dev_loss", "best epoch", "epochs", "seconds")  # columns of the table of all trials


def search_page(search: StoredRun, usual: Path, options: Sequence[str]) -> Page:
    """All that the directory tells of the search."""
    found = Results.of(search)
    shared = [_lost_section(found), _trials_section(found)]
    background_ = [background.config_section(search), background.environment_section(search.record)]
    if kind_of(search.directory) == "improvement":  # which draws from no space
        return improvement_page(found, [*shared, *background_])
    shared += [_space_section(found), *background_]
    if found.retest:
        return retest_page(found, found.retest, shared)
    judged = _diagnosis(search, usual, options)
    items = ranked_importances(found)
    again = background.again_section(search, "The same trials from this directory:", _same_search(found))
    sections = [_best_section(found, judged), *_pictures(found, items), *shared, again]
    lead = join([_lead(found, items), facts(key_numbers(found))])
    return Page(f"Search {search.id}", lead, sections, made_from(search.path))


def _diagnosis(search: StoredRun, usual: Path, options: Sequence[str]) -> Diagnosis | NnrunError:
    """The diagnosis of a search, or why there is none."""
    try:
        return of_a_search(search, None, None, usual, options)
    except NnrunError as error:
        return error


def _pictures(found: Results, items: Sequence[Importance]) -> Iterator[Section]:
    if not found.ranked:
        yield left_out("Progress", "no trial has a result.")
        return
    yield Section("Progress", [Grid(best_so_far_charts(found)), curves_chart(found)])
    if survivors := survivors_chart(found):
        yield Section("Halving", [survivors])
    if zooms := zoom_charts(found):
        told = "Orange: the box that most trials of a stage were drawn from, made of the best ones before it."
        yield Section("From coarse to fine", [paragraph(told), Grid(zooms)])
    apart = paragraph("Trials that share one of a few values stand a little beside each other.")
    slices = tag("h3", "One by one"), apart, Grid(slice_charts(found))
    yield Section("Settings and results", [parallel_chart(found), *slices])
    yield _importance_section(found, items)


def _importance_section(found: Results, items: Sequence[Importance]) -> Section:
    if not items:
        why = "ten trials at least that were drawn from the whole space are needed, and differences beyond chance."
        return left_out("What mattered", why)
    pair = pair_chart(found, items)
    return Section("What mattered", [importance_chart(items), usual_order(items), *([pair] if pair else [])])


def _lead(found: Results, items: Sequence[Importance]) -> Markup:
    """What won and why, and how the search ended."""
    kind = found.error_kind
    note = f" All errors here are {kind}: rows do not count alike." if kind else ""
    return join([tag("p", won(found, items), cls="verdict"), paragraph(f"{sentence_case(found.standing)}.{note}")])


def won(found: Results, items: Sequence[Importance]) -> str:
    """Which trial is the best, against the config as written, and what mattered most."""
    best = found.best
    if best is None:
        return "No trial has a result." if found.search.closed else "No trial has a result yet."
    words = f"Trial {best['number']} is the best of {len(found.trials):,} with a {found.metric} of {found.told(best)}"
    first = next((trial for trial in found.trials if trial["number"] == 0 and trial["metric"] is not None), None)
    if first is not None and first is not best:
        words += f", against {found.told(first)} for the config as written"
    if items:
        words += f"; what mattered most is {items[0].key} ({percent(items[0].share)})"
    level = ties(found.trials, found.plan.objective, found.error_kind)
    return f"{words}.{f' {level}.' if level else ''}"


def key_numbers(found: Results) -> list[tuple[str, str, str]]:
    """Errors, trials and time: what, how much, and what belongs to it."""
    final, record = found.record.get("final") or {}, found.record
    told = []
    if found.best:
        told.append((f"best {found.metric}", found.told(found.best), f"trial {found.best['number']}"))
    for key in dict.fromkeys((f"test_{found.plan.objective.name}", "test_error")):
        if final.get(key) is not None:
            name = metric_key(key, found.error_kind).replace("_", " ")
            told.append((name, metric_value(final[key], key), f"read {times(record['test_reads'])}"))
    counts = Counter(trial["status"] for trial in found.trials)
    ended = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    told.append(("trials", f"{len(found.trials):,}", ended or "none finished"))
    told.append(("training", duration(sum(t.get("seconds") or 0 for t in found.trials)), "of all trials together"))
    return [*told, ("strategy", found.plan.strategy.replace("_", " "), f"seed {found.plan.seed}")]


def _best_section(found: Results, judged: Diagnosis | NnrunError) -> Section:
    best = found.best
    if best is None:
        return left_out("The best config", "no trial has a result.")
    rows = [[key, code(setting(value))] for key, value in best["values"].items()]
    parts: Parts = [table(f"Settings of trial {best['number']}", ["key", "value"], rows, words=(0, 1))]
    parts += [tag("h3", "How to use it"), commands(_uses(found))]
    parts += [tag("h3", "How sure that is"), listing(_sureness(found, judged)), *_repeats(found)]
    if isinstance(judged, Diagnosis) and judged.actions:
        parts += [tag("h3", "What to try next"), commands([(a.why, a.command) for a in judged.actions])]
    return Section("The best config", parts)


def _uses(found: Results) -> Iterator[tuple[str, str]]:
    best = found.run.path / "best"
    if best.is_dir():
        yield (
            "Train it again, or with other data or epochs:",
            command("train", str(RunDir(best).resolved)),
        )
        yield "Its own page:", command("report", str(best))
    if further := found.search.further:
        yield "Search on:", command(*further)


def _same_search(found: Results) -> list[str]:
    """What searches anew as this search did, with its limits, up to as many trials as it was last asked for."""
    plan = found.plan
    asked = {"trials": plan.total, "repeat": plan.repeat, **plan.limits}
    options = [[f"--{name.replace('_', '-')}", str(value)] for name, value in asked.items() if value is not None]
    return ["search", str(found.run.directory.resolved), *(word for pair in options for word in pair)]


def _sureness(found: Results, judged: Diagnosis | NnrunError) -> Iterator[str]:
    """What speaks for and against the result."""
    repeating = command("resume", str(found.run.path), "--repeat", "5")
    if (among := len(found.ranked)) > 1:
        yield f"It was chosen for its {found.metric} among {among:,} trials: that number is a little too good."
    told = judged.told if isinstance(judged, Diagnosis) else f"there is none ({judged})."
    yield f"Its verdict: {told}"
    for line in expected_line(found.record.get("random_search_expected"), found.plan.objective):
        yield f"{sentence_case(' '.join(line.split()))}."
    yield from (f"{note}." for note in found.record.get("notes") or [])
    if not found.record.get("repeats"):
        yield join(["It was not trained again with other seeds; ", code(repeating), " does that for the best three."])


def _repeats(found: Results) -> list[Markup]:
    metric, rows = found.plan.objective, []
    for each in found.record.get("repeats") or []:
        spread = metric_value(each["deviation"], metric.key)
        rows.append(
            [
                f"trial {each['trial']}",
                shown(each["chosen"], metric),
                shown(each["mean"], metric),
                spread,
                str(each["n"]),
            ]
        )
    heads = ["trained again", "chosen for", "mean", "deviation", "new seeds"]
    return [table("The best trials with new seeds", heads, rows)] if rows else []


def _lost_section(found: Results) -> Section:
    """Trials without a result, with their reasons."""
    lost = [trial for trial in found.trials if trial["status"] != "done"]
    if not lost:
        return Section("Failed and diverged", [paragraph("None: every trial trained to its end.")])
    shared = [paragraph(sentence_case(line.removeprefix(NOTE)), ".") for line in diverged_lines(found.trials)]
    rows = [[str(t["number"]), t["status"], _reason(t), settings(t["values"])] for t in lost]
    told = table("Trials without a result", ["trial", "how", "why", "settings"], rows, words=(0, 1, 2, 3))
    return Section("Failed and diverged", [*shared, told])


def _reason(trial: TrialRecord) -> str:
    where = trial.get("divergence")
    if where:
        return f"numbers not finite in {epoch_of(where)}, step {where['step']}, layer {where['layer']}"
    return str(trial.get("error") or "unknown")


def _trials_section(found: Results) -> Section:
    keys = found.keys
    further = (metric_key(name, found.error_kind).replace("_", " ") for name in FURTHER)
    heads = ["trial", found.metric, "status", *last_words(keys).values(), *further]
    rows = (_row(found, trial, keys) for trial in sorted(found.trials, key=rank))
    told = table("All trials, the best first; the titles sort", heads, rows, words=(0, 2), data_sortable=True)
    return Section("All trials", [told])


def _row(found: Results, trial: TrialRecord, keys: Sequence[str]) -> list[object]:
    final = trial.get("final") or {}
    value = None if trial["metric"] is None else found.value(trial)
    return [
        str(trial["number"]),
        Sortable(found.told(trial), value),
        trial["status"],
        *(Sortable(setting(value), value) for value in map(trial["values"].get, keys)),
        Sortable(percent(final.get("train_error")), final.get("train_error")),
        Sortable(number(final.get("dev_loss")), final.get("dev_loss")),
        *(Sortable(trial.get(key) or "–", trial.get(key)) for key in ("best_epoch", "epochs")),
        Sortable("–" if trial.get("seconds") is None else f"{trial['seconds']:.3g}", trial.get("seconds")),
    ]


def _space_section(found: Results) -> Section:
    rows = []
    for key, written in found.space.written().items():
        (name, ends), *conditions = written.items()
        when = "; ".join(f"{k} is {' or '.join(map(setting, v))}" for _, c in conditions for k, v in c.items())
        rows.append([key, name, ", ".join(map(setting, ends)), when or "–"])
    told = table("The space", ["parameter", "scale", "range", "only when"], rows, words=(0, 1, 2, 3))
    return Section("Search space", [told, *map(paragraph, found.space.notices)])
