"""The networks of a model as stacks of lookups and dense layers, batch norm folded into the weights before it.

Members that share a body are networks of their own here, input scales folded into the weights behind them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, TypedDict

import numpy as np

from nnrun.data.features.preprocess import Preprocessor
from nnrun.engine.embedding import Embed
from nnrun.engine.layers import EPSILON, Activate, BatchNorm, Dense
from nnrun.engine.members import Heads
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.models.model import Model
from nnrun.runs.checkpoints import Tensors
from nnrun.runs.member import Member
from nnrun.runs.members import has_members, member, read_ensemble
from nnrun.text import one_of


class Affine(NamedTuple):
    """activation(x @ W + b); W `(n_in, units)` and b `(1, units)`, or of K networks `(K, …)`, of all alike `(1, …)`."""

    W: Array
    b: Array
    activation: str


class Lookup(NamedTuple):
    """The code at `place` becomes a row of E `(rows, size)`, or of K networks `(K, …)`, of all alike `(1, …)`."""

    place: int  # among the features
    E: Array


class Origin(TypedDict):
    """A network: the run it comes from, its seed, and how much it counts."""

    id: str
    seed: int
    weight: float


class Stack(NamedTuple):
    """K networks of one shape that take the same features; arrays are in their dtype.

    The first layer takes the features that are no codes, then what is looked up, in this order.
    """

    preprocessor: Preprocessor
    origins: list[Origin]
    lookups: list[Lookup]  # their E of each network, or of all alike
    layers: list[Affine]

    @property
    def dtype(self) -> str:
        """Of the arrays."""
        return str(self.layers[0].W.dtype)


class Pool(NamedTuple):
    """What a model says: values `Σ w·z`, or probabilities `softmax(log(Σ w·softmax(z)) / temperature + shift)`.

    z `(rows, width)` is what the layers of each network make of its features, in deviations of the model's target, or
    a logit for each class.
    """

    stacks: list[Stack]
    temperature: float
    shift: Array | None  # of each class

    @property
    def origins(self) -> list[Origin]:
        """All networks, in the order of the stacks."""
        return [origin for stack in self.stacks for origin in stack.origins]


def pool_of(model: Model, writable: Collection[str]) -> Pool:
    """The model as a pool of stacks; UsageError for an activation that is not `writable`.

    What corrects the probabilities of one network alone is part of its last layer.
    """
    alike: dict[_Kind, list[_Network]] = defaultdict(list)
    for own, origin, weights in _networks(model):
        *layers, last = _layers(own, origin, weights, writable)
        layers, dtype = [*layers, _last(model, own, last)], own.config.training.dtype
        kind = _Kind(own.preprocessor, dtype, tuple((layer.W.shape, layer.activation) for layer in layers))
        layers = [Affine(W.astype(dtype), b.astype(dtype), name) for W, b, name in layers]
        alike[kind].append(_Network(origin, _lookups(own, weights), layers))
    stacks = [
        Stack(
            kind.preprocessor,
            [one.origin for one in same],
            _looked_up_together([one.lookups for one in same]),
            _stacked([one.layers for one in same]),
        )
        for kind, same in alike.items()
    ]
    return Pool(stacks, *((1.0, None) if _is_one(model) else (model.temperature, _shift(model))))


def _is_one(model: Model) -> bool:
    """Whether nothing is pooled."""
    return len(model.shares) == 1 and model.members[0].network.members == 1


class _Kind(NamedTuple):
    """What networks of a stack have in common."""

    preprocessor: Preprocessor
    dtype: str
    layers: tuple[tuple[tuple[int, ...], str], ...]  # shape of W, activation


class _Network(NamedTuple):
    """A network of a stack."""

    origin: Origin
    lookups: list[Lookup]
    layers: list[Affine]


def _networks(model: Model) -> Iterator[tuple[Member, Origin, Tensors]]:
    """Each with its share, and its parameters and running averages in float64."""
    whole, shares = model.run.directory, iter(model.shares.tolist())
    known = read_ensemble(whole)["members"] if has_members(whole) else []
    ids = {member(whole, place).path: record.get("id") for place, record in enumerate(known, 1)}
    for own in model.members:
        for k in range(own.networks):
            id, weight = ids.get(own.run.path) or own.run.name, next(shares) / own.network.members
            for weights in _without_scales(own, k):
                yield own, Origin(id=id, seed=own.config.seed + k, weight=weight), weights


def _without_scales(own: Member, k: int) -> Iterator[Tensors]:
    """The numbers of a network; of members that share a body those of each: x·r @ W is x @ (r·W)."""
    shared = {name: tensor.astype(np.float64) for name, tensor in own.of_network(k).items()}
    if own.network.members == 1:
        yield shared
        return
    first = next(name for name, layer in own.network.layers if isinstance(layer, (Dense, Heads)))
    for j, scale in enumerate(shared["scales.R"]):
        of_member = shared | {name: shared[name][j] for name in ("output.W", "output.b")}
        of_member[f"{first}.W"] = scale[:, None] * of_member[f"{first}.W"]
        yield of_member


def _lookups(own: Member, weights: Tensors) -> list[Lookup]:
    """The lookups of one network, in its precision, which its numbers had before."""
    return [
        Lookup(embedding.place, weights[f"{name}.E{k}"].astype(own.config.training.dtype))
        for name, layer in own.network.layers
        if isinstance(layer, Embed)
        for k, embedding in enumerate(layer.embeddings)
    ]


def _layers(own: Member, origin: Origin, weights: Tensors, writable: Collection[str]) -> list[Affine]:
    """The dense ones of one network, the output layer last with `linear`, in float64.

    γ·(x @ W + b − μ)/√(σ² + ε) + β is x @ (W·s) + (b − μ)·s + β with s = γ/√(σ² + ε).
    """
    layers: list[Affine] = []
    for name, layer in own.network.layers:
        if isinstance(layer, (Dense, Heads)):
            bias = weights.get(f"{name}.b", np.zeros((1, layer.units)))
            layers.append(Affine(weights[f"{name}.W"], bias, "linear"))
        elif isinstance(layer, BatchNorm):
            W, b, activation = layers.pop()
            scale = weights[f"{name}.gamma"] / np.sqrt(weights[f"{name}.variance"] + EPSILON)
            shifted = (b - weights[f"{name}.mean"]) * scale + weights[f"{name}.beta"]
            layers.append(Affine(W * scale, shifted, activation))
        elif isinstance(layer, Activate):
            if layer.name not in writable:
                lacking = f"this format has no activation {layer.name}, which {origin['id']} has"
                raise UsageError(f"{lacking}; export a run with {one_of(writable)}")
            layers.append(layers.pop()._replace(activation=layer.name))
    return layers


def _last(model: Model, own: Member, layer: Affine) -> Affine:
    """The output layer, its values in deviations of the model's target, its logits one for each class."""
    unit, target = model.target, own.target
    scale, rise = target.deviation / unit.deviation, (target.mean - unit.mean) / unit.deviation
    W, b = _for_each_class(model, layer.W * scale), _for_each_class(model, layer.b * scale + rise)
    if _is_one(model):
        shift = _shift(model)
        W, b = W / model.temperature, b / model.temperature + (0 if shift is None else shift)
    return layer._replace(W=W, b=b)


