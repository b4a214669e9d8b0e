"""Statistics of layers: the steepness against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nnrun.engine.evaluation import Examples, layer_statistics
from nnrun.engine.losses import SquaredError
from nnrun.engine.network import MLP


def test_steepness_is_the_relative_change_of_the_loss_for_one_of_the_parameters() -> None:
    """z = 3·x₁ + 4·x₂ + 0 on x = (1, 0) and (0, 1), y = 2: residuals 1 and 2.

    L = (1 + 4) / 2 = 2.5; ∂L/∂W = (1, 2) and ∂L/∂b = 3, norm √14; ‖θ‖ = 5.
    """
    network = MLP(n_in=2, hidden=(), n_out=1).network()
    theta = np.zeros((2, network.theta.size))
    for member, scale in enumerate((1, 2)):
        network.theta.views(theta[member])["output.W"][:, 0] = np.multiply(scale, (3, 4))
    examples = Examples(np.eye(2), np.full((2, 1), 2.0))
    alone, doubled = layer_statistics(network, SquaredError(1), theta, np.zeros((2, 0)), examples)
    assert alone["output"]["steepness"] == pytest.approx(np.sqrt(14) * 5 / 2.5)
    # z = 6 and 8: residuals 4 and 6, L = 26, gradient (4, 6) and 10, ‖θ‖ = 10
    assert doubled["output"]["steepness"] == pytest.approx(np.sqrt(152) * 10 / 26)
    assert alone["output"]["gradient_norm"] == pytest.approx(np.sqrt(5))
