"""How things are said: one way each to count, list, shorten, round and guess what was meant. Needs nothing of nnrun."""

from __future__ import annotations

import math
import reprlib
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any

COMPILING = "compiling"  # a step of preparing, heard of before a compiler is at work for seconds

WIDTH, NARROWEST = 80, 20  # of a screen, and of what stands beside a head
HEIGHTS = "▁▂▃▄▅▆▇█"
FEW, MANY = 3, 10  # items that a line names before it only counts the rest
JOINERS = "\u00ad\u200c\u200d"  # a hyphen that may be, and how letters of some scripts are joined
LONGEST_WORD, MOST_WORDS = 100, 5_000  # that what was meant is looked for by, and among
PARTS = ("train", "train_dev", "dev", "test")  # of the data, as they are told
LONGEST = 40  # characters of a name in a message

_short = reprlib.Repr()
_short.maxstring = 60
_short.maxlong = 40


def counted(number: int, unit: str, units: str | None = None) -> str:
    """1 row, 1,203 rows; `units` is a plural that has no s."""
    return f"{number:,} {unit if number == 1 else units or f'{unit}s'}"


def times(count: int) -> str:
    """How often: once, 2 times."""
    return "once" if count == 1 else f"{count} times"


def listed(items: Sequence[str], most: int = FEW) -> str:
    """The first few, and how many more there are: `a, b, c and 4 more`."""
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def one_of(names: Iterable[object]) -> str:
    """`a, b or c`."""
    return _joined([str(name) for name in names] or ["nothing"], "or")


def all_of(names: Iterable[object]) -> str:
    """`a, b and c`."""
    return _joined([str(name) for name in names], "and")


def _joined(names: Sequence[str], word: str) -> str:
    *front, last = names
    return f"{', '.join(front)} {word} {last}" if front else last


