"""Dev error of what `nnrun init` proposes, beside scikit-learn's MLP behind its usual ColumnTransformer.

Ten tables: the five of made_tables.py and the bundled sets, written to files. For each the config is the one that
`nnrun init` writes, unedited. scikit-learn gets the same rows as nnrun's reader hands them on, without the columns that
the config drops: numbers go through SimpleImputer (mean) and StandardScaler, everything else through SimpleImputer
(most frequent) and OneHotEncoder(handle_unknown="ignore"); dates, for which it has nothing, become year, month,
weekday and hour before. Then MLPClassifier or MLPRegressor with the config's layers, batch size, learning rate, L2
(`alpha`) and epochs, Adam, one `partial_fit` an epoch. Early stopping is nnrun's for both: the dev part is measured
after each epoch, the best epoch counts, training ends when none was better for `patience` epochs. Where the config
weighs classes, both do. Dropout is the one setting that scikit-learn lacks: nnrun is trained without it for the
comparison, and once more as proposed.

A seed decides the split, the weights and the order of rows. Errors are of the best epoch, in per cent: wrong classes
(weighed where the config says so), for a regression 1 − R². Mean over the seeds; the difference is the mean of
nnrun − scikit-learn, seed by seed, ± its standard error.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environment import restart_cleaned
from made_tables import MADE
from real_data import BUNDLED

from nnrun.config.config import Config
from nnrun.config.data_section import BUNDLED as FACTS
from nnrun.config.data_section import Data
from nnrun.config.load import Loaded, load_config
from nnrun.data.facts.columns import ColumnFacts
from nnrun.data.facts.kinds import ISO, dates
from nnrun.data.features.columns import DATE_PARTS
from nnrun.data.files.sources import read_source
from nnrun.data.files.table import Table
from nnrun.data.files.values import labels
from nnrun.data.raw import read_parts
from nnrun.insight.scaffold.verbs import Wishes, scaffold
from nnrun.runs.assembly import batch_size
from nnrun.runs.verbs import train

ROWS = 3_000


@dataclass
class Errors:
    """Dev errors on one table, one a seed."""

    table: str
    same: list[float] = field(default_factory=list)
    proposed: list[float] = field(default_factory=list)
    sklearn: list[float] = field(default_factory=list)

    @property
    def differences(self) -> list[float]:
        """Of nnrun at the same settings and scikit-learn, seed by seed."""
        return [own - other for own, other in zip(self.same, self.sklearn, strict=True)]

    def as_line(self) -> str:
        """A line of the Markdown table, in per cent."""
        error = statistics.stdev(self.differences) / len(self.differences) ** 0.5
        cells = [f"{100 * statistics.mean(found):.2f}" for found in (self.same, self.sklearn)]
        difference = f"{100 * statistics.mean(self.differences):+.2f} ± {100 * error:.2f}"
        return f"| {self.table} | {' | '.join(cells)} | {difference} | {100 * statistics.mean(self.proposed):.2f} |"


def table_files(folder: Path, rows: int) -> Iterator[tuple[str, Path, str]]:
    """Name, file and target of each table."""
    for name, made in MADE.items():
        yield name, made.write(folder, rows), made.target
    for name in BUNDLED:
        yield name, bundled_file(folder, name), FACTS[name].target


def bundled_file(folder: Path, name: str) -> Path:
    """A bundled set as a file."""
    path = folder / f"{name}.csv"
    read_source(Data(source=name))["all"].frame.to_csv(path, index=False)
    return path


def proposal(path: Path, target: str) -> Path:
    """The config that `nnrun init` writes beside the file."""
    config = path.with_name(f"{path.name}.yaml")
    config.write_text(scaffold(str(path), Wishes(target), config).text, encoding="utf-8")
    return config


def seeded(config: Path, seed: int, *settings: str) -> Loaded:
    """The config with a split and a run of this seed."""
    return load_config(config, [f"seed={seed}", f"data.split_seed={seed}", *settings])


def nnrun_error(loaded: Loaded, runs: Path) -> float:
    """Of the best epoch."""
    return float(train(loaded, runs).record["final"]["dev_error"])


def sklearn_error(config: Config) -> float:
    """The same, with the same rows."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    parts = read_parts(config.data)
    x, y = features(parts["train"], config), target_of(parts["train"], config)
    dev_x, dev_y = features(parts["dev"], config), target_of(parts["dev"], config)
    transformer = column_transformer(x)
    x, dev_x = transformer.fit_transform(x).astype("float32"), transformer.transform(dev_x).astype("float32")
    classes = config.data.task == "classification"
    model = (MLPClassifier if classes else MLPRegressor)(
        hidden_layer_sizes=config.network.hidden,
        learning_rate_init=config.optimizer.learning_rate,
        batch_size=batch_size(config, len(x)),
        alpha=config.regularization.l2,
        random_state=config.seed,
    )
    measure = class_errors if classes else regression_errors
    return best_epoch(config, measure(model, x, y, dev_x, dev_y, config))


