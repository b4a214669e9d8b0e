"""What people write on a run: tags to find it by, and a note. A file of its own, as who trains it writes run.json."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypedDict

from nnrun.errors import NnrunError, UsageError
from nnrun.files import naming, sealed_document
from nnrun.installation import called, command
from nnrun.locks import lock_exclusively
from nnrun.runs.finding import best_in, search_of
from nnrun.runs.members import whole_of
from nnrun.runs.rundir import RunDir
from nnrun.text import all_of, on_screen, shown_name

LABELS = "labels.json"
TAG = re.compile(r"[^\W_][\w.+-]{0,39}")
OF_TAGS = "a tag is one word of letters, digits, _ . + and -, at most 40 of them, which begins with a letter or digit"
LONGEST_NOTE = 4_000  # letters


class Labels(TypedDict):
    """labels.json."""

    tags: list[str]
    note: str | None


def labels_of(run: RunDir) -> Labels:
    """What is written on a run, without words that are no tags; DataError where the file is damaged."""
    if not os.path.exists(run.path / LABELS):  # noqa: PTH110  as in `RunDir.exists`
        return {"tags": [], "note": None}
    found = run.read_json(LABELS, Labels)
    return {"tags": [word for word in found["tags"] if TAG.fullmatch(word)], "note": found["note"]}


def readable_labels(run: RunDir) -> Labels:
    """What is written on a run; nothing where that cannot be read."""
    try:
        return labels_of(run)
    except NnrunError:
        return {"tags": [], "note": None}


def tag(run: RunDir, words: Sequence[str], remove: bool = False) -> Labels:
    """Add tags to a run, or take some away; UsageError for words that are none, or that it does not have."""
    if wrong := [word for word in words if not TAG.fullmatch(word)]:
        raise UsageError(f"{all_of(map(shown_name, wrong))}: {OF_TAGS}")

    def changed(now: Labels) -> Labels:
        if not remove:
            return {**now, "tags": list(dict.fromkeys([*now["tags"], *words]))}
        if absent := [word for word in words if word not in now["tags"]]:
            has = f"it has {all_of(now['tags'])}" if now["tags"] else "it has none"
            raise UsageError(f"{run.id} has no tag {' and '.join(absent)}; {has}")
        return {**now, "tags": [word for word in now["tags"] if word not in words]}

    return _write(run, changed)


def note(run: RunDir, text: str) -> Labels:
    """Put a note on a run, in place of the one it has; an empty text takes that away."""
    if len(text) > LONGEST_NOTE:
        raise UsageError(f"a note has at most {LONGEST_NOTE:,} letters, this one {len(text):,}")
    return _write(run, lambda now: {**now, "note": text.strip().encode(errors="replace").decode() or None})


def _write(run: RunDir, changed: Callable[[Labels], Labels]) -> Labels:
    _refuse_replaced(run)
    try:
        with _alone(run):
            labels = changed(labels_of(run))
            run.write(LABELS, sealed_document(labels))
    except OSError as error:
        raise UsageError(f"{run.path}: cannot write there ({error.strerror}); nothing was changed") from error
    return labels


def _refuse_replaced(run: RunDir) -> None:
    search = search_of(run)
    best = best_in(search) if search else None
    if search and best and run.path.resolve() == best.path.resolve():
        instead = command("tag", search.id, "WORD")
        raise UsageError(f"best/ is replaced when another trial is the best; write on the search: `{instead}`")


@contextmanager
def _alone(run: RunDir) -> Iterator[None]:
    """Nobody else writes labels of this run meanwhile, so none is lost."""
    with naming(run.path):
        folder = os.open(run.path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a disk that gives no locks; a line that is lost is soon written again
            lock_exclusively(folder, attempts=50)
        yield
    finally:
        os.close(folder)


def label_lines(labels: Labels) -> list[str]:
    """As `nnrun show` has them; nothing of none."""
    tags = [f"tags     {', '.join(labels['tags'])}"] if labels["tags"] else []
    first, *others = [on_screen(line) for line in (labels["note"] or "").split("\n")]
    return [*tags, *([f"note     {first}", *(f"         {line}" for line in others)] if first else [])]


def where_found(run: RunDir) -> list[str]:
    """How labels of a run inside another are found, which no list shows, in lines; none of a whole run."""
    if not (search_of(run) or whole_of(run)):
        return []
    return [f"found    by `{command('show', called(run.path))}`;", "         list and clean look at whole runs"]
