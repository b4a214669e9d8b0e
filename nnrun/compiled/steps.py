"""The compiled engine: whole groups of batches in one call, or piece by piece in a team of threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from math import gcd

import numpy as np
from numpy.typing import NDArray

from nnrun.compiled import codes, machine_code
from nnrun.compiled.codes import SUMS
from nnrun.compiled.judging import Measuring
from nnrun.compiled.pace import Pace, spent_on
from nnrun.compiled.planning import fill_in, plan_of, vectors_of
from nnrun.compiled.rows import supply_of
from nnrun.compiled.turns import Given, Lanes, Room, Turns
from nnrun.compiled.work import LARGE, operations, work
from nnrun.engine.batches import Batch
from nnrun.engine.network import Observer
from nnrun.engine.parameters import Array, at_lines
from nnrun.engine.step_losses import means_of
from nnrun.engine.trainer import NumpyEngine, Trainer
from nnrun.machine import threads

Integers = NDArray[np.int64]


class CompiledSteps(NumpyEngine):
    """Each active member has the bits it would have alone.

    One network that is not narrow: threads share each step. Several: each thread trains whole members, unless these are
    huge. Epochs are measured by compiled code, too, unless products take most of the time anyway.
    """

    vectors = staticmethod(at_lines)

    def __init__(self, trainer: Trainer) -> None:
        network, members, dtype = trainer.network, len(trainer.seeds), trainer.theta.dtype
        self.run = machine_code.load(dtype)
        self.plan, numbers, drawn = plan_of(trainer)
        self.supply = supply_of(trainer, self.plan, drawn)
        self.work = work(
            self.plan.widths.tolist(),
            int(trainer.batches.sizes.max()),
            network.theta.size,
            network.n_weights,
            self.plan.clipped,
            self.plan.members,
            len(trainer.recipe.mlp.embeddings),
            self.supply.gathers,
        )
        room = Room(numbers, *self.supply.room)
        # A member's steps are one thread's.
        self.whole = self.work.threads == 1 or (members > 1 and not self.work.huge)
        self.pace = Pace()
        measured = network.theta.size < LARGE
        self.measuring = Measuring(self.run, trainer, room if self.whole else Room(0)) if measured else None
        if self.measuring and self.whole:
            self.lanes = self.measuring.lanes
        else:
            self.lanes = Lanes(self.run, threads.count(members) if self.whole else 1, room, dtype)
        self.constants = constants = np.zeros((members, len(trainer.batches.bounds), codes.CONSTANTS), dtype)
        self.parts = cache(lambda start, stop: [*constants[:, start:stop]])  # the same arrays in each epoch
        self.kept = trainer.recipe.step_losses
        self.of_a_row = operations(self.plan.widths.tolist(), self.plan.members)
        self.losses = np.empty((members, self.plan.members * trainer.batches.most_gathered if self.kept else 0))
        shared = {codes.PLAN: codes.packed(self.plan), codes.PIECES: self.work.pieces}
        if not self.whole:
            shared |= self.lanes.lanes[0].arrays
        borrows = (codes.LENT if self.supply.gathers else 1) if self.whole else 0
        self.given = []
        for k in range(members):
            own = {codes.EACH_LOSS: self.losses[k]} | self.supply.lasting(k)
            vectors = vectors_of(trainer, k, np.zeros(SUMS * len(self.work.pieces)))
            self.given.append(Given(vectors, shared | own, borrows))
        self.last: tuple[list[int], dict[tuple[range, bool], Turns]] = [], {}

    def measure(self, trainer: Trainer) -> list[Array]:
        """What the evaluators sum up, by compiled code where that is worth it."""
        return self.measuring() if self.measuring else super().measure(trainer)

    def train(self, trainer: Trainer, see: Observer | None, measure: bool) -> Iterator[int]:
        """Yields after each group, or after each step of which NumPy's pass was shown to an observer.

        Members that threads share are measured right behind their last step, unless too few are left.
        """
        streams, done = trainer.dropout_streams(), 0
        fill_in(self.constants, trainer.optimizer)
        behind = self.measuring if measure and self.whole and trainer.active.sum() >= len(self.lanes) else None
        for group, spans in self.supply.groups(trainer.epoch + 1):
            members = [int(k) for k in np.flatnonzero(trainer.active)]
            count, batch = len(spans), self.supply.gathered(group) if see else None
            constants = self.parts(done, done + count)
            for k in members:
                self.supply.give(self.given[k], k, group, streams)
                self.given[k].put(codes.CONSTANTS_OF_STEPS, constants[k])
                self.given[k].put(codes.SPANS, spans)
            for steps in [range(step, step + 1) for step in range(count)] if see else [range(count)]:
                if see and batch:
                    show(trainer, batch, spans[steps.start], see)
                ends = done + steps.stop == len(trainer.batches.bounds)
                self._train(members, steps, spans, behind if ends else None)
                yield done + steps.stop
            self._keep(trainer, members, spans, done)
            done += count
        if measure:
            trainer.sums = behind(begun=True) if behind else self.measure(trainer)

    def _train(self, members: list[int], steps: range, spans: Integers, behind: Measuring | None) -> None:
        """Some steps of these members, by as many threads as can share them, and what is measured behind them."""
        if self.whole:
            self.lanes.work_off(self._turns(members, steps, spans, behind))
            return
        for k in members:
            self._advance(self.given[k], steps)

    def _turns(self, members: list[int], steps: range, spans: Integers, behind: Measuring | None) -> Turns:
        """The turns of these members; lists of whole groups are kept until the members change."""
        if len(steps) < len(spans):
            return self._new_turns(members, steps, spans, behind)
        if self.last[0] != members:
            self.last = members, {}
        kept, key = self.last[1], (steps, behind is not None)
        if key not in kept:
            kept[key] = self._new_turns(members, steps, spans, behind)
        return kept[key]

    def _new_turns(self, members: list[int], steps: range, spans: Integers, behind: Measuring | None) -> Turns:
        """A member's turn is all of its steps.

        Members that would be left over when all threads have had as many train in parts, the first ones before all
        others, the last ones behind them, so that threads end together.
        """
        turns, over = Turns(), len(members) % len(self.lanes)
        parts = min(len(self.lanes) // gcd(len(self.lanes), over), len(steps))
        for part in range(parts):
            for k in members[: over if part else None]:
                of_this = parts if k in members[:over] else 1
                cut = [steps.start + len(steps) * each // of_this for each in (part, part + 1)]
                rows = int(spans[cut[1] - 1, 1] - spans[cut[0], 0])
                turns.add(self.given[k], range(*cut), rows * self.of_a_row, mark=k, after=k)
        if behind:
            behind.add_to(turns)
        return turns

    def _advance(self, given: Given, steps: range) -> None:
        """Some steps of a member, by all threads that can share them as long as nothing disturbs that."""
        team, (lane,) = threads.count(self.work.threads), self.lanes.lanes
        first = steps.start
        while first < steps.stop:
            now = range(first, min(steps.stop, first + self.pace.steps) if team > 1 else steps.stop)
            given.begin()
            lists = [Turns() for _ in range(team if self.pace.shared else 1)]  # each thread takes the one turn there is
            for turns in lists:
                turns.add(given, now, 0)
            spent = threads.share(lambda turns: spent_on(partial(self.run, turns.begin(), lane.address)), lists)
            self.pace.took(len(now), spent)
            first = now.stop

    def _keep(self, trainer: Trainer, members: Sequence[int], spans: Integers, done: int) -> None:
        """The mean loss of each batch of a group, where it is wished."""
        if self.kept:
            first, last = self.plan.members * spans.T
            for k in members:
                means = means_of(self.losses[k, : last[-1]], first, last - first)
                trainer.step_losses[k, done : done + len(spans)] = means


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
