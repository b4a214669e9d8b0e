"""The compiled engine: whole groups of batches in one call, or piece by piece in a team of threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.compiled import codes, machine_code
from nnrun.compiled.codes import COUNTS, SUMS, Vectors
from nnrun.compiled.planning import constants_of, dropouts, judged_vectors_of, plan_of, vectors_of
from nnrun.compiled.work import MEASURED_ROWS, measuring, work
from nnrun.engine.batches import Batch, batch_bounds
from nnrun.engine.evaluation import CHUNK, LARGE, Examples
from nnrun.engine.network import Observer
from nnrun.engine.parameters import Array, empty
from nnrun.engine.randomness import chances
from nnrun.engine.trainer import Trainer
from nnrun.machine import threads

Integers = NDArray[np.int64]
Streams = Mapping[int, Sequence[Generator]]  # of dropout, by depth, one a member


class Given:
    """Where the arrays lie that compiled code works on for one member; they are kept alive here."""

    def __init__(self, vectors: Vectors) -> None:
        self._places, self._arrays = np.zeros((codes.GIVEN, 2), np.int64), dict[int, Array]()
        for row, vector in enumerate(vectors):
            self.put(row, vector)

    def put(self, row: int, array: Array) -> None:
        """An array of contiguous numbers into a row of the table, in the place of an earlier one."""
        self._arrays[row] = array
        self._places[row] = array.ctypes.data, array.size

    @cached_property
    def pointers(self) -> tuple[int, ...]:
        """The address of the table, then of a number of each kind, as `kernels.steps` takes them behind the plan.

        They are asked for when all is there that stays where it is.
        """
        kinds = (codes.THETA, codes.SUMMED, codes.CHANCE)
        return self._places.ctypes.data, *(int(self._places[row, 0]) for row in kinds)


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
            self.plan.members,
            len(trainer.recipe.mlp.embeddings),
        )
        memory, squares = empty((numbers,), dtype), np.zeros(SUMS * len(self.work.pieces))
        self.packed, self.counts = codes.packed(self.plan), np.zeros(COUNTS, np.int64)
        self.least = np.zeros((members, len(self.plan.widths)), np.uint16)  # of the input, then of each layer
        self.scale = np.ones(self.least.shape, dtype)
        for layer in dropouts(network):
            self.least[:, layer.depth] = layer.least
            self.scale[:, layer.depth] = (1 / (1 - layer.rate)).reshape(-1)
        self.chance = np.empty((members, numbers_drawn), np.uint16)
        measure_by(self.run, trainer)
        self.given = [Given(vectors_of(trainer, k, memory, squares)) for k in range(members)]
        for k, given in enumerate(self.given):
            given.put(codes.CHANCE, self.chance[k])
            given.put(codes.LEAST, self.least[k])
            given.put(codes.SCALE, self.scale[k])
            given.put(codes.PIECES, self.work.pieces)
            given.put(codes.COUNTED, self.counts)

    def __call__(self, trainer: Trainer, see: Observer | None) -> Iterator[int]:
        """The engine: yields after each group, or after each step of which NumPy's pass was shown to an observer."""
        constants, streams, done = constants_of(trainer.optimizer), trainer.dropout_streams(), 0
        for batch, spans in trainer.batches.groups(trainer.epoch + 1):
            members = [int(k) for k in np.flatnonzero(trainer.active)]
            for k in members:
                self._give(k, batch, streams)
            count = len(spans)
            now = constants[:, done : done + count]
            for first, last in zip(range(count), range(1, count + 1), strict=True) if see else [(0, count)]:
                if see:
                    show(trainer, batch, spans[first], see)
                for k in members:
                    self._train(self.given[k], now[k, first:last], spans[first:last])
                yield done + last
            done += count

    def _train(self, given: Given, constants: Array, spans: Integers) -> None:
        """Some steps of one member, by as many threads as can share them."""
        given.put(codes.CONSTANTS_OF_STEPS, constants)
        given.put(codes.SPANS, spans)
        self.counts.fill(0)
        pointers = self.packed.ctypes.data, *given.pointers
        threads.share(lambda _: self.run(*pointers), range(threads.count(self.work.threads)))

    def _give(self, member: int, batch: Batch, streams: Streams) -> None:
        """One member's part of a group, with new numbers for dropout."""
        x, y = of_member(batch[0], member), of_member(batch[1], member)
        dropped = 0 in streams and self.plan.entrance.masked < 0
        if dropped:
            x = self._without_some(x, member, streams[0][member])
        for depth, of_members in streams.items():
            if depth or not dropped:
                rows = self.plan.members * len(x) if depth else len(x)
                drawn = chances(of_members[member], rows, int(self.plan.widths[depth])).reshape(-1)
                start = self.plan.chance[depth - 1] if depth else self.plan.entrance.masked
                self.chance[member, start : start + len(drawn)] = drawn
        given, dtype = self.given[member], self.scale.dtype
        given.put(codes.X, np.ascontiguousarray(x, dtype))
        given.put(codes.Y, np.ascontiguousarray(y, dtype))
        if batch[2] is not None:
            given.put(codes.ROW_WEIGHTS, np.ascontiguousarray(of_member(batch[2], member), dtype))

    def _without_some(self, inputs: Array, member: int, stream: Generator) -> Array:
        """Dropout of the input."""
        kept = chances(stream, *inputs.shape)[:, : inputs.shape[1]] >= self.least[member, 0]
        return np.multiply(inputs, kept * self.scale[member, 0])


