"""What a shell offers behind Tab: runs, settings of the config and their choices, strategies, tags.

Typer asks these functions; what cannot be read is not offered, as nothing can be told while somebody types.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from nnrun.installation import usual_runs
from nnrun.text import one_of

if TYPE_CHECKING:
    from nnrun.config.reference import Row
    from nnrun.runs.rundir import RunDir

ASKED, IN_BASH, IN_ZSH = "_NNRUN_COMPLETE", "complete_bash", "complete_zsh"
BEFORE = "_NNRUN_BEFORE"  # what stands in front of the word that bash replaces
WORD = re.compile(r"[\w@.+/][\w@.+/-]*")  # no sign that a shell knows, and no option


class Meant(str):
    """What is offered for a word that it need not begin with: Typer leaves out what does not begin alike."""

    __slots__ = ()

    def startswith(self, *_: object) -> bool:
        """True whatever is typed, so that Typer never leaves the offer out."""
        return True


def rejoin() -> None:
    """Bash takes words apart at each `=`; what belongs together is put together again."""
    if os.environ.get(ASKED) != IN_BASH:
        return
    words, place = os.environ.get("COMP_WORDS", "").split("\n"), int(os.environ.get("COMP_CWORD", 0))
    joined: list[str] = []
    before, at = "", 0
    for k, word in enumerate(words):
        glued = k > 1 and "=" in (word, words[k - 1]) and joined[-1] != ""
        if k == place:
            before, at = (joined[-1] if glued else "", len(joined) - glued)
            before += "=" if glued and word == "=" else ""
        joined = [*joined[:-1], joined[-1] + word] if glued else [*joined, word]
    os.environ |= {"COMP_WORDS": "\n".join(joined), "COMP_CWORD": str(at), BEFORE: before}


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids, the newest first, and `latest`; of a search its trials too. A short name becomes the id."""
    from nnrun.errors import NnrunError
    from nnrun.runs.finding import find_run, list_runs

    root = ctx.params.get("runs") or usual_runs()
    above, inside, _ = incomplete.rpartition("/")
    try:
        if inside:
            return _harmless(_inside(find_run(root, above.partition("/")[0]), above), incomplete)
        found = _harmless(("latest", *(run.id for run in list_runs(root)[::-1])), incomplete)
        return found or _in_place_of_a_short_name(_harmless([find_run(root, incomplete).id]))
    except (NnrunError, OSError):
        return []


def _harmless(names: Iterable[str], beginning: str = "") -> list[str]:
    """Names that begin as is typed, and are one word to any shell: zsh evaluates an offer, bash inserts it as it is.

    What is offered may be a stranger's, as a folder of runs or a file of tags that was copied here.
    """
    return [name for name in names if name.startswith(beginning) and WORD.fullmatch(name)]


def _in_place_of_a_short_name(names: list[str]) -> list[str]:
    """Of zsh this is asked for outright, as it leaves out itself what does not begin alike; it runs what is printed."""
    if os.environ.get(ASKED) != IN_ZSH:
        return [Meant(name) for name in names]
    print("compadd -U --", *names)
    raise SystemExit


def _inside(search: RunDir, above: str) -> Iterator[str]:
    """The runs in a search as they are typed behind its name."""
    from nnrun.runs.finding import TRIALS

    name, _, folder = above.partition("/")
    if folder == TRIALS:
        yield from (f"{above}/{path.name}" for path in sorted((search.path / folder).iterdir()) if path.name[0] != ".")
    elif not folder:
        yield from (f"{name}/{part}" for part in ("best", f"{TRIALS}/") if (search.path / part).is_dir())


def settings(incomplete: str) -> list[str]:
    """`key=`, and behind the only key that is meant its choices, or its default."""
    from nnrun.config.reference import OF_FILES, reference_rows

    key, equals, _ = incomplete.partition("=")
    rows = [row for row in reference_rows() if row.key not in OF_FILES]
    names = dict.fromkeys(row.key for row in rows if (row.key == key if equals else row.key.startswith(key)))
    offered = [f"{name}=" for name in names]
    if len(names) == 1:  # one more, so that no shell puts a space behind the sign
        offered += [f"{name}={value}" for name in names for value in _values([row for row in rows if row.key == name])]
    before = os.environ.get(BEFORE, "")
    return [Meant(each.removeprefix(before)) for each in offered if each.startswith(incomplete) and each != before]


def _values(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        if "name" in row.type.split():
            yield from (word.strip() for word in row.range.split(" or ")[0].split(","))
        elif "true/false" in row.type:
            yield from ("true", "false")
        elif row.default != "required":
            yield row.default


def strategies(incomplete: str) -> list[str]:
    """The ways in which a search draws trials."""
    from nnrun.search.strategies import STRATEGIES

    return [name for name in STRATEGIES if name.startswith(incomplete)]


def lessons(incomplete: str) -> list[str]:
    """The pictures that teach something, of a run and of a search."""
    from nnrun.report.lessons import LESSONS, OF_SEARCHES

    return [name for name in dict.fromkeys((*LESSONS, *OF_SEARCHES)) if name.startswith(incomplete)]


def metrics(incomplete: str) -> list[str]:
    """What may decide between epochs and trials."""
    from nnrun.engine.metrics import METRICS

    return [name for name in METRICS if name.startswith(incomplete)]


def export_formats(incomplete: str) -> list[str]:
    """What a model, or the course of a run, is written as."""
    from nnrun.models.export.formats import FORMATS
    from nnrun.tracking.trackers import TRACKERS

    return [name for name in (*FORMATS, *TRACKERS) if name.startswith(incomplete)]


def in_words(option: str) -> str:
    """What the help of an option adds of a table that its names stand in; nothing of most options."""
    if option == "lesson":
        from nnrun.report.lessons import LESSONS, OF_SEARCHES

        return f" NAME is {one_of(LESSONS)}; of a search {one_of(OF_SEARCHES)}."
    tables = {"strategy": strategies, "metric": metrics}
    return f" NAME is {one_of(tables[option](''))}." if option in tables else ""


def statuses(incomplete: str) -> list[str]:
    """What a run may be."""
    from nnrun.insight.comparison.listing import STATUSES

    return [name for name in STATUSES if name.startswith(incomplete)]


def tags(ctx: typer.Context, incomplete: str) -> list[str]:
    """The tags that runs of the folder have."""
    from nnrun.errors import NnrunError
    from nnrun.runs.finding import list_runs
    from nnrun.runs.labels import labels_of

    root, found = ctx.params.get("runs") or usual_runs(), set[str]()
    for run in list_runs(root):
        try:
            found |= set(labels_of(run)["tags"])
        except (NnrunError, OSError):
            continue
    return _harmless(sorted(found), incomplete)