def _for_each_class(model: Model, values: Array) -> Array:
    """One logit of two classes, 0 and z as two: their softmax is the sigmoid of z."""
    one_logit = model.target.classes is not None and model.loss.width == 1
    return np.concatenate([np.zeros_like(values), values], axis=-1) if one_logit else values


def _shift(model: Model) -> Array | None:
    return None if model.shift is None else _for_each_class(model, model.shift)


def _looked_up_together(networks: Sequence[Sequence[Lookup]]) -> list[Lookup]:
    """One after the other; where all networks have the same rows, as those that share a body, these once."""
    first, *others = networks
    alike = all(np.array_equal(a.E, b.E) for other in others for a, b in zip(first, other, strict=True))
    kept = zip(*([first] if alike else networks), strict=True)
    return [Lookup(same[0].place, np.stack([one.E for one in same])) for same in kept]


def _stacked(networks: Sequence[Sequence[Affine]]) -> list[Affine]:
    """Layer by layer, one that all share once; the last one for each, so that there are as many answers."""
    *hidden, last = ([*layer] for layer in zip(*networks, strict=True))
    return [*(_together(layer[:1] if _alike(layer) else layer) for layer in hidden), _together(last)]


def _alike(layer: Sequence[Affine]) -> bool:
    first = layer[0]
    return all(np.array_equal(one.W, first.W) and np.array_equal(one.b, first.b) for one in layer)


def _together(layer: Sequence[Affine]) -> Affine:
    return Affine(np.stack([one.W for one in layer]), np.stack([one.b for one in layer]), layer[0].activation)
