"""What the layers of a network do: their outputs, their gradients, their weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnrun.engine.evaluation import Examples
from nnrun.engine.layers import Dropout, Mode
from nnrun.engine.losses import Loss
from nnrun.engine.members import mean_gradient, mean_sums
from nnrun.engine.network import Network
from nnrun.engine.parameters import Array, Buffers
from nnrun.engine.sampling import sample

ROWS = 256


def layer_statistics(
    network: Network, loss: Loss, theta: Array, state: Array, examples: Examples
) -> list[dict[str, dict[str, float]]]:
    """For each member of theta and state, both `(members, size)`, for each layer of its network:

    output_std, the standard deviation of its outputs; dead, the share of its units whose output is 0 for
    every example; gradient_norm, the norm of the loss's gradient by its outputs; for a layer with parameters also
    steepness, by how many per cent the loss may change if they change by one. Measured on a sample of rows, dropout
    off, batch norm as in training; nothing of the training state changes.
    """
    rows, gradient = sample(examples, ROWS), np.empty_like(theta)
    found: list[dict[str, dict[str, float]]] = [{name: {} for name, _ in network.layers} for _ in theta]

    def see(layer: str, kind: str, array: Array) -> None:
        of_each = np.broadcast_to(array, (len(found), *array.shape[1:]))  # members share what no layer has changed
        for member, values in zip(found, of_each, strict=True):
            member[layer] |= (
                _of_outputs(values) if kind == "output" else {"gradient_norm": float(np.linalg.norm(values))}
            )

    bound = network.bind(theta, state.copy(), gradient)
    mode = Mode(train=True, buffers=Buffers(theta.dtype))
    logits, backward = network.forward(bound, rows.x[None], mode, see)
    targets = loss.targets(rows.y[None], theta.dtype)
    losses = mean_sums(loss, logits, targets, rows.weights)[0] / len(rows)
    weights = None if rows.weights is None else rows.weights[None, :, None]
    backward(mean_gradient(loss, logits, targets, weights, out=np.empty_like(logits)))
    for name, steepness in _steepness(network, theta, gradient, losses).items():
        for member, value in zip(found, steepness, strict=True):
            member[name]["steepness"] = float(value)
    return [_without_idle(network, layers, k) for k, layers in enumerate(found)]


def _without_idle(network: Network, layers: dict[str, dict[str, float]], member: int) -> dict[str, dict[str, float]]:
    """No dropout at rate 0, which is there for others of the stack: alone a member has no such layer."""
    idle = {name for name, layer in network.layers if isinstance(layer, Dropout) and not layer.rate_of(member)}
    return {name: values for name, values in layers.items() if name not in idle}


def _steepness(network: Network, theta: Array, gradient: Array, losses: Array) -> dict[str, Array]:
    """‖∂L/∂θ‖·‖θ‖ / L of each layer that has parameters, `(members,)`."""
    squares = {
        name: np.stack([np.square(vector[..., part], dtype=np.float64).sum(axis=-1) for vector in (theta, gradient)])
        for name, part in network.theta.slices.items()
    }
    layers: dict[str, Array] = {}
    for name, sums in squares.items():
        layer = name.split(".")[0]
        layers[layer] = layers.get(layer, 0) + sums
    with np.errstate(all="ignore"):
        return {layer: np.sqrt(sums.prod(axis=0)) / losses for layer, sums in layers.items()}


def _of_outputs(values: Array) -> dict[str, float]:
    return {"output_std": float(values.std(dtype=np.float64)), "dead": float((values == 0).all(axis=-2).mean())}


def near_zero_share(weights: Array, layers: Sequence[slice]) -> float:
    """Share of weights below 1% of the largest in their layer, which a subgradient never puts at exactly zero.

    `weights (size,)` are those of one member, `layers` the slices of them that belong together.
    """
    small = sum(int((np.abs(W) < 0.01 * np.abs(W).max()).sum()) for W in (weights[part] for part in layers))
    return small / weights.size
