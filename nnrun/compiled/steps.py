"""The compiled engine: whole groups of batches in one call, or piece by piece in a team of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from nnrun.compiled import codes, machine_code
from nnrun.compiled.codes import COUNTS, SUMS, Vectors
from nnrun.compiled.planning import constants_of, dropouts, judged_vectors_of, plan_of, vectors_of
from nnrun.compiled.work import BLOCK_ROWS, MEASURED, MEASURED_ROWS, SHARED, measuring, operations, work
from nnrun.engine.batches import Batch, batch_bounds
from nnrun.engine.evaluation import Examples, See
from nnrun.engine.network import Observer
from nnrun.engine.parameters import Array, empty
from nnrun.engine.randomness import chances
from nnrun.engine.step_losses import means_of
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


class Lane(NamedTuple):
    """What members that take turns overwrite one after the other."""

    memory: Array
    squares: Array
    counts: Integers


class Lanes:
    """Those of a trainer's members, which go side by side; a member always has the same one."""

    def __init__(self, count: int, numbers: int, squares: int, dtype: np.dtype[Any]) -> None:
        """So many, with room for these numbers each."""
        self._lanes = [
            Lane(empty((numbers,), dtype), np.zeros(squares), np.zeros(COUNTS, np.int64)) for _ in range(count)
        ]

    def __getitem__(self, member: int) -> Lane:
        return self._lanes[member % len(self._lanes)]

    def run(self, members: Sequence[int], work: Callable[[int], None], operations: int) -> None:
        """Have all members go, by a thread a lane where so many operations of each are worth the hand-over."""
        count = len(self._lanes) if len(members) * operations >= SHARED else 1
        in_turn = [[k for k in members if k % count == lane] for lane in range(count)]

        def go(lane: list[int]) -> None:
            for k in lane:
                self[k].counts.fill(0)
                work(k)

        threads.share(go, in_turn)


class CompiledSteps:
    """Trains through the epochs of one trainer; each active member has the bits it would have alone.

    Threads share the steps of a wide network, and the members of a narrow one.
    """

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
        count = threads.count(members) if self.work.threads == 1 else 1
        self.lanes = Lanes(count, numbers, SUMS * len(self.work.pieces), dtype)
        self.kept = trainer.recipe.step_losses
        self.packed, self.of_a_row = codes.packed(self.plan), operations(self.plan.widths.tolist(), self.plan.members)
        self.least = np.zeros((members, len(self.plan.widths)), np.uint16)  # of the input, then of each layer
        self.scale = np.ones(self.least.shape, dtype)
        for layer in dropouts(network):
            self.least[:, layer.depth] = layer.least
            self.scale[:, layer.depth] = (1 / (1 - layer.rate)).reshape(-1)
        self.chance = np.empty((members, numbers_drawn), np.uint16)
        self.losses = np.empty((members, self.plan.members * trainer.batches.most_gathered if self.kept else 0))
        measure_by(self.run, trainer)
        self.given = []
        for k in range(members):
            lane = self.lanes[k]
            given = Given(vectors_of(trainer, k, lane.memory, lane.squares))
            given.put(codes.CHANCE, self.chance[k])
            given.put(codes.LEAST, self.least[k])
            given.put(codes.SCALE, self.scale[k])
            given.put(codes.PIECES, self.work.pieces)
            given.put(codes.COUNTED, lane.counts)
            given.put(codes.EACH_LOSS, self.losses[k])
            self.given.append(given)

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
                self._train(members, now[:, first:last], spans[first:last])
                yield done + last
            self._keep(trainer, members, spans, done)
            done += count

    def _train(self, members: Sequence[int], constants: Array, spans: Integers) -> None:
        """Some steps of these members, by as many threads as can share them."""
        for k in members:
            self.given[k].put(codes.CONSTANTS_OF_STEPS, constants[k])
            self.given[k].put(codes.SPANS, spans)

        def train(k: int) -> None:
            pointers = self.packed.ctypes.data, *self.given[k].pointers
            threads.share(lambda _: self.run(*pointers), range(threads.count(self.work.threads)))

        self.lanes.run(members, train, self.of_a_row * int(spans[-1, 1] - spans[0, 0]))

    def _keep(self, trainer: Trainer, members: Sequence[int], spans: Integers, done: int) -> None:
        """The mean loss of each batch of a group, where it is wished."""
        if self.kept:
            first, last = self.plan.members * spans.T
            for k in members:
                means = means_of(self.losses[k, : last[-1]], first, last - first)
                trainer.step_losses[k, done : done + len(spans)] = means

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
    """Have a trainer's parts measured by compiled code too, unless products take most of the time anyway."""
    if trainer.network.theta.size < MEASURED:
        for evaluator in (trainer.on_train, trainer.on_dev):
            evaluator.own_sums = Measuring(run, trainer, evaluator.examples)


