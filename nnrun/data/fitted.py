"""What was fitted on the data, as data.json has it: made once, and used by training, the model and prediction alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from nnrun.config.data_section import BUNDLED, Bundled
from nnrun.data.features.preprocess import Preprocessor, WrittenFeatures
from nnrun.data.features.profile import WrittenProfiles
from nnrun.data.features.target import Target, WrittenTarget
from nnrun.data.features.weights import WrittenWeights
from nnrun.data.files.reading import Reading, WrittenFormat
from nnrun.data.files.values import Floats
from nnrun.data.split import Rule
from nnrun.engine.embedding import Embedding
from nnrun.engine.metrics import Task
from nnrun.files import sealed_document
from nnrun.machine.lazily import cached_property
from nnrun.text import listed, shown_name


class WrittenFile(TypedDict):
    """A file, or a bundled set, and the part that it is the source of, or `all`."""

    part: str
    name: str
    sha256: str
    rows: int


class WrittenSplit(TypedDict):
    """How the rows were split, how many each part has, and a hash of their numbers; files of their own have no seed."""

    rule: Rule
    ratios: str | list[float] | None
    seed: int | None
    sizes: dict[str, int]
    sha256: str
    folds: NotRequired[int]  # that the rows are cut into
    fold: NotRequired[int | str]  # the one that is dev, or `all`, which are train and dev at once
    groups: NotRequired[dict[str, int]]  # that each part has, where rows come in groups


class Document(WrittenFeatures):
    """The content of data.json; early runs lack some keys."""

    source: str | dict[str, str]
    files: list[WrittenFile]
    task: Task
    target: WrittenTarget
    classes: list[str] | None
    left_out: NotRequired[list[str]]
    identifiers: NotRequired[list[str]]
    format: NotRequired[WrittenFormat]
    image: NotRequired[list[int] | None]
    weights: NotRequired[WrittenWeights | None]
    profiles: NotRequired[WrittenProfiles]
    split: WrittenSplit
    notices: list[str]


@dataclass(frozen=True)
class Fitted:
    """Each fact is taken from the document when it is asked for, so that a run whose data.json lacks some has the rest.

    Where a file may be damaged, `damage.py` beside this finds out before anything is worked out from it.
    """

    document: Document

    # the table

    @property
    def files(self) -> list[WrittenFile]:
        """The source of each part, or the one of all."""
        return self.document["files"]

    @property
    def bundled(self) -> Bundled | None:
        """What is known of the bundled set that was trained on, if it is one."""
        source = self.document["source"]
        return BUNDLED.get(source if isinstance(source, str) else source.get("train", ""))

    @property
    def reading(self) -> Reading:
        """How new files are read: columns keep their kinds, the target may be absent."""
        target, format = self.document["target"], self.document.get("format", {})
        columns, classes = self.document["columns"], None
        text = {column["name"] for column in columns if column["kind"] in ("category", "date")}
        numbers = {column["name"] for column in columns if column["kind"] == "number"}
        if self.weights and self.weights["column"]:
            numbers.add(self.weights["column"])
        if target.get("kind") == "category":
            text.add(target["name"])
            classes = frozenset(self.classes or ())
        elif self.document.get("task") == "regression":
            numbers.add(target["name"])
        return Reading(
            format.get("delimiter", "auto"),
            format.get("encoding", "auto"),
            format.get("decimal", "auto"),
            tuple(format.get("missing", ())),
            format.get("usual_decimal"),
            frozenset(text.union(self.left_out)),
            tuple(self.columns),
            target["name"],
            numbers=frozenset(numbers),
            categories=frozenset(column["name"] for column in columns if column["kind"] == "category"),
            classes=classes,
            usual_missing=format.get("usual_missing", True),
            header=format.get("header"),
            sheet=format.get("sheet"),
            units=format.get("units"),
            offsets=format.get("offsets"),
            image=None if self.left_out or not self.image else (self.image[0], self.image[1], self.image[2]),
        )

    # what a network is given

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are learned from."""
        return [column["name"] for column in self.document["columns"]]

    @property
    def left_out(self) -> list[str]:
        """Names of those that are neither learned from nor the target."""
        return self.document.get("left_out", [])

    @property
    def identifiers(self) -> list[str]:
        """Names of the columns left out that had another value in each row; in an early run all that were left out."""
        return self.document.get("identifiers", self.left_out)

    @property
    def features(self) -> list[str]:
        """Names of the n features that the columns become."""
        return self.document["features"]

    @cached_property
    def means(self) -> Floats:
        """What is taken from each feature, `(n,)` in its own unit."""
        return np.array(self.document["means"])

    @cached_property
    def deviations(self) -> Floats:
        """What each is divided by, `(n,)` in its own unit."""
        return np.array(self.document["deviations"])

    @cached_property
    def embeddings(self) -> tuple[Embedding, ...]:
        """The features that are codes, and what each becomes in a network."""
        has_one = any("embedding" in column for column in self.document["columns"])
        return self.preprocessor.embeddings if has_one else ()

    @property
    def numeric(self) -> list[int]:
        """The places of the features that are numbers or marks: of codes neither size nor distance means anything."""
        codes = {embedding.place for embedding in self.embeddings}
        return [place for place in range(len(self.features)) if place not in codes]

    @property
    def image(self) -> list[int] | None:
        """Height, width and channels where the columns are the pixels of an image."""
        return self.document.get("image")

    @property
    def pixels(self) -> list[int] | None:
        """The same where each feature is its pixel by mean and deviation: none is a mark, a code or a bent number."""
        if not self.image or self.features != self.columns or self.embeddings or not self.preprocessor.is_linear:
            return None
        return self.image

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """From rows of a table to features."""
        return Preprocessor.from_json(self.document)

    # what it is to say

    @property
    def task(self) -> Task:
        """Classification or regression."""
        return self.document["task"]

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes in order; None where the target is a number."""
        return self.document["classes"]

    @property
    def target(self) -> Target:
        """The target's name, and from its values to what the network learns."""
        target, classes = self.document["target"], self.classes
        kept = None if classes is None else tuple(classes)
        return Target(target["name"], self.task, kept, target["mean"], target["deviation"], target.get("transform"))

    # which rows, and how much they count

    @property
    def split(self) -> WrittenSplit:
        """Which rows are for what."""
        return self.document["split"]

    @property
    def fold(self) -> str:
        """`fold 2 of 5` where the rows are one of several folds; else nothing."""
        folds, fold = self.split.get("folds"), self.split.get("fold")
        if folds is None:
            return ""
        return f"all {folds} folds" if fold == "all" else f"fold {fold} of {folds}"

    @property
    def weights(self) -> WrittenWeights | None:
        """How much each row counts; None where all count alike."""
        return self.document.get("weights")

    @property
    def profiles(self) -> WrittenProfiles | None:
        """What columns and target are like in the training part; None of a run that kept nothing of it."""
        return self.document.get("profiles")

    @property
    def notices(self) -> list[str]:
        """What the user should know of the data."""
        return self.document["notices"]

    def same_rows(self, other: Fitted) -> bool:
        """Whether the rows and their parts are the same, wherever the files lie."""
        return self._rows == other._rows

    def same_files(self, other: Fitted) -> bool:
        """Whether they were read from the same rows, however these were split."""
        return self._files == other._files

    def differences(self, other: Fitted) -> Iterator[str]:
        """What a network that learned from this would misread in the other: inputs or outputs that mean something else.

        Means and deviations, knots and edges may differ, as those of other rows do; not into how many pieces a number
        is cut.
        """
        pairs = {
            "target": (self.target.name, other.target.name),
            "task": (self.task, other.task),
            "normalize": (self.preprocessor.normalize, other.preprocessor.normalize),
            "target_transform": (self.target.transform or "none", other.target.transform or "none"),
        }
        yield from (f"{what} {shown_name(old)} → {shown_name(new)}" for what, (old, new) in pairs.items() if old != new)
        names = {"features": (self._inputs, other._inputs), "classes": (self.classes or [], other.classes or [])}
        theirs = other._coded
        names |= {f"values of {name}": (own, theirs[name]) for name, own in self._coded.items() if name in theirs}
        for what, (old_names, new_names) in names.items():
            if old_names != new_names:
                yield f"{what}: {_change(old_names, new_names)}"

    @property
    def _coded(self) -> dict[str, list[str]]:
        """The values that have a row of an embedding each, by column."""
        return {column["name"]: column["vocabulary"] for column in self.document["columns"] if "embedding" in column}

    @property
    def _inputs(self) -> list[str]:
        return self.preprocessor.inputs if "bins" in self.document else self.features

    @property
    def _rows(self) -> tuple[str, dict[str, int], list[tuple[str, str, int]]]:
        return self.split["sha256"], self.split["sizes"], self._files

    @property
    def _files(self) -> list[tuple[str, str, int]]:
        return [(file["part"], file["sha256"], file["rows"]) for file in self.files]

    # as a file

    @cached_property
    def written(self) -> bytes:
        """The content of a run's data.json; the runs of a search share it."""
        return sealed_document(self.document).encode()


def _change(old: Sequence[str], new: Sequence[str]) -> str:
    """Which names are gone and which are new."""
    gone = [shown_name(name) for name in old if name not in set(new)]
    fresh = [shown_name(name) for name in new if name not in set(old)]
    told = [f"{listed(names)} {word}" for names, word in ((gone, "gone"), (fresh, "new")) if names]
    return ", ".join(told) or "in another order"
