"""Whatever a config combines: it is refused in few words, or every command says something of what it trained.

Warnings are errors here, so that one is an internal error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnrun.config.dump import dump_yaml
from nnrun.engine.activations import ACTIVATIONS
from nnrun.engine.augmentation import AUGMENTATIONS
from nnrun.engine.initializers import INITIALIZERS
from nnrun.engine.losses import LOSSES
from nnrun.engine.metrics import METRICS
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.engine.schedules import SCHEDULES
from nnrun.search.strategies import STRATEGIES
from tests.cli.conftest import Done

Nnrun = Callable[..., Done]
EXPECTED = {0, 2, 3, 4, 5, 6}  # what a run does not have, config or data refused, divergence, a check that fails
TARGETS = {"classification": ("two", "three"), "regression": ("value", "count")}

SOMETIMES: dict[str, tuple[Any, ...]] = {  # key → the values it has beside its default
    "data.split": ([0.8, 0.2, 0], [0.5, 0.3, 0.2]),
    "data.folds": (2, 3),
    "data.group": ("g",),
    "data.time": ("t",),
    "data.weight": ("w",),
    "data.train_dev": (0.1,),
    "data.kinds": ({"k": "category"}, {"k": "drop"}),
    "data.max_categories": (2,),
    "data.normalize": ("robust", "quantile", "none"),
    "data.encode_numbers": ("piecewise", "piecewise_tree"),
    "data.encode_categories": ("embedding", "auto"),
    "network.hidden": ([], [4], [3, 3, 3]),
    "network.activation": tuple(ACTIVATIONS),
    "network.init": tuple(INITIALIZERS),
    "network.batch_norm": (True,),
    "network.members": (2,),
    "network.ensemble": (3,),
    "regularization.l1": (0.01,),
    "regularization.l2": (1.0,),
    "regularization.dropout": (0.3,),
    "regularization.input_dropout": (0.3,),
    "regularization.early_stopping": ({"patience": 1}, {"patience": 3, "min_delta": 0.01}),
    "regularization.augment": tuple([name] for name in AUGMENTATIONS),
    "optimizer.name": tuple(OPTIMIZERS),
    "optimizer.learning_rate": (1e-5, 0.03, 1.0),
    "optimizer.schedule": tuple(SCHEDULES),
    "optimizer.weight_decay": (0.1,),
    "optimizer.clip_norm": (1.0,),
    "optimizer.dampening": (False,),
    "training.batch_size": ("full", 1, 7),
    "training.shuffle": ("full", "blocks"),
    "training.dtype": ("float64",),
    "training.engine": ("numpy", "compiled"),
    "training.average": ({"ema": 0.9}, {"swa": 2}),
    "training.layer_statistics": (True,),
    "training.record": ("steps",),
    "training.changes": ({2: {"optimizer.learning_rate": 0.003}},),
}  # fmt: skip
OF_TASK: dict[str, dict[str, tuple[Any, ...]]] = {
    "classification": {"data.class_weight": ("balanced",), "regularization.label_smoothing": (0.1,)},
    "regression": {"data.target_transform": ("log",)},
}
COMMANDS = (
    ("show", "--json"),
    ("check", "c.yaml", "--json"),
    ("diagnose", "--json"),
    ("report",),
    ("evaluate", "latest", "--json"),
    ("evaluate", "latest", "--importance", "--json"),
    ("evaluate", "latest", "--baselines"),
    ("evaluate", "latest", "--calibrate"),
    ("predict", "latest", "t.csv", "-o", "interval.csv", "--interval", "50%", "--json"),
    ("predict", "latest", "t.csv", "-o", "members.csv", "--members", "--json"),
    ("export", "latest", "-o", "model.py", "--json"),
    ("export", "latest", "-o", "model.onnx", "--json"),
    ("resume", "latest", "--epochs", "6", "--json"),
    ("rewind", "latest", "--to", "1", "--json"),
    ("rerun", "@0", "--json"),
    ("compare", "@0", "@1", "--json"),
    ("ensemble", "@0", "--seeds", "2", "--json"),
    ("list", "--json"),
)
OF_A_SEARCH = (
    ("search", "s.yaml", "--workers", "1", "--json"),
    ("show", "latest", "--json"),
    ("report", "latest"),
    ("retest", "latest", "--top", "2", "--workers", "1", "--json"),
    ("report", "latest"),
)


def table(rng: np.random.Generator) -> pd.DataFrame:
    """Rows few or many, with gaps, a group, a time and a weight, and four targets that follow from them."""
    m = int(rng.choice([12, 40, 200]))
    frame = pd.DataFrame(rng.normal(size=(m, 2)), columns=["a", "b"])
    frame["long tail"] = np.exp(3 * rng.normal(size=m))
    frame["k"] = rng.integers(0, 4, m)
    frame["c"] = rng.choice(["x", "y", "two words"], m)
    frame["g"], frame["w"] = rng.integers(0, max(3, m // 6), m), rng.choice([0, 0.5, 2], m)
    frame["t"] = pd.date_range("2020-01-01", periods=m).strftime("%Y-%m-%d")
    signal = frame.a + (frame.c == "x") + 0.3 * rng.normal(size=m)
    frame["two"], frame["three"] = signal > 0, np.array(["p", "q", "r"])[np.digitize(signal, [-0.5, 0.7])]
    frame["value"], frame["count"] = 50 + 10 * np.tanh(signal), np.ceil(np.exp(signal))
    for name in ("b", "long tail", "c"):
        frame[name] = frame[name].astype(object).where(rng.random(m) > rng.choice([0, 0.1]))
    return frame


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    """A config; about one key in six has another value than its default."""
    task = str(rng.choice(list(TARGETS)))
    losses = tuple(name for name, loss in LOSSES.items() if loss.task == task)
    metrics = tuple(name for name, metric in METRICS.items() if task in metric.tasks)
    others = SOMETIMES | OF_TASK[task] | {"training.loss": losses, "metrics.primary": metrics}
    values = {key: options[rng.integers(len(options))] for key, options in others.items() if rng.random() < 1 / 6}
    columns = {"g": "data.group", "t": "data.time", "w": "data.weight"}
    target = rng.choice(TARGETS[task])
    unread = [name for name, key in columns.items() if key not in values]
    unread += [name for names in TARGETS.values() for name in names if name != target]
    values |= {"data.source": "t.csv", "data.target": str(target), "data.drop": unread, "training.epochs": 3}
    return nested(values)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as sections."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        section, name = key.split(".")
        found.setdefault(section, {})[name] = value
    return found


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[] if seed in (1, 2, 3, 5) else pytest.mark.soak) for seed in range(400)]
)
def test_every_command_has_an_answer(nnrun: Nnrun, here: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = drawn(rng)
    table(rng).to_csv("t.csv", index=False)
    search = {"strategy": str(rng.choice([name for name in STRATEGIES if name != "tpe"])), "trials": 3,
              "space": {"optimizer.learning_rate": {"choice": [0.003, 0.01]}}}  # fmt: skip
    Path("c.yaml").write_text(dump_yaml(config))
    Path("s.yaml").write_text(dump_yaml(config | {"search": search}))
    for words in (("train", "c.yaml"), *COMMANDS, *OF_A_SEARCH):
        done = nnrun(*words)
        assert done.code in EXPECTED, (words, done.err, config)
        if words[-1] == "--json":
            json.loads(done.out, parse_constant=pytest.fail)  # NaN and Infinity are none of JSON's
        if words[0] == "train" and done.code:
            return
