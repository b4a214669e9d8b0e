"""From what is known of a table to settings, each with its reason in the numbers of this table."""

from __future__ import annotations

from collections.abc import Mapping

from nnrun.insight.scaffold.overview import IMBALANCED, WITHOUT_TEST, Overview
from nnrun.insight.scaffold.recipe import RECIPE, Choice, Rule
from nnrun.text import counted, listed, percent, shown_name, source_name

MOST_TOLD = 3  # columns of which a comment says that their values share a feature
MOST_CLASSES = 6  # that a comment names before it only counts the rest
BY_TYPE = "a category by the type of the column"
BALANCED_ERROR = "balanced_error"  # the metric that counts each class the same
FEWEST_TO_WEIGH = 20  # rows of the rarest class; fewer would weigh too much each


def propose(overview: Overview) -> dict[str, Choice]:
    """Dotted key → choice, in the order of the sections."""
    found = {key: rule(overview) for key, rule in CHOICES.items()}
    return {key: choice for key, choice in found.items() if choice is not None}


# data


def _source(overview: Overview) -> Choice:
    """The file, as seen from the folder of the config."""
    rows = counted(overview.rows, "row") if len(overview.files) == 1 else _sizes(overview.files)
    reading = [notice.removeprefix(f"{source_name(overview.source)}: ") for notice in overview.reading]
    return Choice(overview.source, "; ".join([f"{rows}, {counted(len(overview.columns), 'column')}", *reading]))


def _target(overview: Overview) -> Choice:
    """What `--target` says; of a bundled set, its own."""
    if overview.classes is None:
        values = counted(overview.distinct(overview.target), "different value")
        return Choice(overview.target, f"a number with {values}")
    sizes = [f"{shown_name(label)} ({rows:,})" for label, rows in overview.classes.items()]
    return Choice(overview.target, f"{counted(len(sizes), 'class', 'classes')}: {listed(sizes, MOST_CLASSES)}")


def _task(overview: Overview) -> Choice:
    """Classes where the target holds text, booleans, up to 20 whole numbers or a category by type; else a number."""
    if overview.task == "regression":
        return Choice(overview.task, "loss: squared error; error: 1 − R², the share of the variance not explained")
    reason = "loss: cross-entropy; error: the share of rows that get a wrong class"
    return Choice(overview.task, f"{reason}; {BY_TYPE}" if overview.target in overview.typed else reason)


def _drop(overview: Overview) -> Choice | None:
    """Columns that say nothing about new rows: see below."""
    if not overview.left_out:
        return None
    notes = [column.why for column in overview.left_out]
    return Choice([column.name for column in overview.left_out], "they say nothing about new rows:", notes=notes)


def _kinds(overview: Overview) -> Choice | None:
    """`category` for numbers that may be codes (zip, store, 02134), or by a column's type; `number` for text."""
    if not overview.kinds:
        return None
    sorts = {**overview.kinds, **dict.fromkeys(overview.kinds.keys() & overview.typed, "typed")}
    codes, stored, typed = (
        [name for name, of in sorts.items() if of == sort] for sort in ("category", "number", "typed")
    )
    names = [f"{shown_name(name)} ({overview.distinct(name):,} values)" for name in codes]
    guess = f"a guess: {listed(names)} may be codes, not amounts; make it number where more means more"
    text = f"the file stores {listed([*map(shown_name, stored)])} as text, all of which are numbers"
    by_type = f"{listed([*map(shown_name, typed)])}: {'each ' if len(typed) > 1 else ''}{BY_TYPE}"
    reasons = [reason for reason, columns in ((guess, codes), (text, stored), (by_type, typed)) if columns]
    return Choice(dict(overview.kinds), "; ".join(reasons))


def _max_categories(overview: Overview) -> Choice | None:
    """Up to 300 values that come often enough have a feature each; as a comment, where others share one."""
    if overview.own:
        values = [f"{counted(values, 'value')} of {shown_name(name)}" for name, values in overview.own.items()]
        return Choice(max(overview.own.values()), f"{listed(values, MOST_TOLD)} come often enough for a feature each")
    if not overview.pooled:
        return None
    most = max(overview.distinct(name) for name in overview.pooled)
    return Choice(most, "; ".join(list(overview.pooled.values())[:MOST_TOLD]), active=False)


def _missing_target(overview: Overview) -> Choice | None:
    """`drop` where rows lack a target."""
    if not overview.lacking:
        return None
    return Choice("drop", f"{counted(overview.lacking, 'row')} of {overview.rows:,} without a target, left out")


