"""The rules: from what a training recorded of its layers, and of its curve, to a finding.

Those on layers look at signals and gradients that explode, vanish or meet dead units; those on the shape of the curve,
the training loss, ask for an error that is not low.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnrun.config.config import Config
from nnrun.runs.records import Layers, numbers
from nnrun.runs.symptoms.evidence import Evidence, Finding
from nnrun.runs.symptoms.shapes import dev_turned
from nnrun.runs.symptoms.thresholds import (
    CLIMB,
    DEAD,
    DOUBLED,
    ERROR_RISE,
    EXPLODED,
    FEWEST_EPOCHS,
    FLAT,
    FLAT_GRADIENT,
    HALF_LOST,
    NEAR_GUESSING,
    RISE,
    SWING,
    VANISHED,
)

Look = Callable[[Config, Layers], tuple[str, str] | None]  # layer and why
Series = NDArray[np.float64]


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
        f"relu{depth}": _statistic(layers, f"relu{depth}", "dead")
        for depth in range(1, len(config.network.hidden) + 1)
        if _statistic(layers, f"{before}{depth}", "output_std") > 0
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
        _ratio(_statistic(layers, last, "output_std"), _statistic(layers, first, "output_std")),
        _ratio(_statistic(layers, first, "gradient_norm"), _statistic(layers, "output", "gradient_norm")),
    )


def _statistic(layers: Layers, layer: str, name: str) -> float:
    """The number, infinite where it was not finite."""
    value = layers[layer][name]
    return np.inf if value is None else value


def _ratio(above: float, below: float) -> float:
    """1 where it cannot be told."""
    return above / below if 0 < below < np.inf else 1.0


def divergence(evidence: Evidence) -> Finding | None:
    """Numbers that are not finite."""
    where = evidence.divergence
    if where is None:
        return None
    return Finding.since(where["epoch"], where["layer"], f"its numbers ceased to be finite in step {where['step']}")


def rising_loss(evidence: Evidence) -> Finding | None:
    """What was learned is lost again."""
    losses, errors = _series(evidence, "train_loss"), _series(evidence, "train_error")
    if not _underfits(evidence):
        return None
    lowest, now = int(losses.argmin()), float(np.median(_tail(losses)))
    costs = _series(evidence, "cost")
    if np.median(_tail(costs)) < (1 + RISE) * costs[lowest]:  # a stronger penalty raises the loss, as it is to do
        return None
    if now < (1 + RISE) * losses[lowest] or np.median(_tail(errors)) < errors.min() + ERROR_RISE:
        return None
    why = f"since then the training loss has risen from {losses[lowest]:.3g} to {now:.3g}"
    return Finding.since(int(_series(evidence, "epoch")[lowest]), None, why)


def oscillation(evidence: Evidence) -> Finding | None:
    """A loss that leaps up and down."""
    if not _underfits(evidence):
        return None
    tail = _tail(_series(evidence, "train_loss"))
    steps = np.diff(tail)
    swing = float(np.abs(steps).mean() / tail.mean())
    if swing < SWING or not (steps > 0).any():
        return None
    why = f"since then the training loss has changed by {100 * swing:.0f}% from one epoch to the next"
    return Finding.since(_start_of_tail(evidence), None, why)


def plateau(evidence: Evidence) -> Finding | None:
    """A flat loss with a small gradient, though the error is not low and no penalty holds it there."""
    fall, gradient = _fall(evidence), _steepness(evidence)
    if fall is None or abs(fall) >= FLAT or gradient >= FLAT_GRADIENT or not evidence.config.network.hidden:
        return None
    error = float(_series(evidence, "train_error")[-1])
    if _held_back(evidence.config) and error < NEAR_GUESSING * evidence.guess:
        return None
    why = f"since then the training loss has been flat, with a small gradient, at an error of {100 * error:.0f}%"
    return Finding.since(_start_of_tail(evidence), None, why)


def slow(evidence: Evidence) -> Finding | None:
    """A loss that hardly falls on a slope, by steps that are too short."""
    fall, rates = _fall(evidence), _series(evidence, "learning_rate")
    if fall is None or not 0 < fall < FLAT or _steepness(evidence) < FLAT_GRADIENT:
        return None
    tail = _tail(_series(evidence, "train_loss"))
    if not (np.diff(tail) < 0).all() or rates[-1] < rates.max() / 2:
        return None
    whole = float(1 - tail[-1] / tail[0])
    why = f"since then the training loss has fallen by {100 * whole:.1g}% only, though its gradient is not small"
    return Finding.since(_start_of_tail(evidence), None, why)


def divergence_near(evidence: Evidence) -> Finding | None:
    """A cost that climbs epoch after epoch to where little is left of what was learned; told of short curves too."""
    costs, errors = _series(evidence, "cost"), _series(evidence, "train_error")
    if len(costs) <= CLIMB or not (np.diff(costs[-CLIMB - 1 :]) > 0).all() or not _is_high(evidence, "train_error"):
        return None
    lowest = int(np.nanargmin(costs))
    if costs[-1] < DOUBLED * costs[lowest] or errors[-1] < HALF_LOST * evidence.guess:
        return None
    why = f"since then the cost has climbed from {costs[lowest]:.3g} to {costs[-1]:.3g}"
    return Finding.since(int(_series(evidence, "epoch")[lowest]), None, why)


def dev_rising(evidence: Evidence) -> Finding | None:
    """A dev loss that rises while the training loss falls on; told while there is time, later the verdict has it."""
    if not evidence.training or len(evidence.rows) < FEWEST_EPOCHS or not _is_high(evidence, "dev_error"):
        return None
    train, dev = _series(evidence, "train_loss"), _series(evidence, "dev_loss")
    if not dev_turned(train.tolist(), dev.tolist()):
        return None
    lowest = int(np.nanargmin(dev))
    why = f"since then the dev loss has risen from {dev[lowest]:.3g} to {dev[-1]:.3g}, while the training loss fell"
    return Finding.since(int(_series(evidence, "epoch")[lowest]), None, why)


def _series(evidence: Evidence, key: str) -> Series:
    """One number an epoch, NaN where it is not known."""
    return np.array([numbers(row)[key] for row in evidence.rows], float)


def _tail(values: Series) -> Series:
    """The last quarter, at least five."""
    return values[-max(5, len(values) // 4) :]


def _start_of_tail(evidence: Evidence) -> int:
    return int(_tail(_series(evidence, "epoch"))[0])


def _underfits(evidence: Evidence) -> bool:
    """Whether the curve is long enough to be judged, and ends at an error that is not low."""
    return len(evidence.rows) >= FEWEST_EPOCHS and _is_high(evidence, "train_error")


def _is_high(evidence: Evidence, key: str) -> bool:
    """Whether the latest of an error is above base error and tolerance."""
    diagnosis = evidence.config.diagnosis
    error = numbers(evidence.rows[-1])[key] if evidence.rows else None
    return error is not None and error > diagnosis.base_error + diagnosis.tolerance


def _fall(evidence: Evidence) -> float | None:
    """By which share the loss falls from one half of the last quarter to the other; None where it should not fall."""
    if not _underfits(evidence):
        return None
    tail = _tail(_series(evidence, "train_loss"))
    half = len(tail) // 2
    return float(1 - tail[-half:].mean() / tail[:half].mean())


def _steepness(evidence: Evidence) -> float:
    """Of all layers together, at the end."""
    if not evidence.layers:
        return np.inf
    _, layers = evidence.layers[-1]
    parts = [_statistic(layers, name, "steepness") for name, found in layers.items() if "steepness" in found]
    return float(np.linalg.norm(parts))


def _held_back(config: Config) -> bool:
    held = config.regularization
    rates = (held.l1, held.l2, held.input_dropout, *held.dropout, config.optimizer.weight_decay)
    return any(rates)
