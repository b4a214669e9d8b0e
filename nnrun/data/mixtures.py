"""Columns of text that would be numbers or dates but for some values, or but for how they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import example
from nnrun.data.facts.spelled import Spelled
from nnrun.data.facts.survey import Survey
from nnrun.data.files.dialect import UNITS
from nnrun.data.files.numerals import NO_NUMBER, NO_UNIT
from nnrun.data.files.table import CORRECT, FEW_VALUES, MOSTLY_NUMBERS
from nnrun.errors import DataError
from nnrun.text import shown

# Share of the values of a column of text from which on it is told that they are numbers: plain ones, those with a unit.
SOME_NUMBERS, SOME_WITH_UNIT = 0.2, 0.5

_REWRITE = "rewrite these"
_REWRITE_OR_LIST = f"{_REWRITE}, or list them in data.format.missing,"


def mixtures(found: Survey, columns: Iterable[str]) -> list[str]:
    """The notices on columns that are text because of some values, while many are numbers, or nearly all dates."""
    told = (_told(facts, facts.name == found.target.name) for facts in _of_many_texts(found, columns))
    return [*filter(None, told)]


def _told(facts: ColumnFacts, is_target: bool) -> str | None:
    undated = facts.undated
    if facts.meaning.kind != "date" and (told := _of_numbers(facts, is_target)):
        return told
    if undated.format and not is_target:
        like, dates = f" like {example(undated.format)}", facts.present - undated.rows
        return _mixed(facts, False, "dates", like, (dates, undated.rows), undated.first)
    return None


def _of_numbers(facts: ColumnFacts, is_target: bool) -> str | None:
    spelled, plain = facts.spelled, facts.present - facts.slips
    if not facts.slips:
        return _all_numbers(facts, is_target) if spelled.are_plain else None
    if not spelled.is_read:
        return _unread(facts, is_target) if spelled.numbers >= MOSTLY_NUMBERS * facts.present else None
    cure = _REWRITE if spelled.other_units else _REWRITE_OR_LIST  # an amount in another unit is not missing
    if spelled.others and spelled.numbers >= _enough(spelled) * facts.present:
        like, counts = f" with {spelled.unit}" if spelled.unit else "", (spelled.numbers, spelled.others)
        return _mixed(facts, is_target, "numbers", like, counts, spelled.first_other[0], cure)
    if plain >= SOME_NUMBERS * facts.present:
        return _mixed(facts, is_target, "numbers", "", (plain, facts.slips), facts.first_slip, cure)
    return None


def _enough(spelled: Spelled) -> float:
    """The share of numbers from which on they are told; more where numbers end in different letters, as codes do."""
    if spelled.unit and spelled.unit[0] not in UNITS and spelled.other_units - {""}:
        return MOSTLY_NUMBERS
    return SOME_WITH_UNIT if spelled.unit else SOME_NUMBERS


def _mixed(
    facts: ColumnFacts,
    is_target: bool,
    what: str,
    like: str,
    counts: tuple[int, int],
    first: tuple[str, str],
    cure: str = _REWRITE_OR_LIST,
) -> str:
    """With how many are `what`, and how many are not."""
    (place, text), (fitting, others) = first, counts
    return (
        f"{_taken(facts, is_target)}: {fitting:,} of {fitting + others:,} values are {what}{like}, {others:,} "
        f"{'is' if others == 1 else 'are'} not, the first {shown(text)} ({place}); {cure} to learn from {what}; "
        f"{_as_text(facts, is_target)}"
    )


def _unread(facts: ColumnFacts, is_target: bool) -> str:
    spelled = facts.spelled
    return (
        f"{_taken(facts, is_target)}: {spelled.numbers:,} of {spelled.present:,} values are numbers like "
        f"{shown(spelled.first_number)}, which are not read{' from such a file' if spelled.is_typed else ''}; write "
        f"them as plain numbers to learn from these; {_as_text(facts, is_target)}"
    )


def _all_numbers(facts: ColumnFacts, is_target: bool) -> str | None:
    if facts.spelled.are_digits and not is_target and facts.reason_to_leave_out():
        return None  # they look like codes, and are told to be left out
    cure = "data.task: regression predicts" if is_target else f"data.kinds: {{{facts.name}: number}} learns from"
    return (
        f"{_taken(facts, is_target)}, as the file stores it, but all {facts.present:,} values are numbers; {cure} "
        f"numbers; {_as_text(facts, is_target)}"
    )


def _taken(facts: ColumnFacts, is_target: bool) -> str:
    return f"{'target ' if is_target else ''}column {facts.name!r} is taken for text"


def _as_text(facts: ColumnFacts, is_target: bool) -> str:
    said = "data.task: classification" if is_target else f"data.kinds: {{{facts.name}: category}}"
    return f"{said} says it is text"


def check_slips(found: Survey, columns: Iterable[str], however_written: bool = False) -> None:
    """Raise DataError at the first text cell of a column that otherwise holds many different numbers.

    Those with a sign, a unit or groups of thousands count `however_written`; what has another unit is no slip there.
    """
    for facts in _of_many_texts(found, columns):
        most = (1 - MOSTLY_NUMBERS) * facts.present
        if 0 < facts.slips <= most or (however_written and _slips_however_written(facts) <= most):
            (place, text), why = _first_slip(facts)
            raise DataError(f"{place}: {shown(text)} {why}; {CORRECT}, or list it in data.format.missing")


def _slips_however_written(facts: ColumnFacts) -> float:
    """How many slips there are; without end where there are none, or they may be more than that."""
    spelled = facts.spelled
    if not (spelled.others and spelled.is_read) or spelled.other_units - {""}:
        return math.inf
    return spelled.others


def _first_slip(facts: ColumnFacts) -> tuple[tuple[str, str], str]:
    """The place and the text, and what is wrong with it."""
    spelled = facts.spelled
    if not spelled.others:
        return facts.first_slip, _unlike(facts, NO_NUMBER, (facts.present - facts.slips, facts.present), "are")
    first, what = spelled.first_other
    if what == NO_UNIT:
        return first, _unlike(facts, NO_UNIT, (spelled.numbers, spelled.present), f"have {spelled.unit}")
    return first, _unlike(facts, NO_NUMBER, (spelled.numbers, spelled.present), "are")


def _unlike(facts: ColumnFacts, what: str, counts: tuple[int, int], others: str) -> str:
    rows, present = counts
    return f"{what}, but {rows} of {present} values of column {facts.name!r} {others}"


def _of_many_texts(found: Survey, columns: Iterable[str]) -> Iterator[ColumnFacts]:
    for facts in (found.columns[name] for name in columns):
        if not facts.declared and facts.kind == "category" and len(facts.texts.distinct) > FEW_VALUES:
            yield facts
