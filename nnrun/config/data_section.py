"""The section `data`: where data comes from, which columns, parts and weights, and how text files are written.

A source is one of the bundled sets, or a path, made absolute from where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, Tag, model_validator

from nnrun.config.constraints import Bounds, Complaint, OneOf, Section, by_kind, complain, key, kind_tag
from nnrun.config.schema import NonNegative
from nnrun.config.text_format import Format
from nnrun.config.values import Tree
from nnrun.installation import at_home
from nnrun.text import closest, shown

DOWNLOAD = "nnrun reads files: download it first, then name the file"


@dataclass(frozen=True)
class Bundled:
    """What is known of a data set in nnrun/data/bundled."""

    target: str  # the column's name
    about: str
    image: tuple[int, int, int] | None = None  # height, width, channels where the rows are images
    not_mirrored: str | None = None  # why a mirrored image is of another class


BUNDLED = {
    "digits": Bundled(
        "digit",
        "which digit? Scans of 8 × 8 pixels, brightness 0 to 16",
        image=(8, 8, 1),
        not_mirrored="a mirrored 2 is no 2",
    ),
    "breast_cancer": Bundled("target", "malignant or benign? Measurements of cell nuclei"),
    "wine": Bundled("target", "which of three growers? A chemical analysis"),
    "iris": Bundled("target", "which of three species? Leaves of irises, measured"),
    "diabetes": Bundled("target", "how far will the disease be in a year? Patients' blood and build"),
    "moons": Bundled("class", "upper or lower? Two half moons in a plane, by a formula with noise"),
    "circles": Bundled("class", "inner or outer? A circle around another, by a formula with noise"),
    "spirals": Bundled("class", "which arm of a spiral? Three of them in a plane, by a formula with noise"),
    "turned_spirals": Bundled("class", "the spirals as an instrument sees them that has slipped by 25 degrees"),
    "blobs": Bundled("class", "which cloud? Five of them in a plane, by a formula with noise"),
    "temperatures": Bundled("temperature", "how warm is a day of the year? By a formula with noise"),
}


def meant_bundled(word: str) -> str | None:
    """The bundled data set that a bare word such as `digts` is a misspelling of, if any."""
    if word in BUNDLED or "/" in word or "." in word:
        return None
    return closest(word, BUNDLED, cutoff=0.7)


def is_address(text: str) -> bool:
    """Whether it is one of the web or a store, such as https://…, also where a path has been made of it."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/", text) is not None


def _a_source(text: str) -> str:
    if not text or "\0" in text:
        raise complain(((), "must name a bundled data set or a file"))
    if is_address(text):
        raise complain(((), f"{shown(text)} is an address; {DOWNLOAD}"))
    if meant := meant_bundled(text):
        raise complain(((), f"no data set {text!r}; did you mean {meant}? (for a file of that name write ./{text})"))
    return text


SourceText = Annotated[str, AfterValidator(_a_source)]


def absolute(text: str, folder: Path) -> str:
    """The absolute path of a data file; bundled names, and what looks like a misspelled one, stay as they are."""
    if text in BUNDLED or not text or "\0" in text or is_address(text):
        return text
    if meant_bundled(text) and not (folder / text).exists():
        return text
    path = at_home(text) if text.startswith("~/") else folder / text
    return str(path.parent.resolve() / path.name)  # a link to a file keeps its name, which tells the format


def with_absolute_sources(values: Tree, folder: Path) -> Tree:
    """A copy of a file's values in which `data.source` holds absolute paths; anything malformed is left alone."""
    data = values.get("data")
    if not isinstance(data, dict) or "source" not in data:
        return values
    return {**values, "data": {**data, "source": absolute_source(data["source"], folder)}}


def absolute_source(source: Any, folder: Path) -> Any:
    """The value of `data.source`, or of one of its parts, with absolute paths."""
    if isinstance(source, dict):
        return {part: absolute_source(path, folder) for part, path in source.items()}
    return absolute(source, folder) if isinstance(source, str) else source


def _by_text(named: dict[Any, Any]) -> dict[str, Any]:
    """Names that YAML may have read as numbers, as the cells and the head of a table have them."""
    texts = [str(name) for name in named]
    if twice := next((text for text in texts if texts.count(text) > 1), None):
        raise complain(((twice,), "is given twice, with and without quotes"))
    return dict(zip(texts, named.values(), strict=True))


