"""The layer that turns codes into learned rows of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.engine.layers import Backward, Mode
from nnrun.engine.parameters import Array, Shape, Views
from nnrun.machine.lazily import cached_property

DEVIATION = 0.01  # of the numbers that training begins with


class Embedding(NamedTuple):
    """A feature that is a code, and how many codes there are; each becomes a learned row of so many numbers."""

    place: int  # among the features
    rows: int
    size: int


@dataclass(frozen=True)
class Embed:
    """Codes become rows of learned matrices E0, E1, … (Guo & Berkhahn 2016), behind the features that are numbers.

    Stands first: codes are looked up as they come in, so there is no dL/dx.
    """

    n_in: int  # features, codes among them
    embeddings: Sequence[Embedding]

    @cached_property
    def plain(self) -> NDArray[np.int64]:
        """Which features are numbers."""
        return np.delete(np.arange(self.n_in), [embedding.place for embedding in self.embeddings])

    def width(self, n_in: int) -> int:
        """As many as come in, but for each code the numbers that it becomes."""
        return n_in + sum(embedding.size - 1 for embedding in self.embeddings)

    def parameters(self, n_in: int) -> dict[str, Shape]:
        """A matrix `(rows, size)` for each embedding; no weights, as what is rare is not to be pulled to 0."""
        return {f"E{k}": (embedding.rows, embedding.size) for k, embedding in enumerate(self.embeddings)}

    def state(self, n_in: int) -> dict[str, Shape]:
        """Nothing."""
        return {}

    def draw(self, p: Views, random: Generator) -> None:
        """Row 0, of values that training has not seen, is 0; the others begin close to it.

        Where they begin at the size of a number, rows that few examples move are learned by heart.
        """
        for k, (_, rows, size) in enumerate(self.embeddings):
            p[f"E{k}"][1:] = DEVIATION * random.standard_normal((rows - 1, size))

    def forward(self, p: Views, s: Views, x: Array, mode: Mode) -> tuple[Array, Backward]:
        """Members come from the matrices, so one batch may serve all of them; a row's gradient is the sum of its own.

        The sums are added in the order of the batch, so they are the same alone and among others.
        """
        members, m = p["E0"].shape[:-2], x.shape[-2]
        y = mode.buffers.take((*members, m, self.width(self.n_in)))
        y[..., : len(self.plain)] = x[..., self.plain]
        places = [(f"E{k}", x[..., e.place].astype(np.intp).reshape(-1, m)) for k, e in enumerate(self.embeddings)]
        columns = self._columns()
        for (name, codes), part in zip(places, columns, strict=True):
            E = p[name].reshape(-1, *p[name].shape[-2:])
            y[..., part] = E[np.arange(len(E))[:, None], codes].reshape(*members, m, -1)

        def backward(dy: Array, g: Views) -> None:
            for (name, codes), part in zip(places, columns, strict=True):
                gradients = g[name].reshape(-1, *g[name].shape[-2:])
                arriving = dy[..., part].reshape(len(gradients), m, -1)
                shared = np.broadcast_to(codes, (len(gradients), m))
                for gradient, own, rows in zip(gradients, arriving, shared, strict=True):
                    _add_by_row(own, rows, gradient)

        return y, backward

    def _columns(self) -> list[slice]:
        """Where the numbers of each embedding stand."""
        ends = np.cumsum([len(self.plain), *(embedding.size for embedding in self.embeddings)]).tolist()
        return [slice(start, stop) for start, stop in pairwise(ends)]


def _add_by_row(values: Array, rows: NDArray[np.intp], out: Array) -> None:
    """Σ of the values `(m, size)` that belong to each row of `out (rows, size)`, which is 0 where none does."""
    order = np.argsort(rows, kind="stable")
    in_order = rows[order]
    starts = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
    out.fill(0)
    out[in_order[starts]] = np.add.reduceat(values[order], starts, axis=0)
