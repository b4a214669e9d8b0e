"""Writing the page of a run, a search or a folder, and single charts of it for a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nnrun.errors import DataError, UsageError
from nnrun.files import refuse_closed, write_atomically
from nnrun.improving.record import read_steps
from nnrun.insight.comparison.listing import Entry, select
from nnrun.installation import command, elsewhere
from nnrun.models.operating import read_costs
from nnrun.report.folder.report import folder_page
from nnrun.report.lessons import lesson_of, lesson_page
from nnrun.report.page.charts import Chart
from nnrun.report.page.html import Markup, join, paragraph
from nnrun.report.run.curves import run_curves
from nnrun.report.run.report import run_page
from nnrun.report.search.improvement import staircase
from nnrun.report.search.parameters import parallel_chart, slice_charts
from nnrun.report.search.report import search_page
from nnrun.report.search.results import Results, best_so_far_charts, curves_chart
from nnrun.runs.finding import list_runs
from nnrun.runs.kinds import kind_of
from nnrun.runs.labels import labels_of
from nnrun.runs.lineage import course_of
from nnrun.runs.rundir import LESSON, PAGE
from nnrun.runs.stored import StoredRun
from nnrun.search.record import Sample
from nnrun.text import encoded


def write_report(run: StoredRun, usual: Path, options: Sequence[str] = (), costs: Sequence[str] | None = None) -> Path:
    """Make report.html of a run or a search anew and return its path.

    `usual` is the config that commands take where none is named, and `options` lead them to the runs. `costs` are texts
    CLASS=COST, by which the threshold of a run is chosen; UsageError where they make no sense.
    """
    refuse_closed(run.path)
    run.directory.write(PAGE, report_of(run, usual, options, costs))
    return run.path / PAGE


def report_of(run: StoredRun, usual: Path, options: Sequence[str] = (), costs: Sequence[str] | None = None) -> str:
    """The page of a run or a search as text; nothing is written."""
    if costs and run.is_search:
        raise UsageError(f"--cost chooses a threshold of one network; name a run, such as {run.path}/best")
    known = read_costs(costs, run.data.classes) if costs else None
    page = search_page(run, usual, options) if run.is_search else run_page(run, usual, options, known)
    page.lead = join([page.lead, *_labels(run)])
    return page.render()


def write_folder_report(root: Path, filters: Sequence[str]) -> Path:
    """Make report.html of a folder of runs anew and return its path; only runs that fulfil the conditions are on it.

    UsageError where there is no run, or for what is no condition.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root}: not a folder")
    entries = [Entry(StoredRun(run)) for run in list_runs(root)]
    if not entries:
        raise UsageError(f"no runs in {root} yet; `{command('train', *elsewhere(root))}` makes one")
    if not (found := select(entries, filters, None, False)):
        raise UsageError("no run fulfils that; there would be nothing on the page")
    refuse_closed(root)
    write_atomically(root / PAGE, encoded(folder_page(root, found).render()))
    return root / PAGE


def write_lesson(run: StoredRun, name: str) -> tuple[Path, str]:
    """Make the page of one picture of a run or a search anew; its path, and what to see in it.

    Raises UsageError for a name that is not known, and where a run has not what the picture needs.
    """
    refuse_closed(run.path)
    file, lesson = LESSON.format(name), lesson_of(run, name)
    run.directory.write(file, lesson_page(run, name, lesson).render())
    return run.path / file, lesson.see


def run_charts(run: StoredRun) -> list[Chart]:
    """Losses, errors and the learning rate of a run over its epochs; none where it has no epoch."""
    return run_curves(run, course_of(run)) if run.rows else []


def search_charts(search: StoredRun, each_alone: bool = False, sample: Sample | None = None) -> list[Chart]:
    """How the trials of a search went, and what they varied beside what it came to; of an improvement its staircase.

    Each setting also by itself where that is wished; of many trials those of a sample are drawn.
    """
    found = Results.of(search, sample)
    if not found.ranked:
        return []
    if kind_of(search.directory) == "improvement":
        return [staircase(steps)] if (steps := read_steps(search.directory)) else []
    slices = slice_charts(found) if each_alone else []
    charts = [*best_so_far_charts(found), curves_chart(found), parallel_chart(found), *slices]
    if sample and sample.of > len(found.trials):
        told = f"Of {sample.of:,} trials {len(found.trials)} are drawn, the best ones and some of the others."
        charts[0] = replace(charts[0], note=f"{charts[0].note} {told}".strip())
    return charts


def _labels(run: StoredRun) -> Iterator[Markup]:
    """What people wrote on it; a report is made all the same where that cannot be read."""
    try:
        labels = labels_of(run.directory)
    except DataError as error:
        yield paragraph(f"{error}.")
        return
    if labels["note"]:
        yield paragraph(f"Note: {labels['note']}")
    if labels["tags"]:
        yield paragraph(f"Tags: {', '.join(labels['tags'])}")
