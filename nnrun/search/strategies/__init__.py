"""Which point comes next: a strategy a module, asked for points and told results; `STRATEGIES` has them by name."""

from __future__ import annotations

from nnrun.search.strategies.coarse_to_fine import CoarseToFine
from nnrun.search.strategies.coarse_to_fine_halving import CoarseToFineHalving
from nnrun.search.strategies.grid import Grid
from nnrun.search.strategies.halving import Halving
from nnrun.search.strategies.strategy import Random, Sobol, Strategy
from nnrun.search.strategies.tpe import Tpe

# By the names of `search.strategy`.
STRATEGIES: dict[str, type[Strategy]] = {
    "random": Random,
    "coarse_to_fine": CoarseToFine,
    "sobol": Sobol,
    "grid": Grid,
    "halving": Halving,
    "coarse_to_fine_halving": CoarseToFineHalving,
    "tpe": Tpe,
}
