"""What is wrong with the columns of a source as the configuration means to use them, and which it can learn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import Meaning, ambiguity, stand_in
from nnrun.data.facts.offsets import mixed, unlike
from nnrun.data.facts.survey import Survey
from nnrun.data.features.categories import Limits
from nnrun.data.features.dates import DATE_PARTS
from nnrun.data.features.target import Transform
from nnrun.data.files.images import sizes
from nnrun.data.files.sources import target_name
from nnrun.data.files.table import (
    CORRECT,
    Table,
    check_fits,
    numbers,
    require_column,
    require_single,
    suggest,
)
from nnrun.data.groups import may_be_one
from nnrun.data.mixtures import check_slips, mixtures
from nnrun.engine.metrics import Task
from nnrun.errors import DataError
from nnrun.machine.capacity import lacking_memory
from nnrun.text import counted, shown

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


def choose_target(config: Data, table: Table) -> str:
    """The name of the target column, and whether all columns are there that the configuration names, DataError if not.

    The columns of the split and those to drop are those of the one source or the training source.
    """
    name = target_name(config)
    if name is None:
        last = ", ".join(table.columns[-10:])
        message = f"{table.at_header()}: which column is the target? Set data.target; the last are {last}"
        raise DataError(message, ("data", "target"))
    require_single(table, name, "target")
    if config.weight is not None:
        require_column(table, config.weight, "weight")
    return name


def check_roles(config: Data, table: Table, target: str) -> None:
    """Raise DataError if a column is missing that splits the rows or is dropped, or is the target, or is unreadable."""
    for key, column in (("group", config.group), ("time", config.time)):
        if column is not None:
            require_single(table, column, key)
    for column in config.drop:
        require_column(table, column, "drop")
    for name in map(str, config.kinds):
        require_column(table, name, "kinds")
    if target in map(str, config.kinds):
        raise DataError(
            f"{table.at_column(target)}: {target!r} is the target, and data.task says what it is; take it out of "
            "data.kinds",
            ("data", "kinds"),
        )
    if target in (*config.drop, config.group, config.time, config.weight):
        others = "drop, group, time and weight"
        raise DataError(f"{table.at_column(target)}: {target!r} is the target; take it out of {others}")


def transform_of(config: Data, task: Task) -> Transform | None:
    """What the target becomes before it is learned; DataError where it is of classes."""
    if config.target_transform == "none":
        return None
    if task == "classification":
        raise DataError("log needs numbers to predict, and the target is classes", ("data", "target_transform"))
    return config.target_transform


def no_feature(table: Table, target: str) -> DataError:
    """The error where nothing is left to learn from."""
    return DataError(f"{table.at_header()}: no column left to learn {target!r} from; add columns, or drop fewer")


def choose_features(config: Data, found: Survey, target: str) -> tuple[dict[str, Meaning], list[str]]:
    """What each column to learn from means, and a notice for each that is left out without being named in `drop`."""
    roles = {"group": config.group, "time": config.time}
    dropped = [name for name, kind in config.declared.items() if kind == "drop"]
    unused = {target, config.weight, *dropped, *roles.values()}
    columns = [name for name in found.columns if name not in unused]
    for name in columns:
        if not found.columns[name].present:
            raise DataError(f"{found.head.at_column(name)}: column {name!r} has no value at all; add it to data.drop")
    check_slips(found, columns if config.task == "classification" else [*columns, target])
    least = None if config.rare_below == "auto" else config.rare_below
    reasons = {name: found.columns[name].reason_to_leave_out(least) for name in columns}
    kept = {name: _declared(found, name) for name, reason in reasons.items() if reason is None}
    if not kept:
        raise no_feature(found.head, target)
    return kept, [
        *(_only_splits(found, role, name) for role, name in roles.items() if name),
        *(may_be_one(found.group.column.name, found.group.groups.index) if found.group else []),
        *(f"column {name!r} is left out: {reason}" for name, reason in reasons.items() if reason),
        *_of_dates(found, [name for name, meaning in kept.items() if meaning.kind == "date"], config.time),
        *filter(None, (_large_numbers(found.columns[name]) for name in kept)),
        *mixtures(found, [*columns, target] if config.task == "auto" else columns),
    ]


def _only_splits(found: Survey, role: str, name: str) -> str:
    """Of dates much may hang on the weekday or the hour."""
    dates = role == "time" and found.columns[name].meaning.kind == "date"
    copy = "; a copy of it under another name would have weekday, hour and so on as features" if dates else ""
    return f"column {name!r} only splits the rows ({role}), it is no feature{copy}"


def _of_dates(found: Survey, names: Iterable[str], time: str | None) -> list[str]:
    """The notices on columns of dates, and on that of the times, that may mean something else than is read."""
    texts = {name: found.columns[name].texts for name in (*names, *([time] if time else []))}
    return [
        *(ambiguity(name, of_column.meaning) for name, of_column in texts.items() if of_column.meaning.alternative),
        *(stand_in(name, of_column, name == time) for name, of_column in texts.items() if of_column.stand_ins),
        *(mixed(name) for name, of_column in texts.items() if len(of_column.offsets) > 1),
        *filter(None, (of_column.short_years.notice(name) for name, of_column in texts.items())),
    ]


def _declared(found: Survey, name: str) -> Meaning:
    """What a column means; raises DataError at the first value that is none of the kind it is declared to be."""
    facts = found.columns[name]
    what, key = f"but data.kinds says that column {name!r} holds", ("data", "kinds")
    if facts.declared == "number" and facts.slips:
        place, text = facts.first_slip
        raise DataError(f"{place}: {shown(text)} {facts.why}, {what} numbers; {CORRECT}", key)
    if facts.declared == "date" and facts.meaning.format is None:
        place = found.head.at_column(name)
        raise DataError(f"{place}: no format of dates reads all values, {what} dates; docs/data.md lists them", key)
    if facts.declared in ("number", "boolean") and facts.kind == "date":
        raise DataError(f"{found.head.at_column(name)}: the values are dates, {what} {facts.declared}s", key)
    return facts.meaning


def _large_numbers(facts: ColumnFacts) -> str | None:
    """The notice on a column of numbers that float64 does not tell apart; `data.kinds` says that it is to be one."""
    if facts.declared or facts.kind != "number" or not facts.beyond_exact:
        return None
    return (
        f"column {facts.name!r} holds whole numbers beyond 2^53, of which a network cannot tell neighbours apart; if "
        f"they are codes, data.kinds: {{{facts.name}: category}} keeps them apart"
    )


def check_sizes(table: Table, columns: Iterable[str]) -> None:
    """Raise DataError at the first cell of columns of numbers that is infinite, or more than float32 holds."""
    for name in columns:
        with np.errstate(over="ignore"):
            values = np.nan_to_num(numbers(table, name)).astype(np.float32)
        check_fits(table, values[:, None], [name])


def check_memory(found: Survey, meanings: Mapping[str, Meaning], limits: Limits) -> None:
    """Raise DataError if the categories, one feature each as far as limits allow, need more memory than is free."""
    widths = {
        name: _widest(meaning, len(found.columns[name].texts.distinct), limits) for name, meaning in meanings.items()
    }
    if told := lacking_memory(sum(widths.values()) * found.rows * np.dtype(np.float64).itemsize):
        name = max(widths, key=lambda name: widths[name])
        raise DataError(
            f"{found.head.at_column(name)}: column {name!r} has {widths[name]} different values; one feature for "
            f"each would take {told}; add it to data.drop"
        )


def check_pieces(found: Survey, features: int, dtype: str) -> None:
    """Raise DataError if so many features, to which cut numbers add most, need more memory than is free."""
    if told := lacking_memory(features * found.rows * np.dtype(dtype).itemsize):
        raise DataError(
            f"{found.head.at_header()}: {counted(features, 'feature')}, with numbers cut into pieces, would take "
            f"{told}; write data.encode_numbers: plain",
            ("data", "encode_numbers"),
        )


def _widest(meaning: Meaning, different: int, limits: Limits) -> int:
    """The most features that so many different values can become, the indicator aside."""
    if meaning.kind == "category":
        return 1 if limits.encode == "embedding" else min(different, limits.most + 1)
    return len(DATE_PARTS) if meaning.kind == "date" else 1


def check_same_columns(found: Mapping[str, Survey], reference: Survey, features: Iterable[str]) -> None:
    """Raise DataError if a source lacks a column that the training source has."""
    for survey in found.values():
        _check_images(survey, reference, features)
        for name in features:
            if name not in survey.columns:
                others = [column for column in survey.columns if column not in reference.columns]
                hint = suggest(name, others) or "; add it, or name it in data.drop"
                raise DataError(
                    f"{survey.head.at_header()}: no column {name!r}, which {reference.head.name} has{hint}"
                    f"{survey.head.beside}"
                )
            require_column(survey.head, name)


def _check_images(survey: Survey, reference: Survey, features: Iterable[str]) -> None:
    """Raise DataError for arrays of another shape than those of training, to which no column can be added.

    Larger images have all pixels of smaller ones, and would be cut.
    """
    found, known = survey.head.image, reference.head.image
    if found == known or not ((found and known) or survey.columns.keys().isdisjoint(features)):
        return
    here, there = (f"images of {sizes(shape)}" if shape else "rows that are no images" for shape in (found, known))
    advice = "; ".join(["write all parts in one shape", *survey.head.notices])
    raise DataError(f"{survey.head.name}: {here}, where {reference.head.name} has {there}; {advice}")


def check_same_units(found: Mapping[str, Survey], reference: Survey) -> None:
    """Raise DataError if the numbers of a source have another unit than those of the training source, or one has none.

    Cells that are no numbers are refused where they are read as such.
    """
    for survey in found.values():
        for name, known in reference.columns.items():
            facts = survey.columns.get(name)
            if facts is None or not (facts.kind == known.kind == "number" and facts.present and known.present):
                continue
            if facts.unit != known.unit:
                raise DataError(
                    f"{survey.head.at_column(name)}: the numbers of column {name!r} have {facts.unit or 'no unit'}, "
                    f"those of {reference.head.name} have {known.unit or 'no unit'}; write them alike"
                )


def offsets_of(found: Survey, features: Mapping[str, Meaning]) -> dict[str, bool]:
    """Whether the times of a column of dates have an offset from UTC, where all are alike."""
    dated = {name: found.columns[name].texts.offsets for name, meaning in features.items() if meaning.kind == "date"}
    return {name: next(iter(offsets)) for name, offsets in dated.items() if len(offsets) == 1}


def unlike_offsets(found: Mapping[str, Survey], known: Mapping[str, bool]) -> list[str]:
    """Notices on sources whose times have an offset where those of the training source have none, or the other way."""
    return [
        f"{survey.head.name}: {told}"
        for survey in found.values()
        for name, had in known.items()
        if (told := unlike(name, survey.columns[name].texts.offsets, had))
    ]
