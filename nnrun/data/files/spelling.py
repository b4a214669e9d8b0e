"""Labels that may be one: `7` and `7.0`, unless there are others that are no numbers; `Rome` and `rome `."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))([.,]0)?")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
DIFFER = "differ by blanks, case or code points alone"  # as `spelled_apart` finds them
FRACTIONS = (".0", ",0")  # behind a whole number, as pandas writes a column of which a value is missing


def are_whole(labels: Iterable[str]) -> bool:
    """Whether all are whole numbers, with `.0` behind them or not; codes such as `007` are none."""
    return all(map(_WHOLE.fullmatch, labels))


def are_decimals(labels: Sequence[str]) -> bool:
    """Whether all are different numbers as floats are written, some as `7` or `7.0`; `1.10` and `7,0` are none."""
    if not all(
        _WHOLE.fullmatch(label) or (_DECIMAL.fullmatch(label) and str(float(label)) == label) for label in labels
    ):
        return False
    return len({*map(without_fraction, labels)}) == len(labels)


def spelled_alike(values: Sequence[Hashable]) -> Sequence[Hashable]:
    """The values, without a fraction where all are whole numbers as text."""
    texts = [value for value in values if isinstance(value, str)]
    return [*map(without_fraction, texts)] if len(texts) == len(values) and are_whole(texts) else values


def without_fraction(label: str) -> str:
    """`7` for `7.0` and for `7,0`; any other label as it is."""
    found = _WHOLE.fullmatch(label)
    return found[1] if found and found[2] else label


def spelled_apart(labels: Iterable[Hashable], letters: int = 0) -> list[str]:
    """Texts that differ by blanks, case or code points alone, those of each kind in one piece: `'Rome' and 'rome '`.

    Case tells those of fewer letters apart. Those that would look the same are written with escapes.
    """
    alike: dict[str, dict[str, None]] = {}
    for label in labels:
        if isinstance(label, str):
            plain = " ".join(_seen(composed(label)).split())
            alike.setdefault(plain.casefold() if sum(map(str.isalpha, plain)) >= letters else plain, {})[label] = None
    return [" and ".join(map(_written(spelled), spelled)) for spelled in alike.values() if len(spelled) > 1]


def _seen(text: str) -> str:
    """Without letters that nobody sees and `split` does not take for blanks, such as U+200B and a byte order mark."""
    return text if text.isprintable() else "".join(one for one in text if unicodedata.category(one) != "Cf")


def _written(labels: Collection[str]) -> Callable[[str], str]:
    """How to write labels so that they are told apart."""
    return repr if len({*map(composed, labels)}) == len(labels) else in_code_points


def composed(text: str) -> str:
    """Each letter and its marks as one code point where there is one (NFC): `é` for an e with U+0301 behind it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def composed_otherwise(texts: Iterable[str], known: Iterable[str]) -> list[str]:
    """Texts, of some that are not known, that look like a known one and have other code points."""
    if not (odd := [text for text in texts if not text.isascii()]):
        return []
    forms = {*map(composed, known)}
    return [text for text in odd if composed(text) in forms]


def in_code_points(text: str) -> str:
    """In quotes, as YAML and JSON read it, so that texts that look the same are told apart: `"Cafe\\u0301"`."""
    return json.dumps(text)


def in_one_spelling(values: pd.Series[Any]) -> pd.Series[Any]:
    """Labels `(m,)`, missing ones among them, without a fraction."""
    whole = {label: short for label in values.dropna().unique() if (short := without_fraction(label)) != label}
    return values.map(lambda label: whole.get(label, label)) if whole else values
