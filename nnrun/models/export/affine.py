"""The trained network as dense layers alone, batch norm folded into the weights before it."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from nnrun.engine.layers import Activate, BatchNorm, Dense
from nnrun.engine.parameters import Array
from nnrun.errors import UsageError
from nnrun.models.model import Model
from nnrun.text import one_of


class Affine(NamedTuple):
    """activation(x @ W + b), W `(n_in, units)` and b `(units,)` in the run's dtype."""

    W: Array
    b: Array
    activation: str


def affine_layers(model: Model, writable: Collection[str]) -> list[Affine]:
    """All layers, the output layer last with `linear`; UsageError for an activation that is not `writable`.

    What corrects the probabilities is part of the last one's b.
    γ·(x @ W + b − μ)/√(σ² + ε) + β is x @ (W·s) + (b − μ)·s + β with s = γ/√(σ² + ε), worked out in float64.
    """
    if len(model.shares) > 1:
        raise UsageError(f"{model.run.name} is an ensemble of {len(model.shares)} networks, which cannot be exported")
    layers: list[Affine] = []
    weights = model.members[0].of_network(0)
    for name, layer in model.members[0].network.layers:
        own = {key: weights[f"{name}.{key}"].astype(np.float64) for key in _KEYS.get(type(layer), ())
               if f"{name}.{key}" in weights}  # fmt: skip
        if isinstance(layer, Dense):
            layers.append(Affine(own["W"], own.get("b", np.zeros((1, layer.units)))[0], "linear"))
        elif isinstance(layer, BatchNorm):
            W, b, activation = layers.pop()
            scale = (own["gamma"] / np.sqrt(own["variance"] + layer.epsilon))[0]
            layers.append(Affine(W * scale, (b - own["mean"][0]) * scale + own["beta"][0], activation))
        elif isinstance(layer, Activate):
            if layer.name not in writable:
                raise UsageError(f"this format has no activation {layer.name}; export a run with {one_of(writable)}")
            layers.append(layers.pop()._replace(activation=layer.name))
    if model.shift is not None:
        layers[-1] = layers[-1]._replace(b=layers[-1].b + model.shift)
    dtype = model.config.training.dtype
    return [Affine(W.astype(dtype), b.astype(dtype), activation) for W, b, activation in layers]


_KEYS = {Dense: ("W", "b"), BatchNorm: ("gamma", "beta", "mean", "variance")}
