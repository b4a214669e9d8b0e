"""From a trainer to what the compiled step is given: codes, places in vectors, constants of each step."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from nnrun.compiled import codes, machine_code
from nnrun.compiled.blas import gemm_address
from nnrun.compiled.codes import Entrance, Plan, Vectors
from nnrun.compiled.support import PENALTIES_AND_DECAY
from nnrun.engine.embedding import Embed
from nnrun.engine.layers import Dropout
from nnrun.engine.network import Network
from nnrun.engine.optimizers import AVERAGE, L1, L2
from nnrun.engine.parameters import Array
from nnrun.engine.randomness import padded
from nnrun.engine.trainer import Trainer
from nnrun.engine.update import Optimizer

Integers = NDArray[np.int64]
ArraysOf = tuple[Integers, Integers, Integers, Integers, Integers]
APART = 16  # stretches of the memory begin at multiples of this: a cache line of float32


class Memory:
    """Stretches of one vector, laid out one behind the other."""

    def __init__(self) -> None:
        self.size = 0

    def stretches(self, rows: int, units: Integers) -> Integers:
        """Where stretches begin for so many rows of each layer."""
        ends = self.size + np.cumsum(-(-rows * units // APART) * APART)
        starts = np.concatenate([[self.size], ends[:-1]]).astype(np.int64)
        self.size = int(ends[-1]) if len(ends) else self.size
        return starts


def plan_of(trainer: Trainer, measured: int = 0) -> tuple[Plan, int, int]:
    """The plan of a trainer's step; how many numbers its memory holds, and how many one group's dropout needs.

    With rows that are `measured` at once, the plan of a pass forward, in which nothing is trained.
    """
    recipe, network = trainer.recipe, trainer.network
    mlp = recipe.mlp
    widths = np.array([width_in(network, mlp.n_in), *mlp.hidden, mlp.n_out], np.int64)
    units, rows = widths[1:], mlp.members * (measured or int(trainer.batches.sizes.max()))
    memory, chances = Memory(), Memory()
    dropped = np.zeros(len(units), bool)
    dropped[[layer.depth - 1 for layer in dropouts(network) if layer.depth and not measured]] = True
    y = memory.stretches(rows, units)
    a = np.where(dropped, memory.stretches(rows, units * dropped), y)
    drawn = chances.stretches(mlp.members * trainer.batches.most_gathered, padded(units) * dropped)
    chance = np.where(dropped, drawn, codes.NONE)
    norm = units * mlp.batch_norm
    plan = Plan(
        widths,
        *arrays_of(network, widths, mlp.batch_norm),
        chance=chance,
        z=memory.stretches(rows, units),
        y=y,
        a=a,
        d=memory.stretches(rows + measured, units),  # what is measured is pooled there
        x_hat=memory.stretches(rows, norm),
        inverse=memory.stretches(1, norm),
        centre=memory.stretches(1, norm),
        gemm=gemm_address(trainer.theta.dtype),
        give_way=machine_code.yield_address(),
        activation=codes.ACTIVATIONS[mlp.activation],
        loss=codes.LOSSES[type(recipe.loss).__name__],
        rule=rule_of(trainer.optimizer),
        members=mlp.members,
        batch_norm=mlp.batch_norm,
        penalised=any(isinstance(t, (L1, L2)) for t in trainer.optimizer.transforms),
        clipped=trainer.optimizer.clips,
        measuring=measured > 0,
        entrance=entrance_of(trainer, widths, rows, memory, chances, measured > 0),
    )
    return plan, memory.size, chances.size


def pooled_plan_of(plan: Plan, networks: int, rows: int) -> tuple[Plan, int]:
    """The plan of a pass that pools the logits of so many networks, which are there, as those of one body's members.

    Behind it how many numbers its memory holds. So many rows are measured at once.
    """
    memory = Memory()
    last = plan.widths[1:] * (np.arange(len(plan.widths) - 1) == len(plan.widths) - 2)
    z, d = memory.stretches(networks * rows, last), memory.stretches((networks + 1) * rows, last)
    return plan._replace(z=z, d=d, members=networks), memory.size


def entrance_of(
    trainer: Trainer, widths: Integers, rows: int, memory: Memory, chances: Memory, measuring: bool
) -> Entrance:
    """What learns in front of the layers, into which so many rows go."""
    mlp, slices, width = trainer.recipe.mlp, trainer.network.theta.slices, widths[:1]
    embeds, scales = len(mlp.embeddings) > 0, mlp.members > 1
    back = embeds or (scales and len(mlp.hidden) == 0)
    masked = embeds and not measuring and any(layer.depth == 0 for layer in dropouts(trainer.network))

    def place(memory: Memory, rows: int, width: Integers, there: bool) -> int:
        return int(memory.stretches(rows, width)[0]) if there else codes.NONE

    plain = Embed(mlp.n_in, mlp.embeddings).plain
    sizes = [embedding.size for embedding in mlp.embeddings]
    columns = accumulate(sizes, initial=len(plain))
    described = [
        (embedding.place, embedding.rows, embedding.size, slices[f"embed.E{k}"].start, column)
        for k, (embedding, column) in enumerate(zip(mlp.embeddings, columns, strict=False))
    ]
    return Entrance(
        features=mlp.n_in,
        scales=slices["scales.R"].start if scales else codes.NONE,
        embedded=place(memory, rows // mlp.members, width, embeds),
        seen=place(memory, rows, width, scales),
        arriving=place(memory, rows, width, back),
        turned=place(memory, 3, widths[0] * widths[1:2], scales and not back),
        masked=place(chances, trainer.batches.most_gathered, padded(width), masked),
        plain=plain,
        embeddings=np.array(described, np.int64).ravel(),
    )


def width_in(network: Network, features: int) -> int:
    """How many numbers go into the layers, each code as what it becomes."""
    return next((layer.width(features) for _, layer in network.layers if isinstance(layer, Embed)), features)


def arrays_of(network: Network, widths: Integers, batch_norm: bool) -> ArraysOf:
    """Where W, b or β, γ, μ and σ² of each layer begin."""
    theta, state = network.theta.slices, network.state.slices
    W, b = starts(theta, "W", widths), starts(theta, "beta" if batch_norm else "b", widths)
    gamma, mean = starts(theta, "gamma", widths), starts(state, "mean", widths)
    return W, b, gamma, mean, starts(state, "variance", widths)


def starts(slices: dict[str, slice], kind: str, widths: Integers) -> Integers:
    """Where the arrays of a kind (W, gamma, …) begin, one a layer; 0 where a layer has none.

    The output layer has b also where the hidden ones have beta.
    """
    of_kind = [part.start for name, part in slices.items() if name.endswith(f".{kind}")]
    if kind == "beta":
        of_kind.append(slices["output.b"].start)
    return np.array([*of_kind, *[0] * (len(widths) - 1 - len(of_kind))], np.int64)


def dropouts(network: Network) -> list[Dropout]:
    """The dropout layers, that of the input first, if there is one."""
    return [layer for _, layer in network.layers if isinstance(layer, Dropout)]


def rule_of(optimizer: Optimizer) -> int:
    """The code of the transform that is neither penalty nor decay."""
    rules = [codes.RULES[type(t).__name__] for t in optimizer.transforms if type(t) not in PENALTIES_AND_DECAY]
    return rules[0] if rules else codes.PLAIN


def vectors_of(trainer: Trainer, member: int, sums: Array) -> Vectors:
    """One member's numbers, where they lie, but for the memory, which is that of the thread that works on it."""
    kept, none = trainer.optimizer.slots, np.empty(0, trainer.theta.dtype)
    slots = [kept[key][member] for t in trainer.optimizer.transforms for key in t.slots]
    first, second = (*slots, none, none)[:2]
    average = kept[AVERAGE][member] if AVERAGE in kept else none
    of_training = trainer.theta[member], trainer.state[member], trainer.gradient[member]
    return Vectors(*of_training, first, second, average, sums, memory=none)


def judged_vectors_of(trainer: Trainer, member: int, sums: Array) -> Vectors:
    """One member's numbers, where they lie, for a pass that measures what epochs are judged by."""
    judged = trainer.judged
    own = vectors_of(trainer, member, sums)
    return own._replace(theta=judged.theta[member], state=judged.state[member])


def fill_in(constants: Array, optimizer: Optimizer) -> None:
    """What the update and the loss need in the steps that are planned, `(members, steps, CONSTANTS)`."""
    constants[..., codes.DECAY] = constants[..., codes.KEPT] = 1
    constants[..., codes.FACTOR] = optimizer.final[..., 0].T
    constants[..., codes.CLIP] = optimizer.h.clip_norm
    constants[..., codes.EVEN] = optimizer.h.label_smoothing
    for transform, values in zip(optimizer.transforms, optimizer.constants, strict=True):
        first = PENALTIES_AND_DECAY.get(type(transform), codes.FIRST)
        assert type(transform) in PENALTIES_AND_DECAY or len(values) <= codes.DECAY - codes.FIRST, transform
        for column, value in enumerate(values, start=first):
            constants[..., column] = value[..., 0].T
    if optimizer.average:
        constants[..., codes.KEPT] = optimizer.kept[..., 0].T
