"""The symptoms: one table of rules, each with its threshold, source and cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nnrun.config.config import Config
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.layer_statistics import ROWS
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.runs.records import FoundSymptom
from nnrun.runs.symptoms.evidence import Evidence, Finding, Settings, usual_rate
from nnrun.runs.symptoms.rules import (
    dead_units,
    dev_rising,
    divergence,
    divergence_near,
    exploding,
    lasting,
    oscillation,
    plateau,
    rising_loss,
    slow,
    vanishing,
)
from nnrun.runs.symptoms.thresholds import (
    CLIMB,
    DEAD,
    DOUBLED,
    EARLY,
    ERROR_RISE,
    EXPLODED,
    FEWEST_EPOCHS,
    FLAT,
    FLAT_GRADIENT,
    HALF_LOST,
    NEAR_GUESSING,
    RISE,
    SWING,
    TURNED,
    VANISHED,
)
from nnrun.text import by_hand


def nothing(config: Config) -> Settings:
    """No setting."""
    return ()


class Symptom(NamedTuple):
    """A rule, its threshold and source in words, the change that helps, and the one that can be made on the way."""

    rule: Callable[[Evidence], Finding | None]
    when: str
    cure: Callable[[Config], Settings]
    advice: str
    source: str
    of_curve: bool = False  # a consequence of whatever else is found, so told only where nothing is
    nudge: Callable[[Config], Settings] = nothing  # of keys that may change while the network trains


def find_symptoms(evidence: Evidence) -> list[FoundSymptom]:
    """All findings as data: name, epoch, layer (or None), why, the cure as settings; while it trains the nudge."""
    found: list[FoundSymptom] = []
    for name, symptom in SYMPTOMS.items():
        seen = None if found and symptom.of_curve else symptom.rule(evidence)
        if seen:
            cure = list(symptom.cure(evidence.config))
            found.append({"name": name, "epoch": seen.epoch, "layer": seen.layer, "why": seen.text, "cure": cure})
            if evidence.training:
                found[-1]["nudge"] = list(symptom.nudge(evidence.config))
    return found


# What helps, as settings for a configuration.

FAR = 1000.0  # times the usual rate
PENALTY = 1.0  # λ of a first L2 penalty
SCALED = ("data.normalize=standard",)
FROM_REST = 3  # times the usual rate, with which Adam leaves more plateaus than with that


def calmer(config: Config) -> Settings:
    """Steps that do not leap."""
    return SCALED if _is_raw(config) else slower(config)


def short_enough(config: Config) -> Settings:
    """Steps with which numbers stay finite."""
    scaled = SCALED if _is_raw(config) else ()
    if scaled and config.optimizer.learning_rate <= usual_rate(config.optimizer):
        return scaled
    return (*scaled, f"optimizer.learning_rate={rate_after_divergence(config):g}")


def _is_raw(config: Config) -> bool:
    """Whether nothing brings the inputs to one scale."""
    return config.data.normalize == "none" and not config.network.batch_norm


def rate_after_divergence(config: Config) -> float:
    """A tenth, but no more than the usual rate: a tenth of 1e6 diverges too."""
    optimizer = config.optimizer
    return by_hand(min(optimizer.learning_rate / 10, usual_rate(optimizer)))


def slower(config: Config) -> Settings:
    """Shorter steps."""
    return (f"optimizer.learning_rate={_nearer(config, 0.1):g}",)


def faster(config: Config) -> Settings:
    """Longer steps."""
    return (f"optimizer.learning_rate={_nearer(config, 10):g}",)


def _nearer(config: Config, factor: float) -> float:
    """The rate times a factor; where the rate is far from the optimizer's usual one, as with 1e6, the usual one."""
    rate, usual = config.optimizer.learning_rate, usual_rate(config.optimizer)
    return rate * factor if 1 / FAR < rate / usual < FAR else usual


def other_optimizer(config: Config) -> Settings:
    """Steps whose length does not depend on that of the gradient."""
    if OPTIMIZERS[config.optimizer.name].adaptive:
        return faster(config)
    return ("optimizer.name=adam", f"optimizer.learning_rate={FROM_REST * OPTIMIZERS['adam'].usual_rate:g}")


def carried(config: Config) -> Settings:
    """What lets signals and gradients through."""
    network = config.network
    if not _starts_well(config):
        return ("network.init=auto",)
    if ACTIVATIONS[network.activation].saturates:
        return ("network.activation=relu",)
    if not network.batch_norm:
        return ("network.batch_norm=true",)
    return (f"network.hidden={list(network.hidden[: (len(network.hidden) + 1) // 2])}".replace(" ", ""),)


def bounded(config: Config) -> Settings:
    """What keeps signals and gradients in bounds."""
    if not _starts_well(config):
        return ("network.init=auto",)
    if not config.network.batch_norm:
        return ("network.batch_norm=true",)
    return calmer(config) if config.optimizer.clip_norm else ("optimizer.clip_norm=1",)