def measure_by(run: machine_code.Function, trainer: Trainer) -> None:
    """Have a trainer's parts measured by compiled code too, unless products take most of the time anyway.

    It shows no logits, without which those of an ensemble cannot be pooled; members that share a body it pools itself.
    """
    if trainer.ensemble == 1 and CHUNK * trainer.network.theta.size < LARGE:
        for evaluator in (trainer.on_train, trainer.on_dev):
            evaluator.own_sums = Measuring(run, trainer, evaluator.examples)


class Measuring:
    """Summed loss and mistakes of what a trainer's members are judged by, on one part, `(members,)` each.

    NaN for one that has stopped. Each goes through the same chunks of rows alone, so it has the bits that it has alone.
    """

    def __init__(self, run: machine_code.Function, trainer: Trainer, examples: Examples) -> None:
        self.run, self.active, dtype = run, trainer.active, trainer.theta.dtype  # which stays one array
        at_once = max(1, MEASURED_ROWS // trainer.network.members)
        plan, numbers, _ = plan_of(trainer, measured=min(at_once, len(examples)))
        chunks = np.array(batch_bounds(len(examples), at_once), np.int64)
        self.packed, self.counts, self.sums = codes.packed(plan), np.zeros(COUNTS, np.int64), np.zeros(2)
        memory, weights = empty((numbers,), dtype), np.empty(0) if examples.weights is None else examples.weights
        self.given = [Given(judged_vectors_of(trainer, k, memory, self.sums)) for k in range(len(trainer.seeds))]
        shared = {
            codes.X: np.ascontiguousarray(examples.x, dtype),
            codes.Y: np.ascontiguousarray(examples.y, dtype),
            codes.ROW_WEIGHTS: np.ascontiguousarray(weights, dtype),
            codes.CONSTANTS_OF_STEPS: np.zeros((len(chunks), codes.CONSTANTS), dtype),
            codes.SPANS: chunks,
            codes.PIECES: measuring(plan.widths.tolist(), plan.members, len(trainer.recipe.mlp.embeddings)),
            codes.COUNTED: self.counts,
        }
        for given in self.given:
            for row, array in shared.items():
                given.put(row, array)

    def __call__(self) -> tuple[Array, Array]:
        """Both as they are now."""
        found = np.full((2, len(self.given)), np.nan)
        for k in np.flatnonzero(self.active):
            self.counts.fill(0)
            self.sums.fill(0)
            self.run(self.packed.ctypes.data, *self.given[k].pointers)
            found[:, k] = self.sums
        return found[0], found[1]


def of_member(array: Array, member: int) -> Array:
    """One member's rows; a whole batch is shared by all."""
    rows: Array = array[member if len(array) > 1 else 0]
    return rows


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
