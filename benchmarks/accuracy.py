"""Test error of nnrun and of scikit-learn's MLP on the bundled data sets, at the same settings.

Both get the same arrays: split 60/20/20 (stratified for classes), features standardised with the training part's
figures, float32. Both train one hidden layer of 64 ReLU units with Adam at 1e-3, batches of 64 (or the whole part, if
smaller), L2 1e-4 (`alpha`) and 100 epochs, keep the last one and never stop early. A seed decides the split, the
initial weights and the order of the rows: of one split alone, luck would be a part of the comparison. The error is the
share of wrong classes; for a regression it is 1 − R² of the standardised target. Mean ± standard deviation over the
seeds; the difference is in scikit-learn's standard deviations.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment import restart_cleaned
from nnrun_peer import adam_recipe
from peers import LEARNING_RATE

from nnrun.data.dataset import Dataset, load_dataset
from nnrun.engine.evaluation import Evaluator, Examples
from nnrun.engine.losses import LOSSES
from nnrun.engine.trainer import Trainer

DATA_SETS = ("digits", "breast_cancer", "wine", "iris", "diabetes")
HIDDEN = (64,)
EPOCHS = 100
L2 = 1e-4


@dataclass(frozen=True)
class Comparison:
    """Test errors on one data set, one a seed."""

    data: str
    nnrun: list[float]
    sklearn: list[float]

    @property
    def difference(self) -> float | None:
        """Mean of nnrun less mean of scikit-learn, in standard deviations of scikit-learn; None if that has none."""
        deviation = statistics.stdev(self.sklearn)
        return (statistics.mean(self.nnrun) - statistics.mean(self.sklearn)) / deviation if deviation else None

    def as_json(self) -> dict[str, Any]:
        """Errors by seed and what follows from them."""
        return {
            "data": self.data,
            "nnrun": summary(self.nnrun),
            "sklearn": summary(self.sklearn),
            "difference_in_sd": self.difference,
        }

    def as_line(self) -> str:
        """A line of the Markdown table, in per cent."""
        cells = [
            f"{100 * statistics.mean(e):.2f} ± {100 * statistics.stdev(e):.2f}" for e in (self.nnrun, self.sklearn)
        ]
        difference = "–" if self.difference is None else f"{self.difference:+.2f}"
        return f"| {self.data} | {' | '.join(cells)} | {difference} |"


def summary(errors: list[float]) -> dict[str, Any]:
    """Errors with their mean and standard deviation."""
    return {"mean": statistics.mean(errors), "sd": statistics.stdev(errors), "errors": errors}


def load(name: str, seed: int, cache: Path) -> Dataset:
    """A bundled data set, split by the seed and standardised."""
    from nnrun.config.data_section import Data

    return load_dataset(Data(source=name, split=(0.6, 0.2, 0.2), split_seed=seed), "float32", cache)


def nnrun_error(data: Dataset, seed: int) -> float:
    """Trained for the last epoch, and measured on the test part."""
    train, dev, test = (Examples(data.parts[part].x, data.parts[part].y) for part in ("train", "dev", "test"))
    loss = LOSSES["cross_entropy"](len(data.classes)) if data.classes else LOSSES["squared_error"](1)
    recipe = adam_recipe(data.n_features, HIDDEN, loss, batch_size(data), 1, L2, EPOCHS)
    trainer = Trainer(recipe, train, dev, [seed])
    for _ in trainer.epochs(EPOCHS):
        pass
    _, errors = Evaluator(trainer.network, loss, test)(trainer.bound)
    return float(errors[0])


def sklearn_error(data: Dataset, seed: int) -> float:
    """The same; `score` is the accuracy or R²."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    train, test = data.parts["train"], data.parts["test"]
    model = (MLPClassifier if data.task == "classification" else MLPRegressor)(
        hidden_layer_sizes=HIDDEN,
        learning_rate_init=LEARNING_RATE,
        batch_size=batch_size(data),
        alpha=L2,
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=10**9,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 'the optimization has not converged yet' is meant
        model.fit(train.x, train.y.ravel())
    return 1 - float(model.score(test.x, test.y.ravel()))


def batch_size(data: Dataset) -> int:
    """64, or all rows of a smaller training part."""
    return min(64, len(data.parts["train"].x))


def compare(name: str, seeds: range, cache: Path) -> Comparison:
    """Train both on one data set."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    splits = {seed: load(name, seed, cache) for seed in seeds}
    own = [nnrun_error(data, seed) for seed, data in splits.items()]
    return Comparison(name, own, [sklearn_error(data, seed) for seed, data in splits.items()])


def table(comparisons: list[Comparison]) -> str:
    """Markdown."""
    heads = "| data | nnrun, % | scikit-learn, % | difference, sd |\n| --- | --: | --: | --: |"
    return "\n".join([heads, *(comparison.as_line() for comparison in comparisons)])


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", action="append", choices=DATA_SETS, help="only this data set; repeatable")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="at least 2 (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print a list with every error and nothing else on stdout")
    asked = parser.parse_args()
    if asked.seeds < 2:
        parser.error("--seeds: a standard deviation needs at least 2")
    return asked


def main() -> None:
    """Compare on every data set asked for and print the result."""
    asked = arguments()
    restart_cleaned()
    with tempfile.TemporaryDirectory() as cache:
        names = [name for name in DATA_SETS if not asked.data or name in asked.data]
        comparisons = [compare(name, range(asked.seeds), Path(cache)) for name in names]
    print(json.dumps([c.as_json() for c in comparisons], indent=2) if asked.json else table(comparisons))


if __name__ == "__main__":
    main()
