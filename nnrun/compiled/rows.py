"""How examples come to the compiled step, with what dropout draws for them.

Rows as they are it gathers itself, batch by batch into the same place, so that they lie in the innermost cache when
they are used; codes are looked up, and dropped, behind that (`entrance.py`). NumPy gathers what is augmented, what is
dropped at the input of a network without embeddings, and what is shuffled within blocks of a large file, group by
group. A batch of all examples needs neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

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


Group = TypeVar("Group", Integers, Batch)


class Supply(ABC, Generic[Group]):
    """What the members of a trainer are given of each group of batches."""

    gathers: ClassVar[bool]  # whether the step does so

    def __init__(self, trainer: Trainer, plan: Plan, drawn: int) -> None:
        """By its plan, of which the dropout of a group needs so many numbers."""
        members, self.batches, self.plan = len(trainer.seeds), trainer.batches, plan
        self.least = np.zeros((members, len(plan.widths)), np.uint16)  # of the input, then of each layer
        self.scale = np.ones(self.least.shape, trainer.theta.dtype)
        for layer in dropouts(trainer.network):
            self.least[:, layer.depth] = layer.least
            self.scale[:, layer.depth] = (1 / (1 - layer.rate)).reshape(-1)
        self.chance = np.empty((members, drawn), np.uint16)
        self.all: Sequence[Array] = ()  # examples
        self.room: list[int] = []  # for what is gathered of each

    def lasting(self, member: int) -> dict[int, Array]:
        """What a member is given once, by the rows of the table."""
        own = {codes.CHANCE: self.chance[member], codes.LEAST: self.least[member], codes.SCALE: self.scale[member]}
        return own | dict(zip((codes.ALL_X, codes.ALL_Y, codes.ALL_WEIGHTS), self.all, strict=False))

    @abstractmethod
    def groups(self, epoch: int) -> Iterator[tuple[Group, Integers]]:
        """The groups of epoch `epoch`, from 1; and where each batch lies in its group."""

    @abstractmethod
    def gathered(self, group: Group) -> Batch:
        """The rows of a group."""

    @abstractmethod
    def give(self, given: Given, member: int, group: Group, streams: Streams) -> None:
        """One member's part of a group, with new numbers for dropout."""

    def _draw(self, member: int, rows: int, streams: Streams) -> None:
        """New numbers for dropout of so many rows."""
        for depth, of_members in streams.items():
            units, copies = int(self.plan.widths[depth]), self.plan.members if depth else 1
            drawn = chances(of_members[member], copies * rows, units).reshape(-1)
            start = self.plan.chance[depth - 1] if depth else self.plan.entrance.masked
            self.chance[member, start : start + len(drawn)] = drawn


class Numbers(Supply[Integers]):
    """Groups are numbers of rows `(members, rows)`, which the step gathers."""

    gathers = True

    def __init__(self, trainer: Trainer, plan: Plan, drawn: int) -> None:
        super().__init__(trainer, plan, drawn)
        examples = trainer.batches.examples
        self.all = of_rows(examples, self.scale.dtype)
        self.room = [array.size // len(examples) * int(trainer.batches.sizes.max()) for array in self.all]

    def groups(self, epoch: int) -> Iterator[tuple[Integers, Integers]]:
        """The numbers of their rows, and where each batch lies."""
        return self.batches.rows_of_groups(epoch)

    def gathered(self, group: Integers) -> Batch:
        """The rows of these numbers, gathered by NumPy for an observer."""
        return self.batches.gather(group)

    def give(self, given: Given, member: int, group: Integers, streams: Streams) -> None:
        """One member's numbers of rows, and new numbers for dropout."""
        given.put(codes.ORDER, group[member])
        self._draw(member, group.shape[1], streams)


class Gathered(Supply[Batch]):
    """Groups are rows, of which NumPy also drops inputs."""

    gathers = False

    def groups(self, epoch: int) -> Iterator[tuple[Batch, Integers]]:
        """The rows of each group, and where each batch lies."""
        return self.batches.groups(epoch)

    def gathered(self, group: Batch) -> Batch:
        """The group itself."""
        return group

    def give(self, given: Given, member: int, group: Batch, streams: Streams) -> None:
        """One member's rows in the precision of the network, and new numbers for dropout."""
        dtype, x = self.scale.dtype, of_member(group[0], member)
        left = dict(streams)
        if 0 in left and self.plan.entrance.masked < 0:
            x = self._without_some(x, member, left.pop(0)[member])
        given.put(codes.X, np.ascontiguousarray(x, dtype))
        given.put(codes.Y, np.ascontiguousarray(of_member(group[1], member), dtype))
        if group[2] is not None:
            given.put(codes.ROW_WEIGHTS, np.ascontiguousarray(of_member(group[2], member), dtype))
        self._draw(member, group[0].shape[1], left)

    def _without_some(self, inputs: Array, member: int, stream: Generator) -> Array:
        """Dropout of the input."""
        kept = chances(stream, *inputs.shape)[:, : inputs.shape[1]] >= self.least[member, 0]
        return np.multiply(inputs, kept * self.scale[member, 0])


def supply_of(trainer: Trainer, plan: Plan, drawn: int) -> Supply[Any]:
    """The supply of a trainer: NumPy gathers what it augments, shuffles in blocks or drops, the step all else."""
    drops_inputs = any(layer.depth == 0 for layer in dropouts(trainer.network))
    by_step = trainer.batches.plain and not (drops_inputs and plan.entrance.masked < 0)
    return (Numbers if by_step else Gathered)(trainer, plan, drawn)


def of_rows(examples: Examples, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """Inputs, targets and weights of examples, which may be none, in this precision."""
    weights = np.empty(0) if examples.weights is None else examples.weights
    x, y, weights = (np.ascontiguousarray(array, dtype) for array in (examples.x, examples.y, weights))
    return x, y, weights


def of_member(array: Array, member: int) -> Array:
    """One member's rows; a whole batch is shared by all."""
    rows: Array = array[member if len(array) > 1 else 0]
    return rows
