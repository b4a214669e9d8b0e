"""HTML from values: whatever is not markup already is escaped, so no name from the data can become any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

LONG = 45  # characters from which on a cell wants some width
VOID = ("br", "img", "input", "meta")  # elements that have no end


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An element; `cls` is its class, `aria_label` aria-label; an attribute that is None or False is left out."""
    shown = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    return Markup(f"<{name}{shown}>" if name in VOID else f"<{name}{shown}>{join(children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    written = "class" if key == "cls" else key.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{escape(str(value))}"'


def join(children: Iterable[object]) -> Markup:
    """Markup as it is, everything else as text."""
    return Markup("".join(child if isinstance(child, Markup) else escape(str(child)) for child in children))


def paragraph(*children: object) -> Markup:
    """A paragraph."""
    return tag("p", *children)


def code(text: str) -> Markup:
    """Something to type, that may be wrapped."""
    return tag("code", text)


def commands(lines: Iterable[tuple[str, str]]) -> Markup:
    """Why, and what to type for it, one under the other."""
    items = [tag("li", tag("span", why), tag("pre", code(command))) for why, command in lines]
    return tag("ol", *items, cls="commands")


def listing(items: Iterable[object]) -> Markup:
    """A list with dots."""
    return tag("ul", *(tag("li", item) for item in items))


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]], words: Sequence[int] = (0,), **options: object
) -> Markup:
    """A table in a frame that scrolls by itself; the first cell of a row is its heading.

    The columns in `words` are flush left, all others flush right, as numbers are.
    """
    classes = [None if i in words else "number" for i in range(len(heads))]
    head = tag("tr", *(heading(text, "col", cls) for text, cls in zip(heads, classes, strict=True)))
    body = [tag("tr", *(_cell(i, cell, classes[i]) for i, cell in enumerate(row))) for row in rows]
    content = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *body), **options)
    return scrolled(content, caption)


def _cell(i: int, cell: object, cls: str | None) -> Markup:
    if isinstance(cell, Sortable):
        return tag("td", cell.shown, cls=cls, data_value=cell.value)
    if i and cls is None and len(str(cell)) > LONG:
        cls = "long"
    return tag("td", cell, cls=cls) if i else heading(cell, "row", cls)


def heading(text: object, scope: str, cls: str | None = None) -> Markup:
    """The heading of a `row` or a `col` of a table; a long text wraps."""
    is_long = not isinstance(text, Markup) and len(str(text)) > LONG
    return tag("th", text, scope=scope, cls="long" if is_long else cls)


class Sortable:
    """A cell that is sorted by another value than it shows; None comes last."""

    def __init__(self, shown: object, value: object) -> None:
        self.shown, self.value = shown, "" if value is None else value


def scrolled(content: Markup, label: str) -> Markup:
    """A frame that scrolls sideways where its content is wider than the page."""
    return tag("div", content, cls="scroll", role="region", aria_label=label, tabindex=0)


def unfolded(title: str, content: Markup) -> Markup:
    """What is shown when asked for."""
    return tag("details", tag("summary", title), content)


def facts(items: Sequence[tuple[str, str, str]]) -> Markup:
    """What it is, the number, and what belongs to it, side by side."""
    boxes = [tag("div", tag("dt", what), tag("dd", value, tag("small", more))) for what, value, more in items]
    return tag("dl", *boxes, cls="facts")
