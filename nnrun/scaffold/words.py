"""Words for numbers and names in a comment of YAML, where not every character may stand."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 40  # characters of a name
NAMED = 6  # items of a list before it only counts the rest


def count(number: int, unit: str, units: str | None = None) -> str:
    """1 row, 1,203 rows."""
    return f"{number:,} {unit if number == 1 else units or f'{unit}s'}"


def shown(name: str) -> str:
    """A name on one line, quoted where it would be hard to see, cut where it is long."""
    plain = name.isprintable() and name == name.strip() and name
    text = name if plain else repr(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def visible(text: str) -> str:
    """The text with all that cannot be seen, line breaks too, as escapes."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def listed(items: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(items) - NAMED
    return ", ".join(items[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
