"""How much each example counts: by a column of the table, by its class, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from nnrun.data.files.table import Table, suggest
from nnrun.data.files.table import numbers as read_numbers
from nnrun.data.files.values import Floats
from nnrun.errors import DataError
from nnrun.text import all_of

if TYPE_CHECKING:
    from nnrun.config.data_section import Data


BALANCED: Literal["balanced"] = "balanced"

ByClass = Literal["balanced"] | dict[str, float]


class WrittenWeights(TypedDict):
    """The weights as data.json has them: the column's name, and how much a row of each class counts.

    `rows` are those of each class in the training part, which runs of early versions lack.
    """

    column: str | None
    classes: ByClass | None
    rows: NotRequired[dict[str, int]]


def describe_weights(config: Data, classes: Sequence[str] | None) -> WrittenWeights | None:
    """The weights that the configuration asks for, a weight for each class where it names any.

    None where every example counts alike. Raises DataError for class weights that do not fit the classes.
    """
    if config.weight is None and config.class_weight is None:
        return None
    if config.class_weight is not None and classes is None:
        raise DataError("class weights need classes, and the target is a number", ("data", "class_weight"))
    by_class: ByClass | None = None
    if isinstance(config.class_weight, Mapping):
        named = {str(name): weight for name, weight in config.class_weight.items()}
        for name in named:
            if name not in (classes or ()):
                hint = suggest(name, classes or ()) or f"; the classes are {', '.join(classes or ())}"
                raise DataError(f"no class {name!r}{hint}", ("data", "class_weight"))
        by_class = {name: float(named.get(name, 1.0)) for name in classes or ()}
    elif config.class_weight is not None:
        by_class = BALANCED
    return {"column": config.weight, "classes": by_class}


def read_weights(table: Table, column: str) -> Floats:
    """The column's weights as they stand there `(m,)`; raises DataError for a cell that is no number from 0 on."""
    values = read_numbers(table, column)
    wrong = ~(values >= 0)
    if wrong.any():
        row = table.first(wrong)
        value = values[int(np.argmax(wrong))]
        found = "no value" if np.isnan(value) else f"{value:g}"
        raise DataError(
            f"{table.at_cell(row, column)}: {found} in column {column!r}, which weighs the rows; a weight is a number "
            "from 0 on, correct it or remove the row"
        )
    return values


def part_weights(
    written: WrittenWeights | None,
    whose: str,
    y: npt.NDArray[Any],
    classes: Sequence[str] | None,
    column: npt.NDArray[Any] | None,
) -> npt.NDArray[Any] | None:
    """Weights `(m,)` of a part with a mean of 1: those of the column times those of the classes.

    Balanced, every class that the part has counts alike, however many rows it has, but for what the column says of
    these. Raises DataError where all are 0, of the rows that `whose` names.
    """
    if written is None:
        return None
    weights = np.ones(len(y)) if column is None else np.array(column, np.float64)
    by_class = written["classes"]
    if by_class == BALANCED:
        counts = np.bincount(y, minlength=len(classes or ()))
        weights *= (1 / np.maximum(counts, 1))[y]
    elif by_class is not None:
        weights *= np.array([by_class[name] for name in classes or ()])[y]
    if len(weights):  # a power of two costs no bits, and their sum stays within float64
        weights = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
    mean = weights.mean()
    if not mean > 0:
        raise _nothing_counts(whose, written["column"], column)
    weights /= mean
    return weights


def _nothing_counts(whose: str, name: str | None, column: npt.NDArray[Any] | None) -> DataError:
    """By the column alone where that has nothing but zeros."""
    by = {} if column is None else {"weight": f"column {name!r}"}
    if column is None or column.any():
        by["class_weight"] = "data.class_weight"
    return DataError(f"{whose}: no row counts, as all weigh 0 by {all_of(by.values())}", ("data", next(iter(by))))


def class_factors(written: WrittenWeights | None, classes: Sequence[str] | None) -> Floats | None:
    """How much a row of each class counted in training `(classes,)`, those of a weighting column aside.

    The mean of those that counted is 1. None where all counted alike, or a run of an early version does not say how
    many there were.
    """
    by_class = written["classes"] if written else None
    if written is None or by_class is None or classes is None:
        return None
    if by_class == BALANCED:
        if "rows" not in written:
            return None
        factors = np.array([1 / max(1, written["rows"].get(name, 0)) for name in classes])
    else:
        factors = np.array([by_class[name] for name in classes])
    return np.asarray(factors / factors[factors > 0].mean())


def prior_shift(factors: Floats) -> Floats:
    """What has to be added to the logits `(classes,)` of a network that learned from rows counted by these factors.

    Its probabilities are then those of the rows as they are: p ∝ q / w (Elkan 2001, IJCAI; Saerens et al. 2002). A
    class that counted nothing was not learned, and is left where it is.
    """
    return -np.log(factors, where=factors > 0, out=np.zeros_like(factors))


ErrorKind = Literal["balanced", "weighted"]


def error_kind(written: WrittenWeights | None) -> ErrorKind | None:
    """What errors of a run are if rows do not count alike: balanced where every class counts the same."""
    if written is None or (written["column"] is None and written["classes"] is None):
        return None
    return "balanced" if written["column"] is None and written["classes"] == BALANCED else "weighted"


def effective_rows(weights: npt.NDArray[Any]) -> int:
    """Rows without weights whose mean would be as sure as that of these `(m,)`: (Σw)² / Σw² (Kish 1965)."""
    exact = weights.astype(np.float64)
    return round(float(exact.sum() ** 2 / np.square(exact).sum()))


def weight_notices(written: WrittenWeights | None) -> list[str]:
    """What the weights mean for the numbers of a run."""
    if written is None:
        return []
    found = []
    if written["column"]:
        found.append(f"column {written['column']!r} weighs the rows, it is no feature; losses and errors are weighted")
    by_class = written["classes"]
    if by_class == BALANCED and written["column"]:
        found.append("what a row weighs is divided by the rows of its class, however much these weigh")
    elif by_class == BALANCED:
        found.append("losses and errors count every class alike, however many rows it has")
    elif by_class:
        shown = ", ".join(f"{name} {weight:g}" for name, weight in by_class.items())
        found.append(f"losses and errors count a row by its class: {shown}")
    return found
