"""The compiled engine: whole groups of batches in one call, or piece by piece in a team of threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.compiled import machine_code
from nnrun.compiled.kernels import Rows
from nnrun.compiled.planning import constants_of, dropouts, plan_of, vectors_of
from nnrun.compiled.together import COUNTS
from nnrun.compiled.updating import SUMS
from nnrun.compiled.work import work
from nnrun.engine.batches import Batch
from nnrun.engine.network import Observer
from nnrun.engine.parameters import Array, empty
from nnrun.engine.randomness import chances
from nnrun.engine.trainer import Trainer
from nnrun.machine import threads

Integers = NDArray[np.int64]
Streams = Mapping[int, Sequence[Generator]]  # of dropout, by depth, one a member


class CompiledSteps:
    """Trains through the epochs of one trainer; active members take turns, each with the bits it would have alone."""

    def __init__(self, trainer: Trainer) -> None:
        network, members, dtype = trainer.network, len(trainer.seeds), trainer.theta.dtype
        self.run = machine_code.load(dtype)
        self.plan, numbers, numbers_drawn = plan_of(trainer)
        self.work = work(
            self.plan.widths.tolist(),
            int(trainer.batches.sizes.max()),
            network.theta.size,
            network.n_weights,
            self.plan.clipped,
        )
        memory, squares = empty((numbers,), dtype), np.zeros(SUMS * len(self.work.pieces))
        self.vectors = [vectors_of(trainer, k, memory, squares) for k in range(members)]
        self.least = np.zeros((members, len(self.plan.widths)), np.uint16)  # of the input, then of each layer
        self.scale = np.ones(self.least.shape, dtype)
        for layer in dropouts(network):
            self.least[:, layer.depth] = layer.least
            self.scale[:, layer.depth] = (1 / (1 - layer.rate)).reshape(-1)
        self.chance = np.empty((members, numbers_drawn), np.uint16)
        self.without_weights = np.empty(0, dtype)
        self.inputs: dict[int, Array] = {}  # by member, kept alive while compiled code has their address

    def __call__(self, trainer: Trainer, see: Observer | None) -> Iterator[int]:
        """The engine: yields after each group, or after each step of which NumPy's pass was shown to an observer."""
        constants, streams, done = constants_of(trainer.optimizer), trainer.dropout_streams(), 0
        for batch, spans in trainer.batches.groups(trainer.epoch + 1):
            rows = {k: self._rows(k, batch, streams) for k in map(int, np.flatnonzero(trainer.active))}
            count = len(spans)
            now = constants[:, done : done + count]
            for first, last in zip(range(count), range(1, count + 1), strict=True) if see else [(0, count)]:
                if see:
                    show(trainer, batch, spans[first], see)
                for k, own in rows.items():
                    self._train(k, own, now[k, first:last], spans[first:last])
                yield done + last
            done += count

    def _train(self, member: int, rows: Rows, constants: Array, spans: Integers) -> None:
        """Some steps of one member, by as many threads as can share them."""
        given = (self.plan, self.vectors[member], rows, constants, spans, self.work.pieces)
        counts = np.zeros(COUNTS, np.int64)
        threads.share(lambda _: self.run(*given, counts), range(min(self.work.threads, threads.count())))

    def _rows(self, member: int, batch: Batch, streams: Streams) -> Rows:
        """One member's part of a group, with new numbers for dropout."""
        x, y = of_member(batch[0], member), of_member(batch[1], member)
        weights = self.without_weights if batch[2] is None else of_member(batch[2], member)
        if 0 in streams:
            x = self._without_some(x, member, streams[0][member])
        x = self.inputs[member] = np.ascontiguousarray(x, self.scale.dtype)
        for depth, of_members in streams.items():
            if depth:
                drawn = chances(of_members[member], len(x), int(self.plan.widths[depth])).reshape(-1)
                start = self.plan.chance[depth - 1]
                self.chance[member, start : start + len(drawn)] = drawn
        y, weights = flat(np.asarray(y, x.dtype)), flat(weights)
        own = (self.chance[member], self.least[member, 1:], self.scale[member, 1:])
        return Rows(x.ctypes.data, y, weights, *own)

    def _without_some(self, inputs: Array, member: int, stream: Generator) -> Array:
        """Dropout of the input."""
        kept = chances(stream, *inputs.shape)[:, : inputs.shape[1]] >= self.least[member, 0]
        return np.multiply(inputs, kept * self.scale[member, 0])


def of_member(array: Array, member: int) -> Array:
    """One member's rows; a whole batch is shared by all."""
    rows: Array = array[member if len(array) > 1 else 0]
    return rows


def flat(array: Array) -> Array:
    """The numbers one behind the other, in memory that may be written to, which compiled code asks for."""
    writable: Array = array if array.flags.carray else array.copy()
    return writable.reshape(-1)


def show(trainer: Trainer, batch: Batch, span: Integers, see: Observer) -> None:
    """Show an observer NumPy's pass over a batch, which leaves nothing behind but a gradient."""
    state, part = trainer.state.copy(), slice(*span)
    x, y, weights = batch
    targets = trainer.recipe.loss.targets(y[:, part], x.dtype)
    trainer.differentiate((x[:, part], targets, None if weights is None else weights[:, part]), see)
    np.copyto(trainer.state, state)


def gradient_of(trainer: Trainer) -> Array:
    """The gradient of the cost, with its penalties, in the last batch of the next epoch, `(members, size)`.

    Steps of length 0 that neither clip nor decay leave it behind; the trainer stays as it is.
    """
    h = trainer.recipe.hyperparameters
    zero = np.zeros_like(h.learning_rate)
    still = replace(h, learning_rate=zero, weight_decay=zero, clip_norm=zero + np.inf)
    train = trainer.batches.examples
    standing = Trainer(
        replace(trainer.recipe, optimizer="sgd", hyperparameters=still),
        train, train.take(slice(2)), trainer.seeds, CompiledSteps,
    )  # fmt: skip
    np.copyto(standing.theta, trainer.theta)
    np.copyto(standing.state, trainer.state)
    standing.epoch, standing.step = trainer.epoch, trainer.step
    for _ in standing.steps():
        pass
    return standing.gradient
