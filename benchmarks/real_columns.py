"""The columns of real_tables.py: what each fits to a table, and one run of it.

`present` is what `nnrun init` proposed before inputs, members and embeddings could be chosen. It stands here as it was,
so that it stays what it was. What is read, left out and taken for a code is as `init` says today, for all columns.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from real_data import COMPARED
from real_peers import PEERS, TORCH_PEERS, errors

from nnrun.api import train
from nnrun.config.load import Loaded, load_config
from nnrun.insight.scaffold.overview import Overview
from nnrun.insight.scaffold.verbs import Scaffold, Wishes, scaffold

READING = ("source", "target", "task", "format.header", "missing_target", "drop", "kinds", "max_categories", "split")
PEER_COLUMNS = (*PEERS, *TORCH_PEERS)
KEYS: dict[str, list[str]] = {
    "robust": ["data.normalize=robust"],
    "quantile": ["data.normalize=quantile"],
    "piecewise": ["data.encode_numbers=piecewise"],
    "piecewise_tree": ["data.encode_numbers=piecewise_tree"],
    "members": ["network.members=16"],
    "embeddings": ["data.encode_categories=auto"],
    "smoothing": ["regularization.label_smoothing=0.1"],
    "coslog4": ["optimizer.schedule=coslog4"],
    "flat_cos": ["optimizer.schedule=flat_cos"],
    "unweighed": ["data.class_weight=null"],
}  # each on top of present; a line more is a column more
COLUMNS = ("present", *KEYS, "proposal", *PEER_COLUMNS)


@dataclass(frozen=True)
class Job:
    """One run: of a column, on the split of a table."""

    table: str
    column: str
    split: int
    file: Path  # the table
    config: Path  # what nnrun trains, or for a peer the one that says how the table is read and split

    @property
    def settings(self) -> list[str]:
        """On top of the config."""
        return [f"seed={self.split}", f"data.split_seed={self.split}", *KEYS.get(self.column, [])]

    def loaded(self) -> Loaded:
        """Raises ConfigError where a key is unknown or has no meaning for the table."""
        return load_config(self.config, self.settings)

    @cached_property
    def identity(self) -> str:
        """Text that is the same where the same would be fitted: the config without the place of the file, or a peer."""
        if self.column in PEER_COLUMNS:
            return f"{self.table} {self.split} {self.column}"
        values = self.loaded().config.resolved()
        values["data"]["source"] = self.table
        return f"{self.table} {self.split} {json.dumps(values, sort_keys=True, default=str)}"


def present(overview: Overview) -> dict[str, Any]:
    """Dotted key → value, by the number of training rows and the rarest class."""
    rows = overview.parts["train"]
    batch = min(32, rows) if rows <= 2_000 else min(512, max(64, 1 << math.ceil(math.log2(rows) / 2)))
    epochs = round(min(150, max(20, 50_000 * batch / rows)))
    width = 64
    found: dict[str, Any] = {
        "network.hidden": [width] if rows <= 10_000 else [width, 32],
        "regularization.l2": 0.1,
        "regularization.early_stopping": {"patience": math.ceil(0.13 * epochs)},
        "optimizer.learning_rate": 3e-3 if rows <= 20_000 else 1e-3,
        "training.epochs": epochs,
        "training.batch_size": batch,
    }
    if overview.classes and overview.balance < 0.4 and min(overview.classes.values()) >= 20:
        found["data.class_weight"] = "balanced"
    if overview.features < width:
        found["network.init"] = "glorot"
    if rows <= 1_000:
        found["regularization.dropout"] = 0.2
    return found


def write_configs(name: str, file: Path) -> dict[str, Path]:
    """`present` and `proposal` of a table, each a config beside the file."""
    real = COMPARED[name]
    proposal = file.with_name(f"{name}.proposal.yaml")
    proposed = scaffold(str(file), Wishes(real.target, "regression" if real.regression else "classification"), proposal)
    proposal.write_text(proposed.text, encoding="utf-8")
    before = file.with_name(f"{name}.present.yaml")
    before.write_text(json.dumps(_nested(_reading(proposed) | present(proposed.overview))), encoding="utf-8")
    return {"present": before, "proposal": proposal}


def _reading(proposed: Scaffold) -> dict[str, Any]:
    keys = [f"data.{key}" for key in READING]
    return {
        key: proposed.choices[key].value for key in keys if key in proposed.choices and proposed.choices[key].active
    }


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return found


def measured(job: Job) -> tuple[float, float]:
    """Test error and seconds; a job for a process of its own, which has loaded everything before the clock starts."""
    warnings.simplefilter("ignore")
    return _of_peer(job) if job.column in PEER_COLUMNS else _of_nnrun(job)


def _of_nnrun(job: Job) -> tuple[float, float]:
    """From the CSV file to the metrics of the best epoch on all parts."""
    regression = COMPARED[job.table].regression
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        test = train(job.loaded(), runs=folder).evaluate()["parts"]["test"]
        seconds = time.perf_counter() - began
    scores = test.get("plain", test["metrics"])["network"]  # the plain ones stand apart where classes are weighed
    return float(scores["rmse" if regression else "error"]), seconds


def _of_peer(job: Job) -> tuple[float, float]:
    """On the rows of nnrun's parts, from arrays to predictions."""
    from tables import features, target_of

    from nnrun.data.raw import read_parts

    config = job.loaded().config
    parts = {name: (features(of, config), target_of(of, config)) for name, of in read_parts(config.data).items()}
    began = time.perf_counter()
    found = errors(job.column, parts)
    seconds = time.perf_counter() - began
    return found["rmse" if COMPARED[job.table].regression else "error"], seconds


def warm_up() -> None:
    """Load what runs need, and let the compiled engine compile once; nothing of it is measured."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text("data: {source: iris}\ntraining: {epochs: 1}\n", encoding="utf-8")
        train(load_config(config, []), runs=folder).evaluate()
