"""One HTML file that holds everything: text, style, data, plotly.js; nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from nnrun.files import to_json
from nnrun.report.page.charts import Chart
from nnrun.report.page.html import Markup, join, paragraph, scrolled, tag, unfolded
from nnrun.runs.rundir import now

ASSETS = Path(__file__).parents[1] / "assets"
BUNDLE = ASSETS / "plotly.min.js"  # how it is made: tools/charts
LICENCES = ASSETS / "plotly.licenses.md"  # of all that is in it, which go with each copy
CHARTS = ASSETS / "charts.js"  # how charts look, on every page that has some
DIGITS = 8  # of a number in a chart; networks have seven


@dataclass(frozen=True)
class Grid:
    """Small charts side by side, as many as there is room for."""

    charts: Sequence[Chart]


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: Sequence[Markup | Chart | Grid]

    @property
    def anchor(self) -> str:
        """The address of the section in the page."""
        return "-".join(self.title.lower().split())


@dataclass
class Page:
    """Sections under a title; charts are numbered as they are met."""

    title: str
    lead: Markup
    sections: list[Section]
    foot: str
    charts: list[Chart] = field(default_factory=list, init=False)

    def render(self) -> str:
        """The file."""
        contents = [tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in self.sections]
        main = join(map(self._section, self.sections))
        title, foot = join([self.title]), join([self.foot])
        return self._filled("page.html", main=main, title=title, lead=self.lead, contents=join(contents), foot=foot)

    def bare(self) -> str:
        """The charts and texts of the sections alone, without headings: for a frame in somebody else's page."""
        return self._filled("bare.html", main=join(self._part(part) for one in self.sections for part in one.parts))

    def _filled(self, template: str, **texts: Markup) -> str:
        """A template with what every page has and these texts, in the making of which the charts were met."""
        scripts = list(self._scripts())
        return Template((ASSETS / template).read_text(encoding="utf-8")).substitute(
            texts,
            policy=_policy(scripts),
            style=(ASSETS / "page.css").read_text(encoding="utf-8"),
            charts=as_data([{"data": chart.data, "layout": chart.layout} for chart in self.charts]),
            scripts="\n".join([*self._licences(), *(f"<script>{script}</script>" for script in scripts)]),
        )

    def _section(self, section: Section) -> Markup:
        parts = map(self._part, section.parts)
        heading = tag("h2", section.title, id=f"{section.anchor}-title")
        return tag("section", heading, *parts, id=section.anchor, aria_labelledby=f"{section.anchor}-title")

    def _part(self, part: Markup | Chart | Grid) -> Markup:
        if isinstance(part, Grid):
            return tag("div", *map(self._figure, part.charts), cls="columns")
        return self._figure(part) if isinstance(part, Chart) else part

    def _figure(self, chart: Chart) -> Markup:
        number = len(self.charts)
        self.charts.append(chart)
        style = f"height:{chart.height}px" + (f";min-width:{chart.least_width}px" if chart.least_width else "")
        drawn = tag("div", cls="chart", role="img", aria_label=chart.alt, data_chart=number, style=style)
        caption = [tag("h3", chart.title), *([paragraph(chart.note)] if chart.note else [])]
        more = [unfolded("The numbers as a table", chart.table)] if chart.table else []
        framed = scrolled(drawn, chart.title) if chart.least_width else drawn
        return tag("figure", tag("figcaption", *caption), framed, *more)

    def _licences(self) -> Iterator[str]:
        if self.charts:
            yield f"<!--\n{LICENCES.read_text(encoding='utf-8')}-->"

    def _scripts(self) -> Iterator[str]:
        if self.charts:
            yield BUNDLE.read_text(encoding="utf-8")
        yield from (path.read_text(encoding="utf-8") for path in (CHARTS, ASSETS / "page.js"))


def made_from(source: Path) -> str:
    """The foot of a page: when it was made, and from which directory."""
    return f"Made {now()[:16].replace('T', ' ')} from {source}"


def as_data(value: object) -> str:
    """JSON that cannot end the element script it stands in, whatever texts it holds."""
    return to_json(_rounded(value)).replace("<", "\\u003c")


def _rounded(value: object) -> object:
    """Numbers to as many digits as a chart can show, which halves the data of a long run."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def _policy(scripts: Iterable[str]) -> str:
    """What a browser may run and load: the scripts that stand in the page, word for word, and nothing else.

    plotly.js sets styles of elements, and makes a picture to download by way of a blob.
    """
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    rules = ["base-uri 'none'", "form-action 'none'", f"script-src {allowed}", "style-src 'unsafe-inline'"]
    return "; ".join(["default-src 'none'", *rules, "img-src data: blob:"])


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def left_out(title: str, why: str) -> Section:
    """A section about something that is not known."""
    return Section(title, [tag("p", f"Left out: {why}", cls="quiet")])