def sentence_case(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def shortened(text: str, width: int) -> str:
    """The beginning, and … for what is missing."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def shown(value: object) -> str:
    """A value in a message as Python writes it, cut where it is long."""
    return _short.repr(value)


def shown_name(name: str) -> str:
    """A name on one line, quoted where it would be hard to see, cut where it is long."""
    plain = name.isprintable() and name == name.strip() and name
    text = name if plain else repr(name)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def on_screen(line: str) -> str:
    """A line as a terminal or a log may have it: what would move the cursor, colour or turn the text is shown as \\x1b.

    Letters of all scripts stay as they are, and so do spaces and the marks by which letters are joined.
    """
    return line if line.isprintable() else "".join(map(_letter_on_screen, line))


def _letter_on_screen(letter: str) -> str:
    from unicodedata import category

    harmless = category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp") or letter in JOINERS
    return letter if harmless else letter.encode("unicode_escape").decode()


def encoded(text: str) -> bytes:
    """UTF-8; a byte of a file's name that is none of it stands there as on a screen, and in JSON as what it is."""
    return text.encode(errors="backslashreplace")


def visible(text: str) -> str:
    """The text with all that cannot be seen, line breaks too, as escapes."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """What was probably meant by a word that is not known; None where nothing is alike by the share `cutoff`.

    Nobody misspells a word of a hundred letters, or chooses among so many words that it would take seconds.
    """
    from difflib import get_close_matches

    if len(word) > LONGEST_WORD:
        return None
    likely = [name for name in islice(known, MOST_WORDS) if len(name) <= 2 * LONGEST_WORD]
    return next(iter(get_close_matches(word, likely, n=1, cutoff=cutoff)), None)


MOST_SHOWN = 10.0  # ten times all: beyond it an error is beyond measure


def percent(error: float | None) -> str:
    """An error as it stands on screen: 0.0253 → 2.5%; 1 − R² has no upper end, and digits beyond this say nothing."""
    if error is None or math.isnan(error):
        return "–"
    return f"{100 * error:.1f}%" if error < MOST_SHOWN else f"> {100 * MOST_SHOWN:.0f}%"


def points(step: float) -> str:
    """A difference of errors as it stands on screen: 0.026 → +2.6, in seven characters at most."""
    if abs(step) >= MOST_SHOWN:
        return f"> {100 * MOST_SHOWN:+.0f}" if step > 0 else f"< {-100 * MOST_SHOWN:.0f}"
    return f"{round(100 * step, 1) + 0.0:+.1f}"


def number(value: float | None) -> str:
    """Four significant digits, or all of those before the point."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"


def typed_number(text: str) -> tuple[float, int] | None:
    """0.05, 5e-2 or 5% as people type it: the number, and what it is of, 100 for per cent; None for what is none."""
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        return None
    return None if "_" in text else (value, 100 if text.strip().endswith("%") else 1)  # Python alone reads 1_000


def as_number(text: str) -> float | None:
    """The number that was typed, 5% as 0.05."""
    typed = typed_number(text)
    return typed[0] / typed[1] if typed else None


def by_hand(value: float) -> float:
    """A value that a command or a config is given, with three significant digits, as a person would write it."""
    return float(f"{value:.3g}")


def metric_name(name: str, kind: str = "") -> str:
    """A metric as it is called: `balanced error` where each class counts alike, and `plain error` beside it."""
    words = name.replace("_", " ")
    return words if not kind or words.startswith(("plain ", f"{kind} ")) else f"{kind} {words}"


def part_and_name(key: str) -> tuple[str, str]:
    """The part and the metric of a number such as dev_error or train_dev_plain_error."""
    part, _, name = key.partition("_")
    return (f"{part}_dev", name.removeprefix("dev_")) if part == "train" and name.startswith("dev_") else (part, name)


def last_words(keys: Iterable[str]) -> dict[str, str]:
    """What dotted keys are called beside each other: their last word, or as many as tell them apart."""
    ways = {key: [".".join(key.split(".")[-count:]) for count in range(1, key.count(".") + 2)] for key in keys}
    alike = Counter(way for own in ways.values() for way in own)
    return {key: next((way for way in own if alike[way] == 1), key) for key, own in ways.items()}


def metric_key(key: str, kind: str) -> str:
    """A number of a part as a title: `dev_balanced_error`; what belongs to no part stays as it is."""
    part, name = part_and_name(key)
    return f"{part}_{metric_name(name, kind).replace(' ', '_')}" if kind and part in PARTS else key


def in_percent(name: str) -> bool:
    """Whether a metric is written in per cent, and differences of it in points: an error is, and its standard error."""
    return name.endswith(("error", "error_se"))


def metric_value(value: float | None, name: str) -> str:
    """A metric, or a number of a part, as it stands on screen; – for what is not known or not defined."""
    return percent(value) if in_percent(name) else number(value)


def metric_step(step: float | None, name: str) -> str:
    """A difference of two values of a metric, with its sign."""
    if step is None:
        return "–"
    return points(step) if in_percent(name) else f"{'+' if step >= 0 else '-'}{number(abs(step))}"


def yaml_text(value: Any) -> str:
    """A value as it stands in a YAML file."""
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(yaml_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {yaml_text(item)}' for key, item in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def set_name(part: str) -> str:
    """A set as it stands on screen: train_dev → train-dev."""
    return part.replace("_", "-")


def source_name(source: str | Mapping[str, str | None]) -> str:
    """A bundled name or the names of the files."""
    files = [source] if isinstance(source, str) else [file for file in source.values() if file]
    return ", ".join(PurePath(file).name for file in files)


def duration(seconds: float) -> str:
    """3 ms, 0.84 s, 12 s, 3 min 20 s or 2 h 05 min."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def pace(seconds: float) -> str:
    """How long an epoch takes: 3.64 ms, 1.27 s, 3 min 20 s."""
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9 else duration(seconds)


def remaining(seconds: float) -> str:
    """About how long it will take: 7 s, 24 min, 2 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def wrapped(text: str, head: str = "") -> list[str]:
    """Lines of the width of a screen, or of the terminal where it is narrower; those after the first are indented."""
    width = max(len(head) + NARROWEST, min(WIDTH, shutil.get_terminal_size().columns))
    return textwrap.wrap(
        text, width, initial_indent=head, subsequent_indent=" " * len(head), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows of cells under each other, each as wide as it is on screen; columns in `right` are flush right."""
    rows = [[on_screen(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def sparkline(values: Iterable[float], low: float, high: float) -> str:
    """A bar a value, the lowest at `low` and the highest at `high` and beyond."""
    shares = (min(max((value - low) / ((high - low) or 1), 0), 1) for value in values)
    return "".join(HEIGHTS[math.floor(share * (len(HEIGHTS) - 1) + 0.5)] for share in shares)


def log_scale(values: Iterable[float]) -> tuple[float, float]:
    """Both ends of a logarithmic sparkline of these positive values: from the highest down to its half at least.

    So noise stays small, and what never falls stays high.
    """
    logs = [math.log(value) for value in values]
    high = max(logs, default=0.0)
    return min([high - math.log(2), *logs]), high
