"""Per-layer statistics of one batch: whether signals and gradients vanish, explode or die."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnrun.engine.evaluation import Examples
from nnrun.engine.layers import Mode
from nnrun.engine.losses import Loss
from nnrun.engine.network import Network
from nnrun.engine.parameters import Array, Buffers

ROWS = 256


def layer_statistics(
    network: Network, loss: Loss, theta: Array, state: Array, examples: Examples
) -> list[dict[str, dict[str, float]]]:
    """For each member of theta `(members, size)`, for each layer of its network:

    output_std, the standard deviation of its outputs; dead, the share of its units whose output is 0 for
    every example; gradient_norm, the norm of the cost's gradient by its outputs. Measured on the first
    rows, dropout off, batch norm as in training; nothing of the training state changes.
    """
    rows = Examples(examples.x[:ROWS], examples.y[:ROWS])
    found: list[dict[str, dict[str, float]]] = [{name: {} for name, _ in network.layers} for _ in theta]

    def see(layer: str, kind: str, array: Array) -> None:
        for member, values in zip(found, array, strict=False):
            member[layer] |= (
                _of_outputs(values) if kind == "output" else {"gradient_norm": float(np.linalg.norm(values))}
            )

    bound = network.bind(theta, state.copy(), np.empty_like(theta))
    mode = Mode(train=True, buffers=Buffers(theta.dtype))
    logits, backward = network.forward(bound, rows.x[None], mode, see)
    targets = loss.targets(rows.y[None], theta.dtype)
    backward(loss.gradient(logits, targets, out=np.empty_like(logits)))
    return found


def _of_outputs(values: Array) -> dict[str, float]:
    return {"output_std": float(values.std(dtype=np.float64)), "dead": float((values == 0).all(axis=-2).mean())}


def near_zero_share(weights: Array, layers: Sequence[slice]) -> float:
    """Share of weights below 1% of the largest in their layer, which a subgradient never puts at exactly zero."""
    small = sum(int((np.abs(W) < 0.01 * np.abs(W).max()).sum()) for W in (weights[part] for part in layers))
    return small / weights.size
