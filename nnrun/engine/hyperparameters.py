"""The numbers that steer the update of theta, one a member, and what an option of a table's entry is."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PerMember = NDArray[np.float64]  # (members, 1)


@dataclass(frozen=True, eq=False)
class Hyperparameters:
    """Numbers of the optimizer and the penalties, one a member; the flags are the same for all members."""

    learning_rate: PerMember
    beta1: PerMember
    beta2: PerMember
    epsilon: PerMember
    weight_decay: PerMember
    l1: PerMember
    l2: PerMember
    clip_norm: PerMember  # infinite: no clipping
    bias_correction: bool
    dampening: bool

    @classmethod
    def of(cls, members: int = 1, **values: Any) -> Hyperparameters:
        """For so many members, from numbers or one number a member; the common ones for what is not named.

        Raises TypeError for a name that does not exist.
        """
        given: dict[str, Any] = {**COMMON, **values}
        flags = {name: given.pop(name) for name in FLAGS}
        columns: dict[str, Any] = {
            name: np.broadcast_to(np.array(value, float), members)[:, None] for name, value in given.items()
        }
        return cls(**columns, **flags)


COMMON: dict[str, Any] = {
    "learning_rate": 1e-3,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.0,
    "l1": 0.0,
    "l2": 0.0,
    "clip_norm": np.inf,
    "bias_correction": False,
    "dampening": True,
}
FLAGS = tuple(name for name, value in COMMON.items() if isinstance(value, bool))  # the same for all members
NUMBERS = tuple(name for name in COMMON if name not in FLAGS)  # one a member


def option(default: Any, help: str, **bounds: float) -> Any:
    """A dataclass field with one line of help and the bounds (`ge`, `gt`, `le`, `lt`) that a config must respect."""
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: copy(default), metadata={"help": help, **bounds})
    return field(default=default, metadata={"help": help, **bounds})
