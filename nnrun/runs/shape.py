"""The shape of a network in a line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby

ALIKE = 4  # layers of one width from which on they are counted


def network_shape(widths: Sequence[int], networks: int, members: int) -> str:
    """The widths of a network from features to outputs, equal ones counted: 64-[64×30]-10; of several 5 × 64-10.

    Members that share its body are told behind it.
    """
    first, *hidden, last = widths
    groups = [list(group) for _, group in groupby(hidden)]
    told = [[f"[{group[0]}×{len(group)}]"] if len(group) >= ALIKE else map(str, group) for group in groups]
    shape = "-".join([str(first), *chain.from_iterable(told), str(last)])
    shared = shape if members == 1 else f"{shape} shared by {members} members"
    return shared if networks == 1 else f"{networks} × {shared}"
