"""What a trainer tells of an epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nnrun.engine.divergence import Divergence
from nnrun.engine.parameters import Array


@dataclass(frozen=True, eq=False)
class Epoch:
    """What an epoch came to; arrays hold one number an ensemble, losses and errors NaN for those that have stopped.

    An error is the share of wrong classes, or 1 − R². On train both are those of a sample, of TRAIN_SAMPLE rows or as
    many as dev has, if that is more.
    """

    number: int  # from 1
    step: int  # steps since training began
    learning_rate: Array  # of the last step
    train_loss: Array
    cost: Array  # the training loss and the penalties, of members their mean
    train_error: Array
    dev_loss: Array
    dev_error: Array
    dev_losses: Array  # of each member, (ensembles, ensemble)
    dev_errors: Array
    step_losses: Array  # of each batch as it was trained on, (ensembles, steps); no steps where they are not kept
    seconds: float  # of training and measuring
    diverged: Mapping[int, Divergence] = field(default_factory=dict)  # by ensemble, of the member that was first
