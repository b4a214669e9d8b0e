"""How a part of the data is measured by compiled code: some rows of each ensemble at a time, which threads share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.compiled import codes, machine_code
from nnrun.compiled.planning import judged_vectors_of, plan_of, pooled_plan_of
from nnrun.compiled.turns import Given, Lane, Lanes
from nnrun.compiled.work import MEASURED_ROWS, SHOWN, measuring, operations, pooling
from nnrun.engine.batches import batch_bounds
from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.parameters import Array
from nnrun.engine.trainer import Trainer
from nnrun.machine import threads

Integers = NDArray[np.int64]


class Pass(NamedTuple):
    """A way to measure: a packed plan, and its pieces."""

    plan: Integers
    pieces: Integers


class Turn(NamedTuple):
    """Some rows of an ensemble: each of its networks goes forward, then their logits are pooled if they are several."""

    ensemble: int
    calls: list[tuple[Pass, Given]]


class Block(NamedTuple):
    """Rows of a part whose logits are shown together; `networks` are the members and, if others, the ensembles."""

    rows: slice
    logits: Array  # (networks, rows, width)
    sums: Array  # of losses and of mistakes, (networks, 2, chunks)
    turns: list[Turn]
    part: Evaluator


class Measuring:
    """Summed loss and mistakes of what a trainer's members are judged by, on train and on dev; `(2, members)` each.

    Behind them stand those of ensembles of several, `(2, members + ensembles)`; NaN for one that has stopped. Each goes
    through the same chunks of rows alone, with sums of their own, so it has the bits that it has alone. Threads share
    both parts at once, since they end together then once and not twice.
    """

    def __init__(self, run: machine_code.Function, trainer: Trainer) -> None:
        self.run, self.active, self.ensemble = run, trainer.active, trainer.ensemble  # which stays one array
        self.ensembles, self.at_once = len(trainer.training), max(1, MEASURED_ROWS // trainer.network.members)
        self.networks = len(self.active) + (self.ensembles if self.ensemble > 1 else 0)
        parts = trainer.on_train, trainer.on_dev
        rows = min(self.at_once, max(len(part.examples) for part in parts))
        plan, numbers, _ = plan_of(trainer, measured=rows)
        pooled, of_pooled = pooled_plan_of(plan, self.ensemble, rows)
        widths, embeddings = plan.widths.tolist(), len(trainer.recipe.mlp.embeddings)
        self.forward = Pass(codes.packed(plan), measuring(widths, self.at_once, plan.members, embeddings))
        self.pool = Pass(codes.packed(pooled), pooling(widths, self.at_once))
        self.of_a_row = operations(widths, plan.members) // 3
        self.lanes = Lanes(threads.count(len(self.active)), max(numbers, of_pooled), trainer.theta.dtype)
        self.parts = [self._blocks(trainer, part) for part in parts]

    def _blocks(self, trainer: Trainer, part: Evaluator) -> list[Block]:
        """All of a part write their logits into the same place."""
        examples, width, dtype = part.examples, trainer.network.width, trainer.theta.dtype
        most = max(1, SHOWN // (self.networks * width * self.at_once)) * self.at_once
        logits = np.zeros(self.networks * min(most, len(examples)) * width, dtype)
        return [self._block(trainer, part, slice(*bound), logits) for bound in batch_bounds(len(examples), most)]

    def _block(self, trainer: Trainer, part: Evaluator, rows: slice, logits: Array) -> Block:
        """As many turns as go well into the lanes."""
        examples = part.examples.take(rows)
        shape = self.networks, len(examples), trainer.network.width
        chunks = np.array(batch_bounds(len(examples), self.at_once), np.int64)
        sums = np.zeros((self.networks, 2, len(chunks)))
        block = Block(rows, logits[: prod(shape)].reshape(shape), sums, [], part)
        shared, lanes = of_rows(examples, trainer.theta.dtype, len(chunks)), len(self.lanes)
        for spans in np.array_split(chunks, min(lanes // gcd(lanes, self.ensembles), len(chunks))):
            for k in range(self.ensembles):
                block.turns.append(self._turn(trainer, k, shared | {codes.SPANS: spans}, block))
        return block

    def _turn(self, trainer: Trainer, k: int, shared: Mapping[int, Array], block: Block) -> Turn:
        def given(member: int, network: int, way: Pass, own: Mapping[int, Array]) -> tuple[Pass, Given]:
            arrays = {**shared, codes.PIECES: way.pieces, codes.LOGITS: block.logits[network], **own}
            return way, Given(judged_vectors_of(trainer, member, block.sums[network]), arrays)

        first, behind = k * self.ensemble, (k + 1) * self.ensemble
        calls = [given(member, member, self.forward, {}) for member in range(first, behind)]
        if self.ensemble > 1:
            calls.append(given(first, len(self.active) + k, self.pool, {codes.X: block.logits[first:behind]}))
        return Turn(k, calls)

    def __call__(self) -> list[Array]:
        """All as they are now; who looks at a part sees the logits of ensembles, block by block."""
        training, members = self.active[:: self.ensemble], int(np.count_nonzero(self.active))
        for blocks in zip_longest(*self.parts):
            together = [block for block in blocks if block]
            turns = [turn for block in together for turn in block.turns if training[turn.ensemble]]
            rows = sum(block.rows.stop - block.rows.start for block in together)
            self.lanes.run(turns, self._measure, members * self.of_a_row * rows)
            for block in together:
                if block.part.see:
                    block.part.see(block.rows, block.logits[-self.ensembles :])
        return [self._summed(blocks, training) for blocks in self.parts]

    def _summed(self, blocks: Sequence[Block], training: Array) -> Array:
        sums: Array = np.concatenate([block.sums for block in blocks], axis=-1).sum(axis=-1)
        sums[~np.concatenate([self.active, training])[: self.networks]] = np.nan
        return sums.T

    def _measure(self, lane: Lane, turn: Turn) -> None:
        for way, given in turn.calls:
            given.use(lane)
            self.run(way.plan.ctypes.data, given.address)


def of_rows(examples: Examples, dtype: np.dtype[Any], chunks: int) -> dict[int, Array]:
    """What is given of rows, whoever looks at them."""
    weights = np.empty(0) if examples.weights is None else examples.weights
    return {
        codes.X: np.ascontiguousarray(examples.x, dtype),
        codes.Y: np.ascontiguousarray(examples.y, dtype),
        codes.ROW_WEIGHTS: np.ascontiguousarray(weights, dtype),
        codes.CONSTANTS_OF_STEPS: np.zeros((chunks, codes.CONSTANTS), dtype),
    }