Columns = Annotated[tuple[str, ...], Strict(False)]
ClassWeights = Annotated[
    dict[str | int | bool, NonNegative],
    AfterValidator(_by_text),
]


def _three(parts: Any) -> Any:
    if isinstance(parts, (list, tuple)) and len(parts) != 3:
        raise complain(((), f"expected three fractions [train, dev, test], got {len(parts)}"))
    return parts


def _fractions(parts: tuple[float, float, float]) -> tuple[float, float, float]:
    train, dev, _ = parts
    if min(train, dev) <= 0:
        raise complain(((), f"the train and dev fractions must be above 0, got {list(parts)}"))
    if abs(sum(parts) - 1) > 1e-6:
        raise complain(((), f"the fractions [train, dev, test] must add up to 1, got {sum(parts):g}"))
    return parts


Fraction = Annotated[float, Bounds(ge=0, le=1)]
Fractions = Annotated[
    tuple[Fraction, Fraction, Fraction], Strict(False), BeforeValidator(_three), AfterValidator(_fractions)
]


Declared = Literal["number", "category", "boolean", "date", "text", "drop"]
Kinds = Annotated[
    dict[str | int, Annotated[Declared, OneOf()]],
    AfterValidator(_by_text),
]
_Count = Annotated[int, Bounds(ge=1)]


class Parts(Section):
    """A file or a bundled set for each part of the data."""

    train: SourceText = Field(description="file with the training examples")
    dev: SourceText | None = key(None, "file with the development examples; null = data.folds cuts them out of train")
    test: SourceText | None = key(None, "file with the test examples; null = no test set")
    train_dev: SourceText | None = key(
        None, "file with rows like those of train that are not trained on: they tell variance from data mismatch"
    )


