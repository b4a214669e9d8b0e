"""The page of an improvement: a staircase of the dev error, why each step was taken or not, and what to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.config.dump import one_line
from nnrun.config.values import Settings
from nnrun.improving.record import IMPROVED, Ending, ImproveRecord, StepRecord, read, read_steps
from nnrun.improving.telling import alone, asked_told, interval, settings_told
from nnrun.installation import as_options, command
from nnrun.report.page.charts import BLUE, GREY, ORANGE, Chart, axis, is_wide, line, log_axis, plain, points
from nnrun.report.page.html import Markup, code, commands, facts, join, listing, paragraph, table, tag
from nnrun.report.page.page import Page, Section, left_out, made_from
from nnrun.report.run import background
from nnrun.report.search.results import Results
from nnrun.text import counted, duration, percent, sentence_case, shortened, times

ADOPTED = "adopted"
LONGEST_WHY = 60  # characters of a step's name in the chart
APART = 5  # times the smallest error, from which on the largest asks for decades


def improvement_page(found: Results, shared: Sequence[Section]) -> Page:
    """All that the directory tells; `shared` are the sections that the page of any search has."""
    run = found.run
    record, steps = read(run.directory), read_steps(run.directory)
    ending = record["ending"]
    sections = [_steps_section(record, steps), _kept_section(found, ending)]
    sections.append(
        Section("How each step came about", [join(map(_step, steps))]) if steps else left_out("Steps", "none.")
    )
    again = background.again_section(run, "The same improvement:", _same(record))
    top = join([lead(record), facts([*key_numbers(found, record)])])
    return Page(
        f"Improvement {run.id}",
        top,
        [*sections, *shared, again],
        made_from(run.path),
    )


def _same(record: ImproveRecord) -> list[str]:
    asked = record["asked"]
    target = [] if asked["target"] is None else ["--target", f"{asked['target']:g}"]
    config = [] if asked["config"] is None else [asked["config"]]
    return ["improve", *config, "--budget", asked["budget"], *target, "--seeds", str(asked["seeds"]),
            *as_options(asked["settings"]), *asked["options"]]  # fmt: skip


def lead(record: ImproveRecord) -> Markup:
    """From which error to which, and how it ended."""
    ending = record["ending"]
    if ending is None:
        return join(
            [tag("p", "It has not come to its end yet.", cls="verdict"), paragraph(f"{asked_told(record['asked'])}.")]
        )
    start, end = (percent(ending[side]["dev_error"]) for side in ("start", "end"))
    steps_told = f"{counted(ending['adopted'], 'step')}, of {ending['tried']} that were tried"
    told = f"From a dev error of {start} to {end} in {steps_told}."
    words = f"{sentence_case(ending['told'])}. {sentence_case(asked_told(record['asked']))}."
    return join([tag("p", told, cls="verdict"), paragraph(words)])


def key_numbers(found: Results, record: ImproveRecord) -> Iterator[tuple[str, str, str]]:
    """Errors and cost of what came of it: what, how much, and what belongs to it; nothing before its end."""
    ending, final = record["ending"], found.record.get("final") or {}
    if ending is None:
        return
    spread = ending["end"]["deviation"]
    yield (
        "dev error",
        percent(ending["end"]["dev_error"]),
        "mean of the seeds" if spread is None else f"± {percent(spread)} over seeds",
    )
    if final.get("dev_error") is not None and not alone(ending):
        yield "ensemble, dev", percent(final["dev_error"]), f"of {counted(record['asked']['seeds'], 'network')}"
    if final.get("test_error") is not None:
        yield "test error", percent(final["test_error"]), f"read {times(found.record.get('test_reads') or 0)}"
    yield "trainings", f"{ending['runs']:,}", counted(ending["epochs"], "epoch")
    yield "training", duration(ending["seconds"]), "of all together"


def _steps_section(record: ImproveRecord, steps: Sequence[StepRecord]) -> Section:
    told = [paragraph(note) for note in record["told"]]
    if record["faults"]:
        faults = (f"{fault['check']}: {fault['finding']}" for fault in record["faults"])
        told += [tag("h3", "What the checks found before"), listing(faults)]
    if not steps:
        return Section("Step by step", [paragraph("No step was taken."), *told])
    return Section("Step by step", [staircase(steps), steps_table(steps), *told])


def staircase(steps: Sequence[StepRecord]) -> Chart:
    """The error that holds, from step to step, and what each step came to."""
    held = [steps[0]["before"]]
    for step in steps:
        held.append(step["after"] if step["verdict"] == ADOPTED else held[-1])
    x = list(range(len(held)))
    traces = [line("what holds", x, held, BLUE, line={"color": BLUE, "width": 3, "shape": "hv"}, hoverinfo="skip")]
    for verdict, color, opacity in ((ADOPTED, ORANGE, 1.0), ("rejected", GREY, 0.55)):
        of = [step for step in steps if step["verdict"] == verdict]
        if of:
            texts = [
                plain(f"{step['number']}. {step['rule']}: {percent(step['after'])}, {step['reason']}") for step in of
            ]
            traces.append(points(verdict, [step["number"] for step in of], [step["after"] for step in of], color,
                                 text=texts, hoverinfo="text", opacity=opacity, marker={"size": 11}))  # fmt: skip
    names = ["start", *(shortened(step["rule"], LONGEST_WHY) for step in steps)]
    known = [value for value in [*held, *(step["after"] for step in steps)] if value is not None]
    error = "dev error, mean of the seeds"
    apart = is_wide(known, APART)  # so that the later steps are seen beside the first
    layout = {
        "xaxis": axis("", tickvals=x, ticktext=[plain(name) for name in names], tickangle=-35),
        "yaxis": log_axis(error, known, percent=True) if apart else axis(error, percent=True, rangemode="tozero"),
    }
    adopted = sum(step["verdict"] == ADOPTED for step in steps)
    alt = f"The dev error goes from {percent(held[0])} to {percent(held[-1])} in {adopted} of {len(steps)} steps."
    note = "Orange: adopted, a paired test over seeds and dev examples tells it from chance. Grey: not adopted."
    return Chart("The dev error, step by step", alt, traces, layout, note, height=380)


def steps_table(steps: Sequence[StepRecord]) -> Markup:
    """A row a step."""
    heads = ["step", "advice", "change", "before", "after", "gain in points (95%)", "verdict", "epochs"]
    return table("All steps", heads, map(_row, steps), words=(1, 2, 6))


def _row(step: StepRecord) -> list[object]:
    errors = [percent(step["before"]), percent(step["after"]), interval(step["evidence"])]
    change = settings_told(step["change"]) if step["change"] else "–"
    return [str(step["number"]), step["rule"], change, *errors, step["verdict"], f"{step['epochs']:,}"]


def _step(step: StepRecord) -> Markup:
    """Diagnosis, advice, what was tried beside it, the evidence, and the command."""
    beside = [f"{settings_told(one['settings'])}: {percent(one['dev_error'])}" for one in step["tried"]]
    lines = [
        f"Diagnosis of {step['diagnosed']}: {step['diagnosis']}",
        f"Advice: {step['why']}",
        f"{sentence_case(step['verdict'])}: {step['reason']}.",
    ]
    tried = tag(
        "details", tag("summary", f"{counted(len(beside), 'setting')} tried with a seed of their own"), listing(beside)
    )
    title = tag("h3", f"Step {step['number']}: {step['rule']}")
    return join([title, listing(lines), tried, commands([("What it came to:", step["command"])])])


def _kept_section(found: Results, ending: Ending | None) -> Section:
    if ending is None:
        return left_out("What to keep", "it has not come to its end yet.")
    run = found.run
    uses = [
        (
            "Train the best single network, from the config with all changes in it:",
            command("train", str(run.path / IMPROVED)),
        ),
        (
            f"Predict with {'it' if alone(ending) else 'the ensemble'}:",
            command("predict", str(run.path), "NEW_DATA.csv"),
        ),
        ("Its verdict:", command("diagnose", str(run.path))),
    ]
    parts: list[Markup] = [_changes(ending["end"]["settings"]), commands(uses)]
    if again := ending["again"]:
        parts.append(
            paragraph(f"The last change on another split (split_seed {again['split_seed']}): {again['told']}.")
        )
    helped = [f"{rule}: {what}" for rule, what in ending["rules"].items()]
    if helped:
        parts += [tag("h3", "Which advice helped"), listing(helped)]
    return Section("What to keep", parts)


def _changes(settings: Settings) -> Markup:
    if not settings:
        return paragraph("The config stays as it was written.")
    rows = [[key, code(one_line(value))] for key, value in settings.items()]
    return table("The settings that are better than those written", ["key", "value"], rows, words=(0, 1))
