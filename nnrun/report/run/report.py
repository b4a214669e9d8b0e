"""The page of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nnrun.config.config import Config
from nnrun.data.raw import RawParts
from nnrun.errors import NnrunError
from nnrun.insight.diagnosis.regions import COMPARED, mistakes_at
from nnrun.insight.diagnosis.telling import weighing
from nnrun.insight.diagnosis.verbs import Diagnosis, of_a_run
from nnrun.models.trained import Trained, trained
from nnrun.report.page.charts import Chart
from nnrun.report.page.html import Markup, commands, facts, join, listing, paragraph, table, tag
from nnrun.report.page.page import Page, Section, left_out, made_from
from nnrun.report.run import background, errors, examples
from nnrun.report.run.curves import run_curves, statistics_charts, weights_chart
from nnrun.report.run.errors import ladder_chart, steps_table
from nnrun.report.run.examples import boundary_chart, has_plane, worst_part
from nnrun.report.run.family import family_sections
from nnrun.report.run.importance import importance_section
from nnrun.report.run.marks import changes_table
from nnrun.report.run.quality import (
    PART,
    Classified,
    Estimated,
    calibration_chart,
    confusion_part,
    predicted,
    residual_chart,
    scatter_chart,
)
from nnrun.report.run.thresholds import threshold_section
from nnrun.runs.assembly import layer_widths, parameters
from nnrun.runs.checkpoints import load_weights
from nnrun.runs.lineage import course_of, nudges, watched
from nnrun.runs.members import has_members, is_gathered, member
from nnrun.runs.records import DataSizes, Final, RunRecord
from nnrun.runs.shape import network_shape
from nnrun.runs.stored import StoredRun, record_of
from nnrun.runs.telling import ending, metric_rows, symptom_told
from nnrun.runs.verdict import error_kind, error_name, metric_title
from nnrun.text import counted, duration, number, percent, sentence_case, set_name

Parts = list[Markup | Chart]


def run_page(run: StoredRun, usual: Path, options: Sequence[str], costs: Mapping[str, float] | None) -> Page:
    """All that the directory tells; what is not known is left out with a word. `costs` choose a threshold."""
    record, config = record_of(run), run.latest
    found = _diagnosis(run, usual, options)
    verdict = found if isinstance(found, Diagnosis) else None
    sections = [
        _verdict_section(verdict, record, str(found)),
        _curves_section(run),
        *family_sections(run),
        *background.member_sections(run),
        *_closer_sections(run, costs),
        _inside_section(run),
        background.config_section(run),
        background.environment_section(record),
        Section("Events", [background.events_part(run.events)]),
        background.again_section(run, *_again(run)),
    ]
    lead = join([_lead(record, config, verdict), facts(key_numbers(run, config))])
    return Page(f"Run {run.id}", lead, sections, made_from(run.path))


def _again(run: StoredRun) -> tuple[str, list[str]]:
    """A command that trains the run again, of an ensemble a member, and what it is for."""
    if not is_gathered(run.record):
        return "The same bits from this directory:", ["train", str(run.directory.resolved)]
    return "Its first member, as a run of its own:", ["train", str(member(run.directory, 1).resolved)]


def _diagnosis(run: StoredRun, usual: Path, options: Sequence[str]) -> Diagnosis | NnrunError:
    try:
        return of_a_run(run, None, None, usual, options)
    except NnrunError as error:
        return error


def _lead(record: RunRecord, config: Config, found: Diagnosis | None) -> Markup:
    """The verdict in a sentence, and how the run ended."""
    sentence = [tag("p", found.told, cls="verdict")] if found else []
    final = record.get("final") or {}
    unbiased = "test_error" in final or "dev_error" not in final
    note = (
        "" if unbiased else " There is no test set, and the best epoch was chosen by the dev error, which flatters it."
    )
    note += "".join(f" {line.strip()}" for line in weighing(final, error_kind(record["data"]))).replace("note     ", "")
    return join([*sentence, paragraph(f"{sentence_case(ending(record, record['status'], config))}.{note}")])


def key_numbers(run: StoredRun, config: Config) -> list[tuple[str, str, str]]:
    """Errors, time and shape: what, how much, and what belongs to it."""
    record, data = record_of(run), run.data
    final, rows = record.get("final") or {}, record["data"]["rows"]
    told = []
    for part in ("test", "dev", "train_dev", "train"):
        if final.get(f"{part}_error") is not None:
            rmse = f"RMSE {number(final[f'{part}_rmse'])}, " if f"{part}_rmse" in final else ""
            what = metric_title("error", final, record["data"])
            plain = f"plain {percent(final[f'{part}_plain_error'])}, " if f"{part}_plain_error" in final else ""
            beside = [f"{plain}{rmse}{rows[part]:,} examples", watched(nudges(run.events)) if part == "dev" else ""]
            told.append((f"{set_name(part)} {what}", percent(final[f"{part}_error"]), "; ".join(filter(None, beside))))
    if is_gathered(record):
        count = len(record["members"])
        return [*told, ("members", str(count), f"trained in {duration(record['seconds'])}, all together")]
    if (seconds := record.get("seconds")) is not None:
        epochs = f"{record['epochs']:,} of {counted(config.training.epochs, 'epoch')}"
        told.append(("training", duration(seconds), epochs))
    widths = layer_widths(config, len(data.features), data.classes)
    networks, each = config.network.ensemble, " each" if config.network.ensemble > 1 else ""
    how = f"{parameters(config, data):,} parameters{each}, {config.network.activation}"
    return [*told, ("network", network_shape(widths, networks, config.network.members), how)]


def _verdict_section(found: Diagnosis | None, record: RunRecord, why_not: str) -> Section:
    if found is None:
        return left_out("Verdict", f"{why_not}.")
    parts: Parts = []
    if found.verdict:
        name = error_name(record.get("final") or {}, record["data"])
        parts += [ladder_chart(found.verdict, name), steps_table(found.verdict)]
    if final := record.get("final"):
        parts.append(_metrics_table(final, record["data"]))
    if symptoms := record.get("symptoms"):
        parts += [tag("h3", "What went wrong in training"), listing(map(symptom_told, symptoms))]
    if found.actions:
        parts += [tag("h3", "What to try next"), commands([(a.why, a.command) for a in found.actions])]
    return Section("Verdict", parts)


def _metrics_table(final: Final, data: DataSizes) -> Markup:
    """Every metric of the best epoch, a column a part."""
    (_, *parts), *rows = metric_rows(final, data)
    return table("The best epoch by every metric", ["metric", *parts], rows)


def _curves_section(run: StoredRun) -> Section:
    if is_gathered(run.record):
        return left_out("Learning curves", "its members were trained before, each in a directory of its own.")
    if not run.rows:
        return left_out("Learning curves", "no epoch was finished.")
    course = course_of(run)
    return Section("Learning curves", [*run_curves(run, course), *changes_table(course)])


def _closer_sections(run: StoredRun, costs: Mapping[str, float] | None) -> list[Section]:
    """What the best network says of the dev part, row by row, as far as its weights and the data are there."""
    try:
        known = trained(run)
        of = predicted(known)
    except NnrunError as error:
        return [left_out("Dev examples", f"{error}.")]
    tables, target = _tables(known), known.dataset.fitted.target.name
    sections = _classes(of, known.model.temperature, costs) if isinstance(of, Classified) else _values(of, target)
    sections += [importance_section(known), *_where(known, tables)]
    rows = tables.places[PART] if tables else np.arange(len(of.true))
    worst = worst_part(known, of.at(rows), rows, tables[PART] if tables else None)
    sections.append(Section("Worst mistakes", [worst]))
    if has_plane(known.model, known.dataset):
        sections.append(Section("Decision boundary", [boundary_chart(known.model, known.dataset)]))
    return sections


def _tables(model: Trained) -> RawParts | None:
    try:
        return model.raw()
    except NnrunError:
        return None


def _classes(of: Classified, temperature: float, costs: Mapping[str, float] | None) -> list[Section]:
    calibration = calibration_chart(of, temperature)
    confusions = Section("Confusions", [confusion_part(of)])
    return [confusions, threshold_section(of, costs), Section("Calibration", [calibration])]


def _values(of: Estimated, target: str) -> list[Section]:
    return [Section("Predictions", [scatter_chart(of, target), residual_chart(of, target)])]


def _where(model: Trained, tables: RawParts | None) -> list[Section]:
    title = "Where it fails"
    if tables is None:
        return [left_out(title, "the file that the rows come from is not there any more.")]
    mistakes = mistakes_at(model, tables, [part for part in COMPARED if part in tables])
    parts: Parts = [errors.by_target(model, tables, mistakes)]
    if examples.shape_of(model.dataset.fitted) is None:  # a pixel is no slice that means anything
        parts += [tag("h3", "Slices"), errors.slices_part(model, tables[PART], mistakes[PART])]
    if tables.sampled:
        parts.append(paragraph(f"Measured on a random sample of {len(mistakes[PART].values):,} dev rows."))
    return [Section(title, parts)]


def _inside_section(run: StoredRun) -> Section:
    if is_gathered(run.record):
        return left_out("Inside the network", "there are several, one a member.")
    if has_members(run.directory):
        return left_out("Inside the network", "there are several, one a fold.")
    parts: Parts = list(statistics_charts(run.rows))
    if not parts:
        parts.append(paragraph("Signals and gradients of the layers were not recorded; "
                               "training.layer_statistics=true records them."))  # fmt: skip
    try:
        parts.append(weights_chart(load_weights(run.directory)))
    except NnrunError as error:
        parts.append(paragraph(f"There are no weights to show: {error}."))
    return Section("Inside the network", parts)
