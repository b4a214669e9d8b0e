"""From columns to one matrix, and from the target to classes or numbers; what is learned for it is plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np

from nnrun.data.features.columns import Column, WrittenColumn
from nnrun.data.features.learner import Learner
from nnrun.data.features.numbers import (
    Curve,
    EncodeNumbers,
    Encoder,
    Goal,
    Normalize,
    Pieces,
    WrittenEncoders,
    encoder_of,
    read,
    robust_scale,
    smoothed,
    unsmoothed,
    written,
)
from nnrun.data.features.target import Target
from nnrun.data.files.table import Table
from nnrun.data.files.values import Floats
from nnrun.engine.embedding import Embedding
from nnrun.errors import DataError
from nnrun.machine.lazily import cached_property


class WrittenFeatures(WrittenEncoders):
    """The features as data.json has them: the columns, and the name, mean and deviation of each of n features.

    A robust feature has its median and its scale there; one from a curve or a piece has 0 and 1.
    """

    normalize: Normalize
    columns: list[WrittenColumn]
    features: list[str]
    means: list[float]
    deviations: list[float]


@dataclass(frozen=True)
class Preprocessor:
    """Columns, then what each number that they become is made of: a curve, pieces, or a shift and a scale.

    `encoders` are the curves and pieces, by the place of the number among those that the columns become.
    """

    columns: tuple[Column, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    normalize: Normalize = "standard"
    encoders: tuple[tuple[int, Encoder], ...] = ()

    @classmethod
    def learned(cls, learners: Sequence[Learner], normalize: Normalize) -> Preprocessor:
        """What was learned from the training rows; `standard` gives numbers and dates mean 0 and deviation 1 there."""
        columns = tuple(learner.column for learner in learners)
        plain = [(0.0, 1.0)] * sum(len(column.features) for column in columns)
        scales = [pair for learner in learners for pair in learner.scales] if normalize == "standard" else plain
        return cls(columns, tuple(mean for mean, _ in scales), tuple(scale for _, scale in scales), normalize)

    def encoded(self, rows: Table, target: Target, encode: EncodeNumbers) -> Preprocessor:
        """With the curves, pieces and robust scales that the values of these rows ask for; gaps are no values.

        Raises DataError where a number has the name of another, by which they would be told apart.
        """
        if twice := [name for name, times in Counter(self._names).items() if times > 1]:
            raise DataError(f"{rows.at_header()}: two features would be called {twice[0]!r}; rename a column")
        gaps = tuple(replace(column, fills=(np.nan,) * len(column.fills)) for column in self.columns)
        raw, encoders = replace(self, columns=gaps)._raw(rows), dict[int, Encoder]()
        # Rounded, so that a tree does not see the last bits of the target's mean, which pieces of the data change.
        goal = Goal(np.round(target.encode(rows, "float64"), 9), target.classes is not None)
        scales: list[tuple[float, float]] = []
        for place, (column, mark) in enumerate(self._sources):
            there, pair = ~np.isnan(raw[:, place]), (self.means[place], self.deviations[place])
            values, width = raw[there, place], 1
            cut: EncodeNumbers = encode if column.kind == "number" else "plain"
            if not mark and (encoder := encoder_of(values, goal.of(there), self.normalize, cut)):
                encoders[place], width, pair = encoder, encoder.width, (0.0, 1.0)
            elif not mark and self.normalize == "robust":
                pair = robust_scale(values)
            scales += [pair] * width
        means, deviations = (tuple(one) for one in zip(*scales, strict=True))
        return replace(self, means=means, deviations=deviations, encoders=tuple(encoders.items()))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.owners)

    @property
    def features(self) -> list[str]:
        """Names of the features, in the order of the matrix's columns."""
        found = []
        for place, name in enumerate(self._names):
            encoder = self._encoder.get(place)
            found += encoder.names(name) if isinstance(encoder, Pieces) else [name]
        return found

    @property
    def inputs(self) -> list[str]:
        """The numbers that the columns become, and into how many pieces each is cut."""
        widths = [self._width(place) for place in range(len(self._sources))]
        named = zip(self._names, widths, strict=True)
        return [name if width == 1 else f"{name} in {width} pieces" for name, width in named]

    @cached_property
    def owners(self) -> tuple[Column, ...]:
        """The column that each feature comes from."""
        return tuple(column for place, (column, _) in enumerate(self._sources) for _ in range(self._width(place)))

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Where the features of each column stand, by its name."""
        found: dict[str, list[int]] = {column.name: [] for column in self.columns}
        for place, owner in enumerate(self.owners):
            found[owner.name].append(place)
        return found

    @property
    def is_linear(self) -> bool:
        """Whether each feature is its number less the mean, divided by the deviation."""
        return self.normalize in ("standard", "none") and not self.encoders

    @property
    def embeddings(self) -> tuple[Embedding, ...]:
        """The features that are codes, and what each becomes in a network."""
        owners = enumerate(self.owners)
        return tuple(Embedding(k, own.rows, own.embedding) for k, own in owners if own.embedding is not None)

    def transform(self, table: Table) -> Floats:
        """The features as float64 `(m, n)`; the table needs the fitted columns, in any order, and may have more.

        Numbers at the very end of float64's range may come out infinite. Raises DataError for a cell that is no
        finite number in a column of numbers.
        """
        out = self._raw(table)
        if self.encoders:
            out = self._in_encoders(out)
        with np.errstate(over="ignore", invalid="ignore"):
            out -= np.array(self.means)
            out /= np.array(self.deviations)
        for place in self.smooth:
            out[:, place] = smoothed(out[:, place])
        return out

    def own_units(self, x: Floats) -> Floats:
        """From features `(…, n)` back to numbers in their own units; pieces stay as they are."""
        out: Floats = np.array(x, dtype=np.float64)
        for place in self.smooth:
            out[..., place] = unsmoothed(out[..., place])
        out = out * np.array(self.deviations) + np.array(self.means)
        for place, features in enumerate(self.spans):
            encoder = self._encoder.get(place)
            if isinstance(encoder, Curve):
                out[..., features] = encoder.values(out[..., features])
        return out

    def _raw(self, table: Table) -> Floats:
        """The numbers that the columns become, as they are."""
        out = np.zeros((len(self._sources), len(table))).T  # columns are written as they lie, one after the other
        start = 0
        for column in self.columns:
            stop = start + len(column.features)
            column.write(table, out[:, start:stop])
            start = stop
        return out

    def _in_encoders(self, raw: Floats) -> Floats:
        out = np.empty((self.n_features, len(raw))).T
        for place, features in enumerate(self.spans):
            encoder, values = self._encoder.get(place), raw[:, place]
            out[:, features] = (encoder.inputs(values) if encoder else values).reshape(len(raw), -1)
        return out

    @cached_property
    def _sources(self) -> list[tuple[Column, bool]]:
        """The column of each number that the columns become, and whether it is a mark."""
        return [(column, mark) for column in self.columns for mark in column.marks]

    @property
    def _names(self) -> list[str]:
        return [feature for column in self.columns for feature in column.features]

    @cached_property
    def spans(self) -> list[slice]:
        """Where the features of each number that the columns become stand."""
        ends = accumulate((self._width(place) for place in range(len(self._sources))), initial=0)
        return [slice(start, stop) for start, stop in pairwise(ends)]

    @cached_property
    def _encoder(self) -> dict[int, Encoder]:
        return dict(self.encoders)

    def _width(self, place: int) -> int:
        return self._encoder[place].width if place in self._encoder else 1

    @cached_property
    def smooth(self) -> list[int]:
        """The features that are robust."""
        if self.normalize != "robust":
            return []
        numbers = [
            not mark and place not in self._encoder
            for place, (_, mark) in enumerate(self._sources)
            for _ in range(self._width(place))
        ]
        return [place for place, smooth in enumerate(numbers) if smooth]

    def to_json(self) -> WrittenFeatures:
        """Plain data."""
        names = self._names
        return {
            "normalize": self.normalize,
            "columns": [column.to_json() for column in self.columns],
            "features": self.features,
            "means": list(self.means),
            "deviations": list(self.deviations),
            **written({names[place]: encoder for place, encoder in self.encoders}),
        }

    @classmethod
    def from_json(cls, found: WrittenFeatures) -> Preprocessor:
        """The inverse of `to_json`."""
        columns = tuple(Column.from_json(column) for column in found["columns"])
        means, deviations = tuple(found["means"]), tuple(found["deviations"])
        bare = cls(columns, means, deviations, found.get("normalize", "standard"))
        places = {name: place for place, name in enumerate(bare._names)}
        return replace(bare, encoders=tuple((places[name], encoder) for name, encoder in read(found).items()))