def _group(overview: Overview) -> Choice | None:
    """By `--group`; else as a comment, where a customer, a device or a value of many comes again and again."""
    name = overview.group or next(iter(overview.groups), None)
    if name is None or len(overview.files) > 1 or (overview.time and not overview.group):
        return None
    values = overview.distinct(name)
    each = f"{shown_name(name)} has {values:,} values, {overview.rows / values:.1f} rows each"
    if overview.group:
        return Choice(name, f"{each}; the rows of each stay in one part")
    return Choice(
        name,
        f"{each}, which stand in all parts; if new rows will be of other ones, the errors are too low, and this keeps "
        "the rows of each in one part",
        active=False,
    )


def _time(overview: Overview) -> Choice | None:
    """By `--time`; else as a comment, where there is a column of dates, not of times of day alone."""
    reason = "trains on the oldest rows and tests on the newest"
    if overview.time:
        return Choice(overview.time, reason)
    if not overview.dates or len(overview.files) > 1 or overview.group:
        return None
    what = f"{shown_name(overview.dates[0])} is a time; if new rows will be later than these, this {reason}"
    return Choice(overview.dates[0], f"{what}; it is no feature then", active=False)


def _header(overview: Overview) -> Choice | None:
    """Where the first line of a file looks like a row: that there are no names."""
    if overview.has_names:
        return None
    reason = "the first line looks like a row, so the columns are called c1, c2, …; true if it holds their names"
    return Choice(False, reason)


def _missing(overview: Overview) -> Choice | None:
    """Words that come again in a column most of whose values are numbers, such as `unknown`."""
    if not overview.words:
        return None
    columns = dict.fromkeys(shown_name(name) for names in overview.words.values() for name in names)
    words = listed([repr(word) for word in overview.words])
    return Choice([*overview.words], f"{words} for a missing value, as most values of {listed([*columns])} are numbers")


def _sheet(overview: Overview) -> Choice | None:
    """What `--sheet` says."""
    return (
        Choice(overview.sheet, "asked for: the sheet of the workbook that holds the table") if overview.sheet else None
    )


def _split(overview: Overview) -> Choice | None:
    """60/20/20; without a test part below 100 rows."""
    if len(overview.files) > 1:
        return None
    sizes = _sizes(overview.parts)
    if "test" not in overview.parts:
        return Choice(list(WITHOUT_TEST), f"{sizes}; of {counted(overview.rows, 'row')} a test part would tell little")
    return Choice("auto", f"{sizes}; the classes in equal shares" if overview.classes else sizes)


def _class_weight(overview: Overview) -> Choice | None:
    """`balanced` by `--metric balanced_error`, or where a class would be ignored; else a comment: see below."""
    asked = overview.metric == BALANCED_ERROR
    if overview.classes is None or (overview.balance >= IMBALANCED and not asked):
        return None
    rows = min(overview.classes.values())
    label = next(name for name, found in overview.classes.items() if found == rows)
    share = f"class {shown_name(label)} has {percent(rows / sum(overview.classes.values()))} of the rows"
    weighing = overview.weighing
    told = f"; {weighing.told}" if weighing else ""
    if asked:
        return Choice("balanced", f"{share}; asked for: each class counts the same, in the loss and in the error{told}")
    if rows < FEWEST_TO_WEIGH:
        return Choice("balanced", f"{share}, {rows} in all: too few to weigh each as much as this would", active=False)
    if weighing and weighing.ignored:
        found = f"where rows count the same, {shown_name(weighing.hardest)} would hardly ever be found"
        return Choice("balanced", f"{share}, and {found}, so each class counts the same{told}")
    moves = "if its mistakes are worse, choose by a threshold on the probabilities, or count classes the same by this"
    return Choice("balanced", f"{share}, and each row counts the same; {moves}{told}", active=False)


def _base_error(overview: Overview) -> Choice:
    """0, to be replaced by what the best known way gets wrong."""
    return Choice(0.0, "the error of the best known way, such as a human expert; bias is measured from there")


def _primary(overview: Overview) -> Choice | None:
    """What `--metric` says."""
    return Choice(overview.metric, "asked for: what epochs and runs are compared by") if overview.metric else None


def _sizes(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{rows:,} {part}" for part, rows in parts.items())


CHOICES: dict[str, Rule] = {
    "data.source": _source,
    "data.target": _target,
    "data.task": _task,
    "data.format.header": _header,  # of text files alone, which have no sheets
    "data.format.missing": _missing,
    "data.format.sheet": _sheet,
    "data.missing_target": _missing_target,
    "data.drop": _drop,
    "data.kinds": _kinds,
    "data.max_categories": _max_categories,
    "data.group": _group,
    "data.time": _time,
    "data.split": _split,
    "data.class_weight": _class_weight,
    **RECIPE,
    "diagnosis.base_error": _base_error,
    "metrics.primary": _primary,
}