def clipped(config: Config) -> Settings:
    """What keeps steps in bounds."""
    return slower(config) if config.optimizer.clip_norm else ("optimizer.clip_norm=1",)


def smoother(config: Config) -> Settings:
    """A penalty on the weights, or a stronger one."""
    now = config.regularization.l2
    return (f"regularization.l2={by_hand(3 * now) if now else PENALTY:g}",)


def _starts_well(config: Config) -> bool:
    """Whether the initial weights are about as large as those that fit the activation."""
    width, gain = max(config.network.hidden), ACTIVATIONS[config.network.activation].gain
    own, fitting = (i.deviation(width, width, gain) for i in (config.network.init.build(), INITIALIZERS["auto"]()))
    return 0.5 * fitting <= own <= 2 * fitting


LESS = "inputs to one scale where they are not; else a tenth of the learning rate"
SHORT = "inputs to one scale where they are not; a tenth of the learning rate, but no more than the usual one"
LONG_ENOUGH = f"after {FEWEST_EPOCHS} epochs or more, with a training error above base error and tolerance:"

SYMPTOMS = {
    "exploding": Symptom(
        lasting(exploding),
        f"from the first hidden layer to the last, outputs grow more than {EXPLODED:,.0f} times; or gradients do, from "
        "the output back to the first",
        bounded,
        "initial weights that fit the activation; else batch norm; else clipped gradients",
        "Pascanu et al. 2013",
        nudge=clipped,
    ),
    "vanishing": Symptom(
        lasting(vanishing),
        f"the same, but they shrink to less than {VANISHED:g}, and no layer has dead units",
        carried,
        "initial weights that fit the activation; else relu for sigmoid and tanh; else batch norm; else fewer layers",
        "Glorot & Bengio 2010",
    ),
    "dead_units": Symptom(
        lasting(dead_units),
        f"{100 * DEAD:.0f}% of the units of a relu layer are 0 for all of {ROWS} training examples, and L1 is off",
        calmer,
        LESS,
        "Maas et al. 2013",
        nudge=slower,
    ),
    "divergence": Symptom(divergence, "numbers are no longer finite", short_enough, SHORT, "Bengio 2012"),
    "rising_loss": Symptom(
        rising_loss,
        f"{LONG_ENOUGH} the training loss of the last quarter is {100 * RISE:.0f}% above its lowest, the cost too, the "
        f"training error {100 * ERROR_RISE:.0f} points (medians)",
        calmer,
        LESS,
        "Bengio 2012",
        of_curve=True,
        nudge=slower,
    ),
    "oscillation": Symptom(
        oscillation,
        f"{LONG_ENOUGH} over the last quarter the training loss goes up and down, on average by {100 * SWING:.0f}% of "
        "its mean an epoch",
        calmer,
        LESS,
        "Bengio 2012",
        of_curve=True,
        nudge=slower,
    ),
    "plateau": Symptom(
        plateau,
        f"{LONG_ENOUGH} over the last quarter the training loss falls by less than {100 * FLAT:g}%, and parameters "
        f"changed by 1% would change it by less than {FLAT_GRADIENT:g}%; the network has hidden layers; with L1, L2, "
        f"decay or dropout only if the error is above {100 * NEAR_GUESSING:.0f}% of that of a constant guess",
        other_optimizer,
        "Adam; where it, AdamW or RMSprop is used, ten times the learning rate",
        "Dauphin et al. 2014",
        of_curve=True,
        nudge=faster,
    ),
    "slow": Symptom(
        slow,
        f"{LONG_ENOUGH} over the last quarter the training loss falls every epoch, but by less than {100 * FLAT:g}% "
        "from the mean of its first half to that of its second, though the gradient is not small and the schedule has "
        "not halved the rate",
        faster,
        "ten times the learning rate",
        "Bengio 2012",
        of_curve=True,
        nudge=faster,
    ),
    "divergence_near": Symptom(
        divergence_near,
        f"each of the last {CLIMB} epochs raised the cost, to {DOUBLED:g} times its lowest or more, and the training "
        f"error is above base error and tolerance and {100 * HALF_LOST:.0f}% of that of a constant guess",
        calmer,
        LESS,
        "Bengio 2012",
        of_curve=True,
        nudge=slower,
    ),
    "dev_rising": Symptom(
        dev_rising,
        f"only while it trains, after {FEWEST_EPOCHS} epochs or more, with a dev error above base error and tolerance: "
        f"the dev loss was lowest in the first {EARLY:.0%} of the epochs and is {TURNED - 1:.0%} or more above that, "
        "while the training loss fell on",
        smoother,
        f"an L2 penalty of {PENALTY:g}; else three times as much",
        "Prechelt 1998",
        nudge=smoother,
    ),
}
