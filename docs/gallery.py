"""Makes the gallery: trains and searches with the files in configs/, and draws what each of them teaches.

python docs/gallery.py             # all of it
python docs/gallery.py boundary    # these pictures alone

Writes docs/gallery.md, the pictures in docs/gallery/ and the one of the README. It needs Chromium and takes a minute
or two.
"""

from __future__ import annotations

import math
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lessons import networks, optimizers, paths, planes, regularisation, searching, watching
from lessons.browser import FONT, LOOK, browser, opened
from lessons.runs import CONFIGS, Lesson, Runs

import nnrun
from nnrun.cli.configs import lesson as first_line
from nnrun.report.page.html import Markup
from nnrun.report.page.page import Page, Section
from nnrun.report.verbs import write_report
from nnrun.runs.stored import StoredRun
from nnrun.search.state import Options
from nnrun.search.study import Watcher
from nnrun.search.verbs import begin

DOCS = Path(__file__).parent
PICTURES = DOCS / "gallery"
LESSONS: dict[str, Sequence[Callable[[Runs], Lesson]]] = {
    "First networks": networks.FIRST,
    "Initial weights and deep networks": networks.DEEP,
    "Boundaries in a plane": planes.LESSONS,
    "Regularisation": regularisation.LESSONS,
    "Optimizers": optimizers.LESSONS,
    "How a minimum is found": paths.LESSONS,
    "What to look at": watching.LESSONS,
    "Searching": searching.LESSONS,
}
"""The function that makes each lesson, under the heading where it stands; its name is that of the picture."""

HIDDEN = "nav, #theme, #the-best-config, #progress .columns, #progress figcaption p"
CROPPED = f"{FONT} {HIDDEN} {{ display: none; }} .chart {{ margin-top: 6px; }}"
INTRODUCTION = """\
# Gallery

What each file in [configs](../configs/README.md) teaches, one picture a lesson, drawn from real runs; the last command
of each draws it. Data are real but for moons, blobs, circles, spirals and temperatures, which a formula makes.
`python docs/gallery.py` trains all of it and makes this page anew in {minutes} on two cores; it needs Chromium. The
same files give the same numbers on one processor; on another, sums are rounded differently and an error may be some
examples higher or lower, most in deep networks and where training jumps, as without normalisation, batch norm or
clipping. What a technique computes: [techniques.md](techniques.md).

An error is the share of wrong classes; of a number it is 1 − R², so that 100% is always guessing the mean. Any of the
runs has a page of its own, with charts like these and more: `nnrun report`. Without a clone `nnrun configs NAME` copies
a config to `NAME.yaml`.
"""


def entry(name: str, lesson: Lesson, runs: Runs) -> str:
    """A lesson on the page: its picture, the sentence of each config, what to type, and the numbers."""
    sentences = [f"- [{each}](../configs/{each}.yaml): {first_line(CONFIGS / f'{each}.yaml')}" for each in runs.configs]
    parts = [
        f"### {lesson.title}",
        f"![{lesson.alt}](gallery/{name}.png)",
        "\n".join(sentences),
        *filter(None, [lesson.see, lesson.told]),
        "\n".join(["```sh", *runs.commands, f"python docs/gallery.py {name}", "```"]),
        markdown_table(lesson.heads, lesson.rows),
    ]
    return "\n\n".join(parts)


def anchor(title: str) -> str:
    """What a link to a heading ends with."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Names on the left, numbers on the right."""
    rule = ["---", *(["--:"] * (len(heads) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *rows))


def take_pictures(lessons: dict[str, Lesson], chromium: Any, folder: Path) -> None:
    """A PNG a lesson, NAME.png, as a report draws it."""
    folder.mkdir(exist_ok=True)
    sections = [Section(lesson.title, lesson.shown) for lesson in lessons.values()]
    html = Page("Lessons", Markup(""), sections, "").render()
    with opened(chromium, html, LOOK) as tab:
        for name, shown in zip(lessons, tab.locator("section").all(), strict=True):
            shown.screenshot(path=folder / f"{name}.png")


def take_report(chromium: Any, root: Path, path: Path) -> None:
    """The top of the page of a search, and one of its charts: the picture of the README."""
    loaded = nnrun.load_config(CONFIGS / "search.yaml", ["name=digits"])
    page = write_report(StoredRun(begin(loaded, root, Options(), Watcher()).run), CONFIGS / "digits.yaml")
    with opened(chromium, page.read_text(encoding="utf-8"), CROPPED, width=960, sharpness=1.5) as tab:
        bottom = tab.locator("#progress").bounding_box()
        clip = {"x": 0, "y": 0, "width": 960, "height": bottom["y"] + bottom["height"] + 12}
        tab.screenshot(path=path, clip=clip, full_page=True)


def some(names: Sequence[str]) -> None:
    """Draw these lessons alone; the page stays as it is."""
    makers = {make.__name__: make for functions in LESSONS.values() for make in functions}
    if unknown := [name for name in names if name not in makers]:
        raise SystemExit(f"no lesson {unknown[0]!r}; there are {', '.join(makers)}")
    with tempfile.TemporaryDirectory() as root, browser() as chromium:
        take_pictures({name: makers[name](Runs(Path(root))) for name in names}, chromium, PICTURES)


def main() -> None:
    """Train, draw, write."""
    began = time.monotonic()
    entries: list[str] = []
    contents: list[str] = []
    lessons: dict[str, Lesson] = {}
    with tempfile.TemporaryDirectory() as root, browser() as chromium:
        for group, functions in LESSONS.items():
            links: list[str] = []
            entries.append(f"## {group}")
            for make in functions:
                runs = Runs(Path(root))
                lessons[make.__name__] = made = make(runs)
                entries.append(entry(make.__name__, made, runs))
                links.append(f"[{made.title}](#{anchor(made.title)})")
                print(made.title, flush=True)
            contents.append(f"- {group}: {', '.join(links)}")
        take_pictures(lessons, chromium, PICTURES)
        take_report(chromium, Path(root), PICTURES / "report.png")
    minutes = math.ceil((time.monotonic() - began) / 60)
    heading = INTRODUCTION.format(minutes="a minute" if minutes == 1 else f"{minutes} minutes")
    (DOCS / "gallery.md").write_text(
        "\n\n".join([heading.rstrip(), "\n".join(contents), *entries]) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    some(sys.argv[1:]) if sys.argv[1:] else main()
