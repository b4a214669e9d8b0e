"""The symptoms: one table of rules, each with its threshold, source and cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nnrun.config.config import Config
from nnrun.engine.evaluation import ROWS
from nnrun.runs.records import FoundSymptom
from nnrun.runs.symptoms.cures import bounded, calmer, carried, faster, other_optimizer
from nnrun.runs.symptoms.curves import (
    ERROR_RISE,
    FEWEST_EPOCHS,
    FLAT,
    FLAT_GRADIENT,
    NEAR_GUESSING,
    RISE,
    SWING,
    divergence,
    oscillation,
    plateau,
    rising_loss,
    slow,
)
from nnrun.runs.symptoms.evidence import Evidence, Settings, Sign
from nnrun.runs.symptoms.layers import dead_units, exploding, lasting, vanishing
from nnrun.runs.symptoms.thresholds import DEAD, EXPLODED, VANISHED


class Symptom(NamedTuple):
    """A rule, its threshold and source in words, and the change that helps."""

    rule: Callable[[Evidence], Sign | None]
    when: str
    cure: Callable[[Config], Settings]
    advice: str
    source: str
    of_curve: bool = False  # a consequence of whatever else is found, so told only where nothing is


def find_symptoms(evidence: Evidence) -> list[FoundSymptom]:
    """All findings as plain data: name, epoch, layer (or None), why, and the cure as settings."""
    found: list[FoundSymptom] = []
    for name, symptom in SYMPTOMS.items():
        sign = None if found and symptom.of_curve else symptom.rule(evidence)
        if sign:
            cure = list(symptom.cure(evidence.config))
            found.append({"name": name, "epoch": sign.epoch, "layer": sign.layer, "why": sign.why, "cure": cure})
    return found


LESS = "inputs to one scale where they are not; else a tenth of the learning rate"
LONG_ENOUGH = f"after {FEWEST_EPOCHS} epochs or more, with a training error above base error and tolerance:"

SYMPTOMS = {
    "exploding": Symptom(
        lasting(exploding),
        f"from the first hidden layer to the last, outputs grow more than {EXPLODED:,.0f} times; or gradients do, from "
        "the output back to the first",
        bounded,
        "initial weights that fit the activation; else batch norm; else clipped gradients",
        "Pascanu et al. 2013",
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
    ),
    "divergence": Symptom(divergence, "numbers are no longer finite", calmer, LESS, "Bengio 2012"),
    "rising_loss": Symptom(
        rising_loss,
        f"{LONG_ENOUGH} the training loss of the last quarter is {100 * RISE:.0f}% above its lowest, the training "
        f"error {100 * ERROR_RISE:.0f} points (medians)",
        calmer,
        LESS,
        "Bengio 2012",
        of_curve=True,
    ),
    "oscillation": Symptom(
        oscillation,
        f"{LONG_ENOUGH} over the last quarter the training loss goes up and down, on average by {100 * SWING:.0f}% of "
        "its mean an epoch",
        calmer,
        LESS,
        "Bengio 2012",
        of_curve=True,
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
    ),
    "slow": Symptom(
        slow,
        f"{LONG_ENOUGH} over the last quarter the training loss falls every epoch, but by less than {100 * FLAT:g}% in "
        "all, though the gradient is not small and the schedule has not halved the rate",
        faster,
        "ten times the learning rate",
        "Bengio 2012",
        of_curve=True,
    ),
}
