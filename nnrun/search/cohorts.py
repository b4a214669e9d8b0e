"""Which trials can train stacked as members of one trainer, and how many at a time pay."""

from __future__ import annotations

import json
from typing import Any

from nnrun.assembly import batch_size
from nnrun.config.config import Config
from nnrun.data.dataset import Dataset
from nnrun.engine.network import parameter_count

LARGEST = 16
# Numbers of theta times rows of a batch, of all members together, up to which a further member costs less than
# training it alone; by `python benchmarks/step.py`: 3.8 times less at 64-32-10 and 32 rows (77 thousand numbers),
# 1.5 times at 64-128-64-10 and 64 rows (1.1 million), no less at 784-256-128-10 and 128 rows (30 million).
WORTH_STACKING = 4_000_000

OF_A_MEMBER = {
    "optimizer": ("learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "clip_norm"),
    "regularization": ("l1", "l2", "dropout", "input_dropout"),
}


def signature(values: dict[str, Any]) -> str:
    """Equal for resolved configurations that differ as members of one trainer may, and in nothing else."""
    shared = {
        name: {key: value for key, value in section.items() if key not in OF_A_MEMBER.get(name, ())}
        for name, section in values.items()
        if name not in ("name", "seed", "search")
    }
    return json.dumps(shared, sort_keys=True)


def stacked(config: Config, dataset: Dataset) -> int:
    """How many members of this shape are worth stacking."""
    outputs = len(dataset.classes) if dataset.classes else 1
    widths = [dataset.n_features, *config.network.hidden, outputs]
    rows = batch_size(config, len(dataset.parts["train"].x))
    work = parameter_count(widths, config.network.batch_norm) * rows
    return max(1, min(LARGEST, WORTH_STACKING // work))