class Measuring:
    """Summed loss and mistakes of what a trainer's members are judged by, on one part, `(2, members)`.

    NaN for one that has stopped. Each goes through the same chunks of rows alone, so it has the bits that it has alone.
    """

    def __init__(self, run: machine_code.Function, trainer: Trainer, examples: Examples) -> None:
        self.run, self.active = run, trainer.active  # which stays one array
        at_once, members = max(1, MEASURED_ROWS // trainer.network.members), len(trainer.seeds)
        plan, numbers, _ = plan_of(trainer, measured=min(at_once, len(examples)))
        self.packed, self.of_a_row = codes.packed(plan), operations(plan.widths.tolist(), plan.members) // 3  # forward
        self.lanes = Lanes(threads.count(members), numbers, 0, trainer.theta.dtype)
        self.sums = np.zeros((members, 2))
        self.logits = np.empty((members, 0, int(plan.widths[-1])), trainer.theta.dtype)
        self.pieces = measuring(plan.widths.tolist(), plan.members, len(trainer.recipe.mlp.embeddings))
        self.blocks = [
            (slice(start, stop), self._given(trainer, examples.take(slice(start, stop)), at_once))
            for start, stop in batch_bounds(len(examples), BLOCK_ROWS)
        ]

    def _given(self, trainer: Trainer, examples: Examples, at_once: int) -> list[Given]:
        """One block for each member."""
        dtype, weights = trainer.theta.dtype, np.empty(0) if examples.weights is None else examples.weights
        chunks = np.array(batch_bounds(len(examples), at_once), np.int64)
        shared = {
            codes.X: np.ascontiguousarray(examples.x, dtype),
            codes.Y: np.ascontiguousarray(examples.y, dtype),
            codes.ROW_WEIGHTS: np.ascontiguousarray(weights, dtype),
            codes.CONSTANTS_OF_STEPS: np.zeros((len(chunks), codes.CONSTANTS), dtype),
            codes.SPANS: chunks,
            codes.PIECES: self.pieces,
        }
        found = []
        for k, sums in enumerate(self.sums):
            lane = self.lanes[k]
            given = Given(judged_vectors_of(trainer, k, lane.memory, sums))
            for row, array in (shared | {codes.COUNTED: lane.counts}).items():
                given.put(row, array)
            found.append(given)
        return found

    def __call__(self, see: See | None) -> Array:
        """All as they are now; whoever is given sees the logits, block by block."""
        if see and not self.logits.size:
            self._show()
        self.sums[...] = np.where(self.active, 0.0, np.nan)[:, None]
        members = [int(k) for k in np.flatnonzero(self.active)]
        for rows, given in self.blocks:
            count = rows.stop - rows.start
            self.lanes.run(members, partial(self._measure, given), self.of_a_row * count)
            if see:
                see(rows, self.logits[:, :count])
        return self.sums.T.copy()

    def _measure(self, given: Sequence[Given], k: int) -> None:
        self.run(self.packed.ctypes.data, *given[k].pointers)

    def _show(self) -> None:
        """From now on logits are written down, each block's in the place of those before."""
        rows = self.blocks[0][0].stop
        self.logits = np.zeros((len(self.logits), rows, self.logits.shape[-1]), self.logits.dtype)
        for _, given in self.blocks:
            for of_one, logits in zip(given, self.logits, strict=True):
                of_one.put(codes.LOGITS, logits)


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
