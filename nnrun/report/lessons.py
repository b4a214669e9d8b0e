"""Single pictures of a run or a search that teach something, each with a line that says what to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nnrun.errors import UsageError
from nnrun.insight.diagnosis.verbs import of_a_run
from nnrun.models.trained import trained
from nnrun.report.page.charts import Chart
from nnrun.report.page.html import paragraph
from nnrun.report.page.page import Page, Section, made_from
from nnrun.report.run.curves import run_curves, statistics_charts, weights_chart
from nnrun.report.run.errors import ladder_chart
from nnrun.report.run.examples import boundary_chart, has_plane
from nnrun.report.run.steps import steps_chart
from nnrun.report.search.parameters import parallel_chart, slice_charts
from nnrun.report.search.results import Results, best_so_far_charts, curves_chart
from nnrun.runs.checkpoints import load_weights
from nnrun.runs.kinds import Kind, kind_of, with_article
from nnrun.runs.lineage import course_of
from nnrun.runs.members import has_members
from nnrun.runs.stored import StoredRun
from nnrun.runs.verdict import error_name
from nnrun.text import closest, one_of


class Lesson(NamedTuple):
    """What it is called on the page, what to see there, and its charts; none where a run has not what they need.

    The run of one of OF_SEARCHES is a search.
    """

    title: str
    see: str
    charts: Callable[[StoredRun], Sequence[Chart]]
    needs: str


def _boundary(run: StoredRun) -> list[Chart]:
    known = trained(run)
    return [boundary_chart(known.model, known.dataset)] if has_plane(known.model, known.dataset) else []


def _ladder(run: StoredRun) -> list[Chart]:
    verdict = of_a_run(run, None, None, run.directory.resolved, ()).verdict
    return [ladder_chart(verdict, error_name(run.final, run.record["data"]))] if verdict else []


def _of_trials(charts: Callable[[Results], Sequence[Chart]]) -> Callable[[StoredRun], Sequence[Chart]]:
    return lambda run: charts(found) if (found := Results.of(run)).ranked else []


TRIALS = "a trial with a result"

LESSONS = {
    "boundary": Lesson(
        "Decision boundary",
        "Too straight, and rows of both classes lie on its wrong side; too wiggly, and it goes round single rows. "
        "It is that of the best epoch: what was learned by heart after it is not in the picture.",
        _boundary,
        "two inputs that are numbers, as in configs/boundary.yaml",
    ),
    "curves": Lesson(
        "Learning curves",
        "Training and dev error that both stay high are bias, one that leaves the other behind is variance.",
        lambda run: run_curves(run, course_of(run)) if run.rows else [],
        "an epoch that was finished",
    ),
    "ladder": Lesson(
        "The ladder from base to test",
        "The longest step up to dev is the problem: base to train is bias, train to dev is variance. With a train-dev "
        "part train to train-dev is variance, and on to dev mismatch.",
        _ladder,
        "errors of its parts",
    ),
    "layers": Lesson(
        "Signals and gradients of each layer",
        "Layers whose lines lie far apart pass on a fraction of what they get, or many times that.",
        lambda run: statistics_charts(run.rows),
        "statistics of its layers, which are recorded with training.layer_statistics=true",
    ),
    "steps": Lesson(
        "Loss of each mini-batch",
        "Each step sees other rows, so the loss goes up and down; what counts is that it falls.",
        lambda run: [chart] if (chart := steps_chart(run.rows)) else [],
        "losses of its mini-batches, which are recorded with training.record=steps",
    ),
    "weights": Lesson(
        "Weights of each layer",
        "A penalty draws the histograms together around 0.",
        lambda run: [] if has_members(run.directory) else [weights_chart(load_weights(run.directory))],
        "the weights of one network; name one of its members, such as RUN/members/01",
    ),
}
"""A picture of a run by its name."""

OF_SEARCHES = {
    "curves": Lesson(
        "Curves of the trials",
        "Compare the order of the curves after a quarter of the epochs with that at the end: what is bad shows early.",
        _of_trials(lambda found: [curves_chart(found)]),
        TRIALS,
    ),
    "progress": Lesson(
        "The best trial so far",
        "The longer a search goes on, the rarer is a trial that is better than all before.",
        _of_trials(best_so_far_charts),
        TRIALS,
    ),
    "settings": Lesson(
        "All settings of all trials",
        "A line is a trial. Where the good ones run through one stretch of an axis, that setting matters.",
        _of_trials(lambda found: [parallel_chart(found)]),
        TRIALS,
    ),
    "slices": Lesson(
        "Each setting by itself",
        "Scattered points say that a setting hardly matters; a valley says where to look more closely.",
        _of_trials(slice_charts),
        TRIALS,
    ),
}
"""A picture of a search by its name."""

OF_A_SPACE = ("settings", "slices")  # an improvement has none


def lesson_of(run: StoredRun, name: str) -> Lesson:
    """A picture of a run or a search by name; UsageError for one that is not known, or of another kind."""
    kind = kind_of(run.directory)
    lessons = lessons_of(kind)
    if name in lessons:
        return lessons[name]
    hint = f"did you mean {meant}? " if (meant := closest(name, lessons)) else ""
    if name in OF_SEARCHES:
        hint = "a search has it; "
    elif name in LESSONS:
        hint = f"name one of its runs, such as {run.id}/best; "
    raise UsageError(f"no lesson {name!r} of {with_article(kind)}; {hint}there are {one_of(lessons)}")


def lessons_of(kind: Kind) -> Mapping[str, Lesson]:
    """The pictures of what is of this kind, by name."""
    if kind == "run":
        return LESSONS
    left_out = OF_A_SPACE if kind == "improvement" else ()
    return {name: lesson for name, lesson in OF_SEARCHES.items() if name not in left_out}


def lesson_page(run: StoredRun, name: str, lesson: Lesson) -> Page:
    """The page of one picture; UsageError for a run that has not what it needs."""
    charts = lesson.charts(run)
    if not charts:
        raise UsageError(f"{run.id}: the lesson {name} needs {lesson.needs}")
    kind = kind_of(run.directory).capitalize()
    return Page(f"{kind} {run.id}", paragraph(lesson.see), [Section(lesson.title, charts)], made_from(run.path))
