"""What a notebook shows: a run, a search, a verdict, checks and a comparison as a card each, and charts in a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nnrun.improving.record import read, read_steps
from nnrun.insight.comparison.differences import Comparison
from nnrun.insight.comparison.tables import config_cells, metric_cells
from nnrun.insight.diagnosis.verbs import Diagnosis, Look
from nnrun.report.page.charts import Chart
from nnrun.report.page.html import Markup, code, commands, facts, join, paragraph, table, tag
from nnrun.report.page.page import ASSETS, Grid, Page, Section
from nnrun.report.run import report as of_runs
from nnrun.report.run.errors import steps_table
from nnrun.report.search import improvement
from nnrun.report.search import report as of_searches
from nnrun.report.search.parameters import ranked_importances
from nnrun.report.search.results import Results
from nnrun.runs.stored import StoredRun, record_of
from nnrun.runs.symptoms.evidence import Finding
from nnrun.runs.telling import ending
from nnrun.search.trial_lines import best_few, setting
from nnrun.text import last_words, sentence_case

CAPTION = 100  # pixels of a chart's title and note, and the strip for its tools
TALL = 400  # pixels from which on a chart has the whole width
FIT = "try { this.style.height = this.contentDocument.body.offsetHeight + 'px' } catch (e) {}"


def run_card(run: StoredRun) -> Markup:
    """How it ended, its errors, and where it lies; of what is a search's directory, the search."""
    if run.is_search:
        return search_card(run)
    told = paragraph(f"{sentence_case(ending(record_of(run), run.status, run.config))}.")
    return _card("run", run.name, run.status, [told, facts(of_runs.key_numbers(run, run.latest))], run)


def search_card(search: StoredRun) -> Markup:
    """Which trial won and why, its errors, and the best few trials with their settings."""
    found = Results.of(search)
    items = ranked_importances(found)
    rows = [
        [str(trial["number"]), found.told(trial), *(setting(value) for value in trial["values"].values())]
        for trial in best_few(found.ranked)
    ]
    heads = ["trial", found.metric, *last_words(found.ranked[0]["values"]).values()] if rows else []
    best = [table("The best trials", heads, rows, words=())] if rows else []
    parts = [paragraph(of_searches.won(found, items)), facts(of_searches.key_numbers(found)), *best]
    return _card("retest" if found.retest else "search", search.id, search.status, parts, search)


def improvement_card(run: StoredRun) -> Markup:
    """From which error to which, in which steps."""
    record, steps = read(run.directory), read_steps(run.directory)
    parts = [improvement.lead(record), facts([*improvement.key_numbers(Results.of(run), record)])]
    return _card("improvement", run.id, run.status, [*parts, *([improvement.steps_table(steps)] if steps else [])], run)


def diagnosis_card(found: Diagnosis, looks: Iterable[Look]) -> Markup:
    """The verdict in a sentence, the gaps, what to do next, and the closer looks as on a screen."""
    gaps = [steps_table(found.verdict)] if found.verdict else []
    advice = [commands([(action.why, action.command) for action in found.actions])] if found.actions else []
    closer = [tag("pre", "\n".join(look.lines)) for look in looks]
    return _framed(paragraph(found.told), *gaps, *advice, *closer)


def checks_card(checks: Mapping[str, Finding], counts: str) -> Markup:
    """A line a check; what failed, then what is in doubt, stands first."""
    order = ("fail", "warn", "pass")
    found = sorted(checks.items(), key=lambda check: order.index(check[1].status))
    rows = [
        [name, tag("span", each.status, cls=f"badge {each.status}"), each.text, code(each.cure) if each.cure else ""]
        for name, each in found
    ]
    heads = ["check", "", "finding", "cure"]
    return _framed(paragraph(sentence_case(f"checks: {counts}")), table("Checks", heads, rows, words=(0, 1, 2, 3)))


def comparison_card(found: Comparison) -> Markup:
    """What differs, a column a run."""
    cells = {key: config_cells(values) for key, values in found.config.items()}
    cells |= {found.title(key): metric_cells(key, values) for key, values in found.metrics.items()}
    heads = ["", *(f"{run.label}: {run.name}" for run in found.runs)]
    why_not = [paragraph(f"These runs have {found.apart}.")] if found.apart else []
    return _framed(*why_not, table("What differs", heads, ([key, *values] for key, values in cells.items())))


def frame(charts: Sequence[Chart]) -> Markup:
    """Charts as an element for somebody else's page: a page of its own in a frame, as high as what is in it."""
    bare = [replace(chart, table=None) for chart in charts]
    small = [chart for chart in bare if chart.height < TALL and not chart.least_width]
    parts: list[Markup | Chart | Grid] = [
        *([Grid(small)] if small else []),
        *(chart for chart in bare if chart not in small),
    ]
    height = sum(chart.height + CAPTION for chart in bare)
    style = f"width: 100%; height: {height}px; border: 0"
    page = Page("", Markup(""), [Section("", parts)], "").bare()
    return tag("iframe", srcdoc=page, style=style, onload=FIT, title=", ".join(chart.title for chart in charts))


def _card(kind: str, name: str, status: str, parts: Iterable[Markup], run: StoredRun) -> Markup:
    """A card with parts under a heading, and where the run lies."""
    words = tag("span", kind, cls="kind"), tag("span", name, cls="name"), tag("span", status, cls=f"badge {status}")
    return _framed(tag("div", *words, cls="head"), *parts, tag("p", code(str(run.path)), cls="foot"))


def _framed(*parts: Markup) -> Markup:
    style = tag("style", Markup((ASSETS / "card.css").read_text(encoding="utf-8")))
    return tag("div", join([style]), *parts, cls="nnrun-card")
