"""A network: layers, and where their numbers lie in theta and in the state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.embedding import Embed, Embedding
from nnrun.engine.initializers import Initializer
from nnrun.engine.layers import Activate, Backward, BatchNorm, Dense, Dropout, Layer, Mode
from nnrun.engine.members import Heads, Scales
from nnrun.engine.parameters import Array, Layout, Shape, Views
from nnrun.engine.randomness import stream

# (name of the layer, "output" or "gradient", array) of one pass through the network
Observer = Callable[[str, str, Array], None]


class Bound(NamedTuple):
    """One layer with its views of theta, state and gradient."""

    name: str
    layer: Layer
    p: Views
    s: Views
    g: Views


class Network:
    """Named layers for inputs of `n_in` features; holds no numbers itself.

    `layers` are pairs of a name, which no other has and which is without a dot, and a layer, first to last.
    `width` is the number of outputs and `members` how many share the body; `theta` and `state` tell where the arrays
    of each layer lie, as in dense1.W.
    theta has all weights first and everything else behind them, so that a penalty acts on a slice:
    `theta[..., :network.n_weights]`.
    """

    def __init__(self, layers: Sequence[tuple[str, Layer]], n_in: int) -> None:
        self.layers = list(layers)
        weights: dict[str, Shape] = {}
        others: dict[str, Shape] = {}
        tracked: dict[str, Shape] = {}
        for name, layer in self.layers:
            for key, shape in layer.parameters(n_in).items():
                (weights if key == "W" else others)[f"{name}.{key}"] = shape
            tracked |= {f"{name}.{key}": shape for key, shape in layer.state(n_in).items()}
            n_in = layer.width(n_in)
        self.theta = Layout(weights | others)
        self.n_weights = Layout(weights).size
        self.state = Layout(tracked)
        self.width = n_in
        last = self.layers[-1][1]
        self.members = last.members if isinstance(last, Heads) else 1

    def bind(self, theta: Array, state: Array, gradient: Array) -> list[Bound]:
        """Views of the three flat vectors `(..., size)` for each layer."""
        vectors = [self.theta.views(theta), self.state.views(state), self.theta.views(gradient)]
        return [Bound(name, layer, *(_of_layer(views, name) for views in vectors)) for name, layer in self.layers]

    def forward(
        self, bound: Sequence[Bound], x: Array, mode: Mode, see: Observer | None = None
    ) -> tuple[Array, Callable[[Array], None]]:
        """`x (..., m, n_in)` → logits `(..., m, width)` and the function that fills the gradient from dL/dlogits.

        Logits of members that share the body are `(..., members, m, width)`.
        `bound` says whose numbers, `mode` whether dropout and the batch's own statistics are in force. `see`, where
        given, is shown every layer's output and the gradient that arrives there. The function may overwrite dL/dlogits
        and can be called once; logits and gradients lie in the mode's buffers, which the next pass overwrites.
        """
        mode.buffers.rewind(x.shape[-2])
        steps: list[tuple[str, Backward, Views]] = []
        for name, layer, p, s, g in bound:
            x, backward = layer.forward(p, s, x, mode)
            steps.append((name, backward, g))
            if see:
                see(name, "output", x)
        steps.reverse()

        def run_backward(dy: Array | None) -> None:
            for name, backward, g in steps:
                if dy is None:  # nothing learns before the layer that returned it
                    break
                if see:
                    see(name, "gradient", dy)
                dy = backward(dy, g)

        return x, run_backward

    def draw(self, theta: Array, state: Array, seed: int, initializer: Initializer, gains: dict[str, float]) -> None:
        """Fill one member's vectors `(size,)`: W from its own stream a layer, b and β 0, γ and σ² 1, μ 0.

        `seed` is the member's, `initializer` gives the deviation of W. `gains` maps a dense layer's name to the gain of
        the activation behind it. Embeddings and scales are drawn as their layers say.
        """
        for vector, layout in ((theta, self.theta), (state, self.state)):
            for name, view in layout.views(vector).items():
                view.fill(1 if name.endswith((".gamma", ".variance")) else 0)
        views = self.theta.views(theta)
        for depth, name in enumerate(gains):
            W = views[f"{name}.W"]
            n_in, n_out = W.shape[-2:]
            deviation = initializer.deviation(n_in, n_out, gains[name])
            W[...] = deviation * stream(seed, "init", depth).standard_normal(W.shape)
        for name, layer in self.layers:
            if isinstance(layer, (Embed, Scales)):
                layer.draw(_of_layer(views, name), stream(seed, name))


def _of_layer(views: Views, name: str) -> Views:
    prefix = f"{name}."
    return {key.removeprefix(prefix): view for key, view in views.items() if key.startswith(prefix)}


@dataclass(frozen=True, eq=False)
class MLP:
    """The plan of a dense network; rates may differ between members.

    dropout: one rate a hidden layer and `input_dropout` one for the input, each an array `(members, 1, 1)`
    or `()`, the chance from 0 to below 1 that a unit is left out; all zeros leaves the layer out.
    """

    n_in: int  # features
    hidden: Sequence[int]  # units of each hidden layer, first to last
    n_out: int  # logits
    activation: str = "relu"  # a name of ACTIVATIONS, of every hidden layer
    batch_norm: bool = False  # in every hidden layer, before the activation
    dropout: Sequence[Array] = ()
    input_dropout: Array | None = None
    embeddings: Sequence[Embedding] = ()  # features that are codes
    members: int = 1  # that share the hidden layers

    def network(self) -> Network:
        """Embeddings, input dropout, scales of members, the hidden layers, and the output layer.

        A hidden layer is dense, batch norm, activation and dropout.
        """
        layers: list[tuple[str, Layer]] = []
        if self.embeddings:
            layers.append(("embed", Embed(self.n_in, self.embeddings)))
        if self.input_dropout is not None and self.input_dropout.any():
            layers.append(("dropout0", Dropout(self.input_dropout, depth=0)))
        if self.members > 1:
            layers += [("scales", Scales(self.members, input_gradient=bool(self.embeddings)))]
        for depth, units in enumerate(self.hidden, start=1):
            layers += self._hidden_layer(depth, units)
        layers.append(("output", self._output()))
        return Network(layers, self.n_in)

    def _output(self) -> Layer:
        if self.members > 1:
            return Heads(self.members, self.n_out)
        return Dense(self.n_out, input_gradient=self._learns_before or bool(self.hidden))

    @property
    def _learns_before(self) -> bool:
        """Whether anything learns in front of the hidden layers."""
        return bool(self.embeddings) or self.members > 1

    @property
    def parameters(self) -> int:
        """Numbers that a network trains."""
        return self.network().theta.size

    def gains(self) -> dict[str, float]:
        """What each dense layer's weights should allow for: the activation behind it."""
        gain = ACTIVATIONS[self.activation].gain
        return {f"dense{depth}": gain for depth in range(1, len(self.hidden) + 1)} | {"output": 1.0}

    def _hidden_layer(self, depth: int, units: int) -> list[tuple[str, Layer]]:
        layers: list[tuple[str, Layer]] = [
            (f"dense{depth}", Dense(units, bias=not self.batch_norm, input_gradient=depth > 1 or self._learns_before))
        ]
        if self.batch_norm:
            layers.append((f"norm{depth}", BatchNorm()))
        layers.append((f"{self.activation}{depth}", Activate(self.activation)))
        if len(self.dropout) and np.any(self.dropout[depth - 1]):
            layers.append((f"dropout{depth}", Dropout(self.dropout[depth - 1], depth)))
        return layers
