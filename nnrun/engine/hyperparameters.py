"""The numbers that steer what theta follows, one a member, and what an option of a table's entry is."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnrun.machine.lazily import cached_property

PerMember = NDArray[np.float64]  # (members, 1)
Value = float | bool  # of a hyperparameter: a number, or a flag
Given = Value | Sequence[float] | NDArray[np.float64]  # a number for all members or one a member, or a flag


@dataclass(frozen=True, eq=False)
class Hyperparameters:
    """Numbers of the optimizer, the penalties and the targets, one a member; the flags are the same for all members."""

    learning_rate: PerMember
    beta1: PerMember
    beta2: PerMember
    epsilon: PerMember
    weight_decay: PerMember
    l1: PerMember
    l2: PerMember
    clip_norm: PerMember  # infinite: no clipping
    ema: PerMember  # decay of the parameters' average over steps; 0: none
    swa: PerMember  # epoch from which on their mean over ends of epochs is taken; 0: none
    label_smoothing: PerMember  # share of each target that all classes get alike
    bias_correction: bool
    dampening: bool

    @classmethod
    def of(cls, members: int = 1, **values: Given) -> Hyperparameters:
        """For so many members, from numbers or one number a member; the common ones for what is not named.

        Raises TypeError for a name that does not exist.
        """
        return cls(**{name: _held(name, value, members) for name, value in {**COMMON, **values}.items()})

    @cached_property
    def smooths(self) -> bool:
        """Whether the targets of any member are smoothed."""
        return bool(self.label_smoothing.any())


COMMON: dict[str, Value] = {
    "learning_rate": 1e-3,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "clip_norm": np.inf,
    "ema": 0.0,
    "swa": 0.0,
    "label_smoothing": 0.0,
    "bias_correction": False,
    "dampening": True,
}
FLAGS = tuple(name for name, value in COMMON.items() if isinstance(value, bool))  # the same for all members
NUMBERS = tuple(name for name in COMMON if name not in FLAGS)  # one a member


def _held(name: str, value: Given, members: int) -> Any:
    """A flag as it is, a number once a member."""
    return value if name in FLAGS else np.broadcast_to(np.array(value, float), members)[:, None]


def option(default: Any, help: str, **bounds: float) -> Any:
    """A dataclass field with one line of help and the bounds (`ge`, `gt`, `le`, `lt`) that a config must respect."""
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: copy(default), metadata={"help": help, **bounds})
    return field(default=default, metadata={"help": help, **bounds})
