"""What is marked in the curves of a run: its best epoch, where it left its parent, what happened, what was changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.report.page.charts import GREY, RED, Layout, Plotly, badge, upright
from nnrun.report.page.html import Markup, code, table
from nnrun.runs.lineage import Change, Course
from nnrun.runs.records import Event

MARKED = 6  # events
# Those of which a curve shows nothing, or shows more.
UNMARKED = ("started", "done", "evaluated", "paused", "continued", "refused", "changed")


def marks_of(best: int | None, events: Sequence[Event], course: Course) -> Layout:
    """Uprights at the best epoch, at the fork, at what happened and at each change; `level` keeps their words apart."""
    places = [] if best is None else [(best, f"best epoch {best}", GREY)]
    places += [(course.fork, f"left its parent at {course.fork}", GREY)] if course.fork else []
    told = [
        (epoch, event_words(event), RED)
        for event in events
        if event["event"] not in UNMARKED and (epoch := event.get("epoch")) and not _begins(event, course)
        if "fold" not in event  # whose epoch is none of the mean that is drawn
    ]
    places += told[:MARKED]
    middle = (course.rows[0]["epoch"] + course.rows[-1]["epoch"]) / 2
    pairs = [upright(*place, level, leftward=place[0] > middle) for level, place in enumerate(places)]
    return laid_out([*pairs, *change_marks(course)])


def _begins(event: Event, course: Course) -> bool:
    """Whether it is how a child begins: where it left its parent, or at a stored state before that."""
    return event["event"] == "resumed" and (event["epoch"] or 0) <= course.fork


def laid_out(pairs: Sequence[tuple[Plotly, Plotly]]) -> Layout:
    """Shapes and their words as a layout has them."""
    return {"shapes": [shape for shape, _ in pairs], "annotations": [words for _, words in pairs]}


def change_marks(course: Course) -> Iterator[tuple[Plotly, Plotly]]:
    """A number between the last epoch before a change and the first one after it, and what it was when pointed at."""
    for number, changes in enumerate(course.steps, start=1):
        yield badge(changes[0].epoch - 0.5, number, words_of(changes))


def words_of(changes: Sequence[Change]) -> list[str]:
    """What was changed together, and the note."""
    notes = [f"note: {changes[0].note}"] if changes[0].note else []
    return [f"from epoch {changes[0].epoch}", *(f"{change.key} {change.values}" for change in changes), *notes]


def event_words(event: Event) -> str:
    """An event in a word or two; a symptom by its name."""
    return str(event.get("name") or event["event"]).replace("_", " ")


def changes_table(course: Course) -> list[Markup]:
    """Each change with the number that marks it in the charts; nothing where there is none."""
    rows = [
        [number, change.epoch, code(f"{change.key} {change.values}"), *_how(change)]
        for number, changes in enumerate(course.steps, start=1)
        for change in changes
    ]
    heads = ["mark", "from epoch", "change", "note", "when", "by"]
    return [table("Changes after training had begun", heads, rows, words=(0, 2, 3, 4, 5))] if rows else []


def _how(change: Change) -> list[str]:
    by = f"process {change.process} on {change.host}" if change.process else change.host
    return [change.note or "", f"{change.time[:10]} {change.time[11:19]}", by or ""]
