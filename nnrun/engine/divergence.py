"""Where numbers that are not finite were met first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from nnrun.engine.network import Network
from nnrun.engine.parameters import Array


class Divergence(NamedTuple):
    """Where a member met numbers that are not finite, and in which layer first; which of its ensemble it is, from 0."""

    epoch: int
    step: int
    layer: str
    member: int = 0


class Watch:
    """An observer that remembers the first layer in which each of some members shows numbers that are not finite.

    `members` marks whom to watch, `(members,)`; `ignored` names layers that are not looked at, namely dropout: a
    member alone at a rate of 0 does not have the layer, and diverges in the same place as among others.
    """

    def __init__(self, members: Array, ignored: Collection[str]) -> None:
        self.layers: dict[int, str] = {}  # member -> layer
        self._members, self._ignored = members, ignored

    def __call__(self, layer: str, kind: str, array: Array) -> None:
        """Look at an output or a gradient `(members, m, width)` of a layer."""
        if layer in self._ignored:
            return
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        for member in np.flatnonzero(self._members & ~finite):
            self.layers.setdefault(int(member), layer)


def layer_lost(network: Network, vectors: Mapping[str, Array], member: int) -> str:
    """The first layer with numbers of this member that are not finite, or the output, if only its loss is not."""
    layers: set[str] = set()
    for key, vector in vectors.items():
        layout = network.state if key == "state" else network.theta
        views = layout.views(vector[member]).items()
        layers |= {name.split(".")[0] for name, view in views if not np.isfinite(view).all()}
    return next((name for name, _ in network.layers if name in layers), "output")
