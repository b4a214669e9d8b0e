"""How a part of the data is measured by compiled code: some rows of each ensemble at a time, which threads share."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from math import gcd, prod
from typing import NamedTuple

import numpy as np

from nnrun.compiled import codes, machine_code
from nnrun.compiled.planning import judged_vectors_of, plan_of, pooled_plan_of
from nnrun.compiled.rows import of_rows
from nnrun.compiled.turns import Given, Lanes, Room, Turns
from nnrun.compiled.work import MEASURED_ROWS, SHOWN, measuring, operations, pooling
from nnrun.engine.batches import batch_bounds
from nnrun.engine.evaluation import Evaluator
from nnrun.engine.parameters import Array
from nnrun.engine.trainer import Trainer
from nnrun.machine import threads

NOTHING = np.empty(0)  # the sums of who is not measured


class Stretch(NamedTuple):
    """Some rows of an ensemble: each of its members goes forward, then their logits are pooled if they are several."""

    forward: dict[int, Given]  # by member
    pool: Given | None
    steps: range  # one for each chunk
    operations: int  # of a member


class Block(NamedTuple):
    """Rows of a part whose logits are shown together; `networks` are the members and, if others, the ensembles."""

    rows: slice
    logits: Array  # (networks, rows, width)
    sums: Array  # of losses and of mistakes, (networks, 2, chunks), or of ensembles alone, (ensembles, 2, chunks)
    stretches: list[Stretch]
    part: Evaluator


class Measuring:
    """Summed loss and mistakes of what a trainer's members are judged by, on train and on dev; as `Evaluator.sums`.

    NaN for one that has stopped. Each goes through the same chunks of rows alone, with sums of their own, so it has the
    bits that it has alone. Threads share both parts at once, right behind the last steps of an epoch, since they end
    together then once and not three times.
    """

    def __init__(self, run: machine_code.Function, trainer: Trainer, room: Room) -> None:
        """In lanes with so much room at least."""
        self.active, self.ensemble = trainer.active, trainer.ensemble  # which stays one array
        self.ensembles, self.at_once = len(trainer.training), max(1, MEASURED_ROWS // trainer.network.members)
        self.networks = len(self.active) + (self.ensembles if self.ensemble > 1 else 0)
        parts = trainer.on_train, trainer.on_dev
        rows = min(self.at_once, max(len(part.examples) for part in parts))
        plan, of_plan, _ = plan_of(trainer, measured=rows)
        pooled, of_pooled = pooled_plan_of(plan, self.ensemble, rows)
        widths, embeddings = plan.widths.tolist(), len(trainer.recipe.mlp.embeddings)
        pieces = measuring(widths, self.at_once, plan.members, embeddings)
        self.forward = {codes.PLAN: codes.packed(plan), codes.PIECES: pieces}
        self.pool = {codes.PLAN: codes.packed(pooled), codes.PIECES: pooling(widths, self.at_once)}
        self.of_a_row = operations(widths, plan.members) // 3
        room = room._replace(memory=max(room.memory, of_plan, of_pooled))
        self.lanes = Lanes(run, threads.count(len(self.active)), room, trainer.theta.dtype)
        self.stretches = len(self.lanes) // gcd(len(self.lanes), len(self.active))
        blocks = zip_longest(*(self._blocks(trainer, part) for part in parts))
        self.rounds = [[block for block in both if block] for both in blocks]
        self.parts = parts

    def _blocks(self, trainer: Trainer, part: Evaluator) -> list[Block]:
        """All of a part write their logits into the same place."""
        examples, width, dtype = part.examples, trainer.network.width, trainer.theta.dtype
        most = max(1, SHOWN // (self.networks * width * self.at_once)) * self.at_once
        logits = np.zeros(self.networks * min(most, len(examples)) * width, dtype)
        return [self._block(trainer, part, slice(*bound), logits) for bound in batch_bounds(len(examples), most)]

    def _block(self, trainer: Trainer, part: Evaluator, rows: slice, logits: Array) -> Block:
        """As many stretches as go well into the lanes."""
        examples = part.examples.take(rows)
        shape = self.networks, len(examples), trainer.network.width
        chunks = np.array(batch_bounds(len(examples), self.at_once), np.int64)
        sums = np.zeros((self.networks if part.apart else self.ensembles, 2, len(chunks)))
        block = Block(rows, logits[: prod(shape)].reshape(shape), sums, [], part)
        still = np.zeros((len(chunks), codes.CONSTANTS), trainer.theta.dtype)
        x, y, weights = of_rows(examples, still.dtype)
        shared = {codes.X: x, codes.Y: y, codes.ROW_WEIGHTS: weights, codes.CONSTANTS_OF_STEPS: still}
        for spans in np.array_split(chunks, min(self.stretches, len(chunks))):
            for k in range(self.ensembles):
                block.stretches.append(self._stretch(trainer, k, shared | {codes.SPANS: spans}, block))
        return block

    def _stretch(self, trainer: Trainer, k: int, shared: Mapping[int, Array], block: Block) -> Stretch:
        def given(member: int, network: int, way: Mapping[int, Array], own: Mapping[int, Array]) -> Given:
            arrays = {**shared, **way, codes.LOGITS: block.logits[network], **own}
            return Given(judged_vectors_of(trainer, member, of_all[network]), arrays, borrows=1)

        of_all = [*[NOTHING] * (self.networks - len(block.sums)), *block.sums]
        spans = shared[codes.SPANS]
        steps, work = range(len(spans)), int(spans[-1, 1] - spans[0, 0]) * self.of_a_row
        first, behind = k * self.ensemble, (k + 1) * self.ensemble
        forward = {member: given(member, member, self.forward, {}) for member in range(first, behind)}
        if self.ensemble == 1:
            return Stretch(forward, None, steps, work)
        own = {codes.X: block.logits[first:behind]}
        return Stretch(forward, given(first, len(self.active) + k, self.pool, own), steps, work)

    def add_to(self, turns: Turns, number: int = 0) -> None:
        """The turns of a round: of each active member behind those with its mark, then all pools; so nobody waits."""
        stretches = [stretch for block in self.rounds[number] for stretch in block.stretches]
        for k, stretch in enumerate(stretches):
            for member, given in stretch.forward.items():
                if self.active[member]:
                    turns.add(given, stretch.steps, stretch.operations, mark=("stretch", k), after=member)
        for k, stretch in enumerate(stretches):
            if stretch.pool and self.active[min(stretch.forward)]:
                turns.add(stretch.pool, stretch.steps, 0, after=("stretch", k))

    def __call__(self, begun: bool = False) -> list[Array]:
        """All as they are now, the turns of the first round perhaps over; who looks at a part sees the logits of
        ensembles, block by block.
        """
        for number, blocks in enumerate(self.rounds):
            if number or not begun:
                turns = Turns()
                self.add_to(turns, number)
                self.lanes.work_off(turns)
            for block in blocks:
                if block.part.see:
                    block.part.see(block.rows, block.logits[-self.ensembles :])
        return [self._summed(part) for part in self.parts]

    def _summed(self, part: Evaluator) -> Array:
        blocks = [block for together in self.rounds for block in together if block.part is part]
        sums: Array = np.concatenate([block.sums for block in blocks], axis=-1).sum(axis=-1)
        stopped = ~np.concatenate([self.active, self.active[:: self.ensemble]])[: self.networks]
        sums[stopped[-len(sums) :]] = np.nan
        return sums.T
