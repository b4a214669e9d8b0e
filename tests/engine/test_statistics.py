"""Statistics of layers: the steepness against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nnrun.engine.evaluation import Examples
from nnrun.engine.layer_statistics import layer_statistics
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


def test_a_unit_is_dead_where_no_class_wakes_it_in_whatever_order_rows_come() -> None:
    """One unit for either sign of x: of rows sorted by it the first thousand have one alone."""
    network = MLP(n_in=1, hidden=(2,), n_out=1).network()
    theta, x = np.zeros((1, network.theta.size)), np.repeat([[1.0], [-1.0]], 1000, axis=0)
    network.theta.views(theta[0])["dense1.W"][:] = 1.0, -1.0
    for rows, dead in ((x, 0.0), (np.abs(x), 0.5)):
        (found,) = layer_statistics(network, SquaredError(1), theta, np.zeros((1, 0)), Examples(rows, rows))
        assert found["relu1"]["dead"] == dead
