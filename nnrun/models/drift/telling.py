"""What is said of new rows that are not like those of training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.models.drift.comparing import DriftDocument, Found
from nnrun.text import all_of, counted, number, percent, shown_name, wrapped

SHOWN = 5  # columns; --json has all


def drift_lines(drift: DriftDocument) -> Iterator[str]:
    """A few lines, those with the largest share of the rows first; none where all is as it was."""
    found = drift["found"]
    if not found:
        return
    columns = len({one["column"] for one in found})
    of = counted(drift["columns"], "column")
    yield from wrapped(f"{columns:,} of {of} {'is' if columns == 1 else 'are'} not as in training:", "drift    ")
    for one in found[:SHOWN]:
        yield from wrapped(drift_words(one), "drift    ")
    if more := len(found) - SHOWN:
        yield from [f"drift    {counted(more, 'more difference')}, told by --json"] if more > 0 else []


def drift_words(found: Found) -> str:
    """A column, what is different, and by how much."""
    name = shown_name(found["column"])
    before, now = found.get("training"), found.get("now")
    if found["what"] == "missing":
        return f"{name}: missing in {percent(_one(now))} of the rows, in training in {percent(_one(before))}"
    if found["what"] == "unseen":
        values = all_of(map(repr, found["values"]))
        return f"{name}: {_share(found)} with values that training did not see, such as {values}"
    if found["what"] == "outside":
        low, high, least, most = _ends(before, now)
        return f"{name}: {_share(found)} outside of training's range, {low} to {high}: they have {least} to {most}"
    if "values" in found:
        how = f"{found['values'][0]!r} in {percent(_one(now))} of the rows, in training in {percent(_one(before))}"
        return f"{name}: other shares of its values, {percent(found['size'])} of the rows: {how}"
    by = f" by {found['deviations']:+.2f} deviations" if "deviations" in found else ""
    means = f"mean {' → '.join(_numbers_apart([_one(before), _one(now)]))}"
    return f"{name}: shifted{by}, {means}; distributions {percent(found['size'])} apart"


def _one(value: float | list[float | str] | None) -> float:
    assert isinstance(value, (int, float))
    return value


def _share(found: Found) -> str:
    return f"{counted(found['rows'], 'row')} ({percent(found['size'])})"


def _ends(*ranges: float | list[float | str] | None) -> list[str]:
    ends = [end for one in ranges if isinstance(one, list) for end in one]
    dates = [end.replace("T", " ") for end in ends if isinstance(end, str)]
    return dates or _numbers_apart([_one(end) for end in ends if not isinstance(end, str)])


def _numbers_apart(values: Sequence[float]) -> list[str]:
    """Each as `number` tells it, with as many digits more as tell different ones apart."""
    texts = [number(value) for value in values]
    for digits in range(5, 18):
        if len(set(texts)) == len(set(values)):
            break
        texts = [f"{value:.{digits}g}" for value in values]
    return texts
