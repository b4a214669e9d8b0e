"""How examples come to the compiled step, with what dropout draws for them.

Rows as they are it gathers itself, batch by batch into the same place, so that they lie in the innermost cache when
they are used; codes are looked up, and dropped, behind that (`entrance.py`). NumPy gathers what is augmented, what is
dropped at the input of a network without embeddings, and what is shuffled within blocks of a large file, group by
group. A batch of all examples needs neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.compiled import codes
from nnrun.compiled.codes import Plan
from nnrun.compiled.planning import dropouts
from nnrun.compiled.turns import Given
from nnrun.engine.batches import Batch
from nnrun.engine.evaluation import Examples
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import chances
from nnrun.engine.trainer import Trainer

Integers = NDArray[np.int64]
Streams = Mapping[int, Sequence[Generator]]  # of dropout, by depth, one a member


class Supply:
    """What the members of a trainer are given of each group of batches."""

    def __init__(self, trainer: Trainer, plan: Plan, drawn: int) -> None:
        """By its plan, of which the dropout of a group needs so many numbers."""
        members, self.batches, self.plan = len(trainer.seeds), trainer.batches, plan
        self.least = np.zeros((members, len(plan.widths)), np.uint16)  # of the input, then of each layer
        self.scale = np.ones(self.least.shape, trainer.theta.dtype)
        for layer in dropouts(trainer.network):
            self.least[:, layer.depth] = layer.least
            self.scale[:, layer.depth] = (1 / (1 - layer.rate)).reshape(-1)
        self.chance = np.empty((members, drawn), np.uint16)
        drops_inputs = any(layer.depth == 0 for layer in dropouts(trainer.network))
        self.dropped_by_numpy = drops_inputs and plan.entrance.masked < 0
        examples = trainer.batches.examples
        self.gathers = trainer.batches.plain and not self.dropped_by_numpy
        self.all = of_rows(examples, self.scale.dtype) if self.gathers else ()
        self.room = [array.size // len(examples) * int(trainer.batches.sizes.max()) for array in self.all]

    def lasting(self, member: int) -> dict[int, Array]:
        """What a member is given once, by the rows of the table."""
        own = {codes.CHANCE: self.chance[member], codes.LEAST: self.least[member], codes.SCALE: self.scale[member]}
        return own | dict(zip((codes.ALL_X, codes.ALL_Y, codes.ALL_WEIGHTS), self.all, strict=False))

    def groups(self, epoch: int) -> Iterator[tuple[Integers | Batch, Integers]]:
        """Of epoch `epoch`, from 1: numbers of rows `(members, rows)`, or the rows; and where each batch lies in it."""
        return self.batches.rows_of_groups(epoch) if self.gathers else self.batches.groups(epoch)

    def gathered(self, group: Integers | Batch) -> Batch:
        """The rows of a group."""
        return self.batches.gather(group) if isinstance(group, np.ndarray) else group

    def give(self, given: Given, member: int, group: Integers | Batch, streams: Streams) -> None:
        """One member's part of a group, with new numbers for dropout."""
        if isinstance(group, np.ndarray):
            rows = group.shape[1]
            given.put(codes.ORDER, group[member])
        else:
            rows = group[0].shape[1]
            self._give_rows(given, member, group, streams)
        for depth, of_members in streams.items():
            if depth or not self.dropped_by_numpy:
                units, copies = int(self.plan.widths[depth]), self.plan.members if depth else 1
                drawn = chances(of_members[member], copies * rows, units).reshape(-1)
                start = self.plan.chance[depth - 1] if depth else self.plan.entrance.masked
                self.chance[member, start : start + len(drawn)] = drawn

    def _give_rows(self, given: Given, member: int, batch: Batch, streams: Streams) -> None:
        dtype, x = self.scale.dtype, of_member(batch[0], member)
        if self.dropped_by_numpy:
            x = self._without_some(x, member, streams[0][member])
        given.put(codes.X, np.ascontiguousarray(x, dtype))
        given.put(codes.Y, np.ascontiguousarray(of_member(batch[1], member), dtype))
        if batch[2] is not None:
            given.put(codes.ROW_WEIGHTS, np.ascontiguousarray(of_member(batch[2], member), dtype))

    def _without_some(self, inputs: Array, member: int, stream: Generator) -> Array:
        """Dropout of the input."""
        kept = chances(stream, *inputs.shape)[:, : inputs.shape[1]] >= self.least[member, 0]
        return np.multiply(inputs, kept * self.scale[member, 0])


def of_rows(examples: Examples, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Inputs, targets and weights of examples, which may be none, in this precision."""
    weights = np.empty(0) if examples.weights is None else examples.weights
    x, y, weights = (np.ascontiguousarray(array, dtype) for array in (examples.x, examples.y, weights))
    return x, y, weights


def of_member(array: Array, member: int) -> Array:
    """One member's rows; a whole batch is shared by all."""
    rows: Array = array[member if len(array) > 1 else 0]
    return rows
