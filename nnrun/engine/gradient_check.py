"""Numerical check of a network's gradient, two-sided and in float64.

The perturbed copies of theta are members of one stacked pass, two for each parameter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.evaluation import Examples, pieces
from nnrun.engine.hyperparameters import Hyperparameters
from nnrun.engine.layers import Activate, Mode
from nnrun.engine.losses import Loss, smoothed
from nnrun.engine.members import mean_gradient, mean_sums
from nnrun.engine.network import Bound, Network
from nnrun.engine.optimizers import penalties
from nnrun.engine.parameters import Array, Buffers, Layout
from nnrun.engine.transform import Block, Steps
from nnrun.engine.update import penalty

STACKED_NUMBERS = 1 << 22  # numbers in all perturbed copies of theta that are evaluated at once
GREAT, ACCEPTABLE, BUG = 1e-7, 1e-5, 1e-3
EPSILON = 1e-5  # smaller steps are no better: at 1e-7 rounding alone leaves about 1e-7 on a correct network


class LayerCheck(NamedTuple):
    """The ratio of one layer: how far both gradients differ, and the parameter in which they differ most."""

    layer: str
    ratio: float
    parameter: str  # such as dense1.W[3, 0]
    numerical: float
    analytic: float
    checked: int  # parameters


@dataclass(frozen=True)
class GradientCheck:
    """The relative difference of both gradients, and where the two differ most."""

    ratio: float  # 0 where both are 0
    worst_layer: str
    worst_parameter: str  # such as dense1.W[3, 0]
    checked: int  # parameters
    kinks: int  # parameters left out, because a unit crossed the kink of its activation between the two sides
    layers: tuple[LayerCheck, ...] = ()  # from the input to the output

    @property
    def verdict(self) -> str:
        """great, acceptable, suspicious or bug."""
        bounds = {"great": GREAT, "acceptable": ACCEPTABLE, "suspicious": BUG}
        return next((verdict for verdict, bound in bounds.items() if self.ratio < bound), "bug")


class _Cost:
    """J of one batch as a function of theta: loss on smoothed targets and penalties, dropout off, batch norm trains."""

    def __init__(self, network: Network, loss: Loss, h: Hyperparameters, state: Array, examples: Examples) -> None:
        self.network, self.loss, self.h, self.state = network, loss, h, state
        self.x = examples.x[None].astype(np.float64)
        self.targets = smoothed(loss.targets(examples.y[None], self.x.dtype), h)
        self.weights, self.rows = examples.weights, len(examples)
        self.kinked = {
            name for name, layer in network.layers if isinstance(layer, Activate) and ACTIVATIONS[layer.name].kinked
        }

    def gradient(self, theta: Array) -> Array:
        """Analytic, `(1, size)`."""
        g = np.zeros_like(theta)
        bound = self._bind(theta, g)
        logits, backward = self.network.forward(bound, self.x, self._mode())
        weights = None if self.weights is None else self.weights[None, :, None]
        backward(mean_gradient(self.loss, logits, self.targets, weights, out=np.empty_like(logits)))
        one = np.ones((1, 1, 1))
        steps = Steps(numbers=one, rates=one, batch_sizes=self.rows * one)
        block = Block(theta, g, [], np.empty_like(g), self.network.n_weights)
        for transform in penalties(self.h):
            transform.update(block, [c[0] for c in transform.constants(steps)])
        return g

    def __call__(self, thetas: Array) -> tuple[Array, list[Array]]:
        """J of each member of `(members, size)`, and on which side of its kink each unit is."""
        sides: list[Array] = []

        def see(layer: str, kind: str, array: Array) -> None:
            if layer in self.kinked and kind == "output":
                sides.append(array > 0)

        bound = self._bind(thetas, np.empty_like(thetas))
        logits, _ = self.network.forward(bound, self.x, self._mode(), see)
        loss, _ = mean_sums(self.loss, logits, self.targets, self.weights)
        return loss / self.rows + penalty(thetas[:, : self.network.n_weights], self.h, self.rows), sides

    def _bind(self, thetas: Array, gradients: Array) -> list[Bound]:
        """The layers, with averages of their own that the pass may move."""
        return self.network.bind(thetas, np.repeat(self.state[None], len(thetas), axis=0), gradients)

    def _mode(self) -> Mode:
        return Mode(train=True, buffers=Buffers(self.x.dtype))


def check_gradient(
    network: Network,
    loss: Loss,
    h: Hyperparameters,
    theta: Array,
    state: Array,
    examples: Examples,
    epsilon: float = EPSILON,
    most: int | None = None,
    gradient: Array | None = None,
) -> GradientCheck:
    """Compare the gradient of one member's cost at theta `(size,)` with differences over ±epsilon.

    `h` holds penalties and label smoothing of that member, `state (size,)` its running averages, `examples` one small
    batch, `epsilon` the step in the unit of the parameters, `most` the number of parameters checked (a fixed random
    sample; None for all). Dropout is off, penalties are included; neither theta nor state is changed.
    `gradient (size,)` is what another engine makes it there; if None, the network's own is compared.
    """
    cost = _Cost(network, loss, h, state.astype(np.float64), examples)
    theta = theta[None].astype(np.float64)
    indices = _chosen(network.theta, most)
    analytic = (cost.gradient(theta)[0] if gradient is None else gradient)[indices]
    numerical, smooth = _differences(cost, theta, indices, epsilon, network.n_weights if h.l1.any() else 0)
    difference = np.where(smooth, np.abs(numerical - analytic), 0)
    worst = _parameter_name(network, int(indices[difference.argmax()]))
    rounding = np.finfo(np.float64).eps * max(1.0, float(abs(cost(theta)[0][0]))) / EPSILON
    layers = tuple(_by_layer(network, indices[smooth], numerical[smooth], analytic[smooth], rounding))
    ratio = relative_difference(numerical[smooth], analytic[smooth], rounding)
    return GradientCheck(ratio, worst.split(".")[0], worst, int(smooth.sum()), int((~smooth).sum()), layers)


def relative_difference(numerical: Array, analytic: Array, rounding: float = 0.0) -> float:
    """‖numerical − analytic‖ / (‖numerical‖ + ‖analytic‖), 0 where both are 0.

    The `rounding` of one difference is no error: the divisor is at least what makes that of all of them acceptable, as
    where a loss has fallen so far that nothing is left of its gradient.
    """
    least = rounding * np.sqrt(numerical.size) / ACCEPTABLE
    scale = max(np.linalg.norm(numerical) + np.linalg.norm(analytic), least)
    return float(np.linalg.norm(numerical - analytic) / scale) if scale else 0.0


def _by_layer(
    network: Network, indices: NDArray[np.int64], numerical: Array, analytic: Array, rounding: float
) -> Iterator[LayerCheck]:
    """Of each layer with parameters among these."""
    of_layer: dict[str, NDArray[np.bool_]] = {}
    for name, part in network.theta.slices.items():
        layer = name.split(".")[0]
        of_layer[layer] = of_layer.get(layer, False) | ((part.start <= indices) & (indices < part.stop))
    for layer in (name for name, _ in network.layers if name in of_layer):
        own = np.flatnonzero(of_layer[layer])
        if len(own):
            worst = own[np.abs(numerical[own] - analytic[own]).argmax()]
            ratio = relative_difference(numerical[own], analytic[own], rounding)
            name = _parameter_name(network, int(indices[worst]))
            yield LayerCheck(layer, ratio, name, float(numerical[worst]), float(analytic[worst]), len(own))


def _chosen(layout: Layout, most: int | None) -> NDArray[np.int64]:
    """As many of each array as of the others, as far as it goes: no layer is unseen, biases count beside weights."""
    if most is None or most >= layout.size:
        return np.arange(layout.size)
    rng = np.random.default_rng(0)
    turns = np.concatenate([rng.permutation(part.stop - part.start) for part in layout.slices.values()])
    return np.sort(np.argsort(turns, kind="stable")[:most])


def _differences(
    cost: _Cost, theta: Array, indices: NDArray[np.int64], epsilon: float, kinked_weights: int
) -> tuple[Array, NDArray[np.bool_]]:
    """(J(θ + ε) − J(θ − ε)) / 2ε for each index, and whether no kink lay between."""
    values, smooth = [], []
    for some in pieces(len(indices), max(1, STACKED_NUMBERS // (2 * theta.size))):
        chunk = indices[some]
        thetas = np.repeat(theta, 2 * len(chunk), axis=0)
        rows = np.arange(len(chunk))
        thetas[rows, chunk] += epsilon
        thetas[rows + len(chunk), chunk] -= epsilon
        costs, sides = cost(thetas)
        up, down = np.split(costs, 2)
        values.append((up - down) / (2 * epsilon))
        crossed = (chunk < kinked_weights) & (np.abs(theta[0, chunk]) < epsilon)  # the kink of |W| at 0
        for side in sides:
            above, below = np.split(side.reshape(len(thetas), -1), 2)
            crossed |= (above != below).any(axis=1)
        smooth.append(~crossed)
    return np.concatenate(values), np.concatenate(smooth)


def _parameter_name(network: Network, index: int) -> str:
    name, part = next(item for item in network.theta.slices.items() if item[1].start <= index < item[1].stop)
    place = np.unravel_index(index - part.start, network.theta.shapes[name])
    return f"{name}[{', '.join(str(int(i)) for i in place)}]"