def best_epoch(config: Config, epochs: Iterator[tuple[float, float]]) -> float:
    """The lowest error, by loss where errors are level, until patience ends."""
    stopping = config.regularization.early_stopping
    best, waited = (float("inf"), float("inf")), 0
    for _, scores in zip(range(config.training.epochs), epochs, strict=False):
        best, waited = (scores, 0) if scores < best else (best, waited + 1)
        if stopping is not None and waited >= stopping.patience:
            break
    return best[0]


def class_errors(model: Any, x: Any, y: Any, dev_x: Any, dev_y: Any, config: Config) -> Iterator[tuple[float, float]]:
    """Error and loss on dev after each epoch."""
    import numpy as np
    from sklearn.metrics import log_loss
    from sklearn.utils.class_weight import compute_sample_weight

    known = sorted(set(y))
    weigh = config.data.class_weight is not None
    weights, dev_weights = (compute_sample_weight("balanced", part) if weigh else None for part in (y, dev_y))
    while True:
        model.partial_fit(x, y, classes=known, sample_weight=weights)
        shares = model.predict_proba(dev_x)
        wrong = model.classes_[shares.argmax(axis=1)] != dev_y
        error = float(np.average(wrong, weights=dev_weights))
        yield error, float(log_loss(dev_y, shares, labels=known, sample_weight=dev_weights))


def regression_errors(
    model: Any, x: Any, y: Any, dev_x: Any, dev_y: Any, config: Config
) -> Iterator[tuple[float, float]]:
    """1 − R² on dev after each epoch; the target is standardised as nnrun does it."""
    from sklearn.metrics import r2_score

    mean, deviation = y.mean(), y.std()
    while True:
        model.partial_fit(x, (y - mean) / deviation)
        error = 1 - float(r2_score((dev_y - mean) / deviation, model.predict(dev_x)))
        yield error, error


def features(table: Table, config: Config) -> Any:
    """The columns to learn from as a data frame, dates as their parts."""
    import pandas as pd

    names = [name for name in table.columns if name not in (*config.data.drop, config.data.target)]
    frame = table.frame[names].copy()
    for name in names:
        meaning = ColumnFacts.of(table, name).meaning
        if meaning.kind == "date":
            index = pd.DatetimeIndex(dates(table, name, meaning.format or ISO))
            for part in DATE_PARTS:
                frame[f"{name} {part}"] = getattr(index, part).to_numpy(dtype=float)
            frame = frame.drop(columns=name)
        elif meaning.kind != "number":
            frame[name] = labels(frame[name]).astype(object)
    return frame


def target_of(table: Table, config: Config) -> Any:
    """Classes as text, or numbers."""
    series = table.frame[str(config.data.target)]
    return labels(series).to_numpy(dtype=object) if config.data.task == "classification" else series.to_numpy(float)


def column_transformer(frame: Any) -> Any:
    """The usual one."""
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = list(frame.select_dtypes("number").columns)
    others = [name for name in frame.columns if name not in numbers]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("others", make_pipeline(SimpleImputer(missing_values=np.nan, strategy="most_frequent"), one_hot), others),
        ]
    )


def compare(name: str, path: Path, target: str, seeds: range) -> Errors:
    """Train all on one table."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    config, runs, found = proposal(path, target), path.parent / "runs", Errors(name)
    for seed in seeds:
        same = seeded(config, seed, "regularization.dropout=0")
        found.same.append(nnrun_error(same, runs))
        found.proposed.append(nnrun_error(seeded(config, seed), runs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.sklearn.append(sklearn_error(same.config))
    return found


def table(found: list[Errors]) -> str:
    """Markdown."""
    heads = "| table | nnrun | scikit-learn | difference | nnrun as proposed |\n| --- | --: | --: | --: | --: |"
    return "\n".join([heads, *(errors.as_line() for errors in found)])


def main() -> None:
    """Compare on every table asked for and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--table", action="append", metavar="NAME", help="only this table; repeatable")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help="of made tables (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="at least 2 (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print a list with every error and nothing else on stdout")
    asked = parser.parse_args()
    restart_cleaned()
    with tempfile.TemporaryDirectory() as folder:
        files = [row for row in table_files(Path(folder), asked.rows) if not asked.table or row[0] in asked.table]
        found = [compare(*row, range(asked.seeds)) for row in files]
    print(json.dumps([vars(errors) for errors in found], indent=2) if asked.json else table(found))


if __name__ == "__main__":
    main()