class Data(Section):
    """Where the examples come from and how they are split and scaled."""

    source: Annotated[
        Annotated[SourceText, Tag(kind_tag("text"))] | Annotated[Parts, Tag(kind_tag("mapping"))],
        by_kind("a bundled name, a path or a mapping of train, dev and test"),
    ] = key("digits", f"a bundled data set ({', '.join(BUNDLED)}), a file, or {{train, dev, test}} with one a part")
    target: str | None = key(None, "column to predict; null = the source's own")
    task: Annotated[Literal["auto", "classification", "regression"], OneOf()] = key("auto", "what the target is")
    target_transform: Annotated[Literal["none", "log"], OneOf()] = key(
        "none",
        "log = learn the logarithm of a target of positive numbers with a long tail, and undo it in what is said",
    )
    split: Annotated[
        Annotated[Literal["auto"], OneOf(also="a list of three fractions"), Tag(kind_tag("text"))]
        | Annotated[Fractions, Tag(kind_tag("list"))],
        by_kind("auto or a list of three fractions"),
    ] = key("auto", "fractions [train, dev, test]; auto = 60/20/20, less for dev and test on big data")
    train_dev: Annotated[float, Bounds(gt=0, lt=1)] | None = key(
        None,
        "share of the training rows, such as 0.05, that is only measured: where dev comes from elsewhere, it tells "
        "variance from data mismatch",
    )
    split_seed: Annotated[int, Bounds(ge=0)] = key(0, "seed of the split, apart from the run's")
    folds: Annotated[int, Bounds(ge=2)] | None = key(
        None,
        "train so many networks, each with another fold of the rows as its dev part; by split auto no row is test then",
    )
    fold: (
        Annotated[
            Annotated[Literal["all"], OneOf(also="a whole number"), Tag(kind_tag("text"))]
            | Annotated[_Count, Tag(kind_tag("whole number"))],
            by_kind("all or a whole number"),
        ]
        | None
    ) = key(None, "train one of the folds alone, from 1 on; all = one network on the rows of all, without a dev set")
    normalize: Annotated[Literal["standard", "robust", "quantile", "none"], OneOf()] = key(
        "standard", "how numbers are scaled, by the training part; one-hot and missing-value indicators stay 0 or 1"
    )
    encode_numbers: Annotated[Literal["plain", "piecewise", "piecewise_tree"], OneOf()] = key(
        "plain", "piecewise = cut a number into up to 48 inputs, by quantiles; piecewise_tree = where a tree splits"
    )
    group: str | None = key(None, "column whose equal values stay in one part")
    time: str | None = key(None, "column to split by: the oldest rows train, the newest test")
    drop: Columns = key([], "columns to leave out")
    kinds: Kinds = key(
        {}, "column to number, category, boolean, date, text or drop, where it is not what its cells look like"
    )
    encode_categories: Annotated[Literal["onehot", "embedding", "auto"], OneOf()] = key(
        "onehot", "embedding = each value learns a few numbers; auto = where more than max_categories are not rare"
    )
    max_categories: _Count = key(100, "values of a category with a feature of their own; the others share one")
    rare_below: Annotated[
        Annotated[Literal["auto"], OneOf(also="a whole number"), Tag(kind_tag("text"))]
        | Annotated[_Count, Tag(kind_tag("whole number"))],
        by_kind("auto or a whole number"),
    ] = key("auto", "training rows below which a value has none; auto = 5, and 0.1%, in columns of more than 30 values")
    missing_target: Annotated[Literal["error", "drop"], OneOf()] = key(
        "error", "what to do with rows whose target is missing; drop = leave them out, and say how many"
    )
    format: Format = key(Format(), "how text files are written, and the sheet of a workbook")
    class_weight: (
        Annotated[
            Annotated[Literal["balanced"], OneOf(also="a mapping of class to weight"), Tag(kind_tag("text"))]
            | Annotated[ClassWeights, Tag(kind_tag("mapping"))],
            by_kind("balanced or a mapping of class to weight"),
        ]
        | None
    ) = key(None, "balanced = every class counts alike; or {class: weight}, 1 for the others")
    correct_prior: bool = key(
        True,
        "with class weights: whether predict, evaluate and export give probabilities as they are in the data, not in "
        "the weighted rows; the predicted class goes by the weights either way",
    )
    weight: str | None = key(None, "column that says how much each row counts, from 0 on")

    @property
    def declared(self) -> dict[str, Declared]:
        """What the configuration says that columns are; those of `drop` are to be dropped."""
        return {str(name): kind for name, kind in self.kinds.items()} | dict.fromkeys(self.drop, "drop")

    @model_validator(mode="after")
    def _no_contradictions(self) -> Data:
        found = [*self._about_folds(), *self._about_train_dev()]
        if self.task == "regression" and self.class_weight is not None:
            found.append((("class_weight",), "needs classes, and data.task is regression; remove it"))
        if self.task == "classification" and self.target_transform != "none":
            found.append((("target_transform",), "needs numbers, and data.task is classification; remove it"))
        if isinstance(self.source, Parts):
            cut = {} if self.folds else {"group": self.group, "time": self.time}
            splits = {**cut, "split": None if self.split == "auto" else self.split}
            written = [name for name, value in splits.items() if value is not None]
            found += [((name,), "has no meaning with a file for each part; remove it") for name in written]
        if self.group is not None and self.time is not None and not {("group",), ("time",)} & {at for at, _ in found}:
            found.append((("time",), "group and time exclude each other; remove one"))
        if found:
            raise complain(*found)
        return self

    def _about_folds(self) -> Iterator[Complaint]:
        if self.fold is not None and self.folds is None:
            yield ("fold",), "needs data.folds, the number of them"
        elif isinstance(self.fold, int) and self.fold > (self.folds or 0):
            yield ("fold",), f"there are {self.folds} folds, got {self.fold}"
        if not isinstance(self.source, Parts):
            return
        if self.folds is None and self.source.dev is None:
            yield ("source",), "dev is missing; data.folds: 5 does without, as each fifth of train is dev in turn"
        elif self.folds is not None and self.source.dev is not None:
            yield ("source", "dev"), "with data.folds each row of the training file is dev once; remove one of the two"

    def _about_train_dev(self) -> Iterator[Complaint]:
        named = isinstance(self.source, Parts) and self.source.train_dev is not None
        if self.train_dev is None and not named:
            return
        at = ("source", "train_dev") if named else ("train_dev",)
        if self.folds is not None:
            yield at, "has no meaning with data.folds, each of which is dev to the others; remove one of the two"
        elif named and self.train_dev is not None:
            yield ("train_dev",), "has no meaning where source has a file for it; remove one of the two"

    @property
    def in_folds(self) -> bool:
        """Whether to train means to train each of the folds."""
        return self.folds is not None and self.fold is None

    @property
    def without_dev(self) -> bool:
        """Whether all rows train, so that none are left to judge or to choose by: dev is the training part again."""
        return self.fold == "all"
