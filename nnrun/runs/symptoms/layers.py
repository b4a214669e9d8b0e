"""Rules on the statistics of layers: signals and gradients that explode, vanish or meet dead units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnrun.config.config import Config
from nnrun.runs.records import Layers
from nnrun.runs.symptoms.evidence import Evidence, Finding
from nnrun.runs.symptoms.thresholds import DEAD, EXPLODED, VANISHED

Look = Callable[[Config, Layers], tuple[str, str] | None]  # layer and why


def lasting(look: Look) -> Callable[[Evidence], Finding | None]:
    """What a look finds in the latest statistics, dated to the epoch since which it finds something every time."""

    def rule(evidence: Evidence) -> Finding | None:
        found: Finding | None = None
        for epoch, layers in reversed(evidence.layers):
            seen = look(evidence.config, layers)
            if seen is None:
                break
            layer, why = seen if found is None else (found.layer, found.text)
            found = Finding.since(epoch, layer, why)
        return found

    return rule


def exploding(config: Config, layers: Layers) -> tuple[str, str] | None:
    """Outputs or gradients that grow too much from layer to layer."""
    signal, gradient = _growth(config, layers)
    if signal > EXPLODED:
        return _last(config), f"its outputs are {signal:.2g} times as large as those of the first hidden layer"
    if gradient > EXPLODED:
        return _first(config), f"the gradient grows {gradient:.2g} times on its way there from the output"
    return None


def vanishing(config: Config, layers: Layers) -> tuple[str, str] | None:
    """Outputs or gradients that shrink too much from layer to layer, and not because units are dead."""
    if dead_units(config, layers):
        return None
    signal, gradient = _growth(config, layers)
    if gradient < VANISHED:
        return _first(config), f"{_rest(gradient)} the gradient at the output arrives there"
    if signal < VANISHED:
        return _last(config), f"{_rest(signal)} the signal in the first hidden layer arrives there"
    return None


def dead_units(config: Config, layers: Layers) -> tuple[str, str] | None:
    """The layer with most units that never fire though something arrives; where L1 wants them, none is."""
    if config.network.activation != "relu" or config.regularization.l1:
        return None
    before = "norm" if config.network.batch_norm else "dense"
    dead = {
        f"relu{depth}": statistic(layers, f"relu{depth}", "dead")
        for depth in range(1, len(config.network.hidden) + 1)
        if statistic(layers, f"{before}{depth}", "output_std") > 0
    }
    worst = max(dead, key=lambda name: dead[name], default=None)
    if worst is None or dead[worst] < DEAD:
        return None
    return worst, f"{100 * dead[worst]:.0f}% of its units are 0 for every training example looked at"


def _rest(share: float) -> str:
    return f"only {share:.2g} of" if share else "nothing of"


def _first(config: Config) -> str:
    return f"{config.network.activation}1"


def _last(config: Config) -> str:
    return f"{config.network.activation}{len(config.network.hidden)}"


def _growth(config: Config, layers: Layers) -> tuple[float, float]:
    """How much the outputs grow from the first hidden layer to the last, and gradients from the output to the first."""
    if not config.network.hidden:
        return 1.0, 1.0
    first, last = _first(config), _last(config)
    return (
        _ratio(statistic(layers, last, "output_std"), statistic(layers, first, "output_std")),
        _ratio(statistic(layers, first, "gradient_norm"), statistic(layers, "output", "gradient_norm")),
    )


def statistic(layers: Layers, layer: str, name: str) -> float:
    """The number, infinite where it was not finite."""
    value = layers[layer][name]
    return np.inf if value is None else value


def _ratio(above: float, below: float) -> float:
    """1 where it cannot be told."""
    return above / below if 0 < below < np.inf else 1.0
