"""What a network says of rows that are given features of other rows, at the price of what this changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nnrun.engine.evaluation import in_chunks, modes_for, of_network, pieces
from nnrun.engine.layers import Dense, Dropout, Mode
from nnrun.engine.losses import Loss
from nnrun.engine.members import Heads, Scales
from nnrun.engine.network import Bound, Network
from nnrun.engine.parameters import Array

KEPT = 1 << 28  # bytes that z of all rows may take, in the networks of one run

# (features, rows, donors) -> (which of the rows, their logits with these features of the donors), chunk by chunk
Exchanged = Callable[[Sequence[int], Array, Array], Iterator[tuple[slice, Array]]]


class Exchange:
    """A network, and rows `x (m, n)` that are given features of each other.

    Up to its first product a network only weighs features and adds them up. What each row comes to there, z, is kept;
    of a row with other values of the features S, z + (x′ − x)[S] · W[S] goes through the layers behind. Where
    embeddings look up codes first, or z would take more than KEPT, all of x′ goes through all layers.
    """

    def __init__(self, network: Network, bound: Sequence[Bound], loss: Loss, x: Array, size: int) -> None:
        """`bound` says whose numbers; so many rows go through the network at once."""
        self._network, self._loss, self._dtype, self._size = network, loss, x.dtype, size
        depth = _first_product(bound)
        if depth and _fits(bound[depth - 1], len(x) * network.members):
            self._entrance: _Product | _Features = _Product.of(network, bound[:depth], x, size)
        else:
            depth, self._entrance = 0, _Features(x)
        self._behind, self._modes = bound[depth:], list[Mode]()

    def logits(self, places: Sequence[int], rows: Array, donors: Array) -> Iterator[tuple[slice, Array]]:
        """(which, logits `(networks, some, width)`) of these rows with the features `places` of the donors.

        Both are numbers of rows of x, `(M,)`. Chunk by chunk, overwritten by a later one; members that share a body are
        pooled.
        """

        def forward(some: slice, mode: Mode) -> Array:
            entering = self._entrance.changed(places, rows[some], donors[some])
            return of_network(self._network, self._loss, self._network.forward(self._behind, entering, mode)[0])

        return in_chunks(pieces(len(rows), self._size), forward, modes_for(self._behind, self._dtype, self._modes))


class _Features(NamedTuple):
    """Rows as they come in, `(m, n)`."""

    x: Array

    def changed(self, places: Sequence[int], rows: Array, donors: Array) -> Array:
        """Rows with the features of the donors at these places, `(1, M, n)`."""
        x = self.x[rows]
        x[:, places] = self.x[donors[:, None], places]
        return x[None]


class _Product(NamedTuple):
    """Rows, and what they come to in the first product."""

    x: Array
    z: Array  # (networks, members, m, units)
    W: Array  # (networks, members, n, units), or of all members the same (networks, n, units)
    R: Array | None  # the scales of members, (networks, members, n)

    @classmethod
    def of(cls, network: Network, layers: Sequence[Bound], x: Array, size: int) -> _Product:
        """Of the layers up to it."""
        p = {name: array for layer in layers for name, array in layer.p.items()}
        z = np.empty((len(p["W"]), network.members, len(x), p["W"].shape[-1]), x.dtype)

        def forward(rows: slice, mode: Mode) -> Array:
            return network.forward(layers, x[None, rows], mode)[0]

        for rows, found in in_chunks(pieces(len(x), size), forward, modes_for(layers, x.dtype, [])):
            z[:, :, rows] = found.reshape(*z.shape[:2], -1, z.shape[-1])
        return cls(x, z, p["W"], p.get("R"))

    def changed(self, places: Sequence[int], rows: Array, donors: Array) -> Array:
        """What these rows come to with the features of the donors, shaped as the layer behind takes it."""
        z = self.z[:, :, rows]
        z += (self.x[donors[:, None], places] - self.x[rows[:, None], places]) @ self._weights(places)
        return z.reshape(*self.W.shape[:-2], -1, z.shape[-1])

    def _weights(self, places: Sequence[int]) -> Array:
        """What one of each of these features adds to each unit, `(networks, members or 1, k, units)`."""
        W = self.W[..., places, :]
        W = W if W.ndim == 4 else W[:, None]
        return W if self.R is None else W * self.R[..., places, None]


def _first_product(bound: Sequence[Bound]) -> int:
    """How many layers there are up to the first product, its own among them; 0 where one does more than weigh."""
    for depth, one in enumerate(bound, start=1):
        if isinstance(one.layer, (Dense, Heads)):
            return depth
        if not isinstance(one.layer, (Dropout, Scales)):
            return 0
    return 0


def _fits(product: Bound, rows: int) -> bool:
    W = product.p["W"]
    return bool(len(W) * rows * W.shape[-1] * W.itemsize <= KEPT)
