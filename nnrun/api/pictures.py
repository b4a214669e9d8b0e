"""Charts, which are those of `nnrun report`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from nnrun.api.arguments import checked

if TYPE_CHECKING:
    from nnrun.report.page.charts import Chart


class Figure:
    """One or more charts. A notebook shows them; `plotly` has them as plain data for plotly's own library."""

    @checked
    def __init__(self, charts: Sequence[Chart]) -> None:
        self._charts = list(charts)

    @property
    def titles(self) -> list[str]:
        """Of the charts, in their order."""
        return [chart.title for chart in self._charts]

    @property
    def plotly(self) -> list[dict[str, Any]]:
        """The charts as `plotly.graph_objects.Figure` takes them: data and layout."""
        return [{"data": list(chart.data), "layout": {**chart.layout, "title": {"text": escape(chart.title)}}}
                for chart in self._charts]  # fmt: skip

    def _repr_html_(self) -> str:
        from nnrun.report.telling import frame

        return str(frame(self._charts)) if self._charts else "<p>Nothing to draw yet.</p>"

    def __repr__(self) -> str:
        return f"<Figure: {', '.join(self.titles) or 'nothing to draw yet'}>"
