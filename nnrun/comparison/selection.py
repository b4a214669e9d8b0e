"""Which runs are listed, and in which order."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from nnrun.comparison.records import Entry
from nnrun.errors import UsageError

WRITTEN = re.compile(r"\s*(?P<key>[^\s<>=!]+)\s*(?P<comparison><=|>=|!=|==|=|<|>)\s*(?P<value>.*?)\s*")
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
FORM = "write KEY=VALUE, such as status=done, 'name=digits*', 'dev_error<5%' or optimizer.name=adam"


class Condition(NamedTuple):
    """What a listed run fulfils: `dev_error<0.05`, `name=digits*`, `optimizer.name!=sgd`."""

    key: str
    comparison: str
    value: str

    @classmethod
    def of(cls, text: str) -> Condition:
        """Read one; UsageError where it is none, or where a word stands in place of a number."""
        found = WRITTEN.fullmatch(text)
        if not found:
            raise UsageError(f"--filter: {text!r} is no condition; {FORM}")
        return cls(**found.groupdict())

    def holds(self, value: Any) -> bool:
        """Whether a run with this value is listed; one without a value is not before or after anything."""
        if self.comparison in ORDERS:
            return value is not None and self._ordered(value)
        return self._equal(value) is (self.comparison != "!=")

    def _ordered(self, value: Any) -> bool:
        compare = ORDERS[self.comparison]
        if isinstance(value, str):
            return compare(value, self.value)
        limit = number(self.value)
        if limit is None or not isinstance(value, (int, float)):
            raise UsageError(f"--filter: {self.key} {self.comparison} {self.value}: compares no two numbers")
        return compare(value, limit)

    def _equal(self, value: Any) -> bool:
        limit = number(self.value)
        if limit is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
            return value == limit
        there, wanted = text_of(value).replace(" ", ""), self.value.replace(" ", "")
        return there == wanted or fnmatchcase(there, wanted)


def number(text: str) -> float | None:
    """0.05, 5e-2 or 5%; None for what is no number."""
    scale = 100 if text.endswith("%") else 1
    try:
        return float(text.removesuffix("%")) / scale
    except ValueError:
        return None


def text_of(value: Any) -> str:
    """A value as it stands in a YAML file."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {text_of(item)}' for key, item in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def select(entries: Sequence[Entry], filters: Iterable[str], key: str | None, reverse: bool) -> list[Entry]:
    """Those that fulfil all conditions, sorted by a key, those without a value last; UsageError for unknown keys."""
    conditions = [Condition.of(text) for text in filters]
    for wanted in [condition.key for condition in conditions] + ([key] if key else []):
        _refuse_unknown(wanted, entries)
    found = [e for e in entries if all(c.holds(e.value(c.key)) for c in conditions)]
    if key is None:
        return found[::-1] if reverse else found
    with_value = [entry for entry in found if entry.value(key) is not None]
    ordered = sorted(with_value, key=lambda entry: _rank(key, entry.value(key)), reverse=reverse)
    return ordered + [entry for entry in found if entry.value(key) is None]


def _rank(key: str, value: Any) -> tuple[int, Any]:
    """Numbers before words."""
    if isinstance(value, (int, float)):
        return (0, value)
    return (0, datetime.fromisoformat(value).timestamp()) if key == "created" else (1, text_of(value))


def _refuse_unknown(key: str, entries: Sequence[Entry]) -> None:
    from difflib import get_close_matches

    if not entries or any(entry.knows(key) for entry in entries):
        return
    known = {key for entry in entries for key in [*entry.facts, *entry.final, *entry.settings]}
    close = get_close_matches(key, known, n=1, cutoff=0.5)
    raise UsageError(f"no run has a {key!r}{f', did you mean {close[0]}?' if close else ''}")
